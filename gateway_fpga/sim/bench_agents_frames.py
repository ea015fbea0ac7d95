# SPDX-License-Identifier: Apache-2.0
"""cocotb bench of outcry_top from Ethernet on that needs nothing but the package's agents.

test_agents.py runs it; a bench outside this project can begin with it.
"""

import random
from typing import Any

import cocotb
import numpy as np
from cocotb.clock import Clock
from cocotb.triggers import ClockCycles

from openoutcry.gateway_fpga.agents import (
    Addresses,
    FrameSource,
    PacketSender,
    RegisterBus,
    VerdictSink,
    pattern,
)
from openoutcry.gateway_fpga.devices import GoldenDevice
from openoutcry.gateway_fpga.driver import GatewayDriver
from openoutcry.wire import ORDER_DTYPE, make_instruments

INSTRUMENTS = make_instruments(["ACME", {"symbol": "STEP", "price_step_ticks": 5}])
SLOT_BITS = 4


def orders_of(dice: random.Random, count: int) -> Any:
    """New limit orders, many of them wrong in something; none that the door leaves out."""
    orders = np.zeros(count, ORDER_DTYPE)
    orders["kind"] = orders["order_type"] = orders["time_in_force"] = 1
    for number, order in enumerate(orders, start=1):
        order["order_id"] = number
        order["symbol"] = dice.choice([b"ACME", b"STEP", b"NOBODY"])
        order["price_ticks"] = dice.choice([1_000, 7, 0, -1])
        order["qty_lots"] = dice.choice([1, 10, 0, -5])
        order["side"] = dice.choice([1, 2, 3])
        order["participant"] = dice.choice([1, 2, 3])
    return orders


@cocotb.test(timeout_time=1, timeout_unit="ms")
@cocotb.parametrize(pauses=["never", "random"], vlan=[None, 7])
async def frames_become_verdicts(dut: Any, pauses: str, vlan: int | None) -> None:
    """A sender's packets, one to 22 orders each, come out in their order, with the frame's time,
    consecutive numbers and the golden model's verdicts.  A frame for another port does not."""
    dice = random.Random(f"{pauses} {vlan}")
    dut.s_axis_tvalid.value, dut.udp_port.value, dut.first_seq.value = 0, 9_000, 1
    dut.check_local.value = dut.local_mac.value = dut.local_ip.value = dut.local_vlan.value = 0
    dut.rst.value = 1
    ports, sink, bus = FrameSource(dut), VerdictSink(dut, hold=pattern(pauses, 2)), RegisterBus(dut)
    ports.idle[0] = pattern(pauses, 1)
    Clock(dut.clk, 4, unit="ns").start()
    await ClockCycles(dut.clk, 3)
    dut.rst.value = 0
    ports.start()
    golden = GoldenDevice(SLOT_BITS)
    await bus.with_driver(lambda driver: driver.load(INSTRUMENTS))
    GatewayDriver(golden).load(INSTRUMENTS)
    orders = orders_of(dice, 50)
    good = PacketSender(sender=3, addresses=Addresses(vlan=vlan))
    other = PacketSender(sender=4, addresses=Addresses(vlan=vlan, destination_port=9_001))
    sent = 0
    for count in (1, 22, 2, 25):
        part = orders[sent : sent + count]
        for frame in good.frames(part):
            ports.send(0, frame)
        ports.send(0, other.frames(part[:1])[0])
        sent += count
    await ports.wait()
    judged = await sink.receive(len(orders))
    await ClockCycles(dut.clk, 40)
    assert sink.empty()
    stamps = [stamp for n, stamp in enumerate(ports.stamps[0]) if n in (0, 2, 4, 6, 7)]
    orders["rx_ts_ns"] = np.repeat(stamps, (1, 22, 2, 22, 3))
    golden.validate(orders)
    orders["seq"] = np.arange(1, len(orders) + 1)
    assert judged.tobytes() == orders.tobytes()
    counts = await bus.with_driver(lambda driver: driver.frames(0))
    assert {name: count for name, count in counts.items() if count} == {"NONE": 5, "PORT": 4}
