"""The causal tree of a request: who caused what, how long it took, which decisions let it pass."""

from __future__ import annotations

from wingman_runtime.cli.common import Common
from wingman_runtime.errors import NotFoundError


def show_tree(request_id: str, common: Common) -> int:
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
        out.line(render_text(tree).rstrip("\n"))
    return 0
