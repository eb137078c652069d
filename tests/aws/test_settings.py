"""Settings from a function's environment."""

from __future__ import annotations

from pathlib import Path

import pytest

from rez_agent.aws.settings import PROCESSOR, SCHEDULER, SWEEP, WEBAPI, AwsSettings, Need
from rez_agent.domain.errors import Invalid
from rez_agent.domain.schedule import TargetType

DEAD_LETTERS = "arn:aws:sqs:eu-west-1:123456789012:rez-agent-scheduler-dead-letters-dev"
SNS, SQS = "arn:aws:sns:eu-west-1:123456789012:", "https://sqs.eu-west-1.amazonaws.com/123456789012/"
WHOLE = {
    "STAGE": "dev",
    "SCHEDULES_TABLE_NAME": "rez-agent-schedules-dev",
    "MESSAGES_TABLE_NAME": "rez-agent-messages-dev",
    "EXECUTIONS_TABLE_NAME": "rez-agent-executions-dev",
    "RECORDS_TABLE_NAME": "rez-agent-records-dev",
    "BLOBS_BUCKET_NAME": "rez-agent-blobs-dev-123456789012",
    "SECRETS_PREFIX": "rez-agent/dev/",
    "SCHEDULE_CREATION_TOPIC_ARN": SNS + "rez-agent-schedule-creation-dev",
    "WEB_ACTIONS_TOPIC_ARN": SNS + "rez-agent-web-actions-dev",
    "NOTIFICATIONS_TOPIC_ARN": SNS + "rez-agent-notifications-dev",
    "CUSTOM_TOPIC_ARN": SNS + "rez-agent-custom-dev",
    "WEB_ACTIONS_QUEUE_URL": SQS + "rez-agent-web-actions-dev",
    "NOTIFICATIONS_QUEUE_URL": SQS + "rez-agent-notifications-dev",
    "CUSTOM_QUEUE_URL": SQS + "rez-agent-custom-dev",
    "SCHEDULE_GROUP_NAME": "rez-agent-dev",
    "SCHEDULER_FUNCTION_ARN": "arn:aws:lambda:eu-west-1:123456789012:function:rez-agent-scheduler-dev",
    "SCHEDULER_DEAD_LETTER_QUEUE_ARN": DEAD_LETTERS,
    "EVENTBRIDGE_EXECUTION_ROLE_ARN": "arn:aws:iam::123456789012:role/rez-agent-eventbridge-scheduler",
}


def faults(environment: dict[str, str], needs: frozenset[Need] = SWEEP) -> dict[str, str]:
    """What is wrong with each variable."""
    with pytest.raises(Invalid) as refused:
        AwsSettings.from_environment(environment, needs)
    return {problem.pointer.removeprefix("/"): problem.message for problem in refused.value.problems}


def test_a_whole_environment_is_read() -> None:
    settings = AwsSettings.from_environment(WHOLE, SWEEP)
    assert settings.tables["executions"] == "rez-agent-executions-dev"
    assert settings.topics[TargetType.NOTIFICATION].endswith(":rez-agent-notifications-dev")
    assert settings.queues[TargetType.WEB_ACTION].endswith("/rez-agent-web-actions-dev")
    assert (settings.stage, settings.schedule_group) == ("dev", "rez-agent-dev")


def test_what_is_not_set_has_the_defaults_of_the_promises() -> None:
    settings = AwsSettings.from_environment(WHOLE, SWEEP)
    assert (settings.engine_rate, settings.ledger_days, settings.ledger_per_schedule) == (100, 90, 10_000)
    assert (settings.keyless, settings.allow_target, settings.actions) == (False, (), None)
    assert settings.log_level == "info"


def test_options_are_read(tmp_path: Path) -> None:
    actions = tmp_path / "actions.yaml"
    actions.write_text("actions: {}\n")
    options = {
        "ENGINE_RATE": "400",
        "REZ_AUTH": "none",
        "REZ_ALLOW_TARGET": "127.0.0.1, 10.0.0.0/8,",
        "REZ_ACTIONS": "actions.yaml",
        "LAMBDA_TASK_ROOT": str(tmp_path),
        "LEDGER_DAYS": "7",
        "LEDGER_PER_SCHEDULE": "100",
        "REZ_QUOTA": "5",
        "REZ_LOG_LEVEL": "debug",
    }
    settings = AwsSettings.from_environment(WHOLE | options, SWEEP)
    assert settings.allow_target == ("127.0.0.1", "10.0.0.0/8")
    assert (settings.keyless, settings.actions, settings.log_level) == (True, actions, "debug")
    assert (settings.engine_rate, settings.ledger_days, settings.ledger_per_schedule) == (400, 7, 100)
    assert settings.quota == 5


def test_everything_that_is_missing_is_told_at_once() -> None:
    found = faults({})
    assert found.keys() == WHOLE.keys()
    assert set(found.values()) == {f"{name} is not set." for name in WHOLE}


@pytest.mark.parametrize(
    ("needs", "never_asked_for"),
    [
        (SCHEDULER, {"SCHEDULE_CREATION_TOPIC_ARN"}),
        (WEBAPI, {*Need.WORK.value, *Need.ENGINE.value} - {*Need.ALERTS.value}),
        (PROCESSOR, {"SCHEDULE_CREATION_TOPIC_ARN", *Need.ENGINE.value}),
        (SWEEP, set()),
    ],
)
def test_a_function_needs_what_it_uses_and_no_more(needs: frozenset[Need], never_asked_for: set[str]) -> None:
    assert faults({}, needs).keys() == WHOLE.keys() - never_asked_for
    kept = {name: value for name, value in WHOLE.items() if name not in never_asked_for}
    AwsSettings.from_environment(kept, needs)


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("STAGE", "Dev Stage", "a-z, 0-9"),
        ("RECORDS_TABLE_NAME", "a table", "a name"),
        ("SECRETS_PREFIX", "rez-agent/dev", "ends with /"),
        ("CUSTOM_TOPIC_ARN", "rez-agent-custom-dev", "an ARN of sns"),
        ("CUSTOM_TOPIC_ARN", SNS.replace("sns", "sqs") + "x", "an ARN of sns"),
        ("CUSTOM_QUEUE_URL", "rez-agent-custom-dev", "a queue's URL"),
        ("ENGINE_RATE", "0", "from 1 to"),
        ("ENGINE_RATE", "fast", "from 1 to"),
        ("LEDGER_DAYS", "9" * 5_000, "from 1 to"),
        ("REZ_QUOTA", "-1", "from 1 to"),
        ("REZ_AUTH", "nobody", "one of keys, none"),
        ("REZ_LOG_LEVEL", "loud", "one of debug, info, warning, error"),
        ("REZ_ACTIONS", "nowhere.yaml", "a file of the function's code"),
    ],
)
def test_what_cannot_be_right_is_told_with_what_would_be(name: str, value: str, expected: str) -> None:
    found = faults(WHOLE | {name: value})
    assert found.keys() == {name}
    assert expected in found[name]


def test_a_malformed_name_is_told_where_it_is_not_even_needed() -> None:
    assert faults(WHOLE | {"CUSTOM_QUEUE_URL": "x"}, WEBAPI).keys() == {"CUSTOM_QUEUE_URL"}


def test_an_empty_variable_counts_as_not_set() -> None:
    assert faults(WHOLE | {"STAGE": ""}) == {"STAGE": "STAGE is not set."}
    assert AwsSettings.from_environment(WHOLE | {"REZ_QUOTA": ""}, SWEEP).quota == 2_000_000
