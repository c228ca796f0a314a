"""A project with schedules, and the server's clockwork under a test's hand."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import Any

from tests.worker.projects import COMPLETE, END, Agent, Site, Spec, load, until, write
from wingman_runtime.project.load import LoadedProject
from wingman_runtime.redisio import schedules
from wingman_runtime.redisio.schedules import Kept

SPEC = Spec(
    {"work": Agent(COMPLETE, emits=["ExecutionComplete"])},
    {"UserRequestReceived": "work", **END},
    flow="request",
)
HOUR_MS = 3_600_000
DAILY = """
nightly:
  purpose: a test
  cron: "0 6 * * *"
  timezone: Europe/Berlin
  intent: note.write
  params: {title: t, empty: []}
  tenant: demo
  actor: alice
"""


def project(root: Path, url: str, body: str = DAILY, **flags: Any) -> LoadedProject:
    """Loaded, with ``body`` below ``schedules:``; an existing project gets another body."""
    if not root.exists():
        write(root, SPEC)
    rewrite(root, body)
    return load(root, url, **flags)


def rewrite(root: Path, body: str) -> None:
    text = "schedules:\n" + textwrap.indent(body.strip() or "{}", "  ") + "\n"
    (root / "config" / "schedules.yaml").write_text(text)


async def now_ms(place: Site) -> int:
    return (await schedules.look(place.store, "nightly")).now_ms


async def make_due(place: Site, due_ms: int, name: str = "nightly") -> None:
    """The next due time is this one: as if the workers had been away since."""
    keys = place.store.keys(0)
    await place.store.call("HSET", keys.schedule(name), "due", due_ms)
    await place.store.call("ZADD", f"{keys.anchor}:due", due_ms, name)


async def kept(place: Site, name: str = "nightly") -> Kept:
    return next(one for one in await schedules.listed(place.store) if one.name == name)


async def told(place: Site, action: str) -> list[dict[str, Any]]:
    """Bodies of the admin records of one action, in order."""
    return [body for body in await place.log("admin") if body["action"] == action]


async def fired(place: Site, count: int) -> list[str]:
    """The ids of the requests there are, oldest first, once there are so many."""

    async def enough() -> bool:
        return len(await place.client.request_ids()) >= count

    await until(enough)
    return list(reversed(await place.client.request_ids()))
