"""The streams of a project as channels, and what each participant does with them as operations."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from wingman_runtime.contracts.manifest import RetryPolicy
from wingman_runtime.documents.asyncapi.sending import Sending
from wingman_runtime.policy.bundle import ALWAYS, GATES
from wingman_runtime.redisio.keys import GROUP

if TYPE_CHECKING:
    from wingman_runtime.documents.graph import Node
    from wingman_runtime.project.load import LoadedProject

LOG: Final = "log"
_PARAMETER: Final = "partition"


def inbox(agent: str) -> str:
    """Name of the channel that is an agent's inbox."""
    return f"{agent}_inbox"


def dead(agent: str) -> str:
    return f"{agent}_dead_letters"


@dataclass(frozen=True, slots=True)
class Streams:
    """What every stream carries: event types by agent, and all of them for the log."""

    namespace: str
    partitions: int
    inboxes: Mapping[str, Sequence[str]]
    recorded: Sequence[str]

    @classmethod
    def of(cls, project: LoadedProject, sent: Iterable[Sending]) -> Streams:
        inboxes: defaultdict[str, set[str]] = defaultdict(set)
        recorded: set[str] = set()
        for one in sent:
            recorded.add(one.event)
            if one.target:
                inboxes[one.target].add(one.event)
        return cls(
            namespace=project.settings.namespace,
            partitions=project.settings.partitions,
            inboxes={agent: sorted(inboxes[agent]) for agent in sorted(inboxes)},
            recorded=sorted(recorded),
        )

    def channels(self, nodes: Mapping[str, Node]) -> dict[str, Any]:
        """Every channel, by name."""
        found: dict[str, Any] = {}
        for agent, events in self.inboxes.items():
            node = nodes[f"agent:{agent}"]
            found[inbox(agent)] = self._channel(
                f"in:{agent}",
                f"Inbox of {agent}",
                f"{node.purpose}. Entries are acknowledged together with what they led to.",
                events,
                node,
                group=GROUP,
            )
            found[dead(agent)] = self._channel(
                f"dead:{agent}",
                f"Dead letters of {agent}",
                f"What {agent} gave up on, and why; `wingman dlq` lists, replays and discards it.",
                events,
                node,
            )
        found[LOG] = self._channel(
            "log",
            "The log",
            "Every event, and what the runtime did, in one gapless order; the audit trail's source.",
            self.recorded,
            None,
        )
        return {name: found[name] for name in sorted(found)}

    def _channel(
        self, key: str, title: str, said: str, events: Iterable[str], node: Node | None, *, group: str = ""
    ) -> dict[str, Any]:
        stream: dict[str, Any] = {"type": "stream"}
        if group:
            stream["consumerGroup"] = group
        told: dict[str, Any] = {
            "address": f"{self.namespace}:{{{_PARAMETER}}}:{key}",
            "title": title,
            "description": said,
            "servers": [{"$ref": "#/servers/main"}],
            "parameters": {_PARAMETER: self._parameter()},
            "messages": {event: {"$ref": f"#/components/messages/{event}"} for event in events},
            "bindings": {"redis": {}},
            "x-redis": stream,
        }
        if node is not None:
            told["tags"] = [{"name": node.domain}]
            told["x-owner"] = node.owner
        return told

    def _parameter(self) -> dict[str, Any]:
        told: dict[str, Any] = {
            "description": "The hash tag of the partition that the request lives in, braces included.",
            "default": "{p0}",
        }
        if self.partitions <= 64:
            told["enum"] = [f"{{p{number}}}" for number in range(self.partitions)]
        else:
            told["examples"] = ["{p0}", f"{{p{self.partitions - 1}}}"]
        return told


