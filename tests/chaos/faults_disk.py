"""Faults of the server's disk: what is on it after a crash in the middle of something, or without power."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from tests.chaos.fault import Facts, Fault, NotStruckError
from tests.chaos.preload import preload
from tests.chaos.waiting import until
from wingman_runtime.redisio import wire

if TYPE_CHECKING:
    from tests.chaos.house import House
    from tests.chaos.server import ChaosServer

_SOURCE = Path(__file__).with_name("synced.c")
_TORN = b"*3\r\n$3\r\nSET\r\n$11\r\nchaos:torn:\r\n$1000\r\n" + b"x" * 500


def append_only_files(server: ChaosServer) -> list[Path]:
    """All files of the append-only folder, in the order they were made."""
    folder = server.data_dir / "appendonlydir"
    return sorted(
        (file for file in folder.iterdir() if file.is_file()), key=lambda file: file.stat().st_mtime
    )


def last_part(server: ChaosServer) -> Path:
    """The part of the append-only file that was written to last, as the manifest names it."""
    manifest = server.data_dir / "appendonlydir" / "appendonly.aof.manifest"
    parts = [line.split() for line in manifest.read_text().splitlines() if line.endswith("type i")]
    return manifest.with_name(parts[-1][1])


def _children(pid: int) -> list[int]:
    with contextlib.suppress(OSError):
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return []


async def killed_whole(server: ChaosServer) -> None:
    """`kill -9` of the server and of the child that writes for it, as a machine that stops does."""
    for child in _children(server.pid):
        with contextlib.suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)
    await server.kill()


async def _back(house: House) -> None:
    await house.server.start()
    await house.server.answers()


class RewriteRestart(Fault):
    """`kill -9` of the server while it rewrites its append-only file, and a restart from what is there."""

    name = "rewrite-restart"
    touches = frozenset({"server", "proxy"})

    async def strike(self, house: House) -> Facts:
        server = house.server

        def rewriting() -> bool:
            lines = wire.ask_bytes(server.socket, "INFO", "persistence").decode()
            return "aof_rewrite_in_progress:1" in lines

        try:
            # No second one begins beside one that the server began by itself.
            await until(lambda: not rewriting(), 10.0)
            # So long for each key that the rewrite is under way when the blow comes.
            server.ask("CONFIG", "SET", "rdb-key-save-delay", "20000")
            server.ask("BGREWRITEAOF")
            await until(rewriting, 10.0)
            await asyncio.sleep(house.rng.uniform(0.0, 0.3))
            if not rewriting():
                raise NotStruckError("the rewrite was over too soon")
        except (wire.ReplyError, TimeoutError, NotStruckError) as error:
            # Or each rewrite to come would take minutes.
            server.ask("CONFIG", "SET", "rdb-key-save-delay", "0")
            raise NotStruckError(f"no rewrite to strike at: {error}") from error
        await killed_whole(server)
        left = [file.name for file in server.data_dir.rglob("temp-*")]
        await _back(house)
        return {"left": left}


class TornTail(Fault):
    """`kill -9` in the middle of a write: the append-only file ends with half a command.

    Half of one that nobody was told was done. To cut off what was acknowledged would be another fault: a disk
    that lied about its sync, against which no log can help.
    """

    name = "torn-tail"
    touches = frozenset({"server", "proxy"})

    async def strike(self, house: House) -> Facts:
        await house.server.kill()
        torn = last_part(house.server)
        whole, piece = torn.stat().st_size, _TORN[: house.rng.randrange(1, len(_TORN))]
        with torn.open("ab") as out:
            out.write(piece)
        await _back(house)
        return {"file": torn.name, "torn": len(piece), "cut_back": torn.stat().st_size <= whole + len(piece)}


class PowerCut(Fault):
    """The server's power goes: of its files only what was synced is left; a preloaded library keeps count.

    What a directory holds is taken for synced: a file made or renamed is there, with what was synced of it.
    """

    name = "power-cut"
    touches = frozenset({"server", "proxy"})

    def missing(self) -> str:
        return "" if shutil.which("cc") else "needs a C compiler: apt install gcc libc6-dev"

    def prepare(self, house: House) -> None:
        folder = house.dir / "synced"
        folder.mkdir(exist_ok=True)
        library = house.dir / "synced.so"
        subprocess.run(
            ["cc", "-shared", "-fPIC", "-O1", "-Wall", "-o", str(library), str(_SOURCE), "-ldl"], check=True
        )
        preload(house.server_env, library)
        house.server_env["SYNCED_DIR"] = str(folder)

    async def strike(self, house: House) -> Facts:
        await killed_whole(house.server)
        lost = {}
        for file in append_only_files(house.server):
            size, kept = file.stat().st_size, self._synced(house, file)
            if kept < size:
                os.truncate(file, kept)
                lost[file.name] = size - kept
        await _back(house)
        return {"lost": lost}

    def _synced(self, house: House, file: Path) -> int:
        try:
            return int((house.dir / "synced" / str(file.stat().st_ino)).read_text())
        except FileNotFoundError:
            return 0
