"""The API as Binance's documents of July 2026 describe it: parameters, codes, weights, units of
time, windows, sessions and streams, each by its kind."""

import asyncio
import json
import time
from itertools import count
from types import SimpleNamespace

import pytest

from openoutcry.portal.accounts.api_keys import ED25519, HMAC, RSA, ApiKey
from openoutcry.portal.history.past import Past
from openoutcry.portal.spot import shapes, times
from openoutcry.portal.spot.api import Spot
from openoutcry.portal.spot.errors import ApiError
from openoutcry.portal.spot.feeds import Feeds, Subscriber
from openoutcry.portal.spot.limits import Limits
from openoutcry.portal.spot.params import Params
from openoutcry.portal.spot.rest import ROUTES, joined_pairs
from openoutcry.portal.spot.sockets import (
    METHODS,
    OF_CONNECTION,
    Connections,
    Requests,
    Streams,
)
from openoutcry.portal.spot.trade import SpotOrders
from openoutcry.portal.spot.user_data import ListenKeys, UserData
from openoutcry.portal.spot.windows import candles_in, offset_of, window_of
from openoutcry.portal.trading.instruments import Market
from openoutcry.portal.trading.mirror import Moment
from openoutcry.portal.trading.orders import EXPIRED, Order, ParticipantOrders
from openoutcry.portal.trading.public import DAY_MS, INTERVALS, MINUTE_MS, Candle, Tape, Trade
from openoutcry.portal.trading.service import OrderService
from openoutcry.wire.enums import OrderType, Reason, Side, TimeInForce
from openoutcry.wire.instrument_states import InstrumentState
from openoutcry.wire.order_types import TAKE_PROFITS

ROW = {
    "price_step_ticks": 1, "qty_step_lots": 1, "min_qty_lots": 1, "max_qty_lots": 10**6,
    "min_price_ticks": 1, "max_price_ticks": 10**8,
}  # fmt: skip
BTC = Market(0, "BTC-USD", b"BTC-USD", "BTCUSD", "BTC", "USD", 8, 6, 2, 10_000, 1, ROW)
ETH = Market(1, "ETH-USD", b"ETH-USD", "ETHUSD", "ETH", "USD", 8, 6, 2, 10_000, 1, ROW)
KEY, HERE = "k" * 64, "192.0.2.1"
MONDAY_MS = 1_795_996_800_000
"""30 November 2026, 00:00 UTC."""


def owner(kind=ED25519):
    return ApiKey(1, 1, 1000, kind, b"", True, False, (), None)


LAST = 200
"""Ticks of the last trade."""


class Market2:
    """A mirror of two markets, of which one does not trade."""

    def __init__(self):
        self.markets = SimpleNamespace(
            contracts_by_name={},
            all=[BTC, ETH],
            by_name={"BTCUSD": BTC, "ETHUSD": ETH},
            by_index={0: BTC, 1: ETH},
            assets={"BTC": 8, "ETH": 8, "USD": 6},
        )
        self.tapes = {0: Tape(), 1: Tape()}
        self.listeners, self.seq, self.began_seq, self.time_ns = [], 7, 0, 1_234_567_890_123_456
        self.own = ParticipantOrders()
        self.orders = SimpleNamespace(participant=lambda number: self.own)
        self.bid, self.states = 100, {}
        self.require_ready = int

    def is_trading(self, index):
        return index == 0

    def state_of(self, index):
        return self.states.get(index, InstrumentState.TRADING)

    def spendable(self, participant, asset):
        return 10**12

    def best(self, code):
        return self.bid, 5, 200, 5

    def has_passed(self, code, order_type, side, trigger_ticks):
        rises = (side == Side.BUY) != (order_type in TAKE_PROFITS)
        return trigger_ticks <= LAST if rises else trigger_ticks >= LAST

    def depth(self, code, levels):
        return [(self.bid, 5, 1)], [(200, 5, 1)]

    def rates(self, participant, index):
        return 500, 1000

    def balances(self, participant):
        return {"BTC": (1, 0), "USD": (0, 0)}

    def traded(self, *rows, market=0):
        """Trades of ``(number, price, time_ms)``, passed to each listener."""
        moment = Moment(self.seq)
        for number, price, time_ms in rows:
            trade = Trade(number, price, 1, time_ms, False, number)
            moment.trades.append((market, trade))
            for interval, candle in self.tapes[market].add(trade):
                moment.candles[market, interval] = candle
        for listener in self.listeners:
            listener(moment)


class Signer:
    """Takes every request of the one key, and keeps what it was asked."""

    def __init__(self, kind=ED25519):
        self.kind, self.checked, self.is_valid = kind, [], True
        self.keys = SimpleNamespace(is_in_force=lambda key: self.is_valid)

    async def key(self, api_key, address, permission):
        if api_key != KEY or not self.is_valid:
            raise ApiError(-2015, "Invalid API-key, IP, or permissions for action.")
        return owner(self.kind)

    def known(self, api_key):
        return owner(self.kind) if api_key == KEY else None

    def check(self, key, params, payload, once, signed=True):
        self.checked.append(signed)
        if signed:
            params.needed("signature")


def api(signer=None, **limits):
    mirror = Market2()
    service = OrderService(mirror, SimpleNamespace(refused=None), lambda: None)
    return Spot(mirror, SpotOrders(service), signer or Signer(), Limits(10**6, **limits))


def ask(spot, method, path, key=KEY, **params):
    """Body and headers of the answer."""
    route = ROUTES[method, path]
    if route.security:
        params = {"timestamp": "1", "signature": "x"} | params
    given = Params([(name, str(value)) for name, value in params.items()], spot.markets)
    return asyncio.run(spot.answer(route, lambda: (given, ""), key, HERE))


