"""The ingress timestamp on both simulators."""

from tests.support.gateway_fpga.simulate import simulate


def test_timestamp(simulator, tmp_path):
    """Every beat bears the time at which its packet was first offered, whatever holds it up."""
    simulate(simulator, "outcry_timestamp", "bench_timestamp", tmp_path)
