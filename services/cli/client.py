"""The command line as a caller of the API: where it is, with whose token, and what to say when it answers no."""

from __future__ import annotations

import hashlib
import os
import ssl
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

import httpx

from services.cli.output import tell_parked

SECONDS_WITHOUT_PROGRESS = 60
ON_THIS_MACHINE = {"127.0.0.1", "localhost", "::1"}

WITHOUT_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""Trusts nobody, for what needs no certificates: to read those of all authorities takes 50 ms."""


class SaidNo(Exception):
    """The API, or the way to it, said no: one sentence for the person at the terminal."""

    def __init__(self, sentence: str, problem: Mapping[str, Any] | None = None) -> None:
        super().__init__(sentence)
        self.problem = problem


def address() -> str:
    """Where the API is."""
    return os.environ.get("YEWU_URL") or f"http://127.0.0.1:{os.environ.get('YEWU_PORT') or 8000}"


def token_file() -> Path:
    """Where `yewu login` keeps the token."""
    folder = os.environ.get("XDG_CONFIG_HOME") or "~/.config"
    return Path(folder).expanduser() / "yewu" / "token"


def keep_token(token: str) -> Path:
    """Write the token where only its owner can read it."""
    path = token_file()
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    path.unlink(missing_ok=True)
    path.touch(mode=0o600)
    path.write_text(token)
    return path


def language() -> str:
    """The language of this terminal."""
    locale = os.environ.get("LC_ALL") or os.environ.get("LC_MESSAGES") or os.environ.get("LANG") or ""
    return "zh" if locale.startswith("zh") else "en"


def ask(
    method: str,
    path: str,
    *,
    query: Mapping[str, str] | None = None,
    body: object = None,
    content: BinaryIO | None = None,
    headers: Mapping[str, str] | None = None,
) -> Any:
    """What the API answers, a text where that is no JSON; SaidNo with its sentence if it does not do it.

    `body` is sent as JSON, `content` as it is.
    What is still being built (202) is asked for again until it is there.
    """
    token = os.environ.get("YEWU_TOKEN") or (token_file().read_text() if token_file().exists() else "")
    sent = {"Accept-Language": language(), **(headers or {})}
    if token:
        sent["Authorization"] = f"Bearer {token.strip()}"
    before, deadline = None, 0.0
    while True:
        response = _send(httpx.Request(method, _url(path), params=query, json=body, content=content, headers=sent))
        is_json = "json" in response.headers.get("content-type", "")
        answer = response.json() if is_json else {} if response.is_error else response.text
        if response.is_error:
            raise SaidNo(answer.get("detail") or f"{address()} answered {response.status_code}.", answer)
        if response.status_code != httpx.codes.ACCEPTED:
            if positions := response.headers.get("Yewu-Parked"):
                tell_parked([positions])
            return answer
        if answer != before:
            before, deadline = answer, time.monotonic() + SECONDS_WITHOUT_PROGRESS
        elif time.monotonic() > deadline:
            raise SaidNo("That day is not being built: see whether `yewu build` runs, then ask again.", answer)
        time.sleep(float(response.headers.get("Retry-After", "1")))


def upload(path: Path) -> str:
    """Send a file, and its hash; SaidNo if it cannot be read, or if other bytes arrived."""
    try:
        with path.expanduser().open("rb") as file:
            here = f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"
            file.seek(0)
            there = ask("POST", "/contents", content=file, headers={"Content-Type": "application/octet-stream"})
    except OSError as error:
        raise SaidNo(f"{path} cannot be read ({error.strerror}).") from None
    if there["content"] != here:
        raise SaidNo(f"{path} has changed while it was sent: send it again.")
    return here


def _url(path: str) -> httpx.URL:
    try:
        return httpx.URL(address() + path)
    except httpx.InvalidURL as error:
        raise SaidNo(f"{address()} is no address ({error}): set YEWU_URL to one.") from None


def _send(request: httpx.Request) -> httpx.Response:
    """One request, past any proxy if it stays on this machine."""
    here = request.url.host in ON_THIS_MACHINE
    verify = WITHOUT_TLS if here and request.url.scheme == "http" else True
    try:
        with httpx.Client(timeout=60, trust_env=not here, verify=verify) as client:
            return client.send(request)
    except httpx.TransportError as error:
        raise SaidNo(f"Nobody answers at {address()} ({error}): start Yewu with `make up`, or set YEWU_URL.") from None
