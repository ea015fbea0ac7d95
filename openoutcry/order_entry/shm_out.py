"""Replies of a session over shared memory: what an event, or a refusal, is to its session; with
what comes in (shm_in.py) the protocol's module."""

from openoutcry.order_entry import command_metadata, constants, ouch, rows
from openoutcry.order_entry.command_metadata import QUOTE, CommandMetadata
from openoutcry.order_entry.rows import OrderRow
from openoutcry.order_entry.session import SessionBlock
from openoutcry.order_entry.shm_in import ShmName, ShmOwn, complete, decode
from openoutcry.order_entry.shm_layout import (
    REPLY_BYTES,
    TEXT_BYTES,
    Reply,
    ShmNames,
    ShmReply,
    is_text,
)
from openoutcry.wire import enum_numbers
from openoutcry.wire.enums import EventKind
from openoutcry.wire.kernel import kernel, kernel_outlined
from openoutcry.wire.layout import Bytes, Words, i64
from openoutcry.wire.memory import copy64
from openoutcry.wire.notes import OF_BASE, fee_units
from openoutcry.wire.record_blocks import EventRecord, OrderRecord

__all__ = ["FIRST_COMMON", "FIRST_REFUSAL", "complete", "decode", "encode", "refuse"]

FIRST_REFUSAL = 128
"""Reasons of a reply from here on are the session layer's."""
FIRST_COMMON = 200

_KINDS = {
    EventKind.ACCEPTED: Reply.ACCEPTED,
    EventKind.FILLED: Reply.EXECUTED,
    EventKind.CANCELLED: Reply.CANCELED,
    EventKind.REDUCED: Reply.CANCELED,
    EventKind.EXPIRED: Reply.CANCELED,
    EventKind.REPLACED: Reply.REPLACED,
    EventKind.REJECTED: Reply.REJECTED,
    EventKind.ELECTED: Reply.TRIGGERED,
    EventKind.REPEGGED: Reply.PRIORITY,
    EventKind.REFRESHED: Reply.PRIORITY,
    EventKind.CONVERTED: Reply.PRIORITY,
    EventKind.COMPLETED: Reply.MASS_CANCELED,
    EventKind.DELAYED: Reply.DELAYED,
    EventKind.BROKEN: Reply.BROKEN,
}
"""Reply to an event; none to any other."""
KIND_OF = tuple(
    int(_KINDS.get(EventKind(kind), 0)) if kind else 0 for kind in range(max(EventKind) + 1)
)
_EXPIRED_EVENT, _EXPIRED = enum_numbers.EVENT_KIND_EXPIRED, enum_numbers.REASON_EXPIRED
_FILLED, _REJECTED = enum_numbers.EVENT_KIND_FILLED, enum_numbers.EVENT_KIND_REJECTED
_BROKEN = enum_numbers.EVENT_KIND_BROKEN
_REPLACED, _COMPLETED = enum_numbers.EVENT_KIND_REPLACED, enum_numbers.EVENT_KIND_COMPLETED
_GATEWAY, _RISK = enum_numbers.REASON_GATEWAY, enum_numbers.REASON_RISK
_KEPT_PLACE, _LAST = enum_numbers.EVENT_FLAG_KEPT_PLACE, enum_numbers.EVENT_FLAG_LAST
MASS_CANCEL = ord("C")


class ShmRow(OrderRow):
    """An order, and what the protocol keeps in it."""

    reference: int = i64("number of the order in market data", at=rows.MORE)


