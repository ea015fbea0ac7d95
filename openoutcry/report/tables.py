"""Write the figures of ``docs/evidence/`` into the documents that quote them.

A document marks the place with ``<!-- evidence: NAME -->`` (documents.py);
``python -m openoutcry.report.tables`` fills what is between the marks, and a test compares.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import openoutcry.report.goals as goals
from openoutcry.host.info import processor
from openoutcry.report.age import MEASURES, OF_SOME, History, kept_note
from openoutcry.report.cost import cost_table
from openoutcry.report.documents import fill, places, table
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
    "docs/margin.md",
    "docs/market-data.md",
    "docs/audit.md",
    "docs/backtest.md",
    "docs/topology.md",
    "docs/portal.md",
    "docs/replication.md",
    "docs/routing.md",
    "docs/security.md",
    "docs/surveillance.md",
)
MADE_BY_TESTS = {
    "backtest_deaths": "system/measurement/test_work",
    "backtest_memory": "system/measurement/test_work",
    "audit": "long/surveillance/test_audit_long",
    "audit_hundred_million": "long/surveillance/test_audit_long",
    "clock_days": "long/clock/test_clock_days",
    "clock_histories": "long/clock/test_clock_histories",
    "compare": "long/measurement/test_compare_selfcheck",
    "feed_joins": "system/market_data/test_receiver",
    "feed_restart": "long/market_data/test_feed_restart",
    "feed_hostile": "system/sessions/test_venue_feed_hostile",
    "feed_subscribers": "system/market_data/test_receiver",
    "journal_faults": "long/durability/test_journal_faults",
    "journal_kills": "system/durability/test_journal_restarts",
    "journal_power_cuts": "long/durability/test_journal_power_cuts",
    "kills": "system/durability/test_kills",
    "load_attacks": "long/operations/test_load_figures",
    "ring_kills": "system/shared_memory/test_ring_kills",
    "shim_fuzz": "system/packets/test_shim_fuzz",
    "routing": "system/routing/test_split_optimum",
    "routing_lost_messages": "system/routing/test_lost_messages",
    "routing_times": "system/routing/test_split_optimum",
    "routing_wide": "system/routing/test_split_optimum",
    "stall": "long/measurement/test_stall",
    "surveillance_blind": "long/surveillance/test_blind_markets",
}
"""The evidence that a long test writes; `make evidence` measures all other but the next."""
MADE_BY_COMMANDS = {
    "history": "python -m tests.long.portal.history_kills",
    "history_lag": "python -m tests.long.portal.history_lag",
    "history_pages": "python -m tests.long.portal.history_pages",
    "notice_burst": "python -m tests.long.portal.notice_burst",
    "portfolios": "python -m tests.long.portal.portfolios",
    "first_paint": "python -m tests.long.portal.first_paint",
    "harness": "outcry bench matcher --harness DIR",
    "mixed_kinds": "python -m openoutcry.bench.mixed_kinds",
    "routing_ccxt": "python -m tests.long.routing.ccxt_plans",
    "routing_kills_fix": "python -m tests.long.routing.kills",
    "security": "python -m tests.support.order_entry.message_costs",
}


def filled(text: str, history: History | None = None) -> str:
    """The document with every marked place filled from its evidence, where there is some.  Without
    ``history`` a table keeps what it says about its age."""

    before = places(text, "evidence")

    def content(name: str) -> str:
        try:
            kept = kept_note(before[name])
            if name == "headline":
                quoted = [read_evidence(evidence) for evidence, _, _ in HEADLINE]
                notes = [_age(document, history, kept) for document in quoted]
                return headline(OF_SOME if any(notes) else "")
            document = read_evidence(name)
            if name in MEASURES:
                document["age"] = _age(document, history, kept)
            return TABLES[name](document)
        except FileNotFoundError:
            return f"Not measured yet: `{_how_to_measure(name)}`.\n"

    return fill(text, "evidence", content)


def _age(document: dict[str, Any], history: History | None, kept: str) -> str:
    return history.note(document, MEASURES[document["name"]]) if history else kept


def _how_to_measure(name: str) -> str:
    """The command that writes this evidence."""
    test = MADE_BY_TESTS.get(name)
    if name in MADE_BY_COMMANDS:
        return MADE_BY_COMMANDS[name]
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
    age = document.get("age", "")
    return f"\nMeasured{date} with `{document['command']}`. {machine}.{disturbed}{age}\n"


MAX_IN_SENTENCES, MIB = 8, 1 << 20


def _figures(rows: Sequence[tuple[str, str]]) -> str:
    """Return the counts, and the figures: a sentence each if there are few."""
    if len(rows) > MAX_IN_SENTENCES:
        return table("| what | figure |", rows) + "\n"
    return " ".join(f"{what[0].upper()}{what[1:]}: **{figure}**." for what, figure in rows) + "\n"


GOAL_UNITS = {
    "": 1.0,
    "ns": 1.0,
    "µs": 1e3,
    "ms": 1e6,
    "ppb": 1.0,
    "%": 1e7,
    "M/s": 1e6,
    "GB/s": 1e9,
    "s": 1e9,
}


SAME = "the same / "


def _goal_table(goal_rows: Sequence[goals.GoalRow], document: dict[str, Any]) -> str:
    """The figures one below the other, each with its goal, and their source."""
    return _goals(goal_rows, document) + _source(document)


def _goals(goal_rows: Sequence[goals.GoalRow], document: dict[str, Any]) -> str:
    """A row for each figure.  A ratio to a peer without a goal joins the row that it belongs to."""
    results = {row["name"]: row for row in document["figures"]["results"]}
    rows: list[tuple[str, ...]] = []
    for name, peer, what, goal in goal_rows:
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
        if peer and not goal and rows and what.startswith(SAME):
            first, *others = rows[-1]
            seen = f"/ {what.removeprefix(SAME)}: **{show(value)}** ({low} – {high})"
            rows[-1] = (f"{first}<br>{seen}", *others)
            continue
        rows.append((what, f"**{show(value)}**", f"{low} – {high}", goal, _met(between, goal)))
    return table("| what | median | quartiles, or 95 % interval of a ratio | goal | |", rows)


def _met(between: Sequence[float], goal: str) -> str:
    """Return whether a figure keeps a goal like "≤ 16 ns", "≤ 1/60" or "≥ 1,000"; nothing
    without one.  Judged by the ends of its interval: where they disagree, the figure is noisy."""
    if not goal:
        return ""
    sign, number, unit = f"{goal} ".split(" ", 2)
    above, _, below = number.replace(",", "").partition("/")
    bound = float(above) / float(below or 1) * GOAL_UNITS[unit.strip()]
    kept = [value <= bound if sign == "≤" else value >= bound for value in between]
    return "met" if all(kept) else "noisy" if any(kept) else "missed"


pipeline_table = partial(_goal_table, goals.PIPELINE_ROWS)


def compare_table(document: dict[str, Any]) -> str:
    """Return how often `outcry bench compare` called a build slower, rightly and wrongly."""
    figures = document["figures"]
    rows = [
        (
            f"matchers {figures['slow_down_percent']} % slower, called slower (goal 9 of 10)",
            f"{figures['called_slower']} of {figures['slowed_trials']}",
        ),
        (
            "identical builds, no difference called (goal 19 of 20)",
            f"{figures['not_called']} of {figures['same_trials']}",
        ),
    ]
    return _figures(rows) + _source(document).lstrip()


def stall_table(document: dict[str, Any]) -> str:
    """Latencies of a run that was stalled, next to an undisturbed one."""
    figures = document["figures"]
    with_it, without = figures["stalled"], figures["undisturbed"]
    low, high = (duration(edge) for edge in figures["band_ns"])
    rows = [
        ("p50", duration, "p50_ns"),
        ("p99.9, median of the windows", duration, "p999_ns"),
        (f"commands a second of {low} to {high}", "{:,.0f}".format, "band_per_s"),
        ("share of the matcher's long steps by `--explain`", "{:.0%}".format,
         "share_of_decade"),
    ]  # fmt: skip
    shown = [
        (f"{what} (with the stall, without)", f"{say(with_it[key])}, {say(without[key])}")
        for what, say, key in rows
    ]
    return _figures(shown) + _source(document).lstrip()


def kills_table(document: dict[str, Any]) -> str:
    """Stages killed in mid-run, and what was lost."""
    figures = document["figures"]
    by_stage = ", ".join(f"{name} {count}" for name, count in sorted(figures["by_stage"].items()))
    rows = [
        ("stages killed with SIGKILL in mid-run", f"{figures['kills']} ({by_stage})"),
        (f"runs of {figures['orders_a_run']:,} commands", str(figures["runs"])),
        ("commands lost, duplicated", f"{figures['lost']}, {figures['duplicated']}"),
        ("runs whose state or events differ", str(figures["different_hashes"])),
    ]
    return _figures(rows) + _source(document).lstrip()


def ring_kills_table(document: dict[str, Any]) -> str:
    """The same of processes at a ring."""
    figures = document["figures"]
    by_role = ", ".join(f"{name} {count:,}" for name, count in sorted(figures["by_role"].items()))
    resumed = figures["resumed_after_proof_ms"]
    rows = [
        ("processes killed with SIGKILL at a random point", f"{figures['kills']:,} ({by_role})"),
        ("records published and checked", f"{figures['records']:,}"),
        ("slots of dead producers, skipped and counted", f"{figures['tombstones']:,}"),
        ("lost, duplicated, stuck", f"{figures['lost']}, {figures['doubled']}, {figures['stuck']}"),
        (
            "resumed after the proof of a death (goal: < 10 ms)",
            ", ".join(f"{name} {resumed[name]:.1f} ms" for name in ("p50", "p99", "max")),
        ),
    ]
    return _figures(rows) + _source(document).lstrip()


def books_table(document: dict[str, Any]) -> str:
    """Our book against recorded ones."""
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
    ("sessions", "ouch_ack_risk_p50",
     "OUCH order to acknowledgement, median: one session, memory, with risk"),
    ("pipeline", "whole_p50_none_100k",
     "median from intended send to reply, 100,000 orders/s: preloaded, memory only, without risk"),
    ("pipeline", "throughput_processes_durable",
     "orders through the pipeline, each on disk before its reply: preloaded, without risk"),
    ("matcher", "command_ns_normal", "a command in the matcher alone: preloaded, without risk"),
)  # fmt: skip
"""The figures of README's first screen: evidence, metric, what it is."""


