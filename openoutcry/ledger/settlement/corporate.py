"""Cash dividends and splits: transfers to the asset's holders, and commands for its open orders.

Rounding is stated and conserved.  A dividend of n/d units a unit pays each member half-even; what
all together were paid comes from the issuer to the unit.  A split of n for d gives each member the
whole units of its share.  The fraction is the issuer's, which pays for it in cash at the new
reference price, half-even.  Shorts pay what longs get.

Open orders follow FINRA Rule 5330 where it applies.  On the ex-day of a dividend buy orders are
lowered by it; sell orders stay.  A split multiplies the quantity, rounded down to whole lots.  It
divides the price, of buys rounded down and of sales up.  On a reverse split all open orders are
cancelled.  Orders with a trigger, a peg or a part that is shown are cancelled too: their aux would
need a separate rule.

The commands are for a phase that does not match (CLOSED, PRE_OPEN), in the order of the open orders
as given.  Orders of one price keep their order if they were given in it.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from openoutcry.ledger.profit import half_even
from openoutcry.wire import ORDER_DTYPE
from openoutcry.wire.enums import SELF_TRADE_SHIFT, CommandKind, OrderType, SelfTrade, Side
from openoutcry.wire.errors import SettlementError
from openoutcry.wire.symbols import code_of

ISSUER = "issuer"
REPLACEABLE = (OrderType.LIMIT, OrderType.POST_ONLY, OrderType.HIDDEN)
INT64_END = 1 << 63
TERM_END = 1_000_000
"""Numerator and denominator of a rate or a ratio are at most this."""


class Position(NamedTuple):
    """A holding of one asset; a short position is negative."""

    member: str
    units: int


class OpenOrder(NamedTuple):
    """An order that is open when a corporate action takes effect."""

    order_id: int
    participant: int
    symbol: str
    side: Side
    order_type: OrderType
    price_ticks: int
    qty_lots: int
    self_trade: SelfTrade
    """A REPLACE names the mode again."""


class Movement(NamedTuple):
    """An amount of an asset that moves between two members, in its units."""

    payer: str
    payee: str
    asset: str
    units: int


class Command(NamedTuple):
    """One sequenced command; of PHASE ``aux`` is the phase and qty_lots 1 sets the reference."""

    kind: CommandKind
    participant: int
    symbol: str
    order_id: int = 0
    price_ticks: int = 0
    qty_lots: int = 0
    aux: int = 0
    time_in_force: int = 0


@dataclass(frozen=True)
class Adjustment:
    """Effects of a corporate action: to positions, in cash, and to the book, in this order."""

    movements: list[Movement]
    commands: list[Command]


def cash_dividend(
    positions: Iterable[Position],
    orders: Iterable[OpenOrder],
    symbol: str,
    cash_asset: str,
    rate: tuple[int, int],
    ticks: int,
    reference_ticks: int,
    phase: int,
) -> Adjustment:
    """A dividend on its ex-day.

    rate: units of cash for each unit held, as (numerator, denominator).  ticks: the same in price
    ticks.  reference_ticks: the last close.  phase: in which the instrument is, 1 byte.
    Raises ``SettlementError`` for an invalid rate, and where no price would be left.
    """
    numerator, denominator = _ratio(rate, "a dividend")
    if not 0 <= ticks < reference_ticks < INT64_END:
        raise SettlementError(f"a dividend of {ticks} ticks on a price of {reference_ticks}")
    movements = []
    for member, units in positions:
        cash = half_even(abs(units) * numerator, denominator)
        if cash >= INT64_END:
            raise SettlementError(f"{member}: a dividend of {cash} does not fit 64 bits")
        if cash:
            payer, payee = (ISSUER, member) if units > 0 else (member, ISSUER)
            movements.append(Movement(payer, payee, cash_asset, cash))
    commands = []
    for order in orders:
        if order.symbol != symbol or order.side != Side.BUY or not ticks:
            continue
        if order.order_type not in REPLACEABLE or order.price_ticks <= ticks:
            commands.append(_cancel(order))
        else:
            commands.append(_replace(order, order.price_ticks - ticks, order.qty_lots))
    commands.append(_reference(symbol, reference_ticks - ticks, phase))
    return Adjustment(movements, commands)


def split(
    positions: Iterable[Position],
    orders: Iterable[OpenOrder],
    symbol: str,
    cash_asset: str,
    ratio: tuple[int, int],
    cash_per_tick: int,
    reference_ticks: int,
    phase: int,
) -> Adjustment:
    """A split of n new units for d old ones; a reverse split where n < d.

    cash_per_tick: units of cash that one unit of the asset costs for each tick of its price.
    Raises ``SettlementError`` for an invalid ratio, where the price would be 0, and for what does
    not fit 64 bits.
    """
    new, old = _ratio(ratio, "a split")
    reference = half_even(reference_ticks * old, new)
    if reference <= 0 or cash_per_tick < 0:
        raise SettlementError(f"a price of {reference_ticks} ticks is 0 after {new} for {old}")
    if reference >= INT64_END:
        raise SettlementError(f"a price of {reference} ticks does not fit 64 bits")
    movements = []
    for member, units in positions:
        whole, part = divmod(abs(units) * new, old)
        if whole >= INT64_END:
            raise SettlementError(f"{member}: {whole} {symbol} do not fit 64 bits")
        cash = half_even(part * reference * cash_per_tick, old)
        if cash >= INT64_END:
            raise SettlementError(f"{member}: {cash} {cash_asset} do not fit 64 bits")
        for asset, change in ((symbol, whole - abs(units)), (cash_asset, cash)):
            if units < 0:
                change = -change
            if change:
                payer, payee = (ISSUER, member) if change > 0 else (member, ISSUER)
                movements.append(Movement(payer, payee, asset, abs(change)))
    commands = []
    for order in orders:
        if order.symbol != symbol:
            continue
        qty_lots = order.qty_lots * new // old
        up = order.side == Side.SELL
        price_ticks = (order.price_ticks * old + (new - 1) * up) // new
        kept = new > old and order.order_type in REPLACEABLE and price_ticks > 0
        if kept and qty_lots < INT64_END:
            commands.append(_replace(order, price_ticks, qty_lots))
        else:
            commands.append(_cancel(order))
    commands.append(_reference(symbol, reference, phase))
    return Adjustment(movements, commands)


def _ratio(ratio: tuple[int, int], what: str) -> tuple[int, int]:
    if not all(1 <= term <= TERM_END for term in ratio):
        raise SettlementError(f"{what} of {ratio[0]}/{ratio[1]}: both are 1 to {TERM_END:,}")
    return ratio


def _cancel(order: OpenOrder) -> Command:
    return Command(CommandKind.CANCEL, order.participant, order.symbol, order.order_id)


def _replace(order: OpenOrder, price_ticks: int, qty_lots: int) -> Command:
    return Command(
        CommandKind.REPLACE,
        order.participant,
        order.symbol,
        order.order_id,
        price_ticks,
        qty_lots,
        time_in_force=order.self_trade << SELF_TRADE_SHIFT,
    )


def _reference(symbol: str, ticks: int, phase: int) -> Command:
    return Command(CommandKind.PHASE, 0, symbol, 0, ticks, 1, phase)


def records(commands: Iterable[Command], first_seq: int = 1) -> npt.NDArray[np.void]:
    """The commands as order records, sequenced from ``first_seq``, as the matcher takes them."""
    rows = list(commands)
    orders = np.zeros(len(rows), ORDER_DTYPE)
    for at, command in enumerate(rows):
        orders[at]["kind"], orders[at]["participant"] = command.kind, command.participant
        orders[at]["symbol"] = code_of(command.symbol)
        for field in Command._fields[3:]:
            orders[at][field] = getattr(command, field)
        orders[at]["seq"] = first_seq + at
    return orders
