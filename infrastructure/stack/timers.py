"""The group of the users' schedules, and the two schedules of our own, which start the sweep.

Ours stand in the group ``default``, so that whoever lists the users' group sees users' schedules alone.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from infrastructure.stack.roles import Role
from infrastructure.stack.settings import Settings


@dataclass(frozen=True, slots=True)
class Timer:
    """A schedule of our own: its name, when, and what it tells the sweep."""

    what: str
    expression: str
    sweep: str


TIMERS = (
    Timer("sweep", "rate(1 minute)", "minute"),
    Timer("reconcile", "rate(1 hour)", "reconcile"),
)


def make_group(settings: Settings) -> aws.scheduler.ScheduleGroup:
    """The group of the users' schedules. Deleting it deletes them, so it is kept where data is."""
    return aws.scheduler.ScheduleGroup(
        "schedules",
        name=settings.names.schedule_group,
        tags=settings.tags,
        opts=pulumi.ResourceOptions(protect=settings.retain, retain_on_delete=settings.retain),
    )


def make_timers(settings: Settings, sweep: aws.lambda_.Function, role: Role) -> None:
    """Our own schedules. What one of them misses, the next minute or hour makes good: no dead letters."""
    for timer in TIMERS:
        aws.scheduler.Schedule(
            timer.what,
            name=settings.names(timer.what),
            group_name="default",
            schedule_expression=timer.expression,
            flexible_time_window=aws.scheduler.ScheduleFlexibleTimeWindowArgs(mode="OFF"),
            target=aws.scheduler.ScheduleTargetArgs(
                arn=sweep.arn,
                role_arn=role.role.arn,
                input=json.dumps({"sweep": timer.sweep}),
                retry_policy=aws.scheduler.ScheduleTargetRetryPolicyArgs(
                    maximum_event_age_in_seconds=60, maximum_retry_attempts=2
                ),
            ),
            opts=pulumi.ResourceOptions(depends_on=[role.policy]),
        )
