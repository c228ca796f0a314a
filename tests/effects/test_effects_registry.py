"""Declaring tools: what is found, what the schema accepts, and what is refused at file:line."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from wingman_runtime.contracts.ports import Tools
from wingman_runtime.contracts.work import Risk
from wingman_runtime.effects.registry import ToolRegistry
from wingman_runtime.errors import ContractError, NotFoundError, ToolDeclarationError

HEAD = """from __future__ import annotations
from typing import Annotated, Literal
from pydantic import Field
from wingman_runtime.sdk import Result, ToolContext, tool

"""


def load(folder: Path, text: str, *, name: str = "mine.py", shipped: bool = False) -> ToolRegistry:
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(HEAD + text)
    return ToolRegistry.load([folder], shipped=shipped)


GREET = '''
@tool("greet.say", risk="medium", timeout=5, compensation="greet.unsay", resource="greeting:{name}")
def say(name: Annotated[str, Field(min_length=1)], context: ToolContext, times: int = 1,
        mood: Literal["calm", "loud"] = "calm", json: list[float] | None = None) -> Result:
    """Write a greeting.

    More about it.
    """

@tool("greet.unsay", purpose="Take it back.", idempotent=True, undo_only=True)
async def unsay(name: str) -> None: ...
'''


def test_a_tool_is_known_by_its_signature(tmp_path: Path) -> None:
    """Name, purpose, risk and schema come from the declaration; nothing is run or registered for it."""
    registry: Tools = load(tmp_path / "tools", GREET)
    assert registry.names() == ("greet.say", "greet.unsay")
    info = registry.info("greet.say")
    assert (info.purpose, info.risk, info.timeout) == ("Write a greeting.", Risk.MEDIUM, 5.0)
    assert (info.idempotent, info.compensation) == (False, "greet.unsay")
    assert set(info.schema["properties"]) == {"name", "times", "mood", "json"}
    assert info.schema["required"] == ["name"]
    assert registry.resource("greet.say", {"name": "Ada"}) == "greeting:Ada"


def test_arguments_are_normalised(tmp_path: Path) -> None:
    """Defaults are filled in, so an approval binds to all that a call will get."""
    registry = load(tmp_path / "tools", GREET)
    assert registry.validate("greet.say", {"name": "Ada", "json": [1, 2.5]}) == {
        "name": "Ada",
        "times": 1,
        "mood": "calm",
        "json": [1.0, 2.5],
    }


@pytest.mark.parametrize(
    ("args", "where"),
    [
        ({}, "name"),
        ({"name": ""}, "name"),
        ({"name": "a", "times": "1"}, "times"),
        ({"name": "a", "times": True}, "times"),
        ({"name": "a", "mood": "sad"}, "mood"),
        ({"name": "a", "more": 1}, "more"),
        ({"name": "a", "context": {}}, "context"),
        ({"name": "a", "json": [float("inf")]}, "$.json[0]"),
        ({"name": "a", "times": 2**80}, "$.times"),
    ],
)
def test_arguments_that_do_not_fit_are_refused_at_their_path(
    tmp_path: Path, args: dict[str, Any], where: str
) -> None:
    """Text is no number, nothing extra is taken, the runtime's own parameter cannot be given."""
    with pytest.raises(ContractError) as caught:
        load(tmp_path / "tools", GREET).validate("greet.say", args)
    assert caught.value.where is not None
    assert caught.value.where.startswith(where)


def test_a_plan_cannot_call_what_only_undoes(tmp_path: Path) -> None:
    """An undo-only tool is known, and refused as a step."""
    with pytest.raises(ContractError, match="only undoes"):
        load(tmp_path / "tools", GREET).validate("greet.unsay", {"name": "a"})


def test_an_unknown_tool_is_named_with_what_there_is(tmp_path: Path) -> None:
    """The error lists the declared tools."""
    with pytest.raises(NotFoundError, match=r"greet\.say"):
        load(tmp_path / "tools", GREET).info("greet.shout")


OK = "purpose='p', irreversible=True"


@pytest.mark.parametrize(
    ("declaration", "message", "hint"),
    [
        (f"1, {OK}", "name cannot be the number 1", '"note.write"'),
        ("'a.b', purpose=None, irreversible=True", "purpose cannot be nothing", 'purpose="write a note"'),
        (f"'a.b', {OK}, timeout='10s'", "timeout cannot be '10s'", "timeout=30"),
        (f"'a.b', {OK}, timeout=True", "timeout cannot be true", "timeout=30"),
        ("'a.b', purpose='p', compensation=['a.c']", "compensation cannot be a list", "compensation="),
        ("'a.b', purpose='p', irreversible='yes'", "irreversible cannot be 'yes'", "irreversible=True"),
        (f"'a.b', {OK}, undo_only=1", "undo_only cannot be the number 1", "undo_only=True"),
        (f"'a.b', {OK}, idempotent='no'", "idempotent cannot be 'no'", "idempotent=True"),
        (f"'a.b', {OK}, resource=7", "resource cannot be the number 7", 'resource="file:{path}"'),
    ],
)
def test_a_declaration_of_the_wrong_type_says_how_it_is_written(
    tmp_path: Path, declaration: str, message: str, hint: str
) -> None:
    """Each part of a declaration, at its line, with an example of a right value; nothing crashes."""
    with pytest.raises(ToolDeclarationError) as caught:
        load(tmp_path / "tools", f"@tool({declaration})\ndef f() -> None: ...")
    assert message in caught.value.message
    assert hint in (caught.value.hint or "")
    assert (caught.value.where or "").endswith(f"mine.py:{HEAD.count(chr(10)) + 1}")


