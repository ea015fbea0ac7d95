"""What the tests of risk never past in several tiers share."""

import numpy as np

from openoutcry.flow.mixed import INSTRUMENTS, MixedFlow
from openoutcry.risk import layout as lay
from openoutcry.risk.bits import Setting
from openoutcry.risk.protection_layout import LOGGED, PAUSES
from openoutcry.risk.region import setting
from openoutcry.wire import ORDER_DTYPE, make_instruments
from openoutcry.wire.enums import CommandKind, OrderType, Phase
from openoutcry.wire.records import NO_PRICE
from tests.support.matcher import matcher_mixed
from tests.support.risk.risk_loop import Loop

LIMITED = {"min_price_ticks": -200, "max_price_ticks": 200_000}
PARTICIPANTS = 10
MS = 10**6


def limits(loop, rng, symbols, money):
    """Limits of every kind for every participant, some tight, some loose."""
    for who in range(PARTICIPANTS):
        draw = {
            Setting.CREDIT: money,
            Setting.EXPOSURE_BUY: money,
            Setting.EXPOSURE_SELL: money,
            Setting.GROSS_POSITION: 20_000,
            Setting.OPEN_ORDERS: 40,
        }
        for what, size in draw.items():
            loop.apply(setting(what, int(rng.integers(size // 8, size)), who))
        for symbol in symbols:
            for what in (Setting.POSITION_LONG, Setting.POSITION_SHORT):
                loop.apply(setting(what, int(rng.integers(200, 5_000)), who, symbol))
    for symbol in symbols:
        loop.apply(setting(Setting.FEE, int(rng.integers(0, 9)), symbol=symbol))
        loop.apply(setting(Setting.MARGIN, int(rng.integers(0, 50_000)), symbol=symbol))
        loop.apply(setting(Setting.WEIGHT, int(rng.integers(1, 4)), symbol=symbol))


def folded(orders):
    who = orders["participant"]
    orders["participant"] = np.where(who > 0, 1 + who % (PARTICIPANTS - 1), 0)
    return orders


def tried_larger(orders, rng):
    """Half of the replaces ask for much more, or for a worse price."""
    replaces = (orders["kind"] == CommandKind.REPLACE) & (rng.random(len(orders)) < 0.5)
    orders["qty_lots"][replaces] *= 8
    priced = replaces & (orders["order_type"] != OrderType.MARKET) & (rng.random(len(orders)) < 0.5)
    orders["price_ticks"][priced] += rng.integers(-300, 300, priced.sum())
    return orders


def protect(loop, symbols):
    """So narrow and short that bands, pauses and the breaker are always at work."""
    for number, symbol in enumerate(symbols):
        for what, value, second in (
            (Setting.LULD, 8 * (number % 2), 0),
            (Setting.RENEWAL, 0, 0),
            (Setting.LIMIT_STATE, MS, 0),
            (Setting.VOLATILITY, 10, 300),
            (Setting.VELOCITY, 60, 10),
            (Setting.PAUSE, MS, MS),
            (Setting.INDEX_WEIGHT, 1, 0),
        ):
            loop.apply(setting(what, value, symbol=symbol, second=second))
    loop.apply(setting(Setting.BREAKER, 5, 1, second=MS))
    loop.apply(setting(Setting.BREAKER, 10, 2, second=MS))


def reopened(orders, symbols, day, rng):
    """Between every 2,048 commands a new day begins, whatever pauses is called and opened, and
    prices move as they never do in the mixed flow."""
    priced = np.isin(orders["kind"], (CommandKind.NEW, CommandKind.REPLACE))
    priced &= orders["price_ticks"] != 0
    moves = np.cumsum(rng.integers(-40, 41, len(orders) // 256 + 1)).clip(-2_000, 2_000)
    orders["price_ticks"][priced] += np.repeat(moves, 256)[: len(orders)][priced]
    phases = [(Phase.VOLATILITY_AUCTION, symbol) for symbol in symbols]
    phases += [(Phase.CONTINUOUS, symbol) for symbol in symbols]
    rows = np.zeros(len(phases), ORDER_DTYPE)
    rows["kind"] = CommandKind.PHASE
    rows["aux"], rows["symbol"] = [int(phase) for phase, _ in phases], [s for _, s in phases]
    parts = []
    for first in range(0, len(orders), 2_048):
        begins = setting(Setting.TRADING_DAY, day + first + 1, second=2**62)
        parts += [orders[first : first + 2_048], begins, rows]
    return np.concatenate(parts)


BUMPS = ((350_000, 0), (350_000, 90_000), (0, 200_000), (20_000, 0), (5_000_000, 0), (0, 0))
"""Delay and window; of the longest the queue is full."""


def bumped(orders, rng, start_ns):
    """With times of receipt, some out of line as of other lanes, and among them, every few hundred
    commands, another speed bump or somebody who is gone."""
    orders["rx_ts_ns"] = start_ns + np.cumsum(rng.integers(0, 10_000, len(orders)))
    late = rng.random(len(orders)) < 0.1
    orders["rx_ts_ns"][late] -= rng.integers(0, 500_000, late.sum())
    parts = []
    for number, first in enumerate(range(0, len(orders), 512)):
        delay_ns, window_ns = BUMPS[number % 6 and int(rng.integers(len(BUMPS)))]
        bump = setting(Setting.SPEED_BUMP, delay_ns, int(rng.integers(2**60)), second=window_ns)
        bump["rx_ts_ns"] = orders["rx_ts_ns"][first]
        part, gone = orders[first : first + 512], np.zeros(1, ORDER_DTYPE)
        gone["kind"], gone["rx_ts_ns"] = CommandKind.DISCONNECT, part["rx_ts_ns"][len(part) // 2]
        gone["participant"] = rng.integers(1, PARTICIPANTS)
        half = len(part) // 2
        parts += [bump, part[:half], gone, part[half:]]
    return np.concatenate(parts)


def mixed_never_past(count, seed, protection=False, delayed=0):
    """``delayed``: places at the speed bump, 0: none.  With ``seed`` below 100 the same core with
    its hooks ends in the same state."""
    rng = np.random.default_rng([seed, 20])
    table = make_instruments([LIMITED | dict(row) for row in INSTRUMENTS])
    symbols = table["symbol"].tolist()
    loop = Loop(table, participants=PARTICIPANTS, protection=protection, delayed=delayed)
    limits(loop, rng, symbols, 10**10)
    if protection:
        protect(loop, symbols)
    core = loop.hooked(table) if seed < 100 else None
    refused = day = 0
    for chunk in MixedFlow(count, seed).chunks(1 << 16):
        orders = tried_larger(folded(chunk), rng)
        if protection:
            orders, day = reopened(orders, symbols, day, rng), day + len(orders)
        if delayed:
            orders = bumped(orders, rng, 10**9 * (1 + loop.seq))
        done, broken, more, _ = loop.run(orders)
        assert (done, broken) == (len(orders), 0)
        refused += more
        if core is not None:
            core.process(orders)
            assert core.region.tobytes() == loop.region.tobytes()
    if delayed:
        assert loop.entered > 0.3 * count
        assert loop.no_room > 0.001 * count
    assert 0.1 * count < refused < 0.95 * count
    if protection:
        assert loop.view.protection.word(PAUSES) > 10
        assert loop.view.protection.word(LOGGED) > 100
    traded = np.abs(loop.view.cells[:, :, lay.POSITION // 8])
    assert (traded > 0).sum() > 20
    return refused


def far_out(table):
    """Whether a market is where prices no longer count as limited."""
    reference = table["reference_price_ticks"]
    named = (reference != NO_PRICE) & (np.abs(reference) > 2**50)
    return named.any() or (table["min_price_ticks"] > table["max_price_ticks"]).any()


def swarm_never_past(seed, count, delayed=0):
    rng = np.random.default_rng([seed, 21])
    case = matcher_mixed.mixed(seed, count, malformed=0.0, extreme=0.0)
    table = case.instruments.copy()
    table["min_price_ticks"] = np.maximum(table["min_price_ticks"], -(2**50))
    table["max_price_ticks"] = np.minimum(table["max_price_ticks"], 2**50)
    if (np.abs(table["market_band_ticks"]) > 2**50).any() or far_out(table):
        return 0, 0
    loop = Loop(table, case.order_capacity, participants=PARTICIPANTS, delayed=delayed)
    limits(loop, rng, table["symbol"].tolist(), 10**6)
    orders = tried_larger(folded(case.orders), rng)
    if delayed:
        orders = bumped(orders, rng, 10**9)
    done, broken, refused, events = loop.run(orders)
    assert (done, broken) == (len(orders), 0)
    return refused, events
