"""The API against a venue that trades: orders of each kind, exact wallets, refusals by their codes,
and nothing in the name of somebody else."""

import json
import time
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from itertools import product

import pytest

from openoutcry.portal.spot.rest import ROUTES
from openoutcry.venue.desk import PARTICIPANT_KNOWN, UNAVAILABLE, DeskError, ask
from tests.support.console.websockets_patient import connect
from tests.support.portal.clients import taken
from tests.support.portal.portal_venue import until_killed
from tests.support.waiting import BOUND_S

USD, BTC, ETH = 10**6, 10**8, 10**8


@pytest.fixture
def maker(portal_venue):
    return portal_venue.person(USD=10**6 * USD, BTC=100 * BTC, ETH=100 * ETH)


@pytest.fixture
def taker(portal_venue):
    return portal_venue.person(USD=10**6 * USD, BTC=100 * BTC, ETH=100 * ETH)


def balances(client):
    rows = client.get("/api/v3/account").json()["balances"]
    return {row["asset"]: Decimal(row["free"]) + Decimal(row["locked"]) for row in rows}


@pytest.mark.promise(
    "Wallets, history, portfolios and statements are those of core, journal and ledger, to "
    "the unit; a statement that does not agree with the books is not shown",
    group="portal",
)
def test_orders_of_each_kind_trade_and_wallets_are_exact(portal_venue, maker, taker):
    with portal_venue.client(maker) as one, portal_venue.client(taker) as two:
        before = balances(one), balances(two)
        rest = one.order("SELL", "0.5", "50000", newClientOrderId="rest-1").json()
        assert (rest["status"], rest["clientOrderId"]) == ("NEW", "rest-1")
        account = one.get("/api/v3/account").json()["balances"]
        assert next(row for row in account if row["asset"] == "BTC")["locked"] == "0.50000000"
        taken = two.order("BUY", "0.2", "50010.50").json()
        assert (taken["status"], taken["executedQty"]) == ("FILLED", "0.20000000")
        assert taken["cummulativeQuoteQty"] == "10000.000000"
        (fill,) = taken["fills"]
        assert (fill["price"], fill["commission"], fill["commissionAsset"]) == (
            "50000.00",
            "0.00020000",
            "BTC",
        )
        budget = two.order(
            "BUY", "", "", type="MARKET", timeInForce="", quoteOrderQty="1000"
        ).json()
        assert (budget["status"], budget["cummulativeQuoteQty"]) == ("FILLED", "1000.000000")
        assert (budget["origQty"], budget["type"]) == ("0.02000000", "MARKET")
        market = two.order("BUY", "0.01", "", type="MARKET", timeInForce="").json()
        assert market["status"] == "FILLED"
        ioc = two.order("BUY", "0.01", "49000", timeInForce="IOC").json()
        assert (ioc["status"], ioc["executedQty"]) == ("EXPIRED", "0.00000000")
        fok = two.order("BUY", "5", "50000", timeInForce="FOK").json()
        assert fok["status"] == "EXPIRED"
        post = two.order("BUY", "0.01", "50000", type="LIMIT_MAKER", timeInForce="")
        assert post.json() == {"code": -2010, "msg": "Order would immediately match and take."}
        terms = {"type": "STOP_LOSS_LIMIT", "stopPrice": "48500"}
        stop = two.order("SELL", "0.01", "48000", **terms, newOrderRespType="RESULT").json()
        assert (stop["status"], stop["stopPrice"]) == ("NEW", "48500.00")
        shown = two.get("/api/v3/order", symbol="BTCUSD", orderId=stop["orderId"]).json()
        assert (shown["isWorking"], shown["type"]) == (False, "STOP_LOSS_LIMIT")
        ice = two.order("BUY", "1", "40000", icebergQty="0.1").json()
        assert ice["icebergQty"] == "0.10000000"
        book = two.get("/api/v3/depth", symbol="BTCUSD").json()
        assert ["40000.00", "0.10000000"] in book["bids"]
        open_now = {row["orderId"] for row in two.get("/api/v3/openOrders").json()}
        assert open_now == {stop["orderId"], ice["orderId"]}
        gone = two.request("DELETE", "/api/v3/openOrders", symbol="BTCUSD").json()
        assert {row["status"] for row in gone} == {"CANCELED"}
        left = one.request(
            "DELETE", "/api/v3/order", symbol="BTCUSD", origClientOrderId="rest-1"
        ).json()
        assert (left["executedQty"], left["origClientOrderId"]) == ("0.23000000", "rest-1")
        for client, start in ((one, before[0]), (two, before[1])):
            rows = client.get("/api/v3/myTrades", symbol="BTCUSD").json()
            moved = dict.fromkeys(start, Decimal(0))
            for row in rows:
                sign = 1 if row["isBuyer"] else -1
                moved["BTC"] += sign * Decimal(row["qty"])
                moved["USD"] -= sign * Decimal(row["quoteQty"])
                moved[row["commissionAsset"]] -= Decimal(row["commission"])
            after = balances(client)
            assert {name: after[name] - start[name] for name in start} == moved
            assert {row["isMaker"] for row in rows} == {client is one}


