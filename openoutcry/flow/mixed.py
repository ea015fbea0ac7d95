"""Generate a seeded flow in which every command, order type and phase of a venue occurs.

Mostly limit orders, cancels and replaces, as on a real venue; each rarer order type in the share
that :data:`TYPE_SHARES` states.  Eight instruments trade by different rules, two of them through
auctions, halts and closings.  The generator keeps no book: it remembers what it sent and where the
market was, so that some of what it cancels is already gone, as happens.

Integer arithmetic only: the same number of orders and seed give the same bytes everywhere.
"""

from collections import Counter
from collections.abc import Iterator
from itertools import accumulate
from typing import Any

import numpy as np

from openoutcry.flow.kernels import get_word, random_bits, set_word, write_order
from openoutcry.flow.source import CHUNK_ORDERS, Array
from openoutcry.wire import enum_numbers
from openoutcry.wire.enums import (
    CommandKind,
    OrderType,
    Side,
    TimeInForce,
)
from openoutcry.wire.errors import FlowError
from openoutcry.wire.kernel import kernel
from openoutcry.wire.order_types import STOPS, type_bits
from openoutcry.wire.record_blocks import OrderRecord
from openoutcry.wire.records import ORDER_DTYPE, RECORD_BYTES, make_instruments

START_TICKS = 100_000
START_NS = 1_700_000_000 * 10**9
TIME_STEP_NS = 1_000_000
"""By how much each TIME command is later than the one before."""
TIME_EVERY = 1024
PHASE_EVERY = 2048
"""Commands from one PHASE command to the next; the two instruments that have phases take turns."""
MID_EVERY = 32
SWEEP_ROWS = 64
"""Remembered orders checked when the mids move: what a mid has passed is taken for traded."""

INSTRUMENTS: tuple[dict[str, Any], ...] = (
    {"symbol": b"PLAIN"},
    {"symbol": b"PRORATA", "allocation": enum_numbers.ALLOCATION_PRO_RATA, "qty_step_lots": 10},
    {
        "symbol": b"TOPSHARE",
        "allocation": enum_numbers.ALLOCATION_PRO_RATA,
        "top_share_bps": 4_000,
        "min_allocation_lots": 20,
    },
    {
        "symbol": b"BANDS",
        "price_step_ticks": 1,
        "tick_table": [(START_TICKS, 5)],
        "qty_step_lots": 100,
        "market_band_ticks": 50,
        "options": enum_numbers.INSTRUMENT_OPTION_MARKET_REST_STAYS,
    },
    {
        "symbol": b"QUOTES",
        "price_step_ticks": 2,
        "options": enum_numbers.INSTRUMENT_OPTION_STOPS_BY_QUOTE
        | enum_numbers.INSTRUMENT_OPTION_HALF_STEP_MIDPOINT,
    },
    {"symbol": b"AUCTION", "auction_band_ticks": 40, "auction_extensions": 2},
    {"symbol": b"DAY"},
    {"symbol": b"LIMITS", "min_price_ticks": 50_000, "max_price_ticks": 150_000},
)
COUNT = len(INSTRUMENTS)
SYMBOLS = tuple(
    int.from_bytes(row["symbol"].ljust(8, b"\0"), "little", signed=True) for row in INSTRUMENTS
)
PLAIN, BANDS, QUOTES, AUCTION, DAY_CYCLE = 0, 3, 4, 5, 6
PHASES_AUCTION = (
    enum_numbers.PHASE_VOLATILITY_AUCTION,
    enum_numbers.PHASE_CONTINUOUS,
    enum_numbers.PHASE_HALT,
    enum_numbers.PHASE_CONTINUOUS,
    enum_numbers.PHASE_CONTINUOUS,
    enum_numbers.PHASE_CONTINUOUS,
    enum_numbers.PHASE_CONTINUOUS,
    enum_numbers.PHASE_CONTINUOUS,
)
"""Phases of AUCTION, again and again."""
PHASES_DAY = (
    enum_numbers.PHASE_CLOSING_AUCTION,
    enum_numbers.PHASE_TRADING_AT_LAST,
    enum_numbers.PHASE_CLOSED,
    enum_numbers.PHASE_PRE_OPEN,
    enum_numbers.PHASE_OPENING_AUCTION,
    enum_numbers.PHASE_CONTINUOUS,
    enum_numbers.PHASE_CONTINUOUS,
    enum_numbers.PHASE_CONTINUOUS,
)
"""Phases of DAY, again and again."""
PHASE_STEPS = 8
CLOSED_PHASES = (
    enum_numbers.PHASE_CLOSED,
    enum_numbers.PHASE_HALT,
    enum_numbers.PHASE_TRADING_AT_LAST,
)
"""Participants send on, and are refused."""

