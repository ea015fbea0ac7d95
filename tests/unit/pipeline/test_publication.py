"""What the core publishes of kills, as the gateway's golden model takes it."""

import numpy as np

from openoutcry.gateway_fpga import Settings, make_rules, validate_orders
from openoutcry.pipeline.stages.published import (
    publication_block,
    pull_risk_flags,
    with_all_participants,
)
from openoutcry.risk.before import before
from openoutcry.risk.bits import Setting
from openoutcry.risk.region import make_region, setting
from openoutcry.wire import ORDER_DTYPE, ErrorBit, make_instruments

PARTICIPANTS = 9


def test_what_has_no_bit_is_left_to_the_core_and_a_halt_is_not() -> None:
    """With more participants than there are bits, or where the settings name them."""
    instruments = make_instruments([{"symbol": "PLAIN"}])
    region = make_region(instruments, PARTICIPANTS, groups=3)
    rules = make_rules(instruments, Settings())
    block = publication_block(region.ctypes.data, rules, [b"PLAIN"], Settings(), None, False)
    order = np.zeros(1, ORDER_DTYPE)
    for name in ("kind", "side", "order_type", "time_in_force", "price_ticks", "qty_lots"):
        order[name] = 1
    order["symbol"], order["participant"] = b"PLAIN", 3
    for what, wanted in ((Setting.KILL, 0), (Setting.HALT, 1 << ErrorBit.HALTED)):
        named = {"who": 3} if what is Setting.KILL else {"symbol": b"PLAIN"}
        record = setting(what, 1, **named)  # type: ignore[arg-type]
        assert before(region.ctypes.data, record.ctypes.data)
        pull_risk_flags(block.ctypes.data)
        order["error_code"] = 0
        validate_orders(order, rules)
        assert order["error_code"][0] == wanted


def test_a_kill_stops_its_participant_and_that_of_the_market_all_but_the_operator() -> None:
    """Until it is taken back; what is no participant is stopped with the market."""
    instruments = make_instruments([{"symbol": "PLAIN"}])
    region = make_region(instruments, PARTICIPANTS, groups=3)
    rules = make_rules(instruments, with_all_participants(Settings()))
    block = publication_block(region.ctypes.data, rules, [b"PLAIN"], Settings(), None)
    orders = np.zeros(PARTICIPANTS + 2, ORDER_DTYPE)
    for name in ("kind", "side", "order_type", "time_in_force", "price_ticks", "qty_lots"):
        orders[name] = 1
    orders["symbol"], orders["participant"] = b"PLAIN", np.arange(len(orders))

    def stopped(what: Setting, value: int, **more: int) -> list[int]:
        record = setting(what, value, **more)
        assert before(region.ctypes.data, record.ctypes.data)
        pull_risk_flags(block.ctypes.data)
        validate_orders(orders, rules)
        return np.flatnonzero(orders["error_code"] >> ErrorBit.PARTICIPANT & 1).tolist()

    assert stopped(Setting.KILL, 1, who=3) == [3]
    assert stopped(Setting.MARKET_KILL, 1) == [*range(1, len(orders))]
    assert stopped(Setting.MARKET_KILL, 0, operator=1) == [*range(1, len(orders))]
    assert stopped(Setting.MARKET_KILL, 0, operator=2) == [3]
    assert stopped(Setting.KILL, 0, who=3) == []
