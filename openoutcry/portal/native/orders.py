"""Orders of the native API: its words in those that the checks know, and exactly once by the
client's key."""

import hashlib
from dataclasses import dataclass, replace
from typing import Any

from openoutcry.client.portal_models import FillRow, OrderRow
from openoutcry.portal.accounts.errors import InvalidRequest
from openoutcry.portal.body import Body
from openoutcry.portal.native.problems import KeyReused
from openoutcry.portal.spot import errors, shapes
from openoutcry.portal.spot.errors import ApiError
from openoutcry.portal.spot.params import Params
from openoutcry.portal.spot.trade import (
    ANSWER_S,
    DUPLICATE,
    ICEBERG_PARTS,
    NO_STATUS,
    Trading,
    rejection,
)
from openoutcry.portal.trading.broker import NewOrder
from openoutcry.portal.trading.instruments import AmountError, Market
from openoutcry.portal.trading.orders import CANCELED, REJECTED, Fill, FilledOrder, Order
from openoutcry.wire.enums import (
    SELF_TRADE_MASK,
    SELF_TRADE_SHIFT,
    OrderType,
    SelfTrade,
    Side,
    TimeInForce,
)
from openoutcry.wire.order_types import ORDER_TYPES, Aux, types_where

TYPES = {
    "limit": "LIMIT",
    "post_only": "LIMIT_MAKER",
    "post_only_slide": "LIMIT_MAKER",
    "market": "MARKET",
    "market_to_limit": "MARKET",
    "stop": "STOP_LOSS",
    "stop_limit": "STOP_LOSS_LIMIT",
    "post_only_stop_limit": "STOP_LOSS_LIMIT",
    "trailing_stop": "STOP_LOSS",
    "trailing_stop_limit": "STOP_LOSS_LIMIT",
    "hidden": "LIMIT",
    "all_or_none": "LIMIT",
    "peg_primary": "LIMIT",
    "peg_market": "LIMIT",
    "peg_midpoint": "LIMIT",
}
"""What a type is to the checks that it has in common with the other API's orders."""
CORE_TYPES = {
    "post_only_slide": OrderType.POST_ONLY_SLIDE,
    "market_to_limit": OrderType.MARKET_TO_LIMIT,
    "post_only_stop_limit": OrderType.POST_ONLY_STOP_LIMIT,
    "hidden": OrderType.HIDDEN,
    "all_or_none": OrderType.ALL_OR_NONE,
    "peg_primary": OrderType.PEG_PRIMARY,
    "peg_market": OrderType.PEG_MARKET,
    "peg_midpoint": OrderType.PEG_MIDPOINT,
}
TYPE_NAMES = {
    OrderType.LIMIT: "limit",
    OrderType.LIMIT_BUDGET: "limit",
    OrderType.ICEBERG: "limit",
    OrderType.MIN_QTY: "limit",
    OrderType.MARKET: "market",
    OrderType.MARKET_BUDGET: "market",
    OrderType.POST_ONLY: "post_only",
    OrderType.STOP: "stop",
    OrderType.STOP_LIMIT: "stop_limit",
    OrderType.TRAILING_STOP: "trailing_stop",
    OrderType.TRAILING_STOP_BPS: "trailing_stop",
    OrderType.TRAILING_STOP_LIMIT: "trailing_stop_limit",
    OrderType.TRAILING_STOP_LIMIT_BPS: "trailing_stop_limit",
} | {core: name for name, core in CORE_TYPES.items()}
"""Also of orders that came by another session."""
PEGS = (OrderType.PEG_PRIMARY, OrderType.PEG_MARKET, OrderType.PEG_MIDPOINT)
BY_DISTANCE = (OrderType.TRAILING_STOP, OrderType.TRAILING_STOP_LIMIT)
RESTING, UNTIL = ("gtc", "day"), ("gtc", "day", "gtd")
TIMES = {
    "limit": (*UNTIL, "ioc", "fok", "at_open", "at_close"),
    "market": ("ioc", "fok", "day", "at_open", "at_close"),
    "market_to_limit": (*UNTIL, "at_open", "at_close"),
    "post_only": UNTIL,
    "post_only_slide": UNTIL,
    "hidden": UNTIL,
    "all_or_none": UNTIL,
}
"""Times in force that the core has for a type, the first is meant without one; of all other types
RESTING."""
TIME_NAMES = {int(one): one.name.lower() for one in TimeInForce}
WITH_TIME = tuple(OrderType[name.upper()] for name in TIMES if "gtd" in TIMES[name])
"""Types whose ``aux`` is the end of a GTD order."""
MOST_MS, MOST_TICKS = 2**43, 2**31
AMENDED_IN_PRICE = types_where(lambda row: row.is_priced)
LOTS_OF = {"quantity": "lots", "shown_quantity": "shown_lots"}
SELF_TRADE = {
    "cancel_taker": "EXPIRE_TAKER",
    "cancel_maker": "EXPIRE_MAKER",
    "cancel_both": "EXPIRE_BOTH",
}
SELF_TRADE_TEXT = {text: name for name, text in SELF_TRADE.items()} | {
    "NONE": "allow",
    "DECREMENT": "decrement",
}
STATES = {
    "NEW": "open",
    "PARTIALLY_FILLED": "open",
    "FILLED": "filled",
    "CANCELED": "cancelled",
    "EXPIRED": "expired",
    "EXPIRED_IN_MATCH": "expired",
    "REJECTED": "rejected",
}


