"""The one place where errors of the Redis library become ours, each saying what to do next.

    refused           do not retry  wrong password, missing right, many-node cluster, bad certificate
    unreachable       retry later   nobody listens, timeout, loading, its disk is full, busy, no free slot,
                                    a replica since a failover, without its primary, an inbox gone
    admission closed  retry later   out of memory

A timeout on a write says nothing about whether the write happened. The scripts are made to be repeated, so
the caller asks again; the library itself never does.
"""

from __future__ import annotations

from types import TracebackType
from typing import Self

from redis import exceptions as raw

from wingman_runtime.errors import (
    AdmissionClosedError,
    BackendError,
    BackendRefusedError,
    BackendUnreachableError,
    WingmanError,
)

OOM_RETRY_AFTER = 1.0
"""Seconds; DESIGN §13."""

CERTIFICATE_HINT = "name its files in the settings redis.cert_file and redis.key_file"

_REFUSED: tuple[tuple[str, str, str], ...] = (
    # start or part of the server's words, what it means, what to do
    ("WRONGPASS", "the server does not accept this user and password", "check user and password in the URL"),
    ("invalid password", "the server does not accept this password", "check the password in the URL"),
    (
        "invalid username-password",
        "the server does not accept this user and password",
        "check them in the URL",
    ),
    ("NOAUTH", "the server wants a password", "put it into the URL: redis://user:password@host:6379/0"),
    (
        "Authentication required",
        "the server wants a password",
        "put it into the URL: redis://user:password@host",
    ),
    ("without any password configured", "a password was given, but the server has none", "leave it out"),
    (
        "NOPERM",
        "the ACL user lacks a right",
        "grant it with ACL SETUSER; the server's words name the command",
    ),
    ("no permissions", "the ACL user lacks a right", "grant it with ACL SETUSER; the server's words name it"),
    ("CROSSSLOT", "a command touched keys of two slots", "this is a bug of the runtime; please report it"),
    (
        "CERTIFICATE_VERIFY_FAILED",
        "the server's certificate is not trusted",
        "give the CA file it is signed by",
    ),
    ("certificate required", "the server wants a client certificate", CERTIFICATE_HINT),
    ("WRONG_VERSION_NUMBER", "the server does not speak TLS on this port", "use redis:// or its TLS port"),
    ("record layer failure", "the server does not speak TLS on this port", "use redis:// or its TLS port"),
    ("unknown command", "the server does not know a command", "use Redis >= 7 or Valkey >= 8"),
    ("DB index is out of range", "the server has no database of this number", "use database 0"),
)

_DEMOTED = ("the server is a read-only replica", "it was demoted, or the URL should point to the primary")

_UNREACHABLE: tuple[tuple[str, str, str], ...] = (
    ("READONLY", *_DEMOTED),
    ("You can't write against a read only", *_DEMOTED),
    ("UNBLOCKED", *_DEMOTED),
    (
        "no sentinel names a primary",
        "the sentinels do not tell where the primary is",
        "see whether they run, and the service's name in the URL",
    ),
    (
        "NOGROUP",
        "an inbox or its consumer group is gone",
        "somebody deleted it or emptied the server; workers make it anew while a policy bundle is in force",
    ),
    ("LOADING", "the server is loading its data", "try again in a moment"),
    ("loading the dataset", "the server is loading its data", "try again in a moment"),
    ("MISCONF", "the server cannot write to its disk", "free space on its disk and see its log"),
    ("BUSY ", "the server is busy with a long script", "try again; if it stays so, SCRIPT KILL"),
    ("NOREPLICAS", "too few replicas to write", "try again when they are back"),
    ("max number of clients", "the server has no free connection", "raise maxclients, or end idle clients"),
    ("Name or service not known", "the host name of the URL does not resolve", "check the host in the URL"),
    ("nodename nor servname", "the host name of the URL does not resolve", "check the host in the URL"),
    ("No address associated", "the host name of the URL does not resolve", "check the host in the URL"),
)

_CUT_OFF = (
    "reset by peer",
    "closed by server",
    "connection lost",
    "broken pipe",
    "eof occurred",
    "handshake failure",
)
"""How the library tells that the other side ended the connection, in small letters."""


def translate(error: BaseException, where: str | None = None) -> WingmanError:
    """The error of ours that says what an error of the Redis library means. One of ours comes back unchanged.

    Args:
        error: what was raised.
        where: the server, without its password.
    """
    if isinstance(error, WingmanError):
        return error
    words = _words(error)
    if isinstance(error, raw.OutOfMemoryError) or words.startswith("OOM"):
        return AdmissionClosedError(
            "the server's memory is full (maxmemory); it takes no new work until some is done",
            retry_after=OOM_RETRY_AFTER,
            where=where,
        )
    for part, meaning, hint in _REFUSED:
        if part in words:
            return BackendRefusedError(f"{meaning} ({words})", where=where, hint=hint)
    for part, meaning, hint in _UNREACHABLE:
        if part in words:
            return BackendUnreachableError(f"{meaning} ({words})", where=where, hint=hint)
    return _by_kind(error, words, where)


