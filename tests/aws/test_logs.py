"""The log of the functions, as it stands on standard output."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

WRITES = """
import logging
import structlog
from rez_agent.aws.logs import configure_logs, join_structlog, log
configure_logs("{level}")
join_structlog()
theirs = structlog.get_logger()
log.info("applied", action="applied", schedule_id="sch_1")
theirs.info("sent", action="sent", execution_id="x", message="hello")
theirs.debug("looked", action="looked")
try:
    1 / 0
except ZeroDivisionError:
    theirs.exception("failed", action="failed", route="list")
logging.getLogger("botocore").info("chatter")
"""


def written(level: str) -> list[dict[str, Any]]:
    code = WRITES.format(level=level)
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stderr == ""
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_every_line_is_one_event_of_one_form_whoever_wrote_it() -> None:
    applied, sent, failed = written("info")
    assert (applied["level"], applied["message"], applied["schedule_id"]) == ("INFO", "applied", "sch_1")
    assert (sent["level"], sent["message"], sent["execution_id"]) == ("INFO", "sent", "x")
    assert sent["text"] == "hello"
    assert (failed["level"], failed["route"], failed["exception_name"]) == (
        "ERROR",
        "list",
        "ZeroDivisionError",
    )
    assert {line["service"] for line in (applied, sent, failed)} == {"rez-agent"}


def test_what_lies_below_the_level_is_left_out() -> None:
    assert [line["message"] for line in written("error")] == ["failed"]
    assert [line["message"] for line in written("debug")] == ["applied", "sent", "looked", "failed"]
