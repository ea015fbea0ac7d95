"""The memory that the margin kernels read and write: parameters, and one portfolio's work.

table      header, contracts, commodities, offsets, collateral; from :class:`margin.Parameters`
work       header, a row for each commodity, one for each contract, what is pledged of each asset
"""

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from openoutcry.derivatives.collateral import MAX_TIERS as MAX_HAIRCUTS
from openoutcry.derivatives.collateral import CollateralRisk, Haircut, Hedge, Price
from openoutcry.derivatives.margin import (
    MAX_LEGS,
    MAX_LIQUIDITY,
    MAX_SPREADS,
    MAX_TIERS,
    CommodityRisk,
    ContractRisk,
    Leg,
    Offset,
    Parameters,
    SpreadCharge,
)
from openoutcry.derivatives.scenarios import SCENARIOS
from openoutcry.wire.layout import Layout, Words, area, i64

SPREAD_BYTES = LEG_BYTES = 24
"""Two tiers and a charge; commodity, side and ratio."""
LIQUIDITY_BYTES = HAIRCUT_BYTES = 16
"""Where a tier begins, and its haircut."""
UNUSED_TIER = 2**62
"""The beginning of a tier that is not there."""


class MarginTable(Layout, size_bytes=64):
    """The header of the parameters."""

    contracts: int = i64("contracts, each with a row")
    commodities: int = i64("combined commodities")
    offsets: int = i64("inter-commodity spreads")
    contract_at: int = i64("offset of the contracts' rows")
    commodity_at: int = i64("offset of the commodities' rows")
    offset_at: int = i64("offset of the inter-commodity spreads")
    collaterals: int = i64("assets that may be pledged")
    collateral_at: int = i64("offset of their rows; 0: nothing may be pledged")


class ContractRow(Layout, size_bytes=256):
    """A contract."""

    losses: Words = area(8 * SCENARIOS, "units that a long lot loses, by scenario", of=Words)
    commodity: int = i64("number of its commodity")
    tier: int = i64("number of its tier")
    delta: int = i64("of a long lot, millionths")
    short_minimum: int = i64("units that a short lot needs at least")
    most_lots: int = i64("lots that a participant may have, open orders included")


class CommodityRow(Layout, size_bytes=768):
    """A combined commodity."""

    spreads: int = i64("spread charges between its tiers")
    dearest: int = i64("the largest of them")
    addon: int = i64("units for a whole net delta")
    initial: int = i64("initial margin, millionths of maintenance")
    spread: Words = area(
        SPREAD_BYTES * MAX_SPREADS, "of each spread two tiers and the charge", of=Words
    )
    liquidities: int = i64("charges for liquidity")
    liquidity: Words = area(
        LIQUIDITY_BYTES * MAX_LIQUIDITY,
        "of each a net delta, in millionths, and the units for a whole delta above it",
        of=Words,
    )


class OffsetRow(Layout, size_bytes=128):
    """An inter-commodity spread."""

    legs: int = i64("its legs")
    rate: int = i64("the part of their price risk that is credited, millionths")
    leg: Words = area(LEG_BYTES * MAX_LEGS, "of each leg commodity, side and ratio", of=Words)


class CollateralRow(Layout, size_bytes=384):
    """An asset that may be pledged."""

    asset: int = i64("number of its wallets")
    worth: int = i64("what ``per`` of its units are worth, margin units")
    per: int = i64("units that ``worth`` is for")
    share: int = i64("share of all that is pledged above which it is concentrated, millionths")
    concentrated: int = i64("the further haircut of what is above, millionths")
    tiers: Words = area(
        HAIRCUT_BYTES * MAX_HAIRCUTS,
        "of each tier its beginning, in margin units, and its haircut",
        of=Words,
    )
    staged_worth: int = i64("``worth`` from the next CONTRACT_APPLY on")
    staged_per: int = i64("``per`` likewise; 0: the price stays")
    hedged: int = i64("number of the commodity that it hedges, from 1; 0: none")
    hedge_bits: int = i64("2**bits: units that the gains and the delta are for")
    hedge_delta: int = i64("millionths of a delta")
    gains: Words = area(8 * SCENARIOS, "margin units that they gain, by scenario", of=Words)


class MarginWork(Layout, size_bytes=128):
    """The header of a portfolio's work, and its results."""

    maintenance: int = i64("of the whole portfolio")
    initial: int = i64("of the whole portfolio")
    bound: int = i64("initial margin without credits")
    used: int = i64("contracts with a position or an order")
    totals_at: int = i64("offset of the commodities' totals")
    contract_at: int = i64("offset of the contracts' rows")
    end_at: int = i64("bytes of the work")
    commodities: int = i64("commodities")
    premiums: int = i64("what open buys of options could pay beyond what they lose at once")
    pledges_at: int = i64("offset of what is pledged, units of each asset; 0: nothing can be")
    collateral: int = i64("what that is worth after haircuts")
    hedges_at: int = i64("offset of what is pledged gains, by asset and scenario; 0: none hedges")


