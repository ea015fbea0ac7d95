"""One run through one day: recorded commands, the strategy's orders and its timers, in order.

    recorded command ──┐
    order under way ───┼─ whichever is first; a tie goes in this order ──► matcher ─► own events
    sample, timer ─────┘                                                                 │
                ▲                                                                        ▼
                └── orders, at exchange time + feed + order latency ◄── on_event, on_book, on_timer

There is one book. The driver calls a callback at the exchange time of the market that the callback
is shown. It also passes the time at which the strategy would know of that market. What the callback
sends arrives after both latencies. That is the same as a second book that lags, at half the work.

``tests/oracles/backtest.py`` does the same in plain Python.
"""

import numpy as np
import numpy.typing as npt

import openoutcry.backtest.layout as lay
from openoutcry.backtest.callback import call_callback
from openoutcry.flow.kernels import random_bits
from openoutcry.ledger.fees import share_of
from openoutcry.matcher import constants as const
from openoutcry.matcher.book import arena as layout
from openoutcry.matcher.book.arena import ArenaHeader
from openoutcry.matcher.book.ids import find_id
from openoutcry.matcher.book.levels import (
    book_addr,
    instrument_addr,
    key_flip,
    level_addr,
    level_key,
    next_level,
    slot_addr,
)
from openoutcry.wire.indirect import call_batch_kernel
from openoutcry.wire.kernel import kernel
from openoutcry.wire.memory import load_i64, store_i64
from openoutcry.wire.record_blocks import EventRecord, OrderRecord
from openoutcry.wire.records import RECORD_BYTES

Words = npt.NDArray[np.int64]

BATCH = 1024
ROOM = 4096
"""Rows of the log that one command may need; a command with more own events ends the run."""
KIND_MASK = 0xFF
IOC_WORD = const.IOC << const.TIF_SHIFT - const.TYPE_SHIFT


@kernel
def advance(
    words: Words,
    view: Words,
    state: Words,
    desk: Words,
    flight: Words,
    log: Words,
    samples: Words,
    latency: Words,
) -> int:
    """Run until the day is over (DONE), the log is full (LOG_FULL), or Python is to call a callback
    (CALL_...). The caller calls it again after each result but DONE."""
    while True:
        if words[lay.W_IN_CALL] != 0:
            words[lay.W_IN_CALL] = 0
            take_asked(words, desk, flight, latency)
        if words[lay.W_DELIVERED] < words[lay.W_LOGGED]:
            row = words[lay.W_DELIVERED] * lay.LOG_WORDS
            words[lay.W_DELIVERED] += 1
            if words[lay.W_ON_EVENT] != 0:
                show_event(view, log, row)
                begin_call(words, view, desk, latency)
                if words[lay.W_ON_EVENT] == lay.IN_PYTHON:
                    return lay.CALL_EVENT
                call_callback(words[lay.W_ON_EVENT], view, state, desk)
            continue
        if words[lay.W_BOOK_DUE] != 0:
            words[lay.W_BOOK_DUE] = 0
            if is_new_best(words, desk):
                begin_call(words, view, desk, latency)
                if words[lay.W_ON_BOOK] == lay.IN_PYTHON:
                    return lay.CALL_BOOK
                call_callback(words[lay.W_ON_BOOK], view, state, desk)
                continue
        if words[lay.W_TIMER_DUE] != 0:
            words[lay.W_TIMER_DUE] = 0
            begin_call(words, view, desk, latency)
            if words[lay.W_ON_TIMER] == lay.IN_PYTHON:
                return lay.CALL_TIMER
            call_callback(words[lay.W_ON_TIMER], view, state, desk)
            continue
        if words[lay.W_LOGGED] * lay.LOG_WORDS + ROOM * lay.LOG_WORDS > len(log):
            return lay.LOG_FULL
        if words[lay.W_NEXT] == words[lay.W_COUNT]:
            return lay.DONE
        go_on(words, desk, flight, log, samples)


