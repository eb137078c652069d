"""What a module imports, and what that imports in turn, read from the source."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Reach:
    """What a function's code reaches: ``own`` modules, and ``foreign`` dotted names that are neither ours nor
    the standard library's, each with the module that imports it."""

    own: frozenset[str]
    foreign: Mapping[str, str]


def modules_in(root: Path, files: Iterable[str]) -> dict[str, Path]:
    """The modules among ``files`` (paths relative to ``root``), by dotted name."""
    found: dict[str, Path] = {}
    for file in files:
        if file.endswith(".py"):
            parts = file.removesuffix(".py").split("/")
            name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
            if all(part.isidentifier() for part in parts):
                found[name] = root / file
    return found


def reach(start: Iterable[str], sources: Mapping[str, Path], never: Iterable[str] = ()) -> Reach:
    """All that the modules ``start`` import, at once or later, through the modules of ``sources``.

    A package that is imported brings its parents, as Python does. What ``never`` names is not followed.
    Raises KeyError for a module of ``start`` that is not in ``sources``.
    """
    shut = frozenset(never)
    own: set[str] = set()
    foreign: dict[str, str] = {}
    waiting = [(name, "") for module in start for name in _with_parents(module, sources)]
    while waiting:
        name, importer = waiting.pop()
        if name in own or name in shut:
            continue
        if name not in sources:
            if not _is_shut(name, shut) and name.partition(".")[0] not in sys.stdlib_module_names:
                foreign.setdefault(name, importer)
            continue
        own.add(name)
        waiting += [(met, name) for met in _imports(name, sources)]
    return Reach(frozenset(own), foreign)


def _is_shut(name: str, shut: frozenset[str]) -> bool:
    return any(name == one or name.startswith(f"{one}.") for one in shut)


def _with_parents(module: str, sources: Mapping[str, Path]) -> list[str]:
    if module not in sources:
        raise KeyError(module)
    parts = module.split(".")
    return [".".join(parts[:end]) for end in range(1, len(parts) + 1)]


def _imports(module: str, sources: Mapping[str, Path]) -> Iterator[str]:
    """Every module that ``module`` imports: ours with their parents, others as they are written."""
    path = sources[module]
    tree = ast.parse(path.read_bytes(), filename=str(path))
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    for node in _run(tree):
        if isinstance(node, ast.Import):
            named = [alias.name for alias in node.names]
        else:
            base = _base(node, package)
            named = [base, *(f"{base}.{alias.name}" for alias in node.names)]
            named = [name for name in named if name == base or name in sources]
        for name in named:
            yield from _with_parents(name, sources) if name in sources else (name,)


def _base(node: ast.ImportFrom, package: str) -> str:
    if not node.level:
        return node.module or ""
    above = package.split(".")[: len(package.split(".")) - node.level + 1]
    return ".".join([*above, *([node.module] if node.module else [])])


def _run(tree: ast.AST) -> Iterator[ast.Import | ast.ImportFrom]:
    """The import statements that may run: not those for type checkers alone."""
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield node
        elif isinstance(node, ast.If) and _for_types(node.test):
            waiting += node.orelse
        else:
            waiting += ast.iter_child_nodes(node)


def _for_types(test: ast.expr) -> bool:
    match test:
        case ast.Name(id="TYPE_CHECKING") | ast.Attribute(attr="TYPE_CHECKING"):
            return True
    return False
