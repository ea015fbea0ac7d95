"""The queue between two clocks, for a writer that cannot wait, on both simulators."""

import pytest

from tests.support.gateway_fpga.simulate import simulate


@pytest.mark.parametrize(
    ("depth_log2", "counter_width"),
    [
        (4, 3),
        pytest.param(2, 2, marks=pytest.mark.long),
        pytest.param(7, 32, marks=pytest.mark.long),
    ],
)
def test_frame_fifo(simulator, depth_log2, counter_width, tmp_path):
    """Whole good frames leave, in order and once; the others leave their counts alone."""
    parameters = {"WIDTH": 17, "DEPTH_LOG2": depth_log2, "COUNTER_WIDTH": counter_width}
    simulate(
        simulator,
        "outcry_frame_fifo",
        "bench_frame_fifo",
        tmp_path,
        parameters=parameters,
        environment={name: str(value) for name, value in parameters.items()},
    )
