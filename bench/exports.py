"""A document in the formats that other people's tools read.

HdrHistogram's percentile distributions and interval log (Gil Tene's plotter and JHiccup's tools),
Parquet, Chrome's trace format (Perfetto, chrome://tracing), Prometheus' text format.
"""

import io
import json
import os
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from openoutcry.bench.explain import WINDOWS
from openoutcry.bench.results import Document
from openoutcry.pipeline.recording import KINDS
from openoutcry.runtime.histogram import bucket_of, bucket_upper_ns
from openoutcry.wire.atomic_file import FileNotWritten, write_atomically
from openoutcry.wire.extras import need

HIGHEST_NS = 3_600_000_000_000
DIGITS = 3
"""The significant digits of :func:`openoutcry.bench.plot_data.histogram`."""
NS_A_US = 1_000
PROCESS_COMMANDS, PROCESS_STAGES, PROCESS_CORES = 1, 2, 3
PARQUET, HDR = "Parquet files need pyarrow", "HdrHistogram files need hdrhistogram"


def write_exports(document: Document, folder: Path) -> list[Path]:
    """Write everything that the document holds into ``folder`` (made if it is not there).

    Always ``results.parquet`` (a row a round) and ``metrics.prom``. Of each recorded run, in a
    folder named by its durability, also ``STAGE.hgrm``, ``run.hlog``, ``trace.json`` and
    ``commands.parquet``. The last has the slowest commands and a sample, with every stamp. Raises
    ``OutcryError`` where a package is missing or the folder cannot be written.
    """
    require_libraries()
    _make_folder(folder)
    path = folder / "metrics.prom"
    write_atomically(path, prometheus(document))
    written = [path, write_parquet(folder / "results.parquet", _result_rows(document))]
    for seen in recorded(document):
        written += _write_run(seen, folder / seen["durability"])
    return written


def require_libraries() -> None:
    """Raise ``OutcryError`` where a library that the exports need is missing."""
    need("pyarrow", PARQUET, "bench")
    need("hdrh.histogram", HDR, "bench")


def write_all_exports(documents: Sequence[Document], folder: Path) -> list[Path]:
    """:func:`write_exports` of some documents, each into a folder named by its subject."""
    _make_folder(folder)
    return [
        path
        for document in documents
        for path in write_exports(document, folder / document["subject"])
    ]


def _make_folder(folder: Path) -> None:
    if not folder.absolute().parent.is_dir():
        raise FileNotWritten(f"--export {folder}: there is no folder {folder.absolute().parent}")
    if folder.exists() and not folder.is_dir():
        raise FileNotWritten(f"--export {folder}: it exists and is not a folder")
    folder.mkdir(exist_ok=True)


def _write_run(seen: dict[str, Any], folder: Path) -> list[Path]:
    """The files of one recorded run."""
    _make_folder(folder)
    texts = {"trace.json": json.dumps(chrome_trace(seen["trace"])), "run.hlog": hdr_log(seen)}
    for stage in seen["stages"]:
        texts[f"{stage['name']}.hgrm"] = hgrm(stage["histogram"])
    written = [folder / name for name in texts]
    for path, text in zip(written, texts.values(), strict=True):
        write_atomically(path, text)
    names = ("seq", *(f"{kind}_ts_ns" for kind in KINDS))
    columns = {
        name: [row[at] for row in seen["trace"]["commands"]] for at, name in enumerate(names)
    }
    return [*written, write_parquet(folder / "commands.parquet", columns)]


def recorded(document: Document) -> list[dict[str, Any]]:
    """The pictures of a document's recorded runs: the watched ones where there are any."""
    details = document.get("details") or {}
    watched = [run["pictures"] for run in details.get("explain") or []]
    return watched or ([details["pictures"]] if details.get("pictures") else [])


