"""The whole chain from Ethernet to sequenced, validated orders, on both simulators."""

import pytest

from tests.support.gateway_fpga.simulate import simulate


@pytest.mark.parametrize(
    "simulator",
    [
        pytest.param(name, marks=[pytest.mark.long, pytest.mark.fpga])
        for name in ("icarus", "verilator")
    ],
)
def test_top(simulator, tmp_path):
    """Frames at three ports become one sequence of orders with the golden model's verdicts."""
    simulate(
        simulator,
        "outcry_top",
        "bench_top",
        tmp_path,
        parameters={"PORTS": 3, "DEPTH_LOG2": 5, "SLOT_BITS": 4, "PARTICIPANT_BITS": 4},
    )
