"""Where words go: data to stdout, everything else to stderr; a table for people, JSON for programs."""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wingman_runtime.errors import WingmanError

if TYPE_CHECKING:
    from rich.console import Console

STYLES = {
    "completed": "green", "approved": "green", "ok": "green", "open": "yellow", "running": "cyan",
    "waiting": "yellow", "warning": "yellow", "held": "yellow", "uncertain": "magenta",
}  # fmt: skip
_BAD = {"failed", "denied", "blocked", "rejected", "error", "rollback_incomplete", "expired", "cancelled"}


class Out:
    """The output of one command.

    Args:
        as_json: one JSON document (or, for `stream`, one per line) instead of text.
    """

    def __init__(self, as_json: bool) -> None:
        self.as_json = as_json

    def table(self, rows: Iterable[Mapping[str, Any]], columns: Sequence[str], empty: str = "none") -> None:
        """Rows of plain data; as JSON every field of a row, as text the named columns."""
        listed = [plain(row) for row in rows]
        if self.as_json:
            self.data(listed)
        elif not listed:
            note(empty)
        elif sys.stdout.isatty():
            self._rich_table(listed, columns)
        else:
            self._text_table(listed, columns)

    def data(self, value: Any) -> None:
        """One JSON document."""
        print(json.dumps(plain(value), ensure_ascii=False, indent=2 if sys.stdout.isatty() else None))

    def stream(self, value: Any, text: str) -> None:
        """One item of many, at once: a JSON line, or a line of text."""
        if self.as_json:
            print(json.dumps(plain(value), ensure_ascii=False), flush=True)
        else:
            self.line(text)

    def line(self, text: str, style: str = "") -> None:
        """A line of data for people. Never for ``--json``: give `data` there."""
        if style and sys.stdout.isatty():
            console().print(text, style=style, markup=False, highlight=False)
        else:
            print(text, flush=True)

    def fields(self, value: Mapping[str, Any]) -> None:
        """One thing: a JSON object, or a line per field; of a list of sentences, a line each."""
        if self.as_json:
            self.data(value)
            return
        shown = {key: item for key, item in plain(value).items() if item not in (None, "", [], {})}
        width = max((len(key) for key in shown), default=0)
        for key, item in shown.items():
            for number, text in enumerate(_lines(item)):
                self.line(f"{'' if number else key:<{width}}  {text}", style_of(text))

    def _rich_table(self, rows: list[dict[str, Any]], columns: Sequence[str]) -> None:
        from rich.table import Table
        from rich.text import Text

        cells = [[_cell(row.get(column)) for column in columns] for row in rows]
        heads = [column.replace("_", " ") for column in columns]
        widths = [max(map(len, column)) for column in zip(heads, *cells, strict=True)]
        screen = console()
        if sum(widths) + 2 * len(widths) > screen.width and columns[0].endswith("_id"):
            # Too narrow: the id on a line of its own, where it can be copied, and the rest below it.
            def below(row: list[str], style: str = "") -> Text:
                words = zip(row[1:], widths[1:], strict=True)
                parts = [(word.ljust(width) + "  ", style or style_of(word)) for word, width in words]
                return Text.assemble("  ", *parts)

            screen.print(Text(heads[0], "bold"), below(heads, "bold"), sep="\n")
            for row in cells:
                screen.print(Text(row[0]), below(row), sep="\n")
            return
        table = Table(box=None, header_style="bold", pad_edge=False)
        for head, column in zip(heads, columns, strict=True):
            # An id is there to be copied: never broken over two lines.
            table.add_column(head, overflow="fold", no_wrap=column.endswith("_id"))
        for row in cells:
            table.add_row(*(Text(cell, style=style_of(cell)) for cell in row))
        screen.print(table)

    def _text_table(self, rows: list[dict[str, Any]], columns: Sequence[str]) -> None:
        # Not rich: away from a terminal it would cut cells to 80 columns.
        cells = [list(columns), *([_cell(row.get(column)) for column in columns] for row in rows)]
        widths = [max(len(row[at]) for row in cells) for at in range(len(columns))]
        for row in cells:
            print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def _lines(item: Any) -> list[str]:
    """A value for people: names stand in one line, sentences in a line each, data as JSON."""
    if isinstance(item, list) and all(isinstance(one, str) for one in item):
        return item if any(" " in one for one in item) else [", ".join(item)]
    return [item if isinstance(item, str) else json.dumps(item, ensure_ascii=False)]


def style_of(word: str) -> str:
    """The colour of a status word; empty for any other text."""
    return "red" if word in _BAD else STYLES.get(word, "")


def plain(value: Any) -> Any:
    """Models, dataclasses, paths and enums as JSON data."""
    if hasattr(value, "model_dump"):
        return value.model_dump(mode="json")
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(item) for item in value]
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Path):
        return str(value)
    return value if isinstance(value, str | int | float | bool | None) else str(value)


def console(*, stderr: bool = False) -> Console:
    """A rich console; it honours NO_COLOR and leaves styling out where there is no terminal."""
    from rich.console import Console

    return Console(stderr=stderr, highlight=False, soft_wrap=True)


def note(text: str) -> None:
    """Something for the person, not for a pipe."""
    print(text, file=sys.stderr, flush=True)


def complain(error: WingmanError, *, as_json: bool = False) -> None:
    """An error, on stderr: a message for people, or one JSON object that always has the same five fields."""
    if as_json:
        told = {
            "error": error.message,
            "kind": type(error).__name__,
            "where": error.where,
            "hint": error.hint,
            "exit_code": error.exit_code,
        }
        print(json.dumps(told, ensure_ascii=False), file=sys.stderr, flush=True)
    elif sys.stderr.isatty():
        from rich.text import Text

        message, arrow, hint = str(error).partition("\n  → ")
        screen = console(stderr=True)
        screen.print(Text.assemble(("error: ", "bold red"), message), soft_wrap=False)
        if arrow:  # often a command: left to the terminal to wrap, so that it can be copied
            screen.print(Text(f"  → {hint}"))
    else:
        note(f"error: {error}")


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, list):
        return ", ".join(_cell(item) for item in value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    return json.dumps(value, ensure_ascii=False) if isinstance(value, dict) else str(value)
