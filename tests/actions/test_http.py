"""The web action ``http``: what is sent, what the answer means, what is refused beforehand."""

from __future__ import annotations

import asyncio
import json
import ssl
from datetime import timedelta
from email.utils import format_datetime
from typing import Any

import pytest
from aiohttp import web

from rez_agent.actions.answers import RETRY_AFTER_MAX, retry_after
from rez_agent.actions.names import SystemNames
from rez_agent.domain.action import RESPONSE_KEPT
from tests.actions.support import DATA, NOW, MemorySecrets, Names, acting, http, ok, raw, run, serving, work


def problems(payload: dict[str, Any]) -> dict[str, str]:
    """Codes by pointer."""

    async def scenario() -> dict[str, str]:
        async with acting() as actions:
            return {p.pointer: p.code for p in actions.check("web_action", payload)}

    return run(scenario())


def test_a_request_tells_who_asks_and_why() -> None:
    async def scenario() -> None:
        async with serving(ok) as server, acting(server.host) as actions:
            payload = http(
                f"{server.url}/path?a=1",
                method="put",
                query={"b": [1, "x y"], "c": True},
                headers={"X-Mine": "1"},
                body={"ü": [1, None]},
            )
            outcome = await actions.run(work(payload, attempt=3))
            assert (outcome.ok, outcome.response_status, outcome.response) == (True, 200, "ok")
            (seen,) = server.seen
            assert (seen.method, seen.path) == ("PUT", "/path")
            assert seen.query == {"a": "1", "b": "1", "c": "true"}
            assert json.loads(seen.body) == {"ü": [1, None]}
            wanted = {
                "Content-Type": "application/json",
                "X-Mine": "1",
                "Idempotency-Key": "sch_1_20260301T120000Z",
                "X-Rez-Execution-Id": "sch_1_20260301T120000Z",
                "X-Rez-Schedule-Id": "sch_1",
                "X-Rez-Scheduled-Time": "2026-03-01T12:00:00Z",
                "X-Rez-Attempt": "3",
            }
            assert wanted.items() <= seen.headers.items()
            assert seen.headers["User-Agent"].startswith("rez-agent/")

    run(scenario())


def test_the_method_is_get_without_a_body_and_post_with_one() -> None:
    async def scenario() -> None:
        async with serving(ok) as server, acting(server.host) as actions:
            await actions.run(work(http(server.url)))
            await actions.run(work(http(server.url, body="text")))
            assert [(s.method, s.body) for s in server.seen] == [("GET", b""), ("POST", b"text")]
            assert server.seen[1].headers["Content-Type"] == "text/plain; charset=utf-8"

    run(scenario())


def test_connections_are_kept_and_phases_are_timed() -> None:
    async def scenario() -> None:
        names = Names({"api.test": ("127.0.0.1",)})
        async with serving(ok) as server, acting("api.test", resolver=names) as actions:
            first = await actions.run(work(http(f"http://api.test:{server.port}/")))
            second = await actions.run(work(http(f"http://api.test:{server.port}/")))
            assert None not in (first.timings.name, first.timings.connect)
            assert (second.timings.name, second.timings.connect) == (None, None)
            for timings in (first.timings, second.timings):
                assert timings.first_byte is not None
                assert timings.first_byte > 0
                assert timings.body is not None
                assert timings.body >= 0

    run(scenario())


@pytest.mark.parametrize(
    ("status", "permanent"),
    [
        (400, True),
        (401, True),
        (404, True),
        (410, True),
        (408, False),
        (425, False),
        (429, False),
        (500, False),
        (503, False),
    ],
)
def test_4xx_is_for_good_and_408_425_429_5xx_are_tried_again(status: int, permanent: bool) -> None:
    async def scenario() -> None:
        async def answer(_: web.Request) -> web.StreamResponse:
            return web.Response(status=status, text="why", headers={"Retry-After": "7"})

        async with serving(answer) as server, acting(server.host) as actions:
            outcome = await actions.run(work(http(server.url)))
            assert (outcome.ok, outcome.code, outcome.permanent) == (False, "status", permanent)
            assert (outcome.response_status, outcome.response) == (status, "why")
            assert outcome.retry_after == (None if permanent else 7)

    run(scenario())


