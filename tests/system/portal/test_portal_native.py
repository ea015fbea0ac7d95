"""The native API against a venue that trades: orders once for their key, pages, tags, problems,
and a stream that continues by number."""

import json
import signal
import threading
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

import msgpack
import pytest

from openoutcry.client import portal_models as models
from openoutcry.client.portal import PortalClient, PortalError
from tests.support import plain_http
from tests.support.console.websockets_patient import connect
from tests.support.portal.described import require_described
from tests.support.portal.people import PASSWORD
from tests.support.waiting import BOUND_S, wait_until

USD, BTC, ETH = 10**6, 10**8, 10**8


@pytest.fixture
def two(portal_venue):
    people = [portal_venue.person(USD=10**6 * USD, BTC=100 * BTC, ETH=100 * ETH) for _ in range(2)]
    clients = [PortalClient(portal_venue.url, one.api_key, one.secret) for one in people]
    yield clients
    for client in clients:
        client.cancel_all()
        client.close()


def test_orders_of_each_kind(two):
    one, other = two
    rest = one.place("BTC-USD", "sell", "limit", quantity="0.5", price="50000", key="rest-1")
    assert (rest.state, rest.client_order_id, rest.is_working) == ("open", "rest-1", True)
    taken = other.place("BTC-USD", "buy", "limit", quantity="0.2", price="50001")
    assert (taken.state, taken.filled_amount) == ("filled", "10000.000000")
    spent = other.place("BTC-USD", "buy", "market", amount="1000")
    assert (spent.state, spent.filled_amount, spent.amount) == (
        "filled",
        "1000.000000",
        "1000.000000",
    )
    stop = other.place("BTC-USD", "sell", "stop_limit", quantity="0.1", price="1", stop_price="2")
    assert (stop.type, stop.stop_price, stop.is_working) == ("stop_limit", "2.00", False)
    trailing = other.place("BTC-USD", "sell", "trailing_stop", quantity="0.1", trailing_bps=150)
    assert (trailing.type, trailing.trailing_bps) == ("trailing_stop", 150)
    limited = other.place(
        "BTC-USD", "sell", "trailing_stop_limit", quantity="0.1", price="40000", trailing_bps=200
    )
    assert (limited.type, limited.price) == ("trailing_stop_limit", "40000.00")
    ice = other.place("BTC-USD", "buy", "limit", quantity="1", price="100", shown_quantity="0.1")
    assert ice.shown_quantity == "0.10000000"
    post = other.place("BTC-USD", "buy", "post_only", quantity="1", price="101")
    assert post.type == "post_only"
    fok = other.place("BTC-USD", "buy", "limit", quantity="9", price="50000", time_in_force="fok")
    assert fok.state == "expired"
    open_now = {row.id for row in other.list_orders(state="open").items}
    assert open_now == {stop.id, trailing.id, limited.id, ice.id, post.id}
    assert other.cancel(stop.id).state == "cancelled"
    assert {row.id for row in other.cancel_all(symbol="BTC-USD")} == open_now - {stop.id}
    fills = list(other.pages(other.fills, limit=1))
    assert [fill.quantity for fill in fills] == ["0.02000000", "0.20000000"]
    assert {fill.fee_asset for fill in fills} == {"BTC"}
    before = {row.asset: row for row in one.balances()}
    assert Decimal(before["BTC"].reserved) == Decimal("0.28")
    assert one.order(rest.id).filled_quantity == "0.22000000"
    ids = [row.id for row in other.pages(other.list_orders, limit=2)]
    assert ids == sorted(ids, reverse=True)
    assert len(ids) == len(set(ids)) == 8
    assert one.instrument("BTC-USD").state == "trading"
    assert one.book("BTC-USD").asks[0] == ["50000.00", "0.28000000"]
    assert one.ticker("BTC-USD").last == "50000.00"
    assert one.trades("BTC-USD")[0].taker_side == "buy"
    assert one.candles("BTC-USD")[-1].close == "50000.00"


