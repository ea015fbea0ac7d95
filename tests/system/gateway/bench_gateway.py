"""cocotb bench of outcry_gateway: run by test_gateway_rtl.py.

Orders go in and come out over cocotbext-axi's streams, registers over its AXI-Lite master; the
golden model behind the same driver says what each verdict must be.
"""

import os
import random

import cocotb
import numpy as np
from cocotb.task import bridge
from cocotb.triggers import ClockCycles, RisingEdge
from cocotbext.axi import (
    AxiLiteBus,
    AxiLiteMaster,
    AxiProt,
    AxiStreamBus,
    AxiStreamFrame,
    AxiStreamSink,
    AxiStreamSource,
)

from openoutcry.gateway_fpga import Limits
from openoutcry.gateway_fpga.devices import GoldenDevice
from openoutcry.gateway_fpga.driver import DeviceError, GatewayDriver
from openoutcry.wire import ORDER_DTYPE, ErrorBit
from openoutcry.wire.registers import (
    ADDRESS,
    FRAME_OUTCOMES,
    FRAME_PORTS,
    LEFT_OUT,
    OKAY,
    REGISTERS,
    ROW_BITS,
    ROW_FIELDS,
    WAYS,
    row_image,
    slot_of,
)
from tests.support.gateway_fpga import patterns
from tests.support.gateway_fpga.orders import INSTRUMENTS, SETTINGS, random_orders
from tests.support.gateway_fpga.patterns import PATTERNS, pattern, reset, start
from tests.support.gateway_fpga.simulated_bus import SimulatedBus, patience

LATENCY_CYCLES = 4
PATIENCE = {"timeout_time": 1, "timeout_unit": "ms"}
"""For every test: a gateway that loses an order, or hangs, has failed."""
COUNTER_BITS = int(os.environ.get("COUNTER_BITS", "32"))
SLOT_BITS = int(os.environ.get("SLOT_BITS", "9"))


# Who has had a bit or a bucket in any test: block RAM outlives a reset.
TOUCHED = {0, 1, 2, 3, 4, 5, 1_023}


class Bench:
    """The ports of the gateway, and the golden model beside it."""

    def __init__(self, dut):
        self.dut = dut
        dut.frames.value = 0
        dut.left_out.value = 0
        self.source = AxiStreamSource(AxiStreamBus.from_prefix(dut, "s_axis"), dut.clk, dut.rst)
        self.sink = AxiStreamSink(AxiStreamBus.from_prefix(dut, "m_axis"), dut.clk, dut.rst)
        self.master = AxiLiteMaster(AxiLiteBus.from_prefix(dut, "s_axil"), dut.clk, dut.rst)
        self.bus = SimulatedBus(self.master)
        self.golden = GoldenDevice(SLOT_BITS)

    async def on_rtl(self, what):
        return await bridge(lambda: what(self._driver()))()

    def _driver(self):
        if not hasattr(self, "_rtl_driver"):
            self._rtl_driver = GatewayDriver(self.bus, clock=patience())
        return self._rtl_driver

    async def load(self, instruments=INSTRUMENTS, settings=SETTINGS):
        def forget(driver):
            """What the tests before have left."""
            if SLOT_BITS < 9:
                driver.clear()
            for participant in sorted(TOUCHED):
                driver.set_participant(participant, False)

        await self.on_rtl(forget)
        await self.on_rtl(lambda driver: driver.load(instruments, settings))
        self.golden_driver = GatewayDriver(self.golden)
        self.golden_driver.load(instruments, settings)

    async def step(self, what):
        """A change of settings on both."""
        await self.on_rtl(what)
        what(self.golden_driver)

    async def only_rows(self):
        """Nobody is refused for who he is or for his rate."""
        await self.step(lambda d: (d.check_participants(False), d.set_rate(0, 0)))

    async def write_row(self, way, row):
        """A row's fields, or all of its bits, into the slot of its symbol."""
        image = row if isinstance(row, int) else row_image(row)
        symbol = fields_of(image)["symbol"]
        await self.write_slot(way * 2**SLOT_BITS + slot_of(symbol, way, SLOT_BITS), image)

    async def write_slot(self, index, image):
        def write(driver):
            driver._write_shadow(image)
            driver._swap(index)

        await self.step(write)

    def send_nowait(self, orders):
        TOUCHED.update(int(who) for who in orders["participant"] if who < 1_024)
        for order in orders:
            self.source.send_nowait(AxiStreamFrame(order.tobytes()))

    async def receive(self, count):
        beats = [bytes((await self.sink.recv()).tdata) for _ in range(count)]
        return np.frombuffer(b"".join(beats), ORDER_DTYPE)

    async def judge(self, orders):
        """The RTL's verdicts, which must be the golden model's, and nothing else be changed."""
        self.send_nowait(orders)
        got = await self.receive(len(orders))
        expected = orders.copy()
        self.golden.validate(expected)
        for n in np.flatnonzero(got["error_code"] != expected["error_code"])[:1]:
            raise AssertionError(f"order {n}: {orders[n]} RTL {got[n]} golden {expected[n]}")
        assert got.tobytes() == expected.tobytes()
        return got


