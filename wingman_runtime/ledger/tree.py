"""The causal tree of one request: what led to what, how long it took, who decided it and why. Pure.

A node is a record. An event hangs under the event that caused it; what is no event (an effect, a retry, a
wait, a refusal) hangs under the event it was done for. A record whose cause is not among the records becomes
a root and says so.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Protocol

from wingman_runtime.ledger.record import body_data

_RETRIES = ("retry", "dead_letter")
_EFFECTS = ("effect_intent", "effect_result")
_IDLE = " does not apply: "  # as `policy.why` words it


class RecordLike(Protocol):
    """What the tree needs of a record, from the store or from the log."""

    @property
    def n(self) -> int: ...
    @property
    def at_ms(self) -> int: ...
    @property
    def kind(self) -> str: ...
    @property
    def request_id(self) -> str: ...
    @property
    def body(self) -> bytes: ...


@dataclass(frozen=True, slots=True)
class Judgement:
    """A decision that was recorded with a step."""

    allow: bool
    action: str
    principal: str
    resource: str
    gate: str
    policies: tuple[str, ...]
    reasons: tuple[str, ...]


@dataclass(slots=True)
class Node:
    """One record in the tree. Times are milliseconds of the server's clock.

    ``name`` is the event type, the tool, or the kind. ``after_ms`` is the time since the record it hangs
    under. ``took_ms``, for an effect, is from intent to result.
    """

    n: int
    at_ms: int
    kind: str
    name: str
    agent: str
    event_id: str = ""
    cause: str = ""
    after_ms: int = 0
    took_ms: int | None = None
    attempt: int = 1
    status: str = ""
    detail: str = ""
    orphan: bool = False
    decisions: tuple[Judgement, ...] = ()
    reasons: tuple[str, ...] = ()
    children: list[Node] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class RequestTree:
    """A request's records as a tree; ``outcome`` is empty while it is under way."""

    request_id: str
    roots: tuple[Node, ...]
    outcome: str
    started_ms: int
    ended_ms: int
    records: int

    @property
    def duration_ms(self) -> int:
        return self.ended_ms - self.started_ms

    def walk(self) -> Iterable[tuple[int, Node]]:
        """Every node with its depth, parents before children."""
        stack = [(0, node) for node in reversed(self.roots)]
        while stack:
            depth, node = stack.pop()
            yield depth, node
            stack.extend((depth + 1, child) for child in reversed(node.children))


def build_tree(records: Iterable[RecordLike]) -> RequestTree:
    """The tree of one request's records, given in the order of the log."""
    rows = list(records)
    events: dict[str, Node] = {}
    effects: dict[str, Node] = {}
    roots: list[Node] = []
    outcome = ""
    for row in rows:
        data = body_data(row.body)
        node = _node(row, data)
        if row.kind == "effect_result" and node.event_id in effects:
            _settle(effects.pop(node.event_id), node)
            continue
        parent = _parent(node, data, events)
        if row.kind == "effect_intent":
            effects[node.event_id] = node
        elif row.kind in ("event", "cut") and node.event_id:
            events.setdefault(node.event_id, node)
        outcome = _outcome(data) or outcome
        if parent is None:
            node.orphan = bool(node.cause) and not node.cause.startswith("req_")
            roots.append(node)
        else:
            node.after_ms = max(0, node.at_ms - parent.at_ms)
            parent.children.append(node)
    _adopt(roots, events)
    return RequestTree(
        request_id=rows[0].request_id if rows else "",
        roots=tuple(roots),
        outcome=outcome,
        started_ms=rows[0].at_ms if rows else 0,
        ended_ms=rows[-1].at_ms if rows else 0,
        records=len(rows),
    )


