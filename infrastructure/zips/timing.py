"""How long a function takes to import, beside what every function on AWS pays: boto3 and one client.

Each is timed in a process of its own, in turns, with the interpreter's isolation on: nothing can be imported
but the zip's content and the runtime's own libraries. Counted is the processor's time for the statement: it
waits for nothing, and so a busy machine gives the same ratios as an idle one. Byte code is there for both.
"""

from __future__ import annotations

import subprocess
import sys
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from infrastructure.zips.compiling import compile_all
from infrastructure.zips.functions import PROVIDED, module_of
from infrastructure.zips.installing import install_locked
from infrastructure.zips.libraries import installed, with_needs
from infrastructure.zips.parts import locked_here

BASELINE = 'import boto3; boto3.client("dynamodb")'

REGION = "eu-central-1"
_OF = f"{REGION}:123456789012"
ENVIRONMENT = {
    "AWS_DEFAULT_REGION": REGION,
    "AWS_REGION": REGION,
    "AWS_ACCESS_KEY_ID": "none",
    "AWS_SECRET_ACCESS_KEY": "none",
    "STAGE": "dev",
    **{f"{name}_TABLE_NAME": name.lower() for name in ("SCHEDULES", "MESSAGES", "EXECUTIONS", "RECORDS")},
    **{
        f"{name}_TOPIC_ARN": f"arn:aws:sns:{_OF}:{name}"
        for name in ("SCHEDULE_CREATION", "WEB_ACTIONS", "NOTIFICATIONS", "CUSTOM")
    },
    **{
        f"{name}_QUEUE_URL": f"https://sqs.{REGION}.amazonaws.com/123456789012/{name}"
        for name in ("WEB_ACTIONS", "NOTIFICATIONS", "CUSTOM")
    },
    "BLOBS_BUCKET_NAME": "blobs",
    "SECRETS_PREFIX": "rez-agent/dev/",
    "SCHEDULE_GROUP_NAME": "rez-agent-dev",
    "SCHEDULER_FUNCTION_ARN": f"arn:aws:lambda:{_OF}:function:scheduler",
    "SCHEDULER_DEAD_LETTER_QUEUE_ARN": f"arn:aws:sqs:{_OF}:dead-letters",
    "EVENTBRIDGE_EXECUTION_ROLE_ARN": "arn:aws:iam::123456789012:role/execution",
}
"""What a function is told on AWS, made up: names in the right form, and nothing behind them."""

IN_LAMBDA = {**ENVIRONMENT, "AWS_LAMBDA_FUNCTION_NAME": "function"}
"""The same in a function's own process."""

_SEEING = "import sys\nsys.path[:0] = {directories}\n"
_TIMED = """
import time
begun = time.process_time()
exec(sys.argv[1])
print(time.process_time() - begun)
"""


@dataclass(frozen=True, slots=True)
class Times:
    """The processor's seconds, by turn.

    ``baseline``: boto3 with one client. ``imports``: a function's module, by name.
    ``starts``: the same where Lambda starts it, so that it also makes its clients and whatever it needs.
    """

    baseline: tuple[float, ...]
    imports: Mapping[str, tuple[float, ...]]
    starts: Mapping[str, tuple[float, ...]]

    def ratios(self, taken: Sequence[float]) -> tuple[float, ...]:
        """``taken`` over the baseline, turn by turn."""
        return tuple(one / of for one, of in zip(taken, self.baseline, strict=True))


def install_runtime(target: Path) -> None:
    """What the runtime has of its own: boto3 and all that it needs, at the locked versions, compiled."""
    install_locked(with_needs(PROVIDED, locked_here(), frozenset()), target)
    compile_all((library.root, library.carried()) for library in installed(target).values())


def unpacked(zips: Mapping[str, Path], target: Path) -> dict[str, Path]:
    """The directories that ``zips`` are unpacked to, below ``target``, by the same names."""
    for name, path in zips.items():
        with zipfile.ZipFile(path) as archive:
            archive.extractall(target / name)
    return {name: target / name for name in zips}


def time_imports(functions: Mapping[str, Path], runtime: Path, turns: int) -> Times:
    """Import and start each function from its directory ``turns`` times, each turn beside the baseline.

    One more turn goes before, uncounted: it brings the files into memory. Raises CalledProcessError when a
    function can't be imported.
    """
    baseline: list[float] = []
    imports: dict[str, list[float]] = {name: [] for name in functions}
    starts: dict[str, list[float]] = {name: [] for name in functions}
    for turn in range(turns + 1):
        taken = seconds(BASELINE, runtime)
        if turn:
            baseline.append(taken)
        for name, directory in functions.items():
            statement = f"import {module_of(name)}"
            imported = seconds(statement, directory, runtime)
            started = seconds(statement, directory, runtime, told=IN_LAMBDA)
            if turn:
                imports[name].append(imported)
                starts[name].append(started)
    return Times(
        tuple(baseline),
        {name: tuple(taken) for name, taken in imports.items()},
        {name: tuple(taken) for name, taken in starts.items()},
    )


def seconds(statement: str, *directories: Path, told: Mapping[str, str] = ENVIRONMENT) -> float:
    """The processor's seconds for ``statement`` in a new interpreter that sees ``directories`` alone."""
    return float(output(_TIMED, *directories, told=told, arguments=(statement,)).splitlines()[-1])


def output(
    code: str, *directories: Path, told: Mapping[str, str] = ENVIRONMENT, arguments: Sequence[str] = ()
) -> str:
    """What ``code`` prints in a new interpreter that sees ``directories`` and no others.

    It runs in the first of them, with ``told`` for an environment. Raises CalledProcessError, with the
    standard error, when it fails.
    """
    command = [
        sys.executable,
        "-I",
        "-S",
        "-c",
        _SEEING.format(directories=list(map(str, directories))) + code,
    ]
    done = subprocess.run(  # noqa: S603  # this interpreter
        [*command, *arguments], check=True, capture_output=True, text=True, env=dict(told), cwd=directories[0]
    )
    return done.stdout
