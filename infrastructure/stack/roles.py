"""The roles: one for each function, one to fire users' schedules, one to start the sweep."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from infrastructure.stack.place import Place
from infrastructure.stack.rights import (
    Right,
    execution_rights,
    policy,
    rights_of_functions,
    timer_rights,
    trust,
)
from infrastructure.stack.settings import Settings


@dataclass(frozen=True, slots=True)
class Role:
    """A role, and its policy, without which it may not be used yet."""

    role: aws.iam.Role
    policy: aws.iam.RolePolicy


@dataclass(frozen=True, slots=True)
class Roles:
    """``functions``: by function. ``execution``: EventBridge Scheduler's, to fire. ``timer``: its, to start
    the sweep."""

    functions: dict[str, Role]
    execution: Role
    timer: Role


def make_roles(settings: Settings, place: Place) -> Roles:
    """All of them. Nobody else's EventBridge Scheduler may assume ours: the account is part of the trust."""
    names = settings.names
    for_functions = trust("lambda.amazonaws.com")
    for_schedules = trust("scheduler.amazonaws.com", {"StringEquals": {"aws:SourceAccount": place.account}})
    return Roles(
        functions={
            function: _role(settings, function, names(f"{function}-role"), for_functions, rights)
            for function, rights in rights_of_functions(place).items()
        },
        execution=_role(settings, "execution", names.execution_role, for_schedules, execution_rights(place)),
        timer=_role(settings, "timer", names("sweep-timer-role"), for_schedules, timer_rights(place)),
    )


def _role(
    settings: Settings, what: str, name: str, trusts: dict[str, object], rights: tuple[Right, ...]
) -> Role:
    role = aws.iam.Role(
        what, name=name, assume_role_policy=pulumi.Output.json_dumps(trusts), tags=settings.tags
    )
    allowed = aws.iam.RolePolicy(
        what, name=name, role=role.name, policy=pulumi.Output.json_dumps(policy(rights))
    )
    return Role(role, allowed)
