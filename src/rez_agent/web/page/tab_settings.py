"""The tab of a schedule's settings: the definition in sentences, as JSON, and how to reach it by program."""

from __future__ import annotations

import json
from shlex import quote
from typing import Any

from rez_agent.domain.policies import CatchUpMode, OnCompletion, Overlap
from rez_agent.domain.schedule import Schedule, ScheduleDefinition
from rez_agent.usecases.changes import definition_document
from rez_agent.web.operations import Api
from rez_agent.web.page.tabs import Tab
from rez_agent.web.page.telling import counted, duration
from rez_agent.web.page.visits import Visit

_OVERLAP = {
    Overlap.ALLOW: "It starts beside one that is still in flight.",
    Overlap.SKIP: "While one is in flight, the next is skipped.",
    Overlap.QUEUE: "While one is in flight, the next waits; at most 10 wait.",
}
_ON_COMPLETION = {
    OnCompletion.KEEP: "Once nothing is left to run, it stays as it is.",
    OnCompletion.DELETE: "Once nothing is left to run, it is deleted.",
}


async def load(_api: Api, visit: Visit, schedule: Schedule) -> dict[str, Any]:
    """The definition in all its forms."""
    base = str(visit.request.base_url).rstrip("/")
    document = definition_document(schedule.definition)
    return {
        "policies": policies_told(schedule.definition),
        "payload": json.dumps(document["payload"], indent=2, ensure_ascii=False),
        "document": json.dumps(document, indent=2, ensure_ascii=False),
        "curl": curl_snippet(base, schedule.id, with_key=visit.signed_in),
        "commands": command_snippet(schedule.definition.name, schedule.id),
    }


def policies_told(definition: ScheduleDefinition) -> tuple[tuple[str, str], ...]:
    """Every policy in a sentence."""
    policies = definition.policies
    return (
        ("Retry", _retry(definition)),
        ("Catch-up", _catch_up(definition)),
        ("Overlap", _OVERLAP[definition.overlap]),
        ("Flexible window", _window(policies.flexible_window_minutes)),
        ("On completion", _ON_COMPLETION[policies.on_completion]),
    )


def _retry(definition: ScheduleDefinition) -> str:
    retry = definition.policies.retry
    if retry.max_attempts == 0:
        return "A failed run is not tried again."
    least, most = _span(retry.min_backoff_seconds), _span(retry.max_backoff_seconds)
    wait = f"after a random wait of up to {least} at first and {most} at most"
    return (
        f"A failed run is tried again up to {counted(retry.max_attempts, 'time')}, "
        f"{wait if retry.max_backoff_seconds else 'at once'}, "
        f"as long as it is not older than {_span(retry.max_event_age_seconds)}."
    )


def _catch_up(definition: ScheduleDefinition) -> str:
    catch_up = definition.policies.catch_up
    within = _span(catch_up.window_seconds)
    return {
        CatchUpMode.SKIP: "What an outage lets pass is not run.",
        CatchUpMode.LATEST: f"Of what an outage lets pass, the newest is run, if not older than {within}.",
        CatchUpMode.ALL: f"All that an outage lets pass is run, as far as it is not older than {within}.",
    }[catch_up.mode]


def _span(seconds: float) -> str:
    """How long that is; full minutes and hours without what they lack."""
    return duration(seconds * 1_000).removesuffix(" 0 min").removesuffix(" 0 s")


def _window(minutes: int) -> str:
    if minutes == 0:
        return "It starts at once when it is due."
    return f"It starts at a moment of its own within {counted(minutes, 'minute')} after it is due."


def curl_snippet(base: str, schedule_id: str, *, with_key: bool) -> str:
    """How to read, pause and run it by the API; ``with_key``: as a server with keys wants it."""
    address = f"{base}/api/schedules/{schedule_id}"
    curl = "curl -H 'Authorization: Bearer '\"$REZ_KEY\"" if with_key else "curl"
    body = "-H 'Content-Type: application/json'"
    return "\n".join(
        (
            f"{curl} {address}",
            f'{curl} {body} -X POST {address}/pause -d \'{{"reason": "moving house"}}\'',
            f"{curl} -X POST {address}/resume",
            f"{curl} -X POST {address}/run",
            f"{curl} '{address}/executions?limit=10'",
        )
    )


def command_snippet(name: str, schedule_id: str) -> str:
    """The same by the command line."""
    named = schedule_id if name.startswith("-") else quote(name)
    return "\n".join(
        (
            f"rez-agent show {named}",
            f'rez-agent pause {named} --reason "moving house" --until 2h',
            f"rez-agent resume {named}",
            f"rez-agent run {named} --wait",
            f"rez-agent history {named}",
        )
    )


TAB = Tab("settings", "Settings", "tab_settings.html", load)
