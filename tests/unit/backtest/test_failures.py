"""A strategy that is wrong is named; what a killed process left is removed."""

import os
import socket

import pytest

import openoutcry.backtest.layout as lay
from openoutcry.backtest.checked import check_kernels_of
from openoutcry.backtest.desk import LIMIT_DAY, send
from openoutcry.backtest.latency import parse_latency
from openoutcry.backtest.plan import Plan
from openoutcry.backtest.run import run_day
from openoutcry.backtest.strategy import Strategy
from openoutcry.backtest.work import run_plan
from openoutcry.wire.enums import CommandKind, Side, TimeInForce
from openoutcry.wire.errors import BacktestError
from openoutcry.wire.kernel import kernel
from tests.support.backtest.backtest_days import day_of

ROWS = [(CommandKind.NEW, Side.BUY, 99, 1, 0, TimeInForce.DAY, 0)]
ROWS += [(CommandKind.NEW, Side.BUY, 98, 1, 0, TimeInForce.DAY, 9)]


@kernel
def put(words, at, value):
    """A helper of a strategy, in which the bounds count as well."""
    words[at] = value
    return 0


@kernel
def wild(view, state, desk):
    if state[0] == 1:
        put(state, state[1], state[2])
    elif state[0] == 2:
        put(desk, state[1], state[2])
    else:
        put(view, state[1], state[2])
    return 0


WILD = Strategy("wild", {"which": 1, "at": 0, "value": 7}, 8, on_timer=wild, interval_ns=1)
BEYOND = "strategy wild: a callback reads or writes beyond the end of an array"


@pytest.mark.parametrize("is_kernel", [True, False])
@pytest.mark.parametrize(
    ("which", "at", "value", "words"),
    [
        (1, 8, 7, BEYOND),
        (1, 10**15, 7, BEYOND),
        (1, -9, 7, BEYOND),
        (2, lay.DESK_WORDS, 7, BEYOND),
        (3, lay.VIEW_WORDS, 7, BEYOND),
        (2, lay.REQUEST_COUNT, 10**9, "overwritten words of the desk"),
        (2, lay.ROWS_END, -5, "overwritten words of the desk"),
        (1, 7, 7, None),
    ],
)
def test_a_strategy_that_writes_out_of_range_is_named(tmp_path, is_kernel, which, at, value, words):
    """Compiled as in Python: an error, and no memory that is not the strategy's is touched."""
    day = day_of(ROWS, tmp_path / "day", False)
    strategy = WILD if is_kernel else WILD.in_python()
    given = {"which": which, "at": at, "value": value}
    if words is None:
        assert run_day(day, strategy, given, parse_latency("constant:0:0")).figures["fills"] == 0
        return
    with pytest.raises(BacktestError, match=words):
        run_day(day, strategy, given, parse_latency("constant:0:0"))


def test_what_a_callback_raises_names_the_strategy(tmp_path):
    def on_timer(view, state, desk):
        return {}["price"]

    day = day_of(ROWS, tmp_path / "day", False)
    strategy = Strategy("torn", {}, 8, on_timer=on_timer, interval_ns=1)
    with pytest.raises(BacktestError, match="strategy torn: KeyError: 'price'"):
        run_day(day, strategy, {}, parse_latency("constant:0:0"))


def test_what_a_killed_process_left_is_removed_at_the_next_start(tmp_path):
    """What a process that runs, or another machine, writes stays."""
    left, mine = 2**22 + 1, os.getpid()
    host = socket.gethostname()
    folders = {
        tmp_path / "days" / f".day00000-{host}-{left}": False,
        tmp_path / "tasks" / f".day00000-part0000-{host}-{left}": False,
        tmp_path / "tasks" / f".day00000-part0001-{host}-{mine}": True,
        tmp_path / "tasks" / f".day00000-part0001-elsewhere-{left}": True,
    }
    for folder in folders:
        folder.mkdir(parents=True)
        (folder / "commands").write_bytes(bytes(100))
    run_plan(Plan(("generated:normal:100:1",), ("maker",), {}), tmp_path)
    assert {folder: folder.exists() for folder in folders} == folders


def trade(view, state, desk):
    send(desk, 0, 1, 1, LIMIT_DAY)


def test_what_plain_python_calls_is_compiled_once_for_all_runs():
    check_kernels_of(trade)
    first = trade.__globals__["send"]
    assert first.targetoptions["boundscheck"]
    check_kernels_of(trade)
    assert trade.__globals__["send"] is first
