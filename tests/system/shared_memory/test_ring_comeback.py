"""Consumers that die, are replaced, are detached and come back."""

import threading
import time
from collections.abc import Callable

import numpy as np
import pytest

from openoutcry.ring import (
    ProcessIdentity,
    Repair,
    RingBuffer,
    RingError,
    Sequence,
    layout,
    repair,
)
from tests.support.ring.ring_deaths import children, drain, make_ring
from tests.support.ring.ring_processes import (
    Children,
    check_whole,
    fill,
    make_records,
    pause_for_ever,
    shared_words,
    split_ids,
)
from tests.support.waiting import wait_until

__all__ = ["children", "make_ring"]


def test_a_consumers_successor_gets_what_was_read_and_not_released(
    make_ring: Callable[..., RingBuffer], children: Children
) -> None:
    """Killed between read and release: it gates at its cursor until replaced there, nothing lost,
    nothing released twice; while it lives its place is taken."""
    ring = make_ring(8)
    producer = ring.producer("fail")
    producer.publish(make_records(1, 1, 5))
    seen = shared_words(1)

    def read() -> None:
        reader = ring.reader("a")
        reader.poll(2)
        reader.release(2)
        seen[0] = int(reader.poll(2)["stamp"][-1])
        pause_for_ever()

    child = children.fork(read)
    wait_until(lambda: seen[0] == 4)
    with pytest.raises(RingError, match=f"consumer 'a' is taken by process {child}"):
        ring.reader("a")
    children.kill(child)
    assert producer.free_slots() == 5
    assert repair(ring) == Repair(tombstones=0, producers=0, consumers=1)
    assert producer.free_slots() == 5
    assert drain(ring) == [3, 4, 5]
    assert producer.free_slots() == 8


def test_a_dead_consumer_is_replaced_without_a_repair_too(
    make_ring: Callable[..., RingBuffer], children: Children
) -> None:
    """Its successor proves the death itself."""
    ring = make_ring(8)
    ring.producer().publish(make_records(1, 1, 3))
    ready = shared_words(1)

    def read() -> None:
        ring.reader("a").release(1)
        ready[0] = 1
        pause_for_ever()

    child = children.fork(read)
    wait_until(lambda: bool(ready[0]))
    children.kill(child)
    assert drain(ring) == [2, 3]


def test_only_one_of_many_gets_a_dead_consumers_place(
    make_ring: Callable[..., RingBuffer], children: Children
) -> None:
    """Four processes go for it at once, with two repairers among them: one has it, and keeps it."""
    ring = make_ring(8)
    ready, go, got = shared_words(1), shared_words(1), shared_words(4)

    def read() -> None:
        ring.reader("a")
        ready[0] = 1
        pause_for_ever()

    def go_for_it(index: int) -> None:
        while not go[0]:
            pass
        try:
            ring.reader("a")
            got[index] = 1
        except RingError:
            got[index] = -1
        wait_until(lambda: bool(got.all()))
        repair(ring)
        pause_for_ever()

    for number in range(8):
        ready[:], go[:], got[:] = 0, 0, 0
        holder = children.fork(read)
        wait_until(lambda: bool(ready[0]))
        rivals = [children.fork(go_for_it, index) for index in range(4)]
        children.kill(holder)
        go[0] = 1
        wait_until(lambda: bool(got.all()))
        time.sleep(0.002)
        assert np.count_nonzero(got == 1) == 1, number
        winner = rivals[int(np.flatnonzero(got == 1)[0])]
        held = int(ring.words(layout.CONSUMERS + layout.CONSUMER_HOLDER)[0])
        assert ProcessIdentity.of_word(held).pid == winner
        for pid in rivals:
            children.kill(pid)


def test_a_detached_consumer_stops_gating_and_comes_back_at_the_present(
    make_ring: Callable[..., RingBuffer], children: Children
) -> None:
    """With detach_consumers the producer no longer waits for the dead; whoever takes the place
    begins with what comes next, and gates again."""
    ring = make_ring(4, ("a", "b"))
    producer = ring.producer("fail")
    producer.publish(make_records(1, 1, 4))
    ready = shared_words(1)

    def read() -> None:
        ring.reader("b").release(1)
        ready[0] = 1
        pause_for_ever()

    child = children.fork(read)
    wait_until(lambda: bool(ready[0]))
    children.kill(child)
    assert len(drain(ring)) == 4
    assert producer.free_slots() == 1
    assert repair(ring, detach_consumers=True) == Repair(0, 0, 1)
    assert producer.free_slots() == 4
    producer.publish(make_records(1, 5, 4))
    late = ring.reader("b")
    assert len(drain(ring)) == 4
    producer.publish(make_records(1, 9, 4))
    assert len(drain(ring)) == 4
    assert producer.free_slots() == 0
    assert late.poll()["stamp"].tolist() == [9, 10, 11]


