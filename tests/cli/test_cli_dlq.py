"""``wingman dlq``: dead letters found, shown, replayed and discarded by command, one and many."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from tests.bad_input.bad_input_bench import Bench, Done
from tests.worker.projects import COMPLETE, END, Agent, Site, Spec, load, site, until, write
from wingman_runtime.redisio.embedded import EmbeddedServer
from wingman_runtime.redisio.opening import connect
from wingman_runtime.redisio.store import Store

ROUTES = {"UserRequestReceived": "work", **END}
BODY = (
    f"if not (ROOT / 'ok').exists():\n    raise OSError('gateway ' + event.data.request.intent)\n{COMPLETE}"
)
INTENTS = ("one", "two", "three")


class Plain(Bench):
    """Its output is left as it is: these tests are about ids."""

    def plain(self, text: str) -> str:
        return text


@pytest.fixture
def bench(tmp_path: Path, valkey: EmbeddedServer, valkey_url: str) -> Bench:
    """A project with three dead letters of requests, and one of nobody's; no worker runs any more."""
    agent = Agent(BODY, emits=["ExecutionComplete"], extra="retry: {attempts: 1}\n")
    root = write(tmp_path / "p", Spec({"work": agent}, ROUTES))
    asyncio.run(_fail(root, valkey_url))
    return Plain(root, env={"WINGMAN_REDIS_URL": valkey.url}, server=None)


async def _fail(root: Path, url: str) -> None:
    async with site(load(root, url)) as place:
        for intent in INTENTS:
            assert (await (await place.submit(intent)).result(10)).outcome == "failed"
        await place.store.call("XADD", place.store.keys(0).inbox("work"), "*", "ty", "Noise", "b", "noise")
        await until(lambda: _buried(place, 4))


async def _buried(place: Site, count: int) -> bool:
    return len(await place.client.dead_letters.listed()) == count


def listed(bench: Bench, *words: str) -> list[dict[str, object]]:
    done = bench.run("dlq", "list", *words, "--json")
    assert done.code == 0, done.err
    found = json.loads(done.out)
    assert isinstance(found, list)
    return found


def refused(done: Done, code: int, told: str) -> None:
    assert done.code == code, done.err
    assert told in done.err
    assert "Traceback" not in done.err


def test_letters_are_listed_and_shown(bench: Bench) -> None:
    """Newest first, by filters; one with all that is known, and the event; noise as it is."""
    rows = listed(bench)
    assert [row["error"] for row in rows[1:]] == [f"OSError: gateway {name}" for name in reversed(INTENTS)]
    assert [row["stray"] for row in rows] == [True, False, False, False]
    assert [row["error"] for row in listed(bench, "--error", "gateway t")] == [
        "OSError: gateway three",
        "OSError: gateway two",
    ]
    assert len(listed(bench, "--tenant", "demo", "--agent", "work", "--since", "1h", "-n", "2")) == 2
    assert listed(bench, "--until", "1h") == []
    text = bench.run("dlq", "list")
    assert text.out.startswith("letter_id")
    assert "gateway two" in text.out
    one = str(rows[1]["letter_id"])
    shown = json.loads(bench.run("dlq", "show", one[-8:], "--json").out)
    assert shown["letter_id"] == one
    assert shown["actor"] == "alice"
    assert shown["policy"].startswith("sha256:")
    assert shown["body"]["data"]["request"]["intent"] == "three"
    noise = bench.run("dlq", "show", "latest")
    assert noise.out.endswith("noise\n")
    assert "it can be discarded, not replayed" in noise.err
    status = json.loads(bench.run("status", "--json").out)
    [work] = [agent for agent in status["agents"] if agent["name"] == "work"]
    assert work["dead"] == 4
    assert work["oldest_dead_s"] >= 0
    assert "dead letters  4, the oldest for" in bench.run("status").out


