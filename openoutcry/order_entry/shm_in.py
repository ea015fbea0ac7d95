"""Requests of a session over shared memory: a copied request to an order record and its metadata.

The request is the venue's own copy: nothing here reads the participant's memory.
``tests/oracles/order_entry/shm.py`` says the same slowly.
"""

from openoutcry.order_entry import command_metadata, constants, rows
from openoutcry.order_entry import session as session_block
from openoutcry.order_entry.command_metadata import CommandMetadata
from openoutcry.order_entry.rows import OrderRow
from openoutcry.order_entry.session import SessionBlock
from openoutcry.order_entry.shm_layout import (
    FIELDS_OF,
    ID_TEXT,
    NAME_BYTES,
    ORIG_TEXT,
    REQUEST_BYTES,
    TEXT_BYTES,
    ShmRequest,
    ShmRequestName,
    ShmSession,
    ShmTextName,
    is_in_ranges,
    unused_bytes,
)
from openoutcry.wire import enum_numbers
from openoutcry.wire.enums import (
    AUX_HALVES,
    HAS_ACTIVATION,
    OPEN_KNOWN,
    REDUCE_ONLY,
    SELF_TRADE_MASK,
    Contingency,
    OrderType,
    SelfTrade,
    TimeInForce,
    TriggerBy,
)
from openoutcry.wire.kernel import kernel, kernel_outlined
from openoutcry.wire.layout import Bytes, Layout, Words, area, i64, u16
from openoutcry.wire.printable import FIRST, is_printable_from
from openoutcry.wire.record_blocks import OrderRecord

ENTER, REPLACE, CANCEL = (
    constants.SHM_REQUEST_ENTER,
    constants.SHM_REQUEST_REPLACE,
    constants.SHM_REQUEST_CANCEL,
)
MASS_CANCEL = constants.SHM_REQUEST_MASS_CANCEL
HEARTBEAT, LOGOUT = constants.SHM_REQUEST_HEARTBEAT, constants.SHM_REQUEST_LOGOUT
NAME, LIST = constants.SHM_REQUEST_NAME, constants.SHM_REQUEST_LIST
TERMS = constants.SHM_REQUEST_TERMS
QUOTE, QUOTE_CANCEL = constants.SHM_REQUEST_QUOTE, constants.SHM_REQUEST_QUOTE_CANCEL
_APPLICATION, _HEARTBEAT, _LOGOUT = (
    constants.KIND_APPLICATION,
    constants.KIND_HEARTBEAT,
    constants.KIND_LOGOUT,
)
_UNKNOWN_TYPE, _BAD_LENGTH = constants.FAULT_UNKNOWN_TYPE, constants.FAULT_BAD_LENGTH
_UNUSED_FIELD = constants.FIX_REFUSAL_UNUSED_FIELD
_UNUSED = tuple(word for kind in FIELDS_OF for word in unused_bytes(kind))
"""Seven words of each kind of FIELDS_OF: the bits that it leaves at 0."""
_SYMBOL, _UNSUPPORTED, _QUANTITY, _PARTICIPANT, _NAME, _PENDING, _TOO_LATE = (
    constants.FIX_REFUSAL_UNKNOWN_SYMBOL,
    constants.FIX_REFUSAL_UNSUPPORTED,
    constants.FIX_REFUSAL_QUANTITY,
    constants.FIX_REFUSAL_PARTICIPANT,
    constants.FIX_REFUSAL_NAME,
    constants.FIX_REFUSAL_PENDING,
    constants.FIX_REFUSAL_TOO_LATE,
)
_K_NEW, _K_CANCEL, _K_REPLACE, _K_MASS_CANCEL = (
    enum_numbers.COMMAND_KIND_NEW,
    enum_numbers.COMMAND_KIND_CANCEL,
    enum_numbers.COMMAND_KIND_REPLACE,
    enum_numbers.COMMAND_KIND_MASS_CANCEL,
)
_BUY, _SELL = enum_numbers.SIDE_BUY, enum_numbers.SIDE_SELL
_LIMIT, _POST_ONLY = enum_numbers.ORDER_TYPE_LIMIT, enum_numbers.ORDER_TYPE_POST_ONLY
_DAY, _GTC = enum_numbers.TIME_IN_FORCE_DAY, enum_numbers.TIME_IN_FORCE_GTC
_LAST_TYPE, _LAST_TIF = int(max(OrderType)), int(max(TimeInForce))
_LAST_MODE = int(max(SelfTrade))
_OCO, _LAST_CONTINGENCY = enum_numbers.CONTINGENCY_OCO, int(max(Contingency))
_LIST = constants.FIX_REFUSAL_LIST
_LAST_TRIGGER = int(max(TriggerBy))
_EXPIRY, _TRIGGER = enum_numbers.TERM_EXPIRY, enum_numbers.TERM_TRIGGER
_PEG_PRIMARY = enum_numbers.ORDER_TYPE_PEG_PRIMARY
_PEG_MIDPOINT = enum_numbers.ORDER_TYPE_PEG_MIDPOINT
_TEXT_AT = ShmRequestName.offset("text")
LOW_HALF = (1 << 32) - 1
"""Mask of the lower half of a 64-bit word."""


