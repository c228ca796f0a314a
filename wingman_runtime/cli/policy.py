"""``wingman policy``: the lawbook checked, tested, explained and put in force."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import App, Parameter

from wingman_runtime.cli.common import DEFAULT, Common, actor_of
from wingman_runtime.cli.out import note, plain
from wingman_runtime.errors import DeniedError, PolicyError, UsageError

if TYPE_CHECKING:
    from wingman_runtime.policy.bundle import Bundle
    from wingman_runtime.project.load import Project

app = App(name="policy", help="Check, test, explain and activate policies.")


@app.command
def check(*, common: Common = DEFAULT) -> int:
    """Schema, traps, failing test cases and policies without cases: read this before `apply`.

    For example

        wingman policy check
        wingman policy check --json
    """
    from wingman_runtime.errors import ConfigError
    from wingman_runtime.policy.testing import check as findings_of

    project = common.found()
    problems: list[ConfigError] = []
    gates = {agent.manifest.gate for agent in project.mount(problems).values() if agent.manifest.gate}
    findings = findings_of(_bundle(project, strict=False), gates)
    out = common.out()
    if common.json:
        out.data(findings)
    else:
        for finding in findings:
            out.line(str(finding))
    count = len(findings)
    note(f"{count} finding{'s' if count > 1 else ''}" if findings else "the policies are sound")
    return 2 if findings else 0


@app.command(name="test")
def run_cases(
    *,
    verbose: Annotated[
        bool, Parameter(name=["--verbose", "-v"], negative="", help="Name what passed too.")
    ] = False,
    common: Common = DEFAULT,
) -> int:
    """Run the cases of policies/tests/*.yaml.

    For example

        wingman policy test
        wingman policy test --verbose
    """
    from wingman_runtime.policy.testing import run_tests

    results = run_tests(_bundle(common.found()))
    out = common.out()
    failed = [result for result in results if not result.passed]
    if common.json:
        rows = [
            {
                "name": one.name,
                "where": one.where,
                "expect": one.expect,
                "passed": one.passed,
                "problem": one.problem,
                "policies": one.decision.policies,
            }
            for one in results
        ]
        out.data(rows)
    else:
        for one in results if verbose else failed:
            mark, style = ("ok    ", "green") if one.passed else ("FAILED", "red")
            out.line(f"{mark} {one.where}: {one.name}" + (f": {one.problem}" if one.problem else ""), style)
    note(f"{len(results) - len(failed)} of {len(results)} cases passed")
    return 1 if failed else 0


@app.command
def explain(
    action: Annotated[str, Parameter(help="submit, validate, permit, propose, approve, execute, emit …")],
    /,
    *,
    principal: Annotated[
        str, Parameter(help="Who, as Type::id: User::alice, Role::approver, Agent::executor.")
    ],
    resource: Annotated[str, Parameter(help="On what, as Type::id: Tool::file.write, Plan::any.")],
    attribute: Annotated[
        tuple[str, ...],
        Parameter(
            name=["--attribute", "-a"],
            negative="",
            help="Of the resource: key=text or key:=JSON; repeatable.",
        ),
    ] = (),
    context: Annotated[
        tuple[str, ...],
        Parameter(name=["--context", "-c"], negative="", help="The same for the context; repeatable."),
    ] = (),
    gate: Annotated[str, Parameter(help="The policy file; the action's own when left out.")] = "",
    common: Common = DEFAULT,
) -> int:
    """Judge one question and tell every policy's part in it, and what would have to be different.

    Exits with 4 when the answer is no. Attributes of each action: policies/core.cedarschema.

    For example

        wingman policy explain submit --principal User::mallory \\
            --resource Request::any -a tenant=demo
    """
    from wingman_runtime.cli.submit import parameters
    from wingman_runtime.contracts.ports import Question
    from wingman_runtime.policy.bundle import GATES
    from wingman_runtime.policy.explain import explain as explained
    from wingman_runtime.policy.judge import Judge

    if not gate and action not in GATES:
        raise UsageError(f"no action {action!r}", hint="the actions are: " + ", ".join(GATES))
    told = explained(
        Judge(_bundle(common.found())),
        Question(
            gate=gate or GATES[action],
            action=action,
            principal=_ref(principal, "--principal"),
            resource=_ref(resource, "--resource"),
            context=parameters(context, ""),
            attributes=parameters(attribute, ""),
        ),
    )
    out = common.out()
    if common.json:
        out.data(plain(told))
    else:
        out.line(str(told))
        if any("does not fit the schema" in reason for reason in told.decision.reasons):
            kind = resource.partition("::")[0]
            note(
                f"what it is asked with: `entity {kind}` and `action {action}` in policies/core.cedarschema;"
            )
            note("-a and -c give it: risk=low for text, steps:=1 or tools:='[\"file.write\"]' for the rest")
    return 0 if told.decision.allow else DeniedError.exit_code


@app.command
def apply(
    *,
    reason: Annotated[str, Parameter(help="Why; it goes on the record.")] = "wingman policy apply",
    actor: Annotated[
        str, Parameter(name="--as", help="Who does it; else the setting actor, or the login.")
    ] = "",
    force: Annotated[
        bool, Parameter(negative="", help="Although `wingman policy check` has findings.")
    ] = False,
    common: Common = DEFAULT,
) -> int:
    """Put the policies of this folder in force: every worker judges by them from its next step on.

    For example

        wingman policy check
        wingman policy apply --reason "interns may not publish"
    """
    import asyncio

    from wingman_runtime.bootstrap import apply_policy
    from wingman_runtime.policy.testing import check as findings_of
    from wingman_runtime.redisio.opening import connect

    project = common.found()
    loaded = project.load()
    # A policy without a test case is worth saying in `check`, but no reason to keep it out.
    findings = [one for one in findings_of(loaded.bundle) if one.rule != "policy/untested"]
    if findings and not force:
        raise PolicyError(
            f"{len(findings)} finding(s), the first: {findings[0].message}",
            where=findings[0].where,
            hint="see `wingman policy check`; --force applies them all the same",
        )

    async def work() -> list[int]:
        async with connect(project.settings) as server:
            who = actor_of(project.settings, actor)
            return await apply_policy(loaded, server.store, by=who, reason=reason)

    epochs = asyncio.run(work())
    digest = loaded.bundle.digest
    if common.json:
        common.out().data({"bundle": digest, "epochs": epochs})
    else:
        common.out().line(digest)
    note("in force")
    return 0


def _bundle(project: Project, *, strict: bool = True) -> Bundle:
    from wingman_runtime.policy.load import load_bundle

    principals = project.root / "config" / "principals.yaml"
    return load_bundle(project.root / "policies", principals, strict=strict)


def _ref(text: str, option: str) -> Any:
    from wingman_runtime.contracts.ports import Ref

    kind, _, name = text.partition("::")
    if not kind or not name:
        raise UsageError(f"{option}: {text!r} names nobody", hint="write it as Type::id, e.g. User::alice")
    return Ref(kind, name)
