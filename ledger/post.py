# (intrinsics have no types that mypy could see)
"""Posting: every event that moves value becomes a balanced transaction, in the books and as a row.

One side of a trade is posted against clearing, so an event needs no other: behind both sides
clearing is where it was.  What open orders need is worked out here once more, from the commands and
events alone, by the rules of docs/risk.md.
"""

import openoutcry.ledger.layout as lay
from openoutcry.ledger import wide
from openoutcry.ledger.commit import (
    FAILED,
    begin,
    cell_of,
    commit,
    commit_money,
    fail,
    margined,
    row_of,
    rules_of,
)
from openoutcry.ledger.corporate import adjust
from openoutcry.ledger.fees import fee_of
from openoutcry.wire.enums import CommandKind, EventFlag, EventKind, OrderType, Side
from openoutcry.wire.kernel import kernel, kernel_outlined
from openoutcry.wire.memory import (
    load_i64,
    load_u8,
    load_u16,
    not_inlined,
    store_i64,
    store_u8,
)
from openoutcry.wire.open_orders import ENTRY_BYTES, META, ORDER_ID, erase_entry, find_entry
from openoutcry.wire.order_types import BUDGETS, PEGS, UNPRICED, type_bits
from openoutcry.wire.records import EVENT, NO_PRICE, ORDER, RECORD_BYTES

assert (lay.ORDER_ID, lay.ORDER_META, lay.ORDER_WORDS * lay.WORD) == (ORDER_ID, META, ENTRY_BYTES)


@kernel
def find_order(books: int, instrument: int, order_id: int) -> int:
    """Address of the open order's entry, or of the free one where it would stand."""
    table, mask = load_i64(books + lay.ORDERS_AT), load_i64(books + lay.ORDER_MASK)
    return find_entry(table, mask, instrument, order_id)


@kernel
def erase_order(books: int, entry: int) -> None:
    erase_entry(load_i64(books + lay.ORDERS_AT), load_i64(books + lay.ORDER_MASK), entry)
    store_i64(books + lay.ORDERS_OPEN, load_i64(books + lay.ORDERS_OPEN) - 1)


O, E, R = ORDER.offsets, EVENT.offsets, lay.AT  # noqa: E741
C_PRICE, C_AUX, C_QTY, C_RX = O["price_ticks"], O["aux"], O["qty_lots"], O["rx_ts_ns"]
C_KIND, C_TYPE, C_SYMBOL = O["kind"], O["order_type"], O["symbol"]
C_TIME_IN_FORCE = O["time_in_force"]
E_ORDER, E_PRICE, E_QTY = E["order_id"], E["price_ticks"], E["qty_lots"]
E_LEAVES, E_CAUSE, E_SEQ = E["leaves_lots"], E["cause_seq"], E["seq"]
E_WHO, E_INSTRUMENT, E_KIND = E["participant"], E["instrument"], E["kind"]
E_SIDE, E_FLAGS = E["side"], E["flags"]
R_AVAILABLE, R_RESERVED, R_MARGIN, R_DUE = (
    R["available"], R["reserved"], R["margin"], R["fees_due"],
)  # fmt: skip
R_INCOME, R_CLEARING, R_OUTSIDE = R["fee_income"], R["clearing"], R["outside"]
R_SUSPENSE = R["suspense"]
R_LOTS_RESERVED, R_LOTS_CLEARING = R["lots_reserved"], R["lots_clearing"]
R_LOTS, R_LOTS_OUTSIDE = R["lots_available"], R["lots_outside"]
R_PRICE, R_QTY = R["price_ticks"], R["qty_lots"]

