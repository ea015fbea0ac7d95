"""Each fault made by hand is noticed by the module's own bench."""

import pytest

from tests.support.gateway_fpga.hand_made_faults import FAULTS, Fault
from tests.support.gateway_fpga.simulate import RTL


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_the_fault_has_its_place_in_the_rtl(fault: Fault) -> None:
    """What is replaced stands there once, so that every fault is the one that it says."""
    assert (RTL / f"{fault.file}.v").read_text().count(fault.old) == 1
    assert fault.old != fault.new
