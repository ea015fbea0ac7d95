"""Requests for quotes over a portal and its venue: each trade has both consents, and happens once,
whatever process dies."""

import json
import signal
from contextlib import ExitStack, contextmanager
from decimal import Decimal

import pytest
from websockets.sync.client import connect

from openoutcry.client.portal import PortalClient, PortalError
from tests.support.console.console_browser import needs_chromium, started
from tests.support.portal.portal_browser import browsed
from tests.support.portal.portal_venue import CHOICES, FIRST, GENEROUS, PortalVenue
from tests.support.waiting import BOUND_S, wait_until

pytestmark = pytest.mark.long
USD, BTC = 10**6, 10**8
MAKERS = f"[quotes]\nmakers = [{FIRST + 1}, {FIRST + 2}, {FIRST + 3}]\nlast_look_ms = 60_000\n"

BOOKS = """
[[synthetic]]
symbol = "ETH-USD by BTC"
base = "ETH"
quote = "USD"
path = ["ETH-BTC", "BTC-USD"]
price_decimals = 2
quantity_decimals = 4
"""


@pytest.fixture(scope="module")
def venue(tmp_path_factory):
    folder = tmp_path_factory.mktemp("quotes")
    (folder / "quotes.toml").write_text(CHOICES + GENEROUS + MAKERS + BOOKS)
    with PortalVenue(folder, 8, "--settings=quotes.toml") as one:
        yield one


@pytest.fixture(scope="module")
def people(venue):
    """A client and three makers."""
    return [venue.person(USD=10**6 * USD, BTC=100 * BTC) for _ in range(4)]


@contextmanager
def of_all(venue, people):
    with ExitStack() as stack:
        yield [
            stack.enter_context(PortalClient(venue.url, one.api_key, one.secret)) for one in people
        ]


def available(portal, asset):
    return Decimal(next(one.available for one in portal.balances() if one.asset == asset))


def test_the_best_of_three_makers_trades(venue, people):
    with of_all(venue, people) as (client, *makers):
        numbers = [one.participant for one in people[1:]]
        wait_until(lambda: [one.participant for one in client.quote_makers()] == numbers, "rules")
        asked = client.request_quotes("BTC-USD", "buy", "0.5", seconds=600)
        assert (asked.role, asked.state, asked.makers) == ("client", "open", numbers)
        for maker, price in zip(makers, ("50010", "50005.5", "50005.5"), strict=True):
            maker.send_quote(asked.id, ask=price)
        seen = [maker.quote_request(asked.id) for maker in makers]
        assert [[one.ask for one in row.quotes] for row in seen] == [
            ["50010.00"], ["50005.50"], ["50005.50"],
        ]  # fmt: skip
        assert [row.makers for row in seen] == [[number] for number in numbers]
        quotes = client.quote_request(asked.id).quotes
        assert [one.maker for one in quotes] == [numbers[1], numbers[2], numbers[0]]
        before = available(client, "USD"), available(makers[1], "BTC")
        done = client.accept_quote(asked.id, quotes[0].id, "buy", key="accept-1")
        assert (done.state, done.trade.state, done.trade.price) == ("traded", "done", "50005.50")
        assert client.accept_quote(asked.id, quotes[0].id, "buy", key="accept-1") == done
        with pytest.raises(PortalError) as again:
            client.accept_quote(asked.id, quotes[0].id, "buy")
        assert again.value.code == "not_possible"
        assert before[0] - available(client, "USD") == Decimal("25002.75")
        assert before[1] - available(makers[1], "BTC") == Decimal("0.5")
        assert makers[1].quote_request(asked.id).trade.side == "sell"
        other = makers[0].quote_request(asked.id)
        assert (other.state, other.trade) == ("passed", None)
        fills = [portal.fills().items[0] for portal in (client, makers[1])]
        assert [(one.side, one.price, one.quantity) for one in fills] == [
            ("buy", "50005.50", "0.50000000"), ("sell", "50005.50", "0.50000000"),
        ]  # fmt: skip
        assert [one.is_maker for one in fills] == [False, True]
        assert fills[0].id == fills[1].id
        (public,) = [one for one in client.trades("BTC-USD") if one.id == fills[0].id]
        assert public.off_book
        assert client.ticker("BTC-USD").trades == 0
        # Of all days, too: the history follows.
        wait_until(lambda: client.past_fills().items, "the history")
        assert client.past_fills().items[0].id == fills[0].id
        assert client.past_orders().items == []


