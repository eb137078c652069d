"""API keys: made, known, run out, revoked."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from rez_agent.domain.errors import Invalid, NotFound
from rez_agent.usecases.keys import KIND, Key, Scope, any_keys, create_key, key_of, list_keys, revoke_key
from tests.fakes import NOON
from tests.rig import Rig

SECRET = bytes(range(20))


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    """A host at noon."""
    rig = Rig(tmp_path)
    yield rig
    rig.close()


def made(rig: Rig, name: str = "ann", scope: Scope = Scope.WRITE, secret: bytes = SECRET) -> tuple[Key, str]:
    """A new key and its token."""
    return rig.do(lambda ports: create_key(ports, name=name, scope=scope, secret=secret))


def known(rig: Rig, token: str) -> Key | None:
    """Whose token it is."""
    return rig.do(lambda ports: key_of(ports, token))


def test_a_token_is_known_by_its_key(rig: Rig) -> None:
    key, token = made(rig)

    assert token.startswith("rez_")
    assert known(rig, token) == key
    assert (key.caller.name, key.caller.admin) == ("ann", False)
    assert rig.do(any_keys)


def test_an_admins_key_reaches_every_owner(rig: Rig) -> None:
    assert made(rig, scope=Scope.ADMIN)[0].caller.admin


def test_the_store_holds_nothing_to_make_a_token_of(rig: Rig) -> None:
    _, token = made(rig)
    record = rig.ports.records.list(KIND, NOON)[0]

    assert SECRET.hex() not in str(record)
    assert token not in str(record)
    assert record.value["sha256"] in str(record)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda token: token[:-1] + ("0" if token[-1] != "0" else "1"),
        lambda token: token.upper(),
        lambda token: token + "0",
        lambda token: token.replace("rez_", "rez_0", 1),
        lambda token: "",
        lambda token: token.replace("_", "\n"),
    ],
)
def test_anything_but_the_token_itself_is_unknown(rig: Rig, spoil) -> None:  # type: ignore[no-untyped-def]
    _, token = made(rig)

    assert known(rig, spoil(token)) is None


def test_one_keys_secret_does_not_open_another(rig: Rig) -> None:
    first, _ = made(rig)
    second, token = made(rig, secret=bytes(20))

    assert known(rig, token.replace(second.id, first.id)) is None


def test_a_key_that_ran_out_is_unknown_and_still_counts_as_one(rig: Rig) -> None:
    end = NOON + timedelta(hours=1)
    key, token = rig.do(
        lambda ports: create_key(ports, name="ann", scope=Scope.READ, secret=SECRET, expires_at=end)
    )
    assert known(rig, token) == key
    rig.clock.advance(hours=1)

    assert known(rig, token) is None
    assert rig.do(list_keys) == [key]
    assert rig.do(any_keys)


def test_a_revoked_key_is_gone(rig: Rig) -> None:
    key, token = made(rig)
    rig.do(lambda ports: revoke_key(ports, key.id))

    assert known(rig, token) is None
    assert not rig.do(any_keys)
    with pytest.raises(NotFound) as caught:
        rig.do(lambda ports: revoke_key(ports, key.id))
    assert caught.value.code == "key_not_found"


def test_two_keys_may_have_one_name_so_that_one_can_be_exchanged(rig: Rig) -> None:
    made(rig)
    rig.clock.advance(seconds=1)
    made(rig, secret=bytes(20))

    assert [key.name for key in rig.do(list_keys)] == ["ann", "ann"]


def test_all_that_is_wrong_with_a_new_key_is_told_at_once(rig: Rig) -> None:
    with pytest.raises(Invalid) as caught:
        rig.do(
            lambda ports: create_key(ports, name="no way", scope=Scope.READ, secret=b"short", expires_at=NOON)
        )
    assert [problem.pointer for problem in caught.value.problems] == ["/name", "", "/expires_at"]


@pytest.mark.parametrize(
    ("has", "needs", "enough"),
    [
        (Scope.READ, Scope.READ, True),
        (Scope.READ, Scope.WRITE, False),
        (Scope.WRITE, Scope.READ, True),
        (Scope.WRITE, Scope.ADMIN, False),
        (Scope.ADMIN, Scope.WRITE, True),
    ],
)
def test_each_scope_includes_the_ones_before_it(has: Scope, needs: Scope, enough: bool) -> None:
    assert has.includes(needs) is enough
