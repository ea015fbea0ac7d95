"""Rules of an instrument that change while it trades: which, and the table of those in force.

The operator's command INSTRUMENT_RULE stages one of them, INSTRUMENT_APPLY puts all that are staged
in force.  The answer to each of them says enough to follow: whoever has a copy of the rules keeps a
block of this kind and calls :func:`follow` with each COMPLETED event.  So the core, the feed, the
sessions and the ledger have the same rules at the same event.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from openoutcry.wire.kernel import kernel, kernel_outlined
from openoutcry.wire.layout import Layout, Words, i64
from openoutcry.wire.memory import load_i64, not_inlined, store_i64
from openoutcry.wire.record_blocks import EventRecord, InstrumentRecord
from openoutcry.wire.records import INSTRUMENT, INSTRUMENT_DTYPE, MAX_VALUE, NO_PRICE, TICK_BANDS

FIELDS = (
    "price_step_ticks",
    "qty_step_lots",
    "min_qty_lots",
    "max_qty_lots",
    "min_price_ticks",
    "max_price_ticks",
    "market_band_ticks",
    "auction_band_ticks",
)
"""Fields that may change, by the number that INSTRUMENT_RULE gives them."""
FIRST_BAND = 16
"""The number of the first band of a tick table: its beginning and step are two values."""
SYMBOL, PAIR, TICK_UNITS = 32, 33, 34
"""The numbers of what a row without a symbol (:func:`is_slot`) gets once, with the rules above: its
symbol; base asset | quote asset << 16, by their numbers in wallets, and as second value the units
of the base asset a lot; the units of the quote asset a tick and lot."""
SLOT = "+"
"""How the symbol of a row begins that has none yet."""
SET_RULE, SET_APPLY = 117, 118
"""``Setting.INSTRUMENT_RULE`` and ``INSTRUMENT_APPLY`` (``risk/bits.py``)."""
CANCEL_OFF_GRID = 1
"""``qty_lots`` of INSTRUMENT_APPLY: open orders that the new rules do not permit are cancelled.
Without it the change is refused because of them."""
ROW_BYTES = INSTRUMENT.size_bytes
LARGEST = 1 << 62
PRICE_LIMIT = 1 << 50
"""Price limits within this are limits; a value beyond it means that no limit is set."""
OFFSETS = tuple(INSTRUMENT.offsets[name] for name in FIELDS)
BANDS = INSTRUMENT.offsets["band1_from_ticks"]


class RulesBlock(Layout, size_bytes=64):
    """Header of the block; then the staged row, then the row in force of each instrument, as
    INSTRUMENT records."""

    staged: int = i64("commands that have staged a rule since the last INSTRUMENT_APPLY")
    instrument: int = i64("the instrument that they are about")
    changes: int = i64("how often staged rules came in force")
    in_the_way: int = i64("open orders for which the last INSTRUMENT_APPLY was refused, or 0")
    changed_seq: int = i64("command with which rules last came in force, 0: none")
    pair: int = i64("staged: PAIR, 0: none,")
    lot_units: int = i64("its units a lot")
    tick_units: int = i64("and TICK_UNITS, 0: none")


HEADER_BYTES = RulesBlock.size_bytes
STAGED_AT, TABLE_AT = HEADER_BYTES, HEADER_BYTES + ROW_BYTES


def block_bytes(instruments: int) -> int:
    """Return the size of the block for this many instruments."""
    return TABLE_AT + ROW_BYTES * instruments


def enter_block(words: npt.NDArray[np.int64], at: int, instruments: npt.NDArray[Any]) -> None:
    """Make the zeroed bytes from ``at`` on a block with these rules in force."""
    table = np.frombuffer(instruments.tobytes(), np.int64)
    words[(at + TABLE_AT) // 8 :][: len(table)] = table


class RulesView:
    """A block of rules as arrays over its words."""

    def __init__(self, words: npt.NDArray[np.int64], at: int, instruments: int) -> None:
        self.header = words[at // 8 :][: HEADER_BYTES // 8]
        table = words[(at + TABLE_AT) // 8 :][: instruments * ROW_BYTES // 8]
        self.table: npt.NDArray[Any] = table.view(INSTRUMENT_DTYPE)
        """The rules in force, a row an instrument."""

    def word(self, name: str) -> int:
        """Return a word of the header, by its name."""
        return int(self.header[RulesBlock.offset(name) // 8])


def changes_between(before: Any, now: Any) -> list[tuple[int, int, int]]:
    """Return number, value and second value of each command that stages the difference of two rows
    of the instrument table."""
    found = [
        (number, int(now[name]), 0)
        for number, name in enumerate(FIELDS)
        if before[name] != now[name]
    ]
    for band in range(TICK_BANDS):
        names = f"band{band + 1}_from_ticks", f"band{band + 1}_step_ticks"
        if any(before[name] != now[name] for name in names):
            start, step = (int(now[name]) for name in names)
            found.append((FIRST_BAND + band, start, step))
    return found


@kernel
def row_in(block: RulesBlock, instrument: int) -> InstrumentRecord:
    """Return the row in force of an instrument."""
    return InstrumentRecord(block + TABLE_AT + instrument * ROW_BYTES)


@kernel
def staged_row(block: RulesBlock) -> InstrumentRecord:
    """Return the row that the next INSTRUMENT_APPLY puts in force."""
    return InstrumentRecord(block + STAGED_AT)


@kernel
def copy_row(to: int, source: int) -> None:
    """Copy a row of the instrument table."""
    for word in range(ROW_BYTES // 8):
        Words(to)[word] = Words(source)[word]


@kernel
def same_rows(one: int, other: int) -> bool:
    """Return whether two rows of the instrument table are equal."""
    same = True
    for word in range(ROW_BYTES // 8):
        same = same and Words(one)[word] == Words(other)[word]
    return same


@kernel_outlined
def stage(block: RulesBlock, instrument: int, number: int, value: int, second: int) -> bool:
    """Stage a rule; False, and nothing changed, if there is none with this number, or rules of
    another instrument are staged."""
    not_inlined()
    is_band = FIRST_BAND <= number < FIRST_BAND + TICK_BANDS
    is_field = 0 <= number < len(OFFSETS) or number in (SYMBOL, TICK_UNITS)
    if not (is_band or number == PAIR or (is_field and second == 0)):
        return False
    row = staged_row(block)
    if block.staged == 0:
        copy_row(row, row_in(block, instrument))
        block.instrument = instrument
        block.pair = block.lot_units = block.tick_units = 0
    elif block.instrument != instrument:
        return False
    if is_band:
        at = row + BANDS + 16 * (number - FIRST_BAND)
        store_i64(at, value)
        Words(at)[1] = second
    elif number == SYMBOL:
        row.symbol = value
    elif number == PAIR:
        block.pair = value
        block.lot_units = second
    elif number == TICK_UNITS:
        block.tick_units = value
    else:
        store_i64(row + OFFSETS[number], value)
    block.staged += 1
    return True


@kernel
def is_slot(symbol: int) -> bool:
    """Return whether a row's symbol, as a word, says that it has none yet."""
    return symbol & 0xFF == ord(SLOT)


