"""The zips that a build writes, each imported with nothing beside it but what the runtime has."""

from __future__ import annotations

import re
import subprocess
import sys
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
from infrastructure.zips.building import ACTIONS_FILE, Built, build
from infrastructure.zips.functions import FUNCTIONS
from infrastructure.zips.installing import ROOT
from infrastructure.zips.timing import IN_LAMBDA, install_runtime, output, unpacked

NAMES = [function.name for function in FUNCTIONS]
PLUGIN = ROOT / "examples" / "disk-watch"
ACTIONS = """
actions:
  greet:
    url: https://example.org/greet
"""
ONE = tuple(function for function in FUNCTIONS if function.name == "sweep")

JUDGE = """
from datetime import UTC, datetime
from rez_agent.actions.build import make_actions

class NoSecrets:
    def get(self, name): return None
    def names(self): return []

actions = make_actions(secrets=NoSecrets(), now=lambda: datetime.now(UTC), monotonic=float, late=True)
print(
    actions.check("web_action", {"action": "http", "url": "https://example.org/"}),
    actions.check("web_action", {"action": "check_tee_times"}),
    actions.check("notification", {"channel": "log", "message": "well"}),
    [problem.code for problem in actions.check("custom", {"action": "none"})],
)
"""

# None of a function's: what only one machine or a desk needs, what tests need, what the runtime has.
NEVER = {
    "apsw",
    "boto3",
    "botocore",
    "click",
    "hypothesis",
    "infrastructure",
    "ministack",
    "pulumi",
    "pytest",
    "rich",
    "s3transfer",
    "tests",
    "typer",
    "uvicorn",
    "uvloop",
}


@dataclass(frozen=True)
class World:
    """One build, unpacked, and the runtime's own libraries."""

    directory: Path
    built: Mapping[str, Built]
    functions: Mapping[str, Path]
    runtime: Path

    def run(self, name: str, code: str, told: Mapping[str, str] = IN_LAMBDA) -> str:
        """What ``code`` prints with one function's zip and the runtime, and nothing else."""
        return output(code, self.functions[name], self.runtime, told=told)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    directory = tmp_path_factory.mktemp("zips")
    built = {one.function.name: one for one in build(directory)}
    install_runtime(directory / "runtime")
    functions = unpacked({name: one.path for name, one in built.items()}, directory / "unpacked")
    return World(directory, built, functions, directory / "runtime")


@pytest.mark.parametrize("name", NAMES)
def test_a_function_starts_with_its_zip_and_the_runtime_alone(world: World, name: str) -> None:
    code = f"from rez_agent.aws.lambdas.{name} import handler\nprint(callable(handler))"
    assert world.run(name, code) == "True\n"


@pytest.mark.parametrize("name", NAMES)
def test_a_function_starts_from_byte_code(world: World, name: str) -> None:
    """Whatever is imported from the zip has its byte code there, in the place and form that Python takes."""
    code = f"""
import os
import rez_agent.aws.lambdas.{name}
files = [m.__spec__ for m in sys.modules.values() if getattr(m, "__spec__", None)]
ours = [s for s in files if (s.origin or "").startswith(os.getcwd()) and s.origin.endswith(".py")]
print(len(ours), *(s.origin for s in ours if not os.path.exists(s.cached)))
"""
    count, *without = world.run(name, code).split()
    assert int(count) > 100
    assert without == []


@pytest.mark.parametrize("name", NAMES)
def test_a_function_carries_nothing_that_it_does_not_run(world: World, name: str) -> None:
    inside = zipfile.ZipFile(world.built[name].path).namelist()
    tops = {file.split("/")[0].removesuffix(".py") for file in inside}
    allowed = {"click"} if name == "processor" else set()  # apprise asks for it
    assert tops & (NEVER - allowed) == set()
    assert not [file for file in inside if "/tests/" in file or file.endswith((".pyi", ".c", ".pyx"))]
    assert not [file for file in inside if file.startswith(("rez_agent/cli", "rez_agent/local"))]


def test_only_the_processor_carries_what_performs_actions(world: World) -> None:
    carrying = {name for name, one in world.built.items() if {"aiohttp", "apprise"} & one.libraries.keys()}
    assert carrying == {"processor"}
    assert "fastapi" not in world.built["processor"].libraries


def test_the_processor_can_perform_what_it_imports_late(world: World) -> None:
    code = "import apprise.plugins, jinja2, jsonschema, structlog, yaml, rez_agent.actions.sender\nprint(1)"
    assert world.run("processor", code) == "1\n"


@pytest.mark.parametrize("name", ["scheduler", "webapi", "sweep"])
def test_a_function_that_performs_nothing_can_judge_everything(world: World, name: str) -> None:
    """Every kind of payload, with the catalogue that ships."""
    assert world.run(name, JUDGE) == "[] [] [] ['unknown_action']\n"


@pytest.mark.parametrize("name", NAMES)
def test_what_a_function_carries_needs_no_newer_libraries_than_the_runtime_has(
    world: World, name: str
) -> None:
    """Amazon Linux 2, on which python3.11 runs, has glibc 2.26 and the C++ library of GCC 7."""
    for file in world.functions[name].rglob("*.so*"):
        code = file.read_bytes()
        for library, newest in ((b"GLIBC_2", 26), (b"GLIBCXX_3.4", 24)):
            needed = re.findall(re.escape(library) + rb"\.(\d+)\0", code)
            assert max(map(int, needed), default=0) <= newest, (file, library)


