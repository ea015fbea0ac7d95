"""cocotb bench of outcry_time_over: run by test_time_over.py."""

import random

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import ReadOnly, RisingEdge, Timer
from cocotb.utils import get_sim_time

CYCLE_PS = 4_000
RX_PS = (6_400, 6_398, 3_100)
"""Slower and faster than the clock that counts."""
BEHIND_NS = 4 * 6.4 + 2 * 4
"""At most: four cycles of the one and two of the other."""


async def readings(dut, count):
    """The time at each edge of the receive clock, and what it should be."""
    for _ in range(count):
        await RisingEdge(dut.rx_clk)
        await ReadOnly()
        yield int(dut.rx_time_ns.value), get_sim_time("ps") / 1_000


@cocotb.test(timeout_time=200, timeout_unit="us")
@cocotb.parametrize(period_ps=RX_PS)
async def the_time_goes_on_while_the_link_is_lost(dut, period_ps):
    """It is the other clock's, a few cycles late; it does not go back when the receive clock has
    been away, and it has not lost the time of that."""
    Clock(dut.clk, CYCLE_PS, unit="ps").start(start_high=False)
    dice = random.Random(period_ps)
    before = 0
    for _ in range(4):
        rx_clock = Clock(dut.rx_clk, period_ps, unit="ps")
        rx_clock.start()
        # What the first edges bring is what stood there when the clock went away.
        async for now, _ in readings(dut, 4):
            assert now >= before
            before = now
        async for now, real in readings(dut, 60):
            assert before <= now <= real
            assert real - now <= BEHIND_NS
            assert now % 4 == 0
            before = now
        await Timer(1, unit="ps")
        rx_clock.stop()
        dut.rx_clk.value = 0
        await Timer(dice.randint(100, 9_000), unit="ns")


@cocotb.test(timeout_time=200, timeout_unit="us")
async def it_carries_through_all_of_its_bits(dut):
    """The count is put before each of its carries; what is read moves on by what has passed."""
    Clock(dut.clk, CYCLE_PS, unit="ps").start(start_high=False)
    Clock(dut.rx_clk, 6_400, unit="ps").start()
    bits = len(dut.cycles)
    for bit in range(4, bits):
        await RisingEdge(dut.clk)
        dut.cycles.value = 2**bit - 3
        await RisingEdge(dut.clk)
        for _ in range(12):
            await RisingEdge(dut.rx_clk)
        await ReadOnly()
        now = int(dut.rx_time_ns.value)
        passed = now - (2**bit - 3) * 4
        assert 30 <= passed <= 13 * 6.4, (bit, passed)
        await Timer(1, unit="ps")
