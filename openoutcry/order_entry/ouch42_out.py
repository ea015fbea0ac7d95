"""OUCH 4.2, what goes out: the message that an event, or a refusal, is to its session.

The caller makes it an ``S`` packet (soupbin.sequenced).  ``tests/oracles/order_entry/ouch42.py``
says the same slowly.  Source:
Nasdaq, O*U*C*H 4.2, section 3.

``out`` is the address where the message goes, ``row`` that of the order's row, ``token`` that of 14
bytes; what writes a message returns its size, 0: none is sent.
"""

from openoutcry.order_entry import (
    command_metadata,
    constants,
    ouch,
    ouch42_in,
    risk_reasons,
    rows,
)
from openoutcry.order_entry.command_metadata import CommandMetadata
from openoutcry.order_entry.ouch import OuchRow
from openoutcry.order_entry.ouch42_in import Ouch42Order
from openoutcry.order_entry.rows import OrderRow
from openoutcry.order_entry.session import SessionBlock
from openoutcry.wire import enum_numbers
from openoutcry.wire.big_endian import (
    load_any32,
    store_any32,
    store_any64,
    store_be32,
    store_be64,
)
from openoutcry.wire.kernel import kernel
from openoutcry.wire.layout import Bytes
from openoutcry.wire.memory import store_u8
from openoutcry.wire.messages import OUCH42
from openoutcry.wire.record_blocks import EventRecord, OrderRecord
from openoutcry.wire.words import REASONS, RULES

_OUT = {message.kind: message for message in OUCH42.server}
_ACCEPTED, _REPLACED, _CANCELED, _AIQ = (_OUT[kind].at for kind in "AUCD")
_EXECUTED, _PRIORITY, _MODIFIED, _BROKEN = (_OUT[kind].at for kind in "ETMB")
_EVENT_CODE, _REJECT_REASON = _OUT["S"].at.event, _OUT["J"].at.reason
_SIZE_A, _SIZE_U, _SIZE_C, _SIZE_D, _SIZE_E = (_OUT[kind].size_bytes for kind in "AUCDE")
_SIZE_T, _SIZE_M, _SIZE_J, _SIZE_I, _SIZE_S, _SIZE_B = (_OUT[kind].size_bytes for kind in "TMJISB")
_TIMESTAMP, _TOKEN = _ACCEPTED.timestamp, _ACCEPTED.token
MAX_BYTES = max(message.size_bytes for message in OUCH42.server)
NO_ROOM = -100
"""Result of encode and refuse when the room is below MAX_BYTES."""

_K_ACCEPTED, _K_FILLED, _K_CANCELLED, _K_REDUCED = (
    enum_numbers.EVENT_KIND_ACCEPTED,
    enum_numbers.EVENT_KIND_FILLED,
    enum_numbers.EVENT_KIND_CANCELLED,
    enum_numbers.EVENT_KIND_REDUCED,
)
_K_REPLACED, _K_REJECTED, _K_EXPIRED, _K_REPEGGED, _K_REFRESHED, _K_CONVERTED = (
    enum_numbers.EVENT_KIND_REPLACED,
    enum_numbers.EVENT_KIND_REJECTED,
    enum_numbers.EVENT_KIND_EXPIRED,
    enum_numbers.EVENT_KIND_REPEGGED,
    enum_numbers.EVENT_KIND_REFRESHED,
    enum_numbers.EVENT_KIND_CONVERTED,
)
_K_BROKEN = enum_numbers.EVENT_KIND_BROKEN
_KEPT_PLACE, _WAITING = enum_numbers.EVENT_FLAG_KEPT_PLACE, enum_numbers.EVENT_FLAG_WAITING
_GATEWAY, _SELF_TRADE, _UNKNOWN_ORDER = (
    enum_numbers.REASON_GATEWAY,
    enum_numbers.REASON_SELF_TRADE,
    enum_numbers.REASON_UNKNOWN_ORDER,
)
_NONE, _MASS_CANCEL, _USER = (
    enum_numbers.REASON_NONE,
    enum_numbers.REASON_MASS_CANCEL,
    enum_numbers.REASON_USER,
)
_MARKET = enum_numbers.ORDER_TYPE_MARKET

