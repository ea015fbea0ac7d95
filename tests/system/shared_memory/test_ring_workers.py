"""Workers of a pool that die with records in hand, and everybody at once."""

import os
import signal
import time
from collections.abc import Callable

from openoutcry.ring import (
    Repair,
    RingBuffer,
    kernels,
    layout,
    repair,
)
from tests.support.ring.ring_deaths import children, drain, make_ring
from tests.support.ring.ring_processes import Children, make_records, pause_for_ever, shared_words
from tests.support.waiting import wait_until

__all__ = ["children", "make_ring"]


def hold(ring: RingBuffer, children: Children, count: int) -> int:
    """A child whose worker has taken ``count`` records and not finished them."""
    held = shared_words(1)

    def work() -> None:
        worker = ring.worker("pool")
        batch = worker.take(count)
        held[0] = len(batch)
        pause_for_ever()

    pid = children.fork(work)
    wait_until(lambda: bool(held[0]))
    assert held[0] == count
    return pid


def test_what_a_dead_worker_held_is_its_successors_alone(
    make_ring: Callable[..., RingBuffer], children: Children
) -> None:
    """Killed between take and finish: other workers go on with the rest, the successor does the
    held ones again, and the slots are kept until then."""
    ring = make_ring(8, (), pools={"pool": 2})
    producer = ring.producer("fail")
    producer.publish(make_records(1, 1, 7))
    other = ring.worker("pool")
    dead = hold(ring, children, 3)
    children.kill(dead)
    for _ in range(2):
        assert len(other.take(2)) == 2
        other.finish()
    assert len(other.take(2)) == 0
    assert producer.free_slots() == 1
    assert repair(ring) == Repair(tombstones=0, producers=0, consumers=1)
    assert repair(ring, detach_consumers=True) == Repair(0, 0, 0)
    assert producer.free_slots() == 1
    successor = ring.worker("pool")
    assert successor.wait(0)
    assert successor.take()["stamp"].tolist() == [1, 2, 3]
    assert producer.free_slots() == 1
    successor.finish()
    assert producer.free_slots() == 8
    assert len(successor.take()) == 0


def test_detaching_the_dead_keeps_a_workers_records(
    make_ring: Callable[..., RingBuffer], children: Children
) -> None:
    """Only readers are detached: what a worker held would be lost."""
    ring = make_ring(8, (), pools={"pool": 1})
    ring.producer().publish(make_records(1, 1, 3))
    children.kill(hold(ring, children, 2))
    assert repair(ring, detach_consumers=True).consumers == 1
    assert ring.worker("pool").take()["stamp"].tolist() == [1, 2]


def test_a_successor_that_dies_too_leaves_the_same_records(
    make_ring: Callable[..., RingBuffer], children: Children
) -> None:
    """Three in a row die with them, the last after it finished the first run of two (the claim
    wraps); nothing finished is done again."""
    ring = make_ring(4, (), pools={"pool": 1})
    producer = ring.producer()
    producer.publish(make_records(1, 1, 2))
    worker = ring.worker("pool")
    worker.take(2)
    worker.finish()
    worker.close()
    producer.publish(make_records(1, 3, 2))
    for _ in range(3):
        # 3 alone stands before the wrap, so a claim of it is one record.
        children.kill(hold(ring, children, 1))
        assert repair(ring).consumers == 1
    last = ring.worker("pool")
    assert last.take(9)["stamp"].tolist() == [3]
    last.finish()
    assert last.take(9)["stamp"].tolist() == [4]


def test_a_finished_record_is_not_done_again(
    make_ring: Callable[..., RingBuffer], children: Children
) -> None:
    """Killed between the done mark and letting go: the successor has nothing to do again."""
    ring = make_ring(8, (), pools={"pool": 1})
    ring.producer().publish(make_records(1, 1, 4))
    held = shared_words(1)

    def work() -> None:
        worker = ring.worker("pool")
        worker.take(2)
        kernels.mark_done(worker._done, ring.mask, 1, 2)
        held[0] = 1
        pause_for_ever()

    child = children.fork(work)
    wait_until(lambda: bool(held[0]))
    children.kill(child)
    assert ring.worker("pool").take(9)["stamp"].tolist() == [3, 4]


