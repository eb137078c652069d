"""Whatever stands in an address or a form: every page answers, and none of them with a fault of ours."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from urllib.parse import quote_from_bytes

import pytest

from rez_agent.web.page.operations import PageOperation
from rez_agent.web.page.routes import SCREENS
from rez_agent.web.settings import BODY_AT_MOST, WebSettings
from tests.web.client import Answer, Server, ask, serving
from tests.web.page.browsing import FORM

VALUES = (
    b"",
    b" ",
    b"0",
    b"-1",
    b"1",
    b"7",
    b"NaN",
    b"1e999",
    b"9" * 30,
    b"9" * 5_000,
    b"9223372036854775808",
    b"0x10",
    "١٢".encode(),
    "²".encode(),
    b"true",
    b"null",
    b"[]",
    b"{}",
    b'{"a": NaN}',
    b"[" * 20_000,
    b'"\\ud800"',
    b'{"name": {"name": []}, "kind": 1}',
    b"\0",
    b"a\0b",
    b"\xff",
    b"\xed\xa0\x80",
    "\U0010ffff\u202e\ufeff".encode(),
    b"\r\nSet-Cookie: a=b",
    b"'; DROP TABLE schedules; --",
    b"%",
    b"_",
    b"<script>alert(1)</script>",
    b"{{ 7 * 7 }}",
    b"javascript:alert(1)",
    b"//evil.example",
    b"http://[",
    b"http://127.0.0.1:99999/",
    b"../../../etc/passwd",
    b"0001-01-01",
    b"9999-12-31",
    b"9999-12-31T23:59:59Z",
    b"0001-01-01T00:00:00+14:00",
    b"2026-02-30",
    b"2026-W53",
    b"24:61",
    b"rate(99999999999999 days)",
    b"cron(0 0 31 2 ? *)",
    b"at(9999-12-31T23:59:59)",
    b"RRULE:FREQ=SECONDLY",
    b"Europe/Atlantis",
    b"../etc/localtime",
    b"eyJhIjoxfQ",
    b"sch_00000000000000000000000000",
    b"a" * 5_000,
)
"""What people, programs and attackers have sent to forms of others."""

_RUNS = ("status", "reason", "since", "until", "cursor")
ASKED = {
    "/schedules": ("q", "status", "tag", "target", "owner", "order", "cursor"),
    "/schedules/new": ("template", "copy"),
    "/schedules/{schedule_id}": ("tab", *_RUNS),
    "/schedules/{schedule_id}/why": ("at",),
    "/executions": (*_RUNS, "schedule"),
    "/week": ("from", "timezone", "name_prefix", "tag", "created_by", "status", "cursor"),
    "/messages": ("schedule", "target", "code", "cursor"),
    "/templates/{template}": ("cursor",),
    "/calendars/{calendar_name}": ("year",),
    "/alerts": ("kind", "cursor"),
    "/alerts/rules/new": ("kind", "schedule"),
}
"""What addresses may say, by the page."""

NOTE = {"channel": "log", "message": "here"}

_DEFINED = {
    "name": "sound",
    "timezone": "UTC",
    "kind": "notification",
    "note_channel": "log",
    "note_message": "here",
    "tags": "a, b",
    "raw_type": "http",
    "raw_payload": "{}",
    "http_url": "http://127.0.0.1/",
    "http_method": "POST",
    "http_body_kind": "json",
    "http_body": "{}",
    "http_headers": "A: b",
    "http_success": "200",
    "http_timeout": "5",
    "http_bearer": "",
    "payload_digest": "",
    "overlap": "skip",
    "catch_up": "none",
    "catch_up_window": "60",
    "window": "5",
    "on_completion": "keep",
    "retry_attempts": "2",
    "retry_least": "1",
    "start": "2030-01-01T00:00",
    "end": "2031-01-01T00:00",
    "condition": "true",
    "calendar": "kept",
    "revision": "1",
    "viewer_zone": "UTC",
}
_TRIED = {"condition": "true", "try_status": "failed", "try_response": "500", "try_body": "{}"}
_WHEN = (
    {"frequency": "every", "every_count": "2", "every_unit": "hours"},
    {"frequency": "hourly", "hourly_minute": "7"},
    {"frequency": "once", "once_at": "2030-06-01T10:00"},
    {"frequency": "monthly", "at_time": "09:00", "month_day": "31"},
    {"frequency": "expression", "expression": "rate(1 hour)"},
)
_RULE = {
    "name": "sound",
    "kind": "consecutive_failures",
    "channels": "ops",
    "threshold": "3",
    "quiet_period_seconds": "60",
    "schedule": "nothing",
    "tag": "a",
}
_CALENDAR = {"kind": "list", "title": "Sound", "closed": "2030-01-01 New Year", "open": "", "revision": "1"}
_TEMPLATE = {"document": "{}", "revision": "1"}
SOUND: dict[str, tuple[dict[str, str], ...]] = {
    "/schedules/{schedule_id}/edit": ({"revision": "1", **_WHEN[0]},),
    "/schedules/form/outlook": (_DEFINED, *_WHEN),
    "/schedules/form/condition": (_TRIED | _WHEN[0],),
    "/schedules/form/paste": ({"pasted": "{}", "name": ""},),
    "/schedules/{schedule_id}/pause": (
        {"reason": "", "for": "1h", "until": ""},
        {"until": "2030-01-01T00:00"},
    ),
    "/schedules/{schedule_id}/backfill": (
        {"from": "2030-01-01T00:00", "to": "2030-01-02T00:00", "count": "1"},
        {"from": "2030-01-01T00:00", "to": "2030-01-02T00:00"},
    ),
    "/schedules/{schedule_id}/run": ({"payload": "{}"},),
    "/executions/{execution_id}/replay": ({"payload": "{}"},),
    "/schedules/bulk": ({"do": "pause", "id": "nothing", "back": "/schedules", "for": "", "until": ""},),
    "/messages/redrive": ({"only": "nothing"}, {"id": "nothing"}, {"all": "nothing"}),
    "/messages/progress": ({"id": "nothing"},),
    "/calendars": (_CALENDAR | {"name": "sound"}, {"name": "x", "kind": "holidays", "country": "AT"}),
    "/calendars/{calendar_name}": (_CALENDAR, {"kind": "ics", "ics": "BEGIN:VCALENDAR", "revision": "1"}),
    "/alerts/rules": (_RULE,),
    "/alerts/rules/{alert_rule_id}": (_RULE,),
    "/templates/new": (_TEMPLATE,),
    "/templates/{template}/edit": (_TEMPLATE,),
}
"""Forms with nothing wrong in them, by the address that they are sent to."""

SENT = sorted({name for forms in SOUND.values() for form in forms for name in form})
"""The fields of all forms."""


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with one of each."""
    with serving(tmp_path_factory.mktemp("hostile"), allow_target=("127.0.0.1",)) as over:
        server = over(WebSettings(open_access=True, version="test"))
        server("POST", "/api/calendars", {"name": "kept"})
        yield server


