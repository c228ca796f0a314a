"""The active policy bundle, as this worker has it. Without it the worker stops and says so.

The one before is kept as well: an apply that died half-way leaves partitions with two, which take turns here.
Neither decides for the other: a commit judged under another bundle than its partition's is judged again.
"""

from __future__ import annotations

from collections.abc import Callable

import structlog

from wingman_runtime.errors import PolicyError
from wingman_runtime.policy.bundle import Bundle
from wingman_runtime.policy.judge import Judge

_LOG = structlog.get_logger(__name__)
_KEPT = 2


class Lawbook:
    """Keeps the judge of the active bundle.

    Args:
        find: loads a bundle by digest from where the project keeps them; raises PolicyError when it is not
            there or has been changed.
    """

    def __init__(self, find: Callable[[str], Bundle]) -> None:
        self._find = find
        self._judge: Judge | None = None
        self._known: list[Judge] = []
        self._missing = ""

    @property
    def judge(self) -> Judge | None:
        """The judge of the bundle that was active when last looked; None: stop."""
        return self._judge

    @property
    def missing(self) -> str:
        """Digest of an active bundle this worker does not have; empty when all is well."""
        return self._missing

    def turn_to(self, digest: str) -> bool:
        """Make ``digest`` the bundle to judge by; returns whether this worker can."""
        judge = next((one for one in self._known if one.digest == digest), None)
        if judge is None:
            try:
                if not digest:
                    raise PolicyError("no policy bundle is active", hint="run `wingman policy apply`")
                judge = Judge(self._find(digest))
            except PolicyError as error:
                self._judge = None
                if self._missing != (digest or "none"):
                    _LOG.error("stopped: the active policy bundle is not here", digest=digest, why=str(error))
                self._missing = digest or "none"
                return False
            _LOG.info("policy bundle in force", digest=digest)
        if judge is not self._judge:
            self._known = [judge, *(one for one in self._known if one is not judge)][:_KEPT]
        self._judge, self._missing = judge, ""
        return True
