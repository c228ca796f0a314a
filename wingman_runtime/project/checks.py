"""All there is to check of a project before it is deployed, one check after the other, in one report."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from wingman_runtime.contracts.finding import Finding
from wingman_runtime.errors import ConfigError, WingmanError
from wingman_runtime.project.find import find_root
from wingman_runtime.project.load import Project
from wingman_runtime.schemas.finding import SchemaFinding, Weight
from wingman_runtime.settings import Settings

if TYPE_CHECKING:
    from wingman_runtime.project.contracts import Contracts
    from wingman_runtime.project.schemas import SchemaBook

CHECKS = ("config", "policy", "flow", "schema", "contract")
"""In the order in which they run: what an earlier one finds wrong, a later one may not be able to read."""
_OF_FILES = {"config", "policy", "flow"}


@dataclass(frozen=True, slots=True)
class Section:
    """One check.

    Attributes:
        looked_at: what it looked at, counted: ``21 events``.
        not_run: why it could not run; empty when it did.
    """

    check: str
    findings: tuple[Finding | SchemaFinding, ...] = ()
    looked_at: str = ""
    not_run: str = ""

    @property
    def failing(self) -> tuple[Finding | SchemaFinding, ...]:
        """Warnings and notes do not count."""
        return tuple(one for one in self.findings if weight_of(one) is Weight.BREAKING)

    @property
    def status(self) -> str:
        return "failed" if self.failing else "not run" if self.not_run else "ok"


@dataclass(frozen=True, slots=True)
class Report:
    """All checks that were asked for."""

    sections: tuple[Section, ...]

    @property
    def clean(self) -> bool:
        return all(one.status == "ok" for one in self.sections)

    @property
    def exit_code(self) -> int:
        """0: sound. 2: settings, agents, policies or flows are not. 1: only schemas or contracts are not."""
        if any(one.status != "ok" and one.check in _OF_FILES for one in self.sections):
            return 2
        return 0 if self.clean else 1

    def next_steps(self) -> list[str]:
        """What to do, one thing for each check that failed: the first of its remedies."""
        steps = []
        for section in self.sections:
            if section.failing:
                first = section.failing[0]
                more = f" ({len(section.failing) - 1} more)" if len(section.failing) > 1 else ""
                steps.append(f"{section.check}: {_remedy(first) or first.message}{more}")
        return steps


def weight_of(finding: Finding | SchemaFinding) -> Weight:
    """A finding about a file always fails."""
    return finding.weight if isinstance(finding, SchemaFinding) else Weight.BREAKING


def run_checks(start: Path | None = None, chosen: Collection[str] = CHECKS) -> Report:
    """Run the chosen checks on the project at ``start``.

    Raises:
        NotFoundError: there is no project.
    """
    root = find_root(start)
    wrong = Settings.problems(root)
    if wrong:
        findings = tuple(_finding("config/setting", one) for one in wrong)
        rest = [Section(name, not_run="the settings are wrong") for name in chosen if name != "config"]
        # They are told even if only another check was asked for: without them nothing can run.
        return Report((Section("config", findings), *rest))
    return Report(tuple(_Run(Project(root, Settings.load(root))).sections(chosen)))


class _Run:
    """One run over a project whose settings are right."""

    def __init__(self, project: Project) -> None:
        self.project = project
        self.problems: list[ConfigError] = []
        self.agents = project.mount(self.problems)

    @cached_property
    def found(self) -> list[Finding]:
        return self.project.check()

    def sections(self, chosen: Collection[str]) -> Iterator[Section]:
        checks = {
            "config": self.config,
            "policy": self.policy,
            "flow": self.flow,
            "schema": self.schema,
            "contract": self.contract,
        }
        for name in CHECKS:
            if name in chosen:
                yield checks[name]()

    def config(self) -> Section:
        others = ("flow/", "policy/")
        findings = tuple(one for one in self.found if not one.rule.startswith(others))
        return Section("config", findings, _counted(len(self.agents), "agent"))

    def flow(self) -> Section:
        findings = tuple(one for one in self.found if one.rule.startswith("flow/"))
        return Section("flow", findings, _counted(len(self.project.load_flows([])), "flow"))

    def policy(self) -> Section:
        from wingman_runtime.policy.load import load_bundle
        from wingman_runtime.policy.testing import check

        found = [one for one in self.found if one.rule.startswith("policy/")]
        root = self.project.root
        try:
            bundle = load_bundle(root / "policies", root / "config" / "principals.yaml", strict=False)
            gates = {one.manifest.gate for one in self.agents.values() if one.manifest.gate}
            more = check(bundle, gates)
        except ConfigError as problem:
            return Section("policy", (*found, *_unlike(found, [_finding("policy/file", problem)])))
        return Section(
            "policy", (*_unlike(more, found), *more), _counted(len(bundle.rules()), "polic", "y", "ies")
        )

    def schema(self) -> Section:
        from wingman_runtime.project.schemas import read_schemas

        if self.problems:
            return Section("schema", not_run="an agent cannot be read")
        problems: list[ConfigError] = []
        book: SchemaBook = read_schemas(self.project, problems)
        wrong = [one for one in problems if "config/contracts" not in (one.where or "")]
        try:
            report = book.check()
        except WingmanError as problem:  # a record that was edited, a class that has no schema
            return Section("schema", tuple(_finding("schema/file", one) for one in (*wrong, problem)))
        files = tuple(_finding("schema/file", one) for one in wrong)
        return Section("schema", (*files, *report.findings), _counted(len(report.standings), "event"))

    def contract(self) -> Section:
        from wingman_runtime.project.contracts import Contracts

        if self.problems:
            return Section("contract", not_run="an agent cannot be read")
        problems: list[ConfigError] = []
        contracts: Contracts = Contracts.of(self.project, problems)
        wrong = tuple(_finding("contract/file", one) for one in problems)
        try:
            findings = contracts.check()
        except WingmanError:  # the check of schemas says which
            return Section("contract", wrong, not_run="a schema cannot be read, or made")
        consumers = {*contracts.recorded, *contracts.derived}
        return Section("contract", (*wrong, *findings), _counted(len(consumers), "consumer"))


def _unlike(known: Iterable[Finding], more: Iterable[Finding]) -> list[Finding]:
    """Those of ``more`` that are not about a line of ``known``: two checks read the same file."""
    lines = {one.where for one in known}
    return [one for one in more if one.where not in lines]


def _finding(rule: str, problem: WingmanError) -> Finding:
    return Finding(rule, problem.message, problem.where or "", problem.hint or "")


def _remedy(finding: Finding | SchemaFinding) -> str:
    return finding.remedy if isinstance(finding, SchemaFinding) else finding.hint


def _counted(number: int, noun: str, one: str = "", many: str = "s") -> str:
    return f"{number} {noun}{one if number == 1 else many}"
