"""Claims written in place, back-pressure, record sizes, and what the two refuse."""

import os
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest

from openoutcry.ring import RingBuffer, RingError, RingFull, WhenFull
from tests.support.ring import ring_claims as shared
from tests.support.ring.ring_claims import both_kinds
from tests.support.ring.ring_processes import (
    Children,
    check_whole,
    fill,
    make_records,
    record_dtype,
    shared_words,
    split_ids,
)
from tests.support.waiting import BOUND_S, wait_until

make_ring = shared.make_ring


@both_kinds
def test_a_claim_waits_for_the_consumer_to_make_room(
    make_ring: Callable[..., RingBuffer], multi: bool
) -> None:
    """A blocked claim() goes on when another process releases."""
    ring = make_ring(4, multi_producer=multi)
    producer = ring.producer()
    producer.publish(make_records(1, 1, 4))
    started = shared_words(1)

    def take_later() -> None:
        reader = ring.reader("a")
        wait_until(lambda: bool(started[0]))
        assert len(reader.poll()) == 3
        reader.release(3)

    with Children() as children:
        child = children.fork(take_later)
        assert producer.try_claim(2) is None
        started[0] = 1
        assert producer.claim(2, timeout_s=BOUND_S).first_seq == 5
        children.join([child])


def test_fail_never_publishes_a_part_however_producers_race(
    make_ring: Callable[..., RingBuffer],
) -> None:
    """Three producers of pieces of five, in a ring for three of them: each piece is there whole or
    was refused."""
    ring = make_ring(16, multi_producer=True)
    done = shared_words(4)

    def insist(producer: int) -> None:
        with ring.producer(WhenFull.FAIL) as out:
            while done[producer] < 500:
                try:
                    out.publish(make_records(producer, 5 * int(done[producer]), 5))
                    done[producer] += 1
                except RingFull:
                    os.sched_yield()

    def take(ids: npt.NDArray[np.int64]) -> None:
        got = 0
        for batch in ring.reader("a"):
            check_whole(batch, got + 1)
            ids[got : got + len(batch)] = batch["id"]
            got += len(batch)

    ids = shared_words(3 * 5 * 500)
    with Children() as children:
        reader = children.fork(take, ids)
        children.join([children.fork(insist, producer) for producer in (1, 2, 3)])
        ring.close()
        children.join([reader])
    by, number = split_ids(ids)
    for producer in (1, 2, 3):
        mine = number[by == producer]
        assert len(mine) == 5 * 500
        assert (np.diff(mine.reshape(-1, 5), axis=1) == 1).all()


def test_dropped_and_delivered_add_up_over_racing_producers(
    make_ring: Callable[..., RingBuffer],
) -> None:
    """Three processes, each dropping what has no room: every record is delivered or counted."""
    ring = make_ring(8, multi_producer=True)

    def spill(producer: int) -> None:
        with ring.producer(WhenFull.DROP_NEWEST) as out:
            for piece in range(400):
                out.publish(make_records(producer, 3 * piece, 3))

    def count_all() -> None:
        got = 0
        reader = ring.reader("a")
        for batch in reader:
            check_whole(batch, reader.cursor.get() + 1)
            got += len(batch)
        total[0] = got

    total = shared_words(1)
    with Children() as children:
        reader = children.fork(count_all)
        children.join([children.fork(spill, producer) for producer in (1, 2, 3)])
        ring.close()
        children.join([reader])
    assert total[0] + ring.dropped == 3 * 400 * 3


@both_kinds
@pytest.mark.parametrize(
    "size_bytes", [*(pytest.param(n, marks=pytest.mark.long) for n in (128, 256)), 4096]
)
def test_larger_records_cross_processes_whole(
    make_ring: Callable[..., RingBuffer], multi: bool, size_bytes: int
) -> None:
    """Records of several lines, copied or in place: no line of one beside a line of another."""
    dtype = record_dtype(size_bytes)
    ring = make_ring(4, dtype, multi_producer=multi)

    def produce() -> None:
        with ring.producer() as out:
            for first in range(1, 1501, 3):
                if first % 2:
                    out.publish(make_records(1, first, 3, dtype))
                    continue
                claim, at = out.claim(3), first
                for view in claim.views:
                    fill(view, 1, at)
                    at += len(view)
                claim.publish()
        ring.close()

    with Children() as children:
        child = children.fork(produce)
        got = 0
        for batch in ring.reader("a"):
            check_whole(batch, got + 1)
            assert split_ids(batch["id"])[1].tolist() == list(range(got + 1, got + 1 + len(batch)))
            got += len(batch)
        assert got == 1500
        children.join([child])


def test_a_closed_or_inherited_producer_is_refused(make_ring: Callable[..., RingBuffer]) -> None:
    """A forked child must make its own: the entry names one process."""
    ring = make_ring(8, multi_producer=True)
    producer = ring.producer()

    def misuse() -> None:
        with pytest.raises(RingError, match="another process's"):
            producer.publish(make_records(1, 1, 1))
        producer.close()

    with Children() as children:
        children.join([children.fork(misuse)])
    assert producer.publish(make_records(1, 1, 1)) == 1
    producer.close()
    producer.close()
    with pytest.raises(RingError, match="is closed"):
        producer.try_claim(1)
