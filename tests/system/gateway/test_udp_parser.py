"""The UDP parser on both simulators, judged by scapy and the software receiver."""

import pytest

from tests.support.gateway_fpga.simulate import simulate


@pytest.mark.parametrize(
    ("simulator", "depth_log2", "counter_width", "frames"),
    [
        # Of three bits, so that a few frames fill each counter.
        ("icarus", 6, 3, 8),
        pytest.param("icarus", 6, 32, 25, marks=pytest.mark.long),
        pytest.param("verilator", 5, 3, 25, marks=[pytest.mark.long, pytest.mark.fpga]),
        pytest.param("icarus", 5, 1, 25, marks=pytest.mark.long),
        pytest.param("icarus", 12, 3, 25, marks=pytest.mark.long),
        pytest.param("verilator", 6, 32, 25, marks=pytest.mark.long),
    ],
)
def test_udp_parser(simulator, depth_log2, counter_width, frames, tmp_path):
    """Takes what software takes, refuses what it refuses for the same reason, and never emits part
    of a refused frame; small counters stop at their largest value."""
    simulate(
        simulator,
        "outcry_udp_parser",
        "bench_udp_parser",
        tmp_path,
        parameters={"DEPTH_LOG2": depth_log2, "COUNTER_WIDTH": counter_width},
        environment={"COUNTER_WIDTH": str(counter_width), "FRAMES": str(frames)},
    )
