"""Assertions in the risk kernels: they fire under VERIFY alone, cost nothing without it, and hold
wherever totals, money and bands go."""

import pytest

from tests.support.verified import (
    assert_costs_nothing,
    assert_fires_under_verify_alone,
    assert_passes_under_verify,
)

WRONG_CALLS = """
import numpy as np
from openoutcry.risk import protection_layout as g
from openoutcry.risk import layout as lay
from openoutcry.risk import money, open_orders, protection, speed_bump, totals
from openoutcry.risk.after import after
from openoutcry.risk.before import before
from openoutcry.risk.bits import LARGEST, Setting
from openoutcry.risk.operator_commands import move_group
from openoutcry.risk.region import make_region, setting
from openoutcry.wire import EVENT_DTYPE, ORDER_DTYPE, make_instruments
from openoutcry.wire.enums import CommandKind, EventKind

instruments = make_instruments([{"symbol": b"AAA", "min_price_ticks": 1, "max_price_ticks": 1_000}])
fired, right = {}, []


class Core:
    '''One instrument, two participants, and events as the matcher would give them.'''

    def __init__(self):
        self.region = make_region(instruments, participants=3, groups=2, order_capacity=8)
        self.at, self.seq = self.region.ctypes.data, 0
        self.words = self.region.view(np.int64)
        self.words[lay.TRACKING // 8] = 1

    def before(self, order_id=1, qty=5, seq=None):
        self.order, self.seq = np.zeros(1, ORDER_DTYPE), self.seq + 1
        self.order["kind"], self.order["side"], self.order["order_type"] = CommandKind.NEW, 1, 1
        self.order["participant"], self.order["symbol"] = 1, b"AAA"
        self.order["price_ticks"], self.order["qty_lots"] = 100, qty
        self.order["order_id"], self.order["seq"] = order_id, self.seq if seq is None else seq
        return before(self.at, self.order.ctypes.data)

    def after(self, kind, leaves, qty=0, order_id=1, participant=1):
        event = np.zeros(1, EVENT_DTYPE)
        event["kind"], event["leaves_lots"], event["qty_lots"] = kind, leaves, qty
        event["order_id"], event["participant"], event["side"] = order_id, participant, 1
        event["price_ticks"] = 100
        after(self.at, self.order.ctypes.data, event.ctypes.data, 1)

    def opened(self):
        self.before()
        self.after(EventKind.ACCEPTED, 5)
        return self


def opened():
    return Core().opened()


core = Core()
right.append(fires(core.before))
fired["a command within another"] = fires(core.before, 2)
right += [fires(opened), fires(opened().after, EventKind.FILLED, 2, 3)]
right.append(fires(opened().after, EventKind.CANCELLED, 0))
core = opened()
core.before()
fired["an order that enters twice"] = fires(core.after, EventKind.ACCEPTED, 5)
core = Core()
core.before()
fired["more open than was asked for"] = fires(core.after, EventKind.ACCEPTED, 6)
fired["a cancel of somebody else's order"] = fires(opened().after, EventKind.CANCELLED, 0, 0, 1, 2)
fired["a change of what is not open"] = fires(opened().after, EventKind.REDUCED, 2, 3, 9)
fired["a fill that takes more than it trades"] = fires(opened().after, EventKind.FILLED, 1, 3)
core = opened()
cell = totals.cell_of(core.at, 1, 0) - core.at
core.words[(cell + lay.BUY_LOTS) // 8] = 4
fired["totals without the order in them"] = fires(core.after, EventKind.CANCELLED, 0)
core = opened()
row = totals.participant_row(core.at, 1) - core.at
core.words[(row + lay.OPEN) // 8] = 0
fired["an end of what was not counted"] = fires(core.after, EventKind.CANCELLED, 0)
core = opened()
core.words[(row + lay.GROSS) // 8] = 1_000
fired["a member outside of its group"] = fires(move_group, core.at, core.at + row, 1)
core = opened()
entry = totals.find_order(core.at, 0, 1)
right.append(fires(totals.erase_order, core.at, entry))
fired["an order taken out twice"] = fires(totals.erase_order, core.at, entry)

profits = np.zeros(lay.PARTICIPANT_BYTES // 8, np.int64)
right.append(fires(money.add_money, profits.ctypes.data, lay.PROFIT, 5, profits.ctypes.data))
profits[lay.PROFIT // 8] = LARGEST + 1
wrong = (profits.ctypes.data, lay.PROFIT, 0, profits.ctypes.data)
fired["money that was not cut off"] = fires(money.add_money, *wrong)
profits[lay.PROFIT // 8], profits[lay.PEAK // 8] = 0, -1
fired["a highest profit below none"] = fires(money.judge_profit, *2 * [profits.ctypes.data])

size = speed_bump.block_bytes(4, 2) // 8
bump = np.zeros(size, np.int64)
speed_bump.enter_block(bump, 0, 4, 2)
place = bump.ctypes.data
record = np.zeros(1, ORDER_DTYPE)

def enters(seq, release):
    record["seq"] = seq
    speed_bump.enter_bump(place, record.ctypes.data, release)

right.append(any([fires(enters, n, 10 * n) for n in (1, 2, 3)]))
record["rx_ts_ns"] = 10
right.append(fires(speed_bump.leave_bump, place, record.ctypes.data))
fired["a command without a sequence"] = fires(enters, 0, 50)
bump[speed_bump.WAITING // 8] = 4
fired["more than there is room for"] = fires(enters, 5, 50)
heap = bump[bump[speed_bump.HEAP_AT // 8] // 8 :][:16].reshape(4, 4)
heap[:, speed_bump.HeapEntry.offset("release") // 8] = 9, 8, 7, 6
bump[speed_bump.NEXT_NS // 8] = 9
fired["a heap that is none"] = fires(speed_bump.leave_bump, place, record.ctypes.data)

bound = open_orders.make_state(1)
event = np.zeros(1, EVENT_DTYPE)

def counted(kind):
    event["kind"] = kind
    open_orders.after(bound.ctypes.data, 0, event.ctypes.data, 1)

right.append(fires(counted, EventKind.ACCEPTED))
right.append(fires(counted, EventKind.ACCEPTED))  # one that never rests may come on top
fired["more open orders than one may hold"] = fires(counted, EventKind.ACCEPTED)
bound.view(np.int64)[1] = 0
fired["fewer open orders than none"] = fires(counted, EventKind.EXPIRED)

guard = np.zeros(g.ROW_BYTES // 8, np.int64)
guard[g.SECOND // 8], guard[[g.VOLATILITY_S // 8, g.VELOCITY_S // 8]] = 5, 9
right.append(fires(protection.count_trade, guard.ctypes.data, 100, 6))
fired["sequenced time that goes back"] = fires(protection.count_trade, guard.ctypes.data, 100, 5)
print(fired | {"right": any(right)})
"""


