"""What a step to a new major takes: the way from the old one, tried on recorded samples, and consent.

An upcaster is a function from the data of one major to the
data of the next, as `EventModel.upcasts` names it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import orjson

from wingman_runtime.contracts.event import EventModel, envelope_of
from wingman_runtime.contracts.reading import EventReader
from wingman_runtime.errors import ContractError
from wingman_runtime.schemas.finding import Direction, SchemaFinding, Weight
from wingman_runtime.schemas.place import place_in, place_of, place_of_name
from wingman_runtime.schemas.record import SchemaRecord
from wingman_runtime.schemas.version import Version

if TYPE_CHECKING:
    from wingman_runtime.schemas.contract import ConsumerContract

NO_UPCASTER = "major/no-upcaster"
UPCASTER_FAILS = "major/upcaster-fails"
UNTESTED = "major/untested"
NO_CONSENT = "major/no-consent"
SAMPLE_REFUSED = "sample/refused"
_ENVELOPE = {
    "id": "evt_p0_sample",
    "source": "wingman/schema",
    "subject": "req_p0_sample",
    "time": "2026-01-31T12:00:00Z",
    "partition": 0,
    "correlationid": "req_p0_sample",
    "actor": "schema",
    "tenant": "schema",
    "flow": "schema",
}


def replay_findings(model: type[EventModel], history: Iterable[SchemaRecord]) -> list[SchemaFinding]:
    """Recorded documents of this major that the class refuses, though no schema shows why: its validators."""
    found = []
    for record in history:
        for sample in record.samples:
            problem = refusal(model, sample, record.version)
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
    steps = model.upcasts
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
            for sample in record.samples:
                problem = refusal(model, sample, record.version)
                if problem is None:
                    continue
                at = f" at {problem.where}" if problem.where else ""
                said = f"a recorded {record.version} does not become {new.version}{at}: {problem.message}"
                remedy = "mend the upcaster until every recorded sample is read"
                about = _about(new, UPCASTER_FAILS, said, remedy, where=where, witness=sample)
                found.append(replace(about, against=str(record.version)))
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
                remedy=f"have it read {major}.x and record its contract, or have its owner agree: `wingman "
                f"contract consent {one.consumer} {new.event} {major} --by NAME --reason WHY`",
                where=place_in(model, gap.path),
            )
        )
    return found


def refusal(model: type[EventModel], sample: Any, version: Version) -> ContractError | None:
    """Why the runtime would not read a document that was written with ``version``; None when it would.

    It is read as an event on the wire is: strictly, more freely, or through upcasters.
    """
    name = model.__name__
    event = _ENVELOPE | {"type": name, "dataschema": f"urn:wingman:event:{name}:{version}", "data": sample}
    try:
        EventReader(model, envelope_of(model)).read(orjson.dumps(event))
    except ContractError as problem:
        inside = (problem.where or "").removeprefix("data").removeprefix(".")
        return ContractError(problem.message, where=inside, hint=problem.hint)
    except (Exception, SystemExit) as problem:  # a validator of the user's may raise anything, or exit
        return ContractError(f"{type(problem).__name__}: {problem}")
    return None


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
