"""Posting: every event that moves value becomes a balanced transaction, in the books and as a row.

One side of a trade is posted against clearing, so an event needs no other: after both sides
clearing is where it was.  The ledger works out again what open orders need, from the commands and
events alone, by the rules of docs/risk.md.
"""

import openoutcry.ledger.layout as lay
from openoutcry.ledger import constants, spot
from openoutcry.ledger.commit import (
    FAILED,
    begin,
    cell_of,
    commit,
    commit_money,
    erase_order,
    fail,
    find_order,
    margined,
    row_of,
    rules_of,
)
from openoutcry.ledger.contracts import (
    contract_batch,
    contract_setting,
    gain_of_trade,
    in_force,
    lot_value,
    pledge,
    seize,
    take_back,
)
from openoutcry.ledger.corporate import adjust
from openoutcry.ledger.fees import fee_of
from openoutcry.ledger.layout import (
    LedgerCell,
    LedgerInstrument,
    LedgerParticipant,
    LedgerState,
    TransactionRow,
)
from openoutcry.ledger.lists import is_linked, link, lot_cost, move_leg, unlink
from openoutcry.wire import enum_numbers, wide
from openoutcry.wire.enums import OrderType
from openoutcry.wire.kernel import kernel, kernel_outlined
from openoutcry.wire.layout import Words
from openoutcry.wire.memory import (
    load_i64,
    not_inlined,
    store_i64,
)
from openoutcry.wire.off_book import is_off_book
from openoutcry.wire.open_orders import IS_LEG, OpenOrder
from openoutcry.wire.order_types import BUDGETS, PEGS, UNPRICED, type_bits
from openoutcry.wire.record_blocks import EventRecord, OrderRecord
from openoutcry.wire.records import NO_PRICE, RECORD_BYTES
from openoutcry.wire.rule_changes import FIELDS, PAIR, SET_RULE, SYMBOL, TICK_UNITS, is_limited
from openoutcry.wire.rule_changes import SET_APPLY as SET_RULES

R = lay.AT
R_RESERVED, R_MARGIN, R_DUE = R["reserved"], R["margin"], R["fees_due"]
R_CLEARING, R_OUTSIDE = R["clearing"], R["outside"]
R_SUSPENSE, R_INCOME = R["suspense"], R["fee_income"]

ACCEPTED, FILLED = enum_numbers.EVENT_KIND_ACCEPTED, enum_numbers.EVENT_KIND_FILLED
BROKEN = enum_numbers.EVENT_KIND_BROKEN
REPLACED, CONVERTED = enum_numbers.EVENT_KIND_REPLACED, enum_numbers.EVENT_KIND_CONVERTED
CANCELLED, REDUCED, EXPIRED = (
    enum_numbers.EVENT_KIND_CANCELLED,
    enum_numbers.EVENT_KIND_REDUCED,
    enum_numbers.EVENT_KIND_EXPIRED,
)
COMPLETED, PHASE_CHANGED = enum_numbers.EVENT_KIND_COMPLETED, enum_numbers.EVENT_KIND_PHASE_CHANGED
ENTERED = enum_numbers.EVENT_KIND_ENTERED
CHANGES = sum(1 << kind for kind in (CANCELLED, REDUCED, REPLACED, EXPIRED, CONVERTED))
MAKER, AUCTION = enum_numbers.EVENT_FLAG_MAKER, enum_numbers.EVENT_FLAG_AUCTION
WAITING, NEW = enum_numbers.EVENT_FLAG_WAITING, enum_numbers.COMMAND_KIND_NEW
BUY, RISK, REPLACE = (
    enum_numbers.SIDE_BUY,
    enum_numbers.COMMAND_KIND_RISK,
    enum_numbers.COMMAND_KIND_REPLACE,
)
LIMIT = enum_numbers.ORDER_TYPE_LIMIT
UNPRICED_TYPES, BUDGET_TYPES = type_bits(UNPRICED), type_bits(BUDGETS)
PEG_TYPES = type_bits((*PEGS, OrderType.POST_ONLY_SLIDE))
SET_DEPOSIT, SET_POSITION, SET_FEE, SET_MARGIN, SET_MARK = 1, 26, 30, 31, 38
SET_FEE_VOLUME, SET_MOVEMENT, SET_DIVIDEND, SET_SPLIT = 16, 18, 55, 56
SET_CONTRACT_MARK, SET_EXPIRE, SET_DELEVERAGE = 91, 94, 97
LOWEST, HIGHEST, BAND = (
    FIELDS.index(f"{name}_ticks") for name in ("min_price", "max_price", "market_band")
)
SET_PLEDGE, SET_SEIZE, SET_LIST, SET_APPLY, SET_ADJUST = 105, 106, 107, 108, 109
SET_LIQUIDATION_FEE, SET_INSTRUMENT_STATE = 111, 116
STAGED = WITH_MARK = WITH_PRICE = 1
"""``Setting`` of risk/bits.py, and of a contract's ``time_in_force`` and ``qty_lots``."""
FROM_OUTSIDE, FEES_COLLECTED, FROM_CLEARING = 0, 1, 2
PENDING, POSTED, VOIDED = constants.KIND_PENDING, constants.KIND_POSTED, constants.KIND_VOIDED
CHANGED, DEPOSIT, OPENING = constants.KIND_CHANGED, constants.KIND_DEPOSIT, constants.KIND_POSITION
REPRICED, MARKED = constants.KIND_REPRICED, constants.KIND_MARKED
NOTIONAL, NO_ORDER = constants.ERROR_NOTIONAL, constants.ERROR_ORDER
GAP, NO_ASSET = constants.ERROR_GAP, constants.ERROR_ASSET
NO_LIMIT = 2**63 - 1


