"""Events as rows of the history: what became of each order, and what was traded.

A kernel keeps the orders that are open, by the rules of ``trading/order_events.py``, and writes
rows as PostgreSQL's binary COPY.  A row for each event costs Python 20 times as much.
"""

from openoutcry.ledger.copy_rows import NAME_BYTES, number, text
from openoutcry.portal.history.binary import (
    MASK,
    head,
    latin,
    numeric,
    small,
    wide_numeric,
    word,
)
from openoutcry.portal.history.changes import CHANGE_SIZE, PastChange
from openoutcry.portal.history.packed import pack, unpacked
from openoutcry.portal.trading.follower import DAY_NS, TOKEN_BYTES
from openoutcry.portal.trading.order_events import (
    CANCEL,
    FILLED_KIND,
    KINDS,
    PARTIALLY_FILLED,
    REJECTED_KIND,
    REPLACE,
    OrderState,
    apply_event,
)
from openoutcry.wire import enum_numbers
from openoutcry.wire.kernel import kernel
from openoutcry.wire.layout import Bytes, Layout, Words, area, i64
from openoutcry.wire.notes import fee_is_of_base, fee_units
from openoutcry.wire.off_book import is_off_book
from openoutcry.wire.open_orders import ENTRY_BYTES, OpenOrder, erase_entry, find_entry
from openoutcry.wire.order_ids import OFF_BOOK_ORDER_IDS
from openoutcry.wire.record_blocks import EventRecord, OrderRecord
from openoutcry.wire.records import RECORD_BYTES
from openoutcry.wire.wide import mul as wide_mul

MAKER, AUCTION = enum_numbers.EVENT_FLAG_MAKER, enum_numbers.EVENT_FLAG_AUCTION
NEW_COMMAND, BUY = enum_numbers.COMMAND_KIND_NEW, enum_numbers.SIDE_BUY
LIMIT, IOC = enum_numbers.ORDER_TYPE_LIMIT, enum_numbers.TIME_IN_FORCE_IOC
IN_USE = 1 << 40
"""In an entry of the table: it is not free."""
LENGTHS = 4
"""Number of candle lengths."""
SECOND_NS, DAY_S = 10**9, 86_400
FILL_BYTES, TRADE_BYTES, CANDLE_BYTES, ORDER_BYTES = 224, 112, 288, 448
"""The longest row of each."""
ORDER_FIELDS = 10


class PastOrder(OrderState, size_bytes=288):
    """An order as the events up to now show it."""

    client: int = area(TOKEN_BYTES, "the client's name of it")
    cancel: int = area(TOKEN_BYTES, "the client's name of the request that cancelled it")
    number: int = i64("of the command that entered it; off the book below 0")
    participant: int = i64("whose it is")
    instrument: int = i64("index in the table")
    side: int = i64("Side")
    created_ns: int = i64("when it was entered")
    updated_ns: int = i64("when it was last changed")
    state: int = i64("index in STATE_NAMES")
    is_touched: int = i64("1: its row is to be written")
    is_stored: int = i64("1: the database has a row of it")


class PastCandle(Layout, size_bytes=136):
    """A candle of a market that is not written yet."""

    begin_s: int = i64("since 1970")
    open_ticks: int = i64("price of the first trade")
    high_ticks: int = i64("the highest price")
    low_ticks: int = i64("the lowest price")
    close_ticks: int = i64("price of the last trade")
    first_trade: int = i64("its number")
    last_trade: int = i64("its number")
    count: int = i64("of trades; 0: there is no candle")
    lots: int = area(16, "as PastOrder.executed, as those that follow")
    tick_lots: int = area(16, "what they were worth")
    buy_lots: int = area(16, "where the buyer was the taker")
    buy_tick_lots: int = area(16, "what these were worth")
    newest_s: int = i64("the latest begin of a candle that the database may have")


