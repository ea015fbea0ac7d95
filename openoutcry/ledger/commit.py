"""A transaction: begun, checked to be balanced, added to the balances."""

import openoutcry.ledger.layout as lay
from openoutcry.ledger import constants
from openoutcry.ledger.layout import (
    LedgerCell,
    LedgerInstrument,
    LedgerParticipant,
    LedgerState,
    TransactionRow,
)
from openoutcry.wire import wide
from openoutcry.wire.kernel import kernel
from openoutcry.wire.layout import Words
from openoutcry.wire.memory import store_i64
from openoutcry.wire.open_orders import OpenOrder, erase_entry, find_entry
from openoutcry.wire.record_blocks import EventRecord

R = lay.AT
R_MONEY, R_LOTS, R_LABEL = R["available"], R["lots_available"], R["participant"]
R_INCOME = R["fee_income"]
UNBALANCED = constants.ERROR_UNBALANCED
FAILED = -1


@kernel
def begin(books: LedgerState, event: EventRecord, row: TransactionRow, kind: int) -> None:
    """A transaction without deltas."""
    row.event_seq = event.seq
    row.cause_seq = event.cause_seq
    row.ts_ns = books.now_ns
    row.order_id = event.order_id
    row.contra_id = event.contra_id
    row.price_ticks = event.price_ticks
    row.qty_lots = event.qty_lots
    for word in range(R_MONEY, R_LABEL, 8):
        store_i64(row + word, 0)
    row.label = kind << 40


@kernel
def commit(
    books: LedgerState, event: EventRecord, row: TransactionRow, participant: int, instrument: int
) -> int:
    """Check that it is balanced, and add it to the balances.  Returns 1; FAILED."""
    rules = rules_of(books, instrument)
    asset, kind = rules.quote, (row.label >> 40) & 0xFF
    rules.touched = 1
    sides = event.side << 48 | event.flags << 56
    label = participant | instrument << 16 | asset << 32 | kind << 40 | sides
    row.label = label
    if wide.sums_to_zero(row + R_LOTS, 4) == 0:
        return fail(books, UNBALANCED, event)
    lots = books.first_lots + instrument
    own, venue = account(books, participant + 1, lots), account(books, 0, lots)
    add(own, row.lots_available)
    add(own + 16, row.lots_reserved)
    add(venue + 16, row.lots_clearing)
    add(venue + 48, row.lots_outside)
    return add_money(books, event, row, participant, asset)


@kernel
def commit_asset(
    books: LedgerState,
    event: EventRecord,
    row: TransactionRow,
    participant: int,
    instrument: int,
    asset: int,
) -> int:
    """Like :func:`commit`, for one asset of a spot instrument: no lots move."""
    rules_of(books, instrument).touched = 1
    sides = event.side << 48 | event.flags << 56
    row.label = participant | instrument << 16 | asset << 32 | (row.label & 0xFF << 40) | sides
    return add_money(books, event, row, participant, asset)


@kernel
def commit_money(
    books: LedgerState, event: EventRecord, row: TransactionRow, participant: int, asset: int
) -> int:
    """Like :func:`commit`, for a transaction that has to do with no instrument."""
    row.label = participant | lay.NO_INSTRUMENT << 16 | asset << 32 | (row.label & 0xFF << 40)
    return add_money(books, event, row, participant, asset)


@kernel
def add_money(
    books: LedgerState, event: EventRecord, row: TransactionRow, participant: int, asset: int
) -> int:
    """Add the row's money to the balances of a participant and the venue, in one asset.  Returns 1,
    or FAILED if it does not sum to 0."""
    if wide.sums_to_zero(row + R_MONEY, 8) == 0:
        return fail(books, UNBALANCED, event)
    part = books.part
    row.part = part
    books.part = part + 1
    own, venue = account(books, participant + 1, asset), account(books, 0, asset)
    for kind in range(4):
        add(own + 16 * kind, Words(row + R_MONEY)[kind])
        add(venue + 16 * kind, Words(row + R_INCOME)[kind])
    return 1


@kernel
def account(books: LedgerState, owner: int, asset: int) -> int:
    """Address of an owner's four balances of an asset."""
    index = owner * books.assets + asset
    return books.balances_at + index * 4 * lay.BALANCE_BYTES


@kernel
def add(place: int, amount: int) -> None:
    """Add an amount to a total of two words."""
    if amount != 0:
        wide.add_to_wide(place, amount)


@kernel
def fail(books: LedgerState, error: int, event: EventRecord) -> int:
    """Note an error and the event that has it; returns FAILED."""
    books.error = error
    books.error_seq = event.seq
    return FAILED


@kernel
def find_order(books: LedgerState, instrument: int, order_id: int) -> OpenOrder:
    """Address of the open order's entry, or of the free one where it would be stored."""
    return OpenOrder(find_entry(books.orders_at, books.order_mask, instrument, order_id))


@kernel
def erase_order(books: LedgerState, entry: int) -> None:
    """Forget an order that is no longer open."""
    erase_entry(books.orders_at, books.order_mask, entry)
    books.orders_open -= 1


@kernel
def rules_of(books: LedgerState, instrument: int) -> LedgerInstrument:
    """Return what the ledger knows of an instrument."""
    return LedgerInstrument(books.instruments_at + instrument * lay.INSTRUMENT_WORDS * 8)


@kernel
def row_of(books: LedgerState, participant: int) -> LedgerParticipant:
    """Return a participant's totals."""
    return LedgerParticipant(books.participants_at + participant * lay.PARTICIPANT_WORDS * 8)


@kernel
def cell_of(books: LedgerState, participant: int, instrument: int) -> LedgerCell:
    """Return the position of a participant in an instrument."""
    index = participant * books.instruments + instrument
    return LedgerCell(books.cells_at + index * lay.CELL_WORDS * 8)


@kernel
def margined(rules: LedgerInstrument, position: int, buys: int, sells: int) -> int:
    """Lots that need margin: short ones; of a leveraged instrument the worst position."""
    short = max(sells - position, 0)
    return short if rules.leveraged == 0 else max(position + buys, short)
