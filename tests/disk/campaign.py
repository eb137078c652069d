"""A campaign: every trial there is, or one in so many of them, its numbers adding up in a file."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from zlib import crc32

import structlog

from rez_agent.local.database import DATABASE_FILE, open_writer
from tests.disk.faults import Disk, Fault, FaultVFS, How
from tests.disk.files import run as run_on_files
from tests.disk.files import undertakings
from tests.disk.transactions import ALL
from tests.disk.trials import CHECKPOINTING, ORDINARY, Bench, Trial, Verdict
from tests.disk.world import make_world

Make = Callable[[Trial], Verdict]


@dataclass
class Record:
    """What a campaign has come to, over all its runs. ``through``: how many subjects of the present pass are
    done; each pass draws other cuts. ``kept``: refused, and there after the cut all the same."""

    passes: int = 0
    through: int = 0
    trials: int = 0
    kept: int = 0
    by_fault: dict[str, int] = field(default_factory=dict)
    by_subject: dict[str, int] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)
    last: str = ""

    @classmethod
    def read(cls, file: Path) -> Record:
        """The record so far."""
        return cls(**json.loads(file.read_text())) if file.exists() else cls()

    def write(self, file: Path) -> None:
        """Keep it, whole or not at all."""
        self.last = datetime.now(UTC).isoformat(timespec="seconds")
        file.parent.mkdir(parents=True, exist_ok=True)
        unfinished = file.with_suffix(".unfinished")
        unfinished.write_text(json.dumps(asdict(self), indent=1))
        unfinished.replace(file)

    def add(self, trial: Trial, verdict: Verdict) -> None:
        """One more."""
        self.trials += 1
        self.kept += verdict.kept
        for counts, name in (
            (self.by_fault, trial.fault.how.value),
            (self.by_subject, trial.transaction),
        ):
            counts[name] = counts.get(name, 0) + 1
        if verdict.wrong is not None:
            self.wrong.append(f"{trial}: {verdict.wrong}")


class Campaign:
    """Over one world, in a directory of its own. ``only``: of one transaction, by its name.
    ``checksums``: of a database that has them, which is for a process of its own: the failing disk then lies
    beneath every file that it opens."""

    def __init__(self, directory: Path, only: str | None = None, *, checksums: bool = False) -> None:
        structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
        world = directory / "world"
        world.mkdir(parents=True)
        make_world(world)
        beneath = FaultVFS("beneath", Disk(), makedefault=True) if checksums else None
        if checksums:
            open_writer(world / DATABASE_FILE, checksums=True).close()
        bench = Bench(world, directory / "bench", beneath)
        self._subjects: list[tuple[str, tuple[int, ...], Make]] = [
            (one.name, (ORDINARY, CHECKPOINTING), partial(bench.run, one)) for one in ALL
        ]
        self._subjects += [
            (
                one.name,
                (ORDINARY,),
                partial(run_on_files, one, directory=directory / "files", beneath=beneath),
            )
            for one in undertakings(world, directory / "scratch")
            if not (checksums and one.copies)
        ]
        self._subjects = [subject for subject in self._subjects if only in (None, subject[0])]

    @property
    def subjects(self) -> int:
        """How many there are."""
        return len(self._subjects)

    def run(self, number: int, record: Record, *, stride: int = 1) -> None:
        """The trials of a subject, every ``stride``-th of each kind, added to the record."""
        name, checkpoints, make = self._subjects[number]
        for trials in _kinds(name, checkpoints, record.passes, stride):
            for trial in trials:
                verdict = make(trial)
                if not verdict.met:
                    break
                record.add(trial, verdict)


def _kinds(name: str, checkpoints: tuple[int, ...], number: int, stride: int) -> Iterator[Iterator[Trial]]:
    """For each kind of fault, its trials at one call after the other; without end."""
    for how in How:
        for autocheckpoint in checkpoints:
            for cut in ("nothing", "something") if number == 0 else ("something",):
                draw = crc32(f"{name}, {how}, {autocheckpoint}, {cut}, {number}".encode())
                yield _each(name, how, autocheckpoint, draw, stride, drawn=cut == "something")


def _each(
    name: str, how: How, autocheckpoint: int, draw: int, stride: int, *, drawn: bool
) -> Iterator[Trial]:
    at = draw % stride
    while True:
        yield Trial(name, Fault(at, how), autocheckpoint, draw + at if drawn else None)
        at += stride


def told(record: Record) -> str:
    """The record in a few lines."""
    faults = ", ".join(f"{name} {count}" for name, count in Counter(record.by_fault).most_common())
    return (
        f"{record.trials} trials in {record.passes} passes, {len(record.wrong)} wrong ({faults}); "
        f"{record.kept} refused and kept after a cut"
    )
