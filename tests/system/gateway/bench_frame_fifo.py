"""cocotb bench of outcry_frame_fifo: run by test_frame_fifo.py.

A word says which frame it is of, which word of it, and whether it is the last: so what comes out
can be told to be whole frames, each once and in order, whatever the two clocks do.
"""

import os
import random

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import ClockCycles, ReadOnly, RisingEdge, Timer
from cocotb.utils import get_sim_time

from tests.support.gateway_fpga.patterns import PATTERNS, TIMEOUT, pattern, reset

DEPTH = 2 ** int(os.environ["DEPTH_LOG2"])
COUNT_MAX = 2 ** int(os.environ["COUNTER_WIDTH"]) - 1
CLOCKS_PS = {
    "equal": (4_000, 4_000),
    "slow_writer": (12_800, 4_000),
    "odd": (6_400, 6_206),
    "slow_reader": (4_000, 13_002),
}
"""Periods of write_clk and clk."""
CLOSE_CYCLES = 16
"""Cycles of both clocks: by then a reset has gone there and back, and a count or a word across."""


def word_of(frame, index, last):
    return frame % 512 << 7 | index % 64 << 1 | last


class Queue:
    """Both sides of the queue: what is written is sent word by word, what leaves is collected."""

    def __init__(self, dut, clocks="equal", hold="never"):
        self.dut = dut
        self.write_ps, self.read_ps = CLOCKS_PS[clocks]
        self.hold = pattern(hold, 5)
        self.ready = True
        self.gone = []
        # When write() last saw an edge: two clocks can have theirs at once.
        self.edge = -1
        for name in ("write", "write_last", "write_bad", "write_abort", "write_data"):
            getattr(dut, name).value = 0
        dut.m_axis_tready.value = 0

    async def start(self):
        cocotb.start_soon(Clock(self.dut.clk, self.read_ps, unit="ps").start())
        self.write_clock = Clock(self.dut.write_clk, self.write_ps, unit="ps")
        self.write_clock.start()
        await reset(self.dut)
        cocotb.start_soon(self._read())
        await self.wait_for_crossing()

    async def wait_for_crossing(self):
        """Until whatever was under way between the clocks has arrived."""
        await ClockCycles(self.dut.clk, CLOSE_CYCLES)
        await ClockCycles(self.dut.write_clk, CLOSE_CYCLES)
        await ClockCycles(self.dut.clk, CLOSE_CYCLES)

    async def _read(self):
        dut, stands = self.dut, None
        while True:
            await RisingEdge(dut.clk)
            offered = int(dut.m_axis_tdata.value) if dut.m_axis_tvalid.value == 1 else None
            in_reset = dut.rst.value == 1
            if stands is not None and not in_reset:
                assert offered == stands, "an offered word changed"
            taken = offered is not None and dut.m_axis_tready.value == 1
            stands = None if taken or in_reset else offered
            if taken and not in_reset:
                self.gone.append(offered)
            held = not self.ready or (self.hold is not None and next(self.hold))
            dut.m_axis_tready.value = int(not held)

    async def write(self, frame, words, *, bad=False, cut=None, idle=None, last=True):
        """A frame; ``cut`` aborts it before that word, ``idle`` is a pattern of pauses."""
        dut = self.dut
        if get_sim_time("step") != self.edge:
            await self._edge()
        for index in range(words):
            while idle is not None and next(idle):
                dut.write.value = 0
                await self._edge()
            ends = last and index == words - 1
            dut.write_data.value = word_of(frame, index, ends)
            dut.write_last.value = int(ends)
            dut.write_bad.value = int(bad)
            dut.write.value = 1
            dut.write_abort.value = int(cut == index)
            await self._edge()
            if cut == index:
                break
        dut.write.value = dut.write_abort.value = 0

    async def _edge(self):
        await RisingEdge(self.dut.write_clk)
        self.edge = get_sim_time("step")

    def counts(self):
        return int(self.dut.bad_frames.value), int(self.dut.no_room_frames.value)

    def frames(self):
        """The numbers of the frames that left; each must be whole."""
        whole_frames, words = [], list(self.gone)
        while words:
            frame, index = words[0] >> 7, 0
            while True:
                word = words.pop(0)
                assert word == word_of(frame, index, word & 1), hex(word)
                index += 1
                if word & 1:
                    break
            whole_frames.append((frame, index))
        return whole_frames


