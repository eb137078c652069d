"""Deploys a stage's synthesized template to an emulated AWS, as one would deploy it to a real one."""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from botocore.exceptions import WaiterError

from infrastructure.aws_local.process import Endpoint
from infrastructure.zips.building import ACTIONS_FILE

_FUNCTIONS = ("scheduler", "webapi", "processor", "sweep")


class NotDeployed(Exception):
    """The stack could not be made; the text names each resource that failed, and why."""


@dataclass(frozen=True, slots=True)
class Deployment:
    """A stack that is there: its outputs by name."""

    stack: str
    outputs: Mapping[str, str]


def missing_zips(directory: Path) -> list[Path]:
    """The functions' zips that are not in ``directory``."""
    zips = (directory / f"{function}.zip" for function in _FUNCTIONS)
    return [path for path in zips if not path.is_file()]


def actions_file(directory: Path) -> str | None:
    """What the setting ``actions`` must be for the zips in ``directory``: the file of actions they carry."""
    with zipfile.ZipFile(directory / "processor.zip") as archive:
        return ACTIONS_FILE if ACTIONS_FILE in archive.namelist() else None


def deploy(endpoint: Endpoint, template: Mapping[str, Any], zips: Path, stage: str) -> Deployment:
    """Upload the functions' zips and the template, and make the stack ``rez-agent-{stage}`` of it.

    Raises :class:`NotDeployed`.
    """
    bucket = f"rez-agent-code-{stage}-{endpoint.account}"
    prefix = _upload(endpoint.client("s3"), bucket, template, zips)
    formation, stack = endpoint.client("cloudformation"), f"rez-agent-{stage}"
    parameters = {"CodeBucket": bucket, "CodePrefix": prefix}
    formation.create_stack(
        StackName=stack,
        TemplateURL=f"{endpoint.url}/{bucket}/{prefix}/template.json",
        Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()],
        Capabilities=["CAPABILITY_NAMED_IAM"],
    )
    try:
        formation.get_waiter("stack_create_complete").wait(StackName=stack, WaiterConfig={"Delay": 1})
    except WaiterError as error:
        raise NotDeployed(_failures(formation, stack)) from error
    described = formation.describe_stacks(StackName=stack)["Stacks"][0]
    outputs = {output["OutputKey"]: output["OutputValue"] for output in described.get("Outputs", [])}
    return Deployment(stack, outputs)


def _upload(s3: Any, bucket: str, template: Mapping[str, Any], zips: Path) -> str:
    """Put everything in ``bucket`` under a prefix that its contents name; the prefix."""
    objects = {f"{function}.zip": (zips / f"{function}.zip").read_bytes() for function in _FUNCTIONS}
    objects["template.json"] = json.dumps(template).encode()
    digest = hashlib.sha256()
    for name in sorted(objects):
        digest.update(hashlib.sha256(objects[name]).digest())
    prefix = digest.hexdigest()[:16]
    s3.create_bucket(Bucket=bucket)
    for name, data in objects.items():
        s3.put_object(Bucket=bucket, Key=f"{prefix}/{name}", Body=data)
    return prefix


def _failures(formation: Any, stack: str) -> str:
    events = formation.describe_stack_events(StackName=stack)["StackEvents"]
    failed = [event for event in reversed(events) if event["ResourceStatus"].endswith("FAILED")]
    return "\n".join(
        f"{event['LogicalResourceId']}: {event.get('ResourceStatusReason', 'no reason given')}"
        for event in failed
    )