@pytest.mark.promise(
    "A market order for a sum sells at most what its account has free. A test order is refused "
    "where the order would be",
    group="portal",
)
def test_a_sale_for_a_sum_reserves_what_can_be_sold(portal_venue, maker, taker):
    with portal_venue.client(maker) as one, portal_venue.client(taker) as two:
        one.order("BUY", "0.5", "50000", newClientOrderId="bid-1").raise_for_status()
        before = balances(two)
        terms = {"type": "MARKET", "timeInForce": ""}
        for amount, bought in (("100", "0.002"), ("1000", "0.02")):
            sold = two.order("SELL", "", "", **terms, quoteOrderQty=amount).json()
            assert (sold["status"], Decimal(sold["executedQty"])) == ("FILLED", Decimal(bought))
            assert Decimal(sold["cummulativeQuoteQty"]) == Decimal(amount)
        assert before["BTC"] - balances(two)["BTC"] == Decimal("0.022")
        one.request("DELETE", "/api/v3/openOrders", symbol="BTCUSD").raise_for_status()


FORMS = {
    "market for a sum": {"type": "MARKET", "timeInForce": "", "quoteOrderQty": None},
    "market": {"type": "MARKET", "timeInForce": "", "quantity": None},
    "limit": {"price": "50000", "quantity": None},
    "immediate or cancel": {"price": "50000", "timeInForce": "IOC", "quantity": None},
    "maker": {"type": "LIMIT_MAKER", "timeInForce": "", "price": "50000", "quantity": None},
}


@pytest.mark.parametrize("size", ["little", "too much"])
def test_a_test_order_is_answered_as_the_order(portal_venue, maker, taker, size):
    """Each form and side, for little and for more than the account has."""
    for form, side in product(FORMS, ("BUY", "SELL")):
        of_sum = "quoteOrderQty" in FORMS[form]
        amount = "100" if of_sum else "0.001"
        if size == "too much":
            amount = "1000000000" if of_sum else "9000"
        more = {n: amount if value is None else value for n, value in FORMS[form].items()}
        quantity, price = more.pop("quantity", ""), more.pop("price", "")
        with portal_venue.client(maker) as one, portal_venue.client(taker) as two:
            other = "SELL" if side == "BUY" else "BUY"
            bound = {"BUY": "50001", "SELL": "49999"}[side] if form == "maker" else "50000"
            one.order(other, "0.5", bound).raise_for_status()
            try:
                tested = two.order(side, quantity, price, path="/api/v3/order/test", **more)
                sent = two.order(side, quantity, price, **more)
            finally:
                for client in (one, two):
                    client.request("DELETE", "/api/v3/openOrders", symbol="BTCUSD")
        case = form, side, sent.json()
        if sent.status_code == 200:
            assert (tested.status_code, tested.json()) == (200, {}), case
        else:
            assert (tested.status_code, tested.json()) == (sent.status_code, sent.json()), case
        assert (sent.status_code == 200) == (size == "little"), case


STOPS = {
    "STOP_LOSS": {"timeInForce": ""},
    "STOP_LOSS_LIMIT": {"price": "50000"},
    "TAKE_PROFIT": {"timeInForce": ""},
    "TAKE_PROFIT_LIMIT": {"price": "50000"},
}
OTHER = {"BUY": "SELL", "SELL": "BUY"}
TRIGGERS = {
    ("BUY", "passed"): "49999",
    ("BUY", "reached"): "50000",
    ("BUY", "ahead"): "50001",
    ("SELL", "passed"): "50001",
    ("SELL", "reached"): "50000",
    ("SELL", "ahead"): "49999",
}
"""By the side of a stop; a take-profit of the other side has its trigger there."""
WOULD_TRIGGER = {"code": -2010, "msg": "Stop price would trigger immediately."}
CANCEL_FIRST = {"cancelReplaceMode": "ALLOW_FAILURE", "cancelOrigClientOrderId": "nothing"}


