"""OUCH 5.0, what comes in: the bytes of a message and its options to an order record and its
metadata.

An order's name is its UserRefNum, four bytes of the metadata's token; numbers must rise.
``tests/oracles/order_entry/ouch50.py`` says the same slowly.  Source: Nasdaq, OUCH 5.0,
sections 2 and 3.

``message`` and ``metadata`` are addresses: of the message after its packet's header, and of the
command's :class:`CommandMetadata`; options lie from ``at`` to ``end``.
"""

from openoutcry.order_entry import command_metadata, constants, ouch, rows, soupbin
from openoutcry.order_entry.command_metadata import CommandMetadata
from openoutcry.order_entry.ouch import OuchRow, OuchSession
from openoutcry.order_entry.rows import OrderRow
from openoutcry.order_entry.session import SessionBlock
from openoutcry.wire import enum_numbers
from openoutcry.wire.big_endian import (
    load_any32,
    load_any64,
    load_be16,
    load_be32,
    load_be64,
    store_any32,
    store_any64,
)
from openoutcry.wire.enums import OrderType, TimeInForce
from openoutcry.wire.kernel import kernel
from openoutcry.wire.layout import Bytes, Layout, area, i64, u8, u32
from openoutcry.wire.memory import (
    store_i64,
)
from openoutcry.wire.messages import OPTIONS50, OUCH50
from openoutcry.wire.printable import is_printable
from openoutcry.wire.record_blocks import OrderRecord
from openoutcry.wire.records import ORDER
from openoutcry.wire.words import ORDER_TYPES, TIMES, value

HEADER = soupbin.HEADER_BYTES
_IN = {message.kind: message for message in OUCH50.client}
_ENTER, _REPLACE, _CANCEL, _MODIFY = (_IN[kind].at for kind in "OUXM")
_MASS, _ENTRY = _IN["C"].at, _IN["D"].at
_SIZE_O, _SIZE_U, _SIZE_X, _SIZE_M, _SIZE_C, _SIZE_D, _SIZE_Q = (
    _IN[kind].size_bytes for kind in "OUXMCDQ"
)
_O, _U, _X, _M, _C, _D, _E, _Q = (ord(letter) for letter in "OUXMCDEQ")
_ORDER = ORDER.offsets
_SYMBOL = _ORDER["symbol"]


class Ouch50Order(Layout, size_bytes=24):
    """The protocol's own 24 bytes of a command's metadata and of an order's row."""

    client_order_id: int = area(14, "the client's name of the order")
    display: int = u8("display")
    capacity: int = u8("capacity")
    iso: int = u8("intermarket sweep eligibility")
    side: int = u8("side, as a letter")
    tif: int = u8("time in force")
    cross: int = u8("cross type")
    liable: int = u32("the message's shares")


class Ouch50Options(Layout, size_bytes=24):
    """Options as they were read: of a new order after the ``orig`` of the metadata, where they are
    durable; of a replace in the record, until complete() has used them."""

    customer: int = u8("customer type")
    price_type: int = u8("price type")
    post_only: int = u8("post only")
    unsupported: int = u8("why an option is refused, 0: none is")
    expire: int = u32("seconds until it expires")
    min_qty: int = u32("minimum quantity")
    max_floor: int = u32("largest part that is shown")
    peg_offset: int = u32("offset of a peg, price4")
    firm: int = u32("the firm, as it is in the message")


class Ouch50Metadata(CommandMetadata):
    """A command's metadata with UserRefNums for names."""

    user_ref: int = i64("UserRefNum", at=command_metadata.TOKEN)
    orig_ref: int = u32("UserRefNum of the order that it is about", at=command_metadata.ORIG)


CLORDID = Ouch50Order.offset("client_order_id")
SIDE = Ouch50Order.offset("side")
FIRM = Ouch50Options.offset("firm")

OPTIONS = command_metadata.ORIG + 8
MASS_SYMBOL = command_metadata.ORIG + 32
"""Offset of the symbol as sent, in the metadata of a mass cancel; its firm is among the options."""

