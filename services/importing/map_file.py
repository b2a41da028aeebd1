"""Reads a map from its TOML file and checks every word of it against the events that exist."""

from __future__ import annotations

import tomllib
import warnings
from collections.abc import Iterator, Mapping
from datetime import datetime, time
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args, get_type_hints
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from aggregates.event import Admitting, Aggregate, Declaration, Event, events_of
from aggregates.ids import NATURAL
from aggregates.refused import Refused
from aggregates.value import Value
from services.importing.map_fields import FieldMaker
from services.importing.maps import IMPORT, PERSON, Becomes, Condition, Csv, Keep, Map, Registration, Rule, Time, Xes

ISO = "ISO 8601"
A_DAY = datetime(2026, 3, 22, 12)  # noqa: DTZ001  # its day cannot be taken for a month
T = TypeVar("T")


def find_map(name: str) -> Traversable:
    """A map that comes with Yewu by its bare name, any other by its path."""
    shipped = files(__package__).joinpath("maps")
    own = shipped.joinpath(f"{name}.toml")
    if Path(name).name == name and own.is_file():
        return own
    path = Path(name)
    if path.is_file():
        return path
    names = sorted(file.name.removesuffix(".toml") for file in shipped.iterdir() if file.name.endswith(".toml"))
    raise Refused("There is no map {name}; with Yewu come: {names}.", name=name, names=", ".join(names))


def read_map(file: Traversable, kinds: Mapping[str, type[Aggregate]]) -> Map:
    """The map in this file; Refused, with the place and the reason, if it is no map of these kinds of streams."""
    try:
        written = tomllib.loads(file.read_text(encoding="utf-8"))
    except UnicodeDecodeError:
        raise Refused("{map} is not written in UTF-8.", map=file.name) from None
    except tomllib.TOMLDecodeError as error:
        raise Refused("{map} is no proper TOML: {problem}.", map=file.name, problem=error) from None
    return _Reader(file.name, written, kinds).map()


class _Source(Value):
    name: str
    format: Literal["xes", "csv"]
    zone: str
    encoding: str | None = None
    delimiter: str = ","
    quote: str = '"'
    header: bool = True
    columns: tuple[str, ...] = ()


class _Case(Value):
    column: str
    stream: str
    time: str
    labelled: bool = False
    person: str | None = None
    label: str | None = None
    keep: Keep = Keep.UNUSED
    repeats: tuple[str, ...] = ()


class _Time(Value):
    column: str
    format: str = ISO
    hour: time = time()
    otherwise: Literal["import"] | None = None


class _Register(Value):
    event: str
    fields: dict[str, dict[str, Any]]


class _Becomes(Value):
    event: str
    at: str | None = None
    on: str | None = None
    person: str | None = None
    fields: Mapping[str, dict[str, Any]] = {}


class _Row(Value):
    becomes: tuple[dict[str, Any], ...]
    first: bool = False
    last: bool = False
    always: bool = False
    when: Mapping[str, Any] = {}


class _File(Value):
    source: dict[str, Any]
    case: dict[str, Any]
    row: tuple[dict[str, Any], ...]
    times: Mapping[str, dict[str, Any]] = {}
    register: Mapping[str, dict[str, Any]] = {}
    translations: Mapping[str, dict[str, Any]] = {}


