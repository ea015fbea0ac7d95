"""Idle and back-pressure patterns, reset and clock: what every gateway bench starts with."""

from typing import Any

import cocotb
from cocotb.clock import Clock
from cocotb.handle import HierarchyObject
from cocotb.triggers import ClockCycles, Timer

from openoutcry.gateway_fpga.agents.patterns import PATTERNS, pattern

__all__ = [
    "CLOCK_NS",
    "MUTANT",
    "PATTERNS",
    "TIMEOUT",
    "local_end",
    "pattern",
    "quiet_bus",
    "reset",
    "start",
]

CLOCK_NS = 4
TIMEOUT: dict[str, Any] = {"timeout_time": 250, "timeout_unit": "us"}
"""For every ``@cocotb.test``: a module that hangs is a failed test."""
MUTANT: int | None = None
"""Which fault of a netlist of mutants is on (bench_mutants.py sets it); 0 is the RTL as it is."""


async def start(dut: HierarchyObject) -> None:
    """Run the clock and give the module a reset of three cycles."""
    if MUTANT is not None:
        dut.mutsel.value = MUTANT
        cocotb.start_soon(_watchdog())
    cocotb.start_soon(Clock(dut.clk, CLOCK_NS, unit="ns").start())
    await reset(dut)


async def reset(dut: HierarchyObject, cycles: int = 3) -> None:
    dut.rst.value = 1
    await ClockCycles(dut.clk, cycles)
    dut.rst.value = 0
    await ClockCycles(dut.clk, 1)


async def _watchdog() -> None:
    """A mutant that hangs its bench is noticed too."""
    await Timer(1, "ms")
    raise AssertionError("the mutant hangs")


def quiet_bus(dut):
    """Nothing is asked of the registers, no answer is taken."""
    for name in ("awvalid", "wvalid", "bready", "arvalid", "rready", "awprot", "arprot"):
        getattr(dut, f"s_axil_{name}").value = 0


def local_end(dut, check=0, mac=0, address=0, vlan=0):
    """What the destination of a frame is compared with; nothing, unless it is given."""
    dut.check_local.value, dut.local_mac.value = check, mac
    dut.local_ip.value, dut.local_vlan.value = address, vlan
