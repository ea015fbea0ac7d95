"""The gateway through the open ECP5 tools."""

import pytest

from openoutcry.gateway_fpga.tools.bitstream import build
from openoutcry.gateway_fpga.tools.pnr import GOAL_MHZ, TARGETS, copy_sources, measure, tool
from tests.support.gateway_fpga.place_and_route import CARD

BITSTREAM_START = b"\xff\xff\xbd\xb3"


@pytest.mark.long
def test_timestamp_meets_timing():
    """One seed of the smallest module, from Verilog to a routed chip."""
    row = measure(TARGETS["outcry_timestamp"], seeds=1)
    assert row["worst_mhz"] >= GOAL_MHZ
    assert row["cells"]["flip-flops"] > 1000


@pytest.mark.long
@pytest.mark.fpga
def test_the_card_elaborates_with_the_vendors_blocks_empty(tmp_path):
    """Yosys finds every port of the MAC and the DMA connected as declared, nothing driven twice."""
    files = copy_sources(tmp_path)
    for path in CARD.glob("*.v"):
        (tmp_path / path.name).write_text(path.read_text())
    script = (
        f"read_verilog {files} outcry_local.v outcry_local_card.v outcry_u50.v; "
        "read_verilog -lib black_boxes.v; "
        "hierarchy -check -top outcry_u50; proc outcry_u50; check -assert outcry_u50"
    )
    tool("yosys", ["-q", "-p", script], tmp_path)


@pytest.mark.long
def test_bitstream(tmp_path):
    """The board's bitstream is built, at the board's clock, with the open tools alone."""
    file = tmp_path / "ulx3s.bit"
    assert build(file) >= 25.0
    assert BITSTREAM_START in file.read_bytes()[:256]
