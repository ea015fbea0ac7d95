# (intrinsics have no types that mypy could see)
"""Where things lie in the state, what an order counts, and what a cell needs."""

import openoutcry.risk.layout as lay
from openoutcry.risk import wide
from openoutcry.wire.enums import Side
from openoutcry.wire.kernel import VERIFY, kernel
from openoutcry.wire.memory import load_i64, mul_wrapping, store_i64, store_release
from openoutcry.wire.open_orders import (
    ENTRY_BYTES,
    META,
    ORDER_ID,
    erase_entry,
    find_entry,
    home_of,
)

BUY = int(Side.BUY)
assert (lay.ORDER_ID, lay.ORDER_META, lay.ORDER_BYTES) == (ORDER_ID, META, ENTRY_BYTES)


@kernel
def participant_row(state: int, participant: int) -> int:
    return state + load_i64(state + lay.PARTICIPANT_AT) + participant * lay.PARTICIPANT_BYTES


@kernel
def group_row(state: int, group: int) -> int:
    return state + load_i64(state + lay.GROUP_AT) + group * lay.GROUP_BYTES


@kernel
def instrument_row(state: int, instrument: int) -> int:
    return state + load_i64(state + lay.INSTRUMENT_AT) + instrument * lay.INSTRUMENT_BYTES


@kernel
def cell_of(state: int, participant: int, instrument: int) -> int:
    index = participant * load_i64(state + lay.INSTRUMENTS) + instrument
    return state + load_i64(state + lay.CELL_AT) + index * lay.CELL_BYTES


@kernel
def publish(state: int) -> None:
    """Who is killed, what is halted, or a band is another than before: the gateway looks anew."""
    store_release(state + lay.PUBLICATION, load_i64(state + lay.PUBLICATION) + 1)


@kernel
def find_symbol(state: int, symbol: int) -> int:
    """Index of the instrument, or -1."""
    mask = load_i64(state + lay.SYMBOL_MASK)
    table = state + load_i64(state + lay.SYMBOLS_AT)
    at = (mul_wrapping(symbol, lay.HASH_FACTOR) >> 32) & mask
    while load_i64(table + 16 * at) != 0:
        if load_i64(table + 16 * at) == symbol:
            return load_i64(table + 16 * at + 8)
        at = (at + 1) & mask
    return -1


@kernel
def order_home(state: int, instrument: int, order_id: int) -> int:
    return home_of(load_i64(state + lay.ORDER_MASK), instrument, order_id)


@kernel
def find_order(state: int, instrument: int, order_id: int) -> int:
    """Address of the open order's entry, or of the free one where it would stand."""
    table = state + load_i64(state + lay.ORDER_AT)
    return find_entry(table, load_i64(state + lay.ORDER_MASK), instrument, order_id)


@kernel
def erase_order(state: int, entry: int) -> None:
    """Free an entry; those behind it that could stand here move up."""
    if VERIFY:
        gone = load_i64(entry + lay.ORDER_ID)
        instrument = load_i64(entry + lay.ORDER_META) & 0xFFFF
        assert load_i64(entry + lay.ORDER_META) != 0, "a free entry has no order to take out"
        assert load_i64(state + lay.ORDERS_OPEN) > 0, "an order that goes was counted"
    table = state + load_i64(state + lay.ORDER_AT)
    erase_entry(table, load_i64(state + lay.ORDER_MASK), entry)
    store_i64(state + lay.ORDERS_OPEN, load_i64(state + lay.ORDERS_OPEN) - 1)
    if VERIFY:
        left = find_order(state, instrument, gone)
        assert load_i64(left + lay.ORDER_META) == 0, "what is taken out is found no more"


@kernel
def lot_cost(rules: int, side: int, flags: int, price: int) -> int:
    """What a lot of an order could pay: a buy its price (of none the instrument's highest), a sell
    what it takes if that is below zero.  Of a leveraged instrument nothing: a margin."""
    if load_i64(rules + lay.LEVERAGED) != 0:
        return 0
    if flags & lay.PRICED_FLAG == 0:
        price = load_i64(rules + (lay.WORST_BUY if side == BUY else lay.WORST_SELL))
    paid = price if side == BUY else wide.sub(0, price)
    return wide.mul(max(paid, 0), load_i64(rules + lay.MULTIPLIER))


@kernel
def lot_exposure(rules: int, flags: int, price: int) -> int:
    """What a lot of an order counts in the exposure of its side: its price, without sign."""
    size = load_i64(rules + lay.BOUND) if flags & lay.PRICED_FLAG == 0 else price
    size = max(size, wide.sub(0, size))
    return wide.mul(size, load_i64(rules + lay.MULTIPLIER))


@kernel
def worst_lots(position: int, buys: int, sells: int) -> int:
    """The largest position, long or short, that the open orders could make."""
    return max(wide.add(position, buys), wide.sub(sells, position), 0)


@kernel
def needed(rules: int, position: int, buys: int, sells: int, cost: int) -> int:
    """The money that the open orders of a cell, and what it is short of, need."""
    fees = wide.mul(wide.add(buys, sells), load_i64(rules + lay.FEE))
    lots = max(wide.sub(sells, position), 0)
    if load_i64(rules + lay.LEVERAGED) != 0:
        lots = worst_lots(position, buys, sells)
    margin = wide.mul(lots, load_i64(rules + lay.MARGIN))
    return wide.add(wide.add(cost, fees), margin)
