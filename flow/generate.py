"""Generate a seeded market: five flows whose live book stays near 10,000 orders.

The generator keeps a small exact book of its own (levels as first-in-first-out lists), so it
cancels and replaces orders that are really open, and knows what each aggressor takes.  It can be
this small because of one invariant: every bid lies below the mid and every ask above it, always.
When the mid moves, an aggressor sweeps what it passes; between moves only aggressors trade.

Integer arithmetic only: the same flow, number of orders and seed give the same bytes everywhere.
"""

from collections.abc import Iterator

import numpy as np

from openoutcry.flow.errors import FlowError
from openoutcry.flow.source import CHUNK_ORDERS, Array
from openoutcry.wire.enums import CommandKind, OrderType, Side, TimeInForce
from openoutcry.wire.kernel import kernel
from openoutcry.wire.memory import load_i64, store_i64
from openoutcry.wire.records import ORDER_DTYPE, RECORD_BYTES, make_instruments

FLOWS = ("static", "normal", "swing-25", "swing-40", "flash-crash")

SYMBOL = b"OUTCRY"
SYMBOL_WORD = int.from_bytes(SYMBOL.ljust(8, b"\0"), "little")

START_TICKS = 100_000
CRASH_TICKS = 58_000
"""How far the mid falls in the flash crash."""
WALK_LIMIT_TICKS = 5_000
"""The random walk on top of a flow's path turns back here, so that no price leaves the ladder."""
TARGET_OPEN = 10_000
FASTEST_RAMP = 10
"""A run too short for 10,000 open orders has a tenth of its commands as target."""

STATIC, NORMAL, SWING_25, SWING_40, FLASH_CRASH = range(5)

# Shares of 65,536 among the commands that are no aggressors.  An aggressor comes every 32nd
# command; cancels are then 47 % of all commands when the book is at its target.
REPLACE_SHARE = 656
REDUCE_SHARE = 328
CANCEL_SHARE = 31_500
CANCEL_SHARE_MAX = 62_000
PULL = 300_000
"""How strongly the share of cancels answers to the number of open orders."""

# The state is one array of int64 words: scalars, then nodes, age log and price levels.
RNG, INDEX, ORDERS, FLOW, TARGET, MID, WALK, NEXT_ID, OPEN, OPEN_BIDS, OPEN_ASKS, FREE, LOG_END = (
    range(13)
)
GONE_ID, GONE_OWNER, GONE_PRICE, GONE_SIDE, PATH, THREATENED = range(13, 19)
# One counter for each line of the account, in the order of ACCOUNT.
COUNTS = 32
ACCOUNT = (
    "new limit",
    "new post-only",
    "new IOC",
    "new market",
    "new FOK",
    "cancel",
    "cancel of an order already gone",
    "reduce",
    "replace",
)
(
    C_LIMIT,
    C_POST_ONLY,
    C_IOC,
    C_MARKET,
    C_FOK,
    C_CANCEL,
    C_LATE_CANCEL,
    C_REDUCE,
    C_REPLACE,
) = range(COUNTS, COUNTS + 9)

NODE_COUNT = 16_384
"""Node 0 stands for "none"; more open orders than this less one are never sent."""
NODE_WORDS = 8
NODES = 64
NEXT, PREVIOUS, PRICE, QTY, ID, OWNER, SIDE, LOG_AT = range(8)

LOG_COUNT = 65_536
LOG = NODES + NODE_COUNT * NODE_WORDS
"""The age log: node of each order that came to rest, oldest first, 0 where it has gone."""

LEVEL_COUNT = 1 << 18
LEVELS = LOG + LOG_COUNT
"""First and last node of each price, bids before asks."""
STATE_WORDS = LEVELS + 2 * LEVEL_COUNT * 2

BUY = int(Side.BUY)
SELL = int(Side.SELL)
NEW = int(CommandKind.NEW)
CANCEL = int(CommandKind.CANCEL)
REDUCE = int(CommandKind.REDUCE)
REPLACE = int(CommandKind.REPLACE)
LIMIT = int(OrderType.LIMIT)
MARKET = int(OrderType.MARKET)
POST_ONLY = int(OrderType.POST_ONLY)
DAY = int(TimeInForce.DAY)
IOC = int(TimeInForce.IOC)
FOK = int(TimeInForce.FOK)


