"""The recipes for an order type and a time in force (docs/for-contributors.md), to their end: name,
words, behaviour, and nothing else; without its behaviour the reference and the kernels differ."""

import json
import os
import re
import shutil
import subprocess
import sys

import pytest

from openoutcry.wire.kernel import CACHE_ROOT
from tests import ROOT
from tests.support.documents.rooms import AT_THE_TOP

HIDDEN_EXAMPLE = """### ODD_HIDDEN

A hidden order of an odd number of lots.

```example
NEW id=1 SELL 4@100 ODD_HIDDEN
    REJECTED id=1 4@100 leaves=0 BAD_AUX
NEW id=1 SELL 5@100 ODD_HIDDEN
    ACCEPTED id=1 5@100 leaves=5 HIDDEN
NEW id=2 BUY 2@100 p7
    ACCEPTED id=2 2@100 leaves=2 p7
    FILLED id=1 2@100 leaves=3 contra=2 MAKER
    FILLED id=2 2@100 leaves=0 contra=1 p7
```

## Time in force
"""
SESSION_EXAMPLE = """```example
NEW id=1 BUY 5@100 SESSION
    ACCEPTED id=1 5@100 leaves=5
PHASE CLOSED
    EXPIRED id=1 5@100 leaves=0 DAY_END
    PHASE_CHANGED CLOSED was=CONTINUOUS
```

## Changing orders
"""
TYPE = {
    "openoutcry/wire/enums.py": (
        "    MIN_QTY = 16\n",
        '    ODD_HIDDEN = 40\n    """Hidden, an odd number of lots."""\n    MIN_QTY = 16\n',
    ),
    "openoutcry/wire/order_types.py": (
        "    OrderType.MIN_QTY: OrderTypeRow(",
        "    OrderType.ODD_HIDDEN: OrderTypeRow(STAYING, home=Home.HIDDEN),\n"
        "    OrderType.MIN_QTY: OrderTypeRow(",
    ),
    "openoutcry/wire/words.py": (
        "LIMIT_BUDGET            | 2 ",
        "ODD_HIDDEN | 2 | - | - | - | LIMIT | odd_hidden | rests\nLIMIT_BUDGET            | 2 ",
    ),
    "matcher/book/instrument_rules.py": (
        "    elif order_type == const.MIN_QTY_TYPE:\n        good =",
        "    elif order_type == 40:\n        good = qty & 1 != 0\n"
        "    elif order_type == const.MIN_QTY_TYPE:\n        good =",
    ),
    "tests/oracles/matcher/checks.py": (
        "    elif order_type == OrderType.MIN_QTY:\n",
        "    elif order_type == OrderType.ODD_HIDDEN:\n        is_good = qty % 2 == 1\n"
        "    elif order_type == OrderType.MIN_QTY:\n",
    ),
    "docs/matcher.md": ("## Time in force\n", HIDDEN_EXAMPLE),
}
TIME = {
    "openoutcry/wire/enums.py": (
        "    AT_CLOSE = 7\n",
        '    AT_CLOSE = 7\n    SESSION = 8\n    """Until its instrument closes, too."""\n',
    ),
    "openoutcry/wire/order_types.py": (
        "OrderTypeRow(EVERY)",
        "OrderTypeRow((*EVERY, TimeInForce.SESSION))",
    ),
    "openoutcry/wire/words.py": (
        "AT_CLOSE      | 7 ",
        "SESSION | 5 | - | - | - | GTC | session | DAVY\nAT_CLOSE      | 7 ",
    ),
    "tests/oracles/matcher/auction.py": (
        "order.tif == TimeInForce.DAY or order.tif in AUCTION_ONLY",
        "order.tif in (TimeInForce.DAY, TimeInForce.SESSION, *AUCTION_ONLY)",
    ),
    "tests/oracles/matcher_judge.py": (
        "ends = order.tif in (TimeInForce.DAY, ",
        "ends = order.tif in (TimeInForce.DAY, TimeInForce.SESSION, ",
    ),
    "docs/matcher.md": ("## Changing orders\n", SESSION_EXAMPLE),
}
"""What a new member touches: (where, what is there then)."""

CHECK = """
import numpy as np
from openoutcry.wire import EventKind, OrderType
from tests.oracles.matcher_compare import compare
from tests.support.matcher.matcher_mixed import mixed
filled = accepted = 0
for seed in range(6):
    run = mixed(seed, 800, types=[{types}], width=8, extreme=0.0)
    events, orders = compare(run), run.orders
    own = events[np.isin(events["order_id"], orders["order_id"][{are_new}])]
    accepted += (own["kind"] == EventKind.ACCEPTED).sum()
    filled += ((own["kind"] == EventKind.FILLED) & (own["flags"] & 2 != 0)).sum()
assert accepted > 20, accepted
assert filled > 20, filled
"""
RECIPES = {
    "order type": (
        TYPE,
        "matcher/book/instrument_rules.py",
        CHECK.format(
            types="OrderType.ODD_HIDDEN, OrderType.LIMIT", are_new='orders["order_type"] == 40'
        ),
    ),
    "time in force": (
        TIME,
        "tests/oracles/matcher/auction.py",
        CHECK.format(types="OrderType.LIMIT", are_new='orders["time_in_force"] & 15 == 8'),
    ),
}
"""Of each: what it touches, a place of its behaviour, and a program that checks it."""


@pytest.fixture(params=RECIPES, scope="module")
def recipe(request, tmp_path_factory):
    """Every room and the pages, with the touches of a recipe, and generated again."""
    touches, behaviour, check = RECIPES[request.param]
    copy = tmp_path_factory.mktemp("tree")
    for name in (*AT_THE_TOP, "openoutcry", "tests", "docs"):
        shutil.copytree(
            ROOT / name, copy / name, symlinks=True, ignore=shutil.ignore_patterns("__pycache__")
        )
    shutil.copy(ROOT / "pyproject.toml", copy)
    for name, (old, new) in touches.items():
        text = (copy / name).read_text()
        assert text.count(old) == 1, f"{name} no longer says {old!r}"
        (copy / name).write_text(text.replace(old, new))
    history = json.loads((copy / "openoutcry" / "wire" / "layout_history.json").read_text())
    said = run(copy, "-m", "openoutcry.wire.generate", status=1)
    history.append(re.search(r'append "(\w+)"', said)[1])
    (copy / "openoutcry" / "wire" / "layout_history.json").write_text(json.dumps(history))
    run(copy, "-m", "openoutcry.wire.generate")
    return copy, touches[behaviour], copy / behaviour, check


def run(tree, *command, status=0):
    environment = {**os.environ, "PYTHONPATH": str(tree), "OUTCRY_CACHE_DIR": str(CACHE_ROOT)}
    done = subprocess.run(
        [sys.executable, *command], cwd=tree, env=environment, capture_output=True, text=True
    )
    assert done.returncode == status, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.mark.long
def test_a_recipe_leads_to_what_the_reference_does(recipe):
    """With these touches the page's examples hold, everything that has a name has its example, and
    random streams agree byte for byte; without the behaviour they do not."""
    tree, (before, after), behaviour, check = recipe
    page = "tests/unit/matcher/test_matcher_commands.py"
    names = "test_examples_on_the_page or test_everything_that_has_a_name"
    options = ("-q", "-p", "no:cacheprovider", "--rootdir", str(tree))
    run(tree, "-m", "pytest", *options, page, "-k", names)
    run(tree, "-c", check)
    behaviour.write_text(behaviour.read_text().replace(after, before))
    assert "AssertionError" in run(tree, "-c", check, status=1)
