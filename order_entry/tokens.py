"""Which order a session's token names: an open-addressing table with exact comparison.

An entry is 64 bytes: the order's number, the session, and the whole token, because a token stays
taken for the day, long after the row of its order has become another's.  The hash is multilinear
with secret keys (Lemire and Kaser, "Strongly universal string hashing is fast"): whoever chooses
his tokens cannot choose where they collide.
"""

import secrets

import numpy as np
import numpy.typing as npt

from openoutcry.wire.kernel import kernel
from openoutcry.wire.memory import (
    add_wrapping,
    load_i64,
    mul_wrapping,
    prefetch,
    store_i64,
)

ENTRY_BYTES = 64
NUMBER, SESSION, TOKEN = 0, 8, 16
TOKEN_SIZE = 40
HALVES = 1 + TOKEN_SIZE // 4
"""32-bit words that are hashed: the session's, and the token's."""
TABLE_COUNT, TABLE_MASK, TABLE_ENTRIES, TABLE_KEYS = 0, 8, 16, 24
"""Words of the table: entries taken, capacity - 1, address of the entries, then the keys."""
TABLE_BYTES = 24 + 8 * (HALVES + 1)
FULL, TAKEN = -1, 0


def prepare_table(words: npt.NDArray[np.int64], entries_address: int, capacity: int) -> None:
    """Lay out a table's words (TABLE_BYTES) over zeroed entries; capacity is a power of two."""
    assert capacity & (capacity - 1) == 0
    assert capacity <= 1 << 31
    words[0], words[1], words[2] = 0, capacity - 1, entries_address
    keys = [secrets.randbits(64) | 1 for _ in range(HALVES + 1)]
    words[3 : 3 + HALVES + 1] = np.array(keys, np.uint64).view(np.int64)


@kernel
def token_place(table: int, session: int, token: int) -> int:
    """The entry at which the search for a token begins."""
    hashed = add_wrapping(
        load_i64(table + TABLE_KEYS), mul_wrapping(load_i64(table + TABLE_KEYS + 8), session)
    )
    for index in range(TOKEN_SIZE // 8):
        word = load_i64(token + 8 * index)
        key = table + TABLE_KEYS + 16 + 16 * index
        hashed = add_wrapping(hashed, mul_wrapping(load_i64(key), word & 0xFFFFFFFF))
        hashed = add_wrapping(hashed, mul_wrapping(load_i64(key + 8), word >> 32 & 0xFFFFFFFF))
    return (hashed >> 32 & 0xFFFFFFFF) & load_i64(table + TABLE_MASK)


@kernel
def short_place(table: int, session: int, first: int, second: int) -> int:
    """As :func:`token_place`, of a token of at most 16 bytes, given as two words."""
    keys = table + TABLE_KEYS
    hashed = add_wrapping(load_i64(keys), mul_wrapping(load_i64(keys + 8), session))
    hashed = add_wrapping(hashed, mul_wrapping(load_i64(keys + 16), first & 0xFFFFFFFF))
    hashed = add_wrapping(hashed, mul_wrapping(load_i64(keys + 24), first >> 32 & 0xFFFFFFFF))
    hashed = add_wrapping(hashed, mul_wrapping(load_i64(keys + 32), second & 0xFFFFFFFF))
    hashed = add_wrapping(hashed, mul_wrapping(load_i64(keys + 40), second >> 32 & 0xFFFFFFFF))
    return (hashed >> 32 & 0xFFFFFFFF) & load_i64(table + TABLE_MASK)


@kernel
def prefetch_token(table: int, session: int, first: int, second: int) -> None:
    """Ask for the entry of such a token.

    Measured: at 64 sessions a fifth of the sessions stage's time was the wait for this line."""
    place = short_place(table, session, first, second)
    prefetch(load_i64(table + TABLE_ENTRIES) + ENTRY_BYTES * place)


@kernel
def same_token(entry: int, session: int, token: int) -> bool:
    if load_i64(entry + SESSION) != session:
        return False
    for offset in range(0, TOKEN_SIZE, 8):
        if load_i64(entry + TOKEN + offset) != load_i64(token + offset):
            return False
    return True


@kernel
def find_token(table: int, session: int, token: int) -> int:
    """Address of the token's entry, or of the free one where it would stand; 0 if there is
    neither."""
    mask, entries = load_i64(table + TABLE_MASK), load_i64(table + TABLE_ENTRIES)
    place = token_place(table, session, token)
    for step in range(mask + 1):
        entry = entries + ENTRY_BYTES * (place + step & mask)
        if load_i64(entry + NUMBER) == 0 or same_token(entry, session, token):
            return entry
    return 0


@kernel
def number_of(table: int, session: int, token: int) -> int:
    """Number of the order that the session's token names, 0 if it names none."""
    entry = find_token(table, session, token)
    return 0 if entry == 0 else load_i64(entry + NUMBER)


@kernel
def clear_table(table: int) -> None:
    """No token is taken any more."""
    entries = load_i64(table + TABLE_ENTRIES)
    if load_i64(table + TABLE_COUNT) > 0:
        for offset in range(0, ENTRY_BYTES * (load_i64(table + TABLE_MASK) + 1), 8):
            store_i64(entries + offset, 0)
    store_i64(table + TABLE_COUNT, 0)


@kernel
def is_full(table: int) -> bool:
    """Seven eighths are taken."""
    capacity = load_i64(table + TABLE_MASK) + 1
    return load_i64(table + TABLE_COUNT) >= capacity - (capacity >> 3)


@kernel
def put_token(table: int, session: int, token: int, number: int) -> int:
    """Let a token name an order; 1, or TAKEN (nothing is changed), or FULL at seven eighths."""
    entry = find_token(table, session, token)
    if entry != 0 and load_i64(entry + NUMBER) != 0:
        return TAKEN
    if entry == 0 or is_full(table):
        return FULL
    store_i64(entry + SESSION, session)
    for offset in range(0, TOKEN_SIZE, 8):
        store_i64(entry + TOKEN + offset, load_i64(token + offset))
    store_i64(entry + NUMBER, number)
    store_i64(table + TABLE_COUNT, load_i64(table + TABLE_COUNT) + 1)
    return 1
