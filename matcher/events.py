"""Write events: the fast path passes the write position, the general path keeps it in the arena."""

import openoutcry.matcher.constants as const
from openoutcry.matcher.book.arena import ArenaHeader
from openoutcry.wire.kernel import kernel, kernel_outlined
from openoutcry.wire.memory import load_i64, store_i64
from openoutcry.wire.record_blocks import EventRecord, OrderRecord
from openoutcry.wire.records import RECORD_BYTES


@kernel
def emit(
    out: EventRecord,
    order_id: int,
    contra_id: int,
    price: int,
    qty: int,
    leaves: int,
    cause: int,
    word: int,
) -> EventRecord:
    """Write one event at ``out`` and return where the next goes."""
    out.order_id = order_id
    out.contra_id = contra_id
    out.price_ticks = price
    out.qty_lots = qty
    out.leaves_lots = leaves
    out.cause_seq = cause
    out.word = word
    out.seq = 0
    return EventRecord(out + RECORD_BYTES)


@kernel
def emit_cancelled(
    out: EventRecord, order_id: int, price: int, qty: int, cause: int, tag: int, reason: int
) -> EventRecord:
    """Write a CANCELLED event with a Reason at ``out``; returns the address after it. ``tag`` names
    instrument, side and owner."""
    what = tag | const.CANCELLED | (reason << const.REASON_SHIFT)
    return emit(out, order_id, 0, price, qty, 0, cause, what)


@kernel
def reject(
    order: OrderRecord, out: EventRecord, tag: int, reason: int, contra_id: int
) -> EventRecord:
    """A rejected command changes nothing; its event echoes it."""
    what = tag | const.REJECTED | (reason << const.REASON_SHIFT)
    price = order.price_ticks
    qty = order.qty_lots
    cause = order.seq
    return emit(out, order.order_id, contra_id, price, qty, 0, cause, what)


@kernel
def mark_last(out: int) -> None:
    """The event before ``out`` is its command's last."""
    word_at = out - RECORD_BYTES + const.EVENT_WORD
    store_i64(word_at, load_i64(word_at) | const.LAST)


@kernel
def event_tag(instrument: int, side: int, participant: int) -> int:
    """Participant, instrument and side: the low bits of an event's word."""
    return participant | (instrument << const.INSTRUMENT_SHIFT) | (side << const.EVENT_SIDE_SHIFT)


@kernel
def book_tag(book: int, participant: int) -> int:
    """Like :func:`event_tag`, for an order in ``book`` (not one of triggers)."""
    return event_tag(book >> 4, (book & 1) + const.BUY, participant)


# The general path


@kernel_outlined
def emit_next(
    arena: ArenaHeader, order_id: int, contra_id: int, price: int, qty: int, leaves: int, word: int
) -> None:
    """Write the current command's next event."""
    out = EventRecord(arena.next_event_at)
    cause = arena.cause_seq
    out = emit(out, order_id, contra_id, price, qty, leaves, cause, word)
    arena.next_event_at = out


@kernel
def number_events(events: int, count: int, first: int) -> None:
    """Number ``count`` events, contiguous at ``events``, from ``first`` on."""
    for index in range(count):
        EventRecord(events + index * RECORD_BYTES).seq = first + index


@kernel
def command_number(arena: ArenaHeader) -> int:
    """The current command's number, from 1: each shard counts all commands, so it is the same in
    each."""
    return arena.command_count
