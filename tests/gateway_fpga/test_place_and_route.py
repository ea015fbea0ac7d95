"""The gateway through the open ECP5 tools."""

import re
import subprocess
import sysconfig
from pathlib import Path

import pytest
from simulate import tools_on_path

from openoutcry.gateway_fpga.tools.bitstream import BOARD, build
from openoutcry.gateway_fpga.tools.evidence import ROOT
from openoutcry.gateway_fpga.tools.pnr import GOAL_MHZ, TARGETS, measure

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
    named = set(re.findall(r"- (\w+/\w+/\w+\.(?:v|lpf))", (ROOT / "outcry.core").read_text()))
    folder = ROOT / "gateway_fpga"
    there = {str(path.relative_to(ROOT)) for path in [*folder.glob("rtl/*.v"), *BOARD.iterdir()]}
    assert named == there


@pytest.mark.parametrize(("target", "steps"), [("lint", []), ("ulx3s", ["--setup"])])
def test_fusesoc_takes_the_core_file(tmp_path, target, steps):
    """FuseSoC lints the design with Verilator and lays out the board's build, no warning."""
    fusesoc = Path(sysconfig.get_path("scripts")) / "fusesoc"
    with tools_on_path():
        done = subprocess.run(
            [fusesoc, "--cores-root", ROOT, "run", *steps, "--target", target,
             "openoutcry:gateway:outcry"],
            cwd=tmp_path, capture_output=True, text=True, check=False,
        )  # fmt: skip
    said = done.stdout + done.stderr
    assert done.returncode == 0, said
    assert "WARNING" not in said
    assert list(tmp_path.glob(f"build/*/{target}/Makefile"))


@pytest.mark.long
def test_bitstream(tmp_path):
    """The board's bitstream is built, at the board's clock, with the open tools alone."""
    file = tmp_path / "ulx3s.bit"
    assert build(file) >= 25.0
    assert BITSTREAM_START in file.read_bytes()[:256]
