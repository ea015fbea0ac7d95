"""cocotb bench of outcry_gateway's edges in time and in numbers: run by test_gateway_rtl.py.

What bench_gateway.py does with random orders and settings is done here cycle by cycle: when a
setting counts from, a command beside orders in every rank, a reset at every cycle; every number on
and beside the end of its range.
"""

import random

import cocotb
import numpy as np
from cocotb.triggers import ClockCycles, ReadOnly, RisingEdge

from openoutcry.gateway_fpga import Settings
from openoutcry.gateway_fpga.devices import GoldenDevice
from openoutcry.wire import ErrorBit
from openoutcry.wire.registers import (
    ADDRESS,
    CONTROL_ARMED,
    OKAY,
    PARTICIPANT_BITS,
    SLVERR,
    WAYS,
    row_image,
    slot_of,
)
from tests.support.gateway_fpga.orders import INSTRUMENTS
from tests.support.gateway_fpga.patterns import quiet_bus, start
from tests.system.gateway.bench_gateway import (
    COUNTER_BITS,
    OPEN_ROW,
    PATIENCE,
    SLOT_BITS,
    good_orders,
    loaded,
    word_of,
)

CYCLES_TO_REFUSED = 11
"""From a command that the bus has taken to the first order that it refuses, at full rate."""
ROWS = WAYS * 2**SLOT_BITS
BIT = {bit: 1 << bit for bit in ErrorBit}


async def with_plain(dut, settings=None):
    """The gateway with one symbol: most of a bench's time goes into writing rows."""
    return await loaded(dut, instruments=INSTRUMENTS[:1], settings=settings or Settings())


@cocotb.test(**PATIENCE)
async def the_ends_of_every_index(dut):
    """The last row and participant are written, the first beyond and every power of two above are
    refused: ``row_index`` stays, and nobody's bit is set in the place of another."""
    bench = await with_plain(dut, Settings(check_participants=True))
    raw = bench.master

    async def write(name, value):
        answer = await raw.write(ADDRESS[name], value.to_bytes(4, "little"))
        return int(answer.resp)

    async def row_index():
        return int.from_bytes((await raw.read(ADDRESS["row_index"], 4)).data, "little")

    beyond = [ROWS, ROWS + 1, *(1 << n for n in range(32) if 1 << n > ROWS), 0xFFFFFFFF]
    for good in (0, ROWS - 1, 1):
        assert await write("row_index", good) == OKAY
        for wrong in beyond:
            assert await write("row_index", wrong) == SLVERR, wrong
            assert await row_index() == good, wrong
    count = 2**PARTICIPANT_BITS
    beyond = [count, count + 1, *(1 << n for n in range(PARTICIPANT_BITS, 16)), 0xFFFF]
    probes = good_orders(4, participant=[0, 1, count - 1, count])
    for on in (False, True):
        for who in (0, 1, count - 1):
            await bench.step(lambda d, who=who, on=on: d.set_participant(who, on))
        for wrong in beyond:
            assert await write("participant_set", wrong | (not on) << 31) == SLVERR, wrong
        await bench.judge(probes)
    # Between the number and the bit nothing is meant.
    assert await write("participant_set", 0x7FFF0001) == OKAY
    bench.golden_driver.set_participant(1, False)
    await bench.judge(probes)


@cocotb.test(**PATIENCE)
async def row_index_stays_while_a_command_waits(dut):
    """And the row goes where it pointed when the command was given."""
    bench = await with_plain(dut)
    await bench.only_rows()
    symbol = b"STAYS"
    index = slot_of(word_of(symbol), 0, SLOT_BITS)
    other = slot_of(word_of(symbol), 1, SLOT_BITS) + 2**SLOT_BITS
    await bench.write_slot(index, 0)
    await bench.write_slot(other, 0)
    bench.sink.pause = True
    before = good_orders(5, symbol=symbol)
    bench.send_nowait(before)
    await ClockCycles(dut.clk, 10)
    row = OPEN_ROW | {"symbol": word_of(symbol)}

    def swap(driver):
        driver._write_shadow(row_image(row))
        driver._write("row_index", index)
        driver._write("row_swap", 1)

    await bench.on_rtl(swap)
    answer = await bench.master.write(ADDRESS["row_index"], other.to_bytes(4, "little"))
    assert int(answer.resp) == SLVERR
    bench.sink.pause = False
    await bench.receive(5)
    await ClockCycles(dut.clk, 6)
    readback = await bench.master.read(ADDRESS["row_index"], 4)
    assert int.from_bytes(readback.data, "little") == index
    # Where it did not go stands nothing that a second row of the symbol could be mistaken for.
    await bench.on_rtl(lambda d: (d._write_shadow(0), d._swap(index)))
    orders = good_orders(3, symbol=symbol)
    bench.send_nowait(orders)
    codes = (await bench.receive(3))["error_code"]
    assert np.all(codes & BIT[ErrorBit.SYMBOL])


