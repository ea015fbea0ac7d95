"""The package's agents, in the benches that a verification engineer can begin with."""

import pytest

from tests.support.gateway_fpga.simulate import simulate


@pytest.mark.fpga
@pytest.mark.long
def test_agents(tmp_path):
    """Orders, verdicts and registers of a gateway of full size, and nothing of other benches."""
    simulate("icarus", "outcry_gateway", "openoutcry.gateway_fpga.sim.bench_agents", tmp_path)


def test_agents_of_frames(tmp_path):
    """The same from Ethernet on: packets of a sender, frames with and without a tag."""
    simulate(
        "icarus",
        "outcry_top",
        "openoutcry.gateway_fpga.sim.bench_agents_frames",
        tmp_path,
        parameters={"PORTS": 1, "DEPTH_LOG2": 5, "SLOT_BITS": 4, "PARTICIPANT_BITS": 4},
    )
