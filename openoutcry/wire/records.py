"""Every record as plain data: name, type, unit and meaning of each field, in byte order.

Little-endian, natural alignment, no implicit padding.  This module computes the offsets and asserts
the sizes.  The numpy dtypes, the C header, the Verilog header and the Markdown page are all
generated from these tables.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from openoutcry.wire.enums import InstrumentOption

RECORD_BYTES = 64
"""One order = one cache line = one ring slot = one 512-bit beat = one journal row."""

CTYPES = {
    "i64": ("<i8", 8, "int64_t"),
    "u64": ("<u8", 8, "uint64_t"),
    "u32": ("<u4", 4, "uint32_t"),
    "u16": ("<u2", 2, "uint16_t"),
    "u8": ("u1", 1, "uint8_t"),
    "char8": ("S8", 8, "char"),
}


@dataclass(frozen=True)
class Field:
    """One field: ``ctype`` is a key of :data:`CTYPES`; ``enum`` names the enumeration it holds."""

    name: str
    ctype: str
    doc: str
    enum: str = ""

    @property
    def size_bytes(self) -> int:
        """Bytes that the field takes."""
        return CTYPES[self.ctype][1]


@dataclass(frozen=True)
class Record:
    """A record of fields that fill ``size_bytes`` exactly, each at its natural alignment."""

    name: str
    size_bytes: int
    doc: str
    fields: tuple[Field, ...]

    def __post_init__(self) -> None:
        at = 0
        for field in self.fields:
            align = field.size_bytes
            assert at % align == 0, f"{self.name}.{field.name} at byte {at} is not aligned"
            at += field.size_bytes
        assert at == self.size_bytes, f"{self.name}: fields fill {at} of {self.size_bytes} bytes"

    @property
    def offsets(self) -> dict[str, int]:
        """Byte offset of each field, by name."""
        at, result = 0, {}
        for field in self.fields:
            result[field.name] = at
            at += field.size_bytes
        return result

    def dtype(self) -> np.dtype[Any]:
        """The structured numpy dtype of this record."""
        return np.dtype([(f.name, CTYPES[f.ctype][0]) for f in self.fields])


ORDER = Record(
    "order",
    RECORD_BYTES,
    "A command to the matcher, from the network card to the disk.",
    (
        Field("price_ticks", "i64", "limit price"),
        Field("qty_lots", "i64", "quantity: of a new order, to take off, or new open quantity"),
        Field("symbol", "char8", "instrument, ASCII, padded with NUL"),
        Field(
            "order_id", "i64", "the client's identifier, unique among an instrument's open orders"
        ),
        Field("aux", "i64", "second price, quantity or time: what it is, the kind and type say"),
        Field("rx_ts_ns", "i64", "ingress time, ns since the epoch; no effect on matching"),
        Field("participant", "u16", "owner of the order"),
        Field("error_code", "u16", "the gateway's verdict, one bit a check", "ErrorBit"),
        Field("kind", "u8", "what is asked", "CommandKind"),
        Field("side", "u8", "buy or sell", "Side"),
        Field("order_type", "u8", "how it may trade", "OrderType"),
        Field(
            "time_in_force",
            "u8",
            "how long it may rest; from bit 4 SelfTrade; bit 7 of a REPLACE: OPEN_KNOWN",
            "TimeInForce",
        ),
        Field("seq", "i64", "sequence number from 1; storing it publishes the slot"),
    ),
)

EVENT = Record(
    "event",
    RECORD_BYTES,
    "What a command caused, addressed to one participant.",
    (
        Field("order_id", "i64", "the order it happened to"),
        Field(
            "contra_id", "i64", "fill: the other order; gateway reject: error_code; see EventKind"
        ),
        Field("price_ticks", "i64", "fill: trade price; otherwise the order's price"),
        Field("qty_lots", "i64", "traded, cancelled, reduced, accepted or rejected quantity"),
        Field("leaves_lots", "i64", "open quantity of the order after this event"),
        Field("cause_seq", "i64", "sequence number of the command that caused it"),
        Field("participant", "u16", "the participant it is addressed to"),
        Field("instrument", "u16", "index in the instrument table; 65535 if unknown"),
        Field("kind", "u8", "what happened", "EventKind"),
        Field("reason", "u8", "why", "Reason"),
        Field("side", "u8", "side of the order", "Side"),
        Field("flags", "u8", "bits", "EventFlag"),
        Field("seq", "i64", "event sequence number from 1; storing it publishes the slot"),
    ),
)

TICK_BANDS = 10
LEAD_MARKET_MAKERS = 8
PLAIN_INSTRUMENT_BYTES = 256
"""Bytes of an instrument that are in every hash; what follows is if it is not all zero."""
INSTRUMENT = Record(
    "instrument",
    320,
    "One row of the instrument table, shared by gateway and matcher.",
    (
        Field("symbol", "char8", "ASCII, padded with NUL"),
        Field("price_step_ticks", "i64", "prices are multiples of this, below the first band"),
        Field("qty_step_lots", "i64", "quantities are multiples of this"),
        Field("min_qty_lots", "i64", "smallest quantity of a new order"),
        Field("max_qty_lots", "i64", "largest quantity of a new order"),
        Field("max_price_ticks", "i64", "highest limit price"),
        Field("min_price_ticks", "i64", "lowest limit price"),
        Field("reference_price_ticks", "i64", "reference before the first trade, or NO_PRICE"),
        Field("market_band_ticks", "i64", "how far past the best price a market order goes; 0 any"),
        Field("auction_band_ticks", "i64", "how far from the reference an auction goes; 0 any"),
        Field("min_allocation_lots", "i64", "pro-rata shares below this count as 0"),
        Field("allocation", "u8", "how a level is shared", "Allocation"),
        Field("options", "u8", "bits", "InstrumentOption"),
        Field("initial_phase", "u8", "phase before the first PHASE command", "Phase"),
        Field("auction_extensions", "u8", "how often an auction outside its band is put off"),
        Field("top_share_bps", "u16", "pro-rata: share of the first order in the queue, 1/10000"),
        Field("reserved", "u16", "zero"),
        *(
            field
            for k in range(1, TICK_BANDS + 1)
            for field in (
                Field(f"band{k}_from_ticks", "i64", "prices from here on have the next step"),
                Field(f"band{k}_step_ticks", "i64", "prices are multiples of this; 0 no band"),
            )
        ),
        Field("top_min_lots", "i64", "STEPS: a smaller order does not become the TOP order"),
        Field("top_max_lots", "i64", "STEPS: most that the TOP order gets before others; 0 any"),
        *(
            field
            for k in range(1, LEAD_MARKET_MAKERS + 1)
            for field in (
                Field(f"lmm{k}_participant", "u16", "STEPS: a lead market maker"),
                Field(f"lmm{k}_share_bps", "u16", "its share before others, 1/10000; 0 none"),
            )
        ),
        Field("fifo_share_bps", "u16", "STEPS: share that goes by time, not pro rata, 1/10000"),
        Field("leveling", "u8", "STEPS: 1: an order that pro rata gives nothing gets a lot"),
        Field("reserved2", "u8", "zero"),
        Field("reserved3", "u32", "zero"),
        Field("reserved4", "i64", "zero"),
    ),
)

BLOCK_HEADER = Record(
    "block_header",
    128,
    "Before each block of a journal segment.",
    (
        Field("magic", "u64", "BLOCK_MAGIC"),
        Field("layout_hash", "u64", "layout that wrote it"),
        Field("journal_id", "u64", "random; the same in every block of a journal and its copies"),
        Field("block_index", "i64", "0, 1, 2, … through the whole journal, across segments"),
        Field("first_seq", "i64", "sequence of the first command in or after this block"),
        Field("record_count", "i64", "records in the block; 0 in blocks of JSON"),
        Field("written_ts_ns", "i64", "ns since the epoch"),
        Field("payload_bytes", "u32", "bytes after this header that mean something"),
        Field("block_bytes", "u32", "header, payload and zeros up to a multiple of 4,096"),
        *(
            Field(f"previous_hash{k}", "u64", f"BLAKE3 of the block before, bytes {8 * k} on")
            for k in range(4)
        ),
        Field("events_seq", "i64", "last command whose events had been hashed; 0 none"),
        Field("events_hash", "u64", "hash of all events up to those of events_seq"),
        Field("text_bytes", "u32", "JSON blocks: length of the text in the payload"),
        Field("unsynced_blocks", "u32", "blocks right before it not known to be durable yet"),
        Field("kind", "u8", "what it carries", "BlockKind"),
        Field("reserved0", "u8", "zero"),
        Field("reserved1", "u16", "zero"),
        Field("crc32c", "u32", "over the whole block, this field zero"),
    ),
)

PACKET_HEADER = Record(
    "packet_header",
    32,
    "At the start of each UDP payload; `count` order or event records follow.",
    (
        Field("magic", "u32", "PACKET_MAGIC"),
        Field("layout_tag", "u32", "low half of the layout hash"),
        Field("first_seq", "i64", "sender's own sequence number of the first record, from 1"),
        Field("sent_ts_ns", "i64", "intended send time, ns since the epoch"),
        Field("sender", "u32", "which sender the sequence belongs to"),
        Field("count", "u16", "records that follow"),
        Field("kind", "u8", "orders or events", "PacketKind"),
        Field("reserved", "u8", "zero"),
    ),
)

CLOCK = Record(
    "clock",
    RECORD_BYTES,
    "What the clock knew about itself at one moment: the evidence behind every time stamp.",
    (
        Field("tai_ts_ns", "i64", "when, TAI, ns since 1970-01-01 00:00:00 TAI; UTC: - offset"),
        Field("bound_ns", "i64", "true time was within this of tai_ts_ns; MAX_VALUE: unknown"),
        Field("offset_ns", "i64", "the source's reading minus ours, before it was corrected"),
        Field("drift_ppb", "i64", "how much faster than nominal the counter runs, by the source"),
        Field("path_delay_ns", "i64", "one way to the source; part of the bound"),
        Field("grandmaster", "u64", "PTP: clock identity (EUI-64); NTP: reference id; 0 none"),
        Field("utc_offset_s", "u16", "TAI minus UTC at that moment"),
        Field("flags", "u16", "bits", "ClockFlag"),
        Field("state", "u8", "how the clock is held", "ClockState"),
        Field("source", "u8", "what it follows", "ClockSource"),
        Field("event", "u8", "why the record was made", "ClockEvent"),
        Field("reserved", "u8", "zero"),
        Field("seq", "i64", "number of the record from 1; storing it publishes the slot"),
    ),
)

CLOCK_PAGE = Record(
    "clock_page",
    64,
    "The line that turns the counter into an interval of time; one writer, any number of readers.",
    (
        Field("version", "i64", "odd while the rest is being written; changes with every update"),
        Field("base_ticks", "i64", "counter at the base"),
        Field("base_tai_ns", "i64", "TAI at the base, ns since 1970-01-01 00:00:00 TAI"),
        Field("mult_q48", "i64", "ns a tick, times 2**48"),
        Field("bound_ns", "i64", "TAI is known to within this at the base"),
        Field("leap_tai_ns", "i64", "TAI at which the UTC offset changes; MAX_VALUE: none ahead"),
        Field("growth_ppb", "u32", "how fast the bound grows from the base on"),
        Field("owner", "u32", "the writer's thread; 2**30 when it died (by the kernel), 0 ended"),
        Field("stale_ms", "u32", "the page is invalid this long after the base"),
        Field("utc_offset_s", "u8", "TAI minus UTC before leap_tai_ns"),
        Field("next_utc_offset_s", "u8", "and from then on"),
        Field("state", "u8", "how the clock is held", "ClockState"),
        Field("source", "u8", "what it follows", "ClockSource"),
    ),
)

RECORDS = (ORDER, EVENT, INSTRUMENT, BLOCK_HEADER, PACKET_HEADER, CLOCK, CLOCK_PAGE)

BLOCK_MAGIC = int.from_bytes(b"OUTCRYJB", "little")
PACKET_MAGIC = int.from_bytes(b"OCRY", "little")
RING_MAGIC = int.from_bytes(b"OUTCRYRB", "little")
CONTROL_MAGIC = int.from_bytes(b"OUTCRYCT", "little")
CLOCK_MAGIC = int.from_bytes(b"OUTCRYCK", "little")
MAGICS = {
    "BLOCK_MAGIC": BLOCK_MAGIC,
    "PACKET_MAGIC": PACKET_MAGIC,
    "RING_MAGIC": RING_MAGIC,
    "CONTROL_MAGIC": CONTROL_MAGIC,
    "CLOCK_MAGIC": CLOCK_MAGIC,
}

MAX_PACKET_RECORDS = 22
"""Records that fit an Ethernet frame of 1,500 bytes: (1500 - 20 - 8 - 32) // 64."""

