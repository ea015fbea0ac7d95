# (intrinsics have no types that mypy could see)
"""Spoofing and layering: large lots shown on one side, a fill on the other, and then they go."""

import openoutcry.surveillance.detect.layout as lay
from openoutcry.surveillance.detect import tables as tab
from openoutcry.surveillance.parameters import offset
from openoutcry.wire.kernel import kernel, kernel_outlined
from openoutcry.wire.memory import load_i64, not_inlined, store_i64

AGE, WITHDRAWN = offset("spoof_age_ns"), offset("spoof_withdrawn_ns")
REPEATS, WINDOW = offset("spoof_repeats"), offset("spoof_window_ns")
ASYMMETRY, SIZE = offset("spoof_asymmetry"), offset("spoof_size")
DEPTH, CANCELLED = offset("spoof_depth_percent"), offset("spoof_cancelled_percent")
PRICES = offset("layer_prices")
SPOOFING, LAYERING = int(lay.Detector.SPOOFING), int(lay.Detector.LAYERING)
BUY, SELL, ORDERS_MOST, FIVE = 1, 2, 64, 5


@kernel
def candidate_at(cell: int, side: int) -> int:
    return cell + lay.C_CANDIDATES + (side - BUY) * lay.CANDIDATE_BYTES


@kernel_outlined
def fill_against(state: int, book: int, cell: int, side: int, price: int, lots: int) -> None:
    """The owner of ``cell`` traded on ``side``: do its orders on the other look like pressure?"""
    not_inlined()
    now, cause = load_i64(state + lay.NOW), load_i64(state + lay.CAUSE)
    other = BUY + SELL - side
    best = load_i64(book + (lay.B_BID if other == BUY else lay.B_ASK))
    average = tab.average_lots(state, book, now)
    if best == lay.NONE or average == 0:
        return
    near, age = tab.near_ticks(state, book, best), tab.parameter(state, AGE)
    # What it has traded on this side just before is part of its interest there, too.
    word = lay.K_BUY_LOTS if side == BUY else lay.K_SELL_LOTS
    recent = tab.parameter(state, WITHDRAWN)
    own = tab.window_sum(cell + lay.C_BUCKETS, now, recent, word) - lots
    pressing, orders, prices, oldest, last_price = 0, 0, 0, 0, lay.NONE
    row, seen = load_i64(cell + lay.C_OPEN), 0
    while row != 0 and seen < ORDERS_MOST:
        order = tab.order_at(state, row)
        row, seen = load_i64(order + lay.O_NEXT), seen + 1
        if load_i64(order + lay.O_SHOWN) == 0:
            continue
        if load_i64(order + lay.O_SIDE) == side:
            own += load_i64(order + lay.O_LEAVES)
            continue
        if load_i64(order + lay.O_BORN_SEQ) == cause or load_i64(order + lay.O_BORN) < now - age:
            continue
        if abs(load_i64(order + lay.O_PRICE) - best) > near:
            continue
        pressing += load_i64(order + lay.O_LEAVES)
        orders += 1
        # Layers are entered one price after the other: a change of price is another one.
        if load_i64(order + lay.O_PRICE) != last_price:
            prices, last_price = prices + 1, load_i64(order + lay.O_PRICE)
        oldest = order
    if oldest == 0 or pressing < tab.parameter(state, ASYMMETRY) * own:
        return
    if pressing < tab.parameter(state, SIZE) * average:
        return
    depth = tab.depth_lots(state, book, other, FIVE)
    if pressing * 100 < tab.parameter(state, DEPTH) * depth:
        return
    middle = load_i64(oldest + lay.O_MID2)
    gain = 0
    if middle != lay.NONE:
        ahead = middle - 2 * price if side == BUY else 2 * price - middle
        gain = tab.limited(ahead) * min(lots, 1 << 20)
    remember(state, candidate_at(cell, other), pressing, prices, orders, gain, lots, oldest)