FAR_MS = 4_102_444_800_123
"""In the year 2100."""
KINDS = [
    ({"type": "hidden"}, {}),
    ({"type": "all_or_none", "time_in_force": "day"}, {}),
    ({"type": "limit", "time_in_force": "gtd", "expires_ms": FAR_MS}, {}),
    ({"type": "post_only", "time_in_force": "gtd", "expires_ms": FAR_MS}, {}),
    ({"type": "post_only_slide"}, {}),
    ({"type": "post_only_slide", "time_in_force": "gtd", "expires_ms": FAR_MS}, {}),
    ({"type": "hidden", "time_in_force": "gtd", "expires_ms": FAR_MS}, {}),
    ({"type": "limit", "time_in_force": "day"}, {}),
    ({"type": "limit", "time_in_force": "at_close"}, {"is_working": False}),
    ({"type": "market", "time_in_force": "at_close", "price": ""}, {"is_working": False}),
    ({"type": "market_to_limit", "price": "", "time_in_force": "at_close"}, {"is_working": False}),
    ({"type": "post_only_stop_limit", "stop_price": "59999"}, {"is_working": False}),
    ({"type": "peg_primary", "offset": "-0.5"}, {}),
    ({"type": "peg_market", "offset": "-1.25"}, {}),
    ({"type": "peg_midpoint"}, {"offset": "0.00"}),
    ({"type": "trailing_stop", "price": "", "trailing_distance": "120.5"}, {"is_working": False}),
    ({"type": "trailing_stop_limit", "trailing_distance": "0.01"}, {"is_working": False}),
]
"""Terms of an order, and what else its row says."""


@pytest.mark.parametrize("side", ["buy", "sell"])
def test_orders_that_only_the_native_api_has(two, side):
    """Each is the core's order of that kind: its row is made of the command in the journal."""
    one, other = two
    one.place("BTC-USD", "buy", "limit", quantity="1", price="49000")
    one.place("BTC-USD", "sell", "limit", quantity="1", price="51000")
    one.place("BTC-USD", "sell", "limit", quantity="0.001", price="50000")
    other.place("BTC-USD", "buy", "limit", quantity="0.001", price="50000")
    price = {"buy": "48000", "sell": "52000"}[side]
    placed = []
    for number, (terms, more) in enumerate(KINDS):
        wanted = {"quantity": "0.2", "price": price} | terms
        if side == "sell" and "stop_price" in terms:
            wanted["stop_price"] = "40001"
        if side == "sell" and "offset" in terms:
            wanted["offset"] = terms["offset"].removeprefix("-")
        key = f"{side}-{number}"
        row = other.place("BTC-USD", side, **wanted, key=key)
        assert row.state == "open", (terms, row)
        for name, value in (wanted | more).items():
            shown = getattr(row, name)
            if isinstance(value, str) and value[:1] in "-0123456789":
                shown, value = Decimal(shown), Decimal(value or "0")
            assert shown == value, (terms, name)
        assert other.place("BTC-USD", side, **wanted, key=key) == row
        with pytest.raises(PortalError) as refused:
            other.place("BTC-USD", side, **wanted | {"quantity": "0.3"}, key=key)
        assert refused.value.code == "idempotency_key_reused"
        placed.append(row)
    wait_until(lambda: len(other.past_orders(state="open").items) == len(placed))
    kept = {row.id: row for row in other.past_orders(state="open").items}
    assert [kept[row.id] for row in placed] == placed
    for row in placed:
        assert other.cancel(row.id).state == "cancelled"


@pytest.mark.parametrize(("side", "slid"), [("buy", "50999.99"), ("sell", "49000.01")])
def test_a_post_only_order_slides_one_step_short_of_trading(two, side, slid):
    """Its row has the price that it has in the book, and the same request is the same order."""
    one, other = two
    one.place("BTC-USD", "buy", "limit", quantity="1", price="49000")
    one.place("BTC-USD", "sell", "limit", quantity="1", price="51000")
    price = {"buy": "52000", "sell": "48000"}[side]
    crossing = {"quantity": "0.2", "price": price, "key": f"slide-{side}"}
    row = other.place("BTC-USD", side, "post_only_slide", **crossing)
    assert (row.state, row.price, row.filled_quantity) == ("open", slid, "0.00000000")
    assert other.place("BTC-USD", side, "post_only_slide", **crossing) == row
    book = one.book("BTC-USD")
    assert {"buy": book.bids, "sell": book.asks}[side][0] == [slid, "0.20000000"]
    wait_until(lambda: row in other.past_orders(state="open").items, "the history's row")
    assert other.cancel(row.id).state == "cancelled"


