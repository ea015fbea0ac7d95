"""A strict reader of Verilog (slang) has no error and no warning of the RTL."""

import re
import subprocess
import sys

import pytest

from tests import ROOT, folder_of

RTL = folder_of("gateway_fpga") / "rtl"
READER = ROOT / "tests" / "support" / "gateway_fpga" / "strict_reader.py"


def said(folder):
    """What slang says, in a process of its own: it complains at its end about its own memory."""
    done = subprocess.run([sys.executable, READER, folder], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return re.findall(".*(?:error|warning): .*", done.stdout + done.stderr)


def test_a_strict_reader_finds_nothing():
    """But for the products of a number and a counter in outcry_widen, of whose lines the recorded
    faults are."""
    files = [re.sub(r".*/(\w+\.v):(\d+):.*\[(.*)\]", r"\1 \3", line) for line in said(RTL)]
    assert files == ["outcry_widen.v -Warith-op-mismatch"] * 2


@pytest.mark.parametrize(
    ("module", "line", "fault", "message"),
    [
        ("outcry_regs", "    reg [31:0] found_word;\n", "", "found_word"),
        ("outcry_turn", "reg [31:0] from, step;", "integer from, step;", "-Wsign-compare"),
        ("outcry_arbiter", "reg [31:0]  port;", "integer port;", "-Wsign-compare"),
    ],
)
def test_it_names_what_is_wrong(tmp_path, module, line, fault, message):
    for file in RTL.iterdir():
        (tmp_path / file.name).write_text(file.read_text())
    path = tmp_path / f"{module}.v"
    assert line in path.read_text()
    path.write_text(path.read_text().replace(line, fault, 1))
    assert message in "\n".join(said(tmp_path))