_A, _B, _C, _D, _E, _I, _J, _L, _M, _O, _R, _S, _T, _U, _X, _Z = (
    ord(letter) for letter in "ABCDEIJLMORSTUXZ"
)
_SPACE, _Q = ord(" "), ord("Q")

_REFUSAL_LETTER = ouch.WORDS.codes("OUCH 4.2", ouch.REFUSAL_CODES, other=_O)
_REASON_LETTER = REASONS.codes("OUCH 4.2", ouch.REASON_CODES, other=_O)
_RISK, _RISK_LETTER = enum_numbers.REASON_RISK, risk_reasons.WORDS.codes("OUCH 4.2", 64, other=_O)
_GATEWAY_LETTER = RULES.codes("OUCH 4.2", 16)


@kernel
def encode(
    event: EventRecord,
    row: OrderRow,
    session: SessionBlock,
    metadata: CommandMetadata,
    out: int,
    room: int,
) -> int:
    """Write the message that this event is to the order's session; its bytes, 0 if nothing is said,
    or NO_ROOM.

    The order's current row (of a REJECTED replace: any) is ``row``, with QTY, LEAVES and CUM as of
    this event.  If this session sent the causing command, ``metadata`` is that command's, else 0.
    The session's RX_TS_NS is the causing command's.
    """
    if room < MAX_BYTES:
        return NO_ROOM
    kind = event.kind
    if kind == _K_ACCEPTED:
        return _accepted(event, row, session, out)
    if kind == _K_FILLED:
        return _executed(event, row, session, out)
    if kind in (_K_CANCELLED, _K_REDUCED, _K_EXPIRED):
        return _canceled(event, row, session, metadata, out)
    if kind == _K_REPLACED:
        return _replaced(event, row, session, metadata, out)
    if kind == _K_REJECTED:
        return _rejected(event, OuchRow(row), session, metadata, out)
    if kind in (_K_REPEGGED, _K_REFRESHED, _K_CONVERTED):
        return _priority(event, OuchRow(row), session, out)
    if kind == _K_BROKEN:
        size = _begin(out, _SIZE_B, _B, session, row + rows.TOKEN)
        ouch.put_match(out + _BROKEN.match, event.contra_id)
        Bytes(out)[_BROKEN.reason] = _S
        return size
    return 0


@kernel
def _begin(out: int, size: int, kind: int, session: SessionBlock, token: int) -> int:
    """Type, time and token of a message; its size."""
    Bytes(out)[0] = kind
    store_be64(out + _TIMESTAMP, ouch.timestamp(session))
    ouch.copy14(out + _TOKEN, token)
    return size


@kernel
def _price4(event: EventRecord, row: OrderRow, session: SessionBlock) -> int:
    """The order's present price; for a market order the price that means one."""
    is_market = row.order_type == _MARKET
    return ouch.MARKET_PRICE4 if is_market else ouch.event_price4(event, session)


@kernel
def _accepted(event: EventRecord, row: OrderRow, session: SessionBlock, out: int) -> int:
    own = Ouch42Order(row + rows.OWN)
    reference = event.seq
    OuchRow(row).reference = reference
    size = _begin(out, _SIZE_A, _A, session, row + rows.TOKEN)
    Bytes(out)[_ACCEPTED.side] = own.side
    store_be32(out + _ACCEPTED.shares, ouch.quantity32(event.qty_lots))
    store_any64(out + _ACCEPTED.symbol, ouch.pad(row.symbol))
    store_be32(out + _ACCEPTED.price, _price4(event, row, session))
    store_be32(out + _ACCEPTED.time_in_force, own.tif)
    store_any32(out + _ACCEPTED.firm, load_any32(own + ouch42_in.FIRM))
    Bytes(out)[_ACCEPTED.display] = own.display
    store_be64(out + _ACCEPTED.reference, reference)
    Bytes(out)[_ACCEPTED.capacity] = own.capacity
    Bytes(out)[_ACCEPTED.iso] = own.iso
    store_be32(out + _ACCEPTED.min_qty, own.min_qty)
    Bytes(out)[_ACCEPTED.cross] = own.cross
    Bytes(out)[_ACCEPTED.state] = _L
    Bytes(out)[_ACCEPTED.bbo_weight] = _SPACE
    return size