@kernel
def post(
    books: LedgerState, orders: int, first_seq: int, events: int, count: int, rows: int
) -> tuple[int, int]:
    """Post ``count`` events (EVENT) that the commands at ``orders`` (ORDER, ``first_seq`` on)
    caused; transactions (TRANSACTION_DTYPE) go to ``rows``.  It has room for one an event (two
    where there are wallets) and one a participant for each RISK command.  Events that were posted
    before are passed over.

    Returns how many events were taken, and transactions; fewer events than asked for: ERROR and
    ERROR_SEQ say why, and the books are not to be used any more.
    """
    written = 0
    for index in range(count):
        event = EventRecord(events + index * RECORD_BYTES)
        seq, last = event.seq, books.event_seq
        entry_left = books.entry_left
        if entry_left != 0:
            books.entry_left = entry_left - 1
        elif event.kind == ENTERED:
            begin_entry(books, event)
        if seq <= last:
            continue
        if seq != last + 1:
            fail(books, GAP, event)
            return index, written
        order = OrderRecord(orders + (event.cause_seq - first_seq) * RECORD_BYTES)
        books.now_ns = max(books.now_ns, order.rx_ts_ns)
        if entry_left != 0:
            order = OrderRecord(books + lay.ENTRY)
        books.part = 0
        more = post_event(books, order, event, TransactionRow(rows + written * lay.ROW_BYTES))
        if more < 0:
            return index, written
        written += more
        books.event_seq = seq
        books.cause_seq = event.cause_seq
    return count, written


@kernel_outlined
def begin_entry(books: LedgerState, event: EventRecord) -> None:
    """A command that has waited at the core's speed bump enters: what is needed of it, as the event
    says it; the events that follow are its."""
    not_inlined()
    what = event.leaves_lots
    OrderRecord(books + lay.ENTRY).price_ticks = event.price_ticks
    OrderRecord(books + lay.ENTRY).kind = what >> 32 & 0xFF
    OrderRecord(books + lay.ENTRY).order_type = what >> 40 & 0xFF
    books.entry_left = event.qty_lots


@kernel
def post_event(
    books: LedgerState, order: OrderRecord, event: EventRecord, row: TransactionRow
) -> int:
    """Return how many transactions it became; FAILED."""
    kind = event.kind
    if is_off_book(event.order_id) and order.order_type == SET_DELEVERAGE:
        return 0  # its command is posted, as one transaction of each side
    if kind == FILLED:
        return fill(books, event, row)
    if kind == BROKEN:
        rules = rules_of(books, event.instrument)
        if rules.lot_units != 0:
            return spot.take_back(books, event, row, rules)
        return take_back(books, event, row, rules)
    if books.tracks == 0:
        return 0
    if kind == ACCEPTED:
        return enter(books, order, event, row)
    if (CHANGES >> kind) & 1 != 0:
        return change(books, order, event, row, kind)
    if kind == COMPLETED and order.kind == RISK:
        return setting(books, order, event, row)
    if kind == COMPLETED and order.kind == NEW:
        link(books, event)
    if kind == PHASE_CHANGED and event.price_ticks != NO_PRICE:
        rules = rules_of(books, event.instrument)
        if rules.last == lay.NO_LAST:
            rules.last = event.price_ticks
    return 0


