"""OUCH 5.0, what goes out: the message that an event, or a refusal, is to its session.

``tests/oracles/order_entry/ouch50.py`` says the same slowly.  Source: Nasdaq, OUCH 5.0, section 4.

``out`` is the address where the message goes, ``row`` that of the order's row; what writes a
message returns its size, 0: none is sent.
"""

from openoutcry.order_entry import (
    command_metadata,
    constants,
    faults,
    ouch,
    ouch50_in,
    risk_reasons,
    rows,
)
from openoutcry.order_entry.command_metadata import CommandMetadata
from openoutcry.order_entry.ouch import OuchRow
from openoutcry.order_entry.ouch42_out import NO_ROOM, cancel_letter, is_taker
from openoutcry.order_entry.ouch50_in import Ouch50Options, Ouch50Order
from openoutcry.order_entry.rows import OrderRow
from openoutcry.order_entry.session import SessionBlock
from openoutcry.wire import enum_numbers
from openoutcry.wire.big_endian import (
    load_any32,
    load_any64,
    store_any32,
    store_any64,
    store_be16,
    store_be32,
    store_be64,
)
from openoutcry.wire.kernel import kernel
from openoutcry.wire.layout import Bytes
from openoutcry.wire.messages import OPTIONS50, OUCH50
from openoutcry.wire.record_blocks import EventRecord, OrderRecord
from openoutcry.wire.words import REASONS, RULES, number

_OUT = {message.kind: message for message in OUCH50.server}
_ACCEPTED, _REPLACED, _CANCELED, _AIQ, _EXECUTED = (_OUT[kind].at for kind in "AUCDE")
_REJECTED, _PRIORITY, _MODIFIED, _RESTATED = (_OUT[kind].at for kind in "JTMR")
_MASS, _ENTRY, _BROKEN = _OUT["X"].at, _OUT["G"].at, _OUT["B"].at
_SIZE_A, _SIZE_U, _SIZE_C, _SIZE_D, _SIZE_E = (_OUT[kind].size_bytes for kind in "AUCDE")
_SIZE_T, _SIZE_M, _SIZE_J, _SIZE_I, _SIZE_R = (_OUT[kind].size_bytes for kind in "TMJIR")
_SIZE_X, _SIZE_G, _SIZE_Q, _SIZE_B = (_OUT[kind].size_bytes for kind in "XGQB")
_TIMESTAMP, _USER_REF = _ACCEPTED.timestamp, _ACCEPTED.user_ref
_OPTION = {option.field.name: option for option in OPTIONS50}
MAX_BYTES = _SIZE_U + 2 * len(OPTIONS50) + sum(o.field.size_bytes for o in OPTIONS50)

_K_ACCEPTED, _K_FILLED, _K_CANCELLED, _K_REDUCED, _K_REPLACED, _K_REJECTED = (
    enum_numbers.EVENT_KIND_ACCEPTED,
    enum_numbers.EVENT_KIND_FILLED,
    enum_numbers.EVENT_KIND_CANCELLED,
    enum_numbers.EVENT_KIND_REDUCED,
    enum_numbers.EVENT_KIND_REPLACED,
    enum_numbers.EVENT_KIND_REJECTED,
)
_K_EXPIRED, _K_REPEGGED, _K_REFRESHED, _K_CONVERTED, _K_COMPLETED = (
    enum_numbers.EVENT_KIND_EXPIRED,
    enum_numbers.EVENT_KIND_REPEGGED,
    enum_numbers.EVENT_KIND_REFRESHED,
    enum_numbers.EVENT_KIND_CONVERTED,
    enum_numbers.EVENT_KIND_COMPLETED,
)
_K_BROKEN = enum_numbers.EVENT_KIND_BROKEN
_KEPT_PLACE, _WAITING = enum_numbers.EVENT_FLAG_KEPT_PLACE, enum_numbers.EVENT_FLAG_WAITING
_GATEWAY, _SELF_TRADE, _UNKNOWN_ORDER = (
    enum_numbers.REASON_GATEWAY,
    enum_numbers.REASON_SELF_TRADE,
    enum_numbers.REASON_UNKNOWN_ORDER,
)
_MARKET = enum_numbers.ORDER_TYPE_MARKET
_A, _C, _D, _E, _G, _I, _J, _K, _L, _M = (ord(letter) for letter in "ACDEGIJKLM")
_B, _O, _Q, _R, _S, _T, _U, _X = (ord(letter) for letter in "BOQRSTUX")
_R_MODIFIED, _R_QUERIED, _R_DISABLE, _R_ENABLE = (
    constants.OUCH_REFUSAL_MODIFIED,
    constants.OUCH_REFUSAL_QUERIED,
    constants.OUCH_REFUSAL_DISABLE,
    constants.OUCH_REFUSAL_ENABLE,
)

