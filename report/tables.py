"""Write the figures of ``docs/evidence/`` into the documents that quote them.

A document marks the place with ``<!-- evidence: NAME -->`` (documents.py);
``python -m openoutcry.report.tables`` fills what stands between, a test compares.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from openoutcry.host.info import processor
from openoutcry.report.cost import cost_table
from openoutcry.report.documents import fill, table
from openoutcry.report.evidence import ROOT, read_evidence
from openoutcry.report.quantity import duration, quantity, ratio, ratio_as_fraction

DOCUMENTS = (
    "README.md",
    "docs/benchmarks.md",
    "docs/matcher-performance.md",
    "docs/methodology.md",
    "docs/bench-ring.md",
    "docs/ring.md",
    "docs/shim.md",
    "docs/journal.md",
    "docs/clock.md",
    "docs/market-data.md",
    "docs/audit.md",
    "docs/topology.md",
    "docs/replication.md",
)
MADE_BY_TESTS = {
    "audit": "surveillance/test_audit_long",
    "audit_hundred_million": "surveillance/test_audit_long",
    "clock_days": "ptp/test_clock_days",
    "compare": "bench/test_compare_selfcheck",
    "feed_joins": "market_data/test_receiver",
    "feed_hostile": "venue/test_venue_feed_hostile",
    "feed_subscribers": "market_data/test_receiver",
    "journal_faults": "journal/test_journal_faults",
    "journal_kills": "pipeline/test_journal_restarts",
    "journal_power_cuts": "journal/test_journal_power_cuts",
    "kills": "pipeline/test_kills",
    "ring_kills": "ring/test_ring_kills",
    "shim_fuzz": "dpdk_shim/test_shim_fuzz",
    "stall": "bench/test_stall",
}
"""The evidence that a long test writes; `make evidence` measures all other."""


def filled(text: str) -> str:
    """The document with every marked place filled from its evidence, where there is some."""

    def content(name: str) -> str:
        try:
            return headline() if name == "headline" else TABLES[name](read_evidence(name))
        except FileNotFoundError:
            return f"Not measured yet: `{_how_to_measure(name)}`.\n"

    return fill(text, "evidence", content)


def _how_to_measure(name: str) -> str:
    """The command that writes this evidence."""
    test = MADE_BY_TESTS.get(name)
    return f"make test-long ARGS=tests/{test}.py" if test else "make evidence"


def _source(document: dict[str, Any]) -> str:
    host = document["host"]
    machine = f"{processor(host)}; {host['cores_usable']} cores"
    if host.get("hypervisor"):
        machine += ", virtual"
    date = f" {document['date']}" if "date" in document else ""
    noise = document.get("noise") or {}
    noisy, rounds = noise.get("noisy_rounds_kept", 0), len(noise.get("others", []))
    disturbed = f" Other programs disturbed {noisy} of {rounds} rounds." if noisy else ""
    return f"\nMeasured{date} with `{document['command']}` on {machine}.{disturbed}\n"


GoalRow = tuple[str, str, str, str]
"""Metric, peer (then the figure is the ratio to it), what it is, goal."""
GOAL_UNITS = {"": 1.0, "ns": 1.0, "µs": 1e3, "ms": 1e6, "ppb": 1.0, "M/s": 1e6, "GB/s": 1e9}


def _goal_table(wanted: Sequence[GoalRow], document: dict[str, Any]) -> str:
    """The figures one below the other, each beside its goal."""
    results = {row["name"]: row for row in document["figures"]["results"]}
    rows = []
    for name, peer, what, goal in wanted:
        row = results.get(name)
        if row is None or (peer and peer not in row["against"]):
            rows.append((what, "not measured", "", goal, ""))
            continue
        value, between = row["median"], row["spread"]
        show: Callable[[float], str] = partial(quantity, unit=row["unit"])
        if peer:
            against = row["against"][peer]
            value, between = against["ratio"], against["interval"] or [against["ratio"]] * 2
            show = ratio_as_fraction
        low, high = map(show, between)
        rows.append((what, f"**{show(value)}**", f"{low} – {high}", goal, _met(value, goal)))
    header = "| what | median | quartiles, or 95 % interval of a ratio | goal | |"
    return table(header, rows) + _source(document)


def _met(value: float, goal: str) -> str:
    """Whether a figure keeps a goal like "≤ 16 ns", "≤ 1/60" or "≥ 1,000"; nothing without one."""
    if not goal:
        return ""
    sign, number, unit = f"{goal} ".split(" ", 2)
    above, _, below = number.replace(",", "").partition("/")
    bound = float(above) / float(below or 1) * GOAL_UNITS[unit.strip()]
    return "met" if (value <= bound if sign == "≤" else value >= bound) else "missed"


PIPELINE_ROWS = (
    ("throughput_inline_async", "", "one thread, journaled beside (`inline`, `async`)", "≥ 10 M/s"),
    ("throughput_processes_durable", "", "processes, durable (`processes`, `durable`)", "≥ 5 M/s"),
    ("throughput_processes_none", "", "processes, memory only (`processes`, `none`)", ""),
    ("knee_none", "", "highest rate sustained, memory only", ""),
    ("knee_durable", "", "highest rate sustained, durable", ""),
    ("gateway_p50_none_100k", "", "received → sequenced, p50, 100,000/s, memory only", "≤ 10 µs"),
    ("matcher_p50_none_100k", "", "sequenced → matched, p50, 100,000/s, memory only", "≤ 500 ns"),
    ("release_p50_none_100k", "", "sequenced → released, p50, 100,000/s, memory only", "≤ 1 µs"),
    ("release_p99_none_100k", "", "sequenced → released, p99, 100,000/s, memory only", ""),
    ("whole_p50_none_100k", "", "intended send → reply, p50, 100,000/s, memory only", "≤ 10 µs"),
    ("whole_p99_none_100k", "", "intended send → reply, p99, 100,000/s, memory only", "≤ 10 µs"),
    ("whole_p50_none_1m", "", "intended send → reply, p50, 1,000,000/s, memory only", "≤ 10 µs"),
    ("whole_p99_none_1m", "", "intended send → reply, p99, 1,000,000/s, memory only", "≤ 10 µs"),
    ("whole_p50_durable_100k", "", "intended send → reply, p50, 100,000/s, durable", ""),
    ("whole_p99_durable_100k", "", "intended send → reply, p99, 100,000/s, durable", "≤ 500 µs"),
    ("whole_p99_durable_100k", "bare_fdatasync", "the same / p99 of a bare fdatasync loop", "≤ 2"),
)
"""The spans that people publish and aim for, and the exchange's own."""
pipeline_table = partial(_goal_table, PIPELINE_ROWS)


