"""An emulator as a process of its own, for as long as a block of code runs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

from infrastructure.aws_local.emulator import ACCOUNT, REGION

_STOP_SECONDS = 10


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A running emulator. The credentials are the account's root: they may do everything, under IAM too.

    ``api`` is where the HTTP API that is deployed there answers.
    """

    url: str
    api: str
    pid: int
    log: Path
    account: str = ACCOUNT
    region: str = REGION
    access_key: str = "test"
    secret_key: str = field(default="test", repr=False)

    def client(self, service: str, **config: Any) -> Any:
        """A boto3 client; ``config`` goes to botocore's ``Config``. Safe to share between threads."""
        session = boto3.session.Session()
        return session.client(
            service,
            endpoint_url=self.url,
            region_name=self.region,
            aws_access_key_id=self.access_key,
            aws_secret_access_key=self.secret_key,
            config=Config(**{"retries": {"max_attempts": 1}, **config}),
        )

    def runs(self) -> bool:
        """Whether its process, a child of this one, still runs."""
        return os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None

    def environment(self) -> dict[str, str]:
        """What a program that speaks to AWS needs in its environment to speak to this one."""
        return {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_DEFAULT_REGION": self.region,
            "AWS_REGION": self.region,
            "AWS_ACCESS_KEY_ID": self.access_key,
            "AWS_SECRET_ACCESS_KEY": self.secret_key,
        }


class NotStarted(Exception):
    """The emulator ended before it answered; the text is its log, ``status`` its exit status (2: a port)."""

    def __init__(self, log: str, status: int) -> None:
        super().__init__(log)
        self.status = status


@contextmanager
def emulator(
    *,
    firing: bool = True,
    auth: bool = False,
    port: int = 0,
    log: Path | None = None,
    record: Path | None = None,
) -> Iterator[Endpoint]:
    """Start an emulator, wait until it answers, and stop it at the end, also when this process dies.

    Without ``log`` its log is a file that is gone afterwards. ``record``, with ``auth``, gets a line of JSON
    ``{"principal", "action", "resource", "allowed"}`` for each of these that IAM was asked about. Raises
    :class:`NotStarted`.
    """
    with tempfile.TemporaryDirectory(prefix="aws-local-log-") as directory:
        log = log or Path(directory) / "emulator.log"
        with log.open("wb") as stream:
            process = subprocess.Popen(  # noqa: S603 - our own module
                [*_command(firing=firing, auth=auth, port=port, record=record)],
                cwd=Path(__file__).parents[2],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=stream,
                env={},
                start_new_session=True,  # an interrupt at the terminal is ours to hand on
            )
        try:
            yield _endpoint(process, log)
        finally:
            _stop(process)


def _command(*, firing: bool, auth: bool, port: int, record: Path | None) -> Iterator[str]:
    yield from (sys.executable, "-m", "infrastructure.aws_local.emulator", "--tied", "--port", str(port))
    if not firing:
        yield "--no-firing"
    if auth:
        yield "--auth"
    if record is not None:
        yield from ("--record", str(record.absolute()))


def _endpoint(process: subprocess.Popen[bytes], log: Path) -> Endpoint:
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line:
        process.wait()
        raise NotStarted(log.read_text().strip(), process.returncode)
    ready = json.loads(line)
    return Endpoint(ready["endpoint"], ready["api"], ready["pid"], log)


def _stop(process: subprocess.Popen[bytes]) -> None:
    for stream in (process.stdin, process.stdout):
        if stream is not None:
            stream.close()
    process.terminate()
    try:
        process.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