class _Reader:
    """Goes through a map from top to bottom and remembers which columns it names where."""

    def __init__(self, name: str, written: dict[str, Any], kinds: Mapping[str, type[Aggregate]]) -> None:
        self.name, self.kinds = name, kinds
        self.named: dict[str, str] = {}
        self.file = _taken(written, _File, name)
        self.source = _taken(self.file.source, _Source, f"{name}, source")
        self.case = _taken(self.file.case, _Case, f"{name}, case")
        zone = self._zone(self.source.zone)
        self.maker = FieldMaker(
            source=self.source.name,
            kinds=kinds.keys(),
            registered=self.file.register.keys(),
            translations=self.file.translations,
            times={
                **{time: self._time(time, table, zone) for time, table in self.file.times.items()},
                IMPORT: Time(column=None, format=None, hour=time(), zone=zone, or_import=True),
            },
            seen=self._column,
        )

    def map(self) -> Map:
        case, here = self.case, f"{self.name}, case"
        stream = self._kind(case.stream, f"{here}, stream")
        begins = frozenset(_opening(stream))
        if case.labelled:
            self.maker.must_register(case.stream, f"{here}, labelled")
        time = self.maker.time(case.time, f"{here}, time")
        person = self._person(case.person, f"{here}, person")
        rules = tuple(
            self._rule(
                table, events_of(stream) - (begins if case.labelled else frozenset()), f"{self.name}, row {number}"
            )
            for number, table in enumerate(self.file.row, start=1)
        )
        if not case.labelled and not any(one.event in begins for rule in rules for one in rule.becomes):
            raise Refused(
                "{where}: no row becomes {events}, with which a {stream} begins.",
                where=self.name,
                events=_names(begins),
                stream=case.stream,
            )
        return Map(
            name=self.name,
            source=self.source.name,
            form=self._form(f"{self.name}, source"),
            stream=case.stream,
            begins=begins,
            case=self._column(case.column, f"{here}, column"),
            labelled=case.labelled,
            time=time,
            person=person,
            label=case.label and self._column(case.label, f"{here}, label"),
            keep=case.keep,
            repeats=frozenset(self._column(column, f"{here}, repeats") for column in case.repeats),
            rules=rules,
            registrations={kind: self._registration(kind, table) for kind, table in self.file.register.items()},
            others={one.on: self._other(one.on, here) for rule in rules for one in rule.becomes if one.on},
            named=self.named,
        )

    def _zone(self, name: str) -> ZoneInfo:
        try:
            return ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise Refused(
                "{where}: there is no time zone {zone}; write one like Asia/Shanghai or UTC.",
                where=f"{self.name}, source, zone",
                zone=name,
            ) from None

    def _form(self, where: str) -> Xes | Csv:
        source = self.source
        try:
            "".encode(source.encoding or "utf-8")
        except LookupError:
            raise Refused(
                "{where}, encoding: there is no encoding {name}.", where=where, name=source.encoding
            ) from None
        if source.format == "xes":
            return Xes(encoding=source.encoding)
        if len(source.delimiter) != 1 or len(source.quote) > 1:
            raise Refused("{where}: delimiter is one character, quote one or none.", where=where)
        if not source.header and not source.columns:
            raise Refused("{where}: name the columns, as there is no header.", where=where)
        return Csv(
            encoding=source.encoding or "utf-8",
            delimiter=source.delimiter,
            quote=source.quote,
            header=source.header,
            columns=source.columns,
        )

    def _time(self, name: str, table: dict[str, Any], zone: ZoneInfo) -> Time:
        where = f"{self.name}, times.{name}"
        if name == IMPORT:
            raise Refused("{where}: so is the time of the import called; choose another name.", where=where)
        written = _taken(table, _Time, where)
        form = None if written.format == ISO else written.format
        column, or_import = self._column(written.column, where), written.otherwise == IMPORT
        made = Time(column=column, format=form, hour=written.hour, zone=zone, or_import=or_import)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", DeprecationWarning)  # a day without a year, which is refused below
                understood = (
                    form is None
                    or made.of(A_DAY.replace(tzinfo=zone).strftime(form)).astimezone(zone).date() == A_DAY.date()
                )
        except (Refused, ValueError):
            understood = False
        if not understood:
            raise Refused(
                "{where}, format: {form} does not say day, month and year; write one like %d/%m/%Y %H:%M.",
                where=where,
                form=form,
            )
        return made

    def _kind(self, name: str, where: str) -> type[Aggregate]:
        if name not in self.kinds:
            raise Refused(
                "{where}: there are no streams of kind {kind}; there is {kinds}.",
                where=where,
                kind=name,
                kinds=", ".join(sorted(self.kinds)),
            )
        return self.kinds[name]

    def _column(self, name: str, where: str) -> str:
        self.named.setdefault(name, where)
        return name

    def _person(self, column: str | None, where: str) -> str | None:
        if column is None:
            return None
        self.maker.must_register(PERSON, where)
        return self._column(column, where)

    def _rule(self, table: dict[str, Any], events: frozenset[type[Event]], where: str) -> Rule:
        row = _taken(table, _Row, where)
        if row.always == bool(row.first or row.last or row.when):
            raise Refused("{where}: say which rows are meant: first, last, when, or else always.", where=where)
        if not row.becomes:
            raise Refused("{where}: say what it becomes.", where=where)
        return Rule(
            first=row.first,
            last=row.last,
            conditions=tuple(self._condition(c, test, f"{where}, when.{c}") for c, test in row.when.items()),
            becomes=tuple(
                self._becomes(one, events, f"{where}, becomes {number}")
                for number, one in enumerate(row.becomes, start=1)
            ),
        )

    def _condition(self, column: str, test: object, where: str) -> Condition:
        self._column(column, where)
        match test:
            case {"filled": bool(filled), **rest} if not rest:
                return Condition(column=column, texts=frozenset({""}), wanted=not filled)
            case {"not": text, **rest} if not rest:
                texts, wanted = text, False
            case _:
                texts, wanted = test, True
        match texts:
            case str():
                return Condition(column=column, texts=frozenset({texts}), wanted=wanted)
            case [*several] if several and all(isinstance(text, str) for text in several):
                return Condition(column=column, texts=frozenset(several), wanted=wanted)
        raise Refused(
            "{where}: write a text, a list of texts, {not_} or {filled}.",
            where=where,
            not_='{ not = "…" }',
            filled="{ filled = true }",
        )

    def _becomes(self, table: dict[str, Any], events: frozenset[type[Event]], where: str) -> Becomes:
        written = _taken(table, _Becomes, where)
        if written.on:
            events = events_admitted(self._other(written.on, f"{where}, on"))
        event = _event(written.event, events, f"{where}, event")
        return Becomes(
            event=event,
            on=written.on,
            at=self.maker.time(written.at or self.case.time, f"{where}, at"),
            person=self._person(written.person or self.case.person, f"{where}, person"),
            fields=tuple(self.maker.fields(event, written.fields, where)),
        )

    def _other(self, name: str, where: str) -> type[Admitting]:
        kind = self.kinds.get(name)
        if kind is None or name not in NATURAL.values() or not issubclass(kind, Admitting):
            raise Refused("{where}: {stream} takes nothing from the rows of others.", where=where, stream=name)
        return kind

    def _registration(self, kind: str, table: dict[str, Any]) -> Registration:
        where = f"{self.name}, register.{kind}"
        written = _taken(table, _Register, where)
        event = _event(written.event, frozenset(_opening(self._kind(kind, where))), f"{where}, event")
        return self.maker.registration(event, written.fields, where)