def compare_table(document: dict[str, Any]) -> str:
    figures = document["figures"]
    rows = [
        (
            f"trials with a matcher {figures['slow_down_percent']} % slower, called slower",
            f"{figures['called_slower']} of {figures['slowed_trials']}",
            "≥ 9 of 10",
        ),
        (
            "trials of identical builds, no difference called",
            f"{figures['not_called']} of {figures['same_trials']}",
            "≥ 19 of 20",
        ),
    ]
    return table("| what | figure | goal |", rows) + _source(document)


def stall_table(document: dict[str, Any]) -> str:
    figures = document["figures"]
    with_it, without = figures["stalled"], figures["undisturbed"]
    low, high = (duration(edge) for edge in figures["band_ns"])
    rows = [
        ("p50", duration, "p50_ns"),
        ("p99.9, median of the windows", duration, "p999_ns"),
        ("p99.9, of the quietest quarter of them", duration, "p999_quiet_ns"),
        (f"commands a second that took {low} to {high}", "{:,.0f}".format, "band_per_s"),
        (f"columns of the heat map with a cell at {low} to {high}", "{:.0%}".format,
         "heat_columns"),
        ("`--explain`: the matcher's long steps, of what took 10 to 100 µs", "{:.0%}".format,
         "share_of_decade"),
    ]  # fmt: skip
    shown = [
        (what, say(with_it[key]), say(without[key]),
         ratio(with_it[key] / without[key]) if without[key] else "")
        for what, say, key in rows
    ]  # fmt: skip
    header = "| what | with the stall | without | ratio |"
    return table(header, shown) + _source(document)