def headline(age: str = "") -> str:
    """README's few figures, from several documents of evidence, each with its day and machine."""
    rows = []
    for name, metric, what in HEADLINE:
        document = read_evidence(name)
        results = {row["name"]: row for row in document["figures"]["results"]}
        row, cores = results.get(metric), document["host"]["cores_usable"]
        figure = quantity(row["median"], row["unit"]) if row else "not measured yet"
        rows.append((f"**{figure}**", what, f"{document['date']}, {cores} cores" if row else ""))
    page = table("| figure | what it is | measured on |", rows)
    return f"{page}\n{age.strip()}\n" if age else page


matcher_table = partial(_goal_table, goals.MATCHER_ROWS)

portal_table = partial(_goal_table, goals.PORTAL_ROWS)


LEAST_SHARE = 0.01


def mixed_kinds_table(document: dict[str, Any]) -> str:
    """The mixed stream's commands by kind and type, the one that takes most time first; those that
    take less than a hundredth of it in one line."""
    rows, count, time = [], 0.0, 0.0
    for row in document["figures"]["rows"]:
        if row["time_share"] < LEAST_SHARE:
            count, time = count + row["count_share"], time + row["time_share"]
        else:
            ranks = (f"{row[rank]:,.0f} ns" for rank in ("mean_ns", "p50_ns", "p99_ns"))
            rows.append(
                (row["name"], f"{row['count_share']:.2%}", *ranks, f"{row['time_share']:.1%}")
            )
    if count:
        rows.append(("all others", f"{count:.2%}", "", "", "", f"{time:.1%}"))
    header = "| command | of the commands | mean | p50 | p99 | of the time |"
    return table(header, rows) + _source(document)


