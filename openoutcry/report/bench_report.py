"""One HTML page for result documents: every figure with its error, and its charts.

The page loads nothing from anywhere; it is readable in light, dark and on paper, as the run's
report is, whose style and charts it shares.
"""

import os
from collections.abc import Mapping, Sequence
from typing import Any

from openoutcry.host.info import processor
from openoutcry.report import bench_charts as charts
from openoutcry.report import charts as report_charts
from openoutcry.report.core_map import core_map
from openoutcry.report.page import render_page
from openoutcry.report.quantity import compact, duration, quantity, ratio
from openoutcry.report.run_report import HOST_LABELS
from openoutcry.report.text import beside, by_length, core_groups, knee, not_kept
from openoutcry.wire.atomic_file import write_atomically

Document = Mapping[str, Any]
"""Document that bench/results.py declares and checks."""

SLOWEST_SHOWN = 20
CAUSES_SHOWN = 12
INCIDENTS_SHOWN = 10
LOST_SHOWN = 8
MANY_SUBJECTS = 3
FOLDED_ROWS, CAPPED_ROWS = 100, 1_000
"""A table of more figures (a row a pair of 15 cores and more) is folded away, and ends there."""


def write_bench_report(documents: Sequence[Document], path: str | os.PathLike[str]) -> None:
    """Write the report of some documents, whole or not at all."""
    write_atomically(path, render(documents))


def render(documents: Sequence[Document]) -> str:
    """The report's HTML."""
    return render_page(
        "bench_report.html",
        {"ns": duration, "compact": compact},
        title=" · ".join(document["subject"] for document in documents),
        heading=_heading(documents),
        documents=[_view(document) for document in documents],
        host=_host(documents[0]["host"]) if documents else [],
        hosts=len({_identity(document["host"]) for document in documents}),
    )


def _identity(host: dict[str, Any]) -> str:
    """Return the figures that distinguish hosts; the clock that a processor is said to have may
    move."""
    return str(sorted(item for item in host.items() if item[0] != "cpu_mhz"))


def _heading(documents: Sequence[Document]) -> str:
    """The subjects; of many how many, and where they were measured."""
    names = [document["subject"] for document in documents]
    if len(names) <= MANY_SUBJECTS:
        return " · ".join(names)
    host = documents[0]["host"]
    return f"{len(names)} subjects on {processor(host)}; {host.get('cores_usable')} cores"


def _view(document: Document) -> dict[str, Any]:
    details = document.get("details") or {}
    return {
        "made": document,
        "rows": [_row(row) for row in document["results"][:CAPPED_ROWS]],
        "figures": len(document["results"]),
        "folded": len(document["results"]) > FOLDED_ROWS,
        "noise": _noise(document.get("noise") or {}),
        "ladders": [
            _ladder(name, climbs) for name, climbs in (details.get("ladder") or {}).items()
        ],
        "bottleneck": details.get("bottleneck"),
        "compile_s": details.get("compile_s"),
        "pictures": _plots(details["pictures"]) if details.get("pictures") else None,
        "explained": [_explained(one) for one in details.get("explain") or []],
        "cores": _cores(details) if "map" in details else None,
        "lost": _lost(details),
        "perf": details.get("perf"),
    }


def _row(row: dict[str, Any]) -> dict[str, Any]:
    low, high = row["spread"]
    peers = []
    for name, theirs in row["against"].items():
        interval = theirs["interval"]
        peers.append(
            {
                "name": name,
                "median": quantity(theirs["median"], row["unit"]),
                "ratio": ratio(theirs["ratio"]),
                "interval": " – ".join(map(ratio, interval)) if interval else "one round",
            }
        )
    return {
        "name": row["name"],
        "median": quantity(row["median"], row["unit"]),
        "spread": f"{quantity(low, row['unit'])} – {quantity(high, row['unit'])}",
        "samples": row["samples"],
        "better": row["better"],
        "peers": peers,
    }


