"""Two releases of a worker side by side: requests in both directions, and nothing is lost."""

from __future__ import annotations

from pathlib import Path

import pytest
import structlog

from tests.worker.projects import COMPLETE, END, EVENTS, Agent, Running, Site, Spec, load, site, until, write
from wingman_runtime.client import Request
from wingman_runtime.project.load import LoadedProject
from wingman_runtime.redisio.newer import Newer, all_newer
from wingman_runtime.redisio.workers import seen_schemas

ROUTES = {"UserRequestReceived": "shop", "OrderPlaced": "till", **END}
AROUND = ("dispatcher", "audit")
MANY = 24


def release(root: Path, url: str, events: str, shop: str, till: str) -> LoadedProject:
    """A release of the shop: its event, what `shop` answers, what `till` does first."""
    spec = Spec(
        {
            "shop": Agent(f"return Emit({shop})", emits=["OrderPlaced"]),
            "till": Agent(f"{till}\n{COMPLETE}", consumes=["OrderPlaced"], emits=["ExecutionComplete"]),
        },
        ROUTES,
    )
    write(root, spec)
    head = "from typing import Annotated, Any, ClassVar, Literal\nfrom pydantic import BaseModel, Field\n"
    body = head + EVENTS + "from wingman_runtime.sdk import OpenEnum\n" + events
    (root / "agents" / "shop" / "events.py").write_text(body)
    code = root / "agents" / "shop" / "agent.py"
    code.write_text(code.read_text().replace("import OrderPlaced", "import *"))
    return load(root, url)


def event(version: str, *fields: str, before: str = "") -> str:
    lines = (f'schema_version: ClassVar[str] = "{version}"', "contract = _contract()", *fields)
    return before + "\nclass OrderPlaced(EventModel):\n" + "".join(f"    {line}\n" for line in lines)


async def join(place: Site, project: LoadedProject, *agents: str) -> Running:
    """A worker of another release, on the same server."""
    return await Site(project, place.store, place.client, place._stack).start(*agents)


async def completed(*requests: Request) -> None:
    for request in requests:
        assert (await request.result(20)).outcome == "completed"


async def clean(place: Site) -> None:
    """Nobody gave up on anything, and nothing waits any more."""
    status = await place.client.status()
    assert [(one.name, one.dead, one.parked, one.waiting) for one in status.agents] == [
        (one.name, 0, 0, 0) for one in status.agents
    ]
    assert status.newer == ()


CHANNEL = "\nclass Channel(OpenEnum):\n    MAIL = 'mail'\n{more}    UNKNOWN = 'unknown'\n"
MINOR = {
    "an optional field": (
        (event("1.0.0", 'note: str = ""'), 'OrderPlaced(note="n")', "assert event.data.note == 'n'"),
        (
            event("1.1.0", 'note: str = ""', "gift: bool = False"),
            'OrderPlaced(note="n", gift=True)',
            "assert event.data.note == 'n'",
        ),
    ),
    "a member of an open enum": (
        (
            event("1.0.0", "by: Channel", before=CHANNEL.format(more="")),
            'OrderPlaced(by="mail")',
            "assert event.data.by in ('mail', 'unknown')",
        ),
        (
            event("1.1.0", "by: Channel", before=CHANNEL.format(more="    POST = 'post'\n")),
            'OrderPlaced(by="post")',
            "assert event.data.by in ('mail', 'post')",
        ),
    ),
    "a field taken away": (
        (event("1.0.0", "n: int = 1", 'old: str = "o"'), "OrderPlaced()", "assert event.data.old == 'o'"),
        (event("1.1.0", "n: int = 1"), "OrderPlaced()", "assert event.data.n == 1"),
    ),
}


