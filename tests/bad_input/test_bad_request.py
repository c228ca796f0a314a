"""What a person may type wrong when handing in a request: nothing of it reaches the server."""

# ruff: noqa: E501 - texts as they are printed

from __future__ import annotations

import asyncio
import json
import math
from typing import Any

import pytest

from tests.bad_input.bad_input_bench import SUBMIT, Bench
from wingman_runtime.client import Client
from wingman_runtime.errors import ContractError
from wingman_runtime.project.load import Project

TYPED = "quote it for the shell, or put it into a file and give @FILE"
STEP = 'a step is {"tool": "note.write", "args": {…}}'


@pytest.mark.parametrize(
    ("option", "text", "message", "hint"),
    [
        ("--params", '{"to": "ada",', "not valid JSON: Expecting property name enclosed in double quotes (line 1, column 14)", TYPED),
        ("--params", "{'to': 'ada'}", "not valid JSON: Expecting property name enclosed in double quotes (line 1, column 2)", TYPED),
        ("--params", "[1]", "a list stands where a JSON object is expected", 'write it like {"title": "hello"}'),
        ("--steps", "{}", "an object stands where a JSON list is expected", 'write it like [{"tool": "note.write", "args": {}}]'),
        ("--steps", "null", "null stands where a JSON list is expected", 'write it like [{"tool": "note.write", "args": {}}]'),
        ("--params", '{"to": NaN}', "NaN is not JSON", "send null, or a finite number"),
        ("--params", '{"to": -Infinity}', "-Infinity is not JSON", "send null, or a finite number"),
        ("--params", '{"to": 1e999}', "the number 1e999 is out of range", "send it as text, in quotes"),
        ("--params", f'{{"to": {"1" * 5000}}}', "a number of 5000 digits", "send it as text, in quotes"),
        ("--params", '{"to": "ada", "to": "eve"}', "the key 'to' is written twice", "remove one of the two"),
        ("--params", "[" * 20_000, "nested too deeply", "flatten it"),
    ],
)  # fmt: skip
def test_malformed_json(served: Bench, option: str, text: str, message: str, hint: str) -> None:
    """What is no JSON, or not what the option takes, is a wrong call, named by its option and column."""
    served.refused(*SUBMIT, option, text, code=2, says=f"error: {option}: {message}\n  → {hint}\n")


def test_malformed_json_of_one_parameter(served: Bench) -> None:
    """`key:=JSON` names its key."""
    served.refused(
        *SUBMIT, "-p", "count:={", code=2,
        says="""
        error: --param count: not valid JSON: Expecting property name enclosed in double quotes (line 1, column 2)
          → for text write -p count=…, for JSON quote it for the shell or give @FILE
        """,
    )  # fmt: skip


def test_malformed_json_of_a_file(served: Bench) -> None:
    """A file is named with its line."""
    served.write("page.json", '{\n  "to": "ada"\n  "text": "x"\n}\n')
    served.refused(
        *SUBMIT, "--params", "@page.json", code=2,
        says="""
        error: page.json:3: not valid JSON: Expecting ',' delimiter (line 3, column 3)
          → correct the file
        """,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("name", "reason"),
    [("nowhere.json", "No such file or directory"), ("config", "Is a directory")],
)
def test_a_file_that_cannot_be_read(served: Bench, name: str, reason: str) -> None:
    """Its name, why, and what is expected there."""
    served.refused(
        *SUBMIT, "--steps", f"@{name}", code=2,
        says=f"error: {name}: --steps cannot read the file: {reason}\n"
        "  → --steps @FILE takes a JSON file of at most 16 MiB\n",
    )  # fmt: skip


def test_a_file_that_is_not_utf_8(served: Bench) -> None:
    """The byte and its line."""
    served.write("latin.json", b'{"to": "ada",\n "text": "caf\xe9"}\n')
    served.refused(
        *SUBMIT, "--params", "@latin.json", code=2,
        says="""
        error: latin.json:2: byte 0xe9 is not UTF-8
          → save it as UTF-8
        """,
    )  # fmt: skip


