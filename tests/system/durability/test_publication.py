"""What the core publishes reaches golden model, C and RTL alike, from one sequence number on."""

import mmap
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import openoutcry.risk.layout as lay
from openoutcry.gateway_fpga import Limits, Settings, make_rules, validate_orders
from openoutcry.gateway_fpga.live import LiveGateway
from openoutcry.journal.core import Core as Matching
from openoutcry.pipeline.stages import gateway as stage
from openoutcry.pipeline.stages import published as published_stage
from openoutcry.pipeline.topology import TOPOLOGY
from openoutcry.pipeline.worker import CompiledStages, place_region
from openoutcry.risk.after import after
from openoutcry.risk.before import CHANGES_RULES, before
from openoutcry.risk.bits import NO_LIMIT, Setting
from openoutcry.risk.region import View, make_region, setting
from openoutcry.runtime.shared import Shared
from openoutcry.runtime.table import Geometry
from openoutcry.runtime.words import BURST
from openoutcry.runtime.work import Work
from openoutcry.wire import EVENT_DTYPE, ErrorBit, EventKind, make_instruments
from openoutcry.wire.instrument_states import InstrumentState
from openoutcry.wire.rule_changes import changes_between
from tests.oracles.refused_flow import SETTINGS as REFUSED
from tests.oracles.refused_flow import RefusedFlow
from tests.support.gateway_fpga.orders import random_orders
from tests.system.gateway.test_c_verdict import compile_verdict

INSTRUMENTS = make_instruments(
    [
        {"symbol": name, "max_price_ticks": 10_000, "max_qty_lots": 2**40, **more}
        for name, more in (
            ("PLAIN", {}),
            ("TWO", {}),
            ("FREE", {}),
            ("OWN", {"reference_price_ticks": 500}),
        )
    ]
)
SYMBOLS = [bytes(symbol) for symbol in INSTRUMENTS["symbol"]]
SETTINGS = Settings(
    limits={b"OWN": Limits(500, 1_000, halted=True), b"TWO": Limits(notional_limit=10**6)},
    rate_interval_ns=50,
    rate_burst_ns=500,
)
PARTICIPANTS = 9
KILL_CYCLES, ROW_CYCLES, CHECK_CYCLES = 8, 65, 3
"""Cycles of the Verilated gateway's clock, from a bit's first register write until it holds: a
participant's, an instrument's with all its row, and the switch that the first kill turns on."""


class Core:
    """The risk state and those who are told what it publishes."""

    def __init__(self) -> None:
        self.region = make_region(INSTRUMENTS, PARTICIPANTS, groups=3, rules=True)
        self.settings = published_stage.with_all_participants(SETTINGS)
        self.rtl = LiveGateway.loaded(INSTRUMENTS, self.settings)
        self.golden = make_rules(INSTRUMENTS, self.settings)
        self.under_c = make_rules(INSTRUMENTS, self.settings)
        self.shadow = make_rules(INSTRUMENTS, self.settings)
        gateways = ((self.golden, None), (self.under_c, None), (self.shadow, self.rtl))
        at = self.region.ctypes.data
        self.blocks = [
            published_stage.publication_block(at, rules, SYMBOLS, SETTINGS, rtl)
            for rules, rtl in gateways
        ]

    def command(self, what: Setting, value: int, **more: Any) -> None:
        record = setting(what, value, **more)
        assert before(self.region.ctypes.data, record.ctypes.data)

    def change(self, symbol: bytes, **rules: Any) -> None:
        """Other rules of an instrument, which the matcher has taken."""
        table = View(self.region).rules.table  # type: ignore[union-attr]
        row = table[SYMBOLS.index(symbol)].copy()
        new = row.copy()
        for name, value in rules.items():
            new[name] = value
        words = changes_between(row, new)
        for number, value, second in words:
            self.command(Setting.INSTRUMENT_RULE, value, who=number, symbol=symbol, second=second)
        record = setting(Setting.INSTRUMENT_APPLY, len(words), 0, symbol)
        assert before(self.region.ctypes.data, record.ctypes.data) == CHANGES_RULES
        event = np.zeros(1, EVENT_DTYPE)
        event["kind"] = EventKind.REJECTED
        after(self.region.ctypes.data, record.ctypes.data, event.ctypes.data, 1)
        assert event["kind"] == EventKind.COMPLETED

    def publish(self) -> list[int]:
        return [int(published_stage.pull_risk_flags(block.ctypes.data)) for block in self.blocks]