ORDER_DTYPE = ORDER.dtype()
EVENT_DTYPE = EVENT.dtype()
INSTRUMENT_DTYPE = INSTRUMENT.dtype()
BLOCK_HEADER_DTYPE = BLOCK_HEADER.dtype()
PACKET_HEADER_DTYPE = PACKET_HEADER.dtype()
CLOCK_DTYPE = CLOCK.dtype()

NO_INSTRUMENT = 65535
MAX_INSTRUMENTS = NO_INSTRUMENT
"""As many as an event's 16 bits can name, less the value that means "none"."""
MAX_VALUE = 2**63 - 1
NO_PRICE = -(2**63)
"""Where a price may be missing: no price anyone could send, as limits end at -2**62."""

BY_EITHER = int(InstrumentOption.STOPS_BY_QUOTE | InstrumentOption.STOPS_BY_TRADE_OR_QUOTE)
REST_BOTH = int(InstrumentOption.MARKET_REST_STAYS | InstrumentOption.MARKET_WAITS)
_INSTRUMENT_DEFAULTS: dict[str, int] = {
    "price_step_ticks": 1,
    "qty_step_lots": 1,
    "min_qty_lots": 1,
    "max_qty_lots": 2**62,
    "max_price_ticks": 2**62,
    "min_price_ticks": -(2**62),
    "reference_price_ticks": NO_PRICE,
    "allocation": 1,
    "initial_phase": 4,
}
INSTRUMENT_RANGES: dict[str, tuple[int, int]] = {
    "price_step_ticks": (1, 2**62),
    "qty_step_lots": (1, 2**62),
    "min_qty_lots": (1, 2**62),
    "max_qty_lots": (1, MAX_VALUE),
    "max_price_ticks": (-(2**62), MAX_VALUE),
    "min_price_ticks": (-(2**62), 2**62),
    "reference_price_ticks": (NO_PRICE, MAX_VALUE),
    "market_band_ticks": (0, 2**62),
    "auction_band_ticks": (0, 2**62),
    "min_allocation_lots": (0, 2**62),
    "allocation": (1, 3),
    "options": (0, 255),
    "initial_phase": (1, 8),
    "auction_extensions": (0, 255),
    "top_share_bps": (0, 10_000),
    "reserved": (0, 0),
    "top_min_lots": (0, 2**62),
    "top_max_lots": (0, 2**62),
    **{f"lmm{k}_participant": (0, 65535) for k in range(1, LEAD_MARKET_MAKERS + 1)},
    **{f"lmm{k}_share_bps": (0, 10_000) for k in range(1, LEAD_MARKET_MAKERS + 1)},
    "fifo_share_bps": (0, 10_000),
    "leveling": (0, 1),
    "reserved2": (0, 0),
    "reserved3": (0, 0),
    "reserved4": (0, 0),
}
"""Least and greatest value of an instrument's fields; the bands have separate rules."""