ORDER_SIZE, CANDLE_SIZE = PastOrder.size_bytes, PastCandle.size_bytes
NEWEST = PastCandle.offset("newest_s")
ORDER_WORDS = PastOrder.offset("last_ticks") // 8
"""Words of an order that are packed, from its first."""
ORDER_NUMBERS = [
    name for name in PastOrder.fields if PastOrder.offset(name) < PastOrder.offset("executed")
]


class Fold(Layout, size_bytes=288):
    """Where the kernels' state and output are."""

    table: int = i64("open orders by instrument and id: OpenOrder, ``leaves`` is the place")
    mask: int = i64("entries of the table less one")
    orders: int = i64("PastOrder by place")
    free: Words = i64("free places, a stack", of=Words)
    free_count: int = i64("of these")
    touched: Words = i64("places whose rows are to be written", of=Words)
    touched_count: int = i64("of these")
    markets: Bytes = i64("a byte for each instrument, 1: a market", of=Bytes)
    inverse_units: Words = i64("of each instrument, 0: no inverse contract", of=Words)
    market_count: int = i64("instruments")
    candles: int = i64("PastCandle by instrument and length")
    lengths: Words = i64("of candles, in seconds", of=Words)
    states: int = i64("names of STATE_NAMES")
    assets: int = i64("names of the base and the quote asset of each instrument")
    no_name: int = i64("a name of no bytes")
    changes: int = i64("where the next PastChange goes")
    fills: int = i64("where the next row goes, as those that follow")
    trades: int = i64("the next")
    rows: int = i64("changes, fills and trades that were written")
    trade_count: int = i64("of all that was written")
    new_orders: int = i64("where the next row of an order without a row goes")
    old_orders: int = i64("where the next row of any other goes")
    candle_rows: Words = area(
        64,
        "where the next candle of each length goes that the database does not have, "
        "then of those that it may have",
        of=Words,
    )


@kernel
def fold(
    state: Fold, commands: int, command_count: int, events: int, notes: int, count: int, names: int
) -> None:
    """Take ``count`` events (EVENT), each with its note, that ``command_count`` commands (ORDER)
    caused; ``names``: TOKEN_BYTES for each command, or 0."""
    first_seq = OrderRecord(commands).seq
    for index in range(count):
        event = EventRecord(events + index * RECORD_BYTES)
        kind, instrument = event.kind, event.instrument
        if kind > 63 or KINDS >> kind & 1 == 0:
            continue
        place = min(max(event.cause_seq - first_seq, 0), command_count - 1)
        command = OrderRecord(commands + place * RECORD_BYTES)
        is_market = instrument < state.market_count and state.markets[instrument] != 0
        if is_market and kind == FILLED_KIND:
            trade(state, event, command.rx_ts_ns)
        name = state.no_name
        if names != 0:
            name = names + place * TOKEN_BYTES
        of_order(state, event, command, Words(notes)[index], name, is_market)


@kernel
def of_order(
    state: Fold, event: EventRecord, command: OrderRecord, note: int, name: int, is_market: bool
) -> None:
    """Apply an event to its order and keep its rows; ``name``: the client's of the command."""
    core_id, instrument = event.order_id, event.instrument
    if is_off_book(core_id):
        if event.kind == FILLED_KIND and is_market:
            off_book(state, event, command.rx_ts_ns, note)
        return
    entry = find_entry(state.table, state.mask, instrument, core_id)
    is_own = core_id == command.order_id and command.kind == NEW_COMMAND
    if entry.meta == 0:
        if not is_own or not is_market:
            return  # of before the checkpoint that the history began with
        place = take_place(state)
        entered(PastOrder(state.orders + place * ORDER_SIZE), event, command, name)
        entry.order_id, entry.meta, entry.leaves = core_id, instrument | IN_USE, place
    order = PastOrder(state.orders + entry.leaves * ORDER_SIZE)
    if event.kind == REJECTED_KIND and event.cause_seq != order.number:
        return  # a cancel or a replace was rejected, and the order is as it was
    touch(state, order, entry.leaves)
    order.updated_ns, order.seq = command.rx_ts_ns, event.cause_seq
    told = state.no_name if is_own else name
    execution = apply(state, order, event, told, command.kind)
    if order.state > PARTIALLY_FILLED:
        erase_entry(state.table, state.mask, entry)
    keep_change(state, order, event, execution)
    if event.kind == FILLED_KIND:
        fill_row(state, order, event, note)


