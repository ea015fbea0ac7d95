"""Messages of orders (D F G q H AF), parsed and in their turn, as an ORDER record and a
CommandMetadata.

The callers' tables (ClOrdID to order, order rows) are not looked into here; :mod:`.resolve`
completes a cancel or replace from the row of its order.
"""

import openoutcry.order_entry.command_metadata as command_metadata
import openoutcry.order_entry.fix.instructions as instructions
import openoutcry.order_entry.fix.scan as scan
import openoutcry.order_entry.fix.session as fix_session
import openoutcry.order_entry.fix.words as words
import openoutcry.order_entry.session as block
from openoutcry.order_entry import constants
from openoutcry.order_entry.command_metadata import CommandMetadata
from openoutcry.order_entry.fix.refusals import Refusal
from openoutcry.order_entry.fix.text import (
    BAD,
    DAY_NS,
    FIRST_ERROR,
    load_word,
    padded_copy,
    read_date,
    read_decimal,
    read_timestamp,
    store_word,
)
from openoutcry.order_entry.fix.words import FixFields, FixSession
from openoutcry.order_entry.session import SessionBlock, SymbolRow
from openoutcry.wire import enum_numbers
from openoutcry.wire.enums import (
    HAS_ACTIVATION,
    REDUCE_ONLY,
    CommandKind,
    OrderType,
    TimeInForce,
)
from openoutcry.wire.kernel import kernel, kernel_outlined
from openoutcry.wire.layout import Bytes, Layout, Words, area, u8
from openoutcry.wire.memory import store_i64, store_u8
from openoutcry.wire.order_types import type_bits, types_taking
from openoutcry.wire.printable import FIRST, LAST, is_printable
from openoutcry.wire.record_blocks import OrderRecord
from openoutcry.wire.symbols import CODE_BYTES, MAX_SYMBOL
from openoutcry.wire.words import ORDER_TYPES, SELF_TRADE, TIMES
from openoutcry.wire.words import TRIGGERS as TRIGGER_WORDS

APPLICATION, REJECT = constants.KIND_APPLICATION, constants.KIND_REJECT
MAX_TOKEN, MAX_ACCOUNT = 36, 16
D, F, G, H, Q, AF = ord("D"), ord("F"), ord("G"), ord("H"), ord("q"), 0x4641
MASS_STATUS = ord("A")
"""``message`` of the metadata of an AF, whose type has two letters."""

# The metadata's own bytes (and the row's): the characters as they came, to be said back.


class FixOrder(Layout, size_bytes=24):
    """The protocol's own 24 bytes of a command's metadata and of an order's row."""

    handl_inst: int = u8("HandlInst(21)")
    side: int = u8("Side(54)")
    type: int = u8("OrdType(40)")
    tif: int = u8("TimeInForce(59), 0: not given")
    exec_inst: int = area(4, "ExecInst(18)")
    account: int = area(16, "Account(1), padded with NULs")
    account_first: int = u8("its first character, 0: not given", at=8)


class FixLeg(Layout, size_bytes=40):
    """What an order of a list keeps of it: ``orig`` of its NEW's metadata, ``more`` of its row."""

    id: int = area(36, "ListID(66), padded with NULs")
    id_bytes: int = u8("its length")
    contingency: int = u8("a Contingency")
    leg: int = u8("the order's place, from 1")
    legs: int = u8("orders of the list; 0: it is of no list")


LEG_BYTES, LEG_ID_BYTES = FixLeg.size_bytes, FixLeg.offset("id_bytes")
TIF_CHAR = FixOrder.offset("tif")
EXEC_INST = FixOrder.offset("exec_inst")
ACCOUNT = FixOrder.offset("account")
EXEC_INST_BYTES = 4
copy_token, copy_account = padded_copy(40), padded_copy(MAX_ACCOUNT)
CANCEL_ON_LOSS, POSS_RESEND, HAS_AUX = 1, 2, 4
"""``flags`` of the metadata: ExecInst ``o``; PossResend; a replace that names a new ``aux``."""

# What ExecInst asks for, a bit each.
POST, ALL_OR_NONE, PEG_MID, PEG_MARKET, PEG_PRIMARY, TRAIL = 1, 2, 4, 8, 16, 32
UNKNOWN_INST, REDUCES = 64, 128
PEG_BITS = PEG_MID | PEG_MARKET | PEG_PRIMARY
YES, NO = ord("Y"), ord("N")
UP, DOWN = ord("U"), ord("D")
"""TriggerPriceDirection: the price reaches the trigger from below, from above."""
SIDES, TYPES, TIFS = b"123456789ABCDEFG", b"123456789DEGIJKLMP", b"01234567"
"""Values that FIX 4.4 has at all: another character is rejected, one of these perhaps refused."""


def _bits(characters: bytes) -> tuple[int, int]:
    """A bit for each character, as two words: of those below 64, and of those above."""
    low = sum(1 << c for c in characters if c < 63)
    return low, sum(1 << (c - 64) for c in characters if c >= 64)


