"""Realised gains by lot come to the realised profit of the ledger, to the unit."""

from collections import defaultdict
from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from openoutcry.ledger.ledger_state import at
from openoutcry.ledger.profit import FirstInFirstOut
from openoutcry.ledger.reports import profits
from openoutcry.ledger.tax import TaxLots, tax
from openoutcry.ledger.transactions import transactions
from openoutcry.risk.bits import Setting
from openoutcry.risk.region import setting
from openoutcry.wire import ORDER_DTYPE
from openoutcry.wire.enums import CommandKind, OrderType, Side, TimeInForce
from tests.support.ledger import ledger_flow as flow
from tests.support.ledger import tax as shared

report = shared.report
ledger_state = shared.ledger_state


@given(
    st.lists(st.tuples(st.integers(-9, 9).filter(bool), st.integers(1, 50)), max_size=40),
    st.sets(st.integers(0, 39), max_size=3),
)
def test_closings_are_what_first_in_first_out_realises(trades, splits):
    plain, lots, gains = FirstInFirstOut(), TaxLots(), 0
    for index, (qty, price) in enumerate(trades):
        closings = lots.trade(qty, price, index, index)
        plain.trade(qty, price)
        if index in splits and plain.position:
            closings += lots.adjust(2 * plain.position, 3, index, index)
            plain.adjust(2 * plain.position, 3)
        gains += sum(one.proceeds - one.cost for one in closings)
        assert gains == plain.realised
        assert [[q, c] for q, c, _ in lots.lots] == [list(one) for one in plain.lots]
        assert all(one.opened_ns <= one.closed_ns == index for one in closings)


def test_the_report_adds_up_to_the_realised_profit_of_everybody(day, ledger_state, report):
    gains = defaultdict(int)
    for row in report.rows:
        who, symbol, _, opened, closed, days, _, cost, proceeds, gain, _ = row
        assert gain == proceeds - cost
        assert opened <= closed
        assert days >= 0
        gains[who, symbol] += gain
    wanted = profits(ledger_state.books, transactions(day, ledger_state, 0), "fifo")
    at_name = wanted.columns.index("realised")
    realised = {(row[0], row[1]): row[at_name] for row in wanted.rows if row[at_name]}
    assert {key: gain for key, gain in gains.items() if gain} == realised
    assert len(realised) > 20
    for before, after in pairwise(report.rows):
        assert (before[0], before[10]) <= (after[0], after[10]) or before[1] != after[1]


def test_fees_of_two_kinds_of_money_are_not_added_up(tmp_path):
    """Two dollars of a lot fee in one instrument, three yen in another."""
    money = {name: int(np.array([name], "S8").view(np.int64)[0]) for name in ("USD", "JPY")}
    rows = [
        setting(Setting.LEDGER_ASSET, 2, second=money["USD"]),
        setting(Setting.LEDGER_ASSET, 0, second=money["JPY"]),
        setting(Setting.LEDGER_QUOTE, 0, 0, b"LIMITS", money["JPY"]),
        setting(Setting.FEE, 100, 0, b"PLAIN"),
        setting(Setting.FEE, 1, 0, b"LIMITS"),
    ]
    for at_id, (symbol, qty) in enumerate((("PLAIN", 2), ("LIMITS", 3))):
        for who, side in ((7, Side.BUY), (8, Side.SELL)):
            row = np.zeros(1, ORDER_DTYPE)
            row["kind"], row["order_type"] = CommandKind.NEW, OrderType.LIMIT
            row["order_id"], row["participant"], row["side"] = 2 * at_id + side, who, side
            row["symbol"], row["qty_lots"], row["price_ticks"] = symbol, qty, 100_000
            row["time_in_force"] = TimeInForce.GTC
            rows.append(row)
    orders = np.concatenate(rows)
    orders["seq"] = orders["rx_ts_ns"] = np.arange(1, len(orders) + 1)
    home = flow.write_journal(tmp_path / "day", orders)
    ledger_state = at(home)
    assert ledger_state.books.remarks == []
    notes = tax(ledger_state.books, transactions(home, ledger_state, 0), 7).notes
    assert notes[1:] == ["fees of these trades: 2.00 USD", "fees of these trades: 3 JPY"]
