"""``wingman agent``: the agents of a project."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter

from wingman_runtime.cli.common import DEFAULT, Common
from wingman_runtime.cli.out import note
from wingman_runtime.errors import ConfigError

if TYPE_CHECKING:
    from wingman_runtime.generate.one import Begun

app = App(name="agent", help="Look at agents, begin one.")


@app.command(name="list")
def list_(*, common: Common = DEFAULT) -> int:
    """Every agent: the project's own and the shipped ones it uses, with what each takes in and sends.

    For example

        wingman agent list
        wingman agent list --json
    """
    problems: list[ConfigError] = []
    agents = common.found().mount(problems)
    rows = [
        {
            "agent": name,
            "from": "shipped" if agent.shipped else "own",
            "version": agent.manifest.version,
            "consumes": list(agent.manifest.consumes),
            "emits": list(agent.manifest.emits),
            "needs": list(agent.manifest.needs),
            "tools": list(agent.manifest.tools),
            "gate": agent.manifest.gate,
            "purpose": agent.manifest.purpose,
            "code": agent.code_digest,
        }
        for name, agent in sorted(agents.items())
    ]
    common.out().table(rows, ("agent", "from", "version", "purpose"))
    if problems:
        raise problems[0]
    return 0


@app.command
def new(
    name: Annotated[str, Parameter(help="Its name: small letters, digits and _.")],
    /,
    *,
    consumes: Annotated[
        list[str] | None,
        Parameter(negative="", help="An event it gets; repeat it for more. Default: RequestValidated."),
    ] = None,
    emits: Annotated[
        list[str] | None, Parameter(negative="", help="An event of its own it sends; repeat it.")
    ] = None,
    flow: Annotated[str, Parameter(help="The flow whose lines are said.")] = "request",
    common: Common = DEFAULT,
) -> int:
    """Write an agent that is sound and does little: manifest, function, events, test; say its flow lines.

    For example

        wingman agent new shouting
        wingman agent new tone --consumes RequestValidated --emits ToneJudged
    """
    from wingman_runtime.generate.one import new_agent

    made = new_agent(common.found(), name, consumes=consumes or (), emits=emits or (), flow=flow)
    return tell(common, made)


def tell(common: Common, made: Begun) -> int:
    """Say what was written, and what is left to do."""
    out = common.out()
    if common.json:
        out.data({"files": list(made.files), "to_do": list(made.to_do)})
        return 0
    for path in made.files:
        out.line(path)
    note("to do:\n" + "\n".join(f"  {line}" for line in made.to_do))
    return 0
