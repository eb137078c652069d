"""make aws-local: it deploys the stack, says what to try, and is gone when told to."""

from __future__ import annotations

import json
import re
import signal
import socket
import subprocess
import sys
import urllib.request
import zipfile
from collections.abc import Iterable, Sequence
from pathlib import Path

import boto3
import pytest

pytestmark = pytest.mark.e2e

_ROOT = Path(__file__).parents[3]
_PACKAGES = ("rez_agent", "rez_agent/aws", "rez_agent/aws/lambdas")
_ECHO = """
import json

def handler(event, context):
    return {"statusCode": 200, "body": event.get("rawPath", "")}
"""


@pytest.fixture
def zips(tmp_path: Path) -> Path:
    """Functions that only say where they were called: this tests the way to them."""
    for function in ("scheduler", "webapi", "processor", "sweep"):
        with zipfile.ZipFile(tmp_path / f"{function}.zip", "w") as archive:
            for package in _PACKAGES:
                archive.writestr(f"{package}/__init__.py", "")
            archive.writestr(f"rez_agent/aws/lambdas/{function}.py", _ECHO)
    return tmp_path


def command(zips: Path, *more: str) -> Sequence[str]:
    """What the Makefile runs."""
    module = (sys.executable, "-m", "infrastructure.aws_local")
    return (*module, "--zips", str(zips), "--log", str(zips / "aws.log"), *more)


def test_the_stack_stands_until_it_is_interrupted(zips: Path) -> None:
    with subprocess.Popen(command(zips), cwd=_ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        ready = json.loads(_until_ready(process.stdout).splitlines()[-1])
        assert set(ready) == {"endpoint", "api", "outputs"}
        assert ready["outputs"]["apiUrl"] == ready["api"]
        with urllib.request.urlopen(f"{ready['api']}/api/schedules") as answer:
            assert answer.read() == b"/api/schedules"
        scheduler = boto3.client(
            "scheduler", endpoint_url=ready["endpoint"], region_name="us-east-1",
            aws_access_key_id="test", aws_secret_access_key="test",
        )  # fmt: skip
        own = {item["Name"] for item in scheduler.list_schedules(GroupName="default")["Schedules"]}
        assert own == {"rez-agent-sweep-dev", "rez-agent-reconcile-dev"}
        port = int(ready["endpoint"].rsplit(":", 1)[1])
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=15) == 0
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), timeout=2)


def test_every_command_that_is_printed_can_be_pasted_until_it_is_terminated(zips: Path) -> None:
    environment = {"PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin", "HOME": str(zips)}
    with subprocess.Popen(command(zips), cwd=_ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        said = _until_ready(process.stdout)
        export = re.findall(r"^export AWS_.*$", said, re.MULTILINE)
        pasted = re.findall(r"^# .*\n(aws (?:.+\n)+)", said, re.MULTILINE)
        runnable = [text for text in pasted if "NAME" not in text and "--follow" not in text]
        assert len(runnable) == len(pasted) - 2
        script = "\n".join(["set -e", *export, *runnable])
        ended = subprocess.run(
            ["bash", "-c", script], env=environment, capture_output=True, text=True, timeout=60, check=False
        )
        process.terminate()
        assert process.wait(timeout=15) == 0
    assert ended.returncode == 0, ended.stderr
    assert '"MessageId"' in ended.stdout
    assert "rez-agent-sweep-dev" in ended.stdout


def _until_ready(lines: Iterable[str]) -> str:
    said = ""
    for line in lines:
        said += line
        if line.startswith("{"):
            return said
    raise AssertionError(f"it ended: {said}")


def test_a_port_that_is_taken_is_said_with_status_2(zips: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        ended = subprocess.run(
            command(zips, "--port", port), cwd=_ROOT, capture_output=True, text=True, timeout=30, check=False
        )
    assert ended.returncode == 2
    assert f"port {port}" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_zips_that_are_not_there_are_said_with_status_2(tmp_path: Path) -> None:
    ended = subprocess.run(
        command(tmp_path), cwd=_ROOT, capture_output=True, text=True, timeout=30, check=False
    )
    assert ended.returncode == 2
    assert "scheduler.zip" in ended.stderr
    assert "make build" in ended.stderr
