"""The ring subject of the bench: its document, its peers, and what it says when one is missing."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from openoutcry.bench import ring
from openoutcry.bench.peers import programs
from openoutcry.bench.results import read_document
from openoutcry.bench.ring import ALWAYS, GEOMETRY, VARIANTS, bench_ring, peers_named
from openoutcry.host.processes import PeerError, run_processes
from openoutcry.report.evidence import read_evidence
from openoutcry.report.goals import RING_ROWS
from openoutcry.report.tables import ring_table
from openoutcry.ring import list_segments
from tests.support.bench.bench_command import bench_here
from tests.support.processes import alive, left_behind, left_since
from tests.support.waiting import BOUND_S

UNITS = {
    "round_trip": ("ns", "lower"),
    "publish_1": ("1/s", "higher"),
    "publish_64": ("1/s", "higher"),
    "multi_claim_16": ("1/s", "higher"),
    "python_round_trip": ("ns", "lower"),
    "observed": ("1/s", "higher"),
}
two_cores = pytest.mark.skipif(
    len(os.sched_getaffinity(0)) < 2, reason="the ring bench needs two cores"
)
compiler = pytest.mark.skipif(shutil.which("gcc") is None, reason="no gcc: apt-get install gcc")


FEW = ring.Counts(256, 1 << 17, 1 << 17, 100)
"""Messages a figure: two laps of the ring, where two cores that others use spin for minutes over
the command's own."""
BENCH = [
    *(sys.executable, "-c"),
    "from openoutcry.__main__ import main\n"
    "from openoutcry.bench import ring\n"
    f"ring.QUICK = ring.{FEW}\n"
    "main()",
    *("bench", "ring", "--quick"),
]


def bench(*arguments: str, cwd: Path | None = None) -> "subprocess.CompletedProcess[str]":
    command = [*BENCH, *arguments]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=BOUND_S)


