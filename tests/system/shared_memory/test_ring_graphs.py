"""Consumer graphs, work pools, iteration to the end, and waiting in an event loop."""

import asyncio
import os
import signal
import time

import numpy as np
import numpy.typing as npt
import pytest

from openoutcry.ring import RingBuffer, WaitStrategy
from tests.support.ring.ring_processes import (
    RECORD,
    Children,
    check_whole,
    make_records,
    process_state,
    ring_name,
    shared_words,
    split_ids,
)
from tests.support.waiting import BOUND_S, wait_until

Stamps = dict[str, npt.NDArray[np.int64]]


def stamp(
    ring: RingBuffer, name: str, after: tuple[str, ...], stamps: Stamps, strategy: WaitStrategy
) -> None:
    """Note each record in the consumer's own words before releasing it; whom it stays behind must
    have noted it already."""
    got = 0
    for batch in ring.reader(name, strategy):
        check_whole(batch, got + 1)
        seqs = batch["stamp"]
        for before in after:
            assert (stamps[before][seqs] == seqs).all(), f"{name} saw what {before} holds"
        stamps[name][seqs] = seqs
        got += len(batch)


TOTAL = 800

PIPELINE = {"a": (), "b": ("a",), "c": ("b",)}
DIAMOND = {"a": (), "b": ("a",), "c": ("a",), "d": ("b", "c")}
MULTICAST = {"a": (), "b": (), "c": (), "d": ()}


def produce(ring: RingBuffer, producer: int, count: int) -> None:
    with ring.producer() as out:
        for first in range(1, count + 1, 7):
            out.publish(make_records(producer, first, min(7, count + 1 - first)))


