"""``wingman agent``: the agents of a project."""

from __future__ import annotations

from cyclopts import App

from wingman_runtime.cli.common import DEFAULT, Common
from wingman_runtime.errors import ConfigError

app = App(name="agent", help="Look at agents.")


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
