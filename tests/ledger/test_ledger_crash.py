"""Recorders that are killed in mid-run: nothing is lost, nothing is stored twice."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from wingman_runtime.ledger.query import select
from wingman_runtime.ledger.schema import open_reader
from wingman_runtime.ledger.verify import verify

TOTAL = 20_000

# A recorder over a log kept in a file: each line is an entry; a second file says how far it was trimmed.
PROGRAM = """
import asyncio, os, sys
from pathlib import Path
from wingman_runtime.ledger.recorder import Recorder
from wingman_runtime.ledger.source import LogEntry
from wingman_runtime.ledger.store import AuditStore

folder, total = Path(sys.argv[1]), int(sys.argv[2])

class FileLog:
    partitions = 1
    def trimmed(self):
        mark = folder / "trimmed"
        return int(mark.read_text()) if mark.exists() else 0
    async def read(self, partition, after, count, block_ms):
        first = max(int(after.split("-")[0]), self.trimmed()) + 1
        return [
            LogEntry(f"{n}-0", n, n, "event", "req", b'{"n":%d}' % n)
            for n in range(first, min(first + count, total + 1))
        ]
    async def trim(self, partition, through):
        part = folder / f"part{os.getpid()}"
        part.write_text(through.split("-")[0])
        part.replace(folder / "trimmed")
    async def head(self, partition):
        return total

async def main():
    stop = asyncio.Event()
    if len(sys.argv) > 3:
        stop.set()
    with AuditStore(folder / "audit.db") as store:
        await Recorder(FileLog(), store, batch=50).run(stop)

asyncio.run(main())
"""


def start(folder: Path, *more: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", PROGRAM, str(folder), str(TOTAL), *more], cwd=os.getcwd())


def stored(path: Path) -> int:
    try:
        connection = open_reader(path)
    except Exception:
        return 0
    count = int(connection.execute("SELECT COUNT(*) FROM records").fetchone()[0])
    connection.close()
    return count


def test_kill_9_loses_nothing_and_doubles_nothing(tmp_path: Path) -> None:
    """Three recorders in a row are killed while they write; the fourth leaves a complete, verified trail."""
    path = tmp_path / "audit.db"
    for _ in range(3):
        process = start(tmp_path)
        try:
            before, deadline = stored(path), time.monotonic() + 20
            while stored(path) < before + 500 and time.monotonic() < deadline and process.poll() is None:
                time.sleep(0.005)
        finally:
            os.kill(process.pid, signal.SIGKILL)
            process.wait(10)
        assert stored(path) > before
    assert stored(path) < TOTAL
    process = start(tmp_path, "drain")
    assert process.wait(60) == 0
    assert [record.n for record in select(path)] == list(range(1, TOTAL + 1))
    result = verify(path)
    assert result.ok
    assert not result.warnings


def test_a_second_recorder_process_refuses_and_leaves_the_first_alone(tmp_path: Path) -> None:
    """While one process records, a second one ends with the conflict; the first goes on."""
    path = tmp_path / "audit.db"
    first = start(tmp_path)
    try:
        deadline = time.monotonic() + 20
        while stored(path) < 100 and time.monotonic() < deadline:
            time.sleep(0.005)
        second = subprocess.run(
            [sys.executable, "-c", PROGRAM, str(tmp_path), str(TOTAL)],
            capture_output=True,
            text=True,
            check=False,
            timeout=30,
        )
        assert second.returncode == 1
        assert f"a recorder (process {first.pid}) already writes" in second.stderr
        assert first.poll() is None
    finally:
        os.kill(first.pid, signal.SIGKILL)
        first.wait(10)
