"""ring/tail.py: what passes is given whole and once, or counted as missed; nobody is disturbed."""

from collections.abc import Callable

import pytest

from openoutcry.ring import ProcessIdentity, RingBuffer
from openoutcry.ring.listing import (
    clean,
)
from openoutcry.ring.segment import segment_name
from openoutcry.ring.tail import tail
from openoutcry.wire import ORDER_DTYPE
from tests.support.ring.ring_owners import OWNER, WRITER, Child, kill, line, orders, ring, spawn

__all__ = ["ring", "spawn"]


@pytest.mark.parametrize("capacity", [2, 64, pytest.param(1 << 14, marks=pytest.mark.long)])
def test_tail_next_to_a_running_writer_misses_by_number_and_never_mixes(
    spawn: Callable[..., Child], capacity: int
) -> None:
    """A writer that laps the ring all the time: every record seen is whole (all its fields belong
    together), sequences rise, each gap is counted, and there are runs without one."""
    name = segment_name(ProcessIdentity.mine(), "hot")
    with RingBuffer.create(name, capacity, ORDER_DTYPE, ["reader"]):
        spawn(WRITER, name)
        before, missed, runs = 0, 0, 0
        for one in tail(name, 3000 if capacity > 2 else 200):
            value = int(one.record["order_id"])
            assert value == one.seq
            for field in ("price_ticks", "qty_lots", "aux", "rx_ts_ns"):
                assert int(one.record[field]) == value * 7 + 3
            if before:
                assert one.seq == before + 1 + one.missed
                runs += one.missed == 0
                missed += one.missed
            before = one.seq
    if capacity > 2:
        assert runs > 0


def test_tail_ends_with_the_ring(spawn: Callable[..., Child], ring: RingBuffer) -> None:
    """Closed, removed, or every process dead: no more can pass, and the tail ends by itself."""
    producer = ring.producer()

    passing = tail(ring.name, 100)
    producer.publish(orders(1, 3))
    ring.close()
    assert [one.seq for one in passing] == [1, 2, 3]
    owner = spawn(OWNER)
    name = line(owner)
    passing = tail(name, 100)
    kill(owner)
    assert list(passing) == []
    assert name in clean().removed
    passing = tail(ring.name, 100)
    ring.unlink()
    assert list(passing) == []
