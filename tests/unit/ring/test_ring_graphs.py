"""Consumer graphs, work pools, iteration to the end, and waiting in an event loop."""

import asyncio
import os
import select
import threading

import pytest

from openoutcry.ring import Readiness, RingBuffer, RingError, SegmentError, WaitStrategy
from tests.support.ring.ring_processes import (
    RECORD,
    make_records,
    ring_name,
)
from tests.support.waiting import BOUND_S


def test_a_consumer_after_another_waits_for_its_release_alone() -> None:
    """Step by step: published is not enough, released is, and the last one gates the producer."""
    with RingBuffer.create(ring_name("steps"), 4, RECORD, {"a": (), "b": ("a",)}) as ring:
        producer, a, b = ring.producer("fail"), ring.reader("a"), ring.reader("b")
        producer.publish(make_records(1, 1, 3))
        assert (len(a.poll()), len(b.poll())) == (3, 0)
        assert not b.wait(0.01)
        a.release(2)
        assert b.wait(BOUND_S)
        assert b.poll()["stamp"].tolist() == [1, 2]
        assert producer.free_slots() == 1
        b.release(2)
        assert (producer.free_slots(), len(b.poll())) == (3, 0)


def test_a_consumer_that_depends_on_an_unknown_one_is_rejected() -> None:
    """The graph is given in order, so it cannot have a cycle."""
    with pytest.raises(ValueError, match="'b' depends on 'c', which does not precede it"):
        RingBuffer.create("outcry.1.1.never", 4, RECORD, {"a": (), "b": ("c",), "c": ("b",)})


def test_a_reader_after_a_pool_sees_only_what_is_finished() -> None:
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
