# (intrinsics have no types that mypy could see)
"""Messages: quote stuffing, fleeting orders, the order-to-trade ratio; and unusual volume."""

import openoutcry.surveillance.detect.layout as lay
from openoutcry.surveillance.detect import tables as tab
from openoutcry.surveillance.parameters import offset
from openoutcry.wire.kernel import kernel, kernel_outlined
from openoutcry.wire.memory import load_i64, not_inlined, store_i64

STUFFING, STUFFING_GONE = offset("stuffing_orders"), offset("stuffing_gone_percent")
STUFFING_REPEATS, STUFFING_WINDOW = offset("stuffing_repeats"), offset("stuffing_window_ns")
FLEETING_NS, FLEETING = offset("fleeting_ns"), offset("fleeting_cancels")
FLEETING_SHARE = offset("fleeting_percent")
OTR_LIMIT, OTR_MESSAGES = offset("otr_limit"), offset("otr_messages")
VOLUME_TIMES, VOLUME_HISTORY = offset("volume_times"), offset("volume_history")
VOLUME_SHARE = offset("volume_share_percent")
QUOTE_STUFFING = int(lay.Detector.QUOTE_STUFFING)
EXCESSIVE_CANCELS = int(lay.Detector.EXCESSIVE_CANCELS)
ORDER_TO_TRADE = int(lay.Detector.ORDER_TO_TRADE)
SUSPICIOUS_VOLUME = int(lay.Detector.SUSPICIOUS_VOLUME)
SECOND_NS, FIVE_MINUTES_NS = 10**9, 300 * 10**9
DAY_NS = 86_400 * 10**9


