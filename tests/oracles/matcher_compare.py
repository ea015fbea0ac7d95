"""Two engines side by side: the first difference, and the fewest commands that show it."""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from openoutcry.matcher import Engine
from openoutcry.wire import (
    CommandKind,
    EventKind,
    OrderType,
    Phase,
    Reason,
    SelfTrade,
    Side,
    TimeInForce,
)
from openoutcry.wire.enums import SELF_TRADE_SHIFT
from tests.oracles.matcher.engine import ReferenceEngine
from tests.oracles.matcher_judge import judge
from tests.support.matcher.matcher_mixed import Mixed

Array = npt.NDArray[Any]
Events = npt.NDArray[Any]


def first_difference(events: Events, expected: Events) -> int | None:
    """Index of the first event that differs, or None."""
    both = min(len(events), len(expected))
    different = np.flatnonzero(events[:both] != expected[:both])
    if len(different):
        return int(different[0])
    return None if len(events) == len(expected) else both


def describe(events: Events, expected: Events, at: int) -> str:
    """What the two engines say where they part."""
    return (
        f"event {at}: kernel {show_events(events[at : at + 1])}, "
        f"reference {show_events(expected[at : at + 1])}"
    )


def assert_same(engine: Any, reference: Any, orders: Array) -> Events:
    """Both answer ``orders`` alike in every byte, end in the same state and, if they were empty,
    are passed by the judge; returns the events."""
    was_empty = engine.event_count == 0
    events: Events = engine.process(orders)
    expected: Events = reference.process(orders)
    at = first_difference(events, expected)
    if at is not None:
        raise AssertionError(describe(events, expected, at))
    engine.check()
    assert engine.snapshot() == reference.snapshot(), "the snapshots differ"
    assert engine.state_hash() == reference.state_hash()
    assert engine.open_orders == reference.open_orders
    if was_empty:
        judge(engine.instruments, orders, events)
    return events


def compare(run: Mixed) -> Events:
    """The kernel and the reference on one run; a difference is reported with few commands."""
    try:
        return assert_same(
            Engine(run.instruments, run.order_capacity),
            ReferenceEngine(run.instruments, run.order_capacity),
            run.orders,
        )
    except AssertionError as difference:
        few = shrink(run.orders, lambda orders: differ(run, orders))
        raise AssertionError(
            f"seed {run.seed}, capacity {run.order_capacity}: {difference}\n{report(run, few)}"
        ) from None


def differ(run: Mixed, orders: Array) -> bool:
    """Whether fresh engines part on these commands."""
    try:
        assert_same(
            Engine(run.instruments, run.order_capacity),
            ReferenceEngine(run.instruments, run.order_capacity),
            orders,
        )
    except AssertionError:
        return True
    return False


def shrink(orders: Array, fails: Callable[[Array], bool]) -> Array:
    """Fewer of these commands that still fail: halve the end, then leave out ever smaller parts."""
    low, high = 0, len(orders)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if fails(orders[:middle]) else (middle, high)
    orders = orders[:high]
    size = max(1, len(orders) // 2)
    while True:
        at = 0
        shorter = False
        while at < len(orders):
            without = np.concatenate([orders[:at], orders[at + size :]])
            if len(without) and fails(without):
                orders, shorter = without, True
            else:
                at += size
        if size == 1 and not shorter:
            return orders
        size = max(1, size // 2)


def report(run: Mixed, orders: Array) -> str:
    """The commands as a person reads them, with what each engine answers to the last."""
    lines = [f"INSTRUMENT {show_instrument(row)}" for row in run.instruments]
    engines = [engine(run.instruments, run.order_capacity) for engine in (Engine, ReferenceEngine)]
    for order in orders[:, None]:
        lines.append(show_command(order[0]))
        events, expected = (engine.process(order) for engine in engines)
        if first_difference(events, expected) is None:
            lines += [f"    {line}" for line in show_events(events)]
            continue
        lines += [f"    kernel:    {line}" for line in show_events(events)]
        lines += [f"    reference: {line}" for line in show_events(expected)]
    return "\n".join(lines)


def show_instrument(row: Any) -> str:
    """The fields that are not zero."""
    return " ".join(f"{name}={row[name]}" for name in row.dtype.names if row[name])


def _name(kinds: Any, value: int) -> str:
    return kinds(value).name if value in list(kinds) else str(value)


def show_command(order: Any) -> str:
    """A command in one line; numbers where no name is declared."""
    kind = int(order["kind"])
    mode, tif = divmod(int(order["time_in_force"]), 1 << SELF_TRADE_SHIFT)
    aux = _name(Phase, int(order["aux"])) if kind == CommandKind.PHASE else str(order["aux"])
    return (
        f"{_name(CommandKind, kind)} {order['symbol'].decode('ascii', 'replace')!r} "
        f"id={order['order_id']} {_name(Side, int(order['side']))} "
        f"{order['qty_lots']}@{order['price_ticks']} {_name(OrderType, int(order['order_type']))} "
        f"{_name(TimeInForce, tif)} {_name(SelfTrade, mode)} aux={aux} p{order['participant']}"
        + (f" err={order['error_code']}" if order["error_code"] else "")
    )


def show_events(events: Events) -> list[str]:
    """Every field that is not zero, by name."""
    return [
        f"{EventKind(e['kind']).name} id={e['order_id']} contra={e['contra_id']} "
        f"{e['qty_lots']}@{e['price_ticks']} leaves={e['leaves_lots']} {Reason(e['reason']).name} "
        f"side={e['side']} flags={e['flags']} p{e['participant']} i{e['instrument']}"
        for e in events
    ]
