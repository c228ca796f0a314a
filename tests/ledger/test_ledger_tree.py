"""The causal tree of a request, from records of the store or of the log alike."""

from __future__ import annotations

from typing import Any

import orjson
from hypothesis import given
from hypothesis import strategies as st

from tests.ledger.ledger_fakes import REQUEST, event_body, stamp_body
from wingman_runtime.contracts.log import LogEntry
from wingman_runtime.ledger.record import Record
from wingman_runtime.ledger.tree import build_tree, render_text

DENY = {
    "gate": "40-handshake.cedar",
    "action": "approve",
    "principal": "Agent::handshake",
    "resource": "Plan::p1",
    "allow": False,
    "policies": ["ask-before-publishing"],
    "reasons": ["publishing asks"],
}


def record(n: int, at_ms: int, kind: str, body: bytes | dict[str, Any]) -> Record:
    raw = body if isinstance(body, bytes) else orjson.dumps(body)
    return Record(n, at_ms, kind, REQUEST, raw)


def effect(status: str, **more: Any) -> dict[str, Any]:
    said = {"effect_id": "eff_1", "status": status, "tool": "files.write", "resource": "file:a.md"}
    return {"agent": "executor", "worker": "w1", "effect": {**said, **more}}


CHAIN = [
    record(1, 1_000, "event", event_body("evt_1", "UserRequestReceived", "client")),
    record(
        2, 1_002, "routed", {"agent": "dispatcher", "event_id": "evt_1", "event_type": "UserRequestReceived"}
    ),
    record(3, 1_010, "event", event_body("evt_2", "ExecutionPlanProposed", "proposal", cause="evt_1")),
    record(
        4,
        1_020,
        "event",
        event_body(
            "evt_3",
            "ApprovalRequested",
            "handshake",
            cause="evt_2",
            data={"roles": ["approver"], "quorum": 1, "reasons": ["publishing asks"]},
            decisions=[DENY],
        ),
    ),
    record(
        9,
        61_020,
        "event",
        event_body(
            "evt_4",
            "ApprovalVoteCast",
            "client",
            cause="apr_1",
            data={"vote": {"voter": "bob", "verdict": "approve"}},
        ),
    ),
    record(
        10,
        61_030,
        "event",
        event_body(
            "evt_5", "ExecutionApproved", "handshake", cause="evt_4", data={"granted_by": "people:bob"}
        ),
    ),
    record(
        11,
        61_040,
        "retry",
        event_body(
            "evt_6", "AttemptFailed", "executor", cause="evt_5", data={"error": "locked", "retry_in": 0.5}
        ),
    ),
    record(12, 61_600, "effect_intent", effect("intent")),
    record(13, 61_900, "effect_result", {**effect("done"), "result": 3}),
    record(14, 61_910, "event", event_body("evt_7", "ExecutionComplete", "executor", cause="evt_5")),
    record(15, 61_920, "event", stamp_body("evt_8", "evt_7")),
]


def test_events_hang_under_their_causes_with_the_time_between() -> None:
    """Causes become parents; a vote, caused by no event, is a root; times are those between the records."""
    tree = build_tree(CHAIN)
    flat = [(depth, node.name) for depth, node in tree.walk()]
    assert flat == [
        (0, "UserRequestReceived"),
        (1, "routed UserRequestReceived"),
        (1, "ExecutionPlanProposed"),
        (2, "ApprovalRequested"),
        (0, "ApprovalVoteCast"),
        (1, "ExecutionApproved"),
        (2, "AttemptFailed"),
        (2, "effect files.write file:a.md"),
        (2, "ExecutionComplete"),
        (3, "AuditStamped"),
    ]
    nodes = {node.name: node for _, node in tree.walk()}
    assert nodes["ExecutionPlanProposed"].after_ms == 10
    assert nodes["ExecutionComplete"].after_ms == 880
    assert (tree.outcome, tree.duration_ms, tree.records) == ("completed", 60_920, 11)


def test_an_effect_is_one_node_with_its_result_and_duration() -> None:
    """Intent and result are one node: status of the result, time from intent to result."""
    nodes = {node.kind: node for _, node in build_tree(CHAIN).walk()}
    assert "effect_result" not in nodes
    assert (nodes["effect_intent"].status, nodes["effect_intent"].took_ms) == ("done", 300)


