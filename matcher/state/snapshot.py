"""A matcher's state as bytes: equal states give equal bytes, whatever memory they lay in.

    header        88 bytes, HEADER_DTYPE
    instruments  320 bytes each, INSTRUMENT_DTYPE
    states        48 bytes each, STATE_DTYPE: what became of each instrument
    orders       120 bytes each, ROW_DTYPE, in canonical order: by instrument its books (displayed,
                 hidden, all-or-none: bids then asks; triggers: sell stops then buy stops), best
                 level first, in queue order; then what is in no level: pegs, trailing stops,
                 orders for an auction to come, each by arrival
    terms         40 bytes each, TERM_DTYPE: what waits for its NEW, the oldest first

A field that can have no effect any more is 0, so a stop-limit that was elected is the same row as a
limit order that was sent as one.  What can be computed again is not there: level totals, lists, the
heap of expiries, what trailing stops and pegs have followed so far.
"""

import hashlib
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from openoutcry.matcher.book.arena import MAX_TERMS, WaitingTerm
from openoutcry.matcher.constants import BY_MASK, INACTIVE
from openoutcry.wire.enums import (
    MAX_LEGS,
    Contingency,
    OrderType,
    Phase,
    SelfTrade,
    Side,
    Term,
    TimeInForce,
    TriggerBy,
)
from openoutcry.wire.errors import MatcherError
from openoutcry.wire.layout import Layout, i64, u8, u16, u32
from openoutcry.wire.layout_hash import LAYOUT_HASH, check_layout
from openoutcry.wire.order_types import FOR_AUCTIONS, PEGS, RESTING, STOPS, TRAILING, UNPRICED
from openoutcry.wire.records import INSTRUMENT_DTYPE, MAX_INSTRUMENTS, NO_PRICE

SNAPSHOT_MAGIC = int.from_bytes(b"OUTCRYMS", "little")
SNAPSHOT_VERSION = 4

HEADER_DTYPE = np.dtype(
    [
        ("magic", "<u8"),
        ("layout_hash", "<u8"),
        ("version", "<u4"),
        ("instrument_count", "<u4"),
        ("order_count", "<i8"),
        ("now_ns", "<i8"),
        ("last_seq", "<i8"),
        ("event_count", "<i8"),
        ("command_count", "<i8"),
        ("term_count", "<i8"),
        ("checksum", "V16"),  # blake2b-128 over everything else
    ]
)


class SavedState(Layout):
    """State of an instrument."""

    last_price_ticks: int = i64("last price, NO_PRICE before the first trade")
    reference_price_ticks: int = i64("reference price")
    indicative_price_ticks: int = i64("price last published in this call phase, or NO_PRICE and 0")
    indicative_volume_lots: int = i64("and its volume,")
    indicative_surplus_lots: int = i64("surplus")
    phase: int = u8("Phase")
    called: int = u8("1: a call phase has not been uncrossed yet")
    extensions_used: int = u8("how often the auction was put off")
    indicative_side: int = u8("and side")
    day: int = u32("trading day, YYYYMMDD, of an instrument that never closes, or 0")
    word: int = i64("``phase`` to ``day`` as one", at=40)


class SavedOrder(Layout):
    """An open order.  All after ``time_in_force`` is 0 unless ROW_EXTENDED is set."""

    price_ticks: int = i64("of its level; 0 if it is in none")
    order_id: int = i64("order id")
    qty_lots: int = i64("open lots; of an iceberg: shown")
    instrument: int = u16("instrument")
    participant: int = u16("participant")
    side: int = u8("Side")
    place: int = u8("which of the books of its instrument it is in, or none")
    order_type: int = u8("OrderType")
    time_in_force: int = u8("from bit 4 SelfTrade, of what may become a taker; ROW_TOP")
    limit_ticks: int = i64("limit of an order that is at another price, and of pegs")
    reserve_lots: int = i64("iceberg: open but not shown")
    display_lots: int = i64(
        "iceberg: slice from the next refresh on; INACTIVE trailing stop: its activation price"
    )
    trigger_ticks: int = i64("stops; NO_PRICE: a trailing one before the first trade")
    aux: int = i64("trailing stops and pegs: as sent")
    expiry_ns: int = i64("when it expires")
    expiry_number: int = i64("number of the command that gave it its expiry")
    arrival: int = i64("number of the command that gave it its place in a list")
    slices: int = u32("iceberg: slices when it came or was last replaced")
    flags: int = u32("ROW_EXTENDED, ROW_HAS_EXPIRY, ROW_LINKED, ROW_OWN_TRIGGER")
    list_key: int = i64(
        "leg of a list: the list's id; once it is whole, number of the command that made it so"
    )
    stage: int = u8("its stage: book/links.py")
    contingency: int = u8("Contingency")
    leg: int = u8("its place in the list")
    legs: int = u8("how many legs there were; 0: it is alone")
    trigger_by: int = u8("of a stop with a named price: TriggerBy, and INACTIVE")
    reserved_1: int = u8("0")
    reserved_2: int = u16("0")
    link: int = i64("``stage`` to ``reserved_2`` as one", at=112)
    word: int = i64("``instrument`` to ``time_in_force`` as one", at=24)