@pytest.mark.promise(
    "The Binance-shaped API refuses a stop whose trigger the last trade has passed, as Binance "
    "does; /v1 follows the venue's setting",
    group="portal",
)
@pytest.mark.parametrize("kind", STOPS)
def test_a_stop_that_would_trigger_at_once_is_refused(portal_venue, maker, taker, kind):
    """By an order, a test of it, and a replacement, each with the same words; nothing trades."""
    with portal_venue.client(maker) as one, portal_venue.client(taker) as two:
        for (stops, where), trigger in TRIGGERS.items():
            side = OTHER[stops] if "TAKE" in kind else stops
            terms = STOPS[kind] | {"type": kind, "stopPrice": trigger}
            price = terms.pop("price", "")
            one.order("SELL", "0.01", "50000").raise_for_status()
            assert two.order("BUY", "0.01", "50000").json()["status"] == "FILLED"
            one.order("SELL", "0.5", "50002").raise_for_status()
            one.order("BUY", "0.5", "49998").raise_for_status()
            before = balances(two)
            try:
                tested = two.order(side, "0.01", price, path="/api/v3/order/test", **terms)
                replaced = two.order(
                    side, "0.01", price, path="/api/v3/order/cancelReplace", **terms, **CANCEL_FIRST
                )
                sent = two.order(side, "0.01", price, **terms, newOrderRespType="RESULT")
                open_now = two.get("/api/v3/openOrders", symbol="BTCUSD").json()
            finally:
                for client in (one, two):
                    client.request("DELETE", "/api/v3/openOrders", symbol="BTCUSD")
            assert balances(two) == before, (side, where)
            if where != "ahead":
                refused = WOULD_TRIGGER
                assert [answer.json() for answer in (tested, sent)] == [refused, refused]
                assert (tested.status_code, sent.status_code) == (400, 400)
                answer = replaced.json()
                assert answer == refused or answer["data"]["newOrderResponse"] == refused
                assert open_now == []
            else:
                assert (tested.status_code, tested.json()) == (200, {}), (side, where)
                assert (sent.status_code, sent.json()["status"]) == (200, "NEW")
                assert {row["type"] for row in open_now} == {kind}


def test_a_triangle_trades_through_one_wallet(portal_venue, maker, taker):
    with portal_venue.client(maker) as one, portal_venue.client(taker) as two:
        for symbol, quantity, price in (
            ("ETHUSD", "1", "3000"),
            ("ETHBTC", "1", "0.06"),
        ):
            side = "SELL" if symbol == "ETHUSD" else "BUY"
            one.order(side, quantity, price, symbol=symbol)
        bought = two.order("BUY", "1", "3000", symbol="ETHUSD").json()
        sold = two.order("SELL", "0.999", "0.06", symbol="ETHBTC").json()
        assert (bought["status"], sold["status"]) == ("FILLED", "FILLED")
        after = balances(two)
        assert after["ETH"] == Decimal("100") + Decimal("0.999") - Decimal("0.999")
        assert after["BTC"] == Decimal("100") + Decimal("0.05994") * Decimal("0.999")
        assert after["USD"] == Decimal("1000000") - 3000


ILLEGAL = "Illegal characters found in parameter '{}'; legal range is '{}'."
DECIMAL = r"^([0-9]{1,20})(\.[0-9]{1,20})?$"
REFUSALS = (
    ({"price": "50000.001"}, -1013, "Filter failure: PRICE_FILTER"),
    ({"price": "0"}, -1013, "Filter failure: PRICE_FILTER"),
    ({"quantity": "0.00001"}, -1013, "Filter failure: LOT_SIZE"),
    ({"quantity": "1000000"}, -1013, "Filter failure: LOT_SIZE"),
    ({"quantity": "99"}, -2010, "Account has insufficient balance for requested action."),
    ({"symbol": "NOPE"}, -1121, "Invalid symbol."),
    ({"side": "HOLD"}, -1117, "Invalid side."),
    ({"type": "HOLD"}, -1116, "Invalid orderType."),
    ({"timeInForce": "GTX"}, -1115, "Invalid timeInForce."),
    ({"quantity": "1e5"}, -1100, ILLEGAL.format("quantity", DECIMAL)),
    ({"quantity": "-1"}, -1100, ILLEGAL.format("quantity", DECIMAL)),
    (
        {"newClientOrderId": "a b"},
        -1100,
        ILLEGAL.format("newClientOrderId", r"^[\.A-Z\:/a-z0-9_-]{1,36}$"),
    ),
)


