"""Portfolio margin in integers: the same numbers as ``margin.py``.

A participant's work holds sums that follow its fills and orders, a few additions for each scenario
(:func:`add_position`, :func:`add_order`, :func:`follow`).  They are exact: :func:`worst_margin`
makes the same ones from nothing.  Orders of a side add up, so only their lots count.
:func:`check_order` accepts by :func:`bound_with`, which knows no credits and reads one commodity,
if that is enough.  If not, it computes the margin with the order, so its answer is always the exact
one.
"""

from openoutcry.derivatives.margin_layout import (
    CollateralRow,
    CommodityRow,
    ContractRow,
    ContractWork,
    MarginTable,
    MarginWork,
    OffsetRow,
    Totals,
)
from openoutcry.wire import wide
from openoutcry.wire.kernel import kernel
from openoutcry.wire.layout import Words

SCENARIOS, TIERS = 24, 8
SPAN_SCENARIOS = 16
PAIRED = SPAN_SCENARIOS - 2
"""Scenarios that have a pair, the first ones."""
PART = 1_000_000
SHARE_BITS = 20
SHARE_MASK = (1 << SHARE_BITS) - 1
LARGEST = 1 << 61
MOST_VALUE, MOST_DELTA = 1 << 59, 1 << 60
HEDGE_BYTES = 8 * SCENARIOS
MAX_CONTRACTS = 512
LARGEST_TERM = 1 << 51
CONTRACT_BYTES, COMMODITY_BYTES, OFFSET_BYTES, TOTALS_BYTES, WORK_BYTES = (
    ContractRow.size_bytes,
    CommodityRow.size_bytes,
    OffsetRow.size_bytes,
    Totals.size_bytes,
    ContractWork.size_bytes,
)
REFUSED = -1
"""The portfolio is larger than margin is computed for."""
ACCEPTED, TOO_LITTLE = 1, 0


@kernel
def worst_margin(
    table: MarginTable, positions: Words, held: int, orders: Words, count: int, work: MarginWork
) -> int:
    """Make a portfolio's work from nothing; return its initial margin or REFUSED.

    ``positions`` and ``orders`` have two words a row: contract and lots; no contract has two
    positions.  ``work`` follows the portfolio afterwards, unless it is refused.
    """
    forget(work)
    for index in range(held):
        contract, lots = positions[2 * index], positions[2 * index + 1]
        if is_too_large(table, work, contract, lots):
            return REFUSED
        _add_position(table, work, contract, 0, lots)
    for index in range(count):
        contract, lots = orders[2 * index], orders[2 * index + 1]
        if is_too_large(table, work, contract, lots):
            return REFUSED
        _add_order(table, work, contract, lots, 1)
    for number in range(work.commodities):
        _keep_held(table, work, number)
        _keep_bound(table, work, number)
    return margin_now(table, work)


@kernel
def margin_now(table: MarginTable, work: MarginWork) -> int:
    """Compute the margin of the portfolio that ``work`` follows; return the initial margin."""
    _credits(table, work, 1)
    maintenance = initial = 0
    for number in range(work.commodities):
        commodity = CommodityRow(table + table.commodity_at + number * COMMODITY_BYTES)
        totals = _totals(work, number)
        risk = max(totals.scan + totals.intra - totals.credit, totals.shorts)
        totals.maintenance = min(risk + totals.addon, LARGEST)
        totals.initial = charge(totals.maintenance, commodity.initial)
        maintenance = min(maintenance + totals.maintenance, LARGEST)
        initial = min(initial + totals.initial, LARGEST)
    work.maintenance = maintenance
    work.initial = initial
    return initial


@kernel
def held_now(table: MarginTable, work: MarginWork) -> int:
    """The maintenance margin of the positions alone."""
    _credits(table, work, 0)
    maintenance = 0
    for number in range(work.commodities):
        totals = _totals(work, number)
        risk = max(totals.held_scan + totals.held_intra - totals.credit, totals.held_shorts)
        maintenance = min(maintenance + min(risk + totals.held_addon, LARGEST), LARGEST)
    return maintenance