@kernel
def _begin(out: int, session: SessionBlock, metadata: CommandMetadata) -> ShmReply:
    """A reply of zeros at the address ``out``, with the time and the request that it answers."""
    for word in range(REPLY_BYTES // 8):
        Words(out)[word] = 0
    reply = ShmReply(out)
    reply.rx_ts_ns = session.rx_ts_ns
    if metadata != 0:
        reply.request = metadata.client_seq
    return reply


@kernel
def _put_names(reply: ShmReply, metadata: CommandMetadata) -> None:
    """The names in a request: its own order's, and that of the order that it meant."""
    token = ShmName(metadata + command_metadata.TOKEN)
    orig = ShmName(metadata + command_metadata.ORIG)
    reply.id = token.id
    reply.id_high = token.id_high
    if metadata.message != QUOTE:
        reply.orig_id = orig.id
        reply.orig_id_high = orig.id_high
    reply.participant = ShmOwn(metadata + command_metadata.OWN).participant


@kernel
def _put_row(reply: ShmReply, row: OrderRow) -> None:
    name = ShmName(row + rows.TOKEN)
    reply.id = name.id
    reply.id_high = name.id_high
    reply.participant = row.participant
    reply.side = row.side
    reply.order_type = row.order_type
    reply.time_in_force = row.time_in_force
    reply.symbol = row.symbol
    reply.cum_lots = row.cum
    reply.cum_value = row.cum_value
    reply.order_number = row.order_id & rows.NUMBER_MASK


@kernel
def encode(
    event: EventRecord,
    row: OrderRow,
    session: SessionBlock,
    metadata: CommandMetadata,
    out: int,
    room: int,
) -> int:
    """Write the reply that this event is to the order's session; its bytes, 0 if nothing is said,
    those of two replies if it is about a name in text.

    ``row``: the order's current row as of this event, 0 of what is about no order; ``metadata``: of
    the causing command if this session sent it, else 0.
    """
    event_kind = event.kind
    kind = KIND_OF[event_kind] if event_kind < len(KIND_OF) else 0
    if kind == 0 or room < REPLY_BYTES:
        return 0
    if row == 0 and metadata == 0:
        return 0
    if event_kind == _COMPLETED and metadata.message != MASS_CANCEL:
        return 0
    reply = _begin(out, session, metadata)
    reply.kind = kind
    if row != 0:
        _put_row(reply, row)
    is_own = metadata != 0 and (row == 0 or event_kind in (_REJECTED, _REPLACED))
    if is_own and event_kind == _REPLACED and metadata.message == QUOTE:
        is_own = False  # its row has the quote's name
    if is_own:
        _put_names(reply, metadata)
    if event_kind in (_FILLED, _BROKEN):
        reply.orig_id = fee_units(session.fee)
        reply.orig_id_high = session.fee & OF_BASE
    reply.flags = event.flags & ~_LAST
    reply.reason = _EXPIRED if event_kind == _EXPIRED_EVENT else event.reason
    reply.price_ticks = event.price_ticks
    reply.qty_lots = event.qty_lots
    reply.leaves_lots = row.leaves if event_kind == _BROKEN else event.leaves_lots
    reply.match = _match(event, row)
    if is_own:
        return _of_request(reply, metadata, room)
    return (
        _after_names(reply, row + rows.TOKEN, 0, room) if is_text(row + rows.TOKEN) else REPLY_BYTES
    )


@kernel
def _of_request(reply: ShmReply, metadata: CommandMetadata, room: int) -> int:
    """Return the bytes of a reply to a request, with the names in text that the request has."""
    token, orig = metadata + command_metadata.TOKEN, metadata + command_metadata.ORIG
    if is_text(token) or is_text(orig):
        return _after_names(reply, token, orig, room)
    return REPLY_BYTES


@kernel_outlined
def _after_names(reply: ShmReply, token: int, orig: int, room: int) -> int:
    """Put the names in text at two addresses (0: none) before a reply that is about them; returns
    the bytes of both."""
    if room < 2 * REPLY_BYTES:
        return 0
    names, after = ShmNames(reply), ShmReply(reply + REPLY_BYTES)
    copy64(after, reply)
    copy64(after + 64, reply + 64)
    for word in range(REPLY_BYTES // 8):
        Words(names)[word] = 0
    names.kind = _R_NAMES
    names.participant = after.participant
    names.request = after.request
    if is_text(token):
        after.id = after.id_high = 0
        for place in range(TEXT_BYTES):
            Bytes(names.id)[place] = Bytes(token)[place]
    if orig != 0 and is_text(orig):
        after.orig_id = after.orig_id_high = 0
        for place in range(TEXT_BYTES):
            Bytes(names.orig_id)[place] = Bytes(orig)[place]
    return 2 * REPLY_BYTES


@kernel
def _match(event: EventRecord, row: OrderRow) -> int:
    kind, reason = event.kind, event.reason
    if kind == _FILLED:
        return ouch.match_number(event)
    if kind == _BROKEN:
        return event.contra_id
    if kind == _REJECTED:
        return event.contra_id if reason in (_GATEWAY, _RISK) else 0
    if row == 0 or KIND_OF[kind] not in (_R_ACCEPTED, _R_REPLACED, _R_PRIORITY):
        return 0
    reference = event.seq
    before = ShmRow(row).reference
    if kind == _REPLACED and event.flags & _KEPT_PLACE and before != 0:
        reference = before
    ShmRow(row).reference = reference
    return reference


_R_ACCEPTED, _R_REPLACED = constants.SHM_REPLY_ACCEPTED, constants.SHM_REPLY_REPLACED
_R_PRIORITY, _R_REJECTED = constants.SHM_REPLY_PRIORITY, constants.SHM_REPLY_REJECTED
_R_NAMES, _R_QUOTES_CANCELED = constants.SHM_REPLY_NAMES, constants.SHM_REPLY_QUOTES_CANCELED
_QUOTES_DONE = constants.FIX_REFUSAL_QUOTES_DONE


@kernel
def refuse(
    metadata: CommandMetadata, order: OrderRecord, session: SessionBlock, out: int, room: int
) -> int:
    """Write the reply to a request whose metadata says why it was refused; ``order``: its
    record."""
    if room < REPLY_BYTES:
        return 0
    reply = _begin(out, session, metadata)
    _put_names(reply, metadata)
    refused = metadata.refused
    if refused == _QUOTES_DONE:
        reply.kind = _R_QUOTES_CANCELED
    else:
        reply.kind = _R_REJECTED
        reply.reason = refused if refused >= FIRST_COMMON else FIRST_REFUSAL + refused
    reply.symbol = order.symbol
    reply.price_ticks = order.price_ticks
    reply.qty_lots = order.qty_lots
    return _of_request(reply, metadata, room)
