"""The judge of one schedule: its occurrences, executions and changes, against what is expected of them."""

from __future__ import annotations

import itertools
from collections import defaultdict
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from rez_agent.domain.execution import Execution
from tests.simulation.clocks import POLL, Stretches
from tests.simulation.expected import (
    CALENDAR,
    MISSED,
    OVERLAP,
    PAUSED,
    RUN,
    Expected,
    Life,
    carried_out,
    expectations,
)
from tests.simulation.matching import Target, matched
from tests.simulation.network import Call
from tests.simulation.oracle import SECOND, due
from tests.simulation.record import Asked

if TYPE_CHECKING:
    from tests.simulation.checker import Judge

OWN_CAUSES = frozenset({"schedule", "catch_up"})


class Occurrences:
    """One schedule of a story."""

    def __init__(self, judge: Judge, life: Life) -> None:
        self.judge = judge
        self.life = life
        self.record, self.clocks, self.say = judge.record, judge.clocks, judge.say
        self.expected = expectations(judge.record, judge.clocks, life) if life.stretches else {}
        self.own = [
            row
            for row in judge.record.executions
            if row.schedule_id == life.schedule_id and row.cause.value in OWN_CAUSES
        ]
        self.others = [
            row
            for row in judge.record.executions
            if row.schedule_id == life.schedule_id and row.cause.value not in OWN_CAUSES
        ]
        self.retried = any(
            asked.action == "retry" and asked.judged is not None for asked in judge.record.asked
        )
        self.busy = self._busy()
        self._allow_overlap()

    def check(self) -> None:
        """All of it."""
        self._entries()
        self._asked_for()
        self._changes()
        self._one_after_another()
        self._match()

    # --- what is in flight ---

    def _busy(self) -> list[tuple[float, float, str]]:
        """The stretches in which an execution may have been in flight, each with its key."""
        found = []
        for each in self.expected.values():
            row = self.judge.rows.get(each.key)
            if row is not None and _kind_of(row) == RUN:
                found.append((each.first, self._until(row, each.last), each.key))
        for row in self.others:
            began = self._asked_at(row)
            found.append((began, self._until(row, began), row.id))
        return sorted(found)

    def _until(self, row: Execution, at_least: float) -> float:
        ended = self.judge.ended(row.id)
        if ended is None:
            finished = row.finished_at
            ended = self.record.ended if finished is None else self.clocks.latest(finished)
        return self.clocks.unable.after(max(ended, at_least), self.clocks.slack + POLL)

    def _asked_at(self, row: Execution) -> float:
        moments = [
            asked.judged_at
            for asked in self.record.asked
            if asked.message_id == row.message_id and asked.judged_at is not None
        ]
        return min(moments, default=0.0)

    def _others_busy(self, key: str) -> Stretches:
        return Stretches((began, ended) for began, ended, each in self.busy if each != key)

    def _allow_overlap(self) -> None:
        for each in self.expected.values():
            if RUN not in each.kinds or self._overlap(each) == "allow":
                continue
            busy = self._others_busy(each.key)
            if any(busy.around(window.first - 1e-6, window.last + 1e-6) for window in each.windows):
                each.kinds.add(OVERLAP)

    def _overlap(self, each: Expected) -> str:
        definition = each.stretch.definition
        default = "allow" if definition["schedule_expression"].startswith("at(") else "skip"
        return str(definition.get("policies", {}).get("overlap", default))

    # --- the ledger ---

    def _entries(self) -> None:
        """Every occurrence is told once, by something that may be told of it."""
        told: dict[datetime, list[str]] = defaultdict(list)
        alone = {row.scheduled_time for row in self.own if row.span is None}
        for row in self.own:
            kind = _kind_of(row)
            if row.span is None:
                told[row.scheduled_time].append(kind)
                if row.scheduled_time not in self.expected and self._surely(row.scheduled_time):
                    self.say("extra", f"{row.id} ({kind}) is no occurrence that was reached")
            else:
                self._span(row, kind, alone, told)
        horizon = self.record.wall(self.record.ended) - timedelta(seconds=self.clocks.slack + 3)
        for instant, each in self.expected.items():
            kinds = told.get(instant, [])
            if not kinds and instant < horizon and self._final(each):
                self.say("missed", f"{each.key} has no entry; it should be {_or(each.kinds)}")
            elif len(kinds) > 1:
                self.say("double", f"{each.key} is told {len(kinds)} times: {', '.join(kinds)}")
            elif kinds and kinds[0] not in each.kinds:
                self.say("wrong", f"{each.key} is {kinds[0]}; it should be {_or(each.kinds)}")
            if kinds == [RUN]:
                self._run(each)

    def _final(self, each: Expected) -> bool:
        return each.windows[-1].final

    def _surely(self, instant: datetime) -> bool:
        """Whether the record can say that an instant was not reached: not at the very end."""
        return instant < self.record.wall(self.record.ended) - 2 * SECOND

    def _span(self, row: Execution, kind: str, alone: set[datetime], told: dict[datetime, list[str]]) -> None:
        assert row.span is not None
        inside = [
            instant
            for instant, each in self.expected.items()
            if row.span.first <= instant <= row.span.last
            and kind in each.kinds
            and (instant not in alone or instant == row.span.first)
        ]
        for instant in inside:
            told[instant].append(kind)
        if len(inside) != row.span.count:
            self.say(
                "wrong",
                f"{row.id} tells of {row.span.count} {kind} occurrences up to {row.span.last:%d %H:%M:%S}; "
                f"there were {len(inside)}",
            )

    # --- executions ---

    def _run(self, each: Expected) -> None:
        """An occurrence that was executed: within its window, with what its definition says."""
        row, calls = self.judge.rows.get(each.key), self.judge.calls.get(each.key, [])
        last = self._latest_start(each)
        if row is None:
            self.say("wrong", f"{each.key} has an entry under another id")
            return
        if not calls:
            held_up = last >= each.first + self._age(each) - self.clocks.slack - POLL
            if _expired(row) and not held_up and not self._slept(each):
                self.say("missed", f"{each.key} expired, though nothing held it up")
            elif self._had_to(row):
                self.say("missed", f"{each.key} is {row.status.value} and was never called")
            return
        self._first_call(each, calls[0], self.record.ended if self.retried else last)
        for call in calls:
            if call.nominal != each.instant:
                self.say("wrong", f"{each.key} was told to be of {call.nominal}")
            if dict(call.payload) != each.stretch.definition["payload"]:
                self.say("wrong", f"{each.key} was called with {dict(call.payload)}")

    def _first_call(self, each: Expected, first: Call, last: float) -> None:
        """The first call came when it might: by ``last``, where it was not cancelled and retried first."""
        if first.highest_wall < each.instant:
            self.say("early", f"{each.key} was called at {first.began:.3f}, before it was due")
        elif first.began < each.first - 0.001:
            self.say("early", f"{each.key} was called at {first.began:.3f}, not before {each.first:.3f}")
        elif first.began > last:
            self.say("late", f"{each.key} was called at {first.began:.3f}, not by {last:.3f}")

    def _slept(self, each: Expected) -> bool:
        """Whether a process began, after it was queued, so late by the wall clock that it was too old: a step
        while none runs is an outage."""
        age = timedelta(seconds=self._age(each))
        lives = [life.began for life in self.record.lives if life.began > each.first]
        return any(self.record.wall(began) >= each.instant + age for began in lives)

    def _age(self, each: Expected) -> float:
        retry = each.stretch.definition.get("policies", {}).get("retry", {})
        return float(retry.get("max_event_age_seconds", 3_600))

    def _latest_start(self, each: Expected) -> float:
        """The last moment at which an execution's first call is not late."""
        policies = each.stretch.definition.get("policies", {})
        window = 60.0 * policies.get("flexible_window_minutes", 0)
        due_by = each.last
        if window:
            reached = self.clocks.decided(
                each.instant + timedelta(seconds=window), each.first, self.record.ended
            )
            due_by = max(due_by, reached[-1].last if reached else self.record.ended)
        held = [self.clocks.unable, self.judge.full[each.stretch.definition["payload"]["target"]]]
        stretches = [stretch for each_held in held for stretch in each_held.joined]
        if self._overlap(each) != "allow":
            stretches += self._others_busy(each.key).joined
        return Stretches(stretches).after(due_by, self.clocks.slack + POLL, each=self.clocks.slack + POLL)

    def _one_after_another(self) -> None:
        """Where overlap is not allowed, no two of a schedule's own executions are called at once."""
        calls = sorted(
            ((call, each) for each in self.expected.values() for call in self.judge.calls.get(each.key, [])),
            key=lambda pair: pair[0].began,
        )
        for (before, one), (after, other) in itertools.pairwise(calls):
            if one.key == other.key or "allow" in (self._overlap(one), self._overlap(other)) or self.retried:
                continue
            if after.life == before.life and (before.ended is None or after.began < before.ended):
                self.say("overlap", f"{other.key} was called at {after.began:.3f} during {one.key}")

    def _match(self) -> None:
        """By moments alone, whatever executions call themselves."""
        targets, runs = [], []
        for each in self.expected.values():
            if RUN not in each.kinds:
                continue
            calls = self.judge.calls.get(each.key, [])
            row = self.judge.rows.get(each.key)
            must = each.kinds == {RUN} and row is not None and self._had_to(row)
            must = must or (each.kinds == {RUN} and row is None and self._final(each))
            last = self.record.ended if self.retried else self._latest_start(each)
            targets.append(Target(each.key, each.first - 0.001, last, must))
            runs += [call.began for call in calls[:1]]
        found = matched(targets, runs)
        for name in found.missed:
            self.say("missed", f"{name} has no run of its own within its window")
        for moment in found.extra:
            self.say("extra", f"{self.life.schedule_id} has a run at {moment:.3f} that no occurrence owns")
        for moment in found.early:
            self.say(
                "early", f"{self.life.schedule_id} has a run at {moment:.3f}, too early for any occurrence"
            )

    def _had_to(self, row: Execution) -> bool:
        expired = _expired(row)
        waits = row.status.value == "queued" and row.due_at > self.record.wall(self.record.ended)
        return row.status.value != "cancelled" and not expired and not waits

    # --- commands ---

    def _asked_for(self) -> None:
        """What a run or a backfill asked for is there, and was called."""
        ids = {row.id for row in self.others}
        for asked in carried_out(self.record, self.life.schedule_id):
            assert asked.judged is not None
            if asked.action == "run":
                self._ran(asked, ids)
            elif asked.action == "backfill":
                self._backfilled(asked)

    def _ran(self, asked: Asked, ids: set[str]) -> None:
        assert asked.judged is not None
        key = asked.judged.result["execution_id"]
        if key not in ids:
            self.say("lost", f"{key} was asked for and is not there")
            return
        row, calls = self.judge.rows[key], self.judge.calls.get(key, [])
        if not calls and self._had_to(row):
            self.say("missed", f"{key} is {row.status.value} and was never called")

    def _backfilled(self, asked: Asked) -> None:
        assert asked.judged is not None
        request, moment = asked.judged.request, asked.judged_at or 0.0
        assert request.from_ is not None
        assert request.to is not None
        found = sorted(row.scheduled_time for row in self.others if row.message_id == asked.judged.id)
        wanted = []
        for stretch in self.life.stretches:  # a change may have shared its transaction
            if stretch.began <= moment <= stretch.ended:
                days = self.record.plan.calendars[0] if stretch.definition.get("calendar") else None
                wanted.append(due(stretch.definition, stretch.created, request.from_, request.to, days))
        if found not in wanted:
            self.say("wrong", f"backfill {asked.judged.id} made {len(found)} of {wanted} executions")

    def _changes(self) -> None:
        """The schedule is what its commands made of it."""
        kept = self.record.schedules.get(self.life.schedule_id)
        if not self.life.stretches:
            if kept is not None:
                self.say("extra", f"{self.life.schedule_id} is there and was never created")
            return
        if kept is None:
            self.say("lost", f"{self.life.schedule_id} was created and is not there")
            return
        self._state(kept)

    def _state(self, kept: Any) -> None:
        life, wanted = self.life, self.life.present.definition
        definition = kept.definition
        if definition.schedule_expression != wanted["schedule_expression"]:
            self.say("lost", f"{life.schedule_id} has {definition.schedule_expression}: an edit is lost")
        if definition.payload != wanted["payload"]:
            self.say("lost", f"{life.schedule_id} has {definition.payload}: an edit is lost")
        status = "deleted" if life.deleted else "paused" if life.present.paused else "active"
        completes = wanted.get("policies", {}).get("on_completion") == "delete"
        if kept.status.value != status and not (completes and kept.status.value == "deleted"):
            self.say("lost", f"{life.schedule_id} is {kept.status.value}, not {status}")
        completed = int(kept.status.value == "deleted" and not life.deleted)
        if kept.revision != life.revision + completed:
            self.say("lost", f"{life.schedule_id} is at revision {kept.revision}, not {life.revision}")
        if completes and status == "active" and kept.finished_at and kept.status.value != "deleted":
            self.say("missed", f"{life.schedule_id} has nothing left and was not deleted")


def _kind_of(row: Execution) -> str:
    """What an entry says of its occurrences."""
    reasons = {"missed": MISSED, "paused": PAUSED, "calendar": CALENDAR, "overlap": OVERLAP}
    if row.status.value == "skipped" and row.reason is not None:
        return reasons.get(row.reason.value, RUN)
    return RUN


def _expired(row: Execution) -> bool:
    """Whether it became too old before it could be called, or while the process died under it."""
    died = row.status.value == "failed" and row.crashes > 0
    return died or (row.reason is not None and row.reason.value == "expired")


def _or(kinds: set[str]) -> str:
    return " or ".join(sorted(kinds)) or "nothing"
