"""Terms of an order: text of a request as whole ticks and lots that a market takes.

Every API reads its amounts here. ``field`` is the name of what is read, in the API's own word.
"""

from openoutcry.portal.trading.broker import NewOrder
from openoutcry.portal.trading.instruments import Market
from openoutcry.portal.trading.orders import Order
from openoutcry.portal.trading.reject import Code, Reject
from openoutcry.wire import words
from openoutcry.wire.decimals import DECIMAL, AmountError, units_of
from openoutcry.wire.enums import OrderType, Side, TimeInForce
from openoutcry.wire.order_types import TIMES_IN_FORCE, types_where

ICEBERG_PARTS = 256
MOST_UNITS, MOST_TICKS = 2**62, 2**31
PRICED = types_where(lambda row: row.is_priced)
MODES = words.SELF_TRADE.offered("FIX")
"""Self-trade preventions that a request may have."""
TRAILING_BPS = 1, 2_000
"""The least and the largest distance of a trailing stop."""


def _require_decimal(field: str, text: str, decimals: int) -> None:
    if not text:
        raise Reject(Code.MISSING, field)
    if not (text.isascii() and DECIMAL.fullmatch(text)):
        raise Reject(Code.NOT_DECIMAL, field)
    if len(text.partition(".")[2].rstrip("0")) > decimals:
        raise Reject(Code.TOO_PRECISE, field)


def lots_of(market: Market, field: str, text: str) -> int:
    """Return the quantity of an order in lots.  Raises :class:`Reject`."""
    _require_decimal(field, text, market.base_decimals)
    try:
        lots = market.lots_of(text)
    except AmountError:
        raise Reject(Code.QUANTITY, field) from None
    if not market.takes_lots(lots):
        raise Reject(Code.QUANTITY, field)
    return lots


def least_of(market: Market, field: str, text: str, lots: int) -> int:
    """Return the least that must trade of an order of ``lots``, in lots.  Raises
    :class:`Reject`."""
    _require_decimal(field, text, market.base_decimals)
    try:
        least = market.lots_of(text)
    except AmountError as error:
        raise Reject(Code.INVALID, field, str(error)) from None
    if not 0 < least <= lots:
        raise Reject(Code.INVALID, field, "above 0, and at most the quantity")
    return least


def price_of(market: Market, field: str, text: str) -> int:
    """Return a price in ticks.  Raises :class:`Reject`."""
    # The tick of a contract may be finer than a unit of its money.
    _require_decimal(field, text, max(market.quote_decimals, market.price_decimals))
    try:
        ticks = market.ticks_of(text)
    except AmountError:
        raise Reject(Code.PRICE, field) from None
    if ticks < 1 or not market.takes_ticks(ticks):
        raise Reject(Code.PRICE, field)
    return ticks


def distance_of(market: Market, field: str, text: str) -> int:
    """Return a distance in ticks, which needs no multiple of the price's step.  Raises
    :class:`Reject`."""
    _require_decimal(field, text, market.price_decimals)
    ticks = market.ticks_of(text)
    if ticks >= MOST_TICKS:
        raise Reject(Code.INVALID, field, f"below {market.price(MOST_TICKS)}")
    return ticks


def trailing_of(field: str, bps: int) -> int:
    """Return the distance of a trailing stop in basis points.  Raises :class:`Reject`."""
    least, most = TRAILING_BPS
    if not least <= bps <= most:
        raise Reject(Code.TRAILING_DISTANCE, field)
    return bps


def budget_of(market: Market, field: str, text: str) -> int:
    """Return a sum of the quote asset in price ticks times lots.  Raises :class:`Reject`."""
    _require_decimal(field, text, market.quote_decimals)
    budget = units_of(text, market.quote_decimals) // market.tick_units
    if not 0 < budget < MOST_UNITS:
        raise Reject(Code.VALUE, field)
    return budget


def most_lots(market: Market) -> int:
    """Return the lots of an order that only its budget bounds."""
    return market.max_lots // market.qty_step * market.qty_step


def shown_of(market: Market, field: str, text: str, lots: int) -> int:
    """Return what an iceberg of ``lots`` shows, in lots; 0: all of it.  Raises :class:`Reject`."""
    shown = lots_of(market, field, text)
    if shown > lots:
        raise Reject(Code.ICEBERG_EXCEEDS, field)
    if shown * ICEBERG_PARTS < lots:
        raise Reject(Code.ICEBERG_PARTS, field)
    return 0 if shown == lots else shown


def terms_of(order: Order, market: Market) -> NewOrder:
    """Return an open order as it would be entered."""
    mode = order.self_trade
    return NewOrder(
        order.client_id,
        market.symbol,
        Side(order.side),
        OrderType(order.order_type),
        order.tif,
        order.lots,
        order.price_ticks if order.order_type in PRICED else 0,
        order.trigger_ticks,
        order.display_lots,
        self_trade=mode if mode in MODES else None,
        trailing_bps=order.trailing_bps,
        trailing_ticks=order.trailing_ticks,
        min_lots=order.min_lots,
        offset_ticks=order.offset_ticks,
        expires_ns=order.expires_ns,
        reduce_only=order.reduce_only,
        trigger_by=order.trigger_by,
        activation_ticks=order.activation_ticks,
    )


def has_terms(order: Order, market: Market, wanted: NewOrder) -> bool:
    """Return whether an order of the participant has the terms that are wanted; ``market``: of what
    is wanted."""
    has = [order.instrument, order.side, order.order_type, order.tif, order.reduce_only]
    asked = [market.index, wanted.side, wanted.order_type, wanted.time_in_force]
    asked.append(wanted.reduce_only)
    has += [order.trigger_by or 0, order.activation_ticks]
    asked += [wanted.trigger_by or 0, wanted.activation_ticks]
    has += [order.trigger_ticks, order.display_lots, order.budget_tick_lots, order.trailing_ticks]
    asked += [wanted.trigger_ticks, wanted.shown_lots, wanted.budget_tick_lots]
    asked.append(wanted.trailing_ticks)
    has += [order.trailing_bps, order.min_lots, order.offset_ticks, order.expires_ns]
    asked += [wanted.trailing_bps, wanted.min_lots, wanted.offset_ticks, wanted.expires_ns]
    if wanted.price_ticks and wanted.order_type is not OrderType.POST_ONLY_SLIDE:
        has.append(order.price_ticks)
        asked.append(wanted.price_ticks)
    if not wanted.budget_tick_lots:
        has.append(order.lots)
        asked.append(wanted.lots)
    return has == asked


def needs_expiry(order: NewOrder) -> bool:
    """Return whether it is good till date by a term, as its type has no place for that."""
    return (
        order.time_in_force is TimeInForce.GTD
        and TimeInForce.GTD not in TIMES_IN_FORCE[order.order_type]
    )


def needs_trigger(order: NewOrder) -> bool:
    """Return whether it has a term about its trigger."""
    return order.trigger_by is not None or order.activation_ticks != 0
