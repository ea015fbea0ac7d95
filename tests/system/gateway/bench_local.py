"""cocotb bench of outcry_local: run by test_local.py.

A host's bus before it, the gateway's registers after it: a memory that ``hold`` resets, and that
takes and answers when it likes.
"""

import itertools
import random

import cocotb
from cocotb.triggers import ClockCycles, ReadOnly, RisingEdge
from cocotbext.axi import AxiLiteBus, AxiLiteRam

from openoutcry.gateway_fpga.agents import RegisterBus
from openoutcry.gateway_fpga.local import LOCAL_MAGIC, LOCAL_REGISTERS, OFFSET
from openoutcry.wire.registers import DECERR, OKAY, SLVERR, WINDOW_BYTES
from tests.support.gateway_fpga.patterns import TIMEOUT, pattern, start
from tests.system.gateway.bench_gateway_bus import RawBus

WIDTHS = {
    "first_seq": (32, 32),
    "udp_port": (16,),
    "check_local": (3,),
    "local_mac": (32, 16),
    "local_ip": (32,),
    "local_vlan": (12,),
}
SETTINGS = {
    WINDOW_BYTES + OFFSET[name] + 4 * part: width
    for name, widths in WIDTHS.items()
    for part, width in enumerate(widths)
}
"""Address and bits of each word that can be set."""
CONTROL = WINDOW_BYTES + OFFSET["control"]
STATUS = WINDOW_BYTES + OFFSET["status"]
OUTPUTS = list(WIDTHS)


class Bench:
    """The two buses, each with pauses."""

    def __init__(self, dut, idle="never", hold="never"):
        self.dut, self.bus = dut, RegisterBus(dut)
        self.patterns = idle, hold

    async def start(self):
        """Out of the reset; the memory is there once ``hold`` has a value."""
        await start(self.dut)
        self.ram = AxiLiteRam(
            AxiLiteBus.from_prefix(self.dut, "m_axil"),
            self.dut.clk,
            self.dut.hold,
            size=WINDOW_BYTES,
        )
        host, gateway = self.bus.master, self.ram
        for side in (host, gateway):
            side.write_if.log.setLevel("WARNING")
            side.read_if.log.setLevel("WARNING")
        sources = [
            host.write_if.aw_channel,
            host.write_if.w_channel,
            host.read_if.ar_channel,
            gateway.write_if.b_channel,
            gateway.read_if.r_channel,
        ]
        sinks = [
            host.write_if.b_channel,
            host.read_if.r_channel,
            gateway.write_if.aw_channel,
            gateway.write_if.w_channel,
            gateway.read_if.ar_channel,
        ]
        for name, channels in zip(self.patterns, (sources, sinks), strict=True):
            for seed, channel in enumerate(channels):
                channel.set_pause_generator(pattern(name, seed))
        await ClockCycles(self.dut.clk, 4)

    async def write(self, address, value):
        return int((await self.bus.master.write(address, value.to_bytes(4, "little"))).resp)

    async def read(self, address):
        answer = await self.bus.master.read(address, 4)
        return int(answer.resp), int.from_bytes(answer.data, "little")

    async def run(self, runs):
        assert await self.write(CONTROL, int(runs)) == OKAY
        for _ in range(20):
            if await self.read(STATUS) == (OKAY, int(runs)):
                return
        raise AssertionError("the status never follows")


def outputs(dut):
    return tuple(int(getattr(dut, name).value) for name in OUTPUTS)


async def watch(dut, changes):
    """The settings change only where the gateway is in reset, whatever is done."""
    await RisingEdge(dut.clk)
    await ReadOnly()
    before = outputs(dut)
    while True:
        await RisingEdge(dut.clk)
        await ReadOnly()
        now, held = outputs(dut), int(dut.hold.value) == 1
        if now != before:
            assert held, f"{before} became {now} while the gateway runs"
            changes.append(now)
        before = now


@cocotb.test(**TIMEOUT)
@cocotb.parametrize(idle=["never", "random"], hold=["never", "random"])
async def settings_are_those_of_the_parameters_until_they_are_written(dut, idle, hold):
    """Each bit of each word is written alone and all together while the gateway is held; bits that
    a word does not have, and every write while it runs, are refused and change nothing."""
    bench = Bench(dut, idle, hold)
    await bench.start()
    assert outputs(dut) == (1, 9_000, 7, 0, 0, 0)
    assert await bench.read(WINDOW_BYTES) == (OKAY, LOCAL_MAGIC)
    assert await bench.read(STATUS) == (OKAY, 1)
    for address in SETTINGS:
        _, before = await bench.read(address)
        assert await bench.write(address, before ^ 1) == SLVERR
        assert await bench.read(address) == (OKAY, before)
    await bench.run(False)
    held = {}
    for address, width in SETTINGS.items():
        for bit in range(32):
            fits = bit < width
            assert await bench.write(address, 1 << bit) == (OKAY if fits else SLVERR)
            if fits:
                held[address] = 1 << bit
            assert await bench.read(address) == (OKAY, held[address])
        held[address] = 2**width - 1
        assert await bench.write(address, held[address]) == OKAY
    for address, value in held.items():
        assert await bench.read(address) == (OKAY, value)
    assert outputs(dut) == tuple(2 ** sum(widths) - 1 for widths in WIDTHS.values())
    await bench.run(True)
    assert outputs(dut) == tuple(2 ** sum(widths) - 1 for widths in WIDTHS.values())
    # A reset of the bus brings the parameters again.
    await start(dut)
    assert outputs(dut) == (1, 9_000, 7, 0, 0, 0)


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def every_word_answers_as_the_map_says(dut):
    """Among 1,024 words those of the map exist; what is read-only is not written."""
    bench = Bench(dut)
    await bench.start()
    await bench.run(False)
    there = {
        WINDOW_BYTES + register.offset + 4 * part: register.access
        for register in LOCAL_REGISTERS
        for part in range(register.count)
    }
    for word in range(1_024):
        address = WINDOW_BYTES + 4 * word
        answer, _ = await bench.read(address)
        assert answer == (OKAY if address in there else DECERR)
        wanted = {"RW": OKAY, "RO": SLVERR}.get(there.get(address), DECERR)
        assert await bench.write(address, 0) == wanted


