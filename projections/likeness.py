"""Which customers may be on file twice: by the organisation in their credit codes, or by names that read alike?"""

from __future__ import annotations

import asyncio
import re
import unicodedata
from collections.abc import Iterator, Sequence
from typing import Annotated, TypeAlias

from msgspec import Meta
from rapidfuzz import fuzz, process

from aggregates.ids import CustomerId
from aggregates.text import Code, Text
from aggregates.value import Value
from projections.question import Database, question, select
from projections.relations import TEAM

ALIKE = 88
"""From this likeness on, of 100, two names are suspected unless another one is asked for."""

Likeness: TypeAlias = Annotated[int, Meta(ge=0, le=100)]

FORMS = re.compile(
    r"股份有限公司|有限责任公司|有限公司|公司|集团|"
    r"\b(co|company|corp|corporation|group|holding|holdings|inc|incorporated|limited|llc|ltd|plc|gmbh|ag|sa)\b"
)
"""What a name says of the form of a business, and not of whose it is."""


class Suspicion(Value):
    """Two files that may be of one customer, and how alike their names are, of 100. `same_organisation`: by the part of
    their credit codes that stays the same wherever the business moves."""

    customer_id: CustomerId
    name: Text
    other_id: CustomerId
    other_name: Text
    likeness: int
    same_organisation: bool


class _File(Value):
    customer_id: CustomerId
    name: Text
    credit_code: Code | None


@question(path="customers/duplicates", readers=TEAM, tables=("customer_row",), compares=True)
async def duplicates(
    db: Database, customer_id: CustomerId | None = None, at_least: Likeness = ALIKE
) -> list[Suspicion]:
    """Files that may be of the same customer, the likeliest first; or those that may be of this one."""
    files = await select(
        db,
        _File,
        "SELECT customer_id, name, credit_code FROM customer_row WHERE merged_into IS NULL ORDER BY customer_id",
    )
    said = await db.opened([file.name for file in files])
    # so many names are compared that nothing else would be answered meanwhile
    return await asyncio.to_thread(_suspected, files, said, customer_id, at_least)


def plain(name: str) -> str:
    """A name as it is compared: without case, marks and form of business; as it is if nothing else were left."""
    words = unicodedata.normalize("NFKC", name).casefold()
    bare = " ".join(re.sub(r"[\W_]+", " ", FORMS.sub(" ", words)).split())
    return bare or words


def _suspected(
    files: Sequence[_File], said: Sequence[str | None], whom: CustomerId | None, at_least: int
) -> list[Suspicion]:
    names = [None if one is None else plain(one) for one in said]
    found = {
        (one, other): likeness
        for one in range(len(files))
        if whom is None or files[one].customer_id == whom
        for other, likeness in _alike(one, names, at_least, everyone=whom is not None)
    }
    for pair in _same_organisation(files, whom):
        found.setdefault(pair, _likeness(*(names[place] for place in pair)))
    suspicions = [
        Suspicion(
            customer_id=files[one].customer_id,
            name=files[one].name,
            other_id=files[other].customer_id,
            other_name=files[other].name,
            likeness=likeness,
            same_organisation=_organisation(files[one]) == _organisation(files[other]) is not None,
        )
        for (one, other), likeness in found.items()
    ]
    return sorted(suspicions, key=lambda s: (not s.same_organisation, -s.likeness, s.customer_id, s.other_id))


def _alike(one: int, names: Sequence[str | None], at_least: int, *, everyone: bool) -> Iterator[tuple[int, int]]:
    """The files whose names are like that of this one: of those after it, or of all others."""
    name, first = names[one], 0 if everyone else one + 1
    if name is None:
        return
    # a choice that is None is passed over
    for _, likeness, place in process.extract_iter(
        name, names[first:], scorer=fuzz.token_sort_ratio, processor=None, score_cutoff=at_least
    ):
        if first + place != one:
            yield first + place, int(likeness)


def _likeness(one: str | None, other: str | None) -> int:
    return 0 if one is None or other is None else int(fuzz.token_sort_ratio(one, other))


def _organisation(file: _File) -> str | None:
    """Places 9 to 17 of the code: the organisation itself, while those before say where it is registered."""
    return None if file.credit_code is None else file.credit_code[8:17]


def _same_organisation(files: Sequence[_File], whom: CustomerId | None) -> Iterator[tuple[int, int]]:
    places: dict[str, list[int]] = {}
    for place, file in enumerate(files):
        if (organisation := _organisation(file)) is not None:
            places.setdefault(organisation, []).append(place)
    for same in places.values():
        for one in same:
            for other in same:
                if one < other if whom is None else files[one].customer_id == whom and one != other:
                    yield one, other
