"""The name a connection has on the server."""

from __future__ import annotations

from wingman_runtime.redisio.connection import open_backend


async def test_a_project_may_have_any_name(backend_url: str) -> None:
    """Spaces and letters that a server takes in no client's name are replaced, not refused."""
    async with await open_backend(backend_url, client_name="wingman-my café\n1") as backend:
        names = {row["name"] for row in await backend.commands.client_list()}
    assert names == {"wingman-my-caf--1"}
