"""Flow tables by digest: the project's own, and older ones that requests under way are pinned to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from wingman_runtime.flow.compile import CompiledFlow
from wingman_runtime.flow.route import Route, next_of
from wingman_runtime.redisio import flows
from wingman_runtime.redisio.store import Store


@dataclass(frozen=True, slots=True)
class FlowTable:
    """What a worker must know of a flow to prepare a commit; the routing itself happens in the script."""

    name: str
    digest: str
    routes: Mapping[str, Route]
    finally_: str = ""

    def route(self, agent: str, event_type: str) -> Route | None:
        return next_of(self.routes, agent, event_type)


def rows_of(flow: CompiledFlow) -> dict[str, str]:
    """A compiled flow as the rows the commit script reads."""
    meta = {
        "@name": flow.name,
        "@finally": flow.finally_,
        "@failure": flow.failure,
        "@agents": ",".join(flow.agents),
        "@depth": str(flow.limits.depth),
        "@events": str(flow.limits.events),
        "@fan_out": str(flow.limits.fan_out),
    }
    return meta | {key: orjson.dumps(route.to_json()).decode() for key, route in flow.table.items()}


class FlowTables:
    """Looks a digest up in the project first, then on the server; a digest never changes, so it is kept."""

    def __init__(self, store: Store, project_flows: Iterable[CompiledFlow]) -> None:
        self._store = store
        self._known = {
            flow.digest: FlowTable(flow.name, flow.digest, flow.table, flow.finally_)
            for flow in project_flows
        }

        self._own = frozenset(self._known)

    def foreign(self, digest: str) -> bool:
        """Whether this is a flow of another release: not one of the project this worker runs."""
        return digest not in self._own

    async def get(self, partition: int, digest: str) -> FlowTable | None:
        """The table of ``digest``; None when nobody has ever activated it."""
        table = self._known.get(digest)
        if table is None:
            rows = await flows.table(self._store, partition, digest)
            if not rows:
                return None
            routes = {key: _route(row) for key, row in rows.items() if not key.startswith("@")}
            table = self._known[digest] = FlowTable(
                rows.get("@name", ""), digest, routes, rows.get("@finally", "")
            )
        return table


def _route(row: str) -> Route:
    value: dict[str, Any] = orjson.loads(row)
    return Route.from_json(value)