@kernel
def add_position(
    table: MarginTable, work: MarginWork, contract: int, before: int, after: int
) -> None:
    """Follow a position from ``before`` lots to ``after``."""
    _add_position(table, work, contract, before, after)
    number = contract_row(table, contract).commodity
    _keep_held(table, work, number)
    _keep_bound(table, work, number)


@kernel
def follow(
    table: MarginTable, work: MarginWork, contract: int, position: int, buys: int, sells: int
) -> bool:
    """Follow a contract to these lots held and open; whether another position is held."""
    own, number = _own(work, contract), contract_row(table, contract).commodity
    held, more_buys, more_sells = own.position, buys - own.buys, sells - own.sells
    if position != held:
        _add_position(table, work, contract, held, position)
        _keep_held(table, work, number)
    if more_buys != 0:
        _add_order(table, work, contract, abs(more_buys), 1 if more_buys > 0 else -1)
    if more_sells != 0:
        _add_order(table, work, contract, -abs(more_sells), 1 if more_sells > 0 else -1)
    _keep_bound(table, work, number)
    return position != held


@kernel
def forget(work: MarginWork) -> None:
    """Let the work follow a portfolio with nothing in it."""
    words = Words(work + work.totals_at)
    for index in range((work.end_at - work.totals_at) // 8):
        words[index] = 0
    work.used = work.bound = 0


@kernel
def hedge(
    table: MarginTable,
    work: MarginWork,
    place: int,
    row: CollateralRow,
    amount: int,
    value: int,
    counted: int,
) -> None:
    """Follow what is pledged of the asset in row ``place``, one that hedges: ``amount`` units are
    worth ``value`` and count ``counted`` (``collateral.gain_of``)."""
    number, bits, units = row.hedged - 1, row.hedge_bits, 0
    own = Words(work + work.hedges_at + place * HEDGE_BYTES)
    totals, gains = _totals(work, number), row.gains
    sums = totals.sums
    if value > 0:
        units = wide.part_of(amount, counted, value)
    for scenario in range(SCENARIOS):
        if gains[scenario] >= 0:
            gain = min(wide.mul_shift(units, gains[scenario], bits), MOST_VALUE)
        else:
            fall = wide.sub(0, wide.mul_shift(amount, gains[scenario], bits))
            gain = -min(max(fall - (value - counted), 0), counted)
        sums[scenario] += own[scenario] - gain
        own[scenario] = gain
    delta = wide.mul_shift(wide.sub(0, units), row.hedge_delta, bits)
    totals.hedge_delta = min(wide.sub(0, delta), MOST_DELTA)
    _keep_held(table, work, number)
    _keep_bound(table, work, number)


@kernel
def add_order(table: MarginTable, work: MarginWork, contract: int, lots: int, sign: int) -> None:
    """Follow open orders: ``sign`` 1 adds ``lots`` (negative: sales), -1 takes them away."""
    _add_order(table, work, contract, lots, sign)
    _keep_bound(table, work, contract_row(table, contract).commodity)


@kernel
def bound_with(table: MarginTable, work: MarginWork, contract: int, lots: int) -> int:
    """The most that the initial margin can be with one more order: without credits, and with the
    dearest spread charge for all delta that could be opposite."""
    row = contract_row(table, contract)
    totals = _totals(work, row.commodity)
    commodity = CommodityRow(table + table.commodity_at + row.commodity * COMMODITY_BYTES)
    losses, sums, worst = row.losses, totals.sums, totals.worst
    scan = 0
    for scenario in range(SCENARIOS):
        loss = sums[scenario] + worst[scenario] + max(lots * losses[scenario], 0)
        scan = max(scan, loss)
    move = lots * row.delta
    up, down = max(move, 0), max(-move, 0)
    intra = 0
    if commodity.spreads != 0:
        opposite = min(totals.longs + up, totals.shorts_delta + down)
        intra = charge(opposite, commodity.dearest) + commodity.spreads
    addon = 0
    if commodity.addon | commodity.liquidities != 0:
        addon = _addon(commodity, _largest_delta(totals, up, down))
    shorts = totals.shorts + max(-lots, 0) * row.short_minimum
    risk = min(max(scan + intra, shorts) + addon, LARGEST)
    return min(work.bound - totals.bound + charge(risk, commodity.initial), LARGEST)


@kernel
def check_order(
    table: MarginTable, work: MarginWork, contract: int, lots: int, available: int
) -> int:
    """Return whether an order may enter: ACCEPTED, TOO_LITTLE or REFUSED.

    It may if the initial margin of the worst subset of it and the open orders is at most
    ``available``.  ``work`` follows the portfolio, and is afterwards as before.
    """
    if is_too_large(table, work, contract, lots):
        return REFUSED
    if bound_with(table, work, contract, lots) <= available:
        return ACCEPTED
    return ACCEPTED if margin_with(table, work, contract, lots) <= available else TOO_LITTLE


@kernel
def margin_with(table: MarginTable, work: MarginWork, contract: int, lots: int) -> int:
    """The initial margin with one more order, exactly."""
    add_order(table, work, contract, lots, 1)
    exact = margin_now(table, work)
    add_order(table, work, contract, lots, -1)
    return exact


@kernel
def most_lots(table: MarginTable, contract: int) -> int:
    """Lots of a contract that a participant may have, open orders included."""
    return contract_row(table, contract).most_lots


@kernel
def with_derived(table: MarginTable) -> None:
    """Bring the words that follow from others up to date: how many lots there may be of a contract,
    and the dearest spread charge of a commodity."""
    for number in range(table.contracts):
        row = contract_row(table, number)
        losses, largest = row.losses, max(1, abs(row.delta), row.short_minimum)
        for scenario in range(SCENARIOS):
            largest = max(largest, abs(losses[scenario]))
        row.most_lots = LARGEST_TERM // largest
    for number in range(table.commodities):
        commodity = CommodityRow(table + table.commodity_at + number * COMMODITY_BYTES)
        spread, dearest = commodity.spread, 0
        for index in range(commodity.spreads):
            dearest = max(dearest, spread[3 * index + 2])
        commodity.dearest = dearest


# Parts


@kernel
def charge(amount: int, rate: int) -> int:
    """Millionths ``rate`` of an amount that is not negative, rounded up."""
    whole = amount // PART
    rest = amount - whole * PART
    return min(wide.add(wide.mul(whole, rate), (rest * rate + PART - 1) // PART), LARGEST)


@kernel
def share_of(part: int, whole: int) -> int:
    """A binary fraction, rounded down, by long division: a product would not fit."""
    if part == whole:
        return 1 << SHARE_BITS
    share, rest = 0, part
    for _ in range(SHARE_BITS):
        rest = rest << 1
        share = share << 1
        if rest >= whole:
            rest -= whole
            share += 1
    return share


@kernel
def contract_row(table: MarginTable, contract: int) -> ContractRow:
    """Return a contract's parameters, by its number there."""
    return ContractRow(table + table.contract_at + contract * CONTRACT_BYTES)


@kernel
def _totals(work: MarginWork, commodity: int) -> Totals:
    return Totals(work + work.totals_at + commodity * TOTALS_BYTES)


@kernel
def _own(work: MarginWork, contract: int) -> ContractWork:
    return ContractWork(work + work.contract_at + contract * WORK_BYTES)


@kernel
def is_too_large(table: MarginTable, work: MarginWork, contract: int, lots: int) -> bool:
    """Return whether a portfolio with more lots of a contract could leave 64 bits."""
    own = _own(work, contract)
    held = abs(own.position) + own.buys + own.sells
    size = wide.add(held, abs(lots))
    fresh = held == 0 and lots != 0 and work.used >= MAX_CONTRACTS
    return size > contract_row(table, contract).most_lots or fresh


@kernel
def _add_position(
    table: MarginTable, work: MarginWork, contract: int, before: int, after: int
) -> None:
    row, own = contract_row(table, contract), _own(work, contract)
    totals = _totals(work, row.commodity)
    lots = after - before
    losses, sums = row.losses, totals.sums
    for scenario in range(SCENARIOS):
        sums[scenario] += lots * losses[scenario]
    move, tier, tiers = lots * row.delta, row.tier, totals.tiers
    _opposite(totals, tier, -1)
    tiers[tier] += move
    _opposite(totals, tier, 1)
    totals.net_delta += move
    shorts, minimum = max(own.sells - own.position, 0), row.short_minimum
    own.position = after
    totals.shorts += (max(own.sells - after, 0) - shorts) * minimum
    totals.held_shorts += (max(-after, 0) - max(-before, 0)) * minimum
    if own.buys + own.sells == 0:
        work.used += (after != 0) - (before != 0)


@kernel
def _add_order(table: MarginTable, work: MarginWork, contract: int, lots: int, sign: int) -> None:
    row, own = contract_row(table, contract), _own(work, contract)
    totals = _totals(work, row.commodity)
    losses, worst = row.losses, totals.worst
    for scenario in range(SCENARIOS):
        worst[scenario] += sign * max(lots * losses[scenario], 0)
    move, tier, up, down = lots * row.delta, row.tier, totals.up, totals.down
    _opposite(totals, tier, -1)
    up[tier] += sign * max(move, 0)
    down[tier] += sign * max(-move, 0)
    _opposite(totals, tier, 1)
    totals.ups += sign * max(move, 0)
    totals.downs += sign * max(-move, 0)
    totals.orders += sign * abs(lots)
    shorts, was_open = max(own.sells - own.position, 0), own.buys + own.sells
    own.sells += sign * max(-lots, 0)
    own.buys += sign * max(lots, 0)
    totals.shorts += (max(own.sells - own.position, 0) - shorts) * row.short_minimum
    if own.position == 0:
        work.used += (own.buys + own.sells != 0) - (was_open != 0)


@kernel
def _opposite(totals: Totals, tier: int, sign: int) -> None:
    """Add or take away what a tier can be long and short of."""
    tiers, up, down = totals.tiers, totals.up, totals.down
    totals.longs += sign * max(tiers[tier] + up[tier], 0)
    totals.shorts_delta += sign * max(down[tier] - tiers[tier], 0)


@kernel
def _commodity(commodity: CommodityRow, totals: Totals) -> None:
    """A commodity's charges but the credit."""
    sums, worst = totals.sums, totals.worst
    active, most = 0, sums[0] + worst[0]
    for scenario in range(1, SCENARIOS):
        loss = sums[scenario] + worst[scenario]
        if loss > most:
            active, most = scenario, loss
    totals.active = active
    totals.scan = max(most, 0)
    pair = active ^ 1 if active < PAIRED else active
    priced = most + sums[pair] + worst[pair]
    timed = sums[0] + worst[0] + sums[1] + worst[1]
    totals.price_risk = min(max((priced - timed) // 2, 0), totals.scan)
    totals.intra = 0
    if commodity.spreads != 0:
        if totals.orders != 0:
            totals.intra = _worst_intra(commodity, totals)
        else:
            totals.intra = _intra(commodity, totals)
    totals.addon = 0
    if commodity.addon | commodity.liquidities != 0:
        totals.addon = _addon(commodity, _largest_delta(totals, 0, 0))


@kernel
def _addon(commodity: CommodityRow, delta: int) -> int:
    """What a net delta without its sign adds: for all of it, and for what is hard to close out."""
    total, liquidity = charge(delta, commodity.addon), commodity.liquidity
    for index in range(commodity.liquidities):
        above = max(delta - liquidity[2 * index], 0)
        total = min(total + charge(above, liquidity[2 * index + 1]), LARGEST)
    return total


@kernel
def _largest_delta(totals: Totals, up: int, down: int) -> int:
    """The largest net delta, of either sign, that open orders and one more can make."""
    most = abs(totals.net_delta + totals.ups + up)
    return max(most, abs(totals.net_delta - totals.downs - down))


@kernel
def _intra(commodity: CommodityRow, totals: Totals) -> int:
    """The inter-month charge without open orders."""
    left, tiers, spread = totals.left_tiers, totals.tiers, commodity.spread
    for tier in range(TIERS):
        left[tier] = tiers[tier]
    total = 0
    for index in range(commodity.spreads):
        first, second = spread[3 * index], spread[3 * index + 1]
        one, other = left[first], left[second]
        if (one > 0) != (other > 0):
            taken = min(abs(one), abs(other))
            left[first] = one - taken if one > 0 else one + taken
            left[second] = other - taken if other > 0 else other + taken
            total = min(total + charge(taken, spread[3 * index + 2]), LARGEST)
    return total


@kernel
def _worst_intra(commodity: CommodityRow, totals: Totals) -> int:
    """At least the inter-month charge of any subset of the open orders."""
    tiers, up, down, spread = totals.tiers, totals.up, totals.down, commodity.spread
    apart = 0
    for index in range(commodity.spreads):
        one, other = spread[3 * index], spread[3 * index + 1]
        forth = min(max(tiers[one] + up[one], 0), max(down[other] - tiers[other], 0))
        back = min(max(down[one] - tiers[one], 0), max(tiers[other] + up[other], 0))
        apart = min(apart + charge(max(forth, back), spread[3 * index + 2]), LARGEST)
    together = charge(min(totals.longs, totals.shorts_delta), commodity.dearest) + commodity.spreads
    return min(min(apart, together), LARGEST)


@kernel
def _credits(table: MarginTable, work: MarginWork, with_orders: int) -> None:
    """Give the commodities their credits, offset by offset; 0: as if no order were open."""
    for number in range(work.commodities):
        totals = _totals(work, number)
        totals.credit = 0
        totals.left = totals.net_delta
        if totals.net_delta < 0:
            totals.left = min(totals.net_delta + totals.hedge_delta, 0)
        totals.changing = 1 if with_orders != 0 and totals.orders != 0 else 0
        totals.risk = totals.price_risk if with_orders != 0 else totals.held_price_risk
    for number in range(table.offsets):
        offset = OffsetRow(table + table.offset_at + number * OFFSET_BYTES)
        leg, legs = offset.leg, offset.legs
        changing = 0
        for index in range(legs):
            changing |= _totals(work, leg[3 * index]).changing
        if changing != 0:
            for index in range(legs):
                _totals(work, leg[3 * index]).changing = 1
            continue
        longs = shorts = 0
        spreads = LARGEST
        for index in range(legs):
            left = _totals(work, leg[3 * index]).left
            sided = left * leg[3 * index + 1]
            longs += sided > 0
            shorts += sided < 0
            spreads = min(spreads, abs(left) // leg[3 * index + 2])
        if longs != legs and shorts != legs:
            continue
        for index in range(legs):
            totals = _totals(work, leg[3 * index])
            used = spreads * leg[3 * index + 2]
            share = share_of(used, abs(totals.net_delta + totals.hedge_delta))
            risk = totals.risk
            shared = (risk >> SHARE_BITS) * share + ((risk & SHARE_MASK) * share >> SHARE_BITS)
            credit = shared // PART * offset.rate + shared % PART * offset.rate // PART
            totals.credit += credit
            totals.left += -used if totals.left > 0 else used


@kernel
def _keep_held(table: MarginTable, work: MarginWork, number: int) -> None:
    """Bring what a commodity's positions need by themselves, but credits, up to date."""
    commodity = CommodityRow(table + table.commodity_at + number * COMMODITY_BYTES)
    totals = _totals(work, number)
    sums = totals.sums
    active, most = 0, sums[0]
    for scenario in range(1, SCENARIOS):
        if sums[scenario] > most:
            active, most = scenario, sums[scenario]
    totals.held_scan = max(most, 0)
    pair = active ^ 1 if active < PAIRED else active
    away = (most + sums[pair] - sums[0] - sums[1]) // 2
    totals.held_price_risk = min(max(away, 0), totals.held_scan)
    totals.held_intra = _intra(commodity, totals) if commodity.spreads != 0 else 0
    totals.held_addon = _addon(commodity, abs(totals.net_delta))


@kernel
def _keep_bound(table: MarginTable, work: MarginWork, number: int) -> None:
    """Bring a commodity's part of the bound, and the bound, up to date."""
    commodity = CommodityRow(table + table.commodity_at + number * COMMODITY_BYTES)
    totals = _totals(work, number)
    _commodity(commodity, totals)
    risk = min(max(totals.scan + totals.intra, totals.shorts) + totals.addon, LARGEST)
    bound = charge(risk, commodity.initial)
    work.bound += bound - totals.bound
    totals.bound = bound
