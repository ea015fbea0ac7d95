"""A LOBSTER day with a seed book, some of whose executions pass over the head of a queue."""

import pytest

import openoutcry.backtest.layout as lay
from openoutcry.backtest.day import open_recording, prepare_day
from openoutcry.backtest.desk import BUY, POST_ONLY_DAY, SELL, cancel, send, working
from openoutcry.backtest.latency import parse_latency
from openoutcry.backtest.run import DayRun
from openoutcry.backtest.strategy import Strategy
from openoutcry.bench.check_book import check_book
from openoutcry.wire.enums import EventKind, Side
from openoutcry.wire.errors import FlowError
from tests.oracles.backtest_queue import QueueModel, replayed
from tests.support.flow.generated_market import write_lobster


def join_the_best(view, state, desk):
    """Keep an order of three lots at each best price."""
    for side, at in ((BUY, lay.BID_TICKS), (SELL, lay.ASK_TICKS)):
        row = working(desk, side)
        if row == 0 and view[at] != lay.NOTHING:
            send(desk, side, view[at], 3, POST_ONLY_DAY)
        elif row != 0 and desk[row + lay.ROW_TICKS] != view[at]:
            cancel(desk, desk[row])


STRATEGY = Strategy("joiner", {}, 8, on_timer=join_the_best, interval_ns=1_000_000)


@pytest.mark.parametrize(("seed", "passes"), [(1, 0.0), (2, 0.3), (3, 0.6), (4, 1.0)])
def test_samples_and_fills_are_those_of_an_own_model(tmp_path, seed, passes):
    """Every best price of 256 samples and every fill, by lists that know only the rows."""
    write_lobster(tmp_path, seed, 2_000, prices=20, passes=passes)
    messages, book = tmp_path / "messages.csv", tmp_path / "orderbook.csv"
    result = check_book(messages, book)
    assert result["equal"] == result["rows"] == 2_000
    assert (result["repairs"] > 0) == (passes > 0)

    day = prepare_day(open_recording(f"lobster:{messages}:{book}"), tmp_path / "day")
    run = DayRun(day, STRATEGY, {}, parse_latency("constant:0:0"))
    while run.advance() != lay.DONE:
        join_the_best(run.view, run.state, run.desk)
    log = run.result().log
    sides = {int(Side.BUY): 1, int(Side.SELL): -1}
    actions, fills = [], []
    columns = (lay.LOG_NS, lay.LOG_KIND, lay.LOG_ORDER, lay.LOG_SIDE, lay.LOG_TICKS, lay.LOG_LOTS)
    for at_ns, kind, order, side, price, lots in log[:, columns].tolist():
        if kind == EventKind.ACCEPTED:
            actions.append((at_ns, order, sides[side], price, lots))
        elif kind == EventKind.CANCELLED:
            actions.append((at_ns, order, sides[side], price, 0))
        elif kind == EventKind.FILLED:
            fills.append((at_ns, order, price, lots))
    samples = run.samples.reshape(-1, lay.SAMPLE_WORDS)[: run.words[lay.W_SAMPLES]]
    model = QueueModel(messages, book)
    best = replayed(model, actions, samples[:, lay.SAMPLE_NS].tolist())
    model.run_to(day.last_ns)
    assert len(fills) > 10
    assert fills == model.fills
    shown = samples[:, (lay.SAMPLE_BID, lay.SAMPLE_ASK)].tolist()
    assert [tuple(None if v == lay.NOTHING else v for v in row) for row in shown] == best


def test_halves_that_are_swapped_are_named(tmp_path):
    """File, row and time."""
    write_lobster(tmp_path, 2, 300)
    path = tmp_path / "messages.csv"
    rows = path.read_text().splitlines(keepends=True)
    path.write_text("".join(rows[150:] + rows[:150]))
    words = rf"{path}: row 151, column 1 \(time\): .* is before the row above"
    with pytest.raises(FlowError, match=words):
        prepare_day(open_recording(f"lobster:{path}"), tmp_path / "day")
