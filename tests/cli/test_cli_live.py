"""Commands against a running project: `wingman dev` in a process of its own, and the demo."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from wingman_runtime.project.init import init_project

ROOT = Path(__file__).parents[2]
WAIT = 30.0


def environment() -> dict[str, str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("WINGMAN_")}
    return {**clean, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A fresh project with `wingman dev` running; a greeting to the boss asks people."""
    root = tmp_path_factory.mktemp("live") / "fresh"
    init_project(root)
    gate = root / "policies" / "40-handshake.cedar"
    asked = "resource.steps <= 10"
    assert asked in gate.read_text()
    gate.write_text(gate.read_text().replace(asked, f'{asked} && !resource.areas.contains("greeting:boss/")'))
    with developed(root):
        yield root


@contextmanager
def developed(root: Path) -> Iterator[None]:
    """`wingman dev` running in a project, from when it says what to type to its own clean end."""
    with (root / "dev.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "wingman_runtime", "dev", "--workers", "1"],
            cwd=root, env=environment(), stdout=log, stderr=log, process_group=0,
        )  # fmt: skip
        try:
            deadline = time.monotonic() + WAIT
            while "in another terminal" not in (root / "dev.log").read_text():
                assert process.poll() is None, (root / "dev.log").read_text()
                assert time.monotonic() < deadline
                time.sleep(0.1)
            yield
        finally:
            process.send_signal(signal.SIGINT)
            try:
                code = process.wait(WAIT)
            except subprocess.TimeoutExpired:
                process.kill()
                raise
        assert code == 0, (root / "dev.log").read_text()


def wingman(project: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "wingman_runtime", *arguments],
        cwd=project, env=environment(), capture_output=True, text=True, timeout=60, check=False,
        stdin=subprocess.DEVNULL,
    )  # fmt: skip


def greet(project: Path, to: str, text: str, *more: str) -> subprocess.CompletedProcess[str]:
    return wingman(
        project, "submit", "greeting.send", "-p", f"to={to}", "-p", f"text={text}", "--as", "alice", *more
    )


def test_a_request_passes_through_the_own_agent_and_the_own_tool(project: Path) -> None:
    """A fresh project writes its greeting; the tree shows the own agent's event; the tail tells it."""
    done = greet(project, "ada", "good morning", "--wait", "20", "--json")
    assert done.returncode == 0, done.stderr
    response = json.loads(done.stdout)
    assert response["outcome"] == "completed"
    assert (project / "workspace" / "greetings" / "ada.txt").read_text() == "good morning\n"
    tree = wingman(project, "request", "show", response["request_id"], "--tree")
    assert tree.returncode == 0, tree.stderr
    assert "WordsCounted" in tree.stdout
    listed = wingman(project, "request", "list", "--json")
    assert response["request_id"] in [row["request_id"] for row in json.loads(listed.stdout)]
    watched = wingman(project, "request", "watch", response["request_id"], "--json")
    assert watched.returncode == 0
    types = [json.loads(line)["type"] for line in watched.stdout.splitlines()]
    assert types[0] == "UserRequestReceived"
    assert "AuditStamped" in types
    assert wingman(project, "audit", "verify").returncode == 0
    stamped = wingman(project, "audit", "query", "--request", "latest", "--event", "AuditStamped")
    assert stamped.stdout.endswith(f"{response['request_id']}  completed\n")


def test_outcomes_have_their_exit_codes(project: Path) -> None:
    """A refused request is 4, a failed one 1, one still on its way 5, an unknown one 3."""
    assert wingman(project, "submit", "nobody.knows", "--as", "alice", "--wait", "20").returncode == 4
    assert greet(project, "twice", "one", "--wait", "20").returncode == 0
    assert greet(project, "twice", "two", "--wait", "20").returncode == 1
    unknown = wingman(project, "request", "show", "req_p0_" + "0" * 32)
    assert unknown.returncode == 3
    assert "Traceback" not in unknown.stderr


