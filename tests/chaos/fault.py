"""What a fault is, to the mix that strikes with it.

A fault is a subclass of `Fault` in a module ``tests/chaos/faults_*.py``; the mix finds them all by itself, by
`name` (`faults.py`). The mix awaits `strike` at seeded random times. All chance comes from ``house.rng``.

    class Zombie(Fault):
        name = "zombie"
        touches = frozenset({"workers"})

        async def strike(self, house: House) -> Facts:
            worker = house.a_worker()
            worker.signal(signal.SIGSTOP)
            await asyncio.sleep(3)
            worker.signal(signal.SIGCONT)
            return {"pid": worker.pid}

Two faults that share a word of `touches` never run at the same time: ``server``, ``proxy``, ``workers``,
``recorder``, ``clock``, ``memory``, ``requests``. Those that share none do, on purpose.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from tests.chaos.house import House

Facts = dict[str, Any]
"""What the fault log keeps of one strike: plain JSON."""


class NotStruckError(Exception):
    """There was nothing to strike at just now; it does not count as fired, and is tried again later."""


class Fault:
    """One kind of fault.

    Attributes:
        name: unique; the one of the report and of ``--faults``.
        touches: what it needs to have to itself.
        weight: how often it is drawn, against the others' 1.
        needs_proxy: it strikes through the proxy, which every house has.
        anomalies: anomalies of the trail that it brings about, so that they are no violation.
    """

    name: ClassVar[str]
    touches: ClassVar[frozenset[str]] = frozenset({"workers"})
    weight: ClassVar[float] = 1.0
    needs_proxy: ClassVar[bool] = False
    anomalies: ClassVar[frozenset[str]] = frozenset()

    def missing(self) -> str:
        """Why this machine cannot have the fault (a library is not installed); empty: it can."""
        return ""

    def prepare(self, house: House) -> None:
        """Before anything is started: set ``house.server_env``, ``server_extra``, ``worker_env``."""

    @abstractmethod
    async def strike(self, house: House) -> Facts:
        """Do it once, and undo it: when this returns, or is cancelled, the fault has ended.

        Processes that are dead are started again by the house, unless `kept_down`; a dead server is not: a
        fault that kills it starts it.

        Raises:
            NotStruckError: nothing was there to strike at.
        """

    async def settle(self, house: House) -> None:
        """After the last strike of a run: what is left of the fault that only time would undo."""
