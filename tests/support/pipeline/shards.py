"""What the tests of shards in several tiers share."""

from typing import Any

import pytest

from openoutcry.flow.mixed import MixedFlow
from openoutcry.pipeline.run import Options, run
from openoutcry.pipeline.topology import TOPOLOGY, sharded

COMMANDS, CAPACITY = 20_000, 1 << 15
KEYS = ("commands", "events", "trades", "state_hash", "event_hash", "open_orders")


def options(shards: int, seed: int = 3, **more: Any) -> Options:
    source = MixedFlow(more.pop("commands", COMMANDS), seed)
    return Options(
        source=source,
        wiring=sharded(TOPOLOGY, shards),
        order_capacity=CAPACITY,
        housekeeping_cores=0,
        **more,
    )


def same(result: dict[str, Any], wanted: dict[str, Any]) -> None:
    assert {key: result[key] for key in KEYS} == {key: wanted[key] for key in KEYS}
    assert (result["lost"], result["duplicated"]) == (0, 0)


@pytest.fixture(scope="module")
def one() -> dict[str, Any]:
    """The flow with one matcher."""
    result = run(options(1, topology="inline", durability="none"))
    kinds = result["event_kinds"]
    assert kinds["EXPIRED"] > 10
    assert kinds["COMPLETED"] > 10
    return result