@kernel
def fill(books: LedgerState, event: EventRecord, row: TransactionRow) -> int:
    """One side of a trade: money and lots against clearing, the fees to the venue, and what was
    reserved for it given back."""
    participant, instrument = event.participant, event.instrument
    side, flags = event.side, event.flags
    qty, price = event.qty_lots, event.price_ticks
    rules, owner = rules_of(books, instrument), row_of(books, participant)
    cell = cell_of(books, participant, instrument)
    if rules.lot_units != 0:
        return spot_fill(books, event, row, rules, owner, cell)
    notional, overflow = wide.product(price, rules.multiplier, qty)
    if overflow != 0 or notional == -NO_LIMIT - 1:
        return fail(books, NOTIONAL, event)
    begin(books, event, row, POSTED)
    paid = -notional if side == BUY else notional
    if rules.kind != 0:
        paid, overflow = gain_of_trade(rules, qty if side == BUY else -qty, price)
        # Fees by schedule are of what the lots are worth.
        notional, beyond = wide.product(lot_value(rules, price), qty, 1)
        if overflow | beyond != 0:
            return fail(books, NOTIONAL, event)
    elif rules.leveraged != 0:
        paid, overflow = gain_at(rules, cell, price)
        if overflow != 0:
            return fail(books, NOTIONAL, event)
    cell.mark = price
    reserved = margin = lots = 0
    if books.tracks != 0:
        entry = find_order(books, instrument, event.order_id)
        if entry.meta == 0:
            return fail(books, NO_ORDER, event)
        old_price, old_flags = entry.price, entry.meta >> lay.META_FLAGS
        leaves, was = event.leaves_lots, entry.leaves
        if entry.meta & IS_LEG != 0:
            reserved, margin, lots, _, _ = move_leg(
                books, rules, cell, event, entry, leaves, old_price, old_flags, qty
            )
        else:
            reserved, margin, lots = move_reservation(
                rules, cell, side, was, old_price, old_flags, leaves, old_price, old_flags, qty
            )
        keep(books, event, entry, leaves)
    else:
        held = cell.position
        cell.position = held + (qty if side == BUY else -qty)
    note_last(rules, event)
    lot_fee, overflow = wide.product(rules.fee, qty, 1)
    day = books.now_ns // lay.DAY_NS
    size = max(notional, -notional)
    due = fee_of(books, rules, owner, cell, day, size, flags & (MAKER | AUCTION) != 0)
    available, over = wide.sum_of(paid, -lot_fee, -reserved, -margin)
    income, beyond = wide.sum_of(lot_fee, due, 0, 0)
    if overflow | over | beyond != 0:
        return fail(books, NOTIONAL, event)
    row.available = available
    row.reserved = reserved
    row.margin = margin
    row.fees_due = -due
    row.fee_income = income
    row.clearing = -paid
    moved = qty if side == BUY else -qty
    row.lots_available = moved - lots
    row.lots_reserved = lots
    row.lots_clearing = -moved
    return commit(books, event, row, participant, instrument)


@kernel
def note_last(rules: LedgerInstrument, event: EventRecord) -> None:
    """A trade of the book is the instrument's last: the first of its two fills says so."""
    flags = event.flags
    in_auction = flags & AUCTION != 0 and event.side == BUY
    if (flags & (MAKER | AUCTION) == MAKER or in_auction) and not is_off_book(event.order_id):
        rules.last = event.price_ticks