def _histogram(buckets: Sequence[Sequence[int]]) -> Any:
    """HdrHistogram's buckets are those of :func:`plot_data.histogram`: nothing is rounded again."""
    highest = max(HIGHEST_NS, *(int(upper) for upper, _ in buckets))
    histogram = need("hdrh.histogram", HDR, "bench").HdrHistogram(1, highest, DIGITS)
    for upper, count in buckets:
        histogram.record_value(int(upper), int(count))
    return histogram


def hgrm(buckets: Sequence[Sequence[int]]) -> str:
    """A percentile distribution in µs, as HdrHistogram's plotter reads it."""
    out = io.BytesIO()
    _histogram(buckets).output_percentile_distribution(out, float(NS_A_US))
    return out.getvalue().decode()


def hdr_log(seen: dict[str, Any]) -> str:
    """An interval log, format 1.2: one line a stage, each with its tag; values in ns.

    The start is in the head, by the wall clock; each line begins 0 s after it and is as long
    as what counts of the run.
    """
    out = io.StringIO()
    writer = need("hdrh.log", HDR, "bench").HistogramLogWriter(out)
    writer.output_log_format_version()
    writer.output_comment("latency in ns, one histogram a stage")
    start = datetime.fromtimestamp(seen["start_epoch_s"], UTC)
    writer.output_comment(
        f"[StartTime: {seen['start_epoch_s']:.3f} (seconds since epoch), {start:%c} UTC]"
    )
    writer.output_legend()
    for stage in seen["stages"]:
        histogram = _histogram(stage["histogram"])
        payload = histogram.encode().decode()
        out.write(
            f"Tag={stage['name']},0.000,{seen['length_s']:.3f},"
            f"{histogram.get_max_value() / 1e6:.3f},{payload}\n"
        )
    return out.getvalue()


def _result_rows(document: Document) -> dict[str, list[Any]]:
    """One row a figure and round: subject, name, unit, better, round, value, commit, date."""
    rows = [
        (
            document["subject"],
            row["name"],
            row["unit"],
            row["better"],
            number,
            float(value),
            document["commit"],
            document.get("date", ""),
        )
        for row in document["results"]
        for number, value in enumerate(row.get("rounds") or [row["median"]])
    ]
    names = ("subject", "name", "unit", "better", "round", "value", "commit", "date")
    return {name: [row[at] for row in rows] for at, name in enumerate(names)}


def write_parquet(path: Path, columns: dict[str, list[Any]]) -> Path:
    """Write columns as one Parquet file, whole or not at all."""
    arrow, parquet = need("pyarrow", PARQUET, "bench"), need("pyarrow.parquet", PARQUET, "bench")
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        try:
            parquet.write_table(arrow.table(columns), part)
            os.replace(part, path)
        finally:
            part.unlink(missing_ok=True)
    except OSError as error:
        raise FileNotWritten(f"cannot write {path}: {error.strerror or error}") from error
    return path


def prometheus(document: Document) -> str:
    """The figures as gauges, a recorded run's stages as histograms in seconds."""
    lines = [
        "# HELP outcry_bench_figure Median of the rounds, in the figure's unit.",
        "# TYPE outcry_bench_figure gauge",
    ]
    for row in document["results"]:
        labels = _labels(subject=document["subject"], name=row["name"], unit=row["unit"])
        lines.append(f"outcry_bench_figure{labels} {row['median']!r}")
    lines += [
        "# HELP outcry_bench_rounds Rounds behind a figure.",
        "# TYPE outcry_bench_rounds gauge",
    ]
    for row in document["results"]:
        labels = _labels(subject=document["subject"], name=row["name"])
        lines.append(f"outcry_bench_rounds{labels} {row['samples']}")
    lines += _prometheus_stages(recorded(document))
    return "\n".join(lines) + "\n"


