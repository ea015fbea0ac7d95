"""report/terminal.py, text.py: what was measured reaches its reader, on terminal and page."""

import numpy as np
import pytest

from openoutcry.bench.paced import Paced
from openoutcry.bench.plot_data import plots
from openoutcry.bench.results import document, missing, summarise
from openoutcry.pipeline.recording import Recording
from openoutcry.report.bench_report import render
from openoutcry.report.terminal import show
from openoutcry.report.text import beside, core_groups, ranges
from tests.support.report.terminal import SLOW

RUNG = {"rate": 100_000, "p50": 1_000.0, "p99": 2_000.0, "p999": 3_000.0, "beyond": False}


def cores_of(count: int) -> dict:
    """Two sockets: 60 ns within one, 200 ns between them."""
    half = count // 2
    near = [
        [0.0 if a == b else 60.0 if (a < half) == (b < half) else 200.0 for b in range(count)]
        for a in range(count)
    ]
    pairs = [(a, b) for a in range(count) for b in range(a + 1, count)]
    relation = {f"{a}_{b}": "one L3" if near[a][b] == 60 else "two sockets" for a, b in pairs}
    details = {
        "cores": list(range(count)),
        "map": near,
        "relation": relation,
        "groups": [list(range(half)), list(range(half, count))],
    }
    figures = [summarise(f"bounce_{a}_{b}", "ns", "lower", [near[a][b]]) for a, b in pairs]
    return document("cores", figures, [], "outcry bench cores", details=details)


def test_cores_are_said_in_groups():
    """What was measured, and beside it what the kernel says of the pairs."""
    assert core_groups(cores_of(4)["details"]) == [
        "cores 0-1: 60 ns; the kernel says: one L3",
        "cores 2-3: 60 ns; the kernel says: one L3",
        "from group to group: 200 ns; the kernel says: two sockets (4 pairs)",
    ]
    lonely = cores_of(2)["details"] | {"groups": [[0], [1]]}
    assert core_groups(lonely)[:2] == ["core 0: near no other", "core 1: near no other"]
    assert core_groups({"cores": [0], "map": [[0.0]]}) == []
    assert ranges([0, 1, 2, 5, 7, 8]) == "0-2, 5, 7-8"


def test_64_cores_are_a_few_lines_on_the_terminal(capsys):
    """Not one of 2,016 a pair; the page has the groups under its map."""
    cores_document = cores_of(64)
    show(cores_document)
    output = capsys.readouterr().out
    assert len(output.splitlines()) < 10
    assert "2,016 pairs of cores" in output
    assert "cores 0-31: 60 ns; the kernel says: one L3 (496 pairs)" in output
    page = render([cores_document])
    assert page.index("Cores near each other") > page.index("Round trip of a cache line")
    assert "<li>cores 32-63: 60 ns" in page
    assert "<details><summary>2,016 figures, the first 1,000 of them here" in page
    assert page.count("<tr><td>bounce_") == 1_000


@pytest.fixture
def pipeline():
    perf = {
        "kind": "Software events only.",
        "flame": "",
        "notes": ["no c2c"],
        "processes": [{"process": "back", "stages": ["matcher"], "counters": {"page-faults": 7}}],
        "functions": [["match_burst", 0.5]],
        "off_cpu_ns": {"back": {"short": 1, "long": 5_000}},
    }
    details = {
        "compile_s": 2.5,
        "perf": perf,
        "bottleneck": {"process": "back", "stage": "matcher", "commands_per_s": 2e7},
        "ladder": {"none": [[RUNG, RUNG | {"rate": 10_000_000, "beyond": True}]]},
    }
    return document("pipeline", [], [], "outcry bench pipeline", details=details)