def test_what_one_may_not_is_refused(venue, people):
    with of_all(venue, people) as (client, maker, second, _):
        asked = client.request_quotes("BTC-USD", "sell", "0.1", makers=[people[1].participant])
        with pytest.raises(PortalError) as hidden:
            second.quote_request(asked.id)
        assert (hidden.value.status, hidden.value.code) == (404, "not_found")
        with pytest.raises(PortalError):
            second.send_quote(asked.id, bid="49000")
        with pytest.raises(PortalError) as side:
            maker.send_quote(asked.id, ask="51000")
        assert side.value.code == "not_possible"
        for wrong in (
            {"quantity": "0.00001"}, {"quantity": "-1"}, {"side": "up"}, {"symbol": "X"},
            {"makers": [people[0].participant]}, {"makers": [9]}, {"seconds": 0},
            {"seconds": 3_601},
        ):  # fmt: skip
            terms = {"symbol": "BTC-USD", "side": "buy", "quantity": "0.1"} | wrong
            with pytest.raises(PortalError):
                client.request_quotes(**terms)
        quoted = maker.send_quote(asked.id, bid="49000")
        assert [one.role for one in second.quote_requests()] == []
        with pytest.raises(PortalError):
            second.withdraw_quote(asked.id, quoted.quotes[0].id)
        maker.withdraw_quote(asked.id, quoted.quotes[0].id)
        with pytest.raises(PortalError):
            client.accept_quote(asked.id, quoted.quotes[0].id, "sell")
        assert client.cancel_quote_request(asked.id).state == "cancelled"


def test_a_last_look_and_a_counter_wait_for_the_maker(venue, people):
    with of_all(venue, people) as (client, maker, other, _):
        asked = client.request_quotes("BTC-USD", "both", "0.1", seconds=600)
        looked = maker.send_quote(asked.id, bid="49900", ask="50100", last_look=True).quotes[0]
        firm = other.send_quote(asked.id, bid="49800", ask="50200").quotes[0]
        waiting = client.accept_quote(asked.id, looked.id, "sell")
        assert (waiting.state, waiting.waits_for) == ("pending", looked.id)
        seen = maker.quote_request(asked.id)
        assert (seen.waits_side, seen.waits_price) == ("sell", "49900.00")
        assert other.quote_request(asked.id).state == "open"
        with pytest.raises(PortalError):
            other.answer_client(asked.id, 2, True)
        assert maker.answer_client(asked.id, 1, False).state == "open"
        client.counter_quote(asked.id, firm.id, "buy", "50150")
        done = other.answer_client(asked.id, 2, True)
        assert (done.state, done.trade.state, done.trade.price) == ("traded", "done", "50150.00")
        assert done.trade.side == "sell"
        looks = {one.participant: one for one in client.quote_makers()}
        mine = looks[people[1].participant]
        assert (mine.asked, mine.rejected) == (1, 1)


def test_the_stream_has_every_change_and_only_ones_own(venue, people):
    with of_all(venue, people) as (client, maker, other, _), ExitStack() as stack:
        streams = []
        for portal in (client, maker, other):
            address = venue.url.replace("http", "ws") + "/v1/stream"
            socket = stack.enter_context(connect(address))
            proof = portal.proof("GET", "/v1/stream")
            names = {"api_key": "x-api-key", "timestamp": "x-timestamp"}
            names["signature"] = "x-signature"
            lower = {name.lower(): value for name, value in proof.items()}
            asked = {"op": "auth"} | {name: lower[header] for name, header in names.items()}
            socket.send(json.dumps(asked))
            socket.send(json.dumps({"op": "subscribe", "channel": "quotes"}))
            streams.append(socket)
        taken = [until(one, lambda rows: True) for one in streams]
        assert [rows for rows in taken if rows] == []
        asked = client.request_quotes("BTC-USD", "buy", "0.1", makers=[people[1].participant])
        (row,) = until(streams[1], bool)
        assert (row["id"], row["role"], row["quotes"]) == (asked.id, "maker", [])
        maker.send_quote(asked.id, ask="50500")
        (row,) = until(streams[0], lambda rows: rows and rows[0]["quotes"])
        assert row["quotes"][0]["ask"] == "50500.00"
        client.pass_quotes(asked.id)
        (row,) = until(streams[1], lambda rows: rows and rows[0]["state"] == "passed")
        # The third was not asked: it has heard nothing but the answer to its ping.
        streams[2].send(json.dumps({"op": "ping"}))
        assert json.loads(streams[2].recv(BOUND_S))["type"] == "pong"


