"""The exact optimum of a split by HiGHS, as scipy calls it, and random books to compare on."""

from collections import Counter
from dataclasses import replace

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, milp

from openoutcry.routing.instruments import BUY, PART, SELL, Market
from openoutcry.routing.split import Splitter, total_cost
from tests.support.routing.markets import filled_depth, random_market

PRODUCTS = Splitter
"""The product's, also where a test has put another one in its place."""


def best_single(depth, side, quantity, limit, now_ns):
    """The cheapest plan of one venue alone, of those that fill the most: what a router is compared
    with.  None if no venue fills anything."""
    splitter = PRODUCTS(depth)
    count = len(depth.market.venues)
    plans = []
    for number in range(count):
        most = [depth.market.listings[number].most() if n == number else 0 for n in range(count)]
        plans.append(splitter.plan(side, quantity, limit, now_ns, most))
    plans = [plan for plan in plans if plan.filled]
    return min(plans, key=lambda one: (-one.filled, total_cost(one)), default=None)


def random_case(rng):
    """A depth of two to five venues, a side and a quantity of up to a third of it."""
    market = random_market(rng, rng.randint(2, 5), lots=(1, 1, 1, 5, 10, 100))
    levels = rng.choice([5, 20])
    depth = filled_depth(rng, market, levels, lots=40)
    side = rng.choice([BUY, SELL])
    total = sum(one.quantity for one in depth.take_side(side, 0))
    return depth, side, rng.randint(1, max(1, total // rng.choice([3, 10, 100])))


def wide_case(rng):
    """As :func:`random_case`, with largest orders, least notionals, fees of orders that count, and
    quantities up to the whole book."""
    order_fees = rng.choice([(0,), (0, 0, 50), (0, 500, 5_000), (20_000,)])
    lots = rng.choice([(1,), (1, 1, 1, 5, 10, 100), (10, 100), (2, 3, 7)])
    market = random_market(rng, rng.randint(2, 5), order_fees=order_fees, lots=lots)
    depth = filled_depth(rng, market, rng.choice([5, 20]), lots=40)
    side = rng.choice([BUY, SELL])
    own = Counter()
    for one in depth.take_side(side, 0):
        own[one.venue] += one.quantity
    listings = []
    for number, listing in enumerate(market.listings):
        shown, more = own[number] // listing.quantity_factor, {}
        if rng.random() < 0.6 and shown:
            more["max_quantity"] = max(listing.lot, rng.randint(1, 2 * shown))
        if rng.random() < 0.6 and shown:
            notional = 100 * 10**listing.price_decimals * shown
            more["min_notional"] = int(notional * rng.choice([0.01, 0.1, 0.3, 0.9, 1.1]))
        listings.append(replace(listing, **more))
    depth.market = Market(market.instrument, market.venues, tuple(listings))
    total = max(1, own.total())
    part = rng.choice([1, 1, 3, 10, 100])
    return depth, side, rng.choice([total // part or 1, rng.randint(1, -(-total // part))])


def is_taken(listing, levels, quantity):
    """Return whether a venue takes an order of this quantity: within its sizes, in its lots, and of
    its least notional by what the order takes and at its limit, the worst of its prices."""
    left, paid, worst = quantity, 0, 0
    for price, shown in levels:
        part = min(left, shown)
        if part:
            left, paid, worst = left - part, paid + part * price, price
    notional = listing.min_notional * listing.price_factor * listing.quantity_factor
    least = listing.min_quantity * listing.quantity_factor
    return (
        left == 0
        and least <= quantity <= listing.most()
        and quantity % listing.lot_units() == 0
        and min(paid, quantity * worst) >= notional
    )


def ranges_of(listing, levels):
    """The quantities that a venue takes, as ranges of lots: within a level the more, the sooner."""
    lot, taken, ranges = listing.lot_units(), 0, []
    for _, shown in levels:
        first, last = taken // lot + 1, (taken + shown) // lot
        last = min(last, listing.most() // lot)
        taken += shown
        if first > last or not is_taken(listing, levels, last * lot):
            continue
        low, high = first, last
        while low < high:
            middle = (low + high) // 2
            if is_taken(listing, levels, middle * lot):
                high = middle
            else:
                low = middle + 1
        if ranges and ranges[-1][1] == low - 1:
            ranges[-1] = ranges[-1][0], last
        else:
            ranges.append((low, last))
    return ranges


def solve(depth, side, quantity, filled):
    """The least cost of filling exactly ``filled``, in millionths of price times quantity, and the
    most that can be filled up to ``quantity`` if ``filled`` is None."""
    levels, count = depth.take_side(side, 0), len(depth.market.venues)
    rows = len(levels)
    fees = [venue.order_fee * PART for venue in depth.market.venues]
    first = levels[0].key
    lots = [listing.lot_units() for listing in depth.market.listings]
    own = [[(one.price, one.quantity) for one in levels if one.venue == v] for v in range(count)]
    choices = [
        (v, low, high)
        for v, listing in enumerate(depth.market.listings)
        for low, high in ranges_of(listing, own[v])
    ]
    # Levels, then each venue's lots, then which of its ranges they are in.
    size = rows + count + len(choices)
    in_lots, in_range = np.zeros((count, size)), np.zeros((3 * count, size))
    for index, one in enumerate(levels):
        in_lots[one.venue, index] = 1
    for v in range(count):
        in_lots[v, rows + v] = -lots[v]
        in_range[v, rows + v] = 1
        in_range[count + v, rows + v] = -1
    for place, (v, low, high) in enumerate(choices, rows + count):
        in_range[v, place] = -high
        in_range[count + v, place] = low
        in_range[2 * count + v, place] = 1
    total = np.zeros((1, size))
    total[0, :rows] = 1
    most = np.repeat([0, 0, 1], count)
    constraints = [
        LinearConstraint(in_lots, 0, 0),
        LinearConstraint(in_range, -np.inf, most),
    ]
    if filled is None:
        goal = -total[0]
        constraints.append(LinearConstraint(total, 0, quantity))
    else:
        costs = [(one.key - first) / PART for one in levels]
        goal = np.array(costs + [0.0] * count + [fees[v] / PART for v, _, _ in choices])
        constraints.append(LinearConstraint(total, filled, filled))
    upper = [one.quantity for one in levels]
    upper += [sum(shown for _, shown in own[v]) // lots[v] for v in range(count)]
    result = milp(
        goal,
        integrality=[0] * rows + [1] * (count + len(choices)),
        bounds=Bounds(0, upper + [1] * len(choices)),
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


def compare(rng, make=random_case):
    """Return the comparison of a random case."""
    return compared(*make(rng))


def compared(depth, side, quantity):
    """How far the plan is above the optimum, in millionths of it; whether it fills the most; and
    whether it is no worse than the best venue alone."""
    plan = Splitter(depth).plan(side, quantity, 0, 0)
    if not depth.take_side(side, 0):
        return 0.0, True, True
    levels = depth.take_side(side, 0)
    for one in plan.slices:
        own = [(row.price, row.quantity) for row in levels if row.venue == one.venue]
        assert is_taken(depth.market.listings[one.venue], own, one.quantity), one
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
