"""Declared scopes (P-01): ``config/scopes.yaml`` says which requests there may be and what each may touch.

A scope gives nobody a right; it is the outer wall. Rights come from the policies, inside it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from wingman_runtime.contracts.canonical import canonical, refuse_unrepresentable
from wingman_runtime.contracts.work import STEP_LIMIT, Grant, Scope, WorkRequest
from wingman_runtime.errors import ConfigError, ContractError
from wingman_runtime.project.template import Text, parse_text
from wingman_runtime.yamlfile import Located, load_yaml, suggestion, validate

_NAME = r"^[a-z][a-z0-9_.-]{0,99}$"
Name = Annotated[str, StringConstraints(pattern=_NAME)]
Pattern = Annotated[str, StringConstraints(min_length=1, max_length=500)]


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ScopeLimits(_Section):
    """``bytes``: parameters and explicit steps as JSON. ``steps``: explicit steps; 0 allows none."""

    bytes: int = Field(default=65_536, ge=1)
    steps: int = Field(default=STEP_LIMIT, ge=0, le=STEP_LIMIT)


class ScopeEntry(_Section):
    """One scope of the file. ``tools`` maps a tool to the resource patterns it may touch."""

    purpose: str = Field(min_length=1)
    intents: tuple[Name, ...] = Field(min_length=1)
    tenants: tuple[str, ...] = Field(min_length=1, description="`*` for every tenant")
    limits: ScopeLimits = ScopeLimits()
    planner: Name | None = Field(default=None, description="left out: the plan named like the intent")
    tools: dict[str, Annotated[tuple[Pattern, ...], Field(min_length=1)]] = Field(min_length=1)


class ScopesFile(_Section):
    scopes: dict[Name, ScopeEntry] = Field(min_length=1)


@dataclass(frozen=True, slots=True)
class DeclaredScope:
    """A scope with its resource patterns parsed."""

    name: str
    entry: ScopeEntry
    patterns: tuple[tuple[str, Text], ...]

    @property
    def constant(self) -> bool:
        """Whether no pattern takes a parameter: the scope is the same for each request of an intent."""
        return all(isinstance(part, str) for _, pattern in self.patterns for part in pattern.parts)

    def placed(self) -> Iterator[tuple[str, int, Text]]:
        """Each tool's patterns with their place in its list."""
        seen: Counter[str] = Counter()
        for tool, pattern in self.patterns:
            yield tool, seen[tool], pattern
            seen[tool] += 1

    def outside(self, request: WorkRequest, tenant: str) -> tuple[str, ...]:
        """Why the request is not inside: tenant, size, explicit steps and their tools."""
        limits, reasons = self.entry.limits, []
        if tenant not in self.entry.tenants and "*" not in self.entry.tenants:
            reasons.append(f"tenant {tenant!r} is not among its tenants")
        size = len(canonical([request.params, [step.model_dump() for step in request.steps]]))
        if size > limits.bytes:
            reasons.append(f"params: {size} bytes are more than its {limits.bytes}")
        if len(request.steps) > limits.steps:
            reasons.append(f"steps: {len(request.steps)} are more than its {limits.steps}")
        strange = dict.fromkeys(step.tool for step in request.steps if step.tool not in self.entry.tools)
        reasons.extend(f"steps: tool {tool!r} is not among its tools" for tool in strange)
        return tuple(reasons)

    def bind(self, request: WorkRequest) -> Scope:
        """The scope for this request, parameters filled into its patterns.

        Raises:
            ContractError: a pattern needs a parameter the request lacks, or one that holds a ``*``: a
                requester must not widen a pattern.
        """
        grants = tuple(
            dict.fromkeys(
                Grant(tool=tool, resource=str(pattern.fill(request, refuse="*")))
                for tool, pattern in self.patterns
            )
        )
        return Scope(
            name=self.name,
            intent=request.intent,
            tools=tuple(self.entry.tools),
            resources=tuple(dict.fromkeys(grant.resource for grant in grants)),
            grants=grants,
            planner=self.entry.planner or "",
        )