@dataclass
class NewOrderBody(Body):
    """An order.  Amounts and prices are decimal text."""

    symbol: str
    side: str
    """``buy`` or ``sell``."""
    type: str
    """``limit``, ``post_only``, ``post_only_slide``, ``market``, ``market_to_limit``, ``stop``,
    ``stop_limit``, ``post_only_stop_limit``, ``trailing_stop``, ``trailing_stop_limit``,
    ``hidden``, ``all_or_none``, ``peg_primary``, ``peg_market`` or ``peg_midpoint``."""
    quantity: str = ""
    price: str = ""
    stop_price: str = ""
    amount: str = ""
    """For a market or limit order: the most to spend of the quote asset, in place of a quantity."""
    shown_quantity: str = ""
    min_quantity: str = ""
    """For a limit order: the least that must trade on arrival, or nothing does."""
    trailing_bps: int = 0
    trailing_distance: str = ""
    """For a trailing stop: how far from the last price, in place of ``trailing_bps``."""
    offset: str = ""
    """For a peg: added to the price that it follows."""
    time_in_force: str = ""
    """``gtc``, ``ioc``, ``fok``, ``day``, ``gtd``, ``at_open`` or ``at_close``, as far as the type
    has it."""
    expires_ms: int = 0
    """Until when a ``gtd`` order is good, milliseconds since 1970."""
    self_trade: str = ""
    """``cancel_taker``, ``cancel_maker`` or ``cancel_both``."""


@dataclass
class AmendBody(Body):
    """Other terms of an open order; what is left out stays as it is."""

    quantity: str = ""
    """All of it, with what was executed."""
    price: str = ""
    shown_quantity: str = ""


