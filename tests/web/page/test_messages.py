"""Dead letters on the page, without a screen."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from rez_agent.domain.execution import ExecutionStatus
from rez_agent.web.page.messages import MessagesFilter, progress_of
from tests.web.client import Server
from tests.web.page.browsing import Browser
from tests.web.page.test_timeline import EXECUTION
from tests.web.test_executions import calling, final, run_to_the_end


def test_dead_letters_are_told_with_their_cause(server: Server, browser: Browser, closed_port: int) -> None:
    failed = run_to_the_end(server, "dead-one", **calling(closed_port))
    browser.open("/messages")
    for text in ("The server refused the connection", "dead-one", f"/executions/{failed['id']}", "refused 1"):
        assert text in browser.shown, text
    browser.open("/messages?code=dns")
    assert "Nothing matches" in browser.shown
    browser.open("/messages?schedule=dead-one&code=refused", fragment=True)
    assert "Redrive all of dead-one" in browser.shown


def test_one_is_queued_again_and_watched(server: Server, browser: Browser, closed_port: int) -> None:
    failed = run_to_the_end(server, "dead-two", **calling(closed_port))
    browser.open("/messages")
    answer = browser.send("/messages/redrive", {"only": failed["id"]}, fragment=True)
    assert answer.headers["hx-trigger"] == "changed"
    assert "Queued again: 1 run." in browser.shown
    assert final(server, failed["id"])["attempt_count"] == 2
    browser.send("/messages/progress", {"id": failed["id"]}, fragment=True)
    assert "All have ended" in browser.shown
    assert "1 failed" in browser.shown


def test_all_of_a_schedule_are_queued_again(server: Server, browser: Browser, closed_port: int) -> None:
    failed = run_to_the_end(server, "dead-three", **calling(closed_port))
    browser.open("/messages")
    browser.send("/messages/redrive", {"all": failed["schedule_id"]}, fragment=True)
    assert "Queued again: 1 run." in browser.shown
    assert failed["id"] in browser.shown
    assert final(server, failed["id"])["attempt_count"] == 2


def test_without_scripts_the_list_comes_back_with_a_sentence(
    server: Server,
    browser: Browser,
    closed_port: int,
) -> None:
    failed = run_to_the_end(server, "dead-four", **calling(closed_port))
    browser.open("/messages")
    browser.send("/messages/redrive", {"id": failed["id"]})
    assert "Queued again: 1 run." in browser.shown
    browser.send("/messages/redrive")
    assert "Tick some first." in browser.shown


def test_what_can_not_be_queued_again_says_why(server: Server, browser: Browser) -> None:
    done = run_to_the_end(server, "well")
    browser.open("/messages")
    browser.send("/messages/redrive", {"id": done["id"]}, fragment=True)
    assert "Only a failed or cancelled one can be retried." in browser.shown


@pytest.mark.parametrize(
    ("states", "parts", "over"),
    [
        (
            ["succeeded", "succeeded", "failed", "queued"],
            [("succeeded", 0, 50), ("failed", 50, 25), ("queued", 75, 25)],
            False,
        ),
        (["succeeded"], [("succeeded", 0, 100)], True),
        ([], [], True),
    ],
)
def test_progress_is_a_bar_of_parts(states: list[str], parts: list[Any], over: bool) -> None:
    found = progress_of([replace(EXECUTION, status=ExecutionStatus(state)) for state in states])
    assert (found.parts, found.over) == (parts, over)


def test_the_list_has_an_address() -> None:
    asked = MessagesFilter(target="a b", cursor="c")
    assert asked.address() == "/messages?target=a+b"
    assert asked.address(code="dns", cursor="d") == "/messages?target=a+b&cursor=d&code=dns"