def operations_of(
    project: LoadedProject, nodes: Mapping[str, Node], sent: Iterable[Sending]
) -> dict[str, Any]:
    """Every operation, by name: an agent's receiving, and each sender's sending to each channel."""
    ways: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
    inboxes: defaultdict[str, set[str]] = defaultdict(set)
    for one in sent:
        ways[one.sender, one.target].add(one.event)
        ways[one.sender, ""].add(one.event)
        if one.target:
            inboxes[one.target].add(one.event)
    gates = _Gates(project)
    found: dict[str, Any] = {}
    for agent in inboxes:
        found[f"{agent}_receive"] = _receive(project, agent, nodes[f"agent:{agent}"], inboxes[agent], gates)
    for (sender, target), events in ways.items():
        found[f"{sender}_{'send_to_' + target if target else 'record'}"] = _send(
            nodes, sender, target, events, gates
        )
    return {name: found[name] for name in sorted(found)}


def _receive(
    project: LoadedProject, agent: str, node: Node, events: Iterable[str], gates: _Gates
) -> dict[str, Any]:
    manifest = project.agents[agent].manifest
    return {
        "action": "receive",
        "channel": {"$ref": f"#/channels/{inbox(agent)}"},
        "title": f"{agent} works",
        "summary": node.purpose,
        "description": manifest.scope,
        "tags": [{"name": node.domain}],
        "messages": _messages(inbox(agent), events),
        "bindings": {"redis": {}},
        "x-owner": node.owner,
        "x-timeout": _duration(manifest.timeout.total_seconds()),
        "x-refusals": list(manifest.refusals),
        "x-tools": list(manifest.tools),
        "x-retry": _retry(agent, manifest.retry),
        "x-dead-letter": {
            "channel": {"$ref": f"#/channels/{dead(agent)}"},
            "messages": _messages(dead(agent), events),
            "event": "DeadLettered",
        },
        "x-policies": gates.of(manifest.gate),
    }


def _send(
    nodes: Mapping[str, Node], sender: str, target: str, events: Iterable[str], gates: _Gates
) -> dict[str, Any]:
    channel = inbox(target) if target else LOG
    node = nodes.get(f"agent:{sender}")
    said = f"{sender} sends to {target}" if target else f"what {sender} does is recorded"
    told: dict[str, Any] = {
        "action": "send",
        "channel": {"$ref": f"#/channels/{channel}"},
        "title": said,
        "summary": said,
        "messages": _messages(channel, events),
        "bindings": {"redis": {}},
    }
    if node is not None:
        told |= {
            "tags": [{"name": node.domain}],
            "x-owner": node.owner,
            "x-policies": gates.of(GATES["emit"]),
        }
    return told


def _messages(channel: str, events: Iterable[str]) -> list[dict[str, str]]:
    return [{"$ref": f"#/channels/{channel}/messages/{event}"} for event in sorted(events)]


def _retry(agent: str, retry: RetryPolicy) -> dict[str, Any]:
    """How a failed attempt is followed by another: the entry stays in the inbox until its time has come."""
    return {
        "channel": {"$ref": f"#/channels/{inbox(agent)}"},
        "maxAttempts": retry.attempts,
        "strategy": {
            "type": "exponential",
            "initialDelay": _duration(retry.base),
            "multiplier": 2,
            "maxDelay": _duration(retry.cap),
            "jitter": retry.jitter,
        },
        "terminalErrors": list(retry.terminal),
        "retriedErrors": list(retry.retry_on),
    }


def _duration(seconds: float) -> str:
    """ISO 8601, in seconds."""
    return f"PT{seconds:g}S" if seconds < 1e6 else f"PT{round(seconds)}S"


class _Gates:
    """Which policies an agent is held to at a gate: those of every gate, and the gate's own."""

    def __init__(self, project: LoadedProject) -> None:
        self._gates = project.bundle.gates

    def of(self, gate: str) -> list[dict[str, Any]]:
        """Policy files with the ids of their policies, in the order they are read."""
        known = self._gates.get(gate) or self._gates.get(ALWAYS)
        files: dict[str, list[str]] = {}
        for rule in known.rules.values() if known is not None else ():
            files.setdefault(rule.file.replace("\\", "/").rpartition("/")[2], []).append(rule.id)
        return [{"file": file, "policies": ids} for file, ids in files.items()]