@pytest.mark.parametrize("change", MINOR)
async def test_releases_of_one_major_work_side_by_side(tmp_path: Path, valkey_url: str, change: str) -> None:
    """Old events reach the new release and new events the old one; both read them, and requests end."""
    old, new = (
        release(tmp_path / name, valkey_url, *one)
        for name, one in zip(("old", "new"), MINOR[change], strict=True)
    )
    async with site(old, *AROUND) as place:
        for maker, reader in ((old, new), (new, old)):
            workers = [await join(place, maker, "shop"), await join(place, reader, "till")]
            await completed(*[await place.submit() for _ in range(3)])
            for worker in workers:
                await worker.stop()
        both = [await join(place, one, "shop") for one in (old, new)]
        both += [await join(place, one, "till") for one in (old, new)]
        await completed(*[await place.submit() for _ in range(MANY)])
        await clean(place)


RENAMED = (
    "def _from_one(data):\n    return {'text' if name == 'note' else name: data[name] for name in data}\n"
)
ONE = (event("1.0.0", 'note: str = ""'), 'OrderPlaced(note="n")', "assert event.data.note == 'n'")
TWO = (
    event("2.0.0", "text: str", "upcasts: ClassVar[Any] = {1: _from_one}", before=RENAMED),
    'OrderPlaced(text="n")',
    "assert event.data.text == 'n'",
)


async def test_a_renamed_field_is_brought_up_for_the_new_release(tmp_path: Path, valkey_url: str) -> None:
    """What the old release wrote goes through the upcaster; what each has seen is on show."""
    old = release(tmp_path / "old", valkey_url, *ONE)
    new = release(tmp_path / "new", valkey_url, *TWO)
    async with site(old, *AROUND, "shop") as place:
        await join(place, new, "till")
        await completed(*[await place.submit() for _ in range(3)])
        await clean(place)

        async def told() -> bool:
            found = {one.agent: one for one in await seen_schemas(place.store) if one.event == "OrderPlaced"}
            till, shop = found["till"], found.get("shop")
            return (till.reads, till.seen) == ("2.0.0", {"1.0.0": 3}) and (
                shop is not None and shop.written == {"1.0.0": 3} and shop.alive
            )

        await until(told)


async def test_a_newer_major_waits_for_the_new_release(tmp_path: Path, valkey_url: str) -> None:
    """The old worker parks it: no attempt counted, no loop, said once, shown; the new one finishes it."""
    old = release(tmp_path / "old", valkey_url, *ONE)
    new = release(tmp_path / "new", valkey_url, *TWO)
    async with site(old, *AROUND, "till") as place:
        await join(place, new, "shop")
        with structlog.testing.capture_logs() as logs:
            requests = [await place.submit() for _ in range(3)]

            async def parked() -> list[Newer]:
                found = await all_newer(place.store)
                return found if found and found[0].count == len(requests) else []

            assert await until(parked) == [Newer("till", "OrderPlaced", "2.0.0", "2.0.0", 3)]
        assert len([line for line in logs if line["event"] == "parked"]) == 1
        standing = await place.client.standing(f"request:{requests[0].id}")
        assert standing.newer == (Newer("till", "OrderPlaced", "2.0.0", "2.0.0"),)

        status = await place.client.status()
        assert [(one.parked, one.dead) for one in status.agents if one.name == "till"] == [(3, 0)]
        assert "its workers read 1.0.0; it waits for one that reads 2.0.0" in status.later[0]

        # A resume lets go what a rule held, and nothing else.
        await place.client.pause("agent:till", reason="test")
        await place.client.resume("agent:till", reason="test")
        assert (await all_newer(place.store))[0].count == 3

        await join(place, new, "till")
        await completed(*requests)
        await clean(place)
        for request in requests:
            trail = await place.trail(request)
            assert [one.record["attempt"] for one in trail if one.type == "ExecutionComplete"] == [1]
            assert not [one for one in trail if one.kind in ("retry", "anomaly")]


