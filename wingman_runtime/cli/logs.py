"""Where log lines go: to stderr, never among the data on stdout; as JSON lines with ``--json``."""

from __future__ import annotations

import logging
import os
import sys
from typing import Any

import structlog

_TELLING = {"worker", "dev", "demo"}
"""Commands that run something: their log is what they are watched by. The others tell of trouble only."""


def logs_to_stderr(command: str, *, as_json: bool) -> None:
    """Configure the log of this process.

    Args:
        command: the first word of the command.
    """
    level = logging.INFO if command in _TELLING else logging.ERROR
    rendering: list[Any] = [
        structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty() and not os.environ.get("NO_COLOR"))
    ]
    if as_json:
        rendering = [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso" if as_json else "%Y-%m-%d %H:%M:%S", utc=as_json),
            *rendering,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        # Looked up at each line: a test, or a parent, may put another stream in stderr's place.
        logger_factory=lambda *_: structlog.PrintLogger(sys.stderr),
        cache_logger_on_first_use=False,
    )
