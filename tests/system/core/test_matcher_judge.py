"""The judge (matcher_judge) passes what is right and finds faults that both implementations share.

A fault of both is a fault of the reference when nobody compares: each is planted in the reference's
source, and the judge, which sees its commands and events alone, must find it.
"""

import importlib
import inspect
import sys
import textwrap
from dataclasses import replace

import pytest

from openoutcry.wire import OrderType, SelfTrade, make_instruments
from openoutcry.wire.order_types import STOPS
from tests import ROOT
from tests.oracles.matcher import cascade
from tests.oracles.matcher.engine import ReferenceEngine
from tests.oracles.matcher_judge import Violation, judge
from tests.support.matcher.matcher_mixed import Mixed, mixed
from tests.support.matcher.matcher_quotes import with_quotes

COMMANDS = 700

TYPES = [OrderType.LIMIT, OrderType.POST_ONLY, OrderType.HIDDEN, OrderType.ICEBERG]
FAULTS = dict(
    fault.split("\n", 1)
    for fault in (ROOT / "tests/support/matcher/planted_faults.txt").read_text().split("=== ")[1:]
)
"""By what is wrong: module and function of the reference, then lines of its source (``-``) and what
stands there instead (``+``)."""


STEPS = make_instruments(
    [
        {
            "symbol": "K",
            "allocation": 3,
            "min_allocation_lots": 2,
            "top_share_bps": 10_000,
            "top_min_lots": 3,
            "top_max_lots": 5,
            "fifo_share_bps": 4000,
            "leveling": 1,
            "lmm1_participant": 1,
            "lmm1_share_bps": 2000,
            "options": 8,
        },
        {
            "symbol": "O",
            "allocation": 3,
            "top_share_bps": 10_000,
            "initial_phase": 3,
            "lmm1_participant": 2,
            "lmm1_share_bps": 3000,
        },
    ]
)
"""Levels that are shared in every step."""


WAITING = make_instruments(
    [
        {"symbol": "R", "reference_price_ticks": 1000, "market_band_ticks": 2, "options": 16 | 1},
        {"symbol": "Q", "options": 32},
    ]
)
"""Stops before the first trade, and by quotes."""
QUOTED = make_instruments([{"symbol": "S", "options": 2}])
"""Stops by the quote of the other side alone."""


UNPRICED = make_instruments(
    [
        {"symbol": "U", "reference_price_ticks": 1000, "options": 64},
        {"symbol": "V", "options": 64 | 8},
    ]
)
"""Market orders that wait for the other side."""


LOW = make_instruments([{"symbol": "L"}, {"symbol": "M", "market_band_ticks": 3}])
"""Prices so low that each is another multiple of a budget's last lot, some below zero."""
IN_STEPS, AT_ONCE = 1000, 2000
BUDGET_TYPES = [
    OrderType.LIMIT,
    OrderType.MARKET_BUDGET,
    OrderType.LIMIT_BUDGET,
    OrderType.ALL_OR_NONE,
    OrderType.ICEBERG,
    OrderType.LIMIT,
]