class GeneratedFlow:
    """A seeded market in one instrument, ``OUTCRY``, that starts at a mid of 100,000 ticks.

    ``flow`` is one of :data:`FLOWS`: ``static`` (the mid stays), ``normal`` (a gentle random
    walk), ``swing-25`` and ``swing-40`` (one sine of that many percent over the run) or
    ``flash-crash`` (the mid falls by 58 % within 8 % of the run and recovers).  ``orders`` is
    the number of commands.  Raises :class:`FlowError` for an unknown flow, fewer than one order
    or a seed outside 0 to 2**63 - 1.
    """

    def __init__(self, flow: str, orders: int, seed: int) -> None:
        if flow not in FLOWS:
            raise FlowError(f"no flow named {flow!r}: there are {', '.join(FLOWS)}")
        if orders < 1:
            raise FlowError(f"a generated flow has at least 1 order, not {orders}")
        if not 0 <= seed < 2**63:
            raise FlowError(f"a seed is 0 to 2**63 - 1, not {seed}")
        self.flow = flow
        self.orders = orders
        self.seed = seed
        self.name = f"generated {flow}, seed {seed}"
        self.instruments = make_instruments([SYMBOL])
        self.count_hint: int | None = orders
        self.account: dict[str, int] = {}
        self.open_orders = 0
        """Orders that should be resting after the last command that was yielded."""
        self.mid_ticks = START_TICKS
        """The mid at the last command that was yielded."""

    def chunks(self, chunk_orders: int = CHUNK_ORDERS) -> Iterator[Array]:
        """Yield the run from its first command in fresh arrays of ``chunk_orders`` at most."""
        state = _initial_state(FLOWS.index(self.flow), self.orders, self.seed)
        left = self.orders
        while left:
            count = min(left, chunk_orders)
            chunk = np.empty(count, dtype=ORDER_DTYPE)
            generate(state.ctypes.data, chunk.ctypes.data, count)
            left -= count
            counts = state[COUNTS : COUNTS + len(ACCOUNT)].tolist()
            self.account = dict(zip(ACCOUNT, counts, strict=True))
            self.open_orders = int(state[OPEN])
            self.mid_ticks = int(state[MID])
            yield chunk


