"""OUCH 4.2, what comes in: the bytes of a message to an order record and its metadata.

``tests/oracles/order_entry/ouch42.py`` says the same slowly.  Source: Nasdaq, O*U*C*H 4.2,
sections 2 and 3.

``message``, ``token`` and ``metadata`` are addresses: of the message after its packet's header, of
14 bytes of a token, and of the command's :class:`CommandMetadata`.
"""

from openoutcry.order_entry import command_metadata, constants, ouch, rows, soupbin
from openoutcry.order_entry.command_metadata import CommandMetadata
from openoutcry.order_entry.ouch import OuchRow, Refusal
from openoutcry.order_entry.rows import OrderRow
from openoutcry.order_entry.session import SessionBlock
from openoutcry.wire import enum_numbers
from openoutcry.wire.big_endian import (
    load_any16,
    load_any32,
    load_any64,
    load_be32,
    store_any32,
    store_any64,
)
from openoutcry.wire.enums import OrderType, TimeInForce
from openoutcry.wire.kernel import kernel
from openoutcry.wire.layout import Bytes, Layout, area, u8, u32
from openoutcry.wire.memory import (
    store_i64,
)
from openoutcry.wire.messages import OUCH42
from openoutcry.wire.order_types import FOR_AUCTIONS
from openoutcry.wire.printable import is_printable
from openoutcry.wire.record_blocks import OrderRecord
from openoutcry.wire.words import ORDER_TYPES, TIMES, value

HEADER = soupbin.HEADER_BYTES

# Offsets of the protocol's fields, in a message; of an order's, in a record.
_ENTER, _REPLACE, _CANCEL, _MODIFY = (message.at for message in OUCH42.client)
_IN_BYTES = {message.kind: message.size_bytes for message in OUCH42.client}
_ENTER_BYTES, _REPLACE_BYTES = _IN_BYTES["O"], _IN_BYTES["U"]
_CANCEL_BYTES, _MODIFY_BYTES = _IN_BYTES["X"], _IN_BYTES["M"]


class Ouch42Order(Layout, size_bytes=24):
    """The protocol's own 24 bytes of a command's metadata and of an order's row: as they were in
    the message, the numbers in our byte order."""

    firm: int = area(4, "the firm")
    display: int = u8("display")
    capacity: int = u8("capacity")
    iso: int = u8("intermarket sweep eligibility")
    cross: int = u8("cross type")
    customer: int = u8("customer type")
    side: int = u8("side, as a letter")
    tif: int = u32("time in force", at=12)
    min_qty: int = u32("minimum quantity")
    liable: int = u32("the message's shares")


FIRM = Ouch42Order.offset("firm")
CROSS = Ouch42Order.offset("cross")
SIDE = Ouch42Order.offset("side")

TOKEN_BYTES = 14
_PROTOCOL = constants.PROTOCOL_OUCH42
_APPLICATION, _IGNORE = constants.KIND_APPLICATION, constants.KIND_IGNORE
_BAD_LENGTH, _UNKNOWN_TYPE = constants.FAULT_BAD_LENGTH, constants.FAULT_UNKNOWN_TYPE
_NEW, _CANCEL_KIND, _REDUCE = (
    enum_numbers.COMMAND_KIND_NEW,
    enum_numbers.COMMAND_KIND_CANCEL,
    enum_numbers.COMMAND_KIND_REDUCE,
)
_LIMIT, _MARKET, _SLIDE, _HIDDEN, _MIDPOINT, _MIN_QTY = (
    enum_numbers.ORDER_TYPE_LIMIT,
    enum_numbers.ORDER_TYPE_MARKET,
    enum_numbers.ORDER_TYPE_POST_ONLY_SLIDE,
    enum_numbers.ORDER_TYPE_HIDDEN,
    enum_numbers.ORDER_TYPE_PEG_MIDPOINT,
    enum_numbers.ORDER_TYPE_MIN_QTY,
)
_DAY, _IOC, _GTD, _AT_OPEN, _AT_CLOSE = (
    enum_numbers.TIME_IN_FORCE_DAY,
    enum_numbers.TIME_IN_FORCE_IOC,
    enum_numbers.TIME_IN_FORCE_GTD,
    enum_numbers.TIME_IN_FORCE_AT_OPEN,
    enum_numbers.TIME_IN_FORCE_AT_CLOSE,
)
_TIF_MARKET_HOURS = 99_998
_TIF_SYSTEM_HOURS = int(value(TIMES.say("OUCH 4.2", TimeInForce.DAY)))
_TIF_IOC = int(value(TIMES.say("OUCH 4.2", TimeInForce.IOC)))
_OPENING, _CLOSING = (ord(value(TIMES.say("OUCH 4.2", tif))) for tif in FOR_AUCTIONS)
TIMES.require_read("OUCH 4.2", map(TimeInForce, (_DAY, _IOC, _GTD, _AT_OPEN, _AT_CLOSE)))

