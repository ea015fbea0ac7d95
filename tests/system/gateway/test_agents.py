"""The agents, in the bench that FuseSoC's target ``sim`` runs."""

from tests.support.gateway_fpga.simulate import simulate


def test_agents(tmp_path):
    """Orders, verdicts and registers of a gateway of full size, and nothing of other benches."""
    simulate("icarus", "outcry_gateway", "bench_agents", tmp_path)
