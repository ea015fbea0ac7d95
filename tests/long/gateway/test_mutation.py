"""A sample of the mutants; `make fpga-mutate` runs them all."""

import re

import pytest

from openoutcry.gateway_fpga.tools.mutate import (
    RTL,
    Mutant,
    MutationError,
    equivalent,
    fates,
    make_gold,
    make_netlist,
    measure,
)
from tests.support.gateway_fpga.mutation import QUEUE


@pytest.mark.long
def test_a_sample_of_mutants_is_noticed():
    """Ten faults in the queue: each is noticed by its bench, or proved to be none."""
    row = measure(QUEUE, 10)
    assert row["mutants"] == 10
    assert row["killed"] >= 8
    assert row["survivors"] == []


@pytest.mark.long
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
    some = sorted({*memory[:5], *mutants[:5]}, key=lambda mutant: mutant.number)
    by = fates(QUEUE, tmp_path, [mutant.number for mutant in some])
    make_gold(QUEUE, tmp_path)
    for mutant in some:
        assert by[mutant.number]
        assert not equivalent(QUEUE, mutant, tmp_path), mutant.command
    assert equivalent(QUEUE, Mutant(0, ""), tmp_path)


@pytest.mark.long
def test_a_bench_that_fails_on_the_unchanged_netlist_ends_it(tmp_path):
    """A fault that is on when none is chosen: there are no figures then, and the test is named."""
    make_netlist(QUEUE, 3, tmp_path)
    netlist = tmp_path / "mutated.v"
    text = netlist.read_text()
    assert text.count("12'h001") == 1
    netlist.write_text(text.replace("12'h001", "12'h000"))
    with pytest.raises(MutationError, match="on the unchanged netlist the bench fails: "):
        fates(QUEUE, tmp_path, [1, 2, 3])
