"""A run through a day: the compiled driver beside the plain one, and what fills mean."""

import tempfile
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from openoutcry.backtest.latency import parse_latency
from openoutcry.backtest.run import Terms, run_day
from tests.oracles.backtest import ReferenceRun
from tests.support.backtest.backtest_days import commands, day_of, restless


@given(
    commands,
    st.booleans(),
    st.integers(0, 2**40),
    st.sampled_from(["constant:0:0", "constant:2:3", "drawn:2:9"]),
    st.integers(1, 9),
)
def test_kernels_plain_python_and_the_reference_give_the_same(rows, restores, seed, model, wait_ns):
    """Whatever the market and the strategy do: every own event, and the book at the end."""
    latency, given_, terms = parse_latency(model), {"interval_ns": wait_ns}, Terms(1_000, 30_000)
    with tempfile.TemporaryDirectory() as folder:
        day = day_of(rows, Path(folder) / "day", restores)
        compiled = run_day(day, restless, given_, latency, seed, terms)
        plain = run_day(day, restless.in_python(), given_, latency, seed, terms)
        slow = ReferenceRun(day, restless.in_python(), given_, latency, seed, (1_000, 30_000))
    assert compiled.log.tolist() == slow.log
    assert compiled.figures["impact_lots"] == slow.impact_lots
    assert plain.hash == compiled.hash
    assert slow.engine.state_hash() == compiled.state_hash
