"""Byte code: the same for the same source, on every machine and in every order.

A ``.pyc`` tells which of its constants the compiling process shared with other code. So each library is
compiled by a process of its own, file after file, with a fixed seed for hashes. The file is marked as never
to be compared with its source (an unchecked hash, PEP 552): times of files mean nothing in a zip.
"""

from __future__ import annotations

import py_compile
import subprocess
import sys
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from importlib.util import cache_from_source
from pathlib import Path

AT_ONCE = 2


def compile_all(groups: Iterable[tuple[Path, Iterable[str]]]) -> None:
    """Compile the Python files of each group: a directory, and paths relative to it.

    The byte code stands where Python looks for it. A file that is not valid Python is left without.
    """
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for _ in pool.map(_compile_apart, groups):
            pass


def _compile_apart(group: tuple[Path, Iterable[str]]) -> None:
    root, files = group
    python_files = sorted(file for file in files if file.endswith(".py"))
    subprocess.run(  # noqa: S603  # this interpreter and this file
        [sys.executable, "-s", "-S", __file__, str(root)],
        input="\n".join(python_files),
        env={"PYTHONHASHSEED": "0"},
        check=True,
        text=True,
    )


def byte_code_of(file: Path) -> Path:
    """Where Python looks for a file's byte code."""
    return Path(cache_from_source(str(file), optimization=""))


def _compile_here(root: Path, files: Iterable[str]) -> None:
    for file in files:
        py_compile.compile(
            str(root / file),
            cfile=str(byte_code_of(root / file)),
            dfile=file,  # not where it was staged; Python puts in where it is imported from
            invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
            quiet=2,
        )


if __name__ == "__main__":
    _compile_here(Path(sys.argv[1]), sys.stdin.read().splitlines())
