"""Calls to other hosts: one that reads, one that names its undoing, one that cannot be undone.

What a host may be, which of its answers mean what, and when a call may be repeated: `effects.web`. Here is
how a plan says it: the method and address are the resource that policies judge, and the undoing call is part
of the arguments, so that whoever approves the plan sees both.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal
from urllib.parse import quote

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, JsonValue

from wingman_runtime.contracts.tool import Http, HttpReply, Result, ToolContext, tool
from wingman_runtime.effects.web_address import repeatable
from wingman_runtime.effects.web_url import parse_url
from wingman_runtime.errors import ContractError, ToolError
from wingman_runtime.settings import Settings

_SECONDS: Final = 30.0  # more than `http.total` may be: the call ends itself and says what it knows
_PLACEHOLDER: Final = re.compile(r"\{\{\s*response((?:\.[A-Za-z0-9_-]+)+)\s*\}\}")
_STAND_IN: Final = "wingman-placeholder-{}-"
_UNFILLED: Final = "unfilled"


def _one_spelling(text: str) -> str:
    try:
        return str(parse_url(text))
    except ContractError as error:
        raise ValueError(f"the address {error.message}" + (f"; {error.hint}" if error.hint else "")) from None


def _template(text: str) -> str:
    """An address with placeholders, in the one spelling of what stands around them."""
    marks = [match.group(0) for match in _PLACEHOLDER.finditer(text)]
    numbers = iter(range(len(marks)))
    plain = _one_spelling(_PLACEHOLDER.sub(lambda match: _STAND_IN.format(next(numbers)), text))
    if "wingman-placeholder" in parse_url(plain).host:
        raise ValueError("the host of an undoing call may hold no placeholder")
    for number, mark in enumerate(marks):
        plain = plain.replace(_STAND_IN.format(number), mark)
    return plain


def _header(text: str) -> str:
    if not re.fullmatch(r"[!-~]([ !-~]*[!-~])?", text):
        raise ValueError("holds a line break or another character that no header may have")
    return text


def _filled(value: Any) -> Any:
    if isinstance(value, Mapping) and _UNFILLED in value:
        raise ValueError(str(value[_UNFILLED]))
    return value


Url = Annotated[
    str, Field(description="http:// or https:// address of a listed host"), AfterValidator(_one_spelling)
]
HeaderName = Annotated[str, Field(pattern=r"^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}$")]
HeaderValue = Annotated[str, Field(max_length=2000), AfterValidator(_header)]
Headers = Annotated[dict[HeaderName, HeaderValue], Field(max_length=20)]
Changing = Literal["POST", "PUT", "PATCH", "DELETE"]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Undo(_Frozen):
    """The call that undoes this one; ``{{ response.id }}`` stands for a field of the answer."""

    method: Changing
    url: Annotated[str, Field(max_length=2000), AfterValidator(_template)]
    json_: Annotated[JsonValue, Field(alias="json")] = None


class UndoCall(_Frozen):
    """The same with every placeholder filled in, as the ledger keeps it."""

    method: Changing
    url: Url
    json_: Annotated[JsonValue, Field(alias="json")] = None


def resource_of(args: Mapping[str, Any]) -> str:
    """``http:METHOD host/path``."""
    return f"http:{args.get('method', 'GET')} {parse_url(str(args['url'])).resource}"


def _again(args: Mapping[str, Any], settings: Settings) -> bool:
    return repeatable(str(args["method"]), str(args["url"]), settings.http)


@tool(
    "http.get",
    risk="low",
    timeout=_SECONDS,
    idempotent=True,
    compensation="http.undo",
    resource=resource_of,
)
async def get(url: Url, context: ToolContext, headers: Headers = {}) -> Result:  # noqa: B006 - read only
    """Read from another host."""
    reply = await _web(context).send("GET", url, key=context.key, headers=headers)
    return Result(_recorded(reply), undo={"call": None})


@tool(
    "http.call",
    risk="medium",
    timeout=_SECONDS,
    idempotent=_again,
    compensation="http.undo",
    resource=resource_of,
)
async def call(
    *,
    method: Changing,
    url: Url,
    undo: Undo,
    context: ToolContext,
    json: JsonValue = None,
    headers: Headers = {},  # noqa: B006 - read only
) -> Result:
    """Change something at another host, by a call that another call undoes."""
    web = _web(context)
    shape = _PLACEHOLDER.sub("placeholder", undo.url)
    problem = web.undo_problem(url, undo.method, shape)
    if problem:
        raise ToolError(f"it could not be undone: {problem}", hint="mend undo, or http.allow")
    reply = await web.send(method, url, key=context.key, headers=headers, json=json)
    return Result(_recorded(reply), undo={"call": _undoing(web, url, undo, reply)})


@tool(
    "http.send",
    risk="high",
    timeout=_SECONDS,
    idempotent=_again,
    irreversible=True,
    resource=resource_of,
)
async def send(
    *,
    method: Changing,
    url: Url,
    context: ToolContext,
    json: JsonValue = None,
    headers: Headers = {},  # noqa: B006 - read only
) -> dict[str, Any]:
    """Change something at another host that nothing undoes."""
    return _recorded(await _web(context).send(method, url, key=context.key, headers=headers, json=json))


@tool("http.undo", risk="low", timeout=_SECONDS, idempotent=True, undo_only=True)
async def undo(
    call: Annotated[UndoCall | None, BeforeValidator(_filled)], context: ToolContext
) -> dict[str, Any]:
    """Undo a call by the one it named; a reading one needs none."""
    if call is None:
        return {"undone": "it changed nothing"}
    web = _web(context)
    problem = web.undo_problem(call.url, call.method, call.url)  # the settings may have changed since
    if problem:
        raise ToolError(problem)
    return _recorded(
        await web.send(call.method, call.url, key=context.key, json=call.json_, gone_is_done=True)
    )


def _web(context: ToolContext) -> Http:
    if context.http is None:
        raise ToolError("this runtime gives tools no way to other hosts")
    return context.http


def _recorded(reply: HttpReply) -> dict[str, Any]:
    row = {"status": reply.status, "url": reply.url, "headers": dict(reply.headers), "body": reply.body}
    return row if not reply.problems else {**row, "problems": list(reply.problems)}


def _undoing(web: Http, url: str, undo: Undo, reply: HttpReply) -> dict[str, Any]:
    """The undoing call, placeholders filled in; or why it cannot be, for the effect's record."""
    try:
        filled = _PLACEHOLDER.sub(lambda match: _as_segment(match, reply), undo.url)
        made = _one_spelling(filled)
        problem = web.undo_problem(url, undo.method, made)
        if problem:
            raise ValueError(problem)
        return {"method": undo.method, "url": made, "json": _fill(undo.json_, reply)}
    except ValueError as error:
        return {_UNFILLED: str(error)}


