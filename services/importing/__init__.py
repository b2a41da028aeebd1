"""Brings in what other systems recorded: a file and a map become events, each with its origin, exactly once."""

from services.importing.importer import ImportReport
from services.importing.running import HELP_DESK, ImportFailed, run_import

__all__ = ["HELP_DESK", "ImportFailed", "ImportReport", "run_import"]