@two_cores
@compiler
def test_the_ring_subject_gives_the_shared_shape(tmp_path: Path) -> None:
    """A quick round with the peers that need no installation: every metric with its unit, every
    peer of it with a ratio, the same document in --out, and nothing left in shared memory."""
    before = left_behind()
    options = ("--rounds", "1", "--against", "c,bounce")
    done = bench(*options, "--json", "--out", "r.json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert read_document(tmp_path / "r.json") == document
    assert document["command"].endswith("--against c,bounce")
    assert {row["name"]: (row["unit"], row["better"]) for row in document["results"]} == UNITS
    assert {row["name"]: set(row["against"]) for row in document["results"]} == {
        "round_trip": {"bounce", "bounce_pause", "c", "c_far", "patient", "calibrated"},
        "publish_1": {"c", "c_far"},
        "publish_64": {"c", "c_far", "plain", "ahead"},
        "multi_claim_16": {"single"},
        "python_round_trip": set(),
        "observed": {"unobserved"},
    }
    for row in document["results"]:
        assert row["median"] > 0
        for theirs in row["against"].values():
            assert theirs["ratio"] == pytest.approx(row["median"] / theirs["median"])
    assert document["missing"] == []
    assert not left_since(before)


def test_an_unknown_peer_is_a_usage_error() -> None:
    """The message names it and those there are; nothing is measured."""
    done = bench_here("ring", "--against", "boost,zeromq")
    assert done.exit_code == 2
    assert "unknown peer 'zeromq'" in done.stderr
    assert "rte_ring" in done.stderr


def test_peers_of_the_ring_are_not_for_other_subjects() -> None:
    """`bench pipeline --against` is a usage error, not an option without effect."""
    done = bench_here("pipeline", "--against", "boost")
    assert done.exit_code == 2
    assert "--against" in done.stderr


def test_a_name_brings_its_variants_and_the_controls() -> None:
    """--against boost measures boost with and without back-off, the bounce and our loop in C."""
    assert peers_named("boost") == [
        "bounce",
        "bounce_pause",
        "c",
        "c_far",
        "boost",
        "boost_backoff",
    ]
    variants = {variant for names in VARIANTS.values() for variant in names}
    assert set(peers_named(None)) == variants
    assert set(ALWAYS) < set(VARIANTS)


@pytest.mark.parametrize(
    ("peer", "attribute", "command"),
    [
        ("boost", "BOOST_HEADER", "apt-get install libboost-dev"),
        ("disruptor", "DISRUPTOR_JAR", "apt-get install libdisruptor-java"),
    ],
)
def test_a_peer_whose_package_is_missing_says_what_gives_it(
    monkeypatch: pytest.MonkeyPatch, peer: str, attribute: str, command: str
) -> None:
    """Each missing package is named with the command that installs it."""
    monkeypatch.setattr(programs, attribute, Path("/nowhere/at-all"))
    monkeypatch.setattr(programs.shutil, "which", lambda name: f"/usr/bin/{name}")
    with pytest.raises(programs.PeerMissing, match=command) as error:
        programs.build(peer, GEOMETRY)
    assert "/nowhere/at-all" in str(error.value)


def test_a_missing_python_module_says_what_gives_it() -> None:
    """The command names the interpreter that runs the bench, and what of ours installs it."""
    with pytest.raises(programs.PeerMissing, match=r"no_such_module, or ours$") as error:
        programs.need_module("no_such_module", "ours")
    assert sys.executable in str(error.value)


@two_cores
@compiler
def test_a_missing_peer_is_in_the_document(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without boost the rest is measured, and both of its variants are in `missing` with why."""
    monkeypatch.setattr(programs, "BOOST_HEADER", Path("/nowhere/at-all"))
    monkeypatch.setattr(ring, "QUICK", FEW)
    messages: list[str] = []
    document = bench_ring(1, True, "outcry bench ring", messages.append, peers_named("boost"))
    assert {entry["name"] for entry in document["missing"]} == {"boost", "boost_backoff"}
    assert all("/nowhere/at-all" in entry["why"] for entry in document["missing"])
    assert {row["name"] for row in document["results"]} == set(UNITS)
    assert any("publish_64" in text for text in messages)


@two_cores
@compiler
def test_a_lost_message_fails_the_run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A peer that skips a message gives no figure: the checks of every program are real."""
    broken = tmp_path / "peers"
    shutil.copytree(programs.SOURCES, broken)
    source = (broken / "ring_c.c").read_text()
    whole = "fill(slot, seq);"
    assert source.count(whole) == 1
    (broken / "ring_c.c").write_text(source.replace(whole, "fill(slot, seq + (seq == 200001));"))
    monkeypatch.setattr(programs, "SOURCES", broken)
    monkeypatch.setattr(programs, "CACHE_ROOT", tmp_path / "cache")
    run = programs.build("c", GEOMETRY)
    cores = tuple(sorted(os.sched_getaffinity(0))[:2])
    for mode in ("round_trip", "publish_1", "publish_64"):
        with pytest.raises(PeerError, match="lost, doubled or torn"):
            run(mode, cores, 400_000)


def _end_badly() -> None:
    raise AssertionError("a reason to read")


def _end_at_once() -> None:
    os._exit(3)


@pytest.mark.parametrize("end", [_end_badly, _end_at_once])
def test_no_process_is_left_when_one_of_two_fails(end: Callable[[], None], tmp_path: Path) -> None:
    """The other one, which would wait for ever, is gone when the error is raised."""
    pid_file = tmp_path / "pid"

    def wait_for_ever() -> None:
        pid_file.write_text(str(os.getpid()))
        while True:
            os.sched_yield()

    def fail() -> None:
        while not pid_file.exists():
            os.sched_yield()
        end()

    with pytest.raises(PeerError, match="the pair"):
        run_processes("the pair", [(None, wait_for_ever), (None, fail)])
    assert not alive(int(pid_file.read_text()))


@two_cores
@compiler
@pytest.mark.parametrize(
    "number", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.long)]
)
def test_an_interrupted_bench_leaves_no_files(number: int) -> None:
    """In the middle of a round, whoever is being measured: no process, no shared memory."""
    with subprocess.Popen(
        [*BENCH, "--rounds", "999", "--against", "c"],
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    ) as bench_process:
        assert bench_process.stderr is not None
        for line in bench_process.stderr:
            if "multi_claim_16" in line:
                break
        time.sleep(0.1)
        os.kill(bench_process.pid, number)
        bench_process.communicate(timeout=BOUND_S)
    assert bench_process.returncode != 0
    mine = {name for name, owner in list_segments() if owner.pid == bench_process.pid}
    assert mine == set()
    # Its children end when it does; the system takes a moment to bury them.
    until = time.monotonic() + BOUND_S
    while _is_left(bench_process.pid):
        assert time.monotonic() < until
        time.sleep(0.01)


def _is_left(group: int) -> bool:
    """Whether a process group has anybody in it."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def test_the_table_says_missed_where_a_goal_is_missed_and_names_a_peer_that_was_not_there() -> None:
    """Ratios of 1 miss the goals that ask for more; a peer without a figure is no row of zeros."""
    evidence = read_evidence("ring")
    for row in evidence["figures"]["results"]:
        for against in row["against"].values():
            against |= {"ratio": 1.0, "interval": [1.0, 1.0]}
        row["against"].pop("disruptor", None)
    rows = [
        line.split("|") for line in ring_table(evidence).splitlines() if "≥" in line or "≤" in line
    ]
    cells = {row[1].strip(): (row[2].strip(), row[-2].strip()) for row in rows}
    assert len(cells) == len(RING_ROWS)
    absent = {what for what, (ours, met) in cells.items() if (ours, met) == ("not measured", "")}
    assert absent == {"round trip / Disruptor", "messages a second, one by one / Disruptor"}
    met = {what for what, (_, met) in cells.items() if met == "met"}
    assert met == {
        "messages a second, 64 at once / our algorithm in C",
        "many-producer claims of 16 / single producer",
        "throughput with a tail reader / without",
    }
    assert all(cells[what][1] == "missed" for what in cells.keys() - met - absent)
