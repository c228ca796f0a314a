"""The table a flow compiles to: who may send what, and where it goes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wingman_runtime.contracts.events import SYSTEM_EVENTS
from wingman_runtime.contracts.manifest import Manifest
from wingman_runtime.errors import FlowError
from wingman_runtime.flow.compile import compile_flow
from wingman_runtime.flow.load import load_flow
from wingman_runtime.flow.model import POSTED, Flow, Join, RouteSpec
from wingman_runtime.flow.route import JoinRoute, Route, next_of

MakeManifest = Callable[..., Manifest]
WriteFlow = Callable[[str], Flow]

SHIPPED_FLOW = Path(__file__).parents[2] / "config" / "flows" / "request.yaml"

GOLDEN = {
    "*>DeadLettered": Route(settle="rollback"),
    "*>RequestCancelled": Route(settle="rollback"),
    "*>RequestExpired": Route(settle="rollback"),
    "*>RequestFailed": Route(settle="rollback"),
    "audit>AuditStamped": Route(end=True),
    "client>ApprovalVoteCast": Route(to=("handshake",)),
    "dispatcher>UserRequestReceived": Route(to=("scope_filter",)),
    "executor>CompensationComplete": Route(outcome_field="outcome"),
    "executor>CompensationFailed": Route(outcome="rollback_incomplete"),
    "executor>ExecutionComplete": Route(outcome="completed"),
    "executor>ExecutionFailed": Route(settle="rollback"),
    "executor>ExecutionUncertain": Route(outcome="uncertain"),
    "executor>ToolExecutionDenied": Route(),
    "handshake>ApprovalExpired": Route(outcome="expired"),
    "handshake>ApprovalGiven": Route(),
    "handshake>ApprovalRequested": Route(),
    "handshake>ExecutionApproved": Route(to=("executor",)),
    "handshake>ExecutionBlocked": Route(outcome_field="outcome"),
    "handshake>VoteRefused": Route(),
    "permission>PermissionDenied": Route(outcome="denied"),
    "permission>PermissionsVerified": Route(to=("proposal",)),
    "proposal>ExecutionPlanProposed": Route(to=("handshake",)),
    "proposal>RequestRejected": Route(outcome="rejected"),
    "rollback>CompensationComplete": Route(outcome_field="outcome"),
    "rollback>CompensationFailed": Route(outcome="rollback_incomplete"),
    "rollback>CompensationPlanned": Route(to=("executor",)),
    "scope_filter>RequestRejected": Route(outcome="rejected"),
    "scope_filter>RequestValidated": Route(to=("permission",)),
    "timer>ApprovalTimedOut": Route(to=("handshake",)),
}


def test_the_governed_chain_compiles_to_its_table(chain: dict[str, Manifest]) -> None:
    """Every row of the shipped flow, and no other."""
    compiled = compile_flow(load_flow(SHIPPED_FLOW), chain)
    assert dict(compiled.table) == GOLDEN
    assert (compiled.name, compiled.start) == ("request", "UserRequestReceived")
    assert (compiled.finally_, compiled.failure) == ("audit", "rollback")
    assert compiled.agents == tuple(sorted(chain))
    assert compiled.limits.model_dump() == {"depth": 16, "events": 256, "fan_out": 16}


def test_an_agent_finds_its_own_row_and_the_runtimes(chain: dict[str, Manifest]) -> None:
    """An agent may send what the table gives it; a system event goes the same way from any agent."""
    compiled = compile_flow(load_flow(SHIPPED_FLOW), chain)
    assert compiled.route("handshake", "ExecutionApproved") == Route(to=("executor",))
    assert compiled.route("proposal", "ExecutionApproved") is None
    assert compiled.route("handshake", "ApprovalVoteCast") is None
    for agent in ("scope_filter", "a_new_one"):
        assert compiled.route(agent, "RequestFailed") == Route(settle="rollback")
    own = {"a>DeadLettered": Route(to=("b",)), "*>DeadLettered": Route(settle="c")}
    assert next_of(own, "a", "DeadLettered") == Route(to=("b",))


def test_a_join_is_in_the_rows_of_its_branches(
    write_flow: WriteFlow, small: dict[str, Manifest], small_text: str
) -> None:
    """Each branch's row carries the whole join; without a failure agent failures decide the outcome."""
    table = compile_flow(write_flow(small_text), small).table
    both = JoinRoute(name="both", need=2, of=("left", "right"), to=("meet",))
    assert table["left>PermissionsVerified"] == table["right>ApprovalGiven"] == Route(join=both)
    assert table["split>RequestValidated"] == Route(to=("left", "right"))
    assert "left>DeadLettered" not in table
    decided = {event: table[f"*>{event}"].outcome for event in SYSTEM_EVENTS}
    assert decided == {
        "RequestFailed": "failed",
        "DeadLettered": "failed",
        "RequestCancelled": "cancelled",
        "RequestExpired": "expired",
    }


