"""The options that define a schedule, and the document they make."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, Any

from typer import Option

from rez_agent.cli.arguments import moment, unfit
from rez_agent.cli.target import TargetOptions
from rez_agent.domain.errors import Invalid
from rez_agent.domain.instants import rfc3339
from rez_agent.domain.policies import CatchUpMode, OnCompletion, Overlap

NOTHING = "none"
"""The word that takes a field away in an update."""


def _when(*names: str, help: str, metavar: str | None = None) -> Any:  # noqa: A002 - typer's word
    return Option(*names, help=help, metavar=metavar, rich_help_panel="When, and what it is called")


def _promise(*names: str, help: str, metavar: str | None = None) -> Any:  # noqa: A002
    return Option(*names, help=help, metavar=metavar, rich_help_panel="When things do not go as planned")


@dataclass(frozen=True, slots=True)
class DefinitionOptions(TargetOptions):
    """What ``create`` and ``update`` can be told of a schedule. None and empty lists mean: not said."""

    timezone: Annotated[
        str | None,
        _when("--timezone", metavar="ZONE", help="The wall clock to read, as Europe/Berlin (UTC)."),
    ] = None
    start: Annotated[str | None, _when("--start", metavar="TIME", help="Nothing fires before it.")] = None
    end: Annotated[str | None, _when("--end", metavar="TIME", help="Nothing fires after it.")] = None
    condition: Annotated[
        str | None,
        _when("--condition", metavar="EXPR", help="Fire only if this is true (CEL); none takes it away."),
    ] = None
    calendar: Annotated[
        str | None,
        _when(
            "--calendar",
            metavar="NAME[:skip|next|previous]",
            help="The calendar to heed: skip its closed days, or move off them; none takes it away.",
        ),
    ] = None
    tag: Annotated[list[str], _when("--tag", help="A tag to find it by; repeatable.")] = field(
        default_factory=list
    )
    description: Annotated[str | None, _when("--description", help="What it is for.")] = None
    retry: Annotated[
        int | None, _promise("--retry", metavar="N", help="Tries after a failed one (3); 0 means none.")
    ] = None
    backoff: Annotated[
        str | None,
        _promise("--backoff", metavar="MIN-MAX", help="Seconds between tries, doubled each time (10-600)."),
    ] = None
    max_age: Annotated[
        int | None, _promise("--max-age", metavar="SECONDS", help="No try starts later than this (3600).")
    ] = None
    catch_up: Annotated[
        CatchUpMode | None, _promise("--catch-up", help="What of the missed is made good (latest).")
    ] = None
    overlap: Annotated[
        Overlap | None, _promise("--overlap", help="When the one before still runs (skip; allow for at).")
    ] = None
    window: Annotated[
        int | None, _promise("--window", metavar="MINUTES", help="Spread executions over so long (0).")
    ] = None
    once: Annotated[
        bool | None, _promise("--once/--keep", help="Delete the schedule when nothing is left to do.")
    ] = None

    def said(self, now: datetime) -> dict[str, Any]:
        """The fields that were said, as a definition or a merge patch of one."""
        target_type, payload = self.target()
        fields: dict[str, Any] = {
            "timezone": self.timezone,
            "target_type": target_type,
            "payload": payload or None,
            "tags": self.tag or None,
            "description": self.description,
            "policies": self._policies() or None,
        }
        said = {name: value for name, value in fields.items() if value is not None}
        if self.condition is not None:
            said["condition"] = None if self.condition == NOTHING else self.condition
        if self.calendar is not None:
            said["calendar"] = None if self.calendar == NOTHING else _calendar(self.calendar)
        for name, text in (("start", self.start), ("end", self.end)):
            if text is not None:
                said[name] = None if text == NOTHING else rfc3339(moment(text, f"--{name}", now, ahead=True))
        return said

    def _policies(self) -> dict[str, Any]:
        retry = {"max_attempts": self.retry, "max_event_age_seconds": self.max_age} | self._backoff()
        said: dict[str, Any] = {
            "retry": {name: value for name, value in retry.items() if value is not None} or None,
            "catch_up": {"mode": self.catch_up.value} if self.catch_up else None,
            "overlap": self.overlap.value if self.overlap else None,
            "flexible_window_minutes": self.window,
            "on_completion": self._on_completion(),
        }
        return {name: value for name, value in said.items() if value is not None}

    def _on_completion(self) -> str | None:
        if self.once is None:
            return None
        return (OnCompletion.DELETE if self.once else OnCompletion.KEEP).value

    def _backoff(self) -> dict[str, Any]:
        if self.backoff is None:
            return {}
        least, dash, most = self.backoff.partition("-")
        try:
            low = float(least)
            return {"min_backoff_seconds": low, "max_backoff_seconds": float(most) if dash else low}
        except ValueError:
            raise unfit("--backoff", self.backoff, "write two numbers of seconds, such as 1-30.") from None


def _calendar(text: str) -> dict[str, str]:
    """``at:next`` as a definition has it. The server says what is wrong with either."""
    name, _, closed = text.partition(":")
    return {"name": name, "closed": closed or "skip"}


def new_definition(
    name: str | None,
    expression: str | None,
    options: DefinitionOptions,
    given: Mapping[str, Any],
    now: datetime,
) -> dict[str, Any]:
    """The definition to create: the document ``given``, with what was said on the command line laid over."""
    said: dict[str, Any] = {"name": name, "schedule_expression": expression}
    definition = merged(given, {k: v for k, v in said.items() if v is not None} | options.said(now))
    missing = [
        text
        for field_name, text in (
            ("name", "a name"),
            (
                "schedule_expression",
                'when: "rate(1 hour)", "cron(0 9 ? * MON-FRI *)" or "at(2027-01-31T08:00:00)"',
            ),
            ("target_type", "what to do: --http URL, --action NAME, --notify CHANNEL or --custom NAME"),
        )
        if field_name not in definition
    ]
    if missing:
        raise Invalid(f"A schedule needs {'; and '.join(missing)}.", code="missing_argument")
    return definition


def merged(under: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """``over`` laid on ``under``, objects merged field by field; null takes a field away."""
    result = dict(under)
    for name, value in over.items():
        if value is None:
            result.pop(name, None)
        elif isinstance(value, Mapping):
            below = result.get(name)
            result[name] = merged(below if isinstance(below, Mapping) else {}, value)
        else:
            result[name] = value
    return result


def patch_for(current: Mapping[str, Any], said: Mapping[str, Any]) -> dict[str, Any]:
    """The merge patch that makes ``current`` what was ``said``.

    A payload for another kind of target replaces the present one instead of mixing with it.
    """
    patch = dict(said)
    payload, before = said.get("payload"), current.get("payload") or {}
    if not isinstance(payload, Mapping):
        return patch
    other_kind = said.get("target_type", current.get("target_type")) != current.get("target_type")
    if other_kind or payload.get("action", before.get("action")) != before.get("action"):
        patch["payload"] = dict.fromkeys(before) | dict(payload)
    return patch
