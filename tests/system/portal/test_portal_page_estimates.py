"""What the ticket says an order comes to, in a real Chromium: the warning of a limit far from the
market, the estimate before an order is sent, and the average price wherever a fill is shown."""

import random
from decimal import ROUND_DOWN, Decimal

import pytest

from openoutcry.client.portal import PortalClient
from tests.support.console.console_browser import needs_chromium
from tests.support.portal.portal_browser import browsed, quote
from tests.support.waiting import wait_until

pytestmark = needs_chromium
USD, BTC = 10**6, 10**8
THIN = "\u202f"
ASKS = [(Decimal("0.1") + Decimal(level) / 10, Decimal(50_010 + 10 * level)) for level in range(12)]
"""Quantities and prices of the ladder that :func:`quote` makes, best first."""
ESTIMATE = """async ([given, asks, bids, market, rates]) => {
  const { estimate } = await import("/page/estimate.js");
  return estimate(given, { asks: new Map(asks), bids: new Map(bids) }, rates, market);
}"""
RATES = {"maker": "0.0005", "taker": "0.001", "per_lot": "0"}
RATES |= {"buyer_pays_in": "BTC", "seller_pays_in": "USD"}
SPOT = {"base": "BTC", "quote": "USD", "price_step": "0.01", "quantity_step": "0.0001"}
SPOT |= {"multiplier": "1", "inverse": False, "amount_step": "0.000001"}


@pytest.fixture(scope="module")
def venue(portal_venue):
    with portal_venue.tidied():
        yield portal_venue


@pytest.fixture
def trader(venue):
    """Somebody who trades against a ladder of its own test."""
    person = venue.person(USD=10**6 * USD, BTC=20 * BTC)
    maker = venue.person(USD=10**7 * USD, BTC=1_000 * BTC)
    quote(venue, maker)
    with PortalClient(venue.url, person.api_key, person.secret) as client:
        yield person, client
        client.cancel_all()
    with PortalClient(venue.url, maker.api_key, maker.secret) as client:
        client.cancel_all()


def ticket_of(page, person, **fields):
    page.log_in(person.mail)
    page.go("trade/BTC-USD")
    page.expect(".ladder button:enabled").not_to_have_count(0)
    page.fill(**fields)


def test_the_rates_of_an_account_are_in_v1(venue, trader):
    _, client = trader
    (rate,) = client.fee_rates(symbol="BTC-USD")
    assert (rate.maker, rate.taker) == ("0.00050000", "0.00100000")
    assert (rate.buyer_pays_in, rate.seller_pays_in, rate.per_lot) == ("BTC", "USD", "0.000000")
    assert [one.symbol for one in client.fee_rates()] == [
        one.symbol for one in client.instruments()
    ]


@pytest.mark.parametrize(
    ("width", "language"), [(390, "de"), (1280, "en"), (1920, "de"), (1920, "en")]
)
def test_a_limit_far_above_the_market_is_warned_of_and_shown_as_it_was_filled(
    browser, venue, trader, width, language
):
    """Limit 80,000 while the best offer is 50,010: 0.2 lots trade at 50,010 and 50,020."""
    person, client = trader
    with browsed(browser, venue, width, language=language) as page:
        ticket_of(page, person, price="80000", quantity="0.2")
        warned = page.word("limit.above", percent="59.96", price=f"50{THIN}010.00 USD")
        page.expect("#limit-warning", has_text=warned).to_be_visible()
        page.page.locator("#ticket #review").uncheck()
        page.page.press("#quantity", "Enter")
        page.expect("dialog", has_text=warned).to_be_visible()
        shown = dict(
            zip(
                page.page.locator("dialog dt").all_inner_texts(),
                page.page.locator("dialog dd").all_inner_texts(),
                strict=True,
            )
        )
        assert page.defects() == []
        assert page.width() <= 0
        assert shown == {
            page.word("estimate.market"): f"50{THIN}010.00 USD",
            page.word("estimate.distance"): "+59.96 %",
            page.word("estimate.now"): "0.2000 BTC",
            page.word("estimate.average"): f"\u2248 50{THIN}015.00 USD",
            page.word("estimate.slippage"): "0.0099 %",
            page.word("total"): f"\u2248 10{THIN}003.00 USD",
            page.word("estimate.limit"): f"16{THIN}000.00 USD",
            page.word("fee"): "\u2248 0.0002 BTC ("
            + page.word("estimate.rates", taker="0.10 %", maker="0.05 %")
            + ")",
        }
        page.page.locator("dialog .buy-go").click()
        filled = page.word("placed.filled", price=f"50{THIN}015.00 USD", what="")
        page.says(filled.rstrip(" :"))
        assert f"80{THIN}000" not in page.page.inner_text("#notice")
        (row,) = client.list_orders(limit=1).items
        assert (row.state, row.average_price) == ("filled", "50015.00")
        wait_until(lambda: client.past_orders(limit=1).items == [row], "the history has the order")
        page.go("orders/history")
        cell = f'#main td[data-label="{page.word("average")}"]'
        page.expect(cell, has_text=f"50{THIN}015.00").to_be_visible()
        assert page.width() <= 0
        page.press(page.word("details.of", id=str(row.id)))
        traded = page.word("placed.traded", quantity="0.2000 BTC", price=f"50{THIN}015.00 USD")
        page.expect("dialog", has_text=traded).to_be_visible()
        page.page.keyboard.press("Escape")
        page.go("orders/trades")
        for price in ("50\u202f010.00", "50\u202f020.00"):
            page.expect("#main td", has_text=price).to_be_visible()
    told = wait_until(
        lambda: [one for one in client.notifications().items if one.data.get("order") == row.id],
        "the notification",
    )
    assert told[0].data["average_price"] == "50015.00"
    assert "50015.00" in told[0].text