async def loaded(dut, **given):
    bench = Bench(dut)
    await start(dut)
    await bench.load(**given)
    return bench


SIGNED = ("max_price_ticks", "min_qty_lots", "max_qty_lots")
# A row that refuses nothing.
OPEN_ROW = {
    "max_price_ticks": 2**63 - 1,
    "min_qty_lots": 1,
    "max_qty_lots": 2**63 - 1,
    "collar_high": 2**80 - 1,
    "notional_limit": 2**126 - 1,
}


def fields_of(image):
    """The fields of a row's image; numbers of 64 bits signed."""
    row = {}
    for field in ROW_FIELDS:
        value = image >> field.low & 2**field.bits - 1
        negative = field.name in SIGNED and value >> 63
        row[field.name] = value - 2**64 if negative else value
    return row


def good_orders(count, **fields):
    """New limit orders that nothing but their fields' values can refuse."""
    orders = random_orders(count, count)
    good = {"kind": 1, "side": 1, "order_type": 1, "time_in_force": 1, "rx_ts_ns": 0}
    for name, value in (good | fields).items():
        orders[name] = value
    return orders


def word_of(symbol):
    return int.from_bytes(symbol.ljust(8, b"\0"), "little")


@cocotb.test(**PATIENCE)
@cocotb.parametrize(idle=list(PATTERNS), hold=list(PATTERNS))
async def rtl_equals_golden(dut, idle, hold):
    """Bit for bit on boundary-biased random orders, whatever the idling and the back-pressure."""
    bench = await loaded(dut)
    bench.source.set_pause_generator(pattern(idle, 1))
    bench.sink.set_pause_generator(pattern(hold, 2))
    await bench.judge(random_orders(250, hash_of(idle, hold)))
    await ClockCycles(dut.clk, 8)
    assert bench.sink.empty()


def hash_of(*names):
    return sum(ord(letter) * (n + 1) for n, letter in enumerate("".join(names)))


@cocotb.test(**PATIENCE)
async def every_verdict_on_many_orders(dut):
    """Two thousand orders at full rate: every single reason occurs."""
    bench = await loaded(dut)
    got = await bench.judge(random_orders(2_000, 77))
    assert {b for b in ErrorBit if np.any(got["error_code"] >> b & 1)} == set(ErrorBit)


@cocotb.test(**PATIENCE)
async def latency_is_four_cycles_and_never_another(dut):
    """Beat in to beat out with a ready sink: four clock edges, for single beats and for a run."""
    bench = await loaded(dut)
    orders = random_orders(60, 3)
    came, left = [], []
    cycle = 0

    async def watch():
        nonlocal cycle
        while True:
            await RisingEdge(dut.clk)
            if dut.s_axis_tvalid.value == 1 and dut.s_axis_tready.value == 1:
                came.append(cycle)
            if dut.m_axis_tvalid.value == 1 and dut.m_axis_tready.value == 1:
                left.append(cycle)
            cycle += 1

    cocotb.start_soon(watch())
    await bench.judge(orders[:30])
    for order in orders[30:]:
        await bench.judge(order.reshape(1))
    await ClockCycles(dut.clk, 2)
    assert [b - a for a, b in zip(came, left, strict=True)] == [LATENCY_CYCLES] * 60
    assert came[29] - came[0] == 29


