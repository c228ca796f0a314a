"""Medians over repetitions, their range, ratios to the peer; as a table or as JSON."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.measure import Run

Runs = Mapping[tuple[str, int], Sequence[Run]]
NAMES = {"wingman": "Wingman, governed", "docs": "FastStream, as its docs", "tuned": "FastStream, tuned"}
_FIGURES = ("throughput", "idle_p50", "idle_p99", "half_p50", "half_p99")
_HEADS = ("requests/s", "idle p50 ms", "idle p99 ms", "half-load p50 ms", "half-load p99 ms")


def summary(runs: Runs) -> list[dict[str, Any]]:
    """A row a contestant and number of workers: medians, ranges, and throughput over the peer's."""
    rows = []
    for (name, workers), of in runs.items():
        row: dict[str, Any] = {"contestant": name, "workers": workers, "runs": [asdict(run) for run in of]}
        for figure in _FIGURES:
            values = [getattr(run, figure) for run in of]
            row[figure] = {"median": statistics.median(values), "min": min(values), "max": max(values)}
        row["cpu"] = {role: statistics.median(run.cpu[role] for run in of) for role in of[0].cpu}
        # Against each repetition's own neighbour: what the machine did meanwhile it did to both.
        row["times"] = {
            rival: statistics.median(
                mine.throughput / other.throughput
                for mine, other in zip(of, runs[rival, workers], strict=True)
            )
            for rival in ("docs", "tuned")
            if (rival, workers) in runs
        }
        rows.append(row)
    return rows


def show(rows: list[dict[str, Any]], console: Console) -> None:
    """Two tables: speed, and processor time by process."""
    speed = Table(title="Six hops, 1 KB, appendfsync always: median (least to most)")
    speed.add_column("")
    speed.add_column("workers", justify="right")
    for head in (*_HEADS, "x docs", "x tuned"):
        speed.add_column(head, justify="right")
    cost = Table(title="Processor milliseconds a request, under full load")
    roles = ("worker", "recorder", "server", "client")
    for head in ("", "workers", *roles, "all"):
        cost.add_column(head, justify="left" if not head else "right")
    for row in rows:
        named = (NAMES[row["contestant"]], str(row["workers"]))
        times = [f"{row['times'][rival]:.2f}" if rival in row["times"] else "" for rival in ("docs", "tuned")]
        speed.add_row(*named, *(_ranged(row[figure]) for figure in _FIGURES), *times)
        spent = [f"{row['cpu'][role]:.2f}" if role in row["cpu"] else "" for role in roles]
        cost.add_row(*named, *spent, f"{sum(row['cpu'].values()):.2f}")
    console.print(speed, cost)


def _ranged(figure: dict[str, float]) -> str:
    low, high = (
        f"{figure[end]:.0f}" if figure[end] >= 100 else f"{figure[end]:.1f}" for end in ("min", "max")
    )
    middle = figure["median"]
    return f"{middle:.0f} ({low}-{high})" if middle >= 100 else f"{middle:.1f} ({low}-{high})"