class ContractWork(Layout, size_bytes=32):
    """A participant's data of one contract."""

    position: int = i64("lots; below 0: short")
    buys: int = i64("lots of open purchases")
    sells: int = i64("lots of open sales")


class Totals(Layout, size_bytes=896):
    """Sums and results of one commodity."""

    sums: Words = area(8 * SCENARIOS, "losses of positions and pledges, by scenario", of=Words)
    worst: Words = area(8 * SCENARIOS, "and what open orders may add to each", of=Words)
    tiers: Words = area(8 * MAX_TIERS, "net delta of each tier", of=Words)
    up: Words = area(8 * MAX_TIERS, "delta that open orders may add", of=Words)
    down: Words = area(8 * MAX_TIERS, "delta that open orders may take away", of=Words)
    left_tiers: Words = area(8 * MAX_TIERS, "delta of each that no spread has taken", of=Words)
    orders: int = i64("lots of open orders")
    ups: int = i64("sum of ``up``")
    downs: int = i64("sum of ``down``")
    longs: int = i64("delta that all tiers can be long")
    shorts_delta: int = i64("and short")
    shorts: int = i64("short-option minimum with all sales filled")
    net_delta: int = i64("of the positions")
    scan: int = i64("the largest loss")
    active: int = i64("its scenario")
    intra: int = i64("the inter-month charge")
    price_risk: int = i64("the price's part of the scan risk")
    credit: int = i64("the inter-commodity credit")
    addon: int = i64("what is added for the value at risk")
    maintenance: int = i64("the commodity's margin")
    initial: int = i64("and its initial margin")
    bound: int = i64("its part of the portfolio's bound")
    left: int = i64("net delta that no offset has used")
    changing: int = i64("1: open orders can change its credits")
    risk: int = i64("the price risk that the credits are a part of")
    held_scan: int = i64("of the positions alone: the largest loss,")
    held_intra: int = i64("the inter-month charge,")
    held_price_risk: int = i64("the price's part of the scan risk,")
    held_shorts: int = i64("the short-option minimum")
    held_addon: int = i64("and the add-on")
    hedge_delta: int = i64("delta of what is pledged of the underlying")


