"""The table of faults made by hand; `make fpga-faults` plants and runs them all."""

from openoutcry.gateway_fpga.tools.evidence import read_evidence
from tests.support.gateway_fpga.faults import table
from tests.support.gateway_fpga.faults_ingress import EXPLAINED


def test_every_fault_has_its_place_in_the_rtl() -> None:
    """What is replaced stands there once, no fault is there twice, and they are more than 200."""
    faults = table()
    assert len({(fault.file, fault.old, fault.new) for fault in faults}) == len(faults) > 200


def test_every_survivor_is_explained() -> None:
    """The evidence is of faults of the table, and says of each that no test noticed why."""
    faults = {(fault.file, fault.old, fault.new) for fault in table()}
    rows = read_evidence()["faults"]["figures"]["faults"]
    assert {(row["file"], row["from"], row["to"]) for row in rows} <= faults
    assert set(EXPLAINED) <= faults
    for row in rows:
        if row["noticed"] == "survived":
            assert row["why"] == EXPLAINED[row["file"], row["from"], row["to"]]