harness_table = partial(_goal_table, goals.HARNESS_ROWS)


def ring_table(document: dict[str, Any]) -> str:
    """The ring's figures next to its peers' and the goals."""
    results = {row["name"]: row for row in document["figures"]["results"]}
    rows = []
    for name, peer, what, goal in goals.RING_ROWS:
        row = results[name]
        if peer not in row["against"]:
            rows.append((what, "not measured", "", "", "", goal, ""))
            continue
        against = row["against"][peer]
        ours, theirs = (quantity(side["median"], row["unit"]) for side in (row, against))
        times, low, high = (ratio(value) for value in (against["ratio"], *against["interval"]))
        met = _met(against["interval"], goal)
        rows.append((what, ours, theirs, f"**{times}**", f"{low} – {high}", goal, met))
    header = "| what | ours | theirs | ratio | 95 % interval | goal | |"
    return table(header, rows) + _source(document)


shim_table = partial(_goal_table, goals.SHIM_ROWS)

sessions_table = partial(_goal_table, goals.SESSIONS_ROWS)


def colocated_table(document: dict[str, Any]) -> str:
    """The goals, and what each process of an idle venue uses."""
    results = {row["name"]: row for row in document["figures"]["results"]}
    names = [name.removeprefix("idle_wakes_") for name in results if name.startswith("idle_wakes_")]
    shares = {name: results[f"idle_share_{name}"]["median"] for name in names}
    parts = [
        f"{name.capitalize()}: {shares[name] / 1e7:.2f} %, "
        + quantity(results[f"idle_wakes_{name}"]["median"], "1/s")
        for name in sorted(names, key=lambda name: -shares[name])
    ]
    idle = f"\nThe idle processes, by share of a core and wake-ups. {'. '.join(parts)}.\n"
    return _goals(goals.COLOCATED_ROWS, document) + (idle if parts else "") + _source(document)


wire_table = partial(_goal_table, goals.WIRE_ROWS)


