"""The public names: listed by hand, all there, and cheap to ask for."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import wingman_runtime
from wingman_runtime import sdk
from wingman_runtime.contracts import events

ROOT = Path(__file__).parents[2]
PUBLIC = ["Client", "Project", "Settings", "SyncClient", "WingmanError", "__version__"]

# What an agent is written with. A name leaves this list only with a line in the changelog.
AN_AUTHOR_NEEDS = {
    "Event",
    "EventModel",
    "EventContract",
    "Primitive",
    "AgentOutcome",
    "Emit",
    "Refuse",
    "Wait",
    "Perform",
    "Done",
    "Forward",
    "Outcome",
    "Plan",
    "Approval",
    "Policy",
    "Scopes",
    "Tools",
    "Planners",
    "Approvals",
    "Ledger",
    "tool",
    "planner",
    "ToolError",
    "WingmanError",
}


def test_the_public_names_are_these() -> None:
    """A public name comes or goes only with an edit of this list."""
    assert sorted(wingman_runtime.__all__) == PUBLIC
    assert dir(wingman_runtime) == PUBLIC


@pytest.mark.parametrize("name", PUBLIC)
def test_a_public_name_is_there(name: str) -> None:
    """Each name loads when it is asked for."""
    assert getattr(wingman_runtime, name) is not None


def test_an_unknown_name_is_an_attribute_error() -> None:
    """Lazy names do not turn a typing error into something else."""
    with pytest.raises(AttributeError, match="Cleint"):
        getattr(wingman_runtime, "Cleint")  # noqa: B009 - a literal attribute would not type-check


def test_the_sdk_lists_what_it_binds() -> None:
    """Every public name of the sdk is in its list, and every listed name is bound."""
    bound = {name for name, value in vars(sdk).items() if not name.startswith("_") and name != "annotations"}
    assert set(sdk.__all__) == bound
    assert len(sdk.__all__) == len(set(sdk.__all__))
    assert set(sdk.__all__) >= AN_AUTHOR_NEEDS


def test_the_sdk_offers_every_shipped_event_but_the_log_only_ones() -> None:
    """An agent may consume any shipped event; some are never delivered to anybody."""
    log_only = {"AttemptFailed", "DeadLettersPiledUp", "DeadLettersCleared"}
    assert set(events.SHIPPED) - set(sdk.__all__) <= log_only


@pytest.mark.parametrize("module", ["wingman_runtime", "wingman_runtime.sdk"])
def test_importing_what_authors_import_connects_to_nothing(module: str) -> None:
    """Neither the package nor the sdk loads redis, a policy engine or an event loop of its own."""
    script = f"import sys, {module}; print(' '.join(sorted(sys.modules)))"
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, check=True, capture_output=True, text=True, cwd=ROOT)
    loaded = {name.partition(".")[0] for name in done.stdout.split()}
    assert "wingman_runtime" in loaded
    assert loaded & {"redis", "cedarpy", "uvloop", "sqlite3", "httpx", "cyclopts", "rich"} == set()
