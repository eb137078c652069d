"""What a stage can be told: one frozen value, read from Pulumi's configuration and checked in one place."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from rez_agent.aws.names import Names, is_stage
from rez_agent.domain.errors import Invalid, Problem

FUNCTIONS = ("scheduler", "webapi", "processor", "sweep")

MEMORY = {"scheduler": 512, "webapi": 1024, "processor": 1024, "sweep": 512}
"""MB by function. A function's share of a processor grows with its memory: 1,769 MB are one."""

RETENTIONS = (
    1,
    3,
    5,
    7,
    14,
    30,
    60,
    90,
    120,
    150,
    180,
    365,
    400,
    545,
    731,
    1096,
    1827,
    2192,
    2557,
    2922,
    3288,
    3653,
)
"""The days that CloudWatch Logs can keep a log group (its API reference, PutRetentionPolicy)."""


@dataclass(frozen=True, slots=True)
class Settings:
    """One stage.

    ``code_directory``: where the functions' zips are, seen from ``infrastructure/``. ``memory`` (MB) and
    ``reserved_concurrency`` by function; a function that the latter does not name shares the account's.
    ``processor_concurrency``: how many batches of one queue are worked on at once. ``retain``: tables and
    payloads outlive the stack, and deleting a table is refused. ``oldest_message_seconds``: how long work may
    wait in a queue before the alarm. ``api_rate`` and ``api_burst``: requests a second that the API lets
    through. The rest is handed on to the functions; see the settings of the AWS host.
    """

    stage: str
    runtime: str = "python3.11"
    code_directory: str = "../build"
    retention_days: int = 30
    memory: Mapping[str, int] = field(default_factory=lambda: MEMORY)
    reserved_concurrency: Mapping[str, int] = field(default_factory=dict)
    processor_concurrency: int = 50
    retain: bool = False
    alarm_email: str = ""
    alarm_topic_arn: str = ""
    oldest_message_seconds: int = 900
    lateness_seconds: int = 300
    api_rate: int = 1_000
    api_burst: int = 2_000
    auth: str = "keys"
    allow_target: str = ""
    actions: str = ""
    alert_channel: str = ""
    engine_rate: int = 100
    ledger_days: int = 90
    ledger_per_schedule: int = 10_000
    quota: int = 2_000_000
    log_level: str = "info"

    @property
    def names(self) -> Names:
        """The names of the stage's resources."""
        return Names(self.stage)

    @property
    def tags(self) -> dict[str, str]:
        """What every resource that can be tagged is tagged with."""
        return {"project": "rez-agent", "stage": self.stage}

    @property
    def snap_start(self) -> bool:
        """Whether the runtime can be started from a snapshot: Python from 3.12 on (Lambda's guide, "Improving
        startup performance with Lambda SnapStart")."""
        return self.runtime.startswith("python3.") and int(self.runtime.removeprefix("python3.")) >= 12


def read_settings(stage: str, get: Callable[[str], str | None]) -> Settings:
    """The settings of ``stage``; ``get`` answers a configuration key's text or None.

    Raises Invalid with everything that is wrong with them.
    """
    problems: list[Problem] = []
    if not is_stage(stage):
        text = f"Stage {stage!r}: at most 16 of a-z, 0-9 and -, a letter first; as in dev, stage, prod."
        problems.append(Problem("invalid_setting", text, "/stage"))
    values: dict[str, Any] = {}
    for key, option in OPTIONS.items():
        text_given = get(key)
        if text_given is None:
            continue
        try:
            values[option.field] = option.read(text_given)
        except ValueError as error:
            problems.append(Problem("invalid_setting", f"{key} is {text_given!r}: {error}", f"/{key}"))
    if stage == "prod" and values.get("auth") == "none":
        text = "auth is 'none': anybody could make prod call anything. Use keys."
        problems.append(Problem("invalid_setting", text, "/auth"))
    if problems:
        raise Invalid.of(problems)
    return Settings(stage=stage, **values)


@dataclass(frozen=True, slots=True)
class Option:
    """A configuration key: the field it sets, and how its text is read. ``read`` raises ValueError, whose
    text says what is expected."""

    field: str
    read: Callable[[str], Any]


def _text(given: str) -> str:
    return given


def _flag(given: str) -> bool:
    if given not in ("true", "false"):
        raise ValueError("true or false.")
    return given == "true"


def _number(least: int, most: int) -> Callable[[str], int]:
    def read(given: str) -> int:
        if not given.isascii() or not given.isdigit() or not least <= int(given) <= most:
            raise ValueError(f"a whole number from {least} to {most}.")
        return int(given)

    return read


def _one_of(*allowed: str) -> Callable[[str], str]:
    def read(given: str) -> str:
        if given not in allowed:
            raise ValueError(f"one of {', '.join(allowed)}.")
        return given

    return read


def _retention(given: str) -> int:
    if given not in map(str, RETENTIONS):
        raise ValueError(f"one of {', '.join(map(str, RETENTIONS))}.")
    return int(given)


def _by_function(least: int, most: int) -> Callable[[str], Mapping[str, int]]:
    def read(given: str) -> Mapping[str, int]:
        try:
            found = json.loads(given)
        except ValueError:
            found = None
        if not isinstance(found, dict) or not all(
            name in FUNCTIONS and type(value) is int and least <= value <= most
            for name, value in found.items()
        ):
            raise ValueError(f"{', '.join(FUNCTIONS)}, each with a whole number from {least} to {most}.")
        return found

    return read


def _memory(given: str) -> Mapping[str, int]:
    return {**MEMORY, **_by_function(128, 10_240)(given)}


OPTIONS: dict[str, Option] = {
    "runtime": Option("runtime", _one_of("python3.11", "python3.12", "python3.13", "python3.14")),
    "codeDirectory": Option("code_directory", _text),
    "retentionDays": Option("retention_days", _retention),
    "memory": Option("memory", _memory),
    "reservedConcurrency": Option("reserved_concurrency", _by_function(1, 10_000)),
    "processorConcurrency": Option("processor_concurrency", _number(2, 1_000)),
    "retain": Option("retain", _flag),
    "alarmEmail": Option("alarm_email", _text),
    "alarmTopicArn": Option("alarm_topic_arn", _text),
    "oldestMessageSeconds": Option("oldest_message_seconds", _number(60, 86_400)),
    "latenessSeconds": Option("lateness_seconds", _number(60, 86_400)),
    "apiRate": Option("api_rate", _number(1, 10_000)),
    "apiBurst": Option("api_burst", _number(1, 10_000)),
    "auth": Option("auth", _one_of("keys", "none")),
    "allowTarget": Option("allow_target", _text),
    "actions": Option("actions", _text),
    "alertChannel": Option("alert_channel", _text),
    "engineRate": Option("engine_rate", _number(1, 10_000)),
    "ledgerDays": Option("ledger_days", _number(1, 3_650)),
    "ledgerPerSchedule": Option("ledger_per_schedule", _number(1, 1_000_000)),
    "quota": Option("quota", _number(1, 10_000_000)),
    "logLevel": Option("log_level", _one_of("debug", "info", "warning", "error")),
}
"""Every configuration key, as in ``pulumi config set retentionDays 90``."""
