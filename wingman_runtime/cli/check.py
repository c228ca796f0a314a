"""``wingman check``: everything there is to check before a deployment, in one report."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from wingman_runtime.cli.common import DEFAULT, Common, uncollected
from wingman_runtime.cli.out import note
from wingman_runtime.errors import UsageError

if TYPE_CHECKING:
    from wingman_runtime.cli.out import Out
    from wingman_runtime.contracts.finding import Finding
    from wingman_runtime.project.checks import Report, Section
    from wingman_runtime.schemas.finding import SchemaFinding

Check = Literal["config", "policy", "flow", "schema", "contract"]


def check(
    *,
    only: Annotated[tuple[Check, ...], Parameter(negative="", help="Only this check; repeatable.")] = (),
    skip: Annotated[tuple[Check, ...], Parameter(negative="", help="Not this check; repeatable.")] = (),
    annotations: Annotated[
        Literal["github"] | None, Parameter(help="Say it as annotations of a pull request.")
    ] = None,
    verbose: Annotated[
        bool, Parameter(name=["--verbose", "-v"], negative="", help="Notes too, not only their number.")
    ] = False,
    common: Common = DEFAULT,
) -> int:
    """Check settings, agents, policies and their cases, flows, schemas and contracts: one report of all.

    It needs no server and changes nothing: it is for a pull request. Exits with 0 when the project is sound,
    with 2 when settings, agents, policies or flows are not, with 1 when only schemas or contracts are not.

    For example

        wingman check
        wingman check --only schema --only contract
        wingman check --annotations github
    """
    from wingman_runtime.project.checks import CHECKS, run_checks

    if annotations and common.json:
        raise UsageError("--json and --annotations are two answers", hint="choose one of them")
    chosen = [name for name in CHECKS if (not only or name in only) and name not in skip]
    if not chosen:
        raise UsageError("nothing is left to check", hint=f"the checks are: {', '.join(CHECKS)}")
    with uncollected():
        report = run_checks(common.project, chosen)
    out = common.out()
    if common.json:
        out.data(_as_json(report))
    elif annotations:
        _annotate(out, report, verbose)
    else:
        _tell(out, report, verbose)
    note(_ended(report))
    for step in report.next_steps() if not common.json else ():
        note(f"→ {step}")
    return report.exit_code


def _ended(report: Report) -> str:
    """``failed: config; not run: schema, contract``."""
    by_status: dict[str, list[str]] = {}
    for one in report.sections:
        if one.status != "ok":
            by_status.setdefault(one.status, []).append(one.check)
    told = "; ".join(f"{status}: {', '.join(names)}" for status, names in sorted(by_status.items()))
    return told or "the project is sound"


def _tell(out: Out, report: Report, verbose: bool) -> None:
    from wingman_runtime.cli import schematext
    from wingman_runtime.schemas.finding import SchemaFinding

    for section in report.sections:
        style = {"ok": "green", "failed": "red"}.get(section.status, "yellow")
        told = "; ".join(part for part in (section.looked_at, _summary(section), section.not_run) if part)
        out.line(f"{section.check:<9} {section.status:<8} {told}".rstrip(), style)
        for one in _shown(section, verbose):
            if isinstance(one, SchemaFinding):
                schematext.tell(out, one)
            else:
                out.line(str(one))


def _annotate(out: Out, report: Report, verbose: bool) -> None:
    from wingman_runtime.cli import schematext
    from wingman_runtime.schemas.finding import SchemaFinding

    for section in report.sections:
        for one in _shown(section, verbose):
            if isinstance(one, SchemaFinding):
                out.line(schematext.annotation(one))
            else:
                text = one.message + (f"\n→ {one.hint}" if one.hint else "")
                out.line(schematext.workflow_command("error", one.where, one.rule, text))


def _as_json(report: Report) -> dict[str, Any]:
    return {
        "clean": report.clean,
        "exit_code": report.exit_code,
        "checks": [
            {
                "check": section.check,
                "status": section.status,
                "looked_at": section.looked_at,
                "not_run": section.not_run,
                "findings": [_row(one) for one in section.findings],
            }
            for section in report.sections
        ],
        "next": report.next_steps(),
    }


def _row(finding: Finding | SchemaFinding) -> dict[str, Any]:
    """The same keys for every finding; a finding about a file has fewer to fill."""
    from wingman_runtime.cli.schematext import as_row
    from wingman_runtime.schemas.finding import Direction, SchemaFinding, Weight

    if isinstance(finding, SchemaFinding):
        return as_row(finding)
    return as_row(
        SchemaFinding(
            rule=finding.rule,
            event="",
            path="",
            direction=Direction.NEITHER,
            weight=Weight.BREAKING,
            message=finding.message,
            where=finding.where,
            remedy=finding.hint,
        )
    )


def _shown(section: Section, verbose: bool) -> list[Finding | SchemaFinding]:
    from wingman_runtime.project.checks import weight_of
    from wingman_runtime.schemas.finding import Weight

    return [one for one in section.findings if verbose or weight_of(one) is not Weight.NOTE]


def _summary(section: Section) -> str:
    from wingman_runtime.project.checks import weight_of
    from wingman_runtime.schemas.finding import Weight

    words = {Weight.BREAKING: "to mend", Weight.WARNING: "warning", Weight.NOTE: "note"}
    counts = {weight: sum(weight_of(one) is weight for one in section.findings) for weight in words}
    plural = {Weight.BREAKING: "to mend", Weight.WARNING: "warnings", Weight.NOTE: "notes"}
    parts = [
        f"{count} {(words if count == 1 else plural)[weight]}" for weight, count in counts.items() if count
    ]
    return ", ".join(parts)