@kernel
def go_on(words: Words, desk: Words, flight: Words, log: Words, samples: Words) -> None:
    """Whatever is next, once."""
    recorded_ns = OrderRecord(words[lay.W_DAY] + words[lay.W_NEXT] * RECORD_BYTES).rx_ts_ns
    own_ns = lay.NEVER
    if words[lay.W_FLIGHT_COUNT] > 0:
        own_ns = flight[words[lay.W_FLIGHT_FIRST] * lay.FLIGHT_WORDS + lay.FLIGHT_ARRIVAL]
    sample_ns, timer_ns = words[lay.W_SAMPLE_NS], words[lay.W_TIMER_NS]
    limit_ns = min(own_ns, sample_ns, timer_ns)
    if recorded_ns <= limit_ns:
        recorded(words, desk, log, recorded_ns, limit_ns)
    elif own_ns <= min(sample_ns, timer_ns):
        words[lay.W_NOW_NS] = own_ns
        own_command(words, desk, flight, log)
    elif sample_ns <= timer_ns:
        sample(words, desk, samples)
    else:
        words[lay.W_NOW_NS] = timer_ns
        words[lay.W_TIMER_NS] = timer_ns + words[lay.W_INTERVAL_NS]
        words[lay.W_TIMER_DUE] = 1
        look_at_queues(words, desk)


# Recorded commands


@kernel
def recorded(words: Words, desk: Words, log: Words, first_ns: int, limit_ns: int) -> None:
    """Process the next recorded commands: until ``limit_ns``, or until one that own orders may
    affect. With an on_book callback, only those at ``first_ns``."""
    first = OrderRecord(words[lay.W_DAY] + words[lay.W_NEXT] * RECORD_BYTES)
    if words[lay.W_ON_BOOK] != 0:
        limit_ns = first_ns
    done = 1
    if is_affected(words, first):
        words[lay.W_NEXT] += 1
        words[lay.W_NOW_NS] = first.rx_ts_ns
        if words[lay.W_RESTORES] != 0:
            as_recorded(words, desk, log, first)
        else:
            words[lay.W_RULED] = 1
            take_events(words, desk, log, match(words, first, 1)[1])
    else:
        count, most = 1, min(BATCH, words[lay.W_COUNT] - words[lay.W_NEXT])
        at = OrderRecord(first + RECORD_BYTES)
        while count < most and at.rx_ts_ns <= limit_ns and not is_affected(words, at):
            count += 1
            at = OrderRecord(at + (RECORD_BYTES))
        done = match(words, first, count)[0]
        words[lay.W_NEXT] += done
        words[lay.W_NOW_NS] = OrderRecord(first + (done - 1) * RECORD_BYTES).rx_ts_ns
    if words[lay.W_ON_BOOK] != 0 and (
        words[lay.W_NEXT] == words[lay.W_COUNT]
        or OrderRecord(words[lay.W_DAY] + words[lay.W_NEXT] * RECORD_BYTES).rx_ts_ns > first_ns
    ):
        words[lay.W_BOOK_DUE] = 1


@kernel
def is_affected(words: Words, order: OrderRecord) -> bool:
    """Return whether own orders may affect this command: one is in its way, or it executes an
    order of which own orders may have taken lots."""
    if words[lay.W_TAKEN] != 0 and is_execution(order):
        return True
    return words[lay.W_OPEN] != 0 and may_touch(words, order)


@kernel
def is_execution(order: OrderRecord) -> bool:
    """Return whether a command of a day that is kept as recorded is an execution."""
    return (order.word >> const.TYPE_SHIFT) & 0xFF00 == IOC_WORD


@kernel
def may_touch(words: Words, order: OrderRecord) -> bool:
    """Return whether an own order could be in this command's way. Always true, unless the
    recording names the order that was executed."""
    if words[lay.W_RESTORES] == 0:
        return True
    word = order.word
    kind = (word >> const.KIND_SHIFT) & KIND_MASK
    if kind != const.NEW and kind != const.REPLACE:
        # An operator's: a halt, the time.
        return kind > const.REPLACE
    price = order.price_ticks
    if (word >> const.SIDE_SHIFT) & KIND_MASK == const.BUY:
        return price >= words[lay.W_OWN_ASK]
    return price <= words[lay.W_OWN_BID]


