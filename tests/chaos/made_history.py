"""A small history in which nothing is wrong, made by hand, for tests that break it in one place each."""

from __future__ import annotations

import hashlib
import itertools
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import orjson

from tests.chaos.checker import check
from tests.chaos.history import History, Row, Wanted

_SECOND = 1_000_000_000
WANTED = Wanted(completed=2, faults={"kill-worker": 1}, outcomes=frozenset({"failed"}), within=100.0)


@dataclass(slots=True)
class Made:
    """``rows`` are the audit records without their numbers and hashes: those come last."""

    rows: list[Row] = field(default_factory=list)
    client: list[Row] = field(default_factory=list)
    sink: list[Row] = field(default_factory=list)
    faults: list[Row] = field(default_factory=list)
    _clock: itertools.count[int] = field(default_factory=lambda: itertools.count(1))

    def now(self) -> int:
        return next(self._clock) * _SECOND

    def history(self) -> History:
        """With numbers and a whole chain over whatever the rows are now."""
        made, prev = [], bytes(32)
        for n, row in enumerate(self.rows, 1):
            body = orjson.dumps(row["body"])
            full = {
                "partition": 0, "incarnation": 1, "n": n, "at_ms": row["at_ms"], "kind": row["kind"],
                "request_id": row["request_id"], "event_type": row["event_type"], "agent": "",
                "body": body.decode(), "body_base64": "", "prev_hash": prev.hex(),
            }  # fmt: skip
            fields = [str(full[name]).encode() for name in ("partition", "incarnation", "n", "at_ms", "kind")]
            fields += [str(row["request_id"]).encode(), hashlib.sha256(body).digest()]
            prev = hashlib.sha256(prev + b"".join(len(f).to_bytes(4, "big") + f for f in fields)).digest()
            made.append({**full, "hash": prev.hex()})
        return History(self.client, self.sink, made, self.faults)

    def clauses(self, change: Callable[[History], None] = lambda history: None) -> Counter[str]:
        """The clauses that the checker finds broken; ``change`` may tamper with the finished history."""
        history = self.history()
        change(history)
        return Counter(violation.clause for violation in check(history, WANTED))

    def find(self, kind: str, **words: str) -> Row:
        """The first record of a kind whose effect or event says so: ``find("control", action="halt")``."""
        for row in self.rows:
            said = row["body"].get("effect") or row["body"].get("event") or row["body"]
            if row["kind"] == kind and all(said.get(word) == value for word, value in words.items()):
                return row
        raise LookupError((kind, words))

    def add(self, kind: str, request: str, body: Row, event_type: str = "") -> Row:
        row = {
            "kind": kind, "request_id": request, "event_type": event_type,
            "at_ms": 1000 * len(self.rows), "body": body,
        }  # fmt: skip
        self.rows.append(row)
        return row

    def event(self, request: str, type_: str, cause: str, agent: str, data: Row, worker: str = "w1") -> str:
        """Append an event; returns its id."""
        id_ = f"evt_{request}_{type_}_{len(self.rows)}"
        envelope = {
            "id": id_, "type": type_, "causationid": cause, "actor": "alice", "tenant": "demo",
            "flow": "request", "data": data,
        }  # fmt: skip
        body = {"agent": agent, "worker": worker, "attempt": 1, "event": envelope}
        self.add("event", request, body, type_)
        return id_

    def admitted(self, request: str) -> str:
        key = f"key-{request}"
        self.client.append({"at": self.now(), "do": "submit", "phase": "send", "key": key})
        self.client.append({"at": self.now(), "do": "submit", "phase": "ack", "key": key, "id": request})
        params = {"request": {"params": {"name": key}}}
        return self.event(request, "UserRequestReceived", "", "client", params, "/client")

    def approved(self, request: str, cause: str, tools: tuple[str, ...], by: str = "policy:low") -> str:
        """An approval of a plan of these tools; returns the event's id."""
        steps = [{"index": n, "tool": tool, "args": {"name": request}} for n, tool in enumerate(tools)]
        data = {
            "plan": {"plan_id": f"plan_{request}", "steps": steps}, "plan_digest": f"digest_{request}",
            "approval_id": f"apr_{request}", "granted_by": by,
        }  # fmt: skip
        return self.event(request, "ExecutionApproved", cause, "handshake", data)

    def effect(
        self,
        request: str,
        cause: str,
        step: int,
        tool: str,
        status: str,
        *,
        undoes: str = "",
        sent: bool = True,
    ) -> str:
        """Intent, call and result of one effect; returns its id."""
        kind = "compensate" if undoes else "apply"
        id_ = f"eff_{request}_{kind}_{step}"
        what = {
            "effect_id": id_, "plan_id": f"plan_{request}", "step": step, "tool": tool,
            "args": {"name": request}, "kind": kind, "undoes": undoes, "attempt": 1,
        }  # fmt: skip
        who = {"agent": "executor", "worker": "w1", "event_id": cause}
        self.add("effect_intent", request, {**who, "effect": what})
        if sent:
            mode = {"sink.ask": "put"}.get(tool, tool.removeprefix("sink."))
            self.call(id_, mode, request, of=undoes, applied=int(status != "failed"))
        self.add("effect_result", request, {**who, "effect": {"effect_id": id_, "status": status}})
        return id_

    def call(self, key: str, mode: str, request: str, *, of: str = "", applied: int = 1) -> Row:
        row = {"at": self.now(), "key": key, "mode": mode, "request": request, "of": of, "applied": applied}
        self.sink.append(row)
        return row

    def ended(self, request: str, outcome: str, cause: str) -> None:
        response = {"response": {"outcome": outcome}}
        self.event(request, "AuditStamped", cause, "audit", response)
        for _ in range(2):
            self.client.append(self.told(request, outcome))

    def told(self, request: str, outcome: str, **more: Any) -> Row:
        line = {"at": self.now(), "do": "end", "phase": "end", "id": request, "outcome": outcome}
        return {**line, "stamped": True, **more}

    def held(self, target: str, mode: str = "halt") -> None:
        self.add("control", "", {"action": mode, "target": target, "reason": "why"})
        self.client.append(
            {"at": self.now(), "do": "hold", "phase": "ack", "target": target, "mode": mode, "reason": "why"}
        )

    def resumed(self, target: str) -> None:
        self.client.append({"at": self.now(), "do": "resume", "phase": "send", "target": target})
        self.add("control", "", {"action": "resume", "target": target, "reason": "why"})

    def completed(self, request: str, tool: str = "sink.put") -> None:
        """A whole request that one tool completes."""
        cause = self.approved(request, self.admitted(request), (tool,))
        self.effect(request, cause, 0, tool, "done")
        plan = {"plan": {"plan_id": f"plan_{request}", "steps": [{"index": 0}]}}
        self.ended(request, "completed", self.event(request, "ExecutionComplete", cause, "executor", plan))


