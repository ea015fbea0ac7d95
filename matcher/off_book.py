"""A trade off the book: two participants who have agreed trade with each other.

The operator's command OFF_BOOK (``risk/bits.py``) is two orders that meet each other and no book.
Each enters the hooks as any order does, so every limit, every wallet and the margin count.  If one
of the two is refused, nothing has happened.  Else the command's events are, before its answer:

    ACCEPTED    the side that was asked, hidden
    ACCEPTED    the side that asked, hidden
    FILLED      the side that was asked, as the maker
    FILLED      the side that asked

No level, no queue and no last price of the matcher changes.  The orders are gone with the command.

A trade may have several legs: commands of the same kind that wait in the hooks' region
(:attr:`Hooks.legs_at`).  Then the last one lets the sides of all legs in before any is filled, and
trades all of them or none.

A trade that is taken back (BUST of ``risk/busts.py``) has two BROKEN events, the buyer's first.
The hooks have moved lots and money already.

A takeover (DELEVERAGE of ``risk/waterfall.py``) has the same events.  The hooks have moved lots and
money already, so they do not get these.  The maker is the participant that takes the lots over.
"""

import openoutcry.matcher.constants as const
from openoutcry.matcher.book.arena import ArenaHeader
from openoutcry.matcher.book.instrument_rules import refuse_new
from openoutcry.matcher.commands.dispatch import find_instrument
from openoutcry.matcher.commands.general import is_foreign
from openoutcry.matcher.events import emit, emit_cancelled, event_tag
from openoutcry.matcher.hook_context import REDUCES, HookContext
from openoutcry.wire.indirect import call_after, call_before
from openoutcry.wire.kernel import kernel, kernel_outlined
from openoutcry.wire.memory import load_i64, not_inlined
from openoutcry.wire.off_book_legs import AUCTION_BIT, MAKER_BIT, MAX_LEGS, SIDE_MASK
from openoutcry.wire.order_ids import OFF_BOOK_ORDER_IDS
from openoutcry.wire.record_blocks import EventRecord, OrderRecord
from openoutcry.wire.records import NO_INSTRUMENT, RECORD_BYTES

EVENTS = 4
SCRATCH = EVENTS * MAX_LEGS + 1
"""Where the orders at hand are, in records after the first event: within what a command may
write."""


@kernel_outlined
def trade_off_book(
    block: HookContext, order: OrderRecord, out: int, applied: int
) -> tuple[int, int]:
    """Trade, with the events at ``out``; returns their number and ``applied``, or 0 and the verdict
    by which the command is refused."""
    not_inlined()
    arena = ArenaHeader(block.arena)
    legs = load_i64(block.leg_count) + 1 if block.leg_count != 0 else 1
    maker = OrderRecord(out + SCRATCH * RECORD_BYTES)
    taker = OrderRecord(maker + RECORD_BYTES)
    for number in range(2 * legs):
        leg = leg_of(block, order, number >> 1, legs)
        instrument = find_instrument(arena, leg.symbol)
        refused = const.MALFORMED
        if instrument != NO_INSTRUMENT and not is_foreign(arena, instrument):
            write_side_of_leg(leg, order, maker, number & 1)
            price, qty = leg.price_ticks, leg.aux
            refused = refuse_new(arena, instrument, maker.word, price, qty, 0, 0)
            if refused == const.ACCEPT:
                refused = enter_side(block, maker, instrument, out + number * RECORD_BYTES)
        if refused != 0:
            for entered in range(number - 1, -1, -1):
                leg = leg_of(block, order, entered >> 1, legs)
                write_side_of_leg(leg, order, maker, entered & 1)
                take_back(block, maker, find_instrument(arena, leg.symbol), out)
            return 0, refused
    for number in range(legs):
        leg = leg_of(block, order, number, legs)
        write_side_of_leg(leg, order, maker, 0)
        write_side_of_leg(leg, order, taker, 1)
        at = EventRecord(out + 2 * (legs + number) * RECORD_BYTES)
        fill_both(at, maker, taker, find_instrument(arena, leg.symbol))
        call_after(block.after, block.region, order, at, 2)
    arena.event_count += EVENTS * legs
    return EVENTS * legs, applied


@kernel
def leg_of(block: HookContext, order: OrderRecord, number: int, legs: int) -> OrderRecord:
    """The command of a leg: one that waits, or the last one itself."""
    return OrderRecord(order if number == legs - 1 else block.legs + number * RECORD_BYTES)


@kernel
def write_side_of_leg(
    leg: OrderRecord, order: OrderRecord, side_order: OrderRecord, asks: int
) -> None:
    """Write the side of the one that asked (``asks`` 1), or of the one that was asked."""
    side, both = (leg.word >> const.TIF_SHIFT) & SIDE_MASK, leg.qty_lots
    if asks == 0:
        side = const.BUY + const.SELL - side
    participant = both >> 16 if side == const.BUY else both & 0xFFFF
    write_side(leg, order, side_order, side, participant, leg.price_ticks)