def kills_table(document: dict[str, Any]) -> str:
    figures = document["figures"]
    by_stage = ", ".join(f"{name} {count}" for name, count in sorted(figures["by_stage"].items()))
    rows = [
        ("stages killed with SIGKILL in mid-run", f"{figures['kills']} ({by_stage})"),
        ("runs of 60,000 commands", str(figures["runs"])),
        ("commands lost, doubled", f"{figures['lost']}, {figures['duplicated']}"),
        ("runs whose state or events differ", str(figures["different_hashes"])),
    ]
    return table("| what | figure |", rows) + _source(document)


def ring_kills_table(document: dict[str, Any]) -> str:
    figures = document["figures"]
    by_role = ", ".join(f"{name} {count:,}" for name, count in sorted(figures["by_role"].items()))
    resumed = figures["resumed_after_proof_ms"]
    rows = [
        ("processes killed with SIGKILL at a random point", f"{figures['kills']:,} ({by_role})"),
        ("records published and checked", f"{figures['records']:,}"),
        ("slots of dead producers, skipped and counted", f"{figures['tombstones']:,}"),
        ("lost, doubled, stuck", f"{figures['lost']}, {figures['doubled']}, {figures['stuck']}"),
        (
            "resumed after the proof of a death (goal: < 10 ms)",
            ", ".join(f"{name} {resumed[name]:.1f} ms" for name in ("p50", "p99", "max")),
        ),
    ]
    return table("| what | figure |", rows) + _source(document)


def books_table(document: dict[str, Any]) -> str:
    rows = []
    for row in document["figures"]["recordings"]:
        rows.append(
            (
                row["name"],
                f"{row['equal']:,} of {row['rows']:,} ({100 * row['equal'] / row['rows']:.3f} %)",
                f"{row['maker_agrees']:,} of {row['executions']:,} "
                f"({100 * row['maker_agrees'] / row['executions']:.2f} %)",
                row["goal"],
            )
        )
    header = "| recording | rows equal | same maker as recorded | goal |"
    return table(header, rows) + _source(document)


HEADLINE = (
    ("pipeline", "whole_p50_none_100k",
     "median from intended send to reply at 100,000 orders/s, memory only"),
    ("pipeline", "throughput_processes_durable",
     "orders through the pipeline, each on disk before its reply"),
    ("matcher", "command_ns_normal", "a command in the matcher, every order type compiled in"),
)  # fmt: skip
"""The figures of README's first screen: evidence, metric, what it is."""


def headline() -> str:
    """README's few figures, from several documents of evidence."""
    rows = []
    for name, metric, what in HEADLINE:
        results = {row["name"]: row for row in read_evidence(name)["figures"]["results"]}
        row = results[metric]
        rows.append((f"**{quantity(row['median'], row['unit'])}**", what))
    return table("| figure | what it is |", rows)


