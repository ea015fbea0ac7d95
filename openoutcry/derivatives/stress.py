"""Stress: who would fail if prices jumped, what the fund loses; and whether margins cover.

A shock moves every underlying at once, before any participant can trade.  A participant fails if
its equity is then below its maintenance margin; the fund pays what its equity is below zero.
Coverage counts the days on which a loss was larger than the margin, and Kupiec's test says whether
there were too many, or too few.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from random import Random

from openoutcry.derivatives.book import Book
from openoutcry.derivatives.explain import equity_at, gain_at
from openoutcry.derivatives.margin import margin

PART = 1_000_000
DAYS = 252
"""Days of a generated year."""


@dataclass(frozen=True)
class Shock:
    """A move of every underlying, in millionths of its price, and of volatilities."""

    name: str
    move: int
    volatility: int = 0
    why: str = ""


HISTORIC = (
    Shock("1987-10-19", -204_700, 500_000, "S&P 500, in a day"),
    Shock("2008-10-15", -90_300, 200_000, "S&P 500, in a day"),
    Shock("2020-03-16", -119_800, 300_000, "S&P 500, in a day"),
)
"""Daily closes of the S&P 500 index; the moves of volatility are round numbers of ours."""
INVENTED = (
    Shock("down-20", -200_000, 500_000),
    Shock("down-50", -500_000, 1_000_000),
    Shock("up-20", 200_000, 300_000),
    Shock("up-50", 500_000, 500_000),
)


@dataclass(frozen=True)
class Outcome:
    """Outcome of one shock."""

    shock: str
    gains: int
    """Gains of all contracts together: 0 if every position has a counterpart in the book."""
    failed: dict[int, int]
    """Equity afterwards of each participant that is below its maintenance margin."""
    deficit: int
    """Payment of the fund: equity below zero."""
    fund_left: int
    """Below 0: what is left for auto-deleveraging."""


def shocked(
    book: Book, shock: Shock, fund: int = 0, only: Mapping[str, int] | None = None
) -> Outcome:
    """Apply a shock to a book; ``only`` are moves of underlyings by name instead of one of all."""
    prices = {
        name: max(1, own.price_ticks * (PART + (only or {}).get(name, shock.move)) // PART)
        for name, own in book.underlyings.items()
        if only is None or name in only
    }
    moved = book.moved(prices, shock.volatility)
    parameters = moved.parameters()
    failed, gains, deficit = {}, 0, 0
    for number, participant in sorted(book.participants.items()):
        equity = equity_at(book, participant, moved)
        gains += gain_at(book, participant, moved)
        gains_of = moved.gains_of(participant)
        if equity < margin(parameters, book.positions_of(participant), gains_of).maintenance:
            failed[number] = equity
            deficit += max(0, -equity)
    return Outcome(shock.name, gains, failed, deficit, fund - deficit)


# Coverage


@dataclass(frozen=True)
class Coverage:
    """How often a margin did not cover a day's loss, and Kupiec's test of it."""

    days: int
    exceptions: int
    expected: float
    statistic: float
    """Twice the logarithm of the likelihoods' ratio; chi-squared with one degree of freedom."""
    p_value: float


def kupiec(days: int, exceptions: int, level: float) -> Coverage:
    """Kupiec's proportion-of-failures test: exceptions of ``days`` at a coverage of ``level``."""
    if not 0 <= exceptions <= days or days < 1 or not 0.0 < level < 1.0:
        raise ValueError("exceptions are at most the days, and a level is between 0 and 1")
    rate, share = 1.0 - level, exceptions / days
    before = _likelihood(days, exceptions, rate)
    statistic = max(0.0, 2.0 * (_likelihood(days, exceptions, share) - before))
    return Coverage(days, exceptions, days * rate, statistic, math.erfc(math.sqrt(statistic / 2.0)))


def _likelihood(days: int, exceptions: int, rate: float) -> float:
    found = 0.0
    if exceptions:
        found += exceptions * math.log(rate)
    if exceptions < days:
        found += (days - exceptions) * math.log1p(-rate)
    return found


def historical(losses: Sequence[int], level: int) -> int:
    """The historical value at risk: the smallest loss that at least ``level`` millionths of the
    days were not above."""
    ordered = sorted(losses)
    place = -(-len(ordered) * level // PART)
    return ordered[max(0, place - 1)]


def addon(losses: Sequence[int], scan_units: int, level: int) -> int:
    """Units for a whole delta that the value at risk is above the scan range: the add-on that a
    sequenced command sets."""
    return max(0, historical(losses, level) - scan_units)


def generated(seed: int, years: int, price_ticks: int) -> list[int]:
    """Prices at the ends of days: volatility comes in clusters (GARCH), and tails are fat."""
    rng, price, variance = Random(seed), float(price_ticks), 0.0004
    prices, last = [price_ticks], 0.0
    for _ in range(years * DAYS):
        variance = 0.000008 + 0.08 * last * last + 0.90 * variance
        # Student's t with five degrees of freedom, of variance 1.
        chi = sum(rng.gauss(0, 1) ** 2 for _ in range(5))
        last = math.sqrt(variance) * rng.gauss(0, 1) / math.sqrt(chi / 5.0) * math.sqrt(0.6)
        price = max(1.0, price * math.exp(last))
        prices.append(round(price))
    return prices


def covered(prices: Sequence[int], level: int, window: int = DAYS, buffer: int = 0) -> Coverage:
    """Test a scan range that is each day the historical value at risk of the ``window`` before.

    Moves of either side count, relative to the price; ``buffer`` millionths are added to the range.
    """
    moves = [abs(after - before) * PART // before for before, after in pairwise(prices)]
    exceptions = 0
    for day in range(window, len(moves)):
        scan = historical(moves[day - window : day], level) * (PART + buffer) // PART
        exceptions += moves[day] > scan
    return kupiec(len(moves) - window, exceptions, level / PART)
