"""Secrets as files."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest

from rez_agent.domain.errors import Invalid, Unavailable
from rez_agent.local.secrets import FileSecrets

NOW = datetime(2026, 3, 1, tzinfo=UTC)


def secrets(directory: Path) -> FileSecrets:
    return FileSecrets(directory / "secrets", lambda: datetime.now(UTC))


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_secret_is_kept_for_the_server_s_user_alone(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        secrets(tmp_path).put(
            "API_KEY", "s3cret-value", ("API.example.org.", "*.example.com", "api.example.org")
        )
    finally:
        os.umask(before)
    assert mode(tmp_path / "secrets") == 0o700
    assert mode(tmp_path / "secrets" / "API_KEY") == 0o600
    kept = secrets(tmp_path).get("API_KEY")
    assert kept is not None
    assert (kept.value, kept.hosts) == ("s3cret-value", ("api.example.org", "*.example.com"))


def test_a_directory_that_others_could_read_is_closed_at_start(tmp_path: Path) -> None:
    (tmp_path / "secrets").mkdir(mode=0o755)
    secrets(tmp_path)
    assert mode(tmp_path / "secrets") == 0o700


def test_names_are_told_with_hosts_and_times_never_with_values(tmp_path: Path) -> None:
    keep = FileSecrets(tmp_path, lambda: NOW)
    keep.put("b", "value-of-b", ("b.example",))
    keep.put("a", "value-of-a", ("a.example:8443", "channel:ops"))
    infos = keep.names()
    assert [(info.name, info.hosts, info.updated) for info in infos] == [
        ("a", ("a.example:8443", "channel:ops"), NOW),
        ("b", ("b.example",), NOW),
    ]
    assert "value-of" not in repr(infos) + repr(keep.get("a"))


def test_what_another_process_writes_is_seen_at_once(tmp_path: Path) -> None:
    keep = secrets(tmp_path)
    assert keep.get("K") is None
    assert keep.names() == []
    for value in ("first-value", "other-value", "third-value"):
        script = (
            "import sys; from pathlib import Path; from datetime import datetime, UTC;"
            "from rez_agent.local.secrets import FileSecrets;"
            "FileSecrets(Path(sys.argv[1]), lambda: datetime.now(UTC)).put('K', sys.argv[2], ('h.example',))"
        )
        subprocess.run([sys.executable, "-c", script, str(tmp_path / "secrets"), value], check=True)
        found = keep.get("K")
        assert found is not None
        assert found.value == value
        assert [info.name for info in keep.names()] == ["K"]


def test_a_secret_replaced_many_times_within_a_moment_is_never_stale(tmp_path: Path) -> None:
    writer, reader = secrets(tmp_path), secrets(tmp_path)
    for n in range(200):
        writer.put("K", f"value-{n % 10}", ("h.example",))
        found = reader.get("K")
        assert found is not None
        assert found.value == f"value-{n % 10}"
        assert len(reader.names()) == 1


def test_a_reader_never_sees_half_a_secret(tmp_path: Path) -> None:
    keep = secrets(tmp_path)
    values = ("a" * 10_000, "b" * 10_000)
    keep.put("K", values[0], ("h.example",))
    stop = threading.Event()

    def write() -> None:
        while not stop.is_set():
            for value in values:
                keep.put("K", value, ("h.example",))

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for _ in range(300):
            found = secrets(tmp_path).get("K")
            assert found is not None
            assert found.value in values
    finally:
        stop.set()
        writer.join()
    assert [path.name for path in (tmp_path / "secrets").iterdir()] == ["K"]


def test_delete_says_whether_there_was_one(tmp_path: Path) -> None:
    keep = secrets(tmp_path)
    keep.put("K", "some-value", ("h.example",))
    assert keep.delete("K") is True
    assert keep.delete("K") is False
    assert keep.delete("../K") is False
    assert keep.get("K") is None
    assert keep.names() == []


@pytest.mark.parametrize(
    "name", ["", ".", "..", ".hidden", "a/b", "../x", "a b", "ä", "a\n", "x" * 65, "a\0"]
)
def test_a_name_cannot_leave_the_directory(tmp_path: Path, name: str) -> None:
    keep = secrets(tmp_path)
    with pytest.raises(Invalid) as caught:
        keep.put(name, "some-value", ("h.example",))
    assert caught.value.problems[0].code == "invalid_secret_name"
    assert keep.get(name) is None


def test_all_that_is_wrong_is_told_at_once_and_the_value_is_not_repeated(tmp_path: Path) -> None:
    with pytest.raises(Invalid) as caught:
        secrets(tmp_path).put("a b", "xyz", ("http://h.example/", "*.", "ok.example", "a b", ""))
    assert [problem.pointer for problem in caught.value.problems] == [
        "/name",
        "/value",
        "/hosts/0",
        "/hosts/1",
        "/hosts/3",
        "/hosts/4",
    ]
    assert "xyz" not in " ".join(problem.message for problem in caught.value.problems)


def test_a_secret_without_a_host_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Invalid) as caught:
        secrets(tmp_path).put("K", "some-value", ())
    assert caught.value.code == "missing_host"


def test_a_damaged_file_is_told_and_hides_no_other(tmp_path: Path) -> None:
    keep = secrets(tmp_path)
    keep.put("good", "some-value", ("h.example",))
    (tmp_path / "secrets" / "bad").write_text('{"value": 1')
    with pytest.raises(Unavailable, match="bad"):
        keep.get("bad")
    assert [info.name for info in keep.names()] == ["good"]
