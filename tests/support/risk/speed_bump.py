"""What the tests of speed bump in several tiers share."""

import numpy as np

from openoutcry.flow.mixed import INSTRUMENTS, MixedFlow
from openoutcry.risk.bits import Setting
from openoutcry.risk.region import setting
from openoutcry.wire import ORDER_DTYPE, make_instruments
from openoutcry.wire.enums import NEW_DAY, CommandKind
from openoutcry.wire.order_ids import LEG_ORDER_IDS
from tests.support.matcher.matcher_lists import with_lists
from tests.support.matcher.matcher_quotes import with_quotes
from tests.support.risk.risk_delayed import switch

TABLE = make_instruments(
    [{"min_price_ticks": 10, "max_price_ticks": 200_000} | dict(row) for row in INSTRUMENTS]
)
CAPACITY, BUMP_NS = 1 << 14, 350_000
LIMITS = {
    "name": "risk",
    "participants": 129,
    "order_capacity": CAPACITY,
    "limits": [{"set": "CREDIT", "value": 10**9, "who": who} for who in range(1, 129)]
    + [{"set": "OPEN_ORDERS", "value": 40, "who": who} for who in range(1, 129)],
}


def flow(count, seed, step_ns=40_000, first_seq=1, start_ns=10**9):
    """The mixed flow with times of receipt: mostly forward, some out of line as of other lanes."""
    orders = np.concatenate(list(MixedFlow(count, seed).chunks()))[:count]
    rng = np.random.default_rng(seed)
    orders["rx_ts_ns"] = start_ns + np.cumsum(rng.integers(0, step_ns, count))
    late = rng.random(count) < 0.1
    orders["rx_ts_ns"][late] -= rng.integers(0, 3 * BUMP_NS, late.sum())
    orders["seq"] = np.arange(first_seq, first_seq + count)
    return orders


def with_terms(orders, seed, often=0.3):
    """Parts of the flow are lists and quotes of sessions, some of which the gateway refuses."""
    first_id = LEG_ORDER_IDS + (1 << 40)
    orders = with_quotes(with_lists(orders, seed, often), seed, often, first_id=first_id)
    rng = np.random.default_rng([seed, 0x67])
    refused = (orders["order_id"] >= LEG_ORDER_IDS) & (rng.random(len(orders)) < 0.05)
    orders["error_code"][refused] = 1
    return orders


def with_switches(orders, seed, window_ns):
    """The operator's: a speed bump, later another one, none, disconnections, mass cancels."""
    rng = np.random.default_rng(seed)
    commands = [switch(BUMP_NS, window_ns, seed, orders["rx_ts_ns"][0])]
    for number, one in enumerate(orders):
        at = int(one["rx_ts_ns"])
        if rng.random() < 0.01:
            bump = [(BUMP_NS, window_ns), (0, 0), (0, 100_000), (10_000, 0)][rng.integers(4)]
            commands.append(switch(*bump, int(rng.integers(1, 1 << 60)), at))
        if rng.random() < 0.01:
            gone = np.zeros(1, ORDER_DTYPE)
            gone["kind"], gone["rx_ts_ns"] = CommandKind.MASS_CANCEL, at
            if rng.random() < 0.5:
                gone["kind"], gone["participant"] = CommandKind.DISCONNECT, one["participant"]
            else:
                gone["aux"], gone["symbol"] = 1, TABLE["symbol"][rng.integers(len(TABLE))]
                if rng.random() < 0.5:
                    gone["aux"], gone["qty_lots"] = NEW_DAY, rng.integers(1, 9)
            commands.append(gone)
        if rng.random() < 0.01:
            release = setting(Setting.RELEASE, 0)
            release["rx_ts_ns"] = at
            commands.append(release)
        commands.append(orders[number : number + 1])
    records = np.concatenate(commands)
    records["seq"] = np.arange(1, len(records) + 1)
    return records
