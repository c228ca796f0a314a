"""Reading a flow's file."""

from __future__ import annotations

import os

from wingman_runtime.errors import FlowError
from wingman_runtime.flow.model import Flow
from wingman_runtime.yamlfile import load_yaml, validate


def load_flow(path: str | os.PathLike[str]) -> Flow:
    """The flow a file declares, with its lines remembered; whether it holds together, `check_flow` says.

    Raises:
        FlowError: no such file, not YAML, or not shaped as a flow; ``where`` is file:line.
    """
    file = load_yaml(path, error=FlowError)
    return validate(Flow, file, error=FlowError).placed(file)