def refusal(spot, method, path, **params):
    with pytest.raises(ApiError) as refused:
        ask(spot, method, path, **params)
    return refused.value.code, refused.value.text


UNREAD = "Not all sent parameters were read; read '{}' parameter(s) but was sent '{}'."
COMBINATION = -1128, "Combination of optional parameters invalid."
NAMELESS = "Param '{}' or '{}' must be sent, but both were empty/null!"
PUBLIC_REFUSALS = [
    ("ping", {"a": 1}, (-1101, "Too many parameters; expected '0' and received '1'.")),
    ("depth", {"symbol": "BTCUSD", "a": 1}, (-1104, UNREAD.format(1, 2))),
    ("depth", {"symbol": "BTCUSD", "symbolStatus": "X"}, (-1122, "Invalid symbolStatus.")),
    (
        "depth",
        {"symbol": "ETHUSD", "symbolStatus": "TRADING"},
        (-1220, "The symbol's status does not match the requested symbolStatus."),
    ),
    ("ticker/24hr", {"symbol": "BTCUSD", "symbols": '["BTCUSD"]'}, COMBINATION),
    (
        "ticker/price",
        {"symbols": '["BTCUSD","BTCUSD"]'},
        (-1151, "Symbol is present multiple times in the list."),
    ),
    ("ticker/24hr", {"type": "SHORT"}, (-1139, "Invalid ticker type.")),
    ("ticker", {}, (-1102, NAMELESS.format("symbol", "symbols"))),
    ("exchangeInfo", {"permissions": "SPOT", "symbol": "BTCUSD"}, COMBINATION),
    ("exchangeInfo", {"symbolStatus": "TRADING", "symbol": "BTCUSD"}, COMBINATION),
    ("klines", {"symbol": "BTCUSD", "interval": "7m"}, (-1120, "Invalid interval.")),
    (
        "klines",
        {"symbol": "BTCUSD", "interval": "1d", "timeZone": "15"},
        (
            -1100,
            "Illegal characters found in parameter 'timeZone'; legal range is "
            "'[-12:00 to +14:00]'.",
        ),
    ),
    (
        "trades",
        {"symbol": "BTCUSD", "limit": "x"},
        (-1100, "Illegal characters found in parameter 'limit'; legal range is '^[0-9]{1,20}$'."),
    ),
    (
        "referencePrice",
        {"symbol": "BTCUSD"},
        (-2043, "This symbol doesn't have a reference price."),
    ),
]


@pytest.mark.parametrize(("path", "params", "expected"), PUBLIC_REFUSALS)
def test_public_requests_are_refused_by_their_codes(path, params, expected):
    assert refusal(api(), "GET", f"/api/v3/{path}", **params) == expected


LIMIT = {
    "symbol": "BTCUSD", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "quantity": "1",
    "price": "1",
}  # fmt: skip
STOP = {**LIMIT, "type": "STOP_LOSS_LIMIT", "stopPrice": "2"}
ORDER_REFUSALS = [
    (LIMIT | {"price": "1.0000001"}, (-1111, "Parameter 'price' has too much precision.")),
    (LIMIT | {"price": "1.001"}, (-1013, "Filter failure: PRICE_FILTER")),
    (
        LIMIT | {"quantity": "1.000000001"},
        (-1111, "Parameter 'quantity' has too much precision."),
    ),
    (LIMIT | {"quantity": "1.00001"}, (-1013, "Filter failure: LOT_SIZE")),
    (LIMIT | {"stopPrice": "5"}, (-1106, "Parameter 'stopPrice' sent when not required.")),
    (
        LIMIT | {"quoteOrderQty": "5"},
        (-1106, "Parameter 'quoteOrderQty' sent when not required."),
    ),
    (LIMIT | {"type": "TAKE_PROFIT_LIMIT"}, (-1102, None)),
    (
        LIMIT | {"type": "TAKE_PROFIT_LIMIT", "trailingDelta": "100"},
        (-1128, "Combination of optional parameters invalid."),
    ),
    (
        LIMIT | {"pegPriceType": "PRIMARY_PEG"},
        (-2010, "Pegged orders are not supported for this symbol."),
    ),
    (LIMIT | {"icebergQty": "2"}, (-2010, "IcebergQty exceeds QTY.")),
    (LIMIT | {"icebergQty": "0.0001"}, (-1013, "Filter failure: ICEBERG_PARTS")),
    (STOP | {"icebergQty": "0.5"}, (-1014, "Unsupported order combination.")),
    (LIMIT | {"strategyType": "999999"}, (-1134, "strategyType was less than 1000000.")),
    (LIMIT | {"nothing": "1"}, (-1104, UNREAD.format(8, 9))),
    (LIMIT | {"timeInForce": ""}, (-1102, None)),
    (LIMIT | {"newOrderRespType": "SOME"}, (-1100, None)),
    (LIMIT | {"selfTradePreventionMode": "TRANSFER"}, (-1100, None)),
]


@pytest.mark.parametrize(("params", "expected"), ORDER_REFUSALS)
def test_orders_are_refused_by_their_codes(params, expected):
    code, text = refusal(api(), "POST", "/api/v3/order/test", **params)
    assert (code, text) == (expected[0], expected[1] or text)


STOPS = {
    "STOP_LOSS": STOP | {"type": "STOP_LOSS", "timeInForce": "", "price": ""},
    "STOP_LOSS_LIMIT": STOP,
    "TAKE_PROFIT": STOP | {"type": "TAKE_PROFIT", "timeInForce": "", "price": ""},
    "TAKE_PROFIT_LIMIT": STOP | {"type": "TAKE_PROFIT_LIMIT"},
}


