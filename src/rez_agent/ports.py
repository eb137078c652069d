"""What a host supplies.

Each port is small and speaks the domain: schedules, executions, messages; never SQL, never a region. Ports
are synchronous. A use case is a plain function of :class:`Ports`; the host decides where it runs and makes
it whole: :meth:`Host.write` runs it alone, start to end, and returns only when its effects are durable. If
it raises, nothing of it remains.

Errors: a port raises what its docstring names (from :mod:`rez_agent.domain.errors`) and
:class:`~rez_agent.domain.errors.Unavailable` when the host itself fails; nothing else is expected.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, Protocol, TypeVar

from rez_agent.domain.action import Offered, Outcome, Work
from rez_agent.domain.alert import Alert
from rez_agent.domain.alert_rules import AlertKind
from rez_agent.domain.changes import Change
from rez_agent.domain.command import Message
from rez_agent.domain.condition import Condition, Verdict
from rez_agent.domain.due import InFlight
from rez_agent.domain.errors import Problem
from rez_agent.domain.execution import Attempt, Execution, ExecutionStatus, Reason
from rez_agent.domain.policies import RetryPolicy
from rez_agent.domain.schedule import (
    ClosedDay,
    Schedule,
    ScheduleDefinition,
    ScheduleStatus,
    TargetType,
)
from rez_agent.domain.secret import Secret, SecretInfo

T = TypeVar("T")

COUNTED_EXACTLY = 1_000
"""A list's total is exact up to here; beyond it, "at least" so many. No list counts a million rows."""


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """A slice of a list. ``next_cursor`` is opaque, None on the last page; a page may hold less than was
    asked for though others follow. ``total`` counts what matches; where ``total_is_exact`` is false there are
    more than that."""

    items: tuple[T, ...]
    next_cursor: str | None
    total: int
    total_is_exact: bool = True


@dataclass(frozen=True, slots=True)
class ScheduleQuery:
    """Which schedules, in what order. None means no filter. Deleted ones only when ``status`` asks.

    ``order``: ``created_date``, ``name`` or ``next_run``; ``-`` in front reverses. With ``next_run`` only
    those that have one are listed. A cursor belongs to the query that gave it.
    """

    owner: str | None = None
    status: ScheduleStatus | None = None
    tag: str | None = None
    target_type: TargetType | None = None
    name: str | None = None
    name_prefix: str | None = None
    finished: bool | None = None
    order: str = "-created_date"
    cursor: str | None = None
    limit: int = 50


@dataclass(frozen=True, slots=True)
class ExecutionQuery:
    """Which executions, newest first. ``since`` (inclusive) and ``until`` (exclusive) bound the scheduled
    time. With ``schedule_id`` they are ordered by scheduled time, else by the order in which they were
    written."""

    owner: str | None = None
    schedule_id: str | None = None
    status: ExecutionStatus | None = None
    reason: Reason | None = None
    dead_letter: bool | None = None
    since: datetime | None = None
    until: datetime | None = None
    cursor: str | None = None
    limit: int = 50


class ScheduleStore(Protocol):
    """The schedules. The store is the truth; engines and timers are derived from it. Whoever reads a schedule
    gets the calendar that it heeds with it, as it is then."""

    def add(self, schedule: Schedule) -> None:
        """Keep a new schedule. Raises Conflict ``name_taken`` when its owner has a living one so named, and
        ``schedule_exists`` when its id is or was in use."""

    def replace(self, schedule: Schedule, before: Schedule) -> None:
        """Keep a schedule's next revision. Raises RevisionConflict unless ``before``'s revision is the
        present one, and Conflict ``name_taken``. The revision before is kept until no execution needs it."""

    def get(self, schedule_id: str) -> Schedule | None:
        """The schedule, tombstones included; None if there never was one or its tombstone has gone."""

    def payload_at(self, schedule_id: str, revision: int) -> dict[str, Any] | None:
        """The payload that a revision of the schedule has or had: what an execution of it is given. The
        present one where the revision has gone; None without a schedule."""

    def named(self, owner: str, name: str) -> str | None:
        """The id of ``owner``'s living schedule so named."""

    def list(self, query: ScheduleQuery) -> Page[Schedule]:
        """A page. Raises Invalid ``invalid_cursor``."""

    def heeding(self, calendar: str, closed: ClosedDay, after: str | None, limit: int) -> tuple[str, ...]:
        """Ids of the living schedules that heed the calendar in this way, in their order, those after
        ``after``."""

    def reschedule(self, schedule: Schedule) -> None:
        """Keep what comes next for a schedule (``next_run``, ``finished_at``), which a change of its calendar
        moved; its revision stays. Left alone if it has another revision by now."""

    def living(self, owner: str) -> int:
        """How many living schedules ``owner`` has, exactly, at no cost that grows with the number."""


