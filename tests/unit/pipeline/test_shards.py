"""Several matchers share the instruments: one stream of events, one event hash and one state hash,
however many they are, whoever is killed, and whatever their number when a journal is resumed."""

import random
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from openoutcry.flow.mixed import MixedFlow
from openoutcry.gateway_fpga import make_rules, validate_orders
from openoutcry.journal.core import Core
from openoutcry.journal.event_hash import hash_array
from openoutcry.matcher import Engine
from openoutcry.matcher.book.shards import spread
from openoutcry.pipeline.run import Options, run
from openoutcry.pipeline.stages import merge
from openoutcry.pipeline.topology import TOPOLOGY, geometry, plan_groups, sharded
from openoutcry.pipeline.worker import CompiledStages
from openoutcry.runtime import control
from openoutcry.runtime.shared import Shared
from openoutcry.runtime.table import TopologyError
from openoutcry.runtime.work import PipelineError, Work
from openoutcry.wire import ORDER_DTYPE, CommandKind, OrderType, TimeInForce, make_instruments
from tests.support.pipeline import shards as shared
from tests.support.pipeline.shards import CAPACITY, options, same

one = shared.one


@pytest.mark.parametrize("seed", range(4, 10))
def test_other_flows_and_numbers_of_shards(seed: int) -> None:
    """Seeded flows with everything in them, three to sixteen shards, some without an instrument."""
    wanted = run(options(1, seed, commands=4_000, topology="inline", durability="none"))
    shards = 3 + (seed * 5) % 14
    same(run(options(shards, seed, commands=4_000, topology="inline", durability="none")), wanted)


def test_the_flow_has_something_in_every_shard() -> None:
    """Else the other tests would show nothing."""
    instruments = MixedFlow(1, 1).instruments
    assert set(spread(instruments, 2)) == {0, 1}
    assert len(set(spread(instruments, 4))) >= 3


@pytest.mark.parametrize("seed", range(3))
def test_a_merge_killed_before_its_state_counts_publishes_the_same_again(seed: int) -> None:
    """Its events are out, its state and cursors are those before the step: what is out is skipped,
    and nothing is missing or doubled."""
    count, table = 6_000, sharded(TOPOLOGY, 3).for_durability("none")
    source = MixedFlow(count, seed)
    (orders,) = source.chunks(count)
    orders["seq"] = np.arange(1, count + 1)
    shared = Shared(geometry("inline", "none", table), table)
    try:
        shared.preload(source.chunks(), count, count)
        shared.control.block.go = 1
        work = Work(
            shared=shared,
            core=Core(source.instruments, CAPACITY),
            rate=0,
            limit=count,
            durability="none",
            journal=None,
            writer=None,
        )
        group = CompiledStages(work, table.names)
        rng, killed = random.Random(seed), 0
        while not shared.control.stage(table.index["replies"]).done:
            for row in table.stages:
                if row.name == "merge" and rng.random() < 0.5:
                    killed += step_and_kill(group)
                step(group, row.name)
        assert killed > 10
        events = Engine(source.instruments, CAPACITY).process(validated(orders, work))
        assert shared.control.reply.cursor == len(events)
        assert shared.control.reply.event_hash == hash_array(0, events)
    finally:
        shared.unlink()


def validated(orders: Any, work: Work) -> Any:
    """The commands as the gateway hands them on."""
    validate_orders(orders, make_rules(work.instruments, work.settings))
    return orders


def step(group: CompiledStages, name: str) -> int:
    module = group.work.table[name].code
    return int(module.step(group.contexts.address_of(name)))


