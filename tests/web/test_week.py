"""The week over REST."""

from __future__ import annotations

from tests.web.client import Server


def test_a_week_has_the_schedules_and_what_is_expected_of_them(server: Server) -> None:
    made = server.made("weekly-one", tags=["of-the-week"])
    found = server("GET", "/api/week?tag=of-the-week&timezone=America/New_York&from=2031-03-03").document
    (row,) = found["items"]
    assert (row["schedule_id"], row["name"], row["expected"]) == (made["id"], "weekly-one", 7)
    assert [mark["fate"] for mark in row["marks"]] == ["expected"] * 7
    assert [mark["at"] for mark in row["marks"]][:1] == ["2031-03-03T11:30:00Z"]
    assert (found["days"][0], found["days"][-1]) == ("2031-03-03T05:00:00Z", "2031-03-10T04:00:00Z")
    assert sum(found["load"]["per_hour"]) == 7
    assert (found["load"]["schedules"], found["load"]["complete"], found["total"]) == (1, True, 1)


def test_a_schedule_that_is_due_every_minute_is_told_by_the_hour(server: Server) -> None:
    server.made("every-minute", schedule_expression="cron(* * * * ? *)", tags=["dense"])
    found = server("GET", "/api/week?tag=dense&from=2031-03-03").document
    (row,) = found["items"]
    assert (row["marks"], len(row["hours"])) == ([], 168)
    assert row["hours"][0] == {"begins": "2031-03-03T00:00:00Z", "fates": {"expected": 60}}


def test_what_can_not_be_read_is_refused(server: Server) -> None:
    for query, field in (
        ("timezone=Mars", None),
        ("from=monday", "from"),
        ("from=9999-12-31", "from"),
        ("from=0001-01-01", "from"),
        ("colour=red", "colour"),
    ):
        refused = server("GET", f"/api/week?{query}")
        assert refused.status == 422, query
        assert refused.document["errors"][0].get("field") == field
    assert server("GET", "/api/week?cursor=what").code == "invalid_cursor"
