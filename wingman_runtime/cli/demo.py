"""``wingman demo``: the main job for real, every kind of outcome, in a project of its own.

1. Copies the reference project's configuration into a fresh folder; nothing of yours is touched.
2. Starts a server and a process for each agent, hands in real requests, votes, pauses and resumes.
3. Holds each outcome against what it should be; ends with the audit trail verified.
"""

from __future__ import annotations

import asyncio
import shlex
import shutil
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from wingman_runtime.cli.common import DEFAULT, Common, called
from wingman_runtime.cli.out import Out, note, style_of
from wingman_runtime.errors import ConflictError, UsageError, WingmanError

if TYPE_CHECKING:
    from wingman_runtime.client import Client
    from wingman_runtime.contracts.work import Approval, Response
    from wingman_runtime.project.load import Project

_MARK = ".wingman-demo"
_COPIED = ("config", "policies", "tools")
_WAIT = 30.0  # seconds for one outcome; a loaded machine is slow
_APPROVAL = 4.0  # seconds until an unanswered approval expires
_HELD = 6


def demo(
    *,
    folder: Annotated[
        Path, Parameter(help="Where the demo's project goes; wiped when it is one of ours.")
    ] = Path(".wingman/demo"),
    workers: Annotated[
        int, Parameter(help="Worker processes that run every agent; 0: a process for each agent.")
    ] = 0,
    common: Common = DEFAULT,
) -> int:
    """Run every kind of outcome for real: completed, rejected, denied, blocked, expired, rolled back, paused.

    For example

        wingman demo
        wingman demo --folder /tmp/look --workers 3
    """
    from wingman_runtime.cli.demo_desk import Desk
    from wingman_runtime.project.load import Project

    root = folder.expanduser().resolve()
    show = Show(common.out())
    with Desk() as desk:
        try:
            prepare(root, desk.port)
        except OSError as error:
            raise UsageError(
                f"the demo cannot be written: {error.strerror or error}",
                where=str(root),
                hint="choose a --folder that this user may write to, on a disk with room",
            ) from error
        project = Project.find(root)
        began = time.monotonic()
        asyncio.run(_demo(project, workers, show, desk.port))
    right = len(show.rows) - show.wrong
    note(f"\n{right} of {len(show.rows)} as they should be, {time.monotonic() - began:.1f} s")
    note(f"look around: {called()} --project {shlex.quote(str(folder))} audit tail -n 50")
    if common.json:
        show.out.data(show.rows)
    return 1 if show.wrong else 0


def prepare(root: Path, desk: int = 0) -> None:
    """A fresh copy of the reference project's configuration in ``root``.

    Args:
        desk: port of the ticket desk on this machine, the only host that tools may call; 0: none.

    Raises:
        ConflictError: the folder has files that are not a demo's.
    """
    from wingman_runtime.project.find import reference_root

    if root.exists() and any(root.iterdir()):
        if not (root / _MARK).is_file():
            raise ConflictError(
                "the folder is not empty, and no demo made it", where=str(root), hint="use another --folder"
            )
        shutil.rmtree(root)
    root.mkdir(parents=True, exist_ok=True)
    (root / _MARK).write_text("made by `wingman demo`; the next one wipes this folder\n", encoding="utf-8")
    reference = reference_root()
    for name in _COPIED:
        shutil.copytree(reference / name, root / name, ignore=shutil.ignore_patterns("__pycache__"))
    lines = [
        "name: demo",
        "tenant: demo",
        f"namespace: demo-{int(time.time()):x}",
        f"times: {{approval: {_APPROVAL:g}s}}",
    ]
    if desk:
        lines.append(f'http: {{allow: [{{host: "127.0.0.1:{desk}", private: true, idempotency: true}}]}}')
    (root / "config" / "wingman.yaml").write_text("\n".join(lines) + "\n", encoding="utf-8")


