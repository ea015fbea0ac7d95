"""cocotb bench of outcry_udp_parser: run by test_udp_parser.py."""

import itertools
import os
import random
import struct

import cocotb
from cocotb.triggers import ClockCycles, ReadOnly, RisingEdge
from cocotbext.axi import AxiStreamBus, AxiStreamFrame, AxiStreamSink, AxiStreamSource

from openoutcry.wire.records import PACKET_HEADER
from openoutcry.wire.registers import LEFT_OUT
from tests.support.gateway_fpga.frames import (
    AT,
    BEAT_BYTES,
    REASONS,
    SPOILERS,
    UDP_PORT,
    Frame,
    good_frame,
    ip_at,
    judged,
    packet,
    repaired,
    spoiled,
    wrap,
)
from tests.support.gateway_fpga.patterns import (
    PATTERNS,
    TIMEOUT,
    local_end,
    pattern,
    reset,
    start,
)

COUNTER_WIDTH = int(os.environ.get("COUNTER_WIDTH", "32"))
LATENCY_CYCLES = 7


class Bench:
    """The parser between a source of frames and a sink of orders, and what should come out."""

    def __init__(self, dut, seed=1):
        self.dut = dut
        self.dice = random.Random(seed)
        self.source = AxiStreamSource(AxiStreamBus.from_prefix(dut, "s_axis"), dut.clk, dut.rst)
        self.sink = AxiStreamSink(AxiStreamBus.from_prefix(dut, "m_axis"), dut.clk, dut.rst)
        self.source.log.setLevel("WARNING")
        self.sink.log.setLevel("WARNING")
        self.forget()

    def forget(self):
        """Expect nothing any more: after a reset."""
        self.counts = dict.fromkeys(REASONS, 0)
        self.left_out = dict.fromkeys(LEFT_OUT, 0)
        self.orders = []

    async def start(self, idle="never", hold="never"):
        self.dut.udp_port.value = UDP_PORT
        local_end(self.dut)
        await start(self.dut)
        self.source.set_pause_generator(pattern(idle, 5))
        self.sink.set_pause_generator(pattern(hold, 6))

    async def send(self, frame):
        """Drive a frame; what is expected of it is noted."""
        reason, orders, left_out = judged(frame)
        self.counts[reason] += 1
        for rule, count in left_out.items():
            self.left_out[rule] += count
        self.orders += [order.tobytes() for order in orders]
        await self.source.send(self.driven(frame))
        return reason

    async def send_each(self, frames):
        """Drive frames whose every reason counts: small counters are read and begin anew before one
        of them stops.  (Of one bit they would have to after each frame.)"""
        for frame in frames:
            await self.send(frame)
            if COUNTER_WIDTH > 1 and max(self.counts.values()) == 2**COUNTER_WIDTH - 1:
                await self.check()
                await reset(self.dut)
                self.forget()
        await self.check()

    def driven(self, frame):
        """Lanes that carry nothing carry rubbish."""
        spare = -len(frame.data) % BEAT_BYTES
        keep = (frame.keep or [1] * len(frame.data)) + [0] * spare
        return AxiStreamFrame(
            frame.data + self.dice.randbytes(spare), tkeep=keep, tuser=frame.rx_ts_ns
        )

    def good(self, count=None, ordinary=False):
        data = good_frame(self.dice, count, ordinary=ordinary)
        return Frame(data, self.dice.getrandbits(64))

    async def drain(self):
        """Until all that was sent has come out."""
        await self.source.wait()
        quiet = 0
        while quiet < 60:
            await RisingEdge(self.dut.clk)
            quiet = 0 if self.dut.m_axis_tvalid.value == 1 else quiet + 1

    async def check(self):
        await self.drain()
        received = []
        while not self.sink.empty():
            received.append(bytes(self.sink.recv_nowait().tdata))
        assert len(received) == len(self.orders), (len(received), len(self.orders), self.counts)
        for number, (got, wanted) in enumerate(zip(received, self.orders, strict=True)):
            assert got == wanted, f"order {number}: {got.hex()} is not {wanted.hex()}"
        packed = int(self.dut.frames.value)
        top = 2**COUNTER_WIDTH - 1
        for index, reason in enumerate(REASONS):
            value = packed >> (COUNTER_WIDTH * index) & top
            assert value == min(self.counts[reason], top), f"{reason}: {value}, {self.counts}"
        packed = int(self.dut.left_out.value)
        for index, rule in enumerate(LEFT_OUT):
            value = packed >> (COUNTER_WIDTH * index) & top
            assert value == min(self.left_out[rule], top), f"{rule}: {value}, {self.left_out}"


