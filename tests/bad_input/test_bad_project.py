"""Files and settings of a project that are wrong: found before anything runs, with file and line."""

# ruff: noqa: E501 - texts as they are printed

from __future__ import annotations

import os

import pytest

from tests.bad_input.bad_input_bench import SUBMIT, Bench
from wingman_runtime.errors import ConfigError
from wingman_runtime.project.load import Project

FLOW = "config/flows/request.yaml"
MANIFEST = "agents/word_count/manifest.yaml"
GATE = "policies/40-handshake.cedar"


def test_a_config_that_is_not_utf_8(bench: Bench) -> None:
    """The byte and the line, whatever the command."""
    bench.append("config/wingman.yaml", b"# caf\xe9\n")
    line = (bench.root / "config/wingman.yaml").read_bytes().count(b"\n")
    told = f"config/wingman.yaml:{line}: byte 0xe9 is not UTF-8"
    for words in (("config", "show"), SUBMIT, ("worker",), ("status",)):
        bench.refused(*words, code=2, says=f"error: {told}\n  → save it as UTF-8\n")
    bench.found("config", "check", says=f"{told} [config/setting]\n  → save it as UTF-8\n")


def test_a_config_with_a_key_written_twice(bench: Bench) -> None:
    """Both lines: which of the two was meant only the writer knows."""
    bench.change("config/wingman.yaml", "name: fresh\n", "name: fresh\nname: other\n")
    bench.refused(
        "config", "show", code=2,
        says="""
        error: config/wingman.yaml:4: the key 'name' is written twice: config/wingman.yaml:3 and config/wingman.yaml:4
          → remove one of the two
        """,
    )  # fmt: skip


def test_a_config_with_an_unknown_key(bench: Bench) -> None:
    """The nearest setting; without one, what is known at that place."""
    bench.write("config/wingman.yaml", "name: fresh\nlimits: {step: 3}\nworker: {threads: 3}\n")
    bench.found(
        "config", "check",
        says="""
        config/wingman.yaml:2: unknown setting 'limits.step' [config/setting]
          → did you mean 'limits.steps'?
        config/wingman.yaml:3: unknown setting 'worker.threads' [config/setting]
          → remove it; known here: concurrency, batch, batch_bytes
        """,
    )  # fmt: skip


def test_a_config_with_a_wrong_value(bench: Bench) -> None:
    """The setting, what is wrong with its value, and how to see what it may be."""
    bench.write("config/wingman.yaml", "name: fresh\nlimits: {steps: many}\ntimes: {approval: .nan}\n")
    bench.found(
        "config", "check",
        says="""
        config/wingman.yaml:2: limits.steps: a whole number is expected [config/setting]
          → correct it; it sets: steps of a plan
        config/wingman.yaml:3: times.approval: must be more than 0 [config/setting]
          → correct it; it sets: until an open approval expires
        """,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("WINGMAN_REDIS_ULR", "did you mean 'WINGMAN_REDIS_URL'?"),
        ("WINGMAN_LIMITS__STEP", "did you mean 'WINGMAN_LIMITS__STEPS'?"),
        ("WINGMAN_FOO", "unset it; `env -u WINGMAN_FOO wingman config show` lists every setting"),
    ],
)
def test_an_unknown_variable(bench: Bench, name: str, hint: str) -> None:
    """A typo in the environment stops every command; silence would leave a limit off for a year."""
    text = f"error: environment: unknown environment variable {name}\n  → {hint}\n"
    for words in (("config", "show"), SUBMIT, ("worker",)):
        bench.refused(*words, code=2, says=text, **{name: "3"})


def test_a_policy_with_a_syntax_error(served: Bench) -> None:
    """File and line from every command that reads policies; what is in force stays in force."""
    served.append(GATE, "permit (principal, action, resource\n")
    line = (served.root / GATE).read_text().count("\n")
    told = f"{GATE}:{line}: not valid Cedar: unexpected end of input"
    hint = "correct the statement that stands on this line or ends just above it"
    apply = ("policy", "apply", "--reason", "new", "--as", "bob")
    for words in (("policy", "check"), ("policy", "test"), apply, ("worker",)):
        served.refused(*words, code=2, says=f"error: {told}\n  → {hint}\n")
    served.found("config", "check", says=f"{told} [policy/file]\n  → {hint}\n")


def test_a_policy_that_is_not_utf_8(served: Bench) -> None:
    """The same for a byte of another encoding."""
    served.append(GATE, b"// caf\xe9\n")
    line = (served.root / GATE).read_bytes().count(b"\n")
    told = f"{GATE}:{line}: not UTF-8"
    for words in (("policy", "check"), ("policy", "apply", "--reason", "new", "--as", "bob"), ("worker",)):
        served.refused(*words, code=2, says=f"error: {told}\n  → save it as UTF-8\n")
    served.found("config", "check", says=f"{told} [policy/file]\n  → save it as UTF-8\n")


