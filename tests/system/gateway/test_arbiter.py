"""The arbiter on both simulators."""

import pytest

from tests.support.gateway_fpga.simulate import simulate


@pytest.mark.parametrize(
    "ports",
    [
        3,
        pytest.param(1, marks=[pytest.mark.long, pytest.mark.fpga]),
        *(pytest.param(ports, marks=pytest.mark.long) for ports in (2, 5, 16)),
    ],
)
def test_arbiter(simulator, ports, tmp_path):
    """Merges its ports into one consecutive sequence, fairly, under every idling and holding."""
    simulate(simulator, "outcry_arbiter", "bench_arbiter", tmp_path, parameters={"PORTS": ports})