def attempt(ring: RingBuffer, place: int, first: int, last: int) -> None:
    """Write a worker's claim as it stands right before its compare-and-swap."""
    words = ring.words(layout.CONSUMERS + place * layout.CONSUMER_BYTES, 16)
    words[layout.WORK_FIRST // 8], words[layout.WORK_LAST // 8] = first, last
    words[0] = first - 1


def test_overlapping_claims_of_two_dead_workers_are_done_once(
    make_ring: Callable[..., RingBuffer], children: Children
) -> None:
    """One was killed right before the compare-and-swap that the other won, and the other before it
    had finished: their successors, made at the same moment, do each record once and wait for
    nobody for ever."""
    ready, attached, taken = shared_words(1), shared_words(2), shared_words(16).reshape(2, 8)

    def lose(ring: RingBuffer) -> None:
        ring.worker("pool")
        attempt(ring, 1, 1, 2)
        ready[0] = 1
        pause_for_ever()

    def succeed(ring: RingBuffer, number: int) -> None:
        worker = ring.worker("pool")
        attached[number] = 1
        wait_until(lambda: bool(attached.all()))
        while len(batch := worker.take(9)):
            taken[number, batch["stamp"]] += 1
            worker.finish()

    for _ in range(20):
        ring = make_ring(8, (), pools={"pool": 2})
        ring.producer().publish(make_records(1, 1, 4))
        ready[:], attached[:], taken[:] = 0, 0, 0
        loser = children.fork(lose, ring)
        wait_until(lambda: bool(ready[0]))
        winner = hold(ring, children, 3)
        children.kill(loser)
        children.kill(winner)
        children.join([children.fork(succeed, ring, number) for number in range(2)])
        assert taken.sum(axis=0).tolist() == [0, 1, 1, 1, 1, 0, 0, 0]


def test_a_place_that_holds_something_is_given_before_an_empty_one(
    make_ring: Callable[..., RingBuffer], children: Children
) -> None:
    """With fewer workers than places, what a dead one held must not wait for ever."""
    ring = make_ring(8, (), pools={"pool": 3})
    ring.producer().publish(make_records(1, 1, 4))
    first = ring.worker("pool")
    dead = hold(ring, children, 2)
    first.close()
    children.kill(dead)
    assert ring.worker("pool").take(9)["stamp"].tolist() == [1, 2]


def test_a_successor_waits_for_a_living_worker_that_may_own_the_record(
    make_ring: Callable[..., RingBuffer], children: Children
) -> None:
    """The dead one lost the compare-and-swap; the winner lives and is stopped with the record in
    hand: the successor does not take it, and the record is done once."""
    ring = make_ring(8, (), pools={"pool": 2})
    ring.producer().publish(make_records(1, 1, 1))
    state = shared_words(3)

    def lose() -> None:
        ring.worker("pool")
        attempt(ring, 1, 1, 1)
        state[0] = 1
        pause_for_ever()

    def win() -> None:
        worker = ring.worker("pool")
        assert worker.take()["stamp"].tolist() == [1]
        state[1] = 1
        wait_until(lambda: bool(state[2]))
        worker.finish()

    def succeed() -> None:
        worker = ring.worker("pool")
        assert state[2] == 1, "taken from a living worker"
        assert len(worker.take()) == 0

    loser = children.fork(lose)
    wait_until(lambda: bool(state[0]))
    winner = children.fork(win)
    wait_until(lambda: bool(state[1]))
    children.kill(loser)
    successor = children.fork(succeed)
    time.sleep(0.02)
    state[2] = 1
    children.join([winner, successor])


# Everything


def test_everything_killed_at_once_continues_where_it_was(
    make_ring: Callable[..., RingBuffer], children: Children
) -> None:
    """Two producers, a reader and a worker, all with something in hand: one repair, and their
    successors deliver every published record."""
    ring = make_ring(16, ("a",), pools={"pool": 1})
    ready = shared_words(4)

    def produce(number: int) -> None:
        producer = ring.producer()
        producer.publish(make_records(number, 1, 3))
        producer.claim(2)
        ready[number] = 1
        pause_for_ever()

    def read() -> None:
        reader = ring.reader("a")
        wait_until(lambda: len(reader.poll()) >= 2)
        reader.release(1)
        ready[2] = 1
        pause_for_ever()

    def work() -> None:
        worker = ring.worker("pool")
        wait_until(lambda: len(worker.take(2)) > 0)
        ready[3] = 1
        pause_for_ever()

    pids = [children.fork(produce, number) for number in range(2)]
    pids += [children.fork(read), children.fork(work)]
    wait_until(lambda: bool(ready.all()))
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    for pid in pids:
        children.reap(pid)
    assert repair(ring) == Repair(tombstones=4, producers=2, consumers=2)
    ring.close()
    seqs = drain(ring)
    assert len(seqs) == 5
    assert seqs == sorted(seqs)
    worker, done = ring.worker("pool"), []
    while len(batch := worker.take(9)):
        done += batch["stamp"].tolist()
        worker.finish()
    assert len(done) == len(set(done)) == 6
    assert worker.at_end
    assert ring.reader("a").at_end
