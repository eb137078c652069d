"""The doctor's look at a server: its health, its version, its schedules and what became of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from itertools import islice
from typing import Any

from rez_agent.cli.client import Client, Refused
from rez_agent.cli.finding import Finding, ok, problem, warning
from rez_agent.cli.remedies import remedy_for
from rez_agent.cli.render import counted, instant, total
from rez_agent.domain.errors import Invalid
from rez_agent.domain.instants import rfc3339
from rez_agent.domain.telling import length

Document = Mapping[str, Any]

LOOKED_AT = 2_000
"""Schedules and executions of each kind that are looked at, at most."""

PAGE = 500
CAUSES_TOLD = 5
OVERDUE = timedelta(seconds=30)
RECENT = timedelta(days=1)


def health(client: Client) -> Iterator[Finding]:
    """Whether the server says that it is well. Raises Unreachable."""
    try:
        document = client.get("/healthz").document
    except Refused as error:
        for reason in error.document.get("reasons") or [error.message]:
            yield problem("health", f"{reason}.", "Read the server's log; starting it again is always safe.")
        return
    lag = document.get("engine_lag_seconds")
    told = f"; its engine last looked {length(lag)} ago" if isinstance(lag, int | float) else ""
    yield ok("health", f"The server at {client.url} is well{told}.")


def version(client: Client, mine: str) -> Finding:
    """Whether server and command line are of one version."""
    theirs = (client.get("/openapi.json").document.get("info") or {}).get("version")
    if theirs == mine:
        return ok("version", f"Server and command line are {mine}.")
    text = f"The server is {theirs}, this command line is {mine}."
    return warning("version", text, "Install the same version on both sides.")


def server_date(client: Client) -> datetime | None:
    """The server's clock as its answers tell it, to the second."""
    text = client.get("/healthz").headers.get("date")
    return parsedate_to_datetime(text).astimezone(UTC) if text else None


def access(client: Client) -> Finding:
    """Whether the key reaches the schedules."""
    try:
        client.page("/api/schedules", limit=1)
    except Refused as error:
        if error.status not in (401, 403):
            raise
        remedy = (
            "Give a key (REZ_KEY), or make one: rez-agent keys create NAME on the server's machine, "
            "with --stage STAGE for one on AWS."
        )
        return problem("access", error.message, remedy)
    return ok("access", "Schedules can be read.")


def all_schedules(client: Client) -> list[dict[str, Any]]:
    """The schedules that are looked at: the newest :data:`LOOKED_AT`."""
    return _some(client, "/api/schedules")


def _some(client: Client, path: str, **query: Any) -> list[dict[str, Any]]:
    pages = client.pages(path, **query, limit=PAGE)
    return list(islice((item for page in pages for item in page["items"]), LOOKED_AT))


def schedules(listed: Iterable[Document], now: datetime) -> Iterator[Finding]:
    """Schedules that can't be evaluated, never fire, are overdue, or have been paused."""
    items = list(listed)
    found = [finding for item in items for finding in _schedule(item, now)]
    yield from found
    if not found:
        yield ok("schedules", f"{len(items)} looked at: all can be evaluated, none is overdue.")


def _schedule(item: Document, now: datetime) -> Iterator[Finding]:
    name = item["name"]
    if item["status"] == "error":
        text = f"'{name}' can't be evaluated: {item.get('error_message')}"
        yield problem("schedules", text, f"rez-agent update {item['id']} --expression ... or --timezone ...")
    elif never_fires(item):
        text = f"'{name}' never fires: no date matches {item['schedule_expression']}."
        yield warning("schedules", text, f"`rez-agent next` tries expressions; then update {item['id']}.")
    next_run = instant(item.get("next_run"))
    if item["status"] == "active" and next_run is not None and now - next_run > OVERDUE:
        text = f"'{name}' was due {length((now - next_run).total_seconds())} ago and has not fired."
        yield problem("schedules", text, "The engine does not keep up: read the server's log.")


def never_fires(item: Document) -> bool:
    """Whether the expression has no date at all, such as a 30 February."""
    from rez_agent.domain.expression import parse  # noqa: PLC0415 - not needed by any other command

    if not item.get("finished_at"):
        return False
    try:
        return parse(item["schedule_expression"], item["timezone"]).never
    except Invalid:
        return False


def executions(client: Client, now: datetime) -> Iterator[Finding]:
    """What failed or was skipped of late, by cause, and what is left to redrive."""
    since = rfc3339(now - RECENT)
    failed = _some(client, "/api/executions", status="failed", since=since)
    yield from causes(failed)
    skipped = _some(client, "/api/executions", status="skipped", since=since)
    yield from skips(skipped)
    yield from waiting(_some(client, "/api/executions", status="queued"), now)
    dead = client.page("/api/executions", dead_letter=True, limit=1).get("total")
    if dead != 0:
        text = f"Failed for good: {total(dead)} (dead letters)."
        yield warning("dead letters", text, "Once the cause is mended: rez-agent redrive.")


def causes(failed: Iterable[Document]) -> Iterator[Finding]:
    """The most frequent causes among failed executions, each with its remedy."""
    items = list(failed)
    if not items:
        yield ok("executions", "None has failed within a day.")
        return
    for code, count in Counter(str(item.get("code") or "unknown") for item in items).most_common(CAUSES_TOLD):
        example = next(item for item in items if str(item.get("code") or "unknown") == code)
        remedy = remedy_for(code)
        text = f"{count} failed with {code} within a day. {example.get('error') or ''}".rstrip()
        told = f"{remedy.text} An example: {example['id']}"
        yield (problem if remedy.ours else warning)("executions", text, told)


def skips(skipped: Iterable[Document]) -> Iterator[Finding]:
    """What was skipped because nothing could fire, or because the one before still ran."""
    counts: Counter[str] = Counter()
    for item in skipped:
        counts[str(item.get("reason"))] += (item.get("span") or {}).get("count", 1)
    if counts["missed"]:
        remedy = "The server was down or the machine asleep. See --catch-up, and `rez-agent backfill`."
        yield warning(
            "missed",
            f"{counted(counts['missed'], 'occurrence')} passed within a day while nothing could fire.",
            remedy,
        )
    if counts["overlap"]:
        remedy = "Executions take longer than the interval: widen it, or use --overlap queue or allow."
        text = f"{counted(counts['overlap'], 'occurrence')} within a day came while the one before still ran."
        yield warning("overlap", text, remedy)


def waiting(queued: Iterable[Document], now: datetime) -> Iterator[Finding]:
    """Executions that wait for a free place and not for a retry."""
    stuck = 0
    for item in queued:
        following = instant(item.get("next_attempt_at"))
        stuck += following is not None and now - following > OVERDUE
    if stuck:
        remedy = "One slow target takes all places: see --target-concurrency and --concurrency of `serve`."
        yield warning("queue", f"{counted(stuck, 'execution')} waiting for a free place.", remedy)