@pytest.mark.parametrize(("side", "trigger"), [("buy", "49999"), ("sell", "50001")])
def test_a_stop_that_is_passed_follows_the_venue_s_setting(two, side, trigger):
    """The venue of these tests has not the option PASSED_STOPS_REFUSED: it is elected at once."""
    one, other = two
    for who, way in ((one, "sell"), (other, "buy")):
        who.place("BTC-USD", way, "limit", quantity="0.01", price="50000")
    one.place("BTC-USD", "sell" if side == "buy" else "buy", "limit", quantity="0.5", price="50000")
    made = other.place("BTC-USD", side, "stop", quantity="0.01", stop_price=trigger)
    assert (made.type, other.order(made.id).state) == ("stop", "filled")


def test_market_to_limit_and_minimum_quantity_trade_as_the_core_says(two):
    one, other = two
    one.place("BTC-USD", "sell", "limit", quantity="0.1", price="50000")
    one.place("BTC-USD", "sell", "limit", quantity="0.1", price="50001")
    least = {"quantity": "0.4", "price": "50001", "min_quantity": "0.3"}
    assert other.place("BTC-USD", "buy", "limit", **least).filled_quantity == "0.00000000"
    best = {"quantity": "0.04", "price": "50000", "min_quantity": "0.03"}
    row = other.place("BTC-USD", "buy", "limit", **best, key="least")
    assert (row.filled_quantity, row.min_quantity) == ("0.04000000", "0.03000000")
    assert other.place("BTC-USD", "buy", "limit", **best, key="least") == row
    row = other.place("BTC-USD", "buy", "market_to_limit", quantity="0.11")
    assert (row.filled_quantity, row.state, row.price) == ("0.06000000", "open", "50000.00")
    assert one.book("BTC-USD").bids[0] == ["50000.00", "0.05000000"]


def test_terms_that_do_not_fit_are_refused_by_their_name(two):
    body = {"symbol": "BTC-USD", "side": "buy", "type": "limit", "quantity": "1", "price": "5000"}
    for terms, word in (
        ({"type": "hidden", "time_in_force": "ioc"}, "time_in_force"),
        ({"time_in_force": "gtd"}, "expires_ms"),
        ({"expires_ms": FAR_MS}, "expires_ms"),
        ({"time_in_force": "gtd", "expires_ms": -1}, "expires_ms"),
        ({"time_in_force": "gtd", "expires_ms": 2**43}, "expires_ms"),
        ({"min_quantity": "2"}, "min_quantity"),
        ({"min_quantity": "0"}, "min_quantity"),
        ({"min_quantity": "x"}, "min_quantity"),
        ({"min_quantity": "1", "time_in_force": "fok"}, "time_in_force"),
        ({"min_quantity": "1", "shown_quantity": "0.5"}, "min_quantity"),
        ({"type": "hidden", "shown_quantity": "0.5"}, "shown_quantity"),
        ({"shown_quantity": "0.5", "time_in_force": "at_close"}, "shown_quantity"),
        ({"offset": "1"}, "offset"),
        ({"type": "peg_primary", "offset": "1.001"}, "offset"),
        ({"type": "peg_primary", "offset": "--1"}, "offset"),
        ({"type": "peg_primary", "offset": "99999999999"}, "offset"),
        ({"trailing_distance": "5"}, "trailing_distance"),
        ({"type": "trailing_stop_limit"}, "trailing_bps"),
        ({"type": "trailing_stop_limit", "trailing_bps": 1, "trailing_distance": "5"}, "trailing"),
        ({"type": "hidden", "amount": "5"}, "amount"),
        ({"type": "trailing_stop_limit", "trailing_bps": 1, "stop_price": "5"}, "stop_price"),
    ):
        with pytest.raises(PortalError, match=word) as refused:
            two[0].place(**(body | terms))
        assert refused.value.status in (400, 422), terms