@cocotb.test(**TIMEOUT)
@cocotb.parametrize(clocks=list(CLOCKS_PS), hold=list(PATTERNS))
async def whole_good_frames_leave_in_order(dut, clocks, hold):
    """Random lengths, pauses, bad and aborted frames: those that leave are whole, each once, and
    every other one is counted under what became of it; aborted ones nowhere."""
    queue = Queue(dut, clocks, hold)
    await queue.start()
    dice = random.Random(f"{clocks} {hold}")
    wrote, bad = {}, 0
    idle = pattern(dice.choice(list(PATTERNS)), 7)
    for frame in range(120):
        words = dice.choice([1, 1, 2, 3, dice.randint(1, min(40, DEPTH + 2))])
        fate = dice.random()
        cut = dice.randrange(words) if fate < 0.1 else None
        is_bad = fate > 0.8
        await queue.write(frame, words, bad=is_bad, cut=cut, idle=idle)
        if cut is None and not is_bad:
            wrote[frame] = words
        bad += cut is None and is_bad
    queue.hold = None
    await queue.wait_for_crossing()
    await ClockCycles(dut.clk, 2 * DEPTH)
    left = queue.frames()
    assert [frame for frame, _ in left] == sorted(frame for frame, _ in left)
    assert all(wrote[frame] == words for frame, words in left)
    assert queue.counts() == (min(bad, COUNT_MAX), min(len(wrote) - len(left), COUNT_MAX))
    assert left


