"""The page of the configuration names every key of a stage and every variable of a function, and no other."""

from __future__ import annotations

import re
from pathlib import Path

from infrastructure.stack.settings import OPTIONS

from rez_agent.aws.settings import Need
from tests.infrastructure.templates import Deployed

PAGE = (Path(__file__).parents[2] / "docs/reference/configuration.md").read_text(encoding="utf-8")


def names(heading: str) -> set[str]:
    """What stands in the first column of the table under a heading."""
    (section,) = re.findall(rf"^#+ {re.escape(heading)}\n(.*?)(?=^#|\Z)", PAGE, re.MULTILINE | re.DOTALL)
    cells = re.findall(r"^\| (`.*?) \|", section, re.MULTILINE)
    return {name for cell in cells for name in re.findall(r"`(\w+)`", cell)}


def test_every_key_of_a_stage_is_on_the_page() -> None:
    assert names("A stage on AWS") == set(OPTIONS)


def test_every_variable_that_the_stack_sets_is_on_the_page(dev: Deployed) -> None:
    told = {
        name
        for resource in dev.of("Lambda::Function").values()
        for name in resource["Environment"]["Variables"]
    }
    needed = {name for need in Need for name in need.value}
    on_the_page = names("The functions' environment")
    assert told | needed <= on_the_page
    assert on_the_page - told - needed == {"REZ_ACTIONS", "AWS_ENDPOINT_URL"}
