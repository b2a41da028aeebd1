"""Whoever forges a token is nobody; whoever holds a valid one is believed until it expires."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import re
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from fastapi import FastAPI
from starlette.routing import Route

from aggregates.actor import ActorKind
from infra.settings import Settings
from services.http.app import create_app
from services.http.problems import Problem
from services.http.tokens import OneKey, PublishedKeys, Tokens
from services.who_may_read import OPEN
from tests.services.running import Yewu, at_rest, done

ISSUER, AUDIENCE, ANNA = "the-issuer", "yewu", "employee-anna"
KEY, OTHER = ed25519.Ed25519PrivateKey.generate(), ed25519.Ed25519PrivateKey.generate()
PEM = KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
RAW = KEY.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)


def claims(**changes: Any) -> dict[str, Any]:
    """Those of a valid token, with some changed; None leaves one out."""
    now = datetime.now(UTC)
    valid = {"iss": ISSUER, "aud": AUDIENCE, "sub": ANNA, "iat": now, "exp": now + timedelta(hours=1)}
    return {name: value for name, value in (valid | changes).items() if value is not None}


def signed(key: Any = KEY, algorithm: str = "EdDSA", headers: dict[str, Any] | None = None, **changes: Any) -> str:
    return jwt.encode(claims(**changes), key, algorithm=algorithm, headers=headers)


def by_hand(header: dict[str, Any], signature: bytes = b"", **changes: Any) -> str:
    """A token put together without any library that might refuse to."""
    body = {k: int(v.timestamp()) if isinstance(v, datetime) else v for k, v in claims(**changes).items()}
    return ".".join(_part(json.dumps(each).encode()) for each in (header, body)) + "." + _part(signature)


def hmac_with(secret: bytes, algorithm: str = "HS256") -> str:
    """Signed with what everybody knows, in the hope that it is taken for a secret."""
    unsigned = by_hand({"alg": algorithm, "typ": "JWT"}).rpartition(".")[0]
    return f"{unsigned}.{_part(hmac.new(secret, unsigned.encode(), hashlib.sha256).digest())}"


def _part(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def principal(authorization: str | None, tokens: Tokens | None = None) -> Any:
    tokens = tokens or Tokens(OneKey(KEY.public_key()), ISSUER, AUDIENCE)
    return asyncio.run(tokens.principal(authorization))


def past(hours: int) -> datetime:
    return datetime.now(UTC) - timedelta(hours=hours)


RSA_KEY = rsa.generate_private_key(65537, 2048)
EC_KEY = ec.generate_private_key(ec.SECP256R1())
JWK = {"kty": "OKP", "crv": "Ed25519", "x": _part(OTHER.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw))}

FORGED: dict[str, Callable[[], str]] = {
    "no algorithm": lambda: by_hand({"alg": "none", "typ": "JWT"}),
    "no algorithm, in capitals": lambda: by_hand({"alg": "NONE"}),
    "no algorithm, and a signature": lambda: by_hand({"alg": "none"}, b"x" * 64),
    "no header of an algorithm": lambda: by_hand({"typ": "JWT"}),
    "an algorithm nobody knows": lambda: by_hand({"alg": "XS999"}, b"x"),
    "the public key as a secret": lambda: hmac_with(PEM),
    "the raw public key as a secret": lambda: hmac_with(RAW),
    "an empty secret": lambda: hmac_with(b""),
    "HS384 by name": lambda: hmac_with(PEM, "HS384"),
    "another key": lambda: signed(OTHER),
    "an RSA key": lambda: signed(RSA_KEY, "RS256"),
    "an RSA key, PSS": lambda: signed(RSA_KEY, "PS256"),
    "an EC key": lambda: signed(EC_KEY, "ES256"),
    "its own key in the header": lambda: signed(OTHER, headers={"jwk": JWK}),
    "an address of its own key": lambda: signed(OTHER, headers={"jku": "http://127.0.0.1:9/keys"}),
    "an address of its certificate": lambda: signed(OTHER, headers={"x5u": "http://127.0.0.1:9/cert"}),
    "a certificate": lambda: signed(OTHER, headers={"x5c": ["MIIB"]}),
    "a key id that is a path": lambda: signed(OTHER, headers={"kid": "../../dev/null"}),
    "a key id that is a query": lambda: signed(OTHER, headers={"kid": "' OR 1=1 --"}),
    "a critical extension": lambda: signed(headers={"crit": ["exp2"], "exp2": 1}),
    "an unencoded payload": lambda: signed(headers={"b64": False, "crit": ["b64"]}),
    "an empty signature": lambda: signed().rpartition(".")[0] + ".",
    "half a signature": lambda: signed()[:-40],
    "a changed payload": lambda: ".".join([signed().split(".")[0], by_hand({}).split(".")[1], signed().split(".")[2]]),
    "another issuer": lambda: signed(iss="somebody"),
    "no issuer": lambda: signed(iss=None),
    "another audience": lambda: signed(aud="others"),
    "several other audiences": lambda: signed(aud=["a", "b"]),
    "no audience": lambda: signed(aud=None),
    "expired": lambda: signed(exp=past(1)),
    "expired long ago": lambda: signed(exp=past(100_000)),
    "no expiry": lambda: signed(exp=None),
    "an expiry that is no number": lambda: by_hand({"alg": "EdDSA"}, exp="never"),
    "not yet valid": lambda: signed(nbf=past(-1)),
    "issued in the future": lambda: signed(iat=past(-1)),
    "no time of issue": lambda: signed(iat=None),
    "no subject": lambda: signed(sub=None),
    "an empty subject": lambda: signed(sub=""),
    "a subject of another kind": lambda: signed(sub="founder"),
    "a policy as the subject": lambda: signed(sub="policy-clock"),
    "garbage": lambda: "garbage",
    "two dots": lambda: "..",
    "four parts": lambda: signed() + ".x",
    "nothing": lambda: "",
    "a huge one": lambda: "x" * 200_000,
    "no text": lambda: "\x00\xff",
}


@pytest.mark.parametrize("forge", FORGED.values(), ids=FORGED)
def test_a_forged_token_is_nobodys(forge: Callable[[], str]) -> None:
    with pytest.raises(Problem) as refused:
        principal(f"Bearer {forge()}")
    assert (refused.value.status, refused.value.headers) == (401, {"WWW-Authenticate": "Bearer"})


OPEN_TO_ALL = {*OPEN, "/development/token"}
SSE = {"Accept": "text/event-stream"}


def addresses(app: FastAPI) -> list[tuple[str, str, dict[str, str]]]:
    """Every method and path that the application serves and asks who it is for; the feed twice."""
    found: list[tuple[str, str, dict[str, str]]] = [("GET", "/events", SSE)]
    for route in app.router.routes:
        assert isinstance(route, Route)
        if route.path not in OPEN_TO_ALL:
            path = re.sub("{[^}]+}", "complaint-1", route.path)
            found.extend((method, path, {}) for method in (route.methods or set()) - {"HEAD"})
    return found


def test_no_address_opens_to_a_forged_token(database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each of them at one address of each kind, and three of them at every address there is."""
    monkeypatch.setattr("services.http.app.Tokens", lambda *_: Tokens(OneKey(KEY.public_key()), ISSUER, AUDIENCE))
    app = create_app(database, Settings.read({"YEWU_HOME": str(tmp_path), "YEWU_DEVELOPMENT_ISSUER": "on"}))
    everywhere = addresses(app)
    kinds = {"/complaints", "/complaints/complaint-1", "/complaints/difference", "/events", "/streams/complaint-1",
             "/about/complaint-1", "/complaints/complaint-1/close"}  # fmt: skip
    one_of_each = [address for address in everywhere if address[1] in kinds]
    assert len(one_of_each) == len(kinds) + 2  # complaints are asked for and received, the feed has two forms
    forged = {name: forge() for name, forge in FORGED.items() if name != "no text"}  # which no header can hold
    few = {name: forged[name] for name in ("no algorithm", "expired", "another key")}

    async def answers() -> tuple[list[str], list[int]]:
        opened: list[str] = []
        async with (
            app.router.lifespan_context(app),
            httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://yewu") as client,
        ):
            for tokens, where in ((forged, one_of_each), (few, everywhere)):
                for name, token in tokens.items():
                    for method, path, headers in where:
                        sent = {"Authorization": f"Bearer {token}", **headers}
                        if (await client.request(method, path, headers=sent)).status_code != 401:
                            opened.append(f"{method} {path} to {name}")
            true = {"Authorization": f"Bearer {signed()}"}
            known = [(await client.request(m, path, headers=true | h)).status_code for m, path, h in one_of_each]
            return opened, known

    opened, known = asyncio.run(answers())
    assert opened == []
    assert len(everywhere) > 70
    assert len(forged) >= 40
    assert 401 not in known


