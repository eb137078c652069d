"""The guard, by every way that leads out: URLs that can be read in two ways, redirects, tokens, the
catalogue, names that change, on both hosts; and that these tests would find a guard with a hole."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

import pytest
from aiohttp import web
from botocore.exceptions import EndpointConnectionError
from yarl import URL

from rez_agent.actions.addresses import AllowList, plain_name
from rez_agent.actions.exchange import Response
from rez_agent.actions.guarded_http import Flight, GuardedHttp
from rez_agent.actions.registry import Actions
from rez_agent.aws.build import build as build_aws
from rez_agent.aws.settings import SWEEP, AwsSettings
from rez_agent.domain.action import Outcome
from rez_agent.domain.secret import Secret
from rez_agent.local.build import build as build_local
from rez_agent.local.settings import LocalSettings
from tests.actions.spellings import FORBIDDEN_V4, FORBIDDEN_V6, forbidden_hosts, forbidden_urls
from tests.actions.ssrf import SENTINEL, DnsNames, Rebinding, closing, dns, guarded, trap
from tests.actions.support import MemorySecrets, Names, Server, acting, http, run, serving, work
from tests.aws.test_settings import WHOLE

REFUSED = {"forbidden_target", "invalid_payload", "dns", "redirect", "invalid_url", "auth"}
ADDRESSES = [*FORBIDDEN_V4, *(text for text in FORBIDDEN_V6 if "%" not in text)]
Ask = Callable[[str], Awaitable[Outcome]]


async def none_is_connected_to(urls: list[str], ask: Ask, trapped: Server, but: set[int]) -> None:
    """No URL leads to a connection, except to the ports ``but`` of servers that may be asked."""
    with SENTINEL.listening() as heard:
        for url in urls:
            outcome = await ask(url)
            assert not outcome.ok, url
            assert outcome.code in REFUSED, (url, outcome)
        await asyncio.sleep(0)
    assert {address[1] for address in heard} <= but
    assert trapped.seen == []


def all_urls(port: int) -> list[str]:
    """Every URL that must lead nowhere."""
    hosts = (f"http://{host}:{port}/" for host in forbidden_hosts())
    return list(dict.fromkeys([*hosts, *forbidden_urls(port)]))


def names() -> Names:
    """Names as the system's resolver reads them, with what every machine knows."""
    return Names({"localhost": ("127.0.0.1", "::1")})


def test_there_are_hundreds_of_urls() -> None:
    assert len(all_urls(80)) > 700


def test_no_url_that_can_be_read_in_two_ways_is_connected_to() -> None:
    async def scenario() -> None:
        async with trap() as server, acting(resolver=names()) as actions:

            async def ask(url: str) -> Outcome:
                return await actions.run(work(http(url)))

            await none_is_connected_to(forbidden_urls(server.port), ask, server, set())

    run(scenario())


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_no_redirect_that_can_be_read_in_two_ways_is_followed(status: int) -> None:
    async def scenario() -> None:
        async with trap() as trapped, led() as (door, lead), acting(door.host, resolver=names()) as actions:

            async def ask(url: str) -> Outcome:
                lead(status, url)
                return await actions.run(work(http(door.url, follow_redirects=True)))

            urls = [url for url in forbidden_urls(trapped.port) if fits_a_header(url) and leads_away(url)]
            assert len(urls) > 100
            await none_is_connected_to(urls, ask, trapped, {door.port})

    run(scenario())


def fits_a_header(url: str) -> bool:
    return url.isprintable() and url.strip() == url


def leads_away(url: str) -> bool:
    """Whether it is not a path at the place from which it is followed (RFC 3986, 5.2)."""
    return not url.startswith(
        ("http:\\", "http:/1", "http:/l", "http:/[", "http:1", "http:l", "http:[", "http:///")
    )


@asynccontextmanager
async def led() -> AsyncIterator[tuple[Server, Callable[[int, str], None]]]:
    """A server that leads where it is told."""
    there = [(302, "/")]

    async def onward(_: web.Request) -> web.StreamResponse:
        status, location = there[0]
        return web.Response(status=status, headers={"Location": location})

    async with serving(onward) as server:
        yield server, lambda status, url: there.__setitem__(0, (status, url))