@kernel
def _replaced(
    event: EventRecord, row: OrderRow, session: SessionBlock, metadata: int, out: int
) -> int:
    """The metadata is the replace's; without one nothing was asked, and nothing is said."""
    if metadata == 0:
        return 0
    own = Ouch42Order(row + rows.OWN)
    reference = event.seq
    before = OuchRow(row).reference
    if event.flags & _KEPT_PLACE and before != 0:
        reference = before
    OuchRow(row).reference = reference
    size = _begin(out, _SIZE_U, _U, session, row + rows.TOKEN)
    Bytes(out)[_REPLACED.side] = own.side
    store_be32(out + _REPLACED.shares, ouch.quantity32(event.leaves_lots))
    store_any64(out + _REPLACED.symbol, ouch.pad(row.symbol))
    store_be32(out + _REPLACED.price, _price4(event, row, session))
    store_be32(out + _REPLACED.time_in_force, own.tif)
    store_any32(out + _REPLACED.firm, load_any32(own + ouch42_in.FIRM))
    Bytes(out)[_REPLACED.display] = own.display
    store_be64(out + _REPLACED.reference, reference)
    Bytes(out)[_REPLACED.capacity] = own.capacity
    Bytes(out)[_REPLACED.iso] = own.iso
    store_be32(out + _REPLACED.min_qty, own.min_qty)
    Bytes(out)[_REPLACED.cross] = own.cross
    Bytes(out)[_REPLACED.state] = _L
    ouch.copy14(out + _REPLACED.previous_token, metadata + command_metadata.ORIG)
    Bytes(out)[_REPLACED.bbo_weight] = _SPACE
    return size


@kernel
def _executed(event: EventRecord, row: OrderRow, session: SessionBlock, out: int) -> int:
    size = _begin(out, _SIZE_E, _E, session, row + rows.TOKEN)
    store_be32(out + _EXECUTED.shares, ouch.quantity32(event.qty_lots))
    store_be32(out + _EXECUTED.price, ouch.event_price4(event, session))
    Bytes(out)[_EXECUTED.liquidity] = ouch.liquidity(event, row)
    ouch.put_match(out + _EXECUTED.match, ouch.match_number(event))
    return size


@kernel
def cancel_letter(event: EventRecord, metadata: CommandMetadata) -> int:
    """Return why so much of an order is gone: what its own session asked for is U, what the session
    layer did of itself (a lost connection) is Z."""
    reason = event.reason
    if metadata != 0 and (reason in (_NONE, _USER, _MASS_CANCEL)):
        return _Z if metadata.message == 0 else _U
    return ouch.CANCEL_LETTER[reason]


@kernel
def is_taker(event: EventRecord, metadata: CommandMetadata) -> bool:
    """Return whether the event is about the order that the causing command brought or changed."""
    number = event.order_id & rows.NUMBER_MASK
    return metadata != 0 and metadata.row == number


@kernel
def _canceled(
    event: EventRecord, row: int, session: SessionBlock, metadata: CommandMetadata, out: int
) -> int:
    gone = ouch.quantity32(event.qty_lots)
    ouch.count_reduction(event, row)
    if event.reason == _SELF_TRADE:
        size = _begin(out, _SIZE_D, _D, session, row + rows.TOKEN)
        store_be32(out + _AIQ.shares, gone)
        Bytes(out)[_AIQ.reason] = _Q
        store_be32(out + _AIQ.prevented, gone)
        store_be32(out + _AIQ.price, ouch.event_price4(event, session))
        Bytes(out)[_AIQ.liquidity] = _R if is_taker(event, metadata) else _A
        return size
    is_reduced = event.kind == _K_REDUCED
    if is_reduced and metadata != 0 and metadata.message == _M:
        side = Ouch42Order(metadata + command_metadata.OWN).side
        Ouch42Order(row + rows.OWN).side = side
        return _modified(session, row + rows.TOKEN, side, event.leaves_lots, out)
    size = _begin(out, _SIZE_C, _C, session, row + rows.TOKEN)
    store_be32(out + _CANCELED.shares, gone)
    Bytes(out)[_CANCELED.reason] = cancel_letter(event, metadata)
    return size


