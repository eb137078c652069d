"""Examples for the OpenAPI document, all of one story: a check of tee times at 6:30 in New York."""

from __future__ import annotations

from typing import Any

from rez_agent.domain.policies import DEFAULT_POLICIES

SCHEDULE_ID = "sch_01kaw4g7k2x9v8m5t3q1r6p0da"
MESSAGE_ID = "msg_01kaw4g7k3b6n4c8d2f0h5j7ma"
EXECUTION_ID = f"{SCHEDULE_ID}_20260308T103000Z"
KEY_ID = "01kaw4g7k49s1w6e3r5t7y9u0a"

_MADE = "2026-03-07T18:00:00Z"
_DUE = "2026-03-08T10:30:00Z"

DEFINITION: dict[str, Any] = {
    "name": "tee-times",
    "description": "Look for tee times every morning",
    "schedule_expression": "cron(30 6 * * ? *)",
    "timezone": "America/New_York",
    "target_type": "web_action",
    "payload": {"action": "http", "method": "GET", "url": "https://golf.example.org/tee-times"},
    "tags": ["golf"],
}

SCHEDULE: dict[str, Any] = {
    "id": SCHEDULE_ID,
    **DEFINITION,
    "start": None,
    "end": None,
    "policies": DEFAULT_POLICIES.model_dump(mode="json"),
    "condition": None,
    "calendar": None,
    "template": None,
    "status": "active",
    "created_by": "local",
    "created_date": _MADE,
    "updated_date": _MADE,
    "revision": 1,
    "error_message": None,
    "next_run": _DUE,
    "finished_at": None,
    "pause": None,
}

DETAIL: dict[str, Any] = {**SCHEDULE, "explanation": "At 06:30 every day, in America/New_York"}

APPLIED: dict[str, Any] = {**DETAIL, "schedule_id": SCHEDULE_ID, "message_id": MESSAGE_ID, "warnings": []}

ACCEPTED: dict[str, Any] = {
    "schedule_id": SCHEDULE_ID,
    "message_id": MESSAGE_ID,
    "status": "queued",
    "warnings": [],
}

RAN: dict[str, Any] = {**ACCEPTED, "status": "completed", "execution_id": f"{EXECUTION_ID}_run_{MESSAGE_ID}"}

COUNTED: dict[str, Any] = {**ACCEPTED, "status": "completed", "count": 3}

MESSAGE: dict[str, Any] = {
    "id": MESSAGE_ID,
    "action": "create",
    "status": "completed",
    "schedule_id": SCHEDULE_ID,
    "execution_id": None,
    "created_by": "local",
    "created_date": _MADE,
    "updated_date": _MADE,
    "result": {"revision": 1},
    "errors": [],
}

ATTEMPT: dict[str, Any] = {
    "number": 1,
    "started_at": "2026-03-08T10:30:00.012Z",
    "finished_at": "2026-03-08T10:30:00.151Z",
    "duration_ms": 139,
    "outcome": "succeeded",
    "code": "ok",
    "error": None,
    "response_status": 200,
    "response": '{"tee_times": []}',
    "response_truncated": False,
    "timings_ms": {"name": 3.1, "connect": 12.4, "first_byte": 101.7, "body": 0.3},
}

EXECUTION: dict[str, Any] = {
    "id": EXECUTION_ID,
    "schedule_id": SCHEDULE_ID,
    "created_by": "local",
    "scheduled_time": _DUE,
    "status": "succeeded",
    "reason": None,
    "detail": None,
    "cause": "schedule",
    "attempts": [ATTEMPT],
    "attempt_count": 1,
    "dead_letter": False,
    "code": "ok",
    "error": None,
    "response_status": 200,
    "target_type": "web_action",
    "target": "golf.example.org",
    "schedule_revision": 1,
    "message_id": None,
    "replay_of": None,
    "created_date": "2026-03-08T10:30:00.004Z",
    "due_at": _DUE,
    "expires_at": "2026-03-08T11:30:00Z",
    "next_attempt_at": None,
    "started_at": "2026-03-08T10:30:00.012Z",
    "finished_at": "2026-03-08T10:30:00.151Z",
    "lateness_ms": 12,
    "duration_ms": 139,
    "span": None,
}

