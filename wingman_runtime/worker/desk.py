"""One desk: takes one letter, has one agent answer it, and hands back what to commit.

1. Poison first: an entry delivered too often is buried before it is decoded.
2. Open it (`opening.py`): what does not fit its contract is buried, for it will never fit; what a later
   release wrote is parked for one that reads it.
3. Hold what a rule covers, before any work is done on it.
4. Call the agent, with its ports and its time.
5. Check the answer against the manifest; have a plan performed if it asks for that.
6. Pass the emit gate, then compose the commit.

A verdict that refuses the commit comes back here (`again`): judged anew, run again, or buried.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import structlog

from wingman_runtime.contracts.claims import Claim
from wingman_runtime.contracts.control import ControlMode, ControlRecord
from wingman_runtime.contracts.event import Event, EventCatalog
from wingman_runtime.contracts.outcome import AgentOutcome, Done, Emit, Forward, Perform, Refuse, Wait
from wingman_runtime.contracts.work import Effect, Outcome
from wingman_runtime.effects.errand import Errand, Postponed
from wingman_runtime.effects.perform import Performer
from wingman_runtime.errors import (
    AdmissionClosedError,
    BackendError,
    ContractError,
    NewerSchemaError,
    UnknownVariantError,
)
from wingman_runtime.project.agents import MountedAgent
from wingman_runtime.redisio.commit import StepResult, Verdict
from wingman_runtime.redisio.effects import EffectEnd
from wingman_runtime.redisio.inbox import Entry
from wingman_runtime.worker import compose
from wingman_runtime.worker.approving import may_write
from wingman_runtime.worker.calling import Caller, NotAtOnceError
from wingman_runtime.worker.compose import Step
from wingman_runtime.worker.lawbook import Lawbook
from wingman_runtime.worker.opening import ANY, Opener
from wingman_runtime.worker.ports import PortRack, StepPolicy
from wingman_runtime.worker.tables import FlowTables
from wingman_runtime.worker.threads import AgentThreads
from wingman_runtime.worker.usage import SchemaUsage

_LOG = structlog.get_logger(__name__)
ANSWER_LIMIT = 32 * 2**20
"""Bytes of all events of one answer; far above what tools may return, far below what ends a connection."""
_ANSWERS = frozenset({Emit, Refuse, Wait, Done, Forward})


@dataclass(frozen=True, slots=True)
class Finished:
    """A result to commit, with what is needed to judge it again without running the agent again."""

    result: StepResult
    step: Step | None = None
    outcome: Emit | Refuse | Wait | Done | Forward | None = None
    policy: StepPolicy | None = None


class Desk:
    """The desk of one agent in one worker.

    Args:
        agent: the mounted agent.
        catalog: the project's event types.
        tables: flow tables by digest.
        rack: ports.
        lawbook: the active bundle.
        performer: the hands; used only for an agent that performs.
        control: reads the latest known control record of a partition.
        threads: where sync functions run.
        worker: this worker's name, as consumers are called.
        usage: told of each version that comes in or goes out.
    """

    def __init__(
        self,
        agent: MountedAgent,
        *,
        catalog: EventCatalog,
        tables: FlowTables,
        rack: PortRack,
        lawbook: Lawbook,
        performer: Performer,
        control: Callable[[int], ControlRecord],
        threads: AgentThreads,
        worker: str,
        usage: SchemaUsage,
    ) -> None:
        self._agent = agent
        self._manifest = agent.manifest
        self._catalog = catalog
        self._tables = tables
        self._lawbook = lawbook
        self._performer = performer
        self._control = control
        self._worker = worker
        self._usage = usage
        self._opener = Opener(agent, catalog, usage)
        self._caller = Caller(agent, rack, threads)

    def eager(self, event_type: str) -> bool:
        """Whether its agent may answer such an event before it is recorded: it has no effects, may fail once,
        has answered one before, and never waited for anything then."""
        prompt = self._caller.prompt(event_type)
        return prompt and not self._manifest.performs and self._manifest.retry.attempts > 1

    @property
    def attempts(self) -> int:
        """Deliveries an event may have."""
        return self._manifest.retry.attempts

    @property
    def longest(self) -> float:
        """Seconds an answer takes at the most, if its agent lets itself be cancelled."""
        return math.inf if self._manifest.performs else self._manifest.timeout.total_seconds()

    async def work(
        self,
        entry: Entry,
        *,
        early: bool = False,
        foreseen: Outcome | None = None,
        parts: Mapping[str, Any] | None = None,
    ) -> Finished | None:
        """What to commit for ``entry``; None when it is not ours any longer.

        Args:
            early: the delivery of ``entry`` is not on record yet; None as well when the agent has to wait.
            foreseen: for an eager step that closes a request, the outcome that the step before it decides.
            parts: for an eager step, the fields of its event, as `Emission` has them.

        Raises:
            BackendError: a port or the ledger could not reach the server; nothing is decided, try again.
        """
        step = Step(
            entry=entry,
            event=None,
            manifest=self._manifest,
            code=self._agent.code_digest,
            worker=self._worker,
            time=datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            # Known before anything can go wrong: where a failure goes is the flow's to say, too.
            flow=await self._tables.get(entry.partition, entry.flow_digest),
        )
        if entry.deliveries > self._manifest.retry.attempts:
            lost = f"delivered {entry.deliveries - 1} times and never finished: its worker died or hung"
            return self._buried(step, lost)
        try:
            foreign = step.flow is not None and self._tables.foreign(entry.flow_digest)
            event = self._opener.open(entry, parts, foreign=foreign)
        except NewerSchemaError as error:
            return Finished(compose.park(entry, awaits=f"{error.version} {error.needs}"))
        except UnknownVariantError as error:
            return Finished(compose.answer(step, Done(note=f"passed over: {error}"[:2000])))
        except BaseException as error:  # a validator of a project's own event may raise anything, or exit
            told = str(error) if isinstance(error, ContractError) else f"{type(error).__name__}: {error}"
            return self._buried(step, told)
        step.event = event
        rule = self._control(entry.partition).covering(
            agent=entry.agent,
            event=entry.event_type,
            flow=entry.flow,
            tenant=entry.tenant,
            request=entry.request_id,
        )
        if rule is not None and rule.mode is ControlMode.HALT_COMPENSATE and entry.phase == 1:
            rule = None
        judge = self._lawbook.judge
        if rule is not None or judge is None:
            return Finished(compose.park(entry))
        if step.flow is None:
            return Finished(compose.quarantine(step, "unknown_flow", f"no flow {entry.flow_digest!r}"))
        step.policy = judge.digest
        policy = StepPolicy(judge, self._manifest.gate)
        return await self._answered(step, event, policy, early, foreseen)

    async def again(self, finished: Finished, verdict: Verdict) -> Finished | None:
        """What to commit instead, after a verdict that refused ``finished``; None: let it go."""
        step, entry = finished.step, finished.result.entry
        bare = step or Step(entry, None, self._manifest, self._agent.code_digest, self._worker, "")
        match verdict.kind:
            case "stale_control":
                return Finished(compose.park(entry))
            case "stale_policy":
                return await self._judged_again(finished, verdict.detail)
            case "conflict":
                return await self.work(entry)
            case "refused_emit":
                return self._failed(bare, "undeclared_emit", f"the flow has no route for {verdict.detail}")
            case "over_budget":
                return self._failed(bare, "budget", f"the request used up its {verdict.detail}")
            case "gone" | "unlogged":
                why = {"gone": "its request is gone", "unlogged": "no commit ever delivered this event"}
                _LOG.error("quarantined", anomaly=verdict.kind, agent=entry.agent, event_id=entry.event_id)
                return Finished(compose.quarantine(bare, verdict.kind, why[verdict.kind]))
            case "uncommittable":
                buried = self._buried(bare, f"its result cannot be committed: {verdict.detail}")
                return replace(buried, result=replace(buried.result, ends=finished.result.ends))
            case _:
                _LOG.warning("let go", verdict=verdict.kind, agent=entry.agent, entry=entry.entry_id)
                return None

    def _buried(self, step: Step, error: str) -> Finished:
        try:
            return Finished(compose.bury(step, error[:2000]))
        except Exception as problem:
            # Its fields do not even fit the envelope of the event that would say so.
            _LOG.error("quarantined", agent=step.agent, entry=step.entry.entry_id, error=str(problem))
            return Finished(compose.quarantine(step, "malformed", error[:2000]))

    async def _answered(
        self, step: Step, event: Event[Any], policy: StepPolicy, early: bool, foreseen: Outcome | None
    ) -> Finished | None:
        ends: list[Effect] = []
        try:
            outcome = await self._caller.call(step.entry, event, policy, early=early, foreseen=foreseen)
            if isinstance(outcome, Perform):
                if not self._manifest.performs:
                    return self._failed(step, "invalid_output", "its manifest does not say performs: true")
                done = await self._performed(step, event, outcome, policy, ends)
                if done is None or isinstance(done, Finished):
                    return done
                outcome = done
        except (BackendError, AdmissionClosedError):
            raise
        except NotAtOnceError:
            return None
        except NewerSchemaError as error:
            # Of what lies inside its event, such as a join's inputs: who reads that only a try can tell.
            return self._with(ends, Finished(compose.park(step.entry, awaits=f"{error.version} {ANY}")))
        except Exception as error:
            return self._with(ends, self._attempt_failed(step, error))
        step.decisions = tuple(decision.record() for _, decision in policy.asked)
        if type(outcome) not in _ANSWERS:
            # A class of the agent's own could show one event to the check, and another when it is written.
            told = f"answered {type(outcome).__name__}, which it may not"
            return self._with(ends, self._failed(step, "invalid_output", told))
        return self._with(ends, self._checked(step, outcome, policy))

    def _with(self, ends: Sequence[Effect], finished: Finished) -> Finished:
        """The commit records the end of what was performed as well, and does so whatever its verdict is."""
        if not ends:
            return finished
        claim = self._claim(finished.result.entry)
        result = replace(finished.result, ends=tuple(EffectEnd.of(claim, effect) for effect in ends))
        return replace(finished, result=result)

    def filed(self, finished: Finished) -> None:
        """A commit of ``finished`` has got its verdict."""
        for end in finished.result.ends:
            self._performer.recorded(end.effect_id)

    def _claim(self, entry: Entry) -> Claim:
        return Claim(
            entry.partition, entry.agent, self._worker, entry.entry_id, entry.event_id, entry.request_id
        )

    async def _performed(
        self, step: Step, event: Event[Any], perform: Perform, policy: StepPolicy, ends: list[Effect]
    ) -> Emit | Refuse | Finished | None:
        entry = step.entry
        # With no delivery left there is no later: then it is waited for here.
        postponed = Postponed(tried=entry.deliveries - 1) if step.spared else None
        report = await self._performer.carry_out(
            perform,
            self._claim(entry),
            Errand.of(event),
            self._manifest,
            policy,
            unrecorded=ends,
            postponed=postponed,
        )
        if report.status == "interrupted":
            if report.error == "later" and postponed is not None:
                return Finished(compose.retry(step, postponed.error, postponed.seconds))
            if report.error == "unlogged":
                return Finished(compose.quarantine(step, "unlogged", "a plan that no commit ever delivered"))
            return Finished(compose.park(entry)) if report.error == "held" else None
        return perform.then(report)

    def _checked(self, step: Step, outcome: AgentOutcome, policy: StepPolicy) -> Finished:
        """The answer, once its shape, its manifest and the emit gate allow it."""
        kinds: list[type] = []
        match outcome:
            case Emit(events=events):
                kinds = [type(event) for event in events]
            case Refuse(event=event) | Wait(event=event):
                kinds = [type(event)]
            case Done():
                pass
            case Forward() if step.entry.event_type in self._manifest.forwards:
                pass
            case _:
                told = f"answered {type(outcome).__name__}, which it may not"
                return self._failed(step, "invalid_output", told)
        names = [kind.__name__ for kind in kinds]
        for kind, name in zip(kinds, names, strict=True):
            if name not in self._manifest.emits:
                return self._failed(step, "undeclared_emit", f"its manifest does not emit {name}")
            if kind is not self._catalog.model(name):
                return self._failed(step, "undeclared_emit", f"its {name} is another than the one declared")
        if isinstance(outcome, Refuse) and names[0] not in self._manifest.refusals:
            return self._failed(step, "undeclared_emit", f"{names[0]} is not among its refusals")
        approval = None if isinstance(outcome, Done | Forward | Perform) else outcome.approval
        if approval is not None and not may_write(approval, names, self._manifest.needs):
            told = (
                f"{', '.join(names) or 'nothing'} gives no ground to write the approval as {approval.status}"
            )
            return self._failed(step, "approval_denied", told)
        judge = self._lawbook.judge
        flow = step.flow.name if step.flow else ""
        for name in names:
            decision = judge.can_emit(self._manifest.name, name, flow) if judge else None
            if decision is None or not decision.allow:
                reasons = decision.reasons if decision else ("no policy bundle is active",)
                return self._failed(step, "emit_denied", f"{name}: {'; '.join(reasons)}")
        return self._composed(step, outcome, policy)

    def _composed(
        self, step: Step, outcome: Emit | Refuse | Wait | Done | Forward, policy: StepPolicy
    ) -> Finished:
        try:
            result = compose.answer(step, outcome)
        except Exception as error:  # a value in it that JSON cannot carry
            return self._failed(step, "invalid_output", _told(error))
        for emission in result.emissions:
            if emission.parts is not None:
                self._usage.wrote(emission.parts["dataschema"])
        if result.size > ANSWER_LIMIT:
            told = f"its answer is {result.size:,} bytes, the limit is {ANSWER_LIMIT:,}"
            return self._failed(step, "invalid_output", told)
        return Finished(result, step, outcome, policy)

    async def _judged_again(self, finished: Finished, active: str) -> Finished | None:
        """The stored outcome under the bundle of now; the agent runs again only if an answer changed."""
        step, policy, outcome = finished.step, finished.policy, finished.outcome
        if not self._lawbook.turn_to(active) or self._lawbook.judge is None:
            return Finished(compose.park(finished.result.entry))
        if step is None or policy is None or outcome is None:
            return await self.work(finished.result.entry)
        same = policy.still_holds(self._lawbook.judge)
        if same is None and not self._manifest.performs:
            return await self.work(finished.result.entry)
        # What has been performed stays performed: its record keeps the decisions it was performed under.
        policy = same or policy
        decisions = tuple(decision.record() for _, decision in policy.asked)
        return self._checked(replace(step, policy=active, decisions=decisions), outcome, policy)

    def _attempt_failed(self, step: Step, error: Exception) -> Finished:
        attempt, rules = step.entry.deliveries, self._manifest.retry
        if isinstance(error, TimeoutError):
            told = f"no answer within {self._manifest.timeout.total_seconds():g} s"
        else:
            told = _told(error)
        _LOG.warning("attempt failed", agent=step.agent, attempt=attempt, error=told)
        if attempt >= rules.attempts:
            return Finished(compose.bury(step, told[:2000]))
        if rules.is_terminal(error):
            return Finished(compose.bury(step, f"{told} (terminal: not tried again)"[:2000]))
        # Jitter: many that failed together do not come back together (AWS Architecture Blog, 2015).
        delay = rules.delay(attempt, random.random(), error)  # noqa: S311 - spread, not secrecy
        return Finished(compose.retry(step, told[:2000], delay))

    def _failed(self, step: Step, cause: str, reason: str) -> Finished:
        _LOG.error("rule broken", agent=step.agent, cause=cause, reason=reason)
        return Finished(compose.failure(step, cause, reason))


def _told(error: Exception) -> str:
    """What an error says, as text that every JSON encoder takes."""
    try:
        text = str(error)
    except Exception:
        text = "(it cannot say)"
    return f"{type(error).__name__}: {text}".encode("utf-8", "replace").decode()[:2000]
