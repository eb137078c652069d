"""Sessions of the page: a key shown once, good for as long as it and the session hold."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from hashlib import sha256
from pathlib import Path

import pytest

from rez_agent.domain.errors import Unauthenticated
from rez_agent.usecases.keys import SECRET_BYTES as KEY_BYTES
from rez_agent.usecases.keys import Scope, create_key, revoke_key
from rez_agent.usecases.sessions import HOURS, KIND, SECRET_BYTES, close_session, open_session, session_key
from tests.rig import Rig

SECRET = b"s" * SECRET_BYTES


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    rig = Rig(tmp_path)
    yield rig
    rig.close()


def token(rig: Rig, **options: object) -> str:
    """A new key's token."""
    secret = b"k" * KEY_BYTES
    return rig.do(
        lambda ports: create_key(ports, name="ann", scope=Scope.WRITE, secret=secret, **options)[1]  # type: ignore[arg-type]
    )


def opened(rig: Rig, **options: object) -> str:
    """A session for a new key, whose id is returned."""
    shown = token(rig, **options)
    return rig.do(lambda ports: open_session(ports, shown, SECRET)).id


def test_a_session_stands_for_its_key(rig: Rig) -> None:
    key_id = opened(rig)

    found = session_key(rig.ports, SECRET)
    assert found is not None
    assert (found.id, found.name, found.scope) == (key_id, "ann", Scope.WRITE)
    assert session_key(rig.ports, b"t" * SECRET_BYTES) is None


def test_only_the_hash_of_its_secret_is_kept(rig: Rig) -> None:
    key_id = opened(rig)

    (record,) = rig.ports.records.list(KIND, rig.clock.now())
    assert record.key == sha256(SECRET).hexdigest()
    assert record.value == {"key_id": key_id}


def test_it_ends_after_its_hours(rig: Rig) -> None:
    opened(rig)

    rig.clock.advance(hours=HOURS, seconds=-1)
    assert session_key(rig.ports, SECRET) is not None
    rig.clock.advance(seconds=1)
    assert session_key(rig.ports, SECRET) is None


def test_it_ends_with_its_key(rig: Rig) -> None:
    key_id = opened(rig)

    rig.do(lambda ports: revoke_key(ports, key_id))
    assert session_key(rig.ports, SECRET) is None


def test_it_ends_when_its_key_runs_out(rig: Rig) -> None:
    opened(rig, expires_at=rig.clock.now() + timedelta(hours=1))

    rig.clock.advance(hours=1)
    assert session_key(rig.ports, SECRET) is None


def test_it_ends_on_logout(rig: Rig) -> None:
    opened(rig)

    assert rig.do(lambda ports: close_session(ports, SECRET))
    assert session_key(rig.ports, SECRET) is None
    assert not rig.do(lambda ports: close_session(ports, SECRET))


def test_a_refusal_does_not_tell_whether_there_is_such_a_key(rig: Rig) -> None:
    known = token(rig)
    wrong_secret = known[:-1] + ("0" if known[-1] != "0" else "1")
    unknown = known.replace(known[4:30], "0" * 26)

    told = set()
    for shown in (wrong_secret, unknown, "", "rez_", "x" * 10_000):
        with pytest.raises(Unauthenticated) as refused:
            rig.do(lambda ports, shown=shown: open_session(ports, shown, SECRET))  # type: ignore[misc]
        told.add((refused.value.code, refused.value.message))
    assert len(told) == 1
    assert session_key(rig.ports, SECRET) is None