MATCHER_ROWS = (
    ("stream_ns_worst", "", "a command of the worst stream, 100,000 orders live", "≤ 18 ns"),
    ("stream_ns_worst", "fastest", "slowest of the five streams / fastest", "≤ 1.5"),
    ("stream_ns_many_live", "", "a command of a stream, 1 M orders live", "≤ 30 ns"),
    ("stream_ns_worst", "limit_order_book", "ours / limit-order-book, C++", "≤ 1/3"),
    ("stream_ns_worst", "liquibook", "ours / Liquibook, C++", "≤ 1/3"),
    ("stream_alone_p99_ns", "limit_order_book", "one of them alone, p99, ours / C++", "≤ 1"),
    ("stream_alone_p99_9_ns", "limit_order_book", "the same, p99.9", "≤ 1"),
    ("python_ns", "kernel", "Engine.process / the kernel", "≤ 1.15"),
    ("command_ns_static", "", "a command, the mid stays", ""),
    ("command_ns_normal", "", "a command, a gentle random walk", "≤ 16 ns"),
    ("command_ns_swing_25", "", "a command, a swing of 25 %", ""),
    ("command_ns_swing_40", "", "a command, a swing of 40 %", ""),
    ("command_ns_flash_crash", "", "a command, a flash crash of 58 %", ""),
    ("command_ns_slowest", "fastest", "slowest of the five / fastest", "≤ 1.3"),
    ("command_ns_mixed", "", "a command, every order type mixed", "≤ 40 ns"),
    ("command_ns_normal", "stripped", "the same / rarer types compiled out", "≤ 1.25"),
    ("command_ns_normal", "lightmatchingengine", "ours / lightmatchingengine", "≤ 1/60"),
    ("command_ns_normal", "pyorderbook", "ours / pyorderbook", "≤ 1/200"),
    ("command_ns_normal", "nautilus_book", "ours / nautilus' Rust book", "≤ 1/8"),
    ("latency_p50_ns", "", "one command alone, p50", ""),
    ("latency_p99_ns", "", "one command alone, p99", "≤ 130 ns"),
    ("latency_p99_9_ns", "", "one command alone, p99.9", "≤ 250 ns"),
    ("replay_ns", "live", "replay in batches / live, one by one", "≤ 1"),
    ("energy_nj", "", "energy a command of that random walk, all packages (RAPL)", ""),
    ("memory_bytes_per_order", "", "bytes an open order takes, of 1 M", "≤ 64"),
)
matcher_table = partial(_goal_table, MATCHER_ROWS)

RING_ROWS = (
    ("round_trip", "bounce", "round trip / a bare cache line's", "≤ 0.9"),
    ("round_trip", "boost", "round trip / boost", "≤ 0.7"),
    ("round_trip", "rte_ring", "round trip / DPDK rte_ring", "≤ 0.75"),
    ("round_trip", "disruptor", "round trip / Disruptor", "≤ 0.5"),
    ("publish_1", "boost", "messages a second, one by one / boost", "≥ 3"),
    ("publish_1", "disruptor", "messages a second, one by one / Disruptor", "≥ 5"),
    ("publish_64", "boost", "messages a second, 64 at once / boost", "≥ 4"),
    ("publish_64", "rte_ring", "messages a second, 64 at once / DPDK rte_ring", "≥ 1.5"),
    ("publish_64", "c", "messages a second, 64 at once / our algorithm in C", "≥ 1"),
    ("multi_claim_16", "single", "many-producer claims of 16 / single producer", "≥ 0.6"),
    ("python_round_trip", "iceoryx2", "round trip from Python / iceoryx2", "≤ 1/6"),
    ("python_bulk", "mp_queue", "records a second from Python / multiprocessing.Queue", "≥ 500"),
    ("observed", "unobserved", "throughput with a tail reader / without", "≥ 0.98"),
)
"""Metric, peer, what the ratio is, goal."""


def ring_table(document: dict[str, Any]) -> str:
    results = {row["name"]: row for row in document["figures"]["results"]}
    rows = []
    for name, peer, what, goal in RING_ROWS:
        row = results[name]
        if peer not in row["against"]:
            rows.append((what, "not measured", "", "", "", goal, ""))
            continue
        against = row["against"][peer]
        ours, theirs = (quantity(side["median"], row["unit"]) for side in (row, against))
        times, low, high = (ratio(value) for value in (against["ratio"], *against["interval"]))
        met = _met(against["ratio"], goal)
        rows.append((what, ours, theirs, f"**{times}**", f"{low} – {high}", goal, met))
    header = "| what | ours | theirs | ratio | 95 % interval | goal | |"
    return table(header, rows) + _source(document)


