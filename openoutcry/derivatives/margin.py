"""Portfolio margin by the SPAN method: the plain reference, slow and obvious.

A combined commodity is everything with one underlying.  Its risk is

    max(scan risk + inter-month charge - inter-commodity credit, short-option minimum) + add-on

and a portfolio's margin is the sum over commodities.  Every amount is whole units of the margin
asset: charges are rounded up, credits down.  Deltas are millionths of a reference lot.  The kernels
(``margin_kernels.py``) give the same numbers.  Both refuse a portfolio that could leave 64 bits.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from openoutcry.derivatives.collateral import (
    CollateralRisk,
    Gain,
    Haircut,
    Hedge,
    Line,
    Price,
    gain_of,
)
from openoutcry.derivatives.scenarios import (
    PART,
    SCENARIOS,
    SPAN_SCENARIOS,
    UNCHANGED,
    in_use,
    paired,
)

LARGEST = 2**61
"""No charge and no margin is more; what would be is this."""
LARGEST_TERM = 2**51
"""A contract's lots times its largest loss or delta: sums over MAX_CONTRACTS are at most 2^60."""
MAX_CONTRACTS = 512
"""Contracts of which one participant has positions or open orders."""
MAX_TIERS, MAX_SPREADS, MAX_LEGS, MAX_COMMODITIES = 8, 28, 4, 256
MAX_LIQUIDITY = 3
MAX_COLLATERALS = 16
LARGEST_RATE = 2**42
"""Largest charge for a whole delta, in units."""
SHARE_BITS = 20
"""A share of a delta is a binary fraction of this many bits, rounded down."""


@dataclass(frozen=True)
class ContractRisk:
    """Margin's data of one contract."""

    commodity: int
    tier: int
    """Which group of expiries it belongs to."""
    losses: tuple[int, ...]
    """Losses of a long lot, by scenario; extended moves may be left out."""
    delta: int
    """Delta of a long lot, in millionths."""
    short_minimum: int = 0
    """Units that a short lot of an option needs at least."""

    def __post_init__(self) -> None:
        if len(self.losses) not in (SPAN_SCENARIOS, SCENARIOS):
            raise ValueError(f"a risk array has {SPAN_SCENARIOS} losses, not {len(self.losses)}")
        more = SCENARIOS - len(self.losses)
        object.__setattr__(self, "losses", (*self.losses, *[0] * more))
        if not 0 <= self.tier < MAX_TIERS or self.short_minimum < 0:
            raise ValueError(f"a tier is below {MAX_TIERS}, a minimum 0 or more")
        if max(abs(self.delta), self.short_minimum, *map(abs, self.losses)) > LARGEST_TERM:
            raise ValueError(f"a lot's losses, delta and minimum are at most {LARGEST_TERM}")

    @property
    def most_lots(self) -> int:
        """Lots of this contract that a participant may have, open orders included."""
        largest = max(1, abs(self.delta), self.short_minimum, *map(abs, self.losses))
        return LARGEST_TERM // largest


@dataclass(frozen=True)
class SpreadCharge:
    """The charge for delta that is long in one tier and short in another."""

    tiers: tuple[int, int]
    charge: int
    """Units for a whole delta."""


@dataclass(frozen=True)
class CommodityRisk:
    """A combined commodity's parameters."""

    spreads: tuple[SpreadCharge, ...] = ()
    """In the order in which they use up delta."""
    addon: int = 0
    """Units for a whole net delta: what a historical value at risk adds."""
    initial: int = PART
    """Initial margin as a share of maintenance, millionths; at least the whole."""
    liquidity: tuple[tuple[int, int], ...] = ()
    """Net deltas, in millionths, and what a whole delta above each needs further."""


@dataclass(frozen=True)
class Leg:
    """One side of an inter-commodity spread."""

    commodity: int
    side: int
    """1 or -1: legs of opposite sides offset each other."""
    ratio: int
    """Whole deltas of it a spread."""


@dataclass(frozen=True)
class Offset:
    """An inter-commodity spread: what its legs' price risk is reduced by."""

    legs: tuple[Leg, ...]
    rate: int
    """Millionths."""


