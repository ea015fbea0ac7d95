"""bench/exports.py, report/bench_report.py: other tools read the files, the page stands alone."""

import json
import re
import sys
import time
from html.parser import HTMLParser

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from openoutcry.bench import plot_data as exports_pictures
from openoutcry.bench.exports import chrome_trace, hdr_log, hgrm, prometheus, write_exports
from openoutcry.bench.plot_data import plots
from openoutcry.bench.results import document, missing, summarise
from openoutcry.report.bench_report import render, write_bench_report
from openoutcry.runtime.histogram import bucket_of
from openoutcry.wire import OutcryError
from tests.support.bench.exports import COUNT, FIRST_NS, recorded


@pytest.fixture
def pipeline_document():
    rung = {"rate": 10, "p50": 1.0, "p99": 2.0, "p999": 3.0, "beyond": False}
    details = {
        "pictures": plots(recorded()),
        "ladder": {"none": [[rung, rung | {"rate": 100, "beyond": True}]]},
        "bottleneck": {"process": "back", "stage": "matcher", "commands_per_s": 2e7},
        "compile_s": 0.5,
    }
    figure = summarise("x", "ns", "lower", [1.0, 2.0, 3.0], {"peer<b>": [2.0, 2.0, 2.0]})
    return document(
        "pipeline",
        [figure],
        [missing("y", "no <disk>")],
        "outcry bench pipeline",
        conditions={"partial": "interrupted in round 4 of 7"},
        details=details,
    )


def test_the_percentile_distribution_is_hdrhistograms_own(pipeline_document):
    """The plotter's columns, the count, and the true maximum to three digits."""
    whole = next(
        s for s in pipeline_document["details"]["pictures"]["stages"] if s["name"] == "whole"
    )
    text = hgrm(whole["histogram"])
    assert re.search(r"Value\s+Percentile\s+TotalCount\s+1/\(1-Percentile\)", text)
    match = re.search(r"#\[Max\s+=\s+([\d.]+),\s+TotalCount\s+=\s+(\d+)", text)
    assert int(match[2]) == COUNT - 100
    assert float(match[1]) == pytest.approx(whole["max"] / 1000, rel=0.001)


@given(st.lists(st.integers(0, 2**42), min_size=1, max_size=300))
def test_an_exported_histogram_has_the_digits_that_it_claims(values):
    """Read back by HdrHistogram: the file says three digits, and every percentile is that of the
    recorded values themselves, above it by at most one part in 1,024."""
    from hdrh.histogram import HdrHistogram

    seen = {
        "start_epoch_s": 0.0,
        "length_s": 1.0,
        "stages": [
            {"name": "x", "histogram": exports_pictures.histogram(np.array(values, np.int64))}
        ],
    }
    line = next(line for line in hdr_log(seen).splitlines() if line.startswith("Tag=x"))
    back = HdrHistogram.decode(line.rsplit(",", 1)[1])
    assert back.significant_figures == 3
    assert back.get_total_count() == len(values)
    ordered = sorted(values)
    for rank, exact in enumerate(ordered, 1):
        # HdrHistogram takes the nearest rank: the rank itself is the middle of its share.
        exported = back.get_value_at_percentile(100 * rank / len(values))
        assert exact <= exported <= exact + exact // 1024


