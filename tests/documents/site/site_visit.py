"""A window on a site, as a test looks at it: where it is, what is drawn, what went wrong."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page

READY = "html[data-ready]"


class Visit:
    """Attributes:
    problems: messages of the console and errors of scripts; a test that expects some empties it.
    left: addresses that were asked for outside of the site.
    """

    def __init__(self, browser: Browser, where: Path | str, **context: Any) -> None:
        self.root = where.as_uri() if isinstance(where, Path) else where.rstrip("/")
        self._context = browser.new_context(viewport={"width": 1440, "height": 900}, **context)
        self.page: Page = self._context.new_page()
        self.page.set_default_timeout(20_000)
        self.problems: list[str] = []
        self.left: list[str] = []
        self.page.on("console", lambda message: self.problems.append(message.text))
        self.page.on("pageerror", lambda error: self.problems.append(str(error)))
        self.page.on("request", lambda request: self._asked(request.url))

    def _asked(self, url: str) -> None:
        if not url.startswith((f"{self.root}/", "data:")):
            self.left.append(url)

    def go(self, address: str = "", *, ready: bool = True) -> None:
        """Open an address of the site, such as ``#/event/OrderPlaced``."""
        index = "/index.html" if self.root.startswith("file:") else "/"
        self.page.goto(f"{self.root}{index}{address}")
        if ready:
            self.page.wait_for_selector(READY, state="attached")

    def at(self, address: str) -> None:
        """Wait until the window shows this address, and its view is drawn."""
        self.page.wait_for_function(
            "address => decodeURIComponent(location.hash) === decodeURIComponent(address)", arg=address
        )
        self.settled()

    def settled(self) -> None:
        """Wait until the view of the present address is there."""
        self.page.wait_for_function(
            "() => { const s = WINGMAN.state; return !s || !s.node || document.querySelector('#title')"
            " && document.querySelector('#title').textContent === s.node.label; }"
        )

    def drawn(self) -> dict[str, float]:
        """Ids of the nodes in the picture, and how far to the right they stand."""
        found: dict[str, float] = self.page.evaluate(
            "() => Object.fromEntries(WINGMAN.canvas.cy().nodes().map("
            "one => [WINGMAN.model.nodes[+one.id()].id, one.position('x')]))"
        )
        return found

    def text(self, selector: str) -> str:
        return self.page.inner_text(selector)

    def close(self) -> None:
        self._context.close()


def around(graph: dict[str, Any], focus: str, depth: int) -> tuple[set[str], set[str]]:
    """Ids within so many steps before and after a node: what the picture has to show."""
    sides = []
    for ends in (("to", "from"), ("from", "to")):
        reached, rim = set[str](), {focus}
        for _ in range(depth):
            rim = {edge[ends[1]] for edge in graph["edges"] if edge[ends[0]] in rim} - reached - {focus}
            reached |= rim
        sides.append(reached)
    return sides[0], sides[1]