def _initial_state(flow_index: int, orders: int, seed: int) -> Array:
    state = np.zeros(STATE_WORDS, dtype=np.int64)
    state[RNG] = seed
    state[ORDERS] = orders
    state[FLOW] = flow_index
    state[TARGET] = max(1, min(TARGET_OPEN, orders // FASTEST_RAMP))
    state[MID] = START_TICKS
    state[NEXT_ID] = 1
    nodes = state[NODES : NODES + NODE_COUNT * NODE_WORDS].reshape(NODE_COUNT, NODE_WORDS)
    nodes[1:-1, NEXT] = np.arange(2, NODE_COUNT)
    state[FREE] = 1
    return state


@kernel
def generate(state: int, out: int, count: int) -> None:
    """Write the next ``count`` commands.

    ``state``: address of ``STATE_WORDS`` int64 words, owned by the caller, advanced in place.
    ``out``: address of ``count`` order records, every byte of which is written.
    """
    for k in range(count):
        record = out + k * RECORD_BYTES
        index = _get(state, INDEX)
        _set(state, INDEX, index + 1)
        r = _random(state)
        if index & 63 == 0:
            old_mid = _get(state, MID)
            _set(state, MID, _next_mid(state, index, r >> 16))
            if _sweep(state, record, old_mid, r):
                continue
            _aggress(state, record, r)
        elif index & 63 == 32:
            _aggress(state, record, r)
        else:
            _passive(state, record, r)


@kernel
def _passive(state: int, record: int, r: int) -> None:
    """A new resting order, or a change to one; how many are open decides which."""
    count = _get(state, OPEN)
    target = _get(state, TARGET)
    cancel_share = CANCEL_SHARE + (count - target) * PULL // target
    cancel_share = min(max(cancel_share, 0), CANCEL_SHARE_MAX)
    if count == NODE_COUNT - 1:
        cancel_share = 65_536
    if count == 0:
        cancel_share = 0
    draw = r & 0xFFFF
    if draw < cancel_share:
        _cancel(state, record, r >> 16)
    elif count and draw >= 65_536 - REPLACE_SHARE:
        _replace(state, record, r >> 16)
    elif count and draw >= 65_536 - REPLACE_SHARE - REDUCE_SHARE:
        _reduce(state, record, r >> 16)
    else:
        _rest(state, record, r >> 16)


@kernel
def _rest(state: int, record: int, r: int) -> None:
    """A new limit order away from the mid; one in 16 is post-only, and of these one in 16 is
    priced to cross, which is what a post-only order is rejected for."""
    side = BUY + (r & 1)
    qty = _draw_qty(r >> 1)
    price = _draw_price(state, side, r >> 12)
    owner = _draw_owner(r >> 30)
    order_id = _take_id(state)
    post_only = (r >> 42) & 15 == 0
    if post_only and (r >> 46) & 15 == 0:
        best = _best(state, BUY + SELL - side)
        if best:
            _count(state, C_POST_ONLY)
            _write(record, best, qty, order_id, owner, NEW, side, POST_ONLY, DAY)
            return
    _append(state, price, qty, order_id, owner, side)
    if post_only:
        _count(state, C_POST_ONLY)
        _write(record, price, qty, order_id, owner, NEW, side, POST_ONLY, DAY)
    else:
        _count(state, C_LIMIT)
        _write(record, price, qty, order_id, owner, NEW, side, LIMIT, DAY)


@kernel
def _cancel(state: int, record: int, r: int) -> None:
    """Cancel an open order, mostly a young one; but where the market runs, one in four is the
    best order in its way, pulled before it is hit.  One cancel in 64 comes too late, as happens
    when a fill and a cancel meet on the way."""
    gone_id = _get(state, GONE_ID)
    if gone_id and r & 63 == 0:
        _count(state, C_LATE_CANCEL)
        price, owner, side = (
            _get(state, GONE_PRICE),
            _get(state, GONE_OWNER),
            _get(state, GONE_SIDE),
        )
        _write(record, price, 1, gone_id, owner, CANCEL, side, LIMIT, DAY)
        return
    node = _pick(state, r >> 8)
    threatened = _get(state, THREATENED)
    if threatened and (r >> 6) & 3 == 0:
        best = _best(state, threatened)
        if best:
            node = state + 8 * (NODES + _get(_level(state, threatened, best), 0) * NODE_WORDS)
    _count(state, C_CANCEL)
    _write_node(record, node, _get(node, PRICE), _get(node, QTY), CANCEL)
    _remove(state, node)


@kernel
def _reduce(state: int, record: int, r: int) -> None:
    """Take a part off an open order; what cannot be divided is cancelled instead."""
    node = _pick(state, r)
    qty = _get(node, QTY)
    if qty < 2:
        _count(state, C_CANCEL)
        _write_node(record, node, _get(node, PRICE), qty, CANCEL)
        _remove(state, node)
        return
    _count(state, C_REDUCE)
    off = max(1, qty >> (1 + ((r >> 40) & 1)))
    _write_node(record, node, _get(node, PRICE), off, REDUCE)
    _set(node, QTY, qty - off)


@kernel
def _replace(state: int, record: int, r: int) -> None:
    """Half of them move to a new price near the mid, the others stay with a new quantity."""
    node = _pick(state, r)
    s = _random(state)
    side = _get(node, SIDE)
    price = _get(node, PRICE)
    qty = _draw_qty(s)
    if s & (1 << 40):
        price = _draw_price(state, side, s >> 11)
    _count(state, C_REPLACE)
    _write_node(record, node, price, qty, REPLACE)
    if price == _get(node, PRICE) and qty <= _get(node, QTY):
        _set(node, QTY, qty)
        return
    _unlink(state, node)
    _set(node, PRICE, price)
    _set(node, QTY, qty)
    _link(state, node)


@kernel
def _aggress(state: int, record: int, r: int) -> None:
    """A small order that trades at once: of eight, five are IOC, two market, one fill-or-kill."""
    side = BUY + (r & 1)
    choice = (r >> 1) & 7
    qty = _draw_qty(r >> 4)
    owner = _draw_owner(r >> 16)
    order_id = _take_id(state)
    best = _best(state, BUY + SELL - side)
    price = best if best else _get(state, MID)
    if choice < 5:
        _count(state, C_IOC)
        _write(record, price, qty, order_id, owner, NEW, side, LIMIT, IOC)
        _execute(state, side, price, qty)
    elif choice < 7:
        _count(state, C_MARKET)
        _write(record, price, qty, order_id, owner, NEW, side, MARKET, IOC)
        _execute(state, side, LEVEL_COUNT - 1 if side == BUY else 1, qty)
    else:
        # Three ticks beyond the best; every fourth asks for more than there is.
        price = price + 3 if side == BUY else price - 3
        available = _available(state, side, price)
        if (r >> 30) & 3 == 0:
            qty = available + qty
        _count(state, C_FOK)
        _write(record, price, qty, order_id, owner, NEW, side, LIMIT, FOK)
        if qty <= available:
            _execute(state, side, price, qty)


@kernel
def _sweep(state: int, record: int, old_mid: int, r: int) -> bool:
    """If the mid has passed resting orders, write the IOC order that takes exactly these."""
    mid = _get(state, MID)
    if mid == old_mid:
        return False
    side = BUY if mid > old_mid else SELL
    # The scan starts at the mid, so it must start where the passed orders begin.
    _set(state, MID, old_mid)
    qty = _available(state, side, mid)
    if qty:
        _count(state, C_IOC)
        order_id = _take_id(state)
        _write(record, mid, qty, order_id, _draw_owner(r), NEW, side, LIMIT, IOC)
        _execute(state, side, mid, qty)
    _set(state, MID, mid)
    return qty > 0


@kernel
def _next_mid(state: int, index: int, r: int) -> int:
    """The flow's path at command ``index``, and the random walk on top of it (not if static)."""
    flow = _get(state, FLOW)
    if flow == STATIC:
        return START_TICKS
    walk = _get(state, WALK) + (r & 1) - ((r >> 1) & 1)
    walk = min(max(walk, -WALK_LIMIT_TICKS), WALK_LIMIT_TICKS)
    _set(state, WALK, walk)
    orders = _get(state, ORDERS)
    path = START_TICKS
    if flow == SWING_25:
        path += _sine(index, orders, START_TICKS // 4)
    elif flow == SWING_40:
        path += _sine(index, orders, START_TICKS * 2 // 5)
    elif flow == FLASH_CRASH:
        path -= _crash(index, orders)
    drift = path - _get(state, PATH) if index else 0
    _set(state, PATH, path)
    _set(state, THREATENED, 0 if drift == 0 else SELL if drift > 0 else BUY)
    return path + walk


@kernel
def _sine(index: int, orders: int, height: int) -> int:
    """One sine over the run, by Bhaskara's formula (exact to 0.2 %), in integers."""
    phase = index * 65_536 // orders
    half = phase & 32_767
    product = half * (32_768 - half)
    value = height * 16 * product // (5 * 32_768 * 32_768 - 4 * product)
    return value if phase < 32_768 else -value


@kernel
def _crash(index: int, orders: int) -> int:
    """How far the mid has fallen: all the way from 40 % to 48 % of the run, back until 75 %."""
    percent = index * 10_000 // orders
    if percent < 4_000 or percent >= 7_500:
        return 0
    if percent < 4_800:
        return CRASH_TICKS * (percent - 4_000) // 800
    return CRASH_TICKS * (7_500 - percent) // 2_700


@kernel
def _draw_price(state: int, side: int, r: int) -> int:
    """Distance from the mid: uniform below a power of two from 16 to 2,048 that is itself drawn
    uniformly, so that orders thin out as one over the distance.  Uses 15 bits."""
    distance = 1 + ((r >> 4) & ((16 << (r & 7)) - 1))
    mid = _get(state, MID)
    return mid - distance if side == BUY else mid + distance


@kernel
def _draw_qty(r: int) -> int:
    """Round lots of 100, from one to sixteen of them, mostly few.  Uses 8 bits."""
    return 100 * (1 + ((r >> 3) & ((1 << min(r & 7, 4)) - 1)))


@kernel
def _draw_owner(r: int) -> int:
    """Participant 1 to 128, a few of them very busy.  Uses 10 bits."""
    return 1 + ((r >> 3) & ((1 << (r & 7)) - 1))


@kernel
def _pick(state: int, r: int) -> int:
    """Address of an open order, ages by a power law: so many places back in the age log, uniform
    below a power of two that is itself drawn uniformly; the next older one if that one is gone.
    There must be an open order.  Uses 19 bits."""
    end = _get(state, LOG_END)
    back = (r >> 4) & ((2 << (r & 15)) - 1)
    at = end - 1 - back % end
    while _get(state, LOG + at) == 0:
        at = at - 1 if at else end - 1
    return state + 8 * (NODES + _get(state, LOG + at) * NODE_WORDS)


@kernel
def _append(state: int, price: int, qty: int, order_id: int, owner: int, side: int) -> None:
    """Rest a new order."""
    if _get(state, LOG_END) == LOG_COUNT:
        _compact_log(state)
    number = _get(state, FREE)
    node = state + 8 * (NODES + number * NODE_WORDS)
    _set(state, FREE, _get(node, NEXT))
    end = _get(state, LOG_END)
    _set(state, LOG + end, number)
    _set(state, LOG_END, end + 1)
    _set(node, PRICE, price)
    _set(node, QTY, qty)
    _set(node, ID, order_id)
    _set(node, OWNER, owner)
    _set(node, SIDE, side)
    _set(node, LOG_AT, end)
    _set(state, OPEN, _get(state, OPEN) + 1)
    _set(state, OPEN_BIDS + side - BUY, _get(state, OPEN_BIDS + side - BUY) + 1)
    _link(state, node)


@kernel
def _remove(state: int, node: int) -> None:
    """Take an order off the book; it is remembered as the one that has last gone."""
    _unlink(state, node)
    side = _get(node, SIDE)
    _set(state, OPEN, _get(state, OPEN) - 1)
    _set(state, OPEN_BIDS + side - BUY, _get(state, OPEN_BIDS + side - BUY) - 1)
    _set(state, LOG + _get(node, LOG_AT), 0)
    _set(state, GONE_ID, _get(node, ID))
    _set(state, GONE_OWNER, _get(node, OWNER))
    _set(state, GONE_PRICE, _get(node, PRICE))
    _set(state, GONE_SIDE, side)
    _set(node, NEXT, _get(state, FREE))
    _set(state, FREE, _number(state, node))


@kernel
def _compact_log(state: int) -> None:
    """Close the gaps in the age log; its order stays."""
    end = 0
    for at in range(LOG_COUNT):
        number = _get(state, LOG + at)
        if number:
            _set(state, LOG + end, number)
            _set(state + 8 * (NODES + number * NODE_WORDS), LOG_AT, end)
            end += 1
    for at in range(end, LOG_COUNT):
        _set(state, LOG + at, 0)
    _set(state, LOG_END, end)


@kernel
def _link(state: int, node: int) -> None:
    """Put a node last in the queue at its price."""
    level = _level(state, _get(node, SIDE), _get(node, PRICE))
    number = _number(state, node)
    last = _get(level, 1)
    _set(node, NEXT, 0)
    _set(node, PREVIOUS, last)
    _set(level, 1, number)
    if last:
        _set(state + 8 * (NODES + last * NODE_WORDS), NEXT, number)
    else:
        _set(level, 0, number)


@kernel
def _unlink(state: int, node: int) -> None:
    level = _level(state, _get(node, SIDE), _get(node, PRICE))
    after, before = _get(node, NEXT), _get(node, PREVIOUS)
    if before:
        _set(state + 8 * (NODES + before * NODE_WORDS), NEXT, after)
    else:
        _set(level, 0, after)
    if after:
        _set(state + 8 * (NODES + after * NODE_WORDS), PREVIOUS, before)
    else:
        _set(level, 1, before)


@kernel
def _best(state: int, side: int) -> int:
    """Best price on ``side``, found from the mid outwards, or 0 if nothing is there."""
    if _get(state, OPEN_BIDS + side - BUY) == 0:
        return 0
    step = -1 if side == BUY else 1
    price = _get(state, MID) + step
    while _get(_level(state, side, price), 0) == 0:
        price += step
    return price


@kernel
def _available(state: int, side: int, limit: int) -> int:
    """Lots that an aggressor on ``side`` finds from the mid to ``limit``, which is included."""
    step = 1 if side == BUY else -1
    price = _get(state, MID) + step
    total = 0
    while (limit - price) * step >= 0:
        number = _get(_level(state, BUY + SELL - side, price), 0)
        while number:
            node = state + 8 * (NODES + number * NODE_WORDS)
            total += _get(node, QTY)
            number = _get(node, NEXT)
        price += step
    return total


@kernel
def _execute(state: int, side: int, limit: int, qty: int) -> None:
    """Fill ``qty`` lots against the other side, best price first, oldest first, up to ``limit``."""
    step = 1 if side == BUY else -1
    price = _get(state, MID) + step
    other = BUY + SELL - side
    while qty and (limit - price) * step >= 0 and _get(state, OPEN_BIDS + other - BUY):
        number = _get(_level(state, other, price), 0)
        if number == 0:
            price += step
            continue
        node = state + 8 * (NODES + number * NODE_WORDS)
        open_qty = _get(node, QTY)
        if open_qty > qty:
            _set(node, QTY, open_qty - qty)
            return
        qty -= open_qty
        _remove(state, node)


@kernel
def _write_node(record: int, node: int, price: int, qty: int, kind: int) -> None:
    """A command about an open order, in its owner's name."""
    side = _get(node, SIDE)
    _write(record, price, qty, _get(node, ID), _get(node, OWNER), kind, side, LIMIT, DAY)


@kernel
def _write(
    record: int,
    price: int,
    qty: int,
    order_id: int,
    owner: int,
    kind: int,
    side: int,
    order_type: int,
    time_in_force: int,
) -> None:
    """All eight words of an order record; the seventh packs the small fields."""
    _set(record, 0, price)
    _set(record, 1, qty)
    _set(record, 2, SYMBOL_WORD)
    _set(record, 3, order_id)
    _set(record, 4, 0)
    _set(record, 5, 0)
    _set(record, 6, owner | kind << 32 | side << 40 | order_type << 48 | time_in_force << 56)
    _set(record, 7, 0)


@kernel
def _take_id(state: int) -> int:
    order_id = _get(state, NEXT_ID)
    _set(state, NEXT_ID, order_id + 1)
    return order_id


@kernel
def _count(state: int, counter: int) -> None:
    _set(state, counter, _get(state, counter) + 1)


@kernel
def _level(state: int, side: int, price: int) -> int:
    """Address of the two words (first node, last node) of a price."""
    return state + 8 * (LEVELS + ((side - BUY) * LEVEL_COUNT + price) * 2)


@kernel
def _number(state: int, node: int) -> int:
    return (node - state - 8 * NODES) // (8 * NODE_WORDS)


@kernel
def _get(base: int, word: int) -> int:
    return int(load_i64(base + 8 * word))


@kernel
def _set(base: int, word: int, value: int) -> None:
    store_i64(base + 8 * word, value)


@kernel
def _random(state: int) -> int:
    """63 random bits (splitmix64)."""
    z = np.uint64(load_i64(state + 8 * RNG)) + np.uint64(0x9E3779B97F4A7C15)
    store_i64(state + 8 * RNG, np.int64(z))
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    z = z ^ (z >> np.uint64(31))
    return int(np.int64(z >> np.uint64(1)))
