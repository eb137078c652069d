"""The template: what it says, and that nothing is left out of it in silence."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from cfnlint.api import ManualArgs, lint
from infrastructure.synth import Untranslatable, render, synthesize
from infrastructure.synth.recording import Recording, Registered
from infrastructure.synth.template import recorded
from infrastructure.synth.translate import translate

from rez_agent.domain.errors import Invalid
from tests.infrastructure.conftest import STAGES
from tests.infrastructure.templates import Deployed, Template

ROOT = Path(__file__).resolve().parent.parent.parent
KEEP_DATA = {
    "AWS::DynamoDB::Table",
    "AWS::Logs::LogGroup",
    "AWS::S3::Bucket",
    "AWS::SQS::Queue",
    "AWS::Scheduler::ScheduleGroup",
}


@pytest.mark.parametrize("stage", STAGES)
def test_cfn_lint_finds_nothing(stage: str, templates: dict[str, Template]) -> None:
    checks = ManualArgs(regions=["us-east-1", "eu-central-1"], include_checks=["I"])
    assert lint(render(templates[stage]), config=checks) == []


def test_cfn_lint_would_find_something() -> None:
    broken = {"Resources": {"Queue": {"Type": "AWS::SQS::Queue", "Properties": {"Colour": "red"}}}}
    assert lint(json.dumps(broken))


def test_the_command_writes_what_the_library_gives_and_tells_where_last(
    tmp_path: Path, templates: dict[str, Template]
) -> None:
    command = [sys.executable, "-m", "infrastructure.synth", "--stage", "dev", "--directory", str(tmp_path)]
    another_order = {**os.environ, "PYTHONHASHSEED": "7"}
    done = subprocess.run(command, cwd=ROOT, env=another_order, capture_output=True, text=True, check=True)
    path = Path(done.stdout.splitlines()[-1])
    assert path == tmp_path / "rez-agent-dev.template.json"
    assert path.read_text() == render(templates["dev"])


def test_the_command_tells_all_that_is_wrong_with_its_settings(tmp_path: Path) -> None:
    wrong = ["--set", "retentionDays=8", "--set", "engineRate=none", "--directory", str(tmp_path)]
    command = [sys.executable, "-m", "infrastructure.synth", "--stage", "dev", *wrong]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert [line.split(" is ")[0] for line in done.stderr.splitlines()] == [
        "synth: retentionDays",
        "synth: engineRate",
    ]
    assert list(tmp_path.iterdir()) == []


def test_two_syntheses_are_identical(templates: dict[str, Template]) -> None:
    assert render(synthesize("prod")) == render(templates["prod"])


@pytest.mark.parametrize("stage", STAGES)
def test_no_account_region_or_other_stage_is_named(stage: str, templates: dict[str, Template]) -> None:
    text = render(templates[stage])
    assert re.search(r"\d{12}", text) is None
    assert re.search(r"\b[a-z]{2}-[a-z]+-\d\b", text) is None
    others = [other for other in STAGES if other != stage]
    assert [other for other in others if f"-{other}" in text or f"/{other}/" in text] == []


def test_no_token_is_left(templates: dict[str, Template]) -> None:
    assert [stage for stage, template in templates.items() if "cfn:" in render(template)] == []


def test_the_code_of_each_function_is_named_by_two_parameters(
    dev: Deployed, templates: dict[str, Template]
) -> None:
    assert set(templates["dev"]["Parameters"]) == {"CodeBucket", "CodePrefix"}
    assert {one["FunctionName"]: one["Code"] for one in dev.of("Lambda::Function").values()} == {
        f"rez-agent-{name}-dev": {"S3Bucket": "code", "S3Key": f"v1/{name}.zip"}
        for name in ("scheduler", "webapi", "processor", "sweep")
    }


@pytest.mark.parametrize(("stage", "fate"), [("dev", "Delete"), ("stage", "Delete"), ("prod", "Retain")])
def test_prod_keeps_its_data_when_the_stack_goes(
    stage: str, fate: str, templates: dict[str, Template]
) -> None:
    resources = templates[stage]["Resources"].values()
    fates = {(one["Type"], one.get("DeletionPolicy"), one.get("UpdateReplacePolicy")) for one in resources}
    of_data = {"AWS::DynamoDB::Table", "AWS::S3::Bucket", "AWS::Scheduler::ScheduleGroup"}
    assert {one for one in fates if one[0] in of_data} == {(type_, fate, fate) for type_ in of_data}
    tables = [one["Properties"] for one in resources if one["Type"] == "AWS::DynamoDB::Table"]
    assert {table["DeletionProtectionEnabled"] for table in tables} == {fate == "Retain"}


def test_pulumi_refuses_to_delete_what_prod_keeps() -> None:
    kept = {one.name for one in recorded("prod").resources.values() if one.protect and one.retain}
    assert kept == {"schedules", "messages", "executions", "records", "blobs"}
    assert not any(one.protect or one.retain for one in recorded("dev").resources.values())


def test_every_type_that_keeps_data_says_what_becomes_of_it(templates: dict[str, Template]) -> None:
    resources = templates["dev"]["Resources"].values()
    assert {one["Type"] for one in resources if "DeletionPolicy" in one} == KEEP_DATA


# --- what has no row ---


def registered(type_: str, name: str = "one", **inputs: Any) -> Registered:
    return Registered("One", type_, name, inputs, frozenset(), protect=False, retain=False)


def problems_of(*resources: Registered) -> list[str]:
    recording = Recording({str(number): one for number, one in enumerate(resources)}, {})
    with pytest.raises(Untranslatable) as caught:
        translate(recording, "a test")
    return caught.value.problems


def test_an_unknown_type_is_an_error() -> None:
    (problem,) = problems_of(registered("aws:ec2/instance:Instance"))
    assert problem == "One: no row for the type aws:ec2/instance:Instance."


def test_an_unknown_property_is_an_error() -> None:
    (problem,) = problems_of(registered("aws:sns/topic:Topic", name="one", colour="red"))
    assert problem == "One: AWS::SNS::Topic has no property colour, nor has its row."


def test_an_unknown_property_inside_another_is_an_error() -> None:
    window = {"mode": "OFF", "colour": "red"}
    (problem,) = problems_of(registered("aws:scheduler/schedule:Schedule", flexibleTimeWindow=window))
    assert problem == "One: AWS::Scheduler::Schedule: FlexibleTimeWindow has no property colour."


def test_a_part_without_its_whole_is_an_error() -> None:
    (problem,) = problems_of(registered("aws:iam/rolePolicy:RolePolicy", role="somebody-else's", policy="{}"))
    assert problem == "One: its role is no resource of the stack."


def test_all_that_has_no_row_is_said_at_once() -> None:
    first = registered("aws:sns/topic:Topic", colour="red", size=3)
    assert len(problems_of(first, registered("aws:ec2/instance:Instance"))) == 3


def test_a_template_cannot_publish_versions_and_says_so() -> None:
    with pytest.raises(Untranslatable, match="deploy them with Pulumi"):
        synthesize("dev", runtime="python3.12")


# --- configuration ---


def test_an_unknown_setting_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(Invalid, match=r"no setting retention\b.*retentionDays"):
        synthesize("dev", retention=7)


def test_a_stage_without_a_file_has_the_defaults() -> None:
    groups = Deployed(synthesize("blue")).of("Logs::LogGroup").values()
    assert {one["RetentionInDays"] for one in groups} == {30}


def test_a_setting_goes_before_the_stages_file() -> None:
    groups = Deployed(synthesize("dev", retentionDays=14)).of("Logs::LogGroup").values()
    assert {one["RetentionInDays"] for one in groups} == {14}
