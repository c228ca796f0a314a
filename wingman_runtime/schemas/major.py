"""What a step to a new major takes: the way from the old one, tried on recorded samples, and consent.

An upcaster is a function from the data of one major to the
data of the next, as `EventModel.upcasts` names it.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import orjson
from pydantic import ValidationError

from wingman_runtime.contracts.event import EventModel, located
from wingman_runtime.errors import ContractError
from wingman_runtime.schemas.finding import Direction, SchemaFinding, Weight
from wingman_runtime.schemas.place import place_in, place_of, place_of_name
from wingman_runtime.schemas.record import SchemaRecord

if TYPE_CHECKING:
    from wingman_runtime.schemas.contract import ConsumerContract

NO_UPCASTER = "major/no-upcaster"
UPCASTER_FAILS = "major/upcaster-fails"
UNTESTED = "major/untested"
NO_CONSENT = "major/no-consent"
SAMPLE_REFUSED = "sample/refused"


def replay_findings(model: type[EventModel], history: Iterable[SchemaRecord]) -> list[SchemaFinding]:
    """Recorded documents of this major that the class refuses, though no schema shows why: its validators."""
    found = []
    for record in history:
        for sample in record.samples:
            problem = refusal(model, sample)
            if problem is not None:
                pointer = _pointer(problem.where or "")
                found.append(
                    SchemaFinding(
                        rule=SAMPLE_REFUSED,
                        event=record.event,
                        path=pointer,
                        direction=Direction.BACKWARD,
                        weight=Weight.BREAKING,
                        message=f"a document recorded with {record.version} is refused: {problem.message}",
                        against=str(record.version),
                        witness=sample,
                        act="producer",
                        remedy="let it read what was written, or make it a new major with an upcaster",
                        where=place_in(model, pointer),
                    )
                )
    return found


def upcaster_findings(
    model: type[EventModel], new: SchemaRecord, history: Sequence[SchemaRecord]
) -> list[SchemaFinding]:
    """The way from the majors before: there for the last of them, and every recorded sample comes through.

    A major older than that may be given up; where its way is there, it is tried, too.
    """
    older = sorted({one.version.major for one in history if one.version.major < new.version.major})
    if not older:
        return []
    steps: Mapping[int, Any] = getattr(model, "upcasts", {})
    where = place_of_name(model, "upcasts")
    lacking = [step for step in range(older[-1], new.version.major) if step not in steps]
    if lacking:
        said = f"nothing turns what was written as {older[-1]}.x into {new.version.major}.x"
        step = lacking[0]
        remedy = f"add `upcasts = {{{step}: function}}`: data of {step}.x to that of {step + 1}.x"
        return [_about(new, NO_UPCASTER, said, remedy, where=place_of(model))]
    found: list[SchemaFinding] = []
    for major in older:
        if any(step not in steps for step in range(major, new.version.major)):
            continue
        records = [one for one in history if one.version.major == major]
        if not any(record.samples for record in records):
            said = f"the upcaster from {major}.x is tried on nothing: no sample of {major}.x is recorded"
            remedy = "try it in a test of your own on a real document"
            found.append(_about(new, UNTESTED, said, remedy, where=where, weight=Weight.WARNING))
        for record in records:
            found += _tried(model, new, record, steps, where)
    return found


def consent_findings(
    model: type[EventModel], new: SchemaRecord, consumers: Iterable[ConsumerContract]
) -> list[SchemaFinding]:
    """Every registered consumer must be able to read the new major, or have agreed to it."""
    from wingman_runtime.schemas import accepts

    found = []
    for one in consumers:
        read, major = one.reads.get(new.event), new.version.major
        if read is None or one.consents_to(new.event, major):
            continue
        verdict = accepts(read.reader, new.writer)
        if verdict.compatible:
            continue
        gap = verdict.gaps[0]
        found.append(
            SchemaFinding(
                rule=NO_CONSENT,
                event=new.event,
                path=gap.path,
                direction=Direction.FORWARD,
                weight=Weight.BREAKING,
                message=f"{one.named} cannot read {major}.x and has not agreed to it: {gap.reason}",
                against=f"contract {one.consumer}",
                witness=gap.witness,
                act=f"consumers first: {one.consumer} ({one.owner})",
                remedy=f"have it read {major}.x, or agree under `consents` in config/contracts/"
                f"{one.consumer}.json",
                where=place_in(model, gap.path),
            )
        )
    return found


def refusal(model: type[EventModel], sample: Any) -> ContractError | None:
    """Why the class refuses a document, as it would on the wire; None when it reads it."""
    try:
        model.model_validate_json(orjson.dumps(sample))
    except ValidationError as problem:
        return located(problem, model.__name__)
    except Exception as problem:  # a validator of the user's may raise anything
        return ContractError(f"{type(problem).__name__}: {problem}")
    return None


def _tried(
    model: type[EventModel], new: SchemaRecord, record: SchemaRecord, steps: Mapping[int, Any], where: str
) -> list[SchemaFinding]:
    found = []
    for sample in record.samples:
        data, said = copy.deepcopy(sample), ""
        try:
            for step in range(record.version.major, new.version.major):
                data = steps[step](data)
            problem = refusal(model, data)
            said = f"{problem.where}: {problem.message}" if problem is not None else ""
        except Exception as raised:  # the user's own code
            said = f"{type(raised).__name__}: {raised}"
        if said:
            message = f"the upcaster makes no {new.version} of a document of {record.version}: {said}"
            remedy = "mend the upcaster until every recorded sample is read"
            about = _about(new, UPCASTER_FAILS, message, remedy, where=where, witness=sample)
            found.append(replace(about, against=str(record.version)))
    return found


def _about(
    new: SchemaRecord,
    rule: str,
    message: str,
    remedy: str,
    *,
    where: str,
    witness: Any = None,
    weight: Weight = Weight.BREAKING,
) -> SchemaFinding:
    return SchemaFinding(
        rule=rule,
        event=new.event,
        path="",
        direction=Direction.BACKWARD,
        weight=weight,
        message=message,
        witness=witness,
        act="producer",
        remedy=remedy,
        where=where,
    )


def _pointer(dotted: str) -> str:
    """``plan.steps.0.tool`` of an error as ``/plan/steps/0/tool``."""
    return "" if dotted in ("", "$") else "/" + dotted.replace("~", "~0").replace("/", "~1").replace(".", "/")
