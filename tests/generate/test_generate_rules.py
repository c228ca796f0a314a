"""A lifecycle that makes no sense is refused before anything is written, at its line, with what to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.orders import page_file
from wingman_runtime.errors import ConfigError, UsageError
from wingman_runtime.generate.generate import generate
from wingman_runtime.project.init import init_project

MODELS = page_file("models.py")
PACKED = 'Move("paid", "packed", "OrderPacked", by="warehouse", sets=("parcel",))'


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("rules") / "shop"
    init_project(root)
    return root


def line_of(text: str, part: str) -> int:
    return next(number for number, line in enumerate(text.splitlines(), 1) if part in line)


WRONG: dict[str, tuple[str, str, str, tuple[str, ...]]] = {
    "a state is misspelt": (
        PACKED, PACKED.replace('"packed"', '"pakked"'), "pakked", ("no end", "did you mean 'packed'"),
    ),
    "two agents decide about a state": (
        '"OrderDeclined", by="payments"', '"OrderDeclined", by="fraud"', "fraud", ("race", "by='payments'"),
    ),
    "a field there is not": (
        'sets=("parcel",)', 'sets=("parcels",)', "parcels", ("no field 'parcels'", "'parcel'"),
    ),
    "a field that is set is required": (
        "    parcel: str | None = None\n", "    parcel: str\n", PACKED, ("cannot be known when one begins",),
    ),
    "an event of the runtime's": ('"OrderPaid"', '"RequestFailed"', "RequestFailed", ("shipped event",)),
    "an event called as what generated code imports": (
        '"OrderPaid"', '"EventModel"', '"EventModel"', ("means something else",),
    ),
    "an event called as a word of Python": ('"OrderPaid"', '"None"', '"None"', ("means something else",)),
    "an owner of two lines": ("the orders team", "the\\nteam", "class Order(", ("one line",)),
    "it exits": ("class Money(Value):", "raise SystemExit(0)\nclass Money(Value):", "raise", ("SystemExit",)),
    "a move that is none": (PACKED, "42", "LIFE = ", ("42 is no move",)),
    "no event type": ('"OrderPaid"', '"order_paid"', "order_paid", ("write 'OrderPaid'",)),
    "an agent of the runtime's": ('by="warehouse"', 'by="audit"', 'by="audit"', ("shipped agent",)),
    "no agent's name": ('by="warehouse"', 'by="Ware-House"', "Ware-House", ("write 'ware_house'",)),
    "an end that nothing leads to": (
        '"declined": "rejected"', '"decline": "rejected"', "Move(\"placed\", \"declined\"", ("'declined'",),
    ),
    "no such outcome": (
        '"delivered": "completed"', '"delivered": "complete"', "LIFE = ",
        ("'complete' is no outcome", "completed"),
    ),
    "no such key": ('key="order_id"', 'key="orderid"', "class Order(", ("no field 'orderid'", "order_id")),
    "a field is not carried so far": (
        PACKED, PACKED.replace("sets=", 'carries=("reason",), sets='), "carries",
        ("'reason'", "not known by then"),
    ),
    "an event means two things": (
        '"OrderDeclined", by', '"OrderPaid", by', '"declined", "OrderPaid"', ("name another",),
    ),
    "no sample can be made up": (
        '{2}$", examples=["DE"]', '{2}[0-9]{7}$"', "    address: Address", ("address.country", "examples"),
    ),
    "it does not run": ("class Money(Value):", "class Money(Valu):", "class Money(Valu)", ("NameError",)),
    "it is no Python": ("class Money(Value):", "class Money(Value:", "class Money", ("not valid Python: ",)),
    "a module agents have not": (
        "from decimal import Decimal", "from nowhere import Decimal", "from nowhere", ("standard library",),
    ),
}  # fmt: skip


@pytest.mark.parametrize("wrong", WRONG)
def test_what_makes_no_sense_is_refused_at_its_line(shop: Path, wrong: str) -> None:
    """File and line, what is wrong, what to write; and the project is as it was."""
    old, new, at, words = WRONG[wrong]
    assert old in MODELS
    text = MODELS.replace(old, new, 1)
    (shop / "models.py").write_text(text)
    with pytest.raises(ConfigError) as caught:
        generate(shop / "models.py", shop)
    told = str(caught.value)
    assert f"models.py:{line_of(text, at)}" in told
    assert [word for word in words if word not in told] == []
    assert not (shop / "agents/orders").exists()


def test_a_misspelt_import_is_told_once(shop: Path) -> None:
    """The module is there, the name is not: no advice about modules; a syntax error says its line once."""
    (shop / "models.py").write_text(MODELS.replace("import Decimal", "import Decimals", 1))
    with pytest.raises(ConfigError, match="cannot import name 'Decimals'") as caught:
        generate(shop / "models.py", shop)
    assert "standard library" not in str(caught.value)
    (shop / "models.py").write_text("class (")
    with pytest.raises(ConfigError, match=r"models\.py:1: not valid Python: invalid syntax") as caught:
        generate(shop / "models.py", shop)
    assert "<unknown>" not in str(caught.value)


def test_models_without_an_entity_are_told(shop: Path) -> None:
    """Nothing is marked: what to do is said."""
    (shop / "models.py").write_text('"""Nothing."""\n')
    with pytest.raises(ConfigError, match="@entity"):
        generate(shop / "models.py", shop)


def test_models_elsewhere_are_refused(shop: Path, tmp_path: Path) -> None:
    """Producers could not import them."""
    (tmp_path / "models.py").write_text(MODELS)
    with pytest.raises(UsageError, match="outside the project"):
        generate(tmp_path / "models.py", shop)
