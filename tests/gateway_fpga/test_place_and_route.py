"""The gateway through the open ECP5 tools."""

import os
import re
import subprocess
import sysconfig
from pathlib import Path

import find_libpython
import pytest
from cocotb_tools.config import pygpi_entry_point
from simulate import tools_on_path

from openoutcry.gateway_fpga.tools.bitstream import BOARD, build
from openoutcry.gateway_fpga.tools.evidence import ROOT
from openoutcry.gateway_fpga.tools.pnr import GOAL_MHZ, TARGETS, copy_sources, measure, tool

CARD = ROOT / "gateway_fpga" / "card"
BITSTREAM_START = b"\xff\xff\xbd\xb3"


@pytest.mark.long
def test_timestamp_meets_timing():
    """One seed of the smallest module, from Verilog to a routed chip."""
    row = measure(TARGETS["outcry_timestamp"], seeds=1)
    assert row["worst_mhz"] >= GOAL_MHZ
    assert row["cells"]["flip-flops"] > 1000


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
    paths = [*folder.glob("rtl/*.v"), *folder.glob("sva/*.sv"), *BOARD.iterdir(), *CARD.iterdir()]
    there = {str(path.relative_to(ROOT)) for path in paths}
    assert named == there - {"gateway_fpga/card/black_boxes.v"}


def fusesoc(folder, *arguments):
    """FuseSoC's end and what it said, run in the folder."""
    program = Path(sysconfig.get_path("scripts")) / "fusesoc"
    with tools_on_path():
        done = subprocess.run(
            [program, "--cores-root", ROOT, "run", *arguments, "openoutcry:gateway:outcry"],
            cwd=folder, capture_output=True, text=True, check=False,
            env={
                **os.environ,
                "PATH": f"{program.parent}{os.pathsep}{os.environ['PATH']}",
                "GPI_USERS": f"{find_libpython.find_libpython()};{pygpi_entry_point()}",
            },
        )  # fmt: skip
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("target", "steps"),
    [
        ("lint", []),
        ("ulx3s", ["--setup"]),
        ("ecp5", ["--setup"]),
        ("formal", ["--setup"]),
        ("vivado", ["--setup"]),
        pytest.param("sim", [], marks=pytest.mark.long),
    ],
)
def test_fusesoc_takes_the_core_file(tmp_path, target, steps):
    """FuseSoC lints the design with Verilator, simulates it with Icarus and cocotb, and lays out
    the builds for which there is no tool here, no warning."""
    code, output = fusesoc(tmp_path, *steps, "--target", target)
    assert code == 0, output
    assert "WARNING" not in output
    assert list(tmp_path.glob(f"build/*/{target}/Makefile"))
    if target == "sim":
        assert "FAIL=0" in output


def test_without_a_target_fusesoc_says_which_there_are(tmp_path):
    """And ends with an error."""
    code, output = fusesoc(tmp_path)
    assert code != 0
    assert "--target sim, lint, formal, ecp5, vivado or ulx3s" in output


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


@pytest.mark.long
@pytest.mark.fpga
def test_the_card_elaborates_with_the_vendors_blocks_empty(tmp_path):
    """Yosys finds every port of the MAC and the DMA connected as declared, nothing driven twice."""
    files = copy_sources(tmp_path)
    for path in CARD.glob("*.v"):
        (tmp_path / path.name).write_text(path.read_text())
    script = (
        f"read_verilog {files} outcry_u50.v; read_verilog -lib black_boxes.v; "
        "hierarchy -check -top outcry_u50; proc outcry_u50; check -assert outcry_u50"
    )
    tool("yosys", ["-q", "-p", script], tmp_path)


@pytest.mark.long
def test_bitstream(tmp_path):
    """The board's bitstream is built, at the board's clock, with the open tools alone."""
    file = tmp_path / "ulx3s.bit"
    assert build(file) >= 25.0
    assert BITSTREAM_START in file.read_bytes()[:256]
