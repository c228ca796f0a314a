"""The project of a run: the shipped chain with all its gates, and tools that do everything at the sink."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

from wingman_runtime.project.find import reference_root

_TOOLS = '''
"""Tools whose work is done, and counted, by the sink."""

import asyncio
import json
import os

from wingman_runtime.sdk import Result, ToolContext, ToolError, tool

SINK = @SINK@


async def _ask(mode: str, name: str, context: ToolContext, of: str = "") -> None:
    reader, writer = await asyncio.open_unix_connection(SINK)
    try:
        asked = {
            "mode": mode, "key": context.key, "name": name, "request": context.request_id,
            "attempt": context.attempt, "of": of, "pid": os.getpid(),
        }
        writer.write(json.dumps(asked).encode() + b"\\n")
        answer = await reader.readline()
    finally:
        writer.close()
    if not answer:
        raise ConnectionError("no answer")
    refused = json.loads(answer).get("refused")
    if refused:
        raise ToolError(refused)


def _done(name: str, context: ToolContext) -> Result:
    return Result(name, undo={"name": name, "of": context.key})


@tool("sink.put", purpose="not idempotent", timeout=2, compensation="sink.take", resource="record:{name}")
async def put(name: str, context: ToolContext) -> Result:
    await _ask("put", name, context)
    return _done(name, context)


@tool("sink.set", purpose="idempotent", timeout=2, idempotent=True, compensation="sink.take",
      resource="record:{name}")
async def set_(name: str, context: ToolContext) -> Result:
    await _ask("set", name, context)
    return _done(name, context)


@tool("sink.ask", purpose="as people say", risk="medium", timeout=2, compensation="sink.take",
      resource="record:{name}")
async def ask(name: str, context: ToolContext) -> Result:
    await _ask("put", name, context)
    return _done(name, context)


@tool("sink.once", purpose="nothing undoes it", timeout=2, irreversible=True, resource="record:{name}")
async def once(name: str, context: ToolContext) -> str:
    await _ask("once", name, context)
    return name


@tool("sink.fail", purpose="always refused", timeout=2, irreversible=True, resource="record:{name}")
async def fail(name: str, context: ToolContext) -> str:
    await _ask("fail", name, context)
    return name


@tool("sink.vanish", purpose="done, never answered", timeout=2, compensation="sink.take",
      resource="record:{name}")
async def vanish(name: str, context: ToolContext) -> Result:
    await _ask("vanish", name, context)
    return _done(name, context)


@tool("sink.take", purpose="undo", timeout=2, undo_only=True, irreversible=True, idempotent=True)
async def take(name: str, of: str, context: ToolContext) -> bool:
    await _ask("take", name, context, of)
    return True
'''

PLANS = {
    "put": ("put",),
    "set": ("set",),
    "both": ("set", "put", "set"),
    "fail": ("set", "put", "fail"),
    "stuck": ("put", "fail"),
    "once": ("put", "once", "fail"),
    "vanish": ("set", "vanish"),
    "ask": ("ask",),
}
"""Verb of an intent to the verbs of its tools, in order."""

SETTINGS = {
    "name": "chaos",
    "tenant": "demo",
    "times": "{agent_timeout: 5s, tool_timeout: 2s, approval: 15s, claim_idle: 3s, grace: 5s, block: 500ms}",
    "retry": "{attempts: 8, base: 0.2, cap: 2}",
    "admission": "{retry_after: 500ms}",
}

_SCOPES = """
scopes:
  sink:
    purpose: what the sink counts
    intents: [@INTENTS@]
    tenants: [demo]
    limits: {bytes: 4096, steps: 0}
    tools:
@TOOLS@
"""


def write_project(root: Path, sink: Path, settings: Mapping[str, str]) -> None:
    """Write it; ``settings`` are lines of wingman.yaml over `SETTINGS`. One that is there already stays."""
    if root.exists():
        return
    reference = reference_root()
    root.mkdir(parents=True)
    shutil.copytree(reference / "policies", root / "policies", ignore=shutil.ignore_patterns("tests"))
    shutil.copytree(reference / "config" / "flows", root / "config" / "flows")
    shutil.copy(reference / "config" / "principals.yaml", root / "config" / "principals.yaml")
    lines = {**SETTINGS, **settings}
    (root / "config" / "wingman.yaml").write_text("".join(f"{name}: {v}\n" for name, v in lines.items()))
    intents = ", ".join(f"sink.{verb}" for verb in PLANS)
    tools = sorted({verb for verbs in PLANS.values() for verb in verbs})
    listed = "\n".join(f'      sink.{verb}: ["record:*"]' for verb in tools)
    (root / "config" / "scopes.yaml").write_text(
        _SCOPES.replace("@INTENTS@", intents).replace("@TOOLS@", listed)
    )
    (root / "config" / "plans").mkdir()
    for verb, verbs in PLANS.items():
        steps = "".join(
            f"  - tool: sink.{step}\n    args: {{name: '{{{{ params.name }}}}'}}\n" for step in verbs
        )
        text = f"plan: sink.{verb}\npurpose: counted\nsteps:\n{steps}"
        (root / "config" / "plans" / f"sink.{verb}.yaml").write_text(text)
    (root / "tools").mkdir()
    (root / "tools" / "sink.py").write_text(_TOOLS.replace("@SINK@", repr(str(sink))))
