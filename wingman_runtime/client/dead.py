"""Dead letters, as a client sees them: found, shown, replayed, discarded.

A replay is a new request: what the old one asked for, in the name of who asked, through today's gates. Its
record names who replays it and why. Nothing goes back into an inbox.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import orjson
from pydantic import ValidationError

from wingman_runtime.client.envelope import letter_of
from wingman_runtime.client.request import Request
from wingman_runtime.contracts.events import UserRequestReceived
from wingman_runtime.contracts.ids import derive, partition_of
from wingman_runtime.contracts.trigger import replay_source
from wingman_runtime.errors import ConflictError, NotFoundError, UsageError, WingmanError
from wingman_runtime.redisio import admission, dead, state
from wingman_runtime.redisio.admission import Replay, ReplayRefusedError
from wingman_runtime.redisio.dead import Act, DeadLetter, Laid, Which

if TYPE_CHECKING:
    from wingman_runtime.client.client import Client

_SHOWN = 2000
_HINT = "see `wingman dlq list`"


@dataclass(frozen=True, slots=True)
class Replayed:
    """``request`` replays the letter; ``new`` is False when it did so before this call."""

    letter_id: str
    request: Request
    new: bool


@dataclass(frozen=True, slots=True)
class Dealt:
    """What one letter of many came to: ``request_id`` of its replay, or ``error`` if it stays where it is."""

    letter_id: str
    what: Literal["replayed", "discarded", "left"]
    request_id: str = ""
    error: WingmanError | None = None


class DeadLetters:
    """See `Client.dead_letters`."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def listed(self, which: Which | None = None, *, limit: int = 50) -> list[DeadLetter]:
        """Letters that fit, newest first."""
        found = []
        if limit > 0:
            async for letter in self.each(which):
                found.append(letter)
                if len(found) >= limit:
                    break
        return found

    def each(self, which: Which | None = None) -> AsyncIterator[DeadLetter]:
        """Every letter that fits, newest first, a few in memory at a time."""
        return dead.each(self._client.store, which or Which())

    async def get(self, letter_id: str) -> DeadLetter:
        """One letter.

        Raises:
            NotFoundError: there is none, or it was taken out; the message says what became of it.
            ContractError: the text is no letter's id.
        """
        found = await dead.get(self._client.store, letter_id)
        if found is None:
            raise _gone(letter_id, await dead.laid(self._client.store, letter_id))
        return found

    async def replay(
        self, letter_id: str, *, reason: str, by: str | None = None, again: bool = False, force: bool = False
    ) -> Replayed:
        """Hand in once more what the letter's request asked for, and take the letter out.

        Args:
            reason: why; it goes on the record, with ``by``.
            again: though it, or another letter of its request, was replayed before; otherwise the answer is
                that replay.
            force: though something the old request did may still be there, and would be done twice.

        Raises:
            NotFoundError: no such letter.
            ConflictError: it belongs to no request, its request has not ended, or has left something behind.
            AdmissionClosedError, UsageError, BackendError: as `Client.submit`.
        """
        store = self._client.store
        found = await dead.get(store, letter_id)
        earlier = await dead.laid(store, letter_id) if found is None else None
        if earlier is not None and earlier.what == "replayed" and not again:
            return Replayed(letter_id, self._client.request(earlier.into), new=False)
        if found is None and (earlier is None or not again):
            raise _gone(letter_id, earlier)
        if found is not None and found.stray:
            raise ConflictError(
                "it belongs to no step of any request, so there is nothing to replay: " + found.error,
                where=letter_id,
                hint=f"look at it (`wingman dlq show {letter_id}`), then discard it",
            )
        old = found.request_id if found is not None else earlier.request_id if earlier else ""
        first = await self._first_record(old, found)
        act = self._act(letter_id, old, reason, by, again=again, force=force)
        return await self._handed_in(act, first, found)

    async def discard(self, letter_id: str, *, reason: str, by: str | None = None) -> DeadLetter:
        """Take a letter out for good; the audit store keeps what it was. Returns it.

        Raises:
            NotFoundError: no such letter, or it was taken out before.
        """
        letter = await self.get(letter_id)
        act = self._act(letter_id, letter.request_id, reason, by)
        record = _record("dead_letter_discarded", act, letter)
        verdict, _ = await dead.discard(self._client.store, act, record)
        if verdict != "done":
            raise _gone(letter_id, await dead.laid(self._client.store, letter_id))
        return letter

    async def replay_all(
        self,
        which: Which | None = None,
        *,
        reason: str,
        by: str | None = None,
        force: bool = False,
        most: int | None = None,
    ) -> AsyncIterator[Dealt]:
        """`replay` every letter that fits, oldest first; says of each what it came to.

        Letters that come while it runs are left out. A server that takes no more, or is away, ends it.

        Args:
            most: so many letters at the most.
        """
        for letter_id in await self._ids(which, most):
            try:
                done = await self.replay(letter_id, reason=reason, by=by, force=force)
            except (ConflictError, NotFoundError, UsageError) as error:
                yield Dealt(letter_id, "left", error=error)
            else:
                yield Dealt(letter_id, "replayed", done.request.id)

    async def discard_all(
        self, which: Which | None = None, *, reason: str, by: str | None = None, most: int | None = None
    ) -> AsyncIterator[Dealt]:
        """`discard` every letter that fits, oldest first; says of each what it came to."""
        for letter_id in await self._ids(which, most):
            try:
                await self.discard(letter_id, reason=reason, by=by)
            except NotFoundError as error:
                yield Dealt(letter_id, "left", error=error)
            else:
                yield Dealt(letter_id, "discarded")

    async def _ids(self, which: Which | None, most: int | None) -> list[str]:
        """Of the letters that are there now: what is buried meanwhile was not in anybody's preview."""
        ids = [letter.letter_id async for letter in self.each(which)]
        return ids[::-1][:most]

    def _act(self, letter_id: str, request_id: str, reason: str, by: str | None, **how: bool) -> Act:
        if not reason.strip():
            raise UsageError("a reason is needed: it goes on the record", where="reason")
        ttl_ms = int(self._client.settings.times.state_ttl * 1000)
        return Act(letter_id, request_id, by or self._client.actor, reason, ttl_ms, **how)

    async def _handed_in(self, act: Act, first: dict[str, Any], letter: DeadLetter | None) -> Replayed:
        new_id = admission.new_request_id(partition_of(act.request_id))
        asked = first["event"]
        try:
            event = letter_of(
                UserRequestReceived.model_validate(asked["data"]),
                derive("evt", new_id),
                new_id,
                actor=str(asked["actor"]),
                tenant=str(asked["tenant"]),
                flow=str(asked["flow"]),
                source=replay_source(act.letter),
            )
        except (ValidationError, KeyError) as error:
            raise ConflictError(
                f"its request no longer fits the contract of today: {type(error).__name__}",
                where=act.request_id,
                hint="hand it in anew with `wingman submit`, and discard the letter",
            ) from None
        event = event.model_copy(update={"causationid": act.request_id})
        record = _record("dead_letter_replayed", act, letter, replay=new_id)
        try:
            # Behind its kind again, if it had an ordering key: the old one has ended, others may wait by now.
            order = str(first.get("ordering_key") or "")
            admitted = await self._client.door.hand_in(event, order=order, replay=Replay(act, record))
        except ReplayRefusedError as refused:
            if refused.why == "replayed":
                return Replayed(act.letter, self._client.request(refused.about), new=False)
            raise _refused(act, refused) from None
        return Replayed(act.letter, self._client.request(admitted), new=True)

    async def _first_record(self, request_id: str, letter: DeadLetter | None) -> dict[str, Any]:
        """What handed the old request in: from its trail, the letter itself, or the audit store."""
        for entry in await state.records(self._client.store, request_id, 0, 1):
            found = _received(entry.body)
            if found is not None:
                return found
        if letter is not None and letter.event_type == "UserRequestReceived" and letter.event is not None:
            return {"event": letter.event}
        stored = _stored(self._client, request_id)
        if stored is not None:
            return stored
        raise ConflictError(
            "what its request asked for is known neither to the server nor to the audit store",
            where=request_id,
            hint="hand it in anew with `wingman submit`, and discard the letter",
        )


