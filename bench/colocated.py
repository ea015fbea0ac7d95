"""The venue of a participant on its host: what an order takes over shared memory, and what the
whole venue takes with risk and its feed.

``shm_ack_*`` is from the publication of a request to the reading of its acknowledgement, one
session, in memory, with every limit of risk set, none of which rejects.  Its peer ``bare_ring`` is
a loop on the venue's core that answers with as many bytes over segments of the same kind.  In
``rings`` each request also passes through a lane, a sequenced ring, a ring of events and a stream
(relay.py).  Both are measured in the same rounds, while the venue is stopped.

``shm_orders_*`` are orders a second (immediate or cancel: two replies) of 16 sessions through the
whole venue, with risk and feed: ``memory`` does not wait for the disk, ``durable`` does.  Their
peers ``bare_ring`` and ``rings`` are the same client over those loops; of ``memory`` also the venue
without its feed.

``ouch_orders_durable_risk`` are those of 64 sessions over OUCH.  A peer has no risk; ``bare_tcp``
is the same client over as many connections to a loop that answers with as many bytes.

``idle_share`` is the share of one core that an idle venue with a console, metrics and a feed uses.
The machine's interrupts a second meanwhile, less those while the venue is stopped, are
``idle_interrupts``.

The other rows are of the subjects ``risk``, ``market-data`` and ``pipeline``, measured here so
that all are of one run: ``wire_to_ack_p50``, ``pipeline_durable``, ``risk_ns_*``,
``order_path_throughput``, ``turn_to_datagram_*``, ``whole_*_durable_100k``.
"""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from openoutcry.bench import colocated_live as live
from openoutcry.bench import idle, market_data, pipeline, relay, risk, sessions_live
from openoutcry.bench.disk import has_disk
from openoutcry.bench.market_data_live import can_multicast
from openoutcry.bench.paced import paced, percentiles
from openoutcry.bench.peers import feed_peers
from openoutcry.bench.peers.programs import PeerMissing
from openoutcry.bench.risk_peer import c_runner
from openoutcry.bench.risk_pipeline import add_pipeline
from openoutcry.bench.rounds import Add, Rounds, rotated
from openoutcry.order_entry.passwords import password_hasher
from openoutcry.wire.enums import TimeInForce

ACKS, QUICK_ACKS, ACK_BLOCKS = 20_000, 500, 5
"""Orders of a block of the acknowledgements, and blocks, of which the first is the warm-up."""
SESSIONS = 16
ORDERS_EACH, QUICK_ORDERS_EACH = 100_000, 2_000
IMMEDIATE_ANSWERS = 2
"""Replies to an immediate order that finds no seller: accepted, cancelled."""
PRICE = 10_000
FEED: dict[str, Any] = {"a": ["239.193.98.1", 26_497], "interface": "127.0.0.1", "ttl": 0}
FLOORS = {"bare_ring": live.bare_rings, "rings": relay.relaying}
"""Loops in a venue's place."""
DURABILITIES = {"memory": "async", "durable": "durable"}
"""The feed is made of the journal, so a venue with one keeps it."""


class Setup:
    """Setup of all rounds, made once."""

    def __init__(self, quick: bool, gathered: Rounds) -> None:
        self.quick, self.gathered = quick, gathered
        cores = sorted(os.sched_getaffinity(0))
        self.client_core = cores[0] if len(cores) > 1 else None
        """Where no stage spins (decision 010),"""
        self.venue_core = cores[1] if len(cores) > 1 else None
        """and the first where they do."""
        self.resting = live.order_requests(TimeInForce.DAY, PRICE)
        self.immediate = live.order_requests(TimeInForce.IOC, PRICE)
        count = risk.QUICK_COMMANDS if quick else risk.COMMANDS
        self.streams = {name: risk.Stream(*size, count) for name, size in risk.SIZES.items()}
        self.risk_peers: dict[str, Any] = {}
        try:
            self.risk_peers["c"] = c_runner(risk.BURST, risk.AHEAD)
        except PeerMissing as error:
            gathered.miss("risk_ns_cached against c", str(error))


def bench_colocated(
    rounds: int, quick: bool, command: str, progress: Callable[[str], None]
) -> dict[str, Any]:
    """Run the subject; returns the result document."""
    password_hasher()  # the venues that are measured need it: said at once, in one line
    gathered = Rounds(rounds, progress)
    progress("compiling")
    live.compile_loops()
    relay.compile_relay()
    setup = Setup(quick, gathered)

    def one(number: int, add: Add) -> None:
        for measure in rotated([acknowledgements, throughput, ouch, others, idle_venue], number):
            measure(setup, number, add)

    gathered.run(one)
    details = {"sessions": SESSIONS, "orders_each": ORDERS_EACH, "feed_in_memory": "async"}
    return gathered.document("colocated", command, details)