@pytest.mark.parametrize(
    ("side", "price", "is_warned", "is_forced"),
    [
        ("buy", "52510", False, False),
        ("buy", "52512", True, True),
        ("buy", "40000", True, False),
        ("sell", "47000", True, True),
        ("sell", "47500", False, False),
        ("sell", "60000", True, False),
    ],
)
def test_the_band_around_the_market_is_five_percent(
    browser, venue, trader, side, price, is_warned, is_forced
):
    """Outside of it a limit is warned of.  Where the order could trade there it is shown again
    before it is sent, also to a user who wants no review."""
    person, client = trader
    with browsed(browser, venue) as page:
        ticket_of(page, person)
        page.page.check(f"#side-{side}", force=True)
        page.page.locator("#ticket #review").uncheck()
        page.fill(price=price, quantity="0.01")
        page.expect("#limit-warning:not(:empty)").to_have_count(int(is_warned))
        page.page.press("#quantity", "Enter")
        if is_forced:
            page.expect("dialog .warning").to_be_visible()
            assert client.list_orders().items == []
        else:
            page.expect("#ticket #quantity").to_have_value("")
            assert len(client.list_orders().items) == 1


def test_a_change_to_a_price_far_from_the_market_is_sent_the_second_time(browser, venue, trader):
    person, client = trader
    order = client.place("BTC-USD", "buy", "limit", quantity="0.1", price="40000")
    with browsed(browser, venue) as page:
        page.log_in(person.mail)
        page.go("orders/open")
        page.page.locator(f'[data-amend="{order.id}"]').click()
        page.fill(amend_price="80000")
        page.page.press("#amend-price", "Enter")
        page.expect("dialog .error", has_text=page.word("limit.again")).to_be_visible()
        assert client.order(order.id) == order
        page.page.press("#amend-price", "Enter")
        page.expect("dialog").to_have_count(0)
    row = client.order(order.id)
    assert (row.state, row.price, row.average_price) == ("filled", "80000.00", "50010.00")


def python_estimate(side, quantity, limit, levels):
    """Filled quantity and amount, from the rule as a person would compute it."""
    filled = paid = Decimal(0)
    for price, there in levels:
        if limit is not None and (price > limit if side == "buy" else price < limit):
            break
        taken = min(there, quantity - filled)
        filled, paid = filled + taken, paid + taken * price
    return filled, paid


def test_estimates_agree_with_a_computation_of_their_own(browser, venue):
    """Random books, limits and quantities: filled, total, average and fee of the page's module."""
    draw = random.Random(74)
    cent, lot = Decimal("0.01"), Decimal("0.0001")
    with browsed(browser, venue) as page:
        for _ in range(200):
            side, kind = draw.choice(["buy", "sell"]), draw.choice(["limit", "market"])
            sign = 1 if side == "buy" else -1
            prices = sorted({draw.randrange(5_000_000, 5_000_400) for _ in range(8)})
            levels = [(price * cent, draw.randrange(1, 9_000) * lot) for price in prices[::sign]]
            quantity = draw.randrange(1, 40_000) * lot
            limit = draw.randrange(4_999_900, 5_000_500) * cent if kind == "limit" else None
            given = {"side": side, "type": kind, "quantity": str(quantity)}
            given |= {"time_in_force": "gtc" if limit else "ioc", "price": str(limit or "")}
            rows = [[str(price), str(there)] for price, there in draw.sample(levels, len(levels))]
            books = (rows, []) if side == "buy" else ([], rows)
            found = page.page.evaluate(ESTIMATE, [given, *books, SPOT, RATES])
            filled, paid = python_estimate(side, quantity, limit, levels)
            rest = quantity - filled if limit else Decimal(0)
            total = paid + rest * (limit or 0)
            shown = [Decimal(found[name]) for name in ("filled", "paid", "rest", "total")]
            assert shown == [filled, paid, rest, total], given
            fee, asset = found["fee"]
            taker, maker = (filled, rest) if side == "buy" else (paid, total - paid)
            assert Decimal(fee) == taker * Decimal("0.001") + maker * Decimal("0.0005")
            assert asset == ("BTC" if side == "buy" else "USD")
            if filled:
                mean = (paid / filled).quantize(Decimal("1e-6"), ROUND_DOWN)
                assert Decimal(found["mean"]) == mean