def until(socket, is_it):
    """The rows of the first message of the channel for which this is true."""
    while True:
        said = json.loads(socket.recv(BOUND_S))
        assert said["type"] != "error", said
        if said.get("channel") == "quotes" and "data" in said and is_it(said["data"]):
            return said["data"]


def test_a_killed_portal_loses_nothing_and_books_once(venue, people):
    with of_all(venue, people) as (client, maker, *_):
        before = available(client, "BTC")
        asked = client.request_quotes("BTC-USD", "buy", "0.2", seconds=600)
        quote = maker.send_quote(asked.id, ask="50000").quotes[0]
        venue.venue.kill()
        done = client.accept_quote(asked.id, quote.id, "buy")
        assert (done.state, done.trade.state) == ("traded", "due")
    venue.stop_portal(signal.SIGKILL)
    venue.venue.start()
    venue.venue.wait_for_phase("CONTINUOUS")
    venue.start_portal()
    with of_all(venue, people) as (client, maker, *_):
        wait_until(
            lambda: client.quote_request(asked.id).trade.state == "done", "the trade is booked"
        )
        assert maker.quote_request(asked.id).trade.price == "50000.00"
        assert available(client, "BTC") - before == Decimal("0.2") * Decimal("0.999")
        fills = [one for one in client.fills().items if one.quantity == "0.20000000"]
        assert len(fills) == 1


def test_what_the_venue_refuses_is_said_to_both(venue, people):
    with of_all(venue, people) as (client, maker, *_):
        asked = client.request_quotes("BTC-USD", "buy", "90", seconds=600)
        quote = maker.send_quote(asked.id, ask="50000").quotes[0]
        done = client.accept_quote(asked.id, quote.id, "buy")
        assert (done.state, done.trade.state) == ("traded", "refused")
        assert "balance" in done.trade.why
        assert maker.quote_request(asked.id).trade.state == "refused"


def test_a_synthetic_book_is_streamed_as_its_legs_change(venue, people):
    """1 ETH is 0.06 BTC of 50,000.00 USD each."""
    with (
        venue.client(people[1]) as client,
        connect(venue.url.replace("http", "ws") + "/v1/stream") as socket,
    ):
        channel = {"channel": "synthetic", "symbol": "ETH-USD by BTC"}
        socket.send(json.dumps({"op": "subscribe", **channel}))
        assert client.order("SELL", "2", "0.06", symbol="ETHBTC").status_code == 400
        venue.fund(people[1], ETH=10 * BTC)
        assert client.order("SELL", "2", "0.06", symbol="ETHBTC").status_code == 200
        assert client.order("SELL", "1", "50000").status_code == 200
        while True:
            said = json.loads(socket.recv(BOUND_S))
            if said.get("data", {}).get("asks"):
                break
        assert said["data"]["asks"] == [["3000.00", "2.0000"]]
        assert said["data"]["bids"] == []
        for symbol in ("NONE", "BTC-USD"):
            asked = {"op": "subscribe", "channel": "synthetic", "symbol": symbol}
            socket.send(json.dumps(asked))
            answers = iter(lambda: json.loads(socket.recv(BOUND_S)), None)
            refused = next(one for one in answers if one["type"] == "error")
            assert refused["code"] == "unknown_symbol"
    venue.cancel_all(people[1])


