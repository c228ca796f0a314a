"""One released version of one event's schema, as ``config/schemas/<Event>/<version>.json`` holds it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from wingman_runtime.schemas.version import Version

Schema = dict[str, Any]
"""A JSON Schema (2020-12) as plain data."""


@dataclass(frozen=True, slots=True)
class SchemaRecord:
    """What was released, never changed afterwards.

    Attributes:
        writer: canonical schema of what producers emit: every emitted field required, closed.
        reader: canonical schema of what consumers accept: open.
        digest: ``sha256:`` and hex over both in canonical form, with what else decides the bytes on the wire.
        reserved: wire names that were removed in this or an earlier version, with their last schema.
        owner: who answers for the event.
        samples: documents of this version, for upcasters and readers to be tested on.
        fingerprint: digest of the model's validators' code, which no schema shows; "" without validators.
        pydantic: release of pydantic the schemas were derived with.
        wording: digest of both schemas as pydantic gives them, words, names and order included; it says
            something only beside another of the same release of pydantic. "" where it is not known.
        accepted: breaking findings that somebody answered for when this was released, each with rule, path,
            against, by and reason. They stay answered for: what was released cannot be taken back.
    """

    event: str
    version: Version
    writer: Schema
    reader: Schema
    digest: str
    reserved: dict[str, Schema] = field(default_factory=dict)
    owner: str = ""
    samples: tuple[Any, ...] = ()
    fingerprint: str = ""
    pydantic: str = ""
    wording: str = ""
    accepted: tuple[dict[str, str], ...] = ()
