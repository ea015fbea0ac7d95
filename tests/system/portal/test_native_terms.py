"""Terms of orders over the portal's doors, at a real venue: good till date for every type, and the
price that elects a stop."""

import pytest

from openoutcry.client.portal import PortalClient, PortalError
from openoutcry.portal.native.orders import TYPE_NAMES
from openoutcry.wire.enums import OrderType, TimeInForce, TriggerBy
from openoutcry.wire.order_types import ORDER_TYPES, PEGS, STOPS, TRAILING, UNPRICED
from tests.support.waiting import wait_until
from tests.system.portal.test_history import asked, running_embedded

USD, BTC = 10**6, 10**8
FAR_MS = 4_102_444_800_123
"""In the year 2100."""
BY_TERM = [
    kind
    for kind, row in ORDER_TYPES.items()
    if TimeInForce.GTC in row.times_in_force and TimeInForce.GTD not in row.times_in_force
]
"""Types that have no place for a time of their own."""


@pytest.fixture
def two(portal_venue):
    """Two people; the best prices are 49,000 and 51,000, the last one 50,000."""
    people = [portal_venue.person(USD=10**7 * USD, BTC=100 * BTC) for _ in range(2)]
    clients = [PortalClient(portal_venue.url, one.api_key, one.secret) for one in people]
    clients[0].person = people[0]
    rest(clients[1], "sell", "50000")
    rest(clients[0], "buy", "50000")
    rest(clients[1], "buy", "49000")
    rest(clients[1], "sell", "51000")
    yield clients
    for client in clients:
        client.cancel_all()
        client.close()


def rest(client, side, price, quantity="0.5"):
    return client.place("BTC-USD", side, "limit", quantity=quantity, price=price)


def terms_of(kind):
    """The fields of a sale of a type, which does not trade."""
    given = {"quantity": "0.5", "type": TYPE_NAMES[kind], "side": "sell"}
    if kind not in UNPRICED:
        given["price"] = "30000" if kind in STOPS else "60000"
    if kind in TRAILING:
        name = "trailing_bps" if kind.name.endswith("BPS") else "trailing_distance"
        given[name] = 500 if name == "trailing_bps" else "5000"
    elif kind in STOPS:
        given["stop_price"] = "60000" if "TAKE" in kind.name else "40000"
    if kind is OrderType.ICEBERG:
        given["shown_quantity"] = "0.1"
    if kind is OrderType.MIN_QTY:
        given |= {"side": "buy", "price": "51000", "min_quantity": "0.2", "quantity": "0.7"}
    if kind in PEGS:
        given["offset"] = "0.5"
    return given


@pytest.mark.parametrize("kind", BY_TERM)
def test_an_order_of_any_type_is_good_till_a_date(two, kind):
    one, _ = two
    given = terms_of(kind) | {"time_in_force": "gtd", "expires_ms": FAR_MS}
    placed = one.place("BTC-USD", **given, key=f"far-{kind.name}")
    assert (placed.time_in_force, placed.expires_ms) == ("gtd", FAR_MS)
    assert (placed.type, placed.state) == (given["type"], "open")
    assert one.place("BTC-USD", **given, key=f"far-{kind.name}") == placed
    with pytest.raises(PortalError, match="belongs to another order"):
        one.place("BTC-USD", **given | {"expires_ms": FAR_MS + 1}, key=f"far-{kind.name}")
    assert one.order(placed.id) == placed
    assert one.cancel(placed.id).state == "cancelled"


def test_the_price_that_a_stop_names_elects_it(two):
    one, other = two
    last = one.place("BTC-USD", **terms_of(OrderType.STOP) | {"stop_price": "48500"})
    stops = {
        name: one.place(
            "BTC-USD", **terms_of(OrderType.STOP) | {"stop_price": "48500", "trigger_by": name}
        )
        for name in ("bid", "ask", "mid", "last")
    }
    assert {name: row.trigger_by for name, row in stops.items()} == {name: name for name in stops}
    assert last.trigger_by == ""
    one.cancel(last.id)
    one.cancel(stops["last"].id)
    other.cancel_all(symbol="BTC-USD")
    rest(other, "buy", "48000", "0.5")
    wait_until(lambda: one.order(stops["bid"].id).state == "filled", "the stop by the bid")
    assert {one.order(stops[name].id).state for name in ("ask", "mid")} == {"open"}


