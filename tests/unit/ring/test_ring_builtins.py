"""The calls that Python makes once a message: the same ring, whatever way it is used."""

import sys
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from openoutcry.ring import (
    RingBuffer,
    RingFull,
    WaitStrategy,
    builtins,
    handles,
)
from openoutcry.ring.reader import SINGLE_SLOTS_MAX
from tests.support.ring import ring_builtins as shared
from tests.support.ring.ring_builtins import both_kinds
from tests.support.ring.ring_processes import RECORD, check_whole, make_records, ring_name

make_ring = shared.make_ring


@pytest.mark.parametrize("capacity", [8, 2 * SINGLE_SLOTS_MAX])
@given(st.lists(st.integers(0, 4), max_size=60), st.booleans(), st.booleans())
def test_a_loop_gets_every_record_once_and_in_order(
    capacity: int, bursts: list[int], multi: bool, again: bool
) -> None:
    """Bursts of any size, from one buffer used again or from new ones, by one record or many, with
    the views of single slots and on rings too large for them."""
    name = ring_name("loop")
    with RingBuffer.create(name, capacity, RECORD, ["a"], multi_producer=multi) as ring:
        producer = ring.producer("fail")
        buffer, got, sent = make_records(1, 1, 1), 0, 0
        batches = iter(ring.reader("a"))
        for size in bursts:
            if again and size == 1:
                buffer[:] = make_records(1, sent + 1, 1)
                producer.publish(buffer)
            else:
                producer.publish(make_records(1, sent + 1, size))
            sent += size
            while got < sent:
                batch = next(batches)
                check_whole(batch, got + 1)
                got += len(batch)
        ring.close()
        assert [len(batch) for batch in batches] == []
        assert ring.cursors["a"][0] == sent


@both_kinds
@pytest.mark.parametrize("count", [3, 1000])
def test_all_or_none_holds_for_few_records_and_many(
    make_ring: Callable[..., RingBuffer], multi: bool, count: int
) -> None:
    """FAIL publishes nothing of what does not fit, the same buffer again included; and all of it as
    soon as it fits."""
    ring = make_ring(1024, multi_producer=multi)
    producer, records = ring.producer("fail"), make_records(1, 1, count)
    for _ in range(1024 // count):
        producer.publish(records)
    left = producer.free_slots()
    with pytest.raises(RingFull):
        producer.publish(records)
    assert producer.free_slots() == left == 1024 % count
    reader = ring.reader("a")
    reader.release(len(reader.poll(count)))
    assert producer.publish(records) == count


def test_what_a_loop_was_left_with_is_read_again(make_ring: Callable[..., RingBuffer]) -> None:
    """Break leaves the batch unreleased; the next loop begins with it."""
    ring = make_ring(8)
    with ring.producer() as producer:
        for number in range(1, 4):
            producer.publish(make_records(1, number, 1))
        reader = ring.reader("a")
        for batch in reader:
            assert batch["stamp"].tolist() == [1, 2, 3]
            break
        producer.publish(make_records(1, 4, 1))
        ring.close()
    assert [batch["stamp"].tolist() for batch in reader] == [[1, 2, 3, 4]]


def test_a_builtin_answers_as_its_kernel_and_leaks_nothing(
    make_ring: Callable[..., RingBuffer],
) -> None:
    """Ints beyond the small ones that Python keeps have one reference, the caller's."""
    ring = make_ring(1024)
    reader = ring.reader("a", WaitStrategy.PAUSE)
    next_batch = builtins.next_batch(reader.barrier.handle)
    assert next_batch() == -1
    ring.producer().publish(make_records(1, 1, 600))
    answer = next_batch()
    assert answer == -601
    # The name and the argument; newer Pythons do not count the second.
    assert sys.getrefcount(answer) <= 2
    assert reader.barrier.words[handles.HANDLE_START // 8] == 1
    ring.producer().publish(make_records(1, 1, 1))
    slot = next_batch()
    assert sys.getrefcount(slot) <= 2
    assert slot == 601
    assert np.array_equal(ring.slots[slot : slot + 1]["stamp"], [601])
    with pytest.raises(TypeError, match="takes no arguments"):
        next_batch(1)  # type: ignore[call-arg]
