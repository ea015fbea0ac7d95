"""cocotb bench of outcry_skid: run by test_skid.py."""

import random

import cocotb
from cocotb.triggers import ClockCycles, RisingEdge
from cocotbext.axi import AxiStreamBus, AxiStreamFrame, AxiStreamSink, AxiStreamSource

from tests.support.gateway_fpga.patterns import PATTERNS, TIMEOUT, pattern, reset, start


def ports(dut):
    source = AxiStreamSource(AxiStreamBus.from_prefix(dut, "s_axis"), dut.clk, dut.rst)
    sink = AxiStreamSink(AxiStreamBus.from_prefix(dut, "m_axis"), dut.clk, dut.rst)
    return source, sink


@cocotb.test(**TIMEOUT)
@cocotb.parametrize(idle=list(PATTERNS), hold=list(PATTERNS))
async def every_beat_passes_once_in_order(dut, idle, hold):
    """Whatever the idling and the back-pressure."""
    source, sink = ports(dut)
    await start(dut)
    source.set_pause_generator(pattern(idle, 1))
    sink.set_pause_generator(pattern(hold, 2))
    dice = random.Random(3)
    size_bytes = len(dut.s_axis_tdata) // 8
    beats = [dice.randbytes(size_bytes) for _ in range(60)]
    for beat in beats:
        await source.send(AxiStreamFrame(beat))
    for beat in beats:
        assert bytes((await sink.recv()).tdata) == beat
    await ClockCycles(dut.clk, 4)
    assert sink.empty()


@cocotb.test(**TIMEOUT)
async def full_throughput(dut):
    """With neither side holding back, a beat leaves every cycle, one cycle after it came."""
    await start(dut)
    dut.m_axis_tready.value = 1
    dut.s_axis_tvalid.value = 1
    for n in range(50):
        dut.s_axis_tdata.value = n
        await RisingEdge(dut.clk)
        assert dut.s_axis_tready.value == 1
        if n:
            assert dut.m_axis_tvalid.value == 1
            assert dut.m_axis_tdata.value == n - 1


@cocotb.test(**TIMEOUT)
async def a_beat_is_offered_before_anybody_is_ready(dut):
    """One cycle after it came: valid does not wait for ready."""
    await start(dut)
    dut.m_axis_tready.value = 0
    dut.s_axis_tvalid.value = 1
    dut.s_axis_tdata.value = 5
    await RisingEdge(dut.clk)
    dut.s_axis_tvalid.value = 0
    for _ in range(3):
        await RisingEdge(dut.clk)
        assert dut.m_axis_tvalid.value == 1
        assert dut.m_axis_tdata.value == 5


@cocotb.test(**TIMEOUT)
async def a_reset_empties_it(dut):
    """What was held is gone, and no beat is taken during the reset."""
    await start(dut)
    dut.m_axis_tready.value = 0
    dut.s_axis_tvalid.value = 1
    dut.s_axis_tdata.value = 7
    await ClockCycles(dut.clk, 4)
    assert dut.s_axis_tready.value == 0
    dut.s_axis_tvalid.value = 0
    await reset(dut)
    assert dut.m_axis_tvalid.value == 0
    # Neither place holds anything: what is offered next comes out next, and nothing before it.
    dut.m_axis_tready.value = 1
    for _ in range(3):
        await RisingEdge(dut.clk)
        assert dut.m_axis_tvalid.value == 0
        assert dut.s_axis_tready.value == 1
    dut.s_axis_tvalid.value = 1
    dut.s_axis_tdata.value = 9
    await RisingEdge(dut.clk)
    dut.s_axis_tvalid.value = 0
    await RisingEdge(dut.clk)
    assert dut.m_axis_tvalid.value == 1
    assert dut.m_axis_tdata.value == 9
    await RisingEdge(dut.clk)
    assert dut.m_axis_tvalid.value == 0
    dut.rst.value = 1
    await ClockCycles(dut.clk, 2)
    assert dut.s_axis_tready.value == 0