@pytest.mark.parametrize("path", ["/api/v3/order/test", "/api/v3/order"])
@pytest.mark.parametrize("kind", STOPS)
@pytest.mark.parametrize(
    ("side", "trigger"), [("BUY", "1.99"), ("BUY", "2"), ("SELL", "2"), ("SELL", "2.01")]
)
def test_a_stop_that_is_passed_is_refused_before_it_is_sent(path, kind, side, trigger):
    """A take-profit's trigger is passed where that of a stop of the other side is."""
    if "TAKE" in kind:
        side = {"BUY": "SELL", "SELL": "BUY"}[side]
    params = STOPS[kind] | {"side": side, "stopPrice": trigger}
    given = {name: value for name, value in params.items() if value}
    wanted = -2010, "Stop price would trigger immediately."
    assert refusal(api(), "POST", path, **given) == wanted


@pytest.mark.parametrize(
    ("kind", "side", "trigger"),
    [
        ("STOP_LOSS", "SELL", "1.99"),
        ("STOP_LOSS_LIMIT", "SELL", "1.99"),
        ("STOP_LOSS_LIMIT", "BUY", "2.01"),
        ("TAKE_PROFIT", "SELL", "2.01"),
        ("TAKE_PROFIT_LIMIT", "BUY", "1.99"),
    ],
)
def test_a_stop_that_is_not_passed_is_not_refused(kind, side, trigger):
    params = STOPS[kind] | {"side": side, "stopPrice": trigger}
    given = {name: value for name, value in params.items() if value}
    assert ask(api(), "POST", "/api/v3/order/test", **given)[0] == {}


WHO = {"symbol": "BTCUSD", "orderId": "5"}
INCREASE = "Order amend (quantity increase) is not supported."
NEEDS_QUANTITY = "Mandatory parameter 'newQty' was not sent, was empty/null, or malformed."
SIGNED_REFUSALS = [
    (
        "GET",
        "order",
        {"symbol": "BTCUSD"},
        (-1102, NAMELESS.format("origClientOrderId", "orderId")),
    ),
    ("GET", "order", WHO | {"origClientOrderId": "b"}, (-2039, None)),
    ("GET", "order", {"symbol": "ETHUSD", "orderId": "5"}, (-2013, "Order does not exist.")),
    (
        "DELETE",
        "order",
        WHO | {"cancelRestrictions": "SOME"},
        (-1145, "Invalid cancelRestrictions"),
    ),
    (
        "DELETE",
        "order",
        WHO | {"cancelRestrictions": "ONLY_PARTIALLY_FILLED"},
        (-2011, "Order was not canceled due to cancel restrictions."),
    ),
    (
        "GET",
        "allOrders",
        {"symbol": "BTCUSD", "startTime": "1", "endTime": str(DAY_MS + 2)},
        (-1127, "More than 24 hours between startTime and endTime."),
    ),
    ("GET", "myTrades", {"symbol": "BTCUSD", "startTime": "1", "fromId": "1"}, COMBINATION),
    ("GET", "myTrades", {"symbol": "BTCUSD", "endTime": "1", "orderId": "1"}, COMBINATION),
    ("POST", "orderList/opo", LIMIT, (-2010, "OPO orders are not supported for this symbol.")),
    ("POST", "orderList/opo", LIMIT | {"symbol": "NO"}, (-1121, "Invalid symbol.")),
    ("POST", "sor/order", LIMIT, (-1020, "This operation is not supported.")),
    ("PUT", "order/amend/keepPriority", WHO | {"newQty": "0.1"}, (-2038, INCREASE)),
    ("PUT", "order/amend/keepPriority", WHO, (-1102, NEEDS_QUANTITY)),
]


def held(spot, **more):
    """An open order of the participant."""
    order = Order(5, 1000, 0, 1, "a", 1, OrderType.LIMIT, 4, 100, 10, 0, 0, 1_999_999)
    for name, value in more.items():
        setattr(order, name, value)
    spot.mirror.own.add(order)
    return order


@pytest.mark.parametrize(("method", "path", "params", "expected"), SIGNED_REFUSALS)
def test_signed_requests_are_refused_by_their_codes(method, path, params, expected):
    spot = api()
    held(spot)
    code, text = refusal(spot, method, f"/api/v3/{path}", **params)
    assert (code, text) == (expected[0], expected[1] or text)


NAMES = json.dumps([f"S{number}" for number in range(21)])
WEIGHTS = [
    ("GET", "depth", {"limit": 5000}, 250),
    ("GET", "ticker/24hr", {"symbol": "BTCUSD"}, 2),
    ("GET", "ticker/24hr", {"symbols": NAMES}, 40),
    ("GET", "ticker/24hr", {}, 80),
    ("GET", "ticker/price", {"symbol": "BTCUSD"}, 2),
    ("GET", "ticker/bookTicker", {}, 4),
    ("GET", "ticker", {"symbols": NAMES}, 84),
    ("GET", "openOrders", {}, 80),
    ("GET", "openOrders", {"symbol": "BTCUSD"}, 6),
    ("GET", "myTrades", {"symbol": "BTCUSD", "orderId": 1}, 5),
    ("GET", "myTrades", {"symbol": "BTCUSD"}, 20),
    ("POST", "order/test", {"computeCommissionRates": "true"}, 20),
    ("GET", "executionRules", {}, 40),
    ("GET", "klines", {"symbol": "BTCUSD", "interval": "1d"}, 5),
    ("GET", "klines", {"symbol": "BTCUSD", "interval": "1s", "limit": 1000}, 10),
    ("GET", "klines", {"symbol": "BTCUSD", "interval": "1d", "limit": 10}, 2),
    ("GET", "aggTrades", {"symbol": "BTCUSD", "limit": 1000}, 10),
    ("GET", "klines", {"symbol": "BTCUSD", "interval": "1d", "timeZone": "8"}, 20),
]


