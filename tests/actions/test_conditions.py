"""Conditions in CEL: what is refused when a schedule is made, and what one comes to in the real process."""

from __future__ import annotations

import asyncio
import fcntl
import os
import signal
import subprocess
import sys
import termios
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from rez_agent.actions.cel import problems_with
from rez_agent.actions.judging import CLOSED, KILLED, TOO_LARGE, TOO_LONG, Judge, _answer
from rez_agent.domain.condition import PAYLOAD_READ, Condition, Facts, Last, Verdict
from tests.fakes import NOON

FACTS = Facts(
    "sch_a", "report", ("golf",), "Europe/Paris", "ann", 3, "web_action", '{"n": 3, "list": [1, 2]}', NOON
)
LAST = Last(
    "succeeded", NOON, NOON, NOON, "ok", 200, '{"free": false, "slots": [{"free": true, "at": "09:10"}]}'
)


@pytest.fixture(scope="module")
def judge() -> Iterator[Judge]:
    made = Judge()
    yield made
    made.close()


def asked(judge: Judge, expression: str, facts: Facts = FACTS, **changes: Any) -> Verdict:
    return asyncio.run(judge.judge(Condition(expression, replace(facts, **changes))))


def said(condition: str) -> list[tuple[str, int | None]]:
    return [(problem.message, problem.position) for problem in problems_with(condition, {})]


# --- checking ---


@pytest.mark.parametrize(
    "condition",
    [
        "true",
        "last.body.free",
        "has(last.body.free) && last.body.free == true",
        "schedule.tags.exists(t, t == 'golf') && runs_today < 3",
        "scheduled_time.getHours('Europe/Paris') == 9 && scheduled_time - last.started_at > duration('1h')",
        "payload.n in [1, 2] ? local.weekday <= 5 : last.response_status >= 400",
    ],
)
def test_what_is_right_is_not_refused(condition: str) -> None:
    assert problems_with(condition, {}) == []