@kernel_outlined
def spot_fill(
    books: LedgerState,
    event: EventRecord,
    row: TransactionRow,
    rules: LedgerInstrument,
    owner: LedgerParticipant,
    cell: LedgerCell,
) -> int:
    """One side of a trade that wallets pay: the open order has fewer lots, and both assets move."""
    not_inlined()
    side, leaves = event.side, event.leaves_lots
    entry = find_order(books, event.instrument, event.order_id)
    if entry.meta == 0:
        return fail(books, NO_ORDER, event)
    flags, was, price = entry.meta >> lay.META_FLAGS, entry.leaves, entry.price
    if entry.meta & IS_LEG != 0:
        qty = event.qty_lots
        _, _, _, quote, base = move_leg(books, rules, cell, event, entry, leaves, price, flags, qty)
    else:
        move_reservation(rules, cell, side, was, price, flags, leaves, price, flags, 0)
        units = spot.needed(rules, side, flags, price, leaves)
        units -= spot.needed(rules, side, flags, price, was)
        quote, base = (units, 0) if side == BUY else (0, units)
    keep(books, event, entry, leaves)
    note_last(rules, event)
    return spot.settle(books, event, row, rules, owner, cell, flags, -quote, -base)


@kernel
def keep(books: LedgerState, event: EventRecord, entry: OpenOrder, leaves: int) -> None:
    """The order of an event has these leaves; without any it is forgotten."""
    if leaves != 0:
        entry.leaves = leaves
        return
    is_leg = entry.meta & IS_LEG != 0
    erase_order(books, entry)
    if is_leg:
        unlink(books, event.instrument, event.order_id)


@kernel
def gain_at(rules: LedgerInstrument, cell: LedgerCell, price: int) -> tuple[int, int]:
    """Return the gain of a position since its mark, at a price; and 1 if that leaves int64."""
    move, overflow = wide.sum_of(price, -cell.mark, 0, 0)
    gain, beyond = wide.product(cell.position, rules.multiplier, move)
    return (0, 0) if cell.position == 0 else (gain, overflow | beyond)


@kernel_outlined
def enter(books: LedgerState, order: OrderRecord, event: EventRecord, row: TransactionRow) -> int:
    """An order is open: what it needs is reserved, at the price of its event; of what moves by
    itself (pegs, sliding orders) at the one that was asked for."""
    not_inlined()
    participant, instrument = event.participant, event.instrument
    # A side of an off-book trade has a limit, and its command's type says something else.
    side, order_type = event.side, LIMIT if order.kind == RISK else order.order_type
    rules, cell = rules_of(books, instrument), cell_of(books, participant, instrument)
    flags, price = lay.PRICED_FLAG, event.price_ticks
    if (BUDGET_TYPES >> order_type) & 1 != 0:
        price = 0  # what it pays is checked before it enters; it never rests
    elif (UNPRICED_TYPES >> order_type) & 1 != 0:
        flags, price = 0, 0
    elif (PEG_TYPES >> order_type) & 1 != 0:
        flags, price = lay.PRICED_FLAG | lay.PEG_FLAG, order.price_ticks
    leaves = event.leaves_lots
    entry = find_order(books, instrument, event.order_id)
    if entry.meta != 0:
        return fail(books, NO_ORDER, event)
    leg = 0
    if event.flags & WAITING != 0 and is_linked(books, instrument, event.order_id):
        leg = IS_LEG
    if rules.lot_units != 0:
        flags |= spot.new_flags(books, rules, row_of(books, participant), cell, side)
    if leg != 0:
        reserved, margin, lots, quote, base = move_leg(
            books, rules, cell, event, entry, leaves, price, flags, 0
        )
        units = quote + base
    else:
        reserved, margin, lots = move_reservation(
            rules, cell, side, 0, price, flags, leaves, price, flags, 0
        )
        units = spot.needed(rules, side, flags, price, leaves)
    meta = instrument | participant << lay.META_PARTICIPANT | side << lay.META_SIDE | leg
    entry.order_id = event.order_id
    entry.meta = meta | flags << lay.META_FLAGS
    entry.leaves = leaves
    entry.price = price
    books.orders_open += 1
    if rules.lot_units != 0:
        return spot.reserve(books, event, row, PENDING, rules, units, order_type)
    return reserve(books, event, row, PENDING, reserved, margin, lots)