SHIM_ROWS = (
    ("packet_ns_net_ring", "", "a packet, DPDK ring device", "≤ 6 ns"),
    ("packet_ns_net_ring_bare", "", "of that, DPDK's receive call and the bench's clock", ""),
    ("packet_ns_net_ring", "with_udp_checksums", "the same / with UDP checksums to check", ""),
    ("packet_ns_net_ring", "recvmmsg", "the same / recvmmsg", "≤ 1/50"),
    ("packet_ns_net_ring", "af_packet", "the same / TPACKET_V3", ""),
    ("packet_ns_net_ring", "python_socket", "the same / a socket in Python", ""),
    ("packets_memif", "", "packets a second between two processes, memif", "≥ 40 M/s"),
    ("packet_ns_pcap", "", "a packet, DPDK capture device", ""),
    ("packet_ns_pcap", "no_huge_pages", "the same / without huge pages", "≤ 1/1.5"),
    ("one_way_p50_af_xdp", "", "one way over a cable, AF_XDP, p50", ""),
    ("one_way_p50_af_xdp", "recv", "the same / a blocking recv", "≤ 0.75"),
    ("lost", "", "packets lost without a count", "≤ 0"),
)
shim_table = partial(_goal_table, SHIM_ROWS)

SESSIONS_ROWS = (
    ("ouch_ack_p50", "", "OUCH order → acknowledgement, p50", ""),
    ("ouch_ack_p50", "tcp_echo", "the same / a bare TCP echo", "≤ 1.3"),
    ("ouch_ack_p99", "tcp_echo", "the same, p99", "≤ 2"),
    ("fix_ack_p50", "", "FIX D → 8, p50", ""),
    ("fix_ack_p50", "tcp_echo", "the same / a bare TCP echo", "≤ 1.5"),
    ("fix_ack_p50", "quickfix", "the same / a QuickFIX acceptor", "≤ 1/8"),
    ("ouch_orders_memory", "", "orders a second, 64 sessions, memory only", "≥ 1 M/s"),
    ("ouch_orders_durable", "", "orders a second, 64 sessions, durable", "≥ 0.5 M/s"),
    ("ouch_decode_ns", "", "an OUCH order read", "≤ 15 ns"),
    ("ouch_encode_ns", "", "its acknowledgement written", "≤ 15 ns"),
    ("fix_decode_ns", "", "a FIX D read", "≤ 120 ns"),
    ("fix_encode_ns", "", "its 8 written", "≤ 120 ns"),
    ("journal_bytes", "", "bytes of journal a command of a session", ""),
    ("journal_bytes", "packets", "the same / a command that came as a packet", "≤ 1.1"),
)
sessions_table = partial(_goal_table, SESSIONS_ROWS)

MARKET_DATA_ROWS = (
    ("event_to_datagram_p50", "", "an event's release → its datagram, p50", "≤ 5 µs"),
    ("event_to_datagram_p50", "bare_sendto", "the same / a bare sendto", "≤ 1.2"),
    ("event_to_datagram_p99", "bare_sendto", "the same, p99", "≤ 2"),
    (
        "turn_to_datagram_p50",
        "bare_sendto",
        "released and published in one thread / the same",
        "≤ 1.2",
    ),
    ("turn_to_datagram_p99", "bare_sendto", "the same, p99", "≤ 2"),
    ("event_to_datagram_p50_two_lines", "", "to line B's datagram too, p50", ""),
    ("encode_ns", "", "an event encoded", "≤ 10 ns"),
    ("messages_out", "", "messages a second out of one core, one line", "≥ 5 M/s"),
    ("order_path_throughput", "feed_off", "commands a second, with the feed / without", "≥ 0.97"),
    ("receive_messages", "", "messages a second into a receiver's book", "≥ 10 M/s"),
    ("receive_messages", "itchcpp", "the same / itchcpp's", "≥ 3"),
)
market_data_table = partial(_goal_table, MARKET_DATA_ROWS)


def shim_fuzz_table(document: dict[str, Any]) -> str:
    figures = document["figures"]
    reasons = ", ".join(f"{name} {count:,}" for name, count in figures["reasons"].items() if count)
    rows = [
        ("malformed packets under AddressSanitizer and UBSan", f"{figures['packets']:,}"),
        ("published, left out, refused",
         f"{figures['published']:,}, {figures['left_out']:,}, {figures['refused']:,}"),
        ("refused by reason", reasons),
        ("unaccounted; outcomes that differ from the second parser's",
         f"{figures['unaccounted']}; {figures['different']}"),
        ("records whose verdict was compared: C, golden model, RTL",
         f"{figures['verdicts_compared']:,}, all equal"),
    ]  # fmt: skip
    return table("| what | figure |", rows) + _source(document)


