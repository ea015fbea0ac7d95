"""The breakers do in the core what the rule books' examples do: LULD bands, limit state, pause and
auction; the market-wide breaker with the closing values of its four days in March 2020, with the
levels of the NSE and BSE, and its cut-off; volatility and velocity.

Sources: Plan to Address Extraordinary Market Volatility (LULD), sections I, V, VI, VII and Appendix
A; NYSE Rule 7.12; SEBI circular CIR/MRD/DP/25/2013 (index breakers of 10, 15 and 20 %); CME Group,
velocity logic."""

import numpy as np
import pytest

from openoutcry.risk import layout as lay
from openoutcry.risk import protection_layout
from openoutcry.risk.bits import PauseCause, Setting
from openoutcry.risk.region import setting
from openoutcry.wire.enums import EventKind, Phase, Reason, Side
from tests.support.risk.risk_market import H, M, Market, S

OPEN = 9 * H + 30 * M


def banded(price, bps=500, unit=100, at=OPEN):
    market = Market()
    assert market.set(Setting.LULD, bps, second=unit)
    market.trade(price, at)
    return market


@pytest.mark.parametrize(
    ("reference", "bps", "low", "high"),
    [
        (1_000, 500, 950, 1_050),  # Tier 1 above $3.00: 5 %
        (1_000, 1_000, 900, 1_100),  # Tier 2: 10 %
        (301, 500, 286, 316),
        (300, 500, 240, 360),  # $0.75 to $3.00: 20 %
        (75, 1_000, 60, 90),
        (74, 500, 59, 89),  # below: $0.15 ...
        (10, 500, 2, 18),  # ... or 75 %, if that is less
    ],
)
def test_bands_by_tier_and_price(reference, bps, low, high):
    """LULD Plan, Appendix A: percentage parameters; bands rounded to the nearest tick.  At the band
    an order is taken, a tick beyond it none is.  A price below zero has the bands of its size."""
    market = banded(reference, bps)
    assert market.bands == (low, high)
    below = Market(min_price_ticks=-(10**9))
    assert below.set(Setting.LULD, bps, second=100)
    below.trade(-reference, OPEN)
    assert below.bands == (-high, -low)
    assert market.new(Side.BUY, high + 1) == {"PRICE_BAND"}
    assert market.new(Side.SELL, low - 1) == {"PRICE_BAND"}
    assert market.new(Side.BUY, high) == set()


def test_the_reference_is_the_mean_of_five_minutes_and_renewed_from_one_percent():
    """LULD Plan V(A): arithmetic mean of the last five minutes; a new one is in effect only if it
    is 1 % away or more, and 30 s after the one before at the earliest."""
    market = banded(1_000)
    market.trade(1_018, OPEN + 31 * S)  # mean 1009: 0.9 %
    assert market.word(protection_layout.REFERENCE) == 1_000
    market.trade(1_012, OPEN + 32 * S)  # mean 1010: 1 %
    assert market.word(protection_layout.REFERENCE) == 1_010
    assert market.bands == (959, 1_061)
    market.trade(1_060, OPEN + 61 * S)  # mean 1022.5, but 29 s later
    assert market.word(protection_layout.REFERENCE) == 1_010
    market.time(OPEN + 62 * S)
    assert market.word(protection_layout.REFERENCE) == 1_023
    # After five minutes only what is younger counts.
    market.trade(1_060, OPEN + 62 * S + 5 * M)
    assert market.word(protection_layout.REFERENCE) == 1_060
    assert market.word(protection_layout.TRADES) == 1