def runs():
    """Streams in which everything meets: few prices, few participants, every mode; then some that
    are about allocation in steps, some about stops, some about market orders that wait, some
    about quotes and some about budgets."""
    for seed in range(12):
        yield mixed(seed, COMMANDS, width=8, extreme=0.0, order_capacity=200, phases=seed % 2 == 1)
    for seed in (14, 17, 20, 25, 26, 28, 61):
        yield mixed(
            seed,
            COMMANDS,
            width=3,
            extreme=0.0,
            order_capacity=200,
            instruments=STEPS,
            types=TYPES,
            phases=seed % 2 == 1,
        )
    for seed in range(4):
        yield mixed(
            seed,
            COMMANDS,
            width=4,
            extreme=0.0,
            order_capacity=200,
            instruments=WAITING,
            types=[OrderType.LIMIT, OrderType.MARKET, *STOPS],
            phases=seed % 2 == 1,
            centres=[1000] * 4,
        )
    for seed in range(4):
        yield mixed(
            seed,
            COMMANDS,
            width=4,
            extreme=0.0,
            order_capacity=200,
            instruments=UNPRICED,
            types=[OrderType.LIMIT, OrderType.MARKET, OrderType.HIDDEN, OrderType.STOP],
            phases=seed % 2 == 1,
            centres=[1000] * 4,
        )
    for seed in range(2):
        yield mixed(
            seed,
            COMMANDS,
            width=6,
            extreme=0.0,
            order_capacity=200,
            instruments=QUOTED,
            types=[OrderType.LIMIT, OrderType.MARKET, *STOPS],
            phases=False,
            centres=[1000] * 4,
        )
    for seed in range(8):
        run = mixed(
            seed,
            COMMANDS,
            width=4,
            extreme=0.0,
            order_capacity=200,
            instruments=LOW,
            types=[OrderType.LIMIT, OrderType.POST_ONLY, OrderType.HIDDEN],
            phases=False,
            centres=[1000] * 4,
        )
        orders = with_quotes(run.orders, seed, often=0.6, wrong=0.2 * (seed % 2))
        yield replace(run, orders=orders)
    for seed in (3, 16, 3 + IN_STEPS, 8 + AT_ONCE, 97 + AT_ONCE, 100 + AT_ONCE):
        steps = IN_STEPS <= seed < AT_ONCE
        yield mixed(
            seed % IN_STEPS,
            COMMANDS,
            width=4,
            extreme=0.0,
            order_capacity=200,
            phases=False,
            instruments=STEPS if steps else LOW,
            types=BUDGET_TYPES[: 4 if seed >= AT_ONCE else 6],
            centres=[1000 if steps else 6 if seed >= AT_ONCE else 4] * 4,
        )


def answer(run: Mixed):
    return ReferenceEngine(run.instruments, run.order_capacity).process(run.orders)


def test_what_is_right_is_passed():
    """The streams of the next test, without a fault."""
    for run in runs():
        judge(run.instruments, run.orders, answer(run))


REFERENCE = "tests.oracles.matcher."
BROKEN = (AssertionError, LookupError, ValueError)
"""How the reference itself may end under a fault: then no judge is needed."""


def lines_of(fault, sign):
    return "\n".join(line[1:] for line in fault.splitlines()[1:] if line[0] == sign)


def plant(monkeypatch, fault):
    """Compile the function anew with the fault in it, and use it wherever it is used."""
    module_name, name = fault.splitlines()[0].split()
    module = importlib.import_module(REFERENCE + module_name)
    owner, _, attribute = name.rpartition(".")
    holder = getattr(module, owner) if owner else module
    original = inspect.getattr_static(holder, attribute)
    is_property = isinstance(original, property)
    source = textwrap.dedent(inspect.getsource(original.fget if is_property else original))
    old, new = lines_of(fault, "-"), lines_of(fault, "+")
    assert old in source, f"{name} no longer says {old!r}: plant this fault another way"
    source = source.removeprefix("@property\n").replace(old, new)
    compiled = {}
    exec(compile(source, name, "exec"), module.__dict__, compiled)
    faulty = property(compiled[attribute]) if is_property else compiled[attribute]
    if owner:
        monkeypatch.setattr(holder, attribute, faulty)
        return
    for user in [m for n, m in sys.modules.items() if n.startswith(REFERENCE)]:
        if user.__dict__.get(attribute) is original:
            monkeypatch.setattr(user, attribute, faulty)


@pytest.mark.long
@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(fault, marks=pytest.mark.long if n % 4 else ())
        for n, fault in enumerate(FAULTS)
    ],
)
def test_a_fault_that_both_implementations_share_is_found(monkeypatch, fault):
    """Within a few streams the judge names a rule that does not hold."""
    # What a planted line may need that the file itself does not.
    monkeypatch.setattr(cascade, "SelfTrade", SelfTrade, raising=False)
    plant(monkeypatch, FAULTS[fault])
    for run in runs():
        try:
            events = answer(run)
        except BROKEN:
            continue
        try:
            judge(run.instruments, run.orders, events)
        except Violation:
            return
    pytest.fail(f"the judge saw nothing wrong although {fault}")