def table_of(parameters: Parameters) -> npt.NDArray[np.int64]:
    """The parameters as kernels read them."""
    tables = parameters.contracts, parameters.commodities, parameters.offsets, parameters.collateral
    counts = [len(table) for table in tables]
    rows = ContractRow, CommodityRow, OffsetRow, CollateralRow
    sizes = [row.size_bytes for row in rows]
    places, end = [], MarginTable.size_bytes
    for count, size in zip(counts, sizes, strict=True):
        places.append(end)
        end += count * size
    words = np.zeros(end // 8, np.int64)
    base = words.ctypes.data
    head = MarginTable(base)
    head.contracts, head.commodities, head.offsets, head.collaterals = counts
    head.collateral_at = places[3] if parameters.collateral else 0
    head.contract_at, head.commodity_at, head.offset_at = places[:3]
    for number, one in enumerate(parameters.contracts):
        row = ContractRow(base + places[0] + number * ContractRow.size_bytes)
        for scenario, loss in enumerate(one.losses):
            row.losses[scenario] = loss
        row.commodity, row.tier, row.delta = one.commodity, one.tier, one.delta
        row.short_minimum, row.most_lots = one.short_minimum, one.most_lots
    for number, commodity in enumerate(parameters.commodities):
        line = CommodityRow(base + places[1] + number * CommodityRow.size_bytes)
        line.spreads, line.addon = len(commodity.spreads), commodity.addon
        line.initial = commodity.initial
        line.dearest = max((spread.charge for spread in commodity.spreads), default=0)
        for index, spread in enumerate(commodity.spreads):
            for place, word in enumerate((*spread.tiers, spread.charge)):
                line.spread[3 * index + place] = word
        line.liquidities = len(commodity.liquidity)
        for index, tier in enumerate(commodity.liquidity):
            line.liquidity[2 * index], line.liquidity[2 * index + 1] = tier
    for number, offset in enumerate(parameters.offsets):
        entry = OffsetRow(base + places[2] + number * OffsetRow.size_bytes)
        entry.legs, entry.rate = len(offset.legs), offset.rate
        for index, leg in enumerate(offset.legs):
            for place, word in enumerate((leg.commodity, leg.side, leg.ratio)):
                entry.leg[3 * index + place] = word
    for number, asset in enumerate(parameters.collateral):
        _enter_collateral(
            CollateralRow(base + places[3] + number * CollateralRow.size_bytes), asset
        )
    return words


def _enter_collateral(row: CollateralRow, one: CollateralRisk) -> None:
    row.asset, price = one.asset, one.price
    row.worth, row.per = price.numerator, price.denominator
    row.share, row.concentrated = one.haircut.share, one.haircut.concentrated
    for place, (begin, rate) in enumerate(padded_tiers(one.haircut)):
        row.tiers[2 * place], row.tiers[2 * place + 1] = begin, rate
    if one.hedge is not None:
        row.hedged, row.hedge_bits = one.hedge.commodity + 1, one.hedge.bits
        row.hedge_delta = one.hedge.delta
        for scenario, gain in enumerate(one.hedge.gains):
            row.gains[scenario] = gain


def _hedge_in(row: CollateralRow) -> Hedge | None:
    if row.hedged == 0:
        return None
    gains = tuple(row.gains[scenario] for scenario in range(SCENARIOS))
    return Hedge(row.hedged - 1, row.hedge_bits, gains, row.hedge_delta)


def padded_tiers(haircut: Haircut) -> list[tuple[int, int]]:
    """The tiers of a haircut, and those that are not there."""
    return [*haircut.tiers, *[(UNUSED_TIER, 0)] * (MAX_HAIRCUTS - len(haircut.tiers))]


def collateral_in(words: npt.NDArray[np.int64]) -> list[list[int]]:
    """Return the words of the row of each asset that may be pledged, to its last tier."""
    head = MarginTable(words.ctypes.data)
    size, first = CollateralRow.size_bytes // 8, head.collateral_at // 8
    rows = words[first:][: head.collaterals * size].reshape(-1, size)
    return rows[:, : 5 + 2 * MAX_HAIRCUTS].tolist()


def parameters_in(words: npt.NDArray[np.int64], collateral: bool = True) -> Parameters:
    """The parameters that :func:`table_of` wrote, with what was changed since.  ``collateral``:
    with its haircuts; staged ones need not make sense."""
    base, head = words.ctypes.data, MarginTable(words.ctypes.data)
    contracts = []
    for number in range(head.contracts):
        row = ContractRow(base + head.contract_at + number * ContractRow.size_bytes)
        losses = tuple(row.losses[scenario] for scenario in range(SCENARIOS))
        terms = row.commodity, row.tier, losses, row.delta, row.short_minimum
        contracts.append(ContractRisk(*terms))
    commodities = []
    for number in range(head.commodities):
        line = CommodityRow(base + head.commodity_at + number * CommodityRow.size_bytes)
        numbers = [line.spread[place] for place in range(3 * line.spreads)]
        rows = zip(numbers[::3], numbers[1::3], numbers[2::3], strict=True)
        spreads = tuple(SpreadCharge((first, second), rate) for first, second, rate in rows)
        words_of = [line.liquidity[place] for place in range(2 * line.liquidities)]
        liquidity = tuple(zip(words_of[::2], words_of[1::2], strict=True))
        commodities.append(CommodityRisk(spreads, line.addon, line.initial, liquidity))
    offsets = []
    for number in range(head.offsets):
        entry = OffsetRow(base + head.offset_at + number * OffsetRow.size_bytes)
        numbers = [entry.leg[place] for place in range(3 * entry.legs)]
        legs = tuple(map(Leg, numbers[::3], numbers[1::3], numbers[2::3]))
        offsets.append(Offset(legs, entry.rate))
    assets = []
    for number, words_of in enumerate(collateral_in(words) * collateral):
        asset, numerator, denominator, share, more, *tiers = words_of
        pairs = zip(tiers[::2], tiers[1::2], strict=True)
        haircut = Haircut(tuple(pair for pair in pairs if pair[0] != UNUSED_TIER), share, more)
        row_of = CollateralRow(base + head.collateral_at + number * CollateralRow.size_bytes)
        price = Price(numerator, denominator)
        assets.append(CollateralRisk(asset, price, haircut, _hedge_in(row_of)))
    return Parameters(tuple(contracts), tuple(commodities), tuple(offsets), tuple(assets))


def work_of(parameters: Parameters) -> npt.NDArray[np.int64]:
    """Work for portfolios of these parameters, empty."""
    commodities, contracts = len(parameters.commodities), len(parameters.contracts)
    totals_at = MarginWork.size_bytes
    contract_at = totals_at + commodities * Totals.size_bytes
    hedges_at = contract_at + contracts * ContractWork.size_bytes
    pledges = len(parameters.collateral)
    has_hedges = any(one.hedge for one in parameters.collateral)
    end_at = hedges_at + (8 * SCENARIOS * pledges if has_hedges else 0)
    words = np.zeros(end_at // 8 + pledges, np.int64)
    head = MarginWork(words.ctypes.data)
    head.totals_at, head.contract_at, head.end_at = totals_at, contract_at, end_at
    head.pledges_at = end_at if pledges else 0
    head.hedges_at = hedges_at if has_hedges else 0
    head.commodities = commodities
    return words


def rows_of(rows: Sequence[tuple[int, int]] | Mapping[int, int]) -> npt.NDArray[np.int64]:
    """Positions or open orders as kernels read them."""
    pairs = list(rows.items()) if isinstance(rows, Mapping) else list(rows)
    return np.array(pairs, np.int64).reshape(-1, 2)
