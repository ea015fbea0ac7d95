"""Producers × consumers × wait strategies × tiny rings: real processes, every record checked."""

import itertools

import numpy as np
import numpy.typing as npt
import pytest
from ring_processes import (
    Children,
    check_whole,
    fill,
    make_records,
    pairwise,
    ring_name,
    shared_words,
    split_ids,
)

from openoutcry.ring import RingBuffer, WaitStrategy

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
            ring_name("grid"), capacity, make_records(0, 0, 1).dtype, names,
            multi_producer=producers > 1, blocking=strategy.sleeps,
        ) as ring,
        Children() as children,
    ):  # fmt: skip
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


@pytest.mark.parametrize(
    ("producers", "consumers", "strategy", "capacity"),
    [pytest.param(*row, marks=pytest.mark.long if n % 2 else ()) for n, row in enumerate(PAIRWISE)],
)
def test_every_record_reaches_every_consumer_once_in_order(
    producers: int, consumers: int, strategy: WaitStrategy, capacity: int
) -> None:
    """Each consumer gets every record whole, once, each producer's in its order, and all consumers
    in one order (every pair of values of the four axes; `make test`: every other row)."""
    run_and_check(producers, consumers, strategy, capacity)


@pytest.mark.long
@pytest.mark.parametrize(("producers", "consumers", "strategy", "capacity"), GRID)
def test_the_full_grid(
    producers: int, consumers: int, strategy: WaitStrategy, capacity: int
) -> None:
    """The same over all 240 combinations."""
    run_and_check(producers, consumers, strategy, capacity)


def test_one_producer_on_a_ring_of_several_is_the_same() -> None:
    """The claiming path alone, without another producer to race with."""
    with (
        RingBuffer.create(
            ring_name("lone"), 4, make_records(0, 0, 1).dtype, ["c0"], multi_producer=True
        ) as ring,
        Children() as children,
    ):
        order = shared_words(500)
        reader = children.fork(consume, ring, 0, WaitStrategy.YIELD, order)
        children.join([children.fork(produce, ring, 1, 500)])
        ring.close()
        children.join([reader])
        assert split_ids(order)[1].tolist() == list(range(1, 501))


def test_the_pairs_are_all_there() -> None:
    """The default subset really has every pair of values of every two axes."""
    for one, two in itertools.combinations(range(4), 2):
        assert {(r[one], r[two]) for r in PAIRWISE} == {(r[one], r[two]) for r in GRID}