TYPE_SHARES = {
    "market": 1_500,
    "market to limit": 400,
    "post-only": 3_000,
    "post-only, sliding": 800,
    "stop": 300,
    "stop-limit": 300,
    "trailing stop": 100,
    "trailing stop, basis points": 100,
    "iceberg": 1_500,
    "hidden": 800,
    "peg, primary": 60,
    "peg, market": 40,
    "peg, midpoint": 60,
    "all-or-none": 100,
    "minimum quantity": 400,
    "limit IOC": 2_500,
    "limit FOK": 800,
    "limit GTC": 6_000,
    "limit GTD": 3_000,
    "limit at the open": 200,
    "limit at the close": 200,
    "trailing stop-limit": 60,
    "trailing stop-limit, basis points": 60,
    "post-only stop-limit": 100,
    "take-profit": 60,
    "take-profit limit": 60,
}
"""Share of each in 65,536 new orders; what is left are DAY limit orders."""
BUDGETS = 7
"""A mask of random bits: one in eight of the orders that trade at once is for a budget."""
(
    T_MARKET, T_TO_LIMIT, T_POST, T_SLIDE, T_STOP, T_STOP_LIMIT, T_TRAIL, T_TRAIL_BPS, T_ICEBERG,
    T_HIDDEN, T_PRIMARY, T_PEG_MARKET, T_MIDPOINT, T_ALL, T_MIN, T_IOC, T_FOK, T_GTC, T_GTD, T_OPEN,
    T_CLOSE, T_TRAIL_LIMIT, T_TRAIL_LIMIT_BPS, T_POST_STOP, T_TAKE, T_TAKE_LIMIT,
) = accumulate(TYPE_SHARES.values())  # fmt: skip

COMMAND_SHARES = {
    "disconnect": 2,
    "mass cancel": 6,
    "set expiry": 200,
    "reduce": 1_000,
    "replace": 4_000,
}
"""Share of each in 65,536 commands; the others are new orders and cancels, as many cancels as keep
the number of open orders near TARGET_OPEN."""
C_DISCONNECT, C_MASS, C_EXPIRY, C_REDUCE, C_REPLACE = accumulate(COMMAND_SHARES.values())
TARGET_OPEN = 4_000
CANCEL_SHARE = 26_000
PULL = 300_000

# State, in int64 words; then one row for each order that may be open.
RNG, INDEX, NEXT_ID, OPEN, NOW, SWEPT = range(6)
MIDS = 8
PHASE_AT = MIDS + COUNT
PHASE_NOW = PHASE_AT + COUNT
ROWS = PHASE_NOW + COUNT
ROW_WORDS = 4
R_ID, R_WHO, R_PRICE, R_QTY = range(ROW_WORDS)
"""R_WHO: owner | side << 16 | instrument << 24 | order type << 32."""
MAX_ROWS = 2 * TARGET_OPEN
STATE_WORDS = ROWS + MAX_ROWS * ROW_WORDS