def _prometheus_stages(runs: Sequence[dict[str, Any]]) -> Iterator[str]:
    name = "outcry_stage_latency_seconds"
    if runs:
        yield f"# HELP {name} Latency of a stage over every command of a recorded run."
        yield f"# TYPE {name} histogram"
    for run in runs:
        for stage in run["stages"]:
            own = {"durability": run["durability"], "stage": stage["name"]}
            below, total = 0, 0.0
            rows = stage["histogram"]
            for number, (upper, count) in enumerate(rows):
                below += count
                total += upper * count / 1e9
                # A server keeps a series a bucket: the live histograms' 1.6 % are enough for it.
                bucket = bucket_of(upper)
                if number + 1 == len(rows) or bucket_of(rows[number + 1][0]) != bucket:
                    le = repr(bucket_upper_ns(bucket) / 1e9)
                    yield f"{name}_bucket{_labels(**own, le=le)} {below}"
            yield f"{name}_bucket{_labels(**own, le='+Inf')} {below}"
            yield f"{name}_sum{_labels(**own)} {total!r}"
            yield f"{name}_count{_labels(**own)} {below}"


def _labels(**pairs: str) -> str:
    escaped = {
        key: str(value).replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
        for key, value in pairs.items()
    }
    return "{" + ",".join(f'{key}="{value}"' for key, value in escaped.items()) + "}"


def chrome_trace(seen: dict[str, Any]) -> dict[str, Any]:
    """A run's commands, long steps and kernel intervals in Chrome's trace event format (Perfetto).

    Commands are asynchronous tracks, a slice a stage; processes and cores are threads.
    ``otherData`` says how many steps and kernel intervals were too many to keep.
    """
    starts = [row[1] for row in seen["commands"] + seen["kernel"]]
    start = min(starts + [step[2] for step in seen["steps"]])
    events = list(_named())
    for row in seen["commands"]:
        events += _command_events(row, start)
    for process, stage, begin, end in seen["steps"]:
        thread = _process_number(seen["groups"], process)
        events.append(_slice(stage, "step", PROCESS_STAGES, thread, begin - start, end - begin))
    for group in seen["groups"]:
        thread = _process_number(seen["groups"], group["process"])
        events.append(_meta("thread_name", PROCESS_STAGES, thread, group["process"]))
    for core, begin, end, kind, what in seen["kernel"]:
        name = kind if kind == what else f"{kind}: {what}"
        events.append(_slice(name, "kernel", PROCESS_CORES, core, begin - start, end - begin))
    return {
        "traceEvents": events,
        "displayTimeUnit": "ns",
        "otherData": {f"{name} left out": count for name, count in seen["left_out"].items()},
    }


def _named() -> Iterator[dict[str, Any]]:
    names = {
        PROCESS_COMMANDS: "commands",
        PROCESS_STAGES: "long steps of our processes",
        PROCESS_CORES: "what the kernel ran instead, by core",
    }
    for number, name in names.items():
        yield _meta("process_name", number, 0, name)


def _meta(kind: str, process: int, thread: int, name: str) -> dict[str, Any]:
    return {"ph": "M", "name": kind, "pid": process, "tid": thread, "args": {"name": name}}


def _process_number(groups: Sequence[dict[str, Any]], process: str) -> int:
    return [group["process"] for group in groups].index(process)


def _slice(
    name: str, kind: str, process: int, thread: int, at_ns: int, length_ns: int
) -> dict[str, Any]:
    return {
        "ph": "X",
        "name": name,
        "cat": kind,
        "pid": process,
        "tid": thread,
        "ts": at_ns / NS_A_US,
        "dur": length_ns / NS_A_US,
    }


def _command_events(row: Sequence[int], start: int) -> Iterator[dict[str, Any]]:
    seq, stamps = row[0], dict(zip(KINDS, row[1:], strict=True))
    common = {"cat": "command", "id": seq, "pid": PROCESS_COMMANDS, "tid": 0}
    slices = [(f"command {seq}", stamps["intended"], stamps["replied"])]
    slices += [(stage, stamps[a], stamps[b]) for stage, (a, b) in WINDOWS.items()]
    for name, begin, end in slices:
        for phase, at in (("b", begin), ("e", end)):
            yield {**common, "ph": phase, "name": name, "ts": (at - start) / NS_A_US}
