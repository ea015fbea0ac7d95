"""What a session must remember of a command that waits at the core's speed bump: its record and its
note, until it enters and is answered by events of another command (wire: DELAYED, ENTERED).

An entry a place in the core's queue.  A row that its answer will speak of stays until then:
ANSWERED_SEQ does not pass a command that waits.
"""

from openoutcry.order_entry import hall as h
from openoutcry.order_entry import notes as n
from openoutcry.order_entry import rows as r
from openoutcry.order_entry.hall import (
    WAIT_BYTES,
    WAIT_LANE,
    WAIT_NOTE,
    WAIT_ORDER,
    WAIT_RX,
    WAIT_SEQ,
)
from openoutcry.wire.enums import EventKind, Reason
from openoutcry.wire.kernel import VERIFY, kernel, kernel_outlined
from openoutcry.wire.memory import copy64, load_i64, load_u8, store_i64, store_u8
from openoutcry.wire.records import EVENT

_CAUSE, _CONTRA, _QTY, _LEAVES, _KIND, _REASON = (
    EVENT.offsets[name]
    for name in ("cause_seq", "contra_id", "qty_lots", "leaves_lots", "kind", "reason")
)
DELAYED, ENTERED = int(EventKind.DELAYED), int(EventKind.ENTERED)
ACCEPTED, REJECTED = int(EventKind.ACCEPTED), int(EventKind.REJECTED)
CANCELLED, REPEGGED = int(EventKind.CANCELLED), int(EventKind.REPEGGED)
BY_VENUE = int(Reason.DISCONNECTED)
PLACE = (1 << 32) - 1
ENTER_ORDER = ord("O")


@kernel
def told_to(hall: int, lane_seq: int) -> None:
    """The lane's commands up to here have had an event told; of those that wait, more will be."""
    answered_seq = load_i64(hall + h.ANSWERED_SEQ)
    if load_i64(hall + h.WAITING) == 0:
        store_i64(hall + h.ANSWERED_SEQ, max(answered_seq, lane_seq))
        return
    upto = max(lane_seq, load_i64(hall + h.TOLD_UPTO))
    store_i64(hall + h.TOLD_UPTO, upto)
    flags, mask = load_i64(hall + h.WAITING_LANES), load_i64(hall + h.NOTE_MASK)
    while answered_seq < upto and load_u8(flags + (answered_seq + 1 & mask)) == 0:
        answered_seq += 1
    store_i64(hall + h.ANSWERED_SEQ, answered_seq)


@kernel_outlined
def keep(hall: int, event: int, order: int, note: int, rx_ts_ns: int) -> None:
    """A session's command waits."""
    entry = load_i64(hall + h.WAITING) + WAIT_BYTES * (load_i64(event + _LEAVES) & PLACE)
    lane_seq = load_i64(hall + h.AT_LANE_SEQ)
    if VERIFY:
        assert load_i64(entry + WAIT_SEQ) == 0, "a place is one command's"
    store_i64(entry + WAIT_SEQ, load_i64(event + _CAUSE))
    store_i64(entry + WAIT_LANE, lane_seq)
    store_i64(entry + WAIT_RX, rx_ts_ns)
    copy64(entry + WAIT_ORDER, order)
    copy64(entry + WAIT_NOTE, note)
    copy64(entry + WAIT_NOTE + 64, note + 64)
    store_u8(load_i64(hall + h.WAITING_LANES) + (lane_seq & load_i64(hall + h.NOTE_MASK)), 1)


@kernel_outlined
def begin_entry(hall: int, event: int) -> None:
    """From here on so many events are those of a command that has waited."""
    entry = load_i64(hall + h.WAITING) + WAIT_BYTES * (load_i64(event + _LEAVES) & PLACE)
    is_known = load_i64(entry + WAIT_SEQ) == load_i64(event + _CONTRA)
    store_i64(hall + h.ENTRY, entry if is_known else 0)
    store_i64(hall + h.ENTRY_LEFT, load_i64(event + _QTY))
    if VERIFY:
        assert is_known or load_i64(entry + WAIT_SEQ) == 0, "who enters is who waited"


@kernel_outlined
def end_event(hall: int) -> None:
    """One of these events has been told; behind the last the command is answered."""
    left, entry = load_i64(hall + h.ENTRY_LEFT) - 1, load_i64(hall + h.ENTRY)
    store_i64(hall + h.ENTRY_LEFT, left)
    if left == 0 and entry != 0:
        lane_seq, mask = load_i64(entry + WAIT_LANE), load_i64(hall + h.NOTE_MASK)
        store_u8(load_i64(hall + h.WAITING_LANES) + (lane_seq & mask), 0)
        store_i64(entry + WAIT_SEQ, 0)
        store_i64(hall + h.ENTRY, 0)
        told_to(hall, 0)


@kernel_outlined
def as_ouch(hall: int, event: int, row: int, note: int, room: int) -> int:
    """The event as OUCH, which has no word for waiting, is to say it; 0: not at all.

    A new order is Accepted when it came: its place in the book, which it gets when it enters, is
    then a new priority, and a refusal the end of what was accepted.  ``room``: for an event.
    """
    kind, what = load_u8(event + _KIND), 0
    is_new = note != 0 and row != 0 and load_u8(note + n.MESSAGE) == ENTER_ORDER
    if kind == DELAYED:
        what = ACCEPTED if is_new else 0
        if what == 0:
            return 0
    elif is_new and load_i64(hall + h.ENTRY_LEFT) != 0:
        if kind == ACCEPTED:
            what = REPEGGED
        elif kind == REJECTED:
            what = CANCELLED
    if what == 0:
        return event
    copy64(room, event)
    store_u8(room + _KIND, what)
    if what == CANCELLED:
        store_u8(room + _REASON, BY_VENUE)
        store_i64(room + _QTY, load_i64(row + r.QTY))
        store_i64(room + _LEAVES, 0)
    elif what == ACCEPTED:
        store_i64(room + _LEAVES, load_i64(event + _QTY))
    return room
