"""The breakers do what the rule books' examples do: LULD bands, limit state, pause and auction; the
market-wide breaker with the real closing values of its four days in March 2020 and its cut-off;
volatility and velocity; the speed bump to the nanosecond."""

import numpy as np
import pytest

from openoutcry.risk import protection as p
from openoutcry.risk import speed_bump as bump

S, M = p.SECOND_NS, p.MINUTE_NS
H = 60 * M
CENTS = 100


def market(count=1, bps=500, unit=CENTS):
    block = p.new_block(count, cut_off_ns=15 * H + 25 * M)
    for index in range(count):
        row = (p.ROWS + index * p.ROW_BYTES) // 8
        block[row + p.BAND_BPS // 8], block[row + p.TICKS_A_UNIT // 8] = bps, unit
    return block


def word(block, at, instrument=0):
    return int(block[(p.ROWS + instrument * p.ROW_BYTES + at) // 8])


def put(block, at, value, instrument=0):
    block[(p.ROWS + instrument * p.ROW_BYTES + at) // 8] = value


def opened(price, **more):
    block = market(**more)
    p.reopened(block.ctypes.data, 0, price, 9 * H + 30 * M)
    p.take_decisions(block)
    return block


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
    """LULD Plan, Appendix A: percentage parameters; bands rounded to the nearest tick."""
    block = market(bps=bps)
    p.set_reference(block.ctypes.data, 0, reference, 0)
    assert p.take_decisions(block) == [(p.NEW_BANDS, 0, low, high)]


def test_the_reference_is_the_mean_of_five_minutes_and_renewed_from_one_percent():
    """LULD Plan V(A): arithmetic mean of the last five minutes; a new one is in effect only if it
    is 1 % away or more, and 30 s after the one before at the earliest."""
    block, start = opened(1_000), 9 * H + 30 * M
    address = block.ctypes.data
    p.trade(address, 0, 1_009, start + 31 * S)  # mean 1009: 0.9 %
    assert p.take_decisions(block) == []
    p.trade(address, 0, 1_011, start + 32 * S)  # mean 1010: 1 %
    assert p.take_decisions(block) == [(p.NEW_BANDS, 0, 959, 1_061)]
    p.trade(address, 0, 1_060, start + 61 * S)  # mean 1026.7, but 29 s later
    assert p.take_decisions(block) == []
    p.tick(address, start + 62 * S)
    assert word(block, p.REFERENCE) == 1_027
    # After five minutes only what is younger counts.
    p.tick(address, start + 62 * S + 5 * M)
    p.trade(address, 0, 1_060, start + 62 * S + 5 * M)
    assert word(block, p.REFERENCE) == 1_060
    assert word(block, p.TRADES) == 1


def test_limit_state_pause_and_auction():
    """LULD Plan VI, VII: an offer at the lower band for 15 s is a pause of five minutes, then an
    auction, whose price is the new reference."""
    block, now = opened(1_000), 10 * H
    address = block.ctypes.data
    p.quote(address, 0, 940, 950, now)
    p.tick(address, now + 15 * S - 1)
    assert (word(block, p.STATE), p.take_decisions(block)) == (p.LIMIT_STATE, [])
    p.tick(address, now + 15 * S)
    paused = now + 15 * S
    assert p.take_decisions(block) == [(p.PAUSE, 0, paused + 5 * M, p.BY_BANDS)]
    p.tick(address, paused + 5 * M - 1)
    assert p.take_decisions(block) == []
    p.tick(address, paused + 5 * M)
    p.tick(address, paused + 5 * M + 1)
    assert p.take_decisions(block) == [(p.REOPEN, 0, 0, 0)]
    p.reopened(address, 0, 940, paused + 6 * M)
    assert p.take_decisions(block) == [(p.NEW_BANDS, 0, 893, 987)]


def test_a_limit_state_that_ends_in_time_is_no_pause():
    """By an execution or a cancellation of what stood at the band, within 15 s."""
    block, now = opened(1_000), 10 * H
    address = block.ctypes.data
    p.quote(address, 0, 1_050, 1_060, now)
    p.quote(address, 0, 1_049, 1_050, now + 14 * S)
    p.tick(address, now + 16 * S)
    p.quote(address, 0, 1_050, 1_060, now + 17 * S)
    p.tick(address, now + 31 * S)
    assert p.take_decisions(block) == []
    p.tick(address, now + 32 * S)
    assert [d[0] for d in p.take_decisions(block)] == [p.PAUSE]


@pytest.mark.parametrize(
    ("price", "halts"), [(900, False), (899, True), (1_100, False), (1_101, True)]
)
def test_a_volatility_halt_is_by_more_than_its_share_in_five_minutes(price, halts):
    block = opened(1_000, bps=0)
    put(block, p.VOLATILITY_BPS, 1_000)
    p.trade(block.ctypes.data, 0, 1_000, 10 * H)
    p.trade(block.ctypes.data, 0, price, 10 * H + 299 * S)
    wanted = [(p.PAUSE, 0, 10 * H + 299 * S + 5 * M, p.BY_VOLATILITY)] if halts else []
    assert p.take_decisions(block) == wanted


@pytest.mark.parametrize(
    ("later", "moved", "halts"), [(9, 21, True), (9, 20, False), (10, 21, False)]
)
def test_velocity_is_ticks_in_a_time(later, moved, halts):
    """CME's velocity logic: more than 20 ticks within 10 s."""
    block = opened(1_000, bps=0)
    put(block, p.VELOCITY_TICKS, 20)
    put(block, p.VELOCITY_S, 10)
    p.trade(block.ctypes.data, 0, 1_000, 10 * H)
    p.trade(block.ctypes.data, 0, 1_000 + moved, 10 * H + later * S)
    assert [d[3] for d in p.take_decisions(block)] == ([p.BY_VELOCITY] if halts else [])


MARCH_2020 = [
    # previous close of the S&P 500, level 1 of the day (0.93 of it, as published), halted at
    (297_237, 276_430, 9 * H + 34 * M),
    (274_138, 254_948, 9 * H + 35 * M),
    (271_102, 252_125, 9 * H + 30 * M),
    (252_919, 235_215, 12 * H + 56 * M),
]


@pytest.mark.parametrize(("close", "level_1", "at"), MARCH_2020)
def test_the_four_market_wide_halts_of_march_2020(close, level_1, at):
    """9, 12, 16 and 18 March 2020: 7 % below the previous close, 15 minutes."""
    block = index_of(close)
    p.trade(block.ctypes.data, 0, level_1 + 1, at)
    assert p.take_decisions(block) == []
    p.trade(block.ctypes.data, 0, level_1, at)
    assert p.take_decisions(block) == [(p.MARKET_HALT, -1, at + 15 * M, 1)]
    p.tick(block.ctypes.data, at + 15 * M)
    assert p.take_decisions(block) == [(p.MARKET_REOPEN, -1, 0, 1)]
    p.trade(block.ctypes.data, 0, level_1 - 1, at + 16 * M)
    assert p.take_decisions(block) == []


def index_of(close):
    block = market(bps=0)
    block[p.BASE // 8] = close
    put(block, p.WEIGHT, 1)
    return block


def fall(block, price, at):
    p.trade(block.ctypes.data, 0, price, at)
    found = p.take_decisions(block)
    p.tick(block.ctypes.data, at + 15 * M)
    p.take_decisions(block)
    return [(kind, level) for kind, _, _, level in found]


def test_each_level_once_a_day_and_the_third_closes():
    """NYSE Rule 7.12: 7, 13 and 20 %, exactly at it."""
    block = index_of(100_000)
    assert fall(block, 93_001, 10 * H) == []
    assert fall(block, 93_000, 10 * H) == [(p.MARKET_HALT, 1)]
    assert fall(block, 98_000, 11 * H) == []
    assert fall(block, 92_000, 11 * H) == []
    assert fall(block, 87_000, 11 * H) == [(p.MARKET_HALT, 2)]
    assert fall(block, 80_001, 12 * H) == []
    assert fall(block, 80_000, 12 * H) == [(p.MARKET_CLOSE, 3)]
    assert fall(block, 70_000, 13 * H) == []


def test_a_crash_through_several_levels_fires_the_highest():
    block = index_of(100_000)
    assert fall(block, 86_000, 10 * H) == [(p.MARKET_HALT, 2)]
    assert fall(block, 92_000, 11 * H) == []
    assert fall(block, 79_000, 11 * H) == [(p.MARKET_CLOSE, 3)]


@pytest.mark.parametrize(("before", "halts"), [(1, True), (0, False)])
def test_levels_one_and_two_only_before_the_cut_off_and_three_at_any_time(before, halts):
    """15:25."""
    cut_off = 15 * H + 25 * M
    for price, level in ((93_000, 1), (87_000, 2)):
        found = fall(index_of(100_000), price, cut_off - before)
        assert found == ([(p.MARKET_HALT, level)] if halts else [])
    assert fall(index_of(100_000), 80_000, cut_off + 30 * M) == [(p.MARKET_CLOSE, 3)]


def test_the_index_is_of_all_its_instruments():
    """Two thirds and one third; without a price of each there is no index."""
    block = market(2, bps=0)
    block[p.BASE // 8] = 3_000
    put(block, p.WEIGHT, 2, 0)
    put(block, p.WEIGHT, 1, 1)
    p.trade(block.ctypes.data, 0, 500, 10 * H)
    assert p.take_decisions(block) == []
    p.trade(block.ctypes.data, 1, 1_791, 10 * H)
    assert p.take_decisions(block) == []
    p.trade(block.ctypes.data, 1, 1_790, 10 * H)
    assert [d[3] for d in p.take_decisions(block)] == [1]


# The speed bump


def let_in(block, until, step=1):
    """(sequence, time) of all that leaves up to a time."""
    found, now = [], 0
    while now <= until:
        while seq := bump.leave_bump(block.ctypes.data, now):
            found.append((seq, now))
        now += step
    return found


def test_everything_is_delayed_by_350_us_to_the_nanosecond():
    block = bump.new_bump(10)
    for seq, now in ((1, 0), (2, 0), (3, 7)):
        assert bump.enter_bump(block.ctypes.data, seq, now) == now + 350_000
    assert bump.leave_bump(block.ctypes.data, 349_999) == 0
    assert [bump.leave_bump(block.ctypes.data, 350_000) for _ in range(3)] == [1, 2, 0]
    assert bump.leave_bump(block.ctypes.data, 350_007) == 3


def test_a_full_bump_takes_nothing_more():
    block = bump.new_bump(2)
    assert [bump.enter_bump(block.ctypes.data, seq, 0) for seq in (1, 2, 3)] == [350_000] * 2 + [0]


@pytest.mark.parametrize("window", [0, 50])
def test_nobody_is_let_in_out_of_turn(window):
    """Random arrivals: by (release time, sequence), and the audit finds each fault that is made."""
    rng = np.random.default_rng(5)
    times = np.sort(rng.integers(0, 400, 200)).tolist()
    block = bump.new_bump(200, delay_ns=100, window_ns=window, seed=77)
    entered = [(seq, now) for seq, now in enumerate(times, 1)]
    for seq, now in entered:
        assert 100 <= bump.enter_bump(block.ctypes.data, seq, now) - now < 100 + max(window, 1)
    released = let_in(block, 600)
    assert sorted(seq for seq, _ in released) == list(range(1, 201))
    assert (released != sorted(released)) == bool(window)

    def audit(found):
        return bump.fairness_faults(entered, found, 100, window, 77)

    assert audit(released) == []
    early = [(seq, at - (n == 50)) for n, (seq, at) in enumerate(released)]
    assert len(audit(early)) == 1
    swapped = [*released[:90], released[120], *released[90:120], *released[121:]]
    assert audit(swapped)
    assert audit([*released, released[0]]) == [
        f"command {released[0][0]} was released and had not entered, or twice"
    ]
