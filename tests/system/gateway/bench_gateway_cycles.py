"""cocotb bench of what outcry_gateway does in one certain cycle: run by test_gateway_rtl.py.

Which cycles a command closes the gateway for, whose bucket an order close behind another's finds,
of which moment a count is, what a reset lets through to the tables.  Cycle ``n`` ends with the
clock's edge ``n``: what is set after edge ``n`` is seen in cycle ``n + 1``.
"""

import cocotb
import numpy as np
from cocotb.triggers import ClockCycles, ReadOnly, RisingEdge

from openoutcry.gateway_fpga import Settings
from openoutcry.wire import ErrorBit
from openoutcry.wire.registers import ADDRESS, OKAY, PARTICIPANT_BITS, REGISTERS
from tests.support.gateway_fpga import patterns
from tests.support.gateway_fpga.orders import INSTRUMENTS
from tests.support.gateway_fpga.patterns import pattern
from tests.system.gateway.bench_gateway import COUNTER_BITS, PATIENCE, good_orders, loaded

FIRST_CLOSED = 2
"""Cycles from the one in which the bus takes a command to the first in which no order is taken."""
RANKS_TO_PASS = 3
"""An order must have left these before a table is written; the table is written a cycle later."""
TO_BUCKET = 3
"""Cycles from the one that takes an order to the one that writes its bucket."""
MOST = 2**32 - 1
READABLE = [
    register.offset + 4 * word
    for register in REGISTERS
    for word in range(register.count)
    if "R" in register.access and (register.name, word) != ("order_count", 0)
]
HALTED = 1 << 575


async def with_plain(dut, settings=None):
    return await loaded(dut, instruments=INSTRUMENTS[:1], settings=settings or Settings())


def plain_orders(count, **fields):
    return good_orders(count, **({"symbol": b"PLAIN", "price_ticks": 8, "qty_lots": 8} | fields))


class Watch:
    """What the ports did in each cycle."""

    def __init__(self, dut):
        self.dut = dut
        self.cycle = 0
        self.taken, self.ready, self.commands = [], {}, []
        cocotb.start_soon(self._run())

    async def _run(self):
        dut = self.dut
        while True:
            await RisingEdge(dut.clk)
            self.cycle += 1
            self.ready[self.cycle] = int(dut.s_axis_tready.value)
            if dut.s_axis_tvalid.value == 1 and dut.s_axis_tready.value == 1:
                self.taken.append(self.cycle)
            if dut.s_axil_awvalid.value == 1 and dut.s_axil_awready.value == 1:
                self.commands.append(self.cycle)


@cocotb.test(**PATIENCE)
@cocotb.parametrize(command=["participant_set", "row_swap"], bus=["quiet", "busy"])
async def no_order_is_taken_beside_a_command(dut, command, bus):
    """From a fixed cycle after the bus has taken it until the table has been written no order is
    taken, and in every other cycle one is: with none to four orders inside, the last of them at
    every distance before the command, and whatever else is read and written meanwhile.  What was
    inside comes out once, and in its order."""
    bench = await with_plain(dut)
    watch = Watch(dut)
    if command == "row_swap":
        index, image = bench.golden_driver.place_of(b"PLAIN")
        await bench.on_rtl(lambda d: (d._write_shadow(image), d._write("row_index", index)))
    value = ((5 | 1 << 31) if command == "participant_set" else 1).to_bytes(4, "little")
    for count in (1, 3, 9):
        for offset in range(7):
            others = await _noise(bench) if bus == "busy" else []
            await _shuts(bench, watch, (ADDRESS[command], value), count, offset)
            for other in others:
                await other


async def _noise(bench):
    """Accesses of other registers that go on beside a command that is given next: status is read
    one time after the other, and one register written after the command."""

    async def read():
        for _ in range(8):
            await bench.master.read(ADDRESS["status"], 4)

    async def write():
        for _ in range(3):
            await bench.master.write(ADDRESS["rate_burst_ns"], bytes(4))

    async def behind_the_command():
        await RisingEdge(bench.dut.clk)
        await write()

    return [cocotb.start_soon(read()), cocotb.start_soon(behind_the_command())]


