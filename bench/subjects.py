"""The subjects of ``outcry bench``: one line each, and nothing else to do to add one."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib import import_module
from typing import Any

ROUNDS, QUICK_ROUNDS = 7, 3
"""Rounds of a subject, unless --rounds says otherwise."""


@dataclass(frozen=True)
class Subject:
    """One subject.  Functions are named "module:function" in this room, so that ``outcry --help``
    imports none of them.

    ``measure(rounds, quick, command, progress, ...)`` returns a result document.  ``peers(text)``
    gives what --against names (None: all), handed to ``measure`` as ``peers``, or raises
    ValueError; ``setup()`` installs them.
    """

    name: str
    measure: str
    what: str
    """The subject of the measurement, in at most 60 characters."""
    peers: str = ""
    setup: str = ""
    flags: tuple[tuple[str, str], ...] = ()
    """The subject's own options, (name, help), handed to ``measure`` as keywords."""
    details: str = ""
    """Sentences for its help."""
    within: tuple[tuple[str, str, str], ...] = ()
    """Options with a folder, (name, "module:function", help): measured by that function, given the
    folder and what --against says, and all that ``measure`` is given."""
    instead: tuple[tuple[str, str, str], ...] = ()
    """Options with a file, (name, "module:function", help): the function is given the file and that
    of --out, and what it returns is printed; nothing is measured."""

    def function(self, path: str) -> Callable[..., Any]:
        """The function at ``module:name`` in ``bench``."""
        module, _, name = path.partition(":")
        loaded: Callable[..., Any] = getattr(import_module(f"openoutcry.bench.{module}"), name)
        return loaded


def chosen(text: str | None, known: Iterable[str]) -> list[str]:
    """Return the known names in a comma-separated list, in their order (None: all).

    Raises ``ValueError`` naming the one that is not known."""
    known = list(known)
    names = known if text is None else [name.strip() for name in text.split(",")]
    for name in names:
        if name not in known:
            raise ValueError(f"unknown peer {name!r}: choose from {', '.join(known)}")
    return [name for name in known if name in names]


_ALL = (
    Subject(
        "clock",
        "clock:bench_clock",
        "the clock page next to clock_gettime",
        details="Also how precise the page's time is.",
    ),
    Subject(
        "backtest",
        "backtest:bench_backtest",
        "a strategy's day, next to hftbacktest",
        setup="backtest:setup_backtest",
        details="The day runs with one worker and with two.",
    ),
    Subject(
        "colocated",
        "colocated:bench_colocated",
        "orders over shared memory through a whole venue",
        details="Also what risk, the feed and an idle venue cost, each compared in the same run.",
    ),
    Subject("cores", "cores:bench_cores", "a cache line's transfer between each pair of cores"),
    Subject(
        "gateway",
        "gateway:bench_gateway",
        "round trips over UDP through all stages",
        details="A client with a false clock shows what the measurement can hide.",
    ),
    Subject("jitter", "jitter:bench_jitter", "interruptions of each core and their causes"),
    Subject(
        "journal",
        "journal:bench_journal",
        "durable records, next to bare fdatasync",
        details="Also commits, and the time to scan, to recover and to restart.",
    ),
    Subject(
        "ledger",
        "ledger:bench_ledger",
        "postings per second into files and a database",
        details="Also postings into columns in memory, and the time to read the ledger as of any "
        "command.",
    ),
    Subject(
        "margin",
        "margin:bench_margin",
        "a pre-trade check of portfolio margin",
        details="By its bound and by the exact path, of 200 positions with 50 open orders.",
    ),
    Subject(
        "market-data",
        "market_data:bench_market_data",
        "events to datagrams, next to a bare sendto",
        "peers.feed_peers:feed_peers_named",
        "peers.feed_peers:setup_feed_peers",
        details="Also encoding, the feed's cost for orders, and a book built next to itchcpp's.",
    ),
    Subject(
        "matcher",
        "matcher:bench_matcher",
        "ns per command in five streams and in flows",
        "matcher:matchers_named",
        "matcher:setup_matchers",
        instead=(
            (
                "report-stream",
                "report_stream:report_stream",
                "Run a workload file of Flash One's matching-engine benchmark instead; "
                "print the SHA-256 of its reports and write them to --out.",
            ),
        ),
        within=(
            (
                "harness",
                "harness:bench_harness",
                "Measure inside Flash One's harness, made in this folder, next to every "
                "*_adapter.so there, of which --against chooses.",
            ),
        ),
        details="The peers are liquibook, limit_order_book and nautilus_book.",
    ),
    Subject(
        "operations",
        "operations:bench_operations",
        "the cost of watching a run, and a kill's time",
        details="A kill is measured to its last durable cancel.",
    ),
    Subject(
        "portal",
        "portal:bench_portal",
        "orders and events of the API, next to a bare echo",
        details="Also orders a second through two processes, and what idle WebSockets cost.",
    ),
    Subject(
        "pipeline",
        "pipeline:bench_pipeline",
        "throughput, latency by rate, each stage alone",
        flags=(
            ("explain", "Explain the tail: the slowest commands and their causes."),
            ("perf", "Count and sample the stages with perf; add a flame graph to the report."),
        ),
    ),
    Subject(
        "replication",
        "replication:bench_replication",
        "replicated commands per second, and failovers",
        details="A command counts once two of three nodes store it. Publishing is compared with "
        "bare JetStream; a failover is measured as the clients' wait.",
    ),
    Subject(
        "ring",
        "ring:bench_ring",
        "our ring next to others",
        "ring:peers_named",
        "ring:setup_peers",
        details="The peers are bounce, c, boost, rte_ring, disruptor and iceoryx2.",
    ),
    Subject(
        "sessions",
        "sessions:bench_sessions",
        "orders to acknowledgements, next to TCP echo",
        details="Also orders per second of 64 sessions, and the cost of reading and "
        "writing a message.",
    ),
    Subject(
        "risk",
        "risk:bench_risk",
        "ns per command of the risk checks and books",
    ),
    Subject(
        "shards",
        "shards:bench_shards",
        "several matchers and the cost of merging",
        details="Also an estimate of what more cores would give.",
    ),
    Subject(
        "shim",
        "shim:bench_shim",
        "packets into a ring by DPDK, AF_XDP and sockets",
        details="DPDK is compared with kernel sockets, AF_XDP with a blocking recv.",
    ),
    Subject(
        "tick-to-trade",
        "tick_to_trade:bench_tick_to_trade",
        "from an event to the answer to an order it caused",
        details="A strategy reads the feed by multicast or shared memory and takes an offer. Each "
        "span of the way is measured, next to a bare echo on the same path.",
    ),
    Subject(
        "wire",
        "wire:bench_wire",
        "from an order's datagram to the venue's answer",
        details="The sender is in another network namespace. The venue's port is a kernel socket, "
        "a packet socket or AF_XDP, next to a bare echo.",
    ),
    Subject(
        "surveillance",
        "surveillance:bench_surveillance",
        "events per second, alert delay and accuracy",
        details="The delay is that of an alert after its durable block. Precision and recall are "
        "those on fresh seeds.",
    ),
)

SUBJECTS = {subject.name: subject for subject in _ALL}
