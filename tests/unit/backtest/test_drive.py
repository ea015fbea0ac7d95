"""A run through a day: the compiled driver beside the plain one, and what fills mean."""

import numpy as np
import pytest

import openoutcry.backtest.layout as lay
from openoutcry.backtest.desk import BUY, LIMIT_DAY, SELL, send
from openoutcry.backtest.latency import constant, drawn, measured, parse_latency
from openoutcry.backtest.run import Terms, run_day
from openoutcry.backtest.strategy import Strategy
from openoutcry.wire.enums import CommandKind, EventKind, Reason, Side, TimeInForce
from openoutcry.wire.errors import BacktestError
from tests.oracles.backtest import ReferenceRun
from tests.support.backtest.backtest_days import SYMBOL, day_of, restless

NEW, CANCEL = CommandKind.NEW, CommandKind.CANCEL
DAY, IOC = TimeInForce.DAY, TimeInForce.IOC
AT_ONCE = parse_latency("constant:0:0")


def once(*orders):
    """A strategy that sends these at its first timer."""

    def on_timer(view, state, desk):
        if state[0] == 0:
            state[0] = 1
            for order in orders:
                send(desk, *order)

    return Strategy("once", {}, 8, on_timer=on_timer, interval_ns=1)


def fills_of(day, *orders, latency=AT_ONCE, terms=None):
    run = run_day(day, once(*orders), {}, latency, terms=terms)
    fills = run.log[run.log[:, lay.LOG_KIND] == EventKind.FILLED]
    columns = (lay.LOG_NS, lay.LOG_SIDE, lay.LOG_TICKS, lay.LOG_LOTS)
    return fills[:, columns].tolist(), run


MARKET = [
    (NEW, Side.BUY, 99, 5, 0, DAY, 0),
    (NEW, Side.SELL, 101, 5, 0, DAY, 0),
    (NEW, Side.SELL, 103, 5, 0, DAY, 5),
]
"""Orders 1 to 3, at 1,000 and 1,005 ns."""


def test_an_order_waits_for_all_that_was_ahead_of_it(tmp_path):
    """Five lots are ahead: the first sale of five passes it by, the second of two fills it."""
    rows = [
        *MARKET,
        (NEW, Side.BUY, 99, 4, 0, DAY, 5),
        (NEW, Side.SELL, 99, 5, 0, IOC, 5),
        (NEW, Side.SELL, 99, 2, 0, IOC, 5),
    ]
    day = day_of(rows, tmp_path / "day", True)
    start = day.first_ns
    fills, run = fills_of(day, (BUY, 99, 1, LIMIT_DAY))
    assert [fill[1:] for fill in fills] == [[Side.BUY, 99, 1]]
    accepted = run.log[run.log[:, lay.LOG_KIND] == EventKind.ACCEPTED]
    assert accepted[:, lay.LOG_AHEAD].tolist() == [5]
    assert fills[0][0] == int(day.records()["rx_ts_ns"][-1]) > start
    assert run.figures["restored"] == 1


def test_the_recorded_book_stays_as_recorded(tmp_path):
    """Whoever was executed in the record is executed, though an own order was filled in its
    place."""
    rows = [*MARKET, (NEW, Side.BUY, 99, 4, 0, DAY, 5), (NEW, Side.SELL, 99, 7, 0, IOC, 5)]
    day = day_of(rows, tmp_path / "day", True)
    nothing = Strategy("nothing", {}, 8, on_timer=lambda *_: None, interval_ns=1)
    alone = run_day(day, nothing, {}, AT_ONCE)
    fills, _ = fills_of(day, (BUY, 99, 1, LIMIT_DAY), (BUY, 98, 1, LIMIT_DAY))
    assert len(fills) == 1
    slow = ReferenceRun(day, once((BUY, 99, 1, LIMIT_DAY)), {}, AT_ONCE)
    others = [(o.order_id, o.leaves) for o in slow.engine.markets[0].canonical()]
    without = ReferenceRun(day, nothing, {}, AT_ONCE)
    assert others == [(o.order_id, o.leaves) for o in without.engine.markets[0].canonical()]
    assert alone.figures["fills"] == 0


def test_orders_of_a_journal_are_matched_as_they_stand(tmp_path):
    """Where participants' own commands are replayed, what an own order takes another does not
    get."""
    rows = [*MARKET, (NEW, Side.BUY, 99, 4, 0, DAY, 5), (NEW, Side.SELL, 99, 7, 0, IOC, 5)]
    day = day_of(rows, tmp_path / "day", False)
    slow = ReferenceRun(day, once((BUY, 99, 1, LIMIT_DAY)), {}, AT_ONCE)
    assert [o.leaves for o in slow.engine.markets[0].canonical() if o.side == Side.BUY] == [3]


@pytest.mark.parametrize("order_ns", [0, 5, 11])
def test_an_order_that_comes_too_late_is_not_filled(tmp_path, order_ns):
    """The trade is 10 ns behind the timer: after a latency of 11 there is none."""
    rows = [*MARKET, (NEW, Side.SELL, 98, 6, 0, IOC, 6)]
    day = day_of(rows, tmp_path / "day", False)
    late = parse_latency(f"constant:0:{order_ns}")
    fills, _ = fills_of(day, (BUY, 99, 1, LIMIT_DAY), latency=late)
    assert len(fills) == (order_ns <= 10)


def test_fees_are_the_ledgers(tmp_path):
    """Millionths of the money, the nearest whole unit; a negative rate is a rebate."""
    rows = [*MARKET, (NEW, Side.SELL, 99, 9, 0, IOC, 5), (NEW, Side.SELL, 120, 1, 0, DAY, 5)]
    day = day_of(rows, tmp_path / "day", False)
    orders = ((BUY, 101, 2, LIMIT_DAY), (BUY, 99, 1, LIMIT_DAY))
    _, run = fills_of(day, *orders, terms=Terms(-10_000, 20_000))
    assert run.figures["fees"] == 4 - 1
    assert run.figures["cash"] == -2 * 101 - 99


