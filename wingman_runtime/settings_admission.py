"""When the runtime takes no more work: for everybody, and for one tenant."""

from __future__ import annotations

import math

from pydantic import Field

from wingman_runtime.settings_units import Group, Seconds

EVERYBODY = "default"


class TenantLimits(Group):
    """What one tenant may hand in. What is not set is not limited.

    With several partitions each of them grants its share, rounded up: a script sees only its own.
    """

    open: int | None = Field(None, ge=1, description="its requests that have not ended")
    rate: float | None = Field(
        None, gt=0, le=100_000, allow_inf_nan=False, description="requests it may hand in per second"
    )
    burst: int | None = Field(
        None, ge=1, description="how many of them at once, after a silence; none: a second's worth"
    )

    def of(self, partitions: int) -> TenantLimits:
        """The share of one partition; ``burst`` is set where ``rate`` is."""
        if partitions == 1 and (self.rate is None or self.burst is not None):
            return self
        burst = None if self.rate is None else self.burst or math.ceil(self.rate)
        return TenantLimits(
            open=None if self.open is None else math.ceil(self.open / partitions),
            rate=None if self.rate is None else self.rate / partitions,
            burst=None if burst is None else math.ceil(burst / partitions),
        )

    def __str__(self) -> str:
        told = ((name, getattr(self, name)) for name in type(self).model_fields)
        return ", ".join(f"{name} {value:g}" for name, value in told if value is not None) or "no limit"


class Admission(Group):
    """When the runtime takes no more work."""

    inbox_lag: int = Field(100_000, ge=1, description="undelivered events of any one agent")
    memory: float = Field(0.8, gt=0, le=1, description="share of the server's maxmemory in use")
    recorder_lag: int = Field(50_000, ge=1, description="log records not yet in the audit store")
    line: int = Field(1000, ge=1, description="requests that wait in line for one ordering key")
    retry_after: Seconds = Field(1.0, description="what a refused client is told to wait")
    tenants: dict[str, TenantLimits] = Field(
        {}, description="limits of one tenant, by name; `default`: of each that is not named"
    )

    def of_tenant(self, name: str) -> tuple[str, TenantLimits]:
        """The limits of a tenant, and under which name of `tenants` they stand."""
        entry = name if name in self.tenants else EVERYBODY
        return entry, self.tenants.get(entry, TenantLimits())