class NativeOrders:
    """Orders of the native API."""

    def __init__(self, trading: Trading) -> None:
        self.trading, self.mirror = trading, trading.mirror
        self.by_symbol = {market.symbol: market for market in self.mirror.markets.every}

    def market(self, symbol: str) -> Market:
        """Raises :class:`ApiError`."""
        found = self.by_symbol.get(symbol)
        if found is None:
            raise ApiError(errors.BAD_SYMBOL, "there is no such instrument")
        return found

    def read(self, participant: int, body: NewOrderBody, key: str) -> tuple[Market, NewOrder]:
        """Raises :class:`ApiError`."""
        tif = _checked(body)
        market = self.market(body.symbol)
        if market.contract is not None and body.amount:
            raise InvalidRequest("amount: a contract is traded by quantity")
        # An order for an amount is checked as a market order, which may have one, and a distance in
        # ticks as one in basis points.
        kind = "MARKET" if body.amount else TYPES[body.type]
        delta = body.trailing_bps or (1 if body.trailing_distance else 0)
        given = {
            "symbol": market.name,
            "side": body.side.upper(),
            "type": kind,
            "quantity": body.quantity,
            "price": "" if body.type == "limit" and body.amount else body.price,
            "stopPrice": body.stop_price,
            "quoteOrderQty": body.amount,
            "icebergQty": body.shown_quantity,
            "trailingDelta": str(delta) if delta else "",
            "timeInForce": "",
            "selfTradePreventionMode": SELF_TRADE.get(body.self_trade, ""),
            "newClientOrderId": key,
        }
        if kind in ("LIMIT", "STOP_LOSS_LIMIT"):
            given["timeInForce"] = tif.upper() if tif in ("ioc", "fok") else "GTC"
        pairs = [(name, value) for name, value in given.items() if value]
        _, order = self.trading.read(participant, Params(pairs, self.mirror.markets), market)
        if order.shown_lots and tif not in RESTING:
            raise InvalidRequest("shown_quantity: for orders that are gtc or day")
        terms = _terms(body, tif, market, order)
        if body.type == "limit" and body.amount:
            priced = Params([("price", body.price)], self.mirror.markets)
            terms["price_ticks"] = self.trading.price(market, priced, "price")
        return market, replace(order, **terms)

    async def place(self, participant: int, body: NewOrderBody, key: str) -> tuple[Order, bool]:
        """The order, and whether this request entered it.  ``key`` is its client order id, which
        the core accepts once: the same again is answered with the same order.

        Raises :class:`ApiError`."""
        market, wanted = self.read(participant, body, key)
        own = self.mirror.orders.participant(participant)
        if key in own.by_client_id:
            return self._known(own.by_client_id[key], market, wanted), False
        try:
            return await self.trading.sent(participant, wanted), True
        except ApiError as error:
            if error.text != DUPLICATE:
                raise
        # The same request is under way, or was, before this portal began.
        await self.trading.until_shown(participant, key, ANSWER_S)
        if key not in own.by_client_id:
            raise ApiError(errors.NEW_ORDER_REJECTED, DUPLICATE)
        return self._known(own.by_client_id[key], market, wanted), False

    def _known(self, order: Order, market: Market, wanted: NewOrder) -> Order:
        if not _is_same(order, market, wanted):
            raise KeyReused("this key belongs to another order")
        if order.state == REJECTED:
            raise rejection(order)
        return order

    def one(self, participant: int, number: int) -> tuple[Market, Order]:
        """Raises :class:`ApiError` also for one of another participant."""
        order = self.mirror.orders.participant(participant).by_number.get(number)
        if order is None or order.state == REJECTED:
            raise ApiError(errors.NO_SUCH_ORDER, "there is no such order")
        return self.mirror.markets.by_index[order.instrument], order

    async def amend(self, participant: int, number: int, body: AmendBody, key: str) -> Order:
        """The order with its new terms, and the key as its client order id.  Raises
        :class:`ApiError`."""
        market, order = self.one(participant, number)
        own = self.mirror.orders.participant(participant)
        if not (body.quantity or body.price or body.shown_quantity):
            raise InvalidRequest("quantity: this, a price or a shown_quantity is needed")
        if not order.is_open:
            raise ApiError(errors.CANCEL_REJECTED, "this order is not open")
        if key in own.by_client_id:
            raise KeyReused("this key belongs to another order")
        terms: dict[str, Any] = {"client_id": key}
        for name, text in vars(body).items():
            given = Params([(name, text)], self.mirror.markets)
            if not text:
                continue
            if name == "price":
                if OrderType(order.order_type) not in AMENDED_IN_PRICE:
                    raise InvalidRequest("price: an order of this type has none")
                terms["price_ticks"] = self.trading.price(market, given, name)
            elif given.decimal(name):
                terms[LOTS_OF[name]] = self.trading.lots(market, given, name)
        new = replace(terms_of(order, market), **terms)
        if body.shown_quantity and new.order_type is not OrderType.ICEBERG:
            raise InvalidRequest("shown_quantity: for orders that were entered with one")
        if new.shown_lots and not new.shown_lots < new.lots <= ICEBERG_PARTS * new.shown_lots:
            parts = f"less than the quantity, and at least 1/{ICEBERG_PARTS} of it"
            raise InvalidRequest(f"shown_quantity: {parts}")
        if new.lots <= order.executed_lots:
            raise InvalidRequest("quantity: more than what was executed")
        await self.trading.amend(participant, order, new)
        return order

    async def cancel(self, participant: int, number: int, key: str) -> Order:
        """Raises :class:`ApiError`."""
        market, order = self.one(participant, number)
        if order.state == CANCELED and order.cancel_id == key:
            return order
        if not order.is_open:
            raise ApiError(errors.CANCEL_REJECTED, "this order is not open")
        await self.trading.cancel_order(participant, market, order, key)
        return order

    async def cancel_all(self, participant: int, symbol: str, key: str) -> list[Order]:
        """Cancel all orders and return those that are gone; each cancel has a name made of the key.
        Raises :class:`ApiError`."""
        gone: list[Order] = []
        for order in self.chosen(participant, symbol, "open", 0):
            name = hashlib.sha256(f"{key} {order.number}".encode()).hexdigest()[:32]
            try:
                gone.append(await self.cancel(participant, order.number, name))
            except ApiError as error:
                if gone and error.code == errors.DISCONNECTED:
                    raise ApiError(errors.TIMEOUT, NO_STATUS) from None  # some are gone
                if error.code != errors.CANCEL_REJECTED:
                    raise
        return gone

    def chosen(self, participant: int, symbol: str, state: str, before: int) -> list[Order]:
        """The newest first; ``before``: with a smaller number, 0: all."""
        if state not in ("all", "open", "closed"):
            raise InvalidRequest("state: open, closed or all")
        wanted = self.market(symbol).index if symbol else None
        own = self.mirror.orders.participant(participant)
        rows = list(own.open.values()) if state == "open" else own.all()
        return [
            order
            for order in sorted(rows, key=lambda one: -one.number)
            if order.state != REJECTED
            and wanted in (None, order.instrument)
            and (state != "closed" or not order.is_open)
            and (not before or order.number < before)
        ]

    def fills(
        self, participant: int, symbol: str, order: int, before: int
    ) -> list[tuple[Order, Fill]]:
        """Fills in memory with their orders, the newest first.

        ``order``: its number, 0: of all; ``before``: with a smaller number, 0: all.  Raises
        :class:`ApiError` for an unknown symbol."""
        wanted = self.market(symbol).index if symbol else None
        rows = self.mirror.orders.participant(participant).fills
        return [
            (one, fill)
            for one, fill in sorted(rows, key=lambda pair: -pair[1].number)
            if wanted in (None, one.instrument)
            and order in (0, one.number)
            and (not before or fill.number < before)
        ]

    def row(self, order: Order) -> OrderRow:
        """:func:`order_row` with the order's own instrument."""
        return order_row(order, self.mirror.markets.by_index[order.instrument])

    def fill_row(self, order: Order | FilledOrder, fill: Fill) -> FillRow:
        """:func:`fill_row` with the order's own instrument."""
        return fill_row(order, fill, self.mirror.markets.by_index[order.instrument])