async def _shuts(bench, watch, command, count, offset):
    """One command, and ``count`` orders from ``offset`` cycles behind its beginning on."""
    dut = bench.dut
    del watch.taken[:], watch.commands[:]
    orders = plain_orders(count, participant=1)
    orders["order_id"] = np.arange(count) + 100 * offset
    task = cocotb.start_soon(bench.master.write(*command))
    if offset:
        await ClockCycles(dut.clk, offset)
    bench.send_nowait(orders)
    first = watch.cycle
    got = await bench.receive(count)
    assert int((await task).resp) == OKAY
    await ClockCycles(dut.clk, 12)
    assert bench.sink.empty()
    assert got["order_id"].tolist() == orders["order_id"].tolist()
    # The first write is the command's.
    began = watch.commands[0]
    closes = began + FIRST_CLOSED
    last = max((cycle for cycle in watch.taken if cycle < closes), default=0)
    opens = max(closes, last + RANKS_TO_PASS + 1) + 2
    shut = [cycle for cycle in range(first + 1, watch.cycle) if not watch.ready[cycle]]
    wanted = [cycle for cycle in range(closes, opens) if cycle > first]
    assert shut == wanted, (offset, shut, wanted, began, watch.taken)
    bench.golden.validate(orders)


@cocotb.test(**PATIENCE)
@cocotb.parametrize(hold=["never", "random"])
async def participants_who_differ_in_one_bit_have_their_own_buckets(dut, hold):
    """An order one to four places behind another's finds its own bucket, not that of a participant
    whose number differs in any one bit; and each is written to its own place."""
    bench = await with_plain(dut, Settings(rate_interval_ns=MOST, rate_burst_ns=MOST))
    bench.sink.set_pause_generator(pattern(hold, 7))
    now = 0
    for bit in range(PARTICIPANT_BITS):
        # Two bits away from both in every case.
        away = (1 << (bit + 1) % PARTICIPANT_BITS) | (1 << (bit + 2) % PARTICIPANT_BITS)
        for distance in range(1, 5):
            now += 2**36
            one = (0x155, 0x2AA)[distance % 2]
            other = one ^ 1 << bit
            between = [one ^ away, other ^ away, one ^ away][: distance - 1]
            people = [one, one, *between, other]
            orders = plain_orders(len(people), participant=people, rx_ts_ns=now)
            await bench.judge(orders)
            await ClockCycles(dut.clk, 6)
            # From the memory: the one has used up its two, the other has one left.
            probe = plain_orders(3, participant=[one, other, other], rx_ts_ns=now)
            got = await bench.judge(probe)
            over = (got["error_code"] >> ErrorBit.RATE & 1).tolist()
            assert over == [1, 0, 1], (bit, distance)


@cocotb.test(**PATIENCE)
async def participants_who_differ_in_one_bit_have_their_own_bits(dut):
    """Switching one on or off leaves every participant whose number differs in one bit as it was,
    and fills one bucket."""
    chosen = Settings(check_participants=True, rate_interval_ns=MOST, rate_burst_ns=0)
    bench = await with_plain(dut, chosen)
    base = 0x0F3
    neighbours = [base ^ 1 << bit for bit in range(PARTICIPANT_BITS)]
    for who in neighbours:
        await bench.step(lambda d, who=who: d.set_participant(who, False))
    # Beyond the last one with a bit, too: each is nobody's, whatever its lower bits are.
    others = [*neighbours, *(base | 1 << bit for bit in range(PARTICIPANT_BITS, 16))]
    probes = plain_orders(len(others) + 1, participant=[base, *others], rx_ts_ns=2**40)
    for on in (True, False):
        await bench.step(lambda d, on=on: d.set_participant(base, on))
        off = (await bench.judge(probes))["error_code"] >> ErrorBit.PARTICIPANT & 1
        assert off.tolist() == [int(not on)] + [1] * len(others)
    for who in neighbours:
        await bench.step(lambda d, who=who: d.set_participant(who, True))
        await bench.judge(probes)


