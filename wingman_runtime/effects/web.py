"""The way out to other hosts. Implements `contracts.tool.Http`.

One call:

1. The address in its one spelling; its host listed; its network address looked up once and checked.
2. A connection of its own to that very address, so that no second look-up can lead elsewhere, and none is
   shared between hosts. No proxy, no cookies, no credentials from the machine's environment.
3. The body read up to a limit, decompressed up to the same.
4. What it means: 2xx was done. 4xx, a refusal of ours and whatever happened before the first byte was sent:
   nothing was done (ToolError). Anything later, and 5xx: it may have been done (`WebUnclearError`).

Repeating is not decided here: `effects.call` does, by what the tool declares.
"""

from __future__ import annotations

import asyncio
import email.utils
import os
import re
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, Final

import httpx

from wingman_runtime.contracts.canonical import canonical
from wingman_runtime.contracts.tool import HttpReply
from wingman_runtime.effects.web_address import SAFE, Resolve, addresses, listed, look_up, repeatable
from wingman_runtime.effects.web_body import Body, read_body
from wingman_runtime.effects.web_url import WebUrl, join_url, parse_url
from wingman_runtime.errors import ContractError, ToolError
from wingman_runtime.settings import Http, HttpHost

REDIRECTS: Final = 3
PLAN_HEADERS: Final = frozenset({"accept", "accept-language", "if-match", "if-none-match", "prefer"})
"""Headers that every plan may set. Others can name a user, a route, a method: a host's entry lists them."""
_NEVER: Final = re.compile(
    r"host|content-length|transfer-encoding|connection|te|upgrade|trailer|proxy-.*|cookie|idempotency-key"
    r"|accept-encoding|x-http-method.*|x-method-override"
)
_KEPT: Final = ("content-type", "etag", "last-modified", "location", "retry-after", "x-request-id")
_KEPT_LENGTH: Final = 500
_SLACK: Final = 0.5  # seconds
_MASK: Final = "********"
_ANSWERED_ELSEWHERE: Final = frozenset({301, 302, 307, 308})


class WebUnclearError(RuntimeError):
    """The call may have been done.

    Args:
        retry_after: seconds the server asked to be left alone for.
    """

    def __init__(self, message: str, *, retry_after: float = 0.0) -> None:
        super().__init__(message)
        self.retry_after = retry_after


@dataclass(slots=True)
class _Request:
    method: str
    url: WebUrl
    headers: dict[str, str]
    content: bytes | None
    key: str
    until: float
    gone_is_done: bool = False
    sent: bool = False
    """The first byte has left; from now on nobody can say that nothing was done."""


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    headers: httpx.Headers
    body: Body


