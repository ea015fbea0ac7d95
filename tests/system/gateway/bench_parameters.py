"""cocotb bench of outcry_gateway at the ends of its parameters: run by test_parameters.py."""

import os

import cocotb
import numpy as np
from cocotb.triggers import ClockCycles

from openoutcry.wire import ErrorBit
from openoutcry.wire.registers import ADDRESS, OKAY, SLVERR, WAYS, row_image, slot_of
from tests.support.gateway_fpga.patterns import start
from tests.system.gateway.bench_gateway import OPEN_ROW, PATIENCE, Bench, good_orders, word_of

SLOT_BITS = int(os.environ["SLOT_BITS"])
PARTICIPANTS = 2 ** int(os.environ["PARTICIPANT_BITS"])
COUNTER_MAX = 2 ** int(os.environ["COUNTER_BITS"]) - 1


async def codes(bench, orders):
    bench.send_nowait(orders)
    return (await bench.receive(len(orders)))["error_code"]


@cocotb.test(**PATIENCE)
async def every_way_and_slot_is_found(dut):
    """A symbol in the lowest and the highest slot of each way; it is unknown once it is taken out,
    and the index behind the last is refused."""
    bench = Bench(dut)
    await start(dut)
    await bench.on_rtl(lambda d: (d.arm(True), d.clear() if SLOT_BITS < 9 else None))
    slots = 2**SLOT_BITS
    for way in range(WAYS):
        for wanted in (0, slots - 1):
            names = (f"S{n}".encode() for n in range(20_000))
            symbol = next(s for s in names if slot_of(word_of(s), way, SLOT_BITS) == wanted)
            index = way * slots + wanted
            image = row_image(OPEN_ROW | {"symbol": word_of(symbol)})
            order = good_orders(1, symbol=symbol, price_ticks=8, qty_lots=8)
            for stands, code in ((image, 0), (0, 1 << ErrorBit.SYMBOL)):
                await bench.on_rtl(lambda d, i=index, s=stands: (d._write_shadow(s), d._swap(i)))
                assert (await codes(bench, order)).tolist() == [code]
    for index, answer in ((WAYS * slots - 1, OKAY), (WAYS * slots, SLVERR)):
        done = await bench.master.write(ADDRESS["row_index"], index.to_bytes(4, "little"))
        assert int(done.resp) == answer


@cocotb.test(**PATIENCE)
async def every_participant_has_a_bit_and_a_bucket(dut):
    """The first and the last of them; who is beyond has neither."""
    bench = Bench(dut)
    await start(dut)
    await bench.on_rtl(lambda d: (d.arm(True), d.check_participants(True), d.set_rate(9, 0)))
    who = [0, PARTICIPANTS - 1, PARTICIPANTS]
    inside = np.array([n < PARTICIPANTS for n in who])
    who = [n % 2**16 for n in who]
    if PARTICIPANTS == 2**16:
        inside[2] = True
    orders = good_orders(3, participant=who)
    for on in (True, False):
        for n in {*who}:
            value = (n | on << 31).to_bytes(4, "little")
            done = await bench.master.write(ADDRESS["participant_set"], value)
            assert int(done.resp) == (OKAY if n < PARTICIPANTS else SLVERR)
            await ClockCycles(dut.clk, 8)
        got = await codes(bench, orders)
        refused = got >> ErrorBit.PARTICIPANT & 1
        assert refused.tolist() == [int(not (on and here)) for here in inside]
        over = (got >> ErrorBit.RATE & 1).tolist()
        # The last of 65,536 and the one beyond are the same as the last and the first.
        assert over == [0, 0, 1]


@cocotb.test(**PATIENCE)
async def counters_stop_at_their_top(dut):
    """Three orders of one reason, counted one by one."""
    bench = Bench(dut)
    await start(dut)
    await bench.on_rtl(lambda d: d.arm(True))
    for n in range(1, 4):
        await codes(bench, good_orders(1, symbol=b"NOBODY"))
        await ClockCycles(dut.clk, 3)
        reasons, orders = await bench.on_rtl(lambda d: (d.reasons(), d.orders()))
        assert reasons[ErrorBit.SYMBOL] == min(n, COUNTER_MAX)
        assert orders == n
