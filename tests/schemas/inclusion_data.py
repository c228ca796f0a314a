"""What the tests of the inclusion check share: public suites, and a validator as an independent witness."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema_rs

from wingman_runtime.schemas.verdict import Verdict

DATA = Path(__file__).parent / "data"


@cache
def data(name: str) -> Any:
    """A file of the suites, read once."""
    return json.loads((DATA / name).read_text(encoding="utf-8"))


def validator(schema: Any) -> jsonschema_rs.Validator | None:
    """The validator of a schema with its own defaults; None where it cannot be built without the network."""
    try:
        return jsonschema_rs.validator_for(schema, offline=True)
    except (jsonschema_rs.ValidationError, jsonschema_rs.ReferencingError, ValueError):
        return None


def assert_confirmed(
    verdict: Verdict,
    reader: jsonschema_rs.Validator | None,
    writer: jsonschema_rs.Validator | None,
) -> None:
    """Each confirmed gap has a document that the writer's schema admits and the reader's refuses."""
    for gap in verdict.gaps:
        if gap.confirmed:
            assert writer is not None
            assert reader is not None
            assert writer.is_valid(gap.witness), f"{gap.witness!r} is not valid under the writer's schema"
            assert not reader.is_valid(gap.witness), f"{gap.witness!r} is valid under the reader's schema"