@pytest.mark.parametrize(("method", "path", "params", "weight"), WEIGHTS)
def test_a_request_has_the_weight_of_what_it_asks_for(method, path, params, weight):
    """Also one that is refused says what was counted."""
    try:
        _, headers = ask(api(), method, f"/api/v3/{path}", **params)
    except ApiError as error:
        headers = error.headers
    assert headers["x-mbx-used-weight-1m"] == str(weight)


def test_a_program_may_sign_what_needs_no_signature():
    signed = {"timestamp": 1, "recvWindow": 5, "signature": "x"}
    assert ask(api(), "GET", "/api/v3/ping", **signed)[0] == {}
    assert ask(api(), "GET", "/api/v3/depth", symbol="BTCUSD", **signed)[0]["bids"]


def test_moments_are_in_the_requested_unit():
    spot = api()
    held(spot)
    spot.mirror.traded((1, 100, 1_000))
    body = ask(spot, "GET", "/api/v3/order", symbol="BTCUSD", orderId=5)[0]
    assert (body["updateTime"], times.is_fine("MICROSECOND")) == (1, True)
    with times.in_unit(True):
        body = ask(spot, "GET", "/api/v3/order", symbol="BTCUSD", orderId=5)[0]
        assert body["updateTime"] == 1_999
        assert ask(spot, "GET", "/api/v3/time")[0]["serverTime"] > 10**15
        assert ask(spot, "GET", "/api/v3/trades", symbol="BTCUSD")[0][0]["time"] == 1_000_000
        begin_ms = time.time_ns() // 10**9 * 1_000
        spot.mirror.traded((2, 100, begin_ms))
        terms = {"symbol": "BTCUSD", "interval": "1s", "startTime": begin_ms, "limit": 1}
        (row,) = ask(spot, "GET", "/api/v3/klines", **terms)[0]
        assert (row[0], row[6]) == (begin_ms * 1_000, begin_ms * 1_000 + 999_999)
    with pytest.raises(ApiError) as wrong:
        times.is_fine("SECOND")
    assert wrong.value.code == -1194
    own = {"symbol": "BTCUSD", "startTime": 1_000 * 1_000_000_000_000, "endTime": 10**15}
    assert ask(spot, "GET", "/api/v3/allOrders", **own)[0] == []
    given = Params([("startTime", "1499865549590123")], None)
    assert given.times_ms() == (1_499_865_549_590, None)


def test_a_parameter_in_query_and_body_is_that_of_the_query():
    assert joined_pairs("a=1&b=2", "b=3&c=4") == [("a", "1"), ("b", "2"), ("c", "4")]


def test_answers_have_what_the_order_has():
    stop = held(api(), order_type=OrderType.STOP_LIMIT, aux=150, is_waiting=True)
    assert shapes.cancelled(stop, BTC, "c")["stopPrice"] == "1.50"
    rest = held(api(), state=EXPIRED, reason=Reason.IOC_REST, time_in_force=TimeInForce.IOC)
    assert shapes.new_order(rest, BTC, "RESULT")["expiryReason"] == "UNFILLED_IOC_QUANTITY_EXPIRED"
    fok = held(api(), state=EXPIRED, reason=Reason.FOK_UNFILLABLE)
    assert shapes.order_of(fok, BTC)["expiryReason"] == "UNFILLED_FOK_ORDER_EXPIRED"
    ended = held(api(), state=EXPIRED, reason=Reason.DAY_END)
    assert shapes.order_of(ended, BTC)["expiryReason"] == "EXCHANGE_CANCELED"
    assert "expiryReason" not in shapes.order_of(held(api()), BTC)
    assert "stopPrice" not in shapes.new_order(held(api()), BTC, "FULL")


def test_exchange_info_shows_what_was_requested():
    spot = api()

    def names(**params):
        return [row["symbol"] for row in ask(spot, "GET", path, **params)[0]["symbols"]]

    path = "/api/v3/exchangeInfo"
    assert names() == ["BTCUSD", "ETHUSD"]
    assert names(symbolStatus="TRADING") == ["BTCUSD"]
    assert names(permissions="SPOT") == names(permissions='["MARGIN","SPOT"]') == names()
    assert names(permissions="MARGIN") == []
    rows = ask(spot, "GET", path, showPermissionSets="false")[0]["symbols"]
    assert [row["permissionSets"] for row in rows] == [[], []]


def test_exchange_info_has_the_state_of_each_instrument():
    """Suspended and delisted whatever the phase; close-only trades as its phase says."""
    spot = api()
    for state, status in (
        (InstrumentState.SUSPENDED, "HALT"),
        (InstrumentState.CLOSE_ONLY, "TRADING"),
        (InstrumentState.DELISTED, "BREAK"),
        (InstrumentState.TRADING, "TRADING"),
    ):
        spot.mirror.states[0] = state
        rows = ask(spot, "GET", "/api/v3/exchangeInfo", symbol="BTCUSD")[0]["symbols"]
        assert [row["status"] for row in rows] == [status]