JOURNAL_ROWS = (
    ("durable_records", "", "records durable a second, blocks of 16,384", "≥ 10 M/s"),
    ("durable_records", "one_fsync_each", "the same / one fdatasync a record", "≥ 1,000"),
    ("durable_records", "io_uring_4", "the same / bare blocks by io_uring, four at once", ""),
    ("commit_p50", "", "a commit of one sector, p50", ""),
    ("commit_p50", "bare_fdatasync", "the same / bare write and fdatasync", "≤ 2.5"),
    ("commit_p50", "io_uring", "the same / a bare write by io_uring", ""),
    ("commit_p99", "", "a commit of one sector, p99", ""),
    ("commit_p99", "bare_fdatasync", "the same / bare write and fdatasync", "≤ 5"),
    ("scan_bytes", "", "verified a second", "≥ 2 GB/s"),
    ("recovery_s", "", "100 M commands to the book, no checkpoint", ""),
    ("from_checkpoint_s", "", "the same from a checkpoint 1 M before the end", ""),
    ("restart_s", "", "from the matcher's SIGKILL to the next release", ""),
)
journal_table = partial(_goal_table, JOURNAL_ROWS)
RISK_ROWS = (
    ("risk_ns_cached", "", "all checks and books, 64 participants × 64 instruments", "≤ 25 ns"),
    ("risk_ns_cached", "c", "the same / the same in C", "≤ 1.5"),
    ("risk_ns_large", "", "all checks and books, 1,024 × 256", "≤ 60 ns"),
    ("risk_ns_large", "c", "the same / the same in C", "≤ 1.5"),
    ("risk_ns_replaced", "", "one command in three a replace, 64 × 64", ""),
    ("risk_ns_replaced", "c", "the same / the same in C", "≤ 1.5"),
    ("risk_ns_unlimited", "", "not tracking", "≤ 2 ns"),
    ("kill_last_cancel_memory", "", "kill → 100,000th cancel released, memory only", "≤ 20 ms"),
    ("kill_last_cancel_durable", "", "kill → 100,000th cancel released, durable", "≤ 50 ms"),
    ("pipeline_durable", "", "the whole pipeline with risk, durable, a second", "≥ 8 M/s"),
    ("pipeline_durable", "no_risk", "the same / without risk", ""),
    ("wire_to_ack_p50", "", "wire → acknowledgement with risk, in memory, p50", "≤ 500 ns"),
    ("wire_to_ack_p50", "no_risk", "the same / without risk", ""),
)
risk_table = partial(_goal_table, RISK_ROWS)

OPERATIONS_ROWS: tuple[tuple[str, str, str, str], ...] = (
    ("throughput_watched", "unwatched", "commands a second, watched / alone", "≥ 0.99"),
    ("p99_watched", "unwatched", "wire → acknowledgement p99, watched / alone", "≤ 1.05"),
    ("button_to_last_cancel", "", "kill → 100,000th cancel released, durable", "≤ 50 ms"),
)
operations_table = partial(_goal_table, OPERATIONS_ROWS)

LEDGER_ROWS: tuple[tuple[str, str, str, str], ...] = (
    ("post_trades", "", "trades a second posted, with balances, one core", "≥ 1.5 M/s"),
    ("post_transfers", "", "the same, counted in transfers", "≥ 1.15 M/s"),
    ("store_duckdb", "", "trades a second into Parquet for DuckDB", "≥ 0.5 M/s"),
    ("store_postgresql", "", "trades a second into PostgreSQL", "≥ 0.06 M/s"),
    ("as_of", "", "balances as of a command of 1 M, from checkpoints", ""),
    ("netting", "", "trades a second netted, 200 members × 50 assets", "≥ 1 M/s"),
    ("netting", "duckdb", "the same / DuckDB on one thread", ""),
)
ledger_table = partial(_goal_table, LEDGER_ROWS)

