"""Our side of the ring bench: the loops that two pinned processes run over our own rings.

The compiled ones use the ring's kernels in place: claim, write the slot, stamp it; poll, read the
slot, release.  Message n carries the words n, n+1 ... n+6 and the stamp; every consumer adds the
seven up and compares.  The same loop in C is ``peers/ring_c.c``.
"""

import struct
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import numpy as np

from openoutcry.bench.ring_distance import (
    Distance,
    is_far,
    is_sampled,
    note_look,
    pause_between_looks,
)
from openoutcry.host.processes import PeerError, Rendezvous, run_processes
from openoutcry.ring import ProcessIdentity, RingBuffer, WaitStrategy
from openoutcry.ring.kernels import claim, gating_cursor, is_published, release, slot_address
from openoutcry.ring.layout import RingHeader, RingProducer
from openoutcry.ring.segment import segment_name
from openoutcry.ring.tail import tail
from openoutcry.wire.kernel import compile_kernel, kernel
from openoutcry.wire.layout import SharedWord, Words
from openoutcry.wire.memory import (
    load_i64,
    monotonic_ns,
    pause,
    prefetch,
    prefetch_to_write,
    store_i64,
)
from openoutcry.wire.record_blocks import Slot

WORDS = 7
MESSAGE_DTYPE = np.dtype([(f"word{i}", "<i8") for i in range(WORDS)] + [("seq", "<i8")])
CONSUMER = "consumer"

# A consumer that finds fewer than FEW messages has caught up with the producer. If it looked again
# at once, it would take away the lines that the producer is about to write. The page
# docs/bench-ring.md has what was measured.
FEW = 64
PAUSES = 128
# Released at least this often, so that the producer's room never waits for a long batch.
RELEASE_EVERY = 1024
AHEAD_SLOTS, AHEAD_AFTER = 48, 16
"""How far ahead :func:`consume` asks for a slot, and after how many messages found."""
PATIENT_PAUSES = 8
"""Pauses of :func:`receive_patiently` between two looks: about one transfer of a cache line between
far cores."""
UNSEEN = 64
"""So far ahead, in another page of memory, the processor has not asked for a slot by itself."""
PLAIN, PATIENT, AHEAD, CALIBRATED = range(4)
PING_BLOCK = 64
"""Round trips a sample: a clock read would be a quarter of one."""

CAPACITY = 1 << 16
PYTHON_CAPACITY = 1 << 10
TAIL_LOOK = 16
TAIL_PAUSE_S = 0.05

Cores = tuple[int, int]


@kernel
def write_message(slot: Slot, seq: int) -> None:
    """Fill the slot with message ``seq`` and publish it."""
    store_i64(slot, seq)
    Words(slot)[1] = seq + 1
    Words(slot)[2] = seq + 2
    Words(slot)[3] = seq + 3
    Words(slot)[4] = seq + 4
    Words(slot)[5] = seq + 5
    Words(slot)[6] = seq + 6
    slot.stamp = seq


@kernel
def wrong_message(slot: int, seq: int) -> int:
    """1 unless the slot holds message ``seq`` whole."""
    total = load_i64(slot) + Words(slot)[1] + Words(slot)[2] + Words(slot)[3]
    total += Words(slot)[4] + Words(slot)[5] + Words(slot)[6]
    return 1 if total != WORDS * seq + 21 else 0


@kernel
def wait_for_room(ring: RingHeader, mask: int, last: int) -> int:
    """Wait until ``last`` may be written; returns the gating cursor seen."""
    gate = gating_cursor(ring)
    while last - gate > mask + 1:
        pause()
        gate = gating_cursor(ring)
    return gate


@kernel
def produce(ring: RingHeader, mask: int, first: int, count: int, batch: int) -> None:
    """One producer: claim ``batch``, write and stamp each slot, continue. The gating cursor is read
    again only when the cached one leaves no room."""
    end = first + count
    gate = first - 2 - mask
    seq = first
    while seq < end:
        stop = min(seq + batch, end)
        if stop - 1 - gate > mask + 1:
            ring.published = seq - 1
            gate = wait_for_room(ring, mask, stop - 1)
        while seq < stop:
            write_message(slot_address(ring, mask, seq), seq)
            seq += 1
    ring.published = end - 1


@kernel
def produce_one_by_one(ring: RingHeader, mask: int, first: int, count: int) -> None:
    """:func:`produce` claiming each message by itself."""
    gate = first - 2 - mask
    for seq in range(first, first + count):
        if seq - gate > mask + 1:
            ring.published = seq - 1
            gate = wait_for_room(ring, mask, seq)
        write_message(slot_address(ring, mask, seq), seq)
    ring.published = first + count - 1