def test_a_cancel_replace_over_the_limit_of_orders_cancels_if_it_is_to():
    spot = api(orders_in_10_s=0)
    order, cancelled = held(spot), []

    async def gone(participant, market, found, request_id):
        cancelled.append(found.number)
        found.state = "CANCELED"

    spot.orders.service.cancel = gone
    terms = LIMIT | {"cancelReplaceMode": "STOP_ON_FAILURE", "cancelOrderId": order.number}
    path = "/api/v3/order/cancelReplace"
    assert refusal(spot, "POST", path, **terms)[0] == -1015
    assert cancelled == []
    more = {"orderRateLimitExceededMode": "CANCEL_ONLY"}
    with pytest.raises(ApiError) as partial:
        ask(spot, "POST", path, **terms, **more)
    assert (partial.value.code, partial.value.status) == (-2021, 409)
    assert partial.value.data["newOrderResponse"]["code"] == -1015
    assert cancelled == [order.number]


# Windows of time


@pytest.mark.parametrize(
    ("zone", "minutes"), [("", 0), ("8", 480), ("-1:30", -90), ("05:45", 345), ("+14:00", 840)]
)
def test_zones_are_hours_and_minutes(zone, minutes):
    assert offset_of(zone) == minutes * MINUTE_MS


@pytest.mark.parametrize("text", ["60m", "24h", "8d", "1d2h", "0m", "1w", ""])
def test_windows_have_bounds(text):
    with pytest.raises(ApiError):
        window_of(text)


@pytest.mark.parametrize("interval", ["1h", "12h", "1d", "3d", "1w", "1M"])
@pytest.mark.parametrize("zone", [0, 8 * 60, -90, 345])
def test_candles_of_a_zone_are_those_of_shifted_trades(interval, zone):
    """A zone's candles are UTC's of trades that were so much later, shifted back."""
    offset_ms = zone * MINUTE_MS
    here, there = Market2(), Market2()
    at = [MONDAY_MS + hour * 3_600_000 + 17 * MINUTE_MS for hour in (0, 3, 4, 17, 30, 59, 100)]
    rows = [(number + 1, 100 + number * 7 % 5, moment) for number, moment in enumerate(at)]
    here.traded(*rows)
    there.traded(*[(number, price, moment + offset_ms) for number, price, moment in rows])
    end_ms, limit = at[-1], 1_000

    async def candles(mirror, zone_ms, end_ms):
        past = Past(mirror)
        return await candles_in(past, BTC, interval, zone_ms, None, end_ms, limit, end_ms)

    shown = asyncio.run(candles(here, offset_ms, end_ms))
    wanted = asyncio.run(candles(there, 0, end_ms + offset_ms))
    assert [row.count for row in shown if row.count] == [row.count for row in wanted if row.count]
    by_begin = {row.begin_ms: row for row in shown}
    for row in wanted:
        if row.count:
            row.begin_ms, row.end_ms = row.begin_ms - offset_ms, row.end_ms - offset_ms
            assert by_begin[row.begin_ms] == row


def test_a_rolling_window_begins_with_a_minute_and_a_trading_day_at_midnight():
    spot, now_ms = api(), time.time_ns() // 1_000_000
    spot.mirror.traded((1, 100, now_ms - 3 * 3_600_000), (2, 120, now_ms - 60_000))
    row = ask(spot, "GET", "/api/v3/ticker", symbol="BTCUSD", windowSize="2h")[0]
    assert (row["count"], row["openPrice"], row["lastPrice"]) == (1, "1.20", "1.20")
    assert row["openTime"] % MINUTE_MS == 0
    assert 2 * 3_600_000 <= row["closeTime"] - row["openTime"] < 2 * 3_600_000 + MINUTE_MS
    wide = ask(spot, "GET", "/api/v3/ticker", symbols='["BTCUSD"]', windowSize="4h")[0][0]
    assert (wide["count"], wide["priceChange"], wide["priceChangePercent"]) == (2, "0.20", "20.000")
    spot.mirror.traded((3, 90, now_ms - 30_000))
    week = ask(spot, "GET", "/api/v3/ticker", symbol="BTCUSD", windowSize="7d")[0]
    assert (week["count"], week["lowPrice"], week["openPrice"]) == (3, "0.90", "1.00")
    mini = ask(spot, "GET", "/api/v3/ticker", symbol="BTCUSD", type="MINI")[0]
    assert "priceChange" not in mini
    day = ask(spot, "GET", "/api/v3/ticker/tradingDay", symbol="BTCUSD", timeZone="8")[0]
    assert (day["openTime"] + 8 * 3_600_000) % DAY_MS == 0
    assert day["closeTime"] - day["openTime"] == DAY_MS - 1


class Database:
    """A history of trades, each a tuple like ``Trade``."""

    def __init__(self, rows):
        self.rows = [Trade(*row) for row in rows]

    async def trades(self, instrument, first, most, start_ms=None, end_ms=None):
        found = [
            row
            for row in self.rows
            if row.number >= (first or 0) and (start_ms or 0) <= row.time_ms <= (end_ms or 2**62)
        ]
        return found[-most:] if first is None and start_ms is None else found[:most]

    async def trade_before(self, instrument, number):
        return next((row for row in reversed(self.rows) if row.number < number), None)


def test_aggregates_of_any_age_are_whole():
    rows = [(1, 5, 1, 10, True, 1), (2, 5, 1, 10, True, 1), (4, 6, 1, 10, True, 1)]
    rows += [(9, 5, 1, 20, True, 7), (10, 5, 1, 20, True, 7)]
    mirror = Market2()
    mirror.began_seq = 9
    past = Past(mirror, Database(rows))

    def numbers(first=None, start_ms=None, limit=10):
        found = asyncio.run(past.aggregates(BTC, limit, first, start_ms, None))
        return [(row.number, row.last, row.lots) for row in found]

    every = [(1, 2, 2), (4, 4, 1), (9, 10, 2)]
    assert numbers() == every
    assert numbers(first=2) == numbers(first=3) == every[1:], "a part of one is none"
    assert numbers(start_ms=11) == every[2:]
    assert numbers(limit=1) == every[-1:]


