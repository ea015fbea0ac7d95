"""Risk in partitions: the kernels are the plain reference, and no order is let in that a core which
sees everything would have refused."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from openoutcry.journal.core import Core
from openoutcry.risk import layout as lay
from openoutcry.risk import partitions as kernels
from openoutcry.risk.bits import LARGEST, NO_LIMIT, Setting
from openoutcry.risk.partitioned import divide, joined, keep, partition_numbers, pieces
from openoutcry.risk.region import RiskError, View, make_region, setting
from openoutcry.wire import ORDER_DTYPE, make_instruments
from openoutcry.wire.enums import CommandKind, OrderType, TimeInForce
from tests.oracles.risk.partitions import allocated
from tests.support.risk.partitions import time
from tests.support.risk.risk_core import bits
from tests.support.risk.risk_flow import instruments, mixed_commands
from tests.support.risk.risk_partitions import Triple

PLAIN = make_instruments([f"S{n}" for n in range(8)])
amounts = st.one_of(st.integers(0, 40), st.integers(0, LARGEST // 8))


@given(st.lists(amounts, min_size=2, max_size=8), st.one_of(amounts, st.just(NO_LIMIT)))
def test_parts_are_dealt_as_the_plain_rule_says_and_add_up(used, limit):
    rows = np.array([used, [0] * len(used)], np.int64).T.copy()
    kernels.allocate(rows.ctypes.data, 16, len(used), 0, 8, limit, -5)
    parts = rows[:, 1].tolist()
    assert parts == allocated(limit, used, -5)
    if limit != NO_LIMIT and sum(used) <= limit:
        assert sum(parts) == limit
        assert all(part >= use for part, use in zip(parts, used, strict=True))


def test_a_rate_counts_what_is_sent_to_all_partitions():
    """Two at once; what another limit refuses counts; time gives them back."""
    both, symbols = Triple(PLAIN, 2), two_symbols()
    for one in (
        setting(Setting.RATE, 100, 1, second=2),
        setting(Setting.MAX_QTY, 0, 1, symbols[0]),
    ):
        both.process(one)
    verdicts = [both.process(order(n, symbols[n % 2])) for n in range(3)]
    assert [bits(one) for one in verdicts] == [["MAX_QTY"], [], ["RATE"]]
    both.process(time(100))
    verdicts = [both.process(order(n, symbols[1])) for n in (4, 5)]
    assert [bits(one) for one in verdicts] == [[], ["RATE"]]
    both.same()


def test_parts_that_are_too_large_would_be_seen():
    """Else the tests above would show nothing: by their sum, and by what is let in."""
    both, symbols = Triple(PLAIN, 2), two_symbols()
    both.process(setting(Setting.OPEN_ORDERS, 3, 1))
    both.never_past(1)
    parts = View(both.region).partitions
    for part, one in zip(parts, both.plain.parts, strict=True):
        part.participants[1, lay.OPEN_LIMIT // 8] = one.participants[1].open_limit = 2
    with pytest.raises(AssertionError):
        both.never_past(1)
    both.never_past = lambda who: None
    taken = [both.process(order(n, symbols[n % 2])) for n in range(3)]
    assert taken == [0, 0, 0]
    assert both.engine.open_orders == 3
    with pytest.raises(AssertionError):
        both.process(order(3, symbols[1]))


def two_symbols():
    """Return symbols of two partitions."""
    numbers = partition_numbers(PLAIN, 2).tolist()
    return [PLAIN["symbol"][numbers.index(n)] for n in (0, 1)]


def order(number, symbol):
    record = np.zeros(1, ORDER_DTYPE)
    record["kind"], record["order_type"], record["side"] = CommandKind.NEW, OrderType.LIMIT, 1
    record["order_id"], record["symbol"], record["participant"] = 1 + number, symbol, 1
    record["qty_lots"], record["price_ticks"], record["time_in_force"] = 1, 1_000, TimeInForce.GTC
    return record


LIMITS = [
    {"set": "CREDIT", "value": 10**9, "who": 1},
    {"set": "OPEN_ORDERS", "value": 60, "who": 2},
    {"set": "FEE", "value": 2, "symbol": "PLAIN"},
    {"set": "GROSS_POSITION", "value": 900, "who": 3},
]


def core(partitions, **more):
    """A core with risk in that many partitions."""
    hooks = {"name": "risk", "participants": 9, "order_capacity": 5_000, "limits": LIMITS}
    return Core(instruments(), 5_000, hooks=hooks | {"partitions": partitions} | more)


def test_a_core_in_partitions_is_the_same_in_one_piece_in_parts_and_from_a_snapshot():
    orders = np.concatenate(list(mixed_commands(1_500, 5)))
    orders["seq"] = np.arange(1, len(orders) + 1)
    whole, parts = core(4).fresh(), core(4).fresh()
    events = whole.process(orders)
    batches = [parts.process(orders[:700])]
    parts = core(4).restored(parts.snapshot())
    batches += [parts.process(orders[n : n + 1]) for n in range(700, len(orders))]
    assert np.array_equal(np.concatenate(batches), events)
    assert parts.state_hash() == whole.state_hash()
    view = View(whole.region)
    assert len(view.open_orders()) == whole.open_orders > 0
    assert sum(part.word(lay.REFUSALS) for part in view.partitions) > 0


def test_the_hash_is_put_together_from_the_partitions_owners():
    engine = core(4).fresh()
    orders = np.concatenate(list(mixed_commands(600, 5)))
    orders["seq"] = np.arange(1, len(orders) + 1)
    engine.process(orders)
    wanted = pieces(engine.region)
    owners_pieces = [wanted[0]]
    for number in range(4):
        alone = engine.region.copy()
        keep(alone, {number})
        for other, part in enumerate(View(alone).partitions):
            if other != number:
                part.participants[:] = 7  # not known here
        owners_pieces.append(pieces(alone)[1 + number])
    assert joined(owners_pieces) == joined(wanted) == engine.hooks.digest(engine.region)


def test_of_one_partition_nothing_is_different():
    hooks = {"name": "risk", "participants": 9, "order_capacity": 5_000, "limits": LIMITS}
    without = Core(instruments(), 5_000, hooks=hooks)
    assert core(1).fresh().snapshot() == without.fresh().snapshot()
    assert core(1).fresh().state_hash() == without.fresh().state_hash()
    region = make_region(instruments(), 9)
    assert divide(region, instruments(), 1) is region


@pytest.mark.parametrize(
    ("partitions", "more", "says"),
    [
        (4, {"protection": True}, "market protection needs one partition, not 4"),
        (4, {"delayed": 64}, "a speed bump needs one partition, not 4"),
        (4, {"leveraged": [1]}, "a leveraged instrument needs one partition, not 4"),
        (0, {}, "0 partitions of the instruments: from 1 to 256"),
        (257, {}, "257 partitions of the instruments: from 1 to 256"),
    ],
)
def test_what_cannot_be_divided_is_refused(partitions, more, says):
    with pytest.raises(RiskError, match=says):
        core(partitions, **more).fresh()


@pytest.mark.parametrize("what", [Setting.LOSS, Setting.DRAWDOWN, Setting.MAINTENANCE])
def test_limits_that_a_price_change_can_break_make_no_sense_in_partitions(what):
    """What another partition has lost is not known in time; as good as none is taken."""
    region = divide(make_region(instruments(), 9), instruments(), 2)
    record = setting(what, 100, 1)
    assert kernels.before(region.ctypes.data, record.ctypes.data) == 0
    record["aux"] = 0 if what is Setting.MAINTENANCE else NO_LIMIT
    assert kernels.before(region.ctypes.data, record.ctypes.data) == 1 << 8


def test_symbols_keep_their_partition_whatever_is_added():
    table = make_instruments([f"S{n}" for n in range(200)])
    numbers = partition_numbers(table, 8)
    assert np.array_equal(partition_numbers(table[:50], 8), numbers[:50])
    assert min(np.bincount(numbers, minlength=8)) > 10
