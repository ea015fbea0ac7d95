"""What the tests of matcher state in several tiers share."""

from hypothesis import strategies as st

from tests.oracles.matcher.engine import ReferenceEngine
from tests.support.matcher.matcher_mixed import Mixed

SEEDS = st.integers(0, 10**6)
COMMANDS = 400


def reference_after(run: Mixed, commands: int) -> ReferenceEngine:
    reference = ReferenceEngine(run.instruments, run.order_capacity)
    reference.process(run.orders[:commands])
    return reference
