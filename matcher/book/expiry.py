"""The orders that expire: a binary heap of extensions by (expiry, number of what gave it them)."""

import openoutcry.matcher.book.arena as layout
from openoutcry.matcher.book.arena import ArenaHeader, Extension
from openoutcry.wire.kernel import VERIFY, kernel, kernel_outlined
from openoutcry.wire.memory import load_u32, store_u32


@kernel
def heap_addr(arena: ArenaHeader, place: int) -> int:
    """Places are counted from 1."""
    return arena + arena.expiries_at + 4 * place


@kernel
def entry_addr(arena: ArenaHeader, extension: int) -> Extension:
    """Return the extension with a number."""
    return Extension(arena + arena.extensions_at + extension * layout.EXTENSION_BYTES)


@kernel
def is_earlier(arena: ArenaHeader, one: int, other: int) -> bool:
    """Return whether one extension's order expires before another's; at the same time, the one
    entered first."""
    a, b = entry_addr(arena, one), entry_addr(arena, other)
    first, second = a.expiry_ns, b.expiry_ns
    if first != second:
        return first < second
    return a.expiry_number < b.expiry_number


@kernel
def put(arena: ArenaHeader, place: int, extension: int) -> None:
    """Put an extension at a place of the heap, and note the place in it."""
    store_u32(heap_addr(arena, place), extension)
    entry_addr(arena, extension).heap = place


@kernel_outlined
def sift(arena: ArenaHeader, place: int, extension: int) -> None:
    """Put ``extension`` where it belongs, up or down from the free ``place``."""
    count = arena.expiry_count
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
def expire_at(arena: ArenaHeader, extension: int, expiry_ns: int, number: int) -> None:
    """Set or replace the order's expiry; ``number``: of the command that sets it."""
    at = entry_addr(arena, extension)
    at.expiry_ns = expiry_ns
    at.expiry_number = number
    place = at.heap
    if place == 0:
        place = arena.expiry_count + 1
        arena.expiry_count = place
    sift(arena, place, extension)


@kernel_outlined
def never_expire(arena: ArenaHeader, extension: int) -> None:
    """Take the order out of the heap."""
    at = entry_addr(arena, extension)
    place = at.heap
    if place == 0:
        return
    count = arena.expiry_count
    last = load_u32(heap_addr(arena, count))
    arena.expiry_count = count - 1
    at.heap = 0
    if place != count:
        sift(arena, place, last)
    if VERIFY:
        assert at.heap == 0


@kernel
def first_to_expire(arena: ArenaHeader) -> int:
    """The extension that expires first, or 0."""
    return load_u32(heap_addr(arena, 1)) if arena.expiry_count > 0 else 0
