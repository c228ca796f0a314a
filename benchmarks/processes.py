"""What a process uses, as /proc tells; nothing where there is no /proc."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path


def resident(processes: Mapping[str, int]) -> dict[str, float]:
    """Megabytes of resident memory by role."""
    found = {}
    for role, pid in processes.items():
        try:
            status = Path(f"/proc/{pid}/status").read_text()
        except OSError:
            found[role] = 0.0
        else:
            found[role] = int(status.partition("VmRSS:")[2].split()[0]) / 1024
    return found


def processor(processes: Mapping[str, int]) -> dict[str, float]:
    """Seconds of processor time so far, by role."""
    spent = {}
    for role, pid in processes.items():
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            spent[role] = 0.0
        else:
            spent[role] = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return spent
