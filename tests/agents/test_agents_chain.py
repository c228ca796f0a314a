"""From the dispatcher to the plan: each branch of dispatcher, scope filter, permission and proposal."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.agents.agents_fakes import (
    NOTES,
    FakePlanner,
    FakePlanners,
    FakePolicy,
    FakeScopes,
    FakeTools,
    a_request,
    envelope,
)
from wingman_runtime.errors import ContractError
from wingman_runtime.sdk import (
    STEP_LIMIT,
    Emit,
    ExecutionPlanProposed,
    Forward,
    Grant,
    PermissionDenied,
    PermissionsVerified,
    Ref,
    Refuse,
    RequestRejected,
    RequestValidated,
    Risk,
    Scope,
    UserRequestReceived,
)

Handler = Callable[[str], Any]
GRANTS = NOTES.grants
WRITE = ("file.write", {"path": "notes/a.md"})


async def test_dispatcher_forwards_unchanged(handler: Handler) -> None:
    """The dispatcher answers Forward and nothing else."""
    event = envelope(UserRequestReceived(request=a_request()))
    assert await handler("dispatcher")(event) == Forward()


async def scope_filter(
    handler: Handler, *, scope: Scope | None = NOTES, policy: FakePolicy | None = None, **changes: Any
) -> Any:
    event = envelope(UserRequestReceived(request=a_request(**changes)))
    return await handler("scope_filter")(
        event,
        policy=policy or FakePolicy({"validate"}),
        scopes=FakeScopes(scope, () if scope else ("scope 'notes': too large",)),
        tools=FakeTools(),
    )


async def test_request_inside_a_scope_is_validated(handler: Handler) -> None:
    """Inside a scope and let in by the gate: RequestValidated with scope and the gate's reasons."""
    policy = FakePolicy({"validate"})
    answer = await scope_filter(handler, policy=policy)
    assert isinstance(answer, Emit)
    (event,) = answer.events
    assert isinstance(event, RequestValidated)
    assert event.scope == NOTES
    assert event.reasons[0].startswith("allow")
    ((action, principal, resource, attributes, context),) = policy.asked
    assert (action, principal) == ("validate", Ref("User", "alice"))
    assert resource.type == "Request"
    assert attributes == {"tenant": "demo", "intent": "note.write", "flow": "request", "steps": 0}
    assert context == {"scope": "notes"}


async def test_request_outside_every_scope_is_rejected_without_asking_policy(handler: Handler) -> None:
    """No scope: RequestRejected with the reasons of the scopes; the gate is not asked."""
    policy = FakePolicy({"validate"})
    answer = await scope_filter(handler, scope=None, policy=policy)
    assert answer == Refuse(RequestRejected(reasons=("scope 'notes': too large",)))
    assert policy.asked == []


async def test_gate_of_the_scope_may_reject(handler: Handler) -> None:
    """A gate that says no: RequestRejected naming the policies asked."""
    answer = await scope_filter(handler, policy=FakePolicy())
    assert isinstance(answer, Refuse)
    assert isinstance(answer.event, RequestRejected)
    assert answer.event.policies == ("validate-missing",)


@pytest.mark.parametrize(
    ("step", "said"),
    [
        ({"tool": "file.write", "args": {"path": "other/a.md"}}, "file:other/a.md is outside scope 'notes'"),
        ({"tool": "file.write", "args": {"path": "notes/../a.md"}}, "file:a.md is outside scope 'notes'"),
        ({"tool": "mail.send", "args": {"to": "x"}}, "mail.send on mail:x is outside"),
        ({"tool": "file.write", "args": {}}, "steps[1]: path: not text"),
        ({"tool": "rm", "args": {}}, "steps[1]: rm: no tool 'rm'"),
    ],
)
async def test_explicit_steps_stay_inside_the_scope(
    handler: Handler, step: dict[str, Any], said: str
) -> None:
    """An explicit step is held against the scope by the resource of its final arguments, and located."""
    fine = {"tool": "file.write", "args": {"path": "notes/a.md"}}
    answer = await scope_filter(handler, steps=[fine, step])
    assert isinstance(answer, Refuse)
    assert isinstance(answer.event, RequestRejected)
    (reason,) = answer.event.reasons
    assert reason.startswith("steps[1]: ")
    assert said in reason


