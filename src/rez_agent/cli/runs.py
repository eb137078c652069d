"""An execution that was asked for: its options, and waiting until it has ended."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from rez_agent.cli import telling
from rez_agent.cli.client import Answer, Client, Unreachable
from rez_agent.cli.names import execution_path
from rez_agent.cli.render import clean
from rez_agent.cli.session import DONE, FAILED, Session
from rez_agent.domain.execution import ExecutionStatus

Payload = Annotated[
    str | None, typer.Option("--payload", metavar="JSON|@FILE|-", help="Instead of the one it would have.")
]
Wait = Annotated[bool, typer.Option("--wait", help="Until it has ended; exit 1 unless it succeeded.")]
Patience = Annotated[
    float,
    typer.Option(
        "--timeout", min=0, metavar="SECONDS", help="How long --wait waits; 0: as long as it takes."
    ),
]


def tell_run(
    session: Session, client: Client, answer: Answer, name: str, *, wait: bool, timeout: float
) -> int:
    """Tell of an execution that was asked for; with ``wait``, once it has ended."""
    if not wait:
        session.put(answer.document, lambda: print(_queued(answer, name)))
        return DONE
    execution = _ended(client, _execution_of(client, answer), timeout)
    session.put(execution, lambda: telling.execution(execution, datetime.now(UTC)))
    return DONE if execution["status"] == "succeeded" else FAILED


def _queued(answer: Answer, name: str) -> str:
    execution_id = _execution_id(answer.document or {})
    if execution_id is None:
        return f"Accepted: {clean(name)} will run (message {(answer.document or {}).get('message_id')})."
    return f"Queued {execution_id}. What becomes of it: rez-agent show {execution_id}"


def _execution_id(document: Mapping[str, Any]) -> str | None:
    """The execution that an answer names: itself, or the one that a message led to."""
    if "scheduled_time" in document:
        return str(document["id"])
    found = document.get("execution_id") or (document.get("result") or {}).get("execution_id")
    return str(found) if found else None


def _execution_of(client: Client, answer: Answer) -> str:
    """The execution's id, waiting for the command to be applied if it is still on its way."""
    document = answer.document or {}
    found = _execution_id(document)
    for pause in _patience(60):
        if found:
            return found
        time.sleep(pause)
        document = client.get(f"/api/messages/{document.get('message_id') or document['id']}").document
        found = _execution_id(document)
    raise Unreachable(
        "The command was accepted but not applied within a minute. `rez-agent doctor` looks into it."
    )


def _ended(client: Client, execution_id: str, timeout: float) -> dict[str, Any]:
    """The execution once it is final. Raises Unreachable ``timeout``."""
    for pause in _patience(timeout or float("inf")):
        execution: dict[str, Any] = client.get(execution_path(execution_id)).document
        if is_final(execution):
            return execution
        time.sleep(pause)
    raise Unreachable(f"{execution_id} has not ended within {timeout:g} s. It goes on.", code="timeout")


def is_final(execution: Mapping[str, Any]) -> bool:
    return ExecutionStatus(execution["status"]).final


def _patience(seconds: float) -> Iterator[float]:
    """How long to wait before each next look: short at first, a second at most."""
    ends = time.monotonic() + seconds
    pause = 0.05
    while time.monotonic() < ends:
        yield pause
        pause = min(1.0, pause * 1.5)
