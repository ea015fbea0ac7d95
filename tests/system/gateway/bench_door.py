"""cocotb bench of what the parser leaves out of packets: run by test_door.py."""

import json
import os

import cocotb
from cocotb.triggers import ClockCycles

from openoutcry.wire.order_ids import SESSION_ORDER_IDS, VENUE_ORDER_IDS
from openoutcry.wire.records import MAX_PACKET_RECORDS
from tests.support.gateway_fpga.frames import (
    BARRED,
    SPOILERS,
    Frame,
    bar,
    good_frame,
    ordinary_orders,
    packet_of,
    wrap,
)
from tests.support.gateway_fpga.patterns import PATTERNS, TIMEOUT
from tests.system.gateway.bench_udp_parser import COUNTER_WIDTH, Bench

TOP = 2**COUNTER_WIDTH - 1
PATIENCE = {"timeout_time": 2, "timeout_unit": "ms"}


def frame_of(dice, orders, vlan):
    return Frame(wrap(dice, packet_of(dice, orders), vlan), dice.getrandbits(64))


@cocotb.test(**PATIENCE)
@cocotb.parametrize(what=list(BARRED), vlan=[False, True])
async def a_record_is_left_out_at_every_place(dut, what, vlan):
    """Packets of 1, 2 and 22 orders, back to back: the others continue, in order."""
    bench = Bench(dut, seed=f"{what} {vlan}")
    await bench.start()
    for count in (1, 2, MAX_PACKET_RECORDS):
        for place in range(count):
            orders = ordinary_orders(bench.dice, count)
            bar(bench.dice, orders[place], what)
            await bench.send(frame_of(bench.dice, orders, vlan))
    await bench.check()


@cocotb.test(**TIMEOUT)
@cocotb.parametrize(hold=["never", "mostly"])
async def packets_with_nothing_left_leave_nothing(dut, hold):
    """Every record barred, among packets with and without a tag that go on whole."""
    bench = Bench(dut, seed=hold)
    await bench.start(hold=hold)
    for count in (1, 2, 3, MAX_PACKET_RECORDS):
        for vlan in (False, True):
            orders = ordinary_orders(bench.dice, count)
            for order in orders:
                bar(bench.dice, order, bench.dice.choice(BARRED))
            await bench.send(frame_of(bench.dice, orders, vlan))
            await bench.send(bench.good(2, ordinary=True))
    await bench.check()


@cocotb.test(**TIMEOUT)
async def participant_0_is_all_sixteen_bits(dut):
    """Participants of one bit each go on, 0 does not."""
    bench = Bench(dut)
    await bench.start()
    for vlan in (False, True):
        orders = ordinary_orders(bench.dice, 18)
        orders["participant"] = [0, *(1 << bit for bit in range(16)), 0]
        await bench.send(frame_of(bench.dice, orders, vlan))
    await bench.check()


@cocotb.test(**TIMEOUT)
async def the_ends_of_the_reserved_ids(dut):
    """Each end of each owner's range, and ids of one bit, with and without the sign's."""
    bench = Bench(dut)
    await bench.start()
    ends = [0, VENUE_ORDER_IDS, SESSION_ORDER_IDS, 2**63 - 1]
    ids = [end + off for end in ends for off in (-1, 0, 1) if end + off < 2**63]
    ids += [sign + (1 << bit) for sign in (0, -(2**63)) for bit in range(63)]
    for vlan in (False, True):
        for first in range(0, len(ids), MAX_PACKET_RECORDS):
            some = ids[first : first + MAX_PACKET_RECORDS]
            orders = ordinary_orders(bench.dice, len(some))
            orders["order_id"] = some
            await bench.send(frame_of(bench.dice, orders, vlan))
    await bench.check()


@cocotb.test(**TIMEOUT)
@cocotb.parametrize(reason=["KEEP", *SPOILERS])
async def a_refused_frame_leaves_only_its_own_count(dut, reason):
    """Records that would be left out of it are not counted, neither then nor with the next."""
    bench = Bench(dut, seed=reason)
    await bench.start()
    for _ in range(4):
        orders = ordinary_orders(bench.dice, bench.dice.choice([2, 5]))
        for order in orders:
            bar(bench.dice, order, bench.dice.choice(BARRED))
        data = wrap(bench.dice, packet_of(bench.dice, orders), bench.dice.random() < 0.5)
        keep = None
        if reason == "KEEP":
            keep = [1] * len(data)
            keep[bench.dice.randrange(len(data) - 1)] = 0
        else:
            data = SPOILERS[reason](bench.dice, bytearray(data))
        assert await bench.send(Frame(data, 1, keep)) == reason
        assert bench.left_out == dict.fromkeys(bench.left_out, 0)
        await bench.send(bench.good(1, ordinary=True))
    await bench.check()


@cocotb.test(**PATIENCE)
@cocotb.parametrize(idle=list(PATTERNS), hold=["never", "random"])
async def records_left_out_among_good_and_bad_frames(dut, idle, hold):
    """At random, with idle cycles and back-pressure: small counts stop as those of frames do."""
    bench = Bench(dut, seed=f"door {idle} {hold}")
    await bench.start(idle, hold)
    for _ in range(40):
        data = good_frame(bench.dice)
        if bench.dice.random() < 0.2:
            data = data[:-1]
        await bench.send(Frame(data, bench.dice.getrandbits(64)))
    await bench.check()


@cocotb.test(**TIMEOUT)
@cocotb.parametrize(before=[0, 1, 21, 22, 23])
async def a_full_counter_stays_full(dut, before):
    """From so many below its largest value, packets with 1 and with 22 records to leave out."""
    bench = Bench(dut, seed=before)
    await bench.start()
    for number, rule in enumerate(bench.left_out):
        dut.left[number]["value"].value = bench.left_out[rule] = max(0, TOP - before)
    await ClockCycles(dut.clk, 2)
    for count in (1, MAX_PACKET_RECORDS, 1):
        for what in BARRED[:2]:
            orders = ordinary_orders(bench.dice, count)
            for order in orders:
                bar(bench.dice, order, what)
            await bench.send(frame_of(bench.dice, orders, bool(count % 2)))
            await bench.check()


@cocotb.test(**PATIENCE)
async def the_hardware_door_does_as_the_software_door_did(dut):
    """Packets with what the software receiver handed on of them, and the counts that must move,
    from the file ``DOOR_CASES``."""
    path = os.environ.get("DOOR_CASES")
    if path is None:
        return
    bench = Bench(dut)
    await bench.start()
    with open(path) as file:
        cases = json.load(file)
    for case in cases:
        for vlan in (False, True):
            for data in map(bytes.fromhex, case["packets"]):
                await bench.source.send(bench.driven(Frame(wrap(bench.dice, data, vlan), 0)))
            bench.orders += map(bytes.fromhex, case["orders"])
            for name, count in case["counts"].items():
                counts = bench.left_out if name in bench.left_out else bench.counts
                counts[name] += count
            await bench.drain()
    await bench.check()