@kernel
def take_place(state: Fold) -> int:
    """A free place of an order."""
    state.free_count -= 1
    return state.free[state.free_count]


@kernel
def touch(state: Fold, order: PastOrder, place: int) -> None:
    """Note that its row is to be written."""
    if order.is_touched == 0:
        order.is_touched = 1
        state.touched[state.touched_count] = place
        state.touched_count += 1


@kernel
def clear(order: PastOrder) -> None:
    """Remove everything of an earlier order at the place."""
    for index in range(ORDER_SIZE // 8):
        Words(order)[index] = 0


@kernel
def copy_name(to: int, name: int) -> None:
    """Copy a client's name."""
    for index in range(TOKEN_BYTES // 8):
        Words(to)[index] = Words(name)[index]


@kernel
def entered(order: PastOrder, event: EventRecord, command: OrderRecord, name: int) -> None:
    """A NEW command whose first event is here."""
    clear(order)
    order.number = command.seq
    order.participant = command.participant
    order.instrument = event.instrument
    order.core_id = command.order_id
    order.side = command.side
    order.order_type = command.order_type
    order.time_in_force = command.time_in_force
    order.price_ticks = command.price_ticks
    order.lots = command.qty_lots
    order.aux = command.aux
    order.created_ns = command.rx_ts_ns
    order.leaves_lots = event.leaves_lots
    copy_name(order.client, name)


@kernel
def off_book(state: Fold, event: EventRecord, time_ns: int, note: int) -> None:
    """One side of a trade off the book: a separate order, with a number below 0."""
    place = take_place(state)
    order = PastOrder(state.orders + place * ORDER_SIZE)
    clear(order)
    order.number = OFF_BOOK_ORDER_IDS - event.order_id
    order.participant = event.participant
    order.instrument = event.instrument
    order.core_id = event.order_id
    order.side = event.side
    order.order_type, order.time_in_force = LIMIT, IOC
    order.price_ticks, order.lots = event.price_ticks, event.qty_lots
    order.created_ns = order.updated_ns = time_ns
    order.seq = event.cause_seq
    apply(state, order, event, state.no_name, 0)
    order.is_touched = 1
    state.touched[state.touched_count] = place
    state.touched_count += 1
    fill_row(state, order, event, note)


@kernel
def apply(state: Fold, order: PastOrder, event: EventRecord, name: int, command: int) -> int:
    """Apply an event to its order, and return its index in EXECUTION_NAMES.  ``name``: the client's
    of the command, if it is not the order's own; ``command``: its kind."""
    spent = Words(order.executed)[0] << 32 | Words(order.executed)[1]
    execution, order.state = apply_event(order, event, spent, command)
    if event.kind == FILLED_KIND:
        wide_add(order.executed, value_of(state, event))
    elif execution == CANCEL:
        copy_name(order.cancel, name)
    elif execution == REPLACE and Bytes(name)[0] != 0:
        copy_name(order.client, name)
    return execution


@kernel
def value_of(state: Fold, event: EventRecord) -> int:
    """Return what the lots of a fill are worth: ``worth`` of ``trading/instruments.py``."""
    units, price = state.inverse_units[event.instrument], event.price_ticks
    return wide_mul(units // max(price, 1) if units != 0 else price, event.qty_lots)


@kernel
def wide_add(sum_at: int, value: int) -> None:
    """Add a word to a sum of two."""
    low = Words(sum_at)[1] + (value & MASK)
    Words(sum_at)[0] += (value >> 32) + (low >> 32)
    Words(sum_at)[1] = low & MASK


# Trades and candles


@kernel
def trade(state: Fold, event: EventRecord, time_ns: int) -> None:
    """A public trade, of the fill that counts: the maker's, in an auction the buyer's."""
    is_auction, is_buy = event.flags & AUCTION != 0, event.side == BUY
    counts = is_buy if is_auction else event.flags & MAKER != 0
    if not counts or is_off_book(event.order_id):
        return
    buyer_is_maker, second = is_buy and not is_auction, time_ns // SECOND_NS
    cursor = head(state.trades, 8)
    cursor = number(cursor, second // DAY_S, 4)
    cursor = number(cursor, event.instrument, 4)
    cursor = word(cursor, event.seq)
    cursor = word(cursor, event.price_ticks)
    cursor = word(cursor, event.qty_lots)
    cursor = word(cursor, time_ns // 1_000_000)
    cursor = number(cursor, 1 if buyer_is_maker else 0, 1)
    state.trades = word(cursor, event.cause_seq)
    state.rows += 1
    state.trade_count += 1
    value = value_of(state, event)
    for length in range(LENGTHS):
        place = event.instrument * LENGTHS + length
        candle = PastCandle(state.candles + place * CANDLE_SIZE)
        begin_s = second // state.lengths[length] * state.lengths[length]
        if candle.count != 0 and candle.begin_s != begin_s:
            candle_row(state, candle, event.instrument, length)
        add_trade(candle, event, value, begin_s, not buyer_is_maker)


@kernel
def add_trade(
    candle: PastCandle, event: EventRecord, value: int, begin_s: int, taker_buys: bool
) -> None:
    """Add a trade to the candle in which it lies."""
    price, lots, trade_number = event.price_ticks, event.qty_lots, event.seq
    if candle.count == 0:
        for index in range(NEWEST // 8):
            Words(candle)[index] = 0
        candle.begin_s, candle.first_trade = begin_s, trade_number
        candle.open_ticks = candle.high_ticks = candle.low_ticks = price
    candle.high_ticks = max(candle.high_ticks, price)
    candle.low_ticks = min(candle.low_ticks, price)
    candle.close_ticks, candle.last_trade = price, trade_number
    candle.count += 1
    wide_add(candle.lots, lots)
    wide_add(candle.tick_lots, value)
    if taker_buys:
        wide_add(candle.buy_lots, lots)
        wide_add(candle.buy_tick_lots, value)


@kernel
def wide(out: int, sum_at: int) -> int:
    """A sum of two words as ``numeric``."""
    return wide_numeric(out, Words(sum_at)[0], Words(sum_at)[1], False)


@kernel
def candle_row(state: Fold, candle: PastCandle, instrument: int, length: int) -> None:
    """Write a candle's row, and end it."""
    output = length if candle.begin_s > candle.newest_s else LENGTHS + length
    candle.newest_s = max(candle.newest_s, candle.begin_s)
    cursor = head(state.candle_rows[output], 14)
    cursor = number(cursor, candle.begin_s // DAY_S, 4)
    cursor = number(cursor, instrument, 4)
    for index in range(7):
        cursor = word(cursor, Words(candle)[index])
    cursor = wide(cursor, candle.lots)
    cursor = wide(cursor, candle.tick_lots)
    cursor = word(cursor, candle.count)
    cursor = wide(cursor, candle.buy_lots)
    state.candle_rows[output] = wide(cursor, candle.buy_tick_lots)
    candle.count = 0


@kernel
def end_candles(state: Fold) -> None:
    """Write the rows of all that are not written yet."""
    for instrument in range(state.market_count):
        for length in range(LENGTHS):
            place = instrument * LENGTHS + length
            candle = PastCandle(state.candles + place * CANDLE_SIZE)
            if candle.count != 0:
                candle_row(state, candle, instrument, length)


# Rows of orders


@kernel
def keep_change(state: Fold, order: PastOrder, event: EventRecord, execution: int) -> None:
    """Keep an order as it was after an event."""
    change = PastChange(state.changes)
    change.event_seq, change.execution, change.state = event.seq, execution, order.state
    change.price_ticks, change.lots = order.price_ticks, order.lots
    change.executed_lots, change.number = order.executed_lots, order.number
    change.at_ns, change.seq = order.updated_ns, event.cause_seq
    copy_name(change.client, order.client)
    state.changes += CHANGE_SIZE
    state.rows += 1


@kernel
def fill_row(state: Fold, order: PastOrder, event: EventRecord, note: int) -> None:
    """A trade of an order, with its fee."""
    flags = event.flags
    # Of a trade's two events the maker's comes first, in an auction the buyer's.
    is_first = order.side == BUY if flags & AUCTION != 0 else flags & MAKER != 0
    asset = 2 * order.instrument + (0 if fee_is_of_base(note) else 1)
    cursor = head(state.fills, 12)
    cursor = number(cursor, order.updated_ns // DAY_NS, 4)
    cursor = word(cursor, event.seq if is_first else event.seq - 1)
    cursor = word(cursor, order.number)
    cursor = number(cursor, order.participant, 4)
    cursor = number(cursor, order.instrument, 4)
    cursor = word(cursor, event.price_ticks)
    cursor = word(cursor, event.qty_lots)
    cursor = numeric(cursor, fee_units(note))
    cursor = text(cursor, state.assets + asset * NAME_BYTES)
    cursor = number(cursor, 1 if flags & (MAKER | AUCTION) != 0 else 0, 1)
    cursor = word(cursor, order.updated_ns)
    state.fills = word(cursor, event.cause_seq)
    state.rows += 1


@kernel
def order_rows(state: Fold) -> None:
    """Write a row for each order that has changed, as it is now.  The places of those that have
    ended are free then."""
    for index in range(state.touched_count):
        place = state.touched[index]
        order = PastOrder(state.orders + place * ORDER_SIZE)
        if order.is_stored == 0 and order.number > 0:
            state.new_orders = order_row(state, order, state.new_orders)
        else:
            state.old_orders = order_row(state, order, state.old_orders)
        order.is_touched, order.is_stored = 0, 1
        if order.state > PARTIALLY_FILLED or order.number < 0:
            state.free[state.free_count] = place
            state.free_count += 1
    state.touched_count = 0


@kernel
def order_row(state: Fold, order: PastOrder, out: int) -> int:
    """The columns of schema.ORDER_COLUMNS."""
    cursor = head(out, ORDER_FIELDS)
    cursor = word(cursor, order.number)
    cursor = number(cursor, order.participant, 4)
    cursor = number(cursor, order.instrument, 4)
    cursor = number(cursor, order.side, 2)
    cursor = latin(cursor, order.client)
    cursor = word(cursor, order.created_ns)
    cursor = word(cursor, order.updated_ns)
    cursor = text(cursor, state.states + order.state * NAME_BYTES)
    cursor = latin(cursor, order.cancel)
    end = pack(cursor + 4, order, 0, ORDER_WORDS)
    small(cursor, end - cursor - 4, 4)
    return end


@kernel
def moved(old: int, entries: int, table: int, mask: int) -> None:
    """Put the open orders of a table of ``entries`` into a larger one."""
    for index in range(entries):
        entry = OpenOrder(old + index * ENTRY_BYTES)
        if entry.meta != 0:
            into = find_entry(table, mask, entry.meta & 0xFFFF, entry.order_id)
            into.order_id, into.meta, into.leaves = entry.order_id, entry.meta, entry.leaves


@kernel
def restored(state: Fold, place: int) -> None:
    """The order at a place is open: the table finds it."""
    order = PastOrder(state.orders + place * ORDER_SIZE)
    entry = find_entry(state.table, state.mask, order.instrument, order.core_id)
    entry.order_id, entry.meta = order.core_id, order.instrument | IN_USE
    entry.leaves, order.is_stored = place, 1


def numbers_of(packed: bytes) -> dict[str, int]:
    """The fields of an order that are packed, by name."""
    *found, high, low = unpacked(packed, ORDER_WORDS)[0].tolist()
    named = dict(zip(ORDER_NUMBERS, found, strict=True))
    return named | {"executed_tick_lots": high << 32 | low}
