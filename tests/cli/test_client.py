"""Speaking to a server: what is sent, and what every way of failing is called."""

from __future__ import annotations

import socket
from threading import Thread

import pytest

from rez_agent.cli.client import Client, Refused, Unreachable, checked_url, is_loopback, segment
from rez_agent.domain.errors import Invalid
from tests.cli.loopback import Asked, Reply, loopback

PROBLEM = {
    "type": "/errors#name_taken",
    "status": 409,
    "detail": "The name is taken.",
    "code": "name_taken",
    "errors": [{"code": "name_taken", "detail": "Choose another.", "pointer": "/name"}],
}


def test_a_key_travels_as_a_bearer_token_and_nowhere_else() -> None:
    with loopback(lambda _: Reply(document={})) as server:
        Client(server.url, "rez_abc").get("/api/schedules", tag="a b", limit=None, finished=True)
    assert server.asked[0].headers["authorization"] == "Bearer rez_abc"
    assert server.asked[0].path == "/api/schedules?tag=a+b&finished=true"


def test_a_change_asks_to_wait_and_names_the_revision() -> None:
    with loopback(lambda _: Reply(201, {"id": "sch_1"}, {"ETag": '"3"'})) as server:
        answer = Client(server.url).change("PUT", "/api/schedules/x", {"name": "ä"}, etag='"2"')
    asked = server.asked[0]
    assert asked.headers["prefer"] == "wait=20"
    assert asked.headers["if-match"] == '"2"'
    assert asked.headers["content-type"] == "application/json"
    assert asked.document == {"name": "ä"}
    assert (answer.status, answer.document, answer.etag) == (201, {"id": "sch_1"}, '"3"')


def test_an_answer_without_a_body_is_none() -> None:
    with loopback(lambda _: Reply(204)) as server:
        assert Client(server.url).change("DELETE", "/api/schedules/x").document is None


def test_a_problem_is_refused_with_its_code_and_every_error() -> None:
    with loopback(lambda _: Reply(409, PROBLEM)) as server, pytest.raises(Refused) as caught:
        Client(server.url).get("/api/schedules")
    assert caught.value.status == 409
    assert caught.value.code == "name_taken"
    assert caught.value.document == PROBLEM
    assert [(p.code, p.pointer) for p in caught.value.problems] == [("name_taken", "/name")]


def test_every_page_of_a_list_is_followed() -> None:
    def reply(asked: Asked) -> Reply:
        last = "cursor=two" in asked.path
        return Reply(document={"items": [asked.path], "next_cursor": None if last else "two"})

    with loopback(reply) as server:
        pages = list(Client(server.url).pages("/api/schedules", tag="x"))
    assert [page["items"] for page in pages] == [
        ["/api/schedules?tag=x"],
        ["/api/schedules?tag=x&cursor=two"],
    ]


@pytest.mark.parametrize("raw", [b"<html>hello</html>", b'"a text"', b"[1, 2", b"", b'{"items": 1}', b"{}"])
def test_a_list_from_another_program_is_told_apart(raw: bytes) -> None:
    with loopback(lambda _: Reply(200, raw=raw)) as server, pytest.raises(Unreachable) as caught:
        Client(server.url).page("/api/schedules")
    assert "is not rez-agent" in caught.value.message


@pytest.mark.parametrize("raw", [b"<html>hello</html>", b'"a text"', b"[1, 2", b""])
@pytest.mark.parametrize("status", [404, 500])
def test_an_error_of_another_program_is_told_apart(status: int, raw: bytes) -> None:
    with loopback(lambda _: Reply(status, raw=raw)) as server, pytest.raises(Unreachable) as caught:
        Client(server.url).get("/api/schedules")
    assert "is not rez-agent" in caught.value.message


def test_a_redirect_is_not_followed_so_that_the_key_stays_here() -> None:
    with loopback(lambda _: Reply(302, headers={"Location": "https://elsewhere.example/"})) as server:
        with pytest.raises(Unreachable) as caught:
            Client(server.url, "rez_abc").get("/api/schedules")
        assert len(server.asked) == 1
    assert "redirects to https://elsewhere.example/" in caught.value.message


def test_where_nobody_listens_the_error_says_how_to_start_a_server() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(Unreachable) as caught:
            Client(url).get("/healthz")
    assert caught.value.message == f"No server answers at {url}: start one with `rez-agent serve`"


def test_a_server_that_does_not_answer_in_time_is_called_so() -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        client = Client(f"http://127.0.0.1:{silent.getsockname()[1]}", timeout=0.2)
        with pytest.raises(Unreachable) as caught:
            client.get("/healthz")
    assert caught.value.code == "timeout"


def hang_up_on_the_first(listener: socket.socket) -> None:
    caller, _ = listener.accept()
    caller.close()


def test_a_connection_that_breaks_off_is_unreachable_and_no_traceback() -> None:
    with socket.socket() as rude:
        rude.bind(("127.0.0.1", 0))
        rude.listen()
        thread = Thread(target=hang_up_on_the_first, args=(rude,), daemon=True)
        thread.start()
        with pytest.raises(Unreachable):
            Client(f"http://127.0.0.1:{rude.getsockname()[1]}", timeout=5).get("/healthz")
        thread.join(5)


def test_a_proxy_of_the_environment_is_not_asked_for_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    with loopback(lambda _: Reply(document={"status": "ok"})) as server:
        assert Client(server.url).get("/healthz").document == {"status": "ok"}


@pytest.mark.parametrize(
    "url", ["", "localhost:8080", "ftp://host", "http://", "http://host:port", "http://a b"]
)
def test_an_unfit_address_is_refused_before_anything_is_sent(url: str) -> None:
    with pytest.raises(Invalid) as caught:
        checked_url(url)
    assert caught.value.code == "invalid_url"


def test_a_path_before_the_api_is_kept() -> None:
    assert checked_url("https://host.example/prod/") == "https://host.example/prod"


@pytest.mark.parametrize(
    ("url", "here"),
    [
        ("http://127.0.0.1:8080", True),
        ("http://localhost", True),
        ("http://[::1]:8080", True),
        ("https://example.com", False),
        ("http://10.0.0.1", False),
    ],
)
def test_this_machine_is_known_by_its_addresses(url: str, *, here: bool) -> None:
    assert is_loopback(url) is here


def test_a_name_is_one_segment_of_a_path_whatever_it_holds() -> None:
    assert segment("a/b?c") == "a%2Fb%3Fc"
