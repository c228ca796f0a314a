"""Reading a flow's file."""

from __future__ import annotations

import os
from typing import Final

from wingman_runtime.errors import FlowError
from wingman_runtime.flow.model import Flow
from wingman_runtime.yamlfile import load_yaml, validate

_JOIN: Final = (
    "write it as `both: {of: [left, right], mode: all, to: meet}`, with names of your own; its keys are"
    " of, to, mode (all, any, quorum), quorum, on_branch_failure (fail, continue)"
)
_ROUTE: Final = (
    "a route is an agent, a list of agents, [] or one of {settle: AGENT}, {outcome: OUTCOME},"
    " {outcome_field: FIELD}, {join: JOIN}, {end: true}"
)


def load_flow(path: str | os.PathLike[str]) -> Flow:
    """The flow a file declares, with its lines remembered; whether it holds together, `check_flow` says.

    Raises:
        FlowError: no such file, not YAML, or not shaped as a flow; ``where`` is file:line.
    """
    file = load_yaml(path, error=FlowError)
    try:
        flow = validate(Flow, file, error=FlowError)
    except FlowError as problem:
        if problem.message.startswith("joins"):
            problem.hint = _JOIN
        elif problem.message.startswith("routes.") and "did you mean" not in (problem.hint or ""):
            problem.hint = _ROUTE
        raise
    return flow.placed(file)
