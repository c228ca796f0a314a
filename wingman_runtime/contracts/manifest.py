"""An agent's declaration: its bounded job (P-01). What is missing here is refused at load."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from wingman_runtime.errors import may_retry

NAME_PATTERN = r"^[a-z][a-z0-9_]{0,47}$"
DOMAIN_PATTERN = r"^([a-z][a-z0-9_]{0,47})?$"


ERROR_PATTERN = r"^[A-Za-z_]\w*(\.[A-Za-z_]\w*)*$"
ErrorName = Annotated[str, Field(pattern=ERROR_PATTERN)]
"""An exception: ``ValueError``, or with its module, ``httpx.ConnectError``. Its subclasses are meant, too."""
LONGEST_DELAY = 86_400.0
"""Seconds; what an error asks for beyond it is cut."""


class RetryPolicy(BaseModel):
    """Attempts counted as deliveries; delays in seconds, growing from ``base`` to ``cap``.

    ``jitter``: ``full`` draws between 0 and the backoff, ``equal`` between half of it and all, ``none`` takes
    all. An error of ``terminal`` gets no further attempt. With ``retry_on`` only such an error gets one;
    without it every error but those of ours that stay true (`errors.may_retry`).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    attempts: int = Field(default=5, ge=1, le=100, examples=[5])
    base: float = Field(default=0.2, ge=0, examples=[0.2])
    cap: float = Field(default=30.0, ge=0, examples=[30])
    jitter: Literal["full", "equal", "none"] = Field(default="full", examples=["full"])
    terminal: tuple[ErrorName, ...] = Field(default=(), examples=[("ValueError",)])
    retry_on: tuple[ErrorName, ...] = Field(default=(), examples=[("TimeoutError",)])

    def ceiling(self, attempt: int) -> float:
        """Upper bound in seconds of the delay after failed attempt number ``attempt`` (1-based)."""
        return float(min(self.cap, self.base * 2 ** min(attempt - 1, 32)))

    def delay(self, attempt: int, chance: float, error: BaseException | None = None) -> float:
        """Seconds until the next attempt.

        Args:
            attempt: the one that failed, from 1.
            chance: drawn evenly between 0 and 1.
            error: what it failed with; one that names a ``retry_after`` is waited for at least that long.
        """
        top = self.ceiling(attempt)
        share = {"full": chance, "equal": 0.5 + chance / 2, "none": 1.0}[self.jitter]
        return min(_asked(error), LONGEST_DELAY) + top * share

    def is_terminal(self, error: BaseException) -> bool:
        """Whether ``error`` ends the attempts, however many are left."""
        kinds = type(error).__mro__
        names = {kind.__name__ for kind in kinds} | {
            f"{kind.__module__}.{kind.__qualname__}" for kind in kinds
        }
        if names & set(self.terminal):
            return True
        return not names & set(self.retry_on) if self.retry_on else not may_retry(error)


def _asked(error: BaseException | None) -> float:
    """Seconds that an error asks for; 0 for one whose ``retry_after`` is anything else, or itself fails."""
    try:
        asked = getattr(error, "retry_after", 0.0)
        return float(asked) if isinstance(asked, int | float) and asked > 0 else 0.0
    except Exception:
        return 0.0


class Manifest(BaseModel):
    """``agents/<name>/manifest.yaml``. Every field without a default must be written down."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(pattern=NAME_PATTERN, examples=["word_count"])
    version: str = Field(pattern=r"^\d+\.\d+\.\d+$", examples=["1.0.0"])
    purpose: str = Field(min_length=1, examples=["count the words of a request, for the record"])
    owner: str = Field(min_length=1, examples=["the letters team"])
    scope: str = Field(
        min_length=1,
        description="what the agent decides, and what it must not touch",
        examples=["Reads the parameters of a request. It decides nothing and touches nothing."],
    )
    handler: str = Field(
        pattern=r"^[A-Za-z_]\w*:[A-Za-z_]\w*$",
        description="module:function in its folder",
        examples=["agent:handle"],
    )
    domain: str = Field(
        default="",
        pattern=DOMAIN_PATTERN,
        description="part of the business it belongs to; left out: that of its only flow",
        examples=["billing"],
    )
    consumes: tuple[str, ...] = Field(min_length=1, examples=[("PermissionsVerified",)])
    emits: tuple[str, ...] = Field(examples=[("WordsCounted",)])
    forwards: tuple[str, ...] = Field(
        default=(),
        description="events of `consumes` that it may pass on unchanged, by answering Forward()",
        examples=[("PermissionsVerified",)],
    )
    refusals: tuple[str, ...] = Field(
        description="events of `emits` that say no; may be empty", examples=[("RequestRejected",)]
    )
    tools: tuple[str, ...] = Field(
        description="tools it may use; `*` only with performs: true", examples=[("file.write",)]
    )
    needs: tuple[str, ...] = Field(
        default=(), description="ports injected by parameter name", examples=[("policy", "scopes")]
    )
    output: str = Field(
        min_length=1, description="output format, for people", examples=["a WordsCounted event"]
    )
    audit: tuple[str, ...] = Field(
        min_length=1, description="audit artifacts it leaves", examples=[("the number of words",)]
    )
    performs: bool = Field(default=False, examples=[False])
    closes: bool = Field(
        default=False,
        description="takes whatever event decides an outcome in a flow that names it under `finally`",
        examples=[False],
    )
    gate: str = Field(
        default="",
        description="policy file of its stage, e.g. 20-permission.cedar",
        examples=["20-permission.cedar"],
    )
    timeout: timedelta = Field(
        default=timedelta(seconds=30), description="for one attempt, in seconds", examples=[30]
    )
    retry: RetryPolicy = Field(default=RetryPolicy(), examples=[{"attempts": 5, "base": 0.2, "cap": 30}])
    replaces: bool = Field(
        default=False, description="declared shadowing of a shipped agent", examples=[True]
    )

    @field_validator("timeout", mode="before")
    @classmethod
    def _no_truth_value(cls, given: Any) -> Any:
        if isinstance(given, bool):  # it would count as one second, or none
            raise ValueError(f"a number of seconds is expected, not {str(given).lower()}")
        return given

    @model_validator(mode="after")
    def _forwards_what_it_gets(self) -> Manifest:
        for event in self.forwards:
            if event not in self.consumes:
                raise ValueError(f"forwards {event}, which is not among its `consumes`")
        return self