_PROTOCOL = constants.PROTOCOL_OUCH50
_APPLICATION, _IGNORE = constants.KIND_APPLICATION, constants.KIND_IGNORE
_BAD_LENGTH, _UNKNOWN_TYPE = constants.FAULT_BAD_LENGTH, constants.FAULT_UNKNOWN_TYPE
_NEW, _CANCEL_KIND, _REDUCE, _MASS_CANCEL = (
    enum_numbers.COMMAND_KIND_NEW,
    enum_numbers.COMMAND_KIND_CANCEL,
    enum_numbers.COMMAND_KIND_REDUCE,
    enum_numbers.COMMAND_KIND_MASS_CANCEL,
)
_LIMIT, _MARKET, _SLIDE, _HIDDEN, _MIN_QTY, _ICEBERG = (
    enum_numbers.ORDER_TYPE_LIMIT,
    enum_numbers.ORDER_TYPE_MARKET,
    enum_numbers.ORDER_TYPE_POST_ONLY_SLIDE,
    enum_numbers.ORDER_TYPE_HIDDEN,
    enum_numbers.ORDER_TYPE_MIN_QTY,
    enum_numbers.ORDER_TYPE_ICEBERG,
)
_MIDPOINT, _PRIMARY, _PEG_MARKET = (
    enum_numbers.ORDER_TYPE_PEG_MIDPOINT,
    enum_numbers.ORDER_TYPE_PEG_PRIMARY,
    enum_numbers.ORDER_TYPE_PEG_MARKET,
)
_DAY, _IOC, _GTD, _AT_OPEN, _AT_CLOSE = (
    enum_numbers.TIME_IN_FORCE_DAY,
    enum_numbers.TIME_IN_FORCE_IOC,
    enum_numbers.TIME_IN_FORCE_GTD,
    enum_numbers.TIME_IN_FORCE_AT_OPEN,
    enum_numbers.TIME_IN_FORCE_AT_CLOSE,
)
_R_SIDE, _R_QTY, _R_SYMBOL, _R_PRICE, _R_TIF, _R_DISPLAY, _R_CAPACITY, _R_ISO = (
    constants.OUCH_REFUSAL_SIDE,
    constants.OUCH_REFUSAL_QTY,
    constants.OUCH_REFUSAL_SYMBOL,
    constants.OUCH_REFUSAL_PRICE,
    constants.OUCH_REFUSAL_TIME_IN_FORCE,
    constants.OUCH_REFUSAL_DISPLAY,
    constants.OUCH_REFUSAL_CAPACITY,
    constants.OUCH_REFUSAL_ISO,
)
_R_MIN_QTY, _R_CROSS, _R_CUSTOMER, _R_OPTION, _R_MAX_FLOOR, _R_PEG, _R_ROUTE, _R_RETAIL = (
    constants.OUCH_REFUSAL_MIN_QTY,
    constants.OUCH_REFUSAL_CROSS,
    constants.OUCH_REFUSAL_CUSTOMER,
    constants.OUCH_REFUSAL_OPTION,
    constants.OUCH_REFUSAL_MAX_FLOOR,
    constants.OUCH_REFUSAL_PEG,
    constants.OUCH_REFUSAL_ROUTE,
    constants.OUCH_REFUSAL_RETAIL,
)
_R_POST_ONLY, _R_DISABLED, _R_REPLACE, _R_MODIFIED, _R_QUERIED, _R_DISABLE, _R_ENABLE = (
    constants.OUCH_REFUSAL_POST_ONLY,
    constants.OUCH_REFUSAL_DISABLED,
    constants.OUCH_REFUSAL_REPLACE,
    constants.OUCH_REFUSAL_MODIFIED,
    constants.OUCH_REFUSAL_QUERIED,
    constants.OUCH_REFUSAL_DISABLE,
    constants.OUCH_REFUSAL_ENABLE,
)
_R_TOKEN, _BLANK = constants.OUCH_REFUSAL_TOKEN, 0x20202020
_B, _L, _N, _R, _Y, _SPACE = (ord(letter) for letter in "BLNRY ")
_T_DAY, _T_IOC, _T_GTD, _OPENING, _CLOSING = (
    ord(value(TIMES.say("OUCH 5.0", TimeInForce(tif))))
    for tif in (_DAY, _IOC, _GTD, _AT_OPEN, _AT_CLOSE)
)
_T_EXTENDED = ord("5")
"""Extended hours: the day, too."""
TIMES.require_read("OUCH 5.0", map(TimeInForce, (_DAY, _IOC, _GTD, _AT_OPEN, _AT_CLOSE)))
_SHOWN, _CAPACITIES = (
    ouch.letter_mask(value(ORDER_TYPES.say("OUCH 5.0", OrderType.LIMIT))),
    ouch.letter_mask("APRO"),
)
_P_SLIDE, _P_PRIMARY, _P_MARKET = (
    ord(value(ORDER_TYPES.say("OUCH 5.0", OrderType(order_type))))
    for order_type in (_SLIDE, _PRIMARY, _PEG_MARKET)
)
_P_MIDPOINT = ouch.letter_mask(value(ORDER_TYPES.say("OUCH 5.0", OrderType.PEG_MIDPOINT)))
ORDER_TYPES.require_read(
    "OUCH 5.0",
    map(
        OrderType,
        (_LIMIT, _MARKET, _SLIDE, _HIDDEN, _MIN_QTY, _ICEBERG, _MIDPOINT, _PRIMARY, _PEG_MARKET),
    ),
)
_SELLS, _RETAIL_HANDLING = ouch.letter_mask("STE"), ouch.letter_mask("OTQ")

