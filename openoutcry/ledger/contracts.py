"""Contracts in the ledger: trades at their marks, variation, funding, the end, and what comes after
a liquidation.

The rules are those of docs/derivatives.md.  The ledger applies them separately, from the commands
alone.  Clearing is 0 after each command: what one side is paid the other one pays.

``rows``: address where a kernel writes its transactions; it returns how many, or FAILED.
"""

import openoutcry.ledger.layout as lay
from openoutcry.ledger import constants
from openoutcry.ledger.commit import (
    FAILED,
    begin,
    cell_of,
    commit,
    commit_money,
    fail,
    margined,
    rules_of,
)
from openoutcry.ledger.layout import (
    LedgerCell,
    LedgerInstrument,
    LedgerState,
    TransactionRow,
)
from openoutcry.wire import enum_numbers, wide
from openoutcry.wire.kernel import kernel, kernel_outlined
from openoutcry.wire.memory import not_inlined
from openoutcry.wire.notes import fee_units
from openoutcry.wire.record_blocks import EventRecord, OrderRecord
from openoutcry.wire.wide import half_even

BUY = enum_numbers.SIDE_BUY
CALL, PUT = 3, 4
RATE_UNIT = 1_000_000_000
SET_MARK, SET_SETTLE, SET_FUNDING, SET_EXPIRE, SET_COVER, SET_DELEVERAGE = 91, 92, 93, 94, 96, 97
SET_LIST, SET_ADJUST, SET_LIQUIDATION_FEE, STAGED = 107, 109, 111, 1
"""``Setting`` of risk/bits.py, and of its commands the ``time_in_force`` of what is staged."""
MARKED, FUNDING, SETTLED = constants.KIND_MARKED, constants.KIND_FUNDING, constants.KIND_SETTLED
COVERED, TAKEN_OVER = constants.KIND_COVERED, constants.KIND_TAKEN_OVER
ADJUSTED, LIQUIDATION_FEE = constants.KIND_ADJUSTED, constants.KIND_LIQUIDATION_FEE
BROKEN, NO_TRADE = constants.KIND_BROKEN, constants.ERROR_ORDER
PLEDGED, SEIZED = constants.KIND_PLEDGED, constants.KIND_SEIZED
NOTIONAL = constants.ERROR_NOTIONAL