def _taken(table: object, kind: type[T], where: str) -> T:
    try:
        return msgspec.convert(table, kind)
    except msgspec.ValidationError as error:
        problem = (
            str(error)
            .replace("`", "")
            .replace("Object missing required", "it lacks the")
            .replace("Object", "it")
            .replace(" - at $.", ", at ")
            .replace("$", "")
        )
        raise Refused("{where}: {problem}.", where=where, problem=problem) from None


def _event(name: str, events: frozenset[type[Event]], where: str) -> type[Event]:
    for event in events:
        if event.__name__ == name:
            return event
    if name in Event.known:
        raise Refused(
            "{where}: {event} does not belong there; known there: {events}.",
            where=where,
            event=name,
            events=_names(events),
        )
    raise Refused(
        "{where}: there is no event {event}; known there: {events}.", where=where, event=name, events=_names(events)
    )


def _opening(kind: type[Aggregate]) -> Iterator[type[Event]]:
    """The events with which a stream of this kind begins, read off the commands that open one."""
    for method in vars(kind).values():
        declared = getattr(method, "command", None)
        if isinstance(declared, Declaration) and declared.opens:
            answer = get_type_hints(method)["return"]
            yield from (part for part in (answer, *get_args(answer)) if part in events_of(kind))


def events_admitted(kind: type[Admitting]) -> frozenset[type[Event]]:
    """The events that a stream of this kind takes from the rows of others."""
    return frozenset(get_args(get_type_hints(kind.admits)["event"]))


def _names(events: frozenset[type[Event]]) -> str:
    return ", ".join(sorted(event.__name__ for event in events))
