"""What a pre-trade check of portfolio margin costs: 200 positions, 50 open orders.

The bound is timed in bursts of checks that it accepts, the exact path in single ones that the bound
refuses.  Portfolios lie in more memory than the second cache, and take turns, so a check does not
find its portfolio in the first cache.  Participants of a core have the same portfolios, and its
whole check of an order (``risk/before.py``) is timed, too.  In a burst the core asks for memory
some commands ahead; an order alone has none ahead.
"""

from collections.abc import Callable
from random import Random
from typing import Any

import numpy as np
import numpy.typing as npt

from openoutcry.bench.rounds import Add, Rounds
from openoutcry.derivatives.margin import (
    CommodityRisk,
    ContractRisk,
    Leg,
    Offset,
    Parameters,
    SpreadCharge,
)
from openoutcry.derivatives.margin_kernels import (
    ACCEPTED,
    check_order,
    worst_margin,
)
from openoutcry.derivatives.margin_layout import (
    ContractWork,
    MarginTable,
    MarginWork,
    rows_of,
    table_of,
    work_of,
)
from openoutcry.matcher.hooks import FAR
from openoutcry.risk import layout as lay
from openoutcry.risk.before import ahead, before
from openoutcry.risk.contract_layout import PERPETUAL
from openoutcry.risk.layout import RiskState
from openoutcry.risk.region import View, make_region
from openoutcry.wire import ORDER_DTYPE, make_instruments
from openoutcry.wire.enums import CommandKind, OrderType, Side, TimeInForce
from openoutcry.wire.errors import OutcryError
from openoutcry.wire.kernel import kernel
from openoutcry.wire.layout import Words
from openoutcry.wire.memory import monotonic_ns
from openoutcry.wire.record_blocks import OrderRecord
from openoutcry.wire.records import RECORD_BYTES

POSITIONS, ORDERS = 200, 50
COMMODITIES, CONTRACTS = 10, 400
PORTFOLIOS = 64
CHECKS, QUICK_CHECKS = 200_000, 20_000
BURST = 32
"""Checks by the bound whose time is taken together."""
PLENTY = 1 << 60
PRICE = 10_000
"""Price in the core of every order and mark."""