@pytest.mark.parametrize("verify", [True, False])
def test_a_deliberately_wrong_call_fires_under_verify_alone(verify: bool) -> None:
    """Orders that enter twice or go to somebody else, totals that lack what is open, time that goes
    back."""
    assert_fires_under_verify_alone(WRONG_CALLS, verify)


@pytest.mark.long
def test_without_verify_the_machine_code_has_no_trace_of_them(tmp_path):
    kernels = {
        "openoutcry.risk.money": ("add_money", "judge_profit"),
        "openoutcry.risk.totals": ("erase_order",),
        "openoutcry.risk.speed_bump": ("enter_bump", "leave_bump"),
        "openoutcry.risk.protection": ("count_trade", "set_bands"),
        "openoutcry.risk.open_orders": ("after",),
    }
    assert_costs_nothing(kernels, tmp_path)


@pytest.mark.long
def test_the_rooms_own_tests_pass_under_verify() -> None:
    """The assertions hold around the real matcher, with every limit, halt and band."""
    assert_passes_under_verify(
        "tests/unit/risk/test_risk_edges.py",
        "tests/unit/risk/test_protection.py",
        "tests/unit/risk/test_speed_bump.py",
        "tests/unit/risk/test_risk_reference.py::test_swarms_with_extremes",
        "tests/system/core/test_risk_reference.py::test_ten_thousand_mixed_commands_with_protection[1]",
        "tests/unit/risk/test_risk_reference.py::test_the_state_continues_from_a_copy",
    )
