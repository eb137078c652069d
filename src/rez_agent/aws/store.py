"""The tables of a stage, for what runs use cases one at a time: the functions, and the Host over threads."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

from rez_agent.aws.bundle import AwsPorts, Shared, ports_over
from rez_agent.aws.tables import Table
from rez_agent.aws.unit import Unit, run_whole
from rez_agent.aws.wire import Item

T = TypeVar("T")


class Store:
    """Runs use cases, each on a unit of work of its own, which ``fresh`` gives. Safe for several threads."""

    def __init__(self, fresh: Callable[[], Unit], shared: Shared) -> None:
        self._fresh = fresh
        self._shared = shared

    def write(self, use_case: Callable[[AwsPorts], T], *, known: Iterable[tuple[Table, Item]] = ()) -> T:
        """Run a use case whole, again where others were there first; durable when this returns. ``known``:
        see :func:`~rez_agent.aws.unit.run_whole`, and what it raises."""
        return run_whole(
            self._fresh,
            lambda unit: use_case(ports_over(unit, self._shared)),
            draw=self._shared.random.draw,
            known=known,
        )

    def read(self, use_case: Callable[[AwsPorts], T]) -> T:
        """Run a use case that only reads: each item as it is then, and the same all through it."""
        return use_case(ports_over(self._fresh(), self._shared))
