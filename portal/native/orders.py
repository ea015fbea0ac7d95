"""Orders of the native API: its words in those that the checks know, and exactly once by the
client's key."""

import hashlib
from dataclasses import dataclass

from openoutcry.client.portal_models import FillRow, OrderRow
from openoutcry.portal.accounts.errors import InvalidRequest
from openoutcry.portal.body import Body
from openoutcry.portal.native.problems import KeyReused
from openoutcry.portal.spot import errors, shapes
from openoutcry.portal.spot.errors import ApiError
from openoutcry.portal.spot.params import Params
from openoutcry.portal.spot.trade import ANSWER_S, DUPLICATE, NO_STATUS, Trading, rejection
from openoutcry.portal.trading.broker import NewOrder
from openoutcry.portal.trading.instruments import Market
from openoutcry.portal.trading.orders import CANCELED, REJECTED, Fill, FilledOrder, Order
from openoutcry.wire.enums import OrderType

TYPES = {
    "limit": "LIMIT",
    "post_only": "LIMIT_MAKER",
    "market": "MARKET",
    "stop": "STOP_LOSS",
    "stop_limit": "STOP_LOSS_LIMIT",
    "trailing_stop": "STOP_LOSS",
    "trailing_stop_limit": "STOP_LOSS_LIMIT",
}
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
    """``limit``, ``post_only``, ``market``, ``stop``, ``stop_limit``, ``trailing_stop`` or
    ``trailing_stop_limit``."""
    quantity: str = ""
    price: str = ""
    stop_price: str = ""
    amount: str = ""
    """For a market order: the sum to spend of the quote asset, in place of a quantity."""
    shown_quantity: str = ""
    trailing_bps: int = 0
    time_in_force: str = ""
    """``gtc``, ``ioc`` or ``fok``."""
    self_trade: str = ""
    """``cancel_taker``, ``cancel_maker`` or ``cancel_both``."""


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
        kind, tif = TYPES.get(body.type), body.time_in_force.upper()
        if kind is None:
            raise InvalidRequest(f"type: one of {', '.join(TYPES)}")
        if body.side not in ("buy", "sell"):
            raise InvalidRequest("side: buy or sell")
        if body.self_trade and body.self_trade not in SELF_TRADE:
            raise InvalidRequest(f"self_trade: one of {', '.join(SELF_TRADE)}")
        if (body.trailing_bps != 0) != body.type.startswith("trailing"):
            raise InvalidRequest("trailing_bps: for trailing stops, and only for them")
        if kind in ("LIMIT", "STOP_LOSS_LIMIT"):
            tif = tif or "GTC"
        market = self.market(body.symbol)
        if market.contract is not None and body.amount:
            raise InvalidRequest("amount: a contract is traded by quantity")
        given = {
            "symbol": market.name,
            "side": body.side.upper(),
            "type": kind,
            "quantity": body.quantity,
            "price": body.price,
            "stopPrice": body.stop_price,
            "quoteOrderQty": body.amount,
            "icebergQty": body.shown_quantity,
            "trailingDelta": str(body.trailing_bps) if body.trailing_bps else "",
            "timeInForce": tif,
            "selfTradePreventionMode": SELF_TRADE.get(body.self_trade, ""),
            "newClientOrderId": key,
        }
        pairs = [(name, value) for name, value in given.items() if value]
        return self.trading.read(participant, Params(pairs, self.mirror.markets), market)

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


def _is_same(order: Order, market: Market, wanted: NewOrder) -> bool:
    extra = wanted.trigger_ticks or wanted.shown_lots or wanted.budget_tick_lots
    terms = [
        (order.instrument, market.index),
        (order.side, int(wanted.side)),
        (order.order_type, int(wanted.order_type)),
        (order.time_in_force & 15, int(wanted.time_in_force)),
    ]
    if wanted.trailing_bps:
        terms.append((shapes.trailing_bps(order), wanted.trailing_bps))
    else:
        terms.append((order.aux, extra))
    if wanted.price_ticks:
        terms.append((order.price_ticks, wanted.price_ticks))
    if not wanted.budget_tick_lots:
        terms.append((order.lots, wanted.lots))
    return all(has == asked for has, asked in terms)


def order_row(order: Order, market: Market) -> OrderRow:
    """An order with prices and quantities as decimal text and times in milliseconds."""
    shown = shapes.order_of(order, market)
    kinds = {text: name for name, text in TYPES.items() if not name.startswith("trailing")}
    kind = kinds[shown["type"]]
    trailing = shapes.trailing_bps(order)
    return OrderRow(
        order.number,
        order.client_id,
        market.symbol,
        shown["side"].lower(),
        f"trailing_{kind}" if trailing else kind,
        shown["timeInForce"].lower(),
        shown["price"],
        shown["stopPrice"],
        trailing,
        shown["origQty"],
        market.quantity(order.aux if order.order_type == OrderType.ICEBERG else 0),
        shown["origQuoteOrderQty"],
        shown["executedQty"],
        shown["cummulativeQuoteQty"],
        STATES[order.state],
        not order.is_waiting and order.is_open,
        SELF_TRADE_TEXT[shown["selfTradePreventionMode"]],
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
