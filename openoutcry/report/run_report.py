"""Put a run's result on one page that opens from disk: figures, charts, and what they mean."""

import os
from collections.abc import Mapping
from typing import Any

from openoutcry.report import charts
from openoutcry.report.page import render_page
from openoutcry.report.quantity import compact, duration
from openoutcry.wire.atomic_file import write_atomically

BOOKS_SHOWN = 4
LEVELS_SHOWN = 10
UNKNOWN = "–"
ACRONYMS = {"IOC", "FOK", "ITCH", "UDP"}

DURABILITY = {
    "none": "memory-only acknowledgement: nothing is on disk when an event leaves",
    "async": "acknowledged from memory; the journal follows",
    "durable": "an event leaves only after its command is on disk",
    "replicated": "the journal is replicated; its policy says what an event waits for",
}
TOPOLOGY = {
    "inline": "every stage in turn in one thread",
    "processes": "stages in separate processes, with shared memory between them",
}
HOST_LABELS = {
    "cpu_model": "Processor",
    "cpu_family": "Processor family",
    "cpu_model_number": "Processor model",
    "cpu_stepping": "Processor stepping",
    "cpu_mhz": "Clock (MHz)",
    "l1d_cache_bytes": "L1 data cache",
    "l1i_cache_bytes": "L1 instruction cache",
    "l2_cache_bytes": "L2 cache",
    "l3_cache_bytes": "L3 cache",
    "architecture": "Architecture",
    "cores_online": "Cores online",
    "cores_physical": "Physical cores",
    "cores_usable": "Cores this run could use",
    "cores_isolated": "Isolated cores",
    "governor": "Frequency governor",
    "clock_source": "Clock source",
    "memory_bytes": "Memory",
    "hypervisor": "Virtual machine",
    "virtualisation": "Virtualisation",
    "kernel": "Kernel",
    "os": "System",
    "python": "Python",
    "numba": "numba",
    "root": "Ran as root",
}
PREPARE_LABELS = {
    "compile_s": "Kernels compiled or loaded",
    "flow_s": "Order flow made ready",
    "journal_s": "Journal made ready",
}


def write_report(result: Mapping[str, Any], path: str | os.PathLike[str]) -> None:
    """Write the HTML report of a run's ``result`` (what ``outcry run --json`` prints) to ``path``.

    The page loads nothing from anywhere.  Parts of the result that are missing or None are left
    out or marked unknown.  Raises :class:`~openoutcry.wire.atomic_file.FileNotWritten` if the
    file cannot be written; an earlier file is then untouched.
    """
    write_atomically(path, render(result))


def render(result: Mapping[str, Any]) -> str:
    """The report's HTML."""
    stages = [_stage(index, stage) for index, stage in enumerate(result.get("stages") or [])]
    timeline = result.get("timeline") or []
    events = result.get("event_kinds") or {}
    rejects = result.get("rejects") or {}
    return render_page(
        "run_report.html",
        FILTERS,
        result=result,
        verdicts=_verdicts(result),
        settings=_settings(result),
        durability=DURABILITY.get(str(result.get("durability")), ""),
        topology=TOPOLOGY.get(str(result.get("topology")), ""),
        whole=next((stage for stage in stages if stage["name"] == "whole"), None),
        stages=stages,
        percentile_chart=charts.percentile_chart(stages),
        throughput_chart=charts.throughput_chart(timeline, result.get("rate")),
        fill_chart=charts.fill_chart(timeline),
        rings=charts.ring_names(timeline),
        books=[_book(*book) for book in _deepest(result.get("depth") or {})],
        books_hidden=max(0, len(result.get("depth") or {}) - BOOKS_SHOWN),
        event_rows=_shares(events),
        reject_rows=_shares(rejects),
        account=list(_flat((result.get("source") or {}).get("account") or {})),
        prepare=_labelled(result.get("prepare") or {}, PREPARE_LABELS),
        host=_labelled(result.get("host") or {}, HOST_LABELS),
    )


def _stage(index: int, stage: Mapping[str, Any]) -> dict[str, Any]:
    span = str(stage.get("span") or "").replace("->", "→")
    known = {key: stage.get(key) for key in ("count", "p50", "p90", "p99", "p999", "max")}
    name = str(stage.get("name"))
    css = charts.series_class(index, name)
    return {**known, "name": name, "span": span, "css": css, "histogram": stage.get("histogram")}


