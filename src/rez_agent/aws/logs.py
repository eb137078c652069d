"""The log: one event a line on standard output, as JSON, with the invocation it belongs to.

The form is Powertools': ``level``, ``message`` (the event's name), ``timestamp``, ``function_request_id`` and
``cold_start``, besides what the event says. CloudWatch Logs Insights finds the fields by name.
"""

from __future__ import annotations

import logging
from typing import Any

from aws_lambda_powertools import Logger

SERVICE = "rez-agent"

log = Logger(service=SERVICE, utc=True, use_rfc3339=True)


def configure_logs(level: str) -> None:
    """Log from ``level`` on (``debug``, ``info``, ``warning``, ``error``) for the rest of the process."""
    log.setLevel(level.upper())


def join_structlog() -> None:
    """What the web layer and the actions log by structlog becomes part of this log. For functions that have
    them: structlog is slow to import."""
    import structlog  # noqa: PLC0415

    structlog.configure(
        processors=[structlog.contextvars.merge_contextvars, _as_keywords],
        wrapper_class=structlog.make_filtering_bound_logger(log.log_level or logging.INFO),
        logger_factory=lambda *_names: log,
    )


def _as_keywords(_logger: Any, _method: str, event: Any) -> tuple[tuple[str], dict[str, Any]]:
    """The event as Powertools takes it: its name, and the rest by keyword. There ``message`` is the event's
    name, so a message that an event tells of becomes ``text``."""
    rest = dict(event)
    if "message" in rest:
        rest["text"] = rest.pop("message")
    return (rest.pop("event"),), rest
