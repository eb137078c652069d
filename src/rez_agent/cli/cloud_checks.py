"""The doctor's look at a stage on AWS: what the first system's troubleshooting knew, and what came since."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from rez_agent.aws.asking import Identity
from rez_agent.aws.deployed import FunctionState
from rez_agent.aws.inspection import Inspection
from rez_agent.aws.underway import Subscription, UnarmedSchedule, Waiting
from rez_agent.cli.cloud_rights import DENIALS_LOGGED, denials, denied, logged_denials, trust
from rez_agent.cli.finding import Finding, ok, problem, warning
from rez_agent.cli.render import clean, counted
from rez_agent.cli.server_checks import never_fires
from rez_agent.domain.errors import Unavailable
from rez_agent.domain.telling import length

LATE = timedelta(minutes=2)
"""How long a schedule may wait to be armed: the sweep looks each minute."""

SILENT = timedelta(minutes=5)
RECENT = timedelta(hours=1)
DAY = timedelta(days=1)
LOOKED_AT = 1_000
SHOWN = 5
LONGEST_TEXT = 300

TIMEOUTS = {"scheduler": 60, "webapi": 29, "processor": 900, "sweep": 900}
"""Seconds, as the stack sets them. Less was set by hand."""

SCHEDULES_QUOTA = ("Number of schedules", 10_000_000)
FULL, NEARLY_FULL = 0.95, 0.8

TIMED_OUT = re.compile(r"Task timed out after ([\d.]+) seconds")


def identity(inspection: Inspection) -> tuple[Identity | None, Finding]:
    """Whose credentials these are; None where AWS can't be asked, and then nothing else can be looked at."""
    try:
        found = inspection.ask.identity()
    except Unavailable as error:
        return None, problem("credentials", error.message, _credentials_remedy(error.code))
    return found, ok("credentials", f"{found.arn} in {found.region}.")


def _credentials_remedy(code: str) -> str:
    if code == "no_region":
        return "Say which region: export AWS_REGION=us-east-1, the one that the stage is deployed in."
    if code == "no_credentials":
        return "Give credentials of the account: aws configure, or export AWS_PROFILE=... (aws sso login)."
    return "Look at the network, the region, and AWS_ENDPOINT_URL if it is set."


def every_check(inspection: Inspection, who: Identity, now: datetime) -> Iterator[Finding]:
    """All checks, in the order in which a person would look. One that is not allowed stops no other."""
    state: list[FunctionState] = []
    deployed, underway = inspection.deployed, inspection.underway
    stage = inspection.ask.names.stage
    yield from _looked("resources", who, lambda: resources(*deployed.missing(who), stage))
    yield from _looked("functions", who, lambda: _functions(inspection, state))
    yield from _looked("functions", who, lambda: hidden(deployed.hidden_seconds(), state))
    yield from _looked("logs", who, lambda: _logs(inspection, now))
    yield from _looked("rights", who, lambda: trust(deployed.trusts(), who))
    yield from _looked("rights", who, lambda: denials(deployed.denials(who, state)))
    yield from _looked("engine", who, lambda: unarmed(underway.unarmed(), now))
    yield from _looked("sweep", who, lambda: timers(underway.timers()))
    yield from _looked("sweep", who, lambda: _sweep_runs(inspection, now))
    yield from _looked("quota", who, lambda: _quota(inspection))
    yield from _looked("subscriptions", who, lambda: subscriptions(underway.subscriptions(who)))
    yield from _looked("dead letters", who, lambda: dead_letters(underway.dead_letters()))
    yield from _looked("firings", who, lambda: _firings(inspection, now))
    yield from _looked("schedules", who, lambda: _schedules(inspection))