SHARDS_ROWS: tuple[tuple[str, str, str, str], ...] = (
    ("matcher_alone", "", "ns a command, the one matcher", ""),
    ("skip_alone", "", "a shard without an instrument", ""),
    ("shard_of_2", "", "the fuller of two, by itself", ""),
    ("two_at_once", "", "the slower of two at once, each on a core", ""),
    ("shard_of_4", "", "the fullest of four", ""),
    ("shard_of_8", "", "the fullest of eight", ""),
    ("merge_of_2", "", "the merge of two, ns a command", ""),
    ("merge_of_8", "", "the merge of eight", ""),
    ("others_alone", "", "the slowest of the other stages", ""),
    ("pipeline", "", "the whole pipeline on these cores, in memory, one matcher", ""),
    ("pipeline", "shards_2", "the same / with two", ""),
    ("foretold_16", "", "by the model: 16 matchers, a core for each stage", ""),
    ("foretold_64", "", "by the model: 64 matchers", ""),
)
shards_table = partial(_goal_table, SHARDS_ROWS)

REPLICATION_ROWS = (
    ("replicated_commands", "", "commands, on this disk and on two of three nodes", "≥ 1 M/s"),
    ("replicated_commands", "local", "the same / on this disk alone", ""),
    ("replicated_p50", "", "sequenced → released, p50, 100,000/s", "≤ 4 ms"),
    ("publish_bytes", "", "a journal into the stream, chain, epoch and lease", ""),
    ("publish_bytes", "bare_jetstream", "the same / bare publishes of the same messages", "≥ 0.7"),
    ("gap_primary", "", "without an answer: primary killed", "≤ 5,000 ms"),
    ("gap_leader", "", "without an answer: stream's leader killed", "≤ 10,000 ms"),
    ("gap_both", "", "without an answer: both", "≤ 15,000 ms"),
    ("gap_planned", "", "without an answer: planned hand-over", "≤ 200 ms"),
    ("cold_start", "", "without an answer: everything killed", "≤ 30,000 ms"),
)
replication_table = partial(_goal_table, REPLICATION_ROWS)

AUDIT_FACTS = (
    ("commands", "commands of a generated day of ten hours, one instrument, 128 participants"),
    ("rows", "rows of its trail"),
    ("parts", "in parts"),
    ("bytes", "bytes, Parquet and index"),
    ("load", "processes that wanted to run, the machine's average over five minutes meanwhile"),
    ("build_s", "s to make it, one process"),
    ("build_cpu_s", "s of the processor for it"),
    ("verify_s", "s to verify every byte"),
    ("orders", "orders, drawn from all over it, whose lives were asked for"),
    ("order_life_p50_ms", "ms each, median"),
    ("order_life_p99_ms", "ms, p99 (goal ≤ 50)"),
    ("order_life_cpu_p99_ms", "ms of the processor, p99"),
    ("order_life_cold_max_ms", "ms, the longest of 20 with nothing in memory"),
    ("busiest_hour_p50_s", "s, an hour of the busiest participant (a quarter of everything)"),
    ("busiest_hour_max_s", "s, the longest of nine (goal ≤ 1)"),
    ("busiest_hour_cpu_max_s", "s of the processor, the longest"),
    ("middle_hour_max_s", "s, the longest of nine of the one in the middle"),
)
FACTS = {
    "audit": AUDIT_FACTS,
    "audit_hundred_million": AUDIT_FACTS,
    "journal_power_cuts": (
        ("cuts", "power cuts, any subset of the unsynced sectors and names"),
        ("acknowledged_lost", "in which something acknowledged was lost"),
        ("wrong_records_served", "in which a wrong record was served"),
    ),
    "journal_faults": (
        ("flipped_bits", "bits of 64 KiB, each flipped alone"),
        ("flips_undetected", "not detected"),
        ("cuts", "cuts, at every byte of the last two blocks"),
        ("cuts_undetected", "not detected"),
        ("wrong_records_served", "wrong records served"),
    ),
    "journal_kills": (
        ("kills", "SIGKILLs of the whole pipeline, each resumed"),
        ("acknowledged_lost", "commands acknowledged and lost"),
        ("different_hashes", "journals whose state or events differ"),
        ("resume_s_p50", "s from the resume to its first reply, median"),
        ("resume_s_max", "s, the longest (goal < 30)"),
    ),
    "feed_subscribers": (
        ("subscribers", "pages that asked for all and did not read, or sent no request"),
        ("views", "views sent to each of the others meanwhile"),
        ("grown_kib", "KiB of memory more, both ends of every connection being in it"),
    ),
    "feed_hostile": (
        ("subscribers", "who asked for too much, said nothing or nonsense, or never read"),
        ("connections", "connections of theirs that were made"),
        ("acknowledged", "orders acknowledged, and published on the lines, of 450"),
        ("grown_kib", "KiB of memory more in all processes of the venue"),
        ("descriptors", "descriptors that one of its processes had open, at most"),
    ),
    "feed_joins": (
        ("moments", "moments of a busy day at which a snapshot and the live feed were joined"),
        ("books_equal", "books that were the matcher's displayed book at the end"),
        ("messages", "messages of the day"),
    ),
}
"""By evidence: its figures and what they are."""


