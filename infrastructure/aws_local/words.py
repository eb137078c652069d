"""What ``make aws-local`` prints: the commands to try, ready to paste."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence

from infrastructure.aws_local.process import Endpoint

_DAILY = """{
    "action": "create",
    "schedule": {
      "name": "test-daily-check",
      "schedule_expression": "cron(0 6 * * ? *)",
      "timezone": "America/New_York",
      "target_type": "web_action",
      "payload": {"action": "check_tee_times"}
    }
  }"""
"""The message of the first system's manual test, letter by letter."""


def commands(url: str, outputs: Mapping[str, str]) -> dict[str, str]:
    """The manual test and the debug commands of the first system by what they are for, in order.

    They are its own but for the endpoint and two corrections: the query says ``#s``, since ``status`` is a
    reserved word of DynamoDB, and schedules stand in a group, which GetSchedule has to be told.
    """
    table, group = outputs["schedulesTableName"], outputs["scheduleGroupName"]
    logs = f"/aws/lambda/{outputs['schedulerFunctionName']}"
    by_status = [
        "dynamodb", "query", "--table-name", table, "--index-name", "status-created_date-index",
        "--key-condition-expression", "#s = :status", "--expression-attribute-names", '{"#s":"status"}',
        "--expression-attribute-values", '{":status":{"S":"active"}}',
    ]  # fmt: skip
    publish = ["sns", "publish", "--topic-arn", outputs["scheduleCreationTopicArn"], "--message", _DAILY]
    listing = ["scheduler", "list-schedules", "--output", "table"]
    detail = ["scheduler", "get-schedule", "--group-name", group, "--name", "NAME"]
    messages = ["--log-group-name", logs, "--query", "events[].message", "--output", "text"]
    purposes = {
        "Create a schedule by a message": publish,
        "See it in the table": ["dynamodb", "scan", "--table-name", table],
        "See that EventBridge Scheduler has it": listing,
        "See it in detail (its id for NAME)": detail,
        "Find all that are active": by_status,
        "Read a function's log": ["logs", "filter-log-events", *messages],
        "Follow it (version 2 of the aws command has this, version 1 has not)": [
            "logs",
            "tail",
            logs,
            "--follow",
        ],
    }
    return {purpose: _command(url, arguments) for purpose, arguments in purposes.items()}


def welcome(endpoint: Endpoint, outputs: Mapping[str, str]) -> str:
    """Everything there is to say once the stack is there."""
    credentials = {
        "AWS_ACCESS_KEY_ID": endpoint.access_key,
        "AWS_SECRET_ACCESS_KEY": endpoint.secret_key,
        "AWS_DEFAULT_REGION": endpoint.region,
    }
    exports = " ".join(f"{name}={value}" for name, value in credentials.items())
    what = (
        "IAM is enforced, but these credentials may do everything. The API asks for no key, and targets on\n"
        "127.0.0.1 are allowed. A function runs on this Python, whatever its runtime's name says."
    )
    parts = [
        f"AWS on this machine: {endpoint.url}    the API: {endpoint.api}    the log: {endpoint.log}",
        what,
        f"# First, in the shell where you paste the rest\nexport {exports}",
        *(f"# {purpose}\n{command}" for purpose, command in commands(endpoint.url, outputs).items()),
        f"# The same from our own command line\nexport REZ_URL={endpoint.api}\nrez-agent list",
        "Stop it with Ctrl-C: everything in it is gone then.",
    ]
    return "\n\n".join(parts)


def _command(url: str, arguments: Sequence[str]) -> str:
    """An ``aws`` command as one pastes it, an option a line where it is long."""
    words = [shlex.quote(argument) for argument in arguments]
    line = " ".join(["aws", *words[:2], "--endpoint-url", url, *words[2:]])
    if len(line) <= 110:
        return line
    options = " ".join(words[2:]).replace(" --", " \\\n  --")
    return f"aws {' '.join(words[:2])} \\\n  --endpoint-url {url} \\\n  {options}"