def _looked(check: str, who: Identity, look: Callable[[], Iterable[Finding]]) -> Iterator[Finding]:
    """What a check finds, or that it could not be looked at."""
    try:
        yield from look()
    except Unavailable as error:
        if error.code == "access_denied":
            text = f"It could not be looked at: {_short(error.message)}"
            yield warning(check, text, f"Allow that to {who.arn}, or ask somebody who may.")
        else:
            yield warning(
                check, f"It could not be looked at: {_short(error.message)}", "Try again in a moment."
            )


def api_url(inspection: Inspection) -> str | None:
    """Where the stage's API answers; None where there is none, or AWS does not say."""
    try:
        return inspection.underway.api_url()
    except Unavailable:
        return None


# --- what is deployed ---


def resources(missing: list[str], unknown: list[str], stage: str) -> Iterator[Finding]:
    """Whether everything is there."""
    if missing:
        remedy = (
            "Deploy: make build, then pulumi up in infrastructure/. If it is deployed: is the region right?"
        )
        yield problem("resources", f"Not there: {_some(missing)}.", remedy)
    if unknown:
        text = f"Could not be looked at: {_short(_some(unknown))}"
        yield warning("resources", text, "Allow it to whoever asks, or ask somebody who may.")
    if not missing and not unknown:
        yield ok("resources", f"Everything of stage '{stage}' is there.")


def _some(names: list[str]) -> str:
    more = len(names) - SHOWN
    return ", ".join(names[:SHOWN]) + (f" and {more} more" if more > 0 else "")


def _functions(inspection: Inspection, state: list[FunctionState]) -> Iterator[Finding]:
    """The functions, which are kept in ``state`` for the checks that come after."""
    state += inspection.deployed.functions()
    yield from functions(state)


def functions(state: Iterable[FunctionState]) -> Iterator[Finding]:
    """Functions that can't run, are told wrong things, or were given less time than they need."""
    faults = [finding for function in state for finding in _function(function)]
    yield from faults
    if not faults:
        yield ok("functions", "All are active, with their environment and their time.")


def _function(function: FunctionState) -> Iterator[Finding]:
    if function.state not in ("Active", "Inactive"):
        text = f"{function.name} is {function.state}: {function.reason or 'AWS gives no reason'}."
        yield problem("functions", text, "Wait if it is Pending; else make build and pulumi up.")
    for fault in function.problems:
        yield problem("functions", f"{function.name}: {fault}", "pulumi up sets the environment again.")
    if function.timeout < TIMEOUTS[function.what]:
        text = f"{function.name} has {function.timeout} s; the stack gives it {TIMEOUTS[function.what]} s."
        yield warning("functions", text, "pulumi up sets it again: what is cut off is done again, and late.")


def hidden(seconds: Mapping[str, int], state: Iterable[FunctionState]) -> Iterator[Finding]:
    """Whether work under way stays hidden from others for as long as the processor may take."""
    limit = next((function.timeout for function in state if function.what == "processor"), 0)
    for queue, hidden_for in seconds.items():
        if hidden_for < limit:
            text = f"{queue} hides a message for {hidden_for} s, and the processor may take {limit} s."
            yield problem("functions", text, "pulumi up sets the queue's visibility timeout again (960 s).")


def _logs(inspection: Inspection, now: datetime) -> Iterator[Finding]:
    deployed = inspection.deployed
    for what in TIMEOUTS:
        name = inspection.ask.names(what)
        yield from timeouts(name, deployed.logged(what, '"Task timed out"', now - DAY))
        yield from logged_denials(name, deployed.logged(what, DENIALS_LOGGED, now - RECENT))
        failed = deployed.metric_sum("AWS/Lambda", "Errors", ("FunctionName", name), until=now, span=DAY)
        if failed:
            text = f"{name} failed {counted(round(failed), 'time')} within a day."
            yield warning(
                "logs", text, f"Read it: aws logs filter-log-events --log-group-name /aws/lambda/{name}"
            )
        held = deployed.metric_sum("AWS/Lambda", "Throttles", ("FunctionName", name), until=now, span=DAY)
        if held:
            text = f"{name} was throttled {counted(round(held), 'time')} within a day."
            yield warning(
                "logs", text, "Raise the account's concurrency, or the function's reserved share of it."
            )