# Of each tag: bytes of its value, and the messages that may have it.
_TAGS = {option.tag: option for option in OPTIONS50}
_TAG_BYTES = tuple(_TAGS[t].field.size_bytes if t in _TAGS else 0 for t in range(32))
_ENTER_TAGS = sum(1 << tag for tag, option in _TAGS.items() if option.enters)
_REPLACE_TAGS = sum(1 << tag for tag, option in _TAGS.items() if option.replaces)
_NAMES = {option.field.name: option.tag for option in OPTIONS50}
_T_FIRM, _T_MIN, _T_CUSTOMER, _T_FLOOR = (
    _NAMES[n] for n in ("firm", "min_qty", "customer", "max_floor")
)
_T_PRICE_TYPE, _T_OFFSET, _T_POST_ONLY, _T_ROUTE = (
    _NAMES[n] for n in ("price_type", "peg_offset", "post_only", "route")
)
_T_EXPIRE, _T_NOW, _T_HANDLE, _T_INDEX, _T_SIDE = (
    _NAMES[n] for n in ("expire_time", "trade_now", "handle_inst", "user_ref_index", "side")
)
_UNSUPPORTED = sum(
    1 << _NAMES[n]
    for n in (
        "discretion_price",
        "discretion_price_type",
        "discretion_peg_offset",
        "random_reserves",
    )
)


