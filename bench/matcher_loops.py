"""Our side of the matcher bench: flows through the kernels, timed in batches, singly, and replayed.

``python -m openoutcry.bench.matcher_loops stripped|memory …`` measures in a separate process what
cannot be measured in the same process as the rest: the kernels with the rarer order types compiled
out, and memory.
"""

import json
import resource
import sys
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from openoutcry.flow import GeneratedFlow
from openoutcry.host.tsc import read_tsc
from openoutcry.matcher import Engine, process_batch, process_one, scratch_records
from openoutcry.matcher.book.arena import ArenaHeader
from openoutcry.wire import EVENT_DTYPE, ORDER_DTYPE
from openoutcry.wire.indirect import call_batch_kernel, kernel_address
from openoutcry.wire.kernel import kernel
from openoutcry.wire.layout import Words
from openoutcry.wire.memory import monotonic_ns
from openoutcry.wire.record_blocks import EventRecord, OrderRecord
from openoutcry.wire.records import RECORD_BYTES, make_instruments

BATCH = 1024
"""Commands between two checks of the room for events.  Each batch writes its events over those of
the one before.  A ring whose reader keeps up is written over in cache in the same way."""
ORDER_CAPACITY = 1 << 17
LEVEL_PAGES = 1 << 14
MEMORY_ORDERS = 1_000_000

Array = npt.NDArray[Any]


@kernel
def run_batches(
    batch_kernel: int, arena: int, orders: int, count: int, batch: int, out: int, capacity: int
) -> int:
    """Process ``count`` commands by the kernel at ``batch_kernel``, ``batch`` at a time, each time
    writing at ``out`` (room for ``capacity`` events, enough for any one command).  Returns the ns
    it took.  Called by address, as the matcher's stage calls it: this measures its machine code."""
    before = monotonic_ns()
    done = 0
    while done < count:
        commands, _ = call_batch_kernel(
            batch_kernel,
            arena,
            orders + done * RECORD_BYTES,
            min(batch, count - done),
            out,
            capacity,
        )
        done += commands
    return monotonic_ns() - before


@kernel
def run_singly(
    arena: ArenaHeader, orders: int, count: int, out: EventRecord, ticks: int
) -> tuple[int, int]:
    """Process ``count`` commands as they come when the next one is not known yet: each by itself.
    Events begin again at ``out`` every 1,024 commands' worst case. With ``ticks`` (the address of
    ``count`` int64) it is written there what each took, in ticks of the time stamp counter; without
    (0) the counter is not read. Returns the ns it took, and how many events. ``orders``: address of
    the commands."""
    before = monotonic_ns()
    at = out
    written = 0
    for index in range(count):
        if index & 1023 == 0:
            at = out
        begun = read_tsc() if ticks != 0 else 0
        events = process_one(arena, OrderRecord(orders + index * RECORD_BYTES), at)
        if ticks != 0:
            Words(ticks)[index] = read_tsc() - begun
        at = EventRecord(at + (events * RECORD_BYTES))
        written += events
    return monotonic_ns() - before, written


class Loaded:
    """A flow's commands in memory, the first part of which warms up book and caches.

    ``commands``: ORDER_DTYPE with ``seq`` set.  Each measurement starts with a fresh engine.
    """

    def __init__(
        self, instruments: Array, commands: Array, warm: int, capacity: int = ORDER_CAPACITY
    ) -> None:
        self.instruments = instruments
        self.capacity = capacity
        self.commands = commands
        self.warm = warm
        self.count = len(commands) - warm
        self.out = np.zeros(scratch_records(capacity) + 2 * BATCH, EVENT_DTYPE)

    def batches_ns(self) -> float:
        """ns a command, events written, in batches of BATCH."""
        return self.run(self.warmed()) / self.count

    def run(self, engine: Engine) -> int:
        """ns that a warmed engine takes for the commands that count, in batches of BATCH."""
        return self._run(engine, self.warm, self.count)

    def singly_ns(self) -> float:
        """ns a command, each processed by itself."""
        engine = self.warmed()
        start = self.commands.ctypes.data + self.warm * RECORD_BYTES
        took, _ = run_singly(
            ArenaHeader.of(engine.address),
            start,
            self.count,
            EventRecord.of(self.out.ctypes.data),
            0,
        )
        return took / self.count

    def single_ticks(self) -> Array:
        """Ticks that each command took by itself, reading the counter included."""
        engine = self.warmed()
        ticks = np.zeros(self.count, np.int64)
        start = self.commands.ctypes.data + self.warm * RECORD_BYTES
        run_singly(
            ArenaHeader.of(engine.address),
            start,
            self.count,
            EventRecord.of(self.out.ctypes.data),
            ticks.ctypes.data,
        )
        return ticks

    def warmed(self) -> Engine:
        """A fresh engine after the commands that warm up."""
        engine = Engine(self.instruments, self.capacity, LEVEL_PAGES)
        # Every page of it touched: what the system takes to find zeroed memory is not measured.
        engine.arena[::4096] |= 0
        self._run(engine, 0, self.warm)
        return engine

    def _run(self, engine: Engine, first: int, count: int) -> int:
        start = self.commands.ctypes.data + first * RECORD_BYTES
        return batches_ns(engine, start, count, self.out)


