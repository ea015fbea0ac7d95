"""INSTRUMENT_RULE and INSTRUMENT_APPLY: an instrument's rules change while it trades.

What is staged is in force for the matcher and for risk with one command, whose events the matcher
writes (``matcher/commands/rules.py``).
"""

import openoutcry.risk.constants as constants
from openoutcry.risk import protection_layout, totals
from openoutcry.risk.contract_layout import CALL, EXPIRED_HALT, FUTURE, MAX_PRICE, PERPETUAL, PUT
from openoutcry.risk.contracts import contract_of
from openoutcry.risk.layout import DELISTED_HALT, RESTS_IN_CALL, RiskInstrument, RiskState
from openoutcry.wire.kernel import kernel, kernel_outlined
from openoutcry.wire.memory import not_inlined
from openoutcry.wire.record_blocks import EventRecord, InstrumentRecord, OrderRecord
from openoutcry.wire.records import MAX_VALUE, NO_PRICE
from openoutcry.wire.rule_changes import (
    CANCEL_OFF_GRID,
    RulesBlock,
    can_be,
    is_limited,
    put_in_force,
    row_in,
    same_rows,
    stage,
    staged_row,
)

REFUSED, DROPPED, CHANGED = 0, 1, 2
"""What :func:`apply_rules` answers."""


@kernel
def stage_rule(state: RiskState, order: OrderRecord, instrument: int) -> bool:
    """INSTRUMENT_RULE; False, and nothing changed, if it makes no sense."""
    if state.rules_at == 0 or instrument < 0:
        return False
    rules = RulesBlock(state + state.rules_at)
    return stage(rules, instrument, order.qty_lots, order.aux, order.price_ticks)


@kernel_outlined
def apply_rules(state: RiskState, order: OrderRecord, instrument: int) -> int:
    """INSTRUMENT_APPLY: whether the matcher is to change the rules, or what was staged is dropped;
    or it makes no sense, and nothing changes."""
    not_inlined()
    if state.rules_at == 0 or instrument < 0 or order.price_ticks != 0:
        return REFUSED
    rules, count, how = RulesBlock(state + state.rules_at), order.aux, order.qty_lots
    if count == 0:
        rules.staged = 0
        return DROPPED
    if count != rules.staged or rules.instrument != instrument:
        return REFUSED
    row, now = totals.instrument_row(state, instrument), staged_row(rules)
    rules.in_the_way = 0
    if how < 0 or how > CANCEL_OFF_GRID or same_rows(now, row_in(rules, instrument)):
        return REFUSED
    if row.market_rests & RESTS_IN_CALL != 0 or row.halt & (EXPIRED_HALT | DELISTED_HALT) != 0:
        return REFUSED
    return CHANGED if can_be(now) and can_bound(state, row, now) else REFUSED


@kernel
def can_bound(state: RiskState, row: RiskInstrument, rules: InstrumentRecord) -> bool:
    """Return whether risk can go on with these price limits: as it must when the state is made
    (``region.make_region``), with prices that are inside of them."""
    low, high, band = rules.min_price_ticks, rules.max_price_ticks, rules.market_band_ticks
    for price in (row.last, row.reference):
        if price not in (NO_PRICE, MAX_VALUE) and (price < low or price > high):
            return False
    if row.price_limited != 0 and not is_limited(low, high, band):
        return False
    if row.spot_at != 0 and low < 1:
        return False
    if row.contract_at != 0 and not can_bound_contract(state, row, low, high):
        return False
    largest = protection_layout.PRICE_LIMIT
    is_protected = state.protection_at != 0 and row.price_limited != 0 and row.bound <= largest
    return not is_protected or max(high + band, band - low) <= largest


@kernel
def can_bound_contract(state: RiskState, row: RiskInstrument, low: int, high: int) -> bool:
    """Return whether a contract's prices can be within these limits, its mark among them."""
    contract = contract_of(state, row)
    if max(max(low, -low), max(high, -high)) > MAX_PRICE:
        return False
    if contract.inverse != 0 and contract.kind in (FUTURE, PERPETUAL) and low < 1:
        return False
    if contract.kind in (CALL, PUT) and low < 0:
        return False
    return low <= contract.mark <= high


@kernel_outlined
def take_rules(state: RiskState, seq: int) -> None:
    """Put an instrument's rules in force here, too: the matcher has changed them with the command
    ``seq``.  No order without a price is open if what bounds one is another."""
    not_inlined()
    rules = RulesBlock(state + state.rules_at)
    put_in_force(rules, seq)
    instrument = rules.instrument
    row, now = totals.instrument_row(state, instrument), row_in(rules, instrument)
    low, high, band = now.min_price_ticks, now.max_price_ticks, now.market_band_ticks
    if is_limited(low, high, band):
        row.worst_buy = high + band
        row.worst_sell = low - band
        row.bound = max(max(high + band, -high - band), max(low - band, band - low))
        row.price_limited = 2 if band != 0 else 1
    if row.contract_at != 0:
        contract_of(state, row).market_band = band
    totals.publish(state)


@kernel
def note_in_the_way(state: RiskState, order: OrderRecord, event: EventRecord) -> None:
    """The matcher has refused a change: remember how many open orders are in its way."""
    if order.order_type == constants.SET_INSTRUMENT_APPLY and state.rules_at != 0:
        RulesBlock(state + state.rules_at).in_the_way = event.contra_id
