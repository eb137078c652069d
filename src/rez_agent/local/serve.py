"""Serving: the local host behind its web layer, from start to a clean stop."""

from __future__ import annotations

import asyncio
import gc
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread

import structlog
import uvicorn
import uvloop

from rez_agent import __version__
from rez_agent.domain.errors import Invalid, Unavailable
from rez_agent.local.build import Built, build
from rez_agent.local.database import DATABASE_FILE, locked, open_reader, quick_check
from rez_agent.local.failing import DAMAGED, STORAGE_FAILS, UNAVAILABLE, is_damage
from rez_agent.local.logs import configure_logs
from rez_agent.local.settings import LocalSettings
from rez_agent.usecases.keys import list_keys
from rez_agent.web.app import create_app
from rez_agent.web.settings import WebSettings

GRACE_SECONDS = 10.0
"""What running actions get to end in, after a stop was asked for."""

CHECKED_FIRST_BYTES = 64 * 1024 * 1024
"""A database up to this size is checked before the server is ready; a larger one in the background."""

HTTP_GRACE_SECONDS = 5
"""What requests under way get to be answered in."""

BACKLOG = 2_048
GARBAGE_THRESHOLDS = (50_000, 20, 50)

log = structlog.get_logger()


def serve(settings: LocalSettings, *, on_ready: Callable[[str], None] = lambda _url: None) -> int:
    """Serve until SIGTERM or SIGINT; the exit code. ``on_ready`` is told the URL once requests are answered.

    Raises Invalid for settings that can't be, Unavailable when the data directory or the port is taken.
    """
    settings.checked()
    configure_logs(settings.log_level)
    with locked(settings.data_dir), _listening(settings) as listener:
        built = _built(settings)
        try:
            _check_database(built)
            _collect_garbage_less_often()
            uvloop.run(_serve(built, settings, listener, on_ready))
        finally:
            built.writer.close()
    return 0


async def _serve(
    built: Built, settings: LocalSettings, listener: socket.socket, on_ready: Callable[[str], None]
) -> None:
    host = built.host
    await built.actions.start()
    await host.start()
    try:
        await _require_keys(built, settings)
        app = create_app(
            host,
            settings=WebSettings(
                open_access=settings.on_loopback,
                hosts=(settings.host,),
                requests_per_second=settings.requests_per_second,
                quota=settings.quota,
                alert_channel=settings.alert_channel,
                version=__version__,
            ),
            registry=built.registry,
            refresh_metrics=host.refresh_metrics,
        )
        server = _Server(
            uvicorn.Config(
                app,
                lifespan="off",
                timeout_graceful_shutdown=HTTP_GRACE_SECONDS,
                log_config=None,
                access_log=False,
                backlog=BACKLOG,
            )
        )
        server.stop_on_signals()
        url = _url(settings, listener)
        log.info("ready", action="ready", url=url, open=settings.on_loopback)
        on_ready(url)
        await server.serve(sockets=[listener])
    finally:
        log.info("stopping", action="stopping")
        await host.stop(GRACE_SECONDS)
        await built.actions.close()


async def _require_keys(built: Built, settings: LocalSettings) -> None:
    if settings.on_loopback or await built.host.read(lambda ports: bool(list_keys(ports))):
        return
    raise Invalid(
        f"On {settings.host} anyone who reaches this machine could use the server, and there are no keys. "
        "Make one with `rez-agent keys create NAME --scope admin`, or listen on 127.0.0.1.",
        code="keys_required",
    )


class _Server(uvicorn.Server):
    """A uvicorn server that leaves signals to us: its own way raises them again before we have stopped."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    def stop_on_signals(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._ask_to_exit)

    def _ask_to_exit(self) -> None:
        self.should_exit = True


def _collect_garbage_less_often() -> None:
    """What was made at start lives as long as the process, and the work makes few cycles: looking through
    all of it thousands of times in a burst costs a tenth of the burst."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*GARBAGE_THRESHOLDS)


@contextmanager
def _listening(settings: LocalSettings) -> Iterator[socket.socket]:
    """A bound socket. Raises Unavailable ``port_taken`` or ``bad_address``."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            settings.host, settings.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(BACKLOG)
    except OSError as error:
        place = f"{settings.host}:{settings.port}"
        text = f"Can't listen on {place}: {error.strerror}. Choose another --host or --port."
        raise Unavailable(text, code="port_taken") from None
    with listener:
        yield listener


def _url(settings: LocalSettings, listener: socket.socket) -> str:
    name = f"[{settings.host}]" if ":" in settings.host else settings.host
    return f"http://{name}:{listener.getsockname()[1]}"


def _built(settings: LocalSettings) -> Built:
    """The host. Raises Unavailable ``database_damaged`` or ``storage_unavailable`` where the database can't
    even be opened."""
    try:
        return build(settings)
    except STORAGE_FAILS as error:
        database = settings.data_dir / DATABASE_FILE
        if is_damage(error):
            raise Unavailable(_damaged(database, [str(error)]), code=DAMAGED) from None
        text = f"{database} can't be opened: {error}. See to the disk: is it full, or read-only?"
        raise Unavailable(text, code=UNAVAILABLE) from None


def _check_database(built: Built) -> None:
    """Raises Unavailable ``database_damaged`` for a small one; a large one is checked while it serves."""
    if built.database.stat().st_size > CHECKED_FIRST_BYTES:
        Thread(target=_check_in_background, args=(built,), name="check", daemon=True).start()
        return
    damage = quick_check(built.writer)
    if damage:
        raise Unavailable(_damaged(built.database, damage), code="database_damaged")


def _check_in_background(built: Built) -> None:
    reader = open_reader(built.database)
    try:
        damage = quick_check(reader)
    finally:
        reader.close()
    if damage:
        log.error("database_damaged", action="database_damaged", damage=damage)
        built.host.found_damage(damage)


def _damaged(database: Path, damage: list[str]) -> str:
    return (
        f"{database} is damaged: {damage[0]}. Stop here and restore a backup: rez-agent restore FILE --force."
    )