def tick_table(document: dict[str, Any]) -> str:
    """A row for each way and durability; then one for each span, with a column for a way."""
    results = {row["name"]: row for row in document["figures"]["results"]}

    def cell(row: goals.GoalRow) -> str:
        name, peer, _, _ = row
        result = results.get(name)
        if result is None or (peer and peer not in result["against"]):
            return "not measured"
        if peer:
            return f"**{ratio_as_fraction(result['against'][peer]['ratio'])}**"
        low, high = (quantity(edge, result["unit"]) for edge in result["spread"])
        return f"**{quantity(result['median'], result['unit'])}** ({low} – {high})"

    groups = list(zip(*[iter(goals.TICK_ROWS)] * 3, strict=True))
    rows = [
        (even[0][2].removesuffix(", 100,000/s, p50"), *map(cell, even), *map(cell, bursts))
        for even, bursts in zip(groups[::2], groups[1::2], strict=True)
    ]
    spans: dict[str, list[str]] = {}
    for row in goals.TICK_SPAN_ROWS:
        spans.setdefault(row[2].partition(": ")[2], []).append(cell(row))
    ways = dict.fromkeys(row[2].partition(": ")[0] for row in goals.TICK_SPAN_ROWS)
    return (
        table(
            "| way | p50 at 100,000/s | / a bare echo's | p99 | p50 of bursts of 1 M/s "
            "| / a bare echo's | p99 |",
            rows,
        )
        + "\n"
        + table(
            f"| span, p50, memory, 100,000/s | {' | '.join(ways)} |",
            [(span, *cells) for span, cells in spans.items()],
        )
        + _source(document)
    )


market_data_table = partial(_goal_table, goals.MARKET_DATA_ROWS)


def shim_fuzz_table(document: dict[str, Any]) -> str:
    """Malformed packets, by what became of them."""
    figures = document["figures"]
    reasons = ", ".join(f"{name} {count:,}" for name, count in figures["reasons"].items() if count)
    rows = [
        ("malformed packets under AddressSanitizer and UBSan", f"{figures['packets']:,}"),
        ("published, left out, refused",
         f"{figures['published']:,}, {figures['left_out']:,}, {figures['refused']:,}"),
        ("refused by reason", f"`{reasons}`"),
        ("unaccounted; outcomes that differ from the second parser's",
         f"{figures['unaccounted']}; {figures['different']}"),
        ("records whose verdict was compared: C, golden model, RTL",
         f"{figures['verdicts_compared']:,}, all equal"),
    ]  # fmt: skip
    return _figures(rows) + _source(document).lstrip()


journal_table = partial(_goal_table, goals.JOURNAL_ROWS)
risk_table = partial(_goal_table, goals.RISK_ROWS)

operations_table = partial(_goal_table, goals.OPERATIONS_ROWS)

ledger_table = partial(_goal_table, goals.LEDGER_ROWS)

margin_table = partial(_goal_table, goals.MARGIN_ROWS)

shards_table = partial(_goal_table, goals.SHARDS_ROWS)

backtest_table = partial(_goal_table, goals.BACKTEST_ROWS)

replication_table = partial(_goal_table, goals.REPLICATION_ROWS)