def step_and_kill(group: CompiledStages) -> int:
    """A step of merge of which all but the publication is lost, and its start; 1 if it did any."""
    shared = group.work.shared
    words = shared.control.segment.words(0, control.CONTROL_BYTES // 8)
    words = words[control.ControlSegment.offset("merge_which") // 8 :]
    cursors = [shared.rings[ring].cursors["merge"] for ring in shared.table.inputs("merge")]
    state, places = words.copy(), [cursor.copy() for cursor in cursors]
    did = step(group, "merge")
    words[:] = state
    for cursor, place in zip(cursors, places, strict=True):
        cursor[:] = place
    merge.prepare(group, "merge")
    return int(did > 0)


class Sweeps:
    """Many orders of two participants in twelve instruments, and commands to all of them: some
    that take more orders than any ring has slots, some that take none, some that are refused."""

    name, account, count_hint = "sweeps", dict[str, int](), None
    symbols = tuple(f"SYM{index}" for index in range(12))

    def __init__(self) -> None:
        self.instruments = make_instruments(self.symbols)

    def chunks(self) -> Iterator[Any]:
        orders = np.zeros(2_400, ORDER_DTYPE)
        at = np.arange(len(orders))
        orders["kind"], orders["order_type"] = CommandKind.NEW, OrderType.LIMIT
        orders["time_in_force"], orders["aux"] = TimeInForce.GTD, 1_000 + at * 7919 % 500
        orders["order_id"], orders["participant"] = at + 1, 1 + at % 2
        orders["symbol"] = [self.symbols[index * 5 % 12] for index in range(len(orders))]
        orders["side"], orders["qty_lots"] = 1 + at // 12 % 2, 10
        orders["price_ticks"] = 1_000 + 200 * (at // 12 % 2) + at // 24
        yield orders
        house = [
            (CommandKind.TIME, 0, 900, 0), (CommandKind.TIME, 0, 800, 0),
            (CommandKind.MASS_CANCEL, 3, 0, 0), (CommandKind.TIME, 0, 1_100, 0),
            (CommandKind.MASS_CANCEL, 1, 0, 1), (CommandKind.MASS_CANCEL, 1, 9, 0),
            (CommandKind.DISCONNECT, 1, 0, 0), (CommandKind.TIME, 7, 2_000, 0),
            (CommandKind.DISCONNECT, 1, 0, 0), (CommandKind.TIME, 0, 1_300, 0),
            (CommandKind.MASS_CANCEL, 0, 1, 0), (CommandKind.TIME, 0, 9_000, 0),
        ]  # fmt: skip
        commands = np.zeros(len(house), ORDER_DTYPE)
        for command, (kind, who, aux, side) in zip(commands, house, strict=True):
            command["kind"], command["participant"] = kind, who
            command["aux"], command["side"] = aux, side
        yield commands


@pytest.mark.parametrize("shards", [2, 5])
def test_commands_to_all_are_answered_as_by_one_and_may_be_larger_than_the_rings(
    shards: int,
) -> None:
    """The merge hands on a command's events before its last is there: no shard waits for ever."""

    def swept(count: int) -> dict[str, Any]:
        table = sharded(TOPOLOGY, count)
        rings = tuple(
            replace(ring, inline=64) if ring.record == "event" else ring for ring in table.rings
        )
        return run(
            Options(
                source=Sweeps(),
                wiring=replace(table, rings=rings),
                topology="inline",
                durability="none",
                order_capacity=CAPACITY,
            )
        )

    wanted = swept(1)
    kinds = wanted["event_kinds"]
    assert kinds["EXPIRED"] > 600
    assert kinds["CANCELLED"] > 600
    assert kinds["COMPLETED"] >= 7
    assert wanted["rejects"].keys() >= {"TIME_BACKWARDS", "GATEWAY"}
    same(swept(shards), wanted)


def test_hooks_need_one_matcher() -> None:
    """Their state is about all instruments."""
    run_options = options(2, topology="inline", durability="none")
    run_options.hooks = {"name": "any"}
    with pytest.raises(PipelineError, match=r"hooks .* one matcher"):
        run(run_options)


def test_the_table_of_shards() -> None:
    """One matcher is the table as it is; more have a row and a ring each."""
    assert sharded(TOPOLOGY, 1) is TOPOLOGY
    table = sharded(TOPOLOGY, 3)
    assert table.shards == 3
    assert table.inputs("merge") == ("events-0", "events-1", "events-2", "sequenced")
    assert table.names == (
        "receive",
        "gateway",
        "journal",
        "matcher",
        "matcher-1",
        "matcher-2",
        "merge",
        "gate",
        "replies",
    )
    assert [row.name for row in table.path] == [row.name for row in TOPOLOGY.path]
    assert type(table).from_json(table.to_json()) == table
    groups = {
        g.name: g.stages for g in plan_groups(list(range(7)), housekeeping_cores=1, table=table)
    }
    assert groups["matcher"] == ("matcher",)
    with pytest.raises(TopologyError, match="17 shards, not 1 to 16"):
        sharded(TOPOLOGY, 17)
