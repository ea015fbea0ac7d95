"""Every mutant of a netlist meets the tests of a bench: run by mutate.py.

The simulation is started once.  Before its first clock edge it forks a child for each number of
``MUTANTS`` (0 is none), ``JOBS`` at a time: what a test leaves in a memory can fail a later one, so
each mutant has a simulation of its own, which is over for it with the first test that fails.  A
child writes its number and that test's name, or nothing for a name, as a line into ``FATES``.

``BENCH`` says whose tests are run (modules, with commas), ``FIRST`` which of them first (regular
expressions, with spaces).
"""

import gc
import importlib
import os
import re
import signal
from pathlib import Path

import cocotb
from cocotb.regression import TestGenerator

from tests.support.gateway_fpga import patterns

BENCHES = [
    importlib.import_module(f"{__package__}.{name}") for name in os.environ["BENCH"].split(",")
]
FIRST = [re.compile(pattern) for pattern in os.environ["FIRST"].split()]
NUMBERS = [int(number) for number in os.environ["MUTANTS"].split(",")]
JOBS = int(os.environ["JOBS"])
FATES = Path(os.environ["FATES"])


@cocotb.test()
async def each_mutant(dut):
    """The parent ends here when all of its children have; a child goes on to the next test.  The
    first number is awaited alone: if its bench fails there is no second."""
    running = {}

    def wait():
        child, status = os.wait()
        number = running.pop(child)
        if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL:
            raise RuntimeError(f"the simulation of mutant {number} was killed from outside")
        if os.waitstatus_to_exitcode(status) != 0:
            note(number, "the simulation did not end")

    gc.freeze()
    for number in NUMBERS:
        child = os.fork()
        if child == 0:
            log = os.open(FATES.with_name(f"mutant-{number}.log"), os.O_WRONLY | os.O_CREAT)
            os.dup2(log, 1)
            os.dup2(log, 2)
            patterns.MUTANT = number
            return
        running[child] = number
        while len(running) >= (1 if number == NUMBERS[0] else JOBS):
            wait()
        if number == NUMBERS[0] and fates()[number]:
            return
    while running:
        wait()


def note(number, test):
    """A line for the parent's caller; small enough to be written whole beside other children's."""
    file = os.open(FATES, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(file, f"{number} {test}\n".encode())
    os.close(file)


def fates():
    """Number and the test that noticed it, of the children that have ended."""
    lines = FATES.read_text().splitlines() if FATES.exists() else []
    return {int(number): test for number, _, test in (line.partition(" ") for line in lines)}


def meets(test):
    """A cocotb test that does what ``test`` does; a failure ends the child."""

    async def run(dut):
        if patterns.MUTANT is None:
            return
        try:
            await test.func(dut, **test.kwargs)
        except BaseException:
            note(patterns.MUTANT, test.name)
            os._exit(0)

    run.__qualname__ = test.name
    wrapper = cocotb.test()(run)
    wrapper.timeout = test.timeout
    return wrapper


def place(test):
    """How soon a test is run: by the first of the patterns that its name has."""
    return next((n for n, pattern in enumerate(FIRST) if pattern.search(test.name)), len(FIRST))


TESTS = [
    test
    for bench in BENCHES
    for generator in vars(bench).values()
    if isinstance(generator, TestGenerator)
    for test in generator.generate_tests()
]
# cocotb looks for tests by this module's names, and takes them in that order.
globals().update(
    {f"test_{number}": meets(test) for number, test in enumerate(sorted(TESTS, key=place))}
)


@cocotb.test()
async def nobody_noticed(dut):
    if patterns.MUTANT is not None:
        note(patterns.MUTANT, "")
        os._exit(0)