@pytest.mark.parametrize(
    ("mode", "need"), [("mode: all", 2), ("mode: any", 1), ("mode: quorum\n    quorum: 2", 2)]
)
def test_a_join_that_goes_on_counts_a_dead_letter(
    write_flow: WriteFlow, small: dict[str, Manifest], small_text: str, mode: str, need: int
) -> None:
    """With on_branch_failure continue a branch's dead letter is its contribution."""
    text = small_text.replace("to: meet", f"to: meet\n    {mode}\n    on_branch_failure: continue")
    compiled = compile_flow(write_flow(text), small)
    both = JoinRoute(name="both", need=need, of=("left", "right"), to=("meet",))
    assert compiled.route("left", "DeadLettered") == Route(join=both)
    assert compiled.route("right", "DeadLettered") == Route(join=both)
    assert compiled.route("split", "DeadLettered") == Route(outcome="failed")


def test_an_agent_outside_a_join_gets_no_row_for_it(
    write_flow: WriteFlow, small: dict[str, Manifest], small_text: str, manifest: MakeManifest
) -> None:
    """An agent that a join does not wait for cannot complete it."""
    small["split"] = manifest("split", "UserRequestReceived", "RequestValidated ApprovalGiven")
    compiled = compile_flow(write_flow(small_text), small)
    assert compiled.route("split", "ApprovalGiven") is None
    assert compiled.route("right", "ApprovalGiven") is not None


def test_the_stored_rows_come_back_the_same(
    chain: dict[str, Manifest], write_flow: WriteFlow, small: dict[str, Manifest], small_text: str
) -> None:
    """What is stored under the digest reads back as the same table, joins included."""
    for compiled in (
        compile_flow(load_flow(SHIPPED_FLOW), chain),
        compile_flow(write_flow(small_text), small),
    ):
        rows = {key: orjson.dumps(route.to_json()) for key, route in compiled.table.items()}
        assert {key: Route.from_json(orjson.loads(row)) for key, row in rows.items()} == compiled.table


def test_a_route_has_the_shape_the_commit_script_reads() -> None:
    """The stored row of a route names every field, also those that say nothing."""
    assert Route(join=JoinRoute("j", 1, ("a", "b"), ("c",))).to_json() == {
        "to": [],
        "settle": "",
        "outcome": "",
        "outcome_field": "",
        "join": {"name": "j", "need": 1, "of": ["a", "b"], "to": ["c"]},
        "end": False,
    }
    assert Route(end=True).to_json()["join"] is None


def test_the_digest_follows_what_a_request_depends_on(
    write_flow: WriteFlow, small: dict[str, Manifest], small_text: str
) -> None:
    """Words and the order of lines change nothing; a route, a limit, a version does."""
    base = compile_flow(write_flow(small_text), small).digest
    assert base.startswith("sha256:")
    lines = small_text.splitlines()
    lines[8], lines[9] = lines[9], lines[8]
    same = [small_text.replace("two branches", "a pair"), "\n".join(lines) + "\n"]
    assert {compile_flow(write_flow(text), small).digest for text in same} == {base}
    other = [
        small_text.replace("version: 1.0.0", "version: 1.0.1"),
        small_text.replace("fan_out: 2", "fan_out: 3"),
        small_text.replace("outcome: completed", "outcome: uncertain"),
        small_text.replace("to: meet", "mode: any\n    to: meet"),
    ]
    assert base not in {compile_flow(write_flow(text), small).digest for text in other}


