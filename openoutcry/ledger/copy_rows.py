"""Transactions as PostgreSQL's binary COPY (docs/current/sql-copy.html, "Binary Format"), in the
order of ``columns.COLUMNS``.

Measured: as CSV they took a third of the whole time of writing them, and more of the server's.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
from llvmlite import ir
from numba import extending, types

import openoutcry.ledger.layout as lay
from openoutcry.ledger.columns import COLUMNS, KINDS, NUMBERS, SIDES
from openoutcry.ledger.layout import TransactionRow
from openoutcry.wire import enum_numbers
from openoutcry.wire.kernel import kernel
from openoutcry.wire.layout import Bytes, Words

HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
TRAILER = b"\xff\xff"
EPOCH_DAYS = 10_957
"""Days from 1970-01-01 to 2000-01-01, which is day 0 there."""
NAME_BYTES = 32
"""A name's row: how many characters, and up to 31."""
FIELDS, WORDS = len(COLUMNS), len(NUMBERS)
MAX_BYTES = 2 + 12 * WORDS + 8 + 4 * (4 + NAME_BYTES) + 5 + 8
A = lay.AT
MAKER = enum_numbers.EVENT_FLAG_MAKER | enum_numbers.EVENT_FLAG_AUCTION
NUMBER_BYTES = 8
# What a kernel calls has no Python signature: numba passes the typing context by itself.
intrinsic: Any = extending.intrinsic
assert (*NUMBERS, "participant", "instrument", "asset", "kind", "side", "maker", "day") == COLUMNS
assert [A[name] for name in NUMBERS] == [8 * index for index in range(WORDS)]


def _store(bits: int, is_highest_first: bool) -> Any:
    @intrinsic
    def store(typingctx: Any, addr: Any, value: Any) -> Any:
        def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            kind = ir.IntType(bits)
            value = args[1] if bits == 64 else builder.trunc(args[1], kind)
            where = builder.inttoptr(args[0], kind.as_pointer())
            builder.store(builder.bswap(value) if is_highest_first else value, where, align=1)
            return context.get_dummy_value()

        return types.void(types.int64, types.int64), codegen

    return store


store_word = _store(64, is_highest_first=False)
"""A word, at any address."""
store_eight = _store(64, is_highest_first=True)
store_four = _store(32, is_highest_first=True)
store_two = _store(16, is_highest_first=True)
"""Bytes of a word, the highest first, at any address."""


def names_table(names: list[str]) -> npt.NDArray[np.uint8]:
    """A row for each name, for :func:`encode`."""
    table = np.zeros((len(names), NAME_BYTES), np.uint8)
    for row, name in zip(table, names, strict=True):
        text = name.encode()
        row[0] = len(text)
        row[1 : 1 + len(text)] = np.frombuffer(text, np.uint8)
    return table


def encoded(rows: npt.NDArray[Any], symbols: list[str], monies: list[str]) -> bytes:
    """Return rows (TRANSACTION_DTYPE) for ``COPY … FROM STDIN (FORMAT BINARY)``."""
    lists = ([*symbols, ""], monies, KINDS, SIDES)
    tables = [names_table(names) for names in lists]
    counts = [len(names) for names in lists]
    out = np.empty(len(rows) * MAX_BYTES, np.uint8)
    rows = np.ascontiguousarray(rows)
    size = encode(
        rows.ctypes.data,
        len(rows),
        out.ctypes.data,
        tables[0].ctypes.data,
        counts[0],
        tables[1].ctypes.data,
        tables[2].ctypes.data,
        tables[3].ctypes.data,
    )
    return b"".join((HEADER, out[:size].data, TRAILER))


@kernel
def number(out: int, value: int, size: int) -> int:
    """A field of ``size`` bytes (8, 4, 2 or 1), the highest first; where the next begins.  ``out``:
    address where it goes, after four bytes of its length."""
    store_four(out, size)
    if size == 8:
        store_eight(out + 4, value)
    elif size == 4:
        store_four(out + 4, value)
    elif size == 2:
        store_two(out + 4, value)
    else:
        Bytes(out + 4)[0] = value & 0xFF
    return out + 4 + size


@kernel
def text(out: int, name: int) -> int:
    """Copy the text at ``name``, a byte of its length first, to ``out``; returns where the next
    begins."""
    size = Bytes(name)[0]
    store_four(out, size)
    for index in range(size):
        Bytes(out + 4)[index] = Bytes(name + 1)[index]
    return out + 4 + size


@kernel
def encode(
    rows: int,
    count: int,
    out: int,
    symbols: int,
    symbol_count: int,
    monies: int,
    kinds: int,
    sides: int,
) -> int:
    """Write ``count`` rows; returns how many bytes that was."""
    cursor = out
    for index in range(count):
        row = TransactionRow(rows + index * lay.ROW_BYTES)
        Bytes(cursor)[0] = 0
        Bytes(cursor)[1] = FIELDS
        cursor += 2
        for word in range(WORDS):
            cursor = number(cursor, Words(row)[word], NUMBER_BYTES)
        cursor = number(cursor, row.participant, 4)
        instrument = min(row.instrument, symbol_count - 1)
        cursor = text(cursor, symbols + instrument * NAME_BYTES)
        cursor = text(cursor, monies + row.asset * NAME_BYTES)
        cursor = text(cursor, kinds + row.kind * NAME_BYTES)
        cursor = text(cursor, sides + row.side * NAME_BYTES)
        cursor = number(cursor, 1 if row.flags & MAKER != 0 else 0, 1)
        cursor = number(cursor, row.ts_ns // lay.DAY_NS - EPOCH_DAYS, 4)
    return cursor - out