@cocotb.test(**PATIENCE)
async def settings_change_between_orders(dut):
    """Halts, limits, participants, rates and symbols come and go; the golden model follows."""
    bench = await loaded(dut)
    orders = random_orders(150, 5)
    await bench.judge(orders)
    for step in (
        lambda d: d.halt(b"PLAIN"),
        lambda d: d.set_limits(b"WIDE", Limits(2**53, 1, 2**60)),
        lambda d: d.set_participant(1, False),
        lambda d: d.set_participant(4, True),
        lambda d: d.check_participants(False),
        lambda d: d.remove_symbol(b"STEPS"),
        lambda d: d.set_rate(5, 2**32 - 1),
        lambda d: d.set_symbol(INSTRUMENTS[1]),
    ):
        await bench.step(step)
        await bench.judge(orders)


@cocotb.test(**PATIENCE)
@cocotb.parametrize(hold=["never", "random", "bursts"])
async def a_row_changes_under_traffic_all_at_once(dut, hold):
    """While orders flow, a row swaps to and fro between two that differ in everything: each order
    has the verdict of one of them, never of a mixture, and once the new one's has been seen the old
    one's does not come back before the next swap."""
    bench = await loaded(dut)
    bench.sink.set_pause_generator(pattern(hold, 4))
    plain = INSTRUMENTS[0].copy()
    tight = plain.copy()
    for name, value in {
        "max_price_ticks": 10,
        "min_qty_lots": 50,
        "price_step_ticks": 1_000,
        "qty_step_lots": 100,
    }.items():
        tight[name] = value
    order = good_orders(1, symbol=b"PLAIN", price_ticks=1_001, qty_lots=7, participant=2_000)
    await bench.only_rows()
    open_row, tight_row = Limits(), Limits(1, 1, 1, True)
    codes = []
    for row, limits in ((plain, open_row), (tight, tight_row)):
        bench.golden_driver.set_symbol(row, limits)
        judged = order.copy()
        bench.golden.validate(judged)
        codes.append(int(judged["error_code"][0]))
    assert codes[0] == 0
    assert codes[1].bit_count() == 7
    await bench.on_rtl(lambda d: d.set_symbol(plain, open_row))
    swaps = 4
    running = True

    async def traffic():
        sent = 0
        while running:
            bench.send_nowait(order)
            sent += 1
            await bench.source.wait()
        return sent

    task = cocotb.start_soon(traffic())

    def swap(driver):
        for n in range(swaps):
            driver.set_symbol(*((tight, tight_row) if n % 2 == 0 else (plain, open_row)))

    await bench.on_rtl(swap)
    running = False
    got = (await bench.receive(await task))["error_code"].tolist()
    changes = [code for n, code in enumerate(got) if n == 0 or got[n - 1] != code]
    assert set(got) == set(codes)
    assert changes == [codes[n % 2] for n in range(swaps + 1)]


@cocotb.test(**PATIENCE)
@cocotb.parametrize(hold=["never", "random"])
async def registers_read_back(dut, hold):
    """Every register that can be written holds what was written, and no other changes, whatever
    the time between two accesses and until an answer is taken."""
    bench = Bench(dut)
    await start(dut)
    write, read = bench.master.write_if, bench.master.read_if
    for n, channel in enumerate(
        (write.aw_channel, write.w_channel, write.b_channel, read.ar_channel, read.r_channel)
    ):
        channel.set_pause_generator(pattern(hold, n))
    words = {r.offset + 4 * n: r for r in REGISTERS for n in range(r.count) if r.access == "RW"}
    expected = dict.fromkeys(words, 0)
    slots = 2**SLOT_BITS

    async def check():
        for address, value in expected.items():
            answer = await bench.master.read(address, 4)
            assert int.from_bytes(answer.data, "little") == value, hex(address)

    dice = random.Random(7)
    some = {address: dice.getrandbits(32) for address in words}
    for flip in (None, 0, 0xFFFFFFFF, None):
        for address, register in words.items():
            value = 0xFFFFFFFF if flip is None else some[address] ^ flip
            limit = {"control": 3, "row_index": WAYS * slots - 1}.get(register.name, 0xFFFFFFFF)
            written = min(value, limit) if register.name == "row_index" else value
            answer = await bench.master.write(address, written.to_bytes(4, "little"))
            assert int(answer.resp) == OKAY
            expected[address] = written & limit if register.name == "control" else written
        await check()
    await reset(dut)
    expected = dict.fromkeys(words, 0)
    await check()


