"""What became of an execution, in plain words, and what can be done about it.

Every code of an attempt's outcome and every reason not to run has its sentence here. The target's own words
(``error``) are shown beside it, never in place of it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from rez_agent.domain.execution import Execution, ExecutionStatus, Reason

_WITHIN = re.compile(r"within (\d+(?:\.\d+)?) seconds")


@dataclass(frozen=True, slots=True)
class Plain:
    """``what`` happened, a sentence without its full stop; ``advice``: what to do, empty where nothing is to
    be done."""

    what: str
    advice: str = ""


SEVERAL_STATUSES: dict[int, Plain] = {
    400: Plain(
        "The server did not understand the request", "Compare the payload with what its API asks for."
    ),
    401: Plain("The server does not know who is asking", "Check the credentials that the payload refers to."),
    403: Plain("The server refuses whoever is asking", "Check what the credentials in the payload may do."),
    404: Plain("The server has nothing at this address", "Check the path of the URL."),
    405: Plain("The server does not allow this method here", "Check the method and the path of the URL."),
    408: Plain("The server waited too long for the request", "It is tried again by itself."),
    409: Plain("The server refused: it conflicts with what is there", "Its answer below may say with what."),
    410: Plain(
        "What stood at this address is gone for good", "Find its new address, or delete the schedule."
    ),
    413: Plain("The server finds the request too large", "Send less, or a reference to it."),
    422: Plain("The server finds the request's content wrong", "Its answer below may say what."),
    429: Plain("The server was asked too often", "Run it less often, or at a less busy minute."),
    500: Plain("The server failed inside", "Its owner's logs tell why."),
    502: Plain("A gateway got no sound answer from the server behind it", "See whether that server is up."),
    503: Plain(
        "The server can't serve this now", "It may be overloaded or under repair: see its status page."
    ),
    504: Plain("A gateway waited in vain for the server behind it", "See whether that server is up."),
}

CODES: dict[str, Plain] = {
    "ok": Plain("It did what was asked"),
    "redirect": Plain(
        "The server sent it elsewhere, and redirects are not followed",
        "Use the new address, or set 'follow_redirects'.",
    ),
    "too_many_redirects": Plain("The server sent it on and on", "Use the address that it should end at."),
    "insecure_redirect": Plain(
        "The server sent it to an address without encryption", "Use an https address that stays https."
    ),
    "dns": Plain("The name did not resolve", "Check the host's name for a typing error, and its DNS entry."),
    "refused": Plain("The server refused the connection", "See whether it runs, and listens on this port."),
    "unreachable": Plain("The server could not be reached", "See whether it is up, and the network between."),
    "reset": Plain(
        "The server broke off the connection before its answer was whole", "Its logs may tell why it did."
    ),
    "tls": Plain(
        "No secure connection could be made",
        "Check the server's certificate: its date, its name, its issuer.",
    ),
    "bad_response": Plain(
        "The answer was not valid HTTP", "See whether a web server listens at this address."
    ),
    "forbidden_target": Plain(
        "The address is a private one, which may not be called",
        "If it is meant to be called, start the server with --allow-target and this address.",
    ),
    "auth": Plain(
        "No access token could be had", "Check the token endpoint, and the secrets that it is given."
    ),
    "unknown_secret": Plain(
        "A secret that the payload refers to is missing", "Set it: rez-agent secrets set."
    ),
    "secret_host": Plain(
        "A secret may not be sent to this host", "Set it again with this host among its --host."
    ),
    "insecure_secret": Plain("A secret would have travelled without encryption", "Use an https address."),
    "invalid_secret": Plain(
        "A secret is unfit for its place", "Set it again, without line breaks around it."
    ),
    "invalid_payload": Plain("The payload can't be performed", "Mend it; what is wrong stands below."),
    "invalid_url": Plain("The URL can't be called", "Mend the URL in the payload."),
    "invalid_channel": Plain("The channel's address is not understood", "Mend it in the file of actions."),
    "not_sent": Plain("The channel's service could not be reached", "See whether that service is up."),
    "custom_error": Plain("The callable raised an error, or returned what is not allowed", "Mend its code."),
    "unavailable": Plain("The store of secrets could not be read", "It is tried again by itself."),
    "internal_error": Plain("rez-agent itself failed", "The server's log tells where. Please report it."),
    "interrupted": Plain(
        "The server stopped or died while it ran",
        "It is tried again by itself, under the same Idempotency-Key: the target may have acted already.",
    ),
    "cancelled": Plain("Somebody cancelled it while it ran"),
}

REASONS: dict[Reason, Plain] = {
    Reason.MISSED: Plain(
        "Nothing could fire when it was due, and the catch-up policy does not run it",
        "Replay it, or run a whole stretch with a backfill. Catch-up 'all' would run each by itself.",
    ),
    Reason.OVERLAP: Plain(
        "The one before was still in flight, and the overlap policy skips",
        "If it may wait or run beside the other, set overlap to 'queue' or 'allow'.",
    ),
    Reason.EXPIRED: Plain(
        "Its time was up before it could start",
        "The target was busy for longer than max_event_age_seconds. Allow more, or spread the load.",
    ),
    Reason.PAUSED: Plain("The schedule was paused", "What a pause lets pass can be run with a backfill."),
    Reason.CANCELLED: Plain("It was cancelled", "Retry it if it should run after all."),
    Reason.CONDITION: Plain("The schedule's condition was false", "The values that decided stand below."),
    Reason.CALENDAR: Plain("The schedule's calendar closes this day"),
}


def plainly(execution: Execution) -> Plain:
    """What became of an execution, or how it stands."""
    if execution.reason is not None:
        return REASONS[execution.reason]
    match execution.status:
        case ExecutionStatus.SUCCEEDED:
            return CODES["ok"]
        case ExecutionStatus.RUNNING:
            return Plain("An attempt is under way")
        case ExecutionStatus.QUEUED:
            return _waiting(execution)
    return plain_code(execution.code or "", execution.response_status, execution.error)


def _waiting(execution: Execution) -> Plain:
    if execution.attempts:
        return Plain("An attempt failed, and another one follows")
    if execution.next_attempt_at is None:
        return Plain("It waits for the one before it to end")
    return Plain("It waits for its turn")


def plain_code(code: str, status: int | None = None, error: str | None = None) -> Plain:
    """What an attempt's outcome says; ``status`` is the response's and ``error`` the outcome's sentence, if
    there was one."""
    if code == "timeout":
        within = _WITHIN.search(error or "")
        long = f"longer than {within[1]} s" if within else "too long"
        return Plain(
            f"The server took {long}",
            "Allow more time with 'timeout', or let the target answer at once and work on.",
        )
    if code == "status" and status is not None:
        return _plain_status(status)
    if code in CODES:
        return CODES[code]
    return Plain(f"It failed with the code {code}" if code else "It failed", "Its error stands below.")


def _plain_status(status: int) -> Plain:
    known = SEVERAL_STATUSES.get(status)
    if known is not None:
        return Plain(f"{known.what} ({status})", known.advice)
    if status >= 500:
        return Plain(f"The server failed inside ({status})", "Its owner's logs tell why.")
    if status >= 400:
        return Plain(f"The server refused the request ({status})", "Its answer below may say why.")
    return Plain(
        f"The server answered {status}, which does not count as success",
        "If it should, name it in the payload's 'success'.",
    )
