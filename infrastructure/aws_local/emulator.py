"""AWS on loopback: ``python -m infrastructure.aws_local.emulator [--port N] [--no-firing] [--auth]``.

Starts ministack on 127.0.0.1 with what :mod:`infrastructure.aws_local.ministack_patches` mends, in an
environment of its own: nothing of the caller's environment reaches ministack or the functions that it runs.
Everything it holds is in memory or in a temporary directory, and gone when it stops.

When it answers, it prints one line of JSON, ``{"endpoint": "http://127.0.0.1:4566", "api":
"http://127.0.0.1:4567", "pid": 4711}``. It logs to standard error. SIGINT and SIGTERM stop it and every
function's process. Exit status 2: the port is taken.

``api`` is where the HTTP API of the stack is served, at the root as on AWS (ministack alone has it under a
path, where an absolute link leads astray): on the next port, or a free one where that is taken.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import socket
import sys
import tempfile
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hypercorn.asyncio import serve
from hypercorn.config import Config

from infrastructure.aws_local.gateway import App, Message, Receive, Send, api_at_root, guarded

HOST = "127.0.0.1"
REGION = "us-east-1"
ACCOUNT = "000000000000"


@dataclass(frozen=True, slots=True)
class Options:
    """How to run: ``port`` 0 takes a free one, ``auth`` enforces IAM, no ``firing`` lets nothing fall due."""

    port: int = 0
    firing: bool = True
    auth: bool = False
    tied: bool = False
    """Stop when standard input ends: no emulator outlives the process that started it."""
    record: Path | None = None
    """Where to write, with ``auth``, each principal, action and resource that was judged, once."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run until a signal comes; the exit status."""
    options = _read(arguments)
    try:
        aws = listen(options.port)
    except PortTaken as error:
        sys.stderr.write(f"{error}\n")
        return 2
    with tempfile.TemporaryDirectory(prefix="aws-local-", ignore_cleanup_errors=True) as home:
        port = aws.getsockname()[1]
        _isolate(Path(home), port, auth=options.auth)
        asyncio.run(_serve(aws, _beside(port), Path(home), options))
    return 0


class PortTaken(Exception):
    """Something else listens there; the text says what to do."""


def listen(port: int) -> socket.socket:
    """A listening socket on loopback, the system's choice of port for 0; PortTaken where it can't be had."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((HOST, port))
        listener.listen(512)
    except (OSError, OverflowError) as error:
        listener.close()
        raise PortTaken(
            f"port {port} of {HOST} cannot be had ({error}): "
            "stop what holds it, or choose another port (0 takes a free one)"
        ) from error
    return listener


def _beside(port: int) -> socket.socket:
    """A listening socket on the port after ``port``, or on any free one."""
    try:
        return listen(port + 1)
    except PortTaken:
        return listen(0)


def _read(arguments: Sequence[str] | None) -> Options:
    parser = argparse.ArgumentParser(prog="python -m infrastructure.aws_local.emulator")
    parser.add_argument("--port", type=int, default=0, help="the port on 127.0.0.1 (default: a free one)")
    parser.add_argument("--no-firing", action="store_true", help="keep schedules, but let none fall due")
    parser.add_argument("--auth", action="store_true", help="enforce IAM")
    parser.add_argument("--tied", action="store_true", help="stop when standard input ends")
    parser.add_argument(
        "--record", type=Path, help="with --auth: a file for what IAM was asked, line by line"
    )
    given = parser.parse_args(arguments)
    return Options(given.port, not given.no_firing, given.auth, given.tied, given.record)


def _isolate(home: Path, port: int, *, auth: bool) -> None:
    """Replace the environment. ministack reads it when imported, and hands it on to every function."""
    os.environ.clear()
    os.environ.update(
        PATH="/usr/local/bin:/usr/bin:/bin",
        HOME=str(home),
        TMPDIR=str(home),
        LANG="en_US.UTF-8",
        TZ=":UTC",
        AWS_EXECUTION_ENV="AWS_Lambda_python3.11",
        AWS_EC2_METADATA_DISABLED="true",
        BIND_HOST=HOST,
        MINISTACK_HOST=HOST,
        MINISTACK_REGION=REGION,
        GATEWAY_PORT=str(port),
        AUTH=str(auth).lower(),
        IOT_MTLS_ENABLED="0",
        SFTP_ENABLED="0",
        LOG_LEVEL="INFO",
    )
    tempfile.tempdir = None  # it is looked up in TMPDIR once and remembered


async def _serve(aws: socket.socket, api: socket.socket, home: Path, options: Options) -> None:
    # Imported late: it reads the environment that _isolate has just set.
    from infrastructure.aws_local import ministack_patches  # noqa: PLC0415

    ports = aws.getsockname()[1], api.getsockname()[1]
    stop = ministack_patches.apply(home, f"http://{HOST}:{ports[1]}", options.record, firing=options.firing)
    config = Config()
    config.bind = [f"fd://{listener.detach()}" for listener in (aws, api)]
    config.keep_alive_timeout = 75
    config.graceful_timeout = 1
    config.loglevel = "WARNING"
    stopped = _stop_signals(tied=options.tied)
    api_served = api_at_root(ministack_patches.application(), ports[1], ministack_patches.http_api)
    app = _announcing(guarded(api_served), *ports)
    try:
        await serve(app, config, shutdown_trigger=stopped.wait)  # type: ignore[arg-type]
    finally:
        stop()


def _stop_signals(*, tied: bool) -> asyncio.Event:
    """An event that SIGINT, SIGTERM or, where ``tied``, the end of standard input sets."""
    loop = asyncio.get_running_loop()
    stopped = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopped.set)

    def watch() -> None:
        sys.stdin.buffer.read()
        loop.call_soon_threadsafe(stopped.set)

    if tied:
        threading.Thread(target=watch, daemon=True, name="tied").start()
    return stopped


def _announcing(app: App, port: int, api_port: int) -> App:
    """``app``, which says on standard output that it is ready once it has started."""

    async def announced(scope: Message, receive: Receive, send: Send) -> None:
        async def told(message: Message) -> None:
            await send(message)
            if message["type"] == "lifespan.startup.complete":
                urls = {"endpoint": f"http://{HOST}:{port}", "api": f"http://{HOST}:{api_port}"}
                sys.stdout.write(json.dumps({**urls, "pid": os.getpid()}) + "\n")
                sys.stdout.flush()

        await app(scope, receive, told if scope["type"] == "lifespan" else send)

    return announced


if __name__ == "__main__":
    sys.exit(main())
