"""The gateway through the open ECP5 tools."""

import re

from openoutcry.gateway_fpga.tools.bitstream import BOARD
from openoutcry.gateway_fpga.tools.evidence import ROOT
from openoutcry.gateway_fpga.tools.page import tops
from openoutcry.gateway_fpga.tools.pnr import TARGETS, Run, read_log, row_of
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
    folder = ROOT / "gateway_fpga"
    named = set(re.findall(r"- (\w+/\w+\.\w+)", (folder / "outcry.core").read_text()))
    paths = [*folder.glob("rtl/*.v*"), *folder.glob("sva/*.sv"), *folder.glob("sim/*.*")]
    paths += [*BOARD.iterdir(), *CARD.iterdir()]
    there = {str(path.relative_to(folder)) for path in paths}
    assert named == there - {"card/black_boxes.v", "sim/bench_agents_frames.py"}


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


LOG = """Info: Device utilisation:
Info: \t              DP16KD:     100/    208    48%
Info: \t         MULT18X18D:      16/    156    10%
Info: \t          TRELLIS_FF:   28354/  83640    33%
Info: \t        TRELLIS_COMB:   28599/  83640    34%
Info: Max frequency for clock '$glbnet$clk': 120.10 MHz (FAIL at 200.00 MHz)
Info: Max frequency for clock '$glbnet$rx': 210.00 MHz (PASS at 200.00 MHz)
"""
ROUTED = LOG[LOG.index("Info: Max") :].replace("120.10", "130.20").replace("210.00", "125.00")
TABLE = """Info: Routing 143932 arcs.
Info:            |   (re-)routed arcs  |   delta    | remaining|       time spent     |
Info:    IterCnt |  w/ripup   wo/ripup |  w/r  wo/r |      arcs| batch(sec) total(sec)|
Info:       1000 |       26        973 |   26   973 |    142951|       0.50       0.50|
Info:       2000 |       45       1954 |   19   981 |{}|       0.27       0.77|
"""
CELLS = {"LUTs": 28599, "flip-flops": 28354, "block RAM": 100, "DSP": 16}


def test_a_log_has_the_slowest_clock_after_each_step():
    """A run that was ended before it was routed has only the placement."""
    assert read_log(LOG) == Run(120.1, None, CELLS)
    assert read_log(LOG + TABLE.format("     51482")) == Run(120.1, None, CELLS, 143932, 51482)
    ended = LOG + TABLE.format("         0") + ROUTED
    assert read_log(ended) == Run(120.1, 125.0, CELLS, 143932, 0)


def test_a_seed_that_was_not_routed_has_no_frequency_in_the_table():
    """The worst is that of the seeds that were; each seed is shown."""
    runs = [Run(120.1, None, CELLS, 143932, 51482, 3600), Run(119, 130.2, CELLS, 143932, 0, 60)]
    row = row_of(TARGETS["outcry_top"], runs)
    assert (row["worst_mhz"], row["best_mhz"], row["seeds"]) == (130.2, 130.2, 2)
    (line,) = tops({"modules": [row]}).splitlines()[2:]
    assert "| not ended: 51,482 of 143,932 connections left, **130.2** MHz |" in line
    assert "| 120.1 MHz, 119.0 MHz | 60 min, 1 min | 28599 |" in line
