"""Secrets as actions use them: sent to their hosts only, and never told to anybody."""

from __future__ import annotations

import asyncio
import base64
import json
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs, quote

import pytest
from aiohttp import web
from standardwebhooks.webhooks import Webhook, WebhookVerificationError
from structlog.testing import capture_logs

from rez_agent.actions.redact import MASK, WITHHELD, Redactor
from rez_agent.actions.signing import signature_headers, signing_key
from rez_agent.domain.action import Outcome
from rez_agent.domain.errors import Unavailable
from rez_agent.domain.secret import Secret, SecretInfo
from tests.actions.support import (
    DATA,
    MemorySecrets,
    Names,
    Seen,
    Server,
    acting,
    http,
    ok,
    run,
    serving,
    work,
)
from tests.steps import Steps

CANARY = 'canary/9+"é&=?'
LOCAL = ("127.0.0.1",)


def canary(*hosts: str) -> MemorySecrets:
    return MemorySecrets(Secret("CANARY", CANARY, hosts or LOCAL))


def ref(name: str = "CANARY") -> dict[str, str]:
    return {"secret": name}


async def sent(payload: dict[str, Any], secrets: MemorySecrets) -> tuple[Seen, Outcome]:
    """What a server sees of ``payload``, whose url is a path."""

    def now() -> datetime:
        return datetime.now(UTC)

    async with serving(ok) as server, acting("127.0.0.1", secrets=secrets, now=now) as actions:
        payload = payload | {"url": server.url + payload["url"]}
        assert actions.check("web_action", payload) == []
        outcome = await actions.run(work(payload))
        return server.seen[0], outcome


def test_bearer_basic_and_api_keys_arrive() -> None:
    secrets = MemorySecrets(Secret("TOKEN", "t0ken-value\n", LOCAL), Secret("USER", "ann-user", LOCAL))

    async def scenario() -> None:
        bearer = {"type": "bearer", "token": ref("TOKEN")}
        seen, _ = await sent(http("/", auth=bearer), secrets)
        assert seen.headers["Authorization"] == "Bearer t0ken-value"
        basic = {"type": "basic", "username": ref("USER"), "password": ref("TOKEN")}
        seen, _ = await sent(http("/", auth=basic), secrets)
        credential = base64.b64decode(seen.headers["Authorization"].removeprefix("Basic "))
        assert credential == b"ann-user:t0ken-value\n"
        key = {"type": "api_key", "name": "X-Api-Key", "value": ref("TOKEN")}
        seen, _ = await sent(http("/", auth=key), secrets)
        assert seen.headers["X-Api-Key"] == "t0ken-value"
        query = {"type": "api_key", "name": "key", "in": "query", "value": ref("TOKEN")}
        seen, _ = await sent(http("/?a=1", auth=query), secrets)
        assert seen.query == {"a": "1", "key": "t0ken-value\n"}
        seen, _ = await sent(http("/", headers={"X-Other": ref("TOKEN")}), secrets)
        assert seen.headers["X-Other"] == "t0ken-value"

    run(scenario())


@pytest.mark.parametrize(
    ("auth", "code"),
    [
        ({"type": "bearer", "token": "plain"}, "plain_secret"),
        ({"type": "bearer", "token": ref("CANRY")}, "unknown_secret"),
        ({"type": "bearer", "token": {"secret": "../x"}}, "invalid_secret_name"),
        ({"type": "berer", "token": ref()}, "invalid_value"),
        ({"type": "basic", "username": "a:b", "password": ref()}, "invalid_value"),
        ({"type": "api_key", "name": "Host", "value": ref()}, "forbidden_header"),
        ({"type": "bearer", "token": ref(), "scope": "x"}, "unknown_field"),
        ({"type": "oauth2", "grant": "implicit"}, "invalid_value"),
        ("bearer", "wrong_type"),
    ],
)
def test_a_faulty_auth_is_refused_when_the_schedule_is_created(auth: Any, code: str) -> None:
    async def scenario() -> None:
        async with acting(secrets=canary("example.org")) as actions:
            found = actions.check("web_action", http("https://example.org/", auth=auth))
            assert code in {problem.code for problem in found}
            assert all(problem.pointer.startswith("/auth") for problem in found)

    run(scenario())