STATE_DTYPE = SavedState.dtype()
ROW_DTYPE = SavedOrder.dtype()
TERM_DTYPE = WaitingTerm.dtype()
NUMBERS = ("now_ns", "last_seq", "event_count", "command_count")
HEADER_BYTES = HEADER_DTYPE.itemsize
CHECKSUM_AT = HEADER_BYTES - 16
STATE_BYTES = SavedState.size_bytes
ROW_BYTES = SavedOrder.size_bytes

# Values of ``place``: which of its instrument's books an order is in, or none.
DISPLAYED_PLACE, HIDDEN_PLACE, ALL_OR_NONE_PLACE, TRIGGER_PLACE, NO_PLACE = range(5)
# Bits of ``flags``.
ROW_EXTENDED = 1
ROW_HAS_EXPIRY = 2
ROW_LINKED = 4
ROW_OWN_TRIGGER = 8
ROW_FLAGS = ROW_EXTENDED | ROW_HAS_EXPIRY | ROW_LINKED | ROW_OWN_TRIGGER
ROW_TOP = 0x80
"""Bit of ``time_in_force``: the order has bettered the market (Allocation.STEPS)."""

DORMANT, ENTERED = (1, 2, 3), 4
"""Stages of legs that have not entered, and of those that have: book/links.py."""
CONTINGENCIES = [int(contingency) for contingency in Contingency]
PLAIN_TYPES = (OrderType.LIMIT, OrderType.POST_ONLY)
PLAIN_TIMES = (TimeInForce.DAY, TimeInForce.GTC)

Table = npt.NDArray[Any]
Row = tuple[int, ...]


@dataclass(frozen=True)
class State:
    """Everything that decides what a matcher answers to the commands to come."""

    instruments: Table
    """INSTRUMENT_DTYPE, one row an instrument."""
    states: Table
    """STATE_DTYPE, one row an instrument."""
    rows: Table
    """ROW_DTYPE in canonical order."""
    now_ns: int
    last_seq: int
    event_count: int
    command_count: int
    """Commands seen, another shard's among them; not in the hashes."""
    terms: Table
    """TERM_DTYPE: terms that wait for their NEW, the oldest first."""


def order_row(
    *,
    price: int,
    order_id: int,
    qty: int,
    instrument: int,
    participant: int,
    side: int,
    place: int,
    order_type: int,
    time_in_force: int,
    self_trade: int = 0,
    limit: int = 0,
    reserve: int = 0,
    display: int = 0,
    trigger: int = 0,
    aux: int = 0,
    expiry_ns: int | None = None,
    expiry_number: int = 0,
    arrival: int = 0,
    slices: int = 0,
    is_top: bool = False,
    list_key: int = 0,
    link: tuple[int, int, int, int] = (0, 0, 0, 0),
    trigger_by: int = 0,
    activation: int = 0,
) -> Row:
    """One open order as a row of ROW_DTYPE: whatever has no effect any more becomes 0.

    ``expiry_ns``: None if it has none, whatever its time in force.  ``link``: of a leg of a list,
    its stage, contingency, place and the number of legs.
    """
    is_linked, is_dormant = link[0] != 0, link[0] in DORMANT
    is_stop, is_peg = order_type in STOPS, order_type in PEGS
    is_iceberg, waits = order_type == OrderType.ICEBERG, place == NO_PLACE
    # A market order waits for the other side, or may once the auction that it is in is over.
    may_take = order_type == OrderType.MARKET and time_in_force not in FOR_AUCTIONS
    has_mode = is_stop or is_peg or order_type == OrderType.ALL_OR_NONE or may_take or is_dormant
    is_extended = (
        order_type not in PLAIN_TYPES
        or time_in_force not in PLAIN_TIMES
        or expiry_ns is not None
        or is_linked
    )
    has_limit = (is_stop or is_peg or waits) and order_type not in UNPRICED
    return (
        0 if waits else price,
        order_id,
        qty,
        instrument,
        participant,
        side,
        place,
        order_type,
        time_in_force | (self_trade << 4 if has_mode else 0) | ROW_TOP * is_top,
        limit if has_limit else 0,
        reserve if is_iceberg else 0,
        display if is_iceberg else activation if trigger_by & INACTIVE else 0,
        trigger if is_stop else 0,
        aux if is_peg or order_type in TRAILING or is_dormant else 0,
        expiry_ns or 0,
        0 if expiry_ns is None else expiry_number,
        arrival if is_stop or is_peg or waits or may_take else 0,
        slices if is_iceberg else 0,
        ROW_EXTENDED * is_extended
        | ROW_HAS_EXPIRY * (expiry_ns is not None)
        | ROW_LINKED * is_linked
        | ROW_OWN_TRIGGER * (trigger_by != 0),
        list_key,
        *link,
        trigger_by,
        0,
        0,
    )


