"""Semantic versions of event schemas, and how far a change moves them.

Source: Semantic Versioning 2.0.0; releases only, no pre-release or build parts.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import IntEnum

from wingman_runtime.errors import ContractError

_FORM = re.compile(r"(0|[1-9]\d{0,5})\.(0|[1-9]\d{0,5})\.(0|[1-9]\d{0,5})", re.ASCII)


class Bump(IntEnum):
    """The least step a change demands; ordered."""

    NONE = 0
    PATCH = 1
    MINOR = 2
    MAJOR = 3

    @property
    def label(self) -> str:
        return self.name.lower()


@dataclass(frozen=True, slots=True, order=True)
class Version:
    """``major.minor.patch``; ordered."""

    major: int
    minor: int
    patch: int

    @classmethod
    def parse(cls, text: str) -> Version:
        """Raises ContractError for anything else than three plain numbers."""
        found = _FORM.fullmatch(text)
        if found is None:
            raise ContractError(f"{text[:40]!r} is no version", hint="write it as 1.0.0")
        return cls(*(int(part) for part in found.groups()))

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}.{self.patch}"

    def bumped(self, bump: Bump) -> Version:
        """The next version after a change of this weight."""
        if bump is Bump.MAJOR:
            return Version(self.major + 1, 0, 0)
        if bump is Bump.MINOR:
            return Version(self.major, self.minor + 1, 0)
        if bump is Bump.PATCH:
            return Version(self.major, self.minor, self.patch + 1)
        return self
