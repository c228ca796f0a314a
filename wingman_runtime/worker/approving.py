"""Who may write an approval: whoever may say so in an event, and by the policies only the handshake may.

An approval is written beside the events of an answer. Tied to the event that announces it, it passes the same
three gates: the manifest, the flow, and the emit gate of the policies.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from wingman_runtime.contracts.work import Approval, ApprovalStatus

_SAID_BY: Mapping[ApprovalStatus, str] = MappingProxyType(
    {
        ApprovalStatus.APPROVED: "ExecutionApproved",
        ApprovalStatus.DENIED: "ExecutionBlocked",
        ApprovalStatus.EXPIRED: "ApprovalExpired",
    }
)
_OPEN = ("ApprovalRequested", "ApprovalGiven")


def may_write(approval: Approval, events: Sequence[str], needs: Sequence[str]) -> bool:
    """Whether an answer with these events may write the approval as it is."""
    if "approvals" not in needs or len(events) != 1:
        return False
    if approval.status is ApprovalStatus.OPEN:
        return events[0] in _OPEN
    return events[0] == _SAID_BY.get(approval.status)