def acknowledgements(setup: Setup, number: int, add: Add) -> None:
    """Blocks of orders to the venue and to the loop that answers, in turns."""
    count = QUICK_ACKS if setup.quick else ACKS
    times: dict[str, list[Any]] = {"ours": [], **{name: [] for name in FLOORS}}
    with (
        sessions_live.served(1, "none", ACK_BLOCKS * count, "SHM", risk=True) as venue,
        live.logged_in(venue.door, 1) as participant,
        live.on_core(setup.client_core),
    ):
        for block in range(ACK_BLOCKS):
            for who in rotated(["ours", *FLOORS], number + block):
                if who == "ours":
                    times[who].append(participant.latencies(setup.resting, count))
                    continue
                with venue.stopped(), FLOORS[who](1, 1, setup.venue_core) as bare:
                    bare.latencies(setup.resting, min(count, 1_000))  # its pages are there
                    times[who].append(bare.latencies(setup.resting, count))
    for who, blocks in times.items():
        for rank in (50, 99):
            figures = [float(np.percentile(block, rank)) for block in blocks[1:]]
            add(f"shm_ack_p{rank}", "ns", "lower", float(np.median(figures)), who)


def throughput(setup: Setup, number: int, add: Add) -> None:
    """Orders a second of all sessions over shared memory, in memory and durable, with the feed and
    without, next to bare rings; ``number``: the round's."""
    each = QUICK_ORDERS_EACH if setup.quick else ORDERS_EACH
    ways: list[tuple[str, str, dict[str, Any] | None]] = [
        ("memory", "ours", FEED),
        ("memory", "without_feed", None),
    ]
    if has_disk(Path(".")):
        ways.append(("durable", "ours", FEED))
    else:
        setup.gathered.miss("shm_orders_durable", "this folder is in memory")
    for name, who, feed in rotated(ways, number):
        with (
            sessions_live.served(
                SESSIONS, DURABILITIES[name], SESSIONS * each, "SHM", risk=True, feed=feed
            ) as venue,
            live.logged_in(venue.door, SESSIONS) as participants,
            live.on_core(setup.client_core),
        ):
            participants.orders_per_s(setup.immediate, each // 10, IMMEDIATE_ANSWERS)  # warm
            rate = participants.orders_per_s(setup.immediate, each, IMMEDIATE_ANSWERS)
        add(f"shm_orders_{name}", "1/s", "higher", rate, who)
    for who, floor in FLOORS.items():
        with (
            floor(SESSIONS, IMMEDIATE_ANSWERS, setup.venue_core) as bare,
            live.on_core(setup.client_core),
        ):
            bare.orders_per_s(setup.immediate, each // 10, IMMEDIATE_ANSWERS)
            rate = bare.orders_per_s(setup.immediate, each, IMMEDIATE_ANSWERS)
        for name in {name for name, _, _ in ways}:
            add(f"shm_orders_{name}", "1/s", "higher", rate, who)


def ouch(setup: Setup, number: int, add: Add) -> None:
    """64 sessions over OUCH, durable, with every limit of risk and without."""
    if not has_disk(Path(".")):
        setup.gathered.miss("ouch_orders_durable_risk", "this folder is in memory")
        return
    sessions = sessions_live
    count = QUICK_ORDERS_EACH // 4 if setup.quick else ORDERS_EACH // 5
    for who in rotated(["ours", "no_risk"], number):
        with (
            sessions.venue(64, "durable", 64 * count, risk=who == "ours") as port,
            live.on_core(setup.client_core),
        ):
            rate = sessions.orders_per_s(port, 64, count)
        add("ouch_orders_durable_risk", "1/s", "higher", rate, who)
    with (
        sessions.bare_connections(64, setup.venue_core) as bare,
        live.on_core(setup.client_core),
    ):
        sessions.pumped(bare, count // 10)
        add("ouch_orders_durable_risk", "1/s", "higher", sessions.pumped(bare, count), "bare_tcp")


def others(setup: Setup, number: int, add: Add) -> None:
    """The rows of other subjects."""
    for name, stream in setup.streams.items():
        runs = [("ours", risk.run_commands), *setup.risk_peers.items()]
        for who, run in rotated(runs, number):
            best = min(stream.ns(run=run) for _ in range(risk.PASSES))
            add(f"risk_ns_{name}", "ns", "lower", best, who)
    add_pipeline(number, add, setup.quick)
    market_data.add_order_path(number, setup.quick, add)
    if why := can_multicast():
        setup.gathered.miss("turn_to_datagram_p50", why)
    else:
        market_data.add_datagrams(setup.quick, list(feed_peers.NAMES), setup.gathered, add)
    if not has_disk(Path(".")):
        setup.gathered.miss("whole_p99_durable_100k", "this folder is in memory")
        return
    seconds = pipeline.QUICK_SECONDS if setup.quick else pipeline.PACED_SECONDS
    done = paced(100_000, seconds, "durable")
    whole = percentiles(done.spans()["whole"])
    for rank in ("p50", "p99"):
        add(f"whole_{rank}_durable_100k", "ns", "lower", whole[rank])
    pipeline.add_bare_disk(seconds, 100_000, "durable_100k", add)


def idle_venue(setup: Setup, number: int, add: Add) -> None:
    """Measure what an open venue without orders uses: shares of a core in parts per billion and
    wake-ups a second, all together and by process, and interrupts a second."""
    seconds = idle.QUICK_SECONDS if setup.quick else idle.SECONDS
    used = idle.measure(seconds)
    add("idle_share", "ppb", "lower", used.share * 1e9)
    add("idle_interrupts", "1/s", "lower", used.interrupts_per_s)
    for name, share in used.by_process.items():
        add(f"idle_share_{name}", "ppb", "lower", share * 1e9)
    add("idle_wakes", "1/s", "lower", sum(used.wakes_per_s.values()))
    for name, per_s in used.wakes_per_s.items():
        add(f"idle_wakes_{name}", "1/s", "lower", per_s)
