"""What stands on the command line, read."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from rez_agent.cli import arguments
from rez_agent.domain.errors import Invalid

NOW = datetime(2026, 3, 8, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "seconds"), [("90s", 90), ("15m", 900), ("1h30m", 5_400), ("7d", 604_800), ("2w", 1_209_600)]
)
def test_durations_are_numbers_with_units(text: str, seconds: int) -> None:
    assert arguments.duration(text, "--x") == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["", "5", "h", "1.5h", "-1h", "1 h", "9" * 30 + "d"])
def test_what_is_no_duration_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(Invalid) as caught:
        arguments.duration(text, "--expires")
    assert "--expires" in caught.value.message


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("now", NOW),
        ("2h", NOW - timedelta(hours=2)),
        ("2026-03-01", datetime(2026, 3, 1, tzinfo=UTC)),
        ("2026-03-01T08:00:00Z", datetime(2026, 3, 1, 8, tzinfo=UTC)),
        ("2026-03-01T08:00:00+02:00", datetime(2026, 3, 1, 6, tzinfo=UTC)),
    ],
)
def test_moments_are_instants_dates_or_distances(text: str, expected: datetime) -> None:
    assert arguments.moment(text, "--since", NOW) == expected


def test_a_distance_ahead_lies_in_the_future() -> None:
    assert arguments.moment("2h", "--until", NOW, ahead=True) == NOW + timedelta(hours=2)


@pytest.mark.parametrize("text", ["2026-03-01T08:00:00", "soon", "2026-13-01", "99999999w"])
def test_a_time_without_an_offset_or_no_time_at_all_is_refused(text: str) -> None:
    with pytest.raises(Invalid):
        arguments.moment(text, "--since", NOW)


def test_pairs_are_texts_or_json() -> None:
    read = arguments.pairs(["course=north", "players:=4", "days:=[1, 2]", "empty=", "eq=a=b"], "--param")
    assert read == {"course": "north", "players": 4, "days": [1, 2], "empty": "", "eq": "a=b"}


@pytest.mark.parametrize("text", ["course", "=x", "n:=nope", "n:=NaN"])
def test_an_unfit_pair_is_refused(text: str) -> None:
    with pytest.raises(Invalid):
        arguments.pairs([text], "--param")


def test_headers_are_trimmed_and_keep_their_colons() -> None:
    assert arguments.headers(["X-Time: 08:00", "A:b"], "--header") == {"X-Time": "08:00", "A": "b"}
    with pytest.raises(Invalid):
        arguments.headers(["nonsense"], "--header")


def test_a_document_may_stand_in_a_file(tmp_path: Path) -> None:
    file = tmp_path / "payload.json"
    file.write_text('{"a": 1}', encoding="utf-8")
    assert arguments.json_object(f"@{file}", "--payload") == {"a": 1}


@pytest.mark.parametrize("text", ["{a: 1}", "[1", "[1]", "@/no/such/file", "[" * 100_000])
def test_what_is_no_object_is_refused(text: str) -> None:
    with pytest.raises(Invalid) as caught:
        arguments.json_object(text, "--payload")
    assert caught.value.code == "invalid_argument"
    assert len(caught.value.message) < 500


def test_a_file_that_is_not_text_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "image"
    file.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(Invalid, match="UTF-8"):
        arguments.file_text(str(file), "FILE")


def test_an_object_is_read_from_json_and_from_yaml(tmp_path: Path) -> None:
    written = {
        "a.json": '{"start": "2027-01-01", "tags": ["x"]}',
        "b.yaml": "start: 2027-01-01\ntags: [x]\n",
        "c.YML": "{start: '2027-01-01', tags: [x]}",
    }
    for name, text in written.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
        found = arguments.object_file(str(tmp_path / name), "--file")
        assert found == {"start": "2027-01-01", "tags": ["x"]}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("- a\n", "a mapping is needed"),
        ("", "a mapping is needed"),
        ("a: 1\na: 2\n", "line 2: 'a' is given twice"),
        ("a: [1\n", "line "),
        ("a: .nan\n", "what JSON does not have"),
        ("a: !!set {x}\n", "what JSON does not have (a set)"),
        ("a: &x [*x]\n", "an alias holds itself"),
        ("a: !!python/object:os.system {}\n", "could not determine a constructor"),
        ("? [1, 2]\n: x\n", "unhashable key"),
    ],
)
def test_what_a_yaml_file_can_not_hold_is_told(tmp_path: Path, text: str, told: str) -> None:
    file = tmp_path / "d.yaml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(Invalid) as caught:
        arguments.object_file(str(file), "--file")
    assert told in caught.value.message
