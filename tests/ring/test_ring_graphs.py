"""Consumer graphs, work pools, iteration to the end, and waiting in an event loop."""

import asyncio
import os
import select
import signal
import threading
import time

import numpy as np
import numpy.typing as npt
import pytest
from ring_processes import (
    RECORD,
    Children,
    check_whole,
    make_records,
    process_state,
    ring_name,
    shared_words,
    split_ids,
    wait_until,
)

from openoutcry.ring import Readiness, RingBuffer, RingError, SegmentError, WaitStrategy

TOTAL = 800

PIPELINE = {"a": (), "b": ("a",), "c": ("b",)}
DIAMOND = {"a": (), "b": ("a",), "c": ("a",), "d": ("b", "c")}
MULTICAST = {"a": (), "b": (), "c": (), "d": ()}
Stamps = dict[str, npt.NDArray[np.int64]]


def produce(ring: RingBuffer, producer: int, count: int) -> None:
    with ring.producer() as out:
        for first in range(1, count + 1, 7):
            out.publish(make_records(producer, first, min(7, count + 1 - first)))


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
def test_nobody_sees_what_those_before_it_have_not_released(
    graph: dict[str, tuple[str, ...]], capacity: int, strategy: WaitStrategy
) -> None:
    """Each consumer writes down what it has seen before it releases; those behind find it there,
    for every record, over many wraps, with two producers."""
    total = TOTAL if strategy is not WaitStrategy.PAUSE else 60
    stamps = {name: shared_words(total + 1) for name in graph}
    with (
        RingBuffer.create(
            ring_name("graph"), capacity, RECORD, graph, multi_producer=True,
            blocking=strategy.sleeps,
        ) as ring,
        Children() as children,
    ):  # fmt: skip
        readers = [
            children.fork(stamp, ring, name, after, stamps, strategy)
            for name, after in graph.items()
        ]
        children.join([children.fork(produce, ring, p, total // 2) for p in (1, 2)])
        ring.close()
        children.join(readers)
    for name in graph:
        assert np.array_equal(stamps[name], np.arange(total + 1))


def test_a_consumer_behind_another_waits_for_its_release_alone() -> None:
    """Step by step: published is not enough, released is, and the last one gates the producer."""
    with RingBuffer.create(ring_name("steps"), 4, RECORD, {"a": (), "b": ("a",)}) as ring:
        producer, a, b = ring.producer("fail"), ring.reader("a"), ring.reader("b")
        producer.publish(make_records(1, 1, 3))
        assert (len(a.poll()), len(b.poll())) == (3, 0)
        assert not b.wait(0.01)
        a.release(2)
        assert b.wait(300)
        assert b.poll()["stamp"].tolist() == [1, 2]
        assert producer.room() == 1
        b.release(2)
        assert (producer.room(), len(b.poll())) == (3, 0)


def test_a_consumer_behind_nobody_known_is_refused() -> None:
    """The graph is given in order, so it cannot have a cycle."""
    with pytest.raises(ValueError, match="'b' depends on 'c', which is not before it"):
        RingBuffer.create("outcry.1.1.never", 4, RECORD, {"a": (), "b": ("c",), "c": ("b",)})


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
@pytest.mark.parametrize("workers", [1, 2, 3, 4])
def test_a_pool_takes_each_record_exactly_once(
    workers: int, capacity: int, strategy: WaitStrategy
) -> None:
    """Over all workers; and a reader beside the pool sees all of them too."""
    taken = shared_words(workers * (TOTAL + 1)).reshape(workers, -1)
    beside = {"beside": shared_words(TOTAL + 1)}
    with (
        RingBuffer.create(
            ring_name("pool"), capacity, RECORD, ["beside"], pools={"pool": workers},
            multi_producer=True, blocking=strategy.sleeps,
        ) as ring,
        Children() as children,
    ):  # fmt: skip
        pids = [
            children.fork(work, ring, number, taken, strategy, 1 + number)
            for number in range(workers)
        ]
        pids.append(children.fork(stamp, ring, "beside", (), beside, strategy))
        children.join([children.fork(produce, ring, p, TOTAL // 2) for p in (1, 2)])
        ring.close()
        children.join(pids)
    assert taken.sum(axis=0).tolist() == [0] + [1] * TOTAL


def test_a_reader_behind_a_pool_sees_only_what_is_finished() -> None:
    """Workers finish in any order; what follows is released up to the oldest unfinished one."""
    with RingBuffer.create(
        ring_name("behind"), 8, RECORD, {"after": ("pool",)}, pools={"pool": 2}
    ) as ring:
        ring.producer().publish(make_records(1, 1, 6))
        one, two, after = ring.worker("pool"), ring.worker("pool"), ring.reader("after")
        assert one.take(2)["stamp"].tolist() == [1, 2]
        assert two.take(3)["stamp"].tolist() == [3, 4, 5]
        two.finish()
        assert len(after.poll()) == 0
        one.finish()
        assert after.poll()["stamp"].tolist() == [1, 2, 3, 4, 5]
        assert two.take(9)["stamp"].tolist() == [6]
        assert len(after.poll()) == 5


def test_a_pool_behind_which_a_reader_stands_never_shows_it_too_much() -> None:
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


def test_a_worker_must_finish_before_it_takes_more_and_places_are_counted() -> None:
    """What is held must not be forgotten; a pool of one has one place, and a reader is no pool."""
    with RingBuffer.create(ring_name("rules"), 8, RECORD, ["a"], pools={"pool": 1}) as ring:
        ring.producer().publish(make_records(1, 1, 3))
        worker = ring.worker("pool")
        worker.take()
        with pytest.raises(RingError, match=r"finish\(\) what was taken"):
            worker.take()
        with pytest.raises(RingError, match=f"taken by process {os.getpid()}"):
            ring.worker("pool")
        with pytest.raises(KeyError, match="no pool 'a'"):
            ring.worker("a")
        with pytest.raises(KeyError, match="no consumer 'pool'"):
            ring.reader("pool")


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
            assert worker.wait(300)
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
            assert reader.wait(300)

        child = children.fork(wait)
        wait_until(lambda: bool(waiting[0]))
        if strategy.sleeps:
            wait_until(lambda: process_state(child) == "S")
        else:
            assert {process_state(child) for _ in range(100)} == {"R"}
        ring.producer().publish(make_records(1, 1, 1))
        children.join([child])


# The end


def test_iteration_ends_at_close_after_the_last_record() -> None:
    """What was published before close() is all seen, for readers that come late too; an empty ring
    ends at once."""
    with RingBuffer.create(ring_name("end"), 8, RECORD, ["a", "b"]) as ring:
        ring.producer().publish(make_records(1, 1, 8))
        ring.close()
        for name in ("a", "b"):
            reader = ring.reader(name)
            assert sum(len(batch) for batch in reader) == 8
            assert reader.at_end
            assert list(reader) == []


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


def test_leaving_a_loop_keeps_the_unreleased_batch_for_the_next() -> None:
    """A batch that was not finished comes again."""
    with RingBuffer.create(ring_name("break"), 8, RECORD, ["a"]) as ring:
        ring.producer().publish(make_records(1, 1, 5))
        for batch in ring.reader("a"):
            assert len(batch) == 5
            break
        assert len(ring.reader("a").poll()) == 5


def test_a_sleeping_strategy_needs_a_ring_that_wakes() -> None:
    """BLOCK and ADAPTIVE on a ring made without blocking=True are refused, for workers too."""
    with RingBuffer.create(ring_name("deaf"), 8, RECORD, ["a"], pools={"pool": 1}) as ring:
        for strategy in (WaitStrategy.BLOCK, WaitStrategy.ADAPTIVE):
            with pytest.raises(RingError, match="blocking=True"):
                ring.reader("a", strategy)
            with pytest.raises(RingError, match="blocking=True"):
                ring.worker("pool", strategy)


# Event loops


@pytest.mark.parametrize(
    "strategy", [WaitStrategy.YIELD, WaitStrategy.BLOCK, WaitStrategy.ADAPTIVE]
)
def test_async_for_delivers_everything_and_leaves_the_loop_to_others(
    strategy: WaitStrategy,
) -> None:
    """A slow producer in another process: every record arrives, and another coroutine runs in the
    pauses between them."""
    pieces = 20

    def publish_slowly(ring: RingBuffer) -> None:
        with ring.producer() as out:
            for piece in range(pieces):
                out.publish(make_records(1, 1 + 3 * piece, 3))
                time.sleep(0.01)
        ring.close()

    async def read(ring: RingBuffer) -> tuple[list[int], int]:
        numbers: list[int] = []
        ticks = 0

        async def tick() -> None:
            nonlocal ticks
            while True:
                ticks += 1
                await asyncio.sleep(0.001)

        ticker = asyncio.ensure_future(tick())
        reader = ring.reader("a", strategy)
        async for batch in reader:
            check_whole(batch, reader.cursor.get() + 1)
            numbers += split_ids(batch["id"])[1].tolist()
        ticker.cancel()
        return numbers, ticks

    with (
        RingBuffer.create(ring_name("loop"), 8, RECORD, ["a"], blocking=strategy.sleeps) as ring,
        Children() as children,
    ):
        child = children.fork(publish_slowly, ring)
        numbers, ticks = asyncio.run(asyncio.wait_for(read(ring), 60))
        children.join([child])
    assert numbers == list(range(1, 3 * pieces + 1))
    # Had the loop waited in the ring, the ticker would have had one turn a piece.
    assert ticks > 2 * pieces


def test_two_rings_in_one_event_loop() -> None:
    """Each has its own eventfd; both are read to the end at once."""

    async def count(ring: RingBuffer) -> int:
        return sum([len(batch) async for batch in ring.reader("a")])

    async def both(rings: list[RingBuffer]) -> list[int]:
        return list(await asyncio.wait_for(asyncio.gather(*map(count, rings)), 60))

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


def test_the_eventfd_becomes_readable_once_a_time_it_is_armed() -> None:
    """For event loops other than asyncio's: quiet while empty, readable when there is something."""
    with RingBuffer.create(ring_name("fd"), 8, RECORD, ["a"]) as ring:
        reader, producer = ring.reader("a"), ring.producer()
        with Readiness(reader) as ready:
            ready.arm()
            assert select.select([ready], [], [], 0.1)[0] == []
            for first in (1, 2, 3):
                producer.publish(make_records(1, first, 1))
                assert select.select([ready], [], [], 30)[0] == [ready]
                assert os.eventfd_read(ready.fileno()) == 1
                reader.release(len(reader.poll()))
                assert select.select([ready], [], [], 0)[0] == []
                ready.arm()


def test_leaving_an_async_loop_early_leaves_no_thread_and_no_descriptor() -> None:
    """Cancelled while it waits, and left in mid-batch."""

    async def leave_early(ring: RingBuffer) -> None:
        reader = ring.reader("a")
        batches = reader.__aiter__()
        assert len(await anext(batches)) == 3
        await batches.aclose()
        waiting = asyncio.ensure_future(anext(reader.__aiter__()))
        reader.release(3)
        await asyncio.sleep(0.01)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)

    with RingBuffer.create(ring_name("early"), 8, RECORD, ["a"]) as ring:
        ring.producer().publish(make_records(1, 1, 3))
        before = len(os.listdir("/proc/self/fd")), threading.active_count()
        asyncio.run(asyncio.wait_for(leave_early(ring), 30))
        assert (len(os.listdir("/proc/self/fd")), threading.active_count()) == before


def test_a_segment_truncated_under_a_waiting_event_loop_is_an_error_there() -> None:
    """The waiting thread's error comes out of the loop that awaits, which would wait for ever."""

    async def read(ring: RingBuffer) -> None:
        async for _ in ring.reader("a"):
            os.truncate(ring.segment.path, 0)

    with RingBuffer.create(ring_name("cut"), 8, RECORD, ["a"]) as ring:
        ring.producer().publish(make_records(1, 1, 1))
        with pytest.raises(SegmentError, match="truncated"):
            asyncio.run(asyncio.wait_for(read(ring), 30))
