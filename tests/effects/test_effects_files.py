"""The file tools: nothing outside the workspace is touched, and undoing puts back exactly what was."""

from __future__ import annotations

import contextlib
import itertools
import os
import stat
import threading
import time
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.effects.effects_fakes import REQUEST, Bench
from wingman_runtime.contracts.compensation import plan_compensation
from wingman_runtime.contracts.ids import derive
from wingman_runtime.contracts.tool import ToolContext
from wingman_runtime.contracts.work import EffectStatus
from wingman_runtime.effects.registry import ToolRegistry
from wingman_runtime.effects.stash import EffectFiles
from wingman_runtime.effects.tools import files as tools
from wingman_runtime.effects.workspace import Workspace
from wingman_runtime.errors import ContractError, ToolError

SECRET = b"not for tools"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A workspace with a neighbour nobody may touch."""
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "secret.txt").write_bytes(SECRET)
    workspace = tmp_path / "workspace"
    workspace.mkdir()
    return workspace


@pytest.fixture
def bench(root: Path) -> Bench:
    return Bench(ToolRegistry.load([]), root)


def context(root: Path, effect: str = "eff_a", *, stopped: bool = False) -> ToolContext:
    return ToolContext(
        key=effect,
        effect_id=effect,
        request_id=REQUEST,
        tenant="demo",
        actor="alice",
        attempt=1,
        files=EffectFiles(Workspace(root), effect, lambda: stopped),
        stopped=lambda: stopped,
    )


def tree(folder: Path, *, hidden: bool = False) -> dict[str, tuple[int, bytes]]:
    """Every path below a folder with its mode and content (links: their target)."""
    found = {}
    for path in sorted(folder.rglob("*")):
        relative = path.relative_to(folder)
        if relative.parts[0] == ".undo" and not hidden:
            continue
        status = path.lstat()
        content = os.readlink(path).encode() if path.is_symlink() else b""
        if stat.S_ISREG(status.st_mode):
            content = path.read_bytes()
        found[str(relative)] = (status.st_mode, content)
    return found


CLIMBING = ["..", ".", "...", "/", "//", "\\", "..\\..", "%2e%2e", "~", "C:", "\u2024\u2024", ""]
NAMES = ["a", "outside", "secret.txt", "workspace", ".undo", ".UNDO", "link", "loop"]
ODD = ["\x00", "a\n", "\u00e9", "e\u0301", " ", "\u202e"]
WORDS = st.sampled_from(CLIMBING + NAMES + ODD)
PATHS = st.one_of(
    st.lists(WORDS, max_size=6).map("/".join),
    st.lists(WORDS, max_size=6).map("".join),
    st.text(max_size=30),
    st.text(alphabet="/.\\~ab\x00", max_size=20),
)


@given(path=PATHS)
@example("../outside/secret.txt")
@example("/etc/hostname")
@example("link/secret.txt")
@example("file-link")
@example(".undo/eff_a.0")
@example("a/../../outside/secret.txt")
@example("x" * 5000)
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_path_leads_outside(tmp_path_factory: pytest.TempPathFactory, path: str) -> None:
    """Whatever text a path is, no tool changes or reads a thing outside, nor the runtime's own folder."""
    base = tmp_path_factory.mktemp("escape")
    (base / "outside").mkdir()
    (base / "outside" / "secret.txt").write_bytes(SECRET)
    root = base / "workspace"
    (root / ".undo").mkdir(parents=True)
    kept = b'{"path":"secret","existed":true,"mode":420,"made":[]}\n' + SECRET
    (root / ".undo" / "eff_other.0").write_bytes(kept)
    (root / "link").symlink_to("../outside")
    (root / "file-link").symlink_to(base / "outside" / "secret.txt")
    (root / "loop").symlink_to("loop")
    before = {name: entry for name, entry in tree(base, hidden=True).items() if "workspace" not in name}
    files = context(root).files
    for act in (
        lambda: tools.write(path, "owned", context(root, "eff_1")),
        lambda: tools.append(path, "owned", context(root, "eff_2")),
        lambda: files.keep(path),
        lambda: files.read(path),
        lambda: tools.restore(path, "eff_other.0", "absent", context(root, "eff_3")),
        lambda: tools.delete(path, context(root, "eff_4")),
    ):
        try:
            result = act()
        except ToolError:
            continue
        assert result != SECRET
    after = {name: entry for name, entry in tree(base, hidden=True).items() if "workspace" not in name}
    assert after == before
    assert (root / "link").is_symlink()
    assert (root / "file-link").is_symlink()
    assert (root / ".undo" / "eff_other.0").read_bytes() == kept