def test_without_consumers_no_producer_overtakes_an_unpublished_claim(
    make_ring: Callable[..., RingBuffer], children: Children
) -> None:
    """When no reader gates, another's open claim does; a reader that comes then continues to do so,
    but begins with what was claimed after it came."""
    ring = make_ring(4)
    children.join([children.fork(lambda: ring.reader("a"))])
    assert repair(ring, detach_consumers=True).consumers == 1
    slow, fast = ring.producer(), ring.producer("fail")
    claim = slow.claim(1)
    assert fast.publish(make_records(2, 1, 3)) == 3
    assert fast.try_claim(1) is None
    reader = ring.reader("a")
    assert len(reader.poll()) == 0
    assert fast.try_claim(1) is None
    fill(claim.views[0], 1, 1)
    claim.publish()
    assert not reader.wait(0), "all that was published was claimed before the reader came"
    assert fast.publish(make_records(2, 4, 4)) == 4
    assert reader.wait(0)
    assert [batch["stamp"].tolist() for batch in reader.drain()] == [[5, 6, 7], [8]]


def test_a_thread_may_wait_while_another_polls(
    make_ring: Callable[..., RingBuffer], children: Children
) -> None:
    """Both pass over tombstones at the same cursor: it never goes back, each is counted once and
    every record is read once."""
    ring = make_ring(8)
    total = 1000

    def produce(number: int) -> None:
        for first in range(1, total + 1):
            with ring.producer() as out:
                out.publish(make_records(number, first, 1))
                out.claim(2)

    reader = ring.reader("a")
    done = threading.Event()

    def wait_again_and_again() -> None:
        while not done.is_set():
            reader.wait(0.001)

    waiting = threading.Thread(target=wait_again_and_again)
    waiting.start()
    pids = [children.fork(produce, number) for number in (1, 2)]
    got: dict[int, list[int]] = {1: [], 2: []}
    while sum(map(len, got.values())) < 2 * total:
        batch = reader.poll()
        check_whole(batch, reader.cursor.get() + 1)
        for by, n in zip(*map(np.ndarray.tolist, split_ids(batch["id"])), strict=True):
            got[by].append(n)
        reader.release(len(batch))
    children.join(pids)
    wait_until(lambda: len(reader.poll()) == 0 and reader.cursor.get() == ring.claimed)
    done.set()
    waiting.join()
    assert got == {number: list(range(1, total + 1)) for number in (1, 2)}
    assert reader.skipped == ring.tombstones == 4 * total


def test_a_reader_killed_while_it_came_back_leaves_no_cursor(
    make_ring: Callable[..., RingBuffer], children: Children
) -> None:
    """Its cursor may be overtaken already: repair takes it away even where consumers stay, and so
    does an heir by itself."""
    ring = make_ring(4)
    holder = Sequence(ring.address + layout.CONSUMERS + layout.CONSUMER_HOLDER)
    cursor = Sequence(ring.address + layout.CONSUMERS)

    def die_joining() -> None:
        """As a kill before the second look leaves it."""
        ring.reader("a")
        holder.set(-abs(holder.get()))
        cursor.set(1)

    producer = ring.producer("fail")
    children.join([children.fork(die_joining)])
    assert repair(ring) == Repair(0, 0, 1)
    assert cursor.get() == layout.FREE
    assert producer.publish(make_records(1, 1, 4)) == 4
    assert producer.publish(make_records(1, 5, 4)) == 4
    children.join([children.fork(die_joining)])
    assert producer.free_slots() == 0
    heir = ring.reader("a")
    assert heir.cursor.get() == 8
    assert holder.get() > 0
    assert producer.publish(make_records(1, 9, 4)) == 4
    assert heir.poll()["stamp"].tolist() == [9, 10, 11]
