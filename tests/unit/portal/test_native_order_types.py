"""Orders of the native API are the core's orders: each of the core's own random commands, said in
the API's words and sent as the portal sends it, causes the same events."""

import asyncio
from types import SimpleNamespace

import numpy as np
import pytest

from openoutcry.client.shm import ShmClient
from openoutcry.matcher import Engine
from openoutcry.order_entry import command_metadata, shm_in
from openoutcry.order_entry import session as session_block
from openoutcry.order_entry.faults import Kind
from openoutcry.order_entry.shm_layout import (
    HEADER_BYTES,
    RANGE_COUNT,
    RANGES,
    REQUEST_BYTES,
    REQUESTS_BYTES,
    ShmRequest,
)
from openoutcry.portal.accounts.errors import AccountError, InvalidRequest
from openoutcry.portal.native.order_lists import CONTINGENCIES, NativeOrderLists, NewListBody
from openoutcry.portal.native.orders import NativeOrders, NewOrderBody
from openoutcry.portal.trading.broker import NewOrder
from openoutcry.portal.trading.instruments import Market
from openoutcry.portal.trading.orders import ParticipantOrders
from openoutcry.portal.trading.service import OrderService
from openoutcry.portal.trading.session_broker import Asked, SessionBroker
from openoutcry.wire import ORDER_DTYPE, make_instruments
from openoutcry.wire.enums import (
    LEGS_SHIFT,
    MAX_LEGS,
    REDUCE_ONLY,
    CommandKind,
    Contingency,
    EventKind,
    OrderType,
    SelfTrade,
    Side,
    Term,
    TimeInForce,
)
from openoutcry.wire.instrument_states import InstrumentState
from openoutcry.wire.order_types import (
    BUDGETS,
    ORDER_TYPES,
    PEGS,
    STOPS,
    TRAILING,
    TRAILING_BPS,
    UNPRICED,
)
from tests.oracles.matcher.engine import ReferenceEngine
from tests.support.matcher.matcher_mixed import mixed

T = OrderType
CENTRE, WIDTH, MAX_LOTS, MOST_BPS = 5_000, 300, 4_000, 2_000
MS = 1_000_000
SELF_TRADE = {
    SelfTrade.CANCEL_NEWEST: "cancel_taker",
    SelfTrade.CANCEL_OLDEST: "cancel_maker",
    SelfTrade.CANCEL_BOTH: "cancel_both",
}
TYPE = {kind: kind.name.lower() for kind in OrderType} | {
    T.ICEBERG: "limit",
    T.MIN_QTY: "limit",
    T.LIMIT_BUDGET: "limit",
    T.MARKET_BUDGET: "market",
    T.TRAILING_STOP_BPS: "trailing_stop",
    T.TRAILING_STOP_LIMIT_BPS: "trailing_stop_limit",
}
FIELDS = "price_ticks", "qty_lots", "aux", "side", "order_type", "time_in_force"


class Slots(ShmClient):
    """A client whose requests go nowhere: its memory has the last."""

    room, has_ended = 1024, False

    def __init__(self):
        self.memory = np.zeros(REQUESTS_BYTES, np.uint8)
        terms = {"published": lambda seq, count: None}
        self.connection = SimpleNamespace(requests=self.memory.ctypes.data, **terms)
        self._request = np.zeros(REQUEST_BYTES, np.uint8)
        self._words = ShmRequest(self._request.ctypes.data)

    def _require_open(self):
        self.next_request = 1


