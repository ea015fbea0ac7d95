"""The gateway through the open ECP5 tools."""

import re

from openoutcry.gateway_fpga.tools.bitstream import BOARD
from openoutcry.gateway_fpga.tools.evidence import ROOT
from openoutcry.gateway_fpga.tools.synthesis import cells
from tests.support.gateway_fpga.place_and_route import CARD


def test_every_pin_of_the_board_has_its_place():
    """Each bit of the wrapper's ports, and nothing else, is in the constraints."""
    ports = re.findall(
        r"(?:input|output)\s+wire\s+(?:\[(\d+):0\])?\s*(\w+)",
        (BOARD / "outcry_ulx3s.v").read_text(),
    )
    pins = {f"{name}[{n}]" for top, name in ports if top for n in range(int(top) + 1)}
    pins |= {name for top, name in ports if not top}
    placed = re.findall(r'LOCATE COMP "(\S+)" SITE "(\w+)"', (BOARD / "ulx3s.lpf").read_text())
    assert {name for name, _ in placed} == pins
    assert len({site for _, site in placed}) == len(placed)


def test_the_core_file_names_every_source():
    """What FuseSoC reads is what there is."""
    named = set(re.findall(r"- (gateway\w+/\w+/\w+\.\w+)", (ROOT / "outcry.core").read_text()))
    folder = ROOT / "gateway_fpga"
    paths = [*folder.glob("rtl/*.v"), *folder.glob("sva/*.sv"), *folder.glob("sim/*.*")]
    paths += [*BOARD.iterdir(), *CARD.iterdir()]
    there = {str(path.relative_to(ROOT)) for path in paths}
    assert named == there - {"gateway_fpga/card/black_boxes.v"}


def test_a_carry_cell_counts_as_two_luts():
    """And what a table does not name, such as a pin's buffer, counts as nothing."""
    counted = cells({"LUT4": 5, "CCU2C": 3, "TRELLIS_FF": 7, "$scopeinfo": 9, "DP16KD": 2})
    assert counted == {"LUTs": 11, "flip-flops": 7, "block RAM": 2, "LUT RAM": 0, "DSP": 0}


def test_every_pin_of_the_card_has_its_place():
    """But PCIe's lanes, which follow from their block, and the lower halves of pairs."""
    ports = re.findall(
        r"(?:input|output)\s+wire\s+(?:\[\d+:0\])?\s*(\w+)",
        (CARD / "outcry_u50.v").read_text(),
    )
    placed = re.findall(
        r"PACKAGE_PIN (\w+)[^\n]*\[get_ports (\w+)\]", (CARD / "outcry_u50.xdc").read_text()
    )
    pins = {name for name in ports if not name.endswith("_n") or name == "pcie_reset_n"}
    assert {name for _, name in placed} == pins - {"pcie_rx_p", "pcie_tx_p"}
    assert len({site for site, _ in placed}) == len(placed)


def test_constraints_of_crossings_name_what_is_there():
    """Each register that the constraints look for stands in the RTL; each outcry_sync is named."""
    text = (CARD / "outcry_cdc.xdc").read_text()
    rtl = "".join(path.read_text() for path in (ROOT / "gateway_fpga" / "rtl").glob("*.v"))
    for name in re.findall(r"(\w+)_reg\*", text):
        assert re.search(rf"reg\s+(\[[^\]]*\]\s*)?{name}\b", rtl), name
    for instance in re.findall(r"outcry_sync (?:#\([^;]*?\) )?(\w+) \(", rtl):
        assert re.search(rf"/{instance}/sync_first", text), instance
