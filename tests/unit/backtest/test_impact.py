"""The rule of impact: what a recording does to orders that own orders have changed."""

import pytest

import openoutcry.backtest.layout as lay
from openoutcry.backtest.day import Recording, prepare_day
from openoutcry.backtest.desk import BUY, LIMIT_DAY, LIMIT_IOC, SELL, send
from openoutcry.backtest.latency import parse_latency
from openoutcry.backtest.run import DayRun
from openoutcry.backtest.strategy import Strategy
from openoutcry.flow.commands import as_orders, as_recorded, command
from openoutcry.wire.enums import CommandKind, EventKind, Side, TimeInForce

SYMBOL = b"OUTCRY"
NEW, REDUCE, CANCEL = CommandKind.NEW, CommandKind.REDUCE, CommandKind.CANCEL
BID, ASK = Side.BUY, Side.SELL
FAR = [(0, NEW, BID, 50, 1, 90), (0, NEW, ASK, 150, 1, 91)]


def executed(at_ns, side, price, lots, named):
    """An execution of the order ``named``, which rests on the side opposite to ``side``."""
    return at_ns, NEW, side, price, lots, 1_000 + at_ns, named


def run_of(folder, rows, own, restores=True):
    """Run the day of these rows (time, kind, side, price, lots, order[, executed order]); ``own``:
    (time, side, price, lots, kind) of orders of the strategy."""
    messages = []
    for at_ns, kind, side, price, lots, order, *named in rows:
        tif = TimeInForce.IOC if named else TimeInForce.DAY
        given = command(kind, SYMBOL, side, price, lots, order, tif)
        messages.append(as_recorded(given, 1_000 + at_ns, named[0] if named else 0))
    orders = as_orders(messages)
    day = prepare_day(Recording("r", {"symbol": SYMBOL}, [orders], restores), folder / "day")

    def on_timer(view, state, desk):
        while state[0] < len(own) and own[state[0]][0] <= view[lay.EXCHANGE_NS] - 1_000:
            send(desk, *own[state[0]][1:])
            state[0] += 1

    strategy = Strategy("own", {}, 8, on_timer=on_timer, interval_ns=1)
    run = DayRun(day, strategy, {}, parse_latency("constant:0:0"))
    while run.advance() != lay.DONE:
        on_timer(run.view, run.state, run.desk)
    result = run.result()
    fills = result.log[result.log[:, lay.LOG_KIND] == EventKind.FILLED]
    columns = lay.LOG_SIDE, lay.LOG_TICKS, lay.LOG_LOTS, lay.LOG_IMPACT
    rows = run.engine.state().rows
    book = dict(zip(rows["order_id"].tolist(), rows["qty_lots"].tolist(), strict=True))
    others = {order: lots for order, lots in book.items() if order < 90}
    return fills[:, columns].tolist(), others, result.figures


