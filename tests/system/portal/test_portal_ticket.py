"""The ticket in a real Chromium: each type has just its fields, and is sent from the keyboard."""

from decimal import Decimal

import pytest

from openoutcry.client.portal import PortalClient
from openoutcry.portal.native.orders import TYPES
from tests.support.console.console_browser import needs_chromium, started
from tests.support.portal.portal_browser import browsed, place, quote

pytestmark = needs_chromium
USD, BTC = 10**6, 10**8
VISIBLE = """[...document.querySelectorAll("#ticket input, #ticket select")].filter(
  (one) => one.checkVisibility() && !["radio", "checkbox"].includes(one.type)
).map((one) => one.id).filter((id) => id !== "type").sort().join(" ")"""
FAR, FAR_MS = "2100-01-01T00:00", 4_102_444_800_000
ORDERS = {
    "limit": ({"price": "40000", "tif": "gtd", "expires": FAR}, {"expires_ms": FAR_MS}),
    "post_only": ({"price": "40000", "tif": "day"}, {"time_in_force": "day"}),
    "post_only_slide": ({"price": "50015", "tif": "day"}, {"price": "50009.99"}),
    "market": ({"tif": "at_close"}, {"time_in_force": "at_close"}),
    "market_to_limit": ({"tif": "at_close"}, {"time_in_force": "at_close"}),
    "stop": ({"stop-price": "60000"}, {"stop_price": "60000"}),
    "stop_limit": ({"stop-price": "60000", "price": "60001"}, {"stop_price": "60000"}),
    "post_only_stop_limit": ({"stop-price": "60000", "price": "60001"}, {"price": "60001"}),
    "take_profit": ({"stop-price": "10000"}, {"stop_price": "10000"}),
    "take_profit_limit": ({"stop-price": "10000", "price": "10001"}, {"stop_price": "10000"}),
    "trailing_stop": ({"distance": "1.50", "distance-by": "percent"}, {"trailing_bps": 150}),
    "trailing_stop_limit": (
        {"distance": "120.5", "distance-by": "price", "price": "40000"},
        {"trailing_distance": "120.5"},
    ),
    "hidden": ({"price": "40000"}, {}),
    "all_or_none": ({"price": "40000"}, {}),
    "peg_primary": ({"price": "40000", "offset": "-0.5"}, {"offset": "-0.5"}),
    "peg_market": ({"price": "40000", "offset": "1"}, {"offset": "1"}),
    "peg_midpoint": ({"price": "40000", "offset": "0"}, {"offset": "0"}),
}
"""What is filled in, and what the order has of it besides its price."""


@pytest.fixture(scope="module")
def venue(portal_venue):
    with portal_venue.tidied():
        quote(portal_venue, portal_venue.person(USD=10**7 * USD, BTC=1_000 * BTC))
        # The last price decides what triggers; tests before this one have left another.
        with portal_venue.client(portal_venue.person(USD=10**6 * USD)) as client:
            place(client, "BUY", "0.01", "50010")
        yield portal_venue


@pytest.mark.parametrize(("width", "language"), [(1280, "en"), (390, "de")])
def test_the_ticket_has_every_type_with_just_its_fields(venue, width, language):
    person = venue.person(USD=10**6 * USD, BTC=2 * BTC)
    assert ORDERS.keys() == TYPES.keys()
    with started() as browser, browsed(browser, venue, width, language=language) as page:
        page.log_in(person.mail)
        page.go("trade/BTC-USD")
        page.expect("#ticket #price").to_be_visible()
        ticket = page.page.locator("#ticket")
        ticket.locator("#review").uncheck()
        with PortalClient(venue.url, person.api_key, person.secret) as client:
            for kind, (fields, terms) in ORDERS.items():
                filled = {"quantity": "0.01"} | fields
                ticket.locator("#type").select_option(kind)
                ticket.locator("#tif").select_option(filled.get("tif", "gtc"))
                wanted = filled.keys() | {"tif"} | ({"offset"} if "peg" in kind else set())
                for name, text in filled.items():
                    if name in ("tif", "distance-by"):
                        ticket.locator(f"#{name}").select_option(text)
                    else:
                        ticket.locator(f"#{name}").fill(text)
                assert page.page.evaluate(VISIBLE) == " ".join(sorted(wanted)), kind
                assert page.width() <= 0, kind
                if kind in ("limit", "trailing_stop_limit", "peg_primary"):
                    assert page.defects() == []
                ticket.locator("#quantity").press("Enter")
                page.expect("#ticket #quantity").to_have_value("")
                (row, *_) = client.list_orders(limit=1).items
                assert row.state == "open", row
                shown = {name: getattr(row, name) for name in terms}
                for name, text in terms.items():
                    if name != "time_in_force":
                        shown[name], terms = Decimal(shown[name]), terms | {name: Decimal(text)}
                assert (row.type, shown) == (kind, terms)
                client.cancel(row.id)