@cocotb.test(**PATIENCE)
async def a_command_refused_while_one_waits_does_nothing(dut):
    """Behind a participant's command that waits for orders in flight, a row swap, another
    participant's command and a shadow word are refused, and nothing of them happens afterwards."""
    bench = await with_plain(dut, Settings(check_participants=True))
    symbol = b"WAITS"
    index = slot_of(word_of(symbol), 0, SLOT_BITS)
    await bench.write_slot(index, 0)

    async def write(name, value, word=0):
        answer = await bench.master.write(ADDRESS[name] + 4 * word, value.to_bytes(4, "little"))
        return int(answer.resp)

    for who in (1, 2):
        await bench.step(lambda d, who=who: d.set_participant(who, True))
    row = OPEN_ROW | {"symbol": word_of(symbol)}
    await bench.on_rtl(lambda d: d._write_shadow(row_image(row)))
    assert await write("row_index", index) == OKAY
    bench.sink.pause = True
    bench.send_nowait(good_orders(5, symbol=symbol, participant=1))
    await ClockCycles(dut.clk, 10)
    assert await write("participant_set", 1) == OKAY
    before = (await bench.master.read(ADDRESS["row_shadow"], 4)).data
    assert await write("row_swap", 1) == SLVERR
    assert await write("participant_set", 2) == SLVERR
    assert await write("row_shadow", 0x5A5A5A5A) == SLVERR
    bench.sink.pause = False
    await bench.receive(5)
    await ClockCycles(dut.clk, 12)
    assert int.from_bytes((await bench.master.read(ADDRESS["status"], 4)).data, "little") == 0
    assert (await bench.master.read(ADDRESS["row_shadow"], 4)).data == before
    bench.send_nowait(good_orders(2, symbol=symbol, participant=[1, 2]))
    codes = (await bench.receive(2))["error_code"]
    assert np.all(codes & BIT[ErrorBit.SYMBOL])
    assert list(codes & BIT[ErrorBit.PARTICIPANT]) == [BIT[ErrorBit.PARTICIPANT], 0]


@cocotb.test(**PATIENCE)
@cocotb.parametrize(
    change=[
        *("check_participants", "uncheck", "arm", "disarm"),
        *("rate_interval_ns", "rate_burst_ns", "rate_off"),
    ]
)
async def a_setting_counts_from_its_very_order_on(dut, change):
    """At full rate, a setting is written in mid-stream.  The order that is taken with the clock
    edge at which the register changes is the first that sees it: it moves into rank 2 with the
    next one.  No order sees it a rank early or late."""
    limits = {"rate_interval_ns": 10, "rate_burst_ns": 2**32 - 1}
    if not change.startswith("rate"):
        limits = {"check_participants": change == "uncheck"}
    elif change == "rate_off":
        limits = {"rate_interval_ns": 1, "rate_burst_ns": 0}
    bench = await with_plain(dut, Settings(**limits))
    if change == "arm":
        await bench.step(lambda d: d.arm(False))
    taken, answered = [], []
    cycle = 0

    async def watch():
        nonlocal cycle
        while True:
            await RisingEdge(dut.clk)
            cycle += 1
            if dut.s_axis_tvalid.value == 1 and dut.s_axis_tready.value == 1:
                taken.append(cycle)
            if dut.s_axil_bvalid.value == 1:
                answered.append(cycle)

    cocotb.start_soon(watch())
    steps = {
        "check_participants": ("control", 3, lambda d: d.check_participants(True)),
        "uncheck": ("control", 2, lambda d: d.check_participants(False)),
        "arm": ("control", 2, lambda d: d.arm(True)),
        "disarm": ("control", 0, lambda d: d.arm(False)),
        "rate_interval_ns": (
            "rate_interval_ns",
            2**32 - 1,
            lambda d: d.set_rate(2**32 - 1, 2**32 - 1),
        ),
        "rate_burst_ns": ("rate_burst_ns", 0, lambda d: d.set_rate(10, 0)),
        "rate_off": ("rate_interval_ns", 0, lambda d: d.set_rate(0, 0)),
    }
    name, value, on_golden = steps[change]
    orders = good_orders(60, symbol=b"PLAIN", participant=5, price_ticks=8, qty_lots=8)
    await bench.step(lambda d: d.set_participant(5, False))
    del answered[:], taken[:]
    bench.send_nowait(orders)
    await ClockCycles(dut.clk, 20)
    await bench.master.write(ADDRESS[name], value.to_bytes(4, "little"))
    got = await bench.receive(len(orders))
    # An answer is seen an edge after the register has changed.
    changed = answered[0] - 1
    first = sum(edge < changed for edge in taken)
    assert 5 < first < 55
    expected = orders.copy()
    bench.golden.validate(expected[:first])
    on_golden(bench.golden_driver)
    bench.golden.validate(expected[first:])
    assert got["error_code"].tolist() == expected["error_code"].tolist()
    assert len(set(expected["error_code"].tolist())) > 1