@kernel
def decode(
    packet: int, length: int, session: SessionBlock, order: OrderRecord, metadata: CommandMetadata
) -> int:
    """Like ouch42_in.decode. A UserRefNum of a new order, replace, mass cancel, disable or enable
    that is not above all before is ignored, as the specification says."""
    what = soupbin.classify(packet, length)
    if what != _APPLICATION:
        return what
    message, size = packet + HEADER, length - HEADER
    kind = Bytes(message)[0]
    if kind == _O:
        if size < _SIZE_O or size != _SIZE_O + load_be16(message + _ENTER.appendage_bytes):
            return _BAD_LENGTH
        return _decode_enter(message, size, session, order, metadata)
    if kind == _U:
        if size < _SIZE_U or size != _SIZE_U + load_be16(message + _REPLACE.appendage_bytes):
            return _BAD_LENGTH
        return _decode_replace(message, size, session, order, metadata)
    fixed = 0
    if kind == _X:
        fixed = _SIZE_X
    elif kind == _M:
        fixed = _SIZE_M
    elif kind == _C:
        fixed = _SIZE_C
    elif kind in (_D, _E):
        fixed = _SIZE_D
    elif kind == _Q:
        fixed = _SIZE_Q
    else:
        return _UNKNOWN_TYPE
    if size != fixed and (size < fixed + 2 or size != fixed + 2 + load_be16(message + fixed)):
        return _BAD_LENGTH
    _clear(metadata)
    wrong = 0
    if size > fixed + 2:
        options = Ouch50Options(metadata + OPTIONS)
        wrong = _read_options(message + fixed + 2, message + size, 1 << _T_INDEX, options)
        if wrong == 0:
            wrong = options.unsupported
        options.unsupported = 0
    if kind in (_X, _M):
        _decode_cancel(message, kind, session, metadata, wrong)
        return _APPLICATION
    return _decode_other(message, kind, session, order, metadata, wrong)


@kernel
def _clear(metadata: int) -> None:
    for offset in range(0, 128, 8):
        store_i64(metadata + offset, 0)


@kernel
def _takes(session: OuchSession, user_ref: int) -> bool:
    """Return whether the number is above all before; from here on it is one of them."""
    if user_ref <= session.last_user_ref:
        return False
    session.last_user_ref = user_ref
    return True


@kernel
def _name(
    metadata: CommandMetadata,
    session: SessionBlock,
    kind: int,
    user_ref: int,
    orig: int,
    refused: int,
) -> None:
    """The metadata's first words, and the order's names."""
    names = (4 if user_ref else 0) | (4 if orig else 0) << 8
    store_i64(metadata, ouch.metadata_word(session, _PROTOCOL, kind, refused, names))
    metadata.client_seq = user_ref
    Ouch50Metadata(metadata).user_ref = user_ref
    Ouch50Metadata(metadata).orig_ref = orig


@kernel
def _read_options(at: int, end: int, allowed: int, options: Ouch50Options) -> int:
    """Read the options of a message; why they are refused, or 0."""
    seen = 0
    while at < end:
        size = Bytes(at)[0]
        if size < 2 or at + 1 + size > end:
            return _R_OPTION
        tag, value = Bytes(at)[1], at + 2
        if tag > 31 or allowed >> tag & 1 == 0 or seen >> tag & 1 or size - 1 != _TAG_BYTES[tag]:
            return _R_OPTION
        seen |= 1 << tag
        letter = Bytes(value)[0]
        if tag == _T_FIRM:
            if not is_printable(value, 4):
                return _R_OPTION
            store_any32(options + FIRM, load_any32(value))
        elif tag == _T_MIN:
            options.min_qty = load_be32(value)
        elif tag == _T_FLOOR:
            options.max_floor = load_be32(value)
        elif tag == _T_EXPIRE:
            options.expire = load_be32(value)
        elif tag == _T_OFFSET:
            options.peg_offset = load_be32(value)
        elif tag == _T_CUSTOMER:
            options.customer = letter
        elif tag == _T_PRICE_TYPE:
            options.price_type = letter
        elif tag == _T_POST_ONLY:
            options.post_only = letter
        else:
            wrong = _unsupported(tag, letter)
            if wrong != 0:
                options.unsupported = wrong
        at += 1 + size
    return 0


@kernel
def _unsupported(tag: int, letter: int) -> int:
    """Return why an option that is only checked is refused, or 0."""
    if tag == _T_ROUTE:
        return _R_ROUTE
    if tag == _T_HANDLE and letter != _SPACE:
        return _R_RETAIL if ouch.is_letter_of(letter, _RETAIL_HANDLING) else _R_CROSS
    if tag == _T_NOW and letter not in (_N, _SPACE):
        return _R_OPTION
    if tag == _T_SIDE or (tag == _T_INDEX and letter != 0):
        return _R_OPTION
    return _R_OPTION if _UNSUPPORTED >> tag & 1 else 0


