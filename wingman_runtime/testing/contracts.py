"""`contract_cases`: what every consumer reads, as cases of a user's own tests.

@pytest.mark.parametrize("case", contract_cases(PROJECT), ids=str)
def test_contract(case: ContractCase) -> None:
    case.holds()
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from pathlib import Path

from wingman_runtime.errors import ConfigError
from wingman_runtime.project.contracts import Contracts
from wingman_runtime.project.load import Project
from wingman_runtime.schemas.contract import ConsumerContract
from wingman_runtime.schemas.finding import SchemaFinding, Weight


@dataclass(frozen=True, eq=False)
class ContractCase:
    """One consumer and one event it reads. ``str`` is its name: ``billing reads OrderPlaced``."""

    contract: ConsumerContract
    event: str
    contracts: Contracts

    def __str__(self) -> str:
        recorded = self.contracts.recorded.get(self.contract.consumer) is self.contract
        return f"{self.contract.consumer}{'' if recorded else ', as its code says,'} reads {self.event}"

    def findings(self, today: date | None = None) -> list[SchemaFinding]:
        """What the consumer could not read of what producers write, and notes on what was agreed."""
        return self.contracts.hurt(self.contract, (self.event,), today or date.today())

    def holds(self) -> None:
        """Raises AssertionError with every reason why the consumer could not read the event."""
        hurt = [one for one in self.findings() if one.weight is Weight.BREAKING]
        told = [f"{one.where}: {one.message}\n  witness: {one.witness}\n  → {one.remedy}" for one in hurt]
        assert not hurt, "\n".join(told)


def contract_cases(project: Path | str | Project) -> list[ContractCase]:
    """A case for each consumer and event: recorded contracts, and agents whose code says something else.

    Args:
        project: its folder.

    Raises:
        ConfigError: an agent cannot be mounted, or a contract's file is wrong.
        NotFoundError: there is no project.
    """
    found = project if isinstance(project, Project) else Project.find(Path(project))
    problems: list[ConfigError] = []
    contracts = Contracts.of(found, problems)
    if problems:
        raise problems[0]
    return [ContractCase(one, event, contracts) for one in contracts.all() for event in sorted(one.reads)]
