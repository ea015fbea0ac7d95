# mypy: disable-error-code="no-any-return,call-arg"
# (intrinsics have no types that mypy could see)
"""Find an open order by its id: an open-addressing table of 8-byte entries, a quarter full.

An entry is a tag of 32 hash bits and an order slot.  Eight consecutive ids share a cache line:
participants count upwards, and the ids they cancel are near the ids they send.  Deletion shifts
the run back, so there are no tombstones and the table never ages.
"""

from openoutcry.matcher.arena import (
    ENTRY_SLOT,
    ENTRY_TAG,
    GOLDEN,
    ID_ENTRY_BYTES,
    ID_MASK,
    ID_SHIFT,
    IDS_AT,
    ORDER_SLOT_BYTES,
    ORDERS_AT,
    SLOT_ID,
)
from openoutcry.wire.kernel import VERIFY, kernel
from openoutcry.wire.memory import load_i64, load_u32, prefetch, store_u32


@kernel
def id_tag(instrument: int, order_id: int) -> int:
    """32 bits of hash: 29 of the id's group of eight, and its place in the group.

    The instrument turns the topmost twelve, so one id has another tag in every instrument: a tag
    and an id together say which instrument it is.
    """
    tag = (((order_id >> 3) * GOLDEN) >> 32) & 0xFFFFFFF8
    return (tag ^ (instrument << 20)) | (order_id & 7)


@kernel
def id_home(tag: int, shift: int) -> int:
    """Entry at which the search for ``tag`` begins: the group's leading hash bits choose it."""
    return ((tag >> shift) & -8) | (tag & 7)


@kernel
def find_id(arena: int, instrument: int, order_id: int) -> int:
    """Slot of the open order ``order_id`` of ``instrument``, or 0."""
    table = arena + load_i64(arena + IDS_AT)
    orders = arena + load_i64(arena + ORDERS_AT)
    mask = load_i64(arena + ID_MASK)
    tag = id_tag(instrument, order_id)
    at = id_home(tag, load_i64(arena + ID_SHIFT))
    while True:
        entry = table + at * ID_ENTRY_BYTES
        slot = load_u32(entry + ENTRY_SLOT)
        if slot == 0:
            return 0
        # The order itself is looked at only when the tag says so: its line may be cold.
        order = orders + slot * ORDER_SLOT_BYTES
        if load_u32(entry + ENTRY_TAG) == tag and load_i64(order + SLOT_ID) == order_id:
            return slot
        at = (at + 1) & mask


@kernel
def insert_id(arena: int, instrument: int, order_id: int, slot: int) -> None:
    """Enter an id that is not in the table; a table a quarter full always has room."""
    table = arena + load_i64(arena + IDS_AT)
    mask = load_i64(arena + ID_MASK)
    tag = id_tag(instrument, order_id)
    at = id_home(tag, load_i64(arena + ID_SHIFT))
    while load_u32(table + at * ID_ENTRY_BYTES + ENTRY_SLOT) != 0:
        at = (at + 1) & mask
    entry = table + at * ID_ENTRY_BYTES
    store_u32(entry + ENTRY_TAG, tag)
    store_u32(entry + ENTRY_SLOT, slot)


@kernel
def erase_id(arena: int, instrument: int, order_id: int, slot: int) -> None:
    """Take out the id whose order lies in ``slot``, and close the gap it leaves in its run."""
    table = arena + load_i64(arena + IDS_AT)
    mask = load_i64(arena + ID_MASK)
    shift = load_i64(arena + ID_SHIFT)
    gap = id_home(id_tag(instrument, order_id), shift)
    while load_u32(table + gap * ID_ENTRY_BYTES + ENTRY_SLOT) != slot:
        if VERIFY:
            assert load_u32(table + gap * ID_ENTRY_BYTES + ENTRY_SLOT) != 0
        gap = (gap + 1) & mask
    at = gap
    while True:
        at = (at + 1) & mask
        entry = table + at * ID_ENTRY_BYTES
        if load_u32(entry + ENTRY_SLOT) == 0:
            break
        home = id_home(load_u32(entry + ENTRY_TAG), shift)
        # An entry may move back to the gap only if its home is not after the gap.
        if ((at - home) & mask) >= ((at - gap) & mask):
            target = table + gap * ID_ENTRY_BYTES
            store_u32(target + ENTRY_TAG, load_u32(entry + ENTRY_TAG))
            store_u32(target + ENTRY_SLOT, load_u32(entry + ENTRY_SLOT))
            gap = at
    store_u32(table + gap * ID_ENTRY_BYTES + ENTRY_SLOT, 0)


@kernel
def prefetch_order(arena: int, instrument: int, order_id: int) -> None:
    """Ask for the order that the first entry of the search for ``order_id`` points to: the right
    one nearly always, a harmless line otherwise."""
    home = id_home(id_tag(instrument, order_id), load_i64(arena + ID_SHIFT))
    entry = arena + load_i64(arena + IDS_AT) + home * ID_ENTRY_BYTES
    prefetch(arena + load_i64(arena + ORDERS_AT) + load_u32(entry + ENTRY_SLOT) * ORDER_SLOT_BYTES)


@kernel
def prefetch_id(arena: int, instrument: int, order_id: int) -> None:
    """Ask for the cache line in which the search for ``order_id`` begins."""
    home = id_home(id_tag(instrument, order_id), load_i64(arena + ID_SHIFT))
    prefetch(arena + load_i64(arena + IDS_AT) + home * ID_ENTRY_BYTES)