async def permission(handler: Handler, policy: FakePolicy, scope: Scope = NOTES, **changes: Any) -> Any:
    event = envelope(RequestValidated(request=a_request(**changes), scope=scope))
    return await handler("permission")(event, policy=policy, tools=FakeTools())


async def test_every_tool_of_the_scope_is_asked_for_once(handler: Handler) -> None:
    """Each (tool, resource) of the scope is one question, told who would carry it out; all yes: grants."""
    two = (*GRANTS, Grant(tool="mail.send", resource="mail:*"), *GRANTS)
    policy = FakePolicy({"permit"})
    answer = await permission(handler, policy, NOTES.model_copy(update={"grants": two}))
    (event,) = answer.events
    assert isinstance(event, PermissionsVerified)
    assert event.grants == two[:2]
    assert [(asked[1], asked[2].id, asked[3]) for asked in policy.asked] == [
        (Ref("User", "alice"), "file.write", {"resource": "file:notes/*", "risk": "low"}),
        (Ref("User", "alice"), "mail.send", {"resource": "mail:*", "risk": "high"}),
    ]
    assert policy.asked[0][4] == {"agent": "executor", "tenant": "demo", "intent": "note.write"}


async def test_one_missing_right_denies_all(handler: Handler) -> None:
    """One right missing: PermissionDenied naming it, and only it, with the policies asked."""
    two = (*GRANTS, Grant(tool="mail.send", resource="mail:*"))
    answer = await permission(
        handler, FakePolicy({"permit"}, tools={"file.write"}), NOTES.model_copy(update={"grants": two})
    )
    assert isinstance(answer, Refuse)
    assert isinstance(answer.event, PermissionDenied)
    assert answer.event.reasons == ("mail.send on mail:*: missing: alice permit mail.send",)
    assert answer.event.policies == ("permit-missing",)


async def test_explicit_steps_are_asked_for_exactly(handler: Handler) -> None:
    """With explicit steps the question is about their resources, not the scope's pattern."""
    steps = [{"tool": "file.write", "args": {"path": "notes/x/../b.md"}}]
    answer = await permission(handler, FakePolicy({"permit"}), steps=steps)
    assert answer.events[0].grants == (Grant(tool="file.write", resource="file:notes/b.md"),)


@pytest.mark.parametrize(
    ("scope", "changes", "said"),
    [
        (NOTES.model_copy(update={"grants": ()}), {}, "names no tool"),
        (NOTES.model_copy(update={"grants": (Grant(tool="rm", resource="x"),)}), {}, "tool: no tool 'rm'"),
        (NOTES, {"steps": [{"tool": "file.write", "args": {"path": 3}}]}, "path: not text"),
    ],
)
async def test_what_cannot_be_asked_is_denied(
    handler: Handler, scope: Scope, changes: dict[str, Any], said: str
) -> None:
    """Nothing to grant, an unknown tool, unusable arguments: denied, never passed on."""
    answer = await permission(handler, FakePolicy({"permit"}), scope, **changes)
    assert isinstance(answer.event, PermissionDenied)
    assert said in answer.event.reasons[0]


async def proposal(
    handler: Handler,
    calls: Any = (WRITE,),
    *,
    policy: FakePolicy | None = None,
    name: str = "note.write",
    error: ContractError | None = None,
    grants: tuple[Grant, ...] = GRANTS,
    scope: Scope = NOTES,
    **changes: Any,
) -> Any:
    event = envelope(PermissionsVerified(request=a_request(**changes), scope=scope, grants=grants))
    return await handler("proposal")(
        event,
        policy=policy or FakePolicy({"propose"}),
        planners=FakePlanners({name: FakePlanner(calls, error)}),
        tools=FakeTools(),
    )


