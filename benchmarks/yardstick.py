"""The yardstick of a machine: how many single rows of that size pgbench inserts a second, one commit each."""

from __future__ import annotations

import re
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import psycopg
from psycopg.conninfo import conninfo_to_dict

from benchmarks.harness import CALLERS, Missing, Round
from benchmarks.sample import ANNA, CODEC, META, RECEIVED, new_complaint
from benchmarks.server import program

TABLE = """
CREATE TABLE public.plain (
    position bigserial PRIMARY KEY, stream_id text COLLATE "C" NOT NULL, version bigint NOT NULL, type text NOT NULL,
    schema integer NOT NULL, event_id uuid NOT NULL, recorded_at timestamptz NOT NULL,
    effective_at timestamptz NOT NULL, actor_id text NOT NULL, command_id uuid NOT NULL, data bytea NOT NULL,
    tags text[] NOT NULL, meta bytea NOT NULL, UNIQUE (stream_id, version))"""
"""The columns and indexes of the log, but its positions have gaps and no order of commits."""

INSERT = (
    "\\set stream random(0, 999999999999999999)\n"
    "\\set event random(0, 999999999999999999)\n"
    "\\set command random(0, 999999999999999999)\n"
    "INSERT INTO public.plain (stream_id, version, type, schema, event_id, recorded_at, effective_at, actor_id,"
    " command_id, data, tags, meta) VALUES ('complaint-' || lpad(:stream::text, 32, '0')::uuid, 1, :type, 1,"
    " lpad(:event::text, 32, '0')::uuid, now(), now(), :actor, lpad(:command::text, 32, '0')::uuid,"
    " convert_to(:data, 'UTF8'), string_to_array(:tags, ' '), convert_to(:meta, 'UTF8'));\n"
)
"""The row travels, as that of any other client would, and so do its ids: `gen_random_uuid` opens a file for each
where PostgreSQL is built without OpenSSL, as in the wheels, and a twentieth of the rate would go there."""


@contextmanager
def single_row_inserts(conninfo: str, seconds: float, callers: int = CALLERS) -> Iterator[Round]:
    """Rounds of pgbench: prepared statements, two threads."""
    pgbench = program("pgbench")
    if pgbench is None:
        raise Missing("There is no pgbench on this machine: install PostgreSQL's contributed programs.")
    with psycopg.connect(conninfo, autocommit=True) as db, tempfile.NamedTemporaryFile("w", suffix=".sql") as script:
        db.execute(TABLE)
        script.write(INSERT)
        script.flush()
        stored = CODEC.stored(new_complaint(), RECEIVED)
        row = {
            "type": stored.type, "actor": ANNA, "data": stored.data.decode(), "tags": " ".join(stored.tags),
            "meta": META.decode(),
        }  # fmt: skip
        words: list[str | Path] = [pgbench, "-n", "-M", "prepared", "-j", "2", "-c", str(callers), "-f", script.name]
        for name, value in row.items():
            words += ["-D", f"{name}={value}"]
        yield lambda: _pgbench([*words, "-T", str(max(1, round(seconds)))], conninfo)


def _pgbench(words: Sequence[str | Path], conninfo: str) -> float:
    names = {name: f"PG{name.upper()}" for name in ("host", "port", "user")}
    where = conninfo_to_dict(conninfo)
    environment = {variable: str(where[name]) for name, variable in names.items() if name in where}
    done = subprocess.run(  # noqa: S603  # PostgreSQL's own program
        [*words, str(where["dbname"])], env=environment, capture_output=True, text=True, check=True
    )
    found = re.search(r"tps = ([0-9.]+)", done.stdout)
    if found is None:
        raise Missing(f"pgbench gives no result: {done.stdout}")
    return float(found[1])
