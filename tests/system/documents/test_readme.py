"""README.md: its two commands and its example run, and its first screen says what it must."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.documents.readme import README
from tests.support.user_commands import copy_of_the_tree, python_blocks, run
from tests.support.waiting import BOUND_S


def test_the_library_example_runs(tmp_path: Path) -> None:
    (example,) = python_blocks(README)
    setup = """import numpy as np
from openoutcry.wire import ORDER_DTYPE, CommandKind, OrderType, Side, TimeInForce
orders = np.zeros(1, ORDER_DTYPE)
orders["seq"], orders["order_id"], orders["symbol"] = 1, 1, b"GOLD"
orders["kind"], orders["order_type"] = CommandKind.NEW, OrderType.LIMIT
orders["side"], orders["time_in_force"] = Side.BUY, TimeInForce.GTC
orders["price_ticks"], orders["qty_lots"] = 100, 5
"""
    (tmp_path / "example.py").write_text(
        f"{setup}{example}\nassert again.state_hash() == engine.state_hash()\n"
    )
    assert "100" in run(f"{sys.executable} example.py", tmp_path)


@pytest.mark.smoke
def test_make_run(tmp_path: Path) -> None:
    """`make run` in a fresh copy of the tree leaves a report and a journal that replays."""
    copy_of_the_tree(tmp_path)
    environment = Path(sys.prefix)
    if not (environment / ".run-ready").exists():
        pytest.skip("this environment was not made by make: `make test` runs this test")
    done = subprocess.run(
        [
            "make",
            "run",
            f"VENV={environment}",
            "--old-file",
            f"{environment}/.run-ready",
            "ORDERS=50000",
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=BOUND_S,
    )
    assert done.returncode == 0, done.stderr
    assert "state and events equal" in done.stdout
    assert "</html>" in (tmp_path / "report.html").read_text()
    run("outcry replay run-journal", tmp_path)