class Sent:
    """The broker, and what the venue's session reads of its requests."""

    def __init__(self, instruments):
        self.symbols = session_block.Symbols(instruments)
        self.block = np.zeros(session_block.SessionBlock.size_bytes // 8, np.int64)
        words = self.symbols.words() | {RANGE_COUNT: 1, RANGES: 1, RANGES + 8: 1}
        for offset, value in words.items():
            self.block[offset // 8] = value
        self.client, self.broker = Slots(), object.__new__(SessionBroker)
        self.broker.file = SimpleNamespace(sessions=SimpleNamespace(symbols=()))
        session = SimpleNamespace(client=self.client, asked={})
        self.broker.sessions, self.broker._of = [session], {1: 0}

    async def sent(self, order):
        await self.broker.enter(1, order)
        slots = self.client.next_request - 1
        assert self.broker.sessions[0].asked == {slots: Asked(1, "key", True)}
        record = np.zeros(1, ORDER_DTYPE)
        metadata = np.zeros(1, command_metadata.METADATA_DTYPE)
        memory = self.client.memory[HEADER_BYTES:].copy()
        at = [one.ctypes.data for one in (memory, self.block, record, metadata)]
        result = shm_in.decode(at[0], REQUEST_BYTES * slots, at[1], at[2], at[3])
        assert result == Kind.APPLICATION
        assert bytes(metadata["token"][0])[:4] == b"key\0"
        return record[0], metadata[0]


class Portal:
    """What an order passes from a request to the venue's session."""

    def __init__(self, instruments):
        row = instruments[0]
        code = bytes(row["symbol"])
        self.market = Market(0, "GOLD", code, "GOLD", "G", "USD", 3, 4, 2, 10, 1, row)
        named = {"GOLD": self.market}
        markets = SimpleNamespace(every=[self.market], by_name=named, by_symbol=named)
        orders = SimpleNamespace(participant=lambda number: ParticipantOrders())
        mirror = SimpleNamespace(
            markets=markets,
            orders=orders,
            listeners=[],
            require_ready=int,
            spendable=lambda participant, asset: 10**30,
            best=lambda code: (None, 0, None, 0),
            is_trading=lambda index: False,
            state_of=lambda index: InstrumentState.TRADING,
        )
        self.sent = Sent(instruments)
        self.orders = NativeOrders(OrderService(mirror, self.sent.broker, lambda: None))
        self.lists = NativeOrderLists(self.orders)

    async def record(self, body):
        """The core's record of the order.  Raises what the API refuses it with."""
        _, order = self.orders.read(1, body, "key")
        record, metadata = await self.sent.sent(order)
        assert metadata["refused"] == 0, order
        return record


def said(order, market):
    """The order in the API's words."""
    kind, tif = T(int(order["order_type"])), TimeInForce(int(order["time_in_force"]) & 15)
    aux, lots = int(order["aux"]), market.quantity(int(order["qty_lots"]))
    mode = SelfTrade(int(order["time_in_force"]) >> 4)
    body = NewOrderBody("GOLD", Side(int(order["side"])).name.lower(), TYPE[kind])
    body.time_in_force, body.self_trade = tif.name.lower(), SELF_TRADE.get(mode, "")
    if kind not in UNPRICED:
        body.price = market.price(int(order["price_ticks"]))
    if kind in BUDGETS:
        body.amount = market.amount(aux)
    else:
        body.quantity = lots
    if kind in TRAILING:
        distance = {"trailing_bps": aux} if kind.name.endswith("BPS") else {}
        for name, value in (distance or {"trailing_distance": market.price(aux)}).items():
            setattr(body, name, value)
    elif kind in STOPS:
        body.stop_price = market.price(aux)
    if kind in PEGS:
        body.offset = market.price(aux if order["side"] == Side.BUY else -aux)
    if kind is T.ICEBERG:
        body.shown_quantity = market.quantity(aux)
    if kind is T.MIN_QTY:
        body.min_quantity = market.quantity(aux)
    if tif is TimeInForce.GTD:
        body.expires_ms = aux // MS
    return body


def commands(seed, instruments):
    """Random ones of every type.  What no session of a client can say is left out of them."""
    switches = {"centres": [CENTRE] * 4, "width": WIDTH, "extreme": 0, "malformed": 0}
    run = mixed(seed, 250, types=list(T), instruments=instruments, order_capacity=400, **switches)
    orders = run.orders
    is_new, tif = orders["kind"] == CommandKind.NEW, orders["time_in_force"] & 15
    kinds = orders["order_type"]
    mode = orders["time_in_force"] >> 4
    orders["time_in_force"] = np.where(is_new & (mode > 3), tif, orders["time_in_force"])
    with_time = is_new & (tif == TimeInForce.GTD) | (orders["kind"] == CommandKind.SET_EXPIRY)
    with_time |= orders["kind"] == CommandKind.TIME
    orders["aux"] = np.where(with_time, (orders["aux"] + 10) * MS, orders["aux"])
    free = np.isin(kinds, [T.LIMIT, T.MARKET, T.POST_ONLY, T.POST_ONLY_SLIDE, T.MARKET_TO_LIMIT])
    free |= np.isin(kinds, [T.HIDDEN, T.ALL_OR_NONE])
    orders["aux"][is_new & free & (tif != TimeInForce.GTD)] = 0
    orders["aux"][is_new & np.isin(kinds, TRAILING)] &= 0xFFFFFFFF
    far = is_new & np.isin(kinds, TRAILING_BPS) & (orders["aux"] > MOST_BPS)
    orders["aux"][far] = MOST_BPS
    orders["qty_lots"][is_new & np.isin(kinds, BUDGETS)] = MAX_LOTS
    orders["price_ticks"][is_new & np.isin(kinds, UNPRICED)] = 0
    whole = is_new & (kinds == T.ICEBERG) & (orders["aux"] >= orders["qty_lots"])
    orders["order_type"][whole], orders["aux"][whole] = T.LIMIT, 0
    return orders


async def records(portal, orders):
    """The core's record of each order, or None for one that the API refuses."""
    found = []
    for order in orders:
        try:
            found.append(await portal.record(said(order, portal.market)))
        except AccountError:
            found.append(None)
    return found


@pytest.mark.parametrize("seed", range(8))
def test_a_native_order_causes_the_events_of_the_cores_own(seed):
    """What the API refuses the core rejects, too."""
    table = {"symbol": "GOLD", "price_step_ticks": 5, "max_qty_lots": MAX_LOTS}
    table |= {"min_price_ticks": 5, "max_price_ticks": 50_000}
    instruments = make_instruments([table])
    portal, ours = Portal(instruments), commands(seed, instruments)
    expected, sent = ReferenceEngine(instruments, 400).process(ours), ours.copy()
    rejected = set(expected["cause_seq"][expected["kind"] == EventKind.REJECTED].tolist())
    places = np.flatnonzero(ours["kind"] == CommandKind.NEW)
    for place, record in zip(places, asyncio.run(records(portal, ours[places])), strict=True):
        if record is None:
            assert int(ours[place]["seq"]) in rejected, ours[place]
            continue
        for name in FIELDS:
            sent[place][name] = record[name]
    assert Engine(instruments, 400).process(sent).tobytes() == expected.tobytes()
    assert len(set(ours[places]["order_type"].tolist())) > 12


def test_reduce_only_is_for_contracts_and_goes_to_the_core():
    portal = Portal(make_instruments(["GOLD"]))
    body = NewOrderBody("GOLD", "sell", "limit", "1", "10", reduce_only=True)
    with pytest.raises(InvalidRequest, match="reduce_only"):
        portal.orders.read(1, body, "key")
    order = NewOrder("key", "GOLD", Side.SELL, T.LIMIT, TimeInForce.GTC, 5, 100, reduce_only=True)
    record, _ = asyncio.run(portal.sent.sent(order))
    assert int(record["time_in_force"]) == TimeInForce.GTC | REDUCE_ONLY


def of_list(rng):
    """A body of a random list; what its orders may not be each for itself is left out."""
    contingency = Contingency(int(rng.integers(1, 6)))
    count = int(rng.choice([1, 2, 2, 2, 3, 3, 3, 4, MAX_LEGS, MAX_LEGS + 1]))
    stops = [T.STOP, T.STOP, T.STOP_LIMIT, T.TAKE_PROFIT, T.TRAILING_STOP]
    bodies = []
    for _ in range(count):
        kind = T(int(rng.choice([*T] if rng.random() < 0.3 else [T.LIMIT, T.ICEBERG, *stops])))
        tif = TimeInForce(int(rng.choice(ORDER_TYPES[kind].times_in_force)))
        if rng.random() < 0.6 and TimeInForce.GTC in ORDER_TYPES[kind].times_in_force:
            tif = TimeInForce.GTC
        body = NewOrderBody("GOLD", "buy", TYPE[kind], time_in_force=tif.name.lower())
        if kind not in BUDGETS:
            body.quantity = "1"
        for name, kinds, value in (
            ("amount", BUDGETS, "9"),
            ("price", [one for one in T if one not in UNPRICED], "10"),
            ("trailing_bps", TRAILING_BPS, 100),
            ("trailing_distance", [one for one in TRAILING if one not in TRAILING_BPS], "1"),
            ("stop_price", [one for one in STOPS if one not in TRAILING], "10"),
            ("shown_quantity", [T.ICEBERG], "0.5"),
            ("min_quantity", [T.MIN_QTY], "0.5"),
        ):
            if kind in kinds:
                setattr(body, name, value)
        if tif is TimeInForce.GTD:
            body.expires_ms = 2**42
        bodies.append(body)
    return NewListBody(contingency.name.lower(), bodies)


async def commands_of(portal, body):
    """The commands of a list, as a session makes them of its orders."""
    contingency, count = CONTINGENCIES[body.contingency], len(body.orders)
    made = np.zeros(2 * count, ORDER_DTYPE)
    for leg, one in enumerate(body.orders, 1):
        made[2 * leg - 1] = await portal.record(one)
        terms, new = made[2 * leg - 2 : 2 * leg]
        new["kind"], new["order_id"] = CommandKind.NEW, leg
        for name in ("symbol", "participant", "side", "order_id"):
            terms[name] = new[name]
        terms["kind"], terms["order_type"] = CommandKind.TERMS, Term.LIST
        terms["price_ticks"], terms["qty_lots"] = 1, leg
        terms["aux"] = contingency | count << LEGS_SHIFT
    made["seq"] = range(1, 2 * count + 1)
    return made


def test_a_list_is_refused_by_its_field_where_the_core_would_refuse_an_order_of_it():
    instruments = make_instruments([{"symbol": "GOLD", "max_qty_lots": MAX_LOTS}])
    portal, rng, outcomes = Portal(instruments), np.random.default_rng(7), []
    for _ in range(400):
        body = of_list(rng)
        try:
            portal.lists.read(1, body, "key")
            fault = ""
        except AccountError as error:
            fault = str(error).partition(":")[0]
        events = Engine(instruments, 400).process(asyncio.run(commands_of(portal, body)))
        is_refused = bool((events["kind"] == EventKind.REJECTED).any())
        assert is_refused == bool(fault), (body, fault, events["reason"])
        outcomes.append(fault.rpartition(".")[2])
    counts = {name: outcomes.count(name) for name in outcomes}
    assert counts[""] > 60
    assert set(counts) >= {"", "orders", "type", "time_in_force", "amount", "shown_quantity"}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"contingency": "both"}, "contingency: one of oco, ouo, oto, otoco, otouo"),
        ({"orders": []}, "orders: such a list has 2 to 8"),
        ({"contingency": "ouo", "orders": 3}, "orders: such a list has 2"),
        ({"symbol": "SILVER"}, "orders.1.symbol: the orders of a list have one instrument"),
        ({"price": "x"}, "orders.1.price: a decimal number is needed"),
        ({"side": "both"}, "orders.1.side: buy or sell"),
        ({"quantity": ""}, "orders.1.quantity: this is needed"),
    ],
)
def test_a_refusal_of_a_list_names_the_order_and_its_field(change, said):
    portal = Portal(make_instruments(["GOLD"]))
    orders = [NewOrderBody("GOLD", "sell", "limit", "1", "10") for _ in range(3)][:2]
    if isinstance(change.get("orders"), int):
        orders *= 2
    body = NewListBody(change.get("contingency", "oto"), change.get("orders", orders))
    if isinstance(body.orders, int):
        body.orders = orders[: body.orders]
    for name in set(change) - {"contingency", "orders"}:
        setattr(orders[1], name, change[name])
    with pytest.raises(AccountError, match=said):
        portal.lists.read(1, body, "key")


