"""Spoofing and layering: large lots shown on one side, a fill on the other, and then they go.

The fill may be in the linked instrument.  Or the lots go first, and the fill comes after (a flip).
"""

import openoutcry.surveillance.detect.layout as lay
from openoutcry.surveillance.detect import constants, moves
from openoutcry.surveillance.detect import tables as tab
from openoutcry.surveillance.detect.layout import (
    Candidate,
    DetectorBook,
    DetectorCell,
    DetectorState,
    Flip,
    WatchedOrder,
)
from openoutcry.surveillance.parameters import offset
from openoutcry.wire.kernel import kernel, kernel_outlined
from openoutcry.wire.layout import Words
from openoutcry.wire.memory import not_inlined

AGE, WITHDRAWN = offset("spoof_age_ns"), offset("spoof_withdrawn_ns")
REPEATS, WINDOW = offset("spoof_repeats"), offset("spoof_window_ns")
ASYMMETRY, SIZE = offset("spoof_asymmetry"), offset("spoof_size")
DEPTH, CANCELLED = offset("spoof_depth_percent"), offset("spoof_cancelled_percent")
PRICES = offset("layer_prices")
SPOOFING, LAYERING = constants.SPOOFING, constants.LAYERING
BUY, SELL, MAX_ORDERS, FIVE = 1, 2, 64, 5
SECOND_NS, FIVE_MINUTES_NS = 10**9, 300 * 10**9


@kernel
def candidate_at(cell: int, side: int) -> Candidate:
    """Return the pressure on one side that an owner's next withdrawal may complete. ``cell``:
    address of its cell."""
    return Candidate(cell + lay.C_CANDIDATES + (side - BUY) * lay.CANDIDATE_BYTES)


@kernel
def flip_at(cell: int, side: int) -> Flip:
    """Return what an owner withdrew last on one side. ``cell``: address of its cell."""
    return Flip(cell + lay.C_FLIPS + (side - BUY) * lay.FLIP_BYTES)


@kernel
def better_than(middle: int, price: int, side: int) -> int:
    """Return how far a fill's price is better for its owner than twice a mid, half ticks."""
    ahead = middle - 2 * price if side == BUY else 2 * price - middle
    return ahead


@kernel
def fill_against(
    state: DetectorState,
    instrument: int,
    cell: DetectorCell,
    side: int,
    price: int,
    lots: int,
    takes: bool,
) -> None:
    """The owner of ``cell`` traded on ``side``: do its orders on the other look like pressure,
    here or in the linked instrument?"""
    pressed(state, instrument, cell, instrument, side, price, lots, takes)
    linked = Words(state.links)[instrument]
    row = tab.find_cell(state, cell.owner, linked) if linked >= 0 else 0
    if row != 0 and not quotes(state, cell, BUY + SELL - side):
        pressed(state, linked, tab.cell_at(state, row), instrument, side, price, lots, False)


@kernel
def quotes(state: DetectorState, cell: DetectorCell, side: int) -> bool:
    """Return whether an owner displays orders on a side: one that does in the instrument that it
    trades, too, is a maker in both."""
    row, seen = cell.open, 0
    while row != 0 and seen < MAX_ORDERS:
        order = tab.order_at(state, row)
        row, seen = order.next, seen + 1
        if order.side == side and order.shown != 0:
            return True
    return False


