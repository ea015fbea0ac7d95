"""ring/tail.py: what passes is given whole and once, or counted as missed; nobody is disturbed."""

import os

import numpy as np
import pytest

from openoutcry.ring import ProcessIdentity, RingBuffer, SegmentError, layout
from openoutcry.ring.segment import SHM, segment_name
from openoutcry.ring.tail import tail
from openoutcry.wire import EVENT_DTYPE, ORDER_DTYPE
from tests.support.ring.ring_owners import orders, ring

__all__ = ["ring"]


def test_tail_gives_what_passes_from_now_on(ring: RingBuffer) -> None:
    """Not what was there before; consecutive, whole, and the same as a consumer reads."""
    producer, reader = ring.producer(), ring.reader("reader")
    producer.publish(orders(1, 10))
    passing = tail(ring.name, 12)
    producer.publish(orders(11, 12))
    seen = list(passing)
    assert [one.seq for one in seen] == list(range(11, 23))
    assert [int(one.record["order_id"]) for one in seen] == list(range(11, 23))
    assert sum(one.missed + one.buried for one in seen) == 0
    reader.release(10)
    assert [one.record.tobytes() for one in seen] == [one.tobytes() for one in reader.poll()]


def test_a_slot_that_a_writer_in_order_may_have_begun_on_is_not_believed(
    ring: RingBuffer,
) -> None:
    """The next lap's writer changes a slot before it stamps it: the oldest slots before it, an
    eighth of the ring, count as missed although their stamps are unchanged."""
    producer, passing = ring.producer(), tail(ring.name)
    producer.publish(orders(1, 64))
    ring.slots[1]["order_id"] = 65
    one = next(passing)
    assert (one.seq, one.missed, int(one.record["order_id"])) == (9, 8, 9)


def test_a_slot_that_is_claimed_again_is_not_believed() -> None:
    """Several producers claim before they write: exactly the claimed slots count as missed."""
    name = segment_name(ProcessIdentity.mine(), "claimed")
    with (
        RingBuffer.create(name, 64, ORDER_DTYPE, ["a"], multi_producer=True) as ring,
        ring.producer() as producer,
    ):
        passing, reader = tail(name), ring.reader("a")
        producer.publish(orders(1, 64))
        for _ in reader.drain():
            pass
        claim = producer.try_claim(2)
        assert claim is not None
        for view in claim.views:
            view["order_id"] = 0
        one = next(passing)
        assert (one.seq, one.missed, int(one.record["order_id"])) == (3, 2, 3)
        claim.publish()


def test_a_slot_that_a_single_producer_says_it_writes_in_place_is_not_believed(
    ring: RingBuffer,
) -> None:
    """A claim of many slots, in a single producer's entry, counts as far as it goes."""
    producer, passing = ring.producer(), tail(ring.name)
    producer.publish(orders(1, 64))
    ring.words(producer.entry - ring.address + layout.CLAIM_LAST)[0] = 64 + 20
    ring.slots[20]["order_id"] = 84
    assert next(passing).seq == 21


def test_a_tail_that_sleeps_counts_what_it_missed(ring: RingBuffer) -> None:
    """Lapped by more than the ring, it goes on behind the writer, and the sum is right."""
    producer, reader = ring.producer(), ring.reader("reader")
    passing = tail(ring.name)
    producer.publish(orders(1, 1))
    assert next(passing).seq == 1
    for batch in range(10):
        for _ in reader.drain():
            pass
        producer.publish(orders(2 + 50 * batch, 50))
    one = next(passing)
    assert one.missed == one.seq - 2
    assert 501 - 64 < one.seq <= 501
    rest = [next(passing) for _ in range(501 - one.seq)]
    assert [r.seq for r in rest] == list(range(one.seq + 1, 502))
    assert sum(r.missed for r in rest) == 0


def test_tail_leaves_no_trace(ring: RingBuffer) -> None:
    """Not one byte of the ring is changed, no cursor is taken, and the mapping cannot be written
    to."""
    producer = ring.producer()
    passing = tail(ring.name)
    producer.publish(orders(1, 10))
    before = ring.segment.view.tobytes()
    assert [next(passing).seq for _ in range(10)] == list(range(1, 11))
    assert ring.segment.view.tobytes() == before
    with open("/proc/self/maps") as maps:
        access = [row.split()[1] for row in maps if ring.name in row]
    assert sorted(access) == ["r--s", "rw-s"]


def test_tombstones_are_passed_over_and_counted() -> None:
    """A dead producer's claim never comes: the tail says so and shows what follows."""
    name = segment_name(ProcessIdentity.mine(), "buried")
    with (
        RingBuffer.create(name, 64, ORDER_DTYPE, ["a"], multi_producer=True) as ring,
        ring.producer() as producer,
    ):
        passing = tail(name, 2)
        slots = ring.words(layout.SLOTS, 64 * 8)

        assert producer.try_claim(2) is not None
        # What a repairer stores for a proven death.
        slots[(1 & ring.mask) * 8 + 7] = -1
        slots[(2 & ring.mask) * 8 + 7] = -2
        with ring.producer() as other:
            other.publish(orders(3, 2))
        seen = list(passing)
    assert [(one.seq, one.buried, one.missed) for one in seen] == [(3, 2, 0), (4, 0, 0)]


def test_tail_knows_the_record_type() -> None:
    """Orders, events, and bytes for everything else, of any slot size."""
    odd = np.dtype([("x", "<f8"), ("pad", "V240"), ("seq", "<i8")])
    for dtype, names in (
        (ORDER_DTYPE, ORDER_DTYPE.names),
        (EVENT_DTYPE, EVENT_DTYPE.names),
        (odd, ("bytes", "seq")),
    ):
        name = segment_name(ProcessIdentity.mine(), "typed")
        with RingBuffer.create(name, 8, dtype, ["a"]) as ring, ring.producer() as producer:
            records = np.zeros(1, dtype)
            records.view(np.uint8)[0] = 77
            passing = tail(name, 1)
            producer.publish(records)
            (one,) = passing
        assert one.record.dtype.names == names
        assert one.record.tobytes()[:-8] == records.tobytes()[:-8]
        assert one.record["seq"] == 1


def test_tail_of_a_truncated_ring_is_an_error(ring: RingBuffer) -> None:
    """While it waits, and before it begins."""
    passing = tail(ring.name, 100)
    os.truncate(SHM / ring.name, 4096)
    with pytest.raises(SegmentError, match=f"{ring.name} was truncated while in use"):
        list(passing)
    with pytest.raises(SegmentError, match=r"cannot be followed: damaged: truncated: 4,096 bytes"):
        list(tail(ring.name, 1))
    with pytest.raises(SegmentError, match="there is no ring"):
        list(tail(ring.name + "x", 1))
