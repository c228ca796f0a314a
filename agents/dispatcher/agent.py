"""Dispatcher: the reader of the ingress. It forwards a request unchanged; the flow's table says where to."""

from __future__ import annotations

from wingman_runtime.sdk import Event, Forward, UserRequestReceived


async def handle(event: Event[UserRequestReceived]) -> Forward:
    return Forward()