@dataclass(frozen=True)
class Parameters:
    """Everything that margin depends on but positions; it changes by sequenced commands."""

    contracts: tuple[ContractRisk, ...]
    commodities: tuple[CommodityRisk, ...]
    offsets: tuple[Offset, ...] = ()
    """In the order in which they use up delta."""
    collateral: tuple[CollateralRisk, ...] = ()
    """Assets that may be pledged."""

    def __post_init__(self) -> None:
        count = len(self.commodities)
        if not 1 <= count <= MAX_COMMODITIES:
            raise ValueError(f"there are 1 to {MAX_COMMODITIES} commodities, not {count}")
        if any(not 0 <= contract.commodity < count for contract in self.contracts):
            raise ValueError("a contract names a commodity that does not exist")
        for commodity in self.commodities:
            if not 0 <= commodity.addon <= LARGEST_RATE:
                raise ValueError(f"an add-on is between 0 and {LARGEST_RATE}")
            for begin, rate in commodity.liquidity:
                if not (0 <= begin <= LARGEST and 0 <= rate <= LARGEST_RATE):
                    raise ValueError(f"a charge for liquidity is between 0 and {LARGEST_RATE}")
            if len(commodity.liquidity) > MAX_LIQUIDITY:
                raise ValueError(f"there are up to {MAX_LIQUIDITY} charges for liquidity")
            if not PART <= commodity.initial <= 100 * PART:
                raise ValueError("initial margin is 1 to 100 times maintenance")
            if len({spread.tiers for spread in commodity.spreads}) != len(commodity.spreads):
                raise ValueError("two tiers have one spread charge")
            for spread in commodity.spreads:
                first, second = spread.tiers
                if not 0 <= first < second < MAX_TIERS:
                    raise ValueError("a spread charge needs two tiers in order")
                if not 0 <= spread.charge <= LARGEST_RATE:
                    raise ValueError(f"a spread charge is between 0 and {LARGEST_RATE}")
        for offset in self.offsets:
            named = [leg.commodity for leg in offset.legs]
            if not 2 <= len(named) <= MAX_LEGS or len(set(named)) != len(named):
                raise ValueError(f"an offset has 2 to {MAX_LEGS} legs of different commodities")
            if any(not 0 <= one < count for one in named) or not 0 <= offset.rate <= PART:
                raise ValueError(
                    "an offset's legs must exist, and its rate must be at most the whole"
                )
            if any(leg.side not in (1, -1) or not 1 <= leg.ratio <= PART for leg in offset.legs):
                raise ValueError("a leg's side is 1 or -1, and its ratio 1 to a million")
        assets = {one.asset for one in self.collateral}
        if len(assets) != len(self.collateral) or len(assets) > MAX_COLLATERALS:
            raise ValueError(f"collateral is in up to {MAX_COLLATERALS} assets, each named once")
        hedges = [one.hedge for one in self.collateral if one.hedge is not None]
        hedged = {hedge.commodity for hedge in hedges}
        if len(hedged) != len(hedges) or any(not 0 <= one < count for one in hedged):
            raise ValueError("an asset hedges a commodity that exists, and no other asset does")
        if any(len(hedge.gains) != SCENARIOS for hedge in hedges):
            raise ValueError(f"an asset that hedges has {SCENARIOS} gains")

    def gains(self, lines: Mapping[int, Line]) -> "Gains":
        """Return what pledges gain; ``lines``: their parts of the collateral, by the asset's
        number in wallets."""
        return {
            one.hedge.commodity: gain_of(one.hedge, lines[one.asset])
            for one in self.collateral
            if one.hedge is not None and one.asset in lines
        }

    def numbers(self) -> dict[str, list[list[int]]]:
        """All of it in rows of numbers, as a journal's configuration has it."""
        rows = [
            [
                *(one.asset, one.price.numerator, one.price.denominator),
                *(one.haircut.share, one.haircut.concentrated),
                *(number for tier in one.haircut.tiers for number in tier),
            ]
            for one in self.collateral
        ]
        liquidity = [
            [number, *row]
            for number, commodity in enumerate(self.commodities)
            for row in commodity.liquidity
        ]
        hedges = [
            [place, one.hedge.commodity, one.hedge.bits, one.hedge.delta, *in_use(one.hedge.gains)]
            for place, one in enumerate(self.collateral)
            if one.hedge is not None
        ]
        more = {"collateral": rows, "liquidity": liquidity, "hedges": hedges}
        given = {name: own for name, own in more.items() if own}
        return given | {
            "contracts": [
                [
                    contract.commodity,
                    contract.tier,
                    contract.delta,
                    contract.short_minimum,
                    *in_use(contract.losses),
                ]
                for contract in self.contracts
            ],
            "commodities": [
                [
                    commodity.addon,
                    commodity.initial,
                    *(number for s in commodity.spreads for number in (*s.tiers, s.charge)),
                ]
                for commodity in self.commodities
            ],
            "offsets": [
                [
                    offset.rate,
                    *(n for leg in offset.legs for n in (leg.commodity, leg.side, leg.ratio)),
                ]
                for offset in self.offsets
            ],
        }

    def shape(self) -> list[object]:
        """Return the part that stays the same while values change: tiers, spreads and legs."""
        return [
            [(contract.commodity, contract.tier) for contract in self.contracts],
            [[spread.tiers for spread in commodity.spreads] for commodity in self.commodities],
            [offset.legs for offset in self.offsets],
            [len(commodity.liquidity) for commodity in self.commodities],
            [(one.asset, one.hedge and one.hedge.commodity) for one in self.collateral],
        ]


