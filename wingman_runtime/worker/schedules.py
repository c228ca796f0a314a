"""What is due by the clock is handed in, by the same door as a person's request.

1. Reads the schedule and the server's clock; a worker's own clock decides nothing.
2. Passes over due times that nobody catches up with, and says so in the log.
3. Admits one request for one due time; the door moves the schedule on in the same step, so of many workers
   one fires, and none fires twice.
4. A refusal (a halt, a full inbox) is told in the log once, and looked at again later.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

import structlog

from wingman_runtime.contracts.canonical import digest
from wingman_runtime.contracts.event import Event, dataschema_of, envelope_of
from wingman_runtime.contracts.events import UserRequestReceived
from wingman_runtime.contracts.ids import derive
from wingman_runtime.contracts.trigger import schedule_source, trigger_of
from wingman_runtime.contracts.work import WorkRequest
from wingman_runtime.errors import AdmissionClosedError, BackendError, WingmanError
from wingman_runtime.project.cron import Cron
from wingman_runtime.project.schedules import Schedule
from wingman_runtime.redisio import admission, schedules
from wingman_runtime.redisio.admission import AdmissionRules, DueElsewhereError, Trigger
from wingman_runtime.redisio.store import Store

ON_TIME_MS = 60_000
"""``catch_up: none`` counts a due time as missed once it is so long past."""
_AGAIN_MS = 5_000
_BROKEN_MS = 60_000
_LOG = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Step:
    """What to do about a schedule that is due: pass over to ``skip_to_ms`` (None: none is left), or fire."""

    fire_ms: int = 0
    skip: bool = False
    skip_to_ms: int | None = None


def next_step(cron: Cron, kept: int, due_ms: int, now_ms: int) -> Step | None:
    """What is to be done at ``now_ms`` about a schedule whose next due time is ``due_ms``; None: nothing yet.

    Args:
        kept: how many missed due times are caught up with: see `Schedule.kept`.
    """
    if not due_ms or due_ms > now_ms:
        return None
    # With other time zone data the stored time may be none of the cron's: it was promised, so it counts.
    times = cron.latest(due_ms, now_ms, max(kept, 1)) or [due_ms]
    if kept == 0 and now_ms - times[-1] > ON_TIME_MS:
        return Step(skip=True, skip_to_ms=cron.after(now_ms))
    if times[0] > due_ms:
        return Step(skip=True, skip_to_ms=times[0])
    return Step(fire_ms=due_ms)


async def put_in_force(store: Store, book: Mapping[str, Schedule], *, by: str) -> list[str]:
    """Make the server's schedules those of the file; returns what changed.

    A changed cron, zone or `enabled` begins anew from now; any other change keeps the due time, and what was
    missed while nothing ran is still to be caught up with.
    """
    changed = []
    for name, schedule in book.items():
        seen = await schedules.look(store, name)
        timing = digest([schedule.cron, schedule.timezone, schedule.enabled])
        # Never before what was handed in already: the server's clock may have been set back since.
        due = schedule.times().after(max(seen.now_ms, seen.last_ms)) if schedule.enabled else None
        body = schedule.model_dump_json().encode()
        mark = schedule.digest()
        if await schedules.put(
            store, name, body, digest=mark, timing=timing, due_ms=due, record={"by": by, "due_ms": due}
        ):
            changed.append(f"schedule {name} {mark}")
    for kept in await schedules.listed(store):
        if kept.name not in book and await schedules.drop(store, kept.name, record={"by": by}):
            changed.append(f"schedule {kept.name} dropped")
    return changed


async def fire_due(store: Store, names: Iterable[str], rules: AdmissionRules, worker: str) -> None:
    """Take one step with each schedule that is due."""
    for name in names:
        try:
            await _one(store, name, rules, worker)
        except BackendError:
            raise
        except Exception:
            # One broken definition must not keep the others from firing, nor be tried five times a second.
            _LOG.exception("a schedule cannot be fired", schedule=name)
            seen = await schedules.look(store, name)
            await schedules.wait(store, name, due_ms=seen.due_ms, again_ms=_BROKEN_MS, reason="broken")


async def _one(store: Store, name: str, rules: AdmissionRules, worker: str) -> None:
    seen = await schedules.look(store, name)
    if not seen.definition:
        return
    schedule = Schedule.model_validate_json(seen.definition)
    cron = schedule.times()
    step = next_step(cron, schedule.kept, seen.due_ms, seen.now_ms)
    if step is None:
        return
    if step.skip:
        due, following = _moment(seen.due_ms), _moment(step.skip_to_ms)
        record = {
            "to_ms": step.skip_to_ms,
            "worker": worker,
            "reason": f"was due {due}, next {following}, catch_up {schedule.catch_up}",
        }
        await schedules.skip(store, name, due_ms=seen.due_ms, following_ms=step.skip_to_ms, record=record)
        return
    event = _event(name, schedule, admission.due_request_id(name, step.fire_ms, seen.salt))
    trigger = Trigger(
        name=trigger_of(event.source),
        schedule=name,
        nominal_ms=step.fire_ms,
        record={"worker": worker},
        moves=True,
        following_ms=cron.after(step.fire_ms),
    )
    try:
        request_id = await admission.admit(store, event, rules=rules, trigger=trigger)
    except DueElsewhereError:
        return
    except AdmissionClosedError as error:
        await _later(store, name, step.fire_ms, error)
    except WingmanError as error:
        if isinstance(error, BackendError):
            raise
        await _later(store, name, step.fire_ms, error)
    else:
        _LOG.info("schedule fired", schedule=name, request=request_id, late_ms=seen.now_ms - step.fire_ms)


async def _later(store: Store, name: str, due_ms: int, error: WingmanError) -> None:
    if await schedules.wait(store, name, due_ms=due_ms, again_ms=_AGAIN_MS, reason=error.message):
        _LOG.warning("a schedule waits", schedule=name, reason=error.message)


def _moment(at_ms: int | None) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="seconds") if at_ms else "never"


def _event(name: str, schedule: Schedule, request_id: str) -> Event[UserRequestReceived]:
    return envelope_of(UserRequestReceived)(
        id=derive("evt", request_id),
        source=schedule_source(name),
        type="UserRequestReceived",
        subject=request_id,
        time=datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        dataschema=dataschema_of(UserRequestReceived),
        partition=admission.SCHEDULES_IN,
        correlationid=request_id,
        actor=schedule.actor,
        tenant=schedule.tenant,
        flow=schedule.flow,
        data=UserRequestReceived(request=WorkRequest(intent=schedule.intent, params=schedule.params)),
    )
