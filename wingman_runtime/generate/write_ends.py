"""The agents at both ends of a life: the entrance, and the one that settles failures."""

from __future__ import annotations

from wingman_runtime.generate.life import Life
from wingman_runtime.generate.text import Draft, generated
from wingman_runtime.generate.write_agents import BY_HAND, manifest_text
from wingman_runtime.generate.write_events import article


def end_files(life: Life) -> list[Draft]:
    """Manifest, code and stub of both."""
    door, failures = f"agents/{life.domain}", f"agents/{life.failures}"
    return [
        generated(life, f"{door}/manifest.yaml", _door_manifest(life)),
        generated(life, f"{door}/agent.py", _door(life)),
        Draft(f"{door}/work.py", _door_work(life), once=True),
        generated(life, f"{failures}/manifest.yaml", _failures_manifest(life)),
        generated(life, f"{failures}/agent.py", _failures(life)),
        Draft(f"{failures}/work.py", _failures_work(life), once=True),
    ]


def end_functions(life: Life) -> dict[str, dict[str, str]]:
    """The functions that ``work.py`` of these agents must have, by agent."""
    return {
        life.domain: {
            "objections": f"async def objections({life.word}: {life.start.name}) -> tuple[str, ...]:"
        },
        life.failures: {"settled": f"async def settled(failed: {life.failed}) -> {life.failed}:"},
    }


def _door_manifest(life: Life) -> str:
    return manifest_text(
        name=life.domain,
        version=life.entity.lifecycle.version,
        domain=life.domain,
        purpose=f"let {article(life.word)} begin that is whole, from somebody who may ask for it",
        owner=life.entity.owner,
        scope=f"Takes {life.intent} only, reads it strictly and asks the policies. It changes nothing.",
        handler="agent:handle",
        consumes=["UserRequestReceived"],
        emits=[life.start.name, "RequestRejected", "PermissionDenied"],
        refusals=["RequestRejected", "PermissionDenied"],
        tools=[],
        needs=["policy"],
        output=f"{life.start.name}, or why not",
        audit=["the policies asked", "each objection"],
    )


def _door(life: Life) -> str:
    start = life.start.name
    return f'''"""{life.domain}: the entrance. Reads {start}, asks the policies, then work.py."""

from wingman_runtime.sdk import (
    ContractError,
    Emit,
    Event,
    NewerSchemaError,
    PermissionDenied,
    Policy,
    Ref,
    Refuse,
    RequestRejected,
    UserRequestReceived,
    because,
    opened,
)

from . import work
from .events import {start}

INTENT = "{life.intent}"


async def handle(event: Event[UserRequestReceived], policy: Policy) -> Emit | Refuse:
    request = event.data.request
    if request.intent != INTENT or request.steps or request.planner:
        return Refuse(RequestRejected(reasons=(f"this flow takes {{INTENT}} and its parameters only",)))
    decision = policy.judge(
        "submit",
        Ref("User", event.actor),
        Ref("Request", event.request_id),
        attributes={{"tenant": event.tenant, "intent": request.intent, "flow": event.flow}},
    )
    if not decision.allow:
        return Refuse(PermissionDenied(reasons=because(decision), policies=decision.policies))
    try:
        {life.word} = opened(event, {start})
    except NewerSchemaError:
        raise  # it waits for a worker of the release that its client is of
    except ContractError as error:
        return Refuse(RequestRejected(reasons=(f"{{error.where}}: {{error.message}}",)))
    objections = await work.objections({life.word})
    return Refuse(RequestRejected(reasons=objections)) if objections else Emit({life.word})
'''


def _door_work(life: Life) -> str:
    start = life.start.name
    return f'''"""{life.domain}: what else it refuses.

{BY_HAND}
"""

from .events import {start}


async def objections({life.word}: {start}) -> tuple[str, ...]:
    """Why this {life.word} cannot begin, beside not being whole; nothing: it may."""
    return ()
'''


def _failures_manifest(life: Life) -> str:
    return manifest_text(
        name=life.failures,
        version=life.entity.lifecycle.version,
        domain=life.domain,
        purpose=f"settle what went wrong with {article(life.word)}: dead letters, cancellations, expiry",
        owner=life.entity.owner,
        scope=f"Tells how the life of {article(life.word)} was cut short. It undoes nothing.",
        handler="agent:handle",
        consumes=["DeadLettered", "RequestFailed", "RequestCancelled", "RequestExpired"],
        emits=[life.failed],
        refusals=[],
        tools=[],
        output=f"a {life.failed} event",
        audit=["what went wrong, and where"],
    )


def _failures(life: Life) -> str:
    return f'''"""{life.failures}: a failure of the runtime's, told as {life.failed}."""

from wingman_runtime.sdk import (
    FAILURE_OUTCOMES,
    DeadLettered,
    Emit,
    Event,
    RequestCancelled,
    RequestExpired,
    RequestFailed,
    grounds,
)

from . import work
from .events import {life.failed}


async def handle(
    event: Event[DeadLettered | RequestFailed | RequestCancelled | RequestExpired],
) -> Emit:
    data = event.data
    failed = {life.failed}(
        outcome=FAILURE_OUTCOMES[event.type],
        reasons=grounds(data),
        agent=data.agent if isinstance(data, DeadLettered | RequestFailed) else "",
        event_type=data.event_type if isinstance(data, DeadLettered) else "",
        attempts=data.attempts if isinstance(data, DeadLettered) else 0,
    )
    return Emit(await work.settled(failed))
'''


def _failures_work(life: Life) -> str:
    return f'''"""{life.failures}: what is said of a failure.

{BY_HAND}
"""

from .events import {life.failed}


async def settled(failed: {life.failed}) -> {life.failed}:
    """A dead letter, a cancellation or expiry: told once all else of the request has settled.

    A note for those who look later: `failed.model_copy(update={{"note": "…"}})`. Trying once more is a new
    request: see `replay` in clients/{life.domain}.py.
    """
    return failed
'''
