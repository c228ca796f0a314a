"""A declared tool, checked: its argument schema from the signature, its resource, its call.

`spec_of` turns a marked function into a `ToolSpec` or says what is wrong with the declaration, at file:line.
"""

from __future__ import annotations

import inspect
import re
import string
import typing
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

import orjson
from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model

from wingman_runtime.contracts.canonical import canonical, refuse_unrepresentable
from wingman_runtime.contracts.located import located
from wingman_runtime.contracts.manifest import RetryPolicy
from wingman_runtime.contracts.ports import ToolInfo
from wingman_runtime.contracts.tool import TOOL_RETRY, ResourceOf, ToolContext, ToolMark
from wingman_runtime.contracts.wording import value
from wingman_runtime.contracts.work import Risk
from wingman_runtime.errors import ContractError, ToolDeclarationError

TIMEOUT_LIMIT: Final = 600.0
"""Seconds; DESIGN §13."""
_NAME = re.compile(r"^[a-z][a-z0-9_]{0,47}(\.[a-z][a-z0-9_]{0,47})+$")
# Field names of our own, so that a parameter may be called "json", "copy" or "_x".
_FIELD = "arg_"


@dataclass(frozen=True, slots=True)
class ToolSpec:
    """One tool of a project. ``where`` is the file:line of its declaration."""

    name: str
    purpose: str
    risk: Risk
    timeout: float
    idempotent: bool
    """Every call is; `repeatable` says whether this one is."""
    compensation: str | None
    undo_only: bool
    resource_template: str
    where: str
    model: type[BaseModel]
    function: Callable[..., Any]
    context_parameter: str | None
    is_async: bool
    idempotent_when: Callable[[Mapping[str, Any]], bool] | None = None
    resource_of: ResourceOf | None = None
    retry: RetryPolicy = TOOL_RETRY

    @property
    def parameters(self) -> tuple[str, ...]:
        return _parameters(self.model)

    def schema_of(self, parameter: str) -> str:
        """What kind of value a parameter takes, in the words of its JSON schema."""
        schema = self.model.model_json_schema()["properties"].get(parameter, {})
        if "enum" in schema or "const" in schema:
            return " or ".join(map(repr, schema.get("enum") or [schema["const"]]))
        kinds = [schema, *schema.get("anyOf", ())]
        return " or ".join(str(one["type"]) for one in kinds if "type" in one) or "what its schema says"

    def info(self) -> ToolInfo:
        return ToolInfo(
            name=self.name,
            purpose=self.purpose,
            risk=self.risk,
            idempotent=self.idempotent,
            timeout=self.timeout,
            compensation=self.compensation,
            schema=self.model.model_json_schema(),
        )

    def repeatable(self, args: Mapping[str, Any]) -> bool:
        """May this very call be run again with the same key?"""
        return self.idempotent if self.idempotent_when is None else self.idempotent_when(args)

    def parse(self, args: Mapping[str, Any]) -> BaseModel:
        """Arguments as Python values, by the rules of strict JSON: no text for a number, nothing extra.

        Raises:
            ContractError: with the path of what does not fit.
        """
        plain = dict(args)
        refuse_unrepresentable(plain)
        try:
            return self.model.model_validate_json(canonical(plain), strict=True)
        except ValidationError as error:
            raise located(error, self.name) from None
        except TypeError as error:  # orjson: a value or text JSON cannot carry
            raise ContractError(f"{self.name}: {error}", where="$") from None

    def normalise(self, args: Mapping[str, Any]) -> dict[str, Any]:
        """Arguments as plain JSON data with the defaults filled in. Raises ContractError."""
        values: dict[str, Any] = orjson.loads(self.parse(args).model_dump_json(by_alias=True))
        refuse_unrepresentable(values)
        return values

    def resource(self, args: Mapping[str, Any]) -> str:
        """The resource that a call with these (normalised) arguments touches."""
        if self.resource_of is not None:
            return self.resource_of(args)
        return self.resource_template.format_map(args)

    def call(self, args: Mapping[str, Any], context: ToolContext) -> Any:
        """Call the function, or make its coroutine. Raises ContractError before anything is run."""
        parsed = self.parse(args)
        values = {name: getattr(parsed, _FIELD + name) for name in self.parameters}
        if self.context_parameter is not None:
            values[self.context_parameter] = context
        return self.function(**values)


@lru_cache(maxsize=256)
def _parameters(model: type[BaseModel]) -> tuple[str, ...]:
    return tuple(name.removeprefix(_FIELD) for name in model.model_fields)


