"""The documents of the command line say what the program does: every command, every option, nothing else."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from typer.main import get_command

from rez_agent.cli.main import app
from rez_agent.cli.remedies import REMEDIES

DOCS = Path(__file__).parents[2] / "docs"
REFERENCE = (DOCS / "reference" / "command-line.md").read_text(encoding="utf-8")
PAGES = sorted(DOCS.rglob("*.md"))
GROUPS = ("keys", "secrets", "alerts", "templates", "calendars")
COMMON = {"--url", "--key", "--json", "--help"}


def commands() -> dict[str, set[str]]:
    """Every command's long options, but for those that all share."""
    found: dict[str, set[str]] = {}
    for name, command in get_command(app).commands.items():  # type: ignore[attr-defined]
        inner = getattr(command, "commands", None)
        leaves = (
            {name: command} if inner is None else {f"{name} {leaf}": value for leaf, value in inner.items()}
        )
        for leaf, value in leaves.items():
            options = {o for p in value.params for o in [*p.opts, *p.secondary_opts] if o.startswith("--")}
            found[leaf] = options - COMMON
    return found


def section(name: str) -> str:
    """What the reference says of a command."""
    found = re.search(rf"^### rez-agent {name}\n(.*?)(?=^##|\Z)", REFERENCE, re.MULTILINE | re.DOTALL)
    assert found, f"{name} is missing in the reference"
    return found[1]


def told(name: str) -> set[str]:
    """The options in a command's table."""
    cells = re.findall(r"^\| (`-.*?) \|", section(name), re.MULTILINE)
    return {option for cell in cells for option in re.findall(r"`(--[a-z-]+)", cell)}


@pytest.mark.parametrize("name", commands())
def test_the_reference_names_every_option_and_no_other(name: str) -> None:
    shared = told("create") - {"--file"} if name == "update" else set()
    assert told(name) | shared == commands()[name]


def test_the_reference_has_no_command_that_is_not_there() -> None:
    assert set(re.findall(r"^### rez-agent (.+)$", REFERENCE, re.MULTILINE)) == set(commands())


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page_only_uses_commands_and_options_that_exist(page: Path) -> None:
    known = commands()
    text = page.read_text(encoding="utf-8")
    for line in re.findall(r"(?:^ {4}|^|\| |`)(rez-agent [a-z][^`\n]*)", text, re.MULTILINE):
        words = re.split(r" (?:&&|\||>) ", line)[0].split()[1:]
        name = " ".join(words[:2]) if words[0] in GROUPS and len(words) > 1 else words[0]
        if name in GROUPS or not re.fullmatch(r"[a-z ]+", name):
            continue
        assert name in known, f"{page.name}: {line}"
        used = {word.split("=")[0] for word in words if re.fullmatch(r"--[a-z-]+(=.*)?", word)}
        assert used <= known[name] | COMMON, f"{page.name}: {line}"


def test_the_doctor_s_page_has_every_code_that_has_a_remedy() -> None:
    page = (DOCS / "how-to" / "doctor.md").read_text(encoding="utf-8")
    assert {code for code in REMEDIES if f"`{code}`" not in page} == set()
