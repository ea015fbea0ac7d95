"""Fields of PostgreSQL's binary COPY that kernels write, in addition to the ledger's
(``ledger/copy_rows.py``); each returns where the next begins.  And such rows as arrays.
"""

import struct
from collections.abc import Sequence

import numpy as np

from openoutcry.ledger.copy_rows import (
    EPOCH_DAYS,
    HEADER,
    NAME_BYTES,
    TRAILER,
    number,
    store_four,
    store_two,
    text,
)
from openoutcry.wire.kernel import kernel
from openoutcry.wire.layout import Bytes, Words

NUMERIC_BASE = 10_000
"""Base of the digits of a ``numeric``."""
NUMERIC_HEAD = 8
"""Bytes before its digits: how many there are, the first one's weight, sign, decimals."""
NUMERIC_BYTES = 4 + NUMERIC_HEAD + 2 * 8
"""The longest that :func:`wide_numeric` writes, with its length."""
FEE_WORDS, FEE_BYTES = 5, 128
"""Numbers of a sum of fees, and the longest that :func:`fees` writes of one."""
ARRAY_HEAD = struct.Struct(">iiIii")
"""Before the fields of an array: dimensions, whether any is null, the fields' type, how many there
are, and the first one's number."""
NEGATIVE = 0x4000
MASK = (1 << 32) - 1


@kernel
def small(out: int, value: int, size: int) -> int:
    """``size`` bytes of a number, 4 or 2, the highest first."""
    if size == 4:
        store_four(out, value)
    else:
        store_two(out, value)
    return out + size


@kernel
def latin(out: int, name: int) -> int:
    """A text that lies at ``name`` in Latin-1, a byte of its length first, as UTF-8."""
    cursor = out + 4
    for index in range(Bytes(name)[0]):
        letter = Bytes(name + 1)[index]
        if letter < 0x80:
            Bytes(cursor)[0] = letter
            cursor += 1
        else:
            Bytes(cursor)[0] = 0xC0 | letter >> 6
            Bytes(cursor)[1] = 0x80 | letter & 0x3F
            cursor += 2
    small(out, cursor - out - 4, 4)
    return cursor


@kernel
def wide_numeric(out: int, high: int, low: int, is_negative: bool) -> int:
    """A ``numeric`` of ``high`` * 2^32 + ``low``, or of that below 0; both are 0 or more, and
    ``low`` is below 2^32."""
    digits, rest_high, rest_low = 0, high, low
    while rest_high | rest_low != 0:
        rest_low = (rest_high % NUMERIC_BASE << 32 | rest_low) // NUMERIC_BASE
        rest_high //= NUMERIC_BASE
        digits += 1
    cursor = small(out, NUMERIC_HEAD + 2 * digits, 4)
    cursor = small(cursor, digits, 2)
    cursor = small(cursor, max(digits - 1, 0), 2)
    cursor = small(cursor, NEGATIVE if is_negative else 0, 2)
    cursor = small(cursor, 0, 2)
    rest_high, rest_low = high, low
    for index in range(digits):
        part = rest_high % NUMERIC_BASE << 32 | rest_low
        small(cursor + 2 * (digits - 1 - index), part % NUMERIC_BASE, 2)
        rest_high, rest_low = rest_high // NUMERIC_BASE, part // NUMERIC_BASE
    return cursor + 2 * digits


@kernel
def numeric(out: int, value: int) -> int:
    """A ``numeric`` of a word."""
    amount = abs(value)
    return wide_numeric(out, amount >> 32, amount & MASK, value < 0)


@kernel
def head(out: int, fields: int) -> int:
    """The begin of a row."""
    return small(out, fields, 2)


@kernel
def word(out: int, value: int) -> int:
    """A ``bigint``."""
    return number(out, value, 8)


@kernel
def fees(out: int, sums: int, count: int, symbols: int, symbol_count: int, monies: int) -> int:
    """Rows of ``history.fees``; where they end.  ``sums``: FEE_WORDS numbers of each: participant,
    day since 1970, instrument, asset and units."""
    cursor = out
    for index in range(count):
        row = Words(sums + 8 * FEE_WORDS * index)
        cursor = head(cursor, FEE_WORDS)
        cursor = number(cursor, row[0], 4)
        cursor = number(cursor, row[1] - EPOCH_DAYS, 4)
        cursor = text(cursor, symbols + min(row[2], symbol_count - 1) * NAME_BYTES)
        cursor = text(cursor, monies + row[3] * NAME_BYTES)
        cursor = numeric(cursor, row[4])
    return cursor


@kernel
def split(rows: int, end: int, fields: int, places: int) -> int:
    """Put each field of the rows, with its length, where ``places`` has an address for it, which
    moves past it; how many rows that was."""
    cursor, count = rows, 0
    while cursor < end:
        cursor += 2
        for field in range(fields):
            size = 4
            for index in range(4):
                size += Bytes(cursor)[index] << (24 - 8 * index)
            out = Words(places)[field]
            for index in range(size):
                Bytes(out)[index] = Bytes(cursor)[index]
            Words(places)[field] = out + size
            cursor += size
        count += 1
    return count


def arrays_of(rows: bytes | memoryview, types: Sequence[int]) -> list[bytes]:
    """Each column of a binary COPY as one array, as a parameter in binary has it; ``types``: of the
    columns, by their numbers in ``pg_type``."""
    data, head = np.frombuffer(rows, np.uint8), ARRAY_HEAD.size
    room = np.empty((len(types), head + len(rows)), np.uint8)
    begins = room.ctypes.data + room.strides[0] * np.arange(len(types))
    places, begin = begins + head, data.ctypes.data
    count = split(
        begin + len(HEADER), begin + len(rows) - len(TRAILER), len(types), places.ctypes.data
    )
    return [
        ARRAY_HEAD.pack(1, 0, kind, count, 1) + column[head:end].tobytes()
        for kind, column, end in zip(types, room, (places - begins).tolist(), strict=True)
    ]
