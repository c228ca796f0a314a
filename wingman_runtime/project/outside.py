"""A reader model that is no part of the project: another team's class, taken from its file."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

from pydantic import BaseModel

from wingman_runtime.errors import AgentCodeError, UsageError
from wingman_runtime.yamlfile import shown, suggestion


def model_at(place: str) -> type[BaseModel]:
    """The class of ``path.py:Class``; the file is run, with its folder to import from.

    Raises:
        UsageError: no such form, no such file, no such class, or no pydantic model.
        AgentCodeError: the file does not run; ``where`` is the file.
    """
    file, _, name = place.rpartition(":")
    path = Path(file)
    if not file or not name.isidentifier() or not path.is_file():
        raise UsageError(
            f"no model at {place!r}", hint="write it as path.py:Class, seen from where the command runs"
        )
    spec = importlib.util.spec_from_file_location(f"wingman_outside_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise UsageError(f"{file} is no Python file", hint="write it as path.py:Class")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    sys.path.insert(0, str(path.resolve().parent))
    try:
        spec.loader.exec_module(module)
    except Exception as problem:
        said = f"it does not run: {type(problem).__name__}: {problem}"
        raise AgentCodeError(said, where=shown(path)) from problem
    finally:
        sys.path.remove(str(path.resolve().parent))
    model = getattr(module, name, None)
    if not (isinstance(model, type) and issubclass(model, BaseModel)):
        models = [key for key, value in vars(module).items() if isinstance(value, type)]
        raise UsageError(
            f"{file} has no pydantic model {name!r}",
            hint=suggestion(name, models) or "name one of its classes",
        )
    return model
