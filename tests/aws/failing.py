"""A client of AWS that fails when it is told to."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any


class Failing:
    """A client whose next calls fail: ``before`` they reach AWS, or ``after`` it, so that the answer is lost.
    ``meanwhile`` happens once, right before the next call."""

    def __init__(self, client: Any, before: Sequence[Exception] = ()) -> None:
        self._client = client
        self.before = list(before)
        self.after: list[Exception] = []
        self.meanwhile: Callable[[], object] = lambda: None

    def __getattr__(self, operation: str) -> Any:
        def call(**request: Any) -> Any:
            meanwhile, self.meanwhile = self.meanwhile, lambda: None
            meanwhile()
            if self.before:
                raise self.before.pop(0)
            answer = getattr(self._client, operation)(**request)
            if self.after:
                raise self.after.pop(0)
            return answer

        return call