@pytest.mark.promise(
    "Whatever process of the portal is killed, no order, transfer, request with an "
    "Idempotency-Key, notification or message of a stream is lost or doubled. The other "
    "processes serve meanwhile",
    group="portal",
)
def test_an_order_is_entered_once_for_its_key(portal_venue, two):
    one = two[0]
    terms = {"quantity": "0.1", "price": "30000"}

    def place(_):
        with PortalClient(portal_venue.url, one.api_key, one.secret) as client:
            return client.place("BTC-USD", "buy", "limit", key="once-1", **terms).id

    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(place, range(8)))) == 1
    assert len(one.list_orders(state="open").items) == 1
    with pytest.raises(PortalError) as reused:
        one.place("BTC-USD", "buy", "limit", key="once-1", quantity="0.2", price="30000")
    assert reused.value.code == "idempotency_key_reused"
    (order,) = one.list_orders(state="open").items
    assert one.cancel(order.id, key="gone-1").state == "cancelled"
    assert one.cancel(order.id, key="gone-1").state == "cancelled"
    with pytest.raises(PortalError) as closed:
        one.cancel(order.id)
    assert closed.value.code == "not_cancellable"
    first = one.place("BTC-USD", "buy", "limit", **terms)
    assert [row.id for row in one.cancel_all(key="all-1")] == [first.id]
    later = one.place("BTC-USD", "buy", "limit", **terms)
    assert [row.id for row in one.cancel_all(key="all-1")] == [first.id], "the same answer"
    assert [row.id for row in one.list_orders(state="open").items] == [later.id]
    portal_venue.stop_portal(signal.SIGKILL)
    portal_venue.start_portal()
    again = one.place("BTC-USD", "buy", "limit", key="once-1", **terms)
    assert (again.id, again.state) == (order.id, "cancelled")


def test_a_change_of_the_account_is_done_once_for_its_key(portal_venue, two):
    person = portal_venue.person()
    with PortalClient(portal_venue.url) as client:
        client.log_in(person.mail, PASSWORD)
        made = client.new_key("bot", PASSWORD, key="key-1")
        assert client.new_key("bot", PASSWORD, key="key-1") == made
        assert len(client.list_keys()) == 2
        with pytest.raises(PortalError) as reused:
            client.new_key("other", PASSWORD, key="key-1")
        assert reused.value.code == "idempotency_key_reused"
        with pytest.raises(PortalError):
            client.new_key("bot", "not the password", key="key-2")
        assert client.new_key("third", PASSWORD, key="key-2").id != made.id


@pytest.mark.promise(
    "Whatever process of the portal is killed, no order, transfer, request with an "
    "Idempotency-Key, notification or message of a stream is lost or doubled. The other "
    "processes serve meanwhile",
    group="portal",
)
def test_an_operators_change_is_done_once_for_its_key(portal_venue):
    person = portal_venue.person()
    tokens = portal_venue.operator("olga"), portal_venue.operator("otto")
    first, second = (PortalClient(portal_venue.url, operator=one) for one in tokens)
    with first, second:
        (user,) = first.users(search=person.mail).items
        frozen = first.freeze(user.id, "ticket 1", key="f")
        first.unfreeze(user.id, "ticket 2")
        assert first.freeze(user.id, "ticket 1", key="f") == frozen, "the same answer"
        assert not first.user_detail(user.id).user.frozen_at, "which is not done again"
        portal_venue.stop_portal(signal.SIGKILL)
        portal_venue.start_portal()
        assert first.freeze(user.id, "ticket 1", key="f") == frozen
        with pytest.raises(PortalError) as reused:
            first.freeze(user.id, "another reason", key="f")
        assert reused.value.code == "idempotency_key_reused"
        view = first.support_view(user.id, "ticket 3", key="v")
        assert first.support_view(user.id, "ticket 3", key="v") == view
        # Keys are each operator's own.
        assert second.set_level(user.id, 0, "ticket 4", key="f").id == user.id
        rows = [f"{one.operator}: {one.reason}" for one in first.operator_log(limit=4).items]
        third, once = "olga: ticket 3", ["olga: ticket 2", "olga: ticket 1"]
        assert rows == ["otto: level 0: ticket 4", third, *once]
    with PortalClient(portal_venue.url, operator="op_guessed") as stranger:
        with pytest.raises(PortalError) as refused:
            stranger.freeze(user.id, "ticket 1", key="f")
        assert refused.value.status == 401


