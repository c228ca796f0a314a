"""One digest over the files a worker reads when it starts: does what runs know what is on disk now?"""

from __future__ import annotations

import hashlib
from pathlib import Path

_READ = ("agents", "config", "planners", "tools")
# Policies and principals are put in force by themselves, with `wingman policy apply`; nothing is restarted.
_NOT = ("config/principals.yaml",)


def files_digest(root: Path) -> str:
    """``sha256:`` over names and content of a project's agents, tools, planners and configuration.

    The project's place is not in it: the same files on another machine have the same digest.
    """
    total = hashlib.sha256()
    for top in _READ:
        for path in sorted((root / top).rglob("*")):
            inside = path.relative_to(root)
            hidden = any(part.startswith(".") or part == "__pycache__" for part in inside.parts)
            if hidden or inside.as_posix() in _NOT or not path.is_file():
                continue
            for raw in (inside.as_posix().encode(), path.read_bytes()):
                total.update(len(raw).to_bytes(8, "big") + raw)
    return f"sha256:{total.hexdigest()}"
