"""Wash trades: matched orders that bring the lots back to where they were.

A leg is a trade of two orders of one size for half of it or more, or of two sizes for most of the
larger one.  The resting order is young.  If two owners entered them within a second, a small part
is enough: other participants' orders come between.  A leg within one owner is a cycle by itself.  A
new leg from seller to buyer closes a cycle if the buyer's lots had come back to the seller before.
The earlier legs must be of that many lots at about that price, and within a minute.  Legs of any
sizes and directions count as cycles if most trades of both owners are legs of these two.

Owners that trade much meet by chance.  A leg counts only if the two have met more often in the last
hours than their other trading would explain.
"""

import openoutcry.surveillance.detect.layout as lay
from openoutcry.surveillance.detect import constants
from openoutcry.surveillance.detect import tables as tab
from openoutcry.surveillance.detect.layout import (
    DetectorBook,
    DetectorCell,
    DetectorState,
    Leg,
    PairLegs,
    WatchedOrder,
)
from openoutcry.surveillance.parameters import offset
from openoutcry.wire.kernel import kernel, kernel_outlined
from openoutcry.wire.memory import load_i64, not_inlined

AGE, CYCLE, BPS = offset("wash_leg_age_ns"), offset("wash_cycle_ns"), offset("wash_price_bps")
REPEATS, RING_REPEATS = offset("wash_repeats"), offset("ring_repeats")
WINDOW, MATCHED = offset("wash_window_ns"), offset("wash_matched_percent")
UNEVEN = offset("wash_uneven_percent")
TOGETHER, PART = offset("wash_together_ns"), offset("wash_together_percent")
DEVIATIONS, SHARE = offset("wash_chance_deviations"), offset("wash_alone_percent")
CHANCE, HOUR_NS = offset("wash_chance_times"), 3_600 * 10**9
SELF, RELATED = constants.WASH_SELF, constants.WASH_RELATED
PAIR, RING = constants.WASH_PAIR, constants.WASH_RING
ALONE = 255
"""In the key of repeats: legs of two owners that trade with each other alone."""
BUY = 1


@kernel
def leg_at(book: int, number: int) -> Leg:
    """Return one of the last trades of an instrument, by its number. ``book``: address of the
    instrument's block."""
    return Leg(book + lay.B_LEGS + (number % lay.LEGS) * (lay.LEG_WORDS * lay.WORD))


@kernel
def traded(
    state: DetectorState,
    book: DetectorBook,
    instrument: int,
    maker: WatchedOrder,
    taker: WatchedOrder,
    price: int,
    lots: int,
) -> None:
    """Count a trade of ``lots`` of two orders (rows as they were before it), and judge it if it
    makes a leg."""
    hour = state.now // HOUR_NS
    if book.leg_hour != hour:
        book.leg_hour = hour
        book.leg_hours += 1
        book.hour_legs >>= 1
    took, made = tab.cell_at(state, taker.cell), tab.cell_at(state, maker.cell)
    begin_hour(took, book.leg_hours)
    begin_hour(made, book.leg_hours)
    took.trades += 1
    made.trades += 1
    leg_lots = matched_lots(state, maker, taker, lots)
    if leg_lots != 0 and state.now - maker.born <= tab.parameter(state, AGE):
        matched(state, book, instrument, maker, taker, price, leg_lots)


@kernel
def matched_lots(state: DetectorState, maker: WatchedOrder, taker: WatchedOrder, lots: int) -> int:
    """Lots of the leg that a trade of ``lots`` makes; 0: it makes no leg."""
    size, least = max(maker.lots, taker.lots), min(maker.lots, taker.lots)
    near = least * 100 >= size * tab.parameter(state, UNEVEN)
    apart = state.now - maker.born
    if maker.cell != taker.cell and near and apart <= tab.parameter(state, TOGETHER):
        return least if lots * 100 >= size * tab.parameter(state, PART) else 0
    if size == least:
        return size if lots * 100 >= size * tab.parameter(state, MATCHED) else 0
    return lots if lots * 100 >= size * tab.parameter(state, UNEVEN) else 0


