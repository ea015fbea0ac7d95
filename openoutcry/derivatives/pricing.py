"""Black-76 in float64, for views: prices and Greeks of European options.

The forward is the underlying's price for the expiry, and the discount what a unit paid then is
worth now.  With forward = spot × e^((r-q)t) and discount = e^(-rt) these are the formulas of Black
and Scholes.  Marks, which must be the same on every machine, are computed in integers
(``marks.py``).
"""

import math
from dataclasses import dataclass

YEAR_NS = 365 * 86_400 * 1_000_000_000
"""Times to expiry are in years of 365 days."""
ROOT_2, ROOT_2_PI = math.sqrt(2.0), math.sqrt(2.0 * math.pi)


@dataclass(frozen=True)
class Greeks:
    """How an option's value changes, each for one unit of what it is about."""

    value: float
    delta: float
    """By the forward."""
    gamma: float
    """Derivative of delta with respect to the forward."""
    vega: float
    """By the volatility; 0.01 of it is a point."""
    theta: float
    """By time in years, with the forward and the discount's rate unchanged."""
    rho: float
    """By the rate, with the forward unchanged."""


def cumulative(x: float) -> float:
    """The normal distribution, precise in both tails."""
    return 0.5 * math.erfc(-x / ROOT_2)


def density(x: float) -> float:
    """The normal density."""
    return math.exp(-0.5 * x * x) / ROOT_2_PI


def black(
    call: bool, forward: float, strike: float, deviation: float, discount: float = 1.0
) -> float:
    """The value of an option; ``deviation`` is volatility × root of years."""
    sign = 1.0 if call else -1.0
    if deviation <= 0.0:
        return discount * max(0.0, sign * (forward - strike))
    d1 = math.log(forward / strike) / deviation + 0.5 * deviation
    d2 = d1 - deviation
    return discount * sign * (forward * cumulative(sign * d1) - strike * cumulative(sign * d2))


def greeks(
    call: bool, forward: float, strike: float, volatility: float, years: float, rate: float = 0.0
) -> Greeks:
    """Value and Greeks of an option that expires in ``years`` > 0 with ``volatility`` > 0."""
    sign, root = (1.0 if call else -1.0), math.sqrt(years)
    deviation, discount = volatility * root, math.exp(-rate * years)
    d1 = math.log(forward / strike) / deviation + 0.5 * deviation
    value = black(call, forward, strike, deviation, discount)
    bell = discount * forward * density(d1)
    return Greeks(
        value=value,
        delta=discount * sign * cumulative(sign * d1),
        gamma=bell / (forward * forward * deviation),
        vega=bell * root,
        theta=rate * value - bell * volatility / (2.0 * root),
        rho=-years * value,
    )