@kernel
def as_recorded(words: Words, desk: Words, log: Words, order: OrderRecord) -> None:
    """Apply the rule of impact: what the recording does to orders that own orders have changed.

    | the recording | its command here |
    |---|---|
    | executes an order | fills the own orders that are before it, then the order, as far as it is there; nothing behind it |
    | and an own order was filled in its place | the order loses these lots too: its queue has moved on |
    | has an order come to rest | fills the own orders that it crosses, then has its whole quantity; left out if it still crosses one |
    | reduces, cancels or replaces an order | does that, as far as the order is there |

    ``docs/backtest.md`` says the same, ``tests/oracles/backtest.py`` does it in plain Python.
    ``W_IMPACT_LOTS`` counts the recorded lots for which the outcome differs.
    """  # noqa: E501
    before_lots = words[lay.W_OWN_FILLED]
    if not is_execution(order):
        words[lay.W_RULED] = 1
        take_events(words, desk, log, match(words, order, 1)[1])
        if words[lay.W_OWN_FILLED] > before_lots:
            let_rest(words, desk, log, order)
        return
    arena, maker_id, lots = ArenaHeader(words[lay.W_ARENA]), order.aux, order.qty_lots
    slot = find_id(arena, 0, maker_id) if maker_id != 0 else 0
    there = slot_addr(arena, slot).qty if slot != 0 else 0
    reached = min(lots, own_before(words, desk, order, slot) + there)
    # The order of a recording that is not in its own book has no lots to lose.
    words[lay.W_IMPACT_LOTS] += lots - reached if maker_id != 0 else 0
    if reached == 0:
        return
    words[lay.W_RULED] = 1 if (maker_id != 0) & (there < lots) else 0
    record = copied(words, order)
    record.qty_lots = reached
    take_events(words, desk, log, match(words, record, 1)[1])
    taken_lots = words[lay.W_OWN_FILLED] - before_lots
    words[lay.W_IMPACT_LOTS] += taken_lots
    if taken_lots != 0 and slot != 0 and find_id(arena, 0, maker_id) != 0:
        record.order_id, record.aux, record.qty_lots = maker_id, 0, taken_lots
        record.word = with_kind(order.word, const.REDUCE)
        words[lay.W_RESTORED] += 1
        take_events(words, desk, log, match(words, record, 1)[1])


@kernel
def let_rest(words: Words, desk: Words, log: Words, order: OrderRecord) -> None:
    """Give an order that met own orders its whole quantity; leave it out if it still crosses one.

    Of an order that is left out, executions find nothing."""
    if may_touch(words, order):
        words[lay.W_TAKEN] = 1
        words[lay.W_IMPACT_LOTS] += order.qty_lots
        return
    is_left = find_id(ArenaHeader(words[lay.W_ARENA]), 0, order.order_id) != 0
    record = copied(words, order)
    record.word = with_kind(order.word, const.REPLACE if is_left else const.NEW)
    record.aux = 0
    words[lay.W_RESTORED] += 1
    take_events(words, desk, log, match(words, record, 1)[1])


@kernel
def copied(words: Words, order: OrderRecord) -> OrderRecord:
    """Copy a recorded command to the scratch memory, to be changed there."""
    record = OrderRecord(words[lay.W_SCRATCH])
    for at in range(0, RECORD_BYTES, 8):
        store_i64(record + at, load_i64(order + at))
    return record


@kernel
def with_kind(word: int, kind: int) -> int:
    """An order record's last word ``word`` with another kind of command."""
    return word & ~(KIND_MASK << const.KIND_SHIFT) | kind << const.KIND_SHIFT


@kernel
def own_before(words: Words, desk: Words, order: OrderRecord, slot: int) -> int:
    """Own lots that an execution meets before the order that it names, whose slot is ``slot``.

    If own orders have taken the whole order (``slot`` 0), only those with a better price: the
    recording did not come to what was behind it."""
    price, is_named = order.price_ticks, order.aux != 0
    side = const.BUY + const.SELL - ((order.word >> const.SIDE_SHIFT) & KIND_MASK)
    lots = 0
    for row in range(lay.DESK_AT, desk[lay.ROWS_END], lay.DESK_ROW_WORDS):
        if desk[row + lay.ROW_STATE] == lay.OPEN and desk[row + lay.ROW_SIDE] == side:
            better = desk[row + lay.ROW_TICKS] - price
            better = better if side == const.BUY else -better
            if better > 0 or (better == 0 and not is_named):
                lots += desk[row + lay.ROW_LEAVES]
    if slot == 0:
        return lots
    arena = ArenaHeader(words[lay.W_ARENA])
    slot = slot_addr(arena, slot).prev
    while slot != 0:
        if desk_row(desk, slot_addr(arena, slot).id) != 0:
            lots += slot_addr(arena, slot).qty
        slot = slot_addr(arena, slot).prev
    return lots