@pytest.mark.parametrize(
    ("condition", "message", "position"),
    [
        ("last.stauts == 'x'", "'last.stauts' is not known to a condition. Did you mean 'last.status'?", 4),
        ("runs_today < '3'", "'<' can't be applied to (int, string): write a value of another type.", 11),
        ("local.date.getHour() == 1", "'getHour' is not known to a condition. Did you mean 'getHours'?", 18),
        ("1 + 1", "The condition comes to a value of type int: write one that is true or false.", None),
        ("'yes'", "The condition comes to a value of type string: write one that is true or false.", None),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_with_its_place(condition: str, message: str, position: int | None) -> None:
    assert said(condition) == [(message, position)]


def test_has_is_refused_where_it_would_say_nothing() -> None:
    ((message, position),) = said("true && has(last.body)")
    assert message == "'last.body' is always there, so has() says nothing of it: compare it with null."
    assert position == 8


def test_what_is_nested_too_deeply_is_refused() -> None:
    ((message, _),) = said("(" * 40 + "true" + ")" * 40)
    assert message.startswith("It is nested too deeply: CEL allows 32 levels")


def test_all_problems_are_told_at_once_over_several_lines() -> None:
    condition = "\n  runs_today <\n 'é' && bad"
    assert [position for _, position in said(condition)] == [condition.index("<"), condition.index("bad")]


def test_a_syntax_error_is_told_where_it_is() -> None:
    ((message, position),) = said("runs_today <")
    assert message.startswith("Syntax error")
    assert position == len("runs_today <")


def test_every_problem_has_the_same_code() -> None:
    assert {problem.code for problem in problems_with("a + b < 'c", {})} == {"invalid_condition"}


def test_a_condition_reads_no_payload_that_is_too_large() -> None:
    large = {"text": "x" * PAYLOAD_READ}
    assert problems_with("runs_today < 3", large) == []
    (problem,) = problems_with("size(payload) > 1", large)
    assert str(PAYLOAD_READ) in problem.message


def test_a_long_message_of_the_library_is_cut() -> None:
    condition = "[1]" + ".map(x, [x, x])" * 28 + " == [1]"
    assert all(len(message) < 300 for message, _ in said(condition))


# --- judging ---


@pytest.mark.parametrize(
    ("condition", "value", "read"),
    [
        ("local.weekday == 1 && local.hour == 14", True, "local.weekday = 1, local.hour = 14"),
        ("runs_today < 0", False, "runs_today = 0"),
        ("!last.exists || last.body.free", False, "last.exists = true, last.body.free = false"),
        ("last.body.slots.exists(s, s.free)", True, 'last.body.slots = [{"at": "09:10", "free": true}]'),
        ("payload.n == 3 && size(payload.list) == 2", True, "payload.n = 3, payload.list = [1, 2]"),
        ("last.status == 'failed'", False, 'last.status = "succeeded"'),
        ("'golf' in schedule.tags", True, 'schedule.tags = ["golf"]'),
        ("scheduled_time.getHours('Asia/Tokyo') == 21", True, "scheduled_time.getHours('Asia/Tokyo') = 21"),
        ("scheduled_time < timestamp('2027-01-01T00:00:00Z')", True, "scheduled_time = 2026-06-01T12:00:00Z"),
        ("has(payload.missing) && payload.missing", False, "payload.missing = none"),
        ("runs_today == 0 || payload.missing == 1", True, "runs_today = 0, payload.missing = none"),
    ],
)  # fmt: skip
def test_a_condition_comes_to_a_value_and_tells_what_it_read(
    judge: Judge, condition: str, value: bool, read: str
) -> None:
    verdict = asked(judge, condition, last=LAST)
    assert (verdict.value, verdict.error) == (value, None)
    assert sorted(verdict.told.split(", ")) == sorted(read.split(", "))


@pytest.mark.parametrize(
    ("condition", "error"),
    [
        ("payload.missing == 1", 'there is no field "missing"; ask has() first'),
        ("last.body.free", "it asks for a part of a value that has none"),
        ("1 / runs_today == 1", "divide by zero"),
        ("payload.n", "it is 3, not true or false"),
        ("payload.n < 'x'", "No matching overloads"),
        ("scheduled_time.getHours('Nowhere/None') == 1", "Invalid timezone"),
        ("timestamp(schedule.name) > scheduled_time", "timestamp"),
    ],
)  # fmt: skip
def test_an_error_at_run_time_is_told(judge: Judge, condition: str, error: str) -> None:
    verdict = asked(judge, condition)
    assert verdict.value is None
    assert verdict.error is not None
    assert error.lower() in verdict.error.lower()


def test_an_answer_that_is_no_json_is_null(judge: Judge) -> None:
    for response in ("<html>", "NaN", "[" * 3_000, "", '{"a": 1} x'):
        verdict = asked(judge, "last.body == null", last=replace(LAST, response=response))
        assert verdict.value is True, response


def test_numbers_too_large_for_cel_are_floats(judge: Judge) -> None:
    last = replace(LAST, response=f'{{"n": {10**30}, "m": {2**63}, "k": {2**63 - 1}}}')
    condition = f"last.body.n > 1e29 && last.body.m > 9e18 && last.body.k == {2**63 - 1}"
    assert asked(judge, condition, last=last).value is True


def test_what_is_told_is_short(judge: Judge) -> None:
    condition = " && ".join(f"payload.a{number} == 1" for number in range(20)) + " && payload.text == ''"
    verdict = asked(judge, condition, payload='{"text": "' + "x" * 5_000 + '"}')
    assert len(verdict.read) == 8
    assert len(asked(judge, "payload.t == ''", payload='{"t": "' + "x" * 5_000 + '"}').told) < 120


NESTED = "payload.list.all(a, payload.list.all(b, payload.list.all(c, a + b + c > 0)))"
DOUBLING = "['aaaa']" + ".map(x, x + x)" * 26 + " == ['a']"
SLOW = "payload.list.all(a, payload.list.all(b, !payload.text.matches('(a|b|ab)*c')))"


def test_too_many_steps_are_told(judge: Judge) -> None:
    payload = '{"list": [' + ", ".join(["1"] * 300) + "]}"
    assert asked(judge, NESTED, payload=payload).error == "it takes too many steps"


def test_what_would_take_for_ever_is_cut_off_and_the_next_is_judged(judge: Judge) -> None:
    payload = '{"list": [' + ", ".join(["1"] * 90) + '], "text": "' + "ab" * 20_000 + '"}'
    assert asked(judge, SLOW, payload=payload).error == TOO_LONG
    assert asked(judge, "true").value is True


def test_what_would_take_all_memory_is_cut_off_and_the_next_is_judged(judge: Judge) -> None:
    assert asked(judge, DOUBLING).error in (TOO_LARGE, TOO_LONG)  # whichever it reaches first
    assert asked(judge, "true").value is True


def test_a_process_that_was_killed_between_two_questions_is_started_anew() -> None:
    judge = Judge()
    assert asked(judge, "true").value is True
    process = judge._process
    assert process is not None
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert asked(judge, "true").value is True
    judge.close()


def test_a_judge_that_is_closed_leaves_no_process_and_can_be_asked_again() -> None:
    judge = Judge()
    asked(judge, "true")
    process = judge._process
    judge.close()
    assert process is not None
    assert process.returncode is not None
    assert asked(judge, "true").value is True
    judge.close()
    judge.close()


async def killed_at_a_question(judge: Judge, times: int) -> Verdict:
    """What is answered when the process has the question, cannot answer it, and is killed: so many times."""
    await judge.judge(Condition("true", FACTS))
    first = judge._process
    question = None
    for _ in range(times):
        while (process := judge._process) is None or (question and process is first):
            await asyncio.sleep(0)
        os.kill(process.pid, signal.SIGSTOP)
        question = question or asyncio.create_task(judge.judge(Condition("payload.n == 3", FACTS)))
        while not waiting_in(process):
            await asyncio.sleep(0)
        os.kill(process.pid, signal.SIGKILL)
    assert question is not None
    return await question


def waiting_in(process: subprocess.Popen[bytes]) -> int:
    """How many bytes of a question the process has not read."""
    assert process.stdin is not None
    return int.from_bytes(fcntl.ioctl(process.stdin, termios.FIONREAD, bytes(4)), sys.byteorder)


def test_a_process_that_is_killed_at_a_question_is_started_anew_and_asked_again() -> None:
    judge = Judge()
    verdict = asyncio.run(killed_at_a_question(judge, times=1))
    assert verdict == Verdict(value=True, read=(("payload.n", "3"),))
    judge.close()


def test_a_question_at_which_the_process_is_killed_twice_is_an_error_and_the_next_is_judged() -> None:
    judge = Judge()
    verdict = asyncio.run(killed_at_a_question(judge, times=2))
    assert verdict.value is None
    assert verdict.error in (KILLED, "it could not be evaluated: it did not start")
    assert asked(judge, "true").value is True
    judge.close()


def test_closing_waits_for_no_process_that_hangs() -> None:
    judge = Judge()

    async def story() -> list[Verdict]:
        await judge.judge(Condition("true", FACTS))
        process = judge._process
        assert process is not None
        os.kill(process.pid, signal.SIGSTOP)
        questions = [asyncio.create_task(judge.judge(Condition("true", FACTS))) for _ in range(3)]
        await asyncio.sleep(0)
        judge.close()
        return await asyncio.gather(*questions)

    assert [verdict.error for verdict in asyncio.run(story())] == [CLOSED] * 3
    assert judge._process is None
    assert asked(judge, "true").value is True
    judge.close()


def test_a_process_that_takes_no_question_is_not_waited_for() -> None:
    with subprocess.Popen(["sleep", "600"], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        try:
            assert _answer(process, b"x" * 1_000_000, seconds=0.01) is None
        finally:
            process.kill()


def test_many_may_ask_at_once(judge: Judge) -> None:
    async def all_of_them() -> list[Verdict]:
        asks = [judge.judge(Condition(f"payload.n == {n}", FACTS)) for n in range(50)]
        return await asyncio.gather(*asks)

    assert [verdict.value for verdict in asyncio.run(all_of_them())] == [n == 3 for n in range(50)]


def test_one_that_is_cancelled_leaves_the_next_its_own_answer(judge: Judge) -> None:
    async def story() -> Verdict:
        waiting = asyncio.create_task(judge.judge(Condition("payload.n == 3", FACTS)))
        await asyncio.sleep(0)
        waiting.cancel()
        return await judge.judge(Condition("payload.n == 4", FACTS))

    assert asyncio.run(story()).value is False


def test_the_process_loads_little() -> None:
    code = "import sys, rez_agent.actions.judge; print(sorted({n.split('.')[0] for n in sys.modules}))"
    command = [sys.executable, "-c", code]
    loaded = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert "pydantic" not in loaded
    assert "aiohttp" not in loaded
