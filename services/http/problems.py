"""Whatever goes wrong as an RFC 9457 problem: a sentence in the caller's language that says what to do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, LiteralString

import msgspec
import psycopg
from psycopg_pool import PoolTimeout

from aggregates.refused import Refused
from infra.append import KeyReused, Taken, Unavailable
from infra.contents import FORMATS, Infected, NotKept, ScannerFails, TooLarge
from infra.dispatcher import Contended, Forbidden, NotFound, Outdated
from infra.keys import KeysUnavailable
from infra.questions import BadCursor
from infra.read_model.as_of import BuildFailed
from infra.reading import Behind, Standstill
from services.language import Language, say


class Problem(Exception):
    """An answer that is not what was asked for. `more` are further members of the problem, `headers` of the reply."""

    def __init__(
        self,
        status: int,
        kind: str,
        sentence: LiteralString,
        values: Mapping[str, object] | None = None,
        more: Mapping[str, object] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(sentence)
        self.status, self.kind, self.sentence = status, kind, sentence
        self.values, self.more, self.headers = values or {}, more or {}, headers or {}

    def body(self, language: Language) -> bytes:
        """The problem as JSON."""
        return msgspec.json.encode(
            {
                "type": f"urn:yewu:problem:{self.kind}",
                "title": say(TITLES[self.kind], {}, language),
                "status": self.status,
                "detail": say(self.sentence, self.values, language),
                **self.more,
            }
        )


TITLES: Mapping[str, str] = {
    "malformed": "The request cannot be read.",
    "too-large": "The request is too large.",
    "not-kept": "Files of this type are not kept.",
    "infected": "The scanner of viruses objects.",
    "unauthenticated": "Nobody knows who is asking.",
    "forbidden": "This takes another office.",
    "not-found": "There is no such thing.",
    "not-allowed": "This address does not take that method.",
    "refused": "The regulation does not allow this now.",
    "contended": "Others were faster.",
    "outdated": "This has changed since it was read.",
    "taken": "Somebody else has this already.",
    "key-reused": "The idempotency key stands for another command.",
    "too-slow": "The request took too long.",
    "unavailable": "Not just now.",
    "broken": "Something is broken on our side.",
}


def malformed(detail: str) -> Problem:
    """The caller sent something that cannot be read; `detail` is the decoder's own sentence."""
    return Problem(400, "malformed", "{detail}. See the address /openapi.json for what is taken.", {"detail": detail})


def too_large(limit: int, headers: Mapping[str, str] | None = None) -> Problem:
    """The caller sent more bytes than are taken."""
    return Problem(413, "too-large", "Send at most {limit} bytes.", {"limit": limit}, headers=headers)


def require_limit(limit: int, most: int) -> None:
    """A Problem unless a page may hold so many."""
    if not 1 <= limit <= most:
        raise malformed(f"limit is a number from 1 to {most}")


def problem_of(error: Exception) -> Problem:
    """What to answer for an exception; for one that nobody foresaw, a 500 without details."""
    match error:
        case Problem():
            return error
        case Refused():
            return Problem(422, "refused", error.sentence, error.values)
        case BadCursor():
            return malformed("cursor is not one that a page of this list ended with")
        case msgspec.DecodeError() | UnicodeDecodeError():
            return malformed(str(error))
        case Forbidden():
            roles = sorted(error.wanted)
            return Problem(403, "forbidden", "This takes one of the offices {roles}.", {"roles": ", ".join(roles)},
                           {"roles": roles})  # fmt: skip
        case NotFound():
            return Problem(404, "not-found", "There is no {id}.", {"id": error.stream_id})
        case Outdated():
            return Problem(412, "outdated", "You saw version {seen}, now it is {version}: read it again.",
                           {"seen": error.seen, "version": error.version},
                           {"version": error.version, "changed": error.changed})  # fmt: skip
        case Contended():
            return Problem(409, "contended", "{id} keeps changing: read it again and decide anew.",
                           {"id": error.stream_id}, {"version": error.version, "changed": error.changed})  # fmt: skip
        case Taken():
            return Problem(409, "taken", "This {scope} belongs to {holder} already.",
                           {"scope": error.scope, "holder": error.holder}, {"holder": error.holder})  # fmt: skip
        case KeyReused():
            return Problem(422, "key-reused", "Use a new idempotency key for a new command.")
        case TooLarge():  # who knows whether it would ever end
            return too_large(error.most, {"Connection": "close"})
        case NotKept():
            return Problem(415, "not-kept", "Its bytes show that it is none of these: {formats}. Send one of them.",
                           {"formats": ", ".join(FORMATS.values())})  # fmt: skip
        case Infected():
            return Problem(422, "infected", "The scanner of viruses found something in it: nothing of it was kept.")
        case ScannerFails():
            return later("The scanner of viruses does not answer, so no file is taken: ask again later.", seconds=60)
        case TimeoutError():
            return Problem(408, "too-slow", "Send the whole request at once.")
        case Behind():
            return later("What you ask for is not visible yet: ask again in a second.")
        case Standstill():
            return later(
                "{type} at position {position} cannot be taken into what this depends on: ask again when it is mended.",
                {"type": error.mark.type, "position": error.mark.position},
                {"event": {"type": error.mark.type, "position": error.mark.position}},
                seconds=60,
            )
        case BuildFailed():
            return later(
                "That day cannot be computed just now: ask again in a minute, and tell us if it stays.", seconds=60
            )
        case KeysUnavailable():
            return later("The keys of what is sealed cannot be reached: ask again in a second.")
        case Unavailable() | psycopg.OperationalError() | PoolTimeout():
            return later("The database does not answer: ask again in a second.")
        case _:
            return Problem(500, "broken", "It is our fault and has been noted: try again, and tell us if it stays.")


def later(
    sentence: LiteralString,
    values: Mapping[str, object] | None = None,
    more: Mapping[str, object] | None = None,
    *,
    seconds: int = 1,
) -> Problem:
    """It cannot be done now; asking again after so many seconds is all there is to do."""
    return Problem(503, "unavailable", sentence, values, more, {"Retry-After": str(seconds)})


def schema() -> dict[str, Any]:
    """The JSON Schema of a problem."""
    return {
        "type": "object",
        "required": ["type", "title", "status", "detail"],
        "properties": {
            "type": {"type": "string", "enum": [f"urn:yewu:problem:{kind}" for kind in TITLES]},
            "title": {"type": "string"},
            "status": {"type": "integer"},
            "detail": {"type": "string"},
        },
    }