@cocotb.test(**TIMEOUT)
@cocotb.parametrize(idle=list(PATTERNS), hold=list(PATTERNS))
async def good_and_bad_frames_mixed(dut, idle, hold):
    """Every order of a good frame leaves once and in order, nothing of a bad one."""
    bench = Bench(dut, seed=f"{idle} {hold}")
    await bench.start(idle, hold)
    for _ in range(int(os.environ.get("FRAMES", "25"))):
        if bench.dice.random() < 0.6:
            await bench.send(bench.good())
        else:
            await bench.send(spoiled(bench.dice, bench.dice.choice(["KEEP", *SPOILERS])))
    await bench.check()


@cocotb.test(**TIMEOUT)
@cocotb.parametrize(reason=["KEEP", *SPOILERS])
async def each_reason_is_counted_and_the_next_frame_taken(dut, reason):
    """A refused frame between two good ones, back to back."""
    bench = Bench(dut, seed=reason)
    await bench.start()
    for _ in range(6):
        await bench.send(bench.good(1))
        expected_reason = await bench.send(spoiled(bench.dice, reason))
        assert expected_reason == reason
        await bench.send(bench.good(2))
    await bench.check()


@cocotb.test(**TIMEOUT)
async def of_two_reasons_the_first_is_counted(dut):
    """Every pair of things wrong with one frame, in the order in which they can be made."""
    bench = Bench(dut)
    await bench.start()
    for pair in itertools.combinations(["KEEP", *SPOILERS], 2):
        for names in (pair, pair[::-1]):
            await bench.send(spoiled(bench.dice, *names))
    await bench.send(bench.good())
    await bench.check()


@cocotb.test(**TIMEOUT)
async def a_flipped_bit_anywhere_is_judged_as_software_judges(dut):
    """Frames of one order, each with one bit wrong somewhere in its headers or its order."""
    bench = Bench(dut)
    await bench.start(hold="mostly")
    frames = []
    for vlan in (False, True):
        data = good_frame(bench.dice, 1, vlan, ordinary=True)
        head = range(8 * (78 if vlan else 74))
        for bit in [*head, *bench.dice.sample(range(len(head), 8 * len(data)), 60)]:
            frames.append(Frame(with_bits(data, bit), bench.dice.getrandbits(64)))
    await bench.send_each(frames)


