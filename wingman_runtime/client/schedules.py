"""What the clock hands in, as a client sees it; and a firing by hand."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING

from wingman_runtime.client.envelope import letter_of, work_of
from wingman_runtime.client.request import Request
from wingman_runtime.client.standing import ensure_schedule
from wingman_runtime.contracts.control import ControlRule
from wingman_runtime.contracts.events import UserRequestReceived
from wingman_runtime.contracts.ids import derive
from wingman_runtime.contracts.trigger import schedule_source
from wingman_runtime.project.schedules import Schedule
from wingman_runtime.redisio import admission, control, schedules

if TYPE_CHECKING:
    from wingman_runtime.client.client import Client


@dataclass(frozen=True, slots=True)
class ScheduleState:
    """A schedule in force; times in server milliseconds, 0 where there is none.

    Attributes:
        due_ms: the next due time; 0 when it is not enabled.
        held_by: rules that keep it from handing in.
        last_ms: the due time of its last firing, admitted at ``last_at_ms`` as ``last_request``.
    """

    name: str
    schedule: Schedule
    due_ms: int
    held_by: tuple[ControlRule, ...]
    last_ms: int
    last_at_ms: int
    last_request: str


class Schedules:
    """See `Client.schedules`."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def list(self) -> list[ScheduleState]:
        """Every schedule in force, by name."""
        store = self._client.store
        rules = (await control.read(store, admission.SCHEDULES_IN)).rules
        return [self._state(one, rules) for one in await schedules.listed(store)]

    def _state(self, kept: schedules.Kept, rules: tuple[ControlRule, ...]) -> ScheduleState:
        one = Schedule.model_validate_json(kept.definition)
        targets = {"all", f"schedule:{kept.name}", f"tenant:{one.tenant}", f"flow:{one.flow}"}
        held = tuple(rule for rule in rules if str(rule.target) in targets)
        return ScheduleState(
            kept.name, one, kept.due_ms, held, kept.last_ms, kept.last_at_ms, kept.last_request
        )

    async def run(self, name: str, *, reason: str, by: str | None = None) -> Request:
        """Hand in now what the schedule hands in, in the name of who does it; its due times stay.

        The request is judged as theirs, not as the schedule's actor's: firing by hand lends nobody a right.

        Raises:
            NotFoundError: no such schedule is in force.
            AdmissionClosedError: the schedule, or what it would run through, is held.
            Others as `Client.submit`.
        """
        store = self._client.store
        kept = await ensure_schedule(store, name)
        one = Schedule.model_validate_json(kept.definition)
        request_id = admission.new_request_id(random.randrange(store.partitions))  # noqa: S311 - spread
        event = letter_of(
            UserRequestReceived(request=work_of(one.intent, one.params, (), "")),
            derive("evt", request_id),
            request_id,
            actor=by or self._client.actor,
            tenant=one.tenant,
            flow=one.flow,
            source=schedule_source(name, by_hand=True),
        )
        trigger = admission.Trigger(
            name=event.trigger,
            schedule=name,
            nominal_ms=0,
            record={"reason": reason, "by": by or self._client.actor},
        )
        return Request(self._client, await self._client.door.hand_in(event, trigger=trigger))
