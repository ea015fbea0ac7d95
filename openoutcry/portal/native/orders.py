"""Orders of the native API: read for the order service, and exactly once by the client's key."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

from openoutcry.client.portal_models import FeeRate, FillRow, OrderRow
from openoutcry.portal.accounts.errors import InvalidRequest
from openoutcry.portal.body import Body
from openoutcry.portal.native.problems import KeyReused, of_reject
from openoutcry.portal.trading.broker import NewOrder
from openoutcry.portal.trading.instruments import Market, rate_text, text_of
from openoutcry.portal.trading.orders import CANCELED, REJECTED, Fill, FilledOrder, Order
from openoutcry.portal.trading.reject import Code, Reject, rejection
from openoutcry.portal.trading.service import ANSWER_S, OrderService
from openoutcry.portal.trading.terms import (
    ICEBERG_PARTS,
    PRICED,
    budget_of,
    distance_of,
    has_terms,
    least_of,
    lots_of,
    price_of,
    shown_of,
    terms_of,
    trailing_of,
)
from openoutcry.wire import words
from openoutcry.wire.enums import OrderType, Side, TimeInForce, TriggerBy
from openoutcry.wire.order_types import ORDER_TYPES, STOPS, Aux

TYPES = words.ORDER_TYPES.by_word("/v1")
TYPE_NAMES = words.ORDER_TYPES.column("/v1")
VARIANTS = {core: name for core, name in TYPE_NAMES.items() if core not in TYPES.values()}
"""Types of the core that are one of the API's with another field."""
SIDES, SIDE_NAMES = words.SIDES.by_word("/v1"), words.SIDES.column("/v1")
TIMES, TIME_NAMES = words.TIMES.by_word("/v1"), words.TIMES.column("/v1")
MOST_MS = 2**43
TRIGGERS = words.TRIGGERS.by_word("/v1 buy")
SELF_TRADE_NAMES = words.SELF_TRADE.column("/v1")
SELF_TRADE = {SELF_TRADE_NAMES[mode]: mode for mode in words.SELF_TRADE.offered("FIX")}
"""What a request may have; orders of other sessions may have others."""
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
    ``take_profit``, ``take_profit_limit``, ``hidden``, ``all_or_none``, ``peg_primary``,
    ``peg_market`` or ``peg_midpoint``."""
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
    has it; what may be ``gtc`` may be ``gtd``."""
    expires_ms: int = 0
    """Until when a ``gtd`` order is good, milliseconds since 1970."""
    self_trade: str = ""
    """``cancel_taker``, ``cancel_maker`` or ``cancel_both``."""
    reduce_only: bool = False
    """For a contract: the order may only make the position smaller."""
    trigger_by: str = ""
    """For a stop: the price that elects it, ``last``, ``bid``, ``ask``, ``mid``, or of a contract
    ``mark`` or ``index``; empty: as the instrument says."""
    activation_price: str = ""
    """For a trailing stop: it begins to trail once the price that it follows reaches this one."""


@dataclass
class AmendBody(Body):
    """Other terms of an open order; what is left out stays as it is."""

    quantity: str = ""
    """All of it, with what was executed."""
    price: str = ""
    shown_quantity: str = ""


@contextmanager
def as_problem() -> Iterator[None]:
    """Raise the order service's refusals in this API's words."""
    try:
        yield
    except Reject as reject:
        raise of_reject(reject) from None


