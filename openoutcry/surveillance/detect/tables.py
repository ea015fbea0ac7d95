"""Find, enter and erase rows of the flat tables; rows are named by their number, from 1."""

import openoutcry.surveillance.detect.layout as lay
from openoutcry.surveillance.detect.layout import (
    Bucket,
    DetectorBook,
    DetectorCell,
    DetectorLevel,
    DetectorState,
    Hit,
    OrderMinute,
    Repeat,
    WatchedOrder,
)
from openoutcry.surveillance.parameters import offset
from openoutcry.wire.kernel import kernel, kernel_outlined
from openoutcry.wire.layout import Words
from openoutcry.wire.memory import add_wrapping, load_i64, mul_wrapping, not_inlined, store_i64

FACTOR = 0x1E3779B97F4A7C15
NEAR_STEPS, NEAR_BPS = offset("near_steps"), offset("near_bps")
AVERAGE_MIN = offset("average_orders_min")
MINUTE_NS = 60 * 10**9
MINUTE_BYTES = OrderMinute.size_bytes
LIMIT = 2**40
"""Quantities and distances beyond count as this: no sum or product can leave int64."""
BUY = 1


@kernel
def bump(at: int, amount: int) -> None:
    """Add to the int64 at an address."""
    store_i64(at, load_i64(at) + amount)


@kernel
def mix(word: int) -> int:
    """Return a word with its bits spread, for a place in a hash table."""
    word = mul_wrapping(word ^ ((word >> 32) & 0xFFFFFFFF), FACTOR)
    return mul_wrapping(word ^ ((word >> 29) & 0x7FFFFFFFF), FACTOR)


@kernel
def limited(value: int) -> int:
    """Return a number cut to what the detectors can multiply."""
    return min(max(value, -LIMIT), LIMIT)


@kernel
def share_bps(price: int, bps: int) -> int:
    """``bps`` ten-thousandths of a price's size."""
    size = abs(price)
    return size * bps // 10_000 if size < LIMIT else limited(size // 10_000 * bps)


@kernel
def parameter(state: DetectorState, at: int) -> int:
    """Return a parameter of a detector, by its offset."""
    return load_i64(state.params + at)


@kernel
def owner_of(state: DetectorState, participant: int) -> int:
    """Return the owner (a beneficial one may have several participants) of a participant."""
    return Words(state.groups)[participant]


@kernel
def book_at(state: DetectorState, instrument: int) -> DetectorBook:
    """Return what the detectors know of an instrument."""
    return DetectorBook(state.books + instrument * lay.BOOK_BYTES)


@kernel
def near_ticks(state: DetectorState, book: DetectorBook, price: int) -> int:
    """Return how far from the best price of its side an order still presses on the market."""
    steps = parameter(state, NEAR_STEPS) * book.step
    return max(steps, share_bps(price, parameter(state, NEAR_BPS)))


# Orders.


@kernel
def order_at(state: DetectorState, row: int) -> WatchedOrder:
    """Return a watched order, by its row from 1."""
    return WatchedOrder(state.orders + (row - 1) * (lay.ORDER_WORDS * lay.WORD))


@kernel
def order_head(state: DetectorState, instrument: int, order_id: int) -> int:
    """Return the address of the chain in which an order's row is found."""
    mixed = mix(add_wrapping(mul_wrapping(order_id, 4099), instrument))
    place = (mixed >> 20) & state.order_mask
    return state.order_heads + place * 8


@kernel
def chained(
    table: int,
    row_bytes: int,
    row: int,
    next_at: int,
    first_at: int,
    first: int,
    second_at: int,
    second: int,
) -> int:
    """Number of the row with these two words, from ``row`` along its chain; 0: no such row."""
    while row != 0:
        at = table + (row - 1) * row_bytes
        if load_i64(at + first_at) == first and load_i64(at + second_at) == second:
            return row
        row = load_i64(at + next_at)
    return 0


@kernel
def find_order(state: DetectorState, instrument: int, order_id: int) -> int:
    """Number of the open order's row; 0: it is not known."""
    return chained(
        state.orders,
        lay.ORDER_WORDS * lay.WORD,
        load_i64(order_head(state, instrument, order_id)),
        lay.O_NEXT_HASH,
        lay.O_ID,
        order_id,
        lay.O_INSTRUMENT,
        instrument,
    )


