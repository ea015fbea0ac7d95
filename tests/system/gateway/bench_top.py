"""cocotb bench of outcry_top: run by test_top.py.

Frames go in at every port at once; what comes out must be the orders of the good ones, each port's
in their order, numbered without a hole, with the golden model's verdict.
"""

import random
from dataclasses import replace

import cocotb
import numpy as np
from cocotb.task import bridge
from cocotb.triggers import ReadOnly, RisingEdge
from cocotbext.axi import (
    AxiLiteBus,
    AxiLiteMaster,
    AxiProt,
    AxiStreamBus,
    AxiStreamSink,
)

from openoutcry.gateway_fpga.agents import FrameSource
from openoutcry.gateway_fpga.devices import GoldenDevice
from openoutcry.gateway_fpga.driver import GatewayDriver
from openoutcry.wire import ErrorBit
from openoutcry.wire.enums import CommandKind
from openoutcry.wire.records import MAX_PACKET_RECORDS, ORDER_DTYPE
from openoutcry.wire.registers import (
    ADDRESS,
    DECERR,
    FRAME_OUTCOMES,
    FRAME_PORTS,
    LEFT_OUT,
    OKAY,
    PARSER_OUTCOMES,
    REGISTERS,
    SLVERR,
)
from tests.support.gateway_fpga.frames import (
    SPOILERS,
    UDP_PORT,
    Frame,
    bar,
    expected,
    good_frame,
    judged,
    ordinary_orders,
    packet,
    packet_of,
    spoiled,
    wrap,
)
from tests.support.gateway_fpga.orders import INSTRUMENTS, SETTINGS
from tests.support.gateway_fpga.orders import random_orders as boundary_orders
from tests.support.gateway_fpga.patterns import (
    PATTERNS,
    TIMEOUT,
    local_end,
    pattern,
    reset,
    start,
)
from tests.support.gateway_fpga.simulated_bus import SimulatedBus, patience

FIRST_SEQ = 1000
LATENCY_CYCLES = 13
TIME_STEP_NS = 0x5BD1_E995_9ABC_DEF1
"""What the clock moves on in a cycle: so much that all 64 bits of the time are seen both ways."""
PARTICIPANTS = 16
SLOT_BITS = 4
COUNTER_BITS = 32


async def begin(dut, first_seq=FIRST_SEQ, udp_port=UDP_PORT):
    dut.s_axis_tvalid.value = 0
    dut.udp_port.value = udp_port
    local_end(dut)
    dut.first_seq.value = first_seq
    ports = FrameSource(dut, step_ns=TIME_STEP_NS)
    sink = AxiStreamSink(AxiStreamBus.from_prefix(dut, "m_axis"), dut.clk, dut.rst)
    master = AxiLiteMaster(AxiLiteBus.from_prefix(dut, "s_axil"), dut.clk, dut.rst)
    await start(dut)
    ports.start()
    return ports, sink, master


@cocotb.test(**TIMEOUT)
@cocotb.parametrize(idle=["never", "random"], hold=list(PATTERNS))
async def orders_of_all_ports_in_one_sequence(dut, idle, hold):
    """Good and bad frames on every port at once."""
    ports, sink, master = await begin(dut)
    dice = random.Random(f"{idle} {hold}")
    sink.set_pause_generator(pattern(hold, 3))
    sent = []
    for port in range(ports.count):
        ports.idle[port] = pattern(idle, port)
        sent.append([])
        for _ in range(10):
            if dice.random() < 0.7:
                data = good_frame(dice)
            else:
                data = spoiled(dice, dice.choice(list(SPOILERS))).data
            ports.send(port, data)
            sent[-1].append(data)
    await _check_orders(dut, ports, sink, sent)
    await _check_frame_counts(master, sent)


