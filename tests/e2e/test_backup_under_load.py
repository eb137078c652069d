"""``rez-agent backup`` while the server fires and takes creates, and what is restored from it."""

from __future__ import annotations

import http.client
import json
import os
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path

import pytest

from tests.e2e.conftest import Serve
from tests.e2e.program import Program, at, eventually, web_action
from tests.e2e.recorder import Recorder

pytestmark = pytest.mark.e2e

BACKUPS = 4 if "REZ_NIGHTLY" in os.environ else 2
FIRING = 300


class Creates:
    """Creates schedules on threads of its own, as fast as they are acknowledged."""

    def __init__(self, server: Program, target: Recorder, threads: int) -> None:
        self._server = server
        self._target = target
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._run, args=(n,)) for n in range(threads)]
        self.acknowledged: list[str] = []

    def __enter__(self) -> Creates:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _run(self, thread: int) -> None:
        number = 0
        while not self._stop.is_set():
            number += 1
            name = f"made-{thread}-{number}"
            body = web_action(name, "at(2090-01-01T00:00:00)", self._target.url(f"/{name}"))
            body["payload"]["body"] = {"text": "x" * 20_000}
            try:
                answer = self._server.post("/api/schedules", body)
            except (OSError, http.client.HTTPException):
                continue
            if answer.status == 202:
                self.acknowledged.append(name)


def program(*arguments: str) -> None:
    """A command of the program, which must succeed."""
    command = [sys.executable, "-m", "rez_agent.cli.main", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("options", [("--no-checksums",), ("--checksums",)], ids=["plain", "with-checksums"])
def test_what_was_acknowledged_before_a_backup_began_is_restored_from_it(
    serve: Serve, data_dir: Path, target: Recorder, tmp_path: Path, options: tuple[str, ...]
) -> None:
    server = serve("--requests-per-second", "0", *options)
    soon = time.time() + 5
    firing = [
        web_action(f"fires-{number}", at(soon + number % 4), target.url(f"/{number}"))
        for number in range(FIRING)
    ]
    assert server.post("/api/schedules/batch", {"schedules": firing}).body["refused"] == 0
    promised: list[tuple[Path, set[str]]] = []
    with Creates(server, target, 3) as creates:
        for number in range(BACKUPS):
            after = len(creates.acknowledged)
            eventually(lambda more=after + 20: len(creates.acknowledged) > more, 30, "more creates")  # type: ignore[misc]
            before = set(creates.acknowledged)
            file = tmp_path / f"backup-{number}"
            program("backup", str(file), "--data-dir", str(data_dir))
            promised.append((file, before))
    server.terminate()

    for file, before in promised:
        restored = tmp_path / f"restored-{file.name}"
        program("restore", str(file), "--data-dir", str(restored))
        with Program(restored, "--allow-target", "127.0.0.1", *options) as again:
            names = {schedule["name"] for schedule in again.pages("/api/schedules?limit=500")}
            assert before | {schedule["name"] for schedule in firing} <= names
            finished(again)
    assert {request.path for request in target.received()} >= {f"/{number}" for number in range(FIRING)}
    print(json.dumps([len(before) for _, before in promised]))


def finished(server: Program) -> None:
    """Everything that fell due ends, once: a restored server makes good what its backup does not know."""

    def all_done() -> bool:
        ended = server.pages("/api/executions?limit=500")
        counts = Counter((one["schedule_id"], one["status"]) for one in ended)
        return (
            len(ended) == FIRING and set(counts.values()) == {1} and {s for _, s in counts} == {"succeeded"}
        )

    eventually(all_done, 60, "every execution", every=0.3)
