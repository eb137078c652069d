"""Everything that touches ministack's private names, each with what it mends. Written for 1.5.33, pinned.

Nothing else in the project imports ministack. It reads the environment when imported: see ``emulator``.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ministack import app
from ministack.core import iam_actions, lambda_runtime
from ministack.services import lambda_svc, scheduler, sns


def apply(home: Path, *, firing: bool) -> None:
    """Mend ministack in this process. ``home`` is a directory for what the mending needs."""
    _replace_the_ticker(firing=firing)
    _name_the_schedule_group()
    _invoke_asynchronously_from_topics()


def application() -> Any:
    """ministack's ASGI application."""
    return app.app


def stop_functions() -> None:
    """End every function's process: ministack itself leaves them to notice that their input has ended."""
    lambda_runtime.reset()


def _replace_the_ticker(*, firing: bool) -> None:
    """ministack's own looks every ten seconds, knows no time zone, and never fires again after an update."""
    scheduler.start_scheduler = lambda: None


def _name_the_schedule_group() -> None:
    """IAM saw every schedule in the group ``default``, so a policy on the stage's group allowed nothing."""
    original = iam_actions.extract_resource_arn

    def with_group(
        service: str,
        method: str,
        path: str,
        headers: dict[str, str],
        body: bytes,
        query: dict[str, Any],
        *more: Any,
        **named: Any,
    ) -> str:
        arn: str = original(service, method, path, headers, body, query, *more, **named)
        if service != "scheduler" or ":schedule/default/" not in arn:
            return arn
        group = iam_actions._safe_json_field(body, "GroupName") or query.get("groupName") or "default"
        return arn.replace(
            ":schedule/default/", f":schedule/{group[0] if isinstance(group, list) else group}/"
        )

    iam_actions.extract_resource_arn = with_group


class _Asynchronous:
    """Lambda as a topic should see it: an invocation is tried three times, then goes to its destination."""

    def __getattr__(self, name: str) -> Any:
        return getattr(
            lambda_svc, "invoke_async_with_retry" if name == "_execute_function_with_config_scope" else name
        )


def _invoke_asynchronously_from_topics() -> None:
    """A topic invoked a function once, and what failed was lost."""
    sns._lambda_svc = _Asynchronous()
