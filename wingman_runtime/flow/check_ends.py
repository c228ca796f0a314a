"""Does every request of a flow end stamped, and does nothing act before the handshake?"""

from __future__ import annotations

from collections.abc import Iterator

from wingman_runtime.contracts.event import EventCatalog
from wingman_runtime.contracts.finding import Finding
from wingman_runtime.contracts.system_events import SYSTEM_EVENTS
from wingman_runtime.contracts.work import Outcome
from wingman_runtime.flow.facts import Facts
from wingman_runtime.flow.hints import usual
from wingman_runtime.flow.model import POSTED
from wingman_runtime.yamlfile import suggestion


def check_ends(facts: Facts, catalog: EventCatalog) -> Iterator[Finding]:
    """Findings about outcomes and the agent that stamps them."""
    yield from _finally(facts)
    yield from _outcomes(facts, catalog)


def check_governance(facts: Facts) -> Iterator[Finding]:
    """Findings about ways round the handshake."""
    yield from _handshake(facts)
    yield from _undoing(facts)
    yield from _forged(facts)


def _finally(facts: Facts) -> Iterator[Finding]:
    flow = facts.flow
    if not flow.finally_:
        yield Finding(
            "flow/no-finally",
            "no agent stamps how a request ended",
            flow.where(),
            "add finally: audit",
        )
        return
    for row in facts.rows():
        key, event, spec = row.key, row.event, row.spec
        for at, agent in enumerate(spec.to):
            if agent == flow.finally_:
                yield Finding(
                    "flow/finally-routed",
                    f"{agent} stamps outcomes; {event} would have it stamp a request that still runs",
                    flow.where("routes", key, "to", at),
                    f"let the event decide: {key}: {usual(event, facts) or '{outcome: ...}'}",
                )
        if spec.end:
            for agent in facts.senders(row):
                if agent != flow.finally_:
                    yield Finding(
                        "flow/end-not-by-finally",
                        f"{agent} could end the request with {event}, past {flow.finally_}",
                        flow.where("routes", key),
                        f"only {flow.finally_} may send an event that ends the request",
                    )
    manifest = facts.manifests.get(flow.finally_)
    if manifest is None:
        return
    sent = [row for row in facts.rows() if flow.finally_ in facts.senders(row)]
    if not any(row.spec.end for row in sent):
        yield Finding(
            "flow/finally-without-end",
            f"{flow.finally_} sends nothing that ends the request",
            flow.where("finally"),
            "route its event with {end: true}",
        )
    for row in sent:
        event, spec = row.event, row.spec
        if spec.to or spec.settle or spec.outcome or spec.outcome_field or spec.join:
            yield Finding(
                "flow/finally-routed",
                f"{flow.finally_} sends {event} after the outcome stands; nothing may follow from it",
                flow.where("routes", row.key),
                f"{row.key}: {{end: true}}, or {row.key}: []",
            )


def _outcomes(facts: Facts, catalog: EventCatalog) -> Iterator[Finding]:
    flow = facts.flow
    known = [outcome.value for outcome in Outcome]
    if not any(spec.outcome or spec.outcome_field for spec in flow.routes.values()):
        yield Finding(
            "flow/no-outcome",
            "no route decides an outcome: every request would end as failed",
            flow.where("routes"),
            "let the last event decide: {outcome: completed}",
        )
    for row in facts.rows():
        key, event, spec = row.key, row.event, row.spec
        if spec.outcome and spec.outcome not in known:
            yield Finding(
                "flow/unknown-outcome",
                f"{spec.outcome!r} is no outcome",
                flow.where("routes", key, "outcome"),
                suggestion(spec.outcome, known) or f"one of {', '.join(known)}",
            )
        if spec.outcome_field and event in catalog:
            fields = catalog.model(event).model_fields
            found = fields.get(spec.outcome_field)
            if found is None or found.annotation is not Outcome:
                fitting = [name for name, field in fields.items() if field.annotation is Outcome]
                yield Finding(
                    "flow/outcome-field",
                    f"{event} has no field {spec.outcome_field!r} of type Outcome",
                    flow.where("routes", key, "outcome_field"),
                    f"its outcome fields: {', '.join(fitting)}" if fitting else "use outcome: <literal>",
                )


def _handshake(facts: Facts) -> Iterator[Finding]:
    """Whoever acts must be told so by one who holds the approvals, or, to undo, by the failure agent.

    The intent script refuses an unapproved plan as well; this refuses the flow before a request meets it.
    """
    flow = facts.flow
    for actor in facts.agents():
        if not facts.manifests[actor].performs:
            continue
        for row in facts.rows():
            event, join = row.event, flow.joins.get(row.spec.join)
            if actor not in facts.receivers(row) and (join is None or actor not in join.to):
                continue
            origins = facts.origins(event)
            senders = facts.senders(row)
            # Who passes an event on adds no ground to it: then those who may have made it must have one.
            passed = any(facts.forwards(sender, event) for sender in senders)
            for sender in dict.fromkeys((*senders, *origins)) if passed else senders:
                if sender not in origins and sender != actor:
                    continue
                manifest = facts.manifests.get(sender)
                approves = manifest is not None and "approvals" in manifest.needs
                # One event, one ground: what approves a plan may not also be sent as a compensation.
                undoes = sender == flow.failure and len(origins) == 1
                if sender == actor or not (approves or undoes):
                    yield Finding(
                        "flow/bypasses-handshake",
                        f"{actor} acts on {event}, which {sender} sends without holding approvals",
                        flow.where("routes", row.key),
                        f"route {event} to the agent that holds approvals, which sends on to {actor}",
                    )
        for key, agent in (("failure", flow.failure), ("finally", flow.finally_)):
            if agent == actor:
                yield Finding(
                    "flow/bypasses-handshake",
                    f"{actor} performs, and would act on {', '.join(sorted(SYSTEM_EVENTS))} unasked",
                    flow.where(key),
                    "name an agent there that plans or stamps, and performs nothing",
                )


def _undoing(facts: Facts) -> Iterator[Finding]:
    """Compensations need no second approval because something failed; so only a failure may lead to them."""
    flow = facts.flow
    manifest = facts.manifests.get(flow.failure)
    if manifest is None:
        return
    actors = {name for name in facts.agents() if facts.manifests[name].performs}
    undone_by = {name for event in manifest.emits for name in facts.takers(event)} & actors
    if not undone_by:
        return
    direct = [(("routes", row.key, "to"), row.event, row.spec.to) for row in facts.rows()]
    direct += [(("joins", name, "to"), f"the join {name}", join.to) for name, join in flow.joins.items()]
    for inside, what, to in direct:
        if flow.failure in to:
            yield Finding(
                "flow/bypasses-handshake",
                f"{what} would have {flow.failure} undo by {', '.join(sorted(undone_by))} with no failure",
                flow.where(*inside),
                f"let the event settle instead: {{settle: {flow.failure}}}",
            )


def _forged(facts: Facts) -> Iterator[Finding]:
    """Votes, timeouts and requests come from outside; an agent that could send them could approve itself."""
    flow = facts.flow
    outside = {**POSTED, flow.start: "dispatcher"}
    for agent in facts.agents():
        for event in facts.manifests[agent].emits:
            if event in outside:
                inside = next(one.inside for one in facts.named() if one.agent == agent)
                yield Finding(
                    "flow/forged-post",
                    f"{agent} declares that it sends {event}, which only the {outside[event]} may send",
                    flow.where(*inside),
                    f"remove {event} from `emits` of agents/{agent}/manifest.yaml",
                )