@cocotb.test(**PATIENCE)
@cocotb.parametrize(count=[1, 2, 5])
async def a_command_beside_orders_in_every_rank(dut, count):
    """A participant's bucket is emptied and a row swapped at each cycle from before a few orders
    are taken until after the last has left.  Each order sees all of it or nothing, and what the
    command does is done."""
    interval, burst = 2**32 - 1, 2**32 - 1
    bench = await with_plain(dut, Settings(rate_interval_ns=interval, rate_burst_ns=burst))
    for offset in range(-6, 8):
        # Participant 2 has used up what he may.
        await bench.step(lambda d: d.set_participant(1, True))
        await bench.step(lambda d: d.set_participant(2, True))
        bucket = good_orders(3, symbol=b"PLAIN", participant=2, price_ticks=8, qty_lots=8)
        got = await bench.judge(bucket)
        assert got["error_code"][2] & BIT[ErrorBit.RATE]
        orders = good_orders(count, symbol=b"PLAIN", participant=1, price_ticks=8, qty_lots=8)
        command = 2 | 1 << 31

        async def send(orders=orders, offset=offset):
            await ClockCycles(dut.clk, max(0, -offset) + 1)
            bench.send_nowait(orders)

        task = cocotb.start_soon(send())
        await ClockCycles(dut.clk, max(0, offset) + 1)
        answer = await bench.master.write(ADDRESS["participant_set"], command.to_bytes(4, "little"))
        assert int(answer.resp) == OKAY
        await task
        await bench.receive(count)
        await ClockCycles(dut.clk, 8)
        judged = orders.copy()
        bench.golden.validate(judged)
        bench.golden_driver.set_participant(2, True)
        got = await bench.judge(bucket)
        assert not got["error_code"][0] & BIT[ErrorBit.RATE], offset


@cocotb.test(**PATIENCE)
@cocotb.parametrize(hold=[False, True])
async def a_command_close_behind_orders_of_the_same_participant(dut, hold):
    """His bucket is filled in each cycle from before his only order is taken until it has left,
    with the sink ready or stuck meanwhile: the order's place is not taken from the bucket that was
    filled behind it, and another's order beside it uses its own."""
    most = 2**32 - 1
    bench = await with_plain(dut, Settings(rate_interval_ns=most, rate_burst_ns=most))
    order = good_orders(2, symbol=b"PLAIN", participant=[1, 2], price_ticks=8, qty_lots=8)
    probe = good_orders(6, symbol=b"PLAIN", price_ticks=8, qty_lots=8)
    probe["participant"] = [1, 1, 1, 2, 2, 2]
    value = (2 | 1 << 31).to_bytes(4, "little")
    taken, began = [], []
    cycle = 0

    async def watch():
        nonlocal cycle
        while True:
            await RisingEdge(dut.clk)
            cycle += 1
            if dut.s_axis_tvalid.value == 1 and dut.s_axis_tready.value == 1:
                taken.append(cycle)
            if dut.s_axil_awvalid.value == 1 and dut.s_axil_awready.value == 1:
                began.append(cycle + 2)

    cocotb.start_soon(watch())
    for count in (1, 2):
        for offset in range(-6, 7):
            await bench.step(lambda d: [d.set_participant(who, True) for who in (1, 2)])
            del taken[:], began[:]
            bench.sink.pause = hold

            async def send(count=count, offset=offset):
                await ClockCycles(dut.clk, max(0, -offset) + 1)
                bench.send_nowait(order[-count:])

            task = cocotb.start_soon(send())
            await ClockCycles(dut.clk, max(0, offset) + 1)
            await bench.master.write(ADDRESS["participant_set"], value)
            await task
            bench.sink.pause = False
            await bench.receive(count)
            await ClockCycles(dut.clk, 8)
            before = sum(edge < began[0] for edge in taken)
            judged = order[-count:].copy()
            bench.golden.validate(judged[:before])
            bench.golden_driver.set_participant(2, True)
            bench.golden.validate(judged[before:])
            await bench.judge(probe)