@cocotb.test(**PATIENCE)
async def both_halves_of_a_count_are_of_the_moment_the_lower_was_read(dut):
    """The count of orders carries into its upper half in each cycle around the read of the lower
    one.  Together the halves are what stood there in one cycle, and the upper half stays the same
    however often it is read and whatever is counted meanwhile, until the lower is read again.
    (Not of mutants: a register of their netlist cannot be put to a value.)"""
    if patterns.MUTANT is not None:
        return
    bench = await with_plain(dut)
    seen = []

    async def watch():
        while True:
            await RisingEdge(dut.clk)
            seen.append(int(dut.regs.order_count.value))

    async def read(name, word=0):
        answer = await bench.master.read(ADDRESS[name] + 4 * word, 4)
        return int.from_bytes(answer.data, "little")

    cocotb.start_soon(watch())
    lows = set()
    for lead in range(4, 20):
        # Three upper halves in a row, each other bits than the one before.
        start = (0x5A5A_0000 + lead << 32 | 0xFFFF_FFFF) - 5
        dut.regs.order_count.value = start
        await ClockCycles(dut.clk, 1)
        del seen[:]
        bench.send_nowait(plain_orders(12, participant=1))
        await ClockCycles(dut.clk, lead)
        low = await read("order_count")
        high = await read("order_count", 1)
        lows.add(low)
        assert high << 32 | low in seen, (hex(high), hex(low), lead)
        await bench.receive(12)
        await ClockCycles(dut.clk, 3)
        # Every word that can be read, but the lower half.
        for address in READABLE if lead == 4 else ():
            await bench.master.read(address, 4)
        assert await read("order_count", 1) == high
        assert await read("order_count", 1) == high
        dut.regs.order_count.value = start ^ 0xFFFF_FFFF_0000_0000
        await ClockCycles(dut.clk, 2)
        assert await read("order_count", 1) == high
        assert await read("order_count") == start & 0xFFFF_FFFF
        assert await read("order_count", 1) == start >> 32 ^ 0xFFFF_FFFF
    for bit in range(32, 64):
        dut.regs.order_count.value = 2**bit - 2
        await bench.judge(plain_orders(3, participant=1))
        await ClockCycles(dut.clk, 3)
        halves = [await read("order_count"), await read("order_count", 1)]
        assert halves == [1, 2 ** (bit - 32)], bit
    # One of them was the very cycle of the carry, one the next.
    assert lows >= {0xFFFF_FFFF, 0}


@cocotb.test(**PATIENCE)
async def counts_stop_at_their_largest_value_and_take_two_at_once(dut):
    """A reason's count goes from two below its largest value up to it, and stays; of a refused
    write and a refused read none is missed, however close together they are.  (Not of mutants.)"""
    if patterns.MUTANT is not None:
        return
    bench = await with_plain(dut)
    full = 2**COUNTER_BITS - 1
    refused = plain_orders(1, participant=1, side=9)
    for before, count in ((full - 2, 1), (full - 2, 2), (full - 1, 3), (full, 1)):
        dut.regs.reason_count.value = sum(before << COUNTER_BITS * n for n in range(16))
        await bench.judge(np.repeat(refused, count))
        await ClockCycles(dut.clk, 3)
        reasons = await bench.on_rtl(lambda d: d.reasons())
        wanted = dict.fromkeys(ErrorBit, before) | {ErrorBit.SIDE: min(full, before + count)}
        assert reasons == wanted, (before, count)
    bad = 0
    for offset in range(-4, 5):

        async def later(access, cycles):
            if cycles > 0:
                await ClockCycles(dut.clk, cycles)
            await access

        write = cocotb.start_soon(later(bench.master.write(0xFFC, bytes(4)), offset))
        read = cocotb.start_soon(later(bench.master.read(0xFFC, 4), -offset))
        await write
        await read
        bad += 2
        answer = await bench.master.read(ADDRESS["bad_access_count"], 4)
        assert int.from_bytes(answer.data, "little") == bad, offset


