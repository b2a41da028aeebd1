"""The example in the guide is true."""

from __future__ import annotations

import re
from pathlib import Path

from tests.services.importing.given import imported

GUIDE = (Path(__file__).parents[3] / "docs/import.md").read_text(encoding="utf-8")


def test_the_map_of_the_guide_turns_its_file_into_what_the_guide_says(tmp_path: Path) -> None:
    blocks = dict(re.findall(r"```(csv|toml)\n(.*?)```", GUIDE, re.DOTALL))
    report, written = imported(tmp_path, blocks["csv"], text=blocks["toml"])
    assert (report.cases, report.recorded) == (2, 2)
    told = [(type(one.event).__name__, f"{one.effective_at:%d %b %H:%M}") for one in written]
    assert told == [
        ("CustomerRegistered", "02 Feb 16:00"),
        ("EmployeeRegistered", "02 Feb 16:00"),
        ("CustomerRegistered", "27 Feb 16:00"),
        ("EmployeeRegistered", "27 Feb 16:00"),
        ("ComplaintReceived", "02 Feb 16:00"),
        ("ComplaintAssessed", "02 Feb 16:00"),
        ("LegacyRecordImported", "02 Feb 16:00"),
        ("ComplaintClosed", "10 Feb 09:30"),
        ("ComplaintReceived", "27 Feb 16:00"),
        ("ComplaintAssessed", "27 Feb 16:00"),
        ("LegacyRecordImported", "27 Feb 16:00"),
    ]
    assert [one.event.fields for one in written if hasattr(one.event, "fields")] == [
        {"how bad": "high"},
        {"how bad": "low"},
    ]