@pytest.mark.parametrize(
    ("old", "new", "line", "says"),
    [
        ("UserRequestReceived: split", "UserRequestReceived: splitt", 9, "splitt"),
        ("{join: both}", "{join: boht}", 11, "boht"),
        ("[left, right]\n  Perm", "[left, right, meet]\n  Perm", 10, "meet is routed RequestValidated"),
        ("to: meet", "to: split", 18, "BranchesJoined"),
        ("start: UserRequestReceived", "start: UserRequestReceived\nfailure: left", 7, "left is routed Dead"),
    ],
)
def test_what_cannot_be_routed_does_not_compile(
    write_flow: WriteFlow,
    small: dict[str, Manifest],
    small_text: str,
    old: str,
    new: str,
    line: int,
    says: str,
) -> None:
    """Even unchecked, a flow that hands an agent what it does not consume becomes no table."""
    with pytest.raises(FlowError, match=says) as caught:
        compile_flow(write_flow(small_text.replace(old, new, 1)), small)
    assert caught.value.where == f"flow.yaml:{line}"
    assert caught.value.hint


NAMES = ["ant", "bee", "cat", "dog"]
EVENTS = ["RequestValidated", "PermissionsVerified", "ApprovalGiven", "ApprovalVoteCast", "BranchesJoined"]
WORDS = st.lists(st.sampled_from(EVENTS), unique=True, max_size=4)
AGENTS = st.lists(st.sampled_from(NAMES), unique=True, min_size=1, max_size=3)
SPECS = st.one_of(
    AGENTS.map(lambda to: RouteSpec(to=tuple(to))),
    st.sampled_from(NAMES).map(lambda name: RouteSpec(settle=name)),
    st.just(RouteSpec(outcome="completed")),
    st.just(RouteSpec(join="j")),
    st.just(RouteSpec(end=True)),
)


@st.composite
def worlds(draw: st.DrawFn) -> tuple[Flow, dict[str, Manifest]]:
    manifests = {}
    for name in NAMES:
        # Mostly everything, with a gap or two: a world where nothing fits would refuse every flow.
        gaps = draw(st.sets(st.sampled_from([*EVENTS, *sorted(SYSTEM_EVENTS)]), max_size=2))
        consumes = [one for one in (*EVENTS, *sorted(SYSTEM_EVENTS)) if one not in gaps]
        manifests[name] = Manifest.model_validate(
            {
                **dict.fromkeys(("purpose", "owner", "scope", "output"), "x"),
                "name": name,
                "version": "1.0.0",
                "handler": "agent:handle",
                "consumes": consumes,
                "emits": draw(WORDS),
                "refusals": [],
                "tools": [],
                "audit": ["x"],
            }
        )
    join = Join(
        of=tuple(draw(AGENTS)),
        to=tuple(draw(AGENTS)),
        on_branch_failure=draw(st.sampled_from(["fail", "continue"])),
    )
    flow = Flow.model_validate(
        {
            "flow": "f",
            "version": "1.0.0",
            "purpose": "x",
            "owner": "x",
            "start": "RequestValidated",
            "finally": draw(st.sampled_from(["", *NAMES])),
            "failure": draw(st.sampled_from(["", *NAMES])),
            "routes": draw(st.dictionaries(st.sampled_from(EVENTS[:-1]), SPECS, min_size=1)),
            "joins": {"j": join},
        }
    )
    return flow, manifests


@settings(deadline=None)  # a busy machine is not a finding
@given(worlds())
def test_no_table_hands_an_agent_what_it_does_not_consume(world: tuple[Flow, dict[str, Manifest]]) -> None:
    """Whatever flow and agents meet: what compiles routes only declared events to declared consumers."""
    flow, manifests = world
    try:
        compiled = compile_flow(flow, manifests)
    except FlowError as error:
        assert error.where  # noqa: PT017 - a refusal is an answer too; it must say where
        return
    for key, route in compiled.table.items():
        sender, _, event = key.partition(">")
        if event not in SYSTEM_EVENTS:
            outside = {"dispatcher": flow.start, **{who: what for what, who in POSTED.items()}}
            assert outside.get(sender) == event or event in manifests[sender].emits
        stamping = (flow.finally_,) if route.decides and flow.finally_ else ()
        for agent in (*route.to, *filter(None, [route.settle]), *stamping):
            assert event in manifests[agent].consumes
        if route.join is not None:
            assert sender in route.join.of
            assert all("BranchesJoined" in manifests[agent].consumes for agent in route.join.to)
