"""The gateway's RTL against the golden model, on both simulators."""

from pathlib import Path

import pytest
from simulate import simulate


@pytest.mark.parametrize(
    ("slot_bits", "counter_bits", "tests"),
    [
        pytest.param(4, 32, None, id="small-table"),
        pytest.param(4, 4, ["counters_", "every_address"], id="small-counters"),
        pytest.param(4, 4, None, id="small-counters-all", marks=pytest.mark.long),
        pytest.param(
            9, 32, ["every_verdict_on_many_orders", "read_back", "rows_of_any"], id="full-table"
        ),
    ],
)
def test_gateway(
    simulator: str, slot_bits: int, counter_bits: int, tests: list[str] | None, tmp_path: Path
) -> None:
    """RTL = golden bit for bit under every idling and back-pressure; registers, swaps under
    traffic, counters that saturate, stalls and resets."""
    simulate(
        simulator,
        "outcry_gateway",
        "bench_gateway",
        tmp_path,
        parameters={"SLOT_BITS": slot_bits, "COUNTER_BITS": counter_bits},
        environment={"SLOT_BITS": str(slot_bits), "COUNTER_BITS": str(counter_bits)},
        tests=tests,
    )
