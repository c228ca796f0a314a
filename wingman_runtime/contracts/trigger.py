"""What hands a request in besides a person, as the envelope carries it: CloudEvents ``source``.

A field of its own would have been refused by every worker of an older version; ``source`` is there, and means
just this. Policies see the short form (docs/adr/0016).

    source                     trigger
    /client                    (empty)            a person, or a program in a person's name
    /schedules/nightly         schedule:nightly   the clock
    /schedules/nightly/run     run:nightly        a person, by ``wingman schedule run``
    /replays/dlt_p0_…          replay:dlt_p0_…    a person, by ``wingman dlq replay``
"""

from __future__ import annotations

import re

_REPLAY = "/replays/"
_SOURCE = re.compile(r"^/schedules/([a-z][a-z0-9_.-]*)(/run)?$")


def schedule_source(name: str, *, by_hand: bool = False) -> str:
    """The source of what a schedule hands in."""
    return f"/schedules/{name}/run" if by_hand else f"/schedules/{name}"


def replay_source(letter_id: str) -> str:
    """The source of a request that replays a dead letter."""
    return _REPLAY + letter_id


def trigger_of(source: str) -> str:
    """The short form of a source; empty for a client's."""
    if source.startswith(_REPLAY):
        return f"replay:{source.removeprefix(_REPLAY)}"
    found = _SOURCE.match(source)
    if found is None:
        return ""
    return f"run:{found[1]}" if found[2] else f"schedule:{found[1]}"
