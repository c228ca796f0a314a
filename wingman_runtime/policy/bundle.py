"""The lawbook: one immutable set of policies, schema and principals under one digest."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Literal

import cedarpy
from cedarpy import pst

from wingman_runtime.errors import PolicyError
from wingman_runtime.policy.principals import Principals

ALWAYS = "00-always.cedar"
PRINCIPALS = "principals.yaml"
GATES: Mapping[str, str] = MappingProxyType(
    {
        "submit": "10-scope.cedar",
        "validate": "10-scope.cedar",
        "permit": "20-permission.cedar",
        "propose": "30-proposal.cedar",
        "approve": "40-handshake.cedar",
        "execute": "50-execute.cedar",
        "audit": "60-audit.cedar",
        "compensate": "70-rollback.cedar",
        "emit": "80-emit.cedar",
    }
)
"""The gate an action is judged at, where a question or an agent's manifest names no other."""

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Rule:
    """One policy. ``id`` is its ``@id``, or file:line while it has none."""

    id: str
    effect: Literal["permit", "forbid"]
    reason: str
    file: str
    line: int
    text: str
    tree: pst.Template
    annotations: Mapping[str, str]

    @property
    def said(self) -> str:
        """The reason it gives when it decides."""
        return f"{self.id}: {self.reason}" if self.reason else self.id

    @property
    def where(self) -> str:
        return f"{self.file}:{self.line}"


@dataclass(frozen=True, slots=True, eq=False)
class Gate:
    """What decides at one gate: the rules of 00-always.cedar and of the gate's own file, by Cedar's id."""

    name: str
    policies: cedarpy.PolicySet
    rules: Mapping[str, Rule]
    text: str

    def rule(self, rule_id: str) -> Rule | None:
        """The rule with this public id."""
        return next((rule for rule in self.rules.values() if rule.id == rule_id), None)


@dataclass(frozen=True, slots=True, eq=False)
class Bundle:
    """Parsed once, never changed. ``files`` are the bytes the digest is over; ``root`` is their folder."""

    digest: str
    schema_text: str
    schema: cedarpy.Schema
    gates: Mapping[str, Gate]
    principals: Principals
    files: Mapping[str, bytes] = field(repr=False)
    root: Path

    def rules(self) -> tuple[Rule, ...]:
        """Every rule once, in the order of the files."""
        found = {(rule.file, rule.line): rule for gate in self.gates.values() for rule in gate.rules.values()}
        return tuple(found[place] for place in sorted(found))

    def save(self, store: Path) -> Path:
        """Keep a copy under ``store/<hex digits of the digest>/`` and return that folder.

        Complete or absent: written beside it and renamed. A copy that is there already and no longer
        matches its name is replaced.
        """
        target = stored_at(store, self.digest)
        if target.is_dir():
            if digest_of(read_files(target)) == self.digest:
                return target
            shutil.rmtree(target)
        draft = store / f".{target.name}.{os.getpid()}"
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(parents=True)
        for name, content in self.files.items():
            with (draft / name).open("wb") as out:
                out.write(content)
                out.flush()
                os.fsync(out.fileno())
        try:
            draft.rename(target)
        except OSError:
            # Somebody saved the same bundle meanwhile; theirs counts only if it is whole.
            shutil.rmtree(draft, ignore_errors=True)
            if not target.is_dir() or digest_of(read_files(target)) != self.digest:
                raise
        return target


def digest_of(files: Mapping[str, bytes]) -> str:
    """``sha256:`` over names and contents, each with its length in front, in the order of the names."""
    total = hashlib.sha256()
    for name in sorted(files):
        for part in (name.encode(), files[name]):
            total.update(len(part).to_bytes(8, "big") + part)
    return "sha256:" + total.hexdigest()


def stored_at(store: Path, digest: str) -> Path:
    """The folder of a stored bundle.

    Raises:
        PolicyError: the text is not a digest (it may come from outside, and becomes part of a path).
    """
    if _DIGEST.fullmatch(digest) is None:
        raise PolicyError(f"{digest[:80]!r} is not a bundle digest", hint="it looks like sha256:<64 digits>")
    return store / digest.removeprefix("sha256:")


def read_files(folder: Path) -> dict[str, bytes]:
    """The files of a bundle that lie in ``folder``: policies, schemas, and principals.yaml if it is there."""
    found: dict[str, bytes] = {}
    if folder.is_dir():
        for path in sorted(folder.iterdir()):
            ours = path.suffix in {".cedar", ".cedarschema"} or path.name == PRINCIPALS
            if ours and not path.name.startswith(".") and path.is_file():
                found[path.name] = path.read_bytes()
    return found