@pytest.fixture
def core() -> Any:
    publisher = Core()
    yield publisher
    publisher.rtl.close()


@pytest.fixture(scope="module")
def judge(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., None]:
    return compile_verdict(tmp_path_factory.mktemp("judge")).judge


def orders_of(count: int, seed: int) -> np.ndarray:
    """Return orders of known participants and instruments, within and outside of what is published
    of them."""
    dice = np.random.default_rng(seed)
    orders = random_orders(count, seed, Settings(), SYMBOLS)
    orders["participant"] = dice.choice([0, 1, 2, 3, 4, 8, 9, 1_023, 1_024], count)
    orders["price_ticks"] = dice.choice([1, 99, 100, 101, 199, 200, 201, 449, 450, 550, 551], count)
    orders["rx_ts_ns"] = seed * 10**6 + np.cumsum(dice.integers(0, 30, count))
    return orders


def verdicts(core: Core, judge: Any, orders: np.ndarray) -> np.ndarray:
    """What all three say, which is the same."""
    golden, under_c, rtl = orders.copy(), orders.copy(), orders.copy()
    validate_orders(golden, core.golden)
    judge(under_c.ctypes.data, len(under_c), core.under_c.ctypes.data)
    core.rtl.validate(rtl)
    assert golden.tobytes() == under_c.tobytes() == rtl.tobytes()
    return np.asarray(golden["error_code"])


STEPS: list[tuple[Setting, int, dict[str, Any]]] = [
    (Setting.KILL, 1, {"who": 1}),
    (Setting.HALT, 1, {"symbol": b"PLAIN"}),
    (Setting.BANDS, 200, {"symbol": b"TWO", "second": 100}),
    (Setting.BANDS, 99, {"symbol": b"OWN", "second": 1}),
    (Setting.GROUP, 2, {"who": 3}),
    (Setting.GROUP_KILL, 1, {"who": 2}),
    (Setting.KILL, 0, {"who": 1}),
    (Setting.HALT, 0, {"symbol": b"PLAIN"}),
    (Setting.BANDS, -5, {"symbol": b"FREE", "second": -10}),
    (Setting.HALT, 1, {"symbol": b"OWN"}),
    (Setting.HALT, 0, {"symbol": b"OWN"}),
    (Setting.BANDS, NO_LIMIT, {"symbol": b"TWO", "second": -NO_LIMIT}),
    (Setting.MARKET_KILL, 1, {}),
    (Setting.MARKET_KILL, 0, {"operator": 1}),
    (Setting.MARKET_KILL, 0, {"operator": 2}),
    (Setting.GROUP_KILL, 0, {"who": 2}),
    (Setting.BANDS, NO_LIMIT, {"symbol": b"FREE", "second": -NO_LIMIT}),
    (Setting.INSTRUMENT_STATE, InstrumentState.SUSPENDED, {"symbol": b"PLAIN"}),
    (Setting.INSTRUMENT_STATE, InstrumentState.TRADING, {"symbol": b"PLAIN"}),
]


def test_golden_c_and_rtl_take_each_publication_alike(core: Core, judge: Any) -> None:
    """Kills of participants, groups and the market, halts and bands come and go between bursts of
    orders under a rate limit: no bit of a verdict differs, and each step but the one that changes
    nothing yet is seen in the verdicts.  What the settings halt or limit themselves stays."""
    assert core.publish() == [1, 1, 1]
    probe = orders_of(4_000, 1)
    before_all = seen = verdicts(core, judge, probe)
    for number, (what, value, more) in enumerate(STEPS, start=2):
        core.command(what, value, **more)
        assert core.publish() == [1, 1, 1]
        assert core.publish() == [0, 0, 0]
        probe["rx_ts_ns"] += 10**6
        codes = verdicts(core, judge, probe)
        silent = (
            (what in (Setting.GROUP, Setting.HALT) and more.get("symbol") != b"PLAIN")
            or what is Setting.INSTRUMENT_STATE
            or more.get("symbol") == b"OWN"
            or more.get("operator") == 1
        )
        assert np.array_equal(codes, seen) == silent, (what, more)
        seen = codes
        verdicts(core, judge, orders_of(1_000, number))
    probe["rx_ts_ns"] += 10**6
    assert np.array_equal(seen, before_all)


