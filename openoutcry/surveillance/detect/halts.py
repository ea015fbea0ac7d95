"""Trading ahead of a halt that the operator ordered: an owner takes much one way in the minutes
before, far more than it commonly trades, and the first price after the halt is better for it."""

import openoutcry.surveillance.detect.layout as lay
from openoutcry.surveillance.detect import constants, moves
from openoutcry.surveillance.detect import tables as tab
from openoutcry.surveillance.detect.layout import (
    DetectorBook,
    DetectorCell,
    DetectorState,
    VolumeWindow,
)
from openoutcry.surveillance.parameters import offset
from openoutcry.wire import enum_numbers
from openoutcry.wire.kernel import kernel, kernel_outlined
from openoutcry.wire.layout import Words
from openoutcry.wire.memory import not_inlined

HALT = enum_numbers.PHASE_HALT
SHARE, TIMES, BPS = offset("halt_percent"), offset("halt_times"), offset("halt_bps")


@kernel
def phase_changed(state: DetectorState, book: DetectorBook, old: int, new: int) -> None:
    """Remember the price and the time of a halt."""
    if new == HALT and old != HALT and book.last != lay.NONE:
        book.halted_ns = state.now
        book.halted_price = book.last


@kernel
def one_way_lots(
    state: DetectorState, book: DetectorBook, cell: DetectorCell, at_ns: int, side: int
) -> int:
    """Return the lots, net, that an owner took on ``side`` in the five minutes before ``at_ns``; 0
    if they are a small part of the market's, went both ways, or are what it commonly trades."""
    market, base, span = book + lay.B_BUCKETS, cell + lay.C_BUCKETS, moves.FIVE_MINUTES_NS
    taken = tab.window_sum(market, at_ns, span, lay.K_BUY_TOOK)
    taken += tab.window_sum(market, at_ns, span, lay.K_SELL_TOOK)
    bought = tab.window_sum(base, at_ns, span, lay.K_BUY_TOOK)
    sold = tab.window_sum(base, at_ns, span, lay.K_SELL_TOOK)
    net = bought - sold if side == moves.BUY else sold - bought
    if net <= 0 or net * 100 < tab.parameter(state, SHARE) * taken:
        return 0
    if not moves.one_way(state, base, at_ns, span, side):
        return 0
    # Without the newest window: the five minutes reach into it.
    count = VolumeWindow(cell).count
    windows, total = max(min(count, lay.VOLUMES) - 1, 0), 0
    for back in range(windows):
        total += Words(cell + lay.V_RING)[(count - 2 - back) % lay.VOLUMES]
    return 0 if net * windows < tab.parameter(state, TIMES) * total else net


@kernel_outlined
def traded(state: DetectorState, book: DetectorBook, instrument: int, price: int) -> None:
    """Judge, before the first trade after a halt, who traded ahead of it."""
    not_inlined()
    halted_ns, was = book.halted_ns, book.halted_price
    book.halted_ns = 0
    move, span = tab.limited(2 * (price - was)), moves.FIVE_MINUTES_NS
    if abs(move) < moves.least_move(state, book, was, BPS):
        return
    side = moves.BUY if move > 0 else moves.SELL
    row = book.cell_head
    while row != 0:
        cell = tab.cell_at(state, row)
        row = cell.next_cell
        net = one_way_lots(state, book, cell, halted_ns, side)
        if net == 0:
            continue
        hit = tab.begin_hit(state, constants.INSIDER_TIMING, instrument, 60, halted_ns - span, 0)
        tab.add_member(hit, cell.owner)
        gain = abs(move) * min(net, moves.MAX_LOTS)
        tab.measures(hit, net, move, gain, 1)
        tab.evidence(hit, 0, state.cause)
