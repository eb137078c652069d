"""The house rules that no other tool checks: what the repository says about itself is true."""

from __future__ import annotations

import re
import subprocess
import tomllib
from importlib.metadata import version
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LOCKS = ("requirements.lock", "requirements-build.lock", "requirements-dev.lock")

# In pieces, so that this file does not find itself.
REGISTRY_HOSTS = re.compile("py" + r"pi\.|python" + r"hosted|np" + r"mjs|debian" + r"\.org")
MACHINE_PATHS = re.compile(r"(?<![\w.])/(?:wo" + r"rk|ro" + r"ot|ho" + r"me/\w+)/\w")
WORKPLACE_WORDS = re.compile(
    r"\b(?:is" + r"sue (?:#?\d|says)|this ses" + r"sion|as an a" + r"i\b|language mo" + r"del)", re.IGNORECASE
)


def tracked_texts() -> list[tuple[str, str]]:
    """Every tracked file that is text, as (name, content)."""
    names = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True)
    files = [(name, ROOT / name) for name in names.stdout.split("\0") if name]
    contents = [(name, file.read_bytes()) for name, file in files if file.is_file()]
    return [(name, content.decode(errors="replace")) for name, content in contents if b"\0" not in content]


def places(pattern: re.Pattern[str]) -> list[str]:
    """Where the pattern stands in tracked files, as ``name:line: what``."""
    return [
        f"{name}:{number}: {found.group()}"
        for name, text in tracked_texts()
        for number, line in enumerate(text.splitlines(), start=1)
        if (found := pattern.search(line))
    ]


def read(name: str) -> str:
    return (ROOT / name).read_text()


def project_version() -> str:
    return str(tomllib.loads(read("pyproject.toml"))["project"]["version"])


def targets() -> dict[str, str]:
    """The Makefile's targets and the help text of each, empty where there is none."""
    rules = re.findall(r"^([a-z][a-z-]*):[^=\n#]*(?:## (.*))?$", read("Makefile"), re.MULTILINE)
    return dict(rules)


def test_no_file_names_the_host_of_a_package_registry() -> None:
    assert places(REGISTRY_HOSTS) == []


def test_no_file_names_a_path_of_somebodys_machine() -> None:
    assert places(MACHINE_PATHS) == []


def test_the_project_speaks_of_itself_alone() -> None:
    assert places(WORKPLACE_WORDS) == []


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_pins_every_package_with_a_hash_and_names_no_address(lock: str) -> None:
    text = read(lock)
    entries = re.split(r"^(?=\S)", text, flags=re.MULTILINE)[1:]
    assert entries
    for entry in entries:
        assert re.match(r"[a-z0-9._-]+==\S+", entry), entry.splitlines()[0]
        assert "--hash=sha256:" in entry, entry.splitlines()[0]
    assert "://" not in text
    assert "index" not in text


def test_a_package_has_one_version_in_all_locks() -> None:
    pins = {lock: dict(re.findall(r"^([a-z0-9._-]+)==(\S+)", read(lock), re.MULTILINE)) for lock in LOCKS}
    everything = pins["requirements-dev.lock"]
    for lock in LOCKS:
        assert pins[lock].items() <= everything.items(), lock


def test_every_direct_requirement_is_locked() -> None:
    requirements = tomllib.loads(read("pyproject.toml"))["project"]["dependencies"]
    names = {re.split(r"[^\w-]", requirement)[0].lower() for requirement in requirements}
    locked = set(re.findall(r"^([a-z0-9._-]+)==", read("requirements.lock"), re.MULTILINE))
    assert names <= locked


def test_every_make_target_says_what_it_does_and_make_help_lists_it() -> None:
    shown = subprocess.run(["make", "help"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    for name, text in targets().items():
        assert text, f"{name} has no help text"
        assert re.search(rf"^  {name} +{re.escape(text)}$", shown, re.MULTILINE), name


def test_every_make_command_that_a_document_names_exists() -> None:
    unknown = [
        f"{name}: make {target}"
        for name, text in tracked_texts()
        if name.endswith(".md")
        for target in re.findall(r"(?:`|^\s*(?:\$ )?)make ([a-z-]+)", text, re.MULTILINE)
        if target not in targets()
    ]
    assert unknown == []


def test_the_readme_begins_with_the_two_commands() -> None:
    blocks = re.findall(r"^```\w*\n(.*?)^```", read("README.md"), re.MULTILINE | re.DOTALL)
    commands = re.findall(r"\bmake ([a-z-]+)", "\n".join(blocks))
    assert {"demo", "test"} <= set(commands)


def test_the_changelog_opens_with_what_the_version_in_the_making_brings() -> None:
    first = re.search(r"^## (.+)$", read("CHANGELOG.md"), re.MULTILINE)
    assert first
    assert first.group(1) == f"Unreleased: {project_version()}"


def test_the_installed_package_has_the_version_of_pyproject() -> None:
    assert version("rez-agent") == project_version()


def test_every_link_between_documents_leads_somewhere() -> None:
    broken = [
        f"{name}: {link}"
        for name, text in tracked_texts()
        if name.endswith(".md")
        for link in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", text)
        if "://" not in link and not ((ROOT / name).parent / link).exists()
    ]
    assert broken == []


def test_decisions_are_numbered_without_a_gap_and_say_what_was_rejected() -> None:
    pages = sorted((ROOT / "docs/decisions").glob("[0-9]*.md"))
    assert [int(page.name[:4]) for page in pages] == list(range(1, len(pages) + 1))
    assert [page.name for page in pages if "\n## Rejected\n" not in page.read_text()] == []
