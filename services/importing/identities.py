"""The ids of imported things: the same file, source and label give the same id on every run."""

from __future__ import annotations

from functools import lru_cache
from uuid import UUID, uuid5

IMPORTED = UUID("5f0f6a0e-6d0c-5d43-9a51-2c1d7b6c9e10")


def case_id(kind: str, file_hash: str, case: str) -> str:
    """The stream of one case of one file."""
    return f"{kind}-{_drawn(file_hash, case)}"


@lru_cache(maxsize=100_000)
def known_id(kind: str, source: str, label: str) -> str:
    """Somebody or something that all files of a source call by the same label: an employee, a customer."""
    return f"{kind}-{_drawn(source, kind, label)}"


def import_id(file_hash: str, tells: tuple[str, ...]) -> str:
    """The stream that says what a file can tell of by a map."""
    return f"import-{_drawn(file_hash, *tells)}"


def command_id(file_hash: str, case: str) -> UUID:
    """What wrote this case, and those that went into the log together with it."""
    return _drawn("write", file_hash, case)


def _drawn(*parts: str) -> UUID:
    # lengths keep ("a", "bc") and ("ab", "c") apart, whatever the labels hold
    return uuid5(IMPORTED, "".join(f"{len(part)}:{part}" for part in parts))
