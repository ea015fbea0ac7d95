"""Spot: orders reserve in their participant's wallets, fills move both assets and collect the fee.

An instrument that is paid from wallets has no position, no margin and no lot fee.  What its orders
need is a function of each order alone, so an order always returns exactly what it held.

    buy    lots x price x multiplier of the quote asset, and the fee of that at the pinned rate
    sale   lots x lot_units of the base asset

The price is the worst that the order may pay, as for other instruments (``totals.lot_cost``).
Fees are cut off to whole units: however many fills an order has, they cost no more than one.
A minimum fee is taken from what the fill brings, all of it at most, so no order reserves for it.
"""

import openoutcry.risk.constants as constants
import openoutcry.risk.layout as lay
import openoutcry.risk.spot_layout as spot_layout
from openoutcry.risk import totals
from openoutcry.risk.bits import LARGEST
from openoutcry.risk.layout import RiskInstrument, RiskState
from openoutcry.risk.spot_layout import (
    FEE_UNIT,
    LARGEST_TOTAL,
    PINNED_SHIFT,
    QUOTE_FEE_FLAG,
    SpotAsset,
    SpotBlock,
    SpotRules,
    SpotSchedule,
    SpotTier,
    Wallet,
)
from openoutcry.wire import enum_numbers, wide
from openoutcry.wire.kernel import VERIFY, kernel, kernel_outlined
from openoutcry.wire.memory import load_i64, not_inlined
from openoutcry.wire.notes import fee_note
from openoutcry.wire.record_blocks import EventRecord, OrderRecord

BUY = enum_numbers.SIDE_BUY
MAKERS = enum_numbers.EVENT_FLAG_MAKER | enum_numbers.EVENT_FLAG_AUCTION
"""Both sides of an auction pay the maker's rate."""
MAX_PURPOSES = 255
FROM_OUTSIDE, FROM_FEES = 0, 1


@kernel
def block_of(state: RiskState) -> SpotBlock:
    """The wallets' block; address 0: without wallets."""
    at = state.wallets_at
    return SpotBlock(state + at) if at != 0 else SpotBlock(0)


@kernel
def rules_of(state: RiskState, rules: RiskInstrument) -> SpotRules:
    """Return the spot rules of an instrument; it must have some."""
    return SpotRules(state + rules.spot_at)


@kernel
def quote_wallet(state: RiskState, spot: SpotRules, participant: int) -> Wallet:
    """Return a participant's wallet in the asset in which the instrument is quoted."""
    return Wallet(state + spot.quote_wallet_at + participant * spot.wallet_step)


@kernel
def base_wallet(state: RiskState, spot: SpotRules, participant: int) -> Wallet:
    """Return a participant's wallet in the asset that the instrument trades."""
    return Wallet(state + spot.base_wallet_at + participant * spot.wallet_step)


@kernel
def own_wallet(state: RiskState, spot: SpotRules, side: int, participant: int) -> Wallet:
    """The one that an order of this side reserves in."""
    at = spot.quote_wallet_at if side == BUY else spot.base_wallet_at
    return Wallet(state + at + participant * spot.wallet_step)


@kernel
def asset_number(state: RiskState, rules: RiskInstrument, side: int) -> int:
    """Return the number of the asset that an order of this side reserves."""
    spot, block = rules_of(state, rules), SpotBlock(state + state.wallets_at)
    at = spot.quote_at if side == BUY else spot.base_at
    return (at - block.asset_at) // spot_layout.ASSET_BYTES


# What an order needs


@kernel
def maker_rate(terms: int) -> int:
    """Return the maker's fee rate, signed, from a word of terms."""
    return (terms << 43) >> 43


@kernel
def taker_rate(terms: int) -> int:
    """Return the taker's fee rate, signed, from a word of terms."""
    return (terms << 22) >> 43


@kernel
def new_flags(side: int, terms: int) -> int:
    """Return the fee terms for a new order's flags: a buy that pays it in the quote asset pins the
    higher of its rates, and never pays a higher one."""
    if side != BUY or (terms >> spot_layout.QUOTE_FEE_AT) & 1 == 0:
        return 0
    rate = max(maker_rate(terms), taker_rate(terms), 0)
    return QUOTE_FEE_FLAG | rate << PINNED_SHIFT


