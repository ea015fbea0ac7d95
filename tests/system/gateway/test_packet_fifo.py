"""The queue with commit and discard on both simulators."""

import pytest

from tests.support.gateway_fpga.simulate import simulate


@pytest.mark.parametrize(
    ("width", "depth_log2"),
    [
        (8, 2),
        pytest.param(64, 3, marks=[pytest.mark.long, pytest.mark.fpga]),
        pytest.param(8, 1, marks=[pytest.mark.long, pytest.mark.fpga]),
        pytest.param(8, 12, marks=pytest.mark.long),
        pytest.param(4096, 3, marks=pytest.mark.long),
    ],
)
def test_packet_fifo(simulator, width, depth_log2, tmp_path):
    """Emits what was committed, in order and once, and never what was discarded."""
    simulate(
        simulator,
        "outcry_packet_fifo",
        "bench_packet_fifo",
        tmp_path,
        parameters={"WIDTH": width, "DEPTH_LOG2": depth_log2},
    )
