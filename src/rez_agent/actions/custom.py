"""Custom actions: Python callables of installed packages, found by entry point.

A package declares them in its pyproject.toml::

    [project.entry-points."rez_agent.actions"]
    greet = "my_package.greetings:greet"

The protocol: ``def greet(work: Work) -> Outcome | str | dict | None``, or the same with ``async def``. None
means done; a text or a dict is kept as the response (the dict as JSON); an :class:`Outcome` says all. What
it raises is a failure that is tried again; return ``Outcome(ok=False, permanent=True, ...)`` to stop that.
It may carry a function ``check(payload) -> list[Problem]`` as an attribute, asked when a schedule is created.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING, Any

from rez_agent.actions.base import (
    Payload,
    SecretSource,
    failed,
    invalid_payload,
    read_timeout,
    within_kept,
)
from rez_agent.actions.redact import Redactor
from rez_agent.domain.action import Outcome, Work
from rez_agent.domain.errors import Problem
from rez_agent.domain.reading import did_you_mean

if TYPE_CHECKING:
    from rez_agent.actions.threads import Threads

GROUP = "rez_agent.actions"
"""The entry points' group."""

AT_ONCE = 16
"""Threads that a blocking callable may occupy at the same time."""

Act = Callable[[Work], Any]


@dataclass(frozen=True, slots=True)
class _Found:
    """An entry point: the callable, or why it could not be loaded."""

    act: Act | None
    fault: str = ""


def installed_actions() -> dict[str, Act | Exception]:
    """The callables of all installed packages by name; an exception where one could not be loaded."""
    return {entry.name: _loaded(entry) for entry in entry_points(group=GROUP)}


class CustomAction:
    """Calls the Python callable that the payload names."""

    def __init__(self, callables: Mapping[str, Act | Exception], secrets: SecretSource) -> None:
        self._found = {name: _judged(name, given) for name, given in callables.items()}
        self._threads: dict[str, Threads] = {}
        self._redactor = Redactor(secrets)

    @property
    def names(self) -> tuple[str, ...]:
        """The callables that could be loaded."""
        return tuple(sorted(name for name, found in self._found.items() if found.act is not None))

    def check(self, payload: Payload) -> list[Problem]:
        """All that is wrong with the payload, by the callable's own ``check`` too if it has one."""
        problems: list[Problem] = []
        read_timeout(payload, problems)
        found = self._named(payload, problems)
        own_check = getattr(found.act, "check", None) if found else None
        if callable(own_check):
            problems.extend(_own_problems(own_check, payload))
        return problems

    def target(self, payload: Payload) -> str:
        """``custom:NAME``."""
        return f"custom:{payload.get('action')}"

    async def run(self, work: Work) -> Outcome:
        """One attempt. Raises only CancelledError.

        A blocking callable can't be stopped: when its time is up it runs on in its thread, and its result is
        dropped.
        """
        problems: list[Problem] = []
        limit = read_timeout(work.payload, problems)
        found = self._named(work.payload, problems)
        if problems or found is None or found.act is None:
            return invalid_payload(problems)
        outcome = await self._called(str(work.payload["action"]), found.act, work, limit)
        return self._redacted(outcome)

    def _named(self, payload: Payload, problems: list[Problem]) -> _Found | None:
        name = payload.get("action")
        if not isinstance(name, str):
            problems.append(Problem("missing_field", "'action' names the custom action.", "/action"))
            return None
        found = self._found.get(name)
        if found is None:
            text = (
                f"There is no custom action '{name}'.{did_you_mean(name, self._found)}{_listed(self._found)}"
            )
            problems.append(Problem("unknown_action", text, "/action"))
        elif found.act is None:
            problems.append(Problem("broken_action", found.fault, "/action"))
        return found

    async def _called(self, name: str, act: Act, work: Work, limit: float) -> Outcome:
        import asyncio  # noqa: PLC0415  # as the threads are: none that only checks needs them

        try:
            async with asyncio.timeout(limit) as deadline:
                result = await (
                    act(work) if _is_async(act) else self._threads_of(name).run(lambda: act(work))
                )
                if inspect.isawaitable(result):  # a plain function may hand back a coroutine
                    result = await result
                return _outcome_of(result)
        except TimeoutError as error:
            if deadline.expired():
                return failed("timeout", f"The action did not return within {limit:g} seconds.")
            return _raised(error)
        except asyncio.CancelledError as error:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            return _raised(error)
        except (Exception, SystemExit) as error:  # noqa: BLE001  # an attempt always has an outcome
            return _raised(error)

    def _threads_of(self, name: str) -> Threads:
        """The threads of a blocking callable. Asked in the loop's thread alone, as Threads wants it."""
        from rez_agent.actions.threads import Threads  # noqa: PLC0415

        if name not in self._threads:
            self._threads[name] = Threads(AT_ONCE, f"rez-custom-{name}")
        return self._threads[name]

    def _redacted(self, outcome: Outcome) -> Outcome:
        response, cut = within_kept(self._redactor.clean(outcome.response or ""))
        return replace(
            outcome,
            error=None if outcome.error is None else self._redactor.clean(outcome.error),
            response=None if outcome.response is None else response,
            response_truncated=outcome.response_truncated or cut,
        )


def _is_async(act: Act) -> bool:
    return inspect.iscoroutinefunction(act) or inspect.iscoroutinefunction(type(act).__call__)


def _outcome_of(result: Any) -> Outcome:
    match result:
        case Outcome():
            return result
        case None:
            return Outcome(ok=True)
        case str():
            return Outcome(ok=True, response=result)
        case dict():
            try:
                return Outcome(ok=True, response=json.dumps(result, ensure_ascii=False))
            except (TypeError, ValueError, RecursionError):
                return failed("custom_error", "The action returned a dict that is not JSON.", permanent=True)
        case _:
            kind = type(result).__name__
            text = f"The action returned a {kind}: it returns an Outcome, a text, a dict or None."
            return failed("custom_error", text, permanent=True)


def _raised(error: BaseException) -> Outcome:
    text = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    return failed("custom_error", within_kept(text)[0])


def _loaded(entry: EntryPoint) -> Act | Exception:
    try:
        return entry.load()  # type: ignore[no-any-return]
    except Exception as error:  # noqa: BLE001  # a broken plugin must not keep the server from starting
        return error


def _judged(name: str, given: Act | Exception) -> _Found:
    if isinstance(given, Exception):
        return _Found(
            None, f"The custom action '{name}' could not be loaded: {type(given).__name__}: {given}"
        )
    if not callable(given):
        return _Found(None, f"The custom action '{name}' is not a callable.")
    return _Found(given)


def _own_problems(check: Callable[[Payload], Any], payload: Payload) -> list[Problem]:
    try:
        return list(check(payload))
    except Exception as error:  # noqa: BLE001  # a plugin's fault is told, not raised
        return [Problem("broken_action", f"The action's own check failed: {type(error).__name__}: {error}")]


def _listed(names: Iterable[str]) -> str:
    known = ", ".join(sorted(names))
    return f" Installed: {known}." if known else " None is installed."
