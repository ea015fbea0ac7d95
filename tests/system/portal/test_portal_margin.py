"""A portal of a venue with scenario margin: its users see what their margin is made of, what an
order would need, and what their positions were paid."""

import json
from decimal import Decimal

import psycopg
import pytest

from openoutcry.client.portal import PortalClient, PortalError
from openoutcry.ledger.profit import METHODS
from openoutcry.portal.database import running_embedded
from openoutcry.venue.desk import ask
from tests.support import plain_http
from tests.support.console.console_browser import needs_chromium, started
from tests.support.console.websockets_patient import connect
from tests.support.portal.margin_venue import (
    funded,
    has_funding,
    margin_venue,
    printed,
    sold,
    units,
)
from tests.support.portal.people import PASSWORD
from tests.support.portal.portal_browser import browsed
from tests.support.waiting import wait_until


@pytest.fixture(scope="module")
def venue(tmp_path_factory):
    with margin_venue(tmp_path_factory.mktemp("portal-margin")) as made:
        yield made


@pytest.fixture(scope="module")
def people(venue):
    """Two that signed up at the portal and have money in their margin accounts.  What they begin
    with is in the rows of ``[[limits]]`` that name no participant."""
    return funded(venue, 9_000, 90_000)


@pytest.fixture(scope="module")
def holder(venue, people):
    """Somebody who is long ten lots, marked ten ticks below their price and funded once."""
    person, journal = people[0], venue.venue.journal
    bought = sold(venue, people, "XAU-P", "10", "10.10")
    assert (bought.filled_quantity, bought.filled_amount) == ("10", "101.000000")
    ask(journal, {"do": "contract-mark", "instrument": "XAU-P", "price": 1_000, "index": 990})
    ask(journal, {"do": "contract-fund", "instrument": "XAU-P", "rate": 1_000_000})
    with PortalClient(venue.url, person.api_key, person.secret) as client:
        wait_until(
            lambda: [one.funding_period for one in client.margin().positions] == [1],
            "the position and its funding",
        )
        wait_until(lambda: has_funding(client), "the history has the funding")
    return person


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
        assert part.greeks["delta"] == "0.1", "dollars a tick"
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


def test_what_the_margin_does_not_cover_is_refused_by_name(venue, holder):
    with PortalClient(venue.url, holder.api_key, holder.secret) as client:
        for lots, code in (("1000", "insufficient_margin"), ("1.5", "invalid_request")):
            with pytest.raises(PortalError) as refused:
                client.place("XAU-P", "buy", "limit", quantity=lots, price="10.00")
            assert refused.value.code == code
        with pytest.raises(PortalError, match="a contract is traded by quantity"):
            client.place("XAU-P", "buy", "market", amount="10")
    # The API in the shape of Binance spot has no contracts: neither orders nor symbols.
    with venue.client(holder) as spot:
        answer = spot.order("BUY", "1", "10.00", symbol="XAUP")
        assert answer.json()["code"] == -1121
        assert "contracts are at /fapi/v1" in answer.json()["msg"]
        names = [one["symbol"] for one in spot.get("/api/v3/exchangeInfo").json()["symbols"]]
        assert names == ["BTCUSD", "ETHUSD", "ETHBTC"]


@needs_chromium
def test_the_page_shows_the_same_in_both_languages(venue, holder):
    with started() as chromium:
        for width, language in ((1280, "en"), (390, "de")):
            with browsed(chromium, venue, width, "dark", language) as page:
                page.log_in(holder.mail)
                page.go("portfolio/margin")
                page.expect("#margin-maintenance").to_have_text("30.00")
                page.expect("td", has_text="10.00").not_to_have_count(0)
                page.expect("td", has_text="−1/3").to_have_count(2)
                for table in (
                    "margin.scenarios",
                    "margin.funding",
                    "margin.parts",
                    "margin.greeks",
                ):
                    page.expect(".panel h2", has_text=page.word(table)).to_have_count(1)
                page.fill(what_if_lots="10")
                page.press(page.word("margin.ask"))
                figures = {"needed": "90.00 USD", "filled": "60.00 USD"}
                page.expect("#what-if-says").to_have_text(page.word("margin.refused", **figures))
                assert page.defects() == []
                assert page.width() <= 0, "nothing is wider than the window"


