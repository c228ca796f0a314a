"""The producing side, ``clients/<domain>.py``: hand one in, deal with dead letters; typed."""

from __future__ import annotations

from wingman_runtime.generate.life import Life
from wingman_runtime.generate.text import Draft, generated, imports, literal, quoted, wrapped
from wingman_runtime.generate.write_events import article


def client_files(life: Life) -> list[Draft]:
    """The client, its tests, and what puts the project's folder on the tests' path."""
    return [
        generated(life, f"clients/{life.domain}.py", _client(life)),
        generated(life, f"tests/test_{life.domain}_life.py", _tests(life)),
        Draft("conftest.py", '"""Its place puts this folder on the path of the tests."""\n', once=True),
    ]


def _client(life: Life) -> str:
    later = sorted({field for event in life.events.values() for field in event.sets})
    excluded = f"exclude={{{', '.join(map(quoted, later))}}}" if later else ""
    dump = wrapped(
        f"params = {life.word}.model_dump(",
        ['mode="json"', "by_alias=True", *([excluded] if excluded else [])],
        ")",
        indent="    ",
    )
    wanted = (
        "from collections.abc import Sequence",
        "from wingman_runtime import Client",
        "from wingman_runtime.client import DeadLetter, Request, Which",
        f"from {life.module} import {life.name}",
    )
    agents = ", ".join(f'"{name}"' for name in (life.domain, *life.agents(), life.failures))
    agents_line = f"AGENTS = ({agents})"
    if len(agents_line) > 110:
        agents_line = (
            "AGENTS = (\n"
            + "".join(f'    "{name}",\n' for name in (life.domain, *life.agents(), life.failures))
            + ")"
        )
    verb = life.entity.lifecycle.request
    ends = ", ".join(f"{end}: {outcome}" for end, outcome in life.ends.items())
    return f'''"""{life.domain}, from outside: {life.intent}, dead letters. The ends: {ends}."""

{imports(wanted, life.module.partition(".")[0])}

FLOW = "{life.domain}"
INTENT = "{life.intent}"
VERSION = "{life.version(life.start.name)}"
{agents_line}


async def {verb}(
    client: Client,
    {life.word}: {life.name},
    *,
    idempotency_key: str | None = None,
    actor: str | None = None,
    tenant: str | None = None,
    patience: float = 0.0,
) -> Request:
    """Hand in {article(life.word)}; returns once it is admitted.

    Args:
        idempotency_key: handed in again it is the same request; left out: the {life.word}'s own `{life.key}`.
        actor, tenant, patience: as for `Client.submit`.

    Raises:
        ConflictError: the key was used for another {life.word}.
        AdmissionClosedError: too much to do; try again after ``retry_after`` seconds.
        BackendError: the server cannot be reached; handing it in again is safe.
    """
    {life.word} = {life.name}.model_validate({life.word}.model_dump(by_alias=True))
{dump}
    return await client.submit(
        INTENT,
        {{**params, "schema_version": VERSION}},
        flow=FLOW,
        actor=actor,
        tenant=tenant,
        idempotency_key=idempotency_key or f"{life.domain}:{{{life.word}.{life.key}}}",
        patience=patience,
    )


async def dead_letters(client: Client, *, limit: int = 50) -> Sequence[DeadLetter]:
    """What the agents of this life gave up on, newest first."""
    found = [
        letter
        for agent in AGENTS
        for letter in await client.dead_letters.listed(Which(agent=agent), limit=limit)
        if letter.flow == FLOW
    ]
    return sorted(found, key=lambda letter: letter.at_ms, reverse=True)[:limit]


async def replay(client: Client, letter: DeadLetter, *, reason: str, by: str | None = None) -> Request:
    """Begin once more what the letter's request asked for: a new request, through today's policies.

    Raises:
        NotFoundError, ConflictError, AdmissionClosedError, BackendError: as `Client.dead_letters.replay`.
    """
    return (await client.dead_letters.replay(letter.letter_id, reason=reason, by=by)).request
'''


def _tests(life: Life) -> str:
    start = [field.text.name for field in life.start.fields]
    entity = {name: value for name, value in life.sample.items() if name in start}
    events = {
        event.name: {
            field.text.name: life.sample[field.text.name]
            for field in event.fields
            if field.text.name in life.sample
        }
        for event in life.events.values()
    }
    first = next(iter(entity))
    ends = {one.name: life.ends[one.target] for one in life.events.values() if one.target in life.ends}
    before = {
        event.name: sorted(
            {one.name for move in event.moves for state in move.sources for one in life.into(state)}
        )
        for event in life.events.values()
        if event.moves
    }
    wanted = (
        "from itertools import pairwise",
        "from pathlib import Path",
        "import pytest",
        "from wingman_runtime import Project",
        "from wingman_runtime.testing import run",
    )
    return f'''"""The life of {article(life.word)}: its events, its entrance, its way to an end."""

{imports(wanted)}

PROJECT = Path(__file__).parent.parent
LOADED = Project.find(PROJECT).load()
PEOPLE = LOADED.bundle.principals
{life.name.upper()}: dict[str, object] = {literal(entity)}
EVENTS: dict[str, dict[str, object]] = {literal(events)}
BEFORE: dict[str, list[str]] = {literal(before)}
ENDS: dict[str, str] = {literal(ends)}


def requester() -> str:
    """Somebody the project's principals let ask for work."""
    return next(
        name
        for name, user in PEOPLE.users.items()
        if "requester" in PEOPLE.roles_of(name) and not user.attributes.get("suspended")
    )


def test_the_project_is_sound() -> None:
    """Agents, flow and policies fit together."""
    assert Project.check_at(PROJECT) == []


@pytest.mark.parametrize("name", EVENTS)
def test_an_event_reads_what_it_writes(name: str) -> None:
    """What is written of an event is read as the same event; nothing is lost on the wire."""
    model = LOADED.catalog.model(name)
    event = model.model_validate(EVENTS[name])
    assert model.model_validate_json(event.model_dump_json(by_alias=True)) == event
    assert model.contract is not None


def test_{article(life.word).replace(" ", "_")}_comes_to_an_end() -> None:
    """Through the real agents and policies, each event after one that may come before it; none breaks."""
    result = run(PROJECT, "{life.intent}", {life.name.upper()}, actor=requester(), flow="{life.domain}")
    seen = [name for name in result.events if name in EVENTS]
    assert seen[0] == "{life.start.name}"
    assert result.outcome.value == ENDS.get(seen[-1]), result.reasons
    assert all(first in BEFORE[then] for first, then in pairwise(seen))


def test_what_is_not_whole_is_rejected() -> None:
    """A field is missing: the request is rejected, and the reason names the field."""
    broken = {{name: value for name, value in {life.name.upper()}.items() if name != "{first}"}}
    result = run(PROJECT, "{life.intent}", broken, actor=requester(), flow="{life.domain}")
    assert result.outcome.value == "rejected"
    assert any("{first}" in reason for reason in result.reasons)


def test_who_has_no_right_is_denied() -> None:
    """Somebody nobody declared begins nothing."""
    result = run(PROJECT, "{life.intent}", {life.name.upper()}, actor="a-stranger", flow="{life.domain}")
    assert result.outcome.value == "denied"
'''
