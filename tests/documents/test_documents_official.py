"""What others say of our documents: AsyncAPI's official parser, and Mermaid's own grammar, both run by Node.

The packages are installed once for a lock file, into the environment that runs the tests.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest

from wingman_runtime.contracts.canonical import canonical
from wingman_runtime.documents.asyncapi.document import asyncapi_of
from wingman_runtime.documents.graph import Graph, Node, graph_of
from wingman_runtime.documents.mermaid import flow_mermaid, project_mermaid
from wingman_runtime.documents.text import json_text, yaml_text
from wingman_runtime.project.load import LoadedProject

HERE = Path(__file__).parent / "asyncapi"
FILES = ("package.json", "package-lock.json", "check.mjs")
ERROR = 0  # the parser's severity; 1 is a warning
HOSTILE = 'a "name" <b>|x| `y` #quot; %% ]) end\n\\ --> {z}'


@pytest.fixture(scope="session")
def checker() -> Path:
    """The check's script beside its packages. No Node, or no registry the first time, is a failure."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        pytest.fail(
            "these tests need Node 18 or newer with npm: run `apt install nodejs npm` (Debian) or "
            "`brew install node` (macOS)",
            pytrace=False,
        )
    stamp = hashlib.sha256(b"".join((HERE / name).read_bytes() for name in FILES)).hexdigest()[:16]
    folder = Path(sys.prefix) / "node-documents" / stamp
    if not (folder / "node_modules").is_dir():
        folder.parent.mkdir(parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(prefix="draft-", dir=folder.parent))
        for name in FILES:
            shutil.copy(HERE / name, draft / name)
        installed = subprocess.run(
            [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline"],
            cwd=draft,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        if installed.returncode:
            shutil.rmtree(draft, ignore_errors=True)
            said = installed.stderr.strip()[-1500:]
            pytest.fail(
                f"npm could not install what {HERE} names; it needs its registry once:\n{said}", pytrace=False
            )
        shutil.rmtree(folder, ignore_errors=True)
        draft.rename(folder)
    return folder / "check.mjs"


@pytest.fixture(scope="module")
def told(checker: Path, reference: LoadedProject, rich: LoadedProject) -> dict[str, Any]:
    """Everything asked in one go: starting Node and reading its packages takes longer than checking."""
    drawn = {
        "reference": project_mermaid(graph_of(reference)).text,
        "rich": project_mermaid(graph_of(rich), "shop").text,
        "hostile": project_mermaid(_hostile()).text,
        "broken": 'flowchart TD\n  a["b" --> c',
        **{f"flow {flow.name}": flow_mermaid(flow) for flow in rich.flows.values()},
    }
    asked = {
        "asyncapi": {
            "reference": json_text(asyncapi_of(reference)),
            "rich": yaml_text(asyncapi_of(rich)),
            "broken": canonical(_broken()).decode(),
        },
        "mermaid": drawn,
    }
    done = subprocess.run(
        ["node", str(checker)],
        input=json.dumps(asked),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize("name", ["reference", "rich"])
def test_the_official_parser_finds_no_error(told: dict[str, Any], name: str) -> None:
    """Neither by the JSON Schema of AsyncAPI 3.1 nor by the parser's own rules; warnings are shown."""
    found = told["asyncapi"][name]
    for one in found:
        print(f"{name}: {one}")
    assert [one for one in found if one["severity"] == ERROR] == []


def test_the_official_parser_would_find_errors(told: dict[str, Any]) -> None:
    """An operation that does something unheard of, and a payload that leads nowhere, do not pass."""
    found = {one["path"] for one in told["asyncapi"]["broken"] if one["severity"] == ERROR}
    assert "components.messages.A.payload.$ref" in found


def test_mermaid_reads_every_drawing(told: dict[str, Any]) -> None:
    """Flows with joins, the whole project, and labels that try to end their quotes; not what is broken."""
    found = dict(told["mermaid"])
    assert found.pop("broken")
    assert not any(found.values()), found
    assert {"flow order", "flow request", "reference", "rich", "hostile"} == set(found)


def _hostile() -> Graph:
    nodes = tuple(Node(f"event:{HOSTILE}{n}", "event", HOSTILE, domain=HOSTILE) for n in range(2))
    return Graph(HOSTILE.replace("\n", " "), "1", nodes, ())


def _broken() -> dict[str, Any]:
    return {
        "asyncapi": "3.1.0",
        "info": {"title": "broken", "version": "1"},
        "channels": {"c": {"address": "c", "messages": {"A": {"$ref": "#/components/messages/A"}}}},
        "operations": {"o": {"action": "send", "channel": {"$ref": "#/channels/c"}}},
        "components": {"messages": {"A": {"payload": {"$ref": "#/components/schemas/Nothing"}}}},
    }