class ShmName(Layout, size_bytes=40):
    """An order's name as metadata and rows keep it: a participant's names are its own, so that a
    broker's participants cannot take each other's."""

    id: int = i64("the first word")
    id_high: int = i64("the second")
    participant: int = i64("whose it is")


class ShmOwn(Layout, size_bytes=24):
    """The protocol's own bytes of a command's metadata and of an order's row."""

    participant: int = u16("participant that the request named")
    unused: int = area(22, "0")


@kernel
def _put_name(name: ShmName, low: int, high: int, participant: int) -> None:
    name.id = low
    name.id_high = high
    name.participant = participant


@kernel
def decode(
    message: int, length: int, session: SessionBlock, order: OrderRecord, metadata: CommandMetadata
) -> int:
    """Read a request.  ``order``: a record of zeros but for participant and rx_ts_ns; ``metadata``:
    zeros.  Returns a faults.Kind, or a faults.Fault below zero.  A request that is refused has its
    reason in the metadata; what names an open order is finished by :func:`complete`.  ``message``:
    its address."""
    if length < REQUEST_BYTES:
        return _BAD_LENGTH
    request = ShmRequest(message)
    more = further_slots(request)
    if length != REQUEST_BYTES * (1 + more):
        return _BAD_LENGTH
    for place in range(1, more + 1):
        if ShmRequestName(message + REQUEST_BYTES * place).kind != NAME:
            return _UNKNOWN_TYPE
    kind = request.kind
    if kind == HEARTBEAT:
        return _HEARTBEAT
    if kind == LOGOUT:
        return _LOGOUT
    if kind not in (ENTER, REPLACE, CANCEL, MASS_CANCEL):
        return _UNKNOWN_TYPE
    metadata.message = kind
    metadata.client_seq = request.seq + more
    refused = _take_participant(request, session, order, metadata)
    named = ShmOwn(metadata + command_metadata.OWN).participant
    if more != 0:
        problem = _take_texts(request, metadata, named)
        refused = problem if refused == 0 else refused
    if kind in (ENTER, REPLACE, CANCEL) and request.names & ID_TEXT == 0:
        if request.id != 0 or request.id_high != 0:
            _put_name(
                ShmName(metadata + command_metadata.TOKEN), request.id, request.id_high, named
            )
            metadata.token_bytes = NAME_BYTES
        elif kind != CANCEL:
            refused = _NAME if refused == 0 else refused
    if kind in (REPLACE, CANCEL) and request.names & ORIG_TEXT == 0:
        _put_name(
            ShmName(metadata + command_metadata.ORIG),
            request.orig_id,
            request.orig_id_high,
            named,
        )
        metadata.orig_bytes = NAME_BYTES
    if refused == 0 and _sets_unused(request, kind):
        refused = _UNUSED_FIELD
    if refused == 0:
        if kind == ENTER:
            refused = _enter_terms(request, session, order)
        elif kind == REPLACE:
            refused = _replace_terms(request, order)
        elif kind == MASS_CANCEL:
            refused = _mass_cancel_terms(request, session, order)
        else:
            order.kind = _K_CANCEL
    if refused != 0:
        order.kind_to_tif = 0
    metadata.refused = refused
    return _APPLICATION


