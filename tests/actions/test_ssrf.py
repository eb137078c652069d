"""The guard: no connection to a forbidden address, however it is written, redirected to or resolved.

What is connected to is told by the interpreter itself (the audit event ``socket.connect``), and a trap
listens on every address of this machine.
"""

from __future__ import annotations

import asyncio
import socket
from ipaddress import ip_address

import pytest
from aiohttp import web

from rez_agent.actions.addresses import AllowList, why_refused
from rez_agent.domain.errors import Invalid
from tests.actions.spellings import FORBIDDEN_V4, FORBIDDEN_V6, forbidden_hosts
from tests.actions.ssrf import SENTINEL, DnsNames, Rebinding, closing, dns, guarded, trap
from tests.actions.support import (
    Names,
    acting,
    http,
    ok,
    run,
    serving,
    work,
)

CODES = {"forbidden_target", "invalid_payload", "dns", "redirect", "invalid_url"}


def test_there_are_at_least_300_spellings() -> None:
    assert len(forbidden_hosts()) >= 300


def test_no_spelling_of_a_forbidden_address_is_connected_to() -> None:
    async def scenario() -> None:
        async with trap() as server, acting(resolver=Names()) as actions:
            with SENTINEL.listening() as heard:
                for host in forbidden_hosts():
                    payload = http(f"http://{host}:{server.port}/")
                    outcome = await actions.run(work(payload))
                    assert not outcome.ok, host
                    assert outcome.permanent or outcome.code == "dns", (host, outcome)
                    assert outcome.code in CODES, (host, outcome)
            assert heard == []
            assert server.seen == []

    run(scenario())


def test_no_redirect_leads_to_a_forbidden_address() -> None:
    async def scenario() -> None:
        locations: list[str] = []

        async def onward(_: web.Request) -> web.StreamResponse:
            return web.Response(status=307, headers={"Location": locations[-1]})

        async with trap() as trapped, serving(onward) as door, acting(door.host, resolver=Names()) as actions:
            with SENTINEL.listening() as heard:
                for host in forbidden_hosts():
                    locations.append(f"http://{host}:{trapped.port}/")
                    outcome = await actions.run(work(http(door.url, follow_redirects=True)))
                    assert not outcome.ok, host
                    assert outcome.code in CODES, (host, outcome)
            assert {address[:2] for address in heard} == {("127.0.0.1", door.port)}
            assert trapped.seen == []
            assert len(door.seen) == len(locations)

    run(scenario())


def test_no_name_leads_to_a_forbidden_address() -> None:
    async def scenario() -> None:
        addresses = [*FORBIDDEN_V4, *(text for text in FORBIDDEN_V6 if "%" not in text)]
        table: dict[str, tuple[str, ...]] = {
            f"name{number}.test": (address,) for number, address in enumerate(addresses)
        }
        table["mixed.test"] = ("127.0.0.1", "::1", "10.0.0.1", "169.254.169.254")
        async with trap() as server, acting(resolver=Names(table)) as actions:
            with SENTINEL.listening() as heard:
                for name in table:
                    outcome = await actions.run(work(http(f"http://{name}:{server.port}/")))
                    assert (outcome.code, outcome.permanent) == ("forbidden_target", True), (name, outcome)
                    assert f"--allow-target {name}:{server.port}" in (outcome.error or "")
            assert heard == []
            assert server.seen == []

    run(scenario())


def test_a_name_that_is_bound_anew_reaches_only_what_is_allowed() -> None:
    async def scenario(rebinding: Rebinding, dns_port: int) -> None:
        async with serving(closing, everywhere=True) as server:
            allowed = AllowList([f"127.0.0.2:{server.port}"])
            async with guarded(allowed, DnsNames(dns_port)) as action:
                with SENTINEL.listening() as heard:
                    outcomes = [
                        await action.run(work(http(f"http://rebind.test:{server.port}/{n}")))
                        for n in range(60)
                    ]
            assert [o.code for o in outcomes] == ["ok", "forbidden_target", "forbidden_target"] * 20
            assert {address[0] for address in heard if address[1] == server.port} == {"127.0.0.2"}
            assert len(server.seen) == 20

    rebinding = Rebinding({"rebind.test": ["127.0.0.2", "127.0.0.1", "169.254.169.254"]})
    with dns(rebinding) as port:
        run(scenario(rebinding, port))
    assert rebinding.asked == 60