def timeouts(name: str, lines: Iterable[str]) -> Iterator[Finding]:
    """A function that ran out of time."""
    found = [match for line in lines if (match := TIMED_OUT.search(line))]
    if found:
        text = f"{name} ran out of time {counted(len(found), 'time')} within a day, after {found[-1][1]} s."
        remedy = (
            "What it did is whole or undone, and is done again. If it goes on: give it more time or memory "
            "(pulumi config set memory '{\"FUNCTION\": 1769}'), and look for throttling below."
        )
        yield problem("logs", text, remedy)


# --- what goes on ---


def unarmed(rows: Iterable[UnarmedSchedule], now: datetime) -> Iterator[Finding]:
    """Schedules that EventBridge Scheduler does not follow though it should by now."""
    late = [row for row in rows if now - row.since > LATE or denied("engine", row.error)]
    for row in late[:SHOWN]:
        waits = length((now - row.since).total_seconds())
        text = f"'{row.name or row.schedule_id}' has waited {waits} to be armed"
        found = denied("engine", row.error)
        if found is not None:
            yield problem("engine", f"{text}. {found.text}", found.remedy)
            continue
        why = f": {_short(row.error)}" if row.error else "."
        yield problem("engine", f"{text}{why}", "The sweep tries each minute: its log tells why it fails.")
    if len(late) > SHOWN:
        text = f"{len(late) - SHOWN} more wait to be armed."
        yield problem("engine", text, "Mend what the ones above say; the sweep then arms all.")
    if not late:
        yield ok("engine", "EventBridge Scheduler follows every schedule.")


def timers(states: Mapping[str, str]) -> Iterator[Finding]:
    """Whether the sweep's own schedules are there and enabled."""
    wrong = {name: state for name, state in states.items() if state != "ENABLED"}
    for name, state in wrong.items():
        text = f"The schedule {name} in group 'default' is {state.lower()}: nothing is mended."
        yield problem("sweep", text, "pulumi up makes and enables it.")
    if not wrong:
        yield ok("sweep", "Its schedules are enabled.")


def _sweep_runs(inspection: Inspection, now: datetime) -> Iterator[Finding]:
    lines = inspection.deployed.logged("sweep", "", now - SILENT, limit=1)
    yield from heartbeat(inspection.ask.names("sweep"), beating=bool(lines))


def heartbeat(name: str, *, beating: bool) -> Iterator[Finding]:
    """Whether the sweep has run of late; it logs each time."""
    if not beating:
        text = f"{name} has logged nothing for {length(SILENT.total_seconds())}: it does not run."
        remedy = (
            "See its schedule in group 'default', the role rez-agent-sweep-timer-role-STAGE and its errors."
        )
        yield problem("sweep", text, remedy)


def _quota(inspection: Inspection) -> Iterator[Finding]:
    name, documented = SCHEDULES_QUOTA
    count, exact = inspection.underway.engine_count()
    granted = inspection.underway.quota(name)
    yield quota(count, granted or documented, exact=exact, known=granted is not None)


def quota(count: int, limit: float, *, exact: bool, known: bool) -> Finding:
    """How near the number of schedules is to EventBridge Scheduler's quota."""
    whose = "the account's quota" if known else "the documented quota (this account's could not be read)"
    about = "" if exact else "About "
    text = f"{about}{count:,} of {limit:,.0f} schedules: {whose}."
    remedy = "Ask for more in Service Quotas, or delete what is finished: on_completion, rez-agent delete."
    if count >= FULL * limit:
        return problem("quota", text, remedy)
    return warning("quota", text, remedy) if count >= NEARLY_FULL * limit else ok("quota", text)