# WebSockets


def answers(connection):
    said = []
    while not connection.subscriber.queue.empty():
        said.append(json.loads(connection.subscriber.queue.get_nowait()))
    return said


def socket_api(signer, **more):
    spot = api(signer)
    return Requests(spot, UserData(spot.mirror), HERE, **more)


def told(connection, method, **params):
    """Everything that is sent after a request."""

    async def run():
        await connection._ask(json.dumps({"id": 1, "method": method, "params": params}))

    asyncio.run(run())
    return answers(connection)


def test_every_request_over_a_socket_has_a_route():
    assert set(METHODS.values()) <= set(ROUTES)
    assert not set(METHODS) & set(OF_CONNECTION)


def test_a_session_needs_no_more_keys_and_signatures():
    signer = Signer()
    connection = socket_api(signer)
    (before,) = told(connection, "account.status", timestamp=1)
    assert before["error"]["code"] == -2015
    (status,) = told(connection, "session.status")
    assert (status["result"]["apiKey"], status["result"]["userDataStream"]) == (None, False)
    (refused,) = told(connection, "userDataStream.subscribe")
    assert (refused["status"], refused["error"]["code"]) == (401, -1002)
    (on,) = told(connection, "session.logon", apiKey=KEY, signature="x", timestamp=1)
    assert on["result"]["apiKey"] == KEY
    assert on["result"]["authorizedSince"] >= on["result"]["connectedSince"]
    (account,) = told(connection, "account.status", timestamp=2)
    assert account["result"]["uid"] == 1000
    assert signer.checked[-1] is False
    (own,) = told(connection, "userDataStream.subscribe")
    assert own["result"] == {"subscriptionId": 0}
    (twice,) = told(
        connection, "userDataStream.subscribe.signature", apiKey=KEY, signature="x", timestamp=1
    )
    assert twice["error"]["code"] == -2035
    assert told(connection, "session.subscriptions")[0]["result"] == [{"subscriptionId": 0}]
    ended, off = told(connection, "session.logout")
    assert ended["event"]["e"] == "eventStreamTerminated"
    assert (off["result"]["apiKey"], off["result"]["userDataStream"]) == (None, False)
    assert told(connection, "account.status", timestamp=2)[0]["error"]["code"] == -2015


def test_what_is_signed_over_a_socket_is_all_that_was_sent():
    signer, payloads = Signer(), []
    signer.check = lambda key, params, payload, *more: payloads.append(payload)
    connection = socket_api(signer)
    terms = {"apiKey": KEY, "signature": "x", "timestamp": 1, "returnRateLimits": False}
    (answer,) = told(connection, "account.status", **terms)
    assert answer["status"] == 200
    assert payloads == [f"apiKey={KEY}&returnRateLimits=false&timestamp=1"]


def test_a_session_ends_with_its_key_and_is_for_ed25519_alone():
    signer = Signer()
    connection = socket_api(signer)
    told(connection, "session.logon", apiKey=KEY, signature="x", timestamp=1)
    signer.is_valid = False
    assert told(connection, "account.status", timestamp=1)[0]["error"]["code"] == -2015
    signer.is_valid = True
    assert told(connection, "session.status")[0]["result"]["apiKey"] is None
    for kind, name in ((HMAC, "HMAC_SHA256"), (RSA, "RSA")):
        old = socket_api(Signer(kind))
        (refused,) = told(old, "session.logon", apiKey=KEY, signature="x", timestamp=1)
        assert refused["error"] == {"code": -4056, "msg": f"{name} API key is not supported."}


def test_a_request_over_a_socket_says_what_is_used_unless_it_is_not_to():
    connection = socket_api(Signer(), shows_limits=False)
    assert "rateLimits" not in told(connection, "ping")[0]
    (shown,) = told(connection, "ping", returnRateLimits=True)
    assert [row["rateLimitType"] for row in shown["rateLimits"]] == ["REQUEST_WEIGHT"]
    connection = socket_api(Signer())
    (refused,) = told(connection, "order.place", apiKey=KEY, signature="x", timestamp=1)
    assert refused["error"]["code"] == -1102
    assert [row["rateLimitType"] for row in refused["rateLimits"]] == [
        "REQUEST_WEIGHT",
        "ORDERS",
        "ORDERS",
    ]
    assert told(connection, "ping", returnRateLimits="maybe")[0]["error"]["code"] == -1100
    asyncio.run(connection._ask("{"))
    assert answers(connection)[0]["error"] == {"code": -1135, "msg": "Invalid JSON Request"}


def test_the_right_to_own_events_is_asked_once_for_all_connections_with_a_key():
    mirror, asked, came, ended = Market2(), [], [], set()
    user_data = UserData(mirror)

    def connected(number, key):
        def is_in_force():
            asked.append(key)
            return key not in ended

        user_data.subscribe(1000, lambda texts: came.append(number), key, is_in_force)

    for number, key in enumerate(("first", "first", "second")):
        connected(number, key)
    for units in (2, 3):
        mirror.balances = lambda participant: {"BTC": (units, 0), "USD": (0, 0)}  # noqa: B023
        moment = Moment(units)
        moment.wallets.add(1000)
        mirror.listeners[0](moment)
        ended.add("first")
    assert asked == ["first", "second"] * 2
    assert came == [0, 1, 2, 2]