def make_instruments(
    rows: Iterable[str | bytes | Mapping[str, Any]],
) -> npt.NDArray[Any]:
    """Build an instrument table.

    Each row is a symbol (1 to 8 printable ASCII characters) or a mapping with ``symbol`` and any of
    the other fields of :data:`INSTRUMENT`.  By default steps and ``min_qty_lots`` are 1, prices lie
    within ±2**62 and the largest quantity is 2**62.  Everything else is off: price-time priority,
    continuous trading, no bands.

    ``tick_table``, a list of up to 10 (from price, step), replaces the ``band`` fields.  Give
    ``price_step_ticks`` too, unless no positive price lies below the first band.

    Returns an array of :data:`INSTRUMENT_DTYPE`.  Raises ``ValueError``, naming row and field, for
    a bad or repeated symbol, a value out of its range, limits or bands out of order, or more than
    4,096 rows.
    """
    table = []
    seen: set[bytes] = set()
    for number, row in enumerate(rows):
        given = {"symbol": row} if isinstance(row, str | bytes) else dict(row)
        try:
            values = _instrument_row(given)
        except ValueError as error:
            raise ValueError(f"instrument row {number}: {error}") from None
        symbol = bytes(values["symbol"])
        if symbol in seen:
            raise ValueError(f"instrument row {number}: symbol {symbol!r} occurs twice")
        seen.add(symbol)
        table.append(tuple(values.get(f.name, 0) for f in INSTRUMENT.fields))
    if not 1 <= len(table) <= MAX_INSTRUMENTS:
        raise ValueError(f"an instrument table has 1 to {MAX_INSTRUMENTS} rows, not {len(table)}")
    return np.array(table, dtype=INSTRUMENT_DTYPE)


