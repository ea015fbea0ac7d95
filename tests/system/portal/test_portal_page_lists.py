"""Lists of orders and the price that elects a stop, on the page in a real Chromium."""

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
        ticket.locator("summary").click()
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