ACCEPTED, FILLED = int(EventKind.ACCEPTED), int(EventKind.FILLED)
REPLACED, CONVERTED = int(EventKind.REPLACED), int(EventKind.CONVERTED)
CANCELLED, REDUCED, EXPIRED = (
    int(EventKind.CANCELLED), int(EventKind.REDUCED), int(EventKind.EXPIRED),
)  # fmt: skip
COMPLETED, PHASE_CHANGED = int(EventKind.COMPLETED), int(EventKind.PHASE_CHANGED)
ENTERED = int(EventKind.ENTERED)
CHANGES = sum(1 << kind for kind in (CANCELLED, REDUCED, REPLACED, EXPIRED, CONVERTED))
MAKER, AUCTION = int(EventFlag.MAKER), int(EventFlag.AUCTION)
BUY, RISK, REPLACE = int(Side.BUY), int(CommandKind.RISK), int(CommandKind.REPLACE)
UNPRICED_TYPES, BUDGET_TYPES = type_bits(UNPRICED), type_bits(BUDGETS)
PEG_TYPES = type_bits((*PEGS, OrderType.POST_ONLY_SLIDE))
SET_DEPOSIT, SET_POSITION, SET_FEE, SET_MARGIN, SET_MARK = 1, 26, 30, 31, 38
SET_DIVIDEND, SET_SPLIT = 55, 56
"""``Setting`` of risk/bits.py."""
FROM_OUTSIDE, FEES_COLLECTED, FROM_CLEARING = 0, 1, 2
PENDING, POSTED, VOIDED = int(lay.Kind.PENDING), int(lay.Kind.POSTED), int(lay.Kind.VOIDED)
CHANGED, DEPOSIT, OPENING = int(lay.Kind.CHANGED), int(lay.Kind.DEPOSIT), int(lay.Kind.POSITION)
REPRICED, MARKED = int(lay.Kind.REPRICED), int(lay.Kind.MARKED)
NOTIONAL, NO_ORDER = int(lay.Error.NOTIONAL), int(lay.Error.ORDER)
GAP = int(lay.Error.GAP)
NO_LIMIT = 2**63 - 1


@kernel
def post(
    books: int, orders: int, first_seq: int, events: int, count: int, rows: int
) -> tuple[int, int]:
    """Post ``count`` events (EVENT) that the commands at ``orders`` (ORDER, ``first_seq`` on)
    caused; transactions (TRANSACTION_DTYPE) go to ``rows``, which has room for one an event and
    one a participant for each RISK command.  Events that were posted before are passed over.

    Returns how many events were taken, and transactions; fewer events than asked for: ERROR and
    ERROR_SEQ say why, and the books are not to be used any more.
    """
    written = 0
    for index in range(count):
        event = events + index * RECORD_BYTES
        seq, last = load_i64(event + E_SEQ), load_i64(books + lay.EVENT_SEQ)
        entry_left = load_i64(books + lay.ENTRY_LEFT)
        if entry_left != 0:
            store_i64(books + lay.ENTRY_LEFT, entry_left - 1)
        elif load_u8(event + E_KIND) == ENTERED:
            begin_entry(books, event)
        if seq <= last:
            continue
        if seq != last + 1:
            fail(books, GAP, event)
            return index, written
        order = orders + (load_i64(event + E_CAUSE) - first_seq) * RECORD_BYTES
        store_i64(books + lay.NOW_NS, max(load_i64(books + lay.NOW_NS), load_i64(order + C_RX)))
        if entry_left != 0:
            order = books + lay.ENTRY
        store_i64(books + lay.PART, 0)
        more = post_event(books, order, event, rows + written * lay.ROW_BYTES)
        if more < 0:
            return index, written
        written += more
        store_i64(books + lay.EVENT_SEQ, seq)
        store_i64(books + lay.CAUSE_SEQ, load_i64(event + E_CAUSE))
    return count, written


@kernel_outlined
def begin_entry(books: int, event: int) -> None:
    """A command that has waited at the core's speed bump enters: what is needed of it, as the event
    says it; the events that follow are its."""
    not_inlined()
    what = load_i64(event + E_LEAVES)
    store_i64(books + lay.ENTRY + C_PRICE, load_i64(event + E_PRICE))
    store_u8(books + lay.ENTRY + C_KIND, what >> 32 & 0xFF)
    store_u8(books + lay.ENTRY + C_TYPE, what >> 40 & 0xFF)
    store_i64(books + lay.ENTRY_LEFT, load_i64(event + E_QTY))


