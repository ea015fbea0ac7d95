"""Consumers that die, are replaced, are detached and come back."""

import os
from collections.abc import Callable

import pytest

from openoutcry.ring import (
    Repair,
    RingBuffer,
    RingError,
    Sequence,
    WaitStrategy,
    layout,
    repair,
)
from tests.support.ring.ring_deaths import make_ring
from tests.support.ring.ring_processes import (
    make_records,
)

__all__ = ["make_ring"]


@pytest.mark.parametrize("strategy", list(WaitStrategy))
def test_what_wait_promises_poll_keeps(
    make_ring: Callable[..., RingBuffer], strategy: WaitStrategy
) -> None:
    """Tombstones are nothing to read: wait passes over them, which gives their slots back to the
    producers, and ends with a record or with the ring."""
    ring = make_ring(4, ("a", "b"), blocking=True)
    a, b = ring.reader("a", strategy), ring.reader("b", strategy)
    for _ in range(2):
        leave_tombstones(ring, 4)
        assert not a.wait(0)
        assert ring.producer().free_slots() == 0, "b has not looked yet"
        assert not b.wait(0)
    ring.producer().publish(make_records(1, 1, 1))
    for reader in (a, b):
        assert reader.wait(0)
        assert reader.poll()["stamp"].tolist() == [9]
        reader.release(1)
    leave_tombstones(ring, 1)
    assert not a.wait(0)
    ring.close()
    for reader in (a, b):
        assert reader.wait(0)
        assert reader.at_end
        assert reader.skipped == 9


def leave_tombstones(ring: RingBuffer, count: int) -> None:
    """A producer that gives up what it had claimed."""
    with ring.producer("fail") as producer:
        assert producer.try_claim(count) is not None


def test_a_reader_that_is_coming_back_cannot_be_taken(
    make_ring: Callable[..., RingBuffer],
) -> None:
    """While the mark stands its process lives: neither it nor another thread of it gets the place
    a second time, and repair leaves it."""
    ring = make_ring(4)
    ring.reader("a")
    holder = Sequence(ring.address + layout.CONSUMERS + layout.CONSUMER_HOLDER)
    holder.set(-holder.get())
    with pytest.raises(RingError, match=f"'a' is taken by process {os.getpid()}"):
        ring.reader("a")
    assert repair(ring, detach_consumers=True) == Repair(0, 0, 0)
