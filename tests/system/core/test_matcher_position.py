"""The place of an order in its queue, by kernels and reference, and as a taker finds it."""

from hypothesis import given, settings
from hypothesis import strategies as st

from openoutcry.matcher import Engine
from tests.oracles.matcher.engine import ReferenceEngine
from tests.support.matcher.matcher_mixed import mixed


@settings(max_examples=10)  # one takes 0.15 s
@given(st.integers(0, 10**6))
def test_kernels_and_reference_agree_on_every_order(seed):
    """Everything mixed; of each order that is open, and of some that are not."""
    run = mixed(seed, 400)
    engine = Engine(run.instruments, run.order_capacity)
    reference = ReferenceEngine(run.instruments, run.order_capacity)
    engine.process(run.orders)
    reference.process(run.orders)
    before = engine.state_hash()
    rows = engine.state().rows
    queries = {(int(r["instrument"]), int(r["order_id"])) for r in rows} | {(0, 1), (0, -5)}
    for instrument, order_id in queries:
        symbol = run.instruments["symbol"][instrument]
        assert engine.position(order_id, symbol) == reference.position(order_id, symbol)
    assert engine.state_hash() == before
