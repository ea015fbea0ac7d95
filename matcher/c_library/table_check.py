"""Check an instrument table without Python: what ``wire.make_instruments`` refuses, for C."""

from openoutcry.matcher.constants import RULE_BANDS
from openoutcry.wire.kernel import kernel, kernel_outlined
from openoutcry.wire.layout import Bytes, Words
from openoutcry.wire.memory import load_i64, load_u16, load_u32
from openoutcry.wire.record_blocks import InstrumentRecord
from openoutcry.wire.records import (
    INSTRUMENT,
    INSTRUMENT_RANGES,
    LEAD_MARKET_MAKERS,
    MAX_VALUE,
    NO_PRICE,
    TICK_BANDS,
)

FIELD = {field.name: index for index, field in enumerate(INSTRUMENT.fields)}
RANGES = tuple(
    (INSTRUMENT.offsets[name], INSTRUMENT.fields[FIELD[name]].size_bytes, low, high, FIELD[name])
    for name, (low, high) in INSTRUMENT_RANGES.items()
)
SYMBOL_FIELD = FIELD["symbol"]
MIN_QTY_FIELD, MIN_PRICE_FIELD = FIELD["min_qty_lots"], FIELD["min_price_ticks"]
BAND_FROM_FIELD, BAND_STEP_FIELD = FIELD["band1_from_ticks"], FIELD["band1_step_ticks"]
LMM_SHARE_FIELD = FIELD["lmm1_share_bps"]
LMM_SHARES_AT = tuple(
    INSTRUMENT.offsets[f"lmm{k}_share_bps"] for k in range(1, LEAD_MARKET_MAKERS + 1)
)
BAND_BYTES, BAND_FIELDS = 16, 2
MAX_STEP = 1 << 62
NO_FAULT = -1


@kernel_outlined
def faulty_field(row: InstrumentRecord) -> int:
    """The number of a field, from 0, that makes no sense in the instrument at ``row``, or -1."""
    if not is_symbol(row):
        return SYMBOL_FIELD
    for offset, size_bytes, low, high, field in RANGES:
        value = load_field(row + offset, size_bytes)
        if value < low or value > high:
            return field
    if row.min_qty_lots > row.max_qty_lots:
        return MIN_QTY_FIELD
    if row.min_price_ticks > row.max_price_ticks:
        return MIN_PRICE_FIELD
    shares = 0
    for offset in LMM_SHARES_AT:
        shares += load_u16(row + offset)
    return LMM_SHARE_FIELD if shares > 10_000 else faulty_band(row)


@kernel
def load_field(address: int, size_bytes: int) -> int:
    """Return a field of 1, 2, 4 or 8 bytes as an int64; smaller ones are unsigned. ``address``: its
    own."""
    if size_bytes == 8:
        return load_i64(address)
    if size_bytes == 4:
        return load_u32(address)
    return load_u16(address) if size_bytes == 2 else Bytes(address)[0]


@kernel
def is_symbol(row: int) -> bool:
    """1 to 8 printable characters, then zeros. ``row``: address of the eight."""
    ended = False
    for place in range(8):
        character = Bytes(row)[place]
        if character == 0:
            ended = True
        elif ended or character < 0x21 or character > 0x7E:
            return False
    return Bytes(row)[0] != 0


@kernel
def faulty_band(row: int) -> int:
    """Bands begin at rising multiples of their step, and unused bands come last."""
    before = NO_PRICE
    ended = False
    for band in range(TICK_BANDS):
        at = row + RULE_BANDS + band * BAND_BYTES
        start, step = load_i64(at), Words(at)[1]
        if step == 0:
            ended = True
            continue
        if ended or step < 1 or step > MAX_STEP:
            return BAND_STEP_FIELD + band * BAND_FIELDS
        if start <= before or start > MAX_VALUE or start % step != 0:
            return BAND_FROM_FIELD + band * BAND_FIELDS
        before = start
    return NO_FAULT
