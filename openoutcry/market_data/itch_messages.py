"""Write messages of ITCH 5.0, each after its length: one function a message, from the one table.

``out`` is where the message goes; each returns where the next one does.  Of a price or a quantity
that its field cannot hold the nearest that it can is written, and counted.

``at`` is the address of a field.
"""

import openoutcry.market_data.state as feed_state
from openoutcry.journal.projections import PAUSE_BY_BANDS, PAUSE_BY_MARKET
from openoutcry.market_data.state import (
    DirectoryRow,
    FeedInstrument,
    FeedOrder,
    FeedState,
    PhaseRow,
)
from openoutcry.wire import enum_numbers
from openoutcry.wire.big_endian import load_any64, store_any64, store_be16, store_be32, store_be64
from openoutcry.wire.enums import Phase
from openoutcry.wire.feed_messages import FRAME_BYTES, ITCH50, SYMBOL_BYTES
from openoutcry.wire.instrument_states import STATES as STATES_OF_INSTRUMENTS
from openoutcry.wire.instrument_states import InstrumentState
from openoutcry.wire.kernel import kernel, kernel_outlined
from openoutcry.wire.layout import Bytes
from openoutcry.wire.rule_changes import is_slot

_OUT = {message.kind: message for message in ITCH50.server}
_S, _R, _H, _J, _A, _E, _C = (_OUT[kind].at for kind in "SRHJAEC")
_X, _D, _U, _P, _Q, _I = (_OUT[kind].at for kind in "XDUPQI")
_V, _W, _STOP, _BOOK, _BROKEN = (_OUT[kind].at for kind in "VWhoB")
_ZS, _ZR, _ZH, _ZJ, _ZA, _ZE, _ZC = (_OUT[kind].size_bytes for kind in "SRHJAEC")
_ZX, _ZD, _ZU, _ZP, _ZQ, _ZI = (_OUT[kind].size_bytes for kind in "XDUPQI")
_ZV, _ZW, _Zh, _Z_BOOK, _Z_BROKEN = (_OUT[kind].size_bytes for kind in "VWhoB")
MAX_BYTES = FRAME_BYTES + max(message.size_bytes for message in ITCH50.server)
_TIME = _S.timestamp
assert (_S.locate, _TIME) == (1, 5)
_KS, _KR, _KH, _KJ, _KA, _KE, _KC = (ord(kind) for kind in "SRHJAEC")
_KX, _KD, _KU, _KP, _KQ, _KI = (ord(kind) for kind in "XDUPQI")
_KV, _KW, _Kh, _K_BOOK, _K_BROKEN = (ord(kind) for kind in "VWhoB")

BUY = enum_numbers.SIDE_BUY
MAX_U32 = 2**32 - 1
_N, _Y, _SPACE, _B, _O, _L = (ord(letter) for letter in "NY BOL")
_SELL_LETTER = ord("S")
_PAUSED, _QUOTES, _HALTED, _TRADING, _ZERO = (ord(letter) for letter in "PQHT0")
STATES = {
    Phase.CLOSED: ("H", "CLSD"),
    Phase.PRE_OPEN: ("Q", "PREO"),
    Phase.OPENING_AUCTION: ("Q", "OPEN"),
    Phase.CONTINUOUS: ("T", "CONT"),
    Phase.VOLATILITY_AUCTION: ("P", "VOLA"),
    Phase.HALT: ("H", "HALT"),
    Phase.CLOSING_AUCTION: ("Q", "CLOS"),
    Phase.TRADING_AT_LAST: ("T", "LAST"),
}
"""Trading state and reason of an H message, by phase."""


def letters(text: str) -> int:
    """Four letters as a message has them."""
    return int.from_bytes(text.encode().ljust(4), "big")


_LUDP, _T5, _T7, _MWC0, _MWCQ, _O1 = (
    letters(text) for text in ("LUDP", "T5", "T7", "MWC0", "MWCQ", "O1")
)
_P_CLOSED, _P_VOLATILITY, _P_HALT, _P_CONTINUOUS = (
    enum_numbers.PHASE_CLOSED,
    enum_numbers.PHASE_VOLATILITY_AUCTION,
    enum_numbers.PHASE_HALT,
    enum_numbers.PHASE_CONTINUOUS,
)
_FEED_WORDS = {int(state): word for state, word in STATES_OF_INSTRUMENTS.offered("feed").items()}
SHOWN_STATES = sum(1 << state for state in _FEED_WORDS)
"""The states that H says instead of the phase."""
_OF_STATE = tuple(ord(_FEED_WORDS.get(n, " ")[0]) for n in range(max(InstrumentState) + 1))
_REASON_OF_STATE = tuple(
    letters(_FEED_WORDS.get(n, " ")[1:]) for n in range(max(InstrumentState) + 1)
)
_CLOSE_ONLY = enum_numbers.INSTRUMENT_STATE_CLOSE_ONLY
MAX_LEVEL = (2**63 - 1) // 10**8
"""The highest level that V can say."""


