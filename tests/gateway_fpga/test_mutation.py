"""A sample of the mutants; `make fpga-mutate` runs them all."""

from openoutcry.gateway_fpga.tools.mutate import TARGETS, measure


def test_a_sample_of_mutants_is_noticed():
    """Ten faults in the queue: each is noticed by its bench, or proved to be none."""
    row = measure(TARGETS["outcry_packet_fifo"], 10)
    assert row["mutants"] == 10
    assert row["killed"] >= 8
    assert row["survivors"] == []
