"""The participants' page in a real Chromium: each view, each button, at a desk's width and a
telephone's, with the keyboard, and over the death of what is behind it."""

from contextlib import contextmanager

import pytest

from tests.support.console.console_browser import (
    CONNECTION_LOST,
    console_defects,
    expect,
    go,
    needs_chromium,
    row_of,
    shown,
)
from tests.support.console.console_venue import SECRET, ScreenClient
from tests.support.console.page_attack import (
    attack,
    foreign_site,
    is_framed,
    watched_by_nobody,
)

pytestmark = needs_chromium
VIEWS = ("trade", "fills", "positions", "alerts")
SEVERAL_AT_ONCE = """async ([rejected, connected]) => {
  const one = (number, text, bad) => ({ number, text, bad, at: "2026-11-25T09:00:00+00:00" });
  const { takeNotices } = await import("/static/alerts.js");
  takeNotices([one(1_000_000, rejected, true), one(1_000_001, connected, false)]);
  const lines = [...document.querySelectorAll("#notice p")];
  return lines.map((line) => [line.textContent, line.className]);
}"""


@contextmanager
def opened(browser, screen, name="PAGE1", **more):
    with shown(browser, screen.screen_url, **more) as page:
        log_in(page, name)
        yield page


def log_in(page, name):
    page.fill("#login-name", name)
    page.fill("#login-password", SECRET)
    page.press("#login-password", "Enter")
    expect(page, "#session").to_have_text("session: ready")


def ticket(page, side, lots, price=None):
    page.select_option("#symbol", "TIN")
    page.check(f"#{side}")
    page.fill("#lots", str(lots))
    page.select_option("#type", "market" if price is None else "limit")
    if price is not None:
        page.fill("#price", price)


def send(page, text):
    """Press the ticket's button, read what is asked, and say yes."""
    page.click("#send")
    expect(page, "#confirm-title").to_have_text(text)
    page.click("#confirm-go")
    expect(page, "#confirm").to_be_hidden()


def order(page, price):
    return f"#orders tbody tr:has(td[data-label=Price]:text-is('{price}'))"


@pytest.mark.parametrize(("width", "theme"), [(1280, "dark"), (390, "light")])
def test_every_view_is_clean_and_fits_in_its_width(browser, screen, traders, width, theme):
    """axe-core finds nothing, and nothing is wider than the window."""
    found = {}
    one, three = traders
    one.enter(f"FIT{width}", "buy", 3, "10.00")
    three.enter(f"FIT{width}", "sell", 2, "10.00")
    one.enter(f"BAD{width}", "buy", 3, "0.0001")
    one.order(f"BAD{width}", "rejected")
    with opened(browser, screen, width=width, theme=theme) as page:
        page.select_option("#symbol", "TIN")
        drawn = {"trade": "#ladder tbody tr.bid", "alerts": "#notices tbody tr"}
        for view in VIEWS:
            go(page, view)
            expect(page, drawn.get(view, f"#{view} tbody tr")).not_to_have_count(0)
            wide = page.evaluate("document.documentElement.scrollWidth - innerWidth")
            assert wide <= 0, (view, wide)
            found[view] = console_defects(page)
        assert not any(found.values()), found
        assert page.evaluate("document.documentElement.dataset.theme") == theme
        go(page, "positions")
        expect(page, "#account dd").not_to_have_count(0)
        expect(page, "#limits tbody tr").not_to_have_count(0)


@pytest.mark.promise(
    "A script that has got into a page runs no text as code and reaches no other origin in any "
    "way. No other site shows the page in a frame (Chromium)",
    group="screen",
)
def test_what_gets_into_the_page_reaches_nothing(browser, screen, traders):
    with foreign_site() as site:
        with watched_by_nobody(browser, screen.screen_url) as page:
            log_in(page, "PAGE1")
            attack(page, site, "script-src")
        assert not is_framed(browser, site, screen.screen_url)


def test_a_ticket_is_asked_about_sent_replaced_and_cancelled(browser, screen, traders):
    _, three = traders
    with opened(browser, screen, width=390) as page:
        ticket(page, "buy", 10, "9.11")
        page.click("#send")
        expect(page, "#confirm-text").to_contain_text("Value 91.10")
        page.click("#confirm-cancel")
        expect(page, "#confirm").to_be_hidden()
        expect(page, order(page, "9.11")).to_have_count(0)
        send(page, "Buy 10 TIN at 9.11?")
        row = order(page, "9.11")
        expect(page, f"{row} td[data-label=State]").to_have_text("open")
        three.enter("TK1", "sell", 4, "9.11")
        expect(page, f"{row} td[data-label=Traded]").to_have_text("4")
        expect(page, "#notice").to_contain_text("bought 4 TIN at 9.11")
        page.locator(row).get_by_role("button", name="Replace").click()
        assert page.input_value("#confirm-lots") == "6"
        page.fill("#confirm-lots", "5")
        page.fill("#confirm-price", "x")
        page.click("#confirm-go")
        expect(page, "#confirm-error").to_contain_text("price: write digits")
        page.fill("#confirm-price", "8.21")
        page.click("#confirm-go")
        expect(page, "#confirm").to_be_hidden()
        expect(page, f"{row} td[data-label=State]").to_have_text("replaced")
        row = order(page, "8.21")
        expect(page, f"{row} td[data-label=Open]").to_have_text("5")
        page.locator(row).get_by_role("button", name="Cancel").click()
        expect(page, f"{row} td[data-label=State]").to_have_text("cancelled: asked for")
        ticket(page, "sell", 2)
        assert page.locator("#price").is_hidden()
        send(page, "Sell 2 TIN at the market?")
        expect(page, "#orders td", has_text="ioc").not_to_have_count(0)
        page.uncheck("#review")
        for price in ("7.31", "6.41"):
            ticket(page, "buy", 3, price)
            page.select_option("#tif", "day")
            page.select_option("#display", "hidden" if price == "7.31" else "shown")
            page.click("#send")
            expect(page, f"{order(page, price)} td[data-label=State]").to_have_text("open")
        page.check("#review")
        page.click("#cancel-all")
        for price in ("7.31", "6.41"):
            state = f"{order(page, price)} td[data-label=State]"
            expect(page, state).to_have_text("cancelled: asked for")
        go(page, "fills")
        expect(page, row_of("fills", "9.11")).not_to_have_count(0)