@pytest.mark.parametrize(
    ("success", "status", "fine"),
    [
        ("200-299", 204, True),
        ("200", 201, False),
        ("200,404", 404, True),
        ([200, "500-599"], 503, True),
        (404, 404, True),
    ],
)
def test_success_is_what_the_payload_says(success: Any, status: int, fine: bool) -> None:
    async def scenario() -> None:
        async def answer(_: web.Request) -> web.StreamResponse:
            return web.Response(status=status)

        async with serving(answer) as server, acting(server.host) as actions:
            assert actions.check("web_action", http(server.url, success=success)) == []
            assert (await actions.run(work(http(server.url, success=success)))).ok is fine

    run(scenario())


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("0", 0),
        ("120", 120),
        (" 5 ", 5),
        ("-5", None),
        ("1e3", None),
        ("soon", None),
        ("", None),
        ("99999999999999999999", RETRY_AFTER_MAX),
        ("9" * 5_000, RETRY_AFTER_MAX),
        ("999999999", RETRY_AFTER_MAX),
        ("٣", None),
        ("1000000", RETRY_AFTER_MAX),
        (format_datetime(NOW + timedelta(seconds=90), usegmt=True), 90),
        (format_datetime(NOW - timedelta(seconds=90), usegmt=True), None),
        ("Fri, 31 Dec 9999 23:59:59 GMT", RETRY_AFTER_MAX),
        ("Sun, 01 Mar 2026 12:00:30 +9999", None),
        (None, None),
    ],
)
def test_retry_after_is_read_in_both_forms_and_what_is_neither_is_ignored(
    value: str | None, seconds: float | None
) -> None:
    assert retry_after(value, NOW) == seconds


def test_a_long_response_is_kept_in_part_and_marked() -> None:
    async def scenario() -> None:
        async def long(_: web.Request) -> web.StreamResponse:
            return web.Response(text="é" * 100_000)

        async with serving(long) as server, acting(server.host) as actions:
            outcome = await actions.run(work(http(server.url)))
            assert outcome.ok
            assert outcome.response_truncated
            assert outcome.response is not None
            assert len(outcome.response.encode()) <= RESPONSE_KEPT

    run(scenario())


def test_a_redirect_is_a_failure_for_good_unless_it_was_asked_for() -> None:
    async def scenario() -> None:
        async def onward(request: web.Request) -> web.StreamResponse:
            n = int(request.path.strip("/"))
            return (
                web.Response(status=302, headers={"Location": f"/{n - 1}"}) if n else web.Response(text="end")
            )

        async with serving(onward) as server, acting(server.host) as actions:
            refused = await actions.run(work(http(f"{server.url}/1")))
            assert (refused.code, refused.permanent, refused.response_status) == ("redirect", True, 302)
            assert (await actions.run(work(http(f"{server.url}/5", follow_redirects=True)))).response == "end"
            endless = await actions.run(work(http(f"{server.url}/6", follow_redirects=True)))
            assert (endless.code, endless.permanent) == ("too_many_redirects", True)
            two = await actions.run(work(http(f"{server.url}/2", follow_redirects=1)))
            assert two.code == "too_many_redirects"

    run(scenario())


@pytest.mark.parametrize(
    ("status", "method", "body"),
    [(301, "GET", b""), (302, "GET", b""), (303, "GET", b""), (307, "POST", b"x"), (308, "POST", b"x")],
)
def test_a_redirect_keeps_or_drops_the_body_as_the_rfc_says(status: int, method: str, body: bytes) -> None:
    async def scenario() -> None:
        async def onward(request: web.Request) -> web.StreamResponse:
            if request.path == "/":
                return web.Response(status=status, headers={"Location": "/end"})
            return web.Response()

        async with serving(onward) as server, acting(server.host) as actions:
            assert (await actions.run(work(http(server.url, body="x", follow_redirects=True)))).ok
            assert (server.seen[1].method, server.seen[1].body) == (method, body)
            assert ("Content-Type" in server.seen[1].headers) is (body != b"")

    run(scenario())


def test_a_refused_connection_a_reset_and_an_unknown_name_are_tried_again() -> None:
    async def scenario() -> None:
        async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")

        async with raw(hang_up) as server, acting("127.0.0.1", "gone.test") as actions:
            reset = await actions.run(work(http(server.url)))
            assert (reset.code, reset.permanent) == ("reset", False)
            dns = await actions.run(work(http("http://gone.test/")))
            assert (dns.code, dns.permanent) == ("dns", False)
        async with acting("127.0.0.1") as actions:
            refused = await actions.run(work(http(server.url)))
            assert (refused.code, refused.permanent) == ("refused", False)

    run(scenario())