def test_the_interval_log_is_read_by_hdrhistograms_reader(pipeline_document, tmp_path):
    """Every stage's histogram comes back with its count, the run's start and its length."""
    from hdrh.histogram import HdrHistogram
    from hdrh.log import HistogramLogReader

    seen = pipeline_document["details"]["pictures"]
    stages = seen["stages"]
    path = tmp_path / "run.hlog"
    path.write_text(hdr_log(seen))
    lines = [line for line in path.read_text().splitlines() if line.startswith("Tag=")]
    assert [line.split(",")[0] for line in lines] == [f"Tag={stage['name']}" for stage in stages]
    for line in lines:
        assert HdrHistogram.decode(line.rsplit(",", 1)[1]).get_total_count() == COUNT - 100
    untagged = tmp_path / "untagged.hlog"
    untagged.write_text(re.sub(r"^Tag=\w+,", "", path.read_text(), flags=re.M))
    total = HdrHistogram(1, 3_600_000_000_000, 3)
    reader = HistogramLogReader(str(untagged), total)
    counts, lengths_ms = [], set()
    while (histogram := reader.get_next_interval_histogram()) is not None:
        counts.append(histogram.get_total_count())
        lengths_ms.add(histogram.get_end_time_stamp() - histogram.get_start_time_stamp())
    assert counts == [COUNT - 100] * len(stages)
    # From the intended send of command 101 to the reply to command 1,000.
    replied_ns = 10_000 * 999 + 5 * 1_099
    assert seen["length_s"] == (replied_ns - 10_000 * 100) / 1e9
    # The reader adds to milliseconds since 1970 in a float, whose step there is a quarter of a µs.
    assert {round(length_ms, 2) for length_ms in lengths_ms} == {9}
    began_ns = FIRST_NS + 1_000_000 + time.time_ns() - time.monotonic_ns()
    assert seen["start_epoch_s"] == pytest.approx(began_ns / 1e9, abs=5)
    assert reader.get_start_time_sec() == pytest.approx(seen["start_epoch_s"], abs=0.001)


def test_the_trace_is_chromes_format(pipeline_document):
    """Balanced asynchronous slices for every command shown, complete events with lengths, names for
    processes; what begins first is at 0."""
    seen = chrome_trace(pipeline_document["details"]["pictures"]["trace"])
    events = seen["traceEvents"]
    json.dumps(seen)
    begun = [(e["id"], e["name"]) for e in events if e["ph"] == "b"]
    assert sorted(begun) == sorted((e["id"], e["name"]) for e in events if e["ph"] == "e")
    assert len({number for number, _ in begun}) > 100
    steps = [e for e in events if e["ph"] == "X" and e["cat"] == "step"]
    assert [(e["name"], e["dur"]) for e in steps] == [("matcher", 9.0)]
    assert min(e["ts"] for e in events if "ts" in e) >= 0
    assert {e["args"]["name"] for e in events if e["ph"] == "M"} >= {"commands", "front", "back"}


def test_prometheus_text_holds_figures_and_cumulative_histograms(pipeline_document):
    """Each line is a comment or a sample; buckets rise to +Inf, which is the count."""
    lines = prometheus(pipeline_document).splitlines()
    sample = re.compile(r'^[a-z_]+(\{([a-z]+="[^"\n]*",?)+\})? [-+0-9.e]+$')
    assert all(line.startswith("#") or sample.match(line) for line in lines)
    assert 'outcry_bench_figure{subject="pipeline",name="x",unit="ns"} 2.0' in lines
    whole = [
        int(line.split()[-1]) for line in lines if '_bucket{durability="none",stage="whole"' in line
    ]
    assert whole == sorted(whole)
    assert whole[-1] == COUNT - 100
    live = {bucket_of(int(value)) for value in recorded().spans()["whole"]}
    assert len(whole) == len(live) + 1, "the live histograms' buckets, and +Inf"


def test_everything_lands_in_one_folder(pipeline_document, tmp_path):
    """All formats are written; Parquet gives the rounds and every stamp back; nothing half-made."""
    parquet = pytest.importorskip("pyarrow.parquet")
    folder = tmp_path / "out"
    paths = write_exports(pipeline_document, folder)
    assert set(paths) == {path for path in folder.rglob("*") if path.is_file()}
    written = {path.name for path in paths}
    assert {"metrics.prom", "trace.json", "run.hlog", "whole.hgrm", "results.parquet"} <= written
    assert parquet.read_table(folder / "results.parquet")["value"].to_pylist() == [1.0, 2.0, 3.0]
    commands = parquet.read_table(folder / "none" / "commands.parquet").to_pydict()
    row = commands["seq"].index(COUNT)
    assert commands["replied_ts_ns"][row] == recorded().recording.stamps[-1, 5]


