"""Tools of the reference project: records, pages and announcements, all kept as files of the workspace.

They show the three ways of undoing: putting a file back (`file.restore`), a compensation of one's own
(`page.retract`), and saying that there is none (`irreversible=True`).
"""

from __future__ import annotations

import json
from typing import Annotated, Any

from pydantic import Field

from wingman_runtime.sdk import Result, ToolContext, ToolError, tool

OPEN_CHANNELS = ("public", "team")

RecordName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}(/[a-z0-9][a-z0-9_-]{0,63}){0,3}$")]
Slug = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,63}$")]
Channel = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,31}$")]
Line = Annotated[str, Field(min_length=1, max_length=200)]
Value = str | int | float | bool | None


@tool(
    "record.update",
    risk="medium",
    timeout=5,
    idempotent=True,
    compensation="file.restore",
    resource="record:{record}",
)
def update_record(record: RecordName, fields: dict[str, Value], context: ToolContext) -> Result:
    """Set fields of a record; null removes one."""
    path = f"records/{record}.json"
    with context.files.exclusive(path):
        stash = context.files.keep(path)
        # From what was there before this effect, so that a second attempt comes to the same.
        before = json.loads(context.files.kept(path) or b"{}")
        after = {name: value for name, value in {**before, **fields}.items() if value is not None}
        return _put(context, path, stash, json.dumps(after, indent=2, sort_keys=True) + "\n")


@tool(
    "page.write",
    risk="medium",
    timeout=5,
    idempotent=True,
    compensation="file.restore",
    resource="page:{slug}",
)
def write_page(slug: Slug, title: Line, body: str, context: ToolContext) -> Result:
    """Write a page of the site."""
    path = f"pages/{slug}.md"
    with context.files.exclusive(path):
        return _put(context, path, context.files.keep(path), f"# {title}\n\n{body}\n")


@tool(
    "page.index",
    risk="medium",
    timeout=5,
    idempotent=True,
    compensation="file.restore",
    resource="page:index",
)
def index_page(slug: Slug, title: Line, context: ToolContext) -> Result:
    """List a page in the site's index."""
    # One file a page: two requests that publish at once do not touch the same file.
    path = f"pages/index/{slug}.json"
    with context.files.exclusive(path):
        return _put(
            context, path, context.files.keep(path), json.dumps({"slug": slug, "title": title}) + "\n"
        )


@tool(
    "page.announce",
    risk="medium",
    timeout=5,
    idempotent=True,
    compensation="page.retract",
    resource="channel:{channel}",
)
def announce_page(slug: Slug, channel: Channel, context: ToolContext) -> Result:
    """Announce a page in a channel."""
    if channel not in OPEN_CHANNELS:
        raise ToolError(f"channel {channel!r} is closed", hint=f"use one of {', '.join(OPEN_CHANNELS)}")
    # Named after the idempotency key: a second attempt writes the same announcement, not another.
    path = f"channels/{channel}/{context.key}.json"
    context.files.write(path, json.dumps({"page": slug, "request": context.request_id}).encode() + b"\n")
    return Result(
        {"channel": channel, "announcement": context.key},
        undo={"channel": channel, "announcement": context.key},
    )


@tool(
    "page.retract",
    risk="low",
    timeout=5,
    idempotent=True,
    undo_only=True,
    resource="channel:{channel}",
)
def retract_page(channel: Channel, announcement: str, context: ToolContext) -> dict[str, Any]:
    """Take an announcement back."""
    return {"removed": context.files.delete(f"channels/{channel}/{announcement}.json")}


def _put(context: ToolContext, path: str, stash: str, text: str) -> Result:
    """Write a file, and say how to put it back."""
    context.files.write(path, text.encode())
    left = context.files.state(path)
    return Result({"path": path, "state": left}, undo={"path": path, "stash": stash, "left": left})
