"""Compensation planning, where one looks for it beside its execution.

It lives in `contracts` because agents use it through the sdk, which stands below this room.
"""

from __future__ import annotations

from wingman_runtime.contracts.compensation import plan_compensation

__all__ = ["plan_compensation"]
