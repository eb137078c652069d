"""What the doctor finds on AWS, one check at a time, and what it says to do.

The denials are what AWS itself answered when they were recorded (with another account's number): no emulator
words them so. The rest runs against an emulated AWS, where it can tell.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import botocore.session
import pytest

from rez_agent.aws.asking import Identity
from rez_agent.aws.deployed import FUNCTIONS, Denial
from rez_agent.aws.inspection import Inspection, inspection_by
from rez_agent.aws.underway import Subscription, UnarmedSchedule, Waiting, error_in
from rez_agent.cli import cloud, cloud_checks, cloud_rights
from rez_agent.cli.finding import Finding, Verdict
from rez_agent.cli.main import main
from rez_agent.domain.errors import Invalid, Unavailable
from tests.aws.answers import function, stubbed, trusting
from tests.aws.stage import Stage, client, endpoint

NOW = datetime(2026, 3, 8, 12, 0, tzinfo=UTC)
ACCOUNT = "123456789012"
WHO = Identity(ACCOUNT, f"arn:aws:iam::{ACCOUNT}:user/operator", "us-east-1")
CALLER = f"arn:aws:sts::{ACCOUNT}:assumed-role/rez-agent-scheduler-role-dev/rez-agent-scheduler-dev"
EXECUTION_ROLE = f"arn:aws:iam::{ACCOUNT}:role/rez-agent-eventbridge-scheduler-execution-role-dev"

CREATE_DENIED = (
    f"User: {CALLER} is not authorized to perform: scheduler:CreateSchedule on resource: "
    f"arn:aws:scheduler:us-east-1:{ACCOUNT}:schedule/rez-agent-dev/sch_01 because no identity-based policy "
    "allows the scheduler:CreateSchedule action"
)
PASS_DENIED = (
    f"User: {CALLER} is not authorized to perform: iam:PassRole on resource: {EXECUTION_ROLE} "
    "because no identity-based policy allows the iam:PassRole action"
)
INVOKE_DENIED = (
    f"User: arn:aws:sts::{ACCOUNT}:assumed-role/rez-agent-eventbridge-scheduler-execution-role-dev/"
    "1234567890abcdef is not authorized to perform: lambda:InvokeFunction on resource: "
    f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:rez-agent-scheduler-dev because no identity-based policy "
    "allows the lambda:InvokeFunction action"
)
NOT_TRUSTED = "The execution role you provide must allow AWS EventBridge Scheduler to assume the role."


def one(findings: Iterable[Finding]) -> Finding:
    (finding,) = findings
    return finding


def told(findings: Iterable[Finding]) -> list[tuple[str, str]]:
    return [(finding.check, finding.verdict.value) for finding in findings]


# --- AWS's denials, as they were recorded ---


@pytest.mark.parametrize(
    ("text", "finds", "cure"),
    [
        (CREATE_DENIED, "AccessDenied: scheduler:CreateSchedule on arn:aws:scheduler", "schedule group"),
        (PASS_DENIED, f"AccessDenied: iam:PassRole on {EXECUTION_ROLE}.", "iam:PassedToService"),
        (
            INVOKE_DENIED,
            "AccessDenied: lambda:InvokeFunction on arn:aws:lambda",
            "invoke the scheduler function",
        ),
        (NOT_TRUSTED, "may not assume the execution role", "scheduler.amazonaws.com"),
        (f"AWS answers AccessDeniedException: {PASS_DENIED}", "iam:PassRole", "pulumi up"),
        (json.dumps({"error": PASS_DENIED, "level": "ERROR"}), f"{EXECUTION_ROLE}.", "pulumi up"),
        ('{"error": "not authorized to perform: sns:Publish"}', "AccessDenied: sns:Publish.", "sns:Publish"),
    ],
)
def test_a_denial_is_named_with_its_cure(text: str, finds: str, cure: str) -> None:
    finding = cloud_rights.denied("rights", text)
    assert finding is not None
    assert finding.verdict is Verdict.PROBLEM
    assert finds in finding.text
    assert cure in finding.remedy


def test_what_denies_nothing_is_no_denial() -> None:
    assert cloud_rights.denied("rights", "ThrottlingException: Rate exceeded") is None


def test_a_schedule_that_stays_unarmed_for_lack_of_a_right_says_which() -> None:
    rows = [UnarmedSchedule("sch_1", "tee-times", NOW - timedelta(minutes=9), CREATE_DENIED)]
    finding = one(cloud_checks.unarmed(rows, NOW))
    assert finding.verdict is Verdict.PROBLEM
    assert "'tee-times' has waited 9 min to be armed. AccessDenied: scheduler:CreateSchedule" in finding.text


def test_a_denial_in_a_log_is_told_once_with_its_function() -> None:
    finding = one(cloud_rights.logged_denials("rez-agent-sweep-dev", [PASS_DENIED, PASS_DENIED, "START"]))
    assert finding.text.startswith("rez-agent-sweep-dev: AccessDenied: iam:PassRole")


def test_a_dead_letter_of_eventbridge_tells_its_denial() -> None:
    letter = {
        "Body": "{}",
        "MessageAttributes": {
            "ERROR_CODE": {"StringValue": "AccessDeniedException"},
            "ERROR_MESSAGE": {"StringValue": INVOKE_DENIED},
        },
    }
    waiting = Waiting("rez-agent-scheduler-dead-letters-dev", 3, (error_in(letter),))
    finding = one(cloud_checks.dead_letters([waiting]))
    assert finding.verdict is Verdict.PROBLEM
    assert "holds 3 messages. AccessDenied: lambda:InvokeFunction" in finding.text


def test_a_check_that_the_operator_may_not_make_stops_no_other(capsys: pytest.CaptureFixture[str]) -> None:
    inspection = stubbed(
        "sqs", ("get_queue_url", ("AccessDenied", "User: u is not authorized to perform: x"))
    )
    with pytest.raises(Unavailable) as refused:
        inspection.underway.dead_letters()
    assert refused.value.code == "access_denied"

    def denied() -> Iterable[Finding]:
        raise refused.value

    finding = one(cloud_checks._looked("dead letters", WHO, denied))
    assert finding.verdict is Verdict.WARNING
    assert WHO.arn in finding.remedy


@pytest.mark.parametrize(
    ("code", "kind", "remedy"),
    [
        ("ExpiredToken", "no_credentials", "aws configure"),
        ("InvalidClientTokenId", "no_credentials", "aws configure"),
        ("Throttling", "unavailable", "AWS_ENDPOINT_URL"),
    ],
)
def test_credentials_that_do_not_hold_are_the_only_finding(code: str, kind: str, remedy: str) -> None:
    inspection = stubbed("sts", ("get_caller_identity", (code, "It does not hold.")))
    who, finding = cloud_checks.identity(inspection)
    assert who is None
    assert finding.verdict is Verdict.PROBLEM
    assert remedy in finding.remedy
    with pytest.raises(Unavailable) as refused:
        stubbed("sts", ("get_caller_identity", (code, "No."))).ask.identity()
    assert refused.value.code == kind


# --- what only AWS itself can tell, as its reference describes it ---


def test_a_subscription_that_was_not_confirmed_is_told() -> None:
    entries = {
        "Subscriptions": [
            {
                "SubscriptionArn": "PendingConfirmation",
                "Owner": ACCOUNT,
                "Protocol": "email",
                "Endpoint": "ops@example.org",
                "TopicArn": f"arn:aws:sns:us-east-1:{ACCOUNT}:rez-agent-alarms-dev",
            }
        ]
    }
    empty: dict[str, Any] = {"Subscriptions": []}
    answers = [("list_subscriptions_by_topic", empty)] * 4 + [("list_subscriptions_by_topic", entries)]
    found = stubbed("sns", *answers).underway.subscriptions(WHO)
    assert found == [Subscription("alarms", "email", "ops@example.org", pending=True)]
    first, *others = cloud_checks.subscriptions(found)
    assert "ops@example.org has not confirmed its subscription to alarms" in first.text
    assert len(others) == 4


@pytest.mark.parametrize(
    ("count", "verdict"),
    [(10, Verdict.OK), (7_999_999, Verdict.OK), (8_000_000, Verdict.WARNING), (9_600_000, Verdict.PROBLEM)],
)
def test_the_nearer_the_quota_the_worse(count: int, verdict: Verdict) -> None:
    assert cloud_checks.quota(count, 10_000_000, exact=True, known=True).verdict is verdict


def test_a_large_group_is_counted_by_its_table() -> None:
    finding = cloud_checks.quota(1_000_000, 10_000_000, exact=False, known=False)
    assert finding.text.startswith("About 1,000,000 of 10,000,000 schedules: the documented quota")


def test_the_api_of_the_stage_is_found_among_others() -> None:
    def api(name: str) -> dict[str, str]:
        endpoint = f"https://{name}.example"
        return {
            "Name": name,
            "ApiEndpoint": endpoint,
            "ProtocolType": "HTTP",
            "RouteSelectionExpression": "$",
        }

    pages = [{"Items": [api("other")], "NextToken": "more"}, {"Items": [api("rez-agent-api-dev")]}]
    found = stubbed("apigatewayv2", *(("get_apis", page) for page in pages))
    assert found.underway.api_url() == "https://rez-agent-api-dev.example"
    assert stubbed("apigatewayv2", ("get_apis", {"Items": []})).underway.api_url() is None
    denied = stubbed("apigatewayv2", ("get_apis", ("AccessDeniedException", "No.")))
    assert cloud_checks.api_url(denied) is None


# --- judgements ---


def test_functions_as_they_were_deployed_are_well() -> None:
    assert one(cloud_checks.functions([function()])).verdict is Verdict.OK


@pytest.mark.parametrize(
    ("changed", "text"),
    [
        ({"state": "Failed", "reason": "The role is gone"}, "is Failed: The role is gone."),
        ({"problems": ("STAGE is not set.",)}, "rez-agent-scheduler-dev: STAGE is not set."),
        ({"timeout": 3}, "has 3 s; the stack gives it 60 s."),
    ],
)
def test_a_function_that_was_changed_is_told(changed: dict[str, Any], text: str) -> None:
    assert text in one(cloud_checks.functions([function(**changed)])).text


def test_a_function_that_ran_out_of_time_is_a_problem() -> None:
    lines = ["2026-03-08T12:00:00Z 8f0e Task timed out after 60.02 seconds"]
    finding = one(cloud_checks.timeouts("rez-agent-scheduler-dev", lines))
    assert "ran out of time 1 time within a day, after 60.02 s" in finding.text
    assert "memory" in finding.remedy


def test_a_queue_must_hide_a_message_as_long_as_it_may_be_worked_on() -> None:
    processor = function(what="processor", timeout=900)
    assert list(cloud_checks.hidden({"q": 960}, [processor])) == []
    assert "hides a message for 30 s" in one(cloud_checks.hidden({"q": 30}, [processor])).text


def test_a_schedule_that_was_just_made_may_wait_to_be_armed() -> None:
    rows = [UnarmedSchedule("sch_1", "n", NOW - timedelta(seconds=90), "")]
    assert one(cloud_checks.unarmed(rows, NOW)).verdict is Verdict.OK


def test_a_denial_is_told_at_once() -> None:
    rows = [UnarmedSchedule("sch_1", "n", NOW, PASS_DENIED)]
    assert one(cloud_checks.unarmed(rows, NOW)).verdict is Verdict.PROBLEM


def test_many_unarmed_schedules_are_counted() -> None:
    rows = [UnarmedSchedule(f"sch_{n}", "", NOW - timedelta(hours=1), "Throttled") for n in range(8)]
    findings = list(cloud_checks.unarmed(rows, NOW))
    assert len(findings) == 6
    assert "'sch_0' has waited 60 min to be armed: Throttled" in findings[0].text
    assert findings[-1].text == "3 more wait to be armed."


def test_the_sweep_must_be_set_going() -> None:
    states = {"rez-agent-sweep-dev": "ENABLED", "rez-agent-reconcile-dev": "DISABLED"}
    assert "rez-agent-reconcile-dev in group 'default' is disabled" in one(cloud_checks.timers(states)).text
    assert list(cloud_checks.heartbeat("rez-agent-sweep-dev", beating=True)) == []
    assert "has logged nothing for 5 min" in one(cloud_checks.heartbeat("s", beating=False)).text


def test_the_execution_role_trusts_eventbridge_scheduler_for_this_account() -> None:
    scheduler = {"Service": ["scheduler.amazonaws.com"]}
    account = {"StringEquals": {"aws:SourceAccount": ACCOUNT}}
    assert list(cloud_rights.trust(trusting(scheduler, account), WHO)) == []
    assert one(cloud_rights.trust(trusting(scheduler), WHO)).verdict is Verdict.WARNING
    assert (
        one(cloud_rights.trust(trusting({"Service": "lambda.amazonaws.com"}), WHO)).verdict is Verdict.PROBLEM
    )
    assert list(cloud_rights.trust(None, WHO)) == []


def test_what_the_simulation_denies_is_a_problem_each() -> None:
    denial = Denial("arn:aws:iam::1:role/rez-agent-scheduler-role-dev", "iam:PassRole", EXECUTION_ROLE)
    finding = one(cloud_rights.denials([denial]))
    assert finding.text == f"rez-agent-scheduler-role-dev may not iam:PassRole on {EXECUTION_ROLE}."
    assert one(cloud_rights.denials([])).verdict is Verdict.OK


def test_expressions_that_never_fire_and_those_in_error_are_told() -> None:
    item = {"id": "sch_1", "name": "leap", "schedule_expression": "cron(0 0 30 2 ? *)", "timezone": "UTC"}
    never = {**item, "finished_at": "2026-01-01T00:00:00.000Z"}
    findings = list(cloud_checks.schedules([never], [{**item, "error_message": "No zone 'X'."}]))
    assert told(findings) == [("schedules", "problem"), ("schedules", "warning")]
    assert "'leap' can't be evaluated: No zone 'X'." in findings[0].text
    assert "cron(0 0 30 2 ? *) has no date in UTC" in findings[1].text


# --- on an emulated AWS ---


@pytest.fixture(scope="module")
def stage() -> Stage:
    """A stage of which the tables, topics and queues are there, and nothing that runs."""
    made = Stage()
    made.sns()
    return made


@pytest.fixture
def inspection(stage: Stage) -> Inspection:
    return inspection_by(stage.names.stage, client)


def test_what_is_not_deployed_is_named(inspection: Inspection) -> None:
    who, finding = cloud_checks.identity(inspection)
    assert who is not None
    assert finding.verdict is Verdict.OK
    missing, unknown = inspection.deployed.missing(who)
    assert unknown == []
    names = inspection.ask.names
    assert {f"function {names(what)}" for what in FUNCTIONS} <= set(missing)
    assert f"role {names.execution_role}" in missing
    assert f"schedule group {names.schedule_group}" in missing
    assert not [name for name in missing if name.startswith(("table", "topic", "bucket"))]
    assert "Not there: " in one(cloud_checks.resources(missing, [], "dev")).text
    assert one(cloud_checks.resources([], [], "dev")).verdict is Verdict.OK


def test_what_may_not_be_looked_at_hides_nothing_that_is_missing() -> None:
    missing, denied = [f"queue q{n}" for n in range(7)], ["bucket b (HeadBucket answers 403: Forbidden)"]
    findings = list(cloud_checks.resources(missing, denied, "dev"))
    assert told(findings) == [("resources", "problem"), ("resources", "warning")]
    assert "q4 and 2 more." in findings[0].text
    assert "HeadBucket answers 403" in findings[1].text


def at_the_emulator(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in endpoint().environment().items():
        monkeypatch.setenv(name, value)


def test_the_doctor_examines_a_stage(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    at_the_emulator(monkeypatch)
    assert main(["doctor", "--stage", stage.names.stage, "--json"]) == 1
    document = json.loads(capsys.readouterr().out)
    found = {finding["check"]: finding["verdict"] for finding in document["findings"]}
    assert document["status"] == "problem"
    assert found["credentials"] == "ok"
    assert found["resources"] == "problem"
    assert found["sweep"] == "problem"
    assert found["server"] == "problem"


def test_the_first_key_of_a_stage_is_made_with_the_operator_s_credentials(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    at_the_emulator(monkeypatch)
    named = ["--stage", stage.names.stage]
    assert main(["keys", "list", *named]) == 0
    assert "nobody gets in" in capsys.readouterr().out
    assert main(["keys", "create", "me", "--scope", "admin", "--json", *named]) == 0
    assert json.loads(capsys.readouterr().out)["token"].startswith("rez_")
    assert main(["keys", "list", "--json", *named]) == 0
    assert [(key["name"], key["scope"]) for key in json.loads(capsys.readouterr().out)["items"]] == [
        ("me", "admin")
    ]
    assert main(["keys", "revoke", "me", *named]) == 0
    assert main(["keys", "revoke", "me", *named]) == 1


def test_the_secrets_of_a_stage_are_kept_in_secrets_manager(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    at_the_emulator(monkeypatch)
    secret = json.dumps({"value": "v", "hosts": ["api.example.org"], "updated": "2026-03-08T00:00:00+00:00"})
    name = f"{stage.names.secrets_prefix}weather"
    client("secretsmanager").create_secret(Name=name, SecretString=secret)
    named = ["--stage", stage.names.stage]
    assert main(["secrets", "list", "--json", *named]) == 0
    assert json.loads(capsys.readouterr().out)["items"][0]["name"] == "weather"
    assert main(["secrets", "delete", "weather", *named]) == 0
    assert main(["secrets", "delete", "weather", *named]) == 1


@pytest.mark.parametrize("command", [["doctor"], ["keys", "list"], ["secrets", "list"]])
def test_a_name_that_no_stage_can_have_is_refused(command: list[str]) -> None:
    assert main([*command, "--stage", "No Stage"]) == 2


def test_without_the_libraries_for_aws_it_is_said_how_to_get_them() -> None:
    with pytest.raises(Invalid, match=r"there is no botocore.*make setup-development"), cloud._libraries():
        raise ModuleNotFoundError(name="botocore")


def test_without_a_region_the_doctor_says_so() -> None:
    def no_region(_service: str) -> Any:
        raise botocore.exceptions.NoRegionError

    who, finding = cloud_checks.identity(inspection_by("dev", no_region))
    assert who is None
    assert "AWS_REGION" in finding.remedy


def looked(look: Callable[[], Iterable[Finding]]) -> Finding:
    return one(cloud_checks._looked("x", WHO, look))


def test_what_fails_otherwise_is_told_as_it_is() -> None:
    def broken() -> Iterable[Finding]:
        raise Unavailable("AWS can't be reached: no route")

    assert looked(broken).text == "It could not be looked at: AWS can't be reached: no route"
