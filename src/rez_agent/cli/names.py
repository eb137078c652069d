"""Finding what a person named: schedules go by id or by name, executions by id."""

from __future__ import annotations

import re
from typing import Any

from rez_agent.cli.client import Client, Refused, segment
from rez_agent.domain.errors import NotFound

_SCHEDULE_ID = re.compile(r"sch_[0-9a-z]{26}")
_EXECUTION_ID = re.compile(r"sch_[0-9a-z]+_\d{8}T\d{6}Z.*")


def is_execution_id(text: str) -> bool:
    """Whether ``text`` has an execution id's shape: its schedule, then the instant."""
    return _EXECUTION_ID.fullmatch(text) is not None


def schedule_path(schedule_id: str, *more: str) -> str:
    """The path of a schedule, or of something under it."""
    return "/".join(["/api/schedules", segment(schedule_id), *more])


def execution_path(execution_id: str, *more: str) -> str:
    """The path of an execution, or of something under it."""
    return "/".join(["/api/executions", segment(execution_id), *more])


def find_schedule(client: Client, named: str) -> dict[str, Any]:
    """The schedule of that id, else of that name. Raises NotFound, with names that come near."""
    if _SCHEDULE_ID.fullmatch(named):
        found = _by_id(client, named)
        if found is not None:
            return found
    page = client.page("/api/schedules", name=named)
    listed: list[dict[str, Any]] = [one for one in page["items"] if one["name"] == named]
    if len(listed) > 1:
        ids = ", ".join(f"{one['id']} (of {one.get('created_by')})" for one in listed)
        raise NotFound(
            f"Several schedules are named '{named}'. Say which, by id: {ids}", code="ambiguous_name"
        )
    if listed:
        return listed[0]
    raise NotFound(
        f"There is no schedule named '{named}'. `rez-agent list` shows what there is.",
        code="schedule_not_found",
    )


def past_schedule_id(client: Client, named: str) -> str:
    """The id of what is, or else was last, so named: a deleted schedule's story can still be read. An id is
    taken as it stands. Raises NotFound."""
    try:
        return schedule_id_of(client, named)
    except NotFound:
        deleted = client.page("/api/schedules", name=named, status="deleted", limit=1)["items"]
        if not deleted:
            raise
        return str(deleted[0]["id"])


def _by_id(client: Client, schedule_id: str) -> dict[str, Any] | None:
    try:
        found: dict[str, Any] = client.get(schedule_path(schedule_id)).document
    except Refused as error:
        if error.code == "schedule_not_found":
            return None
        raise
    return found


def schedule_id_of(client: Client, named: str) -> str:
    """The id, where only that is needed: an id is taken as it stands, so that a deleted schedule's history
    can still be read."""
    return named if _SCHEDULE_ID.fullmatch(named) else str(find_schedule(client, named)["id"])