@kernel
def _take_participant(
    request: ShmRequest, session: SessionBlock, order: OrderRecord, metadata: CommandMetadata
) -> int:
    """Note whose request it is; return why it is refused, or 0."""
    named, refused = request.participant, 0
    if ShmSession(session).range_count != 0:
        # It acts for those that it may act for and never for itself.
        if is_in_ranges(ShmSession(session), named):
            order.participant = named
        else:
            refused = _PARTICIPANT
    elif named == 0:
        named = session.participant
    elif named != session.participant:
        refused = _PARTICIPANT
    ShmOwn(metadata + command_metadata.OWN).participant = named
    return refused


@kernel_outlined
def decode_quote(
    request: ShmRequest, session: SessionBlock, order: OrderRecord, metadata: CommandMetadata
) -> None:
    """Read a QUOTE, as the NEW of its bid, or a QUOTE_CANCEL into ``order`` and ``metadata``, which
    are as those of :func:`decode`."""
    kind = request.kind
    metadata.client_seq = request.seq
    refused = _take_participant(request, session, order, metadata)
    if kind == QUOTE and request.id != 0:
        named = ShmOwn(metadata + command_metadata.OWN).participant
        _put_name(ShmName(metadata + command_metadata.TOKEN), request.id, 0, named)
        metadata.token_bytes = NAME_BYTES
    elif kind == QUOTE and refused == 0:
        refused = _NAME
    if refused == 0 and _sets_unused(request, kind):
        refused = _UNUSED_FIELD
    if refused == 0:
        needs_symbol = kind == QUOTE or request.symbol != 0
        if needs_symbol and not _symbol_of(request, session, order):
            refused = _SYMBOL
    if refused == 0 and kind == QUOTE:
        refused = _quote_terms(request, session, order)
    if refused != 0:
        order.kind_to_tif = 0
    metadata.refused = refused


@kernel
def _quote_terms(request: ShmRequest, session: SessionBlock, order: OrderRecord) -> int:
    order_type, tif = request.order_type, request.time_in_force
    mode = tif >> 4
    if order_type not in (_LIMIT, _POST_ONLY) or tif & 15 not in (_DAY, _GTC):
        return _UNSUPPORTED
    if mode > _LAST_MODE:
        return _UNSUPPORTED
    bid_lots, offer_lots = request.qty_lots, request.offer_lots
    if (bid_lots == 0 and request.price_ticks != 0) or (
        offer_lots == 0 and request.offer_ticks != 0
    ):
        return _UNUSED_FIELD
    if mode == 0:
        mode = session.self_trade
    order.price_ticks = request.price_ticks
    order.qty_lots = bid_lots
    order.kind_to_tif = _K_NEW | _BUY << 8 | order_type << 16 | (tif & 15 | mode << 4) << 24
    return 0


@kernel_outlined
def head_terms(request: ShmRequest, named: int, metadata: CommandMetadata) -> int:
    """Return why a list is refused by its own slot, before its legs are looked at, or 0; its name
    goes into the metadata.  ``named``: its participant."""
    if _sets_unused(request, LIST):
        return _UNUSED_FIELD
    refused = 0
    if request.names & ID_TEXT:
        refused = _take_texts(request, metadata, named)
    elif request.id != 0 or request.id_high != 0:
        _put_name(ShmName(metadata + command_metadata.TOKEN), request.id, request.id_high, named)
        metadata.token_bytes = NAME_BYTES
    if refused != 0:
        return refused
    return 0 if _OCO <= request.order_type <= _LAST_CONTINGENCY else _LIST


