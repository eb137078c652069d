"""The log: one event a line on standard error, as JSON, or in colour where a terminal reads it."""

from __future__ import annotations

import logging
import sys

import structlog

from rez_agent.domain.errors import Invalid


def configure_logs(level: str) -> None:
    """Log from ``level`` on (``debug``, ``info``, ``warning``, ``error``) for the rest of the process.

    What libraries log comes in the same form, from ``warning`` on. Raises Invalid ``invalid_setting`` for
    any other level.
    """
    number = logging.getLevelNamesMapping().get(level.upper())
    if number is None:
        raise Invalid(f"--log-level {level}: choose debug, info, warning or error.", code="invalid_setting")
    renderer = structlog.dev.ConsoleRenderer() if sys.stderr.isatty() else structlog.processors.JSONRenderer()
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(number),
        processors=[*shared, renderer],
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    libraries = logging.StreamHandler(sys.stderr)
    libraries.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name, *shared],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    logging.basicConfig(level=max(number, logging.WARNING), handlers=[libraries])
