"""What somebody types, and what they read then."""

from __future__ import annotations

import json
from functools import cache
from typing import Any, NamedTuple

import pytest
import typer.main

from aggregates.actor import Role
from services.cli import main
from tests.logins import addresses
from tests.services.running import Yewu

all_lines = cache(typer.main.get_command)
"""The tree of all that can be typed, made once and not for each line as in a process of its own."""


class Said(NamedTuple):
    """What a command had to say, and its exit status."""

    status: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """The one JSON document that it answered with."""
        assert self.err == ""
        assert self.out.count("\n") == 1
        return json.loads(self.out)

    @property
    def sentence(self) -> str:
        """The one line with which it gave up."""
        assert self.status == 1
        assert self.out == ""
        (line,) = self.err.splitlines()
        return line


class Terminal:
    """`yewu` in this process, with the environment of whoever sits there."""

    def __init__(self, yewu: Yewu, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self.yewu, self._capsys, self.environment = yewu, capsys, monkeypatch

    def sign_in(self, subject: str) -> None:
        """Go on as somebody else."""
        self.environment.setenv("YEWU_TOKEN", self.yewu.issuer.token(subject))

    def look_after(self, database: str) -> None:
        """Go on with another database, each command as its own role."""
        for name, address in addresses(database).items():
            self.environment.setenv(name, address)

    def sign_in_as(self, role: Role) -> str:
        """Go on as somebody new in that office; who it is."""
        subject = self.yewu.appointed(role)
        self.sign_in(subject)
        return subject

    def __call__(self, *words: str) -> Said:
        self._capsys.readouterr()
        self.environment.setattr("sys.argv", ["yewu", *words])
        self.environment.setattr("typer.main.get_command", all_lines)
        with pytest.raises(SystemExit) as ended:
            main()
        said = self._capsys.readouterr()
        return Said(int(ended.value.code or 0), said.out, said.err)

    def do(self, *words: str) -> str:
        """What a command that must succeed answers."""
        said = self(*words)
        assert said.status == 0, said
        return said.out.strip()
