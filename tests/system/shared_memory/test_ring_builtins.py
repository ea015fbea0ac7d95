"""The calls that Python makes once a message: the same ring, whatever way it is used."""

import os
from collections.abc import Callable

import pytest

from openoutcry.ring import (
    RingBuffer,
    RingError,
    RingFull,
)
from tests.support.ring import ring_builtins as shared
from tests.support.ring.ring_builtins import both_kinds
from tests.support.ring.ring_processes import fork, make_records

make_ring = shared.make_ring


@both_kinds
def test_a_buffer_published_before_is_refused_where_a_new_one_is(
    make_ring: Callable[..., RingBuffer], multi: bool
) -> None:
    """Full, a claim open, in a forked child, after close(): nothing is known too well to be looked
    at again."""
    ring = make_ring(2, multi_producer=multi)
    producer, record = ring.producer("fail"), make_records(1, 1, 1)
    reader = ring.reader("a")
    for _ in range(2):
        assert producer.publish(record) == 1
    with pytest.raises(RingFull, match="no room for 1 records"):
        producer.publish(record)
    for _ in reader.drain():
        continue
    claim = producer.claim(1)
    with pytest.raises(RingError, match="publish the claim"):
        producer.publish(record)
    claim.publish()
    assert producer.publish(record) == 1

    def child() -> None:
        with pytest.raises(RingError, match="another process's"):
            producer.publish(record)

    assert os.waitstatus_to_exitcode(os.waitpid(fork(child), 0)[1]) == 0
    for _ in reader.drain():
        continue
    assert producer.publish(record) == 1
    ring.close()
    with pytest.raises(RingError, match="was closed"):
        producer.publish(record)
    producer.close()
    with pytest.raises(RingError, match="this producer is closed"):
        producer.publish(record)