def good() -> Made:
    """completed · failed and undone · asked, voted, completed · uncertain · denied; a halt; a fault."""
    made = Made()
    made.faults.append({"at": made.now(), "phase": "struck", "fault": "kill-worker"})
    made.completed("r1")

    cause = made.approved("r2", made.admitted("r2"), ("sink.set", "sink.put", "sink.fail"))
    first = made.effect("r2", cause, 0, "sink.set", "done")
    second = made.effect("r2", cause, 1, "sink.put", "done")
    made.effect("r2", cause, 2, "sink.fail", "failed")
    failed = made.event("r2", "ExecutionFailed", cause, "executor", {})
    planned = made.event("r2", "CompensationPlanned", failed, "rollback", {})
    made.effect("r2", planned, 0, "sink.take", "done", undoes=second)
    made.effect("r2", planned, 1, "sink.take", "done", undoes=first)
    made.ended("r2", "failed", made.event("r2", "CompensationComplete", planned, "executor", {}))

    asked = {"approval_id": "apr_r3", "plan_digest": "digest_r3", "expires_in": 60}
    waits = made.event("r3", "ApprovalRequested", made.admitted("r3"), "handshake", asked)
    line = {"do": "vote", "approval": "apr_r3", "voter": "bob", "verdict": "approve"}
    made.client.append({"at": made.now(), **line, "phase": "send"})
    made.client.append({"at": made.now(), **line, "phase": "ack"})
    vote = {"approval_id": "apr_r3", "vote": {"voter": "bob", "verdict": "approve"}}
    voted = made.event("r3", "ApprovalVoteCast", waits, "client", vote, "/client")
    cause = made.approved("r3", voted, ("sink.ask",), by="people:bob")
    made.effect("r3", cause, 0, "sink.ask", "done")
    plan = {"plan": {"plan_id": "plan_r3", "steps": [{"index": 0}]}}
    made.ended("r3", "completed", made.event("r3", "ExecutionComplete", cause, "executor", plan))

    cause = made.approved("r4", made.admitted("r4"), ("sink.vanish",))
    made.effect("r4", cause, 0, "sink.vanish", "uncertain")
    made.ended("r4", "uncertain", made.event("r4", "ExecutionUncertain", cause, "executor", {}))

    made.held("all")
    made.resumed("all")
    denied = made.event("r5", "PermissionDenied", made.admitted("r5"), "permission", {})
    made.ended("r5", "denied", denied)
    made.faults.append({"at": made.now(), "phase": "ended", "fault": "kill-worker"})
    return made
