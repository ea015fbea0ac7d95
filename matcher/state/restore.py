"""Put a state into an empty arena."""

import numpy as np
import numpy.typing as npt

from openoutcry.matcher.book import arena as layout
from openoutcry.matcher.book.arena import ArenaHeader
from openoutcry.matcher.state.load import (
    NO_PAGE,
    OVERFLOWN,
    REPEATED_ID,
    crossed_instrument,
    load_lists,
    load_orders,
    load_rings,
    load_states,
    load_terms,
)
from openoutcry.matcher.state.snapshot import (
    DORMANT,
    NO_PLACE,
    ROW_EXTENDED,
    ROW_HAS_EXPIRY,
    ROW_LINKED,
    State,
)
from openoutcry.wire.errors import MatcherError
from openoutcry.wire.order_types import PEGS, TRAILING

WHY = {
    REPEATED_ID: "repeats an id",
    NO_PAGE: "needs more than {} level_pages",
    OVERFLOWN: "overflows its level",
}


def load_state(arena: layout.Arena, state: State) -> None:
    """Open the orders of a state, and enter what became of its instruments.

    Raises :class:`MatcherError` for rows that fit no order_capacity or level_pages, repeat an id,
    overflow a level or cross a book.
    """
    words, address = arena[: layout.HEADER_BYTES].view(np.int64), arena.ctypes.data
    # Under names: a kernel gets addresses, which keep nothing alive.
    rows, states = np.ascontiguousarray(state.rows), np.ascontiguousarray(state.states)
    capacity = int(words[layout.ORDER_CAPACITY // 8])
    if len(rows) > capacity:
        raise MatcherError(
            f"snapshot: {len(rows)} open orders do not fit an order_capacity of {capacity}"
        )
    load_states(ArenaHeader.of(address), states.ctypes.data)
    count, why = load_orders(ArenaHeader.of(address), rows.ctypes.data, len(rows))
    if count < len(rows):
        reason = WHY[why].format(words[layout.PAGE_CAPACITY // 8])
        raise MatcherError(f"snapshot: order row {count}: {reason}")
    crossed = crossed_instrument(ArenaHeader.of(address))
    if crossed >= 0:
        raise MatcherError(f"snapshot: instrument row {crossed}: its orders cross")
    if words[layout.EXTRA_EVENTS // 8] > words[layout.EXTRA_CAPACITY // 8]:
        raise MatcherError(
            f"snapshot: its orders could cause more events than fit an order_capacity of {capacity}"
        )
    lists, expiries = _lists(state)
    load_lists(
        ArenaHeader.of(address), lists.ctypes.data, len(lists), expiries.ctypes.data, len(expiries)
    )
    rings = _rings(state)
    load_rings(ArenaHeader.of(address), rings.ctypes.data, len(rings))
    terms = np.ascontiguousarray(state.terms)
    load_terms(ArenaHeader.of(address), terms.ctypes.data, len(terms))
    for offset, value in (
        (layout.NOW_NS, state.now_ns),
        (layout.LAST_SEQ, state.last_seq),
        (layout.EVENT_COUNT, state.event_count),
        (layout.COMMAND_COUNT, state.command_count),
    ):
        words[offset // 8] = value


def _rings(state: State) -> npt.NDArray[np.uint32]:
    """The extensions of legs, each with that of the next leg of its list, around: as they were
    linked (``link_leg``), the first leg, then from the last one down."""
    rows = state.rows
    extensions = np.cumsum((rows["flags"] & ROW_EXTENDED) != 0)
    rings: dict[tuple[int, ...], list[tuple[int, int]]] = {}
    linked = np.flatnonzero((rows["flags"] & ROW_LINKED) != 0)
    legs = zip(linked.tolist(), extensions[linked].tolist(), rows[linked], strict=True)
    for index, extension, row in legs:
        # By OTO a leg whose first leg is filled is alone.
        is_whole = int(row["stage"]) != DORMANT[0]
        is_alone = is_whole and row["legs"] == 0
        key = (int(row["instrument"]), int(row["participant"]), int(row["list_key"]), is_whole)
        ring = rings.setdefault((*key, index if is_alone else -1), [])
        ring.append((-int(row["leg"]), extension))
    pairs: list[tuple[int, int]] = []
    for ring in rings.values():
        around = [extension for _, extension in sorted(ring)]
        pairs += zip(around, [*around[1:], around[0]], strict=True)
    return np.array(pairs, np.uint32).reshape(-1, 2)


def _lists(state: State) -> tuple[npt.NDArray[np.uint32], npt.NDArray[np.uint32]]:
    """The extensions that belong into lists, by arrival, and those with an expiry, by it."""
    rows = state.rows
    extensions = np.cumsum((rows["flags"] & ROW_EXTENDED) != 0).astype(np.uint32)
    kinds = [int(kind) for kind in (*PEGS, *TRAILING)]
    listed = np.isin(rows["order_type"], kinds) | (rows["place"] == NO_PLACE)
    order = np.lexsort((rows["order_id"][listed].astype(np.uint64), rows["arrival"][listed]))
    lists = extensions[listed][order]
    expiring = (rows["flags"] & ROW_HAS_EXPIRY) != 0
    keys = (rows["expiry_number"][expiring], rows["expiry_ns"][expiring])
    expiries = extensions[expiring][np.lexsort(keys)]
    return np.ascontiguousarray(lists), np.ascontiguousarray(expiries)
