"""``python -m benchmarks.schemas``: what `wingman schema check` takes for many events with many versions.

1. Writes a registry of released versions, ten of each event, and a module with the events' classes: not
   counted.
2. In a process of its own: reads the registry, describes each class, lints it, holds it against every version
   of its major, replays the samples, tries the upcasters. Once as released; then each class with one change
   more.
3. `accepts` by itself on 10,000 pairs: each version's writer and the next one's reader, and the last one's
   and the first. And what a change takes that breaks all ten versions.

Seconds are processor time: what others do on the machine makes little difference to that.
"""

from __future__ import annotations

import argparse
import importlib.util
import itertools
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path
from types import ModuleType
from typing import Any

from benchmarks.made_events import HEAD, SHAPES, VERSIONS, name_of, source
from wingman_runtime.cli.common import uncollected
from wingman_runtime.contracts.event import EventModel
from wingman_runtime.project.schemas import SchemaBook
from wingman_runtime.schemas import accepts
from wingman_runtime.schemas.canonical import digest
from wingman_runtime.schemas.describe import describe
from wingman_runtime.schemas.major import refusal
from wingman_runtime.schemas.record import SchemaRecord
from wingman_runtime.schemas.recordfile import to_data
from wingman_runtime.schemas.registry import Registry
from wingman_runtime.schemas.samples import sample_of

TODAY = date(2026, 11, 22)


def make(room: Path, types: int) -> None:
    """The registry, and two modules: the classes as released, and each with a field more."""
    for number in range(min(types, SHAPES)):
        kept = f"KEPT.append({name_of(number)})\n"
        steps = "".join(source(number, step) + kept for step in range(VERSIONS))
        models = _module(room / "versions.py", f"{HEAD}KEPT = []\n{steps}").KEPT
        previous: SchemaRecord | None = None
        for model in models:
            previous = _released(model, previous)
            for twin in range(number, types, SHAPES):
                _write(room, previous, name_of(twin))
    for step, name in ((VERSIONS - 1, "released"), (VERSIONS, "changed")):
        text = "".join(source(number, step) for number in range(types))
        (room / f"{name}.py").write_text(HEAD + text)


def _write(room: Path, record: SchemaRecord, event: str) -> None:
    """As `write_record` does, without waiting for the disk each time."""
    if event != record.event:
        # Of a twin's wording nothing is known: its classes are called otherwise.
        record = replace(record, event=event, digest=digest(record.writer, record.reader, event), wording="")
    path = Registry(room).file(event, record.version)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(to_data(record), indent=2, sort_keys=True, ensure_ascii=False) + "\n")


def _released(model: type[EventModel], previous: SchemaRecord | None) -> SchemaRecord:
    record = describe(model, owner="the shop", previous=previous)
    samples = sample_of(record.writer, lambda made: refusal(model, made, record.version) is None)
    return replace(record, samples=samples)


def _module(path: Path, text: str = "") -> ModuleType:
    if text:
        path.write_text(text)
    sys.dont_write_bytecode = True
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise LookupError(path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    return module


def load_models(room: Path, name: str) -> dict[str, type[EventModel]]:
    """The event classes of a module that was made."""
    found = vars(_module(room / f"{name}.py")).values()
    models = (one for one in found if isinstance(one, type) and issubclass(one, EventModel))
    return {one.__name__: one for one in models if one is not EventModel}


def check(room: Path, name: str) -> dict[str, Any]:
    """`wingman schema check` without its imports and without mounting agents."""
    models = load_models(room, name)
    worked = time.process_time()
    with uncollected():
        report = SchemaBook(Registry(room), (), (), models, {}).check(today=TODAY)
    seconds = time.process_time() - worked
    return {
        "events": len(report.standings),
        "status": dict(Counter(str(one.status) for one in report.standings)),
        "change": dict(Counter(one.bump.label for one in report.standings)),
        "seconds": round(seconds, 2),
        "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }


def compare(room: Path, types: int) -> dict[str, Any]:
    """`accepts` on neighbours, both ways, the last against the first among them."""
    registry = Registry(room)
    histories = [registry.history(name_of(number)) for number in range(types)]
    pairs = [pair for history in histories for pair in _pairs(history)]
    answers: Counter[str] = Counter()
    worked = time.process_time()
    for reader, writer in pairs:
        answers[accepts(reader, writer).answer.value] += 1
    seconds = time.process_time() - worked
    return {"pairs": len(pairs), "answers": dict(answers), "seconds": round(seconds, 2)}


def _pairs(history: Sequence[SchemaRecord]) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    for old, new in itertools.pairwise([*history, history[0]]):
        yield new.reader, old.writer


def broken(room: Path, types: int) -> dict[str, Any]:
    """A field of each event that is needed no longer is there: every version of the major is hurt."""
    from wingman_runtime.schemas.change import judge

    registry, seconds, found = Registry(room), [], 0
    for number in range(min(types, 100)):
        history = registry.history(name_of(number))
        latest = history[-1]
        gone = {name: one for name, one in latest.writer["properties"].items() if name != "state"}
        needed = [name for name in latest.writer["required"] if name != "state"]
        writer = {**latest.writer, "properties": gone, "required": needed}
        new = replace(latest, writer=writer, version=latest.version)
        worked = time.process_time()
        found += len(judge(history, new).findings)
        seconds.append(time.process_time() - worked)
    return {
        "events": len(seconds),
        "findings": found,
        "ms_an_event": round(1000 * sum(seconds) / len(seconds), 1),
    }


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.schemas", description=__doc__)
    parser.add_argument("--types", type=int, default=1000, help="event types (1000), of ten versions each")
    parser.add_argument("--keep", type=Path, help="make the registry there, or use the one that is there")
    parser.add_argument("--only", nargs=2, metavar=("WHAT", "FOLDER"), help=argparse.SUPPRESS)
    wanted = parser.parse_args()
    if wanted.only:
        what, room = wanted.only[0], Path(wanted.only[1])
        parts: dict[str, Callable[[], Any]] = {
            "make": lambda: make(room, wanted.types),
            "released": lambda: check(room, "released"),
            "changed": lambda: check(room, "changed"),
            "accepts": lambda: compare(room, wanted.types),
            "broken": lambda: broken(room, wanted.types),
        }
        print(json.dumps(parts[what]()))
        return 0
    with tempfile.TemporaryDirectory() as folder:
        room = wanted.keep or Path(folder)
        room.mkdir(parents=True, exist_ok=True)
        steps = ["released", "changed", "accepts", "broken"]
        for part in steps if (room / "changed.py").is_file() else ["make", *steps]:
            command = [sys.executable, "-m", "benchmarks.schemas", "--types", str(wanted.types)]
            made = subprocess.run(  # noqa: S603 - ourselves
                [*command, "--only", part, str(room)], check=True, stdout=subprocess.PIPE, text=True
            )
            print(f"{part}: {made.stdout.strip()}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
