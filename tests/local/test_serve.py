"""Serving: what keeps a server from starting says so, and leaves nothing behind."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Iterator
from pathlib import Path
from threading import Timer as Later
from urllib.request import urlopen

import pytest

from rez_agent.domain.errors import Invalid, RezError, Unavailable
from rez_agent.local.database import DATABASE_FILE, locked
from rez_agent.local.serve import serve
from rez_agent.local.settings import LocalSettings
from tests.rig import Rig, schedule_of


def refused(settings: LocalSettings) -> RezError:
    """Why the server does not start. A directory that it let go can be locked again."""
    with pytest.raises(RezError) as error:
        serve(settings)
    return error.value


@pytest.fixture
def taken() -> Iterator[int]:
    """A port that somebody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


def test_a_directory_in_use_is_refused(tmp_path: Path) -> None:
    with locked(tmp_path):
        assert refused(LocalSettings(data_dir=tmp_path, port=0)).code == "data_dir_locked"


def test_a_port_in_use_is_refused_and_the_directory_let_go(tmp_path: Path, taken: int) -> None:
    error = refused(LocalSettings(data_dir=tmp_path, port=taken))
    assert isinstance(error, Unavailable)
    assert error.code == "port_taken"
    assert str(taken) in error.message
    with locked(tmp_path):
        pass


def test_unfit_settings_are_refused_before_anything_is_touched(tmp_path: Path) -> None:
    error = refused(LocalSettings(data_dir=tmp_path / "new", concurrency=0))
    assert isinstance(error, Invalid)
    assert not (tmp_path / "new").exists()


def test_an_unknown_log_level_is_refused(tmp_path: Path) -> None:
    assert refused(LocalSettings(data_dir=tmp_path, port=0, log_level="loud")).code == "invalid_setting"


def test_a_damaged_database_is_refused_and_told_how_to_be_restored(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    rig.add(*(schedule_of(f"s{number}", description="x" * 500) for number in range(200)))
    rig.close()
    file = tmp_path / DATABASE_FILE
    data = bytearray(file.read_bytes())
    half = len(data) // 2 // 4096 * 4096
    data[half : half + 40 * 4096] = bytes(40 * 4096)
    file.write_bytes(data)
    error = refused(LocalSettings(data_dir=tmp_path, port=0))
    assert error.code == "database_damaged"
    assert "rez-agent restore" in error.message


def test_an_address_that_others_reach_needs_keys(tmp_path: Path) -> None:
    error = refused(LocalSettings(data_dir=tmp_path, host="0.0.0.0", port=0))
    assert error.code == "keys_required"
    assert "rez-agent keys create" in error.message
    with locked(tmp_path):
        pass


def test_it_serves_until_it_is_told_to_stop_and_then_lets_go(tmp_path: Path) -> None:
    asked: list[int] = []

    def ready(url: str) -> None:
        def ask() -> None:
            with urlopen(f"{url}/healthz") as answer:
                asked.append(answer.status)
            os.kill(os.getpid(), signal.SIGTERM)

        Later(0, ask).start()

    assert serve(LocalSettings(data_dir=tmp_path, port=0, log_level="error"), on_ready=ready) == 0
    assert asked == [200]
    with locked(tmp_path):
        pass