@kernel
def enter_order(state: DetectorState, instrument: int, order_id: int, cell_row: int) -> int:
    """A row for a new order, first in the list of its cell; the kernel made sure of room."""
    row = state.order_free
    if row != 0:
        state.order_free = order_at(state, row).next
    else:
        row = state.order_used + 1
        state.order_used = row
    order, head = order_at(state, row), order_head(state, instrument, order_id)
    order.id = order_id
    order.instrument = instrument
    order.next_hash = load_i64(head)
    store_i64(head, row)
    cell = cell_at(state, cell_row)
    first = cell.open
    order.cell = cell_row
    order.next = first
    order.before = 0
    if first != 0:
        order_at(state, first).before = row
    cell.open = row
    return row


@kernel
def erase_order(state: DetectorState, row: int) -> None:
    """Take an order out of its chain, and free its row."""
    order = order_at(state, row)
    at = order_head(state, order.instrument, order.id)
    while load_i64(at) != row:
        at = order_at(state, load_i64(at)) + lay.O_NEXT_HASH
    store_i64(at, order.next_hash)
    before, after = order.before, order.next
    if before != 0:
        order_at(state, before).next = after
    else:
        cell_at(state, order.cell).open = after
    if after != 0:
        order_at(state, after).before = before
    order.id = 0
    order.cell = 0
    order.next = state.order_free
    state.order_free = row


# Cells.


@kernel
def cell_at(state: DetectorState, row: int) -> DetectorCell:
    """Return what is known of an owner in an instrument, by its row from 1."""
    return DetectorCell(state.cells + (row - 1) * lay.CELL_BYTES)


@kernel
def cell_head(state: DetectorState, owner: int, instrument: int) -> int:
    """Return the address of the chain in which the row of an owner and an instrument is found."""
    place = (mix(owner * 65_536 + instrument) >> 20) & state.cell_mask
    return state.cell_heads + place * 8


@kernel
def find_cell(state: DetectorState, owner: int, instrument: int) -> int:
    """Number of an owner's cell in an instrument; 0: it has none."""
    return chained(
        state.cells,
        lay.CELL_BYTES,
        load_i64(cell_head(state, owner, instrument)),
        lay.C_NEXT_HASH,
        lay.C_OWNER,
        owner,
        lay.C_INSTRUMENT,
        instrument,
    )


@kernel
def cell_of(state: DetectorState, owner: int, instrument: int) -> int:
    """Like :func:`find_cell`, but with a new cell for a new owner (the kernel made sure
    of room)."""
    row = find_cell(state, owner, instrument)
    if row != 0:
        return row
    row = state.cell_used + 1
    state.cell_used = row
    cell, head = cell_at(state, row), cell_head(state, owner, instrument)
    cell.owner = owner
    cell.instrument = instrument
    cell.next_hash = load_i64(head)
    store_i64(head, row)
    book = book_at(state, instrument)
    cell.next_cell = book.cell_head
    book.cell_head = row
    for kind in range(8):
        Words(cell + lay.C_LAST_HIT_AT)[kind] = lay.NONE
    return row


# Price levels: sorted by their key (price, of asks its negative), the best last.


@kernel
def side_of(book: int, side: int) -> DetectorBook:
    """Address of the words of a side's levels, less what is before them."""
    return DetectorBook(book if side == BUY else book + lay.B_ASK_LEVELS)


@kernel
def level_of(levels: int, index: int) -> DetectorLevel:
    """Return a price level, by its index from the best. ``levels``: address of the best."""
    return DetectorLevel(levels + index * lay.LEVEL_BYTES)


@kernel
def best_of(state: DetectorState, book: int, side: int) -> int:
    """The best displayed price; NONE."""
    at = side_of(book, side)
    count = at.level_count
    if count == 0:
        return lay.NONE
    last = at.level_at + count - 1
    key = level_of(state.levels, last).key
    return key if side == BUY else -key


