"""Files made from the code: catalogues, translations, tests of clauses, schemas of what is published, stored forms."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po

from infra.kafka.wire import PREFIX
from services import asyncapi, event_schemas
from services.catalogue import events_page, rules_page
from services.composition import topics
from services.who_may_read import who_may_read_page
from tests.clauses import all_tests, by_clause
from tests.infra.golden import stored_forms

ROOT = Path(__file__).parent.parent
LOCALE = ROOT / "services/locale/zh/LC_MESSAGES"


def translations() -> bytes:
    """The Chinese catalogue as gettext reads it."""
    with (LOCALE / "yewu.po").open("rb") as source:
        catalogue = read_po(source, locale="zh")
    # or else the moment of compiling would stand in it
    catalogue.creation_date = catalogue.revision_date = datetime(2026, 1, 1, tzinfo=UTC)
    compiled = io.BytesIO()
    write_mo(compiled, catalogue)
    return compiled.getvalue()


def _json(document: Any) -> bytes:
    return (json.dumps(document, indent=1, ensure_ascii=False) + "\n").encode()


GENERATED: Mapping[str, Callable[[], bytes]] = {
    "services/locale/zh/LC_MESSAGES/yewu.mo": translations,
    "projections/regulation_tests.json": lambda: _json(by_clause(all_tests())),
    "docs/events.md": lambda: events_page().encode(),
    "docs/rules.md": lambda: rules_page().encode(),
    "docs/who-may-read.md": lambda: who_may_read_page().encode(),
    "docs/asyncapi.json": lambda: _json(asyncapi.document(topics(PREFIX), version("yewu"))),
    "docs/event-schemas.json": lambda: _json(event_schemas.document()),
    "tests/infra/stored_forms.json": lambda: stored_forms().encode(),
}


def main() -> int:
    """Write what has changed; with --check only say so, and fail."""
    changed = []
    for name, make in GENERATED.items():
        path, made = ROOT / name, make()
        if not path.exists() or path.read_bytes() != made:
            changed.append(name)
            if "--check" not in sys.argv:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(made)
    if changed and "--check" in sys.argv:
        sys.stderr.write(f"not current: {', '.join(changed)}: run `make generate`\n")
        return 1
    sys.stdout.write(f"{len(GENERATED)} generated files, {len(changed)} changed\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