@kernel
def match(words: Words, orders: int, count: int) -> tuple[int, int]:
    """Match ``count`` commands at the address ``orders``; returns how many were processed and how
    many events they caused.  ``words``: address of the run's words."""
    return call_batch_kernel(
        words[lay.W_BATCH],
        words[lay.W_CORE],
        orders,
        count,
        words[lay.W_OUT],
        words[lay.W_OUT_RECORDS],
    )


# The strategy's orders


@kernel
def own_command(words: Words, desk: Words, flight: Words, log: Words) -> None:
    """The first that is under way has arrived."""
    at = words[lay.W_FLIGHT_FIRST] * lay.FLIGHT_WORDS
    words[lay.W_FLIGHT_FIRST] = (words[lay.W_FLIGHT_FIRST] + 1) % lay.FLIGHT_ROWS
    words[lay.W_FLIGHT_COUNT] -= 1
    record = OrderRecord(words[lay.W_SCRATCH])
    what, order_id = flight[at + lay.FLIGHT_TYPE], flight[at + lay.FLIGHT_ID]
    record.price_ticks = flight[at + lay.FLIGHT_TICKS]
    record.qty_lots = flight[at + lay.FLIGHT_LOTS]
    record.symbol = words[lay.W_SYMBOL]
    record.order_id = order_id
    record.aux = 0
    record.rx_ts_ns = words[lay.W_NOW_NS]
    record.word = (
        words[lay.W_PARTICIPANT]
        | flight[at + lay.FLIGHT_KIND] << const.KIND_SHIFT
        | flight[at + lay.FLIGHT_SIDE] << const.SIDE_SHIFT
        | what << const.TYPE_SHIFT
    )
    record.seq = words[lay.W_NEXT]
    words[lay.W_RULED] = 1
    first = words[lay.W_LOGGED]
    _, written = match(words, record, 1)
    take_events(words, desk, log, written)
    if flight[at + lay.FLIGHT_KIND] == const.NEW and words[lay.W_LOGGED] > first:
        ahead = ahead_of(ArenaHeader(words[lay.W_ARENA]), order_id)
        row = desk_row(desk, order_id)
        if row != 0:
            desk[row + lay.ROW_AHEAD] = ahead
        log[first * lay.LOG_WORDS + lay.LOG_AHEAD] = ahead
    if words[lay.W_ON_BOOK] != 0:
        words[lay.W_BOOK_DUE] = 1


@kernel
def ahead_of(arena: ArenaHeader, order_id: int) -> int:
    """Lots before an open order in its queue."""
    ahead, slot = 0, find_id(arena, 0, order_id)
    if slot == 0:
        return 0
    slot = slot_addr(arena, slot).prev
    while slot != 0:
        ahead += slot_addr(arena, slot).qty
        slot = slot_addr(arena, slot).prev
    return ahead


@kernel
def look_at_queues(words: Words, desk: Words) -> None:
    """Note again for each open order the lots ahead of it in its queue."""
    if words[lay.W_OPEN] == 0:
        return
    for row in range(lay.DESK_AT, desk[lay.ROWS_END], lay.DESK_ROW_WORDS):
        if desk[row + lay.ROW_STATE] == lay.OPEN:
            desk[row + lay.ROW_AHEAD] = ahead_of(ArenaHeader(words[lay.W_ARENA]), desk[row])


@kernel
def desk_row(desk: Words, order_id: int) -> int:
    """Return where the order's row begins, or 0."""
    for row in range(lay.DESK_AT, desk[lay.ROWS_END], lay.DESK_ROW_WORDS):
        if desk[row + lay.ROW_STATE] != lay.FREE and desk[row] == order_id:
            return row
    return 0


