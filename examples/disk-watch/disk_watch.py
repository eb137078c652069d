"""Custom actions for rez-agent: watch the disk's free space, wait for a file."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rez_agent.domain.action import Outcome, Work
from rez_agent.domain.errors import Problem

GIB = 1024**3


def disk_space(work: Work) -> Outcome | dict[str, Any]:
    """Succeeds while ``path`` has at least ``least_gib`` of free space.

    A plain function: it may block, since it runs in a thread. What it raises (no such path) is tried again;
    too little space is not, since trying again soon won't make more.
    """
    usage = shutil.disk_usage(work.payload["path"])
    free = usage.free / GIB
    if free < work.payload["least_gib"]:
        error = f"{work.payload['path']} has {free:.1f} GiB left."
        return Outcome(ok=False, code="disk_full", error=error, permanent=True)
    return {"free_gib": round(free, 1), "used_percent": round(100 * usage.used / usage.total)}


def _check_disk_space(payload: Mapping[str, Any]) -> list[Problem]:
    """Asked when a schedule is created: all that is wrong with its payload."""
    problems = []
    if not isinstance(payload.get("path"), str):
        problems.append(Problem("missing_field", "'path' names a directory.", "/path"))
    if not isinstance(payload.get("least_gib"), int | float):
        problems.append(Problem("missing_field", "'least_gib' is a number.", "/least_gib"))
    return problems


disk_space.check = _check_disk_space  # type: ignore[attr-defined]


async def file_arrives(work: Work) -> str:
    """Waits until the file ``path`` is there; the payload's ``timeout`` bounds the wait.

    A coroutine: it runs in the server's event loop, so it must never block.
    """
    path = Path(work.payload["path"])
    while not await asyncio.to_thread(path.exists):  # noqa: ASYNC110  # nobody tells us when a file arrives
        await asyncio.sleep(0.5)
    return f"{path.name} is there."