def batches_ns(engine: Engine, orders: int, count: int, out: Array) -> int:
    """ns in which the engine processes ``count`` commands at the address ``orders``, in batches of
    BATCH, writing events at ``out``."""
    batch_kernel = kernel_address(process_batch, 5)
    return run_batches(
        batch_kernel, engine.address, orders, count, BATCH, out.ctypes.data, len(out)
    )


def load(source: Any, warm: int) -> Loaded:
    """All commands of a generated flow, numbered."""
    commands = np.concatenate(list(source.chunks()))
    commands["seq"] = np.arange(1, len(commands) + 1)
    return Loaded(source.instruments, commands, warm)


def resident_bytes() -> int:
    """Memory of this process that is resident, from /proc/self/statm."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize()


def memory_bytes_per_order(orders: int) -> float:
    """Return how much the process grows by an engine with ``orders`` open orders, over the number
    of them.

    The orders lie on 2,048 prices a side, their ids count upwards; commands and events pass through
    the same small buffers.
    """
    _fill(1 << 10, 1 << 10)
    before = resident_bytes()
    engine = _fill(orders, 1 << (orders - 1).bit_length())
    grown = resident_bytes() - before
    if engine.open_orders != orders:
        raise AssertionError(f"{engine.open_orders} orders are open, not {orders}")
    return grown / orders


def _fill(orders: int, capacity: int) -> Engine:
    engine = Engine(make_instruments(["OUTCRY"]), capacity)
    chunk = np.zeros(min(orders, 1 << 14), ORDER_DTYPE)
    for field, value in (("symbol", b"OUTCRY"), ("qty_lots", 100), ("participant", 1)):
        chunk[field] = value
    for field in ("kind", "order_type", "time_in_force"):
        chunk[field] = 1
    out = np.zeros(2 * len(chunk), EVENT_DTYPE)
    index = np.arange(len(chunk))
    for first in range(0, orders, len(chunk)):
        count = min(len(chunk), orders - first)
        number = first + index
        chunk["order_id"] = chunk["seq"] = number + 1
        chunk["side"] = 1 + (number & 1)
        # Neighbours in time are strangers in price.
        distance = 1 + (number * 7919 >> 1) % 2048
        chunk["price_ticks"] = 100_000 + np.where(number & 1, distance, -distance)
        run_singly(
            ArenaHeader.of(engine.address),
            chunk.ctypes.data,
            count,
            EventRecord.of(out.ctypes.data),
            0,
        )
    return engine


def main() -> None:
    """Run in a separate process: print memory an order, or for each line of standard input the
    loop's ns a command, as JSON."""
    what, count, warm, seed = sys.argv[1], *map(int, sys.argv[2:5])
    if what == "memory":
        print(json.dumps(memory_bytes_per_order(count)))
        return
    loaded = load(GeneratedFlow("normal", count, seed), warm)
    loaded.batches_ns()
    # One figure for each line that asks for one.
    for _ in sys.stdin:
        print(json.dumps(loaded.batches_ns()), flush=True)


if __name__ == "__main__":
    main()