@kernel
def head(state: FeedState, out: int, kind: int, size: int, locate: int) -> int:
    """Length, type, locate, tracking (0) and time of a message, in two stores; returns its
    address."""
    now = state.now
    store_be64(out, size << 48 | kind << 40 | locate << 24)
    store_be64(out + FRAME_BYTES + _TIME - 2, now)
    state.messages += 1
    return out + FRAME_BYTES


@kernel
def instrument_of(state: FeedState, row: FeedOrder) -> FeedInstrument:
    """Return the instrument of an order."""
    at = state.instruments
    return FeedInstrument(at + feed_state.INSTRUMENT_BYTES * row.instrument)


@kernel
def store_price(state: FeedState, instrument: FeedInstrument, at: int, price_ticks: int) -> None:
    """A price with the decimals of the directory: four, where it announces none."""
    if price_ticks < 0 or price_ticks > instrument.price_max:
        price_ticks = feed_state.clamped(state, price_ticks, instrument.price_max)
    store_be32(at, price_ticks * instrument.scale)


@kernel
def store_limit(instrument: FeedInstrument, at: int, price_ticks: int) -> None:
    """The nearest price that the field can hold: for limits, which bind no further out."""
    price_ticks = min(max(price_ticks, 0), instrument.price_max)
    store_be32(at, price_ticks * instrument.scale)


@kernel
def store_shares(state: FeedState, at: int, qty_lots: int) -> None:
    """Store a quantity as a u32; one that does not fit is cut and counted."""
    if qty_lots < 0 or qty_lots > MAX_U32:
        qty_lots = feed_state.clamped(state, qty_lots, MAX_U32)
    store_be32(at, qty_lots)


@kernel
def store_stock(instrument: int, at: int) -> None:
    """Store the eight characters of an instrument's symbol."""
    store_any64(at, load_any64(instrument + feed_state.SYMBOL))


@kernel_outlined
def system_event(state: FeedState, out: int, event: int) -> int:
    """Write ``S``; returns the address after it, as all writers of this module."""
    message = head(state, out, _KS, _ZS, 0)
    Bytes(message)[_S.event] = event
    return out + FRAME_BYTES + _ZS


@kernel_outlined
def directory(state: FeedState, out: int, instrument: FeedInstrument) -> int:
    """R: the instrument; what a venue of another kind would say about it is "not available".  Of a
    slot, which is no instrument yet, this and the next ones say nothing."""
    if is_slot(instrument.symbol):
        return out
    message = head(state, out, _KR, _ZR, instrument.locate)
    store_stock(instrument, message + _R.stock)
    lot = instrument.round_lot
    Bytes(message)[_R.market_category] = _SPACE
    Bytes(message)[_R.financial_status] = _SPACE
    store_be32(message + _R.round_lot, min(lot, MAX_U32))
    Bytes(message)[_R.round_lots_only] = _Y if lot > 1 else _N
    Bytes(message)[_R.classification] = 67
    store_be16(message + _R.sub_type, 0x5A20)
    Bytes(message)[_R.authenticity] = 80
    Bytes(message)[_R.short_sale_threshold] = _SPACE
    Bytes(message)[_R.ipo] = _N
    Bytes(message)[_R.luld_tier] = _SPACE
    Bytes(message)[_R.etp] = _N
    store_be32(message + _R.etp_leverage, 0)
    Bytes(message)[_R.inverse] = _N
    return out + FRAME_BYTES + _ZR


@kernel_outlined
def order_book_directory(
    state: FeedState, out: int, instrument: FeedInstrument, row: DirectoryRow
) -> int:
    """o: the symbol and the decimals of prices."""
    if is_slot(instrument.symbol):
        return out
    message = head(state, out, _K_BOOK, _Z_BOOK, instrument.locate)
    store_stock(instrument, message + _BOOK.stock)
    shown, symbol = Bytes(message + _BOOK.symbol), Bytes(row + feed_state.DIRECTORY_SYMBOL)
    for place in range(SYMBOL_BYTES):
        shown[place] = symbol[place]
    store_be16(message + _BOOK.price_decimals, row.price_decimals)
    return out + FRAME_BYTES + _Z_BOOK