def test_what_cannot_be_is_refused_by_its_code(portal_venue, maker):
    with portal_venue.client(maker) as client:
        for change, code, text in REFUSALS:
            terms = {"side": "BUY", "quantity": "0.1", "price": "50000", **change}
            answer = client.order(**terms)
            assert answer.json() == {"code": code, "msg": text}, change
            assert answer.status_code == 400
        nothing = client.request("POST", "/api/v3/order", symbol="BTCUSD", side="BUY")
        assert nothing.json()["code"] == -1102
        missing = client.request("DELETE", "/api/v3/order", symbol="BTCUSD", orderId=10**9)
        assert missing.json() == {"code": -2011, "msg": "Unknown order sent."}
        missing = client.get("/api/v3/order", symbol="BTCUSD", orderId=10**9)
        assert missing.json() == {"code": -2013, "msg": "Order does not exist."}
        # Clients read a number as the code of whatever they ask for.
        for path in ("/fapi/v1/leverageBracket", "/sapi/v9/margin/interestHistory", "/api/v9/a"):
            other = client.get(path)
            said = {"code": -1020, "msg": "This operation is not supported."}
            assert (other.status_code, other.json()) == (404, said), path
        assert client.get("/v1/nothing").json()["code"] == "not_found"


@pytest.mark.promise(
    "A request of a key needs its signature, over exactly what was sent, within its time, and"
    " counts once (HMAC-SHA256, Ed25519, RSA). One of the native API covers method, path with "
    "query, Idempotency-Key and body. A revoked key ends at once",
    group="portal",
)
def test_only_the_holder_of_a_key_asks_and_only_once(portal_venue, maker):
    path = "/api/v3/order"
    terms = {"symbol": "BTCUSD", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC"}
    terms |= {"quantity": "0.1", "price": "100"}
    with portal_venue.client(maker) as client:
        query = client.signed(**terms)
        first = client.http.post(f"{path}?{query}")
        assert first.status_code == 200, first.text
        again = client.http.post(f"{path}?{query}").json()
        assert again["code"] == -1021
        forged = client.signed(**terms).replace("price=100", "price=101")
        assert client.http.post(f"{path}?{forged}").json()["code"] == -1022
        now = time.time_ns() // 1_000_000
        for at, more in (
            (now - 70_000, {"recvWindow": 60_000}),
            (now + 5_000, {}),
            (now - 6_000, {}),
        ):
            late = client.http.post(f"{path}?{client.signed(timestamp=at, **terms, **more)}")
            assert late.json()["code"] == -1021
        window = client.get("/api/v3/account", recvWindow=60_001)
        assert window.json()["code"] == -1131
        twice = client.http.post(f"{path}?{client.signed(**terms)}&symbol=ETHUSD")
        assert twice.json()["code"] == -1101
        body = client.signed(**terms)
        form = {"content-type": "application/x-www-form-urlencoded"}
        split = client.http.post(path, content=body, headers=form)
        assert split.status_code == 200, "signed in the body"
        client.http.headers["x-mbx-apikey"] = "x" * 64
        assert client.get("/api/v3/account").json()["code"] == -2015
    reader = portal_venue.person(permissions=("read",))
    with portal_venue.client(reader) as client:
        assert client.get("/api/v3/account").status_code == 200
        assert client.order("BUY", "0.1", "100").json()["code"] == -2015
        headers = {"authorization": f"Bearer {reader.token}"}
        (row,) = client.http.get("/v1/api-keys", headers=headers).json()
        gone = client.http.delete(f"/v1/api-keys/{row['id']}", headers=headers)
        assert gone.status_code == 200
        assert client.get("/api/v3/account").json()["code"] == -2015


@pytest.mark.promise(
    "V4.2.1 (access): no request, whatever numbers and names it gives, reads, changes, "
    "confirms or cancels what belongs to another user. A key without the permission withdraws"
    " nothing",
    group="portal",
)
def test_no_request_reaches_the_orders_of_another(portal_venue, maker, taker):
    """Generated from the table of routes: a new one is in the matrix by itself."""
    with portal_venue.client(maker) as one, portal_venue.client(taker) as two:
        order = one.order("BUY", "0.1", "100", newClientOrderId="mine-1").json()
        one_key = one.http.post("/api/v3/userDataStream").json()["listenKey"]
        names = {
            "symbol": "BTCUSD",
            "orderId": order["orderId"],
            "origClientOrderId": "mine-1",
            "cancelOrderId": order["orderId"],
            "cancelReplaceMode": "STOP_ON_FAILURE",
            "side": "BUY",
            "type": "LIMIT",
            "timeInForce": "GTC",
            "quantity": "0.1",
            "price": "100",
            "listenKey": one_key,
        }
        with portal_venue.client() as stranger:
            for (method, path), route in ROUTES.items():
                if not route.security:
                    continue
                given = taken((method, path), names)
                refused = stranger.request(method, path, **given)
                assert refused.status_code == 401, (method, path)
                answer = two.request(method, path, **given)
                assert "-1104" not in answer.text, (method, path)
                shown = answer.text
                assert '"clientOrderId":"mine-1"' not in shown, (method, path)
                assert one_key not in shown, (method, path)
                if answer.status_code == 200 and isinstance(answer.json(), dict):
                    assert answer.json().get("orderId") != order["orderId"], (method, path)
        still = one.get("/api/v3/order", symbol="BTCUSD", orderId=order["orderId"]).json()
        assert still["status"] == "NEW"
        two.request("DELETE", "/api/v3/openOrders", symbol="BTCUSD")


@pytest.mark.promise(
    "Whatever process of the portal is killed, no order, transfer, request with an "
    "Idempotency-Key, notification or message of a stream is lost or doubled. The other "
    "processes serve meanwhile",
    group="portal",
)
def test_a_killed_portal_loses_and_doubles_no_order(portal_venue, maker):
    def entered(number):
        with portal_venue.client(maker) as client:
            return client.order("BUY", "0.001", "100", newClientOrderId=f"kill-{number}")

    first = until_killed(portal_venue, entered, threads=4, after=5)
    names = {f"kill-{number}": answer for number, answer in first.items()}
    assert None in names.values()
    portal_venue.start_portal()
    with portal_venue.client(maker) as client:
        rows = client.get("/api/v3/openOrders", symbol="BTCUSD").json()
        there = [row["clientOrderId"] for row in rows if row["clientOrderId"] in names]
        assert len(there) == len(set(there))
        answered = {
            name for name, one in names.items() if one is not None and one.status_code == 200
        }
        assert answered <= set(there), "an order that was answered is there"
        for name in names:
            again = client.order("BUY", "0.001", "100", newClientOrderId=name)
            expected = {"code": -2010, "msg": "Duplicate order sent."} if name in there else None
            assert (again.json() if again.status_code != 200 else None) == expected, name
        rows = client.get("/api/v3/openOrders", symbol="BTCUSD").json()
        named = [row["clientOrderId"] for row in rows if row["clientOrderId"] in names]
        assert sorted(named) == sorted(names)
        client.request("DELETE", "/api/v3/openOrders", symbol="BTCUSD")


def test_of_orders_with_one_id_at_once_one_is_taken(portal_venue, maker):
    def entered(number):
        # Two requests of one millisecond would be one request, received twice.
        more = {"newClientOrderId": "at-once", "recvWindow": str(5_000 + number)}
        with portal_venue.client(maker) as client:
            return client.order("BUY", "0.001", "100", **more).json()

    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(entered, range(6)))
    taken = [one for one in answers if "orderId" in one]
    assert len(taken) == 1
    assert [one for one in answers if one not in taken] == 5 * [
        {"code": -2010, "msg": "Duplicate order sent."}
    ]
    with portal_venue.client(maker) as client:
        (row,) = client.get("/api/v3/openOrders", symbol="BTCUSD").json()
        assert row["orderId"] == taken[0]["orderId"]
        client.request("DELETE", "/api/v3/openOrders", symbol="BTCUSD")


