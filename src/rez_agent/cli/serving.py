"""The commands that start a server: serve, demo."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from rez_agent.cli.session import DONE, Session, command, put_json

PANEL = "The server"

Host = Annotated[str, typer.Option("--host", envvar="REZ_HOST", help="The address to listen on.")]
Port = Annotated[int, typer.Option("--port", envvar="REZ_PORT", help="The port; 0 takes a free one.")]
DataDir = Annotated[
    Path, typer.Option("--data-dir", envvar="REZ_DATA_DIR", metavar="DIR", help="Where everything is kept.")
]


def register(app: typer.Typer) -> None:
    """Put these commands on the command line."""
    for name, (function, examples) in COMMANDS.items():
        command(app, name, examples=examples, remote=False, panel=PANEL)(function)


def serve(
    session: Session,
    *,
    host: Host = "127.0.0.1",
    port: Port = 8080,
    data_dir: DataDir = Path("rez-data"),
    actions: Annotated[
        Path | None,
        typer.Option(
            "--actions", envvar="REZ_ACTIONS", metavar="FILE", help="The action catalogue and channels."
        ),
    ] = None,
    allow_target: Annotated[
        list[str] | None,
        typer.Option(
            "--allow-target",
            metavar="HOST|CIDR",
            help="A private target that may be called; repeatable (REZ_ALLOW_TARGET, commas between).",
        ),
    ] = None,
    concurrency: Annotated[
        int, typer.Option("--concurrency", envvar="REZ_CONCURRENCY", help="Attempts under way in all.")
    ] = 200,
    target_concurrency: Annotated[
        int,
        typer.Option("--target-concurrency", envvar="REZ_TARGET_CONCURRENCY", help="Attempts to one target."),
    ] = 100,
    checksums: Annotated[
        bool | None,
        typer.Option(
            "--checksums/--no-checksums",
            envvar="REZ_CHECKSUMS",
            help="Give every page of the database a checksum, or a new database none.",
        ),
    ] = None,
    heartbeat: Annotated[
        str | None,
        typer.Option(
            "--heartbeat", envvar="REZ_HEARTBEAT", metavar="URL", help="Pinged each minute while all is well."
        ),
    ] = None,
    alert_channel: Annotated[
        str | None,
        typer.Option(
            "--alert-channel",
            envvar="REZ_ALERT_CHANNEL",
            metavar="NAME",
            help="Where alert rules that name no channel send to.",
        ),
    ] = None,
    log_level: Annotated[
        str, typer.Option("--log-level", envvar="REZ_LOG_LEVEL", help="debug, info, warning or error.")
    ] = "info",
    ledger_days: Annotated[
        int, typer.Option("--ledger-days", envvar="REZ_LEDGER_DAYS", help="Days of history that are kept.")
    ] = 90,
    ledger_per_schedule: Annotated[
        int,
        typer.Option(
            "--ledger-per-schedule", envvar="REZ_LEDGER_PER_SCHEDULE", help="Executions kept of a schedule."
        ),
    ] = 10_000,
    quota: Annotated[
        int, typer.Option("--quota", envvar="REZ_QUOTA", help="Schedules that one owner may have.")
    ] = 2_000_000,
    requests_per_second: Annotated[
        int,
        typer.Option(
            "--requests-per-second",
            envvar="REZ_REQUESTS_PER_SECOND",
            help="Requests that one key may make a second; 0: no limit.",
        ),
    ] = 1_000,
) -> int:
    """Run the server, until Ctrl-C or SIGTERM; what is under way then finishes or goes back."""
    from rez_agent.local.serve import serve as run  # noqa: PLC0415 - the server's libraries are heavy
    from rez_agent.local.settings import LocalSettings  # noqa: PLC0415

    settings = LocalSettings(
        host=host,
        port=port,
        data_dir=data_dir,
        actions=actions,
        allow_target=tuple(allow_target or targets_of(os.environ.get("REZ_ALLOW_TARGET", ""))),
        concurrency=concurrency,
        target_concurrency=target_concurrency,
        checksums=checksums,
        heartbeat=heartbeat,
        alert_channel=alert_channel,
        log_level=log_level,
        ledger_days=ledger_days,
        ledger_per_schedule=ledger_per_schedule,
        quota=quota,
        requests_per_second=requests_per_second,
    ).checked()
    return run(settings, on_ready=lambda url: _ready(session, url, settings))


def targets_of(text: str) -> tuple[str, ...]:
    """``REZ_ALLOW_TARGET``: hosts and networks, separated by commas."""
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _ready(session: Session, url: str, settings: Any) -> None:
    """Say where it listens, and what to try."""
    if session.as_json:
        put_json({"event": "ready", "url": url, "data_dir": str(settings.data_dir), "pid": os.getpid()})
        return
    lines = [f"rez-agent serves {url}  (data in {settings.data_dir}; Ctrl-C stops it)"]
    if settings.on_loopback:
        lines += [
            f"Open {url}/ in a browser, or try:",
            f'  rez-agent create first "rate(1 minute)" --http https://example.com/{_elsewhere(url)}',
        ]
    print("\n".join(lines), file=sys.stderr, flush=True)


def _elsewhere(url: str) -> str:
    """The option that names a server that is not at the usual place."""
    return "" if url == "http://127.0.0.1:8080" else f" --url {url}"


def demo(
    session: Session,
    *,
    port: Annotated[
        int | None, typer.Option("--port", help="The port (8080, or a free one when that is taken).")
    ] = None,
    seconds: Annotated[
        float | None, typer.Option("--seconds", min=1, metavar="N", help="Stop after so long.")
    ] = None,
    data_dir: Annotated[
        Path | None,
        typer.Option("--data-dir", metavar="DIR", help="Keep the data here (else it is thrown away)."),
    ] = None,
) -> int:
    """See it work: a server, a target and three schedules, and all that happens, until Ctrl-C."""
    from rez_agent.cli.demo import run_demo  # noqa: PLC0415

    run_demo(session, port=port, seconds=seconds, data_dir=data_dir)
    return DONE


COMMANDS: dict[str, Any] = {
    "serve": (
        serve,
        (
            "rez-agent serve",
            "rez-agent serve --port 9000 --data-dir /var/lib/rez-agent --actions actions.yaml",
            "rez-agent serve --allow-target 192.168.1.20 --allow-target 10.0.0.0/8",
            "rez-agent keys create me --scope admin && rez-agent serve --host 0.0.0.0",
        ),
    ),
    "demo": (demo, ("rez-agent demo", "rez-agent demo --seconds 20")),
}
