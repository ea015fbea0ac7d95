"""The page in a real Chromium: each view, each button, at a desk's width and a telephone's."""

import pytest

from openoutcry.venue.desk_record import desk_record
from tests.support.console.console_browser import (
    VIEWS,
    expect,
    go,
    needs_chromium,
    opened,
    row_of,
)
from tests.support.console.console_page import act, finish
from tests.support.order_entry.sessions_venue import Client

pytestmark = needs_chromium


@pytest.mark.promise(
    "V1.14, V14.1: what is served is ours and vendored with its licence; the page "
    "asks nobody else (Chromium's own list of requests)",
    group="console",
)
@pytest.mark.parametrize(
    ("width", "theme"),
    [
        (1280, "dark"),
        (390, "light"),
        pytest.param(1280, "light", marks=pytest.mark.long),
        pytest.param(390, "dark", marks=pytest.mark.long),
    ],
)
def test_every_view_fits_in_its_width(browser, floor, width, theme):
    floor.quote(3)
    with opened(browser, floor, "anna", width, theme) as page:
        shown = {"latency": "#latency-table tbody tr", "market": "#ladder tbody tr.bid",
                 "overview": "#topology .stage"}  # fmt: skip
        for view in VIEWS:
            go(page, view)
            selector = shown.get(view, f"#view-{view} :is(td, dd, p)")
            expect(page, selector).not_to_have_count(0)
            wide = page.evaluate("document.documentElement.scrollWidth - innerWidth")
            assert wide <= 0, (view, wide)
        assert page.evaluate("document.documentElement.dataset.theme") == theme
        assert page.locator("main button:visible, header button:visible").all_inner_texts()


def test_a_viewer_is_offered_nothing_to_do(browser, floor):
    with opened(browser, floor, "vera") as page:
        for view in ("sessions", "participants", "phases", "alarms"):
            go(page, view)
            buttons = page.locator(f"#view-{view} button:visible")
            assert buttons.count() == 0, "before it is drawn"
            shown = f"#{view} tbody tr" + (", #no-alarms:visible" if view == "alarms" else "")
            expect(page, shown).not_to_have_count(0)
            assert buttons.count() == 0


def test_the_buttons_of_sessions_participants_and_phases(browser, floor):
    """Each does what it says, and the desk's record has it."""
    before = len(desk_record(floor.venue.journal))
    with opened(browser, floor) as page:
        go(page, "sessions")
        row = row_of("sessions", "TWO")
        client = Client(floor.ouch, "TWO")
        with client.kept_alive():
            act(page, row, "Disconnect session TWO")
        expect(page, f"{row} td >> nth=1").to_have_text("not connected")
        act(page, row, "Disable session TWO")
        expect(page, f"{row} td >> nth=1").to_have_text("disabled")
        act(page, row, "Enable session TWO")
        expect(page, f"{row} td >> nth=1").to_have_text("not connected")
        client.close()
        go(page, "participants")
        page.fill("#find-participant", "thr")
        row = row_of("participants", "three")
        expect(page, "#participants tbody tr").to_have_count(1)
        act(page, row, "Kill three")
        expect(page, f"{row} td >> nth=3").to_have_text("killed: the operator")
        act(page, row, "Enable three")
        expect(page, f"{row} td >> nth=3").to_have_text("may trade")
        tighten_and_widen(page, row)
        go(page, "phases")
        row = row_of("phases", "TIN")
        act(page, row, "Halt TIN")
        expect(page, f"{row} td >> nth=2").to_have_text("halted")
        act(page, row, "Resume TIN")
        expect(page, f"{row} td >> nth=2").to_have_text("no")
        page.click("#halt-all")
        finish(page)
        expect(page, "#phases td", has_text="halted").to_have_count(2)
        for symbol in ("GOLD", "TIN"):
            act(page, row_of("phases", symbol), f"Resume {symbol}")
        page.click("#halt-all")
        page.click("#ask-cancel")
        expect(page, "#ask").to_be_hidden()
        go(page, "journal")
        expect(page, "#actions tbody tr").not_to_have_count(0)
    done = [row["asked"]["do"] for row in desk_record(floor.venue.journal)[before:]]
    assert done == ["disconnect", "kill", "enable", "kill", "enable", "set", "set", "halt",
                    "resume", "halt", "resume", "resume"]  # fmt: skip