def test_limit_state_pause_and_auction():
    """LULD Plan VI, VII: an offer at the lower band for 15 s is a pause of five minutes, then an
    auction, whose price is the new reference.  While it pauses cancels are taken, nothing else."""
    market = banded(1_000, at=10 * H)
    market.new(Side.BUY, 900, qty=3)
    assert market.word(protection_layout.STATE) == protection_layout.NORMAL
    market.new(Side.SELL, 950, 2)
    offer = market.ids
    market.time(10 * H + 15 * S - 1)
    assert market.word(protection_layout.STATE) == protection_layout.LIMIT_STATE
    market.again()
    market.time(10 * H + 15 * S)
    assert market.decided(protection_layout.PAUSE) == [
        (protection_layout.PAUSE, protection_layout.BY_BANDS)
    ]
    assert market.new(Side.BUY, 1_000) == {"HALTED"}
    (cancelled,) = market.cancel(offer, who=2)
    assert cancelled["kind"] == EventKind.CANCELLED
    market.phase(Phase.HALT)
    market.again()
    market.time(10 * H + 15 * S + 5 * M - 1)
    assert market.word(protection_layout.STATE) == protection_layout.PAUSED
    market.time(10 * H + 15 * S + 5 * M)
    assert market.word(protection_layout.STATE) == protection_layout.DUE
    assert market.new(Side.BUY, 1_000) == {"HALTED"}
    market.phase(Phase.VOLATILITY_AUCTION)
    assert market.trade(940) == set()
    market.phase(Phase.CONTINUOUS)
    assert market.word(protection_layout.STATE) == protection_layout.NORMAL
    assert market.bands == (893, 987)
    assert market.decided(
        protection_layout.REOPEN, protection_layout.CALL, protection_layout.OPENED
    ) == [
        (protection_layout.REOPEN, 0),
        (protection_layout.CALL, 0),
        (protection_layout.OPENED, 940),
    ]


def test_a_limit_state_that_ends_in_time_is_no_pause():
    """By an execution or a cancellation of what stood at the band, within 15 s."""
    market, now = banded(1_000, at=10 * H), 10 * H
    market.new(Side.BUY, 1_050)
    market.time(now + 14 * S)
    market.cancel(market.ids)
    market.time(now + 16 * S)
    market.new(Side.BUY, 1_050)
    market.time(now + 31 * S - 1)
    assert market.decided(protection_layout.PAUSE) == []
    market.time(now + 31 * S)
    assert market.decided(protection_layout.PAUSE) == [
        (protection_layout.PAUSE, protection_layout.BY_BANDS)
    ]


def test_a_trade_outside_of_the_bands_pauses_at_once():
    """Against a bid that rested when the bands moved below it."""
    market = banded(1_000, at=10 * H)
    market.new(Side.BUY, 1_040)
    market.set(Setting.LULD, 100)
    assert market.bands == (990, 1_010)
    market.new(Side.SELL, 1_000, 2)
    assert market.decided(protection_layout.PAUSE) == [
        (protection_layout.PAUSE, protection_layout.BY_BANDS)
    ]


def test_static_bands_narrow_the_dynamic_ones():
    """Dynamic 5 % of the mean, static 3 % of the last auction."""
    market = banded(1_000)
    assert market.set(Setting.STATIC_BAND, 300)
    assert market.bands == (970, 1_030)
    market.set(Setting.RENEWAL, 0)
    market.trade(1_030, OPEN + S)
    assert market.word(protection_layout.REFERENCE) == 1_015
    assert market.bands == (970, 1_030)
    market.set(Setting.STATIC_BAND, 0)
    assert market.bands == (964, 1_066)
    assert not market.set(Setting.BANDS, 2_000, second=1)  # the protection makes them
    market.set(Setting.LULD, 0)
    assert market.bands == (-protection_layout.NEVER, protection_layout.NEVER)
    assert market.set(Setting.BANDS, 2_000, second=1)


@pytest.mark.parametrize(
    ("price", "halts"), [(900, False), (899, True), (1_100, False), (1_101, True)]
)
def test_a_volatility_halt_is_by_more_than_its_share_in_five_minutes(price, halts):
    market = Market()
    market.set(Setting.VOLATILITY, 1_000, second=300)
    market.trade(1_000, 10 * H)
    market.trade(price, 10 * H + 299 * S)
    assert market.decided(protection_layout.PAUSE) == (
        [(protection_layout.PAUSE, protection_layout.BY_VOLATILITY)] if halts else []
    )
    assert market.new(Side.BUY, 1) == ({"HALTED"} if halts else set())
    assert not halts or market.word(protection_layout.UNTIL_NS) == 10 * H + 299 * S + 5 * M


