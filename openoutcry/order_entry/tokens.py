"""Find the order that a session's token names: an open-addressing index with exact comparison.

A slot of the index is 8 bytes: half of the token's hash, and the number of its entry.  Entries, 64
bytes each, are in the order in which tokens came.  Each has the order's number, the session and the
whole token, because a token stays used for the day, long after the row of its order was reused.  So
a new token, the common case, reads one slot and writes after the last entry.  Measured with entries
in the table itself, 64 sessions in half a gigabyte: the wait for an entry's page was half of the
sessions stage's time.

The hash is multilinear with secret keys (Lemire and Kaser, "Strongly universal string hashing is
fast"): a client that chooses its tokens cannot choose where they collide.  All bits but
three lead to a line of eight slots.  Those three, the lowest of the last character of an OUCH token
or of a number, choose a place in it.  So eight tokens that are counted up lie in one line of the
cache."""

import secrets

import numpy as np
import numpy.typing as npt

from openoutcry.wire.kernel import VERIFY, kernel
from openoutcry.wire.layout import Layout, Words, area, i64
from openoutcry.wire.memory import (
    add_wrapping,
    load_i64,
    mul_wrapping,
    prefetch,
    store_i64,
)

ENTRY_BYTES, SLOT_BYTES = 64, 8


class TokenEntry(Layout, size_bytes=64):
    """An entry."""

    number: int = i64("the order's number")
    session: int = i64("index of the session")
    token: int = area(40, "the token, padded with NULs")


TOKEN = TokenEntry.offset("token")

TOKEN_SIZE = 40
HALVES = 1 + TOKEN_SIZE // 4
"""32-bit words that are hashed: the session's, and the token's."""


class TokenTable(Layout):
    """Words of the table; its keys follow."""

    count: int = i64("entries taken")
    mask: int = i64("capacity, less one")
    index: int = i64("address of the index")
    entries: int = i64("address of the entries")
    used: int = i64("address of how many entries each session has taken")
    keys: int = i64("first of the hash's secret keys")


TABLE_ENTRIES = TokenTable.offset("entries")
TABLE_KEYS = TokenTable.offset("keys")

TABLE_BYTES = TABLE_KEYS + 8 * (HALVES + 1)
FULL, TAKEN = -1, 0
HASH_BITS, ENTRY_BITS = -(1 << 32), (1 << 32) - 1
"""Masks of a slot: the upper half of the hash, and 1 + index of the entry."""
LINE_SLOTS = 8
COUNTED_AT, COUNTED_IN_HALF = 40, 8
"""Where the lowest bits of the 14th character are: in the token's second word, and in the upper
half of that word."""


def memory_bytes(capacity: int, sessions: int) -> int:
    """Return the size of a table's index and entries and of each session's count, in bytes."""
    return capacity * (SLOT_BYTES + ENTRY_BYTES) + 8 * (sessions + 1)


