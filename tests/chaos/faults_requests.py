"""Faults that people make: the same thing twice, and a stop in the middle of everything."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from tests.chaos.fault import Facts, Fault, NotStruckError
from tests.chaos.load import KINDS
from wingman_runtime.contracts.control import ControlMode

if TYPE_CHECKING:
    from tests.chaos.house import House
    from tests.chaos.load import Load


def _load(house: House) -> Load:
    if house.load is None:
        raise NotStruckError("nobody submits")
    return house.load


class Duplicates(Fault):
    """Requests submitted five times at once with one idempotency key, and once more after their end."""

    name = "duplicates"
    touches = frozenset({"requests"})

    async def strike(self, house: House) -> Facts:
        load = _load(house)
        kinds = house.rng.sample([kind for kind in KINDS if not kind.votes and not kind.cancelled], 3)
        ids = []
        for kind in kinds:
            key = f"{kind.name}-again-{house.rng.getrandbits(48):x}"
            request_id = await load.submitted(kind, copies=5, key=key)
            await asyncio.sleep(house.rng.uniform(0.0, 1.0))
            assert await load.submitted(kind, key=key) == request_id
            ids.append(request_id)
        return {"requests": ids}


class Holds(Fault):
    """A pause, or a halt, of all or some, in the middle of the load; then resumed, sometimes at once."""

    name = "holds"
    touches = frozenset({"control"})
    weight = 2.0

    async def strike(self, house: House) -> Facts:
        load, rng = _load(house), house.rng
        target = rng.choice(
            ["all", "agent:executor", "agent:audit", "tenant:demo", "flow:request", "request"]
        )
        if target == "request":
            if not load.open:
                raise NotStruckError("nothing is open")
            target = f"request:{rng.choice(sorted(load.open))}"
        mode = rng.choice([ControlMode.PAUSE, ControlMode.HALT])
        reason, held = f"chaos {rng.getrandbits(48):x}", rng.choice((0.0, rng.uniform(0.2, 2.5)))
        await load.hold(target, mode, reason)
        try:
            await asyncio.sleep(held)
        finally:
            await load.resume(target, reason)
        return {"target": target, "mode": mode.value, "held": round(held, 2)}


class HoldRaces(Fault):
    """Several stops and resumes of the same thing at once, and cancels between them."""

    name = "hold-races"
    touches = frozenset({"control"})

    async def strike(self, house: House) -> Facts:
        load, rng = _load(house), house.rng
        reason = f"race {rng.getrandbits(48):x}"
        target = rng.choice(["all", "agent:executor", "tenant:demo"])
        for n in range(3):
            await asyncio.gather(
                load.hold(target, ControlMode.PAUSE, f"{reason} {n}"),
                load.hold("agent:handshake", ControlMode.HALT, f"{reason} h{n}"),
            )
            await asyncio.gather(
                load.resume(target, reason),
                load.resume(target, reason),
                load.resume("agent:handshake", reason),
            )
        return {"target": target}
