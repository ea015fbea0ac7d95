"""Copy an arena, for what-if runs."""

import numpy as np

from openoutcry.matcher.book import arena as book_arena
from openoutcry.matcher.book.empty_arena import zeroed

TABLES = (
    book_arena.INSTRUMENTS_AT,
    book_arena.RULES_AT,
    book_arena.ORDERS_AT,
    book_arena.EXTENSIONS_AT,
    book_arena.IDS_AT,
    book_arena.ID_LINKS_AT,
    book_arena.EXPIRIES_AT,
    book_arena.SHARES_AT,
    book_arena.PAGES_AT,
    book_arena.LEVELS_AT,
    book_arena.BRANCHES_AT,
    book_arena.HINTS_AT,
    book_arena.SYMBOLS_AT,
    book_arena.DIGESTS_AT,
    book_arena.OWNED_AT,
    book_arena.GROUPS_AT,
    book_arena.OWNERS_AT,
    book_arena.GROUP_IDS_AT,
    book_arena.SWEEP_AT,
    book_arena.TERMS_AT,
)


def copy_arena(arena: book_arena.Arena) -> book_arena.Arena:
    """The same arena elsewhere.  Of the tables that fill up from their beginning only what was ever
    in use is copied: the rest is zero, and stays memory that the system need not provide."""
    words = arena[: book_arena.HEADER_BYTES].view(np.int64)

    def word(offset: int) -> int:
        return int(words[offset // 8])

    used_bytes = {
        book_arena.ORDERS_AT: (word(book_arena.FRESH_ORDERS) + 1) * book_arena.ORDER_SLOT_BYTES,
        book_arena.ID_LINKS_AT: (word(book_arena.FRESH_ORDERS) + 1) * book_arena.ID_LINK_BYTES,
        book_arena.EXTENSIONS_AT: (word(book_arena.FRESH_EXTENSIONS) + 1)
        * book_arena.EXTENSION_BYTES,
        book_arena.EXPIRIES_AT: (word(book_arena.EXPIRY_COUNT) + 1) * 4,
        book_arena.SHARES_AT: 0,
        book_arena.PAGES_AT: (word(book_arena.FRESH_PAGES) + 1) * book_arena.PAGE_BYTES,
        book_arena.LEVELS_AT: (word(book_arena.FRESH_PAGES) + 1)
        * book_arena.PAGE_LEVELS
        * book_arena.LEVEL_BYTES,
        book_arena.BRANCHES_AT: (word(book_arena.FRESH_BRANCHES) + 1) * book_arena.BRANCH_BYTES,
        book_arena.OWNED_AT: (word(book_arena.ENTERED_ORDERS) + 1) * book_arena.OWNED_BYTES,
        book_arena.GROUPS_AT: (word(book_arena.FRESH_GROUPS) + 1) * book_arena.GROUP_BYTES,
        book_arena.SWEEP_AT: 0,
        book_arena.TERMS_AT: word(book_arena.TERMS_COUNT) * book_arena.TERM_BYTES,
        **(
            {book_arena.OWNERS_AT: 0, book_arena.GROUP_IDS_AT: 0}
            if word(book_arena.FRESH_GROUPS) == 0
            else {}
        ),
    }
    copy = zeroed(len(arena))
    copy[: book_arena.HEADER_BYTES] = arena[: book_arena.HEADER_BYTES]
    starts = sorted(word(table) for table in TABLES)
    assert starts[0] == book_arena.HEADER_BYTES, "a table of the arena is not known here"
    ends = dict(zip(starts, [*starts[1:], len(arena)], strict=True))
    for table in TABLES:
        start = word(table)
        end = min(ends[start], start + used_bytes.get(table, len(arena)))
        copy[start:end] = arena[start:end]
    return copy
