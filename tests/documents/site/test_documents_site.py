"""The site in a real browser: found, walked, filtered, read, by mouse, keyboard and table."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from benchmarks.made_graph import made_graph
from tests.documents.site.site_served import served
from tests.documents.site.site_visit import Visit, around

Visits = Callable[..., Visit]
Sites = Callable[[int], Path]

EVENT = "event:PaymentCaptured"
AT = "#/event/PaymentCaptured"


@pytest.mark.parametrize("nodes", [12, 300, 3000])
def test_it_opens_from_a_file_and_says_what_there_is(visit: Visits, sites: Sites, nodes: int) -> None:
    """From the disk, with nothing asked for elsewhere, the overview counts every kind and names the flows."""
    graph = made_graph(nodes)
    seen = visit(sites(nodes))
    events = sum(node["kind"] == "event" for node in graph["nodes"])
    assert f"{events:,}\nevents" in seen.text(".tiles")
    assert seen.page.locator(".card").count() == min(12, sum(n["kind"] == "flow" for n in graph["nodes"]))
    assert seen.page.title() == "shop · event map"


@pytest.mark.parametrize("depth", [1, 2, 3])
def test_the_neighbourhood_has_the_depth_that_was_asked_for(visit: Visits, sites: Sites, depth: int) -> None:
    """A deep link shows what is within its steps and nothing else: before on the left, after on the right."""
    before, after = around(made_graph(300), EVENT, depth)
    seen = visit(sites(300), f"{AT}?depth={depth}")
    drawn = seen.drawn()
    assert drawn.keys() == before | after | {EVENT}
    middle = drawn[EVENT]
    assert all(drawn[one] < middle for one in before - after)
    assert all(drawn[one] > middle for one in after - before)
    assert seen.text("#title") == "PaymentCaptured"
    assert seen.page.locator(f"[data-depth='{depth}']").get_attribute("aria-pressed") == "true"


def test_the_tables_say_what_the_picture_says(visit: Visits, sites: Sites) -> None:
    """What leads in and what follows are the same in the tables of a page and in its picture."""
    seen = visit(sites(300), "#/agent/audit")
    drawn = {one.partition(":")[2] for one in seen.drawn()} - {"audit"}
    assert set(seen.page.locator(".links .node-link .name").all_inner_texts()) == drawn
    assert "Nothing follows from here." in seen.text(".n-to")


def test_one_walks_by_keyboard(visit: Visits, sites: Sites) -> None:
    """Arrows mark a neighbour and say it, Enter goes there, the browser's way back leads back."""
    seen = visit(sites(300), AT)
    seen.page.keyboard.press("ArrowRight")
    assert seen.page.text_content("#live") == "agent payment_captured_1, 1 step after"
    seen.page.keyboard.press("Escape")
    assert seen.page.text_content("#live") == "event PaymentCaptured, the focus"
    seen.page.keyboard.press("ArrowLeft")
    seen.page.keyboard.press("Enter")
    seen.at("#/agent/payment_checked_1")
    assert "agent:payment_checked_1" in seen.drawn()
    seen.page.keyboard.press("2")
    seen.at("#/agent/payment_checked_1?depth=2")
    seen.page.go_back()
    seen.page.go_back()
    seen.at(AT)
    seen.page.go_forward()
    seen.at("#/agent/payment_checked_1")


def test_a_click_walks(visit: Visits, sites: Sites) -> None:
    """A node of the picture that is clicked becomes the focus."""
    seen = visit(sites(300), AT)
    place = seen.page.evaluate(
        """() => {
            const cy = WINGMAN.canvas.cy();
            const { at } = WINGMAN.model.byId.get('agent:payment_captured_1');
            const box = cy.container().getBoundingClientRect();
            const place = cy.getElementById(String(at)).renderedPosition();
            return [box.x + place.x, box.y + place.y];
        }"""
    )
    seen.page.mouse.click(*place)
    seen.at("#/agent/payment_captured_1")


def test_help_and_theme_are_a_key_away(visit: Visits, sites: Sites) -> None:
    """`?` opens the help and Escape closes it; `d` turns dark to light, and that is remembered."""
    seen = visit(sites(12), color_scheme="dark")
    seen.page.keyboard.press("?")
    assert seen.page.locator("#help").is_visible()
    seen.page.keyboard.press("Escape")
    assert not seen.page.locator("#help").is_visible()
    seen.page.keyboard.press("d")
    assert seen.page.get_attribute("html", "data-theme") == "light"
    seen.page.reload()
    assert seen.page.get_attribute("html", "data-theme") == "light"


