"""A request through a real flow, in one line, in a test: real policies, real commits, real tools or fakes."""

from __future__ import annotations

from wingman_runtime.testing.contracts import ContractCase, contract_cases
from wingman_runtime.testing.crash import CrashPoint
from wingman_runtime.testing.fake import Call, Fake
from wingman_runtime.testing.letter import event_of
from wingman_runtime.testing.run import Run, arun, run

__all__ = ["Call", "ContractCase", "CrashPoint", "Fake", "Run", "arun", "contract_cases", "event_of", "run"]
