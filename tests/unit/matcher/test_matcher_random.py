"""The kernels against the plain reference on random streams, and laws no stream may break."""

import numpy as np
import pytest

from openoutcry.bench.matcher_loops import run_singly
from openoutcry.matcher import Engine, process_batch, scratch_records
from openoutcry.wire import (
    EVENT_DTYPE,
    EventKind,
    OrderType,
    TimeInForce,
)
from tests.oracles.matcher_compare import compare, first_difference, report, shrink
from tests.oracles.matcher_ledger import check_ledger
from tests.support.matcher.matcher_mixed import mixed


@pytest.mark.parametrize("seeds", [2, pytest.param(20, marks=pytest.mark.long)])
@pytest.mark.parametrize("order_type", OrderType, ids=lambda t: t.name)
def test_each_order_type_agrees_with_the_reference(order_type, seeds):
    """One type among limit and market orders at a time, and it is really accepted and more."""
    seen = np.zeros(256, dtype=int)
    for seed in range(seeds):
        types = [order_type, OrderType.LIMIT, OrderType.MARKET]
        run = mixed(500 + seed, 1500, types=types, extreme=0.0, malformed=0.0, width=8)
        events = compare(run)
        seen += np.bincount(events["kind"], minlength=256)
    assert seen[EventKind.ACCEPTED] > 125 * seeds
    assert seen[EventKind.FILLED] > 50 * seeds


@pytest.mark.parametrize("seed", range(6))
def test_batches_stop_before_a_command_that_might_not_fit(seed):
    """process_batch never passes its capacity, always gets on with the scratch size, and writes
    what process_one writes (through the bench's loop, in which it is compiled anyway)."""
    run = mixed(700 + seed, 3000, order_capacity=60)
    one, batch = (Engine(run.instruments, 60) for _ in range(2))
    slots = scratch_records(60)
    guard = 4
    out = np.zeros(slots + guard, dtype=EVENT_DTYPE)
    single = np.zeros(slots, dtype=EVENT_DTYPE)
    done = 0
    while done < len(run.orders):
        out["kind"] = 99
        at = run.orders.ctypes.data + 64 * done
        commands, written = process_batch(
            batch.address, at, len(run.orders) - done, out.ctypes.data, slots
        )
        assert commands > 0
        assert (out["kind"][slots:] == 99).all()
        counted = 0
        for index in range(commands):
            _, count = run_singly(one.address, at + 64 * index, 1, single.ctypes.data, 0)
            assert np.array_equal(single[:count], out[counted : counted + count])
            counted += count
        assert counted == written
        done += commands
    assert one.state_hash() == batch.state_hash()


def test_the_laws_notice_a_lost_lot():
    """check_ledger fails for events in which a single number is wrong."""
    run = mixed(3, 3000, types=list(OrderType), extreme=0.0, order_capacity=400)
    events = Engine(run.instruments, run.order_capacity).process(run.orders)
    check_ledger(events)
    fill = int(np.flatnonzero(events["kind"] == EventKind.FILLED)[40])
    fields = ("qty_lots", "leaves_lots", "price_ticks", "participant", "contra_id", "seq", "flags")
    for field in (*fields, "side"):
        wrong = events.copy()
        wrong[field][fill] += 1
        with pytest.raises(AssertionError):
            check_ledger(wrong)
    with pytest.raises(AssertionError):
        check_ledger(np.delete(events, fill))


def test_a_difference_is_shrunk_to_the_commands_that_matter():
    """The comparison finds the few commands of a long stream that show a difference."""
    run = mixed(5, 400, types=[OrderType.LIMIT], phases=False, order_capacity=100)
    wanted = (run.orders["kind"] == 1) & (run.orders["time_in_force"] & 15 == TimeInForce.DAY)
    first, second = np.flatnonzero(wanted)[[7, 60]]

    def fails(orders):
        return {run.orders["seq"][first], run.orders["seq"][second]} <= set(orders["seq"].tolist())

    few = shrink(run.orders, fails)
    assert few["seq"].tolist() == [run.orders["seq"][first], run.orders["seq"][second]]
    assert len(report(run, few).splitlines()) >= 4
    events = Engine(run.instruments, 100).process(run.orders)
    other = events.copy()
    other["qty_lots"][33] += 1
    assert first_difference(events, other) == 33
    assert first_difference(events, events[:-1]) == len(events) - 1
    assert first_difference(events, events) is None
