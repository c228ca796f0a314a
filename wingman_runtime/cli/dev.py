"""``wingman dev``: server and workers in one terminal, live.

1. Checks the project, starts (or attaches to) its server, puts its policies in force.
2. Keeps worker processes running.
3. Tells each event as it is recorded, and for an approval the command that answers it.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import shlex
import shutil
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from wingman_runtime.cli.common import DEFAULT, Common, actor_of, called
from wingman_runtime.cli.out import Out, note
from wingman_runtime.errors import ConflictError, NotFoundError

if TYPE_CHECKING:
    from wingman_runtime.ledger.record import StoredRecord
    from wingman_runtime.project.load import LoadedProject, Project

_OUTCOME = "AuditStamped"
_EXAMPLES = 3
_ALL = 10_000


def dev(
    *,
    workers: Annotated[int, Parameter(help="How many worker processes.")] = 2,
    common: Common = DEFAULT,
) -> int:
    """Run the project here: server, workers, and every event as it happens. Ctrl-C ends all of it.

    For example

        wingman dev
        wingman dev --workers 4 --json
    """
    from wingman_runtime.project.load import Project

    project = Project.find(common.project)
    if not any(
        value.path == "durability" and value.source != "default" for value in project.settings.explain()
    ):
        # What is tried out here should not be lost either; a setting of one's own wins.
        project = Project.find(common.project, durability="strict")
    loaded = project.load()  # what is wrong with it is told before anything is made or started
    with _only_one(project):
        asyncio.run(_dev(project, loaded, workers, common))
    return 0


@contextlib.contextmanager
def _only_one(project: Project) -> Iterator[None]:
    """One `wingman dev` for each project: two would give each request to whoever is first.

    Raises:
        ConflictError: another one runs.
        BackendRefusedError: the run-time folder cannot be used.
    """
    from wingman_runtime.redisio.embedded_files import make_data_dir

    # Makes the run-time folder as well, and says what to do where it cannot.
    make_data_dir(project.settings.data_dir)
    with (project.settings.run_dir / "dev.lock").open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            raise ConflictError(
                f"`wingman dev` runs in this project already, as process {lock.read().strip() or '?'}",
                where=str(project.root),
                hint="use the one that runs, or end it with Ctrl-C; `wingman worker` adds a worker to it",
            ) from None
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield


async def _dev(project: Project, loaded: LoadedProject, workers: int, common: Common) -> None:
    from wingman_runtime.bootstrap import activate, apply_policy
    from wingman_runtime.cli.fleet import Fleet
    from wingman_runtime.redisio.opening import connect

    out = common.out()
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    who = actor_of(project.settings, "")
    async with connect(project.settings) as server:
        changed = await activate(loaded, server.store, by=who)
        if not any(one.startswith("policy ") for one in changed):
            # Whoever edits policies and starts again means to try them.
            await apply_policy(loaded, server.store, by=who, reason="wingman dev")
        note(f"{project.settings.name}: {server.backend.probe} at {server.backend.where}")
        fleet = Fleet(project.root, [""] * workers, project.settings.times.grace)
        # Looking from before the first worker runs: nothing that happens from here on is missed.
        told = asyncio.create_task(_tell(project, out))
        async with fleet.running():
            note(f"{workers} workers; their logs are in {fleet.logs}")
            note(_next(loaded, project.root))
            waiting = asyncio.create_task(stop.wait())
            await asyncio.wait({told, waiting}, return_when=asyncio.FIRST_COMPLETED)
            note("stopping")
            told.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await told


async def _tell(project: Project, out: Out) -> None:
    from wingman_runtime.ledger.query import follow

    store = project.settings.audit_store
    last = 0 if store.is_file() else _ALL
    while True:
        try:
            async for record in follow(store, last=last):
                _tell_one(project, out, record)
        except NotFoundError:
            await asyncio.sleep(0.1)  # the recorder, in another process, is still making it


def _tell_one(project: Project, out: Out, record: StoredRecord) -> None:
    out.stream(_plain(record), _line(record))
    if record.event_type == "ApprovalRequested" and not out.as_json:
        data = record.data().get("event", {}).get("data", {})
        command = f"{called()} approval approve {data.get('approval_id')} --as {_voter(project, data)}"
        note(f"  answer it: {command}")
    if record.event_type == _OUTCOME and not out.as_json:
        note(f"  see it:    {called()} request show {record.request_id} --tree")


def _plain(record: StoredRecord) -> dict[str, object]:
    from wingman_runtime.cli.audit import row

    return row(record)


def _line(record: StoredRecord) -> str:
    from wingman_runtime.cli.audit import act

    body = record.data()
    data = body.get("event", {}).get("data", {})
    told = act(body) or "; ".join(str(reason) for reason in data.get("reasons", ())[:2])
    if record.event_type == _OUTCOME:
        told = data.get("response", {}).get("outcome", "")
    elif "effect" in body:
        words = (body["effect"].get(name) for name in ("tool", "resource", "status"))
        told = " ".join(str(word) for word in words if word)
    elif not told:
        names = ("note", "error", "anomaly", "reason")
        told = "  ".join(str(body[name]) for name in names if isinstance(body.get(name), str))
    what = record.event_type or record.kind
    if sys.stdout.isatty():  # a pipe has room for all of it
        width = max(shutil.get_terminal_size().columns - 48, 30)
        told = told if len(told) <= width else told[: width - 1] + "…"
    return f"{record.request_id[-8:] or '-':<8}  {record.agent or '-':<13} {what:<22} {told}".rstrip()


def _voter(project: Project, data: dict[str, object]) -> str:
    """Somebody of the project who has a role that may vote; else a blank to fill in."""
    from wingman_runtime.policy.load import load_bundle

    bundle = load_bundle(project.root / "policies", project.root / "config" / "principals.yaml")
    roles = data.get("roles")
    asked = set(roles) if isinstance(roles, list) else set()
    users = bundle.principals.users
    return next((user for user in users if asked & set(bundle.principals.roles_of(user))), "NAME")


def _next(loaded: LoadedProject, root: Path) -> str:
    users = list(loaded.bundle.principals.users)
    who = users[0] if users else "NAME"
    submits = []
    for intent in loaded.scopes.intents()[:_EXAMPLES] or ["INTENT"]:
        params = "".join(f"-p {name}{sign}… " for name, sign in _fields(loaded, intent))
        submits.append(f"  {called()} submit {intent} {params}--as {who} --wait 60")
    return "\n".join(
        [
            "in another terminal:",
            f"  cd {shlex.quote(str(root))}",
            *submits,
            f"  {called()} request list",
            f"  {called()} pause all --reason 'a look around'",
            f"  {called()} resume all --reason done",
            "every event is told here as it happens; Ctrl-C ends it",
        ]
    )


def _fields(loaded: LoadedProject, intent: str) -> list[tuple[str, str]]:
    """The parameters of an intent's plan, each with ``=`` for text or ``:=`` for another type."""
    from wingman_runtime.project.template import placeholders

    plan = next((one for one in loaded.planners.templates() if one.name == intent), None)
    if plan is None:
        return []
    others: set[str] = set()
    for tool, args in plan.steps:
        spec = loaded.tools.spec(tool)
        for argument, value in args.items():
            # Only a placeholder that is the whole argument keeps its type.
            whole = len(getattr(value, "parts", ())) == 1
            if whole and "string" not in spec.schema_of(argument):
                others.update(path[1] for path in placeholders(value) if path[0] == "params")
    return [(name, ":=" if name in others else "=") for name in plan.parameters()]
