"""A class of documents: how they are numbered, in which formats, how secret, for how long, where and by whom they are
kept: regulation 6.2.1."""

from __future__ import annotations

import re
from typing import Annotated, TypeAlias, assert_never

from msgspec.structs import replace

from aggregates.actor import Role
from aggregates.event import Event, command
from aggregates.information.level import Security
from aggregates.refused import Refused
from aggregates.text import Code, Text, unique
from aggregates.value import Value


class Scheme(Value):
    """What holds for all documents of a class; `custodian` keeps them at `place`, where no years are named for ever."""

    formats: tuple[Code, ...]
    security: Security
    retention_years: int | None
    custodian: Role
    place: Code


class RecordClassPublished(Event):
    code: Code
    name: Text
    prefix: Annotated[Code, unique("record-prefix")]
    scheme: Scheme


class RecordClassRevised(Event):
    """Another version; the documents that are there keep their numbers."""

    name: Text
    scheme: Scheme


RecordClassEvent: TypeAlias = RecordClassPublished | RecordClassRevised


class RecordClass(Value):
    """The scheme in force."""

    name: Text | None = None
    scheme: Scheme | None = None

    @command(by=(Role.MANAGER,), clause="6.2.1", opens=True)
    def publish(self, code: Code, name: Text, prefix: Code, scheme: Scheme) -> RecordClassPublished:
        """Say how documents of this sort are kept; their numbers begin with `prefix`."""
        if not re.fullmatch(r"[a-z0-9._]{1,40}", code):
            raise Refused("A class of documents is called like contract or plan.2.")
        if not re.fullmatch(r"[A-Z0-9]{1,8}", prefix):
            raise Refused("What numbers begin with is up to eight capitals and digits, such as HT.")
        _check(scheme)
        return RecordClassPublished(code=code, name=name, prefix=prefix, scheme=scheme)

    @command(by=(Role.MANAGER,), clause="6.2.1")
    def revise(self, name: Text, scheme: Scheme) -> RecordClassRevised | None:
        """Put another version in force."""
        _check(scheme)
        return None if (name, scheme) == (self.name, self.scheme) else RecordClassRevised(name=name, scheme=scheme)

    def evolve(self, event: RecordClassEvent, /) -> RecordClass:
        match event:
            case RecordClassPublished() | RecordClassRevised():
                return replace(self, name=event.name, scheme=event.scheme)
            case _:
                assert_never(event)


def _check(scheme: Scheme) -> None:
    if not scheme.formats:
        raise Refused("Name at least one format in which these documents are kept.")
    if scheme.retention_years is not None and scheme.retention_years < 1:
        raise Refused("Documents are kept for at least one year, or for ever.")
