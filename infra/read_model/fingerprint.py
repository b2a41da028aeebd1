"""The fingerprint of a version of the code: whatever may change what a fold makes of the log changes it."""

from __future__ import annotations

import ast
import importlib.util
import inspect
import pkgutil
from collections.abc import Iterable, Iterator
from hashlib import sha256
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

import msgspec

import infra.read_model
from projections.row import View

OF_THE_BUSINESS = ("aggregates", "projections")
"""Packages whose modules are followed from import to import."""

OF_THE_ENGINE = (
    "infra.codec",
    *(found.name for found in pkgutil.iter_modules(infra.read_model.__path__, "infra.read_model.")),
)


def fingerprint(views: Iterable[View[Any]], extra_modules: Iterable[ModuleType] = ()) -> str:
    """Sixteen hexadecimal digits, the same on every machine.

    They stand for the source of the views' modules and all that these import of the business, the source of the engine,
    and the version of msgspec. `extra_modules` are those that no import shows.
    """
    first = {module for view in views for module in _modules_of(view)} | {module.__name__ for module in extra_modules}
    digest = sha256(msgspec.__version__.encode())
    for name, source in sorted(_sources(first).items()):
        digest.update(f"\0{name}\0{source}".encode())
    return digest.hexdigest()[:16]


def _modules_of(view: View[Any]) -> Iterator[str]:
    yield view.row.__module__
    for fold in view.folds.values():
        module = inspect.getmodule(fold.step)
        yield view.row.__module__ if module is None else module.__name__


def _sources(first: Iterable[str]) -> dict[str, str]:
    """The source of these modules and of the engine, and of all that the modules import within the business."""
    found: dict[str, str] = {}
    waiting = {*first, *OF_THE_ENGINE}
    while waiting:
        name = waiting.pop()
        spec = _spec(name)
        if name in found or spec is None:
            continue
        found[name] = _source(spec)
        waiting |= {imported for imported in _imports(spec, found[name]) if imported.split(".")[0] in OF_THE_BUSINESS}
    return found


def _imports(spec: ModuleSpec, source: str) -> Iterator[str]:
    """Every module that an import may load: packages on the way to it, and names that are modules themselves."""
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Import(names=names):
                for alias in names:
                    yield from _with_packages(alias.name)
            case ast.ImportFrom(module=module, names=names, level=level):
                base = importlib.util.resolve_name("." * level + (module or ""), spec.parent)
                yield from _with_packages(base)
                yield from (f"{base}.{alias.name}" for alias in names)
            case _:
                pass


def _with_packages(name: str) -> Iterator[str]:
    parts = name.split(".")
    yield from (".".join(parts[:length]) for length in range(1, len(parts) + 1))


def _spec(name: str) -> ModuleSpec | None:
    try:
        return importlib.util.find_spec(name)
    except ModuleNotFoundError:
        return None


def _source(spec: ModuleSpec) -> str:
    """As Python reads it: the encoding and the ends of lines of a machine do not matter."""
    source = getattr(spec.loader, "get_source", lambda _: None)(spec.name)
    if source is None:
        raise TypeError(f"{spec.name} has no source: its fingerprint cannot be taken")
    return str(source)
