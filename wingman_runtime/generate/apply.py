"""What is to be, held against what is there: nothing that was written by hand is ever changed or deleted.

1. `survey` says of each file what would happen to it.
2. `write` does it, or nothing: where a file is in the way, all of it is refused.

A generated file that somebody edited, or that was generated from another models file, is in the way. What was
generated once and is no longer wanted is deleted while nobody edited it.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from wingman_runtime.errors import ConflictError
from wingman_runtime.generate.text import Draft, functions, header_of
from wingman_runtime.yamlfile import shown

State = Literal["new", "changed", "same", "kept", "gone", "edited", "foreign"]
_IN_THE_WAY: dict[State, str] = {
    "edited": "was edited by hand",
    "foreign": "was not generated from this",
}
_PLACES = ("agents", "config/flows", "policies", "policies/tests", "clients", "tests")


@dataclass(frozen=True, slots=True)
class Change:
    """What happens to a file.

    ``new``, ``changed``: it is written. ``gone``: it is deleted. ``same``: nothing. ``kept``: it is yours.
    ``edited``, ``foreign``: it is in the way.
    """

    path: str
    state: State
    text: str = ""

    @property
    def writes(self) -> bool:
        return self.state in ("new", "changed", "gone")


@dataclass(frozen=True, slots=True)
class Lack:
    """A function that the generated code calls and ``work.py`` has not, or a folder nobody calls any more."""

    path: str
    message: str
    hint: str


def survey(root: Path, source: str, drafts: Sequence[Draft]) -> list[Change]:
    """What would happen to each file, by path.

    Args:
        root: the project's folder.
        source: the models file, as generated headers name it.
    """
    found = [_change(root, source, draft) for draft in drafts]
    wanted = {draft.path for draft in drafts}
    for path, text in _generated(root, source):
        if path not in wanted:
            header = header_of(text)
            found.append(Change(path, "gone" if header is not None and header.whole else "edited"))
    return sorted(found, key=lambda one: one.path)


def _change(root: Path, source: str, draft: Draft) -> Change:
    path = root / draft.path
    if not path.exists():
        return Change(draft.path, "new", draft.text)
    if draft.once:
        return Change(draft.path, "kept")
    there = _text(path)
    if there == draft.text:
        return Change(draft.path, "same")
    header, new = header_of(there), header_of(draft.text)
    if header is None or header.source != source:
        return Change(draft.path, "foreign")
    if not header.whole:
        return Change(draft.path, "edited")
    # It still follows from the models as they are now: an agent's code, and its digest, stay what they were.
    return Change(draft.path, "same" if new and header.own == new.own else "changed", draft.text)


def _generated(root: Path, source: str) -> Iterator[tuple[str, str]]:
    """Files of the project that say they were generated from ``source``, with their text."""
    for place in _PLACES:
        folder = root / place
        for path in sorted(folder.rglob("*") if place == "agents" else folder.glob("*")):
            # What `write` did not get to move into its place, when it was killed, has a name with a dot.
            if path.is_file() and "__pycache__" not in path.parts and not path.name.startswith("."):
                text = _text(path)
                header = header_of(text)
                if header is not None and header.source == source:
                    yield path.relative_to(root).as_posix(), text


def _text(path: Path) -> str:
    """As it was written, wherever it was checked out: with line ends of one kind."""
    return path.read_bytes().decode(errors="replace").replace("\r\n", "\n")


def write(root: Path, changes: Iterable[Change]) -> None:
    """Write and delete.

    Raises:
        ConflictError: files are in the way; nothing was done.
    """
    listed = list(changes)
    stuck = [one for one in listed if one.state in _IN_THE_WAY]
    if stuck:
        told = "".join(f"\n  {shown(root / one.path)} {_IN_THE_WAY[one.state]}" for one in stuck)
        raise ConflictError(
            f"nothing was written: {len(stuck)} file{'s are' if len(stuck) > 1 else ' is'} in the way{told}",
            hint="take what you need out of it (a change belongs into the models or into work.py), "
            "delete it, and run this again",
        )
    for one in listed:
        path = root / one.path
        if one.state == "gone":
            path.unlink()
            if not any(path.parent.iterdir()):
                path.parent.rmdir()
        elif one.writes:
            path.parent.mkdir(parents=True, exist_ok=True)
            # Whole or not at all: a worker may start meanwhile.
            draft = path.with_name(f".{path.name}.{os.getpid()}")
            draft.write_text(one.text, encoding="utf-8", newline="\n")
            draft.replace(path)


def lacks(
    root: Path, changes: Iterable[Change], needed: dict[str, dict[str, str]], left: Iterable[str]
) -> list[Lack]:
    """What somebody has to write, or to delete, by hand.

    Args:
        needed: by the path of a ``work.py``, its functions with their first lines.
        left: folders of agents that were generated and no longer are.
    """
    fresh = {one.path for one in changes if one.state == "new"}
    found = []
    for path, wanted in needed.items():
        if path in fresh or not (root / path).is_file():
            continue
        has = functions((root / path).read_bytes().decode(errors="replace"))
        found += [
            Lack(path, f"has no function {name!r}, which the generated code calls", f"write `{line}`")
            for name, line in wanted.items()
            if name not in has
        ]
    for folder in left:
        by_hand = sorted(path for path in (root / folder).glob("*") if path.is_file()) if folder else []
        found += [
            Lack(
                path.relative_to(root).as_posix(), "belongs to an agent that is gone", "delete it, or move it"
            )
            for path in by_hand
        ]
    return found
