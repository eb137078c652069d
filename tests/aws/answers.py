"""What AWS answers to a look at a stage, recorded or made up; and a function as it was deployed."""

from __future__ import annotations

from typing import Any

import botocore.session
from botocore.stub import Stubber

from rez_agent.aws.deployed import FunctionState
from rez_agent.aws.inspection import Inspection, inspection_by


def answering(service: str, *answers: tuple[str, Any]) -> Any:
    """A client of a service that gives these answers in turn: a document, or an error's (code, text)."""
    made = botocore.session.get_session().create_client(
        service, region_name="us-east-1", aws_access_key_id="k", aws_secret_access_key="s"
    )
    stubber = Stubber(made)
    for operation, answer in answers:
        if isinstance(answer, tuple):
            stubber.add_client_error(operation, *answer)
        else:
            stubber.add_response(operation, answer)
    stubber.activate()
    return made


def stubbed(service: str, *answers: tuple[str, Any]) -> Inspection:
    """A stage whose only service gives these answers."""
    made = answering(service, *answers)
    return inspection_by("dev", lambda _service: made)


def trusting(principal: Any, condition: Any = None) -> dict[str, Any]:
    statement: dict[str, Any] = {"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole"}
    return {"Statement": [statement | ({"Condition": condition} if condition else {})]}


def function(**changed: Any) -> FunctionState:
    facts: dict[str, Any] = {
        "what": "scheduler",
        "name": "rez-agent-scheduler-dev",
        "arn": "arn",
        "role": "arn:aws:iam::1:role/r",
        "timeout": 60,
        "state": "Active",
        "reason": "",
        "problems": (),
    }
    return FunctionState(**{**facts, **changed})
