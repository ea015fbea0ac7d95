"""The generator's own exact little book: nodes in price levels, and a log of them by age.

It can be this small because of one invariant that the generator keeps: every bid lies below the
mid and every ask above it, always.  So the best price is found by stepping away from the mid.

All of it is one array of int64 words (:func:`new_state`), passed by address.
"""

import numpy as np

from openoutcry.flow.kernels import get_word, set_word
from openoutcry.flow.source import Array
from openoutcry.wire import enum_numbers
from openoutcry.wire.kernel import kernel

BUY = enum_numbers.SIDE_BUY
SELL = enum_numbers.SIDE_SELL

# Scalars of the book; the generator's own begin at GENERATOR_WORDS.
MID, OPEN, OPEN_BIDS, OPEN_ASKS, FREE, LOG_END = range(6)
# The order that has last gone.
GONE_ID, GONE_OWNER, GONE_PRICE, GONE_SIDE = range(6, 10)
# Sizes, and the words where log and levels begin: fixed when the state is made.
NODE_COUNT, LOG_COUNT, LOG, LEVELS = range(10, 14)
GENERATOR_WORDS = 14

NODES = 128
NODE_WORDS = 8
DEFAULT_NODES = 16_384
"""Node 0 means "none": one open order fewer than this fits."""
NEXT, PREVIOUS, PRICE, QTY, ID, OWNER, SIDE, LOG_AT = range(NODE_WORDS)

STRIDE = 2_654_435_761
"""A prime, and larger than any number of nodes."""
LOG_PLACES = 4
"""The age log has this many places a node. A place holds the node number of an order that came to
rest, oldest first, or 0 where the order has gone."""
LEVEL_COUNT = 1 << 18
"""First and last node number of each price, bids before asks."""


def new_state(mid_ticks: int, nodes: int = DEFAULT_NODES) -> Array:
    """An empty book for fewer than ``nodes`` open orders."""
    log = NODES + nodes * NODE_WORDS
    levels = log + nodes * LOG_PLACES
    state = np.zeros(levels + 2 * LEVEL_COUNT * 2, dtype=np.int64)
    state[MID] = mid_ticks
    state[NODE_COUNT : LEVELS + 1] = nodes, nodes * LOG_PLACES, log, levels
    table = state[NODES:log].reshape(nodes, NODE_WORDS)
    table[1:-1, NEXT] = np.arange(2, nodes)
    state[FREE] = 1
    return state


@kernel
def _log_at(state: int, place: int) -> int:
    """Index of a place of the age log."""
    return get_word(state, LOG) + place


@kernel
def node_addr(state: int, number: int) -> int:
    return state + 8 * (NODES + number * NODE_WORDS)


@kernel
def aged_node(state: int, back: int) -> int:
    """Address of the order ``back`` places back in the age log, or of the next older one that is
    still open. Counting continues at the young end. There must be an open order."""
    end = get_word(state, LOG_END)
    at = end - 1 - back % end
    while get_word(state, _log_at(state, at)) == 0:
        at = at - 1 if at else end - 1
    return node_addr(state, get_word(state, _log_at(state, at)))


@kernel
def any_node(state: int, draw: int) -> int:
    """Address of an open order, each about as likely as another: the first open node from a drawn
    number on, in strides that come to each.  There must be one."""
    number = draw % get_word(state, NODE_COUNT)
    while True:
        node = node_addr(state, number)
        if number and get_word(state, _log_at(state, get_word(node, LOG_AT))) == number:
            return node
        number = (number + STRIDE) % get_word(state, NODE_COUNT)


@kernel
def first_node(state: int, side: int, price: int) -> int:
    """Address of the oldest order at a price where there is one."""
    return node_addr(state, get_word(_level(state, side, price), 0))


@kernel
def append(state: int, price: int, qty: int, order_id: int, owner: int, side: int) -> None:
    """Rest a new order."""
    if get_word(state, LOG_END) == get_word(state, LOG_COUNT):
        _compact_log(state)
    number = get_word(state, FREE)
    node = node_addr(state, number)
    set_word(state, FREE, get_word(node, NEXT))
    end = get_word(state, LOG_END)
    set_word(state, _log_at(state, end), number)
    set_word(state, LOG_END, end + 1)
    set_word(node, PRICE, price)
    set_word(node, QTY, qty)
    set_word(node, ID, order_id)
    set_word(node, OWNER, owner)
    set_word(node, SIDE, side)
    set_word(node, LOG_AT, end)
    set_word(state, OPEN, get_word(state, OPEN) + 1)
    set_word(state, OPEN_BIDS + side - BUY, get_word(state, OPEN_BIDS + side - BUY) + 1)
    link(state, node)