async def _check_orders(dut, ports, sink, sent):
    """Out come the orders of the good frames and nothing else, with the golden model's verdicts."""
    total = sum(len(expected(Frame(data, 0))[1]) for frames in sent for data in frames)
    beats = [await sink.recv() for _ in range(total)]
    received = [bytes(beat.tdata) for beat in beats]
    came_by = np.array([beat.tuser for beat in beats])
    for _ in range(60):
        await RisingEdge(dut.clk)
    assert sink.empty()
    golden = GoldenDevice()
    out = np.frombuffer(b"".join(received), ORDER_DTYPE)
    assert out["seq"].tolist() == list(range(FIRST_SEQ, FIRST_SEQ + total))
    for port, frames in enumerate(sent):
        wanted = [
            order
            for data, stamp in zip(frames, ports.stamps[port], strict=True)
            for order in expected(Frame(data, stamp))[1]
        ]
        orders = np.frombuffer(b"".join(wanted), ORDER_DTYPE).copy()
        golden.validate(orders)
        own = np.array([_is_of(row, orders) for row in out], bool)
        assert (came_by[own] == 1 << port).all()
        port_orders = out[own]
        assert len(port_orders) == len(orders)
        for got, want in zip(port_orders, orders, strict=True):
            for name in ORDER_DTYPE.names:
                if name != "seq":
                    assert got[name] == want[name], (port, name)


async def _check_frame_counts(master, sent):
    """The registers say of each port what became of its frames, and how many records were left out
    of those taken; of a port not there, nothing."""
    counted = []
    for port in range(FRAME_PORTS):
        reasons = [expected(Frame(data, 0))[0] for data in sent[port]] if port < len(sent) else []
        counted += [reasons.count(outcome) for outcome in FRAME_OUTCOMES]
    answer = await master.read(ADDRESS["frame_count"], 4 * len(counted))
    frame_counts = np.frombuffer(answer.data, np.uint32).tolist()
    names = [(port, outcome) for port in range(FRAME_PORTS) for outcome in FRAME_OUTCOMES]
    rows = zip(names, frame_counts, counted, strict=True)
    assert frame_counts == counted, [row for row in rows if row[1] != row[2]]
    left_out = [
        sum(judged(Frame(data, 0)).left_out[rule] for data in (sent[port : port + 1] or [[]])[0])
        for port in range(FRAME_PORTS)
        for rule in LEFT_OUT
    ]
    answer = await master.read(ADDRESS["left_out_count"], 4 * len(left_out))
    assert np.frombuffer(answer.data, np.uint32).tolist() == left_out


@cocotb.test(**TIMEOUT)
@cocotb.parametrize(beats=[1, 2, 3, 6, 9, 12, 20, 30])
async def a_reset_in_mid_frame(dut, beats):
    """Frames on their way in all stages are gone, none of their orders comes out; the next ones are
    taken and numbered from the first number, and counters begin anew."""
    ports, sink, master = await begin(dut)
    dice = random.Random(beats)
    sink.pause = beats > 12
    for port in range(ports.count):
        for _ in range(3):
            ports.send(port, good_frame(dice, 9))
    for _ in range(beats):
        await RisingEdge(dut.clk)
    dut.rst.value = 1
    ports.clear()
    for _ in range(2):
        await RisingEdge(dut.clk)
    sink.pause = False
    await reset(dut)
    sink.clear()
    ports.clear()
    sent = [[good_frame(dice, 2), spoiled(dice, "SIZE").data] for _ in range(ports.count)]
    for port, frames in enumerate(sent):
        for data in frames:
            ports.send(port, data)
    await _check_orders(dut, ports, sink, sent)
    await _check_frame_counts(master, sent)


def _is_of(row, orders):
    """Random prices of 64 bits tell the ports apart."""
    return row["price_ticks"] in set(orders["price_ticks"].tolist())


@cocotb.test(**TIMEOUT)
async def latency_from_frame_to_order(dut):
    """Thirteen cycles from the last beat of a frame of one order to its order, at every port."""
    ports, _, _ = await begin(dut)
    dut.m_axis_tready.value = 1
    for port in range(ports.count):
        ports.send(port, good_frame(random.Random(port), 1, ordinary=True))
        cycle, last = 0, None
        while True:
            await RisingEdge(dut.clk)
            await ReadOnly()
            cycle += 1
            if int(dut.s_axis_tvalid.value) & int(dut.s_axis_tlast.value):
                last = cycle
            if dut.m_axis_tvalid.value == 1:
                break
            assert cycle < 100
        assert cycle - last == LATENCY_CYCLES
        for _ in range(5):
            await RisingEdge(dut.clk)


