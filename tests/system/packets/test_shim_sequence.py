"""Every packet is accounted for: gaps, late comers, doubles, two lines of one feed, a full ring."""

import os
import signal
import threading
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from openoutcry.dpdk_shim.shim import Shim, make_state
from openoutcry.dpdk_shim.spec import parse_port
from tests.support.dpdk_shim import shim_sequence as shared
from tests.support.dpdk_shim.shim_sequence import RANGES, numbered, through
from tests.support.dpdk_shim.shim_wire import (
    drain,
    frame,
    make_ring,
    packets_of,
    random_orders,
    write_pcap,
)
from tests.support.ring.ring_processes import Children, shared_words
from tests.support.waiting import BOUND_S, wait_until

_built = shared._built


class Reference:
    """Which packets of one sender are handed on: a set of numbers for each gap."""

    def __init__(self) -> None:
        self.next, self.floor = 1, 1
        self.gaps: list[set[int]] = []
        self.counts = dict.fromkeys(
            ("gap_records", "late_packets", "late_records", "duplicate_packets", "stale_packets"), 0
        )

    def take(self, first: int, count: int) -> bool:
        numbers = set(range(first, first + count))
        if first >= self.next:
            if first > self.next:
                self.counts["gap_records"] += first - self.next
                self.gaps.append(set(range(self.next, first)))
                self._forget()
            self.next = first + count
            return True
        for index, gap in enumerate(self.gaps):
            if numbers <= gap:
                self.counts["late_packets"] += 1
                self.counts["late_records"] += count
                low = {n for n in gap if n < first}
                high = {n for n in gap if n >= first + count}
                self.gaps[index : index + 1] = [part for part in (low, high) if part]
                self._forget()
                return True
        self.counts["stale_packets" if first < self.floor else "duplicate_packets"] += 1
        return False

    def _forget(self) -> None:
        if len(self.gaps) > RANGES:
            self.floor = max(self.floor, max(self.gaps.pop(0)) + 1)


@given(st.lists(st.tuples(st.integers(1, 90), st.integers(1, 4)), min_size=1, max_size=80))
def test_ranges_are_those_of_the_reference(
    tmp_path_factory: pytest.TempPathFactory, parts: list[tuple[int, int]]
) -> None:
    """Whatever comes in whatever order: each number is handed on at most once, and gaps, late
    comers, doubles and stale packets are counted as by sets of numbers."""
    reference = Reference()
    expected: list[int] = []
    for first, count in parts:
        if reference.take(first, count):
            expected += range(first, first + count)
    ids, account = through(tmp_path_factory.getbasetemp(), [numbered(*part) for part in parts])
    assert ids == expected
    assert len(set(ids)) == len(ids)
    assert {name: account[name] for name in reference.counts} == reference.counts
    assert account["unaccounted"] == 0


def test_run_is_stopped_from_another_thread() -> None:
    """The loop gives the GIL away and ends within a burst when it is told to."""
    with make_ring() as ring, Shim([parse_port("udp:127.0.0.1:0")], ring) as shim:
        runner = threading.Thread(target=shim.run)
        runner.start()
        shim.stop()
        runner.join(BOUND_S)
        assert not runner.is_alive()


@pytest.mark.parametrize(
    "seed", [0, *(pytest.param(seed, marks=pytest.mark.long) for seed in range(1, 6))]
)
def test_a_kill_in_mid_burst_leaves_the_ring_whole(seed: int, tmp_path: Path) -> None:
    """SIGKILL at a random moment: what is published is a beginning without a hole, and the next
    shim goes on behind it; nothing is published twice."""
    orders = random_orders(60_000, seed)
    path = write_pcap(tmp_path / "in.pcap", [frame(p) for p in packets_of(orders, 20)])
    state, started = make_state(), shared_words(1)
    with make_ring(1 << 16) as ring, Children() as children:

        def work() -> None:
            with Shim([parse_port(f"pcap:{path}")], ring, state=state) as shim:
                started[0] = 1
                while True:
                    shim.run(256, timeout_s=BOUND_S)

        pid = children.fork(work)
        dice = np.random.default_rng(seed)
        wait_until(lambda: started[0] == 1 and ring.published > int(dice.integers(1, 2_000)))
        os.kill(pid, signal.SIGKILL)
        children.reap(pid)
        published = ring.published
        assert ring.slots["seq"][published + 1 :].max(initial=0) == 0 or published == 60_000
        with Shim([parse_port(f"pcap:{path}")], ring, state=state) as shim:
            shim.run(timeout_s=BOUND_S)
            account = shim.account()
        records = drain(ring)
    assert records["seq"].tolist() == list(range(1, len(records) + 1))
    ids = records["order_id"].tolist()
    where = {int(number): at for at, number in enumerate(orders["order_id"])}
    places = [where[number] for number in ids]
    assert all(a < b for a, b in pairwise(places))
    missing = len(orders) - len(records)
    assert 0 <= missing <= 64 * 22
    assert account["duplicate_packets"] > 0 or published == 0