@kernel
def fee_of(amount: int, rate: int) -> int:
    """``rate`` millionths of an amount (0 or more), cut off: exact, nothing leaves int64."""
    whole, rest = amount // FEE_UNIT, amount % FEE_UNIT
    return whole * rate + rest * rate // FEE_UNIT


@kernel
def needed(
    rules: RiskInstrument, spot: SpotRules, side: int, flags: int, price: int, lots: int
) -> int:
    """Return how much ``lots`` lots of an order that was let in reserve."""
    if side != BUY:
        return lots * spot.lot_units
    if flags & lay.PRICED_FLAG == 0:
        price = rules.worst_buy
    paid = max(price, 0) * rules.multiplier * lots
    return paid + fee_of(paid, flags >> PINNED_SHIFT)


@kernel
def asked_for(
    rules: RiskInstrument,
    spot: SpotRules,
    side: int,
    flags: int,
    price: int,
    lots: int,
    budget: int,
) -> int:
    """The same of an order that was not, or the end of int64.  ``budget``: ticks times lots that it
    pays at most."""
    if side != BUY:
        return wide.mul(lots, spot.lot_units)
    if flags & lay.PRICED_FLAG == 0:
        price = rules.worst_buy
    ticks = min(wide.mul(max(price, 0), lots), budget)
    paid = wide.mul(ticks, rules.multiplier)
    return wide.add(paid, fee_of(paid, flags >> PINNED_SHIFT))


# Fills


@kernel
def collect(asset: SpotAsset, amount: int, rate: int, least: int) -> int:
    """The fee of an amount, to the venue's account; below 0: a rebate, from it.  ``least``: of a
    rate above 0, as far as the amount goes."""
    fee = fee_of(amount, max(rate, -rate))
    if rate < 0:
        fee = -min(fee, asset.fees + LARGEST_TOTAL)
    elif rate > 0:
        fee = max(fee, min(least, amount))
    asset.fees += fee
    return fee


@kernel_outlined
def least_fee(
    state: RiskState, spot: SpotRules, participant: int, terms: int, units: int, paid: int
) -> int:
    """The minimum of the schedule that counts, as a part of the ``units`` that a fill brings, which
    are worth ``paid``."""
    not_inlined()
    block = SpotBlock(state + state.wallets_at)
    number = (terms >> spot_layout.OWN_SCHEDULE_AT) & spot_layout.OWN_SCHEDULE_MASK
    if number == 0:
        number = totals.participant_row(state, participant).fee_schedule
    if number == 0:
        number = spot.schedule
    if number == 0:
        number = block.schedule_of_all
    return wide.part_of(units, schedule_row(state, block, number - 1).minimum, paid)


@kernel
def settle(
    state: RiskState,
    rules: RiskInstrument,
    spot: SpotRules,
    participant: int,
    side: int,
    flags: int,
    terms: int,
    event: EventRecord,
    qty: int,
) -> None:
    """One side of a trade: base asset one way, quote asset the other, and the fee, all in this
    event.  What the lots had reserved is available already.  The fee is left in the event, for the
    reports (``wire/notes.py``)."""
    paid = event.price_ticks * rules.multiplier * qty
    lots = spot.lot_units * qty
    rate = maker_rate(terms) if event.flags & MAKERS != 0 else taker_rate(terms)
    quote, base = quote_wallet(state, spot, participant), base_wallet(state, spot, participant)
    quote_row, base_row = SpotAsset(state + spot.quote_at), SpotAsset(state + spot.base_at)
    if VERIFY:
        assert event.price_ticks >= 0, "buying never pays the buyer"
        assert 0 <= paid <= LARGEST, "before let in what fits"
        assert 0 <= lots <= LARGEST, "before let in what fits"
    least = 0
    if terms >> spot_layout.MINIMUM_AT != 0:
        least = least_fee(state, spot, participant, terms, lots if side == BUY else paid, paid)
    if side == BUY:
        if flags & QUOTE_FEE_FLAG != 0:
            pinned = min(rate, flags >> PINNED_SHIFT)
            fee = collect(quote_row, paid, pinned, 0)
            quote.available -= paid + fee
            base.available += lots
            event.seq = fee_note(fee, of_base=False)
        else:
            quote.available -= paid
            fee = collect(base_row, lots, rate, least)
            base.available += lots - fee
            event.seq = fee_note(fee, of_base=True)
    else:
        base.available -= lots
        fee = collect(quote_row, paid, rate, least)
        quote.available += paid - fee
        event.seq = fee_note(fee, of_base=False)
    if quote.shortfall | base.shortfall != 0:
        pay_shortfall(quote_row, quote)
        pay_shortfall(base_row, base)
    if VERIFY:
        sign = 1 if side == BUY else -1
        quote_row.clearing += sign * paid
        base_row.clearing -= sign * lots
        assert quote.available >= -quote.credit - quote.shortfall, "what was reserved is enough"
        assert base.available >= -base.credit - base.shortfall, "what was reserved is enough"


