"""Lanes: merged fairly, and what was sequenced of each is known after any death."""

import time
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from openoutcry.flow import GeneratedFlow
from openoutcry.journal import Journal, JournalError, JournalReader, note_at
from openoutcry.journal.core import Core
from openoutcry.pipeline.result import source_account
from openoutcry.pipeline.stages import gateway as gateway_stage
from openoutcry.pipeline.topology import TOPOLOGY
from openoutcry.pipeline.worker import CompiledStages
from openoutcry.risk import speed_bump
from openoutcry.risk.bits import Setting
from openoutcry.risk.region import View
from openoutcry.runtime.lanes import SHIFT, LaneCounts, journaled_lanes, last_of_lanes
from openoutcry.runtime.shared import Shared
from openoutcry.runtime.table import OPERATOR_LANE, Geometry, Ring
from openoutcry.runtime.words import BURST
from openoutcry.runtime.work import PipelineError, Work
from openoutcry.wire import ORDER_DTYPE
from openoutcry.wire.enums import CommandKind

FLOOD = 64 * BURST
TABLE = TOPOLOGY.without("journal").extended(
    rings=[
        Ring("operator", "order", 64, 64, 64, lane=OPERATOR_LANE),
        Ring("lane2", "order", 64, 64, 64, lane=2),
    ]
)
"""Three lanes; the two new ones have a source outside of the table."""


@pytest.fixture
def shared() -> Iterator[Shared]:
    sizes = {"lane": FLOOD, "operator": 64, "lane2": 64, "sequenced": 2 * FLOOD, "events": 64}
    memory = Shared(Geometry(sizes), TABLE)
    yield memory
    memory.unlink()


def gateway(shared: Shared, hooks: dict[str, Any] | None = None) -> CompiledStages:
    instruments = GeneratedFlow("normal", 1, 1).instruments
    work = Work(
        shared=shared,
        core=Core(instruments, 1024, hooks=hooks),
        rate=0,
        limit=0,
        durability="none",
        journal=None,
        writer=None,
    )
    return CompiledStages(work, ("gateway",))


def step(group: CompiledStages) -> int:
    """One step of the gateway; how many commands it sequenced."""
    return int(gateway_stage.step(group.contexts.address_of("gateway")))


def send(shared: Shared, lane: str, first_id: int, count: int) -> None:
    records = np.zeros(count, ORDER_DTYPE)
    records["order_id"] = np.arange(first_id, first_id + count)
    shared.rings[lane].producer().publish(records)


def sequenced(shared: Shared) -> list[int]:
    """Order ids in the global sequence."""
    count = shared.sequenced.published
    return np.concatenate(
        [view["order_id"] for view in shared.sequenced.views(1, count)] or [np.zeros(0, np.int64)]
    ).tolist()


def test_a_trickling_lane_waits_for_one_burst_of_a_flooding_one(shared: Shared) -> None:
    """Before each command of the trickle stand at most BURST commands of the flood that were not
    sequenced when it came."""
    group = gateway(shared)
    send(shared, "lane", 1, FLOOD)
    for number in range(10):
        before = shared.sequenced.published
        send(shared, "lane2", 10**6 + number, 1)
        while 10**6 + number not in sequenced(shared)[before:]:
            assert step(group) > 0
        assert shared.sequenced.published - before <= BURST + 1


