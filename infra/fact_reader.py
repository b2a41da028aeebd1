"""Facts for commands: gathered from reference data and rows, each with the guard that keeps it true."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any, NamedTuple, get_type_hints

from aggregates.actor import Actor
from aggregates.event import Event
from aggregates.facts import Fact, Post, Setting, StoredFile
from aggregates.ids import EmployeeId
from aggregates.refused import Refused
from aggregates.text import Code
from infra.commands import Command, FactArgument
from infra.contents import FORMATS, Contents
from infra.guard_memory import Guard, GuardMemory
from infra.read_model.tables import table_name
from infra.reading import ReadModelReader, require_moving
from projections.reference import APPOINTMENTS, PARAMETERS, Reference

POSTS = tuple(sorted(event.__name__ for event in APPOINTMENTS))
ALWAYS_ABOUT: Mapping[type[Fact], str] = {Post: "employee_id", StoredFile: "content"}
SETTINGS = tuple(sorted(event.__name__ for event in PARAMETERS))


class RowFact:
    """A function that answers a fact from rows, as its signature says it."""

    def __init__(self, answer: Callable[..., Any]) -> None:
        hints = get_type_hints(answer)
        self.answer: Callable[..., Any] = answer
        self.type: type[Fact] = hints.pop("return")
        hints.pop("db")
        (self.about,) = hints
        stale_after: Iterable[type[Event]] = answer.__dict__["stale_after"]
        self.tables = tuple(table_name(row) for row in answer.__dict__["rows"])
        self.types = tuple(sorted(event.__name__ for event in stale_after))
        self.also_about: str | None = answer.__dict__["also_about"]

    def others(self, answer: Fact) -> tuple[str, ...]:
        """Whom an answer speaks of besides the one that it is about."""
        return () if self.also_about is None else getattr(answer, self.also_about)


class Gathered(NamedTuple):
    """The facts of one decision, what keeps them true, and what the envelope says of them."""

    values: Mapping[str, Fact | None]
    guards: tuple[Guard, ...]
    cited: Mapping[str, int]
    parameters: Mapping[str, int]


class FactReader:
    """Answers facts; answers from rows are kept for as long as nothing remembered makes them stale."""

    def __init__(
        self,
        rows: ReadModelReader,
        facts: Iterable[RowFact],
        contents: Contents | None = None,
        *,
        most: int = 20_000,
    ) -> None:
        self._rows, self._contents, self._most = rows, contents, most
        self._facts = {fact.type: fact for fact in facts}
        self._answers: OrderedDict[tuple[type[Fact], str], tuple[int, Fact]] = OrderedDict()
        self.hits = self.reads = 0

    async def gather(
        self,
        command: Command,
        sent: Mapping[str, Any],
        state: Any,
        stream_id: str,
        reference: Reference,
        at: datetime,
        memory: GuardMemory,
        rows_at_least: int = 0,
    ) -> Gathered:
        """Every fact the command asks for. Refused if one has no subject, Behind if rows are too far back, Standstill
        if they are parked."""
        values: dict[str, Fact | None] = {}
        guards: list[Guard] = []
        cited: dict[str, int] = {}
        parameters: dict[str, int] = {}
        for wanted in command.facts:
            if wanted.type is Setting:
                number = wanted.parameter or ""
                version = reference.version(number, at)
                values[wanted.name] = reference.setting(number, at)
                parameters[number] = version.position
                guards.append(Guard(reference.position, SETTINGS, (f"parameter-{number}",)))
                continue
            subject = self._subject(wanted, sent, state, stream_id)
            if subject is None:
                if not wanted.optional:
                    raise Refused("This cannot be decided yet: {fact} is not known.", fact=wanted.name)
                values[wanted.name] = None
            elif wanted.type is Post:
                values[wanted.name] = reference.post(EmployeeId(subject), at)
                guards.append(Guard(reference.position, POSTS, (subject,)))
                cited[wanted.name] = reference.position
            elif wanted.type is StoredFile:  # what it is never changes, so nothing has to guard it
                values[wanted.name] = self._file(subject)
            else:
                position, answer = await self._from_rows(wanted.type, subject, memory, rows_at_least)
                fact = self._facts[wanted.type]
                values[wanted.name] = answer
                guards.append(Guard(position, fact.types, (subject, *fact.others(answer))))
                cited[wanted.name] = position
        return Gathered(values, tuple(guards), cited, parameters)

    def _subject(self, wanted: FactArgument, sent: Mapping[str, Any], state: Any, stream_id: str) -> str | None:
        """Whom it is about: by name among what was sent, then in the state, then the stream itself."""
        name = wanted.about or ALWAYS_ABOUT.get(wanted.type) or self._facts[wanted.type].about
        if name in sent:
            return None if sent[name] is None else str(sent[name])
        if hasattr(state, name):
            found = getattr(state, name)
            return None if found is None else str(found)
        return stream_id if stream_id.startswith(name.removesuffix("_id") + "-") else None

    def _file(self, content: str) -> StoredFile:
        kept = None if self._contents is None else self._contents.kept(content)
        if kept is None:
            raise Refused("{field}: upload {content} first.", field="content", content=content)
        return StoredFile(content=kept.content, format=Code(FORMATS[kept.type]))

    async def _from_rows(self, kind: type[Fact], subject: str, memory: GuardMemory, at_least: int) -> tuple[int, Fact]:
        """The position is read before the answer, so news in between can only make the guard stricter."""
        fact = self._facts[kind]
        kept = self._answers.get((kind, subject))
        others = () if kept is None else fact.others(kept[1])
        # what this process knows of, the answer takes into account
        at_least = max(at_least, memory.latest(fact.types, (subject, *others)))
        if kept is not None and kept[0] >= max(at_least, memory.floor):
            self.hits += 1
            return kept
        answer = await self._read(fact, subject, at_least)
        # only now it is known whom else it is about: of them, too, it takes into account what this process knows of
        while (known := memory.latest(fact.types, (subject, *fact.others(answer[1])))) > answer[0]:
            answer = await self._read(fact, subject, known)
        self._answers[kind, subject] = answer
        if len(self._answers) > self._most:
            self._answers.popitem(last=False)
        return answer

    async def _read(self, fact: RowFact, subject: str, at_least: int) -> tuple[int, Fact]:
        self.reads += 1
        async with self._rows.read(at_least=at_least) as (db, position, any_parked):
            answer = await fact.answer(db, subject)
            if any_parked:
                for one in (subject, *fact.others(answer)):
                    await require_moving(db.connection, fact.tables, one)
        return position, answer


def actor_guard(actor: Actor, reference: Reference) -> Guard:
    """An actor's roles are a fact too: theirs, and those of whoever lent them the power used."""
    tags = (actor.id,) if actor.delegation is None else (actor.id, actor.delegation.grantor_id)
    return Guard(reference.position, POSTS, tags)