@kernel
def missing(wallet: Wallet) -> int:
    """Return how far ``available`` is below what may be owed."""
    return max(-(wallet.available + wallet.credit), 0)


@kernel_outlined
def pay_shortfall(asset: SpotAsset, wallet: Wallet) -> None:
    """Something came into the wallet: its shortfall is as much less."""
    not_inlined()
    left = min(wallet.shortfall, missing(wallet))
    asset.short -= wallet.shortfall - left
    wallet.shortfall = left


@kernel
def owes(state: RiskState, block: SpotBlock, participant: int) -> bool:
    """Return whether the participant has a shortfall in any asset."""
    owed = 0
    for index in range(block.assets):
        owed |= wallet_in(state, block, index, participant).shortfall
    return owed != 0


@kernel_outlined
def conserved(state: RiskState) -> int:
    """1 if of every asset the wallets and the venue's fees are what came in and did not go out.
    Each wallet is below the credit in it by its recorded shortfall.  Slow: all wallets are looked
    at."""
    not_inlined()
    block = block_of(state)
    if block == 0:
        return 1
    for index in range(block.assets):
        asset = SpotAsset(state + block.asset_at + index * spot_layout.ASSET_BYTES)
        total, granted, short = asset.fees, 0, 0
        for participant in range(state.participants):
            wallet = wallet_in(state, block, index, participant)
            total += wallet.available + wallet.reserved
            granted += wallet.credit
            short += wallet.shortfall
            if wallet.reserved < 0 or wallet.shortfall != missing(wallet):
                return 0
        if total != asset.net or granted != asset.granted or asset.clearing != 0:
            return 0
        if short != asset.short:
            return 0
    return 1


# RISK commands


@kernel
def wallet_in(state: RiskState, block: SpotBlock, asset: int, participant: int) -> Wallet:
    """Return a participant's wallet in an asset."""
    at = block.wallet_at + participant * block.wallet_step + asset * spot_layout.WALLET_BYTES
    return Wallet(state + at)


@kernel
def find_asset(state: RiskState, block: SpotBlock, name: int) -> int:
    """Number of the asset with this name, or -1."""
    for index in range(block.assets):
        if SpotAsset(state + block.asset_at + index * spot_layout.ASSET_BYTES).name == name:
            return index
    return -1


@kernel
def names_asset(order: OrderRecord) -> int:
    """The name of the asset that a DEPOSIT or an ASSET_CREDIT says, 0: none."""
    second = order.price_ticks
    return second if second > MAX_PURPOSES or second < 0 else order.symbol


@kernel_outlined
def move(state: RiskState, order: OrderRecord, participant: int, amount: int) -> bool:
    """A DEPOSIT that names an asset: into a wallet, or, below 0, out of it, as far as it goes
    without credit."""
    not_inlined()
    block = block_of(state)
    index = find_asset(state, block, names_asset(order))
    if index < 0:
        return False
    asset = SpotAsset(state + block.asset_at + index * spot_layout.ASSET_BYTES)
    wallet = wallet_in(state, block, index, participant)
    from_fees = order.time_in_force == FROM_FEES
    if order.time_in_force > FROM_FEES or max(amount, wide.sub(0, amount)) > LARGEST_TOTAL:
        return False
    if amount < 0 and (wallet.available + amount < 0 or owes(state, block, participant)):
        return False
    if totals.participant_row(state, participant).flags & lay.CLOSED_FLAG != 0:
        return False
    if from_fees:
        if asset.fees - amount < min(asset.fees, 0):
            return False
        asset.fees -= amount
    else:
        if not has_room(asset, amount):
            return False
        asset.net += amount
    wallet.available += amount
    pay_shortfall(asset, wallet)
    return True