def test_a_flow_with_a_cycle(served: Bench) -> None:
    """The line that closes it, the way round, and the line that would allow it."""
    served.change(
        MANIFEST, "consumes: [PermissionsVerified]", "consumes: [PermissionsVerified, WordsCounted]"
    )
    served.change(FLOW, "  WordsCounted: []  ", "  WordsCounted: word_count  ")
    told = f"{FLOW}:17: WordsCounted closes a circle: word_count → word_count"
    hint = "break it, or declare it: cycles: [[word_count]]"
    for words in (("flow", "check"), ("config", "check")):
        served.found(*words, says=f"{told} [flow/undeclared-cycle]\n  → {hint}\n")
    served.refused("worker", code=2, says=f"error: {told}\n  → {hint}\n")


def test_a_flow_with_an_orphan_event(served: Bench) -> None:
    """An event that is sent and has no route."""
    served.change(FLOW, "  VoteRefused: []\n", "")
    told = f"{FLOW}:19: handshake sends VoteRefused, and no route says where it goes"
    hint = "add VoteRefused: []"
    served.found("flow", "check", says=f"{told} [flow/orphan-event]\n  → {hint}\n")
    served.refused("worker", code=2, says=f"error: {told}\n  → {hint}\n")


def test_a_flow_with_an_orphan_route_and_agent(served: Bench) -> None:
    """A route for what nobody sends any more, and an agent no event reaches."""
    served.change(FLOW, "[proposal, word_count]", "proposal")
    told = f"{FLOW}:17: WordsCounted is routed, but word_count, which sends it, gets no event in this flow"
    hint = "write `PermissionsVerified: [proposal, word_count]`, so that word_count has its part"
    served.found("flow", "check", says=f"{told} [flow/orphan-route]\n  → {hint}\n")
    served.refused("worker", code=2, says=f"error: {told}\n  → {hint}\n")


def test_a_tool_without_its_compensation(served: Bench) -> None:
    """A tool says how it is undone, or that it cannot be."""
    served.change("tools/notice.py", '    compensation="notice.take_down",\n', "")
    told = "tools/notice.py:6: tool 'notice.post': does not say how it is undone"
    hint = "name a compensation=..., or say irreversible=True"
    served.found("config", "check", says=f"{told} [tool/declaration]\n  → {hint}\n")
    served.refused("worker", code=2, says=f"error: {told}\n  → {hint}\n")


def test_a_tool_whose_compensation_is_no_tool(served: Bench) -> None:
    """A compensation nobody wrote."""
    served.change("tools/notice.py", 'compensation="notice.take_down"', 'compensation="notice.take_dwon"')
    told = "tools/notice.py:6: tool 'notice.post': compensation 'notice.take_dwon' is no tool"
    hint = "did you mean 'notice.take_down'?"
    served.found("config", "check", says=f"{told} [tool/declaration]\n  → {hint}\n")


@pytest.mark.parametrize(
    ("key", "such"),
    [
        ("purpose", "count the words of a request, for the record"),
        ("audit", "[the number of words]"),
        ("refusals", "[RequestRejected]"),
    ],
)
def test_an_agent_with_a_missing_declaration(served: Bench, key: str, such: str) -> None:
    """Each thing an agent has to declare; what follows from its absence is not told as well."""
    text = (served.root / MANIFEST).read_text()
    served.write(MANIFEST, "".join(line for line in text.splitlines(True) if not line.startswith(f"{key}:")))
    told, hint = f"{MANIFEST}:2: {key}: is missing", f"add the key {key!r}, as in `{key}: {such}`"
    served.found("config", "check", says=f"{told} [agent/manifest]\n  → {hint}\n")
    served.refused("worker", code=2, says=f"error: {told}\n  → {hint}\n")


def test_an_agent_with_a_key_written_twice(served: Bench) -> None:
    """Both lines, in any YAML file of a project."""
    served.append(MANIFEST, "owner: somebody else\n")
    told = f"{MANIFEST}:14: the key 'owner' is written twice: {MANIFEST}:5 and {MANIFEST}:14"
    served.found("config", "check", says=f"{told} [agent/manifest]\n  → remove one of the two\n")


def test_a_file_where_a_folder_belongs(served: Bench) -> None:
    """Found before a request finds it."""
    (served.root / "workspace").write_text("")
    (served.root / ".wingman" / "audit.db").mkdir(parents=True)
    served.found(
        "config", "check",
        says="""
        config/wingman.yaml: workspace: workspace is no folder [config/setting]
          → move it away, or set workspace to another path
        config/wingman.yaml: audit_store: .wingman/audit.db is a folder [config/setting]
          → move it away, or set audit_store to another path
        """,
    )  # fmt: skip


def test_the_same_from_a_program(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """`Project.find` and `load` raise what the command line prints."""
    for name in [name for name in os.environ if name.startswith("WINGMAN_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(bench.root)
    bench.append(GATE, "permit (principal, action, resource\n")
    with pytest.raises(ConfigError, match=rf"{GATE}:\d+: not valid Cedar: .*\n  → correct the statement"):
        Project.find().load()
    monkeypatch.setenv("WINGMAN_FOO", "1")
    with pytest.raises(ConfigError, match="unknown environment variable WINGMAN_FOO\n  → unset it"):
        Project.find()