OTHER = 0x000F
_REFUSAL_CODE = tuple(
    max(codes) or OTHER
    for codes in zip(
        ouch.WORDS.codes("OUCH 5.0", ouch.REFUSAL_CODES, number),
        faults.WORDS.codes("OUCH 5.0", ouch.REFUSAL_CODES, number),
        strict=True,
    )
)
_REASON_CODE = REASONS.codes("OUCH 5.0", ouch.REASON_CODES, number, OTHER)
_RISK, _RISK_CODE = (
    enum_numbers.REASON_RISK,
    risk_reasons.WORDS.codes("OUCH 5.0", 64, number, OTHER),
)
_GATEWAY_CODE = RULES.codes("OUCH 5.0", 16, number)


@kernel
def encode(
    event: EventRecord,
    row: OrderRow,
    session: SessionBlock,
    metadata: CommandMetadata,
    out: int,
    room: int,
) -> int:
    """Like ouch42_out.encode."""
    if room < MAX_BYTES:
        return NO_ROOM
    kind = event.kind
    if kind == _K_ACCEPTED:
        return _accepted(event, row, session, metadata, out)
    if kind == _K_FILLED:
        size = _begin(out, _SIZE_E, _E, session, ouch.OuchRow(row).user_ref)
        store_be32(out + _EXECUTED.quantity, ouch.quantity32(event.qty_lots))
        store_be64(out + _EXECUTED.price, ouch.event_price4(event, session))
        Bytes(out)[_EXECUTED.liquidity] = ouch.liquidity(event, row)
        ouch.put_match(out + _EXECUTED.match, ouch.match_number(event))
        store_be16(out + _EXECUTED.appendage_bytes, 0)
        return size
    if kind in (_K_CANCELLED, _K_REDUCED, _K_EXPIRED):
        return _canceled(event, row, session, metadata, out)
    if kind == _K_REPLACED:
        return _replaced(event, row, session, metadata, out)
    if kind == _K_REJECTED:
        return _rejected(event, OuchRow(row), session, metadata, out)
    if kind == _K_REFRESHED:
        return _restated(event, OuchRow(row), session, out)
    if kind in (_K_REPEGGED, _K_CONVERTED):
        return _priority(event, OuchRow(row), session, out)
    if kind == _K_COMPLETED and metadata != 0 and metadata.message == _C:
        size = _begin(out, _SIZE_X, _X, session, metadata.client_seq)
        store_any32(out + _MASS.firm, load_any32(metadata + ouch50_in.OPTIONS + ouch50_in.FIRM))
        store_any64(out + _MASS.symbol, load_any64(metadata + ouch50_in.MASS_SYMBOL))
        return size
    if kind == _K_BROKEN:
        size = _begin(out, _SIZE_B, _B, session, ouch.OuchRow(row).user_ref)
        ouch.put_match(out + _BROKEN.match, event.contra_id)
        Bytes(out)[_BROKEN.reason] = _S
        ouch.copy14(out + _BROKEN.clordid, Ouch50Order(row + rows.OWN) + ouch50_in.CLORDID)
        return size
    return 0


@kernel
def _begin(out: int, size: int, kind: int, session: SessionBlock, user_ref: int) -> int:
    Bytes(out)[0] = kind
    store_be64(out + _TIMESTAMP, ouch.timestamp(session))
    store_be32(out + _USER_REF, user_ref)
    return size


@kernel
def _price4(event: EventRecord, row: OrderRow, session: SessionBlock) -> int:
    is_market = row.order_type == _MARKET
    return ouch.MARKET_PRICE4 if is_market else ouch.event_price4(event, session)


@kernel
def _option(at: int, tag: int, size: int) -> int:
    """Begin an option; returns the place of its value."""
    Bytes(at)[0] = size + 1
    Bytes(at)[1] = tag
    return at + 2


_T_FIRM, _T_MIN, _T_CUSTOMER, _T_FLOOR, _T_TYPE, _T_OFFSET, _T_POST, _T_EXPIRE = (
    _OPTION[name].tag
    for name in (
        "firm",
        "min_qty",
        "customer",
        "max_floor",
        "price_type",
        "peg_offset",
        "post_only",
        "expire_time",
    )
)
_T_SECONDARY, _T_DISPLAYED = (_OPTION[n].tag for n in ("secondary_reference", "display_quantity"))


@kernel
def _number_option(at: int, tag: int, value: int) -> int:
    """A u32 option, if it is not 0; where the next begins."""
    if value == 0:
        return at
    store_be32(_option(at, tag, 4), value)
    return at + 6


@kernel
def _letter_option(at: int, tag: int, letter: int) -> int:
    if letter == 0:
        return at
    Bytes(_option(at, tag, 1))[0] = letter
    return at + 3