def test_an_intent_without_a_result_stays_an_intent() -> None:
    """What is in doubt shows as such."""
    nodes = {node.kind: node for _, node in build_tree(CHAIN[:8]).walk()}
    assert (nodes["effect_intent"].status, nodes["effect_intent"].took_ms) == ("intent", None)


def test_the_text_says_who_decided_what_waited_and_why() -> None:
    """Decisions with policies and reasons, waits, votes, retries and the outcome are all in the text."""
    text = render_text(build_tree(CHAIN))
    for said in (
        f"{REQUEST}  completed  1 min 0 s  11 records",
        "✗ approve Agent::handshake → Plan::p1 [ask-before-publishing]: publishing asks",
        "waits for 1 vote(s) of approver",
        "bob: approve",
        "granted by people:bob",
        "locked; again in 0.5 s",
        "effect files.write file:a.md  by executor  done  took 300 ms",
    ):
        assert said in text
    assert "✗" not in render_text(build_tree(CHAIN), decisions=False)


def test_records_of_the_log_give_the_same_tree() -> None:
    """Entries read from the server need no conversion."""
    entries = [LogEntry("1-0", r.n, r.at_ms, r.kind, r.request_id, r.body) for r in CHAIN]
    assert render_text(build_tree(entries)) == render_text(build_tree(CHAIN))


def test_a_missing_cause_is_said() -> None:
    """An event whose cause is not on record is a root that says so."""
    tree = build_tree(
        [record(1, 1, "event", event_body("evt_2", "ExecutionComplete", "executor", cause="evt_1"))]
    )
    assert tree.roots[0].orphan
    assert "its cause evt_1 is not on record" in render_text(tree)


def test_a_cause_that_stands_later_in_the_log_is_still_the_parent() -> None:
    """A joined event may be logged before the event that completed the join; causes in a circle are roots."""
    tree = build_tree(
        [
            record(1, 5, "event", event_body("evt_2", "BranchesJoined", "join:all", cause="evt_1")),
            record(2, 6, "event", event_body("evt_1", "UserRequestReceived", "client")),
        ]
    )
    assert [(depth, node.name) for depth, node in tree.walk()] == [
        (0, "UserRequestReceived"),
        (1, "BranchesJoined"),
    ]
    circle = [
        record(1, 5, "event", event_body("evt_1", "A", "a", cause="evt_2")),
        record(2, 6, "event", event_body("evt_2", "B", "b", cause="evt_1")),
    ]
    assert len(list(build_tree(circle).walk())) == 2


def test_no_records_make_an_empty_tree() -> None:
    """Nothing on record is a tree without roots, not an error."""
    assert build_tree([]).roots == ()


KINDS = st.sampled_from(
    ["event", "routed", "retry", "cut", "effect_intent", "effect_result", "anomaly", "done", "else"]
)
IDS = st.sampled_from(["", "evt_1", "evt_2", "evt_3", "req_1"])
JSON = st.recursive(
    st.none() | st.integers(-5, 5) | st.text(max_size=5) | IDS, lambda inner: st.lists(inner, max_size=3)
)
BODIES = st.one_of(
    st.binary(max_size=20),
    st.builds(
        lambda own, cause, said: orjson.dumps(
            {
                "agent": own,
                "event": {"id": own, "causationid": cause, "type": said, "data": {"reasons": said}},
            }
        ),
        IDS,
        IDS,
        JSON,
    ),
    st.builds(
        lambda own, said: orjson.dumps({"effect": {"effect_id": own, "status": said}, "decisions": said}),
        IDS,
        JSON,
    ),
)


@given(st.lists(st.tuples(KINDS, BODIES), max_size=12))
def test_any_records_make_a_tree_that_holds_them_all(rows: list[tuple[str, bytes]]) -> None:
    """Whatever the bodies say, each record is in the tree once (a result, within its intent)."""
    records = [record(n, n, kind, body) for n, (kind, body) in enumerate(rows, 1)]
    tree = build_tree(records)
    numbers = [node.n for _, node in tree.walk()]
    assert len(numbers) == len(set(numbers))
    results = sum(kind == "effect_result" for kind, _ in rows)
    assert len(records) - results <= len(numbers) <= len(records)
    assert render_text(tree).count("\n") >= len(numbers)
