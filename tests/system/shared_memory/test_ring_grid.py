"""Producers × consumers × wait strategies × tiny rings: real processes, every record checked."""

import pytest

from openoutcry.ring import RingBuffer, WaitStrategy
from tests.support.ring.ring_grid import PAIRWISE, consume, produce, run_and_check
from tests.support.ring.ring_processes import (
    Children,
    make_records,
    ring_name,
    shared_words,
    split_ids,
)


@pytest.mark.parametrize(
    ("producers", "consumers", "strategy", "capacity"),
    [pytest.param(*row, marks=pytest.mark.long if n % 4 else ()) for n, row in enumerate(PAIRWISE)],
)
def test_every_record_reaches_every_consumer_once_in_order(
    producers: int, consumers: int, strategy: WaitStrategy, capacity: int
) -> None:
    """Each consumer gets every record whole, once, each producer's in its order, and all consumers
    in one order (every pair of values of the four axes; `make check`: every fourth row)."""
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
