"""An index of rows by a key of whole words: open addressing, at most half of the entries in use.

An entry has a row's number plus 1, or 0.  The key lies at a row's beginning, or at another place of
it: ``rows`` is the address of row 0's key.
"""

import openoutcry.risk.layout as lay
from openoutcry.wire.kernel import VERIFY, kernel
from openoutcry.wire.memory import load_i64, mul_wrapping, store_i64


def index_entries(capacity: int) -> int:
    """Return the number of index entries for this many rows."""
    return int(1 << (2 * capacity - 1).bit_length())


@kernel
def home_of(mask: int, key: int, words: int) -> int:
    """Return where the index begins to look for the key."""
    mixed = load_i64(key)
    for at in range(8, 8 * words, 8):
        mixed = mul_wrapping(mixed, lay.HASH_FACTOR) ^ load_i64(key + at)
    return (mul_wrapping(mixed, lay.HASH_FACTOR) >> 32) & mask


@kernel
def is_same(key: int, other: int, words: int) -> bool:
    """Return whether two keys of this many words are equal. ``key`` and ``other``: their
    addresses."""
    differs = 0
    for at in range(0, 8 * words, 8):
        differs |= load_i64(key + at) ^ load_i64(other + at)
    return differs == 0


@kernel
def find_entry(index: int, mask: int, rows: int, row_bytes: int, key: int, words: int) -> int:
    """Address of the entry that has the key, or of the free one where it would be. Addresses:
    ``index`` of the table, ``rows`` of the rows, each beginning with its key."""
    at = home_of(mask, key, words)
    number = load_i64(index + 8 * at)
    while number != 0 and not is_same(rows + row_bytes * (number - 1), key, words):
        at = (at + 1) & mask
        number = load_i64(index + 8 * at)
    return index + 8 * at


@kernel
def forget_entry(index: int, mask: int, rows: int, row_bytes: int, key: int, words: int) -> None:
    """Take a key out of the index; entries that were moved on because of it move back."""
    hole = (find_entry(index, mask, rows, row_bytes, key, words) - index) // 8
    if VERIFY:
        assert load_i64(index + 8 * hole) != 0, "a row that is remembered is in the index"
    at = (hole + 1) & mask
    number = load_i64(index + 8 * at)
    while number != 0:
        home = home_of(mask, rows + row_bytes * (number - 1), words)
        if (at - home) & mask >= (at - hole) & mask:
            store_i64(index + 8 * hole, number)
            hole = at
        at = (at + 1) & mask
        number = load_i64(index + 8 * at)
    store_i64(index + 8 * hole, 0)
