"""``python -m benchmarks.schemas``: how long the inclusion check takes for many versions of many events.

Each event type has ten versions, each with one optional field more; each version's writer is held against the
next version's reader, and the last one's against the first. Nothing is remembered from one to the next.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from typing import Any

from wingman_runtime.schemas import accepts


def _fields(number: int, version: int) -> dict[str, Any]:
    money = {"type": "number", "minimum": 0}
    return {
        "id": {"type": "string", "format": "uuid"},
        "placed_at": {"type": "string", "format": "date-time"},
        "customer": {"type": "string", "minLength": 1, "maxLength": 40 + number % 7},
        "note": {"anyOf": [{"type": "string"}, {"type": "null"}]},
        "status": {"enum": ["open", "paid", "sent", f"state-{number}"]},
        "total": money,
        "tags": {"type": "object", "additionalProperties": {"type": "string"}},
        "lines": {"type": "array", "items": {"$ref": "#/$defs/Line"}},
        "payment": {"oneOf": [{"$ref": "#/$defs/Card"}, {"$ref": "#/$defs/Cash"}]},
        **{f"added_{index}": {"anyOf": [money, {"type": "null"}]} for index in range(version)},
    }


def _defs() -> dict[str, Any]:
    text, number = {"type": "string"}, {"type": "number"}
    return {
        "Line": {"sku": {**text, "minLength": 1}, "quantity": {"type": "integer", "exclusiveMinimum": 0}},
        "Card": {"kind": {"const": "card"}, "number": text},
        "Cash": {"kind": {"const": "cash"}, "amount": number},
    }


def _model(properties: dict[str, Any], *, required: set[str], closed: bool) -> dict[str, Any]:
    found = {"type": "object", "properties": properties, "required": sorted(required)}
    return {**found, "additionalProperties": False} if closed else found


def schema(number: int, version: int, *, writer: bool) -> dict[str, Any]:
    """One version of one event: closed and all required as a writer, open and lenient as a reader."""
    fields = _fields(number, version)
    needed = set(fields) if writer else {name for name in fields if not name.startswith("added_")}
    defs = {name: _model(inner, required=set(inner), closed=writer) for name, inner in _defs().items()}
    return {**_model(fields, required=needed, closed=writer), "$defs": defs}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.schemas", description=__doc__)
    parser.add_argument("--types", type=int, default=1000, help="event types (1000)")
    parser.add_argument("--versions", type=int, default=10, help="versions of each (10)")
    wanted = parser.parse_args()
    pairs = []
    for number in range(wanted.types):
        writers = [schema(number, version, writer=True) for version in range(wanted.versions)]
        readers = [schema(number, version, writer=False) for version in range(wanted.versions)]
        pairs += list(zip(readers[1:] + readers[:1], writers, strict=True))
    answers: Counter[str] = Counter()
    begun, worked = time.perf_counter(), time.process_time()
    for reader, writer in pairs:
        answers[accepts(reader, writer).answer.value] += 1
    took, work = time.perf_counter() - begun, time.process_time() - worked
    print(f"{len(pairs)} comparisons in {took:.1f} s ({work:.1f} s of processor time): {dict(answers)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
