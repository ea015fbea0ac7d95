"""Reduce-only orders: they make a position smaller, and never open one or turn it round.

The rule that holds between commands: where a participant has a reduce-only order, all of its open
orders of that side together are no more than the position that they would make smaller.  So
whatever trades in one command, no reduce-only order goes past 0.  An open order's flags say that it
is one, and the cell's that there may be some; the matcher knows nothing of it.

What enters on such a side could break the rule: a reduce-only order, or another one, which comes
first.  ``before`` answers REDUCES.  The hooks then let the order in, cut the reduce-only orders to
what is left (:func:`excess`, :func:`cut`), and only then let happen what the order sets off.
"""

import openoutcry.risk.layout as lay
from openoutcry.risk import totals
from openoutcry.risk.layout import RiskCell, RiskInstrument, RiskState
from openoutcry.risk.lists import dearest
from openoutcry.wire import enum_numbers
from openoutcry.wire.kernel import kernel
from openoutcry.wire.open_orders import IS_LEG
from openoutcry.wire.record_blocks import OrderRecord

BUY = enum_numbers.SIDE_BUY


@kernel
def reduces_flag(side: int) -> int:
    """Return the flag of a cell that may have reduce-only orders of a side."""
    return lay.REDUCES_BUYS_FLAG if side == BUY else lay.REDUCES_SELLS_FLAG


@kernel
def reducible(rules: RiskInstrument, cell: RiskCell, side: int) -> int:
    """Return how many lots an order of a side can take off the position.  Spot has no positions,
    and a partition does not know them."""
    if rules.spot_at != 0 or rules.partition != 0:
        return 0
    return max(-cell.position if side == BUY else cell.position, 0)


@kernel
def excess(state: RiskState, order: OrderRecord) -> int:
    """Return how many lots of reduce-only orders are too many on the side of an order."""
    instrument = totals.find_symbol(state, order.symbol)
    side = order.side
    cell = totals.cell_of(state, order.participant, instrument)
    flag = reduces_flag(side)
    if cell.flags & flag == 0:
        return 0
    lots = cell.buy_lots if side == BUY else cell.sell_lots
    return max(lots - reducible(totals.instrument_row(state, instrument), cell, side), 0)


@kernel
def cut(state: RiskState, order: OrderRecord) -> int:
    """Return how many of ``qty_lots`` are cut from the open order that a record names: of a
    reduce-only one of this side as many as it has, of another one 0.  A leg is cut to what its list
    may have, of which the largest leg counts."""
    instrument, side = totals.find_symbol(state, order.symbol), order.side
    entry = totals.find_order(state, instrument, order.order_id)
    meta, leaves = entry.meta, entry.leaves
    is_own = (meta >> lay.META_SIDE) & lay.META_SIDE_MASK == side
    if (meta >> lay.META_FLAGS) & lay.REDUCES_FLAG == 0 or not is_own:
        return 0
    if meta & IS_LEG == 0:
        return min(order.qty_lots, leaves)
    rules = totals.instrument_row(state, instrument)
    figures = dearest(state, rules, instrument, order.order_id, side, 0, 0, leaves)
    most = figures[0] if side == BUY else figures[1]
    return max(leaves - max(most - order.qty_lots, 0), 0)
