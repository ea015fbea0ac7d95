"""The skid buffer on both simulators."""

import pytest

from tests.support.gateway_fpga.simulate import simulate


@pytest.mark.parametrize(
    "width",
    [
        8,
        pytest.param(512, marks=[pytest.mark.long, pytest.mark.fpga]),
        pytest.param(4096, marks=pytest.mark.long),
    ],
)
def test_skid_buffer(simulator, width, tmp_path):
    """Every beat passes once, in order, at full rate, under every idling and back-pressure."""
    simulate(simulator, "outcry_skid", "bench_skid", tmp_path, parameters={"WIDTH": width})
