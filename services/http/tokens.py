"""Who is asking: tokens of an issuer we trust, verified once and then remembered until they expire."""

from __future__ import annotations

import asyncio
import re
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, Protocol

import jwt

from aggregates.actor import ActorKind
from aggregates.ids import SYNTAX, kind_of
from infra.dispatcher import Principal
from services.http.problems import Problem, later

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
    """An issuer that publishes its keys at an address.

    They are fetched when needed and kept for `kept` seconds: a key withdrawn is believed no longer than that. A token
    of a key that is not among them has them fetched again, if the last time was more than `pause` seconds ago.
    """

    def __init__(self, url: str, *, kept: float = 300, pause: float = 5) -> None:
        self._client = jwt.PyJWKClient(url, cache_keys=False, lifespan=kept, timeout=5, cooldown_duration=pause)

    def key_of(self, token: str) -> Any:
        return self._client.get_signing_key_from_jwt(token).key


class Tokens:
    """Turns bearer tokens into principals. Issuer, audience and algorithms are pinned."""

    def __init__(self, keys: KeySource, issuer: str, audience: str, now: Callable[[], float] = time.time) -> None:
        self._keys, self._issuer, self._audience, self._now = keys, issuer, audience, now
        self._known: OrderedDict[str, tuple[Principal, float]] = OrderedDict()

    async def principal(self, authorization: str | None) -> Principal:
        """Who says so; a 401 Problem for anything but a valid token of ours."""
        scheme, _, token = (authorization or "").partition(" ")
        if scheme.lower() != "bearer":
            raise _unknown()
        known = self._known.get(token)
        if known is not None and known[1] > self._now():
            return known[0]
        try:
            claims = await asyncio.to_thread(self._verify, token)
            principal = _principal(claims["sub"])
        except jwt.PyJWKClientConnectionError:
            raise later("The keys of the issuer cannot be read: ask again in a second.") from None
        except Exception:  # PyJWT lets through whatever its parsers stumble over
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


def _principal(subject: str) -> Principal:
    if not re.fullmatch(SYNTAX, subject):
        raise ValueError(f"{subject!r} is no id")
    return Principal(subject, KINDS[kind_of(subject)])


def _unknown() -> Problem:
    return Problem(
        401,
        "unauthenticated",
        "Send a valid token: `yewu login` gets one where the development issuer runs.",
        headers={"WWW-Authenticate": "Bearer"},
    )