def tighten_and_widen(page, row):
    """Tighter at once; wider only with a password, and then it waits for somebody else."""
    for value, widens in (("400", False), ("450", True)):
        page.locator(row).get_by_role("button", name="Set a limit of three").click()
        page.select_option("#ask-limit", "open_orders")
        page.fill("#ask-value", value)
        if widens:
            page.fill("#ask-why", "a test")
            page.press("#ask-why", "Enter")
            expect(page, "#ask-error").to_contain_text("password")
        finish(page, password=widens)
    expect(page, "#notice").to_contain_text("waits for another supervisor")


def test_the_buttons_of_an_auction_and_an_alarm(browser, floor):
    with floor.client("anna") as anna:
        anna.act("/api/halt", instrument="GOLD")
        with opened(browser, floor) as page:
            go(page, "alarms")
            row = row_of("alarms", "InstrumentHalted")
            act(page, row, "Acknowledge InstrumentHalted", why="known")
            expect(page, row).to_contain_text("anna: known")
            anna.act("/api/resume", instrument="GOLD")
            expect(page, row).to_have_count(0)
            go(page, "phases")
            rows = page.locator("#phases").get_by_role("button", name="to an auction")
            if rows.count():  # whoever was resumed is in one already
                rows.first.click()
                finish(page)


def test_the_keys_the_log_the_charts_and_the_theme(browser, floor):
    floor.trade(50_000)
    with opened(browser, floor) as page:
        for key, view in zip("1234567890r", VIEWS, strict=True):
            page.keyboard.press(key)
            expect(page, f"#view-{view}").to_be_visible()
        page.keyboard.press("1")
        page.keyboard.press("/")
        expect(page, "#search").to_be_focused()
        page.keyboard.type("serving")
        expect(page, "#log tbody td:nth-child(3)", has_not_text="serving").to_have_count(0)
        expect(page, "#log tbody tr").not_to_have_count(0)
        assert all("serving" in text for text in
                   page.locator("#log tbody td:nth-child(3)").all_inner_texts())  # fmt: skip
        page.click("#older")
        page.click("#newest")
        page.fill("#search", "")
        page.select_option("#level", "error")
        expect(page, "#log td", has_text="info").to_have_count(0)
        go(page, "market")
        expect(page, "#trades tbody tr").not_to_have_count(0)
        expect(page, "#candles canvas").not_to_have_count(0)
        page.select_option("#every", "60")
        page.select_option("#symbol", "TIN")
        expect(page, "#trades tbody tr").to_have_count(0)
        go(page, "latency")
        expect(page, "#percentiles canvas").to_have_count(1)
        page.select_option("#span", "matcher")
        page.click("#theme")
        assert page.evaluate("document.documentElement.dataset.theme") == "light"
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.tagName") in ("BUTTON", "A", "SELECT")
        page.click("#logout")
        expect(page, "#login-name").to_be_focused()
        page.fill("#login-name", "anna")
        page.fill("#login-password", "wrong")
        page.press("#login-password", "Enter")
        expect(page, "#login-error").to_contain_text("no operator has this name")


def test_charts_come_when_their_script_does_at_the_second_time(browser, floor):
    """A script that did not load once is asked for again, by both views that draw with one."""
    with opened(browser, floor, but="Failed to load resource") as page:
        for script, view, chart in (
            ("uPlot.iife.min.js", "latency", "#percentiles canvas"),
            ("lightweight-charts.standalone.production.js", "market", "#candles canvas"),
        ):
            path = f"**/{script}"
            page.route(path, lambda route: route.abort(), times=1)
            with page.expect_event("requestfailed"):
                go(page, view)
            expect(page, chart).not_to_have_count(0)
