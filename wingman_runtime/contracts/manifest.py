"""An agent's declaration: its bounded job (P-01). What is missing here is refused at load."""

from __future__ import annotations

from datetime import timedelta

from pydantic import BaseModel, ConfigDict, Field, model_validator

NAME_PATTERN = r"^[a-z][a-z0-9_]{0,47}$"


class RetryPolicy(BaseModel):
    """Attempts counted as deliveries; delays in seconds, full jitter between 0 and the backoff."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    attempts: int = Field(default=5, ge=1, le=100)
    base: float = Field(default=0.2, ge=0)
    cap: float = Field(default=30.0, ge=0)

    def ceiling(self, attempt: int) -> float:
        """Upper bound in seconds of the delay after failed attempt number ``attempt`` (1-based)."""
        return float(min(self.cap, self.base * 2 ** min(attempt - 1, 32)))


class Manifest(BaseModel):
    """``agents/<name>/manifest.yaml``. Every field without a default must be written down."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(pattern=NAME_PATTERN)
    version: str = Field(pattern=r"^\d+\.\d+\.\d+$")
    purpose: str = Field(min_length=1)
    owner: str = Field(min_length=1)
    scope: str = Field(min_length=1, description="what the agent decides, and what it must not touch")
    handler: str = Field(pattern=r"^[A-Za-z_]\w*:[A-Za-z_]\w*$", description="module:function in its folder")
    consumes: tuple[str, ...] = Field(min_length=1)
    emits: tuple[str, ...]
    forwards: tuple[str, ...] = Field(
        default=(), description="events of `consumes` that it may pass on unchanged, by answering Forward()"
    )
    refusals: tuple[str, ...] = Field(description="events of `emits` that say no; may be empty")
    tools: tuple[str, ...] = Field(description="tools it may use; `*` only with performs: true")
    needs: tuple[str, ...] = Field(default=(), description="ports injected by parameter name")
    output: str = Field(min_length=1, description="output format, for people")
    audit: tuple[str, ...] = Field(min_length=1, description="audit artifacts it leaves")
    performs: bool = False
    gate: str = Field(default="", description="policy file of its stage, e.g. 20-permission.cedar")
    timeout: timedelta = timedelta(seconds=30)
    retry: RetryPolicy = RetryPolicy()
    replaces: bool = Field(default=False, description="declared shadowing of a shipped agent")

    @model_validator(mode="after")
    def _forwards_what_it_gets(self) -> Manifest:
        for event in self.forwards:
            if event not in self.consumes:
                raise ValueError(f"forwards {event}, which is not among its `consumes`")
        return self
