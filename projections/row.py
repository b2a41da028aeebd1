"""What every read model is made of: rows, and views that fold what happened into rows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from functools import wraps
from operator import attrgetter
from typing import Any, ClassVar, Generic, LiteralString, NamedTuple, TypeAlias, TypeVar, get_args, get_type_hints

from aggregates.event import Event, Recorded
from aggregates.ids import KIND_OF_STREAM
from aggregates.value import Value
from projections.reference import Reference


class PartialIndex(NamedTuple):
    """An index of those rows alone of which a condition is true, by which few are found among many."""

    fields: tuple[str, ...]
    where: LiteralString


Index: TypeAlias = tuple[str, ...] | PartialIndex


class Row(Value):
    """One line of a read model. Its table comes from its class; its first field is its key unless `key` says more.

    For those who may not read everything: `of_area` names the field that holds the row's area, `of_person` those that
    hold the people whom it concerns, one or several each.
    """

    key: ClassVar[tuple[str, ...]] = ()
    indexes: ClassVar[tuple[Index, ...]] = ()
    of_area: ClassVar[str | None] = None
    of_person: ClassVar[tuple[str, ...]] = ()


def key_fields(row: type[Row]) -> tuple[str, ...]:
    """The fields that tell the rows of a type apart."""
    return row.key or row.__struct_fields__[:1]


R = TypeVar("R", bound=Row)
KeyValue: TypeAlias = str | tuple[str, ...]
KeyOf: TypeAlias = Callable[[Recorded[Any]], KeyValue]
Step: TypeAlias = Callable[..., R | None]
"""`(record) -> row` begins a row, `(row, record) -> row` changes one, `(row | None, record) -> row` does either.
A changing step may return None: then the row ends. A step may ask for `reference: Reference` as well."""
Take: TypeAlias = Callable[[R | None, Recorded[Any], Reference | None], R | None]
"""What any step comes to: the row before and after an event."""


class Key(Value):
    """Which row an event touches. `kind`: each row is made by one stream of this kind, and by no other; `single`: and
    each stream makes one row."""

    kind: str | None
    of_event: Callable[[type[Event]], KeyOf]
    single: bool = False


def its_stream(kind: Any) -> Key:
    """The row of the stream itself, for streams of one kind: `key=its_stream(ComplaintId)`."""
    return Key(kind=KIND_OF_STREAM[kind], of_event=lambda _: attrgetter("stream_id"), single=True)


def its_stream_and(field: str, kind: Any) -> Key:
    """A row for each stream of one kind and each value of that field, which every event of the view must have."""
    return Key(kind=KIND_OF_STREAM[kind], of_event=lambda _: attrgetter("stream_id", f"event.{field}"))


def its_stream_under(name: str, kind: Any) -> Key:
    """A row for each stream of one kind, under a name that tells it from the rows of other views of the same type."""
    return Key(kind=KIND_OF_STREAM[kind], of_event=lambda _: lambda record: (record.stream_id, name), single=True)


def its_case_under(name: str, kind: Any, fields: Mapping[type[Event], str]) -> Key:
    """A row for each case of one kind, under a name as above: whose case it is stands in these fields of events that
    lie on other streams; all others, and those where nothing stands there, are of the stream that they lie on."""
    if not fields:
        return its_stream_under(name, kind)

    def of_event(event: type[Event]) -> KeyOf:
        field = fields.get(event)
        if field is None:
            return lambda record: (record.stream_id, name)
        return lambda record: (getattr(record.event, field) or record.stream_id, name)

    return Key(kind=None, of_event=of_event)


def the(field: str, *, or_its_stream: bool = False) -> Key:
    """The row of the id in that field; where asked for, the stream's own row if the event has no such field."""

    def of_event(event: type[Event]) -> KeyOf:
        if field in event.__struct_fields__:
            return lambda record: str(getattr(record.event, field))
        if or_its_stream:
            return attrgetter("stream_id")
        raise TypeError(f"{event.__name__} has no {field}: its view would lose it")

    return Key(kind=None, of_event=of_event)


class Fold(Value, Generic[R]):
    """One step and what it asks for."""

    step: Step[R]
    begins: bool
    changes: bool
    refers: bool

    def __call__(self, row: R | None, record: Recorded[Any], reference: Reference | None = None) -> R | None:
        return self.alike()(row, record, reference)

    def alike(self) -> Take[R]:
        """The step as all are called alike. It raises Unfounded where there is no row that it could change."""
        step, begins, changes, refers = self.step, self.begins, self.changes, self.refers
        if begins and changes:
            return step if refers else wraps(step)(lambda row, record, _: step(row, record))

        @wraps(step)
        def take(row: R | None, record: Recorded[Any], reference: Reference | None) -> R | None:
            if row is None and not begins:
                raise Unfounded(f"{type(record.event).__name__} on {record.stream_id} changes a row that is not there")
            asked = (reference,) if refers else ()
            return step(row, record, *asked) if changes else step(record, *asked)

        return take


def still_news(since: Mapping[str, datetime], facts: Mapping[str, Any], at: datetime) -> dict[str, Any]:
    """Of facts true from an instant on those that nothing later overtakes; `since`: from when what is known holds."""
    return {name: fact for name, fact in facts.items() if name not in since or since[name] <= at}


class Unfounded(Exception):
    """An event came that a view cannot take."""


class View(Generic[R]):
    """Rows of one type, folded by one small step for each event that matters to them.

    The annotation of a step's `record` names its event, or several: `Recorded[A | B]`. The engine shows a view no other
    events, decodes none that no view takes, and reads guards of facts from here.
    """

    def __init__(self, row: type[R], *steps: Step[R], key: Key) -> None:
        self.row, self.key = row, key
        self.folds: dict[type[Event], Fold[R]] = {}
        self.keys: dict[type[Event], KeyOf] = {}
        for step in steps:
            hints = get_type_hints(step)
            (annotation,) = get_args(hints["record"])
            row_type = hints.get("row")
            fold = Fold(
                step=step,
                begins=row_type is None or type(None) in get_args(row_type),
                changes=row_type is not None,
                refers="reference" in hints,
            )
            for event in get_args(annotation) or (annotation,):
                self._take(event, fold)

    @classmethod
    def of(cls, row: type[R], folds: Iterable[tuple[type[Event], Fold[R]]], *, key: Key) -> View[R]:
        """A view whose steps are not written one by one but made, as those of a conformance rule are from its data."""
        view = cls(row, key=key)
        for event, fold in folds:
            view._take(event, fold)
        return view

    def _take(self, event: type[Event], fold: Fold[R]) -> None:
        if event in self.folds:
            raise TypeError(f"two steps of {self.row.__name__} take {event.__name__}")
        self.folds[event], self.keys[event] = fold, self.key.of_event(event)

    @property
    def events(self) -> Iterable[type[Event]]:
        """The events that may change a row."""
        return self.folds.keys()

    def fold(self, history: Iterable[Recorded[Any]], reference: Reference | None = None) -> R | None:
        """The row after all that happened to one key; what a rebuild does, without a database."""
        row: R | None = None
        for record in history:
            fold = self.folds.get(type(record.event))
            if fold is not None:
                row = fold(row, record, reference)
        return row


Views: TypeAlias = Iterable[View[Any]]
Steps: TypeAlias = Mapping[type[Event], Fold[Any]]
