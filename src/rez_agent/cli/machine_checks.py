"""The doctor's look at this machine: data directory, disk, clock, time zones, catalogue, secrets, port."""

from __future__ import annotations

import os
import shutil
import socket
import stat
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from rez_agent.cli.client import is_loopback
from rez_agent.cli.finding import Finding, ok, problem, warning
from rez_agent.domain.errors import Invalid, RezError
from rez_agent.domain.telling import length

MEBIBYTE = 1024 * 1024
DISK_LOW, DISK_FULL = 1024 * MEBIBYTE, 100 * MEBIBYTE
CHECK_UP_TO = 2048 * MEBIBYTE
"""Bytes of a database that is read through without being asked to."""

SLOW_SYNC_SECONDS = 0.1
CLOCK_WATCHED_SECONDS = 0.3
CLOCK_DRIFT_ALLOWED = 0.05


def data_directory(data_dir: Path, *, thorough: bool) -> Iterator[Finding]:
    """The directory itself, who owns it, its disk, its database."""
    check = "data directory"
    if not data_dir.exists():
        remedy = "`rez-agent serve` makes it. If there should be data, name its place: --data-dir DIR."
        yield warning(check, f"There is no {data_dir} yet.", remedy)
        return
    if not data_dir.is_dir() or not os.access(data_dir, os.R_OK | os.W_OK | os.X_OK):
        remedy = f"Make it a directory of the server's user: chown and chmod 700 {data_dir}."
        yield problem(check, f"{data_dir} can't be written by this user.", remedy)
        return
    yield _permissions(data_dir)
    yield _holder(data_dir)
    yield from _disk(data_dir)
    yield _database(data_dir, thorough=thorough)


def _permissions(data_dir: Path) -> Finding:
    open_to_others = [
        str(path)
        for path in (data_dir, data_dir / "secrets", *sorted((data_dir / "secrets").glob("*")))
        if path.exists() and stat.S_IMODE(path.stat().st_mode) & 0o077
    ]
    if not open_to_others:
        return ok("permissions", f"{data_dir} is the server's user's alone.")
    text = f"Others on this machine can read {', '.join(open_to_others[:5])}."
    return warning("permissions", text, f"chmod -R go= {data_dir}")


def _holder(data_dir: Path) -> Finding:
    from rez_agent.local.inspection import lock_holder  # noqa: PLC0415 - only where a database is looked at

    holder = lock_holder(data_dir)
    text = f"Process {holder} serves {data_dir}." if holder else f"No server runs on {data_dir}."
    return ok("lock", text)


def _disk(data_dir: Path) -> Iterator[Finding]:
    free = shutil.disk_usage(data_dir).free
    text = f"{free // MEBIBYTE} MiB are free for {data_dir}."
    if free < DISK_FULL:
        yield problem("disk", text, "Free some space: with none left nothing is accepted and nothing fires.")
    elif free < DISK_LOW:
        yield warning("disk", text, "Free some space, or keep less history.")
    else:
        yield ok("disk", text)
    took = sync_seconds(data_dir)
    if took > SLOW_SYNC_SECONDS:
        remedy = "Every change waits for the disk. Use a local disk, and send changes in batches."
        yield warning("disk speed", f"The disk took {length(took)} to make a write durable.", remedy)
    else:
        yield ok("disk speed", f"A write is durable within {length(took)}.")


def sync_seconds(directory: Path) -> float:
    """How long the disk takes to make a small write durable."""
    with tempfile.NamedTemporaryFile(dir=directory, prefix=".doctor-") as file:
        began = time.monotonic()
        file.write(b"durable?")
        file.flush()
        os.fsync(file.fileno())
        return time.monotonic() - began


def _database(data_dir: Path, *, thorough: bool) -> Finding:
    from rez_agent.local.inspection import database_state  # noqa: PLC0415

    state = database_state(data_dir, check_up_to=2**63 if thorough else CHECK_UP_TO)
    if state is None:
        return ok("database", "There is none yet.")
    if state.damage:
        remedy = "Stop the server and restore a backup: rez-agent restore FILE --force."
        return problem("database", f"The database is damaged: {state.damage[0]}.", remedy)
    if state.schema > state.known_schema:
        text = f"The database has schema {state.schema}; this program knows up to {state.known_schema}."
        return problem("database", text, "Use the program that wrote it, or a newer one.")
    size = f"{state.size // MEBIBYTE} MiB, schema {state.schema}"
    if state.damage is None:
        return ok("database", f"{size}; not read through for its size (--thorough does).")
    return ok("database", f"{size}; read through and whole.")


