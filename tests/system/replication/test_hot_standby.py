"""A hot standby over a real cluster, beside a publisher in the same process: a falsified core is
found, an old primary releases nothing."""

import time
from dataclasses import replace

import numpy as np
import pytest

from openoutcry.flow import GeneratedFlow
from openoutcry.journal import Journal
from openoutcry.journal.replay import instruments_to_json
from openoutcry.matcher import Engine
from openoutcry.matcher.state.snapshot import decode, encode
from openoutcry.replica.actions import MS, Timing, holder_of
from openoutcry.replica.hot_standby import HotStandby
from openoutcry.replica.message import NO_CHECK, Check
from openoutcry.replica.place import PLACE_FILE
from openoutcry.replica.publisher import Publisher
from openoutcry.wire.errors import ReplicaError
from tests.support.waiting import BOUND_S, wait_until

CAPACITY = 4096
BLOCK = 200
LEASE = Timing(2_000 * MS, 300 * MS, 300 * MS)


class Pair:
    """A primary that is played by the test, and a standby."""

    def __init__(self, folder, cluster, venue, timing=LEASE):
        flow = GeneratedFlow("normal", 20 * BLOCK, 22)
        self.orders = np.concatenate(list(flow.chunks()))
        self.orders["seq"] = np.arange(1, len(self.orders) + 1)
        config = {
            "instruments": instruments_to_json(flow.instruments),
            "order_capacity": CAPACITY,
        }
        self.engine = Engine(flow.instruments, CAPACITY)
        self.writer = Journal.create(folder / "a", config)
        self.publisher = Publisher(
            folder / "a", cluster.access, venue, holder_of("a", "1"), timing=timing
        )
        self.publisher.begin(BOUND_S)
        self.standby = HotStandby(folder / "b", cluster.access, venue, holder_of("b", "1"), timing)
        self.standby.driver.subscribe()
        self.rest = []
        self.check = NO_CHECK
        self.may_lead = False
        """Both share a thread: a lease that ran out because it had no core is not the standby's."""

    def trade(self):
        """One block more."""
        first = self.writer.written_seq + 1
        orders = self.orders[first - 1 : first - 1 + BLOCK].copy()
        self.writer.append(first, [orders], BLOCK, time.time_ns(), durable=True)
        self.engine.process(orders)
        seq = self.engine.last_seq
        self.check = Check(seq, 0, bytes.fromhex(self.engine.state_hash()))
        self.publisher.read()

    def turn(self):
        self.publisher.read()
        self.publisher.turn(0.002, self.check)
        self.follow()

    def follow(self):
        self.standby._carry_out(self.rest)
        self.standby.machine.electable = self.may_lead
        self.rest = self.standby.driver.turn(0.002)

    def catch_up(self):
        def level():
            self.turn()
            machine = self.standby.machine
            return machine.verified_seq >= self.writer.written_seq

        wait_until(level, "the standby has caught up")

    def close(self):
        self.publisher.close()
        self.standby.close()
        self.writer.close()


@pytest.fixture
def pair(tmp_path, cluster, request):
    node_pair = Pair(tmp_path, cluster, f"P{abs(hash(request.node.name)) % 10**9}")
    yield node_pair
    node_pair.close()


def test_both_cores_are_compared_block_by_block(pair):
    for count in range(1, 6):
        pair.trade()
        pair.catch_up()
        assert pair.standby.machine.verified_states >= count
    assert pair.standby.point.engine.state_hash() == pair.engine.state_hash()
    assert pair.standby.machine.lag_blocks == 0