RULE_CHANGES: list[tuple[bytes, dict[str, int]]] = [
    (b"PLAIN", {"price_step_ticks": 100}),
    (b"PLAIN", {"price_step_ticks": 1, "max_price_ticks": 449}),
    (b"TWO", {"qty_step_lots": 50, "min_qty_lots": 3, "max_qty_lots": 1_000}),
    (b"OWN", {"price_step_ticks": 50, "max_price_ticks": 500}),
    (b"FREE", {"band1_from_ticks": 200, "band1_step_ticks": 50, "price_step_ticks": 10}),
    (b"FREE", {"band1_from_ticks": 0, "band1_step_ticks": 3 * 5**7}),
    (b"FREE", {"band1_from_ticks": 0, "band1_step_ticks": 0, "price_step_ticks": 4}),
    (b"TWO", {"qty_step_lots": 1, "min_qty_lots": 1, "max_qty_lots": 2**40}),
]


@pytest.mark.parametrize("halts", [False, True])
def test_golden_c_and_rtl_take_rules_that_change(core: Core, judge: Any, halts: bool) -> None:
    """After each change they judge as a gateway does that was made from the new table; ``halts``:
    what else is published stays."""
    core.publish()
    if halts:
        core.command(Setting.HALT, 1, symbol=b"PLAIN")
        core.command(Setting.BANDS, 200, symbol=b"TWO", second=100)
        core.publish()
    probe, seen = orders_of(4_000, 7), None
    for number, (symbol, rules) in enumerate(RULE_CHANGES):
        core.change(symbol, **rules)
        assert core.publish() == [1, 1, 1]
        assert core.publish() == [0, 0, 0]
        probe["rx_ts_ns"] += 10**6
        codes = verdicts(core, judge, probe)
        assert seen is None or not np.array_equal(codes, seen), rules
        seen = codes
        own = View(core.region).rules
        assert own is not None
        fresh = make_rules(own.table, core.settings)
        block = published_stage.publication_block(
            core.region.ctypes.data, fresh, SYMBOLS, SETTINGS, None
        )
        if halts:
            published_stage.pull_risk_flags(block.ctypes.data)
        orders = orders_of(2_000, 100 + number)
        orders["participant"] = 1 + np.arange(len(orders)) % 1_000  # a rate limit remembers
        orders["rx_ts_ns"] += 10**9 * (number + 1)
        expected = orders.copy()
        validate_orders(expected, fresh)
        assert np.array_equal(verdicts(core, judge, orders), expected["error_code"]), rules


def test_what_is_published_is_what_the_core_would_refuse(core: Core, judge: Any) -> None:
    """Among orders in every state of the core's, those that the gateway refuses by a publication
    the core refuses to."""
    published = 1 << ErrorBit.PARTICIPANT | 1 << ErrorBit.HALTED | 1 << ErrorBit.COLLAR
    tried = {0: 0, 1: 0}
    for number, (what, value, more) in enumerate(STEPS, start=2):
        core.command(what, value, **more)
        core.publish()
        orders = orders_of(400, number)
        orders["kind"], orders["side"] = 1, 1 + orders["side"] % 2
        orders["order_type"], orders["qty_lots"], orders["time_in_force"] = 1, 1, 1
        # What the operator enters himself the gateway leaves to the core.
        theirs = (orders["participant"] > 0) & (orders["participant"] < PARTICIPANTS)
        orders = orders[theirs & (orders["symbol"] != b"OWN")]
        orders = orders[np.isin(orders["symbol"], SYMBOLS)]
        codes = verdicts(core, judge, orders)
        for order, code in zip(orders, codes.tolist(), strict=True):
            one = np.array([order])
            state = core.region.copy()  # a name keeps it alive while the kernel has its address
            refused = before(state.ctypes.data, one.ctypes.data) != 0
            if value == InstrumentState.SUSPENDED and order["symbol"] == b"PLAIN":
                assert refused, "the core alone refuses it, by a check of its own"
                continue
            assert refused == (code & published != 0), (what, order)
            tried[int(refused)] += 1
    assert min(tried.values()) > 500


