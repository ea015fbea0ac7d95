"""A sample of the mutants; `make fpga-mutate` runs them all."""

import re

from openoutcry.gateway_fpga.tools.mutate import (
    RTL,
    TARGETS,
    Mutant,
    equivalent,
    make_netlist,
    measure,
    noticed,
)

QUEUE = TARGETS["outcry_packet_fifo"]


def test_a_sample_of_mutants_is_noticed():
    """Ten faults in the queue: each is noticed by its bench, or proved to be none."""
    row = measure(QUEUE, 10)
    assert row["mutants"] == 10
    assert row["killed"] >= 8
    assert row["survivors"] == []


def test_no_fault_is_proved_to_be_none(tmp_path):
    """What the bench notices is different: the other judge must not say it is the same, of faults
    in and on the way to the queue's memory, and of any others.  None at all is the same."""
    mutants = make_netlist(QUEUE, 40, tmp_path)
    source = (RTL / "outcry_packet_fifo.v").read_text().splitlines()
    lines = [
        number for number, line in enumerate(source, 1) if re.search("words.*<=|<= words", line)
    ]
    assert len(lines) == 2
    place = "|".join(rf"fifo\.v:{number}\b" for number in lines)
    memory = [mutant for mutant in mutants if re.search(f"cell words|{place}", mutant.command)]
    assert len(memory) > 3
    for mutant in {*memory[:5], *mutants[:5]}:
        assert noticed(QUEUE, tmp_path, mutant.number)
        assert not equivalent(QUEUE, mutant, tmp_path), mutant.command
    assert equivalent(QUEUE, Mutant(0, ""), tmp_path)
