"""One browser for each module of tests, and sites of made-up projects, built once."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

from benchmarks.made_graph import made_graph, made_page
from tests.documents.site.site_visit import Visit
from wingman_runtime.documents.site.build import build_site

ARGUMENTS = (
    "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update",
    "--disable-sync", "--no-first-run", "--mute-audio",
)  # fmt: skip


@pytest.fixture(scope="session")
def chromium() -> str:
    """The browser. Missing is a failure, never a skip."""
    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if found is None:
        pytest.fail(
            "these tests need Chromium: run `apt install chromium` (Debian), or put a `chromium` on PATH",
            pytrace=False,
        )
    return found


@pytest.fixture(scope="module")  # no longer: its loop would stand in the way of asynchronous tests
def browser(chromium: str) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=chromium, args=[*ARGUMENTS])
        yield launched
        launched.close()


@pytest.fixture(scope="session")
def sites(tmp_path_factory: pytest.TempPathFactory) -> Callable[[int], Path]:
    """The folder of a site with about so many nodes."""
    folder = tmp_path_factory.mktemp("sites")

    def site(nodes: int) -> Path:
        out = folder / str(nodes)
        if not out.exists():
            build_site(made_graph(nodes), made_page, out)
        return out

    return site


@pytest.fixture
def visit(browser: Browser) -> Iterator[Callable[..., Visit]]:
    """Opens a site in a fresh window; at the end nothing may have gone wrong in it, or left the site."""
    visits: list[Visit] = []

    def opened(where: Path | str, address: str = "", *, ready: bool = True, **context: object) -> Visit:
        one = Visit(browser, where, **context)
        visits.append(one)
        one.go(address, ready=ready)
        return one

    yield opened
    for one in visits:
        one.close()
    assert [problem for one in visits for problem in one.problems] == []
    assert [url for one in visits for url in one.left] == []
