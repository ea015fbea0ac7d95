"""The page in a real Chromium: each view, each button, at a desk's width and a telephone's."""

import pytest

from openoutcry.venue.desk_record import desk_record
from tests.support.console.console_browser import (
    CONNECTION_LOST,
    expect,
    go,
    log_in,
    needs_chromium,
    opened,
    row_of,
)
from tests.support.console.console_page import act, finish
from tests.support.console.console_venue import PASSWORD

pytestmark = needs_chromium


@pytest.mark.long
@pytest.mark.parametrize("width", [1280, 390])
def test_what_an_issuer_does_is_asked_for_by_two(browser, floor, width):
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
            expect(page, "#ask-error").to_have_text("a whole number above 0, please")
            page.fill("#ask-second", "1")
            finish(page, "resolved by the owners", password=True)
            notice = "waits for another supervisor" if name == "anna" else "its price is 1000 ticks"
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
