"""The log of a process: every line in one form."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

PROGRAM = """
import logging, structlog
from rez_agent.local.logs import configure_logs
configure_logs("info")
structlog.get_logger().info("ready", action="ready", name="two\\nlines")
structlog.get_logger().debug("not told")
logging.getLogger("uvicorn.error").warning("Invalid HTTP %s received.", "request")
logging.getLogger("uvicorn.error").info("not told either")
try:
    1 / 0
except ZeroDivisionError:
    logging.getLogger("asyncio").exception("a task failed")
"""


def logged() -> list[dict[str, Any]]:
    """What the program writes to standard error, line by line."""
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    return [json.loads(line) for line in done.stderr.splitlines()]


def test_what_we_log_and_what_libraries_log_is_one_json_document_a_line() -> None:
    ours, warning, failure = logged()
    assert (ours["event"], ours["level"], ours["name"]) == ("ready", "info", "two\nlines")
    assert (warning["event"], warning["level"]) == ("Invalid HTTP request received.", "warning")
    assert (warning["logger"], "timestamp" in warning) == ("uvicorn.error", True)
    assert "ZeroDivisionError" in failure["exception"]


@pytest.mark.parametrize("to", ["/dev/full", "a closed pipe"])
def test_what_cannot_be_logged_costs_nothing_else(to: str) -> None:
    with Path("/dev/full").open("w") as full:
        closed, pipe = os.pipe()
        os.close(closed)
        stream = full.fileno() if to == "/dev/full" else pipe
        command = [sys.executable, "-c", PROGRAM + "print('done')"]
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=stream, text=True, check=False)
        os.close(pipe)
    assert done.stdout == "done\n"
