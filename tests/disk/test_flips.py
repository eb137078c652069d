"""Flipped bits: never believed where pages have checksums; without them, this is how many are."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from rez_agent.domain.errors import Invalid, RezError, Unavailable
from rez_agent.local.backup import backup, restore
from rez_agent.local.build import build
from rez_agent.local.checksums import BYTES, has_checksums
from rez_agent.local.database import DATABASE_FILE, open_reader, open_writer, quick_check
from rez_agent.local.serve import serve
from rez_agent.local.settings import LocalSettings
from tests.disk.flips import Fate, fates, grown_world
from tests.disk.trials import contents

FLIPS = 1_000 if "REZ_NIGHTLY" in os.environ else 150
SEED = 20


def flip(file: Path, at: int) -> None:
    data = bytearray(file.read_bytes())
    data[at] ^= 1
    file.write_bytes(data)


def test_no_flipped_bit_is_believed_where_pages_have_checksums(tmp_path: Path) -> None:
    database = grown_world(tmp_path / "world", checksums=True)
    found = fates(database, tmp_path / "flipped", flips=FLIPS, seed=SEED)
    print(dict(found))
    assert found[Fate.BELIEVED] == 0
    assert found[Fate.AT_START] > FLIPS * 0.9


def test_without_them_many_are_which_shows_that_this_would_be_seen(tmp_path: Path) -> None:
    database = grown_world(tmp_path / "world", checksums=False)
    found = fates(database, tmp_path / "flipped", flips=FLIPS, seed=SEED)
    print(dict(found))
    assert found[Fate.BELIEVED] > FLIPS * 0.2
    assert found[Fate.AT_START] + found[Fate.AT_READ] > 0


# --- checksums ---


def test_a_database_that_has_none_is_given_them_and_keeps_them_and_all_it_holds(tmp_path: Path) -> None:
    database = grown_world(tmp_path / "world", checksums=False)
    before = contents(open_reader(database))
    assert not has_checksums(database)
    open_writer(database, checksums=True).close()
    for _ in range(2):
        connection = open_writer(database)
        assert has_checksums(database)
        assert contents(connection) == before
        assert (connection.pragma("journal_mode"), connection.reserve_bytes()) == ("wal", BYTES)
        assert quick_check(connection) == []
        connection.close()


def test_a_new_database_of_the_program_has_them_from_its_first_page_on(tmp_path: Path) -> None:
    built = build(LocalSettings(data_dir=tmp_path))
    connection = built.writer
    assert has_checksums(tmp_path / DATABASE_FILE)
    connection.close()
    flip(tmp_path / DATABASE_FILE, 4_096 * 3 + 2_000)
    assert quick_check(open_reader(tmp_path / DATABASE_FILE))


def test_a_new_database_has_none_where_none_are_wanted_and_one_without_is_left_alone(tmp_path: Path) -> None:
    for wanted in (False, None):
        build(LocalSettings(data_dir=tmp_path, checksums=wanted)).writer.close()
        assert not has_checksums(tmp_path / DATABASE_FILE)


def test_a_server_does_not_start_on_a_flipped_bit(tmp_path: Path) -> None:
    database = grown_world(tmp_path / "world", checksums=True)
    flip(database, database.stat().st_size // 2)
    with pytest.raises(Unavailable) as refused:
        serve(LocalSettings(data_dir=database.parent, port=0))
    assert refused.value.code == "database_damaged"
    assert "rez-agent restore" in refused.value.message


def test_a_backup_and_what_is_restored_from_it_have_them_too(tmp_path: Path) -> None:
    database = grown_world(tmp_path / "world", checksums=True)
    backup(database.parent, tmp_path / "copy")
    restore(tmp_path / "copy", tmp_path / "restored")
    assert has_checksums(tmp_path / "restored" / DATABASE_FILE)
    reader = open_reader(tmp_path / "restored" / DATABASE_FILE)
    assert quick_check(reader) == []
    assert contents(reader) == contents(open_reader(database))


@pytest.mark.parametrize("part", [0.3, 0.6, 0.9])
def test_a_flipped_bit_is_neither_backed_up_nor_restored(tmp_path: Path, part: float) -> None:
    database = grown_world(tmp_path / "world", checksums=True)
    backup(database.parent, tmp_path / "good")
    place = int(database.stat().st_size * part)
    flip(tmp_path / "good", place)
    with pytest.raises(Invalid) as refused:
        restore(tmp_path / "good", tmp_path / "restored")
    assert refused.value.code == "invalid_backup"

    flip(database, place)
    with pytest.raises(RezError) as damaged:
        backup(database.parent, tmp_path / "bad")
    assert damaged.value.code == "database_damaged"
    assert not (tmp_path / "bad").exists()
