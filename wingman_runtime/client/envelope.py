"""What a client sends: the request as a checked body, and any letter in its envelope. Errors are ours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar

from pydantic import ValidationError

from wingman_runtime.contracts.canonical import canonical, refuse_unrepresentable
from wingman_runtime.contracts.event import Event, EventModel, dataschema_of, envelope_of
from wingman_runtime.contracts.events import UserRequestReceived
from wingman_runtime.contracts.ids import partition_of
from wingman_runtime.contracts.located import located
from wingman_runtime.contracts.work import StepRequest, WorkRequest
from wingman_runtime.contracts.writing import written
from wingman_runtime.errors import ContractError

_STEP = 'a step is {"tool": "note.write", "args": {…}}'
EventT = TypeVar("EventT", bound=EventModel)
LONGEST_KEY = 200


def work_of(
    intent: str, params: Mapping[str, Any], steps: Sequence[StepRequest | Mapping[str, Any]], planner: str
) -> WorkRequest:
    """The request, checked. Raises ContractError with the path of what does not fit."""
    refuse_unrepresentable(params, "params")
    for index, step in enumerate(steps):
        if not isinstance(step, StepRequest | Mapping):
            raise ContractError(f"{step!r:.60} is no step", where=f"steps[{index}]", hint=_STEP)
    plain = [step if isinstance(step, StepRequest) else dict(step) for step in steps]
    for index, step in enumerate(plain):
        refuse_unrepresentable(step.args if isinstance(step, StepRequest) else step, f"steps[{index}]")
    try:
        return WorkRequest.model_validate(
            {"intent": intent, "params": dict(params), "steps": plain, "planner": planner}
        )
    except ValidationError as error:
        raise _hinted(located(error, "request"), error) from None


def ordered_by(ordering_key: str) -> tuple[str, ...]:
    """The key, if there is one, checked. Raises ContractError for one that is too long or no text."""
    if not ordering_key:
        return ()
    refuse_unrepresentable(ordering_key, "ordering_key")
    refuse_no_text(ordering_key, "ordering_key")
    if len(ordering_key) > LONGEST_KEY:
        raise ContractError(
            f"the ordering key has {len(ordering_key)} characters, the limit is {LONGEST_KEY}",
            where="ordering_key",
            hint="name what the requests share, such as customer-7",
        )
    return (ordering_key,)


def refuse_no_text(said: str, where: str) -> None:
    """Raises ContractError for text that UTF-8 cannot carry: a lone surrogate."""
    try:
        said.encode()
    except UnicodeEncodeError:
        raise ContractError("it is no text that UTF-8 can carry", where=where) from None


def plain_of(work: WorkRequest) -> dict[str, Any]:
    """The request as plain JSON data. Raises ContractError for what JSON cannot carry."""
    try:
        body = work.model_dump(mode="json")
        canonical(body)
        return body
    except (TypeError, ValueError, RecursionError) as error:  # no JSON type, half a surrogate pair, too deep
        raise ContractError(
            f"the request is not JSON: {error}",
            where="params",
            hint="send plain data: finite numbers, and text that UTF-8 can carry",
        ) from None


def letter_of(
    data: EventT,
    identity: str,
    request_id: str,
    *,
    actor: str,
    tenant: str,
    flow: str,
    source: str = "/client",
) -> Event[EventT]:
    """The data in its envelope.

    Raises:
        ContractError: an actor, tenant or flow no envelope can carry; data that its own model refuses.
    """
    about = _envelope(type(data), request_id, actor=actor, tenant=tenant, flow=flow, source=source)
    try:
        return envelope_of(type(data))(id=identity, data=written(data)[1], **about)
    except ValidationError as error:
        raise located(error, "request") from None


def _hinted(said: ContractError, error: ValidationError) -> ContractError:
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    if first["loc"][:1] == ("steps",):
        said.hint = _STEP
    elif first["loc"][:1] == ("intent",):
        said.hint = "an intent is a name such as note.write: the intents are in config/scopes.yaml"
    else:
        said.hint = "see the parameters in `wingman submit --help`"
    return said


def _envelope(
    model: type[Any], request_id: str, *, actor: str, tenant: str, flow: str, source: str
) -> dict[str, Any]:
    return {
        "source": source,
        "type": model.__name__,
        "subject": request_id,
        "time": datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "dataschema": dataschema_of(model),
        "partition": partition_of(request_id),
        "correlationid": request_id,
        "causationid": "" if model is UserRequestReceived else request_id,
        "actor": actor,
        "tenant": tenant,
        "flow": flow,
    }
