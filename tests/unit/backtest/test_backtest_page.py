"""Every command of docs/backtest.md is run here, in its order, and its strategy."""

import re
import shlex

from openoutcry.backtest.day import open_recording, prepare_day
from openoutcry.backtest.latency import parse_latency
from openoutcry.backtest.run import run_day
from openoutcry.backtest.strategy import load_strategy
from tests.support.pipeline import warm_outcry
from tests.support.user_commands import DOCS, commands
from tests.support.waiting import BOUND_S


def test_commands_of_the_page(tmp_path) -> None:
    for line in commands("backtest.md"):
        outcry, *words = shlex.split(line.replace(":20000:", ":2000:").replace("20000", "2000"))
        assert outcry == "outcry"
        done = warm_outcry.run(words, tmp_path, BOUND_S)
        assert done.returncode == 0, (line, done.stderr)
        assert done.stdout.strip(), line


def test_the_strategy_of_the_page(tmp_path) -> None:
    text = (DOCS / "backtest.md").read_text()
    (tmp_path / "mine.py").write_text(re.findall(r"```python\n(.*?)```", text, re.DOTALL)[0])
    strategy = load_strategy(f"{tmp_path / 'mine.py'}:buyer")
    day = prepare_day(open_recording("generated:normal:2000:1"), tmp_path / "day")
    runs = [
        run_day(day, one, {}, parse_latency("constant:100:100"))
        for one in (strategy, strategy.in_python())
    ]
    assert runs[0].hash == runs[1].hash
    assert runs[0].figures["fills"] > 0