@kernel
def _decode_enter(
    message: int, size: int, session: SessionBlock, order: OrderRecord, metadata: CommandMetadata
) -> int:
    user_ref = load_be32(message + _ENTER.user_ref)
    if not _takes(OuchSession(session), user_ref):
        return _IGNORE
    _clear(metadata)
    own, options = Ouch50Order(metadata + command_metadata.OWN), Ouch50Options(metadata + OPTIONS)
    ouch.copy14(own + CLORDID, message + _ENTER.clordid)
    own.display = Bytes(message)[_ENTER.display]
    own.capacity = Bytes(message)[_ENTER.capacity]
    own.iso = Bytes(message)[_ENTER.iso]
    own.side = Bytes(message)[_ENTER.side]
    own.tif = Bytes(message)[_ENTER.time_in_force]
    own.cross = Bytes(message)[_ENTER.cross]
    own.liable = load_be32(message + _ENTER.quantity)
    order.symbol = ouch.unpad(load_any64(message + _ENTER.symbol))
    order.qty_lots = load_be32(message + _ENTER.quantity)
    refused = _read_options(message + _SIZE_O, message + size, _ENTER_TAGS, options)
    if not is_printable(own + CLORDID, 14):
        refused = _R_TOKEN
    if OuchSession(session).is_disabled != 0:
        refused = _R_DISABLED
    if refused == 0:
        refused = _enter_terms(order, own, options, session, load_be64(message + _ENTER.price))
    if refused != 0:
        order.kind_to_tif = 0
        if not is_printable(message + _ENTER.symbol, 8):
            order.symbol = 0
    _name(metadata, session, _O, user_ref, 0, refused)
    return _APPLICATION


@kernel
def _enter_terms(
    order: OrderRecord, own: Ouch50Order, options: Ouch50Options, session: SessionBlock, price4: int
) -> int:
    """Fill the rest of a new order's record; returns why it is refused, or 0."""
    side, lots = own.side, own.liable
    if side != _B and not ouch.is_letter_of(side, _SELLS):
        return _R_SIDE
    if lots == 0:
        return _R_QTY
    scale = ouch.symbol_scale(session, order.symbol)
    if scale == 0:
        return _R_SYMBOL
    is_market = price4 in (ouch.MARKET_PRICE4, ouch.MARKET_CROSS_PRICE4)
    if not is_market:
        if price4 <= 0 or price4 > ouch.MAX_PRICE4 or price4 % scale != 0:
            return _R_PRICE
        order.price_ticks = price4 // scale
    tif, expire = own.tif, options.expire
    time_in_force = _DAY
    if tif == _T_GTD:
        if expire == 0 or expire >= ouch.DAY_SECONDS:
            return _R_TIF
        time_in_force = _GTD
        order.aux = order.rx_ts_ns + expire * ouch.NS
    elif expire != 0:
        return _R_TIF
    elif tif == _T_IOC:
        time_in_force = _IOC
    elif tif not in (_T_DAY, _T_EXTENDED):
        return _R_TIF
    display = own.display
    if display != _N and not ouch.is_letter_of(display, _SHOWN):
        return _R_DISPLAY
    if not ouch.is_letter_of(own.capacity, _CAPACITIES):
        return _R_CAPACITY
    if own.iso not in (_N, _Y):
        return _R_ISO
    if options.unsupported != 0:
        return options.unsupported
    if options.customer not in (0, _SPACE, _N, _R):
        return _R_CUSTOMER
    order_type = _LIMIT
    if is_market:
        order_type = _MARKET
    elif display == _N and time_in_force != _IOC:
        order_type = _HIDDEN
    order_type = _option_type(order, options, order_type, time_in_force, lots, scale)
    if order_type < 0:
        return -order_type
    cross = own.cross
    if cross != _N:
        if cross not in (_OPENING, _CLOSING) or time_in_force == _GTD:
            return _R_CROSS
        if order_type not in (_LIMIT, _MARKET):
            return _R_CROSS
        time_in_force = _AT_OPEN if cross == _OPENING else _AT_CLOSE
    mode = session.self_trade << 4
    core_side = 1 if side == _B else 2
    order.kind_to_tif = _NEW | core_side << 8 | order_type << 16 | (time_in_force | mode) << 24
    return 0