@pytest.mark.parametrize(
    ("hosts", "url", "code"),
    [
        (("example.org",), "https://example.org/", None),
        (("example.org",), "https://EXAMPLE.org.:8443/", None),
        (("example.org:443",), "https://example.org/", None),
        (("example.org:443",), "https://example.org:444/", "secret_host"),
        (("example.org",), "https://api.example.org/", "secret_host"),
        (("*.example.org",), "https://api.example.org/", None),
        (("*.example.org",), "https://a.b.example.org/", None),
        (("*.example.org",), "https://example.org/", "secret_host"),
        (("*.example.org",), "https://evilexample.org/", "secret_host"),
        (("example.org",), "https://example.org.evil.test/", "secret_host"),
        (("example.org",), "http://example.org/", "insecure_secret"),
    ],
)
def test_a_secret_goes_only_to_its_hosts_and_only_encrypted(
    hosts: tuple[str, ...], url: str, code: str | None
) -> None:
    async def scenario() -> None:
        async with acting(secrets=canary(*hosts)) as actions:
            payload = http(url, auth={"type": "bearer", "token": ref()})
            codes = [problem.code for problem in actions.check("web_action", payload)]
            assert codes == ([code] if code else [])

    run(scenario())


def test_a_secret_that_is_bound_to_another_host_since_is_not_sent() -> None:
    async def scenario() -> None:
        secrets = canary()
        async with serving(ok) as server, acting("127.0.0.1", secrets=secrets) as actions:
            payload = http(server.url, auth={"type": "bearer", "token": ref()})
            assert actions.check("web_action", payload) == []
            secrets.put(Secret("CANARY", CANARY, ("example.org",)))
            outcome = await actions.run(work(payload))
            assert (outcome.code, outcome.permanent) == ("secret_host", True)
            assert server.seen == []

    run(scenario())


def test_a_redirect_to_another_host_carries_no_secret() -> None:
    async def scenario() -> None:
        secrets = canary("127.0.0.1", "key.test")
        async with serving(ok) as other:

            async def onward(request: web.Request) -> web.StreamResponse:
                place = f"{request.url.origin()}/same" if request.path == "/" else f"{other.url}/other"
                return web.Response(status=307, headers={"Location": place})

            async with serving(onward) as server, acting("127.0.0.1", secrets=secrets) as actions:
                payload = http(
                    server.url,
                    method="POST",
                    headers={"Cookie": "a=1", "X-Secret": ref(), "X-Plain": "1"},
                    auth={"type": "bearer", "token": ref()},
                    signing_secret=ref("SIGN"),
                    follow_redirects=True,
                )
                secrets.put(Secret("SIGN", "whsec_" + base64.b64encode(b"k" * 32).decode(), LOCAL))
                secrets.put(Secret("CANARY", "canary-of-redirects", LOCAL))
                assert (await actions.run(work(payload))).ok
                for seen in server.seen:
                    names = {"Authorization", "Cookie", "X-Secret", "webhook-signature"}
                    assert names <= seen.headers.keys()
                headers = other.seen[0].headers
                assert not {"Authorization", "Cookie", "X-Secret", "webhook-signature"} & headers.keys()
                assert headers["X-Plain"] == "1"
                assert "canary" not in repr(other.seen[0])

    run(scenario())


def test_a_request_with_a_secret_is_not_led_from_https_to_http() -> None:
    async def scenario() -> None:
        served = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        served.load_cert_chain(DATA / "self_signed.pem")
        trusting = ssl.create_default_context(cafile=DATA / "self_signed.pem")
        async with serving(ok) as plain:

            async def onward(_: web.Request) -> web.StreamResponse:
                return web.Response(status=302, headers={"Location": plain.url})

            async with (
                serving(onward, tls=served) as secure,
                acting("127.0.0.1", secrets=canary(), tls=trusting) as actions,
            ):
                auth = {"type": "api_key", "name": "key", "in": "query", "value": ref()}
                payload = http(secure.url, auth=auth, follow_redirects=True)
                outcome = await actions.run(work(payload))
                assert (outcome.code, outcome.permanent) == ("insecure_redirect", True)
                assert plain.seen == []
                del payload["auth"]
                assert (await actions.run(work(payload))).ok

    run(scenario())