_R_SIDE, _R_QTY, _R_SYMBOL, _R_PRICE, _R_TIF, _R_DISPLAY, _R_CAPACITY, _R_ISO = range(1, 9)
_R_MIN_QTY, _R_CROSS, _R_CUSTOMER, _R_TOKEN = range(9, 13)
assert Refusal.ISO == _R_ISO
assert Refusal.TOKEN == _R_TOKEN
_R_REPLACE, _R_MODIFIED = constants.OUCH_REFUSAL_REPLACE, constants.OUCH_REFUSAL_MODIFIED

_O, _U, _X, _M = (ord(letter) for letter in "OUXM")
_B, _N, _R, _Y, _SPACE = (ord(letter) for letter in "BNRY ")
_SHOWN, _DARK, _POST_ONLY, _PEGGED = (
    ouch.letter_mask(value(ORDER_TYPES.say("OUCH 4.2", OrderType(order_type))))
    for order_type in (_LIMIT, _HIDDEN, _SLIDE, _MIDPOINT)
)
ORDER_TYPES.require_read(
    "OUCH 4.2", map(OrderType, (_LIMIT, _MARKET, _SLIDE, _HIDDEN, _MIDPOINT, _MIN_QTY))
)
_CAPACITIES = ouch.letter_mask("APRO")
_SELLS = ouch.letter_mask("STE")


@kernel
def decode(
    packet: int, length: int, session: SessionBlock, order: OrderRecord, metadata: int
) -> int:
    """Read a whole packet (:func:`frame`) of a client.

    ``order``: a record of zeros but for participant and rx_ts_ns; ``metadata``: 128 bytes, all of
    them written if this returns APPLICATION.  Returns a faults.Kind, or a faults.Fault below zero.
    A message that is refused has its reason in the metadata and leaves the record's kind at 0.
    What names an open order (U X M) is not finished before :func:`complete`.
    """
    what = soupbin.classify(packet, length)
    if what != _APPLICATION:
        return what
    message = packet + HEADER
    size = length - HEADER
    kind = Bytes(message)[0]
    if kind == _O:
        if size != _ENTER_BYTES:
            return _BAD_LENGTH
        _decode_enter(message, session, order, metadata)
        return _APPLICATION
    if kind == _U:
        if size != _REPLACE_BYTES:
            return _BAD_LENGTH
        _decode_replace(message, session, order, metadata)
        return _APPLICATION
    if kind in (_X, _M):
        if size != (_CANCEL_BYTES if kind == _X else _MODIFY_BYTES):
            return _BAD_LENGTH
        _decode_cancel(message, kind, session, order, metadata)
        return _APPLICATION
    return _UNKNOWN_TYPE


@kernel
def _clear_names(metadata: int) -> None:
    for offset in range(8, 128, 8):
        store_i64(metadata + offset, 0)


@kernel
def _token_refusal(token: int) -> int:
    first, last = load_any64(token), load_any64(token + 6)
    good = ouch.is_token_word(first) and ouch.is_token_word(last)
    blank = first == ouch.SPACES and last == ouch.SPACES
    return 0 if good and not blank else _R_TOKEN


@kernel
def _decode_enter(message: int, session: SessionBlock, order: OrderRecord, metadata: int) -> None:
    _clear_names(metadata)
    own = Ouch42Order(metadata + command_metadata.OWN)
    ouch.copy14(metadata + command_metadata.TOKEN, message + _ENTER.token)
    shares, tif = load_be32(message + _ENTER.shares), load_be32(message + _ENTER.time_in_force)
    min_qty, side = load_be32(message + _ENTER.min_qty), Bytes(message)[_ENTER.side]
    # firm, display, capacity, iso unchanged; cross, customer
    store_any64(own, load_any64(message + _ENTER.firm))
    store_any32(own + CROSS, load_any16(message + _ENTER.cross) | side << 16)
    own.tif = tif
    own.min_qty = min_qty
    own.liable = shares
    refused = _token_refusal(message + _ENTER.token)
    if not is_printable(own, 4):
        refused = _R_TOKEN
    symbol = ouch.unpad(load_any64(message + _ENTER.symbol))
    order.symbol = symbol
    order.qty_lots = shares
    price4 = load_be32(message + _ENTER.price)
    if refused == 0:
        refused = _enter_terms(order, own, session, symbol, price4)
    if refused != 0:
        order.kind_to_tif = 0
        if not is_printable(message + _ENTER.symbol, 8):
            order.symbol = 0
    word = ouch.metadata_word(session, _PROTOCOL, _O, refused, TOKEN_BYTES)
    store_i64(metadata, word)


