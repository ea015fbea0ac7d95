"""A sample of the mutants; `make fpga-mutate` runs them all."""

import re

import pytest

from tests.support.gateway_fpga.mutate import (
    RTL,
    TARGETS,
    Mutant,
    MutationError,
    equivalent,
    fates,
    make_gold,
    make_netlist,
    measure,
)

QUEUE = TARGETS["outcry_packet_fifo"]


def test_inputs_that_do_nothing_are_no_place_for_a_fault(tmp_path):
    """A memory that is read without a clock has inputs that do nothing, and Yosys writes no Verilog
    of it once one is mutated (seed 8: a reset).  Another mutant is listed in its place."""
    mutants = make_netlist(QUEUE, 60, tmp_path, seed=8)
    assert len({mutant.number for mutant in mutants}) == 60
    assert max(mutant.number for mutant in mutants) == 61
    assert not [mutant for mutant in mutants if "-port RD_ARST" in mutant.command]
    netlist = (tmp_path / "mutated.v").read_text()
    assert all(f"12'h{mutant.number:03x}" in netlist for mutant in mutants)


def test_what_is_not_written_does_not_count(tmp_path):
    """A fault in the address or the word of a memory's port that writes nothing is none; one in the
    address or the word that is written, or in whether it is, is one."""
    make_netlist(QUEUE, 1, tmp_path)
    make_gold(QUEUE, tmp_path)
    text = (tmp_path / "whole.il").read_text()
    matches = re.findall(
        r"cell \$mux (\S+)\n(?:    .*\n)*?    connect \\Y \S+_(EN|DATA|ADDR)\[", text
    )
    chosen_by = {port: cell for cell, port in matches}
    assert len(matches) == len(chosen_by) == 3

    def same(memory_port, mux_port):
        command = f"mutate -mode inv -module {QUEUE.module} -cell {chosen_by[memory_port]}"
        mutant = Mutant(0, f"{command} -port {mux_port} -portbit 0")
        return equivalent(QUEUE, mutant, tmp_path)

    # A is chosen while nothing is written.
    assert same("ADDR", "A")
    assert same("DATA", "A")
    assert not same("EN", "A")
    assert not same("ADDR", "B")
    assert not same("DATA", "B")
    assert not same("EN", "B")


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
