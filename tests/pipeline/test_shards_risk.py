"""Risk over several matchers: each has partitions of the instruments and parts of the limits, and
what one matcher says with as many partitions is what any number of them says, byte for byte."""

import importlib
import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from shard_kills import run_with_deaths

from openoutcry.flow import GeneratedFlow
from openoutcry.flow.mixed import INSTRUMENTS, MixedFlow
from openoutcry.pipeline import control as ct
from openoutcry.pipeline.options import PipelineError
from openoutcry.pipeline.run import Options, Watcher, run
from openoutcry.pipeline.shared import Shared
from openoutcry.pipeline.stall import work_of
from openoutcry.pipeline.topology import TOPOLOGY, geometry
from openoutcry.pipeline.worker import StageGroup, Work
from openoutcry.replay.checkpoint import recover
from openoutcry.risk import layout as lay
from openoutcry.risk.bits import NO_LIMIT, Setting
from openoutcry.risk.region import View, setting
from openoutcry.wire import ORDER_DTYPE, make_instruments
from openoutcry.wire.enums import CommandKind

CAPACITY, COMMANDS, PARTITIONS, PEOPLE = 1 << 14, 9_000, 8, 33
KEYS = ("commands", "events", "state_hash", "event_hash", "open_orders", "event_kinds", "rejects")
LIMITED = {"min_price_ticks": 10, "max_price_ticks": 200_000}
OF_PEOPLE = (Setting.CREDIT, Setting.OPEN_ORDERS, Setting.GROSS_POSITION, Setting.EXPOSURE_BUY,
             Setting.EXPOSURE_SELL, Setting.DEPOSIT, Setting.GROUP, Setting.KILL,
             Setting.RATE)  # fmt: skip
OF_INSTRUMENTS = (Setting.HALT, Setting.FEE, Setting.MARGIN, Setting.WEIGHT, Setting.MARK)


class Governed(MixedFlow):
    """The mixed flow in many instruments, its participants folded into a few, and between its
    commands the operator's: sequenced time, limits of everybody, switches, halts."""

    def __init__(self, count: int = COMMANDS, seed: int = 3) -> None:
        super().__init__(count, seed)
        self.instruments = make_instruments([LIMITED | dict(row) for row in INSTRUMENTS])
        self.seed_of_limits = seed

    def chunks(self, chunk: int = 1 << 14) -> Iterator[Any]:
        rng = np.random.default_rng([self.seed_of_limits, 29])
        symbols, now = self.instruments["symbol"].tolist(), 0
        for orders in super().chunks(chunk):
            who = orders["participant"]
            orders["participant"] = np.where(who > 0, 1 + who % (PEOPLE - 1), 0)
            mixed = []
            for at in range(0, len(orders), 40):
                now += int(rng.integers(1, 10**6))
                mixed += [self.drawn(rng, symbols) for _ in range(int(rng.integers(0, 4)))]
                time = np.zeros(1, ORDER_DTYPE)
                time["kind"], time["aux"] = CommandKind.TIME, now
                mixed += [time, orders[at : at + 40]]
            yield np.concatenate(mixed)

    def drawn(self, rng: Any, symbols: list[bytes]) -> Any:
        who, symbol = int(rng.integers(1, PEOPLE)), symbols[int(rng.integers(len(symbols)))]
        if rng.random() < 0.3:
            what = OF_INSTRUMENTS[int(rng.integers(len(OF_INSTRUMENTS)))]
            value = int(rng.random() < 0.2) if what is Setting.HALT else int(rng.integers(1, 9))
            return setting(what, value, 0, symbol)
        if rng.random() < 0.1:
            return setting(Setting.GROUP_GROSS_POSITION, int(rng.integers(200, 9_000)), 1)
        what = OF_PEOPLE[int(rng.integers(len(OF_PEOPLE)))]
        values = {
            Setting.OPEN_ORDERS: int(rng.integers(2, 60)), Setting.GROUP: int(rng.integers(0, 3)),
            Setting.KILL: int(rng.random() < 0.3), Setting.RATE: int(rng.integers(0, 10**4)),
            Setting.GROSS_POSITION: int(rng.integers(50, 5_000)),
        }  # fmt: skip
        value = values.get(what, int(rng.integers(10**6, 10**9)))
        return setting(what, NO_LIMIT if rng.random() < 0.1 else value, who, b"", 20)


def options(shards: int, partitions: int = PARTITIONS, **more: Any) -> Options:
    hooks = {"name": "risk", "participants": PEOPLE, "groups": 3, "order_capacity": CAPACITY,
             "partitions": partitions}  # fmt: skip
    return Options(source=Governed(), wiring=TOPOLOGY.sharded(shards), order_capacity=CAPACITY,
                   hooks=hooks, housekeeping_cores=0, **more)  # fmt: skip


def same(result: dict[str, Any], wanted: dict[str, Any]) -> None:
    assert {key: result[key] for key in KEYS} == {key: wanted[key] for key in KEYS}


@pytest.fixture(scope="module")
def one() -> dict[str, Any]:
    """One matcher, eight partitions."""
    return run(options(1, topology="inline", durability="none"))


def test_there_is_something_to_disagree_about(one: dict[str, Any]) -> None:
    assert one["rejects"]["RISK"] > 500
    assert one["event_kinds"]["FILLED"] > 500
    assert one["event_kinds"]["EXPIRED"] + one["event_kinds"]["CANCELLED"] > 200


