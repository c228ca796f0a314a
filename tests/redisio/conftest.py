"""A house (see `harness`) on each server."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.redisio.harness import House, open_house


@pytest.fixture
async def house(backend_url: str) -> AsyncIterator[House]:
    async with open_house(backend_url) as opened:
        yield opened
