"""before, matcher and after in one kernel, each called by address, with a look after every command
at whether somebody stands past a limit."""

import numpy as np

import openoutcry.risk.layout as lay
from openoutcry.matcher import Engine, process_batch, scratch_records
from openoutcry.matcher.hooks import note_best
from openoutcry.risk import guard_layout as g
from openoutcry.risk import totals, wide
from openoutcry.risk.after import after
from openoutcry.risk.before import before
from openoutcry.risk.bits import NO_LIMIT
from openoutcry.risk.region import View, make_region
from openoutcry.wire import EVENT_DTYPE
from openoutcry.wire.indirect import call_batch_kernel, kernel_address
from openoutcry.wire.kernel import kernel
from openoutcry.wire.memory import load_i64
from openoutcry.wire.records import RECORD_BYTES


@kernel
def past_a_limit(region):
    """Number of the first rule that some participant breaks; 0: none does."""
    for who in range(load_i64(region + lay.PARTICIPANTS)):
        row = totals.participant_row(region, who)
        credit = load_i64(row + lay.CREDIT)
        capital = wide.add(load_i64(row + lay.BALANCE), credit)
        if credit != NO_LIMIT and load_i64(row + lay.RESERVED) > capital:
            return 1
        if load_i64(row + lay.GROSS) > load_i64(row + lay.GROSS_LIMIT):
            return 2
        if load_i64(row + lay.BUY_EXPOSURE) > load_i64(row + lay.BUY_EXPOSURE_LIMIT):
            return 3
        if load_i64(row + lay.SELL_EXPOSURE) > load_i64(row + lay.SELL_EXPOSURE_LIMIT):
            return 4
        if load_i64(row + lay.OPEN) > load_i64(row + lay.OPEN_LIMIT):
            return 5
        for instrument in range(load_i64(region + lay.INSTRUMENTS)):
            cell = totals.cell_of(region, who, instrument)
            position = load_i64(cell + lay.POSITION)
            if position + load_i64(cell + lay.BUY_LOTS) > load_i64(cell + lay.LONG_LIMIT):
                return 6
            if load_i64(cell + lay.SELL_LOTS) - position > load_i64(cell + lay.SHORT_LIMIT):
                return 7
    return 0


@kernel
def run_loop(batch, arena, region, quotes, orders, count, out, capacity, looks):
    """Process ``count`` commands; stops at the first after which a limit is passed.  Returns how
    many were processed, the rule broken, commands refused and events."""
    refused = written = 0
    for index in range(count):
        order = orders + index * RECORD_BYTES
        if before(region, order) != 0:
            refused += 1
            events = 0
        else:
            _, events = call_batch_kernel(batch, arena, order, 1, out, capacity)
            if quotes != 0:
                note_best(arena, quotes, out, events)
        after(region, order, out, events)
        written += events
        if looks != 0:
            broken = past_a_limit(region)
            if broken != 0:
                return index + 1, broken, refused, written
    return count, 0, refused, written


class Loop:
    def __init__(self, instruments, order_capacity=5_000, **more):
        self.engine = Engine(instruments, order_capacity)
        self.region = make_region(instruments, order_capacity=order_capacity, **more)
        self.view = View(self.region)
        self.out = np.zeros(scratch_records(order_capacity), EVENT_DTYPE)
        guard = self.view.word(lay.PROTECTION_AT)
        self.quotes = self.region.ctypes.data + guard + g.HEADER_BYTES if guard else 0
        self.seq = 0

    def apply(self, record):
        assert before(self.region.ctypes.data, record.ctypes.data) == 1 << 8, record

    def run(self, orders, looks=1):
        orders["seq"] = np.arange(self.seq + 1, self.seq + 1 + len(orders))
        self.seq += len(orders)
        return run_loop(
            kernel_address(process_batch, 5), self.engine.address, self.region.ctypes.data,
            self.quotes, orders.ctypes.data, len(orders), self.out.ctypes.data, len(self.out),
            looks,
        )  # fmt: skip