@kernel_outlined
def own_terms(request: ShmRequest, terms: OrderRecord) -> int:
    """Write the term that a request says of its order; return why the order is refused, or 0.
    It is an expiry or a trigger, not both."""
    if _sets_unused(request, TERMS):
        return _UNUSED_FIELD
    source, activates, until = request.order_type, request.time_in_force, request.aux
    if source > _LAST_TRIGGER or activates > 1 or (source != 0 or activates != 0) == (until != 0):
        return _UNSUPPORTED
    if activates == 0 and request.price_ticks != 0:
        return _UNUSED_FIELD
    terms.price_ticks = request.price_ticks
    terms.order_type = _EXPIRY if until != 0 else _TRIGGER
    terms.aux = until if until != 0 else source | HAS_ACTIVATION * activates
    return 0


@kernel
def further_slots(request: ShmRequest) -> int:
    """Return how many slots with names in text a request has after its own."""
    names, kind = request.names, request.kind
    if names == 0 or kind not in (ENTER, REPLACE, CANCEL, LIST):
        return 0
    return (names & ID_TEXT) + (names >> 1 & 1 if kind in (REPLACE, CANCEL) else 0)


@kernel_outlined
def _take_texts(request: ShmRequest, metadata: CommandMetadata, named: int) -> int:
    """Put the names in text of a request, in the slots after it, into the metadata; return why it
    is refused, or 0.  ``named``: its participant."""
    slot, refused, names = request + REQUEST_BYTES, 0, request.names
    if names & ID_TEXT:
        refused = _take_text(slot, ShmTextName(metadata + command_metadata.TOKEN), named)
        metadata.token_bytes = _size_of(metadata + command_metadata.TOKEN)
        if request.id != 0 or request.id_high != 0:
            refused = _UNUSED_FIELD if refused == 0 else refused
        slot += REQUEST_BYTES
    if names & ORIG_TEXT and request.kind not in (ENTER, LIST):
        problem = _take_text(slot, ShmTextName(metadata + command_metadata.ORIG), named)
        metadata.orig_bytes = _size_of(metadata + command_metadata.ORIG)
        if request.orig_id != 0 or request.orig_id_high != 0:
            problem = _UNUSED_FIELD if problem == 0 else problem
        refused = problem if refused == 0 else refused
    return refused


@kernel
def _size_of(text: int) -> int:
    """Return the characters before the first NUL of a name in text at an address."""
    size = 0
    while size < TEXT_BYTES and Bytes(text)[size] != 0:
        size += 1
    return size


@kernel_outlined
def _take_text(slot: int, name: ShmTextName, named: int) -> int:
    """Copy the name in a further slot at an address; return why it is refused, or 0.  One that is
    not printable is left out, so that no answer has it."""
    text = slot + _TEXT_AT
    size = _size_of(text)
    if size == 0 or not is_printable_from(FIRST + 1, text, size):
        return _NAME
    rest = 0
    for place in range(size, TEXT_BYTES):
        rest |= Bytes(text)[place]
    if rest != 0:
        return _NAME
    for place in range(size):
        Bytes(name)[place] = Bytes(text)[place]
    name.participant = named
    name.is_text = 1
    for place in range(1, _TEXT_AT):
        rest |= Bytes(slot)[place]
    for place in range(_TEXT_AT + TEXT_BYTES, REQUEST_BYTES - 8):
        rest |= Bytes(slot)[place]
    return _UNUSED_FIELD if rest != 0 else 0


@kernel
def _sets_unused(request: ShmRequest, kind: int) -> bool:
    """Return whether a field that this kind of request does not have is not 0."""
    if request.names > (ORIG_TEXT | ID_TEXT if kind not in (ENTER, LIST) else ID_TEXT):
        return True
    first = 0
    if kind == REPLACE:
        first = 7
    elif kind == CANCEL:
        first = 14
    elif kind == MASS_CANCEL:
        first = 21
    elif kind == LIST:
        first = 28
    elif kind == TERMS:
        first = 35
    elif kind == QUOTE:
        first = 42
    elif kind == QUOTE_CANCEL:
        first = 49
    bits = 0
    for place in range(7):
        bits |= Words(request)[place] & _UNUSED[first + place]
    return bits != 0