@pytest.mark.parametrize(
    ("later", "moved", "halts"), [(9, 21, True), (9, 20, False), (10, 21, False)]
)
def test_velocity_is_ticks_in_a_time(later, moved, halts):
    """CME's velocity logic: more than 20 ticks within 10 s."""
    market = Market()
    market.set(Setting.VELOCITY, 20, second=10)
    market.trade(1_000, 10 * H)
    market.trade(1_000 + moved, 10 * H + later * S)
    assert market.decided(protection_layout.PAUSE) == (
        [(protection_layout.PAUSE, protection_layout.BY_VELOCITY)] if halts else []
    )


def test_a_group_pauses_together():
    market = Market(3)
    for symbol in (b"A", b"B"):
        market.set(Setting.HALT_GROUP, 7, symbol=symbol)
    market.set(Setting.VELOCITY, 20, second=10)
    for symbol in (b"A", b"B", b"C"):
        market.trade(1_000, 10 * H, symbol)
    market.trade(1_021)
    assert market.decided(protection_layout.PAUSE) == [
        (protection_layout.PAUSE, protection_layout.BY_VELOCITY),
        (protection_layout.PAUSE, protection_layout.BY_GROUP),
    ]
    assert [market.new(Side.BUY, 900, symbol=one) for one in (b"A", b"B", b"C")] == [
        {"HALTED"},
        {"HALTED"},
        set(),
    ]


MARCH_2020 = [
    # previous close of the S&P 500, level 1 of the day (0.93 of it, as published), halted at
    (297_237, 276_430, 9 * H + 34 * M),
    (274_138, 254_948, 9 * H + 35 * M),
    (271_102, 252_125, 9 * H + 30 * M),
    (252_919, 235_215, 12 * H + 56 * M),
]
US, INDIA = (700, 1_300, 2_000), (1_000, 1_500, 2_000)


def index_of(close, count=1, levels=US, cut_off=15 * H + 25 * M):
    market = Market(count, close, cut_off)
    for level, bps in enumerate(levels, 1):
        assert market.set(Setting.BREAKER, bps, level, second=15 * M)
    assert market.set(Setting.INDEX_WEIGHT, 1)
    return market


def fall(market, price, at):
    """The levels that fire; then the market opens again, if it may."""
    before = market.protection.word(protection_layout.LOGGED)
    market.trade(price, at)
    levels = [
        value
        for kind, _, _, value in market.protection.logged(before)
        if kind == protection_layout.MARKET_HALT
    ]
    if levels:
        assert market.new(Side.BUY, price) == {"HALTED"}
    market.reopen(at + 15 * M)
    return levels


@pytest.mark.parametrize(("close", "level_1", "at"), MARCH_2020)
def test_the_four_market_wide_halts_of_march_2020(close, level_1, at):
    """9, 12, 16 and 18 March 2020: 7 % below the previous close, 15 minutes."""
    market = index_of(close)
    market.trade(level_1 + 1, at)
    assert market.decided(protection_layout.MARKET_HALT) == []
    market.trade(level_1, at)
    assert market.decided(protection_layout.MARKET_HALT) == [(protection_layout.MARKET_HALT, 1)]
    market.phase(Phase.HALT)
    market.time(at + 15 * M - 1)
    assert (
        market.word(protection_layout.STATE),
        market.protection.word(protection_layout.MARKET_UNTIL_NS),
    ) == (
        protection_layout.PAUSED,
        at + 15 * M,
    )
    market.time(at + 15 * M)
    assert (
        market.word(protection_layout.STATE),
        market.protection.word(protection_layout.MARKET_UNTIL_NS),
    ) == (
        protection_layout.DUE,
        0,
    )
    market.reopen()
    assert market.trade(level_1 - 1, at + 16 * M) == set()
    assert market.decided(protection_layout.MARKET_HALT) == [(protection_layout.MARKET_HALT, 1)]


