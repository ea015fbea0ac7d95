"""What a session must remember of a command that waits at the core's speed bump: its record and its
metadata, until it enters and is answered by events of another command (wire: DELAYED, ENTERED).

An entry a place in the core's queue.  A row that its answer will speak of stays until then:
ANSWERED_SEQ does not pass a command that waits.
"""

from openoutcry.order_entry.command_metadata import CommandMetadata
from openoutcry.order_entry.rows import OrderRow
from openoutcry.order_entry.session_region import (
    WAIT_BYTES,
    WAIT_METADATA,
    WAIT_ORDER,
    RegionHeader,
    WaitingCommand,
)
from openoutcry.wire import enum_numbers
from openoutcry.wire.kernel import VERIFY, kernel, kernel_outlined
from openoutcry.wire.layout import Bytes
from openoutcry.wire.memory import copy64
from openoutcry.wire.record_blocks import EventRecord

DELAYED, ENTERED = enum_numbers.EVENT_KIND_DELAYED, enum_numbers.EVENT_KIND_ENTERED
ACCEPTED, REJECTED = enum_numbers.EVENT_KIND_ACCEPTED, enum_numbers.EVENT_KIND_REJECTED
CANCELLED, REPEGGED = enum_numbers.EVENT_KIND_CANCELLED, enum_numbers.EVENT_KIND_REPEGGED
BY_VENUE = enum_numbers.REASON_DISCONNECTED
PLACE = (1 << 32) - 1
ENTER_ORDER = ord("O")


@kernel
def mark_reported(region: RegionHeader, lane_seq: int) -> None:
    """The lane's commands up to here have had an event told; of those that wait, more will be."""
    answered_seq = region.answered_seq
    if region.waiting == 0:
        region.answered_seq = max(answered_seq, lane_seq)
        return
    upto = max(lane_seq, region.reported_upto)
    region.reported_upto = upto
    flags, mask = region.waiting_lanes, region.metadata_mask
    while answered_seq < upto and Bytes(flags)[answered_seq + 1 & mask] == 0:
        answered_seq += 1
    region.answered_seq = answered_seq


@kernel_outlined
def keep(
    region: RegionHeader, event: EventRecord, order: int, metadata: int, rx_ts_ns: int
) -> None:
    """A session's command waits."""
    entry = WaitingCommand(region.waiting + WAIT_BYTES * (event.leaves_lots & PLACE))
    lane_seq = region.at_lane_seq
    if VERIFY:
        assert entry.seq == 0, "a place is one command's"
    entry.seq = event.cause_seq
    entry.lane = lane_seq
    entry.rx = rx_ts_ns
    copy64(entry + WAIT_ORDER, order)
    copy64(entry + WAIT_METADATA, metadata)
    copy64(entry + WAIT_METADATA + 64, metadata + 64)
    Bytes(region.waiting_lanes)[lane_seq & region.metadata_mask] = 1


@kernel_outlined
def begin_entry(region: RegionHeader, event: EventRecord) -> None:
    """From here on, this many events belong to a command that waited."""
    entry = WaitingCommand(region.waiting + WAIT_BYTES * (event.leaves_lots & PLACE))
    is_known = entry.seq == event.contra_id
    region.entry = entry if is_known else 0
    region.entry_left = event.qty_lots
    if VERIFY:
        assert is_known or entry.seq == 0, "the entering command is the waiting one"


@kernel_outlined
def end_event(region: RegionHeader) -> None:
    """One of these events is reported; after the last one the command is answered."""
    left, entry = region.entry_left - 1, WaitingCommand(region.entry)
    region.entry_left = left
    if left == 0 and entry != 0:
        lane_seq, mask = entry.lane, region.metadata_mask
        Bytes(region.waiting_lanes)[lane_seq & mask] = 0
        entry.seq = 0
        region.entry = 0
        mark_reported(region, 0)


@kernel_outlined
def as_ouch(
    region: RegionHeader,
    event: EventRecord,
    row: OrderRow,
    metadata: CommandMetadata,
    room: EventRecord,
) -> EventRecord:
    """The event as OUCH, which has no word for waiting, is to say it; 0: not at all.

    A new order is Accepted when it came: its place in the book, which it gets when it enters, is
    then a new priority, and a refusal the end of what was accepted.  ``room``: for an event.
    """
    kind, what = event.kind, 0
    is_new = metadata != 0 and row != 0 and metadata.message == ENTER_ORDER
    if kind == DELAYED:
        what = ACCEPTED if is_new else 0
        if what == 0:
            return EventRecord(0)
    elif is_new and region.entry_left != 0:
        if kind == ACCEPTED:
            what = REPEGGED
        elif kind == REJECTED:
            what = CANCELLED
    if what == 0:
        return event
    copy64(room, event)
    room.kind = what
    if what == CANCELLED:
        room.reason = BY_VENUE
        room.qty_lots = row.qty
        room.leaves_lots = 0
    elif what == ACCEPTED:
        room.leaves_lots = event.qty_lots
    return room
