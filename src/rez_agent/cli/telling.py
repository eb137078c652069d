"""What people are told of schedules and executions, from the API's documents."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from rez_agent.cli.client import Answer, Client
from rez_agent.cli.names import schedule_path
from rez_agent.cli.render import (
    clean,
    compact_json,
    counted,
    distance,
    facts,
    instant,
    stamp,
    table,
    total,
    when,
)
from rez_agent.domain.plainly import REASONS, plain_code
from rez_agent.domain.telling import length

Document = Mapping[str, Any]

EXECUTION_COLUMNS = ("scheduled", "status", "attempts", "late", "took", "what became of it", "id")
STATUS_COLUMN = 1

COUNTED = 100
"""Executions that tell how a schedule fares."""

SHOWN_PAYLOAD = 2_000
"""Characters of a payload that `show` prints."""


def created(client: Client, definition: Document, answer: Answer) -> None:
    """A schedule was created, or will be."""
    document, now = answer.document or {}, datetime.now(UTC)
    name = clean(definition["name"])
    if answer.status == 202:
        print(f"Accepted: {name} is being created (message {document.get('message_id')}).")
    else:
        print(f"Created {name} ({document.get('id') or document.get('schedule_id')}).")
        _sentence(document)
        coming(client, document, 3, now)
    warnings(document)


def changed(answer: Answer, name: str, done: str) -> None:
    """A schedule was updated, paused or resumed, or will be."""
    document, now = answer.document or {}, datetime.now(UTC)
    if answer.status == 202:
        print(f"Accepted: {clean(name)} will be changed (message {document.get('message_id')}).")
        return
    print(f"{done} {clean(document.get('name', name))}. {_state(document, now)}".rstrip())
    warnings(document)


def warnings(document: Document) -> None:
    """What is allowed but probably not meant."""
    for warning in document.get("warnings") or ():
        print(f"Warning: {clean(warning.get('detail'))}")


def listed(page: Document, now: datetime) -> None:
    """A page of schedules."""
    if not page["items"]:
        print("No schedules. Create one: rez-agent create --help")
        return
    columns = ("name", "status", "expression", "zone", "target", "next run", "id")
    table(columns, [_schedule_row(item, now) for item in page["items"]], styled=1, below=2)
    _more(page)


def _schedule_row(item: Document, now: datetime) -> tuple[Any, ...]:
    return (
        item["name"],
        "finished" if item.get("finished_at") and item["status"] == "active" else item["status"],
        item["schedule_expression"],
        item["timezone"],
        item["target_type"],
        when(item.get("next_run"), now),
        item["id"],
    )


def _more(page: Document) -> None:
    if page.get("next_cursor"):
        shown = len(page["items"])
        print(f"{shown} of {total(page.get('total'))}. The next page: --cursor {page['next_cursor']}")


def schedule(client: Client, document: Document, count: int, now: datetime) -> None:
    """A schedule in plain words, with its coming and last runs."""
    print(clean(document["name"]))
    _sentence(document)
    print()
    facts([*_schedule_facts(document, now), *_how_it_fares(client, document)])
    warnings(document)
    if count:
        coming(client, document, count, now)
        past = client.get(schedule_path(document["id"], "executions"), limit=count).document
        if past["items"]:
            print("\nLast runs:")
            executions(past["items"])


def _schedule_facts(document: Document, now: datetime) -> list[tuple[str, Any]]:
    return [
        ("state", _state(document, now)),
        ("expression", document["schedule_expression"]),
        ("time zone", document["timezone"]),
        ("target", document["target_type"]),
        ("payload", _payload(document.get("payload"))),
        ("description", document.get("description")),
        ("tags", ", ".join(document.get("tags") or ())),
        ("start", when(document.get("start"), now)),
        ("end", when(document.get("end"), now)),
        ("policies", _policies(document.get("policies") or {})),
        ("error", document.get("error_message")),
        ("created", f"{when(document['created_date'], now)} by {document['created_by']}"),
        ("revision", document["revision"]),
        ("id", document["id"]),
    ]


def _how_it_fares(client: Client, document: Document) -> list[tuple[str, Any]]:
    found = client.get(schedule_path(document["id"], "statistics"), limit=COUNTED).document
    rate, took = found["success_rate"], found["duration_ms"]
    if rate is None:
        return []
    counts = found["by_status"]
    ran = counts["succeeded"] + counts["failed"]
    fares = f"{percent(rate)} of {counted(ran, 'execution')}"
    return [("succeeded", fares), ("p95 duration", None if took is None else length(took["p95"] / 1000))]


def percent(rate: float) -> str:
    """A share, in hundredths. Only all is 100 %, and only none is 0 %."""
    return f"{min(max(rate * 100, 0.1), 99.9):.1f} %" if 0 < rate < 1 else f"{rate * 100:.0f} %"


def _payload(payload: Any) -> str:
    text = compact_json(payload or {})
    return text if len(text) <= SHOWN_PAYLOAD else f"{text[:SHOWN_PAYLOAD]}... (the whole: --json)"


def _policies(policies: Document) -> str:
    retry, catch_up = policies.get("retry") or {}, policies.get("catch_up") or {}
    told = [
        _retries(retry.get("max_attempts")),
        f"catch up {catch_up.get('mode')}",
        f"overlap {policies['overlap']}" if policies.get("overlap") else "",
        f"window {policies['flexible_window_minutes']} min"
        if policies.get("flexible_window_minutes")
        else "",
        "deleted when done" if policies.get("on_completion") == "delete" else "",
    ]
    return ", ".join(text for text in told if text)


def _retries(count: Any) -> str:
    return "1 retry" if count == 1 else f"{count or 'no'} retries"


def _sentence(document: Document) -> None:
    if document.get("explanation"):
        text = str(document["explanation"])
        print(clean(text[:1].upper() + text[1:]).rstrip(".") + ".")


def _state(document: Document, now: datetime) -> str:
    """Its state in a sentence."""
    pause = document.get("pause")
    if pause:
        until = f" until {when(pause['until'], now)}" if pause.get("until") else ""
        why = f": {pause['reason']}" if pause.get("reason") else ""
        return f"Paused by {pause.get('by')} since {when(pause.get('since'), now)}{until}{why}"
    if document.get("status") != "active":
        return str(document.get("status", ""))
    if document.get("next_run"):
        return f"Next run: {when(document['next_run'], now)}"
    return "Finished: nothing is left to do"


def coming(client: Client, document: Document, count: int, now: datetime) -> None:
    """The schedule's next occurrences, in UTC and on its zone's clock, with notes on clock changes."""
    if document.get("status") != "active" or not document.get("id") or not document.get("next_run"):
        return
    path = schedule_path(document["id"], "occurrences")
    items = client.get(path, **{"from": document["next_run"], "limit": count}).document["items"]
    print("\nNext runs:")
    for due in items:
        print(f"  {due_line(due, document['timezone'], now)}")


def due_line(due: Document, zone: str, now: datetime) -> str:
    """One coming occurrence: on its zone's clock, in UTC, how far off, and what is worth a note."""
    at = instant(due["utc"])
    text = f"{stamp(at)}  {distance(at - now)}" if at else str(due["utc"])
    if zone != "UTC":
        local = datetime.fromisoformat(due["local"]).strftime("%a %Y-%m-%d %H:%M:%S")
        text = f"{local} {zone}  =  {text}"
    return f"{text}  {due['note']}" if due.get("note") else text


