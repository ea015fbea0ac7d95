"""Our side of the ring bench: the loops that two pinned processes run over our own rings.

The compiled ones use the ring's kernels in place: claim, write the slot, stamp it; poll, read the
slot, release.  Message n carries the words n, n+1 ... n+6 and the stamp; every consumer adds the
seven up and compares.  The same loop in C is ``peers/ring_c.c``.
"""

import os
import struct
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from openoutcry.ring import RingBuffer
from openoutcry.ring.kernels import (
    claim,
    gating_cursor,
    is_published,
    last_published,
    release,
    slot_address,
)
from openoutcry.ring.layout import PUBLISHED, SEQ
from openoutcry.ring.listing import tail
from openoutcry.wire.kernel import compile_kernel, kernel
from openoutcry.wire.memory import load_i64, monotonic_ns, pause, store_i64, store_release

WORDS = 7
MESSAGE_DTYPE = np.dtype([(f"word{i}", "<i8") for i in range(WORDS)] + [("seq", "<i8")])
CONSUMER = "consumer"

# A consumer that finds fewer than FEW messages has caught up with the producer: looking again at
# once takes away the lines that it is about to write.  docs/bench-ring.md has what was measured.
FEW = 64
PAUSES = 128
# Released at least this often, so that the producer's room never waits for a long batch.
RELEASE_EVERY = 1024
PING_BLOCK = 64


@kernel
def write_message(slot: int, seq: int) -> None:
    store_i64(slot, seq)
    store_i64(slot + 8, seq + 1)
    store_i64(slot + 16, seq + 2)
    store_i64(slot + 24, seq + 3)
    store_i64(slot + 32, seq + 4)
    store_i64(slot + 40, seq + 5)
    store_i64(slot + 48, seq + 6)
    store_release(slot + SEQ, seq)


@kernel
def wrong_message(slot: int, seq: int) -> int:
    """1 unless the slot holds message ``seq`` whole."""
    total = load_i64(slot) + load_i64(slot + 8) + load_i64(slot + 16) + load_i64(slot + 24)
    total += load_i64(slot + 32) + load_i64(slot + 40) + load_i64(slot + 48)
    return 1 if total != WORDS * seq + 21 else 0


@kernel
def wait_for_room(ring: int, mask: int, last: int) -> int:
    """Wait until ``last`` may be written; returns the gating cursor seen."""
    gate = gating_cursor(ring)
    while last - gate > mask + 1:
        pause()
        gate = gating_cursor(ring)
    return gate


@kernel
def produce(ring: int, mask: int, first: int, count: int, batch: int) -> None:
    """One producer: claim ``batch``, write and stamp each slot, go on.  The gating cursor is read
    again only when the cached one leaves no room."""
    end = first + count
    gate = first - 2 - mask
    seq = first
    while seq < end:
        stop = min(seq + batch, end)
        if stop - 1 - gate > mask + 1:
            store_release(ring + PUBLISHED, seq - 1)
            gate = wait_for_room(ring, mask, stop - 1)
        while seq < stop:
            write_message(slot_address(ring, mask, seq), seq)
            seq += 1
    store_release(ring + PUBLISHED, end - 1)


@kernel
def produce_one_by_one(ring: int, mask: int, first: int, count: int) -> None:
    """:func:`produce` claiming each message by itself."""
    gate = first - 2 - mask
    for seq in range(first, first + count):
        if seq - gate > mask + 1:
            store_release(ring + PUBLISHED, seq - 1)
            gate = wait_for_room(ring, mask, seq)
        write_message(slot_address(ring, mask, seq), seq)
    store_release(ring + PUBLISHED, first + count - 1)


@kernel
def produce_claims(
    ring: int, mask: int, producer: int, first: int, count: int, batch: int
) -> None:
    """One of possibly several producers: each batch is claimed by compare-and-swap, and the
    messages are numbered by the sequences that the claims give."""
    end = first + count
    seq = first
    while seq < end:
        seq = claim(ring, mask, producer, batch)
        while seq == 0:
            pause()
            seq = claim(ring, mask, producer, batch)
        stop = seq + batch
        while seq < stop:
            write_message(slot_address(ring, mask, seq), seq)
            seq += 1


@kernel
def consume(ring: int, mask: int, cursor: int, first: int, count: int) -> int:
    """Read up to the observed end, release once a batch; returns the messages that were wrong."""
    bad = 0
    end = first + count
    seq = first
    while seq < end:
        begin = seq
        stop = min(seq + RELEASE_EVERY, end)
        while seq < stop and is_published(ring, mask, seq):
            bad += wrong_message(slot_address(ring, mask, seq), seq)
            seq += 1
        if seq > begin:
            release(cursor, seq - 1)
        if seq - begin < FEW:
            for _ in range(PAUSES):
                pause()
    return bad


@kernel
def receive_one(ring: int, mask: int, cursor: int, seq: int) -> int:
    while not is_published(ring, mask, seq):
        pause()
    bad = wrong_message(slot_address(ring, mask, seq), seq)
    release(cursor, seq)
    return bad


@kernel
def ping(
    out: int, back: int, mask: int, cursor: int, first: int, blocks: int, took_ns: int
) -> int:
    """``blocks`` times PING_BLOCK round trips; writes each block's time to ``took_ns``."""
    bad = 0
    seq = first
    for block in range(blocks):
        before = monotonic_ns()
        for _ in range(PING_BLOCK):
            write_message(slot_address(out, mask, seq), seq)
            bad += receive_one(back, mask, cursor, seq)
            seq += 1
        store_i64(took_ns + 8 * block, monotonic_ns() - before)
    return bad


@kernel
def pong(there: int, back: int, mask: int, cursor: int, first: int, count: int) -> int:
    bad = 0
    for seq in range(first, first + count):
        bad += receive_one(there, mask, cursor, seq)
        write_message(slot_address(back, mask, seq), seq)
    return bad


def compile_loops() -> None:
    """Compile now: two forked processes would do it twice, and inside their first figure."""
    for function, arguments in (
        (produce, 5),
        (produce_one_by_one, 4),
        (produce_claims, 6),
        (consume, 5),
        (ping, 7),
        (pong, 6),
        (last_published, 2),
    ):
        compile_kernel(function, arguments)