def test_who_is_liquidated_passes_the_gateway_and_the_core_refuses(core: Core, judge: Any) -> None:
    """The parts come under its number.  Killed by the operator, alone or by its group, it is still
    being closed out; a market that is killed stops everybody."""
    core.publish()
    probe = orders_of(12_000, 3)
    probe = probe[probe["participant"] == 4]
    seen = verdicts(core, judge, probe)
    state = core.region.ctypes.data
    for what, value, more in (
        (Setting.GROUP, 2, {"who": 4}),
        (Setting.MARGIN, 20, {"symbol": b"PLAIN"}),
        (Setting.CREDIT, 0, {"who": 4}),
        (Setting.DEPOSIT, 4_100, {"who": 4}),
        (Setting.POSITION, -40, {"who": 4, "symbol": b"PLAIN", "second": 100}),
        (Setting.MAINTENANCE, 10_000, {"who": 4}),
        (Setting.KILL, 1, {"who": 4}),
        (Setting.GROUP_KILL, 1, {"who": 2}),
    ):
        core.command(what, value, **more)
        core.publish()
        probe["rx_ts_ns"] += 10**6
        assert np.array_equal(verdicts(core, judge, probe), seen), what
    flags = View(core.region).of(4, lay.FLAGS)
    assert flags & lay.KILLED_BY_MARGIN
    assert flags & lay.KILLED_BY_OPERATOR
    news = probe[(probe["kind"] == 1) & (seen == 0)]
    assert len(news) > 20
    assert all(before(state, news[n : n + 1].ctypes.data) for n in range(len(news)))
    core.command(Setting.MARKET_KILL, 1)
    core.publish()
    news["rx_ts_ns"] += 10**6
    assert (verdicts(core, judge, news) & 1 << ErrorBit.PARTICIPANT != 0).all()


def test_a_publication_takes_its_cycles(core: Core) -> None:
    """From the first register written until the bits hold, in cycles of the RTL's clock."""
    core.publish()
    block = core.blocks[2].ctypes.data
    row = dict.fromkeys(SYMBOLS, ROW_CYCLES)
    for what, value, more, most in (
        (Setting.KILL, 1, {"who": 1}, KILL_CYCLES + CHECK_CYCLES),
        (Setting.KILL, 1, {"who": 2}, KILL_CYCLES),
        (Setting.HALT, 1, {"symbol": b"PLAIN"}, row[b"PLAIN"]),
        (Setting.BANDS, 200, {"symbol": b"TWO", "second": 100}, row[b"TWO"]),
        (Setting.MARKET_KILL, 1, {}, 1_021 * KILL_CYCLES),
    ):
        core.command(what, value, **more)
        started = core.rtl.cycles
        assert published_stage.pull_risk_flags(block) == 1
        assert core.rtl.cycles - started == most, what


def test_a_core_that_is_not_there_is_waited_for(core: Core) -> None:
    """Its memory holds nothing yet: the gateway keeps what it has, and looks again."""
    core.region.view(np.int64)[0] = 0
    assert core.publish() == [0, 0, 0]
    core.region.view(np.int64)[0] = lay.MAGIC
    assert core.publish() == [1, 1, 1]


def test_half_a_core_is_not_taken_for_the_whole() -> None:
    """While the core's process puts its state there, the gateway's looks."""
    region = make_region(INSTRUMENTS, 1 << 14, groups=3)
    for what in (Setting.HALT, Setting.KILL):
        record = setting(what, 1, symbol=b"PLAIN" if what is Setting.HALT else b"", who=5)
        assert before(region.ctypes.data, record.ctypes.data)
    memory = mmap.mmap(-1, len(region))
    there = np.frombuffer(memory, np.uint8)
    probe = orders_of(1_000, 3)

    def verdicts_of(state: np.ndarray, put: Callable[[], None]) -> np.ndarray:
        rules = make_rules(INSTRUMENTS, published_stage.with_all_participants(SETTINGS))
        block = published_stage.publication_block(state.ctypes.data, rules, SYMBOLS, SETTINGS, None)
        put()
        while not published_stage.pull_risk_flags(block.ctypes.data):
            pass
        orders = probe.copy()
        validate_orders(orders, rules)
        return orders["error_code"].copy()

    def put_beside() -> None:
        there[:] = 0
        if (core := os.fork()) == 0:
            place_region(there, region)
            os._exit(0)
        cores.append(core)

    cores: list[int] = []
    whole = verdicts_of(region, lambda: None)
    assert {ErrorBit.HALTED, ErrorBit.PARTICIPANT} <= {
        b for b in ErrorBit if (whole >> b & 1).any()
    }
    for _ in range(20):
        assert verdicts_of(there, put_beside).tobytes() == whole.tobytes()
        assert os.waitpid(cores.pop(), 0)[1] == 0


