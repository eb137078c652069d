"""What every function has in common: its parts are put together once, and its failures are told."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Protocol

from rez_agent.aws.build import Built, build
from rez_agent.aws.logs import configure_logs, log
from rez_agent.aws.metrics import AwsMetrics
from rez_agent.aws.settings import AwsSettings, Need
from rez_agent.domain.errors import RezError
from rez_agent.metrics import INVOCATIONS_FAILED


class Context(Protocol):
    """What Lambda tells a function of the invocation."""

    def get_remaining_time_in_millis(self) -> int:
        """Until the function is stopped."""


def seconds_left(context: Context) -> float:
    """Until the function is stopped."""
    return context.get_remaining_time_in_millis() / 1000


def in_lambda() -> bool:
    """Whether this is a function's own process. Then what it needs is made while the function starts, which
    Lambda gives a whole processor for, rather than in its first invocation."""
    return "AWS_LAMBDA_FUNCTION_NAME" in os.environ


def started(needs: Iterable[Need], clients: Iterable[str]) -> Built:
    """The parts of a function, by its environment; ``clients`` are the services that it will surely use.

    Raises Invalid with everything that is missing or wrong in the environment.
    """
    settings = AwsSettings.from_environment(os.environ, needs)
    configure_logs(settings.log_level)
    built = build(settings)
    for service in clients:
        getattr(built.clients, service).made()
    return built


@contextmanager
def reported(metrics: AwsMetrics) -> Iterator[None]:
    """Tell of an invocation's failure, and write what it counted. The failure goes on to Lambda, which tries
    again and then keeps the event as a dead letter."""
    try:
        yield
    except Exception as error:
        metrics.count(INVOCATIONS_FAILED)
        if isinstance(error, RezError):
            problems = [f"{problem.pointer or '/'}: {problem.message}" for problem in error.problems]
            log.error("invocation_failed", action="invocation_failed", code=error.code, problems=problems)
        else:
            log.exception("invocation_failed", action="invocation_failed", code="internal_error")
        raise
    finally:
        metrics.flush()