def _checked(body: NewOrderBody) -> str:
    """The time in force.  Raises :class:`InvalidRequest` for what does not fit the type."""
    if body.type not in TYPES:
        raise InvalidRequest(f"type: one of {', '.join(TYPES)}")
    if body.side not in ("buy", "sell"):
        raise InvalidRequest("side: buy or sell")
    if body.self_trade and body.self_trade not in SELF_TRADE:
        raise InvalidRequest(f"self_trade: one of {', '.join(SELF_TRADE)}")
    is_trailing, is_peg = body.type.startswith("trailing"), body.type.startswith("peg")
    distances = (body.trailing_bps != 0) + bool(body.trailing_distance)
    if not is_trailing and distances:
        name = "trailing_bps" if body.trailing_bps else "trailing_distance"
        raise InvalidRequest(f"{name}: for trailing stops, and only for them")
    if is_trailing and distances != 1:
        raise InvalidRequest("trailing_bps: a trailing stop has this or trailing_distance")
    if body.offset and not is_peg:
        raise InvalidRequest("offset: for pegs, and only for them")
    if is_trailing and body.stop_price:
        raise InvalidRequest("stop_price: a trailing stop has none")
    if body.min_quantity and (body.type != "limit" or body.shown_quantity):
        raise InvalidRequest("min_quantity: for limit orders that show all of their quantity")
    if body.shown_quantity and (body.type != "limit" or body.amount):
        raise InvalidRequest("shown_quantity: for limit orders with a quantity")
    if body.amount and (body.type not in ("market", "limit") or body.min_quantity):
        raise InvalidRequest("amount: for market and limit orders, and only for them")
    times = TIMES.get(body.type, RESTING)
    if body.min_quantity:
        times = (*RESTING, "ioc")
    if body.amount:
        times = ("ioc", "fok")
    tif = body.time_in_force or times[0]
    if tif not in times:
        raise InvalidRequest(f"time_in_force: such an order is {' or '.join(times)}")
    if (body.expires_ms != 0) != (tif == "gtd") or not 0 <= body.expires_ms < MOST_MS:
        raise InvalidRequest("expires_ms: for gtd orders, and only for them")
    return tif