@kernel
def _enter_terms(
    order: OrderRecord, own: Ouch42Order, session: SessionBlock, symbol: int, price4: int
) -> int:
    """Fill the rest of a new order's record; returns why it is refused, or 0."""
    side, shares = own.side, own.liable
    if side != _B and not ouch.is_letter_of(side, _SELLS):
        return _R_SIDE
    if shares == 0:
        return _R_QTY
    scale = ouch.symbol_scale(session, symbol)
    if scale == 0:
        return _R_SYMBOL
    is_market = price4 == ouch.MARKET_PRICE4 or price4 == ouch.MARKET_CROSS_PRICE4
    if not is_market:
        if price4 == 0 or price4 > ouch.MAX_PRICE4:
            return _R_PRICE
        ticks = price4
        if scale != 1:
            ticks = price4 // scale
            if ticks * scale != price4:
                return _R_PRICE
        order.price_ticks = ticks
    tif = own.tif
    seconds = tif if tif < ouch.DAY_SECONDS else 0
    if seconds == 0 and tif != _TIF_IOC and not _TIF_MARKET_HOURS <= tif <= _TIF_SYSTEM_HOURS:
        return _R_TIF
    time_in_force = _DAY
    if tif == _TIF_IOC:
        time_in_force = _IOC
    elif seconds != 0:
        time_in_force = _GTD
        order.aux = order.rx_ts_ns + seconds * ouch.NS
    display = own.display
    order_type = _LIMIT
    if not ouch.is_letter_of(display, _SHOWN):
        if ouch.is_letter_of(display, _DARK):
            # What never rests shows nothing anyway.
            order_type = _LIMIT if time_in_force == _IOC else _HIDDEN
        elif ouch.is_letter_of(display, _POST_ONLY):
            order_type = _SLIDE
        elif ouch.is_letter_of(display, _PEGGED):
            order_type = _MIDPOINT
        else:
            return _R_DISPLAY
        if order_type != _LIMIT and order_type != _HIDDEN and (is_market or time_in_force == _IOC):
            return _R_DISPLAY
        if order_type == _MIDPOINT and time_in_force == _GTD:
            return _R_TIF
    if not ouch.is_letter_of(own.capacity, _CAPACITIES):
        return _R_CAPACITY
    iso = own.iso
    if iso != _N and iso != _Y:
        return _R_ISO
    min_qty = own.min_qty
    if is_market:
        if min_qty != 0:
            return _R_MIN_QTY
        if time_in_force == _GTD:
            return _R_TIF
        order_type = _MARKET
    elif min_qty != 0:
        if order_type != _LIMIT or time_in_force == _GTD or min_qty > shares:
            return _R_MIN_QTY
        order_type = _MIN_QTY
        order.aux = min_qty
    cross = own.cross
    if cross != _N:
        if cross != _OPENING and cross != _CLOSING:
            return _R_CROSS
        if (order_type != _LIMIT and order_type != _MARKET) or time_in_force == _GTD:
            return _R_CROSS
        time_in_force = _AT_OPEN if cross == _OPENING else _AT_CLOSE
    customer = own.customer
    if customer != _N and customer != _SPACE and customer != _R:
        return _R_CUSTOMER
    mode = session.self_trade << 4
    core_side = 1 if side == _B else 2
    order.kind_to_tif = _NEW | core_side << 8 | order_type << 16 | (time_in_force | mode) << 24
    return 0


@kernel
def _decode_replace(message: int, session: SessionBlock, order: OrderRecord, metadata: int) -> None:
    """The price has four decimals in the record until the instrument is known."""
    _clear_names(metadata)
    own = Ouch42Order(metadata + command_metadata.OWN)
    ouch.copy14(metadata + command_metadata.ORIG, message + _REPLACE.token)
    ouch.copy14(metadata + command_metadata.TOKEN, message + _REPLACE.new_token)
    shares, price4 = load_be32(message + _REPLACE.shares), load_be32(message + _REPLACE.price)
    tif, display = load_be32(message + _REPLACE.time_in_force), Bytes(message)[_REPLACE.display]
    min_qty, iso = load_be32(message + _REPLACE.min_qty), Bytes(message)[_REPLACE.iso]
    own.display = display
    own.iso = iso
    own.tif = tif
    own.min_qty = min_qty
    own.liable = shares
    order.qty_lots = shares
    order.price_ticks = price4
    refused = _token_refusal(message + _REPLACE.new_token)
    if refused == 0:
        if shares == 0:
            refused = _R_QTY
        elif price4 == 0 or price4 > ouch.MAX_PRICE4:
            refused = _R_PRICE
        elif iso != _N and iso != _Y:
            refused = _R_ISO
        elif min_qty != 0:
            refused = _R_MIN_QTY
    names = TOKEN_BYTES | TOKEN_BYTES << 8
    store_i64(metadata, ouch.metadata_word(session, _PROTOCOL, _U, refused, names))