def parameters_of(numbers: Mapping[str, Sequence[Sequence[int]]]) -> Parameters:
    """Return the parameters from which :meth:`Parameters.numbers` was made. Raises ``ValueError``
    if it cannot be."""
    contracts = []
    for commodity, tier, delta, minimum, *losses in numbers["contracts"]:
        contracts.append(ContractRisk(commodity, tier, tuple(losses), delta, minimum))
    commodities = []
    for number, (addon, initial, *rest) in enumerate(numbers["commodities"]):
        spreads = zip(*[iter(rest)] * 3, strict=True)
        charges = tuple(SpreadCharge((first, second), rate) for first, second, rate in spreads)
        liquidity = [(b, rate) for n, b, rate in numbers.get("liquidity", []) if n == number]
        commodities.append(CommodityRisk(charges, addon, initial, tuple(liquidity)))
    offsets = []
    for rate, *rest in numbers["offsets"]:
        legs = tuple(Leg(*leg) for leg in zip(*[iter(rest)] * 3, strict=True))
        offsets.append(Offset(legs, rate))
    assets, hedges = [], dict[int, Hedge]()
    for place, commodity, bits, delta, *gains in numbers.get("hedges", []):
        padded = (*gains, *[0] * (SCENARIOS - len(gains)))
        hedges[place] = Hedge(commodity, bits, padded, delta)
    for place, row in enumerate(numbers.get("collateral", [])):
        asset, numerator, denominator, share, concentrated, *rest = row
        haircut = Haircut(tuple(zip(*[iter(rest)] * 2, strict=True)), share, concentrated)
        price = Price(numerator, denominator)
        assets.append(CollateralRisk(asset, price, haircut, hedges.get(place)))
    return Parameters(tuple(contracts), tuple(commodities), tuple(offsets), tuple(assets))


@dataclass
class CommodityMargin:
    """How a commodity's margin comes about."""

    losses: list[int]
    """By scenario."""
    scan: int = 0
    active: int = 0
    """The scenario of the largest loss, of several the first."""
    tiers: list[int] = field(default_factory=list)
    """Net delta of each tier."""
    net_delta: int = 0
    hedge_delta: int = 0
    """Delta of what is pledged of the underlying."""
    intra: int = 0
    price_risk: int = 0
    credit: int = 0
    short_minimum: int = 0
    addon: int = 0
    maintenance: int = 0
    initial: int = 0


@dataclass
class Margin:
    """A portfolio's margin, and that of each commodity."""

    commodities: list[CommodityMargin]
    maintenance: int = 0
    initial: int = 0


class Refused(ValueError):
    """A portfolio that is larger than margin is computed for."""