def echoes() -> dict[str, str]:
    """Answers that repeat the canary in all the ways servers do."""
    return {
        "plain": f"you sent {CANARY}, right?",
        "json": json.dumps({"token": CANARY}),
        "json in utf-8": json.dumps({"token": CANARY}, ensure_ascii=False),
        "query": f"/?key={quote(CANARY, safe='')}",
        "path": f"/{quote(CANARY)}",
        "base64": base64.b64encode(CANARY.encode()).decode(),
        "within base64": base64.b64encode(f"ann:{CANARY}:x".encode()).decode(),
        "within urlsafe base64": base64.urlsafe_b64encode(f"user:{CANARY}!".encode()).decode(),
        "hex": CANARY.encode().hex(),
        "across the cut": "x" * 4090 + CANARY + "y" * 100,
        "across the window": "x" * (4096 + 8192 - 5) + CANARY + "y" * 100,
        "across the cut in base64": "x" * 4090 + base64.b64encode(CANARY.encode()).decode() + "y" * 5000,
        "many times": CANARY * 1000,
    }


@pytest.mark.parametrize("name", echoes())
@pytest.mark.parametrize("status", [200, 500])
def test_a_secret_that_a_server_repeats_is_not_kept(name: str, status: int) -> None:
    async def scenario() -> None:
        async def echo(_: web.Request) -> web.StreamResponse:
            return web.Response(status=status, text=echoes()[name])

        async with serving(echo) as server, acting("127.0.0.1", secrets=canary()) as actions:
            auth = {"type": "api_key", "name": "key", "in": "query", "value": ref()}
            with capture_logs() as logs:
                outcome = await actions.run(work(http(server.url, auth=auth)))
            assert_no_trace(repr(outcome) + repr(logs))
            assert outcome.response is not None

    run(scenario())


def assert_no_trace(text: str) -> None:
    raw = CANARY.encode()
    encoded = [base64.b64encode(b"\0" * n + raw).decode()[2:-4] for n in range(3)]
    pieces = [
        "canary",
        json.dumps(CANARY)[1:6],
        quote(CANARY)[:8],
        raw.hex()[:12],
        *(e[:10] for e in encoded),
    ]
    for piece in pieces:
        assert piece not in text, piece


def test_a_value_that_is_cut_off_by_a_broken_connection_leaves_no_beginning() -> None:
    redactor = Redactor(canary())
    for length in range(4, len(CANARY)):
        assert_no_trace(redactor.clean("tail " + CANARY[:length], cut=True))
    assert redactor.clean("nothing here") == "nothing here"


def test_many_and_long_secrets_are_looked_for_in_little_time() -> None:
    secrets = MemorySecrets(
        *(Secret(f"S{n}", f"value-{n}-{'x' * 40}", LOCAL) for n in range(300)),
        Secret("LONG", "ab" * 8_000, LOCAL),
    )
    redactor = Redactor(secrets)
    text = "ab" * 6_000 + "value-299-" + "x" * 40 + "value-77-xx"
    redactor.clean(text)  # the forms are made once
    with Steps() as steps:
        cleaned = redactor.clean(text, cut=True)
    assert steps.count < 100_000
    assert cleaned == "ab" * 6_000 + MASK + MASK


def test_a_secret_is_not_shown_by_repr_nor_kept_out_of_nothing() -> None:
    assert CANARY not in repr(canary().get("CANARY"))
    assert Redactor(MemorySecrets()).clean(CANARY) == CANARY
    assert Redactor(canary()).clean(f"a {CANARY} b") == f"a {MASK} b"