@dataclass(frozen=True, slots=True)
class Claimed:
    """An execution leased to the caller for one attempt.

    ``lease`` is the fencing token: an end reported with an older one is not recorded.
    """

    work: Work
    lease: int
    target: str
    tries: int
    retry: RetryPolicy
    due_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Concluded:
    """What an attempt came to, and the execution's next state (decided by the domain).

    ``made``: false where a condition kept the attempt from being made: then ``attempt`` tells only when, and
    is neither recorded nor counted.
    """

    execution_id: str
    schedule_id: str
    lease: int
    attempt: Attempt
    status: ExecutionStatus
    tries: int
    next_attempt_at: datetime | None = None
    dead_letter: bool = False
    reason: Reason | None = None
    detail: str | None = None
    made: bool = True


class Ledger(Protocol):
    """The executions: what became of every occurrence. Each row is also its own queue entry."""

    def add(self, executions: Sequence[Execution]) -> int:
        """Write executions; one whose id is there already is left alone. Returns how many were new."""

    def get(self, execution_id: str) -> Execution | None:
        """The execution, or None."""

    def attempts(self, execution_id: str) -> tuple[Attempt, ...]:
        """Its attempts, oldest first."""

    def attempts_of(self, execution_ids: Sequence[str]) -> dict[str, tuple[Attempt, ...]]:
        """The attempts of several executions at once, without their responses."""

    def list(self, query: ExecutionQuery) -> Page[Execution]:
        """A page. Raises Invalid ``invalid_cursor``."""

    def latest(
        self,
        schedule_ids: Sequence[str],
        each: int,
        *,
        since: datetime | None = None,
        until: datetime | None = None,
    ) -> dict[str, tuple[Execution, ...]]:
        """The last ``each`` executions of each schedule by scheduled time, newest first, without their
        payloads; empty for a schedule that has none. No history is read further than that. ``since``
        (inclusive) and ``until`` (exclusive), whole seconds, bound the scheduled time."""

    def kept_since(self, schedule: Schedule, now: datetime) -> datetime:
        """What of the schedule was written before may have been forgotten."""

    def in_flight(self, schedule_id: str) -> InFlight:
        """What of the schedule is not final."""

    def requeue(self, execution_id: str, now: datetime, expires_at: datetime) -> bool:
        """Queue a failed or cancelled execution again, its tries counted anew; False if it is neither."""

    def cancel(self, execution_id: str, now: datetime, detail: str) -> bool:
        """Cancel a queued execution at once; ask a running one to stop, which ends as cancelled unless it
        ends first. False if it is final already."""

    def cancel_all(self, schedule_id: str, now: datetime, detail: str) -> int:
        """The same for everything of the schedule that is in flight; how many."""

    def dead_letters(self, query: ExecutionQuery) -> tuple[str, ...]:
        """Ids of dead letters that match, oldest first, ``query.limit`` at most."""


class Messages(Protocol):
    """The commands on their way. A final message is kept for a week."""

    def add(self, message: Message) -> None:
        """Keep a new message. One whose id is there already is left alone."""

    def save(self, message: Message) -> None:
        """Keep what became of it."""

    def get(self, message_id: str) -> Message | None:
        """The message, or None."""

    def judged(self, message_id: str) -> Message | None:
        """The message if it is final, or None: quicker than :meth:`get` where it seldom is."""

    def pending_create(self, schedule_id: str) -> Message | None:
        """The create of this schedule that has not been judged yet, or None."""


@dataclass(frozen=True, slots=True)
class Record:
    """A small document with a key of its own within its kind, until ``expires_at``."""

    kind: str
    key: str
    value: dict[str, Any]
    expires_at: datetime | None = None


