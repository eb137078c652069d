"""What people are told that a change would come to."""

from __future__ import annotations

from typing import Any

import pytest

from rez_agent.cli.consequences import SHOWN, told

CHANGE = {"path": "/timezone", "before": "UTC", "after": "Europe/Paris"}


def occurrence(fate: str, hour: int = 6) -> dict[str, Any]:
    return {
        "utc": f"2026-06-02T{hour:02}:00:00Z",
        "local": f"2026-06-02T{hour + 2:02}:00:00+02:00",
        "note": None,
        "fate": fate,
    }


def document(*occurrences: dict[str, Any], **changes: Any) -> dict[str, Any]:
    fates = [item["fate"] for item in occurrences]
    counts = {fate: fates.count(fate) for fate in ("gained", "lost", "kept")}
    base = {"changes": [CHANGE], "occurrences": list(occurrences), "until": "2026-08-30T12:00:00Z"}
    return base | counts | {"cut": False, "warnings": []} | changes


def test_fields_then_occurrences_gained_and_lost(capsys: pytest.CaptureFixture[str]) -> None:
    told(document(occurrence("lost", 8), occurrence("gained"), occurrence("kept", 10)), "report")
    out = capsys.readouterr().out
    assert '/timezone: "UTC" -> "Europe/Paris"' in out
    assert "Until 2026-08-30 12:00:00 UTC: 1 gained, 1 lost, 1 stay." in out
    assert "-  2026-06-02 08:00:00 UTC  2026-06-02T10:00:00+02:00" in out
    assert "2026-06-02 10:00:00 UTC" not in out


def test_where_nothing_moves_it_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    told(document(occurrence("kept"), cut=True), "report")
    assert "Every coming occurrence until 2026-08-30 12:00:00 UTC stays (1; more" in capsys.readouterr().out
    told(document(changes=[]), "report")
    assert capsys.readouterr().out == "Nothing about report would change.\n"


def test_of_many_the_first_are_shown_and_the_rest_counted(capsys: pytest.CaptureFixture[str]) -> None:
    told(document(*(occurrence("gained", hour) for hour in range(SHOWN + 3))), "report")
    assert "And 3 more." in capsys.readouterr().out
