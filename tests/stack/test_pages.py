"""The pages' own ``aws`` commands, as they stand there, on the deployed stack."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.stack.running import Stack, eventually

DOCS = Path(__file__).parents[2] / "docs"
PAGES = ("how-to/deploy.md", "reference/troubleshooting.md")
BIN = Path(sys.executable).parent

NOT_HERE = {
    "aws logs tail ": "Invalid choice",
    "aws sqs start-message-move-task ": "InvalidAction",
}
"""What is there on AWS, and how it is refused here: a command of version 2 of the command line (this is version
1), and an action that the emulator lacks. The pages say so."""

OF_SQS = "aws sqs "
"""Version 1 does not read AWS_ENDPOINT_URL for SQS, where it prefers a name of its own: it has to be told."""

BLOCK = re.compile(r"^```bash\n(.*?)^```", re.MULTILINE | re.DOTALL)


def blocks(page: str) -> list[str]:
    """The blocks of a page that hold commands of ``aws``, in order."""
    found = BLOCK.findall((DOCS / page).read_text(encoding="utf-8"))
    return [block for block in found if re.search(r"\baws ", block)]


def commands(block: str) -> Iterator[str]:
    """The commands of a block, each with the lines that it goes on in."""
    command = ""
    for line in block.splitlines(keepends=True):
        if re.match(r"(aws|export) ", line) and command.strip():
            yield command
            command = ""
        command += line
    if command.strip():
        yield command


ALL = [
    pytest.param(page, command, id=f"{Path(page).stem}-{' '.join(command.split()[:3])}-{number}")
    for page in PAGES
    for number, command in enumerate(command for block in blocks(page) for command in commands(block))
]


def test_the_pages_have_the_commands_of_the_first_system() -> None:
    text = "\n".join((DOCS / page).read_text(encoding="utf-8") for page in PAGES)
    for command in (
        "aws sns publish",
        "aws dynamodb scan --table-name rez-agent-schedules-dev",
        "aws scheduler list-schedules",
        "aws scheduler list-schedules --output table",
        "aws scheduler get-schedule --group-name rez-agent-dev --name",
        "aws logs tail /aws/lambda/rez-agent-scheduler-dev --follow",
        "--index-name status-created_date-index",
    ):
        assert command in text, command
    assert len(ALL) > 20


@pytest.fixture(scope="module")
def environment(stack: Stack) -> dict[str, str]:
    """What the pages have their reader export, for a schedule that EventBridge Scheduler holds."""
    definition = {
        "name": "of-the-pages",
        "schedule_expression": "cron(0 6 1 1 ? *)",
        "target_type": "notification",
        "payload": {"channel": "log", "message": "A happy new year."},
    }
    answer = stack.post("/api/schedules", definition, {"Prefer": "wait=20"})
    assert answer.status == 201, answer
    held = stack.client("scheduler").list_schedules
    eventually(lambda: held(GroupName="rez-agent-dev")["Schedules"], 20, "EventBridge Scheduler has it")
    queue = stack.outputs["webActionsDeadLetterQueueUrl"]
    attributes = stack.client("sqs").get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])
    return {
        **stack.environment,
        "PATH": f"{BIN}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
        "TOPIC": stack.outputs["scheduleCreationTopicArn"],
        "SCHEDULE": str(answer.body["id"]),
        "DEAD": queue,
        "DEAD_ARN": attributes["Attributes"]["QueueArn"],
    }


def run(command: list[str], environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize(("page", "command"), ALL)
def test_a_command_of_a_page_does_what_it_says(page: str, command: str, environment: dict[str, str]) -> None:
    here = command.replace(OF_SQS, 'aws --endpoint-url "$AWS_ENDPOINT_URL" sqs ')
    if exported := re.match(r"export (\w+)=", command):
        here += f'test -n "${exported[1]}"\n'
    ran = run(["bash", "-ec", here], environment)
    refused = next((text for start, text in NOT_HERE.items() if command.startswith(start)), None)
    if refused is None:
        assert ran.returncode == 0, ran.stderr
    else:
        assert refused in ran.stderr


def test_the_doctor_finds_the_stack_well(stack: Stack, environment: dict[str, str]) -> None:
    asked = [str(BIN / "rez-agent"), "doctor", "--stage", "dev", "--url", stack.api]
    ran = run(asked, environment)
    assert "problem  " not in ran.stdout
    assert ran.returncode == 0, ran.stdout + ran.stderr