def _token(answer: Answer) -> str:
    found = re.search(rb'"X-CSRF-Token": "([0-9a-f]+)"', answer.body)
    assert found
    return found[1].decode()


def _send(server: Server, method: str, path: str, body: bytes = b"", **headers: str) -> Answer:
    named = {"host": "localhost:8080"} | {name.replace("_", "-"): value for name, value in headers.items()}
    answer, _ = server.wait(ask(server.app, method, path, body, named | (FORM if body else {})))
    return answer


def _paths(server: Server, operation: PageOperation) -> tuple[str, ...]:
    """Addresses of the operation: of what is there, and of what isn't."""
    if "{" not in operation.path:
        return (operation.path,)
    living = server("GET", "/api/schedules").document["items"]
    made = living[0] if living else server.made("kept", target_type="notification", payload=NOTE)
    run = server("POST", f"/api/schedules/{made['id']}/run", headers={"prefer": "wait=5"})
    there = {
        "schedule_id": made["id"],
        "execution_id": run.document["execution_id"],
        "alert_rule_id": "missed",
    }
    known = re.sub(r"{(\w+)}", lambda found: there.get(found[1], "kept"), operation.path)
    return (known, re.sub(r"{[^}]+}", "nothing", operation.path))


def _forms(names: Sequence[str]) -> Iterator[bytes]:
    """Every value in every field alone would be many thousand requests: each goes into all, then, with sound
    values in the fields that others hang on, into the rest."""
    sound = {"do": "pause", "kind": "list", "name": "sound", "frequency": "every", "document": "{}"}
    for value in VALUES if names else ():
        text = quote_from_bytes(value)
        yield "&".join(f"{name}={text}" for name in names).encode()
        kept = (f"{name}={sound.get(name, text)}" for name in names)
        yield "&".join(kept).encode()
    yield "&".join(f"{name}=1&{name}=2" for name in names).encode()
    yield b"&".join(b"a=b" for _ in range(3_000))


def _one_by_one(path: str) -> Iterator[bytes]:
    """Every value in each field of a sound form: some fields are looked at only when the others are sound."""
    for sound in SOUND.get(path, ()):
        for name in sound:
            for value in VALUES:
                sent = {one: text.encode() for one, text in sound.items()} | {name: value}
                yield "&".join(f"{one}={quote_from_bytes(text)}" for one, text in sent.items()).encode()


def _operations(method: str) -> list[PageOperation]:
    return [one for one in SCREENS if one.method == method]


@pytest.mark.parametrize("operation", _operations("GET"), ids=lambda one: str(one.path))
def test_no_address_is_answered_with_a_fault(full: Server, operation: PageOperation) -> None:
    for path in _paths(full, operation):
        names = ASKED.get(operation.path, ())
        for query in (*_forms(names), *_forms([f"tab=changes&{name}" for name in names])):
            answer = _send(full, "GET", f"{path}?{query.decode()}")
            assert answer.status < 500, (path, query[:200], answer.body[-2_000:])
            assert b"<script>alert(1)" not in answer.body, (path, query[:200], answer.body[-2_000:])
        for name in names:
            for value in VALUES:
                answer = _send(full, "GET", f"{path}?{name}={quote_from_bytes(value)}")
                assert answer.status < 500, (path, name, value[:100])
                assert b"<script>alert(1)" not in answer.body, (path, name, value[:100])


@pytest.mark.parametrize("operation", _operations("POST"), ids=lambda one: str(one.path))
def test_no_form_is_answered_with_a_fault(full: Server, operation: PageOperation) -> None:
    page = _send(full, "GET", "/schedules")
    cookie = "; ".join(f"{name}={value}" for name, value in page.cookies)
    token = _token(page)
    for path in _paths(full, operation):
        for form in _forms(SENT):
            answer = _send(full, "POST", path, form, cookie=cookie, x_csrf_token=token)
            assert answer.status < 500, (path, form[:300], answer.body[-2_000:])
            assert b"<script>alert(1)" not in answer.body, (path, form[:300], answer.body[-2_000:])
        for form in _one_by_one(operation.path):
            answer = _send(full, "POST", path, form, cookie=cookie, x_csrf_token=token)
            assert answer.status < 500, (path, form[:300], answer.body[-2_000:])
            assert b"<script>alert(1)" not in answer.body, (path, form[:300], answer.body[-2_000:])
        big = b"name=" + b"a" * (BODY_AT_MOST + 1)
        assert _send(full, "POST", path, big, cookie=cookie, x_csrf_token=token).status < 500