async def test_old_and_new_workers_of_one_agent_share_the_work_across_majors(
    tmp_path: Path, valkey_url: str
) -> None:
    """Both run every agent: each event ends at a worker that reads it, and none in the dead letters."""
    old = release(tmp_path / "old", valkey_url, *ONE)
    new = release(tmp_path / "new", valkey_url, *TWO)
    async with site(old, *AROUND) as place:
        for one in (old, new, old):
            await join(place, one, "till")
        for one in (old, new):
            await join(place, one, "shop")
        await completed(*[await place.submit() for _ in range(MANY)])
        await clean(place)


async def test_an_upcaster_that_exits_costs_the_event_and_not_the_worker(
    tmp_path: Path, valkey_url: str
) -> None:
    """``sys.exit()`` while an event is read is a dead letter: the worker goes on to the next event."""
    before = "import sys\n" + RENAMED.replace(
        "    return", "    data['note'] == 'x' and sys.exit(0)\n    return"
    )
    old = release(tmp_path / "old", valkey_url, ONE[0], "OrderPlaced(note=event.data.request.intent)", ONE[2])
    new = release(tmp_path / "new", valkey_url, TWO[0].replace(RENAMED, before), *TWO[1:])
    async with site(old, *AROUND, "shop") as place:
        await join(place, new, "till")
        assert (await (await place.submit("x")).result(20)).outcome == "failed"
        assert "raised SystemExit" in str(await place.client.dead_letters.listed())
        await completed(*[await place.submit("n") for _ in range(3)])


async def test_what_is_parked_can_be_cancelled(tmp_path: Path, valkey_url: str) -> None:
    """A request need not wait for a release that never comes."""
    old = release(tmp_path / "old", valkey_url, *ONE)
    new = release(tmp_path / "new", valkey_url, *TWO)
    async with site(old, *AROUND, "till", "rollback") as place:
        await join(place, new, "shop")
        request = await place.submit()

        async def parked() -> bool:
            return bool(await all_newer(place.store))

        await until(parked)
        await request.cancel(reason="test")
        assert (await request.result(20)).outcome == "cancelled"
        await clean(place)


def variants(version: str, policy: str, *kinds: str) -> str:
    models = [
        f'\nclass {kind.capitalize()}(BaseModel):\n    kind: Literal["{kind}"] = "{kind}"\n' for kind in kinds
    ]
    union = " | ".join(kind.capitalize() for kind in kinds)
    by = f'by: Annotated[{union}, Field(discriminator="kind")]'
    return event(version, f'unknown_variant: ClassVar[Any] = "{policy}"', by, before="".join(models))


@pytest.mark.parametrize("policy", ["dead_letter", "ignore", "park"])
async def test_an_unknown_variant_goes_where_its_event_says(
    tmp_path: Path, valkey_url: str, policy: str
) -> None:
    """To the dead letters; passed over on the record, so that no outcome comes of it; or parked."""
    old_event = variants("1.0.0", policy, "card", "cash")
    new_event = variants("1.1.0", policy, "card", "cash", "voucher")
    old = release(tmp_path / "old", valkey_url, old_event, "OrderPlaced(by=Card())", "pass")
    new = release(tmp_path / "new", valkey_url, new_event, "OrderPlaced(by=Voucher())", "pass")
    async with site(old, *AROUND, "till") as place:
        await join(place, new, "shop")
        request = await place.submit()
        if policy == "park":

            async def parked() -> list[Newer]:
                return await all_newer(place.store)

            assert [one.needs for one in await until(parked)] == ["1.1.0"]
            await join(place, new, "till")
            await completed(request)
            await clean(place)
            return
        response = await request.result(20)
        assert response.outcome == "failed"
        dead = [one.dead for one in (await place.client.status()).agents if one.name == "till"]
        notes = [body["note"] for body in await place.log("done") if body["agent"] == "till"]
        if policy == "dead_letter":
            assert (dead, notes) == ([1], [])
        else:
            assert dead == [0]
            assert "passed over" in notes[0]
            assert "data.by" in notes[0]
            assert "the last open branch ended without an outcome" in " ".join(response.reasons)


