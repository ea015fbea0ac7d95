"""After a split of an underlying the portal's users see the terms in force, trade by them, and have
statements of the ledger's figures."""

import json
import signal
import time

import pytest

from openoutcry.client.portal import PortalClient
from openoutcry.venue.desk import ask
from tests.support.console.console_browser import needs_chromium, started
from tests.support.portal.margin_venue import (
    funded,
    has_funding,
    margin_venue,
    printed,
    sold,
    units,
)
from tests.support.portal.portal_browser import browsed
from tests.support.waiting import BOUND_S, wait_until

CONTRACTS = ("XAU-P", "XAU-F", "XAU-C")
ROUNDED = 10_000
"""What a lot of a future loses: its mark of 10.00 becomes 3.33, not a third of it."""


@pytest.fixture(scope="module")
def venue(tmp_path_factory):
    with margin_venue(tmp_path_factory.mktemp("portal-adjusted")) as made:
        yield made


@pytest.fixture(scope="module")
def people(venue):
    """The first is long 10 perpetuals, 2 futures and 3 calls, and bids for a perpetual."""
    made = funded(venue, 9_000, 90_000)
    for symbol, lots, price in (
        ("XAU-P", "10", "10.10"),
        ("XAU-F", "2", "10.00"),
        ("XAU-C", "3", "0.60"),
    ):
        sold(venue, made, symbol, lots, price)
    with client_of(venue, made[0]) as client:
        assert client.place("XAU-P", "buy", "limit", quantity="1", price="9.00").state == "open"
    return made


def client_of(venue, person):
    return PortalClient(venue.url, person.api_key, person.secret)


def split(journal, new):
    """``new`` units of XAU replace one."""
    for symbol in CONTRACTS:
        ask(journal, {"do": "halt", "instrument": symbol})
    ask(journal, {"do": "contract-adjust", "underlying": "XAU", "new": new, "old": 1})


@pytest.fixture(scope="module")
def adjusted(venue, people):
    """The margin of the first before it; the page of a contract was open all the while."""
    with client_of(venue, people[0]) as client:
        before = client.margin()
        split(venue.venue.journal, 3)
        wait_until(lambda: client.instrument("XAU-P").multiplier == "3.000000", "the terms")
    return before


def fund(journal, client):
    """The perpetual, once."""
    if not has_funding(client):
        ask(journal, {"do": "contract-mark", "instrument": "XAU-P", "price": 340, "index": 340})
        ask(journal, {"do": "contract-fund", "instrument": "XAU-P", "rate": 1_000_000})
        wait_until(lambda: has_funding(client), "the history has the funding")


def at_one_moment(*asked):
    """Statements that end with the same command: one of the calendar may come between two."""
    until_s = time.monotonic() + BOUND_S
    while True:
        told = [ask_for() for ask_for in asked]
        if len({rows[-1]["event"] for rows in told}) == 1:
            return told
        assert time.monotonic() < until_s


def test_instruments_have_the_terms_in_force(venue, people, adjusted):
    with client_of(venue, people[0]) as client:
        terms = {one.symbol: one for one in client.instruments()}
        assert [terms[symbol].multiplier for symbol in CONTRACTS] == ["3.000000"] * 2 + ["1.000000"]
        call = terms["XAU-C"]
        # 333 ticks and a third of one, of a lot that holds three units.
        assert (call.strike, call.strike_multiplier, call.strike_rest) == (
            *("3.33", "3.000000"),
            "0.010000",
        )
        assert terms["EUR-I"].multiplier == "100.00000000", "of another underlying"
        assert terms["BTC-USD"].strike_multiplier is None
        (order,) = client.list_orders(symbol="XAU-P", state="all").items[:1]
        assert (order.state, order.price) == ("cancelled", "9.00")
    with venue.client(people[0]) as spot:
        names = [one["symbol"] for one in spot.get("/api/v3/exchangeInfo").json()["symbols"]]
        assert names == ["BTCUSD", "ETHUSD", "ETHBTC"], "no contract, whatever its terms"


def test_positions_and_margins_stay_what_they_were(venue, people, adjusted):
    with client_of(venue, people[0]) as client:
        now = client.margin()
        assert (now.maintenance, now.initial) == (adjusted.maintenance, adjusted.initial)
        assert [(one.symbol, one.lots) for one in now.positions] == [
            (one.symbol, one.lots) for one in adjusted.positions
        ]
        marks = {one.symbol: one.mark for one in now.positions}
        assert marks == {"XAU-P": "3.33", "XAU-F": "3.33", "XAU-C": "0.50"}
        assert units(now.equity) == units(adjusted.equity) - 12 * ROUNDED
        told = printed(
            *("margin", "explain", venue.folder / "margin.toml", people[0].participant),
            *("--journal", venue.venue.journal, "--json"),
        )["core"]
        for figure in ("equity", "maintenance", "initial", "with_orders"):
            assert units(getattr(now, figure)) == told[figure], figure