def test_a_future_and_an_option_are_traded_with_their_fees_and_premiums(venue, people, holder):
    with PortalClient(venue.url, holder.api_key, holder.secret) as client:
        terms = {one.symbol: one for one in client.instruments()}
        future, option = terms["XAU-F"], terms["XAU-C"]
        assert (future.kind, future.underlying, future.multiplier) == ("future", "XAU", "1.000000")
        assert future.expiry_ms == option.expiry_ms == 1_797_609_600_000
        assert (option.kind, option.strike, option.base) == ("call", "10.00", "XAU-C")
        before = Decimal(client.margin().equity)
        sold(venue, people, "XAU-F", "2", "10.00")
        (fill,) = client.fills(symbol="XAU-F").items
        assert (fill.quantity, fill.amount, fill.fee, fill.fee_asset) == (
            *("2", "20.000000"),
            *("0.005000", "USD"),
        )
        assert Decimal(client.margin().equity) == before - Decimal("0.005")
        sold(venue, people, "XAU-C", "3", "0.60")
        lots = {one.symbol: (one.lots, one.mark) for one in client.margin().positions}
        assert lots == {"XAU-P": (10, "10.00"), "XAU-F": (2, "10.00"), "XAU-C": (3, "0.50")}
        # Three lots are worth ten cents less each than was paid for them.
        assert Decimal(client.margin().equity) == before - Decimal("0.305")
        wait_until(lambda: len(client.past_fills().items) >= 3, "the history has the fills")
        past = {one.symbol: one for one in client.past_fills().items}
        assert (past["XAU-F"].fee, past["XAU-C"].amount) == ("0.005000", "1.800000")
        (row,) = [one for one in client.portfolio().instruments if one.symbol == "XAU-F"]
        assert row.position == "2"
        # The lots' fee, and what the schedule takes of 20: a tenth of a percent is owed.
        assert Decimal(row.fees) == Decimal("0.025")
        deposits = [one for one in client.movements().items if one.asset == "USD-MARGIN"]
        assert [(one.amount, one.available) for one in deposits] == [("90.000000", "90.000000")]


def asked(venue, name):
    """An answer in the shape of Binance's futures."""
    with plain_http.client(venue.url) as http:
        return http.get(f"/fapi/v1/{name}", params={"symbol": "XAUP"}).json()


def test_mark_index_open_interest_and_funding_are_public(venue, holder):
    with PortalClient(venue.url) as client:
        shown = client.statistics("XAU-P")
        assert (shown.mark, shown.index, shown.settlement) == ("10.00", "9.90", None)
        assert (shown.funding_period, shown.funding_rate) == (1, "0.001000000")
        assert (shown.predicted_rate, shown.next_funding_ms) == (None, None), "it has no schedule"
        with PortalClient(venue.url, holder.api_key, holder.secret) as own:
            held = sum(one.lots for one in own.margin().positions if one.symbol == "XAU-P")
        assert 0 < held <= int(shown.open_interest)
        assert client.indices() == [], "its marks are the operator's"
        with pytest.raises(PortalError, match="BTC-USD is no contract"):
            client.statistics("BTC-USD")
    row = asked(venue, "premiumIndex")
    assert (row["markPrice"], row["indexPrice"]) == (shown.mark, shown.index)
    assert row["lastFundingRate"] == shown.funding_rate
    held = asked(venue, "openInterest")
    assert held["openInterest"] == shown.open_interest
    (past,) = wait_until(lambda: asked(venue, "fundingRate"))
    assert (past["symbol"], past["fundingRate"]) == ("XAUP", shown.funding_rate)
    with PortalClient(venue.url) as client:
        (row,) = client.funding_rates("XAU-P")
    assert (row.time_ms, row.period, row.rate) == (past["fundingTime"], 1, shown.funding_rate)
    with connect(f"{venue.url.replace('http', 'ws')}/v1/stream") as stream:
        stream.send(json.dumps({"op": "subscribe", "channel": "statistics", "symbol": "XAU-P"}))
        stream.recv()
        assert json.loads(stream.recv())["data"]["mark"] == shown.mark
        later = json.loads(stream.recv())
        assert (later["type"], later["data"]["index"]) == ("update", shown.index)
    with connect(f"{venue.url.replace('http', 'ws')}/ws/xaup@markPrice@1s") as stream:
        event = json.loads(stream.recv())
        assert (event["s"], event["p"], event["i"]) == ("XAUP", shown.mark, shown.index)