@cocotb.test(**PATIENCE)
async def nothing_is_taken_in_reset(dut):
    """An order, a write and a read that are offered in reset wait for its end."""
    await start(dut)
    offered = ("s_axis_tvalid", "s_axil_awvalid", "s_axil_wvalid", "s_axil_arvalid")
    taken = ("s_axis_tready", "s_axil_awready", "s_axil_wready", "s_axil_arready")
    for name in offered:
        getattr(dut, name).value = 1
    dut.m_axis_tready.value = 1
    dut.rst.value = 1
    await RisingEdge(dut.clk)
    for _ in range(4):
        await RisingEdge(dut.clk)
        assert [name for name in taken if getattr(dut, name).value != 0] == []
    for name in offered:
        getattr(dut, name).value = 0


@cocotb.test(**PATIENCE)
async def every_address_answers_as_the_map_says(dut):
    """Writes and reads of every word up to beyond the map: the golden model's answers and counts,
    no hang; byte strobes and the highest addresses are refused."""
    bench = Bench(dut)
    await start(dut)
    addresses = [*range(0, 0x160, 4), *range(0x1F8, 0x310, 4), 0x800, 0xFFC]

    def accesses(device):
        lines = []
        for address in addresses:
            if address == ADDRESS["bad_access_count"] and COUNTER_BITS < 32:
                continue  # a narrow one is full before
            for what, value in (("write", 0xFFFFFFFF), ("read", 0), ("write", 5), ("read", 0)):
                try:
                    lines.append(
                        device.read(address) if what == "read" else device.write(address, value)
                    )
                except Exception as error:
                    lines.append(str(error))
        return lines

    got = await bridge(lambda: accesses(bench.bus))()
    assert got == accesses(bench.golden)
    before = await bridge(lambda: bench.bus.read(ADDRESS["bad_access_count"]))()
    answer = await bench.master.write(ADDRESS["rate_burst_ns"], b"\1\2")
    assert int(answer.resp) == 2
    for offset in (1, 2, 3):
        await bench.master.write(ADDRESS["rate_burst_ns"] + offset, b"\1", AxiProt(offset * 2 + 1))
        await bench.master.read(ADDRESS["rate_burst_ns"] + offset, 1, AxiProt(offset * 2 + 1))
    after = await bridge(lambda: bench.bus.read(ADDRESS["bad_access_count"]))()
    assert after == min(before + 4, 2**COUNTER_BITS - 1)
    answer = await bench.master.read(ADDRESS["rate_burst_ns"], 4)
    assert answer.data == (5).to_bytes(4, "little")


@cocotb.test(**PATIENCE)
async def each_bad_access_is_counted(dut):
    """A write and a read of nowhere, a write of part of a word, a read of what is only written."""
    bench = Bench(dut)
    await start(dut)
    for bad, access in enumerate(
        (
            lambda: bench.master.write(0xFFC, bytes(4)),
            lambda: bench.master.read(0xFFC, 4),
            lambda: bench.master.write(ADDRESS["rate_burst_ns"], bytes(2)),
            lambda: bench.master.read(ADDRESS["row_swap"], 4),
        ),
        start=1,
    ):
        await access()
        answer = await bench.master.read(ADDRESS["bad_access_count"], 4)
        assert int.from_bytes(answer.data, "little") == bad


