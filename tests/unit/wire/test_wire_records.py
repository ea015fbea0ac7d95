"""wire/records.py: the tables are sound, and an instrument table with a mistake is refused."""

import numpy as np
import pytest

from openoutcry.wire import (
    EVENT_DTYPE,
    INSTRUMENT_DTYPE,
    ORDER_DTYPE,
    RECORD_BYTES,
    CommandKind,
    OrderType,
    Side,
    TimeInForce,
    make_instruments,
)
from openoutcry.wire.enums import ENUMS
from openoutcry.wire.records import (
    BLOCK_HEADER_DTYPE,
    MAX_PACKET_RECORDS,
    PACKET_HEADER_DTYPE,
    RECORDS,
    Field,
    Record,
)


def test_a_record_is_one_cache_line():
    """Order and event are 64 bytes each: ring slot, beat, journal row.  A block header is two."""
    for dtype in (ORDER_DTYPE, EVENT_DTYPE):
        assert dtype.itemsize == RECORD_BYTES == 64
    assert BLOCK_HEADER_DTYPE.itemsize == 2 * RECORD_BYTES
    assert ORDER_DTYPE.fields["seq"][1] == EVENT_DTYPE.fields["seq"][1] == 56


def test_a_full_packet_fits_an_ethernet_frame():
    """IP and UDP headers, our own and the most records together stay within 1,500 bytes, and one
    more record would not."""
    payload = PACKET_HEADER_DTYPE.itemsize + MAX_PACKET_RECORDS * RECORD_BYTES
    assert 20 + 8 + payload <= 1500 < 20 + 8 + payload + RECORD_BYTES


def test_dtypes_have_no_padding_and_are_naturally_aligned():
    """The fields fill each record without a gap, each at a multiple of its size, little-endian."""
    for record in RECORDS:
        dtype = record.dtype()
        at = 0
        for name in dtype.names:
            kind, offset = dtype.fields[name][:2]
            assert offset == at == record.offsets[name]
            assert offset % kind.itemsize == 0
            assert kind.byteorder in "<|="
            at += kind.itemsize
        assert at == dtype.itemsize == record.size_bytes


def test_a_record_with_a_gap_cannot_be_declared():
    """Misaligned fields and fields that do not fill the size stop at the declaration."""
    with pytest.raises(AssertionError, match=r"x\.b at byte 1 is not aligned"):
        Record("x", 9, "", (Field("a", "u8", ""), Field("b", "u64", "")))
    with pytest.raises(AssertionError, match="x: fields fill 8 of 64 bytes"):
        Record("x", 64, "", (Field("a", "u64", ""),))


def test_a_record_of_zeros_is_no_command():
    """An unwritten slot cannot pass for an order: zero is no kind, side, type or time in force."""
    for enum in (CommandKind, Side, OrderType, TimeInForce):
        assert 0 not in {int(member) for member in enum}


def test_fields_name_enumerations_that_exist():
    """The enumeration that a field's documentation points to is declared."""
    known = {enum.__name__ for enum in ENUMS}
    named = {field.enum for record in RECORDS for field in record.fields if field.enum}
    assert named <= known
    assert "CommandKind" in named


def test_instruments_from_symbols_have_the_defaults():
    """A bare symbol trades in steps of one tick and one lot."""
    table = make_instruments(["OUTCRY", b"AAPL"])
    assert table.dtype == INSTRUMENT_DTYPE
    assert table["symbol"].tolist() == [b"OUTCRY", b"AAPL"]
    assert table["price_step_ticks"].tolist() == [1, 1]
    assert table["qty_step_lots"].tolist() == [1, 1]
    assert table["min_qty_lots"].tolist() == [1, 1]
    assert table["max_qty_lots"].tolist() == table["max_price_ticks"].tolist() == [2**62] * 2


def test_instruments_keep_what_a_row_says():
    """A mapping's fields stand in the table, and only those."""
    row = {
        "symbol": "ABCDEFGH",
        "price_step_ticks": 5,
        "qty_step_lots": 10,
        "min_qty_lots": 10,
        "max_qty_lots": 1000,
        "max_price_ticks": 2**63 - 1,
    }
    table = make_instruments([row])
    assert {name: table[0][name].item() for name in row} == {**row, "symbol": b"ABCDEFGH"}
    assert table[0]["reserved"] == table[0]["options"] == table[0]["band1_step_ticks"] == 0
    assert (table[0]["allocation"], table[0]["initial_phase"]) == (1, 4)


def test_a_tick_table_fills_the_bands():
    """``tick_table`` is the band fields in short; what it leaves out is no band."""
    given = {"symbol": "A", "price_step_ticks": 1, "tick_table": [(1000, 5), (5000, 10)]}
    row = make_instruments([given])[0]
    assert (row["band1_from_ticks"], row["band1_step_ticks"]) == (1000, 5)
    assert (row["band2_from_ticks"], row["band2_step_ticks"]) == (5000, 10)
    assert row["band3_step_ticks"] == 0


def test_a_tick_table_leaves_no_positive_price_without_a_named_step():
    """Below a first band that begins above 1 a step of 1 counts only if it is asked for."""
    with pytest.raises(ValueError, match=r"tick_table begins at 1000 and price_step_ticks"):
        make_instruments([{"symbol": "A", "tick_table": [(1000, 5)]}])
    for given in (
        {"tick_table": [(1000, 5)], "price_step_ticks": 1},
        {"tick_table": [(0, 5)]},
        {"tick_table": [(1000, 5)], "min_price_ticks": 1000},
    ):
        assert make_instruments([{"symbol": "A"} | given])[0]["price_step_ticks"] == 1


def test_symbols_are_padded_with_nul():
    """A short symbol's eight bytes are the letters and then zeros: what RTL compares."""
    assert (
        np.frombuffer(make_instruments(["AB"]).tobytes()[:8], "u1").tolist() == [65, 66] + [0] * 6
    )