@cocotb.test(**PATIENCE)
async def a_command_waits_for_an_order_held_in_rank_3(dut):
    """Two orders stand in ranks 4 and 3 before a stuck sink, nobody behind them: the bucket of the
    second is written in each cycle, so another's cannot be emptied before it has moved on."""
    most = 2**32 - 1
    bench = await with_plain(dut, Settings(rate_interval_ns=most, rate_burst_ns=most))
    bucket = good_orders(3, symbol=b"PLAIN", participant=2, price_ticks=8, qty_lots=8)
    await bench.step(lambda d: [d.set_participant(who, True) for who in (1, 2)])
    assert (await bench.judge(bucket))["error_code"][2] & BIT[ErrorBit.RATE]
    bench.sink.pause = True
    orders = good_orders(2, symbol=b"PLAIN", participant=1, price_ticks=8, qty_lots=8)
    bench.send_nowait(orders)
    await ClockCycles(dut.clk, 12)
    value = (2 | 1 << 31).to_bytes(4, "little")
    await bench.master.write(ADDRESS["participant_set"], value)
    await ClockCycles(dut.clk, 4)
    assert (await bench.master.read(ADDRESS["status"], 4)).data[0] == 1
    bench.sink.pause = False
    await bench.receive(2)
    await ClockCycles(dut.clk, 8)
    bench.golden.validate(orders.copy())
    bench.golden_driver.set_participant(2, True)
    assert not (await bench.judge(bucket))["error_code"][0] & BIT[ErrorBit.RATE]


@cocotb.test(**PATIENCE)
async def an_order_is_offered_before_anybody_is_ready(dut):
    """A stuck sink is offered the first order after its four cycles: valid waits for no ready."""
    bench = await with_plain(dut)
    bench.sink.pause = True
    await ClockCycles(dut.clk, 3)
    bench.send_nowait(good_orders(1, symbol=b"PLAIN", price_ticks=8, qty_lots=8))
    await ClockCycles(dut.clk, 8)
    await ReadOnly()
    assert dut.m_axis_tvalid.value == 1
    await RisingEdge(dut.clk)
    bench.sink.pause = False
    await bench.receive(1)


@cocotb.test(**PATIENCE)
async def a_row_does_not_follow_the_shadow(dut):
    """Once swapped in, a row stays as it is whatever is then written to the shadow, and wherever
    row_index then points: every bit of it, in every way."""
    bench = await with_plain(dut)
    await bench.only_rows()
    dice = random.Random(3)
    for way in range(WAYS):
        for _ in range(4):
            price, qty = dice.getrandbits(60) | 1, dice.getrandbits(60) | 1
            symbol = dice.randbytes(8)
            row = {
                "symbol": word_of(symbol),
                "max_price_ticks": price,
                "min_qty_lots": qty,
                "max_qty_lots": qty,
                "collar_low": price * 10_000,
                "collar_high": price * 10_000,
                "notional_limit": price * qty,
            }
            image = row_image(row)
            index = way * 2**SLOT_BITS + slot_of(word_of(symbol), way, SLOT_BITS)
            orders = good_orders(1, symbol=symbol, price_ticks=price, qty_lots=qty)
            await bench.write_slot(index, image)
            assert (await bench.judge(orders))["error_code"][0] == 0
            for shadow in (~image & 2**576 - 1, 0, dice.getrandbits(576)):
                await bench.step(lambda d, shadow=shadow: d._write_shadow(shadow))
                assert (await bench.judge(orders))["error_code"][0] == 0
            # Other rows are written, this one not.
            other = (index + 1) % ROWS
            await bench.step(lambda d, other=other: (d._write_shadow(0), d._swap(other)))
            await bench.judge(orders)
            await bench.write_slot(index, 0)


