"""Trials: one transaction, one fault, and what must hold afterwards.

A transaction is first made without a fault: the contents of the database before it and after each of its
parts are what a trial may find. Then the same is done on a disk on which one call fails. Afterwards:

- in the running process, what was acknowledged is there, and of the rest nothing;
- after a cut of the power, or an end without one, what was acknowledged is there, and what was not is wholly
  there or wholly not; the file passes ``integrity_check``;
- where the fault passed, the same process goes on: it creates, fires and concludes, durably.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

import apsw

from rez_agent.domain.errors import RezError
from rez_agent.local.database import DATABASE_FILE
from rez_agent.local.writer import Job
from tests.disk.faults import Disk, Fault, FaultVFS, PowerGone
from tests.disk.transactions import Transaction
from tests.disk.world import rig_on
from tests.rig import Rig

SEED = 7
Contents = dict[str, list[tuple[Any, ...]]]
DAMAGE = "(damage)"
CHECKSUMS = "cksmvfs"

ORDINARY, CHECKPOINTING = 4_000, 1
"""After how many pages of the log a commit writes them back: as in production, and always."""


@dataclass(frozen=True, slots=True)
class Trial:
    """A fault in a transaction. ``chance`` seeds what a cut of the power leaves; None: only what
    was synced."""

    transaction: str
    fault: Fault
    autocheckpoint: int = ORDINARY
    chance: int | None = None

    def __str__(self) -> str:
        left = "" if self.chance is None else f", left by {self.chance}"
        checkpoint = ", checkpointing" if self.autocheckpoint == CHECKPOINTING else ""
        return f"{self.transaction}{checkpoint}: {self.fault.how.value} at {self.fault.at}{left}"


def contents(connection: apsw.Connection) -> Contents:
    """All rows of all tables."""
    names = [
        str(name)
        for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name")
    ]
    return {
        name: sorted(connection.execute(f'SELECT * FROM "{name}"').fetchall(), key=repr) for name in names
    }


@dataclass(frozen=True, slots=True)
class Verdict:
    """``met``: the fault came to be; ``wrong``: what must not be; ``kept``: what was refused stands after the
    cut, which is allowed, since nobody was told that it does not."""

    met: bool
    wrong: str | None = None
    kept: bool = False


class Bench:
    """Makes trials over one world, in a directory of its own. ``beneath``: the failing disk where it lies
    beneath the checksums."""

    def __init__(self, world: Path, directory: Path, beneath: FaultVFS | None = None) -> None:
        self._beneath = beneath
        self._world = world
        self._directory = directory
        self._states: dict[str, list[Contents]] = {}

    def run(self, transaction: Transaction, trial: Trial) -> Verdict:
        """Make the trial."""
        expected = self._expected(transaction)
        with self._fresh() as (directory, disk, vfs):
            life = _Life(directory, disk, vfs, trial, self._beneath)
            try:
                life.live(transaction)
                if not disk.fired:
                    return Verdict(met=False)
                wrong = life.judged(expected, self._directory / "left")
                return Verdict(met=True, wrong=wrong, kept=life.kept)
            finally:
                life.end()

    def _expected(self, transaction: Transaction) -> list[Contents]:
        """The contents before and after each part."""
        if transaction.name not in self._states:
            with self._fresh() as (directory, _, vfs):
                rig = rig_on(directory, seed=SEED, vfs=vfs)
                context = transaction.prepare(rig)
                states = [contents(rig.connection)]
                states += [contents(rig.connection) for _ in transaction.act(rig, context)]
                rig.close()
            self._states[transaction.name] = states
        return self._states[transaction.name]

    @contextmanager
    def _fresh(self) -> Iterator[tuple[Path, Disk, str]]:
        """The world on a disk of its own."""
        directory = self._directory / "disk"
        shutil.rmtree(directory, ignore_errors=True)
        directory.mkdir(parents=True)
        shutil.copy(self._world / DATABASE_FILE, directory)
        disk = Disk()
        disk.holds(directory / DATABASE_FILE)
        if self._beneath is not None:
            with self._beneath.using(disk):
                yield directory, disk, CHECKSUMS
            return
        vfs = FaultVFS("failing", disk)
        try:
            yield directory, disk, "failing"
        finally:
            vfs.unregister()


class _Life:
    """One process over a disk that fails."""

    def __init__(self, directory: Path, disk: Disk, vfs: str, trial: Trial, beneath: FaultVFS | None) -> None:
        self._disk = disk
        self._beneath = beneath
        self._trial = trial
        self.kept = False
        self._broke: str | None = None
        self._rig = _Acknowledging(rig_on(directory, seed=SEED, vfs=vfs))
        self._rig.rig.connection.set_wal_hook(partial(_checkpoint, trial.autocheckpoint))

    def live(self, transaction: Transaction) -> None:
        """Make the transaction, part by part, until one fails."""
        rig = self._rig.rig
        context = transaction.prepare(rig)
        self._rig.acknowledged = 0
        self._disk.arm(self._trial.fault)
        try:
            for _ in transaction.act(rig, context):
                pass
        except (RezError, apsw.Error, PowerGone):
            return
        except Exception as error:  # noqa: BLE001 - whatever it is, no caller should meet it
            self._broke = repr(error)

    def judged(self, expected: list[Contents], left: Path) -> str | None:
        """What is wrong, if anything."""
        known = self._rig.acknowledged
        if self._broke is not None:
            return f"breaks: {self._broke}"
        if not self._disk.dead:
            self._disk.heal()
            wrong = differs(contents(self._rig.rig.connection), expected[known : known + 1])
            if wrong:
                return f"in the process, after {known} of {len(expected) - 1}: {wrong}"
        wrong = self._after_the_cut(left, expected[known : known + 2])
        if wrong:
            return f"after the cut, {known} of {len(expected) - 1} acknowledged: {wrong}"
        return None if self._disk.dead else self._goes_on(left)

    def _after_the_cut(self, left: Path, allowed: list[Contents]) -> str | None:
        """Of what is on the disk now."""
        chance = None if self._trial.chance is None else Random(self._trial.chance)
        with self._found(left, chance) as connection:
            found = contents_or_damage(connection)
            self.kept = found in allowed[1:]
            return differs(found, allowed)

    def _goes_on(self, left: Path) -> str | None:
        """Once the disk is well again: the process works, and what it does is durable."""
        rig = self._rig.rig
        try:
            made = rig.create("after", payload={"target": "after"})
            rig.clock.advance(hours=1)
            rig.tick_all()
            done = [one for one in rig.work() if one.startswith(f"{made.id}_")]
        except (RezError, apsw.Error, AssertionError) as error:
            return f"does not go on: {error!r}"
        if not done:
            return "does not go on: nothing fired"
        with self._found(left, None) as connection:
            found = contents_or_damage(connection)
        if DAMAGE in found:
            return f"damaged: {found[DAMAGE]}"
        kept = any(done[0] in row and "succeeded" in row for row in found["executions"])
        return None if kept else "what went on is lost"

    @contextmanager
    def _found(self, left: Path, chance: Random | None) -> Iterator[apsw.Connection]:
        """The database as the next process finds it."""
        shutil.rmtree(left, ignore_errors=True)
        left.mkdir()
        self._disk.leave(left, chance)
        with nullcontext() if self._beneath is None else self._beneath.using(Disk()):
            rig = Rig(left)
            try:
                yield rig.connection
            finally:
                rig.close()

    def end(self) -> None:
        """The process is gone."""
        self._disk.heal()
        with suppress(apsw.Error, PowerGone):
            self._rig.rig.connection.close()


class _Acknowledging:
    """A host that counts the transactions whose submitter was told, in the moment in which that was."""

    def __init__(self, rig: Rig) -> None:
        self.rig = rig
        self.acknowledged = 0
        rig.writer = rig.writer_telling(self._told)

    def _told(self, jobs: list[Job]) -> None:
        self.acknowledged += all(not _refused(job) for job in jobs)


def _refused(job: Job) -> bool:
    return isinstance(job.error, RezError | apsw.Error)


def _checkpoint(after: int, connection: apsw.Connection, _name: str, pages: int) -> int:
    """What SQLite does by itself after a commit, which a failing checkpoint takes nothing from: a VFS of
    Python's would have its exception raised at the commit all the same."""
    if pages >= after:
        with suppress(apsw.Error):
            connection.wal_checkpoint()
    return apsw.SQLITE_OK


def contents_or_damage(connection: apsw.Connection) -> Contents:
    """All rows of all tables; under ``damage`` what ``integrity_check`` finds, where it finds something."""
    try:
        lines = [row[0] for row in connection.execute("PRAGMA integrity_check(3)")]
        return contents(connection) if lines == ["ok"] else {DAMAGE: [tuple(lines)]}
    except apsw.Error as error:
        return {DAMAGE: [(repr(error),)]}


def differs(found: Contents | None, allowed: Sequence[Contents | None]) -> str | None:
    """How it differs from each that is allowed; None where it is one of them."""
    return None if found in allowed else " or ".join(_difference(found or {}, one or {}) for one in allowed)


def _difference(found: Contents, allowed: Contents) -> str:
    if DAMAGE in found:
        return f"damaged: {found[DAMAGE]}"
    tables = sorted(n for n in found.keys() | allowed.keys() if found.get(n) != allowed.get(n))
    return ", ".join(f"{n} ({len(found.get(n, []))} rows, not {len(allowed.get(n, []))})" for n in tables)