def test_each_level_once_a_day_and_the_third_closes():
    """NYSE Rule 7.12: 7, 13 and 20 %, exactly at it."""
    market = index_of(100_000)
    assert fall(market, 93_001, 10 * H) == []
    assert fall(market, 93_000, 10 * H + M) == [1]
    assert fall(market, 98_000, 11 * H) == []
    assert fall(market, 92_000, 11 * H + M) == []
    assert fall(market, 87_000, 11 * H + 2 * M) == [2]
    assert fall(market, 80_001, 12 * H) == []
    market.again()
    assert fall(market, 80_000, 12 * H + M) == [3]
    # For the day: no call opens it again.
    assert market.new(Side.BUY, 80_000) == {"HALTED"}
    assert market.word(protection_layout.UNTIL_NS) == protection_layout.NEVER
    market.phase(Phase.CLOSED)
    assert not market.set(Setting.TRADING_DAY, 1, second=40 * H)
    assert market.set(Setting.TRADING_DAY, 2, second=40 * H)
    market.phase(Phase.CONTINUOUS)
    # Of the new day's previous close, which is 80,000.
    assert fall(market, 74_401, 34 * H) == []
    assert fall(market, 74_400, 34 * H + M) == [1]


def test_a_crash_through_several_levels_fires_the_highest():
    market = index_of(100_000)
    assert fall(market, 86_000, 10 * H) == [2]
    assert fall(market, 92_000, 11 * H) == []
    assert fall(market, 79_000, 11 * H + M) == [3]


def test_the_levels_of_the_national_stock_exchange_of_india():
    """10, 15 and 20 % of the previous close, SEBI's index breaker.  13 March 2020: the Nifty 50
    had closed at 9590.15 and was halted 10 % lower."""
    market = index_of(959_015, levels=INDIA)
    assert fall(market, 863_115, 9 * H + 20 * M) == []
    assert fall(market, 863_114, 10 * H) == [1]
    assert fall(market, 815_162, 11 * H) == [2]
    assert fall(market, 767_212, 12 * H) == [3]


@pytest.mark.parametrize(("before", "halts"), [(1, True), (0, False)])
def test_levels_one_and_two_only_before_the_cut_off_and_three_at_any_time(before, halts):
    """15:25."""
    cut_off = 15 * H + 25 * M
    for price, level in ((93_000, 1), (87_000, 2)):
        assert fall(index_of(100_000), price, cut_off - before) == ([level] if halts else [])
    assert fall(index_of(100_000), 80_000, cut_off + 30 * M) == [3]


def test_the_index_is_of_all_its_instruments():
    """Two thirds and one third; who does not count halts as well."""
    market = index_of(1_000, 3)
    market.set(Setting.INDEX_WEIGHT, 2)
    market.set(Setting.INDEX_WEIGHT, 1, symbol=b"B")
    market.trade(720, 10 * H)
    market.again()
    assert market.decided(protection_layout.MARKET_HALT) == [(protection_layout.MARKET_HALT, 2)]
    assert [market.new(Side.BUY, 1, symbol=one) for one in (b"A", b"B", b"C")] == [{"HALTED"}] * 3


def test_without_a_close_of_each_there_is_no_index():
    market = Market(2)
    market.set(Setting.BREAKER, 700, 1, second=15 * M)
    for symbol in (b"A", b"B"):
        market.set(Setting.INDEX_WEIGHT, 1, symbol=symbol)
    market.trade(1_000, 10 * H)
    market.trade(100)
    assert market.decided(protection_layout.MARKET_HALT) == []