@kernel
def run_checks(
    table: MarginTable,
    portfolios: Words,
    orders: Words,
    checks: int,
    burst: int,
    available: int,
    spent: Words,
) -> int:
    """Check orders against portfolios in turn; return how many were accepted.

    ``portfolios`` has the address of each one's work.  The time of each burst (ns) goes to
    ``spent``.
    """
    accepted = 0
    for begin in range(0, checks, burst):
        start = monotonic_ns()
        for index in range(begin, min(begin + burst, checks)):
            work = MarginWork(portfolios[index % PORTFOLIOS])
            contract, lots = orders[2 * index], orders[2 * index + 1]
            accepted += check_order(table, work, contract, lots, available) == ACCEPTED
        spent[begin // burst] = monotonic_ns() - start
    return accepted


@kernel
def run_orders(state: RiskState, orders: int, checks: int, burst: int, spent: Words) -> int:
    """Check orders as the core does; return how many may go to the matcher.  The time of each burst
    (ns) goes to ``spent``; a burst of one has nothing ahead, and the clock's reading in it."""
    accepted = 0
    for begin in range(0, checks, burst):
        start = monotonic_ns()
        for index in range(begin, min(begin + burst, checks)):
            if burst > 1:
                ahead(state, OrderRecord(orders + min(index + FAR, checks - 1) * RECORD_BYTES))
            accepted += before(state, OrderRecord(orders + index * RECORD_BYTES)) == 0
        spent[begin // burst] = monotonic_ns() - start
    return accepted


def parameters() -> Parameters:
    """Ten underlyings with futures in four tiers and options, spread charges and offsets."""
    rng = Random(56)
    thirds = (0, 0, 1, 1, -1, -1, 2, 2, -2, -2, 3, 3, -3, -3, 2, -2)
    contracts = []
    for number in range(CONTRACTS):
        scan, tier = rng.randint(1_000, 100_000), rng.randrange(4)
        curve = rng.randint(0, scan // 9) if number % 4 else 0
        losses = tuple(-third * scan // 3 - third * third * curve for third in thirds)
        short = scan // 20 if number % 4 else 0
        contracts.append(
            ContractRisk(number % COMMODITIES, tier, losses, rng.randint(1, 1_000_000), short)
        )
    pairs = [(a, b) for a in range(4) for b in range(a + 1, 4)]
    spreads = tuple(SpreadCharge(pair, rng.randint(10, 1_000)) for pair in pairs)
    offsets = tuple(
        Offset((Leg(one, 1, 1), Leg(one + 1, -1, 1)), 500_000) for one in range(COMMODITIES - 1)
    )
    risk = CommodityRisk(spreads, addon=100, initial=1_100_000)
    return Parameters(tuple(contracts), (risk,) * COMMODITIES, offsets)


class Portfolios:
    """Portfolios with their work, as :func:`run_checks` takes them."""

    def __init__(self) -> None:
        rng, made = Random(1), parameters()
        self.table = table_of(made)
        self.works = [work_of(made) for _ in range(PORTFOLIOS)]
        self.addresses = np.array([work.ctypes.data for work in self.works], np.int64)
        for work in self.works:
            held = rng.sample(range(CONTRACTS), POSITIONS)
            positions = rows_of({one: rng.randint(-100, 100) for one in held})
            orders = rows_of(
                [(rng.randrange(CONTRACTS), rng.randint(-20, 20)) for _ in range(ORDERS)]
            )
            exact = worst_margin(
                MarginTable.of(self.table.ctypes.data),
                Words.of(positions.ctypes.data),
                POSITIONS,
                Words.of(orders.ctypes.data),
                ORDERS,
                MarginWork.of(work.ctypes.data),
            )
            bound = MarginWork(work.ctypes.data).bound
            if not 0 < exact <= bound:
                raise OutcryError(f"the margin is {exact}, and its bound {bound}")

    def draw(self, checks: int) -> npt.NDArray[np.int64]:
        """Contract and lots of each order that is checked."""
        rng = np.random.default_rng(3)
        return np.column_stack(
            [rng.integers(0, CONTRACTS, checks), rng.choice([-3, -1, 1, 2, 5], checks)]
        ).astype(np.int64)

    def run(self, checks: int, burst: int, available: int) -> npt.NDArray[np.int64]:
        """Nanoseconds a check, of each burst."""
        orders = self.draw(checks)
        spent = np.zeros(-(-checks // burst), np.int64)
        accepted = run_checks(
            MarginTable.of(self.table.ctypes.data),
            Words.of(self.addresses.ctypes.data),
            Words.of(orders.ctypes.data),
            checks,
            burst,
            available,
            Words.of(spent.ctypes.data),
        )
        return _each(spent, burst, accepted, checks if available == PLENTY else 0)


def _each(
    spent: npt.NDArray[np.int64], burst: int, accepted: int, expected: int
) -> npt.NDArray[np.int64]:
    if accepted != expected:
        raise OutcryError(f"{accepted} checks were accepted, not {expected}")
    return spent // burst


class Core:
    """The risk state of a core whose participants have the portfolios."""

    def __init__(self, portfolios: Portfolios) -> None:
        self.portfolios = portfolios
        rows = [
            {
                "symbol": f"C{number}",
                "min_price_ticks": 1,
                "max_price_ticks": 1 << 20,
                "reference_price_ticks": PRICE,
            }
            for number in range(CONTRACTS)
        ]
        self.table = make_instruments(rows)
        self.region = make_region(
            self.table,
            PORTFOLIOS,
            order_capacity=PORTFOLIOS,
            leveraged=range(CONTRACTS),
            contracts=dict.fromkeys(range(CONTRACTS), (PERPETUAL, 0, 1, 0, 0, 0, 0)),
            margin=parameters().numbers(),
        )
        self.view = view = View(self.region)
        assert view.portfolio is not None
        for who, work in enumerate(portfolios.works):
            view.portfolio.works[who] = work
            head = MarginWork(work.ctypes.data)
            for number in range(CONTRACTS):
                at = work.ctypes.data + head.contract_at + number * ContractWork.size_bytes
                own = ContractWork(at)
                cell = view.cells[who, number]
                cell[lay.POSITION // 8] = own.position
                cell[lay.BUY_LOTS // 8], cell[lay.SELL_LOTS // 8] = own.buys, own.sells

    def run(self, checks: int, burst: int, available: int) -> npt.NDArray[np.int64]:
        """Nanoseconds an order, of each burst."""
        self.view.participants[:, lay.CREDIT // 8] = available
        drawn = self.portfolios.draw(checks)
        orders = np.zeros(checks, ORDER_DTYPE)
        orders["kind"], orders["order_type"] = CommandKind.NEW, OrderType.LIMIT
        orders["time_in_force"], orders["price_ticks"] = TimeInForce.DAY, PRICE
        orders["symbol"], orders["qty_lots"] = self.table["symbol"][drawn[:, 0]], abs(drawn[:, 1])
        orders["side"] = np.where(drawn[:, 1] > 0, Side.BUY, Side.SELL)
        orders["participant"] = np.arange(checks) % PORTFOLIOS
        orders["seq"] = np.arange(1, checks + 1)
        spent = np.zeros(-(-checks // burst), np.int64)
        accepted = run_orders(
            RiskState.of(self.region.ctypes.data),
            orders.ctypes.data,
            checks,
            burst,
            Words.of(spent.ctypes.data),
        )
        # With nothing available, what needs no more than now may enter all the same.
        return _each(spent, burst, accepted, checks if available == PLENTY else accepted)


def bench_margin(
    rounds: int, quick: bool, command: str, progress: Callable[[str], None]
) -> dict[str, Any]:
    """Measure both paths; return the result document."""
    portfolios = Portfolios()
    core = Core(portfolios)
    checks = QUICK_CHECKS if quick else CHECKS
    gathered = Rounds(rounds, progress)

    def one(number: int, add: Add) -> None:
        for prefix, subject in (("", portfolios), ("core_", core)):
            bound = subject.run(checks, BURST, PLENTY)
            exact = subject.run(checks // 20, 1, 0)
            for name, sample in (("bound", bound), ("exact", exact)):
                for share in (50, 99):
                    figure = float(np.percentile(sample, share))
                    add(f"{prefix}{name}_p{share}", "ns", "lower", figure)
        alone = core.run(checks // 20, 1, PLENTY)
        add("core_alone_p50", "ns", "lower", float(np.percentile(alone, 50)))

    gathered.run(one)
    return gathered.document("margin", command, {"positions": POSITIONS, "orders": ORDERS})