def spec_of(
    function: Callable[..., Any], mark: ToolMark, *, where: str, timeout: float, settings: Any = None
) -> ToolSpec:
    """Check one declaration.

    Args:
        function: the marked function.
        mark: what its decorator said.
        where: file:line, for errors.
        timeout: seconds, for a tool that declares none.
        settings: the project's, for a tool whose calls are idempotent under some settings.

    Raises:
        ToolDeclarationError: at ``where``.
    """

    def wrong(message: str, hint: str) -> ToolDeclarationError:
        return ToolDeclarationError(f"tool {mark.name!r}: {message}", where=where, hint=hint)

    for problem, hint in _mistyped(mark):
        raise wrong(problem, hint)
    if not _NAME.match(mark.name):
        raise wrong("is no tool name", "use group.verb in lower case, such as note.write")
    purpose = mark.purpose.strip() or (inspect.getdoc(function) or "").strip().partition("\n")[0]
    if not purpose:
        raise wrong("has no purpose", "write purpose=... or a docstring; people approve plans by it")
    if mark.risk not in list(Risk):
        raise wrong(f"risk {mark.risk!r} is unknown", "use low, medium or high")
    seconds = timeout if mark.timeout is None else mark.timeout
    if not 0 < seconds <= TIMEOUT_LIMIT:
        raise wrong(f"timeout {seconds!r} is out of range", f"use seconds between 0 and {TIMEOUT_LIMIT:g}")
    if mark.compensation is None and not mark.irreversible and not mark.undo_only:
        raise wrong("does not say how it is undone", "name a compensation=..., or say irreversible=True")
    if mark.compensation is not None and (mark.irreversible or mark.undo_only):
        raise wrong("has a compensation and says it has none", "leave one of the two out")
    fields, context_parameter = _fields(function, wrong)
    try:
        model = create_model(
            mark.name,
            __config__=ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, validate_default=True),
            __doc__=None,
            __module__=__name__,
            **fields,
        )
        schema = model.model_json_schema()
    except Exception as error:
        raise wrong(
            f"arguments have no JSON schema: {error}".splitlines()[0], "use types that JSON can carry"
        ) from None
    template = mark.resource if isinstance(mark.resource, str) and mark.resource else mark.name
    names = set(schema.get("properties", {}))
    _check_template(template, names, wrong)
    return ToolSpec(
        name=mark.name,
        purpose=purpose,
        risk=Risk(mark.risk),
        timeout=float(seconds),
        idempotent=mark.idempotent if isinstance(mark.idempotent, bool) else False,
        compensation=mark.compensation,
        undo_only=mark.undo_only,
        resource_template=template,
        where=where,
        model=model,
        function=function,
        context_parameter=context_parameter,
        is_async=inspect.iscoroutinefunction(function),
        idempotent_when=_bound(mark, settings),
        resource_of=None if isinstance(mark.resource, str) else mark.resource,
        retry=mark.retry or TOOL_RETRY,
    )


_DECLARED: Final[tuple[tuple[str, tuple[type, ...], str], ...]] = (
    ("name", (str,), '"note.write"'),
    ("purpose", (str,), 'purpose="write a note"'),
    ("timeout", (int, float, type(None)), "timeout=30"),
    ("compensation", (str, type(None)), 'compensation="note.restore"'),
    ("irreversible", (bool,), "irreversible=True"),
    ("undo_only", (bool,), "undo_only=True"),
    ("retry", (RetryPolicy, type(None)), "retry=RetryPolicy(attempts=5)"),
)


def _mistyped(mark: ToolMark) -> Iterator[tuple[str, str]]:
    """What is declared with a value of another type, and how it is written."""
    for name, types, example in _DECLARED:
        given = getattr(mark, name)
        if not isinstance(given, types) or (name == "timeout" and isinstance(given, bool)):
            yield f"{name} cannot be {value(given)}", f"write it like {example}"
    if not (isinstance(mark.idempotent, bool) or callable(mark.idempotent)):
        yield f"idempotent cannot be {value(mark.idempotent)}", "write it like idempotent=True"
    if not (isinstance(mark.resource, str) or callable(mark.resource)):
        yield f"resource cannot be {value(mark.resource)}", 'write it like resource="file:{path}"'


def _bound(mark: ToolMark, settings: Any) -> Callable[[Mapping[str, Any]], bool] | None:
    when = mark.idempotent
    return None if isinstance(when, bool) else lambda args: when(args, settings)


def _fields(
    function: Callable[..., Any], wrong: Callable[[str, str], ToolDeclarationError]
) -> tuple[dict[str, Any], str | None]:
    try:
        hints = typing.get_type_hints(function, include_extras=True)
    except Exception as error:
        raise wrong(f"a type cannot be resolved: {error}", "import it at the top of the module") from None
    fields: dict[str, Any] = {}
    context_parameter: str | None = None
    for parameter in inspect.signature(function).parameters.values():
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            raise wrong(f"takes *{parameter.name}", "name every parameter; its type is its schema")
        if parameter.kind is parameter.POSITIONAL_ONLY:
            raise wrong(f"parameter {parameter.name!r} is positional only", "remove the / in its signature")
        if parameter.name not in hints:
            raise wrong(f"parameter {parameter.name!r} has no type", "annotate it; its type is its schema")
        hint = hints[parameter.name]
        if hint is ToolContext:
            context_parameter = parameter.name
            continue
        default = ... if parameter.default is parameter.empty else parameter.default
        fields[_FIELD + parameter.name] = (hint, Field(default, alias=parameter.name))
    return fields, context_parameter


def _check_template(
    template: str, names: set[str], wrong: Callable[[str, str], ToolDeclarationError]
) -> None:
    try:
        parts = list(string.Formatter().parse(template))
    except ValueError as error:
        raise wrong(f"resource {template!r}: {error}", "write it like file:{path}") from None
    for _, name, form, conversion in parts:
        # Only plain names: a template must not reach into what an argument is made of.
        if name is not None and (name not in names or form or conversion):
            raise wrong(f"resource {template!r} names {name!r}", f"use of its parameters: {sorted(names)}")
