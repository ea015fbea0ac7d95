# (intrinsics have no types that mypy could see)
"""Wash trades: matched orders that bring the lots back to where they were.

A leg is a trade of two orders of one size, for half of it or more, or of two sizes for most of the
larger one, the resting one young.  A leg within one owner is a cycle by itself; else a new leg from
seller to buyer closes one if the buyer's lots had come, over legs of that many lots at about that
price, back to the seller within a minute.

Those who trade much meet by chance: a leg counts only if the two have traded so with each other
this hour more often than by their other trading they would have.
"""

import openoutcry.surveillance.detect.layout as lay
from openoutcry.surveillance.detect import tables as tab
from openoutcry.surveillance.parameters import offset
from openoutcry.wire.kernel import kernel, kernel_outlined
from openoutcry.wire.memory import load_i64, not_inlined, store_i64

AGE, CYCLE, BPS = offset("wash_leg_age_ns"), offset("wash_cycle_ns"), offset("wash_price_bps")
REPEATS, RING_REPEATS = offset("wash_repeats"), offset("ring_repeats")
WINDOW, MATCHED = offset("wash_window_ns"), offset("wash_matched_percent")
UNEVEN = offset("wash_uneven_percent")
CHANCE_LEGS = offset("wash_chance_legs")
CHANCE, HOUR_NS = offset("wash_chance_times"), 3_600 * 10**9
SELF, RELATED = int(lay.Detector.WASH_SELF), int(lay.Detector.WASH_RELATED)
PAIR, RING = int(lay.Detector.WASH_PAIR), int(lay.Detector.WASH_RING)
BUY = 1


@kernel
def leg_at(book: int, number: int) -> int:
    return book + lay.B_LEGS + (number % lay.LEGS) * (lay.LEG_WORDS * lay.WORD)


@kernel_outlined
def matched(
    state: int, book: int, instrument: int, maker: int, taker: int, price: int, lots: int
) -> None:  # fmt: skip
    """A trade of two orders (rows as they were before it) that were made for each other, of so many
    lots."""
    not_inlined()
    now, cause = load_i64(state + lay.NOW), load_i64(state + lay.CAUSE)
    if now - load_i64(maker + lay.O_BORN) > tab.parameter(state, AGE):
        return
    seller, buyer = taker, maker
    if load_i64(taker + lay.O_SIDE) == BUY:
        seller, buyer = maker, taker
    if by_chance(state, book, instrument, seller, buyer):
        return
    sold, bought = load_i64(seller + lay.O_WHO), load_i64(buyer + lay.O_WHO)
    born = load_i64(maker + lay.O_BORN_SEQ)
    if tab.owner_of(state, sold) == tab.owner_of(state, bought):
        detector = SELF if sold == bought else RELATED
        key = tab.repeat_key(detector, instrument, tab.owner_of(state, sold))
        count_cycle(state, key, detector, instrument, lots, born, lay.NONE, sold, bought, book)
        return
    number = load_i64(book + lay.B_LEG_COUNT)
    leg = leg_at(book, number)
    store_i64(leg + lay.L_NS, now)
    store_i64(leg + lay.L_SEQ, cause)
    store_i64(leg + lay.L_SELLER, tab.owner_of(state, sold))
    store_i64(leg + lay.L_BUYER, tab.owner_of(state, bought))
    store_i64(leg + lay.L_LOTS, lots)
    store_i64(leg + lay.L_PRICE, price)
    store_i64(leg + lay.L_USED, 0)
    store_i64(leg + lay.L_WHO, sold | bought << 16)
    store_i64(book + lay.B_LEG_COUNT, number + 1)
    close_cycle(state, book, instrument, number, born)


@kernel
def by_chance(state: int, book: int, instrument: int, seller: int, buyer: int) -> bool:
    """Count the leg; whether its owners' other legs of this hour would have them meet as often."""
    hour = load_i64(state + lay.NOW) // HOUR_NS
    sold = tab.cell_at(state, load_i64(seller + lay.O_CELL))
    bought = tab.cell_at(state, load_i64(buyer + lay.O_CELL))
    if load_i64(book + lay.B_LEG_HOUR) != hour:
        store_i64(book + lay.B_LEG_HOUR, hour)
        store_i64(book + lay.B_HOUR_LEGS, 0)
    tab.bump(book + lay.B_HOUR_LEGS, 1)
    begin_hour(sold, hour)
    begin_hour(bought, hour)
    tab.bump(sold + lay.C_LEGS_SOLD, 1)
    tab.bump(bought + lay.C_LEGS_BOUGHT, 1)
    who = load_i64(sold + lay.C_OWNER) << 16 | load_i64(bought + lay.C_OWNER)
    row = tab.repeat_row(state, tab.repeat_key(0, instrument, who))
    if load_i64(row + lay.R_TIMES) != hour:
        store_i64(row + lay.R_COUNT, lay.HOUR_COUNT)
        store_i64(row + lay.R_TIMES, hour)
        store_i64(row + lay.R_SEQS, 0)
    tab.bump(row + lay.R_SEQS, 1)
    legs = load_i64(row + lay.R_SEQS)
    others = max(load_i64(book + lay.B_HOUR_LEGS) - legs, 1)
    sells, buys = load_i64(sold + lay.C_LEGS_SOLD), load_i64(bought + lay.C_LEGS_BOUGHT)
    chance = (sells - legs) * (buys - legs)
    if chance != 0:
        legs -= tab.parameter(state, CHANCE_LEGS)
    return legs * others <= tab.parameter(state, CHANCE) * chance