@kernel
def remove(state: int, node: int) -> None:
    """Take an order off the book; it is remembered as the one that has last gone."""
    unlink(state, node)
    side = get_word(node, SIDE)
    set_word(state, OPEN, get_word(state, OPEN) - 1)
    set_word(state, OPEN_BIDS + side - BUY, get_word(state, OPEN_BIDS + side - BUY) - 1)
    set_word(state, _log_at(state, get_word(node, LOG_AT)), 0)
    set_word(state, GONE_ID, get_word(node, ID))
    set_word(state, GONE_OWNER, get_word(node, OWNER))
    set_word(state, GONE_PRICE, get_word(node, PRICE))
    set_word(state, GONE_SIDE, side)
    set_word(node, NEXT, get_word(state, FREE))
    set_word(state, FREE, _number(state, node))


@kernel
def _compact_log(state: int) -> None:
    """Close the gaps in the age log; its order stays."""
    end = 0
    for at in range(get_word(state, LOG_COUNT)):
        number = get_word(state, _log_at(state, at))
        if number:
            set_word(state, _log_at(state, end), number)
            set_word(node_addr(state, number), LOG_AT, end)
            end += 1
    for at in range(end, get_word(state, LOG_COUNT)):
        set_word(state, _log_at(state, at), 0)
    set_word(state, LOG_END, end)


@kernel
def link(state: int, node: int) -> None:
    """Put a node last in the queue at its price."""
    level = _level(state, get_word(node, SIDE), get_word(node, PRICE))
    number = _number(state, node)
    last = get_word(level, 1)
    set_word(node, NEXT, 0)
    set_word(node, PREVIOUS, last)
    set_word(level, 1, number)
    if last:
        set_word(node_addr(state, last), NEXT, number)
    else:
        set_word(level, 0, number)


@kernel
def unlink(state: int, node: int) -> None:
    level = _level(state, get_word(node, SIDE), get_word(node, PRICE))
    after, before = get_word(node, NEXT), get_word(node, PREVIOUS)
    if before:
        set_word(node_addr(state, before), NEXT, after)
    else:
        set_word(level, 0, after)
    if after:
        set_word(node_addr(state, after), PREVIOUS, before)
    else:
        set_word(level, 1, before)


@kernel
def best_price(state: int, side: int) -> int:
    """Best price on ``side``, found from the mid outwards, or 0 if nothing is there."""
    if get_word(state, OPEN_BIDS + side - BUY) == 0:
        return 0
    step = -1 if side == BUY else 1
    price = get_word(state, MID) + step
    while get_word(_level(state, side, price), 0) == 0:
        price += step
    return price


@kernel
def available_lots(state: int, side: int, limit: int) -> int:
    """Lots that an aggressor on ``side`` finds from the mid to ``limit``, which is included."""
    step = 1 if side == BUY else -1
    price = get_word(state, MID) + step
    total = 0
    while (limit - price) * step >= 0:
        number = get_word(_level(state, BUY + SELL - side, price), 0)
        while number:
            node = node_addr(state, number)
            total += get_word(node, QTY)
            number = get_word(node, NEXT)
        price += step
    return total


@kernel
def execute(state: int, side: int, limit: int, qty: int) -> None:
    """Fill ``qty`` lots against the other side, best price first, oldest first, up to ``limit``."""
    step = 1 if side == BUY else -1
    price = get_word(state, MID) + step
    other = BUY + SELL - side
    while qty and (limit - price) * step >= 0 and get_word(state, OPEN_BIDS + other - BUY):
        number = get_word(_level(state, other, price), 0)
        if number == 0:
            price += step
            continue
        node = node_addr(state, number)
        open_qty = get_word(node, QTY)
        if open_qty > qty:
            set_word(node, QTY, open_qty - qty)
            return
        qty -= open_qty
        remove(state, node)


@kernel
def _level(state: int, side: int, price: int) -> int:
    """Address of the two words (first node, last node) of a price."""
    return state + 8 * (get_word(state, LEVELS) + ((side - BUY) * LEVEL_COUNT + price) * 2)


@kernel
def _number(state: int, node: int) -> int:
    return (node - state - 8 * NODES) // (8 * NODE_WORDS)
