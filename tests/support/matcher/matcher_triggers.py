"""Random commands among which are stops with named prices and orders that expire; and
marks, which come with no command of the matcher."""

from dataclasses import replace

import numpy as np

from openoutcry.matcher import Engine
from openoutcry.matcher.book import arena as layout
from openoutcry.matcher.book.arena import ArenaHeader
from openoutcry.matcher.book.marks import marks_of
from openoutcry.matcher.event_bound import scratch_records
from openoutcry.matcher.hooks import settle
from openoutcry.wire import EVENT_DTYPE, ORDER_DTYPE, CommandKind, TimeInForce
from openoutcry.wire.enums import HAS_ACTIVATION, TIF_MASK, Term, TriggerBy
from openoutcry.wire.kernel import kernel
from openoutcry.wire.order_types import ORDER_TYPES, STOPS, TRAILING
from openoutcry.wire.record_blocks import OrderRecord
from openoutcry.wire.records import NO_PRICE
from tests.support.matcher.matcher_lists import mixed_lists
from tests.support.matcher.matcher_mixed import Mixed


@kernel
def put_marks(arena: int, order: int, instrument: int, mark: int, index: int, out: int) -> int:
    """What ``marks.follow_marks`` does of one instrument."""
    header = ArenaHeader(arena)
    marks = marks_of(header, instrument)
    marks.mark = mark
    marks.index = index
    return settle(header, OrderRecord(order), instrument, out)


def mark(engine, symbol, mark_ticks, index_ticks, seq):  # type: ignore[no-untyped-def]
    """Give an engine's instrument a mark and an index (None: none); returns the events."""
    prices = [NO_PRICE if p is None else p for p in (mark_ticks, index_ticks)]
    if not isinstance(engine, Engine):
        rows = engine.mark(symbol, mark_ticks, index_ticks, seq)
        return np.array(rows, dtype=EVENT_DTYPE)
    order = np.zeros(1, ORDER_DTYPE)
    order["seq"] = seq
    out = np.zeros(scratch_records(engine.order_capacity), EVENT_DTYPE)
    instrument = engine._instrument(symbol)
    count = put_marks(engine.address, order.ctypes.data, instrument, *prices, out.ctypes.data)
    words = engine.arena[: layout.HEADER_BYTES].view(np.int64)
    before = engine.event_count
    words[layout.EVENT_COUNT // 8] += count
    events = out[:count]
    events["seq"] = before + 1 + np.arange(count)
    return events


def mixed_triggers(seed: int, count: int = 1200, **switches: object) -> Mixed:
    """A mixed run with lists in which many stops have a named price, and other orders
    expire by a term."""
    run = mixed_lists(seed, count, **switches)
    rng = np.random.default_rng([seed, 0x747267])
    often = rng.choice([0.2, 0.6, 1.0])
    rows: list[np.ndarray] = []
    now = 0
    for order in run.orders:
        if order["kind"] == CommandKind.TIME:
            now = max(now, int(order["aux"]))
        if order["kind"] == CommandKind.NEW and order["order_type"] in ORDER_TYPES:
            rows += _terms(rng, order, often, now)
        rows.append(order.copy())
    orders = np.array(rows, dtype=ORDER_DTYPE)
    orders["seq"] = np.arange(1, len(orders) + 1)
    return replace(run, orders=orders)


def _terms(rng, order, often, now):  # type: ignore[no-untyped-def]
    """Terms of a NEW, mostly good ones."""
    terms = []
    stops, trails = (int(order["order_type"]) in kinds for kinds in (STOPS, TRAILING))
    if rng.random() < (often if stops else 0.01):
        term = order.copy()
        term["order_type"], term["qty_lots"] = Term.TRIGGER, 0
        term["aux"] = rng.choice([0, *TriggerBy]) if rng.random() < 0.97 else rng.integers(0, 600)
        if rng.random() < (0.5 if trails else 0.01):
            term["aux"] = int(term["aux"]) | HAS_ACTIVATION
            near = int(order["price_ticks"]) + int(rng.integers(-6, 7))
            term["price_ticks"] = near if abs(near) < 2**60 else 0
        else:
            term["price_ticks"] = 0
        terms.append(term)
    goes = int(order["time_in_force"]) & TIF_MASK == TimeInForce.GTC
    if rng.random() < (0.3 if goes else 0.01):
        term = order.copy()
        term["order_type"], term["qty_lots"], term["price_ticks"] = Term.EXPIRY, 0, 0
        term["aux"] = now + int(rng.integers(-1, 40))
        terms.append(term)
    for term in terms:
        term["kind"], term["error_code"] = CommandKind.TERMS, 0
    return terms