class NativeOrders:
    """Orders of the native API."""

    def __init__(self, service: OrderService) -> None:
        self.service, self.mirror = service, service.mirror
        self.markets = self.mirror.markets

    def market(self, symbol: str) -> Market:
        """Return an instrument.  Raises :class:`AccountError` if there is none of this symbol."""
        found = self.markets.by_symbol.get(symbol)
        if found is None:
            raise of_reject(Reject(Code.UNKNOWN_SYMBOL, "symbol"))
        return found

    def read(
        self, participant: int, body: NewOrderBody, key: str, is_leg: bool = False
    ) -> tuple[Market, NewOrder]:
        """Return the order that a body asks for, and its market.  ``is_leg``: it is one of a list,
        which says what room is needed.  Raises :class:`AccountError`."""
        core = _core_type(body)
        tif = _time_of(body, core)
        market = self.market(body.symbol)
        if market.contract is not None and body.amount:
            raise InvalidRequest("amount: a contract is traded by quantity")
        if market.contract is None and body.reduce_only:
            raise InvalidRequest("reduce_only: for contracts, and only for them")
        with as_problem():
            if not is_leg:
                self.service.require_room(participant, market, key)
            order = NewOrder(
                key, market.symbol, SIDES[body.side], core, tif, 0, reduce_only=body.reduce_only
            )
            terms = _terms(body, market, core)
            if budget := terms.get("budget_tick_lots"):
                if core is OrderType.MARKET_BUDGET and market.contract is None:
                    self.service.require_lot(market, order.side, budget)
                lots = self.service.lots_for(participant, market, order.side, budget)
                terms["lots"] = lots
            terms |= _trigger(body, market)
            if body.self_trade:
                terms["self_trade"] = SELF_TRADE[body.self_trade]
            return market, replace(order, **terms)

    async def place(self, participant: int, body: NewOrderBody, key: str) -> tuple[Order, bool]:
        """Enter an order, and return it and whether this request entered it.  ``key`` is its client
        order id, which the core accepts once: the same again is answered with the same order.

        Raises :class:`AccountError`."""
        market, wanted = self.read(participant, body, key)
        own = self.mirror.orders.participant(participant)
        with as_problem():
            if own.list_named(key) is not None:
                raise KeyReused("this key belongs to a list of orders")
            if key in own.by_client_id:
                return _known(own.by_client_id[key], market, wanted), False
            try:
                return await self.service.enter(participant, wanted), True
            except Reject as reject:
                if reject.code is not Code.DUPLICATE:
                    raise
            # The same request is under way, or was, before this portal began.
            await self.service.until_shown(participant, key, ANSWER_S)
            if key not in own.by_client_id:
                raise Reject(Code.DUPLICATE)
            return _known(own.by_client_id[key], market, wanted), False

    def one(self, participant: int, number: int) -> tuple[Market, Order]:
        """Return a participant's order and its market.  Raises :class:`AccountError` also for one
        of another participant."""
        order = self.mirror.orders.participant(participant).by_number.get(number)
        if order is None or order.state == REJECTED:
            raise of_reject(Reject(Code.UNKNOWN_ORDER))
        return self.mirror.markets.by_index[order.instrument], order

    async def amend(self, participant: int, number: int, body: AmendBody, key: str) -> Order:
        """Return the order with its new terms, and the key as its client order id.  Raises
        :class:`AccountError`."""
        market, order = self.one(participant, number)
        own = self.mirror.orders.participant(participant)
        if not (body.quantity or body.price or body.shown_quantity):
            raise InvalidRequest("quantity: this, a price or a shown_quantity is needed")
        with as_problem():
            if not order.is_open:
                raise Reject(Code.NOT_OPEN)
            if key in own.by_client_id:
                raise KeyReused("this key belongs to another order")
            new = replace(terms_of(order, market), client_id=key, **_new_terms(body, market, order))
            if body.shown_quantity and new.order_type is not OrderType.ICEBERG:
                raise InvalidRequest("shown_quantity: for orders that were entered with one")
            if new.shown_lots and not new.shown_lots < new.lots <= ICEBERG_PARTS * new.shown_lots:
                parts = f"less than the quantity, and at least 1/{ICEBERG_PARTS} of it"
                raise InvalidRequest(f"shown_quantity: {parts}")
            if new.lots <= order.executed_lots:
                raise InvalidRequest("quantity: more than what was executed")
            await self.service.amend(participant, order, new)
        return order

    async def cancel(self, participant: int, number: int, key: str) -> Order:
        """Cancel an order and return it.  Raises :class:`AccountError`."""
        market, order = self.one(participant, number)
        if order.state == CANCELED and order.cancel_id == key:
            return order
        with as_problem():
            if not order.is_open:
                raise Reject(Code.NOT_OPEN)
            await self.service.cancel(participant, market, order, key)
        return order

    async def cancel_all(self, participant: int, symbol: str, key: str) -> list[Order]:
        """Cancel all orders and return those that are gone; each cancel has a name made of the key.
        Raises :class:`AccountError`."""
        orders = self.chosen(participant, symbol, "open", 0)
        names = [
            hashlib.sha256(f"{key} {order.number}".encode()).hexdigest()[:32] for order in orders
        ]
        outcomes = await self.service.cancel_each(participant, orders, names)
        # With one order of a list the others go, whose own cancels come too late.
        gone = [one for one in orders if not one.is_open and one.cancel_id in names]
        for reject in outcomes:
            if reject is None or reject.code in (Code.NOT_OPEN, Code.NOT_CANCELLED):
                continue
            if gone and reject.code is Code.UNAVAILABLE:
                raise of_reject(Reject(Code.UNKNOWN_OUTCOME))  # some are gone
            raise of_reject(reject)
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
        self, participant: int, symbol: str, order: int, before: int, most: int
    ) -> list[tuple[Order, Fill]]:
        """Fills in memory with their orders, the newest first, ``most`` of them.

        ``order``: its number, 0: of all; ``before``: with a smaller number, 0: all.  Raises
        :class:`AccountError` for an unknown symbol."""
        wanted = self.market(symbol).index if symbol else None
        rows = reversed(self.mirror.orders.participant(participant).fills)
        found = (
            (one, fill)
            for one, fill in rows
            if wanted in (None, one.instrument)
            and order in (0, one.number)
            and (not before or fill.number < before)
        )
        return list(islice(found, most))

    def fee_rates(self, participant: int, symbol: str) -> list[FeeRate]:
        """Return what a participant pays in an instrument, or without a symbol in each.  Raises
        :class:`AccountError` for an unknown symbol."""
        chosen = [self.market(symbol)] if symbol else self.mirror.markets.every
        return [self._fee_rate(participant, market) for market in chosen]

    def _fee_rate(self, participant: int, market: Market) -> FeeRate:
        maker, taker, in_quote = self.mirror.fee_terms(participant, market.index)
        per_lot = self.mirror.fee_of_lot(market)
        buyer_pays_in = market.quote if in_quote or market.contract else market.base
        rates = rate_text(maker), rate_text(taker), text_of(per_lot, market.quote_decimals)
        return FeeRate(market.symbol, *rates, buyer_pays_in, market.quote)

    def row(self, order: Order) -> OrderRow:
        """:func:`order_row` with the order's own instrument."""
        return order_row(order, self.mirror.markets.by_index[order.instrument])

    def fill_row(self, order: Order | FilledOrder, fill: Fill) -> FillRow:
        """:func:`fill_row` with the order's own instrument."""
        return fill_row(order, fill, self.mirror.markets.by_index[order.instrument])


