"""``wingman config``: settings and the whole project, looked at."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter

from wingman_runtime.cli.common import DEFAULT, Common, changed_since, with_client
from wingman_runtime.cli.out import note
from wingman_runtime.errors import WingmanError

if TYPE_CHECKING:
    from wingman_runtime.client import Client

_LOOK_SECONDS = 2.0

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
    if not wrong:
        _note_changed(common)
    return 2 if wrong else 0


def _note_changed(common: Common) -> None:
    """When workers of this project run, do they run these files? No server, no answer: nothing is said."""

    async def work(client: Client) -> None:
        async with asyncio.timeout(_LOOK_SECONDS):
            if changed := changed_since((await client.status()).workers, client.settings.project):
                note(changed)

    with contextlib.suppress(WingmanError, TimeoutError):
        with_client(common, work)


def vars_of(row: object) -> dict[str, object]:
    """A setting's row under the names the table shows."""
    from wingman_runtime.settings import SettingValue

    assert isinstance(row, SettingValue)
    return {"setting": row.path, "value": row.value, "source": row.source, "purpose": row.purpose}
