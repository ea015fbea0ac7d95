"""The feed's figures: what a subscriber waits for, what a message costs, and what the orders pay.

``event_to_datagram_*`` is from the release of an event (the gate's cursor moves) to when its
datagram is with the socket. It is taken one event at a time, of one line, on two cores that no
other process may use. Its peer ``bare_sendto`` is a loop in C that sends datagrams of the same size
in the same rounds.  In ``handed_sendto`` another thread's word sets each of them off, as a release
does.

``*_two_lines`` is to when the datagram is with line B's socket too. In ``turn_to_datagram_*`` one
thread releases and publishes, as the bare loop does. Others' work disturbs that figure least.

``encode_ns`` is an event's encoding, over a generated market, from the buffer that the pump takes
events to. Out of 72 MB of cold memory it took 3.5 ns more, which are the memory's.

``messages_out`` is what one core encodes, packs (full frames) and sends on one line. Compared with
the same without a feed (``feed_off``), ``order_path_throughput`` is a whole run with the feed on. A
receiver's book over that market's file, compared with itchcpp's, is ``receive_messages``.
"""

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

import openoutcry.market_data.pump as pump
from openoutcry.bench import market_data_live as live
from openoutcry.bench.peers import feed_peers
from openoutcry.bench.peers.programs import PeerMissing
from openoutcry.bench.rounds import Add, Rounds, rotated
from openoutcry.bench.scratch import scratch_folder
from openoutcry.flow import GeneratedFlow
from openoutcry.market_data.book import Book
from openoutcry.market_data.feed import Feed
from openoutcry.market_data.state import FeedState
from openoutcry.matcher import Engine
from openoutcry.wire import ORDER_DTYPE, OutcryError, make_instruments
from openoutcry.wire.enums import CommandKind, OrderType, Side, TimeInForce
from openoutcry.wire.records import RECORD_BYTES

COMMANDS, QUICK_COMMANDS = 1_000_000, 100_000
EVENTS, QUICK_EVENTS, BLOCKS = 4_000, 400, 5
"""One by one: events of a block, and blocks; the first one is the warm-up."""
PASSES = 5
"""A figure of a round is the best of this many passes over the same events."""
RUN_ORDERS, QUICK_RUN_ORDERS = 2_000_000, 200_000
CAPACITY = 1 << 15
BEGIN_NS = 1_700_000_000 * 10**9