@kernel
def post_event(books: int, order: int, event: int, row: int) -> int:
    """How many transactions it became; FAILED."""
    kind = load_u8(event + E_KIND)
    if kind == FILLED:
        return fill(books, event, row)
    if load_i64(books + lay.TRACKS) == 0:
        return 0
    if kind == ACCEPTED:
        return enter(books, order, event, row)
    if (CHANGES >> kind) & 1 != 0:
        return change(books, order, event, row, kind)
    if kind == COMPLETED and load_u8(order + C_KIND) == RISK:
        return setting(books, order, event, row)
    if kind == PHASE_CHANGED and load_i64(event + E_PRICE) != NO_PRICE:
        rules = rules_of(books, load_u16(event + E_INSTRUMENT))
        if load_i64(rules + lay.LAST) == lay.NO_LAST:
            store_i64(rules + lay.LAST, load_i64(event + E_PRICE))
    return 0


@kernel
def fill(books: int, event: int, row: int) -> int:
    """One side of a trade: money and lots against clearing, the fees to the venue, and what was
    reserved for it given back."""
    participant, instrument = load_u16(event + E_WHO), load_u16(event + E_INSTRUMENT)
    side, flags = load_u8(event + E_SIDE), load_u8(event + E_FLAGS)
    qty, price = load_i64(event + E_QTY), load_i64(event + E_PRICE)
    rules, owner = rules_of(books, instrument), row_of(books, participant)
    cell = cell_of(books, participant, instrument)
    notional, overflow = wide.product(price, load_i64(rules + lay.MULTIPLIER), qty)
    if overflow != 0 or notional == -NO_LIMIT - 1:
        return fail(books, NOTIONAL, event)
    begin(books, event, row, POSTED)
    paid = -notional if side == BUY else notional
    if load_i64(rules + lay.LEVERAGED) != 0:
        paid, overflow = gain_at(rules, cell, price)
        if overflow != 0:
            return fail(books, NOTIONAL, event)
    store_i64(cell + lay.MARK, price)
    reserved = margin = lots = 0
    if load_i64(books + lay.TRACKS) != 0:
        entry = find_order(books, instrument, load_i64(event + E_ORDER))
        if load_i64(entry + lay.ORDER_META) == 0:
            return fail(books, NO_ORDER, event)
        meta, old_price = load_i64(entry + lay.ORDER_META), load_i64(entry + lay.ORDER_PRICE)
        leaves, was = load_i64(event + E_LEAVES), load_i64(entry + lay.ORDER_LEAVES)
        reserved, margin, lots = bring(
            rules, cell, side, was, old_price, meta >> lay.META_FLAGS, leaves, old_price,
            meta >> lay.META_FLAGS, qty,
        )  # fmt: skip
        if leaves == 0:
            erase_order(books, entry)
        else:
            store_i64(entry + lay.ORDER_LEAVES, leaves)
    else:
        held = load_i64(cell + lay.POSITION)
        store_i64(cell + lay.POSITION, held + (qty if side == BUY else -qty))
    if flags & (MAKER | AUCTION) == MAKER or (flags & AUCTION != 0 and side == BUY):
        store_i64(rules + lay.LAST, price)
    lot_fee, overflow = wide.product(load_i64(rules + lay.FEE), qty, 1)
    day = load_i64(books + lay.NOW_NS) // lay.DAY_NS
    size = max(notional, -notional)
    due = fee_of(books, rules, owner, cell, day, size, flags & (MAKER | AUCTION) != 0)
    available, over = wide.sum_of(paid, -lot_fee, -reserved, -margin)
    income, beyond = wide.sum_of(lot_fee, due, 0, 0)
    if overflow | over | beyond != 0:
        return fail(books, NOTIONAL, event)
    store_i64(row + R_AVAILABLE, available)
    store_i64(row + R_RESERVED, reserved)
    store_i64(row + R_MARGIN, margin)
    store_i64(row + R_DUE, -due)
    store_i64(row + R_INCOME, income)
    store_i64(row + R_CLEARING, -paid)
    moved = qty if side == BUY else -qty
    store_i64(row + R_LOTS, moved - lots)
    store_i64(row + R_LOTS_RESERVED, lots)
    store_i64(row + R_LOTS_CLEARING, -moved)
    return commit(books, event, row, participant, instrument)


