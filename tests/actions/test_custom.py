"""Custom actions: callables of installed packages."""

from __future__ import annotations

import asyncio
import functools
import threading
import time
from typing import Any

import pytest

from rez_agent.actions.custom import installed_actions
from rez_agent.domain.action import RESPONSE_KEPT, Outcome, Work
from rez_agent.domain.errors import Problem
from rez_agent.domain.secret import Secret
from tests.actions.support import MemorySecrets, acting, run, work


def returns(value: Any) -> Any:
    return lambda _: value


def raises(error: BaseException) -> Any:
    def act(_: Work) -> None:
        raise error

    return act


async def outcome_of(act: Any, **fields: Any) -> Outcome:
    async with acting(custom={"act": act}) as actions:
        return await actions.run(work({"action": "act", **fields}, "custom"))


@pytest.mark.parametrize(
    ("value", "response"),
    [(None, None), ("done", "done"), ({"ä": 1}, '{"ä": 1}'), (Outcome(ok=True, response="x"), "x")],
)
def test_a_callable_may_return_nothing_a_text_a_dict_or_an_outcome(value: Any, response: str | None) -> None:
    async def scenario() -> None:
        outcome = await outcome_of(returns(value))
        assert (outcome.ok, outcome.response) == (True, response)

    run(scenario())


def test_plain_functions_run_beside_the_loop_and_coroutines_in_it() -> None:
    places: dict[str, bool] = {}

    def plain(given: Work) -> str:
        places["plain"] = threading.current_thread() is threading.main_thread()
        return given.schedule_name

    async def native(given: Work) -> str:
        places["native"] = threading.current_thread() is threading.main_thread()
        return given.payload["who"]  # type: ignore[no-any-return]

    class Callable:
        async def __call__(self, _: Work) -> str:
            return "object"

    async def scenario() -> None:
        assert (await outcome_of(plain)).response == "nightly"
        assert (await outcome_of(native, who="ann")).response == "ann"
        assert (await outcome_of(Callable())).response == "object"
        assert (await outcome_of(functools.partial(native), who="bo")).response == "bo"
        assert places == {"plain": False, "native": True}

    run(scenario())


@pytest.mark.parametrize(
    ("act", "permanent"),
    [
        (raises(ValueError("no good")), False),
        (raises(SystemExit(3)), False),
        (raises(StopIteration()), False),
        (raises(TimeoutError("inner")), False),
        (raises(asyncio.CancelledError()), False),
        (returns(42), True),
        (returns({"a": object()}), True),
    ],
)
def test_what_goes_wrong_in_a_callable_is_a_failure(act: Any, permanent: bool) -> None:
    async def scenario() -> None:
        outcome = await outcome_of(act)
        assert (outcome.ok, outcome.code, outcome.permanent) == (False, "custom_error", permanent)

    run(scenario())


def test_a_callable_has_its_own_time_limit_and_delays_no_other() -> None:
    async def scenario() -> None:
        release = threading.Event()

        async def forever(_: Work) -> None:
            await asyncio.Event().wait()

        custom = {"stuck": lambda _: release.wait(30), "forever": forever, "quick": returns("ok")}
        async with acting(custom=custom) as actions:
            begun = time.monotonic()
            stuck = [
                asyncio.create_task(actions.run(work({"action": "stuck", "timeout": 1}, "custom")))
                for _ in range(40)
            ]
            limited = actions.run(work({"action": "forever", "timeout": 1}, "custom"))
            assert (await actions.run(work({"action": "quick"}, "custom"))).ok
            assert not any(task.done() for task in stuck)
            outcomes = [*await asyncio.gather(*stuck), await limited]
            assert {(o.code, o.permanent) for o in outcomes} == {("timeout", False)}
            assert time.monotonic() - begun < 10
            release.set()

    run(scenario())


def test_a_cancelled_attempt_is_cancelled() -> None:
    async def scenario() -> None:
        started = asyncio.Event()

        async def forever(_: Work) -> None:
            started.set()
            await asyncio.Event().wait()

        task = asyncio.create_task(outcome_of(forever))
        await started.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    run(scenario())


def test_responses_are_bounded_and_hold_no_secret() -> None:
    async def scenario() -> None:
        secrets = MemorySecrets(Secret("S", "canary-value", ("h.example",)))
        custom = {"long": returns("canary-value" + "ü" * 10_000), "error": raises(ValueError("canary-value"))}
        async with acting(custom=custom, secrets=secrets) as actions:
            long = await actions.run(work({"action": "long"}, "custom"))
            assert long.response is not None
            assert len(long.response.encode()) <= RESPONSE_KEPT
            assert long.response_truncated
            error = await actions.run(work({"action": "error"}, "custom"))
            assert "canary" not in repr(long) + repr(error)

    run(scenario())


def test_an_unknown_name_and_a_broken_plugin_are_told_when_the_schedule_is_created() -> None:
    async def scenario() -> None:
        custom = {"greet": returns(None), "broken": ImportError("no module named x")}
        async with acting(custom=custom) as actions:
            (problem,) = actions.check("custom", {"action": "gret"})
            assert (problem.code, problem.pointer) == ("unknown_action", "/action")
            assert "Did you mean 'greet'?" in problem.message
            (problem,) = actions.check("custom", {"action": "broken"})
            assert (problem.code, "no module named x" in problem.message) == ("broken_action", True)
            assert [p.code for p in actions.check("custom", {})] == ["missing_field"]
            assert [p.code for p in actions.check("custom", {"action": "greet", "timeout": 901})] == [
                "invalid_value"
            ]
            assert (await actions.run(work({"action": "gret"}, "custom"))).code == "invalid_payload"
            assert actions.target("custom", {"action": "greet"}) == "custom:greet"

    run(scenario())


def test_a_callable_may_check_its_payload_itself() -> None:
    def act(_: Work) -> None: ...

    def check(payload: dict[str, Any]) -> list[Problem]:
        return [] if "name" in payload else [Problem("missing_field", "'name' is required.", "/name")]

    act.check = check  # type: ignore[attr-defined]

    async def scenario() -> None:
        async with acting(custom={"act": act}) as actions:
            assert [p.pointer for p in actions.check("custom", {"action": "act"})] == ["/name"]
            assert actions.check("custom", {"action": "act", "name": "x"}) == []

    run(scenario())


def test_installed_packages_are_searched() -> None:
    assert isinstance(installed_actions(), dict)
