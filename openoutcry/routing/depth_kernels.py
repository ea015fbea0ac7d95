"""The consolidated depth of an instrument: each venue's levels side by side, merged when read.

A venue's message changes that venue's levels alone, and what is read is merged from all venues'
levels at that time.  So there is no merged state that could differ from a rebuild.

memory     header, then for each venue: its row, its bids, its asks; then room for one side
"""

from openoutcry.market_data.book_apply import list_levels
from openoutcry.market_data.book_state import BookHeader
from openoutcry.wire.kernel import VERIFY, kernel
from openoutcry.wire.layout import Layout, Words, i64

PART = 1_000_000
LOST, LIVE, HALTED = 0, 1, 2
"""Status of a venue's feed: a gap or no snapshot yet, complete, not in continuous trading."""
CROSSED, STALE = 3, 4
"""Status as read: the venue's bid is at or above its ask; the feed was silent for too long."""
NAMES = ("lost", "live", "halted", "crossed", "stale")
REFUSED = -1
"""Levels out of order, without quantity, or too large: the venue is LOST until the next ones."""


class DepthHeader(Layout, size_bytes=64):
    """The header of a consolidated depth."""

    venues: int = i64("venues, each with a row")
    levels: int = i64("levels that each side of a venue has room for")
    stride: int = i64("bytes from a venue's row to the next one's")
    room_at: int = i64("offset of room for the levels of one side")
    listed_at: int = i64("offset of room for the levels of a receiver's book")
    changes: int = i64("how often levels or a status changed")
    max_price: int = i64("highest price, in the router's units")
    max_quantity: int = i64("largest quantity, in the router's units")


class VenueDepth(Layout, size_bytes=96):
    """A venue in a consolidated depth."""

    status: int = i64("LOST, LIVE or HALTED, as its connector says")
    taker_ppm: int = i64("fee of a taker, millionths; negative: a rebate")
    price_factor: int = i64("the router's price units in one of the venue's")
    quantity_factor: int = i64("the router's quantity units in one of the venue's")
    heard_ns: int = i64("time of its last message")
    stale_ns: int = i64("silence after which it is not traded on")
    bids: int = i64("levels of its bids")
    asks: int = i64("levels of its asks")
    bids_at: int = i64("offset of its bids, best first")
    asks_at: int = i64("offset of its asks, best first")
    next: int = i64("its next level, while levels are merged")
    is_crossed: int = i64("1: its best bid is at or above its best ask")


class DepthLevel(Layout, size_bytes=24):
    """A level of a venue, in the router's units."""

    price: int = i64("price")
    quantity: int = i64("quantity")
    since_ns: int = i64("time at which price or quantity changed")


class MergedLevel(Layout, size_bytes=40):
    """A level of the consolidated depth."""

    key: int = i64("price with the fee in millionths; of bids negative: less is better")
    price: int = i64("price")
    quantity: int = i64("quantity")
    venue: int = i64("number of its venue")
    since_ns: int = i64("time at which price or quantity changed")


HEADER_BYTES, VENUE_BYTES, LEVEL_BYTES, MERGED_BYTES = (
    DepthHeader.size_bytes,
    VenueDepth.size_bytes,
    DepthLevel.size_bytes,
    MergedLevel.size_bytes,
)
LISTED_BYTES = 24
"""A level as :func:`list_levels` has it: price, shares, orders."""


@kernel
def venue_of(depth: DepthHeader, number: int) -> VenueDepth:
    """Return a venue's row, by its number."""
    return VenueDepth(depth + HEADER_BYTES + number * depth.stride)


@kernel
def status_of(venue: VenueDepth, now_ns: int) -> int:
    """Return a venue's status at a time: only LIVE is traded on."""
    if venue.status != LIVE:
        return venue.status
    if venue.is_crossed != 0:
        return CROSSED
    return STALE if now_ns - venue.heard_ns > venue.stale_ns else LIVE


@kernel
def set_status(depth: DepthHeader, number: int, status: int, now_ns: int) -> None:
    """Note what a connector says of its feed.  A feed that is LOST has no levels."""
    venue = venue_of(depth, number)
    if status == LOST:
        venue.bids = venue.asks = venue.is_crossed = 0
    venue.status = status
    venue.heard_ns = now_ns
    depth.changes += 1


