"""cocotb bench of outcry_ingress: run by test_ingress.py."""

import random

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import ClockCycles, RisingEdge
from cocotbext.axi import AxiStreamBus, AxiStreamSink

from openoutcry.gateway_fpga.agents import Clocks, Mac
from tests.support.gateway_fpga.patterns import PATTERNS, TIMEOUT, pattern, reset

CLOSE_CYCLES = 60
STEP_NS = 0x5BD1_E995_9ABC_DEF1
"""So much that all 64 bits of the time are seen both ways."""


async def begin(dut, period_ps=6_400, idle=None, with_sink=True):
    dut.rx_rst.value = 1
    mac = Mac(dut, Clocks(dut.rx_clk), period_ps=period_ps, step_ns=STEP_NS, idle=idle)
    bus = AxiStreamBus.from_prefix(dut, "m_axis")
    sink = AxiStreamSink(bus, dut.clk, dut.rst) if with_sink else None
    Clock(dut.clk, 4_000, unit="ps").start()
    mac.start()
    await reset(dut, 20)
    dut.rx_rst.value = 0
    await ClockCycles(dut.clk, CLOSE_CYCLES)
    return mac, sink


async def rest(dut, mac):
    while mac.words:
        await RisingEdge(dut.clk)
    await ClockCycles(dut.clk, CLOSE_CYCLES)


@cocotb.test(**TIMEOUT)
@cocotb.parametrize(idle=list(PATTERNS), period_ps=[6_400, 3_200, 25_600])
async def frames_of_any_length_come_out_whole(dut, idle, period_ps):
    """Each good frame, byte by byte, all its beats with the time of its first word; bad ones are
    counted."""
    mac, sink = await begin(dut, period_ps, pattern(idle, 1))
    dice = random.Random(f"{idle} {period_ps}")
    sent, bad = [], 0
    for _ in range(24):
        length = dice.choice([1, 7, 8, 9, 63, 64, 65, 127, 128, 129, dice.randint(1, 700)])
        data, is_bad = dice.randbytes(length), dice.random() < 0.25
        mac.send(data, bad=is_bad)
        sent.append((data, is_bad))
        bad += is_bad
    await rest(dut, mac)
    for (data, is_bad), stamp in zip(sent, mac.stamps, strict=True):
        if not is_bad:
            frame = await sink.recv()
            assert bytes(frame.tdata) == data
            assert frame.tuser == stamp % 2**64
    assert sink.empty()
    assert int(dut.bad_frames.value) == bad
    assert int(dut.no_room_frames.value) == 0


@cocotb.test(**TIMEOUT)
async def the_largest_packet_of_a_10g_line_back_to_back(dut):
    """Frames of 1,500 bytes without a pause at 156.25 MHz, the reader at 250 MHz: none is lost."""
    mac, sink = await begin(dut)
    dice = random.Random(3)
    sent = [dice.randbytes(1_500) for _ in range(12)]
    for data in sent:
        mac.send(data)
    await rest(dut, mac)
    assert [bytes((await sink.recv()).tdata) for _ in sent] == sent
    assert (int(dut.bad_frames.value), int(dut.no_room_frames.value)) == (0, 0)


@cocotb.test(**TIMEOUT)
async def what_has_no_room_is_counted_and_the_rest_is_whole(dut):
    """The reader stuck while more comes than the queue holds: afterwards there are whole frames,
    those that came first, and the count is of the others."""
    mac, sink = await begin(dut)
    sink.pause = True
    dice = random.Random(4)
    beats = 2 ** int(dut.DEPTH_LOG2.value)
    sent = [dice.randbytes(dice.randint(300, 900)) for _ in range(beats // 4)]
    for data in sent:
        mac.send(data)
    await rest(dut, mac)
    sink.pause = False
    await ClockCycles(dut.clk, 2 * beats)
    left = []
    while not sink.empty():
        left.append(bytes(sink.recv_nowait().tdata))
    lost = int(dut.no_room_frames.value)
    assert len(left) + lost == len(sent)
    assert lost > 0
    places = iter(range(len(sent)))
    assert all(any(sent[n] == data for n in places) for data in left)
    assert left[0] == sent[0]
    mac.send(sent[-1])
    await rest(dut, mac)
    assert bytes((await sink.recv()).tdata) == sent[-1]


@cocotb.test(**TIMEOUT)
async def holes_in_tkeep_pass_as_they_are(dut):
    """It is the parser that refuses them: here no byte moves to another place."""
    mac, _ = await begin(dut, with_sink=False)
    dut.m_axis_tready.value = 0
    dice = random.Random(5)
    for keep in (0x00, 0x01, 0x7F, 0xFE, 0x5A):
        data = dice.randbytes(40)
        mac.send(data, keep=keep)
        await rest(dut, mac)
        assert int(dut.m_axis_tkeep.value) == 2**40 - 2**8 | keep
        assert int(dut.m_axis_tdata.value) == int.from_bytes(data, "little")
        assert dut.m_axis_tlast.value == 1
        dut.m_axis_tready.value = 1
        await RisingEdge(dut.clk)
        dut.m_axis_tready.value = 0
        await ClockCycles(dut.clk, 2)


@cocotb.test(**TIMEOUT)
@cocotb.parametrize(words=[1, 3, 8, 9, 17])
async def a_mac_that_begins_anew_forgets_its_frame(dut, words):
    """Its reset in mid-frame: no beat of that frame leaves, no count moves, the next is whole."""
    mac, sink = await begin(dut)
    data = bytes(range(200))
    mac.send(data)
    while len(mac.words) > 25 - words:
        await RisingEdge(dut.clk)
    mac.stopped = True
    await ClockCycles(dut.clk, 4)
    dut.rx_rst.value = 1
    await ClockCycles(dut.clk, 6)
    mac.words.clear()
    dut.rx_rst.value = 0
    await ClockCycles(dut.clk, 4)
    mac.stopped = False
    mac.send(data[::-1])
    await rest(dut, mac)
    assert bytes((await sink.recv()).tdata) == data[::-1]
    assert sink.empty()
    assert (int(dut.bad_frames.value), int(dut.no_room_frames.value)) == (0, 0)


@cocotb.test(**TIMEOUT)
@cocotb.parametrize(cycles=[0, 3, 9, 20, 31, 40])
async def a_reset_in_mid_frame_forgets_all_of_it(dut, cycles):
    """Also what of the frame comes after the reset."""
    mac, sink = await begin(dut)
    data = bytes(range(240)) + bytes(200)
    mac.send(data)
    mac.send(data, bad=True)
    await ClockCycles(dut.clk, 12 + cycles)
    dut.rst.value = 1
    sink.clear()
    await ClockCycles(dut.clk, 2)
    dut.rst.value = 0
    mac.words = [word for word in mac.words if word[4] or len(mac.words) <= 110]
    while mac.words and not mac.words[0][4]:
        await RisingEdge(dut.clk)
    mac.words.clear()
    await ClockCycles(dut.clk, CLOSE_CYCLES)
    sink.clear()
    mac.send(b"whole" * 30)
    await rest(dut, mac)
    assert bytes((await sink.recv()).tdata) == b"whole" * 30
    assert sink.empty()
    assert (int(dut.bad_frames.value), int(dut.no_room_frames.value)) == (0, 0)
