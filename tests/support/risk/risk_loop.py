"""before, matcher and after in one kernel, each called by address, with a look after every command
at whether somebody stands past a limit."""

import numpy as np

import openoutcry.risk.layout as lay
from openoutcry.matcher import Engine, process_batch, scratch_records
from openoutcry.matcher.book.arena import ArenaHeader
from openoutcry.matcher.hooks import Hooks, note_best
from openoutcry.risk import protection_layout, totals
from openoutcry.risk.after import after
from openoutcry.risk.before import ahead, before
from openoutcry.risk.bits import NO_LIMIT, RiskBit
from openoutcry.risk.delay import WAITS, due, hold
from openoutcry.risk.layout import RiskState
from openoutcry.risk.region import View, make_region
from openoutcry.risk.speed_bump import SpeedBump
from openoutcry.wire import EVENT_DTYPE, wide
from openoutcry.wire.indirect import call_batch_kernel, kernel_address
from openoutcry.wire.kernel import kernel
from openoutcry.wire.memory import load_i64, store_i64
from openoutcry.wire.record_blocks import OrderRecord
from openoutcry.wire.records import RECORD_BYTES


@kernel
def past_a_limit(region):
    """Number of the first rule that some participant breaks; 0: none does."""
    for who in range(RiskState(region).participants):
        row = totals.participant_row(RiskState(region), who)
        credit = row.credit
        capital = wide.add(row.balance, credit)
        if credit != NO_LIMIT and row.reserved > capital:
            return 1
        if row.gross > row.gross_limit:
            return 2
        if row.buy_exposure > row.buy_exposure_limit:
            return 3
        if row.sell_exposure > row.sell_exposure_limit:
            return 4
        if row.open > row.open_limit:
            return 5
        for instrument in range(RiskState(region).instruments):
            cell = totals.cell_of(RiskState(region), who, instrument)
            position = cell.position
            if position + cell.buy_lots > cell.long_limit:
                return 6
            if cell.sell_lots - position > cell.short_limit:
                return 7
    return 0


FULL = 1 << RiskBit.SPEED_BUMP_FULL + 8
REFUSED, EVENTS, ENTERED, NO_ROOM = range(0, 32, 8)
"""Words of what is counted."""


@kernel
def count_more(counts, word, more):
    store_i64(counts + word, load_i64(counts + word) + more)


@kernel
def run_one(batch, arena, region, quotes, order, verdict, out, capacity, counts):
    """One command through risk, unless it has a verdict, matcher and risk again."""
    if verdict == 0:
        verdict = before(RiskState(region), OrderRecord(order))
    events = 0
    if verdict != 0:
        count_more(counts, REFUSED, 1)
    else:
        _, events = call_batch_kernel(batch, arena, order, 1, out, capacity)
        if quotes != 0:
            note_best(ArenaHeader(arena), quotes, out, events)
    after(RiskState(region), OrderRecord(order), out, events)
    count_more(counts, EVENTS, events)


@kernel
def run_loop(batch, arena, region, quotes, bump, orders, count, out, capacity, looks, counts):
    """Process ``count`` commands; stops at the first after which, or after what entered before
    which, a limit is passed.  Returns how many were processed, and the rule broken."""
    for index in range(count):
        order, verdict, broken = OrderRecord(orders + index * RECORD_BYTES), 0, 0
        if bump != 0:
            record = due(RiskState(region), order)
            while record != 0:
                given = SpeedBump(bump).figure_verdict
                run_one(batch, arena, region, quotes, record, given, out, capacity, counts)
                count_more(counts, ENTERED, 1)
                if looks != 0:
                    broken |= past_a_limit(region)
                record = due(RiskState(region), order)
            verdict = hold(RiskState(region), order)
            if verdict & FULL:
                count_more(counts, NO_ROOM, 1)
        if verdict != WAITS:
            run_one(batch, arena, region, quotes, order, verdict, out, capacity, counts)
            if looks != 0:
                broken |= past_a_limit(region)
        if broken != 0:
            return index + 1, broken
    return count, 0


class Loop:
    def __init__(self, instruments, order_capacity=5_000, **more):
        self.engine = Engine(instruments, order_capacity)
        self.region = make_region(instruments, order_capacity=order_capacity, **more)
        self.view = View(self.region)
        self.out = np.zeros(scratch_records(order_capacity), EVENT_DTYPE)
        protection = self.view.word(lay.PROTECTION_AT)
        self.quotes = (
            self.region.ctypes.data + protection + protection_layout.HEADER_BYTES
            if protection
            else 0
        )
        bump = self.view.word(lay.BUMP_AT)
        self.bump = self.region.ctypes.data + bump if bump else 0
        self.seq = self.entered = self.no_room = 0

    def apply(self, record):
        assert before(self.region.ctypes.data, record.ctypes.data) == 1 << 8, record

    def run(self, orders, looks=1):
        """Commands done, the rule broken, commands refused, events."""
        orders["seq"] = np.arange(self.seq + 1, self.seq + 1 + len(orders))
        self.seq += len(orders)
        counts = np.zeros(4, np.int64)
        done, broken = run_loop(
            kernel_address(process_batch, 5),
            self.engine.address,
            self.region.ctypes.data,
            self.quotes,
            self.bump,
            orders.ctypes.data,
            len(orders),
            self.out.ctypes.data,
            len(self.out),
            looks,
            counts.ctypes.data,
        )
        refused, events, entered, no_room = counts.tolist()
        self.entered, self.no_room = self.entered + entered, self.no_room + no_room
        return done, broken, refused, events

    def hooked(self, instruments, order_capacity=5_000):
        """A core as the pipeline has it, with the same state."""
        quotes_at = self.quotes - self.region.ctypes.data if self.quotes else 0
        more = (hold, due, self.view.word(lay.BUMP_AT)) if self.bump else ()
        hooks = Hooks(self.region, before, after, quotes_at, ahead, *more)
        return Engine(instruments, order_capacity, hooks=hooks)
