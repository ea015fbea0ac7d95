"""wire/layout.py: a block is the same in a kernel, in Python and as a numpy dtype."""

import random

import numpy as np
import pytest

from openoutcry.wire.kernel import kernel, kernel_outlined
from openoutcry.wire.layout import Bytes, Layout, U16s, U32s, Words, area, i64, u8, u16, u32
from openoutcry.wire.record_blocks import EventRecord, OrderRecord
from openoutcry.wire.records import EVENT_DTYPE, ORDER_DTYPE


class Row(Layout, size_bytes=64):
    """A row with a field of every kind."""

    order_id: int = i64("the order")
    level: int = u32("its level")
    flags: int = u16("its flags")
    side: int = u8("its side")
    token: int = area(8, "its name", at=24)
    capacity: int = i64("how many there may be", fixed=True)
    published: int = i64("how many there are", atomic=True)


class LongRow(Row):
    """A row that goes on."""

    more: int = i64("behind the others")


ROW_BYTES = Row.size_bytes
WRITTEN = ("order_id", "level", "flags", "side", "capacity", "published")


@kernel
def next_row(row: Row) -> Row:
    return Row(row + ROW_BYTES) if row != 0 else Row(0)


@kernel_outlined
def write(row: Row, value: int) -> None:
    row.order_id = value
    row.level = value
    row.flags = value
    row.side = value
    row.capacity = value
    row.published = value


@kernel
def write_next(row: int, value: int) -> int:
    after = next_row(Row(row))
    write(after, value)
    after.flags += 1
    return after.token - row


@kernel
def total(row: LongRow) -> int:
    return row.order_id + row.level + row.flags + row.side + row.published + row.more


@kernel
def none_or_next(row: Row, wanted: int) -> int:
    found = Row(0)
    if wanted != 0:
        found = next_row(row)
    return 0 if found == 0 else found.order_id


class Tables(Layout):
    """Where arrays are, and one within."""

    rows: Row = i64("address of rows", of=Row)
    words: Words = i64("address of words", of=Words)
    small: U32s = area(16, "four numbers", of=U32s)


@kernel
def fill(tables: Tables, halves: U16s, bytes_: Bytes, index: int, value: int) -> int:
    tables.rows.order_id = value
    tables.words[index] = value
    tables.words[index] += 1
    tables.small[3] = value
    halves[index] = value
    bytes_[index] = value
    return tables.words[index] + Words(tables.words)[0] + tables.small[3] + halves[index]


@pytest.mark.parametrize("run", [fill, fill.py_func])
def test_arrays_at_addresses_and_within_a_block(run):
    row, words, out = np.zeros(1, Row.dtype()), np.zeros(4, np.int64), np.zeros(4, np.uint16)
    bytes_, block = np.zeros(4, np.uint8), np.zeros(Tables.size_bytes // 8, np.int64)
    words[0] = 7
    block[:2] = row.ctypes.data, words.ctypes.data
    value = 2**40 + 2**33 + 5
    addresses = (
        Tables(block.ctypes.data),
        U16s(out.ctypes.data),
        Bytes(bytes_.ctypes.data),
    )
    addresses = map(int, addresses) if run is fill else addresses
    assert run(*addresses, 2, value) == value + 1 + 7 + 5 + 5
    assert list(words) == [7, 0, value + 1, 0]
    assert int(row["order_id"][0]) == value
    assert list(out) == list(bytes_) == [0, 0, 5, 0]
    assert list(block.view(np.uint32)[4:]) == [0, 0, 0, 5]


@pytest.mark.parametrize("seed", range(5))
def test_kernel_python_and_dtype_see_the_same_block(seed):
    draw = random.Random(seed)
    rows = np.zeros(2, Row.dtype())
    value = draw.randrange(-(2**63), 2**63 - 1)
    at = rows.ctypes.data
    assert write_next(at, value) == Row.size_bytes + 24
    after, row = Row(at + Row.size_bytes), rows[1]
    assert {name: getattr(after, name) for name in WRITTEN} == {n: int(row[n]) for n in WRITTEN}
    assert after.order_id == value
    assert after.level == value % 2**32
    assert after.flags == (value + 1) % 2**16
    assert after.side == value % 2**8
    assert not rows[:1].tobytes().strip(b"\0")
    after.side = 255
    assert int(row["side"]) == 255
    assert dict(after.dump())["token"] == bytes(8)


def test_a_block_that_continues_has_the_fields_of_the_one_before():
    words = np.zeros(8, np.int64)
    row = LongRow(words.ctypes.data)
    row.more, row.order_id = 5, 7
    assert LongRow.offset("more") == Row.offset("published") + 8
    assert total(LongRow.of(row)) == 12 == total.py_func(row)


def test_no_block_is_zero():
    rows = np.zeros(2, Row.dtype())
    rows["order_id"] = 3, 4
    assert none_or_next(rows.ctypes.data, 0) == 0
    assert none_or_next(rows.ctypes.data, 1) == 4


def test_a_kernel_of_a_block_takes_words_alone():
    """So that it is compiled once, and may be called by its address."""
    assert {str(type_) for types in total.signatures for type_ in types} <= {"int64"}


@pytest.mark.parametrize(
    ("block", "dtype"), [(OrderRecord, ORDER_DTYPE), (EventRecord, EVENT_DTYPE)]
)
def test_records_are_blocks(block, dtype):
    fields = dtype.fields
    assert {n: f.offset for n, f in block.fields.items() if n in fields} == {
        name: field[1] for name, field in fields.items()
    }
    declared = [name for name in block.__annotations__ if name in fields]
    assert declared == list(dtype.names), "what mypy knows is what there is"


def test_a_wrong_declaration_names_block_and_field():
    with pytest.raises(AssertionError, match=r"Odd\.word at byte 1 is not aligned"):
        type("Odd", (Layout,), {"byte": u8(), "word": i64()})
    with pytest.raises(AssertionError, match="Small: fields fill 16 of 8 bytes"):
        type("Small", (Layout,), {"one": i64(), "two": i64()}, size_bytes=8)


def test_an_area_cannot_be_written_as_a_number():
    words = np.zeros(8, np.int64)
    with pytest.raises(AttributeError, match="token is an area"):
        Row(words.ctypes.data).token = 1
