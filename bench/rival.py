"""APScheduler 3 with its SQLite job store, doing the same work: ``python -m bench.rival burst|creates ...``.

``burst PORT JOBS DUE DIRECTORY`` adds jobs that are all due at ``DUE`` (seconds since 1970), says when they
stand, and fires them until it is killed. A pool of 100 threads sends the same request, each on a connection
that it keeps. ``creates JOBS DIRECTORY`` adds jobs by ``add_job`` into a scheduler that runs, and prints how
many seconds that took.
"""

from __future__ import annotations

import http.client
import sys
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.jobstores.sqlalchemy import SQLAlchemyJobStore
from apscheduler.schedulers.background import BackgroundScheduler

THREADS = 100
BODY = b'{"n": 1}'
HEADERS = {"Content-Type": "application/json"}

_connections = threading.local()


def post(port: int, path: str) -> None:
    """The job: one request on this thread's kept connection, its answer read."""
    connection: http.client.HTTPConnection | None = getattr(_connections, "kept", None)
    if connection is None:
        connection = _connections.kept = http.client.HTTPConnection("127.0.0.1", port)
    connection.request("POST", path, BODY, HEADERS)
    connection.getresponse().read()


def scheduler(directory: Path) -> Any:
    """A scheduler as its documentation sets one up, that misses nothing."""
    return BackgroundScheduler(
        jobstores={"default": SQLAlchemyJobStore(url=f"sqlite:///{directory / 'jobs.sqlite'}")},
        executors={"default": ThreadPoolExecutor(THREADS)},
        job_defaults={"misfire_grace_time": 3_600, "coalesce": False, "max_instances": 1},
        timezone=UTC,
    )


def burst(port: int, jobs: int, due: float, directory: Path) -> None:
    """Add the jobs, say so, and fire them."""
    rival = scheduler(directory)
    rival.start()
    at = datetime.fromtimestamp(due, UTC)
    for number in range(jobs):
        rival.add_job(post, "date", run_date=at, args=[port, f"/burst/{number}"])
    print(time.time(), flush=True)
    threading.Event().wait()


def creates(jobs: int, directory: Path) -> None:
    """Add jobs that are due in a year."""
    rival = scheduler(directory)
    rival.start()
    at = datetime.now(UTC) + timedelta(days=365)
    begun = time.perf_counter()
    for number in range(jobs):
        rival.add_job(post, "date", run_date=at, args=[9, f"/never/{number}"])
    print(time.perf_counter() - begun, flush=True)
    rival.shutdown()


if __name__ == "__main__":
    if sys.argv[1] == "burst":
        burst(int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4]), Path(sys.argv[5]))
    else:
        creates(int(sys.argv[2]), Path(sys.argv[3]))