class Records(Protocol):
    """Small documents: API keys, idempotency keys. Expired ones are never returned."""

    def get(self, kind: str, key: str, now: datetime) -> Record | None:
        """The record, or None."""

    def put(self, record: Record) -> None:
        """Keep it, in place of the one before."""

    def delete(self, kind: str, key: str) -> bool:
        """Whether there was one."""

    def list(self, kind: str, now: datetime) -> list[Record]:
        """All of a kind, by key."""


class Changes(Protocol):
    """The changes of schedules: who changed what, when and why. The newest ``CHANGES_KEPT`` of a schedule are
    kept for as long as it, or its tombstone, stands. Creations are not among them: the schedule tells."""

    def add(self, change: Change) -> None:
        """Keep a change, in the use case that makes it."""

    def list(self, schedule_id: str, *, cursor: str | None = None, limit: int = 50) -> Page[Change]:
        """A page, newest first. ``total`` counts what is kept. Raises Invalid ``invalid_cursor``."""

    def back_to(self, schedule_id: str, instant: datetime) -> tuple[Change, ...]:
        """Those made after ``instant``, newest first, and before it back to the last update."""


@dataclass(frozen=True, slots=True)
class Fact:
    """Something of an execution that rules may ask about: that it has ended, or with ``late`` that it came
    too late, or never. The execution is as it is now."""

    execution: Execution
    late: bool = False


@dataclass(frozen=True, slots=True)
class Overdue:
    """A schedule whose occurrence should have started at ``due_at`` and has not. ``subject``: the target in
    whose queue it waits, or the engine, which has not come to it."""

    schedule_id: str
    owner: str
    subject: str
    due_at: datetime


@dataclass(frozen=True, slots=True)
class AlertQuery:
    """Which alerts, newest first. ``schedule_id``: those that concern it."""

    owner: str | None = None
    schedule_id: str | None = None
    kind: AlertKind | None = None
    open: bool | None = None
    cursor: str | None = None
    limit: int = 50


class Alerts(Protocol):
    """The alerts, and what is still to be looked at for them.

    A fact is noted in the transaction that makes it true: executions that fail, that were missed or caught
    up, and those that succeed where a rule compares durations.
    """

    def take_facts(self, limit: int) -> tuple[Fact, ...]:
        """The oldest facts that nobody has taken, which are then taken. Those of executions that have gone
        are left out."""

    def durations_before(self, execution: Execution, limit: int) -> tuple[int, ...]:
        """How many milliseconds its schedule's executions took that succeeded before this one ended, tests
        left out: the last ``limit`` by scheduled time, the newest first."""

    def overdue(self, before: datetime, limit: int) -> tuple[Overdue, ...]:
        """What should have started ``before`` and has not, with at least the oldest of each target; never
        what is paused, or held behind another execution."""

    def save(self, alert: Alert) -> None:
        """Keep an alert, in place of the same one before; it is kept as long as the ledger keeps history.
        What of it is to be sent is sent once the use case is durable."""

    def get(self, alert_id: str) -> Alert | None:
        """The alert, or None."""

    def last(self, rule_key: str, subject: str) -> Alert | None:
        """The last alert of a rule about a subject."""

    def to_look_at(self, now: datetime, limit: int) -> tuple[Alert, ...]:
        """Alerts that must be looked at by ``now``, those that waited longest first."""

    def to_send(self, now: datetime, limit: int) -> tuple[Alert, ...]:
        """Alerts with a notice to be sent by ``now``, those that waited longest first."""

    def list(self, query: AlertQuery) -> Page[Alert]:
        """A page. Raises Invalid ``invalid_cursor``."""


class Engine(Protocol):
    """What keeps time. It is derived from the store: arming is idempotent and may be repeated.

    ``arm`` and ``disarm`` never fail a command: an engine that can't be reached takes the schedule up later,
    and what fell due meanwhile is made good.
    """

    def check(self, definition: ScheduleDefinition) -> list[Problem]:
        """What of a definition, right in itself, this engine can't keep time for (``unsupported_by_engine``),
        with pointers into its document; empty when it can."""

    def settle(self, schedule: Schedule, now: datetime) -> Schedule:
        """Fire what is due of ``schedule`` up to ``now`` and has no entry yet, so that a change made now
        can't swallow it; returns the schedule as it is then."""

    def arm(self, schedule: Schedule) -> None:
        """See to it that the schedule's next occurrence, or the end of its pause, is acted on in time; also
        when it has come already. The schedule is the one that the store was just given."""

    def disarm(self, schedule_id: str) -> None:
        """Nothing of the schedule is to fire any more."""


