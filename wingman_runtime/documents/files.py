"""Where something stands, without saying on which machine."""

from __future__ import annotations

from pathlib import Path

from wingman_runtime.project.find import reference_root


def inside(root: Path, where: str) -> str:
    """``file`` or ``file:line`` with the file seen from the project, or from the runtime when it ships it."""
    file, colon, line = where.partition(":")
    path = Path(file).absolute()
    package = Path(__file__).resolve().parents[1]
    for top in (root.absolute(), reference_root(), package.parent):
        if path.is_relative_to(top):
            return f"{path.relative_to(top).as_posix()}{colon}{line}"
    return f"{path.name}{colon}{line}"