LAST = (40, NEW, BID, 51, 1, 80)
CASES = {
    # An own IOC takes 4 of order 1, which the recording executes in full: order 2 loses nothing.
    "taken in part": (
        [(1, NEW, ASK, 101, 10, 1), (2, NEW, ASK, 101, 7, 2), executed(20, BID, 101, 10, 1), LAST],
        [(5, BUY, 101, 4, LIMIT_IOC)],
        [[BID, 101, 4, 1]],
        {2: 7, 80: 1},
        4,
    ),
    "taken in whole": (
        [(1, NEW, ASK, 101, 10, 1), (2, NEW, ASK, 101, 7, 2), executed(20, BID, 101, 10, 1), LAST],
        [(5, BUY, 101, 10, LIMIT_IOC)],
        [[BID, 101, 10, 1]],
        {2: 7, 80: 1},
        10,
    ),
    "taken, then reduced and deleted": (
        [
            *((1, NEW, ASK, 101, 10, 1), (2, NEW, ASK, 101, 7, 2)),
            *((20, REDUCE, ASK, 101, 3, 1), (21, CANCEL, ASK, 101, 7, 1), LAST),
        ],
        [(5, BUY, 101, 4, LIMIT_IOC)],
        [[BID, 101, 4, 1]],
        {2: 7, 80: 1},
        0,
    ),
    # The own ask is behind order 1, of which 4 are missing: the recording does not come to it.
    "behind an order that was taken in part": (
        [(1, NEW, ASK, 101, 10, 1), executed(20, BID, 101, 10, 1), LAST],
        [(5, BUY, 101, 4, LIMIT_IOC), (6, SELL, 101, 5, LIMIT_DAY)],
        [[BID, 101, 4, 1]],
        {80: 1},
        4,
    ),
    # Order 3 crosses the own bid, which takes it and rests on: it is left out.  Its execution finds
    # nothing: neither order 4 behind it nor the own ask, at its price, is filled.
    "left out": (
        [
            *((1, NEW, BID, 95, 5, 1), (2, NEW, ASK, 110, 5, 2), (10, NEW, ASK, 100, 6, 3)),
            *((11, NEW, ASK, 110, 5, 4), executed(20, BID, 100, 6, 3), LAST),
        ],
        [(5, BUY, 100, 9, LIMIT_DAY), (6, SELL, 110, 5, LIMIT_DAY)],
        [[BID, 100, 6, 1]],
        {1: 5, 2: 5, 4: 5, 80: 1},
        12,
    ),
    # The own bid takes 4 of order 3 and is gone: order 3 rests with its whole quantity.
    "met on its way to rest": (
        [(1, NEW, BID, 95, 5, 1), (10, NEW, ASK, 100, 6, 3), executed(20, BID, 100, 6, 3), LAST],
        [(5, BUY, 100, 4, LIMIT_DAY)],
        [[BID, 100, 4, 1]],
        {1: 5, 80: 1},
        0,
    ),
    # The own ask is before order 1 by its price: a trade of the recording fills it.
    "before the executed order": (
        [(1, NEW, ASK, 101, 10, 1), executed(20, BID, 101, 6, 1), LAST],
        [(5, SELL, 100, 4, LIMIT_DAY)],
        [[ASK, 100, 4, 0]],
        {1: 4, 80: 1},
        4,
    ),
    # The recording executes an order that it never showed: only a better price can meet it.
    "an order never shown": (
        [(1, NEW, ASK, 105, 10, 1), executed(20, BID, 101, 6, 0), LAST],
        [(5, SELL, 100, 4, LIMIT_DAY), (6, SELL, 102, 4, LIMIT_DAY)],
        [[ASK, 100, 4, 0]],
        {1: 10, 80: 1},
        4,
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_the_recording_acts_on_the_orders_that_it_names(tmp_path, case):
    rows, own, fills, others, impact_lots = CASES[case]
    found, book, figures = run_of(tmp_path, [*FAR, *rows], own)
    assert found == fills
    assert book == others
    assert figures["impact_lots"] == impact_lots


def test_the_figures_say_how_much_depends_on_the_rule(tmp_path):
    """One fill is a trade of the recording, the other is not: each has its part of the equity."""
    rows = [
        *((1, NEW, BID, 98, 5, 1), (2, NEW, ASK, 102, 10, 2)),
        *(executed(20, BID, 102, 6, 2), (21, NEW, BID, 99, 1, 3)),
    ]
    own = [(5, SELL, 101, 2, LIMIT_DAY), (6, SELL, 98, 3, LIMIT_IOC)]
    fills, _, figures = run_of(tmp_path, [*FAR, *rows], own)
    assert fills == [[ASK, 98, 3, 1], [ASK, 101, 2, 0]]
    assert (figures["impact_fills"], figures["impact_filled_lots"]) == (1, 3)
    # Sold 3 at 98; the middle at the end is (99 + 102) / 2, of a position rounded down.
    assert figures["impact_equity"] == 3 * 98 + (99 + 102) * -3 // 2
    assert figures["equity"] == 3 * 98 + 2 * 101 + (99 + 102) * -5 // 2


def test_where_all_is_matched_as_it_is_all_fills_count(tmp_path):
    """Participants' own commands: each fill is lots that another participant did not get."""
    rows = [(1, NEW, BID, 98, 5, 1), (20, NEW, BID, 101, 6, 2), (21, NEW, BID, 97, 1, 3)]
    fills, _, figures = run_of(
        tmp_path, [*FAR, *rows], [(5, SELL, 101, 2, LIMIT_DAY)], restores=False
    )
    assert fills == [[ASK, 101, 2, 1]]
    assert figures["impact_fills"] == figures["fills"] == 1
