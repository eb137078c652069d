"""The real program as a process: started, asked, killed, as its users do it."""

from __future__ import annotations

import http.client
import json
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

READY_SECONDS = 60.0
"""How long a start may take on a busy machine."""

POLL_SECONDS = 0.02


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer of the REST API. ``body`` is the JSON document, None when there is none."""

    status: int
    headers: Mapping[str, str]
    body: Any


class Program:
    """``rez-agent serve`` over one data directory; may be started again after it has ended.

    It takes a free port at its first start and keeps it. What it logs is in ``log``. ``environment``: not the
    tests' own.
    """

    def __init__(
        self,
        data_dir: Path,
        *options: str,
        log: Path | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self._data_dir = data_dir
        self._options = options
        self._environment = environment
        self._process: subprocess.Popen[str] | None = None
        self._port = 0
        self._ready = False
        self.log = log or data_dir.with_name(data_dir.name + ".log")

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()

    @property
    def pid(self) -> int:
        """The process that was started last."""
        assert self._process is not None
        return self._process.pid

    @property
    def port(self) -> int:
        """Where it answers; known after the first start."""
        return self._port

    def start(self) -> Self:
        """Start it, and wait until it is ready."""
        self.spawn()
        self.wait_ready()
        return self

    def spawn(self) -> None:
        """Start it, and wait for nothing."""
        command = [sys.executable, "-m", "rez_agent.cli.main", "--json", "serve", *self._options]
        command += ["--port", str(self._port), "--data-dir", str(self._data_dir)]
        self._ready = False
        with self.log.open("a") as log:
            self._process = subprocess.Popen(
                command, stdout=subprocess.PIPE, stderr=log, text=True, env=self._environment
            )

    def wait_ready(self) -> None:
        """Until it says that requests are answered. Fails with its log if it ends before."""
        if self._ready:
            return
        assert self._process is not None
        assert self._process.stdout is not None
        readable, _, _ = select.select([self._process.stdout], [], [], READY_SECONDS)
        line = self._process.stdout.readline() if readable else ""
        if not line:
            raise AssertionError(f"not ready: {self.log.read_text()[-2_000:]}")
        self._port = urlsplit(json.loads(line)["url"]).port or 0
        self._ready = True

    def kill(self) -> None:
        """SIGKILL, as by ``kill -9``. Nothing if it has ended."""
        self._end(signal.SIGKILL)

    def terminate(self) -> int:
        """SIGTERM; its exit code once it has ended."""
        return self._end(signal.SIGTERM)

    def _end(self, how: signal.Signals) -> int:
        assert self._process is not None
        if self._process.poll() is None:
            self._process.send_signal(how)
        code = self._process.wait(READY_SECONDS)
        if self._process.stdout is not None:
            self._process.stdout.close()
        return code

    def get(self, path: str) -> Answer:
        """GET."""
        return self.ask("GET", path)

    def post(self, path: str, body: Any = None, headers: Mapping[str, str] | None = None) -> Answer:
        """POST ``body`` as JSON."""
        return self.ask("POST", path, body, headers)

    def ask(
        self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """One request on a connection of its own. Raises OSError or HTTPException when it gets no answer."""
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=30)
        try:
            sent = None if body is None else json.dumps(body)
            connection.request(
                method, path, sent, {"Content-Type": "application/json", **dict(headers or {})}
            )
            response = connection.getresponse()
            data = response.read()
            return Answer(response.status, dict(response.headers), json.loads(data) if data else None)
        finally:
            connection.close()

    def pages(self, path: str) -> list[Any]:
        """The items of a list, all its pages."""
        items: list[Any] = []
        cursor = ""
        while True:
            page = self.get(f"{path}&cursor={cursor}" if cursor else path).body
            items += page["items"]
            cursor = page["next_cursor"]
            if not cursor:
                return items


def web_action(name: str, expression: str, url: str, **more: Any) -> dict[str, Any]:
    """A schedule's definition: POST a small body to ``url``."""
    return {
        "name": name,
        "schedule_expression": expression,
        "target_type": "web_action",
        "payload": {"action": "http", "method": "POST", "url": url, "body": {"n": 1}},
        **more,
    }


def at(seconds: float) -> str:
    """``at(...)`` for a whole second since 1970."""
    return f"at({datetime.fromtimestamp(int(seconds), UTC):%Y-%m-%dT%H:%M:%S})"


def eventually(holds: Callable[[], bool], within: float, what: str, *, every: float = POLL_SECONDS) -> None:
    """Look ``every`` so many seconds until it holds; fails when it does not ``within`` so many."""
    end = time.monotonic() + within
    while not holds():
        assert time.monotonic() < end, f"not within {within} s: {what}"
        time.sleep(every)