async def test_plan_carries_what_each_tool_declares(handler: Handler) -> None:
    """A step knows its normalised arguments, resource, risk and compensation; the digest is the plan's."""
    policy = FakePolicy({"propose"})
    answer = await proposal(handler, [("file.write", {"path": "notes/./a.md"})], policy=policy)
    (event,) = answer.events
    assert isinstance(event, ExecutionPlanProposed)
    (step,) = event.plan.steps
    assert step.args == {"path": "notes/a.md"}
    assert (step.resource, step.risk, step.compensation) == ("file:notes/a.md", Risk.LOW, "file.restore")
    assert event.plan_digest == event.plan.digest()
    assert event.grants == GRANTS
    assert policy.asked[0][3] == {
        "intent": "note.write",
        "risk": "low",
        "tools": ["file.write"],
        "resources": ["file:notes/a.md"],
        "steps": 1,
        "requester": "alice",
        "tenant": "demo",
        "within_grants": True,
    }


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("note.write", {}),
        ("mine", {"planner": "mine"}),
        ("steps", {"steps": [{"tool": "file.write", "args": {"path": "notes/a.md"}}]}),
        ("mine", {"planner": "mine", "steps": [{"tool": "file.write", "args": {}}]}),
        ("of-scope", {"scope": NOTES.model_copy(update={"planner": "of-scope"})}),
    ],
)
async def test_planner_is_found_by_name(handler: Handler, name: str, changes: dict[str, Any]) -> None:
    """The request's planner, else its steps, else the scope's planner, else the one named as the intent."""
    assert isinstance(await proposal(handler, name=name, **changes), Emit)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"planner": "nobody"}, "planner 'nobody': plan: no such planner"),
        ({"calls": []}, "planner 'note.write': steps: 0 steps; a plan has 1 to 50"),
        ({"calls": [WRITE] * (STEP_LIMIT + 1)}, "steps: 51 steps"),
        ({"calls": [WRITE, ("rm", {})]}, "planner 'note.write': steps[1]: no tool 'rm'"),
        ({"calls": [("file.write", {"path": 1})]}, "planner 'note.write': steps[0].path: not text"),
        ({"error": ContractError("is missing", where="params.title")}, "params.title: is missing"),
        ({"calls": [WRITE, ("file.write", {"path": "notes/../x"})]}, "steps[1]: file.write on file:x is not"),
        ({"calls": [("mail.send", {"to": "x"})]}, "steps[0]: mail.send on mail:x is not covered by a grant"),
        ({"policy": FakePolicy()}, "missing: proposal propose"),
    ],
)
async def test_no_valid_plan_is_a_rejection_that_says_where(
    handler: Handler, given: dict[str, Any], said: str
) -> None:
    """Each way of having no valid plan: RequestRejected, with the step or parameter named."""
    answer = await proposal(handler, **given)
    assert isinstance(answer, Refuse)
    assert isinstance(answer.event, RequestRejected)
    assert said in answer.event.reasons[0]


async def test_fifty_steps_are_a_plan(handler: Handler) -> None:
    """The limit itself is allowed."""
    answer = await proposal(handler, [WRITE] * STEP_LIMIT)
    assert len(answer.events[0].plan.steps) == STEP_LIMIT


@pytest.mark.parametrize(
    ("pattern", "resource", "covered"),
    [
        ("file:notes/*", "file:notes/a.md", True),
        ("file:notes/*", "file:notes/a/b.md", True),
        ("file:notes/*", "file:notes/../secret", False),
        ("file:*", "file:notes\\..\\secret", False),
        ("file:*", "file:a..b", True),
        ("file:notes/a.md", "file:notes/axmd", False),
        ("file:notes/*", "file:notes", False),
        ("file:[a-z]", "file:b", False),
        ("*", "file:a\nb", True),
    ],
)
def test_grants_cover_by_star_alone(pattern: str, resource: str, covered: bool) -> None:
    """In a grant only ``*`` is special, and no grant covers a path that climbs."""
    grant = Grant(tool="file.write", resource=pattern)
    assert grant.covers("file.write", resource) is covered
    assert not grant.covers("file.delete", resource)