SIDE_LOW, SIDE_HIGH = _bits(SIDES)
TYPE_LOW, TYPE_HIGH = _bits(TYPES)
TIF_LOW, TIF_HIGH = _bits(TIFS)

SLOTS = words.SLOTS
KEPT_BYTES = 64 + command_metadata.METADATA_BYTES
NEW, CANCEL, REPLACE, MASS_CANCEL = (
    int(CommandKind[name]) for name in ("NEW", "CANCEL", "REPLACE", "MASS_CANCEL")
)
BUY, SELL = enum_numbers.SIDE_BUY, enum_numbers.SIDE_SELL
(
    LIMIT, MARKET, POST_ONLY, POST_SLIDE, TO_LIMIT,
    STOP, STOP_LIMIT, TRAILING, TRAILING_BPS,
    ICEBERG, HIDDEN, PRIMARY, TO_MARKET, MIDPOINT, AON, MIN_QTY,
    TRAILING_LIMIT, TRAILING_LIMIT_BPS, POST_STOP_LIMIT,
    MARKET_BUDGET, LIMIT_BUDGET, TAKE_PROFIT, TAKE_PROFIT_LIMIT,
) = READ_TYPES = (
    enum_numbers.ORDER_TYPE_LIMIT,
    enum_numbers.ORDER_TYPE_MARKET,
    enum_numbers.ORDER_TYPE_POST_ONLY,
    enum_numbers.ORDER_TYPE_POST_ONLY_SLIDE,
    enum_numbers.ORDER_TYPE_MARKET_TO_LIMIT,
    enum_numbers.ORDER_TYPE_STOP,
    enum_numbers.ORDER_TYPE_STOP_LIMIT,
    enum_numbers.ORDER_TYPE_TRAILING_STOP,
    enum_numbers.ORDER_TYPE_TRAILING_STOP_BPS,
    enum_numbers.ORDER_TYPE_ICEBERG,
    enum_numbers.ORDER_TYPE_HIDDEN,
    enum_numbers.ORDER_TYPE_PEG_PRIMARY,
    enum_numbers.ORDER_TYPE_PEG_MARKET,
    enum_numbers.ORDER_TYPE_PEG_MIDPOINT,
    enum_numbers.ORDER_TYPE_ALL_OR_NONE,
    enum_numbers.ORDER_TYPE_MIN_QTY,
    enum_numbers.ORDER_TYPE_TRAILING_STOP_LIMIT,
    enum_numbers.ORDER_TYPE_TRAILING_STOP_LIMIT_BPS,
    enum_numbers.ORDER_TYPE_POST_ONLY_STOP_LIMIT,
    enum_numbers.ORDER_TYPE_MARKET_BUDGET,
    enum_numbers.ORDER_TYPE_LIMIT_BUDGET,
    enum_numbers.ORDER_TYPE_TAKE_PROFIT,
    enum_numbers.ORDER_TYPE_TAKE_PROFIT_LIMIT,
)  # fmt: skip
ORDER_TYPES.require_read("FIX D", map(OrderType, READ_TYPES))
AUX_FREE = type_bits(types_taking(TimeInForce.GTD))
EXPIRES = type_bits(types_taking(TimeInForce.GTC))
DAY, GTD = enum_numbers.TIME_IN_FORCE_DAY, enum_numbers.TIME_IN_FORCE_GTD
GTC = enum_numbers.TIME_IN_FORCE_GTC
EXPIRY, TRIGGER = enum_numbers.TERM_EXPIRY, enum_numbers.TERM_TRIGGER
TRIGGER_BUY = TRIGGER_WORDS.numbers("FIX buy", 128)
TRIGGER_SELL = TRIGGER_WORDS.numbers("FIX sell", 128)
"""The TriggerBy of each character of TriggerPriceType (1107), by the order's side; 0: none."""
TRIGGERS = b"123456MI"
"""TriggerPriceType: those of the standard, of which two are refused, and our own."""
TRIGGER_LOW, TRIGGER_HIGH = _bits(TRIGGERS)
TIME_OF = TIMES.numbers("FIX", 128)
"""The TimeInForce of each character of TimeInForce (59); 0: one that the venue does not offer."""
MODE_OF = SELF_TRADE.numbers("FIX", 128)
"""The SelfTrade of each character of SelfMatchPreventionInstruction (2964); 0: none."""

TOO_MUCH_SHOWN, NO_AMOUNT, NO_LOTS = -1000, -1001, -1002
"""In place of a type: MaxFloor is above OrderQty; a price, offset or budget, or a quantity, has too
many decimals or is out of range."""
# What goes wrong with a value: 0 nothing, else one of these.
FINE, MISSING, FORM, RANGE, NUMBER = 0, 1, 2, 3, 4
UNSUPPORTED, BAD_PRICE, BAD_QTY = (
    constants.FIX_REFUSAL_UNSUPPORTED,
    constants.FIX_REFUSAL_PRICE,
    constants.FIX_REFUSAL_QUANTITY,
)