STOP = {"type": "stop", "price": "", "stop_price": "10"}
TRAILING_STOP = {"type": "trailing_stop", "price": "", "trailing_bps": 100}


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"trigger_by": "bid"}, "trigger_by: for stops"),
        (STOP | {"trigger_by": "best"}, "trigger_by: one of last, bid, ask, mid, mark, index"),
        (STOP | {"trigger_by": "mark"}, "trigger_by: only contracts have a mark"),
        (STOP | {"activation_price": "9"}, "activation_price: for trailing stops"),
        (TRAILING_STOP | {"activation_price": "x"}, "activation_price: a decimal number"),
        (STOP | {"trigger_by": "mid", "expires_ms": 9}, "trigger_by: not with expires_ms"),
        (STOP | {"time_in_force": "gtc", "expires_ms": 9}, "expires_ms: for gtd orders"),
        ({"time_in_force": "gtd"}, "expires_ms: for gtd orders"),
    ],
)
def test_a_refusal_of_a_term_names_its_field(given, said):
    portal = Portal(make_instruments(["GOLD"]))
    body = NewOrderBody("GOLD", "sell", "limit", "1", "10")
    for name, value in given.items():
        setattr(body, name, value)
    if given.get("expires_ms") and "time_in_force" not in given:
        body.time_in_force = "gtd"
    with pytest.raises(AccountError, match=said):
        portal.orders.read(1, body, "key")


@pytest.mark.parametrize("side", [Side.BUY, Side.SELL])
def test_bid_and_ask_are_the_same_prices_for_both_sides(side):
    portal = Portal(make_instruments(["GOLD"]))
    for name, sides in (("bid", (2, 3)), ("ask", (3, 2))):
        body = NewOrderBody("GOLD", side.name.lower(), "stop", "1", stop_price="10")
        body.trigger_by = name
        assert portal.orders.read(1, body, "key")[1].trigger_by == sides[side - 1]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"time_in_force": "gtd", "expires_ms": 9}, r"orders\.1\.expires_ms"),
        ({"trigger_by": "mid"}, r"orders\.1\.trigger_by"),
    ],
)
def test_an_order_of_a_list_has_no_term_of_its_own(change, said):
    portal = Portal(make_instruments(["GOLD"]))
    orders = [NewOrderBody("GOLD", "sell", "stop", "1", stop_price="10") for _ in range(2)]
    for name, value in change.items():
        setattr(orders[1], name, value)
    with pytest.raises(AccountError, match=said):
        portal.lists.read(1, NewListBody("oco", orders), "key")
