"""Compiled loops for what the host does to a core: gaps in a spin, a cache line to and fro."""

from openoutcry.wire.kernel import kernel
from openoutcry.wire.layout import SharedWord, Words
from openoutcry.wire.memory import (
    futex_wake,
    monotonic_ns,
    pause,
    store_i64,
)


@kernel
def time_clock_reads(count: int) -> int:
    """ns that ``count`` readings of the clock take."""
    before = monotonic_ns()
    last = before
    for _ in range(count):
        last = monotonic_ns()
    return last - before


@kernel
def time_system_calls(word: int, count: int) -> int:
    """ns that ``count`` system calls take which find nothing to do: futex wakes on the word at
    ``word``, for which nothing waits."""
    before = monotonic_ns()
    for _ in range(count):
        futex_wake(word)
    return monotonic_ns() - before


@kernel
def spin_gaps(until_ns: int, threshold_ns: int, gaps: int, capacity: int, counted: int) -> int:
    """Read the clock without pause until ``until_ns``; note every gap above ``threshold_ns``.

    At ``gaps`` are ``capacity`` pairs of int64 (start ns, length ns); when they are full, further
    gaps are only counted.  At ``counted`` are three int64: gaps seen, ns in them, readings.
    Returns ns spent spinning.
    """
    first = monotonic_ns()
    last = first
    seen, lost, readings = 0, 0, 0
    while last < until_ns:
        now = monotonic_ns()
        readings += 1
        length = now - last
        if length > threshold_ns:
            if seen < capacity:
                store_i64(gaps + 16 * seen, last)
                Words(gaps + 16 * seen)[1] = length
            seen += 1
            lost += length
        last = now
    store_i64(counted, seen)
    Words(counted)[1] = lost
    Words(counted)[2] = readings
    return last - first


@kernel
def bounce_serve(line: int, first: int, count: int, deadline_ns: int) -> int:
    """Begin round trips ``first`` to ``first + count - 1`` (from 1) of the line at ``line``.

    Returns ns for all of them, -1 if the other side did not answer until ``deadline_ns``.
    """
    before = monotonic_ns()
    for index in range(first, first + count):
        SharedWord(line).value = 2 * index - 1
        spins = 0
        while SharedWord(line).value != 2 * index:
            pause()
            spins += 1
            if spins & 0xFFFF == 0 and monotonic_ns() > deadline_ns:
                return -1
    return monotonic_ns() - before


@kernel
def bounce_return(line: int, count: int, deadline_ns: int) -> int:
    """Answer ``count`` round trips; gives up at ``deadline_ns``.  Returns the trips answered.
    ``line``: address of the word that both cores write."""
    for index in range(1, count + 1):
        spins = 0
        while SharedWord(line).value != 2 * index - 1:
            pause()
            spins += 1
            if spins & 0xFFFF == 0 and monotonic_ns() > deadline_ns:
                return index - 1
        SharedWord(line).value = 2 * index
    return count
