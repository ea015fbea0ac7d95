"""cocotb bench of outcry_arbiter: run by test_arbiter.py.

The ports are packed vectors, which cocotbext-axi does not drive: the sources are a few lines here,
the sink is cocotbext-axi's.
"""

import random

import cocotb
from cocotb.triggers import ClockCycles, ReadOnly, RisingEdge
from cocotbext.axi import AxiStreamBus, AxiStreamSink

from openoutcry.wire.records import ORDER, RECORD_BYTES
from tests.support.gateway_fpga.patterns import PATTERNS, TIMEOUT, pattern, reset, start

SEQ_AT = ORDER.offsets["seq"]
FIRST_SEQ = 2**40 - 7


class Bench:
    """As many sources as there are ports; ``m_axis_tuser`` says by which an order came in."""

    def __init__(self, dut):
        self.dut = dut
        self.ports = len(dut.s_axis_tvalid)
        self.sink = AxiStreamSink(AxiStreamBus.from_prefix(dut, "m_axis"), dut.clk, dut.rst)
        self.queues = [[] for _ in range(self.ports)]
        self.idle = [None] * self.ports
        self.waited = [0] * self.ports
        self.longest_wait = 0

    async def start(self, first_seq=FIRST_SEQ):
        self.dut.s_axis_tvalid.value = 0
        self.dut.first_seq.value = first_seq
        await start(self.dut)
        self.dut.first_seq.value = 12345  # looked at in reset only
        cocotb.start_soon(self.drive())

    async def drive(self):
        offered = [False] * self.ports
        while True:
            valid, data = 0, 0
            for port, queue in enumerate(self.queues):
                idle = self.idle[port] is not None and next(self.idle[port])
                offered[port] = bool(queue) and (offered[port] or not idle)
                if offered[port]:
                    valid |= 1 << port
                    data |= int.from_bytes(queue[0], "little") << (512 * port)
            self.dut.s_axis_tvalid.value = valid
            self.dut.s_axis_tdata.value = data
            await ReadOnly()
            taken = int(self.dut.s_axis_tready.value) & valid
            assert taken.bit_count() <= 1
            await RisingEdge(self.dut.clk)
            for port in range(self.ports):
                if taken >> port & 1:
                    self.queues[port].pop(0)
                    offered[port] = False
                    self.waited[port] = 0
                elif taken and valid >> port & 1:
                    self.waited[port] += 1
                    self.longest_wait = max(self.longest_wait, self.waited[port])

    async def receive(self, count):
        """Orders as (port by tuser, seq, the rest)."""
        received = []
        for _ in range(count):
            frame = await self.sink.recv()
            data = bytes(frame.tdata)
            user = frame.tuser if isinstance(frame.tuser, int) else frame.tuser[0]
            assert user.bit_count() == 1
            port = user.bit_length() - 1
            received.append((port, int.from_bytes(data[SEQ_AT:], "little"), data[:SEQ_AT]))
        return received


def orders(count, dice):
    """Random orders, so that a mixed-up bit shows."""
    return [dice.randbytes(RECORD_BYTES) for _ in range(count)]


@cocotb.test(**TIMEOUT)
@cocotb.parametrize(idle=list(PATTERNS), hold=list(PATTERNS))
async def one_consecutive_sequence_of_all_ports(dut, idle, hold):
    """Nothing lost or doubled, each port's order kept, numbers without a hole."""
    bench = Bench(dut)
    dice = random.Random(7)
    counts = ([30, 12, 21, 17, 25] * 4)[: bench.ports]
    sent = [orders(count, dice) for count in counts]
    bench.idle = [pattern(idle, 10 + port) for port in range(bench.ports)]
    await bench.start()
    bench.sink.set_pause_generator(pattern(hold, 4))
    bench.queues = [list(queue) for queue in sent]
    received = await bench.receive(sum(counts))
    assert [seq for _, seq, _ in received] == [FIRST_SEQ + n for n in range(sum(counts))]
    for port, queue in enumerate(sent):
        assert [data for p, _, data in received if p == port] == [o[:SEQ_AT] for o in queue]
    await ClockCycles(dut.clk, 5)
    assert bench.sink.empty()
    assert bench.longest_wait < bench.ports