def test_a_store_of_secrets_that_fails_is_told_and_tried_again() -> None:
    class Damaged(MemorySecrets):
        def get(self, name: str) -> Secret | None:
            raise Unavailable(f"The file of the secret '{name}' is damaged.")

    async def scenario() -> None:
        async with serving(ok) as server, acting("127.0.0.1", secrets=Damaged()) as actions:
            payload = http(server.url, auth={"type": "bearer", "token": ref()})
            outcome = await actions.run(work(payload))
            assert (outcome.code, outcome.permanent) == ("unavailable", False)
            assert "damaged" in (outcome.error or "")
            assert server.seen == []

    run(scenario())


# Signatures


def test_signatures_are_accepted_by_the_reference_verifier() -> None:
    key = "whsec_" + base64.b64encode(bytes(range(32))).decode()
    secrets = MemorySecrets(Secret("SIGN", key, LOCAL))

    async def scenario() -> None:
        seen, outcome = await sent(http("/", body={"a": "ü"}, signing_secret=ref("SIGN")), secrets)
        assert outcome.ok
        headers = {name.lower(): value for name, value in seen.headers.items()}
        assert headers["webhook-id"] == "sch_1_20260301T120000Z"
        assert verify(key, headers, seen.body)
        assert not verify(key, headers, seen.body + b" ")
        assert not verify(key, headers | {"webhook-id": "other"}, seen.body)

    run(scenario())


def verify(key: str, headers: dict[str, str], body: bytes) -> bool:
    """Whether the reference implementation accepts the signature; it checks the time as well."""
    try:
        Webhook(key).verify(body, headers)
    except WebhookVerificationError:
        return False
    return True


def test_both_secrets_sign_while_one_replaces_the_other() -> None:
    keys = ["whsec_" + base64.b64encode(bytes([n] * 24)).decode() for n in (1, 2)]
    secrets = MemorySecrets(Secret("NEW", keys[0], LOCAL), Secret("OLD", keys[1], LOCAL))

    async def scenario() -> None:
        payload = http("/", body=[1], signing_secret=[ref("NEW"), ref("OLD")])
        seen, _ = await sent(payload, secrets)
        headers = {name.lower(): value for name, value in seen.headers.items()}
        assert len(headers["webhook-signature"].split(" ")) == 2
        assert all(verify(key, headers, seen.body) for key in keys)

    run(scenario())


def test_a_signing_secret_that_is_not_base64_is_refused() -> None:
    async def scenario() -> None:
        secrets = MemorySecrets(Secret("SIGN", "not base64!", LOCAL))
        async with serving(ok) as server, acting("127.0.0.1", secrets=secrets) as actions:
            payload = http(server.url, signing_secret=ref("SIGN"))
            (problem,) = actions.check("web_action", payload)
            assert (problem.code, problem.pointer) == ("invalid_secret", "/signing_secret/secret")
            outcome = await actions.run(work(payload))
            assert (outcome.code, outcome.permanent) == ("invalid_secret", True)

    run(scenario())


def test_an_id_holds_no_full_stop() -> None:
    headers = signature_headers([signing_key("YWJjZA==")], "a.b.c", 1, b"")
    assert headers["webhook-id"] == "a-b-c"


# OAuth 2


class TokenServer:
    """A token endpoint and the resource behind it, on one server."""

    def __init__(self) -> None:
        self.fetches: list[dict[str, list[str]]] = []
        self.authorizations: list[str | None] = []
        self.expires_in: Any = 3600
        self.refused: set[str] = set()
        self.status = 200
        self.gate = asyncio.Event()
        self.gate.set()

    async def __call__(self, request: web.Request) -> web.StreamResponse:
        if request.path != "/token":
            token = request.headers.get("Authorization", "")
            return web.Response(status=401 if token in self.refused else 200, text=token)
        await self.gate.wait()
        self.fetches.append(parse_qs(await request.text()))
        self.authorizations.append(request.headers.get("Authorization"))
        if self.status != 200:
            return web.json_response({"error": "invalid_client", "hint": CANARY}, status=self.status)
        token = f"access-token-{len(self.fetches)}"
        return web.json_response(
            {"access_token": token, "token_type": "Bearer", "expires_in": self.expires_in}
        )


