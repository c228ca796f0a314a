"""What each consumer reads of each event, held against what is written now: a case for each of them."""

from pathlib import Path

import pytest
from wingman_runtime.testing import ContractCase, contract_cases


@pytest.mark.parametrize("case", contract_cases(Path(__file__).parent.parent), ids=str)
def test_contract(case: ContractCase) -> None:
    case.holds()
