"""cocotb bench of outcry_card: run by test_card.py.

MACs that cannot wait, each with its own clock, deliver good and bad frames; out come the orders of
the good ones, each port's in their order, with the golden model's verdict, their port's bit and
their frame's time.
"""

import random
from collections import Counter

import cocotb
import numpy as np
from cocotb.clock import Clock
from cocotb.triggers import ClockCycles, RisingEdge

from openoutcry.gateway_fpga.agents import Clocks, Mac, RegisterBus, VerdictSink
from openoutcry.gateway_fpga.devices import GoldenDevice
from openoutcry.gateway_fpga.driver import GatewayDriver
from openoutcry.wire.records import MAX_PACKET_RECORDS, ORDER_DTYPE
from openoutcry.wire.registers import FRAME_OUTCOMES
from tests.support.gateway_fpga.frames import (
    SPOILERS,
    UDP_PORT,
    Frame,
    bar,
    expected,
    good_frame,
    judged,
    packet_of,
    spoiled,
    wrap,
)
from tests.support.gateway_fpga.orders import INSTRUMENTS, SETTINGS
from tests.support.gateway_fpga.orders import random_orders as boundary_orders
from tests.support.gateway_fpga.patterns import local_end, pattern, reset
from tests.system.gateway.bench_top import FIRST_SEQ, PARTICIPANTS, SLOT_BITS

PATIENCE = {"timeout_time": 1, "timeout_unit": "ms"}
CLOCK_PS = 4_000
RX_PS = (6_400, 6_398, 6_411)
"""Receive clocks of 156.25 MHz, each a little beside the others, as cards' clocks are."""
CLOSE_CYCLES = 120
LATENCY_CYCLES = 24
"""At most, in cycles of 250 MHz, from the MAC's last word of a frame of one order to its order:
four of 156.25 MHz, five to cross, twelve of the core."""


class Card:
    """The card's ports, its stream of verdicts and its registers."""

    def __init__(self, dut, idle="never", hold="never"):
        self.dut = dut
        count = len(dut.rx_clk)
        clocks = Clocks(dut.rx_clk)
        self.macs = [Mac(dut, clocks, n, RX_PS[n], idle=pattern(idle, n)) for n in range(count)]
        self.sink = VerdictSink(dut, hold=pattern(hold, 9))
        self.bus = RegisterBus(dut)
        self.all_rx = 2**count - 1
        dut.rx_rst.value = self.all_rx
        dut.udp_port.value = UDP_PORT
        local_end(dut)
        dut.first_seq.value = FIRST_SEQ
        self.sent = [[] for _ in range(count)]

    async def start(self):
        Clock(self.dut.clk, CLOCK_PS, unit="ps").start()
        for mac in self.macs:
            mac.start()
        await reset(self.dut, 20)
        self.dut.rx_rst.value = 0
        await ClockCycles(self.dut.clk, CLOSE_CYCLES)

    def send(self, port, data, bad=False):
        self.macs[port].send(data, bad=bad)
        self.sent[port].append((data, bad))

    async def rest(self):
        while any(mac.words for mac in self.macs):
            await RisingEdge(self.dut.clk)
        await ClockCycles(self.dut.clk, CLOSE_CYCLES)

    async def counts(self, port):
        """Frames by outcome, those that never were left out."""
        frame_counts = await self.bus.with_driver(lambda driver: driver.frames(port))
        return {outcome: count for outcome, count in frame_counts.items() if count}

    async def left_out(self, port):
        """Records left out by rule: what the registers say, and what they must say."""
        counted = await self.bus.with_driver(lambda driver: driver.left_out(port))
        wanted = Counter(dict.fromkeys(counted, 0))
        for data, bad in self.sent[port]:
            wanted.update({} if bad else judged(Frame(data, 0)).left_out)
        return counted, dict(wanted)

    def wanted(self, port):
        """Its orders as they must come out, and its frames by outcome, with room for all."""
        orders, outcomes = [], Counter()
        for (data, bad), stamp in zip(self.sent[port], self.macs[port].stamps, strict=True):
            reason, frame_orders = ("BAD_FRAME", []) if bad else expected(Frame(data, stamp))
            outcomes[reason] += 1
            orders += frame_orders
        return np.frombuffer(b"".join(orders), ORDER_DTYPE).copy(), dict(outcomes)


def without_seq(orders):
    plain = orders.copy()
    plain["seq"] = 0
    return plain.tobytes()


@cocotb.test(**PATIENCE)
@cocotb.parametrize(idle=["never", "random"], hold=["never", "random"])
async def orders_of_all_ports_with_their_verdicts(dut, idle, hold):
    """Good frames, bad ones and those that the MAC calls bad, on every port at once."""
    card = Card(dut, idle, hold)
    await card.start()
    golden = GoldenDevice(SLOT_BITS)
    settings = SETTINGS.__class__(limits=SETTINGS.limits, rate_interval_ns=0)
    await card.bus.with_driver(lambda driver: driver.load(INSTRUMENTS, settings))
    GatewayDriver(golden).load(INSTRUMENTS, settings)
    dice = random.Random(f"{idle} {hold}")
    for port in range(len(card.macs)):
        for n in range(14):
            if n != 5 and dice.random() < 0.3:
                card.send(port, spoiled(dice, dice.choice(list(SPOILERS))).data)
            else:
                orders = boundary_orders(dice.randint(1, 3), 100 * port + n, settings)
                orders["participant"] %= PARTICIPANTS
                orders["order_id"] = dice.getrandbits(60)
                if n % 2 == 0:
                    bar(dice, dice.choice(orders), dice.choice(["OPERATOR", "RESERVED_ID"]))
                data = wrap(dice, packet_of(dice, orders), bool(n % 2))
                card.send(port, data, bad=n == 5 or dice.random() < 0.3)
    await card.rest()
    got, tags = card.sink.taken()
    assert got["seq"].tolist() == list(range(FIRST_SEQ, FIRST_SEQ + len(got)))
    for port in range(len(card.macs)):
        orders, outcomes = card.wanted(port)
        golden.validate(orders)
        assert without_seq(got[tags == 1 << port]) == without_seq(orders)
        assert await card.counts(port) == outcomes
        assert "BAD_FRAME" in outcomes
        counted, wanted = await card.left_out(port)
        assert counted == wanted
    assert len({*got["error_code"].tolist()}) > 3


