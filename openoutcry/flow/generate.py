"""Generate a seeded market: five flows whose live book stays near 10,000 orders.

The generator keeps its own exact little book. So it cancels and replaces orders that are really
open, and knows what each aggressor takes. When the mid moves, an aggressor sweeps the orders that
it passes; between moves only aggressors trade.

Integer arithmetic only: the same flow, number of orders and seed give the same bytes everywhere.
"""

from collections.abc import Iterator

import numpy as np

from openoutcry.flow import little_book as book
from openoutcry.flow.kernels import get_word, random_bits, set_word, write_order
from openoutcry.flow.little_book import BUY, SELL
from openoutcry.flow.source import CHUNK_ORDERS, Array
from openoutcry.wire import enum_numbers
from openoutcry.wire.errors import FlowError
from openoutcry.wire.kernel import kernel
from openoutcry.wire.memory import mul_wrapping
from openoutcry.wire.order_ids import VENUE_ORDER_IDS
from openoutcry.wire.record_blocks import OrderRecord
from openoutcry.wire.records import ORDER_DTYPE, RECORD_BYTES, make_instruments

FLOWS = ("static", "normal", "swing-25", "swing-40", "flash-crash")
STATIC, NORMAL, SWING_25, SWING_40, FLASH_CRASH = range(len(FLOWS))

SYMBOL = b"OUTCRY"
SYMBOL_WORD = int.from_bytes(SYMBOL.ljust(8, b"\0"), "little")

START_TICKS = 100_000
CRASH_TICKS = 58_000
"""How far the mid falls in the flash crash."""
WALK_LIMIT_TICKS = 5_000
"""The random walk on top of a flow's path ends here, so that no price leaves the ladder."""
TARGET_OPEN = 10_000
FASTEST_RAMP = 10
"""A run too short for 10,000 open orders has a tenth of its commands as target."""

# Shares of 65,536 among the commands that are not aggressors.  An aggressor comes every 32nd
# command; cancels are then 45 to 46 % of all commands where trades are few.
REPLACE_SHARE = 656
REDUCE_SHARE = 328
CANCEL_SHARE = 31_500
CANCEL_SHARE_MAX = 62_000
PULL = 300_000
"""How strongly the share of cancels answers to the number of open orders."""

RNG, INDEX, ORDERS, FLOW, TARGET, WALK, NEXT_ID, PATH, THREATENED, SHUFFLED = range(
    book.GENERATOR_WORDS, book.GENERATOR_WORDS + 10
)

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
COUNTS = 32
"""One counter for each line of the account, in its order."""
C_LIMIT, C_POST_ONLY, C_IOC, C_MARKET, C_FOK, C_CANCEL, C_LATE_CANCEL, C_REDUCE, C_REPLACE = range(
    COUNTS, COUNTS + len(ACCOUNT)
)

SHUFFLE, ID_BITS = 0x1E3779B97F4A7C15, VENUE_ORDER_IDS - 1
"""The multiplier is odd, so that each number gives a different identifier; the mask keeps
identifiers within what packets may name."""

NEW = enum_numbers.COMMAND_KIND_NEW
CANCEL = enum_numbers.COMMAND_KIND_CANCEL
REDUCE = enum_numbers.COMMAND_KIND_REDUCE
REPLACE = enum_numbers.COMMAND_KIND_REPLACE
LIMIT = enum_numbers.ORDER_TYPE_LIMIT
MARKET = enum_numbers.ORDER_TYPE_MARKET
POST_ONLY = enum_numbers.ORDER_TYPE_POST_ONLY
DAY = enum_numbers.TIME_IN_FORCE_DAY
IOC = enum_numbers.TIME_IN_FORCE_IOC
FOK = enum_numbers.TIME_IN_FORCE_FOK


