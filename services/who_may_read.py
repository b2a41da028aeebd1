"""The page that says who may read what: every address that answers a question, by every role, made from the code."""

from __future__ import annotations

from collections.abc import Iterator

from aggregates.actor import Role
from aggregates.event import Event, events_of
from aggregates.readers import Readers
from services.catalogue import KERNEL_EVENTS
from services.composition import AGGREGATES, FEED_READERS, QUESTIONS
from services.http.content_routes import READERS as CONTENT_READERS
from services.http.what_if_routes import READERS as WHAT_IF_READERS
from services.language import Language, label

OPEN = ("/live", "/ready", "/metrics", "/openapi.json", "/asyncapi.json", "/docs")
"""What asks nobody who they are, and says nothing about anybody."""

ROLES = [role for role in Role if role not in {Role.SERVICE, Role.CLOCK}]
"""Those that somebody with a token can have."""


def readings() -> Iterator[tuple[str, Readers]]:
    """Every address that is read, and its readers."""
    for asked in QUESTIONS:
        yield asked.route, asked.declaration.readers
        if asked.compared is not None:
            yield f"{asked.route}/difference", asked.declaration.readers
    yield "/what-if", WHAT_IF_READERS
    yield "/contents/{hash}", CONTENT_READERS
    yield "/events", FEED_READERS
    yield "/events as server-sent events", FEED_READERS
    for page in ("streams", "about"):
        for kind in AGGREGATES:
            yield f"/{page}/{{{kind.name}}}", kind.readers
        yield f"/{page}/{{any other}}", FEED_READERS


def restricted_events() -> Iterator[type[Event]]:
    """The events that name readers of their own, by their names."""
    listed = {*KERNEL_EVENTS, *(event for kind in AGGREGATES for event in events_of(kind.aggregate))}
    return (event for event in sorted(listed, key=lambda event: event.__name__) if event.readers is not None)


def who_may_read_page() -> str:
    """docs/who-may-read.md."""
    lines = [
        "# Who may read 谁可查阅",
        "",
        "Made from the code by `make generate`; `tests/services/http/test_who_may_read.py` asks the running API about",
        "every cell. **all** 全部; **area** 本领域: what lies in an area or unit that the reader has charge of or",
        "works in; **level** 密级: what is no more secret than the reader's offices admit; **own** 本人: what is about",
        "the reader, or on the reader's desk. An empty cell is a refusal (403), and what lies beyond the others is",
        "refused in the same words whether it exists or not. Without a valid token the answer is 401.",
        "",
        f"| | {' | '.join(ROLES)} |",
        f"|---|{'---|' * len(ROLES)}",
    ]
    for address, readers in sorted(readings()):
        lines.append(f"| `{address}` | {' | '.join(_cell(role, readers) for role in ROLES)} |")
    lines += [
        "",
        "In a trail (`/about/…`) each event is judged by the thing that it happened to. Whoever listens to server-sent",
        "events is looked at again before each of them.",
        "",
        "## Events that fewer may read 受限事件",
        "",
        "Everybody else sees at their place a position and the word `restricted`. Who is shown one is recorded in",
        "`RestrictedFieldsRead`, what is read within six seconds in one of them; reading those is not recorded.",
        "",
        "| event | roles |",
        "|---|---|",
    ]
    for event in restricted_events():
        name = f"`{event.__name__}` {label('event', event.__name__, Language.CHINESE)}"
        lines.append(f"| {name} | {', '.join(sorted((event.readers or Readers()).roles))} |")
    lines += [
        "",
        "## Open to whoever reaches the port 无需登录",
        "",
        f"{', '.join(f'`{address}`' for address in OPEN)}: health, counters and the description of the",
        "interface, nothing about anybody. Let only your monitoring reach `/metrics` where even counts are private.",
    ]
    return "\n".join(lines) + "\n"


def _cell(role: Role, readers: Readers) -> str:
    if role in readers.everything:
        return "all"
    levels = frozenset[Role]().union(*readers.levels.values())
    parts = [("area", readers.own_area), ("level", levels), ("own", readers.own)]
    insider = {role} if role is Role.CUSTOMER else {role, Role.EMPLOYEE}
    return ", ".join(name for name, roles in parts if insider & roles)