@kernel
def produce_claims(
    ring: RingHeader, mask: int, producer: RingProducer, first: int, count: int, batch: int
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
def consume(
    ring: int, mask: int, cursor: int, first: int, count: int, way: int, distance: Distance
) -> int:
    """Read up to the observed end, release once a batch; returns the messages that were wrong.

    The messages' loads alone keep too few lines of a far core on their way.  So in a long batch the
    loop asks for slots ahead: never with the ``way`` PLAIN, always with AHEAD.  With CALIBRATED it
    does while ``distance`` says that the writer is far.  Addresses: ``ring`` of the ring,
    ``cursor`` of the reader's cursor.
    """
    bad = 0
    end = first + count
    seq = first
    while seq < end:
        begin = seq
        stop = min(seq + RELEASE_EVERY, end)
        if way == CALIBRATED and is_sampled(distance):
            time_look(ring, mask, seq + UNSEEN, distance)
        asks = way == AHEAD or (way == CALIBRATED and is_far(distance))
        from_here = begin + AHEAD_AFTER if asks else stop
        while seq < stop and is_published(ring, mask, seq):
            if seq >= from_here:
                prefetch(slot_address(ring, mask, seq + AHEAD_SLOTS))
            bad += wrong_message(slot_address(ring, mask, seq), seq)
            seq += 1
        if seq > begin:
            release(SharedWord(cursor), seq - 1)
        if seq - begin < FEW:
            for _ in range(PAUSES):
                pause()
    return bad


@kernel
def time_look(ring: int, mask: int, seq: int, distance: Distance) -> None:
    """Note how long a look at a slot takes that is written and has not been looked at."""
    looked = monotonic_ns()
    if is_published(ring, mask, seq):
        note_look(distance, monotonic_ns() - looked)


@kernel
def receive_patiently(
    ring: int, mask: int, cursor: int, seq: int, own_next: int, distance: Distance
) -> int:
    """:func:`receive_one`, looking once a line's transfer, so that a look does not take the slot
    from the writer, and meanwhile owning the slot that the answer goes to.  With a ``distance`` it
    does so only while that says so.  Addresses: ``cursor`` of the reader's cursor, ``own_next`` of
    that slot."""
    if not is_published(ring, mask, seq):
        sampled = distance != 0 and is_sampled(distance)
        if distance == 0 or is_far(distance):
            prefetch_to_write(own_next)
        while True:
            if distance != 0:
                pause_between_looks(distance)
            else:
                for _ in range(PATIENT_PAUSES):
                    pause()
            looked = monotonic_ns() if sampled else 0
            if is_published(ring, mask, seq):
                if sampled:
                    note_look(distance, monotonic_ns() - looked)
                break
    bad = wrong_message(slot_address(ring, mask, seq), seq)
    release(SharedWord(cursor), seq)
    return bad


@kernel
def receive_one(ring: int, mask: int, cursor: int, seq: int) -> int:
    """Wait for message ``seq`` of the ring at that address and release it in the cursor at
    ``cursor``; 1 if it was torn."""
    while not is_published(ring, mask, seq):
        pause()
    bad = wrong_message(slot_address(ring, mask, seq), seq)
    release(SharedWord(cursor), seq)
    return bad


@kernel
def ping(
    out: int,
    back: int,
    mask: int,
    cursor: int,
    first: int,
    blocks: int,
    took_ns: int,
    way: int,
    distance: Distance,
) -> int:
    """``blocks`` times PING_BLOCK round trips; writes each block's time to ``took_ns``. ``way``: 0,
    or PATIENT with a ``distance`` to go by or 0."""
    bad = 0
    seq = first
    for block in range(blocks):
        before = monotonic_ns()
        for _ in range(PING_BLOCK):
            write_message(slot_address(out, mask, seq), seq)
            if way == PATIENT:
                own = slot_address(out, mask, seq + 1)
                bad += receive_patiently(back, mask, cursor, seq, own, distance)
            else:
                bad += receive_one(back, mask, cursor, seq)
            seq += 1
        Words(took_ns)[block] = monotonic_ns() - before
    return bad


@kernel
def pong(
    there: int,
    back: int,
    mask: int,
    cursor: int,
    first: int,
    count: int,
    way: int,
    distance: Distance,
) -> int:
    """Answer ``count`` messages of the ring at ``there`` on the ring at ``back``; returns how many
    were torn.

    ``cursor``: address of this side's cursor; ``way`` and ``distance`` as in :func:`ping`.
    """
    bad = 0
    for seq in range(first, first + count):
        if way == PATIENT:
            own = slot_address(back, mask, seq)
            bad += receive_patiently(there, mask, cursor, seq, own, distance)
        else:
            bad += receive_one(there, mask, cursor, seq)
        write_message(slot_address(back, mask, seq), seq)
    return bad


def compile_loops() -> None:
    """Compile now: two forked processes would do it twice, and inside their first figure."""
    for function, arguments in (
        (produce, 5),
        (produce_one_by_one, 4),
        (produce_claims, 6),
        (consume, 7),
        (ping, 9),
        (pong, 8),
    ):
        compile_kernel(function, arguments)


@contextmanager
def bench_ring_buffer(
    what: str, multi_producer: bool = False, capacity: int = CAPACITY
) -> Iterator[RingBuffer]:
    """A ring of the bench's records with one consumer, removed at the end."""
    name = segment_name(ProcessIdentity.mine(), f"bench-{what}")
    with RingBuffer.create(
        name, capacity, MESSAGE_DTYPE, [CONSUMER], multi_producer=multi_producer
    ) as ring:
        yield ring


def cursor_of(ring: RingBuffer) -> int:
    """Address of the cursor of the ring's one consumer."""
    return int(ring.cursors[CONSUMER].ctypes.data)


def warm_count(count: int) -> int:
    """Messages before the clock starts: at least two laps, in whole batches of 64."""
    return max(2 * CAPACITY, count // 8 // 64 * 64)


def check(what: str, bad: int) -> None:
    """Raise :class:`PeerError` if any message was bad."""
    if bad:
        raise PeerError(f"{what}: {bad} messages lost, doubled or torn")


# Compiled loops


def round_trip(cores: Cores, count: int, way: int = PLAIN, calibrated: bool = False) -> float:
    """ns of one message there and back: the median over blocks of PING_BLOCK."""
    with bench_ring_buffer("there") as there, bench_ring_buffer("back") as back:
        blocks = count // PING_BLOCK

        def pinger() -> tuple[int, float]:
            distance = np.zeros(2, np.int64)
            took_ns = np.zeros(2 * blocks, np.int64)
            bad = ping(
                there.address,
                back.address,
                there.mask,
                cursor_of(back),
                1,
                2 * blocks,
                took_ns.ctypes.data,
                way,
                Distance.of(distance.ctypes.data if calibrated else 0),
            )
            # The first half warms up.
            return bad, float(np.median(took_ns[blocks:])) / PING_BLOCK

        def ponger() -> int:
            distance = np.zeros(2, np.int64)
            return pong(
                there.address,
                back.address,
                there.mask,
                cursor_of(there),
                1,
                2 * blocks * PING_BLOCK,
                way,
                Distance.of(distance.ctypes.data if calibrated else 0),
            )

        (bad, figure), bad_there = run_processes(
            "round_trip", [(cores[0], pinger), (cores[1], ponger)]
        )
    check("round_trip", bad + bad_there)
    return float(figure)


def publish(cores: Cores, count: int, batch: int, way: int = CALIBRATED) -> float:
    """Messages per second through a ring of one producer that claims ``batch`` at a time, and a
    consumer that reads in this way."""
    with bench_ring_buffer("single") as ring:

        def send(first: int, number: int) -> None:
            if batch == 1:
                produce_one_by_one(RingHeader.of(ring.address), ring.mask, first, number)
            else:
                produce(RingHeader.of(ring.address), ring.mask, first, number, batch)

        return _throughput(f"publish_{batch}", ring, cores, count, send, way=way)


def claims(cores: Cores, count: int, batch: int) -> float:
    """Messages per second through a ring of several producers, of which one is there."""
    with bench_ring_buffer("multi", multi_producer=True) as ring, ring.producer() as producer:
        entry = producer.entry

        def send(first: int, number: int) -> None:
            produce_claims(
                RingHeader.of(ring.address), ring.mask, RingProducer.of(entry), first, number, batch
            )

        return _throughput(f"multi_claim_{batch}", ring, cores, count, send)


def observed(cores: Cores, count: int) -> float:
    """:func:`publish` by 64 while a third process follows the ring by ``listing.tail``: it takes
    TAIL_LOOK records, checks them, and looks again TAIL_PAUSE_S later."""
    with bench_ring_buffer("observed") as ring:

        def send(first: int, number: int) -> None:
            produce(RingHeader.of(ring.address), ring.mask, first, number, 64)

        return _throughput("observed", ring, cores, count, send, tail_reader=True)


def _throughput(
    what: str,
    ring: RingBuffer,
    cores: Cores,
    count: int,
    send: Callable[[int, int], None],
    tail_reader: bool = False,
    way: int = CALIBRATED,
) -> float:
    """Warm up, with a tail reader until it has seen its first record; then time ``count``."""
    meeting, attached = Rendezvous(), Rendezvous()
    attached.word = not tail_reader
    warm = warm_count(count)

    def producer() -> int:
        first, rounds = 1, 0
        while not meeting.word:
            send(first, warm)
            first, rounds = first + warm, rounds + 1
            # The consumer reads this before another lap of the ring can have gone by.
            meeting.word = attached.word
            meeting.meet(0, rounds)
        started_ns = time.monotonic_ns()
        send(first, count)
        return started_ns

    def consumer() -> tuple[int, int]:
        first, rounds, bad = 1, 0, 0
        words = np.zeros(2, np.int64)
        reader = ring.address, ring.mask, cursor_of(ring)
        distance = Distance.of(words.ctypes.data)
        while not meeting.word:
            bad += consume(*reader, first, warm, way, distance)
            first, rounds = first + warm, rounds + 1
            meeting.meet(1, rounds)
        bad += consume(*reader, first, count, way, distance)
        ended_ns = time.monotonic_ns()
        ring.close()
        return bad, ended_ns

    processes: list[tuple[int | None, Callable[[], Any]]] = [
        (cores[0], producer),
        (cores[1], consumer),
    ]
    if tail_reader:
        processes.append((None, partial(_follow, ring, attached)))
    (started_ns, (bad, ended_ns), *_) = run_processes(what, processes)
    check(what, bad)
    return count / ((ended_ns - started_ns) * 1e-9)


def _follow(ring: RingBuffer, attached: Rendezvous) -> None:
    """Look at the ring until it is closed: every record seen must be whole."""
    for number, passed in enumerate(tail(ring.name)):
        attached.word = 1
        # To a tail the record is bytes and a stamp: only the ring's users know its fields.
        words = struct.unpack(f"<{WORDS}q", passed.record["bytes"].tobytes())
        if words != tuple(range(passed.seq, passed.seq + WORDS)):
            raise PeerError(f"the tail reader saw record {passed.seq} torn: {words}")
        if ring.closed_at:
            return
        if number % TAIL_LOOK == 0:
            time.sleep(TAIL_PAUSE_S)


# Plain Python

PAYLOAD_BYTES = 8 * WORDS
# Made beforehand: what Python takes to pack seven integers would be in every program's figure.
PAYLOADS = [struct.pack(f"<{WORDS}q", *range(n, n + WORDS)) for n in range(1024)]


def python_round_trip(cores: Cores, count: int) -> float:
    """ns there and back through ``Producer.publish`` and ``for batch in reader``, over rings of
    PYTHON_CAPACITY records; the median over ``count``, after as many to warm up."""
    meeting = Rendezvous()
    with (
        bench_ring_buffer("there", capacity=PYTHON_CAPACITY) as there,
        bench_ring_buffer("back", capacity=PYTHON_CAPACITY) as back,
    ):

        def ping() -> float:
            took_ns = np.zeros(2 * count, np.int64)
            clock = time.perf_counter_ns
            record = np.zeros(1, MESSAGE_DTYPE)
            message = record.view(np.uint8).data
            with there.producer() as producer, back.reader(CONSUMER, WaitStrategy.PAUSE) as reader:
                answers = iter(reader)
                meeting.meet(0, 1)
                for n in range(2 * count):
                    payload = PAYLOADS[n & 1023]
                    before = clock()
                    message[:PAYLOAD_BYTES] = payload
                    producer.publish(record)
                    answer = next(answers).tobytes()
                    took_ns[n] = clock() - before
                    expect("python_round_trip", answer, n)
            return float(np.median(took_ns[count:]))

        def pong() -> None:
            record = np.zeros(1, MESSAGE_DTYPE)
            message = record.view(np.uint8).data
            with back.producer() as producer, there.reader(CONSUMER, WaitStrategy.PAUSE) as reader:
                meeting.meet(1, 1)
                for n, batch in enumerate(reader):
                    payload = batch.tobytes()
                    message[:] = payload
                    producer.publish(record)
                    expect("python_round_trip", payload, n)
                    if n == 2 * count - 1:
                        return

        figure, _ = run_processes("python_round_trip", [(cores[0], ping), (cores[1], pong)])
    return float(figure)


def expect(what: str, payload: bytes, n: int) -> None:
    """Raise :class:`PeerError` unless message ``n`` of a Python ping-pong came whole."""
    if payload[:PAYLOAD_BYTES] != PAYLOADS[n & 1023]:
        raise PeerError(f"{what}: message {n} came as {payload!r}")
