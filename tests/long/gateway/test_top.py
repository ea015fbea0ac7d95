"""The whole chain from Ethernet to sequenced, validated orders, on both simulators."""

import pytest

from tests.support.gateway_fpga.simulate import ROOT, simulate

BOARD = ROOT / "gateway_fpga" / "board"


@pytest.mark.long
def test_board(simulator, tmp_path):
    """Over the board's serial line: registers are read and written, a frame's orders come back."""
    # The reset counter starts at what the bitstream says, as an FPGA does.
    waived = ["-Wno-PROCASSINIT", "-Wno-PINCONNECTEMPTY"] if simulator == "verilator" else []
    simulate(
        simulator,
        "outcry_ulx3s",
        "bench_ulx3s",
        tmp_path,
        sources=[BOARD / f"{name}.v" for name in ("outcry_ulx3s", "outcry_link", "outcry_uart")],
        build_arguments=waived,
    )