def test_no_token_is_fetched_from_a_forbidden_address() -> None:
    async def scenario() -> None:
        secrets, codes = MemorySecrets(), list[str]()
        async with trap() as server, acting(resolver=names(), secrets=secrets) as actions:

            async def ask(host: str) -> Outcome:
                bound = plain_name(URL(f"https://{host}/").raw_host or "") if "%" not in host else host
                secrets.put(Secret("KEY", "key-value", (bound, f"{bound}:{server.port}", "example.org")))
                auth = {"type": "oauth2", "grant": "client_credentials", "client_id": "me"}
                auth["token_url"] = f"https://{host}:{server.port}/"
                payload = http("https://example.org/", auth=auth | {"client_secret": {"secret": "KEY"}})
                outcome = await actions.run(work(payload))
                codes.append(outcome.code)
                return outcome

            await none_is_connected_to(forbidden_hosts(), ask, server, set())
            assert codes.count("forbidden_target") >= 200, codes

    run(scenario())


CATALOGUE = """
actions:
  anywhere:
    description: Calls what it is told.
    parameters: {type: object, properties: {host: {type: string}}, required: [host]}
    method: GET
    url: "http://{{ host }}:PORT/"
"""


def test_no_entry_of_the_catalogue_leads_to_a_forbidden_address(tmp_path: Path) -> None:
    async def scenario() -> None:
        file = tmp_path / "actions.yaml"
        async with trap() as server:
            file.write_text(CATALOGUE.replace("PORT", str(server.port)))
            async with acting(resolver=names(), actions_file=file) as actions:

                async def ask(host: str) -> Outcome:
                    return await actions.run(work({"action": "anywhere", "host": host}))

                await none_is_connected_to(forbidden_hosts(), ask, server, set())

    run(scenario())


# --- names ---


def test_a_name_with_good_and_bad_addresses_leads_to_the_good_one_alone() -> None:
    async def scenario() -> None:
        async with serving(closing, everywhere=True) as server:
            for bad in ADDRESSES:
                table = {"mixed.test": (bad, "127.0.0.2", bad)}
                async with guarded(AllowList([f"127.0.0.2:{server.port}"]), Names(table)) as action:
                    with SENTINEL.listening() as heard:
                        outcome = await action.run(work(http(f"http://mixed.test:{server.port}/")))
                assert outcome.ok, (bad, outcome)
                assert {address[0] for address in heard} == {"127.0.0.2"}
            assert len(server.seen) == len(ADDRESSES)

    run(scenario())


async def bound_anew(dns_port: int, kind: type[GuardedHttp]) -> tuple[set[str], list[str], list[Outcome]]:
    """Names that are good at first and then bad, directly, by CNAME and as a redirect's: what was connected
    to, what was asked for, and how the attempts ended."""
    resolver = DnsNames(dns_port)
    async with serving(anew, everywhere=True) as server:
        async with guarded(AllowList([f"127.0.0.2:{server.port}"]), resolver, kind) as action:
            with SENTINEL.listening() as heard:
                outcomes = [
                    await action.run(
                        work(http(f"http://{start}{n}.test:{server.port}/", follow_redirects=True))
                    )
                    for n in range(len(ADDRESSES))
                    for start in ("bound", "bound", "cname", "cname", "led")
                ]
        there = {str(address[0]) for address in heard if address[1] == server.port}
        return there, [f"{seen.headers['Host']}{seen.path}" for seen in server.seen], outcomes


async def anew(request: web.Request) -> web.StreamResponse:
    """Answers; a name that leads elsewhere is led to the name that changes."""
    if request.host.startswith("led"):
        return web.Response(status=307, headers={"Location": f"http://turned{request.host[3:]}/"})
    return web.Response(text="ok", headers={"Connection": "close"})


def turning() -> Rebinding:
    """A DNS server of names that turn from good to bad: one of each for each forbidden address."""
    table: dict[str, list[str]] = {}
    for n, bad in enumerate(ADDRESSES):
        table[f"bound{n}.test"] = ["127.0.0.2", bad]
        table[f"cname{n}.test"] = [f"alias{n}.test"]
        table[f"alias{n}.test"] = [f"end{n}.test"]
        table[f"end{n}.test"] = ["127.0.0.2", bad]
        table[f"led{n}.test"] = ["127.0.0.2"]
        table[f"turned{n}.test"] = [bad]
    return Rebinding(table)


