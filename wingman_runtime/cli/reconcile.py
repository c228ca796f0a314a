"""``wingman reconcile``: look for what should never happen, now, and mend it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from wingman_runtime.cli.common import DEFAULT, Common, with_client
from wingman_runtime.cli.out import note, plain

if TYPE_CHECKING:
    from wingman_runtime.client import Client


def reconcile(
    *,
    dry_run: Annotated[bool, Parameter(negative="", help="Only tell what would be done.")] = False,
    common: Common = DEFAULT,
) -> int:
    """Look for what should never happen, and mend it: work that nobody has, counts that are wrong.

    Workers do this once a minute, a part at a time; this does it all, now. They need not stop for it. Each
    finding is on the record as an anomaly. The exit code is 1 when there is anything.

    For example

        wingman reconcile --dry-run
        wingman reconcile --json
    """
    import secrets

    from wingman_runtime.worker.reconciler import Reconciler

    async def work(client: Client) -> int:
        reconciler = Reconciler(client.store, f"reconcile-{secrets.token_hex(4)}")
        found = await reconciler.whole(dry=dry_run)
        rows = [plain(one) | {"about": str(one)} for one in found]
        common.out().table(rows, ("about", "did"), empty="nothing is amiss")
        if found and dry_run and not common.json:
            note("nothing was changed; without --dry-run it is done")
        return 1 if found else 0

    return with_client(common, work)