def test_a_search_finds_names_words_and_fields(visit: Visits, sites: Sites) -> None:
    """`/` begins a search; part of a name, a word of the purpose and the name of a field are found."""
    seen = visit(sites(300))
    seen.page.keyboard.press("/")
    for typed, found in (
        ("payment capt", "PaymentCaptured"),
        ("customer_id", "OrderSent"),
        ("writes down", ".write"),
    ):
        seen.page.fill("#find", typed)
        seen.page.wait_for_selector("#found li[aria-selected='true']")
        assert found in seen.text("#found")
    seen.page.fill("#find", "paymentcaptured")
    seen.page.keyboard.press("ArrowDown")
    seen.page.keyboard.press("ArrowUp")
    seen.page.keyboard.press("Enter")
    seen.at(AT)
    seen.page.keyboard.press("/")
    seen.page.fill("#find", "nothing like this")
    seen.page.wait_for_selector("#found .none")


def test_a_filter_hides_and_the_walk_goes_through(visit: Visits, sites: Sites) -> None:
    """With events only, an event leads to the next by a dotted edge; the address and each link keep it."""
    seen = visit(sites(300), AT)
    seen.page.check("input[value='event']")
    seen.at(f"{AT}?kind=event")
    drawn = seen.drawn()
    assert {one.partition(":")[0] for one in drawn} == {"event"}
    assert drawn["event:PaymentReserved"] < drawn[EVENT] < drawn["event:PaymentPacked"]
    assert seen.page.evaluate("() => WINGMAN.canvas.cy().edges('.hidden').length") >= 2
    seen.page.click(".n-to .node-link")
    seen.at("#/agent/payment_captured_1?kind=event")
    seen.page.click("#clear")
    seen.at("#/agent/payment_captured_1")
    assert "policy:payment_1.cedar" in seen.drawn()


def test_the_table_is_all_of_the_graph(visit: Visits, sites: Sites) -> None:
    """Filtered by domain and kind and sorted, the table lists what the graph has; each is a link."""
    graph = made_graph(300)
    wanted = sorted(
        node["label"].lower()
        for node in graph["nodes"]
        if node["domain"] == "payments" and node["kind"] == "event"
    )
    seen = visit(sites(300), "#/list?kind=event&domain=payments")
    assert [one.lower() for one in seen.page.locator(".nodes .name").all_inner_texts()] == wanted
    seen.page.click("text=name")
    assert seen.page.locator(".nodes .name").first.inner_text().lower() == wanted[-1]
    assert seen.page.get_attribute(".nodes th >> nth=0", "aria-sort") == "descending"
    others = {node["owner"] for node in graph["nodes"] if node["domain"] != "payments"}
    mine = {node["owner"] for node in graph["nodes"] if node["domain"] == "payments"}
    seen.page.select_option("select[name='owner']", min(filter(None, others - mine)))
    seen.page.wait_for_selector(".empty")
    assert "Nothing fits" in seen.text("#view")


def test_a_page_has_fields_versions_and_what_differs(visit: Visits, sites: Sites) -> None:
    """An event's page shows its fields with the version they came in, and compares two versions."""
    seen = visit(sites(12), "#/event/OrderPlaced")
    rows = seen.page.locator(".fields tbody tr").all_inner_texts()
    assert [row.split("\t")[0].strip() for row in rows][:2] == ["id", "customer_id"]
    assert "1.1.0" in rows[-1]
    assert seen.text(".history").startswith("1.1.0 added note")
    assert "note" in seen.text(".diff")
    seen.page.select_option(".pick:has-text('From') select", "0")
    assert "the same version" in seen.text(".beside")


def test_a_neighbourhood_as_mermaid_text(visit: Visits, sites: Sites) -> None:
    """The text names every node that is drawn and every edge by its kind."""
    seen = visit(sites(12), "#/event/OrderAccepted")
    text = seen.page.evaluate(
        "() => WINGMAN.mermaid(WINGMAN.neighbourhood(WINGMAN.state.node, 1, WINGMAN.noFilters()))"
    )
    assert text.startswith("flowchart LR\n")
    assert '(["OrderAccepted"])' in text
    assert '-->|"emits"|' in text
    assert len([row for row in text.splitlines() if "|" in row]) == len(seen.drawn()) - 1


