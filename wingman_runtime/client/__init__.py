"""The Python client: submit requests, wait for their results, vote, pause and look."""

from __future__ import annotations

from wingman_runtime.client.client import Client
from wingman_runtime.client.request import Request, RequestEvent
from wingman_runtime.client.status import Status
from wingman_runtime.redisio.dead import DeadLetter, Which

__all__ = ["Client", "DeadLetter", "Request", "RequestEvent", "Status", "Which"]
