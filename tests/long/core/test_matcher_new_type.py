"""Adding an order type, as docs/matcher.md says: its name and row in the table, its kernel, its
reference, its example, and nothing else."""

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

EXAMPLE = """### ODD_HIDDEN

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
TOUCHES = {
    "openoutcry/wire/enums.py": (
        "    MIN_QTY = 16\n",
        '    ODD_HIDDEN = 40\n    """Hidden, an odd number of lots."""\n    MIN_QTY = 16\n',
    ),
    "openoutcry/wire/order_types.py": (
        "    OrderType.MIN_QTY: OrderTypeRow(",
        "    OrderType.ODD_HIDDEN: OrderTypeRow(STAYING, home=Home.HIDDEN),\n"
        "    OrderType.MIN_QTY: OrderTypeRow(",
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
    "docs/matcher.md": ("## Time in force\n", EXAMPLE),
}
"""What a new type touches: (where, what stands there then)."""

CHECK = """
from openoutcry.wire import EventKind, OrderType
from tests.oracles.matcher_compare import compare
from tests.support.matcher.matcher_mixed import mixed
filled = accepted = 0
for seed in range(6):
    run = mixed(seed, 800, types=[OrderType.ODD_HIDDEN, OrderType.LIMIT], width=8, extreme=0.0)
    events = compare(run)
    accepted += ((events["kind"] == EventKind.ACCEPTED) & (events["flags"] & 8 != 0)).sum()
    filled += ((events["kind"] == EventKind.FILLED) & (events["flags"] & 2 != 0)).sum()
assert accepted > 20, accepted
assert filled > 100, filled
"""


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    """Every room and the pages, with the touches of a new type, and generated again."""
    copy = tmp_path_factory.mktemp("tree")
    for name in (*AT_THE_TOP, "openoutcry", "tests", "docs"):
        shutil.copytree(
            ROOT / name, copy / name, symlinks=True, ignore=shutil.ignore_patterns("__pycache__")
        )
    shutil.copy(ROOT / "pyproject.toml", copy)
    for name, (old, new) in TOUCHES.items():
        text = (copy / name).read_text()
        assert text.count(old) == 1, f"{name} no longer says {old!r}"
        (copy / name).write_text(text.replace(old, new))
    history = json.loads((copy / "openoutcry" / "wire" / "layout_history.json").read_text())
    said = run(copy, "-m", "openoutcry.wire.generate", status=1)
    history.append(re.search(r'append "(\w+)"', said)[1])
    (copy / "openoutcry" / "wire" / "layout_history.json").write_text(json.dumps(history))
    run(copy, "-m", "openoutcry.wire.generate")
    return copy


def run(tree, *command, status=0):
    environment = {**os.environ, "PYTHONPATH": str(tree), "OUTCRY_CACHE_DIR": str(CACHE_ROOT)}
    done = subprocess.run(
        [sys.executable, *command], cwd=tree, env=environment, capture_output=True, text=True
    )
    assert done.returncode == status, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.mark.long
def test_a_new_order_type_touches_its_table_kernel_reference_and_example_only(tree):
    """With these five touches the page's examples hold, everything that has a name has its example,
    and random streams of the type agree byte for byte and pass the judge."""
    page = "tests/unit/matcher/test_matcher_commands.py"
    names = ("test_examples_on_the_page", "test_everything_that_has_a_name")
    run(
        tree,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "--rootdir",
        str(tree),
        page,
        "-k",
        " or ".join(names),
    )
    run(tree, "-c", CHECK)
