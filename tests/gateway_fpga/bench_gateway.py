"""cocotb bench of outcry_gateway: run by test_gateway_rtl.py.

Orders go in and come out over cocotbext-axi's streams, registers over its AXI-Lite master; the
golden model behind the same driver says what each verdict must be.
"""

import os
import random

import cocotb
import numpy as np
import patterns
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
from orders import INSTRUMENTS, SETTINGS, random_orders
from patterns import PATTERNS, pattern, reset, start
from simulated_bus import SimulatedBus, patience

from openoutcry.gateway_fpga import Limits
from openoutcry.gateway_fpga.devices import GoldenDevice
from openoutcry.gateway_fpga.driver import DeviceError, GatewayDriver
from openoutcry.wire import ORDER_DTYPE, ErrorBit
from openoutcry.wire.registers import (
    ADDRESS,
    FRAME_OUTCOMES,
    FRAME_PORTS,
    OKAY,
    REGISTERS,
    ROW_BITS,
    ROW_FIELDS,
    WAYS,
    row_image,
    slot_of,
)

LATENCY_CYCLES = 4
COUNTER_BITS = int(os.environ.get("COUNTER_BITS", "32"))
SLOT_BITS = int(os.environ.get("SLOT_BITS", "9"))


# Who has had a bit or a bucket in any test: block RAM outlives a reset.
TOUCHED = {0, 1, 2, 3, 4, 5, 1_023}


class Bench:
    """The ports of the gateway, and the golden model beside it."""

    def __init__(self, dut):
        self.dut = dut
        dut.frames.value = 0
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


@cocotb.test()
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


@cocotb.test()
async def every_verdict_on_many_orders(dut):
    """Two thousand orders at full rate: every single reason occurs."""
    bench = await loaded(dut)
    got = await bench.judge(random_orders(2_000, 77))
    assert {b for b in ErrorBit if np.any(got["error_code"] >> b & 1)} == set(ErrorBit)


@cocotb.test()
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


@cocotb.test()
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


@cocotb.test()
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
        "max_price_ticks": 10, "min_qty_lots": 50, "price_step_ticks": 1_000, "qty_step_lots": 100,
    }.items():  # fmt: skip
        tight[name] = value
    order = random_orders(1, 1)
    for name, value in {
        "symbol": b"PLAIN", "price_ticks": 1_001, "qty_lots": 7, "kind": 1, "side": 1,
        "order_type": 1, "time_in_force": 1, "participant": 2_000,
    }.items():  # fmt: skip
        order[name] = value
    await bench.step(lambda d: d.check_participants(False))
    await bench.step(lambda d: d.set_rate(0, 0))
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


@cocotb.test()
async def registers_read_back(dut):
    """Every register that can be written holds what was written, and no other changes."""
    bench = Bench(dut)
    await start(dut)
    words = {
        r.offset + 4 * n: r for r in REGISTERS for n in range(r.count) if r.access == "RW"
    }  # fmt: skip
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
            limit = {"control": 1, "row_index": WAYS * slots - 1}.get(register.name, 0xFFFFFFFF)
            written = min(value, limit) if register.name == "row_index" else value
            answer = await bench.master.write(address, written.to_bytes(4, "little"))
            assert int(answer.resp) == OKAY
            expected[address] = written & limit if register.name == "control" else written
        await check()


@cocotb.test()
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
                    lines.append(device.read(address) if what == "read"
                                 else device.write(address, value))  # fmt: skip
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


@cocotb.test()
async def each_bad_access_is_counted(dut):
    """A write and a read of nowhere, a write of part of a word, a read of what is only written."""
    bench = Bench(dut)
    await start(dut)
    for bad, access in enumerate((
        lambda: bench.master.write(0xFFC, bytes(4)),
        lambda: bench.master.read(0xFFC, 4),
        lambda: bench.master.write(ADDRESS["rate_burst_ns"], bytes(2)),
        lambda: bench.master.read(ADDRESS["row_swap"], 4),
    ), start=1):  # fmt: skip
        await access()
        answer = await bench.master.read(ADDRESS["bad_access_count"], 4)
        assert int.from_bytes(answer.data, "little") == bad


@cocotb.test()
@cocotb.parametrize(hold=["never", "random"])
async def counters_count_and_stop_at_the_top(dut, hold):
    """Each reason's counter is the golden model's, and a full one stays full."""
    bench = await loaded(dut)
    bench.sink.set_pause_generator(pattern(hold, 8))
    orders = random_orders(300, 21)
    got = await bench.judge(orders)
    await ClockCycles(dut.clk, 3)
    counts = await bench.on_rtl(lambda d: (d.orders(), d.reasons()))
    top = 2**COUNTER_BITS - 1
    want = {b: min(top, int(np.count_nonzero(got["error_code"] >> b & 1))) for b in ErrorBit}
    assert counts == (300, want)
    if COUNTER_BITS < 8:
        assert max(want.values()) == top