@kernel
def has_bit(low: int, high: int, character: int) -> bool:
    """Return whether ``character`` is in the set of 126 bits, ``low`` of 0 to 62, ``high`` of 64
    on."""
    if character < 63:
        return low >> character & 1 != 0
    return 64 <= character < 127 and high >> (character - 64) & 1 != 0


@kernel_outlined
def rejected(fields: FixFields, reason: int, tag: int) -> int:
    """The message is to be rejected (session.reject) for this tag."""
    fix_session.error_of_tag(fields, reason, tag)
    return REJECT


@kernel
def mark_refused(metadata: CommandMetadata, refusal: int) -> None:
    """The first refusal counts."""
    if metadata.refused == 0:
        metadata.refused = refusal


@kernel
def problem_of(fields: FixFields, tag: int, most: int) -> int:
    """FINE, MISSING, RANGE (too long) or FORM (no text)."""
    entry = scan.field(fields, tag)
    size = entry & 0xFFFF
    if size == 0:
        return MISSING
    if size > most:
        return RANGE
    return FINE if is_printable(scan.value_of(fields, entry), size) else FORM


@kernel
def take_token(fields: FixFields, tag: int, at: int, size_at: int) -> int:
    """Copy an identifier of the client's; FINE, MISSING, RANGE (too long) or FORM (no text).
    Addresses: ``at`` where it goes, ``size_at`` of the byte for its length."""
    problem = problem_of(fields, tag, MAX_TOKEN)
    if problem == FINE:
        entry = scan.field(fields, tag)
        size = entry & 0xFFFF
        copy_token(at, scan.value_of(fields, entry), size)
        Bytes(size_at)[0] = size
    return problem


@kernel
def exec_inst_bits(fields: FixFields, metadata: CommandMetadata) -> int:
    """Return the bits of ExecInst; its first letters go into the metadata."""
    entry = scan.field(fields, 18)
    at, bits, letters = scan.value_of(fields, entry), 0, 0
    for offset in range(entry & 0xFFFF):
        letter = Bytes(at)[offset]
        if letter == 32:
            continue
        if letters < EXEC_INST_BYTES:
            Bytes(metadata + command_metadata.OWN + EXEC_INST)[letters] = letter
        letters += 1
        if letter == 54:
            bits |= POST
        elif letter == 71:
            bits |= ALL_OR_NONE
        elif letter == 77:
            bits |= PEG_MID
        elif letter == 80:
            bits |= PEG_MARKET
        elif letter == 82:
            bits |= PEG_PRIMARY
        elif letter == 97:
            bits |= TRAIL
        elif letter == 69 and fields.msg_type == D:
            # Do not increase.  An open order stays what it is.
            bits |= REDUCES
        elif letter == 111:
            metadata.flags |= CANCEL_ON_LOSS
        else:
            bits |= UNKNOWN_INST
    if letters > EXEC_INST_BYTES:
        bits |= UNKNOWN_INST
    return bits


@kernel
def decimal_of(fields: FixFields, tag: int, decimals: int) -> int:
    """The tag's value times ``10 ** decimals``; below FIRST_ERROR: what is wrong with it."""
    entry = scan.field(fields, tag)
    return read_decimal(scan.value_of(fields, entry), entry & 0xFFFF, decimals)


@kernel
def plain_limit(fields: FixFields, order: OrderRecord, bits: int) -> int:
    """The type of a limit order by its instructions other than the price; 0: unsupported, less
    than 0 a tag whose value is not a number."""
    display, least = scan.field(fields, 111), scan.field(fields, 110)
    if bits == POST and display | least == 0:
        return POST_ONLY
    if bits == ALL_OR_NONE and display | least == 0:
        return AON
    if bits != 0 or (display != 0 and least != 0):
        return 0
    tag = 111 if display != 0 else 110
    value = decimal_of(fields, tag, 0)
    if value == BAD:
        return -tag
    if value < 0:
        return NO_LOTS
    order.aux = value
    if display != 0:
        if value == 0:
            return HIDDEN
        if value > order.qty_lots:
            return TOO_MUCH_SHOWN
        if value == order.qty_lots:
            order.aux = 0
            return LIMIT
        return ICEBERG
    if value == 0:
        return LIMIT
    return MIN_QTY