@kernel
def _option_type(
    order: OrderRecord,
    options: Ouch50Options,
    plain: int,
    time_in_force: int,
    lots: int,
    scale: int,
) -> int:
    """The order type that options make of a plain one (LIMIT, MARKET, HIDDEN), or -refusal. Each
    of post-only, peg, minimum and reserve is a separate type: one at a time."""
    price_type, post_only = options.price_type, options.post_only
    min_qty, max_floor = options.min_qty, options.max_floor
    offset = options.peg_offset
    offset = offset - (1 << 32) if offset >> 31 else offset
    if post_only not in (0, _N, _P_SLIDE):
        return -_R_POST_ONLY
    if price_type in (0, _L):
        if offset != 0:
            return -_R_PEG
    else:
        peg = _MIDPOINT
        if price_type == _P_PRIMARY:
            peg = _PRIMARY
        elif price_type == _P_MARKET:
            peg = _PEG_MARKET
        elif not ouch.is_letter_of(price_type, _P_MIDPOINT):
            return -_R_PEG
        if plain == _MARKET or time_in_force != _DAY or post_only == _P_SLIDE:
            return -_R_PEG
        if min_qty != 0 or max_floor != 0 or offset % scale != 0:
            return -_R_PEG
        order.aux = offset // scale
        return peg
    if post_only == _P_SLIDE:
        if plain != _LIMIT or time_in_force == _IOC or min_qty != 0 or max_floor != 0:
            return -_R_POST_ONLY
        return _SLIDE
    if min_qty != 0:
        if plain != _LIMIT or time_in_force == _GTD or min_qty > lots or max_floor != 0:
            return -_R_MIN_QTY
        order.aux = min_qty
        return _MIN_QTY
    if max_floor != 0:
        if plain != _LIMIT or time_in_force != _DAY or max_floor >= lots:
            return -_R_MAX_FLOOR
        order.aux = max_floor
        return _ICEBERG
    return plain


@kernel
def _decode_replace(
    message: int, size: int, session: SessionBlock, order: OrderRecord, metadata: CommandMetadata
) -> int:
    """Price and options stay in the record as they came until the order is known."""
    user_ref = load_be32(message + _REPLACE.user_ref)
    orig = load_be32(message + _REPLACE.orig_user_ref)
    if user_ref <= OuchSession(session).last_user_ref:
        return _IGNORE
    _clear(metadata)
    own = Ouch50Order(metadata + command_metadata.OWN)
    ouch.copy14(own + CLORDID, message + _REPLACE.clordid)
    own.display = Bytes(message)[_REPLACE.display]
    own.iso = Bytes(message)[_REPLACE.iso]
    own.tif = Bytes(message)[_REPLACE.time_in_force]
    lots, price4 = load_be32(message + _REPLACE.quantity), load_be64(message + _REPLACE.price)
    own.liable = lots
    order.qty_lots = lots
    order.price_ticks = price4
    options = Ouch50Options(order + _SYMBOL)
    refused = _read_options(message + _SIZE_U, message + size, _REPLACE_TAGS, options)
    if not is_printable(own + CLORDID, 14):
        refused = _R_TOKEN
    if OuchSession(session).is_disabled != 0:
        refused = _R_DISABLED
    if refused == 0:
        if lots == 0:
            refused = _R_QTY
        elif price4 <= 0 or price4 > ouch.MAX_PRICE4:
            refused = _R_PRICE
        elif own.iso not in (_N, _Y):
            refused = _R_ISO
        elif options.min_qty != 0:
            refused = _R_MIN_QTY
        elif options.expire != 0:
            refused = _R_TIF
        else:
            refused = options.unsupported
    _name(metadata, session, _U, user_ref, orig, refused)
    return _APPLICATION


