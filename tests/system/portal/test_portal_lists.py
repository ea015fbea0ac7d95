"""Lists of orders in the Binance-shaped API: OCO, OTO and OTOCO, over a real venue."""

import asyncio
import hashlib
import hmac
import json
import time

import pytest

from tests.support.console.websockets_patient import connect
from tests.support.portal.clients import at_portal, settings
from tests.support.waiting import BOUND_S, wait_until
from tests.system.portal.test_history import asked, running_embedded

USD, BTC = 10**6, 10**8
LIST, OTO, OTOCO = (f"/api/v3/orderList{end}" for end in ("", "/oto", "/otoco"))
OCO, OLD = "/api/v3/orderList/oco", "/api/v3/order/oco"
SALE = {
    "symbol": "BTCUSD", "side": "SELL", "quantity": "0.5", "aboveType": "LIMIT_MAKER",
    "abovePrice": "120", "belowType": "STOP_LOSS", "belowStopPrice": "80",
}  # fmt: skip
WORKING = {
    "symbol": "BTCUSD", "workingType": "LIMIT", "workingSide": "BUY", "workingPrice": "90",
    "workingQuantity": "0.5", "workingTimeInForce": "GTC",
}  # fmt: skip
BRACKET = WORKING | {
    "pendingSide": "SELL", "pendingQuantity": "0.5", "pendingAboveType": "LIMIT_MAKER",
    "pendingAbovePrice": "120", "pendingBelowType": "STOP_LOSS", "pendingBelowStopPrice": "80",
}  # fmt: skip
PENDING = WORKING | {
    "pendingType": "LIMIT", "pendingSide": "SELL", "pendingPrice": "130",
    "pendingQuantity": "0.5", "pendingTimeInForce": "GTC",
}  # fmt: skip


@pytest.fixture
def two(portal_venue):
    """Two people; the last price is 100."""
    people = [portal_venue.person(USD=10**6 * USD, BTC=10 * BTC) for _ in range(2)]
    clients = [portal_venue.client(person) for person in people]
    with clients[0] as one, clients[1] as other:
        one.person = people[0]
        order(other, "SELL", "100")
        assert order(one, "BUY", "100")["status"] == "FILLED"
        yield one, other
        for client in (one, other):
            client.request("DELETE", "/api/v3/openOrders", symbol="BTCUSD")


def ask(client, method, path, **params):
    return client.request(method, path, **params).json()


def order(client, side, price, quantity="0.5"):
    terms = {"symbol": "BTCUSD", "type": "LIMIT", "timeInForce": "GTC"}
    terms |= {"side": side, "price": price, "quantity": quantity}
    return ask(client, "POST", "/api/v3/order", **terms)


def states(answer):
    return {row["type"]: row["status"] for row in answer["orderReports"]}


def state_of(client, name):
    return ask(client, "GET", "/api/v3/order", symbol="BTCUSD", origClientOrderId=name)


def test_an_oco_is_placed_found_and_ended_by_the_fill_of_one_order(two):
    one, other = two
    names = {"listClientOrderId": "my-list", "aboveClientOrderId": "up", "belowClientOrderId": "dn"}
    placed = ask(one, "POST", OCO, **SALE | names)
    assert (placed["contingencyType"], placed["listClientOrderId"]) == ("OCO", "my-list")
    assert (placed["listStatusType"], placed["listOrderStatus"]) == ("EXEC_STARTED", "EXECUTING")
    assert [row["clientOrderId"] for row in placed["orders"]] == ["dn", "up"]
    assert states(placed) == {"LIMIT_MAKER": "NEW", "STOP_LOSS": "NEW"}
    number = placed["orderListId"]
    assert {row["orderListId"] for row in placed["orderReports"]} == {number}
    open_orders = ask(one, "GET", "/api/v3/openOrders", symbol="BTCUSD")
    assert {row["orderListId"] for row in open_orders} == {number}
    shown = {name: placed[name] for name in placed if name != "orderReports"}
    assert ask(one, "GET", LIST, orderListId=number) == shown
    assert ask(one, "GET", LIST, origClientOrderId="my-list") == shown
    assert ask(one, "GET", "/api/v3/openOrderList") == [shown]
    again = ask(one, "POST", OCO, **SALE | {"listClientOrderId": "my-list"})
    assert again == {"code": -2010, "msg": "Duplicate order sent."}
    order(other, "BUY", "120", "0.2")
    assert state_of(one, "up")["status"] == "PARTIALLY_FILLED"
    assert state_of(one, "dn")["status"] == "EXPIRED"
    assert state_of(one, "dn")["expiryReason"] == "OCO_TRIGGER"
    assert ask(one, "GET", "/api/v3/openOrderList")[0]["listOrderStatus"] == "EXECUTING"
    done = ask(one, "DELETE", LIST, symbol="BTCUSD", orderListId=number, newClientOrderId="end")
    assert done["listOrderStatus"] == "ALL_DONE"
    assert states(done) == {"LIMIT_MAKER": "CANCELED"}
    assert ask(one, "GET", "/api/v3/openOrderList") == []
    assert ask(one, "GET", "/api/v3/allOrderList")[-1]["orderListId"] == number


