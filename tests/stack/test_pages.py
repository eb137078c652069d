"""The pages' own ``aws`` commands, as they stand there, on the deployed stack."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from infrastructure.synth import synthesize

from tests.stack.running import Stack, eventually

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = ("how-to/deploy.md", "reference/troubleshooting.md", "reference/limits.md")
BIN = Path(sys.executable).parent

NOT_HERE = {
    "aws logs tail ": "Invalid choice",
    "aws sqs start-message-move-task ": "InvalidAction",
    "aws service-quotas ": "ListServiceQuotas",
}
"""What is there on AWS, and how it is refused here: a command of version 2 of the command line, where this is
version 1, and actions that the emulator lacks. The pages say so."""

TELLS = {
    "aws sns publish ": "MessageId",
    "aws dynamodb scan ": "of-the-pages",
    "aws dynamodb query --table-name rez-agent-schedules-dev --index-name status": "of-the-pages",
    "aws dynamodb get-item ": "of-the-pages",
    "aws scheduler list-schedules --output table": "rez-agent-sweep-dev",
    "aws scheduler list-schedules --group-name rez-agent-dev --query": "ENABLED",
    "aws scheduler get-schedule --group-name rez-agent-dev ": "cron(0 6 1 1 ? *)",
    "aws scheduler get-schedule --name rez-agent-sweep-dev": "rate(1 minute)",
    "aws sns list-subscriptions-by-topic ": "rez-agent-scheduler-dev",
    "aws lambda list-event-source-mappings ": "rez-agent-web-actions-dev",
    "aws iam get-role ": "scheduler.amazonaws.com",
}
"""What the answer of a command must have in it, by how the command begins (on one line)."""

OF_SQS = "aws sqs "
"""Version 1 does not read AWS_ENDPOINT_URL for SQS, where it prefers a name of its own: it has to be told."""

BLOCK = re.compile(r"^```bash\n(.*?)^```", re.MULTILINE | re.DOTALL)


def blocks(page: str) -> list[str]:
    """The blocks of a page that hold commands of ``aws``, in order."""
    found = BLOCK.findall((DOCS / page).read_text(encoding="utf-8"))
    return [block for block in found if re.search(r"\baws ", block)]


def with_cloudformation() -> str:
    """The block that deploys without Pulumi."""
    (found,) = (block for block in blocks("how-to/deploy.md") if "cloudformation" in block)
    return found


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
    for number, command in enumerate(
        command for block in blocks(page) if block != with_cloudformation() for command in commands(block)
    )
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


def on_one_line(command: str) -> str:
    return " ".join(command.replace("\\\n", " ").split()) + " "


def run(command: list[str], environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize(("page", "command"), ALL)
def test_a_command_of_a_page_does_what_it_says(page: str, command: str, environment: dict[str, str]) -> None:
    here = command.replace(OF_SQS, 'aws --endpoint-url "$AWS_ENDPOINT_URL" sqs ')
    if exported := re.match(r"export (\w+)=", command):
        here += f'test -n "${exported[1]}"\n'
    ran = run(["bash", "-ec", here], environment)
    refused = next((text for start, text in NOT_HERE.items() if command.startswith(start)), None)
    if refused is not None:
        assert refused in ran.stderr
        return
    assert ran.returncode == 0, ran.stderr
    line = on_one_line(command)
    assert all(told in ran.stdout for start, told in TELLS.items() if line.startswith(start)), ran.stdout


def test_what_a_command_must_tell_is_of_a_command_that_there_is() -> None:
    lines = [on_one_line(str(case.values[1])) for case in ALL]
    assert [start for start in [*TELLS, *NOT_HERE] if not any(line.startswith(start) for line in lines)] == []


def test_the_doctor_finds_the_stack_as_it_was_deployed(stack: Stack, environment: dict[str, str]) -> None:
    """What other tests did to it within the hour is in its log, and told too: that is not looked at here."""
    asked = [str(BIN / "rez-agent"), "doctor", "--stage", "dev", "--url", stack.api, "--json"]
    document = json.loads(run(asked, environment).stdout)
    deployed = {
        "credentials",
        "resources",
        "functions",
        "sweep",
        "quota",
        "subscriptions",
        "health",
        "access",
    }
    found = [finding for finding in document["findings"] if finding["check"] in deployed]
    assert {finding["check"] for finding in found} == deployed
    assert {finding["verdict"] for finding in found} == {"ok"}, found


def test_the_template_is_deployed_without_pulumi_as_the_page_says(
    tmp_path: Path, stack: Stack, environment: dict[str, str]
) -> None:
    """As a stage of its own, beside the one that is there, and gone again."""
    template = tmp_path / "rez-agent-pages.template.json"
    template.write_text(json.dumps(synthesize("pages")), encoding="utf-8")
    block = with_cloudformation().replace("build/rez-agent-dev.template.json", str(template))
    block = block.replace("aws s3 cp build/", f"aws s3 cp {stack.zips}/")
    block = block.replace("rez-agent-dev", "rez-agent-pages").replace("MY-BUCKET", "code-of-the-pages")
    deployed = run(["bash", "-ec", block], environment)
    assert deployed.returncode == 0, deployed.stdout + deployed.stderr
    assert "scheduleCreationTopicArn" in deployed.stdout
    first = [str(BIN / "rez-agent"), "keys", "create", "me", "--scope", "admin", "--stage", "pages"]
    assert run(first, environment).stdout.startswith("rez_")
    stack.client("cloudformation").delete_stack(StackName="rez-agent-pages")