@cocotb.test(**TIMEOUT)
async def only_whole_words_are_written(dut):
    """Each of the fifteen other patterns of strobes is refused and changes nothing; it goes on to
    the gateway as it is."""
    bus, seen = RawBus(dut), []
    dut.m_axil_awready.value = dut.m_axil_wready.value = dut.m_axil_bvalid.value = 1
    dut.m_axil_bresp.value = OKAY
    await start(dut)
    await ClockCycles(dut.clk, 4)

    async def strobes():
        while True:
            await RisingEdge(dut.clk)
            await ReadOnly()
            if int(dut.m_axil_wvalid.value):
                seen.append((int(dut.m_axil_wstrb.value), int(dut.m_axil_wdata.value)))

    watching = cocotb.start_soon(strobes())
    for pattern_of_strobes in range(16):
        assert await bus.write(0x20, pattern_of_strobes, pattern_of_strobes) == OKAY
    watching.cancel()
    assert seen == [(n, n) for n in range(16)]
    assert await bus.write(CONTROL, 0) == OKAY
    await ClockCycles(dut.clk, 4)
    for address in SETTINGS:
        for pattern_of_strobes in range(15):
            assert await bus.write(address, 5, pattern_of_strobes) == SLVERR
    assert outputs(dut) == (1, 9_000, 7, 0, 0, 0)
    assert await bus.write(CONTROL, 1, 7) == SLVERR
    assert await bus.read(STATUS) == (OKAY, 0)


@cocotb.test(timeout_time=2, timeout_unit="ms")
@cocotb.parametrize(idle=["never", "random", "bursts"], hold=["never", "random"])
async def the_gateway_is_reached_while_it_runs_and_never_while_it_is_held(dut, idle, hold):
    """Reads and writes at once, and the gateway stopped and started under them: each access has its
    own answer, those that go on do so whole and once, a refused one does not, settings are steady
    while the gateway runs, and the bus never hangs."""
    bench = Bench(dut, idle, hold)
    await bench.start()
    changes = []
    watching = cocotb.start_soon(watch(dut, changes))
    dice = random.Random(f"{idle} {hold}")
    contents = {}
    answers = {OKAY: 0, SLVERR: 0}

    async def reads():
        for _ in range(150):
            answer, value = await bench.read(4 * (512 + dice.randrange(512)))
            answers[answer] += 1
            assert (answer, value) in ((OKAY, 0xA5A5A5A5), (SLVERR, 0))

    for word in range(512, 1_024):
        bench.ram.write(4 * word, (0xA5A5A5A5).to_bytes(4, "little"))
    reading = cocotb.start_soon(reads())
    for turn in range(40):
        for _ in range(dice.randrange(5)):
            address, value = 4 * dice.randrange(512), dice.getrandbits(32)
            assert await bench.write(address, value) == OKAY
            contents[address] = value
        await bench.run(False)
        address, value = 4 * dice.randrange(512), dice.getrandbits(32)
        assert await bench.write(address, value) == SLVERR
        assert await bench.write(WINDOW_BYTES + OFFSET["local_ip"], turn + 1) == OKAY
        await bench.run(True)
    await reading
    watching.cancel()
    assert [change[OUTPUTS.index("local_ip")] for change in changes] == list(range(1, 41))
    for address, value in contents.items():
        assert int.from_bytes(bench.ram.read(address, 4), "little") == value
    assert answers[OKAY]
    if idle == "never":
        assert answers[SLVERR]


@cocotb.test(**TIMEOUT)
async def an_answer_of_the_gateway_is_the_hosts(dut):
    """Data and each kind of answer come through as they are, address bits 11:0 go as they are."""
    bus = RawBus(dut)
    dut.m_axil_awready.value = dut.m_axil_wready.value = dut.m_axil_arready.value = 1
    dut.m_axil_bvalid.value = dut.m_axil_rvalid.value = 1
    await start(dut)
    await ClockCycles(dut.clk, 4)
    dice = random.Random(5)
    for response, bit in itertools.product((OKAY, SLVERR, DECERR), range(32)):
        value, address = 1 << bit, dice.randrange(WINDOW_BYTES)
        dut.m_axil_bresp.value = dut.m_axil_rresp.value = response
        dut.m_axil_rdata.value = value
        assert await bus.write(address, value) == response
        assert (int(dut.m_axil_awaddr.value), int(dut.m_axil_wdata.value)) == (address, value)
        assert await bus.read(address) == (response, value)
        assert int(dut.m_axil_araddr.value) == address
