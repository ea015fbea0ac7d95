"""Quotes: both sides are within every limit together, or the quote is refused.

The sides are checked one after the other (``before.check``), in the order in which the matcher does
them.  While the second is checked, the first counts as done in all totals.  Then they are again as
they were, and ``after`` follows the events.
"""

import openoutcry.risk.layout as lay
from openoutcry.risk import after as events_of
from openoutcry.risk import before as command
from openoutcry.risk import totals
from openoutcry.risk.contracts import loss_flags
from openoutcry.risk.layout import RiskInstrument, RiskState
from openoutcry.risk.lists import NO_LEG
from openoutcry.risk.spot import new_flags, own_wallet, rules_of
from openoutcry.wire import enum_numbers
from openoutcry.wire.kernel import kernel, kernel_outlined
from openoutcry.wire.memory import not_inlined
from openoutcry.wire.record_blocks import EventRecord, OrderRecord
from openoutcry.wire.records import RECORD_BYTES

CANCEL, BUY = enum_numbers.COMMAND_KIND_CANCEL, enum_numbers.SIDE_BUY


@kernel
def judge_quote(state: RiskState, sides: int) -> int:
    """Return what ``before`` would about the two commands at ``sides``, which are done both or not
    at all: 0, REDUCES or a refusal, and then nothing is changed."""
    first, second = OrderRecord(sides), OrderRecord(sides + RECORD_BYTES)
    instrument = totals.find_symbol(state, first.symbol)
    row = totals.participant_row(state, first.participant)
    full_at = row.full_at_ns
    state.linking = NO_LEG
    answer = judge_side(state, first, instrument)
    if answer in (0, command.REDUCES):
        flags = flags_of(state, first, instrument)
        count_side(state, first, instrument, flags, True)
        then = judge_side(state, second, instrument)
        count_side(state, first, instrument, flags, False)
        if then != 0:
            answer = then
    if answer not in (0, command.REDUCES):
        row.full_at_ns = full_at
    state.linking = 0
    return answer


@kernel
def judge_side(state: RiskState, order: OrderRecord, instrument: int) -> int:
    """Return the verdict on one side, whatever the other one is."""
    if order.kind in (0, CANCEL):
        return 0
    return command.check(state, order, order.kind, instrument)


@kernel_outlined
def count_side(
    state: RiskState, order: OrderRecord, instrument: int, flags: int, is_in: bool
) -> None:
    """Count a side, which has these flags, as if it were done, or no longer.  No money moves."""
    not_inlined()
    if order.kind == 0:
        return
    side, participant = order.side, order.participant
    was, old_price, old_flags = 0, order.price_ticks, flags
    lots, price, more = order.qty_lots, order.price_ticks, 1
    if order.kind != command.NEW:
        entry = totals.find_order(state, instrument, order.order_id)
        was, old_price, old_flags, more = (
            entry.leaves,
            entry.price,
            entry.meta >> lay.META_FLAGS,
            0,
        )
    if order.kind == CANCEL:
        lots, price, more = 0, old_price, -1
    row, rules = (
        totals.participant_row(state, participant),
        totals.instrument_row(state, instrument),
    )
    word = participant | instrument << events_of.INSTRUMENT_SHIFT | side << events_of.SIDE_SHIFT
    shortfall = stop_payments(state, rules, side, participant)
    if is_in:
        row.open += more
        move(state, word, was, old_price, old_flags, lots, price, flags)
    else:
        row.open -= more
        move(state, word, lots, price, flags, was, old_price, old_flags)
    if rules.spot_at != 0:
        own_wallet(state, rules_of(state, rules), side, participant).shortfall = shortfall


@kernel_outlined
def move(
    state: RiskState,
    word: int,
    was: int,
    old_price: int,
    old_flags: int,
    lots: int,
    price: int,
    flags: int,
) -> None:
    """Bring every total to these lots, price and flags of a side; nothing of it trades."""
    not_inlined()
    no_event = EventRecord(state)  # looked at only of a trade
    events_of.move_totals(state, no_event, word, was, old_price, old_flags, lots, price, flags, 0)


@kernel
def flags_of(state: RiskState, order: OrderRecord, instrument: int) -> int:
    """Return the flags of a side once it is done."""
    rules, side = totals.instrument_row(state, instrument), order.side
    cell = totals.cell_of(state, order.participant, instrument)
    flags, was = lay.PRICED_FLAG, 0
    if order.kind != command.NEW:
        entry = totals.find_order(state, instrument, order.order_id)
        flags, was = entry.meta >> lay.META_FLAGS, entry.leaves
    elif rules.spot_at != 0:
        flags |= new_flags(side, cell.mark)
    if rules.contract_at != 0 and order.kind != CANCEL:
        side_lots = (cell.buy_lots if side == BUY else cell.sell_lots) + order.qty_lots - was
        flags = loss_flags(state, rules, cell, side, flags, order.price_ticks, side_lots)
    return flags


@kernel
def stop_payments(state: RiskState, rules: RiskInstrument, side: int, participant: int) -> int:
    """Let what the side frees pay no shortfall, which is returned."""
    if rules.spot_at == 0:
        return 0
    wallet = own_wallet(state, rules_of(state, rules), side, participant)
    shortfall = wallet.shortfall
    wallet.shortfall = 0
    return shortfall
