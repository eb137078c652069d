"""What the commands for AWS share: the option that names a stage, and the libraries that they need."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from rez_agent.domain.errors import Invalid

if TYPE_CHECKING:
    from rez_agent.aws.inspection import Inspection
    from rez_agent.aws.operating import Operated

Stage = Annotated[
    str | None,
    typer.Option(
        "--stage",
        metavar="STAGE",
        help="A stage on AWS (dev, stage, prod) instead of a data directory; with your AWS credentials.",
    ),
]


def stage_to_look_at(stage: str) -> Inspection:
    """The stage, for looking. Raises Invalid for an unfit name, and where AWS's libraries are missing."""
    _check(stage)
    with _libraries():
        from rez_agent.aws.inspection import inspection  # noqa: PLC0415 - slow, and not everybody has it
    return inspection(stage)


def stage_to_operate(stage: str) -> Operated:
    """The stage, for its keys and secrets. Raises what :func:`stage_to_look_at` does."""
    _check(stage)
    with _libraries():
        from rez_agent.aws.operating import operate  # noqa: PLC0415 - slow, and not everybody has it
    return operate(stage)


def _check(stage: str) -> None:
    from rez_agent.aws.names import is_stage  # noqa: PLC0415

    if not is_stage(stage):
        text = f"--stage {stage!r} can't be one: at most 16 of a-z, 0-9 and -, a letter first; as in dev."
        raise Invalid(text, code="invalid_argument")


@contextmanager
def _libraries() -> Iterator[None]:
    try:
        yield
    except ModuleNotFoundError as error:
        text = (
            f"The libraries for AWS are not installed (there is no {error.name}): "
            "make setup-development, or install rez-agent[aws]."
        )
        raise Invalid(text, code="aws_not_installed") from None