def _core_type(body: NewOrderBody) -> OrderType:
    """Return the core's type of an order.  Raises :class:`InvalidRequest` for fields that do not
    fit its type."""
    if body.type not in TYPES:
        raise InvalidRequest(f"type: one of {', '.join(TYPES)}")
    if body.side not in SIDES:
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
    if body.amount and body.quantity:
        raise InvalidRequest("amount: in place of a quantity")
    given = {
        "amount": (OrderType.LIMIT_BUDGET, OrderType.MARKET_BUDGET),
        "shown_quantity": (OrderType.ICEBERG,),
        "min_quantity": (OrderType.MIN_QTY,),
        "trailing_bps": (OrderType.TRAILING_STOP_BPS, OrderType.TRAILING_STOP_LIMIT_BPS),
    }
    for field, cores in given.items():
        if getattr(body, field):
            return next(one for one in cores if VARIANTS[one] == body.type)
    return TYPES[body.type]


def _time_of(body: NewOrderBody, core: OrderType) -> TimeInForce:
    """Return an order's time in force.  Raises :class:`InvalidRequest` for one that its type does
    not have."""
    times = ORDER_TYPES[core].times_in_force
    if TimeInForce.GTC in times and TimeInForce.GTD not in times:
        times = (*times, TimeInForce.GTD)  # said by a term of the order
    tif = TIMES.get(body.time_in_force)
    if not body.time_in_force:
        tif = next(one for one in words.USUAL if one in times)
    if tif not in times:
        known = " or ".join(TIME_NAMES[time] for time in times)
        if core is OrderType.ICEBERG and tif is not None:
            raise InvalidRequest(f"shown_quantity: for orders that are {known}")
        raise InvalidRequest(f"time_in_force: such an order is {known}")
    if (body.expires_ms != 0) != (tif is TimeInForce.GTD) or not 0 <= body.expires_ms < MOST_MS:
        raise InvalidRequest("expires_ms: for gtd orders, and only for them")
    assert tif is not None
    return tif


