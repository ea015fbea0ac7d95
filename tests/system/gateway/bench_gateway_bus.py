"""cocotb bench of outcry_gateway's registers signal by signal: run by test_gateway_rtl.py.

Every pattern of byte strobes, reads that are refused, answers that nobody takes.
"""

import random

import cocotb
from cocotb.triggers import ClockCycles, ReadOnly, RisingEdge

from openoutcry.wire.registers import ADDRESS, DECERR, OKAY, REGISTERS, SLVERR, WAYS
from tests.support.gateway_fpga.patterns import quiet_bus, start
from tests.system.gateway.bench_gateway import PATIENCE, SLOT_BITS

ROWS = WAYS * 2**SLOT_BITS
RW = [r.offset + 4 * n for r in REGISTERS for n in range(r.count) if r.access == "RW"]


class RawBus:
    """The write channel signal by signal: any strobes, at a cycle that the caller chooses."""

    def __init__(self, dut):
        self.dut = dut
        quiet_bus(dut)

    async def write(self, address, value, strobes=15):
        dut = self.dut
        dut.s_axil_awaddr.value, dut.s_axil_wdata.value = address, value
        dut.s_axil_wstrb.value = strobes
        dut.s_axil_awvalid.value = dut.s_axil_wvalid.value = dut.s_axil_bready.value = 1
        taken = False
        for _ in range(10):
            await ReadOnly()
            ready = dut.s_axil_awready.value == 1
            answered = dut.s_axil_bvalid.value == 1
            answer = dut.s_axil_bresp.value
            await RisingEdge(dut.clk)
            if ready:
                taken = True
                dut.s_axil_awvalid.value = dut.s_axil_wvalid.value = 0
            if answered:
                assert taken
                dut.s_axil_bready.value = 0
                return int(answer)
        raise AssertionError(f"no answer to a write of {address:#x}")

    async def read(self, address):
        dut = self.dut
        dut.s_axil_araddr.value = address
        dut.s_axil_arvalid.value = dut.s_axil_rready.value = 1
        for _ in range(10):
            await ReadOnly()
            ready = dut.s_axil_arready.value == 1
            response = (
                (int(dut.s_axil_rresp.value), int(dut.s_axil_rdata.value))
                if dut.s_axil_rvalid.value == 1
                else None
            )
            await RisingEdge(dut.clk)
            if ready:
                dut.s_axil_arvalid.value = 0
            if response:
                dut.s_axil_rready.value = 0
                return response
        raise AssertionError(f"no answer to a read of {address:#x}")


@cocotb.test(**PATIENCE)
async def only_whole_words_are_written(dut):
    """Each of the fifteen other patterns of strobes is refused by every register, changes nothing
    and begins no command."""
    dut.frames.value = 0
    dut.left_out.value = 0
    dut.s_axis_tvalid.value, dut.m_axis_tready.value = 0, 1
    bus = RawBus(dut)
    await start(dut)
    dice = random.Random(1)
    values = {}
    for address in RW:
        values[address] = dice.getrandbits(32)
        if address == ADDRESS["row_index"]:
            values[address] %= ROWS
        assert await bus.write(address, values[address]) == OKAY
    values[ADDRESS["control"]] &= 3
    for strobes in range(15):
        for address in values:
            assert await bus.write(address, ~values[address] & 0xFFFFFFFF, strobes) == SLVERR
            assert await bus.read(address) == (OKAY, values[address]), (hex(address), strobes)
        for name in ("row_swap", "participant_set"):
            assert await bus.write(ADDRESS[name], 1, strobes) == SLVERR
            assert await bus.read(ADDRESS["status"]) == (OKAY, 0)
        assert await bus.write(0xFFC, 1, strobes) == DECERR


@cocotb.test(**PATIENCE)
async def a_refused_read_tells_nothing(dut):
    """Every word of the address space that is no register to be read answers 0, whatever stands in
    the registers that share its decoding."""
    dut.frames.value = (1 << len(dut.frames)) - 1
    dut.left_out.value = (1 << len(dut.left_out)) - 1
    dut.s_axis_tvalid.value, dut.m_axis_tready.value = 0, 1
    bus = RawBus(dut)
    await start(dut)
    readable = {r.offset + 4 * n for r in REGISTERS for n in range(r.count) if "R" in r.access}
    for address in RW:
        if address not in (ADDRESS["row_index"], ADDRESS["control"]):
            assert await bus.write(address, 0xFFFFFFFF) == OKAY
    refused = 0
    for address in range(0, 0x1000, 4):
        answer, data = await bus.read(address)
        assert (answer == OKAY) == (address in readable), hex(address)
        if answer != OKAY:
            refused += 1
            assert (answer, data) in ((SLVERR, 0), (DECERR, 0)), hex(address)
    assert refused == 0x400 - len(readable)


@cocotb.test(**PATIENCE)
async def an_answer_that_nobody_takes_stays(dut):
    """While a write's or a read's answer waits, no further one is taken, and the answer stands."""
    dut.frames.value = 0
    dut.left_out.value = 0
    dut.s_axis_tvalid.value, dut.m_axis_tready.value = 0, 1
    bus = RawBus(dut)
    await start(dut)
    interval, burst = ADDRESS["rate_interval_ns"], ADDRESS["rate_burst_ns"]
    assert await bus.write(interval, 7) == OKAY
    # The first is refused, so that its answer differs from the second's.
    dut.s_axil_awaddr.value, dut.s_axil_wdata.value, dut.s_axil_wstrb.value = 0xFFC, 9, 15
    dut.s_axil_araddr.value = interval
    dut.s_axil_awvalid.value = dut.s_axil_wvalid.value = dut.s_axil_arvalid.value = 1
    dut.s_axil_bready.value = dut.s_axil_rready.value = 0
    taken = {"aw": 0, "ar": 0}
    for cycle in range(12):
        await ReadOnly()
        for channel in taken:
            taken[channel] += int(getattr(dut, f"s_axil_{channel}ready").value)
        if cycle > 5:
            assert (dut.s_axil_bvalid.value, dut.s_axil_rvalid.value) == (1, 1)
            assert (int(dut.s_axil_bresp.value), int(dut.s_axil_rdata.value)) == (DECERR, 7)
        await RisingEdge(dut.clk)
        # Once the first is taken, another is offered.
        if taken["aw"]:
            dut.s_axil_awaddr.value = burst
        if taken["ar"]:
            dut.s_axil_araddr.value = burst
    assert taken == {"aw": 1, "ar": 1}
    dut.s_axil_awvalid.value = dut.s_axil_wvalid.value = dut.s_axil_arvalid.value = 0
    dut.s_axil_bready.value = dut.s_axil_rready.value = 1
    await ClockCycles(dut.clk, 2)
    assert await bus.write(burst, 9) == OKAY
    assert await bus.read(burst) == (OKAY, 9)
