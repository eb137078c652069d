"""A stage's configuration."""

from __future__ import annotations

import pytest
from infrastructure.stack.settings import Settings, read_settings

from rez_agent.domain.errors import Invalid


def read(stage: str = "dev", **given: str) -> Settings:
    return read_settings(stage, given.get)


def test_the_defaults_ask_for_keys_and_call_no_private_target() -> None:
    settings = read()
    assert (settings.auth, settings.allow_target, settings.engine_rate) == ("keys", "", 100)


def test_all_that_is_wrong_is_said_at_once() -> None:
    with pytest.raises(Invalid) as caught:
        read(
            "Prod!",
            retentionDays="8",
            processorConcurrency="1",
            memory='{"nobody": 512}',
            reservedConcurrency="many",
            auth="open",
            retain="yes",
        )
    assert {problem.pointer for problem in caught.value.problems} == {
        "/stage",
        "/memory",
        "/reservedConcurrency",
        "/processorConcurrency",
        "/retentionDays",
        "/retain",
        "/auth",
    }


def test_an_open_prod_is_refused() -> None:
    with pytest.raises(Invalid, match="anybody could make prod call anything"):
        read("prod", auth="none")
    assert read("dev", auth="none").auth == "none"


def test_memory_is_given_for_the_functions_that_need_another() -> None:
    assert read(memory='{"sweep": 2048}').memory == {
        "scheduler": 512,
        "webapi": 1024,
        "processor": 1024,
        "sweep": 2048,
    }


@pytest.mark.parametrize(
    ("runtime", "has"),
    [("python3.11", False), ("python3.12", True), ("python3.13", True), ("python3.14", True)],
)
def test_snapshots_start_with_python_3_12(runtime: str, has: bool) -> None:
    assert read(runtime=runtime).snap_start is has
