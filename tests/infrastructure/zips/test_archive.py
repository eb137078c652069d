"""The zip itself."""

from __future__ import annotations

import os
from pathlib import Path

from infrastructure.zips.archive import write_zip


def test_times_modes_and_order_of_the_files_do_not_show(tmp_path: Path) -> None:
    a, b = tmp_path / "a", tmp_path / "b"
    a.write_text("one")
    b.write_text("two")
    write_zip(tmp_path / "first.zip", {"a": a, "b": b})
    a.chmod(0o700)
    os.utime(b, (0, 0))
    write_zip(tmp_path / "second.zip", {"b": b, "a": a})
    assert (tmp_path / "first.zip").read_bytes() == (tmp_path / "second.zip").read_bytes()


def test_a_zip_appears_whole_and_says_what_it_unpacks_to(tmp_path: Path) -> None:
    file = tmp_path / "a"
    file.write_bytes(b"x" * 1000)
    assert write_zip(tmp_path / "a.zip", {"a": file, "b/c": file}) == 2000
    assert {path.name for path in tmp_path.iterdir()} == {"a", "a.zip"}