@kernel_outlined
def trading_action(state: FeedState, out: int, instrument: FeedInstrument) -> int:
    """Write ``H``: the instrument's state, with the reason of a halt or pause.  The state in which
    the operator has put it comes before its phase, close-only only of continuous trading."""
    if is_slot(instrument.symbol):
        return out
    message = head(state, out, _KH, _ZH, instrument.locate)
    phase = instrument.phase
    row = PhaseRow(state.phases + feed_state.PHASE_BYTES * phase)
    letter, reason = row.state_letter, row.reason
    cause, level = instrument.cause & 0xFF, instrument.cause >> 8
    halted = instrument.halted
    if phase == _P_HALT and halted > 0:
        reason = halted
    elif phase == _P_HALT and cause == PAUSE_BY_MARKET:
        reason = _MWC0 + level
    elif phase == _P_HALT and cause != 0:
        letter, reason = _PAUSED, _LUDP if cause == PAUSE_BY_BANDS else _T5
    elif phase == _P_HALT and halted != 0:
        reason = _O1
    elif phase == _P_VOLATILITY and cause != 0:
        letter, reason = _QUOTES, _MWCQ if cause == PAUSE_BY_MARKET else _T7
    elif phase == _P_CLOSED and cause == PAUSE_BY_MARKET and level == 3:
        reason = _MWC0 + level
    listed = instrument.stopped >> feed_state.STATE_SHIFT
    if listed != 0 and (listed != _CLOSE_ONLY or phase == _P_CONTINUOUS):
        letter, reason = _OF_STATE[listed], _REASON_OF_STATE[listed]
    store_stock(instrument, message + _H.stock)
    Bytes(message)[_H.state] = letter
    Bytes(message)[_H.reserved] = _SPACE
    store_be32(message + _H.reason, reason)
    return out + FRAME_BYTES + _ZH


@kernel_outlined
def decline_levels(state: FeedState, out: int) -> int:
    """V: the breaker's levels, of the index, with eight decimals."""
    message = head(state, out, _KV, _ZV, 0)
    store_level(state, message + _V.level1, state.level_1)
    store_level(state, message + _V.level2, state.level_2)
    store_level(state, message + _V.level3, state.level_3)
    return out + FRAME_BYTES + _ZV


@kernel
def store_level(state: FeedState, at: int, level: int) -> None:
    """Store a level of the market-wide breaker as a price of eight decimals; one that does not fit
    is cut and counted."""
    if level < 0 or level > MAX_LEVEL:
        level = feed_state.clamped(state, level, MAX_LEVEL)
    store_be64(at, level * 10**8)


@kernel_outlined
def decline_breached(state: FeedState, out: int, level: int) -> int:
    """Write ``W``: the market-wide breaker has reached a level, 1 to 3."""
    message = head(state, out, _KW, _ZW, 0)
    Bytes(message)[_W.level] = _ZERO + level
    return out + FRAME_BYTES + _ZW


@kernel_outlined
def operational_halt(state: FeedState, out: int, instrument: FeedInstrument, stopped: int) -> int:
    """Write ``h``: the operator stopped an instrument (``stopped`` not 0), or let it continue."""
    if is_slot(instrument.symbol):
        return out
    message = head(state, out, _Kh, _Zh, instrument.locate)
    store_stock(instrument, message + _STOP.stock)
    Bytes(message)[_STOP.market] = _QUOTES
    Bytes(message)[_STOP.action] = _HALTED if stopped != 0 else _TRADING
    return out + FRAME_BYTES + _Zh


@kernel_outlined
def auction_collar(state: FeedState, out: int, instrument: FeedInstrument) -> int:
    """Write ``J``: the prices between which an auction that was put off may take place."""
    message = head(state, out, _KJ, _ZJ, instrument.locate)
    store_stock(instrument, message + _J.stock)
    # A band is up to 2**62 and the middle any price: cut before the sum, which is the same then.
    middle = min(max(instrument.reference, -(1 << 40)), 1 << 40)
    band = min(instrument.band, 1 << 41)
    store_limit(instrument, message + _J.reference_price, middle)
    store_limit(instrument, message + _J.upper, middle + band)
    store_limit(instrument, message + _J.lower, middle - band)
    store_be32(message + _J.extension, instrument.extension)
    return out + FRAME_BYTES + _ZJ


@kernel
def add(state: FeedState, out: int, row: FeedOrder, reference: int, shares: int) -> int:
    """Write ``A``: an order is displayed, under a reference number."""
    instrument = instrument_of(state, row)
    message = head(state, out, _KA, _ZA, row.instrument + 1)
    store_be64(message + _A.reference, reference)
    Bytes(message)[_A.side] = _B if row.side == BUY else _SELL_LETTER
    store_shares(state, message + _A.shares, shares)
    store_stock(instrument, message + _A.stock)
    store_price(state, instrument, message + _A.price, row.price)
    return out + FRAME_BYTES + _ZA


