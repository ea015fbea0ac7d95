"""A core that is carried over in the middle of a flow, beside one that goes on as it is."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from openoutcry.flow.mixed import INSTRUMENTS
from openoutcry.journal.core import Core
from openoutcry.matcher import Engine
from openoutcry.risk import layout as lay
from openoutcry.risk.bits import RISK_KIND
from openoutcry.risk.contract_layout import PERPETUAL
from openoutcry.risk.region import View
from openoutcry.venue.carry import carried_engine
from openoutcry.wire import make_instruments
from tests.support.risk import collateral, contracts, portfolio, spot
from tests.support.risk.risk_core import GROUPS, PARTICIPANTS, Operator, Pair
from tests.support.risk.risk_flow import LIMITED, mixed_commands
from tests.support.risk.risk_reference import run, with_time

CAPACITY, COUNT = 5_000, 250
Rows = Sequence[dict[str, Any]]
PLAIN_ROWS = [(LIMITED if n != 2 else {}) | dict(row) for n, row in enumerate(INSTRUMENTS)]
CONTRACT_ROWS = [dict(row) | contracts.LIMITED for row in INSTRUMENTS]


class Flow:
    """Instruments, what a state is made with, and commands that a core and its plain reference
    have processed alike."""

    def __init__(self, rows: Rows, given: dict[str, Any]) -> None:
        self.rows, self.given = rows, given
        self.commands: list[npt.NDArray[Any]] = []
        table = make_instruments(rows)
        self.pair, self.symbols = Pair(table, CAPACITY, **given), table["symbol"].tolist()
        self.process, self.pair.process = self.pair.process, self.noted

    def noted(self, orders: npt.NDArray[Any]) -> Any:
        """A command that names participants who are there before and after."""
        is_risk = orders["kind"][0] == RISK_KIND
        if orders["participant"][0] >= PARTICIPANTS:
            return 0, orders[:0]
        if is_risk and orders["qty_lots"][0] >= PARTICIPANTS:
            return 0, orders[:0]
        answer = self.process(orders)
        self.commands.append(orders.copy())
        return answer


def plain_flow(seed: int) -> Flow:
    """Margined instruments and such that are paid in full; protection, a speed bump."""
    given: dict[str, Any] = {"leveraged": (4,), "multipliers": [1, 1, 5, 1, 2, 1, 1, 1]}
    given |= {"protection": True} if seed % 2 else {}
    given |= {"delayed": 64} if seed % 3 == 2 else {}
    given |= {"own_limits": 64} if seed % 4 == 1 else {}
    flow = Flow(PLAIN_ROWS, given | {"requests": 16})
    commands = mixed_commands(COUNT, seed)
    if seed % 2:
        commands = with_time(commands, flow.pair, flow.symbols, seed)
    operator = Operator(seed, flow.pair, flow.symbols, protecting=0.3 * (seed % 2), corporate=0.2)
    run(flow.pair, commands, operator, 0.3, seed, COUNT)
    return flow


def spot_flow(seed: int) -> Flow:
    """Wallets, fees, declared assets."""
    given = {"multipliers": spot.MULTIPLIERS, "leveraged": (4,)}
    given |= {"assets": spot.ASSETS, "spot": spot.SPOT}
    given |= {"asset_capacity": spot.ROOM} if seed % 2 else {}
    given |= {"requests": 16, "movements": 16} if seed % 3 == 0 else {}
    flow = Flow(PLAIN_ROWS, given)
    spot.funded(flow.pair)
    operator = spot.SpotOperator(seed, flow.pair, flow.symbols)
    spot.run_spot(flow.pair, mixed_commands(COUNT, seed), operator, 0.3, seed, COUNT)
    return flow


def contract_flow(seed: int) -> Flow:
    """Contracts with a margin each, their splits, funding and ends."""
    given = {"multipliers": contracts.MULTIPLIERS, "leveraged": contracts.LEVERAGED}
    given |= {"contracts": contracts.CONTRACTS, "fund": contracts.FUND}
    given |= {"fee_bps": contracts.FEE_BPS, "funded": contracts.FUNDED}
    flow = Flow(CONTRACT_ROWS, given)
    kind = contracts.AdjustingOperator if seed % 2 else contracts.ContractOperator
    return _with_contracts(flow, kind(seed, flow.pair, flow.symbols, batches=0.1), seed)


def portfolio_flow(seed: int) -> Flow:
    """Contracts under scenario margin, whose parameters change."""
    flow = Flow(CONTRACT_ROWS, portfolio.portfolio_given(seed))
    return _with_contracts(flow, portfolio.PortfolioOperator(seed, flow.pair, flow.symbols), seed)


def collateral_flow(seed: int) -> Flow:
    """The same with pledges, which hedge with each odd seed."""
    assets = collateral.HEDGING if seed % 2 else collateral.COLLATERAL
    flow = Flow(CONTRACT_ROWS, collateral.collateral_given(seed, assets))
    collateral.with_wallets(flow.pair)
    return _with_contracts(flow, collateral.CollateralOperator(seed, flow.pair, flow.symbols), seed)


def _with_contracts(flow: Flow, operator: Any, seed: int) -> Flow:
    contracts.funded(flow.pair)
    contracts.run_contracts(flow.pair, seed, COUNT, look_every=COUNT, operator=operator)
    return flow


def settings_of(given: dict[str, Any]) -> dict[str, Any]:
    """What a state is made with, as a journal's configuration has it."""
    hooks = {"participants": PARTICIPANTS, "groups": GROUPS, "order_capacity": CAPACITY} | given
    for name in ("spot", "contracts"):
        if name in hooks:
            hooks[name] = [[index, *terms] for index, terms in sorted(hooks[name].items())]
    return hooks | {"name": "risk"}


