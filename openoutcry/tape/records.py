"""The records of a tape: what happened in a market, in the order in which it was said.

A tape is a :class:`Header` and chunks, each an array of one kind of record.  Every format is read
into these arrays and written from them; the kinds hold what Databento's schemas hold, which is the
most that any format says.

| kind | a record is |
|---|---|
| event | one step of an order, a trade, or the new quantity of a level |
| depth | an event with the best levels after it |
| definition | the terms of an instrument |
| status | whether an instrument trades |
| statistics | a settlement price, an open interest, a volume … |
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

CHUNK_RECORDS = 1 << 14
"""Records of a chunk at most: of the largest kind 8 MB."""
NO_PRICE = 2**63 - 1
"""Is written where a record has no price."""
NO_TIME = 2**64 - 1
FIXED_DECIMALS = 9
"""Decimals of prices in definitions and statistics."""

ADD, CANCEL, MODIFY, CLEAR, TRADE, FILL, NOTHING = b"A", b"C", b"M", b"R", b"T", b"F", b"N"
"""Databento's actions: ``qty`` of a cancel is what goes, of a modification what is left.  A trade
is the aggressor's, a fill the resting order's; a cancel of the same quantity follows a fill."""
LEVEL = b"L"
"""A level now has ``qty``; 0: it is gone."""
ACTIONS = {
    ADD: "order added",
    CANCEL: "order cancelled",
    MODIFY: "order modified",
    CLEAR: "book cleared",
    TRADE: "trade",
    FILL: "fill of a resting order",
    LEVEL: "level changed",
    NOTHING: "no change",
}
BID, ASK, NO_SIDE = b"B", b"A", b"N"
OPPOSITE = {BID: ASK, ASK: BID, NO_SIDE: NO_SIDE}

LAST, SNAPSHOT = 1 << 7, 1 << 5
"""Flags: the last record of an event for its instrument; of a snapshot."""

(
    PLAIN,
    HIDDEN,
    CROSS,
    OPENING,
    CLOSING,
    AFTER_HALT,
    REPLACED,
    WHOLE,
    UNPRINTED,
) = range(9)
"""Details: what else a format says of an event.  A trade of a hidden order; the volume of an
auction (at the opening, the close, after a halt); the two parts of a replacement; a cancel of all
of an order whose addition is not on the tape; a cancel by a trade that another record counts."""

_COMMON = [("ts_ns", "<i8"), ("rx_ts_ns", "<i8"), ("instrument", "<u4"), ("source", "<u2")]

EVENT = np.dtype(
    [
        *_COMMON,
        ("order_id", "<u8"),
        ("price", "<i8"),
        ("qty", "<i8"),
        ("match_id", "<u8"),
        ("sequence", "<u8"),
        ("in_delta_ns", "<i4"),
        ("action", "S1"),
        ("side", "S1"),
        ("flags", "u1"),
        ("channel", "u1"),
        ("depth", "u1"),
        ("detail", "u1"),
    ]
)
"""``price`` and ``qty`` are whole numbers of the instrument's decimals (:class:`Symbol`)."""
SIDES_OF_LEVEL = [
    ("bid_price", "<i8"),
    ("ask_price", "<i8"),
    ("bid_qty", "<i8"),
    ("ask_qty", "<i8"),
    ("bid_orders", "<u4"),
    ("ask_orders", "<u4"),
]


def depth_dtype(levels: int) -> np.dtype[Any]:
    """Return the records of events with so many levels, the best first."""
    return np.dtype([*EVENT.descr, ("levels", SIDES_OF_LEVEL, (levels,))])


