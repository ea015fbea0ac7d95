"""Streams for measuring a matcher where it is weakest: a large book, scattered prices, cold orders.

The generated flows of ``generate.py`` are kind to caches: ten thousand orders near the touch, ids
that count upwards.  Here a book of ``live`` orders is built first (the first :attr:`Stream.prefill`
commands), and then the stream proper changes it.  Of its commands 40 % are new limit orders that
rest, 39 % cancels, 8 % replaces that move, 7 % immediate-or-cancel, 3 % post-only, 3 % reduces.
The mid goes the five ways of ``generate.py``.

Where orders rest and which of them go is a :class:`Shape`.  Two are fitted to recorded days, a
stock's and a coin's (a test fits them again); the third is the worst that one can make of them.

Integer arithmetic only: the same arguments give the same bytes everywhere.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from openoutcry.flow import generate as flow_generate
from openoutcry.flow import little_book as book
from openoutcry.flow.kernels import get_word, random_bits, set_word, write_order
from openoutcry.flow.little_book import BUY, SELL
from openoutcry.flow.source import CHUNK_ORDERS, Array
from openoutcry.wire.errors import FlowError
from openoutcry.wire.kernel import kernel
from openoutcry.wire.record_blocks import OrderRecord
from openoutcry.wire.records import ORDER_DTYPE, RECORD_BYTES, make_instruments

QUANTILES = (0, 1, 5, 10, 25, 50, 75, 90, 95, 99, 100)
"""Percent, of the two distributions of a shape; between two of them draws are uniform."""
MAX_LIVE = 1 << 21


@dataclass(frozen=True)
class Shape:
    """Where orders rest, and the age of those that are cancelled, reduced or replaced.

    ``touch_per_mille`` of the new orders are at their side's best price or between it and the mid.
    Quantiles of how far the others are from the best price are in ``distance_ticks``, with the mid
    at 100,000 ticks.

    ``age_orders`` has quantiles of how many orders came after one that goes. Of those that go,
    ``deep_per_mille`` are any of the open orders, whatever their age.
    """

    touch_per_mille: int
    distance_ticks: tuple[int, ...]
    age_orders: tuple[int, ...]
    deep_per_mille: int


SHAPES = {
    # AAPL, 21 June 2012, 09:30 to 10:30.
    "stock": Shape(
        281,
        (2, 2, 2, 3, 10, 22, 67, 156, 231, 310, 460),
        (0, 0, 0, 0, 2, 8, 32, 119, 251, 1293, 20_000),
        0,
    ),
    # BTC/USD, 1 May 2015, five hours.
    "coin": Shape(
        61,
        (1, 9, 51, 97, 271, 818, 1091, 2174, 7149, 11_279, 17_000),
        (0, 0, 0, 0, 2, 12, 56, 105, 218, 1562, 20_000),
        0,
    ),
    # Any price within 90 % of the mid, no order more likely to go than another: nothing is warm.
    "scattered": Shape(
        61,
        (1, 900, 4500, 9000, 22_500, 45_000, 67_500, 81_000, 85_500, 89_100, 90_000),
        (0, 0, 0, 0, 2, 12, 56, 105, 218, 1562, 20_000),
        1000,
    ),
}

# Shares of 10,000 commands; what is left of them are new limit orders.
CANCEL, REPLACE, IOC, POST_ONLY, REDUCE = 3900, 800, 700, 300, 300
STEER = 500
"""The share of cancels is moved by this much at most, to keep the book at its size."""

SHAPE = 64
"""Words of the state: touch, deep, then the quantiles of distances and of ages."""
TOUCH, DEEP, DISTANCES, AGES = SHAPE, SHAPE + 1, SHAPE + 2, SHAPE + 13


class Stream:
    """A seeded stream of ``orders`` commands in one instrument, ``OUTCRY``, on a book of ``live``
    orders, which ``prefill`` commands before them build.

    ``path`` is one of ``FLOWS``, ``shape`` one of :data:`SHAPES`; with ``shuffled`` order ids are
    scattered, without they count upwards.  Raises :class:`FlowError` for an unknown name, fewer
    than one command, or a size or seed out of range.
    """

    def __init__(
        self,
        path: str,
        orders: int,
        seed: int,
        live: int = 100_000,
        shape: str = "scattered",
        shuffled: bool = True,
    ) -> None:
        if path not in flow_generate.FLOWS:
            raise FlowError(f"no path named {path!r}: there are {', '.join(flow_generate.FLOWS)}")
        if shape not in SHAPES:
            raise FlowError(f"no shape named {shape!r}: there are {', '.join(SHAPES)}")
        if orders < 1:
            raise FlowError(f"a stream has at least 1 command, not {orders}")
        if not 1 <= live <= MAX_LIVE:
            raise FlowError(f"a stream has 1 to {MAX_LIVE} live orders, not {live}")
        if not 0 <= seed < 2**63:
            raise FlowError(f"a seed is 0 to 2**63 - 1, not {seed}")
        self.path, self.orders, self.seed, self.live = path, orders, seed, live
        self.shape, self.shuffled = shape, shuffled
        self.prefill = live
        """Commands, all of them new orders, before the stream proper."""
        self.name = f"stream {path}, {shape}, {live} live, seed {seed}"
        self.instruments = make_instruments([flow_generate.SYMBOL])
        self.count_hint: int | None = self.prefill + orders
        self.account: dict[str, int] = {}
        self.open_orders = 0
        """Orders that should be resting after the last command that was yielded."""

    def chunks(self, chunk_orders: int = CHUNK_ORDERS) -> Iterator[Array]:
        """Yield the book's orders, then the stream, in fresh arrays of ``chunk_orders`` at most."""
        state = self._state()
        left = self.prefill + self.orders
        while left:
            count = min(left, chunk_orders)
            chunk = np.empty(count, dtype=ORDER_DTYPE)
            generate(state.ctypes.data, chunk.ctypes.data, count)
            left -= count
            counts = state[
                flow_generate.COUNTS : flow_generate.COUNTS + len(flow_generate.ACCOUNT)
            ].tolist()
            kinds = zip(flow_generate.ACCOUNT, counts, strict=True)
            self.account = {name: count for name, count in kinds if count}
            self.open_orders = int(state[book.OPEN])
            yield chunk

    def _state(self) -> Array:
        state = book.new_state(flow_generate.START_TICKS, self.live * 5 // 4 + 1024)
        state[flow_generate.RNG] = self.seed
        state[flow_generate.INDEX] = -self.prefill
        state[flow_generate.ORDERS] = self.orders
        state[flow_generate.FLOW] = flow_generate.FLOWS.index(self.path)
        state[flow_generate.PATH] = flow_generate.START_TICKS
        state[flow_generate.TARGET] = self.live
        state[flow_generate.NEXT_ID] = 1
        state[flow_generate.SHUFFLED] = self.shuffled
        shape = SHAPES[self.shape]
        state[TOUCH], state[DEEP] = shape.touch_per_mille, shape.deep_per_mille
        state[DISTANCES : DISTANCES + len(QUANTILES)] = shape.distance_ticks
        state[AGES : AGES + len(QUANTILES)] = shape.age_orders
        return state


@kernel
def generate(state: int, out: int, count: int) -> None:
    """Write the next ``count`` commands at ``out``, every byte of each; ``state`` is advanced."""
    for k in range(count):
        record = OrderRecord(out + k * RECORD_BYTES)
        index = get_word(state, flow_generate.INDEX)
        set_word(state, flow_generate.INDEX, index + 1)
        r = random_bits(state + 8 * flow_generate.RNG)
        if index < 0:
            _rest(state, record, r, flow_generate.LIMIT)
            continue
        if index & 63 == 0:
            old_mid = get_word(state, book.MID)
            set_word(state, book.MID, flow_generate.next_mid(state, index, r >> 16))
            if flow_generate.sweep(state, record, old_mid, r):
                continue
        _step(state, record, r)


@kernel
def _step(state: int, record: OrderRecord, r: int) -> None:
    """One command of the mix."""
    draw = (r & 0xFFFFF) % 10_000
    r >>= 20
    live, target = get_word(state, book.OPEN), get_word(state, flow_generate.TARGET)
    steer = min(max((live - target) * 10 * STEER // target, -STEER), STEER)
    is_full = live + 1 >= get_word(state, book.NODE_COUNT)
    if live == 0:
        _rest(state, record, r, flow_generate.LIMIT)
    elif draw < CANCEL + steer or is_full:
        _cancel(state, record, r)
    elif draw >= 10_000 - IOC:
        _take(state, record, r)
    elif draw >= 10_000 - IOC - REPLACE:
        _move(state, record, r)
    elif draw >= 10_000 - IOC - REPLACE - REDUCE:
        _reduce(state, record, r)
    elif draw >= 10_000 - IOC - REPLACE - REDUCE - POST_ONLY:
        _rest(state, record, r, flow_generate.POST_ONLY)
    else:
        _rest(state, record, r, flow_generate.LIMIT)


@kernel
def _rest(state: int, record: OrderRecord, r: int, order_type: int) -> None:
    side = BUY + (r & 1)
    qty, owner = flow_generate.draw_qty(r >> 1), flow_generate.draw_owner(r >> 12)
    price = _price(state, side)
    order_id = flow_generate.take_id(state)
    flow_generate.count(
        state,
        flow_generate.C_LIMIT if order_type == flow_generate.LIMIT else flow_generate.C_POST_ONLY,
    )
    book.append(state, price, qty, order_id, owner, side)
    write_order(
        record,
        price,
        qty,
        flow_generate.SYMBOL_WORD,
        order_id,
        0,
        owner,
        flow_generate.NEW,
        side,
        order_type,
        flow_generate.DAY,
    )


@kernel
def _cancel(state: int, record: OrderRecord, r: int) -> None:
    """Where the market runs, one in four is the best order in its way."""
    node = _pick(state)
    threatened = get_word(state, flow_generate.THREATENED)
    if threatened and r & 3 == 0:
        best = book.best_price(state, threatened)
        if best:
            node = book.first_node(state, threatened, best)
    flow_generate.count(state, flow_generate.C_CANCEL)
    flow_generate.write_node(
        record, node, get_word(node, book.PRICE), get_word(node, book.QTY), flow_generate.CANCEL
    )
    book.remove(state, node)


@kernel
def _move(state: int, record: OrderRecord, r: int) -> None:
    """A replace at another price, with another quantity."""
    node = _pick(state)
    price, qty = _price(state, get_word(node, book.SIDE)), flow_generate.draw_qty(r)
    if price == get_word(node, book.PRICE):
        qty += get_word(node, book.QTY)
    flow_generate.count(state, flow_generate.C_REPLACE)
    flow_generate.write_node(record, node, price, qty, flow_generate.REPLACE)
    book.unlink(state, node)
    set_word(node, book.PRICE, price)
    set_word(node, book.QTY, qty)
    book.link(state, node)


@kernel
def _reduce(state: int, record: OrderRecord, r: int) -> None:
    node = _pick(state)
    price, qty = get_word(node, book.PRICE), get_word(node, book.QTY)
    if qty < 2:
        _cancel(state, record, r | 3)
        return
    flow_generate.count(state, flow_generate.C_REDUCE)
    flow_generate.write_node(record, node, price, qty >> 1, flow_generate.REDUCE)
    set_word(node, book.QTY, qty - (qty >> 1))


@kernel
def _take(state: int, record: OrderRecord, r: int) -> None:
    """An immediate-or-cancel order at the other side's best price."""
    side = BUY + (r & 1)
    qty, owner = flow_generate.draw_qty(r >> 1), flow_generate.draw_owner(r >> 12)
    best = book.best_price(state, BUY + SELL - side)
    price = best if best else get_word(state, book.MID)
    order_id = flow_generate.take_id(state)
    flow_generate.count(state, flow_generate.C_IOC)
    write_order(
        record,
        price,
        qty,
        flow_generate.SYMBOL_WORD,
        order_id,
        0,
        owner,
        flow_generate.NEW,
        side,
        flow_generate.LIMIT,
        flow_generate.IOC,
    )
    book.execute(state, side, price, qty)


@kernel
def _price(state: int, side: int) -> int:
    """Return where an order of ``side`` rests: see :class:`Shape`."""
    r = random_bits(state + 8 * flow_generate.RNG)
    mid = get_word(state, book.MID)
    step = -1 if side == BUY else 1
    best = book.best_price(state, side)
    gap = (best - mid) * step if best else 1
    if r % 1000 < get_word(state, TOUCH):
        # Three in four between best price and mid, if there is room, as on the recorded days.
        between = 1 + (r >> 12) % gap
        return mid + step * (between if (r >> 10) & 3 else gap)
    distance = _draw(state, DISTANCES) * mid // flow_generate.START_TICKS
    price = mid + step * (gap + max(distance, 1))
    return min(max(price, 1), book.LEVEL_COUNT - 2)


@kernel
def _pick(state: int) -> int:
    """Address of the open order that a command is about: see :class:`Shape`."""
    r = random_bits(state + 8 * flow_generate.RNG)
    if r % 1000 < get_word(state, DEEP):
        return book.any_node(state, r >> 10)
    return book.aged_node(state, _draw(state, AGES))


@kernel
def _draw(state: int, table: int) -> int:
    """One of a distribution whose quantiles begin at word ``table``."""
    r = random_bits(state + 8 * flow_generate.RNG)
    percent = r % 100
    at = 0
    while percent >= _percent(at + 1):
        at += 1
    low, high = get_word(state, table + at), get_word(state, table + at + 1)
    return low + (r >> 8) % (high - low + 1)


@kernel
def _percent(at: int) -> int:
    """QUANTILES[at]."""
    return (PACKED >> (at << 3)) & 0xFF if at < 8 else (PACKED_HIGH >> ((at - 8) << 3)) & 0xFF


PACKED = int.from_bytes(bytes(QUANTILES[:8]), "little")
PACKED_HIGH = int.from_bytes(bytes(QUANTILES[8:]), "little")
