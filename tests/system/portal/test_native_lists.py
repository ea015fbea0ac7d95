"""Lists of orders of the native API, over a real venue: OCO, OUO, OTO and brackets."""

import pytest

from openoutcry.client.portal import PortalClient, PortalError
from tests.system.portal.test_portal_native import Follower

USD, BTC = 10**6, 10**8


def terms(side, kind, price, **more):
    """An order of a list; ``price``: the trigger of a stop."""
    name = "stop_price" if kind == "stop" else "price"
    return {
        "symbol": "BTC-USD",
        "side": side,
        "type": kind,
        "quantity": "0.5",
        name: price,
    } | more


EXITS = [terms("sell", "stop", "40000"), terms("sell", "limit", "60000")]
BRACKET = [terms("buy", "limit", "50000"), *EXITS]


@pytest.fixture
def two(portal_venue):
    """Two people; the last price is 51,000."""
    people = [portal_venue.person(USD=10**6 * USD, BTC=10 * BTC) for _ in range(2)]
    clients = [PortalClient(portal_venue.url, one.api_key, one.secret) for one in people]
    trade(clients[1], clients[0], "51000")
    yield clients
    for client in clients:
        client.cancel_all()
        client.close()


def trade(seller, buyer, price, quantity="0.5"):
    seller.place("BTC-USD", "sell", "limit", quantity=quantity, price=price)
    buyer.place("BTC-USD", "buy", "limit", quantity=quantity, price=price)


def states(of):
    return [(order.type, order.state, order.is_working) for order in of.orders]


def test_of_an_oco_one_order_trades_and_the_other_is_gone(two):
    one, other = two
    placed = one.place_list("oco", EXITS, key="exits")
    assert (placed.contingency, placed.client_list_id, placed.state) == ("oco", "exits", "open")
    assert states(placed) == [("stop", "open", False), ("limit", "open", True)]
    assert {order.list_id for order in placed.orders} == {placed.id}
    assert {order.list_id for order in one.list_orders(state="open").items} == {placed.id}
    assert one.place_list("oco", EXITS, key="exits") == placed
    with pytest.raises(PortalError, match="belongs to another list"):
        one.place_list("oco", EXITS[::-1], key="exits")
    with pytest.raises(PortalError, match="belongs to a list of orders"):
        one.place("BTC-USD", "buy", "limit", quantity="1", price="1", key="exits")
    assert one.order_list(placed.id) == placed
    assert one.order_lists(state="open", symbol="BTC-USD").items == [placed]
    assert one.order_lists(symbol="ETH-USD").items == one.order_lists(state="closed").items == []
    other.place("BTC-USD", "buy", "limit", quantity="0.5", price="60000")
    done = one.order_list(placed.id)
    assert (done.state, [order.state for order in done.orders]) == ("closed", ["expired", "filled"])
    assert done.seq == max(order.seq for order in done.orders) > placed.seq
    assert one.order_lists(state="closed").items == [done]
    assert one.place("BTC-USD", "buy", "limit", quantity="1", price="1").list_id is None


def test_the_exits_of_a_bracket_wait_and_a_partial_fill_of_one_makes_the_other_smaller(two):
    one, other = two
    placed = one.place_list("otouo", BRACKET)
    assert states(placed) == [
        ("limit", "open", True),
        ("stop", "open", False),
        ("limit", "open", False),
    ]
    other.place("BTC-USD", "sell", "limit", quantity="0.5", price="50000")
    waits, works = states(one.order_list(placed.id))[1:]
    assert (waits, works) == (("stop", "open", False), ("limit", "open", True))
    other.place("BTC-USD", "buy", "limit", quantity="0.2", price="60000")
    other.place("BTC-USD", "buy", "limit", quantity="1", price="39500")
    one.place("BTC-USD", "sell", "limit", quantity="0.1", price="39500")
    done = one.order_list(placed.id)
    filled = [order.filled_quantity for order in done.orders]
    assert (done.state, filled) == ("closed", ["0.50000000", "0.30000000", "0.20000000"])


def test_a_cancel_of_a_list_cancels_all_of_it_once(two):
    one, other = two
    placed = one.place_list("otoco", BRACKET)
    with pytest.raises(PortalError) as refused:
        other.cancel_list(placed.id)
    assert (refused.value.status, refused.value.code) == (404, "not_found")
    gone = one.cancel_list(placed.id, key="end")
    assert (gone.state, {order.state for order in gone.orders}) == ("closed", {"cancelled"})
    assert one.cancel_list(placed.id, key="end") == gone
    with pytest.raises(PortalError, match="not open"):
        one.cancel_list(placed.id, key="again")
    second = one.place_list("oco", EXITS)
    one.cancel(second.orders[0].id)
    assert {order.state for order in one.order_list(second.id).orders} == {"cancelled"}
    pages = [row.id for row in one.pages(one.order_lists, limit=1)]
    assert pages == [second.id, placed.id]


