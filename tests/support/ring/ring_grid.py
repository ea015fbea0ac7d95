"""What the tests of ring grid in several tiers share."""

import itertools

import numpy as np
import numpy.typing as npt

from openoutcry.ring import RingBuffer, WaitStrategy
from tests.support.ring.ring_processes import (
    Children,
    check_whole,
    fill,
    make_records,
    pairwise,
    ring_name,
    shared_words,
    split_ids,
)

PRODUCERS, CONSUMERS = (1, 2, 3, 4), (1, 2, 3, 4)
STRATEGIES, CAPACITIES = tuple(WaitStrategy), (2, 4, 16)
PAIRWISE = pairwise(PRODUCERS, CONSUMERS, STRATEGIES, CAPACITIES)
GRID = list(itertools.product(PRODUCERS, CONSUMERS, STRATEGIES, CAPACITIES))


def records_each(strategy: WaitStrategy) -> int:
    """A spinner keeps its core for a whole time slice: with more processes than cores each wrap of
    a tiny ring costs several."""
    return 200 if strategy in (WaitStrategy.BUSY_SPIN, WaitStrategy.PAUSE) else 1_000


def produce(ring: RingBuffer, producer: int, count: int) -> None:
    """Publish ``count`` records in pieces of random size: copied, and written in place."""
    rng = np.random.default_rng(producer)
    done = 0
    with ring.producer() as out:
        while done < count:
            size = min(int(rng.integers(1, 2 * ring.capacity)), count - done)
            if rng.integers(2):
                assert out.publish(make_records(producer, done + 1, size)) == size
            else:
                size = min(size, ring.capacity)
                claim, at = out.claim(size), done
                for view in claim.views:
                    fill(view, producer, at + 1)
                    at += len(view)
                claim.publish()
            done += size


def consume(
    ring: RingBuffer, consumer: int, strategy: WaitStrategy, order: npt.NDArray[np.int64]
) -> None:
    """Read to the end, keeping the id of each record in ``order``."""
    got = 0
    for batch in ring.reader(f"c{consumer}", strategy):
        check_whole(batch, got + 1)
        order[got : got + len(batch)] = batch["id"]
        got += len(batch)


def run_and_check(producers: int, consumers: int, strategy: WaitStrategy, capacity: int) -> None:
    each = records_each(strategy)
    names = [f"c{i}" for i in range(consumers)]
    orders = [shared_words(producers * each) for _ in names]
    with (
        RingBuffer.create(
            ring_name("grid"),
            capacity,
            make_records(0, 0, 1).dtype,
            names,
            multi_producer=producers > 1,
            blocking=strategy.sleeps,
        ) as ring,
        Children() as children,
    ):
        readers = [children.fork(consume, ring, i, strategy, orders[i]) for i in range(consumers)]
        children.join([children.fork(produce, ring, p, each) for p in range(1, producers + 1)])
        ring.close()
        children.join(readers)
        assert (ring.tombstones, ring.dropped) == (0, 0)
    for order in orders[1:]:
        assert np.array_equal(order, orders[0]), "consumers saw different orders"
    by, number = split_ids(orders[0])
    for producer in range(1, producers + 1):
        assert number[by == producer].tolist() == list(range(1, each + 1))
