# (intrinsics have no types that mypy could see)
"""The orders that expire: a binary heap of extensions by (expiry, number of what gave it them)."""

import openoutcry.matcher.book.arena as layout
from openoutcry.wire.kernel import VERIFY, kernel, kernel_outlined
from openoutcry.wire.memory import load_i64, load_u32, store_i64, store_u32


@kernel
def heap_addr(arena: int, place: int) -> int:
    """Places are counted from 1."""
    return arena + load_i64(arena + layout.EXPIRIES_AT) + 4 * place


@kernel
def entry_addr(arena: int, extension: int) -> int:
    return arena + load_i64(arena + layout.EXTENSIONS_AT) + extension * layout.EXTENSION_BYTES


@kernel
def is_earlier(arena: int, one: int, other: int) -> bool:
    a, b = entry_addr(arena, one), entry_addr(arena, other)
    first, second = load_i64(a + layout.EXT_EXPIRY_NS), load_i64(b + layout.EXT_EXPIRY_NS)
    if first != second:
        return first < second
    return load_i64(a + layout.EXT_EXPIRY_NUMBER) < load_i64(b + layout.EXT_EXPIRY_NUMBER)


@kernel
def put(arena: int, place: int, extension: int) -> None:
    store_u32(heap_addr(arena, place), extension)
    store_u32(entry_addr(arena, extension) + layout.EXT_HEAP, place)


@kernel_outlined
def sift(arena: int, place: int, extension: int) -> None:
    """Put ``extension`` where it belongs, up or down from the free ``place``."""
    count = load_i64(arena + layout.EXPIRY_COUNT)
    while place > 1:
        above = load_u32(heap_addr(arena, place >> 1))
        if not is_earlier(arena, extension, above):
            break
        put(arena, place, above)
        place >>= 1
    while 2 * place <= count:
        child = 2 * place
        below = load_u32(heap_addr(arena, child))
        if child < count:
            other = load_u32(heap_addr(arena, child + 1))
            if is_earlier(arena, other, below):
                child, below = child + 1, other
        if not is_earlier(arena, below, extension):
            break
        put(arena, place, below)
        place = child
    put(arena, place, extension)


@kernel_outlined
def expire_at(arena: int, extension: int, expiry_ns: int, number: int) -> None:
    """Set or replace the order's expiry; ``number``: of the command that sets it."""
    at = entry_addr(arena, extension)
    store_i64(at + layout.EXT_EXPIRY_NS, expiry_ns)
    store_i64(at + layout.EXT_EXPIRY_NUMBER, number)
    place = load_u32(at + layout.EXT_HEAP)
    if place == 0:
        place = load_i64(arena + layout.EXPIRY_COUNT) + 1
        store_i64(arena + layout.EXPIRY_COUNT, place)
    sift(arena, place, extension)


@kernel_outlined
def never_expire(arena: int, extension: int) -> None:
    """Take the order out of the heap."""
    at = entry_addr(arena, extension)
    place = load_u32(at + layout.EXT_HEAP)
    if place == 0:
        return
    count = load_i64(arena + layout.EXPIRY_COUNT)
    last = load_u32(heap_addr(arena, count))
    store_i64(arena + layout.EXPIRY_COUNT, count - 1)
    store_u32(at + layout.EXT_HEAP, 0)
    if place != count:
        sift(arena, place, last)
    if VERIFY:
        assert load_u32(at + layout.EXT_HEAP) == 0


@kernel
def first_to_expire(arena: int) -> int:
    """The extension that expires first, or 0."""
    return load_u32(heap_addr(arena, 1)) if load_i64(arena + layout.EXPIRY_COUNT) > 0 else 0
