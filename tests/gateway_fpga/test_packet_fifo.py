"""The queue with commit and discard on both simulators."""

import pytest
from simulate import simulate


@pytest.mark.parametrize(("width", "depth_log2"), [(8, 2), (64, 3)])
def test_packet_fifo(simulator, width, depth_log2, tmp_path):
    """Emits what was committed, in order and once, and never what was discarded."""
    simulate(
        simulator,
        "outcry_packet_fifo",
        "bench_packet_fifo",
        tmp_path,
        parameters={"WIDTH": width, "DEPTH_LOG2": depth_log2},
    )