def streams(combined=False, fine=False):
    mirror = Market2()
    spot = SimpleNamespace(limits=Limits(10**9), listen_keys=ListenKeys(), mirror=mirror)
    return Streams(spot, Feeds(mirror), UserData(mirror), combined, HERE, fine)


def test_a_planned_stop_is_said_as_each_kind_of_connection_has_it():
    connections = Connections()
    raw, combined, fine = streams(), streams(True), streams(True, True)
    requests = socket_api(Signer())
    connections.open = {raw, object(), combined, fine, requests}
    connections.say_end()
    (event,), (row,), (late,), (own,) = map(answers, (raw, combined, fine, requests))
    assert event == {"e": "serverShutdown", "E": event["E"]}
    assert row == {"stream": "!serverShutdown", "data": {**event, "E": row["data"]["E"]}}
    assert own == {"event": {**event, "E": own["event"]["E"]}}
    assert late["data"]["E"] > event["E"] * 999, "in microseconds"


STREAM_WORDS = [
    ("{", 3),
    ("[]", 2),
    ('{"id": 1}', 2),
    ('{"id": 1, "method": "BUY"}', 2),
    ('{"id": {}, "method": "LIST_SUBSCRIPTIONS"}', 2),
    ('{"id": 1, "method": "SUBSCRIBE", "params": [1]}', 2),
    ('{"id": 1, "method": "SUBSCRIBE", "params": [], "more": 1}', 2),
    ('{"id": 1, "method": "SET_PROPERTY", "params": [1]}', 2),
    ('{"id": 1, "method": "SET_PROPERTY", "params": ["color", true]}', 0),
    ('{"id": 1, "method": "SET_PROPERTY", "params": ["combined", 1]}', 1),
    ('{"id": 1, "method": "GET_PROPERTY", "params": ["combined", true]}', 2),
]


@pytest.mark.parametrize(("text", "code"), STREAM_WORDS)
def test_messages_that_are_no_request_have_their_codes(text, code):
    connection = streams()
    asyncio.run(connection.asked(text))
    (answer,) = answers(connection)
    assert (answer["error"]["code"], answer["code"]) == (code, code)


def test_properties_and_subscriptions_are_shown(monkeypatch):
    connection = streams()
    seconds = count()
    clock = SimpleNamespace(monotonic=lambda: float(next(seconds)))
    monkeypatch.setattr("openoutcry.portal.spot.sockets.time", clock)

    def said(method, *params):
        asyncio.run(connection.asked(json.dumps({"id": 1, "method": method, "params": params})))
        return answers(connection)[-1]["result"]

    assert said("SUBSCRIBE", "btcusd@trade", "no@stream") is None
    assert said("LIST_SUBSCRIPTIONS") == ["btcusd@trade"]
    assert said("SET_PROPERTY", "combined", True) is None
    assert said("GET_PROPERTY", "combined") is True
    connection.feeds.mirror.traded((1, 100, 1_000))
    assert answers(connection)[0]["stream"] == "btcusd@trade"
    assert said("UNSUBSCRIBE", "btcusd@trade") is None
    assert said("LIST_SUBSCRIPTIONS") == []


def test_every_kind_of_stream_has_its_event():
    mirror = Market2()
    feeds, subscriber = Feeds(mirror), Subscriber(True)
    kinds = {
        "btcusd@trade": "trade",
        "btcusd@aggTrade": "aggTrade",
        "btcusd@kline_1m": "kline",
        "btcusd@kline_1d@+08:00": "kline",
        "btcusd@ticker": "24hrTicker",
        "btcusd@miniTicker": "24hrMiniTicker",
        "btcusd@avgPrice": "avgPrice",
        "btcusd@ticker_1h": "1hTicker",
        "btcusd@ticker_4h": "4hTicker",
        "btcusd@ticker_1d": "1dTicker",
    }
    arrays = {"!miniTicker@arr": "24hrMiniTicker", "!ticker_4h@arr": "4hTicker"}
    for name in [*kinds, *arrays]:
        assert feeds.subscribe(subscriber, name), name
    for name in ("btcusd@kline_1d@+09:00", "btcusd@ticker_2h", "btcusd@avgprice", "!trade@arr"):
        assert not feeds.subscribe(subscriber, name), name
    now_ms = time.time_ns() // 1_000_000
    mirror.traded((1, 100, now_ms - 10), (2, 120, now_ms - 5))
    for _ in range(10):
        feeds.beat()
    rows = [json.loads(text) for text in drained(subscriber)]
    seen = {row["stream"]: row["data"] for row in rows}
    assert {name: seen[name]["e"] for name in kinds} == kinds
    assert seen["btcusd@avgPrice"]["w"] == "1.10"
    assert seen["btcusd@ticker_1h"]["n"] == 2
    zoned = seen["btcusd@kline_1d@+08:00"]["k"]
    assert (zoned["t"] + 8 * 3_600_000) % DAY_MS == 0
    assert (zoned["n"], zoned["x"]) == (2, False)
    for name, kind in arrays.items():
        assert [row["e"] for row in seen[name]] == [kind, kind]


def drained(subscriber):
    rows = []
    while not subscriber.queue.empty():
        rows.append(subscriber.queue.get_nowait())
    return rows