def test_the_terminal_has_compile_time_bottleneck_ladder_and_perf(pipeline, capsys):
    """Each in plain lines."""
    show(pipeline)
    output = capsys.readouterr().out
    for line in (
        "compiling or loading the kernels took 2.5 s, in no figure",
        "the bottleneck is matcher in process back: by its stages alone it could do 20 M/s",
        "latency against rate, durability none; the knee is at 100 k/s:",
        "100 k/s: p50 1 µs, p99 2 µs, p99.9 3 µs\n",
        "10 M/s: p50 1 µs, p99 2 µs, p99.9 3 µs, beyond the knee\n",
        "perf: Software events only.",
        "back (matcher): page-faults 7",
        "50.0%  match_burst",
        "back was off its core for: long 5 µs; short 1 ns",
        "no c2c",
    ):
        assert line in output


def test_the_tail_says_the_same_on_terminal_and_page(pipeline, capsys, recorded_pictures):
    """The slowest orders' other lines, and the steps that had no room."""
    pipeline["details"]["explain"] = [
        {
            "rate": 100_000,
            "durability": "durable",
            "tail_commands": 20,
            "tail_from_ns": 50_000,
            "watched": None,
            "noise": {"steal": 0.0},
            "steps_not_kept": 3,
            "slowest": [SLOW],
            "incidents": [],
            "causes": [{"cause": "journal commit", "share": 1.0, "commands": 20}],
            "pictures": recorded_pictures,
        }
    ]
    show(pipeline)
    for text in (capsys.readouterr().out, render([pipeline])):
        assert "; ".join(beside(SLOW)) in text
        assert "3 long steps were not kept" in text
        assert ".3 long steps" not in text


@pytest.fixture
def recorded_pictures():
    """Return the recording of 200 commands, each later stamp 1 µs after the one before;
    no journal."""
    start = 1_000_000_000 + 10_000 * np.arange(200)
    stamps = np.stack([*(start + 1_000 * place for place in range(6)), 0 * start], axis=1)
    result = {"durability": "durable", "topology": "inline"}
    return plots(Paced(100_000, result, Recording(stamps=stamps), 0))


def test_what_ran_during_several_slow_orders_is_written_once(pipeline, recorded_pictures):
    """Twenty neighbours behind one gap: the first has the list, the others refer to it."""
    slowest = [SLOW | {"seq": seq} for seq in (10, 11, 12)]
    pipeline["details"]["explain"] = [
        {
            "rate": 100_000,
            "durability": "none",
            "tail_commands": 3,
            "tail_from_ns": 50_000,
            "watched": None,
            "steps_not_kept": 0,
            "slowest": slowest,
            "causes": [],
            "pictures": recorded_pictures,
        }
    ]
    page = render([pipeline])
    assert page.count("preempted: kworker") == 1
    assert page.count("meanwhile the same as for 10") == 2


def test_the_page_names_what_interrupted_each_core():
    """What the terminal says of the interrupts by name stands on the page too."""
    details = {
        "lost_ns_by_cause": {"0": {"timer interrupt": 10}},
        "interrupts_per_s_by_name": {"0": {"LOC": 250.0, "virtio1": 3.0}},
    }
    page = render([document("jitter", [], [], "outcry bench jitter", details=details)])
    assert "Interrupted by: LOC 250/s; virtio1 3/s." in page


def test_ratios_to_peers_are_written_out():
    """2,430 times, and not 2.43e+03."""
    figure = summarise("x", "1/s", "higher", [2_430.0] * 3, {"slow": [1.0] * 3})
    page = render([document("ring", [figure], [], "outcry bench ring")])
    assert "ours is 2,430 ×" in page
    assert "2,430 – 2,430" in page


def test_many_subjects_have_one_short_heading():
    """Nine names in letters of 34 pixels are no heading."""
    documents = [
        document(name, [], [], "outcry bench") for name in ("ring", "shim", "clock", "cores")
    ]
    assert "<h1>4 subjects on " in render(documents)
    assert "<h1>ring · shim</h1>" in render(documents[:2])


def test_a_subject_that_failed_is_shown_with_its_reason(capsys) -> None:
    """Without figures, maps or details there is still the reason."""
    show(document("cores", [], [missing("cores", "no second core")], "outcry bench cores"))
    assert "missing: cores: no second core" in capsys.readouterr().out
