"""The catalogue of every Redis key: type, lifetime, owner.

All keys of a partition share its hash tag, so they live in one cluster slot and one script may change them
together. ``P`` below is the anchor, e.g. ``wm:{p0}``; scripts get the anchor as their one declared key and
derive the rest from it (docs/adr/0003).

    key                  type    lifetime              written by   what
    P:in:<agent>         stream until acked          scripts  an agent's inbox; group ``workers``
    P:parked:<agent>     stream until resumed        scripts  held work, deliveries not counted
    P:newer              hash   while any is parked   scripts  what is parked for a later release -> how many
    P:dead:<agent>       stream until taken out      commit   an agent's dead letters
    P:buried             set    for ever             commit   agents that ever had a dead letter
    P:piled              hash   until cleared        pile     agents with too many dead letters -> since (ms)
    P:laid:<agent>:<id>  hash   state_ttl            admit, discard  what became of a letter taken out
    P:laid:<request>     hash   state_ttl            admit    the request that replays this one
    P:log                stream until recorded       scripts  the gapless log
    P:logseq             int    for ever             scripts  the last log number given out
    P:outcomes           stream 10 s                 scripts  wakes clients up; the state is the truth
    P:control            hash   for ever             control  epoch, active bundle digest, count of rules
    P:rules              hash   until resumed        control  target -> rule (JSON)
    P:flows              hash   for ever             activate flow name -> active digest
    P:flow:<digest>      hash   for ever             activate ``agent>Event`` -> route (JSON), ``@meta``
    P:req:<id>           hash   state_ttl after end  scripts  state of one request
    P:req:<id>:steps     hash   state_ttl after end  scripts  ``event>agent`` -> ``@entry``, or receipt
    P:req:<id>:log       list   state_ttl after end  scripts  its log records: ``n at kind body``
    P:req:<id>:fx        hash   state_ttl after end  effects  effects ledger: id -> JSON, id:m -> meta
    P:inflight           zset   until their end      effects  effects without an end by deadline (ms)
    P:apr:<id>           hash   state_ttl after end  commit   an approval and its version
    P:approvals          zset   until decided        commit   open approvals by expiry (ms)
    P:open               zset   until ended          scripts  open requests by deadline (ms)
    P:ended              zset   state_ttl            scripts  ended requests by when state goes (ms)
    P:idem:<sha>         string idempotency_ttl      admit    ``digest request_id``
    P:line:<sha>         list   until all ended       scripts  open requests of an ordering key, in order
    P:tenants            hash   while any is open     scripts  tenant -> its open requests
    P:rate:<sha>         string until it is full      admit    a tenant's bucket: when it is full again (ms)
    P:timers             zset   until due            scripts  delayed deliveries by due time (ms)
    P:timer              hash   until due            scripts  timer id -> entry fields (JSON)
    P:schedules          hash   until dropped        schedule name -> definition (JSON); in partition 0 only
    P:schedule:<name>    hash   a week after that    scripts  next due time, last firing, salt
    P:due                zset   until dropped        scripts  schedules by next due time (ms)
    P:reconciler         hash   for ever             reconcile whose turn it is; what was found last
    P:workers            hash   while alive          worker   worker id -> heartbeat (JSON)
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from wingman_runtime.errors import ConfigError

GROUP = "workers"
_NAMESPACE = re.compile(r"^[A-Za-z0-9_.-]{1,64}$")


@dataclass(frozen=True, slots=True)
class Keys:
    """Key names of one partition of one namespace."""

    namespace: str
    partition: int

    def __post_init__(self) -> None:
        if not _NAMESPACE.match(self.namespace):
            raise ConfigError(
                f"namespace {self.namespace!r} must be 1 to 64 letters, digits, dots, dashes or underscores",
                where="namespace",
            )

    @property
    def anchor(self) -> str:
        return f"{self.namespace}:{{p{self.partition}}}"

    def inbox(self, agent: str) -> str:
        return f"{self.anchor}:in:{agent}"

    def parked(self, agent: str) -> str:
        return f"{self.anchor}:parked:{agent}"

    def dead(self, agent: str) -> str:
        return f"{self.anchor}:dead:{agent}"

    @property
    def newer(self) -> str:
        return f"{self.anchor}:newer"

    @property
    def buried(self) -> str:
        return f"{self.anchor}:buried"

    @property
    def piled(self) -> str:
        return f"{self.anchor}:piled"

    def laid(self, what: str) -> str:
        return f"{self.anchor}:laid:{what}"

    @property
    def log(self) -> str:
        return f"{self.anchor}:log"

    @property
    def logseq(self) -> str:
        return f"{self.anchor}:logseq"

    @property
    def outcomes(self) -> str:
        return f"{self.anchor}:outcomes"

    @property
    def control(self) -> str:
        return f"{self.anchor}:control"

    @property
    def rules(self) -> str:
        return f"{self.anchor}:rules"

    @property
    def flows(self) -> str:
        return f"{self.anchor}:flows"

    def flow(self, digest: str) -> str:
        return f"{self.anchor}:flow:{digest}"

    def request(self, request_id: str) -> str:
        return f"{self.anchor}:req:{request_id}"

    def steps(self, request_id: str) -> str:
        return f"{self.anchor}:req:{request_id}:steps"

    def request_log(self, request_id: str) -> str:
        return f"{self.anchor}:req:{request_id}:log"

    def effects(self, request_id: str) -> str:
        return f"{self.anchor}:req:{request_id}:fx"

    def approval(self, approval_id: str) -> str:
        return f"{self.anchor}:apr:{approval_id}"

    @property
    def approvals(self) -> str:
        return f"{self.anchor}:approvals"

    @property
    def open(self) -> str:
        return f"{self.anchor}:open"

    @property
    def inflight(self) -> str:
        return f"{self.anchor}:inflight"

    @property
    def ended(self) -> str:
        return f"{self.anchor}:ended"

    @property
    def reconciler(self) -> str:
        return f"{self.anchor}:reconciler"

    @property
    def tenants(self) -> str:
        return f"{self.anchor}:tenants"

    def line(self, name: str) -> str:
        return f"{self.anchor}:line:{name}"

    @property
    def timers(self) -> str:
        return f"{self.anchor}:timers"

    @property
    def schedules(self) -> str:
        return f"{self.anchor}:schedules"

    def schedule(self, name: str) -> str:
        return f"{self.anchor}:schedule:{name}"

    @property
    def workers(self) -> str:
        return f"{self.anchor}:workers"
