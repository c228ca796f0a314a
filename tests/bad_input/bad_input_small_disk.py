"""The command line on a disk with room for as many bytes of audit store as the file ``limit`` says."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from wingman_runtime import bootstrap
from wingman_runtime.cli.app import run
from wingman_runtime.ledger.store import AuditStore


class SmallDisk(AuditStore):
    """SQLite meets its own page limit as it would meet a full disk: with SQLITE_FULL."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, limit_bytes=_room())

    def head(self, partition: int) -> Any:
        self.set_limit(_room())  # asked at the start and after each failure
        return super().head(partition)


def _room() -> int | None:
    text = Path("limit").read_text()
    return int(text) if text else None


if __name__ == "__main__":
    setattr(bootstrap, "AuditStore", SmallDisk)  # noqa: B010 - not exported from there
    sys.exit(run(sys.argv[1:]))
