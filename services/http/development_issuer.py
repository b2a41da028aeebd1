"""The development issuer: a key of its own, tokens for whoever asks on this machine, never beside a real database."""

from __future__ import annotations

import ipaddress
import os
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

import jwt
import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from starlette.routing import Route

from aggregates.actor import Role
from aggregates.ids import SYNTAX, kind_of
from infra.dispatcher import NotFound
from infra.settings import Settings
from services.http.problems import Problem
from services.http.tokens import KINDS, OneKey
from services.http.wire import Endpoint, Reply, Request
from services.runtime import Runtime

VALID_FOR = timedelta(hours=12)
KEY_FILE = "development-issuer.pem"


class Wanted(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whose token is asked for; without a name, the manager's."""

    subject: str | None = None


class DevelopmentIssuer:
    """Signs tokens with a key that lies in the home of the embedded database."""

    def __init__(self, home: Path, settings: Settings) -> None:
        self._settings, self._key = settings, _key_in(home)

    @property
    def keys(self) -> OneKey:
        """What verifies the tokens."""
        return OneKey(self._key.public_key())

    def token(self, subject: str, valid_for: timedelta = VALID_FOR) -> str:
        """A token for an employee or a customer."""
        now = datetime.now(UTC)
        claims = {
            "iss": self._settings.issuer,
            "aud": self._settings.audience,
            "sub": subject,
            "iat": now,
            "exp": now + valid_for,
        }
        return jwt.encode(claims, self._key, algorithm="EdDSA")

    def route(self, runtime: Runtime) -> Route:
        """POST /development/token, answered on the loopback interface only."""

        async def answer(request: Request) -> Reply:
            if not _on_this_machine(request):
                raise Problem(403, "forbidden", "The development issuer answers on this machine only.")
            wanted = msgspec.json.decode(await request.body(10_000) or b"{}", type=Wanted)
            subject = wanted.subject or _manager(runtime)
            if (
                not re.fullmatch(SYNTAX, subject)
                or kind_of(subject) not in KINDS
                or not await runtime.states.exists(subject)
            ):
                raise NotFound(subject)
            return Reply(200, msgspec.json.encode({"token": self.token(subject), "subject": subject}))

        return Route("/development/token", Endpoint(answer, 5), methods=["POST"], name="development.token")


def _manager(runtime: Runtime) -> str:
    """Whoever is the manager now."""
    reference, now = runtime.reference.current, datetime.now(UTC)
    for employee_id in reference.offices:
        if Role.MANAGER in reference.post(employee_id, now).roles:
            return employee_id
    raise Problem(404, "not-found", "No department has been founded yet: run `yewu found`.")


def _on_this_machine(request: Request) -> bool:
    """Asked from a loopback address, by that name: a page of another site cannot ask in our name."""
    client = request.scope["client"]
    try:
        host = urlsplit("//" + (request.header("host") or "")).hostname
        return ipaddress.ip_address(client[0]).is_loopback and host in {"127.0.0.1", "localhost", "::1"}
    except (TypeError, ValueError):
        return False


def _key_in(home: Path) -> Ed25519PrivateKey:
    path = home / KEY_FILE
    if not path.exists():
        pem = Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        new = path.with_suffix(f".{os.getpid()}")
        new.touch(mode=0o600)
        new.write_bytes(pem)
        new.rename(path)
    key = load_pem_private_key(path.read_bytes(), password=None)
    if not isinstance(key, Ed25519PrivateKey):
        raise TypeError(f"{path} holds another kind of key: remove it")
    return key
