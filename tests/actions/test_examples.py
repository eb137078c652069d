"""The sample plugin, found as an installed package is."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from rez_agent.actions.custom import GROUP, installed_actions
from tests.actions.support import acting, run, work

PLUGIN = Path(__file__).parents[2] / "examples" / "disk-watch"


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What an installer does with the plugin: its module on the path, its entry points in its metadata."""
    project = tomllib.loads((PLUGIN / "pyproject.toml").read_text())["project"]
    info = tmp_path / "rez_agent_disk_watch-0.1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n"
    )
    lines = [f"{name} = {target}" for name, target in project["entry-points"][GROUP].items()]
    (info / "entry_points.txt").write_text("\n".join([f"[{GROUP}]", *lines, "broken = disk_watch:nothing"]))
    monkeypatch.syspath_prepend(str(PLUGIN))
    monkeypatch.syspath_prepend(str(tmp_path))


@pytest.mark.usefixtures("installed")
def test_the_sample_plugin_is_found_checked_and_called(tmp_path: Path) -> None:
    async def scenario() -> None:
        found = installed_actions()
        assert isinstance(found["broken"], AttributeError)
        async with acting(custom=found) as actions:
            payload = {"action": "disk_space", "path": "/", "least_gib": 0}
            assert actions.check("custom", payload) == []
            faulty = actions.check("custom", {"action": "disk_space"})
            assert [problem.pointer for problem in faulty] == ["/path", "/least_gib"]
            outcome = await actions.run(work(payload, "custom"))
            assert outcome.ok
            assert "free_gib" in (outcome.response or "")
            outcome = await actions.run(work(payload | {"least_gib": 10**9}, "custom"))
            assert (outcome.code, outcome.permanent) == ("disk_full", True)
            missing = await actions.run(work(payload | {"path": str(tmp_path / "none")}, "custom"))
            assert (missing.code, missing.permanent) == ("custom_error", False)
            (tmp_path / "today.csv").touch()
            arrives = {"action": "file_arrives", "path": str(tmp_path / "today.csv")}
            assert (await actions.run(work(arrives, "custom"))).response == "today.csv is there."

    run(scenario())