NEW, CANCEL, REDUCE, REPLACE, SET_EXPIRY, MASS_CANCEL, DISCONNECT, TIME, PHASE, *_ = map(
    int, CommandKind
)
BUY, SELL = map(int, Side)
LIMIT = enum_numbers.ORDER_TYPE_LIMIT
MARKET = enum_numbers.ORDER_TYPE_MARKET
POST_ONLY = enum_numbers.ORDER_TYPE_POST_ONLY
POST_ONLY_SLIDE = enum_numbers.ORDER_TYPE_POST_ONLY_SLIDE
MARKET_TO_LIMIT = enum_numbers.ORDER_TYPE_MARKET_TO_LIMIT
STOP = enum_numbers.ORDER_TYPE_STOP
STOP_LIMIT = enum_numbers.ORDER_TYPE_STOP_LIMIT
TRAILING_STOP = enum_numbers.ORDER_TYPE_TRAILING_STOP
TRAILING_STOP_BPS = enum_numbers.ORDER_TYPE_TRAILING_STOP_BPS
ICEBERG = enum_numbers.ORDER_TYPE_ICEBERG
HIDDEN = enum_numbers.ORDER_TYPE_HIDDEN
PEG_PRIMARY = enum_numbers.ORDER_TYPE_PEG_PRIMARY
PEG_MARKET = enum_numbers.ORDER_TYPE_PEG_MARKET
PEG_MIDPOINT = enum_numbers.ORDER_TYPE_PEG_MIDPOINT
ALL_OR_NONE = enum_numbers.ORDER_TYPE_ALL_OR_NONE
MIN_QTY = enum_numbers.ORDER_TYPE_MIN_QTY
TRAILING_STOP_LIMIT = enum_numbers.ORDER_TYPE_TRAILING_STOP_LIMIT
TRAILING_STOP_LIMIT_BPS = enum_numbers.ORDER_TYPE_TRAILING_STOP_LIMIT_BPS
POST_ONLY_STOP_LIMIT = enum_numbers.ORDER_TYPE_POST_ONLY_STOP_LIMIT
TAKE_PROFIT = enum_numbers.ORDER_TYPE_TAKE_PROFIT
TAKE_PROFIT_LIMIT = enum_numbers.ORDER_TYPE_TAKE_PROFIT_LIMIT
MARKET_BUDGET, LIMIT_BUDGET = (
    enum_numbers.ORDER_TYPE_MARKET_BUDGET,
    enum_numbers.ORDER_TYPE_LIMIT_BUDGET,
)
STOP_BITS = type_bits(STOPS)
DAY, IOC, FOK = (
    enum_numbers.TIME_IN_FORCE_DAY,
    enum_numbers.TIME_IN_FORCE_IOC,
    enum_numbers.TIME_IN_FORCE_FOK,
)
GTC, GTD = enum_numbers.TIME_IN_FORCE_GTC, enum_numbers.TIME_IN_FORCE_GTD
AT_OPEN, AT_CLOSE = enum_numbers.TIME_IN_FORCE_AT_OPEN, enum_numbers.TIME_IN_FORCE_AT_CLOSE


