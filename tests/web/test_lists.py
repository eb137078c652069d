"""Lists: filters, orders, cursors, totals, and what a query may say."""

from __future__ import annotations

import pytest

from tests.web.client import Server


@pytest.fixture(scope="module")
def five(server: Server) -> list[str]:
    """Five schedules, the third one paused, the fifth with nothing left."""
    ids = [server.made(f"list-{n}", tags=["even" if n % 2 == 0 else "odd"])["id"] for n in range(4)]
    server("POST", f"/api/schedules/{ids[2]}/pause", headers={"prefer": "wait=5"})
    ids.append(server.made("done", schedule_expression="cron(0 0 30 2 ? *)")["id"])
    return ids


@pytest.mark.usefixtures("five")
@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("order=name", ["done", "list-0", "list-1", "list-2", "list-3"]),
        ("", ["done", "list-3", "list-2", "list-1", "list-0"]),
        ("order=created_date&limit=2", ["list-0", "list-1"]),
        ("order=-name&name_prefix=list", ["list-3", "list-2", "list-1", "list-0"]),
        ("tag=even&order=name", ["list-0", "list-2"]),
        ("status=paused", ["list-2"]),
        ("name=list-1", ["list-1"]),
        ("finished=true", ["done"]),
        ("finished=false&status=active&order=name", ["list-0", "list-1", "list-3"]),
        ("target_type=web_action", []),
        ("created_by=nobody", []),
        ("created_by=local&name=done", ["done"]),
        ("status=deleted", []),
    ],
)
def test_a_list_holds_what_the_query_asks_for(server: Server, query: str, names: list[str]) -> None:
    answer = server("GET", f"/api/schedules?{query}")

    assert [item["name"] for item in answer.document["items"]] == names


def test_cursors_lead_through_the_whole_list_and_its_total_is_known(server: Server, five: list[str]) -> None:
    seen, cursor = [], ""
    while cursor is not None:
        page = server(
            "GET", f"/api/schedules?order=created_date&limit=2&cursor={cursor}".removesuffix("&cursor=")
        )
        assert page.document["total"] == 5
        seen += [item["id"] for item in page.document["items"]]
        cursor = page.document["next_cursor"]
    assert seen == five


@pytest.mark.parametrize(
    "path", ["/api/schedules", "/api/executions", "/api/schedules/preview", "/api/messages/x", "/api/keys"]
)
def test_a_query_parameter_that_is_not_known_is_refused(server: Server, path: str) -> None:
    answer = server("GET", f"{path}?limt=3")

    assert answer.status == 422
    error = next(error for error in answer.document["errors"] if error["field"] == "limt")
    assert error["code"] == "unknown_parameter"


def test_a_misspelt_parameter_gets_a_hint(server: Server) -> None:
    detail = server("GET", "/api/schedules?limt=3").document["detail"]

    assert detail == "'limt' is not a known query parameter. Did you mean 'limit'?"


@pytest.mark.parametrize(
    "query",
    [
        "limit=0",
        "limit=501",
        "limit=many",
        "limit=1&limit=2",
        "status=asleep",
        "order=size",
        "finished=perhaps",
        "cursor=%00",
        "cursor=Zm9v",
        "cursor=" + "x" * 600,
        "cursor=W10",
        "name=%ff",
        "tag=%00",
        "&".join(f"a{n}=1" for n in range(60)),
    ],
)
def test_a_query_that_can_not_be_is_refused(server: Server, query: str) -> None:
    assert server("GET", f"/api/schedules?{query}").status == 422


@pytest.mark.parametrize(
    "time", ["yesterday", "1700000000", "2026-01-01", "2026-01-01T00:00:00", "0001-01-01T00:00:00+14:00"]
)
def test_a_time_that_can_not_be_read_is_refused(server: Server, time: str) -> None:
    answer = server("GET", f"/api/executions?since={time.replace('+', '%2B')}")

    assert answer.status == 422
    assert answer.document["errors"][0]["field"] == "since"


def test_a_plus_that_became_a_blank_is_understood(server: Server) -> None:
    assert server("GET", "/api/executions?since=2026-01-01T00:00:00+02:00").status == 200
