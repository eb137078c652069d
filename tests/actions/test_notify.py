"""Notifications: through named channels, to a real ntfy-style server."""

from __future__ import annotations

import asyncio
import base64
import json
import logging
import time
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from structlog.testing import capture_logs

from rez_agent.actions.build import read_actions_file
from rez_agent.actions.notify import AT_ONCE
from rez_agent.domain.errors import Invalid
from rez_agent.domain.secret import Secret
from tests.actions.hostile import HANGS, served_tls, standing
from tests.actions.support import Handler, MemorySecrets, Server, acting, ok, raw, run, serving, work

(DRIPPING,) = (hostile for hostile in HANGS if hostile.name == "drips a body")
TOKEN = "tk_canary0123456789"


def configured(tmp_path: Path, channels: str) -> Path:
    path = tmp_path / "actions.yaml"
    path.write_text(f"channels:\n{channels}", encoding="utf-8")
    return path


def note(**fields: Any) -> dict[str, Any]:
    return {"message": "Backup done"} | fields


def ntfy_yaml(server: Server, more: str = "") -> str:
    return f"  phone: {{type: ntfy, server: '{server.url}', topic: alerts{more}}}\n"


def test_a_fresh_machine_writes_notifications_to_the_log() -> None:
    async def scenario() -> None:
        async with acting() as actions:
            payload = note(title="Hi", priority="high", tags=["a"])
            assert actions.check("notification", payload) == []
            assert actions.target("notification", payload) == "notification:log"
            with capture_logs() as logs:
                assert (await actions.run(work(payload, "notification"))).ok
            (line,) = logs
            assert (line["event"], line["title"], line["message"]) == ("notification", "Hi", "Backup done")
            assert (line["priority"], line["tags"]) == ("high", ["a"])

    run(scenario())