@kernel
def _symbol_of(request: ShmRequest, session: SessionBlock, order: OrderRecord) -> bool:
    """Take the request's symbol if there is such an instrument: nothing else of it is text that
    was checked."""
    symbol = request.symbol
    if session_block.find_symbol(session, symbol) == 0:
        return False
    order.symbol = symbol
    return True


@kernel
def _enter_terms(request: ShmRequest, session: SessionBlock, order: OrderRecord) -> int:
    if not _symbol_of(request, session, order):
        return _SYMBOL
    side, order_type, tif = request.side, request.order_type, request.time_in_force
    mode, reduces = tif >> 4 & SELF_TRADE_MASK, tif & REDUCE_ONLY
    if not (1 <= side <= _SELL and 1 <= order_type <= _LAST_TYPE and mode <= _LAST_MODE):
        return _UNSUPPORTED
    if not 1 <= tif & 15 <= _LAST_TIF:
        return _UNSUPPORTED
    if mode == 0:
        mode = session.self_trade
    order.price_ticks = request.price_ticks
    order.qty_lots = request.qty_lots
    order.aux = request.aux
    tif = tif & 15 | mode << 4 | reduces
    order.kind_to_tif = _K_NEW | side << 8 | order_type << 16 | tif << 24
    return 0


@kernel
def _replace_terms(request: ShmRequest, order: OrderRecord) -> int:
    tif = request.time_in_force
    if tif & 15 > AUX_HALVES or tif >> 4 > _LAST_MODE:
        return _UNSUPPORTED
    order.price_ticks = request.price_ticks
    qty = request.qty_lots
    if tif & AUX_HALVES != 0:
        order.aux = qty >> 32
        qty &= LOW_HALF
    order.qty_lots = qty
    order.kind_to_tif = _K_REPLACE | tif << 24
    return 0


@kernel
def _mass_cancel_terms(request: ShmRequest, session: SessionBlock, order: OrderRecord) -> int:
    side = request.side
    if side > _SELL:
        return _UNSUPPORTED
    if request.symbol != 0 and not _symbol_of(request, session, order):
        return _SYMBOL
    order.kind_to_tif = _K_MASS_CANCEL | side << 8
    return 0


@kernel
def complete(
    order: OrderRecord, metadata: CommandMetadata, row: OrderRow, session: SessionBlock
) -> int:
    """Finish a cancel or a replace once the row of the order that it names is known (0: no order).

    A replace keeps type, side and time in force.  It states the whole quantity; the core takes off
    what is executed until it comes there.  Trigger, distance, display and offset stay too, unless
    the request has another value of them (AUX_HALVES).
    """
    if row == 0 or metadata.refused != 0:
        return _APPLICATION
    order.order_id = row.order_id
    order.symbol = row.symbol
    if metadata.message == CANCEL:
        order.qty_lots = row.leaves
        return _APPLICATION
    if row.state == rows.SENT and row.chain != 0:
        metadata.refused = _PENDING
        return _APPLICATION
    rows.put_price(order, row, order.aux if order.aux != 0 else row.aux)
    open_lots = order.qty_lots - row.cum
    if order.qty_lots <= 0 or open_lots <= 0:
        metadata.refused = _QUANTITY if order.qty_lots <= 0 else _TOO_LATE
        return _APPLICATION
    known, halves = row.leaves, order.time_in_force & AUX_HALVES
    if order.aux == 0 and not _PEG_PRIMARY <= row.order_type <= _PEG_MIDPOINT:
        halves = 0  # nothing but an offset can be 0: what there is stays
    if halves != 0:
        if known > LOW_HALF:
            metadata.refused = _QUANTITY
            return _APPLICATION
        known |= order.aux << 32
    order.qty_lots = open_lots
    order.aux = known
    mode = order.time_in_force >> 4
    if mode == 0:
        mode = session.self_trade
    order.time_in_force = mode << 4 | OPEN_KNOWN | halves
    return _APPLICATION
