"""What OUCH 4.2 and 5.0 have in common: why a message is refused, and what events are called."""

from enum import IntEnum

from openoutcry.journal.projections import RiskState
from openoutcry.order_entry import constants, rows
from openoutcry.order_entry import session as session_block
from openoutcry.order_entry.rows import OrderRow
from openoutcry.order_entry.session import SessionBlock, SymbolRow
from openoutcry.wire import enum_numbers
from openoutcry.wire.big_endian import load_any64, store_any64, store_be64
from openoutcry.wire.enums import (
    AUX_HALVES,
    OPEN_KNOWN,
    SELF_TRADE_MASK,
)
from openoutcry.wire.kernel import kernel, kernel_outlined
from openoutcry.wire.layout import Bytes, Words, i64, u32
from openoutcry.wire.memory import (
    add_wrapping,
    count_leading_zeros,
    count_trailing_zeros,
    load_i64,
    store_i64,
)
from openoutcry.wire.record_blocks import EventRecord, InstrumentRecord, OrderRecord
from openoutcry.wire.records import INSTRUMENT as INSTRUMENT_RECORD
from openoutcry.wire.records import MAX_VALUE, TICK_BANDS
from openoutcry.wire.rule_changes import RulesBlock, row_in
from openoutcry.wire.words import OUCH_REFUSALS, REASONS, SELF_TRADE, Table


class Refusal(IntEnum):
    """Why a message does not reach the core (``refused`` of its metadata)."""

    NONE = 0
    SIDE = 1
    QTY = 2
    """Zero, or less than was executed."""
    SYMBOL = 3
    PRICE = 4
    """Zero, above the highest, or finer than the instrument's ticks."""
    TIME_IN_FORCE = 5
    DISPLAY = 6
    CAPACITY = 7
    ISO = 8
    MIN_QTY = 9
    CROSS = 10
    CUSTOMER = 11
    TOKEN = 12
    OPTION = 13
    """The options are malformed, or of a kind that there is not."""
    MAX_FLOOR = 14
    PEG = 15
    ROUTE = 16
    RETAIL = 17
    POST_ONLY = 18
    DISABLED = 19
    """Order entry is switched off by the client itself."""
    REPLACE = 20
    """The open order cannot become that."""
    MODIFIED = 32
    """Nothing is wrong, and nothing is for the core to do: another kind of sale."""
    QUERIED = 33
    DISABLE = 34
    ENABLE = 35
    """The same: the answer is all there is."""


WORDS: Table[Refusal] = Table(Refusal, OUCH_REFUSALS)
REASON_CODES, REFUSAL_CODES = 64, 256
"""Sizes of the tables by Reason and by ``refused`` of the metadata."""
MIN_QTY, TOKEN = constants.OUCH_REFUSAL_MIN_QTY, constants.OUCH_REFUSAL_TOKEN

MAX_PRICE4 = 1_999_999_900
"""$199,999.9900, the highest price (OUCH 4.2 section 1.2, OUCH 5.0)."""
MARKET_PRICE4, MARKET_CROSS_PRICE4 = 0x7FFFFFFF, 0x77359400
"""Prices that mean a market order."""
DAY_SECONDS = 86_400
NS = 1_000_000_000
U32_MAX = 2**32 - 1

SPACES = 0x2020202020202020
_ONES = 0x0101010101010101
_HIGH = -0x7F7F7F7F7F7F7F80  # 0x80 in each byte


@kernel
def _outside(word: int, low: int, high: int) -> int:
    """A word of which bit 7 of each byte is 0 if that byte (below 128) is ``low`` to ``high``."""
    above = add_wrapping(word, (0x80 - low) * _ONES)
    beyond = add_wrapping(word, (0x7F - high) * _ONES)
    return ~above | beyond


@kernel
def is_token_word(word: int) -> bool:
    """Return whether each of 8 bytes is a letter, a digit or a space."""
    letters = _outside(word | SPACES, 0x61, 0x7A)
    others = _outside(word, 0x30, 0x39) & _outside(word, 0x20, 0x20)
    return (word | (letters & others)) & _HIGH == 0


