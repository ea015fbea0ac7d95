# (intrinsics have no types that mypy could see)
"""A transaction: begun, checked to be balanced, added to the balances."""

import openoutcry.ledger.layout as lay
from openoutcry.ledger import wide
from openoutcry.wire.kernel import kernel
from openoutcry.wire.memory import load_i64, load_u8, store_i64
from openoutcry.wire.records import EVENT

E, R = EVENT.offsets, lay.AT
E_ORDER, E_CONTRA, E_PRICE, E_QTY = E["order_id"], E["contra_id"], E["price_ticks"], E["qty_lots"]
E_CAUSE, E_SEQ, E_SIDE, E_FLAGS = E["cause_seq"], E["seq"], E["side"], E["flags"]
R_MONEY, R_LOTS, R_LABEL = R["available"], R["lots_available"], R["participant"]
R_INCOME = R["fee_income"]
R_LOTS_RESERVED, R_LOTS_CLEARING = R["lots_reserved"], R["lots_clearing"]
R_LOTS_OUTSIDE = R["lots_outside"]
R_SEQ, R_PART, R_CAUSE, R_TIME = R["event_seq"], R["part"], R["cause_seq"], R["ts_ns"]
R_ORDER, R_CONTRA, R_PRICE, R_QTY = R["order_id"], R["contra_id"], R["price_ticks"], R["qty_lots"]
DEPOSIT, UNBALANCED = int(lay.Kind.DEPOSIT), int(lay.Error.UNBALANCED)
FAILED = -1


@kernel
def begin(books: int, event: int, row: int, kind: int) -> None:
    """A transaction without deltas."""
    store_i64(row + R_SEQ, load_i64(event + E_SEQ))
    store_i64(row + R_CAUSE, load_i64(event + E_CAUSE))
    store_i64(row + R_TIME, load_i64(books + lay.NOW_NS))
    store_i64(row + R_ORDER, load_i64(event + E_ORDER))
    store_i64(row + R_CONTRA, load_i64(event + E_CONTRA))
    store_i64(row + R_PRICE, load_i64(event + E_PRICE))
    store_i64(row + R_QTY, load_i64(event + E_QTY))
    for word in range(R_MONEY, R_LABEL, 8):
        store_i64(row + word, 0)
    store_i64(row + R_LABEL, kind << 40)


@kernel
def commit(books: int, event: int, row: int, participant: int, instrument: int) -> int:
    """Check that it is balanced, and add it to the balances.  Returns 1; FAILED."""
    rules = rules_of(books, instrument)
    asset, kind = load_i64(rules + lay.QUOTE), (load_i64(row + R_LABEL) >> 40) & 0xFF
    store_i64(rules + lay.TOUCHED, 1)
    sides = load_u8(event + E_SIDE) << 48 | load_u8(event + E_FLAGS) << 56
    label = participant | instrument << 16 | asset << 32 | kind << 40 | sides
    store_i64(row + R_LABEL, label)
    if wide.sums_to_zero(row + R_LOTS, 4) == 0:
        return fail(books, UNBALANCED, event)
    lots = lay.MONEY_SLOTS + instrument
    own, venue = account(books, participant + 1, lots), account(books, 0, lots)
    add(own, load_i64(row + R_LOTS))
    add(own + 16, load_i64(row + R_LOTS_RESERVED))
    add(venue + 16, load_i64(row + R_LOTS_CLEARING))
    add(venue + 48, load_i64(row + R_LOTS_OUTSIDE))
    return add_money(books, event, row, participant, asset)


@kernel
def commit_money(books: int, event: int, row: int, participant: int, asset: int) -> int:
    """As :func:`commit`, of a transaction that has to do with no instrument."""
    store_i64(row + R_LABEL, participant | lay.NO_INSTRUMENT << 16 | asset << 32 | DEPOSIT << 40)
    return add_money(books, event, row, participant, asset)


@kernel
def add_money(books: int, event: int, row: int, participant: int, asset: int) -> int:
    if wide.sums_to_zero(row + R_MONEY, 8) == 0:
        return fail(books, UNBALANCED, event)
    part = load_i64(books + lay.PART)
    store_i64(row + R_PART, part)
    store_i64(books + lay.PART, part + 1)
    own, venue = account(books, participant + 1, asset), account(books, 0, asset)
    for kind in range(4):
        add(own + 16 * kind, load_i64(row + R_MONEY + 8 * kind))
        add(venue + 16 * kind, load_i64(row + R_INCOME + 8 * kind))
    return 1


@kernel
def account(books: int, owner: int, asset: int) -> int:
    """Address of an owner's four balances of an asset."""
    index = owner * load_i64(books + lay.ASSETS) + asset
    return load_i64(books + lay.BALANCES_AT) + index * 4 * lay.BALANCE_BYTES


@kernel
def add(place: int, amount: int) -> None:
    if amount != 0:
        wide.add_to_wide(place, amount)


@kernel
def fail(books: int, error: int, event: int) -> int:
    store_i64(books + lay.ERROR, error)
    store_i64(books + lay.ERROR_SEQ, load_i64(event + E_SEQ))
    return FAILED


@kernel
def rules_of(books: int, instrument: int) -> int:
    return load_i64(books + lay.INSTRUMENTS_AT) + instrument * lay.INSTRUMENT_WORDS * 8


@kernel
def row_of(books: int, participant: int) -> int:
    return load_i64(books + lay.PARTICIPANTS_AT) + participant * lay.PARTICIPANT_WORDS * 8


@kernel
def cell_of(books: int, participant: int, instrument: int) -> int:
    index = participant * load_i64(books + lay.INSTRUMENTS) + instrument
    return load_i64(books + lay.CELLS_AT) + index * lay.CELL_WORDS * 8


@kernel
def margined(rules: int, position: int, buys: int, sells: int) -> int:
    """Lots that need margin: short ones; of a leveraged instrument the worst position."""
    short = max(sells - position, 0)
    return short if load_i64(rules + lay.LEVERAGED) == 0 else max(position + buys, short)