def _terms(body: NewOrderBody, market: Market, core: OrderType) -> dict[str, Any]:
    """Return the fields of an order that its type has.  Raises :class:`Reject`."""
    row = ORDER_TYPES[core]
    terms: dict[str, Any] = {"expires_ns": body.expires_ms * 1_000_000}
    if row.aux is Aux.BUDGET:
        terms["budget_tick_lots"] = budget_of(market, "amount", body.amount)
    else:
        terms["lots"] = lots_of(market, "quantity", body.quantity)
    for field, name, is_needed in (
        ("price", "price_ticks", row.is_priced),
        ("stop_price", "trigger_ticks", row.aux is Aux.TRIGGER),
    ):
        text = getattr(body, field)
        if is_needed:
            terms[name] = price_of(market, field, text)
        elif text:
            raise Reject(Code.NOT_REQUIRED, field)
    if row.aux is Aux.DISTANCE_BPS:
        terms["trailing_bps"] = trailing_of("trailing_bps", body.trailing_bps)
    if row.aux is Aux.DISTANCE_TICKS:
        distance = distance_of(market, "trailing_distance", body.trailing_distance)
        if not distance:
            raise Reject(Code.INVALID, "trailing_distance", "above 0")
        terms["trailing_ticks"] = distance
    if row.aux is Aux.MINIMUM:
        terms["min_lots"] = least_of(market, "min_quantity", body.min_quantity, terms["lots"])
    if row.aux is Aux.DISPLAY:
        shown = shown_of(market, "shown_quantity", body.shown_quantity, terms["lots"])
        terms["shown_lots"] = shown
        if not shown:
            terms["order_type"] = OrderType.LIMIT
    if body.offset:
        ticks = distance_of(market, "offset", body.offset.removeprefix("-"))
        terms["offset_ticks"] = -ticks if body.offset.startswith("-") else ticks
    return terms


def _trigger(body: NewOrderBody, market: Market) -> dict[str, Any]:
    """Return what a body says of the price that elects a stop.  Raises :class:`InvalidRequest` or
    :class:`Reject`."""
    named = words.TRIGGERS.by_word(f"/v1 {body.side}")
    terms: dict[str, Any] = {}
    if body.trigger_by:
        if TYPES[body.type] not in STOPS:
            raise InvalidRequest("trigger_by: for stops, and only for them")
        if body.trigger_by not in named:
            raise InvalidRequest(f"trigger_by: one of {', '.join(TRIGGERS)}")
        terms["trigger_by"] = by = named[body.trigger_by]
        if by in (TriggerBy.MARK, TriggerBy.INDEX) and market.contract is None:
            raise InvalidRequest("trigger_by: only contracts have a mark and an index")
    if body.activation_price:
        if not body.type.startswith("trailing"):
            raise InvalidRequest("activation_price: for trailing stops, and only for them")
        ticks = price_of(market, "activation_price", body.activation_price)
        terms["activation_ticks"] = ticks
    if terms and body.expires_ms:
        field = "trigger_by" if body.trigger_by else "activation_price"
        raise InvalidRequest(f"{field}: not with expires_ms")
    return terms