@kernel
def _accepted(
    event: EventRecord, row: OrderRow, session: SessionBlock, metadata: int, out: int
) -> int:
    """Write the acceptance; its options are those of the order, in the order of their tags."""
    own = Ouch50Order(row + rows.OWN)
    reference = event.seq
    OuchRow(row).reference = reference
    _begin(out, _SIZE_A, _A, session, ouch.OuchRow(row).user_ref)
    Bytes(out)[_ACCEPTED.side] = own.side
    store_be32(out + _ACCEPTED.quantity, ouch.quantity32(event.qty_lots))
    store_any64(out + _ACCEPTED.symbol, ouch.pad(row.symbol))
    store_be64(out + _ACCEPTED.price, _price4(event, row, session))
    Bytes(out)[_ACCEPTED.time_in_force] = own.tif
    Bytes(out)[_ACCEPTED.display] = own.display
    store_be64(out + _ACCEPTED.reference, reference)
    Bytes(out)[_ACCEPTED.capacity] = own.capacity
    Bytes(out)[_ACCEPTED.iso] = own.iso
    Bytes(out)[_ACCEPTED.cross] = own.cross
    Bytes(out)[_ACCEPTED.state] = _L
    ouch.copy14(out + _ACCEPTED.clordid, own + ouch50_in.CLORDID)
    at = out + _SIZE_A
    if metadata != 0:
        options = Ouch50Options(metadata + ouch50_in.OPTIONS)
        firm = options.firm
        if firm != 0:
            store_any32(_option(at, _T_FIRM, 4), firm)
            at += 6
        at = _number_option(at, _T_MIN, options.min_qty)
        at = _letter_option(at, _T_CUSTOMER, options.customer)
        at = _number_option(at, _T_FLOOR, options.max_floor)
        at = _letter_option(at, _T_TYPE, options.price_type)
        at = _number_option(at, _T_OFFSET, options.peg_offset)
        at = _letter_option(at, _T_POST, options.post_only)
        at = _number_option(at, _T_EXPIRE, options.expire)
    store_be16(out + _ACCEPTED.appendage_bytes, at - out - _SIZE_A)
    return at - out


@kernel
def _replaced(
    event: EventRecord, row: OrderRow, session: SessionBlock, metadata: int, out: int
) -> int:
    if metadata == 0:
        return 0
    own = Ouch50Order(row + rows.OWN)
    reference = event.seq
    before = OuchRow(row).reference
    if event.flags & _KEPT_PLACE and before != 0:
        reference = before
    OuchRow(row).reference = reference
    size = _begin(out, _SIZE_U, _U, session, ouch50_in.Ouch50Metadata(metadata).orig_ref)
    store_be32(out + _REPLACED.user_ref, ouch.OuchRow(row).user_ref)
    Bytes(out)[_REPLACED.side] = own.side
    store_be32(out + _REPLACED.quantity, ouch.quantity32(event.leaves_lots))
    store_any64(out + _REPLACED.symbol, ouch.pad(row.symbol))
    store_be64(out + _REPLACED.price, _price4(event, row, session))
    Bytes(out)[_REPLACED.time_in_force] = own.tif
    Bytes(out)[_REPLACED.display] = own.display
    store_be64(out + _REPLACED.reference, reference)
    Bytes(out)[_REPLACED.capacity] = own.capacity
    Bytes(out)[_REPLACED.iso] = own.iso
    Bytes(out)[_REPLACED.cross] = own.cross
    Bytes(out)[_REPLACED.state] = _L
    ouch.copy14(out + _REPLACED.clordid, own + ouch50_in.CLORDID)
    store_be16(out + _REPLACED.appendage_bytes, 0)
    return size


@kernel
def _canceled(
    event: EventRecord, row: int, session: SessionBlock, metadata: CommandMetadata, out: int
) -> int:
    user_ref, gone = ouch.OuchRow(row).user_ref, ouch.quantity32(event.qty_lots)
    ouch.count_reduction(event, row)
    if event.reason == _SELF_TRADE:
        size = _begin(out, _SIZE_D, _D, session, user_ref)
        store_be32(out + _AIQ.quantity, gone)
        Bytes(out)[_AIQ.reason] = _Q
        store_be32(out + _AIQ.prevented, gone)
        store_be64(out + _AIQ.price, ouch.event_price4(event, session))
        Bytes(out)[_AIQ.liquidity] = _R if is_taker(event, metadata) else _A
        mode = session.self_trade
        Bytes(out)[_AIQ.strategy] = ouch.STRATEGY_LETTER[mode]
        return size
    is_reduced = event.kind == _K_REDUCED
    if is_reduced and metadata != 0 and metadata.message == _M:
        side = Ouch50Order(metadata + command_metadata.OWN).side
        Ouch50Order(row + rows.OWN).side = side
        return _modified(session, user_ref, side, event.leaves_lots, out)
    size = _begin(out, _SIZE_C, _C, session, user_ref)
    store_be32(out + _CANCELED.quantity, gone)
    Bytes(out)[_CANCELED.reason] = cancel_letter(event, metadata)
    return size


