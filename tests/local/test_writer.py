"""The one writer: whole use cases, grouped, released when they are durable."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event

import apsw
import pytest

from rez_agent.domain.command import MessageStatus, ScheduleCreationRequest
from rez_agent.domain.errors import NotFound, Unavailable
from rez_agent.local.bundle import LocalPorts
from rez_agent.local.database import open_reader
from rez_agent.local.signals import Signals
from rez_agent.local.writer import GROUP, Job, Writer
from rez_agent.ports import Record
from rez_agent.usecases.commands import submit
from tests.fakes import NOON
from tests.rig import ANN, Rig, definition_of


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    rig = Rig(tmp_path)
    yield rig
    rig.close()


def keep(number: int, size: int = 0) -> Callable[[LocalPorts], int]:
    def use_case(ports: LocalPorts) -> int:
        ports.records.put(Record("test", str(number), {"filling": "x" * size}))
        return number

    return use_case


def fail(ports: LocalPorts) -> None:
    keep(99)(ports)
    raise NotFound("no such thing")


def submitted(rig: Rig, *use_cases: Callable[[LocalPorts], object]) -> list[Job]:
    jobs = [Job(use_case) for use_case in use_cases]
    for job in jobs:
        rig.writer.submit(job)
    return jobs


def kept(rig: Rig) -> list[str]:
    """What a second connection sees: only what was committed."""
    reader = open_reader(rig.database)
    try:
        return [row[0] for row in reader.execute("SELECT key FROM records ORDER BY key")]
    finally:
        reader.close()


# --- groups ---


def test_jobs_that_wait_are_run_in_one_transaction_in_their_order(rig: Rig) -> None:
    jobs = submitted(rig, *[keep(number) for number in range(9)])
    assert rig.writer.flush() == 9
    assert (rig.writer.groups, rig.writer.jobs) == (1, 9)
    assert [job.result for job in jobs] == list(range(9))
    assert rig.settled == jobs
    assert rig.writer.flush() == 0


def test_a_group_has_its_limit(rig: Rig) -> None:
    submitted(rig, *[keep(number) for number in range(GROUP + 1)])
    assert [rig.writer.flush(), rig.writer.flush()] == [GROUP, 1]


def test_results_are_released_only_after_the_commit(rig: Rig) -> None:
    seen: list[tuple[str, list[str]]] = []
    writer = Writer(
        rig.ports,
        on_settled=lambda _jobs: seen.append(("settled", kept(rig))),
        on_commit=lambda _signals: seen.append(("committed", kept(rig))),
    )
    uncommitted: list[list[str]] = []
    writer.submit(Job(keep(1)))
    writer.submit(Job(lambda _ports: uncommitted.append(kept(rig))))
    writer.flush()
    assert uncommitted == [[]]
    assert seen == [("committed", ["1"]), ("settled", ["1"])]


def test_a_failing_job_leaves_nothing_and_does_not_hurt_its_group(rig: Rig) -> None:
    before, failing, after = submitted(rig, keep(1), fail, keep(2))
    rig.writer.flush()
    assert isinstance(failing.error, NotFound)
    assert (before.error, after.error) == (None, None)
    assert kept(rig) == ["1", "2"]


def test_an_error_of_the_database_that_costs_no_transaction_is_its_jobs_own(rig: Rig) -> None:
    def nonsense(ports: LocalPorts) -> None:
        ports.connection.execute("INSERT INTO nowhere VALUES (1)")

    failing, after = submitted(rig, nonsense, keep(2))
    rig.writer.flush()
    assert isinstance(failing.error, apsw.SQLError)
    assert after.error is None
    assert kept(rig) == ["2"]


# --- a full disk ---


def fill(rig: Rig) -> None:
    """Leave the database no page to grow by."""
    rig.connection.pragma("max_page_count", rig.connection.pragma("page_count"))


def free_space(rig: Rig) -> None:
    rig.connection.pragma("max_page_count", 1_000_000)


def test_on_a_full_disk_nothing_of_the_group_happens_and_everybody_is_told(rig: Rig) -> None:
    fill(rig)
    jobs = submitted(rig, keep(1), keep(2, size=100_000), keep(3))
    rig.writer.flush()
    assert [type(job.error) for job in jobs] == [Unavailable] * 3
    assert {getattr(job.error, "code", None) for job in jobs} == {"storage_unavailable"}
    assert [job.result for job in jobs] == [None] * 3
    assert kept(rig) == []


@pytest.mark.parametrize(
    "statement", ["INSERT INTO blobs VALUES ('x', zeroblob(1000000))", "CREATE TABLE t (x)"]
)
def test_a_transaction_that_the_database_gave_up_by_itself_takes_the_group_with_it(
    rig: Rig, statement: str
) -> None:
    fill(rig)
    jobs = submitted(rig, keep(1), lambda ports: ports.connection.execute(statement), keep(3))
    rig.writer.flush()
    assert [type(job.error) for job in jobs] == [Unavailable] * 3
    assert kept(rig) == []
    assert not rig.connection.in_transaction


def test_once_there_is_space_again_the_writer_goes_on(rig: Rig) -> None:
    fill(rig)
    submitted(rig, keep(2, size=100_000))
    rig.writer.flush()
    free_space(rig)
    (job,) = submitted(rig, keep(2, size=100_000))
    rig.writer.flush()
    assert (job.error, kept(rig)) == (None, ["2"])


def test_what_a_failed_group_stirred_up_is_forgotten(rig: Rig) -> None:
    fill(rig)

    def stir(ports: LocalPorts) -> None:
        ports.signals.wake(5)
        ports.signals.work = True
        keep(1, size=100_000)(ports)

    submitted(rig, stir)
    rig.writer.flush()
    assert rig.signals == []
    free_space(rig)
    submitted(rig, keep(1))
    rig.writer.flush()
    assert rig.signals == [Signals()]


# --- commands ---


def create(name: str, **changes: object) -> Callable[[LocalPorts], str]:
    request = ScheduleCreationRequest.model_validate(
        {"action": "create", "schedule": definition_of(name, **changes)}
    )
    return lambda ports: submit(ports, ANN, request).message.id


def test_a_command_is_applied_in_the_transaction_that_stored_it(rig: Rig) -> None:
    (job,) = submitted(rig, create("report"))
    rig.writer.flush()
    message = rig.ports.messages.get(job.result)
    assert message is not None
    assert message.status is MessageStatus.COMPLETED
    assert [judged.id for judged in rig.signals[0].judged] == [job.result]


def test_commands_are_applied_before_the_next_job_runs(rig: Rig) -> None:
    first, second = submitted(rig, create("report"), lambda ports: ports.schedules.named("ann", "report"))
    rig.writer.flush()
    assert first.error is None
    assert second.result is not None


def test_a_command_that_fails_for_a_reason_of_ours_is_told_as_failed_and_changes_nothing(rig: Rig) -> None:
    (job,) = submitted(rig, create("report"))
    rig.connection.execute(
        "CREATE TEMP TRIGGER refuse BEFORE INSERT ON schedules BEGIN SELECT RAISE(ABORT, 'broken'); END"
    )
    rig.writer.flush()
    message = rig.ports.messages.get(job.result)
    assert message is not None
    assert (message.status, message.problems[0].code) == (MessageStatus.FAILED, "internal_error")
    assert rig.ports.schedules.named("ann", "report") is None


def test_a_refused_command_leaves_nothing_but_its_refusal(rig: Rig) -> None:
    """Two creates of one name, submitted together: the second is refused when it is applied."""
    both = [create("report", payload={"target": "t", "text": letter * 70_000}) for letter in "ab"]
    (job,) = submitted(rig, lambda ports: [use_case(ports) for use_case in both])
    rig.writer.flush()
    found = [rig.ports.messages.get(message_id) for message_id in job.result]
    assert [message and message.status.value for message in found] == ["completed", "failed"]
    assert rig.one("SELECT count(*) FROM blobs") == 1


# --- its thread ---


def test_on_its_thread_it_runs_what_is_submitted_and_ends_when_stopped(rig: Rig) -> None:
    done = Event()
    settled: list[Job] = []

    def settle(jobs: list[Job]) -> None:
        settled.extend(jobs)
        if len(settled) == 50:
            done.set()

    writer = Writer(rig.ports, on_settled=settle, on_commit=lambda _signals: None)
    writer.start()
    for number in range(50):
        writer.submit(Job(keep(number), token=number))
    assert done.wait(10)
    writer.stop()
    assert [job.token for job in settled] == list(range(50))
    assert len(kept(rig)) == 50


def test_what_was_submitted_before_the_stop_is_run_and_what_comes_after_is_refused(rig: Rig) -> None:
    settled: list[Job] = []
    writer = Writer(rig.ports, on_settled=settled.extend, on_commit=lambda _signals: None)
    for number in range(3):
        writer.submit(Job(keep(number)))
    writer.start()
    writer.stop()
    late = Job(keep(9))
    writer.submit(late)
    assert isinstance(late.error, Unavailable)
    assert late.error.code == "stopping"
    assert len(settled) == 4
    assert kept(rig) == ["0", "1", "2"]
    assert rig.clock.now() == NOON
