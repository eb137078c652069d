"""Who can read what lies in the data directory."""

from __future__ import annotations

import stat
from pathlib import Path

from rez_agent.local.database import DATABASE_FILE, open_writer


def test_in_a_directory_that_others_can_read_the_database_and_its_log_are_still_its_owners_alone(
    tmp_path: Path,
) -> None:
    tmp_path.chmod(0o755)
    writer = open_writer(tmp_path / DATABASE_FILE)
    modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in tmp_path.iterdir()}
    writer.close()
    assert modes == dict.fromkeys([DATABASE_FILE, f"{DATABASE_FILE}-wal", f"{DATABASE_FILE}-shm"], 0o600)
