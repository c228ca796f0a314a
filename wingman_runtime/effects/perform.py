"""Carrying out an approved plan, or a compensating one.

For each step, in order:

1. Refuse what the agent's manifest does not declare, what does not validate, what policy denies *now*.
2. Record the intent. Only the answer ``go`` permits the call.
3. Call the tool, with the effect's id as its idempotency key, within its time.
4. Record what came of it.

A plan stops at the first step that is not done. A compensating plan goes on past a failed step: the more is
undone the better; what is left is reported.

An effect in doubt (an intent without an end) is waited for until its deadline; then an idempotent tool is run
again, up to three attempts in all; anything else is recorded as uncertain. See docs/tools.md and docs/adr.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from wingman_runtime.contracts.ids import derive
from wingman_runtime.contracts.manifest import Manifest
from wingman_runtime.contracts.outcome import Perform
from wingman_runtime.contracts.ports import Policy, Ref
from wingman_runtime.contracts.settling import SETTLE, owner_of
from wingman_runtime.contracts.tool import Http, ToolContext
from wingman_runtime.contracts.work import (
    CompensationPlan,
    CompensationStep,
    Effect,
    EffectStatus,
    Plan,
    PlanReport,
    Step,
)
from wingman_runtime.effects.call import Broken, CallEnd, Later, Refused, Returned, Sleep, Unknown, attempt
from wingman_runtime.effects.errand import Errand, Postponed, Tally
from wingman_runtime.effects.refusal import NotDone, not_the_undo, refused_intent, still_in_doubt
from wingman_runtime.effects.registry import ToolRegistry
from wingman_runtime.effects.settling import Settler, SettlingStore
from wingman_runtime.effects.stash import EffectFiles
from wingman_runtime.effects.store import Claim, EffectStore, IntentAnswer
from wingman_runtime.effects.tool import ToolSpec
from wingman_runtime.effects.workspace import Workspace
from wingman_runtime.errors import ContractError, NotFoundError

ATTEMPTS: Final = 3
EXECUTE_GATE: Final = "50-execute.cedar"
ROLLBACK_GATE: Final = "70-rollback.cedar"
_DEADLINE_GRACE_MS = 1500  # a call cancelled at its timeout still gets to record that
_POLL_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class _Job:
    """What all steps of one plan share."""

    perform: Perform
    claim: Claim
    errand: Errand
    manifest: Manifest
    policy: Policy
    plan_digest: str
    intent: str
    unrecorded: list[Effect] | None
    postponed: Postponed | None


@dataclass(frozen=True, slots=True)
class _Call:
    """One step, ready to be intended."""

    spec: ToolSpec
    effect: Effect


class Performer:
    """The hands. Safe to share between the tasks of one worker.

    Args:
        registry: the project's tools.
        store: the effects ledger.
        workspace: the folder file tools work in.
        sleep: waits between tries and while an effect is in doubt.
        http: calls to other hosts; None: tools have none.
        settling: the ledger, for the runtime's own tool that settles.
    """

    def __init__(
        self,
        registry: ToolRegistry,
        store: EffectStore,
        workspace: Workspace,
        *,
        sleep: Sleep = asyncio.sleep,
        http: Http | None = None,
        settling: SettlingStore | None = None,
    ) -> None:
        self._registry = registry
        self._store = store
        self._workspace = workspace
        self._sleep = sleep
        self._http = http
        self._settler = None if settling is None else Settler(registry, settling)
        # Attempts at effects this process began and recorded no end of. The store answers ``go`` to the same
        # claim twice, since an answer may get lost; that a call was made meanwhile is known only here.
        self._begun: dict[str, int] = {}

    async def carry_out(
        self,
        perform: Perform,
        claim: Claim,
        errand: Errand,
        manifest: Manifest,
        policy: Policy,
        *,
        unrecorded: list[Effect] | None = None,
        postponed: Postponed | None = None,
    ) -> PlanReport:
        """Carry out a plan; after a crash, with the same arguments, finish it.

        Args:
            perform: the agent's answer.
            claim: the entry the agent answered to.
            errand: facts of that entry's envelope.
            manifest: the agent's; ``tools`` bounds what it may call.
            policy: the judge bound to the step; asked for ``execute`` or ``compensate`` before each intent.
            unrecorded: takes the plan's last effect if that is done, instead of the ledger. The caller
                records it with its very next commit, whatever the verdict, and then calls `recorded`.
            postponed: takes how long a tool wants to be left alone, where that is long and nothing was done;
                the report is ``interrupted``, ``later``. None: it is waited for, within the tool's time.

        Returns:
            The report. Status ``interrupted`` (``error`` is ``held`` or ``fenced``): park or drop the entry
            and commit nothing; ``effects`` tells how far it came.

        May take longer than the agent's timeout: up to the sum of the tools' timeouts, and after a crash the
        rest of one tool's deadline more. Cancelling is safe: the effect under way stays in doubt.
        """
        plan = perform.plan
        job = _Job(
            perform=perform,
            claim=claim,
            errand=errand,
            manifest=manifest,
            policy=policy,
            plan_digest=plan.digest() if isinstance(plan, Plan) else "",
            intent=plan.intent if isinstance(plan, Plan) else "",
            unrecorded=unrecorded,
            postponed=postponed,
        )
        wanted = Plan if perform.kind == "apply" else CompensationPlan
        if not isinstance(plan, wanted) or plan.request_id != claim.request_id:
            return PlanReport(status="failed", error="the plan is not one of this request", denied=True)
        if isinstance(plan, Plan):
            return await self._apply(job, plan)
        return await self._compensate(job, plan)

    def recorded(self, effect_id: str) -> None:
        """The end of an effect that was handed out as ``unrecorded`` is on record now."""
        self._begun.pop(effect_id, None)

    async def _apply(self, job: _Job, plan: Plan) -> PlanReport:
        tally = Tally()
        for index, step in enumerate(plan.steps):
            end = await self._step(job, step, derive("eff", plan.plan_id, index, "apply"), index)
            if isinstance(end, Effect):
                tally.effects.append(end)
                if end.status is EffectStatus.DONE and not end.error:
                    continue
            tally.failed_step = index
            tally.errors.append(f"steps[{index}] {step.tool}: {end.error}")
            if isinstance(end, NotDone):
                if end.stop:
                    tally.errors[:] = [end.error]
                    return tally.report("interrupted")
                tally.denied = end.denied
            elif end.status is EffectStatus.UNCERTAIN:
                return tally.report("uncertain")
            return tally.report("failed")
        return tally.report("done")

    async def _compensate(self, job: _Job, plan: CompensationPlan) -> PlanReport:
        tally = Tally()
        ledger = {effect.effect_id: effect for effect in await self._store.of_request(plan.request_id)}
        for index, step in enumerate(plan.steps):
            effect_id = derive("eff", plan.plan_id, index, "compensate", step.undoes)
            end: Effect | NotDone = not_the_undo(step, ledger.get(step.undoes)) or await self._step(
                job, step, effect_id, index
            )
            if isinstance(end, Effect):
                tally.effects.append(end)
                if end.status is EffectStatus.DONE:
                    continue
            elif end.stop:
                tally.errors[:] = [end.error]
                return tally.report("interrupted")
            else:
                tally.denied = tally.denied or end.denied
            tally.failed_step = index if tally.failed_step is None else tally.failed_step
            tally.errors.append(f"{step.undoes} is not undone by {step.tool}: {end.error}")
        return tally.report("failed" if tally.errors else "done")

    async def _step(
        self, job: _Job, step: Step | CompensationStep, effect_id: str, index: int
    ) -> Effect | NotDone:
        call = self._ready(job, step, effect_id, index)
        if isinstance(call, _Call):
            return await self._carry(job, call)
        # Refused today, but perhaps begun yesterday: what was done stays done, what is in doubt stays so.
        for recorded in await self._store.of_request(job.claim.request_id):
            if recorded.effect_id == effect_id:
                return await self._close(
                    job, recorded, f"an earlier attempt left no result, and {call.error}"
                )
        return call

    async def _close(self, job: _Job, recorded: Effect, why: str) -> Effect | NotDone:
        """An effect that may not be run again: its end if it has one, else uncertain."""
        if recorded.status is not EffectStatus.INTENT:
            return recorded
        answer = await self._intend(job, recorded.model_copy(update={"deadline_ms": _DEADLINE_GRACE_MS}))
        if isinstance(answer, NotDone):
            return answer
        if answer.kind == "known" and answer.effect is not None:
            return answer.effect
        return await self._end(job, recorded, EffectStatus.UNCERTAIN, error=why)

    def _ready(self, job: _Job, step: Step | CompensationStep, effect_id: str, index: int) -> _Call | NotDone:
        declared = job.manifest.tools
        if not job.manifest.performs or (step.tool not in declared and "*" not in declared):
            return NotDone(f"agent {job.manifest.name} does not declare it", denied=True)
        try:
            spec = self._registry.spec(step.tool)
            if isinstance(step, Step):
                args = self._registry.validate(step.tool, step.args)
                resource = spec.resource(args)
                if args != step.args or resource != step.resource:
                    return NotDone("the call is no longer what the plan says; plan again", denied=True)
            else:
                args = spec.normalise(step.args)
                resource = step.resource or spec.resource(args)
        except (ContractError, NotFoundError) as error:
            return NotDone(str(error))
        undoes = step.undoes if isinstance(step, CompensationStep) else ""
        reason = self._denial(job, spec, resource, undoes)
        if reason:
            return NotDone(reason, denied=True)
        effect = Effect(
            effect_id=effect_id,
            request_id=job.claim.request_id,
            plan_id=job.perform.plan.plan_id,
            step=index,
            tool=spec.name,
            args=args,
            resource=resource,
            kind=job.perform.kind,
            undoes=undoes,
            deadline_ms=int(spec.timeout * 1000) + _DEADLINE_GRACE_MS,
        )
        return _Call(spec, effect)

    def _denial(self, job: _Job, spec: ToolSpec, resource: str, undoes: str) -> str:
        """Why policy says no today, or nothing."""
        attributes = {
            "resource": resource,
            "risk": spec.risk.value,
            "requester": job.errand.actor,
            "tenant": job.errand.tenant,
        }
        if owner := owner_of(spec.name, resource):
            attributes["first_requester"] = owner
        context = {"request": job.claim.request_id}
        if job.perform.kind == "apply":
            action, gate = "execute", EXECUTE_GATE
            attributes["intent"] = job.intent
            context["approval"] = job.perform.approval_id
        else:
            action, gate = "compensate", ROLLBACK_GATE
            attributes["undoes"] = undoes
        decision = job.policy.judge(
            action,
            Ref("Agent", job.manifest.name),
            Ref("Tool", spec.name),
            context=context,
            attributes=attributes,
            gate=gate,
        )
        return "" if decision.allow else "; ".join(decision.reasons) or f"{gate} does not allow it"

    async def _carry(self, job: _Job, call: _Call) -> Effect | NotDone:
        """From intent to end. Leaves only with an end that is recorded, or with none."""
        effect_id = call.effect.effect_id
        while True:
            number = self._begun.get(effect_id, 0) + 1
            answer = await self._intend(job, call.effect.model_copy(update={"attempt": number}))
            if isinstance(answer, NotDone):
                return answer
            effect = answer.effect or call.effect
            if answer.kind == "known":
                self._begun.pop(effect_id, None)
                return effect
            earlier = max(effect.attempt - 1, self._begun.get(effect_id, 0))
            again = call.spec.repeatable(call.effect.args)
            if answer.kind == "in_doubt" or (earlier and not again) or earlier >= ATTEMPTS:
                return await self._end(
                    job, effect, EffectStatus.UNCERTAIN, error=still_in_doubt(again, earlier)
                )
            self._begun[effect_id] = earlier + 1
            end = await self._attempt(job, call, earlier + 1)
            if isinstance(end, Unknown) and end.timed_out and again and earlier + 1 < ATTEMPTS:
                continue
            if isinstance(end, Later):
                return await self._put_off(job, call.effect, end)
            return await self._settle(job, call.effect, earlier + 1, end)

    async def _put_off(self, job: _Job, effect: Effect, end: Later) -> NotDone:
        await self._store.release(job.claim, effect, end.error)
        self._begun.pop(effect.effect_id, None)
        if job.postponed is not None:
            job.postponed.seconds, job.postponed.error = end.seconds, end.error
        return NotDone("later", stop=True)

    async def _intend(self, job: _Job, effect: Effect) -> IntentAnswer | NotDone:
        """The store's answer once no earlier attempt may still be under way."""
        while True:
            answer = await self._store.intend(
                job.claim,
                effect,
                approval_id=job.perform.approval_id,
                # Taking over is not running again: it makes the effect ours, to re-run or to call uncertain.
                takeover=True,
                plan_digest=job.plan_digest,
            )
            if answer.kind == "refused":
                return await self._given_up(job, effect, refused_intent(answer.reason))
            if answer.kind != "in_doubt" or answer.wait_ms <= 0:
                return answer
            # In short naps: the earlier attempt may yet record its end, or a pause may come.
            await self._sleep(min(answer.wait_ms / 1000, _POLL_SECONDS))

    async def _given_up(self, job: _Job, effect: Effect, refused: NotDone) -> IntentAnswer | NotDone:
        """It may not begin any more. If it had begun, its time is over: nobody will learn what came of it."""
        if refused.stop:
            return refused
        for recorded in await self._store.of_request(job.claim.request_id):
            if recorded.effect_id == effect.effect_id and recorded.status is EffectStatus.INTENT:
                why = f"an earlier attempt left no result, and {refused.error}"
                end = await self._end(job, recorded, EffectStatus.UNCERTAIN, error=why)
                return end if isinstance(end, NotDone) else IntentAnswer("known", effect=end)
        return refused

    async def _attempt(self, job: _Job, call: _Call, number: int) -> CallEnd:
        effect_id = call.effect.effect_id
        compensation = call.spec.compensation

        def context(stopped: Callable[[], bool]) -> ToolContext:
            return ToolContext(
                key=effect_id,
                effect_id=effect_id,
                request_id=job.claim.request_id,
                tenant=job.errand.tenant,
                actor=job.errand.actor,
                attempt=number,
                files=EffectFiles(self._workspace, effect_id, stopped),
                stopped=stopped,
                http=self._http,
                # Only the shipped function: a project's tool of that name cannot be loaded beside it.
                settling=self._settler if call.spec.name == SETTLE else None,
            )

        return await attempt(
            call.spec,
            call.effect.args,
            context,
            compensation=None if compensation is None else self._registry.spec(compensation),
            in_doubt=number > 1,
            tried=job.postponed.tried if job.postponed is not None else None,
            sleep=self._sleep,
        )

    async def _settle(self, job: _Job, effect: Effect, attempt: int, end: CallEnd) -> Effect | NotDone:
        what: dict[str, Any] = {"attempt": attempt}
        match end:
            case Returned(value=value, undo=undo):
                return await self._end(job, effect, EffectStatus.DONE, result=value, undo=undo, **what)
            case Broken(error=error, undo=undo):
                # It was done: say so, keep what undoes it, and let the plan fail for the broken promise.
                return await self._end(job, effect, EffectStatus.DONE, error=error, undo=undo, **what)
            case Refused(error=error):
                return await self._end(job, effect, EffectStatus.FAILED, error=error, **what)
            case Unknown(error=error) | Later(error=error):  # Later: never here, `_put_off` has it
                return await self._end(job, effect, EffectStatus.UNCERTAIN, error=error, **what)

    async def _end(self, job: _Job, effect: Effect, status: EffectStatus, **what: Any) -> Effect | NotDone:
        ended = effect.model_copy(update={"status": status, "deadline_ms": 0, **what})
        last = effect.step == len(job.perform.plan.steps) - 1
        if job.unrecorded is not None and last and status is EffectStatus.DONE:
            job.unrecorded.append(ended)
            return ended
        recorded = await self._store.record(job.claim, ended)
        self.recorded(effect.effect_id)
        if recorded.status is EffectStatus.INTENT:  # taken over while we were at it: the other one answers
            return NotDone("fenced", stop=True)
        return recorded