def test_a_cancel_of_one_order_or_of_the_list_cancels_all(two):
    one, _ = two
    placed = ask(one, "POST", OLD, **OLD_SALE)
    assert states(placed) == {"LIMIT_MAKER": "NEW", "STOP_LOSS_LIMIT": "NEW"}
    cancelled = ask(one, "DELETE", "/api/v3/order", symbol="BTCUSD", origClientOrderId="lim")
    assert cancelled["orderListId"] == placed["orderListId"]
    assert [state_of(one, name)["status"] for name in ("lim", "stp")] == ["CANCELED"] * 2
    again = ask(one, "DELETE", LIST, symbol="BTCUSD", orderListId=placed["orderListId"])
    assert again == {"code": -2011, "msg": "Unknown order list sent."}
    placed = ask(one, "POST", OCO, **SALE)
    rows = ask(one, "DELETE", "/api/v3/openOrders", symbol="BTCUSD")
    (row,) = rows
    assert row["orderListId"] == placed["orderListId"]
    assert states(row) == {"LIMIT_MAKER": "CANCELED", "STOP_LOSS": "CANCELED"}


OLD_SALE = {
    "symbol": "BTCUSD", "side": "SELL", "quantity": "0.5", "price": "120", "stopPrice": "80",
    "stopLimitPrice": "79", "stopLimitTimeInForce": "GTC", "limitClientOrderId": "lim",
    "stopClientOrderId": "stp",
}  # fmt: skip


def test_pending_orders_of_a_bracket_wait_for_the_first_one(two):
    one, other = two
    placed = ask(one, "POST", OTOCO, **BRACKET)
    assert placed["contingencyType"] == "OTO"
    assert states(placed) == {
        "LIMIT": "NEW",
        "STOP_LOSS": "PENDING_NEW",
        "LIMIT_MAKER": "PENDING_NEW",
    }
    order(other, "SELL", "90")
    rows = ask(one, "GET", "/api/v3/openOrders", symbol="BTCUSD")
    assert {row["type"]: row["status"] for row in rows} == {
        "STOP_LOSS": "NEW",
        "LIMIT_MAKER": "NEW",
    }
    order(other, "BUY", "120")
    assert ask(one, "GET", "/api/v3/openOrders", symbol="BTCUSD") == []
    shown = ask(one, "GET", LIST, orderListId=placed["orderListId"])
    assert shown["listStatusType"] == "ALL_DONE"


def test_an_oto_whose_first_order_is_cancelled_is_over(two):
    one, _ = two
    placed = ask(one, "POST", OTO, **PENDING | {"workingClientOrderId": "w"})
    assert sorted(row["status"] for row in placed["orderReports"]) == ["NEW", "PENDING_NEW"]
    ask(one, "DELETE", "/api/v3/order", symbol="BTCUSD", origClientOrderId="w")
    assert ask(one, "GET", "/api/v3/openOrders", symbol="BTCUSD") == []


MISSING = "Mandatory parameter '{}' was not sent, was empty/null, or malformed."
RELATION = "The relationship of the prices for the orders is not correct."


