"""Where is the project? ``--project``, else ``WINGMAN_PROJECT``, else the nearest parent that is one."""

from __future__ import annotations

import os
from pathlib import Path

from wingman_runtime.errors import NotFoundError
from wingman_runtime.settings_layers import CONFIG_FILE

_HINT = "go into a project's folder, pass --project DIR, or make one with `wingman init NAME`"


def find_root(given: Path | None = None) -> Path:
    """The project's folder.

    Args:
        given: what ``--project`` said; it is the project or an error, no parent of it is tried.

    Raises:
        NotFoundError: no project there, or none above the working directory.
    """
    named = os.environ.get("WINGMAN_PROJECT")
    if given is not None:
        return _exactly(given, "--project")
    if named:
        return _exactly(Path(named), "WINGMAN_PROJECT")
    here = Path.cwd()
    for folder in (here, *here.parents):
        if (folder / CONFIG_FILE).is_file():
            return folder
    raise NotFoundError(f"no {CONFIG_FILE} here or in any parent folder", where=str(here), hint=_HINT)


def _exactly(folder: Path, source: str) -> Path:
    root = folder.expanduser().resolve()
    if not (root / CONFIG_FILE).is_file():
        raise NotFoundError(
            f"{source} names no project: it has no {CONFIG_FILE}", where=str(root), hint=_HINT
        )
    return root


def reference_root() -> Path:
    """The shipped reference project: inside the wheel, or the checkout itself."""
    package = Path(__file__).resolve().parent.parent
    inside = package / "reference"
    return inside if inside.is_dir() else package.parent
