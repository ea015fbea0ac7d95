"""Detect participants that move prices: momentum ignition, ramping, marking the open and the close,
linked markets.

What a taking command does to the mid counts as its owner's; the bounce between bid and ask does not
count.  Buckets of 10 s keep moves, the lots of aggressors, all lots and their value."""

import openoutcry.surveillance.detect.layout as lay
from openoutcry.surveillance.detect import constants
from openoutcry.surveillance.detect import tables as tab
from openoutcry.surveillance.detect.layout import (
    Bucket,
    DetectorBook,
    DetectorCell,
    DetectorState,
    WatchedOrder,
)
from openoutcry.surveillance.parameters import offset
from openoutcry.wire.kernel import kernel, kernel_outlined
from openoutcry.wire.layout import Words
from openoutcry.wire.memory import load_i64, not_inlined

COOLDOWN, STEPS = offset("cooldown_ns"), offset("move_steps_min")
IGNITION_NS, IGNITION_BPS = offset("ignition_ns"), offset("ignition_bps")
IGNITION_SHARE, CLOSED = offset("ignition_share_percent"), offset("ignition_closed_percent")
IGNITION_GAIN, ONE_SIDED = offset("ignition_gain_bps"), offset("one_sided_percent")
IGNITION_OWN = offset("ignition_own_percent")
IGNITION_TIMES, IGNITION_LARGE = offset("ignition_times"), offset("ignition_large_percent")
RAMP_NS, RAMP_BPS = offset("ramp_ns"), offset("ramp_bps")
RAMP_TRADES, RAMP_SHARE = offset("ramp_trades"), offset("ramp_share_percent")
RAMP_FEW, RAMP_LARGE = offset("ramp_few_trades"), offset("ramp_large_percent")
MARKING_NS, MARKING_BPS = offset("marking_ns"), offset("marking_bps")
MARKING_SHARE, MARKING_OWN = offset("marking_share_percent"), offset("marking_own_percent")
MARKING_PRESSURE = offset("marking_pressure_percent")
MARKING_VOLUME = offset("marking_volume_percent")
MARKING_LARGE = offset("marking_large_percent")
MARKING_LARGE_BPS = offset("marking_large_bps")
TIMES = offset("marking_times")
CROSS_BPS, CROSS_LOTS = offset("cross_bps"), offset("cross_lots")
CROSS_SIZE = offset("cross_size")
CROSS_SHARE = offset("cross_share_percent")
IGNITION, RAMPING = constants.MOMENTUM_IGNITION, constants.RAMPING
CROSS = constants.CROSS_MARKET
CLOSE, OPEN = constants.MARKING_CLOSE, constants.MARKING_OPEN
BUY, SELL = 1, 2
FIVE_MINUTES_NS = 300 * 10**9
MAX_TICKS, MAX_LOTS = 1 << 20, 1 << 31


@kernel
def value_of(book: DetectorBook, price: int, lots: int) -> int:
    """Ticks above the book's first price times lots."""
    apart = min(max(price - book.ref, -MAX_TICKS), MAX_TICKS)
    return apart * min(lots, MAX_LOTS)


@kernel
def note_side(book: DetectorBook, bucket: int, side: int, price: int, lots: int) -> None:
    """One party of a trade."""
    value = value_of(book, price, lots)
    if side == BUY:
        tab.bump(bucket + lay.K_BUY_LOTS, lots)
        tab.bump(bucket + lay.K_BUY_VALUE, value)
    else:
        tab.bump(bucket + lay.K_SELL_LOTS, lots)
        tab.bump(bucket + lay.K_SELL_VALUE, value)


@kernel
def note_move(bucket: int, move: int) -> None:
    """Note how far an owner's taking moved the mid, half ticks."""
    tab.bump(bucket + lay.K_MOVE, move)
    if move > 0:
        tab.bump(bucket + lay.K_UP, move)
        tab.bump(bucket + lay.K_COUNTS, 1)
    else:
        tab.bump(bucket + lay.K_DOWN, -move)
        tab.bump(bucket + lay.K_COUNTS, 1 << lay.DOWN_BITS)