@kernel_outlined
def pegged(fields: FixFields, order: OrderRecord, bits: int, decimals: int) -> int:
    """Like :func:`plain_limit`, for a pegged order.

    PegOffsetValue is added to the price it follows: what is more aggressive to a buyer is less so
    to a seller.  A trailing stop's distance has no sign."""
    scope = scan.char_of(fields, 836)
    places = decimals if scope == 0 or scope == 48 else 0
    if scope > 50 or (0 < scope < 48):
        return 0
    offset = 0
    if scan.field(fields, 211) != 0:
        offset = decimal_of(fields, 211, places)
        if offset == BAD:
            return -211
        if offset < FIRST_ERROR:
            return NO_AMOUNT
    if bits == TRAIL:
        distance = abs(offset)
        if distance >= 1 << 32:
            return NO_AMOUNT
        order.aux = distance
        if scan.field(fields, 44) != 0:
            return TRAILING_LIMIT_BPS if scope == 49 else TRAILING_LIMIT
        return TRAILING_BPS if scope == 49 else TRAILING
    if scope == 49 or bits & PEG_BITS != bits:
        return 0
    order.aux = offset if order.side == BUY else -offset
    if bits == PEG_MID:
        return MIDPOINT
    if bits == PEG_MARKET:
        return TO_MARKET
    return PRIMARY if bits == PEG_PRIMARY else 0


@kernel_outlined
def special_type(
    fields: FixFields, order: OrderRecord, bits: int, character: int, decimals: int
) -> int:
    """Like :func:`plain_limit`, for every other OrdType."""
    if character == ord("P"):
        return pegged(fields, order, bits, decimals)
    stop_posts = bits == POST and character == ord("4")
    if (bits != 0 and not stop_posts) or scan.field(fields, 111) | scan.field(fields, 110) != 0:
        return 0
    if character == ord("1"):
        return MARKET
    if character == ord("K"):
        return TO_LIMIT
    if character != ord("3") and character != ord("4"):
        return 0
    trigger = decimal_of(fields, 99, decimals)
    if trigger == BAD:
        return -99
    if trigger < FIRST_ERROR:
        return NO_AMOUNT
    order.aux = trigger
    direction = scan.char_of(fields, words.DIRECTION_SLOT)
    if direction == (DOWN if order.side == BUY else UP):
        if stop_posts:
            return 0
        return TAKE_PROFIT if character == ord("3") else TAKE_PROFIT_LIMIT
    if stop_posts:
        return POST_STOP_LIMIT
    return STOP if character == ord("3") else STOP_LIMIT


@kernel_outlined
def for_budget(
    fields: FixFields, order: OrderRecord, bits: int, character: int, decimals: int
) -> int:
    """Like :func:`plain_limit`, for an order with a CashOrderQty: a price times lots, so it has the
    decimals of a price."""
    if bits | scan.field(fields, 111) | scan.field(fields, 110) != 0:
        return 0
    if character != ord("1") and character != ord("2"):
        return 0
    budget = decimal_of(fields, 152, decimals)
    if budget == BAD:
        return -152
    if budget < FIRST_ERROR:
        return NO_AMOUNT
    order.aux = budget
    return MARKET_BUDGET if character == ord("1") else LIMIT_BUDGET


@kernel_outlined
def expiry_of(session: FixSession, fields: FixFields) -> int:
    """ns since the epoch at which a good-till-date order ends: ExpireTime, or the end of the local
    day ExpireDate; BAD, or 0 if it has neither."""
    entry = scan.field(fields, 126)
    if entry != 0:
        return read_timestamp(scan.value_of(fields, entry), entry & 0xFFFF)
    entry = scan.field(fields, 432)
    if entry == 0:
        return 0
    days = read_date(scan.value_of(fields, entry)) if entry & 0xFFFF == 8 else BAD
    if days == BAD:
        return BAD
    return (days + 1) * DAY_NS - session.utc_offset_ns


@kernel_outlined
def take_term(
    fields: FixFields, order: OrderRecord, metadata: CommandMetadata, term: int
) -> OrderRecord:
    """Return the record of the order's term, a Term.  The order is refused if it has another one,
    as an order of a list has, or is a replace: an open order keeps its own."""
    if fields.legs | fields.leg != 0 or fields.msg_type == G:
        mark_refused(metadata, UNSUPPORTED)
    fields.legs = 1
    record = OrderRecord(fields.term)
    for word in range(8):
        Words(record)[word] = 0
    record.order_type = term
    return record


@kernel
def kept_order(fields: FixFields, leg: int) -> OrderRecord:
    """Return where a leg of the list at hand is kept, from 1; its metadata follow."""
    return OrderRecord(fields.orders + KEPT_BYTES * (leg - 1))


@kernel_outlined
def keep_order(fields: FixFields, leg: int, order: OrderRecord, metadata: CommandMetadata) -> None:
    """Keep a decoded order until its place on the lane is known."""
    kept = kept_order(fields, leg)
    for word in range(8):
        Words(kept)[word] = Words(order)[word]
    for word in range(command_metadata.WORDS):
        Words(kept)[8 + word] = Words(metadata)[word]


