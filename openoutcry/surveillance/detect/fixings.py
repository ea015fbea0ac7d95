"""Acts on a price that decides about others: of a closing auction, of a funding or settlement, and
the spot price that a contract is marked by.

What such an act gains is elsewhere, so an owner is judged by its influence and its share.
"""

import openoutcry.surveillance.detect.layout as lay
from openoutcry.surveillance.detect import moves
from openoutcry.surveillance.detect import tables as tab
from openoutcry.surveillance.detect.halts import one_way_lots
from openoutcry.surveillance.detect.layout import DetectorBook, DetectorCell, DetectorState
from openoutcry.surveillance.parameters import offset
from openoutcry.wire import enum_numbers
from openoutcry.wire.kernel import kernel, kernel_outlined
from openoutcry.wire.layout import Words
from openoutcry.wire.memory import not_inlined

CALL, CONTINUOUS = enum_numbers.PHASE_CLOSING_AUCTION, enum_numbers.PHASE_CONTINUOUS
BUY, SELL, MAX_ORDERS = 1, 2, 64
COOLDOWN = offset("cooldown_ns")


@kernel
def phase_changed(state: DetectorState, book: DetectorBook, old: int, new: int) -> None:
    """Remember when a closing call begins, and the price until then."""
    if new == CALL and old == CONTINUOUS and book.last != lay.NONE:
        middle = tab.middle_of(book)
        book.call_ns = state.now
        book.call_mid2 = 2 * book.last if middle == lay.NONE else middle


@kernel_outlined
def uncrossed(
    state: DetectorState, book: DetectorBook, instrument: int, price: int, lots: int
) -> None:
    """Judge, before the trades of a closing auction, whose late orders moved its ``price``, ticks.
    ``lots``: those that trade."""
    not_inlined()
    begun = book.call_ns
    book.call_ns = 0
    if begun == 0 or lots == 0:
        return
    move = tab.limited(2 * price - book.call_mid2)
    if abs(move) < moves.least_move(state, book, price, moves.MARKING_BPS):
        return
    late = begun + (state.now - begun) // 2
    side = BUY if move > 0 else SELL
    row = book.cell_head
    while row != 0:
        cell = tab.cell_at(state, row)
        row = cell.next_cell
        own, first_ns, first_seq, at, seen = 0, 0, 0, cell.open, 0
        while at != 0 and seen < MAX_ORDERS:
            order = tab.order_at(state, at)
            at, seen = order.next, seen + 1
            reaches = order.price >= price if side == BUY else order.price <= price
            if order.side == side and order.born >= late and reaches:
                own += order.leaves
                first_ns, first_seq = order.born, order.born_seq
        own = min(own, lots)
        if own == 0 or own * 100 < tab.parameter(state, moves.MARKING_SHARE) * lots:
            continue
        score = 40 + 60 * own // lots
        hit = tab.begin_hit(state, moves.CLOSE, instrument, score, first_ns, first_seq)
        tab.add_member(hit, cell.owner)
        tab.measures(hit, own, move, 0, 1)
        tab.evidence(hit, 0, first_seq)
        tab.evidence(hit, 1, state.cause)


@kernel_outlined
def fixed(state: DetectorState, instrument: int) -> None:
    """A funding or a settlement of a contract: who moved its price, or that of its spot, in the
    five minutes before?"""
    not_inlined()
    judge(state, instrument)
    linked = Words(state.links)[instrument]
    if linked >= 0:
        judge(state, linked)


@kernel_outlined
def judge(state: DetectorState, instrument: int) -> None:
    """Judge every owner in an instrument at the moment that a price is fixed."""
    not_inlined()
    book = tab.book_at(state, instrument)
    now, span = state.now, moves.FIVE_MINUTES_NS
    price = book.last
    if price == lay.NONE:
        return
    least = moves.least_move(state, book, price, moves.MARKING_BPS)
    row = book.cell_head
    while row != 0:
        cell = tab.cell_at(state, row)
        row = cell.next_cell
        base = cell + lay.C_BUCKETS
        bought = tab.window_sum(base, now, span, lay.K_BUY_TOOK)
        up = bought > tab.window_sum(base, now, span, lay.K_SELL_TOOK)
        net = one_way_lots(state, book, cell, now, BUY if up else SELL)
        if net == 0 or moves.hedged(state, cell, now, span, BUY if up else SELL):
            continue
        ahead = moves.closing_move(book, now, span, price, up)
        if ahead < least:
            continue
        if tab.in_cooldown(state, cell, lay.COOLDOWN_RAMP, tab.parameter(state, COOLDOWN)):
            continue
        hit = tab.begin_hit(state, moves.RAMPING, instrument, 60, now - span, 0)
        tab.add_member(hit, cell.owner)
        tab.measures(hit, net, ahead if up else -ahead, 0, 1)
        tab.evidence(hit, 0, state.cause)


@kernel_outlined
def moved_mark(
    state: DetectorState, book: DetectorBook, cell: DetectorCell, side: int, participant: int
) -> None:
    """An owner takes while the mid moves its way: does it hold contracts that this marks?"""
    not_inlined()
    now, span = state.now, tab.parameter(state, moves.IGNITION_NS)
    base = cell + lay.C_BUCKETS
    move = tab.window_sum(base, now, span, lay.K_MOVE)
    ahead = max(move if side == BUY else -move, moves.market_moved(book, now, span, side == BUY))
    if ahead < moves.least_move(state, book, book.last, moves.CROSS_BPS):
        return
    word = lay.K_BUY_TOOK if side == BUY else lay.K_SELL_TOOK
    took = tab.window_sum(base, now, span, word)
    market = tab.window_sum(book + lay.B_BUCKETS, now, span, word)
    if took * 100 < tab.parameter(state, moves.IGNITION_SHARE) * market:
        return
    commonly = tab.window_sum(base, now, moves.FIVE_MINUTES_NS, word)
    if took * 100 < tab.parameter(state, moves.IGNITION_OWN) * commonly:
        return
    average = tab.average_lots(state, book, now)
    if average == 0 or took < tab.parameter(state, moves.CROSS_SIZE) * average:
        return
    if not moves.one_way(state, base, now, span, side):
        return
    if moves.hedged(state, cell, now, span, side):
        return
    instrument, owner = cell.instrument, cell.owner
    for number in range(state.instruments):
        row = tab.find_cell(state, owner, number) if Words(state.links)[number] == instrument else 0
        if row == 0:
            continue
        position, other = tab.cell_at(state, row).position, tab.book_at(state, number)
        held = position if side == BUY else -position
        average = tab.average_lots(state, other, now)
        if held < tab.parameter(state, moves.CROSS_LOTS) * took or average == 0:
            continue
        if held < tab.parameter(state, moves.CROSS_SIZE) * average:
            continue
        if tab.in_cooldown(state, cell, lay.COOLDOWN_CROSS, tab.parameter(state, COOLDOWN)):
            return
        hit = tab.begin_hit(state, moves.CROSS, instrument, 60, now - span, 0)
        tab.add_member(hit, participant)
        tab.measures(hit, took, ahead, ahead * min(held, moves.MAX_TICKS), 1)
        tab.evidence(hit, 0, state.cause)
        return