@kernel
def begin_taking(state: DetectorState, book: DetectorBook, taker: WatchedOrder) -> None:
    """A command has taken: the mid after it is the one that the next command will see."""
    book.taker = taker.cell
    book.taker_who = taker.who
    book.taker_side = taker.side
    book.taker_ns = state.now
    book.taker_seq = state.cause
    book.taker_middle = tab.middle_of(book)


@kernel
def credit_move(state: DetectorState, book: DetectorBook) -> None:
    """Credit the last taker, before a command's first event in a book, with the move that it
    caused."""
    row = book.taker
    if row == 0:
        return
    before, after = book.taker_middle, tab.middle_of(book)
    if after == lay.NONE and state.now - book.taker_ns <= lay.BUCKET_NS:
        return  # it took all that there was: it moved the mid to where others quote next
    book.taker = 0
    if before == lay.NONE or after == lay.NONE or before == after:
        return
    move, side = tab.limited(after - before), book.taker_side
    if (move > 0) != (side == BUY):
        return
    cell = tab.cell_at(state, row)
    place = book.taker_ns // lay.BUCKET_NS % lay.BUCKETS * lay.BUCKET_BYTES
    # Nothing has traded here since: the buckets of that moment still apply.
    note_move(book + lay.B_BUCKETS + place, move)
    note_move(cell + lay.C_BUCKETS + place, move)
    ramped(state, book, cell, side, book.last, book.taker_who)


@kernel
def bucket_of_market(book: DetectorBook, now: int) -> int:
    """The book's bucket of this moment; a new one begins at the mid before this command."""
    number = now // lay.BUCKET_NS
    bucket = Bucket(book + lay.B_BUCKETS + (number % lay.BUCKETS) * lay.BUCKET_BYTES)
    if bucket.id != number:
        tab.bucket_now(book + lay.B_BUCKETS, now)
        bucket.middle = tab.middle_of(book)
    return bucket