class Topic(Protocol):
    """The topics: ``schedule-creation`` for commands; work goes to ``web-actions``, ``notifications``,
    ``custom`` by target type."""

    def publish_command(self, message: Message) -> None:
        """Hand a stored command to the scheduler, at least once, when the use case is durable."""

    def publish_work(self, executions: Sequence[Execution]) -> None:
        """Hand queued executions to the processor, at least once, when the use case is durable."""


class Blobs(Protocol):
    """Payloads too large for a row. A blob dies with its last owner."""

    def put(self, owner: str, data: bytes) -> str:
        """Keep it for ``owner`` (an id); the reference to get it by. The same data twice is kept once."""

    def get(self, reference: str) -> bytes:
        """The data. Raises NotFound."""

    def drop(self, owner: str) -> None:
        """``owner`` needs its blobs no more."""


class Secrets(Protocol):
    """Secrets by name: write-only for callers, each bound to the hosts it may be sent to."""

    def get(self, name: str) -> Secret | None:
        """The secret with its value, for an action about to use it."""

    def names(self) -> list[SecretInfo]:
        """What there is, never a value."""

    def put(self, name: str, value: str, hosts: tuple[str, ...]) -> None:
        """Keep a secret, in place of the one before. Raises Invalid for an unfit name or host."""

    def delete(self, name: str) -> bool:
        """Whether there was one."""


class Actions(Protocol):
    """The kinds of action that this host can perform."""

    def check(self, target_type: str, payload: Mapping[str, Any]) -> list[Problem]:
        """All that is wrong with a payload, pointers relative to it; empty when it can be performed."""

    def target(self, target_type: str, payload: Mapping[str, Any]) -> str:
        """Whom a checked payload calls: executions with the same target share its concurrency limit."""

    def offered(self) -> Offered:
        """What a payload may name, in the order of names."""

    def check_condition(self, condition: str, payload: Mapping[str, Any]) -> list[Problem]:
        """All that is wrong with the condition of a schedule with such a payload (``invalid_condition``),
        pointers relative to it. Quick; evaluates nothing."""

    async def judge(self, condition: Condition) -> Verdict:
        """What a condition comes to, bounded in time and memory. Never raises, except when cancelled."""

    async def run(self, work: Work) -> Outcome:
        """Make one attempt, unless the work's condition says no. Never raises, except when cancelled."""


class Clock(Protocol):
    """Time. A use case asks once and passes the answer on."""

    def now(self) -> datetime:
        """The wall clock: aware, UTC. May jump either way."""

    def monotonic(self) -> float:
        """Seconds that never run back, from an arbitrary origin."""


class Random(Protocol):
    """Chance, and ids."""

    def draw(self) -> float:
        """A number in [0, 1)."""

    def new_id(self, prefix: str, now: datetime) -> str:
        """``{prefix}_`` and 26 characters [0-9a-z] that sort by ``now`` and are never drawn twice."""


@dataclass(frozen=True, slots=True)
class Ports:
    """All that a use case can reach."""

    schedules: ScheduleStore
    ledger: Ledger
    messages: Messages
    records: Records
    changes: Changes
    engine: Engine
    topic: Topic
    alerts: Alerts
    actions: Actions
    clock: Clock
    random: Random


class Host(Protocol):
    """Where use cases run: what the web layer and the processor are given."""

    async def write(self, use_case: Callable[[Ports], T]) -> T:
        """Run ``use_case`` whole; its effects are durable when this returns. What it raises is raised here,
        and then nothing of it remains. Raises Unavailable when the host can't write."""

    async def read(self, use_case: Callable[[Ports], T]) -> T:
        """Run ``use_case``, which must only read, on a consistent view that holds every earlier write of
        this host."""

    async def judged(self, message_id: str, seconds: float) -> Message:
        """The message once it is final, or as it is after ``seconds``. No thread is held meanwhile."""

    def health(self) -> dict[str, Any]:
        """Facts for /healthz: ``{"status": "ok" | "failing", "reasons": [...], ...}``. Never blocks."""
