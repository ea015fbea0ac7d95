"""Dividends and splits that the core has applied: a transaction for each participant that holds the
instrument or is short of it, by the rules of docs/risk.md.

The issuer is in the outside world: its money and its lots come from there, what shorts pay goes
there.
"""

import openoutcry.ledger.layout as lay
from openoutcry.ledger import constants
from openoutcry.ledger.commit import FAILED, begin, cell_of, commit, margined, rules_of
from openoutcry.ledger.layout import LedgerState, TransactionRow
from openoutcry.wire.kernel import kernel_outlined
from openoutcry.wire.memory import not_inlined
from openoutcry.wire.record_blocks import EventRecord
from openoutcry.wire.wide import half_even

R = lay.AT
DIVIDEND, SPLIT = constants.KIND_DIVIDEND, constants.KIND_SPLIT


@kernel_outlined
def adjust(
    books: LedgerState,
    event: EventRecord,
    row: int,
    instrument: int,
    is_split: bool,
    value: int,
    price: int,
) -> int:
    """Return how many transactions it became; FAILED.  The core has seen that all of it fits:
    products and sums are plain.  ``row``: address where they are written."""
    not_inlined()
    rules, written = rules_of(books, instrument), 0
    new, old = value >> 32, value & 0xFFFFFFFF
    for participant in range(books.participants):
        cell, place = (
            cell_of(books, participant, instrument),
            TransactionRow(row + written * lay.ROW_BYTES),
        )
        position = cell.position
        if position == 0:
            continue
        size = max(position, -position)
        new_position, due = size, size * new
        if is_split:
            new_position = size * new // old
            due = (size * new - new_position * old) * price * rules.multiplier
        cash = half_even(due, old)
        if position < 0:
            new_position, cash = -new_position, -cash
        margin = margined(rules, new_position, 0, 0) - margined(rules, position, 0, 0)
        margin *= rules.margin
        cell.position = new_position
        cell.mark = price
        begin(books, event, place, SPLIT if is_split else DIVIDEND)
        place.price_ticks = price
        place.qty_lots = new_position - position
        place.available = cash - margin
        place.margin = margin
        place.outside = -cash
        place.lots_available = new_position - position
        place.lots_outside = position - new_position
        if commit(books, event, place, participant, instrument) < 0:
            return FAILED
        written += 1
    rules.last = price
    return written
