"""The terminal in a real Chromium: own orders and fills on chart and book, keys, full screen,
intervals, the largest order, panels that move, and the limits on the form of withdrawals."""

from decimal import Decimal

import pytest

from openoutcry.client.portal import PortalClient
from openoutcry.portal.trading.public import INTERVALS
from tests.support.console.console_browser import needs_chromium
from tests.support.portal.portal_browser import browsed, quote

pytestmark = needs_chromium
USD, BTC = 10**6, 10**8
PRICE = "49\u202f980.00"
FOCUSED = "document.activeElement.id"
BOX = "(id) => document.querySelector(id).getBoundingClientRect().toJSON()"


@pytest.fixture(scope="module")
def venue(portal_venue):
    with portal_venue.tidied():
        quote(portal_venue, portal_venue.person(USD=10**7 * USD, BTC=1_000 * BTC))
        yield portal_venue


@pytest.fixture
def trader(venue):
    person = venue.person(USD=50_000 * USD, BTC=1 * BTC)
    with PortalClient(venue.url, person.api_key, person.secret) as client:
        yield person, client
        client.cancel_all()


def terminal(page, person):
    page.log_in(person.mail)
    page.go("trade/BTC-USD")
    page.expect(".ladder button:enabled").not_to_have_count(0)


@pytest.mark.parametrize(("width", "language"), [(390, "de"), (1280, "en"), (1920, "de")])
def test_own_orders_and_fills_are_on_the_chart_and_in_the_book(
    browser, venue, trader, width, language
):
    person, client = trader
    client.place("BTC-USD", "buy", "market", quantity="0.01")
    order = client.place("BTC-USD", "buy", "limit", quantity="0.5", price="49980")
    (fill,) = client.fills().items
    with browsed(browser, venue, width, language=language) as page:
        terminal(page, person)
        page.expect(f'#own-marks [data-order="{order.id}"]').to_have_text(
            f"{page.word('buy')} 0.5000 {page.word('review.at', price=PRICE)}"
        )
        page.expect(f'#own-marks [data-fill="{fill.id}"]').to_have_count(1)
        page.expect(".ladder tr.own").to_have_count(1)
        own = page.word("book.own", quantity="0.5000")
        page.expect(f'.ladder tr.bids.own button[aria-label$="{own}"]').to_have_count(1)
        assert (page.width(), page.defects()) == (0, [])
        client.cancel(order.id)
        page.expect(".ladder tr.own").to_have_count(0)
        page.expect("#own-marks [data-order]").to_have_count(0)


def test_the_chart_has_every_interval_and_fills_the_screen(browser, venue, trader):
    with browsed(browser, venue) as page:
        terminal(page, trader[0])
        options = page.page.locator("#interval option").evaluate_all(
            "(all) => all.map((one) => one.value)"
        )
        assert options == list(INTERVALS)
        for interval in ("1s", "3d", "1M"):
            page.page.select_option("#interval", interval)
            page.expect(f'.pane-chart [aria-label^="BTC-USD, {interval}:"]').to_have_count(1)
        page.page.click("#full-screen")
        page.expect(".pane-chart:fullscreen").to_have_count(1)
        page.page.click("#full-screen")
        page.expect(".pane-chart:fullscreen").to_have_count(0)


@pytest.mark.parametrize("side", ["buy", "sell"])
@pytest.mark.parametrize("kind", ["limit", "market", "post_only", "stop"])
def test_the_largest_order_is_taken(browser, venue, trader, kind, side):
    """The venue accepts what the button has filled in; one lot more it would not."""
    person, client = trader
    with browsed(browser, venue) as page:
        terminal(page, person)
        page.page.check(f"#side-{side}", force=True)
        page.page.select_option("#type", kind)
        if kind in ("limit", "post_only"):
            page.fill(price="49000" if side == "buy" else "51000")
        if kind == "stop":
            page.fill(stop_price="60000" if side == "buy" else "40000")
        page.page.click("#part-100")
        field = "#amount" if page.page.is_visible("#amount") else "#quantity"
        most = Decimal(page.page.input_value(field))
        free = {row.asset: Decimal(row.available) for row in client.balances()}
        if field == "#amount":
            assert most == free["USD"] or side == "sell"
        elif side == "sell":
            assert most == free["BTC"]
        else:
            (market,) = [row for row in client.instruments() if row.symbol == "BTC-USD"]
            price = Decimal("49000") if kind != "stop" else Decimal(market.reserve_price)
            assert most * price <= free["USD"] < (most + Decimal("0.0001")) * price
        page.page.locator("#ticket #review").uncheck()
        page.page.press(field, "Enter")
        page.expect(f"#ticket {field}").to_have_value("")
        (row,) = client.list_orders().items
        assert row.state in ("open", "filled", "cancelled", "expired"), row