DEFINITION = np.dtype(
    [
        *_COMMON,
        ("min_price_increment", "<i8"),
        ("display_factor", "<i8"),
        ("expiration", "<u8"),
        ("activation", "<u8"),
        ("high_limit_price", "<i8"),
        ("low_limit_price", "<i8"),
        ("max_price_variation", "<i8"),
        ("unit_of_measure_qty", "<i8"),
        ("min_price_increment_amount", "<i8"),
        ("price_ratio", "<i8"),
        ("strike_price", "<i8"),
        ("raw_instrument_id", "<u8"),
        ("leg_price", "<i8"),
        ("leg_delta", "<i8"),
        ("inst_attrib_value", "<i4"),
        ("underlying_id", "<u4"),
        ("market_depth_implied", "<i4"),
        ("market_depth", "<i4"),
        ("market_segment_id", "<u4"),
        ("max_trade_vol", "<u4"),
        ("min_lot_size", "<i4"),
        ("min_lot_size_block", "<i4"),
        ("min_lot_size_round_lot", "<i4"),
        ("min_trade_vol", "<u4"),
        ("contract_multiplier", "<i4"),
        ("decay_quantity", "<i4"),
        ("original_contract_size", "<i4"),
        ("leg_instrument_id", "<u4"),
        ("leg_ratio_price_numerator", "<i4"),
        ("leg_ratio_price_denominator", "<i4"),
        ("leg_ratio_qty_numerator", "<i4"),
        ("leg_ratio_qty_denominator", "<i4"),
        ("leg_underlying_id", "<u4"),
        ("appl_id", "<i2"),
        ("maturity_year", "<u2"),
        ("decay_start_date", "<u2"),
        ("channel_id", "<u2"),
        ("leg_count", "<u2"),
        ("leg_index", "<u2"),
        ("currency", "S4"),
        ("settl_currency", "S4"),
        ("secsubtype", "S6"),
        ("raw_symbol", "S71"),
        ("group", "S21"),
        ("exchange", "S5"),
        ("asset", "S11"),
        ("cfi", "S7"),
        ("security_type", "S7"),
        ("unit_of_measure", "S31"),
        ("underlying", "S21"),
        ("strike_price_currency", "S4"),
        ("leg_raw_symbol", "S71"),
        ("instrument_class", "S1"),
        ("match_algorithm", "S1"),
        ("main_fraction", "u1"),
        ("price_display_format", "u1"),
        ("sub_fraction", "u1"),
        ("underlying_product", "u1"),
        ("security_update_action", "S1"),
        ("maturity_month", "u1"),
        ("maturity_day", "u1"),
        ("maturity_week", "u1"),
        ("user_defined_instrument", "S1"),
        ("contract_multiplier_unit", "i1"),
        ("flow_schedule_type", "i1"),
        ("tick_rule", "u1"),
        ("leg_instrument_class", "S1"),
        ("leg_side", "S1"),
    ]
)
STATUS = np.dtype(
    [
        *_COMMON,
        ("action", "<u2"),
        ("reason", "<u2"),
        ("trading_event", "<u2"),
        ("is_trading", "S1"),
        ("is_quoting", "S1"),
        ("is_short_sell_restricted", "S1"),
    ]
)
STATISTICS = np.dtype(
    [
        *_COMMON,
        ("ts_ref", "<u8"),
        ("price", "<i8"),
        ("quantity", "<i8"),
        ("sequence", "<u4"),
        ("in_delta_ns", "<i4"),
        ("stat_type", "<u2"),
        ("channel_id", "<u2"),
        ("update_action", "u1"),
        ("stat_flags", "u1"),
    ]
)
KINDS = ("event", "depth", "definition", "status", "statistics")
BY_ORDER, BY_PRICE, TRADES = "orders", "levels", "trades"
"""What the events of a tape are about."""


def dtype_of(kind: str, levels: int = 0) -> np.dtype[Any]:
    """Return the records of a kind; ``levels``: of a depth record."""
    if kind == "depth":
        return depth_dtype(levels)
    return {
        "event": EVENT,
        "definition": DEFINITION,
        "status": STATUS,
        "statistics": STATISTICS,
    }[kind]


@dataclass(frozen=True)
class Symbol:
    """An instrument's name, and the decimals of its prices and quantities."""

    name: str
    price_decimals: int = 0
    qty_decimals: int = 0


@dataclass
class Header:
    """What a tape says before its first record."""

    format: str
    """Name of the row of the table of formats."""
    kinds: tuple[str, ...]
    """Kinds of records that may come."""
    about: str = BY_ORDER
    """What its events are about."""
    symbols: dict[int, Symbol] = field(default_factory=dict)
    """Every instrument that a record may name."""
    levels: int = 0
    """Of each depth record."""
    origin: dict[str, Any] = field(default_factory=dict)
    """What only the format itself says, as values of JSON."""
    other: Symbol = Symbol("")
    """Decimals of instruments that ``symbols`` does not name."""

    def symbol(self, number: int) -> Symbol:
        """Return an instrument; its number is the name of one that the file does not name."""
        return self.symbols.get(number) or replace(self.other, name=str(number))


