"""What each resource is called, by stage."""

from __future__ import annotations

import re
from dataclasses import dataclass

_STAGE = re.compile(r"[a-z][a-z0-9-]{0,15}")


def is_stage(text: str) -> bool:
    """Whether ``text`` can name a stage: dev, stage, prod, or another word of at most 16 of a-z 0-9 -."""
    return _STAGE.fullmatch(text) is not None


@dataclass(frozen=True, slots=True)
class Names:
    """The names of one stage's resources. ``Names("dev")("scheduler")`` is ``rez-agent-scheduler-dev``."""

    stage: str

    def __call__(self, what: str) -> str:
        """The name of the table, topic, queue, function or role called ``what``."""
        return f"rez-agent-{what}-{self.stage}"

    @property
    def schedule_group(self) -> str:
        """EventBridge Scheduler's group: the users' schedules stand in it and nothing else."""
        return f"rez-agent-{self.stage}"

    @property
    def execution_role(self) -> str:
        """The role that EventBridge Scheduler assumes to fire."""
        return self("eventbridge-scheduler-execution-role")

    @property
    def secrets_prefix(self) -> str:
        """What the names of all secrets begin with, in Secrets Manager."""
        return f"rez-agent/{self.stage}/"
