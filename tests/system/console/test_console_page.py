"""The page in a real Chromium: each view, each button, at a desk's width and a telephone's."""

import pytest

from openoutcry.venue.desk_record import desk_record
from tests.support.console.console_browser import (
    CONNECTION_LOST,
    VIEWS,
    console_defects,
    expect,
    go,
    log_in,
    needs_chromium,
    opened,
    row_of,
)
from tests.support.console.console_venue import PASSWORD
from tests.support.order_entry.sessions_venue import Client


def act(page, row, button, why="a test", password=False):
    """Press a row's button, say why, and wait until it is done."""
    page.locator(row).get_by_role("button", name=button).first.click()
    finish(page, why, password)


def finish(page, why="a test", password=False):
    page.fill("#ask-why", why)
    if password:
        page.fill("#ask-password", PASSWORD)
    page.press("#ask-why", "Enter")
    expect(page, "#ask").to_be_hidden()


pytestmark = needs_chromium


@pytest.mark.promise(
    "V1.14, V12.3, V12.5, V14.1 (files): all files are the project's or vendored with their "
    "licence; none other is served, and none is uploaded. The page requests nothing elsewhere"
    " (Chromium's own list of requests)",
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
def test_every_view_is_clean_and_fits_in_its_width(browser, floor, width, theme):
    """axe-core finds nothing, and nothing is wider than the window."""
    found = {}
    floor.quote(3)
    with opened(browser, floor, "anna", width, theme) as page:
        shown = {
            "latency": "#latency-table tbody tr",
            "market": "#ladder tbody tr.bid",
            "overview": "#topology .stage",
        }
        for view in VIEWS:
            go(page, view)
            selector = shown.get(view, f"#view-{view} :is(td, dd, p)")
            expect(page, selector).not_to_have_count(0)
            wide = page.evaluate("document.documentElement.scrollWidth - innerWidth")
            assert wide <= 0, (view, wide)
            found[view] = console_defects(page)
        assert not any(found.values()), found
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
    assert done == [
        "disconnect",
        "kill",
        "enable",
        "kill",
        "enable",
        "set",
        "set",
        "halt",
        "resume",
        "halt",
        "resume",
        "resume",
    ]


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
    expect(page, "#notice").to_contain_text("waiting for a second supervisor")


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
        by_key = [view for view in VIEWS if view != "identities"]
        for key, view in zip("1234567890rcm", by_key, strict=True):
            page.keyboard.press(key)
            expect(page, f"#view-{view}").to_be_visible()
        page.keyboard.press("1")
        page.keyboard.press("/")
        expect(page, "#search").to_be_focused()
        page.keyboard.type("serving")
        expect(page, "#log tbody td:nth-child(3)", has_not_text="serving").to_have_count(0)
        expect(page, "#log tbody tr").not_to_have_count(0)
        assert all(
            "serving" in text
            for text in page.locator("#log tbody td:nth-child(3)").all_inner_texts()
        )
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
        expect(page, "#login-error").to_contain_text("name, password or one-time code is wrong")


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


@pytest.mark.long
@pytest.mark.parametrize("width", [1280, 390])
def test_an_issuers_actions_need_two_requests(browser, floor, width):
    """A split: it waits after the first supervisor, and is done by the second."""
    with opened(browser, floor, "anna", width) as page:
        go(page, "phases")
        tin = row_of("phases", "TIN")
        expect(page, tin).to_be_visible()
        action = page.locator(tin).get_by_role("button", name="Corporate action")
        assert action.count() == 0
        act(page, tin, "Halt TIN")
        action.click()
        expect(page, "#ask-second").to_have_value("1")
        page.select_option("#ask-issuer", "reference-price")
        expect(page, "#ask-first-row").to_be_hidden()
        page.click("#ask-cancel")
        for name in ("anna", "bert"):
            if name == "bert":
                page.click("#logout")
                log_in(page, name)
                go(page, "phases")
            action.click()
            expect(page, "#ask-title").to_have_text("Corporate action of TIN")
            page.select_option("#ask-issuer", "split")
            page.fill("#ask-first", "2")
            page.fill("#ask-second", "x")
            page.fill("#ask-price", "1000")
            page.fill("#ask-why", "resolved by the owners")
            page.fill("#ask-password", PASSWORD)
            page.press("#ask-why", "Enter")
            expect(page, "#ask-error").to_have_text("enter a whole number above 0")
            page.fill("#ask-second", "1")
            finish(page, "resolved by the owners", password=True)
            notice = (
                "waiting for a second supervisor" if name == "anna" else "its price is 1000 ticks"
            )
            expect(page, "#notice").to_contain_text(notice)
        go(page, "journal")
        expect(page, "#actions").to_contain_text("split TIN 2 1 1000")
        go(page, "phases")
        act(page, tin, "Resume TIN")
        expect(page, f"{tin} td >> nth=2").to_have_text("no")
    done = [row for row in desk_record(floor.venue.journal) if row["asked"]["do"] == "split"]
    assert [row["operator"] for row in done[-2:]] == ["anna", "bert"]


@pytest.mark.long
def test_the_red_button_is_rehearsed_pressed_and_undone_by_two(browser, floor):
    with opened(browser, floor, width=390) as page:
        page.click("#red")
        assert page.locator("#close-go").is_disabled()
        page.fill("#close-why", "a drill")
        page.click("#rehearse")
        expect(page, "#close-done").to_contain_text("nothing was closed")
        expect(page, "#steps li.done").to_have_count(6)
        page.fill("#close-typed", "TES")
        assert page.locator("#close-go").is_disabled()
        page.fill("#close-typed", "TEST")
        page.click("#close-go")
        expect(page, "#close-done").to_contain_text("The market is closed")
        expect(page, "#steps li.done").to_have_count(6)
        page.click("#close-cancel")
        go(page, "phases")
        page.click("#open-market")
        finish(page, password=True)
        go(page, "overview")
        expect(page, "#waiting").to_contain_text("anna asks to open")
    with opened(browser, floor, "bert") as page:
        go(page, "phases")
        page.click("#open-market")
        finish(page, password=True)
        for symbol in ("GOLD", "TIN"):
            act(page, row_of("phases", symbol), f"Resume {symbol}")
        go(page, "participants")
        for name in ("one", "two", "three"):
            act(page, row_of("participants", name), f"Enable {name}")
        go(page, "phases")
        page.click("#kill-market")
        finish(page)
        expect(page, "#open-market").to_be_visible()
    with floor.client("anna") as anna, floor.client("bert") as bert:
        anna.act("/api/open", password=PASSWORD)
        bert.act("/api/open", password=PASSWORD)


@pytest.mark.long
def test_the_page_comes_back_when_the_console_does(browser, floor):
    """The console dies under an open page; begun again, it asks for a login."""
    with opened(browser, floor, but=CONNECTION_LOST) as page:
        port = floor.url.rsplit(":", 1)[1].strip("/")
        floor.console.kill()
        floor.console.communicate()
        expect(page, "#link").to_contain_text("no connection")
        floor.serve("--address", f"127.0.0.1:{port}")
        expect(page, "#login-name").to_be_visible()
        log_in(page, "anna")