@pytest.mark.parametrize("name", ["scheduler", "webapi", "processor"])
def test_a_function_can_check_and_judge_conditions(world: World, name: str) -> None:
    """In a process that is started from the zip, and without what the library brings for others."""
    code = """
import asyncio
from datetime import UTC, datetime
from rez_agent.actions.cel import problems_with
from rez_agent.actions.judging import Judge
from rez_agent.domain.condition import Condition, Facts
now = datetime(2027, 1, 1, tzinfo=UTC)
facts = Facts("a", "a", (), "Europe/Paris", "a", 1, "custom", "{}", now)
judge = Judge()
print(problems_with("1", {})[0].code, asyncio.run(judge.judge(Condition("local.hour == 1", facts))).value)
judge.close()
"""
    assert world.run(name, code) == "invalid_condition True\n"
    assert not [one for one in zipfile.ZipFile(world.built[name].path).namelist() if "/ext/" in one]


def test_the_web_api_can_make_its_document(world: World) -> None:
    code = """
from prometheus_client import CollectorRegistry
from rez_agent.web.app import create_app
from rez_agent.web.settings import WebSettings
print(create_app(None, settings=WebSettings(), registry=CollectorRegistry()).openapi()["openapi"])
"""
    assert world.run("webapi", code).startswith("3.")


def test_the_web_api_carries_the_page_and_imports_what_renders_it_late(world: World) -> None:
    code = """
import rez_agent.aws.lambdas.webapi
print("jinja2" in sys.modules)
from rez_agent.web.page import statics
from rez_agent.web.page.environment import environment
for name in environment().list_templates():
    environment().get_template(name)
print(len(environment().list_templates()) > 10, statics.url("vendor/htmx.min.js").startswith("/static/"))
"""
    assert world.run("webapi", code).split() == ["False", "True", "True"]


@pytest.mark.parametrize("name", NAMES)
def test_a_function_has_the_zones_of_its_own_database(world: World, name: str) -> None:
    code = """
import tzdata, zoneinfo
zoneinfo.reset_tzpath(to=[])
print(zoneinfo.ZoneInfo("America/New_York"), tzdata.__file__)
"""
    zone, file = world.run(name, code).split()
    assert zone == "America/New_York"
    assert Path(file).is_relative_to(world.functions[name])


def test_two_builds_are_identical(world: World, tmp_path: Path) -> None:
    (again,) = build(tmp_path, functions=ONE)
    assert again.path.read_bytes() == world.built["sweep"].path.read_bytes()


def test_a_file_of_actions_and_plugins_go_in(world: World, tmp_path: Path) -> None:
    actions = tmp_path / "mine.yaml"
    actions.write_text(ACTIONS)
    (built,) = build(tmp_path / "out", actions=actions, plugins=[str(PLUGIN)], functions=ONE)
    functions = unpacked({"sweep": built.path}, tmp_path / "unpacked")
    assert (functions["sweep"] / ACTIONS_FILE).read_text() == ACTIONS
    code = "from rez_agent.actions.custom import installed_actions\nprint(installed_actions())"
    assert "<function disk_space" in output(code, functions["sweep"], world.runtime)


def refusal(tmp_path: Path, *arguments: str) -> str:
    """What ``make build`` says to arguments that it can't use; it exits with 2 and writes nothing."""
    command = [sys.executable, "-m", "infrastructure.build", "--directory", str(tmp_path / "out"), *arguments]
    done = subprocess.run(command, check=False, cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (2, "")
    assert not list(tmp_path.glob("out/*"))
    return done.stderr


def test_a_plugin_that_is_not_there_is_refused(tmp_path: Path) -> None:
    told = refusal(tmp_path, "--plugins", f"{tmp_path}/none-1.0-py3-none-any.whl")
    assert told.startswith("build: PLUGINS names ")
    assert "no such file" in told


def test_a_plugin_that_no_wheel_can_be_had_for_is_refused(tmp_path: Path) -> None:
    wheel(tmp_path / "odd-1.0-cp38-cp38-win32.whl", "odd")
    told = refusal(tmp_path, "--plugins", str(tmp_path / "odd-1.0-cp38-cp38-win32.whl"))
    assert "can't be installed" in told
    assert "odd" in told


def test_a_package_without_a_custom_action_is_refused(tmp_path: Path) -> None:
    told = refusal(tmp_path, "--plugins", str(wheel(tmp_path / "plain-1.0-py3-none-any.whl", "plain")))
    assert "plain, which has no custom action: its metadata declares no entry point in the group" in told


def test_a_faulty_file_of_actions_is_refused_with_all_its_faults(tmp_path: Path) -> None:
    (tmp_path / "actions.yaml").write_text("actions:\n  a b: 1\nfoo: 2\n")
    told = refusal(tmp_path, "--actions", str(tmp_path / "actions.yaml"))
    assert "line 2" in told
    assert "line 3" in told


def wheel(path: Path, name: str) -> Path:
    """A wheel of a package that holds nothing."""
    info = f"{name}-1.0.dist-info"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(f"{name}.py", "")
        archive.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        tag = path.stem.removeprefix(f"{name}-1.0-")
        archive.writestr(f"{info}/WHEEL", f"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: {tag}\n")
        archive.writestr(
            f"{info}/RECORD", f"{name}.py,,\n{info}/METADATA,,\n{info}/WHEEL,,\n{info}/RECORD,,\n"
        )
    return path