@kernel
def _modified(session: SessionBlock, token: int, side: int, leaves: int, out: int) -> int:
    size = _begin(out, _SIZE_M, _M, session, token)
    Bytes(out)[_MODIFIED.side] = side
    store_be32(out + _MODIFIED.shares, ouch.quantity32(leaves))
    return size


@kernel
def _priority(event: EventRecord, row: OuchRow, session: SessionBlock, out: int) -> int:
    """A new place in the queue; of a peg without a price nothing is said."""
    if event.flags & _WAITING:
        return 0
    reference = event.seq
    row.reference = reference
    size = _begin(out, _SIZE_T, _T, session, row + rows.TOKEN)
    store_be32(out + _PRIORITY.price, ouch.event_price4(event, session))
    Bytes(out)[_PRIORITY.display] = Ouch42Order(row + rows.OWN).display
    store_be64(out + _PRIORITY.reference, reference)
    return size


@kernel
def _rejected(
    event: EventRecord, row: OuchRow, session: SessionBlock, metadata: CommandMetadata, out: int
) -> int:
    """A new order or a replace is Rejected; a cancel that came too late is ignored, as the
    specification says, and one that cannot be done is a Cancel Reject."""
    if metadata == 0:
        return 0
    message, reason = metadata.message, event.reason
    if message in (_O, _U):
        if message == _U and reason == _UNKNOWN_ORDER:
            return 0
        letter = _REASON_LETTER[reason & 63]
        if reason == _GATEWAY:
            letter = _GATEWAY_LETTER[ouch.gateway_bit(event)]
        elif reason == _RISK:
            letter = _RISK_LETTER[ouch.risk_bit(event)]
        return _reject(session, metadata + command_metadata.TOKEN, letter, out)
    if (message != _X and message != _M) or reason == _UNKNOWN_ORDER:
        return 0
    ouch.count_returned(event, row)
    return _begin(out, _SIZE_I, _I, session, metadata + command_metadata.ORIG)


@kernel
def _reject(session: SessionBlock, token: int, letter: int, out: int) -> int:
    size = _begin(out, _SIZE_J, _J, session, token)
    store_u8(out + _REJECT_REASON, letter)
    return size


_R_MODIFIED = constants.OUCH_REFUSAL_MODIFIED


@kernel
def refuse(
    metadata: CommandMetadata, order: OrderRecord, session: SessionBlock, out: int, room: int
) -> int:
    """Write the answer to a command whose metadata says why it was refused; ``order``: its record.
    The message's bytes, 0 if nothing is said, or NO_ROOM."""
    if room < MAX_BYTES:
        return NO_ROOM
    message, refused = metadata.message, metadata.refused
    if message in (_O, _U):
        letter = _REFUSAL_LETTER[refused]
        return _reject(session, metadata + command_metadata.TOKEN, letter, out)
    if message == _M and refused == _R_MODIFIED:
        side, orig = (
            Ouch42Order(metadata + command_metadata.OWN).side,
            metadata + command_metadata.ORIG,
        )
        row = ouch.modified(session, ouch42_in.SIDE, side)
        return 0 if row == 0 else _modified(session, orig, side, row.leaves, out)
    if message not in (_X, _M):
        return 0
    return _begin(out, _SIZE_I, _I, session, metadata + command_metadata.ORIG)


@kernel
def system_event(letter: int, session: SessionBlock, out: int, room: int) -> int:
    """S: start of day, E: end of day; the session's RX_TS_NS says when."""
    if room < MAX_BYTES:
        return NO_ROOM
    Bytes(out)[0] = _S
    store_be64(out + _TIMESTAMP, ouch.timestamp(session))
    store_u8(out + _EVENT_CODE, letter)
    return _SIZE_S