CLIMBS = ["/a", "../a", "a/../b", "./a", "a//b", "a/", "a\\b", "C:/a", ".undo/x", ".Undo/x"]
UNFIT = ["", "a\x00b", "a\nb", "e\u0301", "\ud800", "x" * 201, "a/" * 600 + "b"]


@pytest.mark.parametrize("path", CLIMBS + UNFIT)
def test_a_bad_path_is_refused_when_the_plan_is_made(path: str) -> None:
    """The schema refuses it, so it never gets as far as an approval."""
    with pytest.raises(ContractError):
        ToolRegistry.load([]).validate("file.write", {"path": path, "content": ""})


def test_links_are_followed_nowhere(root: Path) -> None:
    """A link as folder, as file, or to another file of the workspace: all refused, nothing changed."""
    (root / "folder").symlink_to("../outside")
    (root / "file").symlink_to("../outside/secret.txt")
    (root / "real.txt").write_text("real")
    (root / "inner").symlink_to("real.txt")
    before = tree(root), tree(root.parent / "outside")
    for path in ("folder/secret.txt", "folder/new.txt", "file", "inner"):
        with pytest.raises(ToolError):
            tools.write(path, "x", context(root))
        with pytest.raises(ToolError):
            tools.append(path, "x", context(root))
        with pytest.raises(ToolError):
            tools.delete(path, context(root))
        with pytest.raises(ToolError):
            context(root).files.read(path)
    assert (tree(root), tree(root.parent / "outside")) == before


def test_a_link_slipped_in_while_writing_is_not_followed(root: Path) -> None:
    """A folder that keeps turning into a link and back: every write lands inside or is refused."""
    (root / "real").mkdir()
    ended = threading.Event()
    count = itertools.count()

    def swap() -> None:
        while not ended.is_set():
            aside = root / f"aside-{next(count)}"
            for act in (
                partial(os.rename, root / "real", aside),
                partial(os.symlink, "../outside", root / "real"),
                partial(os.unlink, root / "real"),
                partial(os.rename, aside, root / "real"),
            ):
                with contextlib.suppress(OSError):  # the writer makes the folder anew now and then
                    act()

    attacker = threading.Thread(target=swap)
    attacker.start()
    workspace = Workspace(root)
    landed = tries = 0
    deadline = time.monotonic() + 20
    try:
        # At least so often, and until one write found the folder in its place.
        while tries < 150 or (not landed and time.monotonic() < deadline):
            tries += 1
            try:
                workspace.write("real/secret.txt", b"owned")
                landed += 1
            except ToolError:
                continue
    finally:
        ended.set()
        attacker.join()
    assert (root.parent / "outside" / "secret.txt").read_bytes() == SECRET
    assert sorted(path.name for path in (root.parent / "outside").iterdir()) == ["secret.txt"]
    assert landed > 0


def test_what_is_no_regular_file_is_refused_without_hanging(root: Path) -> None:
    """A named pipe or a folder in the place of a file is refused at once."""
    os.mkfifo(root / "pipe")
    (root / "folder").mkdir()
    for path in ("pipe", "folder"):
        with pytest.raises(ToolError):
            context(root).files.read(path)
        with pytest.raises(ToolError):
            tools.write(path, "x", context(root))
        with pytest.raises(ToolError):
            tools.delete(path, context(root))


def test_a_file_past_the_limit_is_refused_and_nothing_is_left(root: Path) -> None:
    """Too large to write, too large to read; no half file and no temporary file stays behind."""
    workspace = Workspace(root, limit=10)
    with pytest.raises(ToolError, match="limit is 10"):
        workspace.write("a", b"x" * 11)
    (root / "big").write_bytes(b"x" * 11)
    with pytest.raises(ToolError, match="larger than 10"):
        workspace.find("big")
    assert [name for name in os.listdir(root) if name != ".undo"] == ["big"]