def test_a_certificate_that_is_not_trusted_is_a_failure_for_good() -> None:
    async def scenario() -> None:
        served = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        served.load_cert_chain(DATA / "self_signed.pem")
        trusting = ssl.create_default_context(cafile=DATA / "self_signed.pem")
        async with serving(ok, tls=served) as server:
            async with acting(server.host) as actions:
                outcome = await actions.run(work(http(server.url)))
                assert (outcome.code, outcome.permanent) == ("tls", True)
            async with acting(server.host, tls=trusting) as actions:
                assert (await actions.run(work(http(server.url)))).ok
            names = Names({"other.test": ("127.0.0.1",)})
            async with acting(server.host, tls=trusting, resolver=names) as actions:
                outcome = await actions.run(work(http(f"https://other.test:{server.port}/")))
                assert (outcome.code, outcome.permanent) == ("tls", True)

    run(scenario())


def test_all_problems_of_a_payload_are_told_at_once() -> None:
    found = problems(
        {
            "action": "http",
            "metod": "GET",
            "method": "FETCH",
            "url": "ftp://example.org/",
            "headers": {"Host": "x", "Bad Name": "1", "X-A": "1\r\nX-B: 2", "X-C": "1", "x-c": "2"},
            "query": {"q": {}},
            "timeout": 0.5,
            "success": "2xx",
            "follow_redirects": 9,
            "auth": {"type": "bearer"},
            "signing_secret": "whsec_abc",
        }
    )
    assert found == {
        "/metod": "unknown_field",
        "/method": "invalid_value",
        "/url": "invalid_url",
        "/headers/Host": "forbidden_header",
        "/headers/Bad Name": "invalid_header",
        "/headers/X-A": "invalid_header",
        "/headers/x-c": "invalid_header",
        "/query/q": "wrong_type",
        "/timeout": "invalid_value",
        "/success": "invalid_value",
        "/follow_redirects": "invalid_value",
        "/auth/token": "missing_field",
        "/signing_secret": "plain_secret",
    }


@pytest.mark.parametrize("success", [[], "", "200-199", "abc", True, 99, [200, None]])
def test_a_range_of_success_that_no_status_can_be_in_is_refused(success: Any) -> None:
    assert problems({**http("https://example.org/"), "success": success}) == {"/success": "invalid_value"}


def test_a_misspelt_field_is_told_with_the_nearest_known_one() -> None:
    async def scenario() -> None:
        async with acting() as actions:
            (problem,) = actions.check("web_action", http("https://example.org/", timout=3))
            assert "Did you mean 'timeout'?" in problem.message
            (problem,) = actions.check("web_action", {"action": "htp"})
            assert (problem.code, problem.pointer) == ("unknown_action", "/action")
            assert "Did you mean 'http'?" in problem.message

    run(scenario())


@pytest.mark.parametrize(
    "name",
    [
        "Host",
        "content-length",
        "Transfer-Encoding",
        "Connection",
        "Keep-Alive",
        "TE",
        "Trailer",
        "Upgrade",
        "Proxy-Authorization",
        "Idempotency-Key",
        "X-Rez-Attempt",
        "webhook-id",
    ],
)
def test_headers_of_the_connection_and_our_own_cannot_be_set(name: str) -> None:
    assert problems(http("https://example.org/", headers={name: "1"})) == {
        f"/headers/{name}": "forbidden_header"
    }


@pytest.mark.parametrize("value", ["a\r\nb", "a\nb", "a\rb", "a\0b", "a\x7fb", "\ud800"])
def test_a_header_cannot_be_smuggled_in(value: str) -> None:
    assert problems(http("https://example.org/", headers={"X-A": value})) == {
        "/headers/X-A": "invalid_header"
    }


@pytest.mark.parametrize(
    "url",
    [
        "",
        "example.org",
        "//example.org/",
        "file:///etc/passwd",
        "gopher://example.org/",
        "http://",
        "http:///path",
        "http://user:password@example.org/",
        "http://user@example.org/",
        "http://example.org:0/",
        "http://example.org:99999/",
        "http://example.org\\@127.0.0.1/",
        "http://exa mple.org/",
        "http://example.org/\r\nX: 1",
        "http://[::1/",
        "http://0x7f.1/",
        "http://2130706433/",
        "http://127.1/",
        "http://[fe80::1%25eth0]/",
        "http://example.org/" + "a" * 9_000,
    ],
)
def test_a_url_that_can_be_read_in_two_ways_is_refused(url: str) -> None:
    assert problems(http(url)) == {"/url": "invalid_url"}