class Web:
    """Calls to listed hosts. Safe to share; holds no connection between two calls.

    Args:
        settings: hosts, sizes, times.
        resolve: looks names up; the system's resolver when left out.
        environ: where secrets are looked up by name; the process's environment when left out.
    """

    def __init__(
        self, settings: Http, *, resolve: Resolve = look_up, environ: Mapping[str, str] | None = None
    ) -> None:
        self._settings = settings
        self._resolve = resolve
        self._environ = os.environ if environ is None else environ
        self._tls: ssl.SSLContext | None = None

    async def send(
        self,
        method: str,
        url: str,
        *,
        key: str,
        headers: Mapping[str, str] | None = None,
        json: Any = None,
        gone_is_done: bool = False,
    ) -> HttpReply:
        """Make one call, redirects of ours to follow included.

        Raises:
            ToolError: nothing was done.
            WebUnclearError: it may have been done.
        """
        try:
            parsed = parse_url(url)
        except ContractError as error:
            raise ToolError(f"the address {error.message}", hint=error.hint) from None
        content = None if json is None else canonical(json)
        if content is not None and len(content) > self._settings.request_bytes:
            raise ToolError(f"the body has {len(content)} bytes, the limit is {self._settings.request_bytes}")
        until = asyncio.get_running_loop().time() + self._settings.total
        request = _Request(method.upper(), parsed, dict(headers or {}), content, key, until, gone_is_done)
        try:
            # A little longer than a body may take: a slow one must not hide the status that came before it.
            async with asyncio.timeout_at(until + _SLACK):
                return await self._follow(request)
        except TimeoutError:
            raise _failed(request, f"no complete answer within {self._settings.total:g} s") from None

    def undo_problem(self, url: str, method: str, undo_url: str) -> str:
        """Why a call to ``url`` may not be undone by that other call; empty when it may."""
        call, undo = parse_url(url), parse_url(undo_url)
        entry = listed(self._settings.allow, undo)
        if undo.origin != call.origin or entry is None:
            return "an undoing call goes to the very host of the call"
        # The rollback gate asks about the call's resource; so an undoing may reach no further than that.
        below = undo.path == call.path or undo.path.startswith(call.path.rstrip("/") + "/")
        if not below and not any(fnmatchcase(undo.path, pattern) for pattern in entry.undo):
            return f"{undo.path} is not below {call.path}, and no undo: of the host's entry lists it"
        if not repeatable(method, undo_url, self._settings):
            return f"{method} may have to be repeated, and the host's entry does not say idempotency: true"
        return ""

    async def _follow(self, request: _Request) -> HttpReply:
        entry = self._entry(request.url)
        secrets = self._secrets(entry)
        for _ in range(REDIRECTS + 1):
            answer = await self._ask(request, entry, secrets)
            masked = tuple(secrets.values())
            if answer.status not in _ANSWERED_ELSEWHERE and not (
                answer.status == 303 and request.method in SAFE
            ):
                return _meaning(request, answer, masked)
            following = self._next(request, answer)
            if following.url.origin != request.url.origin:  # nor are they given back by a redirect home
                secrets, following.headers = {}, {}
            request.url, request.headers = following.url, following.headers
            entry = self._entry(request.url)
        raise _failed(request, f"more than {REDIRECTS} redirects")

    def _next(self, request: _Request, answer: _Answer) -> _Request:
        """Where a redirect leads; ToolError or WebUnclearError when it may not be followed."""
        location = answer.headers.get("location", "")
        if request.method not in SAFE and answer.status in (301, 302):
            # Some servers mean "done, look there", others "not here": nobody can say which.
            said = f"answered with {answer.status} and Location {location[:200]!r}"
            raise WebUnclearError(f"{request.method} {request.url.netloc} was {said}: it may have been done")
        try:
            url = join_url(request.url, location)
        except ContractError as error:
            raise _refused(request, f"redirected to an address that {error.message}") from None
        if request.url.scheme == "https" and url.scheme == "http":
            raise _refused(request, f"redirected from https to http at {url.host}")
        if request.method not in SAFE and url.origin != request.url.origin:
            raise _refused(request, f"redirected to another origin, {url.netloc}: a body is not sent on")
        return _Request(request.method, url, request.headers, request.content, request.key, request.until)

    def _entry(self, url: WebUrl) -> HttpHost:
        entry = listed(self._settings.allow, url)
        if entry is None:
            raise ToolError(f"{url.netloc} is not listed", hint="list host or host:port under http.allow")
        return entry

    def _secrets(self, entry: HttpHost) -> dict[str, str]:
        found = {}
        for header, variable in entry.secrets.items():
            value = self._environ.get(variable, "")
            if not re.fullmatch(r"[!-~]([ !-~]*[!-~])?", value):
                what = "is not set" if not value else "holds no header value"
                hint = "set it for the workers"
                raise ToolError(f"the variable {variable} for {entry.host} {what}", hint=hint)
            found[header] = value
        return found

    async def _ask(self, request: _Request, entry: HttpHost, secrets: Mapping[str, str]) -> _Answer:
        headers = self._headers(request, entry, secrets)
        problem = ""
        for address in (await addresses(entry, request.url, self._resolve))[:4]:
            try:
                return await self._exchange(request, address, headers)
            except httpx.HTTPError as error:
                problem = f"{type(error).__name__} at {request.url.netloc}: {_text(error, secrets)}"
                if request.sent:
                    break
        raise _failed(request, problem) from None

    def _headers(self, request: _Request, entry: HttpHost, secrets: Mapping[str, str]) -> dict[str, str]:
        allowed = PLAN_HEADERS | {name.lower() for name in entry.plan_headers}
        taken = {name.lower() for name in secrets}
        headers = {"Host": request.url.netloc, "User-Agent": "wingman-runtime", "Accept-Encoding": "gzip"}
        for name, value in request.headers.items():
            lower = name.lower()
            if _NEVER.fullmatch(lower) or lower not in allowed or lower in taken:
                raise ToolError(
                    f"a plan may not set the header {name[:100]!r} for {entry.host}",
                    hint="list it under plan_headers, or its variable under secrets, in http.allow",
                )
            if not re.fullmatch(r"[!-~]([ !-~]*[!-~])?", value):
                raise ToolError(f"the header {name} has characters that no header may have")
            headers[name] = value
        headers.setdefault("Accept", "application/json, text/plain;q=0.9, */*;q=0.1")
        headers |= secrets
        if request.method not in SAFE:
            headers["Idempotency-Key"] = f'"{request.key}"'
        if request.content is not None:
            headers["Content-Type"] = "application/json"
        return headers

    async def _exchange(self, request: _Request, address: str, headers: Mapping[str, str]) -> _Answer:
        url = request.url
        host = f"[{address}]" if ":" in address else address
        limit = self._settings

        async def trace(event: str, info: Mapping[str, Any]) -> None:
            if event.endswith("send_request_headers.started"):
                request.sent = True

        transport = httpx.AsyncHTTPTransport(
            verify=self._context() if url.scheme == "https" else False, trust_env=False, http2=False
        )
        timeout = httpx.Timeout(limit.read, connect=limit.connect)
        async with transport:
            out = httpx.Request(
                request.method,
                httpx.URL(f"{url.scheme}://{host}:{url.port}").copy_with(raw_path=url.target.encode()),
                headers=dict(headers),
                content=request.content,
                extensions={"timeout": timeout.as_dict(), "sni_hostname": url.host, "trace": trace},
            )
            answer = await transport.handle_async_request(out)
            try:
                body = await read_body(answer, limit.response_bytes, until=request.until)
            finally:
                await answer.aclose()
        return _Answer(answer.status_code, answer.headers, body)

    def _context(self) -> ssl.SSLContext:
        if self._tls is None:  # a tenth of a second to make, so once
            ca_file = self._settings.ca_file
            if ca_file is None:
                self._tls = httpx.create_ssl_context(trust_env=False)
            else:
                try:
                    self._tls = ssl.create_default_context(cafile=str(ca_file))
                except OSError as error:
                    problem = f"{ca_file}: {error.strerror or error}"
                    raise ToolError(problem, hint="mend http.ca_file") from None
        return self._tls