def test_an_approval_by_command(project: Path) -> None:
    """What asks people is listed, shown and voted on; the requester's own vote is refused with 4."""
    request = greet(project, "boss/ceo", "a raise").stdout.strip()
    assert request.startswith("req_p0_")
    approval = ""
    deadline = time.monotonic() + WAIT
    while not approval and time.monotonic() < deadline:
        rows = json.loads(wingman(project, "approval", "list", "--request", request, "--json").stdout)
        approval = rows[0]["approval_id"] if rows else ""
    assert approval, wingman(project, "request", "show", request, "--tree").stdout
    assert "greeting.send" in wingman(project, "approval", "show", approval).stdout
    own = wingman(project, "approval", "approve", approval, "--as", "alice")
    assert own.returncode == 4, own.stderr
    unknown = wingman(project, "approval", "approve", approval[-6:], "--as", "eve")
    assert unknown.returncode == 4
    assert "eve is not declared in config/principals.yaml: say who acts with --as NAME" in unknown.stderr
    shown = wingman(project, "approval", "show", "latest", "--json")
    assert json.loads(shown.stdout)["approval_id"] == approval
    counted = wingman(project, "approval", "approve", approval[-6:], "--as", "bob")
    assert counted.returncode == 0, counted.stderr
    assert f"counted; {approval} is approved" in counted.stderr
    watched = wingman(project, "request", "watch", request, "--timeout", "20")
    assert watched.returncode == 0, watched.stderr
    assert "approved by   people:bob" in watched.stdout
    late = wingman(project, "approval", "deny", approval, "--as", "bob", "--reason", "too late")
    assert late.returncode == 6, late.stderr

    decided = wingman(project, "approval", "show", approval[-8:])
    assert decided.returncode == 0, decided.stderr
    assert f"approval  {approval}" in decided.stdout


def test_what_dev_says_to_type_works_as_it_stands(project: Path, tmp_path: Path) -> None:
    """In a terminal that is elsewhere: the folder, a request, the list, a pause and its end."""
    command = tmp_path / "bin" / "wingman"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\nexec {sys.executable} -m wingman_runtime "$@"\n')
    command.chmod(0o755)
    told = (project / "dev.log").read_text().partition("in another terminal:\n")[2].splitlines()
    typed = [line for line in told[:6] if line.startswith("  ") and "notice.post" not in line]
    assert len(typed) == 5, told
    path = f"{command.parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["sh", "-e"], input="\n".join(typed), cwd=tmp_path, env=environment() | {"PATH": path},
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "completed" in done.stdout