@kernel_outlined
def take_trigger(
    fields: FixFields, order: OrderRecord, metadata: CommandMetadata, decimals: int
) -> int:
    """Take the price that elects a stop, and the one where a trailing stop begins to trail; 0, or
    what ``decode`` returns."""
    record = OrderRecord(take_term(fields, order, metadata, TRIGGER))
    letter = scan.char_of(fields, words.TRIGGER_BY_SLOT)
    record.aux = TRIGGER_BUY[letter] if order.side == BUY else TRIGGER_SELL[letter]
    if letter != 0 and record.aux == 0:
        mark_refused(metadata, UNSUPPORTED)
    if scan.field(fields, words.ACTIVATION_SLOT) != 0:
        price = decimal_of(fields, words.ACTIVATION_SLOT, decimals)
        if price == BAD:
            return rejected(fields, scan.BAD_FORMAT, words.ACTIVATION_TAG)
        if price < FIRST_ERROR:
            mark_refused(metadata, BAD_PRICE)
        record.price_ticks = price
        record.aux |= HAS_ACTIVATION
    return 0


@kernel
def take_time_in_force(
    session: SessionBlock,
    fields: FixFields,
    order: OrderRecord,
    metadata: CommandMetadata,
    character: int,
) -> int:
    """FINE, or the tag that is missing or wrong."""
    tif = TIME_OF[character] if 0 < character < 128 else DAY
    if tif == 0:
        tif = DAY
        mark_refused(metadata, UNSUPPORTED)
    elif tif == GTD:
        expiry = expiry_of(FixSession(session), fields)
        if expiry <= 0:
            return 126 if scan.field(fields, 126) != 0 or expiry == 0 else 432
        if AUX_FREE >> order.order_type & 1 != 0:
            order.aux = expiry
        else:
            if EXPIRES >> order.order_type & 1 == 0:
                mark_refused(metadata, UNSUPPORTED)
            OrderRecord(take_term(fields, order, metadata, EXPIRY)).aux = expiry
            tif = GTC
    mode = session.self_trade
    if scan.field(fields, words.SELF_TRADE_SLOT) != 0:
        letter = scan.char_of(fields, words.SELF_TRADE_SLOT)
        mode = MODE_OF[letter] if letter < 128 else 0
        if mode == 0:
            return words.SELF_TRADE_TAG
    order.time_in_force = tif | mode << 4
    return FINE


@kernel
def check_symbol(fields: FixFields) -> int:
    """FINE, MISSING or FORM (no text): also of a symbol that no instrument has."""
    entry = scan.field(fields, 55)
    if entry == 0:
        return MISSING
    return FINE if is_printable(scan.value_of(fields, entry), entry & 0xFFFF) else FORM


@kernel_outlined
def take_long_symbol(session: SessionBlock, text: int, size: int, order: OrderRecord) -> SymbolRow:
    """The same of a symbol that is longer than the record's field. ``text``: address of its
    ``size`` bytes."""
    second, third = load_word(text + CODE_BYTES), 0
    if size < 2 * CODE_BYTES:
        second &= (1 << (8 * (size - CODE_BYTES))) - 1
    elif size > 2 * CODE_BYTES:
        third = load_word(text + 2 * CODE_BYTES)
        if size < MAX_SYMBOL:
            third &= (1 << (8 * (size - 2 * CODE_BYTES))) - 1
    row = block.find_name(session, load_word(text), second, third)
    if row != 0:
        order.symbol = row.symbol
    return row


@kernel
def take_symbol(session: SessionBlock, fields: FixFields, order: OrderRecord) -> SymbolRow:
    """Put the symbol into the record; returns the instrument's row, 0 if there is no such one."""
    entry = scan.field(fields, 55)
    size = entry & 0xFFFF
    if size == 0 or size > MAX_SYMBOL:
        return SymbolRow(0)
    if size > CODE_BYTES:
        return take_long_symbol(session, scan.value_of(fields, entry), size, order)
    word = load_word(scan.value_of(fields, entry))
    if size < 8:
        word &= (1 << (8 * size)) - 1
    order.symbol = word
    return block.find_symbol(session, word)


@kernel
def take_side(fields: FixFields, order: OrderRecord, metadata: CommandMetadata) -> int:
    """FINE, MISSING or RANGE; a side that is not bought or sold here is refused."""
    character = scan.char_of(fields, 54)
    if character == 0:
        return MISSING
    FixOrder(metadata + command_metadata.OWN).side = character
    if character == 49:
        order.side = BUY
    elif character == 50 or character == 53 or character == 54:
        order.side = SELL
    elif has_bit(SIDE_LOW, SIDE_HIGH, character):
        mark_refused(metadata, UNSUPPORTED)
    else:
        return RANGE
    return FINE


@kernel
def reason_of(problem: int) -> int:
    """SessionRejectReason (373) of a value that is missing, malformed or out of range."""
    if problem == MISSING:
        return scan.REQUIRED_MISSING
    return scan.BAD_FORMAT if problem == FORM else scan.OUT_OF_RANGE


@kernel
def take_price(
    fields: FixFields, order: OrderRecord, metadata: CommandMetadata, decimals: int
) -> int:
    """Price (44) into the record, in ticks of ``decimals`` decimals; returns FINE or a problem."""
    price = decimal_of(fields, 44, decimals)
    if price < FIRST_ERROR:
        if price == BAD:
            return FORM if scan.field(fields, 44) != 0 else MISSING
        mark_refused(metadata, BAD_PRICE)
    else:
        order.price_ticks = price
    return FINE


