"""The ring: wrap, back-pressure, several consumers, real processes, a producer killed."""

import os
import signal
import time
from collections.abc import Callable

import numpy as np
import pytest

from openoutcry.ring import ProcessIdentity, RingBuffer
from openoutcry.ring.segment import segment_name
from openoutcry.wire import ORDER_DTYPE
from tests.support.ring import ring as shared
from tests.support.ring.ring import orders, take
from tests.support.waiting import BOUND_S

make_ring = shared.make_ring


def test_records_cross_processes_whole_and_in_order(make_ring: Callable[..., RingBuffer]) -> None:
    """Two real consumers check 20,000 records each through a ring of 16 slots."""
    ring = make_ring(16, ("a", "b"))
    total = 20_000

    def consume(name: str) -> None:
        reader, got = ring.reader(name), 0
        deadline = time.monotonic() + BOUND_S
        while got < total and time.monotonic() < deadline:
            batch = reader.poll()
            expected = orders(got + 1, len(batch))
            expected["seq"] = expected["order_id"]
            if not np.array_equal(batch, expected):
                os._exit(2)
            reader.release(len(batch))
            got += len(batch)
            if not len(batch):
                os.sched_yield()
        os._exit(0 if got == total else 3)

    children = []
    for name in ("a", "b"):
        pid = os.fork()
        if pid == 0:
            consume(name)
        children.append(pid)
    producer = ring.producer()
    for first in range(1, total + 1, 500):
        producer.publish(orders(first, 500), timeout_s=BOUND_S)
    for pid in children:
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


@pytest.mark.promise(
    "A process killed at any point leaves a working ring; nothing published is lost. A "
    "stopped stage is reported and restarted; one that a fault killed leaves the stack that "
    "it died with, in the result and in a venue's log",
    group="shared-memory",
)
def test_a_ring_continues_after_a_producer_is_killed_at_random() -> None:
    """Its successor finds the last published sequence from the slots: nothing lost, nothing
    doubled, no half-written record seen (seeded: 20 kills).  Each is killed once it has published
    a number of records: a slow machine cannot turn this into killing what has not begun."""
    rng = np.random.default_rng(7)
    name = segment_name(ProcessIdentity.mine(), "test-kill")
    with RingBuffer.create(name, 64, ORDER_DTYPE, ["a"]) as ring:
        reader, got, kills = ring.reader("a"), 0, 0

        def produce() -> None:
            producer = ring.producer()
            while True:
                producer.publish(orders(ring.published + 1, 5))

        while kills < 20:
            pid = os.fork()
            if pid == 0:
                produce()
            goal, deadline = got + int(rng.integers(1, 3_000)), time.monotonic() + BOUND_S
            while got < goal:
                assert time.monotonic() < deadline, f"{got} records of {goal}"
                got = take(reader, got)
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            kills += 1
        while (now := take(reader, got)) > got:
            got = now
        assert got == ring.published > 100
