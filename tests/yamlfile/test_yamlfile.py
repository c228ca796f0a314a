"""The YAML reader: what it accepts, what it refuses, and that each refusal names file and line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, ConfigDict, Field

from wingman_runtime.errors import ConfigError, FlowError
from wingman_runtime.yamlfile import Located, load_yaml, parse_yaml, validate


def parsed(text: str) -> Located:
    return parse_yaml(text.encode(), "x.yaml")


def refusal(text: str | bytes) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        parse_yaml(text if isinstance(text, bytes) else text.encode(), "x.yaml")
    return caught.value


class Inner(BaseModel):
    model_config = ConfigDict(extra="forbid")
    depth: int = Field(gt=0)
    names: tuple[str, ...] = ()


class Outer(BaseModel):
    model_config = ConfigDict(extra="forbid")
    name: str
    limits: Inner
    more: dict[str, Inner] = {}


def test_values_are_yaml_1_2_and_plain() -> None:
    """``no`` and ``on`` are text, a date stays as written, numbers and null are themselves."""
    data = parsed("a: no\nb: on\nc: true\nd: 2026-01-02\ne: 0o17\nf: 1.5\ng: ~\nh: [1, x]\ni: 1.0.0\n").data
    assert data == {
        "a": "no",
        "b": "on",
        "c": True,
        "d": "2026-01-02",
        "e": 15,
        "f": 1.5,
        "g": None,
        "h": [1, "x"],
        "i": "1.0.0",
    }
    assert type(data) is dict
    assert {type(value) for value in data.values()} == {str, bool, int, float, type(None), list}


def test_every_part_knows_its_line() -> None:
    """Keys and items carry their own line; a part the file lacks has the line of what would hold it."""
    located = parsed("# head\na:\n  b:\n    - one\n    - two\nc: 1\n")
    assert located.line("a", "b", 1) == 5
    assert located.line("a", "missing") == 2
    assert located.where("c") == "x.yaml:6"
    assert located.at("a").where("b", 0) == "x.yaml:4"
    assert located.at("a").data == {"b": ["one", "two"]}


def test_a_key_written_twice_is_refused_with_both_lines() -> None:
    """The second of two equal keys never wins silently, at any depth."""
    error = refusal("a:\n  x: 1\n  y: 2\n  x: 3\n")
    assert error.where == "x.yaml:4"
    assert "x.yaml:2 and x.yaml:4" in error.message


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ("", 1, "empty"),
        ("# only a comment\n", 1, "empty"),
        ("a: 1\n\tb: 2\n", 2, "not valid YAML"),
        ("a: [1, 2\nb: 3\n", 2, "not valid YAML"),
        ("a: 1\n---\nb: 2\n", 2, "single document"),
        ("a: 1\n1: x\n", 2, "not text"),
        ("a: 1\n? [x]\n: 2\n", 2, "must be text"),
        ("a: &x {b: 1}\nc:\n  <<: *x\n", 3, "merge"),
        ("a: 1\nb: !!python/name:os.system x\n", 2, "tag"),
        ("a: !!set {x}\n", 1, "tag"),
        ("a: &x [*x]\n", 1, "not valid YAML|too large"),
        ("a: 1\nb: *nobody\n", 2, "not valid YAML"),
        ("a: 1\nb: \x07\n", 2, "not valid YAML"),
        ("a: " + "[" * 3000, 1, "not valid YAML|nested"),
    ],
)
def test_what_cannot_be_read_is_refused_at_its_line(text: str, line: int, says: str) -> None:
    """Each kind of broken or misleading YAML is a ConfigError at its line."""
    error = refusal(text)
    assert error.where == f"x.yaml:{line}"
    assert any(part in error.message for part in says.split("|")), error.message
    assert error.hint


def test_a_tab_is_named() -> None:
    """A tab in the indentation gets the hint that helps."""
    assert "tabs" in (refusal("a:\n\tb: 2\n").hint or "")


def test_bytes_that_are_not_utf8_are_refused_at_their_line() -> None:
    """Latin-1 text is refused, not guessed at."""
    error = refusal(b"a: 1\nb: caf\xe9\n")
    assert error.where == "x.yaml:2"
    assert "UTF-8" in error.message


def test_a_page_of_aliases_is_refused() -> None:
    """Aliases that expand to billions of values end in an error, not in memory."""
    rows = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    rows += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]
    assert "too large" in refusal("\n".join(rows)).message


def test_a_missing_file_is_the_class_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The caller's own error class is raised, and the path is shown relative to where one stands."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FlowError) as caught:
        load_yaml(tmp_path / "flow.yaml", error=FlowError)
    assert caught.value.where == "flow.yaml"
    with pytest.raises(ConfigError, match="cannot be read"):
        load_yaml(tmp_path)


def test_a_valid_document_becomes_its_model(tmp_path: Path) -> None:
    """Reading and validating a good file gives the model."""
    path = tmp_path / "good.yaml"
    path.write_text("name: x\nlimits: {depth: 3, names: [a]}\n")
    assert validate(Outer, load_yaml(path)) == Outer(name="x", limits=Inner(depth=3, names=("a",)))


@pytest.mark.parametrize(
    ("text", "where", "says", "hint"),
    [
        ("name: x\n\nlimits:\n  depth: 0\n", 4, "limits.depth: must be more than 0, not 0", None),
        ("name: x\n\nlimits:\n  names: []\n", 3, "limits.depth: is missing", "add the key 'depth'"),
        ("name: x\nlimits: {depth: 1}\nmroe: {}\n", 3, "mroe: ", "did you mean 'more'?"),
        ("name: x\nlimits: {depth: 1}\nzzzzzz: {}\n", 3, "zzzzzz: ", "known keys: name, limits, more"),
        (
            "name: x\nlimits:\n  depth: 1\n  names:\n  - a\n  - 7\n",
            6,
            "limits.names[1]: text is expected, not the number 7",
            'put it in quotes: "7"',
        ),
        ("name: x\nlimits: {depth: 1}\nmore:\n  k:\n    depth: -1\n", 5, "more.k.depth: ", None),
        ("limits: {depth: 1}\n", 1, "name: is missing", "add the key 'name'"),
        ("- a\n", 1, "", None),
    ],
)
def test_what_does_not_fit_is_named_with_its_line(text: str, where: int, says: str, hint: Any) -> None:
    """A problem has the line of its key, a missing key the line of the mapping that lacks it."""
    with pytest.raises(ConfigError) as caught:
        validate(Outer, parsed(text))
    assert caught.value.where == f"x.yaml:{where}"
    assert caught.value.message.startswith(says)
    assert caught.value.hint == hint


def test_all_problems_are_named_in_the_order_of_the_file() -> None:
    """The first problem heads the message, with their count; the others follow with their own lines."""
    with pytest.raises(FlowError) as caught:
        validate(Outer, parsed("bad: 1\nname: 3\nlimits:\n  depth: x\n"), error=FlowError)
    error = caught.value
    assert error.where == "x.yaml:1"
    assert "1 of 3 problems" in error.message
    assert "also x.yaml:2: name: " in error.message
    assert "also x.yaml:4: limits.depth: " in error.message
