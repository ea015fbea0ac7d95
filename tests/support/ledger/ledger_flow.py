"""Markets whose money is looked at: mixed orders with limits, deposits, fees and opening lots."""

import numpy as np

from openoutcry.flow.mixed import INSTRUMENTS, MixedFlow
from openoutcry.journal import Journal
from openoutcry.journal.core import Core
from openoutcry.journal.replay import instruments_to_json
from openoutcry.risk.bits import CORPORATE_SETTINGS, Setting
from openoutcry.risk.region import setting
from openoutcry.wire import ORDER_DTYPE, make_instruments
from openoutcry.wire.enums import CommandKind

CAPACITY, PARTICIPANTS = 1 << 14, 129
LIMITED = {"min_price_ticks": 10, "max_price_ticks": 200_000}
TABLE = make_instruments([LIMITED | dict(row) for row in INSTRUMENTS])
SYMBOLS = TABLE["symbol"].tolist()
DAY_NS = 86_400 * 10**9
COMMANDS = 20_000
"""Commands of the journal that reports are made of."""


def rates(maker, taker):
    return (maker & 0xFFFFFFFF) | (taker << 32)


def config(leveraged=(1, 5), limits=(), **more):
    """A journal's: risk in the core, two leveraged instruments, one with a multiplier."""
    hooks = {
        "name": "risk",
        "participants": PARTICIPANTS,
        "order_capacity": CAPACITY,
        "leveraged": list(leveraged),
        "multipliers": [1, 1, 5, 1, 1, 1, 1, 1],
        "limits": list(limits),
        **more,
    }
    return {"instruments": instruments_to_json(TABLE), "order_capacity": CAPACITY, "hooks": hooks}


def draw_setting(rng):
    """A RISK command that moves money or changes what is to be paid."""
    what = rng.choice(
        [
            Setting.DEPOSIT,
            Setting.POSITION,
            Setting.FEE,
            Setting.MARGIN,
            Setting.MARK,
            Setting.LEDGER_TIER,
            Setting.LEDGER_MINIMUM,
            Setting.LEDGER_FEES,
        ]
    )
    who, symbol = int(rng.integers(0, PARTICIPANTS)), SYMBOLS[rng.integers(0, len(SYMBOLS))]
    value = int(rng.integers(0, 50))
    if what == Setting.DEPOSIT:
        amount = int(rng.integers(-(10**9), 10**9))
        return setting(what, amount, who, second=int(rng.integers(0, 4)))
    if what == Setting.MARK and rng.random() < 0.3:
        return setting(what, 0)
    if what == Setting.POSITION:
        return setting(what, int(rng.integers(-500, 500)), who, symbol, second=100_000)
    if what == Setting.LEDGER_TIER:
        volume = int(rng.choice([0, 0, 10**8, 10**9, 10**10]))
        both = rates(int(rng.integers(-300, 900)), int(rng.integers(0, 3_000)))
        return setting(what, both, int(rng.integers(0, 4) * 16 + rng.integers(0, 8)), b"", volume)
    if what == Setting.LEDGER_MINIMUM:
        return setting(what, value * 20, int(rng.integers(0, 4)))
    if what == Setting.LEDGER_FEES:
        someone, somewhere = rng.choice([-1, who]), rng.choice([b"", symbol])
        return setting(what, int(rng.integers(-1, 4)), int(someone), bytes(somewhere))
    return setting(what, value, 0, symbol)


def corporate_action(rng):
    """A dividend or a split and what it takes: a halt, no open orders, the end of the halt."""
    symbol, what = SYMBOLS[rng.integers(0, len(SYMBOLS))], rng.choice(CORPORATE_SETTINGS)
    most = 5 if what == Setting.SPLIT else 100
    new, old = (int(one) for one in rng.integers(1, most, 2))
    cancel = np.zeros(1, ORDER_DTYPE)
    cancel["kind"], cancel["symbol"], cancel["aux"] = CommandKind.MASS_CANCEL, symbol, 1
    price = int(rng.integers(50_000, 150_000))
    action = setting(Setting(int(what)), new << 32 | old, 0, symbol, price)
    halt, end = (setting(Setting.HALT, on, 0, symbol) for on in (1, 0))
    return np.concatenate([halt, cancel, action, end])


def draw(count, seed, risk_every=40, days=40):
    """``count`` commands of the mixed flow with RISK commands among them, over some days."""
    rng = np.random.default_rng([seed, 20])
    flow = MixedFlow(count, seed)
    orders = np.concatenate(list(flow.chunks())).copy()
    for index in range(risk_every, count, risk_every):
        orders[index] = draw_setting(rng)[0]
    for index in range(20 * risk_every, count - 4, 20 * risk_every):
        orders[index + 1 : index + 5] = corporate_action(rng)
    orders["rx_ts_ns"] = np.sort(rng.integers(0, days * DAY_NS, count)) + 20_000 * DAY_NS
    orders["seq"] = np.arange(1, count + 1)
    return orders


def core(document):
    return Core.of(document).fresh()


def write_journal(home, orders, document=None, blocks=7):
    """A journal of some blocks with these commands."""
    document = document or config()
    with Journal.create(home, document, segment_bytes=1 << 22, direct=False) as writer:
        at = 0
        for number, part in enumerate(np.array_split(orders, blocks)):
            if len(part):
                writer.append(at + 1, [part], len(part), 1_000 + number)
                at += len(part)
    return home