@kernel_outlined
def change(
    books: LedgerState, order: OrderRecord, event: EventRecord, row: TransactionRow, kind: int
) -> int:
    """An open order has other leaves or another price, or is gone."""
    not_inlined()
    participant, instrument = event.participant, event.instrument
    rules, cell = rules_of(books, instrument), cell_of(books, participant, instrument)
    entry = find_order(books, instrument, event.order_id)
    meta, old_price = entry.meta, entry.price
    if meta == 0:
        return fail(books, NO_ORDER, event)
    old_flags = meta >> lay.META_FLAGS
    flags, price, leaves = old_flags, old_price, event.leaves_lots
    if kind == CONVERTED:
        flags, price = flags & ~lay.PEG_FLAG | lay.PRICED_FLAG, event.price_ticks
    elif kind == REPLACED and order.kind in (REPLACE, NEW):
        if flags & lay.PEG_FLAG != 0:
            price = order.price_ticks
        elif flags & lay.PRICED_FLAG != 0:
            price = event.price_ticks
    was, side = entry.leaves, event.side
    if meta & IS_LEG != 0:
        reserved, margin, lots, quote, base = move_leg(
            books, rules, cell, event, entry, leaves, price, flags, 0
        )
        units = quote + base
    else:
        reserved, margin, lots = move_reservation(
            rules, cell, side, was, old_price, old_flags, leaves, price, flags, 0
        )
        units = spot.needed(rules, side, flags, price, leaves)
        units -= spot.needed(rules, side, old_flags, old_price, was)
    becomes = VOIDED if leaves == 0 else CHANGED
    if leaves != 0:
        meta &= (1 << lay.META_FLAGS) - 1
        entry.meta = meta | flags << lay.META_FLAGS
        entry.price = price
    keep(books, event, entry, leaves)
    if rules.lot_units != 0:
        return spot.reserve(books, event, row, becomes, rules, units, 0)
    return reserve(books, event, row, becomes, reserved, margin, lots)


@kernel
def move_reservation(
    rules: LedgerInstrument,
    cell: LedgerCell,
    side: int,
    was: int,
    old_price: int,
    old_flags: int,
    leaves: int,
    price: int,
    flags: int,
    traded: int,
) -> tuple[int, int, int]:
    """Bring the cell to these leaves and price of an order; ``traded`` lots of it were.  Returns
    how much more money is reserved, is margin, and how many more lots are reserved.

    Plain sums and products: the core lets nothing in whose totals would pass 2**62.
    """
    cost = 0
    if rules.leveraged == 0:
        cost = leaves * lot_cost(rules, side, flags, price)
        cost -= was * lot_cost(rules, side, old_flags, old_price)
        cost *= rules.multiplier
    more, position = leaves - was, cell.position
    buys, sells = cell.buy_lots, cell.sell_lots
    before, lots = margined(rules, position, buys, sells), 0
    if side == BUY:
        buys, position = buys + more, position + traded
        cell.buy_lots = buys
    else:
        sells, position, lots = sells + more, position - traded, more
        cell.sell_lots = sells
    cell.position = position
    cell.cost += cost
    margin = margined(rules, position, buys, sells) - before
    return cost + more * rules.fee, margin * rules.margin, lots


@kernel
def reserve(
    books: LedgerState,
    event: EventRecord,
    row: TransactionRow,
    kind: int,
    reserved: int,
    margin: int,
    lots: int,
) -> int:
    """A transaction between the participant's own accounts; none if nothing moves."""
    if reserved | margin | lots == 0:
        return 0
    begin(books, event, row, kind)
    row.available = -reserved - margin
    row.reserved = reserved
    row.margin = margin
    row.lots_available = -lots
    row.lots_reserved = lots
    return commit(books, event, row, event.participant, event.instrument)