def test_an_exception_for_a_name_serves_no_other_name() -> None:
    async def scenario() -> None:
        names = Names({"friend.test": ("127.0.0.3",), "foe.test": ("127.0.0.3",)})
        async with serving(ok, everywhere=True) as server:
            base = server.port
            async with guarded(AllowList([f"friend.test:{base}"]), names) as action:

                async def ask(host: str) -> str:
                    return (await action.run(work(http(f"http://{host}:{base}/")))).code

                hosts = ["friend.test", "foe.test", "127.0.0.3", "FRIEND.test.", "localhost"] * 20
                names.table["localhost"] = ("127.0.0.1",)
                codes = await asyncio.gather(*map(ask, hosts))
            by_host = {host: {c for h, c in zip(hosts, codes, strict=True) if h == host} for host in hosts}
            assert by_host == {
                "friend.test": {"ok"},
                "FRIEND.test.": {"ok"},
                "foe.test": {"forbidden_target"},
                "127.0.0.3": {"forbidden_target"},
                "localhost": {"forbidden_target"},
            }
            assert len(server.seen) == 40

    run(scenario())


def test_an_allowed_name_cannot_redirect_to_another_name_at_the_same_address() -> None:
    async def scenario() -> None:
        names = Names({"friend.test": ("127.0.0.3",), "foe.test": ("127.0.0.3",)})

        async def onward(request: web.Request) -> web.StreamResponse:
            if request.path == "/start":
                return web.Response(
                    status=302, headers={"Location": f"http://foe.test:{request.url.port}/end"}
                )
            return web.Response(text="reached")

        async with serving(onward, everywhere=True) as server:
            async with guarded(AllowList([f"friend.test:{server.port}"]), names) as action:
                payload = http(f"http://friend.test:{server.port}/start", follow_redirects=True)
                outcome = await action.run(work(payload))
            assert outcome.code == "forbidden_target"
            assert [seen.path for seen in server.seen] == ["/start"]

    run(scenario())


def has_ipv6_loopback() -> bool:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        return False
    return True


def controls(port: int) -> list[tuple[str, str]]:
    """Exceptions, and URLs that they allow."""
    url = f"http://{{}}:{port}/"
    found = [(f"127.0.0.{n}", url.format(f"127.0.0.{n}")) for n in range(1, 11)]
    found += [(f"127.0.1.{n}:{port}", url.format(f"127.0.1.{n}")) for n in range(1, 11)]
    found += [("127.0.0.0/8", url.format(f"127.{n}.0.1")) for n in range(10)]
    found += [(f"127.0.0.0/8:{port}", url.format(f"127.0.{n}.7")) for n in range(5)]
    found += [("localhost", url.format(name)) for name in ("localhost", "LOCALHOST", "localhost.")]
    found += [(f"host{n}.test", url.format(f"host{n}.test")) for n in range(5)]
    found += [(f"Host{n}.TEST:{port}", url.format(f"HOST{n}.test")) for n in range(5)]
    found += [("127.0.0.9", url.format("host9.test")), ("xn--bcher-kva.test", url.format("bücher.test"))]
    return found


def test_50_allowed_targets_are_reached() -> None:
    async def scenario() -> None:
        table = {f"host{n}.test": (f"127.0.0.{n}",) for n in range(1, 10)} | {"host0.test": ("127.9.9.9",)}
        table |= {"localhost": ("127.0.0.1",), "xn--bcher-kva.test": ("127.0.0.1",)}
        async with serving(ok, everywhere=True) as server:
            tried = controls(server.port)
            assert len(tried) >= 50
            for entry, url in tried:
                async with acting(entry, resolver=Names(table)) as actions:
                    assert actions.check("web_action", http(url)) == [], (entry, url)
                    outcome = await actions.run(work(http(url)))
                    assert outcome.ok, (entry, url, outcome)
            assert len(server.seen) == len(tried)

    run(scenario())


