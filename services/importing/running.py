"""An import into the log of a database, as the command line and the demonstration start it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import psycopg

from aggregates.event import Event
from aggregates.ids import KIND_OF_STREAM
from aggregates.refused import Refused
from infra.codec import Codec
from infra.library.application import LogApplication
from infra.read_model.schema import lag
from infra.sealing import Sealer
from services.importing.importer import ImportReport, bring_in
from services.importing.map_file import find_map, read_map
from services.importing.pace import Pace

HELP_DESK = "helpdesk"
"""The map for the help desk whose history anybody may download, and for the one we generate."""


class ImportFailed(Exception):
    """The import did not go through; the sentence says why, and what to do. Its cause can be said in any language."""


def run_import(
    conninfo: str,
    file: str,
    map_: str | Path,
    sealer: Sealer,
    *,
    rejects: Path | None = None,
    progress: Callable[[int, int], None] = lambda _done, _goal: None,
) -> ImportReport:
    """Import a file, `-` for standard input, by a map: its path, or the bare name of one that comes with Yewu.

    Returns when everything is visible. `progress` is told how many rows are done, and of how many. ImportFailed: what
    is written is whole, and running it again completes it.
    """
    from services.composition import AGGREGATES, read_model  # only now: the composition is everything there is

    codec = Codec(Event.known.values(), seals=sealer.seals)
    schema = read_model(codec).schema
    try:
        plan = read_map(find_map(str(map_)), {KIND_OF_STREAM[kind.id]: kind.aggregate for kind in AGGREGATES})
        with LogApplication.open(conninfo, codec) as log, psycopg.connect(conninfo, autocommit=True) as db:
            pace = Pace(lambda: lag(db, schema))
            return bring_in(file, plan, log=log, pace=pace, sealer=sealer, rejects=rejects, progress=progress)
    except Refused as refused:
        raise ImportFailed(str(refused)) from refused
    except psycopg.OperationalError as error:
        silent = Refused("The database does not answer: {problem}.", problem=str(error).strip())
        raise ImportFailed(str(silent)) from silent