class Clock:
    def __init__(self) -> None:
        self.time = 1000.0

    def __call__(self) -> float:
        return self.time


@asynccontextmanager
async def granted(
    tokens: TokenServer, clock: Clock, **fields: Any
) -> AsyncIterator[tuple[Any, dict[str, Any], Server]]:
    auth = {
        "type": "oauth2",
        "grant": "client_credentials",
        "client_id": "me",
        "client_secret": ref(),
    } | fields
    async with serving(tokens) as server, acting("127.0.0.1", secrets=canary(), monotonic=clock) as actions:
        payload = http(f"{server.url}/data", auth={"token_url": f"{server.url}/token"} | auth)
        assert actions.check("web_action", payload) == []
        yield actions, payload, server


def test_a_token_is_fetched_once_and_used_until_shortly_before_it_expires() -> None:
    async def scenario() -> None:
        tokens, clock = TokenServer(), Clock()
        async with granted(tokens, clock, scope="read write", audience="api") as (actions, payload, server):
            for _ in range(3):
                assert (await actions.run(work(payload))).ok
            assert tokens.fetches == [
                {"grant_type": ["client_credentials"], "scope": ["read write"], "audience": ["api"]}
            ]
            basic = base64.b64decode((tokens.authorizations[0] or "").removeprefix("Basic "))
            assert basic == f"me:{quote(CANARY, safe='')}".encode()
            assert server.seen[-1].headers["Authorization"] == "Bearer access-token-1"
            clock.time += 3600 - 31
            await actions.run(work(payload))
            assert len(tokens.fetches) == 1
            clock.time += 2
            await actions.run(work(payload))
            assert len(tokens.fetches) == 2

    run(scenario())


class Away(MemorySecrets):
    """Secrets that can't be reached."""

    def names(self) -> list[SecretInfo]:
        raise Unavailable("Secrets can't be read now.")


@pytest.mark.parametrize("status", [200, 500])
def test_what_an_attempt_came_to_counts_although_its_text_cannot_be_cleaned(status: int) -> None:
    async def scenario() -> None:
        async def echo(_: web.Request) -> web.StreamResponse:
            return web.Response(status=status, text=CANARY, reason=CANARY)

        async with serving(echo) as server, acting(server.host, secrets=Away()) as actions:
            outcome = await actions.run(work(http(server.url)))
        assert (outcome.ok, outcome.response_status) == (status == 200, status)
        assert outcome.response == WITHHELD
        assert CANARY not in repr(outcome)

    run(scenario())


def test_a_token_endpoint_that_asks_to_be_left_alone_is_left_alone() -> None:
    async def scenario() -> None:
        async def busy(_: web.Request) -> web.StreamResponse:
            return web.Response(status=429, headers={"Retry-After": "45"})

        async def gone(_: web.Request) -> web.StreamResponse:
            return web.Response(status=400, headers={"Retry-After": "45"})

        for answer, permanent, wait in ((busy, False, 45), (gone, True, None)):
            async with serving(answer) as server, acting("127.0.0.1", secrets=canary()) as actions:
                auth = {"type": "oauth2", "grant": "client_credentials", "token_url": server.url}
                payload = http("http://127.0.0.1:9/", auth=auth | {"client_id": "me", "client_secret": ref()})
                outcome = await actions.run(work(payload))
                assert (outcome.code, outcome.permanent) == ("auth", permanent)
                assert outcome.retry_after == wait

    run(scenario())


def test_the_password_grant_sends_user_and_password() -> None:
    async def scenario() -> None:
        tokens, clock = TokenServer(), Clock()
        fields: dict[str, Any] = {
            "grant": "password",
            "username": "ann",
            "password": ref(),
            "client_auth": "body",
        }
        async with granted(tokens, clock, **fields) as (actions, payload, _):
            assert (await actions.run(work(payload))).ok
            assert tokens.fetches == [
                {
                    "grant_type": ["password"],
                    "client_id": ["me"],
                    "client_secret": [CANARY],
                    "username": ["ann"],
                    "password": [CANARY],
                }
            ]
            assert tokens.authorizations == [None]

    run(scenario())