@kernel_outlined
def show_takeover(
    block: HookContext, order: OrderRecord, instrument: int, price: int, out: int
) -> int:
    """Write the events of a takeover at ``price``; returns their number."""
    not_inlined()
    side, both = (order.word >> const.TIF_SHIFT) & 0xFF, order.qty_lots
    maker = OrderRecord(out + SCRATCH * RECORD_BYTES)
    bankrupt = OrderRecord(maker + RECORD_BYTES)
    write_side(order, order, maker, const.BUY + const.SELL - side, both >> 16, price)
    write_side(order, order, bankrupt, side, both & 0xFFFF, price)
    accept(EventRecord(out), maker, instrument)
    accept(EventRecord(out + RECORD_BYTES), bankrupt, instrument)
    fill_both(EventRecord(out + 2 * RECORD_BYTES), maker, bankrupt, instrument)
    ArenaHeader(block.arena).event_count += EVENTS
    return EVENTS


@kernel_outlined
def show_broken(block: HookContext, order: OrderRecord, out: int) -> int:
    """Write the events of a trade that was taken back, whose two sides wait as legs; returns their
    number."""
    not_inlined()
    arena = ArenaHeader(block.arena)
    instrument = find_instrument(arena, order.symbol)
    for number in range(2):
        leg = OrderRecord(block.legs + number * RECORD_BYTES)
        tif = (leg.word >> const.TIF_SHIFT) & 0xFF
        word = event_tag(instrument, tif & SIDE_MASK, leg.qty_lots) | const.BROKEN
        word |= const.MAKER if tif & MAKER_BIT != 0 else 0
        word |= const.AUCTION if tif & AUCTION_BIT != 0 else 0
        at = EventRecord(out + number * RECORD_BYTES)
        price, lots = order.price_ticks, order.aux
        emit(at, leg.price_ticks, order.qty_lots, price, lots, leg.aux, order.seq, word)
    arena.event_count += 2
    return 2


@kernel
def write_side(
    leg: OrderRecord,
    order: OrderRecord,
    side_order: OrderRecord,
    side: int,
    participant: int,
    price: int,
) -> None:
    """Write one side of a leg as the order that it would be, immediate, at its price; it belongs to
    the command ``order``, which trades."""
    side_order.price_ticks = price
    side_order.qty_lots = leg.aux
    side_order.symbol = leg.symbol
    side_order.order_id = OFF_BOOK_ORDER_IDS + 2 * leg.seq + (side == const.SELL)
    side_order.aux = 0
    side_order.rx_ts_ns = order.rx_ts_ns
    tif = const.IOC | const.CANCEL_NEWEST << (const.MODE_SHIFT - const.TIF_SHIFT)
    word = const.NEW << const.KIND_SHIFT | side << const.SIDE_SHIFT
    word |= const.LIMIT << const.TYPE_SHIFT | tif << const.TIF_SHIFT
    side_order.word = word | participant
    side_order.seq = order.seq


@kernel
def tag_of(side_order: OrderRecord, instrument: int) -> int:
    """Return the bits of an event's word that name instrument, side and participant."""
    word = side_order.word
    return event_tag(instrument, (word >> const.SIDE_SHIFT) & 0xFF, word & 0xFFFF)


@kernel
def enter_side(block: HookContext, side_order: OrderRecord, instrument: int, out: int) -> int:
    """Let one side in, with its ACCEPTED event at ``out``; 0, or the verdict that refuses it."""
    refused = call_before(block.before, block.region, side_order)
    if refused not in (0, REDUCES):
        return refused
    accept(EventRecord(out), side_order, instrument)
    call_after(block.after, block.region, side_order, out, 1)
    return 0


@kernel
def accept(out: EventRecord, side_order: OrderRecord, instrument: int) -> None:
    """Write the ACCEPTED event of one side."""
    word = tag_of(side_order, instrument) | const.ACCEPTED | const.HIDDEN_FLAG
    price, qty, seq = side_order.price_ticks, side_order.qty_lots, side_order.seq
    emit(out, side_order.order_id, 0, price, qty, qty, seq, word)


@kernel
def take_back(block: HookContext, side_order: OrderRecord, instrument: int, out: int) -> None:
    """The other side was refused: to the hooks this one is cancelled, and no event says so.
    ``out``: address of room for an event, which is not kept."""
    tag, price, qty = tag_of(side_order, instrument), side_order.price_ticks, side_order.qty_lots
    order_id, seq = side_order.order_id, side_order.seq
    emit_cancelled(EventRecord(out), order_id, price, qty, seq, tag, const.IOC_REST)
    call_after(block.after, block.region, side_order, out, 1)


@kernel
def fill_both(out: EventRecord, maker: OrderRecord, taker: OrderRecord, instrument: int) -> None:
    """Write the FILLED events of both sides."""
    fill(out, maker, taker, instrument, const.MAKER)
    fill(EventRecord(out + RECORD_BYTES), taker, maker, instrument, 0)


@kernel
def fill(
    out: EventRecord, side_order: OrderRecord, other: OrderRecord, instrument: int, flags: int
) -> None:
    """Write the FILLED event of one side."""
    word = tag_of(side_order, instrument) | const.FILLED | const.HIDDEN_FLAG | flags
    price, qty = side_order.price_ticks, side_order.qty_lots
    emit(out, side_order.order_id, other.order_id, price, qty, 0, side_order.seq, word)
