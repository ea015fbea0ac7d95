"""A sample of the mutants; `make fpga-mutate` runs them all."""

from openoutcry.gateway_fpga.tools.mutate import TARGETS, measure


def test_a_sample_of_mutants_is_noticed():
    """Twenty faults in the queue: each is noticed by its bench, or proved to be none."""
    row = measure(TARGETS["outcry_packet_fifo"], 20)
    assert row["mutants"] == 20
    assert row["killed"] >= 17
    assert row["survivors"] == []
