"""Random commands in which everything the matcher knows is mixed: for tests, needs no engine.

Swarm style: each seed switches a random part of the features on, each with its own rate, so that
rare combinations meet often in some run.  Ids are drawn so that most commands mean an order that
may be open; its owner, instrument, side and type follow from its number, so no state is kept.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from openoutcry.wire import (
    ORDER_DTYPE,
    CommandKind,
    InstrumentOption,
    OrderType,
    Phase,
    SelfTrade,
    Side,
    TimeInForce,
    make_instruments,
)
from openoutcry.wire.enums import AUX_HALVES, NEW_DAY, OPEN_KNOWN, SELF_TRADE_SHIFT
from openoutcry.wire.order_ids import LEG_ORDER_IDS
from openoutcry.wire.order_types import (
    BUDGETS,
    DAY,
    FOK,
    GTD,
    IOC,
    ORDER_TYPES,
    PEGS,
    TAKE_PROFITS,
    TIMES_IN_FORCE,
    TRAILING,
    TRAILING_BPS,
    Aux,
)
from openoutcry.wire.records import TICK_BANDS

Array = npt.NDArray[Any]
INT64_MIN, INT64_MAX = -(2**63), 2**63 - 1
EXTREME = np.array(
    [
        INT64_MIN,
        INT64_MIN + 1,
        -(2**62),
        -(2**62) - 1,
        -65,
        -1,
        0,
        1,
        2**40,
        2**62,
        2**62 + 1,
        INT64_MAX - 1,
        INT64_MAX,
    ],
    dtype=np.int64,
)

TIMES_ALLOWED = TIMES_IN_FORCE

STOPS = tuple(t for t, row in ORDER_TYPES.items() if row.aux == Aux.TRIGGER)

DAY_OF_PHASES: dict[Phase, tuple[Phase, ...]] = {
    Phase.CLOSED: (Phase.PRE_OPEN,),
    Phase.PRE_OPEN: (Phase.OPENING_AUCTION, Phase.OPENING_AUCTION, Phase.CONTINUOUS),
    Phase.OPENING_AUCTION: (Phase.CONTINUOUS,) * 4 + (Phase.HALT,),
    Phase.CONTINUOUS: (
        Phase.VOLATILITY_AUCTION,
        Phase.CLOSING_AUCTION,
        Phase.CLOSING_AUCTION,
        Phase.HALT,
        Phase.CONTINUOUS,
        Phase.TRADING_AT_LAST,
        Phase.CLOSED,
    ),
    Phase.VOLATILITY_AUCTION: (Phase.CONTINUOUS, Phase.CONTINUOUS, Phase.HALT, Phase.CLOSED),
    Phase.HALT: (Phase.CONTINUOUS, Phase.VOLATILITY_AUCTION, Phase.PRE_OPEN),
    Phase.CLOSING_AUCTION: (Phase.TRADING_AT_LAST, Phase.TRADING_AT_LAST, Phase.CLOSED),
    Phase.TRADING_AT_LAST: (Phase.CLOSED, Phase.CLOSED, Phase.CONTINUOUS),
}
"""What may come after a phase; how long one lasts is :data:`PHASE_COMMANDS`."""

PHASE_COMMANDS = {
    Phase.CLOSED: 4,
    Phase.PRE_OPEN: 40,
    Phase.OPENING_AUCTION: 40,
    Phase.CONTINUOUS: 250,
    Phase.VOLATILITY_AUCTION: 50,
    Phase.HALT: 6,
    Phase.CLOSING_AUCTION: 60,
    Phase.TRADING_AT_LAST: 30,
}


FIRST_TYPES = [t for t in OrderType if t <= OrderType.MIN_QTY]
LATER_TYPES = {
    OrderType.STOP_LIMIT: OrderType.POST_ONLY_STOP_LIMIT,
    OrderType.TRAILING_STOP: OrderType.TRAILING_STOP_LIMIT,
    OrderType.TRAILING_STOP_BPS: OrderType.TRAILING_STOP_LIMIT_BPS,
}
NEWEST_TYPES = {
    OrderType.STOP: OrderType.TAKE_PROFIT,
    OrderType.STOP_LIMIT: OrderType.TAKE_PROFIT_LIMIT,
}
"""In the place of one in five."""
LATER_BY_TIME = {
    (t, f): budget
    for t, budget in (
        (OrderType.MARKET, OrderType.MARKET_BUDGET),
        (OrderType.LIMIT, OrderType.LIMIT_BUDGET),
    )
    for f in (IOC, FOK)
}
"""What came later, in the place of two in five of an older type: a seed keeps all else it had."""


@dataclass(frozen=True)
class Mixed:
    """Commands (ORDER_DTYPE) for engines of these instruments and capacity."""

    seed: int
    instruments: Array
    orders: Array
    order_capacity: int
    features: tuple[str, ...]


@dataclass
class _Swarm:
    """The features of one run."""

    rng: np.random.Generator
    combinations: list[tuple[OrderType, TimeInForce]]
    combination_weights: Array
    self_trade_weights: Array
    kinds: list[CommandKind]
    kind_weights: Array
    phases: bool
    participants: Array
    width: int
    walk: float
    crossing: float
    clear_every: int
    max_qty: int
    ids: str
    id_count: int
    lag: int
    extreme: float
    malformed: float
    foreign: float
    centres: Array
    instruments: Array
    features: tuple[str, ...]
    has_later_types: bool


def mixed(seed: int, count: int = 2000, **switches: Any) -> Mixed:
    """``count`` commands and their instruments, the same for the same seed and switches.

    Switches fix what the seed would draw: ``types`` (order types), ``phases`` (bool), ``ids``
    ("tiny", "fresh" or "spread"), ``extreme`` and ``malformed`` (shares), ``width`` (ticks
    around the market), ``centres`` (ticks, of four instruments), ``order_capacity``,
    ``instruments`` (a table).
    """
    rng = np.random.default_rng([seed, 0x6D69786564])
    capacity = int(rng.choice([2, 5, 20, 100, 400, 1500], p=[0.02, 0.04, 0.08, 0.26, 0.35, 0.25]))
    capacity = int(switches.get("order_capacity", capacity))
    swarm = _draw_swarm(rng, capacity, switches)
    orders = _draw_orders(swarm, count)
    return Mixed(seed, swarm.instruments, orders, capacity, swarm.features)


def _draw_swarm(rng: np.random.Generator, capacity: int, switches: dict[str, Any]) -> _Swarm:
    some = rng.random() < 0.75
    types = [t for t in FIRST_TYPES if not some or rng.random() < 0.35]
    if OrderType.LIMIT not in types and rng.random() < 0.9:
        types.append(OrderType.LIMIT)
    types = list(switches.get("types", types)) or [OrderType.LIMIT]
    times = {t: rng.random() + 0.02 for t in TimeInForce if rng.random() < 0.5} | {DAY: 2.0}
    type_weights = {t: rng.random() + 0.05 for t in types}
    if OrderType.LIMIT in type_weights:
        type_weights[OrderType.LIMIT] += 1.0
    pairs = [(t, f) for t in types for f in TIMES_ALLOWED[t] if f in times] or [
        (OrderType.LIMIT, DAY)
    ]
    weights = np.array([type_weights.get(t, 1.0) * times[f] for t, f in pairs])
    modes = np.where(rng.random(len(SelfTrade)) < 0.5, rng.random(len(SelfTrade)), 0.0)
    modes[SelfTrade.ALLOW] += 0.0 if modes.sum() > 0 and rng.random() < 0.3 else 1.0
    rates = {
        CommandKind.NEW: 0.55,
        CommandKind.CANCEL: 0.05 + 0.2 * rng.random(),
        CommandKind.REDUCE: 0.12 * rng.random(),
        CommandKind.REPLACE: 0.3 * rng.random(),
        CommandKind.SET_EXPIRY: 0.05 * rng.random() * (rng.random() < 0.4),
        CommandKind.MASS_CANCEL: 0.02 * rng.random() ** 2 * (rng.random() < 0.5),
        CommandKind.DISCONNECT: 0.01 * rng.random() ** 2 * (rng.random() < 0.4),
        CommandKind.TIME: 0.05 * rng.random() * (rng.random() < 0.5),
    }
    phases = bool(switches.get("phases", rng.random() < 0.45))
    participants = rng.choice([1, 2, 3, 7, 0, 65535, 300], size=int(rng.integers(1, 5)))
    width = int(switches.get("width", rng.choice([1, 3, 8, 40, 300, 5000])))
    ids = str(switches.get("ids", rng.choice(["tiny", "fresh", "fresh", "spread"])))
    extreme = float(switches.get("extreme", rng.choice([0.0, 0.0, 0.005, 0.05])))
    malformed = float(switches.get("malformed", rng.choice([0.0, 0.002, 0.02])))
    centres = rng.choice(
        np.array([100, 1000, 10**6, 10**9, 0, -50, -(10**9), 2**45, 2**61]), size=4
    )
    centres = np.array(switches.get("centres", centres))
    if "instruments" in switches:
        instruments = switches["instruments"]
    else:
        instruments = _draw_instruments(rng, centres, width, phases)
    features = (
        *(t.name for t in types),
        *(f.name for f in times),
        *(m.name for m in SelfTrade if modes[m] > 0),
        *(k.name for k, rate in rates.items() if rate > 0),
        *(["phases"] if phases else []),
        f"ids {ids}",
        f"width {width}",
    )
    return _Swarm(
        rng=rng,
        combinations=pairs,
        combination_weights=weights / weights.sum(),
        self_trade_weights=modes / modes.sum(),
        kinds=list(rates),
        kind_weights=np.array(list(rates.values())) / sum(rates.values()),
        phases=phases,
        participants=participants,
        width=width,
        walk=float(rng.choice([0.0, 0.1, 1.0])),
        max_qty=int(rng.choice([1, 4, 12, 150])),
        ids=ids,
        id_count=int(rng.choice([1, 12, 40, 150], p=[0.05, 0.2, 0.35, 0.4])),
        lag=int(rng.choice([2, 5, 20, 80])),
        crossing=float(rng.choice([0.03, 0.15, 0.4])),
        clear_every=int(rng.choice([0, 1, 3])) * (capacity + 20),
        extreme=extreme,
        malformed=malformed,
        foreign=float(rng.choice([0.0, 0.03])),
        centres=centres[: len(instruments)]
        if len(instruments) <= 4
        else np.full(len(instruments), 1000),
        instruments=instruments,
        features=features,
        has_later_types="types" not in switches,
    )


def _draw_instruments(rng: np.random.Generator, centres: Array, width: int, phases: bool) -> Array:
    """One to four instruments, each with a random part of what an instrument can have."""

    def perhaps(share: float) -> bool:
        return bool(rng.random() < share)

    # What came later is drawn beside, so that a seed keeps what it had.
    sequence = rng.bit_generator.seed_seq
    assert isinstance(sequence, np.random.SeedSequence)
    late = np.random.default_rng(sequence.spawn(1)[0])
    rows: list[dict[str, Any]] = []
    for number in range(int(rng.choice([1, 1, 2, 4]))):
        centre = int(centres[number])
        row: dict[str, Any] = {"symbol": "ABCD"[number] * (1, 2, 8, 3)[number]}
        if perhaps(0.35):
            row["price_step_ticks"] = int(rng.choice([2, 3, 5, 10]))
        if perhaps(0.3):
            row.setdefault("price_step_ticks", 1)
            row["tick_table"] = _draw_tick_table(rng, centre, width)
        if perhaps(0.25):
            row["qty_step_lots"] = int(rng.choice([2, 5, 10]))
        if perhaps(0.15):
            row["min_qty_lots"], row["max_qty_lots"] = int(rng.choice([1, 2])), 4000
        if perhaps(0.15):
            row["max_qty_lots"] = INT64_MAX
        if perhaps(0.2):
            row["min_price_ticks"] = max(-(2**62), centre - 2 * width - 20)
            row["max_price_ticks"] = min(INT64_MAX, centre + 2 * width + 20)
        if perhaps(0.1):
            row["max_price_ticks"] = INT64_MAX
        if perhaps(0.5):
            row["reference_price_ticks"] = centre + int(rng.integers(-width, width + 1))
        if perhaps(0.4):
            row["market_band_ticks"] = int(rng.choice([1, width, 3 * width, 2**62]))
        if phases and perhaps(0.4):
            row["auction_band_ticks"] = int(rng.choice([1, max(1, width // 2)]))
            row["auction_extensions"] = int(rng.choice([1, 2, 255]))
        if perhaps(0.35):
            row["allocation"] = 2
            row["min_allocation_lots"] = int(rng.choice([0, 1, 2, 5]))
            row["top_share_bps"] = int(rng.choice([0, 1, 2500, 4000, 9999, 10000]))
        row["options"] = int(rng.integers(0, 8)) if perhaps(0.6) else 0
        if phases and perhaps(0.6):
            row["initial_phase"] = int(
                rng.choice([1, 2, 3, 4, 5, 6, 7, 8], p=[0.05, 0.25, 0.2, 0.2, 0.1, 0.05, 0.1, 0.05])
            )
        _draw_late(late, row)
        rows.append(row)
    return make_instruments(rows)


def _draw_late(rng: np.random.Generator, row: dict[str, Any]) -> None:
    """Allocation in steps, of which each may be missing, and the later options."""
    if rng.random() < 0.25:
        row["options"] |= InstrumentOption.SELF_TRADE_FIRST
    later = rng.spawn(1)[0]
    if later.random() < 0.3:
        row["options"] |= InstrumentOption.STOPS_BY_REFERENCE
    if later.random() < 0.3:
        row["options"] &= ~InstrumentOption.STOPS_BY_QUOTE
        row["options"] |= InstrumentOption.STOPS_BY_TRADE_OR_QUOTE
    if later.spawn(1)[0].random() < 0.3:
        row["options"] &= ~InstrumentOption.MARKET_REST_STAYS
        row["options"] |= InstrumentOption.MARKET_WAITS
    if later.spawn(1)[0].random() < 0.3:
        row["options"] |= InstrumentOption.PASSED_STOPS_REFUSED
    if rng.random() < 0.65:
        return
    row["allocation"] = 3
    row["min_allocation_lots"] = int(rng.choice([0, 1, 2, 5]))
    row["top_share_bps"] = int(rng.choice([0, 4000, 10_000, 10_000]))
    row["top_min_lots"], row["top_max_lots"] = (int(n) for n in rng.choice([0, 2, 10], 2))
    row["fifo_share_bps"] = int(rng.choice([0, 0, 4000, 9999, 10_000]))
    row["leveling"] = int(rng.integers(0, 2))
    for k in range(1, int(rng.choice([1, 1, 3, 9]))):
        row[f"lmm{k}_participant"] = int(rng.integers(0, 6))
        row[f"lmm{k}_share_bps"] = int(rng.choice([0, 1000, 1250]))


def _draw_tick_table(rng: np.random.Generator, centre: int, width: int) -> list[tuple[int, int]]:
    """Up to three bands that begin about the market."""
    table = []
    start = centre - width
    for _ in range(int(rng.integers(1, 4))):
        step = int(rng.choice([1, 2, 5, 20]))
        start = -(-start // step) * step
        table.append((start, step))
        start += int(rng.integers(1, width + 2))
    return table


def price_step(instruments: Array, index: Array, price: Array) -> Array:
    """The price step of each price in the instrument of the same place."""
    step = instruments["price_step_ticks"][index]
    for k in range(1, TICK_BANDS + 1):
        band_from = instruments[f"band{k}_from_ticks"][index]
        band_step = instruments[f"band{k}_step_ticks"][index]
        step = np.where((band_step > 0) & (price >= band_from), band_step, step)
    return step


def _hash(values: Array, salt: int) -> Array:
    """A number from 0 to 2**31 - 1 that goes with each value."""
    mixed_bits = (values.astype(np.uint64) + np.uint64(salt)) * np.uint64(0x9E3779B97F4A7C15)
    return ((mixed_bits ^ (mixed_bits >> np.uint64(29))) >> np.uint64(33)).astype(np.int64)


def _draw_orders(s: _Swarm, count: int) -> Array:
    rng = s.rng
    orders = np.zeros(count, dtype=ORDER_DTYPE)
    orders["seq"] = np.arange(1, count + 1)
    orders["rx_ts_ns"] = rng.integers(0, 2**60, count)
    kinds = rng.choice(np.array(s.kinds, dtype=np.uint8), count, p=s.kind_weights)
    is_new = kinds == CommandKind.NEW
    number, pair, crosses = _draw_numbers(s, kinds)
    first_id = int(rng.choice([0, 1, -7, LEG_ORDER_IDS - count, INT64_MIN]))
    if s.ids == "spread":
        ids = (number.astype(np.uint64) * np.uint64(0xD1342543DE82EF95)).astype(np.int64)
        ids[ids >= LEG_ORDER_IDS] -= LEG_ORDER_IDS  # those are for orders with terms
    else:
        ids = first_id + number
    salt = int(rng.integers(0, 2**31))
    index = _hash(number, salt) % len(s.instruments)
    if s.foreign:
        elsewhere = rng.random(count) < s.foreign
        index = np.where(elsewhere, rng.integers(0, len(s.instruments), count), index)
    side = 1 + _hash(number, salt + 1) % 2
    if s.ids == "tiny":
        side = np.where(is_new, rng.integers(1, 3, count), side)
    types = np.array([t for t, _ in s.combinations], dtype=np.uint8)[pair]
    times = np.array([f for _, f in s.combinations], dtype=np.uint8)[pair]
    if s.has_later_types:
        later = np.array(
            [LATER_BY_TIME.get((t, f), LATER_TYPES.get(t, t)) for t, f in s.combinations],
            dtype=np.uint8,
        )[pair]
        newest = np.array([NEWEST_TYPES.get(t, t) for t, _ in s.combinations], np.uint8)[pair]
        part = _hash(number, salt + 3) % 5
        types = np.where(part < 2, later, np.where(part == 2, newest, types))
    owner = s.participants[_hash(number, salt + 2) % len(s.participants)]
    if s.foreign:
        stranger = rng.random(count) < s.foreign
        owner = np.where(stranger, rng.choice(s.participants, count), owner)

    drift = (s.walk * np.cumsum(rng.integers(-1, 2, count))).astype(np.int64)
    centre = s.centres[index] + drift
    sign = np.where(side == Side.BUY, 1, -1)
    deep = -rng.integers(0, s.width + 1, count)
    through = rng.integers(1, s.width // 2 + 2, count)
    price = centre + sign * np.where(crosses, through, deep)
    is_peg = np.isin(types, PEGS)
    price = np.where(is_peg, centre + sign * rng.integers(-1, s.width + 2, count), price)
    step = price_step(s.instruments, index, price)
    off_step = rng.random(count) < 0.01
    price = np.where(off_step, price, price - price % step)

    lot = s.instruments["qty_step_lots"][index]
    qty = rng.integers(1, s.max_qty + 1, count)
    qty = np.where(types == OrderType.ICEBERG, qty * rng.integers(1, 15, count), qty) * lot
    qty = np.where(rng.random(count) < 0.01, qty + rng.integers(-2, 3, count), qty)

    now = np.cumsum(np.where(kinds == CommandKind.TIME, rng.integers(0, 12, count), 0))
    aux = _draw_aux(s, types, times, index, centre, sign, qty, lot, now)
    # Between a third of what the quantity would cost and twice that.
    cost = np.minimum(np.abs(price), 2**30) * np.clip(qty, 1, 2**30)
    budget = cost * (1 + _hash(number, salt + 4) % 6) // 3 + _hash(number, salt + 5) % 3
    aux = np.where(np.isin(types, BUDGETS), np.minimum(budget, INT64_MAX), aux)

    for field in (price, qty, aux):
        where = rng.random(count) < s.extreme
        edges = np.concatenate(
            [EXTREME, s.instruments["min_price_ticks"][:1], s.instruments["max_price_ticks"][:1]]
        )
        field[where] = rng.choice(edges, int(where.sum()))
    if s.extreme and rng.random() < 0.5:
        huge = rng.random(count) < 0.1
        qty[huge] = rng.integers(2**61, INT64_MAX, int(huge.sum()))

    orders["price_ticks"], orders["qty_lots"], orders["aux"] = price, qty, aux
    orders["symbol"] = s.instruments["symbol"][index]
    orders["order_id"], orders["participant"] = ids, owner
    orders["kind"], orders["side"], orders["order_type"] = kinds, side, types
    modes = rng.choice(len(SelfTrade), count, p=s.self_trade_weights)
    orders["time_in_force"] = times | (modes << SELF_TRADE_SHIFT)
    _maintenance(s, orders, now)
    if s.clear_every:
        _clear(s, orders)
    if s.phases:
        _phases(s, orders)
    _malform(s, orders)
    _know(s, orders)
    return orders


def _draw_numbers(s: _Swarm, kinds: Array) -> tuple[Array, Array, Array]:
    """Which order each command is about, its type and time in force (an index of the combinations),
    and whether its price is to trade.  All that belongs to an order follows from its number, so
    whoever changes it later knows what it is."""
    rng, count = s.rng, len(kinds)
    if s.ids == "tiny":
        number = rng.integers(0, s.id_count, count)
        pair = rng.choice(len(s.combinations), count, p=s.combination_weights)
        return number, pair, rng.random(count) < s.crossing
    is_new = kinds == CommandKind.NEW
    pairs = rng.choice(len(s.combinations), count + 1, p=s.combination_weights)
    crosses = rng.random(count + 1) < s.crossing
    leaves = np.array([f in (IOC, FOK) or t == OrderType.MARKET for t, f in s.combinations])
    likely_open = ~crosses & ~leaves[pairs]
    last_open = np.maximum.accumulate(np.where(likely_open, np.arange(count + 1), 0))
    back = np.minimum(rng.geometric(1 / s.lag, count), count)
    new_count = np.cumsum(is_new)
    old = np.maximum(new_count - back, 0)
    old = np.where(rng.random(count) < 0.9, last_open[old], old)
    number = np.where(is_new, new_count, old)
    # A replace may trade although its order did not.
    again = ~is_new & (rng.random(count) < s.crossing)
    return number, pairs[number], crosses[number] | again


def _draw_aux(
    s: _Swarm,
    types: Array,
    times: Array,
    index: Array,
    centre: Array,
    sign: Array,
    qty: Array,
    lot: Array,
    now: Array,
) -> Array:
    """What ``aux`` means to each type; nonsense for those that ignore it."""
    rng, count = s.rng, len(types)
    aux = np.where(rng.random(count) < 0.5, 0, rng.integers(-3, 100, count))
    aux = np.where(times == GTD, now + rng.integers(-1, 40, count), aux)
    away = np.where(np.isin(types, TAKE_PROFITS), -sign, sign)
    trigger = centre + away * rng.integers(-s.width // 2, s.width + 1, count)
    trigger -= trigger % price_step(s.instruments, index, trigger)
    aux = np.where(np.isin(types, STOPS), trigger, aux)
    distance = rng.integers(1, s.width + 2, count)
    basis_points = rng.choice([1, 10, 100, 2500, 9999], count)
    minimum = rng.choice([0, 0, 1, 3, s.width], count)
    aux = np.where(np.isin(types, TRAILING), distance | (minimum << 32), aux)
    aux = np.where(np.isin(types, TRAILING_BPS), basis_points | (minimum << 32), aux)
    display = np.maximum(qty // (lot * rng.integers(1, 12, count)), 1) * lot
    aux = np.where(types == OrderType.ICEBERG, display, aux)
    aux = np.where(np.isin(types, PEGS), rng.integers(-4, 5, count), aux)
    some = 1 + (rng.random(count) * np.maximum(qty, 1)).astype(np.int64)
    return np.where(types == OrderType.MIN_QTY, some, aux)


def _maintenance(s: _Swarm, orders: Array, now: Array) -> None:
    rng, count = s.rng, len(orders)
    kinds = orders["kind"]
    where = kinds == CommandKind.SET_EXPIRY
    orders["aux"][where] = (now + rng.integers(-2, 40, count))[where]
    where = kinds == CommandKind.TIME
    orders["aux"][where] = (now - (rng.random(count) < 0.03))[where]
    orders["participant"][where] = np.where(rng.random(count) < 0.02, 1, 0)[where]
    where = kinds == CommandKind.REPLACE
    orders["aux"][where & (rng.random(count) < 0.4)] = 0
    where = kinds == CommandKind.MASS_CANCEL
    orders["side"][where] = rng.choice([0, 0, 1, 2, 3], count, p=[0.3, 0.3, 0.19, 0.19, 0.02])[
        where
    ]
    everybody = rng.random(count) < 0.15
    orders["aux"][where] = np.where(everybody, 1, 0)[where]
    days = np.flatnonzero(where & everybody)[::3]
    orders["aux"][days], orders["qty_lots"][days], orders["side"][days] = NEW_DAY, 1 + days, 0
    orders["participant"][where & everybody & (rng.random(count) < 0.9)] = 0
    orders["symbol"][where & (rng.random(count) < 0.4)] = b""


def _clear(s: _Swarm, orders: Array) -> None:
    """The operator cancels everything now and then, so that a full book does not stay full."""
    at = np.flatnonzero(s.rng.random(len(orders)) < 1 / s.clear_every)
    for field, value in (
        ("kind", CommandKind.MASS_CANCEL),
        ("symbol", b""),
        ("side", 0),
        ("participant", 0),
        ("aux", 1),
    ):
        orders[field][at] = value


def _phases(s: _Swarm, orders: Array) -> None:
    """Each instrument goes through its days, at random places of the stream."""
    rng = s.rng
    scale = float(rng.choice([0.2, 1.0, 3.0]))
    for row in s.instruments:
        phase = Phase(int(row["initial_phase"]))
        at = 0
        while True:
            at += 1 + int(rng.exponential(PHASE_COMMANDS[phase] * scale * len(s.instruments)))
            if at >= len(orders):
                break
            phase = Phase(rng.choice(DAY_OF_PHASES[phase]))
            order = orders[at]
            price = order["price_ticks"]
            qty = int(rng.choice([0, 0, 1, 2]))
            orders[at] = (
                price,
                qty,
                row["symbol"],
                0,
                int(phase),
                0,
                0,
                0,
                CommandKind.PHASE,
                0,
                0,
                0,
                order["seq"],
            )


def _know(s: _Swarm, orders: Array) -> None:
    """Some REPLACEs say what open quantity their sender knew of, and some of those a new aux."""
    rng, count = s.rng, len(orders)
    knows = (orders["kind"] == CommandKind.REPLACE) & (rng.random(count) < 0.4)
    known = np.maximum(orders["qty_lots"], 0) + rng.integers(-2, s.max_qty + 2, count)
    halves = knows & (rng.random(count) < 0.4)
    both = orders["aux"] % 2**31 << 32 | known % 2**32
    orders["aux"] = np.where(halves, both, np.where(knows, known, orders["aux"]))
    orders["time_in_force"] = np.where(
        knows,
        orders["time_in_force"] & 0x70 | OPEN_KNOWN | np.where(halves, AUX_HALVES, 0),
        orders["time_in_force"],
    )


def _malform(s: _Swarm, orders: Array) -> None:
    """Bytes that nobody should send, a few."""
    rng, count = s.rng, len(orders)
    for field in ("kind", "side", "order_type", "time_in_force"):
        where = rng.random(count) < s.malformed / 4
        orders[field][where] = rng.integers(0, 256, int(where.sum()))
    for field in ("order_type", "time_in_force"):
        where = rng.random(count) < s.malformed
        orders[field][where] = rng.integers(0, 18, int(where.sum()))
    where = rng.random(count) < s.malformed
    orders["symbol"][where] = rng.choice([b"", b"ZZ", b"A\0B", b"A"], int(where.sum()))
    where = rng.random(count) < s.malformed / 2
    orders["error_code"][where] = rng.integers(1, 2**16, int(where.sum()))
    where = rng.random(count) < s.malformed
    orders["participant"][where] = rng.integers(0, 2**16, int(where.sum()))


def odd_lots(seed: int) -> Mixed:
    """Orders for a budget among orders of less than a step: replaces that know another open
    quantity leave these.  ``seed`` draws the instruments, too."""
    rng = np.random.default_rng(seed)
    shares = ({}, {"top_share_bps": 4000}, {"top_share_bps": 4000, "fifo_share_bps": 4000})
    rows = []
    for symbol in "AB":
        step, allocation = int(rng.choice([2, 5, 10])), int(rng.integers(1, 4))
        options = int(rng.choice([0, 8, 64, 64 | 8]))
        row = {"symbol": symbol, "qty_step_lots": step, "allocation": allocation}
        rows.append(row | {"options": options} | shares[allocation - 1])
    types = [OrderType.LIMIT, OrderType.MARKET_BUDGET, OrderType.LIMIT_BUDGET]
    others = (OrderType.ALL_OR_NONE, OrderType.ICEBERG, OrderType.MARKET, OrderType.HIDDEN)
    types += [t for t in others if rng.random() < 0.5]
    run = mixed(
        seed,
        800,
        width=3,
        extreme=0.0,
        order_capacity=300,
        phases=False,
        types=types,
        instruments=make_instruments(rows),
        centres=[4] * 4,
    )
    orders = run.orders
    replaces = orders["kind"] == CommandKind.REPLACE
    known = np.maximum(0, orders["qty_lots"] + rng.integers(-6, 7, len(orders)))
    orders["aux"] = np.where(replaces, known, orders["aux"])
    orders["time_in_force"][replaces] = orders["time_in_force"][replaces] & 0x70 | OPEN_KNOWN
    budgets = np.isin(orders["order_type"], BUDGETS) & (orders["kind"] == CommandKind.NEW)
    lots = np.maximum(1, orders["qty_lots"] + rng.integers(-8, 9, len(orders)))
    cost = lots * np.maximum(np.abs(orders["price_ticks"]), 1) + rng.integers(0, 5, len(orders))
    orders["aux"] = np.where(budgets, cost, orders["aux"])
    return run
