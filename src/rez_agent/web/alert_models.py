"""The shapes of alerting: filters and answers, as the OpenAPI document shows them."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from rez_agent.domain.alert import NoticeStatus, Phase
from rez_agent.domain.alert_rules import AlertKind
from rez_agent.domain.policies import Frozen
from rez_agent.web.examples import SCHEDULE_ID
from rez_agent.web.forms import Cursor, Limit, Word
from rez_agent.web.models import Shape


class AlertFilter(Frozen):
    """Which alerts, newest first."""

    schedule_id: Annotated[Word | None, Field(description="those that concern this schedule")] = None
    kind: AlertKind | None = None
    open: Annotated[bool | None, Field(description="true: those that are not over")] = None
    cursor: Cursor = None
    limit: Limit = 50


class AlertTestRequest(Frozen):
    """Nothing to say."""


class RulePatch(BaseModel):
    """A JSON merge patch of an alert rule: any of its fields but its kind, null to take one back."""

    model_config = ConfigDict(extra="allow")


class RuleShape(Shape):
    """A rule: its definition, with the parameters of its kind, and whose it is. ``standing``: it is there by
    default, and was never changed."""

    id: str
    created_by: str
    standing: bool
    revision: int
    created_date: AwareDatetime | None
    updated_date: AwareDatetime | None
    name: str
    kind: AlertKind
    schedule_id: str | None
    tag: str | None
    channels: list[str]
    recovery: bool
    quiet_period_seconds: int
    enabled: bool
    failures: int | None = None
    percent: float | None = None
    window_seconds: int | None = None
    minimum_executions: int | None = None
    grace_seconds: int | None = None
    deviations: float | None = None
    minimum_samples: int | None = None
    minimum_difference_ms: int | None = None


class RuleList(Shape):
    """All rules that the key reaches."""

    items: list[RuleShape]
    next_cursor: None
    total: int


class NoticeShape(Shape):
    """What was told to one channel, and whether it arrived."""

    phase: Phase
    channel: str
    title: str
    message: str
    status: NoticeStatus
    attempts: int
    created_at: AwareDatetime
    next_at: AwareDatetime | None
    ended_at: AwareDatetime | None
    code: str | None
    error: str | None


class AlertShape(Shape):
    """An outage. ``kind`` null: a test. ``schedule_ids``: the first hundred that it ever concerned, of
    ``affected`` in all, or more with ``affected_is_exact`` false. ``held``: how often it came back within the
    quiet period and is still to be told."""

    id: str
    rule_id: str
    rule_name: str
    created_by: str
    kind: AlertKind | None
    subject: str
    open: bool
    opened_at: AwareDatetime
    updated_at: AwareDatetime
    closed_at: AwareDatetime | None
    detail: str
    schedule_id: str | None
    execution_id: str | None
    schedule_ids: list[str]
    affected: int
    affected_is_exact: bool
    failing: int
    sightings: int
    held: int
    notices: list[NoticeShape]


class AlertList(Shape):
    """A page, newest first."""

    items: list[AlertShape]
    next_cursor: str | None
    total: int | dict[str, int]


RULE_ID = "rule_01kaw4g7k58s1w6e3r5t7y9u0a"
ALERT_ID = "alert_01kaw9d2m58s1w6e3r5t7y9u0a"

DEFINITION: dict[str, Any] = {
    "name": "Production fails",
    "kind": "consecutive_failures",
    "tag": "prod",
    "failures": 3,
    "channels": ["ops"],
}

RULE: dict[str, Any] = {
    "id": RULE_ID,
    "created_by": "local",
    "standing": False,
    "revision": 1,
    "created_date": "2026-03-07T18:00:00Z",
    "updated_date": "2026-03-07T18:00:00Z",
    **DEFINITION,
    "schedule_id": None,
    "recovery": True,
    "quiet_period_seconds": 3600,
    "enabled": True,
}

NOTICE: dict[str, Any] = {
    "phase": "fired",
    "channel": "ops",
    "title": "tee-times fails",
    "message": "3 failures in a row. The target answered 503.",
    "status": "sent",
    "attempts": 1,
    "created_at": "2026-03-08T10:31:00Z",
    "next_at": None,
    "ended_at": "2026-03-08T10:31:00.412Z",
    "code": None,
    "error": None,
}

ALERT: dict[str, Any] = {
    "id": ALERT_ID,
    "rule_id": RULE_ID,
    "rule_name": "Production fails",
    "created_by": "local",
    "kind": "consecutive_failures",
    "subject": "golf.example.org",
    "open": True,
    "opened_at": "2026-03-08T10:31:00Z",
    "updated_at": "2026-03-08T10:31:00Z",
    "closed_at": None,
    "detail": "3 failures in a row. The target answered 503.",
    "schedule_id": SCHEDULE_ID,
    "execution_id": f"{SCHEDULE_ID}_20260308T103000Z",
    "schedule_ids": [SCHEDULE_ID],
    "affected": 1,
    "affected_is_exact": True,
    "failing": 1,
    "sightings": 1,
    "held": 0,
    "notices": [NOTICE],
}
