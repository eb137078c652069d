"""Values as people read them."""

from __future__ import annotations

from rez_agent.web.page.telling import absolute
from tests.fakes import NOON


def test_an_instant_is_told_on_the_clocks_of_its_zone() -> None:
    assert absolute(NOON, "Europe/Paris") == "Mon 1 Jun 2026, 14:00:00"


def test_a_zone_that_has_left_the_tz_database_stops_no_page() -> None:
    assert absolute(NOON, "Mars/Olympus") == "Mon 1 Jun 2026, 12:00:00 UTC"