@cocotb.test(**PATIENCE)
@cocotb.parametrize(hold=["never", "random"])
async def counters_count_and_stop_at_the_top(dut, hold):
    """Each reason's counter is the golden model's, and a full one stays full."""
    bench = await loaded(dut)
    bench.sink.set_pause_generator(pattern(hold, 8))
    orders = random_orders(300, 21)
    codes = np.zeros(0, np.uint16)
    top = 2**COUNTER_BITS - 1
    for count in [1] * 20 + [40, 240]:
        got = await bench.judge(orders[len(codes) : len(codes) + count])
        codes = np.append(codes, got["error_code"])
        await ClockCycles(dut.clk, 3)
        counts = await bench.on_rtl(lambda d: (d.orders(), d.reasons()))
        want = {b: min(top, int(np.count_nonzero(codes >> b & 1))) for b in ErrorBit}
        assert counts == (len(codes), want)
    if COUNTER_BITS < 8:
        assert max(want.values()) == top


@cocotb.test(**PATIENCE)
async def counters_carry_through_all_their_bits(dut):
    """Each counter is put to 2^n - 1 and counts on, for every n.  Full ones stay full, and the
    orders are counted modulo 2 to the power of 64.  (Not of mutants: in their netlist a register
    is driven bit by bit and cannot be put to a value.)"""
    if patterns.MUTANT is not None:
        return
    bench = await loaded(dut)
    top = 2**COUNTER_BITS - 1
    for bits in range(65):
        full = min(2**bits - 1, top)
        dut.regs.reason_count.value = sum(full << COUNTER_BITS * n for n in range(16))
        dut.regs.bad_count.value = full
        dut.regs.order_count.value = 2**bits - 1
        codes = (await bench.judge(random_orders(6, 100 + bits)))["error_code"]
        refused = cocotb.start_soon(bench.master.write(0xFFC, bytes(4)))
        await bench.master.read(0xFFC, 4)
        await refused
        orders, reasons, bad = await bench.on_rtl(
            lambda d: (d.orders(), d.reasons(), d.bad_accesses())
        )
        assert orders == (2**bits - 1 + len(codes)) % 2**64
        assert bad == min(top, full + 2)
        want = {b: min(top, full + int(np.count_nonzero(codes >> b & 1))) for b in ErrorBit}
        assert reasons == want, bits


@cocotb.test(**PATIENCE)
async def the_upper_half_of_the_order_count_is_of_the_lower_halfs_moment(dut):
    """What is counted and read between the two halves changes nothing of the upper one.  (Not of
    mutants, as above.)"""
    if patterns.MUTANT is not None:
        return
    bench = await loaded(dut)

    async def read(name, word=0):
        answer = await bench.master.read(ADDRESS[name] + 4 * word, 4)
        return int.from_bytes(answer.data, "little")

    dut.regs.order_count.value = 2**32 - 1
    await ClockCycles(dut.clk, 2)
    assert await read("order_count") == 0xFFFFFFFF
    await bench.judge(random_orders(3, 7))
    assert await read("status") == 0
    assert await read("order_count", 1) == 0
    assert (await read("order_count"), await read("order_count", 1)) == (2, 1)


@cocotb.test(**PATIENCE)
async def the_upper_half_of_the_order_count_is_0_after_a_reset(dut):
    """Also to who reads it before any lower half."""
    bench = await loaded(dut)
    answer = await bench.master.read(ADDRESS["order_count"] + 4, 4)
    assert int.from_bytes(answer.data, "little") == 0


@cocotb.test(**PATIENCE)
async def frame_counts_of_every_port_are_read(dut):
    """Each counter that the ports bring stands at its own word, all of its bits."""
    bench = Bench(dut)
    await start(dut)
    dice = random.Random(1)
    words = FRAME_PORTS * len(FRAME_OUTCOMES)
    some = [dice.getrandbits(32) for _ in range(words)]
    for counts in (some, [0xFFFFFFFF ^ count for count in some]):
        dut.frames.value = sum(count << 32 * n for n, count in enumerate(counts))
        await RisingEdge(dut.clk)
        port_counts = await bench.on_rtl(lambda d: [d.frames(port) for port in range(FRAME_PORTS)])
        assert [value for port in port_counts for value in port.values()] == counts
        assert all(tuple(port) == FRAME_OUTCOMES for port in port_counts)


