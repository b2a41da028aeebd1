"""Who is asking: tokens of an issuer we trust, verified once and then remembered until they expire."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, Protocol

import jwt

from aggregates.actor import ActorKind
from aggregates.ids import kind_of
from infra.dispatcher import Principal
from services.http.problems import Problem

ALGORITHMS = ["EdDSA", "ES256", "RS256"]
MOST_REMEMBERED = 10_000
MAY_BE_LATE = 30
KINDS = {"employee": ActorKind.EMPLOYEE, "customer": ActorKind.CUSTOMER}


class KeySource(Protocol):
    """Where the issuer's public keys come from."""

    def key_of(self, token: str) -> Any:
        """The key that must have signed this token; a jwt.PyJWTError if there is none."""
        ...


class OneKey:
    """An issuer with a single key, known beforehand."""

    def __init__(self, key: Any) -> None:
        self._key = key

    def key_of(self, token: str) -> Any:  # noqa: ARG002  # whatever token it is
        return self._key


class PublishedKeys:
    """An issuer that publishes its keys at an address; they are fetched when needed, and kept for five minutes."""

    def __init__(self, url: str) -> None:
        self._client = jwt.PyJWKClient(url, cache_keys=True, lifespan=300, timeout=5)

    def key_of(self, token: str) -> Any:
        return self._client.get_signing_key_from_jwt(token).key


class Tokens:
    """Turns bearer tokens into principals. Issuer, audience and algorithms are pinned."""

    def __init__(self, keys: KeySource, issuer: str, audience: str, now: Callable[[], float] = time.time) -> None:
        self._keys, self._issuer, self._audience, self._now = keys, issuer, audience, now
        self._known: OrderedDict[str, tuple[Principal, float]] = OrderedDict()

    async def principal(self, authorization: str | None) -> Principal:
        """Who says so; a 401 Problem for anything but a valid token of ours."""
        if authorization is None or not authorization.startswith("Bearer "):
            raise _unknown()
        token = authorization.removeprefix("Bearer ")
        known = self._known.get(token)
        if known is not None and known[1] > self._now():
            return known[0]
        try:
            claims = await asyncio.to_thread(self._verify, token)
            principal = Principal(claims["sub"], KINDS[kind_of(claims["sub"])])
        except (jwt.PyJWTError, KeyError, ValueError, TypeError):
            raise _unknown() from None
        self._known[token] = principal, float(claims["exp"])
        if len(self._known) > MOST_REMEMBERED:
            self._known.popitem(last=False)
        return principal

    def _verify(self, token: str) -> dict[str, Any]:
        claims: dict[str, Any] = jwt.decode(
            token,
            self._keys.key_of(token),
            algorithms=ALGORITHMS,
            audience=self._audience,
            issuer=self._issuer,
            leeway=MAY_BE_LATE,
            options={"require": ["exp", "iat", "iss", "aud", "sub"]},
        )
        return claims


def _unknown() -> Problem:
    return Problem(
        401,
        "unauthenticated",
        "Send a valid token: `yewu login` gets one where the development issuer runs.",
        headers={"WWW-Authenticate": "Bearer"},
    )
