"""The matcher where it is weakest: scattered prices, shuffled ids, large books, against C++ books.

Part of ``outcry bench matcher``.  The headline is the slowest of the five streams of
``flow/streams.py``.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from openoutcry.bench import matcher_loops as loops
from openoutcry.bench.peers import cpp_books
from openoutcry.bench.peers.programs import PeerMissing
from openoutcry.bench.rounds import Add, Rounds
from openoutcry.flow import FLOWS
from openoutcry.flow.streams import Stream
from openoutcry.host import tsc
from openoutcry.host.processes import PeerError
from openoutcry.matcher import Engine, scratch_records
from openoutcry.wire.enums import EventKind
from openoutcry.wire.records import EVENT_DTYPE

SEED = 1
PASSES = 3
PERCENTILES = (("p50", 50.0), ("p99", 99.0), ("p99_9", 99.9))
MANY_PATH = "normal"
"""The path of the large book's stream, and of the commands that are timed alone."""


@dataclass(frozen=True)
class Counts:
    """Commands of a stream, and open orders of its book; of the large book."""

    commands: int = 1_000_000
    live: int = 100_000
    many: int = 1_000_000


QUICK = Counts(50_000, 20_000, 50_000)


def load(path: str, commands: int, live: int) -> loops.Loaded:
    """A stream, in an engine whose capacity fits its book."""
    source = Stream(path, commands, SEED, live)
    orders = np.concatenate(list(source.chunks()))
    orders["seq"] = np.arange(1, len(orders) + 1)
    return loops.Loaded(source.instruments, orders, source.prefill, live + live // 4 + 1024)


class Streams:
    """The streams, loaded, and which of the C++ books can run on them.

    A book that does not end with our engine's is missing, and why is said; that none agrees with
    ours is a :class:`PeerError`.
    """

    def __init__(self, counts: Counts, peers: list[str], gathered: Rounds) -> None:
        self.loaded = {path: load(path, counts.commands, counts.live) for path in FLOWS}
        self.many = load(MANY_PATH, counts.commands, counts.many)
        self.rows = {}
        self.peers = []
        for name in peers:
            try:
                cpp_books.program(name)
            except PeerMissing as error:
                gathered.miss(name, str(error))
                continue
            self.peers.append(name)
        refuted: list[str] = []
        for path, loaded in self.loaded.items():
            self.rows[path] = cpp_books.operations(loaded.commands)
            book = _book(loaded)
            for name in list(self.peers):
                theirs = cpp_books.run(name, self.rows[path], loaded.warm, False).book
                if theirs != book:
                    self.peers.remove(name)
                    gathered.miss(
                        name,
                        f"its book after {path} is not that of our matcher: bids, "
                        f"lots, asks, lots {theirs}, not {book}",
                    )
                    refuted.append(name)
            if refuted and not self.peers:
                raise PeerError(
                    f"after {path} no peer has our matcher's book: {', '.join(refuted)}"
                )

    def round(self, add: Add, progress: Callable[[str], None]) -> None:
        """Every figure once."""
        progress("  streams")
        took = {path: _best(loaded.batches_ns) for path, loaded in self.loaded.items()}
        for path, value in took.items():
            add(f"stream_ns_{path.replace('-', '_')}", "ns", "lower", value)
        add("stream_ns_worst", "ns", "lower", max(took.values()))
        add("stream_ns_worst", "ns", "lower", min(took.values()), "fastest")
        add("stream_ns_many_live", "ns", "lower", _best(self.many.batches_ns))
        worst = self.loaded[max(took, key=lambda path: took[path])]
        add("python_ns", "ns", "lower", _best(lambda: python_ns(worst)))
        add("python_ns", "ns", "lower", _best(worst.batches_ns), "kernel")
        self._singly(add)
        for name in self.peers:
            progress(f"  {name}")
            slowest = []
            for path, rows in self.rows.items():
                warm, count = self.loaded[path].warm, self.loaded[path].count
                value = cpp_books.run(name, rows, warm, False).took_ns / count
                slowest.append(value)
                add(f"stream_ns_{path.replace('-', '_')}", "ns", "lower", value, name)
            add("stream_ns_worst", "ns", "lower", max(slowest), name)

    def _singly(self, add: Add) -> None:
        """One command alone, ours and theirs, the timers' own cost taken off."""
        if not tsc.HAS_TSC:
            return
        loaded, rows = self.loaded[MANY_PATH], self.rows[MANY_PATH]
        ticks, frequency, empty = loaded.single_ticks(), tsc.ticks_per_ns(), tsc.timer_ticks()
        theirs = {n: cpp_books.run(n, rows, loaded.warm, True).single_ns for n in self.peers}
        for at, (name, percent) in enumerate(PERCENTILES):
            value = max(0.0, float(np.percentile(ticks, percent) - empty) / frequency)
            add(f"stream_alone_{name}_ns", "ns", "lower", value)
            for peer, values in theirs.items():
                add(f"stream_alone_{name}_ns", "ns", "lower", values[at], peer)


def python_ns(loaded: loops.Loaded) -> float:
    """ns a command through ``Engine.process``, in batches of 8 of the kernel's and with ``out``."""
    engine = loaded.warmed()
    commands, batch = loaded.commands[loaded.warm :], 8 * loops.BATCH
    room = scratch_records(engine.order_capacity) + 2 * batch
    out = loaded.out if len(loaded.out) >= room else np.zeros(room, EVENT_DTYPE)
    before = time.monotonic_ns()
    for first in range(0, len(commands), batch):
        engine.process(commands[first : first + batch], out=out)
    return (time.monotonic_ns() - before) / len(commands)


def _best(measure: Callable[[], float]) -> float:
    return min(measure() for _ in range(PASSES))


def _book(loaded: loops.Loaded) -> list[int]:
    """Bids, their lots, asks, their lots after all commands, none of which may be refused."""
    engine = Engine(loaded.instruments, loaded.capacity)
    events = engine.process(loaded.commands)
    refused = int((events["kind"] == EventKind.REJECTED).sum())
    assert refused == 0, f"{refused} of the stream's commands are refused"
    depth = engine.depth(loaded.instruments["symbol"][0], engine.open_orders)
    return [sum(row[at] for row in depth[side]) for side in ("bids", "asks") for at in (2, 1)]
