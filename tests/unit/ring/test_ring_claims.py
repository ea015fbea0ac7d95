"""Claims written in place, back-pressure, record sizes, and what the two refuse."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from openoutcry.ring import RingBuffer, RingError, RingFull, WhenFull, layout
from openoutcry.wire import EVENT_DTYPE, ORDER_DTYPE, LayoutMismatch
from tests.support.ring import ring_claims as shared
from tests.support.ring.ring_claims import both_kinds
from tests.support.ring.ring_processes import (
    RECORD,
    check_whole,
    fill,
    make_records,
    record_dtype,
    split_ids,
)

make_ring = shared.make_ring


def read_all(ring: RingBuffer, reader: str = "a") -> list[int]:
    """Numbers of the records that are there, checked and released."""
    taker = ring.reader(reader)
    numbers = []
    for batch in taker.drain():
        check_whole(batch, taker.cursor.get() + 1)
        numbers += split_ids(batch["id"])[1].tolist()
    return numbers


@both_kinds
@pytest.mark.parametrize("count", range(1, 9))
@pytest.mark.parametrize("before", range(8))
def test_a_claim_is_written_in_place_wherever_it_wraps(
    make_ring: Callable[..., RingBuffer], multi: bool, before: int, count: int
) -> None:
    """Two views where the ring wraps, one elsewhere; their slots are the ring's own, and nothing is
    seen before publish()."""
    ring = make_ring(8, multi_producer=multi)
    producer = ring.producer()
    if before:
        producer.publish(make_records(1, 1, before))
        assert len(read_all(ring)) == before
    claim = producer.try_claim(count)
    assert claim is not None
    assert (claim.first_seq, claim.count) == (before + 1, count)
    assert len(claim.views) == (1 if (before + 1) % 8 + count <= 8 else 2)
    assert sum(map(len, claim.views)) == count
    at = before + 1
    for view in claim.views:
        assert np.shares_memory(view, ring.slots)
        fill(view, 1, at)
        at += len(view)
    assert read_all(ring) == []
    assert claim.publish() == before + count
    assert read_all(ring) == list(range(before + 1, before + count + 1))


@both_kinds
def test_a_claim_without_room_says_so_at_once(
    make_ring: Callable[..., RingBuffer], multi: bool
) -> None:
    """try_claim() answers None, claim() raises after its time, room() counts; a release helps."""
    ring = make_ring(8, multi_producer=multi)
    producer = ring.producer()
    producer.publish(make_records(1, 1, 6))
    assert producer.free_slots() == 2
    assert producer.try_claim(3) is None
    with pytest.raises(RingFull, match="no room for 3 slots"):
        producer.claim(3, timeout_s=0.01)
    reader = ring.reader("a")
    reader.poll()
    reader.release(1)
    claim = producer.claim(3, timeout_s=1)
    assert (claim.first_seq, claim.count) == (7, 3)


@both_kinds
@pytest.mark.parametrize("count", [0, -1, 9])
def test_a_claim_of_an_impossible_size_is_refused(
    make_ring: Callable[..., RingBuffer], multi: bool, count: int
) -> None:
    """More than the ring has would wait for ever; less than one is nothing."""
    with pytest.raises(ValueError, match=f"a claim holds 1 to 8 slots, not {count}"):
        make_ring(8, multi_producer=multi).producer().try_claim(count)


@both_kinds
def test_one_claim_at_a_time_and_each_published_once(
    make_ring: Callable[..., RingBuffer], multi: bool
) -> None:
    """A second claim, or a publish, over an open one would leave it to a repairer; a second
    publish() of one would stamp slots that are others' by then."""
    ring = make_ring(8, multi_producer=multi)
    producer = ring.producer()
    claim = producer.claim(2)
    with pytest.raises(RingError, match="publish the claim that was made before"):
        producer.try_claim(1)
    with pytest.raises(RingError, match="publish the claim that was made before"):
        producer.publish(make_records(1, 1, 1))
    fill(claim.views[0], 1, 1)
    claim.publish()
    with pytest.raises(RingError, match="already published"):
        claim.publish()
    producer.publish(make_records(1, 3, 1))
    assert read_all(ring) == [1, 2, 3]


def test_an_exception_between_claim_and_publish_leaves_no_hole(
    make_ring: Callable[..., RingBuffer],
) -> None:
    """The producer's end buries what it had claimed: consumers go on behind it."""
    ring = make_ring(8, multi_producer=True)

    def write_and_fail() -> None:
        with ring.producer() as producer:
            producer.publish(make_records(1, 1, 2))
            producer.claim(3)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write_and_fail()
    ring.producer().publish(make_records(2, 1, 2))
    reader = ring.reader("a")
    assert [len(batch) for batch in reader.drain()] == [2, 2]
    assert (reader.skipped, ring.tombstones) == (3, 3)


def test_closing_a_producer_buries_nothing_that_others_have_published_since(
    make_ring: Callable[..., RingBuffer],
) -> None:
    """Its last claim's slots have been read and used again: they are left alone."""
    ring = make_ring(4, multi_producer=True)
    first, second = ring.producer(), ring.producer()
    first.publish(make_records(1, 1, 4))
    assert read_all(ring) == [1, 2, 3, 4]
    second.publish(make_records(2, 1, 4))
    first.close()
    assert ring.tombstones == 0
    assert read_all(ring) == [1, 2, 3, 4]


