"""What a tool of the project's own raises is for its author to read: in the log, with the effect's id."""

from __future__ import annotations

import asyncio
from typing import Any

import structlog

from wingman_runtime.contracts.tool import ToolContext, tool, tool_mark
from wingman_runtime.effects.call import Unknown, _try
from wingman_runtime.effects.tool import spec_of
from wingman_runtime.errors import ToolError


@tool("break.it", purpose="raise", irreversible=True)
def break_it(how: str, context: ToolContext) -> None:
    secret = "hunter2"
    if how == "said":
        raise ToolError("nothing was done")
    raise ValueError(f"{how} {len(secret)}")


async def tried(how: str) -> tuple[Any, list[Any]]:
    mark = tool_mark(break_it)
    assert mark is not None
    spec = spec_of(break_it, mark, where="here:1", timeout=5)

    def context(stopped: Any) -> ToolContext:
        return ToolContext("key", "eff_1", "req_1", "demo", "alice", 1, None, stopped)  # type: ignore[arg-type]

    with structlog.testing.capture_logs() as logs:
        end = await _try(spec, {"how": how}, context, None, asyncio.get_running_loop().time() + 5)
    return end, logs


async def test_an_exception_is_logged_with_its_traceback_and_effect() -> None:
    """The line that raised is in it, the local variables are not."""
    end, logs = await tried("badly")
    assert isinstance(end, Unknown)
    (line,) = logs
    assert (line["tool"], line["effect"], line["request"]) == ("break.it", "eff_1", "req_1")
    assert 'raise ValueError(f"{how} {len(secret)}")' in line["exception"]
    assert "hunter2" not in line["exception"]


async def test_a_tool_error_is_an_answer() -> None:
    """It is on the record as it was said, and no trouble for the log."""
    _, logs = await tried("said")
    assert logs == []
