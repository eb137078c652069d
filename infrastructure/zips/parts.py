"""What each function is made of: modules of ours, and libraries."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from sysconfig import get_path

from infrastructure.zips.faults import Unbuildable
from infrastructure.zips.functions import PLUGGED_IN, PROVIDED, Function
from infrastructure.zips.installing import install_own, install_plugins, locked_names
from infrastructure.zips.libraries import Library, installed, provider_of, providers, with_needs
from infrastructure.zips.reach import Reach, reach
from rez_agent.actions.custom import GROUP

OWN = "rez-agent"


@dataclass(frozen=True, slots=True)
class Stock:
    """What there is to make functions of: rez-agent itself; the libraries that the lock names, as they are
    installed here; and the plugins with those of their needs that the lock does not name."""

    own: Library
    locked: Mapping[str, Library]
    plugins: Mapping[str, Library]

    @property
    def libraries(self) -> dict[str, Library]:
        """All but ourselves."""
        return {**self.plugins, **self.locked}


@dataclass(frozen=True, slots=True)
class Part:
    """What one function is made of: our ``modules``, and ``libraries`` by name."""

    function: Function
    modules: frozenset[str]
    libraries: frozenset[str]

    def own_files(self, own: Library) -> Iterator[str]:
        """Our files that go in: the modules', the data beside them, and what says which version it is."""
        for file in own.carried():
            path = Path(file)
            module = _module_of(path) if path.suffix == ".py" else _package_of(path, own)
            if path.parts[0].endswith(".dist-info") or module in self.modules:
                yield file


def stock_in(stage: Path, plugins: Sequence[str]) -> Stock:
    """The stock of a build, with ``plugins`` and ourselves installed below ``stage``.

    Raises Unbuildable when a plugin can't be had, or has no custom action.
    """
    install_own(stage / "own")
    locked = locked_here()
    found: dict[str, Library] = {}
    if plugins:
        install_plugins(plugins, stage / "plugins")
        found = installed(stage / "plugins")
        _check_plugins(found)
    return Stock(
        own=installed(stage / "own")[OWN],
        locked=locked,
        plugins={name: library for name, library in found.items() if name not in {OWN, *locked}},
    )


def locked_here() -> dict[str, Library]:
    """The libraries of the AWS host's lock, as the environment has them that builds."""
    names = locked_names()
    here = installed(Path(get_path("purelib")), Path(get_path("platlib")))
    return {name: library for name, library in here.items() if name in names}


def _check_plugins(found: Mapping[str, Library]) -> None:
    for library in found.values():
        if library.asked_for and library.name != OWN and GROUP not in library.groups:
            raise Unbuildable(
                f"PLUGINS names {library.name}, which has no custom action: its metadata declares no entry "
                f'point in the group "{GROUP}".'
            )


def part_of(function: Function, stock: Stock) -> Part:
    """What ``function`` is made of. Raises Unbuildable when it imports what nothing in the lock provides."""
    sources = stock.own.modules
    reached = reach([function.module], sources, function.never)
    known = providers(stock.libraries)
    needed = {_provider(module, importer, known) for module, importer in reached.foreign.items()}
    modules = reached.own
    plugins = [one for one in stock.plugins.values() if GROUP in one.groups]
    if plugins and PLUGGED_IN in modules:
        theirs = _reach_of(plugins, stock)
        modules |= theirs.own & sources.keys()
        # What they import and nothing provides is theirs to try: their metadata says what they need.
        needed |= {found for module in theirs.foreign if (found := provider_of(module, known))}
        needed |= {one.name for one in plugins}
    libraries = with_needs(needed, stock.libraries, PROVIDED | {OWN})
    return Part(function, modules, frozenset(libraries))


def _reach_of(plugins: Sequence[Library], stock: Stock) -> Reach:
    theirs = {name: path for plugin in plugins for name, path in plugin.modules.items()}
    return reach(theirs, {**stock.own.modules, **theirs})


def _provider(module: str, importer: str, known: Mapping[str, str]) -> str:
    found = provider_of(module, known)
    if found is None:
        raise Unbuildable(f"{importer} imports {module}, which nothing in requirements-aws.lock provides.")
    return found


def _module_of(path: Path) -> str:
    parts = path.with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _package_of(path: Path, own: Library) -> str:
    """The package that a file belongs to: the nearest directory above it that is one."""
    for directory in path.parents:
        if f"{directory}/__init__.py" in own.files:
            return ".".join(directory.parts)
    return ""