@kernel
def take_quantity(fields: FixFields, order: OrderRecord, metadata: CommandMetadata) -> int:
    """OrderQty (38) into the record; returns FINE or a problem."""
    qty = decimal_of(fields, 38, 0)
    if qty < FIRST_ERROR:
        if qty == BAD:
            return FORM if scan.field(fields, 38) != 0 else MISSING
        mark_refused(metadata, BAD_QTY)
    else:
        order.qty_lots = qty
    return FINE


@kernel
def unused_field(fields: FixFields, character: int, tif: int, trails: bool) -> int:
    """Return the tag of a field that an order of this OrdType and TimeInForce does not have; 0: it
    has all of its fields."""
    is_stop, is_peg = (character == ord("3")) | (character == ord("4")), character == ord("P")
    has_limit = (character == ord("2")) | (character == ord("4")) | is_peg
    if not has_limit and scan.field(fields, 44) != 0:
        return 44
    if not is_stop and scan.field(fields, 99) != 0:
        return 99
    if not is_stop and scan.field(fields, words.DIRECTION_SLOT) != 0:
        return words.DIRECTION_TAG
    if not (is_stop or trails) and scan.field(fields, words.TRIGGER_BY_SLOT) != 0:
        return words.TRIGGER_BY_TAG
    if not trails and scan.field(fields, words.ACTIVATION_SLOT) != 0:
        return words.ACTIVATION_TAG
    if tif != ord("6"):
        if scan.field(fields, 126) != 0:
            return 126
        if scan.field(fields, 432) != 0:
            return 432
    if not is_peg:
        if scan.field(fields, 211) != 0:
            return 211
        if scan.field(fields, 836) != 0:
            return 836
    return 0


@kernel
def decode_order(
    session: SessionBlock,
    fields: FixFields,
    order: OrderRecord,
    metadata: CommandMetadata,
    decimals: int,
) -> int:
    """Decode the fields that D and G have in common: 0, or what ``decode`` returns."""
    problem = take_quantity(fields, order, metadata)
    if problem != FINE:
        return rejected(fields, reason_of(problem), 38)
    character = scan.char_of(fields, 40)
    if not has_bit(TYPE_LOW, TYPE_HIGH, character):
        missing = character == 0
        return rejected(fields, scan.REQUIRED_MISSING if missing else scan.OUT_OF_RANGE, 40)
    tif = scan.char_of(fields, 59)
    if tif != 0 and not has_bit(TIF_LOW, TIF_HIGH, tif):
        return rejected(fields, scan.OUT_OF_RANGE, 59)
    if session.protocol == block.FIX42:
        # 4.2 has neither market-to-limit nor "at the close".
        if character == ord("K"):
            return rejected(fields, scan.OUT_OF_RANGE, 40)
        if tif == 55:
            return rejected(fields, scan.OUT_OF_RANGE, 59)
    bits = exec_inst_bits(fields, metadata) if scan.field(fields, 18) != 0 else 0
    reduces, bits = bits & REDUCES, bits & ~REDUCES
    FixOrder(metadata + command_metadata.OWN).handl_inst = scan.char_of(fields, 21)
    FixOrder(metadata + command_metadata.OWN).type = character
    FixOrder(metadata + command_metadata.OWN).tif = tif
    entry = scan.field(fields, 1)
    if entry != 0:
        if entry & 0xFFFF > MAX_ACCOUNT:
            return rejected(fields, scan.OUT_OF_RANGE, 1)
        if not is_printable(scan.value_of(fields, entry), entry & 0xFFFF):
            return rejected(fields, scan.BAD_FORMAT, 1)
        copy_account(
            metadata + command_metadata.OWN + ACCOUNT, scan.value_of(fields, entry), entry & 0xFFFF
        )
    trails = character == ord("P") and bits == TRAIL
    tag = unused_field(fields, character, tif, trails)
    if tag != 0:
        return rejected(fields, scan.NOT_SUPPORTED, tag)
    slides = scan.char_of(fields, words.SLIDE_SLOT)
    if slides != 0 and slides != YES and slides != NO:
        return rejected(fields, scan.OUT_OF_RANGE, words.SLIDE_TAG)
    direction = scan.char_of(fields, words.DIRECTION_SLOT)
    if direction != 0 and direction != UP and direction != DOWN:
        return rejected(fields, scan.OUT_OF_RANGE, words.DIRECTION_TAG)
    by = scan.char_of(fields, words.TRIGGER_BY_SLOT)
    if by != 0 and not has_bit(TRIGGER_LOW, TRIGGER_HIGH, by):
        return rejected(fields, scan.OUT_OF_RANGE, words.TRIGGER_BY_TAG)
    if scan.field(fields, 152) != 0:
        order_type = for_budget(fields, order, bits, character, decimals)
    elif character == 50 and bits | scan.field(fields, 111) | scan.field(fields, 110) == 0:
        order_type = LIMIT
    elif character == 50:
        order_type = plain_limit(fields, order, bits)
    else:
        order_type = special_type(fields, order, bits, character, decimals)
    if order_type == TOO_MUCH_SHOWN:
        return rejected(fields, scan.OUT_OF_RANGE, 111)
    if order_type in (NO_AMOUNT, NO_LOTS):
        mark_refused(metadata, BAD_PRICE if order_type == NO_AMOUNT else BAD_QTY)
        order_type = 0
    if order_type < 0:
        missing = scan.field(fields, -order_type) == 0
        return rejected(fields, scan.REQUIRED_MISSING if missing else scan.BAD_FORMAT, -order_type)
    if slides == YES:
        if order_type == POST_ONLY:
            order_type = POST_SLIDE
        else:
            order_type = order.aux = 0
    if order_type == 0:
        mark_refused(metadata, UNSUPPORTED)
    order.order_type = order_type
    is_limit = character == 50 or character == 52 or (character == ord("P") and bits & TRAIL == 0)
    if is_limit or order_type in (TRAILING_LIMIT, TRAILING_LIMIT_BPS):
        problem = take_price(fields, order, metadata, decimals)
        if problem != FINE:
            return rejected(fields, reason_of(problem), 44)
    if by != 0 or scan.field(fields, words.ACTIVATION_SLOT) != 0:
        result = take_trigger(fields, order, metadata, decimals)
        if result != 0:
            return result
    tag = take_time_in_force(session, fields, order, metadata, tif)
    if tag == 126 and scan.field(fields, 126) == 0:
        return rejected(fields, scan.REQUIRED_MISSING, 126)
    if tag != 0:
        bad = scan.OUT_OF_RANGE if tag == words.SELF_TRADE_TAG else scan.BAD_FORMAT
        return rejected(fields, bad, tag)
    if reduces != 0:
        order.time_in_force |= REDUCE_ONLY
    return 0


