"""Messages: quote stuffing, fleeting orders, the order-to-trade ratio; and unusual volume."""

import openoutcry.surveillance.detect.layout as lay
from openoutcry.surveillance.detect import constants
from openoutcry.surveillance.detect import tables as tab
from openoutcry.surveillance.detect.layout import (
    DetectorBook,
    DetectorCell,
    DetectorState,
    VolumeWindow,
)
from openoutcry.surveillance.parameters import offset
from openoutcry.wire.kernel import kernel, kernel_outlined
from openoutcry.wire.layout import Words
from openoutcry.wire.memory import load_i64, not_inlined

STUFFING, STUFFING_GONE = offset("stuffing_orders"), offset("stuffing_gone_percent")
STUFFING_PART, BURST = offset("stuffing_part_percent"), offset("stuffing_burst")
STUFFING_REPEATS, STUFFING_WINDOW = offset("stuffing_repeats"), offset("stuffing_window_ns")
FLEETING_NS, FLEETING = offset("fleeting_ns"), offset("fleeting_cancels")
FLEETING_SHARE = offset("fleeting_percent")
OTR_LIMIT, OTR_MESSAGES = offset("otr_limit"), offset("otr_messages")
VOLUME_TIMES, VOLUME_HISTORY = offset("volume_times"), offset("volume_history")
VOLUME_SHARE = offset("volume_share_percent")
QUOTE_STUFFING = constants.QUOTE_STUFFING
EXCESSIVE_CANCELS = constants.EXCESSIVE_CANCELS
ORDER_TO_TRADE = constants.ORDER_TO_TRADE
SUSPICIOUS_VOLUME = constants.SUSPICIOUS_VOLUME
SECOND_NS, FIVE_MINUTES_NS = 10**9, 300 * 10**9
DAY_NS = 86_400 * 10**9


@kernel
def turn(state: DetectorState, cell: DetectorCell) -> None:
    """Counts of another second, five minutes or day begin at 0."""
    now = state.now
    if cell.second == now // SECOND_NS:
        return
    cell.second = now // SECOND_NS
    cell.entered = 0
    cell.gone = 0
    cell.traded = 0
    if cell.fleeting_id != now // FIVE_MINUTES_NS:
        cell.fleeting_id = now // FIVE_MINUTES_NS
        cell.fleeting_entered = 0
        cell.fleeting_gone = 0
        cell.fleeting_trades = 0
        cell.fleeting_hit = 0
    if cell.day != now // DAY_NS:
        cell.day = now // DAY_NS
        cell.day_orders = 0
        cell.day_trades = 0
        cell.day_next = tab.parameter(state, OTR_MESSAGES)


@kernel
def order_entered(
    state: DetectorState, cell: DetectorCell, participant: int, messages: int
) -> None:
    """A new order, or one that was replaced: by RTS 9 one message and two."""
    turn(state, cell)
    tab.bump(cell + lay.C_ENTERED, 1)
    tab.bump(cell + lay.C_FLEETING_ENTERED, 1)
    note_messages(state, cell, participant, messages)


@kernel
def note_messages(
    state: DetectorState, cell: DetectorCell, participant: int, messages: int
) -> None:
    """Count a participant's messages of the day, and look at its ratio of orders to trades when it
    is due."""
    tab.bump(cell + lay.C_DAY_ORDERS, messages)
    if cell.day_orders >= cell.day_next:
        ratio(state, cell, participant)


