"""cocotb bench of outcry_packet_fifo: run by test_packet_fifo.py."""

import random

import cocotb
from cocotb.triggers import ClockCycles, RisingEdge
from cocotbext.axi import AxiStreamBus, AxiStreamSink

from tests.support.gateway_fpga.patterns import PATTERNS, TIMEOUT, pattern, start


@cocotb.test(**TIMEOUT)
@cocotb.parametrize(hold=list(PATTERNS), chance=[0.2, 0.5, 0.9])
async def committed_words_leave_discarded_ones_do_not(dut, hold, chance):
    """Random writes, commits and aborts against a list; free says how many words fit."""
    dice = random.Random(f"{hold} {chance}")
    width, depth = len(dut.write_data), 2 ** (len(dut.free) - 1)
    sink = AxiStreamSink(AxiStreamBus.from_prefix(dut, "m_axis"), dut.clk, dut.rst)
    for name in ("write", "commit", "discard"):
        getattr(dut, name).value = 0
    await start(dut)
    sink.set_pause_generator(pattern(hold, 3))
    assert dut.free.value == depth
    trial, wanted, full = [], [], False
    for _ in range(400):
        await RisingEdge(dut.clk)
        # The values that the last cycle drove are in now; this cycle's are driven.
        dut.write.value = dut.commit.value = dut.discard.value = 0
        await ClockCycles(dut.clk, 1)
        free = int(dut.free.value)
        assert 0 <= free <= depth - len(trial)
        full |= free == 0
        act = dice.random()
        if act < 0.15 * (1 - chance) or len(trial) == depth:
            dut.discard.value = 1
            trial = []
        else:
            if act < 0.5:
                dut.commit.value = 1
                wanted += trial
                trial = []
            if dice.random() < chance and free:
                word = dice.getrandbits(width)
                dut.write.value = 1
                dut.write_data.value = word
                trial.append(word)
    await RisingEdge(dut.clk)
    dut.write.value = dut.commit.value = dut.discard.value = 0
    await ClockCycles(dut.clk, 60)
    got = []
    while not sink.empty():
        got += [int.from_bytes(bytes(sink.recv_nowait().tdata), "little")]
    assert got == wanted
    assert wanted
    assert full or hold == "never" or chance < 0.9 or depth > 8


@cocotb.test(**TIMEOUT)
async def two_cycles_from_commit_and_then_one_word_a_cycle(dut):
    """The latency that the module states, and full throughput."""
    for name in ("write", "commit", "discard", "m_axis_tready"):
        getattr(dut, name).value = 0
    await start(dut)
    words = min(4, 2 ** (len(dut.free) - 1))
    dut.m_axis_tready.value = 1
    dut.write.value = 1
    for n in range(words):
        dut.write_data.value = n
        await RisingEdge(dut.clk)
        assert dut.m_axis_tvalid.value == 0
    dut.write.value = 0
    dut.commit.value = 1
    await RisingEdge(dut.clk)
    dut.commit.value = 0
    assert dut.m_axis_tvalid.value == 0
    await RisingEdge(dut.clk)
    assert dut.m_axis_tvalid.value == 0
    for n in range(words):
        await RisingEdge(dut.clk)
        assert dut.m_axis_tvalid.value == 1
        assert dut.m_axis_tdata.value == n
    await RisingEdge(dut.clk)
    assert dut.m_axis_tvalid.value == 0


@cocotb.test(**TIMEOUT)
async def free_is_what_fits(dut):
    """With nobody reading, exactly the whole queue is written; each word that leaves makes room
    for one, and a discard for all that were on trial."""
    depth = 2 ** (len(dut.free) - 1)
    for name in ("write", "commit", "discard", "m_axis_tready"):
        getattr(dut, name).value = 0
    await start(dut)
    for kept in (0, 1, depth // 2, depth):
        dut.write.value = 1
        for n in range(depth):
            dut.write_data.value = n
            dut.commit.value = int(n == kept and kept > 0)
            await RisingEdge(dut.clk)
            # One that is committed goes on to the output's own register.
            gone = int(kept > 0 and n >= kept + 2)
            assert dut.free.value == depth - n + gone, (kept, n)
        dut.write.value = 0
        dut.commit.value = int(kept == depth)
        await ClockCycles(dut.clk, 1)
        dut.commit.value = 0
        dut.discard.value = int(kept < depth)
        await ClockCycles(dut.clk, 1)
        dut.discard.value = 0
        await ClockCycles(dut.clk, 3)
        left = kept
        assert dut.free.value == depth - max(0, left - 1)
        dut.m_axis_tready.value = 1
        while left:
            await RisingEdge(dut.clk)
            left -= 1
            assert dut.m_axis_tdata.value == kept - left - 1
            assert dut.m_axis_tvalid.value == 1
        await ClockCycles(dut.clk, 2)
        assert dut.m_axis_tvalid.value == 0
        assert dut.free.value == depth
        dut.m_axis_tready.value = 0