@cocotb.test(**PATIENCE)
async def counts_of_records_left_out_are_read(dut):
    """Each counter that the ports bring stands at its own word, all of its bits."""
    bench = Bench(dut)
    await start(dut)
    dice = random.Random(1)
    some = [dice.getrandbits(32) for _ in range(FRAME_PORTS * len(LEFT_OUT))]
    for counts in (some, [0xFFFFFFFF ^ count for count in some]):
        dut.left_out.value = sum(count << 32 * n for n, count in enumerate(counts))
        await RisingEdge(dut.clk)
        left_out = await bench.on_rtl(lambda d: [d.left_out(port) for port in range(FRAME_PORTS)])
        assert [value for port in left_out for value in port.values()] == counts
        assert all(tuple(port) == LEFT_OUT for port in left_out)


@cocotb.test(**PATIENCE)
@cocotb.parametrize(cycles=[0, 1])
async def a_command_waits_for_a_stalled_sink_and_the_bus_does_not(dut, cycles):
    """With the sink stuck a command stays busy: status says so, another is refused, the driver
    gives up with a clear error; when the sink moves, even or odd cycles later, the command is
    carried out."""
    bench = await loaded(dut)
    bench.sink.pause = True
    orders = random_orders(6, 4)
    bench.send_nowait(orders)
    await ClockCycles(dut.clk, 12)
    ticks = iter(range(10_000))

    def impatient(bus):
        driver = GatewayDriver(bus, clock=lambda: next(ticks) * 0.5)
        try:
            driver.set_participant(5, True)
        except DeviceError as error:
            return str(error)
        return ""

    assert "take orders" in await bridge(lambda: impatient(bench.bus))()
    status = await bench.master.read(ADDRESS["status"], 4)
    assert status.data[0] == 1
    for name in ("row_swap", "participant_set", "row_index", "row_shadow"):
        answer = await bench.master.write(ADDRESS[name], bytes(4))
        assert int(answer.resp) == 2, name
    await ClockCycles(dut.clk, 1 + cycles)
    bench.sink.pause = False
    await bench.receive(6)
    await ClockCycles(dut.clk, 5)
    status = await bench.master.read(ADDRESS["status"], 4)
    assert status.data[0] == 0
    bench.golden_driver.set_participant(5, True)
    await bench.step(lambda d: d.check_participants(True))
    orders = random_orders(40, 5)
    orders["participant"] = 5
    await bench.judge(orders)


@cocotb.test(**PATIENCE)
async def what_was_refused_is_never_written(dut):
    """A write to each word of the shadow row while a command waits: not even after the command."""
    bench = await loaded(dut)
    for address in range(ADDRESS["row_shadow"], ADDRESS["row_shadow"] + ROW_BITS // 8, 4):
        bench.sink.pause = True
        bench.send_nowait(random_orders(5, address))
        await ClockCycles(dut.clk, 10)
        held = (await bench.master.read(address, 4)).data
        answer = await bench.master.write(ADDRESS["participant_set"], bytes(4))
        assert int(answer.resp) == OKAY
        answer = await bench.master.write(address, bytes(255 - byte for byte in held))
        assert int(answer.resp) == 2
        bench.sink.pause = False
        await bench.receive(5)
        await ClockCycles(dut.clk, 5)
        assert (await bench.master.read(address, 4)).data == held


@cocotb.test(**PATIENCE)
async def a_reset_empties_the_pipeline_and_keeps_the_table(dut):
    """Orders on their way are gone, none comes out half; rows and bits are still there."""
    bench = await loaded(dut)
    bench.sink.pause = True
    bench.send_nowait(random_orders(8, 2))
    await ClockCycles(dut.clk, 10)
    assert dut.m_axis_tvalid.value == 1
    bench.source.clear()
    await reset(dut)
    assert dut.m_axis_tvalid.value == 0
    bench.source.clear()
    bench.sink.clear()
    bench.sink.pause = False
    await ClockCycles(dut.clk, 10)
    assert bench.sink.empty()

    def again(driver):
        driver.arm(True)
        driver.check_participants(True)
        for participant in SETTINGS.participants_on:
            driver.set_participant(participant, True)
        driver.set_rate(SETTINGS.rate_interval_ns, SETTINGS.rate_burst_ns)

    await bench.step(again)
    await bench.judge(random_orders(200, 6))
