"""Nobody gets past a limit, whatever is tried: larger replaces, icebergs, stops that elect each
other, pegs, auctions, self-trades, mass cancels; looked at after every command."""

import os
import time

import matcher_mixed
import numpy as np
import pytest
from risk_loop import Loop

from openoutcry.flow.mixed import INSTRUMENTS, MixedFlow
from openoutcry.report.evidence import write_evidence
from openoutcry.risk import layout as lay
from openoutcry.risk.bits import Setting
from openoutcry.risk.guard_layout import LOGGED, PAUSES
from openoutcry.risk.region import setting
from openoutcry.wire import ORDER_DTYPE, make_instruments
from openoutcry.wire.enums import CommandKind, OrderType, Phase
from openoutcry.wire.records import NO_PRICE

LIMITED = {"min_price_ticks": -200, "max_price_ticks": 200_000}
PARTICIPANTS = 10
MS = 10**6


def limits(loop, rng, symbols, money):
    """Limits of every kind for every participant, some tight, some loose."""
    for who in range(PARTICIPANTS):
        draw = {
            Setting.CREDIT: money, Setting.EXPOSURE_BUY: money, Setting.EXPOSURE_SELL: money,
            Setting.GROSS_POSITION: 20_000, Setting.OPEN_ORDERS: 40,
        }  # fmt: skip
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
            (Setting.LULD, 8 * (number % 2), 0), (Setting.RENEWAL, 0, 0),
            (Setting.LIMIT_STATE, MS, 0), (Setting.VOLATILITY, 10, 300),
            (Setting.VELOCITY, 60, 10), (Setting.PAUSE, MS, MS),
            (Setting.INDEX_WEIGHT, 1, 0),
        ):  # fmt: skip
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


def mixed_never_past(count, seed, protection=False):
    rng = np.random.default_rng([seed, 20])
    table = make_instruments([LIMITED | dict(row) for row in INSTRUMENTS])
    symbols = table["symbol"].tolist()
    loop = Loop(table, participants=PARTICIPANTS, protection=protection)
    limits(loop, rng, symbols, 10**10)
    if protection:
        protect(loop, symbols)
    refused = day = 0
    for chunk in MixedFlow(count, seed).chunks(1 << 16):
        orders = tried_larger(folded(chunk), rng)
        if protection:
            orders, day = reopened(orders, symbols, day, rng), day + len(orders)
        done, broken, more, _ = loop.run(orders)
        assert (done, broken) == (len(orders), 0)
        refused += more
    assert 0.1 * count < refused < 0.95 * count
    if protection:
        assert loop.view.guard.word(PAUSES) > 10
        assert loop.view.guard.word(LOGGED) > 100
    traded = np.abs(loop.view.cells[:, :, lay.POSITION // 8])
    assert (traded > 0).sum() > 20
    return refused


def far_out(table):
    """Whether a market is where prices no longer count as limited."""
    reference = table["reference_price_ticks"]
    named = (reference != NO_PRICE) & (np.abs(reference) > 2**50)
    return named.any() or (table["min_price_ticks"] > table["max_price_ticks"]).any()


def swarm_never_past(seed, count):
    rng = np.random.default_rng([seed, 21])
    case = matcher_mixed.mixed(seed, count, malformed=0.0, extreme=0.0)
    table = case.instruments.copy()
    table["min_price_ticks"] = np.maximum(table["min_price_ticks"], -(2**50))
    table["max_price_ticks"] = np.minimum(table["max_price_ticks"], 2**50)
    if (np.abs(table["market_band_ticks"]) > 2**50).any() or far_out(table):
        return 0, 0
    loop = Loop(table, case.order_capacity, participants=PARTICIPANTS)
    limits(loop, rng, table["symbol"].tolist(), 10**6)
    done, broken, refused, events = loop.run(tried_larger(folded(case.orders), rng))
    assert (done, broken) == (count, 0)
    return refused, events


def test_fifty_thousand_mixed_commands_never_past_a_limit():
    mixed_never_past(50_000, 3)


def test_fifty_thousand_protected_commands_never_past_a_limit():
    mixed_never_past(50_000, 4, protection=True)


def test_swarms_never_past_a_limit():
    """Small books in narrow markets: everything meets everything."""
    counts = [swarm_never_past(seed, 1_500) for seed in range(40)]
    assert sum(refused for refused, _ in counts) > 5_000
    assert sum(events for _, events in counts) > 20_000


def test_a_sliding_order_counts_at_the_price_that_was_asked():
    """A sale that slides up to behind the bid (found by a hundred million commands)."""
    assert swarm_never_past(114_884, 2_000)[1] > 0


def seconds(default=0):
    """Stop after this long (OUTCRY_RISK_SECONDS), and say how far it came."""
    return int(os.environ.get("OUTCRY_RISK_SECONDS", default)) or float("inf")


@pytest.mark.long
def test_a_hundred_million_commands_never_past_a_limit():
    """Looked at after every command; OUTCRY_RISK_EVIDENCE=1 writes the figures to docs/evidence."""
    started, commands, refused, events, seed = time.monotonic(), 0, 0, 0, 1_000
    while commands < 100_000_000 and time.monotonic() - started < seconds():
        refused += mixed_never_past(200_000, seed, protection=seed % 2 == 1)
        commands += 200_000
        for number in range(100):
            more, told = swarm_never_past(10_000 + 100 * seed + number, 2_000)
            refused, events = refused + more, events + told
            commands += 2_000 if told else 0
        seed += 1
    took_s = time.monotonic() - started
    figures = {
        "commands": commands, "refused_by_a_limit": refused, "past_a_limit": 0,
        "first_seed": 1_000, "last_seed": seed - 1, "participants": PARTICIPANTS,
        "protected": "every second piece", "seconds": round(took_s, 1),
        "commands_per_s": round(commands / took_s),
    }  # fmt: skip
    print(figures)
    if os.environ.get("OUTCRY_RISK_EVIDENCE"):
        made = "make test-long ARGS=tests/risk/test_risk_never_past.py"
        limit = os.environ.get("OUTCRY_RISK_SECONDS")
        write_evidence("risk_hostile", figures, f"OUTCRY_RISK_SECONDS={limit} {made}")