@kernel_outlined
def matched(
    state: DetectorState,
    book: DetectorBook,
    instrument: int,
    maker: WatchedOrder,
    taker: WatchedOrder,
    price: int,
    lots: int,
) -> None:
    """A trade of ``lots`` of two orders made for each other."""
    not_inlined()
    legs = count_leg(state, book, instrument, maker, taker)
    if is_likely_coincidence(state, book, maker, taker, legs):
        return
    seller, buyer = taker, maker
    if taker.side == BUY:
        seller, buyer = maker, taker
    sold, bought = seller.who, buyer.who
    born = maker.born_seq
    if tab.owner_of(state, sold) == tab.owner_of(state, bought):
        detector = SELF if sold == bought else RELATED
        key = tab.repeat_key(detector, instrument, tab.owner_of(state, sold))
        count_cycle(state, key, detector, instrument, lots, born, lay.NONE, sold, bought, book)
        return
    number = book.leg_count
    leg = leg_at(book, number)
    leg.ns = state.now
    leg.seq = state.cause
    leg.seller = tab.owner_of(state, sold)
    leg.buyer = tab.owner_of(state, bought)
    leg.lots = lots
    leg.price = price
    leg.used = 0
    leg.who = sold | bought << 16
    book.leg_count = number + 1
    close_cycle(state, book, instrument, number, born)
    if have_each_other_alone(state, book, instrument, maker, taker, legs):
        owners = min(leg.seller, leg.buyer) << 16 | max(leg.seller, leg.buyer)
        key = tab.repeat_key(ALONE, instrument, owners)
        count_cycle(state, key, PAIR, instrument, lots, born, lay.NONE, sold, bought, book)


@kernel
def count_leg(
    state: DetectorState,
    book: DetectorBook,
    instrument: int,
    maker: WatchedOrder,
    taker: WatchedOrder,
) -> int:
    """Count the leg; return how many its taker has had with its maker, halved as all counts are."""
    took, made = tab.cell_at(state, taker.cell), tab.cell_at(state, maker.cell)
    book.hour_legs += 1
    took.legs_taken += 1
    made.legs_made += 1
    row = pair_row(state, book, instrument, took.owner, made.owner)
    row.legs += 1
    return row.legs


@kernel
def pair_row(
    state: DetectorState, book: DetectorBook, instrument: int, took: int, made: int
) -> PairLegs:
    """Return the row that counts the legs of one owner that took from another, brought up to this
    hour."""
    row = PairLegs(tab.repeat_row(state, tab.repeat_key(0, instrument, took << 16 | made)))
    hour = state.now // HOUR_NS
    if hour - row.hour >= lay.PAIR_HOURS:
        row.legs = 0
    row.legs = halved(row.legs, book.leg_hours - row.leg_hours)
    row.count = lay.PAIR_COUNT
    row.hour = hour
    row.leg_hours = book.leg_hours
    return row


@kernel
def is_likely_coincidence(
    state: DetectorState, book: DetectorBook, maker: WatchedOrder, taker: WatchedOrder, legs: int
) -> bool:
    """Return whether the owners' other legs would have them meet as often as ``legs`` times.

    Of what an owner takes, chance gives another the share that this one has in what all others
    take, and the reverse.  The larger of both is expected: an owner that takes from a market's only
    maker meets no other one."""
    takes = tab.cell_at(state, taker.cell).legs_taken
    makes = tab.cell_at(state, maker.cell).legs_made
    expected = max(takes * max(makes - legs, 0), makes * max(takes - legs, 0))
    chance = expected / max(book.hour_legs - legs, 1)
    deviations, beyond = tab.parameter(state, DEVIATIONS), legs - chance
    if legs <= tab.parameter(state, CHANCE) * chance:
        return True
    return beyond * beyond <= deviations * deviations * chance


@kernel
def have_each_other_alone(
    state: DetectorState,
    book: DetectorBook,
    instrument: int,
    maker: WatchedOrder,
    taker: WatchedOrder,
    legs: int,
) -> bool:
    """Return whether most trades of both owners are legs of these two, whatever their sizes and
    directions, in a market in which others have as many.  A client and a maker that agree on
    trades off the book do not count.  ``legs``: those in which this taker
    took."""
    took, made = tab.cell_at(state, taker.cell), tab.cell_at(state, maker.cell)
    legs += pair_row(state, book, instrument, made.owner, took.owner).legs
    if legs * 2 > book.hour_legs or state.off_book != 0:
        return False
    return legs * 100 >= tab.parameter(state, SHARE) * max(took.trades, made.trades)


@kernel
def halved(count: int, hours: int) -> int:
    """Return what is left of a count after so many hours."""
    return count >> min(hours, 62)