BAD = {
    "model_construct": ('OrderPlaced.model_construct(count="5")', "count"),
    "model_copy": ('OrderPlaced(count=1).model_copy(update={"count": -1})', "count"),
    "UNKNOWN": ("OrderPlaced(by=Channel.UNKNOWN)", "by"),
}


@pytest.mark.parametrize("how", BAD)
async def test_an_agent_cannot_publish_what_its_model_refuses(
    tmp_path: Path, valkey_url: str, how: str
) -> None:
    """The request fails and says who, which event and which field; nobody ever sees the event."""
    built, field = BAD[how]
    fields = ("count: int = Field(default=1, gt=0)", "by: Channel = Channel.MAIL")
    shop = event("1.0.0", *fields, before=CHANNEL.format(more=""))
    project = release(tmp_path / "p", valkey_url, shop, built, "pass")
    async with site(project) as place:
        request = await place.submit()
        response = await request.result(20)
        assert response.outcome == "failed"
        told = " ".join(response.reasons)
        assert "AgentCodeError" in told
        assert f"{field}: what shop emits is refused: OrderPlaced does not fit its own model" in told
        assert "OrderPlaced" not in {one.type for one in await place.trail(request)}


PACKED = "\nclass OrderPacked(EventModel):\n    contract = _contract()\n\nclass OrderPlaced"


async def test_an_event_that_is_new_to_an_agent_waits_for_its_release(
    tmp_path: Path, valkey_url: str
) -> None:
    """The new release's flow sends an old agent what it did not consume before: the old worker parks it."""
    old = release(tmp_path / "old", valkey_url, *ONE)
    folder = tmp_path / "new"
    release(folder, valkey_url, *ONE)
    for file, was, now in (
        ("config/flows/work.yaml", "OrderPlaced: till", "OrderPacked: till"),
        ("agents/shop/manifest.yaml", "emits: [OrderPlaced]", "emits: [OrderPacked]"),
        ("agents/shop/agent.py", 'OrderPlaced(note="n")', "OrderPacked()"),
        ("agents/shop/events.py", "\nclass OrderPlaced", PACKED),
        ("agents/till/manifest.yaml", "consumes: [OrderPlaced]", "consumes: [OrderPacked]"),
        ("agents/till/agent.py", "assert event.data.note == 'n'", "pass"),
    ):
        path = folder / file
        assert was in path.read_text()
        path.write_text(path.read_text().replace(was, now))
    new = load(folder, valkey_url)
    async with site(new, *AROUND, "shop") as place:
        await join(place, old, "till")
        request = await place.submit()

        async def parked() -> list[Newer]:
            return await all_newer(place.store)

        assert [(one.event, one.version) for one in await until(parked)] == [("OrderPacked", "1.0.0")]
        await join(place, new, "till")
        await completed(request)
        await clean(place)


async def test_what_is_too_new_inside_an_event_waits_as_well(tmp_path: Path, valkey_url: str) -> None:
    """An agent lets through that it cannot read an input: the event waits, uncounted, and is tried again."""
    read = (
        "from wingman_runtime.errors import NewerSchemaError\n"
        "if not (ROOT / 'deployed').exists(): raise NewerSchemaError('x', version='2.0.0', needs='2.0.0')"
    )
    project = release(tmp_path / "p", valkey_url, ONE[0], ONE[1], read)
    async with site(project) as place:
        request = await place.submit()

        async def parked() -> list[Newer]:
            return await all_newer(place.store)

        assert [(one.event, one.version) for one in await until(parked)] == [("OrderPlaced", "2.0.0")]
        (tmp_path / "p" / "deployed").touch()
        await completed(request)
        await clean(place)
        assert not [one for one in await place.trail(request) if one.kind == "retry"]
