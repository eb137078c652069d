"""Installed distributions: what they provide, what they need, which of their files a function needs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import Distribution, distributions
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from infrastructure.zips.faults import Unbuildable
from infrastructure.zips.reach import modules_in

RUNTIME = {
    "implementation_name": "cpython",
    "os_name": "posix",
    "platform_machine": "x86_64",
    "platform_python_implementation": "CPython",
    "platform_system": "Linux",
    "python_full_version": "3.11.0",
    "python_version": "3.11",
    "sys_platform": "linux",
    "extra": "",
}
"""The runtime python3.11 on x86_64, as requirements' markers ask for it: not the machine that builds."""

_NOT_RUN = frozenset({".pyi", ".pyx", ".pxd", ".c", ".h", ".pyc"})
_METADATA = ("METADATA", "entry_points.txt")
_NOT_IMPORTED = ("cel_expr_python/ext/",)
"""What no code of ours imports, and is too large to go in for nothing: CEL's extensions, 36 MB."""
_LICENCES = ("LICEN", "COPYING", "NOTICE", "AUTHORS")


@dataclass(frozen=True, slots=True)
class Library:
    """An installed distribution, by its normalized name.

    ``files`` are paths relative to ``root``; ``needs`` are names; ``groups`` those of its entry points.
    ``asked_for``: it was not installed for another's sake alone.
    """

    name: str
    version: str
    root: Path
    files: tuple[str, ...]
    needs: tuple[str, ...]
    groups: frozenset[str]
    asked_for: bool

    @classmethod
    def of(cls, distribution: Distribution) -> Library:
        """The distribution as it is installed."""
        root = Path(str(distribution.locate_file("")))
        found = [Requirement(text) for text in distribution.requires or ()]
        return cls(
            name=canonicalize_name(distribution.metadata["Name"]),
            version=distribution.version,
            root=root,
            files=tuple(sorted(str(file) for file in distribution.files or ())),
            needs=tuple(
                canonicalize_name(r.name) for r in found if not r.marker or r.marker.evaluate(RUNTIME)
            ),
            groups=frozenset(point.group for point in distribution.entry_points),
            asked_for=distribution.read_text("REQUESTED") is not None,
        )

    @property
    def modules(self) -> dict[str, Path]:
        """Its modules in Python, by dotted name."""
        return modules_in(self.root, self.files)

    def carried(self) -> Iterator[str]:
        """The files that a function needs: its metadata and licences too, but no scripts, tests, stubs or
        sources of extensions."""
        for file in self.files:
            path = Path(file)
            if ".." in path.parts or path.parts[0] == "bin" or path.suffix in _NOT_RUN:
                continue
            if file.startswith(_NOT_IMPORTED):
                continue
            if path.parts[0].endswith(".dist-info"):
                if (
                    path.name in _METADATA
                    or path.name.upper().startswith(_LICENCES)
                    or "licenses" in path.parts
                ):
                    yield file
            elif "tests" not in path.parts:
                yield file


def installed(*directories: Path) -> dict[str, Library]:
    """The distributions in ``directories``, by normalized name; the first that has one counts."""
    found: dict[str, Library] = {}
    for directory in directories:
        for distribution in distributions(path=[str(directory)]):
            library = Library.of(distribution)
            found.setdefault(library.name, library)
    return found


def with_needs(names: Iterable[str], libraries: Mapping[str, Library], provided: frozenset[str]) -> set[str]:
    """``names`` and all that they need, without what is ``provided`` and what only that needs."""
    found: set[str] = set()
    waiting = [(name, "") for name in names]
    while waiting:
        name, needer = waiting.pop()
        if name in found or name in provided:
            continue
        if name not in libraries:
            raise Unbuildable(
                f"{needer or 'A function'} needs {name}, which is not installed: run make setup-development."
            )
        found.add(name)
        waiting += [(needed, name) for needed in libraries[name].needs]
    return found


def providers(libraries: Mapping[str, Library]) -> dict[str, str]:
    """Which library provides a module, for every prefix of a module's dotted name that only one provides."""
    found: dict[str, set[str]] = {}
    for library in libraries.values():
        for file in library.files:
            parts = Path(file).parts
            if ".." in parts or not parts or parts[0].endswith((".dist-info", ".pth")):
                continue
            *above, last = parts
            module = [*above, last.partition(".")[0]] if last.endswith((".py", ".so")) else list(above)
            for end in range(1, len(module) + 1):
                found.setdefault(".".join(module[:end]), set()).add(library.name)
    return {module: next(iter(names)) for module, names in found.items() if len(names) == 1}


def provider_of(module: str, known: Mapping[str, str]) -> str | None:
    """The library that provides ``module``: by its name, or by the longest part of it that is known."""
    while module:
        if module in known:
            return known[module]
        module = module.rpartition(".")[0]
    return None
