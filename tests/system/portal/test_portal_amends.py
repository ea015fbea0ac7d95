"""Open orders get another price, quantity or shown quantity, as the core allows."""

import pytest

from openoutcry.client.portal import PortalClient, PortalError
from tests.support.waiting import wait_until

USD, BTC = 10**6, 10**8
FAR_MS = 4_102_444_800_123
"""In the year 2100."""


@pytest.fixture
def two(portal_venue):
    people = [portal_venue.person(USD=10**6 * USD, BTC=100 * BTC) for _ in range(2)]
    clients = [PortalClient(portal_venue.url, one.api_key, one.secret) for one in people]
    yield clients
    for client in clients:
        client.cancel_all()
        client.close()


@pytest.mark.parametrize(
    "terms",
    [
        {"type": "limit"},
        {"type": "limit", "time_in_force": "day"},
        {"type": "limit", "time_in_force": "gtd", "expires_ms": FAR_MS},
        {"type": "limit", "time_in_force": "at_close"},
        {"type": "limit", "shown_quantity": "0.1"},
        {"type": "post_only", "self_trade": "cancel_both"},
        {"type": "post_only_slide"},
        {"type": "hidden"},
        {"type": "all_or_none"},
        {"type": "peg_primary", "offset": "-0.5"},
        {"type": "peg_midpoint"},
        {"type": "stop_limit", "stop_price": "59999"},
        {"type": "post_only_stop_limit", "stop_price": "59999"},
        {"type": "trailing_stop_limit", "trailing_distance": "120.5"},
        {"type": "trailing_stop_limit", "trailing_bps": 150},
    ],
    ids=str,
)
def test_an_order_of_any_type_is_amended(two, terms):
    """Its other terms stay, and the money that it holds is that of its new terms."""
    one, other = two
    one.place("BTC-USD", "sell", "limit", quantity="1", price="51000")
    placed = other.place("BTC-USD", "buy", **terms, quantity="0.4", price="40000")
    row = other.amend(placed.id, quantity="0.5", price="41000", key="amend-1")
    assert (row.id, row.state, row.client_order_id) == (placed.id, "open", "amend-1")
    assert (row.quantity, row.price) == ("0.50000000", "41000.00")
    same = "type", "time_in_force", "expires_ms", "min_quantity", "shown_quantity", "offset"
    same += "stop_price", "trailing_bps", "trailing_distance", "self_trade", "is_working"
    for name in same:
        assert getattr(row, name) == getattr(placed, name), name
    assert other.amend(placed.id, quantity="0.5", price="41000", key="amend-1") == row
    (held,) = [one.reserved for one in other.balances() if one.asset == "USD"]
    wait_until(lambda: other.past_orders(state="open").items == [row])
    assert other.amend(placed.id, price="40000").quantity == "0.50000000"
    (less,) = [one.reserved for one in other.balances() if one.asset == "USD"]
    assert float(held) / float(less) == pytest.approx(41 / 40)
    assert other.cancel(placed.id).state == "cancelled"


def test_an_amended_order_trades_with_what_it_had_executed(two):
    one, other = two
    shown = {"quantity": "1", "price": "40000", "shown_quantity": "0.1"}
    ice = one.place("BTC-USD", "buy", "limit", **shown)
    other.place("BTC-USD", "sell", "limit", quantity="0.3", price="40000")
    row = one.amend(ice.id, quantity="0.8", shown_quantity="0.2")
    assert (row.filled_quantity, row.quantity) == ("0.30000000", "0.80000000")
    assert row.shown_quantity == "0.20000000"
    wait_until(lambda: one.past_orders(state="open").items == [row])
    other.place("BTC-USD", "sell", "limit", quantity="0.5", price="40000")
    assert one.order(ice.id).state == "filled"
    with pytest.raises(PortalError) as gone:
        one.amend(ice.id, price="39000")
    assert gone.value.code == "not_cancellable"