class MixedFlow:
    """A seeded flow of ``orders`` commands with everything in it, in the eight instruments of
    :data:`INSTRUMENTS`.  Raises :class:`FlowError` for fewer than one command or a seed outside 0
    to 2**63 - 1."""

    def __init__(self, orders: int, seed: int) -> None:
        if orders < 1:
            raise FlowError(f"a generated flow has at least 1 order, not {orders}")
        if not 0 <= seed < 2**63:
            raise FlowError(f"a seed is 0 to 2**63 - 1, not {seed}")
        self.orders = orders
        self.seed = seed
        self.name = f"generated mixed, seed {seed}"
        self.instruments = make_instruments(INSTRUMENTS)
        self.count_hint: int | None = orders
        self.account: dict[str, int] = {}

    def chunks(self, chunk_orders: int = CHUNK_ORDERS) -> Iterator[Array]:
        """Yield the run from its first command in fresh arrays of ``chunk_orders`` at most."""
        state = np.zeros(STATE_WORDS, np.int64)
        state[RNG], state[NEXT_ID], state[NOW] = self.seed, 1, START_NS
        state[MIDS : MIDS + COUNT] = START_TICKS
        state[PHASE_NOW : PHASE_NOW + COUNT] = enum_numbers.PHASE_CONTINUOUS
        counts: Counter[str] = Counter()
        left = self.orders
        while left:
            count = min(left, chunk_orders)
            chunk = np.empty(count, dtype=ORDER_DTYPE)
            generate_mixed(state.ctypes.data, chunk.ctypes.data, count)
            left -= count
            counts.update(_account(chunk))
            self.account = dict(counts)
            yield chunk


def _account(chunk: Array) -> dict[str, int]:
    """Commands by kind; new orders by type and time in force."""
    new = chunk["kind"] == NEW
    counts = {
        CommandKind(kind).name.lower(): int(count)
        for kind, count in zip(*np.unique(chunk["kind"][~new], return_counts=True), strict=True)
    }
    pairs = np.stack([chunk["order_type"][new], chunk["time_in_force"][new] & 15], axis=1)
    for (order_type, tif), count in zip(*np.unique(pairs, axis=0, return_counts=True), strict=True):
        name = f"new {OrderType(order_type).name} {TimeInForce(tif).name}".lower()
        counts[name] = int(count)
    return counts


@kernel
def generate_mixed(state: int, out: int, count: int) -> None:
    """Write the next ``count`` commands.

    ``state``: address of STATE_WORDS int64 words, owned by the caller, advanced in place.
    ``out``: address of ``count`` order records, every byte of which is written.
    """
    for k in range(count):
        record = OrderRecord(out + k * RECORD_BYTES)
        index = get_word(state, INDEX)
        set_word(state, INDEX, index + 1)
        r = random_bits(state + 8 * RNG)
        if index & (MID_EVERY - 1) == 0:
            _walk(state, r >> 16)
            _sweep(state)
        if index & (TIME_EVERY - 1) == TIME_EVERY - 1:
            _time(state, record)
        elif index & (PHASE_EVERY - 1) == PHASE_EVERY // 2:
            _phase(state, record, AUCTION if index & PHASE_EVERY else DAY_CYCLE)
        else:
            _command(state, record, r)


@kernel
def _command(state: int, record: OrderRecord, r: int) -> None:
    """One command of a participant."""
    count = get_word(state, OPEN)
    draw = r & 0xFFFF
    r >>= 16
    cancels = CANCEL_SHARE + (count - TARGET_OPEN) * PULL // TARGET_OPEN
    cancels = C_REPLACE + min(max(cancels, 0), 60_000 - C_REPLACE)
    if count == MAX_ROWS:
        cancels = 65_536
    if count < 2 or draw >= cancels:
        _new(state, record, r)
    elif draw < C_DISCONNECT:
        _disown_after_fork(state, _owner(r), 0, 0)
        write_order(record, 0, 0, 0, 0, 0, _owner(r), DISCONNECT, 0, 0, 0)
    elif draw < C_MASS:
        instrument = _instrument(r >> 10)
        owner, side = _owner(r >> 14), (r >> 1) % 3
        _disown_after_fork(state, owner, side, 1 + instrument if r & 1 else 0)
        symbol = _symbol(instrument) if r & 1 else 0
        write_order(record, 0, 0, symbol, 0, 0, owner, MASS_CANCEL, side, 0, 0)
    else:
        _maintain(state, record, draw, r)