def test_a_trailing_stop_begins_to_trail_at_its_activation_price(two):
    one, other = two
    given = terms_of(OrderType.TRAILING_STOP) | {"trailing_distance": "500"}
    placed = one.place("BTC-USD", **given, activation_price="51000")
    assert (placed.activation_price, placed.is_working) == ("51000.00", False)
    rest(one, "buy", "51000", "0.1")  # it trails from here
    rest(other, "buy", "50400", "0.7")
    rest(one, "sell", "50400", "0.1")
    wait_until(lambda: one.order(placed.id).state == "filled", "the stop")
    assert one.order(placed.id).filled_amount == "25200.000000"


def test_terms_are_in_the_history_and_outlive_the_portal(portal_venue, two):
    one, _ = two
    far = one.place("BTC-USD", **terms_of(OrderType.STOP), time_in_force="gtd", expires_ms=FAR_MS)
    mid = one.place("BTC-USD", **terms_of(OrderType.STOP), trigger_by="mid")
    trails = one.place("BTC-USD", **terms_of(OrderType.TRAILING_STOP_BPS), activation_price="59000")
    wanted = {row.id for row in (far, mid, trails)}
    database = running_embedded(portal_venue.folder / "journal-portal" / "postgresql")

    def kept():
        _, orders = asked(database, lambda history: history.open_orders(1 << 60))
        return {order.number: order for order in orders if order.number in wanted}

    wait_until(lambda: set(kept()) == wanted, "the orders in the history")
    found = kept()
    assert (found[far.id].tif, found[far.id].expires_ns) == (TimeInForce.GTD, FAR_MS * 10**6)
    assert found[mid.id].trigger_by is TriggerBy.MID
    assert found[trails.id].activation_ticks == 5_900_000
    rows = {row.id: row for row in one.past_orders(state="open").items}
    assert {number: rows[number] for number in wanted} == {
        row.id: one.order(row.id) for row in (far, mid, trails)
    }


def test_the_binance_shaped_api_says_a_date_and_an_activation_price(portal_venue, two):
    one, _ = two
    with portal_venue.client(one.person) as client:

        def ask(method, path, **terms):
            return client.request(method, path, symbol="BTCUSD", **terms).json()

        sale = {"side": "SELL", "quantity": "0.5", "newOrderRespType": "RESULT"}
        gtd = {"timeInForce": "GTD", "goodTillDate": FAR_MS}
        kinds = (
            {"type": "LIMIT", "price": "60000"},
            {"type": "LIMIT", "price": "60000", "icebergQty": "0.1"},
            {"type": "LIMIT_MAKER", "price": "60000"},
            {"type": "STOP_LOSS", "stopPrice": "40000"},
            {"type": "STOP_LOSS", "trailingDelta": 500},
            {"type": "TAKE_PROFIT_LIMIT", "stopPrice": "60000", "price": "59000"},
        )
        for kind in kinds:
            made = ask("POST", "/api/v3/order", **sale, **kind, **gtd)
            assert (made["timeInForce"], made["goodTillDate"]) == ("GTD", FAR_MS), kind
            shown = ask("GET", "/api/v3/order", orderId=made["orderId"])
            assert (shown["timeInForce"], shown["goodTillDate"]) == ("GTD", FAR_MS)
        trails = {"type": "STOP_LOSS", "trailingDelta": 500, "stopPrice": "55000"}
        made = ask("POST", "/api/v3/order", **sale, **trails)
        assert (made["trailingDelta"], made["stopPrice"]) == (500, "55000.00")
        assert one.order(made["orderId"]).activation_price == "55000.00"
        for terms, code in (
            ({"type": "LIMIT", "price": "60000", "timeInForce": "GTD"}, -1102),
            ({"type": "LIMIT", "price": "60000", "timeInForce": "GTC", "goodTillDate": 9}, -1106),
            ({"type": "MARKET"} | gtd, -1106),
            (trails | gtd, -1128),
        ):
            assert ask("POST", "/api/v3/order", **sale | terms)["code"] == code, terms