@kernel_outlined
def decode_mass(
    session: SessionBlock,
    fields: FixFields,
    order: OrderRecord,
    metadata: CommandMetadata,
    msg_type: int,
) -> int:
    """A mass cancel (q): of a security (530=1) or of all (7); a mass status (AF) of all."""
    problem = take_token(
        fields,
        11 if msg_type == Q else 584,
        metadata + command_metadata.TOKEN,
        metadata + command_metadata.TOKEN_BYTES,
    )
    if problem != FINE:
        return rejected(fields, reason_of(problem), 11 if msg_type == Q else 584)
    scope_tag = 530 if msg_type == Q else 585
    scope = scan.char_of(fields, scope_tag)
    if scope == 0:
        return rejected(fields, scan.REQUIRED_MISSING, scope_tag)
    if scope < FIRST or scope > LAST:  # also of several characters: the answer has it again
        return rejected(fields, scan.BAD_FORMAT, scope_tag)
    store_u8(metadata + command_metadata.OWN, scope)
    if msg_type == AF:
        mark_refused(metadata, Refusal.MASS_STATUS if scope == 55 else Refusal.MASS_STATUS_SCOPE)
        return APPLICATION
    if scan.field(fields, 54) != 0:
        problem = take_side(fields, order, metadata)
        if problem != FINE:
            return rejected(fields, reason_of(problem), 54)
    if scope == 49:
        problem = check_symbol(fields)
        if problem != FINE:
            return rejected(fields, reason_of(problem), 55)
        if take_symbol(session, fields, order) == 0:
            mark_refused(metadata, Refusal.UNKNOWN_SYMBOL)
    elif scope != 55:
        mark_refused(metadata, Refusal.MASS_CANCEL_SCOPE)
    if metadata.refused == 0:
        order.kind = MASS_CANCEL
    return APPLICATION


@kernel_outlined
def decode_unknown(fields: FixFields, metadata: CommandMetadata) -> int:
    """A message type that is not accepted here: its letters go into the metadata.  A type with
    anything but letters and digits is invalid."""
    if not scan.is_type(fields.msg_type):
        fix_session.set_error(fields, scan.BAD_MSG_TYPE, 0)
        return REJECT
    store_word(metadata + command_metadata.OWN, fields.msg_type)
    mark_refused(metadata, Refusal.UNSUPPORTED_MESSAGE)
    return APPLICATION


@kernel
def bit_of(msg_type: int, is_42: bool) -> int:
    """Return the bit of a message of orders in the rows of :func:`.instructions.table`."""
    place = 5
    if (msg_type == ord("E")) | (msg_type == ord("K")) | (msg_type == ord("M")):
        place = 6 if msg_type == ord("E") else 7 if msg_type == ord("K") else 8
    elif msg_type == ord("D"):
        place = 0
    elif msg_type == ord("G"):
        place = 1
    elif msg_type == ord("F"):
        place = 2
    elif msg_type == ord("q"):
        place = 3
    elif msg_type == ord("H"):
        place = 4
    return place + (instructions.FIRST_42 if is_42 else 0)