def render_text(tree: RequestTree, *, decisions: bool = True, verbose: bool = True) -> str:
    """The tree as plain text, one node a line, its reasons and decisions below it.

    Args:
        verbose: also each policy that merely does not apply, where that refused nothing; else their number.
    """
    state = tree.outcome or "under way"
    lines = [f"{tree.request_id}  {state}  {_duration(tree.duration_ms)}  {tree.records} records"]

    def brief(node: Node, judgement: Judgement) -> bool:
        refused = any(told.endswith(reason) for told in node.reasons for reason in judgement.reasons)
        return not verbose and not refused

    def draw(node: Node, lead: str, *, last: bool) -> None:
        lines.append(f"{lead}{'└─ ' if last else '├─ '}{describe(node)}")
        inner = lead + ("   " if last else "│  ")
        notes = inner + ("│  " if node.children else "   ")
        judged = [reason for judgement in node.decisions for reason in judgement.reasons] if decisions else []
        lines.extend(
            f"{notes}· {_shown(reason)}"
            for reason in node.reasons
            if not any(reason.endswith(one) for one in judged)  # it stands with its decision, below
        )
        if decisions:
            lines.extend(
                f"{notes}{describe_judgement(judgement, tree.request_id, brief=brief(node, judgement))}"
                for judgement in node.decisions
            )
        for position, child in enumerate(node.children):
            draw(child, inner, last=position == len(node.children) - 1)

    for position, root in enumerate(tree.roots):
        draw(root, "", last=position == len(tree.roots) - 1)
    return "\n".join(lines) + "\n"


def describe(node: Node) -> str:
    """A node's line, without what stands below it."""
    parts = [node.name]
    if node.agent:
        parts.append(f"by {node.agent}")
    if node.status:
        parts.append(node.status)
    if node.attempt > 1:
        parts.append(f"attempt {node.attempt}")
    if node.took_ms is not None:
        parts.append(f"took {_duration(node.took_ms)}")
    if node.after_ms:
        parts.append(f"+{_duration(node.after_ms)}")
    if node.detail:
        parts.append(f"({node.detail})")
    if node.orphan:
        parts.append(f"[its cause {node.cause} is not on record]")
    return _shown("  ".join(parts))


def describe_judgement(judgement: Judgement, request_id: str = "", *, brief: bool = False) -> str:
    """One decision as a line: what was asked, the answer, and by which policies, each thing once.

    Args:
        request_id: of the tree; a resource that is this very request is called so.
        brief: count the policies that merely do not apply, when there are several.
    """
    mark = "✓" if judgement.allow else "✗"
    idle = [reason for reason in judgement.reasons if _IDLE in reason]
    told = "; ".join(judgement.reasons)
    unsaid = [name for name in judgement.policies if name not in told]
    if brief and len(idle) > 1:
        others = [reason for reason in judgement.reasons if reason not in idle]
        told = "; ".join([*others, f"{len(idle)} policies do not apply"])
    by = f" [{', '.join(unsaid) or 'no policy'}]" if unsaid or not (judgement.policies or told) else ""
    resource = "this request" if request_id and request_id in judgement.resource else judgement.resource
    why = f": {told}" if told else ""
    return _shown(f"{mark} {judgement.action} {judgement.principal} → {resource}{by}{why}")


def _node(row: RecordLike, data: dict[str, Any]) -> Node:
    node = Node(row.n, row.at_ms, row.kind, row.kind, _text(data.get("agent")))
    event = data.get("event")
    effect = data.get("effect")
    node.attempt = _whole(data.get("attempt"), 1)
    if isinstance(event, dict):
        _fill_event(node, event)
    elif isinstance(effect, dict):
        _fill_effect(node, effect)
    else:
        node.cause = _text(data.get("event_id")) or _text(data.get("cause"))
        about = _text(data.get("event_type"))
        node.name = f"{row.kind} {about}" if about else row.kind
        said = ("note", "error", "anomaly", "reason", "why")
        node.detail = "; ".join(_text(data.get(key)) for key in said if _text(data.get(key)))
    node.decisions = tuple(_judgement(item) for item in _items(data.get("decisions")))
    return node