def test_one_lot_changed_is_found_within_one_block(pair):
    pair.trade()
    pair.catch_up()
    point = pair.standby.point
    state = decode(point.engine.snapshot())
    rows = state.rows.copy()
    rows["qty_lots"][len(rows) // 2] += 1
    point.engine = Engine.restore(encode(replace(state, rows=rows)), CAPACITY)
    pair.trade()

    with pytest.raises(ReplicaError) as error:
        wait_until(pair.turn, "the changed lot is found")
    assert f"after command {2 * BLOCK} the state" in str(error.value)
    assert f"the same after command {BLOCK}" in str(error.value)
    pair.rest = []


def test_an_old_primary_that_wakes_releases_nothing(pair):
    pair.trade()
    pair.catch_up()
    # From here on the old one is asleep; what it has written is nobody's but its own.
    pair.writer.append(BLOCK + 1, [pair.orders[BLOCK : 2 * BLOCK].copy()], BLOCK, 5, durable=True)
    lead = None
    machine = pair.standby.machine

    pair.may_lead = True

    def led():
        pair.follow()
        return machine.role.name == "LEADING"

    wait_until(led, "the standby takes over")
    lead = machine.tip
    assert lead.epoch >= 2  # more, if its first lease ran out on a busy machine
    assert lead.last_seq == BLOCK
    released = pair.publisher.safe_seq

    def ended():
        pair.publisher.read()
        pair.publisher.turn(0.002)
        assert pair.publisher.cut_off, "its lease is over"
        return pair.publisher.stopped

    wait_until(ended, "the old primary notices")
    assert pair.publisher.safe_seq == released == BLOCK


def test_another_journals_standby_is_reported_and_touches_nothing(tmp_path, pair, cluster):
    pair.trade()
    pair.catch_up()
    config = {"instruments": instruments_to_json(pair.engine.instruments), "order_capacity": 64}
    with Journal.create(tmp_path / "other", config):
        pass
    before = sorted((p.name, p.read_bytes()) for p in (tmp_path / "other").glob("segment-*"))
    other = HotStandby(
        tmp_path / "other", cluster.access, pair.publisher.venue, holder_of("c", "1"), LEASE
    )
    with pytest.raises(ReplicaError, match="another journal"):
        other.follow(lambda: False, lambda: False)
    other.close()
    after = sorted((p.name, p.read_bytes()) for p in (tmp_path / "other").glob("segment-*"))
    assert [(n, d.rstrip(b"\0")) for n, d in after] == [(n, d.rstrip(b"\0")) for n, d in before]


def followed(standby, enough):
    began_s = time.monotonic()
    standby.follow(lambda: enough() or time.monotonic() > began_s + BOUND_S, lambda: False)
    assert enough()


def test_a_standby_that_was_killed_keeps_the_blocks_that_it_reads_again(tmp_path, pair, cluster):
    """It has noted nothing yet: it reads from the first epoch on, which is another node's."""
    for _ in range(3):
        pair.trade()
        pair.catch_up()
    killed = pair.standby
    blocks, tip = killed.local.next_block, killed.machine.applied_tip
    killed.driver.close()
    killed.local.lock.release()
    pair.standby = again = HotStandby(
        tmp_path / "b", cluster.access, pair.publisher.venue, holder_of("b", "2"), LEASE
    )
    followed(again, lambda: again.machine.applied_tip.position >= tip.position)
    assert (again.cuts, again.local.next_block, again.point.seq) == (0, blocks, 3 * BLOCK)
    assert again.machine.applied_tip == tip


def test_a_journal_that_has_more_than_the_quorum_is_cut_when_it_follows(tmp_path, pair, cluster):
    pair.trade()
    pair.catch_up()
    pair.writer.append(BLOCK + 1, [pair.orders[BLOCK : 2 * BLOCK].copy()], BLOCK, 5, durable=True)

    pair.may_lead = True

    def led():
        pair.follow()
        return pair.standby.machine.role.name == "LEADING"

    wait_until(led, "the standby takes over")
    pair.publisher.close()
    pair.writer.close()
    (tmp_path / "a" / PLACE_FILE).unlink()  # it reads again what it published itself
    notices = []
    again = HotStandby(
        tmp_path / "a",
        cluster.access,
        pair.publisher.venue,
        holder_of("a", "2"),
        LEASE,
        say=notices.append,
    )
    epoch = pair.standby.machine.tip.epoch  # a busy standby claims more than once
    followed(again, lambda: again.machine.applied_tip.epoch >= epoch)
    again.close()
    assert again.local.next_block == pair.standby.machine.tip.next_block
    assert again.point.seq == BLOCK
    assert any("are cut off" in line for line in notices)
