"""Conditions: what an expression may ask for, and what became of asking.

A condition is an expression in CEL, the Common Expression Language (https://cel.dev), that must be true for
an occurrence to be executed. Here is what it may speak of (:data:`VARIABLES`) and how its words are found in
its text. Who evaluates it is no matter of the domain.

A schedule's previous run is looked for among the :data:`LOOKED_BACK` entries before this one, the day's runs
are counted there: so neither costs more with a longer history.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any
from zoneinfo import ZoneInfo

from rez_agent.domain.action import Outcome
from rez_agent.domain.execution import Cause, Execution, ExecutionStatus
from rez_agent.domain.instants import EPOCH, rfc3339
from rez_agent.domain.zones import zone, zone_names

LOOKED_BACK = 1_000
"""Entries of the ledger before this one among which ``last`` is looked for and ``runs_today`` counts."""

PAYLOAD_READ = 65_536
"""Bytes of JSON: a condition may speak of a payload no larger."""

JUDGED = frozenset({Cause.SCHEDULE, Cause.CATCH_UP, Cause.ENGINE_ONLY})
"""The causes for which a condition counts: what nobody asked for by hand."""


@dataclass(frozen=True, slots=True)
class Variable:
    """A word that a condition may use; ``kind`` is its type in CEL."""

    name: str
    kind: str
    meaning: str


VARIABLES = (
    Variable("schedule.id", "string", "its id"),
    Variable("schedule.name", "string", "its name"),
    Variable("schedule.tags", "list<string>", "its tags"),
    Variable("schedule.timezone", "string", "its time zone"),
    Variable("schedule.created_by", "string", "its owner"),
    Variable("schedule.revision", "int", "the revision that this execution belongs to"),
    Variable("schedule.target_type", "string", "web_action, notification or custom"),
    Variable("payload", "map<string, dyn>", "the schedule's payload"),
    Variable("scheduled_time", "timestamp", "the occurrence's nominal instant"),
    Variable("local.date", "string", "its date in the schedule's zone, as 2027-01-31"),
    Variable("local.year", "int", "its year there"),
    Variable("local.month", "int", "its month there, 1 to 12"),
    Variable("local.day", "int", "its day of the month there, 1 to 31"),
    Variable("local.weekday", "int", "its day of the week there, 1 (Monday) to 7 (Sunday)"),
    Variable("local.hour", "int", "its hour there, 0 to 23"),
    Variable("local.minute", "int", "its minute there, 0 to 59"),
    Variable("last.exists", "bool", "whether there is a previous run"),
    Variable("last.status", "string", "succeeded, failed or cancelled; empty without one"),
    Variable("last.code", "string", "its last attempt's code, such as ok or timeout; empty without one"),
    Variable("last.response_status", "int", "the HTTP status that it was answered with; 0 without one"),
    Variable("last.body", "dyn", "the JSON that it was answered with; null without one"),
    Variable(
        "last.body_truncated", "bool", "whether the answer was too long to be kept whole: then body is null"
    ),
    Variable("last.scheduled_time", "timestamp", "its scheduled time; 1970 without one"),
    Variable("last.started_at", "timestamp", "when it began; 1970 without one"),
    Variable("last.finished_at", "timestamp", "when it ended; 1970 without one"),
    Variable("runs_today", "int", "executions of the day so far, in the schedule's zone, that were started"),
)
"""All that a condition may speak of."""

NAMES = tuple(variable.name for variable in VARIABLES)
KINDS = tuple((variable.name, variable.kind) for variable in VARIABLES)
ROOTS = frozenset(name.partition(".")[0] for name in NAMES)


@dataclass(frozen=True, slots=True)
class Last:
    """The previous run of a schedule. ``response`` is the text that its last attempt was answered with, as
    far as it was kept."""

    status: str
    scheduled_time: datetime
    started_at: datetime
    finished_at: datetime
    code: str | None = None
    response_status: int | None = None
    response: str | None = None
    response_truncated: bool = False

    @classmethod
    def of(cls, run: Execution, response: str | None, *, truncated: bool) -> Last:
        """An execution that ran, and what its last attempt was answered with."""
        assert run.started_at is not None
        assert run.finished_at is not None
        return cls(
            status=run.status.value,
            scheduled_time=run.scheduled_time,
            started_at=run.started_at,
            finished_at=run.finished_at,
            code=run.code,
            response_status=run.response_status,
            response=response,
            response_truncated=truncated,
        )


@dataclass(frozen=True, slots=True)
class Facts:
    """What a condition is judged by. ``payload`` is JSON text."""

    schedule_id: str
    name: str
    tags: tuple[str, ...]
    timezone: str
    created_by: str
    revision: int
    target_type: str
    payload: str
    scheduled_time: datetime
    last: Last | None = None
    runs_today: int = 0

    def values(self) -> dict[str, Any]:
        """The variables as JSON, but for those in :meth:`texts`; instants as RFC 3339."""
        local, last = self.scheduled_time.astimezone(_clock_of(self.timezone)), self.last
        return {
            "schedule.id": self.schedule_id,
            "schedule.name": self.name,
            "schedule.tags": list(self.tags),
            "schedule.timezone": self.timezone,
            "schedule.created_by": self.created_by,
            "schedule.revision": self.revision,
            "schedule.target_type": self.target_type,
            "scheduled_time": rfc3339(self.scheduled_time),
            "local.date": f"{local:%Y-%m-%d}",
            "local.year": local.year,
            "local.month": local.month,
            "local.day": local.day,
            "local.weekday": local.isoweekday(),
            "local.hour": local.hour,
            "local.minute": local.minute,
            "last.exists": last is not None,
            "last.status": last.status if last else "",
            "last.code": (last.code or "") if last else "",
            "last.response_status": (last.response_status or 0) if last else 0,
            "last.body_truncated": last is not None and last.response_truncated,
            "last.scheduled_time": rfc3339(last.scheduled_time if last else EPOCH),
            "last.started_at": rfc3339(last.started_at if last else EPOCH),
            "last.finished_at": rfc3339(last.finished_at if last else EPOCH),
            "runs_today": self.runs_today,
        }

    def texts(self) -> dict[str, str | None]:
        """The variables that are given as JSON texts; what is no JSON is null."""
        whole = self.last is not None and not self.last.response_truncated
        return {"payload": self.payload, "last.body": self.last.response if self.last and whole else None}


@dataclass(frozen=True, slots=True)
class Condition:
    """A condition with what it is to be judged by."""

    expression: str
    facts: Facts


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a condition came to: ``value``, or None and the ``error`` that kept it from a value. ``read``: the
    words that it speaks of, each with its value as text."""

    value: bool | None
    read: tuple[tuple[str, str], ...] = ()
    error: str | None = None

    @property
    def told(self) -> str:
        """The values that decided, in words."""
        return ", ".join(f"{name} = {value}" for name, value in self.read)


