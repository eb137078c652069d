"""Killed with ``kill -9`` again and again, at random moments: nothing acknowledged is lost.

5,000 schedules fall due while the server is killed and started again, and more are created meanwhile by
single requests. At the end every schedule that was acknowledged has fired, none early; what the target saw
twice came with one key; and the ledger tells of each occurrence once, as succeeded.
"""

from __future__ import annotations

import http.client
import os
import random
import secrets
import threading
import time
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from rez_agent.local.worker import AHEAD
from tests.e2e.conftest import Serve
from tests.e2e.program import Program, at, eventually, web_action
from tests.e2e.recorder import Received, Recorder
from tests.planting import Plant

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

NIGHTLY = "REZ_NIGHTLY" in os.environ
RATES = 10
BATCH = 1_000

LIFE_SECONDS = 1.2
"""A life lasts so long at most once it is ready; one in five ends before that."""
UNREADY_SECONDS = 1.0
SLOTS = 10
LEASED_AT_MOST = SLOTS * (1 + AHEAD)
"""What one kill can cost: executions leased to run, and those leased ahead for a quick target."""

BETWEEN_SINGLES_SECONDS = 0.05


@dataclass(frozen=True)
class Plan:
    """How much of it: kills, schedules, and the seconds that everything gets to arrive in at the end."""

    kills: int = 200 if NIGHTLY else 8
    schedules: int = 5_000
    patience: float = 120.0

    @property
    def spread(self) -> int:
        """Over how many seconds the due times are spread: about as long as the killing takes."""
        return int(self.kills * 1.5) + 1


PLANTS = [
    Plant("leases are not taken back at a start", "local/host.py", "all_leases=True", "all_leases=False"),
    Plant(
        "each attempt has a key of its own",
        "local/queue.py",
        "idempotency_key=row[0]",
        'idempotency_key=f"{row[0]}-{row[6]}"',
    ),
]


@dataclass
class Promised:
    """The names of the schedules whose creation was acknowledged."""

    once: set[str] = field(default_factory=set)
    rates: dict[str, str] = field(default_factory=dict)


def test_nothing_acknowledged_is_lost_to_kill_9(serve: Serve, target: Recorder) -> None:
    seed = secrets.randbits(32)
    print(f"seed {seed}")
    story(serve("--target-concurrency", str(SLOTS)), target, Plan(), seed)


@pytest.mark.skipif(not NIGHTLY, reason="shown each night")
@pytest.mark.parametrize("plant", PLANTS, ids=lambda plant: plant.name.replace(" ", "-"))
def test_a_planted_fault_is_found(target: Recorder, tmp_path: Path, plant: Plant) -> None:
    environment = plant.in_a_copy(tmp_path / "copy")
    options = ("--allow-target", "127.0.0.1", "--target-concurrency", str(SLOTS))
    with Program(tmp_path / "data", *options, environment=environment) as server:
        with pytest.raises(AssertionError) as found:
            story(server, target, Plan(kills=6, schedules=1_500, patience=20), seed=5)
        print(f"{plant.name}: {str(found.value)[:200]}")


def story(server: Program, target: Recorder, plan: Plan, seed: int) -> None:
    """Create, kill again and again, and see that everything comes to its end."""
    drawn = random.Random(seed)
    promised = created(server, target, drawn, plan)

    with Singles(server, target, random.Random(seed + 1)) as singles:
        for _ in range(plan.kills):
            kill_once(server, drawn)
        server.wait_ready()
    promised.once |= singles.acknowledged
    print(f"{len(singles.acknowledged)} single creates acknowledged, {singles.unanswered} not")
    assert singles.acknowledged, "no single create met a living server"

    eventually(lambda: all_arrived(target, promised), plan.spread + plan.patience, "all requests", every=0.5)
    eventually(lambda: nothing_in_flight(server), plan.patience, "an empty queue", every=0.5)

    assert_fired(target.received(), promised, plan.kills)
    assert_ledger(server, target.received(), promised)


def created(server: Program, target: Recorder, drawn: random.Random, plan: Plan) -> Promised:
    """Most in batches, due at random seconds; a few rates, whose first occurrence is now."""
    promised = Promised()
    soon = int(time.time()) + 4
    for first in range(0, plan.schedules, BATCH):
        names = [f"once-{number}" for number in range(first, min(first + BATCH, plan.schedules))]
        due = [soon + drawn.randrange(plan.spread) for _ in names]
        schedules = [once(target, name, second) for name, second in zip(names, due, strict=True)]
        answer = server.post("/api/schedules/batch", {"schedules": schedules})
        assert [item["status"] for item in answer.body["items"]] == [202] * len(names)
        promised.once.update(names)
    for number in range(RATES):
        name = f"rate-{number}"
        answer = server.post("/api/schedules", web_action(name, "rate(1 minute)", target.url(f"/0/{name}")))
        assert answer.status == 202
        promised.rates[name] = answer.body["schedule_id"]
    return promised