def clock(
    wall: Callable[[], float], monotonic: Callable[[], float], sleep: Callable[[float], None]
) -> Finding:
    """Whether the wall clock goes as fast as time does."""
    wall_before, before = wall(), monotonic()
    sleep(CLOCK_WATCHED_SECONDS)
    drift = (wall() - wall_before) - (monotonic() - before)
    if abs(drift) > CLOCK_DRIFT_ALLOWED:
        text = f"The wall clock moved by {drift:+.2f} s against time itself while it was watched."
        return warning("clock", text, "Something steps it: look after the time service, such as chrony.")
    return ok("clock", "The wall clock goes as time does.")


def clock_against(server_date: datetime | None, now: datetime) -> Iterator[Finding]:
    """Whether the server's clock agrees with this machine's; ``server_date`` has whole seconds."""
    if server_date is None:
        return
    apart = (server_date - now).total_seconds()
    if abs(apart) > 5:
        remedy = "Schedules follow the server's clock. Let a time service set both."
        yield warning("server's clock", f"It is {apart:+.0f} s from this machine's.", remedy)
    else:
        yield ok("server's clock", "It agrees with this machine's.")


def time_zones(now: datetime) -> Finding:
    """Whether the zones' rules are there, and not too old."""
    from rez_agent.domain.zones import IANA_VERSION, zone, zone_names  # noqa: PLC0415

    try:
        zone("Europe/Berlin")
        count = len(zone_names())
    except (KeyError, AssertionError, OSError) as error:
        text = f"The time zones' rules can't be read: {error}."
        return problem("time zones", text, "Install the package again: its dependency tzdata is damaged.")
    text = f"The tz database is {IANA_VERSION}, with {count} zones."
    if int(IANA_VERSION[:4]) < now.year - 1:
        return warning("time zones", text, "Governments change rules: upgrade the package tzdata.")
    return ok("time zones", text)


def action_catalogue(file: Path | None) -> Iterator[Finding]:
    """Whether the catalogue can be read."""
    if file is None:
        return
    from rez_agent.actions.build import read_actions_file  # noqa: PLC0415

    try:
        entries, channels = read_actions_file(file)
    except Invalid as error:
        for fault in error.problems:
            place = f" ({fault.pointer})" if fault.pointer else ""
            yield problem("actions", f"{fault.message}{place}", f"Mend {file}: no server starts with it.")
        return
    yield ok("actions", f"{file} has {len(entries)} actions and {len(channels)} channels.")


def missing_secrets(data_dir: Path, schedules: Iterable[Mapping[str, Any]]) -> Iterator[Finding]:
    """Whether every secret that schedules refer to is there."""
    if not data_dir.is_dir():
        return
    kept = {path.name for path in (data_dir / "secrets").glob("*")}
    wanted: dict[str, str] = {}
    for schedule in schedules:
        for name in references(schedule.get("payload")):
            wanted.setdefault(name, str(schedule["name"]))
    missing = {name: needed_by for name, needed_by in wanted.items() if name not in kept}
    for name, needed_by in sorted(missing.items()):
        remedy = f"rez-agent secrets set {name} --host HOST --data-dir {data_dir}"
        yield problem("secrets", f"The secret '{name}' is missing; '{needed_by}' needs it.", remedy)
    if wanted and not missing:
        yield ok("secrets", f"All {len(wanted)} secrets that schedules refer to are there.")


def references(value: Any) -> Iterator[str]:
    """The names of the secrets that a payload refers to: ``{"secret": NAME}``, wherever it stands."""
    if isinstance(value, Mapping):
        if set(value) == {"secret"} and isinstance(value["secret"], str):
            yield value["secret"]
        for inner in value.values():
            yield from references(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from references(inner)


def port(url: str, error: RezError) -> Finding:
    """Why nothing of ours answers at ``url``: nobody listens there, or somebody else does."""
    if error.code == "timeout":
        return problem("server", error.message, "It is stuck or overloaded: read its log, start it again.")
    parts = urlsplit(url)
    number = parts.port or (443 if parts.scheme == "https" else 80)
    if is_loopback(url) and not _free(parts.hostname or "127.0.0.1", number):
        remedy = f"Another program listens on port {number} (ss -ltnp shows which): serve on another --port."
        return problem("server", f"{error.message} Port {number} is in use.", remedy)
    remedy = "Start it: rez-agent serve." if is_loopback(url) else "Compare the address; ask who runs it."
    return problem("server", error.message, remedy)


def _free(host: str, number: int) -> bool:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, number))
        except OSError:
            return False
    return True
