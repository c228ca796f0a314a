"""What plans and scopes say about tools and tenants, held against the tools and tenants there are.

Only what fails for every request is a problem here: a value that a request fills in is not known yet.
"""

from __future__ import annotations

import string
from collections.abc import Collection, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import orjson
from pydantic import ValidationError

from wingman_runtime.contracts import wording
from wingman_runtime.errors import ConfigError
from wingman_runtime.project.template import Later, Placeholder, Text
from wingman_runtime.yamlfile import suggestion

if TYPE_CHECKING:
    from wingman_runtime.effects.registry import ToolRegistry
    from wingman_runtime.effects.tool import ToolSpec
    from wingman_runtime.project.planners import PlannerBook, TemplatePlanner
    from wingman_runtime.project.scopes import ScopeBook

_OPEN = object()


def plan_problems(planners: PlannerBook, tools: ToolRegistry) -> Iterator[ConfigError]:
    """Templates whose steps can never be valid: an unknown tool, arguments it does not take."""
    for template in planners.templates():
        for index, (tool, args) in enumerate(template.steps):
            if tool not in tools.names():
                yield ConfigError(
                    f"plan {template.name!r}: no tool {tool!r}",
                    where=template.located.where("steps", index, "tool"),
                    hint=_known(tool, tools.names()),
                )
                continue
            spec = tools.spec(tool)
            if spec.undo_only:
                yield ConfigError(
                    f"plan {template.name!r}: {tool} only undoes; a plan cannot call it",
                    where=template.located.where("steps", index, "tool"),
                    hint="leave it to the rollback",
                )
                continue
            yield from _argument_problems(template, index, spec, args)


def _argument_problems(
    template: TemplatePlanner, index: int, spec: ToolSpec, args: Mapping[str, Any]
) -> Iterator[ConfigError]:
    known = {name: _literal(value) for name, value in args.items()}
    missing, strange, wrong = [], [], []
    plain = {name: None if value is _OPEN else value for name, value in known.items()}
    try:
        spec.model.model_validate_json(orjson.dumps(plain), strict=True)
    except ValidationError as error:
        for item in error.errors(include_url=False):
            name = str(item["loc"][0]) if item["loc"] else ""
            if item["type"] == "missing" and len(item["loc"]) == 1:
                missing.append(name)
            elif item["type"] == "extra_forbidden" and len(item["loc"]) == 1:
                strange.append(name)
            elif known.get(name) is not _OPEN:
                path = ".".join(str(part) for part in item["loc"])
                wrong.append((name, f"argument {path}: {wording.plain(item, name=wording.value)}"))

    def told(message: str, hint: str, *inside: str) -> ConfigError:
        where = template.located.where("steps", index, *inside)
        return ConfigError(f"plan {template.name!r}: {spec.name} {message}", where=where, hint=hint)

    for name in strange:
        meant = suggestion(name, missing) or suggestion(name, spec.parameters)
        if meant and (right := meant.split("'")[1]) in missing:
            missing.remove(right)  # one mistake, not two
        hint = meant or f"it takes {', '.join(spec.parameters) or 'none'}"
        yield told(f"takes no argument {name!r}", hint, "args", name)
    for name in missing:
        yield told(f"lacks the argument {name!r}", f"add {name}: to its args", "args")
    for name, problem in wrong:
        hint = "a number or a truth value is written without quotes, text with them"
        yield told(problem, f"it takes {spec.schema_of(name)}; {hint}", "args", name)


def _literal(value: Any) -> Any:
    """Plain data without any placeholder, or `_OPEN` where a request has a say."""
    if isinstance(value, Text):
        if any(isinstance(part, Placeholder | Later) for part in value.parts):
            return _OPEN
        return "".join(str(part) for part in value.parts)
    if isinstance(value, Mapping):
        inner = {key: _literal(item) for key, item in value.items()}
        return _OPEN if any(item is _OPEN for item in inner.values()) else inner
    if isinstance(value, tuple | list):
        items = [_literal(item) for item in value]
        return _OPEN if any(item is _OPEN for item in items) else items
    return value


def scope_problems(scopes: ScopeBook, tools: ToolRegistry) -> Iterator[ConfigError]:
    """Resource patterns that no call of their tool can ever match: they begin with other words."""
    for scope in scopes.scopes():
        for tool, index, pattern in scope.placed():
            if tool not in tools.names() or (spec := tools.spec(tool)).resource_of is not None:
                continue
            ours, ours_whole = _pattern_start(pattern)
            theirs, theirs_whole = _template_start(spec.resource_template)
            if _may_meet(ours, ours_whole, theirs, theirs_whole):
                continue
            shape = "".join(f"{{{{ {part} }}}}" if isinstance(part, Placeholder) else part
                            for part in pattern.parts)  # fmt: skip
            yield ConfigError(
                f"scope {scope.name!r}: {shape!r} can never be a resource of {tool}",
                where=scopes.where(scope.name, "tools", tool, index),
                hint=f"its resources look like {spec.resource_template}; write {_wide(theirs, theirs_whole)}",
            )


def tenant_problems(scopes: ScopeBook, tenants: Collection[str]) -> Iterator[ConfigError]:
    """Tenants of scopes that ``config/principals.yaml`` does not declare: nobody could belong to them."""
    for scope in scopes.scopes():
        for index, tenant in enumerate(scope.entry.tenants):
            if tenant != "*" and tenant not in tenants:
                yield ConfigError(
                    f"scope {scope.name!r}: no tenant {tenant!r}",
                    where=scopes.where(scope.name, "tenants", index),
                    hint=suggestion(tenant, tenants) or "declare it in config/principals.yaml, under tenants",
                )


def _pattern_start(pattern: Text) -> tuple[str, bool]:
    """What every match begins with, and whether that is all of it."""
    first = pattern.parts[0]
    if isinstance(first, Placeholder):
        return "", False
    start, star, _ = first.partition("*")
    return start, not star and len(pattern.parts) == 1


def _template_start(template: str) -> tuple[str, bool]:
    parts = list(string.Formatter().parse(template))
    start = ""
    for text, name, _, _ in parts:
        start += text
        if name is not None:
            return start, False
    return start, True


def _may_meet(one: str, one_whole: bool, other: str, other_whole: bool) -> bool:
    if one_whole and other_whole:
        return one == other
    # A whole text must be at least as long as what the other begins with.
    return (not other_whole and one.startswith(other)) or (not one_whole and other.startswith(one))


def _wide(start: str, whole: bool) -> str:
    return repr(start if whole else f"{start}*")


def _known(name: str, known: Collection[str]) -> str:
    return suggestion(name, known) or f"known: {', '.join(sorted(known)) or 'none'}"