@kernel
def take_events(words: Words, desk: Words, log: Words, count: int) -> None:
    """Log the own ones among the events just written, and what they change."""
    seen = words[lay.W_LOGGED]
    for index in range(count):
        event = EventRecord(words[lay.W_OUT] + index * RECORD_BYTES)
        word = event.word
        if word & 0xFFFF == words[lay.W_PARTICIPANT]:
            if (words[lay.W_LOGGED] + 1) * lay.LOG_WORDS > len(log):
                words[lay.W_MISSED] += 1
            else:
                take_event(words, desk, log, event, word)
    if words[lay.W_LOGGED] != seen:
        count_open(words, desk)


@kernel
def take_event(words: Words, desk: Words, log: Words, event: EventRecord, word: int) -> None:
    """Apply an event of the strategy's order to its position, cash and row.

    The event's last words as one are ``word``.  Addresses: ``words`` of the run, ``desk`` and
    ``log`` of its desk and log.
    """
    kind = word & KIND_MASK << const.EVENT_KIND_SHIFT
    side = (word >> const.EVENT_SIDE_SHIFT) & KIND_MASK
    is_maker = 1 if word & const.MAKER != 0 else 0
    order_id, price = event.order_id, event.price_ticks
    qty, leaves = event.qty_lots, event.leaves_lots
    row = desk_row(desk, order_id)
    if kind == const.FILLED:
        signed = qty if side == const.BUY else -qty
        words[lay.W_POSITION] += signed
        words[lay.W_CASH] -= signed * price
        rate = words[lay.W_MAKER_RATE] if is_maker else words[lay.W_TAKER_RATE]
        words[lay.W_FEES] += share_of(abs(qty * price), rate)
        words[lay.W_OWN_FILLED] += qty * is_maker
        words[lay.W_TAKEN] |= words[lay.W_RESTORES] & (1 - is_maker)
    ahead = sent_ns = 0
    if row != 0:
        ahead, sent_ns = desk[row + lay.ROW_AHEAD], desk[row + lay.ROW_SENT_NS]
        if kind == const.REJECTED and desk[row + lay.ROW_STATE] == lay.OPEN:
            # Its cancel was refused, not the order.
            desk[row + lay.ROW_CANCEL] = 0
        elif kind == const.REJECTED or leaves == 0:
            desk[row + lay.ROW_STATE] = lay.FREE
        else:
            desk[row + lay.ROW_STATE] = lay.OPEN
            desk[row + lay.ROW_LEAVES] = leaves
    if kind == const.REJECTED:
        words[lay.W_REJECTED] += 1
    at = words[lay.W_LOGGED] * lay.LOG_WORDS
    words[lay.W_LOGGED] += 1
    log[at + lay.LOG_NS] = words[lay.W_NOW_NS]
    log[at + lay.LOG_KIND] = kind >> const.EVENT_KIND_SHIFT
    log[at + lay.LOG_ORDER] = order_id
    log[at + lay.LOG_SIDE] = side
    log[at + lay.LOG_TICKS] = price
    log[at + lay.LOG_LOTS] = qty
    log[at + lay.LOG_LEAVES] = leaves
    log[at + lay.LOG_MAKER] = is_maker
    log[at + lay.LOG_REASON] = (word >> const.REASON_SHIFT) & KIND_MASK
    log[at + lay.LOG_AHEAD] = ahead
    log[at + lay.LOG_POSITION] = words[lay.W_POSITION]
    log[at + lay.LOG_CASH] = words[lay.W_CASH]
    log[at + lay.LOG_FEES] = words[lay.W_FEES]
    log[at + lay.LOG_SENT_NS] = sent_ns
    log[at + lay.LOG_IMPACT] = words[lay.W_RULED] if kind == const.FILLED else 0


@kernel
def count_open(words: Words, desk: Words) -> None:
    """How many own orders are open, and the best price of each side of them."""
    count, bid, ask = 0, lay.NOTHING, lay.NEVER
    for row in range(lay.DESK_AT, desk[lay.ROWS_END], lay.DESK_ROW_WORDS):
        if desk[row + lay.ROW_STATE] == lay.OPEN:
            count += 1
            price = desk[row + lay.ROW_TICKS]
            if desk[row + lay.ROW_SIDE] == const.BUY:
                bid = max(bid, price)
            else:
                ask = min(ask, price)
    words[lay.W_OPEN] = count
    words[lay.W_OWN_BID] = bid
    words[lay.W_OWN_ASK] = ask


