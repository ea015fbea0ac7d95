# (intrinsics have no types that mypy could see)
"""Write events: the fast path passes the write position, the general path keeps it in the arena."""

import openoutcry.matcher.book.arena as layout
import openoutcry.matcher.constants as const
from openoutcry.wire.kernel import kernel, kernel_outlined
from openoutcry.wire.memory import load_i64, store_i64
from openoutcry.wire.records import RECORD_BYTES


@kernel
def emit(
    out: int,
    order_id: int,
    contra_id: int,
    price: int,
    qty: int,
    leaves: int,
    cause: int,
    word: int,
) -> int:
    """Write one event at ``out`` and return where the next goes."""
    store_i64(out + const.EVENT_ORDER, order_id)
    store_i64(out + const.EVENT_CONTRA, contra_id)
    store_i64(out + const.EVENT_PRICE, price)
    store_i64(out + const.EVENT_QTY, qty)
    store_i64(out + const.EVENT_LEAVES, leaves)
    store_i64(out + const.EVENT_CAUSE, cause)
    store_i64(out + const.EVENT_WORD, word)
    store_i64(out + const.EVENT_SEQ, 0)
    return out + RECORD_BYTES


@kernel
def emit_cancelled(
    out: int, order_id: int, price: int, qty: int, cause: int, tag: int, reason: int
) -> int:
    what = tag | const.CANCELLED | (reason << const.REASON_SHIFT)
    return emit(out, order_id, 0, price, qty, 0, cause, what)


@kernel
def reject(order: int, out: int, tag: int, reason: int, contra_id: int) -> int:
    """A rejected command changes nothing; its event echoes it."""
    what = tag | const.REJECTED | (reason << const.REASON_SHIFT)
    price = load_i64(order + const.ORDER_PRICE)
    qty = load_i64(order + const.ORDER_QTY)
    cause = load_i64(order + const.ORDER_SEQ)
    return emit(out, load_i64(order + const.ORDER_ID), contra_id, price, qty, 0, cause, what)


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
    """As :func:`event_tag`, of an order in ``book`` (not one of triggers)."""
    return event_tag(book >> 4, (book & 1) + const.BUY, participant)


# The general path


@kernel_outlined
def emit_next(
    arena: int, order_id: int, contra_id: int, price: int, qty: int, leaves: int, word: int
) -> None:
    """Write the current command's next event."""
    out = load_i64(arena + layout.NEXT_EVENT_AT)
    cause = load_i64(arena + layout.CAUSE_SEQ)
    out = emit(out, order_id, contra_id, price, qty, leaves, cause, word)
    store_i64(arena + layout.NEXT_EVENT_AT, out)


@kernel
def number_events(events: int, count: int, first: int) -> None:
    """Number ``count`` events, contiguous at ``events``, from ``first`` on."""
    for index in range(count):
        store_i64(events + index * RECORD_BYTES + const.EVENT_SEQ, first + index)


@kernel
def command_number(arena: int) -> int:
    """The current command's number, from 1: each shard counts all commands, so it is the same in
    each."""
    return load_i64(arena + layout.COMMAND_COUNT)