AUDIT_FACTS = (
    ("commands", "commands of a generated day of ten hours, one instrument, 128 participants"),
    ("rows", "rows of its trail"),
    ("load", "the machine's load average over five minutes meanwhile"),
    ("build_s", "seconds to build it, one process"),
    ("verify_s", "seconds to verify every byte"),
    (
        "order_life_p50_ms",
        "milliseconds for the life of an order drawn from the whole trail, median",
    ),
    ("order_life_p99_ms", "milliseconds, p99 (goal ≤ 50)"),
    (
        "busiest_hour_max_s",
        "seconds, an hour of the busiest participant, the longest of nine (goal ≤ 1)",
    ),
)
FACTS = {
    "audit": AUDIT_FACTS,
    "audit_hundred_million": AUDIT_FACTS,
    "clock_histories": (
        ("histories", "random histories within the calibration's assumptions"),
        ("readings", "readings of the clock in them"),
        ("histories_outside", "histories with a reading whose interval missed the truth"),
        ("readings_outside", "such readings"),
    ),
    "journal_power_cuts": (
        ("cuts", "power cuts, any subset of the unsynced sectors and names"),
        ("acknowledged_lost", "in which an acknowledged command was lost"),
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
        ("resume_s_p50", "seconds from the resume to its first reply, median"),
        ("resume_s_max", "seconds, the longest (goal < 30)"),
    ),
    "history": (
        ("kills", "kills of projector, database and notifier at work"),
        ("crashes_of_the_server", "of them crashes of the database's server"),
        ("differing_digests", "histories whose rows differ after them"),
        ("notices_missing", "notifications missing"),
        ("notices_doubled", "notifications with another's id"),
        ("rebuild_trades_per_s", "trades a second of a history that is made again (goal 100,000)"),
        ("rebuild_own_processor_us_a_trade", "µs of processor time a trade for it, projector"),
        ("rebuild_server_processor_us_a_trade", "database"),
        ("copy_alone_trades_per_s", "by COPY alone of the same rows into tables with keys"),
        ("copy_without_keys_trades_per_s", "into tables without"),
    ),
    "history_pages": (
        ("trades", "trades in the history, made in the database (goal 50,000,000)"),
        ("users", "users"),
        ("database_bytes", "bytes of the database"),
        ("page_ms_p50", "milliseconds for a page of any kind, median"),
        ("page_ms_p99", "milliseconds, 99th percentile (goal ≤ 50)"),
        ("page_ms_worst", "milliseconds, the slowest"),
        ("pages_that_changed", "pages from a cursor on that changed while rows came"),
    ),
    "notice_burst": (
        ("notices", "notifications at one moment (goal 1,000,000)"),
        ("kills", "kills of the notifier meanwhile"),
        ("mails_missing", "missing in mails"),
        ("hooks_missing", "missing at webhooks"),
        ("sent_again", "sent twice, with the same id"),
        ("seconds", "seconds until all were sent"),
        ("login_s", "seconds until another user's login was sent, from the burst's first mail on"),
    ),
    "first_paint": (
        ("runs", "starts of a browser with an empty profile, both languages, 1280 and 390 px"),
        ("paint_ms_p50", "milliseconds to the first paint, median"),
        ("paint_ms_worst", "milliseconds, the slowest (goal ≤ 500)"),
        ("use_ms_p50", "milliseconds until the page can be used, median"),
        ("use_ms_worst", "milliseconds, the slowest (goal ≤ 1,000)"),
    ),
    "portfolios": (
        ("users", "users of one market with spot and contracts (goal 1,000)"),
        ("compared", "answers compared with the ledger's, to the unit"),
        ("different", "different"),
    ),
    "backtest_deaths": (
        ("days", "days, each with a hundred combinations of parameters"),
        ("runs", "runs"),
        ("different_hashes", "hashes that differ from a run without Ray and without a death"),
    ),
    "backtest_memory": (
        ("days", "days of 10,000 to 300,000 orders"),
        ("thirty_days_peak_kib", "KiB resident at most, all of them"),
        ("largest_day_peak_kib", "KiB resident at most, the largest alone"),
        ("ratio", "ratio of the two (goal ≤ 1.2)"),
    ),
    "feed_subscribers": (
        ("subscribers", "pages that subscribed to everything and did not read, or sent no request"),
        ("views", "views sent to each of the others meanwhile"),
        ("grown_kib", "KiB of additional memory, both ends of every connection included"),
    ),
    "feed_hostile": (
        ("subscribers", "clients that requested too much, sent nothing or nonsense, or never read"),
        ("connections", "connections of theirs that were accepted"),
        ("acknowledged", "orders acknowledged, and published on the lines, of 450"),
        ("grown_kib", "KiB of additional memory in all processes of the venue"),
        ("descriptors", "descriptors open in one of its processes, at most"),
    ),
    "feed_restart": (
        ("kills", "SIGKILLs of the feed's process, each at the end of the next figure"),
        ("commands", "commands in 10 s, half of them trades"),
        ("first_packet_cpu_s", "seconds of processor time to the first packet, the most"),
        (
            "caught_up_cpu_s",
            "seconds of processor time of the new process until it has caught up, the most",
        ),
    ),
    "feed_joins": (
        ("moments", "moments of a busy day at which a snapshot and the live feed were joined"),
        ("books_equal", "books that were the matcher's displayed book at the end"),
        ("messages", "messages of the day"),
    ),
    "routing_kills_fix": (
        ("router", "SIGKILLs of the router, each at a certain call of a connector"),
        ("venue", "of a venue"),
        ("session", "of the process with a venue's sessions"),
        ("acceptor", "of the process that takes a venue's logons"),
        ("feed", "of a venue's feed"),
        ("silence", "times that a venue was stopped until it had been given up"),
        ("drop", "times that a venue's packets were dropped for so long"),
        ("away", "kills of a venue's network namespace"),
        ("network", "of the router's"),
        ("parents", "orders routed"),
        ("children", "children; none doubled, no parent overfilled, every state right"),
        ("lots", "lots that they traded, as the venues' journals say"),
    ),
    "routing_lost_messages": (
        ("scenarios", "random scenarios"),
        ("parents", "orders; all ended, with what the venues had filled"),
        ("children", "children; none sent twice"),
        ("messages", "messages, of which 5 to 40 % did not arrive once and in time"),
    ),
    "routing": (
        ("books", "random books of two to five venues with fees, lots and minimums"),
        ("within_500_ppm", "splits that cost at most 1.0005 × the optimum (goal: 99.9 %)"),
        ("exact", "that cost exactly the optimum"),
        ("worst_ppm", "millionths above the optimum, the worst"),
        ("most_filled", "that fill as much as can be filled"),
        ("worse_than_single", "worse than the best venue alone (goal: none)"),
    ),
    "routing_wide": (
        ("books", "books also with largest orders, least notionals, and orders up to all of it"),
        ("within_500_ppm", "splits that cost at most 1.0005 × the optimum (goal: 99.9 %)"),
        ("exact", "that cost exactly the optimum"),
        ("worst_ppm", "millionths above the optimum, the worst"),
        ("most_filled", "that fill as much as can be filled"),
        ("worse_than_single", "worse than the best venue alone (goal: none)"),
    ),
    "routing_times": (
        ("books", "decisions, each 20 times, over five venues of 20 levels"),
        ("us_p50", "microseconds of processor time, median"),
        ("us_p99", "p99 of all"),
        ("least_us_p99", "p99 of the least of each 20, as other work disturbs (goal ≤ 20)"),
        ("least_us_most", "the most of those"),
        ("message_ns", "ns that a message of two venues costs beyond its book (goal ≤ 3,000)"),
        ("message_merged_ns", "that, and both sides merged after each"),
    ),
}
"""By evidence: its figures and what they are."""