def test_what_is_open_to_all_says_the_same_whatever_token_is_sent(yewu: Yewu) -> None:
    for path in ("/live", "/openapi.json", "/asyncapi.json", "/docs"):
        plain = yewu.as_(None).get(path)
        assert plain.status_code == 200
        assert yewu.as_(None, Authorization="Bearer garbage").get(path).content == plain.content
    name = "Zenobia Unmistakable"
    employee_id = yewu.employee(name)
    for path in ("/metrics", "/ready"):
        told = yewu.as_(None, Authorization="Bearer garbage").get(path)
        assert told.status_code == 200
        assert name not in told.text
        assert employee_id not in told.text


@pytest.mark.parametrize("header", [None, "", "Bearer", "Basic YW5uYTp4", f"Token {signed()}", signed()])
def test_a_header_that_is_no_bearer_token(header: str | None) -> None:
    with pytest.raises(Problem):
        principal(header)


def test_a_valid_token_says_who_asks() -> None:
    assert principal(f"Bearer {signed()}") == (ANNA, ActorKind.EMPLOYEE)
    assert principal(f"Bearer {signed(sub='customer-carl')}") == ("customer-carl", ActorKind.CUSTOMER)


def test_a_token_that_was_remembered_still_expires(monkeypatch: pytest.MonkeyPatch) -> None:
    now, asked = [datetime.now(UTC).timestamp()], []
    tokens = Tokens(OneKey(KEY.public_key()), ISSUER, AUDIENCE, now=lambda: now[0])
    token = f"Bearer {signed()}"

    def in_two_hours(token: str) -> dict[str, Any]:
        asked.append(token)
        raise jwt.ExpiredSignatureError

    assert principal(token, tokens).id == ANNA
    monkeypatch.setattr(tokens, "_verify", in_two_hours)
    assert principal(token, tokens).id == ANNA
    now[0] += 2 * 3600
    with pytest.raises(Problem):
        principal(token, tokens)
    assert len(asked) == 1


