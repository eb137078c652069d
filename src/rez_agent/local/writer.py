"""The one writer: use cases run whole inside it, grouped into transactions.

Jobs queue up while a commit is under way; :meth:`Writer.flush` takes what has gathered, runs each job under
a savepoint of one transaction, commits once for all, and only then lets the results go. So an answer is
never seen before what it tells is on disk, and a burst of small changes costs few syncs. Commands that a
job publishes are applied right after it, in the same transaction.

Crash: before the commit nothing of the group has happened and nobody was told; after it, all of it has, and
whoever was not told asks again (commands and executions have ids, so a repetition meets the same rows).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from threading import Condition, Thread
from typing import Any

import apsw
import structlog

from rez_agent.domain.command import Message, MessageStatus
from rez_agent.domain.errors import Problem, RezError, Unavailable
from rez_agent.local.bundle import LocalPorts
from rez_agent.local.database import Savepoint
from rez_agent.local.failing import DAMAGED, STORAGE_FAILS, storage_error
from rez_agent.local.queue import shift
from rez_agent.local.signals import Signals
from rez_agent.local.steps import StepWatch
from rez_agent.usecases.applying import apply

GROUP = 256
"""Jobs in one transaction, at most."""

log = structlog.get_logger()


@dataclass(slots=True)
class Job:
    """A use case to run, and what came of it. ``token`` is the submitter's own, handed back unread."""

    run: Callable[[LocalPorts], Any]
    token: Any = None
    result: Any = None
    error: BaseException | None = None


class _Refused(Exception):
    """A command was refused: whatever its handler wrote before it knew is undone."""

    def __init__(self, message: Message) -> None:
        super().__init__(message.id)
        self.message = message


class Writer:
    """Runs jobs one after the other, in the order of their submission.

    ``on_settled`` gets the jobs of each group after it ended; ``on_commit`` what a durable group stirred up;
    ``on_damage`` is told when the database turns out to be damaged. All are called on the writer's thread and
    must return at once. :meth:`flush` is the whole of it: a
    thread (:meth:`start`) only calls it, and a test or a simulation calls it by itself.
    """

    def __init__(
        self,
        ports: LocalPorts,
        *,
        on_settled: Callable[[list[Job]], None],
        on_commit: Callable[[Signals], None],
        on_damage: Callable[[str], None] = lambda _text: None,
    ) -> None:
        self._ports = ports
        self._connection = ports.connection
        self._on_settled = on_settled
        self._on_commit = on_commit
        self._on_damage = on_damage
        self._waiting: deque[Job] = deque()
        self._changed = Condition()
        self._stopping = False
        self._thread: Thread | None = None
        self._of_job = Savepoint(ports.connection, "job")
        self._of_command = Savepoint(ports.connection, "command")
        self._watch = StepWatch(ports.clock)
        self.groups = 0
        self.jobs = 0

    def submit(self, job: Job) -> None:
        """Queue a job. After :meth:`stop` it settles at once, with Unavailable."""
        with self._changed:
            if not self._stopping:
                self._waiting.append(job)
                self._changed.notify()
                return
        job.error = Unavailable("The server is stopping. Ask again when it is back.", code="stopping")
        self._on_settled([job])

    def flush(self) -> int:
        """Run a group of what waits, in one transaction; how many jobs it had."""
        with self._changed:
            group = [self._waiting.popleft() for _ in range(min(GROUP, len(self._waiting)))]
        if not group:
            return 0
        signals = self._run_group(group)
        self.groups += 1
        self.jobs += len(group)
        if signals is not None:
            self._on_commit(signals)
        self._on_settled(group)
        return len(group)

    def start(self) -> None:
        """Call :meth:`flush` on a thread of its own whenever something waits."""
        self._thread = Thread(target=self._loop, name="writer", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Run what waits, take nothing more, end the thread."""
        with self._changed:
            self._stopping = True
            self._changed.notify()
        if self._thread is not None:
            self._thread.join()

    def _loop(self) -> None:
        while True:
            with self._changed:
                while not self._waiting and not self._stopping:
                    self._changed.wait()
                if not self._waiting:
                    return
            self.flush()

    def _run_group(self, group: list[Job]) -> Signals | None:
        """The group's transaction; None when it failed as a whole, which every job of it is told."""
        committing = False
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            self._heed_clock()
            for job in group:
                self._run_job(job)
            committing = True
            self._connection.execute("COMMIT")
        except Exception as error:  # noqa: BLE001 - the writer outlives whatever happens
            self._fail(group, error, committing=committing)
            return None
        self._watch.settled()
        return self._ports.signals.take()

    def _heed_clock(self) -> None:
        """Where the wall clock was stepped, let the queue keep the time it had left, before anything else."""
        now, step = self._watch.look()
        if step:
            log.warning("clock_stepped", action="clock_stepped", seconds=round(step.total_seconds(), 3))
            shift(self._connection, now, step // timedelta(milliseconds=1))
            self._ports.signals.stepped = True

    def _run_job(self, job: Job) -> None:
        signals = self._ports.signals
        mark = signals.mark()
        try:
            with self._of_job:
                job.result = job.run(self._ports)
        except Exception as error:  # whatever it is, it is the submitter's to see
            if self._costs_the_group(error):
                raise
            job.error = error
            signals.commands.clear()
            signals.undo(mark)
            return
        while signals.commands:
            self._apply(signals.commands.pop(0))

    def _apply(self, message: Message) -> None:
        mark = self._ports.signals.mark()
        try:
            with self._of_command:
                self._judge(message)
        except _Refused as refused:
            self._ports.signals.undo(mark)
            self._ports.messages.save(refused.message)  # all that remains of it
        except Exception as error:
            if self._costs_the_group(error):
                raise
            self._ports.signals.undo(mark)
            log.exception("command_failed", action="command_failed", message_id=message.id)
            text = "The command failed for a reason that is ours. Nothing was changed; the log tells more."
            problems = (Problem("internal_error", text),)
            now = self._ports.clock.now()
            self._ports.messages.save(message.failed(now, RezError.__name__, problems))

    def _judge(self, message: Message) -> None:
        """Apply a command. Raises what undoes it when it is refused."""
        judged = apply(self._ports, message)
        if judged.status is MessageStatus.FAILED:
            raise _Refused(judged)

    def _costs_the_group(self, error: Exception) -> bool:
        """Whether the database failed as such, or gave up the transaction."""
        return isinstance(error, STORAGE_FAILS) or not self._connection.in_transaction

    def _fail(self, group: list[Job], error: Exception, *, committing: bool) -> None:
        """The database refused: nothing of the group has happened. Where that was while ``committing``, the
        log may hold all of it nevertheless, which counts if the next to open the database finds it so, and
        not once anything else was written."""
        log.error("group_failed", action="group_failed", error=str(error), jobs=len(group))
        self._ports.signals.take()
        with suppress(apsw.Error):  # what can't be read now is rolled back before the next group
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
        unless = ", unless the server dies before it can write again" if committing else ""
        text = f"can't be written: {error}. Nothing was changed{unless}. Free disk space, or see the log."
        told = storage_error(error, text)
        if told.code == DAMAGED:
            self._on_damage(told.message)
        for job in group:
            job.result, job.error = None, told
