"""What Binance documents of single requests, streams and events, and this venue answers alike: one
table of requests, and one test of each connection."""

import hashlib
import hmac
import json
import time
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from urllib.parse import urlencode

import pytest
from websockets.exceptions import ConnectionClosed

from tests.support.console.websockets_patient import connect
from tests.support.venue.served_venue import stopped
from tests.support.waiting import BOUND_S, wait_until

USD, BTC = 10**6, 10**8
LIMIT = {"symbol": "BTCUSD", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC"}
LIMIT |= {"quantity": "0.1", "price": "100"}
MARKET = {"symbol": "BTCUSD", "side": "BUY", "type": "MARKET"}
EMPTY = "Parameter '{}' was empty."
MISSING = "Mandatory parameter '{}' was not sent, was empty/null, or malformed."
RANGE = (
    "Illegal characters found in parameter '{}'; legal range is "
    r"'^([0-9]{{1,20}})(\.[0-9]{{1,20}})?$'."
)
UNREAD = "Not all sent parameters were read; read '{}' parameter(s) but was sent '{}'."
ORDER, TEST = ("POST", "/api/v3/order"), ("POST", "/api/v3/order/test")
REQUESTS = [
    (ORDER, LIMIT | {"newClientOrderId": ""}, -1105, EMPTY.format("newClientOrderId")),
    (ORDER, LIMIT | {"icebergQty": ""}, -1105, EMPTY.format("icebergQty")),
    (ORDER, LIMIT | {"stopPrice": ""}, -1105, EMPTY.format("stopPrice")),
    (ORDER, LIMIT | {"strategyId": ""}, -1105, EMPTY.format("strategyId")),
    (ORDER, LIMIT | {"newOrderRespType": ""}, -1105, EMPTY.format("newOrderRespType")),
    (ORDER, LIMIT | {"recvWindow": ""}, -1105, EMPTY.format("recvWindow")),
    (ORDER, MARKET | {"quantity": "0.1", "price": ""}, -1105, EMPTY.format("price")),
    (ORDER, LIMIT | {"price": ""}, -1102, MISSING.format("price")),
    (ORDER, LIMIT | {"quantity": ""}, -1102, MISSING.format("quantity")),
    (ORDER, LIMIT | {"timeInForce": ""}, -1102, MISSING.format("timeInForce")),
    (ORDER, LIMIT | {"symbol": ""}, -1102, MISSING.format("symbol")),
    (ORDER, LIMIT | {"side": ""}, -1102, MISSING.format("side")),
    (ORDER, LIMIT | {"type": ""}, -1102, MISSING.format("type")),
    (("GET", "/api/v3/openOrders"), {"symbol": ""}, -1105, EMPTY.format("symbol")),
    (("GET", "/api/v3/allOrders"), {"symbol": "BTCUSD", "limit": ""}, -1105, EMPTY.format("limit")),
    (ORDER, LIMIT | {"quantity": "1."}, -1100, RANGE.format("quantity")),
    (ORDER, LIMIT | {"price": "100."}, -1100, RANGE.format("price")),
    (ORDER, LIMIT | {"price": ".5"}, -1100, RANGE.format("price")),
    (ORDER, MARKET | {"quoteOrderQty": "1."}, -1100, RANGE.format("quoteOrderQty")),
    (ORDER, LIMIT | {"recvWindow": "60001"}, -1131, "'recvWindow' must be less than 60000."),
    (ORDER, LIMIT | {"recvWindow": "60000.001"}, -1131, "'recvWindow' must be less than 60000."),
    # recvWindow, timestamp and signature are parameters, too.
    (ORDER, LIMIT | {"more": "1"}, -1104, UNREAD.format(9, 10)),
    (ORDER, LIMIT | {"more": "1", "most": "2"}, -1104, UNREAD.format(9, 11)),
    (("GET", "/api/v3/account"), {"more": "1"}, -1104, UNREAD.format(3, 4)),
    (("GET", "/api/v3/rateLimit/order"), {"more": "1"}, -1104, UNREAD.format(3, 4)),
]  # fmt: skip


@pytest.fixture
def maker(portal_venue):
    return portal_venue.person(USD=10**6 * USD, BTC=100 * BTC)


@pytest.fixture
def taker(portal_venue):
    return portal_venue.person(USD=10**6 * USD, BTC=100 * BTC)


@pytest.mark.parametrize(("at", "params", "code", "text"), REQUESTS)
def test_a_request_is_refused_as_documented(portal_venue, maker, at, params, code, text):
    with portal_venue.client(maker) as client:
        for path in {at[1], TEST[1] if at == ORDER else at[1]}:
            answer = client.request(at[0], path, **params)
            assert answer.json() == {"code": code, "msg": text}
            assert answer.status_code == 400
        assert client.get("/api/v3/openOrders").json() == []


@pytest.mark.parametrize("at", range(4))
@pytest.mark.parametrize("in_query", [0, 2, 4])
def test_a_signature_has_any_place_among_the_parameters(portal_venue, maker, at, in_query):
    """Binance: parameters may be sent in any order.  Query and body are signed as one text."""
    params = {"symbol": "BTCUSD", "recvWindow": 60_000, "timestamp": time.time_ns() // 10**6}
    parts = urlencode(params).split("&")
    parts.insert(at, "")
    query, body = parts[:in_query], parts[in_query:]
    payload = "&".join(filter(None, query)) + "&".join(filter(None, body))
    digest = hmac.new(maker.secret.encode(), payload.encode(), hashlib.sha256).hexdigest()
    query, body = (
        "&".join(part or f"signature={digest}" for part in side) for side in (query, body)
    )
    form = {"content-type": "application/x-www-form-urlencoded"}
    with portal_venue.client(maker) as client:
        path = f"/api/v3/openOrders?{query}"
        answer = client.http.request("DELETE", path, content=body, headers=form)
        assert answer.json() == {"code": -2011, "msg": "Unknown order sent."}


def test_a_sum_below_a_lot_is_no_order(portal_venue, maker, taker):
    lot = {"code": -1013, "msg": "Filter failure: LOT_SIZE"}
    nothing = "Order book liquidity is less than symbol minimum quantity."
    with portal_venue.client(maker) as one, portal_venue.client(taker) as two:
        for path in (ORDER[1], TEST[1]):
            for side in ("BUY", "SELL"):
                terms = MARKET | {"side": side, "quoteOrderQty": "1000"}
                empty = two.request("POST", path, **terms).json()
                assert empty == {"code": -2010, "msg": nothing}
        least = next(
            row
            for row in one.get("/api/v3/exchangeInfo", symbol="BTCUSD").json()["symbols"][0][
                "filters"
            ]
            if row["filterType"] == "LOT_SIZE"
        )["minQty"]
        for side, opposite, price in (("BUY", "SELL", "50000"), ("SELL", "BUY", "49000")):
            one.order(opposite, "0.1", price)
            cost = Decimal(least) * Decimal(price)
            for path in (ORDER[1], TEST[1]):
                terms = MARKET | {"side": side, "quoteOrderQty": str(cost - Decimal("0.01"))}
                assert two.request("POST", path, **terms).json() == lot
            terms["quoteOrderQty"] = str(cost)
            assert two.request("POST", ORDER[1], **terms).json()["executedQty"] == least
        one.request("DELETE", "/api/v3/openOrders", symbol="BTCUSD")


def test_of_cancels_of_one_order_at_once_one_cancels_it(portal_venue, maker):
    for _ in range(5):
        with portal_venue.client(maker) as client:
            number = client.order("BUY", "0.1", "100").json()["orderId"]

        def cancelled(place, number=number):
            # Two requests of one millisecond would be one request, received twice.
            more = {"orderId": number, "recvWindow": 50_000 + place}
            with portal_venue.client(maker) as client:
                return client.request("DELETE", ORDER[1], symbol="BTCUSD", **more)

        with ThreadPoolExecutor(10) as pool:
            answers = list(pool.map(cancelled, range(10)))
        assert sorted(answer.status_code for answer in answers) == [200] + 9 * [400]
        refused = [answer.json() for answer in answers if answer.status_code == 400]
        assert refused == 9 * [{"code": -2011, "msg": "Unknown order sent."}]


def closed(socket):
    """The messages of a connection until its other side closes it, and the code of that."""
    rows = []
    try:
        while True:
            rows.append(json.loads(socket.recv(BOUND_S)))
    except ConnectionClosed as end:
        return rows, end.rcvd.code


@pytest.mark.parametrize("path", ["/ws/{}", "/stream?streams={}"])
def test_a_listen_key_that_is_deleted_ends_its_stream(portal_venue, maker, path):
    url = portal_venue.url.replace("http", "ws")
    with portal_venue.client(maker) as client:
        key = client.http.post("/api/v3/userDataStream").json()["listenKey"]
        with connect(url + path.format(key)) as socket:
            client.http.delete("/api/v3/userDataStream", params={"listenKey": key})
            (row,), code = closed(socket)
        event = row.get("data", row)
        assert (event["e"], event["listenKey"], code) == ("listenKeyExpired", key, 1000)


def test_a_connection_with_other_streams_keeps_them(portal_venue, maker, taker):
    url = portal_venue.url.replace("http", "ws")
    with portal_venue.client(maker) as one, portal_venue.client(taker) as two:
        key = one.http.post("/api/v3/userDataStream").json()["listenKey"]
        with connect(f"{url}/stream?streams={key}/btcusd@trade") as socket:
            one.http.delete("/api/v3/userDataStream", params={"listenKey": key})
            assert json.loads(socket.recv(BOUND_S))["data"]["e"] == "listenKeyExpired"
            one.order("SELL", "0.1", "50000")
            two.order("BUY", "0.1", "50000")
            assert json.loads(socket.recv(BOUND_S))["stream"] == "btcusd@trade"


@pytest.mark.parametrize("kind", ["message", "ping", "pong"])
def test_a_connection_with_more_than_five_messages_a_second_is_cut(portal_venue, kind):
    url = portal_venue.url.replace("http", "ws")
    with connect(f"{url}/ws/btcusd@trade") as socket:
        # All are there at once, also on a busy machine.
        with stopped(portal_venue.web()):
            for number in range(13):
                if kind == "message":
                    text = {"id": number, "method": "LIST_SUBSCRIPTIONS"}
                    socket.send(json.dumps(text))
                else:
                    getattr(socket, kind)(str(number))
        rows, code = closed(socket)
        assert code == 1008
        assert [row["id"] for row in rows] == (list(range(5)) if kind == "message" else [])


@pytest.mark.parametrize(
    "name", ["!miniTicker@arr", "!miniTicker@arr@1000ms", "!ticker@arr@3000ms"]
)
def test_the_array_of_all_markets_comes_by_each_of_its_names(portal_venue, maker, taker, name):
    url = portal_venue.url.replace("http", "ws")
    with connect(f"{url}/stream") as socket:
        socket.send(json.dumps({"id": 1, "method": "SUBSCRIBE", "params": [name]}))
        assert json.loads(socket.recv(BOUND_S)) == {"result": None, "id": 1}
        row = json.loads(socket.recv(BOUND_S))
        assert row["stream"] == name
        assert "BTCUSD" in {one["s"] for one in row["data"]}


MODES = {
    # Of a sale of 0.5 against an own offer of 0.3: what maker and taker lose.
    "EXPIRE_TAKER": (None, "0.50000000"),
    "EXPIRE_MAKER": ("0.30000000", None),
    "EXPIRE_BOTH": ("0.30000000", "0.50000000"),
}


@pytest.mark.parametrize("mode", MODES)
def test_a_trade_with_oneself_is_reported_with_all_its_fields(portal_venue, maker, mode):
    url = portal_venue.url.replace("http", "ws")
    lost = dict(zip(("maker", "taker"), MODES[mode], strict=True))
    with portal_venue.client(maker) as client:
        key = client.http.post("/api/v3/userDataStream").json()["listenKey"]
        with connect(f"{url}/ws/{key}") as socket:
            made = client.order("BUY", "0.3", "40000").json()
            terms = {"selfTradePreventionMode": mode}
            took = client.order("SELL", "0.5", "39000", **terms).json()
            ids = {"maker": made["orderId"], "taker": took["orderId"]}
            wanted = [ids[name] for name in ids if lost[name]]
            reports = {}
            while len(reports) < len(wanted):
                event = json.loads(socket.recv(BOUND_S))
                if event.get("x") == "TRADE_PREVENTION":
                    reports[event["i"]] = event
        assert sorted(reports) == sorted(wanted)
        (match,) = client.get(
            "/api/v3/myPreventedMatches", symbol="BTCUSD", orderId=ids["maker"]
        ).json()
        for name, other in (("maker", "taker"), ("taker", "maker")):
            if not lost[name]:
                continue
            event = reports[ids[name]]
            shown = {
                field: event[field]
                for field in ("v", "A", "B", "u", "U", "Cs", "pl", "pL", "pY", "X")
            }
            assert shown == {
                "v": match["preventedMatchId"], "A": lost[name], "B": lost[name], "u": -1,
                "U": ids[other], "Cs": "BTCUSD", "pl": "0.30000000", "pL": "40000.00",
                "pY": "12000.000000", "X": "EXPIRED_IN_MATCH",
            }  # fmt: skip
            order = client.get("/api/v3/order", symbol="BTCUSD", orderId=ids[name]).json()
            assert order["preventedMatchId"] == match["preventedMatchId"]
            assert order["preventedQuantity"] == lost[name]
        both = {f"{name}PreventedQuantity": lots for name, lots in lost.items() if lots}
        assert match == {
            "symbol": "BTCUSD", "preventedMatchId": match["preventedMatchId"],
            "takerOrderId": ids["taker"], "makerSymbol": "BTCUSD", "makerOrderId": ids["maker"],
            "tradeGroupId": -1, "selfTradePreventionMode": mode, "price": "40000.00",
            "transactTime": match["transactTime"], **both,
        }  # fmt: skip
        (one,) = took["preventedMatches"]
        assert one == {
            name: match[name] for name in ("preventedMatchId", "makerOrderId", "price", *both)
        }
        number = match["preventedMatchId"]
        for asked in (
            {"preventedMatchId": number},
            {"orderId": ids["taker"], "fromPreventedMatchId": number},
        ):
            assert client.get("/api/v3/myPreventedMatches", symbol="BTCUSD", **asked).json() == [
                match
            ]
        refused = client.get("/api/v3/myPreventedMatches", symbol="BTCUSD").json()
        assert refused["code"] == -1128
        client.request("DELETE", "/api/v3/openOrders", symbol="BTCUSD")
        wait_until(lambda: client.get("/api/v3/openOrders").json() == [], "no open order")
