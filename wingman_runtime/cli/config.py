"""``wingman config``: settings and the whole project, looked at."""

from __future__ import annotations

from typing import Annotated

from cyclopts import App, Parameter

from wingman_runtime.cli.common import DEFAULT, Common
from wingman_runtime.cli.out import note

app = App(name="config", help="Look at settings and check the project.")


@app.command
def show(
    *,
    changed: Annotated[bool, Parameter(negative="", help="Only what is not a default.")] = False,
    common: Common = DEFAULT,
) -> int:
    """Every setting with its value and where the value comes from. Secrets are masked.

    For example

        wingman config show
        WINGMAN_LIMITS__STEPS=10 wingman config show --changed
    """
    values = common.found().settings.explain()
    rows = [value for value in values if not changed or value.source != "default"]
    common.out().table([vars_of(row) for row in rows], ("setting", "value", "source"))
    return 0


@app.command
def check(*, common: Common = DEFAULT) -> int:
    """Check settings, agents, flows, policies, tools and scopes; all problems at once.

    For example

        wingman config check
        wingman config check --json
    """
    from wingman_runtime.project.load import Project

    findings = Project.check_at(common.project)
    out = common.out()
    if common.json:
        out.data(findings)
    for finding in findings if not common.json else ():
        out.line(str(finding))
    wrong = len(findings)
    note(f"{wrong} problem{'s' if wrong > 1 else ''}" if wrong else "the project is sound")
    return 2 if wrong else 0


def vars_of(row: object) -> dict[str, object]:
    """A setting's row under the names the table shows."""
    from wingman_runtime.settings import SettingValue

    assert isinstance(row, SettingValue)
    return {"setting": row.path, "value": row.value, "source": row.source, "purpose": row.purpose}
