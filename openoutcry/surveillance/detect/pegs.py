"""Moving others' pegged orders: a small order moves their reference, its owner trades with pegged
orders at a better price than the mid before it, and the small order goes.

A cell keeps, of each side, the last order that moved pegged orders of others, and what its owner
traded with such orders while it was open.  When that order is gone, withdrawn or executed, this is
a cycle.
"""

import openoutcry.surveillance.detect.layout as lay
from openoutcry.surveillance.detect import constants
from openoutcry.surveillance.detect import tables as tab
from openoutcry.surveillance.detect.layout import (
    DetectorBook,
    DetectorCell,
    DetectorState,
    PegMove,
    WatchedOrder,
)
from openoutcry.surveillance.parameters import offset
from openoutcry.wire.kernel import kernel, kernel_outlined
from openoutcry.wire.memory import not_inlined

AGE, WITHDRAWN = offset("peg_age_ns"), offset("peg_withdrawn_ns")
REPEATS, WINDOW = offset("peg_repeats"), offset("peg_window_ns")
TIMES, CANCELLED = offset("peg_times"), offset("peg_cancelled_percent")
MOVING_PEGS = constants.MOVING_PEGS
BUY, MAX_LOTS = 1, 1 << 20


@kernel
def move_at(cell: int, side: int) -> PegMove:
    """Return what an owner did to move the pegs of a side. ``cell``: address of its cell."""
    return PegMove(cell + lay.C_PEGS + (side - BUY) * lay.PEG_BYTES)


@kernel
def repegged(
    state: DetectorState, book: DetectorBook, order: WatchedOrder, price: int, waits: bool
) -> None:
    """A pegged order has a new price (before it is noted): whose order moved it?"""
    better = price > order.price if order.side == BUY else price < order.price
    waited = order.flags & lay.F_WAITING != 0
    mover = state.mover
    order.pegged = 0 if waits else 1
    if better and not waits and not waited and mover != 0 and mover != order.cell:
        note_move(state, book, move_at(tab.cell_at(state, mover), order.side))


@kernel_outlined
def note_move(state: DetectorState, book: DetectorBook, move: PegMove) -> None:
    """Note that an owner's order has moved the price that pegs follow."""
    not_inlined()
    if not is_fresh(state, move):
        move.first_seq = state.cause
        move.first_ns = state.now
        move.middle = tab.middle_of(book)
        move.trade_seq = 0
        move.lots = 0
        move.gain = 0
    move.ns = state.now
    move.seq = state.cause
    move.open = 1


@kernel
def is_fresh(state: DetectorState, move: PegMove) -> bool:
    """Return whether the move is recent enough to explain a trade now."""
    return move.seq != 0 and move.ns >= state.now - tab.parameter(state, AGE)


@kernel
def traded(
    state: DetectorState, pegged: WatchedOrder, other: WatchedOrder, price: int, lots: int
) -> None:
    """A party of a trade: does the other take a pegged order while its own moves such orders?"""
    if pegged.pegged == 0 or pegged.cell == other.cell:
        return
    move = move_at(tab.cell_at(state, other.cell), pegged.side)
    if move.open == 0 or not is_fresh(state, move) or move.middle == lay.NONE:
        return
    ahead = 2 * price - move.middle if pegged.side == BUY else move.middle - 2 * price
    move.trade_ns = state.now
    move.trade_seq = state.cause
    move.lots += lots
    move.gain += tab.limited(ahead) * min(lots, MAX_LOTS)


@kernel
def gone(state: DetectorState, cell: DetectorCell, order: WatchedOrder, lots: int) -> None:
    """``lots`` displayed lots of an order were taken away; of one that was executed, all."""
    move = move_at(cell, order.side)
    if lots > 0 and move.seq != 0 and move.first_seq <= order.born_seq <= move.seq:
        end_cycle(state, cell, order, move, lots)


@kernel_outlined
def end_cycle(
    state: DetectorState, cell: DetectorCell, order: WatchedOrder, move: PegMove, lots: int
) -> None:
    """Note that the order that had moved pegs was withdrawn after the owner traded with one."""
    not_inlined()
    now = state.now
    if lots * 100 < tab.parameter(state, CANCELLED) * order.lots:
        return
    if order.born_seq == move.seq:
        move.open = 0
    first, trade_seq, traded_lots, gain = move.first_seq, move.trade_seq, move.lots, move.gain
    if trade_seq == 0 or now - move.trade_ns > tab.parameter(state, WITHDRAWN):
        return
    # An owner that moves them to trade as little as a quote has is a market maker.
    if traded_lots < tab.parameter(state, TIMES) * order.lots or gain <= 0:
        return
    move.seq = 0
    move.open = 0
    instrument = cell.instrument
    key = tab.repeat_key(MOVING_PEGS, instrument, cell.owner)
    row = tab.repeat(state, key, first, gain, traded_lots)
    count, gains = tab.repeats_within(row, now, tab.parameter(state, WINDOW), lay.R_GAINS)
    if count < tab.parameter(state, REPEATS):
        return
    hit = tab.begin_hit(state, MOVING_PEGS, instrument, 40 + 10 * count, move.first_ns, first)
    tab.add_member(hit, order.who)
    tab.measures(hit, traded_lots, 0, gains, count)
    tab.evidence(hit, 0, first)
    tab.evidence(hit, 1, trade_seq)
    tab.evidence(hit, 2, state.cause)
