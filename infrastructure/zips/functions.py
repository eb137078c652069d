"""The functions, and what none of their code does though it could be read that way."""

from __future__ import annotations

from dataclasses import dataclass

PERFORMING = ("rez_agent.actions.guarded_http", "rez_agent.actions.sender", "apprise")
"""What makes attempts: only the processor does. The others check what is asked for, and hand it on."""

PLUGGED_IN = "rez_agent.actions.custom"
"""The module that loads plugins: a function that reaches it carries them."""

CATALOGUED = "rez_agent.actions.build"
"""The module that reads the file of actions: a function that reaches it carries the file."""

PROVIDED = frozenset({"boto3", "botocore", "s3transfer"})
"""What the runtime has ("Runtime-included SDK versions" in the AWS Lambda Developer Guide): left out, with
all that only they need. What other libraries need too goes in: no version of that is promised."""


def module_of(name: str) -> str:
    """Where the handler of the function ``name`` stands."""
    return f"rez_agent.aws.lambdas.{name}"


@dataclass(frozen=True, slots=True)
class Function:
    """A function. ``never``: modules, ours or a library's, that it reaches on paper only."""

    name: str
    never: tuple[str, ...] = ()

    @property
    def module(self) -> str:
        """Where its handler stands."""
        return module_of(self.name)


FUNCTIONS = (
    Function("scheduler", never=PERFORMING),
    Function("webapi", never=PERFORMING),
    Function("processor"),
    Function("sweep", never=PERFORMING),
)
