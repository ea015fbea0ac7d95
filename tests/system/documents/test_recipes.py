"""The recipes for an order type and a time in force (docs/for-contributors.md): a copy of the tree
takes a throw-away one, and each step that is missing fails and names what lacks it."""

import os
import shutil
import subprocess
import sys
from typing import NamedTuple

import pytest

from tests import ROOT

COPIED = ("wire", "order_entry")
"""Rooms that a recipe changes, or whose modules the test loads first; links lead to the others."""


class Step(NamedTuple):
    """An edit, and how the tree fails until the next one."""

    file: str
    old: str
    new: str
    loads: str
    fails: str


TIME = "    AT_CLOSE = 7\n"
TIME_ROW = "AT_CLOSE      | 7 "
NEW_TIME = "SESSION | 5 | - | time_in_force 7 | - | GTC | session\n"
TIME_STEPS = (
    Step("wire/enums.py", TIME, TIME + "    SESSION = 8\n",
         "wire.order_types", "no order type may be SESSION"),
    Step("wire/order_types.py", "OrderTypeRow(EVERY)", "OrderTypeRow((*EVERY, TimeInForce(8)))",
         "wire.words", "SESSION has no row in 'time in force': FIX, OUCH 4.2, OUCH 5.0, Binance"),
    Step("wire/words.py", TIME_ROW, NEW_TIME + TIME_ROW,
         "wire.words", "SESSION has no word for RTS 24 in 'time in force'"),
    Step("wire/words.py", "| session\n", "| session | DAVY\n",
         "order_entry.ouch50_in", "OUCH 5.0 does not read what wire/words.py says of SESSION"),
    Step("wire/words.py", "| time_in_force 7 |", "| - |", "order_entry.fix.drop_copy", ""),
)  # fmt: skip
TYPE_ROW = "LIMIT_BUDGET            | 2 "
TYPE_STEPS = (
    Step("wire/enums.py", "    MIN_QTY = 16\n", "    ODD_HIDDEN = 40\n    MIN_QTY = 16\n",
         "wire.order_types", "an order type without its row"),
    Step("wire/order_types.py", "    OrderType.MIN_QTY: OrderTypeRow(",
         "    OrderType.ODD_HIDDEN: OrderTypeRow(STAYING, home=Home.HIDDEN),\n"
         "    OrderType.MIN_QTY: OrderTypeRow(",
         "wire.words", "ODD_HIDDEN has no row in 'order type': FIX, FIX D, OUCH 4.2, OUCH 5.0"),
    Step("wire/words.py", TYPE_ROW, "ODD_HIDDEN | 2 | 40=2 18=Z | - | - | LIMIT | odd\n" + TYPE_ROW,
         "wire.words", "ODD_HIDDEN has no word for RTS 9 in 'order type'"),
    Step("wire/words.py", "| odd\n", "| odd | rests\n",
         "order_entry.fix.decode", "FIX D does not read what wire/words.py says of ODD_HIDDEN"),
    Step("wire/words.py", "| 40=2 18=Z |", "| - |", "order_entry.fix.drop_copy", ""),
)  # fmt: skip
SAYS = """
from openoutcry.order_entry.fix import drop_copy
from openoutcry.wire import words
from openoutcry.wire.enums import OrderType, TimeInForce
{}
"""
TIME_SAYS = """
assert chr(drop_copy.TIMES[TimeInForce.SESSION]) == "5"
words.TIMES.say("Binance", TimeInForce.SESSION)
"""
TYPE_SAYS = """
assert chr(drop_copy.TYPES[OrderType.ODD_HIDDEN]) == "2"
words.ORDER_TYPES.say("OUCH 4.2", OrderType.ODD_HIDDEN)
"""


@pytest.fixture
def tree(tmp_path):
    package = tmp_path / "openoutcry"
    package.mkdir()
    for entry in (ROOT / "openoutcry").iterdir():
        if entry.name in COPIED:
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(entry, package / entry.name, ignore=ignored)
        elif entry.name != "__pycache__":
            (package / entry.name).symlink_to(entry.resolve())
    return tmp_path


def run(tree, code):
    """What a program writes to its errors; "" if it ends well."""
    environment = {**os.environ, "PYTHONPATH": str(tree), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tree, env=environment, capture_output=True, text=True
    )
    assert (done.returncode == 0) == (done.stderr == ""), done.stderr
    return done.stderr


@pytest.mark.parametrize(
    ("steps", "says", "cannot"),
    [
        (TIME_STEPS, TIME_SAYS, "Binance has no word for SESSION (time in force)"),
        (TYPE_STEPS, TYPE_SAYS, "OUCH 4.2 has no word for ODD_HIDDEN (order type)"),
    ],
    ids=["time in force", "order type"],
)
def test_each_step_of_a_recipe_that_is_missing_is_named(tree, steps, says, cannot):
    for step in steps:
        path = tree / "openoutcry" / step.file
        text = path.read_text()
        assert text.count(step.old) == 1, f"{step.file} no longer says {step.old!r}"
        path.write_text(text.replace(step.old, step.new))
        if step.fails:
            assert step.fails in run(tree, f"import openoutcry.{step.loads}")
    # Now every module loads, and what a door cannot say is an error that names both.
    assert cannot in run(tree, SAYS.format(says))