@kernel_outlined
def pressed(
    state: DetectorState,
    instrument: int,
    cell: DetectorCell,
    traded: int,
    side: int,
    price: int,
    lots: int,
    takes: bool,
) -> None:
    """Look for pressure of an owner in ``instrument`` that its fill in ``traded`` profits from."""
    not_inlined()
    book, here = tab.book_at(state, instrument), instrument == traded
    now, cause = state.now, state.cause
    other = BUY + SELL - side
    best = book.bid if other == BUY else book.ask
    average = tab.average_lots(state, book, now)
    if best == lay.NONE or average == 0:
        return
    near, age = tab.near_ticks(state, book, best), tab.parameter(state, AGE)
    # What it has traded on this side just before is part of its interest there, too.
    word = lay.K_BUY_LOTS if side == BUY else lay.K_SELL_LOTS
    recent = tab.parameter(state, WITHDRAWN)
    own = tab.window_sum(cell + lay.C_BUCKETS, now, recent, word) - (lots if here else 0)
    left = 0
    pressing, orders, prices, oldest, last_price = 0, 0, 0, WatchedOrder(0), lay.NONE
    row, seen = cell.open, 0
    while row != 0 and seen < MAX_ORDERS:
        order = tab.order_at(state, row)
        row, seen = order.next, seen + 1
        if order.shown == 0:
            continue
        if order.side == side:
            own += order.leaves
            continue
        left += order.shown
        if order.born_seq == cause or order.born < now - age:
            continue
        if abs(order.price - best) > near:
            continue
        pressing += order.leaves
        orders += 1
        # Layers are entered one price after the other: a change of price is another one.
        if order.price != last_price:
            prices, last_price = prices + 1, order.price
        oldest = order
    if takes:
        flipped(state, cell, side, price, lots, own, left, average)
    if oldest == 0 or pressing < tab.parameter(state, ASYMMETRY) * own:
        return
    if pressing < tab.parameter(state, SIZE) * average:
        return
    depth = tab.depth_lots(state, book, other, FIVE)
    if pressing * 100 < tab.parameter(state, DEPTH) * depth:
        return
    middle = oldest.mid2
    gain = 0
    if middle != lay.NONE and here:
        ahead = better_than(middle, price, side)
        gain = tab.limited(ahead) * min(lots, 1 << 20)
    elif middle != lay.NONE:
        # The price there is another one: what counts is how far either came since.
        ahead = tab.limited(tab.middle_of(book) - middle)
        ahead = max(-ahead if side == BUY else ahead, 0)
        span = min(now - oldest.born, FIVE_MINUTES_NS)
        traded_book = tab.book_at(state, traded)
        ahead = max(ahead, moves.market_moved(traded_book, now, span, side == SELL))
        gain = ahead * min(lots, 1 << 20)
    remember(state, candidate_at(cell, other), pressing, prices, orders, gain, lots, oldest)


@kernel
def remember(
    state: DetectorState,
    candidate: Candidate,
    pressing: int,
    prices: int,
    orders: int,
    gain: int,
    lots: int,
    oldest: WatchedOrder,
) -> None:
    """A candidate, or another fill of the one that there is."""
    now = state.now
    alive = candidate.seq != 0
    if alive and candidate.ns >= now - tab.parameter(state, WITHDRAWN):
        tab.bump(candidate + lay.D_GAIN, gain)
        tab.bump(candidate + lay.D_FILLED, lots)
        return
    candidate.ns = now
    candidate.seq = state.cause
    candidate.lots = pressing
    candidate.prices = prices
    candidate.orders = orders
    candidate.withdrawn = 0
    candidate.hit = 0
    candidate.gain = gain
    candidate.filled = lots
    candidate.first_seq = oldest.born_seq
    candidate.first_ns = oldest.born


@kernel
def pressed_on(state: DetectorState, order: WatchedOrder, lots: int) -> None:
    """A resting order traded: if it pressed, these lots of it were meant after all."""
    cell = tab.cell_at(state, order.cell)
    candidate = candidate_at(cell, order.side)
    if order.born_seq < candidate.seq:
        tab.bump(candidate + lay.D_HIT, tab.limited(lots))


@kernel
def withdrawn(
    state: DetectorState, book: DetectorBook, cell: DetectorCell, order: WatchedOrder, lots: int
) -> None:
    """An owner took displayed lots away."""
    candidate = candidate_at(cell, order.side)
    if candidate.seq != 0 and lots > 0:
        withdraw(state, cell, order, candidate, lots)
    elif lots > 0 and order.born >= state.now - tab.parameter(state, AGE):
        note_flip(state, book, order, flip_at(cell, order.side), lots)


@kernel_outlined
def note_flip(
    state: DetectorState, book: DetectorBook, order: WatchedOrder, flip: Flip, lots: int
) -> None:
    """Note displayed lots near the market that go, all within a second as one."""
    not_inlined()
    best = tab.best_of(state, book, order.side)
    if best == lay.NONE or abs(order.price - best) > tab.near_ticks(state, book, best):
        return
    if flip.seq == 0 or flip.ns < state.now - SECOND_NS:
        flip.lots = 0
        flip.first_ns = lay.NONE
        flip.depth = tab.depth_lots(state, book, order.side, FIVE)
    if flip.first_ns == lay.NONE or order.born_seq < flip.first_seq:
        flip.first_ns = order.born
        flip.first_seq = order.born_seq
        flip.middle = order.mid2
    flip.ns = state.now
    flip.seq = state.cause
    flip.lots += lots