@kernel
def _modified(session: SessionBlock, user_ref: int, side: int, leaves: int, out: int) -> int:
    size = _begin(out, _SIZE_M, _M, session, user_ref)
    Bytes(out)[_MODIFIED.side] = side
    store_be32(out + _MODIFIED.quantity, ouch.quantity32(leaves))
    return size


@kernel
def _priority(event: EventRecord, row: OuchRow, session: SessionBlock, out: int) -> int:
    if event.flags & _WAITING:
        return 0
    reference = event.seq
    row.reference = reference
    size = _begin(out, _SIZE_T, _T, session, ouch.OuchRow(row).user_ref)
    store_be64(out + _PRIORITY.price, ouch.event_price4(event, session))
    Bytes(out)[_PRIORITY.display] = Ouch50Order(row + rows.OWN).display
    store_be64(out + _PRIORITY.reference, reference)
    return size


@kernel
def _restated(event: EventRecord, row: OuchRow, session: SessionBlock, out: int) -> int:
    """An iceberg's next slice: the number it has in market data, and how much it shows."""
    reference = event.seq
    row.reference = reference
    size = _begin(out, _SIZE_R, _R, session, ouch.OuchRow(row).user_ref)
    Bytes(out)[_RESTATED.reason] = _R
    at = out + size
    store_be64(_option(at, _T_SECONDARY, 8), reference)
    at += 10
    store_be32(_option(at, _T_DISPLAYED, 4), ouch.quantity32(event.qty_lots))
    store_be16(out + _RESTATED.appendage_bytes, 16)
    return size + 16


@kernel
def _rejected(
    event: EventRecord, row: OuchRow, session: SessionBlock, metadata: CommandMetadata, out: int
) -> int:
    """Like OUCH 4.2; a mass cancel that the core rejects is a Rejected, too."""
    if metadata == 0:
        return 0
    message, reason = metadata.message, event.reason
    if message in (_O, _U, _C):
        if message == _U and reason == _UNKNOWN_ORDER:
            return 0
        code = _REASON_CODE[reason & 63]
        if reason == _GATEWAY:
            code = _GATEWAY_CODE[ouch.gateway_bit(event)]
        elif reason == _RISK:
            code = _RISK_CODE[ouch.risk_bit(event)]
        return _reject(session, metadata, code, out)
    if message not in (_X, _M) or reason == _UNKNOWN_ORDER:
        return 0
    ouch.count_returned(event, row)
    return _begin(out, _SIZE_I, _I, session, ouch50_in.Ouch50Metadata(metadata).orig_ref)


@kernel
def _reject(session: SessionBlock, metadata: CommandMetadata, code: int, out: int) -> int:
    size = _begin(out, _SIZE_J, _J, session, metadata.client_seq)
    store_be16(out + _REJECTED.reason, code)
    own = metadata + command_metadata.OWN
    if metadata.message in (_O, _U):
        ouch.copy14(out + _REJECTED.clordid, own + ouch50_in.CLORDID)
    else:
        store_any64(out + _REJECTED.clordid, ouch.SPACES)
        store_any64(out + _REJECTED.clordid + 6, ouch.SPACES)
    return size


@kernel
def refuse(
    metadata: CommandMetadata, order: OrderRecord, session: SessionBlock, out: int, room: int
) -> int:
    """Like ouch42_out.refuse; disable, enable and query are answered in this way, too."""
    if room < MAX_BYTES:
        return NO_ROOM
    message, refused = metadata.message, metadata.refused
    if refused == _R_QUERIED:
        return _begin(out, _SIZE_Q, _Q, session, metadata.client_seq)
    if refused in (_R_DISABLE, _R_ENABLE):
        kind = _G if refused == _R_DISABLE else _K
        size = _begin(out, _SIZE_G, kind, session, metadata.client_seq)
        store_any32(out + _ENTRY.firm, load_any32(metadata + ouch50_in.OPTIONS + ouch50_in.FIRM))
        return size
    if message in (_X, _M):
        orig = ouch50_in.Ouch50Metadata(metadata).orig_ref
        if refused != _R_MODIFIED:
            return _begin(out, _SIZE_I, _I, session, orig)
        side = Ouch50Order(metadata + command_metadata.OWN).side
        row = ouch.modified(session, ouch50_in.SIDE, side)
        return 0 if row == 0 else _modified(session, orig, side, row.leaves, out)
    return _reject(session, metadata, _REFUSAL_CODE[refused], out)