def test_the_desk_names_what_a_program_acts_on_by_a_code(portal_venue):
    request = {"do": "participant-add", "participant": 1, "reference": "known"}
    with pytest.raises(DeskError) as refused:
        ask(portal_venue.venue.journal, request)
    assert refused.value.code == PARTICIPANT_KNOWN
    with pytest.raises(DeskError) as closed:
        ask(portal_venue.folder, request)
    assert closed.value.code == UNAVAILABLE


def test_depth_events_never_skip_and_lead_to_the_snapshot(portal_venue, maker):
    url = portal_venue.url.replace("http", "ws")
    with (
        portal_venue.client(maker) as client,
        connect(f"{url}/stream?streams=btcusd@depth@100ms") as socket,
    ):
        snapshot = client.get("/api/v3/depth", symbol="BTCUSD", limit=5000).json()
        books = {side: dict(snapshot[side]) for side in ("bids", "asks")}
        for n in range(12):
            client.order("BUY", "0.01", str(200 + n % 5), newClientOrderId=f"depth-{n}")
        client.request("DELETE", "/api/v3/order", symbol="BTCUSD", origClientOrderId="depth-0")
        seq, last = snapshot["lastUpdateId"], None
        target = client.get("/api/v3/depth", symbol="BTCUSD", limit=5000).json()
        while seq < target["lastUpdateId"]:
            event = json.loads(socket.recv(BOUND_S))["data"]
            if event["u"] <= seq:
                last = event["u"]
                continue
            assert event["U"] == last + 1 if last else event["U"] <= seq + 1
            for side, rows in (("bids", event["b"]), ("asks", event["a"])):
                for price, quantity in rows:
                    books[side][price] = quantity
                    if not float(quantity):
                        del books[side][price]
            seq = last = event["u"]
        now = client.get("/api/v3/depth", symbol="BTCUSD", limit=5000).json()
        assert {side: dict(now[side]) for side in books} == books
        client.request("DELETE", "/api/v3/openOrders", symbol="BTCUSD")