@kernel
def _decode_cancel(
    message: int, kind: int, session: SessionBlock, order: int, metadata: int
) -> None:
    """X and M name the order by its token; what remains of it is known in :func:`complete`."""
    _clear_names(metadata)
    ouch.copy14(metadata + command_metadata.ORIG, message + _CANCEL.token)
    refused = 0
    shares = load_be32(message + _CANCEL.shares)
    if kind == _M:
        side = Bytes(message)[_MODIFY.side]
        shares = load_be32(message + _MODIFY.shares)
        Ouch42Order(metadata + command_metadata.OWN).side = side
        if side != _B and not ouch.is_letter_of(side, _SELLS):
            refused = _R_SIDE
    Ouch42Order(metadata + command_metadata.OWN).liable = shares
    store_i64(metadata, ouch.metadata_word(session, _PROTOCOL, kind, refused, TOKEN_BYTES << 8))


@kernel
def complete(
    order: OrderRecord, metadata: CommandMetadata, row: OrderRow, session: SessionBlock
) -> int:
    """Finish a message that names an open order (U X M), once its row is known (0: no order).

    Returns APPLICATION, or IGNORE for what the protocol ignores in silence: an order that is
    unknown or done, a cancel that takes nothing off.  A replace's new row takes ``qty_lots`` of the
    record as its QTY until it is accepted, and the metadata's own bytes.
    """
    if row == 0 or row.state == rows.DONE:
        return _IGNORE
    order.order_id = row.order_id
    order.symbol = row.symbol
    if metadata.message == _U:
        return _complete_replace(order, metadata, row, session)
    if metadata.refused != 0:
        return _APPLICATION
    shares = Ouch42Order(metadata + command_metadata.OWN).liable
    now = ouch.size_of(row, Ouch42Order(row + rows.OWN).liable)
    is_modify = metadata.message == _M
    if is_modify:
        side, was = (
            Ouch42Order(metadata + command_metadata.OWN).side,
            Ouch42Order(row + rows.OWN).side,
        )
        if (side == _B) != (was == _B) or shares > now:
            metadata.refused = _R_REPLACE
            return _APPLICATION
    if shares >= now:
        if is_modify:
            metadata.refused = _R_MODIFIED
            return _APPLICATION
        return _IGNORE
    order.qty_lots = now - shares
    if shares == 0:
        order.kind = _CANCEL_KIND
    else:
        order.kind = _REDUCE
        ouch.send_reduction(OuchRow(row), now - shares)
    return _APPLICATION


@kernel
def _complete_replace(
    order: OrderRecord, metadata: CommandMetadata, row: OrderRow, session: SessionBlock
) -> int:
    own, old = Ouch42Order(metadata + command_metadata.OWN), Ouch42Order(row + rows.OWN)
    # What a replace cannot change stays as it was.
    store_any32(own + FIRM, load_any32(old + FIRM))
    own.capacity = old.capacity
    own.cross = old.cross
    own.customer = old.customer
    own.side = old.side
    refused = metadata.refused
    order_type = row.order_type
    price4, liable = order.price_ticks, own.liable
    if refused == 0:
        refused = _replace_refusal(own, old, order_type)
    open_lots = liable - ouch.executed(row, old.liable)
    order.qty_lots = max(open_lots, 0)
    if refused == 0 and ouch.is_replace(order, row, session, price4, open_lots):
        ouch.say_known(order, row, old.liable)
    elif refused in (0, _R_QTY, _R_PRICE):
        order.kind = _CANCEL_KIND
        refused = 0
    metadata.refused = refused
    return _APPLICATION


@kernel
def _replace_refusal(own: Ouch42Order, old: Ouch42Order, order_type: int) -> int:
    """An open order keeps its type and its time in force."""
    if order_type == _MARKET:
        return _R_REPLACE
    new, was = own.display, old.display
    if new != was and not (ouch.is_letter_of(new, _SHOWN) and ouch.is_letter_of(was, _SHOWN)):
        return _R_DISPLAY
    tif, before = own.tif, old.tif
    days = _TIF_MARKET_HOURS <= tif <= _TIF_SYSTEM_HOURS
    if tif != before and not (days and _TIF_MARKET_HOURS <= before <= _TIF_SYSTEM_HOURS):
        return _R_TIF
    return 0