WANTED = {"schedule-creation": "lambda", "web-actions": "sqs", "notifications": "sqs", "custom": "sqs"}
"""What each topic must tell."""


def subscriptions(found: Iterable[Subscription]) -> Iterator[Finding]:
    """Topics that tell nobody, or somebody who has not confirmed."""
    listed, faults = list(found), []
    for one in listed:
        if one.pending:
            text = f"{one.endpoint} has not confirmed its subscription to {one.topic}: it is told nothing."
            remedy = "Whoever reads there follows AWS's link within three days; else it is subscribed again."
            faults.append(problem("subscriptions", text, remedy))
    for topic, protocol in WANTED.items():
        if not any(one.topic == topic and one.protocol == protocol and not one.pending for one in listed):
            text = f"The topic {topic} tells no {'function' if protocol == 'lambda' else 'queue'} of ours."
            faults.append(problem("subscriptions", text, "pulumi up makes the subscription again."))
    yield from faults
    if not faults:
        yield ok("subscriptions", "Every topic tells whom it should.")


def dead_letters(found: Iterable[Waiting]) -> Iterator[Finding]:
    """Messages that were given up, and what they say went wrong."""
    waiting = list(found)
    for queue in waiting:
        faults = {text: denied("dead letters", text) for text in queue.errors}
        told = next((finding for finding in faults.values() if finding), None)
        text = f"{queue.queue} holds {counted(queue.count, 'message')}."
        if told is not None:
            yield problem("dead letters", f"{text} {told.text}", told.remedy)
            continue
        example = f" One says: {_short(queue.errors[0])}" if queue.errors else ""
        yield warning(
            "dead letters", f"{text}{example}", "See docs/reference/troubleshooting.md: Dead letters."
        )
    if not waiting:
        yield ok("dead letters", "None waits in any queue.")


def _firings(inspection: Inspection, now: datetime) -> Iterator[Finding]:
    group = ("ScheduleGroup", inspection.ask.names.schedule_group)
    for metric, meaning, remedy in FIRING_METRICS:
        count = inspection.deployed.metric_sum("AWS/Scheduler", metric, group, until=now, span=DAY)
        if count:
            yield warning("firings", f"{counted(round(count), 'firing')} {meaning} within a day.", remedy)


FIRING_METRICS = (
    ("InvocationDroppedCount", "given up by EventBridge Scheduler", "See the scheduler's dead letters."),
    (
        "TargetErrorCount",
        "refused by the scheduler function",
        "See its log, and the execution role's rights.",
    ),
    (
        "InvocationThrottleCount",
        "delayed: more fall due at once than the quota of invocations",
        "rez-agent forecast shows the peaks; spread them with --window, or raise the quota.",
    ),
)


def _schedules(inspection: Inspection) -> Iterator[Finding]:
    active = inspection.underway.schedules("active", LOOKED_AT)
    yield from schedules(active, inspection.underway.schedules("error", LOOKED_AT))


def schedules(active: list[dict[str, Any]], failing: list[dict[str, Any]]) -> Iterator[Finding]:
    """Schedules whose expression or zone can't be evaluated, or that never fire."""
    faults = [
        problem(
            "schedules",
            f"'{item['name']}' can't be evaluated: {item.get('error_message')}",
            f"rez-agent update {item['id']} --expression ... or --timezone ...",
        )
        for item in failing
    ]
    faults += [
        warning(
            "schedules",
            f"'{item['name']}' never fires: {item['schedule_expression']} has no date in {item['timezone']}.",
            f"`rez-agent next` tries expressions; then update {item['id']}.",
        )
        for item in active
        if never_fires(item)
    ]
    yield from faults
    if not faults:
        yield ok("schedules", f"{len(active)} looked at: all can be evaluated, and fire.")


def _short(text: str) -> str:
    told = clean(text)
    return told if len(told) <= LONGEST_TEXT else f"{told[:LONGEST_TEXT]}..."
