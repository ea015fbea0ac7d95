"""cocotb bench of the board's wrapper: run by test_top.py.

All goes over the two pins of the serial line, bit by bit.
"""

import random
import struct

import cocotb
import numpy as np
from cocotb.clock import Clock
from cocotb.triggers import FallingEdge, Timer

from openoutcry.gateway_fpga.devices import GoldenDevice
from openoutcry.wire.layout_hash import LAYOUT_HASH
from openoutcry.wire.records import ORDER_DTYPE
from openoutcry.wire.registers import ADDRESS, OKAY
from tests.support.gateway_fpga.frames import Frame, expected, good_frame, spoiled

CLOCK_NS = 40
BIT_NS = 1000
END, ESC, ESC_END, ESC_ESC = 0xC0, 0xDB, 0xDC, 0xDD


class Line:
    """The host's end of the serial line: SLIP messages out and in."""

    def __init__(self, dut):
        self.dut = dut
        self.messages = []
        cocotb.start_soon(self._listen())

    async def send(self, message):
        for byte in message:
            escaped = {END: (ESC, ESC_END), ESC: (ESC, ESC_ESC)}.get(byte, (byte,))
            for part in escaped:
                await self._byte(part)
        await self._byte(END)

    async def _byte(self, value):
        for bit in (0, *((value >> n) & 1 for n in range(8)), 1):
            self.dut.ftdi_txd.value = bit
            await Timer(BIT_NS, "ns")

    async def _listen(self):
        message, escaped = bytearray(), False
        while True:
            await FallingEdge(self.dut.ftdi_rxd)
            await Timer(BIT_NS + BIT_NS // 2, "ns")
            byte = 0
            for n in range(8):
                byte |= int(self.dut.ftdi_rxd.value) << n
                await Timer(BIT_NS, "ns")
            assert self.dut.ftdi_rxd.value == 1
            if byte == END:
                self.messages.append(bytes(message))
                message = bytearray()
            elif byte == ESC:
                escaped = True
            else:
                message.append({ESC_END: END, ESC_ESC: ESC}[byte] if escaped else byte)
                escaped = False

    async def answer(self):
        for _ in range(2000):
            if self.messages:
                return self.messages.pop(0)
            await Timer(BIT_NS, "ns")
        raise AssertionError("nothing came back")


async def begin(dut):
    dut.ftdi_txd.value = 1
    dut.btn.value = 0
    cocotb.start_soon(Clock(dut.clk_25mhz, CLOCK_NS, unit="ns").start())
    line = Line(dut)
    dut.btn.value = 1
    await Timer(20 * CLOCK_NS, "ns")
    dut.btn.value = 0
    await Timer(40 * CLOCK_NS, "ns")
    line.messages.clear()
    return line


@cocotb.test(timeout_time=20, timeout_unit="ms")
async def registers_over_the_line(dut):
    """The layout hash is read; an address with nothing behind it is answered as such."""
    line = await begin(dut)
    at = ADDRESS["layout_hash"]
    for offset, value in ((0, LAYOUT_HASH & 0xFFFFFFFF), (4, LAYOUT_HASH >> 32)):
        await line.send(b"R" + struct.pack("<H", at + offset))
        assert await line.answer() == b"A" + bytes([OKAY]) + struct.pack("<I", value)
    await line.send(b"W" + struct.pack("<HI", at, 1))
    assert (await line.answer())[1] != OKAY


@cocotb.test(timeout_time=60, timeout_unit="ms")
async def frames_become_orders(dut):
    """Orders of good frames come back validated and numbered, nothing of a bad one."""
    line = await begin(dut)
    dice = random.Random(1)
    golden = GoldenDevice()
    seq = 1
    for data in (
        good_frame(dice, 1),
        spoiled(dice, "UDP_CHECKSUM").data,
        spoiled(dice, "KIND").data,
        good_frame(dice, 3),
    ):
        await line.send(b"E" + data)
        wanted = np.frombuffer(b"".join(expected(Frame(data, 0))[1]), ORDER_DTYPE).copy()
        golden.validate(wanted)
        for want in wanted:
            message = await line.answer()
            assert message[:1] == b"O"
            (got,) = np.frombuffer(message[1:], ORDER_DTYPE)
            want["seq"], want["rx_ts_ns"] = seq, got["rx_ts_ns"]
            assert got["rx_ts_ns"] > 0
            assert got.tobytes() == want.tobytes()
            seq += 1
    assert not line.messages
    assert int(dut.led.value) & 0x7F == seq - 1