@both_kinds
def test_fail_publishes_all_or_nothing(make_ring: Callable[..., RingBuffer], multi: bool) -> None:
    """What has no room as a whole is refused, and nothing of it is seen."""
    ring = make_ring(8, multi_producer=multi)
    producer = ring.producer(WhenFull.FAIL)
    assert producer.publish(make_records(1, 1, 5)) == 5
    with pytest.raises(RingFull, match="no room for 4 records"):
        producer.publish(make_records(1, 6, 4))
    assert producer.publish(make_records(1, 6, 3)) == 3
    assert read_all(ring) == list(range(1, 9))
    with pytest.raises(RingFull, match="no room for 9 records"):
        producer.publish(make_records(1, 9, 9))


@both_kinds
def test_drop_newest_publishes_what_fits_and_counts_the_rest(
    make_ring: Callable[..., RingBuffer], multi: bool
) -> None:
    """The oldest of a piece go in; the ring and the producer count what did not."""
    ring = make_ring(8, multi_producer=multi)
    producer, other = ring.producer("drop-newest"), ring.producer(WhenFull.DROP_NEWEST)
    assert producer.publish(make_records(1, 1, 11)) == 8
    assert producer.publish(make_records(1, 12, 2)) == 0
    if multi:
        assert other.publish(make_records(2, 1, 1)) == 0
    assert (producer.dropped, other.dropped, ring.dropped) == (5, int(multi), 5 + multi)
    assert read_all(ring) == list(range(1, 9))
    assert producer.publish(make_records(1, 14, 1)) == 1


@pytest.mark.parametrize(
    ("dtype", "message"),
    [
        (np.dtype([("a", "<i8", (5,)), ("stamp", "<i8")]), "48 bytes, which is not a power of two"),
        (np.dtype([("a", "<i8", (3,)), ("stamp", "<i8")]), "32 bytes"),
        (np.dtype([("a", "<i8", (7,)), ("stamp", "<u8")]), "int64 stamp, not 'stamp'"),
        (np.dtype([("a", "<i8", (7,)), ("stamp", "<f8")]), "int64 stamp, not 'stamp'"),
        (np.dtype([("a", "<i8", (7,)), ("hi", "<i4"), ("lo", "<i4")]), "int64 stamp, not 'lo'"),
        (np.dtype([("stamp", "<i8"), ("a", "<i8", (7,))]), "int64 stamp, not 'a'"),
        (np.dtype("V64"), "int64 stamp"),
    ],
)
def test_an_invalid_record_type_is_refused(dtype: np.dtype[Any], message: str) -> None:
    """A size that is no power of two from 64 on, or a last field that is no int64."""
    with pytest.raises(ValueError, match=message):
        RingBuffer.create("outcry.1.1.never", 8, dtype, ["a"])


def test_attaching_with_another_record_type_is_refused(
    make_ring: Callable[..., RingBuffer],
) -> None:
    """Another type of the same size, another size, or other names: each is refused by name."""
    ring = make_ring(8, ORDER_DTYPE)
    renamed = np.dtype([(f"x{name}", ORDER_DTYPE[name]) for name in ORDER_DTYPE.names or ()])
    for dtype in (EVENT_DTYPE, record_dtype(128), RECORD, renamed):
        with pytest.raises(LayoutMismatch, match="records of another type") as error:
            RingBuffer.attach(ring.name, dtype)
        assert ring.name in str(error.value)
    assert RingBuffer.attach(ring.name, ORDER_DTYPE).capacity == 8


@both_kinds
@pytest.mark.parametrize(
    ("records", "message"),
    [
        (np.arange(3), "not int64"),
        (np.zeros(2, EVENT_DTYPE), "holds .* not "),
        (np.zeros((2, 2), RECORD), "one dimension"),
        (np.zeros((), RECORD), "one dimension"),
        ([1, 2, 3], "one dimension"),
    ],
)
def test_publishing_anything_else_is_refused(
    make_ring: Callable[..., RingBuffer], multi: bool, records: Any, message: str
) -> None:
    """numpy would turn it into records without a word; nothing is published."""
    ring = make_ring(8, multi_producer=multi)
    with pytest.raises(TypeError, match=message):
        ring.producer().publish(records)
    assert read_all(ring) == []


def test_records_with_gaps_between_them_are_published_right(
    make_ring: Callable[..., RingBuffer],
) -> None:
    """A strided view of an array is copied first, each time."""
    ring = make_ring(8)
    records = make_records(1, 1, 6)
    producer = ring.producer()
    producer.publish(records[::2])
    records["id"] += 6
    fill(records, 1, 7)
    producer.publish(records[::2])
    assert read_all(ring) == [1, 3, 5, 7, 9, 11]


def test_thirty_three_producers_are_one_too_many(make_ring: Callable[..., RingBuffer]) -> None:
    """Each has an entry; one given back is used again."""
    ring = make_ring(8, multi_producer=True)
    producers = [ring.producer() for _ in range(layout.MAX_PRODUCERS)]
    with pytest.raises(RingError, match="already has 32 producers"):
        ring.producer()
    producers[5].close()
    assert ring.producer().publish(make_records(1, 1, 1)) == 1