def test_own_events_come_by_listen_key_in_order(portal_venue, maker, taker):
    url = portal_venue.url.replace("http", "ws")
    with portal_venue.client(maker) as one, portal_venue.client(taker) as two:
        key = two.http.post("/api/v3/userDataStream").json()["listenKey"]
        with connect(f"{url}/ws/{key}") as socket:
            one.order("SELL", "0.3", "51000")
            placed = two.order("BUY", "0.3", "51000", newClientOrderId="own-1").json()
            events = [json.loads(socket.recv(BOUND_S)) for _ in range(3)]
            new, trade, wallets = events
            assert [new["x"], trade["x"]] == ["NEW", "TRADE"]
            assert [new["X"], trade["X"]] == ["NEW", "FILLED"]
            assert (trade["c"], trade["i"]) == ("own-1", placed["orderId"])
            assert (trade["z"], trade["Z"], trade["N"]) == ("0.30000000", "15300.000000", "BTC")
            assert wallets["e"] == "outboundAccountPosition"
            assert {row["a"] for row in wallets["B"]} == {"BTC", "USD"}
            portal_venue.fund(taker, USD=5 * USD)
            assert json.loads(socket.recv(BOUND_S))["e"] == "outboundAccountPosition"
            moved = json.loads(socket.recv(BOUND_S))
            assert (moved["e"], moved["a"], moved["d"]) == ("balanceUpdate", "USD", "5.000000")


def test_weights_are_counted_and_too_many_orders_refused(portal_venue, maker):
    with portal_venue.client(maker) as client:
        one = client.get("/api/v3/ping").headers["x-mbx-used-weight-1m"]
        two = client.get("/api/v3/exchangeInfo").headers["x-mbx-used-weight-1m"]
        assert int(two) > 0
        assert int(one) > 0
        answer = client.order("BUY", "0.001", "100")
        assert int(answer.headers["x-mbx-order-count-10s"]) >= 1
        info = client.get("/api/v3/exchangeInfo").json()
        assert {row["rateLimitType"] for row in info["rateLimits"]} == {"REQUEST_WEIGHT", "ORDERS"}
        client.request("DELETE", "/api/v3/openOrders", symbol="BTCUSD")
