"""What a payload may name, as a form is told it."""

from __future__ import annotations

from pathlib import Path

from rez_agent.actions.custom import Act
from rez_agent.domain.action import OfferedAction
from tests.actions.support import acting, run


def test_catalogue_channels_and_callables_are_offered_in_the_order_of_names(tmp_path: Path) -> None:
    file = tmp_path / "actions.yaml"
    file.write_text(
        """
actions:
  ping:
    description: Say that we live.
    url: https://example.com/ping
  book:
    url: https://example.com/{{ course }}
    parameters: {properties: {course: {type: string}}, required: [course]}
channels:
  team: ntfys://ntfy.example.com/topic
"""
    )

    async def scenario() -> None:
        custom: dict[str, Act | Exception] = {
            "wave": lambda _: None,
            "greet": lambda _: None,
            "broken": ValueError("no"),
        }
        async with acting(actions_file=file, custom=custom) as actions:
            offered = actions.offered()
        assert offered.channels == ("log", "team")
        assert offered.custom == ("greet", "wave")
        book, ping = offered.catalogue
        assert ping == OfferedAction(
            "ping", "Say that we live.", {"type": "object", "additionalProperties": False}
        )
        assert (book.name, book.schema["properties"]) == ("book", {"course": {"type": "string"}})

    run(scenario())
