"""What AWS denies on a stage, what that means, and the cure.

The texts are AWS's own. Of a denied action: "User: ARN is not authorized to perform: ACTION on resource: ARN
because no identity-based policy allows the ACTION action" (IAM's guide, "Troubleshoot access denied error
messages"). Of a role that nobody may assume: "The execution role you provide must allow AWS EventBridge
Scheduler to assume the role."
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from rez_agent.aws.asking import Identity
from rez_agent.aws.deployed import Denial, listed
from rez_agent.cli.finding import Finding, ok, problem, warning

DENIALS_LOGGED = '?"not authorized to perform" ?"must allow AWS EventBridge Scheduler to assume"'
"""CloudWatch's filter pattern for a log's lines about denials."""

RESTORE = "pulumi up puts the stage's own policies back"
NOT_ALLOWED = re.compile(r"not authorized to perform:? ([\w-]+:\w+)(?: on resource:? ([^\s\"\\,]+))?")
NOT_TRUSTED = re.compile(r"must allow AWS EventBridge Scheduler to assume the role")


def logged_denials(name: str, lines: Iterable[str]) -> Iterator[Finding]:
    """A function that was refused something, each kind once."""
    faults = {finding.text: finding for line in lines if (finding := denied("rights", line, name))}
    yield from faults.values()


def denied(check: str, text: str, whose: str = "") -> Finding | None:
    """What an answer of AWS that denies something means, and the cure; None if it denies nothing."""
    teller = f"{whose}: " if whose else ""
    if NOT_TRUSTED.search(text):
        told = f"{teller}EventBridge Scheduler may not assume the execution role."
        remedy = (
            f"Its trust policy must name scheduler.amazonaws.com and this account: {RESTORE}. "
            "Right after the first deployment: wait a minute, IAM takes that long."
        )
        return problem(check, told, remedy)
    match = NOT_ALLOWED.search(text)
    if match is None:
        return None
    action, resource = match[1], (match[2] or "").rstrip(".")
    told = f"{teller}AccessDenied: {action}{f' on {resource}' if resource else ''}."
    return problem(check, told, _denial_remedy(action))


def _denial_remedy(action: str) -> str:
    if action == "iam:PassRole":
        return (
            "The role of that function must be allowed iam:PassRole on the execution role, with "
            f"iam:PassedToService = scheduler.amazonaws.com: {RESTORE}. The sweep then arms what waits."
        )
    if action.startswith("scheduler:"):
        return (
            f"The role of that function must be allowed {action} on the stage's schedule group: {RESTORE}. "
            "The sweep then arms what waits. If it is there: a policy of the organization or a permissions "
            "boundary denies it."
        )
    if action == "lambda:InvokeFunction":
        return f"The execution role must be allowed to invoke the scheduler function: {RESTORE}."
    return f"The role of that function must be allowed {action}: {RESTORE}."


def trust(document: Mapping[str, Any] | None, who: Identity) -> Iterator[Finding]:
    """Whether EventBridge Scheduler may assume the execution role, for this account alone."""
    if document is None:
        return
    statements = document.get("Statement", ())
    named = [
        statement
        for statement in statements
        if statement.get("Effect") == "Allow"
        and "scheduler.amazonaws.com" in listed((statement.get("Principal") or {}).get("Service"))
    ]
    if not named:
        found = denied("rights", "must allow AWS EventBridge Scheduler to assume the role")
        yield from (found,) if found else ()
    elif not any(who.account in str(statement.get("Condition", "")) for statement in named):
        text = "The execution role does not say for whose schedules it may be assumed."
        yield warning("rights", text, f"Its trust policy needs aws:SourceAccount {who.account}: {RESTORE}.")


def denials(found: Iterable[Denial]) -> Iterator[Finding]:
    """What the roles lack, by IAM's own simulation."""
    lacking = list(found)
    for denial in lacking:
        role = denial.role.rpartition("/")[2]
        text = f"{role} may not {denial.action} on {denial.resource}."
        yield problem("rights", text, _denial_remedy(denial.action))
    if not lacking:
        yield ok("rights", "The roles may keep the engine and pass the execution role (IAM's simulation).")
