"""Routes of alerting: rules, alerts, and a test of the channels."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Any

from starlette.responses import Response

from rez_agent.domain.alert import Alert, Notice
from rez_agent.domain.alert_rules import AlertRule, RuleDefinition
from rez_agent.domain.instants import rfc3339
from rez_agent.ports import AlertQuery, Page
from rez_agent.usecases.alert_rules import (
    create_rule,
    delete_rule,
    list_rules,
    patch_rule,
    replace_rule,
    rule_for,
)
from rez_agent.usecases.callers import Caller
from rez_agent.usecases.notices import alert_for, alerts_for, send_test
from rez_agent.web.alert_models import AlertFilter, AlertTestRequest
from rez_agent.web.answers import answer, nothing
from rez_agent.web.calls import Call, etag
from rez_agent.web.forms import NoFilter
from rez_agent.web.operations import Api
from rez_agent.web.shapes import page_document

TEST_SECONDS = 20.0
"""A test waits so long for its channels, then answers as far as is known."""

FIRST_LOOK_SECONDS, LONGEST_LOOK_SECONDS = 0.05, 0.5
SHOWN_AT_MOST = 100
"""Schedules of an alert that are shown by id."""


async def list_rules_(api: Api, call: Call) -> Response:
    """GET /api/alert-rules"""
    call.filters(NoFilter)
    rules = await api.host.read(lambda ports: list_rules(ports, call.caller))
    return answer(page_document(Page(tuple(rules), None, len(rules)), rule_document))


async def create(api: Api, call: Call) -> Response:
    """POST /api/alert-rules"""
    definition = await call.form(RuleDefinition)
    rule = await api.host.write(lambda ports: create_rule(ports, call.caller, definition))
    headers = {"Location": f"/api/alert-rules/{rule.id}", "ETag": etag(rule.revision)}
    return answer(rule_document(rule), 201, headers)


async def show(api: Api, call: Call) -> Response:
    """GET /api/alert-rules/{alert_rule_id}"""
    call.filters(NoFilter)
    rule_id = call.path("alert_rule_id")
    rule = await api.host.read(lambda ports: rule_for(ports, call.caller, rule_id))
    return answer(rule_document(rule), headers={"ETag": etag(rule.revision)})


async def replace(api: Api, call: Call) -> Response:
    """PUT /api/alert-rules/{alert_rule_id}"""
    rule_id, revision = call.path("alert_rule_id"), call.revision()
    definition = await call.form(RuleDefinition)
    rule = await api.host.write(
        lambda ports: replace_rule(ports, call.caller, rule_id, definition, revision=revision)
    )
    return answer(rule_document(rule), headers={"ETag": etag(rule.revision)})


async def patch(api: Api, call: Call) -> Response:
    """PATCH /api/alert-rules/{alert_rule_id}"""
    rule_id, revision = call.path("alert_rule_id"), call.revision()
    asked = await call.object()
    rule = await api.host.write(
        lambda ports: patch_rule(ports, call.caller, rule_id, asked, revision=revision)
    )
    return answer(rule_document(rule), headers={"ETag": etag(rule.revision)})


async def delete(api: Api, call: Call) -> Response:
    """DELETE /api/alert-rules/{alert_rule_id}"""
    rule_id, revision = call.path("alert_rule_id"), call.revision()
    await api.host.write(lambda ports: delete_rule(ports, call.caller, rule_id, revision=revision))
    return nothing()


async def try_channels(api: Api, call: Call) -> Response:
    """POST /api/alert-rules/{alert_rule_id}/test"""
    rule_id = call.path("alert_rule_id")
    await call.form(AlertTestRequest)
    alert = await sent_test(api, call.caller, rule_id)
    return answer(alert_document(alert), 202 if alert.pending_at else 200)


async def sent_test(api: Api, caller: Caller, rule_id: str) -> Alert:
    """A test alert of a rule, once each channel has answered, or as it is after :data:`TEST_SECONDS`."""
    named = api.settings.alert_channel
    alert = await api.host.write(lambda ports: send_test(ports, caller, rule_id, named))
    alert_id = alert.id
    wait, left = FIRST_LOOK_SECONDS, TEST_SECONDS
    while _is_on_its_way(alert) and left > 0:
        await asyncio.sleep(wait)
        wait, left = min(1.5 * wait, LONGEST_LOOK_SECONDS), left - wait
        alert = await api.host.read(lambda ports: alert_for(ports, caller, alert_id))
    return alert


async def list_all(api: Api, call: Call) -> Response:
    """GET /api/alerts"""
    asked = call.filters(AlertFilter)
    query = AlertQuery(
        schedule_id=asked.schedule_id,
        kind=asked.kind,
        open=asked.open,
        cursor=asked.cursor,
        limit=asked.limit,
    )
    page = await api.host.read(lambda ports: alerts_for(ports, call.caller, query))
    return answer(page_document(page, alert_document))


async def show_alert(api: Api, call: Call) -> Response:
    """GET /api/alerts/{alert_id}"""
    call.filters(NoFilter)
    alert_id = call.path("alert_id")
    return answer(alert_document(await api.host.read(lambda ports: alert_for(ports, call.caller, alert_id))))


def rule_document(rule: AlertRule) -> dict[str, Any]:
    """A rule, flat."""
    return {
        "id": rule.id,
        "created_by": rule.owner,
        "standing": rule.standing,
        "revision": rule.revision,
        "created_date": _instant(rule.created_date),
        "updated_date": _instant(rule.updated_date),
        **rule.definition.document(),
    }


def alert_document(alert: Alert) -> dict[str, Any]:
    """An alert with its notices, oldest first."""
    return {
        "id": alert.id,
        "rule_id": alert.rule_id,
        "rule_name": alert.rule_name,
        "created_by": alert.owner,
        "kind": None if alert.kind is None else alert.kind.value,
        "subject": alert.subject,
        "open": alert.open,
        "opened_at": rfc3339(alert.opened_at),
        "updated_at": rfc3339(alert.updated_at),
        "closed_at": _instant(alert.closed_at),
        "detail": alert.detail,
        "schedule_id": alert.schedule_id,
        "execution_id": alert.execution_id,
        "schedule_ids": list(alert.affected[:SHOWN_AT_MOST]),
        "affected": len(alert.affected),
        "affected_is_exact": not alert.beyond,
        "failing": len(alert.failing),
        "sightings": alert.sightings,
        "held": alert.held,
        "notices": [_notice(notice) for notice in alert.notices],
    }


def _is_on_its_way(alert: Alert) -> bool:
    """Whether a notice has not even been tried, or its first attempt has not ended."""
    return any(one.next_at is not None and one.code is None for one in alert.notices)


def _notice(notice: Notice) -> dict[str, Any]:
    return {
        "phase": notice.phase.value,
        "channel": notice.channel,
        "title": notice.title,
        "message": notice.message,
        "status": notice.status.value,
        "attempts": notice.attempts,
        "created_at": rfc3339(notice.created_at),
        "next_at": _instant(notice.next_at),
        "ended_at": _instant(notice.ended_at),
        "code": notice.code,
        "error": notice.error,
    }


def _instant(instant: datetime | None) -> str | None:
    return None if instant is None else rfc3339(instant)
