# SPDX-License-Identifier: Apache-2.0
"""cocotb agents for a bench outside this project: orders, frames, a MAC, registers.

They speak the project's records and its driver, over cocotbext-axi's streams, and know nothing of
any bench.  They need the ``fpga`` extra and run inside a simulator:

    source, sink, bus = OrderSource(dut), VerdictSink(dut), RegisterBus(dut)
    await bus.with_driver(lambda driver: driver.load(instruments, settings))
    await source.send(orders)
    judged = await sink.receive(len(orders))

| level | agent | drives or reads |
|---|---|---|
| records | ``OrderSource``, ``VerdictSink`` | 512-bit streams of ``outcry_gateway`` and tops |
| payloads | ``PacketSender`` | bytes: numbers packets of orders and puts them into frames |
| frames | ``FrameSource`` | the 512-bit streams of ``outcry_top`` and ``outcry_udp_parser`` |
| MAC | ``Clocks``, ``Mac`` | the 64-bit receive sides of ``outcry_card``, each with its clock |
| registers | ``RegisterBus`` | AXI-Lite, with ``GatewayDriver`` in a thread |

``pattern(name, seed)`` gives the iterators of idle and of held cycles.  A module's clock is ``clk``
and its reset ``rst``, high in reset, unless the caller names others.  docs/fpga-ports.md lists the
ports and draws their timing; ``openoutcry.gateway_fpga.tools.simulate`` runs a bench.
"""

from openoutcry.gateway_fpga.agents.frames import FrameSource
from openoutcry.gateway_fpga.agents.mac import Clocks, Mac
from openoutcry.gateway_fpga.agents.orders import OrderSource, VerdictSink
from openoutcry.gateway_fpga.agents.packets import Addresses, PacketSender, ethernet_frame
from openoutcry.gateway_fpga.agents.patterns import PATTERNS, pattern
from openoutcry.gateway_fpga.agents.registers import RegisterBus, ThreadBus, patience

__all__ = [
    "PATTERNS",
    "Addresses",
    "Clocks",
    "FrameSource",
    "Mac",
    "OrderSource",
    "PacketSender",
    "RegisterBus",
    "ThreadBus",
    "VerdictSink",
    "ethernet_frame",
    "patience",
    "pattern",
]
