"""Every parameter of the RTL: what is out of its range does not elaborate, and both ends work."""

from pathlib import Path

import pytest

from tests.support.gateway_fpga.simulate import SIMULATORS, simulate


@pytest.mark.parametrize(
    "ends",
    [
        {"SLOT_BITS": 1, "PARTICIPANT_BITS": 1, "COUNTER_BITS": 1, "ORDER_COUNT_BITS": 33},
        {"SLOT_BITS": 9, "PARTICIPANT_BITS": 16, "COUNTER_BITS": 32, "ORDER_COUNT_BITS": 64},
    ],
    ids=["lowest", "highest"],
)
@pytest.mark.parametrize(
    "simulator", [SIMULATORS[0], pytest.param(SIMULATORS[1], marks=pytest.mark.long)]
)
def test_the_gateway_at_both_ends(simulator: str, ends: dict[str, int], tmp_path: Path) -> None:
    """Rows, participants and counters at the lowest and at the highest value of each parameter."""
    simulate(
        simulator,
        "outcry_gateway",
        "bench_parameters",
        tmp_path,
        parameters=ends,
        environment={name: str(value) for name, value in ends.items()},
    )
