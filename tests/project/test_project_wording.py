"""What people get wrong in manifests and flows, told in plain words with an example of a right value."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from wingman_runtime.contracts import wording
from wingman_runtime.contracts.manifest import Manifest, RetryPolicy
from wingman_runtime.errors import ConfigError
from wingman_runtime.flow.load import load_flow
from wingman_runtime.flow.model import Flow, Limits
from wingman_runtime.project.init import init_project
from wingman_runtime.project.load import Project
from wingman_runtime.yamlfile import parse_yaml, validate

MANIFEST = "agents/word_count/manifest.yaml"
RAW = ("Input should", "String should", "Tuple should", "Dictionary should", "Field required", "Extra inputs",
       "valid string", "after validation", "unable to", "instance of")  # fmt: skip
WRONG = ("[]", "{}", "1", "1.5", "true", "null", '""', '"?? no"', "[1]", "{a: 1}", "-5")
SECONDS = "write it like `timeout: 30`"
MODELS: tuple[type[BaseModel], ...] = (Manifest, RetryPolicy, Flow, Limits)


@pytest.fixture
def fresh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project as `wingman init` writes it, which is the working directory."""
    init_project(tmp_path / "fresh")
    monkeypatch.chdir(tmp_path / "fresh")
    return tmp_path / "fresh"


def keys_of(model: type[BaseModel]) -> list[str]:
    return [field.alias or name for name, field in model.model_fields.items()]


def with_key(text: str, key: str, value: str) -> str:
    """The file with one of its top keys given another value."""
    kept: list[str] = []
    inside = False
    for line in text.splitlines():
        inside = line.startswith(f"{key}:") or (inside and line[:1] in (" ", ""))
        kept += [] if inside else [line]
    return "\n".join([*kept, f"{key}: {value}", ""])


def told(model: type[BaseModel], text: str) -> ConfigError | None:
    try:
        validate(model, parse_yaml(text.encode(), "x.yaml"))
    except ConfigError as error:
        return error
    return None


@pytest.mark.parametrize("key", keys_of(Manifest))
def test_no_key_of_a_manifest_answers_in_the_librarys_words(fresh: Path, key: str) -> None:
    """Every wrong type and value is refused in plain words, at its line, with a hint."""
    text = (fresh / MANIFEST).read_text()
    refused = 0
    for value in WRONG:
        error = told(Manifest, with_key(text, key, value))
        if error is not None:
            refused += 1
            assert error.hint, (key, value, error.message)
            assert not any(words in str(error) for words in RAW), str(error)
    assert refused >= 5


@pytest.mark.parametrize("key", keys_of(Flow))
def test_no_key_of_a_flow_answers_in_the_librarys_words(fresh: Path, key: str) -> None:
    """The same for flows."""
    path = fresh / "config/flows/request.yaml"
    text = path.read_text()
    errors = []
    for value in WRONG:
        path.write_text(with_key(text, key, value))
        try:
            load_flow(path)
        except ConfigError as error:
            errors.append(error)
    assert len(errors) >= 5
    for one in errors:
        assert one.hint, one.message
        assert not any(words in str(one) for words in RAW), str(one)


@pytest.mark.parametrize("model", MODELS)
def test_an_example_is_a_right_value(model: type[BaseModel]) -> None:
    """What a hint shows as right is taken: by itself, as YAML."""
    for key in keys_of(model):
        shown = wording.example(model, (key,))
        if not shown:
            assert (model, key) == (Flow, "joins"), key  # its hint is the flow's own
            continue
        error = told(model, shown + "\n")
        assert error is None or f"{key}:" not in error.message, error


@pytest.mark.parametrize(
    ("key", "value", "says", "hint"),
    [
        ("version", "one", "version: 'one' is not of the right form", "write it like `version: 1.0.0`"),
        ("version", "1.0", "version: text is expected, not the number 1.0", "write it like `version: 1.0.0`"),
        ("timeout", "10s", "timeout: a number of seconds is expected, not '10s'", SECONDS),
        ("timeout", "true", "timeout: a number of seconds is expected, not true", SECONDS),
        ("timeout", "0", "timeout: must be more than 0", SECONDS),
        ("timeout", "-5", "timeout: must be more than 0", SECONDS),
        ("consumes", "Verified", "consumes: a list is expected, not 'Verified'",
         "write a list: `consumes: [Verified]`"),
        ("retry", "{attempts: 0}", "retry.attempts: must be at least 1, not 0",
         "write it like `attempts: 5`"),
        ("retry", "{atempts: 3}", "retry.atempts: is not known here", "did you mean 'attempts'?"),
        ("purpose", "", "purpose: text is expected; nothing is there",
         "write it like `purpose: count the words of a request, for the record`"),
        ("tools", "[1]", "tools[0]: text is expected, not the number 1",
         "write it like `tools: [file.write]`"),
    ],
)  # fmt: skip
def test_a_wrong_manifest_is_told_at_its_line(
    fresh: Path, key: str, value: str, says: str, hint: str
) -> None:
    """`wingman config check` names the line, what is there and how a right value looks."""
    path = fresh / MANIFEST
    path.write_text(with_key(path.read_text(), key, value))
    line = path.read_text().count("\n")
    (finding,) = Project.check_at(fresh)
    assert str(finding) == f"{MANIFEST}:{line}: {says} [agent/manifest]\n  → {hint}"


def test_an_agents_own_code_has_a_tag_of_its_own(fresh: Path) -> None:
    """A mistake in the Python is told at the Python file's line, and not as the manifest's."""
    path = fresh / "agents/word_count/agent.py"
    text = path.read_text()
    line = text[: text.index("def handle")].count("\n") + 1
    for old, new, at in (
        ("def handle(", "def handel(", line),
        ("(event: Event[PermissionsVerified])", "(event: Event[PermissionsVerified], clock: int)", line),
        ("import Emit,", "import Emitt,", text[: text.index("import Emit,")].count("\n") + 1),
        ("Event[PermissionsVerified]", "Event[AuditStamped]", line),
    ):
        path.write_text(text.replace(old, new).replace("Event, Perm", "AuditStamped, Event, Perm"))
        (finding,) = Project.check_at(fresh)
        assert (finding.rule, finding.where) == ("agent/code", f"agents/word_count/agent.py:{at}"), finding
        assert finding.hint, finding


@pytest.mark.parametrize(
    ("given", "as_value", "as_kind"),
    [
        (True, "true", "a truth value"),
        (3, "the number 3", "a number"),
        ("ab", "'ab'", "text"),
        ("x" * 200, "text", "text"),
        ([1], "a list", "a list"),
        ({"a": 1}, "a mapping", "a mapping"),
        (None, "nothing", "nothing"),
    ],
)
def test_a_value_is_named_and_a_long_one_is_not_repeated(given: Any, as_value: str, as_kind: str) -> None:
    """A file's own value is shown when it is short; of what a request holds only its kind."""
    assert wording.value(given) == as_value
    assert wording.kind(given) == as_kind
