"""wire/memory.py: each intrinsic does to memory what its name says, and nothing beside it."""

import threading
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from openoutcry.wire import memory
from openoutcry.wire.kernel import kernel
from tests.support.wire.wire_memory import consume, handover_lines, produce, send

GUARD = 0xA5
"""What every byte holds that must not change."""


@kernel
def load_each(addr):
    return (
        memory.load_u8(addr),
        memory.load_u16(addr),
        memory.load_u32(addr),
        memory.load_i64(addr),
        memory.load_acquire(addr),
    )


@kernel
def store_8(addr, value):
    memory.store_u8(addr, value)


@kernel
def store_16(addr, value):
    memory.store_u16(addr, value)


@kernel
def store_32(addr, value):
    memory.store_u32(addr, value)


@kernel
def store_64(addr, value):
    memory.store_i64(addr, value)


@kernel
def store_64_release(addr, value):
    memory.store_release(addr, value)


@kernel
def copy_64(to, source):
    memory.copy64(to, source)


@kernel
def copy_56(to, source):
    memory.copy56(to, source)


@kernel
def bit_scans(word):
    return memory.count_trailing_zeros(word), memory.count_leading_zeros(word)


@kernel
def harmless(addr):
    memory.prefetch(addr)
    memory.prefetch_to_write(addr)
    memory.pause()
    return memory.yield_cpu()


@kernel
def now():
    return memory.monotonic_ns()


def guarded(size_bytes=256):
    """A buffer of guard bytes and its address, aligned to 64."""
    raw = np.full(size_bytes + 64, GUARD, dtype="u1")
    start = -raw.ctypes.data % 64
    buffer = raw[start : start + size_bytes]
    return buffer, buffer.ctypes.data


words = st.integers(-(2**63), 2**63 - 1)


@given(words)
def test_loads_have_their_width_and_extend_with_zeros(word):
    """One word read at every width is the low bytes, never negative below 64 bits."""
    memory_word = np.array([word], dtype="<i8")
    unsigned = word % 2**64
    expected = (unsigned % 2**8, unsigned % 2**16, unsigned % 2**32, word, word)
    assert load_each(memory_word.ctypes.data) == expected


@given(words)
@pytest.mark.parametrize(
    ("store", "size"),
    [(store_8, 1), (store_16, 2), (store_32, 4), (store_64, 8), (store_64_release, 8)],
)
def test_stores_truncate_and_leave_their_neighbours(store, size, word):
    """A store changes exactly its width of bytes, to the value's low bytes, little-endian."""
    buffer, addr = guarded(64)
    store(addr + 16, word)
    expected = np.full(64, GUARD, dtype="u1")
    expected[16 : 16 + size] = list((word % 2**64).to_bytes(8, "little")[:size])
    assert buffer.tolist() == expected.tolist()


@pytest.mark.parametrize(("copy", "size"), [(copy_64, 64), (copy_56, 56)])
@pytest.mark.parametrize("to_offset", [64, 72, 120])
@pytest.mark.parametrize("from_offset", [0, 8, 56])
def test_copies_move_exactly_their_bytes(copy, size, to_offset, from_offset):
    """64 or 56 bytes arrive in order at any 8-byte alignment; the bytes around stay, and so does
    the source."""
    source, source_addr = guarded()
    source[:] = np.random.default_rng(7).integers(0, 256, len(source), dtype="u1")
    before = source.copy()
    buffer, addr = guarded()
    copy(addr + to_offset, source_addr + from_offset)
    expected = np.full(len(buffer), GUARD, dtype="u1")
    expected[to_offset : to_offset + size] = before[from_offset : from_offset + size]
    assert buffer.tolist() == expected.tolist()
    assert source.tolist() == before.tolist()


@given(words.filter(bool))
def test_bit_scans_agree_with_python(word):
    """Lowest and highest set bit of any word but zero, the negative ones included."""
    unsigned = word % 2**64
    lowest = (unsigned & -unsigned).bit_length() - 1
    assert bit_scans(word) == (lowest, 64 - unsigned.bit_length())


def test_bit_scans_of_every_single_bit():
    """Each of the 64 positions is found from both ends."""
    for bit in range(64):
        word = int(np.array([1 << bit], dtype="u8").view("i8")[0])
        assert bit_scans(word) == (bit, 63 - bit)


def test_release_and_acquire_hand_over_between_threads():
    """Two threads without the GIL: who sees the flag sees the data written before it, and the
    wait sees the flag change (a plain read would be hoisted out of its loop)."""
    buffer, addr = guarded(512)
    buffer[:] = 0
    lines = handover_lines(addr)
    consume(*lines, 0)
    produce(*lines, 0)
    answers = {}
    consumer = threading.Thread(target=lambda: answers.update(wrong=consume(*lines, 20_000)))
    consumer.start()
    answers["stuck"] = produce(*lines, 20_000)
    consumer.join()
    assert answers == {"stuck": 0, "wrong": 0}


def test_prefetch_pause_and_yield_harm_nothing():
    """Even an address that no program may touch can be prefetched, to read and to write."""
    buffer, addr = guarded(64)
    assert harmless(addr) == 0
    assert harmless(0) == 0
    assert buffer.tolist() == [GUARD] * 64


def test_monotonic_ns_is_the_clock_python_reads():
    """A reading lies between two of Python's, whole seconds and nanoseconds put together."""
    for _ in range(100):
        before = time.monotonic_ns()
        between = now()
        assert before <= between <= time.monotonic_ns()


def test_a_failed_send_is_minus_one():
    """A file descriptor that is none gives -1, sign-extended, not a large number."""
    assert send(-1, 0, 0, 0, 0) == -1
