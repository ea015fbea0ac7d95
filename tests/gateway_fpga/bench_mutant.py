"""One mutant of a netlist meets the tests of a bench: run by gateway_fpga/tools/mutate.py.

``MUTANT`` says which is switched on (0 is none), ``BENCH`` whose tests it meets (modules, with
commas), ``FIRST`` which of them it meets first.  What a test leaves in a memory can fail a later
one: so each mutant has a simulation of its own, which is over for it with the first test that
fails.
"""

import importlib
import os
import re

import cocotb
import patterns
from cocotb.regression import TestGenerator

BENCHES = [importlib.import_module(name) for name in os.environ["BENCH"].split(",")]
FIRST = re.compile(os.environ["FIRST"])
patterns.MUTANT = int(os.environ["MUTANT"])
NOTICED = False


def meets(test):
    """A cocotb test that does what ``test`` does, unless one before it has failed."""

    async def run(dut):
        global NOTICED
        if NOTICED:
            return
        try:
            await test.func(dut, **test.kwargs)
        except BaseException:
            NOTICED = True
            raise

    run.__qualname__ = test.name
    made = cocotb.test()(run)
    made.timeout = test.timeout
    return made


TESTS = [
    test
    for bench in BENCHES
    for made in vars(bench).values()
    if isinstance(made, TestGenerator)
    for test in made.generate_tests()
]
# cocotb looks for tests by this module's names.
for number, test in enumerate(sorted(TESTS, key=lambda test: not FIRST.search(test.name))):
    globals()[f"test_{number}"] = meets(test)
