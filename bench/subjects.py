"""The subjects of ``outcry bench``: one line each, and nothing else to do to add one."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib import import_module
from typing import Any

ROUNDS, QUICK_ROUNDS = 7, 3
"""Of a subject, where --rounds does not say otherwise."""


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
    peers: str = ""
    setup: str = ""
    flags: tuple[tuple[str, str], ...] = ()
    """Options of its own, (name, help), handed to ``measure`` as keywords."""
    instead: tuple[tuple[str, str, str], ...] = ()
    """Options with a file, (name, "module:function", help): the function is given the file and that
    of --out, and what it returns is printed; nothing is measured."""

    def function(self, path: str) -> Callable[..., Any]:
        module, _, name = path.partition(":")
        loaded: Callable[..., Any] = getattr(import_module(f"openoutcry.bench.{module}"), name)
        return loaded


def chosen(text: str | None, known: Iterable[str]) -> list[str]:
    """What a comma-separated list names of the known, in their order (None: all).

    Raises ``ValueError`` naming the one that is not known.
    """
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
        "a reading of the clock page beside clock_gettime, and how well it knows the time",
    ),
    Subject(
        "backtest",
        "backtest:bench_backtest",
        "a day with a strategy in the recorded book, beside hftbacktest; two workers and one",
        setup="backtest:setup_backtest",
    ),
    Subject("cores", "cores:bench_cores", "a cache line between every pair of cores"),
    Subject(
        "gateway",
        "gateway:bench_gateway",
        "round trips over UDP through the whole pipeline, and a client that lies about them",
    ),
    Subject("jitter", "jitter:bench_jitter", "what each core loses, and to whom"),
    Subject(
        "journal",
        "journal:bench_journal",
        "durable records and commits beside bare fdatasync; scan, recovery, restart",
    ),
    Subject(
        "ledger",
        "ledger:bench_ledger",
        "trades posted a second into columns, files and a database, and the ledger as of any "
        "command",
    ),
    Subject(
        "market-data",
        "market_data:bench_market_data",
        "events to datagrams beside a bare sendto, encoding, what the feed costs the orders, "
        "a book built beside itchcpp's",
        "peers.feed_peers:feed_peers_named",
        "peers.feed_peers:setup_feed_peers",
    ),
    Subject(
        "matcher",
        "matcher:bench_matcher",
        "ns a command in the worst of five streams, alone and in flows: liquibook, "
        "limit_order_book, nautilus_book",
        "matcher:matchers_named",
        "matcher:setup_matchers",
        instead=(
            (
                "report-stream",
                "report_stream:report_stream",
                "Measure nothing: run a workload file of Flash One's matching-engine "
                "benchmark, print its reports' SHA-256, write them to --out.",
            ),
        ),
    ),
    Subject(
        "operations",
        "operations:bench_operations",
        "what being watched costs a run, and a kill to the last durable cancel",
    ),
    Subject(
        "pipeline",
        "pipeline:bench_pipeline",
        "throughput of each way to run, latency at rates up to the knee, each stage alone: "
        "asyncio, mp_queue",
        "pipeline:peers_named",
        "",
        (
            ("explain", "Take the tail apart: the slowest commands, and why."),
            ("perf", "Count and sample the stages with perf; flame graph in the report."),
        ),
    ),
    Subject(
        "replication",
        "replication:bench_replication",
        "commands a second held for two of three nodes, publishing beside bare JetStream, what "
        "clients wait when something dies",
    ),
    Subject(
        "ring",
        "ring:bench_ring",
        "our ring beside others: bounce, c, boost, rte_ring, disruptor, iceoryx2, mp_queue",
        "ring:peers_named",
        "ring:setup_peers",
    ),
    Subject(
        "sessions",
        "sessions:bench_sessions",
        "orders to acknowledgements beside a bare TCP echo, orders a second of 64 sessions, "
        "what a message costs to read and write",
    ),
    Subject(
        "risk",
        "risk:bench_risk",
        "ns a command of the checks before the matcher and the books kept after it",
    ),
    Subject(
        "shards",
        "shards:bench_shards",
        "several matchers: what each does, what merging costs, what more cores would give",
    ),
    Subject(
        "shim",
        "shim:bench_shim",
        "packets into a ring: DPDK beside kernel sockets, AF_XDP beside a blocking recv",
    ),
    Subject(
        "surveillance",
        "surveillance:bench_surveillance",
        "events a second with all detectors, an alert behind a durable block, precision and "
        "recall on seeds drawn now",
    ),
)

SUBJECTS = {subject.name: subject for subject in _ALL}
