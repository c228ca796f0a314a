"""The sdk: the list of what agent authors import, and what importing it does not do."""

from __future__ import annotations

import subprocess
import sys
from types import ModuleType

from wingman_runtime import sdk
from wingman_runtime.contracts.events import SHIPPED


def test_sdk_exports_what_it_imports() -> None:
    """Every public name of the module is in __all__, and nothing is there twice or missing."""
    public = {
        name
        for name, value in vars(sdk).items()
        if not name.startswith("_") and name != "annotations" and not isinstance(value, ModuleType)
    }
    assert public == set(sdk.__all__)
    assert len(sdk.__all__) == len(set(sdk.__all__))


def test_sdk_has_every_event_an_agent_may_meet() -> None:
    """All shipped events but those that only the log sees."""
    assert set(SHIPPED) - set(sdk.__all__) == {"AttemptFailed", "DeadLettersPiledUp", "DeadLettersCleared"}


def test_importing_the_sdk_reaches_for_nothing() -> None:
    """An agent author's import brings no Redis, no policy engine and no command line with it."""
    code = "import sys, wingman_runtime.sdk; print(*sorted({m.split('.')[0] for m in sys.modules}))"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"redis", "cedarpy", "cyclopts", "ruamel", "asyncio"} & set(answer.stdout.split())