def executions(items: Iterable[Document], names: Mapping[str, str] | None = None) -> None:
    """Executions as a table; with ``names`` by schedule id, each with its schedule's."""
    if names is None:
        table(EXECUTION_COLUMNS, [execution_row(item) for item in items], styled=STATUS_COLUMN, below=2)
        return
    rows = [(names.get(item["schedule_id"], item["schedule_id"]), *execution_row(item)) for item in items]
    table(("schedule", *EXECUTION_COLUMNS), rows, styled=STATUS_COLUMN + 1, below=2)


def execution_row(item: Document) -> tuple[Any, ...]:
    """One line of a history."""
    span = item.get("span")
    scheduled = instant(item["scheduled_time"])
    return (
        (stamp(scheduled) if scheduled else "") + (f" and {span['count'] - 1} more" if span else ""),
        item["status"],
        item.get("attempt_count") or "",
        _length(item.get("lateness_ms")),
        _length(item.get("duration_ms")),
        became(item),
        item["id"],
    )


def _length(milliseconds: Any) -> str:
    return "" if milliseconds is None else length(max(0, milliseconds) / 1000)


_CAUSES = {
    "run": "asked for; ",
    "backfill": "backfill; ",
    "catch_up": "made good; ",
    "replay": "replay; ",
    "engine_only": "the engine's own time; ",
}
"""Why an execution exists, where it is not the ordinary case."""