@cocotb.test(**PATIENCE)
async def a_reset_at_any_cycle_closes_the_gateway(dut):
    """In the middle of a write, of a command and of orders in every rank: afterwards it is not
    armed, nothing comes out, every entry is refused, and a cancel is not; loaded anew it judges as
    the golden model."""
    bench = await with_plain(dut)
    orders = good_orders(6, symbol=b"PLAIN", participant=1, price_ticks=8, qty_lots=8)
    orders["kind"][3:] = 2
    for cycles in range(16):
        bench.send_nowait(orders)
        value = (2 | 1 << 31).to_bytes(4, "little")
        name = ("participant_set", "row_swap", "control", "rate_interval_ns")[cycles % 4]
        task = cocotb.start_soon(bench.master.write(ADDRESS[name], value))
        await ClockCycles(dut.clk, 1 + cycles)
        dut.rst.value = 1
        task.cancel()
        bench.source.clear()
        await ClockCycles(dut.clk, 2)
        dut.rst.value = 0
        bench.source.clear()
        bench.sink.clear()
        await ClockCycles(dut.clk, 8)
        assert bench.sink.empty()
        control = await bench.master.read(ADDRESS["control"], 4)
        assert control.data[0] == 0
        bench.send_nowait(orders)
        codes = (await bench.receive(6))["error_code"]
        assert all(code & BIT[ErrorBit.PARTICIPANT] for code in codes[:3])
        assert not any(code & BIT[ErrorBit.PARTICIPANT] for code in codes[3:])
        # A driver begun anew, which does not know what stands in the table.
        del bench._rtl_driver
        bench.golden = GoldenDevice(SLOT_BITS)
        await bench.load(INSTRUMENTS[:1], Settings())
        await bench.judge(orders)


@cocotb.test(**PATIENCE)
async def only_the_armed_bit_lets_orders_in(dut):
    """Loaded whole, with everybody's bit on, and not armed: entries are refused.  The participants'
    check does not arm, arming does not check."""
    everybody = frozenset({0, 1, 2, 3, 1_023})
    bench = await with_plain(dut, Settings(participants_on=everybody))
    orders = good_orders(12, symbol=b"PLAIN", price_ticks=8, qty_lots=8)
    orders["participant"] = [0, 1, 2, 3, 1_023, 1_024] * 2
    orders["kind"] = [1, 4, 5, 1, 1, 1, 2, 3, 6, 7, 8, 9]
    for armed in (False, True):
        for checked in (False, True):
            await bench.step(lambda d, on=armed: d.arm(on))
            await bench.step(lambda d, on=checked: d.check_participants(on))
            control = await bench.master.read(ADDRESS["control"], 4)
            assert control.data[0] == checked | armed << CONTROL_ARMED
            got = await bench.judge(orders)
            off = (got["error_code"] >> ErrorBit.PARTICIPANT & 1).tolist()
            outside = int(checked or not armed)
            assert off == [int(not armed)] * 5 + [outside] + [0] * 6


@cocotb.test(**PATIENCE)
@cocotb.parametrize(command=["kill", "halt"])
async def a_command_counts_within_its_cycles(dut, command):
    """Orders at full rate, and one write of a participant's bit or of a row's swap: from the cycle
    that takes it off the bus a fixed number passes until the first refused order is out, whenever
    it comes, and no order behind that one passes."""
    bench = await with_plain(dut, Settings(check_participants=True, participants_on=frozenset({5})))
    reason = ErrorBit.PARTICIPANT if command == "kill" else ErrorBit.HALTED
    address, value = ADDRESS["participant_set"], 5
    if command == "halt":
        address, value = ADDRESS["row_swap"], 1
        index, image = bench.golden_driver.place_of(b"PLAIN")
        # The next swap is the halt's.
        await bench.on_rtl(
            lambda d: (d._write_shadow(image | 1 << 575), d._write("row_index", index))
        )
    cycle, written, refused = 0, [], []

    async def watch():
        nonlocal cycle
        while True:
            await RisingEdge(dut.clk)
            if dut.s_axil_awvalid.value == 1 and dut.s_axil_awready.value == 1:
                written.append(cycle)
            if dut.m_axis_tvalid.value == 1 and dut.m_axis_tready.value == 1:
                code = int(dut.m_axis_tdata.value) >> 400 & 0xFFFF
                if code >> reason & 1:
                    refused.append(cycle)
            cycle += 1

    cocotb.start_soon(watch())
    for wait in (12, 15):
        orders = good_orders(48, symbol=b"PLAIN", participant=5, price_ticks=8, qty_lots=8)
        bench.send_nowait(orders)
        await ClockCycles(dut.clk, wait)
        del written[:], refused[:]
        answer = await bench.master.write(address, value.to_bytes(4, "little"))
        assert int(answer.resp) == OKAY
        codes = (await bench.receive(len(orders)))["error_code"]
        first = int(np.argmax(codes != 0))
        assert 5 < first < 40
        assert (codes[:first] == 0).all()
        assert (codes[first:] == BIT[reason]).all()
        assert refused[0] - written[0] == CYCLES_TO_REFUSED
        if command == "kill":
            await bench.on_rtl(lambda d: d.set_participant(5, True))
        else:
            await bench.on_rtl(lambda d: (d._write_shadow(image), d._swap(index)))
            await bench.on_rtl(lambda d: d._write_shadow(image | 1 << 575))