@kernel_outlined
def fault_of(fields: FixFields, bit: int) -> int:
    """Return the lowest tag of a message that the venue does not take; 0: it takes all.  The number
    is below 0 for a field that the message does not have in the standard."""
    rows = Words(fields + words.TAKEN)
    for tag in range(1, words.TAGS):
        if rows[tag] >> bit & 1 != 0:
            continue
        entry = scan.field(fields, tag)
        if entry == 0:
            continue
        if rows[tag] >> (instructions.DEFINED + bit) & 1 == 0:
            return -tag
        first, second = (
            rows[tag] >> instructions.VALUES & 255,
            rows[tag] >> (instructions.VALUES + 8) & 255,
        )
        value = scan.char_of(fields, tag)
        if value == 0 or (value != first and value != second):
            return tag
    return 0


@kernel_outlined
def refuse_fault(fields: FixFields, bit: int) -> int:
    """Reject a message for a field that the venue does not take; FINE: it takes all."""
    tag = fault_of(fields, bit)
    if tag == 0:
        return FINE
    reason = scan.NOT_FOR_TYPE if tag < 0 else scan.NOT_SUPPORTED
    tag = abs(tag)
    for its_tag, slot in SLOTS:
        if tag == slot:
            tag = its_tag
            break
    return rejected(fields, reason, tag)


@kernel
def begin(session: FixSession, fields: FixFields, metadata: CommandMetadata) -> None:
    """Begin the metadata of the message at hand with what is of every message."""
    msg_type = fields.msg_type
    fields.legs = 0
    for offset in range(0, command_metadata.METADATA_BYTES, 8):
        store_i64(metadata + offset, 0)
    metadata.session = session.index
    metadata.protocol = session.protocol
    metadata.message = MASS_STATUS if msg_type == AF else msg_type
    metadata.client_seq = scan.number_of(fields, 34)
    if scan.char_of(fields, 97) == 89:
        metadata.flags = POSS_RESEND


@kernel
def decode(
    message: int, length: int, session: FixSession, order: OrderRecord, metadata: CommandMetadata
) -> int:
    """Decode the message that :func:`session.on_message` just called APPLICATION.

    ``order`` is zeroed by the caller, who also puts in participant, rx_ts_ns, and the order's id.
    Returns APPLICATION (if the metadata says ``refused``, the record's kind is 0), or Kind.REJECT:
    the message is rejected at the session's level, by ``session.reject``.
    """
    fields = FixFields(session.fields_)
    msg_type = fields.msg_type
    begin(session, fields, metadata)
    is_42 = session.protocol == block.FIX42
    is_mass = msg_type != D and msg_type != F and msg_type != G and msg_type != H
    if is_mass and (is_42 or ((msg_type != Q) & (msg_type != AF))):
        return decode_unknown(fields, metadata)
    bit = bit_of(msg_type, is_42)
    if fields.taken >> bit & 1 == 0:
        problem = refuse_fault(fields, bit)
        if problem != FINE:
            return problem
    if is_mass:
        return decode_mass(session, fields, order, metadata, msg_type)
    problem = take_token(
        fields, 11, metadata + command_metadata.TOKEN, metadata + command_metadata.TOKEN_BYTES
    )
    if problem != FINE:
        return rejected(fields, reason_of(problem), 11)
    if (msg_type == F) | (msg_type == G):
        problem = take_token(
            fields, 41, metadata + command_metadata.ORIG, metadata + command_metadata.ORIG_BYTES
        )
        if problem != FINE:
            return rejected(fields, reason_of(problem), 41)
    problem = check_symbol(fields)
    if problem != FINE:
        return rejected(fields, reason_of(problem), 55)
    problem = take_side(fields, order, metadata)
    if problem != FINE:
        return rejected(fields, reason_of(problem), 54)
    instrument = take_symbol(session, fields, order)
    if instrument == 0:
        mark_refused(metadata, Refusal.UNKNOWN_SYMBOL)
    if msg_type == H:
        mark_refused(metadata, Refusal.STATUS)
        return APPLICATION
    entry = scan.field(fields, 60)
    if read_timestamp(scan.value_of(fields, entry), entry & 0xFFFF) < 0:
        bad = scan.REQUIRED_MISSING if entry == 0 else scan.BAD_FORMAT
        if entry != 0 or fields.leg == 0:  # an order of a list need not have it
            return rejected(fields, bad, 60)
    if msg_type == F:
        order.kind = CANCEL
    else:
        decimals = instrument.decimals if instrument != 0 else 0
        result = decode_order(session, fields, order, metadata, decimals)
        if result != 0:
            return result
        order.kind = NEW if msg_type == D else REPLACE
        if msg_type == G and order.aux != 0:
            metadata.flags |= HAS_AUX
    if metadata.refused != 0:
        order.kind = 0
    return APPLICATION
