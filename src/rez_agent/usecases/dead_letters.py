"""Dead letters: executions that failed for good, until somebody queues them again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from rez_agent.domain.execution import Execution
from rez_agent.ports import ExecutionQuery, Ports
from rez_agent.usecases.callers import Caller, check_known

ON_A_PAGE = 25
LOOKED_AT = 1_000
"""Dead letters that one page looks at: target and code are no part of any index."""

_AT_ONCE = 50


@dataclass(frozen=True, slots=True)
class DeadLetters:
    """A page, newest first. ``by_code`` and ``by_target`` count those that were looked at, whatever the
    filters; ``looked_at`` of them. ``total`` as a list has it, of all that there are."""

    items: tuple[Execution, ...]
    next_cursor: str | None
    by_code: dict[str, int]
    by_target: dict[str, int]
    looked_at: int
    total: int
    total_is_exact: bool


def dead_letters(
    ports: Ports,
    caller: Caller,
    *,
    schedule_id: str | None = None,
    target: str | None = None,
    code: str | None = None,
    cursor: str | None = None,
) -> DeadLetters:
    """A page of the caller's dead letters, :data:`ON_A_PAGE` or a little more; it may hold less though others
    follow. Raises NotFound ``schedule_not_found`` and Invalid ``invalid_cursor``."""
    if schedule_id is not None:
        check_known(ports, caller, schedule_id)
    query = ExecutionQuery(
        owner=caller.owner_filter, schedule_id=schedule_id, dead_letter=True, cursor=cursor, limit=_AT_ONCE
    )
    codes, targets = Counter[str](), Counter[str]()
    found: list[Execution] = []
    while True:
        page = ports.ledger.list(query)
        codes.update(one.code or "" for one in page.items)
        targets.update(one.target for one in page.items)
        found += [one for one in page.items if target in (None, one.target) and code in (None, one.code)]
        query = replace(query, cursor=page.next_cursor)
        if page.next_cursor is None or len(found) >= ON_A_PAGE or codes.total() >= LOOKED_AT:
            break
    return DeadLetters(
        items=tuple(found),
        next_cursor=page.next_cursor,
        by_code=dict(codes.most_common()),
        by_target=dict(targets.most_common()),
        looked_at=codes.total(),
        total=page.total,
        total_is_exact=page.total_is_exact,
    )


def standing(ports: Ports, caller: Caller, execution_ids: Sequence[str]) -> tuple[Execution, ...]:
    """How executions stand that the caller may see; those that are gone are left out."""
    found = (ports.ledger.get(one) for one in execution_ids)
    return tuple(one for one in found if one is not None and caller.reaches(one.owner))
