"""Random parameters and portfolios for margin: seeded, with the edges more often than chance."""

from random import Random

from openoutcry.derivatives.margin import (
    CommodityRisk,
    ContractRisk,
    Leg,
    Offset,
    Parameters,
    SpreadCharge,
)

PART = 1_000_000
RATES = (0, 1, 333_333, 500_000, 999_999, PART)


def random_parameters(
    rng: Random, most_commodities: int = 4, most_contracts: int = 12
) -> Parameters:
    """Parameters with futures and options, spread charges and offsets."""
    commodities, contracts = [], []
    for number in range(rng.randint(1, most_commodities)):
        tiers = rng.randint(1, 4)
        pairs = [(a, b) for a in range(tiers) for b in range(a + 1, tiers)]
        rng.shuffle(pairs)
        commodities.append(
            CommodityRisk(
                tuple(
                    SpreadCharge(pair, rng.choice([0, 1, rng.randint(0, 10**6)]))
                    for pair in pairs[: rng.randint(0, len(pairs))]
                ),
                rng.choice([0, rng.randint(0, 10**5)]),
                rng.choice([PART, 1_100_000, rng.randint(PART, 3 * PART)]),
                random_liquidity(rng),
            )
        )
        for _ in range(rng.randint(1, max(1, most_contracts // most_commodities))):
            contracts.append(random_contract(rng, number, tiers))
    return Parameters(tuple(contracts), tuple(commodities), random_offsets(rng, len(commodities)))


def random_liquidity(rng: Random) -> tuple[tuple[int, int], ...]:
    """Up to three charges, from nothing on, from a little or from more than there can be."""
    rows = rng.choice([0, 0, 1, 3])
    edges = [0, 1, rng.randint(0, 10**8), 2**61]
    return tuple((rng.choice(edges), rng.choice([0, 1, 10**5])) for _ in range(rows))


def random_contract(rng: Random, commodity: int, tiers: int) -> ContractRisk:
    """A future, a call or a put."""
    scan = rng.choice([1, 2, 7, rng.randint(1, 10**6), rng.randint(1, 10**10)])
    thirds = [0, 0, 1, 1, -1, -1, 2, 2, -2, -2, 3, 3, -3, -3, 2, -2]
    tier = rng.randrange(tiers)
    if rng.random() < 0.5:
        losses = tuple(-one * scan // 3 for one in thirds) + random_moves(rng, scan)
        return ContractRisk(commodity, tier, losses, rng.choice([PART, PART // 10, 12_345]))
    sign, vega = rng.choice([1, -1]), rng.randint(0, scan)
    losses = tuple(
        -sign * one * scan // 4 - one * one * scan // 30 + (vega if place & 1 else -vega)
        for place, one in enumerate(thirds)
    )
    delta = sign * rng.randint(0, PART)
    losses += random_moves(rng, scan)
    return ContractRisk(commodity, tier, losses, delta, rng.choice([0, 1, rng.randint(0, scan)]))


def random_moves(rng: Random, scan: int) -> tuple[int, ...]:
    """Losses by extended moves, or none."""
    if rng.random() < 0.5:
        return ()
    return tuple(rng.randint(-2 * scan, 2 * scan) for _ in range(8))


def random_offsets(rng: Random, count: int) -> tuple[Offset, ...]:
    """Up to four, of two or three legs."""
    offsets = []
    for _ in range(rng.randint(0, 4) if count > 1 else 0):
        named = rng.sample(range(count), min(count, rng.choice([2, 2, 3])))
        legs = tuple(Leg(one, rng.choice([1, -1]), rng.choice([1, 1, 2, 5])) for one in named)
        offsets.append(Offset(legs, rng.choice(RATES)))
    return tuple(offsets)


def random_lots(rng: Random, parameters: Parameters, contract: int, scale: int) -> int:
    """Mostly few lots, seldom as many as there may be."""
    most = parameters.contracts[contract].most_lots
    few = min(scale, most)
    return rng.randint(-few, few) if rng.random() < 0.98 else rng.choice([-most, most, most + 1])


def random_portfolio(
    rng: Random, parameters: Parameters, most_orders: int = 8
) -> tuple[dict[int, int], list[tuple[int, int]]]:
    """Positions and open orders."""
    contracts = range(len(parameters.contracts))
    scale = rng.choice([1, 5, 100, 10**6])
    held = rng.sample(contracts, rng.randint(0, len(contracts)))
    positions = {one: random_lots(rng, parameters, one, scale) for one in held}
    orders = [
        (one, random_lots(rng, parameters, one, scale))
        for one in rng.choices(contracts, k=rng.randint(0, most_orders))
    ]
    return positions, orders
