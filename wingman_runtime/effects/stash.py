"""The workspace as one effect sees it: changes can be put back, and a re-run sees the true earlier state."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass

import orjson

from wingman_runtime.effects.workspace import Workspace
from wingman_runtime.errors import ToolError

ABSENT = "absent"


@dataclass(frozen=True, slots=True)
class _Image:
    """A file before an effect: ``content`` None means there was none."""

    path: str
    content: bytes | None
    mode: int
    made: tuple[str, ...]  # folders the effect had to make

    def pack(self) -> bytes:
        head = {
            "path": self.path,
            "existed": self.content is not None,
            "mode": self.mode,
            "made": list(self.made),
        }
        return orjson.dumps(head) + b"\n" + (self.content or b"")

    @classmethod
    def unpack(cls, raw: bytes) -> _Image:
        head, _, content = raw.partition(b"\n")
        try:
            fields = orjson.loads(head)
            return cls(
                path=fields["path"],
                content=content if fields["existed"] else None,
                mode=fields["mode"],
                made=tuple(fields["made"]),
            )
        except (orjson.JSONDecodeError, KeyError, TypeError):
            raise ToolError("what was kept is damaged") from None


class EffectFiles:
    """`contracts.tool.Files` for one effect.

    Args:
        workspace: where the files are.
        effect_id: kept files are named after it.
        stopped: asked before each change; True refuses it.
    """

    def __init__(self, workspace: Workspace, effect_id: str, stopped: Callable[[], bool]) -> None:
        self._workspace = workspace
        self._effect_id = effect_id
        self._stopped = stopped

    def read(self, path: str) -> bytes | None:
        found = self._workspace.find(path)
        return None if found is None else found.content

    def keep(self, path: str) -> str:
        name = self._stash_name(path)
        if self._workspace.stashed(name) is None:
            found = self._workspace.find(path)
            image = _Image(
                path=path,
                content=None if found is None else found.content,
                mode=0o644 if found is None else found.mode,
                made=self._workspace.missing_folders(path),
            )
            self._workspace.stash(name, image.pack())
        return name

    def kept(self, path: str) -> bytes | None:
        return self._image(self._stash_name(path), path).content

    def write(self, path: str, content: bytes) -> None:
        self._refuse_when_stopped()
        self._workspace.write(path, content)

    def delete(self, path: str) -> bool:
        self._refuse_when_stopped()
        return self._workspace.delete(path)

    def state(self, path: str) -> str:
        return _state(self.read(path))

    def restore(self, path: str, stash: str, left: str) -> bool:
        self._refuse_when_stopped()
        image = self._image(stash, path)
        found = self._workspace.find(path)
        current = _state(None if found is None else found.content)
        if current == _state(image.content) and (found is None or found.mode == image.mode):
            return False
        if current != left and current != _state(image.content):
            raise ToolError(
                f"{path} was changed by somebody else since",
                hint="decide by hand which content is right; the earlier one is kept in .undo",
            )
        if image.content is None:
            self._workspace.delete(path)
            self._workspace.remove_empty(image.made)
        else:
            self._workspace.write(path, image.content, mode=image.mode)
        return True

    def exclusive(self, path: str) -> AbstractContextManager[None]:
        return self._workspace.exclusive(path)

    def _image(self, stash: str, path: str) -> _Image:
        raw = self._workspace.stashed(stash)
        if raw is None:
            raise ToolError(f"nothing was kept of {path}")
        image = _Image.unpack(raw)
        if image.path != path:  # else one could read any file's past through a path one may write
            raise ToolError(f"what was kept is not of {path}")
        return image

    def _stash_name(self, path: str) -> str:
        return f"{self._effect_id}.{hashlib.sha256(path.encode(errors='replace')).hexdigest()[:12]}"

    def _refuse_when_stopped(self) -> None:
        if self._stopped():
            raise ToolError("the runtime no longer waits for this call")


def _state(content: bytes | None) -> str:
    return ABSENT if content is None else "sha256:" + hashlib.sha256(content).hexdigest()