def with_bits(data, *bits):
    """The frame with these bits turned over."""
    flipped = bytearray(data)
    for bit in bits:
        flipped[bit // 8] ^= 1 << (bit % 8)
    return bytes(flipped)


@cocotb.test(**TIMEOUT)
@cocotb.parametrize(vlan=[False, True])
async def one_wrong_bit_under_right_checksums(dut, vlan):
    """No checksum stands behind the field that is wrong: each bit from the Ethernet type to the
    packet's count is what the frame is judged by, or nothing is; also where IPv4's and UDP's length
    agree with one another."""
    bench = Bench(dut)
    await bench.start()
    data = good_frame(bench.dice, 1, vlan)
    at = ip_at(data)
    bits = [(bit,) for bit in range(8 * (at - 2), 8 * (at + 28 + PACKET_HEADER.size_bytes))]
    both = [(8 * (at + 2) + bit, 8 * (at + 24) + bit) for bit in range(16)]
    flipped = (with_bits(data, *some) for some in (*bits, *both))
    # With another type or version there is no telling where the checksums stand.
    frames = [repaired(f) if f[at - 2 : at + 1] == data[at - 2 : at + 1] else f for f in flipped]
    await bench.send_each(Frame(frame, 1) for frame in frames)


@cocotb.test(**TIMEOUT)
async def every_bit_of_a_first_number(dut):
    """A packet's first number is each power of two, the largest one, and each power of two more."""
    bench = Bench(dut)
    await bench.start()
    numbers = [0, *(1 << bit for bit in range(64)), *(2**62 + (1 << bit) for bit in range(62))]
    data = good_frame(bench.dice, 1, False)
    at = ip_at(data) + AT["first_seq"]
    frames = [data[:at] + number.to_bytes(8, "little") + data[at + 8 :] for number in numbers]
    await bench.send_each(Frame(repaired(frame), 1) for frame in frames)


@cocotb.test(**TIMEOUT)
async def two_lanes_of_a_last_beat(dut):
    """The first lane of the last beat and one other are kept: a hole, however wide."""
    bench = Bench(dut)
    await bench.start()
    data = bench.dice.randbytes(2 * BEAT_BYTES)
    frames = []
    for lane in range(2, BEAT_BYTES):
        keep = [1] * BEAT_BYTES + [int(n in (0, lane)) for n in range(BEAT_BYTES)]
        frames.append(Frame(data, lane, keep))
    await bench.send_each(frames)


@cocotb.test(**TIMEOUT)
@cocotb.parametrize(outer=[0x8100, 0x88A8])
async def a_tag_in_a_tag_is_one_too_many(dut, outer):
    """Software receives two tags; this parser one, and no more than that."""
    bench = Bench(dut)
    await bench.start()
    for count in (1, 2, 22):
        data = good_frame(bench.dice, count, True)
        tag = struct.pack(">HH", outer, bench.dice.getrandbits(16))
        assert await bench.send(Frame(data[:12] + tag + data[12:], 1)) == "ETHERTYPE"
        await bench.send(bench.good())
    await bench.check()


@cocotb.test(**TIMEOUT)
async def one_tag_is_a_vlan_tag(dut):
    """One tag of any other type, the service provider's among them, or one bit beside ours."""
    bench = Bench(dut)
    await bench.start()
    data = good_frame(bench.dice, 2, True)
    for tag in (0x88A8, 0x9100, 0x9200, 0x0081, 0, 0xFFFF, *(0x8100 ^ 1 << n for n in range(16))):
        tagged = data[:12] + tag.to_bytes(2) + data[14:]
        assert await bench.send(Frame(tagged, 1)) == "ETHERTYPE"
    await bench.send(Frame(data, 1))
    await bench.check()


@cocotb.test(**TIMEOUT)
async def a_last_beat_of_nothing(dut):
    """A beat with tlast and no byte, behind beats that are full: tkeep says nothing of the frame's
    length any more."""
    bench = Bench(dut)
    await bench.start()
    for count in (1, 3, 22):
        data = good_frame(bench.dice, count, False)
        data += bytes(-len(data) % BEAT_BYTES)
        keep = [1] * len(data) + [0] * BEAT_BYTES
        frame = Frame(data + bench.dice.randbytes(BEAT_BYTES), 1, keep)
        assert await bench.send(frame) == "KEEP"
        await bench.send(bench.good())
    await bench.check()


@cocotb.test(**TIMEOUT)
async def no_checksum_is_two_bytes_of_zero(dut):
    """A wrong checksum with one byte of zero, in each of the two places, is a wrong one; a right
    one is a right one; two bytes of zero are none."""
    bench = Bench(dut)
    await bench.start()
    for vlan in (False, True):
        at = (18 if vlan else 14) + 26
        data = good_frame(bench.dice, 1, vlan)
        for value in (0x0012, 0x1200, 0x0001, 0x0100, 0x0080, 0x8000):
            spoilt = bytearray(repaired(data))
            if int.from_bytes(spoilt[at : at + 2]) == value:
                continue
            spoilt[at : at + 2] = value.to_bytes(2)
            assert await bench.send(Frame(bytes(spoilt), 1)) == "UDP_CHECKSUM"
            # The same one of a frame that it belongs to: a word of the order is brought to it.
            words = bytearray(data)
            words[at + 34 : at + 36] = b"\0\0"
            right = int.from_bytes(repaired(words)[at : at + 2])
            words[at + 34 : at + 36] = ((right - value) % 0xFFFF).to_bytes(2)
            words = repaired(words)
            assert int.from_bytes(words[at : at + 2]) == value
            assert await bench.send(Frame(words, 1)) == "NONE"
        none = bytearray(data)
        none[at : at + 2] = b"\0\0"
        assert await bench.send(Frame(bytes(none), 1)) == "NONE"
    await bench.check()


@cocotb.test(**TIMEOUT)
async def every_length_of_frame(dut):
    """A good frame of two orders cut after each of its bytes, and trailed."""
    bench = Bench(dut)
    await bench.start()
    data = good_frame(bench.dice, 2, False)
    for size in range(1, len(data) + 1):
        await bench.send(Frame(data[:size], 1))
    for size in (1, 2, 53, 54, 55, 64, 1300):
        await bench.send(Frame(data + bytes(size), 1))
    await bench.check()


@cocotb.test(**TIMEOUT)
async def every_size_of_payload(dut):
    """Frame, IPv4 and UDP agree on every length up to two orders and a bit: a frame that ends in
    any lane is refused for its packet, not for its length."""
    bench = Bench(dut)
    await bench.start()
    data = packet(bench.dice, 3, 1)
    for size in range(175):
        for vlan in (False, True):
            reason = await bench.send(Frame(wrap(bench.dice, data[:size], vlan), size))
            assert reason == ("SHORT" if size < 32 else "SIZE")
    await bench.send(bench.good())
    await bench.check()


@cocotb.test(**TIMEOUT)
async def every_count_of_orders(dut):
    """1 to 22 orders, with and without a VLAN tag, back to back."""
    bench = Bench(dut)
    await bench.start()
    for count in range(1, 23):
        for vlan in (False, True):
            await bench.send(Frame(good_frame(bench.dice, count, vlan), count))
    await bench.check()


@cocotb.test(**TIMEOUT)
async def the_largest_and_the_smallest_sums(dut):
    """Packets of nothing but ones and of nothing but zeros, with right and wrong checksums."""
    bench = Bench(dut)
    await bench.start()
    for fill in (0xFF, 0x00):
        for count in (1, 21, 22):
            payload = packet(bench.dice, count, 1)[:32] + bytes([fill]) * (64 * count)
            data = wrap(bench.dice, payload, count == 22)
            await bench.send(Frame(data, 1))
            wrong = bytearray(data)
            wrong[-1] ^= 1
            await bench.send(Frame(bytes(wrong), 1))
    await bench.check()


@cocotb.test(**TIMEOUT)
async def both_halves_of_a_wrong_sum_are_all_ones(dut):
    """A beat's words 0 to 15 and 16 to 31 are summed apart; with all ones in the lower 16 bits of
    both sums, and carries above them, nothing that they can be folded to is larger."""
    bench = Bench(dut)
    await bench.start()
    for count in (1, 22):
        payload = packet(bench.dice, count, 1)[:32] + b"\xff" * (64 * count)
        data = bytearray(wrap(bench.dice, payload, False))
        # Both words are of the first order, in the second beat.
        for half, at in ((0, 80), (1, 100)):
            words = struct.unpack(f"<{len(data) // 2}H", data)
            total = sum(word for n, word in enumerate(words) if n >= 13 and n % 32 // 16 == half)
            if half == 0:
                total += words[19] + 0x1100  # of the pseudo header: the length and the protocol
            word = (words[at // 2] - total - 1) % 65536
            assert total + word - words[at // 2] > 0xFFFF
            data[at : at + 2] = struct.pack("<H", word)
        assert await bench.send(Frame(bytes(data), 1)) == "UDP_CHECKSUM"
        await bench.send(bench.good())
    await bench.check()


@cocotb.test(**TIMEOUT)
async def a_right_sum_may_be_two_times_all_ones(dut):
    """The lower 16 bits of the first half's sum are all ones, so those of the other half with both
    carries are all ones too: such a frame is as good as one whose halves add up to ones."""
    bench = Bench(dut)
    await bench.start()
    for count in (1, 22):
        payload = packet(bench.dice, count, 1)[:32] + b"\xff" * (64 * count)
        data = bytearray(wrap(bench.dice, payload, False))
        words = struct.unpack(f"<{len(data) // 2}H", data)
        # Of the pseudo header the length and the protocol are in the first half.
        pseudo = words[19] + 0x1100
        total = pseudo + sum(w for n, w in enumerate(words) if n >= 13 and n % 32 // 16 == 0)
        data[80:82] = struct.pack("<H", (words[40] - total - 1) % 65536)
        words = struct.unpack(f"<{len(data) // 2}H", data)
        whole = pseudo + sum(words[13:]) - words[20]
        data[40:42] = struct.pack("<H", -whole % 65535 or 65535)
        assert await bench.send(Frame(bytes(data), 1)) == REASONS[0]
    await bench.check()


@cocotb.test(**TIMEOUT)
async def nothing_but_ones_and_nothing_but_zeros(dut):
    """Frames in which every field has its largest and its smallest value are refused, each sum at
    its widest, and the next good one is taken."""
    bench = Bench(dut)
    await bench.start()
    for size in (1, 41, 42, 64, 106, 128, 1514, 1536):
        for fill in (0xFF, 0x00):
            await bench.send(Frame(bytes([fill]) * size, 2**64 - 1 if fill else 0))
            await bench.send(Frame(b"\xff" * 12 + b"\x08\0" + bytes([fill]) * size, size))
        await bench.send(bench.good(1))
    await bench.check()


@cocotb.test(**TIMEOUT)
async def a_reset_of_one_cycle_forgets_the_frame_that_is_judged(dut):
    """It comes in each cycle from the one behind a frame's last beat on: nothing of the frame is
    counted after it, whether it was good or not, and the next one is taken."""
    bench = Bench(dut)
    await bench.start()
    for cycles in range(1, 11):
        for reason in (None, "PORT"):
            frame = bench.good(1, ordinary=True) if reason is None else spoiled(bench.dice, reason)
            bench.source.send_nowait(bench.driven(frame))
            while not all(
                getattr(dut, f"s_axis_{name}").value == 1 for name in ("tvalid", "tready", "tlast")
            ):
                await RisingEdge(dut.clk)
            if cycles > 1:
                await ClockCycles(dut.clk, cycles - 1)
            await reset(dut, 1)
            bench.sink.clear()
            await ClockCycles(dut.clk, 12)
            assert int(dut.frames.value) == 0, (cycles, reason)
            assert int(dut.left_out.value) == 0, (cycles, reason)
            assert bench.sink.empty()
            bench.forget()
    await bench.send(bench.good())
    await bench.check()


ENDS = {"mac": 48, "address": 32, "vlan": 12}
"""What a frame's destination is, and its bits, in the order of the bits of ``check_local``."""


def ends_of(data):
    """The destination that a frame has in its bytes."""
    at = ip_at(data)
    return {
        "mac": int.from_bytes(data[:6]),
        "address": int.from_bytes(data[at + 16 : at + 20]),
        "vlan": int.from_bytes(data[14:16]) % 4_096 if at == 18 else 0,
    }


@cocotb.test(**TIMEOUT)
@cocotb.parametrize(vlan=[False, True], name=list(ENDS))
async def frames_for_another_end(dut, vlan, name):
    """Every bit of the MAC, of the IPv4 address and of the VLAN counts, if it is compared; what is
    not compared does not, and a frame for this very end is taken."""
    bench = Bench(dut, seed=name)
    await bench.start()
    checked = 1 << list(ENDS).index(name)
    for bit in range(ENDS[name]):
        data = good_frame(bench.dice, 1, vlan, ordinary=True)
        frame, here = Frame(data, bit), ends_of(data)
        wrong = here | {name: here[name] ^ 1 << bit}
        rest = ((7, wrong, False), (7, here, True), (7 & ~checked, wrong, True))
        for check, end, taken in ((checked, wrong, False), *(rest if bit % 8 == 0 else ())):
            local_end(dut, check, **end)
            if taken:
                await bench.send(frame)
            else:
                await bench.source.send(bench.driven(frame))
                bench.counts["PORT"] += 1
            await bench.source.wait()
            # The first beat is looked at in the cycle after it was taken.
            await ClockCycles(dut.clk, 2)
    await bench.check()


@cocotb.test(**TIMEOUT)
@cocotb.parametrize(port=[0x5555, 0xAAAA, UDP_PORT ^ 1, UDP_PORT ^ 0x8000])
async def frames_for_another_port(dut, port):
    """Every bit of the port counts."""
    bench = Bench(dut)
    await bench.start()
    dut.udp_port.value = port
    for vlan in (False, True):
        data = good_frame(bench.dice, 1, vlan)
        await bench.source.send(bench.driven(Frame(data, 1)))
        bench.counts["PORT"] += 1
    await bench.check()


@cocotb.test(**TIMEOUT)
async def a_hole_in_any_lane(dut):
    """tkeep with one lane missing, in a full beat and in the last."""
    bench = Bench(dut)
    await bench.start()
    data = good_frame(bench.dice, 1, False)
    for lane in range(len(data)):
        keep = [1] * len(data)
        keep[lane] = 0
        frame = Frame(data, 1, keep)
        if lane == len(data) - 1:  # no hole: one byte less
            frame = Frame(data[:-1], 1)
        await bench.send(frame)
    await bench.check()


@cocotb.test(**TIMEOUT)
async def a_frame_without_end(dut):
    """Thousands of bytes are one oversized frame, and the next good one is taken."""
    bench = Bench(dut)
    await bench.start()
    long = good_frame(bench.dice, 22)
    await bench.send(Frame(long + bytes(64 * 40), 1))
    await bench.send(bench.good())
    # Longer than the queue: what is on trial of it must not fill it.
    await bench.send(Frame(long + bytes(64 * 80), 1))
    await bench.send(bench.good())
    await bench.send(Frame(long + bench.dice.randbytes(1537 - len(long)), 1))
    await bench.send(Frame(long + bench.dice.randbytes(1536 - len(long)), 1))
    await bench.send(bench.good())
    await bench.check()


@cocotb.test(**TIMEOUT)
async def a_full_queue_holds_the_sender(dut):
    """With nobody taking orders the parser stops in time, and loses nothing."""
    bench = Bench(dut)
    await bench.start()
    bench.sink.pause = True
    for _ in range(10):
        await bench.send(bench.good(22, ordinary=True))
    await ClockCycles(dut.clk, 200)
    assert dut.s_axis_tready.value == 0
    bench.sink.pause = False
    await bench.check()


@cocotb.test(**TIMEOUT)
async def a_queue_takes_until_what_is_under_way_might_not_fit(dut):
    """With nobody reading, frames of one order are taken one by one until less room is left than
    what may be under way, five orders, wants: not one frame earlier."""
    bench = Bench(dut)
    await bench.start()
    bench.sink.pause = True
    await ClockCycles(dut.clk, 5)
    taken = 0
    while dut.s_axis_tready.value == 1:
        await bench.send(bench.good(1, ordinary=True))
        await bench.source.wait()
        await ClockCycles(dut.clk, 20)
        taken += 1
    # One waits at the output, and four places of a power of two are free.
    assert taken > 5
    assert (taken + 3).bit_count() == 1, taken
    bench.sink.pause = False
    await bench.drain()


@cocotb.test(**TIMEOUT)
async def a_reset_in_mid_frame(dut):
    """What was begun is forgotten, counters are zero, and the next frame is taken."""
    bench = Bench(dut)
    for beats in (1, 2, 3, 6, 9, 12):
        await bench.start()
        await bench.source.send(bench.driven(bench.good(9)))
        await ClockCycles(dut.clk, beats)
        dut.rst.value = 1
        bench.source.clear()
        await ClockCycles(dut.clk, 2)
        await reset(dut)
        while not bench.sink.empty():
            bench.sink.recv_nowait()
        bench.forget()
        await bench.send(bench.good(3))
        await bench.check()


@cocotb.test(**TIMEOUT)
@cocotb.parametrize(count=[1, 2, 22])
async def latency_and_throughput(dut, count):
    """The first order is offered seven cycles after the last beat is taken; then one a cycle, and
    the sender never waits."""
    bench = Bench(dut)
    await bench.start()
    for _ in range(3):
        await bench.send(bench.good(count, ordinary=True))
    last, offered, cycle = [], [], 0
    while len(offered) < 3 * count:
        await RisingEdge(dut.clk)
        await ReadOnly()
        cycle += 1
        assert cycle < 300
        if dut.s_axis_tvalid.value == 1:
            assert dut.s_axis_tready.value == 1
            if dut.s_axis_tlast.value == 1:
                last.append(cycle)
        if dut.m_axis_tvalid.value == 1:
            offered.append(cycle)
    # A beat seen before an edge is taken at it.
    assert [offered[count * n] - last[n] for n in range(3)] == [LATENCY_CYCLES] * 3
    for n in range(3):
        assert offered[count * n : count * (n + 1)] == list(
            range(offered[count * n], offered[count * n] + count)
        )
    assert last[1] - last[0] == last[2] - last[1] == count + 2
    await RisingEdge(dut.clk)
    await bench.check()
