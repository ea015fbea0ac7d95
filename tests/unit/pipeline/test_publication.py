"""What the core publishes of kills, as the gateway's golden model takes it."""

import numpy as np

from openoutcry.gateway_fpga import Settings, make_rules, validate_orders
from openoutcry.pipeline.stages.published import (
    publication_block,
    pull_risk_flags,
    with_all_participants,
)
from openoutcry.risk import layout as lay
from openoutcry.risk.before import before
from openoutcry.risk.bits import Setting
from openoutcry.risk.region import View, make_region, setting
from openoutcry.wire import ORDER_DTYPE, ErrorBit, make_instruments
from openoutcry.wire.rule_changes import RulesBlock

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


def test_a_new_symbol_is_let_in_once_the_core_has_it() -> None:
    """Each row in its turn, in a table that is as full as it can be; and again by a gateway that
    begins later."""
    table = make_instruments([f"+{number}" for number in range(1, 5)])
    more = {"assets": [("BTC", 8), ("USD", 2)], "rules": True, "announced": range(4)}
    low_high = {"min_price_ticks": 1, "max_price_ticks": 1}
    for name, value in low_high.items():
        table[name] = value
    region = make_region(table, 2, spot=dict.fromkeys(range(4), (0, 1, 1)), **more)  # type: ignore[arg-type]
    view = View(region)

    def made() -> tuple[np.ndarray, np.ndarray]:
        rules = make_rules(table, Settings())
        symbols = table["symbol"].tolist()
        return rules, publication_block(region.ctypes.data, rules, symbols, Settings(), None, False)

    def verdict(rules: np.ndarray, symbol: bytes) -> int:
        order = np.zeros(1, ORDER_DTYPE)
        for name in ("kind", "side", "order_type", "time_in_force", "price_ticks", "qty_lots"):
            order[name] = 1
        order["symbol"], order["participant"], order["price_ticks"] = symbol, 1, 500
        validate_orders(order, rules)
        return int(order["error_code"][0])

    rules, block = made()
    assert view.rules is not None
    for index in range(4):
        symbol = f"NEW{index}".encode()
        assert verdict(rules, symbol) == 1 << ErrorBit.SYMBOL
        view.rules.table["symbol"][index] = symbol
        view.rules.table["max_price_ticks"][index] = 1_000
        view.rules.header[RulesBlock.offset("changes") // 8] += 1
        view.instruments[index, lay.HALT // 8] = 0
        view.header[lay.PUBLICATION // 8] += 1
        later = made()
        for mine, publication in ((rules, block), later):
            pull_risk_flags(publication.ctypes.data)
            assert verdict(mine, symbol) == 0
            assert verdict(mine, f"+{index + 1}".encode()) != 0
            for other in range(4):
                known = verdict(mine, f"NEW{other}".encode()) == 0
                assert known == (other <= index)


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
