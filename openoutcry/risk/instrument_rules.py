"""INSTRUMENT_RULE and INSTRUMENT_APPLY: an instrument's rules change while it trades.

What is staged is in force for the matcher and for risk with one command, whose events the matcher
writes (``matcher/commands/rules.py``).
"""

import openoutcry.risk.constants as constants
import openoutcry.risk.layout as lay
from openoutcry.risk import protection_layout, spot_layout, totals
from openoutcry.risk.bits import LARGEST
from openoutcry.risk.contract_layout import (
    CALL,
    EXPIRED_HALT,
    FUTURE,
    MAX_PRICE,
    PERPETUAL,
    PUT,
    UNLISTED_HALT,
)
from openoutcry.risk.contracts import contract_of
from openoutcry.risk.layout import DELISTED_HALT, RESTS_IN_CALL, RiskInstrument, RiskState
from openoutcry.risk.spot_layout import SpotBlock, SpotRules
from openoutcry.wire.kernel import kernel, kernel_outlined
from openoutcry.wire.layout import Words
from openoutcry.wire.memory import mul_wrapping, not_inlined
from openoutcry.wire.record_blocks import EventRecord, InstrumentRecord, OrderRecord
from openoutcry.wire.records import MAX_VALUE, NO_PRICE
from openoutcry.wire.rule_changes import (
    CANCEL_OFF_GRID,
    RulesBlock,
    can_be,
    gets_symbol,
    is_limited,
    is_slot,
    is_symbol,
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
    if not can_be(now) or not can_bound(state, row, now):
        return REFUSED
    if gets_symbol(rules):
        return CHANGED if can_get_symbol(state, row, rules) else REFUSED
    return CHANGED if rules.pair | rules.lot_units | rules.tick_units == 0 else REFUSED


@kernel_outlined
def can_get_symbol(state: RiskState, row: RiskInstrument, rules: RulesBlock) -> bool:
    """Return whether a row without a symbol becomes the instrument that is staged: a spot pair of
    two assets that have wallets, under a symbol that no other row has."""
    not_inlined()
    before, now = row_in(rules, rules.instrument), staged_row(rules)
    if not is_slot(before.symbol) or not is_symbol(now.symbol):
        return False
    if row.spot_at == 0 or row.halt & UNLISTED_HALT == 0 or state.wallets_at == 0:
        return False
    base, quote = rules.pair & 0xFFFF, rules.pair >> 16
    count = SpotBlock(state + state.wallets_at).assets
    if quote < 0 or max(base, quote) >= count or base == quote:
        return False
    if not 1 <= rules.lot_units <= LARGEST or not 1 <= rules.tick_units <= LARGEST:
        return False
    low, high, band = now.min_price_ticks, now.max_price_ticks, now.market_band_ticks
    return is_limited(low, high, band) and totals.find_symbol(state, now.symbol) < 0


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
    if gets_symbol(rules):
        take_symbol(state, rules)
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


@kernel_outlined
def take_symbol(state: RiskState, rules: RulesBlock) -> None:
    """Let a row's new symbol lead to it, and the row be paid from the wallets of its pair."""
    not_inlined()
    row = totals.instrument_row(state, rules.instrument)
    spot, block = SpotRules(state + row.spot_at), SpotBlock(state + state.wallets_at)
    base, quote = rules.pair & 0xFFFF, rules.pair >> 16
    spot.lot_units = rules.lot_units
    spot.quote_wallet_at = block.wallet_at + quote * spot_layout.WALLET_BYTES
    spot.base_wallet_at = block.wallet_at + base * spot_layout.WALLET_BYTES
    spot.quote_at = block.asset_at + quote * spot_layout.ASSET_BYTES
    spot.base_at = block.asset_at + base * spot_layout.ASSET_BYTES
    row.multiplier = rules.tick_units
    # Who sees the symbol there sees the pair.
    row_in(rules, rules.instrument).symbol = staged_row(rules).symbol
    table, mask = state + state.symbols_at, state.symbol_mask
    for word in range(2 * (mask + 1)):
        Words(table)[word] = 0
    for instrument in range(state.instruments):
        symbol = row_in(rules, instrument).symbol
        at = (mul_wrapping(symbol, lay.HASH_FACTOR) >> 32) & mask
        while Words(table + 16 * at)[0] != 0:
            at = (at + 1) & mask
        Words(table + 16 * at)[0] = symbol
        Words(table + 16 * at)[1] = instrument


@kernel
def note_in_the_way(state: RiskState, order: OrderRecord, event: EventRecord) -> None:
    """The matcher has refused a change: remember how many open orders are in its way."""
    if order.order_type == constants.SET_INSTRUMENT_APPLY and state.rules_at != 0:
        RulesBlock(state + state.rules_at).in_the_way = event.contra_id