def test_one_letter_is_replayed_or_discarded(bench: Bench) -> None:
    """A replay prints the new request, twice the same; what has no request is refused and discarded."""
    rows = listed(bench)
    noise, letter = str(rows[0]["letter_id"]), str(rows[1]["letter_id"])
    refused(bench.run("dlq", "replay", noise, "--reason", "x"), 6, "belongs to no step of any request")
    refused(bench.run("dlq", "replay", letter), 2, "--reason")
    first = json.loads(bench.run("dlq", "replay", letter, "--reason", "ok", "--as", "ops", "--json").out)
    assert (first["new"], first["replayed_by"]) == (True, "ops")
    again = bench.run("dlq", "replay", letter, "--reason", "ok")
    assert "it was replayed before" in again.err
    shown = json.loads(bench.run("request", "show", first["request_id"], "--json").out)
    assert (shown["actor"], shown["intent"], shown["state"]) == ("alice", "three", "open")
    assert shown["replays"] == rows[1]["request_id"]
    refused(bench.run("dlq", "show", letter), 3, "it was replayed by ops: ok")
    gone = bench.run("dlq", "discard", noise, "--reason", "noise", "--as", "ops", "--json")
    assert json.loads(gone.out) == {"letter_id": noise, "discarded_by": "ops"}
    refused(bench.run("dlq", "discard", noise, "--reason", "noise"), 3, "it was discarded by ops: noise")
    refused(bench.run("dlq", "show", "dlt_p0_work_1-0"), 3, "no such dead letter")
    assert len(listed(bench)) == 2


def test_many_are_shown_first_and_dealt_with_one_by_one(bench: Bench) -> None:
    """Without a terminal --all needs --yes; what cannot be replayed is told and stays, the exit code is 1."""
    refused(bench.run("dlq", "replay", "latest", "--all", "--reason", "x"), 2, "two different calls")
    refused(bench.run("dlq", "discard", "latest", "--agent", "a", "--reason", "x"), 2, "filters choose")
    refused(bench.run("dlq", "discard", "--reason", "x"), 2, "which letter?")
    asked = bench.run("dlq", "replay", "--all", "--reason", "mended", "--json")
    assert asked.code == 2
    told = json.loads(asked.out)
    assert (told["would"], told["letters"], len(told["sample"])) == ("replay", 4, 4)
    assert len(listed(bench)) == 4
    done = bench.run("dlq", "replay", "--all", "--reason", "mended", "--yes", "--json")
    assert done.code == 1
    rows = [json.loads(line) for line in done.out.splitlines()]
    assert [row["what"] for row in rows] == ["replayed"] * 3 + ["left"]
    assert "belongs to no step" in rows[-1]["error"]
    assert "3 of 4 done, 1 left where they are" in done.err
    rest = bench.run("dlq", "discard", "--all", "--event", "Noise", "--reason", "noise", "--yes")
    assert rest.code == 0
    assert listed(bench) == []
    none = bench.run("dlq", "discard", "--all", "--reason", "noise", "--yes")
    assert (none.code, none.out) == (0, "")
    assert "no dead letter fits" in none.err


def test_a_replay_waits_until_nothing_is_left_behind(bench: Bench) -> None:
    """A request that has not ended, or whose effects may stand, is not run once more but by force."""
    letter = listed(bench)[1]
    request, name = str(letter["request_id"]), str(letter["letter_id"])
    asyncio.run(_say(bench, request, "HSET", "", "status", "open"))
    refused(bench.run("dlq", "replay", name, "--reason", "x", "--force"), 6, "has not ended")
    asyncio.run(_say(bench, request, "HSET", "", "status", "ended"))
    asyncio.run(_say(bench, request, "HSET", ":fx", "eff_a", '{"kind":"apply"}', "eff_a:m", '{"st":"done"}'))
    refused(bench.run("dlq", "replay", name, "--reason", "x"), 6, "a replay might do it twice")
    asyncio.run(_say(bench, request, "HSET", ":fx", "eff_a:m", '{"st":"compensated"}'))
    asyncio.run(
        _say(bench, request, "HSET", ":fx", "eff_b", '{"kind":"compensate"}', "eff_b:m", '{"st":"done"}')
    )
    assert bench.run("dlq", "replay", name, "--reason", "x").code == 0


async def _say(bench: Bench, request: str, verb: str, part: str, *words: str) -> None:
    project = load(bench.root, bench.env["WINGMAN_REDIS_URL"])
    async with connect(project.settings) as connected:
        store: Store = connected.store
        await store.call(verb, store.keys(0).request(request) + part, *words)
