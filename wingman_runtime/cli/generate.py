"""``wingman generate``: from domain models with a lifecycle to a system that runs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from wingman_runtime.cli.common import DEFAULT, Common, called
from wingman_runtime.cli.out import note
from wingman_runtime.errors import UsageError

if TYPE_CHECKING:
    from wingman_runtime.generate.generate import Generated

_SAID = {"new": "new", "changed": "changed", "gone": "deleted", "edited": "edited", "foreign": "in the way"}


def generate(
    models: Annotated[Path, Parameter(help="The file with the domain models, inside the project.")],
    /,
    *,
    into: Annotated[Path | None, Parameter(help="The project's folder; the nearest when left out.")] = None,
    dry_run: Annotated[bool, Parameter(negative="", help="Only say what would happen.")] = False,
    check: Annotated[
        bool, Parameter(negative="", help="Change nothing; exit 1 where files are not what the models say.")
    ] = False,
    common: Common = DEFAULT,
) -> int:
    """Write events, agents, a flow, policies, a client and tests from models whose lifecycle is annotated.

    What is generated says so in its first line and is not to be edited. What is yours (agents/*/work.py) is
    made once and never touched again. A second run changes nothing.

    For example

        wingman generate models.py
        wingman generate models.py --dry-run
        wingman generate models.py --check      # in CI
    """
    from wingman_runtime.generate.generate import generate as run

    if into is not None and common.project is not None and into != common.project:
        raise UsageError("--into and --project name two folders", hint="give one of them")
    done = run(models, into or common.project, dry_run=dry_run or check)
    out = common.out()
    told = [one for one in done.changes if one.state in _SAID]
    if common.json:
        out.data(
            {
                "project": str(done.root),
                "stale": done.stale,
                "files": [{"path": one.path, "state": one.state} for one in done.changes],
                "to_do": list(done.lacks),
            }
        )
    else:
        for one in told:
            out.line(f"{_SAID[one.state]:<10} {one.path}")
        for lack in done.lacks:
            out.line(f"by hand    {lack.path}: {lack.message}\n  → {lack.hint}")
        note(_summary(done, check=check, dry=dry_run))
    if check:
        return 1 if done.stale else 0
    return 0


def _summary(done: Generated, *, check: bool, dry: bool) -> str:
    if not done.stale:
        return "nothing to do: the project is what the models say"
    wingman = called()
    if check or dry:
        changed = any(one.state not in ("same", "kept") for one in done.changes)
        steps = [f"{wingman} generate {done.lives[0].source}"] if check and changed else []
    else:
        fresh = any(one.path.endswith("work.py") and one.state == "new" for one in done.changes)
        steps = ["write your part: agents/*/work.py"] if fresh else []
        if any((done.root / "config" / "schemas").glob("*/*.json")):
            # The contracts first: a new major is released when its readers are recorded as reading it.
            steps += [f"{wingman} contract record", f"{wingman} schema release --all"]
        steps += [f"{wingman} check", "pytest"]
    said = ["nothing was written"] if check or dry else []
    return "\n".join([*said, *(["next:"] if steps else []), *(f"  {step}" for step in steps)])
