"""No kernel that reads what a network sends reads or writes a byte beyond it: `guard_fuzz.py` puts
each input in front of a page that faults."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.adversary import guard_fuzz


@pytest.mark.promise(
    "No kernel reads or writes a byte beyond its input, placed before a page that faults: "
    "SoupBinTCP, OUCH 4.2 and 5.0, FIX, packets plain and authenticated, MoldUDP64, ITCH. "
    "That fuzz detects a kernel that reads one byte too many",
    group="sessions",
)
@pytest.mark.long
def test_no_kernel_reads_beyond_a_hundred_thousand_inputs(tmp_path: Path) -> None:
    evidence = tmp_path / "evidence.json"
    command = [sys.executable, guard_fuzz.__file__, "--evidence", evidence]
    done = subprocess.run(
        [*command, "--inputs", "100000", "--seed", "27"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-4_000:]
    assert json.loads(evidence.read_text())["guarded_bytes"]["faults"] == 0