@cocotb.test(**PATIENCE)
async def without_room_frames_are_dropped_whole_and_counted(dut):
    """The DMA stuck while the MACs go on: what comes out later are whole frames, and the rest is
    counted, frame by frame."""
    card = Card(dut)
    await card.start()
    card.sink.hold(True)
    dice = random.Random(8)
    for port in range(len(card.macs)):
        for _ in range(40):
            card.send(port, good_frame(dice, 3, ordinary=True))
    await card.rest()
    for port in range(len(card.macs)):
        assert (await card.counts(port))["NO_ROOM"] > 0
    card.sink.hold(False)
    await ClockCycles(dut.clk, 600)
    got, tags = card.sink.taken()
    for port in range(len(card.macs)):
        counts = await card.counts(port)
        orders, outcomes = card.wanted(port)
        assert counts["NONE"] + counts["NO_ROOM"] == outcomes["NONE"]
        own = without_seq_and_code(got[tags == 1 << port])
        assert len(own) == 3 * counts["NONE"]
        frames = iter(np.split(without_seq_and_code(orders), len(orders) // 3))
        for three in np.split(own, len(own) // 3):
            assert any(three.tobytes() == frame.tobytes() for frame in frames)
    # And with room again, the next frame is taken.
    card.send(0, good_frame(dice, MAX_PACKET_RECORDS, ordinary=True))
    await card.rest()
    assert len(card.sink.taken()[0]) == MAX_PACKET_RECORDS


def without_seq_and_code(orders):
    plain = orders.copy()
    plain["seq"] = plain["error_code"] = 0
    return plain


@cocotb.test(**PATIENCE)
async def lost_frames_carry_into_every_bit(dut):
    """Counts that stand just before each of their carries go on from there, and the registers of
    each port show its own, every bit in its place."""
    card = Card(dut)
    await card.start()
    too_long = bytes(64 * 2 ** int(dut.RX_DEPTH_LOG2.value) + 1)
    for bit in range(32):
        for port in range(len(card.macs)):
            queue = dut.g_port[port].ingress.queue
            queue.bad["value"].value = 2**bit - 1
            queue.no_room["value"].value = 2 ** (31 - bit) - 1
            card.send(port, bytes(60), bad=True)
            card.send(port, too_long)
        await card.rest()
        for port in range(len(card.macs)):
            wanted = {"BAD_FRAME": 2**bit, "NO_ROOM": 2 ** (31 - bit)}
            assert await card.counts(port) == wanted
    assert len(card.sink.taken()[0]) == 0


@cocotb.test(**PATIENCE)
async def latency_from_the_last_word(dut):
    """A frame of one order: never later than stated, wherever the clocks stand."""
    card = Card(dut)
    await card.start()
    dice = random.Random(1)
    for n in range(12):
        await ClockCycles(dut.clk, n)
        card.send(n % len(card.macs), good_frame(dice, 1, ordinary=True))
        while not (int(dut.s_axis_tlast.value) & int(dut.s_axis_tvalid.value)):
            await RisingEdge(dut.clk)
        cycles = 0
        while dut.m_axis_tvalid.value == 0:
            await RisingEdge(dut.clk)
            cycles += 1
        assert cycles <= LATENCY_CYCLES
        await ClockCycles(dut.clk, 5)


@cocotb.test(**PATIENCE)
@cocotb.parametrize(cycles=[4, 17, 33, 60])
async def a_reset_forgets_frames_of_every_port(dut, cycles):
    """Nothing of a frame that had begun before comes out; counts and numbers begin anew, and a
    frame after that is taken at every port."""
    card = Card(dut)
    await card.start()
    dice = random.Random(cycles)
    for port in range(len(card.macs)):
        card.send(port, good_frame(dice, 9))
        card.send(port, good_frame(dice, 1), bad=True)
    await ClockCycles(dut.clk, cycles)
    dut.rst.value = 1
    await ClockCycles(dut.clk, 2)
    dut.rst.value = 0
    await card.rest()
    for port, mac in enumerate(card.macs):
        before = await card.counts(port)
        # A frame that began after the gateway was open again may be counted: the bad one.
        assert set(before) <= {"BAD_FRAME"}
        mac.stamps.clear()
        card.sent[port].clear()
    assert len(card.sink.taken()[0]) == 0
    for port in range(len(card.macs)):
        card.send(port, good_frame(dice, 2))
    await card.rest()
    got, tags = card.sink.taken()
    assert got["seq"].tolist() == list(range(FIRST_SEQ, FIRST_SEQ + len(got)))
    for port in range(len(card.macs)):
        orders, _ = card.wanted(port)
        own = got[tags == 1 << port]
        assert without_seq_and_code(own).tobytes() == without_seq_and_code(orders).tobytes()
    assert set(FRAME_OUTCOMES) >= set(await card.counts(0))
