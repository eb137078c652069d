"""The real process on a disk that fills up, on one that is read-only, and two processes on one directory."""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.e2e.conftest import Serve
from tests.e2e.program import Program, at, eventually, web_action
from tests.e2e.recorder import Recorder

pytestmark = pytest.mark.e2e

NIGHTLY = "REZ_NIGHTLY" in os.environ
LIVES, EPISODES = (5, 20) if NIGHTLY else (1, 3)
SMALL_DISK = "768m" if NIGHTLY else "80m"
"""Until the disk is found full, the log is filled: 16 MiB and more go into the database in each episode."""

LOG = "log"
"""What the process logs is on the small disk too."""

PATIENCE_SECONDS = 60.0
STOPPED_SECONDS = 30.0 if NIGHTLY else 3.0
UNDER_WAY = 50
PAYLOAD = "x" * 30_000


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A small disk of its own."""
    place = tmp_path / "small"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={SMALL_DISK}", "tmpfs", str(place)],
        capture_output=True,
        check=False,
    )
    if mounted.returncode:
        pytest.skip("mounting a disk needs root")
    yield place
    subprocess.run(["umount", "--lazy", str(place)], check=True)


def fill(disk: Path) -> None:
    """Leave no byte of it free, nor one in the last page of the log."""
    for name, size in (("filling", 2**20), ("filling", 4_096), (LOG, 1)):
        with suppress(OSError), (disk / name).open("ab", buffering=0) as file:
            while True:
                file.write(b"\n" * size)


def free(disk: Path) -> None:
    (disk / "filling").unlink()


class Writes:
    """Creates schedules, and keeps which were acknowledged and which refused."""

    def __init__(self, server: Program, target: Recorder) -> None:
        self._server = server
        self._target = target
        self._number = 0
        self.acknowledged: list[str] = []
        self.refused: list[str] = []

    def one(self) -> bool:
        """One more; whether it was acknowledged."""
        self._number += 1
        name = f"s{self._number}"
        body = web_action(name, "at(2090-01-01T00:00:00)", self._target.url(f"/{name}"), description="")
        body["payload"]["body"] = {"text": PAYLOAD}
        answer = self._server.post("/api/schedules", body)
        if answer.status == 202:
            self.acknowledged.append(name)
            return True
        assert (answer.status, answer.body["code"]) == (503, "storage_unavailable"), answer.body
        assert "Nothing was changed" in answer.body["detail"]
        assert answer.headers["retry-after"]
        self.refused.append(name)
        return False

    def there(self, name: str) -> bool:
        """Whether it can be read."""
        return bool(self._server.get(f"/api/schedules?name={quote(name)}").body["items"])


@pytest.mark.parametrize("life", range(LIVES))
def test_on_a_full_disk_writes_are_refused_reads_go_on_and_all_is_well_once_there_is_space(
    small: Path, target: Recorder, life: int
) -> None:
    with Program(small / "data", "--allow-target", "127.0.0.1", log=small / LOG) as server:
        writes, longest = Writes(server, target), 0.0
        for episode in range(EPISODES):
            assert writes.one()
            fill(small)
            refused = 0
            while refused < 3:
                refused += not writes.one()
            fired = f"fired-{episode}"
            assert writes.there(writes.acknowledged[-1])
            assert server.get("/api/executions").status == 200

            free(small)
            begun = time.monotonic()
            eventually(writes.one, PATIENCE_SECONDS, "a write")
            eventually(lambda: healthy(server), PATIENCE_SECONDS, "health")
            longest = max(longest, time.monotonic() - begun)
            now = time.time() + 1.5
            answer = server.post("/api/schedules", web_action(fired, at(now), target.url(f"/{fired}")))
            assert answer.status == 202
            eventually(lambda name=fired: arrived(target, name) == 1, PATIENCE_SECONDS, "an execution")  # type: ignore[misc]
        for _ in range(2):
            assert all(writes.there(name) for name in writes.acknowledged)
            assert not any(writes.there(name) for name in writes.refused)
            server.terminate()
            server.start()
    told = f"{len(writes.acknowledged)} acknowledged, {len(writes.refused)} refused"
    print(f"{EPISODES} episodes, {told}; well again after {longest:.1f} s at the latest")


def healthy(server: Program) -> bool:
    return server.get("/healthz").status == 200


def arrived(target: Recorder, name: str) -> int:
    """How many requests came for it."""
    return sum(request.path == f"/{name}" for request in target.received())


def test_what_falls_due_while_the_disk_is_full_fires_once_there_is_space(
    small: Path, target: Recorder
) -> None:
    with Program(small / "data", "--allow-target", "127.0.0.1", log=small / LOG) as server:
        due = time.time() + 3
        names = [f"due-{number}" for number in range(50)]
        schedules = [web_action(name, at(due), target.url(f"/{name}")) for name in names]
        assert server.post("/api/schedules/batch", {"schedules": schedules}).body["refused"] == 0
        writes = Writes(server, target)
        fill(small)
        while writes.one():
            pass
        eventually(lambda: time.time() > due + 2, 20, "their time")
        free(small)
        eventually(lambda: all(arrived(target, name) for name in names), PATIENCE_SECONDS, "all of them")
        eventually(lambda: healthy(server), PATIENCE_SECONDS, "health")
        assert Counter(request.key for request in target.received()).most_common(1)[0][1] == 1
        ended = server.pages("/api/executions?limit=500")
        assert Counter(one["status"] for one in ended) == {"succeeded": 50}


def test_a_directory_that_cannot_be_written_is_told_at_the_start(small: Path) -> None:
    with Program(small / "data", log=small.with_name("log")):
        pass
    subprocess.run(["mount", "-o", "remount,ro", str(small)], check=True)
    ended = started(small / "data")
    assert ended.returncode == 1
    problem = json.loads(ended.stderr.splitlines()[-1])
    assert "ead-only" in problem["detail"]
    assert "Traceback" not in ended.stderr


def started(data_dir: Path, port: int = 0) -> subprocess.CompletedProcess[str]:
    """A start that is expected to fail."""
    command = [sys.executable, "-m", "rez_agent.cli.main", "--json", "serve"]
    command += ["--port", str(port), "--data-dir", str(data_dir)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


def test_a_second_process_is_refused_and_takes_over_when_the_first_was_killed(
    serve: Serve, data_dir: Path
) -> None:
    first = serve()
    refused = started(data_dir)
    assert refused.returncode == 1
    problem = json.loads(refused.stderr.splitlines()[-1])
    assert problem["code"] == "data_dir_locked"
    assert str(first.pid) in problem["detail"]
    first.kill()
    second = serve()
    assert healthy(second)


def test_a_process_that_was_stopped_for_long_records_nothing_twice(
    serve: Serve, data_dir: Path, target: Recorder
) -> None:
    """SIGSTOP, as by a laptop's lid or a hypervisor: a second process is refused all the while, and the first
    goes on where it was. What has outlived its deadline meanwhile is tried again, with its key."""
    server = serve("--target-concurrency", str(UNDER_WAY))
    begun = time.time() + 2
    names = [f"s{number}" for number in range(200)]
    schedules = [
        web_action(name, at(begun + 2 + number % 5), target.url(f"/slow/0.5/{name}"))
        for number, name in enumerate(names)
    ]
    assert server.post("/api/schedules/batch", {"schedules": schedules}).body["refused"] == 0
    eventually(lambda: len(target.received()) > 20, 20, "some of them")

    os.kill(server.pid, signal.SIGSTOP)
    stopped = time.monotonic()
    while time.monotonic() - stopped < STOPPED_SECONDS:
        refused = started(data_dir)
        assert json.loads(refused.stderr.splitlines()[-1])["code"] == "data_dir_locked"
    os.kill(server.pid, signal.SIGCONT)

    def all_recorded() -> bool:
        with suppress(OSError, http.client.HTTPException):
            ended = server.pages("/api/executions?limit=500")
            return Counter(one["status"] for one in ended) == {"succeeded": len(names)}
        return False

    eventually(all_recorded, 120, "all of them", every=0.5)
    ended = server.pages("/api/executions?limit=500")
    assert len({one["schedule_id"] for one in ended}) == len(ended) == len(names)
    assert {request.key for request in target.received()} == {one["id"] for one in ended}
    again = len(target.received()) - len(names)
    print(f"{again} of {len(names)} requests made again after {STOPPED_SECONDS:.0f} s")
    assert again <= UNDER_WAY, "only what was under way has outlived its deadline"