Orders = Sequence[tuple[int, int]]
"""Open orders: contract and lots; sales are negative."""
Gains = Mapping[int, Gain]
"""What pledges gain, by commodity."""
UNHEDGED: Gains = {}
NO_GAIN = Gain((0,) * SCENARIOS, 0)


def margin(parameters: Parameters, positions: Mapping[int, int], gains: Gains = UNHEDGED) -> Margin:
    """The margin of a portfolio: lots by contract, short ones negative."""
    return worst_margin(parameters, positions, (), gains)


def worst_margin(
    parameters: Parameters, positions: Mapping[int, int], orders: Orders, gains: Gains = UNHEDGED
) -> Margin:
    """A margin that no subset of the open orders can exceed when it is filled, in part or whole.

    Scan risk is exactly the worst subset's: scenario by scenario, the orders that lose in it fill.
    The charge for spreads, the short-option minimum and the add-on are each the worst of a subset.
    A credit counts only if no open order can change it.  Without orders this is the margin itself.
    """
    orders = [(contract, lots) for contract, lots in orders if lots]
    refuse_large(parameters, positions, orders)
    parts = [
        _commodity(parameters, number, positions, orders, gains.get(number, NO_GAIN))
        for number in range(len(parameters.commodities))
    ]
    open_ones = {parameters.contracts[contract].commodity for contract, _ in orders}
    _credit(parameters, parts, open_ones)
    for part, commodity in zip(parts, parameters.commodities, strict=True):
        risk = max(part.scan + part.intra - part.credit, part.short_minimum, 0)
        part.maintenance = min(risk + part.addon, LARGEST)
        part.initial = charge(part.maintenance, commodity.initial)
    return Margin(
        parts,
        min(sum(part.maintenance for part in parts), LARGEST),
        min(sum(part.initial for part in parts), LARGEST),
    )


def refuse_large(parameters: Parameters, positions: Mapping[int, int], orders: Orders) -> None:
    """Raise :class:`Refused` for a portfolio that could leave 64 bits."""
    lots = {contract: abs(held) for contract, held in positions.items() if held}
    for contract, open_lots in orders:
        lots[contract] = lots.get(contract, 0) + abs(open_lots)
    if len(lots) > MAX_CONTRACTS:
        raise Refused(f"more than {MAX_CONTRACTS} contracts")
    for contract, most in lots.items():
        if most > parameters.contracts[contract].most_lots:
            raise Refused(f"contract {contract}: more than {most} lots")


