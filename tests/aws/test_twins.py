"""Both hosts are told the same story, and their ledgers say the same."""

from __future__ import annotations

from datetime import timedelta
from typing import TypeVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rez_agent.domain.execution import Cause, Execution
from rez_agent.ports import Claimed, ExecutionQuery, Ports
from rez_agent.usecases.entries import asked_execution
from rez_agent.usecases.firing import fire
from tests.aws.stepped import AwsStepped
from tests.contract.hosts import LocalStepped, SteppedHost
from tests.fakes import FAILED, NOON, OK, REFUSED, judged
from tests.rig import schedule_of

T = TypeVar("T")

HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
STEPS = ["fire", "run", "backfill", "claim", "succeed", "fail", "refuse", "cancel", "cancel all", "retry"]
STEPS += ["hour", "minute", "minute"]
# What may start at one moment is leased one by one on one host and all at once on the other, so that only
# there the earlier ones count as started: no runs_today here.
CONDITIONS = ["last.exists", "last.status != 'failed' || last.code == 'x'", "payload.missing == 1"]


class Story:
    """One host, and how far the story has come on it."""

    def __init__(self, host: SteppedHost, overlap: str, condition: str | None) -> None:
        self.host = host
        self.leased: list[Claimed] = []
        self.number = 0
        policies = {"overlap": overlap, "retry": {"max_attempts": 1, "max_event_age_seconds": 1_800}}
        self.schedule = schedule_of(policies=policies, condition=condition)
        host.ask(lambda ports: ports.schedules.add(self.schedule))

    def take(self, step: str) -> None:
        """One step."""
        now = self.host.clock.now()
        match step:
            case "fire":
                due = now.replace(minute=0, second=0)
                self.host.ask(lambda ports: fire(ports, self.schedule.id, due, 1))
            case "run":
                self.asked(1, Cause.RUN)
            case "backfill":
                self.asked(3, Cause.BACKFILL)
            case "claim":
                found = self.host.claim()
                self.leased += sorted(found, key=lambda claimed: claimed.work.execution_id)
            case "succeed" | "fail" | "refuse" if self.leased:
                outcome = {"succeed": OK, "fail": FAILED, "refuse": REFUSED}[step]
                claimed = self.leased.pop(0)
                self.host.end(claimed, judged(claimed.work, outcome))
            case "cancel" | "retry":
                for one in self.history()[:2]:
                    self.ask_of(one, step)
            case "cancel all":
                self.host.ask(lambda ports: ports.ledger.cancel_all(self.schedule.id, now, "all"))
            case "hour" | "minute":
                self.host.clock.advance(**{f"{step}s": 1})

    def asked(self, count: int, cause: Cause) -> None:
        """What a command queues; where two at once are not allowed, a backfill's go one after the other."""
        self.number += 1
        now = self.host.clock.now()
        message = f"msg_{self.number:05}"

        def queue(ports: Ports) -> None:
            busy = cause is Cause.BACKFILL and ports.ledger.in_flight(self.schedule.id).total > 0
            one_by_one = cause is Cause.BACKFILL and self.schedule.definition.overlap != "allow"
            executions = [
                asked_execution(
                    self.schedule,
                    NOON - number * HOUR,
                    cause,
                    message,
                    now=now,
                    held=one_by_one and (busy or number > 0),
                )
                for number in range(count)
            ]
            ports.ledger.add(executions)

        self.host.ask(queue)

    def ask_of(self, one: Execution, step: str) -> None:
        """Cancel or retry an execution."""
        now = self.host.clock.now()
        if step == "cancel":
            self.host.ask(lambda ports: ports.ledger.cancel(one.id, now, "no more"))
        else:
            self.host.ask(lambda ports: ports.ledger.requeue(one.id, now, now + HOUR))

    def history(self) -> tuple[Execution, ...]:
        """All there is, by scheduled time."""
        query = ExecutionQuery(schedule_id=self.schedule.id, limit=1_000)
        return self.host.ask(lambda ports: ports.ledger.list(query)).items

    def told(self) -> object:
        """Everything that the ledger says."""
        history = self.history()
        ids = [one.id for one in history]
        everything = self.host.ask(lambda ports: ports.ledger.list(ExecutionQuery(limit=1_000)))
        return (
            history,
            [one.id for one in everything.items],
            everything.total,
            self.host.ask(lambda ports: ports.ledger.in_flight(self.schedule.id)),
            self.host.ask(lambda ports: ports.ledger.attempts_of(ids)),
            [one.work.condition and one.work.condition.facts.last for one in self.leased],
            sorted(self.host.ask(lambda ports: ports.ledger.dead_letters(ExecutionQuery(dead_letter=True)))),
        )


@settings(max_examples=15)
@given(
    steps=st.lists(st.sampled_from(STEPS), min_size=5, max_size=30),
    overlap=st.sampled_from(["allow", "skip", "queue"]),
    condition=st.sampled_from([None, *CONDITIONS]),
)
def test_the_same_story_is_told_alike_by_both_hosts(
    tmp_path_factory: pytest.TempPathFactory, steps: list[str], overlap: str, condition: str | None
) -> None:
    local = LocalStepped(tmp_path_factory.mktemp("twin"))
    stories = [Story(host, overlap, condition) for host in (local, AwsStepped())]
    for step in steps:
        for story in stories:
            story.take(step)
        here, there = (story.told() for story in stories)
        assert here == there
    local.close()
