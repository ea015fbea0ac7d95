"""The exact optimum of a split by HiGHS, as scipy calls it, and random books to compare on."""

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, milp

from openoutcry.routing.instruments import BUY, PART, SELL
from openoutcry.routing.split import Splitter, best_single, total_cost
from tests.support.routing.markets import filled_depth, random_market


def random_case(rng):
    """A depth of two to five venues, a side and a quantity of up to a third of it."""
    market = random_market(rng, rng.randint(2, 5), lots=(1, 1, 1, 5, 10, 100))
    levels = rng.choice([5, 20])
    depth = filled_depth(rng, market, levels, lots=40)
    side = rng.choice([BUY, SELL])
    total = sum(one.quantity for one in depth.take_side(side, 0))
    return depth, side, rng.randint(1, max(1, total // rng.choice([3, 10, 100])))


def solve(depth, side, quantity, filled):
    """The least cost of filling exactly ``filled``, in millionths of price times quantity, and the
    most that can be filled up to ``quantity`` if ``filled`` is None."""
    levels, count = depth.take_side(side, 0), len(depth.market.venues)
    rows = len(levels)
    fees = [venue.order_fee * PART for venue in depth.market.venues]
    first = levels[0].key
    # Levels, then each venue's lots, then whether the venue has an order.
    lots = [listing.lot_units() for listing in depth.market.listings]
    upper = [one.quantity for one in levels]
    own = [sum(one.quantity for one in levels if one.venue == v) for v in range(count)]
    upper += [own[v] // lots[v] for v in range(count)] + [1] * count
    taken = np.zeros((count, rows + 2 * count))
    for index, one in enumerate(levels):
        taken[one.venue, index] = 1
    in_lots, least, most = taken.copy(), taken.copy(), taken.copy()
    for v, listing in enumerate(depth.market.listings):
        prices = [one.price for one in levels if one.venue == v]
        in_lots[v, rows + v] = -lots[v]
        least[v, rows + count + v] = -listing.least(min(prices, default=1))
        most[v, rows + count + v] = -min(own[v], listing.most())
    total = np.zeros((1, rows + 2 * count))
    total[0, :rows] = 1
    constraints = [
        LinearConstraint(in_lots, 0, 0),
        LinearConstraint(least, 0, np.inf),
        LinearConstraint(most, -np.inf, 0),
    ]
    if filled is None:
        goal = -total[0]
        constraints.append(LinearConstraint(total, 0, quantity))
    else:
        costs = [(one.key - first) / PART for one in levels]
        goal = np.array(costs + [0.0] * count + [fee / PART for fee in fees])
        constraints.append(LinearConstraint(total, filled, filled))
    result = milp(
        goal,
        integrality=[0] * rows + [1] * (2 * count),
        bounds=Bounds(0, upper),
        constraints=constraints,
        options={"mip_rel_gap": 0, "time_limit": 20},
    )
    assert result.success, result.message
    if filled is None:
        return round(-result.fun)
    # Exactly, from what the solution takes of each venue.
    wanted = [round(x) * lot for x, lot in zip(result.x[rows : rows + count], lots, strict=True)]
    cost = sum(fees[v] for v in range(count) if wanted[v])
    for one in levels:
        part = min(one.quantity, wanted[one.venue])
        wanted[one.venue] -= part
        cost += one.key * part
    return cost


def compare(rng):
    """A random case: how far the plan is above the optimum, in millionths of it; whether it fills
    the most; and whether it is no worse than the best venue alone."""
    depth, side, quantity = random_case(rng)
    plan = Splitter(depth).plan(side, quantity, 0, 0)
    if not depth.take_side(side, 0):
        return 0.0, True, True
    fills_most = plan.filled == quantity or plan.filled == solve(depth, side, quantity, None)
    if not plan.filled:
        return 0.0, fills_most, True
    cost = solve(depth, side, quantity, plan.filled)
    single = best_single(depth, side, quantity, 0, 0)
    no_worse = (
        single is None
        or single.filled < plan.filled
        or (single.filled == plan.filled and total_cost(plan) <= total_cost(single))
    )
    return (total_cost(plan) - cost) / abs(cost) * 1e6, fills_most, no_worse
