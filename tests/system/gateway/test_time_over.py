"""The time of a port whose clock comes and goes, on both simulators."""

import pytest

from tests.support.gateway_fpga.simulate import simulate


@pytest.mark.parametrize("cycle_ns_log2", [2])
def test_time_over(simulator, cycle_ns_log2, tmp_path):
    """It never goes back and loses nothing while the link is lost."""
    parameters = {"CYCLE_NS_LOG2": cycle_ns_log2}
    simulate(simulator, "outcry_time_over", "bench_time_over", tmp_path, parameters=parameters)
