"""What the answers to commands have in common, as the document shows them."""

from __future__ import annotations

from dataclasses import replace

from rez_agent.web import examples, models
from rez_agent.web.operations import Shown

COMMAND = ("prefer",)
POST_COMMAND = ("prefer", "idempotency_key")
CHANGE = ("if_match", *POST_COMMAND)
"""The headers that a command heeds; with POST; and about a schedule."""

ACCEPTED = Shown(
    "Durable, and on its way: the message tells what becomes of it",
    models.CommandAccepted,
    examples.ACCEPTED,
    headers=("Location", "Link", "Preference-Applied", "Idempotency-Replayed"),
)
CREATED = Shown(
    "Created, when it was waited for",
    models.ScheduleApplied,
    examples.APPLIED,
    headers=("Location", "ETag", "Link", "Preference-Applied", "Idempotency-Replayed"),
)
CHANGED = replace(
    CREATED, description="Applied, when it was waited for", headers=("ETag", "Link", "Preference-Applied")
)
RAN = Shown(
    "Applied, when it was waited for",
    models.CommandApplied,
    examples.RAN,
    headers=("Location", "Link", "Preference-Applied", "Idempotency-Replayed"),
)
COUNTED = replace(
    RAN, example=examples.COUNTED, headers=("Link", "Preference-Applied", "Idempotency-Replayed")
)
