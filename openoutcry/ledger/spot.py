"""Spot: wallets pay.  What an order needs, both assets of a fill and its fee, by docs/risk.md.

An instrument that wallets pay has no position, margin or lot fee.  A fill is two transactions, one
an asset: the quote asset is POSTED, the base asset DELIVERED.  Fees are cut off to whole units, and
the venue collects them with the fill.
"""

import openoutcry.ledger.layout as lay
from openoutcry.ledger import constants
from openoutcry.ledger.commit import FAILED, account, begin, commit_asset, commit_money, fail
from openoutcry.ledger.layout import (
    FeeTier,
    LedgerCell,
    LedgerInstrument,
    LedgerParticipant,
    LedgerState,
    TransactionRow,
)
from openoutcry.wire import enum_numbers, wide
from openoutcry.wire.kernel import kernel
from openoutcry.wire.layout import Words
from openoutcry.wire.memory import load_i64
from openoutcry.wire.notes import fee_is_of_base, fee_units
from openoutcry.wire.record_blocks import EventRecord, OrderRecord

BUY = enum_numbers.SIDE_BUY
MAKERS = enum_numbers.EVENT_FLAG_MAKER | enum_numbers.EVENT_FLAG_AUCTION
"""Both sides of an auction pay the maker's rate."""
POSTED, DELIVERED = constants.KIND_POSTED, constants.KIND_DELIVERED
BROKEN, RETURNED = constants.KIND_BROKEN, constants.KIND_RETURNED
MOVEMENT = constants.KIND_MOVEMENT
NOTIONAL, NO_ASSET = constants.ERROR_NOTIONAL, constants.ERROR_ASSET
REQUEST, FINISH, CANCEL, FAIL, SEE, CREDIT, REVERSE = 1, 4, 5, 6, 7, 8, 9
"""``MovementStep`` of risk/bits.py."""
LARGEST_REBATES = 2**61
"""The venue's fee account is never below minus that: a rebate is cut there."""


@kernel
def share_of(amount: int, rate: int) -> int:
    """``rate`` millionths (0 or more) of an amount (0 or more), cut off."""
    whole, rest = amount // lay.FEE_UNIT, amount % lay.FEE_UNIT
    return whole * rate + rest * rate // lay.FEE_UNIT


@kernel
def terms_of(
    books: LedgerState, rules: LedgerInstrument, owner: LedgerParticipant, cell: LedgerCell
) -> tuple[int, int, int, int]:
    """Maker's and taker's rate, millionths, 1 if buyers pay in the quote asset, and the minimum in
    that asset.  The most special schedule that is named applies, and its tier of the volume that
    the operator has set."""
    number = cell.schedule
    if number == 0:
        number = owner.spot_schedule
    if number == 0:
        number = rules.schedule
    if number == 0:
        number = books.schedule_of_all
    if number == 0:
        return 0, 0, 0, 0
    schedule = books.schedules_at + (number - 1) * lay.SCHEDULE_WORDS * 8
    best, maker, taker = lay.UNUSED_TIER, 0, 0
    for index in range(lay.TIER_COUNT):
        tier = FeeTier(schedule + lay.TIERS + index * lay.TIER_WORDS * 8)
        if best < tier.from_ <= owner.spot_volume:
            best, maker, taker = tier.from_, tier.maker, tier.taker
    minimum = load_i64(schedule + lay.MINIMUM)
    return maker, taker, load_i64(schedule + lay.COLLECTS_QUOTE), minimum


@kernel
def new_flags(
    books: LedgerState,
    rules: LedgerInstrument,
    owner: LedgerParticipant,
    cell: LedgerCell,
    side: int,
) -> int:
    """Return the fee terms for a new order's flags: a buy that pays in the quote asset never pays a
    higher rate than the higher of those it entered with."""
    maker, taker, in_quote, _ = terms_of(books, rules, owner, cell)
    if side != BUY or in_quote == 0:
        return 0
    return lay.QUOTE_FEE_FLAG | max(maker, taker, 0) << lay.PINNED_SHIFT


@kernel
def needed(rules: LedgerInstrument, side: int, flags: int, price: int, lots: int) -> int:
    """Units that the lots of an open order reserve.  Plain products: the core lets nothing in
    that would pass 2**62."""
    if side != BUY:
        return lots * rules.lot_units
    if flags & lay.PRICED_FLAG == 0:
        price = rules.worst_buy
    paid = max(price, 0) * rules.multiplier * lots
    return paid + share_of(paid, flags >> lay.PINNED_SHIFT)


@kernel
def reserve(
    books: LedgerState,
    event: EventRecord,
    row: TransactionRow,
    kind: int,
    rules: LedgerInstrument,
    units: int,
    order_type: int,
) -> int:
    """A transaction within one wallet, of every event of an open order, even if nothing moves.
    ``qty_lots`` is what is open after it, ``contra_id`` of a new order its type."""
    begin(books, event, row, kind)
    row.qty_lots = event.leaves_lots
    row.contra_id = order_type
    row.available = -units
    row.reserved = units
    asset = rules.quote if event.side == BUY else rules.base
    return commit_asset(books, event, row, event.participant, event.instrument, asset)


