"""Plans, tasks, and what is left of them when somebody is killed."""

import json
import re
import sys

import numpy as np
import pyarrow.parquet as parquet
import pytest
from click.testing import CliRunner

from openoutcry.backtest.day import load_day, open_recording, prepare_day
from openoutcry.backtest.plan import Plan, parse_parameters
from openoutcry.backtest.work import run_plan
from openoutcry.cli.main import main
from openoutcry.wire.enums import CommandKind, Side, TimeInForce
from openoutcry.wire.errors import BacktestError
from openoutcry.wire.extras import need
from tests.support.backtest.backtest_days import day_of
from tests.support.flow.generated_market import write_lobster


@pytest.mark.parametrize("text", ["{}", "[]", '{"days": 1}', "x"])
def test_a_plan_that_is_invalid_is_named(tmp_path, text):
    """Whatever stands in the folder's plan.json."""
    (tmp_path / "plan.json").write_text(text)
    with pytest.raises(BacktestError, match="no plan of a backtest"):
        run_plan(Plan(("generated:normal:100:1",), ("maker",), {}), tmp_path)


def test_another_plan_does_not_mix_with_the_results(tmp_path):
    run_plan(Plan(("generated:normal:100:1",), ("maker",), {}), tmp_path)
    with pytest.raises(BacktestError, match="another plan"):
        run_plan(Plan(("generated:normal:100:2",), ("maker",), {}), tmp_path)


STRATEGY = """
from outcry_test_sizes import sizes
from openoutcry.backtest.strategy import Strategy
mine = Strategy("mine", {"x": 0}, 8, on_timer=lambda *_: None, interval_ns=1_000_000)
"""


@pytest.mark.parametrize("changed", ["mine.py", "outcry_test_sizes/more.py", "messages.csv", ""])
def test_results_of_another_file_are_not_shown(tmp_path, monkeypatch, changed):
    """The strategy, what it imports, the day: each is named; unchanged, the result is shown."""
    monkeypatch.syspath_prepend(tmp_path)
    for name in [name for name in sys.modules if name.startswith("outcry_test_sizes")]:
        monkeypatch.delitem(sys.modules, name)
    write_lobster(tmp_path, seed=2, messages=300)
    (tmp_path / "mine.py").write_text(STRATEGY)
    package = tmp_path / "outcry_test_sizes"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "sizes.py").write_text("from . import more\n")
    (package / "more.py").write_text("LOTS = 1\n")
    strategy = f"{tmp_path / 'mine.py'}:mine"
    plan = Plan((f"lobster:{tmp_path / 'messages.csv'}",), (strategy,), {})
    before = run_plan(plan, tmp_path / "out")
    names = set(json.loads((tmp_path / "out" / "plan.json").read_text())["inputs"])
    assert str(package / "more.py") in names
    if not changed:
        assert run_plan(plan, tmp_path / "out") == before
        return
    path = tmp_path / changed
    path.write_text(path.read_text() + "\n")
    with pytest.raises(BacktestError, match=re.escape(changed)):
        run_plan(plan, tmp_path / "out")


@pytest.mark.parametrize(
    ("days", "strategy", "parameters", "words"),
    [
        (("tape:x",), "maker", {}, "is not one of"),
        (("generated:normal:x:1",), "maker", {}, "generated:FLOW"),
        (("generated:normal:100:1",), "nobody", {}, "has no strategy"),
        (("generated:normal:100:1",), "maker", {"size": (1,)}, "has no parameter"),
        (("generated:normal:100:1",), "nowhere.py:x", {}, "nowhere.py"),
    ],
)
def test_what_cannot_be_run_is_said(tmp_path, days, strategy, parameters, words):
    with pytest.raises(BacktestError, match=words):
        run_plan(Plan(days, (strategy,), parameters), tmp_path)


def test_without_the_extra_one_line_says_what_to_install():
    with pytest.raises(BacktestError, match=r"^x needs nothing_like_it: pip install"):
        need("nothing_like_it", "x needs nothing_like_it", "backtest", BacktestError)


def test_parameters():
    assert parse_parameters(["a=1,3", "b=2..4"]) == {"a": (1, 3), "b": (2, 3, 4)}
    for text in ("a", "a=", "a=x", "a=3..1"):
        with pytest.raises(BacktestError):
            parse_parameters([text])


def test_a_recording_is_a_day(tmp_path):
    """LOBSTER: times after midnight, executions with who was executed."""
    write_lobster(tmp_path, seed=2, messages=300)
    day = prepare_day(open_recording(f"lobster:{tmp_path / 'messages.csv'}"), tmp_path / "day")
    records = day.records()
    assert day.restores
    assert day.first_ns > 34_200 * 10**9
    assert (np.diff(records["rx_ts_ns"]) >= 0).all()
    assert (records["aux"] != 0).sum() > 0
    assert load_day(tmp_path / "day") == day


def test_no_other_order_has_the_strategys_participant(tmp_path):
    rows = [(CommandKind.NEW, Side.BUY, 99, 1, 0, TimeInForce.DAY, 0)]
    assert day_of(rows, tmp_path / "day", False).participant == 2


def test_the_command_writes_tables_and_a_page(tmp_path):
    """In this process; the second time everything is there."""
    command = [
        "backtest",
        "generated:normal:500:1",
        "generated:normal:500:2",
        "--strategy",
        "requoter",
        "--param",
        "offset_ticks=0..1",
        "--latency",
        "constant:0:0",
        "--latency",
        "drawn:1000:20000",
        "--out",
        str(tmp_path / "out"),
        "--workers",
        "0",
        "--json",
    ]
    first = CliRunner().invoke(main, command)
    assert first.exit_code == 0, first.output
    summary = json.loads(first.stdout)
    assert summary["runs"] == 8
    assert json.loads(CliRunner().invoke(main, command).stdout) == summary
    rows = parquet.read_table(tmp_path / "out" / "runs.parquet").to_pylist()
    assert len(rows) == 8
    fills = parquet.read_table(tmp_path / "out" / "tasks" / "day00000-part0000" / "fills.parquet")
    assert len(fills) == sum(row["fills"] for row in rows if row["day"] == 0)
    page = (tmp_path / "out" / "report.html").read_text()
    for words in ("Equity", "Fills", "Queue position", "Latency sensitivity", summary["hash"]):
        assert words in page
