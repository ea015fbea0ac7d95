"""Where things lie in the state, what an order counts, and what a cell needs."""

import openoutcry.risk.layout as lay
from openoutcry.risk.bits import LARGEST
from openoutcry.risk.layout import (
    RiskCell,
    RiskGroup,
    RiskInstrument,
    RiskParticipant,
    RiskState,
)
from openoutcry.wire import enum_numbers, wide
from openoutcry.wire.kernel import VERIFY, kernel
from openoutcry.wire.layout import Words
from openoutcry.wire.memory import load_i64, mul_wrapping
from openoutcry.wire.open_orders import (
    OpenOrder,
    erase_entry,
    find_entry,
    home_of,
)

BUY = enum_numbers.SIDE_BUY


@kernel
def participant_row(state: RiskState, participant: int) -> RiskParticipant:
    """Return a participant's row, by its number; the caller has checked the range."""
    return RiskParticipant(state + state.participant_at + participant * lay.PARTICIPANT_BYTES)


@kernel
def group_row(state: RiskState, group: int) -> RiskGroup:
    """Return a group's row, by its number."""
    return RiskGroup(state + state.group_at + group * lay.GROUP_BYTES)


@kernel
def instrument_row(state: RiskState, instrument: int) -> RiskInstrument:
    """Return an instrument's row, by its index."""
    return RiskInstrument(state + state.instrument_at + instrument * lay.INSTRUMENT_BYTES)


@kernel
def cell_of(state: RiskState, participant: int, instrument: int) -> RiskCell:
    """Return the cell of a participant in an instrument."""
    index = participant * state.instruments + instrument
    return RiskCell(state + state.cell_at + index * lay.CELL_BYTES)


@kernel
def publish(state: RiskState) -> None:
    """Let the gateway read again which participants are killed, what is halted, and the bands."""
    state.shared_publication = state.publication + 1


@kernel
def find_symbol(state: RiskState, symbol: int) -> int:
    """Index of the instrument, or -1."""
    mask = state.symbol_mask
    table = state + state.symbols_at
    at = (mul_wrapping(symbol, lay.HASH_FACTOR) >> 32) & mask
    while load_i64(table + 16 * at) != 0:
        if load_i64(table + 16 * at) == symbol:
            return Words(table + 16 * at)[1]
        at = (at + 1) & mask
    return -1


@kernel
def order_home(state: RiskState, instrument: int, order_id: int) -> int:
    """Return the entry of the table of open orders at which the search for an order begins."""
    return home_of(state.order_mask, instrument, order_id)


@kernel
def find_order(state: RiskState, instrument: int, order_id: int) -> OpenOrder:
    """The open order's entry, or the free one where it belongs."""
    table = state + state.order_at
    return find_entry(table, state.order_mask, instrument, order_id)


@kernel
def erase_order(state: RiskState, entry: OpenOrder) -> None:
    """Free an entry; later entries of its chain move up into the gap."""
    if VERIFY:
        gone = entry.order_id
        instrument = entry.meta & 0xFFFF
        assert entry.meta != 0, "a free entry has no order to take out"
        assert state.orders_open > 0, "an order that goes was counted"
    table = state + state.order_at
    erase_entry(table, state.order_mask, entry)
    state.orders_open -= 1
    if VERIFY:
        left = find_order(state, instrument, gone)
        assert left.meta == 0, "what is taken out is found no more"


@kernel
def is_charged_loss(rules: RiskInstrument, side: int) -> bool:
    """Return whether an order reserves what it loses at once against the mark: any in a
    contract, but one that buys an option, which reserves its premium."""
    return rules.contract_at != 0 and (rules.leveraged != 0 or side != BUY)


@kernel
def loss_of(flags: int) -> int:
    """Return what a lot of an open order in a contract loses at once, from its flags."""
    code = flags >> lay.LOSS_SHIFT
    return (code & ((1 << lay.LOSS_BITS) - 1)) << (code >> lay.LOSS_BITS)


@kernel
def with_loss(flags: int, loss: int) -> int:
    """Return an order's flags with what a lot of it loses (0 or more), which is rounded up by less
    than 1 in 8,192."""
    loss, shift = min(loss, LARGEST >> 1), 0
    digits = loss
    while digits >> lay.LOSS_BITS != 0:
        shift += 1
        digits = ((loss - 1) >> shift) + 1
    code = shift << lay.LOSS_BITS | digits
    return flags & ((1 << lay.LOSS_SHIFT) - 1) | code << lay.LOSS_SHIFT


@kernel
def lot_cost(rules: RiskInstrument, side: int, flags: int, price: int) -> int:
    """Return what a lot of an order could pay: a buy its price (of none the instrument's highest),
    a sell what it takes if that is below zero. Of a leveraged instrument nothing: a margin, and in
    a contract what it loses against the mark."""
    if is_charged_loss(rules, side):
        return loss_of(flags)
    if rules.leveraged != 0:
        return 0
    if flags & lay.PRICED_FLAG == 0:
        price = rules.worst_buy if side == BUY else rules.worst_sell
    paid = price if side == BUY else wide.sub(0, price)
    return wide.mul(max(paid, 0), rules.multiplier)


@kernel
def lot_exposure(rules: RiskInstrument, flags: int, price: int) -> int:
    """Return how much a lot of an order counts in the exposure of its side: its price, without
    sign."""
    size = rules.bound if flags & lay.PRICED_FLAG == 0 else price
    size = max(size, wide.sub(0, size))
    return wide.mul(size, rules.multiplier)


@kernel
def worst_lots(position: int, buys: int, sells: int) -> int:
    """The largest position, long or short, that the open orders could make."""
    return max(wide.add(position, buys), wide.sub(sells, position), 0)


@kernel
def needed(rules: RiskInstrument, position: int, buys: int, sells: int, cost: int) -> int:
    """The money that the open orders of a cell, and what it is short of, need."""
    fees = wide.mul(wide.add(buys, sells), rules.fee)
    lots = max(wide.sub(sells, position), 0)
    if rules.leveraged != 0:
        lots = worst_lots(position, buys, sells)
    margin = wide.mul(lots, rules.margin)
    return wide.add(wide.add(cost, fees), margin)