def test_every_watched_run_is_exported(pipeline_document, tmp_path):
    """A folder for each durability, its own trace in it; the metrics tell them apart."""
    other = recorded("durable", ())
    pipeline_document["details"]["explain"] = [
        {"pictures": plots(run)} for run in (recorded(), other)
    ]
    write_exports(pipeline_document, tmp_path / "out")
    steps = {}
    for name in ("none", "durable"):
        seen = json.loads((tmp_path / "out" / name / "trace.json").read_text())
        steps[name] = sum(event.get("cat") == "step" for event in seen["traceEvents"])
        assert (tmp_path / "out" / name / "run.hlog").exists()
    assert steps == {"none": 1, "durable": 0}
    text = (tmp_path / "out" / "metrics.prom").read_text()
    assert text.count("# TYPE outcry_stage_latency_seconds") == 1
    for name in steps:
        assert f'_count{{durability="{name}",stage="whole"}} {COUNT - 100}\n' in text


def test_what_cannot_be_exported_is_said(pipeline_document, tmp_path, monkeypatch):
    """A missing folder, a file for a folder, a missing package."""
    (tmp_path / "file").write_text("")
    with pytest.raises(OutcryError, match="there is no folder"):
        write_exports(pipeline_document, tmp_path / "gone" / "out")
    with pytest.raises(OutcryError, match="is not a folder"):
        write_exports(pipeline_document, tmp_path / "file")

    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(OutcryError, match="Parquet files need pyarrow: pip install"):
        write_exports(pipeline_document, tmp_path / "out")
    assert not (tmp_path / "out").exists()


class Page(HTMLParser):
    """Collects what a page would load, and checks that its tags balance."""

    VOID = ("meta", "path", "rect", "line", "br", "link")

    def __init__(self, text):
        super().__init__()
        self.loads, self.open, self.tags = [], [], set()
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.add(tag)
        self.loads += [
            value
            for key, value in attributes
            if key in ("src", "href", "data") and not value.startswith("#")
        ]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        if tag not in self.VOID:
            assert self.open.pop() == tag


def test_the_report_is_self_contained(pipeline_document, tmp_path):
    """No script, nothing loaded, tags balanced, text from documents escaped; light, dark and paper
    are styled; partial is said; each picture is there."""
    cores = document(
        "cores",
        [],
        [],
        "outcry bench cores",
        details={"cores": [0, 1], "map": [[0, 60.0], [60.0, 0]], "relation": {"0_1": "one L3"}},
    )
    jitter = document(
        "jitter",
        [],
        [],
        "outcry bench jitter",
        details={"lost_ns_by_cause": {"0": {"preempted: <x>": 5}}},
    )
    path = tmp_path / "lab.html"
    write_bench_report([pipeline_document, cores, jitter], path)
    text = path.read_text()
    page = Page(text)
    assert page.loads == []
    assert page.open == []
    assert "script" not in page.tags
    assert "peer&lt;b&gt;" in text
    assert "preempted: &lt;x&gt;" in text
    assert "no &lt;disk&gt;" in text
    assert "prefers-color-scheme: dark" in text
    assert "@media print" in text
    assert "Partial: interrupted in round 4 of 7" in text
    for what in (
        "Latency against rate",
        "Latency over time",
        "Latency by percentile",
        "Throughput over time",
        "Where the time goes",
        "Round trip of a cache line",
        "lost its time to",
        "The bottleneck is <b>matcher</b>",
    ):
        assert what in text


def test_documents_of_different_hosts_are_marked_as_such(pipeline_document):
    """A page about two machines says so at its top."""
    other = json.loads(json.dumps(pipeline_document))
    other["host"]["cpu_model"] = "another"
    assert "2 different hosts" in render([pipeline_document, other])
    assert "different hosts" not in render([pipeline_document, pipeline_document])