@kernel
def remember(
    state: int, candidate: int, pressing: int, prices: int, orders: int, gain: int, lots: int,
    oldest: int,
) -> None:  # fmt: skip
    """A candidate, or another fill of the one that there is."""
    now = load_i64(state + lay.NOW)
    alive = load_i64(candidate + lay.D_SEQ) != 0
    if alive and load_i64(candidate + lay.D_NS) >= now - tab.parameter(state, WITHDRAWN):
        tab.bump(candidate + lay.D_GAIN, gain)
        tab.bump(candidate + lay.D_FILLED, lots)
        return
    store_i64(candidate + lay.D_NS, now)
    store_i64(candidate + lay.D_SEQ, load_i64(state + lay.CAUSE))
    store_i64(candidate + lay.D_LOTS, pressing)
    store_i64(candidate + lay.D_PRICES, prices)
    store_i64(candidate + lay.D_ORDERS, orders)
    store_i64(candidate + lay.D_WITHDRAWN, 0)
    store_i64(candidate + lay.D_HIT, 0)
    store_i64(candidate + lay.D_GAIN, gain)
    store_i64(candidate + lay.D_FILLED, lots)
    store_i64(candidate + lay.D_FIRST_SEQ, load_i64(oldest + lay.O_BORN_SEQ))
    store_i64(candidate + lay.D_FIRST_NS, load_i64(oldest + lay.O_BORN))


@kernel
def pressed_on(state: int, order: int, lots: int) -> None:
    """Somebody traded with a resting order: if it pressed, so much of it was meant after all."""
    cell = tab.cell_at(state, load_i64(order + lay.O_CELL))
    candidate = candidate_at(cell, load_i64(order + lay.O_SIDE))
    if load_i64(order + lay.O_BORN_SEQ) < load_i64(candidate + lay.D_SEQ):
        tab.bump(candidate + lay.D_HIT, tab.limited(lots))


@kernel
def withdrawn(state: int, cell: int, order: int, lots: int) -> None:
    """An owner took displayed lots away."""
    candidate = candidate_at(cell, load_i64(order + lay.O_SIDE))
    if load_i64(candidate + lay.D_SEQ) != 0 and lots > 0:
        withdraw(state, cell, order, candidate, lots)


@kernel_outlined
def withdraw(state: int, cell: int, order: int, candidate: int, lots: int) -> None:
    not_inlined()
    now = load_i64(state + lay.NOW)
    if now - load_i64(candidate + lay.D_NS) > tab.parameter(state, WITHDRAWN):
        store_i64(candidate + lay.D_SEQ, 0)
        return
    if load_i64(order + lay.O_BORN_SEQ) >= load_i64(candidate + lay.D_SEQ):
        return
    tab.bump(candidate + lay.D_WITHDRAWN, lots)
    gone, all_lots = load_i64(candidate + lay.D_WITHDRAWN), load_i64(candidate + lay.D_LOTS)
    hit_lots = load_i64(candidate + lay.D_HIT)
    if 2 * hit_lots > all_lots:
        return
    if gone * 100 < tab.parameter(state, CANCELLED) * (all_lots - hit_lots):
        return
    fill_seq = load_i64(candidate + lay.D_SEQ)
    store_i64(candidate + lay.D_SEQ, 0)
    layered = load_i64(candidate + lay.D_PRICES) >= tab.parameter(state, PRICES)
    detector = LAYERING if layered else SPOOFING
    instrument, owner = load_i64(cell + lay.C_INSTRUMENT), load_i64(cell + lay.C_OWNER)
    window = tab.parameter(state, WINDOW)
    key = tab.repeat_key(detector, instrument, owner)
    first = load_i64(candidate + lay.D_FIRST_SEQ)
    gain = load_i64(candidate + lay.D_GAIN)
    row = tab.repeat(state, key, first, gain, all_lots)
    count, gains = tab.repeats_within(row, now, window, lay.R_GAINS)
    if count < tab.parameter(state, REPEATS) or gains <= 0:
        return
    score = 30 + 10 * count
    hit = tab.tell(state, detector, instrument, score, load_i64(candidate + lay.D_FIRST_NS), first)
    tab.add_member(hit, load_i64(order + lay.O_WHO))
    tab.measures(hit, all_lots, 0, gains, count)
    tab.evidence(hit, 0, first)
    tab.evidence(hit, 1, fill_seq)
    tab.evidence(hit, 2, load_i64(state + lay.CAUSE))
