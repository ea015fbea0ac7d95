"""What the tests of reference rules in several tiers share."""

from tests.oracles.matcher.engine import ReferenceEngine
from tests.support.matcher.matcher_mixed import mixed

SEEDS = range(8)
COMMANDS = 700


def run_by_command(seed, **switches):
    """An engine and, command by command, the events it answers."""
    run = mixed(seed, COMMANDS, **switches)
    engine = ReferenceEngine(run.instruments, run.order_capacity)
    return run, engine, (engine.process(order) for order in run.orders[:, None])