@pytest.mark.skipif(not has_ipv6_loopback(), reason="this machine has no IPv6 loopback")
def test_an_ipv6_address_is_allowed_by_address_by_network_and_in_its_mapped_form() -> None:
    async def scenario() -> None:
        async with serving(ok, everywhere=True) as server:
            port = server.port
            pairs = [("::1", "[::1]"), (f"[::1]:{port}", "[::1]"), ("::1/128", "[0:0:0:0:0:0:0:1]")]
            for entry, host in [*pairs, ("127.0.0.1", "[::ffff:127.0.0.1]")]:
                async with acting(entry) as actions:
                    outcome = await actions.run(work(http(f"http://{host}:{port}/")))
                    assert outcome.ok, (entry, outcome)

    run(scenario())


@pytest.mark.parametrize("address", FORBIDDEN_V4)
def test_special_ipv4_networks_are_refused(address: str) -> None:
    assert why_refused(ip_address(address))


@pytest.mark.parametrize("address", [text for text in FORBIDDEN_V6 if "%25" not in text])
def test_special_ipv6_networks_are_refused(address: str) -> None:
    assert why_refused(ip_address(address))


PUBLIC = (
    "1.1.1.1",
    "8.8.8.8",
    "9.255.255.255",
    "11.0.0.0",
    "100.63.255.255",
    "100.128.0.0",
    "126.255.255.255",
    "128.0.0.1",
    "168.63.129.15",
    "169.253.255.255",
    "169.255.0.0",
    "172.15.255.255",
    "172.32.0.0",
    "191.255.255.255",
    "192.0.1.0",
    "192.0.3.0",
    "192.88.98.255",
    "192.88.100.0",
    "192.167.255.255",
    "192.169.0.0",
    "198.17.255.255",
    "198.20.0.0",
    "198.51.99.255",
    "198.51.101.0",
    "203.0.112.255",
    "203.0.114.0",
    "223.255.255.255",
    "2001:200::1",
    "2001:4860:4860::8888",
    "2003::1",
    "2600::1",
    "2606:4700::1111",
    "2a00:1450::1",
    "2c0f::1",
    "3ffe::1",
)


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses_up_to_the_edge_of_special_networks_are_not_refused(address: str) -> None:
    assert why_refused(ip_address(address)) is None


def test_every_unreadable_exception_is_told_at_once() -> None:
    with pytest.raises(Invalid) as caught:
        AllowList(["10.0.0.0/40", "127.1", "host:70000", "good.example", "a b", "0x7f000001"])
    assert len(caught.value.problems) == 5
    assert {problem.code for problem in caught.value.problems} == {"invalid_allow_target"}


def test_an_address_that_is_written_in_the_url_is_refused_when_the_schedule_is_created() -> None:
    async def scenario() -> None:
        async with acting("10.1.0.0/16") as actions:
            (problem,) = actions.check("web_action", http("http://169.254.169.254/latest/meta-data"))
            assert (problem.code, problem.pointer) == ("forbidden_target", "/url")
            assert "--allow-target 169.254.169.254:80" in problem.message
            assert actions.check("web_action", http("http://10.1.2.3/")) == []

    run(scenario())


def test_proxies_of_the_environment_are_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario() -> None:
        async with serving(ok) as proxy, acting("localhost", "direct.test", resolver=Names()) as actions:
            for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY", "https_proxy"):
                monkeypatch.setenv(name, proxy.url)
            outcome = await actions.run(work(http("http://direct.test/")))
            assert outcome.code == "dns"
            assert proxy.seen == []

    run(scenario())