def encode(state: State) -> bytes:
    """The snapshot of a state."""
    header = np.zeros(1, dtype=HEADER_DTYPE)
    header["magic"] = SNAPSHOT_MAGIC
    header["layout_hash"] = LAYOUT_HASH
    header["version"] = SNAPSHOT_VERSION
    header["instrument_count"] = len(state.instruments)
    header["order_count"] = len(state.rows)
    header["term_count"] = len(state.terms)
    for name in NUMBERS:
        header[name] = getattr(state, name)
    head = header.tobytes()[:CHECKSUM_AT]
    tables = (state.instruments, state.states, state.rows, state.terms)
    body = b"".join(table.tobytes() for table in tables)
    return head + _checksum(head, body) + body


def decode(data: bytes) -> State:
    """The state of a snapshot.

    Raises :class:`MatcherError` saying what is wrong with bytes that are not a whole, undamaged
    snapshot, and ``LayoutMismatch`` for one from another layout.
    """
    if len(data) < HEADER_BYTES:
        raise MatcherError(f"snapshot: {len(data)} bytes are fewer than a header's {HEADER_BYTES}")
    header = np.frombuffer(data, dtype=HEADER_DTYPE, count=1)[0]
    if int(header["magic"]) != SNAPSHOT_MAGIC:
        raise MatcherError("snapshot: byte 0: not the start of a matcher snapshot")
    check_layout(int(header["layout_hash"]), "snapshot")
    if int(header["version"]) != SNAPSHOT_VERSION:
        raise MatcherError(
            f"snapshot: version {header['version']}, this program reads {SNAPSHOT_VERSION}"
        )
    instrument_count, order_count = int(header["instrument_count"]), int(header["order_count"])
    term_count = int(header["term_count"])
    parts = (
        (INSTRUMENT_DTYPE, instrument_count),
        (STATE_DTYPE, instrument_count),
        (ROW_DTYPE, order_count),
        (TERM_DTYPE, term_count),
    )
    size = HEADER_BYTES + sum(dtype.itemsize * count for dtype, count in parts)
    counts_fit = order_count >= 0 and 0 <= term_count <= MAX_TERMS
    if not (counts_fit and 1 <= instrument_count <= MAX_INSTRUMENTS and len(data) == size):
        raise MatcherError(f"snapshot: {len(data)} bytes, its header speaks of {size}")
    if data[CHECKSUM_AT:HEADER_BYTES] != _checksum(data[:CHECKSUM_AT], data[HEADER_BYTES:]):
        raise MatcherError("snapshot: damaged: the checksum does not match")
    at, tables = HEADER_BYTES, []
    for dtype, count in parts:
        tables.append(np.frombuffer(data, dtype=dtype, count=count, offset=at).copy())
        at += dtype.itemsize * count
    instruments, states, rows, terms = tables
    _check_states(states)
    _check_rows(rows, instrument_count)
    _refuse(terms, "term", "instrument", terms["instrument"] >= instrument_count)
    _refuse(terms, "term", "term", ~np.isin(terms["term"], [int(term) for term in Term]))
    numbers = {name: int(header[name]) for name in NUMBERS}
    return State(instruments, states, rows, terms=terms, **numbers)


