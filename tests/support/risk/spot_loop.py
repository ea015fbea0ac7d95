"""before, matcher and after in one kernel over hostile commands, with a look at every wallet after
each of them: no unit is lost or made, and nobody is below the credit that was granted."""

import numpy as np

from openoutcry.flow.mixed import MixedFlow
from openoutcry.matcher import process_batch
from openoutcry.risk import spot_layout
from openoutcry.risk.bits import MovementState, MovementStep, Setting
from openoutcry.risk.layout import RiskState
from openoutcry.risk.movements import OPEN_STATES
from openoutcry.risk.region import setting
from openoutcry.risk.spot import conserved
from openoutcry.venue.requests import opening
from openoutcry.wire.enums import CommandKind, OrderType
from openoutcry.wire.indirect import kernel_address
from openoutcry.wire.kernel import kernel
from openoutcry.wire.records import RECORD_BYTES
from tests.support.risk.movements import FIRST, numbered, step_record
from tests.support.risk.risk_core import PARTICIPANTS
from tests.support.risk.risk_flow import instruments
from tests.support.risk.risk_loop import Loop, run_one
from tests.support.risk.spot import ASSETS, MULTIPLIERS, RATES, SPOT, in_asset

EVERY, AMONG = 32, 4_096
"""A command of the operator among so many, drawn from so many."""


@kernel
def run_looked_at(batch, arena, region, orders, count, out, capacity, counts):
    """Commands done, and 1 if the wallets were wrong after the last."""
    for index in range(count):
        order = orders + index * RECORD_BYTES
        run_one(batch, arena, region, 0, order, 0, out, capacity, counts)
        if conserved(RiskState(region)) == 0:
            return index + 1, 1
    return count, 0


def of_the_operator(rng, symbols):
    """Money in and out, credit and fees, whatever stands."""
    rows = []
    for _ in range(AMONG):
        who, asset = int(rng.integers(PARTICIPANTS)), int(rng.integers(len(ASSETS)))
        drawn, size = rng.random(), 10 ** int(rng.integers(2, 9))
        amount = int(rng.integers(-size, 2 * size))
        if drawn < 0.6:
            rows.append(in_asset(Setting.DEPOSIT, amount, who, asset, int(rng.random() < 0.2)))
        elif drawn < 0.7:
            rows.append(in_asset(Setting.ASSET_CREDIT, amount, who, asset))
        elif drawn < 0.75:
            rows.append(setting(Setting.FEE_VOLUME, int(rng.integers(3_000)), who))
        elif drawn < 0.9:
            maker, taker = (int(rate) for rate in rng.choice(RATES, 2))
            place = int(rng.integers(4)) * 16 + int(rng.integers(8))
            begin = int(rng.choice([0, 1_000, 2_000, spot_layout.UNUSED_TIER]))
            rates = maker & 0xFFFFFFFF | taker << 32
            rows.append(setting(Setting.LEDGER_TIER, rates, place, second=begin))
        elif drawn < 0.93:
            rows.append(setting(Setting.LEDGER_COLLECT, int(rng.integers(2)), int(rng.integers(4))))
        elif drawn < 0.95:
            least = int(rng.choice([0, 0, 1, 100, 10**6, 2**61]))
            rows.append(setting(Setting.LEDGER_MINIMUM, least, int(rng.integers(4))))
        else:
            symbol, of = rng.choice([b"", *symbols]), int(rng.integers(-1, PARTICIPANTS))
            rows.append(setting(Setting.LEDGER_FEES, int(rng.integers(-1, 4)), of, symbol))
    return np.concatenate(rows)


def steps_of_movements(rng):
    """Requests with a step each, whatever is permitted; ``numbered`` gives later steps a number."""
    rows = []
    for number in range(AMONG):
        who, asset = int(rng.integers(1, PARTICIPANTS)), int(rng.integers(len(ASSETS)))
        amount = int(rng.integers(1, 10 ** int(rng.integers(1, 10))))
        begins = rng.random() < 0.35
        among = FIRST if begins else [step for step in MovementStep if step not in FIRST]
        step = among[int(rng.integers(len(among)))]
        named = ASSETS[asset][0] if begins else 0
        rows.append([*opening("x", number, 0), step_record(step, who, amount, named)])
    return np.array([np.concatenate(one) for one in rows])


def with_operator(chunk, rng, single, triples, done, known):
    """The flow's commands with the operator's among them, numbered from ``done`` on; a request and
    its step without another operator's command between them."""
    places = np.arange(0, len(chunk), EVERY)
    moves = rng.random(len(places)) < 0.5
    drawn = triples[rng.integers(0, AMONG, moves.sum())].copy()
    drawn["price_ticks"][:, 0] = done + np.arange(len(drawn))  # each has its own reference
    drawn["price_ticks"][:, 1] = 1
    ones = single[rng.integers(0, AMONG, (~moves).sum())]
    among = np.concatenate([np.repeat(places[moves], 3), places[~moves]])
    orders = np.insert(chunk, among, np.concatenate([drawn.reshape(-1), ones]))
    orders["seq"] = np.arange(done + 1, done + 1 + len(orders))
    return numbered(orders, rng, known)


def hostile(count, seed):
    """Commands done, refused, events; fees collected in each asset; movements, and how many left a
    shortfall of those remembered."""
    rng, table = np.random.default_rng([seed, 31]), instruments()
    given = {"multipliers": MULTIPLIERS, "assets": ASSETS, "spot": SPOT}
    given |= {"requests": 256, "movements": 128}
    loop = Loop(table, participants=PARTICIPANTS, **given)
    operator, triples = of_the_operator(rng, table["symbol"].tolist()), steps_of_movements(rng)
    done = refused = events = 0
    for chunk in MixedFlow(count, seed).chunks(1 << 13):
        who = chunk["participant"]
        chunk["participant"] = np.where(who > 0, 1 + who % (PARTICIPANTS - 1), 0)
        replaces = (chunk["kind"] == CommandKind.REPLACE) & (rng.random(len(chunk)) < 0.5)
        chunk["qty_lots"][replaces] *= 8
        priced = replaces & (chunk["order_type"] != OrderType.MARKET)
        chunk["price_ticks"][priced] += rng.integers(-300, 300, priced.sum())
        known = loop.view.wallets.movements.chosen(OPEN_STATES | {MovementState.CREDITED})
        orders = with_operator(chunk, rng, operator, triples, done, known)
        counts = np.zeros(4, np.int64)
        taken, wrong = run_looked_at(
            kernel_address(process_batch, 5),
            loop.engine.address,
            loop.region.ctypes.data,
            orders.ctypes.data,
            len(orders),
            loop.out.ctypes.data,
            len(loop.out),
            counts.ctypes.data,
        )
        assert (taken, wrong) == (len(orders), 0), orders[taken - 1]
        done, refused, events = done + taken, refused + int(counts[0]), events + int(counts[1])
    wallets = loop.view.wallets
    short = sum(one.short > 0 for one in wallets.movements.chosen(MovementState))
    moved = wallets.movements.word("count"), short
    return done, refused, events, [wallets.fees(name) for name, _ in ASSETS], moved