def test_lanes_that_all_flood_take_turns_of_a_burst(shared: Shared) -> None:
    """Equal shares, the operator's lane among them."""
    group = gateway(shared)
    for lane, first in (("lane", 1), ("lane2", 1001), ("operator", 2001)):
        send(shared, lane, first, BURST)
    send(shared, "lane", 1 + BURST, BURST)
    taken = [step(group) for _ in range(4)]
    assert taken == [BURST] * 4
    lanes = [order_id // 1000 for order_id in sequenced(shared)]
    assert lanes == [0] * BURST + [2] * BURST + [1] * BURST + [0] * BURST


DELAYED = {"name": "risk", "participants": 4, "order_capacity": 1024, "delayed": 16}


@pytest.fixture
def bumped() -> Iterator[Shared]:
    """As ``shared``, with the state of a core that has a speed bump."""
    instruments = GeneratedFlow("normal", 1, 1).instruments
    core = Core(instruments, 1024, hooks=DELAYED)
    sizes = {"lane": FLOOD, "operator": 64, "lane2": 64, "sequenced": 2 * FLOOD, "events": 64}
    memory = Shared(Geometry(sizes), TABLE, region_bytes=core.region_bytes)
    assert memory.region is not None
    memory.region[:] = core.fresh().region
    yield memory
    memory.unlink()


def somebody_waits_until(shared: Shared, release_ns: int) -> None:
    assert shared.region is not None
    words = View(shared.region).bump
    assert words is not None
    words[speed_bump.NEXT_NS // 8] = release_ns


def core_is_at(shared: Shared, seq: int) -> None:
    shared.sequenced.cursors["matcher"][0] = seq


def test_whose_time_has_come_waits_for_no_other_command(bumped: Shared) -> None:
    """Once the core has had all, a RELEASE of the operator's is sequenced, by the clock that stamps
    what comes, and only then; of no lane anything is lost by it."""
    group = gateway(bumped, DELAYED)
    send(bumped, "operator", 2001, 3)
    assert step(group) == 3
    offset = bumped.control.block.epoch_offset
    due = time.monotonic_ns() + offset + 20_000_000
    somebody_waits_until(bumped, due)
    assert step(group) == 0, "the core is not there yet"
    core_is_at(bumped, 3)
    while not step(group):
        pass
    assert [step(group) for _ in range(100)] == [0] * 100, "the core has not had it"
    (release,) = bumped.sequenced.views(4, 1)[0]
    assert (release["kind"], release["order_type"]) == (CommandKind.RISK, Setting.RELEASE)
    assert (release["participant"], release["error_code"], release["seq"]) == (0, 0, 4)
    assert due <= release["rx_ts_ns"] <= time.monotonic_ns() + offset
    assert bumped.lane_words(3, 2).tolist() == [3 << SHIFT | OPERATOR_LANE] * 2
    assert bumped.lane_places() == {"lane": 0, "operator": 3, "lane2": 0}
    core_is_at(bumped, 4)
    somebody_waits_until(bumped, speed_bump.NEVER)
    assert step(group) == 0
    send(bumped, "operator", 2004, 1)
    assert step(gateway(bumped, DELAYED)) == 1, "a gateway that is started again goes on"
    assert bumped.lane_places()["operator"] == 4


def test_a_run_ends_when_no_command_waits_any_more(bumped: Shared) -> None:
    group = gateway(bumped, DELAYED)
    send(bumped, "lane2", 1, 1)
    assert step(group) == 1
    somebody_waits_until(bumped, time.monotonic_ns() + 3_600 * 10**9 + 2**61)
    for lane in ("operator", "lane2"):
        bumped.rings[lane].close()
    index = bumped.table.index
    bumped.control.stage(index["receive"]).done = 1

    def done() -> int:
        step(group)
        return bumped.control.stage(index["gateway"]).done

    assert done() == 0, "the core is behind"
    core_is_at(bumped, 1)
    assert done() == 0, "somebody waits"
    somebody_waits_until(bumped, speed_bump.NEVER)
    assert done() == 2


def test_a_speed_bump_needs_the_operators_lane() -> None:
    sizes = {ring.name: 64 for ring in TOPOLOGY.rings}
    shared = Shared(Geometry(sizes), TOPOLOGY, region_bytes=4096)
    try:
        with pytest.raises(PipelineError, match="operator's lane"):
            gateway(shared, DELAYED)
    finally:
        shared.unlink()


def test_a_gateway_started_again_finds_every_lane_where_it_was(shared: Shared) -> None:
    """Also when it died after publishing a burst and before giving back the lane's slots."""
    group = gateway(shared)
    send(shared, "lane", 1, 3 * BURST)
    send(shared, "lane2", 1001, 5)
    send(shared, "operator", 2001, 2)
    for _ in range(4):
        step(group)
    cursors = {lane.name: shared.rings[lane.name].cursors["gateway"] for lane in TABLE.lanes}
    places = shared.lane_places()
    assert places == {name: int(cursor[0]) for name, cursor in cursors.items()}
    cursors["lane"][0] -= BURST
    assert shared.lane_places() == places
    again = gateway(shared)
    while step(again):
        pass
    ids = sequenced(shared)
    assert len(ids) == len(set(ids)) == 3 * BURST + 7
    assert [i for i in ids if i < 1000] == list(range(1, 3 * BURST + 1))


def test_the_last_sequence_of_each_lane_is_read_from_lane_words() -> None:
    """A lane word carries number and sequence."""
    words = np.array([5 << SHIFT | 1, 6 << SHIFT | 1, 9 << SHIFT | 0, 2**40 << SHIFT | 2])
    assert last_of_lanes(words) == {0: 9, 1: 6, 2: 2**40}
    assert last_of_lanes(words[:0]) == {}


def records(first: int, count: int):
    orders = np.zeros(count, ORDER_DTYPE)
    orders["seq"] = np.arange(first, first + count)
    return orders


def test_the_journal_says_with_each_block_how_far_every_lane_had_come(tmp_path) -> None:
    """In the block itself: the note of the block that has a sequence, also across segments."""
    counts = LaneCounts(TABLE, {"lane": 0, "operator": 0, "lane2": 0})
    with Journal.create(tmp_path / "j", {}, segment_bytes=3 * 4096) as writer:
        for first, number in ((1, 1), (11, 2), (21, 1), (31, 0)):
            words = np.arange(first, first + 10) << SHIFT | number
            writer.append(first, [records(first, 10)], 10, 0, note=counts.after(words))
    assert note_at(tmp_path / "j", 1)["lanes"] == {"lane": 10, "operator": 0, "lane2": 0}
    assert journaled_lanes([tmp_path / "j"], TABLE, 20) == {"lane": 10, "operator": 0, "lane2": 20}
    assert journaled_lanes([tmp_path / "j"], TABLE, 40) == {"lane": 30, "operator": 40, "lane2": 20}
    assert [len(orders) for _, orders in JournalReader(tmp_path / "j").chunks()] == [10] * 4
    with pytest.raises(JournalError, match="does not hold sequence 41"):
        journaled_lanes([tmp_path / "j"], TABLE, 41)


def test_of_one_lane_nothing_need_be_journaled() -> None:
    """Its sequences are the commands' own."""
    assert journaled_lanes([], TOPOLOGY, 17) == {"lane": 17}


def test_records_of_a_network_are_accounted_for_on_their_own_lane(shared: Shared) -> None:
    """The operator's commands are no records of the network's.  What a killed receive stage had
    published and not counted, and what the gateway has not sequenced, is each a count of its own;
    none is below zero."""
    group = gateway(shared)
    send(shared, "operator", 1, 9)
    send(shared, "lane", 100, 30)
    while step(group):
        pass
    send(shared, "lane", 200, 4)
    group.work.ports = SimpleNamespace(account=lambda: {"system_drops": 0})
    options: Any = SimpleNamespace(source=None)
    for counted in (34, 27):
        state: Any = SimpleNamespace(outcome={"ports": {"records": counted}})
        assert source_account(group.work, state, options) == {
            "records": counted,
            "records_uncounted": 34 - counted,
            "records_not_sequenced": 4,
            "system_drops": 0,
        }