@kernel
def change_level(state: DetectorState, book: int, side: int, price: int, lots: int) -> None:
    """Add displayed lots to a price; one without lots is gone."""
    if lots == 0:
        return
    at, key = side_of(book, side), price if side == BUY else -price
    count = at.level_count
    table = state.levels + at.level_at * lay.LEVEL_BYTES
    low, high = 0, count
    while low < high:
        middle = (low + high) >> 1
        if level_of(table, middle).key < key:
            low = middle + 1
        else:
            high = middle
    place = level_of(table, low)
    end = level_of(table, count)
    if low < count and place.key == key:
        remaining = place.lots + lots
        if remaining > 0:
            place.lots = remaining
            return
        move_down(place, end)
        at.level_count = count - 1
    elif lots > 0:
        move_up(place, end)
        place.key = key
        place.lots = lots
        at.level_count = count + 1


@kernel
def move_up(place: DetectorLevel, end: DetectorLevel) -> None:
    """Everything from ``place`` to ``end`` one level up."""
    at = end
    while at > place:
        below = DetectorLevel(at - lay.LEVEL_BYTES)
        at.key = below.key
        at.lots = below.lots
        at = below


@kernel
def move_down(place: DetectorLevel, end: DetectorLevel) -> None:
    """Everything after ``place`` one level down."""
    at = place
    while at < end - lay.LEVEL_BYTES:
        above = DetectorLevel(at + lay.LEVEL_BYTES)
        at.key = above.key
        at.lots = above.lots
        at = above


@kernel
def depth_lots(state: DetectorState, book: int, side: int, levels: int) -> int:
    """Displayed lots of the best levels."""
    at = side_of(book, side)
    count = at.level_count
    table = state.levels + at.level_at * lay.LEVEL_BYTES
    total = 0
    for back in range(min(levels, count)):
        total += level_of(table, count - 1 - back).lots
    return total


@kernel
def middle_of(book: DetectorBook) -> int:
    """Twice the mid before this command; NONE where a side is empty."""
    bid, ask = book.bid, book.ask
    return lay.NONE if bid == lay.NONE or ask == lay.NONE else bid + ask


# Buckets and averages.


@kernel
def bucket_now(base: int, now: int) -> int:
    """The bucket of this moment, emptied if it was of another. ``base``: address of the ring of
    buckets."""
    number = now // lay.BUCKET_NS
    bucket = Bucket(base + (number % lay.BUCKETS) * lay.BUCKET_BYTES)
    if bucket.id != number:
        bucket.id = number
        for word in range(1, lay.BUCKET_WORDS):
            Words(bucket)[word] = 0
    return bucket


