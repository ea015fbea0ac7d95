"""Keep the sum that the state hash is made of up to date; ``digest.py`` defines it.

Whatever changes a page marks it (``levels.touch_page``), and so an instrument
(``levels.touch_instrument``): marked ones hang in two lists.  Here the share that each of them had
is taken out of the sum and its new one put in, so an answer costs what changed since the last.
"""

import openoutcry.matcher.book.arena as layout
from openoutcry.matcher.book.arena import ArenaHeader
from openoutcry.matcher.book.levels import (
    instrument_addr,
    key_flip,
    level_addr,
    level_key,
    page_addr,
    slot_addr,
)
from openoutcry.matcher.state.digest import EXTENDED_WORDS, FACTORS, FOLD_SHIFT, PLAIN_WORDS, SEEDS
from openoutcry.matcher.state.save import (
    LIST_OFFSETS,
    extension_slot,
    first_waiting,
    next_waiting,
    save_row,
    save_state,
)
from openoutcry.matcher.state.snapshot import (
    ROW_BYTES,
    ROW_LINKED,
    ROW_OWN_TRIGGER,
    STATE_BYTES,
    SavedOrder,
    SavedState,
)
from openoutcry.wire.kernel import kernel
from openoutcry.wire.layout import Words
from openoutcry.wire.memory import count_trailing_zeros, load_i64, store_i64


def signed(word: int) -> int:
    """Return an unsigned 64-bit number as an int64."""
    return word - (1 << 64) if word >> 63 else word


SEED_LOW, SEED_HIGH = (signed(seed) for seed in SEEDS)
FACTOR_LOW, FACTOR_HIGH = (signed(factor) for factor in FACTORS)
assert ROW_BYTES <= layout.FOLD_ROOM_BYTES
FOLD_MASK = (1 << (64 - FOLD_SHIFT)) - 1


@kernel
def mix(share: int, word: int, factor: int) -> int:
    """Mix a word into one half of a digest."""
    mixed = (share ^ word) * factor
    return mixed ^ ((mixed >> FOLD_SHIFT) & FOLD_MASK)


@kernel
def fold_words(low: int, high: int, at: int, count: int) -> tuple[int, int]:
    """Mix ``count`` words at an address into both halves of a digest, and return them."""
    for index in range(count):
        word = Words(at)[index]
        low = mix(low, word, FACTOR_LOW)
        high = mix(high, word, FACTOR_HIGH)
    return low, high


@kernel
def fold_changes(arena: ArenaHeader) -> None:
    """Bring the sum, which is the first entry of the digests, up to date."""
    terms = 1 + arena.page_capacity + arena.instrument_count
    entries = terms + 1
    row = SavedState(arena + arena.digests_at + entries * layout.DIGEST_BYTES)
    page = arena.changed_pages
    while page != layout.END_OF_CHANGED:
        head = page_addr(arena, page)
        low, high = fold_page(arena, page, SavedOrder(row))
        enter(arena, page, low, high)
        following = head.changed
        head.changed = 0
        page = following
    arena.changed_pages = layout.END_OF_CHANGED
    link = arena.changed_instruments
    while link != layout.END_OF_CHANGED:
        state = instrument_addr(arena, link - 1)
        low, high = fold_instrument(arena, link - 1, row)
        enter(arena, arena.page_capacity + link, low, high)
        link = state.changed
        state.changed = 0
    arena.changed_instruments = layout.END_OF_CHANGED
    # They are few, and rarely any.
    low, high = fold_terms(arena)
    enter(arena, terms, low, high)


@kernel
def fold_terms(arena: ArenaHeader) -> tuple[int, int]:
    """Share of the terms that wait."""
    total_low = total_high = 0
    for index in range(arena.terms_count):
        at = arena + arena.terms_at + index * layout.TERM_BYTES
        low, high = fold_words(SEED_LOW, SEED_HIGH, at, layout.TERM_BYTES // 8)
        total_low += low
        total_high += high
    return total_low, total_high


@kernel
def enter(arena: ArenaHeader, entry: int, low: int, high: int) -> None:
    """Replace the share of ``entry`` in the sum."""
    total = arena + arena.digests_at
    share = total + entry * layout.DIGEST_BYTES
    store_i64(total, load_i64(total) - load_i64(share) + low)
    Words(total)[1] = Words(total)[1] - Words(share)[1] + high
    store_i64(share, low)
    Words(share)[1] = high


@kernel
def folded_words(row: SavedOrder) -> int:
    """Return how many words of an extended order's row count."""
    is_whole = row.flags & (ROW_LINKED | ROW_OWN_TRIGGER) != 0
    return ROW_BYTES // 8 if is_whole else EXTENDED_WORDS


@kernel
def fold_page(arena: ArenaHeader, page: int, row: SavedOrder) -> tuple[int, int]:
    """Share of one page: nothing if it is closed."""
    head = page_addr(arena, page)
    book = head.book
    if book == layout.NO_BOOK:
        return 0, 0
    low, high = SEED_LOW, SEED_HIGH
    levels = head.bitmap
    while levels != 0:
        level = (page << 6) | count_trailing_zeros(levels)
        levels &= levels - 1
        price = level_key(arena, level) ^ key_flip(book)
        slot = level_addr(arena, level).head
        while slot != 0:
            is_extended = save_row(arena, slot, book, price, row)
            words = folded_words(row) if is_extended else PLAIN_WORDS
            row_low, row_high = fold_words(SEED_LOW, SEED_HIGH, row, words)
            low, high = mix(low, row_low, FACTOR_LOW), mix(high, row_high, FACTOR_HIGH)
            slot = slot_addr(arena, slot).next
    return low, high


@kernel
def fold_instrument(arena: ArenaHeader, instrument: int, row: SavedState) -> tuple[int, int]:
    """Share of one instrument: its state, and its orders that are in no level."""
    save_state(arena, instrument, row)
    low, high = (
        mix(SEED_LOW, instrument + 1, FACTOR_LOW),
        mix(SEED_HIGH, instrument + 1, FACTOR_HIGH),
    )
    low, high = fold_words(low, high, row, STATE_BYTES // 8)
    for list_offset in LIST_OFFSETS:
        ext = first_waiting(arena, instrument, list_offset)
        while ext != 0:
            save_row(arena, extension_slot(arena, ext), 0, 0, SavedOrder(row))
            words = folded_words(SavedOrder(row))
            row_low, row_high = fold_words(SEED_LOW, SEED_HIGH, row, words)
            low += mix(SEED_LOW, row_low, FACTOR_LOW)
            high += mix(SEED_HIGH, row_high, FACTOR_HIGH)
            ext = next_waiting(arena, ext)
    return low, high
