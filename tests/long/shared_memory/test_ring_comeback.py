"""Consumers that die, are replaced, are detached and come back."""

from collections.abc import Callable

import numpy as np
import pytest

from openoutcry.ring import (
    RingBuffer,
    repair,
)
from tests.support.ring.ring_deaths import children, make_ring
from tests.support.ring.ring_processes import (
    Children,
    check_whole,
    make_records,
    shared_words,
    split_ids,
)
from tests.support.waiting import BOUND_S

__all__ = ["children", "make_ring"]


@pytest.mark.parametrize(
    ("multi", "other"),
    [
        pytest.param(False, True, id="single-beside another"),
        pytest.param(True, False, id="multi-alone"),
        pytest.param(False, False, id="single-alone", marks=pytest.mark.long),
        pytest.param(True, True, id="multi-beside another", marks=pytest.mark.long),
    ],
)
def test_a_consumer_that_comes_back_under_full_load_is_never_overtaken(
    make_ring: Callable[..., RingBuffer], children: Children, multi: bool, other: bool
) -> None:
    """Nobody else gates, or another does, and the producers run free: from its first record on the
    rejoined one gets every record, each whole (21 times)."""
    ring = make_ring(4, ("a", "b") if other else ("a",), multi_producer=multi)
    stop = shared_words(1)

    def produce(number: int) -> None:
        with ring.producer() as out:
            first = 1
            while not stop[0]:
                first += out.publish(make_records(number, first, 3), timeout_s=BOUND_S)

    def join_and_die() -> None:
        ring.reader("a")

    children.join([children.fork(join_and_die)])
    assert repair(ring, detach_consumers=True).consumers == 1
    pids = [children.fork(produce, number) for number in range(1, 3 if multi else 2)]

    def read_all() -> None:
        for batch in ring.reader("b"):
            check_whole(batch, int(batch["stamp"][0]))

    pids += [children.fork(read_all)] if other else []

    def read_some(number: int) -> None:
        reader = ring.reader("a")
        next_seq = 0
        last = dict.fromkeys(range(1, 3), 0)
        for _ in range(1 + number % 7):
            assert reader.wait(BOUND_S), "overtaken: nothing comes any more"
            batch = reader.poll()
            next_seq = next_seq or int(batch["stamp"][0])
            check_whole(batch, next_seq)
            for by, n in zip(*map(np.ndarray.tolist, split_ids(batch["id"])), strict=True):
                assert last[by] in (0, n - 1)
                last[by] = n
            next_seq += len(batch)
            reader.release(len(batch))

    for number in range(21):
        children.join([children.fork(read_some, number)])
        assert repair(ring, detach_consumers=True).consumers == 1
    stop[0] = 1
    children.join(pids[: 2 if multi else 1])
    ring.close()
    children.join(pids[2 if multi else 1 :])