class Tape(Protocol):
    """A file that is open to be read."""

    header: Header
    unread: dict[str, int]
    """What the file says and no record can, with counts; complete at the end of ``chunks``."""

    def chunks(self) -> Iterator[tuple[str, Array]]:
        """Yield (kind, records), in the order of the file."""
        ...


def blank(kind: str, count: int = 1, levels: int = 0) -> Array:
    """Return records in which nothing is said."""
    records = np.zeros(count, dtype_of(kind, levels))
    if kind in ("event", "depth"):
        records["price"] = NO_PRICE
        records["side"], records["action"] = NO_SIDE, NOTHING
        if kind == "depth":
            records["levels"]["bid_price"] = records["levels"]["ask_price"] = NO_PRICE
        return records
    for name in records.dtype.names or ():
        if name in PRICES:
            records[name] = NO_PRICE
        elif name in ("expiration", "activation", "ts_ref"):
            records[name] = NO_TIME
        elif kind == "definition" and name not in SAID and records.dtype[name].kind in "iu":
            records[name] = np.iinfo(records.dtype[name]).max
        elif kind == "definition" and name.endswith("_side"):
            records[name] = NO_SIDE
    if kind == "status":
        for name in ("is_trading", "is_quoting", "is_short_sell_restricted"):
            records[name] = b"~"
    if kind == "definition":
        records["security_update_action"] = records["user_defined_instrument"] = b""
        records["security_update_action"], records["user_defined_instrument"] = b"A", b"N"
        records["match_algorithm"], records["leg_count"] = b"U", 0
        records["instrument_class"] = b"?"
        records["leg_instrument_class"] = b"?"
    return records


PRICES = frozenset(
    {
        "price",
        "min_price_increment",
        "display_factor",
        "high_limit_price",
        "low_limit_price",
        "max_price_variation",
        "unit_of_measure_qty",
        "min_price_increment_amount",
        "price_ratio",
        "strike_price",
        "leg_price",
        "leg_delta",
    }
)
"""Fields of definitions and statistics in units of 1e-9."""
SAID = frozenset(
    {"ts_ns", "rx_ts_ns", "instrument", "source", "raw_instrument_id", "leg_count", "leg_index"}
)
"""Whole numbers of a definition that are 0 where nothing is said."""


class Rows:
    """Records made one by one: chunks of them, in the order of their making."""

    def __init__(self, count: int = CHUNK_RECORDS) -> None:
        self._count = count
        self._kind = ""
        self._rows: list[Any] = []
        self._full: list[tuple[str, Array]] = []

    def add(self, kind: str, row: tuple[Any, ...]) -> None:
        """Append a record: the values of its fields in their order."""
        if kind != self._kind or len(self._rows) == self._count:
            self._close()
            self._kind = kind
        self._rows.append(row)

    def event(
        self,
        ts_ns: int,
        action: bytes,
        side: bytes,
        price: int,
        qty: int,
        order_id: int = 0,
        instrument: int = 1,
        rx_ts_ns: int = 0,
        match_id: int = 0,
        sequence: int = 0,
        flags: int = 0,
        detail: int = PLAIN,
    ) -> None:
        """Append an event."""
        self.add(
            "event",
            (
                ts_ns,
                rx_ts_ns,
                instrument,
                0,
                order_id,
                price,
                qty,
                match_id,
                sequence,
                0,
                action,
                side,
                flags,
                0,
                0,
                detail,
            ),
        )

    def taken(self, end: bool = False) -> list[tuple[str, Array]]:
        """Return the full chunks; at the ``end`` all."""
        if end:
            self._close()
        full, self._full = self._full, []
        return full

    def _close(self) -> None:
        if self._rows:
            self._full.append((self._kind, np.array(self._rows, dtype_of(self._kind))))
            self._rows = []
