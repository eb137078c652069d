"""What a module reaches, read from its source."""

from __future__ import annotations

from pathlib import Path

import pytest
from infrastructure.zips.reach import Reach, modules_in, reach


def reached(tmp_path: Path, never: tuple[str, ...] = (), **sources: str) -> Reach:
    """What the module ``shop.start`` reaches; a source's name is its path, with ``__`` for a slash."""
    files = []
    for name, source in sources.items():
        file = tmp_path / "shop" / f"{name.replace('__', '/')}.py"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(source)
        for directory in [file.parent, *file.parent.parents]:
            if directory.is_relative_to(tmp_path / "shop"):
                (directory / "__init__.py").touch()
    files = [str(path.relative_to(tmp_path)) for path in sorted(tmp_path.rglob("*.py"))]
    return reach(["shop.start"], modules_in(tmp_path, files), never)


def test_what_is_imported_by_what_is_imported_is_reached(tmp_path: Path) -> None:
    found = reached(tmp_path, start="import shop.till", till="from shop import bag", bag="", unused="")
    assert found.own == {"shop", "shop.start", "shop.till", "shop.bag"}


def test_what_is_imported_on_first_use_is_reached(tmp_path: Path) -> None:
    found = reached(tmp_path, start="def pay():\n    from shop.till import open", till="open = 1")
    assert "shop.till" in found.own


def test_what_is_imported_for_type_checkers_alone_is_not_reached(tmp_path: Path) -> None:
    source = "import typing as t\nif t.TYPE_CHECKING:\n    import shop.till, numpy\nelse:\n    import attrs"
    found = reached(tmp_path, start=source, till="")
    assert found == Reach(frozenset({"shop", "shop.start"}), {"attrs": "shop.start"})


def test_what_is_imported_relatively_is_reached(tmp_path: Path) -> None:
    found = reached(
        tmp_path, start="from .desk import till", desk__till="from ..bag import size", bag="size = 1"
    )
    assert found.own == {"shop", "shop.start", "shop.desk", "shop.desk.till", "shop.bag"}


def test_a_library_is_named_with_the_module_that_imports_it_and_pythons_own_is_not(tmp_path: Path) -> None:
    found = reached(
        tmp_path, start="import json, shop.till", till="import yarl.parsing\nfrom email import policy"
    )
    assert found.foreign == {"yarl.parsing": "shop.till"}


def test_what_is_never_entered_is_not_reached_nor_is_what_it_imports(tmp_path: Path) -> None:
    source = "import shop.till, apprise.plugins"
    found = reached(tmp_path, ("shop.till", "apprise"), start=source, till="import attrs")
    assert found == Reach(frozenset({"shop", "shop.start"}), {})


def test_a_start_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(KeyError, match="start"):
        reached(tmp_path, till="")