@kernel
def replace(state: FeedState, out: int, row: FeedOrder, reference: int, shares: int) -> int:
    """Write ``U``: an order continues under a new reference number, price and quantity."""
    instrument = instrument_of(state, row)
    message = head(state, out, _KU, _ZU, instrument.locate)
    store_be64(message + _U.reference, row.ref)
    store_be64(message + _U.new_reference, reference)
    store_shares(state, message + _U.shares, shares)
    store_price(state, instrument, message + _U.price, row.price)
    return out + FRAME_BYTES + _ZU


@kernel
def executed(state: FeedState, out: int, row: FeedOrder, shares: int, match: int) -> int:
    """Write ``E``: lots of a displayed order traded at its price, under a match number."""
    message = head(state, out, _KE, _ZE, row.instrument + 1)
    store_be64(message + _E.reference, row.ref)
    store_shares(state, message + _E.shares, shares)
    store_be64(message + _E.match, match)
    return out + FRAME_BYTES + _ZE


@kernel_outlined
def broken_trade(state: FeedState, out: int, instrument: int, match: int) -> int:
    """Write ``B``: the trade with a match number is void."""
    message = head(state, out, _K_BROKEN, _Z_BROKEN, instrument + 1)
    store_be64(message + _BROKEN.match, match)
    return out + FRAME_BYTES + _Z_BROKEN


@kernel_outlined
def executed_at(
    state: FeedState, out: int, row: FeedOrder, shares: int, match: int, price: int, printable: int
) -> int:
    """C: at another price than the order's, or (not printable) in an auction."""
    instrument = instrument_of(state, row)
    message = head(state, out, _KC, _ZC, instrument.locate)
    store_be64(message + _C.reference, row.ref)
    store_shares(state, message + _C.shares, shares)
    store_be64(message + _C.match, match)
    Bytes(message)[_C.printable] = _Y if printable else _N
    store_price(state, instrument, message + _C.price, price)
    return out + FRAME_BYTES + _ZC


@kernel
def cancel(state: FeedState, out: int, row: FeedOrder, shares: int) -> int:
    """Write ``X``: a displayed order has lost lots."""
    message = head(state, out, _KX, _ZX, row.instrument + 1)
    store_be64(message + _X.reference, row.ref)
    store_shares(state, message + _X.shares, shares)
    return out + FRAME_BYTES + _ZX


@kernel
def delete(state: FeedState, out: int, row: FeedOrder) -> int:
    """Write ``D``: an order is no longer displayed."""
    message = head(state, out, _KD, _ZD, row.instrument + 1)
    store_be64(message + _D.reference, row.ref)
    return out + FRAME_BYTES + _ZD


@kernel
def hidden_trade(
    state: FeedState, out: int, row: FeedOrder, shares: int, price: int, match: int, reference: int
) -> int:
    """P: nothing about the order that was not displayed, not even its side.  ``reference``: 0, or 1
    of a trade off the book."""
    instrument = instrument_of(state, row)
    message = head(state, out, _KP, _ZP, instrument.locate)
    store_be64(message + _P.reference, reference)
    Bytes(message)[_P.side] = _B
    store_shares(state, message + _P.shares, shares)
    store_stock(instrument, message + _P.stock)
    store_price(state, instrument, message + _P.price, price)
    store_be64(message + _P.match, match)
    return out + FRAME_BYTES + _ZP


@kernel_outlined
def cross(state: FeedState, out: int) -> int:
    """Q: the auction that the header remembers."""
    instrument = FeedInstrument(state.cross_instrument)
    message = head(state, out, _KQ, _ZQ, instrument.locate)
    qty = state.cross_qty
    store_be64(message + _Q.shares, qty)
    store_stock(instrument, message + _Q.stock)
    store_price(state, instrument, message + _Q.price, state.cross_price if qty != 0 else 0)
    store_be64(message + _Q.match, state.cross_match)
    Bytes(message)[_Q.cross_type] = instrument.cross_type
    return out + FRAME_BYTES + _ZQ


@kernel_outlined
def imbalance(
    state: FeedState,
    out: int,
    instrument: FeedInstrument,
    paired: int,
    left: int,
    side: int,
    price: int,
) -> int:
    """I: all three prices are the one at which the auction would trade."""
    message = head(state, out, _KI, _ZI, instrument.locate)
    store_be64(message + _I.paired, paired)
    store_be64(message + _I.imbalance, left)
    letter = _B if side == BUY else _SELL_LETTER
    letter = _O if paired == 0 else letter if left != 0 else _N
    Bytes(message)[_I.direction] = letter
    store_stock(instrument, message + _I.stock)
    price = price if paired != 0 else 0
    store_price(state, instrument, message + _I.far_price, price)
    store_price(state, instrument, message + _I.near_price, price)
    store_price(state, instrument, message + _I.reference_price, price)
    Bytes(message)[_I.cross_type] = instrument.cross_type
    Bytes(message)[_I.variation] = _L if paired != 0 else _SPACE
    return out + FRAME_BYTES + _ZI