def test_a_login_and_a_refresh_need_no_token_that_is_in_force(portal_venue):
    """A typed client sends the token that it has, and a key, also where neither has an effect."""
    person = portal_venue.person()
    ended = models.TokenPair("ended", "", 0)
    with PortalClient(portal_venue.url) as client:
        refresh_token = client.log_in(person.mail, PASSWORD).refresh_token
        client.tokens = ended
        client.refresh(refresh_token)
        assert client.me().mail == person.mail
        client.tokens = ended
        first = client.log_in(person.mail, PASSWORD, key="one")
        assert client.log_in(person.mail, PASSWORD, key="one") != first, "it is not kept"


@pytest.mark.promise(
    "V5.1, V7.4, V13.1.3, V13.2.2 (input, errors): requests are of a schema, with no other "
    "field. Answers are those that the documents describe, with stable codes, below 500 "
    "whatever is sent, and nothing of the inside",
    group="portal",
)
def test_refusals_are_problems_with_stable_codes(portal_venue, two):
    one = two[0]
    for terms, code in (
        ({"symbol": "NOPE"}, "unknown_symbol"),
        ({"side": "hold"}, "invalid_request"),
        ({"type": "hope"}, "invalid_request"),
        ({"price": "1.001"}, "filter_failure"),
        ({"quantity": "1e5"}, "invalid_request"),
        ({"quantity": "99", "price": "50000"}, "insufficient_balance"),
        ({"self_trade": "x"}, "invalid_request"),
        ({"trailing_bps": 5}, "invalid_request"),
    ):
        body = {"symbol": "BTC-USD", "side": "buy", "type": "limit", "quantity": "1", "price": "50"}
        with pytest.raises(PortalError) as refused:
            one.place(**({**body, "price": "5000"} | terms))
        assert refused.value.code == code, terms
    for path, status in (("/v1/orders/1", 404), ("/v1/nothing", 404), ("/v1/orders?limit=0", 422)):
        with pytest.raises(PortalError) as refused:
            one.ask("GET", path, dict)
        assert refused.value.status == status
    url = f"{portal_venue.url}/v1/orders"
    plain = plain_http.post(url, json={})
    assert plain.status_code == 401
    assert plain.headers["content-type"] == "application/problem+json"
    assert set(plain.json()) == {"type", "title", "status", "code", "detail"}
    person = portal_venue.person()
    bearer = {"authorization": f"Bearer {person.token}"}
    terms = {"symbol": "BTC-USD", "side": "buy", "type": "limit", "quantity": "1", "price": "1"}
    missing = plain_http.post(url, json=terms, headers=bearer)
    assert (missing.status_code, missing.json()["code"]) == (400, "idempotency_key_missing")
    assert plain_http.request("PUT", url).status_code == 405