def _fill_event(node: Node, event: dict[str, Any]) -> None:
    said = event.get("data")
    said = said if isinstance(said, dict) else {}
    node.event_id, node.cause = _text(event.get("id")), _text(event.get("causationid"))
    node.name = _text(event.get("type")) or node.kind
    if node.kind == "cut":
        node.status = "cut: another branch had already decided"
    node.reasons = _texts(said.get("reasons"))
    if not node.reasons and _text(said.get("reason")):
        node.reasons = (_text(said["reason"]),)
    if node.kind in _RETRIES or "error" in said:
        node.detail = _text(said.get("error"))
        wait = said.get("retry_in")
        if isinstance(wait, int | float):
            node.detail += f"; again in {wait:.1f} s"
    vote = said.get("vote")
    if isinstance(vote, dict):
        node.detail = f"{_text(vote.get('voter'))}: {_text(vote.get('verdict'))}"
    if _text(said.get("granted_by")) and node.name == "ExecutionApproved":
        node.detail = f"granted by {said['granted_by']}"
    if node.name == "ApprovalRequested":
        roles = ", ".join(_texts(said.get("roles")))
        node.status = f"waits for {said.get('quorum', 1)} vote(s) of {roles or 'nobody'}"
    node.status = node.status or _outcome({"event": event})


def _fill_effect(node: Node, effect: dict[str, Any]) -> None:
    node.event_id = _text(effect.get("effect_id"))
    tool, resource = _text(effect.get("tool")), _text(effect.get("resource"))
    verb = "undo" if effect.get("kind") == "compensate" else "effect"
    node.name = " ".join(part for part in (verb, tool or node.event_id, resource) if part)
    node.status = _text(effect.get("status"))
    node.detail = _text(effect.get("error"))
    node.attempt = max(node.attempt, _whole(effect.get("attempt"), 1))


def _settle(intent: Node, result: Node) -> None:
    intent.took_ms = max(0, result.at_ms - intent.at_ms)
    intent.status, intent.detail = result.status, result.detail


def _parent(node: Node, data: dict[str, Any], events: dict[str, Node]) -> Node | None:
    if node.cause in events:
        return events[node.cause]
    if node.kind in _EFFECTS:
        # An intent names the agent that performs it, and the event it serves when the server knows it.
        named = events.get(_text(data.get("event_id")))
        return named or _latest(events, node)
    if node.cause or node.event_id:
        return None
    return _latest(events, node)


def _latest(events: dict[str, Node], node: Node) -> Node | None:
    """The newest event somebody else than the node's agent sent: what that agent can be at work on."""
    foreign = (event for event in reversed(events.values()) if event.agent != node.agent)
    return next(foreign, None) or next(reversed(events.values()), None)


def _adopt(roots: list[Node], events: dict[str, Node]) -> None:
    """A record may stand in the log before its cause's (a join's): hang it there, if that makes no circle."""
    for node in list(roots):
        parent = events.get(node.cause)
        if parent is None or any(node is inner for inner in (parent, *_above(parent, events))):
            continue
        roots.remove(node)
        node.orphan = False
        node.after_ms = max(0, node.at_ms - parent.at_ms)
        parent.children.append(node)


def _above(node: Node, events: dict[str, Node]) -> list[Node]:
    out: list[Node] = []
    while (up := events.get(node.cause)) is not None and up not in out and up is not node:
        out.append(up)
        node = up
    return out


def _outcome(data: dict[str, Any]) -> str:
    event = data.get("event")
    if not isinstance(event, dict) or event.get("type") != "AuditStamped":
        return ""
    said = event.get("data")
    stamp = said.get("stamp") if isinstance(said, dict) else None
    return _text(stamp.get("outcome")) if isinstance(stamp, dict) else ""


def _judgement(item: dict[str, Any]) -> Judgement:
    return Judgement(
        allow=item.get("allow") is True,
        action=_text(item.get("action")),
        principal=_text(item.get("principal")),
        resource=_text(item.get("resource")),
        gate=_text(item.get("gate")),
        policies=_texts(item.get("policies")),
        reasons=_texts(item.get("reasons")),
    )


def _items(value: Any) -> list[dict[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _texts(value: Any) -> tuple[str, ...]:
    return tuple(item for item in value if _text(item)) if isinstance(value, list) else ()


def _shown(text: str) -> str:
    """Text from a record, made safe for a line of a terminal."""
    return "".join(char if char.isprintable() else " " for char in text)


def _whole(value: Any, default: int) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) else default


def _duration(ms: int) -> str:
    if ms < 1_000:
        return f"{ms} ms"
    if ms < 60_000:
        return f"{ms / 1000:.2f} s"
    minutes, seconds = divmod(ms // 1000, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {seconds} s"
