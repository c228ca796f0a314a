"""What one tenant may hand in, as the admission script is told it, and as a refusal says it."""

from __future__ import annotations

from dataclasses import dataclass

from wingman_runtime.contracts.ids import derive
from wingman_runtime.errors import AdmissionClosedError
from wingman_runtime.settings_admission import TenantLimits


@dataclass(frozen=True, slots=True)
class Tenant:
    """Attributes:
    entry: under which name of ``admission.tenants`` its limits stand.
    """

    name: str
    entry: str
    limits: TenantLimits
    partitions: int

    def header(self) -> dict[str, object]:
        """The share that one partition grants."""
        share = self.limits.of(self.partitions)
        held: dict[str, object] = {}
        if share.open is not None:
            held["open"] = share.open
        if share.rate is not None:
            held |= {"rate": share.rate, "burst": share.burst, "key": derive("rate", self.name)}
        return held

    def closed(self, verdict: str, detail: str, retry_after: float) -> AdmissionClosedError:
        """``detail``: how many of its requests are open, or in how many ms there is a token again."""
        where = f"admission.tenants.{self.entry}"
        share = f", shared by {self.partitions} partitions" if self.partitions > 1 else ""
        if verdict == "tenant_open":
            return AdmissionClosedError(
                f"{detail} requests of tenant {self.name!r} are open, "
                f"the limit is {self.limits.open} ({where}.open{share})",
                retry_after=retry_after,
            )
        return AdmissionClosedError(
            f"tenant {self.name!r} hands in too fast: the limit is {self.limits.rate:g} requests a second, "
            f"{self.limits.of(1).burst} at once ({where}.rate{share})",
            retry_after=int(detail) / 1000,
        )