def test_an_answer_has_a_tag_and_is_not_sent_again(portal_venue):
    url = f"{portal_venue.url}/v1/instruments"
    first = plain_http.get(url)
    again = plain_http.get(url, headers={"if-none-match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    other = plain_http.get(url, headers={"if-none-match": '"other"'})
    assert other.json() == first.json()


def test_no_signature_holds_for_another_request(portal_venue, two):
    one = two[0]
    body = json.dumps({"symbol": "BTC-USD"})
    proof = one.proof("POST", "/v1/orders", body.encode(), "x")
    headers = proof | {"idempotency-key": "x"}
    for change in (
        {"content": body + " "},
        {"url": f"{portal_venue.url}/v1/orders?x=1"},
        {"headers": proof | {"idempotency-key": "y"}},
        {"headers": proof},
    ):
        sent = {"url": f"{portal_venue.url}/v1/orders", "content": body, "headers": headers}
        assert plain_http.post(**(sent | change)).status_code == 401
    read = one.proof("GET", "/v1/orders")
    assert plain_http.get(f"{portal_venue.url}/v1/orders", headers=read).status_code == 200
    for method, path in (("DELETE", "/v1/orders"), ("GET", "/v1/fills"), ("GET", "/v1/orders/1")):
        headers_of = read | ({"idempotency-key": "z"} if method == "DELETE" else {})
        answer = plain_http.request(method, portal_venue.url + path, headers=headers_of)
        assert answer.status_code == 401, (method, path)
    assert plain_http.post(**sent).status_code == 422, "the signature is right, the order is not"
    old = headers | {"x-timestamp": str(int(headers["x-timestamp"]) - 60_000)}
    assert plain_http.post(**(sent | {"headers": old})).status_code == 401


class Follower:
    """A client of the stream, which keeps a book as the documents say."""

    def __init__(self, url, packed=False):
        address = url.replace("http", "ws") + "/v1/stream" + ("?format=msgpack" if packed else "")
        self.packed = packed
        self.socket = connect(address).__enter__()
        self.last, self.events = {}, {}
        self.book = {"bids": {}, "asks": {}}

    def ask(self, **request):
        text = msgpack.packb(request) if self.packed else json.dumps(request)
        self.socket.send(text)

    def take(self):
        raw = self.socket.recv(timeout=BOUND_S)
        message = msgpack.unpackb(raw) if self.packed else json.loads(raw)
        require_described(message)
        channel = message.get("channel")
        if message["type"] not in ("snapshot", "update"):
            return message
        if message["type"] == "update":
            assert message["prev"] <= self.last[channel], "no hole"
        elif channel == "book":
            self.book = {"bids": {}, "asks": {}}
        self.last[channel] = message["seq"]
        self.events.setdefault(channel, []).append(message)
        if channel == "book":
            for side, rows in message["data"].items():
                for price, quantity in rows:
                    self.book[side][price] = quantity
                    if not Decimal(quantity):
                        del self.book[side][price]
        return message

    def until(self, holds):
        while not holds():
            self.take()

    def log_in(self, client):
        proof = client.proof("GET", "/v1/stream")
        self.ask(
            op="auth",
            api_key=proof["x-api-key"],
            timestamp=proof["x-timestamp"],
            signature=proof["x-signature"],
        )
        assert self.take()["type"] == "authenticated"


@pytest.mark.parametrize("packed", [False, True])
def test_the_stream_shows_a_book_and_ones_own_events(portal_venue, two, packed):
    one, other = two
    follower = Follower(portal_venue.url, packed)
    follower.ask(op="subscribe", channel="orders", id=1)
    assert follower.take()["code"] == "not_logged_in"
    follower.log_in(other)
    for channel in ("orders", "fills", "balances"):
        follower.ask(op="subscribe", channel=channel)
    for channel in ("book", "trades", "ticker"):
        follower.ask(op="subscribe", channel=channel, symbol="ETH-USD")
    follower.until(lambda: len(follower.last) == 6)
    rest = one.place("ETH-USD", "sell", "limit", quantity="1", price="3000")
    taken = other.place("ETH-USD", "buy", "limit", quantity="0.4", price="3000")
    asks = {"3000.00": "0.60000000"}
    follower.until(lambda: follower.book["asks"] == asks and "fills" in follower.events)
    follower.until(lambda: follower.events["fills"][-1]["data"])
    (fill,) = follower.events["fills"][-1]["data"]
    assert (fill["order_id"], fill["quantity"]) == (taken.id, "0.40000000")

    def newest(channel):
        return follower.events[channel][-1]["data"]

    follower.until(lambda: [row["state"] for row in newest("orders")][-1:] == ["filled"])
    paid = next(row.available for row in other.balances() if row.asset == "USD")
    follower.until(
        lambda: {r["asset"]: r["available"] for r in newest("balances")}.get("USD") == paid
    )
    one.cancel(rest.id)
    follower.until(lambda: follower.book["asks"] == {})
    follower.ask(op="ping", id="p")
    answer = follower.take()
    while answer["type"] != "pong":
        answer = follower.take()
    assert answer["id"] == "p"
    follower.ask(op="dance")
    while answer["type"] != "error":
        answer = follower.take()
    assert answer["code"] == "invalid_request"
    follower.socket.close()


def test_the_stream_shows_the_new_terms_of_an_amended_order(portal_venue, two):
    _, other = two
    placed = other.place("BTC-USD", "buy", "limit", quantity="0.4", price="40000")
    follower = Follower(portal_venue.url, False)
    follower.log_in(other)
    follower.ask(op="subscribe", channel="orders")
    follower.until(lambda: "orders" in follower.last)
    other.amend(placed.id, price="40001", quantity="0.3")
    follower.until(lambda: follower.events["orders"][-1]["type"] == "update")
    (row,) = follower.events["orders"][-1]["data"]
    assert (row["id"], row["price"], row["quantity"]) == (placed.id, "40001.00", "0.30000000")
    follower.socket.close()


@pytest.mark.promise(
    "Whatever process of the portal is killed, no order, transfer, request with an "
    "Idempotency-Key, notification or message of a stream is lost or doubled. The other "
    "processes serve meanwhile",
    group="portal",
)
def test_a_stream_continues_where_it_ended(portal_venue, two):
    one, other = two
    follower = Follower(portal_venue.url)
    follower.log_in(other)
    follower.ask(op="subscribe", channel="orders")
    follower.ask(op="subscribe", channel="fills")
    follower.ask(op="subscribe", channel="book", symbol="ETH-USD")
    follower.until(lambda: len(follower.last) == 3)
    one.place("ETH-USD", "sell", "limit", quantity="5", price="3100")
    first = other.place("ETH-USD", "buy", "limit", quantity="1", price="3100")
    follower.until(
        lambda: (
            follower.book["asks"] == {"3100.00": "4.00000000"}
            and follower.events["fills"][-1]["data"]
            and follower.events["orders"][-1]["data"]
        )
    )
    follower.socket.close()
    missed = [other.place("ETH-USD", "buy", "limit", quantity="1", price="3100").id]
    again = Follower(portal_venue.url)
    again.log_in(other)
    again.last, again.book = dict(follower.last), follower.book
    again.ask(op="subscribe", channel="book", symbol="ETH-USD", after=again.last["book"])
    again.until(lambda: again.book["asks"] == {"3100.00": "3.00000000"})
    assert {one["type"] for one in again.events["book"]} == {"update"}
    again.socket.close()
    portal_venue.stop_portal(signal.SIGKILL)
    portal_venue.start_portal()
    missed.append(other.place("ETH-USD", "buy", "limit", quantity="1", price="3100").id)
    third = Follower(portal_venue.url)
    third.log_in(other)
    third.last = dict(follower.last)
    third.ask(op="subscribe", channel="fills", after=third.last["fills"])
    third.ask(op="subscribe", channel="orders", after=third.last["orders"])

    def filled():
        return [row["order_id"] for event in third.events.get("fills", ()) for row in event["data"]]

    # Neither channel waits for the other.
    third.until(lambda: "orders" in third.events and len(filled()) >= len(missed))
    assert filled() == missed
    assert first.id not in missed
    assert {event["type"] for event in third.events["fills"]} == {"update"}
    third.socket.close()


def test_a_stream_ends_with_its_key_or_session(portal_venue, monkeypatch):
    person = portal_venue.person()
    with PortalClient(portal_venue.url) as client:
        client.log_in(person.mail, PASSWORD)
        follower = Follower(portal_venue.url)
        follower.ask(op="auth", token=client.tokens.access_token)
        assert follower.take()["type"] == "authenticated"
        follower.ask(op="subscribe", channel="orders")
        follower.until(lambda: "orders" in follower.last)
        client.log_out_everywhere()
        answer = follower.take()
        while answer["type"] != "error":
            answer = follower.take()
        assert answer["code"] == "not_logged_in"
        follower.socket.close()


def test_many_read_while_others_trade(portal_venue, two):
    """Every follower has the same book at the end."""
    one, other = two
    followers = [Follower(portal_venue.url, packed=n % 2 == 1) for n in range(6)]
    for follower in followers:
        follower.ask(op="subscribe", channel="book", symbol="ETH-BTC")
    done = {"bids": {"0.05000": "2.00000000"}, "asks": {}}
    threads = [
        threading.Thread(target=follower.until, args=(lambda f=follower: f.book == done,))
        for follower in followers
    ]
    for thread in threads:
        thread.start()
    for n in range(20):
        row = one.place("ETH-BTC", "sell", "limit", quantity="1", price=f"0.06{n:03}")
        one.cancel(row.id)
    other.place("ETH-BTC", "buy", "limit", quantity="2", price="0.05")
    for thread in threads:
        thread.join(BOUND_S)
        assert not thread.is_alive()
    for follower in followers:
        follower.socket.close()
    wait_until(lambda: one.book("ETH-BTC").bids == [["0.05000", "2.00000000"]], "the book")