STATISTICS: dict[str, Any] = {
    "schedule_id": SCHEDULE_ID,
    "executions": 30,
    "more": False,
    "since": "2026-02-07T11:30:00Z",
    "until": _DUE,
    "by_status": {"queued": 0, "running": 0, "succeeded": 27, "failed": 1, "cancelled": 0, "skipped": 2},
    "by_reason": {"missed": 2},
    "success_rate": 0.9642857142857143,
    "duration_ms": {"p50": 139, "p95": 310, "longest": 30_012},
    "lateness_ms": {"p50": 12, "p95": 40, "longest": 95},
}

WEEK: dict[str, Any] = {
    "timezone": "America/New_York",
    "now": "2026-03-08T12:00:00Z",
    "days": [*(f"2026-03-{day:02}T05:00:00Z" for day in range(2, 9)), "2026-03-09T04:00:00Z"],
    "items": [
        {
            "schedule_id": SCHEDULE_ID,
            "name": "tee-times",
            "status": "active",
            "expected": 1,
            "marks": [
                {"at": _DUE, "fate": "succeeded", "execution_id": EXECUTION_ID, "until": None, "count": 1}
            ],
            "hours": [],
            "unread": False,
        }
    ],
    "next_cursor": None,
    "total": 1,
    "load": {
        "schedules": 1,
        "complete": True,
        "per_hour": [0.0] * 149 + [1.0] + [0.0] * 17,
        "peaks": [0.0] * 149 + [1.0] + [0.0] * 17,
        "busiest": [],
        "flattening": None,
    },
}

OCCURRENCE: dict[str, Any] = {
    "utc": _DUE,
    "local": "2026-03-08T06:30:00-04:00",
    "note": None,
    "closed": False,
    "moved_from": None,
}

PREVIEW: dict[str, Any] = {
    "valid": True,
    "explanation": DETAIL["explanation"],
    "occurrences": [OCCURRENCE],
    "skipped": [],
    "warnings": [],
    "errors": [],
}

CONSEQUENCES: dict[str, Any] = {
    "revision": 1,
    "changes": [
        {"path": "/schedule_expression", "before": "cron(30 6 * * ? *)", "after": "cron(30 6 ? * MON-FRI *)"}
    ],
    "gained": 0,
    "lost": 1,
    "kept": 0,
    "occurrences": [{**OCCURRENCE, "fate": "lost"}],
    "until": "2026-06-05T10:30:00Z",
    "cut": False,
    "warnings": [],
}

KEY: dict[str, Any] = {
    "id": KEY_ID,
    "name": "nightly",
    "scope": "write",
    "created_date": _MADE,
    "expires_at": None,
}


def listing(item: dict[str, Any]) -> dict[str, Any]:
    """A page that holds ``item`` alone."""
    return {"items": [item], "next_cursor": None, "total": 1}


_PROBLEMS: dict[int, tuple[str, str, str]] = {
    400: (
        "malformed_json",
        "The body is not JSON",
        "The body is not JSON: expecting value at line 1, column 9.",
    ),
    401: ("unauthenticated", "A key is needed", "There is no such key, or it was revoked, or it ran out."),
    403: ("forbidden", "The key does not reach this", "This needs a key of scope 'write'; yours has 'read'."),
    404: ("schedule_not_found", "There is no such schedule", f"There is no schedule '{SCHEDULE_ID}'."),
    409: ("name_taken", "The name is taken", "You have a schedule named 'tee-times' already."),
    412: ("revision_conflict", "The schedule changed meanwhile", "The schedule is at revision 3, not 2."),
    413: ("too_large", "The request is too large", "The body has more than 1048576 bytes. Send it in parts."),
    408: ("body_timeout", "The body came too slowly", "The body did not come within 30 seconds."),
    415: (
        "unsupported_media_type",
        "The body's type is not supported",
        "Send 'Content-Type: application/json'.",
    ),
    422: ("invalid_timezone", "The time zone is not known", "`Europe/Berln` is not an IANA time zone."),
    428: (
        "revision_required",
        "The revision is missing",
        "A whole replacement needs If-Match with the ETag.",
    ),
    429: ("rate_limited", "Too many requests", "This key may ask 100 times a second."),
    500: ("internal_error", "The server failed", "The server failed to answer. Its log tells why."),
    503: ("unavailable", "The server can't serve this now", "The server is stopping. Ask again in a second."),
}


def problem_example(status: int) -> dict[str, Any]:
    """A problem as it is answered with ``status``."""
    code, title, detail = _PROBLEMS[status]
    return {
        "type": f"/errors#{code}",
        "title": title,
        "status": status,
        "detail": detail,
        "code": code,
        "errors": [{"code": code, "detail": detail, "pointer": "/timezone" if status == 422 else ""}],
    }
