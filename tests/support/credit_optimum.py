"""The most credit that a portfolio's offsets could give, by a mixed integer program (HiGHS)."""

from collections.abc import Iterator, Sequence
from random import Random

import numpy as np

from openoutcry.derivatives.margin import CommodityMargin, Parameters, margin
from tests.support.portfolios import random_parameters

PART = 1_000_000


def optimum(parameters: Parameters, parts: Sequence[CommodityMargin]) -> float:
    """The largest credit over every number of spreads of every offset.

    Whole millionths of a spread, as in the greedy rule; no commodity's delta is used twice.  What
    the rule rounds down is not rounded here.
    """
    from scipy.optimize import Bounds, LinearConstraint, milp

    gains, columns = [], []
    for offset in parameters.offsets:
        sides = {leg.side * np.sign(parts[leg.commodity].net_delta) for leg in offset.legs}
        if sides not in ({1}, {-1}):
            continue
        gain, column = 0.0, np.zeros(len(parts))
        for leg in offset.legs:
            part = parts[leg.commodity]
            gain += part.price_risk / abs(part.net_delta) * leg.ratio * offset.rate / PART
            column[leg.commodity] = leg.ratio
        gains.append(gain)
        columns.append(column)
    if not gains:
        return 0.0
    # In units of a spread that uses up most, so that the solver's tolerances have a meaning.
    limits = np.array([abs(part.net_delta) for part in parts], float)
    scale = max(1.0, max(gains))
    found = milp(
        -np.array(gains) / scale,
        constraints=LinearConstraint(np.array(columns).T, -np.inf, limits),
        integrality=np.ones(len(gains)),
        bounds=Bounds(0, np.inf),
        options={"mip_rel_gap": 1e-9},
    )
    assert found.status == 0, found.message
    return float(-found.fun * scale)


def credits_and_optima(seed: int, count: int) -> Iterator[tuple[int, float]]:
    """The greedy rule's credit and the best one, of portfolios that have an offset."""
    rng = Random(seed)
    while count:
        parameters = random_parameters(rng, 5, 10)
        if not parameters.offsets:
            continue
        # Few lots: the program counts millionths of a spread, and must be exact.
        positions = {row: rng.randint(-9, 9) for row in range(len(parameters.contracts))}
        parts = margin(parameters, positions).commodities
        count -= 1
        yield sum(part.credit for part in parts), optimum(parameters, parts)


def is_credited(credit: int, most: float) -> bool:
    """Whether a credit is at most the optimum, to the solver's tolerance."""
    return credit <= most * (1 + 1e-6) + 1e-6