@needs_chromium
@pytest.mark.parametrize("width", [390, 820, 1440])
def test_a_contract_s_head_shows_mark_index_funding_and_open_interest(venue, holder, width):
    with started() as chromium, browsed(chromium, venue, width, "dark", "en") as page:
        page.go("trade/XAU-P")
        page.expect("#figure-mark").to_have_text("10.00")
        page.expect("#figure-index").to_have_text("9.90")
        page.expect("#figure-funding").to_have_text("0.1000 %")
        page.expect("#figure-interest").not_to_have_text("–")
        for name in ("mark", "index", "funding", "interest"):
            page.expect(f"#figure-{name}").to_be_visible()
        assert page.width() <= 0, "nothing is wider than the window"
        page.go("trade/XAU-F")
        page.expect("#figure-mark").to_have_text("10.00")
        page.expect("#figure-funding").to_have_count(0)
        page.go("trade/BTC-USD")
        page.expect("#figure-mark").to_have_count(0)
        assert page.defects() == []


@needs_chromium
def test_the_ticket_says_what_a_contract_needs_before_the_order(venue, holder):
    with started() as chromium, browsed(chromium, venue, 390, "light", "de") as page:
        page.log_in(holder.mail)
        page.go("trade/XAU-C")
        page.expect("#terms").to_contain_text("Call 10 bis 18.12.2026")
        page.expect("#ticket").to_contain_text("Ein Lot ist 1 mal den Preis wert, in USD.")
        page.page.fill("#price", "9.00")
        page.page.fill("#quantity", "1000")
        page.expect("#needs").to_have_class("bad")
        page.page.fill("#quantity", "1")
        page.expect("#needs").to_have_class("")
        page.page.click("#ticket button[type=submit]")
        page.page.click("dialog button.buy-go")
        page.expect("#quantity").to_have_value("")
        page.page.get_by_role("tab", name=page.word("margin.positions")).click()
        page.expect(".lists td", has_text="XAU-P").not_to_have_count(0)
        assert page.defects() == []
        assert page.width() <= 0, "nothing is wider than the window"
    with PortalClient(venue.url, holder.api_key, holder.secret) as client:
        assert [one.symbol for one in client.list_orders(state="open").items] == ["XAU-C"]


LOT = 10**10
"""What a lot of EUR-I is worth at a price of one tick."""
TURNOVER = """
    select sum(tick_lots), sum(taker_buy_tick_lots)
    from history.dates join history.markets using (instrument) where symbol = 'EUR-I'
"""
TRADED = [(10, 1_000), (7, 1_237), (-4, 1_111)]
"""Lots that the first one buys or sells, and the ticks."""