def test_a_refused_url_is_not_repeated_since_it_may_hold_a_password() -> None:
    async def scenario() -> None:
        async with acting() as actions:
            payload = http("http://user:canary@example.org/")
            assert "canary" not in repr(actions.check("web_action", payload))
            assert "canary" not in repr(await actions.run(work(payload)))

    run(scenario())


def test_credentials_may_not_stand_in_the_payload() -> None:
    found = problems(http("https://example.org/", headers={"Authorization": "Bearer abc"}))
    assert found == {"/headers/Authorization": "plain_secret"}


def test_a_payload_that_was_never_checked_is_an_outcome_not_an_exception() -> None:
    async def scenario() -> None:
        async with acting() as actions:
            for payload in (
                {},
                {"action": 3},
                http("nowhere"),
                {"action": "http"},
                http("https://e.org/", body=float("nan")),
            ):
                outcome = await actions.run(work(payload))
                assert (outcome.code, outcome.permanent) == ("invalid_payload", True)
            outcome = await actions.run(work({}, "telegram"))
            assert outcome.code == "invalid_payload"

    run(scenario())


def test_the_lane_of_a_request_is_its_host_and_port() -> None:
    async def scenario() -> None:
        async with acting() as actions:
            targets = [
                actions.target("web_action", http(url))
                for url in (
                    "https://API.Example.org./x",
                    "http://example.org:8080/",
                    "http://[2606:4700::1]/",
                )
            ]
            assert targets == ["api.example.org:443", "example.org:8080", "[2606:4700::1]:80"]

    run(scenario())


def test_cookies_of_one_schedule_are_not_sent_for_another() -> None:
    async def scenario() -> None:
        async def baking(_: web.Request) -> web.StreamResponse:
            return web.Response(headers={"Set-Cookie": "session=1"})

        async with serving(baking) as server, acting(server.host) as actions:
            for _ in range(2):
                await actions.run(work(http(server.url)))
            assert all("Cookie" not in seen.headers for seen in server.seen)

    run(scenario())


def test_a_cancelled_attempt_is_cancelled_and_nothing_else() -> None:
    async def scenario() -> None:
        arrived = asyncio.Event()

        async def hang(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
            arrived.set()
            await asyncio.Event().wait()

        async with raw(hang) as server, acting(server.host, secrets=MemorySecrets()) as actions:
            task = asyncio.create_task(actions.run(work(http(server.url))))
            await arrived.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

    run(scenario())


def test_a_response_is_read_in_its_charset_and_never_fails_to_be_read() -> None:
    async def scenario() -> None:
        answers = {
            "/utf8": (b"\xc3\xa9", "text/plain", "é"),
            "/latin": (b"\xe9", "text/plain; charset=latin-1", "é"),
            "/unknown": (b"a\xe9", "text/plain; charset=klingon", "a\ufffd"),
            "/binary": (b"\xff\xfe\x00", "application/octet-stream", "\ufffd\ufffd\x00"),
        }

        async def answer(request: web.Request) -> web.StreamResponse:
            body, kind, _ = answers[request.path]
            return web.Response(body=body, headers={"Content-Type": kind})

        async with serving(answer) as server, acting(server.host) as actions:
            for path, (_, _, text) in answers.items():
                assert (await actions.run(work(http(server.url + path)))).response == text

    run(scenario())


def test_the_system_s_resolver_is_asked_for_names() -> None:
    async def scenario() -> None:
        async with serving(ok) as server, acting("127.0.0.1", resolver=SystemNames()) as actions:
            outcome = await actions.run(work(http(f"http://localhost:{server.port}/")))
            assert outcome.ok, outcome
            assert outcome.timings.name is not None
            outcome = await actions.run(work(http(f"http://{'a' * 70}.test/")))
            assert (outcome.code, outcome.permanent) == ("dns", False)

    run(scenario())


def test_work_that_is_run_outside_start_and_close_is_a_failure_not_an_exception() -> None:
    async def scenario() -> None:
        async with acting("127.0.0.1") as actions:
            pass
        outcome = await actions.run(work(http("http://127.0.0.1/")))
        assert (outcome.code, outcome.permanent) == ("internal_error", False)

    run(scenario())
