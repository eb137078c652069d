"""Rules of alerting: what is watched for, at which schedules, and whom it is told.

A rule belongs to an owner and watches that owner's schedules: one of them, those with a tag, or all. One rule
is there without being made: :func:`standing_rule`, the dead man's switch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated, Any

from pydantic import Field, StringConstraints, model_validator

from rez_agent.domain.policies import Frozen
from rez_agent.domain.schedule import Tag

CHANNELS_AT_MOST = 10
STANDING = "missed"
"""The id of the rule that every owner has; it is another rule for each."""


class AlertKind(StrEnum):
    """What a rule watches for."""

    CONSECUTIVE_FAILURES = "consecutive_failures"
    FAILURE_RATE = "failure_rate"
    DEAD_LETTER = "dead_letter"
    MISSED = "missed"
    TOO_SLOW = "too_slow"
    TOO_FAST = "too_fast"

    @property
    def of_duration(self) -> bool:
        """Whether it compares how long executions took."""
        return self in (AlertKind.TOO_SLOW, AlertKind.TOO_FAST)


_DURATION = ("deviations", "minimum_samples", "minimum_difference_ms")
PARAMETERS: dict[AlertKind, tuple[str, ...]] = {
    AlertKind.CONSECUTIVE_FAILURES: ("failures",),
    AlertKind.FAILURE_RATE: ("percent", "window_seconds", "minimum_executions"),
    AlertKind.DEAD_LETTER: (),
    AlertKind.MISSED: ("grace_seconds",),
    AlertKind.TOO_SLOW: _DURATION,
    AlertKind.TOO_FAST: _DURATION,
}
"""The parameters that each kind has."""

Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100)]
Channel = Annotated[str, StringConstraints(min_length=1, max_length=64)]


class RuleDefinition(Frozen):
    """What a caller says of a rule.

    ``schedule_id`` or ``tag`` narrow it to one schedule or to those with the tag; without either, all of the
    owner's are watched. ``channels`` are names that the operator configured; none: the server's own channel
    for alerts. ``recovery``: the end of an outage is told too. ``quiet_period_seconds``: after an alert
    nothing is told of the same thing for so long, and then how often it came again.

    Of the parameters a rule has those of its kind: ``failures`` in a row of one schedule; ``percent`` of its
    executions within ``window_seconds``, once there are ``minimum_executions``; ``grace_seconds`` from when
    an execution should have started; ``deviations``: how many times the usual spread (1.4826 x the median
    absolute deviation) from the median of the durations before, once there are ``minimum_samples``, and no
    less than ``minimum_difference_ms`` away from it.
    """

    name: Name
    kind: AlertKind
    schedule_id: Annotated[str | None, StringConstraints(min_length=1, max_length=256)] = None
    tag: Tag | None = None
    channels: Annotated[tuple[Channel, ...], Field(max_length=CHANNELS_AT_MOST)] = ()
    recovery: Annotated[bool, Field(strict=True)] = True
    quiet_period_seconds: Annotated[int, Field(ge=0, le=604_800, strict=True)] = 3_600
    enabled: Annotated[bool, Field(strict=True)] = True
    failures: Annotated[int, Field(ge=1, le=50, strict=True)] = 3
    percent: Annotated[float, Field(gt=0, le=100, strict=True)] = 50.0
    window_seconds: Annotated[int, Field(ge=60, le=604_800, strict=True)] = 3_600
    minimum_executions: Annotated[int, Field(ge=1, le=100, strict=True)] = 5
    grace_seconds: Annotated[int, Field(ge=1, le=86_400, strict=True)] = 300
    deviations: Annotated[float, Field(ge=1, le=100, strict=True)] = 5.0
    minimum_samples: Annotated[int, Field(ge=5, le=100, strict=True)] = 20
    minimum_difference_ms: Annotated[int, Field(ge=0, le=86_400_000, strict=True)] = 1_000

    @model_validator(mode="after")
    def _consistent(self) -> RuleDefinition:
        if self.schedule_id is not None and self.tag is not None:
            raise ValueError("give 'schedule_id' or 'tag', not both")
        if len(set(self.channels)) != len(self.channels):
            raise ValueError("a channel stands twice in 'channels'")
        others = {name for kind, names in PARAMETERS.items() if kind is not self.kind for name in names}
        others -= set(PARAMETERS[self.kind])
        wrong = sorted(self.model_fields_set & others)
        if wrong:
            known = ", ".join(PARAMETERS[self.kind]) or "none"
            raise ValueError(
                f"'{wrong[0]}' is not a parameter of the kind '{self.kind.value}'. Its parameters: {known}."
            )
        return self

    @property
    def quiet_period(self) -> timedelta:
        """From one alert of the same thing to the next, at least."""
        return timedelta(seconds=self.quiet_period_seconds)

    def document(self) -> dict[str, Any]:
        """The definition as it is shown and kept: of the parameters only its kind's."""
        every = {name for names in PARAMETERS.values() for name in names}
        return self.model_dump(mode="json", exclude=every - set(PARAMETERS[self.kind]))


@dataclass(frozen=True, slots=True)
class AlertRule:
    """A rule as it is kept. ``standing``: it is there by default and was never changed. ``revision`` grows
    with each change."""

    id: str
    owner: str
    definition: RuleDefinition
    created_date: datetime | None = None
    updated_date: datetime | None = None
    standing: bool = False
    revision: int = 1

    @property
    def kind(self) -> AlertKind:
        """What it watches for."""
        return self.definition.kind

    @property
    def key(self) -> str:
        """What tells it from every other rule of every owner."""
        return f"{self.id}@{self.owner}" if self.id == STANDING else self.id

    def watches(self, owner: str, schedule_id: str, tags: Sequence[str]) -> bool:
        """Whether it watches a schedule."""
        asked = self.definition
        if not asked.enabled or owner != self.owner:
            return False
        if asked.schedule_id is not None:
            return asked.schedule_id == schedule_id
        return asked.tag is None or asked.tag in tags


def standing_rule(owner: str) -> AlertRule:
    """The dead man's switch: what should have started and did not is an alert, though nobody asked."""
    definition = RuleDefinition(name="Missed runs", kind=AlertKind.MISSED)
    return AlertRule(STANDING, owner, definition, standing=True)
