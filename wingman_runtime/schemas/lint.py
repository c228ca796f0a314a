"""What is wrong with one event model by itself: what will break somebody, or what no schema can tell.

Rules: ``model/``

* fails: ``extra-allowed`` ``refuses-own`` ``unread-name`` ``default-refused``
* is said: ``unproven-own`` ``non-finite`` ``clock``
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from wingman_runtime.contracts.event import EventModel
from wingman_runtime.schemas.blame import included
from wingman_runtime.schemas.derive import raw_schema, reader_schema, writer_schema
from wingman_runtime.schemas.fields import nodes_of
from wingman_runtime.schemas.finding import Direction, SchemaFinding, Weight
from wingman_runtime.schemas.generator import NON_FINITE, UNREAD
from wingman_runtime.schemas.place import place_in
from wingman_runtime.schemas.record import Schema, SchemaRecord


def lint(model: type[EventModel], record: SchemaRecord | None = None) -> list[SchemaFinding]:
    """Findings about the model alone, released or not; each once, however often its place is met.

    Args:
        record: what `describe` says of the model, where that is known already.

    Raises:
        ContractError: a field has no JSON Schema.
    """
    raw = raw_schema(model, writes=True)
    reader = record.reader if record else reader_schema(model)
    writer = record.writer if record else writer_schema(model)
    found: dict[tuple[str, str], SchemaFinding] = {}
    for one in (*_written(model, raw), *_defaults(model, reader), *_own(model, reader, writer)):
        found.setdefault((one.rule, one.path), one)
    return list(found.values())


def _written(model: type[EventModel], raw: Schema) -> Iterator[SchemaFinding]:
    """What the marks and keywords of the writer's schema tell."""
    for path, _, node in nodes_of(raw):
        if not isinstance(node, dict):
            continue
        if "properties" in node and node.get("additionalProperties", False) is not False:
            yield _finding(
                model,
                "extra-allowed",
                path,
                "further fields are allowed (extra='allow'), so that whatever field comes later, somebody may"
                " have written something else by its name",
                "forbid them; put what is free into one field that is a map",
            )
        if node.get(UNREAD):
            name = path.rpartition("/")[2]
            yield _finding(
                model,
                "unread-name",
                path,
                f"it is written as {name!r} and not read by that name: what is written is lost",
                f"read it by that name too: validation_alias=AliasChoices(…, {name!r})",
            )
        if node.get(NON_FINITE):
            yield _finding(
                model,
                "non-finite",
                path,
                "infinity and NaN are allowed, which JSON has no number for: they would be written as null",
                "set allow_inf_nan=False in the model's config",
                weight=Weight.WARNING,
            )
        if "now_op=" in str(node.get("format", "")):
            yield _finding(
                model,
                "clock",
                path,
                "whether it is valid depends on the clock: what is valid now may be refused on replay",
                "check it where the event is made, and give the field a plain type",
                weight=Weight.WARNING,
            )


def _defaults(model: type[EventModel], reader: Schema) -> Iterator[SchemaFinding]:
    """pydantic does not validate defaults, and emits them."""
    import jsonschema_rs

    defs = reader.get("$defs", {})
    for path, _, node in nodes_of(reader):
        if not isinstance(node, dict) or "default" not in node:
            continue
        try:
            fits = jsonschema_rs.Draft202012Validator({**node, "$defs": defs}).is_valid(node["default"])
        except ValueError:  # a pattern this validator cannot read; the model will find out by itself
            continue
        if not fits:
            yield _finding(
                model,
                "default-refused",
                path,
                f"its default {node['default']!r:.80} does not fit its own type, and is written all the same",
                "give it a default of its type, or a type that allows the default",
            )


def _own(model: type[EventModel], reader: Schema, writer: Schema) -> Iterator[SchemaFinding]:
    """A model must read what it writes."""
    for gap in included(reader, writer).gaps:
        proven = gap.confirmed
        yield _finding(
            model,
            "refuses-own" if proven else "unproven-own",
            gap.path,
            f"what it writes it {'cannot' if proven else 'may not'} read again: {gap.reason}",
            "give a serializer its return type, and a field one name and one form for both ways",
            weight=Weight.BREAKING if proven else Weight.WARNING,
            witness=gap.witness,
        )


def _finding(
    model: type[EventModel],
    name: str,
    path: str,
    message: str,
    remedy: str,
    *,
    weight: Weight = Weight.BREAKING,
    witness: Any = None,
) -> SchemaFinding:
    return SchemaFinding(
        rule=f"model/{name}",
        event=model.__name__,
        path=path,
        direction=Direction.NEITHER,
        weight=weight,
        message=message,
        witness=witness,
        act="producer",
        remedy=remedy,
        where=place_in(model, path),
    )