@kernel
def unpad(word: int) -> int:
    """8 bytes of text with the spaces at their end made NUL."""
    text = word ^ SPACES
    if text == 0:
        return 0
    spaces = count_leading_zeros(text) & 0x38
    return word if spaces == 0 else word & (MAX_VALUE >> (spaces - 1))


@kernel
def pad(word: int) -> int:
    """8 bytes of text with the NULs at their end made spaces."""
    if word == 0:
        return SPACES
    nuls = count_leading_zeros(word) & 0x38
    return word if nuls == 0 else word | (SPACES & ~(MAX_VALUE >> (nuls - 1)))


@kernel
def copy14(to: int, source: int) -> None:
    """Copy 14 bytes, as two words that overlap. ``to`` and ``source`` are addresses."""
    last = load_any64(source + 6)
    store_any64(to, load_any64(source))
    store_any64(to + 6, last)


@kernel
def is_letter_of(letter: int, mask: int) -> bool:
    """Return whether a character of 64 to 127 is in a mask of :func:`letter_mask`."""
    return letter >= 64 and letter < 128 and (mask >> (letter & 63)) & 1 == 1


def letter_mask(letters: str) -> int:
    """A bit for each character of 64 to 127, as a signed word."""
    mask = sum(1 << (ord(letter) - 64) for letter in letters)
    return mask - (1 << 64) if mask >> 63 else mask


_BUY, _SELF_TRADE = enum_numbers.SIDE_BUY, enum_numbers.REASON_SELF_TRADE
_MAKER, _AUCTION, _HIDDEN = (
    enum_numbers.EVENT_FLAG_MAKER,
    enum_numbers.EVENT_FLAG_AUCTION,
    enum_numbers.EVENT_FLAG_HIDDEN,
)
_PEG_MIDPOINT, _HIDDEN_TYPE = enum_numbers.ORDER_TYPE_PEG_MIDPOINT, enum_numbers.ORDER_TYPE_HIDDEN
_AT_OPEN, _AT_CLOSE = enum_numbers.TIME_IN_FORCE_AT_OPEN, enum_numbers.TIME_IN_FORCE_AT_CLOSE


@kernel
def match_number(event: EventRecord) -> int:
    """The trade's number, of a FILLED event: the event sequence of the first of its two."""
    flags = event.flags
    first = event.side == _BUY if flags & _AUCTION else flags & _MAKER != 0
    seq = event.seq
    return seq if first else seq - 1


@kernel
def put_match(at: int, number: int) -> None:
    """Write a match number at an address."""
    store_be64(at, number)


@kernel
def fill_seq(event: EventRecord) -> int:
    """The event sequence of the fill that a BROKEN event takes back."""
    flags = event.flags
    first = event.side == _BUY if flags & _AUCTION else flags & _MAKER != 0
    return event.contra_id if first else event.contra_id + 1


@kernel
def liquidity(event: EventRecord, row: OrderRow) -> int:
    """The liquidity flag of a FILLED event: added or removed, shown or not, in which auction.

    An order that is not for one auction only trades in any of them as in a halt's: its cross is
    not known from the event."""
    flags, order_type = event.flags, row.order_type
    if flags & _AUCTION:
        tif = row.time_in_force & 15
        if tif == _AT_OPEN:
            return _O
        return _C if tif == _AT_CLOSE else _H
    if flags & _MAKER == 0:
        return _R
    if order_type == _PEG_MIDPOINT:
        return _K
    hidden = flags & _HIDDEN != 0 or order_type == _HIDDEN_TYPE
    return _J if hidden else _A


_A, _C, _H, _J, _O, _R, _K = (ord(letter) for letter in "ACHJORk")


CANCEL_LETTER = REASONS.codes("OUCH cancel", REASON_CODES, other=ord("Z"))
"""Why an order, or a part of it, is gone (MASS_CANCEL by the exchange operator)."""
STRATEGY_LETTER = SELF_TRADE.codes("OUCH 5.0", SELF_TRADE_MASK + 1, other=ord("N"))


@kernel
def gateway_bit(event: EventRecord) -> int:
    """Number of the first error bit of a gateway's reject."""
    bits = event.contra_id
    return 15 if bits == 0 else count_trailing_zeros(bits) & 15