# Callbacks


@kernel
def begin_call(words: Words, view: Words, desk: Words, latency: Words) -> None:
    """Show the market of this moment, as of when it will be known."""
    words[lay.W_IN_CALL] = 1
    feed_ns = latency[random_bits(words[lay.W_RANDOM]) >> 51]
    words[lay.W_LOCAL_NS] = max(words[lay.W_LOCAL_NS], words[lay.W_NOW_NS] + feed_ns)
    read_best_prices(words, desk)
    view[lay.NOW_NS] = words[lay.W_LOCAL_NS]
    view[lay.EXCHANGE_NS] = words[lay.W_NOW_NS]
    view[lay.BID_TICKS] = words[lay.W_BOOK_BID]
    view[lay.BID_LOTS] = words[lay.W_BOOK_BID_LOTS]
    view[lay.ASK_TICKS] = words[lay.W_BOOK_ASK]
    view[lay.ASK_LOTS] = words[lay.W_BOOK_ASK_LOTS]
    view[lay.POSITION_LOTS] = words[lay.W_POSITION]
    view[lay.CASH] = words[lay.W_CASH]
    view[lay.FEES] = words[lay.W_FEES]
    state = instrument_addr(ArenaHeader(words[lay.W_ARENA]), 0)
    view[lay.LAST_TICKS] = state.last_price


@kernel
def read_best_prices(words: Words, desk: Words) -> None:
    """Read the best prices, the strategy's own orders left out."""
    for side in range(2):
        price, lots = best_of_others(words, desk, side)
        words[lay.W_BOOK_BID + 2 * side] = price
        words[lay.W_BOOK_BID_LOTS + 2 * side] = lots


@kernel
def best_of_others(words: Words, desk: Words, side: int) -> tuple[int, int]:
    """Best displayed price of a side (0 bids) without the own orders, and the quantity there."""
    arena, book = ArenaHeader(words[lay.W_ARENA]), layout.DISPLAYED | side
    level = book_addr(arena, book).best_level
    is_own_near = words[lay.W_OPEN] != 0
    while level != 0:
        price = level_key(arena, level) ^ key_flip(book)
        lots = level_addr(arena, level).total
        if is_own_near:
            lots -= own_lots(desk, side + const.BUY, price)
        if lots > 0:
            return price, lots
        level = next_level(arena, level)
    return lay.NOTHING, 0


@kernel
def own_lots(desk: Words, side: int, price: int) -> int:
    """The strategy's open lots at a price."""
    lots = 0
    for row in range(lay.DESK_AT, desk[lay.ROWS_END], lay.DESK_ROW_WORDS):
        is_there = (desk[row + lay.ROW_STATE] == lay.OPEN) & (desk[row + lay.ROW_SIDE] == side)
        if is_there & (desk[row + lay.ROW_TICKS] == price):
            lots += desk[row + lay.ROW_LEAVES]
    return lots


@kernel
def is_new_best(words: Words, desk: Words) -> bool:
    """Return whether the best prices or quantities differ from those that were last shown."""
    bid, ask = words[lay.W_BOOK_BID], words[lay.W_BOOK_ASK]
    bid_lots, ask_lots = words[lay.W_BOOK_BID_LOTS], words[lay.W_BOOK_ASK_LOTS]
    read_best_prices(words, desk)
    return (
        (bid != words[lay.W_BOOK_BID])
        | (ask != words[lay.W_BOOK_ASK])
        | (bid_lots != words[lay.W_BOOK_BID_LOTS])
        | (ask_lots != words[lay.W_BOOK_ASK_LOTS])
    )


