"""A portal of a venue with scenario margin: its users see what their margin is made of, what an
order would need, and what their positions were paid."""

import pytest

from openoutcry.client.portal import PortalClient, PortalError
from openoutcry.venue.desk import ask
from openoutcry.venue.off_book_desk import BUYER, off_book
from tests.support.console.console_browser import needs_chromium, started
from tests.support.portal.portal_browser import browsed
from tests.support.portal.portal_venue import PortalVenue
from tests.support.waiting import wait_until

CENTS = 10**4
"""Units of USD, which has six decimals here."""
MORE = """
[[instrument]]
symbol = "XAU-P"
decimals = 2
amount_decimals = 6
min_price_ticks = 1
max_price_ticks = 4_000_000
reference_price_ticks = 1_000
[[contract]]
symbol = "XAU-P"
kind = "perpetual"
underlying = "XAU"
asset = "USD"
multiplier = 10_000
[liquidation]
[[limits]]
credit = 0
maintenance_bps = 10_000
[[limits]]
participant = 1
opening_balance = 1_000_000_000
[margin]
file = "margin.toml"
"""
MARGIN_FILE = """
[margin]
asset = "USD"
now = 2026-11-23T00:00:00Z
[[asset]]
name = "USD"
[[underlying]]
name = "XAU"
price_ticks = 1_000
scan_ticks = 300
unit = 10_000
initial = 1_500_000
[[contract]]
symbol = "XAU-P"
kind = "perpetual"
underlying = "XAU"
asset = "USD"
multiplier = 10_000
mark_ticks = 1_000
"""


@pytest.fixture(scope="module")
def venue(tmp_path_factory):
    folder = tmp_path_factory.mktemp("portal-margin")
    (folder / "margin.toml").write_text(MARGIN_FILE)
    with PortalVenue(folder, more=MORE) as made:
        yield made


@pytest.fixture(scope="module")
def holder(venue):
    """Somebody who is long ten lots, marked ten ticks below their price and funded once."""
    person = venue.person(USD=10**6)
    journal, who = venue.venue.journal, person.participant
    ask(journal, {"do": "deposit", "participant": who, "amount": 9_000 * CENTS})
    for limit, value in (("credit", 0), ("maintenance_bps", 10_000)):
        ask(journal, {"do": "set", "limit": limit, "participant": who, "value": value})
    # A portal has no orders in contracts: these ten lots are agreed on off the book.
    ask(journal, off_book("XAU-P", who, 1, 10, 1_010, BUYER, "margin 1"))
    ask(journal, {"do": "contract-mark", "instrument": "XAU-P", "price": 1_000, "index": 990})
    ask(journal, {"do": "contract-fund", "instrument": "XAU-P", "rate": 1_000_000})
    with PortalClient(venue.url, person.api_key, person.secret) as client:
        wait_until(
            lambda: [one.funding_period for one in client.margin().positions] == [1],
            "the position and its funding",
        )
        wait_until(lambda: has_funding(client), "the history has the funding")
    return person


def has_funding(client):
    """Whether the history has come so far."""
    try:
        return bool(client.funding())
    except PortalError as error:
        if error.code != "not_ready":
            raise
        return False


def test_a_user_sees_its_margin_its_funding_and_what_an_order_needs(venue, holder):
    with PortalClient(venue.url, holder.api_key, holder.secret) as client:
        found = client.margin()
        # Ten ticks of ten lots at once, and a thousandth of ten lots at 1,000 ticks.
        paid = 10 * 10 + 10
        assert (found.asset, found.is_limited) == ("USD", True)
        assert found.equity == f"{90 - paid / 100:.6f}"
        # Ten lots lose 300 ticks of a cent in the worst scenario.
        assert (found.maintenance, found.initial) == ("30.000000", "45.000000")
        (part,) = found.underlyings
        assert part.scenarios.count("30.000000") == 2
        assert part.scenarios[part.active - 1] == "30.000000"
        assert part.greeks["delta"] == "100000"
        assert part.liquidated_above is None
        (position,) = found.positions
        assert (position.symbol, position.lots, position.mark) == ("XAU-P", 10, "10.00")
        assert (position.index, position.funding_rate) == ("9.90", 1_000_000)
        assert found.what_if is None
        asked = {lots: client.margin(symbol="XAU-P", lots=lots).what_if for lots in (9, 10)}
        assert [asked[lots].needed for lots in (9, 10)] == ["85.500000", "90.000000"]
        assert [asked[lots].accepted for lots in (9, 10)] == [True, False]
        with pytest.raises(PortalError, match="BTC-USD:1 is not lots of a contract"):
            client.margin(symbol="BTC-USD", lots=1)
        (row,) = client.funding()
        assert (row.symbol, row.lots, row.mark, row.paid) == ("XAU-P", 10, "10.00", "-0.100000")


@needs_chromium
def test_the_page_shows_the_same_in_both_languages(venue, holder):
    with started() as chromium:
        for width, language in ((1280, "en"), (390, "de")):
            with browsed(chromium, venue, width, "dark", language) as page:
                page.log_in(holder.mail)
                page.go("portfolio/margin")
                page.expect("#margin-maintenance").to_have_text("30.00")
                for table in ("margin.scenarios", "margin.funding", "margin.parts"):
                    page.expect(".panel h2", has_text=page.word(table)).to_have_count(1)
                page.fill(what_if_lots="10")
                page.press(page.word("margin.ask"))
                figures = {"needed": "90.00 USD", "filled": "60.00 USD"}
                page.expect("#what-if-says").to_have_text(page.word("margin.refused", **figures))
                assert page.defects() == []
                assert page.width() <= 0, "nothing is wider than the window"