@kernel
def _maintain(state: int, record: OrderRecord, draw: int, r: int) -> None:
    """A command about an order that is probably open."""
    row = _pick(state, r)
    r >>= 32
    who = get_word(row, R_WHO)
    owner, side, instrument = who & 0xFFFF, (who >> 16) & 0xFF, (who >> 24) & 0xFF
    order_type = who >> 32
    order_id, price, qty = get_word(row, R_ID), get_word(row, R_PRICE), get_word(row, R_QTY)
    symbol = _symbol(instrument)
    if draw < C_EXPIRY:
        later = get_word(state, NOW) + (1 + (r & 63)) * TIME_STEP_NS
        write_order(record, price, qty, symbol, order_id, later, owner, SET_EXPIRY, side, 0, 0)
    elif draw < C_REDUCE and qty > 100:
        set_word(row, R_QTY, qty - 100)
        write_order(record, price, 100, symbol, order_id, 0, owner, REDUCE, side, 0, 0)
    elif draw < C_REPLACE:
        if r & 1:
            price = _price(state, instrument, side, r >> 8)
        else:
            qty = 100 * (1 + ((r >> 8) & 15))
        set_word(row, R_PRICE, price)
        set_word(row, R_QTY, qty)
        aux = 200 if order_type == ICEBERG and qty >= 200 and r & 2 else 0
        aux = -1 - (r & 3) if order_type in (PEG_PRIMARY, PEG_MARKET) else aux
        write_order(record, price, qty, symbol, order_id, aux, owner, REPLACE, side, 0, 0)
    else:
        _forget(state, row)
        write_order(record, price, qty, symbol, order_id, 0, owner, CANCEL, side, 0, 0)