class Market:
    """A generated market: its events, their times, and its feed."""

    def __init__(self, count: int) -> None:
        source = GeneratedFlow("normal", count, 3)
        orders = np.concatenate(list(source.chunks()))
        orders["seq"] = np.arange(1, len(orders) + 1)
        self.instruments = source.instruments
        self.events = Engine(self.instruments, CAPACITY).process(orders)
        self.times = BEGIN_NS + 20_000 * np.arange(len(orders), dtype=np.int64)
        self.feed = self._feed()
        self.data = self.feed.encode(self.events, self.times, 1)

    def _feed(self) -> Feed:
        """Return the feed with its memory touched, so that page faults are not measured."""
        feed = Feed(self.instruments, CAPACITY)
        feed.touch()
        return feed

    def encode(self, feed: Feed) -> Any:
        """ns that each batch of events took, as the pump has them: in a separate buffer."""
        count, context = len(self.events), np.zeros(pump.BATCH * (8 + RECORD_BYTES + 400), np.uint8)
        took = np.zeros(-(-count // pump.BATCH), np.int64)
        buffer = context.ctypes.data + -context.ctypes.data % 64
        times = buffer + pump.BATCH * RECORD_BYTES
        size = live.encode_all(
            FeedState.of(feed.address),
            self.events.ctypes.data,
            count,
            self.times.ctypes.data,
            buffer,
            times,
            times + pump.BATCH * 8,
            took.ctypes.data,
        )
        feed.require_sound()
        assert size == len(self.data)
        return took

    def encode_ns(self) -> float:
        """Each batch's best of the passes: other programs' turns on the core are in none."""
        passes = [self.encode(self._feed()) for _ in range(PASSES)]
        return float(np.min(passes, axis=0).sum()) / len(self.events)

    def receive_per_s(self) -> tuple[float, Book]:
        """Messages a second into a book, and the book."""
        best = 2.0**62
        for _ in range(PASSES):
            book = Book(CAPACITY)
            book.touch()
            start = time.monotonic_ns()
            book.apply(self.data)
            best = min(best, time.monotonic_ns() - start)
        return self.feed.messages * 1e9 / best, book


def one_by_one(count: int) -> tuple[Any, Any]:
    """Instruments and events of ``count`` new orders, each a message by itself."""
    table = make_instruments([{"symbol": "SYM", "min_price_ticks": 1, "max_price_ticks": 1 << 20}])
    orders = np.zeros(count, ORDER_DTYPE)
    orders["seq"] = orders["order_id"] = np.arange(1, count + 1)
    orders["kind"], orders["order_type"] = CommandKind.NEW, OrderType.LIMIT
    orders["time_in_force"], orders["participant"] = TimeInForce.DAY, 7
    orders["side"], orders["symbol"], orders["qty_lots"] = Side.BUY, b"SYM", 5
    orders["price_ticks"] = 10_000 - np.arange(count) % 500
    return table, Engine(table, count + 1).process(orders)


def bench_market_data(
    rounds: int,
    quick: bool,
    command: str,
    progress: Callable[[str], None],
    peers: list[str] | None = None,
) -> dict[str, Any]:
    """Run the subject; returns the result document."""
    chosen = list(feed_peers.NAMES) if peers is None else peers
    gathered = Rounds(rounds, progress)
    progress("compiling")
    market = Market(QUICK_COMMANDS if quick else COMMANDS)
    why = live.can_multicast()

    def one_round(number: int, add: Add) -> None:
        add("encode_ns", "ns", "lower", market.encode_ns())
        _receive(market, chosen, gathered, add)
        if why:
            for name in ("event_to_datagram_p50", "event_to_datagram_p99", "messages_out"):
                gathered.miss(name, why)
        else:
            add_datagrams(quick, chosen, gathered, add)
            with live.bench(market.instruments, market.events, CAPACITY, 1) as bench:
                bench.messages_per_s(1, 1000)
                add("messages_out", "1/s", "higher", bench.messages_per_s(1001, len(market.events)))
        add_order_path(number, quick, add)

    gathered.run(one_round)
    details = {"events": len(market.events), "messages": market.feed.messages}
    return gathered.document("market-data", command, details)


def add_datagrams(quick: bool, chosen: list[str], gathered: Rounds, add: Add) -> None:
    """Blocks of events and of bare sends, one after the other, in turns."""
    count = QUICK_EVENTS if quick else EVENTS
    table, events = one_by_one(BLOCKS * count)
    names = "ours", "both", "turn", "bare_sendto", "handed_sendto"
    times_by_name: dict[str, list[Any]] = {name: [] for name in names}
    size, capacity = live.datagram_bytes(), len(events) + 1
    with (
        live.bench(table, events, capacity, 1) as ours,
        live.bench(table, events, capacity, 2) as both,
        live.bench(table, events, capacity, 1) as turn,
    ):

        def bare(handed: bool) -> Any:
            return feed_peers.sendto_ns(live.GROUPS[0], size, count, live.PAUSE_NS, handed)

        for block in range(BLOCKS):
            first = 1 + block * count
            turns: list[tuple[str, Callable[[], Any]]] = [
                ("ours", partial(ours.latencies, first, count)),
                ("both", partial(both.latencies, first, count)),
                ("turn", partial(turn.turn_ns, first, count)),
            ]
            if "bare_sendto" in chosen:
                turns.append(("bare_sendto", partial(bare, False)))
                turns.append(("handed_sendto", partial(bare, True)))
            for name, measure in rotated(turns, block):
                try:
                    times_by_name[name].append(measure())
                except PeerMissing as missing:
                    gathered.miss("bare_sendto", str(missing))
    for index, figure in enumerate((50, 99)):
        name = f"event_to_datagram_p{figure}"
        titles = {"ours": name, "both": f"{name}_two_lines", "turn": f"turn_to_datagram_p{figure}"}
        for who, title in titles.items():
            # Of each block by itself, as the bare loop says it; the first is the warm-up.
            rows = [float(np.percentile(times, figure)) for times in times_by_name[who][1:]]
            add(title, "ns", "lower", float(np.median(rows)))
            for peer in {"ours": names[3:], "turn": names[3:4]}.get(who, ()):
                if times_by_name[peer]:
                    rows = [row[index] for row in times_by_name[peer][1:]]
                    add(title, "ns", "lower", float(np.median(rows)), peer)


def _receive(market: Market, chosen: list[str], gathered: Rounds, add: Add) -> None:
    per_s, book = market.receive_per_s()
    add("receive_messages", "1/s", "higher", per_s)
    if "itchcpp" not in chosen:
        return
    symbols = [instrument.symbol for instrument in book.instruments()]
    with TemporaryDirectory(prefix="outcry-bench-") as folder:
        path = Path(folder) / "day.itch"
        path.write_bytes(market.data)
        try:
            took_ns, best = feed_peers.itchcpp_book(path, symbols)
        except PeerMissing as missing:
            gathered.miss("itchcpp", str(missing))
            return
    for instrument in book.instruments():
        ours = tuple(
            (book.levels(instrument.locate, side, 1) or [(0, 0, 0)])[0][0] for side in "BS"
        )
        if best[instrument.symbol] != ours:
            raise OutcryError(
                f"bench market-data: itchcpp's best of {instrument.symbol} is "
                f"{best[instrument.symbol]}, ours {ours}"
            )
    add("receive_messages", "1/s", "higher", market.feed.messages * 1e9 / took_ns, "itchcpp")


def add_order_path(number: int, quick: bool, add: Add) -> None:
    """Whole runs, with the feed and without, each over the same orders."""
    count = QUICK_RUN_ORDERS if quick else RUN_ORDERS
    for who in rotated(("ours", "feed_off"), number):
        add("order_path_throughput", "1/s", "higher", _run(count, who == "ours"), who)


def _run(count: int, with_it: bool) -> float:
    from openoutcry.market_data.public_feed import with_feed
    from openoutcry.market_data.spec import FeedSpec
    from openoutcry.pipeline.run import Options, run
    from openoutcry.pipeline.topology import TOPOLOGY

    source = GeneratedFlow("normal", count, 3)
    source.instruments["min_price_ticks"] = 0
    source.instruments["max_price_ticks"] = 2**32 - 1
    source.instruments["max_qty_lots"] = 2**32 - 1
    with scratch_folder("feed") as folder:
        a, b = live.GROUPS
        spec = FeedSpec(a, b, interface="127.0.0.1", ttl=0) if with_it else None
        result = run(
            Options(
                source=source,
                orders=count,
                seed=3,
                topology="processes",
                durability="async",
                journal=Path(folder) / "journal",
                verify=False,
                volatile_journal=True,
                wiring=with_feed(TOPOLOGY) if with_it else TOPOLOGY,
                feed=spec,
            )
        )
        if result["lost"] or result["duplicated"]:
            raise OutcryError("bench market-data: a run lost or doubled commands")
        return float(result["commands_per_s"])
