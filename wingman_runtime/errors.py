"""One tree of errors. Each says what happened, where, and what to do next.

    WingmanError                      exit code
    ├── UsageError                    2   the call was wrong; change the call
    │   └── ConfigError               2   a file is wrong: ``where`` is file:line
    │       ├── FlowError
    │       ├── PolicyError
    │       ├── ManifestError
    │       ├── AgentCodeError
    │       └── ToolDeclarationError
    ├── ContractError                 1   an event or payload does not fit its contract
    │   ├── NewerSchemaError              of a later version: keep it for a release that reads that
    │   └── UnknownVariantError           of a variant not known here, which its event says to pass over
    ├── NotFoundError                 3   no such request, approval, agent …
    ├── DeniedError                   4   a policy or a rule said no; do not retry
    ├── StillPendingError             5   not ended yet; ask again later
    ├── ConflictError                 6   same idempotency key, other body; or a lost compare-and-set
    ├── AdmissionClosedError          7   overloaded or halted; the caller may retry after ``retry_after`` s
    ├── BackendError                  7   the server cannot be reached or used
    │   ├── BackendUnreachableError       retry when it is back
    │   │   └── UnconfirmedError          written, but not by enough replicas: send the same again
    │   └── BackendRefusedError           wrong version, password, rights: do not retry
    ├── IntegrityError                1   the audit trail does not verify
    ├── ToolError                     1   raised by tools: ``retryable`` says who may retry
    ├── TerminalError                 1   raised by agents: no further attempt will help
    └── RetryLaterError               1   raised by agents: try again, ``retry_after`` s from now

Only `AdmissionClosedError`, `BackendUnreachableError`, `StillPendingError`, `RetryLaterError` and a
`ToolError` with ``retryable`` may be retried by whoever caught them; every other error stays true until
somebody changes something. `may_retry` says so; an agent's attempts go by it.
"""

from __future__ import annotations


class WingmanError(Exception):
    """Base of all errors raised on purpose.

    Args:
        message: what happened, for a person.
        where: the place to look at: ``file:line``, a key, a request id.
        hint: the next thing to do, in the imperative.
    """

    exit_code = 1

    def __init__(self, message: str, *, where: str | None = None, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.where = where
        self.hint = hint

    def __str__(self) -> str:
        text = f"{self.where}: {self.message}" if self.where else self.message
        return f"{text}\n  → {self.hint}" if self.hint else text


class UsageError(WingmanError):
    exit_code = 2


class ConfigError(UsageError):
    """A file of the project is wrong; ``where`` names file and line."""


class FlowError(ConfigError):
    pass


class PolicyError(ConfigError):
    pass


class ManifestError(ConfigError):
    pass


class AgentCodeError(ConfigError):
    """An agent's Python is wrong: its import, function or events; ``where`` is in its ``.py`` file."""


class ToolDeclarationError(ConfigError):
    pass


class ContractError(WingmanError):
    """An event or payload does not fit its contract; ``where`` is the path inside it."""


class NewerSchemaError(ContractError):
    """An event that this release cannot read yet: it is kept for one that can.

    Args:
        version: the version it was written with.
        needs: the least version of its model that reads it.
    """

    def __init__(self, message: str, *, version: str, needs: str) -> None:
        super().__init__(message, where="dataschema", hint="it waits for a worker of a later release")
        self.version = version
        self.needs = needs


class UnknownVariantError(ContractError):
    """A variant of a union that the reader does not know, of an event with ``unknown_variant = "ignore"``."""


class NotFoundError(WingmanError):
    exit_code = 3


class DeniedError(WingmanError):
    exit_code = 4


class StillPendingError(WingmanError):
    exit_code = 5


class ConflictError(WingmanError):
    exit_code = 6


class AdmissionClosedError(WingmanError):
    """The runtime takes no more work for now.

    Args:
        retry_after: seconds to wait before the next attempt.
    """

    exit_code = 7

    def __init__(self, message: str, *, retry_after: float, where: str | None = None) -> None:
        super().__init__(message, where=where, hint=f"retry after {retry_after:g} s")
        self.retry_after = retry_after


class BackendError(WingmanError):
    exit_code = 7


class BackendUnreachableError(BackendError):
    pass


class UnconfirmedError(BackendUnreachableError):
    """The primary wrote it, but fewer replicas than `redis.commit_quorum` have it: a failover may lose it."""


class BackendRefusedError(BackendError):
    pass


class IntegrityError(WingmanError):
    pass


class ToolError(WingmanError):
    """A tool says it failed, and knows that nothing was done.

    Args:
        retryable: trying again may help (a timeout before sending, a lock); default False.
        retry_after: seconds to wait before that, at least.
    """

    def __init__(
        self, message: str, *, retryable: bool = False, hint: str | None = None, retry_after: float = 0.0
    ) -> None:
        super().__init__(message, hint=hint)
        self.retryable = retryable
        self.retry_after = retry_after


class TerminalError(WingmanError):
    """An agent knows that no further attempt will help: its event goes to the dead letters now."""


class RetryLaterError(WingmanError):
    """An agent wants another attempt, and not before a while. It counts as an attempt like any other.

    Args:
        retry_after: seconds to wait, at least.
    """

    def __init__(self, message: str, *, retry_after: float, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.retry_after = retry_after


def may_retry(error: BaseException) -> bool:
    """Whether trying again may help, as far as the error says. What is not ours says nothing: it may."""
    if isinstance(error, ToolError):
        return error.retryable
    passing = (AdmissionClosedError, BackendUnreachableError, StillPendingError, RetryLaterError)
    return not isinstance(error, WingmanError) or isinstance(error, passing)