def facts_table(document: dict[str, Any]) -> str:
    """One figure a row, as FACTS names them; none that an earlier measurement does not have."""
    figures = document["figures"]
    rows = [
        (what, f"{figures[key]:,.2f}" if isinstance(figures[key], float) else f"{figures[key]:,}")
        for key, what in FACTS[document["name"]]
        if key in figures
    ]
    return _figures(rows) + _source(document).lstrip()


clock_table = partial(_goal_table, goals.CLOCK_ROWS)


def history_lag_table(document: dict[str, Any]) -> str:
    """The lag at each rate at which a journal has grown."""
    rows = [
        (
            f"at {one['trades_a_second']:,} trades/s",
            f"{one['lag_ms_p50']:,.0f} / {one['lag_ms_p99']:,.0f} ms",
        )
        for one in document["figures"]["rates"]
    ]
    return "Lag at p50 / p99. " + _figures(rows) + _source(document).lstrip()


def load_attacks_table(document: dict[str, Any]) -> str:
    """A row for each listener under attack: an honest client's p99, and the process's memory."""
    figures, by_name = document["figures"], dict[str, list[dict[str, Any]]]()
    for row in figures["rows"]:
        by_name.setdefault(row["listener"].replace("_", " "), []).append(row)

    def each(rows: list[dict[str, Any]], name: str, form: str = ",.1f", unit: int = 1) -> str:
        return " / ".join(format(row[name] / unit, form) for row in rows)

    def times(rows: list[dict[str, Any]], name: str) -> str:
        is_noisy = figures["is_noisy"] or rows[0].get("is_noisy", False)
        return "noisy" if is_noisy else f"{each(rows, name)} ms"

    shown = [
        (
            name,
            each(rows, "addresses", ".0f"),
            f"{each(rows, 'more_bytes', ',.0f', MIB)} MiB",
            times(rows, "quiet_p99_ms"),
            times(rows, "attacked_p99_ms"),
        )
        for name, rows in by_name.items()
    ]
    head = "| listener | addresses | more memory | p99, quiet | p99, attacked (goal: 2 x) |"
    noisy = (
        f"Other programs took {figures['busy_percent']:.0f} % of the machine: the times that "
        "were measured say nothing of the product, and are in the file alone.\n"
    )
    return table(head, shown) + _source(document) + (noisy if figures["is_noisy"] else "")


def clock_days_table(document: dict[str, Any]) -> str:
    """A row for each source without faults, and one for all its runs with faults."""
    runs: dict[tuple[str, bool], list[dict[str, Any]]] = {}
    for run in document["figures"]["runs"]:
        runs.setdefault((run["sources"], run["faults"] > 0), []).append(run)
    rows = []
    for (sources, faulty), group in runs.items():
        total = {key: sum(run[key] for run in group) for key in SUMMED}
        worst: dict[str, Any] = {
            key: max((run[key] for run in group if run[key] is not None), default=None)
            for key in ("bound_p50_ns", "bound_p99_ns", "bound_max_ns", "drift_error_p99_ppb")
        }
        drift = worst["drift_error_p99_ppb"]
        rows.append(
            (
                f"{sources}, {total['faults']:,} faults" if faulty else sources,
                str(total["days"]),
                f"{total['readings']:,}",
                f"**{total['violations']}**",
                _window(group),
                " / ".join(quantity(worst[f"bound_{k}_ns"], "ns") for k in ("p50", "p99", "max")),
                "" if drift is None else quantity(drift, "ppb"),
            )
        )
    header = (
        "| simulated machine | days | readings | without the truth in them "
        "| the same, in the window after a suspend or migration | worst bound p50 / p99 / max "
        "| drift error p99 |"
    )
    return table(header, rows) + _source(document)