@pytest.mark.parametrize(
    ("declaration", "message"),
    [
        (f"@tool('bad', {OK})\ndef f() -> None: ...", "is no tool name"),
        ("@tool('a.b', irreversible=True)\ndef f() -> None: ...", "has no purpose"),
        ("@tool('a.b', purpose='p')\ndef f() -> None: ...", "does not say how it is undone"),
        (f"@tool('a.b', {OK}, compensation='a.c')\ndef f() -> None: ...", "says it has none"),
        ("@tool('a.b', purpose='p', compensation='a.c')\ndef f() -> None: ...", "'a.c' is no tool"),
        (f"@tool('a.b', {OK})\ndef f(x) -> None: ...", "'x' has no type"),
        (f"@tool('a.b', {OK})\ndef f(*x: int) -> None: ...", "takes *x"),
        (f"@tool('a.b', {OK})\ndef f(x: int, /) -> None: ...", "positional only"),
        (f"@tool('a.b', {OK})\ndef f(x: Missing) -> None: ...", "cannot be resolved"),
        (f"@tool('a.b', {OK})\ndef f(x: object()) -> None: ...", "no JSON schema"),
        (f"class C: ...\n@tool('a.b', {OK})\ndef f(x: C) -> None: ...", "no JSON schema"),
        (f"@tool('a.b', {OK}, risk='huge')\ndef f() -> None: ...", "risk 'huge'"),
        (f"@tool('a.b', {OK}, timeout=601)\ndef f() -> None: ...", "timeout 601"),
        (f"@tool('a.b', {OK}, resource='x:{{y}}')\ndef f() -> None: ...", "names 'y'"),
        (f"@tool('a.b', {OK}, resource='x:{{y.z}}')\ndef f(y: str) -> None: ...", "names 'y.z'"),
        (f"@tool('a.b', {OK}, resource='x:{{')\ndef f() -> None: ...", "resource"),
        (
            f"@tool('a.b', {OK})\ndef f() -> None: ...\n@tool('a.b', {OK})\ndef g() -> None: ...",
            "declared twice",
        ),
        (
            f"@tool('a.c', {OK})\ndef f() -> None: ...\n"
            "@tool('a.b', purpose='p', compensation='a.c')\ndef g() -> None: ...",
            "is not idempotent",
        ),
        ("def f(:", "invalid syntax"),
        ("raise ValueError('at import')", "ValueError: at import"),
        ("import nowhere_to_be_found", "ModuleNotFoundError"),
    ],
)
def test_a_mistake_is_reported_with_file_and_line(tmp_path: Path, declaration: str, message: str) -> None:
    """Nothing half-declared is ever loaded; the error says where to look."""
    with pytest.raises(ToolDeclarationError) as caught:
        load(tmp_path / "tools", declaration)
    assert message in caught.value.message
    file, _, line = (caught.value.where or "").rpartition(":")
    assert file == str(tmp_path / "tools" / "mine.py")
    # Line 0-based in the text: the line named is one of the declaration's.
    assert 0 < int(line) - HEAD.count("\n") <= declaration.count("\n") + 1


def test_several_mistakes_are_counted(tmp_path: Path) -> None:
    """The first is shown; that there are more is said."""
    with pytest.raises(ToolDeclarationError, match=r"\(and 1 more\)"):
        load(
            tmp_path / "tools",
            "@tool('a.b', purpose='p')\ndef f() -> None: ...\n"
            "@tool('a.c', purpose='p')\ndef g() -> None: ...",
        )


def test_a_shipped_tool_cannot_be_shadowed(tmp_path: Path) -> None:
    """A project's file.write would take the place of a governed one."""
    with pytest.raises(ToolDeclarationError, match="declared twice"):
        load(tmp_path / "tools", f"@tool('file.write', {OK})\ndef f() -> None: ...", shipped=True)


def test_modules_share_code_and_are_mounted_privately(tmp_path: Path) -> None:
    """`_common.py` serves the others by relative import, declares nothing, and no top-level name appears."""
    folder = tmp_path / "tools"
    folder.mkdir()
    (folder / "_common.py").write_text(HEAD + f"PREFIX = 'x'\n@tool('not.found', {OK})\ndef f() -> None: ...")
    text = f"from ._common import PREFIX, f\n@tool('my.tool', {OK})\ndef g() -> str: ...\nalias = g\n"
    registry = load(folder, text)
    assert registry.names() == ("my.tool",)
    assert "mine" not in sys.modules
    assert "tools" not in sys.modules


def test_a_changed_file_is_seen_by_the_next_load(tmp_path: Path) -> None:
    """Two loads share no module."""
    folder = tmp_path / "tools"
    first = load(folder, f"@tool('my.tool', {OK})\ndef g() -> None: ...")
    second = load(folder, f"@tool('my.other', {OK})\ndef g() -> None: ...")
    assert (first.names(), second.names()) == (("my.tool",), ("my.other",))


def test_a_project_without_tools_has_the_shipped_ones(tmp_path: Path) -> None:
    """A missing folder is no error."""
    names = ToolRegistry.load([tmp_path / "tools"]).names()
    files = ("file.append", "file.delete", "file.restore", "file.write")
    assert names == ("effect.settle", *files, "http.call", "http.get", "http.send", "http.undo")