def _terms(body: NewOrderBody, tif: str, market: Market, order: NewOrder) -> dict[str, Any]:
    """Fields of the order that only the native API has.  Raises :class:`InvalidRequest`."""
    terms: dict[str, Any] = {"time_in_force": TimeInForce[tif.upper()]}
    if body.type in CORE_TYPES:
        terms["order_type"] = CORE_TYPES[body.type]
    if body.trailing_distance:
        has_limit = body.type == "trailing_stop_limit"
        terms["order_type"], terms["trailing_bps"] = BY_DISTANCE[has_limit], 0
        terms["trailing_ticks"] = _ticks("trailing_distance", body.trailing_distance, market)
        if not terms["trailing_ticks"]:
            raise InvalidRequest("trailing_distance: above 0")
    if body.min_quantity:
        terms["order_type"] = OrderType.MIN_QTY
        terms["min_lots"] = _lots(body.min_quantity, market)
        if not 0 < terms["min_lots"] <= order.lots:
            raise InvalidRequest("min_quantity: above 0, and at most the quantity")
    if body.type == "limit" and body.amount:
        terms["order_type"] = OrderType.LIMIT_BUDGET
    if body.offset:
        ticks = _ticks("offset", body.offset.removeprefix("-"), market)
        terms["offset_ticks"] = -ticks if body.offset.startswith("-") else ticks
    if body.expires_ms:
        terms["expires_ns"] = body.expires_ms * 1_000_000
    return terms


def _lots(text: str, market: Market) -> int:
    try:
        return market.lots_of(text)
    except AmountError as error:
        raise InvalidRequest(f"min_quantity: {error}") from None


def _ticks(name: str, text: str, market: Market) -> int:
    """A distance, which needs no multiple of the price's step."""
    try:
        ticks = market.ticks_of(text)
    except AmountError as error:
        raise InvalidRequest(f"{name}: {error}") from None
    if ticks >= MOST_TICKS:
        raise InvalidRequest(f"{name}: too large")
    return ticks


