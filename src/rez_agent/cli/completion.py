"""What the shell offers when somebody presses tab."""

from __future__ import annotations

import os

from rez_agent.cli.client import DEFAULT_URL, Client
from rez_agent.domain.errors import RezError

OFFERED_AT_MOST = 50
PATIENCE_SECONDS = 1.0


def schedule_names(incomplete: str) -> list[str]:
    """Names of schedules that begin so, from the server that the environment names; none where it does not
    answer within a second: a tab must never hang, nor print an error."""
    try:
        client = Client(
            os.environ.get("REZ_URL") or DEFAULT_URL,
            os.environ.get("REZ_KEY"),
            timeout=PATIENCE_SECONDS,
        )
        page = client.page(
            "/api/schedules", name_prefix=incomplete or None, order="name", limit=OFFERED_AT_MOST
        )
    except RezError:
        return []
    return [str(item["name"]) for item in page["items"]]
