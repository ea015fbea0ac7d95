"""Write the figures of ``docs/evidence/`` into the documents that quote them.

A document marks the place with ``<!-- evidence: NAME -->`` … ``<!-- end -->``;
``python -m openoutcry.bench.tables`` fills what stands between, a test compares.
"""

import re
from collections.abc import Callable, Sequence
from typing import Any

from openoutcry.bench.evidence import ROOT, read_evidence

DOCUMENTS = ("README.md",)
PLACE = re.compile(r"(<!-- evidence: ([a-z_-]+) -->\n).*?(<!-- end -->)", re.DOTALL)


def filled(text: str) -> str:
    """The document with every marked place filled from its evidence."""

    def fill(match: re.Match[str]) -> str:
        return match[1] + TABLES[match[2]](read_evidence(match[2])) + match[3]

    return PLACE.sub(fill, text)


def _source(made: dict[str, Any]) -> str:
    host = made["host"]
    machine = f"{host['cpu_model']}, {host['cores_usable']} cores"
    if host.get("hypervisor"):
        machine += ", virtual"
    return f"\nMeasured {made['date']} with `{made['command']}` on {machine}.\n"


def _rows(header: str, rows: Sequence[tuple[str, ...]]) -> str:
    columns = header.count("|") - 1
    lines = [header, "|" + "---|" * columns]
    return "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in rows)]) + "\n"


def _ns(value: float) -> str:
    for unit, size in (("ms", 1e6), ("µs", 1e3)):
        if value >= size:
            return f"{value / size:.1f} {unit}"
    return f"{value:.0f} ns"


PIPELINE_ROWS = (
    ("throughput_inline_async", "one thread, journaled beside (`inline`, `async`)", "≥ 10 M/s"),
    ("throughput_processes_durable", "processes, durable (`processes`, `durable`)", "≥ 5 M/s"),
    ("throughput_processes_none", "processes, memory only (`processes`, `none`)", ""),
    ("release_p50_none_100k", "sequenced → released, p50, 100,000/s, memory only", "≤ 1 µs"),
    ("release_p99_none_100k", "sequenced → released, p99, 100,000/s, memory only", ""),
    ("whole_p50_none_100k", "intended send → reply, p50, 100,000/s, memory only", ""),
    ("whole_p99_none_100k", "intended send → reply, p99, 100,000/s, memory only", ""),
    ("whole_p50_none_1m", "intended send → reply, p50, 1,000,000/s, memory only", ""),
    ("whole_p99_none_1m", "intended send → reply, p99, 1,000,000/s, memory only", ""),
    ("whole_p50_durable_100k", "intended send → reply, p50, 100,000/s, durable", ""),
    ("whole_p99_durable_100k", "intended send → reply, p99, 100,000/s, durable", ""),
)


def pipeline_table(made: dict[str, Any]) -> str:
    results = {row["name"]: row for row in made["figures"]["results"]}
    rows = []
    for name, what, goal in PIPELINE_ROWS:
        row = results[name]
        values = [row["median"], *row["spread"]]
        if row["unit"] == "1/s":
            texts = [f"{value / 1e6:.1f} M/s" for value in values]
        else:
            texts = [_ns(value) for value in values]
        rows.append((what, f"**{texts[0]}**", f"{texts[1]} – {texts[2]}", goal))
    return _rows("| what | median | quartiles | goal |", rows) + _source(made)


def kills_table(made: dict[str, Any]) -> str:
    figures = made["figures"]
    by_stage = ", ".join(f"{name} {count}" for name, count in sorted(figures["by_stage"].items()))
    rows = [
        ("stages killed with SIGKILL in mid-run", f"{figures['kills']} ({by_stage})"),
        ("runs of 60,000 commands", str(figures["runs"])),
        ("commands lost, doubled", f"{figures['lost']}, {figures['duplicated']}"),
        ("runs whose state or events differ", str(figures["different_hashes"])),
    ]
    return _rows("| what | figure |", rows) + _source(made)


def books_table(made: dict[str, Any]) -> str:
    rows = []
    for row in made["figures"]["recordings"]:
        rows.append(
            (
                row["name"],
                f"{row['equal']:,} of {row['rows']:,} ({100 * row['equal'] / row['rows']:.3f} %)",
                f"{row['maker_agrees']:,} of {row['executions']:,} "
                f"({100 * row['maker_agrees'] / row['executions']:.2f} %)",
                row["goal"],
            )
        )
    header = "| recording | rows equal | maker is the tape's | goal |"
    return _rows(header, rows) + _source(made)


TABLES: dict[str, Callable[[dict[str, Any]], str]] = {
    "pipeline": pipeline_table,
    "kills": kills_table,
    "books": books_table,
}


def main() -> None:
    for name in DOCUMENTS:
        path = ROOT / name
        path.write_text(filled(path.read_text()))


if __name__ == "__main__":
    main()
