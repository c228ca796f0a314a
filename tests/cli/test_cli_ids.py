"""Ids as a person types them: whole, by their end, or `latest`."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from tests.bad_input.bad_input_bench import SUBMIT, Bench
from tests.ledger.ledger_fakes import event_body
from wingman_runtime.cli.app import run
from wingman_runtime.cli.ids import chosen
from wingman_runtime.errors import NotFoundError, UsageError
from wingman_runtime.ledger.record import Draft
from wingman_runtime.ledger.store import AuditStore
from wingman_runtime.project.init import init_project
from wingman_runtime.project.load import Project
from wingman_runtime.redisio.embedded import EmbeddedServer

OLD, NEW = "req_p0_" + "0" * 26 + "1abcde", "req_p3_" + "0" * 25 + "22abcde"


def test_an_end_that_fits_one_id_is_that_id() -> None:
    """Six characters are enough; so is more, up to the whole id; `latest` is the first known."""
    for said in ("1abcde", "01abcde", OLD):
        assert chosen(said, [NEW, OLD], "request", "look") == OLD
    assert chosen("latest", [NEW, OLD], "request", "look") == NEW


def test_an_end_that_fits_several_lists_some_of_them() -> None:
    """It is a wrong call that names candidates, five at most, and how many there are besides."""
    known = [f"req_p0_{number:026x}abcdef" for number in range(8)]
    with pytest.raises(UsageError) as caught:
        chosen("abcdef", known, "request", "look")
    assert caught.value.message == "8 requests have an id that ends so"
    assert caught.value.hint == f"one of {', '.join(known[:5])} and 3 more"


@pytest.mark.parametrize(
    ("said", "kind", "told"),
    [
        ("abcde", UsageError, "too short"),
        ("", UsageError, "too short"),
        ("fedcba", NotFoundError, "no request has this id"),
        ("latest", NotFoundError, "no request yet"),
    ],
)
def test_what_means_no_id_says_so(said: str, kind: type[Exception], told: str) -> None:
    """Too short is a wrong call; what fits nothing is not found."""
    with pytest.raises(kind, match=told):
        chosen(said, [] if said == "latest" else [OLD], "request", "look")


def ask(bench: Bench, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        bench.command(*words), cwd=bench.root, env=bench.environment(),
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


def test_every_command_that_takes_a_request_takes_its_end(
    tmp_path: Path, valkey_url: str, valkey: EmbeddedServer
) -> None:
    """show, watch, cancel, approval list, status, pause and resume; not found is 3, too short 2."""
    init_project(tmp_path / "fresh")
    bench = Bench(tmp_path / "fresh")
    bench.serve(valkey)
    first, second = (ask(bench, *SUBMIT).stdout.strip() for _ in range(2))
    end = first[-8:]
    for words, request in (
        (["request", "show", end], first),
        (["request", "show", "latest"], second),
        (["status", f"request:{end}"], first),
        (["pause", f"request:{end}", "--reason", "a look", "--as", "bob"], first),
        (["resume", "request:latest", "--reason", "seen", "--as", "bob"], second),
        (["request", "cancel", end, "--reason", "wrong", "--as", "alice"], first),
    ):
        done = ask(bench, *words)
        assert done.returncode == 0, done.stderr
        assert request in done.stdout + done.stderr, words
    assert ask(bench, "approval", "list", "--request", "latest").returncode == 0
    pending = ask(bench, "request", "watch", "latest", "--timeout", "0.5")
    assert (pending.returncode, second in pending.stderr) == (5, True)
    for said, code in (("zzzzzzzz", 3), ("req_p0_" + "0" * 32, 3), ("zz", 2)):
        for words in (["show", said], ["watch", said], ["cancel", said, "--reason", "x"]):
            done = ask(bench, "request", *words)
            assert done.returncode == code, (words, done.stderr)
    for words in (["show", "zzzzzzzz"], ["approve", "latest"], ["deny", "zzzzzzzz", "--reason", "x"]):
        assert ask(bench, "approval", *words).returncode == 3


@pytest.fixture
def trail(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project, the working directory, whose audit store has two requests; no server runs."""
    for name in ("WINGMAN_PROJECT", "WINGMAN_REDIS_URL"):
        monkeypatch.delenv(name, raising=False)
    init_project(tmp_path / "fresh")
    monkeypatch.chdir(tmp_path / "fresh")
    store = Project.find(tmp_path / "fresh").settings.audit_store
    store.parent.mkdir(parents=True, exist_ok=True)
    body = event_body("evt_1", "UserRequestReceived", "dispatcher", actor="alice")
    with AuditStore(store) as audit:
        drafts = [
            Draft(part, 1, 1, 1_000, "event", request, body, 2) for part, request in ((0, OLD), (3, NEW))
        ]
        audit.submit(drafts).result(10)
    return store


@pytest.mark.parametrize(
    ("said", "request_id"), [(OLD, OLD), (OLD[-7:], OLD), (NEW[-7:], NEW), ("latest", NEW)]
)
def test_the_audit_commands_take_the_end_too(
    trail: Path, said: str, request_id: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """query, tail, export and the tree find the request in the store alone, across partitions."""
    for words in (["audit", "query", "--request"], ["audit", "tail", "--request"]):
        assert run([*words, said, "--json"]) == 0
        assert json.loads(capsys.readouterr().out)["request"] == request_id
    assert run(["audit", "export", "--request", said]) == 0
    assert json.loads(capsys.readouterr().out)["request_id"] == request_id
    assert run(["request", "show", said, "--tree", "--json"]) == 0
    assert request_id in capsys.readouterr().out


def test_an_end_in_the_trail_that_fits_none(trail: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing is shown, the exit code is 3."""
    assert run(["audit", "query", "--request", "fedcba"]) == 3
    assert capsys.readouterr().out == ""