def prepare_table(words: npt.NDArray[np.int64], address: int, capacity: int) -> None:
    """Lay out a table's words (TABLE_BYTES) over zeroed memory (:func:`memory_bytes`); capacity is
    a power of two."""
    assert capacity & (capacity - 1) == 0
    assert capacity <= 1 << 31
    entries = address + SLOT_BYTES * capacity
    words[:5] = 0, capacity - 1, address, entries, entries + ENTRY_BYTES * capacity
    keys = [secrets.randbits(64) | 1 for _ in range(HALVES + 1)]
    words[TABLE_KEYS // 8 : TABLE_KEYS // 8 + HALVES + 1] = np.array(keys, np.uint64).view(np.int64)


@kernel
def token_hash(table: TokenTable, session: int, token: int) -> int:
    """The hash of a token, of which the upper half is what counts."""
    hashed = add_wrapping(table.keys, mul_wrapping(Words(table + TABLE_KEYS)[1], session))
    for index in range(TOKEN_SIZE // 8):
        word = Words(token)[index]
        key = table + TABLE_KEYS + 16 + 16 * index
        hashed = add_wrapping(hashed, mul_wrapping(load_i64(key), word & 0xFFFFFFFF))
        hashed = add_wrapping(hashed, mul_wrapping(Words(key)[1], word >> 32 & 0xFFFFFFFF))
    return hashed


@kernel
def short_hash(table: int, session: int, first: int, second: int, third: int) -> int:
    """Like :func:`token_hash`, for a token of at most 18 bytes, given as words of 8, 8 and 2."""
    keys = table + TABLE_KEYS
    hashed = add_wrapping(load_i64(keys), mul_wrapping(Words(keys)[1], session))
    hashed = add_wrapping(hashed, mul_wrapping(Words(keys)[2], first & 0xFFFFFFFF))
    hashed = add_wrapping(hashed, mul_wrapping(Words(keys)[3], first >> 32 & 0xFFFFFFFF))
    hashed = add_wrapping(hashed, mul_wrapping(Words(keys)[4], second & 0xFFFFFFFF))
    hashed = add_wrapping(hashed, mul_wrapping(Words(keys)[5], second >> 32 & 0xFFFFFFFF))
    return add_wrapping(hashed, mul_wrapping(Words(keys)[6], third))


@kernel
def first_place(table: TokenTable, hashed: int, first: int, second: int) -> int:
    """The slot at which the search for a token begins.  The hash without the bits that are counted
    up leads to its line.  The token's first two words are ``first`` and ``second``."""
    keys, low = table + TABLE_KEYS, first & LINE_SLOTS - 1
    high = second >> COUNTED_AT & LINE_SLOTS - 1
    counted = mul_wrapping(Words(keys)[2], low)
    counted = add_wrapping(counted, mul_wrapping(Words(keys)[5], high << COUNTED_IN_HALF))
    line = add_wrapping(hashed, mul_wrapping(counted, -1)) >> 32 & -LINE_SLOTS
    return (line | low ^ high) & table.mask


@kernel
def prefetch_token(table: TokenTable, session: int, first: int, second: int, third: int) -> None:
    """Ask for the slot of such a token.

    Measured: at 64 sessions a fifth of the sessions stage's time was the wait for this line."""
    hashed = short_hash(table, session, first, second, third)
    place = first_place(table, hashed, first, second)
    prefetch(table.index + SLOT_BYTES * place)


@kernel
def same_token(entry: TokenEntry, session: int, token: int) -> bool:
    """Return whether the entry is of that session (its index) and token (40 bytes at ``token``)."""
    if entry.session != session:
        return False
    for offset in range(0, TOKEN_SIZE, 8):
        if load_i64(entry + TOKEN + offset) != load_i64(token + offset):
            return False
    return True


@kernel
def find_slot(table: TokenTable, session: int, token: int, hashed: int) -> int:
    """Address of the token's slot, or of the free one for it; 0 if there is
    neither."""
    mask, index = table.mask, table.index
    entries = table.entries - ENTRY_BYTES
    place = first_place(table, hashed, load_i64(token), load_i64(token + 8))
    for step in range(mask + 1):
        slot = index + SLOT_BYTES * (place + step & mask)
        slot_word = load_i64(slot)
        if slot_word == 0:
            return slot
        if (slot_word ^ hashed) & HASH_BITS == 0:
            entry = TokenEntry(entries + ENTRY_BYTES * (slot_word & ENTRY_BITS))
            if same_token(entry, session, token):
                return slot
    return 0


@kernel
def number_of(table: TokenTable, session: int, token: int) -> int:
    """Number of the order that the session's token names, 0 if it names none."""
    slot = find_slot(table, session, token, token_hash(table, session, token))
    entry_number = load_i64(slot) & ENTRY_BITS if slot != 0 else 0
    if entry_number == 0:
        return 0
    if VERIFY:
        assert entry_number <= table.count, "a slot names an entry that is taken"
    return TokenEntry(table.entries + ENTRY_BYTES * (entry_number - 1)).number


@kernel
def name_again(table: TokenTable, session: int, token: int, number: int) -> int:
    """Let a token name another order than before, or put it; returns what :func:`put_token` does,
    or 1."""
    slot = find_slot(table, session, token, token_hash(table, session, token))
    entry_number = Words(slot)[0] & ENTRY_BITS if slot != 0 else 0
    if entry_number == 0:
        return put_token(table, session, token, number)
    TokenEntry(table.entries + ENTRY_BYTES * (entry_number - 1)).number = number
    return 1


@kernel
def put_tokens(table: TokenTable, entries: int, count: int) -> int:
    """Put tokens of another table, ``count`` entries at the address; return how many were put: all,
    unless one is there twice or the table is full."""
    for index in range(count):
        entry = TokenEntry(entries + ENTRY_BYTES * index)
        if put_token(table, entry.session, entry + TOKEN, entry.number) != 1:
            return index
    return count


@kernel
def clear_table(table: TokenTable, sessions: int) -> None:
    """Clear the table: no token is taken any longer; ``sessions``: how many there are."""
    index, used = table.index, table.used
    for session in range(sessions + 1):
        Words(used)[session] = 0
    if table.count > 0:
        for place in range(table.mask + 1):
            store_i64(index + SLOT_BYTES * place, 0)
    table.count = 0


@kernel
def is_full(table: TokenTable) -> bool:
    """Seven eighths are taken."""
    capacity = table.mask + 1
    return table.count >= capacity - (capacity >> 3)


@kernel
def has_room_for(table: TokenTable, session: int, count: int) -> bool:
    """Return whether the session may take ``count`` more tokens: it has no more of them than are
    left for all.

    So no session uses up the others' day, and a single one may have half (the dynamic thresholds of
    shared-memory switches: Choudhury and Hahne, IEEE/ACM Transactions on Networking 6, 1998).
    """
    capacity = table.mask + 1
    left = capacity - (capacity >> 3) - table.count
    return Words(table.used)[session] + count <= left


@kernel
def put_token(table: TokenTable, session: int, token: int, number: int) -> int:
    """Let a token name an order; 1, or TAKEN (nothing is changed), or FULL at seven eighths."""
    hashed = token_hash(table, session, token)
    slot = find_slot(table, session, token, hashed)
    if slot != 0 and load_i64(slot) != 0:
        return TAKEN
    if slot == 0 or is_full(table):
        return FULL
    count = table.count
    entry = TokenEntry(table.entries + ENTRY_BYTES * count)
    if VERIFY:
        assert number > 0, "order numbers begin at 1"
        assert session > 0, "a token belongs to a session"
        assert count < table.mask, "a search always meets a free slot"
    entry.number = number
    entry.session = session
    for offset in range(0, TOKEN_SIZE, 8):
        store_i64(entry + TOKEN + offset, load_i64(token + offset))
    used = table.used + 8 * session
    store_i64(used, load_i64(used) + 1)
    store_i64(slot, hashed & HASH_BITS | (count + 1))
    table.count = count + 1
    if VERIFY:
        assert number_of(table, session, token) == number, "an inserted token is found"
    return 1
