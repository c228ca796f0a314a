"""Can each join of a flow come together?"""

from __future__ import annotations

from collections.abc import Iterator

from wingman_runtime.contracts.finding import Finding
from wingman_runtime.flow.facts import Facts, Row
from wingman_runtime.flow.model import Join


def check_joins(facts: Facts) -> Iterator[Finding]:
    """Findings about joins, join by join."""
    surviving: dict[str, str] = {}
    for name, join in facts.flow.joins.items():
        rows = [row for row in facts.rows() if row.spec.join == name]
        if not rows:
            yield Finding(
                "flow/unused-join",
                f"no route contributes to the join {name}",
                facts.flow.where("joins", name),
                f"add <event>: {{join: {name}}} for what its agents send, or remove it",
            )
            continue
        yield from _sources(facts, name, join, rows)
        yield from _quorum(facts, name, join)
        if join.on_branch_failure == "continue":
            for at, agent in enumerate(join.of):
                other = surviving.setdefault(agent, name)
                if other != name:
                    yield Finding(
                        "flow/join-sources",
                        f"a dead letter of {agent} cannot count for two joins: {other} and {name}",
                        facts.flow.where("joins", name, "of", at),
                        "let on_branch_failure be `fail` in one of them",
                    )


def _sources(facts: Facts, name: str, join: Join, rows: list[Row]) -> Iterator[Finding]:
    flow = facts.flow
    if len(join.of) < 2:
        yield Finding(
            "flow/join-sources",
            f"the join {name} waits for {len(join.of)} agent(s); a join needs two or more",
            flow.where("joins", name, "of"),
            "list the agents whose branches are waited for, or route the event directly",
        )
    for at, agent in enumerate(join.of):
        if agent in facts.manifests and not any(agent in facts.senders(row) for row in rows):
            events = dict.fromkeys(row.event for row in rows)
            yield Finding(
                "flow/join-starved",
                f"{agent} never contributes to the join {name}: it sends none of {', '.join(events)}",
                flow.where("joins", name, "of", at),
                f"route an event of {agent} to it: {{join: {name}}}",
            )
    for row in rows:
        for agent in facts.senders(row):
            if agent not in join.of:
                yield Finding(
                    "flow/join-stranger",
                    f"{agent} sends {row.event} to the join {name}, but is not one of its `of`",
                    flow.where("routes", row.key),
                    f"add {agent} to joins.{name}.of, or give it an event of its own",
                )


def _quorum(facts: Facts, name: str, join: Join) -> Iterator[Finding]:
    flow = facts.flow
    if join.mode != "quorum":
        if join.quorum is not None:
            yield Finding(
                "flow/join-quorum",
                f"the join {name} has a quorum but mode {join.mode}",
                flow.where("joins", name, "quorum"),
                "say mode: quorum, or remove it",
            )
    elif join.quorum is None or not 1 <= join.quorum <= len(join.of):
        yield Finding(
            "flow/join-quorum",
            f"the join {name} needs a quorum between 1 and {len(join.of)}, not {join.quorum}",
            flow.where("joins", name, "quorum"),
            f"set quorum to at most {len(join.of)}",
        )