def test_a_link_to_what_is_gone_says_so(visit: Visits, sites: Sites) -> None:
    """An address of no node leads to a sentence and a way on, not to an empty page."""
    seen = visit(sites(12), "#/event/Was%20Renamed")
    assert "There is no event Was Renamed" in seen.text("#view")
    seen.page.click("text=Everything there is")
    seen.at("#/list")


def test_the_whole_graph_is_drawn_when_one_insists(visit: Visits, sites: Sites) -> None:
    """Of very many it first says so; drawn, every node stands where it was placed when the site was built."""
    seen = visit(sites(1000), "#/all")
    assert "nodes at once" in seen.text("#view")
    seen.page.click("#draw-all")
    seen.page.wait_for_selector("#canvas canvas", state="attached")
    assert seen.page.evaluate(
        "() => WINGMAN.canvas.cy().nodes().length === WINGMAN.model.nodes.length"
        " && WINGMAN.canvas.cy().nodes().every(one => one.position('x') === WINGMAN.model.nodes[+one.id()].x)"
    )


def test_on_paper_there_is_the_page_alone(visit: Visits, sites: Sites) -> None:
    """Printed, filters and picture are away, and the page is there."""
    seen = visit(sites(12), "#/event/OrderPlaced")
    seen.page.emulate_media(media="print")
    assert seen.page.locator(".page").is_visible()
    assert not any(seen.page.locator(one).is_visible() for one in (".rail", ".picture", ".finder"))


def test_what_is_seen_is_drawn_over_what_is_declared(visit: Visits, sites: Sites) -> None:
    """Used edges are solid, unused dashed, undeclared red and told in words; figures and pauses, too."""
    told: dict[str, Any] = {
        "up": True, "error": "", "at_ms": 1, "window_s": 300.0, "seen": 7, "notes": ["no worker runs"],
        "held": ["agent:order_placed_1 paused by alice: <b>a look</b>"],
        "nodes": {"agent:order_placed_1": {
            "rate": 120.0, "waiting": 1234, "pending": 2, "parked": 3, "dead": 4, "held": "paused by alice",
        }, "event:OrderPlaced": {"rate": 2.0, "versions": {"1.0.0": 7, "1.1.0": True}}},
        "edges": [
            {"from": "event:OrderPlaced", "to": "agent:order_placed_1", "kind": "consumes", "count": 9,
             "rate": 120.0, "declared": True},
            {"from": "agent:audit", "to": "event:OrderPlaced", "kind": "emits", "count": 1, "rate": 0.2,
             "declared": False},
        ],
    }  # fmt: skip
    with served(sites(12), lambda: told) as server:
        seen = visit(server.url, "#/event/OrderPlaced")
        seen.page.wait_for_selector("#pulse[data-state='live']")
        kinds = "kind => WINGMAN.canvas.cy().edges('.' + kind).map(one => one.data('words'))"
        assert seen.page.evaluate(kinds, "undeclared") == ["emits 0.2/min"]
        assert seen.page.evaluate(kinds, "quiet") == ["starts", "starts"]
        seen.page.wait_for_selector("tr.alarm")
        assert "emits, undeclared" in seen.text("tr.alarm")
        assert "1 undeclared edge" in seen.text("#strip")
        assert "<b>a look</b>" in seen.text("#strip")
        assert "2.0/s" in seen.text(".n-to")
        assert seen.text(".figures").split("\n")[:2] == ["rate", "2.0/min"]
        assert "in use" in seen.text(".figures")
        seen.page.evaluate("() => { location.hash = '#/agent/order_placed_1'; }")
        seen.at("#/agent/order_placed_1")
        assert [
            one for one in ("1,234", "dead letters", "paused by alice") if one not in seen.text(".figures")
        ] == []
        told["edges"].pop()
        told["nodes"] = {}
        seen.page.wait_for_function("() => !document.querySelector('#strip .alarm')")
        told |= {"up": False, "error": "the server is away"}
        seen.page.wait_for_selector("#pulse[data-state='away']")
        assert seen.text("#banner") == "the server is away"