def test_limits_are_the_venues(tmp_path):
    """An order beyond a risk limit is rejected by the same kernels, with the same reason."""
    day = day_of([*MARKET, (NEW, Side.BUY, 98, 1, 0, DAY, 9)], tmp_path / "day", False)
    terms = Terms(limits=({"set": "OPEN_ORDERS", "value": 1},))
    orders = ((BUY, 99, 1, LIMIT_DAY), (SELL, 110, 1, LIMIT_DAY))
    _, run = fills_of(day, *orders, terms=terms)
    rejected = run.log[run.log[:, lay.LOG_KIND] == EventKind.REJECTED]
    assert rejected[:, lay.LOG_REASON].tolist() == [Reason.RISK]
    assert run.figures["rejected"] == 1


def test_a_strategy_does_not_see_itself(tmp_path):
    """Best prices are the others', as a strategy wants them."""
    seen = []

    def on_timer(view, state, desk):
        seen.append(tuple(view[lay.BID_TICKS : lay.ASK_LOTS + 1].tolist()))
        if state[0] == 0:
            state[0] = 1
            send(desk, BUY, 100, 3, LIMIT_DAY)
            send(desk, SELL, 101, 3, LIMIT_DAY)

    day = day_of([*MARKET, (NEW, Side.BUY, 98, 1, 0, DAY, 9)], tmp_path / "day", False)
    run = run_day(day, Strategy("s", {}, 8, on_timer=on_timer, interval_ns=4), {}, AT_ONCE)
    assert set(seen) == {(99, 5, 101, 5)}
    assert run.figures["accepted"] == 2


def test_own_quotes_are_no_mark(tmp_path):
    """The position is marked at the others' middle at the end, as in every sample."""
    day = day_of([*MARKET, (NEW, Side.BUY, 98, 1, 0, DAY, 9)], tmp_path / "day", False)
    orders = (BUY, 101, 2, LIMIT_DAY), (BUY, 100, 3, LIMIT_DAY), (SELL, 102, 1, LIMIT_DAY)
    _, run = fills_of(day, *orders)
    assert run.figures["position_lots"] == 2
    assert run.figures["equity"] == 2 * (99 + 101) // 2 - 2 * 101


def test_latency_models():
    """Tables of quantiles: a constant, a log-normal, what a run measured."""
    assert set(constant(7).tolist()) == {7}
    table = drawn(1_000, 5_000)
    assert (np.diff(table) >= 0).all()
    assert abs(int(table[2_048]) - 1_000) <= 1
    assert abs(int(table[4_055]) - 5_000) < 50
    assert np.unique(measured([[10, 1], [20, 3]]), return_counts=True)[1].tolist() == [1_024, 3_072]


@pytest.mark.parametrize(
    "text",
    [
        "constant:1",
        "constant:-1:0",
        "drawn:9:1",
        "measured:x",
        "z:1",
        f"constant:{2**63}:0",
        f"constant:0:{2**62}",
        f"drawn:1:{10**20}",
    ],
)
def test_a_latency_that_is_invalid_is_refused(text):
    """Also one that no sum of times in a run has room for."""
    with pytest.raises(BacktestError):
        parse_latency(text)


def test_no_drawn_or_measured_latency_is_beyond_the_longest():
    """The ends of a wide distribution are cut there."""
    assert drawn(1, lay.LONGEST_NS).max() == lay.LONGEST_NS
    assert measured([[lay.LONGEST_NS + 1, 1]]).max() == lay.LONGEST_NS
    with pytest.raises(BacktestError, match="int64"):
        measured([[2**64, 1]])


def test_numbers_without_room_are_refused(tmp_path):
    """Parameters, intervals and fees, in words that name them."""
    day = day_of(MARKET, tmp_path / "day", False)
    too_large = {"x": 2**63, "interval_ns": 2**62}
    for name, value in too_large.items():
        strategy = Strategy("s", {"x": 0, "interval_ns": 1}, on_timer=lambda *_: None)
        with pytest.raises(BacktestError, match=f"{name} is {value}"):
            run_day(day, strategy, {name: value}, AT_ONCE)
    with pytest.raises(BacktestError, match="taker's fee in millionths is 1000001"):
        Terms(0, 1_000_001)


def test_a_flood_of_orders_ends_the_run(tmp_path):
    """What has no room is said, not dropped."""

    def on_timer(view, state, desk):
        for row in range(lay.DESK_ROWS):
            desk[lay.DESK_AT + row * lay.DESK_ROW_WORDS + lay.ROW_STATE] = lay.FREE
            send(desk, BUY, 1, 1, LIMIT_DAY)

    day = day_of([*MARKET, (NEW, Side.BUY, 98, 1, 0, DAY, 9)], tmp_path / "day", False)
    slow = parse_latency("constant:0:1000")
    with pytest.raises(BacktestError, match="in flight"):
        run_day(day, Strategy("flood", {}, 8, on_timer=on_timer, interval_ns=1), {}, slow)


def test_callbacks_are_all_kernels_or_all_python(tmp_path):
    day = day_of(MARKET, tmp_path / "day", False)
    mixed = Strategy("mixed", {}, 16, on_book=restless.on_book, on_event=lambda *_: None)
    with pytest.raises(BacktestError, match="all kernels"):
        run_day(day, mixed, {}, AT_ONCE)
    assert SYMBOL.decode() == day.instrument["symbol"]
