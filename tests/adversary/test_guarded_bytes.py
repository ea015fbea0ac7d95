"""No kernel that reads what a network sends reads or writes a byte beyond it: `guard_fuzz.py` puts
each input in front of a page that faults."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
import guard_fuzz

INPUTS = 2_000


@pytest.mark.parametrize("name", guard_fuzz.TARGETS)
def test_no_kernel_reads_beyond_its_bytes(name: str) -> None:
    assert guard_fuzz.fuzz(guard_fuzz.TARGETS[name], INPUTS, seed=26) == ""


def test_a_kernel_that_reads_one_byte_more_is_found() -> None:
    assert guard_fuzz.fuzz(guard_fuzz.Overrun, 1, seed=1).startswith("SIGSEGV at input 0 of seed 1")


@pytest.mark.long
def test_no_kernel_reads_beyond_a_hundred_thousand_inputs(tmp_path: Path) -> None:
    evidence = tmp_path / "evidence.json"
    command = [sys.executable, guard_fuzz.__file__, "--evidence", evidence]
    done = subprocess.run(
        [*command, "--inputs", "100000", "--seed", "27"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-4_000:]
    assert json.loads(evidence.read_text())["guarded_bytes"]["faults"] == 0