def test_a_name_that_turns_from_good_to_bad_reaches_only_the_good_address() -> None:
    with dns(turning()) as port:
        there, seen, outcomes = run(bound_anew(port, GuardedHttp))
    assert there == {"127.0.0.2"}
    assert len(seen) == 3 * len(ADDRESSES)
    assert [o.code for o in outcomes] == [*["ok", "forbidden_target"] * 2, "forbidden_target"] * len(
        ADDRESSES
    )


# --- both hosts ---


class Away:
    """A cloud that can't be reached."""

    def __getattr__(self, name: str) -> Any:
        return self

    def __call__(self, *_: Any, **__: Any) -> Any:
        raise EndpointConnectionError(endpoint_url="https://cloud.test/")


def actions_of(host: str, path: Path) -> Actions:
    """The actions as the host's own composition root makes them."""
    if host == "aws":
        return build_aws(AwsSettings.from_environment(WHOLE, SWEEP), clients=cast("Any", Away())).actions
    return build_local(LocalSettings(data_dir=path)).actions


@pytest.mark.parametrize("host", ["local", "aws"])
def test_both_hosts_have_the_guard(host: str, tmp_path: Path) -> None:
    async def scenario() -> None:
        actions = actions_of(host, tmp_path)
        await actions.start()
        try:
            async with trap() as server:

                async def ask(url: str) -> Outcome:
                    return await actions.run(work(http(url)))

                hosts = [f"http://{text}:{server.port}/" for text in forbidden_hosts() if text.isascii()]
                await none_is_connected_to([*hosts, f"http://localhost:{server.port}/"], ask, server, set())
        finally:
            await actions.close()

    run(scenario())


# --- what the tests above can find: holes, planted ---


class ChecksBefore(GuardedHttp):
    """Resolves a name and judges what it finds; then the name is resolved again, to connect."""

    async def _judged(self, flight: Flight, url: URL) -> None:
        assert self._resolver is not None
        for found in await self._resolver.resolve(flight.host, flight.port, socket.AF_UNSPEC):
            why = self.allowed.refusal(flight.host, found["host"], flight.port)
            if why:
                flight.refused = (found["host"], why)
                raise PermissionError(why)

    async def _send(self, flight: Flight, url: URL, *rest: Any) -> Response:
        await self._judged(flight, url)
        return await super().send(flight, "GET", url, *rest)

    def send(self, flight: Flight, method: str, url: URL, *rest: Any) -> Awaitable[Response]:
        return self._send(flight, url, *rest)

    def _make_socket(self, info: Any) -> socket.socket:
        return socket.socket(*info[:3])


class TrustsRedirects(GuardedHttp):
    """Judges where a request is sent, and no longer where it is led."""

    def send(self, flight: Flight, method: str, url: URL, *rest: Any) -> Awaitable[Response]:
        self._led = flight.host.startswith("turned")
        return super().send(flight, method, url, *rest)

    def _make_socket(self, info: Any) -> socket.socket:
        return socket.socket(*info[:3]) if self._led else super()._make_socket(info)


@pytest.mark.parametrize("hole", [ChecksBefore, TrustsRedirects])
def test_a_guard_with_a_hole_would_be_found(hole: type[GuardedHttp]) -> None:
    async def scenario(dns_port: int) -> set[str]:
        async with asyncio.timeout(30):
            there, _, _ = await bound_anew(dns_port, hole)
        return there

    with dns(on_loopback()) as port:
        assert not run(scenario(port)) <= {"127.0.0.2"}


def on_loopback() -> Rebinding:
    """The same names, but the bad addresses are all this machine's own: they can be reached."""
    table: dict[str, list[str]] = {}
    for n in range(len(ADDRESSES)):
        table[f"bound{n}.test"] = table[f"cname{n}.test"] = ["127.0.0.2", "127.0.0.1"]
        table[f"led{n}.test"], table[f"turned{n}.test"] = ["127.0.0.2"], ["127.0.0.1"]
    return Rebinding(table)