def once(target: Recorder, name: str, due: int) -> dict[str, Any]:
    """A schedule whose path tells when it is due and how it is named. One in ten targets is slow."""
    slow = "/slow/0.3" if name.endswith("7") else ""
    return web_action(name, at(due), target.url(f"{slow}/{due}/{name}"))


class Singles:
    """Creates schedules one by one on a thread of its own, and keeps the names that were acknowledged."""

    def __init__(self, server: Program, target: Recorder, drawn: random.Random) -> None:
        self._server = server
        self._target = target
        self._drawn = drawn
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="singles")
        self.acknowledged: set[str] = set()
        self.unanswered = 0

    def __enter__(self) -> Singles:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        number = 0
        while not self._stop.wait(BETWEEN_SINGLES_SECONDS):
            number += 1
            self._create(f"single-{number}", int(time.time()) + self._drawn.randint(2, 8))

    def _create(self, name: str, due: int) -> None:
        try:
            answer = self._server.post("/api/schedules", once(self._target, name, due))
        except (OSError, http.client.HTTPException):
            self.unanswered += 1  # it may have been stored or not: nobody was told
            return
        if answer.status == 422 and answer.body["code"] == "schedule_in_past":
            return  # the server came back too late for it, and said so
        assert answer.status == 202, answer.body
        self.acknowledged.add(name)


def kill_once(server: Program, drawn: random.Random) -> None:
    """Let the server live for a while, kill it, and start it again at once."""
    if drawn.random() < 0.2:
        time.sleep(drawn.uniform(0, UNREADY_SECONDS))
    else:
        server.wait_ready()
        time.sleep(drawn.uniform(0, LIFE_SECONDS))
    server.kill()
    server.spawn()


def name_of(request: Received) -> str:
    """The schedule that a request is from."""
    return request.path.split("/")[-1]


def due_of(request: Received) -> int:
    """When it was due, at the earliest."""
    return int(request.path.split("/")[-2])


def all_arrived(target: Recorder, promised: Promised) -> bool:
    """Whether the target has seen each schedule at least once."""
    seen = {name_of(request) for request in target.received()}
    return seen >= promised.once | promised.rates.keys()


def nothing_in_flight(server: Program) -> bool:
    """Whether nothing is queued and nothing runs."""
    lists = [server.get(f"/api/executions?status={status}&limit=1").body for status in ("queued", "running")]
    return not any(page["items"] for page in lists)


def assert_fired(received: list[Received], promised: Promised, kills: int) -> None:
    """All fired, none early; what came twice came with one key, and no more of it than the kills explain."""
    lost = promised.once | promised.rates.keys()
    lost -= {name_of(request) for request in received}
    assert not lost, f"{len(lost)} lost"

    early = [request for request in received if request.at < due_of(request)]
    assert not early

    keys: defaultdict[str, set[str]] = defaultdict(set)
    for request in received:
        keys[name_of(request)].add(request.key)
    other_key = {name: found for name, found in keys.items() if name not in promised.rates and len(found) > 1}
    assert not other_key

    duplicates = sum(count - 1 for count in Counter(request.key for request in received).values())
    print(f"{len(received)} requests, {duplicates} of them again; {kills} kills")
    assert duplicates <= kills * LEASED_AT_MOST


def assert_ledger(server: Program, received: list[Received], promised: Promised) -> None:
    """The ledger tells of each occurrence once, as succeeded, under the key that the target saw."""
    ledger = server.pages("/api/executions?limit=500")
    ids = [execution["id"] for execution in ledger]
    assert len(set(ids)) == len(ids)
    skipped = [execution for execution in ledger if execution["status"] == "skipped"]
    assert Counter(execution["status"] for execution in ledger) - Counter(skipped=len(skipped)) == {
        "succeeded": len(ledger) - len(skipped)
    }
    # where a start took long, a minute passed while the one before was still to be made: the policy's skip
    assert {one["schedule_id"] for one in skipped} <= set(promised.rates.values())
    assert all(one["reason"] in ("overlap", "missed") for one in skipped)
    assert set(ids) - {one["id"] for one in skipped} == {request.key for request in received}
    print(f"{len(ledger)} entries in the ledger, {len(skipped)} of them skipped")

    times: defaultdict[str, list[float]] = defaultdict(list)
    for execution in ledger:
        scheduled = datetime.fromisoformat(execution["scheduled_time"]).timestamp()
        times[execution["schedule_id"]].append(scheduled)
    for schedule_id in set(promised.rates.values()) - {one["schedule_id"] for one in skipped}:
        minutes = sorted(times[schedule_id])
        assert minutes == [minutes[0] + 60 * number for number in range(len(minutes))]
    twice = {schedule_id for schedule_id, found in times.items() if len(found) > 1}
    assert twice <= set(promised.rates.values())