@kernel
def _new(state: int, record: OrderRecord, r: int) -> None:
    """A new order: the instrument, the participant and the quantity; its type adds the rest."""
    instrument = _instrument(r)
    side = BUY + ((r >> 4) & 1)
    owner = _owner(r >> 5)
    qty = 100 * (1 + ((r >> 18) & ((1 << ((r >> 15) & 3)) - 1)))
    draw = (r >> 24) & 0xFFFF
    s = random_bits(state + 8 * RNG)
    # One in eight says what to do when it meets its own participant.
    mode = 1 + ((s >> 3) & 3) if s & 7 == 0 else 0
    s >>= 6
    price = _price(state, instrument, side, s)
    s >>= 16
    mid = get_word(state, MIDS + instrument)
    towards = 1 if side == BUY else -1
    through = _valid(instrument, mid + towards * (2 + (s & 7)))
    order_type, tif, aux, rests = LIMIT, DAY, 0, True
    if draw < T_MARKET:
        order_type, tif, rests = MARKET, DAY if s & 8 else IOC, False
        if s & 8 == 0 and s >> 20 & BUDGETS == 0:
            order_type, tif = MARKET_BUDGET, FOK if s >> 24 & 1 else IOC
            aux = qty * mid * (1 + (s >> 25 & 7)) // 6
    elif draw < T_TO_LIMIT:
        order_type = MARKET_TO_LIMIT
    elif draw < T_POST:
        order_type = POST_ONLY
    elif draw < T_SLIDE:
        order_type = POST_ONLY_SLIDE
    elif draw < T_STOP_LIMIT:
        order_type = STOP if draw < T_STOP else STOP_LIMIT
        aux = _valid(instrument, mid + towards * (10 + (s & 127)))
        price = _valid(instrument, aux + towards * 10)
    elif draw < T_TRAIL_BPS:
        order_type = TRAILING_STOP if draw < T_TRAIL else TRAILING_STOP_BPS
        aux = (10 + (s & 63)) | (1 + ((s >> 8) & 3)) << 32
    elif draw < T_ICEBERG:
        order_type = ICEBERG
        aux = qty
        qty *= 4 + (s & 15)
    elif draw < T_HIDDEN:
        order_type = HIDDEN
    elif draw < T_MIDPOINT:
        order_type = PEG_PRIMARY if draw < T_PRIMARY else PEG_MARKET
        aux = -1 - (s & 3)
        if draw >= T_PEG_MARKET:
            order_type, aux = PEG_MIDPOINT, 0
        price = _valid(instrument, mid + towards * 200)
    elif draw < T_ALL:
        order_type = ALL_OR_NONE
        qty *= 4
    elif draw < T_MIN:
        order_type, aux, price = MIN_QTY, 100, through
    elif draw < T_FOK:
        tif, price, rests = IOC if draw < T_IOC else FOK, through, False
        if s >> 20 & BUDGETS == 0:
            order_type, aux = LIMIT_BUDGET, qty * mid * (1 + (s >> 25 & 7)) // 6
    elif draw < T_GTC:
        tif = GTC
    elif draw < T_GTD:
        tif, aux = GTD, get_word(state, NOW) + (1 + (s & 127)) * TIME_STEP_NS
    elif draw < T_CLOSE:
        tif = AT_OPEN if draw < T_OPEN else AT_CLOSE
    elif draw < T_TRAIL_LIMIT_BPS:
        order_type = TRAILING_STOP_LIMIT if draw < T_TRAIL_LIMIT else TRAILING_STOP_LIMIT_BPS
        aux = (10 + (s & 63)) | (1 + ((s >> 8) & 3)) << 32
        price = _valid(instrument, mid + towards * 20)
    elif draw < T_POST_STOP:
        order_type = POST_ONLY_STOP_LIMIT
        aux = _valid(instrument, mid + towards * (10 + (s & 127)))
        price = _valid(instrument, aux - towards * (s >> 8 & 7))
    elif draw < T_TAKE_LIMIT:
        order_type = TAKE_PROFIT if draw < T_TAKE else TAKE_PROFIT_LIMIT
        aux = _valid(instrument, mid - towards * (10 + (s & 127)))
        price = _valid(instrument, aux + towards * 10)
    elif s & 31 == 0:
        # A limit order in a hurry.
        price = through
    order_id = get_word(state, NEXT_ID)
    set_word(state, NEXT_ID, order_id + 1)
    if rests and get_word(state, PHASE_NOW + instrument) not in CLOSED_PHASES:
        _remember(
            state, order_id, owner | side << 16 | instrument << 24 | order_type << 32, price, qty
        )
    symbol = _symbol(instrument)
    tif |= mode << 4
    write_order(record, price, qty, symbol, order_id, aux, owner, NEW, side, order_type, tif)


@kernel
def _time(state: int, record: OrderRecord) -> None:
    now = get_word(state, NOW) + TIME_STEP_NS
    set_word(state, NOW, now)
    write_order(record, 0, 0, 0, 0, now, 0, TIME, 0, 0, 0)


@kernel
def _phase(state: int, record: OrderRecord, instrument: int) -> None:
    step = get_word(state, PHASE_AT + instrument)
    set_word(state, PHASE_AT + instrument, (step + 1) % PHASE_STEPS)
    phase = PHASES_AUCTION[step] if instrument == AUCTION else PHASES_DAY[step]
    set_word(state, PHASE_NOW + instrument, phase)
    mid = get_word(state, MIDS + instrument)
    write_order(record, mid, 1, _symbol(instrument), 0, phase, 0, PHASE, 0, 0, 0)


@kernel
def _walk(state: int, r: int) -> None:
    """Every market's mid goes a step up or down, or stays; far out it is pulled back."""
    for instrument in range(COUNT):
        bits = (r >> (2 * instrument)) & 3
        mid = get_word(state, MIDS + instrument)
        step = (1 if bits == 0 else -1 if bits == 1 else 0) * _step(instrument, mid)
        if (mid - START_TICKS) * step > 4_000:
            step = -step
        set_word(state, MIDS + instrument, mid + step)