@kernel_outlined
def ratio(state: DetectorState, cell: DetectorCell, participant: int) -> None:
    """The day's orders have doubled since this was checked."""
    not_inlined()
    orders, trades = cell.day_orders, cell.day_trades
    cell.day_next = 2 * orders
    limit = tab.parameter(state, OTR_LIMIT)
    if orders < (limit + 1) * max(trades, 1):
        return
    instrument, now = cell.instrument, state.now
    hit = tab.begin_hit(state, ORDER_TO_TRADE, instrument, 40, now // DAY_NS * DAY_NS, 0)
    tab.add_member(hit, participant)
    tab.measures(hit, orders, 0, 0, orders // max(trades, 1))
    tab.evidence(hit, 0, state.cause)


@kernel
def order_withdrawn(state: DetectorState, cell: DetectorCell, born: int, participant: int) -> None:
    """An owner cancelled or replaced an order that was entered at ``born``."""
    turn(state, cell)
    age = state.now - born
    if age <= SECOND_NS:
        tab.bump(cell + lay.C_GONE, 1)
        gone = cell.gone
        least = tab.parameter(state, STUFFING) * tab.parameter(state, STUFFING_GONE)
        if gone * 100 >= least:
            detect_quote_stuffing(state, cell, gone, participant)
        book = tab.book_at(state, cell.instrument)
        if book.fast_second != cell.second:
            book.fast_second = cell.second
            book.fast_gone = 0
        book.fast_gone += 1
        if book.fast_gone * 100 >= least and book.fast_gone % 16 == 0:
            stuffed_together(state, book, cell.instrument)
    if age <= tab.parameter(state, FLEETING_NS):
        tab.bump(cell + lay.C_FLEETING_GONE, 1)
        if cell.fleeting_gone >= tab.parameter(state, FLEETING):
            fleeting(state, cell, participant)


@kernel_outlined
def detect_quote_stuffing(
    state: DetectorState, cell: DetectorCell, gone: int, participant: int
) -> None:
    """Report an owner that entered too many orders in one second, once a second."""
    not_inlined()
    now, second = state.now, cell.second
    entered = cell.entered
    if cell.told_second == second or entered < tab.parameter(state, STUFFING):
        return
    # Those of the second before may have been withdrawn in this one.
    if gone * 100 < tab.parameter(state, STUFFING_GONE) * entered:
        return
    if cell.traded * 100 > entered:
        return
    cell.told_second = second
    instrument, owner = cell.instrument, cell.owner
    window, cause = tab.parameter(state, STUFFING_WINDOW), state.cause
    key = tab.repeat_key(QUOTE_STUFFING, instrument, owner)
    row = tab.repeat(state, key, cause, 0, entered)
    count, total = tab.repeats_within(row, now, window, lay.R_LOTS)
    if count < tab.parameter(state, STUFFING_REPEATS):
        return
    slot = 8 * ((row.count - count) % lay.REPEAT_RING)
    first = load_i64(row + lay.R_SEQS + slot)
    begun = load_i64(row + lay.R_TIMES + slot)
    hit = tab.begin_hit(state, QUOTE_STUFFING, instrument, 40 + 10 * count, begun, first)
    tab.add_member(hit, participant)
    tab.measures(hit, total, 0, 0, count)
    tab.evidence(hit, 0, first)
    tab.evidence(hit, 1, cause)


@kernel
def takes_part(state: DetectorState, cell: DetectorCell, second: int) -> bool:
    """Return whether an owner's orders of this second are a burst that does not trade, large
    enough to be a part of quote stuffing."""
    least = tab.parameter(state, STUFFING) * tab.parameter(state, STUFFING_PART)
    if cell.second != second or cell.entered * 100 < least or cell.traded * 100 > cell.entered:
        return False
    if cell.gone * 100 < tab.parameter(state, STUFFING_GONE) * cell.entered:
        return False
    passed = second % (FIVE_MINUTES_NS // SECOND_NS) + 1
    return cell.entered * passed >= tab.parameter(state, BURST) * cell.fleeting_entered


@kernel_outlined
def stuffed_together(state: DetectorState, book: DetectorBook, instrument: int) -> None:
    """Report owners whose orders of one second are too many together, though not of each; the same
    owners in several seconds."""
    not_inlined()
    second, entered, members, key = book.fast_second, 0, 0, 0
    row = book.cell_head
    while row != 0:
        cell = tab.cell_at(state, row)
        row = cell.next_cell
        if takes_part(state, cell, second):
            entered, members = entered + cell.entered, members + 1
            key += tab.mix(cell.owner + 1) >> 8
    if book.fast_told == second or members < 2 or entered < tab.parameter(state, STUFFING):
        return
    book.fast_told = second
    cause = state.cause
    seen = tab.repeat(state, tab.repeat_key(QUOTE_STUFFING, instrument, key), cause, 0, entered)
    window = tab.parameter(state, STUFFING_WINDOW)
    count, total = tab.repeats_within(seen, state.now, window, lay.R_LOTS)
    if count < tab.parameter(state, STUFFING_REPEATS):
        return
    begun = Words(seen + lay.R_TIMES)[(seen.count - count) % lay.REPEAT_RING]
    first = Words(seen + lay.R_SEQS)[(seen.count - count) % lay.REPEAT_RING]
    hit = tab.begin_hit(state, QUOTE_STUFFING, instrument, 40 + 10 * count, begun, first)
    row = book.cell_head
    while row != 0:
        cell = tab.cell_at(state, row)
        row = cell.next_cell
        if takes_part(state, cell, second):
            tab.add_member(hit, cell.owner)
    tab.measures(hit, total, 0, 0, count)
    tab.evidence(hit, 0, first)
    tab.evidence(hit, 1, cause)


@kernel_outlined
def fleeting(state: DetectorState, cell: DetectorCell, participant: int) -> None:
    """Report an owner of whose orders too many were gone at once, once a window."""
    not_inlined()
    gone, entered = cell.fleeting_gone, cell.fleeting_entered
    if cell.fleeting_hit != 0:
        return
    if gone * 100 < tab.parameter(state, FLEETING_SHARE) * entered:
        return
    if cell.fleeting_trades * 100 > entered:
        return
    cell.fleeting_hit = 1
    instrument, now = cell.instrument, state.now
    begun = now // FIVE_MINUTES_NS * FIVE_MINUTES_NS
    hit = tab.begin_hit(
        state, EXCESSIVE_CANCELS, instrument, 100 * gone // max(entered, 1), begun, 0
    )
    tab.add_member(hit, participant)
    tab.measures(hit, gone, 0, 0, entered)
    tab.evidence(hit, 0, state.cause)


@kernel
def order_traded(
    state: DetectorState, book: DetectorBook, cell: VolumeWindow, lots: int, participant: int
) -> None:
    """One party of a trade."""
    turn(state, DetectorCell(cell))
    tab.bump(cell + lay.C_TRADED, 1)
    tab.bump(cell + lay.C_FLEETING_TRADES, 1)
    tab.bump(cell + lay.C_DAY_TRADES, 1)
    window = state.now // FIVE_MINUTES_NS
    if cell.id != window:
        next_window(cell, window)
    tab.bump(cell + lay.V_LOTS, lots)
    own, count = cell.lots, cell.count
    if cell.told == 0 and count >= tab.parameter(state, VOLUME_HISTORY):
        detect_unusual_volume(state, book, cell, own, count, participant)


@kernel_outlined
def next_window(cell: VolumeWindow, window: int) -> None:
    """The window before joins the ring, and empty ones for those in which nothing was traded."""
    not_inlined()
    last, count = cell.id, cell.count
    if last != 0:
        Words(cell + lay.V_RING)[count % lay.VOLUMES] = cell.lots
        count += 1
        for _ in range(min(window - last - 1, lay.VOLUMES)):
            Words(cell + lay.V_RING)[count % lay.VOLUMES] = 0
            count += 1
    cell.id = window
    cell.lots = 0
    cell.told = 0
    cell.count = count


@kernel
def detect_unusual_volume(
    state: DetectorState,
    book: DetectorBook,
    cell: VolumeWindow,
    own: int,
    count: int,
    participant: int,
) -> None:
    """Report a window in which an owner traded far more than in the windows before."""
    windows, total = min(count, lay.VOLUMES), 0
    for back in range(windows):
        total += Words(cell + lay.V_RING)[(count - 1 - back) % lay.VOLUMES]
    if total == 0 or own * windows < tab.parameter(state, VOLUME_TIMES) * total:
        return
    # A window's first trades are all of its market: they are held against the one before.
    market = max(book.volume, book.volume_before)
    if own * 100 < tab.parameter(state, VOLUME_SHARE) * market:
        return
    cell.told = 1
    instrument, now = DetectorCell(cell).instrument, state.now
    begun = now // FIVE_MINUTES_NS * FIVE_MINUTES_NS
    score = 20 + min(own * windows // total, 40)
    hit = tab.begin_hit(state, SUSPICIOUS_VOLUME, instrument, score, begun, 0)
    tab.add_member(hit, participant)
    tab.measures(hit, own, 0, 0, own * windows // total)
    tab.evidence(hit, 0, state.cause)


@kernel
def note_volume(state: DetectorState, book: DetectorBook, lots: int) -> None:
    """A trade, for the market's volume of five minutes (both sides, as owners count theirs)."""
    window = state.now // FIVE_MINUTES_NS
    last = book.volume_id
    if last != window:
        before = book.volume if last == window - 1 else 0
        book.volume_before = before
        book.volume_id = window
        book.volume = 0
    tab.bump(book + lay.B_VOLUME, lots)