@kernel
def has_room(asset: SpotAsset, amount: int) -> bool:
    """Return whether so much may come in from outside."""
    return asset.net + asset.granted + asset.short + amount <= LARGEST_TOTAL


@kernel_outlined
def set_credit(state: RiskState, order: OrderRecord, participant: int, value: int) -> bool:
    """ASSET_CREDIT: it is not lowered below what is used of it."""
    not_inlined()
    block = block_of(state)
    if block == 0 or value < 0 or value > LARGEST_TOTAL:
        return False
    index = find_asset(state, block, names_asset(order))
    if index < 0:
        return False
    asset = SpotAsset(state + block.asset_at + index * spot_layout.ASSET_BYTES)
    wallet = wallet_in(state, block, index, participant)
    granted = asset.granted - wallet.credit + value
    used_more = wallet.available < -value and value < wallet.credit
    if used_more or max(asset.net, 0) + granted + asset.short > LARGEST_TOTAL:
        return False
    asset.granted = granted
    wallet.credit = value
    pay_shortfall(asset, wallet)
    return True


@kernel
def schedule_row(state: RiskState, block: SpotBlock, number: int) -> SpotSchedule:
    """Return a fee schedule, by its number."""
    return SpotSchedule(state + block.schedule_at + number * spot_layout.SCHEDULE_BYTES)


@kernel_outlined
def follow_fees(
    state: RiskState,
    order: OrderRecord,
    instrument: int,
    setting: int,
    participant: int,
    value: int,
) -> bool:
    """Apply a LEDGER_* command whose values are possible to a state with wallets: new terms for all
    participants concerned.  Returns False, without a change, for a minimum fee where buyers pay in
    the quote asset: their orders would have to reserve one for each lot."""
    not_inlined()
    block = block_of(state)
    if setting == constants.SET_LEDGER_MINIMUM:
        schedule = schedule_row(state, block, participant)
        if value > LARGEST_TOTAL or (value != 0 and schedule.collects_quote != 0):
            return False
        schedule.minimum = value
        renew(state, -1, -1)
    elif setting == constants.SET_LEDGER_COLLECT:
        schedule = schedule_row(state, block, participant)
        if value != 0 and schedule.minimum != 0:
            return False
        schedule.collects_quote = value
        renew(state, -1, -1)
    elif setting == constants.SET_LEDGER_TIER:
        at = schedule_row(state, block, participant >> 4) + spot_layout.TIERS_AT
        tier = SpotTier(at + (participant & 15) * spot_layout.TIER_BYTES)
        tier.begin = order.price_ticks
        tier.maker = (value << 32) >> 32
        tier.taker = value >> 32
        renew(state, -1, -1)
    elif setting == constants.SET_LEDGER_FEES:
        return assign(state, block, instrument, participant, value + 1)
    elif setting == constants.SET_LEDGER_ASSET:
        declare(state, block, names_asset(order), value, participant)
    return True


@kernel
def declare(state: RiskState, block: SpotBlock, name: int, decimals: int, rest: int) -> None:
    """An asset that is new has wallets from here on, if there is room for one more.  Of one that is
    known nothing changes: the ledger notes it if the decimals differ."""
    number = block.assets
    row = SpotAsset(state + block.asset_at + number * spot_layout.ASSET_BYTES)
    is_full = row >= state + block.rules_at
    if is_full or name == 0 or find_asset(state, block, name) >= 0:
        return
    row.name = name
    row.decimals = decimals
    row.rest = rest if decimals >> 8 != 0 else 0
    # Others look at the state meanwhile.
    block.assets = number + 1