@needs_chromium
def test_a_synthetic_book_is_on_the_page_as_its_legs_change(venue, people):
    venue.fund(people[1], ETH=10 * BTC)
    with (
        venue.client(people[1]) as client,
        started() as chromium,
        browsed(chromium, venue, 1280, "dark", "en") as page,
    ):
        page.go("books")
        assert client.order("SELL", "2", "0.06", symbol="ETHBTC").status_code == 200
        assert client.order("SELL", "1", "50000").status_code == 200
        page.expect("#books-asks td", has_text="3000.00").to_be_visible()
        page.expect("#books-bids table").to_be_hidden()
        assert (page.defects(), page.width()) == ([], 0)
    venue.cancel_all(people[1])


@needs_chromium
@pytest.mark.parametrize(
    ("width", "theme", "language"), [(1280, "dark", "en"), (390, "light", "de")]
)
def test_both_sides_trade_on_the_page(venue, people, width, theme, language):
    look = width, theme, language
    with (
        started() as chromium,
        browsed(chromium, venue, *look) as client,
        browsed(chromium, venue, *look) as maker,
    ):
        client.log_in(people[0].mail)
        maker.log_in(people[1].mail)
        client.go("quotes/ask")
        maker.go("quotes/answer")
        client.fill(quotes_quantity="0.1")
        client.page.select_option("#quotes-seconds", "300")
        client.page.click("#quotes-form button[type=submit]")
        maker.page.locator("#quotes-asked tbody tr").first.locator("button.primary").click()
        maker.fill(quote_ask="50123")
        maker.page.click("dialog button[type=submit]")
        client.expect("#quotes-quotes tbody tr").to_have_count(1)
        found = [*client.defects(), *maker.defects()]
        assert (found, max(client.width(), maker.width())) == ([], 0)
        client.page.click("#quotes-quotes .buy-go")
        client.page.click("dialog button[type=submit]")
        client.says("50\u202f123.00")
        for page, rows in ((client, "#quotes-requests"), (maker, "#quotes-asked")):
            first = page.page.locator(f"{rows} tbody tr").first
            first.locator("td.good").wait_for()
            assert "50\u202f123.00" in first.inner_text()


@needs_chromium
def test_a_last_look_and_a_counter_are_answered_on_the_page(venue, people):
    """The maker rejects what the client accepts, and consents to the client's own price."""
    look = 1280, "light", "en"
    with (
        started() as chromium,
        browsed(chromium, venue, *look) as client,
        browsed(chromium, venue, *look) as maker,
    ):
        client.log_in(people[0].mail)
        maker.log_in(people[2].mail)
        client.go("quotes/ask")
        maker.go("quotes/answer")
        client.fill(quotes_quantity="0.1")
        client.page.select_option("#quotes-seconds", "300")
        client.page.click("#quotes-form button[type=submit]")
        row = maker.page.locator("#quotes-asked tbody tr").first
        row.locator("button.primary").click()
        maker.fill(quote_ask="50123")
        maker.page.check("#quote-look")
        maker.page.click("dialog button[type=submit]")
        quote = client.page.locator("#quotes-quotes tbody tr").first
        quote.locator(".buy-go").click()
        client.page.click("dialog button[type=submit]")
        row.locator("button", has_text=maker.word("quotes.reject")).click()
        # A quote that was rejected is over: the maker sends another one.
        row.locator("button.primary", has_text=maker.word("quotes.quote")).click()
        maker.fill(quote_ask="50120")
        maker.page.click("dialog button[type=submit]")
        client.expect("#quotes-quotes tbody tr").to_have_count(1)
        quote.locator("button", has_text=client.word("quotes.counter")).click()
        client.fill(counter_price="50110")
        client.page.click("dialog button[type=submit]")
        row.locator("button", has_text=maker.word("quotes.consent")).click()
        for page, rows in ((client, "#quotes-requests"), (maker, "#quotes-asked")):
            first = page.page.locator(f"{rows} tbody tr").first
            first.locator("td.good").wait_for()
            assert "50\u202f110.00" in first.inner_text()
        assert (client.defects(), maker.defects()) == ([], [])
