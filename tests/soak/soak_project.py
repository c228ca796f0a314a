"""The project under load: the shipped chain with all its gates, one tool that is counted on its own side.

Every plan calls ``mark.put`` once. The tool is not idempotent: whatever ran it twice would have to say
`uncertain`, and whatever hid that would show in its files, one line a call, one file a process.
"""

from __future__ import annotations

import shutil
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from wingman_runtime.project.find import reference_root

_TOOLS = '''
"""Tools that keep count themselves: one line a call, appended in one write."""

import os
from pathlib import Path

from wingman_runtime.sdk import ToolContext, ToolError, tool

COUNTED = Path(@COUNTED@)


def _count(what: str, request: str) -> None:
    file = os.open(COUNTED / f"{os.getpid()}.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        os.write(file, f"{what} {request}\\n".encode())
    finally:
        os.close(file)


@tool("mark.put", purpose="leave a mark", risk="low", compensation="mark.take", resource="record:{name}")
def put(name: str, context: ToolContext) -> str:
    _count("put", context.request_id)
    return name


@tool("mark.take", purpose="undo mark.put", undo_only=True, irreversible=True, idempotent=True)
def take(name: str, context: ToolContext) -> bool:
    _count("take", context.request_id)
    return True


@tool("mark.break", purpose="always fail", risk="low", irreversible=True, resource="record:{name}")
def break_(name: str) -> str:
    raise ToolError(f"{name} cannot be broken")


@tool("mark.ask", purpose="as people say", risk="medium", compensation="mark.take", resource="record:{name}")
def ask(name: str, context: ToolContext) -> str:
    _count("put", context.request_id)
    return name
'''

_SETTINGS = """
name: soak
tenant: demo
times: {state_ttl: 5s, idempotency_ttl: 5s}
"""

_SCOPES = """
scopes:
  marks:
    purpose: marks that are counted
    intents: [mark.put, mark.fail, mark.ask]
    tenants: [demo]
    limits: {bytes: 4096, steps: 0}
    tools:
      mark.put: ["record:*"]
      mark.break: ["record:*"]
      mark.ask: ["record:*"]
"""

_PLANS = {
    "mark.put": ("mark.put",),
    "mark.fail": ("mark.put", "mark.break"),
    "mark.ask": ("mark.ask",),
}


@dataclass(frozen=True, slots=True)
class Kind:
    """What is asked, by whom, what comes of it, and what the tool will have counted."""

    intent: str
    name: str
    actor: str
    outcome: str
    puts: int = 0
    takes: int = 0


_PUT = Kind("mark.put", "open/{n}", "alice", "completed", puts=1)
_FAIL = Kind("mark.fail", "open/{n}", "alice", "failed", puts=1, takes=1)
_ASK = Kind("mark.ask", "open/{n}", "alice", "completed", puts=1)
_BLOCKED = Kind("mark.put", "protected/{n}", "alice", "blocked")
_DENIED = Kind("mark.put", "open/{n}", "mallory", "denied")
_REJECTED = Kind("mark.fly", "open/{n}", "alice", "rejected")


def kind_of(n: int) -> Kind:
    """Of a hundred, 1 asks people, 10 fail and are undone, 5 each are blocked, denied, rejected."""
    place = n % 100
    if place == 37:
        return _ASK
    return {3: _FAIL, 13: _FAIL, 6: _BLOCKED, 9: _DENIED, 16: _REJECTED}.get(place % 20, _PUT)


def write_project(root: Path) -> Path:
    """Write the project; returns the folder in which its tools count."""
    reference = reference_root()
    counted = root / "counted"
    counted.mkdir(parents=True)
    shutil.copytree(reference / "policies", root / "policies", ignore=shutil.ignore_patterns("tests"))
    shutil.copytree(reference / "config" / "flows", root / "config" / "flows")
    shutil.copy(reference / "config" / "principals.yaml", root / "config" / "principals.yaml")
    (root / "config" / "wingman.yaml").write_text(_SETTINGS)
    (root / "config" / "scopes.yaml").write_text(_SCOPES)
    (root / "config" / "plans").mkdir()
    for plan, tools in _PLANS.items():
        steps = "".join(f"  - tool: {tool}\n    args: {{name: '{{{{ params.name }}}}'}}\n" for tool in tools)
        text = f"plan: {plan}\npurpose: counted\nsteps:\n{steps}"
        (root / "config" / "plans" / f"{plan}.yaml").write_text(text)
    (root / "tools").mkdir()
    (root / "tools" / "marks.py").write_text(_TOOLS.replace("@COUNTED@", repr(str(counted))))
    return counted


def counted_calls(folder: Path) -> Counter[tuple[str, str]]:
    """(put or take, request id) to how often the tool did it, by its own files."""
    calls: Counter[tuple[str, str]] = Counter()
    for file in folder.iterdir():
        for line in file.read_text().splitlines():
            what, request = line.split(" ")
            calls[what, request] += 1
    return calls