def test_a_parameter_that_is_not_utf_8(served: Bench) -> None:
    """A byte of another encoding in the shell's own words."""
    served.refused(
        "submit", "greeting.send", "-p", b"to=caf\xe9", code=2,
        says="""
        error: argument 4, 'to=caf?': byte 0xe9 is not UTF-8
          → type it in a UTF-8 terminal, or put it into a file and use --params @FILE
        """,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("steps", "place", "message"),
    [
        ("[1]", "steps[0]", "1 is no step"),
        ('[{"tool": "greeting.send", "arg": 1}]', "steps.0.arg", "request: is not known here"),
        ('[{"args": {}}]', "steps.0.tool", "request: is missing"),
        ('[{"tool": "greeting.send", "args": [1]}]', "steps.0.args", "request: a mapping is expected, not a list"),
    ],
)  # fmt: skip
def test_a_step_of_the_wrong_shape(served: Bench, steps: str, place: str, message: str) -> None:
    """The path inside the request, and what a step looks like."""
    served.refused(*SUBMIT, "--steps", steps, code=1, says=f"error: {place}: {message}\n  → {STEP}\n")


def test_text_that_utf_8_cannot_carry(served: Bench) -> None:
    """Half a surrogate pair is JSON for Python only."""
    served.refused(
        "submit", "greeting.send", "--params", '{"to": "\\ud800"}', code=1,
        says="""
        error: params: the request is not JSON: str is not valid UTF-8: surrogates not allowed
          → send plain data: finite numbers, and text that UTF-8 can carry
        """,
    )  # fmt: skip


def test_a_whole_number_no_other_language_can_read(served: Bench) -> None:
    """Past 64 bits a number would change on its way."""
    served.refused(
        *SUBMIT, "-p", "count:=123456789012345678901234567890", code=1,
        says="""
        error: params.count: integer past 64 bits
          → send it as a string of digits
        """,
    )  # fmt: skip


def test_an_oversized_payload(served: Bench) -> None:
    """How large, how large it may be, and the setting that says so."""
    served.write("big.json", json.dumps({"text": "x" * 300_000}))
    served.refused(
        "submit", "greeting.send", "--params", "@big.json", code=1,
        says="""
        error: params: the request is 300,071 bytes, the limit is 262,144
          → send a reference instead, or raise limits.payload_bytes
        """,
    )  # fmt: skip


def test_too_many_steps(served: Bench) -> None:
    """The count, the limit, the setting."""
    steps = json.dumps([{"tool": "greeting.send", "args": {}}] * 51)
    served.refused(
        "submit", "greeting.send", "--steps", steps, code=1,
        says="""
        error: steps: the request has 51 steps, the limit is 50
          → make it several requests, or raise limits.steps
        """,
    )  # fmt: skip


def test_a_flow_nobody_has(served: Bench) -> None:
    """Its name, and where flows come from."""
    served.refused(
        *SUBMIT, "--flow", "nope", code=2,
        says="""
        error: no flow named 'nope' is active
          → start a worker of the project that has it, or see `wingman flow check`
        """,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["nonsense"], 'Unknown command "nonsense". Available commands: demo, dev, init, check, generate, doctor, worker, submit, ...'),
        (["submit"], 'Command "submit" parameter INTENT requires an argument.'),
        ([*SUBMIT, "--wait", "soon"], 'Invalid value for --wait: unable to convert "soon" into float.'),
        (["request", "list", "--nope"], "Unknown option: --nope."),
    ],
)  # fmt: skip
def test_a_wrong_call(served: Bench, words: list[str], message: str) -> None:
    """The word that is wrong, in one line, and where the help of this very command is."""
    own = {"nonsense": "", "submit": "submit ", "request": "request list "}[words[0]]
    hint = f"see `wingman {own}--help`"
    served.refused(*words, code=2, says=f"error: {message}\n  → {hint}\n")


@pytest.mark.parametrize(
    ("params", "steps", "text"),
    [
        ({"to": math.nan}, (), "params.to: nan has no JSON form\n  → send null or a finite number"),
        ({"to": math.inf}, (), "params.to: inf has no JSON form\n  → send null or a finite number"),
        ({}, (7,), f"steps[0]: 7 is no step\n  → {STEP}"),
        ({}, ({"tool": "x", "arg": 1},), f"steps.0.arg: request: is not known here\n  → {STEP}"),
        ({"x": "y" * 300_000}, (), "params: the request is 300,068 bytes, the limit is 262,144\n"
         "  → send a reference instead, or raise limits.payload_bytes"),
    ],
)  # fmt: skip
def test_the_same_from_a_program(served: Bench, params: dict[str, Any], steps: Any, text: str) -> None:
    """The client raises what the command line prints, and has sent nothing."""
    before = served.state()

    async def hand_in() -> None:
        settings = Project.find(served.root, redis_url=served.env["WINGMAN_REDIS_URL"]).settings
        async with Client(settings, actor="alice") as client:
            await client.submit("greeting.send", params, steps=steps)

    with pytest.raises(ContractError) as caught:
        asyncio.run(hand_in())
    assert str(caught.value) == text
    assert served.state() == before
