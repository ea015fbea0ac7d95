"""cocotb bench of outcry_local_card: run by test_local.py.

All of a card but the vendor's blocks: a MAC that cannot wait, the host's bus, orders out.
"""

import random
from ipaddress import IPv4Address

import cocotb
from cocotb.clock import Clock
from cocotb.task import bridge
from cocotb.triggers import ClockCycles

from openoutcry.gateway_fpga.agents import Clocks, Mac, RegisterBus, ThreadBus, VerdictSink
from openoutcry.gateway_fpga.agents.registers import patience
from openoutcry.gateway_fpga.driver import BusError, GatewayDriver
from openoutcry.gateway_fpga.local import LocalDriver, LocalEnd
from openoutcry.gateway_fpga.settings import Settings
from tests.support.gateway_fpga.frames import UDP_PORT, good_frame
from tests.support.gateway_fpga.orders import INSTRUMENTS
from tests.support.gateway_fpga.orders import SETTINGS as WITH_PEOPLE
from tests.support.gateway_fpga.patterns import reset
from tests.system.gateway.bench_udp_parser import ends_of

CLOCK_PS, RX_PS = 4_000, 6_398
SETTINGS = Settings(limits=WITH_PEOPLE.limits)
CROSS_CYCLES = 250
"""Until a frame has come to its end, on either side."""


class Card:
    """The module between a MAC, a host and a sink of orders."""

    def __init__(self, dut):
        self.dut = dut
        self.mac = Mac(dut, Clocks(dut.rx_clk), 0, RX_PS)
        self.sink, self.bus = VerdictSink(dut), RegisterBus(dut)
        dut.rx_rst.value = 1

    async def start(self):
        Clock(self.dut.clk, CLOCK_PS, unit="ps").start()
        self.mac.start()
        await reset(self.dut, 20)
        self.dut.rx_rst.value = 0
        await ClockCycles(self.dut.clk, CROSS_CYCLES)

    async def with_local(self, what):
        def run():
            return what(LocalDriver(ThreadBus(self.bus), clock=patience()))

        return await bridge(run)()

    async def begin(self, end):
        """Start at an end of the line, with the tables loaded."""
        await self.with_local(lambda local: local.start(end))
        self.bus.forget_driver()
        await self.bus.with_driver(lambda driver: driver.load(INSTRUMENTS, SETTINGS))
        # The queue between the clocks is emptied by the reset.
        await ClockCycles(self.dut.clk, CROSS_CYCLES)

    async def counts_of(self, data):
        """Whether a frame gave orders: their numbers; and what the registers count of it."""
        before = await self.bus.with_driver(lambda driver: driver.frames(0))
        self.mac.send(data)
        await ClockCycles(self.dut.clk, CROSS_CYCLES)
        after = await self.bus.with_driver(lambda driver: driver.frames(0))
        counted = [name for name in after if after[name] != before[name]]
        orders, _ = self.sink.taken()
        return orders["seq"].tolist(), counted


def end_of(data, **changed):
    """The end that a frame goes to."""
    there = ends_of(data)
    mac = f"{there['mac']:012x}"
    given = {
        "udp_port": UDP_PORT,
        "mac": ":".join(mac[at : at + 2] for at in range(0, 12, 2)),
        "address": str(IPv4Address(there["address"])),
        "vlan": there["vlan"],
    }
    return LocalEnd(**(given | changed))


@cocotb.test(timeout_time=2, timeout_unit="ms")
async def the_host_decides_where_the_card_receives_and_how_it_counts(dut):
    """With its parameters alone it takes no frame; started at an end it takes what goes there and
    nothing else, numbers it from the first number given, and again after the next start."""
    card = Card(dut)
    await card.start()
    dice = random.Random(48)
    data = good_frame(dice, 2, True, ordinary=True)
    await card.bus.with_driver(lambda driver: driver.load(INSTRUMENTS, SETTINGS))
    assert await card.counts_of(data) == ([], ["PORT"])
    for first in (1, 2**40 + 7):
        end = end_of(data, first_seq=first)
        await card.begin(end)
        assert await card.with_local(lambda local: local.end()) == end
        assert await card.counts_of(data) == ([first, first + 1], ["NONE"])
        assert await card.counts_of(data) == ([first + 2, first + 3], ["NONE"])
    others = [
        {"udp_port": UDP_PORT ^ 1},
        {"mac": "02:00:00:00:00:01"},
        {"address": "10.0.0.2"},
        {"vlan": (end.vlan or 0) ^ 1},
    ]
    for other in others:
        await card.begin(end_of(data, **other))
        assert await card.counts_of(data) == ([], ["PORT"]), other
        uncompared = dict.fromkeys(other) if "udp_port" not in other else {}
        await card.begin(end_of(data, **uncompared))
        assert await card.counts_of(data) == ([1, 2], ["NONE"]), other


@cocotb.test(timeout_time=2, timeout_unit="ms")
async def a_held_card_answers_takes_nothing_and_forgets(dut):
    """Its gateway's registers answer with an error, frames meanwhile give no order, then and later,
    and after the start the gateway is not armed."""
    card = Card(dut)
    await card.start()
    dice = random.Random(49)
    data = good_frame(dice, 3, ordinary=True)
    await card.begin(end_of(data))
    assert (await card.counts_of(data))[0] == [1, 2, 3]
    await card.with_local(lambda local: local.stop())
    try:
        await card.bus.read(0)
        raise AssertionError("a held gateway answered")
    except BusError:
        pass
    card.mac.send(data)
    await ClockCycles(dut.clk, CROSS_CYCLES)
    assert card.sink.empty()
    await card.with_local(lambda local: local.start(end_of(data, first_seq=4)))
    await ClockCycles(dut.clk, CROSS_CYCLES)
    assert card.sink.empty()
    armed = await bridge(lambda: GatewayDriver(ThreadBus(card.bus), clock=patience()).armed())()
    assert not armed
    card.mac.send(data)
    await ClockCycles(dut.clk, CROSS_CYCLES)
    orders, _ = card.sink.taken()
    assert orders["seq"].tolist() == [4, 5, 6]
    assert orders["error_code"].all(), "an order passed a gateway that is not armed"