@cocotb.test(**TIMEOUT)
async def all_ports_in_turn_under_load(dut):
    """With every port asking, each is served once a round, one beat every cycle."""
    bench = Bench(dut)
    dice = random.Random(8)
    await bench.start(1)
    bench.queues = [orders(20, dice) for _ in range(bench.ports)]
    received = await bench.receive(20 * bench.ports)
    served = [port for port, _, _ in received]
    assert served == [n % bench.ports for n in range(20 * bench.ports)]


@cocotb.test(**TIMEOUT)
async def any_set_of_ports_shares_alike(dut):
    """Every non-empty set of asking ports goes round in order; a lone port has every cycle."""
    bench = Bench(dut)
    dice = random.Random(9)
    await bench.start(1)
    every = range(1, 2**bench.ports)
    for chosen in every if bench.ports <= 5 else dice.sample(every, 32):
        asking = [port for port in range(bench.ports) if chosen >> port & 1]
        for port in asking:
            bench.queues[port] = orders(6, dice)
        served = [port for port, _, _ in await bench.receive(6 * len(asking))]
        at = asking.index(served[0])
        assert served == [asking[(at + n) % len(asking)] for n in range(len(served))]


@cocotb.test(**TIMEOUT)
async def one_cycle_from_in_to_out(dut):
    """An order taken is offered in the next cycle, and the throughput is a beat a cycle."""
    await start(dut)
    dut.m_axis_tready.value = 1
    for n in range(30):
        dut.s_axis_tvalid.value = 1 << (n % len(dut.s_axis_tvalid))
        await RisingEdge(dut.clk)
        assert dut.s_axis_tready.value == 1 << (n % len(dut.s_axis_tvalid))
        if n:
            assert dut.m_axis_tvalid.value == 1


@cocotb.test(**TIMEOUT)
@cocotb.parametrize(
    first_seq=[1, 2**32 - 2, 2**63 - 9, 0x5555_5555_5555_5555, 0xAAAA_AAAA_AAAA_AAAA]
)
async def a_reset_starts_at_the_given_number(dut, first_seq):
    """Carries run through all 64 bits; a reset in mid-stream forgets what was held."""
    bench = Bench(dut)
    dice = random.Random(10)
    await bench.start(first_seq)
    bench.queues = [orders(4, dice) for _ in range(bench.ports)]
    received = await bench.receive(4 * bench.ports)
    assert [seq for _, seq, _ in received] == [first_seq + n for n in range(4 * bench.ports)]
    bench.sink.pause = True
    bench.queues[0] = orders(3, dice)
    await ClockCycles(dut.clk, 4)
    bench.queues[0] = []
    dut.first_seq.value = first_seq
    await reset(dut)
    bench.sink.pause = False
    assert dut.m_axis_tvalid.value == 0
    last = bench.ports - 1
    bench.queues[last] = orders(1, dice)
    ((port, seq, _),) = await bench.receive(1)
    assert (port, seq) == (last, first_seq)
    assert bench.sink.empty()


@cocotb.test(**TIMEOUT)
async def nobody_is_served_in_reset(dut):
    """Ports that ask while the reset lasts wait for its end, then go in turn from the first one."""
    bench = Bench(dut)
    everybody = 2**bench.ports - 1
    await bench.start(FIRST_SEQ)
    dut.first_seq.value = FIRST_SEQ
    dut.rst.value = 1
    await ClockCycles(dut.clk, 2)
    bench.queues = [orders(2, random.Random(port)) for port in range(bench.ports)]
    for _ in range(4):
        await ReadOnly()
        assert dut.s_axis_tready.value == 0
        assert dut.m_axis_tvalid.value == 0
        await RisingEdge(dut.clk)
    assert dut.s_axis_tvalid.value == everybody
    dut.rst.value = 0
    received = await bench.receive(2 * bench.ports)
    assert [(port, seq) for port, seq, _ in received] == [
        (n % bench.ports, FIRST_SEQ + n) for n in range(2 * bench.ports)
    ]