def _received(body: bytes) -> dict[str, Any] | None:
    record: dict[str, Any] = orjson.loads(body)
    event = record.get("event")
    return record if isinstance(event, dict) and event.get("type") == "UserRequestReceived" else None


def _stored(client: Client, request_id: str) -> dict[str, Any] | None:
    from wingman_runtime.ledger.query import Filter, query

    path = client.settings.audit_store
    if not path.is_file():
        return None
    page = query(path, Filter(request_id=request_id, event_type="UserRequestReceived"), newest=False, limit=1)
    return next((_received(record.body) for record in page.records), None)


def _gone(letter_id: str, laid: Laid | None) -> NotFoundError:
    if laid is None:
        return NotFoundError("no such dead letter", where=letter_id, hint=_HINT)
    told = f"it was {laid.what} by {laid.by}: {laid.reason}"
    hint = f"see `wingman request show {laid.into}`" if laid.into else "the audit store keeps what it was"
    return NotFoundError(told, where=letter_id, hint=hint)


def _refused(act: Act, refused: ReplayRefusedError) -> WingmanError:
    about = refused.about
    match refused.why:
        case "settling":
            told = f"{about} has not ended: what it did is still being undone"
            hint = f"wait for its end (`wingman request watch {about}`), then replay"
        case "stands":
            told = f"something {about} did is, or may be, still there: a replay might do it twice"
            hint = f"look (`wingman request show {about} --tree`), put it right, then replay with --force"
        case "forgotten":
            told = f"the server keeps nothing of {about} any more: what it left behind is not known"
            hint = f"look (`wingman audit query --request {about}`), then replay with --force"
        case "stray":
            told, hint = "it belongs to no step of its request", "discard it"
        case _:
            return _gone(act.letter, None)
    return ConflictError(told, where=act.letter, hint=hint)


def _record(action: str, act: Act, letter: DeadLetter | None, **more: str) -> bytes:
    """What goes on the log: who, why, and all that is known of the letter."""
    body: dict[str, Any] = {"action": action, "letter": act.letter, "request": act.request_id, **more}
    body |= {"by": act.by, "reason": act.reason}
    if act.again:
        body["again"] = True
    if act.force:
        body["force"] = True
    if letter is not None:
        body |= {
            "agent": letter.agent,
            "event_id": letter.event_id,
            "event_type": letter.event_type,
            "tenant": letter.tenant,
            "flow": letter.flow,
            "flow_digest": letter.flow_digest,
            "error": letter.error,
            "attempts": letter.attempts,
            "worker": letter.worker,
            "code": letter.code,
            "policy": letter.policy,
            "buried_at_ms": letter.at_ms,
            "sha256": hashlib.sha256(letter.body).hexdigest(),
            "size": len(letter.body),
        }
        if letter.stray:
            # What was put there from outside is on no trail: its beginning, whatever bytes it is.
            body["begins"] = base64.b64encode(letter.body[:_SHOWN]).decode()
    return orjson.dumps(body, default=str)
