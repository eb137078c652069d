"""The demo's story: what changed in the ledger since the last look, in plain sentences.

Pure: documents of the API in, sentences out.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from rez_agent.domain.telling import length

Document = Mapping[str, Any]

QUICK = {"max_attempts": 5, "min_backoff_seconds": 1, "max_backoff_seconds": 4}
"""Retries short enough to watch."""


class Story:
    """Remembers what was told, so that everything is told once."""

    def __init__(self, names: Mapping[str, str]) -> None:
        self._names = names
        self._attempts: dict[str, int] = {}
        self._ended: set[str] = set()
        self._ended_names: set[str] = set()

    def told_all(self, *names: str) -> bool:
        """Whether an execution of each of these schedules has come to its end."""
        return set(names) <= self._ended_names

    def sentences(self, executions: Iterable[Document]) -> Iterator[str]:
        """What is new in ``executions`` (newest first, as the API lists them), oldest first."""
        for execution in reversed(list(executions)):
            name = self._names.get(execution["schedule_id"], execution["schedule_id"])
            yield from self._attempted(name, execution)
            yield from self._finished(name, execution)

    def _attempted(self, name: str, execution: Document) -> Iterator[str]:
        told = self._attempts.get(execution["id"], 0)
        attempts = execution.get("attempts") or []
        for at, attempt in enumerate(attempts[told:], start=told):
            if attempt["outcome"] == "succeeded":
                continue  # the end of the execution tells of it
            waits = execution["status"] == "queued" and execution.get("next_attempt_at")
            following = attempts[at + 1]["started_at"] if at + 1 < len(attempts) else waits
            again = f"; tried again in {_between(attempt['finished_at'], following)}" if following else ""
            yield f"{name}: attempt {attempt['number']} failed{_status(attempt)}{again}"
        self._attempts[execution["id"]] = len(attempts)

    def _finished(self, name: str, execution: Document) -> Iterator[str]:
        if execution["id"] in self._ended or execution["status"] in ("queued", "running"):
            return
        self._ended.add(execution["id"])
        self._ended_names.add(name)
        if execution["status"] != "succeeded":
            why = execution.get("detail") or execution.get("error") or execution.get("reason") or ""
            yield f"{name}: {execution['status']}. {why}".rstrip()
            return
        attempt = execution["attempts"][-1]
        late = max(0, execution.get("lateness_ms") or 0) / 1000
        took = length(attempt["duration_ms"] / 1000)
        yield (
            f"{name}: attempt {attempt['number']} succeeded{_status(attempt)} in {took}; "
            f"the first one began {length(late)} after its time"
        )


def _status(attempt: Document) -> str:
    return (
        f" ({attempt['response_status']})" if attempt.get("response_status") else f" ({attempt.get('code')})"
    )


def _between(ended: str, following: str) -> str:
    span = datetime.fromisoformat(following) - datetime.fromisoformat(ended)
    return length(max(0.0, span.total_seconds()))


def opening(now: datetime, target: str) -> list[dict[str, Any]]:
    """The demo's three schedules: one that fires in seconds, one that needs retries, one every minute."""
    soon = (now + timedelta(seconds=4)).strftime("%Y-%m-%dT%H:%M:%S")
    return [
        _call("hello", f"at({soon})", "POST", f"{target}/hello"),
        _call("flaky", "rate(1 minute)", "POST", f"{target}/flaky") | {"policies": {"retry": QUICK}},
        _call("tick", "cron(* * * * ? *)", "GET", f"{target}/tick"),
    ]


def _call(name: str, expression: str, method: str, url: str) -> dict[str, Any]:
    return {
        "name": name,
        "schedule_expression": expression,
        "target_type": "web_action",
        "payload": {"action": "http", "method": method, "url": url},
    }
