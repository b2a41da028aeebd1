"""What a release promises to subscribers, written down once: `make release-schemas VERSION=0.1.0`."""

from __future__ import annotations

import re
import sys
from pathlib import Path

from services.event_schemas import releases, schemas
from tests.generate import GENERATED
from tests.services.evolution import broken

FOLDER = Path(__file__).parent.parent / "services/released"


def release(version: str, folder: Path = FOLDER) -> str:
    """Write the file of this release; ValueError says in one sentence why it must not be written."""
    file = folder / f"{version}.json"
    if not re.fullmatch(r"\d+\.\d+\.\d+", version):
        raise ValueError(f"{version or 'Nothing'} is no version: say VERSION=1.2.3.")
    if file.exists():
        raise ValueError(f"{version} was released, and what it promised stays: choose the next version.")
    if wrong := broken(releases(), schemas()):
        raise ValueError(wrong[0])
    folder.mkdir(exist_ok=True)
    file.write_bytes(GENERATED["docs/event-schemas.json"]())
    return f"{version} promises {len(schemas())} schemas ({file.name})"


def main() -> int:
    """Write the file, or say why not."""
    try:
        sys.stdout.write(release(sys.argv[1] if len(sys.argv) > 1 else "") + "\n")
    except ValueError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
