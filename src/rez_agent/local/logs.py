"""The log: one event a line on standard error, as JSON, or in colour where a terminal reads it."""

from __future__ import annotations

import logging
import sys
from contextlib import suppress
from typing import TextIO, cast

import structlog

from rez_agent.domain.errors import Invalid


class Unfailing:
    """A stream that a full disk or a closed pipe takes lines from, and nothing else: what is logged is never
    worth the work that it tells of."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write, if that can be."""
        with suppress(OSError, ValueError):
            return self._stream.write(text)
        return 0

    def flush(self) -> None:
        """Hand on what was written, if that can be."""
        with suppress(OSError, ValueError):
            self._stream.flush()


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
        logger_factory=structlog.PrintLoggerFactory(cast("TextIO", Unfailing(sys.stderr))),
    )
    libraries = logging.StreamHandler(sys.stderr)
    libraries.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name, *shared],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    logging.basicConfig(level=max(number, logging.WARNING), handlers=[libraries])