def test_many_attempts_share_one_fetch() -> None:
    async def scenario() -> None:
        tokens, clock = TokenServer(), Clock()
        tokens.gate.clear()
        async with granted(tokens, clock) as (actions, payload, _):
            attempts = [asyncio.create_task(actions.run(work(payload))) for _ in range(50)]
            await asyncio.sleep(0)
            attempts[0].cancel()
            tokens.gate.set()
            outcomes = await asyncio.gather(*attempts, return_exceptions=True)
            assert isinstance(outcomes[0], asyncio.CancelledError)
            assert all(isinstance(o, Outcome) and o.ok for o in outcomes[1:])
            assert len(tokens.fetches) == 1

    run(scenario())


def test_a_token_that_is_refused_is_fetched_anew_once() -> None:
    async def scenario() -> None:
        tokens, clock = TokenServer(), Clock()
        async with granted(tokens, clock) as (actions, payload, _):
            assert (await actions.run(work(payload))).ok
            tokens.refused = {"Bearer access-token-1"}
            assert (await actions.run(work(payload))).ok
            assert len(tokens.fetches) == 2
            tokens.refused = {f"Bearer access-token-{n}" for n in range(9)}
            outcome = await actions.run(work(payload))
            assert (outcome.code, outcome.response_status, outcome.permanent) == ("status", 401, True)
            assert len(tokens.fetches) == 3

    run(scenario())


@pytest.mark.parametrize(("status", "permanent"), [(400, True), (401, True), (429, False), (503, False)])
def test_a_token_endpoint_that_refuses_is_told_without_its_answer(status: int, permanent: bool) -> None:
    async def scenario() -> None:
        tokens, clock = TokenServer(), Clock()
        tokens.status = status
        async with granted(tokens, clock) as (actions, payload, server):
            outcome = await actions.run(work(payload))
            assert (outcome.code, outcome.permanent) == ("auth", permanent)
            assert "invalid_client" in (outcome.error or "")
            assert_no_trace(repr(outcome))
            assert all(seen.path == "/token" for seen in server.seen)

    run(scenario())


def test_a_token_is_neither_kept_in_the_ledger_nor_given_to_a_host_that_the_secret_is_not_for() -> None:
    async def scenario() -> None:
        tokens, clock = TokenServer(), Clock()
        async with granted(tokens, clock) as (actions, payload, server):
            assert (await actions.run(work(payload))).response == f"Bearer {MASK}"
            names = Names({"thief.test": ("127.0.0.1",)})
            async with acting("127.0.0.1", "thief.test", secrets=canary(), resolver=names) as others:
                stolen = payload | {"url": f"http://thief.test:{server.port}/"}
                assert [p.code for p in others.check("web_action", stolen)] == ["secret_host"]
                outcome = await others.run(work(stolen))
                assert outcome.code == "secret_host"
                assert len(tokens.fetches) == 1

    run(scenario())


def test_the_token_endpoint_goes_through_the_guard() -> None:
    async def scenario() -> None:
        tokens, clock = TokenServer(), Clock()
        secrets = MemorySecrets(Secret("CANARY", CANARY, ("127.0.0.1", "meta.test")))
        names = Names({"meta.test": ("169.254.169.254",)})
        async with (
            serving(tokens) as server,
            acting(server.host, secrets=secrets, monotonic=clock, resolver=names) as actions,
        ):
            auth = {
                "type": "oauth2",
                "grant": "client_credentials",
                "token_url": "https://meta.test/token",
                "client_id": "me",
                "client_secret": ref(),
            }
            outcome = await actions.run(work(http(server.url, auth=auth)))
            assert (outcome.code, outcome.permanent) == ("forbidden_target", True)
            assert "meta.test" in (outcome.error or "")
            assert server.seen == []

    run(scenario())