def _new_terms(body: AmendBody, market: Market, order: Order) -> dict[str, Any]:
    """Return the terms that an amend names.  Raises :class:`AccountError` or :class:`Reject`."""
    terms: dict[str, Any] = {}
    if body.price:
        if order.order_type not in PRICED:
            raise InvalidRequest("price: an order of this type has none")
        terms["price_ticks"] = price_of(market, "price", body.price)
    if body.quantity:
        terms["lots"] = lots_of(market, "quantity", body.quantity)
    if body.shown_quantity:
        terms["shown_lots"] = lots_of(market, "shown_quantity", body.shown_quantity)
    return terms


def _known(order: Order, market: Market, wanted: NewOrder) -> Order:
    """Return the order that a key belongs to.  Raises :class:`KeyReused` if another one was wanted,
    and :class:`Reject` if the core refused it."""
    if not has_terms(order, market, wanted):
        raise KeyReused("this key belongs to another order")
    if order.state == REJECTED:
        raise rejection(order)
    return order


def order_row(order: Order, market: Market) -> OrderRow:
    """An order with prices and quantities as decimal text and times in milliseconds."""
    return OrderRow(
        order.number,
        order.client_id,
        market.symbol,
        SIDE_NAMES[Side(order.side)],
        TYPE_NAMES[OrderType(order.order_type)],
        TIME_NAMES[order.tif],
        market.price(order.limit_ticks),
        market.price(order.trigger_ticks),
        order.trailing_bps,
        market.price(order.trailing_ticks),
        market.price(order.offset_ticks),
        market.quantity(order.shown_lots),
        market.quantity(order.display_lots),
        market.quantity(order.min_lots),
        market.amount(order.budget_tick_lots),
        market.quantity(order.executed_lots),
        market.amount(order.executed_tick_lots),
        STATES[order.state],
        not order.is_waiting and order.is_open and not order.is_pending,
        SELF_TRADE_NAMES[order.self_trade],
        order.expires_ns // 1_000_000,
        order.created_ns // 1_000_000,
        order.updated_ns // 1_000_000,
        order.seq,
        market.average(order.executed_tick_lots, order.executed_lots)
        if order.executed_lots
        else None,
        order.reduce_only,
        order.of.number if order.of is not None else None,
        trigger_text(order),
        market.price(order.activation_ticks),
    )


def trigger_text(order: Order) -> str:
    """The price that elects a stop; empty: it names none."""
    if order.trigger_by is None:
        return ""
    return words.TRIGGERS.say(f"/v1 {SIDE_NAMES[Side(order.side)]}", order.trigger_by)


def fill_row(order: Order | FilledOrder, fill: Fill, market: Market) -> FillRow:
    """A fill with price, quantity, amount and fee as decimal text, and its time in milliseconds."""
    return FillRow(
        fill.number,
        order.number,
        order.client_id,
        market.symbol,
        SIDE_NAMES[Side(order.side)],
        market.price(fill.price_ticks),
        market.quantity(fill.lots),
        market.value(fill.price_ticks, fill.lots),
        market.fee(fill.fee_units, fill.fee_asset),
        fill.fee_asset,
        fill.is_maker,
        fill.time_ns // 1_000_000,
        fill.seq,
        fill.is_broken,
    )