@pytest.fixture(scope="module")
def inverse(venue):
    """Two that have traded an inverse contract, marked and funded since, and a linear one."""
    people, journal = funded(venue, 50_000, 50_000), venue.venue.journal
    sold(venue, people, "XAU-P", "5", "10.00")
    for lots, ticks in TRADED:
        sides = people if lots > 0 else people[::-1]
        bought = sold(venue, sides, "EUR-I", str(abs(lots)), f"{ticks / 100:.2f}")
        assert units(bought.filled_amount) == abs(lots) * (LOT // ticks)
    for symbol, price in (("XAU-P", 1_100), ("EUR-I", 1_237)):
        ask(journal, {"do": "contract-mark", "instrument": symbol, "price": price, "index": price})
    ask(journal, {"do": "contract-fund", "instrument": "EUR-I", "rate": 1_000_000})
    with PortalClient(venue.url, people[0].api_key, people[0].secret) as client:
        wait_until(lambda: has_funding(client), "the history has the funding")
        wait_until(
            lambda: (
                [one.funding_period for one in client.margin().positions if one.index == "12.37"]
                == [1]
            ),
            "the page has the funding",
        )
    return people


def test_amounts_of_an_inverse_contract_are_in_what_it_is_paid_in(venue, inverse):
    """A lot's value rounded down, as in the core: in fills, history, candles and the ticker."""
    with PortalClient(venue.url, inverse[0].api_key, inverse[0].secret) as client:
        terms = client.instrument("EUR-I")
        assert (terms.inverse, terms.quote, terms.base) == (True, "USD", "EUR-I")
        assert (terms.multiplier, terms.amount_step) == ("100.00000000", "0.000001")
        assert not client.instrument("XAU-P").inverse
        fills = client.fills(symbol="EUR-I").items
        shown = [(one.side, int(one.quantity), units(one.amount), units(one.fee)) for one in fills]
        assert shown == [
            (
                "buy" if lots > 0 else "sell",
                abs(lots),
                abs(lots) * (LOT // ticks),
                abs(lots) * 1_500,
            )
            for lots, ticks in reversed(TRADED)
        ]
        assert {one.fee_asset for one in fills} == {"USD"}
        assert client.past_fills(symbol="EUR-I").items == fills
        past = client.past_orders(symbol="EUR-I").items
        assert past == client.list_orders(symbol="EUR-I", state="all").items
        assert [units(one.filled_amount) for one in past] == [row[2] for row in shown]
        turnover = sum(row[2] for row in shown)
        (candle,) = client.candles("EUR-I", interval="1d", limit=1)
        assert (units(candle.amount), candle.quantity) == (turnover, "21")
        assert units(client.ticker("EUR-I").amount) == turnover
        with pytest.raises(PortalError, match="a contract is traded by quantity"):
            client.place("EUR-I", "buy", "market", amount="10")
    with psycopg.connect(running_embedded(venue.folder / "journal-portal/postgresql")) as database:
        (kept,) = database.execute(TURNOVER).fetchall()
    assert [int(one) for one in kept] == [turnover, turnover]
    # The API in the shape of Binance spot has no contracts.
    with venue.client(inverse[0]) as spot:
        answer = spot.order("BUY", "1", "10.00", symbol="EURI").json()
        assert "contracts are at /fapi/v1" in answer["msg"]


def test_an_inverse_contract_s_margin_and_profits_are_those_of_core_and_ledger(venue, inverse):
    journal, mine = venue.venue.journal, inverse[0].participant
    margin_file = venue.folder / "margin.toml"
    with PortalClient(venue.url, inverse[0].api_key, inverse[0].secret) as client:
        found, (funded,) = client.margin(), client.funding()
        profits = {name: client.portfolio(method=name).instruments for name in METHODS}

        def statements():
            """The portal's and the ledger's, which another command may come between."""
            words = ("--participant", mine, "--format", "json")
            shown = json.loads(client.statement(format="json"))["rows"]
            return shown, printed("ledger", "statement", journal, *words)["rows"]

        wait_until(lambda: len({str(rows) for rows in statements()}) == 1)
    told = printed("margin", "explain", margin_file, mine, "--journal", journal, "--json")["core"]
    for figure in ("equity", "maintenance", "initial", "with_orders"):
        assert units(getattr(found, figure)) == told[figure], figure
    held = {one.symbol: (one.lots, one.mark, one.underlying) for one in found.positions}
    assert held == {"XAU-P": (5, "11.00", "XAU"), "EUR-I": (13, "12.37", "EUR")}
    places = {one.symbol: [one.takeover_place, one.takeover_of] for one in found.positions}
    assert places == told["takeovers"]
    words = ("--participant", mine, "--format", "json")
    for method, rows in profits.items():
        ledger = printed("ledger", "pnl", journal, "--method", method, *words)["rows"]
        by_symbol = {row["instrument"]: row for row in ledger}
        assert {one.symbol for one in rows} == set(by_symbol) == {"XAU-P", "EUR-I"}
        for one in rows:
            row = by_symbol[one.symbol]
            assert one.position == str(row["position_lots"])
            for figure in ("cost", "value", "realised", "unrealised", "fees"):
                assert units(getattr(one, figure)) == row[figure], (one.symbol, figure)
    # First in, first out: four of ten lots that were worth -10 are sold at -9.0009.
    (one,) = [one for one in profits["fifo"] if one.symbol == "EUR-I"]
    value = {ticks: LOT // ticks for _, ticks in TRADED}
    assert units(one.unrealised) == 6 * (value[1_000] - value[1_237])
    paid = 13 * (value[1_237] // 1_000)
    assert units(one.realised) == 4 * (value[1_000] - value[1_111]) - paid
    (row,) = printed("margin", "funding", journal, "--participant", mine, "--json")
    assert (funded.symbol, units(funded.paid)) == ("EUR-I", row["paid"] == -paid and -paid)


def test_an_inverse_order_needs_what_was_said_before_it(venue, inverse):
    """The most lots that the page accepts are what the core accepts, at a price beyond the mark."""
    with PortalClient(venue.url, inverse[0].api_key, inverse[0].secret) as client:

        def asked(lots):
            return client.margin(symbol="EUR-I", lots=lots, price="13.00").what_if

        assert units(asked(1).loss_at_once) == LOT // 1_237 - LOT // 1_300
        least, most = 1, 1 << 10
        assert not asked(most).accepted
        while most - least > 1:
            middle = (least + most) // 2
            least, most = (middle, most) if asked(middle).accepted else (least, middle)
        with pytest.raises(PortalError) as refused:
            client.place("EUR-I", "buy", "limit", quantity=str(most), price="13.00")
        assert refused.value.code == "insufficient_margin"
        placed = client.place("EUR-I", "buy", "limit", quantity=str(least), price="13.00")
        assert placed.state == "open"
        assert client.cancel(placed.id).state == "cancelled"


@needs_chromium
def test_the_ticket_of_an_inverse_contract_says_what_it_comes_to(venue, inverse):
    with started() as chromium:
        for width, language, terms in (
            (1280, "en", "Perpetual, inverse"),
            (390, "de", "Perpetual, invers"),
        ):
            with browsed(chromium, venue, width, "light", language) as page:
                page.log_in(inverse[0].mail)
                page.go("trade/EUR-I")
                page.expect("#terms").to_have_text(terms)
                lot = {"multiplier": "100", "quote": "USD"}
                page.expect("#ticket").to_contain_text(page.word("ticket.lot.inverse", **lot))
                page.page.fill("#price", "13.00")
                page.page.fill("#quantity", "3")
                # Three lots of 7.692307 each; nothing of it is the price's money.
                page.expect("#ticket dd", has_text="23.076921 USD").to_have_count(1)
                price = page.word("price")
                page.expect("#ticket label", has_text=f"{price} (USD)").to_have_count(0)
                page.expect("#needs").to_have_class("")
                page.page.click("#ticket button[type=submit]")
                review = page.word("review.at", price="13.00")
                page.expect("dialog", has_text=f"3 EUR-I, Limit, {review}").to_have_count(1)
                page.page.click("dialog button.buy-go")
                page.expect("#quantity").to_have_value("")
                page.press(page.word("cancel.all"))
                page.page.click("dialog button.danger")
                page.page.get_by_role("tab", name=page.word("margin.positions")).click()
                page.expect(".lists td", has_text="12.37").not_to_have_count(0)
                assert page.defects() == []
                assert page.width() <= 0, "nothing is wider than the window"
                page.go("portfolio/margin")
                place = page.word("margin.takeover.place", place="1", count="1")
                page.expect("td", has_text=place).not_to_have_count(0)


def test_a_user_is_warned_at_the_own_levels_before_the_call(venue, people, holder):
    """Of 89.90 dollars and less, ten lots need 30."""
    journal = venue.venue.journal
    owner, other = funded(venue, 9_000, 90_000)
    sold(venue, [owner, other], "XAU-P", "10", "10.00")
    url = running_embedded(venue.folder / "journal-portal/postgresql")
    with plain_http.client(venue.url) as client:
        answer = client.post("/v1/login", json={"mail": owner.mail, "password": PASSWORD})
        client.headers["authorization"] = f"Bearer {answer.json()['access_token']}"
        path = "/v1/notification-settings"
        settings = client.get(path).json()
        assert settings["margin_levels"] == []
        wrong = ([9], [100], [80, 70, 60, 50, 40, 30])
        for levels in wrong:
            answer = client.put(path, json=settings | {"margin_levels": levels})
            assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")
        chosen = client.put(path, json=settings | {"margin_levels": [60, 40, 40]})
        assert chosen.json()["margin_levels"] == [40, 60]
        older = {name: value for name, value in settings.items() if name != "margin_levels"}
        assert client.put(path, json=older).json()["margin_levels"] == [40, 60]

        def warned():
            items = client.get("/v1/notifications").json()["items"]
            return [one["data"]["level"] for one in reversed(items) if "level" in one["data"]]

        def marked(price, levels):
            ask(journal, {"do": "contract-mark", "instrument": "XAU-P", "price": price})
            wait_until(lambda: warned() == levels, f"the warnings at {price}")

        marked(800, [40])
        marked(600, [40, 60])
        ask(journal, {"do": "contract-mark", "instrument": "XAU-P", "price": 1_000})
        query = "select margin_reached from notice_settings where margin_levels <> '{}'"
        with psycopg.connect(url, autocommit=True) as connection:
            left = lambda: connection.execute(query).fetchall() == [(0,)]  # noqa: E731
            wait_until(left, "the levels are left")
        marked(800, [40, 60, 40])
        ask(journal, {"do": "contract-mark", "instrument": "XAU-P", "price": 1_000})