@pytest.mark.parametrize("subject", ["customer-\0", "customer-Carl Jones", "employee-" + "x" * 300, "employee-ä"])
def test_a_subject_that_is_no_id_is_nobody(subject: str) -> None:
    with pytest.raises(Problem):
        principal(f"Bearer {signed(sub=subject)}")


def test_a_scheme_may_be_written_in_any_case() -> None:
    assert principal(f"bearer {signed()}").id == ANNA


class Issuer:
    """One that publishes keys at an address of this machine."""

    def __init__(self) -> None:
        self.published: dict[str, ed25519.Ed25519PrivateKey] = {}
        self._server = HTTPServer(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}/keys"

    def stop(self) -> None:
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join()
            self._server.server_close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        issuer = self

        class Keys(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                keys = [_jwk(name, key) for name, key in issuer.published.items()]
                self.send_response(200)
                self.end_headers()
                self.wfile.write(json.dumps({"keys": keys}).encode())

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # named so by its base
                pass

        return Keys


def _jwk(name: str, key: ed25519.Ed25519PrivateKey) -> dict[str, str]:
    raw = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    return {"kty": "OKP", "crv": "Ed25519", "use": "sig", "alg": "EdDSA", "kid": name, "x": _part(raw)}


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    issuer = Issuer()
    yield issuer
    issuer.stop()


def test_the_keys_that_an_issuer_publishes_are_believed_and_those_it_adds(issuer: Issuer) -> None:
    tokens = Tokens(PublishedKeys(issuer.url, pause=0), ISSUER, AUDIENCE)
    issuer.published = {"first": KEY}
    assert principal(f"Bearer {signed(headers={'kid': 'first'})}", tokens).id == ANNA
    second = f"Bearer {signed(OTHER, headers={'kid': 'second'})}"
    with pytest.raises(Problem, match="valid token"):
        principal(second, tokens)
    issuer.published["second"] = OTHER
    assert principal(second, tokens).id == ANNA


def test_a_key_that_was_withdrawn_is_not_believed_for_long(issuer: Issuer) -> None:
    tokens = Tokens(PublishedKeys(issuer.url, kept=0.05, pause=0), ISSUER, AUDIENCE)
    issuer.published = {"first": KEY, "second": OTHER}
    assert principal(f"Bearer {signed(headers={'kid': 'first'})}", tokens).id == ANNA
    del issuer.published["first"]
    time.sleep(0.1)
    with pytest.raises(Problem, match="valid token"):
        principal(f"Bearer {signed(headers={'kid': 'first'}, sub='employee-berta')}", tokens)


def test_a_key_of_another_name_does_not_count(issuer: Issuer) -> None:
    tokens = Tokens(PublishedKeys(issuer.url), ISSUER, AUDIENCE)
    issuer.published = {"first": KEY, "second": OTHER}
    for headers in ({"kid": "second"}, {"kid": "../first"}, {}):
        with pytest.raises(Problem, match="valid token"):
            principal(f"Bearer {signed(headers=headers)}", tokens)


def test_nobody_is_called_a_forger_while_the_issuer_is_away(issuer: Issuer) -> None:
    tokens = Tokens(PublishedKeys(issuer.url), ISSUER, AUDIENCE)
    issuer.stop()
    with pytest.raises(Problem) as away:
        principal(f"Bearer {signed(headers={'kid': 'first'})}", tokens)
    assert (away.value.status, away.value.headers) == (503, {"Retry-After": "1"})


def development_token(yewu: Yewu, host: str | None = None, **body: object) -> httpx.Response:
    headers = {} if host is None else {"Host": host}
    return httpx.post(f"{yewu.address}/development/token", json=body, headers=headers)


def test_the_development_issuer_gives_a_token_to_whoever_sits_at_this_machine(yewu: Yewu) -> None:
    answer = done(development_token(yewu))
    assert answer["subject"] == yewu.manager_id
    mine = httpx.get(f"{yewu.address}/employees", headers={"Authorization": f"Bearer {answer['token']}"})
    assert mine.status_code == 200
    anna = yewu.employee()
    assert done(development_token(yewu, subject=anna))["subject"] == anna


@pytest.mark.parametrize("host", ["yewu.example", "yewu.example:8000", "127.0.0.1.yewu.example", "10.0.0.1:8000", ""])
def test_a_page_of_another_site_gets_no_token(yewu: Yewu, host: str) -> None:
    assert development_token(yewu, host).status_code in {400, 403}


@pytest.mark.parametrize("host", ["localhost", "localhost:8000", "127.0.0.1", "[::1]:8000"])
def test_this_machine_has_several_names(yewu: Yewu, host: str) -> None:
    assert development_token(yewu, host).status_code == 200


@pytest.mark.parametrize("subject", ["employee-nobody", "founder", "department", "employee-\0", "policy-clock"])
def test_the_development_issuer_knows_only_who_is_on_record(yewu: Yewu, subject: str) -> None:
    assert development_token(yewu, subject=subject).status_code == 404


def test_without_the_setting_there_is_no_development_issuer(database: str, tmp_path: Path) -> None:
    elsewhere = {"YEWU_HOME": str(tmp_path), "YEWU_JWKS_URL": "http://127.0.0.1:9/keys"}
    with at_rest(database, Settings.read(elsewhere)) as app:
        assert "/development/token" not in {getattr(route, "path", None) for route in app.router.routes}
    with pytest.raises(ValueError, match="YEWU_JWKS_URL"):
        create_app(database, Settings.read({"YEWU_HOME": str(tmp_path)}))