def outcome_of(verdict: Verdict) -> Outcome | None:
    """What becomes of an execution that is not to be made; None if it is."""
    if verdict.value is True:
        return None
    told = f" ({verdict.told})" if verdict.read else ""
    if verdict.error is not None:
        text = f"the condition could not be judged: {verdict.error}{told}"
        return Outcome(ok=False, code="condition_error", error=text, permanent=True, made=False)
    return Outcome(ok=False, code="condition", error=f"the condition was false{told}", made=False)


# --- a schedule's past ---


def midnight_before(now: datetime, timezone: str) -> datetime:
    """When the day of ``now`` began in ``timezone``: where midnight comes twice, at the first."""
    local = now.astimezone(_clock_of(timezone))
    return local.replace(hour=0, minute=0, second=0, microsecond=0, fold=0)


def _clock_of(timezone: str) -> ZoneInfo:
    """The zone's clock; UTC where the zone has left the tz database, so that one schedule's misfortune does
    not reach others that are leased with it."""
    return zone(timezone if timezone in zone_names() else "UTC").info


def look_back(earlier: Iterable[Execution], midnight: datetime) -> tuple[Execution | None, int]:
    """The previous run, and how many of those scheduled since ``midnight`` were started.

    ``earlier``: the executions before the one that is judged, newest first. They are read no further than
    needed, and never further than :data:`LOOKED_BACK`.
    """
    last: Execution | None = None
    today = 0
    for one in islice(earlier, LOOKED_BACK):
        of_today = one.scheduled_time >= midnight
        today += of_today and one.started_at is not None
        if last is None and _ran(one):
            last = one
        if last is not None and not of_today:
            break
    return last, today


def _ran(one: Execution) -> bool:
    ended = one.status.final and one.status is not ExecutionStatus.SKIPPED
    return ended and one.attempts > 0 and one.started_at is not None and one.finished_at is not None


# --- the words of an expression ---

_TOKEN = re.compile(
    r"""(?P<text>[rR]?(?:\"{3}.*?\"{3}|'{3}.*?'{3}|"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'))"""
    r"|(?P<word>[A-Za-z_]\w*)|(?P<number>-?\d[\w.]*)|(?P<sign>\S)",
    re.DOTALL,
)

Token = tuple[str, str]
"""Its kind (text, word, number, sign) and itself."""


def mentioned(expression: str) -> tuple[str, ...]:
    """What an expression speaks of, each once, in its order: ``last.body.free``, ``runs_today``,
    ``scheduled_time.getHours('Europe/Paris')``. Up to what depends on more than variables and literals."""
    tokens = [(str(match.lastgroup), match[0]) for match in _TOKEN.finditer(expression)]
    found: dict[str, None] = {}
    at = 0
    while at < len(tokens):
        kind, text = tokens[at]
        if kind == "word" and text in ROOTS and (at == 0 or tokens[at - 1][1] != "."):
            path, at = _path(tokens, at)
            found.setdefault(path)
        else:
            at += 1
    return tuple(found)


def _path(tokens: Sequence[Token], at: int) -> tuple[str, int]:
    """The path that begins at a token, and the token after it."""
    path, at = tokens[at][1], at + 1
    while at + 1 < len(tokens):
        step = _step(tokens, at)
        if step is None:
            break
        path, at = path + "".join(text for _, text in tokens[at : at + step]), at + step
        if tokens[at - 1][1] == ")":
            break
    return path, at


def _step(tokens: Sequence[Token], at: int) -> int | None:
    """How many tokens a path goes on by: ``.name``, ``[literal]``, or ``.name(literals)``."""
    match [text for _, text in tokens[at : at + 3]]:
        case [".", _, "("]:
            return _call(tokens, at)
        case [".", _, *_] if tokens[at + 1][0] == "word":
            return 2
        case ["[", _, "]"] if tokens[at + 1][0] in ("text", "number"):
            return 3
    return None


def _call(tokens: Sequence[Token], at: int) -> int | None:
    """``.name(...)``, where all that is given is literal."""
    for end in range(at + 3, len(tokens)):
        kind, text = tokens[end]
        if text == ")":
            return end + 1 - at
        if kind not in ("text", "number") and text != ",":
            return None
    return None
