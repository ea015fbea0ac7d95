"""The table of faults made by hand; `make fpga-faults` plants and runs them all."""

from openoutcry.gateway_fpga.tools.evidence import ROOT, read_evidence
from tests.support.gateway_fpga import faults_by_class, hand_made_faults
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


def test_the_faults_by_class_are_others_than_those_of_the_tables() -> None:
    """Each has its place in the RTL, twelve a class, none is in another table, and none is in a
    line in which the review planted its own."""
    planted = faults_by_class.table()
    assert [len(rows) for rows in faults_by_class.BY_CLASS.values()] == [12] * 5
    places = {(fault.file, fault.old, fault.new) for fault in planted}
    assert len(places) == len(planted)
    assert not places & {(fault.file, fault.old, fault.new) for fault in table()}
    assert not places & {(one.file, one.old, one.new) for one in hand_made_faults.FAULTS}
    theirs = (
        "wire command = row_swap || participant_set;",
        "check_taken && check_index == in_index;",
        "if (asked && read_status[12])",
        "assign bucket_write = set_now || (check_taken && !rst);",
        "sync_second <= sync_first;",
    )
    assert not [line for line in theirs for fault in planted if line in fault.old]


def test_97_percent_of_the_faults_by_class_are_noticed() -> None:
    """By what `make check` runs, as the evidence says; it is of all faults of the table."""
    rows = read_evidence()["classes"]["figures"]["faults"]
    places = [(fault.file, fault.old, fault.new) for fault in faults_by_class.table()]
    assert [(row["file"], row["from"], row["to"]) for row in rows] == places
    assert sum(bool(row["noticed"]) for row in rows) >= 0.97 * len(rows)


def test_the_runs_by_class_are_those_of_the_system_tests() -> None:
    """Each bench that they name is one that a test of `make check` runs."""
    texts = "".join(
        path.read_text() for path in (ROOT / "tests" / "system" / "gateway").glob("test_*.py")
    )
    for run in faults_by_class.RUNS.values():
        assert f'"{run.bench}"' in texts, run.bench
