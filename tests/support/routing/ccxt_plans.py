"""Our splits beside plans that CCXT's ``OrderRouter`` makes of them.

CCXT's router asks an outside service for the split.  What it computes itself is the plan: orders
with their limit prices, and the check of them against the markets' rules.  So the plan of CCXT here
is made of our own split, and what is compared is what reaches the books.
"""

import time
from decimal import ROUND_HALF_UP, Decimal

import ccxt

from openoutcry.routing.instruments import BUY, PART
from openoutcry.routing.split import Splitter
from tests.oracles.routing_optimum import random_case

ROUTER = ccxt.OrderRouter({"baseUrl": "http://127.0.0.1:1"})
"""It plans only, and never connects."""


def route_of(market, plan):
    """What the service would answer for this split: one hop, a leg for each venue."""
    scales = market.instrument.price_decimals, market.instrument.quantity_decimals
    legs = []
    for one in plan.slices:
        venue = market.venues[one.venue]
        amount = float(Decimal(one.quantity).scaleb(-scales[1]))
        cost = float(Decimal(one.notional).scaleb(-sum(scales)))
        fee = cost * venue.taker_ppm / PART
        legs.append(
            {
                "exchangeId": venue.name,
                "amount": amount,
                "averagePrice": cost / amount,
                "effectivePrice": (cost + plan.side * fee) / amount,
                "feeCost": fee,
            }
        )
    instrument = market.instrument
    hop = {"pair": instrument.symbol, "side": "buy" if plan.side == BUY else "sell", "legs": legs}
    hop |= {"base": instrument.base, "quote": instrument.quote}
    return {"hops": [hop], "fullyFillable": plan.filled == plan.quantity, "fillRatio": 1.0}


def markets_of(market):
    """The rules of the venues as CCXT has them: ``markets[exchange][symbol]``."""
    found = {}
    for listing in market.listings:
        lot, step = Decimal(listing.lot), Decimal(listing.price_step)
        least = Decimal(listing.min_quantity).scaleb(-listing.quantity_decimals)
        cost = Decimal(listing.min_notional).scaleb(
            -listing.quantity_decimals - listing.price_decimals
        )
        found[listing.venue] = {
            market.instrument.symbol: {
                "base": market.instrument.base,
                "quote": market.instrument.quote,
                "precision": {
                    "amount": float(lot.scaleb(-listing.quantity_decimals)),
                    "price": float(step.scaleb(-listing.price_decimals)),
                },
                "limits": {"amount": {"min": float(least)}, "cost": {"min": float(cost)}},
            }
        }
    return found


def ccxt_limits(market, steps):
    """The limits of a plan's steps in the router's units, on each venue's grid as
    ``price_to_precision`` rounds."""
    limits = []
    for step in steps:
        listing = market.listings[market.number(step["exchangeId"])]
        units = Decimal(repr(step["limitPrice"])).scaleb(listing.price_decimals)
        rounded = (units / listing.price_step).to_integral_value(ROUND_HALF_UP)
        limits.append(int(rounded) * listing.price_step * listing.price_factor)
    return limits


def executed(levels, side, orders):
    """Fill immediate orders, (venue, quantity, limit) each, from levels: the quantity and the
    notional of all."""
    quantity = notional = 0
    for venue, wanted, limit in orders:
        for price, shown in levels[venue]:
            if wanted == 0 or side * price > side * limit:
                break
            taken = min(wanted, shown)
            wanted -= taken
            quantity += taken
            notional += taken * price
    return quantity, notional


class Case:
    """A random book, our split of an order and CCXT's plan of the same split."""

    def __init__(self, rng):
        """Raises ``LookupError`` where nothing can be filled."""
        depth, side, quantity = random_case(rng)
        self.market, self.side = depth.market, side
        splitter = Splitter(depth)
        began_ns = time.thread_time_ns()
        self.plan = splitter.plan(side, quantity, 0, 0)
        self.split_ns = time.thread_time_ns() - began_ns
        if not self.plan.slices:
            raise LookupError("nothing can be filled")
        self.levels = [[] for _ in self.market.venues]
        for level in depth.take_side(side, 0):
            self.levels[level.venue].append((level.price, level.quantity))
        route, markets = route_of(self.market, self.plan), markets_of(self.market)
        began_ns = time.thread_time_ns()
        planned = ROUTER.build_execution_plan(route)
        self.findings = ROUTER.check_execution_plan_safety(planned, markets)
        self.ccxt_ns = time.thread_time_ns() - began_ns
        self.ours = [(one.venue, one.quantity, one.price) for one in self.plan.slices]
        limits = ccxt_limits(self.market, planned["steps"])
        self.theirs = [
            (venue, quantity, limit)
            for (venue, quantity, _), limit in zip(self.ours, limits, strict=True)
        ]

    def outcome(self, orders, levels_gone):
        """Filled share, and price paid above that of the plan in millionths (below 0: better), once
        the first levels of each venue are gone."""
        left = [rows[levels_gone:] for rows in self.levels]
        quantity, notional = executed(left, self.side, orders)
        planned = self.plan.notional / self.plan.filled
        worse = self.side * (notional / quantity / planned - 1) * 1e6 if quantity else 0.0
        return quantity / self.plan.filled, worse
