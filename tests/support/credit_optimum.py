"""The best that a portfolio's offsets and spreads could give, by mixed integer programs (HiGHS)."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from random import Random

import numpy as np

from openoutcry.derivatives.margin import CommodityMargin, Parameters, SpreadCharge, margin
from tests.support.portfolios import random_parameters

PART = 1_000_000


@dataclass(frozen=True)
class Compared:
    """One portfolio: what the rules give it, and what the programs find."""

    credit: int
    most: float
    """The largest inter-commodity credit."""
    charged: int
    least: float
    """The smallest inter-month charge."""

    @property
    def credit_share(self) -> float:
        """How much of the best credit it gets."""
        return self.credit / self.most

    @property
    def charge_share(self) -> float:
        """How much of its charge could not be less."""
        return self.least / self.charged if self.charged else 1.0

    @property
    def is_credited(self) -> bool:
        """Whether it gets no more than the best, to the solver's tolerance."""
        fits = self.credit <= self.most * (1 + 1e-6) + 1e-6
        return fits and self.charged >= self.least * (1 - 1e-6) - 1e-6


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


def least_charge(spreads: Sequence[SpreadCharge], tiers: Sequence[int]) -> float:
    """The smallest inter-month charge of spreads that leave no two tiers for which there is a
    charge opposite to each other.

    For each spread, one of its two tiers is used up: a whole number says which one.  Once that is
    given, the rest is a transport problem, whose best amounts are whole.  Nothing is rounded here.
    """
    from scipy.optimize import Bounds, LinearConstraint, milp

    both = [one for one in spreads if tiers[one.tiers[0]] * tiers[one.tiers[1]] < 0]
    whole = max(map(abs, tiers))
    dearest = max((one.charge for one in both), default=0)
    if not dearest:
        return 0.0
    # Amounts are shares of the largest delta; then, for each spread, 1: its second tier is used up.
    count, rows, low, high = len(both), [], [], []
    used = np.zeros((len(tiers), 2 * count))
    for place, one in enumerate(both):
        used[list(one.tiers), place] = 1
    limits = np.abs(np.array(tiers, float)) / whole
    for tier, limit in enumerate(limits):
        rows.append(used[tier])
        low.append(0.0)
        high.append(limit)
    for place, one in enumerate(both):
        for tier, used_up in zip(one.tiers, (0, 1), strict=True):
            row = used[tier].copy()
            # What is left of a tier that is not used up is at most all of it.
            row[count + place] = limits[tier] if used_up == 0 else -limits[tier]
            rows.append(row)
            low.append(limits[tier] if used_up == 0 else 0.0)
            high.append(np.inf)
    costs = [one.charge / dearest for one in both]
    found = milp(
        np.array([*costs, *[0.0] * count]),
        constraints=LinearConstraint(np.array(rows), low, high),
        integrality=np.array([0] * count + [1] * count),
        bounds=Bounds(0, np.array([np.inf] * count + [1.0] * count)),
        options={"mip_rel_gap": 1e-9},
    )
    assert found.status == 0, found.message
    return float(found.fun * dearest * whole / PART)


def compared(parameters: Parameters, positions: dict[int, int]) -> Compared:
    """A portfolio by the rules and by the programs."""
    parts = margin(parameters, positions).commodities
    return Compared(
        sum(part.credit for part in parts),
        optimum(parameters, parts),
        sum(part.intra for part in parts),
        sum(
            least_charge(commodity.spreads, part.tiers)
            for commodity, part in zip(parameters.commodities, parts, strict=True)
        ),
    )


def portfolios(seed: int, count: int) -> Iterator[tuple[Parameters, dict[int, int]]]:
    """Portfolios whose parameters have an offset and a charge for spreads."""
    rng = Random(seed)
    while count:
        parameters = random_parameters(rng, 4, 24)
        if not parameters.offsets or not any(one.spreads for one in parameters.commodities):
            continue
        # Few lots: the program counts millionths of a spread, and must be exact.
        yield parameters, {row: rng.randint(-9, 9) for row in range(len(parameters.contracts))}
        count -= 1


def best_first(parameters: Parameters) -> Parameters:
    """The same with the highest rates and the lowest charges first."""
    commodities = [
        replace(one, spreads=tuple(sorted(one.spreads, key=lambda spread: spread.charge)))
        for one in parameters.commodities
    ]
    offsets = sorted(parameters.offsets, key=lambda offset: -offset.rate)
    return replace(parameters, commodities=tuple(commodities), offsets=tuple(offsets))


def figures(seed: int, count: int) -> dict[str, int | float]:
    """How far the rules are from the best over so many portfolios."""
    made = list(portfolios(seed, count))
    rows = {"": [compared(*one) for one in made]}
    rows["sorted_"] = [compared(best_first(one), positions) for one, positions in made]
    found: dict[str, int | float] = {"portfolios": count, "seed": seed}
    found["too_much"] = sum(not row.is_credited for few in rows.values() for row in few)
    # Of a few units, rounding is most.
    whose = {
        "credit": [row.most > 100 for row in rows[""]],
        "charge": [row.charged > 100 for row in rows[""]],
    }
    for what, chosen in whose.items():
        found[f"with_{what}"] = sum(chosen)
        for name, few in rows.items():
            some = [row for row, is_one in zip(few, chosen, strict=True) if is_one]
            shares = [row.credit_share if what == "credit" else row.charge_share for row in some]
            found[f"{name}worse_{what}"] = sum(share < 0.99 for share in shares)
            found[f"{name}{what}_percent"] = round(100 * sum(shares) / len(shares), 1)
    return found
