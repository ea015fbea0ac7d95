"""The registers of a card's end, alone and before the gateway, on both simulators."""

from openoutcry.gateway_fpga.tools.evidence import ROOT
from tests.support.gateway_fpga.simulate import simulate

CARD = ROOT / "gateway_fpga" / "card"
LOCAL, LOCAL_CARD = CARD / "outcry_local.v", CARD / "outcry_local_card.v"


def test_local(simulator, tmp_path):
    """What is set is steady while the gateway runs, and its registers are reached meanwhile."""
    simulate(simulator, "outcry_local", "bench_local", tmp_path, sources=[LOCAL])


def test_local_card(simulator, tmp_path):
    """The host decides where the card receives and how it numbers, through the driver."""
    parameters = {"DEPTH_LOG2": 5, "RX_DEPTH_LOG2": 5, "SLOT_BITS": 4, "PARTICIPANT_BITS": 4}
    simulate(
        simulator,
        "outcry_local_card",
        "bench_local_card",
        tmp_path,
        sources=[LOCAL, LOCAL_CARD],
        parameters=parameters,
    )
