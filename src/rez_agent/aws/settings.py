"""Settings of the AWS host: one frozen value, read from a function's environment and checked in one place."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import TypeVar

from rez_agent.aws.names import is_stage
from rez_agent.aws.tables import EXECUTIONS, MESSAGES, RECORDS, SCHEDULES
from rez_agent.domain.errors import Invalid, Problem
from rez_agent.domain.schedule import TargetType

T = TypeVar("T")
Read = Callable[[str], T]

LEVELS = ("debug", "info", "warning", "error")
NUMBER_AT_MOST = 10_000_000


class Need(Enum):
    """What a function uses besides STAGE, by the variables that name it."""

    STORES = (
        "SCHEDULES_TABLE_NAME",
        "MESSAGES_TABLE_NAME",
        "EXECUTIONS_TABLE_NAME",
        "RECORDS_TABLE_NAME",
        "BLOBS_BUCKET_NAME",
        "SECRETS_PREFIX",
    )
    COMMANDS = ("SCHEDULE_CREATION_TOPIC_ARN",)
    ALERTS = ("NOTIFICATIONS_TOPIC_ARN",)
    WORK = (
        "WEB_ACTIONS_TOPIC_ARN",
        "NOTIFICATIONS_TOPIC_ARN",
        "CUSTOM_TOPIC_ARN",
        "WEB_ACTIONS_QUEUE_URL",
        "NOTIFICATIONS_QUEUE_URL",
        "CUSTOM_QUEUE_URL",
    )
    ENGINE = (
        "SCHEDULE_GROUP_NAME",
        "SCHEDULER_FUNCTION_ARN",
        "SCHEDULER_DEAD_LETTER_QUEUE_ARN",
        "EVENTBRIDGE_EXECUTION_ROLE_ARN",
    )


SCHEDULER = frozenset({Need.STORES, Need.WORK, Need.ENGINE})
WEBAPI = frozenset({Need.STORES, Need.COMMANDS, Need.ALERTS})
PROCESSOR = frozenset({Need.STORES, Need.WORK})
SWEEP = frozenset(Need)


@dataclass(frozen=True, slots=True)
class AwsSettings:
    """What a function is told. A name that it does not need may be empty.

    ``tables`` are full names by the table's ``what``; ``topics`` (ARNs) and ``queues`` (URLs) those of work,
    by target type. ``engine_rate``: calls a second that may change EventBridge Scheduler. ``keyless``: no key
    is asked for, whoever reaches the API may do everything (REZ_AUTH=none). ``allow_target`` names hosts,
    addresses or networks that web actions may call although they are private. ``actions``: the file of
    actions, None for the one that ships. ``ledger_days`` and ``ledger_per_schedule`` bound the history;
    ``quota`` the living schedules of one owner. ``alert_channel``: the channel of alert rules that name none.
    """

    stage: str
    tables: Mapping[str, str]
    blobs_bucket: str
    secrets_prefix: str
    schedule_creation_topic: str
    topics: Mapping[TargetType, str]
    queues: Mapping[TargetType, str]
    schedule_group: str
    scheduler_function: str
    scheduler_dead_letters: str
    execution_role: str
    engine_rate: int = 100
    keyless: bool = False
    allow_target: tuple[str, ...] = ()
    actions: Path | None = None
    ledger_days: int = 90
    ledger_per_schedule: int = 10_000
    quota: int = 2_000_000
    alert_channel: str | None = None
    log_level: str = "info"

    @classmethod
    def from_environment(cls, environment: Mapping[str, str], needs: Iterable[Need]) -> AwsSettings:
        """The settings that ``environment`` holds for a function with such ``needs``.

        Raises Invalid whose text names every variable that is missing or can't be right.
        """
        variables = _Variables(environment, {name for need in needs for name in need.value})
        settings = cls(
            stage=variables.needed("STAGE", _stage),
            tables={
                table.what: variables.named(f"{table.what.upper()}_TABLE_NAME", _name)
                for table in (SCHEDULES, MESSAGES, EXECUTIONS, RECORDS)
            },
            blobs_bucket=variables.named("BLOBS_BUCKET_NAME", _name),
            secrets_prefix=variables.named("SECRETS_PREFIX", _prefix),
            schedule_creation_topic=variables.named("SCHEDULE_CREATION_TOPIC_ARN", _arn_of("sns")),
            topics={kind: variables.named(f"{_UPPER[kind]}_TOPIC_ARN", _arn_of("sns")) for kind in _UPPER},
            queues={kind: variables.named(f"{_UPPER[kind]}_QUEUE_URL", _url) for kind in _UPPER},
            schedule_group=variables.named("SCHEDULE_GROUP_NAME", _name),
            scheduler_function=variables.named("SCHEDULER_FUNCTION_ARN", _arn_of("lambda")),
            scheduler_dead_letters=variables.named("SCHEDULER_DEAD_LETTER_QUEUE_ARN", _arn_of("sqs")),
            execution_role=variables.named("EVENTBRIDGE_EXECUTION_ROLE_ARN", _arn_of("iam")),
            engine_rate=variables.optional("ENGINE_RATE", _number, 100),
            keyless=variables.optional("REZ_AUTH", _one_of("keys", "none"), "keys") == "none",
            allow_target=variables.optional("REZ_ALLOW_TARGET", _listed, ()),
            actions=variables.optional("REZ_ACTIONS", _file_under(environment), None),
            ledger_days=variables.optional("LEDGER_DAYS", _number, 90),
            ledger_per_schedule=variables.optional("LEDGER_PER_SCHEDULE", _number, 10_000),
            quota=variables.optional("REZ_QUOTA", _number, 2_000_000),
            alert_channel=variables.optional("REZ_ALERT_CHANNEL", _name, None),
            log_level=variables.optional("REZ_LOG_LEVEL", _one_of(*LEVELS), "info"),
        )
        if variables.problems:
            text = " ".join(problem.message for problem in variables.problems)
            raise Invalid(f"The function's environment is wrong. {text}", problems=variables.problems)
        return settings


_UPPER = {
    TargetType.WEB_ACTION: "WEB_ACTIONS",
    TargetType.NOTIFICATION: "NOTIFICATIONS",
    TargetType.CUSTOM: "CUSTOM",
}


class _Variables:
    """Reads variables, and collects what is wrong with them. A variable that is set to nothing is not set."""

    def __init__(self, environment: Mapping[str, str], needed: set[str]) -> None:
        self._environment = environment
        self._needed = needed
        self.problems: list[Problem] = []

    def needed(self, name: str, read: Read[str]) -> str:
        """A variable that there must be."""
        if not self._environment.get(name, ""):
            self._add("missing_setting", f"{name} is not set.", name)
            return ""
        return self.optional(name, read, "")

    def named(self, name: str, read: Read[str]) -> str:
        """A variable that there must be where a need names it."""
        return self.needed(name, read) if name in self._needed else self.optional(name, read, "")

    def optional(self, name: str, read: Read[T], default: T) -> T:
        """A variable, or what it is where it is not set. ``read`` raises ValueError, whose text says what is
        expected."""
        given = self._environment.get(name, "")
        if not given:
            return default
        try:
            return read(given)
        except ValueError as error:
            self._add("invalid_setting", f"{name} is '{given}': it must be {error}.", name)
            return default

    def _add(self, code: str, text: str, name: str) -> None:
        self.problems.append(Problem(code, text, f"/{name}"))


def _stage(given: str) -> str:
    if not is_stage(given):
        raise ValueError("at most 16 of a-z, 0-9 and -, a letter first, as in dev, stage, prod")
    return given


def _name(given: str) -> str:
    if re.fullmatch(r"[A-Za-z0-9_.-]{1,255}", given) is None:
        raise ValueError("a name of A-Z, a-z, 0-9, _, . and -")
    return given


def _prefix(given: str) -> str:
    if re.fullmatch(r"[A-Za-z0-9/_+=.@-]{1,200}/", given) is None:
        raise ValueError("the beginning of names that ends with /, as in rez-agent/dev/")
    return given


def _arn_of(service: str) -> Read[str]:
    def read(given: str) -> str:
        if re.fullmatch(rf"arn:aws[a-z-]*:{service}:[a-z0-9-]*:\d{{12}}:\S+", given) is None:
            raise ValueError(f"an ARN of {service}")
        return given

    return read


def _url(given: str) -> str:
    if re.fullmatch(r"https?://[^\s/]+/\S+", given) is None:
        raise ValueError("a queue's URL")
    return given


def _number(given: str) -> int:
    if not given.isascii() or not given.isdigit() or not 1 <= int(given[:12]) <= NUMBER_AT_MOST:
        raise ValueError(f"a whole number from 1 to {NUMBER_AT_MOST}")
    return int(given)


def _one_of(*known: str) -> Read[str]:
    def read(given: str) -> str:
        if given not in known:
            raise ValueError(f"one of {', '.join(known)}")
        return given

    return read


def _listed(given: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in given.split(",") if part.strip())


def _file_under(environment: Mapping[str, str]) -> Read[Path | None]:
    """A file's path is seen from the root of the function's code, which Lambda tells."""
    root = Path(environment.get("LAMBDA_TASK_ROOT", ""))

    def read(given: str) -> Path | None:
        if not (root / given).is_file():
            raise ValueError("a file of the function's code, seen from its root")
        return root / given

    return read