@kernel_outlined
def setting(books: LedgerState, order: OrderRecord, event: EventRecord, row: TransactionRow) -> int:
    """A RISK command that the core has applied."""
    not_inlined()
    what, participant = order.order_type, order.qty_lots
    value, instrument = order.aux, find_symbol(books, order.symbol)
    if what == SET_FEE_VOLUME:
        row_of(books, participant).spot_volume = value
        return 0
    if what == SET_MOVEMENT:
        return spot.move(books, order, event, row)
    if what == SET_DEPOSIT:
        return deposit(books, order, event, row, participant, value)
    if what == SET_POSITION and instrument >= 0:
        return opening(books, event, row, participant, instrument, value, order.price_ticks)
    if what in (SET_DIVIDEND, SET_SPLIT) and instrument >= 0:
        price = order.price_ticks
        return adjust(books, event, row, instrument, what == SET_SPLIT, value, price)
    if what == SET_INSTRUMENT_STATE:
        is_settled = participant & WITH_PRICE != 0 and instrument >= 0
        price = order.price_ticks
        return in_force(books, event, row, instrument, SET_EXPIRE, price) if is_settled else 0
    if what in (SET_RULE, SET_RULES):
        follow_rules(books, instrument, what == SET_RULE, participant, value, order.price_ticks)
        return 0
    of_contracts = SET_LIST, SET_ADJUST, SET_LIQUIDATION_FEE
    if SET_CONTRACT_MARK <= what <= SET_DELEVERAGE or what in of_contracts:
        written = contract_setting(books, order, event, row, instrument)
        with_mark = (
            what <= SET_EXPIRE and participant & WITH_MARK != 0 and order.time_in_force != STAGED
        )
        return also_marked(books, event, row, written) if with_mark else written
    if what == SET_APPLY:
        written = contract_batch(books, event, row, value != 0)
        with_mark = value != 0 and participant == WITH_MARK
        return also_marked(books, event, row, written) if with_mark else written
    if what == SET_PLEDGE:
        return pledge(books, event, row, participant, order.time_in_force, value)
    if what == SET_SEIZE:
        paid, units = value, order.price_ticks
        return seize(books, event, row, participant, order.time_in_force, paid, units)
    if what == SET_MARK and order.symbol == 0:
        return mark_every(books, event, row)
    if what == SET_MARK and instrument >= 0:
        return everybody(books, event, row, instrument, -1, 0)
    if what == SET_FEE and instrument >= 0:
        return everybody(books, event, row, instrument, lay.FEE, value)
    if what == SET_MARGIN and instrument >= 0:
        return everybody(books, event, row, instrument, lay.MARGIN, value)
    return 0


@kernel
def follow_rules(
    books: LedgerState, instrument: int, is_staged: bool, number: int, value: int, second: int
) -> None:
    """INSTRUMENT_RULE and INSTRUMENT_APPLY: what bounds an order without a price may be other, as
    the core's risk has it; a row without a symbol becomes a pair."""
    if is_staged:
        rules = rules_of(books, instrument)
        if number == LOWEST:
            rules.staged_low = value
        elif number == HIGHEST:
            rules.staged_high = value
        elif number == BAND:
            rules.staged_band = value
        elif number == SYMBOL:
            rules.staged_symbol = value
        elif number == PAIR:
            rules.staged_pair, rules.staged_lot = value, second
        elif number == TICK_UNITS:
            rules.staged_tick = value
        return
    for index in range(books.instruments):
        rules = rules_of(books, index)
        if value != 0 and index == instrument:
            low, high, band = rules.staged_low, rules.staged_high, rules.staged_band
            rules.low, rules.high, rules.band = low, high, band
            if is_limited(low, high, band):
                rules.worst_buy, rules.worst_sell = high + band, low - band
            if rules.staged_symbol != 0:
                base, quote = rules.staged_pair & 0xFFFF, rules.staged_pair >> 16
                rules.base, rules.quote = lay.MONEY_SLOTS + base, lay.MONEY_SLOTS + quote
                rules.lot_units, rules.multiplier = rules.staged_lot, rules.staged_tick
                rules.symbol = rules.staged_symbol
        rules.staged_low, rules.staged_high = rules.low, rules.high
        rules.staged_band, rules.staged_symbol = rules.band, 0


@kernel
def also_marked(books: LedgerState, event: EventRecord, rows: int, written: int) -> int:
    """Every instrument but contracts is marked, too: how many transactions there are then."""
    if written < 0:
        return FAILED
    more = mark_every(books, event, rows + written * lay.ROW_BYTES)
    return FAILED if more < 0 else written + more


@kernel
def mark_every(books: LedgerState, event: EventRecord, row: int) -> int:
    """Every instrument but contracts is marked: how many transactions it became."""
    written = 0
    for instrument in range(books.instruments):
        if rules_of(books, instrument).kind == 0:
            at = row + written * lay.ROW_BYTES
            more = everybody(books, event, at, instrument, -1, 0)
            if more < 0:
                return FAILED
            written += more
    return written


@kernel
def find_symbol(books: LedgerState, symbol: int) -> int:
    """Index of the instrument, or -1.  RISK commands are few: looked for one by one."""
    for index in range(books.instruments):
        if rules_of(books, index).symbol == symbol:
            return index
    return -1