def test_an_order_is_right_in_lots_and_money(venue, people, adjusted):
    journal = venue.venue.journal
    for symbol in CONTRACTS:
        ask(journal, {"do": "resume", "instrument": symbol})
    venue.venue.set_time("2026-11-26T12:30")  # the auction with which it resumes is over
    with client_of(venue, people[0]) as client:
        wait_until(lambda: client.instrument("XAU-P").state == "trading", "it trades again")
        needs = client.margin(symbol="XAU-P", lots=1, price="3.40").what_if
        # Seven ticks above the mark, of three units a lot.
        assert needs.loss_at_once == "0.210000"
        before = client.margin()
        bought = sold(venue, people, "XAU-P", "4", "3.40")
        assert (bought.filled_quantity, bought.filled_amount) == ("4", "40.800000")
        fill = client.fills(symbol="XAU-P").items[0]
        assert (fill.quantity, fill.price, fill.amount) == ("4", "3.40", "40.800000")
        after = client.margin()
        assert units(after.equity) == units(before.equity) - 4 * units("0.21")
        assert {one.symbol: one.lots for one in after.positions}["XAU-P"] == 14
        fund(journal, client)
        (row,) = client.funding()
        # A thousandth of 14 lots of three units at 3.40.
        assert (row.lots, row.mark, units(row.paid)) == (14, "3.40", -14 * 10_200)
        equity = units(after.equity) + 14 * units("0.21") - 14 * 10_200
        assert units(client.margin().equity) == equity


def test_statements_and_profits_are_the_ledgers(venue, people, adjusted):
    journal = venue.venue.journal
    for person in people:
        of_it = ("--participant", person.participant)
        words = (*of_it, "--format", "json")
        with client_of(venue, person) as client:
            fund(journal, client)
            statement, plain = at_one_moment(
                lambda client=client: json.loads(client.statement(format="json"))["rows"],
                lambda words=words: printed("ledger", "statement", journal, *words)["rows"],
            )
            assert statement == plain
            changed = {row["instrument"] for row in statement if row["what"] == "adjusted"}
            assert changed == set(CONTRACTS)
            shown = client.portfolio(method="fifo").instruments
            found = client.funding()
        rows = printed("ledger", "pnl", journal, "--method", "fifo", *words)["rows"]
        plain = {row["instrument"]: row for row in rows}
        assert {one.symbol for one in shown} == set(plain)
        for one in shown:
            for figure in ("cost", "value", "realised", "unrealised", "fees"):
                assert units(getattr(one, figure)) == plain[one.symbol][figure], (one, figure)
        paid = printed("margin", "funding", journal, *of_it, "--json")
        assert [units(row.paid) for row in found[::-1]] == [row["paid"] for row in paid]


@needs_chromium
def test_the_page_shows_them_in_both_languages(venue, people, adjusted):
    with started() as chromium:
        for width, language in ((1280, "en"), (390, "de")):
            with browsed(chromium, venue, width, "light", language) as page:
                page.log_in(people[0].mail)
                page.go("trade/XAU-C")
                page.expect("#terms").to_contain_text("3.33")
                pays = {"multiplier": "3", "strike": "3.33"}
                for text, more in (("call", pays), ("less", {"rest": "0.01", "quote": "USD"})):
                    said = page.word(f"ticket.lot.{text}", underlying="XAU", **more)
                    page.expect("#ticket").to_contain_text(said)
                page.go("trade/XAU-P")
                lot = page.word("ticket.lot.worth", multiplier="3", quote="USD")
                page.expect("#ticket").to_contain_text(lot)
                page.page.fill("#price", "3.40")
                page.page.fill("#quantity", "4")
                page.expect("#ticket dd", has_text="40.80 USD").to_have_count(1)
                assert page.defects() == []
                assert page.width() <= 0, "nothing is wider than the window"


@needs_chromium
def test_a_page_that_was_open_over_a_split_shows_the_new_terms(venue, people, adjusted):
    with started() as chromium, browsed(chromium, venue, 1280, "dark", "en") as page:
        page.log_in(people[0].mail)
        page.go("markets")
        split(venue.venue.journal, 2)
        with client_of(venue, people[0]) as client:
            wait_until(lambda: client.instrument("XAU-P").multiplier == "6.000000", "the terms")
            call = client.instrument("XAU-C")
            assert (call.strike, call.strike_multiplier, call.strike_rest) == (
                *("1.66", "6.000000"),
                "0.040000",
            )
        page.go("trade/XAU-P")
        lot = page.word("ticket.lot.worth", multiplier="6", quote="USD")
        page.expect("#ticket").to_contain_text(lot)
        page.says(page.word("terms.changed", symbol="XAU-P"))
        assert page.defects() == []


def test_a_portal_that_starts_again_has_them(venue, people, adjusted):
    with client_of(venue, people[0]) as client:
        before = client.instruments(), client.fills(symbol="XAU-P").items
    venue.stop_portal(signal.SIGKILL)
    venue.start_portal()
    with client_of(venue, people[0]) as client:
        assert (client.instruments(), client.fills(symbol="XAU-P").items) == before