SUMMED = ("faults", "days", "readings", "violations")


def _window(runs: Sequence[dict[str, Any]]) -> str:
    """Evidence of before these readings were taken has none."""
    if any("window_readings" not in run for run in runs):
        return "not read"
    violations, readings = (
        sum(run[f"window_{key}"] for run in runs) for key in ("violations", "readings")
    )
    return f"{violations} of {readings}"


def security_table(document: dict[str, Any]) -> str:
    """Return the cost of a protocol's messages, and whether it grows with the state of others: of
    each figure the largest, with its message."""
    protocols: dict[str, list[dict[str, Any]]] = {}
    for row in document["figures"]["messages"]:
        protocols.setdefault(row["protocol"], []).append(row)
    rows = []
    for protocol, messages in protocols.items():
        costs = [row["us"]["little"] for row in messages]
        walks = [
            f"; {row['message']}: {row['grows']:.2f}, {row['walks']}"
            for row in messages
            if row["walks"]
        ]
        dearest = max(messages, key=lambda row: row["multiple"])
        growing = max((row for row in messages if not row["walks"]), key=lambda row: row["grows"])
        rows.append(
            (
                protocol,
                str(len(messages)),
                f"{min(costs):.2f} – {max(costs):.2f}",
                f"{dearest['multiple']:.2f}: {dearest['message']}",
                f"{growing['grows']:.2f}: {growing['message']}{''.join(walks)}",
            )
        )
    header = (
        "| protocol | messages | µs of all stages | a token's cost, to an order's, at most "
        "| with much state of others, to with little, at most |"
    )
    figures = document["figures"]
    doors = _doors(figures.get("kinds", {}).get("doors", {}).get("rows", []))
    return table(header, rows) + _floods(figures.get("floods")) + doors + _source(document)


def routing_ccxt_table(document: dict[str, Any]) -> str:
    """The orders of our splits next to those that CCXT plans of the same splits."""
    figures = document["figures"]
    rows = []
    for gone in (0, 1):
        ours, theirs = figures[f"ours_{gone}"], figures[f"theirs_{gone}"]
        when = "the best level of each venue gone" if gone else "the book as planned"
        rows += [
            (f"{when}: filled, %", f"{ours['filled_percent']:g}", f"{theirs['filled_percent']:g}"),
            (
                f"{when}: price above the plan's, mean (worst), ppm",
                *(f"{one['worse_ppm']:g} ({one['worst_ppm']:,.0f})" for one in (ours, theirs)),
            ),
        ]
    rows += [
        ("limits still to be rounded to the venue's price grid", "0", f"{figures['off_grid']:,}"),
        ("blocking findings of CCXT's check of the orders", f"{figures['blocking']:,}", ""),
        (
            "processor time, p50 (p99), µs",
            *(f"{figures[f'{who}_us_p50']:g} ({figures[f'{who}_us_p99']:g})"
              for who in ("split", "ccxt")),
        ),
    ]  # fmt: skip
    header = f"| {figures['books']:,} books, {figures['orders']:,} orders | ours | CCXT's plan |"
    return table(header, rows) + _source(document)


DOORS = (
    (("OUCH42", "OUCH50", "FIX42", "FIX44", "SHM"), "sessions: OUCH, FIX, shared memory"),
    (("OUCH42 over TLS", "FIX44 over TLS"), "OUCH and FIX over TLS"),
    (("the operator's desk",), "the operator's desk"),
    (("console", "screen"), "console and screen"),
    (("portal, REST", "portal, WebSockets"), "portal: REST, WebSockets"),
    (("custody, the portal's door", "custody, a signer"), "custody: door, a signer"),
)
"""The doors of one row of the page."""


def _doors(doors: list[dict[str, Any]]) -> str:
    """Return the random input of the doors, and its counts; a protocol's messages and logins are
    one row."""
    if not doors:
        return ""
    words = {
        "logins": "sessions ended and begun again",
        "answers": "answers",
        "counted": "counted as refused",
        "handshakes": "handshakes",
        "failures": "failures",
    }
    rows = {
        door: [list[dict[str, Any]](), list[dict[str, Any]]()]
        for names, _ in DOORS
        for door in names
    }
    for row in doors:
        door = row["door"].removesuffix(" logins")
        rows[door][door != row["door"]].append(row)
    lines = []
    for names, what in DOORS:
        cells = []
        for column in (0, 1):
            measured = [one for name in names for one in rows[name][column]]
            counts = ", ".join(
                f"{sum(one.get(name, 0) for one in measured):,} {word}"
                for name, word in words.items()
                if any(name in one for one in measured)
            )
            sent = sum(one["messages"] for one in measured)
            cells.append(f"{sent:,}: {counts}" if measured else "")
        lines.append((what, *cells))
    seeds = ", ".join(sorted({str(row["seed"]) for row in doors}))
    days = " to ".join(sorted({row["date"] for row in doors}))
    text = (
        "\nRandom and mutated input (`python -m tests.long.attacks.fuzz_doors --keep`, seed "
        f"{seeds}, {days}), no fault at any door:\n\n"
    )
    return text + table("| doors | messages | logins |", lines)