@kernel
def deposit(
    books: LedgerState,
    order: OrderRecord,
    event: EventRecord,
    row: TransactionRow,
    participant: int,
    value: int,
) -> int:
    """Money comes in or goes out; its second value says where from."""
    begin(books, event, row, DEPOSIT)
    purpose, name, at = order.price_ticks, order.symbol, R_SUSPENSE
    if purpose > 255 or (purpose < 0 and books.wallets != 0):
        name, purpose = purpose, order.time_in_force
    if books.wallets != 0 and name != 0:
        return to_wallet(books, order, event, row, name)
    asset = money_named(books, name)
    if asset < 0 and name != 0:
        # The core has it in the one balance that it keeps: it is posted against suspense.
        asset = 0
    elif purpose == FROM_OUTSIDE:
        at = R_OUTSIDE
    elif purpose == FEES_COLLECTED:
        at = R_DUE
    elif purpose == FROM_CLEARING:
        at = R_CLEARING
    row.available = value
    store_i64(row + at, -value)
    return commit_money(books, event, row, participant, max(asset, 0))


@kernel
def to_wallet(
    books: LedgerState, order: OrderRecord, event: EventRecord, row: TransactionRow, name: int
) -> int:
    """Into a wallet or out of it, from outside or the venue's fees: what else the core refuses."""
    asset = spot.wallet_named(books, name)
    if asset < 0:
        return fail(books, NO_ASSET, event)
    row.available = order.aux
    from_fees = order.time_in_force == FEES_COLLECTED
    store_i64(row + (R_INCOME if from_fees else R_OUTSIDE), -order.aux)
    return commit_money(books, event, row, order.qty_lots, asset)


@kernel
def money_named(books: int, symbol: int) -> int:
    """Return the money that a symbol names; -1: unknown. ``books``: address of the
    ledger's state."""
    for slot in range(lay.MONEY_SLOTS):
        if symbol != 0 and Words(books + lay.MONEY_NAMES)[slot] == symbol:
            return slot
    return -1


@kernel
def opening(
    books: LedgerState,
    event: EventRecord,
    row: TransactionRow,
    participant: int,
    instrument: int,
    value: int,
    price: int,
) -> int:
    """Lots that are held at the beginning come from outside; what is short of needs margin."""
    rules, cell = rules_of(books, instrument), cell_of(books, participant, instrument)
    margin = margined(rules, value, 0, 0) * rules.margin
    begin(books, event, row, OPENING)
    cell.position = value
    cell.mark = price
    row.price_ticks = price
    row.qty_lots = value
    row.available = -margin
    row.margin = margin
    row.lots_available = value
    row.lots_outside = -value
    return commit(books, event, row, participant, instrument)


@kernel_outlined
def everybody(
    books: LedgerState, event: EventRecord, row: int, instrument: int, at: int, value: int
) -> int:
    """A lot fee or margin (``at`` of the instrument's row) is another, or (``at`` -1) all leveraged
    positions are marked: a transaction for each participant with a movement."""
    not_inlined()
    rules, written = rules_of(books, instrument), 0
    was = load_i64(rules + at) if at >= 0 else 0
    price = rules.last
    if at < 0 and price == lay.NO_LAST:
        return 0
    for participant in range(books.participants):
        cell, place = (
            cell_of(books, participant, instrument),
            TransactionRow(row + written * lay.ROW_BYTES),
        )
        begin(books, event, place, REPRICED if at >= 0 else MARKED)
        moved = 0
        if at < 0:
            gain, overflow = gain_at(rules, cell, price)
            if overflow != 0:
                return fail(books, NOTIONAL, event)
            if cell.position != 0:
                cell.mark = price
            if rules.leveraged != 0:
                moved = gain
                place.available = gain
                place.clearing = -gain
        else:
            buys, sells = cell.buy_lots, cell.sell_lots
            lots = buys + sells
            if at == lay.MARGIN:
                lots = margined(rules, cell.position, buys, sells)
            moved, overflow = wide.product(lots, value - was, 1)
            if overflow != 0:
                return fail(books, NOTIONAL, event)
            place.available = -moved
            store_i64(place + (R_RESERVED if at == lay.FEE else R_MARGIN), moved)
        if moved != 0:
            if commit(books, event, place, participant, instrument) < 0:
                return FAILED
            written += 1
    if at >= 0:
        store_i64(rules + at, value)
    return written
