"""Files in the workspace: write, append, delete; and putting back what was there.

Each call keeps the file as it was before it changes anything, under a name derived from the effect, so that
`file.restore` puts back exactly that, however often the call was attempted.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, Field

from wingman_runtime.contracts.tool import Result, ToolContext, tool
from wingman_runtime.effects.workspace import segments
from wingman_runtime.errors import ToolError

_SECONDS = 5.0  # short: after a crash the next worker waits for as long


def _checked(path: str) -> str:
    try:
        segments(path)
    except ToolError as error:
        raise ValueError(error.message) from None
    return path


FilePath = Annotated[str, Field(description="relative path in the workspace"), AfterValidator(_checked)]
Text = Annotated[str, Field(description="text, stored as UTF-8", max_length=2**18)]


@tool(
    "file.write",
    risk="low",
    timeout=_SECONDS,
    idempotent=True,
    compensation="file.restore",
    resource="file:{path}",
)
def write(path: FilePath, content: Text, context: ToolContext) -> Result:
    """Write a text file, replacing what is there."""
    files = context.files
    with files.exclusive(path):
        stash = files.keep(path)
        files.write(path, content.encode())
        return _done(context, path, stash)


@tool("file.append", risk="low", timeout=_SECONDS, compensation="file.restore", resource="file:{path}")
def append(path: FilePath, content: Text, context: ToolContext) -> Result:
    """Add text to the end of a file, making it when missing."""
    # Not idempotent: after a crash nobody can tell whether the end of the file is ours or another's.
    files = context.files
    with files.exclusive(path):
        stash = files.keep(path)
        files.write(path, (files.read(path) or b"") + content.encode())
        return _done(context, path, stash)


@tool(
    "file.delete",
    risk="medium",
    timeout=_SECONDS,
    idempotent=True,
    compensation="file.restore",
    resource="file:{path}",
)
def delete(path: FilePath, context: ToolContext) -> Result:
    """Delete a file."""
    files = context.files
    with files.exclusive(path):
        stash = files.keep(path)
        if files.kept(path) is None:
            raise ToolError(f"there is no file {path}")
        files.delete(path)
        return _done(context, path, stash)


@tool("file.restore", risk="low", timeout=_SECONDS, idempotent=True, undo_only=True, resource="file:{path}")
def restore(path: FilePath, stash: str, left: str, context: ToolContext) -> dict[str, Any]:
    """Put a file back as it was before the effect that is undone."""
    with context.files.exclusive(path):
        return {"path": path, "restored": context.files.restore(path, stash, left)}


def _done(context: ToolContext, path: str, stash: str) -> Result:
    left = context.files.state(path)
    return Result({"path": path, "state": left}, undo={"path": path, "stash": stash, "left": left})