def test_who_is_not_declared_is_told_so(project: Path) -> None:
    """Beside the outcome, and at once when nobody waits for it: whom there is, and where a name came from."""
    told = "eve is not declared in config/principals.yaml: say who acts with --as NAME (known: alice, bob"
    words = ("submit", "greeting.send", "-p", "to=eve", "-p", "text=hello")
    waited = wingman(project, *words, "--as", "eve", "--wait", "20")
    assert waited.returncode == 4
    assert 'User "eve" is not declared' in waited.stdout
    assert told in waited.stderr
    assert told in wingman(project, *words, "--as", "eve").stderr
    assert "did you mean 'alice'?" in wingman(project, *words, "--as", "alise").stderr
    assert "not declared" not in wingman(project, *words, "--as", "alice").stderr
    by_setting = subprocess.run(
        [sys.executable, "-m", "wingman_runtime", *words], cwd=project,
        env=environment() | {"WINGMAN_ACTOR": "eve"}, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert "eve (the setting actor) is not declared" in by_setting.stderr
    assert "or name one as `actor:` in config/wingman.yaml" in by_setting.stderr


def test_pause_holds_and_resume_lets_go(project: Path) -> None:
    """While the executor is held a request stays pending (5), `status` says why; resumed, it completes."""
    assert wingman(project, "pause", "agent:executor", "--reason", "a look", "--as", "bob").returncode == 0
    held = greet(project, "held", "later", "--wait", "1", "--json")
    assert held.returncode == 5
    request = json.loads(held.stdout)["request_id"]
    status = json.loads(wingman(project, "status", "--json").stdout)
    assert [rule["reason"] for rule in status["rules"]] == ["a look"]
    shown = wingman(project, "request", "show", request)
    assert "agent:executor is held by bob: a look" in shown.stdout
    assert "waits_at       executor\n" in shown.stdout
    tree = wingman(project, "request", "show", request, "--tree")
    assert "held by: agent:executor is held by bob: a look" in tree.stderr
    other = wingman(project, "resume", "agent:exector", "--reason", "seen", "--as", "bob")
    assert other.returncode == 0
    assert "nothing held it; did you mean 'agent:executor'?" in other.stderr
    assert "still held: agent:executor is held by bob: a look" in other.stderr
    done = wingman(project, "resume", "agent:executor", "--reason", "seen", "--as", "bob")
    assert done.returncode == 0
    assert "nothing else is held" in done.stderr
    assert wingman(project, "request", "watch", request, "--timeout", "20").returncode == 0


@pytest.mark.parametrize("target", ["agent:exector", "flow:reqest", "tenant:dmeo", "event:ExecutionAproved"])
def test_what_is_not_there_is_not_held(project: Path, target: str) -> None:
    """A misspelt target is refused (3) with what was meant."""
    done = wingman(project, "pause", target, "--reason", "a look", "--as", "bob")
    assert done.returncode == 3, done.stderr
    assert "did you mean" in done.stderr
    assert json.loads(wingman(project, "status", "--json").stdout)["rules"] == []


def test_a_second_dev_is_refused(project: Path) -> None:
    """One `wingman dev` a project: the second says which process has it, and ends with 6."""
    done = wingman(project, "dev")
    assert done.returncode == 6
    assert "runs in this project already, as process " in done.stderr


def test_a_worker_in_another_terminal_joins_what_dev_runs(project: Path) -> None:
    """`wingman worker` attaches to the running server; Ctrl-C ends that one, and dev goes on."""

    def workers() -> int:
        return len(json.loads(wingman(project, "status", "--json").stdout)["workers"])

    def becomes(count: int) -> bool:
        deadline = time.monotonic() + WAIT
        while (now := workers()) != count and time.monotonic() < deadline:
            time.sleep(0.1)
        return now == count

    before = workers()
    joined = subprocess.Popen(
        [sys.executable, "-m", "wingman_runtime", "worker"],
        cwd=project, env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, process_group=0,
    )  # fmt: skip
    try:
        assert becomes(before + 1)
        joined.send_signal(signal.SIGINT)
        assert joined.wait(WAIT) == 0
        assert becomes(before)
    finally:
        joined.kill()
        joined.wait(WAIT)
    assert greet(project, "joined", "still here", "--wait", "20").returncode == 0


def test_a_parameter_no_step_uses_is_told(project: Path) -> None:
    """A misspelt parameter is named with what was meant."""
    done = wingman(project, "submit", "greeting.send", "-p", "to=x", "-p", "txet=hello", "--as", "alice")
    assert "no step of the plan greeting.send uses txet; did you mean 'text'?" in done.stderr


def test_who_paused_is_in_the_trail_and_told_live(project: Path) -> None:
    """A record of an operator's act says what, on what, by whom and why, in the trail and in `dev`."""
    wingman(project, "pause", "flow:request", "--reason", "a breath", "--as", "bob")
    wingman(project, "resume", "flow:request", "--reason", "go on", "--as", "bob")
    told = "pause flow:request by bob: a breath"
    deadline = time.monotonic() + WAIT
    while told not in wingman(project, "audit", "query", "--kind", "control").stdout:
        assert time.monotonic() < deadline
    assert told in (project / "dev.log").read_text()


def test_files_that_changed_after_the_start_are_told(project: Path) -> None:
    """Workers run what they read at their start: status, submit and config check say when that is old."""
    told = "files changed since the workers started"
    assert told not in wingman(project, "status").stderr
    tool = project / "tools" / "greeting.py"
    before = tool.read_text()
    tool.write_text(before + "# a change\n")
    try:
        assert told in wingman(project, "status").stderr
        assert told in wingman(project, "config", "check").stderr
        assert told in greet(project, "changed", "hello").stderr
    finally:
        tool.write_text(before)
    assert told not in wingman(project, "config", "check").stderr


def test_doctor_sees_the_running_server_and_its_workers(project: Path) -> None:
    """Version, durability and workers of what runs."""
    done = wingman(project, "doctor", "--json")
    states = {row["check"]: row["state"] for row in json.loads(done.stdout)}
    assert states["server"] == states["durability"] == states["workers"] == "ok"
    assert done.returncode == 0


def test_doctor_tells_a_supervisor_whether_work_gets_on(project: Path) -> None:
    """The worker of this machine and the recorder are alive while `dev` runs."""
    for what in ("worker", "recorder"):
        done = wingman(project, "doctor", "--live", what)
        assert (done.returncode, done.stdout) == (0, ""), done.stderr


def test_the_test_that_init_writes_passes(tmp_path: Path) -> None:
    """A fresh project's own pytest is green, and leaves nothing beside its caches."""
    init_project(tmp_path / "fresh")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"],
        cwd=tmp_path / "fresh", env=environment(), capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    assert "5 passed" in done.stdout
    assert not (tmp_path / "fresh" / ".wingman").exists()


def test_the_demo_shows_every_outcome(tmp_path: Path) -> None:
    """One command: twelve scenes, each as it should be, and the trail verified."""
    done = wingman(tmp_path, "demo", "--folder", "demo", "--json")
    rows = json.loads(done.stdout)
    assert done.returncode == 0, [row for row in rows if row["expected"] != row["found"]]
    found = {row["found"] for row in rows}
    assert len(rows) == 12
    for row in rows:
        for trail in (detail for detail in row["details"] if detail.startswith("trail: ")):
            assert int(trail.split()[1]) == trail.count("→") + 1, trail
    opened = next(row for row in rows if row["scenario"] == "a ticket is opened over HTTP")
    assert sum(detail.startswith("at the desk: ") for detail in opened["details"]) == 2
    assert found >= {"completed", "rejected", "denied", "blocked", "failed", "expired", "verified"}
    assert (tmp_path / "demo" / "workspace" / "notes" / "hello.md").is_file()
