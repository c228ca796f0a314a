"""A schedule's requests pass the whole chain, and policies see what handed them in."""

from __future__ import annotations

import shutil
from pathlib import Path

from tests.schedules.schedules_place import DAILY, fired, make_due, now_ms, rewrite
from tests.worker.projects import REFERENCE, load, site
from wingman_runtime import bootstrap

BY_DAY = """
@id("no-clock-at-this-desk")
@reason("what the clock hands in is not for this desk")
forbid (principal, action == Wingman::Action::"validate", resource is Wingman::Request)
when { resource has trigger && resource.trigger like "schedule:*" };
"""


async def test_the_chain_judges_it_as_alices_and_sees_the_trigger(tmp_path: Path, valkey_url: str) -> None:
    """Alice's note by the clock completes. A policy on the trigger rejects it, and not what she asks herself,
    nor what she fires by hand.
    """
    root = tmp_path / "p"
    for part in ("config", "policies", "tools"):
        shutil.copytree(REFERENCE / part, root / part)
    rewrite(root, DAILY.replace("title: t, empty: []", "title: t, body: b"))
    async with site(load(root, valkey_url, workspace=str(root / "w1"))) as place:
        await make_due(place, await now_ms(place) - 1)
        [request_id] = await fired(place, 1)
        response = await place.client.request(request_id).result(20)
        assert (response.outcome, len(response.effects)) == ("completed", 1)
    with (root / "policies" / "10-scope.cedar").open("a") as out:
        out.write(BY_DAY)
    project = load(root, valkey_url, workspace=str(root / "w2"))
    async with site(project) as place:
        await bootstrap.apply_policy(project, place.store, by="test", reason="a test")
        await make_due(place, await now_ms(place) - 1)
        ids = await fired(place, 2)
        refused = await place.client.request(ids[-1]).result(20)
        assert refused.outcome == "rejected"
        assert "no-clock-at-this-desk" in refused.policies
        asked = await place.submit("note.write", flow="request", params={"title": "u", "body": "b"})
        assert (await asked.result(20)).outcome == "completed"
        by_hand = await place.client.schedules.run("nightly", reason="late", by="alice")
        assert "no-clock-at-this-desk" not in (await by_hand.result(20)).policies
