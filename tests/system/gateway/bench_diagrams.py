"""cocotb bench of the timing diagrams of docs/fpga-ports.md: run by test_diagrams.py."""

import cocotb
import numpy as np
from cocotb.clock import Clock
from cocotb.triggers import ClockCycles, ReadOnly, RisingEdge

from openoutcry.gateway_fpga.agents import PacketSender
from openoutcry.gateway_fpga.tools.diagrams import DIAGRAMS
from openoutcry.wire import ORDER_DTYPE
from openoutcry.wire.registers import ADDRESS

BEAT_BYTES = 64
QUIET = (
    "s_axis_tvalid", "s_axil_awvalid", "s_axil_wvalid", "s_axil_arvalid", "s_axil_awprot",
    "s_axil_arprot", "s_axil_bready", "s_axil_rready", "frames", "left_out",
    "check_local", "local_mac", "local_ip", "local_vlan",
)  # fmt: skip


def orders_of(letters):
    """An order for each letter, told apart by its id."""
    orders = np.zeros(len(letters), ORDER_DTYPE)
    orders["order_id"] = np.arange(1, len(letters) + 1)
    orders["participant"] = 1
    return orders


def values_of(diagram):
    """What a letter of ``s_axis_tdata`` is."""
    letters = sorted({*diagram.driven.get("s_axis_tdata", "")} - {"."})
    if diagram.toplevel == "outcry_gateway":
        beats = [order.tobytes() for order in orders_of(letters)]
    else:
        (frame,) = PacketSender().frames(orders_of("a"))
        beats = [frame[at : at + BEAT_BYTES] for at in range(0, len(frame), BEAT_BYTES)]
    return dict(zip(letters, beats, strict=True))


async def begin(dut):
    for name in QUIET:
        if hasattr(dut, name):
            getattr(dut, name).value = 0
    dut.s_axis_tdata.value = 0
    for name, value in (("udp_port", 9_000), ("first_seq", 1), ("time_ns", 7)):
        if hasattr(dut, name):
            getattr(dut, name).value = value
    dut.s_axil_wstrb.value = 15
    dut.s_axil_awaddr.value, dut.s_axil_wdata.value = ADDRESS["participant_set"], 5
    dut.s_axil_araddr.value = ADDRESS["magic"]
    dut.m_axis_tready.value = 1
    dut.rst.value = 1
    Clock(dut.clk, 4, unit="ns").start()
    await ClockCycles(dut.clk, 3)
    dut.rst.value = 0
    await ClockCycles(dut.clk, 10)


@cocotb.test(timeout_time=20, timeout_unit="us")
@cocotb.parametrize(number=list(range(len(DIAGRAMS))))
async def what_a_diagram_shows_happens(dut, number):
    """Its inputs are driven cycle by cycle, and each of its outputs is what it draws."""
    diagram = DIAGRAMS[number]
    if diagram.toplevel != dut._name:
        return
    await begin(dut)
    values = values_of(diagram)
    for cycle in range(diagram.cycles):
        for name, cycles in diagram.driven.items():
            now = cycles[cycle]
            if now in values:
                beat = values[now]
                dut.s_axis_tdata.value = int.from_bytes(beat, "little")
                if hasattr(dut, "s_axis_tkeep"):
                    dut.s_axis_tkeep.value = 2 ** len(beat) - 1
            elif now != ".":
                getattr(dut, name).value = int(now)
        await ReadOnly()
        for name, cycles in diagram.seen.items():
            now, seen = cycles[cycle], getattr(dut, name).value
            if now in values:
                # The verdict is the module's own.
                order = np.frombuffer(int(seen).to_bytes(BEAT_BYTES, "little"), ORDER_DTYPE)[0]
                wanted = np.frombuffer(values[now], ORDER_DTYPE)[0]
                assert order["order_id"] == wanted["order_id"], (name, cycle)
            elif now != ".":
                assert seen == int(now), (name, cycle, seen)
        await RisingEdge(dut.clk)