@kernel
def begin_hour(cell: int, hour: int) -> None:
    if load_i64(cell + lay.C_LEG_HOUR) != hour:
        store_i64(cell + lay.C_LEG_HOUR, hour)
        store_i64(cell + lay.C_LEGS_SOLD, 0)
        store_i64(cell + lay.C_LEGS_BOUGHT, 0)


@kernel
def close_cycle(state: int, book: int, instrument: int, number: int, born: int) -> None:
    """Follow the lots from the new leg's buyer, over earlier legs in their order, to its seller.

    ``L_USED`` of a leg: -1 it is part of a cycle; else while one is looked for, 0 it was not
    reached, or 1 + how many legs ago the one before it was, with LEGS standing for the beginning.
    """
    leg = leg_at(book, number)
    seller, buyer = load_i64(leg + lay.L_SELLER), load_i64(leg + lay.L_BUYER)
    lots, price = load_i64(leg + lay.L_LOTS), load_i64(leg + lay.L_PRICE)
    near = max(tab.share_bps(price, tab.parameter(state, BPS)), 2 * load_i64(book + lay.B_STEP))
    since = load_i64(state + lay.NOW) - tab.parameter(state, CYCLE)
    first = max(0, number - lay.LEGS + 1)
    end = -1
    for at in range(first, number):
        step = leg_at(book, at)
        if load_i64(step + lay.L_USED) == -1:
            continue
        store_i64(step + lay.L_USED, 0)
        apart = abs(load_i64(step + lay.L_PRICE) - price)
        if load_i64(step + lay.L_NS) < since or load_i64(step + lay.L_LOTS) != lots or apart > near:
            continue
        reached = 1 + lay.LEGS if load_i64(step + lay.L_SELLER) == buyer else 0
        back = at - 1
        while reached == 0 and back >= first:
            before = leg_at(book, back)
            if load_i64(before + lay.L_USED) > 0 and load_i64(before + lay.L_BUYER) == load_i64(
                step + lay.L_SELLER
            ):
                reached = 1 + at - back
            back -= 1
        store_i64(step + lay.L_USED, reached)
        if reached != 0 and load_i64(step + lay.L_BUYER) == seller:
            end = at
            break
    if end >= 0:
        told_cycle(state, book, instrument, number, end, lots, born)


@kernel_outlined
def told_cycle(
    state: int, book: int, instrument: int, number: int, end: int, lots: int, born: int
) -> None:
    """The legs back from ``end`` and the new one are a cycle; each counts once."""
    not_inlined()
    length, at, who = 1, end, 0
    while True:
        step = leg_at(book, at)
        back = load_i64(step + lay.L_USED) - 1
        who += tab.mix(load_i64(step + lay.L_SELLER) + 1) >> 8
        length += 1
        if back == lay.LEGS:
            break
        at -= back
    who += tab.mix(load_i64(leg_at(book, number) + lay.L_SELLER) + 1) >> 8
    detector = PAIR if length == 2 else RING
    key = tab.repeat_key(detector, instrument, who)
    count_cycle(state, key, detector, instrument, lots, born, end, 0, 0, book)
    at = end
    while True:
        step = leg_at(book, at)
        back = load_i64(step + lay.L_USED) - 1
        store_i64(step + lay.L_USED, -1)
        if back == lay.LEGS:
            break
        at -= back
    store_i64(leg_at(book, number) + lay.L_USED, -1)


@kernel
def count_cycle(
    state: int, key: int, detector: int, instrument: int, lots: int, born: int, end: int,
    sold: int, bought: int, book: int,
) -> None:  # fmt: skip
    """A cycle more of these; told when there were enough."""
    now, window = load_i64(state + lay.NOW), tab.parameter(state, WINDOW)
    row = tab.repeat(state, key, born, 0, lots)
    count, total = tab.repeats_within(row, now, window, lay.R_LOTS)
    needed = (
        tab.parameter(state, RING_REPEATS) if detector == RING else tab.parameter(state, REPEATS)
    )
    if count < needed:
        return
    slot = 8 * ((load_i64(row + lay.R_COUNT) - count) % lay.REPEAT_RING)
    first = load_i64(row + lay.R_SEQS + slot)
    score = 40 + 10 * count
    hit = tab.tell(state, detector, instrument, score, load_i64(row + lay.R_TIMES + slot), first)
    tab.measures(hit, total, 0, 0, count)
    tab.evidence(hit, 0, first)
    tab.evidence(hit, 1, born)
    tab.evidence(hit, 2, load_i64(state + lay.CAUSE))
    if end == lay.NONE:
        tab.add_member(hit, sold)
        tab.add_member(hit, bought)
        return
    at = end
    newest = load_i64(leg_at(book, load_i64(book + lay.B_LEG_COUNT) - 1) + lay.L_WHO)
    tab.add_member(hit, newest & 0xFFFF)
    tab.add_member(hit, newest >> 16)
    while True:
        step = leg_at(book, at)
        who = load_i64(step + lay.L_WHO)
        tab.add_member(hit, who & 0xFFFF)
        tab.add_member(hit, who >> 16)
        back = load_i64(step + lay.L_USED) - 1
        if back == lay.LEGS:
            break
        at -= back