ORDERS = 1_024
CHANGES: dict[int, tuple[Setting, int, dict[str, Any]]] = {
    4: (Setting.HALT, 1, {"symbol": b"HALTED"}),
    6: (Setting.KILL, 1, {"who": 1_023}),
    9: (Setting.HALT, 0, {"symbol": b"HALTED"}),
    12: (Setting.KILL, 0, {"who": 1_023}),
}
"""Before which burst of the stage what is changed by the core."""


def sequenced(gateway: str, late: int = 0) -> np.ndarray:
    """What the stage sequences of the refused flow, while the core publishes CHANGES; ``late``: so
    many bursts behind."""
    source = RefusedFlow(ORDERS, 11)
    count = len(source.instruments)
    hooks = {
        "name": "risk",
        "participants": 1_024,
        "groups": 1,
        "order_capacity": 64,
        "multipliers": [1] * count,
        "leveraged": [],
    }
    matching = Matching(source.instruments, 1_024, hooks=hooks)
    sizes = {"lane": ORDERS, "sequenced": 2 * ORDERS, "events": 64}
    table = TOPOLOGY.without("journal")
    shared = Shared(Geometry(sizes), table, region_bytes=matching.region_bytes)
    try:
        assert shared.region is not None
        shared.region[:] = make_region(source.instruments, 1_024, order_capacity=64)
        settings = Settings(
            limits={b"STEPS": REFUSED.limits[b"STEPS"]},
            rate_interval_ns=REFUSED.rate_interval_ns,
            rate_burst_ns=REFUSED.rate_burst_ns,
        )
        work = Work(
            shared=shared,
            core=matching,
            rate=0,
            limit=0,
            durability="none",
            journal=Path("none"),
            writer=None,
            gateway=gateway,
            settings=settings,
        )
        group = CompiledStages(work, ("gateway",))
        shared.rings["lane"].producer().publish(np.concatenate(list(source.chunks())))
        for burst in range(ORDERS // BURST):
            if burst - late in CHANGES:
                what, value, more = CHANGES[burst - late]
                order = setting(what, value, **more)
                assert before(shared.region.ctypes.data, order.ctypes.data)
            assert stage.step(group.contexts.address_of("gateway")) == BURST
        done = np.concatenate([np.array(view) for view in shared.sequenced.views(1, ORDERS)])
        if group.rtl is not None:
            group.rtl.close()
        return done
    finally:
        shared.unlink()


def test_the_stage_changes_its_gateway_between_two_sequence_numbers() -> None:
    """A flow with every reject, and a halt and a kill that come and go under it: golden model and
    RTL sequence the same bytes, from the very burst on; a burst late they are others."""
    golden = sequenced("golden")
    assert golden.tobytes() == sequenced("rtl").tobytes()
    assert golden.tobytes() != sequenced("rtl", late=1).tobytes()
    assert {bit for bit in ErrorBit if (golden["error_code"] >> bit & 1).any()} == set(ErrorBit)
    burst = (golden["seq"] - 1) // BURST
    for bit, first, last, whose in (
        (ErrorBit.HALTED, 4, 9, golden["symbol"] == b"HALTED"),
        (ErrorBit.PARTICIPANT, 6, 12, golden["participant"] == 1_023),
    ):
        refused = (golden["error_code"][whose] >> bit & 1).astype(bool)
        assert np.array_equal(refused, (burst[whose] >= first) & (burst[whose] < last))
