"""Lists of orders of which at most one leg trades: they reserve what the dearest leg needs, once.

The rule is that of the core's risk (docs/risk.md), worked out again from events: the one before a
leg's ACCEPTED says its list.
"""

import openoutcry.ledger.layout as lay
from openoutcry.ledger import spot
from openoutcry.ledger.commit import find_order, margined
from openoutcry.ledger.layout import LedgerCell, LedgerInstrument, LedgerState
from openoutcry.wire import enum_numbers
from openoutcry.wire.kernel import kernel, kernel_outlined
from openoutcry.wire.memory import not_inlined
from openoutcry.wire.open_orders import (
    ENDED,
    OTO,
    SIDE_MASK,
    OpenOrder,
    add_link,
    counts_alone,
    drop_link,
    end_others,
    find_link,
    join_ring,
)
from openoutcry.wire.record_blocks import EventRecord

BUY = enum_numbers.SIDE_BUY


@kernel_outlined
def link(books: LedgerState, event: EventRecord) -> None:
    """The order that enters next is a leg of the list that the event says."""
    not_inlined()
    contingency = event.leaves_lots & 0xFF
    if contingency == OTO:
        return
    table, mask = books.orders_at, books.order_mask
    instrument, order_id = event.instrument, event.order_id
    leg, list_id = event.qty_lots, event.price_ticks
    add_link(table, mask, instrument, order_id, list_id, leg, contingency)
    join_ring(table, mask, instrument, order_id)


@kernel
def is_linked(books: LedgerState, instrument: int, order_id: int) -> bool:
    """Return whether an order is a leg that reserves with others."""
    return find_link(books.orders_at, books.order_mask, instrument, order_id).meta != 0


@kernel
def unlink(books: LedgerState, instrument: int, order_id: int) -> None:
    """The leg is gone."""
    drop_link(books.orders_at, books.order_mask, instrument, order_id)


@kernel
def lot_cost(rules: LedgerInstrument, side: int, flags: int, price: int) -> int:
    """Return what a lot of an open order could pay: a buy its price (of none the instrument's
    highest), a sale what it takes if that is below zero."""
    if flags & lay.PRICED_FLAG == 0:
        price = rules.worst_buy if side == BUY else rules.worst_sell
    return max(price if side == BUY else -price, 0)


@kernel
def leg_figures(
    rules: LedgerInstrument, side: int, flags: int, price: int, lots: int
) -> tuple[int, int, int, int, int]:
    """Return what an order counts: lots bought and sold, cost, units of the quote and of the base
    asset."""
    cost = 0 if rules.leveraged != 0 else lots * lot_cost(rules, side, flags, price)
    cost *= rules.multiplier
    units = spot.needed(rules, side, flags, price, lots) if rules.lot_units != 0 else 0
    if side == BUY:
        return lots, 0, cost, units, 0
    return 0, lots, cost, 0, units


@kernel_outlined
def dearest(
    books: LedgerState,
    rules: LedgerInstrument,
    event: EventRecord,
    flags: int,
    price: int,
    lots: int,
) -> tuple[int, int, int, int, int]:
    """Return the figures of the list of the event's order, each the largest of a leg, with this one
    as said here."""
    not_inlined()
    table, mask = books.orders_at, books.order_mask
    instrument, order_id = event.instrument, event.order_id
    own = find_link(table, mask, instrument, order_id)
    if own.meta & ENDED != 0:
        lots = 0
    buys, sells, cost, quote, base = leg_figures(rules, event.side, flags, price, lots)
    other_id = order_id if counts_alone(own) else own.next_id
    while other_id != order_id:
        other = find_link(table, mask, instrument, other_id)
        if other.meta & ENDED == 0 and not counts_alone(other):
            entry = find_order(books, instrument, other_id)
            side, its_flags = (
                (entry.meta >> lay.META_SIDE) & SIDE_MASK,
                entry.meta >> lay.META_FLAGS,
            )
            figures = leg_figures(rules, side, its_flags, entry.price, entry.leaves)
            buys, sells, cost = max(buys, figures[0]), max(sells, figures[1]), max(cost, figures[2])
            quote, base = max(quote, figures[3]), max(base, figures[4])
        other_id = other.next_id
    return buys, sells, cost, quote, base


@kernel_outlined
def move_leg(
    books: LedgerState,
    rules: LedgerInstrument,
    cell: LedgerCell,
    event: EventRecord,
    entry: OpenOrder,
    leaves: int,
    price: int,
    flags: int,
    traded: int,
) -> tuple[int, int, int, int, int]:
    """Bring the cell to these leaves and price of a leg; ``traded`` lots of it were.  Returns how
    much more money is reserved, is margin, how many more lots are reserved, and how many more units
    of the quote and of the base asset."""
    not_inlined()
    was = dearest(books, rules, event, entry.meta >> lay.META_FLAGS, entry.price, entry.leaves)
    if traded != 0:
        end_others(books.orders_at, books.order_mask, event.instrument, event.order_id, leaves)
    now = dearest(books, rules, event, flags, price, leaves)
    position, buys, sells = cell.position, cell.buy_lots, cell.sell_lots
    before = margined(rules, position, buys, sells)
    more_buys, more_sells, cost = now[0] - was[0], now[1] - was[1], now[2] - was[2]
    if rules.lot_units == 0:
        position += traded if event.side == BUY else -traded
    cell.buy_lots = buys + more_buys
    cell.sell_lots = sells + more_sells
    cell.position = position
    cell.cost += cost
    margin = margined(rules, position, buys + more_buys, sells + more_sells) - before
    money = cost + (more_buys + more_sells) * rules.fee
    return money, margin * rules.margin, more_sells, now[3] - was[3], now[4] - was[4]
