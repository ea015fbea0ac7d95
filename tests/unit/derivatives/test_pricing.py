"""Prices and Greeks: against each other, and against QuantLib."""

import math
from random import Random

import pytest

from openoutcry.derivatives import fixed
from openoutcry.derivatives.contracts import CALL, PUT, Contract
from openoutcry.derivatives.marks import premium, value_of
from openoutcry.derivatives.pricing import YEAR_NS, black, greeks

CONTRACTS = 10_000
TICKS = 1_000_000
"""Ticks of the random contracts' highest forward: a tick is a millionth of it, or more."""


def random_contracts(seed, count):
    """Forwards, strikes from a fifth to five times, a day to three years, 5 to 300 percent."""
    rng = Random(seed)
    for _ in range(count):
        forward = rng.randint(TICKS // 100, TICKS)
        strike = max(1, round(forward * math.exp(rng.uniform(-1.6, 1.6))))
        left_ns = rng.randint(1, 3 * 365) * 86_400_000_000_000
        yield rng.random() < 0.5, forward, strike, rng.randint(50_000, 3_000_000), left_ns


def is_near(ours, theirs, tick=1.0):
    return abs(ours - theirs) <= max(tick, 1e-9 * abs(theirs))


def test_a_price_of_a_textbook():
    """Hull, Options, Futures and Other Derivatives, Black's model: futures 20, strike 20, rate 9 %,
    volatility 25 %, four months: a put of 1.12."""
    assert round(black(False, 20.0, 20.0, 0.25 * math.sqrt(4 / 12), math.exp(-0.03)), 2) == 1.12


@pytest.mark.parametrize("seed", range(2))
def test_integer_and_float_prices_agree(seed):
    for call, forward, strike, volatility, left_ns in random_contracts(seed, 200):
        exact = value_of(call, forward, strike, volatility, left_ns) / fixed.ONE
        deviation = volatility / 1e6 * math.sqrt(left_ns / YEAR_NS)
        assert exact == pytest.approx(black(call, forward, strike, deviation), rel=1e-9, abs=1e-7)


def test_functions_in_whole_numbers_are_those_of_the_library():
    rng = Random(1)
    for _ in range(200):
        x = round(rng.uniform(-11, 11) * 2**40) / 2**40
        number = fixed.from_ratio(round(x * 2**40), 2**40)
        assert fixed.cumulative(number) / fixed.ONE == pytest.approx(
            0.5 * math.erfc(-x / math.sqrt(2)), rel=1e-12, abs=1e-25
        )
        assert fixed.exponential(number) / fixed.ONE == pytest.approx(math.exp(x), rel=1e-14)
        assert fixed.logarithm(fixed.exponential(number)) / fixed.ONE == pytest.approx(x)
    assert fixed.cumulative(13 * fixed.ONE) == fixed.ONE
    with pytest.raises(ValueError, match="above 0"):
        fixed.logarithm(0)


def test_a_premium_is_rounded_to_the_nearest_tick():
    lot = Contract("O", "B", CALL, "USD", 5, expiry_ns=1, strike_ticks=100, strike_multiplier=1)
    assert [premium(lot, forward, 1, 0) for forward in (99, 102, 103, 107, 108)] == [0, 0, 1, 1, 2]
    inverse = Contract("O", "B", PUT, "BTC", 10**4, True, 1, 200, 10**8)
    assert premium(inverse, 100, 1, 0) == 10**4


def test_greeks_are_the_slopes_of_the_value():
    for call, forward, strike, volatility, left_ns in random_contracts(7, 300):
        sigma, years, rate = volatility / 1e6, left_ns / YEAR_NS, 0.03
        one = greeks(call, forward, strike, sigma, years, rate)

        def value(f=forward, s=sigma, t=years, r=rate, call=call, strike=strike):
            return black(call, f, strike, s * math.sqrt(t), math.exp(-r * t))

        step, small = forward * 1e-5, 1e-5
        assert one.value == pytest.approx(value())
        slope = (value(f=forward + step) - value(f=forward - step)) / (2 * step)
        assert one.delta == pytest.approx(slope, abs=1e-5)
        by_volatility = (value(s=sigma + small) - value(s=sigma - small)) / (2 * small)
        assert one.vega == pytest.approx(by_volatility, rel=1e-4, abs=1e-3)
        later, sooner = value(t=years * (1 + small)), value(t=years * (1 - small))
        shorter = (sooner - later) / (2 * small * years)
        assert one.theta == pytest.approx(shorter, rel=1e-3, abs=forward * 1e-4)
        by_rate = (value(r=rate + small) - value(r=rate - small)) / (2 * small)
        assert one.rho == pytest.approx(by_rate, rel=1e-4, abs=1e-3)
        below, above = (
            greeks(call, forward + side, strike, sigma, years, rate) for side in (-step, step)
        )
        bend = (above.delta - below.delta) / (2 * step)
        assert one.gamma == pytest.approx(bend, rel=1e-3, abs=1e-12)


# QuantLib


@pytest.fixture(scope="module")
def quantlib():
    return pytest.importorskip("QuantLib", reason="QuantLib is not installed: pip install QuantLib")


def test_prices_agree_with_quantlib(quantlib):
    """Within 1e-9 relative in float64, and within a tick in integers, over 10,000 contracts."""
    for row in random_contracts(56, CONTRACTS):
        call, forward, strike, volatility, left_ns = row
        kind = quantlib.Option.Call if call else quantlib.Option.Put
        deviation = volatility / 1e6 * math.sqrt(left_ns / YEAR_NS)
        theirs = quantlib.blackFormula(kind, strike, forward, deviation)
        ours = black(call, forward, strike, deviation)
        assert is_near(ours, theirs, tick=1e-6), row
        lot = Contract("O", "B", CALL if call else PUT, "U", 1, False, 1, strike, 1)
        assert is_near(premium(lot, forward, volatility, left_ns), theirs), row


def test_greeks_agree_with_quantlib(quantlib):
    for row in random_contracts(57, CONTRACTS):
        call, forward, strike, volatility, left_ns = row
        sigma, years, rate = volatility / 1e6, left_ns / YEAR_NS, 0.02
        kind = quantlib.Option.Call if call else quantlib.Option.Put
        theirs = quantlib.BlackCalculator(
            quantlib.PlainVanillaPayoff(kind, strike),
            forward,
            sigma * math.sqrt(years),
            math.exp(-rate * years),
        )
        ours = greeks(call, forward, strike, sigma, years, rate)
        assert ours.value == pytest.approx(theirs.value(), rel=1e-9, abs=1e-6), row
        assert ours.delta == pytest.approx(theirs.deltaForward(), rel=1e-9, abs=1e-12), row
        assert ours.gamma == pytest.approx(theirs.gammaForward(), rel=1e-9, abs=1e-18), row
        assert ours.vega == pytest.approx(theirs.vega(years), rel=1e-9, abs=1e-9), row
