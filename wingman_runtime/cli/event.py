"""``wingman event``: the events of a project's agents."""

from __future__ import annotations

from typing import Annotated

from cyclopts import App, Parameter

from wingman_runtime.cli.common import DEFAULT, Common

app = App(name="event", help="Begin an event.")


@app.command
def new(
    name: Annotated[str, Parameter(help="The event type, past tense: OrderPaid.")],
    /,
    *,
    agent: Annotated[str, Parameter(help="The agent of your own that sends it.")],
    common: Common = DEFAULT,
) -> int:
    """Write an event model with its contract into the agent's events.py, and say what else it needs.

    For example

        wingman event new WordsFound --agent word_count
    """
    from wingman_runtime.cli.agent import tell
    from wingman_runtime.generate.one import new_event

    return tell(common, new_event(common.found(), name, agent=agent))
