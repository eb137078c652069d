"""The doctor: finds what goes wrong, and says what to do about each thing."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rez_agent.cli import machine_checks, server_checks
from rez_agent.cli.client import DEFAULT_URL, Client, Unreachable
from rez_agent.cli.cloud import Stage, stage_to_look_at
from rez_agent.cli.finding import Finding, Verdict, problem, worst
from rez_agent.cli.render import STYLES, clean, counted
from rez_agent.cli.serving import DataDir
from rez_agent.cli.session import DONE, FAILED, Session, command
from rez_agent.domain.errors import RezError

if TYPE_CHECKING:
    from rez_agent.aws.inspection import Inspection

PANEL = "The server"


def register(app: typer.Typer) -> None:
    """Put this command on the command line."""
    examples = (
        "rez-agent doctor",
        "rez-agent doctor --data-dir /var/lib/rez-agent --actions actions.yaml",
        "rez-agent doctor --stage dev",
    )
    command(app, "doctor", examples=examples, panel=PANEL)(doctor)


def doctor(
    session: Session,
    *,
    data_dir: DataDir = Path("rez-data"),
    actions: Annotated[
        Path | None,
        typer.Option("--actions", envvar="REZ_ACTIONS", metavar="FILE", help="The catalogue to check."),
    ] = None,
    thorough: Annotated[
        bool, typer.Option("--thorough", help="Read a database through, however large it is.")
    ] = False,
    stage: Stage = None,
) -> int:
    """Find what goes wrong, and say what to do about it. Exit 1 when a problem stands."""
    findings: list[Finding] = []
    if stage is None:
        found = examination(session.client(), data_dir, actions, thorough=thorough)
    else:
        found = stage_examination(session, stage_to_look_at(stage))
    for finding in found:
        findings.append(finding)
        if not session.as_json:
            _tell(finding)
    verdict = worst(findings)
    document = {"status": verdict.value, "findings": [finding.document() for finding in findings]}
    session.put(document, lambda: print(_summary(findings)))
    return FAILED if verdict is Verdict.PROBLEM else DONE


def examination(client: Client, data_dir: Path, actions: Path | None, *, thorough: bool) -> Iterator[Finding]:
    """Every check, in the order in which a person would look."""
    now = datetime.now(UTC)
    schedules: list[dict[str, Any]] = []
    try:
        yield from _server(client, now, schedules)
    except Unreachable as error:
        yield machine_checks.port(client.url, error)
    except RezError as error:
        yield problem("server", error.message, "Read the server's log under this time.")
    yield from machine_checks.data_directory(data_dir, thorough=thorough)
    yield from machine_checks.missing_secrets(data_dir, schedules)
    yield from machine_checks.action_catalogue(actions)
    yield machine_checks.clock(time.time, time.monotonic, time.sleep)
    yield machine_checks.time_zones(now)


def stage_examination(session: Session, inspection: Inspection) -> Iterator[Finding]:
    """Every check of a stage on AWS, then what its API tells, at ``--url`` or else where AWS says it is."""
    from rez_agent.cli import cloud_checks  # noqa: PLC0415

    now = datetime.now(UTC)
    who, finding = cloud_checks.identity(inspection)
    yield finding
    if who is None:
        return
    yield from cloud_checks.every_check(inspection, who, now)
    url = session.url if session.url != DEFAULT_URL else cloud_checks.api_url(inspection)
    if url is None:
        yield problem("server", "The stage has no API.", "pulumi up makes it; or say where it is with --url.")
        return
    try:
        yield from _server(Client(url, session.key), now, [])
    except RezError as error:
        yield problem("server", error.message, "See the log of the function webapi under this time.")


def _server(client: Client, now: datetime, schedules: list[dict[str, Any]]) -> Iterator[Finding]:
    """The checks over REST; what was listed goes into ``schedules``."""
    from importlib.metadata import version  # noqa: PLC0415

    yield from server_checks.health(client)
    yield server_checks.version(client, version("rez-agent"))
    yield from machine_checks.clock_against(server_checks.server_date(client), datetime.now(UTC))
    access = server_checks.access(client)
    yield access
    if access.verdict is Verdict.PROBLEM:
        return
    schedules += server_checks.all_schedules(client)
    yield from server_checks.schedules(schedules, now)
    yield from server_checks.executions(client, now)


def _tell(finding: Finding) -> None:
    print(f"{_coloured(finding.verdict)}  {finding.check}: {clean(finding.text)}", flush=True)
    if finding.remedy:
        print(f"         -> {clean(finding.remedy)}", flush=True)


def _coloured(verdict: Verdict, environment: Mapping[str, str] = os.environ) -> str:
    """The verdict's word, in colour on a terminal (unless NO_COLOR asks for none)."""
    colour = STYLES[verdict.value] if not environment.get("NO_COLOR") else None
    return typer.style(f"{verdict.value:<7}", fg=colour) if os.isatty(1) else f"{verdict.value:<7}"


def _summary(findings: list[Finding]) -> str:
    problems = sum(finding.verdict is Verdict.PROBLEM for finding in findings)
    warnings = sum(finding.verdict is Verdict.WARNING for finding in findings)
    if not problems and not warnings:
        return "\nAll is well."
    return f"\n{counted(problems, 'problem')}, {counted(warnings, 'warning')}."