def test_a_candle_ends_with_an_event_that_says_so(monkeypatch):
    mirror = Market2()
    feeds, subscriber = Feeds(mirror), Subscriber(False)
    feeds.subscribe(subscriber, "btcusd@kline_1m")
    clock = [MONDAY_MS + 1_000]
    monkeypatch.setattr("openoutcry.portal.spot.feeds.now_ms", lambda: clock[0])
    mirror.traded((1, 100, MONDAY_MS + 500))
    feeds.beat()
    clock[0] += MINUTE_MS
    feeds.beat()
    feeds.beat()
    mirror.traded((2, 110, MONDAY_MS + MINUTE_MS + 500))
    mirror.traded((3, 120, MONDAY_MS + 2 * MINUTE_MS + 500))
    events = [json.loads(text)["k"] for text in drained(subscriber)]
    shown = [(row["t"] - MONDAY_MS, row["c"], row["x"]) for row in events]
    assert shown == [
        (0, "1.00", False),
        (0, "1.00", True),
        (MINUTE_MS, "1.10", False),
        (MINUTE_MS, "1.10", True),
        (2 * MINUTE_MS, "1.20", False),
    ]


def test_the_array_of_all_markets_has_those_that_changed():
    mirror = Market2()
    feeds, subscriber = Feeds(mirror), Subscriber(False)
    feeds.subscribe(subscriber, "!ticker@arr")

    def shown():
        for _ in range(10):
            feeds.beat()
        return [[row["s"] for row in json.loads(text)] for text in drained(subscriber)]

    assert shown() == [["BTCUSD", "ETHUSD"]]
    assert shown() == []
    mirror.traded((1, 100, 1_000), market=1)
    assert shown() == [["ETHUSD"]]
    feeds.subscribe(Subscriber(False), "!ticker@arr")
    assert shown() == [["BTCUSD", "ETHUSD"]], "a client that comes later gets all"


def test_a_stream_has_each_unit_that_its_clients_asked_for():
    mirror = Market2()
    feeds, plain, fine = Feeds(mirror), Subscriber(False), Subscriber(False, True)
    for one in (plain, fine):
        feeds.subscribe(one, "btcusd@trade")
    mirror.traded((1, 100, 1_000))
    moments = [json.loads(drained(one)[0]) for one in (plain, fine)]
    assert [row["T"] for row in moments] == [1_000, 1_000_000]
    assert moments[1]["E"] > 10**15 > moments[0]["E"]


def test_a_candle_of_each_interval_is_streamed():
    mirror = Market2()
    feeds, subscriber = Feeds(mirror), Subscriber(True)
    for interval in INTERVALS:
        for zone in ("", "@+08:00"):
            assert feeds.subscribe(subscriber, f"btcusd@kline_{interval}{zone}")
    mirror.traded((1, 100, MONDAY_MS))
    rows = [json.loads(text) for text in drained(subscriber)]
    assert len({row["stream"] for row in rows}) == 2 * len(INTERVALS)
    assert all(row["data"]["k"]["n"] == 1 for row in rows)
    assert all(isinstance(one, Candle) for one in mirror.tapes[0].candles["1s"])


def test_an_order_over_the_limit_is_refused_before_it_is_read():
    """What cancels at the same time is read."""
    spot = api(orders_in_10_s=1, clock=lambda: 1_000.0)
    spot.limits.take_order(owner(HMAC).participant, 1)

    def entered(path):
        def read():
            raise AssertionError

        with pytest.raises(ApiError) as refused:
            asyncio.run(spot.answer(ROUTES["POST", path], read, KEY, HERE))
        return refused.value

    with pytest.raises(AssertionError):
        entered("/api/v3/order")
    with pytest.raises(ApiError) as first:
        spot.limits.take_order(owner(HMAC).participant, 1)
    over = entered("/api/v3/order")
    assert (over.code, over.text, over.status) == (first.value.code, first.value.text, 429)
    assert over.retry_after_s == 10
    assert over.headers["x-mbx-used-weight"] == "2"
    with pytest.raises(AssertionError):
        entered("/api/v3/order/cancelReplace")


def test_snapshots_are_balances_at_the_ends_of_past_days(monkeypatch):
    spot, today = api(), MONDAY_MS // DAY_MS
    monkeypatch.setattr("openoutcry.portal.spot.wallet.now_ms", lambda: MONDAY_MS + 5)
    # BTC changed ten days and two days ago, USD three days ago and today.
    changed = [(10, "BTC", 5, 1), (3, "USD", 7, 0), (2, "BTC", 4, 0), (0, "USD", 1, 0)]
    rows = [
        {"day": today - ago, "asset": asset, "available": free, "reserved": locked}
        for ago, asset, free, locked in changed
    ]

    async def balances(participant, first, last):
        return [row for row in rows if first <= row["day"] <= last]

    spot.day_balances = balances

    def shown(**params):
        answer = ask(spot, "GET", "/sapi/v1/accountSnapshot", **params)[0]
        assert (answer["code"], answer["msg"]) == (200, "")
        return {
            today - row["updateTime"] // DAY_MS: {
                one["asset"]: (one["free"], one["locked"]) for one in row["data"]["balances"]
            }
            for row in answer["snapshotVos"]
        }

    btc, usd = ("0.00000005", "0.00000001"), ("0.000007", "0.000000")
    later = {"BTC": ("0.00000004", "0.00000000"), "USD": usd}
    days = shown(type="SPOT")
    assert list(days) == [7, 6, 5, 4, 3, 2, 1]
    assert days[7] == days[4] == {"BTC": btc}
    assert days[3] == {"BTC": btc, "USD": usd}
    assert days[2] == days[1] == later
    assert list(shown(type="SPOT", limit=30)) == list(range(10, 0, -1))
    assert list(shown(type="SPOT", startTime=(today - 2) * DAY_MS)) == [2, 1]
    assert list(shown(type="SPOT", endTime=(today - 8) * DAY_MS)) == [10, 9]
    assert shown(type="MARGIN") == {}
    assert refusal(api(), "GET", "/sapi/v1/accountSnapshot")[0] == -1102
