"""The table of faults made by hand; `make fpga-faults` plants and runs them all."""

import pytest

from tests.support.gateway_fpga import faults_by_class
from tests.support.gateway_fpga.faults import noticed, table


@pytest.mark.long
@pytest.mark.parametrize("file", ["outcry_skid", "outcry_turn", "outcry_regs", "outcry_validator"])
def test_a_fault_of_a_file_is_noticed(file: str) -> None:
    """Its first, by the tests where it should show."""
    fault = next(fault for fault in table() if fault.file == file)
    assert noticed(fault, first=True) == "first"


@pytest.mark.long
@pytest.mark.parametrize("kind", list(faults_by_class.BY_CLASS))
def test_a_fault_of_a_class_is_noticed(kind: str) -> None:
    """Its first, by what `make check` runs; `make fpga-classes` plants all sixty."""
    fault = next(fault for fault in faults_by_class.table() if fault.kind == kind)
    assert faults_by_class.noticed(fault)
