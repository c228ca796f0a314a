"""The record of an event model as it stands: its schemas, its digest, and the names it must not use again."""

from __future__ import annotations

import hashlib

import orjson
import pydantic

from wingman_runtime.contracts.event import EventModel
from wingman_runtime.errors import ContractError
from wingman_runtime.schemas.canonical import digest
from wingman_runtime.schemas.derive import raw_schema, reader_schema, writer_schema
from wingman_runtime.schemas.fields import fields_of
from wingman_runtime.schemas.fingerprint import fingerprint
from wingman_runtime.schemas.lint import lint
from wingman_runtime.schemas.record import Schema, SchemaRecord
from wingman_runtime.schemas.version import Version

__all__ = ["describe", "lint", "reserved_after", "wording"]


def describe(
    model: type[EventModel], *, owner: str = "", where: str = "", previous: SchemaRecord | None = None
) -> SchemaRecord:
    """What `model` would be released as, at the version its class states.

    Args:
        owner: who answers for the event.
        where: file:line of the class, for errors.
        previous: the version before it; names removed since then are reserved, as are those it reserves.

    Raises:
        ContractError: a field has no JSON Schema, or ``schema_version`` is none.
    """
    try:
        version = Version.parse(model.schema_version)
        writer, reader = writer_schema(model), reader_schema(model)
    except ContractError as error:
        raise ContractError(error.message, where=where or error.where, hint=error.hint) from None
    return SchemaRecord(
        event=model.__name__,
        version=version,
        writer=writer,
        reader=reader,
        digest=digest(writer, reader, model.__name__),
        reserved=reserved_after(previous, writer, reader) if previous else {},
        owner=owner,
        fingerprint=fingerprint(model),
        pydantic=pydantic.VERSION,
        wording=wording(model),
    )


def wording(model: type[EventModel]) -> str:
    """``sha256:`` and hex over the schemas before they are canonical, in the order they are written in."""
    raw = [raw_schema(model, writes=True), raw_schema(model, writes=False)]
    return "sha256:" + hashlib.sha256(orjson.dumps(raw)).hexdigest()


def reserved_after(previous: SchemaRecord, writer: Schema, reader: Schema) -> dict[str, Schema]:
    """JSON Pointers of the names no longer there, each with the schema it had last."""
    before = {**fields_of(previous.reader), **fields_of(previous.writer)}
    now = {**fields_of(reader), **fields_of(writer)}
    gone = {path: schema for path, schema in before.items() if path not in now}
    # Where a whole model went, its name is enough.
    tops = {path: schema for path, schema in gone.items() if path.rpartition("/")[0].rstrip("/*") not in gone}
    kept = {path: schema for path, schema in previous.reserved.items() if path not in now}
    return dict(sorted({**kept, **tops}.items()))