@pytest.mark.parametrize(
    "strategy",
    [
        WaitStrategy.PAUSE,
        WaitStrategy.BLOCK,
        pytest.param(WaitStrategy.YIELD, marks=pytest.mark.long),
        pytest.param(WaitStrategy.ADAPTIVE, marks=pytest.mark.long),
    ],
)
@pytest.mark.parametrize("capacity", [2, pytest.param(16, marks=pytest.mark.long)])
@pytest.mark.parametrize("graph", [PIPELINE, DIAMOND, MULTICAST], ids=["pipe", "diamond", "multi"])
def test_no_reader_sees_what_those_before_it_have_not_released(
    graph: dict[str, tuple[str, ...]], capacity: int, strategy: WaitStrategy
) -> None:
    """Each consumer writes down what it has seen before it releases; those behind find it there,
    for every record, over many wraps, with two producers."""
    total = TOTAL if strategy is not WaitStrategy.PAUSE else 60
    stamps = {name: shared_words(total + 1) for name in graph}
    with (
        RingBuffer.create(
            ring_name("graph"),
            capacity,
            RECORD,
            graph,
            multi_producer=True,
            blocking=strategy.sleeps,
        ) as ring,
        Children() as children,
    ):
        readers = [
            children.fork(stamp, ring, name, after, stamps, strategy)
            for name, after in graph.items()
        ]
        children.join([children.fork(produce, ring, p, total // 2) for p in (1, 2)])
        ring.close()
        children.join(readers)
    for name in graph:
        assert np.array_equal(stamps[name], np.arange(total + 1))


# Work pools


def work(
    ring: RingBuffer, number: int, taken: npt.NDArray[np.int64], strategy: WaitStrategy, limit: int
) -> None:
    """Take records until the end; ``taken`` counts how often each sequence was taken, in one row a
    worker."""
    with ring.worker("pool", strategy) as worker:
        while not worker.at_end:
            batch = worker.take(limit)
            if not len(batch):
                worker.wait(1)
                continue
            check_whole(batch, int(batch["stamp"][0]))
            taken[number, batch["stamp"]] += 1
            worker.finish()


@pytest.mark.parametrize(
    "strategy", [WaitStrategy.YIELD, WaitStrategy.BLOCK, WaitStrategy.ADAPTIVE]
)
@pytest.mark.parametrize("capacity", [2, pytest.param(16, marks=pytest.mark.long)])
@pytest.mark.parametrize(
    "workers", [1, 4, *(pytest.param(n, marks=pytest.mark.long) for n in (2, 3))]
)
def test_a_pool_takes_each_record_exactly_once(
    workers: int, capacity: int, strategy: WaitStrategy
) -> None:
    """Over all workers; and a reader beside the pool sees all of them too."""
    taken = shared_words(workers * (TOTAL + 1)).reshape(workers, -1)
    beside = {"beside": shared_words(TOTAL + 1)}
    with (
        RingBuffer.create(
            ring_name("pool"),
            capacity,
            RECORD,
            ["beside"],
            pools={"pool": workers},
            multi_producer=True,
            blocking=strategy.sleeps,
        ) as ring,
        Children() as children,
    ):
        pids = [
            children.fork(work, ring, number, taken, strategy, 1 + number)
            for number in range(workers)
        ]
        pids.append(children.fork(stamp, ring, "beside", (), beside, strategy))
        children.join([children.fork(produce, ring, p, TOTAL // 2) for p in (1, 2)])
        ring.close()
        children.join(pids)
    assert taken.sum(axis=0).tolist() == [0] + [1] * TOTAL


def test_a_pool_never_shows_too_much_to_a_reader_that_depends_on_it() -> None:
    """Three workers and a reader behind them, as processes: everything it sees was finished."""
    taken = shared_words(3 * (TOTAL + 1)).reshape(3, -1)

    def follow(ring: RingBuffer) -> None:
        for batch in ring.reader("after"):
            assert (taken[:, batch["stamp"]].sum(axis=0) == 1).all()

    with (
        RingBuffer.create(
            ring_name("follow"), 16, RECORD, {"after": ("pool",)}, pools={"pool": 3}
        ) as ring,
        Children() as children,
    ):
        pids = [children.fork(work, ring, n, taken, WaitStrategy.YIELD, 3) for n in range(3)]
        pids.append(children.fork(follow, ring))
        children.join([children.fork(produce, ring, 1, TOTAL)])
        ring.close()
        children.join(pids)
    assert taken.sum(axis=0).tolist() == [0] + [1] * TOTAL


def test_a_waiting_worker_is_not_fooled_by_what_others_took() -> None:
    """It waits for record 1; others take it and the ring wraps; it still wakes for the next one."""
    with (
        RingBuffer.create(ring_name("fooled"), 2, RECORD, [], pools={"pool": 2}) as ring,
        Children() as children,
    ):
        woken = shared_words(2)

        def wait_once() -> None:
            worker = ring.worker("pool", WaitStrategy.YIELD)
            woken[0] = 1
            assert worker.wait(BOUND_S)
            woken[1] = time.monotonic_ns()

        worker, producer = ring.worker("pool"), ring.producer()
        child = children.fork(wait_once)
        wait_until(lambda: bool(woken[0]))
        os.kill(child, signal.SIGSTOP)
        wait_until(lambda: process_state(child) == "T")
        for first in range(1, 10, 2):
            producer.publish(make_records(1, first, 2))
            for _ in range(2):
                worker.take()
                worker.finish()
        os.kill(child, signal.SIGCONT)
        time.sleep(0.005)
        producer.publish(make_records(1, 11, 1))
        children.join([child])
        assert woken[1] > 0


@pytest.mark.parametrize("strategy", list(WaitStrategy))
def test_who_says_that_it_sleeps_sleeps_and_a_spinner_does_not(strategy: WaitStrategy) -> None:
    """The kernel's own word for it: BLOCK and ADAPTIVE give the core away in a futex, the others
    are always runnable."""
    with (
        RingBuffer.create(ring_name("state"), 8, RECORD, ["a"], blocking=strategy.sleeps) as ring,
        Children() as children,
    ):
        waiting = shared_words(1)

        def wait() -> None:
            reader = ring.reader("a", strategy)
            reader.wait(0)
            waiting[0] = 1
            assert reader.wait(BOUND_S)

        child = children.fork(wait)
        wait_until(lambda: bool(waiting[0]))
        if strategy.sleeps:
            wait_until(lambda: process_state(child) == "S")
        else:
            assert {process_state(child) for _ in range(100)} == {"R"}
        ring.producer().publish(make_records(1, 1, 1))
        children.join([child])


@pytest.mark.parametrize("strategy", [s for s in WaitStrategy if s is not WaitStrategy.BUSY_SPIN])
def test_a_waiting_iteration_ends_when_another_process_closes(strategy: WaitStrategy) -> None:
    """close() wakes those who wait, sleepers included; so do records buried at the very end."""
    with (
        RingBuffer.create(
            ring_name("close"), 8, RECORD, ["a"], multi_producer=True, blocking=strategy.sleeps
        ) as ring,
        Children() as children,
    ):
        got = shared_words(1)

        def read() -> None:
            for batch in ring.reader("a", strategy):
                got[0] += len(batch)

        child = children.fork(read)
        with ring.producer() as producer:
            producer.publish(make_records(1, 1, 3))
            wait_until(lambda: got[0] == 3)
            producer.claim(2)
        ring.close()
        children.join([child])
        assert (got[0], ring.tombstones) == (3, 2)


# Event loops


@pytest.mark.parametrize(
    "strategy", [WaitStrategy.YIELD, WaitStrategy.BLOCK, WaitStrategy.ADAPTIVE]
)
def test_async_for_delivers_everything_and_leaves_the_loop_to_others(
    strategy: WaitStrategy,
) -> None:
    """A producer in another process publishes a piece only after another coroutine has run twice
    since the piece before: had the loop waited in the ring, no second piece would come."""
    pieces = 20
    turns = shared_words(1)

    def two_turns() -> None:
        start = turns[0]
        wait_until(lambda: turns[0] > start + 1)

    def publish_slowly(ring: RingBuffer) -> None:
        try:
            with ring.producer() as out:
                for piece in range(pieces):
                    out.publish(make_records(1, 1 + 3 * piece, 3))
                    two_turns()
        finally:
            ring.close()

    async def read(ring: RingBuffer) -> list[int]:
        numbers: list[int] = []

        async def tick() -> None:
            while True:
                turns[0] += 1
                await asyncio.sleep(0.001)

        ticker = asyncio.ensure_future(tick())
        reader = ring.reader("a", strategy)
        async for batch in reader:
            check_whole(batch, reader.cursor.get() + 1)
            numbers += split_ids(batch["id"])[1].tolist()
        ticker.cancel()
        return numbers

    with (
        RingBuffer.create(ring_name("loop"), 8, RECORD, ["a"], blocking=strategy.sleeps) as ring,
        Children() as children,
    ):
        child = children.fork(publish_slowly, ring)
        numbers = asyncio.run(read(ring))
        children.join([child])
    assert numbers == list(range(1, 3 * pieces + 1))


def test_two_rings_in_one_event_loop() -> None:
    """Each has its own eventfd; both are read to the end at once."""

    async def count(ring: RingBuffer) -> int:
        return sum([len(batch) async for batch in ring.reader("a")])

    async def both(rings: list[RingBuffer]) -> list[int]:
        return list(await asyncio.wait_for(asyncio.gather(*map(count, rings)), BOUND_S))

    with (
        RingBuffer.create(ring_name("one"), 4, RECORD, ["a"]) as one,
        RingBuffer.create(ring_name("two"), 4, RECORD, ["a"]) as two,
        Children() as children,
    ):

        def feed(ring: RingBuffer, total: int) -> None:
            produce(ring, 1, total)
            ring.close()

        pids = [children.fork(feed, one, 500), children.fork(feed, two, 300)]
        assert asyncio.run(both([one, two])) == [500, 300]
        children.join(pids)