@cocotb.test(**PATIENCE)
async def an_order_offered_through_a_reset_comes_out_once(dut):
    """It stands before the gateway from before the reset until it is taken: once in, once out."""
    dut.frames.value = 0
    dut.left_out.value = 0
    quiet_bus(dut)
    order = good_orders(1, symbol=b"PLAIN")
    dut.s_axis_tdata.value = int.from_bytes(order.tobytes(), "little")
    dut.s_axis_tvalid.value = dut.m_axis_tready.value = 1
    came = left = 0

    async def watch():
        nonlocal came, left
        while True:
            await RisingEdge(dut.clk)
            if dut.rst.value == 1:
                continue
            if dut.s_axis_tvalid.value == 1 and dut.s_axis_tready.value == 1:
                came += 1
                dut.s_axis_tvalid.value = 0
            left += dut.m_axis_tvalid.value == 1

    cocotb.start_soon(watch())
    await start(dut)
    await ClockCycles(dut.clk, 20)
    assert (came, left) == (1, 1)


@cocotb.test(**PATIENCE)
async def a_bucket_is_filled_beside_a_stuck_sink(dut):
    """One order stands in rank 4 before a stuck sink: nobody is on the way to a bucket, so that of
    another is filled at once."""
    most = 2**32 - 1
    bench = await with_plain(dut, Settings(rate_interval_ns=most, rate_burst_ns=most))
    bucket = good_orders(3, symbol=b"PLAIN", participant=2, price_ticks=8, qty_lots=8)
    await bench.step(lambda d: [d.set_participant(who, True) for who in (1, 2)])
    assert (await bench.judge(bucket))["error_code"][2] & BIT[ErrorBit.RATE]
    bench.sink.pause = True
    order = good_orders(1, symbol=b"PLAIN", participant=1, price_ticks=8, qty_lots=8)
    bench.send_nowait(order)
    await ClockCycles(dut.clk, 12)
    await bench.step(lambda d: d.set_participant(2, True))
    bench.sink.pause = False
    await bench.receive(1)
    bench.golden.validate(order.copy())
    assert not (await bench.judge(bucket))["error_code"][0] & BIT[ErrorBit.RATE]


@cocotb.test(**PATIENCE)
async def orders_are_counted_while_the_bus_is_busy(dut):
    """Orders at full rate beside writes and reads of registers, one behind the other: no order and
    no reason of one is missed."""
    bench = await with_plain(dut)
    orders = good_orders(80, symbol=b"PLAIN", price_ticks=8, qty_lots=8)
    orders["price_ticks"][::3], orders["side"][1::3] = -1, 9
    bench.golden.validate(orders.copy())
    bench.send_nowait(orders)
    for _ in range(12):
        await bench.master.write(ADDRESS["rate_burst_ns"], bytes(4))
        await bench.master.read(ADDRESS["bad_access_count"], 4)
    await bench.receive(len(orders))
    await ClockCycles(dut.clk, 4)
    counters = await bench.on_rtl(lambda d: (d.orders(), d.reasons()))
    top = 2**COUNTER_BITS - 1
    reasons = {why: min(n, top) for why, n in bench.golden_driver.reasons().items()}
    assert counters == (bench.golden_driver.orders(), reasons)
    assert counters[0] == len(orders)