class Show:
    """What the demo tells, and its count of what is not as it should be."""

    def __init__(self, out: Out) -> None:
        self.out = out
        self.rows: list[dict[str, Any]] = []
        self.wrong = 0

    def told(self, title: str, expected: str, found: str, *details: str) -> None:
        """One scenario: what should be, what is, and what there is to see."""
        right = found == expected
        self.wrong += not right
        self.rows.append({"scenario": title, "expected": expected, "found": found, "details": list(details)})
        if self.out.as_json:
            return
        self.out.line(f"\n{'✓' if right else '✗'} {title}")
        self.out.line(f"  {found}" + ("" if right else f", expected {expected}"), style_of(found))
        for detail in details:
            self.out.line(f"  {detail}")

    def response(self, title: str, expected: str, response: Response, trail: str, *details: str) -> None:
        reasons = [f"because {reason}" for reason in response.reasons[:2]]
        effects = [f"{one.kind} {one.tool} {one.resource}: {one.status.value}" for one in response.effects]
        undone = [f"undone by {one.tool}: {one.status.value}" for one in response.compensations]
        by = [f"approved by {response.granted_by}"] if response.granted_by else []
        stamp = f"stamped {response.stamp.stamp_id}" if response.stamp else "no audit stamp"
        seen = [
            *reasons,
            *by,
            *effects,
            *undone,
            *details,
            f"trail: {trail}",
            f"{stamp} for {response.request_id}",
        ]
        self.told(title, expected, response.outcome.value, *seen)


async def _demo(project: Project, workers: int, show: Show, desk: int) -> None:
    from wingman_runtime.bootstrap import RECORDER, activate, chosen_agents
    from wingman_runtime.cli.fleet import Fleet
    from wingman_runtime.client import Client
    from wingman_runtime.redisio.opening import connect

    loaded = project.load()
    settings = project.settings
    async with connect(settings) as server:
        await activate(loaded, server.store, by="demo")
        note(f"server: {server.backend.probe} at {server.backend.where}, data in {settings.data_dir}")
        names = [agent.name for agent in chosen_agents(loaded, ())]
        crews = [""] * workers or [*names, RECORDER]
        fleet = Fleet(project.root, crews, settings.times.grace)
        async with fleet.running():
            note(f"{len(crews)} worker processes: {', '.join(crew or 'all agents' for crew in crews)}")
            note(f"their logs are in {fleet.logs}")
            async with Client(settings) as client:
                await Scenes(client, project, show, desk).play()
            await _verify(project, show)