@kernel
def turn(state: int, cell: int) -> None:
    """Counts of another second, five minutes or day begin at 0."""
    now = load_i64(state + lay.NOW)
    if load_i64(cell + lay.C_SECOND) == now // SECOND_NS:
        return
    store_i64(cell + lay.C_SECOND, now // SECOND_NS)
    store_i64(cell + lay.C_ENTERED, 0)
    store_i64(cell + lay.C_GONE, 0)
    store_i64(cell + lay.C_TRADED, 0)
    if load_i64(cell + lay.C_FLEETING_ID) != now // FIVE_MINUTES_NS:
        store_i64(cell + lay.C_FLEETING_ID, now // FIVE_MINUTES_NS)
        store_i64(cell + lay.C_FLEETING_ENTERED, 0)
        store_i64(cell + lay.C_FLEETING_GONE, 0)
        store_i64(cell + lay.C_FLEETING_TRADES, 0)
        store_i64(cell + lay.C_FLEETING_TOLD, 0)
    if load_i64(cell + lay.C_DAY) != now // DAY_NS:
        store_i64(cell + lay.C_DAY, now // DAY_NS)
        store_i64(cell + lay.C_DAY_ORDERS, 0)
        store_i64(cell + lay.C_DAY_TRADES, 0)
        store_i64(cell + lay.C_DAY_NEXT, tab.parameter(state, OTR_MESSAGES))


@kernel
def order_entered(state: int, cell: int, who: int, messages: int) -> None:
    """A new order, or one that was replaced: by RTS 9 one message and two."""
    turn(state, cell)
    tab.bump(cell + lay.C_ENTERED, 1)
    tab.bump(cell + lay.C_FLEETING_ENTERED, 1)
    note_messages(state, cell, who, messages)


@kernel
def note_messages(state: int, cell: int, who: int, messages: int) -> None:
    tab.bump(cell + lay.C_DAY_ORDERS, messages)
    if load_i64(cell + lay.C_DAY_ORDERS) >= load_i64(cell + lay.C_DAY_NEXT):
        ratio(state, cell, who)


@kernel_outlined
def ratio(state: int, cell: int, who: int) -> None:
    """The day's orders have doubled since this was looked at."""
    not_inlined()
    orders, trades = load_i64(cell + lay.C_DAY_ORDERS), load_i64(cell + lay.C_DAY_TRADES)
    store_i64(cell + lay.C_DAY_NEXT, 2 * orders)
    limit = tab.parameter(state, OTR_LIMIT)
    if orders < (limit + 1) * max(trades, 1):
        return
    instrument, now = load_i64(cell + lay.C_INSTRUMENT), load_i64(state + lay.NOW)
    hit = tab.tell(state, ORDER_TO_TRADE, instrument, 40, now // DAY_NS * DAY_NS, 0)
    tab.add_member(hit, who)
    tab.measures(hit, orders, 0, 0, orders // max(trades, 1))
    tab.evidence(hit, 0, load_i64(state + lay.CAUSE))


@kernel
def order_withdrawn(state: int, cell: int, born: int, who: int) -> None:
    """An owner cancelled or replaced an order that was entered at ``born``."""
    turn(state, cell)
    age = load_i64(state + lay.NOW) - born
    if age <= SECOND_NS:
        tab.bump(cell + lay.C_GONE, 1)
        gone = load_i64(cell + lay.C_GONE)
        if gone * 100 >= tab.parameter(state, STUFFING) * tab.parameter(state, STUFFING_GONE):
            stuffed(state, cell, gone, who)
    if age <= tab.parameter(state, FLEETING_NS):
        tab.bump(cell + lay.C_FLEETING_GONE, 1)
        if load_i64(cell + lay.C_FLEETING_GONE) >= tab.parameter(state, FLEETING):
            fleeting(state, cell, who)


@kernel_outlined
def stuffed(state: int, cell: int, gone: int, who: int) -> None:
    not_inlined()
    now, second = load_i64(state + lay.NOW), load_i64(cell + lay.C_SECOND)
    entered = load_i64(cell + lay.C_ENTERED)
    if load_i64(cell + lay.C_TOLD_SECOND) == second or entered < tab.parameter(state, STUFFING):
        return
    # Those of the second before may have been withdrawn in this one.
    if gone * 100 < tab.parameter(state, STUFFING_GONE) * entered:
        return
    if load_i64(cell + lay.C_TRADED) * 100 > entered:
        return
    store_i64(cell + lay.C_TOLD_SECOND, second)
    instrument, owner = load_i64(cell + lay.C_INSTRUMENT), load_i64(cell + lay.C_OWNER)
    window, cause = tab.parameter(state, STUFFING_WINDOW), load_i64(state + lay.CAUSE)
    key = tab.repeat_key(QUOTE_STUFFING, instrument, owner)
    row = tab.repeat(state, key, cause, 0, entered)
    count, total = tab.repeats_within(row, now, window, lay.R_LOTS)
    if count < tab.parameter(state, STUFFING_REPEATS):
        return
    slot = 8 * ((load_i64(row + lay.R_COUNT) - count) % lay.REPEAT_RING)
    first = load_i64(row + lay.R_SEQS + slot)
    begun = load_i64(row + lay.R_TIMES + slot)
    hit = tab.tell(state, QUOTE_STUFFING, instrument, 40 + 10 * count, begun, first)
    tab.add_member(hit, who)
    tab.measures(hit, total, 0, 0, count)
    tab.evidence(hit, 0, first)
    tab.evidence(hit, 1, cause)


@kernel_outlined
def fleeting(state: int, cell: int, who: int) -> None:
    not_inlined()
    gone, entered = load_i64(cell + lay.C_FLEETING_GONE), load_i64(cell + lay.C_FLEETING_ENTERED)
    if load_i64(cell + lay.C_FLEETING_TOLD) != 0:
        return
    if gone * 100 < tab.parameter(state, FLEETING_SHARE) * entered:
        return
    if load_i64(cell + lay.C_FLEETING_TRADES) * 100 > entered:
        return
    store_i64(cell + lay.C_FLEETING_TOLD, 1)
    instrument, now = load_i64(cell + lay.C_INSTRUMENT), load_i64(state + lay.NOW)
    begun = now // FIVE_MINUTES_NS * FIVE_MINUTES_NS
    hit = tab.tell(state, EXCESSIVE_CANCELS, instrument, 100 * gone // max(entered, 1), begun, 0)
    tab.add_member(hit, who)
    tab.measures(hit, gone, 0, 0, entered)
    tab.evidence(hit, 0, load_i64(state + lay.CAUSE))


@kernel
def order_traded(state: int, book: int, cell: int, lots: int, who: int) -> None:
    """One party of a trade."""
    turn(state, cell)
    tab.bump(cell + lay.C_TRADED, 1)
    tab.bump(cell + lay.C_FLEETING_TRADES, 1)
    tab.bump(cell + lay.C_DAY_TRADES, 1)
    window = load_i64(state + lay.NOW) // FIVE_MINUTES_NS
    if load_i64(cell + lay.V_ID) != window:
        next_window(cell, window)
    tab.bump(cell + lay.V_LOTS, lots)
    own, count = load_i64(cell + lay.V_LOTS), load_i64(cell + lay.V_COUNT)
    if load_i64(cell + lay.V_TOLD) == 0 and count >= tab.parameter(state, VOLUME_HISTORY):
        unusual(state, book, cell, own, count, who)


@kernel_outlined
def next_window(cell: int, window: int) -> None:
    """The window before joins the ring, and empty ones for those in which nothing was traded."""
    not_inlined()
    last, count = load_i64(cell + lay.V_ID), load_i64(cell + lay.V_COUNT)
    if last != 0:
        store_i64(cell + lay.V_RING + 8 * (count % lay.VOLUMES), load_i64(cell + lay.V_LOTS))
        count += 1
        for _ in range(min(window - last - 1, lay.VOLUMES)):
            store_i64(cell + lay.V_RING + 8 * (count % lay.VOLUMES), 0)
            count += 1
    store_i64(cell + lay.V_ID, window)
    store_i64(cell + lay.V_LOTS, 0)
    store_i64(cell + lay.V_TOLD, 0)
    store_i64(cell + lay.V_COUNT, count)


@kernel
def unusual(state: int, book: int, cell: int, own: int, count: int, who: int) -> None:
    windows, total = min(count, lay.VOLUMES), 0
    for back in range(windows):
        total += load_i64(cell + lay.V_RING + 8 * ((count - 1 - back) % lay.VOLUMES))
    if total == 0 or own * windows < tab.parameter(state, VOLUME_TIMES) * total:
        return
    # A window's first trades are all of its market: they are held against the one before.
    market = max(load_i64(book + lay.B_VOLUME), load_i64(book + lay.B_VOLUME_BEFORE))
    if own * 100 < tab.parameter(state, VOLUME_SHARE) * market:
        return
    store_i64(cell + lay.V_TOLD, 1)
    instrument, now = load_i64(cell + lay.C_INSTRUMENT), load_i64(state + lay.NOW)
    begun = now // FIVE_MINUTES_NS * FIVE_MINUTES_NS
    score = 20 + min(own * windows // total, 40)
    hit = tab.tell(state, SUSPICIOUS_VOLUME, instrument, score, begun, 0)
    tab.add_member(hit, who)
    tab.measures(hit, own, 0, 0, own * windows // total)
    tab.evidence(hit, 0, load_i64(state + lay.CAUSE))


@kernel
def note_volume(state: int, book: int, lots: int) -> None:
    """A trade, for the market's volume of five minutes (both sides, as owners count theirs)."""
    window = load_i64(state + lay.NOW) // FIVE_MINUTES_NS
    last = load_i64(book + lay.B_VOLUME_ID)
    if last != window:
        before = load_i64(book + lay.B_VOLUME) if last == window - 1 else 0
        store_i64(book + lay.B_VOLUME_BEFORE, before)
        store_i64(book + lay.B_VOLUME_ID, window)
        store_i64(book + lay.B_VOLUME, 0)
    tab.bump(book + lay.B_VOLUME, lots)