@kernel
def window_sum(base: int, now: int, span_ns: int, word: int) -> int:
    """Return the sum of one word over the buckets that the last ``span_ns`` reach into. ``base`` as
    in :func:`bucket_now`; ``word``: offset in a bucket."""
    number, total = now // lay.BUCKET_NS, 0
    for back in range(span_ns // lay.BUCKET_NS + 1):
        bucket = Bucket(base + ((number - back) % lay.BUCKETS) * lay.BUCKET_BYTES)
        if bucket.id == number - back:
            total += load_i64(bucket + word)
    return total


@kernel
def minute_of(book: int, slot: int) -> OrderMinute:
    """Return the counts of one of the last minutes, by its slot. ``book``: address of the
    instrument's block."""
    return OrderMinute(book + lay.B_MINUTES + slot * MINUTE_BYTES)


@kernel
def note_size(book: int, now: int, lots: int) -> None:
    """An order was entered: for the average of five minutes."""
    number = now // MINUTE_NS
    at = minute_of(book, number % lay.MINUTES)
    if at.id != number:
        at.id = number
        at.orders = 0
        at.lots = 0
    at.orders += 1
    at.lots += lots


@kernel
def average_lots(state: DetectorState, book: int, now: int) -> int:
    """Return the average lots of the orders entered in this minute and the four before, at least 1;
    0 if there are too few orders to say."""
    number, orders, lots = now // MINUTE_NS, 0, 0
    for slot in range(lay.MINUTES):
        at = minute_of(book, slot)
        if at.id > number - lay.MINUTES:
            orders += at.orders
            lots += at.lots
    return 0 if orders < parameter(state, AVERAGE_MIN) else max(lots // orders, 1)


# What repeats, and what is reported.


@kernel
def keyed_row(table: int, mask: int, row_bytes: int, key: int, used_at: int) -> Repeat:
    """Address of the row whose first word is ``key`` in an open table.

    A new key gets a new row, which is counted (the kernel made sure of room)."""
    at = (mix(key) >> 20) & mask
    while True:
        row = Repeat(table + at * row_bytes)
        if row.key == key:
            break
        if row.key == 0:
            row.key = key
            bump(used_at, 1)
            break
        at = (at + 1) & mask
    return row


@kernel_outlined
def repeat_row(state: DetectorState, key: int) -> Repeat:
    """Address of the row of a key; a new key gets a new row."""
    not_inlined()
    return keyed_row(
        state.repeats,
        state.repeat_mask,
        lay.REPEAT_BYTES,
        key,
        state + lay.REPEAT_USED,
    )


@kernel_outlined
def repeat(state: DetectorState, key: int, seq: int, gain: int, lots: int) -> Repeat:
    """Note that it was seen again; address of its row."""
    not_inlined()
    row = repeat_row(state, key)
    count = row.count
    slot = count % lay.REPEAT_RING
    Words(row + lay.R_TIMES)[slot] = state.now
    Words(row + lay.R_SEQS)[slot] = seq
    Words(row + lay.R_GAINS)[slot] = gain
    Words(row + lay.R_LOTS)[slot] = lots
    row.count = count + 1
    return row


@kernel
def newest_seq(row: Repeat) -> int:
    """Return the command of the newest repeat; there must be one."""
    return Words(row + lay.R_SEQS)[(row.count - 1) % lay.REPEAT_RING]


@kernel
def repeat_key(kind: int, instrument: int, participant: int) -> int:
    """Never 0."""
    return mix(add_wrapping(mul_wrapping(participant, 0x10001), kind << 20 | instrument)) | 1


@kernel
def repeats_within(row: Repeat, now: int, window_ns: int, word: int) -> tuple[int, int]:
    """Return how many of the newest eight lie within the window, and the sum of a word of
    theirs."""
    count, within, total = row.count, 0, 0
    for back in range(min(count, lay.REPEAT_RING)):
        slot = (count - 1 - back) % lay.REPEAT_RING
        if Words(row + lay.R_TIMES)[slot] >= now - window_ns:
            within += 1
            total += Words(row + word)[slot]
    return within, total


@kernel_outlined
def begin_hit(
    state: DetectorState, detector: int, instrument: int, score: int, first_ns: int, first_seq: int
) -> Hit:
    """Begin a hit; its address."""
    not_inlined()
    hit = Hit(state.hits + state.hit_count * lay.HIT_BYTES)
    for word in range(lay.HIT_BYTES // 8):
        Words(hit)[word] = 0
    bump(state + lay.HIT_COUNT, 1)
    bump(state + lay.HIT_TOTAL, 1)
    hit.ts = state.now
    hit.first = first_ns
    hit.seq = state.cause
    hit.first_seq = first_seq
    hit.what = detector | instrument << 16 | min(max(score, 1), 100) << 48
    hit.number = state.hit_total
    return hit


@kernel
def add_member(hit: Hit, participant: int) -> None:
    """Add a participant that the hit is about; each once, at most MEMBERS."""
    what = hit.what
    count = (what >> 32) & 0xFFFF
    for index in range(count):
        word = Words(hit + lay.H_WHO)[index >> 2]
        if (word >> (16 * (index & 3))) & 0xFFFF == participant:
            return
    if count == lay.MEMBERS:
        return
    at = hit + lay.H_WHO + 8 * (count >> 2)
    store_i64(at, load_i64(at) | participant << (16 * (count & 3)))
    hit.what = what + (1 << 32)


@kernel
def measures(hit: Hit, lots: int, move: int, gain: int, repeats: int) -> None:
    """Note the figures of a hit: lots, price move and gain in ticks, repeats."""
    hit.lots = lots
    hit.move = move
    hit.gain = gain
    hit.repeats = repeats


@kernel
def evidence(hit: int, place: int, seq: int) -> None:
    """Note the command at a place of a hit's evidence."""
    Words(hit + lay.H_EVIDENCE)[place] = seq


@kernel
def in_cooldown(state: DetectorState, cell: int, kind: int, cooldown_ns: int) -> bool:
    """Return whether it was reported within the cooldown; if not, note that it is now."""
    at, now = cell + lay.C_LAST_HIT_AT + 8 * kind, state.now
    if load_i64(at) != lay.NONE and load_i64(at) > now - cooldown_ns:
        return True
    store_i64(at, now)
    return False
