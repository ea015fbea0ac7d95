"""Wrong verdicts change a run's hashes: the equality of golden model and RTL can fail.

The flow has a stated share of each reject (refused_flow.py).  The faults stand between the RTL and
the pipeline, which runs as always; the long test breaks the Verilog itself.
"""

import shutil
from pathlib import Path

import pytest

from openoutcry.gateway_fpga.live import device as library
from tests.support.pipeline import wrong_verdicts as shared
from tests.support.pipeline.wrong_verdicts import hashes

right = shared.right


VERDICT = "wire [15:0] verdict = code & check_mask;"
BROKEN_RTL = {
    "zeroed": "wire [15:0] verdict = 16'd0;",
    "stuck": "reg [15:0] verdict = 16'd0;\n"
    "    always @(posedge clk)\n"
    "        if (advance && check_valid && verdict == 16'd0) verdict <= code & check_mask;",
    "late": "reg [15:0] verdict = 16'd0;\n"
    "    always @(posedge clk) if (advance && check_valid) verdict <= code & check_mask;",
    "one-bit-wrong": "wire [15:0] verdict = (code & check_mask) & ~16'h1000;",
}


@pytest.mark.long
@pytest.mark.parametrize("name", list(BROKEN_RTL))
def test_broken_verilog_changes_the_events(
    name: str, right: tuple[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same faults in the validator itself, built and run like the one that is right."""
    rtl = tmp_path / "rtl"
    shutil.copytree(library.RTL, rtl)
    source = rtl / "outcry_validator.v"
    text = source.read_text()
    assert text.count(VERDICT) == 1
    source.write_text(text.replace(VERDICT, BROKEN_RTL[name]))
    monkeypatch.setattr(library, "RTL", rtl)
    assert hashes("rtl")[0] != right[0]
