"""``wingman doctor``: what is missing or wrong, on this machine and in this project, and what to do."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from wingman_runtime.cli.common import DEFAULT, Common
from wingman_runtime.cli.out import note, plain
from wingman_runtime.errors import WingmanError

if TYPE_CHECKING:
    from wingman_runtime.client import Status
    from wingman_runtime.project.load import Project
    from wingman_runtime.redisio.connection import Backend
    from wingman_runtime.settings import Settings


@dataclass(frozen=True, slots=True)
class Check:
    """One thing looked at."""

    check: str
    state: Literal["ok", "warning", "error"]
    found: str
    hint: str = ""


def doctor(
    *,
    live: Annotated[
        Literal["worker", "recorder"] | None,
        Parameter(help="Only: does this machine's worker, or the recorder, get on? For a supervisor."),
    ] = None,
    common: Common = DEFAULT,
) -> int:
    """Look at Python, the server, the project, its policies and flows, and whether workers run.

    Starts nothing and changes nothing. Exits with 1 when something is wrong; warnings are none.

    For example

        wingman doctor
        wingman doctor --json
        wingman doctor --live worker
    """
    if live is not None:
        from wingman_runtime.cli.alive import recorder_alive, worker_alive

        return worker_alive(common) if live == "worker" else recorder_alive(common)
    checks = list(_checks(common))
    out = common.out()
    out.table([plain(one) for one in checks], ("check", "state", "found"))
    if not common.json:
        for one in checks:
            if one.hint:
                out.line(f"{one.check}: {one.hint}")
    wrong = sum(one.state == "error" for one in checks)
    note(f"{wrong} thing{'s' if wrong > 1 else ''} to mend" if wrong else "all is well")
    return 1 if wrong else 0


def _checks(common: Common) -> Iterator[Check]:
    yield _python()
    yield _binary()
    try:
        project = common.found()
    except WingmanError as error:
        yield _wrong("project", error)
        return
    yield Check("project", "ok", f"{project.settings.name} in {project.root}")
    yield from _folders(project)
    findings = project.check()
    if findings:
        yield Check("files", "error", f"{len(findings)} problem(s)", "run `wingman config check`")
    else:
        yield Check("files", "ok", "agents, flows, policies, tools and scopes fit together")
    yield from _policies(project)
    yield from _server(project.settings)


def _python() -> Check:
    found = f"{platform.python_implementation()} {platform.python_version()}"
    return Check("python", "ok", found)


def _binary() -> Check:
    from wingman_runtime.redisio.binary import find_binary

    try:
        binary = find_binary()
    except WingmanError as error:
        return Check("server program", "warning", error.message, error.hint or "")
    return Check("server program", "ok", f"{binary} at {binary.path}")


def _folders(project: Project) -> Iterator[Check]:
    settings = project.settings
    for name, folder in (("run-time files", settings.run_dir), ("workspace", settings.workspace)):
        standing = next(one for one in (folder, *folder.parents) if one.exists())
        if os.access(standing, os.W_OK | os.X_OK):
            yield Check(name, "ok", str(folder))
        else:
            yield Check(name, "error", f"{folder} cannot be written", f"chown or chmod {standing}")


def _policies(project: Project) -> Iterator[Check]:
    from wingman_runtime.policy.load import load_bundle
    from wingman_runtime.policy.testing import check

    try:
        principals = project.root / "config" / "principals.yaml"
        bundle = load_bundle(project.root / "policies", principals)
        findings = check(bundle)
    except WingmanError as error:
        yield _wrong("policies", error)
        return
    if findings:
        yield Check("policies", "warning", f"{len(findings)} finding(s)", "run `wingman policy check`")
    else:
        yield Check("policies", "ok", f"{len(bundle.rules())} policies, {bundle.digest[:19]}")


def _server(settings: Settings) -> Iterator[Check]:
    import asyncio

    from wingman_runtime.redisio.probe import require_durable

    async def look() -> list[Check]:
        backend = await _running(settings)
        if backend is None:
            return []
        async with backend:
            found = [Check("server", "ok", f"{backend.probe} at {backend.where}")]
            try:
                require_durable(backend.probe, backend.where)
                found.append(Check("durability", "ok", "appendfsync always"))
            except WingmanError as error:
                state: Literal["error", "warning"] = "error" if settings.durability == "strict" else "warning"
                found.append(Check("durability", state, error.message, error.hint or ""))
            return found

    try:
        found = asyncio.run(look())
    except WingmanError as error:
        yield _wrong("server", error)
        return
    if not found:
        hint = "start it with `wingman dev`, or set WINGMAN_REDIS_URL"
        yield Check("server", "ok", "embedded, not running now", hint)
        return
    yield from found
    yield from _workers(settings)


async def _running(settings: Settings) -> Backend | None:
    """The project's server if it runs; an embedded one is not started for a look."""
    from wingman_runtime.redisio.connection import Tls, open_backend
    from wingman_runtime.redisio.embedded import attach

    redis = settings.redis
    if redis.url is None:
        server, _ = attach(settings.data_dir) if settings.data_dir.is_dir() else (None, False)
        return await open_backend(None, embedded=server) if server is not None else None
    return await open_backend(
        redis.url.get_secret_value(),
        username=redis.username,
        password=redis.password.get_secret_value() if redis.password else None,
        tls=Tls(redis.ca_file, redis.cert_file, redis.key_file),
        sentinel_username=redis.sentinel_username,
        sentinel_password=redis.sentinel_password.get_secret_value() if redis.sentinel_password else None,
    )


def _workers(settings: Settings) -> Iterator[Check]:
    import asyncio

    from wingman_runtime.client import Client

    async def ask() -> Status:
        async with Client(settings) as client:
            return await client.status()

    try:
        status = asyncio.run(ask())
    except WingmanError as error:
        yield _wrong("workers", error)
        return
    if status.disagreement:
        problem, _, hint = status.disagreement.partition("; ")
        yield Check("policies in force", "error", problem, hint)
    dead = sum(agent.dead for agent in status.agents)
    if status.piled:
        told = f"{dead}, piled up: {', '.join(status.piled)}"
        yield Check(
            "dead letters", "warning", told, "look with `wingman dlq list`, then replay or discard them"
        )
    else:
        yield Check("dead letters", "ok", str(dead) if dead else "none")
    alive = [worker for worker in status.workers if worker.alive]
    if status.stuck:
        yield Check("workers", "error", f"work waits for {', '.join(status.stuck)}", "run `wingman worker`")
    elif alive:
        yield Check("workers", "ok", f"{len(alive)} running")
    else:
        yield Check("workers", "warning", "none runs", "start one with `wingman worker` or `wingman dev`")


def _wrong(check: str, error: WingmanError) -> Check:
    where = f"{error.where}: " if error.where else ""
    return Check(check, "error", where + error.message.splitlines()[0], error.hint or "")