class ScopeBook:
    """The scopes of one project, in the order of the file; implements `contracts.ports.Scopes`."""

    def __init__(self, scopes: Mapping[str, DeclaredScope], located: Located) -> None:
        self._scopes = dict(scopes)
        self._located = located
        self._constant = {
            (name, intent): scope.bind(WorkRequest(intent=intent))
            for name, scope in self._scopes.items()
            if scope.constant
            for intent in scope.entry.intents
        }

    def scopes(self) -> tuple[DeclaredScope, ...]:
        return tuple(self._scopes.values())

    def where(self, *inside: str | int) -> str:
        """``file:line`` of a place below ``scopes:``."""
        return self._located.where("scopes", *inside)

    def names(self) -> tuple[str, ...]:
        return tuple(self._scopes)

    def intents(self) -> tuple[str, ...]:
        """Every intent some scope holds."""
        return tuple(dict.fromkeys(one for scope in self._scopes.values() for one in scope.entry.intents))

    def find(self, request: WorkRequest, tenant: str) -> tuple[Scope | None, tuple[str, ...]]:
        """The first scope of the file the request is inside of, or None and why each candidate is not it."""
        try:
            refuse_unrepresentable([request.params, [step.args for step in request.steps]], "request")
        except ContractError as error:
            return None, (f"{error.where}: {error.message}",)
        reasons: list[str] = []
        for name, scope in self._scopes.items():
            if request.intent not in scope.entry.intents:
                continue
            outside = list(scope.outside(request, tenant))
            if not outside:
                try:
                    return self._constant.get((name, request.intent)) or scope.bind(request), ()
                except ContractError as error:
                    outside.append(f"{error.where}: {error.message}")
            reasons.extend(f"scope {scope.name!r}: {reason}" for reason in outside)
        if not reasons:
            meant = suggestion(request.intent, self.intents())
            reasons.append(f"no scope holds the intent {request.intent!r}" + (f"; {meant}" if meant else ""))
        return None, tuple(reasons)

    def check(self, tools: Collection[str], planners: Collection[str]) -> None:
        """Refuse a scope that names a tool or a planner the project lacks.

        Raises:
            ConfigError: ``where`` is the line that names it.
        """
        for name, scope in self._scopes.items():
            at = ("scopes", name)
            for tool in scope.entry.tools:
                if tool not in tools:
                    where = self._located.where(*at, "tools", tool)
                    raise ConfigError(f"no tool {tool!r}", where=where, hint=_known(tool, tools))
            planner = scope.entry.planner
            if planner is not None and planner not in planners:
                where = self._located.where(*at, "planner")
                raise ConfigError(f"no planner {planner!r}", where=where, hint=_known(planner, planners))
            for index, intent in enumerate(scope.entry.intents):
                if planner is None and intent not in planners:
                    raise ConfigError(
                        f"scope {name!r} names no planner and there is no plan {intent!r}",
                        where=self._located.where(*at, "intents", index),
                        hint=f"add config/plans/{intent}.yaml, or `planner: steps` for explicit steps only",
                    )


def load_scopes(path: Path) -> ScopeBook:
    """Read ``config/scopes.yaml``.

    Raises:
        ConfigError: a missing file, a wrong key or value, a malformed placeholder; ``where`` is file:line.
    """
    located = load_yaml(path)
    file = validate(ScopesFile, located)
    scopes: dict[str, DeclaredScope] = {}
    for name, entry in file.scopes.items():
        patterns: list[tuple[str, Text]] = []
        for tool, texts in entry.tools.items():
            for index, text in enumerate(texts):
                try:
                    patterns.append((tool, parse_text(text)))
                except ContractError as error:
                    where = located.where("scopes", name, "tools", tool, index)
                    raise ConfigError(error.message, where=where, hint=error.hint) from None
        scopes[name] = DeclaredScope(name, entry, tuple(patterns))
    return ScopeBook(scopes, located)


def _known(name: str, known: Collection[str]) -> str:
    return suggestion(name, known) or f"known: {', '.join(sorted(known)) or 'none'}"