@kernel
def flipped(
    state: DetectorState,
    cell: DetectorCell,
    side: int,
    price: int,
    lots: int,
    own: int,
    left: int,
    average: int,
) -> None:
    """Report an owner that takes on ``side`` right after its pressure on the other went, at a
    better price than before it; repeatedly."""
    flip = flip_at(cell, BUY + SELL - side)
    if flip.seq == 0 or state.now - flip.ns > tab.parameter(state, WITHDRAWN):
        return
    gone, middle, first = flip.lots, flip.middle, flip.first_seq
    ahead = better_than(middle, price, side)
    if middle == lay.NONE or ahead <= 0 or gone < tab.parameter(state, ASYMMETRY) * own:
        return
    if gone < tab.parameter(state, SIZE) * average:
        return
    # Quotes that are replaced are there again, and those of both sides go at once.
    if gone * 100 < tab.parameter(state, CANCELLED) * (gone + left):
        return
    both = flip_at(cell, side)
    near = both.seq != 0 and abs(both.ns - flip.ns) < SECOND_NS
    if near and tab.parameter(state, ASYMMETRY) * both.lots > gone:
        return
    if gone * 100 < tab.parameter(state, DEPTH) * flip.depth:
        return
    withdrawn_seq = flip.seq
    flip.seq = 0
    instrument, owner = cell.instrument, cell.owner
    gain = tab.limited(ahead) * min(lots, 1 << 20)
    row = tab.repeat(state, tab.repeat_key(SPOOFING, instrument, owner), first, gain, gone)
    count, gains = tab.repeats_within(row, state.now, tab.parameter(state, WINDOW), lay.R_GAINS)
    if count < tab.parameter(state, REPEATS) or gains <= 0:
        return
    hit = tab.begin_hit(state, SPOOFING, instrument, 30 + 10 * count, flip.first_ns, first)
    tab.add_member(hit, owner)
    tab.measures(hit, gone, 0, gains, count)
    tab.evidence(hit, 0, first)
    tab.evidence(hit, 1, withdrawn_seq)
    tab.evidence(hit, 2, state.cause)


@kernel_outlined
def withdraw(
    state: DetectorState, cell: DetectorCell, order: WatchedOrder, candidate: Candidate, lots: int
) -> None:
    """Follow the withdrawal of an order that had put pressure on a side."""
    not_inlined()
    now = state.now
    if now - candidate.ns > tab.parameter(state, WITHDRAWN):
        candidate.seq = 0
        return
    if order.born_seq >= candidate.seq:
        return
    tab.bump(candidate + lay.D_WITHDRAWN, lots)
    gone, all_lots = candidate.withdrawn, candidate.lots
    hit_lots = candidate.hit
    if 2 * hit_lots > all_lots:
        return
    if gone * 100 < tab.parameter(state, CANCELLED) * (all_lots - hit_lots):
        return
    fill_seq = candidate.seq
    candidate.seq = 0
    layered = candidate.prices >= tab.parameter(state, PRICES)
    detector = LAYERING if layered else SPOOFING
    instrument, owner = cell.instrument, cell.owner
    window = tab.parameter(state, WINDOW)
    key = tab.repeat_key(detector, instrument, owner)
    first = candidate.first_seq
    gain = candidate.gain
    row = tab.repeat(state, key, first, gain, all_lots)
    count, gains = tab.repeats_within(row, now, window, lay.R_GAINS)
    if count < tab.parameter(state, REPEATS) or gains <= 0:
        return
    score = 30 + 10 * count
    hit = tab.begin_hit(state, detector, instrument, score, candidate.first_ns, first)
    tab.add_member(hit, order.who)
    tab.measures(hit, all_lots, 0, gains, count)
    tab.evidence(hit, 0, first)
    tab.evidence(hit, 1, fill_seq)
    tab.evidence(hit, 2, state.cause)
