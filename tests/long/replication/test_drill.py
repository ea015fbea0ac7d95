"""The drill finds nothing lost, and would find it."""

import json
import os
from pathlib import Path

import pytest


@pytest.mark.long
@pytest.mark.skipif(os.geteuid() != 0, reason="a drill makes a network: it needs root")
def test_every_kind_of_fault_once(outcry, tmp_path: Path) -> None:
    done = outcry("cluster", "drill", "--report", "drill.json", timeout_s=3_600)
    assert done.returncode == 0, done.stderr
    document = json.loads((tmp_path / "drill.json").read_text())
    assert len({fault["kind"] for fault in document["faults"]}) == 15
    assert document["acknowledged"] > 1_000
    assert "lost 0, doubled 0, reordered 0" in done.stdout


@pytest.mark.long
def test_a_drill_of_two_faults_leaves_nothing(outcry, tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("a drill makes a network: it needs root")
    kinds = "kill follower,corrupt follower"
    done = outcry("cluster", "drill", "--faults", "2", "--kinds", kinds, "--json", timeout_s=3_600)
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert document["passed"] is True
    assert (document["lost"], document["doubled"], document["reordered"]) == (0, 0, 0)
    assert document["hashes_equal"]
    assert document["nodes_equal"]
    assert document["acknowledged"] >= 200
    assert "found before it served" in document["faults"][0]["note"] + document["faults"][1]["note"]
    assert not list(tmp_path.iterdir())
