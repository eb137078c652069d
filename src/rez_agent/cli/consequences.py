"""What people are told that a change would come to, from the API's document."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from rez_agent.cli import telling
from rez_agent.cli.render import clean, compact_json, stamp, table

SHOWN = 10
"""Occurrences that are gained or lost, and shown."""

VALUE_SHOWN = 200
"""Characters of a value before or after."""

_FATES = {"gained": "+", "lost": "-"}


def told(document: Mapping[str, Any], name: str) -> None:
    """Fields that change, then occurrences that are gained and lost, then how many stay."""
    changes = document["changes"]
    if not changes:
        print(f"Nothing about {clean(name)} would change.")
        return
    print(f"{clean(name)} would change (nothing was changed now):")
    for change in changes:
        print(f"  {clean(change['path'])}: {_difference(change)}")
    telling.warnings(document)
    print()
    _occurrences(document)


def _occurrences(document: Mapping[str, Any]) -> None:
    moved = [item for item in document["occurrences"] if item["fate"] in _FATES]
    until = _stamp(document["until"])
    more = "; more follow, which were not compared" if document["cut"] else ""
    if not moved:
        print(f"Every coming occurrence until {until} stays ({document['kept']}{more}).")
        return
    gained, lost = document["gained"], document["lost"]
    print(f"Until {until}: {gained} gained, {lost} lost, {document['kept']} stay{more}.")
    rows = [
        (_FATES[item["fate"]], _stamp(item["utc"]), item["local"], item["note"]) for item in moved[:SHOWN]
    ]
    table(("", "utc", "in its zone", "note"), rows)
    if len(moved) > SHOWN:
        print(f"And {len(moved) - SHOWN} more.")


def _difference(change: Mapping[str, Any]) -> str:
    if change.get("omitted"):
        return "too large to be shown"
    before = _value(change["before"]) if "before" in change else "nothing"
    return f"{before} -> {_value(change['after']) if 'after' in change else 'nothing'}"


def _value(value: Any) -> str:
    text = clean(compact_json(value))
    return text if len(text) <= VALUE_SHOWN else text[:VALUE_SHOWN] + "..."


def _stamp(text: str) -> str:
    return stamp(datetime.fromisoformat(text))