def _noise(noise: dict[str, Any]) -> str:
    if not noise:
        return ""
    stolen = [share for share in noise["steal"] if share is not None]
    others = [share for share in noise["others"] if share is not None]
    if not stolen:
        return "This host does not show what disturbed the rounds."
    text = f"Stolen by the hypervisor: at most {max(stolen):.1%} of a round. "
    text += f"Used by other programs: at most {max(others):.1%}. "
    text += f"Rounds taken again: {noise['rounds_repeated']}; "
    return text + f"disturbed rounds kept: {noise['noisy_rounds_kept']}."


def _ladder(name: str, climbs: Sequence[Sequence[dict[str, Any]]]) -> dict[str, Any]:
    """The last climb of a durability; every climb's knee is among the figures."""
    rungs = list(climbs[-1])
    at = knee(rungs)
    return {"name": name, "rungs": rungs, "knee": at, "chart": charts.rate_chart(rungs, at)}


def _plots(seen: dict[str, Any]) -> dict[str, Any]:
    stages = [stage for stage in seen["stages"] if stage["name"] != "release"]
    timeline = [{"t_s": 0.0, "commands": 0}, *seen["throughput"]]
    return {
        "rate": seen["rate"],
        "durability": seen["durability"],
        "topology": seen["topology"],
        "warm_up": seen["warm_up_commands"],
        "stages": [
            {**stage, "css": report_charts.series_class(number, stage["name"])}
            for number, stage in enumerate(stages)
        ],
        "percentiles": report_charts.percentile_chart(stages),
        "waterfalls": [(figure, charts.waterfall(stages, figure)) for figure in ("p50", "p99")],
        "throughput": report_charts.throughput_chart(timeline, seen["rate"]),
        "heat": charts.heat_chart(seen["heat"]),
    }


def _explained(tail: dict[str, Any]) -> dict[str, Any]:
    return {
        **{
            key: tail[key]
            for key in ("rate", "durability", "tail_commands", "tail_from_ns", "watched")
        },
        "steal": (tail.get("noise") or {}).get("steal"),
        "causes": tail["causes"][:CAUSES_SHOWN],
        "incidents": tail.get("incidents", [])[:INCIDENTS_SHOWN],
        "by_length": by_length(tail),
        "not_kept": not_kept(tail),
        "slowest": _slowest(tail["slowest"][:SLOWEST_SHOWN]),
        "stages": list(tail["slowest"][0]["spans_ns"]) if tail["slowest"] else [],
        "pictures": _plots(tail["pictures"]),
    }


def _slowest(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows with what ran at the same time; ``like`` names an earlier row with the same."""
    shown: list[dict[str, Any]] = []
    first: dict[str, int] = {}
    for row in rows:
        what = [(one["core"], one["what"], one["length_ns"]) for one in row["meanwhile"]]
        key = str((what, row["new_level"], row["page_faults"]))
        like = first.get(key) if what else None
        first.setdefault(key, row["seq"])
        shown.append(row | {"beside": beside(row, 0 if like else None), "like": like})
    return shown


def _cores(details: dict[str, Any]) -> dict[str, Any]:
    return {
        "chart": core_map(details),
        "groups": core_groups(details),
    }


def _lost(details: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the causes of each core's lost time with their shares, and how often each interrupted
    it."""
    shown = []
    rates = details.get("interrupts_per_s_by_name") or {}
    for core, causes in (details.get("lost_ns_by_cause") or {}).items():
        total = sum(causes.values()) or 1
        shown.append(
            {
                "core": core,
                "causes": [
                    (name, 100 * ns / total) for name, ns in list(causes.items())[:LOST_SHOWN]
                ],
                "interrupts": [
                    f"{name} {quantity(rate, '1/s')}"
                    for name, rate in list(rates.get(core, {}).items())[:LOST_SHOWN]
                ],
            }
        )
    return shown


def _host(host: dict[str, Any]) -> list[tuple[str, str]]:
    def text(value: Any) -> str:
        if value is None:
            return "not known"
        return {True: "yes", False: "no", "": "none"}.get(value, str(value))

    return [(HOST_LABELS.get(key, key), text(value)) for key, value in host.items()]