def _floods(floods: dict[str, Any] | None) -> str:
    """Return how an honest session fared during the floods of each kind."""
    if floods is None:
        return ""
    names = {"shm": "shared memory", "portal": "the portal"}
    groups: dict[str, list[dict[str, Any]]] = {}
    for row in floods["rows"]:
        groups.setdefault(names.get(row["kind"].partition(",")[0], "FIX"), []).append(row)
    rows = []
    for name, group in groups.items():
        p50, p99 = ([row[f"{rank}_ratio"] for row in group] for rank in ("p50", "p99"))
        worst = max(group, key=lambda row: row["p99_ratio"])
        rows.append(
            (
                name,
                str(len(group)),
                f"{min(p50):.2f} – {max(p50):.2f}",
                f"{min(p99):.2f} – {max(p99):.2f}",
                f"{worst['kind'].partition(', ')[2] if name != 'FIX' else worst['kind']}: "
                f"{worst['p99_ms']:.1f} ms, without {worst['quiet_p99_ms']:.1f} ms",
                " – ".join(f"{load:g}" for load in sorted({row["load"] for row in group})),
            )
        )
    text = (
        f"\nAnother session sends one kind at {floods['rate']:,} a second. The venue has "
        f"{floods['open_orders']:,} open orders (`{floods['command']}`):\n\n"
    )
    header = (
        "| floods by | kinds | an honest p50, to without | p99, to without | the worst p99 | load |"
    )
    return text + table(header, rows)


def surveillance_blind_table(document: dict[str, Any]) -> str:
    """A row for each kind of act in each market, then one for the honest people of each."""
    kinds, markets = [], []
    for name, market in document["figures"]["markets"].items():
        for kind, row in market["kinds"].items():
            low, high = row["interval"]
            others = ", ".join(f"{what} {count}" for what, count in row["other_names"].items())
            kinds.append(
                (
                    f"{name}: {kind.replace('_', ' ')}",
                    f"{row['seen']} of {row['acts']}",
                    f"{row['worked_seen']} of {row['worked']} ({low:.2f} to {high:.2f})",
                    others.replace("_", " "),
                )
            )
        low, high = market["interval"]
        rest = market["false"] - market["false_volume"]
        markets.append(
            (
                name,
                str(market["days"]),
                f"{market['honest_orders']:,}",
                f"{market['false']:,}, without volume {rest:,}",
                f"{market['false_per_million']:,.0f} ({low:,.0f} to {high:,.0f}), "
                f"without volume {rest / market['honest_orders'] * 1e6:,.0f}",
            )
        )
    acts = "| act | seen | seen of those that worked (95 %) | not seen, but in cases of |"
    honest = "| market | days | honest orders | false cases | a million honest orders (95 %) |"
    return table(acts, kinds) + "\n" + table(honest, markets) + _source(document)


TABLES: dict[str, Callable[[dict[str, Any]], str]] = {
    "pipeline": pipeline_table,
    "kills": kills_table,
    "books": books_table,
    "matcher": matcher_table,
    "harness": harness_table,
    "mixed_kinds": mixed_kinds_table,
    "compare": compare_table,
    "stall": stall_table,
    "ring": ring_table,
    "ring_kills": ring_kills_table,
    "shim": shim_table,
    "sessions": sessions_table,
    "colocated": colocated_table,
    "tick-to-trade": tick_table,
    "wire": wire_table,
    "market-data": market_data_table,
    "shim_fuzz": shim_fuzz_table,
    "journal": journal_table,
    "risk": risk_table,
    "operations": operations_table,
    "portal": portal_table,
    "ledger": ledger_table,
    "margin": margin_table,
    "shards": shards_table,
    "backtest": backtest_table,
    "replication": replication_table,
    **dict.fromkeys(FACTS, facts_table),
    "clock": clock_table,
    "clock_days": clock_days_table,
    "history_lag": history_lag_table,
    "load_attacks": load_attacks_table,
    "routing_ccxt": routing_ccxt_table,
    "security": security_table,
    "surveillance_blind": surveillance_blind_table,
    "prices": lambda prices: cost_table(prices, read_evidence("pipeline")),
}


def main() -> None:
    """Fill every page's tables."""
    history = History.of(ROOT)
    for name in DOCUMENTS:
        path = ROOT / name
        path.write_text(filled(path.read_text(), history))


if __name__ == "__main__":
    main()
