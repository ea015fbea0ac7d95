# mypy: disable-error-code="no-any-return,call-arg"
# (intrinsics have no types that mypy could see)
"""Write events: where the fast path hands the place on, and where the general path keeps it."""

from openoutcry.matcher.book.arena import CAUSE_SEQ, EVENT_COUNT, FIRST_EVENT_AT, NEXT_EVENT_AT
from openoutcry.matcher.constants import (
    BUY,
    CANCELLED,
    EVENT_CAUSE,
    EVENT_CONTRA,
    EVENT_LEAVES,
    EVENT_ORDER,
    EVENT_PRICE,
    EVENT_QTY,
    EVENT_SEQ,
    EVENT_SIDE_SHIFT,
    EVENT_WORD,
    INSTRUMENT_SHIFT,
    LAST,
    ORDER_ID,
    ORDER_PRICE,
    ORDER_QTY,
    ORDER_SEQ,
    REASON_SHIFT,
    REJECTED,
)
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
    store_i64(out + EVENT_ORDER, order_id)
    store_i64(out + EVENT_CONTRA, contra_id)
    store_i64(out + EVENT_PRICE, price)
    store_i64(out + EVENT_QTY, qty)
    store_i64(out + EVENT_LEAVES, leaves)
    store_i64(out + EVENT_CAUSE, cause)
    store_i64(out + EVENT_WORD, word)
    store_i64(out + EVENT_SEQ, 0)
    return out + RECORD_BYTES


@kernel
def emit_cancelled(
    out: int, order_id: int, price: int, qty: int, cause: int, address: int, reason: int
) -> int:
    what = address | CANCELLED | (reason << REASON_SHIFT)
    return emit(out, order_id, 0, price, qty, 0, cause, what)


@kernel
def reject(order: int, out: int, address: int, reason: int, contra_id: int) -> int:
    """A rejected command changes nothing; its event echoes it."""
    what = address | REJECTED | (reason << REASON_SHIFT)
    price = load_i64(order + ORDER_PRICE)
    qty = load_i64(order + ORDER_QTY)
    cause = load_i64(order + ORDER_SEQ)
    return emit(out, load_i64(order + ORDER_ID), contra_id, price, qty, 0, cause, what)


@kernel
def mark_last(out: int) -> None:
    """The event before ``out`` is its command's last."""
    word_at = out - RECORD_BYTES + EVENT_WORD
    store_i64(word_at, load_i64(word_at) | LAST)


@kernel
def event_address(instrument: int, side: int, participant: int) -> int:
    """Whom an event is for, about which instrument and side: the low part of its word."""
    return participant | (instrument << INSTRUMENT_SHIFT) | (side << EVENT_SIDE_SHIFT)


@kernel
def book_address(book: int, participant: int) -> int:
    """As :func:`event_address`, of an order in ``book`` (not one of triggers)."""
    return event_address(book >> 4, (book & 1) + BUY, participant)


# The general path


@kernel_outlined
def tell(
    arena: int, order_id: int, contra_id: int, price: int, qty: int, leaves: int, word: int
) -> None:
    """Write the next event of the command at work."""
    out = load_i64(arena + NEXT_EVENT_AT)
    cause = load_i64(arena + CAUSE_SEQ)
    out = emit(out, order_id, contra_id, price, qty, leaves, cause, word)
    store_i64(arena + NEXT_EVENT_AT, out)


@kernel
def number_events(events: int, count: int, first: int) -> None:
    """Number ``count`` events, contiguous at ``events``, from ``first`` on."""
    for index in range(count):
        store_i64(events + index * RECORD_BYTES + EVENT_SEQ, first + index)


@kernel
def next_event_number(arena: int) -> int:
    """The ``seq`` that the next event will have."""
    written = load_i64(arena + NEXT_EVENT_AT) - load_i64(arena + FIRST_EVENT_AT)
    return load_i64(arena + EVENT_COUNT) + written // RECORD_BYTES + 1
