"""`accepts`: does the reader's schema admit every document that the writer's admits?

1. Refuse what is no schema. 2. Turn both into formulas. 3. Look for a document that the writer's satisfies
and the reader's does not: none, proven, is ``compatible``. 4. Put what was found to the validator: confirmed
is ``incompatible``. 5. Everything else is ``unknown``, with the reason.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any, TypeAlias

import jsonschema_rs
import orjson

from wingman_runtime.errors import ContractError
from wingman_runtime.schemas.inclusion import formula as f
from wingman_runtime.schemas.inclusion.compiler import Compiler
from wingman_runtime.schemas.inclusion.document import DRAFT_07, Document
from wingman_runtime.schemas.inclusion.formula import Arena
from wingman_runtime.schemas.inclusion.oracle import Oracle
from wingman_runtime.schemas.inclusion.search import Search, TooMuchWorkError
from wingman_runtime.schemas.inclusion.values import deeper_than
from wingman_runtime.schemas.plainly import plainly
from wingman_runtime.schemas.verdict import Gap, Verdict

Schema: TypeAlias = dict[str, Any] | bool

BUDGET = 60_000
"""Steps one comparison may take; some ten microseconds each."""
DEEPEST = 250
_OUT_OF_REACH = "a number or a text out of reach: 1e400, half of a surrogate pair, an integer of 4,300 digits"
_MOST_GAPS = 12
_MOST_WITNESSES = 100


def accepts(reader: Schema, writer: Schema, *, formats: bool = False, budget: int = BUDGET) -> Verdict:
    """Whether every JSON document that ``writer`` admits, ``reader`` admits.

    Plain inclusion of raw JSON Schema, 2020-12 (also where ``$schema`` says nothing, unless a form is used
    that only draft-07 has) or draft-07. The answer ``compatible`` is proven; ``incompatible`` comes with
    documents that jsonschema-rs holds valid under the writer's schema and invalid under the reader's;
    everything else is ``unknown``, and says why.

    A reader's ``format`` is taken to assert, and only the writer's same ``format`` satisfies it, as pydantic
    asserts formats and others don't.

    Args:
        reader: the schema that is to admit everything.
        writer: the schema whose documents count.
        formats: let ``format`` assert when a witness is confirmed; else what only a format refuses is
            ``unknown`` in 2020-12, where ``format`` is an annotation.
        budget: steps of work after which the answer is ``unknown``.

    Raises:
        ContractError: one of them is no JSON Schema; ``where`` is the JSON Pointer into it.
    """
    for whose, schema in (("reader", reader), ("writer", writer)):
        if not isinstance(schema, dict | bool):
            raise ContractError(
                f"the {whose}'s schema is a {type(schema).__name__}, neither object nor boolean"
            )
    if _too_deep(reader) or _too_deep(writer):
        return _unknown("work", f"a schema nests deeper than {DEEPEST} levels")
    try:
        formed = all([_well_formed("reader", reader), _well_formed("writer", writer)])
    except ContractError:
        if any(isinstance(one, dict) and "$schema" in one for one in (reader, writer)):
            raise
        # Where neither names its dialect and one is draft-07 only, such as `items` with a list, both are.
        reader, writer = _as_draft_07(reader), _as_draft_07(writer)
        formed = all([_well_formed("reader", reader), _well_formed("writer", writer)])
    if not formed:
        return Verdict() if _same(reader, writer) else _unknown("reach", _OUT_OF_REACH)
    if reader is writer or _plainly(reader, writer):
        return Verdict()
    verdict = searched(reader, writer, formats=formats, budget=budget)
    return Verdict() if verdict.gaps and _same(reader, writer) else verdict


def _plainly(reader: Schema, writer: Schema) -> bool:
    """Whether no search is needed; what a dialect of its own might mean otherwise is not looked at."""
    return not any(isinstance(one, dict) and "$schema" in one for one in (reader, writer)) and plainly(
        reader, writer
    )


def searched(reader: Schema, writer: Schema, *, formats: bool = False, budget: int = BUDGET) -> Verdict:
    """What the search alone says of two schemas that are well formed."""
    arena = Arena()
    search = Search(arena, budget)
    try:
        admitted = Compiler(arena, Document(writer, 0), search.spend).compile()
        wanted = Compiler(arena, Document(reader, 1), search.spend).compile()
        found = search.find((admitted.yes, wanted.no))
        if found is None:
            return Verdict()
        gaps = _confirmed(Oracle(reader, writer, formats or None), arena, found.values)
    except TooMuchWorkError:
        return _unknown("work", f"too much work: more than {budget} steps")
    except RecursionError:
        return _unknown("work", "too much work: the schemas nest too deep")
    if gaps:
        return Verdict(tuple(gaps))
    return _unknown(
        "reasoning", "; ".join(list(search.doubts)[:4]) or "no document shows it, and no proof was found"
    )


def _confirmed(oracle: Oracle, arena: Arena, values: Sequence[Any]) -> list[Gap]:
    named = frozenset(one.data for one in arena.all if one.kind in (f.PROP, f.REQ))
    gaps: dict[tuple[str, str], Gap] = {}
    for value in values[:_MOST_WITNESSES]:
        gap = oracle.confirm(value, named)
        if gap is not None:
            gaps.setdefault((gap.rule, gap.path), gap)
        if len(gaps) >= _MOST_GAPS:
            break
    return list(gaps.values())


def _unknown(rule: str, reason: str) -> Verdict:
    return Verdict((Gap(rule=f"unknown/{rule}", path="", reason=reason),))


def _same(reader: Schema, writer: Schema) -> bool:
    """Whether both are the same text, so that what cannot be followed is the same in both."""
    try:
        return json.dumps(reader, sort_keys=True) == json.dumps(writer, sort_keys=True)
    except (RecursionError, TypeError, ValueError):
        return False


def _too_deep(schema: Schema) -> bool:
    """Whether a schema nests so deep that the validator could run out of stack."""
    try:
        orjson.dumps(schema)
    except TypeError:  # too deep by its own limit, or a number too large for it
        return isinstance(schema, dict) and deeper_than(schema, DEEPEST)
    return False


def _beyond_reach(schema: Any) -> bool:
    """Whether it holds a number that was lost on reading, such as 1e400; the validator misreads it."""
    todo = [schema]
    while todo:
        item = todo.pop()
        if isinstance(item, dict | list):
            todo.extend(item.values() if isinstance(item, dict) else item)
        elif isinstance(item, float) and not math.isfinite(item):
            return True
    return False


def _as_draft_07(schema: Schema) -> Schema:
    return {"$schema": DRAFT_07, **schema} if isinstance(schema, dict) else schema


def _well_formed(whose: str, schema: Schema) -> bool:
    """False where the validator cannot hold the schema, so that it cannot tell. Raises ContractError."""
    if isinstance(schema, bool) or not Document(schema, 0).known_dialect:
        return True
    try:
        jsonschema_rs.meta.validate(schema)
    except jsonschema_rs.ValidationError as error:
        if _beyond_reach(schema):
            return False
        pointer = "".join(
            f"/{str(step).replace('~', '~0').replace('/', '~1')}" for step in error.instance_path
        )
        raise ContractError(
            f"the {whose}'s schema is no JSON Schema: {error.message[:200]}",
            where=f"#{pointer}",
            hint="mend the schema there; https://json-schema.org tells what each keyword takes",
        ) from error
    except ValueError:
        return False
    return True