def test_the_book_fills_the_ticket_and_the_keyboard_is_enough(browser, screen, traders):
    _, three = traders
    three.enter("KB1", "sell", 2, "12.34")
    with opened(browser, screen) as page:
        page.select_option("#symbol", "TIN")
        page.locator("#ladder tbody tr.ask", has_text="12.34").click()
        assert page.input_value("#price") == "12.34"
        page.focus("#symbol")
        for _ in range(2):
            page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.id") == "lots", "behind the side"
        page.keyboard.type("2")
        for wanted in ("type", "price", "tif", "display", "review", "send"):
            page.keyboard.press("Tab")
            assert page.evaluate("document.activeElement.id") == wanted
        page.keyboard.press("Enter")
        expect(page, "#confirm-title").to_have_text("Buy 2 TIN at 12.34?")
        page.keyboard.press("Escape")
        expect(page, "#confirm").to_be_hidden()
        page.keyboard.press("Enter")
        expect(page, "#confirm-go").to_be_focused()
        page.keyboard.press("Enter")
        filled = "#orders tbody tr:has(td:text-is('12.34'))"
        expect(page, f"{filled} td[data-label=State]").to_have_text("filled")
        expect(page, "#candles canvas").not_to_have_count(0)
        page.select_option("#every", "60")
        page.click("#theme")
        assert page.evaluate("document.documentElement.dataset.theme") == "light"


def test_alerts_are_made_shown_and_removed(browser, screen, traders):
    one, three = traders
    with opened(browser, screen) as page:
        go(page, "alerts")
        page.select_option("#rule-kind", "price")
        page.select_option("#rule-symbol", "TIN")
        page.select_option("#rule-above", "below")
        page.fill("#rule-price", "5.00")
        page.fill("#rule-webhook", "http://elsewhere.example/x")
        page.click("#rule button")
        expect(page, "#rule-error").to_contain_text("the venue allows none to elsewhere.example")
        page.fill("#rule-webhook", "")
        page.click("#rule button")
        expect(page, row_of("rules", "TIN at 5.00 or below")).to_have_count(1)
        page.select_option("#rule-kind", "limit")
        page.select_option("#rule-limit", label="open_orders")
        page.fill("#rule-percent", "90")
        page.click("#rule button")
        expect(page, row_of("rules", "90 % of open_orders")).to_have_count(1)
        one.enter("AL1", "buy", 1, "4.50")
        three.enter("AL1", "sell", 1, "4.50")
        expect(page, "#notices td", has_text="TIN at 4.50").not_to_have_count(0)
        rejected, connected = "order R7 is rejected: price", "connected again"
        assert page.evaluate(SEVERAL_AT_ONCE, [rejected, connected]) == [
            [rejected, "bad"],
            [connected, ""],
        ]
        for words in ("TIN at 5.00 or below", "90 % of open_orders"):
            page.locator("#rules").get_by_role("button", name=f"Remove: {words}").click()
            expect(page, row_of("rules", words)).to_have_count(0)
        page.click("#logout")
        expect(page, "#login-name").to_be_focused()
        page.fill("#login-name", "PAGE1")
        page.fill("#login-password", "wrong")
        page.press("#login-password", "Enter")
        expect(page, "#login-error").to_contain_text("name or password is wrong")


def test_what_was_sent_into_a_dying_page_is_said_when_it_is_back(browser, screen, traders):
    """The page's process dies: an order that it took is there again, one that it did not take is
    told of as not entered, and the venue's one order stays one."""
    with opened(browser, screen, "PAGE3", but=CONNECTION_LOST) as page:
        page.uncheck("#review")
        ticket(page, "buy", 3, "3.00")
        page.click("#send")
        expect(page, f"{order(page, '3.00')} td[data-label=State]").to_have_text("open")
        port = screen.screen_url.rsplit(":", 1)[1].strip("/")
        screen.screen.kill()
        screen.screen.communicate()
        ticket(page, "buy", 4, "3.10")
        page.click("#send")
        expect(page, "#ticket-error").to_contain_text("when the connection is back")
        expect(page, "#link").to_contain_text("no connection")
        screen.serve_screen("--webhook-host", "127.0.0.1", "--address", f"127.0.0.1:{port}")
        expect(page, "#login-name").to_be_visible()
        log_in(page, "PAGE3")
        page.check("#review")
        expect(page, "#notice").to_contain_text("buy 4 TIN at 3.10: it was not entered")
        expect(page, f"{order(page, '3.00')} td[data-label=State]").to_have_text("open")
        expect(page, order(page, "3.10")).to_have_count(0)
        page.click("#cancel-all")
        state = f"{order(page, '3.00')} td[data-label=State]"
        expect(page, state).to_have_text("cancelled: asked for")
        with ScreenClient(screen.screen_url) as three:
            three.log_in("PAGE3")
            three.do("/api/logout")
        page.click("#logout")
