"""Copy an arena, for what-if runs."""

import numpy as np

from openoutcry.matcher.book import arena as at
from openoutcry.matcher.book.empty_arena import zeroed

TABLES = (
    at.INSTRUMENTS_AT,
    at.RULES_AT,
    at.ORDERS_AT,
    at.EXTENSIONS_AT,
    at.IDS_AT,
    at.ID_LINKS_AT,
    at.EXPIRIES_AT,
    at.SHARES_AT,
    at.PAGES_AT,
    at.LEVELS_AT,
    at.BRANCHES_AT,
    at.HINTS_AT,
    at.SYMBOLS_AT,
    at.DIGESTS_AT,
    at.OWNED_AT,
    at.GROUPS_AT,
    at.OWNERS_AT,
    at.GROUP_IDS_AT,
    at.SWEEP_AT,
)


def copy_arena(arena: at.Arena) -> at.Arena:
    """The same arena elsewhere.  Of the tables that fill up from their beginning only what was ever
    in use is copied: the rest is zero, and stays memory that the system need not provide."""
    words = arena[: at.HEADER_BYTES].view(np.int64)

    def word(offset: int) -> int:
        return int(words[offset // 8])

    used_bytes = {
        at.ORDERS_AT: (word(at.FRESH_ORDERS) + 1) * at.ORDER_SLOT_BYTES,
        at.ID_LINKS_AT: (word(at.FRESH_ORDERS) + 1) * at.ID_LINK_BYTES,
        at.EXTENSIONS_AT: (word(at.FRESH_EXTENSIONS) + 1) * at.EXTENSION_BYTES,
        at.EXPIRIES_AT: (word(at.EXPIRY_COUNT) + 1) * 4,
        at.SHARES_AT: 0,
        at.PAGES_AT: (word(at.FRESH_PAGES) + 1) * at.PAGE_BYTES,
        at.LEVELS_AT: (word(at.FRESH_PAGES) + 1) * at.PAGE_LEVELS * at.LEVEL_BYTES,
        at.BRANCHES_AT: (word(at.FRESH_BRANCHES) + 1) * at.BRANCH_BYTES,
        at.OWNED_AT: (word(at.ENTERED_ORDERS) + 1) * at.OWNED_BYTES,
        at.GROUPS_AT: (word(at.FRESH_GROUPS) + 1) * at.GROUP_BYTES,
        at.SWEEP_AT: 0,
        **({at.OWNERS_AT: 0, at.GROUP_IDS_AT: 0} if word(at.FRESH_GROUPS) == 0 else {}),
    }
    copy = zeroed(len(arena))
    copy[: at.HEADER_BYTES] = arena[: at.HEADER_BYTES]
    starts = sorted(word(table) for table in TABLES)
    assert starts[0] == at.HEADER_BYTES, "a table of the arena is not known here"
    ends = dict(zip(starts, [*starts[1:], len(arena)], strict=True))
    for table in TABLES:
        start = word(table)
        end = min(ends[start], start + used_bytes.get(table, len(arena)))
        copy[start:end] = arena[start:end]
    return copy
