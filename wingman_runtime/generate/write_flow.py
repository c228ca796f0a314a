"""The flow of a lifecycle, and the policies that let each of its events be sent by its maker alone."""

from __future__ import annotations

from wingman_runtime.generate.life import Life
from wingman_runtime.generate.text import Draft, generated
from wingman_runtime.generate.write_agents import manifest_text
from wingman_runtime.generate.write_events import article


def flow_files(life: Life) -> list[Draft]:
    """``config/flows/<domain>.yaml``, and the emit policies with their cases."""
    policies = f"policies/80-emit.{life.domain}.cedar"
    return [
        generated(life, f"config/flows/{life.domain}.yaml", _flow(life)),
        generated(life, policies, _policies(life)),
        generated(life, f"policies/tests/80-emit.{life.domain}.yaml", _cases(life)),
    ]


def _flow(life: Life) -> str:
    head = manifest_text(
        flow=life.domain,
        version=life.entity.lifecycle.version,
        domain=life.domain,
        purpose=f"the life of {article(life.word)}, from {life.intent} to its end",
        owner=life.entity.owner,
        start="UserRequestReceived",
    )
    lines = [
        head + "finally: audit",
        f"failure: {life.failures}",
        "",
        "routes:",
        f"  UserRequestReceived: {life.domain}",
        "  RequestRejected: {outcome: rejected}",
        "  PermissionDenied: {outcome: denied}",
    ]
    for event in life.events.values():
        outcome = life.ends.get(event.target)
        seen_by = [agent for move in event.moves for agent in move.seen_by]
        to = list(dict.fromkeys([life.decider(event.target), *seen_by]))
        where = f"{{outcome: {outcome}}}" if outcome else to[0] if len(to) == 1 else f"[{', '.join(to)}]"
        lines.append(f"  {event.name}: {where}")
    lines += [f"  {life.failed}: {{outcome_field: outcome}}", "  AuditStamped: {end: true}"]
    circles = life.circles()
    if circles:
        lines += ["", "cycles: [" + ", ".join(f"[{', '.join(one)}]" for one in circles) + "]"]
    return "\n".join(lines) + "\n"


def _makers(life: Life) -> dict[str, tuple[str, ...]]:
    return {event.name: event.makers for event in life.events.values()} | {life.failed: (life.failures,)}


def _rule(life: Life, event: str) -> str:
    return f"emit-{life.domain}-{event}"


def _policies(life: Life) -> str:
    lines = [f"// {life.domain}: each event is its maker's alone. This continues 80-emit.cedar.", ""]
    for event, makers in _makers(life).items():
        who = (
            f'principal == Wingman::Agent::"{makers[0]}"'
            if len(makers) == 1
            else "[" + ", ".join(f'Wingman::Agent::"{one}"' for one in makers) + "].contains(principal)"
        )
        lines += [
            f'@id("{_rule(life, event)}")',
            f'@reason("only {" and ".join(makers)} may say {event}")',
            "forbid (principal is Wingman::Agent, "
            f'action == Wingman::Action::"emit", resource == Wingman::Event::"{event}")',
            f"unless {{ {who} }};",
            "",
        ]
    return "\n".join(lines).rstrip("\n") + "\n"


def _cases(life: Life) -> str:
    lines = ["action: emit", f"attributes: {{flow: {life.domain}, shipped: false}}", "cases:"]
    for event, makers in _makers(life).items():
        lines += [
            f"  - name: {makers[0]} says {event}",
            f"    principal: Agent::{makers[0]}",
            f"    resource: Event::{event}",
            "    expect: allow",
            f"    policies: [emit-own-events, {_rule(life, event)}]",
            f"  - name: nobody else says {event}",
            "    principal: Agent::somebody_else",
            f"    resource: Event::{event}",
            "    expect: forbid",
            f"    policies: [{_rule(life, event)}]",
        ]
    return "\n".join(lines) + "\n"