def _checksum(head: bytes, body: bytes) -> bytes:
    hasher = hashlib.blake2b(head, digest_size=16)
    hasher.update(body)
    return hasher.digest()


# A checksum does not make nonsense sensible: what the kernels rely on is checked.


def _check_states(states: Table) -> None:
    phases = [int(phase) for phase in Phase]
    _refuse(states, "state", "phase", ~np.isin(states["phase"], phases))
    _refuse(states, "state", "called", states["called"] > 1)
    _refuse(states, "state", "indicative_side", states["indicative_side"] > 2)


def _check_rows(rows: Table, instrument_count: int) -> None:
    kind, tif = rows["order_type"], rows["time_in_force"] & 15
    waits, in_triggers = rows["place"] == NO_PLACE, rows["place"] == TRIGGER_PLACE
    _refuse(rows, "order", "qty_lots", rows["qty_lots"] <= 0)
    _refuse(rows, "order", "instrument", rows["instrument"] >= instrument_count)
    _refuse(rows, "order", "side", ~np.isin(rows["side"], [int(side) for side in Side]))
    _refuse(rows, "order", "place", rows["place"] > NO_PLACE)
    _refuse(rows, "order", "order_type", ~np.isin(kind, [int(t) for t in OrderType]))
    _refuse(rows, "order", "time_in_force", ~np.isin(tif, [int(t) for t in TimeInForce]))
    mode, is_top = rows["time_in_force"] >> 4 & 7, rows["time_in_force"] >= ROW_TOP
    _refuse(rows, "order", "time_in_force", mode > max(SelfTrade))
    _refuse(rows, "order", "time_in_force", is_top & (rows["place"] != DISPLAYED_PLACE))
    # An order's type and place decide which of its fields the kernels read.
    stop, trailing, peg = (np.isin(kind, [int(t) for t in k]) for k in (STOPS, TRAILING, PEGS))
    market = (kind == OrderType.MARKET) & np.isin(tif, [int(t) for t in RESTING])
    linked = (rows["flags"] & ROW_LINKED) != 0
    dormant = linked & waits & np.isin(rows["stage"], DORMANT)
    _refuse(rows, "order", "stage", linked & ~(dormant | (rows["stage"] == ENTERED)))
    _refuse(rows, "order", "stage", ~linked & (rows["stage"] != 0))
    _refuse(rows, "order", "contingency", linked & ~np.isin(rows["contingency"], CONTINGENCIES))
    _refuse(rows, "order", "leg", linked & (rows["leg"] < 1))
    _refuse(rows, "order", "legs", rows["legs"] > MAX_LEGS)
    unpriced = waits & (trailing | peg | market | (tif == TimeInForce.AT_CLOSE) | dormant)
    _refuse(rows, "order", "place", waits & ~unpriced)
    _refuse(rows, "order", "place", stop & ~(in_triggers | (waits & trailing) | dormant))
    _refuse(rows, "order", "place", in_triggers & ~stop)
    _refuse(rows, "order", "place", peg & ~(waits | (rows["place"] == HIDDEN_PLACE)))
    _refuse(rows, "order", "trigger_ticks", in_triggers & (rows["trigger_ticks"] == NO_PRICE))
    _refuse(rows, "order", "reserve_lots", rows["reserve_lots"] < 0)
    _refuse(
        rows,
        "order",
        "display_lots",
        (kind == OrderType.ICEBERG) & (rows["display_lots"] <= 0),
    )
    _refuse(rows, "order", "flags", rows["flags"] > ROW_FLAGS)
    by, owns = rows["trigger_by"], (rows["flags"] & ROW_OWN_TRIGGER) != 0
    inactive = (by & INACTIVE) != 0
    _refuse(rows, "order", "trigger_by", owns != (by != 0))
    _refuse(rows, "order", "trigger_by", (owns & ~stop) | ((by & BY_MASK) > max(TriggerBy)))
    _refuse(rows, "order", "trigger_by", inactive & ~(trailing & waits))


def _refuse(table: Table, what: str, field: str, bad: npt.NDArray[np.bool_]) -> None:
    if bad.any():
        row = int(bad.argmax())
        raise MatcherError(f"snapshot: {what} row {row}: {field} is {table[field][row]}")
