"""Soundness on the JSON Schema Test Suite: no instance of a file contradicts a proof about its schemas."""

from __future__ import annotations

from collections import Counter
from itertools import product
from typing import Any

import pytest

from tests.schemas.inclusion_data import assert_confirmed, data, validator
from wingman_runtime.schemas import accepts
from wingman_runtime.schemas.verdict import Answer

DIALECTS = {
    "draft2020-12": "https://json-schema.org/draft/2020-12/schema",
    "draft7": "http://json-schema.org/draft-07/schema#",
}


def _with_dialect(schema: Any, dialect: str) -> Any:
    if isinstance(schema, bool) or "$schema" in schema:
        return schema
    return {"$schema": dialect, **schema}


@pytest.mark.parametrize("draft", DIALECTS)
def test_no_proof_is_contradicted(draft: str) -> None:
    """Each ordered pair of a file's schemas: a proven inclusion has no counterexample among its instances."""
    answers: Counter[Answer] = Counter()
    for name, groups in data("json-schema-test-suite.json")["files"].items():
        if not name.startswith(f"{draft}/"):
            continue
        schemas = [_with_dialect(schema, DIALECTS[draft]) for schema, _ in groups]
        instances = [instance for _, tests in groups for instance, _ in tests]
        built = [validator(schema) for schema in schemas]
        admitted = [
            [] if one is None else [one.is_valid(instance) for instance in instances] for one in built
        ]
        for (w, writer), (r, reader) in product(enumerate(schemas), repeat=2):
            verdict = accepts(reader, writer)
            answers[verdict.answer] += 1
            if not verdict.compatible:
                assert_confirmed(verdict, built[r], built[w])
            elif built[w] is not None and built[r] is not None:
                both = zip(instances, admitted[w], admitted[r], strict=True)
                wrong = [instance for instance, valid, accepted in both if valid and not accepted]
                assert not wrong, f"{name}: {wrong[0]!r} contradicts\n writer {writer}\n reader {reader}"
    assert answers[Answer.COMPATIBLE] > 500
    assert answers[Answer.INCOMPATIBLE] > 1_000
    assert answers[Answer.UNKNOWN] < 0.2 * answers.total(), "most of these are references out of the suite"


@pytest.mark.parametrize("draft", DIALECTS)
def test_each_schema_accepts_what_it_writes(draft: str) -> None:
    """Every schema of the suite includes itself, also where it cannot be followed."""
    for name, groups in data("json-schema-test-suite.json")["files"].items():
        if name.startswith(f"{draft}/"):
            for schema, _ in groups:
                writer = _with_dialect(schema, DIALECTS[draft])
                reader = writer if isinstance(writer, bool) else {**writer}
                assert accepts(reader, writer).compatible, f"{name}: {schema}"