@cocotb.test()
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


@cocotb.test()
async def frame_counts_of_every_port_are_read(dut):
    """Each counter that the ports bring stands at its own word, all of its bits."""
    bench = Bench(dut)
    await start(dut)
    dice = random.Random(1)
    words = FRAME_PORTS * len(FRAME_OUTCOMES)
    for counts in ([0xFFFFFFFF] * words, [dice.getrandbits(32) for _ in range(words)], [0] * words):
        dut.frames.value = sum(count << 32 * n for n, count in enumerate(counts))
        await RisingEdge(dut.clk)
        found = await bench.on_rtl(lambda d: [d.frames(port) for port in range(FRAME_PORTS)])
        assert [value for port in found for value in port.values()] == counts
        assert all(tuple(port) == FRAME_OUTCOMES for port in found)


@cocotb.test()
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

    assert "take its orders" in await bridge(lambda: impatient(bench.bus))()
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


@cocotb.test()
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


@cocotb.test()
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
        driver.check_participants(True)
        for participant in SETTINGS.participants_on:
            driver.set_participant(participant, True)
        driver.set_rate(SETTINGS.rate_interval_ns, SETTINGS.rate_burst_ns)

    await bench.step(again)
    await bench.judge(random_orders(200, 6))


@cocotb.test()
async def rows_of_any_bits_are_read_in_all_ways(dut):
    """Rows full of random bits, and then of the opposite of each, stand in every way in turn;
    orders on and beside each of their numbers get the golden model's verdict."""
    bench = await loaded(dut)
    dice = random.Random(12)
    for way in [0, 1, 2] * 4:
        image = dice.getrandbits(576)
        fives = {name: dice.randint(1, 6) for name in ("price_fives", "qty_fives")}
        for flip in (0, 2**576 - 1):
            row = _fields(image ^ flip)
            row |= {name: 7 - b if flip else b for name, b in fives.items()}
            bits = (image ^ flip) & ~_row_mask() | row_image(row)
            index = way * 2**SLOT_BITS + slot_of(row["symbol"], way, SLOT_BITS)

            def place(driver, bits=bits, index=index):
                driver._write_shadow(bits)
                driver._swap(index)

            def clear(driver, index=index):
                driver._write_shadow(0)
                driver._swap(index)

            await bench.step(place)
            await bench.judge(_around(row, dice))
            await bench.step(clear)
            await bench.judge(_around(row, dice)[:4])


@cocotb.test()
async def the_lowest_bit_at_every_place(dut):
    """Steps of each power of two, and numbers that have one zero less, just as many, and more."""
    bench = await loaded(dut)
    dice = random.Random(5)
    for twos in range(63):
        row = _fields(0) | {
            "symbol": 1 + twos, "max_price_ticks": 2**63 - 1, "max_qty_lots": 2**63 - 1,
            "collar_high": 2**80 - 1, "notional_limit": 2**126 - 1,
            "price_twos": twos, "qty_twos": 62 - twos,
        }  # fmt: skip

        def place(driver, row=row):
            driver._write_shadow(row_image(row))
            driver._swap(slot_of(row["symbol"], 0, SLOT_BITS))

        await bench.step(place)
        orders = random_orders(6, twos)
        orders["kind"] = 1
        orders["symbol"] = row["symbol"].to_bytes(8, "little")
        for name, zeros in (("price_ticks", twos), ("qty_lots", 62 - twos)):
            some = [dice.getrandbits(62) | 1 for _ in orders]
            orders[name] = [
                (odd << max(0, zeros + more)) % 2**63
                for odd, more in zip(some, (-1, -1, 0, 0, 1, 2), strict=True)
            ]
        await bench.judge(orders)


def _fields(image):
    """The fields of a row's image; numbers of 64 bits signed."""
    row = {}
    for field in ROW_FIELDS:
        value = image >> field.low & 2**field.bits - 1
        signed = field.name.endswith(("_ticks", "_lots")) and value >> 63
        row[field.name] = value - 2**64 if signed else value
    return row


def _row_mask():
    return sum(2**field.bits - 1 << field.low for field in ROW_FIELDS)