@kernel
def is_symbol(word: int) -> bool:
    """Return whether a word can be an instrument's symbol: 1 to 8 printable ASCII characters,
    padded with zeros, that are not a slot's."""
    if word == 0 or is_slot(word):
        return False
    ended = False
    for place in range(8):
        letter = (word >> 8 * place) & 0xFF
        if letter == 0:
            ended = True
        elif ended or letter < 0x21 or letter > 0x7E:
            return False
    return word & 0xFF != 0


@kernel
def gets_symbol(block: RulesBlock) -> bool:
    """Return whether what is staged gives a row its symbol."""
    return staged_row(block).symbol != row_in(block, block.instrument).symbol


@kernel
def put_in_force(block: RulesBlock, seq: int) -> None:
    """Put what is staged in force, with the command ``seq``."""
    copy_row(row_in(block, block.instrument), staged_row(block))
    block.staged = 0
    block.changes += 1
    block.changed_seq = seq


@kernel_outlined
def follow(block: RulesBlock, event: EventRecord, instruments: int) -> int:
    """Follow a COMPLETED event of a RISK command; returns the instrument that has other rules from
    here on, or -1."""
    not_inlined()
    setting, index = event.contra_id, event.instrument
    if setting == SET_RULE and index < instruments:
        stage(block, index, event.qty_lots, event.leaves_lots, event.price_ticks)
    elif setting == SET_APPLY:
        if event.leaves_lots != 0 and block.staged != 0:
            put_in_force(block, event.cause_seq)
            return block.instrument
        block.staged = 0
    return -1


@kernel
def is_limited(low: int, high: int, band: int) -> bool:
    """Return whether price limits bound what an order without a price may pay."""
    return max(max(-low, high), band) <= PRICE_LIMIT


@kernel
def can_be(row: InstrumentRecord) -> bool:
    """Return whether a row's rules make sense, as :func:`records.make_instruments` says."""
    step, lot, least, most = (
        row.price_step_ticks,
        row.qty_step_lots,
        row.min_qty_lots,
        row.max_qty_lots,
    )
    low, high = row.min_price_ticks, row.max_price_ticks
    if step < 1 or step > LARGEST or lot < 1 or lot > LARGEST:
        return False
    if least < 1 or least > LARGEST or most < least:
        return False
    if low < -LARGEST or low > LARGEST or high < low:
        return False
    market, auction = row.market_band_ticks, row.auction_band_ticks
    if market < 0 or market > LARGEST or auction < 0 or auction > LARGEST:
        return False
    before, ended = NO_PRICE, False
    for band in range(TICK_BANDS):
        at = row + BANDS + 16 * band
        start, band_step = load_i64(at), Words(at)[1]
        if band_step == 0:
            ended = True
            continue
        if ended or band_step < 0 or band_step > LARGEST:
            return False
        if start <= before or start > MAX_VALUE or start % band_step != 0:
            return False
        before = start
    return True
