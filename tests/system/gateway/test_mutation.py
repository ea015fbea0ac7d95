"""A sample of the mutants; `make fpga-mutate` runs them all."""

import re

from openoutcry.gateway_fpga.tools.mutate import (
    Mutant,
    equivalent,
    make_gold,
    make_netlist,
)
from tests.support.gateway_fpga.mutation import QUEUE


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