def _meaning(request: _Request, answer: _Answer, secrets: tuple[str, ...]) -> HttpReply:
    """What an answer says about the world."""
    status, body = answer.status, answer.body.masked(secrets, _MASK)
    said = f"{request.method} {request.url.netloc}{request.url.path} was answered with {status}"
    if body.excerpt:
        said += f": {body.excerpt}"
    after = _retry_after(answer.headers.get("retry-after", ""))
    if status >= 500:
        if request.method in SAFE:
            raise ToolError(said, retryable=status in (502, 503, 504), retry_after=after)
        raise WebUnclearError(said, retry_after=after)
    if status == 429:
        raise ToolError(said, retryable=True, retry_after=after)
    gone = request.gone_is_done and request.method == "DELETE" and status in (404, 410)
    if status >= 400 and not gone:
        raise ToolError(said)
    if not 200 <= status < 300 and status != 303 and not gone:
        raise _refused(request, said)
    if body.problem and request.method in SAFE:
        raise ToolError(f"{said}, but its body: {body.problem}")
    kept = {name: answer.headers[name][:_KEPT_LENGTH] for name in _KEPT if name in answer.headers}
    for secret in secrets:
        kept = {name: value.replace(secret, _MASK) for name, value in kept.items()}
    value, problems = body.value(kept.get("content-type", ""))
    return HttpReply(status=status, url=str(request.url), headers=kept, body=value, problems=problems)


def _failed(request: _Request, message: str) -> Exception:
    """The call came to no answer."""
    if request.method in SAFE or not request.sent:
        return ToolError(message, retryable=True)
    return WebUnclearError(message)


def _refused(request: _Request, message: str) -> Exception:
    """An answer we do not act on: with 307 and 308 a server says it did nothing."""
    return ToolError(message, hint="write the final address into the plan, and list its host")


def _text(error: Exception, secrets: Mapping[str, str]) -> str:
    text = str(error) or type(error).__name__
    for secret in secrets.values():
        text = text.replace(secret, _MASK)
    return text[:300]


def _retry_after(text: str) -> float:
    """Seconds of a Retry-After header, in either form; 0 for none."""
    if re.fullmatch(r"[0-9]{1,6}", text.strip()):
        return float(text)
    try:
        return max(0.0, email.utils.parsedate_to_datetime(text).timestamp() - time.time())
    except (TypeError, ValueError):
        return 0.0