@kernel
def gain_at(rules: int, cell: int, price: int) -> tuple[int, int]:
    """What a position has gained since its mark, at a price; and 1 if that leaves int64."""
    move, overflow = wide.sum_of(price, -load_i64(cell + lay.MARK), 0, 0)
    gain, beyond = wide.product(
        load_i64(cell + lay.POSITION), load_i64(rules + lay.MULTIPLIER), move
    )
    return (0, 0) if load_i64(cell + lay.POSITION) == 0 else (gain, overflow | beyond)


@kernel_outlined
def enter(books: int, order: int, event: int, row: int) -> int:
    """An order is open: what it needs is reserved, at the price of its event; of what moves by
    itself (pegs, sliding orders) at the one that was asked for."""
    not_inlined()
    participant, instrument = load_u16(event + E_WHO), load_u16(event + E_INSTRUMENT)
    side, order_type = load_u8(event + E_SIDE), load_u8(order + C_TYPE)
    rules, cell = rules_of(books, instrument), cell_of(books, participant, instrument)
    flags, price = lay.PRICED_FLAG, load_i64(event + E_PRICE)
    if (BUDGET_TYPES >> order_type) & 1 != 0:
        price = 0  # what it pays is looked at before it enters; it never rests
    elif (UNPRICED_TYPES >> order_type) & 1 != 0:
        flags, price = 0, 0
    elif (PEG_TYPES >> order_type) & 1 != 0:
        flags, price = lay.PRICED_FLAG | lay.PEG_FLAG, load_i64(order + C_PRICE)
    leaves = load_i64(event + E_LEAVES)
    entry = find_order(books, instrument, load_i64(event + E_ORDER))
    if load_i64(entry + lay.ORDER_META) != 0:
        return fail(books, NO_ORDER, event)
    reserved, margin, lots = bring(rules, cell, side, 0, price, flags, leaves, price, flags, 0)
    meta = instrument | participant << lay.META_PARTICIPANT | side << lay.META_SIDE
    store_i64(entry + lay.ORDER_ID, load_i64(event + E_ORDER))
    store_i64(entry + lay.ORDER_META, meta | flags << lay.META_FLAGS)
    store_i64(entry + lay.ORDER_LEAVES, leaves)
    store_i64(entry + lay.ORDER_PRICE, price)
    store_i64(books + lay.ORDERS_OPEN, load_i64(books + lay.ORDERS_OPEN) + 1)
    return reserve(books, event, row, PENDING, reserved, margin, lots)


@kernel_outlined
def change(books: int, order: int, event: int, row: int, kind: int) -> int:
    """An open order has other leaves or another price, or is gone."""
    not_inlined()
    participant, instrument = load_u16(event + E_WHO), load_u16(event + E_INSTRUMENT)
    rules, cell = rules_of(books, instrument), cell_of(books, participant, instrument)
    entry = find_order(books, instrument, load_i64(event + E_ORDER))
    meta, old_price = load_i64(entry + lay.ORDER_META), load_i64(entry + lay.ORDER_PRICE)
    if meta == 0:
        return fail(books, NO_ORDER, event)
    old_flags = meta >> lay.META_FLAGS
    flags, price, leaves = old_flags, old_price, load_i64(event + E_LEAVES)
    if kind == CONVERTED:
        flags, price = lay.PRICED_FLAG, load_i64(event + E_PRICE)
    elif kind == REPLACED and load_u8(order + C_KIND) == REPLACE:
        if flags & lay.PEG_FLAG != 0:
            price = load_i64(order + C_PRICE)
        elif flags != 0:
            price = load_i64(event + E_PRICE)
    was, side = load_i64(entry + lay.ORDER_LEAVES), load_u8(event + E_SIDE)
    reserved, margin, lots = bring(
        rules, cell, side, was, old_price, old_flags, leaves, price, flags, 0
    )
    if leaves == 0:
        erase_order(books, entry)
        return reserve(books, event, row, VOIDED, reserved, margin, lots)
    meta &= (1 << lay.META_FLAGS) - 1
    store_i64(entry + lay.ORDER_META, meta | flags << lay.META_FLAGS)
    store_i64(entry + lay.ORDER_LEAVES, leaves)
    store_i64(entry + lay.ORDER_PRICE, price)
    return reserve(books, event, row, CHANGED, reserved, margin, lots)


