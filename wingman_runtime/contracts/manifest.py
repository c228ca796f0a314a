"""An agent's declaration: its bounded job (P-01). What is missing here is refused at load."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

NAME_PATTERN = r"^[a-z][a-z0-9_]{0,47}$"


class RetryPolicy(BaseModel):
    """Attempts counted as deliveries; delays in seconds, full jitter between 0 and the backoff."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    attempts: int = Field(default=5, ge=1, le=100, examples=[5])
    base: float = Field(default=0.2, ge=0, examples=[0.2])
    cap: float = Field(default=30.0, ge=0, examples=[30])

    def ceiling(self, attempt: int) -> float:
        """Upper bound in seconds of the delay after failed attempt number ``attempt`` (1-based)."""
        return float(min(self.cap, self.base * 2 ** min(attempt - 1, 32)))


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
