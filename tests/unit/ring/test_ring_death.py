"""Processes killed at the worst moments: proof of death, repair, replacement.

Where the moment lies between two instructions of a kernel, the words that the dead or the stalled
one had written by then are written by hand; everything else is real processes and SIGKILL.
"""

from collections.abc import Callable

from openoutcry.ring import (
    RingBuffer,
)
from tests.support.ring.ring_deaths import drain, make_ring
from tests.support.ring.ring_processes import (
    make_records,
)

__all__ = ["make_ring"]


def test_the_stamp_of_the_next_lap_is_no_orphan(make_ring: Callable[..., RingBuffer]) -> None:
    """The same, certain: the repairer has decided to look at sequence 1, and only then the ring
    wraps over it."""
    from openoutcry.ring.repair import bury_unpublished

    ring = make_ring(4)
    producer = ring.producer()
    producer.publish(make_records(1, 1, 4))
    assert drain(ring) == [1, 2, 3, 4]
    producer.publish(make_records(1, 5, 4))
    assert bury_unpublished(ring, range(1, 5)) == 0
    assert drain(ring) == [5, 6, 7, 8]