@pytest.mark.parametrize("shards", [2, 4, 8])
def test_any_number_of_matchers_says_what_one_does(
    shards: int, one: dict[str, Any], tmp_path: Path
) -> None:
    """Every byte of every event and of the state, and a replay that knows nothing of shards."""
    journal = tmp_path / "j"
    result = run(options(shards, topology="inline", journal=journal))
    same(result, one)
    assert result["replay"]["equal"] is True
    view = View(recover(journal).engine.region)
    assert view.word(lay.MEETINGS) > 200
    refusals = [part.word(lay.REFUSALS) for part in view.partitions]
    assert sum(refusal > 20 for refusal in refusals) >= 4, refusals


def test_a_partitions_room_that_is_nearly_full_is_told_of() -> None:
    """Long before the book as a whole is full."""
    notes: list[str] = []
    fills: list[float] = []
    watcher = Watcher(note=notes.append, sample=lambda sample: fills.append(sample.book_fill))

    def ran(room: int) -> dict[str, Any]:
        capacity = 4 * room + 1
        hooks = {"name": "risk", "participants": 1 << 16, "groups": 1,
                 "order_capacity": capacity, "partitions": 4}  # fmt: skip
        flow = GeneratedFlow("static", 3_000, seed=1)
        run_options = Options(source=flow, wiring=TOPOLOGY.sharded(2), order_capacity=capacity,
                              hooks=hooks, topology="inline", durability="none")  # fmt: skip
        return run(run_options, watcher)

    plain = ran(3_000)
    assert 0 < fills[-1] < 0.9
    assert not notes
    room = plain["open_orders"] - 10
    full = ran(room)
    assert full["rejects"]["BOOK_FULL"] > 0
    assert fills[-1] == full["open_orders"] / room >= 0.9
    (note,) = notes
    assert re.match(rf"a partition of the book holds [\d,]+ of {room:,} orders", note)


@pytest.mark.parametrize("durability", ["durable", "none"])
def test_as_processes_with_dying_cores_of_shards(
    durability: str, one: dict[str, Any], tmp_path: Path
) -> None:
    """It comes back from a checkpoint of the whole and the journal, or from the preloaded input,
    wherever the others wait for it, and meets them as if nothing had happened."""
    sharded = partial(options, 3, checkpoint_every=3_000)
    stages = ("matcher-1", "matcher", "matcher-2")
    run_with_deaths(
        sharded, lambda result: same(result, one), COMMANDS, stages, durability, tmp_path
    )


@pytest.mark.parametrize(("before", "after"), [(1, 3), (8, 2), (4, 1)])
def test_a_journal_with_risk_is_resumed_with_another_number_of_shards(
    before: int, after: int, one: dict[str, Any], tmp_path: Path
) -> None:
    """What one number of shards has written, another goes on with: limits, parts, what is used."""
    journal = tmp_path / "j"
    third = one["commands"] // 3
    run(options(before, topology="inline", journal=journal, orders=third, verify=False))
    run(options(after, topology="inline", journal=journal, resume=True, orders=2 * third,
                verify=False))  # fmt: skip
    result = run(options(before, topology="inline", journal=journal, resume=True))
    assert {key: result[key] for key in KEYS[:5]} == {key: one[key] for key in KEYS[:5]}
    assert result["replay"]["equal"] is True


@pytest.mark.parametrize("partitions", [1, 2])
def test_more_matchers_than_partitions_are_refused(partitions: int) -> None:
    with pytest.raises(PipelineError, match=f"4 matchers need .* partitions, not {partitions}"):
        run(options(4, partitions, topology="inline", durability="none"))


def test_who_waits_for_another_shard_is_not_stalled() -> None:
    """All but one have come to the first command that is a meeting: only that one is looked for."""
    run_options = options(3, topology="inline", durability="none")
    table = run_options.wiring.for_durability("none")
    (orders,) = run_options.source.chunks() if run_options.source else ()
    shared = Shared(geometry("inline", "none", table), table,
                    meeting_bytes=run_options.core.meeting_bytes(3))  # fmt: skip
    try:
        shared.preload([orders], 100, 100)
        shared.control[ct.GO] = 1
        work = Work(shared=shared, core=run_options.core, rate=0, limit=100, durability="none",
                    journal=None, writer=None, receiver=None)  # fmt: skip
        group = StageGroup(work, table.names)
        for _ in range(8):
            for name in ("receive", "gateway", "matcher", "matcher-2", "merge"):
                module = importlib.import_module(table[name].module)
                module.step(group.contexts.address_of(name))
        stands = {name: work_of(shared, name) for name in ("matcher", "matcher-1", "matcher-2")}
        assert {name: waits for name, (_, waits) in stands.items()} == {
            "matcher": False, "matcher-1": True, "matcher-2": False,
        }  # fmt: skip
        assert stands["matcher"][0][1] == stands["matcher-2"][0][1] < 100
        for _ in range(8):
            for name in ("matcher", "matcher-1", "matcher-2", "merge"):
                module = importlib.import_module(table[name].module)
                module.step(group.contexts.address_of(name))
        assert {work_of(shared, name)[0][1] for name in stands} == {100}
    finally:
        shared.unlink()