@kernel
def risk_bit(event: EventRecord) -> int:
    """Number of the first check that failed, of a reject by a limit; 63 if none did."""
    bits = event.contra_id
    return 63 if bits == 0 else count_trailing_zeros(bits) & 63


_RULES = INSTRUMENT_RECORD.offsets
_BANDS = _RULES["band1_from_ticks"]


# A session's own words, of either version.
SELF_TRADE_WORD = session_block.SELF_TRADE
"""Self-trade prevention of the session's orders, a SelfTrade."""


class OuchRow(OrderRow):
    """A client order, and what the protocol keeps in it: what comes in writes the first word, what
    goes out the others."""

    sent: int = i64("how much less X and M have asked for so far, of this row's size", at=rows.MORE)
    confirmed: int = i64("the part of it that was reported as cancelled")
    returned: int = i64("how much of it the core rejected")
    unasked: int = i64("what self-trade prevention took off")
    reference: int = i64("number of the order in market data")
    user_ref: int = u32("OUCH 5.0: its UserRefNum", at=rows.TOKEN)


class OuchSession(SessionBlock):
    """A session's own words, of either version."""

    last_user_ref: int = i64("OUCH 5.0: highest UserRefNum so far", at=session_block.PROTOCOL_WORDS)
    is_disabled: int = i64("OUCH 5.0: 1 while the client itself has switched order entry off")


SENT = OuchRow.offset("sent")
CONFIRMED = OuchRow.offset("confirmed")
UNASKED = OuchRow.offset("unasked")
LAST_USER_REF_WORD = OuchSession.offset("last_user_ref")
DISABLED_WORD = OuchSession.offset("is_disabled")


@kernel
def reduced(row: OuchRow) -> int:
    """Return by how much the order's size is less than its row's QTY once all that was sent is
    done. After a recovery from the journal nothing is in flight, and SENT is 0."""
    sent = row.sent - row.returned
    return max(sent, row.confirmed)


@kernel
def send_reduction(row: OuchRow, lots: int) -> None:
    """Record that the session asked to reduce the order by ``lots`` lots."""
    row.sent = reduced(row) + row.returned + lots


@kernel
def count_reduction(event: EventRecord, row: int) -> None:
    """Record the lots that a REDUCED or CANCELLED event took off an order that stays open. ``row``:
    address of its order row."""
    if event.leaves_lots == 0:
        return
    word = UNASKED if event.reason == _SELF_TRADE else CONFIRMED
    store_i64(row + word, load_i64(row + word) + event.qty_lots)


@kernel
def count_returned(event: EventRecord, row: OuchRow) -> None:
    """CommandMetadata that the core rejected a reduction."""
    if row != 0:
        row.returned += event.qty_lots


@kernel
def modified(session: SessionBlock, side_at: int, side: int) -> OrderRow:
    """Set the kind of sale of the order that a message names, as of its answer; returns its row, 0
    if the order is gone meanwhile, or has another name."""
    row = OrderRow(session.named)
    if row != 0:
        Bytes(row + rows.OWN)[side_at] = side
    return row


@kernel
def size_of(row: OrderRow, liable: int) -> int:
    """Size of the order, with what was executed, once all that was sent is done; ``liable``: what
    the message that made the row said."""
    is_sent = row.state == rows.SENT
    size = liable if is_sent else row.qty
    return size - reduced(OuchRow(row)) - OuchRow(row).unasked


@kernel
def executed(row: OrderRow, liable: int) -> int:
    """Return the lots that the order and those it replaced have executed, as far as is known."""
    if row.state == rows.SENT:
        return liable - row.qty
    return row.cum


@kernel
def say_known(order: OrderRecord, row: OrderRow, liable: int) -> None:
    """A replace states the order's total: let the core take off what is executed while it is under
    way (OPEN_KNOWN).  ``liable``: what the message that made the row said."""
    open_lots = size_of(row, liable) - executed(row, liable)
    order.aux = max(open_lots, 0)
    order.time_in_force |= OPEN_KNOWN