def _instrument_row(given: dict[str, Any]) -> dict[str, Any]:
    """The fields of one row, checked; ``ValueError`` names the field."""
    if "symbol" not in given:
        raise ValueError("it has no symbol")
    symbol = given["symbol"]
    given_symbol = symbol
    symbol = symbol.encode("utf-8", "surrogatepass") if isinstance(symbol, str) else bytes(symbol)
    if not 1 <= len(symbol) <= 8 or any(not 0x21 <= c <= 0x7E for c in symbol):
        raise ValueError(f"symbol {given_symbol!r} is not 1 to 8 printable ASCII characters")
    bands = list(given.pop("tick_table", ()))
    if len(bands) > TICK_BANDS:
        raise ValueError(f"tick_table has {len(bands)} bands, more than {TICK_BANDS}")
    values = _INSTRUMENT_DEFAULTS | given | {"symbol": symbol}
    for k, (from_ticks, step_ticks) in enumerate(bands, start=1):
        values |= {f"band{k}_from_ticks": from_ticks, f"band{k}_step_ticks": step_ticks}
    unknown = set(values) - {f.name for f in INSTRUMENT.fields}
    if unknown:
        raise ValueError(f"unknown field {sorted(unknown)[0]!r}")
    for name, (low, high) in INSTRUMENT_RANGES.items():
        if not low <= int(values.get(name, 0)) <= high:
            raise ValueError(f"{name} is {values[name]}, not {low} to {high}")
    if int(values["min_qty_lots"]) > int(values["max_qty_lots"]):
        raise ValueError("min_qty_lots is above max_qty_lots")
    if int(values["min_price_ticks"]) > int(values["max_price_ticks"]):
        raise ValueError("min_price_ticks is above max_price_ticks")
    if int(values.get("options", 0)) & BY_EITHER == BY_EITHER:
        raise ValueError("options has both STOPS_BY_QUOTE and STOPS_BY_TRADE_OR_QUOTE; choose one")
    if int(values.get("options", 0)) & REST_BOTH == REST_BOTH:
        raise ValueError("options has both MARKET_REST_STAYS and MARKET_WAITS; choose one")
    shares = sum(int(values.get(f"lmm{k}_share_bps", 0)) for k in range(1, LEAD_MARKET_MAKERS + 1))
    if shares > 10_000:
        raise ValueError(f"lmm1_share_bps and those after it are {shares} together, above 10,000")
    _check_bands(values)
    if bands and "price_step_ticks" not in given:
        first = int(bands[0][0])
        if max(1, int(values["min_price_ticks"])) < first:
            raise ValueError(
                f"tick_table begins at {first} and price_step_ticks is not given: name the step of "
                "prices below it (with 1 the gateway checks no step at all)"
            )
    return values


def _check_bands(values: dict[str, Any]) -> None:
    ended = False
    before = NO_PRICE
    for k in range(1, TICK_BANDS + 1):
        start = int(values.get(f"band{k}_from_ticks", 0))
        step = int(values.get(f"band{k}_step_ticks", 0))
        if step == 0:
            ended = True
            continue
        if ended or not 1 <= step <= 2**62:
            raise ValueError(
                f"band{k}_step_ticks is {step}: not 1 to 2**62, or after an empty band"
            )
        if not before < start <= MAX_VALUE or start % step:
            raise ValueError(
                f"band{k}_from_ticks is {start}: not above the band before, "
                f"or not a multiple of its step {step}"
            )
        before = start
