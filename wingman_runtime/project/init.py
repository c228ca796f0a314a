"""What `wingman init` writes: a small project that loads, runs and passes its own test.

Its configuration and policies are its own and speak of what it has. The gates that are alike in every project
are copies of the reference's; the shipped agents are referenced: they stay governed and come with updates.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from wingman_runtime.errors import ConflictError, UsageError, WingmanError
from wingman_runtime.project.find import reference_root

_STARTER = Path(__file__).resolve().parent / "starter"
_RENAMED = {"gitignore": ".gitignore"}
_NAME = "PROJECT_NAME"
_COPIED = tuple(
    f"policies/{name}"
    for name in (
        "core.cedarschema", "00-always.cedar", "10-scope.cedar", "30-proposal.cedar", "60-audit.cedar",
        "70-rollback.cedar", "80-emit.cedar",
    )
)  # fmt: skip
_FLOW = "config/flows/request.yaml"
_OWN_AGENT = (
    "  PermissionsVerified: proposal\n",
    "  PermissionsVerified: [proposal, word_count]   # word_count is yours: agents/word_count/\n"
    "  WordsCounted: []                  # its event, on the record; nobody consumes it\n",
)


def starter_files(name: str) -> dict[str, bytes]:
    """Every file of a new project, by path."""
    files: dict[str, bytes] = {}
    for path in sorted(_STARTER.rglob("*")):
        inside = path.relative_to(_STARTER)
        if path.is_file() and "__pycache__" not in inside.parts:
            files[_RENAMED.get(inside.as_posix(), inside.as_posix())] = path.read_bytes()
    for target in ("config/wingman.yaml", "README.md"):
        files[target] = files[target].replace(_NAME.encode(), name.encode())
    reference = reference_root()
    files |= {copied: (reference / copied).read_bytes() for copied in _COPIED}
    flow = (reference / _FLOW).read_text(encoding="utf-8")
    if _OWN_AGENT[0] not in flow:
        raise WingmanError("the shipped flow has no place for the example agent", where=_FLOW)
    files[_FLOW] = flow.replace(*_OWN_AGENT).encode()
    return files


def init_project(target: Path, *, name: str = "", force: bool = False) -> list[str]:
    """Write a new project; all of it or nothing.

    Args:
        target: the folder, made when missing.
        name: the project's name; the folder's when left out.
        force: also into a folder that has files; none of them is overwritten.

    Returns:
        The files written, by path inside the folder.

    Raises:
        UsageError: the target is a file, or the name could not stand in a YAML file.
        ConflictError: the folder is not empty, or has files of these names.
    """
    target = target.expanduser().absolute()
    name = name or target.resolve().name
    if not name or any(ord(letter) < 32 or letter in "\"'\\:#{}[]&*!|>%@`," for letter in name):
        raise UsageError(f"{name!r} is no project name", hint="use letters, digits, spaces, . - _")
    if target.exists() and not target.is_dir():
        raise UsageError("there is a file of this name", where=str(target))
    files = starter_files(name)
    if target.is_dir() and any(target.iterdir()):
        taken = sorted(path for path in files if (target / path).exists())
        if not force:
            hint = "choose another folder, or use --force: it adds files and overwrites none"
            raise ConflictError("the folder is not empty", where=str(target), hint=hint)
        if taken:
            raise ConflictError(
                "would overwrite " + ", ".join(taken[:5]), where=str(target), hint="move them"
            )
    try:
        _write(target, files)
    except OSError as error:
        raise UsageError(
            f"the project cannot be written: {error.strerror or error}",
            where=str(target),
            hint="choose a folder that this user may write to, on a disk with room",
        ) from error
    return sorted(files)


def _write(target: Path, files: dict[str, bytes]) -> None:
    made = not target.exists()
    target.mkdir(parents=True, exist_ok=True)
    # Inside the target, so that every move below stays on one file system.
    draft = Path(tempfile.mkdtemp(prefix=".wingman-init-", dir=target))
    written: list[Path] = []
    folders: list[Path] = []
    try:
        for path, data in files.items():
            (draft / path).parent.mkdir(parents=True, exist_ok=True)
            (draft / path).write_bytes(data)
        for path in files:
            final = target / path
            for folder in reversed([p for p in final.parents if p.is_relative_to(target)]):
                if not folder.exists():
                    folder.mkdir()
                    folders.append(folder)
            (draft / path).rename(final)
            written.append(final)
    except BaseException:
        for final in written:
            final.unlink(missing_ok=True)
        for folder in reversed(folders):
            folder.rmdir()
        shutil.rmtree(draft, ignore_errors=True)
        if made:
            shutil.rmtree(target, ignore_errors=True)
        raise
    shutil.rmtree(draft)
