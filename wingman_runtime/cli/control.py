"""``wingman pause``, ``resume``, ``status``: hold work back, let it go on, see what is held and in flight."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from wingman_runtime.cli.common import DEFAULT, Common, actor_of, called, changed_since, with_client
from wingman_runtime.cli.ids import ABOUT, request_of
from wingman_runtime.cli.out import note, plain
from wingman_runtime.cli.times import age, shown, shown_short
from wingman_runtime.errors import NotFoundError

if TYPE_CHECKING:
    from wingman_runtime.client import Client, Status
    from wingman_runtime.contracts.control import ControlRule, ControlTarget, InFlight
    from wingman_runtime.project.load import Project
    from wingman_runtime.redisio.state import RequestState

RULE = ("held", "mode", "since", "by", "reason")
FLYING = ("effect_id", "tool", "request_id", "worker", "since", "deadline", "state")
Target = Annotated[
    str,
    Parameter(
        help="all, agent:NAME, flow:NAME, tenant:NAME, event:TYPE, schedule:NAME or request:ID; "
        f"as ID also {ABOUT}."
    ),
]
OneTarget = Annotated[str, Parameter(help="Only this: a target as `pause` takes it.")]
Reason = Annotated[str, Parameter(help="Why; it goes on the record.")]
Actor = Annotated[str, Parameter(name="--as", help="Who does it; else the setting actor, else the login.")]


def pause(target: Target, /, *, reason: Reason, actor: Actor = "", common: Common = DEFAULT) -> int:
    """Hold work back; nothing is lost, and waiting counts as no attempt. Back when it has taken effect.

    For example

        wingman pause agent:executor --reason "database upgrade"
        wingman pause tenant:demo --reason "under review" --as alice
    """
    return _control("pause", target, reason, actor, common)


def resume(target: Target, /, *, reason: Reason, actor: Actor = "", common: Common = DEFAULT) -> int:
    """Let what a pause of the same target held go on.

    For example

        wingman resume agent:executor --reason "upgrade done"
    """
    return _control("resume", target, reason, actor, common)


def status(target: OneTarget = "", /, *, common: Common = DEFAULT) -> int:
    """What runs, what waits, what is held and by whom; of everything, or of one target.

    For example

        wingman status
        wingman status agent:executor
        wingman status request:req_p0_… --json
    """
    if target:
        return _standing(target, common)

    async def work(client: Client) -> int:
        seen = await client.status()
        told = plain(seen) | {"stuck": list(seen.stuck), "disagreement": seen.disagreement}
        told["later"] = list(seen.later)
        told["mended"] = list(seen.mended)
        told["agents"] = [plain(one) | {"oldest_dead_s": seen.oldest_dead(one)} for one in seen.agents]
        out = common.out()
        if common.json:
            out.data(told)
            return 0
        out.fields(
            {
                "requests": f"{seen.open_requests} open, {seen.open_approvals} waiting for people",
                "in flight": f"{seen.in_flight} effects" if seen.in_flight else "",
                "stuck": list(seen.stuck),
                "should never be": list(seen.mended),
                "parked": list(seen.later),
                "dead letters": _dead(seen),
                "policies": seen.disagreement or seen.policy[:19] or "none in force: wingman policy apply",
                "recorder": f"{seen.recorder_lag} records behind" if seen.recorder_lag else "up to date",
                "memory": _memory(seen.used_memory, seen.max_memory),
            }
        )
        out.line("")
        rows = [one | {"oldest_dead": age(one["oldest_dead_s"])} for one in told["agents"]]
        columns = ("name", "waiting", "pending", "parked", "dead", "oldest_dead")
        out.table(rows, columns, empty="no agents yet")
        out.line("")
        everyone = {agent.name for agent in seen.agents}
        workers = [
            {
                "worker": w.name,
                "state": "alive" if w.alive else "dead",
                "beat": f"{w.age_ms / 1000:.1f} s ago",
            }
            | w.facts
            | {"agents": _crew(w.facts.get("agents", ()), everyone)}
            for w in seen.workers
        ]
        out.table(workers, ("worker", "state", "beat", "agents"), empty="no worker runs: wingman worker")
        if seen.rules:
            out.line("")
            out.table(_rules(seen.rules), RULE)
        if changed := changed_since(seen.workers, client.settings.project):
            note(changed)
        return 0

    return with_client(common, work)


async def whole(client: Client, target: ControlTarget) -> ControlTarget:
    """The target with the whole id of a request that was given by its end."""
    if target.scope != "request":
        return target
    return target.model_copy(update={"name": await request_of(client, target.name)})


def _standing(target: str, common: Common) -> int:
    from wingman_runtime.contracts.control import ControlTarget

    asked = ControlTarget.parse(target)

    async def work(client: Client) -> int:
        seen = await client.standing(str(await whole(client, asked)))
        told = {
            "target": str(seen.target),
            "held": bool(seen.held_by),
            "held_by": _rules(seen.held_by),
            "ahead": _rules(seen.ahead),
            "waits_at": list(seen.waits_at),
            "agents": plain(seen.agents),
            "requests": [_request(request) for request in seen.requests],
            "in_flight": flying(await client.in_flight(str(seen.target))),
        }
        out = common.out()
        if common.json:
            out.data(told)
            return 0
        waits = list(seen.waits_at)
        out.fields(
            {"target": told["target"], "held": "yes" if seen.held_by else "no, it goes on", "waits at": waits}
        )
        for rows, columns in (
            (told["held_by"], RULE),
            (told["agents"], ("name", "waiting", "pending", "parked", "dead")),
            (told["requests"], ("request", "status", "intent", "actor", "tenant", "flow")),
            (told["in_flight"], FLYING),
        ):
            if rows:
                out.line("")
                out.table(rows, columns)
        return 0

    return with_client(common, work)


def _rules(rules: Iterable[ControlRule]) -> list[dict[str, object]]:
    return [plain(rule) | {"held": str(rule.target), "since": shown(rule.at_ms)} for rule in rules]


def flying(effects: Iterable[InFlight]) -> list[dict[str, object]]:
    """Rows of effects in flight; one past its deadline is in doubt: nobody counts on its worker any more."""
    now = time.time() * 1000
    return [
        plain(one)
        | {
            "since": shown(one.since_ms),
            "deadline": shown(one.deadline_ms),
            "state": "in doubt" if one.deadline_ms < now else "in flight",
        }
        for one in effects
    ]


def _request(request: RequestState) -> dict[str, object]:
    return {
        "request": request.request_id,
        "status": request.outcome or request.status,
        "intent": request.intent,
        "actor": request.actor,
        "tenant": request.tenant,
        "flow": request.flow,
    }


def _dead(seen: Status) -> str:
    """How many dead letters in all, since when, and whose are too many; empty where there are none."""
    count = sum(one.dead for one in seen.agents)
    if not count:
        return ""
    oldest = max(seen.oldest_dead(one) or 0.0 for one in seen.agents)
    piled = f", piled up: {', '.join(seen.piled)}" if seen.piled else ""
    return f"{count}, the oldest for {age(oldest)}{piled}; see `{called()} dlq list`"


def _memory(used: int, limit: int) -> str:
    mib = f"{used / 2**20:.0f} MiB"
    return f"{mib} of {limit / 2**20:.0f} MiB, {used / limit:.0%}" if limit else f"{mib}, no limit"


def _crew(agents: Iterable[str], everyone: set[str]) -> list[str]:
    """The agents of one worker; a long list that leaves nobody out is `all`."""
    names = list(agents)
    return ["all"] if everyone and everyone <= set(names) else names


def _control(verb: str, target: str, reason: str, actor: str, common: Common) -> int:
    from wingman_runtime.contracts.control import ControlTarget
    from wingman_runtime.yamlfile import suggestion

    asked = ControlTarget.parse(target)
    project = common.found()
    who = actor_of(project.settings, actor)
    if verb == "pause":
        ensure_declared(project, asked)

    async def work(client: Client) -> int:
        parsed = await whole(client, asked)
        told: dict[str, object] = {"target": str(parsed), "verb": verb, "by": who}
        was_held = any(rule.target == parsed for rule in await client.rules())
        if verb == "pause":
            acknowledged = await client.pause(str(parsed), reason=reason, by=who)
            told["epochs"] = acknowledged.epochs
            told["acknowledged_at"] = shown(acknowledged.at_ms)
            told["in_flight"] = plain(acknowledged.in_flight)
        else:
            told["released"] = await client.resume(str(parsed), reason=reason, by=who)
            told["was_held"] = was_held
        held = await client.rules()
        told["held"] = _rules(held)
        if common.json:
            common.out().data(told)
        if verb == "pause":
            note(f"{parsed} is held; see `{called()} status`")
            if acknowledged.in_flight:
                begun = f"{len(acknowledged.in_flight)} effects had begun before"
                note(f"{begun}; see `{called()} status {parsed}`")
        elif was_held:
            note(f"{parsed} goes on; see `{called()} status`")
        else:
            close = suggestion(str(parsed), [str(rule.target) for rule in held])
            note(f"{parsed}: nothing held it" + (f"; {close}" if close else ""))
        for rule in held:
            if verb == "resume" or rule.target != parsed:
                note(f"still held: {told_rule(rule)}")
        if verb == "resume" and not held:
            note("nothing else is held")
        return 0

    return with_client(common, work)


def told_rule(rule: ControlRule) -> str:
    """Who holds what, and why."""
    verb = {"pause": "held", "halt": "halted"}.get(rule.mode.value, "halted but for compensations")
    since = f" (since {shown_short(rule.at_ms)})" if rule.at_ms else ""
    return f"{rule.target} is {verb} by {rule.by}: {rule.reason}{since}"


def ensure_declared(project: Project, target: ControlTarget) -> None:
    """The server has no list of tenants and event types; the project has.

    Raises:
        NotFoundError: the project declares no such tenant or event type.
    """
    from wingman_runtime.contracts.control import ControlScope
    from wingman_runtime.yamlfile import suggestion

    if target.scope not in (ControlScope.TENANT, ControlScope.EVENT):
        return
    loaded = project.load()
    tenants = target.scope is ControlScope.TENANT
    known = sorted(loaded.bundle.principals.tenants) if tenants else loaded.catalog.names()
    if target.name not in known:
        what, place = (
            ("tenant", "config/principals.yaml") if tenants else ("event type", "agents/*/events.py")
        )
        raise NotFoundError(
            f"no {what} {target.name!r} is declared",
            where=str(target),
            hint=suggestion(target.name, known) or f"declare it in {place}",
        )