def test_ntfy_gets_title_message_priority_and_tags(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with serving(ok) as server:
            path = configured(
                tmp_path, ntfy_yaml(server) + f"  plain: ntfy://{server.host}/topic2?tags=house\n"
            )
            async with acting(actions_file=path) as actions:
                payload = note(channel="phone", title="Nächtlich", priority=5, tags=["warning", "disk"])
                assert actions.check("notification", payload) == []
                assert actions.target("notification", payload) == "notification:phone"
                assert (await actions.run(work(payload, "notification"))).ok
                payload = note(channel="plain", priority="low", tags=["disk"])
                assert (await actions.run(work(payload, "notification"))).ok
        first, second = server.seen  # apprise sorts the tags
        assert json.loads(first.body) == {"topic": "alerts", "title": "Nächtlich", "message": "Backup done"}
        assert (first.headers["X-Priority"], first.headers["X-Tags"]) == ("max", "disk,warning")
        assert json.loads(second.body) == {"topic": "topic2", "message": "Backup done"}
        assert (second.headers["X-Priority"], second.headers["X-Tags"]) == ("low", "disk,house")

    run(scenario())


def test_ntfy_is_told_who_we_are_by_token_or_password(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with serving(ok) as server:
            secrets = MemorySecrets(Secret("NTFY", TOKEN, (server.host,)))
            for more, expected in (
                (", token: {secret: NTFY}", f"Bearer {TOKEN}"),
                (
                    ", username: ann, password: {secret: NTFY}",
                    "Basic " + base64.b64encode(f"ann:{TOKEN}".encode()).decode(),
                ),
            ):
                path = configured(tmp_path, ntfy_yaml(server, more))
                async with acting(actions_file=path, secrets=secrets) as actions:
                    outcome = await actions.run(work(note(channel="phone"), "notification"))
                    assert outcome.ok, outcome
                assert server.seen[-1].headers["Authorization"] == expected

    run(scenario())


def test_a_whole_address_may_be_secret(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with serving(ok) as server:
            path = configured(tmp_path, "  chat: {url: {secret: CHAT}}\n")
            url = f"ntfy://{server.host}/hidden-topic"
            secrets = MemorySecrets(Secret("CHAT", url, ("channel:chat",)))
            async with acting(actions_file=path, secrets=secrets) as actions:
                assert (await actions.run(work(note(channel="chat"), "notification"))).ok
                secrets.put(Secret("CHAT", url, ("channel:other",)))
                outcome = await actions.run(work(note(channel="chat"), "notification"))
                assert (outcome.code, outcome.permanent) == ("secret_host", True)
            assert len(server.seen) == 1

    run(scenario())


@pytest.mark.parametrize(
    ("status", "permanent"), [(400, True), (403, True), (302, True), (429, False), (500, False)]
)
def test_a_server_that_refuses_is_told_without_secrets(
    tmp_path: Path,
    status: int,
    permanent: bool,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    caplog.set_level(logging.DEBUG)

    async def scenario() -> None:
        async def refuse(_: web.Request) -> web.StreamResponse:
            error = {"error": f"bad token {TOKEN}", "code": status * 100 + 1}
            return web.json_response(error, status=status, headers={"Location": "/elsewhere"})

        async with serving(refuse) as server:
            secrets = MemorySecrets(Secret("NTFY", TOKEN, (server.host,)))
            path = configured(tmp_path, ntfy_yaml(server, ", token: {secret: NTFY}"))
            async with acting(actions_file=path, secrets=secrets) as actions:
                outcome = await actions.run(work(note(channel="phone"), "notification"))
        assert (outcome.code, outcome.response_status, outcome.permanent) == ("status", status, permanent)
        assert "bad token [secret]" in (outcome.error or "")
        assert "canary" not in repr(outcome) + caplog.text + "".join(capfd.readouterr())
        assert len(server.seen) == 1

    run(scenario())


def test_a_server_that_cannot_be_reached_is_tried_again(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with serving(ok) as server:
            path = configured(tmp_path, ntfy_yaml(server))
        async with acting(actions_file=path) as actions:
            outcome = await actions.run(work(note(channel="phone"), "notification"))
            assert (outcome.ok, outcome.code, outcome.permanent) == (False, "not_sent", False)

    run(scenario())


def test_a_channel_that_hangs_is_given_up_in_time_and_delays_no_other(tmp_path: Path) -> None:
    async def scenario() -> None:
        async def hang(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
            await reader.read()

        async with raw(hang) as slow, serving(ok) as good:
            text = ntfy_yaml(slow) + f"  good: ntfy://{good.host}/t\n"
            async with acting(actions_file=configured(tmp_path, text)) as actions:
                await actions.run(work(note(channel="good"), "notification"))  # apprise is imported
                begun = time.monotonic()
                hanging = [
                    asyncio.create_task(actions.run(work(note(channel="phone", timeout=1), "notification")))
                    for _ in range(20)
                ]
                assert (await actions.run(work(note(channel="good"), "notification"))).ok
                assert not any(task.done() for task in hanging)
                outcomes = await asyncio.gather(*hanging)
                assert time.monotonic() - begun < 10
                assert {(o.ok, o.permanent) for o in outcomes} == {(False, False)}

    run(scenario())


def matrix(base: str) -> Handler:
    """A Matrix server that says in its discovery document that it is elsewhere."""

    async def answer(request: web.Request) -> web.StreamResponse:
        if "/.well-known/" in request.path:
            return web.json_response({"m.homeserver": {"base_url": base}})
        return web.json_response({})

    return answer


@pytest.mark.parametrize("allow", [(), ("127.0.0.2",)])
def test_a_channel_is_led_to_no_address_that_its_operator_has_not_named(
    tmp_path: Path, allow: tuple[str, ...]
) -> None:
    async def scenario() -> None:
        async with serving(ok, everywhere=True, tls=served_tls()) as trap, AsyncExitStack() as stack:
            base = f"https://127.0.0.2:{trap.port}"
            door = await stack.enter_async_context(serving(matrix(base), tls=served_tls()))
            url = f"matrixs://ann:pass@{door.host}/room?discovery=yes&verify=no"
            async with acting(*allow, actions_file=configured(tmp_path, f"  chat: {url}\n")) as actions:
                outcome = await actions.run(work(note(channel="chat"), "notification"))
        assert any("/.well-known/" in seen.path for seen in door.seen)
        assert not outcome.ok
        if allow:
            assert trap.seen
        else:
            assert trap.seen == []
            assert (outcome.code, outcome.permanent) == ("forbidden_target", True)
            assert f"--allow-target 127.0.0.2:{trap.port}" in (outcome.error or "")

    run(scenario())


def test_a_channel_that_drips_for_ever_gives_its_threads_back(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with standing(DRIPPING) as place:
            text = f"  slow: {{type: ntfy, server: '{place.url}', topic: t}}\n"
            async with acting(actions_file=configured(tmp_path, text)) as actions:
                for _ in range(3):
                    outcomes = await asyncio.gather(
                        *(
                            actions.run(work(note(channel="slow", timeout=1), "notification"))
                            for _ in range(AT_ONCE)
                        )
                    )
                    assert {outcome.permanent for outcome in outcomes} == {False}
                while not place.left():
                    await asyncio.sleep(0.01)

    run(scenario())


@pytest.mark.parametrize(
    ("payload", "pointer", "code"),
    [
        ({}, "/message", "missing_field"),
        ({"message": " "}, "/message", "invalid_value"),
        ({"message": "x" * 20_000}, "/message", "invalid_value"),
        (note(channel="fone"), "/channel", "unknown_channel"),
        (note(channel="json://evil.example"), "/channel", "unknown_channel"),
        (note(priority="urgent"), "/priority", "invalid_value"),
        (note(priority=6), "/priority", "invalid_value"),
        (note(priority=[]), "/priority", "invalid_value"),
        (note(tags="a"), "/tags", "invalid_value"),
        (note(tags=["a,b"]), "/tags", "invalid_value"),
        (note(tags=["a\nX-Evil: 1"]), "/tags", "invalid_value"),
        (note(tags=["t"] * 21), "/tags", "invalid_value"),
        (note(titel="x"), "/titel", "unknown_field"),
        (note(timeout=0), "/timeout", "invalid_value"),
        (note(action="sms"), "/action", "unknown_action"),
    ],
)
def test_a_faulty_notification_is_refused(payload: dict[str, Any], pointer: str, code: str) -> None:
    async def scenario() -> None:
        async with acting() as actions:
            found = actions.check("notification", payload)
            assert [(problem.pointer, problem.code) for problem in found] == [(pointer, code)]
            assert (await actions.run(work(payload, "notification"))).code == "invalid_payload"

    run(scenario())


@pytest.mark.parametrize(
    ("channel", "line"),
    [
        ("x: 3", 2),
        ("x: nowhere", 2),
        ("x: {url: 3}", 2),
        ("x: {url: 'json://h', more: 1}", 2),
        ("x: {url: {secret: '../a'}}", 2),
        ("x: {type: ntfy}", 2),
        ("x: {type: ntfy, topic: 'a b'}", 2),
        ("x: {type: ntfy, topic: a, server: 'ftp://h'}", 2),
        ("x: {type: ntfy, topic: a, server: 'http://h/path'}", 2),
        ("x: {type: ntfy, topic: a, server: 'http://h:99999'}", 2),
        ("x: {type: ntfy, topic: a, token: plain}", 2),
        ("x: {type: ntfy, topic: a, username: ann}", 2),
        ("x: {type: ntfy, topic: a, token: {secret: A}, username: ann, password: {secret: A}}", 2),
        ("a b: json://h", 2),
        ("log: json://h", 2),
    ],
)
def test_a_faulty_channel_is_told_with_its_line(tmp_path: Path, channel: str, line: int) -> None:
    with pytest.raises(Invalid) as caught:
        read_actions_file(configured(tmp_path, f"  {channel}\n"))
    assert all(f"actions.yaml, line {line}:" in problem.message for problem in caught.value.problems)


def test_an_address_that_apprise_does_not_understand_is_a_failure_for_good(tmp_path: Path) -> None:
    async def scenario() -> None:
        path = configured(
            tmp_path, "  a: nosuchservice://x\n  b: tgram://canary\n  c: {url: {secret: GONE}}\n"
        )
        async with acting(actions_file=path) as actions:
            for channel, code in (
                ("a", "invalid_channel"),
                ("b", "invalid_channel"),
                ("c", "unknown_secret"),
            ):
                outcome = await actions.run(work(note(channel=channel), "notification"))
                assert (outcome.code, outcome.permanent) == (code, True)
                assert "canary" not in repr(outcome)

    run(scenario())
