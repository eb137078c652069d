"""How every command ends: exit codes, errors for people and for programs, options before and after."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from typing import Any

import pytest

from rez_agent.cli import access, executions, keeping, schedules, serving, transfer
from rez_agent.cli.main import main
from tests.cli.loopback import Asked, Reply, loopback

EMPTY: dict[str, Any] = {"items": [], "next_cursor": None, "total": 0}


@pytest.fixture
def nowhere() -> Iterator[str]:
    """An address where nobody listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{taken.getsockname()[1]}"


def problem(status: int, code: str) -> Reply:
    errors = [{"code": code, "detail": f"The text of {code}.", "pointer": "/name"}] * 2
    return Reply(status, {"status": status, "code": code, "detail": f"The text of {code}.", "errors": errors})


def test_what_was_done_ends_with_0(capsys: pytest.CaptureFixture[str]) -> None:
    with loopback(lambda _: Reply(document=EMPTY)) as server:
        assert main(["list", "--url", server.url]) == 0
    assert "No schedules" in capsys.readouterr().out


def test_an_unreachable_server_ends_with_1_and_a_sentence(
    nowhere: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["list", "--url", nowhere]) == 1
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err == f"error: No server answers at {nowhere}: start one with `rez-agent serve`\n"


@pytest.mark.parametrize(
    ("status", "exit_code"),
    [(400, 2), (422, 2), (413, 2), (401, 1), (403, 1), (404, 1), (409, 1), (412, 1), (503, 1)],
)
def test_a_refusal_ends_with_2_if_the_request_can_not_be_right_else_with_1(
    status: int, exit_code: int
) -> None:
    with loopback(lambda _: problem(status, "some_code")) as server:
        assert main(["list", "--url", server.url]) == exit_code


def test_all_that_is_wrong_is_told_with_its_place(capsys: pytest.CaptureFixture[str]) -> None:
    with loopback(lambda _: problem(422, "invalid_timezone")) as server:
        main(["list", "--url", server.url])
    assert capsys.readouterr().err == (
        "error: 2 things are wrong:\n"
        "  The text of invalid_timezone. (/name)\n"
        "  The text of invalid_timezone. (/name)\n"
    )


def test_without_a_key_the_error_says_where_to_give_one(capsys: pytest.CaptureFixture[str]) -> None:
    with loopback(lambda _: problem(401, "unauthenticated")) as server:
        assert main(["list", "--url", server.url]) == 1
    assert "REZ_KEY" in capsys.readouterr().err


def test_programs_get_the_problem_as_it_came_on_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    with loopback(lambda _: problem(409, "name_taken")) as server:
        assert main(["--json", "list", "--url", server.url]) == 1
    told = capsys.readouterr()
    assert told.out == ""
    assert json.loads(told.err) == problem(409, "name_taken").document


def test_programs_get_our_own_errors_in_the_same_shape(
    nowhere: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["list", "--json", "--url", nowhere]) == 1
    document = json.loads(capsys.readouterr().err)
    assert document["code"] == "unreachable"
    assert document["errors"][0]["detail"] == document["detail"]


def test_programs_get_exactly_the_api_s_json(capsys: pytest.CaptureFixture[str]) -> None:
    page = EMPTY | {"total": {"at_least": 1_000}}
    with loopback(lambda _: Reply(document=page)) as server:
        main(["list", "--json", "--url", server.url])
    assert json.loads(capsys.readouterr().out) == page


@pytest.mark.parametrize(
    "arguments",
    [
        ["--url", "{url}", "--key", "rez_abc", "--json", "list"],
        ["list", "--url", "{url}", "--key", "rez_abc", "--json"],
    ],
)
def test_common_options_stand_before_or_behind_the_command(arguments: list[str]) -> None:
    with loopback(lambda _: Reply(document=EMPTY)) as server:
        assert main([argument.format(url=server.url) for argument in arguments]) == 0
    assert server.asked[0].headers["authorization"] == "Bearer rez_abc"


def test_the_environment_says_where_and_with_which_key(monkeypatch: pytest.MonkeyPatch) -> None:
    with loopback(lambda _: Reply(document=EMPTY)) as server:
        monkeypatch.setenv("REZ_URL", server.url)
        monkeypatch.setenv("REZ_KEY", "rez_env")
        assert main(["list"]) == 0
    assert server.asked[0].headers["authorization"] == "Bearer rez_env"


@pytest.mark.parametrize(
    "arguments",
    [
        ["lst"],
        ["list", "--limt", "3"],
        ["list", "--limit", "0"],
        ["show"],
        ["list", "--status", "gone"],
        ["create"],
    ],
)
def test_wrong_usage_ends_with_2(arguments: list[str]) -> None:
    assert main(arguments) == 2


@pytest.mark.parametrize(
    "arguments", [["show", "\udcff"], ["list", "--tag", "\udcff"], ["list", "--key", "a\nb"]]
)
def test_what_can_not_be_sent_ends_with_2_and_no_traceback(arguments: list[str]) -> None:
    with loopback(lambda _: Reply(document=EMPTY)) as server:
        assert main([*arguments, "--url", server.url]) == 2
    assert server.asked == []


def test_a_name_is_never_taken_for_another() -> None:
    others = EMPTY | {"items": [{"id": "sch_b", "name": "b"}]}
    with loopback(lambda _: Reply(document=others)) as server:
        assert main(["delete", "", "--url", server.url]) == 1
    assert [asked.method for asked in server.asked] == ["GET"]


def test_an_unfit_address_ends_with_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", "--url", "localhost:8080"]) == 2
    assert "http://127.0.0.1:8080" in capsys.readouterr().err


def test_several_schedules_are_not_deleted_without_a_word(capsys: pytest.CaptureFixture[str]) -> None:
    with loopback(lambda _: Reply(document=EMPTY)) as server:
        assert main(["delete", "a", "b", "--url", server.url]) == 2
    assert server.asked == []
    assert "--yes" in capsys.readouterr().err


def test_one_that_fails_stops_nothing_and_shows_in_the_exit_code(capsys: pytest.CaptureFixture[str]) -> None:
    def reply(asked: Asked) -> Reply:
        if asked.method == "DELETE":
            return Reply(204)
        known = "name=b" in asked.path
        return Reply(document=EMPTY | {"items": [{"id": "sch_b", "name": "b"}] if known else []})

    with loopback(reply) as server:
        assert main(["delete", "a", "b", "--yes", "--url", server.url]) == 1
    told = capsys.readouterr()
    assert told.out == "Deleted b.\n"
    assert "no schedule named 'a'" in told.err


def test_the_version_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("rez-agent ")


NAMES = [[name] for part in (serving, schedules, executions, transfer, keeping) for name in part.COMMANDS] + [
    [group, name] for group, (_, inner) in access.GROUPS.items() for name in inner
]


@pytest.mark.parametrize("name", [*NAMES, ["doctor"]], ids=" ".join)
def test_every_command_has_help_with_an_example_and_speaks_json(
    name: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*name, "--help"]) == 0
    told = " ".join(capsys.readouterr().out.split())
    assert f"rez-agent {' '.join(name)}" in told.partition("Examples:")[2]
    assert "--json" in told


def test_the_contract_s_commands_are_all_there(capsys: pytest.CaptureFixture[str]) -> None:
    main(["--help"])
    words = capsys.readouterr().out.split()
    contract = (
        "serve demo create list show update pause resume delete why changes run backfill history retry "
        "replay cancel redrive next import export keys secrets backup restore doctor"
    )
    assert set(contract.split()) <= set(words)