def _verdicts(result: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return the verdicts that a reader wants first: (good, bad or plain; sentence)."""
    verdicts = []
    lost, doubled = result.get("lost"), result.get("duplicated")
    if lost is not None:
        verdicts.append(("bad", f"{lost:,} commands lost") if lost else ("good", "Nothing lost"))
    if doubled is not None:
        text = f"{doubled:,} events doubled"
        verdicts.append(("bad", text) if doubled else ("good", "Nothing doubled"))
    replay = result.get("replay")
    if replay is None:
        verdicts.append(("plain", "Not replayed"))
    elif replay.get("equal"):
        verdicts.append(("good", "Replay equal, bit for bit"))
    else:
        verdicts.append(("bad", "Replay differs"))
    restarts = len(result.get("restarts") or [])
    if restarts:
        verdicts.append(("plain", f"{restarts} restart" + ("s" if restarts > 1 else "")))
    if result.get("interrupted"):
        verdicts.append(("plain", "Stopped before its end"))
    return verdicts


def _settings(result: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return how the run was asked for, in the order a reader would repeat it."""
    source = result.get("source") or {}
    rate = result.get("rate")
    pairs = [
        ("Source", source.get("name") or source.get("kind")),
        ("Seed", result.get("seed")),
        ("Rate", "as fast as it goes" if rate is None else f"{rate:,} commands a second"),
        ("Topology", result.get("topology")),
        ("Durability", result.get("durability")),
        ("Gateway", result.get("gateway")),
    ]
    return [(name, str(value)) for name, value in pairs if value not in (None, "")]


def _deepest(depth: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """The books with the most levels, as many as are shown."""

    def levels(item: tuple[str, Any]) -> int:
        return -sum(len(item[1].get(side) or []) for side in ("bids", "asks"))

    return sorted(depth.items(), key=levels)[:BOOKS_SHOWN]


def _book(symbol: str, depth: Mapping[str, Any]) -> dict[str, Any]:
    """Chart and best levels of one book; quantities also as a share of the largest shown."""
    bids, asks = depth.get("bids") or [], depth.get("asks") or []
    shown = max(len(bids[:LEVELS_SHOWN]), len(asks[:LEVELS_SHOWN]))
    largest = max([row[1] for row in [*bids[:LEVELS_SHOWN], *asks[:LEVELS_SHOWN]]], default=1)

    def cell(side: list[Any], number: int) -> dict[str, Any] | None:
        if number >= len(side):
            return None
        price, qty, orders = side[number]
        return {"price": price, "qty": qty, "orders": orders, "share": 100 * qty / largest}

    return {
        "symbol": symbol,
        "chart": charts.depth_chart(bids, asks),
        "rows": [(cell(bids, number), cell(asks, number)) for number in range(shown)],
        "spread": asks[0][0] - bids[0][0] if bids and asks else None,
        "cut": charts.DEPTH_LEVELS if max(len(bids), len(asks)) > charts.DEPTH_LEVELS else 0,
    }


def _shares(counts: Mapping[str, int]) -> list[dict[str, Any]]:
    """Largest first, each with its share of the sum in per cent."""
    total = sum(counts.values()) or 1
    ordered = sorted(counts.items(), key=lambda item: -item[1])
    return [{"name": name, "count": n, "share": 100 * n / total} for name, n in ordered]


def _flat(values: Mapping[str, Any], before: str = "") -> Any:
    """Nested mappings as (name, text) rows."""
    for key, value in values.items():
        name = f"{before}{_words(key)}"
        if isinstance(value, Mapping):
            yield from _flat(value, f"{name}: ")
        else:
            yield name, _plain(key, value)


def _labelled(values: Mapping[str, Any], labels: Mapping[str, str]) -> list[tuple[str, str]]:
    return [(labels.get(key, _words(key)), _plain(key, value)) for key, value in values.items()]


def _plain(key: str, value: Any) -> str:
    """Any value as a reader would write it; the key's ending gives the unit."""
    if value is None:
        return "not known"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return ", ".join(str(item) for item in value) or "none"
    if isinstance(value, int | float):
        units = {"_bytes": _bytes, "_s": _seconds, "_ns": duration}
        for ending, write in units.items():
            if key.endswith(ending):
                return write(value)
        return _number(value)
    return str(value) or "none"


def _number(value: float | None) -> str:
    if value is None:
        return UNKNOWN
    return f"{value:,}" if isinstance(value, int) else f"{value:,.4g}"


def _rate(value: float | None) -> str:
    """Three digits from ten million on; a headline does not need more."""
    if value is None:
        return UNKNOWN
    return compact(value) if value >= 10_000_000 else f"{value:,.0f}"


def _bytes(value: float | None) -> str:
    if value is None:
        return UNKNOWN
    for size, unit in ((2**40, "TiB"), (2**30, "GiB"), (2**20, "MiB"), (2**10, "KiB")):
        if value >= size:
            return f"{value / size:,.1f} {unit}"
    return f"{value:,.0f} bytes"


def _ns(value: float | None) -> str:
    return UNKNOWN if value is None else duration(value)


def _seconds(value: float | None) -> str:
    return "0 s" if value == 0 else _ns(None if value is None else value * 1e9)


def _words(name: object) -> str:
    """UNKNOWN_ORDER -> Unknown order, flow_s -> Flow."""
    text = str(name).removesuffix("_s").removesuffix("_bytes").removesuffix("_ns")
    text = text.replace("_", " ").strip()
    if text.upper() in ACRONYMS:
        return text.upper()
    return text[:1].upper() + (text[1:].lower() if text.isupper() else text[1:])


FILTERS = {
    "number": _number,
    "ns": _ns,
    "rate": _rate,
    "bytes": _bytes,
    "seconds": _seconds,
    "words": _words,
}
