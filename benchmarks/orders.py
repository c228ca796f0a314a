"""``python -m benchmarks.orders``: a system generated from docs/generate.md, orders, and one that is poison.

1. `wingman init`, the models of the page, `wingman generate`, the page's work.py for payments.
2. An embedded server that syncs every write, worker processes, a recorder.
3. All orders at once through the generated client; waits for every end, and looks at each.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib
import re
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

from benchmarks.contestant import ROOT, WrongAnswerError, end, spawn
from wingman_runtime import Client, bootstrap
from wingman_runtime.generate.generate import generate
from wingman_runtime.project.init import init_project
from wingman_runtime.project.load import Project
from wingman_runtime.redisio.embedded import start_embedded

_BLOCK = r"<!-- write: {} -->\n```python\n(.*?)^```$"


def page_file(path: str) -> str:
    """A file as docs/generate.md has it."""
    page = (ROOT / "docs" / "generate.md").read_text(encoding="utf-8")
    found = re.search(_BLOCK.format(re.escape(path)), page, re.MULTILINE | re.DOTALL)
    if found is None:
        raise LookupError(f"docs/generate.md has no {path}")
    return found[1]


def make_shop(folder: Path, models: str = "") -> Path:
    """The page's project in a new folder; ``models``: instead of the page's."""
    init_project(folder)
    (folder / "models.py").write_text(models or page_file("models.py"))
    generate(folder / "models.py", folder)
    (folder / "agents/payments/work.py").write_text(page_file("agents/payments/work.py"))
    return folder


def plain_order(number: int, customer: str = "ada") -> dict[str, Any]:
    """An order as plain data."""
    return {
        "order_id": f"o-{number}",
        "customer": customer,
        "lines": [{"sku": "tea", "quantity": 2, "price": {"amount": "4.50", "currency": "EUR"}}],
        "address": {"street": "1 Main St", "city": "Bonn", "country": "DE"},
    }


async def _run(count: int, workers: int, room: Path) -> None:
    root = make_shop(room / "shop")
    with start_embedded(room / "server") as server:
        with (root / "config" / "wingman.yaml").open("a") as settings:
            settings.write(f"redis: {{url: '{server.url}'}}\n")
        project = Project.find(root).load()
        sys.path.insert(0, str(root))
        orders, models = importlib.import_module("clients.orders"), importlib.import_module("models")
        async with bootstrap.connect(project.settings) as connected:
            await bootstrap.activate(project, connected.store, by="benchmark")
        agents = ",".join(agent.name for agent in bootstrap.chosen_agents(project, ()))
        roles = {f"worker{number}": agents for number in range(workers)} | {"recorder": bootstrap.RECORDER}
        start = ("-m", "wingman_runtime", "worker", "--project", str(root), "--agents")
        running = [spawn(room, role, *start, names) for role, names in roles.items()]
        try:
            async with Client(project.settings, actor="alice") as client:
                await (await orders.place(client, models.Order(**plain_order(0)))).result(60)
                began = time.perf_counter()
                whole = [models.Order(**plain_order(number)) for number in range(1, count + 1)]
                poisoned = models.Order(**plain_order(count + 1, "poison"))
                requests = await asyncio.gather(*(orders.place(client, one) for one in (*whole, poisoned)))
                admitted = time.perf_counter() - began
                good = await asyncio.gather(*(request.result(300) for request in requests[:-1]))
                took = time.perf_counter() - began
                bad = await requests[-1].result(300)
                letters = await orders.dead_letters(client)
        finally:
            await asyncio.to_thread(end, running)
    outcomes = Counter(response.outcome.value for response in good)
    if outcomes != {"completed": count} or bad.outcome.value != "failed" or len(letters) != 1:
        raise WrongAnswerError(f"{dict(outcomes)}, poisoned {bad.outcome}, {len(letters)} dead letters")
    print(f"{count} orders, {workers} worker processes: all completed, none lost")
    print(
        f"admitted in {admitted:.2f} s, all ended in {took:.2f} s: {count / took:.0f} orders/s, 6 agents each"
    )
    print(f"the poisoned one: {bad.outcome.value}, 1 dead letter of {letters[0].agent}: {letters[0].error}")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.orders", description=__doc__)
    parser.add_argument("--orders", type=int, default=1000)
    parser.add_argument("--workers", type=int, default=2, help="worker processes")
    wanted = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="wingman-orders-") as folder:
        asyncio.run(_run(wanted.orders, wanted.workers, Path(folder)))


if __name__ == "__main__":
    main()