def translate_first(error: BaseException, where: str, *, certificate: bool) -> WingmanError:
    """The same, for an error before the first answer over TLS: a connection cut off there has a likely cause.

    A client has shaken hands before the server has seen its certificate (TLS 1.3). What refuses it sends an
    alert and closes; a reset, which closing on unread bytes brings about, may overtake that alert.

    Args:
        error: what was raised.
        where: the server, without its password.
        certificate: we have one to show.
    """
    meant = translate(error, where)
    words = _words(error)
    if not isinstance(meant, BackendUnreachableError) or not any(part in words.lower() for part in _CUT_OFF):
        return meant
    cause, hint = "it wants a client certificate", CERTIFICATE_HINT
    if certificate:
        cause, hint = "it does not accept our client certificate", "see which authority it asks for"
    return BackendUnreachableError(
        f"the server cut the TLS connection off before it answered; likely {cause} ({words})",
        where=where,
        hint=f"{hint}; its log tells more",
    )


def _by_kind(error: BaseException, words: str, where: str | None) -> WingmanError:
    if isinstance(error, raw.AuthenticationError | raw.AuthorizationError):
        return BackendRefusedError(
            f"the server refuses the login ({words})", where=where, hint="check user and password in the URL"
        )
    if isinstance(error, raw.NoPermissionError):
        return BackendRefusedError(
            f"the ACL user lacks a right ({words})", where=where, hint="grant it with ACL SETUSER"
        )
    if isinstance(error, raw.MaxConnectionsError) or "No connection available" in words:
        return BackendUnreachableError(
            "all connections to the server are in use",
            where=where,
            hint="allow more connections, or do less at once",
        )
    if isinstance(error, raw.MasterDownError):
        return BackendUnreachableError(
            f"the server has lost its primary ({words})", where=where, hint="try again when it is back"
        )
    if isinstance(error, raw.ClusterDownError):
        return BackendUnreachableError(
            f"the cluster is down ({words})", where=where, hint="check CLUSTER INFO"
        )
    if isinstance(error, raw.MovedError):
        return BackendRefusedError(
            f"the keys live on another node of a cluster ({words})",
            where=where,
            hint="use a server that holds all slots",
        )
    if "Timeout connecting" in words:
        tls = " and whether this port speaks TLS" if (where or "").startswith("rediss:") else ""
        return BackendUnreachableError(
            f"no connection in time ({words})", where=where, hint=f"check host and port{tls}"
        )
    if isinstance(error, raw.TimeoutError | TimeoutError):
        return BackendUnreachableError(
            f"the server did not answer in time ({words})",
            where=where,
            hint="see whether it runs and its disk keeps up; what was sent may have happened",
        )
    if isinstance(error, raw.ConnectionError | OSError):
        return BackendUnreachableError(
            f"the server cannot be reached ({words})",
            where=where,
            hint="see whether it runs and the URL is right; without a URL, an embedded server is started",
        )
    return BackendError(f"the server answered with an error ({words})", where=where)


def _words(error: BaseException) -> str:
    """The first line of what the library says and of what it was caused by."""
    seen: list[str] = []
    step: BaseException | None = error
    while step is not None and len(seen) < 3:
        text = str(step).strip().splitlines()
        if text and text[0] not in seen:
            seen.append(text[0])
        step = step.__cause__
    return "; ".join(seen) or type(error).__name__


class backend_errors:  # noqa: N801 - reads as a statement: `async with backend_errors(url):`
    """Turn what the Redis library raises inside the block into errors of ours; for ``with``, ``async with``.

    Args:
        where: the server, without its password.
    """

    __slots__ = ("_where",)

    def __init__(self, where: str | None = None) -> None:
        self._where = where

    def _translate(self, error: BaseException) -> WingmanError:
        return translate(error, self._where)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, raw.RedisError | OSError):
            raise self._translate(error) from error

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.__exit__(kind, error, trace)


class first_errors(backend_errors):  # noqa: N801 - as above
    """The same around the first exchange over TLS.

    Args:
        where: the server, without its password.
        certificate: we have a client certificate to show.
    """

    __slots__ = ("_certificate",)

    def __init__(self, where: str, *, certificate: bool) -> None:
        super().__init__(where)
        self._certificate = certificate

    def _translate(self, error: BaseException) -> WingmanError:
        return translate_first(error, self._where or "", certificate=self._certificate)