def became(item: Document) -> str:
    """What became of an execution, in a few words."""
    cause = _CAUSES.get(item.get("cause", ""), "")
    if item["status"] == "succeeded":
        return cause + (f"answer {item['response_status']}" if item.get("response_status") else "done")
    if item["status"] in ("skipped", "cancelled"):
        told = [item.get("reason"), item.get("detail")]
        return cause + ": ".join(str(text) for text in told if text)
    error = item.get("error") or item.get("code") or ""
    if item["status"] == "queued" and item.get("next_attempt_at"):
        following = instant(item["next_attempt_at"])
        return f"{cause}next try {stamp(following)}: {error}" if error and following else f"{cause}due"
    dead = " (dead letter)" if item.get("dead_letter") else ""
    return f"{cause}{error}{dead}"


def execution(item: Document, now: datetime) -> None:
    """An execution with its attempts."""
    facts(
        [
            ("execution", item["id"]),
            ("schedule", item["schedule_id"]),
            ("scheduled", when(item["scheduled_time"], now)),
            ("status", item["status"] + (" (dead letter)" if item.get("dead_letter") else "")),
            ("cause", item.get("cause")),
            ("replay of", item.get("replay_of")),
            ("reason", item.get("reason")),
            ("detail", item.get("detail")),
            ("target", f"{item.get('target_type')} {item.get('target')}"),
            ("late", _length(item.get("lateness_ms"))),
            ("took", _length(item.get("duration_ms"))),
            ("next try", when(item.get("next_attempt_at"), now)),
            ("error", item.get("error")),
            ("in short", _in_short(item)),
        ]
    )
    for attempt in item.get("attempts") or ():
        _attempt(attempt)


def _in_short(item: Document) -> str:
    """Why it did not succeed, and what can be done about it; empty where that needs no words."""
    plain = {reason.value: plain for reason, plain in REASONS.items()}.get(item.get("reason") or "")
    if item["status"] == "failed":
        plain = plain_code(item.get("code") or "", item.get("response_status"), item.get("error"))
    return f"{plain.what}. {plain.advice}".rstrip() if plain is not None else ""


def _attempt(attempt: Document) -> None:
    status = f", answer {attempt['response_status']}" if attempt.get("response_status") else ""
    error = f": {clean(attempt['error'])}" if attempt.get("error") else ""
    took = _length(attempt.get("duration_ms"))
    print(
        f"\nattempt {attempt['number']}  {attempt['started_at']}  "
        f"{attempt['outcome']} in {took}{status}{error}"
    )
    phases = [
        f"{n.replace('_', ' ')} {ms:.1f} ms"
        for n, ms in (attempt.get("timings_ms") or {}).items()
        if ms is not None
    ]
    if phases:
        print(f"  {', '.join(phases)}")
    if attempt.get("response"):
        cut = " (cut)" if attempt.get("response_truncated") else ""
        print(f"  response{cut}: {clean(attempt['response'])}")
