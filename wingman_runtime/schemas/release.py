"""Releasing: an event's class as it stands becomes a record, if its version says enough.

Nothing is written unless everything that was asked for may be.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from wingman_runtime.contracts.canonical import refuse_unrepresentable
from wingman_runtime.errors import ContractError, UsageError
from wingman_runtime.schemas.finding import SchemaFinding, Weight
from wingman_runtime.schemas.major import refusal
from wingman_runtime.schemas.record import SchemaRecord
from wingman_runtime.schemas.registry import Registry
from wingman_runtime.schemas.samples import admitted_by, sample_of
from wingman_runtime.schemas.standing import UNRELEASED, Standing, Status, Subject


@dataclass(frozen=True, slots=True)
class Release:
    """What is to be written, or was.

    Attributes:
        new: False for a version that is recorded already, as it stands.
        note: what the person should know of it; often empty.
    """

    record: SchemaRecord
    file: Path
    new: bool
    note: str = ""


@dataclass(frozen=True, slots=True)
class Plan:
    """Either all of ``releases`` may be written, or ``refused`` says why none is."""

    releases: tuple[Release, ...]
    refused: tuple[SchemaFinding, ...]


def plan_release(
    standings: Iterable[Standing], registry: Registry, samples: Mapping[str, Sequence[Any]] | None = None
) -> Plan:
    """What a release of these events would write.

    Args:
        samples: documents to record, by event; without any, one is made from the schema.

    Raises:
        ContractError: a sample is no document of its event; ``where`` is the path inside it.
        UsageError: a sample for a version that is recorded already.
    """
    releases: list[Release] = []
    refused: list[SchemaFinding] = []
    for one in standings:
        given = tuple((samples or {}).get(one.event, ()))
        file = registry.file(one.event, one.written)
        breaking = [
            finding
            for finding in one.findings
            if finding.weight is Weight.BREAKING and finding.rule != UNRELEASED
        ]
        if breaking:
            refused += breaking
        elif one.status is Status.CURRENT:
            if given:
                raise UsageError(
                    f"{one.event} {one.written} is released: a record is never changed",
                    hint="a sample goes with a new version",
                )
            releases.append(Release(registry.get(one.event, one.written), file, False))
        else:
            releases.append(_new(one, file, registry, given))
    return Plan(tuple(releases) if not refused else (), tuple(refused))


def write_release(plan: Plan, registry: Registry) -> tuple[Release, ...]:
    """Write what a plan says.

    Raises:
        ConflictError: somebody released another one of the same version meanwhile.
        ConfigError: an event is not this project's to record.
    """
    for one in plan.releases:
        if one.new:
            registry.write(one.record)
    return plan.releases


def _new(one: Standing, file: Path, registry: Registry, given: tuple[Any, ...]) -> Release:
    subject = one.subject
    for sample in given:
        check_sample(subject, sample)
    made = given or _made(subject)
    accepted = tuple(
        {
            "rule": finding.rule,
            "path": finding.path,
            "against": finding.against,
            "by": waiver.by,
            "reason": waiver.reason,
        }
        for finding, waiver in one.waived
        if finding.against
    )
    record = replace(subject.record, samples=made, accepted=accepted)
    note = "" if made else "no sample could be made of it: give a real document with --sample"
    return Release(record, file, True, note)


def check_sample(subject: Subject, sample: Any) -> None:
    """Raises ContractError when the class would not write or not read this document."""
    from jsonschema_rs import validator_for

    refuse_unrepresentable(sample)
    problem = refusal(subject.model, sample, subject.record.version)
    if problem is not None:
        raise ContractError(f"no {subject.record.event}: {problem.message}", where=problem.where)
    if not admitted_by(subject.record.writer)(sample):
        wrong = next(iter(validator_for(subject.record.writer).iter_errors(sample)))
        path = "/" + "/".join(map(str, wrong.instance_path)) if wrong.instance_path else "$"
        hint = "a sample is what a producer sends: every field is there, nothing else"
        raise ContractError(f"no {subject.record.event}: {wrong.message}", where=path, hint=hint)


def _made(subject: Subject) -> tuple[Any, ...]:
    """The sample the schema gives, if the class reads it."""
    record = subject.record
    return sample_of(record.writer, lambda made: refusal(subject.model, made, record.version) is None)