@kernel
def set_side(
    depth: DepthHeader, number: int, is_bid: int, rows: int, stride: int, count: int, now_ns: int
) -> int:
    """Replace a side of a venue by ``count`` levels, best first: price and quantity, int64 in the
    venue's units, ``stride`` bytes apart.  Levels beyond the room are left out.

    Returns the levels that are new or changed, or REFUSED.  An unchanged level keeps its time.
    ``rows``: address of the first.
    """
    venue = venue_of(depth, number)
    count = min(count, depth.levels)
    held = venue.bids if is_bid else venue.asks
    levels = depth + (venue.bids_at if is_bid else venue.asks_at)
    max_price = depth.max_price // venue.price_factor
    max_quantity = depth.max_quantity // venue.quantity_factor
    same, before = 0, 0
    changed, old = 0, 0
    room = depth + depth.room_at
    for index in range(count):
        given = DepthLevel(rows + index * stride)
        price, quantity = given.price, given.quantity
        ordered = index == 0 or (price < before if is_bid else price > before)
        if not ordered or not 0 < price <= max_price or not 0 < quantity <= max_quantity:
            set_status(depth, number, LOST, now_ns)
            return REFUSED
        before = price
        price *= venue.price_factor
        quantity *= venue.quantity_factor
        if same == index:
            level = DepthLevel(levels + index * LEVEL_BYTES)
            if index < held and level.price == price and level.quantity == quantity:
                same += 1
                continue
            # From here on the new levels overwrite the old ones, which are therefore kept aside.
            for kept in range(index, held):
                _copy_level(room + kept * LEVEL_BYTES, levels + kept * LEVEL_BYTES)
            old = index
        while old < held and _is_better(room, old, price, is_bid):
            old += 1
        since_ns = now_ns
        if old < held:
            known = DepthLevel(room + old * LEVEL_BYTES)
            if known.price == price and known.quantity == quantity:
                since_ns = known.since_ns
        changed += since_ns == now_ns
        level = DepthLevel(levels + index * LEVEL_BYTES)
        level.price = price
        level.quantity = quantity
        level.since_ns = since_ns
    if is_bid:
        venue.bids = count
    else:
        venue.asks = count
    venue.heard_ns = now_ns
    crossed = 0
    if venue.bids != 0 and venue.asks != 0:
        bid = DepthLevel(depth + venue.bids_at).price
        crossed = 1 if bid >= DepthLevel(depth + venue.asks_at).price else 0
    venue.is_crossed = crossed
    depth.changes += 1 if changed != 0 or count != held else 0
    return changed


@kernel
def _copy_level(target: int, source: int) -> None:
    """Copy a level from the address ``source`` to ``target``."""
    for word in range(LEVEL_BYTES // 8):
        Words(target)[word] = Words(source)[word]


@kernel
def _is_better(room: int, index: int, price: int, is_bid: int) -> bool:
    """Return whether the level ``index`` of those at the address ``room`` is better than a
    price."""
    level = DepthLevel(room + index * LEVEL_BYTES)
    return level.price > price if is_bid else level.price < price


@kernel
def follow(book: BookHeader, locate: int, depth: DepthHeader, number: int, now_ns: int) -> int:
    """Take over both sides of an instrument from a receiver's book; returns the levels that are
    new or changed, or REFUSED."""
    listed = depth + depth.listed_at
    count = list_levels(book, locate, 1, listed, depth.levels)
    bids = set_side(depth, number, 1, listed, LISTED_BYTES, count, now_ns)
    if bids == REFUSED:
        return REFUSED
    count = list_levels(book, locate, 0, listed, depth.levels)
    asks = set_side(depth, number, 0, listed, LISTED_BYTES, count, now_ns)
    return REFUSED if asks == REFUSED else bids + asks


@kernel
def merge(depth: DepthHeader, is_bid: int, now_ns: int, out: int, most: int) -> int:
    """Write the best levels of a side over all venues that are LIVE, by price with fee, then by
    venue: at most ``most`` rows of MergedLevel at ``out``.  Returns how many there are."""
    for number in range(depth.venues):
        venue = venue_of(depth, number)
        held = venue.bids if is_bid else venue.asks
        venue.next = 0 if status_of(venue, now_ns) == LIVE else held
    count = 0
    while count < most:
        best, best_key = -1, 0
        for number in range(depth.venues):
            venue = venue_of(depth, number)
            if venue.next < (venue.bids if is_bid else venue.asks):
                at = (venue.bids_at if is_bid else venue.asks_at) + venue.next * LEVEL_BYTES
                price = DepthLevel(depth + at).price
                key = price * (venue.taker_ppm - PART if is_bid else PART + venue.taker_ppm)
                if best < 0 or key < best_key:
                    best, best_key = number, key
        if best < 0:
            break
        venue = venue_of(depth, best)
        at = (venue.bids_at if is_bid else venue.asks_at) + venue.next * LEVEL_BYTES
        level, row = DepthLevel(depth + at), MergedLevel(out + count * MERGED_BYTES)
        if VERIFY:
            assert level.quantity > 0, "a level has a quantity"
        row.key = best_key
        row.price = level.price
        row.quantity = level.quantity
        row.venue = best
        row.since_ns = level.since_ns
        venue.next += 1
        count += 1
    return count