@kernel
def lot_cost(rules: int, side: int, flags: int, price: int) -> int:
    """What a lot of an open order could pay: a buy its price (of none the instrument's highest), a
    sale what it takes if that is below zero."""
    if flags & lay.PRICED_FLAG == 0:
        price = load_i64(rules + (lay.WORST_BUY if side == BUY else lay.WORST_SELL))
    return max(price if side == BUY else -price, 0)


@kernel
def bring(
    rules: int, cell: int, side: int, was: int, old_price: int, old_flags: int, leaves: int,
    price: int, flags: int, traded: int,
) -> tuple[int, int, int]:  # fmt: skip
    """Bring the cell to these leaves and price of an order; ``traded`` lots of it were.  Returns
    how much more money is reserved, is margin, and how many more lots are reserved.

    Plain sums and products: the core lets nothing in whose totals would pass 2**62.
    """
    cost = 0
    if load_i64(rules + lay.LEVERAGED) == 0:
        cost = leaves * lot_cost(rules, side, flags, price)
        cost -= was * lot_cost(rules, side, old_flags, old_price)
        cost *= load_i64(rules + lay.MULTIPLIER)
    more, position = leaves - was, load_i64(cell + lay.POSITION)
    buys, sells = load_i64(cell + lay.BUY_LOTS), load_i64(cell + lay.SELL_LOTS)
    before, lots = margined(rules, position, buys, sells), 0
    if side == BUY:
        buys, position = buys + more, position + traded
        store_i64(cell + lay.BUY_LOTS, buys)
    else:
        sells, position, lots = sells + more, position - traded, more
        store_i64(cell + lay.SELL_LOTS, sells)
    store_i64(cell + lay.POSITION, position)
    store_i64(cell + lay.COST, load_i64(cell + lay.COST) + cost)
    margin = margined(rules, position, buys, sells) - before
    return cost + more * load_i64(rules + lay.FEE), margin * load_i64(rules + lay.MARGIN), lots


@kernel
def reserve(
    books: int, event: int, row: int, kind: int, reserved: int, margin: int, lots: int
) -> int:
    """A transaction between the participant's own accounts; none if nothing moves."""
    if reserved | margin | lots == 0:
        return 0
    begin(books, event, row, kind)
    store_i64(row + R_AVAILABLE, -reserved - margin)
    store_i64(row + R_RESERVED, reserved)
    store_i64(row + R_MARGIN, margin)
    store_i64(row + R_LOTS, -lots)
    store_i64(row + R_LOTS_RESERVED, lots)
    return commit(books, event, row, load_u16(event + E_WHO), load_u16(event + E_INSTRUMENT))


@kernel_outlined
def setting(books: int, order: int, event: int, row: int) -> int:
    """A RISK command that the core has applied."""
    not_inlined()
    what, who = load_u8(order + C_TYPE), load_i64(order + C_QTY)
    value, instrument = load_i64(order + C_AUX), find_symbol(books, load_i64(order + C_SYMBOL))
    if what == SET_DEPOSIT:
        return deposit(books, order, event, row, who, value)
    if what == SET_POSITION and instrument >= 0:
        return opening(books, event, row, who, instrument, value, load_i64(order + C_PRICE))
    if what in (SET_DIVIDEND, SET_SPLIT) and instrument >= 0:
        price = load_i64(order + C_PRICE)
        return adjust(books, event, row, instrument, what == SET_SPLIT, value, price)
    if what == SET_MARK and instrument >= 0:
        return everybody(books, event, row, instrument, -1, 0)
    if what == SET_FEE and instrument >= 0:
        return everybody(books, event, row, instrument, lay.FEE, value)
    if what == SET_MARGIN and instrument >= 0:
        return everybody(books, event, row, instrument, lay.MARGIN, value)
    return 0


@kernel
def find_symbol(books: int, symbol: int) -> int:
    """Index of the instrument, or -1.  RISK commands are few: looked for one by one."""
    for index in range(load_i64(books + lay.INSTRUMENTS)):
        if load_i64(rules_of(books, index) + lay.SYMBOL) == symbol:
            return index
    return -1