def enlarged(rows: Rows, hooks: dict[str, Any]) -> Core:
    """A core with two further instruments, more participants and orders, market protection, and of
    spot, contracts and scenario margin one more if there are any."""
    count = len(rows)
    more = [
        LIMITED | {"symbol": symbol, "reference_price_ticks": 100_000}
        for symbol in ("NEW", "NEWER")
    ]
    now = hooks | {
        "participants": hooks["participants"] + 23,
        "order_capacity": 3 * CAPACITY,
        "multipliers": [*hooks["multipliers"], 2, 1],
        "protection": True,
    }
    if "spot" in hooks:
        now["spot"] = [*hooks["spot"], [count, 1, 0, 5]]
    if "contracts" in hooks:
        margin_bps = 0 if "margin" in hooks else 700
        now["contracts"] = [*hooks["contracts"], [count + 1, PERPETUAL, 0, 1, 0, 0, 0, margin_bps]]
        now["leveraged"] = (*hooks["leveraged"], count + 1)
    if "margin" in hooks:
        margin = {name: [list(row) for row in part] for name, part in hooks["margin"].items()}
        losses = margin["contracts"][0][4:]
        margin["contracts"].append([len(margin["commodities"]), 0, 10**6, 0, *losses])
        margin["commodities"].append([0, 10**6])
        now["margin"] = margin
    return Core(make_instruments([*rows, *more]), 3 * CAPACITY, 0, now)


def require_twins(flow: Flow, places: list[int]) -> int:
    """Carry a core over at each of these places of a flow, and go on with both: the new one tells
    the same of every command, and at the end its state is what carrying the old one's end over
    gives.  Returns how often that was.  With commands that wait it cannot be."""
    hooks = settings_of(flow.given)
    one = Core(make_instruments(flow.rows), CAPACITY, 0, hooks).fresh()
    new, symbols = enlarged(flow.rows, hooks), [symbol.decode() for symbol in flow.symbols]
    others: list[tuple[int, Engine]] = []
    for begin, end in zip([0, *places], [*places, len(flow.commands)], strict=True):
        part = np.concatenate(flow.commands[begin:end])
        told = one.process(part)
        for place, other in others:
            require_same_events(place, told, other.process(part))
        if end < len(flow.commands) and not waits(one):
            others.append((end, carried_engine(one, new, symbols)))
    if not waits(one):
        final = carried_engine(one, new, symbols)
        for place, other in others:
            require_same_state(place, final, other, View(one.region))
    return len(others)


def waits(engine: Engine) -> bool:
    """Whether commands wait at the speed bump."""
    view = View(engine.region)
    return view.bump is not None and bool(view.delayed_commands())


def require_same_events(place: int, told: npt.NDArray[Any], other: npt.NDArray[Any]) -> None:
    """The first event that differs, or is not there, is shown."""
    for number in range(max(len(told), len(other))):
        one, two = told[number : number + 1], other[number : number + 1]
        assert one.tolist() == two.tolist(), f"carried over after {place}"


def require_same_state(place: int, final: Engine, other: Engine, before: View) -> None:
    """Every order, and every word but those of what ``before`` did not have, are the same."""
    assert final.state().rows.tolist() == other.state().rows.tolist(), place
    count = len(before.instruments)
    assert np.array_equal(final.state().states[:count], other.state().states[:count]), place
    assert View(final.region).open_orders() == View(other.region).open_orders(), place
    first, second = (of_before(engine.region.copy(), before) for engine in (final, other))
    places = np.flatnonzero(first != second).tolist()
    view = View(final.region)
    found = [(named(view, 8 * at), int(first[at]), int(second[at])) for at in places[:20]]
    assert not found, f"carried over after {place}"


def of_before(region: npt.NDArray[np.uint8], before: View) -> npt.NDArray[np.int64]:
    """The words of a state; 0 for what ``before`` did not have, and for the table of orders, whose
    places follow from its size."""
    view, rows, columns = View(region), len(before.participants), len(before.instruments)
    view.participants[rows:] = view.cells[rows:] = view.cells[:, columns:] = 0
    view.instruments[columns:] = view.orders[:] = 0
    if view.protection is not None:
        kept = 0 if before.protection is None else columns
        view.protection.quotes[kept:] = view.protection.rows[kept:] = 0
        if before.protection is None:
            view.protection.header[:] = 0
    if view.contracts is not None and before.contracts is not None:
        view.contracts.rows[len(before.contracts.rows) :] = 0
    if view.wallets is not None:
        view.wallets.all_rows[rows:] = 0
    return region.view(np.int64)


def named(view: View, at: int) -> str:
    """The table that a byte of the state is in, and where in it."""
    tables = {
        view.word(word): name
        for name, word in vars(lay).items()
        if name.endswith("_AT") and isinstance(word, int) and 0 < word < lay.HEADER_BYTES
    }
    begin = max((place for place in tables if 0 < place <= at), default=0)
    return f"{tables.get(begin, 'header')} + {at - begin}"