@kernel
def _decode_cancel(
    message: int, kind: int, session: SessionBlock, metadata: CommandMetadata, wrong: int
) -> None:
    """``wrong``: why an option is refused, or 0."""
    orig, refused = load_be32(message + _CANCEL.user_ref), wrong
    lots = load_be32(message + _CANCEL.quantity)
    if kind == _M:
        side = Bytes(message)[_MODIFY.side]
        lots = load_be32(message + _MODIFY.quantity)
        Ouch50Order(metadata + command_metadata.OWN).side = side
        if side != _B and not ouch.is_letter_of(side, _SELLS):
            refused = _R_SIDE
    Ouch50Order(metadata + command_metadata.OWN).liable = lots
    _name(metadata, session, kind, 0, orig, refused)


@kernel
def _decode_other(
    message: int,
    kind: int,
    session: SessionBlock,
    order: OrderRecord,
    metadata: CommandMetadata,
    wrong: int,
) -> int:
    """Mass cancel, disable and enable order entry, account query.  ``wrong``: why an option is
    refused, or 0; a query has none that changes its answer."""
    if kind == _Q:
        _name(metadata, session, kind, 0, 0, _R_QUERIED)
        metadata.client_seq = OuchSession(session).last_user_ref + 1
        return _APPLICATION
    user_ref = load_be32(message + _ENTRY.user_ref)
    if not _takes(OuchSession(session), user_ref):
        return _IGNORE
    # It is only said back.
    is_text = is_printable(message + _ENTRY.firm, 4)
    store_any32(metadata + OPTIONS + FIRM, load_any32(message + _ENTRY.firm) if is_text else _BLANK)
    refused = wrong
    if kind == _C:
        padded = load_any64(message + _MASS.symbol)
        symbol = ouch.unpad(padded)
        store_any64(metadata + MASS_SYMBOL, padded)
        if refused != 0:
            order.kind = 0
        elif not is_text or not is_printable(message + _MASS.symbol, 8):
            refused = _R_TOKEN
        elif symbol != 0 and ouch.symbol_scale(session, symbol) == 0:
            refused = _R_SYMBOL
        else:
            order.symbol = symbol
            order.kind = _MASS_CANCEL
    elif refused == 0:
        refused = _R_DISABLE if kind == _D else _R_ENABLE
        OuchSession(session).is_disabled = 1 if kind == _D else 0
    _name(metadata, session, kind, user_ref, 0, refused)
    Ouch50Metadata(metadata).user_ref = 0
    return _APPLICATION


@kernel
def resume(metadata: CommandMetadata, session: OuchSession) -> None:
    """Set the session's own words as after this metadata: they are what the journal's metadata
    say."""
    message, refused = metadata.message, metadata.refused
    number = metadata.client_seq
    if message != _Q and number > session.last_user_ref:
        session.last_user_ref = number
    if refused in (_R_DISABLE, _R_ENABLE):
        session.is_disabled = 1 if refused == _R_DISABLE else 0


@kernel
def complete(
    order: OrderRecord, metadata: CommandMetadata, row: OrderRow, session: SessionBlock
) -> int:
    """Like ouch42_in.complete."""
    if row == 0 or row.state == rows.DONE:
        return _IGNORE
    if metadata.message == _U:
        return _complete_replace(order, metadata, row, session)
    order.order_id = row.order_id
    order.symbol = row.symbol
    if metadata.refused != 0:
        return _APPLICATION
    lots = Ouch50Order(metadata + command_metadata.OWN).liable
    now = ouch.size_of(row, Ouch50Order(row + rows.OWN).liable)
    if metadata.message == _M:
        side, was = (
            Ouch50Order(metadata + command_metadata.OWN).side,
            Ouch50Order(row + rows.OWN).side,
        )
        if (side == _B) != (was == _B) or lots > now:
            metadata.refused = _R_REPLACE
            return _APPLICATION
        if lots >= now:
            metadata.refused = _R_MODIFIED
            return _APPLICATION
    if lots >= now:
        return _IGNORE
    order.qty_lots = now - lots
    if lots == 0:
        order.kind = _CANCEL_KIND
    else:
        order.kind = _REDUCE
        ouch.send_reduction(OuchRow(row), now - lots)
    return _APPLICATION


