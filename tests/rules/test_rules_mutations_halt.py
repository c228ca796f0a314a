"""Each guard of a halt is needed: with it taken out, the test of that guard fails (P-03).

Like `test_rules_mutations`, whose mutations these are; the tests that must notice are those of the scripts.
"""

from __future__ import annotations

import pytest

import tests.redisio.test_scripts_control as rules
import tests.redisio.test_scripts_effects as effects
import tests.redisio.test_scripts_halt as halts
from tests.redisio.harness import open_house
from tests.rules.test_rules_mutations import Lua, take_out_clause

HELD = "if held(H.agent, entry.ty, s.flow_name, s.tenant, H.r, phase) then"
LISTS = halts.test_a_halt_lists_what_had_begun

LUA = [
    # An intent after an acknowledged halt.
    *(
        Lua("intent", HELD, "if false then", effects.test_after_a_halt_no_effect_begins, (target,))
        for target in ("all", "agent:b", "event:Next", "flow:story", "tenant:demo", "request:")
    ),
    # An effect in flight that the acknowledgement does not name, or names though it has ended.
    Lua("intent", "call('ZADD', P .. ':inflight', now + H.timeout, H.id .. ' ' .. H.r)", "", LISTS, ("all",)),
    Lua("result", "call('ZREM', P .. ':inflight', H.id .. ' ' .. H.r)", "", LISTS, ("all",)),
    Lua("control", "if not m or m.st ~= 'intent' then", "if not m then",
        halts.test_an_effect_whose_request_is_gone_is_not_in_flight),
    Lua("control", "      if covered then", "      if true then",
        halts.test_a_halt_of_something_else_lists_nothing, ("tenant:other",)),
    # A rule that is set and not counted: somebody may delete it unnoticed.
    Lua("control", "call('HSET', P .. ':rules', target, cjson.encode(rule))", "",
        rules.test_a_rule_holds_the_commit_of_what_it_covers, ("all",)),
]  # fmt: skip


def _name(mutation: Lua) -> str:
    return f"{mutation.script}: {' '.join(mutation.text.split())[:50]} {mutation.case}"


@pytest.mark.parametrize("mutation", LUA, ids=_name)
async def test_without_this_clause_a_halt_is_no_halt(
    mutation: Lua, valkey_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A clause of a script, taken out, is missed by the test that names it."""
    take_out_clause(mutation, monkeypatch)
    with pytest.raises((AssertionError, ValueError)):  # ValueError: an unpacking that expects one effect
        async with open_house(valkey_url) as house:
            await mutation.attack(house, *mutation.case)