@kernel
def begin_hour(cell: DetectorCell, number: int) -> None:
    """Halve the counts of a cell for each hour with trades since they were.  ``number``:
    ``leg_hours`` of its book."""
    hours = number - cell.leg_hour
    cell.leg_hour = number
    cell.legs_taken = halved(cell.legs_taken, hours)
    cell.legs_made = halved(cell.legs_made, hours)
    cell.trades = halved(cell.trades, hours)


@kernel
def close_cycle(
    state: DetectorState, book: DetectorBook, instrument: int, number: int, born: int
) -> None:
    """Follow the lots from the new leg's buyer, over earlier legs in their order, to its seller.

    A leg's ``L_USED`` is -1 if it is part of a cycle.  While a cycle is looked for, 0 means that
    the leg was not reached, and 1 + n that the leg before it was n legs ago (LEGS: the beginning).
    """
    leg = leg_at(book, number)
    seller, buyer = leg.seller, leg.buyer
    lots, price = leg.lots, leg.price
    near = max(tab.share_bps(price, tab.parameter(state, BPS)), 2 * book.step)
    since = state.now - tab.parameter(state, CYCLE)
    first = max(0, number - lay.LEGS + 1)
    end = -1
    for at in range(first, number):
        step = leg_at(book, at)
        if step.used == -1:
            continue
        step.used = 0
        apart = abs(step.price - price)
        if step.ns < since or step.lots != lots or apart > near:
            continue
        reached = 1 + lay.LEGS if step.seller == buyer else 0
        back = at - 1
        while reached == 0 and back >= first:
            before = leg_at(book, back)
            if before.used > 0 and before.buyer == step.seller:
                reached = 1 + at - back
            back -= 1
        step.used = reached
        if reached != 0 and step.buyer == seller:
            end = at
            break
    if end >= 0:
        told_cycle(state, book, instrument, number, end, lots, born)


@kernel_outlined
def told_cycle(
    state: DetectorState,
    book: DetectorBook,
    instrument: int,
    number: int,
    end: int,
    lots: int,
    born: int,
) -> None:
    """The legs back from ``end`` and the new one are a cycle; each counts once."""
    not_inlined()
    length, at, participant = 1, end, 0
    while True:
        step = leg_at(book, at)
        back = step.used - 1
        participant += tab.mix(step.seller + 1) >> 8
        length += 1
        if back == lay.LEGS:
            break
        at -= back
    participant += tab.mix(leg_at(book, number).seller + 1) >> 8
    detector = PAIR if length == 2 else RING
    key = tab.repeat_key(detector, instrument, participant)
    count_cycle(state, key, detector, instrument, lots, born, end, 0, 0, book)
    at = end
    while True:
        step = leg_at(book, at)
        back = step.used - 1
        step.used = -1
        if back == lay.LEGS:
            break
        at -= back
    leg_at(book, number).used = -1


@kernel
def count_cycle(
    state: DetectorState,
    key: int,
    detector: int,
    instrument: int,
    lots: int,
    born: int,
    end: int,
    sold: int,
    bought: int,
    book: DetectorBook,
) -> None:
    """A cycle more of these; reported when there were enough."""
    now, window = state.now, tab.parameter(state, WINDOW)
    row = tab.repeat(state, key, born, 0, lots)
    count, total = tab.repeats_within(row, now, window, lay.R_LOTS)
    needed = (
        tab.parameter(state, RING_REPEATS) if detector == RING else tab.parameter(state, REPEATS)
    )
    if count < needed:
        return
    slot = 8 * ((row.count - count) % lay.REPEAT_RING)
    first = load_i64(row + lay.R_SEQS + slot)
    score = 40 + 10 * count
    hit = tab.begin_hit(
        state, detector, instrument, score, load_i64(row + lay.R_TIMES + slot), first
    )
    tab.measures(hit, total, 0, 0, count)
    tab.evidence(hit, 0, first)
    tab.evidence(hit, 1, born)
    tab.evidence(hit, 2, state.cause)
    if end == lay.NONE:
        tab.add_member(hit, sold)
        tab.add_member(hit, bought)
        return
    at = end
    newest = leg_at(book, book.leg_count - 1).who
    tab.add_member(hit, newest & 0xFFFF)
    tab.add_member(hit, newest >> 16)
    while True:
        step = leg_at(book, at)
        participant = step.who
        tab.add_member(hit, participant & 0xFFFF)
        tab.add_member(hit, participant >> 16)
        back = step.used - 1
        if back == lay.LEGS:
            break
        at -= back
