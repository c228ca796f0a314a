"""What a schema check found, in words, as JSON, and as annotations of a pull request."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from wingman_runtime.cli.out import Out, plain
from wingman_runtime.schemas.finding import SchemaFinding, Weight

if TYPE_CHECKING:
    from wingman_runtime.schemas.record import Schema, SchemaRecord

_LEVELS = {Weight.BREAKING: "error", Weight.WARNING: "warning", Weight.NOTE: "notice"}
_STYLES = {Weight.BREAKING: "red", Weight.WARNING: "yellow", Weight.NOTE: "dim"}
_WITNESS_LIMIT = 300


def tell(out: Out, finding: SchemaFinding) -> None:
    """One finding: where and what, for whom it shows, a document that shows it, who acts, what to do."""
    place = f"{finding.where}: " if finding.where else ""
    path = f" at {finding.path}" if finding.path else ""
    out.line(
        f"{place}{finding.weight.value}: {finding.event}{path}: {finding.message} [{finding.rule}]",
        _STYLES[finding.weight],
    )
    for row in details(finding):
        out.line(f"  {row}")
    if finding.remedy:
        out.line(f"  → {finding.remedy}")


def details(finding: SchemaFinding) -> list[str]:
    """Direction, version, reason, witness and who must act, each a line where there is one."""
    rows = []
    held = [finding.direction.value] if finding.direction.value else []
    held += [f"against {finding.against}"] if finding.against else []
    if held:
        rows.append(", ".join(held))
    if finding.reason:
        rows.append(f"not known: {finding.reason}")
    if finding.witness is not None:
        rows.append(f"witness: {_short(finding.witness)}")
    if finding.act:
        rows.append(f"to act: {finding.act}")
    return rows


def annotation(finding: SchemaFinding) -> str:
    """One finding as a workflow command."""
    path = f" at {finding.path}" if finding.path else ""
    rows = [f"{finding.event}{path}: {finding.message}", *details(finding)]
    rows += [f"→ {finding.remedy}"] if finding.remedy else []
    return workflow_command(_LEVELS[finding.weight], finding.where, finding.rule, "\n".join(rows))


def workflow_command(level: str, where: str, title: str, text: str) -> str:
    """A workflow command of GitHub: ``::error file=…,line=…,title=…::message``.

    Source: GitHub Docs, "Workflow commands for GitHub Actions".
    """
    file, _, line = where.rpartition(":")
    if not line.isdigit():
        file, line = where, ""
    told = {"file": file, "line": line, "title": title}
    properties = ",".join(f"{key}={_property(value)}" for key, value in told.items() if value)
    return f"::{level} {properties}::{_escaped(text)}"


def as_row(finding: SchemaFinding) -> dict[str, Any]:
    """One finding as JSON data."""
    row: dict[str, Any] = plain(finding)
    return row


def counted(findings: list[SchemaFinding]) -> str:
    """``2 breaking, 1 warning, 3 notes``; empty without any."""
    counts = {weight: sum(one.weight is weight for one in findings) for weight in Weight}
    return ", ".join(
        f"{count} {weight.value}{'s' if count > 1 and weight is not Weight.BREAKING else ''}"
        for weight, count in counts.items()
        if count
    )


def field_rows(record: SchemaRecord) -> list[dict[str, Any]]:
    """The fields of an event's data, as a table shows them."""
    read = _top(record.reader)
    needed = set(read.get("required", ()))
    return [
        {"field": name, "type": kind_of(inner, record.writer), "readers_need_it": name in needed}
        for name, inner in _top(record.writer).get("properties", {}).items()
    ]


def kind_of(schema: Any, root: Schema) -> str:
    """A schema in a word or two: ``string``, ``list of Step``, ``integer | null``."""
    if not isinstance(schema, dict):
        return "anything" if schema else "nothing"
    if "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2]
    if "const" in schema:
        return json.dumps(schema["const"], ensure_ascii=False)
    if "enum" in schema:
        return " | ".join(json.dumps(one, ensure_ascii=False) for one in schema["enum"])
    for word in ("anyOf", "oneOf"):
        if word in schema:
            return " | ".join(kind_of(one, root) for one in schema[word])
    kinds = schema.get("type", "anything")
    if kinds == "array":
        return f"list of {kind_of(schema.get('items', True), root)}"
    return kinds if isinstance(kinds, str) else " | ".join(kinds)


def _top(schema: Schema) -> Schema:
    """The root schema; where that is a reference, what it leads to."""
    found: Any = schema
    for part in str(schema.get("$ref", "")).split("/")[1:]:
        found = found[part.replace("~1", "/").replace("~0", "~")]
    return found if isinstance(found, dict) else {}


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _WITNESS_LIMIT else text[:_WITNESS_LIMIT] + " …"


def _escaped(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _escaped(text).replace(":", "%3A").replace(",", "%2C")
