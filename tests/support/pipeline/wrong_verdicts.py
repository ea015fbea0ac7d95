"""What the tests of wrong verdicts in several tiers share."""

import pytest

from openoutcry.pipeline.run import Options, run
from tests.oracles.refused_flow import SETTINGS, RefusedFlow

ORDERS = 1_024


def hashes(gateway: str, topology: str = "inline") -> tuple[str, str]:
    result = run(
        Options(
            source=RefusedFlow(ORDERS, 11), topology=topology, gateway=gateway,
            gateway_settings=SETTINGS, durability="none", order_capacity=1 << 12,
        )
    )  # fmt: skip
    assert result["commands"] == ORDERS
    return result["event_hash"], result["state_hash"]


@pytest.fixture(scope="module")
def right() -> tuple[str, str]:
    """The golden model's."""
    return hashes("golden")
