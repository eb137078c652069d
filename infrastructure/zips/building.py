"""A build: stage what all functions need, then write the zip of each."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from infrastructure.zips.archive import write_zip
from infrastructure.zips.compiling import AT_ONCE, byte_code_of, compile_all
from infrastructure.zips.faults import Unbuildable
from infrastructure.zips.functions import CATALOGUED, FUNCTIONS, Function
from infrastructure.zips.installing import install_locked
from infrastructure.zips.libraries import Library, installed
from infrastructure.zips.parts import Part, Stock, part_of, stock_in
from rez_agent.actions.build import read_actions_file
from rez_agent.domain.errors import Invalid

ACTIONS_FILE = "actions.yaml"
"""What the file of actions is called in a zip: REZ_ACTIONS is this name."""

UNPACKED_AT_MOST = 262_144_000
"""Bytes of a function's code, unpacked: 250 MB (AWS Lambda Developer Guide, "Lambda quotas")."""


@dataclass(frozen=True, slots=True)
class Built:
    """A zip that was written. ``unpacked`` counts bytes; ``libraries`` maps names to versions."""

    function: Function
    path: Path
    unpacked: int
    libraries: Mapping[str, str]


def build(
    out: Path,
    *,
    actions: Path | None = None,
    plugins: Sequence[str] = (),
    functions: Sequence[Function] = FUNCTIONS,
) -> list[Built]:
    """Write ``out``/NAME.zip for each of ``functions``.

    ``actions``: a file of actions that goes in; ``plugins``: requirements, wheels or directories of packages
    with custom actions. The same sources, lock and arguments make the same bytes. Raises Unbuildable with
    what is wrong with the arguments; then no zip is touched.
    """
    if actions is not None:
        _check_actions(actions)
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".stage-", dir=out) as directory:
        stock = stock_in(Path(directory), plugins)
        parts = [part_of(function, stock) for function in functions]
        libraries = _staged(Path(directory) / "libraries", parts, stock)
        contents = [_content(part, stock.own, libraries, actions) for part in parts]
        for part, content in zip(parts, contents, strict=True):
            _check_size(part, content)
        with ThreadPoolExecutor(AT_ONCE) as pool:
            return list(pool.map(partial(_written, out, libraries), parts, contents))


def _check_actions(file: Path) -> None:
    try:
        read_actions_file(file)
    except Invalid as error:
        told = "".join(f"\n  {problem.message}" for problem in error.problems)
        raise Unbuildable(f"ACTIONS={file} can't be used:{told}") from None


def _staged(directory: Path, parts: Sequence[Part], stock: Stock) -> dict[str, Library]:
    """Every library of ``parts``, installed for the runtime; all that is staged, compiled."""
    names = frozenset[str]().union(*(part.libraries for part in parts))
    install_locked(names & stock.locked.keys(), directory)
    libraries = {**stock.plugins, **installed(directory)}
    compile_all(
        (one.root, one.carried()) for one in (stock.own, *(libraries[name] for name in sorted(names)))
    )
    return libraries


def _content(
    part: Part, own: Library, libraries: Mapping[str, Library], actions: Path | None
) -> dict[str, Path]:
    """What goes in: paths within the zip, and the files they come from."""
    found = {file: own.root / file for file in part.own_files(own)}
    for name in part.libraries:
        found |= {file: libraries[name].root / file for file in libraries[name].carried()}
    for file, path in list(found.items()):
        code = byte_code_of(path) if path.suffix == ".py" else None
        if code is not None and code.is_file():
            found[str(byte_code_of(Path(file)))] = code
    if actions is not None and CATALOGUED in part.modules:
        found[ACTIONS_FILE] = actions
    return found


def _check_size(part: Part, content: Mapping[str, Path]) -> None:
    size = sum(path.stat().st_size for path in content.values())
    if size > UNPACKED_AT_MOST:
        raise Unbuildable(
            f"The function {part.function.name} would unpack to {size:,} bytes, and Lambda takes "
            f"{UNPACKED_AT_MOST:,}. Name fewer PLUGINS, or ones that need less."
        )


def _written(out: Path, libraries: Mapping[str, Library], part: Part, content: Mapping[str, Path]) -> Built:
    path = out / f"{part.function.name}.zip"
    unpacked = write_zip(path, content)
    versions = {name: libraries[name].version for name in sorted(part.libraries)}
    return Built(part.function, path, unpacked, versions)