@kernel
def show_event(view: Words, log: Words, row: int) -> None:
    """Copy the row of the log to the view that the strategy reads."""
    view[lay.EVENT_KIND] = log[row + lay.LOG_KIND]
    view[lay.EVENT_ORDER] = log[row + lay.LOG_ORDER]
    view[lay.EVENT_SIDE] = log[row + lay.LOG_SIDE]
    view[lay.EVENT_TICKS] = log[row + lay.LOG_TICKS]
    view[lay.EVENT_LOTS] = log[row + lay.LOG_LOTS]
    view[lay.EVENT_LEAVES] = log[row + lay.LOG_LEAVES]
    view[lay.EVENT_MAKER] = log[row + lay.LOG_MAKER]
    view[lay.EVENT_REASON] = log[row + lay.LOG_REASON]


@kernel
def take_asked(words: Words, desk: Words, flight: Words, latency: Words) -> None:
    """Take what the callback requested, which is in flight from here on; it arrives in the order in
    which it was sent.

    It notes when the callback has overwritten words of the desk with impossible values."""
    count, end = desk[lay.REQUEST_COUNT], desk[lay.ROWS_END]
    if count < 0 or count > lay.ASK_ROWS or end < lay.DESK_AT or end > lay.ASK_AT:
        words[lay.W_BROKEN] = 1
        desk[lay.REQUEST_COUNT], desk[lay.ROWS_END] = 0, lay.DESK_AT
    for index in range(desk[lay.REQUEST_COUNT]):
        ask = lay.ASK_AT + index * lay.ASK_WORDS
        order_ns = latency[lay.LATENCIES + (random_bits(words[lay.W_RANDOM]) >> 51)]
        # No earlier than 1 ns on: a strategy that answers its own events at once would stop the
        # time.
        arrival = max(words[lay.W_LOCAL_NS] + order_ns, words[lay.W_NOW_NS] + 1)
        arrival = max(words[lay.W_ARRIVAL_NS], arrival)
        words[lay.W_ARRIVAL_NS] = arrival
        if words[lay.W_FLIGHT_COUNT] == lay.FLIGHT_ROWS:
            words[lay.W_MISSED] += 1
            continue
        slot = (words[lay.W_FLIGHT_FIRST] + words[lay.W_FLIGHT_COUNT]) % lay.FLIGHT_ROWS
        words[lay.W_FLIGHT_COUNT] += 1
        at = slot * lay.FLIGHT_WORDS
        flight[at + lay.FLIGHT_ARRIVAL] = arrival
        flight[at + lay.FLIGHT_KIND] = desk[ask + lay.ASK_KIND]
        flight[at + lay.FLIGHT_ID] = desk[ask + lay.ASK_ID]
        flight[at + lay.FLIGHT_SIDE] = desk[ask + lay.ASK_SIDE]
        flight[at + lay.FLIGHT_TICKS] = desk[ask + lay.ASK_TICKS_]
        flight[at + lay.FLIGHT_LOTS] = desk[ask + lay.ASK_LOTS_]
        flight[at + lay.FLIGHT_TYPE] = desk[ask + lay.ASK_TYPE]
        if desk[ask + lay.ASK_KIND] == const.NEW:
            words[lay.W_SENT] += 1
            row = desk_row(desk, desk[ask + lay.ASK_ID])
            if row != 0:
                desk[row + lay.ROW_SENT_NS] = words[lay.W_LOCAL_NS]
    desk[lay.REQUEST_COUNT] = 0


@kernel
def sample(words: Words, desk: Words, samples: Words) -> None:
    """Note position, cash and the best prices."""
    at = words[lay.W_SAMPLES] * lay.SAMPLE_WORDS
    samples[at + lay.SAMPLE_NS] = words[lay.W_SAMPLE_NS]
    samples[at + lay.SAMPLE_POSITION] = words[lay.W_POSITION]
    samples[at + lay.SAMPLE_CASH] = words[lay.W_CASH]
    samples[at + lay.SAMPLE_FEES] = words[lay.W_FEES]
    samples[at + lay.SAMPLE_BID] = best_of_others(words, desk, 0)[0]
    samples[at + lay.SAMPLE_ASK] = best_of_others(words, desk, 1)[0]
    words[lay.W_SAMPLES] += 1
    words[lay.W_SAMPLE_NS] += words[lay.W_SAMPLE_STEP_NS]
    if words[lay.W_SAMPLES] == lay.SAMPLES:
        words[lay.W_SAMPLE_NS] = lay.NEVER
