"""Lists of orders and the price that elects a stop, on the page in a real Chromium."""

from decimal import Decimal

import pytest

from openoutcry.client.portal import PortalClient
from tests.support.console.console_browser import needs_chromium, started
from tests.support.portal.portal_browser import browsed, place, quote
from tests.support.waiting import wait_until

pytestmark = needs_chromium
USD, BTC = 10**6, 10**8
EXITS = [
    {"symbol": "BTC-USD", "side": "sell", "quantity": "0.1"} | one
    for one in (
        {"type": "stop", "stop_price": "20000"},
        {"type": "limit", "price": "90000"},
    )
]


@pytest.mark.parametrize(("width", "language"), [(1280, "en"), (768, "de"), (390, "de")])
def test_a_list_is_shown_and_cancelled_as_one_and_a_stop_names_its_price(
    portal_venue, width, language
):
    venue = portal_venue
    quote(venue, venue.person(USD=10**7 * USD, BTC=1_000 * BTC))
    with venue.client(venue.person(USD=10**6 * USD)) as client:
        place(client, "BUY", "0.01", "50010")
    person = venue.person(USD=10**6 * USD, BTC=2 * BTC)
    with (
        started() as browser,
        browsed(browser, venue, width, language=language) as page,
        PortalClient(venue.url, person.api_key, person.secret) as client,
    ):
        placed = client.place_list("oco", EXITS)
        client.place("BTC-USD", "buy", "limit", quantity="0.01", price="30000")
        page.log_in(person.mail)
        page.go("trade/BTC-USD")
        page.expect("#ticket #price").to_be_visible()
        ticket = page.page.locator("#ticket")
        ticket.locator("#review").uncheck()
        ticket.locator("#type").select_option("stop")
        ticket.locator("#more summary").click()
        ticket.locator("#trigger-by").select_option("bid")
        ticket.locator("#stop-price").fill("60000")
        ticket.locator("#quantity").fill("0.01")
        page.expect("#ticket #activation").to_be_hidden()
        assert page.width() <= 0
        ticket.locator("#quantity").press("Enter")
        page.expect("#ticket #quantity").to_have_value("")
        (row, *_) = client.list_orders(limit=1).items
        assert (row.type, row.trigger_by) == ("stop", "bid")
        page.go("orders/open")
        name = page.word("cancel.list.of", id=str(placed.id), symbol="BTC-USD")
        buttons = page.page.get_by_role("button", name=name)
        page.page.wait_for_function("document.querySelectorAll('.view tbody tr').length >= 4")
        assert buttons.count() == len(EXITS)
        assert page.width() <= 0
        assert page.defects() == []
        buttons.first.click()
        wait_until(lambda: client.order_list(placed.id).state == "closed", "the list's end")
        assert len(client.list_orders(state="open").items) == 2


@pytest.mark.parametrize(("width", "language"), [(1280, "en"), (768, "de"), (390, "de")])
def test_the_ticket_enters_a_bracket_and_an_oco(portal_venue, width, language):
    """What a person types is the list that /v1 has then; another order needs no list."""
    venue = portal_venue
    quote(venue, venue.person(USD=10**7 * USD, BTC=1_000 * BTC))
    person = venue.person(USD=10**6 * USD, BTC=2 * BTC)
    with (
        started() as browser,
        browsed(browser, venue, width, language=language) as page,
        PortalClient(venue.url, person.api_key, person.secret) as client,
    ):
        page.log_in(person.mail)
        page.go("trade/BTC-USD")
        page.expect("#ticket #price").to_be_visible()
        ticket = page.page.locator("#ticket")
        ticket.locator("#review").uncheck()
        ticket.locator("#exits summary").click()
        page.fill(price="30000", quantity="0.01", take_profit="29000", stop_loss="29500")
        ticket.locator("#quantity").press("Enter")
        page.expect("#ticket .error", has_text=page.word("exits.wrong.buy")).to_have_count(1)
        page.fill(take_profit="35000")
        assert page.width() <= 0
        assert page.defects() == []
        ticket.locator("#quantity").press("Enter")
        page.expect("#ticket #quantity").to_have_value("")
        (bracket,) = client.order_lists().items
        legs = [(o.side, o.type, o.price, o.stop_price, o.is_working) for o in bracket.orders]
        assert bracket.contingency == "otoco"
        assert legs == [
            ("buy", "limit", "30000.00", "0.00", True),
            ("sell", "stop", "0.00", "29500.00", False),
            ("sell", "limit", "35000.00", "0.00", False),
        ]
        bought, *sold = (Decimal(order.quantity) for order in bracket.orders)
        (rate,) = client.fee_rates(symbol="BTC-USD")
        market = next(one for one in client.instruments() if one.symbol == "BTC-USD")
        assert rate.buyer_pays_in == "BTC"
        most = bought * (1 - max(Decimal(rate.taker), Decimal(rate.maker)))
        assert bought == Decimal("0.01")
        assert all(most - Decimal(market.quantity_step) < each <= most for each in sold)
        ticket.locator("#side-sell").check()
        ticket.locator("#type").select_option("oco")
        page.expect("#ticket #exits").to_be_hidden()
        page.fill(price="90000", stop_price="20000", quantity="0.02")
        ticket.locator("#review").check()
        ticket.locator("#quantity").press("Enter")
        shown = page.page.locator("dialog p").first.inner_text()
        assert page.word("review.oco", price="20").split("20")[0] in shown
        page.page.locator("dialog .sell-go").click()
        page.expect("#ticket #quantity").to_have_value("")
        oco = client.order_lists().items[0]
        legs = [(o.side, o.type, o.price, o.stop_price) for o in oco.orders]
        assert oco.contingency == "oco"
        assert legs == [("sell", "stop", "0.00", "20000.00"), ("sell", "limit", "90000.00", "0.00")]
        for one in client.order_lists().items:
            client.cancel_list(one.id)