def _around(row, dice):
    """Orders for the row's symbol with prices and quantities on and beside its numbers."""
    orders = random_orders(24, dice.getrandbits(30))
    near = [row[name] + d for name in ("max_price_ticks",) for d in (-1, 0, 1)]
    near += [row[name] // 10_000 + d for name in ("collar_low", "collar_high") for d in (0, 1)]
    steps = [2 ** row[name] * 5 ** row[name.replace("twos", "fives")] for name in ("price_twos",)]
    near += [step * n for step in steps for n in (1, 3)]
    lots = [row[name] + d for name in ("min_qty_lots", "max_qty_lots") for d in (-1, 0, 1)]
    lots += [2 ** row["qty_twos"] * 5 ** row["qty_fives"] * n for n in (1, 3)]
    orders["symbol"] = row["symbol"].to_bytes(8, "little")
    for name, values in (("price_ticks", near), ("qty_lots", lots)):
        fit = [value for value in values if -(2**63) <= value < 2**63]
        chosen = [dice.choice(fit) for _ in range(12)]
        orders[name][:12] = chosen
    orders["kind"][:18] = 1
    return orders


@cocotb.test()
@cocotb.parametrize(check=[False, True])
async def the_rate_at_the_end_of_time(dut, check):
    """Orders at the last nanoseconds of the 62 bits, with the longest interval and burst: the
    bucket's last bit is set and cleared, and two in a row meet in every rank."""
    bench = await loaded(dut)
    await bench.step(lambda d: d.check_participants(check))
    end_ns = 2**62 - 1
    for interval_ns, burst_ns in ((2**32 - 1, 2**32 - 1), (2**32 - 1, 0), (1, 2**32 - 1)):
        await bench.step(lambda d, i=interval_ns, b=burst_ns: d.set_rate(i, b))
        orders = random_orders(60, interval_ns % 1_000 + burst_ns % 1_000)
        orders["kind"] = 1
        dice = random.Random(interval_ns)
        orders["participant"] = [dice.choice([0, 1, 1, 1, 2]) for _ in orders]
        orders["rx_ts_ns"] = [dice.choice([0, end_ns, end_ns, -1, end_ns - 2**32]) for _ in orders]
        await bench.judge(orders)
        await bench.step(
            lambda d: [d.set_participant(participant, True) for participant in (0, 1, 2)]
        )
        await bench.judge(orders[::-1].copy())


@cocotb.test()
async def rows_that_differ_in_one_field_are_told_apart(dut):
    """Each field of a row alone makes an order pass or fail, walking over its bits, with the row
    in each of the three ways in turn."""
    bench = await loaded(dut)
    order = random_orders(1, 1)
    base = {
        "symbol": int.from_bytes(b"PLAIN\0\0\0", "little"),
        "max_price_ticks": 2**63 - 1, "min_qty_lots": 1, "max_qty_lots": 2**63 - 1,
        "collar_low": 0, "collar_high": 2**80 - 1, "notional_limit": 2**126 - 1,
    }  # fmt: skip
    for name, value in {
        "symbol": b"PLAIN", "kind": 1, "side": 1, "order_type": 1, "time_in_force": 1,
        "participant": 1, "rx_ts_ns": 0,
    }.items():  # fmt: skip
        order[name] = value
    await bench.step(lambda d: d.check_participants(False))
    await bench.step(lambda d: d.set_rate(0, 0))
    await bench.step(lambda d: d.clear())
    places = bench.golden_driver._places(base["symbol"])
    for field in ROW_FIELDS[1:]:
        step = 1 if field.bits < 8 else max(1, field.bits // 9)
        for bit in range(0, field.bits, step):
            row = base | {field.name: 1 << bit}
            if field.name.endswith("_fives"):
                row[field.name] = bit + 1
            if field.name.endswith(("_ticks", "_lots")) and bit == 63:
                row[field.name] = -(2**63)

            places = [*places[1:], places[0]]

            def move(driver, row=row, places=places):
                driver._write_shadow(0)
                driver._swap(places[0])
                driver._write_shadow(row_image(row))
                driver._swap(places[1])

            await bench.step(move)
            probes = np.repeat(order, 8)
            near = max(1, min(2**63 - 2, row[field.name] if field.bits > 8 else 1 << bit))
            if field.name == "collar_low" or field.name == "collar_high":
                near = min(2**63 - 2, (1 << bit) // 10_000 + 1)
            if field.name == "notional_limit":
                probes["price_ticks"] = 1 << bit // 2
                probes["qty_lots"] = (1 << (bit - bit // 2)) + np.array([-1, 0, 1, 2] * 2)
            else:
                probes["price_ticks"] = near + np.array([-1, 0, 1, 0, 0, 0, 5, 25])
                probes["qty_lots"] = near + np.array([0, 0, 0, -1, 0, 1, 5, 25])
            await bench.judge(probes)
