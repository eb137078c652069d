"""The judge: what became of a story, against what should have."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from rez_agent.domain.execution import Execution
from tests.simulation.clocks import POLL, Clocks, Stretches
from tests.simulation.expected import (
    life_of,
)
from tests.simulation.network import Call
from tests.simulation.occurrences import Occurrences
from tests.simulation.record import Asked, Record

REFUSALS: dict[str, frozenset[str]] = {
    "create": frozenset({"name_taken", "schedule_exists", "schedule_in_past"}),
    "update": frozenset({"schedule_not_found", "schedule_deleted", "schedule_in_past"}),
    "pause": frozenset({"schedule_not_found", "schedule_deleted"}),
    "resume": frozenset({"schedule_not_found", "schedule_deleted", "not_paused"}),
    "delete": frozenset({"schedule_not_found", "schedule_deleted"}),
    "run": frozenset({"schedule_not_found", "schedule_deleted"}),
    "backfill": frozenset({"schedule_not_found", "schedule_deleted"}),
    "cancel": frozenset({"execution_not_found", "already_final"}),
    "retry": frozenset({"execution_not_found", "not_retryable", "schedule_not_found"}),
}
ANYWAY = frozenset({"stopping", "storage_unavailable", "idempotency_in_flight"})


@dataclass(frozen=True, slots=True)
class Violation:
    """A promise that was broken. ``kind`` is a word for it: missed, extra, early, double, late, ..."""

    kind: str
    text: str

    def __str__(self) -> str:
        return f"{self.kind}: {self.text}"


def judged(record: Record) -> list[Violation]:
    """Every promise that was broken in a story; empty when all is well."""
    return Judge(record).all()


class Judge:
    """Everything but what concerns one schedule, which is :class:`Occurrences`'."""

    def __init__(self, record: Record) -> None:
        self.record = record
        self.clocks = Clocks(record)
        self.found: list[Violation] = []
        self.calls: dict[str, list[Call]] = defaultdict(list)
        for call in record.calls:
            self.calls[call.key].append(call)
        self.rows = {row.id: row for row in record.executions}
        self.full = _full(record)

    def all(self) -> list[Violation]:
        """Everything."""
        record = self.record
        for fault in record.faults:
            self.say("fault", fault)
        if not record.settled:
            self.say("unsettled", "executions or commands are under way long after the last mishap")
        self._commands()
        for schedule_id in sorted({asked.schedule_id for asked in record.asked}):
            life = life_of(record, self.clocks, schedule_id)
            Occurrences(self, life).check()
        for key in sorted(self.calls):
            self._attempts(key, self.calls[key])
        return self.found

    def say(self, kind: str, text: str) -> None:
        """Something is wrong."""
        self.found.append(Violation(kind, text))

    # --- commands ---

    def _commands(self) -> None:
        judged = {asked.message_id for asked in self.record.asked if asked.judged is not None}
        for asked in self.record.asked:
            acknowledged = asked.answered is not None and asked.refused is None
            name = f"command {asked.number} ({asked.action} {asked.schedule_id})"
            if asked.lost and acknowledged:
                self.say("lost", f"{name} was acknowledged, and is not there")
            if acknowledged and not asked.lost and asked.message_id not in judged:
                self.say("lost", f"{name} was acknowledged, and was never judged")
            self._refusal(asked, name)

    def _refusal(self, asked: Asked, name: str) -> None:
        allowed = REFUSALS[asked.action] | ANYWAY
        if asked.refused is not None and asked.refused not in allowed:
            self.say("refused", f"{name} was refused: {asked.refused}")
        if asked.judged is not None and asked.judged.status == "failed":
            codes = {problem.code for problem in asked.judged.problems}
            if not codes <= allowed:
                self.say("refused", f"{name} failed: {sorted(codes)}")

    # --- attempts ---

    def _attempts(self, key: str, calls: list[Call]) -> None:
        for before, after in itertools.pairwise(calls):
            if after.life == before.life and (before.ended is None or after.began < before.ended):
                self.say("double", f"{key} was called at {after.began:.3f} while a call was under way")
            elif before.outcome is not None and before.outcome.ok and self.recorded(before):
                self.say("double", f"{key} was called at {after.began:.3f} though it had succeeded")
            elif before.outcome is not None and before.outcome.retry_after and self.recorded(before):
                unheeded = 2.0 * (len(self.record.steps) - 1)  # a step of less is not heeded
                wait = before.outcome.retry_after - unheeded - 0.01
                if before.ended is not None and after.began < before.ended + wait:
                    self._unless_retried(key, after, "sooner than Retry-After allows")
        row = self.rows.get(key)
        if row is None:
            self.say("extra", f"{key} was called and is not in the ledger")
            return
        self._final(row, calls)

    def _unless_retried(self, key: str, call: Call, what: str) -> None:
        for asked in self.record.asked:
            if asked.action == "retry" and asked.judged_at is not None and asked.judged_at <= call.began:
                return
        self.say("early", f"{key} was tried again at {call.began:.3f}, {what}")

    def _final(self, row: Execution, calls: list[Call]) -> None:
        last, status = calls[-1], row.status.value
        if status == "succeeded" and not any(call.outcome and call.outcome.ok for call in calls):
            self.say("wrong", f"{row.id} is succeeded, and no call was")
        answered = last.outcome is not None and self.recorded(last)
        if answered and last.outcome is not None and last.outcome.ok and status != "succeeded":
            self.say("wrong", f"{row.id} is {status}, though its last call succeeded")
        failures = sum(1 for call in calls if call.outcome is not None and not call.outcome.ok)
        retried = sum(1 for asked in self.record.asked if asked.action == "retry")
        policies = [
            each.request["schedule"].get("policies", {}).get("retry", {}).get("max_attempts", 3)
            for each in self.record.asked
            if each.schedule_id == row.schedule_id and "schedule" in each.request
        ]
        interrupted = len(self.record.lives) - 1
        most = (max(policies) + 1) * (1 + retried) + interrupted
        if failures > most:
            self.say("extra", f"{row.id} was tried {failures} times, {most} at most were allowed")

    def recorded(self, call: Call) -> bool:
        """Whether the process lived long enough after a call to have recorded its end."""
        if call.ended is None:
            return False
        life = self.record.lives[call.life]
        if life.clean and life.gone > call.ended:
            return True
        end = min(life.gone, self.record.ended)
        return (
            self.clocks.stalls.free(call.ended, end) > self.clocks.slack + POLL if end > call.ended else False
        )

    def ended(self, key: str) -> float | None:
        """When the last call of an execution was over, for all who wait for it."""
        calls = self.calls.get(key)
        if not calls:
            return None
        last = calls[-1]
        return last.ended if last.ended is not None else self.record.lives[last.life].gone


def _full(record: Record) -> dict[str, Stretches]:
    """When each target, or the process as a whole, had as many calls under way as are allowed."""
    plan = record.plan
    everywhere = _at_least(plan.concurrency, record.calls, record)
    found: dict[str, Stretches] = {}
    for target in plan.targets:
        calls = [call for call in record.calls if call.target == target]
        busy = _at_least(plan.target_concurrency, calls, record)
        found[target] = Stretches([*busy, *everywhere])
    return found


def _at_least(number: int, calls: Iterable[Call], record: Record) -> list[tuple[float, float]]:
    edges = []
    for call in calls:
        ended = record.lives[call.life].gone if call.ended is None else call.ended
        edges += [(call.began, 1), (min(ended, record.ended) + 0.05, -1)]
    found, under_way, since = [], 0, 0.0
    for moment, change in sorted(edges):
        under_way += change
        if change > 0 and under_way == number:
            since = moment
        elif change < 0 and under_way == number - 1:
            found.append((since, moment))
    return found
