"""The commands that make aws-local prints."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

from infrastructure.aws_local.process import Endpoint
from infrastructure.aws_local.words import commands, welcome

URL = "http://127.0.0.1:4566"
OUTPUTS = {
    "schedulesTableName": "rez-agent-schedules-dev",
    "scheduleGroupName": "rez-agent-dev",
    "schedulerFunctionName": "rez-agent-scheduler-dev",
    "scheduleCreationTopicArn": "arn:aws:sns:us-east-1:000000000000:rez-agent-schedule-creation-dev",
}


def test_every_command_names_the_endpoint_so_that_none_reaches_a_real_account() -> None:
    for command in commands(URL, OUTPUTS).values():
        words = shlex.split(command.replace("\\\n", " "))
        assert words[0] == "aws"
        assert words[words.index("--endpoint-url") + 1] == URL


def test_the_message_is_the_first_systems_own() -> None:
    publish = next(command for command in commands(URL, OUTPUTS).values() if " publish" in command)
    words = shlex.split(publish.replace("\\\n", " "))
    message = json.loads(words[words.index("--message") + 1])
    assert message["action"] == "create"
    assert message["schedule"]["schedule_expression"] == "cron(0 6 * * ? *)"
    assert message["schedule"]["payload"] == {"action": "check_tee_times"}


def test_a_group_is_named_and_a_reserved_word_is_not() -> None:
    text = "\n".join(commands(URL, OUTPUTS).values())
    assert "--group-name rez-agent-dev" in text
    assert "'#s = :status'" in text


def test_all_there_is_to_paste_is_a_shell_script() -> None:
    endpoint = Endpoint(URL, "http://127.0.0.1:4567", 1, Path("build/aws-local.log"))
    text = welcome(endpoint, OUTPUTS)
    pasted = re.findall(r"^# .*\n((?:.+\n?)+)", text, re.MULTILINE)
    assert len(pasted) >= len(commands(URL, OUTPUTS))
    for part in pasted:
        assert shlex.split(part.replace("\\\n", " "))[0] in ("aws", "export")
