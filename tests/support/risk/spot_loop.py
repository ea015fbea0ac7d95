"""before, matcher and after in one kernel over hostile commands, with a look at every wallet after
each of them: no unit is lost or made, and nobody is below the credit that was granted."""

import numpy as np

from openoutcry.flow.mixed import MixedFlow
from openoutcry.matcher import process_batch
from openoutcry.risk import spot_layout
from openoutcry.risk.bits import Setting
from openoutcry.risk.layout import RiskState
from openoutcry.risk.region import setting
from openoutcry.risk.spot import conserved
from openoutcry.wire.enums import CommandKind, OrderType
from openoutcry.wire.indirect import kernel_address
from openoutcry.wire.kernel import kernel
from openoutcry.wire.records import RECORD_BYTES
from tests.support.risk.risk_core import PARTICIPANTS
from tests.support.risk.risk_flow import instruments
from tests.support.risk.risk_loop import Loop, run_one
from tests.support.risk.spot import ASSETS, MULTIPLIERS, RATES, SPOT, in_asset

EVERY, AMONG = 64, 4_096
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
        elif drawn < 0.95:
            rows.append(setting(Setting.LEDGER_COLLECT, int(rng.integers(2)), int(rng.integers(4))))
        else:
            symbol, of = rng.choice([b"", *symbols]), int(rng.integers(-1, PARTICIPANTS))
            rows.append(setting(Setting.LEDGER_FEES, int(rng.integers(-1, 4)), of, symbol))
    return np.concatenate(rows)


def hostile(count, seed):
    """Commands done, refused, events; fees collected in each asset."""
    rng, table = np.random.default_rng([seed, 31]), instruments()
    given = {"multipliers": MULTIPLIERS, "assets": ASSETS, "spot": SPOT}
    loop = Loop(table, participants=PARTICIPANTS, **given)
    operator = of_the_operator(rng, table["symbol"].tolist())
    done = refused = events = 0
    for chunk in MixedFlow(count, seed).chunks(1 << 16):
        who = chunk["participant"]
        chunk["participant"] = np.where(who > 0, 1 + who % (PARTICIPANTS - 1), 0)
        replaces = (chunk["kind"] == CommandKind.REPLACE) & (rng.random(len(chunk)) < 0.5)
        chunk["qty_lots"][replaces] *= 8
        priced = replaces & (chunk["order_type"] != OrderType.MARKET)
        chunk["price_ticks"][priced] += rng.integers(-300, 300, priced.sum())
        places = np.arange(0, len(chunk), EVERY)
        orders = np.insert(chunk, places, operator[rng.integers(0, AMONG, len(places))])
        orders["seq"] = np.arange(done + 1, done + 1 + len(orders))
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
    return done, refused, events, [loop.view.wallets.fees(name) for name, _ in ASSETS]