def facts_table(document: dict[str, Any]) -> str:
    figures = document["figures"]
    rows = [
        (what, f"{figures[key]:,.2f}" if isinstance(figures[key], float) else f"{figures[key]:,}")
        for key, what in FACTS[document["name"]]
    ]
    return table("| what | figure |", rows) + _source(document)


CLOCK_ROWS = (
    ("now_ns", "", "a reading of the page, in a kernel", ""),
    ("now_ns", "clock_gettime", "the same / clock_gettime", "≤ 1"),
    ("page_update_ns", "", "an update of the page, in a kernel", ""),
    ("bound_p99_ns", "", "bound, p99, hardware clock behind 2 µs of path (simulated)", ""),
    ("drift_error_ppb", "", "drift off the truth, p99 (simulated)", "≤ 50 ppb"),
    ("violations", "", "readings without the truth in them (simulated)", "≤ 0"),
)
clock_table = partial(_goal_table, CLOCK_ROWS)


def clock_days_table(document: dict[str, Any]) -> str:
    rows = []
    for run in document["figures"]["runs"]:
        drift = run["drift_error_p99_ppb"]
        rows.append(
            (
                f"{run['sources']}, {run['faults']} faults" if run["faults"] else run["sources"],
                str(run["days"]),
                f"{run['readings']:,}",
                f"**{run['violations']}**",
                _window(run),
                " / ".join(quantity(run[f"bound_{k}_ns"], "ns") for k in ("p50", "p99", "max")),
                "" if drift is None else quantity(drift, "ppb"),
            )
        )
    header = (
        "| simulated machine | days | readings | that missed the truth "
        "| missed of those in the window after a suspend or migration | bound p50 / p99 / max "
        "| drift error p99 |"
    )
    return table(header, rows) + _source(document)


def _window(run: dict[str, Any]) -> str:
    """Evidence of before these readings were taken has none."""
    if "window_readings" not in run:
        return "not read"
    return f"{run['window_violations']} of {run['window_readings']}"


TABLES: dict[str, Callable[[dict[str, Any]], str]] = {
    "pipeline": pipeline_table,
    "kills": kills_table,
    "books": books_table,
    "matcher": matcher_table,
    "compare": compare_table,
    "stall": stall_table,
    "ring": ring_table,
    "ring_kills": ring_kills_table,
    "shim": shim_table,
    "sessions": sessions_table,
    "market-data": market_data_table,
    "shim_fuzz": shim_fuzz_table,
    "journal": journal_table,
    "risk": risk_table,
    "operations": operations_table,
    "ledger": ledger_table,
    "shards": shards_table,
    "replication": replication_table,
    **dict.fromkeys(FACTS, facts_table),
    "clock": clock_table,
    "clock_days": clock_days_table,
    "prices": lambda prices: cost_table(prices, read_evidence("pipeline")),
}


def main() -> None:
    for name in DOCUMENTS:
        path = ROOT / name
        path.write_text(filled(path.read_text()))


if __name__ == "__main__":
    main()
