"""cocotb bench of outcry_top: run by test_top.py.

Frames go in at every port at once; what comes out must be the orders of the good ones, each port's
in their order, numbered without a hole, with the golden model's verdict.
"""

import random

import cocotb
import numpy as np
from cocotb.triggers import ReadOnly, RisingEdge
from cocotbext.axi import AxiLiteBus, AxiLiteMaster, AxiStreamBus, AxiStreamSink
from frames import BEAT_BYTES, SPOILERS, UDP_PORT, Frame, expected, good_frame, spoiled
from patterns import PATTERNS, TIMEOUT, pattern, start

from openoutcry.gateway_fpga.devices import GoldenDevice
from openoutcry.wire.records import ORDER_DTYPE
from openoutcry.wire.registers import ADDRESS, FRAME_OUTCOMES, FRAME_PORTS

FIRST_SEQ = 1000
LATENCY_CYCLES = 13


class Ports:
    """The packed ports: frames queued for each, and when the first beat of each was offered."""

    def __init__(self, dut):
        self.dut = dut
        self.count = len(dut.s_axis_tvalid)
        self.beats = [[] for _ in range(self.count)]
        self.stamps = [[] for _ in range(self.count)]
        self.idle = [None] * self.count

    def send(self, port, data):
        for at in range(0, len(data), BEAT_BYTES):
            part = data[at : at + BEAT_BYTES]
            self.beats[port].append(
                (int.from_bytes(part, "little"), 2 ** len(part) - 1, at + BEAT_BYTES >= len(data))
            )

    async def drive(self):
        offered, inside = [False] * self.count, [False] * self.count
        now_ns = 5_000
        while True:
            data = keep = last = valid = 0
            self.dut.time_ns.value = now_ns
            for port, beats in enumerate(self.beats):
                held = self.idle[port] is not None and next(self.idle[port])
                offered[port] = bool(beats) and (offered[port] or not held)
                if offered[port]:
                    if not inside[port]:
                        self.stamps[port].append(now_ns)
                        inside[port] = True
                    data |= beats[0][0] << 512 * port
                    keep |= beats[0][1] << 64 * port
                    last |= beats[0][2] << port
                    valid |= 1 << port
            self.dut.s_axis_tdata.value = data
            self.dut.s_axis_tkeep.value = keep
            self.dut.s_axis_tlast.value = last
            self.dut.s_axis_tvalid.value = valid
            await ReadOnly()
            taken = int(self.dut.s_axis_tready.value) & valid
            await RisingEdge(self.dut.clk)
            now_ns += 6
            for port in range(self.count):
                if taken >> port & 1:
                    offered[port] = False
                    inside[port] = not self.beats[port].pop(0)[2]


async def begin(dut):
    dut.s_axis_tvalid.value = 0
    dut.udp_port.value = UDP_PORT
    dut.first_seq.value = FIRST_SEQ
    ports = Ports(dut)
    sink = AxiStreamSink(AxiStreamBus.from_prefix(dut, "m_axis"), dut.clk, dut.rst)
    master = AxiLiteMaster(AxiLiteBus.from_prefix(dut, "s_axil"), dut.clk, dut.rst)
    await start(dut)
    cocotb.start_soon(ports.drive())
    return ports, sink, master


@cocotb.test(**TIMEOUT)
@cocotb.parametrize(idle=["never", "random"], hold=list(PATTERNS))
async def orders_of_all_ports_in_one_sequence(dut, idle, hold):
    """Good and bad frames on every port at once."""
    ports, sink, master = await begin(dut)
    dice = random.Random(f"{idle} {hold}")
    sink.set_pause_generator(pattern(hold, 3))
    sent = []
    for port in range(ports.count):
        ports.idle[port] = pattern(idle, port)
        sent.append([])
        for _ in range(10):
            if dice.random() < 0.7:
                data = good_frame(dice)
            else:
                data = spoiled(dice, dice.choice(list(SPOILERS))).data
            ports.send(port, data)
            sent[-1].append(data)
    total = sum(len(expected(Frame(data, 0))[1]) for frames in sent for data in frames)
    received = [bytes((await sink.recv()).tdata) for _ in range(total)]
    for _ in range(60):
        await RisingEdge(dut.clk)
    assert sink.empty()
    golden = GoldenDevice()
    out = np.frombuffer(b"".join(received), ORDER_DTYPE)
    assert out["seq"].tolist() == list(range(FIRST_SEQ, FIRST_SEQ + total))
    for port, frames in enumerate(sent):
        wanted = [
            order
            for data, stamp in zip(frames, ports.stamps[port], strict=True)
            for order in expected(Frame(data, stamp))[1]
        ]
        orders = np.frombuffer(b"".join(wanted), ORDER_DTYPE).copy()
        golden.validate(orders)
        found = [row for row in out if _is_of(row, orders)]
        assert len(found) == len(orders)
        for got, want in zip(found, orders, strict=True):
            for name in ORDER_DTYPE.names:
                if name != "seq":
                    assert got[name] == want[name], (port, name)
    await _check_frame_counts(master, sent)


async def _check_frame_counts(master, sent):
    """The registers say of each port what became of its frames; of one not there, nothing."""
    counted = []
    for port in range(FRAME_PORTS):
        reasons = [expected(Frame(data, 0))[0] for data in sent[port]] if port < len(sent) else []
        counted += [reasons.count(outcome) for outcome in FRAME_OUTCOMES]
    answer = await master.read(ADDRESS["frame_count"], 4 * len(counted))
    found = np.frombuffer(answer.data, np.uint32).tolist()
    names = [(port, outcome) for port in range(FRAME_PORTS) for outcome in FRAME_OUTCOMES]
    rows = zip(names, found, counted, strict=True)
    assert found == counted, [row for row in rows if row[1] != row[2]]


def _is_of(row, orders):
    """Random order identifiers of 64 bits tell the ports apart."""
    return row["order_id"] in set(orders["order_id"].tolist())


@cocotb.test(**TIMEOUT)
async def latency_from_frame_to_order(dut):
    """Thirteen cycles from the last beat of a frame of one order to its order, at every port."""
    ports, _, _ = await begin(dut)
    dut.m_axis_tready.value = 1
    for port in range(ports.count):
        ports.send(port, good_frame(random.Random(port), 1))
        cycle, last = 0, None
        while True:
            await RisingEdge(dut.clk)
            await ReadOnly()
            cycle += 1
            if int(dut.s_axis_tvalid.value) & int(dut.s_axis_tlast.value):
                last = cycle
            if dut.m_axis_tvalid.value == 1:
                break
            assert cycle < 100
        assert cycle - last == LATENCY_CYCLES
        for _ in range(5):
            await RisingEdge(dut.clk)
