"""Rows of the journal that are one field in the database: what a command did to an order, or to
what a participant has.

A column for each number cost more than all else: a ``bigint`` takes the server as long as a row of
a few bytes.  Of each row the one before it in the field is taken by exclusive or.  A half byte for
each number then says how many of its bytes follow, so that 0 costs nothing more.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from openoutcry.ledger.copy_rows import HEADER, TRAILER, number, store_word
from openoutcry.ledger.layout import DAY_NS, ROW_BYTES, TRANSACTION_DTYPE, TransactionRow
from openoutcry.portal.history.binary import head, small, word
from openoutcry.portal.history.output import Output
from openoutcry.wire.kernel import kernel
from openoutcry.wire.layout import Bytes, Words
from openoutcry.wire.memory import count_leading_zeros

WORD_BYTES = 8
TRANSACTION_WORDS, TRANSACTION_FIELDS = ROW_BYTES // WORD_BYTES, 5
TRANSACTION_HEAD = 64
"""More than the other fields take."""
PARTICIPANTS = 1 << 16
"""Their numbers are below it."""


def most_bytes(words: int) -> int:
    """The longest row of this many numbers."""
    return (words + 1) // 2 + WORD_BYTES * words


@kernel
def bytes_of(value: int) -> int:
    """Return how many bytes a number takes, with its sign; none for 0."""
    if value == 0:
        return 0
    return (64 - count_leading_zeros((value ^ value >> 63) | 1)) // 8 + 1


@kernel
def pack(out: int, row: int, before: int, words: int) -> int:
    """A row, after the one ``before`` it (0: none); where the next begins.  Up to a word after that
    is written to."""
    cursor = out + (words + 1) // 2
    for index in range(words):
        value = Words(row)[index]
        if before != 0:
            value ^= Words(before)[index]
        count = bytes_of(value)
        if index & 1 == 0:
            Bytes(out)[index // 2] = count
        else:
            Bytes(out)[index // 2] |= count << 4
        store_word(cursor, value)
        cursor += count
    return cursor


@kernel
def pack_field(
    out: int, rows: int, row_bytes: int, order: int, index: int, last: int, words: int
) -> int:
    """A field of the rows at ``order[index]`` to ``order[last]``, its length first; where it
    ends."""
    cursor, before = out + 4, 0
    while index <= last:
        row_at = rows + Words(order)[index] * row_bytes
        cursor = pack(cursor, row_at, before, words)
        before = row_at
        index += 1
    small(out, cursor - out - 4, 4)
    return cursor


@kernel
def unpack(data: int, end: int, words: int, out: int) -> int:
    """Rows from ``data`` to ``end``; how many they are."""
    cursor, row, count = data, out, 0
    while cursor < end:
        sizes, cursor = cursor, cursor + (words + 1) // 2
        for index in range(words):
            size = Bytes(sizes)[index // 2] >> (4 * (index & 1)) & 15
            sign = 0xFF if size != 0 and Bytes(cursor)[size - 1] >= 0x80 else 0
            for place in range(WORD_BYTES):
                Bytes(row + WORD_BYTES * index)[place] = (
                    Bytes(cursor)[place] if place < size else sign
                )
            if count != 0:
                Words(row)[index] ^= Words(row - WORD_BYTES * words)[index]
            cursor += size
        row += WORD_BYTES * words
        count += 1
    return count


def unpacked(data: bytes, words: int) -> npt.NDArray[np.int64]:
    """The rows of a field, int64[rows, words]."""
    packed = np.frombuffer(data, np.uint8)
    rows = np.empty((len(packed) // ((words + 1) // 2), words), np.int64)
    at = packed.ctypes.data
    return rows[: unpack(at, at + len(packed), words, rows.ctypes.data)]


def add_rows(
    output: Output,
    write: Callable[[int, int, int, int], int],
    rows: npt.NDArray[Any],
    keys: npt.NDArray[np.int64],
    room: int,
) -> None:
    """Add what ``write`` makes of rows in the order of their keys, at most ``room`` bytes each.

    Those of one key stay in their order."""
    order, out = np.argsort(keys, kind="stable"), output.hold(len(rows) * room)
    output.end(write(out, rows.ctypes.data, order.ctypes.data, len(order)))


# Transactions of the ledger


def add_transactions(output: Output, posted: npt.NDArray[Any]) -> None:
    """Add rows of ``transactions``, out of the ledger's (TRANSACTION_DTYPE) of whole commands."""
    posted = np.ascontiguousarray(posted)
    keys = posted["cause_seq"] * PARTICIPANTS + posted["participant"]
    room = TRANSACTION_HEAD + most_bytes(TRANSACTION_WORDS)
    add_rows(output, write_transactions, posted, keys, room)


@kernel
def write_transactions(out: int, rows: int, order: int, count: int) -> int:
    """A row for each participant and command, by ``order``; where they end."""
    cursor, index = out, 0
    while index < count:
        first = TransactionRow(rows + Words(order)[index] * ROW_BYTES)
        last = index
        while last + 1 < count:
            row = TransactionRow(rows + Words(order)[last + 1] * ROW_BYTES)
            if row.participant != first.participant or row.cause_seq != first.cause_seq:
                break
            last += 1
        cursor = head(cursor, TRANSACTION_FIELDS)
        cursor = number(cursor, first.ts_ns // DAY_NS, 4)
        cursor = number(cursor, first.participant, 4)
        cursor = word(cursor, TransactionRow(rows + Words(order)[last] * ROW_BYTES).event_seq)
        cursor = word(cursor, first.cause_seq)
        cursor = pack_field(cursor, rows, ROW_BYTES, order, index, last, TRANSACTION_WORDS)
        index = last + 1
    return cursor


def transactions_in(copy: bytes) -> npt.NDArray[Any]:
    """The transactions (TRANSACTION_DTYPE) of a binary COPY of such fields alone."""
    data = np.frombuffer(copy, np.uint8)
    rows = np.empty(len(data) // ((TRANSACTION_WORDS + 1) // 2), TRANSACTION_DTYPE)
    begin, end = len(HEADER), len(data) - len(TRAILER)
    at = data.ctypes.data
    return rows[: read_fields(at + begin, at + end, TRANSACTION_WORDS, rows.ctypes.data)]


@kernel
def read_fields(data: int, end: int, words: int, out: int) -> int:
    """Rows out of the packed fields of rows of one column; how many they are."""
    cursor, count = data, 0
    while cursor < end:
        size = 0
        for index in range(4):
            size += Bytes(cursor + 2)[index] << (24 - 8 * index)
        cursor += 6
        count += unpack(cursor, cursor + size, words, out + WORD_BYTES * words * count)
        cursor += size
    return count