@kernel
def _complete_replace(
    order: OrderRecord, metadata: CommandMetadata, row: OrderRow, session: SessionBlock
) -> int:
    own, old = Ouch50Order(metadata + command_metadata.OWN), Ouch50Order(row + rows.OWN)
    OuchSession(session).last_user_ref = metadata.client_seq
    own.capacity = old.capacity
    own.cross = old.cross
    own.side = old.side
    refused = metadata.refused
    price4, liable = order.price_ticks, own.liable
    scale = ouch.symbol_scale(session, row.symbol)
    aux = row.aux
    if refused == 0:
        aux, refused = _replace_aux(Ouch50Options(order + _SYMBOL), own, row, scale)
    order.order_id = row.order_id
    order.symbol = row.symbol
    order.aux = 0
    open_lots = liable - ouch.executed(row, old.liable)
    order.qty_lots = max(open_lots, 0)
    if refused == 0 and ouch.is_replace(order, row, session, price4, open_lots):
        if aux == row.aux:
            ouch.say_known(order, row, old.liable)
        elif not ouch.say_known_and(order, row, old.liable, aux):
            refused = _R_REPLACE
            order.kind = 0
            order.time_in_force = 0
    elif refused in (0, _R_QTY, _R_PRICE):
        order.kind = _CANCEL_KIND
        refused = 0
    metadata.refused = refused
    return _APPLICATION


@kernel
def _replace_aux(
    options: Ouch50Options, own: Ouch50Order, row: OrderRow, scale: int
) -> tuple[int, int]:
    """The order's aux (a peg's offset, an iceberg's display) and 0, or 0 and why the open
    order cannot become that: it keeps its type and its time in force."""
    order_type, old = row.order_type, Ouch50Order(row + rows.OWN)
    if order_type == _MARKET:
        return 0, _R_REPLACE
    new, was = own.display, old.display
    if new != was and not (ouch.is_letter_of(new, _SHOWN) and ouch.is_letter_of(was, _SHOWN)):
        return 0, _R_DISPLAY
    tif, before = own.tif, old.tif
    if tif != before and not (tif in (_T_DAY, _T_EXTENDED) and before in (_T_DAY, _T_EXTENDED)):
        return 0, _R_TIF
    price_type, post_only = options.price_type, options.post_only
    max_floor, offset = options.max_floor, options.peg_offset
    offset = offset - (1 << 32) if offset >> 31 else offset
    if (post_only == _P_SLIDE) != (order_type == _SLIDE) and post_only != 0:
        return 0, _R_POST_ONLY
    if max_floor != 0 and order_type != _ICEBERG:
        return 0, _R_MAX_FLOOR
    is_peg = order_type in (_MIDPOINT, _PRIMARY, _PEG_MARKET)
    if not is_peg:
        if price_type not in (0, _L) or offset != 0:
            return 0, _R_PEG
        return max_floor if max_floor != 0 else row.aux, 0
    if price_type == 0 and offset == 0:
        return row.aux, 0
    same = price_type == 0
    same = same or (order_type == _MIDPOINT and ouch.is_letter_of(price_type, _P_MIDPOINT))
    same = same or (order_type == _PRIMARY and price_type == _P_PRIMARY)
    same = same or (order_type == _PEG_MARKET and price_type == _P_MARKET)
    if not same or scale == 0 or offset % scale != 0:
        return 0, _R_PEG
    return offset // scale, 0