def test_keys_are_off_at_first_silent_in_fields_and_never_send_without_a_question(
    browser, venue, trader
):
    person, client = trader
    client.place("BTC-USD", "buy", "limit", quantity="0.01", price="40000")
    with browsed(browser, venue) as page:
        terminal(page, person)
        blur = "document.activeElement.blur()"
        page.page.evaluate(blur)
        page.page.keyboard.press("s")
        assert not page.page.is_checked("#side-sell"), "keys are off at first"
        page.page.click("#arrange")
        assert page.defects() == []
        page.expect("dialog kbd").to_have_count(8)
        page.page.check("#keys-on")
        page.page.keyboard.press("Escape")
        page.page.evaluate(blur)
        page.page.keyboard.press("s")
        assert (page.page.is_checked("#side-sell"), page.page.evaluate(FOCUSED)) == (
            True,
            "quantity",
        )
        page.page.keyboard.type("bspmox")
        assert page.page.is_checked("#side-sell"), "a key in a field is text"
        page.page.evaluate(blur)
        page.page.keyboard.press("p")
        assert page.page.evaluate(FOCUSED) == "price"
        page.fill(price="51000", quantity="0.02")
        page.page.locator("#ticket #review").uncheck()
        page.page.evaluate(blur)
        page.page.keyboard.press("o")
        page.expect("dialog dl").to_be_visible()
        page.page.keyboard.press("o")
        page.expect("dialog").to_have_count(1)
        page.page.keyboard.press("Escape")
        page.expect("dialog").to_have_count(0)
        page.page.evaluate(blur)
        page.page.keyboard.press("x")
        page.expect("dialog").to_be_visible()
        page.page.keyboard.press("Escape")
        page.expect("dialog").to_have_count(0)
        assert [row.price for row in client.list_orders().items] == ["40000.00"]


def test_panels_move_and_hide_and_stay_so(browser, venue, trader):
    with browsed(browser, venue) as page:
        terminal(page, trader[0])
        before = page.page.evaluate(BOX, ".pane-book")
        page.page.click("#arrange")
        page.page.click('[data-move="book 1"]')
        page.page.uncheck("#panel-tape")
        page.page.keyboard.press("Escape")
        for _ in range(2):
            page.expect(".pane-book[data-slot=ticket]").to_be_visible()
            page.expect(".pane-tape").to_be_hidden()
            assert page.page.evaluate(BOX, ".pane-book")["left"] > before["left"]
            assert (page.width(), page.defects()) == (0, [])
            page.page.reload()
            page.expect(".ladder button:enabled").not_to_have_count(0)
        page.page.set_viewport_size({"width": 390, "height": 844})
        page.expect("#tab-tape").to_be_visible()
        page.page.click("#tab-tape")
        page.expect(".pane-tape").to_be_visible()
        assert page.width() <= 0


@pytest.mark.parametrize("language", ["en", "de"])
def test_the_form_of_withdrawals_has_its_limits(browser, venue, trader, language):
    person, client = trader
    usd, _ = client.withdrawal_limits()
    assert (usd.asset, usd.network, Decimal(usd.minimum), usd.fee) == ("USD", "WIRE", 10, "0")
    with browsed(browser, venue, 390, language=language) as page:
        page.log_in(person.mail)
        page.go("wallet/withdraw")
        shown = page.page.locator("#withdraw-bounds")
        for name, text in (
            ("withdraw.least", "10 USD"),
            ("fee", "0 USD"),
            ("withdraw.a.day", f"{Decimal(usd.a_day):,.0f} USD".replace(",", "\u202f")),
            ("withdraw.left", f"{Decimal(usd.left):,.0f} USD".replace(",", "\u202f")),
        ):
            found = shown.locator("dt", has_text=page.word(name)).locator("+ dd").first
            assert found.inner_text() == text
        page.page.select_option("#withdraw-asset", "BTC")
        page.expect("#withdraw-bounds dd", has_text="0.001 BTC").to_be_visible()
        assert (page.width(), page.defects()) == (0, [])
