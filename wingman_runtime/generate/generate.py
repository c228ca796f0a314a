"""`generate`: from a models file to everything that follows from it. The order of the work:

1. Read the models and their lifecycles (`read`); the versions of their events (`versions`).
2. Draft every file (`write_*`), each with a header that says what it was made from.
3. Survey the project (`apply`): what is new, changed, gone, yours, in the way.
4. Write all of it or nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from wingman_runtime.generate.apply import Change, Lack, lacks, survey, write
from wingman_runtime.generate.life import Life
from wingman_runtime.generate.read import read_models
from wingman_runtime.generate.text import Draft
from wingman_runtime.generate.versions import released_versions, versions_of
from wingman_runtime.generate.write_agents import agent_files, work_functions
from wingman_runtime.generate.write_client import client_files
from wingman_runtime.generate.write_ends import end_files, end_functions
from wingman_runtime.generate.write_events import event_files
from wingman_runtime.generate.write_flow import flow_files
from wingman_runtime.project.find import find_root
from wingman_runtime.schemas.contract import contract_file, read_contract


@dataclass(frozen=True, slots=True)
class Generated:
    """What came, or would come, of it. ``lacks``: what somebody has to do by hand."""

    root: Path
    lives: tuple[Life, ...]
    changes: tuple[Change, ...]
    lacks: tuple[Lack, ...]

    @property
    def stale(self) -> bool:
        """Whether the project's files are not what the models say."""
        return any(one.state not in ("same", "kept") for one in self.changes) or bool(self.lacks)


def generate(models: Path, into: Path | None = None, *, dry_run: bool = False) -> Generated:
    """Generate; a second run changes nothing.

    Args:
        models: the file with the domain models.
        into: the project's folder; left out: the nearest project.
        dry_run: only say what would happen.

    Raises:
        UsageError, ConfigError: as `read_models`.
        ConflictError: a file is in the way; nothing was written.
    """
    root = find_root(into)
    read = read_models(models, root)
    lives = read.lives
    lives = _at(lives, released_versions(root, lives))
    lives = _at(lives, versions_of(root, lives, drafts_of))
    drafts = [draft for life in lives for draft in drafts_of(life)]
    drafts = list({draft.path: draft for draft in drafts}.values())
    changes = survey(root, read.source, drafts)
    if not dry_run:
        write(root, changes)
    needed = {path: wanted for life in lives for path, wanted in _needed(life).items()}
    kept = {draft.path.rpartition("/")[0] for draft in drafts}
    gone = {one.path.rpartition("/")[0] for one in changes if one.state == "gone"}
    left = sorted(folder for folder in gone - kept if folder.startswith("agents/"))
    by_hand = (*_upcasts_lacking(lives), *_version_lacking(root, lives), *lacks(root, changes, needed, left))
    return Generated(root, lives, tuple(changes), by_hand)


def _at(lives: tuple[Life, ...], versions: Mapping[str, str]) -> tuple[Life, ...]:
    return tuple(replace(life, versions=versions) for life in lives)


def drafts_of(life: Life) -> list[Draft]:
    """Every file of one life."""
    return [
        *event_files(life),
        *end_files(life),
        *agent_files(life),
        *flow_files(life),
        *client_files(life),
    ]


def _upcasts_lacking(lives: tuple[Life, ...]) -> Iterator[Lack]:
    """Majors that nothing leads on from: events of them would be left unread."""
    for life in lives:
        lacking: dict[int, list[str]] = {}
        for event in life.events:
            for major in range(1, int(life.version(event).partition(".")[0])):
                if major not in life.entity.lifecycle.upcasts_for(event):
                    lacking.setdefault(major, []).append(event)
        for major, events in lacking.items():
            yield Lack(
                life.source,
                f"nothing brings data of {major}.x to {major + 1}.x, of {', '.join(events)}",
                f'write upcasts={{{major}: renamed(old="new")}} in the lifecycle, or a function of your own',
            )


def _version_lacking(root: Path, lives: tuple[Life, ...]) -> Iterator[Lack]:
    """Agents whose contract is recorded for the version they still have, and who read a new major by now.

    That contract is what the running ones read, so neither it nor the event would be released otherwise.
    """
    for life in lives:
        version = life.entity.lifecycle.version
        behind: list[str] = []
        for agent in life.agents():
            file = contract_file(root, agent)
            recorded = read_contract(file) if file.is_file() else None
            if recorded is None or recorded.consumer_version != version:
                continue
            for event, read in recorded.reads.items():
                major = int(life.version(event).partition(".")[0])
                if event in life.events and not (major in read.majors or recorded.consents_to(event, major)):
                    behind.append(f"{agent} {version} does not read {major}.x of {event}")
        if behind:
            raised = int(version.partition(".")[0]) + 1
            yield Lack(
                life.source,
                f"by its recorded contract {'; '.join(behind)}",
                f'write version="{raised}.0.0" in the lifecycle: its agents are other ones from here on',
            )


def _needed(life: Life) -> dict[str, dict[str, str]]:
    wanted = end_functions(life) | {agent: work_functions(life, agent) for agent in life.agents()}
    return {f"agents/{agent}/work.py": functions for agent, functions in wanted.items()}