@kernel
def _sweep(state: int) -> None:
    """Forget the orders that the mids have passed, SWEEP_ROWS at a time."""
    index = get_word(state, SWEPT)
    for _ in range(SWEEP_ROWS):
        if index >= get_word(state, OPEN):
            index = 0
            break
        row = _row(state, index)
        if _is_passed(state, row):
            _forget(state, row)
        else:
            index += 1
    set_word(state, SWEPT, index)


@kernel
def _disown_after_fork(state: int, owner: int, side: int, instrument: int) -> None:
    """Forget the owner's orders: of one side, or all (0); of one instrument from 1, or all (0)."""
    index = 0
    while index < get_word(state, OPEN):
        row = _row(state, index)
        who = get_word(row, R_WHO)
        if (
            who & 0xFFFF == owner
            and side in (0, (who >> 16) & 0xFF)
            and instrument in (0, 1 + ((who >> 24) & 0xFF))
        ):
            _forget(state, row)
        else:
            index += 1


@kernel
def _is_passed(state: int, row: int) -> bool:
    """Return whether the order's price is no longer on its own side of the mid (stops wait
    beyond it)."""
    who = get_word(row, R_WHO)
    away = get_word(state, MIDS + ((who >> 24) & 0xFF)) - get_word(row, R_PRICE)
    passed = away < 0 if (who >> 16) & 0xFF == BUY else away > 0
    return passed and STOP_BITS >> (who >> 32) & 1 == 0


@kernel
def _instrument(r: int) -> int:
    """Half of all orders are for the first instrument.  Uses 4 bits."""
    draw = r & 15
    return draw - 7 if 8 <= draw < 15 else PLAIN


@kernel
def _symbol(instrument: int) -> int:
    return SYMBOLS[instrument]


@kernel
def _owner(r: int) -> int:
    """Participant 1 to 128, a few of them very busy.  Uses 10 bits."""
    return 1 + ((r >> 3) & ((1 << (r & 7)) - 1))


@kernel
def _price(state: int, instrument: int, side: int, r: int) -> int:
    """A resting price: uniform below a power of two from 4 to 512 steps, drawn uniformly, from the
    mid.  Uses 13 bits."""
    mid = get_word(state, MIDS + instrument)
    distance = (1 + ((r >> 3) & ((4 << (r & 7)) - 1))) * _step(instrument, mid)
    return _valid(instrument, mid - distance if side == BUY else mid + distance)


@kernel
def _step(instrument: int, price: int) -> int:
    if instrument == BANDS and price >= START_TICKS:
        return 5
    return 2 if instrument == QUOTES else 1


@kernel
def _valid(instrument: int, price: int) -> int:
    return price - price % _step(instrument, price)


@kernel
def _row(state: int, index: int) -> int:
    return state + (ROWS + index * ROW_WORDS) * 8


@kernel
def _pick(state: int, r: int) -> int:
    """Address of a remembered order: one of the youngest half of the time.  An order that the
    market has passed is likely to be gone, so up to four are checked.  Uses 20 bits."""
    count = get_word(state, OPEN)
    row = _row(state, 0)
    for _ in range(4):
        span = count if r & 1 else min(count, 64)
        row = _row(state, count - 1 - ((r >> 1) & 0xFFFF) % span)
        if not _is_passed(state, row):
            break
        r = random_bits(state + 8 * RNG)
    return row


@kernel
def _remember(state: int, order_id: int, who: int, price: int, qty: int) -> None:
    count = get_word(state, OPEN)
    row = _row(state, count)
    set_word(row, R_ID, order_id)
    set_word(row, R_WHO, who)
    set_word(row, R_PRICE, price)
    set_word(row, R_QTY, qty)
    set_word(state, OPEN, count + 1)


@kernel
def _forget(state: int, row: int) -> None:
    """The last row takes its place."""
    count = get_word(state, OPEN) - 1
    last = _row(state, count)
    for word in range(ROW_WORDS):
        set_word(row, word, get_word(last, word))
    set_word(state, OPEN, count)