def charge(amount: int, rate: int) -> int:
    """Millionths ``rate`` of an amount, rounded up."""
    return min(-(-amount * rate // PART), LARGEST)


def share_of(part: int, whole: int) -> int:
    """Return which share ``part`` is, as a binary fraction of SHARE_BITS, rounded down."""
    return (part << SHARE_BITS) // whole


def _commodity(
    parameters: Parameters, number: int, positions: Mapping[int, int], orders: Orders, gain: Gain
) -> CommodityMargin:
    """Everything of one commodity but credits."""
    rows = parameters.contracts
    held = [(rows[c], c, lots) for c, lots in positions.items() if rows[c].commodity == number]
    open_ones = [(rows[c], c, lots) for c, lots in orders if rows[c].commodity == number]
    sums = [
        sum(lots * row.losses[s] for row, _, lots in held) - gain.by_scenario[s]
        for s in range(SCENARIOS)
    ]
    worst = [
        total + sum(max(0, lots * row.losses[s]) for row, _, lots in open_ones)
        for s, total in enumerate(sums)
    ]
    part = CommodityMargin(worst)
    part.scan = max(0, *worst)
    part.active = worst.index(max(worst))
    part.tiers = [
        sum(lots * row.delta for row, _, lots in held if row.tier == tier)
        for tier in range(MAX_TIERS)
    ]
    part.net_delta, part.hedge_delta = sum(part.tiers), gain.delta
    up, down = [0] * MAX_TIERS, [0] * MAX_TIERS
    for row, _, lots in open_ones:
        up[row.tier] += max(0, lots * row.delta)
        down[row.tier] += max(0, -lots * row.delta)
    spreads = parameters.commodities[number].spreads
    if open_ones:
        part.intra = _worst_intra(spreads, part.tiers, up, down)
    else:
        part.intra = _intra(spreads, part.tiers)
    part.price_risk = _price_risk(worst, part.active, part.scan)
    sells: dict[int, int] = {}
    for _, c, lots in open_ones:
        sells[c] = sells.get(c, 0) + max(0, -lots)
    for c in {c for _, c, _ in held + open_ones}:
        shorts = max(0, sells.get(c, 0) - positions.get(c, 0))
        part.short_minimum += shorts * rows[c].short_minimum
    largest = max(abs(part.net_delta + sum(up)), abs(part.net_delta - sum(down)))
    own = parameters.commodities[number]
    part.addon = charge(largest, own.addon)
    for begin, rate in own.liquidity:
        part.addon = min(part.addon + charge(max(largest - begin, 0), rate), LARGEST)
    return part


def _intra(spreads: Iterable[SpreadCharge], tiers: Sequence[int]) -> int:
    """The inter-month charge: each spread takes what is still long in one tier, short in the
    other."""
    left, total = list(tiers), 0
    for spread in spreads:
        first, second = spread.tiers
        if (left[first] > 0) != (left[second] > 0):
            taken = min(abs(left[first]), abs(left[second]))
            left[first] -= taken if left[first] > 0 else -taken
            left[second] -= taken if left[second] > 0 else -taken
            total += charge(taken, spread.charge)
    return min(total, LARGEST)


def _worst_intra(
    spreads: Sequence[SpreadCharge], tiers: Sequence[int], up: Sequence[int], down: Sequence[int]
) -> int:
    """Return at least the charge of any subset: the smaller of two bounds. Each spread by itself
    takes all that could be opposite in its tiers. Together they take no more than all delta that
    could be opposite, at the highest charge.

    Each spread by itself takes all that could be opposite in its tiers.  Together they take no more
    than all delta that could be opposite, at the dearest charge."""
    longs = [max(0, tier + more) for tier, more in zip(tiers, up, strict=True)]
    shorts = [max(0, less - tier) for tier, less in zip(tiers, down, strict=True)]
    apart = 0
    for spread in spreads:
        first, second = spread.tiers
        taken = max(min(longs[first], shorts[second]), min(shorts[first], longs[second]))
        apart += charge(taken, spread.charge)
    dearest = max((spread.charge for spread in spreads), default=0)
    # Each spread's charge is rounded up by itself.
    together = charge(min(sum(longs), sum(shorts)), dearest) + len(spreads)
    return min(apart, together, LARGEST)


def _price_risk(losses: Sequence[int], active: int, scan: int) -> int:
    """The part of the scan risk that is the price's, at most all of it.

    It is the mean of the active scenario and its pair, less the mean of those without a move, which
    is what time costs.
    """
    priced = losses[active] + losses[paired(active)]
    timed = losses[UNCHANGED[0]] + losses[UNCHANGED[1]]
    return min(max(0, (priced - timed) // 2), scan)


def _credit(parameters: Parameters, parts: list[CommodityMargin], open_ones: set[int]) -> None:
    """Give each commodity its credit, offset by offset.

    An offset with a leg that open orders can change gives none, and what it might use up of its
    other legs gives none afterwards.  Delta of a short position that a pledge hedges is used up.
    """
    changing = set(open_ones)
    left = [
        min(part.net_delta + part.hedge_delta, 0) if part.net_delta < 0 else part.net_delta
        for part in parts
    ]
    for offset in parameters.offsets:
        if any(leg.commodity in changing for leg in offset.legs):
            changing.update(leg.commodity for leg in offset.legs)
            continue
        sides = {leg.side * _sign(left[leg.commodity]) for leg in offset.legs}
        if sides not in ({1}, {-1}):
            continue
        spreads = min(abs(left[leg.commodity]) // leg.ratio for leg in offset.legs)
        for leg in offset.legs:
            part = parts[leg.commodity]
            used = spreads * leg.ratio
            share = share_of(used, abs(part.net_delta + part.hedge_delta))
            part.credit += (part.price_risk * share >> SHARE_BITS) * offset.rate // PART
            left[leg.commodity] -= used * _sign(left[leg.commodity])


def _sign(number: int) -> int:
    return (number > 0) - (number < 0)