@kernel
def deposit(books: int, order: int, event: int, row: int, who: int, value: int) -> int:
    """Money comes in or goes out; its second value says where from."""
    begin(books, event, row, DEPOSIT)
    purpose, name, at = load_i64(order + C_PRICE), load_i64(order + C_SYMBOL), R_SUSPENSE
    if purpose > 255:
        name, purpose = purpose, load_u8(order + C_TIME_IN_FORCE)
    asset = money_named(books, name)
    if asset < 0 and name != 0:
        # The core has it in the one balance that it keeps: it stands against suspense.
        asset = 0
    elif purpose == FROM_OUTSIDE:
        at = R_OUTSIDE
    elif purpose == FEES_COLLECTED:
        at = R_DUE
    elif purpose == FROM_CLEARING:
        at = R_CLEARING
    store_i64(row + R_AVAILABLE, value)
    store_i64(row + at, -value)
    return commit_money(books, event, row, who, max(asset, 0))


@kernel
def money_named(books: int, symbol: int) -> int:
    """Which money a symbol names; -1: none that is known."""
    for slot in range(lay.MONEY_SLOTS):
        if symbol != 0 and load_i64(books + lay.MONEY_NAMES + 8 * slot) == symbol:
            return slot
    return -1


@kernel
def opening(
    books: int, event: int, row: int, who: int, instrument: int, value: int, price: int
) -> int:
    """Lots that are held at the beginning come from outside; what is short of needs margin."""
    rules, cell = rules_of(books, instrument), cell_of(books, who, instrument)
    margin = margined(rules, value, 0, 0) * load_i64(rules + lay.MARGIN)
    begin(books, event, row, OPENING)
    store_i64(cell + lay.POSITION, value)
    store_i64(cell + lay.MARK, price)
    store_i64(row + R_PRICE, price)
    store_i64(row + R_QTY, value)
    store_i64(row + R_AVAILABLE, -margin)
    store_i64(row + R_MARGIN, margin)
    store_i64(row + R_LOTS, value)
    store_i64(row + R_LOTS_OUTSIDE, -value)
    return commit(books, event, row, who, instrument)


@kernel_outlined
def everybody(books: int, event: int, row: int, instrument: int, at: int, value: int) -> int:
    """A lot fee or margin (``at`` of the instrument's row) is another, or (``at`` -1) everybody's
    leveraged position is marked: a transaction for each participant of whom something moves."""
    not_inlined()
    rules, written = rules_of(books, instrument), 0
    was = load_i64(rules + at) if at >= 0 else 0
    price = load_i64(rules + lay.LAST)
    if at < 0 and price == lay.NO_LAST:
        return 0
    for who in range(load_i64(books + lay.PARTICIPANTS)):
        cell, place = cell_of(books, who, instrument), row + written * lay.ROW_BYTES
        begin(books, event, place, REPRICED if at >= 0 else MARKED)
        moved = 0
        if at < 0:
            gain, overflow = gain_at(rules, cell, price)
            if overflow != 0:
                return fail(books, NOTIONAL, event)
            if load_i64(cell + lay.POSITION) != 0:
                store_i64(cell + lay.MARK, price)
            if load_i64(rules + lay.LEVERAGED) != 0:
                moved = gain
                store_i64(place + R_AVAILABLE, gain)
                store_i64(place + R_CLEARING, -gain)
        else:
            buys, sells = load_i64(cell + lay.BUY_LOTS), load_i64(cell + lay.SELL_LOTS)
            lots = buys + sells
            if at == lay.MARGIN:
                lots = margined(rules, load_i64(cell + lay.POSITION), buys, sells)
            moved, overflow = wide.product(lots, value - was, 1)
            if overflow != 0:
                return fail(books, NOTIONAL, event)
            store_i64(place + R_AVAILABLE, -moved)
            store_i64(place + (R_RESERVED if at == lay.FEE else R_MARGIN), moved)
        if moved != 0:
            if commit(books, event, place, who, instrument) < 0:
                return FAILED
            written += 1
    if at >= 0:
        store_i64(rules + at, value)
    return written