class GeneratedFlow:
    """A seeded market in one instrument, ``OUTCRY``, that starts at a mid of 100,000 ticks.

    ``flow`` is one of :data:`FLOWS`. In ``static`` the mid stays; in ``normal`` it is a gentle
    random walk. In ``swing-25`` and ``swing-40`` it is one sine of that many percent over the run.
    In ``flash-crash`` it falls by 58 % within 8 % of the run and recovers.

    The number of commands is ``orders``. Raises :class:`FlowError` for an unknown flow, fewer than
    one order or a seed outside 0 to 2**63 - 1.
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
            self.open_orders = int(state[book.OPEN])
            self.mid_ticks = int(state[book.MID])
            yield chunk


def _initial_state(flow_index: int, orders: int, seed: int) -> Array:
    state = book.new_state(START_TICKS)
    state[RNG] = seed
    state[ORDERS] = orders
    state[FLOW] = flow_index
    state[TARGET] = max(1, min(TARGET_OPEN, orders // FASTEST_RAMP))
    state[NEXT_ID] = 1
    return state


@kernel
def generate(state: int, out: int, count: int) -> None:
    """Write the next ``count`` commands.

    ``state``: address of a ``little_book.new_state``, owned by the caller, advanced in place.
    ``out``: address of ``count`` order records, every byte of which is written.
    """
    for k in range(count):
        record = OrderRecord(out + k * RECORD_BYTES)
        index = get_word(state, INDEX)
        set_word(state, INDEX, index + 1)
        r = random_bits(state + 8 * RNG)
        if index & 63 == 0:
            old_mid = get_word(state, book.MID)
            set_word(state, book.MID, next_mid(state, index, r >> 16))
            if sweep(state, record, old_mid, r):
                continue
        if index & 31 == 0 and get_word(state, book.OPEN):
            _aggress(state, record, r)
        else:
            _passive(state, record, r)


@kernel
def _passive(state: int, record: OrderRecord, r: int) -> None:
    """A new resting order, or a change to one; how many are open decides which."""
    count = get_word(state, book.OPEN)
    target = get_word(state, TARGET)
    cancel_share = CANCEL_SHARE + (count - target) * PULL // target
    cancel_share = min(max(cancel_share, 0), CANCEL_SHARE_MAX)
    if count == get_word(state, book.NODE_COUNT) - 1:
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
def _rest(state: int, record: OrderRecord, r: int) -> None:
    """A new limit order away from the mid. One in 16 is post-only. Of these, one in 16 is priced to
    cross, so that the matcher rejects it."""
    side = BUY + (r & 1)
    qty = draw_qty(r >> 1)
    price = _draw_price(state, side, r >> 12)
    owner = draw_owner(r >> 30)
    order_id = take_id(state)
    post_only = (r >> 42) & 15 == 0
    if post_only and random_bits(state + 8 * RNG) & 15 == 0:
        best = book.best_price(state, BUY + SELL - side)
        if best:
            count(state, C_POST_ONLY)
            write_order(
                record, best, qty, SYMBOL_WORD, order_id, 0, owner, NEW, side, POST_ONLY, DAY
            )
            return
    book.append(state, price, qty, order_id, owner, side)
    if post_only:
        count(state, C_POST_ONLY)
        write_order(record, price, qty, SYMBOL_WORD, order_id, 0, owner, NEW, side, POST_ONLY, DAY)
    else:
        count(state, C_LIMIT)
        write_order(record, price, qty, SYMBOL_WORD, order_id, 0, owner, NEW, side, LIMIT, DAY)


@kernel
def _cancel(state: int, record: OrderRecord, r: int) -> None:
    """Cancel an open order, mostly a young one; but where the market runs, one in four is the
    best order in its way, pulled before it is hit.  One cancel in 64 comes too late, as happens
    when a fill and a cancel meet on the way."""
    gone_id = get_word(state, book.GONE_ID)
    if gone_id and r & 63 == 0:
        count(state, C_LATE_CANCEL)
        price, side = get_word(state, book.GONE_PRICE), get_word(state, book.GONE_SIDE)
        owner = get_word(state, book.GONE_OWNER)
        write_order(record, price, 1, SYMBOL_WORD, gone_id, 0, owner, CANCEL, side, LIMIT, DAY)
        return
    node = _pick(state, r >> 8)
    threatened = get_word(state, THREATENED)
    if threatened and (r >> 6) & 3 == 0:
        best = book.best_price(state, threatened)
        if best:
            node = book.first_node(state, threatened, best)
    count(state, C_CANCEL)
    write_node(record, node, get_word(node, book.PRICE), get_word(node, book.QTY), CANCEL)
    book.remove(state, node)


@kernel
def _reduce(state: int, record: OrderRecord, r: int) -> None:
    """Take a part off an open order; what cannot be divided is cancelled instead."""
    node = _pick(state, r)
    qty = get_word(node, book.QTY)
    if qty < 2:
        count(state, C_CANCEL)
        write_node(record, node, get_word(node, book.PRICE), qty, CANCEL)
        book.remove(state, node)
        return
    count(state, C_REDUCE)
    off = max(1, qty >> (1 + ((r >> 40) & 1)))
    write_node(record, node, get_word(node, book.PRICE), off, REDUCE)
    set_word(node, book.QTY, qty - off)


@kernel
def _replace(state: int, record: OrderRecord, r: int) -> None:
    """Half of them move to a new price near the mid, the others stay with a new quantity."""
    node = _pick(state, r)
    s = random_bits(state + 8 * RNG)
    side = get_word(node, book.SIDE)
    price = get_word(node, book.PRICE)
    qty = draw_qty(s)
    if s & (1 << 40):
        price = _draw_price(state, side, s >> 11)
    count(state, C_REPLACE)
    write_node(record, node, price, qty, REPLACE)
    if price == get_word(node, book.PRICE) and qty <= get_word(node, book.QTY):
        set_word(node, book.QTY, qty)
        return
    book.unlink(state, node)
    set_word(node, book.PRICE, price)
    set_word(node, book.QTY, qty)
    book.link(state, node)


@kernel
def _aggress(state: int, record: OrderRecord, r: int) -> None:
    """A small order that trades at once: of eight, five are IOC, two market, one fill-or-kill."""
    side = BUY + (r & 1)
    choice = (r >> 1) & 7
    qty = draw_qty(r >> 4)
    owner = draw_owner(r >> 16)
    order_id = take_id(state)
    best = book.best_price(state, BUY + SELL - side)
    price = best if best else get_word(state, book.MID)
    if choice < 5:
        count(state, C_IOC)
        write_order(record, price, qty, SYMBOL_WORD, order_id, 0, owner, NEW, side, LIMIT, IOC)
        book.execute(state, side, price, qty)
    elif choice < 7:
        count(state, C_MARKET)
        write_order(record, price, qty, SYMBOL_WORD, order_id, 0, owner, NEW, side, MARKET, IOC)
        book.execute(state, side, book.LEVEL_COUNT - 1 if side == BUY else 1, qty)
    else:
        # Three ticks beyond the best; every fourth asks for more than there is.
        price = price + 3 if side == BUY else price - 3
        available = book.available_lots(state, side, price)
        if (r >> 30) & 3 == 0:
            qty = available + qty
        count(state, C_FOK)
        write_order(record, price, qty, SYMBOL_WORD, order_id, 0, owner, NEW, side, LIMIT, FOK)
        if qty <= available:
            book.execute(state, side, price, qty)


@kernel
def sweep(state: int, record: OrderRecord, old_mid: int, r: int) -> bool:
    """If the mid has passed resting orders, write the IOC order that takes exactly these."""
    mid = get_word(state, book.MID)
    if mid == old_mid:
        return False
    side = BUY if mid > old_mid else SELL
    # The scan starts at the mid, so it must start where the passed orders begin.
    set_word(state, book.MID, old_mid)
    qty = book.available_lots(state, side, mid)
    if qty:
        count(state, C_IOC)
        order_id = take_id(state)
        write_order(
            record, mid, qty, SYMBOL_WORD, order_id, 0, draw_owner(r), NEW, side, LIMIT, IOC
        )
        book.execute(state, side, mid, qty)
    set_word(state, book.MID, mid)
    return qty > 0


@kernel
def next_mid(state: int, index: int, r: int) -> int:
    """The flow's path at command ``index``, and the random walk on top of it (not if static)."""
    flow = get_word(state, FLOW)
    if flow == STATIC:
        return START_TICKS
    walk = get_word(state, WALK) + (r & 1) - ((r >> 1) & 1)
    walk = min(max(walk, -WALK_LIMIT_TICKS), WALK_LIMIT_TICKS)
    set_word(state, WALK, walk)
    orders = get_word(state, ORDERS)
    path = START_TICKS
    if flow == SWING_25:
        path += _sine(index, orders, START_TICKS // 4)
    elif flow == SWING_40:
        path += _sine(index, orders, START_TICKS * 2 // 5)
    elif flow == FLASH_CRASH:
        path -= _crash(index, orders)
    drift = path - get_word(state, PATH) if index else 0
    set_word(state, PATH, path)
    set_word(state, THREATENED, 0 if drift == 0 else SELL if drift > 0 else BUY)
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
    """Return how far the mid has fallen: all the way from 40 % to 48 % of the run, back until 75
    %."""
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
    mid = get_word(state, book.MID)
    return mid - distance if side == BUY else mid + distance


@kernel
def draw_qty(r: int) -> int:
    """Round lots of 100, from one to sixteen of them, mostly few.  Uses 8 bits."""
    return 100 * (1 + ((r >> 3) & ((1 << min(r & 7, 4)) - 1)))


@kernel
def draw_owner(r: int) -> int:
    """Participant 1 to 128, a few of them very busy.  Uses 10 bits."""
    return 1 + ((r >> 3) & ((1 << (r & 7)) - 1))


@kernel
def _pick(state: int, r: int) -> int:
    """The address of an open order, drawn by a power law of its age.

    The distance back in the age log is uniform below a power of two, which is itself drawn
    uniformly. If that order has gone, the next older one is taken. There must be an open order.
    Uses 19 bits.
    """
    return book.aged_node(state, (r >> 4) & ((2 << (r & 15)) - 1))


@kernel
def write_node(record: OrderRecord, node: int, price: int, qty: int, kind: int) -> None:
    """A command about an open order, in its owner's name."""
    side = get_word(node, book.SIDE)
    write_order(
        record,
        price,
        qty,
        SYMBOL_WORD,
        get_word(node, book.ID),
        0,
        get_word(node, book.OWNER),
        kind,
        side,
        LIMIT,
        DAY,
    )


@kernel
def take_id(state: int) -> int:
    """The next id: upwards from 1, or with SHUFFLED the same numbers scattered over 62 bits."""
    order_id = get_word(state, NEXT_ID)
    set_word(state, NEXT_ID, order_id + 1)
    if get_word(state, SHUFFLED):
        order_id = mul_wrapping(order_id, SHUFFLE) & ID_BITS
        order_id = mul_wrapping(order_id ^ (order_id >> 31), SHUFFLE) & ID_BITS
    return order_id


@kernel
def count(state: int, counter: int) -> None:
    set_word(state, counter, get_word(state, counter) + 1)