def terms_of(order: Order, market: Market) -> NewOrder:
    """An open order as it would be entered."""
    kind, aux = OrderType(order.order_type), order.aux
    mode = SelfTrade(order.time_in_force >> SELF_TRADE_SHIFT & SELF_TRADE_MASK)
    low = aux & 0xFFFFFFFF
    terms: dict[Aux, dict[str, int]] = {
        Aux.TRIGGER: {"trigger_ticks": aux},
        Aux.DISTANCE_TICKS: {"trailing_ticks": low},
        Aux.DISTANCE_BPS: {"trailing_bps": low},
        Aux.DISPLAY: {"shown_lots": aux},
        Aux.OFFSET: {"offset_ticks": aux if order.side == Side.BUY else -aux},
        Aux.MINIMUM: {"min_lots": aux},
    }
    return NewOrder(
        order.client_id,
        market.symbol,
        Side(order.side),
        kind,
        TimeInForce(order.time_in_force & 15),
        order.lots,
        order.price_ticks if kind in AMENDED_IN_PRICE else 0,
        self_trade=mode if mode in shapes.SELF_TRADE.values() else None,
        **terms.get(ORDER_TYPES[kind].aux, {}),
    )


def _aux(wanted: NewOrder) -> int:
    """What the core's order keeps of the terms of its type."""
    offset = wanted.offset_ticks if wanted.side is Side.BUY else -wanted.offset_ticks
    terms = (
        wanted.trigger_ticks,
        wanted.shown_lots,
        wanted.budget_tick_lots,
        wanted.trailing_ticks,
        wanted.min_lots,
        offset,
        wanted.expires_ns,
    )
    return next((term for term in terms if term), 0)


def _is_same(order: Order, market: Market, wanted: NewOrder) -> bool:
    terms = [
        (order.instrument, market.index),
        (order.side, int(wanted.side)),
        (order.order_type, int(wanted.order_type)),
        (order.time_in_force & 15, int(wanted.time_in_force)),
    ]
    if wanted.trailing_bps:
        terms.append((shapes.trailing_bps(order), wanted.trailing_bps))
    else:
        terms.append((order.aux, _aux(wanted)))
    if wanted.price_ticks and wanted.order_type is not OrderType.POST_ONLY_SLIDE:
        terms.append((order.price_ticks, wanted.price_ticks))
    if not wanted.budget_tick_lots:
        terms.append((order.lots, wanted.lots))
    return all(has == asked for has, asked in terms)


def order_row(order: Order, market: Market) -> OrderRow:
    """An order with prices and quantities as decimal text and times in milliseconds."""
    shown, kind = shapes.order_of(order, market), OrderType(order.order_type)
    tif = order.time_in_force & 15
    offset = order.aux if kind in PEGS else 0
    distance = order.aux & 0xFFFFFFFF if kind in BY_DISTANCE else 0
    return OrderRow(
        order.number,
        order.client_id,
        market.symbol,
        shown["side"].lower(),
        TYPE_NAMES[kind],
        TIME_NAMES[tif],
        shown["price"],
        shown["stopPrice"],
        shapes.trailing_bps(order),
        market.price(distance),
        market.price(offset if order.side == Side.BUY else -offset),
        shown["origQty"],
        market.quantity(order.aux if kind is OrderType.ICEBERG else 0),
        market.quantity(order.aux if kind is OrderType.MIN_QTY else 0),
        shown["origQuoteOrderQty"],
        shown["executedQty"],
        shown["cummulativeQuoteQty"],
        STATES[order.state],
        not order.is_waiting and order.is_open,
        SELF_TRADE_TEXT[shown["selfTradePreventionMode"]],
        shapes.ms(order.aux) if tif == TimeInForce.GTD and kind in WITH_TIME else 0,
        shown["time"],
        shown["updateTime"],
        order.seq,
    )


def fill_row(order: Order | FilledOrder, fill: Fill, market: Market) -> FillRow:
    """A fill with price, quantity, amount and fee as decimal text, and its time in milliseconds."""
    return FillRow(
        fill.number,
        order.number,
        order.client_id,
        market.symbol,
        "buy" if shapes.side_text(order.side) == "BUY" else "sell",
        market.price(fill.price_ticks),
        market.quantity(fill.lots),
        market.value(fill.price_ticks, fill.lots),
        shapes.fee_text(fill, market),
        fill.fee_asset,
        fill.is_maker,
        shapes.ms(fill.time_ns),
        fill.seq,
    )
