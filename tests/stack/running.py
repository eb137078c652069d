"""The whole stack on this machine, as ``make aws-local`` starts it: asked as its users do, and stopped."""

from __future__ import annotations

import http.client
import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3
from botocore.config import Config

from tests.e2e.program import Answer

ROOT = Path(__file__).parents[2]
STAGE = "dev"
REGION = "us-east-1"


@dataclass(frozen=True, slots=True)
class Stack:
    """A deployed stage. ``endpoint`` is AWS's, ``api`` the REST API's, ``outputs`` the stack's; ``zips`` has
    its functions, ``asked`` what IAM was asked."""

    endpoint: str
    api: str
    outputs: Mapping[str, str]
    zips: Path
    asked: Path
    secrets: Mapping[str, str] = field(repr=False)

    @property
    def environment(self) -> dict[str, str]:
        """What a program needs in its environment to speak to this AWS."""
        return {"AWS_ENDPOINT_URL": self.endpoint, "AWS_DEFAULT_REGION": REGION, **self.secrets}

    def client(self, service: str) -> Any:
        """A client of one of AWS's services, with every right."""
        return boto3.client(
            service,
            endpoint_url=self.endpoint,
            region_name=REGION,
            aws_access_key_id=self.secrets["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=self.secrets["AWS_SECRET_ACCESS_KEY"],
            config=Config(retries={"max_attempts": 1}),
        )

    def ask(
        self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """One request to the REST API."""
        place = urlsplit(self.api)
        connection = http.client.HTTPConnection(place.hostname or "", place.port, timeout=40)
        try:
            sent = None if body is None else json.dumps(body)
            asked = {"Content-Type": "application/json", **dict(headers or {})}
            connection.request(method, place.path.rstrip("/") + path, sent, asked)
            response = connection.getresponse()
            data = response.read()
            return Answer(response.status, dict(response.headers), json.loads(data) if data else None)
        finally:
            connection.close()

    def get(self, path: str) -> Answer:
        """GET."""
        return self.ask("GET", path)

    def post(self, path: str, body: Any = None, headers: Mapping[str, str] | None = None) -> Answer:
        """POST ``body`` as JSON."""
        return self.ask("POST", path, body, headers)

    def history(self, schedule_id: str) -> list[Any]:
        """A schedule's executions, newest first."""
        items: list[Any] = self.get(f"/api/schedules/{schedule_id}/executions?limit=100").body["items"]
        return items


@contextmanager
def running_stack(zips: Path, asked: Path) -> Iterator[Stack]:
    """Start what ``make aws-local`` runs on a free port, with the functions in ``zips``, and stop it as a
    person does. What IAM was asked is written to the file ``asked``, line by line."""
    command = [sys.executable, "-m", "infrastructure.aws_local"]
    command += ["--zips", str(zips), "--record", str(asked)]
    command += ["--log", str(asked.with_name("aws-local.log"))]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield _stack(process, zips, asked)
        finally:
            process.send_signal(signal.SIGINT)
            assert process.stdout is not None
            process.stdout.read()
        assert process.wait(30) == 0


def _stack(process: subprocess.Popen[str], zips: Path, asked: Path) -> Stack:
    assert process.stdout is not None
    said: list[str] = []
    for line in process.stdout:
        said.append(line)
        if line.startswith("{"):
            told = json.loads(line)
            return Stack(told["endpoint"], told["api"], told["outputs"], zips, asked, CREDENTIALS)
    raise AssertionError("aws-local ended: " + "".join(said))


CREDENTIALS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
"""The emulated account's root."""


def eventually(holds: Callable[[], Any], seconds: float, what: str) -> Any:
    """What ``holds`` gives once it gives something true. Fails after ``seconds``, naming ``what`` it was."""
    until = time.monotonic() + seconds
    while True:
        found = holds()
        if found:
            return found
        assert time.monotonic() < until, f"not in {seconds} s: {what}"
        time.sleep(0.1)