@cocotb.test(**TIMEOUT)
@cocotb.parametrize(clocks=["equal", "slow_writer", "odd"])
async def nothing_is_lost_while_there_is_room(dut, clocks):
    """A reader that is not slower and always ready: every good frame leaves."""
    queue = Queue(dut, clocks)
    await queue.start()
    dice = random.Random(clocks)
    # Half of the queue: the next frame is written while the last one leaves.
    lengths = [dice.randint(1, max(1, DEPTH // 4)) for _ in range(150)]
    # Over the end of the 9 bits that a word has for its frame.
    sent = [((437 + n) % 512, words) for n, words in enumerate(lengths)]
    for frame, words in sent:
        await queue.write(frame, words, idle=pattern("mostly", 1))
    await queue.wait_for_crossing()
    await ClockCycles(dut.clk, 2 * DEPTH)
    assert queue.frames() == sent
    assert queue.counts() == (0, 0)


@cocotb.test(**TIMEOUT)
async def exactly_as_many_words_as_it_holds(dut):
    """With nobody reading, the queue takes its depth and the word that is offered; the next frame
    is counted.  A frame as long as the queue fits, one word more never does."""
    queue = Queue(dut)
    await queue.start()
    queue.ready = False
    await ClockCycles(dut.clk, 2)
    for frame in range(DEPTH + 1):
        await queue.write(frame, 1)
        await queue.wait_for_crossing()
    assert queue.counts() == (0, 0)
    for more in range(2):
        await queue.write(400 + more, 1)
        await queue.wait_for_crossing()
        assert queue.counts() == (0, more + 1)
    queue.ready = True
    await queue.wait_for_crossing()
    await ClockCycles(dut.clk, 2 * DEPTH)
    assert queue.frames() == [(frame, 1) for frame in range(DEPTH + 1)]
    del queue.gone[:]
    for words, fits in ((DEPTH, True), (DEPTH + 1, False), (DEPTH, True), (2 * DEPTH + 3, False)):
        before = queue.counts()
        await queue.write(words % 512, words)
        await queue.wait_for_crossing()
        await ClockCycles(dut.clk, 3 * DEPTH)
        assert len(queue.gone) == (words if fits else 0)
        assert queue.counts() == (before[0], before[1] + (not fits))
        del queue.gone[:]


@cocotb.test(**TIMEOUT)
async def a_frame_is_counted_once_and_bad_before_full(dut):
    """Bad frames are bad, also those without room; counters stop at their top."""
    queue = Queue(dut)
    await queue.start()
    for n in range(1, COUNT_MAX + 3 if COUNT_MAX < 64 else 6):
        await queue.write(n, DEPTH + 3, bad=True)
        await queue.wait_for_crossing()
        assert queue.counts() == (min(n, COUNT_MAX), 0)
    for n in range(1, COUNT_MAX + 3 if COUNT_MAX < 64 else 6):
        await queue.write(n, DEPTH + 3)
        await queue.wait_for_crossing()
        assert queue.counts()[1] == min(n, COUNT_MAX)
    # Half a frame is nothing yet, and an abort makes nothing of it.
    await queue.write(1, 2, last=False)
    await queue.wait_for_crossing()
    await queue.write(1, 1, cut=0)
    await queue.write(2, 2)
    await queue.wait_for_crossing()
    # One that had no room before it was aborted takes none from the next.
    before = queue.counts()
    await queue.write(1, DEPTH + 3, last=False)
    await queue.write(1, 1, cut=0)
    await queue.write(3, 2)
    await queue.wait_for_crossing()
    assert queue.frames() == [(2, 2), (3, 2)]
    assert queue.counts() == before
    # Nor is the next one taken for its rest when a reset follows.
    del queue.gone[:]
    await queue.write(1, 2, last=False)
    await queue.write(1, 1, cut=0, last=False)
    dut.rst.value = 1
    await ClockCycles(dut.clk, 1)
    dut.rst.value = 0
    await queue.wait_for_crossing()
    await queue.write(4, 2)
    await queue.wait_for_crossing()
    assert queue.frames() == [(4, 2)]


@cocotb.test(**TIMEOUT)
@cocotb.parametrize(clocks=list(CLOCKS_PS))
async def a_reset_at_any_cycle_leaves_nothing_of_before(dut, clocks):
    """Whatever both sides are at, and also when one reset follows close upon another: no word and
    no count of before is left, nor the rest of a frame that was under way; what follows is taken
    whole."""
    queue = Queue(dut, clocks)
    await queue.start()
    number = 0
    for cycle in range(24):
        queue.ready = cycle % 3 != 0
        early = [number + n for n in range(5)]

        async def traffic(early=early):
            for frame in early:
                await queue.write(frame, 3, bad=frame % 4 == 3)
            await queue.write(511, 2, last=False)

        task = cocotb.start_soon(traffic())
        await ClockCycles(dut.clk, 1 + cycle)
        for again in range(1 + cycle % 2):
            dut.rst.value = 1
            await ClockCycles(dut.clk, 1)
            dut.rst.value = 0
            await ClockCycles(dut.clk, 3 * again + cycle % 5)
        await task
        await queue.wait_for_crossing()
        # Those written once the queue was open again may have left, whole; the cut one never.
        queue.ready = True
        await queue.wait_for_crossing()
        del queue.gone[:]
        dut.rst.value = 1
        await ClockCycles(dut.clk, 1)
        dut.rst.value = 0
        # The rest of frame 511, of which two words came before the reset: at once, or when the
        # queue is open again.
        if cycle % 2:
            await queue.wait_for_crossing()
        await queue.write(511, 3)
        await queue.wait_for_crossing()
        assert queue.counts() == (0, 0)
        assert queue.gone == [], cycle
        number = (number + 7) % 500
        await queue.write(number, 4)
        await queue.write(number + 1, 1, bad=True)
        await queue.wait_for_crossing()
        assert queue.frames() == [(number, 4)]
        assert queue.counts() == (1, 0)
        del queue.gone[:]


@cocotb.test(**TIMEOUT)
@cocotb.parametrize(clocks=list(CLOCKS_PS))
async def of_two_close_resets_the_second_counts_too(dut, clocks):
    """Frames that come whole between two resets, however close these are, are of before the second:
    none leaves after it."""
    queue = Queue(dut, clocks)
    await queue.start()

    async def frames():
        number = 0
        while True:
            await queue.write(number, 1)
            number += 1

    for between in range(1, 3 * CLOSE_CYCLES):
        queue.ready = False
        dut.rst.value = 1
        await ClockCycles(dut.clk, 1)
        dut.rst.value = 0
        writes = cocotb.start_soon(frames())
        await ClockCycles(dut.clk, between)
        dut.rst.value = 1
        await ClockCycles(dut.clk, 1)
        # With the edge that takes the reset: whatever was written came before it.
        writes.cancel()
        dut.write.value = dut.rst.value = 0
        queue.ready = True
        await ClockCycles(dut.clk, 1)
        del queue.gone[:]
        await queue.wait_for_crossing()
        assert queue.gone == [], between


@cocotb.test(**TIMEOUT)
async def a_reset_clears_the_counts_at_once(dut):
    """With the edge that takes the reset, not when the writer's side has answered it: its clock may
    stand still."""
    queue = Queue(dut)
    await queue.start()
    await queue.write(1, 1, bad=True)
    await queue.write(2, DEPTH + 3)
    await queue.wait_for_crossing()
    assert queue.counts() == (1, 1)
    queue.write_clock.stop()
    dut.rst.value = 1
    await ClockCycles(dut.clk, 1)
    dut.rst.value = 0
    for _ in range(2 * CLOSE_CYCLES):
        await RisingEdge(dut.clk)
        await ReadOnly()
        assert queue.counts() == (0, 0)


@cocotb.test(**TIMEOUT)
async def with_the_writer_stopped_nothing_is_offered(dut):
    """A MAC without a clock: after a reset the port stays closed until the clock comes back."""
    queue = Queue(dut)
    await queue.start()
    queue.ready = False
    await queue.write(3, 2)
    await queue.wait_for_crossing()
    assert dut.m_axis_tvalid.value == 1
    await RisingEdge(dut.write_clk)
    queue.write_clock.stop()
    dut.write_clk.value = 0
    dut.rst.value = 1
    await ClockCycles(dut.clk, 2)
    dut.rst.value = 0
    for _ in range(50):
        await RisingEdge(dut.clk)
        assert dut.m_axis_tvalid.value == 0
    queue.write_clock.start()
    queue.ready = True
    await queue.wait_for_crossing()
    await queue.write(4, 2)
    await queue.wait_for_crossing()
    assert queue.frames() == [(4, 2)]


@cocotb.test(**TIMEOUT)
@cocotb.parametrize(clocks=list(CLOCKS_PS))
async def latency_and_one_word_a_cycle(dut, clocks):
    """From the edge that takes the last word: two cycles of the writer's and at most five of the
    reader's to the first word; then, the writer not slower, one each cycle."""
    queue = Queue(dut, clocks)
    await queue.start()
    words = min(DEPTH, 20)
    for frame in range(6):
        await Timer(1 + frame * 1_370, unit="ps")
        await queue.write(frame, words)
        await ClockCycles(dut.write_clk, 2)
        cycles = 0
        while dut.m_axis_tvalid.value == 0:
            await RisingEdge(dut.clk)
            cycles += 1
        assert cycles <= 5
        before = len(queue.gone)
        await ClockCycles(dut.clk, words)
        if queue.write_ps <= queue.read_ps:
            assert len(queue.gone) - before >= words - 1
        await queue.wait_for_crossing()
    assert queue.frames() == [(frame, words) for frame in range(6)]
