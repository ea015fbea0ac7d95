"""bench/harness.py: the harness's runs, read, compared and refused."""

import json
import stat
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from openoutcry.bench import harness
from openoutcry.bench.harness import Harness, bench_harness, peers_in
from openoutcry.bench.results import check_document
from openoutcry.cli.main import main
from openoutcry.flow import FLOWS
from openoutcry.host.processes import PeerError
from openoutcry.wire.errors import OutcryError

PROGRAM = """#!/usr/bin/env python3
import json, os, pathlib, sys
given = dict(zip(sys.argv[1::2], sys.argv[2::2]))
name = pathlib.Path(given["--engine"]).stem
answer = json.loads(pathlib.Path("answers.json").read_text())[name]
if answer.get("silent"):
    sys.exit("no memory")
pathlib.Path("results").mkdir(exist_ok=True)
pace = answer["pace"]
if os.environ.get("OUTCRY_HARNESS_QUEUE"):
    pace /= 2
if given["--scenario"] == "static":
    pace /= 4
result = pathlib.Path("results", name + ".json")
result.write_text(json.dumps({
    "throughput_msgs_per_s": pace,
    "verdict": answer.get("verdict", "VALID"),
    "correctness": {"status": answer.get("status", "PASS"), "computed_hash": answer["hash"]},
}))
print("Verdict: INVALID, as far as that goes" if answer.get("verdict") else "")
print(f"Result file: {result}")
"""
GENERATOR = """#!/bin/sh
touch "$2"
"""
OURS, FLOOR = "outcry_adapter", "outcry_floor"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A harness that answers from a file, and two peers' libraries."""
    for name, text in (("harness", PROGRAM), ("generator", GENERATOR)):
        program = tmp_path / name
        program.write_text(text)
        program.chmod(program.stat().st_mode | stat.S_IXUSR)
    for name in ("slow", "fast"):
        (tmp_path / f"{name}_adapter.so").touch()
    answers(tmp_path)
    monkeypatch.setattr(harness, "adapter", lambda folder: folder / f"{OURS}.so")
    monkeypatch.setattr(harness, "floor", lambda folder: folder / f"{FLOOR}.so")
    monkeypatch.setattr(harness, "record_events", lambda workload, out: out.touch())
    monkeypatch.setattr(harness, "FLOWS", ("static", "normal"))
    monkeypatch.setattr(harness, "WAYS", harness.WAYS[1:4:2])
    monkeypatch.setattr("os.sched_getaffinity", lambda pid: {3, 5})
    return tmp_path


def answers(folder: Path, **changes: dict[str, Any]) -> None:
    """What each engine's run gives, with these changes."""
    paces = {OURS: 12e6, FLOOR: 48e6, "slow_adapter": 3e6, "fast_adapter": 24e6}
    rows: dict[str, dict[str, Any]] = {
        name: {"pace": pace, "hash": "ab"} for name, pace in paces.items()
    }
    for name, change in changes.items():
        rows[name] |= change
    (folder / "answers.json").write_text(json.dumps(rows))


def measure(folder: Path, against: str | None = "slow") -> dict[str, dict[str, Any]]:
    document = bench_harness(1, True, "outcry bench matcher", lambda text: None, folder, against)
    check_document(document, "here")
    return {row["name"]: row for row in document["results"]}


def test_its_scenarios_are_those_of_the_flows() -> None:
    """The names that the harness knows."""
    assert sorted(FLOWS) == ["flash-crash", "normal", "static", "swing-25", "swing-40"]


def test_a_figure_and_its_ratio_for_each_way_and_scenario(folder: Path) -> None:
    """And the worst scenario of each, ours and the peer's of the same round."""
    rows = measure(folder)
    names = {f"messages_{s}_{way}" for s in ("static", "normal", "worst") for way in TWO_WAYS}
    assert set(rows) == names
    assert rows["messages_normal_one_queue"]["median"] == 6e6
    assert rows["messages_normal_floor_one"]["against"]["slow"]["ratio"] == 16.0
    assert rows["messages_worst_one_queue"]["median"] == 1.5e6
    assert rows["messages_worst_one_queue"]["against"]["slow"]["ratio"] == 2.0
    assert not list(folder.glob("events_*"))


TWO_WAYS = ("one_queue", "floor_one")


def test_every_engine_in_the_folder_is_a_peer_unless_some_are_named(folder: Path) -> None:
    """Our adapter, which may lie there as well, is none."""
    (folder / f"{OURS}.so").touch()
    assert sorted(peers_in(folder, None)) == ["fast", "slow"]
    assert sorted(peers_in(folder, " fast")) == ["fast"]
    with pytest.raises(OutcryError, match=r"no other_adapter\.so; engines there: fast, slow"):
        peers_in(folder, "other")


def test_other_reports_are_no_figure(folder: Path) -> None:
    """The hashes of one scenario must be one, whether the harness knows it or not."""
    answers(folder, slow_adapter={"hash": "cd", "status": "NO REFERENCE", "verdict": "INVALID"})
    with pytest.raises(PeerError, match="static: engines with different reports"):
        measure(folder)


def test_a_run_that_is_not_valid_is_no_figure(folder: Path) -> None:
    """Its text is passed on."""
    answers(folder, **{OURS: {"verdict": "INVALID"}})
    with pytest.raises(PeerError, match=r"outcry_adapter\.so, static: INVALID:\n.*as far as that"):
        measure(folder)


def test_a_seed_without_a_published_hash_is_measured(folder: Path) -> None:
    """The harness calls it invalid; the engines' agreement counts."""
    unknown: dict[str, Any] = {"status": "NO REFERENCE", "verdict": "INVALID"}
    answers(folder, **{OURS: unknown, "slow_adapter": unknown})
    assert measure(folder)["messages_normal_floor_one"]["median"] == 48e6


def test_a_run_that_fails_says_what_it_printed(folder: Path) -> None:
    """And which command it was."""
    answers(folder, **{OURS: {"silent": True}})
    with pytest.raises(OutcryError, match=r"--scenario static .* failed:\nno memory"):
        measure(folder)


def test_a_folder_without_the_harness_is_refused(tmp_path: Path) -> None:
    """One line says what is expected, and a harness that is not made says how."""
    result = CliRunner().invoke(main, ["bench", "matcher", "--harness", str(tmp_path)])
    said = f"{result.output}{result.exception}"
    assert result.exit_code != 0
    assert "no api/matching_engine_api.h: give the folder of" in said
    with pytest.raises(OutcryError, match="harness: not there; run make in"):
        Harness(tmp_path, (0, 1), 1).run(tmp_path / "x.so", "normal")