def _fill(value: Any, reply: HttpReply) -> Any:
    if isinstance(value, str):
        alone = _PLACEHOLDER.fullmatch(value)
        if alone is not None:
            return _look_up(alone, reply)
        return _PLACEHOLDER.sub(lambda match: _as_text(match, reply), value)
    if isinstance(value, Mapping):
        return {key: _fill(item, reply) for key, item in value.items()}
    if isinstance(value, list):
        return [_fill(item, reply) for item in value]
    return value


def _look_up(match: re.Match[str], reply: HttpReply) -> Any:
    value = reply.body
    for part in match.group(1).split(".")[1:]:
        if isinstance(value, Mapping) and part in value:
            value = value[part]
        elif isinstance(value, list) and part.isdecimal() and int(part) < len(value):
            value = value[int(part)]
        else:
            raise ValueError(f"the answer has no response{match.group(1)}")
    return value


def _as_text(match: re.Match[str], reply: HttpReply) -> str:
    value = _look_up(match, reply)
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise ValueError(f"response{match.group(1)} is neither text nor a whole number")
    return str(value)


def _as_segment(match: re.Match[str], reply: HttpReply) -> str:
    """One segment of a path: an answer must not lead the undoing elsewhere."""
    text = _as_text(match, reply)
    if text in ("", ".", "..") or len(text) > 200:
        raise ValueError(f"response{match.group(1)} is no segment of a path")
    return quote(text, safe="")