TEXTS = {
    -1014: "Unsupported order combination.",
    -1158: "Order type not supported in OCO.",
    -1165: "A limit order in a buy OCO must be below.",
    -1168: "At least one OCO order must be contingent.",
    -1197: "A stop loss order in a sell OCO must be below.",
}
TWICE, POOR = "Duplicate order sent.", "Account has insufficient balance for requested action."
REFUSED = [
    (OCO, SALE | {"aboveType": ""}, -1102, MISSING.format("aboveType")),
    (OCO, SALE | {"abovePrice": ""}, -1102, MISSING.format("abovePrice")),
    (OCO, SALE | {"belowStopPrice": ""}, -1102, MISSING.format("belowStopPrice")),
    (OCO, SALE | {"quantity": ""}, -1102, MISSING.format("quantity")),
    (OCO, SALE | {"aboveType": "MARKET"}, -1158, ""),
    (OCO, SALE | {"belowType": "LIMIT_MAKER"}, -1168, ""),
    (OCO, SALE | {"aboveType": "STOP_LOSS"}, -1197, ""),
    (OCO, SALE | {"side": "BUY"}, -1165, ""),
    (OCO, SALE | {"abovePrice": "70"}, -2010, RELATION),
    (OCO, SALE | {"abovePrice": "99"}, -2010, RELATION),
    (OCO, SALE | {"listClientOrderId": "x", "aboveClientOrderId": "x"}, -2010, TWICE),
    (OCO, SALE | {"quantity": "50"}, -2010, POOR),
    (OCO, SALE | {"more": "1"}, -1104, None),
    (OTO, WORKING, -1102, MISSING.format("pendingType")),
    (OTO, PENDING | {"workingType": "MARKET"}, -1014, ""),
    (OTO, PENDING | {"pendingPrice": ""}, -1102, MISSING.format("pendingPrice")),
    (OTOCO, BRACKET | {"pendingAboveType": ""}, -1102, MISSING.format("pendingAboveType")),
    (OTOCO, BRACKET | {"pendingBelowStopPrice": "130"}, -2010, RELATION),
]


@pytest.mark.parametrize(("path", "params", "code", "text"), REFUSED)
def test_what_is_no_list_is_refused_as_documented_and_leaves_nothing(two, path, params, code, text):
    one, _ = two
    answer = ask(one, "POST", path, **params)
    assert answer["code"] == code
    assert text is None or answer["msg"] == (text or TEXTS[code])
    assert ask(one, "GET", "/api/v3/openOrders", symbol="BTCUSD") == []
    assert ask(one, "GET", "/api/v3/openOrderList") == []


def test_a_list_of_another_account_is_unknown(two):
    one, other = two
    placed = ask(one, "POST", OCO, **SALE | {"listClientOrderId": "mine"})
    number = placed["orderListId"]
    for which in ({"orderListId": number}, {"listClientOrderId": "mine"}):
        answer = ask(other, "DELETE", LIST, symbol="BTCUSD", **which)
        assert answer == {"code": -2011, "msg": "Unknown order list sent."}
    answer = ask(other, "GET", LIST, orderListId=number)
    assert answer == {"code": -2013, "msg": "Order list does not exist."}
    assert ask(other, "GET", "/api/v3/allOrderList") == []
    assert len(ask(one, "GET", "/api/v3/openOrderList")) == 1


def test_a_list_counts_its_orders(two):
    one, _ = two

    def counted():
        return one.request("GET", "/api/v3/rateLimit/order").json()[0]["count"]

    before = counted()
    ask(one, "POST", OTOCO, **BRACKET)
    assert counted() == before + 3


def test_programs_that_people_have_place_lists(portal_venue, two, monkeypatch):
    one, _ = two
    binance = pytest.importorskip("binance")
    monkeypatch.setattr(binance.Client, "API_URL", f"{portal_venue.url}/api")
    monkeypatch.setattr(binance.Client, "MARGIN_API_URL", f"{portal_venue.url}/sapi")
    person = one.person
    client = binance.Client(person.api_key, person.secret)
    placed = client.create_oco_order(**SALE)
    assert placed["contingencyType"] == "OCO"
    assert client.v3_get_order_list(orderListId=placed["orderListId"])["symbol"] == "BTCUSD"
    assert [row["orderListId"] for row in client.get_open_oco_orders()] == [placed["orderListId"]]
    client.v3_delete_order_list(symbol="BTCUSD", orderListId=placed["orderListId"])
    assert len(client.v3_post_order_list_otoco(**BRACKET)["orders"]) == 3
    ccxt = pytest.importorskip("ccxt")
    exchange = at_portal(ccxt.binance(settings(person)), portal_venue.url)
    placed = exchange.private_post_orderlist_oco(SALE)
    assert placed["listOrderStatus"] == "EXECUTING"