@kernel
def settle(
    books: LedgerState,
    event: EventRecord,
    row: TransactionRow,
    rules: LedgerInstrument,
    owner: LedgerParticipant,
    cell: LedgerCell,
    flags: int,
    free_quote: int,
    free_base: int,
) -> int:
    """One side of a trade.  ``free_quote`` and ``free_base``: units that its lots had reserved;
    ``flags``: the order's."""
    buys, qty = event.side == BUY, event.qty_lots
    paid, overflow = wide.product(event.price_ticks, rules.multiplier, qty)
    units, beyond = wide.product(qty, rules.lot_units, 1)
    if overflow | beyond != 0 or paid < 0:
        return fail(books, NOTIONAL, event)
    maker, taker, _, minimum = terms_of(books, rules, owner, cell)
    rate = maker if event.flags & MAKERS != 0 else taker
    in_base = buys and flags & lay.QUOTE_FEE_FLAG == 0
    if buys and not in_base:
        # Its minimum would have to be reserved: the core has none of it.
        rate, minimum = min(rate, flags >> lay.PINNED_SHIFT), 0
    asset = rules.base if in_base else rules.quote
    brought = units if in_base else paid
    least = wide.part_of(brought, minimum, paid) if minimum != 0 else 0
    fee = collected(books, asset, brought, rate, least)
    base_fee = fee if in_base else 0
    quote_fee = fee - base_fee
    begin(books, event, row, POSTED)
    row.available = free_quote + (-paid if buys else paid) - quote_fee
    row.reserved = -free_quote
    row.clearing = paid if buys else -paid
    row.fee_income = quote_fee
    participant, where = event.participant, event.instrument
    if commit_asset(books, event, row, participant, where, rules.quote) < 0:
        return FAILED
    second = TransactionRow(row + lay.ROW_BYTES)
    begin(books, event, second, DELIVERED)
    second.available = free_base + (units if buys else -units) - base_fee
    second.reserved = -free_base
    second.clearing = -units if buys else units
    second.fee_income = base_fee
    if commit_asset(books, event, second, participant, where, rules.base) < 0:
        return FAILED
    return 2


@kernel
def take_back(
    books: LedgerState, event: EventRecord, row: TransactionRow, rules: LedgerInstrument
) -> int:
    """One side of a trade that was taken back: both assets, and the fee that the event says."""
    buys, qty, note = event.side == BUY, event.qty_lots, event.leaves_lots
    paid, overflow = wide.product(event.price_ticks, rules.multiplier, qty)
    units, beyond = wide.product(qty, rules.lot_units, 1)
    if overflow | beyond != 0 or paid < 0:
        return fail(books, NOTIONAL, event)
    base_fee = fee_units(note) if fee_is_of_base(note) else 0
    quote_fee = fee_units(note) - base_fee
    begin(books, event, row, BROKEN)
    row.available = (paid if buys else -paid) + quote_fee
    row.clearing = -paid if buys else paid
    row.fee_income = -quote_fee
    participant, where = event.participant, event.instrument
    if commit_asset(books, event, row, participant, where, rules.quote) < 0:
        return FAILED
    second = TransactionRow(row + lay.ROW_BYTES)
    begin(books, event, second, RETURNED)
    second.available = (-units if buys else units) + base_fee
    second.clearing = units if buys else -units
    second.fee_income = -base_fee
    if commit_asset(books, event, second, participant, where, rules.base) < 0:
        return FAILED
    return 2


@kernel
def collected(books: LedgerState, asset: int, amount: int, rate: int, least: int) -> int:
    """The fee of an amount; below 0: a rebate, which the venue's fee account may cut.  ``least``:
    of a rate above 0, as far as the amount goes."""
    fee = share_of(amount, max(rate, -rate))
    if rate == 0:
        return 0
    if rate > 0:
        return max(fee, min(least, amount))
    income = load_i64(account(books, 0, asset))
    return -min(fee, income + LARGEST_REBATES)


@kernel
def move(books: LedgerState, order: OrderRecord, event: EventRecord, row: TransactionRow) -> int:
    """A step of a deposit or a withdrawal: within a wallet, or between it and the outside."""
    step, amount, known = order.time_in_force, order.aux, books.movement
    asset, number = known & 0xFF, order.price_ticks
    if step in (REQUEST, SEE):
        asset, number = wallet_named(books, order.price_ticks), event.cause_seq
    if asset < lay.MONEY_SLOTS:
        return fail(books, NO_ASSET, event)
    begin(books, event, row, MOVEMENT)
    row.order_id = number
    row.contra_id = step
    row.price_ticks = 0
    row.qty_lots = amount
    if step == REQUEST:
        row.available = -amount
        row.reserved = amount
    elif step in (CANCEL, FAIL):
        row.available = amount
        row.reserved = -amount
    elif step == FINISH:
        row.reserved = -amount
        row.outside = amount
    elif step == CREDIT:
        row.available = amount
        row.outside = -amount
    elif step == REVERSE and known >> 8 != 0:
        row.available = -amount
        row.outside = amount
    return commit_money(books, event, row, order.qty_lots, asset)


@kernel
def wallet_named(books: LedgerState, name: int) -> int:
    """The asset with wallets that has this name; -1: none."""
    for index in range(books.wallets):
        if Words(books.wallet_names_at)[index] == name:
            return lay.MONEY_SLOTS + index
    return -1