def undo_of(result: Any) -> dict[str, Any]:
    assert result.undo is not None
    return dict(result.undo)


@pytest.mark.parametrize("before", [None, b"old", b"", b"\n\x00\xff"])
@pytest.mark.parametrize("name", ["write", "append", "delete"])
def test_restore_puts_back_content_permissions_and_absence(
    root: Path, name: str, before: bytes | None
) -> None:
    """After an effect and its undoing the workspace is byte for byte as before, made folders gone."""
    path = root / "deep" / "er" / "a.txt"
    if before is not None:
        path.parent.mkdir(parents=True)
        path.write_bytes(before)
        path.chmod(0o640)
    elif name == "delete":
        with pytest.raises(ToolError, match="no file"):
            tools.delete("deep/er/a.txt", context(root))
        return
    snapshot = tree(root)
    acts = {
        "write": lambda: tools.write("deep/er/a.txt", "new", context(root)),
        "append": lambda: tools.append("deep/er/a.txt", "new", context(root)),
        "delete": lambda: tools.delete("deep/er/a.txt", context(root)),
    }
    undo = undo_of(acts[name]())
    assert tree(root) != snapshot
    for expected in (True, False):  # undoing twice is undoing once
        answer = tools.restore(**undo, context=context(root, "eff_undo"))
        assert answer == {"path": "deep/er/a.txt", "restored": expected}
        assert tree(root) == snapshot


def test_a_second_attempt_keeps_the_true_earlier_content(root: Path) -> None:
    """A re-run finds what its first attempt left, yet undoing it puts back what was before both."""
    (root / "a.txt").write_text("original")
    tools.write("a.txt", "new", context(root, "eff_a"))
    undo = undo_of(tools.write("a.txt", "new", context(root, "eff_a")))
    tools.restore(**undo, context=context(root, "eff_undo"))
    assert (root / "a.txt").read_text() == "original"
    undo = undo_of(tools.delete("a.txt", context(root, "eff_b")))
    assert undo_of(tools.delete("a.txt", context(root, "eff_b"))) == undo
    tools.restore(**undo, context=context(root, "eff_undo"))
    assert (root / "a.txt").read_text() == "original"


def test_anothers_later_change_is_not_undone(root: Path) -> None:
    """Restoring refuses a file that somebody changed after the effect, and leaves it alone."""
    undo = undo_of(tools.write("a.txt", "mine", context(root, "eff_a")))
    tools.write("a.txt", "theirs", context(root, "eff_b"))
    with pytest.raises(ToolError, match="changed by somebody else"):
        tools.restore(**undo, context=context(root, "eff_undo"))
    assert (root / "a.txt").read_text() == "theirs"


def test_a_kept_file_serves_its_own_path_only(root: Path) -> None:
    """With one file's right one cannot read another's past; nor is any other text a kept file's name."""
    (root / "secret").write_text("s")
    stash = undo_of(tools.write("secret", "changed", context(root, "eff_a")))["stash"]
    for name in (stash, "../outside/secret.txt", "../../outside/secret.txt", "", "a/b", "lock-1\x00"):
        with pytest.raises(ToolError):
            tools.restore("public", name, "absent", context(root, "eff_b"))
    assert not (root / "public").exists()


def test_a_damaged_kept_file_is_not_restored(root: Path) -> None:
    """What cannot be read in full is no reason to change the file."""
    undo = undo_of(tools.write("a.txt", "new", context(root)))
    (root / ".undo" / undo["stash"]).write_bytes(b"{")
    with pytest.raises(ToolError, match="damaged"):
        tools.restore(**undo, context=context(root, "eff_undo"))
    assert (root / "a.txt").read_text() == "new"


def test_a_call_that_was_given_up_changes_nothing(root: Path) -> None:
    """A thread that wakes late asks first."""
    with pytest.raises(ToolError, match="no longer waits"):
        tools.write("a.txt", "late", context(root, stopped=True))
    assert not (root / "a.txt").exists()