@kernel
def market_moved(book: DetectorBook, now: int, span: int, up: bool) -> int:
    """Return the farthest that the mid has come that way within the last ``span``: from the begin
    of a bucket to that of a later one, or to now.

    In half ticks, by any participant's orders.  What has gone back since does not make it less."""
    number, ahead = now // lay.BUCKET_NS, 0
    latest = tab.middle_of(book)
    for back in range(span // lay.BUCKET_NS + 1):
        bucket = Bucket(book + lay.B_BUCKETS + ((number - back) % lay.BUCKETS) * lay.BUCKET_BYTES)
        was = bucket.middle
        if bucket.id != number - back or was == lay.NONE:
            continue
        if latest == lay.NONE:
            latest = was
        moved = tab.limited(latest - was)
        ahead = max(ahead, moved if up else -moved)
        latest = max(latest, was) if up else min(latest, was)
    return ahead


@kernel
def least_move(state: DetectorState, book: DetectorBook, price: int, at: int) -> int:
    """Return the least move that counts, in half ticks, as moves are."""
    steps = tab.parameter(state, STEPS) * book.step
    return 2 * max(steps, tab.share_bps(price, tab.parameter(state, at)))


@kernel
def gain_of(base: int, now: int, span: int) -> tuple[int, int, int]:
    """Lots bought, lots sold, and what the matched ones gained, ticks (rounded down), within."""
    bought = tab.window_sum(base, now, span, lay.K_BUY_LOTS)
    sold = tab.window_sum(base, now, span, lay.K_SELL_LOTS)
    if bought == 0 or sold == 0:
        return bought, sold, 0
    paid = tab.window_sum(base, now, span, lay.K_BUY_VALUE)
    got = tab.window_sum(base, now, span, lay.K_SELL_VALUE)
    apart = got / sold - paid / bought
    return bought, sold, int(apart * min(min(bought, sold), MAX_LOTS))


@kernel
def one_way(state: DetectorState, base: int, now: int, span: int, side: int) -> bool:
    """Return whether nearly all that the owner took within the span was on ``side``."""
    bought = tab.window_sum(base, now, span, lay.K_BUY_TOOK)
    sold = tab.window_sum(base, now, span, lay.K_SELL_TOOK)
    on_side = bought if side == BUY else sold
    return on_side * 100 >= tab.parameter(state, ONE_SIDED) * (bought + sold)


@kernel
def traded(
    state: DetectorState,
    book: DetectorBook,
    cell: DetectorCell,
    side: int,
    price: int,
    participant: int,
) -> None:
    """One party of a trade, after it was noted: does it trade against its own move?"""
    now = state.now
    base, span = cell + lay.C_BUCKETS, tab.parameter(state, IGNITION_NS)
    took = tab.window_sum(base, now, span, lay.K_BUY_TOOK if side == SELL else lay.K_SELL_TOOK)
    if took != 0:
        ignited(state, book, cell, side, price, took, participant)
    instrument = cell.instrument
    linked = Words(state.links)[instrument]
    if linked >= 0:
        across(state, cell, side, linked, participant)


@kernel_outlined
def ignited(
    state: DetectorState,
    book: DetectorBook,
    cell: DetectorCell,
    side: int,
    price: int,
    took: int,
    participant: int,
) -> None:
    """Report momentum ignition if ``who``, which has just taken ``took`` lots against ``side`` at
    ``price`` ticks, had moved the price before and gained by it.  Nothing is returned: a hit is
    added to the state."""
    not_inlined()
    now, span = state.now, tab.parameter(state, IGNITION_NS)
    base = cell + lay.C_BUCKETS
    word = lay.K_BUY_TOOK if side == SELL else lay.K_SELL_TOOK
    market = tab.window_sum(book + lay.B_BUCKETS, now, span, word)
    if took * 100 < tab.parameter(state, IGNITION_SHARE) * market:
        return
    # An owner that takes as much all the time has no burst.
    commonly = tab.window_sum(base, now, FIVE_MINUTES_NS, word)
    if took * 100 < tab.parameter(state, IGNITION_OWN) * commonly:
        return
    # What turning round has moved back does not make the way there shorter; and followers may have
    # gone most of it.
    ahead = tab.window_sum(base, now, span, lay.K_UP if side == SELL else lay.K_DOWN)
    ahead = max(ahead, market_moved(book, now, span, side == SELL))
    if ahead < least_move(state, book, price, IGNITION_BPS):
        return
    bought, sold, gain = gain_of(base, now, 2 * span)
    opened, closed = (bought, sold) if side == SELL else (sold, bought)
    least = min(tab.share_bps(price, tab.parameter(state, IGNITION_GAIN)), MAX_TICKS)
    gained = gain > 0 and gain >= least * min(min(bought, sold), MAX_LOTS)
    if closed * 100 < tab.parameter(state, CLOSED) * opened:
        return
    # Quotes of a maker that cross others take, too; most of its lots rest.
    own = tab.window_sum(base, now, 2 * span, lay.K_BUY_TOOK)
    own += tab.window_sum(base, now, 2 * span, lay.K_SELL_TOOK)
    if 2 * own < bought + sold:
        return
    if not gained:
        # Without a gain it has to be most of the aggression, in more than one trade.
        if buckets_with(base, now, span, word) < tab.parameter(state, IGNITION_TIMES):
            return
        average = tab.average_lots(state, book, now)
        if average == 0 or took < tab.parameter(state, CROSS_SIZE) * average:
            return
        if took * 100 < tab.parameter(state, IGNITION_LARGE) * market:
            return
    if tab.in_cooldown(state, cell, lay.COOLDOWN_IGNITION, tab.parameter(state, COOLDOWN)):
        return
    instrument = cell.instrument
    score = 50 + 50 * took // max(market, 1)
    hit = tab.begin_hit(state, IGNITION, instrument, score, now - span, 0)
    tab.add_member(hit, participant)
    tab.measures(hit, closed, ahead, 2 * gain, 1)
    tab.evidence(hit, 0, state.cause)


@kernel_outlined
def ramped(
    state: DetectorState,
    book: DetectorBook,
    cell: DetectorCell,
    side: int,
    price: int,
    participant: int,
) -> None:
    """A taker moved the mid again: whose moves are these?"""
    not_inlined()
    now, span = state.now, tab.parameter(state, RAMP_NS)
    base, market = cell + lay.C_BUCKETS, book + lay.B_BUCKETS
    move = tab.window_sum(base, now, span, lay.K_MOVE)
    ahead = move if side == BUY else -move
    if ahead < least_move(state, book, price, RAMP_BPS):
        return
    counts = tab.window_sum(base, now, span, lay.K_COUNTS)
    trades = counts & 0xFFFFFFFF if side == BUY else counts >> lay.DOWN_BITS
    own = tab.window_sum(base, now, span, lay.K_UP if side == BUY else lay.K_DOWN)
    everybody = tab.window_sum(market, now, span, lay.K_UP if side == BUY else lay.K_DOWN)
    took = tab.window_sum(base, now, span, lay.K_BUY_TOOK if side == BUY else lay.K_SELL_TOOK)
    if trades < tab.parameter(state, RAMP_TRADES):
        # Fewer and larger ones count, if they are most of the moves and many of the lots.
        word = lay.K_BUY_TOOK if side == BUY else lay.K_SELL_TOOK
        taken = tab.window_sum(market, now, span, word)
        large = tab.parameter(state, RAMP_LARGE)
        least = tab.parameter(state, IGNITION_SHARE)
        if trades < tab.parameter(state, RAMP_FEW) or took * 100 < least * taken:
            return
        if own * 100 < large * everybody:
            return
    if own * 100 < tab.parameter(state, RAMP_SHARE) * everybody:
        return
    if not one_way(state, base, now, span, side):
        return
    if tab.in_cooldown(state, cell, lay.COOLDOWN_RAMP, tab.parameter(state, COOLDOWN)):
        return
    instrument = cell.instrument
    hit = tab.begin_hit(state, RAMPING, instrument, 100 * own // max(everybody, 1), now - span, 0)
    tab.add_member(hit, participant)
    tab.measures(hit, took, ahead, 0, trades)
    tab.evidence(hit, 0, book.taker_seq)


@kernel_outlined
def across(
    state: DetectorState, cell: DetectorCell, side: int, linked: int, participant: int
) -> None:
    """Detect a trade here at a price that its owner has moved in the linked instrument."""
    not_inlined()
    now, owner = state.now, cell.owner
    row = tab.find_cell(state, owner, linked)
    if row == 0:
        return
    other, moved_book = tab.cell_at(state, row), tab.book_at(state, linked)
    span = tab.parameter(state, IGNITION_NS)
    base = other + lay.C_BUCKETS
    move = tab.window_sum(base, now, span, lay.K_MOVE)
    ahead = move if side == SELL else -move
    ahead = max(ahead, market_moved(moved_book, now, span, side == SELL))
    if ahead < least_move(state, moved_book, moved_book.last, CROSS_BPS):
        return
    word = lay.K_BUY_TOOK if side == SELL else lay.K_SELL_TOOK
    took = tab.window_sum(base, now, span, word)
    market = tab.window_sum(moved_book + lay.B_BUCKETS, now, span, word)
    average = tab.average_lots(state, moved_book, now)
    if average == 0 or took < tab.parameter(state, CROSS_SIZE) * average:
        return
    if took * 100 < tab.parameter(state, CROSS_SHARE) * market:
        return
    word = lay.K_BUY_TOOK if side == BUY else lay.K_SELL_TOOK
    here = tab.window_sum(cell + lay.C_BUCKETS, now, span, word)
    if here < tab.parameter(state, CROSS_LOTS) * took:
        return
    if not one_way(state, base, now, span, BUY + SELL - side):
        return
    if not one_way(state, cell + lay.C_BUCKETS, now, span, side):
        return
    if tab.in_cooldown(state, cell, lay.COOLDOWN_CROSS, tab.parameter(state, COOLDOWN)):
        return
    instrument = cell.instrument
    hit = tab.begin_hit(state, CROSS, instrument, 70, now - span, 0)
    tab.add_member(hit, participant)
    tab.measures(hit, here, ahead, 0, 1)
    tab.evidence(hit, 0, state.cause)


@kernel
def hedged(state: DetectorState, cell: DetectorCell, end_ns: int, span: int, side: int) -> bool:
    """Return whether an owner took in the linked instrument, the other way, about what it took on
    ``side`` in the ``span`` before ``end_ns``: it hedges, and a price gains it nothing."""
    linked = Words(state.links)[cell.instrument]
    row = tab.find_cell(state, cell.owner, linked) if linked >= 0 else 0
    if row == 0:
        return False
    buys, sells = lay.K_BUY_TOOK, lay.K_SELL_TOOK
    there = tab.cell_at(state, row) + lay.C_BUCKETS
    base = cell + lay.C_BUCKETS
    took = tab.window_sum(base, end_ns, span, buys if side == BUY else sells)
    back = tab.window_sum(there, end_ns, span, sells if side == BUY else buys)
    return 2 * back >= took and 2 * back <= 3 * took


@kernel_outlined
def marked(
    state: DetectorState,
    book: DetectorBook,
    instrument: int,
    detector: int,
    end_ns: int,
    price: int,
) -> None:
    """Continuous trading ended, or began a while ago: which owner made the price?"""
    not_inlined()
    span, market = tab.parameter(state, MARKING_NS), book + lay.B_BUCKETS
    taken = tab.window_sum(market, end_ns, span, lay.K_BUY_TOOK)
    taken += tab.window_sum(market, end_ns, span, lay.K_SELL_TOOK)
    row = book.cell_head
    while row != 0:
        cell = tab.cell_at(state, row)
        row = cell.next_cell
        base = cell + lay.C_BUCKETS
        move, up = tab.window_sum(base, end_ns, span, lay.K_MOVE), True
        bought = tab.window_sum(base, end_ns, span, lay.K_BUY_TOOK)
        sold = tab.window_sum(base, end_ns, span, lay.K_SELL_TOOK)
        word = lay.K_BUY_TOOK if bought > sold else lay.K_SELL_TOOK
        seldom = buckets_with(base, end_ns, span, word) < tab.parameter(state, TIMES)
        large = abs(bought - sold) * 100 >= tab.parameter(state, MARKING_LARGE) * taken
        least = least_move(state, book, price, MARKING_BPS)
        if detector == OPEN and (seldom or not large):
            continue  # in a minute without one before it, a few trades are a large part
        if detector == CLOSE and large and not seldom:
            least = least_move(state, book, price, MARKING_LARGE_BPS)
        pressed = abs(move) < least
        if not pressed:
            up = move > 0
            word = lay.K_BUY_TOOK if up else lay.K_SELL_TOOK
            took = bought if up else sold
            everybody = tab.window_sum(market, end_ns, span, word)
            if took * 100 < tab.parameter(state, MARKING_SHARE) * everybody:
                continue
        else:
            # Others rested at each price again: what counts is who pressed, and where it ended.
            up = bought > sold
            took, everybody = abs(bought - sold), taken
            # A few trades have to be a larger part.
            part = tab.parameter(state, MARKING_LARGE if seldom else MARKING_PRESSURE)
            if took == 0 or took * 100 < part * everybody:
                continue
            # A trade agreed upon is one, inside of the spread: it moves nothing.  Nor does one that
            # empties its side of the book, as far as the mid says: in the last seconds it counts.
            own = move if up else -move
            if own <= 0 and seldom and tab.window_sum(base, end_ns, lay.BUCKET_NS, word) == 0:
                continue
            move = closing_move(book, end_ns, span, price, up)
            if move < least:
                continue
            move = move if up else -move
        own_word = lay.K_BUY_LOTS if up else lay.K_SELL_LOTS
        now_lots = tab.window_sum(base, end_ns, span, own_word)
        lots = tab.window_sum(base, end_ns, FIVE_MINUTES_NS, own_word)
        if now_lots * 100 < tab.parameter(state, MARKING_OWN) * lots:
            continue
        if hedged(state, cell, end_ns, span, BUY if up else SELL):
            continue
        if pressed:
            volume = tab.window_sum(market, end_ns, span, lay.K_BUY_LOTS)
            if now_lots * 100 < tab.parameter(state, MARKING_VOLUME) * volume:
                continue
        score = 40 + 60 * took // max(everybody, 1)
        hit = tab.begin_hit(state, detector, instrument, score, end_ns - span, 0)
        tab.add_member(hit, cell.owner)
        tab.measures(hit, took, move, 0, 1)
        tab.evidence(hit, 0, state.cause)


@kernel
def buckets_with(base: int, end_ns: int, span: int, word: int) -> int:
    """Return in how many of the buckets that the last ``span`` reaches into this is not 0.
    ``base``: address of the ring of buckets; ``word``: offset in a bucket."""
    number, count = end_ns // lay.BUCKET_NS, 0
    for back in range(span // lay.BUCKET_NS + 1):
        bucket = Bucket(base + ((number - back) % lay.BUCKETS) * lay.BUCKET_BYTES)
        if bucket.id == number - back and load_i64(bucket + word) != 0:
            count += 1
    return count


@kernel
def closing_move(book: DetectorBook, end_ns: int, span: int, price: int, up: bool) -> int:
    """Return how far the market is, that way, from where it was before, half ticks.

    It is at the last price or at the mid: a last trade of another owner does not hide the way
    there.  It was at the mid at the begin of a bucket of the span, or at the average price of five
    minutes without the span.  The farthest apart count."""
    market = book + lay.B_BUCKETS
    before = tab.window_sum(market, end_ns, FIVE_MINUTES_NS, lay.K_BUY_LOTS)
    before -= tab.window_sum(market, end_ns, span, lay.K_BUY_LOTS)
    value = tab.window_sum(market, end_ns, FIVE_MINUTES_NS, lay.K_BUY_VALUE)
    value -= tab.window_sum(market, end_ns, span, lay.K_BUY_VALUE)
    sign = 1 if up else -1
    now = sign * 2 * value_of(book, price, 1)
    middle = tab.middle_of(book)
    if middle != lay.NONE:
        now = max(now, sign * tab.limited(middle - 2 * book.ref))
    ahead, number = 0, end_ns // lay.BUCKET_NS
    for back in range(span // lay.BUCKET_NS + 1):
        bucket = Bucket(market + ((number - back) % lay.BUCKETS) * lay.BUCKET_BYTES)
        was = bucket.middle
        if bucket.id == number - back and was != lay.NONE:
            ahead = max(ahead, now - sign * tab.limited(was - 2 * book.ref))
    if before > 0:
        ahead = max(ahead, int(now - sign * 2 * (value / before)))
    return ahead


@kernel
def phase_changed(
    state: DetectorState, book: DetectorBook, instrument: int, old: int, new: int
) -> None:
    """Continuous trading (4) begins or ends."""
    now = state.now
    if new == 4 and old != 4:
        book.opened = now
    last = book.last
    if old == 4 and new in (1, 7, 8) and last != lay.NONE:
        marked(state, book, instrument, CLOSE, now, last)
    book.phase = new


@kernel
def opened(state: DetectorState, book: DetectorBook, instrument: int) -> None:
    """Before an event of the book, check whether the first minute is over."""
    begun = book.opened
    if begun == lay.NONE or state.now < begun + tab.parameter(state, MARKING_NS):
        return
    book.opened = lay.NONE
    last = book.last
    if last != lay.NONE:
        marked(state, book, instrument, OPEN, begun + tab.parameter(state, MARKING_NS), last)