def test_a_list_is_placed_and_cancelled_over_the_websocket(portal_venue, two):
    one, _ = two
    with connect(portal_venue.url.replace("http", "ws") + "/ws-api/v3") as socket:

        def asked_by(method, **params):
            terms = {"apiKey": one.person.api_key, "timestamp": time.time_ns() // 10**6} | params
            text = "&".join(f"{name}={terms[name]}" for name in sorted(terms))
            secret = one.person.secret.encode()
            terms["signature"] = hmac.new(secret, text.encode(), hashlib.sha256).hexdigest()
            socket.send(json.dumps({"id": method, "method": method, "params": terms}))
            answer = json.loads(socket.recv(timeout=BOUND_S))
            return answer.get("result", answer.get("error"))

        placed = asked_by("orderList.place.otoco", **BRACKET)
        number = placed["orderListId"]
        assert len(placed["orderReports"]) == 3
        shown = asked_by("orderList.status", orderListId=number)
        assert asked_by("openOrderLists.status") == [shown]
        gone = asked_by("orderList.cancel", symbol="BTCUSD", orderListId=number)
        assert {row["status"] for row in gone["orderReports"]} == {"CANCELED"}
        assert len(gone["orderReports"]) == 3


def test_the_user_stream_says_what_becomes_of_a_list(portal_venue, two):
    one, other = two
    api_key = {"X-MBX-APIKEY": one.person.api_key}
    key = one.http.post("/api/v3/userDataStream", headers=api_key).json()["listenKey"]
    url = portal_venue.url.replace("http", "ws")
    with connect(f"{url}/ws/{key}") as stream:
        placed = ask(one, "POST", OCO, **SALE)
        order(other, "BUY", "120")
        told = []
        while len(told) < 2:
            event = json.loads(stream.recv(timeout=BOUND_S))
            if event["e"] == "listStatus":
                told.append(event)
            elif event["e"] == "executionReport":
                assert event["g"] == placed["orderListId"]
        assert [(event["l"], event["L"]) for event in told] == [
            ("EXEC_STARTED", "EXECUTING"),
            ("ALL_DONE", "ALL_DONE"),
        ]
        assert told[0]["C"] == placed["listClientOrderId"]
        assert [row["i"] for row in told[0]["O"]] == [row["orderId"] for row in placed["orders"]]


def test_a_list_is_found_after_a_lost_answer_and_a_death_of_the_portal(portal_venue, two):
    """The venue takes it while the portal is dead; its history has it, too."""
    one, _ = two
    ask(one, "GET", "/api/v3/openOrderList")
    lost = SALE | {"listClientOrderId": "lost"}
    asyncio.run(portal_venue.killed_during(asyncio.to_thread(ask, one, "POST", OCO, **lost)))
    with portal_venue.client(one.person) as again:
        shown = ask(again, "GET", LIST, origClientOrderId="lost")
        assert (shown["listOrderStatus"], len(shown["orders"])) == ("EXECUTING", 2)
        assert ask(again, "POST", OCO, **lost)["msg"] == TWICE
        assert ask(again, "GET", "/api/v3/openOrderList") == [shown]
        ask(again, "POST", OTO, **PENDING)
        lists = ask(again, "GET", "/api/v3/allOrderList")
        assert len(lists) == 2
    database = running_embedded(portal_venue.folder / "journal-portal" / "postgresql")
    whose = one.person.participant

    def stored():
        found = asked(database, lambda history: history.order_lists(whose, 10))
        return [of.number for of in found]

    numbers = [row["orderListId"] for row in lists]
    wait_until(lambda: stored() == numbers, "the lists in the history")
    (found,) = asked(database, lambda history: history.order_lists(whose, 10, first=numbers[1]))
    assert [order.client_id for order in found.orders] == [
        row["clientOrderId"] for row in lists[1]["orders"]
    ]
    by_name = asked(database, lambda history: history.order_list(whose, None, "lost"))
    assert (by_name.number, by_name.is_open, by_name.contingency) == (numbers[0], True, 1)
    _, orders = asked(database, lambda history: history.open_orders(1 << 60))
    own = [order.of.number for order in orders if order.participant == whose]
    assert sorted(own) == sorted(2 * numbers)


def test_a_cancel_of_all_orders_over_v1_names_each_order_of_a_list(portal_venue, two):
    one, _ = two
    ask(one, "POST", OCO, **SALE)
    order(one, "BUY", "50")
    headers = {"authorization": f"Bearer {one.person.token}", "idempotency-key": "all-of-it"}
    gone = one.http.delete("/v1/orders", headers=headers).json()
    assert sorted(row["type"] for row in gone) == ["limit", "post_only", "stop"]
    assert {row["state"] for row in gone} == {"cancelled"}
