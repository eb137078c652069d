"""``rez-agent next`` with a server: when a schedule is due, or an expression that heeds a calendar."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from typing import Any

from rez_agent.cli import telling
from rez_agent.cli.arguments import unfit
from rez_agent.cli.client import Client
from rez_agent.cli.names import find_schedule, schedule_path
from rez_agent.cli.render import clean
from rez_agent.cli.session import DONE, Session
from rez_agent.domain.errors import Invalid, NotFound, Problem
from rez_agent.domain.instants import floor_second, rfc3339
from rez_agent.usecases.preview import PREVIEWED_AT_MOST

PAGE = 500
"""Occurrences of a schedule asked for at once."""

_PATH = "/api/schedules/preview"
_SECOND = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Wish:
    """The ``count`` occurrences after ``after`` (exclusive) of what ``text`` names: a schedule, or with a
    ``calendar`` an expression. ``timezone`` and ``start`` are the expression's."""

    text: str
    after: datetime
    count: int
    timezone: str | None = None
    start: datetime | None = None
    calendar: str | None = None


def tell_next(session: Session, wish: Wish, now: datetime) -> int:
    """Say when it is due. Raises Invalid and NotFound with what is wrong."""
    ask = _of_schedule if wish.calendar is None else _of_expression
    found = ask(session.client(), wish)
    session.put(found, lambda: _tell(found, wish.count, now))
    return DONE


def _of_schedule(client: Client, wish: Wish) -> dict[str, Any]:
    if wish.timezone is not None or wish.start is not None:
        text = "A schedule has its own time zone and start: leave --timezone and --start out."
        raise Invalid(text, code="invalid_argument")
    try:
        schedule = find_schedule(client, wish.text)
    except NotFound as error:
        text = f"{error.message} An expression is written rate(...), cron(...) or at(...)."
        raise NotFound(text, code=error.code) from None
    path = schedule_path(schedule["id"], "occurrences")
    try:
        since = rfc3339(floor_second(wish.after) + _SECOND)
    except OverflowError:
        raise unfit("--after", rfc3339(wish.after), "nothing comes after it.") from None
    query = {"from": since, "limit": min(PAGE, wish.count)}
    items = (item for page in client.pages(path, **query) for item in page["items"])
    explanation = client.get(schedule_path(schedule["id"])).document["explanation"]
    return _answer(schedule, explanation, list(islice(items, wish.count)), status=schedule["status"])


def _of_expression(client: Client, wish: Wish) -> dict[str, Any]:
    asked: dict[str, Any] = {
        "schedule_expression": wish.text,
        "timezone": wish.timezone or "UTC",
        "calendar": wish.calendar,
    }
    start = wish.start or (wish.after if wish.text.lstrip().startswith("rate") else None)
    if start is not None:
        asked["start"] = rfc3339(start)
    items: list[dict[str, Any]] = []
    after, page = rfc3339(wish.after), dict[str, Any]()
    while len(items) < wish.count:
        count = min(PREVIEWED_AT_MOST, wish.count - len(items))
        page = client.change("POST", _PATH, {**asked, "after": after, "count": count}, wait=0).document
        if not page["valid"]:
            raise Invalid.of([_problem(each) for each in page["errors"]])
        items += page["occurrences"]
        if len(page["occurrences"]) < count:
            break
        after = items[-1]["utc"]
    warnings = [{"code": each["code"], "message": each["detail"]} for each in page["warnings"]]
    return _answer(asked, page["explanation"], items, warnings=warnings)


def _problem(item: Mapping[str, Any]) -> Problem:
    return Problem(item["code"], item["detail"], item["pointer"], item.get("field"), item.get("position"))


def _answer(
    about: Mapping[str, Any], explanation: str | None, items: list[dict[str, Any]], **more: Any
) -> dict[str, Any]:
    return {
        "expression": about["schedule_expression"],
        "timezone": about["timezone"],
        "calendar": about["calendar"],
        "explanation": explanation,
        "next": items,
        **more,
    }


def _tell(found: Mapping[str, Any], count: int, now: datetime) -> None:
    if found["explanation"]:
        print(clean(found["explanation"]))
    if found.get("status", "active") != "active":
        print(f"It is {found['status']}: nothing runs until that changes.")
    print()
    for due in found["next"]:
        print(f"  {clean(telling.due_line(due, found['timezone'], now))}")
    if len(found["next"]) < count:
        print("  no more follow" if found["next"] else "  none follow")
    for warning in found.get("warnings", ()):
        print(f"note: {clean(warning['message'])}")
