"""How every measuring command runs: on uvloop, quietly, and with no figures if an answer was wrong."""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Coroutine
from typing import Any, TypeVar

import structlog
import uvloop

from benchmarks.contestant import WrongAnswerError

T = TypeVar("T")


def measured(
    measuring: Coroutine[Any, Any, T],
    *,
    late: str = "requests were not answered in time",
    log: int = logging.WARNING,
) -> T:
    """What ``measuring`` gives.

    Args:
        late: what is said of a time that ran out without a word of its own.
        log: the least level that is logged.

    Raises:
        SystemExit: 1, with the reason on stderr: an answer was wrong or late, so nothing was measured.
    """
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(log))
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(measuring)
    except (WrongAnswerError, TimeoutError) as error:
        print(f"not measured: {error or late}", file=sys.stderr)
        raise SystemExit(1) from None
