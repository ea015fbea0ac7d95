"""The ring's protocol, explored in every order: no flaw is found, and each one put in is found."""

import subprocess
import sys

import pytest

from tests.oracles.ring_model.ring_explorer import explore
from tests.oracles.ring_model.ring_memories import Tso, Weak
from tests.oracles.ring_model.ring_protocol import NONE
from tests.oracles.ring_model.ring_scenarios import FLAWS, SCENARIOS, models_of
from tests.support.ring.model import blocks
from tests.support.waiting import BOUND_S

SLOW = {
    ("claims 1, 2; killed, repaired", Weak),
    ("claims 2, 1; killed, repaired", Weak),
    ("claim 1; killed, two repairers", Weak),
    ("claims 1, 1; killed, two repairers", Tso),
    ("two workers, two laps", Weak),
    ("a late worker", Weak),
    ("both workers killed, two heirs", Tso),
    ("a sleeper", Weak),
    ("a sleeper behind a pool", Weak),
    ("a reader comes back next to B", Weak),
    ("a reader killed coming back", Weak),
    ("a reader killed coming back, repaired", Tso),
    ("a reader comes back to two producers", Weak),
    ("a reader comes back to claims, next to B", Weak),
    ("a reader killed coming back to claims", Weak),
    ("claims 1, 1; killed, repaired", Weak),
    ("a late worker killed, an heir", Weak),
    ("a worker killed, an heir", Weak),
    ("a reader comes back", Weak),
    ("a reader comes back next to B", Tso),
    ("a late worker", Tso),
    ("a reader comes back to two producers", Tso),
    ("two workers, two laps", Tso),
    ("a reader killed coming back to claims", Tso),
    ("claims 1, 2; killed, repaired", Tso),
    ("claims 2, 1; killed, repaired", Tso),
    ("a reader comes back to claims, next to B", Tso),
    ("a reader killed coming back", Tso),
}
"""What takes more than a second.  A line of the model that goes wrong breaks several others."""
SLOW_FLAWS = {
    ("stale claim", Weak), ("entry freed undecided", Weak), ("read meanwhile", Weak),
    ("buried by a store", Weak), ("lapped work", Weak), ("heirs wait for each other", Tso),
    ("rejoins at claimed", Weak), ("reads what was claimed before", Weak),
    ("no mark while coming back", Weak), ("no reader gates", Weak), ("no reader gates", Tso),
    ("done not looked at again", Weak), ("stale claim", Tso), ("rejoins at claimed", Tso),
    ("reads what was claimed before", Tso), ("fence only when no reader gates", Weak),
}  # fmt: skip


def case(name, model, slow):
    marks = [pytest.mark.long] if (name, model) in slow else []
    return pytest.param(name, model, marks=marks, id=f"{name}-{model.name}")


@pytest.mark.parametrize(
    ("name", "model"), [case(n, m, SLOW) for n in SCENARIOS for m in models_of(n)]
)
def test_no_order_of_steps_breaks_the_ring(name, model):
    """Every state is reached; none breaks a statement, every one can end, every end is good."""
    result = explore(SCENARIOS[name](NONE), model)
    assert not result.failure, str(result)
    assert result.ends >= 1


@pytest.mark.parametrize(
    ("flaw", "model"), [case(f, m, SLOW_FLAWS) for f in FLAWS for m in FLAWS[f][1]]
)
def test_each_flaw_is_found(flaw, model):
    """An exploration that finds no mutation would prove nothing."""
    assert explore(SCENARIOS[FLAWS[flaw][0]](frozenset({flaw})), model).failure


@pytest.mark.parametrize("number", range(len(blocks("python"))))
def test_the_examples_of_the_page_run(number, tmp_path):
    """Each of them is a program of its own."""
    program = tmp_path / "example.py"
    program.write_text(blocks("python")[number])
    done = subprocess.run(
        [sys.executable, str(program)],
        capture_output=True,
        text=True,
        timeout=BOUND_S,
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
