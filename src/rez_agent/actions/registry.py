"""All kinds of action behind one door: what :class:`rez_agent.ports.Actions` asks of a host."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from traceback import format_tb
from typing import TYPE_CHECKING

from rez_agent.actions.base import Action, Payload, failed, invalid_payload
from rez_agent.actions.custom import CustomAction
from rez_agent.actions.http import HttpAction
from rez_agent.actions.judging import Judge
from rez_agent.actions.late_sender import LateSender
from rez_agent.domain.action import Offered, Outcome, Work
from rez_agent.domain.condition import Condition, Verdict, outcome_of
from rez_agent.domain.errors import Problem
from rez_agent.domain.reading import did_you_mean

if TYPE_CHECKING:  # the libraries of both are slow to import, and not every host asks for them
    from rez_agent.actions.catalogue import CatalogueAction
    from rez_agent.actions.notify import NotifyAction

WEB_ACTION, NOTIFICATION, CUSTOM = "web_action", "notification", "custom"
HTTP = "http"


@dataclass(frozen=True, slots=True)
class Listed:
    """The kinds that the operator's file of actions makes: its catalogue, and its channels."""

    catalogue: CatalogueAction
    notify: NotifyAction


class Actions:
    """The kinds of action of a host, by target type and by the action that a payload names.

    ``check`` and ``target`` may be asked from any thread at any time; ``run`` only between :meth:`start` and
    :meth:`close`, in the loop that ran :meth:`start`.
    """

    def __init__(
        self,
        *,
        sender: LateSender,
        http: HttpAction,
        listed: Callable[[], Listed],
        custom: CustomAction,
        judge: Judge,
    ) -> None:
        """``listed`` is asked for every payload that it may concern, so it remembers its answer."""
        self._sender = sender
        self._http = http
        self._listed = listed
        self._custom = custom
        self._judge = judge

    async def start(self) -> None:
        """Make ready to run work."""
        await self._sender.start()

    async def close(self) -> None:
        """Close every connection. Work still running fails."""
        await self._sender.close()
        self._judge.close()

    def check(self, target_type: str, payload: Payload) -> list[Problem]:
        """All that is wrong with a payload, pointers relative to it; empty when it can be performed."""
        found = self._action(target_type, payload)
        return [found] if isinstance(found, Problem) else found.check(payload)

    def target(self, target_type: str, payload: Payload) -> str:
        """Whom a checked payload calls: executions with the same target share its concurrency limit."""
        found = self._action(target_type, payload)
        return f"{target_type}:unknown" if isinstance(found, Problem) else found.target(payload)

    def offered(self) -> Offered:
        """What a payload may name, in the order of names."""
        listed = self._listed()
        return Offered(listed.catalogue.offered, listed.notify.channel_names, self._custom.names)

    def check_condition(self, condition: str, payload: Payload) -> list[Problem]:
        """All that is wrong with a condition; CEL's library is loaded when this is first asked."""
        from rez_agent.actions.cel import problems_with  # noqa: PLC0415

        return problems_with(condition, payload)

    async def judge(self, condition: Condition) -> Verdict:
        """What a condition comes to. May be asked in any loop, also before :meth:`start`."""
        return await self._judge.judge(condition)

    async def run(self, work: Work) -> Outcome:
        """Make one attempt, unless the work's condition says no. Never raises, except when cancelled."""
        if work.condition is not None:
            unmade = outcome_of(await self.judge(work.condition))
            if unmade is not None:
                return unmade
        found = self._action(work.target_type, work.payload)
        if isinstance(found, Problem):
            return invalid_payload([found])
        try:
            return await found.run(work)
        except Exception as error:  # noqa: BLE001  # the contract: an attempt always has an outcome
            return _unexpected(error, work)

    def _action(self, target_type: str, payload: Payload) -> Action | Problem:
        if target_type == WEB_ACTION:
            return self._web_action(payload)
        if target_type == NOTIFICATION:
            return self._listed().notify
        if target_type == CUSTOM:
            return self._custom
        known = (WEB_ACTION, NOTIFICATION, CUSTOM)
        text = f"There is no target type '{target_type}'.{did_you_mean(target_type, known)}"
        return Problem("unknown_target_type", text)

    def _web_action(self, payload: Payload) -> Action | Problem:
        name = payload.get("action")
        if not isinstance(name, str):
            text = "'action' is 'http' or the name of an entry of the action catalogue."
            return Problem("missing_field", text, "/action")
        if name == HTTP:
            return self._http
        catalogue = self._listed().catalogue
        if name in catalogue.names:
            return catalogue
        known = sorted((HTTP, *catalogue.names))
        text = f"There is no web action '{name}'.{did_you_mean(name, known)} Known: {', '.join(known)}."
        return Problem("unknown_action", text, "/action")


def _unexpected(error: Exception, work: Work) -> Outcome:
    import structlog  # noqa: PLC0415  # slow to import, and needed by none that only checks

    kind = type(error).__name__
    # Only places, never values: an exception's text or a frame's variables may hold a secret.
    where = format_tb(error.__traceback__)
    log = structlog.get_logger("rez_agent.actions")
    log.error("action_failed", execution_id=work.execution_id, error=kind, where=where)
    return failed("internal_error", f"The action failed unexpectedly ({kind}).")
