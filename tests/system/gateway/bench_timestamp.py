"""cocotb bench of outcry_timestamp: run by test_timestamp.py."""

import random

import cocotb
from cocotb.triggers import ClockCycles, ReadOnly, RisingEdge
from cocotbext.axi import AxiStreamBus, AxiStreamFrame, AxiStreamSink, AxiStreamSource

from tests.support.gateway_fpga.patterns import PATTERNS, TIMEOUT, pattern, reset, start


class Bench:
    """The module between cocotbext-axi's ends, with a counter and a note of every first offer."""

    def __init__(self, dut):
        self.dut = dut
        self.source = AxiStreamSource(AxiStreamBus.from_prefix(dut, "s_axis"), dut.clk, dut.rst)
        self.sink = AxiStreamSink(AxiStreamBus.from_prefix(dut, "m_axis"), dut.clk, dut.rst)
        self.offered_ns = []

    async def start(self, first_ns, step_ns):
        self.dut.time_ns.value = first_ns
        cocotb.start_soon(self.count(first_ns, step_ns))
        cocotb.start_soon(self.watch())
        await start(self.dut)

    async def count(self, now_ns, step_ns):
        while True:
            await RisingEdge(self.dut.clk)
            now_ns = (now_ns + step_ns) % 2**64
            self.dut.time_ns.value = now_ns

    async def watch(self):
        """Notes the counter in the first cycle of each packet's first offer."""
        between = True
        while True:
            await RisingEdge(self.dut.clk)
            await ReadOnly()
            if self.dut.s_axis_tvalid.value == 1:
                if between:
                    self.offered_ns.append(int(self.dut.time_ns.value))
                taken = self.dut.s_axis_tready.value == 1
                between = taken and self.dut.s_axis_tlast.value == 1


@cocotb.test(**TIMEOUT)
@cocotb.parametrize(idle=list(PATTERNS), hold=list(PATTERNS))
async def every_beat_bears_its_packets_first_offer(dut, idle, hold):
    """Data, keep and last pass unchanged; tuser is the time of the packet's first offer."""
    bench = Bench(dut)
    dice = random.Random(11)
    await bench.start(1_700_000_000_000_000_000, 6)
    bench.source.set_pause_generator(pattern(idle, 1))
    bench.sink.set_pause_generator(pattern(hold, 2))
    packets = [dice.randbytes(dice.choice([1, 63, 64, 65, 200, 640])) for _ in range(30)]
    for packet in packets:
        await bench.source.send(AxiStreamFrame(packet))
    stamps = []
    for packet in packets:
        frame = await bench.sink.recv(compact=False)
        keep = frame.tkeep
        assert bytes(b for b, k in zip(frame.tdata, keep, strict=True) if k) == packet
        assert keep == [1] * len(packet) + [0] * (-len(packet) % 64)
        assert len(set(frame.tuser)) == 1
        stamps.append(frame.tuser[0])
    assert stamps == bench.offered_ns[: len(stamps)]
    assert stamps == sorted(set(stamps))


@cocotb.test(**TIMEOUT)
async def back_pressure_does_not_make_a_packet_younger(dut):
    """The time of a beat that has to wait is that of its first offer."""
    dut.s_axis_tvalid.value = 0
    dut.m_axis_tready.value = 0
    await start(dut)
    dut.s_axis_tvalid.value = 1
    dut.s_axis_tlast.value = 1
    for now_ns in range(100, 120):
        dut.time_ns.value = now_ns
        await RisingEdge(dut.clk)
    assert dut.s_axis_tready.value == 0
    dut.m_axis_tready.value = 1
    seen = []
    for now_ns in range(120, 126):
        dut.time_ns.value = now_ns
        await ReadOnly()
        if dut.m_axis_tvalid.value == 1:
            seen.append(int(dut.m_axis_tuser.value))
        await RisingEdge(dut.clk)
    # Two were taken at once, the third offered at 102 and held back until now.
    assert seen[:4] == [100, 101, 102, 122]


@cocotb.test(**TIMEOUT)
async def every_bit_of_the_time(dut):
    """All 64 bits of the counter arrive, one after the other set and clear, at both beats of
    packets that come with gaps."""
    bench = Bench(dut)
    await bench.start(0, 0x5BD1_E995_9ABC_DEF1)
    bench.source.set_pause_generator(pattern("random", 3))
    for _ in range(40):
        await bench.source.send(AxiStreamFrame(bytes(65)))
    frames = [await bench.sink.recv(compact=False) for _ in range(40)]
    assert all(len(set(frame.tuser)) == 1 for frame in frames)
    stamps = [frame.tuser[0] for frame in frames]
    assert stamps == bench.offered_ns[:40]


@cocotb.test(**TIMEOUT)
async def a_reset_in_mid_packet(dut):
    """The next beat after a reset is a packet's first."""
    bench = Bench(dut)
    await bench.start(1000, 1)
    dut.m_axis_tready.value = 1
    await bench.source.send(AxiStreamFrame(bytes(640)))
    await ClockCycles(dut.clk, 4)
    bench.source.clear()
    dut.rst.value = 1
    await ClockCycles(dut.clk, 2)
    await reset(dut)
    bench.sink.clear()
    bench.offered_ns.clear()
    await bench.source.send(AxiStreamFrame(b"after"))
    frame = await bench.sink.recv(compact=False)
    assert frame.tuser[0] > 1000 + 8
    assert bytes(frame.tdata[:5]) == b"after"
