"""The gateway's RTL against the golden model, on both simulators."""

from pathlib import Path

import pytest
from simulate import simulate


@pytest.mark.parametrize("counter_bits", [32, 4])
def test_gateway(simulator: str, counter_bits: int, tmp_path: Path) -> None:
    """RTL = golden bit for bit under every idling and back-pressure; registers, swaps under
    traffic, counters that saturate, stalls and resets."""
    simulate(
        simulator,
        "outcry_gateway",
        "bench_gateway",
        tmp_path,
        parameters={"COUNTER_BITS": counter_bits},
        environment={"COUNTER_BITS": str(counter_bits)},
    )