@kernel
def say_known_and(order: OrderRecord, row: OrderRow, liable: int, aux: int) -> bool:
    """The same with a new aux; whether both fit in the record."""
    open_lots = max(size_of(row, liable) - executed(row, liable), 0)
    if aux != (aux << 32) >> 32 or open_lots > U32_MAX:
        return False
    order.aux = aux << 32 | open_lots
    order.time_in_force = order.time_in_force | OPEN_KNOWN | AUX_HALVES
    return True


@kernel
def timestamp(session: SessionBlock) -> int:
    """Sequenced time of the causing command, ns since the day's midnight."""
    since_ns, day_ns = session.rx_ts_ns - session.day_start_ns, session.day_ns
    return since_ns if day_ns == 0 else since_ns % day_ns


@kernel
def metadata_word(
    session: SessionBlock, protocol: int, message: int, refused: int, token: int
) -> int:
    """First word of metadata; ``token``: bytes of the token, and of the original's shifted by 8."""
    index = session.index
    return index | protocol << 16 | message << 24 | refused << 32 | token << 40


@kernel
def scale_of(session: SessionBlock, instrument: int) -> int:
    """Return a tick of the instrument in ten-thousandths; 0 if prices have more decimals."""
    row = session_block.instrument_row(session, instrument)
    return 0 if row == 0 else row.scale


@kernel
def symbol_scale(session: SessionBlock, symbol: int) -> int:
    """The same by the symbol; 0 also if there is no such instrument."""
    row = session_block.find_symbol(session, symbol)
    return 0 if row == 0 else row.scale


@kernel
def rules_of(row: SymbolRow) -> InstrumentRecord:
    """Return an instrument's rules: those in force in the core, if rules change there."""
    core = RiskState(row.core)
    if core != 0 and core.magic != 0 and core.rules_at != 0:  # it is whole, and they may change
        return row_in(RulesBlock(core + core.rules_at), row.instrument)
    return InstrumentRecord(row.rules)


@kernel_outlined
def is_possible(session: SessionBlock, symbol: int, price: int, lots: int) -> bool:
    """Check an order's price and lots against the instrument's steps and limits, as the core
    does."""
    row = session_block.find_symbol(session, symbol)
    rules = rules_of(row) if row != 0 else InstrumentRecord(0)
    if rules == 0:
        return True
    step = rules.price_step_ticks
    for band in range(TICK_BANDS):
        band_step = Words(rules + _BANDS + 16 * band)[1]
        if band_step == 0 or price < load_i64(rules + _BANDS + 16 * band):
            break
        step = band_step
    if price % step != 0 or lots % rules.qty_step_lots != 0:
        return False
    in_price = rules.min_price_ticks <= price <= rules.max_price_ticks
    return in_price and rules.min_qty_lots <= lots <= rules.max_qty_lots


@kernel
def is_replace(
    order: OrderRecord, row: OrderRow, session: SessionBlock, price4: int, open_lots: int
) -> bool:
    """Return whether a replace of the open order ``row`` is valid; then ``order`` has its price,
    kind and self-trade mode.

    ``price4``: its price in ten-thousandths; ``open_lots``: its quantity less what was executed.
    One with an invalid price or quantity takes the open order out of the book, and its new token is
    not used up (OUCH 4.2, section 2.2).
    """
    scale = symbol_scale(session, row.symbol)
    if scale == 0 or price4 % scale != 0:
        return False
    order.price_ticks = price4 // scale
    if open_lots <= 0 or not is_possible(session, row.symbol, order.price_ticks, open_lots):
        return False
    order.kind = enum_numbers.COMMAND_KIND_REPLACE
    order.time_in_force = session.self_trade << 4
    return True


@kernel
def event_price4(event: EventRecord, session: SessionBlock) -> int:
    """The event's price with four decimals; a value below zero is sent as 0, one above u32 as
    its maximum: never wrapped."""
    scale = scale_of(session, event.instrument)
    ticks = event.price_ticks
    if ticks <= 0:
        return 0
    if scale == 1:
        return min(ticks, U32_MAX)
    return U32_MAX if ticks > U32_MAX else min(ticks * scale, U32_MAX)


@kernel
def quantity32(lots: int) -> int:
    """A quantity as u32: a larger one is sent as the maximum."""
    return 0 if lots < 0 else min(lots, U32_MAX)
