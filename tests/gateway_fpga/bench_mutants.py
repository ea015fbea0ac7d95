"""Every mutant of a netlist meets the tests of a bench: run by gateway_fpga/tools/mutate.py.

All of it is one simulation: ``MUTANTS`` says which are switched on one after the other, ``BENCH``
and ``TESTS`` which tests each meets until one of them fails.  Before each mutant the unchanged RTL
has to pass the first of the tests, so that no mutant is blamed for what the one before has left.
"""

import importlib
import os
import re

import cocotb
import patterns
from cocotb.clock import Clock
from cocotb.regression import TestGenerator
from cocotb.triggers import ClockCycles

BENCH = importlib.import_module(os.environ["BENCH"])
WANTED = re.compile(os.environ["TESTS"])
MUTANTS = [int(number) for number in os.environ["MUTANTS"].split()]
NOTICED = set()
DRIVEN = (
    "s_axis_tvalid", "s_axis_tlast", "m_axis_tready", "write", "commit", "discard",
    "s_axil_awvalid", "s_axil_wvalid", "s_axil_bready", "s_axil_arvalid", "s_axil_rready",
)  # fmt: skip


async def settle(dut):
    """Into reset and stay there: a test that failed has left its beats on their way."""
    for name in DRIVEN:
        if hasattr(dut, name):
            getattr(dut, name).value = 0
    dut.mutsel.value = patterns.MUTANT
    dut.rst.value = 1
    clock = Clock(dut.clk, patterns.CLOCK_NS, unit="ns")
    clock.start()
    await ClockCycles(dut.clk, 5)
    clock.stop()


def meets(name, mutant, test):
    """A cocotb test that does what ``test`` does, with the mutant on."""

    async def run(dut):
        if mutant in NOTICED:
            return
        patterns.MUTANT = mutant
        await settle(dut)
        try:
            await test.func(dut, **test.kwargs)
        except BaseException:
            if mutant:
                NOTICED.add(mutant)
            raise

    run.__qualname__ = f"{name}/{test.name}"
    made = cocotb.test()(run)
    made.timeout = test.timeout
    return made


def register():
    """The tests go by this module's names: cocotb looks there for them."""
    tests = [
        test
        for made in vars(BENCH).values()
        if isinstance(made, TestGenerator)
        for test in made.generate_tests()
        if WANTED.search(test.name)
    ]
    for mutant in MUTANTS:
        globals()[f"before_{mutant}"] = meets(f"before_{mutant}", 0, tests[0])
        for number, test in enumerate(tests):
            globals()[f"mutant_{mutant}_{number}"] = meets(f"mutant_{mutant}", mutant, test)


register()