def test_an_amend_that_the_venue_refuses_changes_nothing(two):
    one, other = two
    one.place("BTC-USD", "sell", "limit", quantity="1", price="51000")
    post = other.place("BTC-USD", "buy", "post_only", quantity="1", price="40000")
    stop = other.place("BTC-USD", "buy", "stop", quantity="0.1", stop_price="59000")
    trailing = other.place(
        "BTC-USD", "buy", "trailing_stop", quantity="0.1", trailing_distance="100"
    )
    for number, terms, code in (
        (post.id, {"price": "51000"}, "would_take"),
        (post.id, {"quantity": "90"}, "insufficient_balance"),
        (post.id, {"quantity": "10000001"}, "filter_failure"),
        (trailing.id, {"quantity": "0.2"}, "order_rejected"),
        (post.id, {"price": "1.001"}, "filter_failure"),
        (post.id, {"shown_quantity": "0.1"}, "invalid_request"),
        (post.id, {}, "invalid_request"),
        (post.id, {"quantity": "x"}, "invalid_request"),
        (stop.id, {"price": "5"}, "invalid_request"),
        (1, {"price": "5"}, "not_found"),
    ):
        with pytest.raises(PortalError) as refused:
            other.amend(number, **terms)
        assert refused.value.code == code, terms
    with pytest.raises(PortalError) as others:
        one.amend(post.id, price="39000")
    assert others.value.code == "not_found"
    assert {row.id: row for row in other.list_orders(state="open").items} == {
        post.id: post,
        stop.id: stop,
        trailing.id: trailing,
    }
    other.amend(stop.id, quantity="0.2")
    assert float(other.order(stop.id).quantity) == 0.2


def test_an_order_made_smaller_by_binances_request_keeps_its_place(portal_venue):
    """It trades ahead of the one behind it, has its new name everywhere, and its changes are
    listed."""
    first, second, seller = (portal_venue.person(USD=10**6 * USD, BTC=100 * BTC) for _ in range(3))
    order = {"symbol": "BTCUSD", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC"}
    order |= {"quantity": "1", "price": "49500"}
    amend = "/api/v3/order/amend/keepPriority"
    with (
        portal_venue.client(first) as one,
        portal_venue.client(second) as other,
        portal_venue.client(seller) as third,
    ):
        own = one.request("POST", "/api/v3/order", **order, newClientOrderId="before").json()
        other.request("POST", "/api/v3/order", **order)
        which = {"symbol": "BTCUSD", "orderId": own["orderId"]}
        answer = one.request("PUT", amend, **which, newQty="0.6", newClientOrderId="after")
        assert answer.status_code == 200, answer.text
        made = answer.json()
        shown = made["amendedOrder"]
        assert (shown["origClientOrderId"], shown["clientOrderId"]) == ("before", "after")
        assert (shown["orderId"], shown["qty"]) == (own["orderId"], "0.60000000")
        assert (shown["status"], shown["price"]) == ("NEW", "49500.00")
        for size, text in (
            ("0.6", "Order amend (quantity increase) is not supported."),
            ("2", "Order amend (quantity increase) is not supported."),
        ):
            refused = one.request("PUT", amend, **which, newQty=size).json()
            assert refused == {"code": -2038, "msg": text}
        unknown = other.request("PUT", amend, **which, newQty="0.1").json()
        assert unknown["code"] == -2038, "another participant's order"
        sold = order | {"side": "SELL", "quantity": "0.6"}
        third.request("POST", "/api/v3/order", **sold)
        state = one.get("/api/v3/order", **which).json()
        assert (state["status"], state["origQty"]) == ("FILLED", "0.60000000")
        assert state["clientOrderId"] == "after"
        rows = one.get("/api/v3/order/amendments", **which).json()
        assert [(row["origQty"], row["newQty"]) for row in rows] == [("1.00000000", "0.60000000")]
        assert rows[0]["executionId"] == made["executionId"]
        assert rows[0]["newClientOrderId"] == "after"
        assert other.get("/api/v3/order/amendments", **which).json() == []
        gone = one.request("PUT", amend, **which, newQty="0.1").json()
        assert gone["code"] == -2038, "it is filled"