def test_appends_from_many_threads_are_all_there(root: Path) -> None:
    """The path's lock makes read-then-write one step."""
    threads = [
        threading.Thread(target=lambda n=n: tools.append("log", f"{n}\n", context(root, f"eff_{n}")))
        for n in range(12)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted((root / "log").read_text().split()) == sorted(str(n) for n in range(12))


async def test_a_failing_plan_over_files_is_rolled_back_to_the_byte(bench: Bench, root: Path) -> None:
    """Three steps on two files, the fourth fails; compensating newest first restores the folder."""
    (root / "a.txt").write_text("one")
    before = tree(root)
    report = await bench.run(
        bench.plan(
            ("file.write", {"path": "a.txt", "content": "two"}),
            ("file.append", {"path": "a.txt", "content": "three"}),
            ("file.write", {"path": "new/b.txt", "content": "b"}),
            ("file.delete", {"path": "nowhere.txt"}),
        )
    )
    assert (report.status, report.failed_step) == ("failed", 3)
    assert (root / "a.txt").read_text() == "twothree"
    plan = plan_compensation(await bench.store.of_request(REQUEST), REQUEST, "evt_2")
    report = await bench.run(plan)
    assert report.status == "done"
    assert {effect.status for effect in report.effects} == {EffectStatus.DONE}
    assert tree(root) == before


def _aged(path: Path, seconds: float) -> None:
    then = path.stat().st_mtime - seconds
    os.utime(path, (then, then), follow_symlinks=False)


def test_a_sweep_removes_what_is_old_and_the_runtimes_own(root: Path) -> None:
    """Old images and remains of a crash go; young ones, locks and whatever else is there stay."""
    workspace = Workspace(root)
    files = EffectFiles(workspace, derive("eff", "old"), lambda: False)
    young = EffectFiles(workspace, derive("eff", "young"), lambda: False).keep("a")
    undo, secret = root / ".undo", root.parent / "outside" / "secret.txt"
    old = [undo / files.keep("a"), undo / f"tmp-{'0' * 32}", undo / f"{derive('eff', 'x')}.{'0' * 12}"]
    old[1].touch()
    old[2].symlink_to(secret)
    with workspace.exclusive("a"):
        stays = [*undo.glob("lock-*"), undo / "mine", undo / young]
        (undo / "mine").touch()
        for path in (*old, *stays[:-1]):
            _aged(path, 100)
        _aged(secret, 100)
        assert workspace.sweep(time.time() - 50) == len(old)
    assert {*undo.iterdir()} == {*stays}
    assert secret.read_bytes() == SECRET
    assert workspace.sweep(time.time() - 50) == 0


def test_a_sweep_takes_portions_and_makes_nothing(root: Path) -> None:
    """At most ``limit`` go at once; where nothing was ever kept, no folder appears."""
    workspace = Workspace(root)
    assert workspace.sweep(time.time() + 50) == 0
    assert not (root / ".undo").exists()
    for number in range(5):
        EffectFiles(workspace, derive("eff", number), lambda: False).keep("a")
    assert [workspace.sweep(time.time() + 50, limit=2) for _ in range(4)] == [2, 2, 1, 0]


def test_sweeps_side_by_side_disturb_nobody(root: Path) -> None:
    """Several workers sweep one folder while an effect keeps and restores: the old files go, no new one."""
    workspace = Workspace(root)
    for number in range(300):
        name = EffectFiles(workspace, derive("eff", "old", number), lambda: False).keep("a")
        _aged(root / ".undo" / name, 100)
    removed: list[int] = []
    sweepers = [
        threading.Thread(target=lambda: removed.append(workspace.sweep(time.time() - 50))) for _ in range(4)
    ]
    for thread in sweepers:
        thread.start()
    files = EffectFiles(workspace, derive("eff", "now"), lambda: False)
    for turn in range(20):
        kept = files.keep(f"f{turn}")
        files.write(f"f{turn}", b"new")
        assert files.restore(f"f{turn}", kept, files.state(f"f{turn}"))
    for thread in sweepers:
        thread.join()
    assert sum(removed) == 300
    assert len([*(root / ".undo").glob("eff_*")]) == 20