@pytest.mark.parametrize(
    ("what", "value", "second"),
    [
        (Setting.LULD, 10_001, 0),
        (Setting.LULD, -1, 0),
        (Setting.LULD, 1, 2**30 + 1),
        (Setting.VOLATILITY, 1, 0),
        (Setting.VOLATILITY, 1, 301),
        (Setting.PAUSE, 0, 1),
        (Setting.VELOCITY, 2**30 + 1, 1),
        (Setting.INDEX_WEIGHT, 2**16 + 1, 0),
        (Setting.CANCEL_RESTING, 2, 0),
        (Setting.LIMIT_STATE, 2**62 + 1, 0),
        (Setting.RENEWAL, -(2**63), 0),
        (Setting.BREAKER, 1, -1),
        (Setting.TRADING_DAY, 0, 5),
    ],
)
def test_a_setting_that_makes_no_sense_changes_nothing(what, value, second):
    market = Market()
    before = market.view.digest()
    assert not market.set(what, value, 1, second=second)
    assert market.view.digest() == before


def test_prices_at_the_edge_and_time_at_its_end():
    """The largest prices that are protected, and the last nanosecond: nothing wraps."""
    market = banded(10**9, 10_000, unit=0)
    assert market.bands == (0, 2 * 10**9)
    assert market.set(Setting.PAUSE, 2**62)
    assert market.set(Setting.VOLATILITY, 1, second=1)
    market.time(2**63 - 1)
    market.trade(10**9)
    market.trade(1)
    assert market.decided(protection_layout.PAUSE) == [
        (protection_layout.PAUSE, protection_layout.BY_VOLATILITY)
    ]
    assert market.word(protection_layout.UNTIL_NS) == 2**63 - 1
    free = Market()
    free.view.instruments[0, lay.BOUND // 8] = 2**30 + 1
    assert not free.set(Setting.LULD, 500)


def test_the_same_commands_give_the_same_state_in_one_piece():
    """From a snapshot after every command, and without: one hash."""
    one, other = banded(1_000), banded(1_000)
    for step in range(40):
        for market in (one, other):
            market.trade(1_000 + 7 * step % 40, OPEN + 20 * step * S)
        other.again()
    assert one.engine.state_hash() == other.engine.state_hash()
    assert np.array_equal(one.engine.region, other.engine.region)


def test_a_call_that_is_put_off_begins_again():
    market = Market(1, 1_000, auction_band_ticks=10, auction_extensions=1)
    market.set(Setting.VOLATILITY, 500, second=300)
    market.trade(1_000, H)
    market.trade(1_060)
    assert market.word(protection_layout.STATE) == protection_layout.PAUSED
    market.time(H + 5 * M)
    market.phase(Phase.VOLATILITY_AUCTION)
    market.new(Side.SELL, 1_200, 2)
    market.new(Side.BUY, 1_200, 1)
    market.time(H + 6 * M)
    (put_off, *_) = market.phase(Phase.CONTINUOUS)
    assert (put_off["reason"], put_off["qty_lots"]) == (
        Reason.AUCTION_EXTENDED,
        Phase.VOLATILITY_AUCTION,
    )
    assert (market.word(protection_layout.STATE), market.word(protection_layout.SINCE_NS)) == (
        protection_layout.CALLING,
        H + 6 * M,
    )
    assert (put_off["order_id"], put_off["leaves_lots"]) == (PauseCause.VOLATILITY, 0)
    market.phase(Phase.CONTINUOUS)
    assert market.word(protection_layout.STATE) == protection_layout.NORMAL


def test_events_say_why_and_where_the_levels_are():
    market = Market(2, 1_000)
    market.set(Setting.INDEX_WEIGHT, 3)
    market.set(Setting.BREAKER, 1_000, who=1, symbol=b"", second=60 * S)
    (event,) = market.send(setting(Setting.TRADING_DAY, 2, second=15 * H))
    assert [int(event[word]) for word in ("price_ticks", "qty_lots", "order_id")] == [2_700, 0, 0]
    (event,) = market.send(setting(Setting.BREAKER, 2_000, 3))
    assert [int(event[word]) for word in ("price_ticks", "qty_lots", "order_id")] == [
        2_700,
        0,
        2_400,
    ]
    assert market.trade(900, H) == set()
    for symbol in (b"A", b"B"):
        (event, *_) = market.phase(Phase.HALT, symbol)
        assert (event["order_id"], event["leaves_lots"]) == (PauseCause.MARKET, 1)
