"""The causal tree of a request: who caused what, how long it took, which decisions let it pass."""

from __future__ import annotations

import re
import shutil
import sys
import textwrap

from wingman_runtime.cli.common import Common
from wingman_runtime.errors import NotFoundError


def show_tree(request_id: str, common: Common, *, verbose: bool = False) -> int:
    """Print the tree from the audit store.

    Raises:
        NotFoundError: the store has nothing of this request (yet).
    """
    from wingman_runtime.ledger.query import of_request
    from wingman_runtime.ledger.tree import build_tree, render_text

    records = of_request(common.found().settings.audit_store, request_id)
    if not records:
        raise NotFoundError(
            "the audit store has no record of it",
            where=request_id,
            hint="the recorder may be a moment behind; `wingman request show` asks the server",
        )
    tree = build_tree(records)
    out = common.out()
    if common.json:
        out.data(tree)
    else:
        text = render_text(tree, verbose=verbose).rstrip("\n")
        out.line(wrapped(text, shutil.get_terminal_size().columns) if sys.stdout.isatty() else text)
    return 0


def wrapped(text: str, columns: int) -> str:
    """A drawn tree for a narrow terminal: what does not fit goes on below, inside the same branch."""
    lines: list[str] = []
    for line in text.splitlines():
        lead = _LEAD.match(line)
        drawn = lead.group(0) if lead else ""
        below = drawn.translate(_BELOW)
        width = max(columns - len(drawn), 24)
        first, *rest = textwrap.wrap(line[len(drawn) :], width, break_on_hyphens=False) or [""]
        lines += [drawn + first, *(below + part for part in rest)]
    return "\n".join(lines)


_LEAD = re.compile(r"[ │├└─]*[·✓✗]? *")
_BELOW = str.maketrans({"├": "│", "└": " ", "─": " ", "·": " ", "✓": " ", "✗": " "})
