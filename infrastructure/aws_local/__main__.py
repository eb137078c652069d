"""``make aws-local``: a whole AWS on this machine with the stack deployed to it, until a signal stops it.

Prints the commands to try and, as its last line, ``{"endpoint": ..., "api": ..., "outputs": {...}}``. Exit
status 0 when SIGINT or SIGTERM ended it, 2 when the port is taken or the functions' zips are not there, 1 for
anything else that went wrong.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

from infrastructure.aws_local.deployment import NotDeployed, actions_file, deploy, missing_zips
from infrastructure.aws_local.process import Endpoint, NotStarted, emulator
from infrastructure.aws_local.words import welcome
from rez_agent.domain.errors import Invalid

_SETTINGS = {"auth": "none", "allowTarget": "127.0.0.0/8"}
"""What differs from a stage on AWS: nobody else is here, and the targets are on this machine."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run until a signal comes; the exit status."""
    given = _read(arguments)
    if missing := missing_zips(given.zips):
        names = ", ".join(str(path) for path in missing)
        sys.stderr.write(f"aws-local: there is no {names}. Run `make build` first\n")
        return 2
    try:
        return _run(given, _stop_signals())
    except NotStarted as error:
        sys.stderr.write(f"aws-local: {error}\n")
        return error.status
    except (Invalid, NotDeployed) as error:
        sys.stderr.write(f"aws-local: the stack could not be made\n{error}\n")
        return 1


def _read(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make aws-local")
    parser.add_argument("--port", type=int, default=0, help="the port on 127.0.0.1 (default: a free one)")
    parser.add_argument("--stage", default="dev", help="the stage to deploy (dev)")
    parser.add_argument("--zips", type=Path, default=Path("build"), help="where the functions' zips are")
    parser.add_argument("--log", type=Path, default=Path("build/aws-local.log"), help="where the log goes")
    parser.add_argument("--record", type=Path, help="a file for what IAM is asked, line by line")
    return parser.parse_args(arguments)


def _run(given: argparse.Namespace, stopped: threading.Event) -> int:
    given.log.parent.mkdir(parents=True, exist_ok=True)
    with emulator(auth=True, port=given.port, log=given.log, record=given.record) as endpoint:
        from infrastructure.synth import synthesize  # noqa: PLC0415 - late: loading Pulumi takes a second

        settings = {**_SETTINGS, "actions": file} if (file := actions_file(given.zips)) else _SETTINGS
        deployment = deploy(endpoint, synthesize(given.stage, **settings), given.zips, given.stage)
        _announce(endpoint, dict(deployment.outputs))
        while not stopped.wait(0.5):
            if not endpoint.runs():
                sys.stderr.write(f"aws-local: the emulator has ended by itself; its log is {given.log}\n")
                return 1
    return 0


def _announce(endpoint: Endpoint, outputs: dict[str, str]) -> None:
    line = json.dumps({"endpoint": endpoint.url, "api": endpoint.api, "outputs": outputs})
    sys.stdout.write(f"{welcome(endpoint, outputs)}\n\n{line}\n")
    sys.stdout.flush()


def _stop_signals() -> threading.Event:
    """An event that SIGINT and SIGTERM set from now on."""
    stopped = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopped.set())
    return stopped


if __name__ == "__main__":
    sys.exit(main())
