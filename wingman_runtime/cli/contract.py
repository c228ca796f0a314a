"""``wingman contract``: what every consumer reads of every event, and whom a change would hurt."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import App, Parameter

from wingman_runtime.cli.common import DEFAULT, Common
from wingman_runtime.cli.contract_agree import consent, sign_off
from wingman_runtime.cli.out import note
from wingman_runtime.errors import UsageError

if TYPE_CHECKING:
    from wingman_runtime.project.contracts import Contracts
    from wingman_runtime.schemas.contract import ConsumerContract

app = App(name="contract", help="Look at what consumers read, check it, record it.")


@app.command(name="list")
def list_(
    *,
    event: Annotated[str, Parameter(help="Only consumers of this event, and which field who reads.")] = "",
    common: Common = DEFAULT,
) -> int:
    """Every consumer with its version, owner and the events it reads.

    For example

        wingman contract list
        wingman contract list --event ExecutionPlanProposed
    """
    contracts = contracts_of(common)
    out = common.out()
    if event:
        out.table(_field_rows(contracts, event), ("field", "readers"), empty="it has no fields")
        return 0
    rows = []
    for name in sorted({*contracts.recorded, *contracts.derived}):
        one = contracts.contract(name)
        rows.append(
            {
                "consumer": name,
                "version": one.consumer_version,
                "owner": one.owner,
                "kind": one.kind,
                "recorded": name in contracts.recorded,
                "reads": sorted(one.reads),
            }
        )
    columns = ("consumer", "version", "owner", "kind", "recorded", "reads")
    out.table(rows, columns, empty="no consumers")
    return 0


@app.command
def show(
    consumer: Annotated[str, Parameter(help="An agent's name, or another team's service.")],
    /,
    *,
    common: Common = DEFAULT,
) -> int:
    """One consumer: which fields of which events it reads, and what its owner agreed to.

    With --json: the contract as its file has it, readers' schemas included.

    For example

        wingman contract show executor
        wingman contract show billing --json
    """
    from wingman_runtime.schemas.contract import contract_file
    from wingman_runtime.schemas.paths import field_paths
    from wingman_runtime.yamlfile import shown

    contracts = contracts_of(common)
    contract, out = contracts.contract(consumer), common.out()
    if common.json:
        out.data(contract)
        return 0
    file = contract_file(contracts.root, consumer)
    out.fields(
        {
            "consumer": consumer,
            "version": contract.consumer_version,
            "owner": contract.owner,
            "kind": contract.kind,
            "file": shown(file) if consumer in contracts.recorded else "not recorded: as its code says",
        }
    )
    for event, read in contract.reads.items():
        majors = ", ".join(f"{major}.x" for major in read.majors)
        out.line(f"\n{event} {majors}" + (f", read as {read.model}" if read.model else ""))
        out.line(f"  envelope  {', '.join(read.envelope)}")
        for path in field_paths(read.reader):
            out.line(f"  {path}")
    for event, given in contract.consents.items():
        for one in given:
            out.line(f"\nready for {event} {one.major}.x, says {one.by}: {one.reason}")
    for signed in contract.deprecations:
        out.line(
            f"\n{signed.path} of {signed.event} may go after {signed.until}: {signed.by}, {signed.reason}"
        )
    return 0


@app.command
def check(
    *,
    event: Annotated[
        tuple[str, ...],
        Parameter(
            negative="", help="Only this event; then fields that nobody reads are named, too. Repeatable."
        ),
    ] = (),
    annotations: Annotated[
        Literal["github"] | None, Parameter(help="Say it as annotations of a pull request.")
    ] = None,
    common: Common = DEFAULT,
) -> int:
    """Hold what producers would write against what every consumer reads; name who would be hurt.

    It looks at the models as they are in the files: before anything is deployed. Exits with 1 when a consumer
    could not read an event, or a contract is not what its agent's code says.

    For example

        wingman contract check
        wingman contract check --event OrderPlaced
        wingman contract check --annotations github
    """
    from wingman_runtime.cli.schematext import annotation, as_row, counted, tell
    from wingman_runtime.schemas.finding import Weight

    if annotations and common.json:
        raise UsageError("--json and --annotations are two answers", hint="choose one of them")
    contracts = contracts_of(common)
    for name in event:
        contracts.catalog.model(name)
    findings, out = contracts.check(event), common.out()
    failing = any(one.weight is Weight.BREAKING for one in findings)
    if common.json:
        out.data({"clean": not failing, "findings": [as_row(one) for one in findings]})
    for one in findings if not common.json else ():
        if annotations:
            out.line(annotation(one))
        else:
            tell(out, one)
    number = len({*contracts.recorded, *contracts.derived})
    note(f"{number} consumer{'s' if number != 1 else ''}: {counted(findings) or 'nothing found'}")
    if not contracts.recorded and contracts.derived:
        note("no contract is recorded yet: `wingman contract record` begins")
    return 1 if failing else 0


@app.command
def record(
    *agents: Annotated[str, Parameter(help="Agents; all of this project when left out.")],
    consumer: Annotated[str, Parameter(help="Another team's service instead, by name.")] = "",
    event: Annotated[str, Parameter(help="The event it reads.")] = "",
    model: Annotated[str, Parameter(help="The class it reads it with, as path.py:Class.")] = "",
    owner: Annotated[str, Parameter(help="Who answers for it.")] = "",
    consumer_version: Annotated[str, Parameter(help="Its version, as 1.0.0.")] = "",
    force: Annotated[
        bool,
        Parameter(negative="", help="Also where an agent as recorded could not read what is written now."),
    ] = False,
    common: Common = DEFAULT,
) -> int:
    """Write contracts into config/contracts: of this project's agents as their code is, or of one service.

    What people agreed to (`consent`, `sign-off`) is kept. The same code always gives the same file.

    For example

        wingman contract record
        wingman contract record executor
        wingman contract record --consumer billing --owner "billing team" \\
            --consumer-version 1.0.0 --event OrderPlaced \\
            --model billing/reading.py:OrderView
    """
    from wingman_runtime.schemas.contract import contract_file
    from wingman_runtime.yamlfile import shown

    contracts = contracts_of(common)
    if not consumer:
        if event or model or owner or consumer_version:
            raise UsageError(
                "--event, --model, --owner and --consumer-version are for a service",
                hint="name it: --consumer",
            )
        made = contracts.record(agents, force=force)
    else:
        if agents or not (event and model):
            raise UsageError(
                "a service is recorded by itself, one event at a time",
                hint="say --consumer NAME --event EVENT --model path.py:Class",
            )
        from wingman_runtime.project.outside import model_at

        changed = contracts.record_read(
            consumer, event, model_at(model), version=consumer_version, owner=owner, said=model
        )
        made = {consumer: changed}
    rows = [
        {"consumer": name, "changed": changed, "file": shown(contract_file(contracts.root, name))}
        for name, changed in made.items()
    ]
    common.out().table(rows, ("consumer", "changed", "file"), empty="no agents")
    return 0


app.command(consent)
app.command(sign_off, name="sign-off")


def contracts_of(common: Common) -> Contracts:
    """The project's contracts.

    Raises:
        ConfigError: an agent cannot be mounted, or a contract's file is wrong.
    """
    from wingman_runtime.errors import ConfigError
    from wingman_runtime.project.contracts import Contracts

    problems: list[ConfigError] = []
    contracts = Contracts.of(common.found(), problems)
    if problems:
        raise problems[0]
    return contracts


def _field_rows(contracts: Contracts, event: str) -> list[dict[str, Any]]:
    """The event's fields, outer before inner, and who reads each."""
    from wingman_runtime.schemas.contract import readers_of
    from wingman_runtime.schemas.paths import field_paths

    everyone: tuple[ConsumerContract, ...] = contracts.all()
    return [
        {"field": path, "readers": sorted({one.consumer for one in readers_of(everyone, event, path)})}
        for path in field_paths(contracts.written(event).schema)
    ]
