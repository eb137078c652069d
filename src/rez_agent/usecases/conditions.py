"""Trying a condition: what it would be judged by if its schedule were due now, or by given values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from pydantic_core import to_json

from rez_agent.domain.condition import LOOKED_BACK, Facts, Last, look_back, midnight_before
from rez_agent.domain.instants import EPOCH
from rez_agent.ports import Ports
from rez_agent.usecases.callers import Caller, schedule_for

FEW = 100
"""Executions that are read first: the last run and the day's are mostly among them."""


def latest_facts(ports: Ports, caller: Caller, schedule_id: str, now: datetime) -> Facts:
    """What the schedule's condition would be judged by if it were due ``now``. Raises NotFound."""
    schedule = schedule_for(ports, caller, schedule_id)
    definition = schedule.definition
    facts = Facts(
        schedule_id=schedule.id,
        name=definition.name,
        tags=definition.tags,
        timezone=definition.timezone,
        created_by=schedule.created_by,
        revision=schedule.revision,
        target_type=definition.target_type.value,
        payload=to_json(definition.payload).decode(),
        scheduled_time=now,
    )
    midnight = midnight_before(now, definition.timezone)
    earlier = ports.ledger.latest([schedule_id], FEW).get(schedule_id, ())
    last, today = look_back(earlier, midnight)
    if len(earlier) == FEW and (last is None or earlier[-1].scheduled_time >= midnight):
        last, today = look_back(ports.ledger.latest([schedule_id], LOOKED_BACK)[schedule_id], midnight)
    if last is None:
        return replace(facts, runs_today=today)
    attempts = ports.ledger.attempts(last.id)
    response, cut = (attempts[-1].response, attempts[-1].response_truncated) if attempts else (None, False)
    return replace(facts, runs_today=today, last=Last.of(last, response, truncated=cut))


def bare_facts(now: datetime) -> Facts:
    """The facts of a schedule that nobody has made yet."""
    return Facts("", "", (), "UTC", "", 1, "web_action", "{}", now)


def with_given(facts: Facts, given: Mapping[str, Any]) -> Facts:
    """``facts`` with values of the caller's own: ``name``, ``tags``, ``target_type``, ``payload``,
    ``timezone``, ``scheduled_time``, ``runs_today``, and ``last`` (``status``, ``code``,
    ``response_status``, ``body`` and its times; null: there is none)."""
    given = dict(given)
    if "payload" in given:
        given["payload"] = to_json(given["payload"]).decode()
    if given.get("last") is not None:
        given["last"] = _last(given["last"], facts.last)
    return replace(facts, **given)


def _last(given: Mapping[str, Any], known: Last | None) -> Last:
    told = dict(given)
    if "body" in told:
        told["response"] = to_json(told.pop("body")).decode()
        told["response_truncated"] = False
    known = known or Last("succeeded", EPOCH, EPOCH, EPOCH, "ok")
    return replace(known, **told)