class Scenes:
    """The scenes, one method each. They share the server and the ticket desk at port ``desk``."""

    def __init__(self, client: Client, project: Project, show: Show, desk: int) -> None:
        self.client = client
        self.show = show
        self.workspace = project.settings.workspace
        self.desk = desk

    async def play(self) -> None:
        await self.completed()
        await self.rejected()
        await self.denied()
        await self.blocked()
        await self.approved()
        await self.voted_down()
        await self.rolled_back()
        await self.called()
        await self.called_back()
        await self.expired()
        await self.paused()

    async def completed(self) -> None:
        params = {"title": "hello", "body": "written by an approved plan"}
        response = await self.ask("note.write", params)
        await self.tell("a note is written", "completed", response, *self.on_disk("notes"))

    async def rejected(self) -> None:
        response = await self.ask("coffee.make", {})
        await self.tell("nobody declared such an intent", "rejected", response)

    async def denied(self) -> None:
        response = await self.ask("note.write", {"title": "mine", "body": "x"}, actor="mallory")
        await self.tell("mallory, who has no rights, asks", "denied", response)

    async def blocked(self) -> None:
        response = await self.ask("record.update", {"record": "protected/payroll", "fields": {"bonus": 1}})
        await self.tell("a protected record is to be changed", "blocked", response)

    async def approved(self) -> None:
        request = await self.page("release-notes", "public")
        approval = await self.open_approval(request.id)
        own = await self.vote(approval, "alice", "approve")
        await self.vote(approval, "bob", "approve")
        response = await request.result(timeout=_WAIT)
        details = (f"alice's vote for her own request: {own}", *self.on_disk("pages"))
        await self.tell("a page is published once bob approves", "completed", response, *details)

    async def voted_down(self) -> None:
        request = await self.page("half-baked", "public")
        approval = await self.open_approval(request.id)
        await self.vote(approval, "bob", "deny", "not this week")
        response = await request.result(timeout=_WAIT)
        await self.tell("bob says no", "denied", response)

    async def rolled_back(self) -> None:
        request = await self.page("to-a-closed-channel", "closed")
        await self.vote(await self.open_approval(request.id), "bob", "approve")
        response = await request.result(timeout=_WAIT)
        left = [line for line in self.on_disk("pages") if "to-a-closed-channel" in line]
        state = "left behind: " + ", ".join(left) if left else "nothing of it is left on disk"
        await self.tell("the last step fails; the steps before it are undone", "failed", response, state)

    async def called(self) -> None:
        response = await self.ask("ticket.open", self.ticket("the door is stuck", "facilities"))
        await self.tell("a ticket is opened over HTTP", "completed", response, *await self.at_desk("door"))

    async def called_back(self) -> None:
        response = await self.ask("ticket.open", self.ticket("the lamp is out", "astronomers"))
        left = await self.at_desk("lamp")
        state = left or ["the desk, asked over HTTP, no longer has it"]
        expected = "deleted at the desk" if left else "failed"
        await self.tell("nobody knows the team; the ticket is deleted again", expected, response, *state)

    def ticket(self, title: str, team: str) -> dict[str, Any]:
        return {"title": title, "team": team, "port": self.desk}

    async def at_desk(self, word: str) -> list[str]:
        """What the desk has about it."""
        import httpx

        async with httpx.AsyncClient(trust_env=False) as http:
            rows = (await http.get(f"http://127.0.0.1:{self.desk}/")).json()["rows"]
        return [f"at the desk: {path} {row['title']}" for path, row in rows.items() if word in row["title"]]

    async def expired(self) -> None:
        request = await self.page("forgotten", "public")
        await self.open_approval(request.id)
        response = await request.result(timeout=_WAIT)
        await self.tell(f"nobody answers within {_APPROVAL:g} s", "expired", response)

    async def paused(self) -> None:
        await self.client.pause("agent:executor", reason="the demo holds it", by="bob")
        requests = [
            await self.client.submit(
                "note.write", params={"title": f"held-{at}", "body": "x"}, actor="alice", tenant="demo"
            )
            for at in range(_HELD)
        ]
        await asyncio.sleep(1.5)
        during = [line for line in self.on_disk("notes") if "held-" in line]
        await self.client.resume("agent:executor", reason="the demo goes on", by="bob")
        responses = await asyncio.gather(*(request.result(timeout=_WAIT) for request in requests))
        done = sum(response.outcome == "completed" for response in responses)
        self.show.told(
            "a pause holds, a resume finishes everything",
            f"0 while paused, {_HELD} after",
            f"{len(during)} while paused, {done} after",
        )

    async def tell(self, title: str, expected: str, response: Response, *details: str) -> None:
        """The response, and the trail it left: its records but for those that only passed an event on."""
        trail = await self.client.trail(response.request_id)
        names = [event.type if event.kind == "event" else event.kind for event in trail]
        self.show.response(title, expected, response, told_trail(names), *details)

    async def ask(self, intent: str, params: dict[str, Any], actor: str = "alice") -> Response:
        request = await self.client.submit(intent, params=params, actor=actor, tenant="demo")
        return await request.result(timeout=_WAIT)

    async def page(self, slug: str, channel: str) -> Any:
        params = {"slug": slug, "title": slug.replace("-", " "), "body": "text", "channel": channel}
        return await self.client.submit("page.publish", params=params, actor="alice", tenant="demo")

    async def open_approval(self, request_id: str) -> Approval:
        deadline = time.monotonic() + _WAIT
        while time.monotonic() < deadline:
            for approval in await self.client.approvals(request_id=request_id):
                return approval
            await asyncio.sleep(0.05)
        raise WingmanError("no approval was asked for", where=request_id)

    async def vote(self, approval: Approval, voter: str, verdict: str, reason: str = "") -> str:
        try:
            result = await self.client.vote(approval.approval_id, verdict, voter=voter, reason=reason)
        except WingmanError as error:
            return error.message
        return "counted" if result.counted else "refused: " + "; ".join(result.reasons)

    def on_disk(self, folder: str) -> list[str]:
        files = sorted(path for path in (self.workspace / folder).rglob("*") if path.is_file())
        return [f"on disk: {path.relative_to(self.workspace)}" for path in files]


def told_trail(names: Sequence[str]) -> str:
    """The records of a request by name; those of events passed on are counted apart."""
    listed = [name for name in names if name != "routed"]
    passed = len(names) - len(listed)
    return f"{len(listed)} records, and {passed} of passing on: {' → '.join(listed)}"


async def _verify(project: Project, show: Show) -> None:
    from wingman_runtime.ledger.verify import verify

    store = project.settings.audit_store
    await asyncio.sleep(project.settings.times.block + 0.5)  # the recorder may be one read behind
    result = await asyncio.to_thread(verify, store)
    findings = [str(finding) for finding in result.findings[:3]]
    found = "verified" if result.ok else "broken"
    show.told(f"the audit trail, {result.records} records", "verified", found, *findings)
