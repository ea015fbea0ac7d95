"""A port whose MAC cannot wait, from 64 bits in its clock to whole frames in the gateway's."""

import pytest

from tests.support.gateway_fpga.simulate import simulate

TAKES_LONG = [pytest.mark.long, pytest.mark.fpga]


@pytest.mark.parametrize(
    ("simulator", "depth_log2"),
    [
        ("icarus", 5),
        pytest.param("verilator", 5, marks=TAKES_LONG),
        pytest.param("icarus", 12, marks=pytest.mark.long),
        pytest.param("verilator", 12, marks=pytest.mark.long),
    ],
)
def test_ingress(simulator, depth_log2, tmp_path):
    """Whole good frames with the time of their first word; the others leave their counts alone."""
    simulate(
        simulator,
        "outcry_ingress",
        "bench_ingress",
        tmp_path,
        parameters={"DEPTH_LOG2": depth_log2},
    )
