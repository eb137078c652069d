"""The sweep: each minute it takes up what was left undone; each hour it compares the store with EventBridge,
collects payloads that nobody owns, and asks the libraries for the holidays of years to come."""

from __future__ import annotations

from functools import cache
from typing import Any

from rez_agent.aws.bucket import TokenBucket
from rez_agent.aws.build import Built
from rez_agent.aws.collecting import collect_blobs
from rez_agent.aws.lambdas.invocation import Context, in_lambda, reported, seconds_left, started
from rez_agent.aws.learning import learn_days
from rez_agent.aws.logs import log
from rez_agent.aws.reconcile import LISTS_A_SECOND, Reconcile
from rez_agent.aws.settings import SWEEP
from rez_agent.aws.standing import sample
from rez_agent.aws.sweep import Sweep
from rez_agent.domain.errors import Malformed, RezError
from rez_agent.metrics import SWEEP_FAILURES
from rez_agent.usecases.notices import default_channels


@cache
def _parts() -> Built:
    return started(SWEEP, ("dynamodb",))


@log.inject_lambda_context(clear_state=True)
def handler(event: Any, context: Context) -> dict[str, int]:
    """``{"sweep": "minute"}`` or ``{"sweep": "reconcile"}``; how many things each step mended."""
    built = _parts()
    with reported(built.metrics):
        return swept(built, event, context)


def _sample(built: Built) -> None:
    """How the queue stands; what can't be read now is read in a minute."""
    now = built.clock.now()
    try:
        built.store.read(lambda ports: sample(ports.unit, now, built.metrics))
    except RezError as error:
        built.metrics.count(SWEEP_FAILURES)
        log.warning("not_sampled", action="not_sampled", error=str(error))


def swept(built: Built, event: Any, context: Context) -> dict[str, int]:
    """What ``event`` asks for, within the time that is left. Raises Malformed for anything else."""

    def time_left() -> float:
        return seconds_left(context)

    match event:
        case {"sweep": "minute"}:
            sweep = Sweep(
                built.store.write,
                armer=built.armer,
                clock=built.clock,
                metrics=built.metrics,
                time_left=time_left,
                alert_channels=lambda: default_channels(built.actions, built.settings.alert_channel),
            )
            _sample(built)
            return sweep.minute()
        case {"sweep": "reconcile"}:
            reconcile = Reconcile(
                built.store.write,
                armer=built.armer,
                clock=built.clock,
                metrics=built.metrics,
                lists=TokenBucket(LISTS_A_SECOND, monotonic=built.clock.monotonic),
                time_left=time_left,
            )
            mended = reconcile.hour()
            mended["calendars"] = learn_days(built.store.write, built.clock, time_left)
            return {**mended, "pages": collect_blobs(built.store, built.bucket, built.clock, time_left)}
    text = 'The sweep is asked for with {"sweep": "minute"} or {"sweep": "reconcile"}.'
    raise Malformed(text, code="unknown_event")


if in_lambda():
    _parts()
