"""No kernel that reads what a network sends reads or writes a byte beyond it: `guard_fuzz.py` puts
each input in front of a page that faults."""

import pytest

from tests.support.adversary import guard_fuzz

INPUTS = 1_000


@pytest.mark.promise(
    "No kernel reads or writes a byte beyond its input, placed before a page that faults: "
    "SoupBinTCP, OUCH 4.2 and 5.0, FIX, packets plain and authenticated, MoldUDP64, ITCH. "
    "That fuzz detects a kernel that reads one byte too many",
    group="sessions",
)
@pytest.mark.parametrize("name", guard_fuzz.TARGETS)
def test_no_kernel_reads_beyond_its_bytes(name: str) -> None:
    assert guard_fuzz.fuzz(guard_fuzz.TARGETS[name], INPUTS, seed=26) == ""


@pytest.mark.smoke
@pytest.mark.promise(
    "No kernel reads or writes a byte beyond its input, placed before a page that faults: "
    "SoupBinTCP, OUCH 4.2 and 5.0, FIX, packets plain and authenticated, MoldUDP64, ITCH. "
    "That fuzz detects a kernel that reads one byte too many",
    group="sessions",
)
def test_a_kernel_that_reads_one_byte_more_is_found() -> None:
    assert guard_fuzz.fuzz(guard_fuzz.Overrun, 1, seed=1).startswith("SIGSEGV at input 0 of seed 1")