async def reset_in(dut, cycles, length=3):
    """``rst`` is high first in the cycle so many after the last edge.  Nothing that was under way
    before is answered or offered after it."""
    if cycles > 1:
        await ClockCycles(dut.clk, cycles - 1)
    dut.rst.value = 1
    await ClockCycles(dut.clk, length)
    dut.rst.value = 0
    for _ in range(4):
        await ReadOnly()
        for name in ("s_axil_bvalid", "s_axil_rvalid", "m_axis_tvalid"):
            assert getattr(dut, name).value == 0, (name, cycles)
        await RisingEdge(dut.clk)


async def open_again(bench, **settings):
    """Armed, and the tables as the reset has left them."""

    def settle(driver):
        driver.set_rate(settings.get("interval", 0), settings.get("burst", 0))
        driver.check_participants(settings.get("check", False))
        driver.arm(True)

    await bench.on_rtl(settle)


@cocotb.test(**PATIENCE)
@cocotb.parametrize(length=[1, 4])
async def a_reset_keeps_an_order_from_its_bucket(dut, length):
    """A reset from each cycle on after an order was taken: its bucket is written if the reset
    begins after the cycle that writes it, and never in a cycle of the reset."""
    bench = await with_plain(dut, Settings(rate_interval_ns=MOST, rate_burst_ns=MOST))
    now = 0
    for cycles in range(1, 8):
        now += 2**36
        bench.send_nowait(plain_orders(1, participant=9, rx_ts_ns=now))
        await bench.receive(1)
        await ClockCycles(dut.clk, 8)
        # Later than the first: a bucket that begins afresh with it is another, too.
        bench.send_nowait(plain_orders(1, participant=9, rx_ts_ns=now + 5))
        while not (dut.s_axis_tvalid.value == 1 and dut.s_axis_tready.value == 1):
            await RisingEdge(dut.clk)
        # cocotb reads after an edge what was before it: that edge took the order.
        await reset_in(dut, cycles, length)
        bench.source.clear()
        bench.sink.clear()
        await open_again(bench, interval=MOST, burst=MOST)
        bench.send_nowait(plain_orders(2, participant=9, rx_ts_ns=now))
        codes = (await bench.receive(2))["error_code"] >> ErrorBit.RATE & 1
        written = cycles > TO_BUCKET
        assert codes.tolist() == [int(written), 1], cycles


@cocotb.test(**PATIENCE)
@cocotb.parametrize(command=["participant_set", "row_swap"], length=[1, 4])
async def a_reset_keeps_a_command_from_its_table(dut, command, length):
    """A reset from each cycle on after the bus has taken a command: it is carried out if the reset
    begins after the cycle that writes the table, and never in a cycle of the reset."""
    bench = await with_plain(dut, Settings(check_participants=True))
    index, image = bench.golden_driver.place_of(b"PLAIN")
    order = plain_orders(1, participant=3)
    for cycles in range(1, 8):
        await open_again(bench, check=True)
        await bench.on_rtl(lambda d: d.set_participant(3, command == "row_swap"))
        await bench.on_rtl(lambda d: (d._write_shadow(image), d._swap(index)))
        await bench.on_rtl(lambda d: d._write_shadow(image | HALTED))
        value = ((3 | 1 << 31) if command == "participant_set" else 1).to_bytes(4, "little")
        task = cocotb.start_soon(bench.master.write(ADDRESS[command], value))
        # A read is under way, too, two cycles behind.
        await ClockCycles(dut.clk, 1)
        read = cocotb.start_soon(bench.master.read(ADDRESS["status"], 4))
        while not (dut.s_axil_awvalid.value == 1 and dut.s_axil_awready.value == 1):
            await RisingEdge(dut.clk)
        await reset_in(dut, cycles, length)
        task.cancel()
        read.cancel()
        await open_again(bench, check=True)
        bench.send_nowait(order)
        (code,) = (await bench.receive(1))["error_code"].tolist()
        done = cycles > FIRST_CLOSED + 1
        reason = ErrorBit.HALTED if command == "row_swap" else ErrorBit.PARTICIPANT
        assert code >> reason & 1 == int(done == (command == "row_swap")), cycles