@cocotb.test(**TIMEOUT)
@cocotb.parametrize(
    (
        ("first_seq", "udp_port"),
        [
            (0x5555_5555_5555_5555, 0x5555),
            (0xAAAA_AAAA_AAAA_AAAA, 0xAAAA),
            (2**64 - 1, 0xFFFF),
            (0, 0),
        ],
    )
)
async def any_first_number_and_any_port(dut, first_seq, udp_port):
    """Every bit of both; the sequence is counted modulo 2 to the power of 64."""
    ports, sink, _ = await begin(dut, first_seq, udp_port)
    dice = random.Random(first_seq)
    for port in range(ports.count):
        data = packet(dice, 2, ordinary=True)
        ports.send(port, wrap(dice, data, False, dport=udp_port))
        ports.send(port, wrap(dice, packet(dice, 1), False, dport=udp_port ^ 0x0100))
    received = [bytes((await sink.recv()).tdata) for _ in range(2 * ports.count)]
    at = ORDER_DTYPE.fields["seq"][1]
    assert [int.from_bytes(order[at : at + 8], "little") for order in received] == [
        (first_seq + n) % 2**64 for n in range(2 * ports.count)
    ]
    for _ in range(60):
        await RisingEdge(dut.clk)
    assert sink.empty()


@cocotb.test(**TIMEOUT)
async def registers_through_the_whole_chain(dut):
    """What can be written reads back, all bits; what cannot gets an error, and is counted."""
    _, _, master = await begin(dut)
    words = [r.offset + 4 * n for r in REGISTERS for n in range(r.count) if r.name == "row_shadow"]
    words += [ADDRESS["rate_interval_ns"], ADDRESS["rate_burst_ns"]]
    for value in (0xFFFF_FFFF, 0x5555_5555, 0xAAAA_AAAA, 0):
        for word in words:
            answer = await master.write(word, value.to_bytes(4, "little"), AxiProt(value & 7))
            assert int(answer.resp) == OKAY
        for word in words:
            answer = await master.read(word, 4, AxiProt(value & 7))
            assert int.from_bytes(answer.data, "little") == value
    before = await _word(master, ADDRESS["bad_access_count"])
    refused = {
        0xFFC: (DECERR, DECERR),
        0x800: (DECERR, DECERR),
        0x400: (DECERR, DECERR),
        ADDRESS["magic"]: (SLVERR, OKAY),
        ADDRESS["row_index"] + 2: (SLVERR, OKAY),
        ADDRESS["row_index"] + 1: (SLVERR, OKAY),
    }
    for address, (written, read) in refused.items():
        answer = await master.write(address, b"\1")
        assert int(answer.resp) == written, hex(address)
        answer = await master.read(address, 1)
        assert int(answer.resp) == read, hex(address)
    bad = await _word(master, ADDRESS["bad_access_count"])
    assert bad - before == sum(
        (written != OKAY) + (read != OKAY) for written, read in refused.values()
    )


async def _word(master, address):
    answer = await master.read(address, 4)
    assert int(answer.resp) == OKAY
    return int.from_bytes(answer.data, "little")


@cocotb.test(timeout_time=2, timeout_unit="ms")
async def every_participant_is_switched_off_and_on(dut):
    """With the check on, exactly those whose bit is off are told so; beyond the last, everybody."""
    ports, sink, master = await begin(dut)
    bus = SimulatedBus(master)
    dice = random.Random(2)
    # But participant 0, whose orders no frame can bring.
    everybody = range(1, PARTICIPANTS + 2)
    for on in (set(range(PARTICIPANTS)), {1, 2, 5, 15}, set(range(0, PARTICIPANTS, 2)), set()):

        def switch(on=on):
            bus.write(ADDRESS["control"], 3)
            for participant in range(PARTICIPANTS):
                bus.write(ADDRESS["participant_set"], participant | (participant in on) << 31)

        await bridge(switch)()
        orders = ordinary_orders(dice, len(everybody))
        orders["kind"] = CommandKind.NEW
        orders["participant"] = everybody
        ports.send(0, wrap(dice, packet_of(dice, orders), True))
        beats = [bytes((await sink.recv()).tdata) for _ in everybody]
        codes = np.frombuffer(b"".join(beats), ORDER_DTYPE)["error_code"]
        off = {
            who
            for who, code in zip(everybody, codes, strict=True)
            if code >> ErrorBit.PARTICIPANT & 1
        }
        assert off == set(everybody) - on