@kernel
def assign(
    state: RiskState, block: SpotBlock, instrument: int, participant: int, number: int
) -> bool:
    """LEDGER_FEES: the schedule of a participant (-1: of all) in an instrument (-1: in all).  The
    schedule's number + 1 is ``number``; 0: no schedule, which for all in all ends every other
    assignment, too."""
    if participant >= state.participants:
        # The ledger may know more of them.
        return True
    if participant < 0 and instrument < 0:
        block.schedule_of_all = number
        if number == 0:
            clear_assigned(state)
    elif participant < 0:
        rules = totals.instrument_row(state, instrument)
        if rules.spot_at != 0:
            rules_of(state, rules).schedule = number
    elif instrument < 0:
        totals.participant_row(state, participant).fee_schedule = number
    elif totals.instrument_row(state, instrument).spot_at != 0:
        cell = totals.cell_of(state, participant, instrument)
        own = spot_layout.OWN_SCHEDULE_MASK << spot_layout.OWN_SCHEDULE_AT
        cell.mark = cell.mark & ~own | number << spot_layout.OWN_SCHEDULE_AT
    renew(state, participant, instrument)
    return True


@kernel
def clear_assigned(state: RiskState) -> None:
    """Remove every assignment of a fee schedule to a participant or a spot instrument."""
    own = spot_layout.OWN_SCHEDULE_MASK << spot_layout.OWN_SCHEDULE_AT
    for participant in range(state.participants):
        totals.participant_row(state, participant).fee_schedule = 0
    for number in range(state.instruments):
        rules = totals.instrument_row(state, number)
        if rules.spot_at == 0:
            continue
        rules_of(state, rules).schedule = 0
        for participant in range(state.participants):
            cell = totals.cell_of(state, participant, number)
            cell.mark &= ~own


@kernel
def set_volume(state: RiskState, participant: int, value: int) -> bool:
    """Set the volume that decides a participant's fee tier; False without spot or if the value is
    not valid."""
    if block_of(state) == 0 or value < 0 or value > LARGEST:
        return False
    totals.participant_row(state, participant).fee_volume = value
    renew(state, participant, -1)
    return True


@kernel
def renew(state: RiskState, who: int, instrument: int) -> None:
    """Recompute the fee terms of a participant (-1: of all) in an instrument (-1: in all spot
    instruments)."""
    block = block_of(state)
    first, end = (who, who + 1) if who >= 0 else (0, state.participants)
    for number in range(state.instruments):
        rules = totals.instrument_row(state, number)
        if rules.spot_at == 0 or (instrument >= 0 and number != instrument):
            continue
        of_instrument = rules_of(state, rules).schedule
        for participant in range(first, end):
            renew_one(state, block, participant, number, of_instrument)


@kernel
def renew_one(
    state: RiskState, block: SpotBlock, participant: int, instrument: int, of_instrument: int
) -> None:
    """Find a participant's fee terms in an instrument again: by its own schedule there, its own,
    the instrument's, or that of all."""
    row = totals.participant_row(state, participant)
    cell = totals.cell_of(state, participant, instrument)
    own = (cell.mark >> spot_layout.OWN_SCHEDULE_AT) & spot_layout.OWN_SCHEDULE_MASK
    number, terms = own, own << spot_layout.OWN_SCHEDULE_AT
    if number == 0:
        number = row.fee_schedule
    if number == 0:
        number = of_instrument
    if number == 0:
        number = block.schedule_of_all
    if number != 0:
        schedule = schedule_row(state, block, number - 1)
        begin, maker, taker = -1, 0, 0
        for index in range(spot_layout.TIERS):
            at = schedule + spot_layout.TIERS_AT + index * spot_layout.TIER_BYTES
            tier = SpotTier(at)
            if begin < tier.begin <= row.fee_volume:
                begin, maker, taker = tier.begin, tier.maker, tier.taker
        mask = (1 << spot_layout.RATE_BITS) - 1
        terms |= maker & mask | (taker & mask) << spot_layout.TAKER_AT
        terms |= schedule.collects_quote << spot_layout.QUOTE_FEE_AT
        terms |= int(schedule.minimum != 0) << spot_layout.MINIMUM_AT
    if VERIFY:
        assert load_i64(cell) == 0, "a spot instrument has no position"
    cell.mark = terms
