"""Ids as a person types them: whole, the end of one as tables and `dev` show it, or `latest`.

1. A whole id goes through as it is: nothing is looked up, and whoever is asked says whether it exists.
2. `latest` is the newest: of requests the one handed in last, of approvals the one asked for last that still
   waits, or, when none waits, that was asked for last.
3. Any other text is the end of exactly one id. It is looked for among the newest `LOOKED_AT` ids only, so
   that a long history costs no more than a short one.

The server is asked about requests it still keeps and approvals that wait; the audit store about the rest.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from wingman_runtime.errors import ContractError, NotFoundError, UsageError

if TYPE_CHECKING:
    from wingman_runtime.client import Client

LATEST = "latest"
LOOKED_AT = 1000
SHORTEST = 6
ABOUT = f"its last {SHORTEST} or more characters, or `{LATEST}`"
"""What else a command takes in place of an id, for its help."""
_TOLD = 5
_APPROVAL = re.compile(r"apr_[a-z2-7]{26}")


async def request_of(client: Client, said: str) -> str:
    """The request that is meant, of those the server keeps.

    Raises:
        NotFoundError: none is. UsageError: several are, or the text is too short.
    """
    if _is_request(said):
        return said
    return chosen(said, await client.request_ids(limit=LOOKED_AT), "request", "see `wingman request list`")


def stored_request(store: Path, said: str) -> str:
    """As `request_of`, of those in the audit store: it needs no server.

    Raises:
        NotFoundError: none is, or there is no store. UsageError: several are, or the text is too short.
    """
    from wingman_runtime.ledger.recent import recent_requests

    if _is_request(said):
        return said
    known = recent_requests(store, LOOKED_AT)
    return chosen(said, known, "request", "see `wingman audit tail`")


async def approval_of(client: Client, said: str) -> str:
    """The approval that is meant.

    Raises:
        NotFoundError: none is. UsageError: several are, or the text is too short.
    """
    if _APPROVAL.fullmatch(said):
        return said
    waiting = await client.approvals(limit=LOOKED_AT)
    waiting.sort(key=lambda one: one.expires_at_ms - one.expires_in * 1000, reverse=True)
    known = [one.approval_id for one in waiting]
    if not _matching(said, known):
        known = _stored_approvals(client.settings.audit_store)
    return chosen(said, known, "approval", "see `wingman approval list`")


async def letter_of(client: Client, said: str) -> str:
    """The dead letter that is meant, of those in their streams.

    Raises:
        NotFoundError: none is. UsageError: several are, or the text is too short.
    """
    from wingman_runtime.redisio.dead import parts

    try:
        parts(said)
    except ContractError:
        known = [one.letter_id for one in await client.dead_letters.listed(limit=LOOKED_AT)]
        return chosen(said, known, "dead letter", "see `wingman dlq list`")
    return said


def chosen(said: str, known: Sequence[str], what: str, hint: str) -> str:
    """The one of ``known``, newest first, that ``said`` means.

    Raises:
        NotFoundError: none is. UsageError: several are, or the text is too short.
    """
    if said != LATEST and len(said) < SHORTEST:
        raise UsageError(
            f"{said!r} is too short for the end of an id", hint=f"give the {what}'s id, {ABOUT}; {hint}"
        )
    found = _matching(said, known)
    if not found:
        told = f"there is no {what} yet" if said == LATEST else f"no {what} has this id, or one that ends so"
        raise NotFoundError(told, where=said, hint=hint)
    if len(found) > 1:
        listed = ", ".join(found[:_TOLD]) + (f" and {len(found) - _TOLD} more" if len(found) > _TOLD else "")
        raise UsageError(f"{len(found)} {what}s have an id that ends so", where=said, hint=f"one of {listed}")
    return found[0]


def _matching(said: str, known: Sequence[str]) -> list[str]:
    return list(known[:1]) if said == LATEST else [one for one in known if one.endswith(said)]


def _is_request(said: str) -> bool:
    from wingman_runtime.contracts.ids import partition_of

    try:
        partition_of(said)
    except ContractError:
        return False
    return True


def _stored_approvals(store: Path) -> list[str]:
    from wingman_runtime.ledger.recent import recent_approvals

    return recent_approvals(store) if store.is_file() else []