def lists_of(terms_of):
    """A list of each kind; an OTO has several orders that are for themselves."""
    first = terms_of("buy", "limit", "50000")
    exits = [terms_of("sell", "stop", "40000"), terms_of("sell", "limit", "60000")]
    more = [terms_of("sell", "limit", price) for price in ("60000", "61000", "62000")]
    return {
        "oco": exits,
        "ouo": exits,
        "oto": [first, *more],
        "otoco": [first, *exits],
        "otouo": [first, *exits],
    }


CANCELS = {
    "the list": lambda one, spot, placed: one.cancel_list(placed.id),
    "the list, by one key for all lists": lambda one, spot, placed: one.cancel_list(
        placed.id, key="end"
    ),
    "all": lambda one, spot, placed: one.cancel_all(),
    "the list, in the words of Binance": lambda one, spot, placed: spot.request(
        "DELETE", "/api/v3/orderList", symbol="BTCUSD", orderListId=placed.id
    ),
    "the list, by one name for all lists": lambda one, spot, placed: spot.request(
        "DELETE",
        "/api/v3/orderList",
        symbol="BTCUSD",
        orderListId=placed.id,
        newClientOrderId="end",
    ),
    "all, in the words of Binance": lambda one, spot, placed: spot.request(
        "DELETE", "/api/v3/openOrders", symbol="BTCUSD"
    ),
}


@pytest.mark.parametrize("how", CANCELS)
def test_a_cancel_leaves_no_order_of_a_list_open_whatever_has_traded(portal_venue, two, how):
    """The orders that wait for an OTO's first are for themselves once they have entered: with one
    of them the others do not go."""
    one, other = two
    holders = {(person.api_key, person.secret): person for person in portal_venue.people}
    person = holders[one.api_key, one.secret]
    for kind, legs in lists_of(terms).items():
        for filled in ("0", "0.2", "0.5") if kind.startswith("oto") else ("0",):
            placed = one.place_list(kind, legs)
            if filled != "0":
                other.place("BTC-USD", "sell", "limit", quantity=filled, price="50000")
            with portal_venue.client(person) as spot:
                CANCELS[how](one, spot, placed)
            of = one.order_list(placed.id)
            assert of.state == "closed", (kind, filled, states(of))
            assert one.list_orders(state="open").items == []
            assert all(float(row.reserved) == 0 for row in one.balances())


def test_a_list_is_cancelled_again_by_the_same_key_after_it_has_triggered(two):
    """The key's name may be used up by a cancel that came too late: the rest is cancelled all the
    same, and a repetition has the same answer."""
    one, other = two
    placed = one.place_list("oto", lists_of(terms)["oto"])
    other.place("BTC-USD", "sell", "limit", quantity="0.5", price="50000")
    one.cancel(placed.orders[1].id, key="end")
    gone = one.cancel_list(placed.id, key="end")
    assert [order.state for order in gone.orders] == ["filled", *["cancelled"] * 3]
    assert one.cancel_list(placed.id, key="end") == gone


def test_what_the_venue_refuses_names_the_order(two):
    one, other = two
    other.place("BTC-USD", "buy", "limit", quantity="0.5", price="50500")
    crossing = [EXITS[0], terms("sell", "post_only", "50000")]
    for key in ("x", "x"):  # the same again has the same answer
        with pytest.raises(PortalError, match=r"orders\.1: the order would trade at once"):
            one.place_list("oco", crossing, key=key)
    dear = [BRACKET[0] | {"quantity": "30"}, *EXITS]
    with pytest.raises(PortalError, match=r"orders\.0: the account's balance"):
        one.place_list("otoco", dear)
    assert one.order_lists(state="open").items == []
    assert one.list_orders(state="open").items == []


def test_the_stream_follows_lists(portal_venue, two):
    one, _ = two
    before = one.place_list("oco", EXITS)
    follower = Follower(portal_venue.url, False)
    follower.log_in(one)
    follower.ask(op="subscribe", channel="order_lists")
    follower.until(lambda: "order_lists" in follower.events)
    (row,) = follower.events["order_lists"][0]["data"]
    assert (row["id"], row["state"], len(row["orders"])) == (before.id, "open", 2)
    one.cancel_list(before.id)

    def last():
        return follower.events["order_lists"][-1]["data"]

    follower.until(lambda: [row["state"] for row in last()] == ["closed"])
    seq = follower.events["order_lists"][-1]["seq"]
    follower.socket.close()
    placed = one.place_list("otoco", BRACKET)
    again = Follower(portal_venue.url, False)
    again.last["order_lists"] = seq
    again.log_in(one)
    again.ask(op="subscribe", channel="order_lists", after=seq)
    again.until(lambda: "order_lists" in again.events)
    first = again.events["order_lists"][0]
    assert (first["type"], first["prev"], [row["id"] for row in first["data"]]) == (
        "update",
        seq,
        [placed.id],
    )
    again.socket.close()
