"""Changes of a definition as documents: RFC 7396 merge patches."""

from __future__ import annotations

from typing import Any

from rez_agent.domain.command import ScheduleCreationRequest
from rez_agent.domain.schedule import Schedule, ScheduleDefinition


def definition_document(definition: ScheduleDefinition) -> dict[str, Any]:
    """The definition as the JSON document that a caller would send to get it."""
    document: dict[str, Any] = definition.model_dump(mode="json")
    return document


def merged_definition(schedule: Schedule, request: ScheduleCreationRequest) -> dict[str, Any]:
    """The definition that an update asks for: the whole of ``schedule``, or the present one patched."""
    if request.patch is None:
        return request.schedule or {}
    merged: dict[str, Any] = merge_patch(definition_document(schedule.definition), request.patch)
    return merged


def merge_patch(target: Any, patch: Any) -> Any:
    """``patch`` applied to ``target`` as RFC 7396 says: objects merge, null removes, the rest replaces."""
    if not isinstance(patch, dict):
        return patch
    merged = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            merged.pop(name, None)
        else:
            merged[name] = merge_patch(merged.get(name), value)
    return merged
