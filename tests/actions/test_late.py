"""What is left until it is needed: the way out to the network, and the file of actions."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from rez_agent.actions.build import make_actions
from rez_agent.domain.errors import Invalid
from tests.actions.support import NOW, MemorySecrets, http, run, work

HEAVY = {"aiohttp", "asyncio", "apprise", "jinja2", "jsonschema", "structlog", "yaml"}
JUDGE = """
import sys
from datetime import UTC, datetime
from rez_agent.actions.build import make_actions

class NoSecrets:
    def get(self, name): return None
    def names(self): return []

actions = make_actions(secrets=NoSecrets(), now=lambda: datetime.now(UTC), monotonic=float, late=True)
payload = {"action": "http", "url": "https://example.org/", "body": {"players": 4}}
assert actions.check("web_action", payload) == []
assert actions.target("web_action", payload) == "example.org:443"
print(*sys.modules)
"""


def test_judging_a_request_loads_neither_what_sends_it_nor_what_reads_the_catalogue() -> None:
    loaded = subprocess.run([sys.executable, "-c", JUDGE], check=True, capture_output=True, text=True).stdout
    assert HEAVY & set(loaded.split()) == set()


def test_a_faulty_file_is_told_at_once_unless_it_is_read_late(tmp_path: Path) -> None:
    file = tmp_path / "actions.yaml"
    file.write_text("actions: 7\n")

    with pytest.raises(Invalid, match="line 1"):
        make_actions(secrets=MemorySecrets(), actions_file=file, now=lambda: NOW, monotonic=time.monotonic)
    late = make_actions(
        secrets=MemorySecrets(), actions_file=file, now=lambda: NOW, monotonic=time.monotonic, late=True
    )
    assert late.check("web_action", http("https://example.org/")) == []
    with pytest.raises(Invalid, match="line 1"):
        late.check("web_action", {"action": "check_tee_times"})


def test_work_before_the_start_fails_with_an_outcome() -> None:
    actions = make_actions(secrets=MemorySecrets(), now=lambda: NOW, monotonic=time.monotonic)
    outcome = run(actions.run(work(http("https://example.org/"))))
    assert (outcome.ok, outcome.code) == (False, "internal_error")


def test_closing_what_was_never_started_does_nothing() -> None:
    actions = make_actions(secrets=MemorySecrets(), now=lambda: NOW, monotonic=time.monotonic)
    run(actions.close())