@cocotb.test(timeout_time=4, timeout_unit="ms")
async def every_reason_through_the_whole_chain(dut):
    """Boundary-biased orders in frames, with symbols, limits, rate and participants set: all
    sixteen bits of the verdict come out as the golden model says."""
    ports, sink, master = await begin(dut)
    bus, golden = SimulatedBus(master), GoldenDevice(SLOT_BITS)
    settings = replace(SETTINGS, participants_on=frozenset({0, 1, 2, 3}))
    await bridge(lambda: GatewayDriver(bus, clock=patience()).load(INSTRUMENTS, settings))()
    GatewayDriver(golden).load(INSTRUMENTS, settings)
    orders = boundary_orders(40 * MAX_PACKET_RECORDS, 77, settings)
    orders["participant"][orders["participant"] >= PARTICIPANTS] = 2_000
    dice = random.Random(77)
    sent = []
    for first in range(0, len(orders), MAX_PACKET_RECORDS):
        some = orders[first : first + MAX_PACKET_RECORDS]
        sent.append(wrap(dice, packet_of(dice, some), False))
        ports.send(0, sent[-1])
    kept = sum(len(judged(Frame(data, 0)).orders) for data in sent)
    assert len(orders) // 2 < kept < len(orders)
    received = [bytes((await sink.recv()).tdata) for _ in range(kept)]
    got = np.frombuffer(b"".join(received), ORDER_DTYPE)
    orders = np.concatenate(
        [
            judged(Frame(data, stamp)).orders
            for data, stamp in zip(sent, ports.stamps[0], strict=True)
        ]
    )
    orders["seq"] = FIRST_SEQ + np.arange(len(orders))
    golden.validate(orders)
    assert got.tobytes() == orders.tobytes()
    assert {b for b in ErrorBit if np.any(got["error_code"] >> b & 1)} == set(ErrorBit)


@cocotb.test(timeout_time=4, timeout_unit="ms")
async def frame_counters_carry_through_all_their_bits(dut):
    """Each counter is put to 2^n - 1 and counts a frame more, for every n; a full one stays full.
    All ports, every outcome; the registers say the same."""
    ports, sink, master = await begin(dut)
    dice = random.Random(4)
    top = 2**COUNTER_BITS - 1
    for bits in range(COUNTER_BITS + 1):
        port, outcome = bits % ports.count, bits % len(PARSER_OUTCOMES)
        counts = [2**bits - 1] * len(PARSER_OUTCOMES)
        for number, count in enumerate(counts):
            dut.core.g_port[port].parser.count[number]["value"].value = count
        name = PARSER_OUTCOMES[outcome]
        if name in ("NONE", "KEEP"):
            data = good_frame(dice, 1, ordinary=True)
        else:
            data = spoiled(dice, name).data
            assert expected(Frame(data, 0))[0] == name
        ports.send(port, data, hole=2 if name == "KEEP" else 0)
        for _ in range(60):
            await RisingEdge(dut.clk)
        counts[outcome] = min(top, counts[outcome] + 1)
        base = ADDRESS["frame_count"] + 4 * port * len(FRAME_OUTCOMES)
        answer = await master.read(base, 4 * len(PARSER_OUTCOMES))
        assert np.frombuffer(answer.data, np.uint32).tolist() == counts, (bits, name)
    sink.clear()
    await reset(dut)
    await _check_frame_counts(master, [[]] * ports.count)


@cocotb.test(timeout_time=4, timeout_unit="ms")
async def counters_of_records_left_out_carry_through_all_their_bits(dut):
    """Each counter is put to 2^n - 1 and counts a packet's records more, for every n; a full one
    stays full.  All ports, both rules; the registers say the same."""
    ports, _, master = await begin(dut)
    dut.m_axis_tready.value = 1
    dice = random.Random(5)
    top = 2**COUNTER_BITS - 1
    for bits in range(COUNTER_BITS + 1):
        port, more = bits % ports.count, dice.randint(1, MAX_PACKET_RECORDS)
        for number in range(len(LEFT_OUT)):
            dut.core.g_port[port].parser.left[number]["value"].value = 2**bits - 1
        orders = ordinary_orders(dice, more)
        for order in orders:
            bar(dice, order, dice.choice(LEFT_OUT))
        data = wrap(dice, packet_of(dice, orders), bool(bits % 2))
        ports.send(port, data)
        for _ in range(60):
            await RisingEdge(dut.clk)
        left_out = judged(Frame(data, 0)).left_out
        assert sum(left_out.values()) == more
        answer = await master.read(ADDRESS["left_out_count"] + 8 * port, 8)
        wanted = [min(top, 2**bits - 1 + count) for count in left_out.values()]
        assert np.frombuffer(answer.data, np.uint32).tolist() == wanted, bits