@kernel
def lot_value(rules: LedgerInstrument, price: int) -> int:
    """Units that a long lot is worth at a price."""
    if rules.inverse != 0 and rules.kind < CALL:
        return -(rules.units // max(price, 1))
    return wide.mul(rules.units, price)


@kernel
def payoff(rules: LedgerInstrument, price: int) -> int:
    """Units that a long lot of an option is paid, by its underlying's final price."""
    inside = price - rules.strike if rules.kind == CALL else rules.strike - price
    if inside < 0:
        return 0
    if rules.inverse == 0:
        rest = -rules.strike_rest if rules.kind == CALL else rules.strike_rest
        return max(rules.strike_units * inside + rest, 0)
    least = max(price, 1)
    if inside >= least:
        return rules.strike_units
    # ``strike_units`` x ``inside`` / ``price``, bit by bit: no product leaves int64.
    part = rest = 0
    for bit in range(61, -1, -1):
        rest = 2 * rest + inside * ((rules.strike_units >> bit) & 1)
        more = rest // least
        part = 2 * part + more
        rest -= more * least
    return part


@kernel
def gain_of_trade(rules: LedgerInstrument, moved: int, price: int) -> tuple[int, int]:
    """Return the gain of ``moved`` lots (negative: sold) at a price: the difference to the mark, of
    an option the premium; and 1 if that leaves int64."""
    value = lot_value(rules, price)
    if rules.leveraged != 0:
        gain, over = wide.sum_of(lot_value(rules, rules.mark), -value, 0, 0)
        paid, beyond = wide.product(gain, moved, 1)
        return paid, over | beyond
    paid, over = wide.product(value, -moved, 1)
    return paid, over


@kernel
def margin_at(rules: LedgerInstrument, price: int) -> int:
    """Initial margin of a lot at a mark."""
    if rules.margin_bps == 0:
        return rules.margin
    value = lot_value(rules, price)
    size = max(value, -value)
    whole, rest = size // 10_000, size % 10_000
    return whole * rules.margin_bps + (rest * rules.margin_bps + 9_999) // 10_000


@kernel_outlined
def contract_setting(
    books: LedgerState, order: OrderRecord, event: EventRecord, row: int, instrument: int
) -> int:
    """A command about contracts that the core has applied: how many transactions it became."""
    not_inlined()
    what, participant, value = order.order_type, order.qty_lots, order.aux
    if what == SET_COVER:
        return pay_out(books, event, row, participant, value, COVERED)
    if what == SET_LIQUIDATION_FEE:
        if value == 0:
            return 0
        return pay_out(books, event, row, participant, -value, LIQUIDATION_FEE)
    if instrument < 0:
        return 0
    rules = rules_of(books, instrument)
    if rules.kind == 0:
        return 0
    if what == SET_DELEVERAGE:
        giver, taker = participant & 0xFFFF, participant >> 16
        moved = value if cell_of(books, giver, instrument).position > 0 else -value
        worth = 0 if rules.leveraged != 0 else moved * lot_value(rules, rules.mark)
        paid = order.price_ticks + worth
        return take_over(books, event, row, instrument, giver, taker, moved, paid)
    if order.time_in_force == STAGED:
        rules.staged = what
        rules.staged_value = value
        return 0
    return in_force(books, event, row, instrument, what, value)


@kernel_outlined
def contract_batch(books: LedgerState, event: EventRecord, rows: int, is_applied: bool) -> int:
    """Return what is staged is in force, or dropped: how many transactions it became."""
    not_inlined()
    written = 0
    for instrument in range(books.instruments):
        rules = rules_of(books, instrument)
        what, value = rules.staged, rules.staged_value
        rules.staged = rules.staged_value = 0
        if what == 0 or not is_applied:
            continue
        at = rows + written * lay.ROW_BYTES
        more = in_force(books, event, at, instrument, what, value)
        if more < 0:
            return FAILED
        written += more
    return written


@kernel
def in_force(
    books: LedgerState, event: EventRecord, row: int, instrument: int, what: int, value: int
) -> int:
    """A contract is marked, funded or settled for good: how many transactions it became."""
    rules = rules_of(books, instrument)
    if what in (SET_MARK, SET_SETTLE, SET_LIST):
        gain = lot_value(rules, value) - lot_value(rules, rules.mark)
        paid = gain if rules.leveraged != 0 else 0
        margin = margin_at(rules, value)
        written = for_all(books, event, row, instrument, MARKED, value, paid, margin)
        rules.mark = value
        rules.margin = margin
        return written
    if what == SET_FUNDING:
        worth = lot_value(rules, rules.mark)
        size = max(worth, -worth)
        over = size % RATE_UNIT * value + rules.carry
        due = size // RATE_UNIT * value + over // RATE_UNIT
        rules.carry = over % RATE_UNIT
        return for_all(books, event, row, instrument, FUNDING, rules.mark, -due, rules.margin)
    if what == SET_EXPIRE:
        paid = payoff(rules, value)
        if rules.kind < CALL:
            paid = lot_value(rules, value) - lot_value(rules, rules.mark)
        return for_all(books, event, row, instrument, SETTLED, value, paid, rules.margin)
    if what == SET_ADJUST:
        return adjust(books, event, row, instrument, value >> 32, value & 0xFFFFFFFF)
    return 0


@kernel
def adjust(
    books: LedgerState, event: EventRecord, rows: int, instrument: int, new: int, old: int
) -> int:
    """A contract's terms after a split of its underlying.  The core has seen that lots are whole
    and that all of it fits: products are plain."""
    rules = rules_of(books, instrument)
    was, units, mark = rules.units, rules.units, rules.mark
    if rules.kind < CALL:
        units = lot_after(rules.units, new, old)
        mark = half_even(mark * old, new)
    gain = units * mark - was * rules.mark
    before, rules.units = rules.units, units
    margin = margin_at(rules, mark)
    rules.units = before
    written = for_all(books, event, rows, instrument, ADJUSTED, mark, gain, margin)
    if written == 0:
        place = TransactionRow(rows)
        begin(books, event, place, ADJUSTED)
        place.price_ticks, place.qty_lots = mark, 0
        written = commit(books, event, place, rules.fund, instrument)
    for number in range(written):
        place = TransactionRow(rows + number * lay.ROW_BYTES)
        place.order_id, place.contra_id = was, units
    if rules.kind < CALL:
        rules.units = rules.multiplier = units
        rules.mark = rules.last = mark
    else:
        lot = lot_after(rules.strike_units, new, old)
        common = divisor(new, old)
        share, ticks = lot // (new // common), rules.strike * (old // common)
        rest = share * (ticks % (new // common)) + rules.strike_rest
        rules.strike = ticks // (new // common) + rest // lot
        rules.strike_rest = rest % lot
        rules.strike_units = lot
    rules.margin = margin
    return written


@kernel
def lot_after(units: int, new: int, old: int) -> int:
    """Return what a lot is a tick after it."""
    common = divisor(new, old)
    return units // (old // common) * (new // common)


@kernel
def divisor(one: int, other: int) -> int:
    """The greatest common divisor."""
    while other != 0:
        one, other = other, one % other
    return one


@kernel
def for_all(
    books: LedgerState,
    event: EventRecord,
    rows: int,
    instrument: int,
    kind: int,
    price: int,
    paid: int,
    margin: int,
) -> int:
    """Pay ``paid`` for each lot held, and bring what lots need to another margin; with SETTLED the
    positions are gone.  A transaction for each participant with a movement; with ADJUSTED, and with
    SETTLED, for each one with a position."""
    rules, written = rules_of(books, instrument), 0
    for participant in range(books.participants):
        cell = cell_of(books, participant, instrument)
        position, buys, sells = cell.position, cell.buy_lots, cell.sell_lots
        lots = margined(rules, position, buys, sells)
        money, overflow = wide.product(position, paid, 1)
        more, beyond = wide.product(lots, margin - rules.margin, 1)
        if overflow | beyond != 0:
            return fail(books, NOTIONAL, event)
        if kind == SETTLED:
            more = -lots * rules.margin
        is_told = kind in (SETTLED, ADJUSTED) and position != 0
        if money == 0 and more == 0 and not is_told:
            continue
        place = TransactionRow(rows + written * lay.ROW_BYTES)
        begin(books, event, place, kind)
        place.price_ticks = price
        place.qty_lots = position
        place.available = money - more
        place.margin = more
        place.clearing = -money
        if kind == SETTLED:
            cell.position = 0
            place.lots_available = -position
            place.lots_clearing = position
        if commit(books, event, place, participant, instrument) < 0:
            return FAILED
        written += 1
    return written


@kernel
def first_contract(books: LedgerState) -> int:
    """Index of the first contract: its money is that of all."""
    for instrument in range(books.instruments):
        if rules_of(books, instrument).kind != 0:
            return instrument
    return -1


@kernel
def pay_out(
    books: LedgerState, event: EventRecord, rows: int, participant: int, paid: int, kind: int
) -> int:
    """Money that the insurance fund pays: out of its balance, into the participant's; below 0 the
    other way."""
    instrument = first_contract(books)
    if instrument < 0:
        return 0
    fund = rules_of(books, instrument).fund
    for number in range(2):
        place = TransactionRow(rows + number * lay.ROW_BYTES)
        begin(books, event, place, kind)
        amount = paid if number == 0 else -paid
        place.available = amount
        place.clearing = -amount
        place.price_ticks, place.qty_lots = 0, 0
        if commit(books, event, place, participant if number == 0 else fund, instrument) < 0:
            return FAILED
    return 2


@kernel_outlined
def pledge(
    books: LedgerState,
    event: EventRecord,
    row: TransactionRow,
    participant: int,
    asset: int,
    units: int,
) -> int:
    """Units of an asset become collateral, or, below 0, are available again."""
    not_inlined()
    begin(books, event, row, PLEDGED)
    row.available = -units
    row.reserved = units
    row.price_ticks, row.qty_lots = 0, units
    return commit_money(books, event, row, participant, lay.MONEY_SLOTS + asset)


@kernel_outlined
def seize(
    books: LedgerState,
    event: EventRecord,
    rows: int,
    participant: int,
    asset: int,
    paid: int,
    units: int,
) -> int:
    """The insurance fund takes pledged units over, and pays for them."""
    not_inlined()
    if pay_out(books, event, rows, participant, paid, SEIZED) != 2:
        return FAILED
    fund = rules_of(books, first_contract(books)).fund
    for number in range(2):
        place = TransactionRow(rows + (2 + number) * lay.ROW_BYTES)
        begin(books, event, place, SEIZED)
        place.price_ticks, place.qty_lots = 0, units
        if number == 0:
            place.reserved = -units
            place.clearing = units
        else:
            place.available = units
            place.clearing = -units
        to = participant if number == 0 else fund
        if commit_money(books, event, place, to, lay.MONEY_SLOTS + asset) < 0:
            return FAILED
    return 4


@kernel
def take_over(
    books: LedgerState,
    event: EventRecord,
    rows: int,
    instrument: int,
    giver: int,
    taker: int,
    moved: int,
    paid: int,
) -> int:
    """Lots from a bankrupt participant to another one, which pays for what was missing, and for an
    option its mark."""
    rules = rules_of(books, instrument)
    for number in range(2):
        participant = giver if number == 0 else taker
        change = -moved if number == 0 else moved
        money = paid if number == 0 else -paid
        more = move_position(rules, cell_of(books, participant, instrument), change)
        place = TransactionRow(rows + number * lay.ROW_BYTES)
        begin(books, event, place, TAKEN_OVER)
        place.price_ticks = rules.mark
        place.qty_lots = change
        place.available = money - more
        place.margin = more
        place.clearing = -money
        place.lots_available = change
        place.lots_clearing = -change
        if commit(books, event, place, participant, instrument) < 0:
            return FAILED
    return 2


@kernel_outlined
def take_back(
    books: LedgerState, event: EventRecord, row: TransactionRow, rules: LedgerInstrument
) -> int:
    """One side of a trade that was taken back: the opposite lots at its price, against the mark of
    now, and the fee that the event says."""
    not_inlined()
    participant, instrument, qty = event.participant, event.instrument, event.qty_lots
    if rules.kind == 0:
        return fail(books, NO_TRADE, event)  # the core takes none back in it
    moved, fee = -qty if event.side == BUY else qty, fee_units(event.leaves_lots)
    paid, overflow = gain_of_trade(rules, moved, event.price_ticks)
    if overflow != 0:
        return fail(books, NOTIONAL, event)
    more = move_position(rules, cell_of(books, participant, instrument), moved)
    begin(books, event, row, BROKEN)
    row.available = paid + fee - more
    row.margin = more
    row.fee_income = -fee
    row.clearing = -paid
    row.lots_available = moved
    row.lots_clearing = -moved
    return commit(books, event, row, participant, instrument)


@kernel
def move_position(rules: LedgerInstrument, cell: LedgerCell, lots: int) -> int:
    """Other lots held; returns how much more margin that needs."""
    was = margined(rules, cell.position, cell.buy_lots, cell.sell_lots)
    cell.position += lots
    more = margined(rules, cell.position, cell.buy_lots, cell.sell_lots) - was
    return more * rules.margin
