"""A house (see `harness`) on each server, and how long the state machine looks for trouble."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from hypothesis import HealthCheck, settings

from tests.redisio.harness import House, open_house

# `pytest tests/redisio/test_scripts_machine.py --hypothesis-profile=long` looks for many minutes, at random.
settings.register_profile(
    "long",
    max_examples=1500,
    stateful_step_count=60,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    print_blob=True,
)


@pytest.fixture
async def house(backend_url: str) -> AsyncIterator[House]:
    async with open_house(backend_url) as opened:
        yield opened
