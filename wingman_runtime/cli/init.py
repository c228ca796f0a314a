"""``wingman init``: make a project."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from wingman_runtime.cli.common import DEFAULT, Common, called
from wingman_runtime.cli.out import note


def init(
    folder: Annotated[Path, Parameter(help="The folder to make; `.` for this one.")],
    /,
    *,
    name: Annotated[str, Parameter(help="The project's name; the folder's when left out.")] = "",
    force: Annotated[
        bool, Parameter(negative="", help="Also into a folder with files; overwrites none.")
    ] = False,
    common: Common = DEFAULT,
) -> int:
    """Make a small project that runs: settings, flow, policies, an agent and a tool of its own, a test.

    For example

        wingman init hello && cd hello && wingman dev
        wingman init . --force
    """
    from wingman_runtime.project.init import init_project

    files = init_project(folder, name=name, force=force)
    out = common.out()
    if common.json:
        out.data({"project": str(folder.resolve()), "files": files})
        return 0
    for path in files:
        out.line(str(folder / path))
    steps = [] if folder.resolve() == Path.cwd() else [f"cd {shlex.quote(str(folder))}"]
    steps += [f"{called()} config check", f"{called()} dev"]
    note("next:\n" + "\n".join(f"  {step}" for step in steps))
    return 0
